//! Two directors, one address, two web servers (docs/recipes/lvs.md), with NAT and with direct routing.
//!
//! Build machines rarely have ip_vs, so each story is told inside a guest: there this program is run again, with the one
//! test that tells it. The failures are the same as everywhere; the machine is emulated, so times are a little longer.

use crate::support::{EXAMPLES, Example, Pair, Program, Router, folder, host, installed, page, port, site};
use lab::clock::Clock;
use lab::command::run;
use lab::daemon::Binary;
use lab::guest::Guest;
use lab::netns::Namespace;
use lab::network::{HostPlan, Network};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

const BOTH: Example = Example("lvs");
const NAT: Example = Example("lvs/nat");
const DIRECT: Example = Example("lvs/dr");

/// Set inside the guest.
const INSIDE: &str = "KEEPALIVED_INSIDE_GUEST";

/// How long an open connection may be silent while a director is replaced: TCP repeats itself at growing intervals.
const SILENCE: Duration = Duration::from_secs(40);

#[test]
fn with_nat_a_pair_of_directors_outlives_web_servers_and_a_director_and_so_do_connections() {
    if !inside("with_nat_a_pair_of_directors_outlives_web_servers_and_a_director_and_so_do_connections") {
        return;
    }
    let (web1, web2) = (inner("web1", 11), inner("web2", 12));
    let network = Network::build(&[outer("a", 2), outer("b", 3), client(), web1, web2]).unwrap();
    let mut web = ["web1", "web2"].map(|name| {
        let routes = ["route add default via 10.0.0.1"];
        network.host(name).unwrap().ip(&routes).unwrap();
        WebServer::start(name, &network)
    });
    let mut pair = Pair::start_in(NAT, network, "192.0.2.200", director, || site("192.0.2.200:80"));
    servers_die(&mut pair, &mut web, "192.0.2.200:80");
    director_dies(&mut pair, "192.0.2.200:80");
}

#[test]
fn with_direct_routing_it_is_the_same_and_only_the_director_answers_for_the_address() {
    if !inside("with_direct_routing_it_is_the_same_and_only_the_director_answers_for_the_address") {
        return;
    }
    let network = Network::build(&[
        host("a", "10.0.0.2/24"),
        host("b", "10.0.0.3/24"),
        host("c", "10.0.0.100/24"),
        host("web1", "10.0.0.11/24"),
        host("web2", "10.0.0.12/24"),
    ])
    .unwrap();
    let script = DIRECT.path("lvs-real");
    let script = script.to_str().unwrap();
    let mut web = ["web1", "web2"].map(|name| {
        let start = || run(script, &["start"], "");
        network.host(name).unwrap().inside(start).unwrap().unwrap();
        WebServer::start(name, &network)
    });
    let mut pair = Pair::start_in(DIRECT, network, "10.0.0.200", director, || site("10.0.0.200:80"));
    assert_eq!(answers_for(&pair, "10.0.0.200"), hardware(&pair.a.namespace));
    servers_die(&mut pair, &mut web, "10.0.0.200:80");
    director_dies(&mut pair, "10.0.0.200:80");
    let web1 = pair.network.host("web1").unwrap();
    web1.inside(|| run(script, &["stop"], "")).unwrap().unwrap();
    let left = run("ip", &["-n", web1.name(), "-o", "address"], "").unwrap();
    assert!(!left.contains("10.0.0.200"), "{left}");
}

#[test]
fn the_configurations_of_the_lvs_recipe_are_accepted_by_ours_and_by_the_original() {
    if installed(&["/usr/sbin/keepalived"]) {
        NAT.accepted_by_ours_and_by_the_original();
        DIRECT.accepted_by_ours_and_by_the_original();
    }
}

#[test]
fn the_nodes_of_the_lvs_recipe_fit_together() {
    NAT.nodes_fit_together();
    DIRECT.nodes_fit_together();
}

type Directors = Pair<()>;

/// A web server is killed, then the other one hangs; the address stays.
fn servers_die(pair: &mut Directors, web: &mut [WebServer; 2], service: &'static str) {
    let at_work = |pair: &Directors, wanted: &[&str]| {
        let wanted = wanted.iter().map(|name| (*name).to_owned()).collect();
        pair.until(|pair| servers(&pair.a) == wanted, &format!("at work: {wanted:?}"));
    };
    at_work(pair, &["10.0.0.11", "10.0.0.12"]);
    assert_eq!(names(pair, service), ["web1\n", "web2\n"]);
    pair.noticed("a web server is killed (SIGKILL)", "a", |pair| {
        web[0].program.signal(Signal::SIGKILL);
        at_work(pair, &["10.0.0.12"]);
    });
    assert_eq!(names(pair, service), ["web2\n"]);
    pair.failure("the web server is started again", "a", |pair| {
        web[0].program.start_again();
        at_work(pair, &["10.0.0.11", "10.0.0.12"]);
    });
    pair.noticed("a web server hangs (SIGSTOP)", "a", |pair| {
        web[1].program.signal(Signal::SIGSTOP);
        pair.until(
            |pair| !table(&pair.a).contains("10.0.0.12:80 "),
            "a server that hangs is out",
        );
    });
    pair.failure("the web server goes on (SIGCONT)", "a", |pair| {
        web[1].program.signal(Signal::SIGCONT);
        at_work(pair, &["10.0.0.11", "10.0.0.12"]);
    });
}

