//! Sync groups and trackers: engines on a bench and on a simulated segment.
//!
//! The model test feeds random events; `VRRP_EVENTS=1000000 cargo test --release -p vrrp --test groups` feeds a million,
//! `VRRP_SEED` repeats a run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::Rng;
use common::bench::{Bench, facts, packet_from};
use common::tracking::{change, group, track};
use common::{Wish, is_master, models};
use core::time::Duration;
use std::collections::BTreeMap;
use vrrp::action::{Action, StateName};
use vrrp::config::{Delays, Model, Name, Tracked, Tracker, Weight};
use vrrp::input::{Input, InterfaceFacts};
use vrrp::sim::Sim;
use vrrp::track::Outcome;

const SECOND: Duration = Duration::from_secs(1);
/// Random events in a usual run.
const EVENTS: u64 = 100_000;

fn script(name: &str) -> Tracked {
    Tracked::Script(Name::from(name))
}

fn weighs(object: Tracked, value: i32) -> Tracker {
    Tracker {
        object,
        weight: Weight { value, reverse: false },
    }
}

/// Two instances V and W, of these priorities, in one group; V tracks these.
fn grouped(v: u8, w: u8, trackers: &[Tracker]) -> Model {
    let first = Wish {
        priority: v,
        ..Wish::default()
    };
    let second = Wish {
        name: "W",
        vrid: 52,
        priority: w,
        first: 100,
        ..Wish::default()
    };
    let mut model = models(&[first, second]);
    group(&mut model, "G", &["V", "W"]);
    track(&mut model, "V", trackers);
    model
}

fn exits(name: &str, status: u8) -> Input<'static> {
    Input::ScriptResult {
        name: Name::from(name),
        outcome: Outcome::Exited(status),
    }
}

fn states(sim: &Sim, router: &str) -> [Option<StateName>; 2] {
    ["V", "W"].map(|instance| sim.state(router, instance))
}

#[test]
fn a_group_fails_over_together_when_one_member_has_a_fault_and_comes_back_together() {
    let mut sim = Sim::new(5);
    sim.add("a", grouped(150, 150, &[weighs(script("s"), 0)]));
    sim.add("b", grouped(100, 100, &[]));
    sim.track("a", exits("s", 0));
    sim.run_for(SECOND * 5);
    assert_eq!(states(&sim, "a"), [Some(StateName::Master); 2]);
    sim.track("a", exits("s", 1));
    assert_eq!(states(&sim, "a"), [Some(StateName::Fault); 2]);
    // The farewells leave a skew of 609 ms.
    sim.run_for(Duration::from_millis(650));
    assert_eq!(states(&sim, "b"), [Some(StateName::Master); 2]);
    sim.track("a", exits("s", 0));
    sim.run_for(SECOND * 5);
    assert_eq!(states(&sim, "a"), [Some(StateName::Master); 2]);
    assert_eq!(states(&sim, "b"), [Some(StateName::Backup); 2]);
    assert_eq!(sim.settled(), Ok(()));
}

#[test]
fn a_member_that_joins_a_group_of_masters_which_fails_in_the_same_instant_keeps_no_address() {
    let mut sim = Sim::new(8);
    let mut alone = grouped(150, 150, &[]);
    alone.instances.remove(&Name::from("W"));
    group(&mut alone, "G", &["V"]);
    sim.add("a", alone);
    sim.run_for(SECOND * 5);
    assert_eq!(sim.state("a", "V"), Some(StateName::Master));
    sim.reload("a", grouped(150, 150, &[weighs(Tracked::Bfd("b".into()), 0)]));
    sim.track("a", exits("another", 0));
    sim.run_for(SECOND);
    assert_eq!(states(&sim, "a"), [Some(StateName::Fault); 2]);
    assert_eq!(sim.addresses_are_with_masters(), Ok(()));
}

#[test]
fn a_member_that_would_be_master_waits_for_the_others() {
    let mut sim = Sim::new(6);
    // V of a is better than that of b, W worse: a may have neither.
    sim.add("a", grouped(150, 50, &[]));
    sim.add("b", grouped(100, 100, &[]));
    sim.run_for(SECOND * 20);
    let masters: Vec<&str> = ["a", "b"]
        .into_iter()
        .filter(|router| states(&sim, router) == [Some(StateName::Master); 2])
        .collect();
    assert_eq!(masters.len(), 1);
    assert_eq!(sim.settled(), Ok(()));
}

