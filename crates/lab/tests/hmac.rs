//! Two daemons that sign with `auth_hmac`: they find one master however the other is lost, they rotate their keys
//! without a change, and their key is nowhere to be read. The original that judges us (2.2.7) does not know the
//! keyword.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use lab::catalogue::{Feature::*, Row, a_master_is_lost_in_every_way_and_returns, row, served_by};
use lab::daemon::Binary;
use lab::journal::Seen;
use lab::scenario::{Act, Scenario, Step, master_is};
use lab::stage::{Namespaces, run_in_namespaces};
use nix::sys::signal::Signal;
use support::Lab;

const KEY: &str = "geheimgeheimgeheimgeheimgeheimge";
const OTHER: &str = "andersandersandersandersandersan";

/// The block, with these keys.
fn block(keys: &[(u8, &str)], active: u8) -> String {
    let lines: String = keys
        .iter()
        .map(|(id, key)| format!("        key {id} {key}\n"))
        .collect();
    format!("    auth_hmac {{\n{lines}        active_key {active}\n    }}\n")
}

/// A configuration with the block.
fn signed(conf: &str, block: &str) -> String {
    conf.replace("    virtual_ipaddress {", &format!("{block}    virtual_ipaddress {{"))
}

/// The scenario with routers that sign.
fn signing(mut scenario: Scenario) -> Scenario {
    for (_, conf) in &mut scenario.routers {
        *conf = signed(conf, &block(&[(1, KEY)], 1));
    }
    scenario
}

fn play(row: Row) {
    let scenario = signing(a_master_is_lost_in_every_way_and_returns(row));
    let ours = Binary::ours().unwrap();
    match run_in_namespaces(&scenario, &[ours.clone(), ours]) {
        Ok(report) => eprintln!("{report}"),
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn a_master_that_signs_is_lost_in_every_way_and_returns_in_version_2() {
    play(row(2, 1000, &[]));
}

#[test]
fn a_master_that_signs_is_lost_in_every_way_and_returns_in_version_3() {
    play(row(3, 100, &[]));
}

#[test]
fn a_master_that_signs_is_lost_in_every_way_and_returns_with_unicast_peers() {
    play(row(3, 100, &[Unicast]));
}

#[test]
fn a_master_that_signs_is_lost_in_every_way_and_returns_over_ipv6() {
    play(row(3, 100, &[Ipv6]));
}

/// Two routers that sign, both running, `a` master.
fn pair(row: Row) -> Lab {
    let scenario = signing(lab::catalogue::routers(
        "",
        row,
        lab::catalogue::LEADER,
        lab::catalogue::FOLLOWER,
    ));
    let ours = Binary::ours().unwrap();
    let mut lab = Lab {
        stage: Namespaces::build(&scenario, &[ours.clone(), ours]).unwrap(),
    };
    let steps = scenario
        .then(Act::Start("a".into()))
        .then(Act::Start("b".into()))
        .within(row.down(), master_is("a"));
    lab.play(served_by(steps, "a"));
    // What it says of becoming master may be read later than the address is seen: what follows is not about that.
    lab.seen(
        std::time::Duration::ZERO,
        "a",
        |what| matches!(what, Seen::Log(line) if line.contains("Entering MASTER STATE")),
    );
    lab
}

#[test]
fn keys_are_rotated_by_reloads_while_the_master_stays() {
    let row = support::tenth();
    let mut lab = pair(row);
    let since = lab.now();
    // Both know the new key before anybody signs with it.
    for (keys, active) in [
        (&[(1, KEY), (2, OTHER)][..], 1),
        (&[(1, KEY), (2, OTHER)], 2),
        (&[(2, OTHER)], 2),
    ] {
        for (nth, name, place) in [(0, "a", lab::catalogue::LEADER), (1, "b", lab::catalogue::FOLLOWER)] {
            let conf = signed(&row.conf(nth, place), &block(keys, active));
            let before = lab.now();
            let daemon = lab.stage.daemon(name).unwrap();
            daemon.configure(&conf).unwrap();
            daemon.reload().unwrap();
            lab.seen(
                before,
                name,
                |what| matches!(what, Seen::Log(line) if line.contains("Reloading")),
            );
            lab.play(Scenario::steps(vec![Step::For(row.interval * 5, master_is("a"))]));
        }
    }
    let logs = lab.stage.network().journal.entries();
    let changes = logs.iter().filter(|entry| entry.at > since).filter(
        |entry| matches!(&entry.what, Seen::Log(line) if line.contains("Entering") || line.contains("authentication")),
    );
    assert_eq!(changes.count(), 0, "{}", lab.timeline());
}

#[test]
fn a_router_with_another_key_is_not_believed_and_no_key_is_to_be_read_anywhere() {
    let row = support::tenth();
    let mut lab = pair(row);
    let conf = signed(&row.conf(1, lab::catalogue::FOLLOWER), &block(&[(1, OTHER)], 1));
    let since = lab.now();
    lab.stage.daemon("b").unwrap().configure(&conf).unwrap();
    lab.stage.daemon("b").unwrap().reload().unwrap();
    for name in ["a", "b"] {
        lab.seen(
            since,
            name,
            |what| matches!(what, Seen::Log(line) if line.contains("invalid authentication HMAC from")),
        );
    }
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2] {
        lab.a().signal(signal).unwrap();
    }
    let stats = lab.a().file("keepalived.stats");
    let data = lab.a().file("keepalived.data");
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    lab.until("dumps", || {
        read(&stats).contains("Invalid HMAC: ") && read(&data).contains("HMAC active key = 1")
    });
    let mut everything = format!("{}{}{}", read(&stats), read(&data), lab.timeline());
    let supervisor = lab.a().supervisor().unwrap();
    for process in supervisor.descendants().into_iter().chain([supervisor]) {
        for file in ["cmdline", "environ", "comm"] {
            everything += &read(format!("/proc/{}/{file}", process.pid).as_ref());
        }
    }
    for key in [KEY, OTHER] {
        assert!(!everything.contains(&key[..12]), "{everything}");
    }
}