/// The director loses its power, and comes back. Connections go on both times, although the director that gets them has
/// never seen them: it was told.
fn director_dies(pair: &mut Directors, service: &'static str) {
    let open = Open::start(pair, service);
    pair.until(|pair| open.is_known_to(&pair.b), "b is told of an open connection");
    pair.noticed("the director loses its power", "b", |pair| {
        pair.a.keepalived.kill_everything().unwrap();
        pair.network.carrier("a", false).unwrap();
        forget(&pair.a);
    });
    open.goes_on(pair);
    let open = Open::start(pair, service);
    pair.failure("the director comes back", "a", |pair| {
        pair.network.carrier("a", true).unwrap();
        pair.a.keepalived.start().unwrap();
    });
    open.goes_on(pair);
    pair.failure("keepalived on it is stopped", "b", |pair| {
        pair.a.keepalived.stop().unwrap();
    });
    pair.failure("keepalived is started again", "a", |pair| {
        pair.a.keepalived.start().unwrap();
    });
}

/// Sets what the recipe sets on a director.
fn director(_: &str, namespace: &Arc<Namespace>, _: &Path) {
    BOTH.sysctl(namespace);
}

/// What a machine that is started again does not have.
fn forget(router: &Router<()>) {
    let addresses = run("ip", &["-n", router.namespace.name(), "-o", "-4", "address"], "").unwrap();
    for line in addresses.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, interface, _, address, ..] = words.as_slice() else {
            panic!("{line}");
        };
        if ["192.0.2.200/24", "10.0.0.1/24", "10.0.0.200/24"].contains(address) {
            let line = format!("address del {address} dev {interface}");
            router.namespace.ip(&[line]).unwrap();
        }
    }
    for arguments in [&["-C"][..], &["--stop-daemon", "master"], &["--stop-daemon", "backup"]] {
        let done = router.namespace.inside(|| run("ipvsadm", arguments, "")).unwrap();
        // Of the two directions only one runs.
        assert!(done.is_ok() || arguments.len() > 1, "{done:?}");
    }
}

fn table(router: &Router<()>) -> String {
    let list = || run("ipvsadm", &["-Ln"], "");
    router.namespace.inside(list).unwrap().unwrap()
}

/// The servers at work, each once.
fn servers(router: &Router<()>) -> BTreeSet<String> {
    let table = table(router);
    let lines = table.lines().filter_map(|line| line.trim().strip_prefix("-> "));
    let servers = lines.filter_map(|line| line.split_once(':'));
    servers
        .map(|(server, _)| server.to_owned())
        .filter(|server| server != "RemoteAddress")
        .collect()
}

/// Who answers a client that asks ten times.
fn names(pair: &Directors, service: &str) -> Vec<String> {
    let client = pair.network.host("c").unwrap();
    let ask = || (0..10).filter_map(|_| page(service, "/")).collect::<Vec<_>>();
    let pages = client.inside(ask).unwrap();
    let names: BTreeSet<String> = pages
        .iter()
        .filter_map(|page| page.rsplit_once("served by "))
        .map(|(_, name)| name.to_owned())
        .collect();
    names.into_iter().collect()
}

/// The hardware address a client finds for an address.
fn answers_for(pair: &Directors, address: &str) -> String {
    let client = pair.network.host("c").unwrap();
    let known = run("ip", &["-n", client.name(), "neighbour", "show", address], "").unwrap();
    let mut words = known.split_whitespace().skip_while(|word| *word != "lladdr");
    words.nth(1).unwrap_or_default().to_owned()
}

fn hardware(namespace: &Namespace) -> String {
    let link = run("ip", &["-n", namespace.name(), "-o", "link", "show", "eth0"], "").unwrap();
    let mut words = link.split_whitespace().skip_while(|word| *word != "link/ether");
    words.nth(1).unwrap().to_owned()
}

/// One connection that is used all the time.
struct Open {
    port: u16,
    enough: Arc<AtomicBool>,
    answers: Arc<AtomicU32>,
    thread: JoinHandle<io::Result<Duration>>,
}

