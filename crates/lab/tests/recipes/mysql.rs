//! Two MariaDB nodes, one of them writable, and the address with it (docs/recipes/mysql.md).

use crate::mariadb::{MariaDb, PROGRAMS, as_user};
use crate::support::{Example, Pair, Router, host, installed};
use lab::clock::Clock;
use lab::command::run;
use lab::journal::Seen;
use lab::netns::Namespace;
use lab::network::Network;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const EXAMPLE: Example = Example("mysql");

const ADDRESS: &str = "10.0.0.10";

/// How long a node may take until it has caught up, on a busy machine.
const FIT: Duration = Duration::from_secs(90);

/// The number of the next row, and those that were acknowledged.
static NEXT: AtomicU32 = AtomicU32::new(1);
static ACKNOWLEDGED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

#[test]
fn the_address_is_with_the_one_writable_node_and_no_acknowledged_row_is_lost() {
    if !needed() {
        return;
    }
    let network = Network::build(&[
        host("a", "10.0.0.2/24"),
        host("b", "10.0.0.3/24"),
        host("gw", "10.0.0.1/24"),
        host("c", "10.0.0.100/24"),
    ])
    .unwrap();
    let mut pair = Pair::start_in(EXAMPLE, network, ADDRESS, Node::start, insert);
    fit(&mut pair, "b");
    let client = pair.network.host("c").unwrap().clone();
    let sockets = [&pair.a, &pair.b].map(|router| router.service.server.run_folder().join("mysqld.sock"));
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| both_writable(&sockets, &enough));
        // Between the failures too.
        let writing = scope.spawn(|| client.inside(|| keep_writing(&enough)).unwrap());
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            the_address_moves(&mut pair);
            the_address_stays(&mut pair);
            the_nodes_have_written_by_turns(&pair);
            the_nodes_do_not_hear_each_other(&mut pair);
            the_standby_is_away(&mut pair);
        }));
        enough.store(true, Ordering::Relaxed);
        let (seen, both) = watching.join().unwrap();
        writing.join().unwrap();
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
        assert!(seen > 100, "looked {seen} times only");
        assert_eq!(both, 0, "of {seen} looks so many found both nodes writable");
    });
    nothing_is_lost(&pair);
}

#[test]
fn the_configurations_of_the_mysql_recipe_are_accepted_by_ours_and_by_the_original() {
    if needed() && installed(&["/usr/sbin/keepalived"]) {
        EXAMPLE.accepted_by_ours_and_by_the_original();
    }
}

#[test]
fn the_nodes_of_the_mysql_recipe_fit_together() {
    EXAMPLE.nodes_fit_together();
}

fn needed() -> bool {
    installed(&[&PROGRAMS[..], &["/usr/bin/ping", "/usr/bin/flock"]].concat())
}

/// How often the address moves in here.
const MOVES: usize = 6;

fn the_address_moves(pair: &mut Pair<Node>) {
    pair.noticed("mariadbd is killed (SIGKILL)", "b", |pair| {
        pair.a.service.server.signal(Signal::SIGKILL)
    });
    pair.a.service.server.start_again();
    fit(pair, "a");
    pair.noticed("mariadbd is killed, and back at once", "a", |pair| {
        pair.b.service.server.signal(Signal::SIGKILL);
        pair.b.service.server.start_again();
    });
    fit(pair, "b");
    pair.noticed("mariadbd hangs (SIGSTOP)", "b", |pair| {
        pair.a.service.server.signal(Signal::SIGSTOP)
    });
    // It has been killed, or it would not end.
    pair.a.service.server.start_again();
    fit(pair, "a");
    pair.noticed("the cable of b is pulled", "a", |pair| {
        pair.network.carrier("b", false).unwrap()
    });
    pair.network.carrier("b", true).unwrap();
    fit(pair, "b");
    pair.noticed("a is cut off, its cable looks well", "b", |pair| {
        pair.network
            .faults(|faults| faults.silenced.insert("a".into()))
            .unwrap()
    });
    pair.network.faults(|faults| faults.silenced.clear()).unwrap();
    fit(pair, "a");
    pair.failure("keepalived of b is killed (SIGKILL)", "a", |pair| {
        pair.b.keepalived.kill_everything().unwrap();
        pair.until(|pair| pair.a.service.writable(), "a is writable");
        // Nobody has taken its address, but the right to write.
        assert!(pair.b.holds(ADDRESS) && !pair.b.service.writable());
        pair.b.keepalived.start().unwrap();
    });
    fit(pair, "b");
}

