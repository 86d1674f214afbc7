//! Two Zabbix servers on one database, the address with the active one, agents that talk to it (docs/recipes/zabbix.md).

use crate::mariadb::{self, MariaDb, as_user};
use crate::support::{ANSWER, Example, Pair, Program, folder, host, installed};
use lab::clock::Clock;
use lab::command::run;
use lab::netns::Namespace;
use lab::network::Network;
use lab::process::Process;
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const EXAMPLE: Example = Example("zabbix");

const ADDRESS: &str = "10.0.0.10";

/// How long agents may take to deliver again, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// The schema of the package, in the order it is loaded.
const SCHEMA: [&str; 3] = ["schema", "images", "data"];

#[test]
fn the_address_follows_the_active_zabbix_server_and_agents_deliver_what_they_kept() {
    if !needed() {
        return;
    }
    let network = Network::build(&[
        host("a", "10.0.0.2/24"),
        host("b", "10.0.0.3/24"),
        host("db", "10.0.0.20/24"),
        host("c", "10.0.0.100/24"),
    ])
    .unwrap();
    let database = database(network.host("db").unwrap());
    let mut pair = Pair::start_in(EXAMPLE, network, ADDRESS, Server::start, trap);
    // As short as it goes.
    pair.a.service.control("ha_set_failover_delay=10s");
    let _agent = Agent::start(pair.network.host("c").unwrap());
    delivered(&database, "an agent delivers");
    standby(&database, "b");

    breaks(&mut pair, &database, "zabbix_server is killed (SIGKILL)", "b", |pair| {
        pair.a.service.kill()
    });
    pair.a.service.program.start_again();
    standby(&database, "a");
    breaks(&mut pair, &database, "zabbix_server hangs (SIGSTOP)", "a", |pair| {
        pair.b.service.program.signal(Signal::SIGSTOP)
    });
    // It has been killed, or it would not end.
    pair.b.service.program.start_again();
    standby(&database, "b");
    breaks(
        &mut pair,
        &database,
        "the node is down (its cable pulled)",
        "b",
        |pair| pair.network.carrier("a", false).unwrap(),
    );
    pair.network.carrier("a", true).unwrap();
    standby(&database, "a");
    breaks(
        &mut pair,
        &database,
        "zabbix_server is stopped (SIGTERM)",
        "a",
        |pair| pair.b.service.stop(),
    );
    pair.b.service.program.start_again();
    standby(&database, "b");
    breaks(&mut pair, &database, "keepalived is killed (SIGKILL)", "a", |pair| {
        pair.a.keepalived.kill_everything().unwrap();
        pair.a.keepalived.start().unwrap();
    });
    let gap = "SELECT MAX(gap) FROM (SELECT clock - LAG(clock) OVER (ORDER BY clock) AS gap
        FROM zabbix.history_uint WHERE itemid = 90001) AS gaps";
    let gap = database.sql(gap).unwrap();
    eprintln!(
        "zabbix  the agent's longest gap, once it has delivered what it kept: {} s",
        gap.trim()
    );
    // An agent waits 15 seconds for the answer of a server that hangs, and collects nothing meanwhile. And a server that is
    // killed takes with it what it has not written yet: one delivery of the agent at most.
    assert!(gap.trim().parse::<u32>().unwrap() < 25, "values of the agent are lost");
}

#[test]
fn the_configurations_of_the_zabbix_recipe_are_accepted_by_ours_and_by_the_original() {
    if needed() && installed(&["/usr/sbin/keepalived"]) {
        EXAMPLE.accepted_by_ours_and_by_the_original();
    }
}

#[test]
fn the_nodes_of_the_zabbix_recipe_fit_together() {
    EXAMPLE.nodes_fit_together();
}

fn needed() -> bool {
    let own = [
        "/usr/sbin/zabbix_server",
        "/usr/sbin/zabbix_agentd",
        "/usr/bin/zabbix_sender",
        "/usr/bin/pkill",
    ];
    installed(&[&mariadb::PROGRAMS[..], &own].concat())
}