impl Open {
    fn start(pair: &Directors, service: &str) -> Open {
        let client = pair.network.host("c").unwrap();
        let address: SocketAddr = service.parse().unwrap();
        let connect = || TcpStream::connect_timeout(&address, SILENCE);
        let stream = client.inside(connect).unwrap().unwrap();
        let port = stream.local_addr().unwrap().port();
        let (enough, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (until, count) = (enough.clone(), answers.clone());
        Open {
            port,
            enough,
            answers,
            thread: std::thread::spawn(move || keep_using(&stream, &until, &count)),
        }
    }

    fn is_known_to(&self, router: &Router<()>) -> bool {
        let list = || run("ipvsadm", &["-Lnc"], "");
        let connections = router.namespace.inside(list).unwrap().unwrap();
        let port = format!(":{} ", self.port);
        connections
            .lines()
            .any(|line| line.contains("ESTABLISHED") && line.contains(&port))
    }

    /// More answers come, and the connection is the same one.
    fn goes_on(self, pair: &Directors) {
        let before = self.answers.load(Ordering::Relaxed);
        let more = || self.answers.load(Ordering::Relaxed) > before + 10;
        pair.until(|_| more() || self.thread.is_finished(), "an open connection goes on");
        self.enough.store(true, Ordering::Relaxed);
        let longest = self.thread.join().unwrap().unwrap().as_secs_f64();
        eprintln!("lvs     (an open connection goes on: the longest wait for an answer was {longest:.1} s)");
    }
}

/// The longest wait for an answer. An error: the connection has ended.
fn keep_using(mut stream: &TcpStream, enough: &AtomicBool, answers: &AtomicU32) -> io::Result<Duration> {
    stream.set_read_timeout(Some(SILENCE))?;
    let mut reader = BufReader::new(stream);
    let clock = Clock::start();
    let mut longest = Duration::ZERO;
    while !enough.load(Ordering::Relaxed) {
        let asked = clock.now();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")?;
        let mut line = String::new();
        while !line.starts_with("served by ") {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        answers.fetch_add(1, Ordering::Relaxed);
        longest = longest.max(clock.now().saturating_sub(asked));
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(longest)
}

struct WebServer {
    program: Program,
    _folder: TempDir,
}

impl WebServer {
    fn start(name: &str, network: &Network) -> WebServer {
        let folder = folder();
        // All hosts of the lab have one name.
        let site = BOTH.file("site.conf").replace("$hostname", name);
        WebServer {
            program: Program::start(network.host(name).unwrap(), crate::support::nginx(folder.path(), &site)),
            _folder: folder,
        }
    }
}

/// A director, with a cable to the clients and one to the web servers.
fn outer(name: &str, number: u8) -> HostPlan {
    HostPlan {
        name: name.into(),
        ports: vec![
            port("front", "eth0", &format!("192.0.2.{number}/24")),
            port("back", "eth1", &format!("10.0.0.{number}/24")),
        ],
    }
}

fn inner(name: &str, number: u8) -> HostPlan {
    HostPlan {
        name: name.into(),
        ports: vec![port("back", "eth0", &format!("10.0.0.{number}/24"))],
    }
}

fn client() -> HostPlan {
    HostPlan {
        name: "c".into(),
        ports: vec![port("front", "eth0", "192.0.2.100/24")],
    }
}

/// Whether this is inside a guest. If not, the test is run in one, and its table shown.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !installed(&["/usr/sbin/nginx", "/usr/sbin/ipvsadm"]) || !Guest::is_possible().unwrap() {
        return false;
    }
    let mut guest = Guest::new(&["ip", "ipvsadm", "nft", "nginx"]).unwrap();
    let ours = Binary::ours().unwrap_or_else(|_| panic!("no daemon is built here (try `make build`)"));
    guest.executable(&ours.path, "/opt/keepalived").unwrap();
    guest
        .executable(&std::env::current_exe().unwrap(), "/opt/recipes")
        .unwrap();
    for example in [BOTH, NAT, DIRECT] {
        for entry in std::fs::read_dir(example.path("")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_str().unwrap();
                guest.file(&path, &format!("/examples/{}/{name}", example.0));
            }
        }
    }
    let variables = [
        format!("{INSIDE}=1"),
        format!("{EXAMPLES}=/examples"),
        "KEEPALIVED_BIN=/opt/keepalived".into(),
    ];
    let name = format!("{}::{test}", module_path!().rsplit("::").next().unwrap());
    let mut command = vec!["env"];
    command.extend(variables.iter().map(String::as_str));
    command.extend(["/opt/recipes", "--exact", &name, "--nocapture"]);
    let output = guest.run(&command).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{errors}");
    for line in said.lines() {
        // The first line of the table stands behind the name of the test.
        let (_, line) = line.split_at(line.find("recipe  ").unwrap_or_default());
        if line.starts_with("lvs") || line.starts_with("recipe  ") {
            eprintln!("{line}");
        }
    }
    false
}
