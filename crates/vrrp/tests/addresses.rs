//! How virtual addresses come and go: in batches, over several turns, refused, and left behind by an earlier run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::{IfIndex, IfName, Prefix};
use common::bench::{Bench, facts, said};
use common::{Wish, models};
use core::time::Duration;
use vrrp::Waiting;
use vrrp::action::{Action, AddressStep, StateName};
use vrrp::config::{AddressKey, Name};
use vrrp::engine::Wake;
use vrrp::input::{BatchId, Input, InterfaceFacts};

#[test]
fn leftovers_are_removed_before_anything_else() {
    let now = base::Instant::from_micros(5);
    let mut engine = vrrp::Engine::new(1, now, Duration::from_secs(9));
    let mut actions = Vec::new();
    let name = name("eth0");
    let with_leftover = InterfaceFacts {
        ipv4: vec!["10.9.9.9".parse().unwrap()],
        ..facts()
    };
    engine.handle(
        now,
        Input::Interface {
            name,
            facts: Some(with_leftover),
        },
        &mut actions,
    );
    let key = AddressKey {
        interface: name,
        prefix: Prefix::host("10.9.9.9".parse().unwrap()),
    };
    engine.start(now, vec![key], &mut actions);
    engine.reconfigure(now, models(&[Wish::default()]), &mut actions);
    assert!(
        matches!(&actions[0], Action::ChangeAddresses { steps, .. }
            if steps == &[AddressStep::Remove { interface: IfIndex(2), key, peer: None }]),
        "{actions:?}"
    );
    let status = engine.status_of(&Name::from("V")).unwrap();
    assert_eq!(status.waiting, [Waiting::Address(name)]);
}

#[test]
fn an_address_of_an_earlier_run_may_be_a_source_when_it_was_removed_and_somebody_puts_it_back() {
    let mut bench = Bench::new(&[Wish::default()]);
    let key = AddressKey {
        interface: name("eth0"),
        prefix: Prefix::host("10.0.0.99".parse().unwrap()),
    };
    let mut actions = Vec::new();
    bench.engine.start(bench.now, vec![key], &mut actions);
    let other = InterfaceFacts {
        ipv4: vec!["10.0.0.99".parse().unwrap()],
        ..facts()
    };
    interface(&mut bench, "eth0", Some(other.clone()));
    assert_eq!(bench.state(), StateName::Fault);
    bench.feed(Input::Address { key, present: false });
    let none = InterfaceFacts {
        ipv4: Vec::new(),
        ..facts()
    };
    interface(&mut bench, "eth0", Some(none));
    interface(&mut bench, "eth0", Some(other));
    assert_eq!(bench.status().source, Some("10.0.0.99".parse().unwrap()));
}

#[test]
fn addresses_go_in_batches_and_the_next_one_follows_the_answer() {
    let mut bench = Bench::new(&[Wish {
        addresses: 200,
        ..Wish::default()
    }]);
    let deadline = bench.engine.deadline().unwrap().at;
    bench.now = deadline;
    let mut actions = bench.feed(Input::DeadlineReached);
    let mut sizes = Vec::new();
    while let Some((batch, size)) = batch(&actions) {
        sizes.push(size);
        actions = bench.feed(Input::AddressesChanged { batch, refused: &[] });
    }
    assert_eq!(sizes, [64, 64, 64, 8]);
}

#[test]
fn a_master_of_many_addresses_takes_them_up_over_several_turns_and_none_is_forgotten() {
    let mut bench = Bench::new(&[Wish {
        addresses: 100,
        excluded: 900,
        ..Wish::default()
    }]);
    bench.run_for(Duration::from_micros(3_609_374));
    bench.now = bench.now.after(Duration::from_micros(1));
    let actions = bench.feed(Input::DeadlineReached);
    let advert = actions.iter().position(|a| matches!(a, Action::SendAdvert(_))).unwrap();
    let change = actions
        .iter()
        .position(|a| matches!(a, Action::ChangeAddresses { .. }))
        .unwrap();
    assert!(advert < change);
    // More is wanted at once, although nothing has been answered.
    assert_eq!(bench.engine.deadline().unwrap().why, Wake::HoldAddresses);
    bench.run_for(Duration::from_millis(100));
    assert_eq!(frames(&bench), 5000);
}