#[test]
fn an_address_that_cannot_be_kept_takes_the_whole_group_to_backup_with_farewells() {
    let mut sim = Sim::new(7);
    sim.add("a", grouped(150, 150, &[]));
    sim.run_for(SECOND * 5);
    let address = "10.0.0.10".parse().unwrap();
    // It is put back until it goes too often.
    for _ in 0..8 {
        sim.steal("a", address);
        sim.run_for(Duration::from_millis(20));
    }
    assert_eq!(states(&sim, "a"), [Some(StateName::Backup); 2]);
    let farewells = sim.timeline().iter().filter(|line| line.contains("priority=0")).count();
    assert_eq!(farewells, 2);
    sim.run_for(SECOND * 2);
    assert_eq!(states(&sim, "a"), [Some(StateName::Master); 2]);
}

#[test]
fn nothing_begins_before_the_first_result_of_a_script_that_can_mean_fault() {
    let mut bench = Bench::with_model(grouped(100, 100, &[weighs(script("s"), 0)]));
    bench.run_for(SECOND * 10);
    let told = |bench: &Bench| {
        bench
            .actions
            .iter()
            .filter(|a| matches!(a, Action::Notify { .. }))
            .count()
    };
    assert_eq!((bench.state(), told(&bench)), (StateName::Init, 0));
    bench.feed(exits("s", 0));
    assert_eq!((bench.state(), told(&bench)), (StateName::Backup, 2));
    let mut bench = Bench::with_model(grouped(100, 100, &[weighs(script("s"), 0)]));
    bench.feed(exits("s", 3));
    assert_eq!((bench.state(), told(&bench)), (StateName::Fault, 2));
    let all = bench.engine.status();
    assert_eq!(all[1].waiting[0].to_string(), "sync group member V");
}

#[test]
fn the_group_speaks_after_its_members() {
    let mut bench = Bench::with_model(grouped(100, 100, &[]));
    bench.run_for(SECOND * 5);
    let said: Vec<String> = bench
        .actions
        .iter()
        .filter(|action| matches!(action, Action::Notify { .. } | Action::NotifyGroup { .. }))
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "notify V BACKUP priority=100",
            "notify W BACKUP priority=100",
            "notify group G BACKUP",
            "notify V MASTER priority=100",
            "notify W MASTER priority=100",
            "notify group G MASTER",
        ]
    );
}

#[test]
fn a_file_moves_the_address_by_its_weight() {
    let file = Tracked::File(Name::from("f"));
    let holds = |value| Input::FileValue {
        name: Name::from("f"),
        value,
    };
    let mut sim = Sim::new(8);
    let mut model = grouped(150, 150, &[weighs(file, 1)]);
    model.groups.clear();
    change(&mut model, "V", |config| {
        config.group = None;
        config.notify_priority_changes = true;
    });
    change(&mut model, "W", |config| config.group = None);
    sim.add("a", model);
    let mut other = grouped(100, 100, &[]);
    other.groups.clear();
    change(&mut other, "V", |config| config.group = None);
    change(&mut other, "W", |config| config.group = None);
    sim.add("b", other);
    sim.track("a", holds(0));
    sim.run_for(SECOND * 6);
    assert!(is_master(&sim, "a"));
    sim.track("a", holds(-60));
    assert_eq!(sim.priority("a", "V"), Some(90));
    sim.run_for(SECOND * 5);
    assert!(is_master(&sim, "b"));
    assert_eq!(sim.state("a", "W"), Some(StateName::Master), "no group");
    sim.track("a", holds(0));
    sim.run_for(SECOND * 5);
    assert!(is_master(&sim, "a"));
    let told = sim.timeline().iter().filter(|line| line.contains("_PRIORITY")).count();
    assert_eq!(told, 2);
    sim.track("a", holds(-254));
    assert_eq!(sim.state("a", "V"), Some(StateName::Fault));
    assert!(sim.settled().is_err(), "b has not taken over yet");
}

#[test]
fn a_priority_that_falls_moves_the_timer_of_a_backup() {
    let mut model = grouped(100, 100, &[weighs(script("s"), -50)]);
    model.groups.clear();
    change(&mut model, "V", |config| config.group = None);
    let mut bench = Bench::with_model(model);
    let before = bench.engine.deadline().unwrap().at;
    bench.feed(exits("s", 1));
    assert_eq!(bench.status().sum.effective.get(), 50);
    assert_eq!(bench.status().sum.parts[0].share.to_string(), "-50");
    // W is due first now; V waits 50 / 256 s longer.
    assert_eq!(bench.engine.deadline().unwrap().at, before);
    bench.run_for(Duration::from_micros(3_609_375 + 100_000));
    assert_eq!(bench.state(), StateName::Backup);
    bench.run_for(Duration::from_micros(100_000));
    assert_eq!(bench.state(), StateName::Master);
}

