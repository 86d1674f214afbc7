//! What those who are told of a change are told of its cause.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::IfIndex;
use common::bench::{Bench, facts, packet_from};
use common::tracking::{group, track};
use common::{Wish, models};
use core::time::Duration;
use vrrp::Action;
use vrrp::config::{Model, Name, Tracked, Tracker, Weight};
use vrrp::input::{Input, InterfaceFacts};
use vrrp::track::Outcome;

/// State and cause of every change that was told, groups with a `*`.
fn told(actions: &[Action]) -> Vec<String> {
    let mut told = Vec::new();
    for action in actions {
        if let Action::Notify {
            instance, state, cause, ..
        } = action
        {
            told.push(format!("{instance} {state}: {cause}"));
        }
        if let Action::NotifyGroup { group, state, cause } = action {
            let (member, cause) = cause.clone().unwrap();
            told.push(format!("*{group} {state}: ({member}) {cause}"));
        }
    }
    told
}

fn tracking(object: &Tracked) -> Model {
    let mut model = models(&[Wish::default()]);
    let tracker = Tracker {
        object: object.clone(),
        weight: Weight::default(),
    };
    track(&mut model, "V", &[tracker]);
    model
}

fn link(running: bool) -> Input<'static> {
    Input::Interface {
        name: "eth1".parse().unwrap(),
        facts: Some(InterfaceFacts {
            index: IfIndex(3),
            running,
            ..facts()
        }),
    }
}

/// What makes an object good and bad.
fn news(object: &Tracked, good: bool) -> Input<'static> {
    match object.clone() {
        Tracked::Interface(_) => link(good),
        Tracked::Script(name) => Input::ScriptResult {
            name,
            outcome: Outcome::Exited(u8::from(!good)),
        },
        Tracked::File(name) => Input::FileValue {
            name,
            value: if good { 0 } else { 1 },
        },
        Tracked::Process(name) => Input::ProcessCount {
            name,
            count: u32::from(good),
        },
        Tracked::Bfd(name) => Input::BfdState { name, up: good },
    }
}

#[test]
fn a_fault_names_the_tracker_that_caused_it_whatever_kind_it_is() {
    let name = || Name::from("x");
    for (object, words) in [
        (Tracked::Interface("eth1".parse().unwrap()), "interface eth1 to be up"),
        (Tracked::Script(name()), "tracked script x to recover"),
        (Tracked::File(name()), "tracked file x to recover"),
        (Tracked::Process(name()), "tracked process x to recover"),
        (Tracked::Bfd(name()), "tracked bfd x to recover"),
    ] {
        let mut bench = Bench::with_model(tracking(&object));
        bench.feed(news(&object, true));
        bench.run_for(Duration::from_secs(10));
        bench.actions.clear();
        assert_eq!(bench.state().as_str(), "MASTER", "{object}");
        bench.feed(news(&object, false));
        // A lost process counts after its delay.
        bench.run_for(Duration::from_millis(1100));
        let fault = format!("V FAULT: waiting for {words}");
        assert_eq!(told(&bench.actions), [fault]);
        bench.actions.clear();
        bench.feed(news(&object, true));
        bench.run_for(Duration::from_millis(1100));
        assert_eq!(told(&bench.actions), ["V BACKUP: everything it waited for is there"]);
    }
}

#[test]
fn every_change_of_an_instance_has_its_own_cause_and_not_what_followed_from_it() {
    let mut bench = Bench::new(&[Wish::default()]);
    bench.run_for(Duration::from_secs(10));
    let better = Wish {
        priority: 200,
        ..Wish::default()
    };
    let packet = packet_from(&better, "10.0.0.9".parse().unwrap());
    bench.hear(&packet);
    bench.feed(Input::Shutdown { keep_addresses: false });
    assert_eq!(
        told(&bench.actions),
        [
            "V BACKUP: starting",
            "V MASTER: Receive advertisement timeout",
            "V BACKUP: received advert from 10.0.0.9 with priority 200",
            "V STOP: stopping",
        ]
    );
}

#[test]
fn an_instance_that_a_reload_removes_says_so() {
    let mut bench = Bench::new(&[Wish::default()]);
    bench.run_for(Duration::from_secs(10));
    let mut actions = Vec::new();
    bench.engine.reconfigure(bench.now, models(&[]), &mut actions);
    assert_eq!(told(&actions), ["V DELETED: removed by a reload"]);
}

#[test]
fn a_group_names_the_member_that_explains_its_state() {
    let second = Wish {
        name: "W",
        vrid: 52,
        first: 100,
        ..Wish::default()
    };
    let mut model = models(&[Wish::default(), second]);
    group(&mut model, "G", &["V", "W"]);
    let script = Tracked::Script(Name::from("x"));
    let tracker = Tracker {
        object: script.clone(),
        weight: Weight::default(),
    };
    track(&mut model, "W", &[tracker]);
    let mut bench = Bench::with_model(model);
    bench.feed(news(&script, true));
    bench.run_for(Duration::from_secs(10));
    bench.actions.clear();
    let mut lost = told(&bench.feed(news(&script, false)));
    lost.sort();
    assert_eq!(
        lost,
        [
            "*G FAULT: (W) waiting for tracked script x to recover",
            "V FAULT: waiting for sync group member W",
            "W FAULT: waiting for tracked script x to recover",
        ]
    );
}