/// A failure, and how long it takes until a value an agent has collected after it is in the database.
fn breaks(
    pair: &mut Pair<Server>,
    database: &MariaDb,
    what: &str,
    target: &str,
    inject: impl FnOnce(&mut Pair<Server>),
) {
    pair.failure(what, target, |pair| {
        let clock = Clock::start();
        inject(pair);
        let router = if target == "a" { &pair.a } else { &pair.b };
        until("the address moves", || {
            let both = pair.a.service.active() && pair.b.service.active();
            assert!(!both, "both servers are active");
            router.holds(ADDRESS) && router.service.active()
        });
        delivered(database, what);
        let again = clock.now().as_secs_f64();
        eprintln!("zabbix    then until the agent's data arrived {again:>5.1} s");
    });
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = Clock::start();
    while !holds() {
        assert!(clock.now() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Waits for a value in the database that the agent has collected after now.
fn delivered(database: &MariaDb, what: &str) {
    let now = database.sql("SELECT UNIX_TIMESTAMP()").unwrap();
    let newer = format!(
        "SELECT COUNT(*) FROM zabbix.history_uint WHERE itemid = 90001 AND clock > {}",
        now.trim()
    );
    until(what, || database.sql(&newer).unwrap().trim() != "0");
}

/// Waits until the database knows a server as the standby.
fn standby(database: &MariaDb, name: &str) {
    let status = format!("SELECT status FROM zabbix.ha_node WHERE name = 'zabbix-{name}'");
    until("a standby", || database.sql(&status).unwrap().trim() == "0");
}

/// One request of a client: a value for the trapper, and whether the server took it.
fn trap() -> bool {
    send(r#"{"request":"sender data","data":[{"host":"client","key":"lab.trap","value":"1"}]}"#)
        .is_some_and(|answer| answer.contains("processed: 1;"))
}

/// The protocol of zabbix_sender: a header with the length, and JSON.
fn send(request: &str) -> Option<String> {
    let address = SocketAddr::new(ADDRESS.parse().unwrap(), 10051);
    let mut stream = TcpStream::connect_timeout(&address, ANSWER).ok()?;
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    let length = u64::try_from(request.len()).unwrap().to_le_bytes();
    let message = [b"ZBXD\x01", &length[..], request.as_bytes()].concat();
    stream.write_all(&message).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// A MariaDB with the schema of the package, a host, an item its agent collects every second, and one that is sent.
fn database(namespace: &Arc<Namespace>) -> MariaDb {
    let database = MariaDb::start(
        namespace,
        "bind_address = 0.0.0.0\ninnodb_flush_log_at_trx_commit = 0\n",
    );
    database.sql(&EXAMPLE.file("database.sql")).unwrap();
    for part in SCHEMA {
        let file = format!("/usr/share/zabbix-server-mysql/{part}.sql.gz");
        let statements = run("zcat", &[&file], "").unwrap();
        database.sql(&format!("USE zabbix;\n{statements}")).unwrap();
    }
    database.sql(ITEMS).unwrap();
    database
}

const ITEMS: &str = "USE zabbix;
    INSERT INTO hosts (hostid, host, name, name_upper, description) VALUES (90001, 'client', 'client', 'CLIENT', '');
    INSERT INTO items (itemid, hostid, type, name, key_, delay, value_type, params, description, posts, headers) VALUES
        (90001, 90001, 7, 'alive', 'agent.ping', '1s', 3, '', '', '', ''),
        (90002, 90001, 2, 'trap', 'lab.trap', '0', 3, '', '', '', '');
    INSERT INTO item_rtdata (itemid) VALUES (90001), (90002);";

/// A server with the settings of the recipe in the package's own configuration.
struct Server {
    program: Program,
    namespace: Arc<Namespace>,
    folder: PathBuf,
}

impl Server {
    fn start(name: &str, namespace: &Arc<Namespace>, keepalived: &Path) -> Server {
        let folder = keepalived.join("zabbix");
        let number = if name == "a" { "2" } else { "3" };
        let settings = EXAMPLE
            .file("server.conf")
            .replace("zabbix-a", &format!("zabbix-{name}"))
            .replace("10.0.0.2:", &format!("10.0.0.{number}:"));
        configure(
            &folder,
            "zabbix_server",
            &settings,
            &format!("SocketDir={}\n", folder.display()),
        );
        let script = keepalived.join("lost_zabbix");
        let text = fs::read_to_string(&script).unwrap();
        let text = text
            .replace("/run/zabbix/", &format!("{}/", folder.display()))
            // To the log of the daemon instead of the machine's.
            .replace("logger -t lost_zabbix", "echo lost_zabbix:");
        fs::write(&script, text).unwrap();
        let mut command = as_user("zabbix", "/usr/sbin/zabbix_server");
        command
            .arg("--foreground")
            .arg("-c")
            .arg(folder.join("zabbix_server.conf"));
        let server = Server {
            program: Program::start(namespace, quiet(command)),
            namespace: namespace.clone(),
            folder,
        };
        if name == "a" {
            until("the first server is active", || server.active());
        }
        server
    }

    /// What the check of the recipe says.
    fn active(&self) -> bool {
        let script = self.folder.with_file_name("check_zabbix");
        self.inside(as_user("zabbix", script))
    }

    /// A command of `zabbix_server -R`.
    fn control(&self, command: &str) {
        until(command, || {
            let mut control = as_user("zabbix", "/usr/sbin/zabbix_server");
            control
                .arg("-c")
                .arg(self.folder.join("zabbix_server.conf"))
                .args(["-R", command]);
            self.inside(quiet(control))
        });
    }

    /// As `systemctl stop` does it.
    fn stop(&self) {
        assert!(self.main().signal(Signal::SIGTERM));
    }

    /// The server and its children, some of which end by themselves when it has gone.
    fn kill(&self) {
        let main = self.main();
        let children = main.descendants();
        assert!(main.signal(Signal::SIGKILL));
        for child in children {
            child.signal(Signal::SIGKILL);
        }
    }

    fn main(&self) -> Process {
        let pid = fs::read_to_string(self.folder.join("zabbix_server.pid")).unwrap();
        Process::of(pid.trim().parse().unwrap()).unwrap()
    }

    fn inside(&self, mut command: Command) -> bool {
        self.namespace
            .inside(move || command.status())
            .unwrap()
            .unwrap()
            .success()
    }
}

/// An agent with the settings of the recipe in the package's own configuration.
struct Agent {
    _program: Program,
    _folder: TempDir,
}

impl Agent {
    fn start(namespace: &Arc<Namespace>) -> Agent {
        let place = folder();
        let folder = place.path().join("zabbix");
        configure(
            &folder,
            "zabbix_agentd",
            &EXAMPLE.file("agent.conf"),
            "Hostname=client\n",
        );
        let mut command = as_user("zabbix", "/usr/sbin/zabbix_agentd");
        command
            .arg("--foreground")
            .arg("-c")
            .arg(folder.join("zabbix_agentd.conf"));
        Agent {
            _program: Program::start(namespace, quiet(command)),
            _folder: place,
        }
    }
}

/// The package's configuration of a program, with what it writes in a folder of the user zabbix, and the settings of the
/// recipe where it includes them.
fn configure(folder: &Path, program: &str, settings: &str, more: &str) {
    let place = folder.to_str().unwrap();
    run(
        "install",
        &["-d", "-o", "zabbix", "-g", "zabbix", place, &format!("{place}/conf.d")],
        "",
    )
    .unwrap();
    fs::write(folder.join("conf.d/ha.conf"), settings).unwrap();
    let packaged = fs::read_to_string(format!("/etc/zabbix/{program}.conf")).unwrap();
    let mut text: String = packaged
        .lines()
        .map(|line| match line.split_once('=') {
            Some(("LogFile", _)) => format!("LogFile={place}/log\n"),
            Some(("PidFile", _)) => format!("PidFile={place}/{program}.pid\n"),
            Some(("Include", _)) => format!("Include={place}/conf.d/*.conf\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    text.push_str(more);
    fs::write(folder.join(format!("{program}.conf")), text).unwrap();
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
