//! What a daemon leaves behind that is killed, and that the configuration does not name any more at the next start: it goes, and
//! what others put there stays (docs/divergences.md, "leftover-addresses", "leftover-routes").
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use lab::catalogue::LEADER;
use lab::daemon::{Binary, Make};
use lab::journal::Seen;
use std::process::Command;
use support::{Lab, tenth};

/// Lines for the block of the instance, and blocks beside it.
const LINES: &str = "use_vmac vrrp.51\n    no_accept\n    virtual_routes {\n        10.81.0.0/16 dev eth0\n        10.82.0.0/16 via 10.0.0.2 dev eth0 metric 7\n        blackhole 10.85.0.0/16\n    }\n    virtual_rules {\n        from 10.81.0.0/16 table 181 preference 181\n    }\n";
const BLOCKS: &str = "static_ipaddress {\n    10.84.0.1/24 dev eth0\n}\nstatic_routes {\n    10.83.0.0/16 dev eth0\n}\nstatic_rules {\n    from 10.83.0.0/16 table 183 preference 183\n}\n";

/// What shows each of them, and what others have of the same shape: the kernel tells them apart by metric or protocol.
const OURS: [&str; 10] = [
    "route show 10.81.0.0/16 proto 18",
    "route show 10.82.0.0/16 proto 18",
    "route show 10.85.0.0/16 proto 18",
    "route show 10.83.0.0/16 proto 18",
    "rule show pref 181",
    "rule show pref 183",
    "address show to 10.84.0.1",
    "address show to 10.0.0.50",
    "link show type macvlan",
    "route show 10.0.0.50 table local",
];
const FOREIGN: [(&str, &str); 6] = [
    (
        "route append 10.82.0.0/16 via 10.0.0.2 dev eth0 metric 7 proto static",
        "route show 10.82.0.0/16 proto static",
    ),
    (
        "route add 10.83.0.0/16 dev eth0 metric 9",
        "route show 10.83.0.0/16 metric 9",
    ),
    (
        "route add 10.86.0.0/16 dev eth0 proto 18",
        "route show 10.86.0.0/16 proto 18",
    ),
    (
        "rule add from 10.81.0.0/16 table 181 preference 281",
        "rule show pref 281",
    ),
    ("address add 10.87.0.1/24 dev eth0", "address show to 10.87.0.1"),
    ("link add other type veth peer name other2", "link show other"),
];

fn ip(lab: &Lab, arguments: &str) -> String {
    let words = arguments.split(' ');
    let output = lab
        .host("a")
        .inside(|| Command::new("ip").args(words).output().unwrap())
        .unwrap();
    // A device that is not there is nothing to show.
    if !output.status.success() && !arguments.contains("show") {
        panic!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).unwrap()
}

fn tables(lab: &Lab) -> String {
    let list = || Command::new("nft").args(["list", "tables"]).output().unwrap();
    String::from_utf8(lab.host("a").inside(list).unwrap().stdout).unwrap()
}

/// A master with everything, killed beside things of others.
fn killed(binary: Binary) -> Lab {
    let mut lab = Lab::start(tenth(), binary);
    let plain = tenth().conf(0, LEADER);
    let end = plain.rfind('}').unwrap();
    let (head, tail) = plain.split_at(end);
    let global = "global_defs {\n    nftables mine\n}\n";
    lab.a()
        .configure(&format!("{global}{head}    {LINES}{tail}{BLOCKS}"))
        .unwrap();
    lab.a().stop().unwrap();
    lab.a().start().unwrap();
    for show in OURS {
        lab.until(show, || !ip(&lab, show).is_empty());
    }
    lab.until("the table", || tables(&lab).contains("mine"));
    for (add, show) in FOREIGN {
        ip(&lab, add);
        assert_ne!(ip(&lab, show), "", "{show}");
    }
    lab.a().kill_everything().unwrap();
    for show in OURS {
        assert_ne!(ip(&lab, show), "", "nothing is left to clean up: {show}");
    }
    lab
}

fn cleaned(lab: &Lab) {
    for show in OURS {
        lab.until(&format!("gone: ip {show}"), || ip(lab, show).is_empty());
    }
    lab.until("no table", || tables(lab).is_empty());
    for (_, show) in FOREIGN {
        assert_ne!(ip(lab, show), "", "taken away: {show}\n{}", lab.timeline());
    }
}

fn ours() -> Option<Binary> {
    let binary = Binary::ours().unwrap();
    if binary.make == Make::Upstream {
        eprintln!("skipped: the original stands in for ours, and leaves them");
        return None;
    }
    Some(binary)
}

#[test]
fn everything_of_a_killed_run_goes_although_no_keyword_names_it_any_more() {
    let Some(binary) = ours() else { return };
    let mut lab = killed(binary);
    let other = tenth().conf(0, LEADER).replace("10.0.0.50", "10.0.0.60");
    lab.a().configure(&other).unwrap();
    lab.a().start().unwrap();
    lab.until("the new address", || !ip(&lab, "address show to 10.0.0.60").is_empty());
    cleaned(&lab);
    // What is recorded from then on is what is configured now.
    let record = std::fs::read_to_string(lab.a().file("vrrp.holdings")).unwrap();
    assert!(!record.contains("/route") && record.contains("10.0.0.60"), "{record}");
    lab.a().stop().unwrap();
    assert!(!lab.a().file("vrrp.holdings").exists());
}

#[test]
fn everything_of_a_killed_run_goes_although_there_is_no_virtual_router_any_more() {
    let Some(binary) = ours() else { return };
    let mut lab = killed(binary);
    let since = lab.now();
    lab.a()
        .configure("virtual_server_group g {\n    192.0.2.1 80\n}\n")
        .unwrap();
    lab.a().start().unwrap();
    lab.seen(
        since,
        "a",
        |what| matches!(what, Seen::Log(line) if line.contains("Startup complete")),
    );
    cleaned(&lab);
    let record = lab.a().file("vrrp.holdings");
    lab.until("the record goes", || !record.exists());
    // The daemon runs on without the role that cleaned up.
    let role = lab.a().file("vrrp.pid");
    lab.until("the role goes", || !role.exists());
    assert!(lab.a().supervisor().is_ok());
    lab.a().stop().unwrap();
}

#[test]
fn what_the_record_of_another_machine_names_is_left_alone() {
    let Some(binary) = ours() else { return };
    let mut lab = killed(binary);
    let record = lab.a().file("vrrp.holdings");
    let text = std::fs::read_to_string(&record).unwrap();
    assert!(text.starts_with("network "), "{text}");
    std::fs::write(&record, text.replacen("network ", "network another-", 1)).unwrap();
    let since = lab.now();
    lab.a()
        .configure("static_routes {\n    10.88.0.0/16 dev eth0\n}\n")
        .unwrap();
    lab.a().start().unwrap();
    lab.seen(
        since,
        "a",
        |what| matches!(what, Seen::Log(line) if line.contains("Startup complete")),
    );
    lab.until("the new route", || !ip(&lab, "route show 10.88.0.0/16").is_empty());
    for show in [
        "route show 10.81.0.0/16 proto 18",
        "rule show pref 181",
        "address show to 10.84.0.1",
    ] {
        assert_ne!(ip(&lab, show), "", "taken away: {show}\n{}", lab.timeline());
    }
}
