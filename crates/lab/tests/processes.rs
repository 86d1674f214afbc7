//! What a daemon owes its host when its processes are killed, stopped, reloaded and started again.
//!
//! Every test is played with the original too, unless it says why not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use lab::catalogue::{self, FOLLOWER, LEADER, Place, Row, VRID, row};
use lab::daemon::{Binary, Make};
use lab::journal::Seen;
use lab::oracle::longest_gap;
use lab::process::Process;
use lab::scenario::{Act, Check, Scenario, Step, master_is};
use nix::sys::signal::Signal;
use std::net::IpAddr;
use std::time::Duration;
use support::{Lab, address, tenth, upstream};

/// One module for each make, with the same tests.
macro_rules! both {
    ($($name:ident;)*) => {
        mod upstream {
            use super::*;
            $( #[test] fn $name() { if let Some(binary) = upstream() { super::$name(binary); } } )*
        }
        mod ours {
            use super::*;
            $( #[test] fn $name() { super::$name(Binary::ours().unwrap()); } )*
        }
    };
}

both! {
    a_killed_vrrp_role_is_restarted_and_starts_by_removing_what_nobody_advertises;
    when_the_supervisor_is_killed_its_roles_withdraw_their_addresses_and_end;
    a_reload_does_not_delay_the_adverts_of_an_unchanged_instance;
    a_stopped_master_says_goodbye_and_leaves_no_address;
    a_start_after_kill_removes_leftover_addresses_even_as_backup;
}

fn a_killed_vrrp_role_is_restarted_and_starts_by_removing_what_nobody_advertises(binary: Binary) {
    let mut lab = Lab::start(tenth(), binary);
    let before = lab.a().vrrp_role().unwrap();
    let killed = lab.now();
    lab.note("kill -9 of the vrrp role");
    assert!(before.signal(Signal::SIGKILL));
    let removed = lab.seen(
        killed,
        "a",
        |what| matches!(what, Seen::AddressRemoved(_, one) if *one == address(tenth())),
    );
    let advert = lab.seen(killed + tenth().interval / 2, "a", |what| {
        matches!(what, Seen::Advert(_))
    });
    assert!(
        removed < advert,
        "advertised at {advert:?}, cleaned up at {removed:?}\n{}",
        lab.timeline()
    );
    lab.play(Scenario::steps(vec![
        Step::Within(tenth().down(), master_is("a")),
        Step::Within(tenth().down(), Check::Holds("a".into())),
    ]));
    let after = lab.a().vrrp_role().unwrap();
    assert_ne!(before, after);
    assert!(!before.alive());
}

fn when_the_supervisor_is_killed_its_roles_withdraw_their_addresses_and_end(binary: Binary) {
    let mut lab = Lab::start(tenth(), binary);
    let supervisor = lab.a().supervisor().unwrap();
    let roles = supervisor.descendants();
    assert!(!roles.is_empty(), "no roles");
    let killed = lab.now();
    lab.a().signal(Signal::SIGKILL).unwrap();
    lab.a().wait().unwrap();
    lab.seen(
        killed,
        "a",
        |what| matches!(what, Seen::AddressRemoved(_, one) if *one == address(tenth())),
    );
    lab.seen(
        killed,
        "a",
        |what| matches!(what, Seen::Advert(advert) if advert.priority == 0),
    );
    lab.until("all roles end", || roles.iter().all(|role| !role.alive()));
}

fn a_reload_does_not_delay_the_adverts_of_an_unchanged_instance(binary: Binary) {
    let mut lab = Lab::start(second(), binary);
    let from = lab.now();
    let unchanged = second().conf(0, LEADER);
    let other = unchanged
        .replace("vrrp_instance V", "vrrp_instance W")
        .replace("virtual_router_id 51", "virtual_router_id 52")
        .replace("10.0.0.50", "10.0.0.60");
    let (_, other) = other.split_once("}\n").unwrap();
    // Half an interval after an advert, a daemon that starts its timer anew would be seen to be late.
    for conf in [unchanged.clone(), format!("{unchanged}{other}"), unchanged.clone()] {
        let advert = lab.seen(
            lab.now(),
            "a",
            |what| matches!(what, Seen::Advert(one) if one.vrid == VRID),
        );
        lab.a().configure(&conf).unwrap();
        std::thread::sleep((advert + second().interval / 2).saturating_sub(lab.now()));
        lab.a().reload().unwrap();
        if conf.contains("vrrp_instance W") {
            lab.seen(from, "a", |what| matches!(what, Seen::Advert(one) if one.vrid == 52));
        }
        for _ in 0..2 {
            lab.seen(
                lab.now(),
                "a",
                |what| matches!(what, Seen::Advert(one) if one.vrid == VRID),
            );
        }
    }
    lab.seen(
        from,
        "a",
        |what| matches!(what, Seen::AddressRemoved(_, one) if *one == "10.0.0.60".parse::<IpAddr>().unwrap()),
    );
    let claims: Vec<_> = lab
        .stage
        .claims()
        .into_iter()
        .filter(|claim| claim.at >= from)
        .collect();
    assert!(
        claims.iter().all(|claim| claim.host == "a" && claim.priority > 0),
        "{}",
        lab.timeline()
    );
    let (gap, at) = longest_gap(&claims, "a").unwrap();
    assert!(
        gap <= second().interval * 3 / 2,
        "no advert for {gap:?} from {at:?}\n{}",
        lab.timeline()
    );
    lab.finish();
}

fn a_stopped_master_says_goodbye_and_leaves_no_address(binary: Binary) {
    let mut lab = Lab::start(tenth(), binary);
    let family: Vec<Process> = lab.a().supervisor().unwrap().descendants();
    let stopped = lab.now();
    let ended = lab.a().stop().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", lab.timeline());
    lab.seen(
        stopped,
        "a",
        |what| matches!(what, Seen::Advert(advert) if advert.priority == 0),
    );
    lab.seen(
        stopped,
        "a",
        |what| matches!(what, Seen::AddressRemoved(_, one) if *one == address(tenth())),
    );
    assert!(
        family.iter().all(|process| !process.alive()),
        "processes are left\n{}",
        lab.timeline()
    );
    for name in ["keepalived.pid", "vrrp.pid"] {
        assert!(!lab.a().file(name).exists(), "{name} is left");
    }
}

fn a_start_after_kill_removes_leftover_addresses_even_as_backup(binary: Binary) {
    let mut lab = Lab::start(tenth(), binary);
    lab.play(Scenario::steps(vec![
        Step::Then(Act::Start("b".into())),
        Step::Then(Act::Kill("a".into())),
        Step::Within(tenth().down(), master_is("b")),
        Step::Within(tenth().down(), Check::Holds("b".into())),
    ]));
    assert!(
        lab.stage.network().journal.picture().has_address("a", address(tenth())),
        "nothing left over to clean up"
    );
    lab.a()
        .configure(&tenth().conf(
            0,
            Place {
                priority: FOLLOWER.priority - 1,
                ..FOLLOWER
            },
        ))
        .unwrap();
    lab.play(Scenario::steps(vec![
        Step::Then(Act::Start("a".into())),
        Step::Within(Duration::from_secs(1), Check::HoldsNothing("a".into())),
        Step::For(tenth().down() * 2, master_is("b")),
        Step::For(tenth().interval, Check::Holds("b".into())),
    ]));
    lab.finish();
}

/// A property of ours alone: our addresses carry a mark, so they are known even when no file names them any more.
/// The original leaves them (docs/divergences.md, "leftover-addresses").
#[test]
fn ours_removes_leftover_addresses_that_are_no_longer_configured() {
    let binary = Binary::ours().unwrap();
    if binary.make == Make::Upstream {
        eprintln!("skipped: the original stands in for ours");
        return;
    }
    let mut lab = Lab::start(tenth(), binary);
    lab.a().kill_everything().unwrap();
    lab.a()
        .configure(&tenth().conf(0, LEADER).replace("10.0.0.50", "10.0.0.60"))
        .unwrap();
    let started = lab.now();
    lab.a().start().unwrap();
    lab.seen(
        started,
        "a",
        |what| matches!(what, Seen::AddressRemoved(_, one) if *one == address(tenth())),
    );
    lab.seen(
        started,
        "a",
        |what| matches!(what, Seen::AddressAdded(_, one) if one.to_string() == "10.0.0.60"),
    );
}

#[test]
fn a_scenario_that_cannot_come_true_fails_and_shows_what_was_seen() {
    let Some(binary) = upstream() else { return };
    let scenario =
        catalogue::two_routers("impossible", tenth(), LEADER, FOLLOWER).within(tenth().interval, master_is("b"));
    let failure = lab::stage::run_in_namespaces(&scenario, &[binary.clone(), binary]).unwrap_err();
    assert!(failure.what.contains("master: b"), "{failure}");
    for line in [
        "=== a is started",
        "advert v3 vrid 51 priority 150",
        "address + 10.0.0.50 on eth0",
        "log: ",
    ] {
        assert!(failure.timeline.contains(line), "no {line:?} in\n{failure}");
    }
}

fn second() -> Row {
    row(3, 1000, &[])
}
