//! When addresses are announced (`spec/vrrp-behaviour.md` 11).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]
mod common;

use base::{IfName, Instant, MacAddr};
use common::bench::{Bench, facts, packet_from};
use common::{Wish, models};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;
use vrrp::action::{Action, Announced, StateName};
use vrrp::config::{Announcing, Extra, PacingGroup, Settings, Version};
use vrrp::engine::Wake;
use vrrp::input::{Input, InterfaceFacts};

#[test]
fn a_master_announces_at_once_again_after_the_delay_and_then_every_period() {
    let announcing = Announcing {
        repeat: 3,
        second_block: Duration::from_secs(2),
        refresh: Duration::from_secs(10),
        refresh_repeat: 2,
        ..Announcing::default()
    };
    let frames = announced(announcing, Duration::from_secs(30));
    // Master at 3.609375 s; the second block two seconds later, the refreshes ten seconds apart after that.
    let expected = [(3_609_375, 3), (5_609_375, 3), (15_609_375, 2), (25_609_375, 2)];
    assert_eq!(frames, expected);
}

#[test]
fn without_delay_and_period_there_is_one_block() {
    let announcing = Announcing {
        second_block: Duration::ZERO,
        ..Announcing::default()
    };
    assert_eq!(announced(announcing, Duration::from_secs(30)), [(3_609_375, 5)]);
}

#[test]
fn a_competing_advert_is_answered_by_announcements_now_and_after_the_delay() {
    let announcing = Announcing {
        second_block: Duration::ZERO,
        lower_priority_repeat: 2,
        lower_priority_second_block: Duration::from_secs(1),
        ..Announcing::default()
    };
    let mut bench = bench(announcing);
    bench.run_for(Duration::from_secs(5));
    bench.actions.clear();
    let lower = Wish {
        priority: 50,
        addresses: 1,
        ..Wish::default()
    };
    let bytes = packet_from(&lower, "10.0.0.9".parse().unwrap());
    bench.hear(&bytes);
    bench.run_for(Duration::from_millis(10));
    assert_eq!(count(&bench.actions), 2);
    bench.run_for(Duration::from_secs(2));
    assert_eq!(count(&bench.actions), 4);
}

#[test]
fn a_reload_announces_the_new_addresses_at_once_and_again_after_the_delay_and_no_others() {
    let model = |count| {
        models(&[Wish {
            addresses: count,
            ..Wish::default()
        }])
    };
    let mut bench = Bench::with_model(model(200));
    bench.run_for(Duration::from_secs(30));
    bench.actions.clear();
    for count in [202, 203] {
        bench.engine.reconfigure(bench.now, model(count), &mut bench.actions);
        bench.run_for(Duration::from_secs(1));
    }
    let announced = |bench: &Bench| {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for action in bench.actions.iter().filter(|a| matches!(a, Action::Announce(_))) {
            *times.entry(action.to_string()).or_default() += 1;
        }
        times.into_values().collect::<Vec<_>>()
    };
    assert_eq!(announced(&bench), [5, 5, 5]);
    bench.run_for(Duration::from_secs(30));
    assert_eq!(announced(&bench), [10, 10, 10]);
}

#[test]
fn every_address_is_announced_once_before_any_is_announced_twice() {
    let mut bench = Bench::new(&[Wish {
        addresses: 200,
        ..Wish::default()
    }]);
    bench.run_for(Duration::from_secs(4));
    let announced: Vec<String> = bench
        .actions
        .iter()
        .filter(|a| matches!(a, Action::Announce(_)))
        .map(ToString::to_string)
        .collect();
    assert_eq!(announced.len(), 1000);
    let mut first: Vec<&String> = announced[..200].iter().collect();
    first.sort();
    first.dedup();
    assert_eq!(first.len(), 200);
}

#[test]
fn a_turn_sends_a_bounded_number_of_frames_and_wants_the_next_turn_at_once() {
    let mut bench = Bench::new(&[Wish {
        addresses: 200,
        ..Wish::default()
    }]);
    bench.run_for(Duration::from_secs(4));
    bench.now = bench.now.after(Duration::from_secs(5));
    let actions = bench.feed(Input::DeadlineReached);
    let frames = actions.iter().filter(|a| matches!(a, Action::Announce(_))).count();
    assert_eq!(frames, 256);
    let deadline = bench.engine.deadline().unwrap();
    assert!(deadline.at <= bench.now);
    assert_eq!(deadline.why, Wake::Announce);
}

#[test]
fn announcements_of_a_group_of_interfaces_keep_its_pace() {
    let mut model = models(&[Wish {
        addresses: 3,
        ..Wish::default()
    }]);
    model.settings = Settings {
        pacing_groups: vec![PacingGroup {
            garp_interval: Duration::from_millis(10),
            gna_interval: Duration::ZERO,
            interfaces: vec![name("eth0")],
        }],
        ..Settings::default()
    };
    let mut bench = Bench::with_model(model);
    bench.run_for(Duration::from_micros(3_609_375));
    // The first frame goes at once, the other fourteen ten milliseconds apart.
    assert_eq!(frames(&bench), 1);
    bench.run_for(Duration::from_millis(139));
    assert_eq!(frames(&bench), 14);
    bench.run_for(Duration::from_millis(1));
    assert_eq!(frames(&bench), 15);
    bench.run_for(Duration::from_secs(3));
    assert_eq!(frames(&bench), 15);
}