#[test]
fn a_master_that_yields_while_it_takes_up_addresses_keeps_none() {
    let mut bench = Bench::new(&[Wish {
        addresses: 100,
        excluded: 900,
        ..Wish::default()
    }]);
    bench.run_for(Duration::from_micros(3_609_374));
    bench.now = bench.now.after(Duration::from_micros(1));
    bench.feed(Input::DeadlineReached);
    bench.feed(Input::Shutdown { keep_addresses: false });
    bench.run_for(Duration::from_millis(100));
    assert!(bench.engine.is_finished());
    let mut there = std::collections::BTreeSet::new();
    for step in bench.steps() {
        match step {
            AddressStep::Add { address, .. } => there.insert(address.key()),
            AddressStep::Remove { key, .. } => there.remove(&key),
        };
    }
    assert_eq!(there.len(), 0);
}

#[test]
fn a_refused_address_is_told_and_tried_again_later_and_when_its_interface_changes() {
    let mut bench = Bench::new(&[Wish {
        addresses: 1,
        ..Wish::default()
    }]);
    bench.now = bench.engine.deadline().unwrap().at;
    let actions = bench.feed(Input::DeadlineReached);
    let (number, _) = batch(&actions).unwrap();
    let actions = bench.feed(Input::AddressesChanged {
        batch: number,
        refused: &[(0, 1)],
    });
    assert_eq!(
        said(&actions),
        ["cannot add address 10.0.0.10/32 on eth0: error 1; trying again later"]
    );
    assert_eq!(batch(&actions), None);
    bench.now = bench.now.after(Duration::from_millis(1001));
    let actions = bench.feed(Input::DeadlineReached);
    let (number, _) = batch(&actions).unwrap();
    bench.feed(Input::AddressesChanged {
        batch: number,
        refused: &[(0, 1)],
    });
    let actions = interface(&mut bench, "eth0", Some(InterfaceFacts { mtu: 9000, ..facts() }));
    let (number, _) = batch(&actions).unwrap();
    // That it is there already is no error.
    let actions = bench.feed(Input::AddressesChanged {
        batch: number,
        refused: &[(0, 17)],
    });
    assert_eq!(said(&actions), Vec::<String>::new());
}

#[test]
fn our_own_removal_reported_late_is_not_a_loss() {
    let mut bench = Bench::new(&[Wish {
        addresses: 1,
        ..Wish::default()
    }]);
    bench.now = bench.engine.deadline().unwrap().at;
    let (add, _) = batch(&bench.feed(Input::DeadlineReached)).unwrap();
    bench.feed(Input::AddressesChanged {
        batch: add,
        refused: &[],
    });
    let down = InterfaceFacts {
        running: false,
        ..facts()
    };
    let (remove, _) = batch(&interface(&mut bench, "eth0", Some(down))).unwrap();
    interface(&mut bench, "eth0", Some(facts()));
    // Master again before the kernel has answered.
    bench.now = bench.engine.deadline().unwrap().at;
    bench.feed(Input::DeadlineReached);
    let (add, _) = batch(&bench.feed(Input::AddressesChanged {
        batch: remove,
        refused: &[],
    }))
    .unwrap();
    bench.feed(Input::AddressesChanged {
        batch: add,
        refused: &[],
    });
    assert_eq!(bench.state(), StateName::Master);
    let key = AddressKey {
        interface: name("eth0"),
        prefix: Prefix::host("10.0.0.10".parse().unwrap()),
    };
    bench.feed(Input::Address { key, present: false });
    assert_eq!(bench.state(), StateName::Master);
    bench.feed(Input::Address { key, present: true });
    let actions = bench.feed(Input::Address { key, present: false });
    assert!(batch(&actions).is_some(), "this one is, and it is put back");
}

fn interface(bench: &mut Bench, interface: &str, facts: Option<InterfaceFacts>) -> Vec<Action> {
    let name = name(interface);
    bench.feed(Input::Interface { name, facts })
}

fn name(text: &str) -> IfName {
    text.parse().unwrap()
}

fn frames(bench: &Bench) -> usize {
    bench
        .actions
        .iter()
        .filter(|a| matches!(a, Action::Announce(_)))
        .count()
}

fn batch(actions: &[Action]) -> Option<(BatchId, usize)> {
    actions.iter().find_map(|action| match action {
        Action::ChangeAddresses { batch, steps } => Some((*batch, steps.len())),
        Action::SendAdvert(_)
        | Action::Announce(_)
        | Action::Notify { .. }
        | Action::NotifyGroup { .. }
        | Action::NotifyPriority { .. }
        | Action::LowerPrioritySeen { .. }
        | Action::Tell(_)
        | Action::ChangeRoutes { .. }
        | Action::ChangeRules { .. }
        | Action::PromoteSecondaries { .. }
        | Action::ChangeFilter { .. }
        | Action::SocketsChanged => None,
    })
}