#[test]
fn a_result_is_kept_over_a_reload_that_does_not_change_the_script() {
    let model = grouped(100, 100, &[weighs(script("s"), 0)]);
    let mut bench = Bench::with_model(model.clone());
    bench.feed(exits("s", 0));
    bench.run_for(SECOND * 5);
    assert_eq!(bench.state(), StateName::Master);
    let mut actions = Vec::new();
    bench.engine.reconfigure(bench.now, model.clone(), &mut actions);
    assert_eq!(actions, [], "an unchanged file changes nothing");
    let mut other = model;
    let rule = other.objects.scripts.get_mut(&Name::from("s")).unwrap();
    rule.fall = 3;
    bench.engine.reconfigure(bench.now, other.clone(), &mut actions);
    bench.feed(exits("s", 1));
    assert_eq!(bench.state(), StateName::Master, "two more failures are needed");
    let rule = other.objects.scripts.get_mut(&Name::from("s")).unwrap();
    rule.runs = "something else".into();
    bench.engine.reconfigure(bench.now, other, &mut actions);
    assert_eq!(
        bench.state(),
        StateName::Master,
        "who runs does not wait for a first result"
    );
    bench.feed(exits("s", 1));
    assert_eq!(bench.state(), StateName::Fault, "but the first result decides");
}

#[test]
fn a_link_counts_as_down_only_after_its_delay_and_never_so_late_that_adverts_are_missed() {
    let mut model = grouped(100, 100, &[]);
    let delays = Delays {
        down: SECOND * 100,
        up: Duration::ZERO,
    };
    model.objects.delays.insert("eth0".parse().unwrap(), delays);
    let mut bench = Bench::with_model(model);
    bench.run_for(SECOND * 5);
    bench.feed(link("eth0", false));
    bench.run_for(Duration::from_millis(1_900));
    assert_eq!(bench.state(), StateName::Master);
    // Two intervals less 1/256.
    bench.run_for(Duration::from_millis(100));
    assert_eq!(bench.state(), StateName::Fault);
    bench.feed(link("eth0", true));
    assert_eq!(bench.state(), StateName::Backup);
}

#[test]
fn two_faults_are_two_faults() {
    let mut model = grouped(100, 100, &[weighs(link_of("eth1"), 0), weighs(link_of("eth2"), 0)]);
    model.groups.clear();
    let mut bench = Bench::with_model(model);
    for name in ["eth1", "eth2"] {
        bench.feed(link(name, true));
    }
    assert_eq!(bench.state(), StateName::Backup);
    bench.feed(link("eth1", false));
    bench.feed(link("eth2", false));
    bench.feed(link("eth1", true));
    assert_eq!(bench.state(), StateName::Fault);
    bench.feed(link("eth2", true));
    assert_eq!(bench.state(), StateName::Backup);
}

fn link_of(name: &str) -> Tracked {
    Tracked::Interface(name.parse().unwrap())
}

fn link(name: &str, running: bool) -> Input<'static> {
    let facts = InterfaceFacts {
        running,
        index: base::IfIndex(name.bytes().map(u32::from).sum()),
        ..facts()
    };
    let facts = if name == "eth0" {
        InterfaceFacts {
            running,
            ..common::bench::facts()
        }
    } else {
        facts
    };
    Input::Interface {
        name: name.parse().unwrap(),
        facts: Some(facts),
    }
}

/// The instances of the model test.
const MEMBERS: [&str; 3] = ["V", "W", "X"];

#[test]
fn members_of_a_group_never_disagree_whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("VRRP_SEED").unwrap_or(11);
    let events = number("VRRP_EVENTS").unwrap_or(EVENTS);
    let mut rng = Rng::from_seed(seed);
    let mut bench = Bench::with_model(three());
    let packets = adverts();
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    let (mut masters, mut faults) = (0_u64, 0_u64);
    for event in 0..events {
        happen(&mut bench, &mut rng, &packets);
        let pause = Duration::from_micros(rng.below(2_000_000));
        // What follows from a claim comes with the next turn; then all must agree.
        bench.run_for(Duration::ZERO);
        let context = format!("event {event}, again: VRRP_SEED={seed} VRRP_EVENTS={events}");
        let state = agreed(&bench, &context);
        masters += u64::from(state == StateName::Master);
        faults += u64::from(state == StateName::Fault);
        bench.run_for(pause);
        note(&bench, &mut told);
        bench.actions.clear();
        let state = agreed(&bench, &context);
        for name in MEMBERS.iter().chain(&["G"]) {
            assert_eq!(
                told.get(*name).map(String::as_str),
                Some(state.as_str()),
                "{name}, {context}"
            );
        }
    }
    // The events lead everywhere.
    assert!(masters > events / 50 && faults > events / 50, "{masters} {faults}");
}