#[test]
fn nothing_is_announced_where_there_is_no_arp_and_nothing_after_mastership() {
    let mut bench = Bench::new(&[Wish::default()]);
    interface(&mut bench, "eth0", Some(InterfaceFacts { noarp: true, ..facts() }));
    bench.run_for(Duration::from_secs(6));
    assert_eq!((bench.state(), frames(&bench)), (StateName::Master, 0));
    let mut bench = master();
    let before = frames(&bench);
    // Priority 200 of another router.
    let theirs = packet_from(
        &Wish {
            priority: 200,
            ..Wish::default()
        },
        "10.0.0.9".parse().unwrap(),
    );
    bench.hear(&theirs);
    assert_eq!(bench.state(), StateName::Backup);
    bench.run_for(Duration::from_secs(3));
    assert_eq!(frames(&bench), before);
}

#[test]
fn announcements_of_ipv6_name_the_router_flag_of_the_interface() {
    let mut bench = Bench::new(&[Wish {
        v6: true,
        version: Version::V3,
        ..Wish::default()
    }]);
    interface(
        &mut bench,
        "eth0",
        Some(InterfaceFacts {
            forwarding6: true,
            ..facts()
        }),
    );
    bench.run_for(Duration::from_secs(4));
    assert!(bench.actions.iter().any(
        |a| matches!(a, Action::Announce(frame) if matches!(frame.what, Announced::Neighbour { router: true, .. }))
    ));
}

#[test]
fn a_master_whose_interface_has_another_mac_address_says_so_at_once() {
    let mut bench = master();
    bench.run_for(Duration::from_secs(20));
    let before = frames(&bench);
    let other = InterfaceFacts {
        mac: Some(MacAddr([2, 0, 0, 0, 0, 9])),
        ..facts()
    };
    interface(&mut bench, "eth0", Some(other.clone()));
    bench.run_for(Duration::from_secs(1));
    // Two addresses, five times each.
    assert_eq!(frames(&bench), before + 10);
    // Nothing else about the interface is news for neighbours.
    let mtu = 1400;
    interface(&mut bench, "eth0", Some(InterfaceFacts { mtu, ..other }));
    bench.run_for(Duration::from_secs(1));
    assert_eq!(frames(&bench), before + 10);
}

#[test]
fn each_extra_interface_is_announced_once_a_period_while_master() {
    for (all, frames_a_minute) in [(true, 6), (false, 0)] {
        let mut model = models(&[Wish {
            addresses: 1,
            excluded: 3,
            ..Wish::default()
        }]);
        for config in model.instances.values_mut() {
            let config = Arc::make_mut(config);
            config.announcing.second_block = Duration::ZERO;
            config.announcing.extra = Some(Extra {
                every: Duration::from_secs(10),
                all,
            });
            // Two interfaces that send no adverts, the first with two addresses.
            config.excluded[0].interface = name("eth1");
            config.excluded[1].interface = name("eth1");
            config.excluded[2].interface = name("eth2");
        }
        let mut bench = Bench::with_model(model);
        for (index, other) in [(7, "eth1"), (8, "eth2")] {
            let mut facts = facts();
            facts.index = base::IfIndex(index);
            facts.ipv4.clear();
            interface(&mut bench, other, Some(facts));
        }
        bench.run_for(Duration::from_secs(9));
        assert_eq!(bench.state(), StateName::Master);
        bench.actions.clear();
        bench.run_for(Duration::from_secs(30));
        assert_eq!(frames(&bench), frames_a_minute, "all: {all}");
    }
}

/// When and how many frames were sent.
fn announced(announcing: Announcing, span: Duration) -> Vec<(u64, usize)> {
    let mut bench = bench(announcing);
    let began = bench.now;
    let mut seen: Vec<(u64, usize)> = Vec::new();
    while let Some(deadline) = bench
        .engine
        .deadline()
        .filter(|deadline| deadline.at <= began.after(span))
    {
        bench.now = bench.now.max(deadline.at);
        let mut actions = bench.feed(Input::DeadlineReached);
        let batches: Vec<_> = actions.iter().filter_map(batch).collect();
        for batch in batches {
            actions.extend(bench.feed(Input::AddressesChanged { batch, refused: &[] }));
        }
        let frames = count(&actions);
        if frames > 0 {
            seen.push((Instant::as_micros(bench.now) - began.as_micros(), frames));
        }
    }
    seen
}

fn bench(announcing: Announcing) -> Bench {
    let mut model = models(&[Wish {
        addresses: 1,
        ..Wish::default()
    }]);
    for config in model.instances.values_mut() {
        Arc::make_mut(config).announcing = announcing;
    }
    Bench::with_model(model)
}

fn batch(action: &Action) -> Option<vrrp::input::BatchId> {
    match action {
        Action::ChangeAddresses { batch, .. } => Some(*batch),
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
    }
}

fn count(actions: &[Action]) -> usize {
    actions
        .iter()
        .filter(|action| matches!(action, Action::Announce(_)))
        .count()
}

fn master() -> Bench {
    let mut bench = Bench::new(&[Wish::default()]);
    bench.run_for(Duration::from_secs(6));
    assert_eq!(bench.state(), StateName::Master);
    bench
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
