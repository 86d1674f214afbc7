//! The packet filter of addresses that are not accepted, with engines on a simulated segment and on a bench.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::Family;
use common::bench::{Bench, said};
use common::{Wish, is_master, model, models};
use core::time::Duration;
use vrrp::action::Action;
use vrrp::config::Model;
use vrrp::filter::{Element, FilterStep, Part};
use vrrp::input::Input;
use vrrp::sim::Sim;

const ADDRESS: &str = "10.0.0.10";

#[test]
fn the_rules_are_made_at_the_start_and_filled_before_the_addresses_are_added() {
    let mut bench = Bench::new(&[refusing()]);
    let v4 = Part::Addresses(Family::V4);
    assert_eq!(
        filter_steps(&bench.actions),
        [vec![FilterStep::Create(Family::V4), FilterStep::Prepare(v4)]]
    );
    bench.run_for(Duration::from_secs(3));
    bench.actions.clear();
    bench.now = bench.now.after(Duration::from_secs(1));
    let mut actions = bench.feed(Input::DeadlineReached);
    // What follows from the claim is the next turn's.
    actions.extend(bench.feed(Input::DeadlineReached));
    let kinds: Vec<&str> = actions.iter().filter_map(kind).collect();
    assert_eq!(kinds, ["advert", "filter", "addresses"]);
    let added: Vec<FilterStep> = ["10.0.0.10", "10.0.0.11"].map(|a| FilterStep::Add(address(a))).into();
    assert_eq!(filter_steps(&actions), [added]);
}