fn the_address_stays(pair: &mut Pair<Node>) {
    pair.failure("mariadbd of the standby hangs", "a", |pair| {
        pair.b.service.server.signal(Signal::SIGSTOP)
    });
    // It has been killed too.
    pair.b.service.server.start_again();
    fit(pair, "b");
    let failed = pair.failure("mariadbd of the standby is killed", "a", |pair| {
        pair.b.service.server.signal(Signal::SIGKILL);
        let mark = pair.a.service.server.data_folder().join("ha_alone");
        pair.until(|_| mark.exists(), "a knows that it writes alone");
    });
    assert!(failed < 5, "a standby that is known to be away was waited for");
    pair.noticed("then mariadbd of a, and back at once", "a", |pair| {
        pair.a.service.server.signal(Signal::SIGKILL);
        pair.a.service.server.start_again();
        pair.until(|pair| !pair.a.holds(ADDRESS), "a gives the address away");
    });
    pair.b.service.server.start_again();
    fit(pair, "b");
}

/// The right to write has changed hands as often as the address.
fn the_nodes_have_written_by_turns(pair: &Pair<Node>) {
    let by_time = "SELECT server FROM lab.rows_written ORDER BY written_at, id";
    let order = pair.a.service.server.sql(by_time).unwrap();
    let writers: Vec<&str> = order.lines().collect();
    let changes = writers
        .iter()
        .zip(writers.iter().skip(1))
        .filter(|(one, next)| one != next)
        .count();
    assert_eq!(changes, MOVES, "the nodes have written by turns");
}

/// A packet filter that drops advertisements and nothing else: both nodes want to be master, and take the right to write
/// from each other.
fn the_nodes_do_not_hear_each_other(pair: &mut Pair<Node>) {
    let filter = "table ip deaf {\nchain input {\ntype filter hook input priority 0\nip protocol vrrp drop\n}\n}\n";
    for name in ["a", "b"] {
        pair.network.host(name).unwrap().nft(filter).unwrap();
    }
    pair.until(|pair| pair.b.service.writable(), "b takes the right to write");
    pair.until(|pair| pair.a.service.writable(), "a takes it back");
    for name in ["a", "b"] {
        pair.network.host(name).unwrap().nft("delete table ip deaf\n").unwrap();
    }
    settle(pair);
}

/// When it comes back, MariaDB may stall for some seconds, which costs it the address.
fn the_standby_is_away(pair: &mut Pair<Node>) {
    let (active, standby) = if pair.a.holds(ADDRESS) { ("a", "b") } else { ("b", "a") };
    pair.noticed("the cable of the standby is pulled", active, |pair| {
        pair.network.carrier(standby, false).unwrap()
    });
    pair.network.carrier(standby, true).unwrap();
    settle(pair);
}

/// Waits until one node has the address and the right to write, and the other one could take over. A demotion may have
/// killed either.
fn settle(pair: &mut Pair<Node>) {
    let settled = |one: &Router<Node>, other: &Router<Node>| {
        one.holds(ADDRESS) && one.service.writable() && !other.holds(ADDRESS) && other.service.check()
    };
    let clock = Clock::start();
    while !settled(&pair.a, &pair.b) && !settled(&pair.b, &pair.a) {
        let timeline = || pair.network.journal.timeline();
        assert!(clock.now() < FIT, "no node is writable with a standby\n{}", timeline());
        std::thread::sleep(Duration::from_millis(200));
        pair.a.service.server.start_again_if_it_ended();
        pair.b.service.server.start_again_if_it_ended();
    }
    let standby = if pair.a.holds(ADDRESS) { "b" } else { "a" };
    fit(pair, standby);
}