/// The state all members have.
fn agreed(bench: &Bench, context: &str) -> StateName {
    let states: Vec<StateName> = bench.engine.status().iter().map(|status| status.state).collect();
    assert!(
        states.iter().all(|state| *state == states[0]),
        "{states:?} after {context}"
    );
    states[0]
}

/// The last thing the outside was told of everybody.
fn note(bench: &Bench, told: &mut BTreeMap<String, String>) {
    for action in &bench.actions {
        match action {
            Action::Notify { instance, state, .. } => told.insert(instance.to_string(), state.to_string()),
            Action::NotifyGroup { group, state, .. } => told.insert(group.to_string(), state.to_string()),
            Action::NotifyPriority { .. }
            | Action::LowerPrioritySeen { .. }
            | Action::SendAdvert(_)
            | Action::ChangeAddresses { .. }
            | Action::ChangeRoutes { .. }
            | Action::ChangeRules { .. }
            | Action::PromoteSecondaries { .. }
            | Action::ChangeFilter { .. }
            | Action::Announce(_)
            | Action::Tell(_)
            | Action::SocketsChanged => None,
        };
    }
}

fn three() -> Model {
    let wish = |name, vrid, priority, first| Wish {
        name,
        vrid,
        priority,
        first,
        addresses: 1,
        ..Wish::default()
    };
    let mut model = models(&[wish("V", 51, 100, 10), wish("W", 52, 120, 20), wish("X", 53, 90, 30)]);
    group(&mut model, "G", &MEMBERS);
    track(
        &mut model,
        "V",
        &[weighs(script("s"), 0), weighs(Tracked::File(Name::from("f")), 1)],
    );
    track(&mut model, "W", &[weighs(link_of("eth1"), 0), weighs(script("w"), 40)]);
    track(
        &mut model,
        "X",
        &[
            weighs(Tracked::Process(Name::from("p")), 0),
            weighs(Tracked::Bfd(Name::from("b")), -30),
        ],
    );
    let delays = Delays {
        down: Duration::from_millis(300),
        up: Duration::from_millis(200),
    };
    model.objects.delays.insert("eth1".parse().unwrap(), delays);
    model
}

/// What other routers may send for each virtual router.
fn adverts() -> Vec<Vec<u8>> {
    let vrids = [51_u8, 52, 53];
    let priorities = [50_u8, 110, 200];
    let all = vrids
        .into_iter()
        .flat_map(|vrid| priorities.map(|priority| (vrid, priority)));
    let packet = |(vrid, priority): (u8, u8)| {
        let wish = Wish {
            vrid,
            priority,
            addresses: 1,
            first: u16::from(vrid - 50) * 10,
            ..Wish::default()
        };
        packet_from(&wish, "10.0.0.99".parse().unwrap())
    };
    all.map(packet).collect()
}

fn happen(bench: &mut Bench, rng: &mut Rng, packets: &[Vec<u8>]) {
    let good = rng.percent(85);
    match rng.below(12) {
        0..=2 => {
            let at = usize::try_from(rng.below(packets.len() as u64)).unwrap();
            if let Some(socket) = bench.engine.sockets().keys().next().copied() {
                let body = vrrp::input::Body::V4(&packets[at]);
                bench.feed(Input::Packet(vrrp::input::Packet { socket, body }));
            }
        }
        3 => {
            bench.feed(exits("s", u8::from(!good)));
        }
        4 => {
            bench.feed(exits("w", u8::from(!good)));
        }
        5 => {
            let value = if good { 0 } else { -254 };
            let name = Name::from("f");
            bench.feed(Input::FileValue { name, value });
        }
        6 => {
            let name = Name::from("p");
            let count = u32::from(good);
            bench.feed(Input::ProcessCount { name, count });
        }
        7 => {
            let name = Name::from("b");
            bench.feed(Input::BfdState { name, up: good });
        }
        8 => {
            bench.feed(link("eth1", good));
        }
        9 => {
            bench.feed(link("eth0", good));
        }
        10 => {
            let last = u8::try_from(10 * (1 + rng.below(3))).unwrap();
            let key = vrrp::config::AddressKey {
                interface: "eth0".parse().unwrap(),
                prefix: base::Prefix::new([10, 0, 0, last].into(), 24).unwrap(),
            };
            bench.feed(Input::Address { key, present: false });
        }
        _ => {}
    }
}
