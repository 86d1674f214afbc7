//! BFD with other makes at the other end: BIRD, FRR and the original, in both families, over one hop and two.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod peers;

use lab::daemon::{Binary, Daemon, Make, PATIENCE};
use lab::journal::Seen;
use lab::netns::Namespace;
use lab::network::{HostPlan, Network, PortPlan};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, bind, sendto, setsockopt, socket, sockopt,
};
use peers::{Peer, Wish, bird, frr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Sessions to the neighbour on the segment, one for each family.
const NEAR: &str = "bfd_instance four {\n neighbor_ip 10.0.0.2\n source_ip 10.0.0.1\n min_rx 50\n min_tx 50\n multiplier 3\n}\n\
     bfd_instance six {\n neighbor_ip fd00::2\n source_ip fd00::1\n min_rx 50\n min_tx 50\n multiplier 3\n}\n";

/// A virtual router, so that there is somebody to be told.
const ROUTER: &str = "vrrp_instance V {\n interface eth0\n virtual_router_id 51\n priority 150\n virtual_ipaddress {\n  10.0.0.50\n }\n}\n";

/// The same, and it tracks a session.
const TRACKER: &str = "vrrp_instance V {\n interface eth0\n virtual_router_id 51\n priority 150\n virtual_ipaddress {\n  10.0.0.50\n }\n track_bfd {\n  four\n }\n}\n";

const VRRP_DATA: &str = "keepalived.data";
const BFD_DATA: &str = "keepalived_bfd.data";

/// The other ends of them. The original's hop limit for IPv6 is 64 unless it is told otherwise.
const THEIRS: &str = "bfd_instance four {\n neighbor_ip 10.0.0.1\n source_ip 10.0.0.2\n min_rx 50\n min_tx 50\n multiplier 3\n}\n\
     bfd_instance six {\n neighbor_ip fd00::1\n source_ip fd00::2\n min_rx 50\n min_tx 50\n multiplier 3\n}\n";

/// Sessions to the host behind the router. BIRD sends with 64 there, as its kernel does; FRR wants 254.
const FAR: &str = "bfd_instance four {\n neighbor_ip 10.0.1.3\n source_ip 10.0.0.1\n multihop\n max_hops 200\n \
     min_rx 50\n min_tx 50\n multiplier 3\n}\nbfd_instance six {\n neighbor_ip fd01::3\n source_ip fd00::1\n multihop\n max_hops 2\n \
     min_rx 50\n min_tx 50\n multiplier 3\n}\n";

#[test]
fn sessions_with_bird_come_up_and_its_death_is_noticed_within_the_detection_time() {
    with_neighbour(bird);
}

#[test]
fn sessions_with_frr_come_up_and_its_death_is_noticed_within_the_detection_time() {
    with_neighbour(frr);
}

#[test]
fn sessions_with_bird_behind_a_router_come_up_and_its_death_is_noticed_within_the_detection_time() {
    behind_a_router(bird);
}

#[test]
fn sessions_with_frr_behind_a_router_come_up_and_its_death_is_noticed_within_the_detection_time() {
    behind_a_router(frr);
}

#[test]
fn sessions_with_the_original_come_up_and_its_death_is_noticed_within_the_detection_time() {
    let Some(original) = Binary::upstream() else { return };
    let mut lab = Lab::new(NEAR);
    let (namespace, journal) = (lab.host("b"), lab.network.journal.clone());
    let mut other = Daemon::new("b", namespace, journal, original, THEIRS).unwrap();
    other.start().unwrap();
    lab.start();
    for host in ["a", "b"] {
        for session in ["four", "six"] {
            lab.said(Duration::ZERO, host, &format!("({session}) Entering Up state"));
        }
    }
    let killed = other.kill_everything().unwrap();
    lab.both_expire(killed, 150);
    other.start().unwrap();
    lab.both_up(killed);
}

#[test]
fn a_peer_that_ends_tells_us_and_we_tell_it() {
    let mut lab = Lab::new(NEAR);
    let Some(mut peer) = bird(&lab.host("b"), &near(50)) else {
        return;
    };
    lab.start();
    lab.both_up(Duration::ZERO);
    lab.until("bird is up", || peer.sessions().matches(" Up ").count() == 2);
    let stopped = lab.now();
    lab.a.stop().unwrap();
    lab.until("bird hears of it", || peer.sessions().matches(" Down ").count() == 2);
    let took = lab.now() - stopped;
    // Nothing was awaited: 150 ms of silence would have come on top of the stop itself.
    eprintln!("bird knew after {took:?}");
    peer.kill();
}

#[test]
fn a_hundred_reloads_do_not_take_a_session_down() {
    let mut lab = Lab::new(NEAR);
    let Some(peer) = bird(&lab.host("b"), &near(50)) else {
        return;
    };
    lab.start();
    lab.both_up(Duration::ZERO);
    let begun = lab.now();
    let rounds: u32 = std::env::var("BFD_RELOADS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(100);
    for round in 0..rounds {
        // Most are of the same file, some change intervals in the running sessions.
        let interval = if round % 4 == 3 { 20 + round % 60 } else { 50 };
        let conf = NEAR.replace("min_tx 50", &format!("min_tx {interval}"));
        lab.a.configure(&conf).unwrap();
        let asked = lab.now();
        lab.a.reload().unwrap();
        lab.said(asked, "a", "Reload complete");
    }
    lab.never_said(begun, "Entering");
    lab.until("bird is still up", || peer.sessions().matches(" Up ").count() == 2);
    assert!(
        !lab.lines(begun).iter().any(|line| line.contains("Expired")),
        "{}",
        lab.timeline()
    );
}

#[test]
fn the_death_of_the_bfd_role_costs_nothing_and_that_of_the_neighbour_is_told_to_the_vrrp_role() {
    let mut lab = Lab::new(&format!("{NEAR}{ROUTER}"));
    let Some(mut peer) = bird(&lab.host("b"), &near(50)) else {
        return;
    };
    lab.start();
    lab.both_up(Duration::ZERO);
    lab.dump(VRRP_DATA, |dump| dump.matches("= UP").count() == 2);
    let killed = lab.now();
    assert!(lab.a.role("bfd.pid").unwrap().signal(Signal::SIGKILL));
    lab.said(killed, "a", "The BFD process is gone");
    let known = lab.dump(VRRP_DATA, |dump| dump.contains("BFD session"));
    assert_eq!(known.matches("= UP").count(), 2, "{known}");
    lab.both_up(killed);
    let vrrp = lab.a.vrrp_role().unwrap();
    // The other end of the link may be started again as well: it is told everything.
    let again = lab.now();
    assert!(vrrp.signal(Signal::SIGKILL));
    lab.said(again, "a", "Starting VRRP child process");
    lab.dump(VRRP_DATA, |dump| dump.matches("= UP").count() == 2);
    let dead = lab.now();
    peer.kill();
    lab.both_expire(dead, 150);
    lab.dump(VRRP_DATA, |dump| dump.matches("= DOWN").count() == 2);
}

#[test]
fn a_role_that_was_stopped_believes_its_socket_before_its_timers() {
    let mut lab = Lab::new(NEAR);
    let Some(_peer) = bird(&lab.host("b"), &near(50)) else {
        return;
    };
    lab.start();
    lab.both_up(Duration::ZERO);
    let role = lab.a.role("bfd.pid").unwrap();
    let stopped = lab.now();
    assert!(role.signal(Signal::SIGSTOP));
    // Longer than the detection time of both ends.
    std::thread::sleep(Duration::from_millis(600));
    assert!(role.signal(Signal::SIGCONT));
    for session in ["four", "six"] {
        let words = format!("({session}) Entering Down state (Local diagnostic - Neighbor Signaled Session Down");
        lab.said(stopped, "a", &words);
    }
    lab.both_up(stopped);
    lab.never_said(stopped, "Expired after");
}

#[test]
fn an_instance_that_tracks_a_session_fails_with_the_neighbour_and_comes_back_with_it() {
    tracking_follows_the_neighbour(Lab::new(&format!("{NEAR}{TRACKER}")));
}

#[test]
fn an_instance_of_the_original_that_tracks_a_session_does_the_same() {
    if let Some(original) = Binary::upstream() {
        tracking_follows_the_neighbour(Lab::with(original, &format!("{NEAR}{TRACKER}")));
    }
}

fn tracking_follows_the_neighbour(mut lab: Lab) {
    let Some(mut peer) = bird(&lab.host("b"), &near(50)) else {
        return;
    };
    lab.start();
    // Of the original's packets over IPv6 BIRD wants none: see docs/divergences.md, "bfd-hop-limit".
    lab.said(Duration::ZERO, "a", "(four) Entering Up state");
    lab.said(Duration::ZERO, "a", "(V) Entering MASTER STATE");
    let killed = lab.now();
    peer.kill();
    let (at, _) = lab.said(killed, "a", "(V) Entering FAULT STATE");
    assert!(at - killed < Duration::from_millis(650), "{}", lab.timeline());
    let Some(_again) = bird(&lab.host("b"), &near(50)) else {
        return;
    };
    lab.said(at, "a", "(V) Entering MASTER STATE");
}

#[test]
fn neither_the_death_of_the_bfd_role_nor_a_reload_that_begins_to_track_costs_the_address() {
    // See docs/divergences.md, "bfd-role-may-die".
    let mut lab = Lab::new(&format!("{NEAR}{ROUTER}"));
    let Some(_peer) = bird(&lab.host("b"), &near(50)) else {
        return;
    };
    lab.start();
    lab.both_up(Duration::ZERO);
    let (master, _) = lab.said(Duration::ZERO, "a", "(V) Entering MASTER STATE");
    lab.dump(VRRP_DATA, |dump| dump.matches("= UP").count() == 2);
    lab.a.configure(&format!("{NEAR}{TRACKER}")).unwrap();
    let asked = lab.now();
    lab.a.reload().unwrap();
    lab.said(asked, "a", "Reload complete");
    let killed = lab.now();
    assert!(lab.a.role("bfd.pid").unwrap().signal(Signal::SIGKILL));
    lab.both_up(killed);
    // News of both sessions has come through, so whatever it leads to has happened.
    lab.dump(VRRP_DATA, |dump| dump.matches("= UP").count() == 2);
    lab.never_said(master + Duration::from_micros(1), "STATE");
}

#[test]
fn a_weighted_session_changes_the_priority_while_it_is_down() {
    let weighted = TRACKER.replace("four\n", "four weight -30\n");
    let mut lab = Lab::new(&format!("{NEAR}{weighted}"));
    let Some(mut peer) = bird(&lab.host("b"), &near(50)) else {
        return;
    };
    lab.start();
    lab.both_up(Duration::ZERO);
    lab.dump(VRRP_DATA, |dump| dump.contains("Effective priority = 150"));
    peer.kill();
    lab.dump(VRRP_DATA, |dump| dump.contains("Effective priority = 120"));
    lab.never_said(Duration::ZERO, "FAULT");
}

#[test]
fn forged_and_broken_packets_change_nothing_and_are_counted() {
    let mut lab = Lab::new(NEAR);
    let Some(peer) = bird(&lab.host("b"), &near(50)) else {
        return;
    };
    lab.start();
    lab.both_up(Duration::ZERO);
    let begun = lab.now();
    // Down, my discriminator 7, intervals of a second.
    let down = [
        0x20, 0x40, 3, 24, 0, 0, 0, 7, 0, 0, 0, 0, 0, 15, 66, 64, 0, 15, 66, 64, 0, 0, 0, 0,
    ];
    let (mut zero, mut stranger, mut authenticated) = (down, down, down.to_vec());
    zero[2] = 0;
    stranger[8..12].copy_from_slice(&[0, 0, 0, 9]);
    authenticated[1] |= 4;
    authenticated[3] = 28;
    authenticated.extend([1, 4, 1, 1]);
    lab.host("b")
        .inside(|| {
            // From the neighbour's own address, once from too far away.
            let far = Sender::open(64);
            let near = Sender::open(255);
            for _ in 0..50 {
                far.send(&down);
                near.send(&stranger);
                near.send(&zero);
                near.send(&down[..20]);
                near.send(&authenticated);
                near.send(b"");
            }
        })
        .unwrap();
    let dump = lab.dump(BFD_DATA, |dump| {
        counted(dump, "ttl_err") >= 50 && counted(dump, "authenticated") >= 50
    });
    assert_eq!(counted(&dump, "malformed"), 150, "{dump}");
    assert_eq!(counted(&dump, "unknown_discriminator"), 50, "{dump}");
    lab.never_said(begun, "Entering");
    assert_eq!(peer.sessions().matches(" Up ").count(), 2);
}

fn counted(dump: &str, name: &str) -> u64 {
    let values = dump
        .lines()
        .filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix(" = "));
    values.filter_map(|value| value.parse::<u64>().ok()).sum()
}

fn near(interval: u32) -> Vec<Wish> {
    wishes([("10.0.0.2", "10.0.0.1"), ("fd00::2", "fd00::1")], false, interval)
}

fn wishes(pairs: [(&'static str, &'static str); 2], multihop: bool, interval: u32) -> Vec<Wish> {
    let wish = |(local, remote)| Wish {
        local,
        remote,
        multihop,
        interval,
        multiplier: 3,
    };
    pairs.map(wish).to_vec()
}

fn with_neighbour(make: fn(&Namespace, &[Wish]) -> Option<Peer>) {
    let mut lab = Lab::new(NEAR);
    let Some(mut peer) = make(&lab.host("b"), &near(50)) else {
        return;
    };
    lab.start();
    lab.both_up(Duration::ZERO);
    lab.until("the peer is up as well", || ups(&peer) == 2);
    let killed = lab.now();
    peer.kill();
    lab.both_expire(killed, 150);
    let Some(again) = make(&lab.host("b"), &near(50)) else {
        return;
    };
    lab.both_up(killed);
    lab.until("the peer is up again", || ups(&again) == 2);
}

fn behind_a_router(make: fn(&Namespace, &[Wish]) -> Option<Peer>) {
    let wanted = wishes([("10.0.1.3", "10.0.0.1"), ("fd01::3", "fd00::1")], true, 50);
    let mut lab = Lab::new(FAR);
    let Some(mut peer) = make(&lab.host("c"), &wanted) else {
        return;
    };
    lab.start();
    lab.both_up(Duration::ZERO);
    lab.until("the peer is up as well", || ups(&peer) == 2);
    let killed = lab.now();
    peer.kill();
    lab.both_expire(killed, 150);
}

fn ups(peer: &Peer) -> usize {
    let text = peer.sessions().to_lowercase();
    text.split_whitespace().filter(|word| *word == "up").count()
}

/// Our daemon on `a`, which shares a segment with `b` and with the router `r`; `c` is behind it.
struct Lab {
    a: Daemon,
    network: Network,
}

impl Lab {
    fn new(conf: &str) -> Lab {
        let binary = Binary::ours().unwrap();
        assert_eq!(binary.make, Make::Ours, "these tests are about ours");
        Lab::with(binary, conf)
    }

    fn with(binary: Binary, conf: &str) -> Lab {
        let port = |segment: &str, interface: &str, addresses: [&str; 2]| PortPlan {
            segment: segment.to_owned(),
            interface: interface.to_owned(),
            addresses: addresses.map(str::to_owned).to_vec(),
        };
        let host = |name: &str, ports: Vec<PortPlan>| HostPlan {
            name: name.to_owned(),
            ports,
        };
        let network = Network::build(&[
            host("a", vec![port("s", "eth0", ["10.0.0.1/24", "fd00::1/64"])]),
            host("b", vec![port("s", "eth0", ["10.0.0.2/24", "fd00::2/64"])]),
            host(
                "r",
                vec![
                    port("s", "eth0", ["10.0.0.9/24", "fd00::9/64"]),
                    port("t", "eth1", ["10.0.1.9/24", "fd01::9/64"]),
                ],
            ),
            host("c", vec![port("t", "eth0", ["10.0.1.3/24", "fd01::3/64"])]),
        ])
        .unwrap();
        let routed = network.host("r").unwrap();
        routed
            .sysctl(&[("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")])
            .unwrap();
        for (end, v4, v6) in [("a", "10.0.0.9", "fd00::9"), ("c", "10.0.1.9", "fd01::9")] {
            let routes = [
                format!("route add default via {v4}"),
                format!("-6 route add default via {v6}"),
            ];
            let namespace = network.host(end).unwrap();
            namespace.ip(&routes[..1]).unwrap();
            lab::command::run(
                "ip",
                &["-n", namespace.name(), "-6", "route", "add", "default", "via", v6],
                "",
            )
            .unwrap();
        }
        let namespace = network.host("a").unwrap().clone();
        let a = Daemon::new("a", namespace, network.journal.clone(), binary, conf).unwrap();
        Lab { a, network }
    }

    fn start(&mut self) {
        self.a.start().unwrap();
    }

    fn host(&self, name: &str) -> Arc<Namespace> {
        self.network.host(name).unwrap().clone()
    }

    fn now(&self) -> Duration {
        self.network.journal.clock.now()
    }

    /// Waits for a log line that holds `words`; when it came, and the line.
    fn said(&self, since: Duration, host: &str, words: &str) -> (Duration, String) {
        let journal = &self.network.journal;
        let found = journal.wait_entry(since, self.now() + PATIENCE, |entry| {
            *entry.host == *host && matches!(&entry.what, Seen::Log(line) if line.contains(words))
        });
        match found.map(|entry| (entry.at, entry.what)) {
            Some((at, Seen::Log(line))) => (at, line),
            _ => panic!("{host} never said {words:?}\n{}", self.timeline()),
        }
    }

    fn both_up(&self, since: Duration) {
        for session in ["four", "six"] {
            self.said(since, "a", &format!("({session}) Entering Up state"));
        }
    }

    /// Both sessions go down because nothing is heard: after the detection time, and not much more.
    fn both_expire(&self, since: Duration, detection: u64) {
        for session in ["four", "six"] {
            let (at, line) = self.said(since, "a", &format!("({session}) Expired after"));
            let millis: u64 = line
                .split("Expired after ")
                .nth(1)
                .and_then(|rest| rest.split(' ').next()?.parse().ok())
                .unwrap();
            // A busy machine may wake the role late; the line says by how much.
            assert!((detection..detection + 100).contains(&millis), "{line}");
            let took = at.saturating_sub(since);
            assert!(
                took < Duration::from_millis(detection + 500),
                "noticed after {took:?}\n{}",
                self.timeline()
            );
            self.said(since, "a", &format!("({session}) Entering Down state"));
        }
    }

    fn lines(&self, since: Duration) -> Vec<String> {
        let entries = self.network.journal.entries();
        let of_a = entries
            .into_iter()
            .filter(|entry| entry.at >= since && *entry.host == *"a");
        let mut lines = Vec::new();
        for entry in of_a {
            if let Seen::Log(line) = entry.what {
                lines.push(line);
            }
        }
        lines
    }

    fn never_said(&self, since: Duration, words: &str) {
        let lines = self.lines(since);
        assert!(!lines.iter().any(|line| line.contains(words)), "{}", self.timeline());
    }

    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let at = self.network.journal.wait(self.now() + PATIENCE, |_, _| holds());
        assert!(at.is_some(), "never: {what}\n{}", self.timeline());
    }

    /// The dump of a role, asked for until it says what is awaited.
    fn dump(&mut self, file: &str, mut wanted: impl FnMut(&str) -> bool) -> String {
        let path = self.a.file(file);
        for _ in 0..50 {
            let _ = std::fs::remove_file(&path);
            self.a.signal(Signal::SIGUSR1).unwrap();
            self.until("a dump is written", || path.exists());
            let text = std::fs::read_to_string(&path).unwrap();
            if wanted(&text) {
                return text;
            }
        }
        panic!("not in the dump: {}", std::fs::read_to_string(&path).unwrap());
    }

    fn timeline(&self) -> String {
        self.network.journal.timeline()
    }
}

/// Sends datagrams to our single hop port from the address of `b`.
struct Sender(OwnedFd);

impl Sender {
    fn open(ttl: i32) -> Sender {
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).unwrap();
        setsockopt(&socket, sockopt::Ipv4Ttl, &ttl).unwrap();
        bind(socket.as_raw_fd(), &SockaddrIn::new(10, 0, 0, 2, 0)).unwrap();
        Sender(socket)
    }

    fn send(&self, bytes: &[u8]) {
        let to = SockaddrIn::new(10, 0, 0, 1, 3784);
        sendto(self.0.as_raw_fd(), bytes, &to, MsgFlags::empty()).unwrap();
    }
}