#[test]
fn an_address_goes_before_its_rule_and_the_table_goes_last() {
    let mut sim = Sim::new(1);
    sim.add("a", model(&refusing()));
    sim.run_for(Duration::from_secs(5));
    assert!(is_master(&sim, "a") && sim.drops("a", ADDRESS.parse().unwrap()));
    let before = sim.timeline().len();
    sim.stop("a");
    sim.run_for(Duration::from_secs(1));
    let lines: Vec<String> = sim.timeline().iter().skip(before).cloned().collect();
    let position = |text: &str| {
        lines
            .iter()
            .position(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{lines:#?}"))
    };
    assert!(position("done #") < position("delete(IPv4)"), "{lines:#?}");
    assert_eq!(sim.is_clean("a"), Ok(()));
}

#[test]
fn only_the_master_drops_and_after_a_failover_only_the_new_one() {
    let mut sim = Sim::new(2);
    let strong = Wish {
        priority: 150,
        ..refusing()
    };
    sim.add("a", model(&strong));
    sim.add("b", model(&refusing()));
    sim.run_for(Duration::from_secs(5));
    let address = ADDRESS.parse().unwrap();
    assert_eq!((sim.drops("a", address), sim.drops("b", address)), (true, false));
    sim.cut("a");
    sim.run_for(Duration::from_secs(5));
    assert_eq!((sim.drops("a", address), sim.drops("b", address)), (false, true));
}

#[test]
fn an_owner_and_an_instance_that_accepts_need_no_rules() {
    let owner = Wish {
        priority: 255,
        ..refusing()
    };
    for wish in [owner, Wish::default()] {
        let mut bench = Bench::new(&[wish]);
        bench.run_for(Duration::from_secs(5));
        assert_eq!(bench.state(), vrrp::action::StateName::Master);
        assert_eq!(filter_steps(&bench.actions), Vec::<Vec<FilterStep>>::new());
    }
}

#[test]
fn a_link_local_address_is_dropped_by_number_or_by_name_of_its_interface() {
    for (track_interface, part) in [(true, Part::LinkLocal), (false, Part::LinkLocalName)] {
        let wish = Wish {
            v6: true,
            version: vrrp::config::Version::V3,
            track_interface,
            ..refusing()
        };
        let bench = Bench::new(&[wish]);
        let expected = vec![
            FilterStep::Create(Family::V6),
            FilterStep::Prepare(Part::Addresses(Family::V6)),
            FilterStep::Prepare(part),
        ];
        assert_eq!(filter_steps(&bench.actions), [expected]);
    }
}

#[test]
fn rules_that_somebody_flushed_are_put_back_at_once() {
    let mut sim = Sim::new(3);
    sim.add("a", models(&[refusing(), other(true)]));
    sim.run_for(Duration::from_secs(5));
    for _ in 0..3 {
        sim.flush_filter("a");
        sim.run_for(Duration::from_millis(20));
        assert_eq!(sim.settled(), Ok(()));
    }
    // Whoever goes on and on gets them back with a pause.
    sim.flush_filter("a");
    sim.run_for(Duration::from_millis(20));
    assert!(sim.settled().is_err());
    sim.run_for(Duration::from_secs(1));
    let said = sim
        .timeline()
        .iter()
        .filter(|line| line.contains("removed by somebody else"))
        .count();
    assert_eq!(said, 1);
    let address = ADDRESS.parse().unwrap();
    assert!(sim.drops("a", address));
    assert_eq!(sim.settled(), Ok(()));
}

#[test]
fn without_nftables_addresses_are_served_and_it_is_said_once() {
    let mut sim = Sim::new(4);
    sim.add("a", Model::default());
    sim.break_filter("a", true);
    sim.reload("a", model(&refusing()));
    sim.run_for(Duration::from_secs(20));
    assert!(is_master(&sim, "a") && sim.holds("a", ADDRESS.parse().unwrap()));
    let lines = |text: &str| sim.timeline().iter().filter(|line| line.contains(text)).count();
    assert_eq!(lines("nftables is not available (error 95)"), 1);
    assert!(lines("filter #") > 3, "it is tried again");
    sim.break_filter("a", false);
    sim.run_for(Duration::from_secs(70));
    assert!(sim.drops("a", ADDRESS.parse().unwrap()));
    assert!(
        sim.timeline()
            .iter()
            .any(|line| line.contains("the rules are in place again"))
    );
}

#[test]
fn a_daemon_whose_nftables_does_not_work_ends_all_the_same() {
    let mut sim = Sim::new(5);
    sim.add("a", Model::default());
    sim.break_filter("a", true);
    sim.reload("a", model(&refusing()));
    sim.run_for(Duration::from_secs(5));
    sim.stop("a");
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.state("a", "V"), None);
    assert_eq!(sim.is_clean("a"), Ok(()));
}

#[test]
fn a_reload_turns_dropping_on_and_off_under_a_running_master() {
    let mut sim = Sim::new(6);
    sim.add("a", model(&Wish::default()));
    sim.run_for(Duration::from_secs(5));
    let address = ADDRESS.parse().unwrap();
    assert!(sim.holds("a", address) && !sim.drops("a", address));
    for refuses in [true, false, true] {
        sim.reload("a", model(&if refuses { refusing() } else { Wish::default() }));
        sim.run_for(Duration::from_millis(50));
        assert_eq!(sim.drops("a", address), refuses);
        assert!(sim.holds("a", address) && is_master(&sim, "a"));
    }
    sim.reload("a", Model::default());
    sim.run_for(Duration::from_millis(50));
    assert!(!sim.holds("a", address) && !sim.drops("a", address));
}

#[test]
fn another_name_of_the_table_moves_the_rules() {
    let mut bench = Bench::new(&[refusing()]);
    bench.run_for(Duration::from_secs(5));
    let mut model = model(&refusing());
    model.settings.filter.table = "other".into();
    let mut actions = Vec::new();
    bench.engine.reconfigure(bench.now, model, &mut actions);
    let names: Vec<(String, usize)> = actions
        .iter()
        .filter_map(|action| {
            let Action::ChangeFilter { settings, steps, .. } = action else {
                return None;
            };
            Some((settings.table.to_string(), steps.len()))
        })
        .collect();
    // The old one is deleted; the new one is created, prepared, and gets both addresses.
    assert_eq!(names, [("keepalived".to_string(), 1), ("other".to_string(), 4)]);
}

#[test]
fn using_nftables_unasked_is_said() {
    let line = "use_vmac or no_accept/strict specified, but no firewall configured - using nftables";
    let bench = Bench::new(&[refusing()]);
    assert!(said(&bench.actions).iter().any(|text| text == line));
    let mut asked = model(&refusing());
    asked.settings.filter.configured = true;
    let bench = Bench::with_model(asked);
    assert!(!said(&bench.actions).iter().any(|text| text == line));
}

fn refusing() -> Wish {
    Wish {
        accept: false,
        ..Wish::default()
    }
}

fn other(accept: bool) -> Wish {
    Wish {
        name: "W",
        vrid: 52,
        first: 100,
        accept,
        ..Wish::default()
    }
}

fn address(text: &str) -> Element {
    Element::Address(text.parse().unwrap())
}

fn filter_steps(actions: &[Action]) -> Vec<Vec<FilterStep>> {
    let steps = |action: &Action| {
        let Action::ChangeFilter { steps, .. } = action else {
            return None;
        };
        Some(steps.clone())
    };
    actions.iter().filter_map(steps).collect()
}

fn kind(action: &Action) -> Option<&'static str> {
    let is = |wanted: bool, word| wanted.then_some(word);
    is(matches!(action, Action::SendAdvert(_)), "advert")
        .or(is(matches!(action, Action::ChangeFilter { .. }), "filter"))
        .or(is(matches!(action, Action::ChangeAddresses { .. }), "addresses"))
}