/// Waits until the node that has not the address could take it. A demotion may have killed its server.
fn fit(pair: &mut Pair<Node>, name: &str) {
    let clock = Clock::start();
    loop {
        let node = if name == "a" { &mut pair.a } else { &mut pair.b };
        node.service.server.start_again_if_it_ended();
        if in_backup_state(&pair.network, name) && node.service.check() {
            return;
        }
        let timeline = || pair.network.journal.timeline();
        assert!(
            clock.now() < FIT,
            "{name} does not become fit to take over\n{}",
            timeline()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn in_backup_state(network: &Network, name: &str) -> bool {
    let entries = network.journal.entries();
    let entered = entries
        .iter()
        .rev()
        .find(|entry| *entry.host == *name && matches!(&entry.what, Seen::Log(line) if line.contains(") Entering ")));
    entered.is_some_and(|entry| matches!(&entry.what, Seen::Log(line) if line.contains("BACKUP STATE")))
}

/// Looks at both nodes again and again: how often, and how often both were writable at the same time.
fn both_writable(sockets: &[PathBuf; 2], enough: &AtomicBool) -> (u32, u32) {
    let (mut seen, mut both) = (0, 0);
    let [first, second] = sockets;
    while !enough.load(Ordering::Relaxed) {
        // Twice the first: what held before and after held in between.
        both += u32::from(writable(first) && writable(second) && writable(first));
        seen += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    (seen, both)
}

/// Whether the server behind a socket says so. One that hangs does not.
fn writable(socket: &Path) -> bool {
    let socket = format!("--socket={}", socket.display());
    let ask = ["-s", "KILL", "0.5", "mariadb", "--no-defaults", &socket, "-N", "-e"];
    let question = ["SELECT @@global.read_only"];
    run("timeout", &[&ask[..], &question].concat(), "").is_ok_and(|answer| answer.trim() == "0")
}

/// Every row that was acknowledged is on both nodes.
fn nothing_is_lost(pair: &Pair<Node>) {
    let acknowledged = ACKNOWLEDGED.lock().unwrap();
    for router in [&pair.a, &pair.b] {
        let all = "SELECT id FROM lab.rows_written";
        let rows: BTreeSet<u32> = router
            .service
            .server
            .sql(all)
            .unwrap()
            .lines()
            .map(|id| id.parse().unwrap())
            .collect();
        let lost: Vec<_> = acknowledged.difference(&rows).collect();
        eprintln!(
            "mysql   acknowledged rows lost: {} of {}",
            lost.len(),
            acknowledged.len()
        );
        assert!(lost.is_empty(), "{lost:?}");
    }
}

fn keep_writing(enough: &AtomicBool) {
    while !enough.load(Ordering::Relaxed) {
        insert();
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One request of a client: a row through the address, and whether it was acknowledged.
fn insert() -> bool {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let statement = format!("INSERT INTO lab.rows_written VALUES ({id}, @@server_id, SYSDATE(6))");
    let acknowledged = Command::new("timeout")
        .args(["-s", "KILL", "1", "mariadb", "--no-defaults", "-h", ADDRESS])
        .args(["-uapp", "-papp", "--connect-timeout=1", "-e", &statement])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success();
    if acknowledged {
        ACKNOWLEDGED.lock().unwrap().insert(id);
    }
    acknowledged
}

/// A MariaDB with the settings of the recipe, and the script beside it.
struct Node {
    server: MariaDb,
    script: PathBuf,
    namespace: Arc<Namespace>,
}

impl Node {
    /// As the page says: settings, user, replication; the first node gets the tables and is told that it is the one.
    fn start(name: &str, namespace: &Arc<Namespace>, folder: &Path) -> Node {
        let (number, other) = if name == "a" { (1, "10.0.0.3") } else { (2, "10.0.0.2") };
        let settings = EXAMPLE
            .file("ha.cnf")
            .replace("server_id = 1", &format!("server_id = {number}"));
        EXAMPLE.sysctl(namespace);
        let server = MariaDb::start(namespace, &settings.replace("[mysqld]\n", ""));
        let peer = folder.join("mysql_peer.cnf");
        fs::write(&peer, EXAMPLE.file("peer.cnf").replace("10.0.0.3", other)).unwrap();
        run("chown", &["root:mysql", peer.to_str().unwrap()], "").unwrap();
        run("chmod", &["640", peer.to_str().unwrap()], "").unwrap();
        let script = folder.join("mysql_ha");
        let text = fs::read_to_string(&script).unwrap();
        let text = text
            .replace("/run/mysqld ", &format!("{} ", server.run_folder().display()))
            .replace("/var/lib/mysql ", &format!("{} ", server.data_folder().display()))
            // To the log of the daemon instead of the machine's.
            .replace("logger -t mysql_ha --", "echo mysql_ha:");
        fs::write(&script, text).unwrap();
        server.sql(&EXAMPLE.file("users.sql")).unwrap();
        let replication = EXAMPLE.file("replication.sql").replace("10.0.0.3", other);
        server.sql(&replication).unwrap();
        let node = Node {
            server,
            script,
            namespace: namespace.clone(),
        };
        if name == "a" {
            node.server.sql(TABLES).unwrap();
            assert!(node.run("force"));
        }
        node
    }

    fn run(&self, verb: &str) -> bool {
        let mut command = as_user("mysql", &self.script);
        command.arg(verb).stdin(Stdio::null());
        self.namespace
            .inside(move || command.status())
            .unwrap()
            .unwrap()
            .success()
    }

    fn check(&self) -> bool {
        self.run("check")
    }

    fn writable(&self) -> bool {
        writable(&self.server.run_folder().join("mysqld.sock"))
    }
}

const TABLES: &str = "
    CREATE DATABASE lab;
    CREATE TABLE lab.rows_written (id INT PRIMARY KEY, server INT NOT NULL, written_at DATETIME(6) NOT NULL);
    CREATE USER app@'10.0.0.%' IDENTIFIED BY 'app';
    GRANT INSERT ON lab.* TO app@'10.0.0.%';";
