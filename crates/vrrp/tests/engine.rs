//! What the engine does beyond one instance's election.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::{IfIndex, IfName, Instant};
use common::bench::{Bench, adverts, facts, hex, said};
use common::{Wish, config, models};
use core::time::Duration;
use std::sync::Arc;
use vrrp::Waiting;
use vrrp::action::{Action, StateName};
use vrrp::config::{Name, Version};
use vrrp::engine::Wake;
use vrrp::input::{BatchId, Input, InterfaceFacts};

#[test]
fn what_an_instance_waits_for_is_said_and_counted_one_by_one() {
    let mut bench = two_interfaces();
    let state = |bench: &Bench| (bench.state(), bench.status().waiting.len());
    assert_eq!(state(&bench), (StateName::Fault, 1));
    assert_eq!(bench.status().waiting, [Waiting::Interface(name("eth1"))]);
    let words = said(&bench.actions);
    assert_eq!(
        words,
        [
            "(V) waiting for interface eth1 to exist",
            "(V) Entering FAULT STATE (init)"
        ]
    );
    let down = InterfaceFacts {
        running: false,
        ..facts()
    };
    interface(&mut bench, "eth0", Some(down.clone()));
    assert_eq!(state(&bench), (StateName::Fault, 2));
    interface(
        &mut bench,
        "eth1",
        Some(InterfaceFacts {
            index: IfIndex(3),
            ..facts()
        }),
    );
    assert_eq!(state(&bench), (StateName::Fault, 1));
    interface(
        &mut bench,
        "eth0",
        Some(InterfaceFacts {
            ipv4: Vec::new(),
            ..facts()
        }),
    );
    assert_eq!(bench.status().waiting, [Waiting::Address(name("eth0"))]);
    interface(&mut bench, "eth0", Some(facts()));
    assert_eq!(state(&bench), (StateName::Backup, 0));
}

#[test]
fn a_virtual_address_is_never_the_source() {
    let mut bench = Bench::new(&[Wish::default()]);
    let with_virtual = InterfaceFacts {
        ipv4: vec!["10.0.0.10".parse().unwrap(), "10.0.0.7".parse().unwrap()],
        ..facts()
    };
    interface(&mut bench, "eth0", Some(with_virtual));
    assert_eq!(bench.status().source, Some("10.0.0.7".parse().unwrap()));
    let only_virtual = InterfaceFacts {
        ipv4: vec!["10.0.0.10".parse().unwrap()],
        ..facts()
    };
    interface(&mut bench, "eth0", Some(only_virtual));
    assert_eq!(bench.state(), StateName::Fault);
}

#[test]
fn an_address_that_is_virtual_on_another_interface_may_be_the_source() {
    // An owner with a VMAC: the address is the own one of the interface below, the only one it has.
    let mut config = config(&Wish::default());
    for address in &mut config.addresses {
        address.interface = name("vrrp.51");
    }
    let own = config.addresses[0].prefix.address();
    let mut model = models(&[]);
    model.instances.insert(config.name.clone(), Arc::new(config));
    let mut bench = Bench::with_model(model);
    let above = InterfaceFacts {
        index: IfIndex(3),
        ..facts()
    };
    interface(&mut bench, "vrrp.51", Some(above));
    let std::net::IpAddr::V4(ipv4) = own else {
        panic!("{own}")
    };
    let below = InterfaceFacts {
        ipv4: vec![ipv4],
        ..facts()
    };
    interface(&mut bench, "eth0", Some(below));
    assert_eq!(bench.status().source, Some(own));
    assert_eq!(bench.state(), StateName::Backup);
}

#[test]
fn a_source_address_stays_while_it_is_there() {
    let mut bench = Bench::new(&[Wish::default()]);
    let more = InterfaceFacts {
        ipv4: vec!["10.0.0.1".parse().unwrap(), "10.0.0.7".parse().unwrap()],
        ..facts()
    };
    interface(&mut bench, "eth0", Some(more));
    assert_eq!(bench.status().source, Some("10.0.0.7".parse().unwrap()));
    let other = InterfaceFacts {
        ipv4: vec!["10.0.0.1".parse().unwrap()],
        ..facts()
    };
    interface(&mut bench, "eth0", Some(other));
    assert_eq!(bench.status().source, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(bench.state(), StateName::Backup);
}

#[test]
fn a_master_says_goodbye_before_it_forgets_where_it_was() {
    let mut bench = master();
    let actions = interface(
        &mut bench,
        "eth0",
        Some(InterfaceFacts {
            running: false,
            ..facts()
        }),
    );
    let sent = adverts(&actions);
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|advert| advert.bytes[22] == 0));
    assert_eq!(bench.status().counters.pri_zero_sent, 1);
    assert_eq!(bench.state(), StateName::Fault);
}

#[test]
fn a_used_interface_that_goes_up_or_down_is_said_in_the_words_scripts_look_for() {
    let mut bench = master();
    let down = InterfaceFacts {
        running: false,
        ..facts()
    };
    let about_interfaces = |actions: &[Action]| {
        let mut words = said(actions);
        words.retain(|line| line.starts_with("Netlink reports"));
        words
    };
    let actions = interface(&mut bench, "eth0", Some(down.clone()));
    assert_eq!(about_interfaces(&actions), ["Netlink reports eth0 down"]);
    let actions = interface(&mut bench, "eth0", Some(facts()));
    assert_eq!(about_interfaces(&actions), ["Netlink reports eth0 up"]);
    let elsewhere = |facts| InterfaceFacts {
        index: IfIndex(9),
        ..facts
    };
    let mut actions = interface(&mut bench, "eth9", Some(elsewhere(facts())));
    actions.extend(interface(&mut bench, "eth9", Some(elsewhere(down))));
    assert!(
        about_interfaces(&actions).is_empty(),
        "nobody uses eth9, and an interface that appears has not changed"
    );
}

#[test]
fn only_lists_with_addresses_in_them_are_said_to_be_set_and_removed() {
    let words = |addresses, excluded| {
        let mut bench = Bench::new(&[Wish {
            addresses,
            excluded,
            ..Wish::default()
        }]);
        bench.run_for(Duration::from_secs(6));
        bench.feed(Input::Shutdown { keep_addresses: false });
        let mut words = said(&bench.actions);
        words.retain(|line| line.ends_with("VIPs."));
        words
    };
    assert_eq!(words(2, 0), ["(V) setting VIPs.", "(V) removing VIPs."]);
    assert_eq!(
        words(2, 1),
        [
            "(V) setting VIPs.",
            "(V) setting E-VIPs.",
            "(V) removing VIPs.",
            "(V) removing E-VIPs."
        ]
    );
    assert_eq!(words(0, 1), ["(V) setting E-VIPs.", "(V) removing E-VIPs."]);
}

#[test]
fn a_farewell_that_cannot_leave_is_no_second_complaint() {
    let mut bench = master();
    let failed = || Input::SendFailed {
        instance: Name::from("V"),
        errno: 101,
    };
    let down = InterfaceFacts {
        running: false,
        ..facts()
    };
    interface(&mut bench, "eth0", Some(down));
    let actions = bench.feed(failed());
    assert_eq!(said(&actions), Vec::<String>::new());
    interface(&mut bench, "eth0", Some(facts()));
    let actions = bench.feed(failed());
    assert_eq!(said(&actions), ["(V) send advert error 101"]);
}

#[test]
fn a_socket_that_cannot_be_opened_is_a_fault_with_its_number() {
    let mut bench = Bench::new(&[Wish::default()]);
    let socket = bench.socket();
    bench.feed(Input::SocketFailed { socket, errno: 1 });
    assert_eq!(bench.status().waiting, [Waiting::Socket(1)]);
    bench.feed(Input::SocketOpened { socket });
    assert_eq!(bench.state(), StateName::Backup);
}

#[test]
fn the_second_instance_of_one_virtual_router_waits_for_the_first() {
    let second = Wish {
        name: "W",
        first: 100,
        ..Wish::default()
    };
    let mut bench = Bench::new(&[Wish::default(), second.clone()]);
    let other = |bench: &Bench| bench.engine.status_of(&Name::from("W")).unwrap();
    assert_eq!(bench.state(), StateName::Backup);
    assert_eq!(other(&bench).waiting, [Waiting::VirtualRouter(Name::from("V"))]);
    // The first one goes; the second one takes its place.
    let mut actions = Vec::new();
    bench.engine.reconfigure(bench.now, models(&[second]), &mut actions);
    assert_eq!(other(&bench).state, StateName::Backup);
}

#[test]
fn unicast_instances_may_share_a_virtual_router_when_their_peers_differ() {
    let mut model = models(&[
        Wish {
            unicast: true,
            version: Version::V3,
            ..Wish::default()
        },
        Wish {
            name: "W",
            unicast: true,
            version: Version::V3,
            first: 100,
            ..Wish::default()
        },
    ]);
    for (number, config) in model.instances.values_mut().enumerate() {
        if let vrrp::config::Delivery::Unicast { peers, .. } = &mut Arc::make_mut(config).delivery {
            *peers = vec![peers[number]];
        }
    }
    let bench = Bench::with_model(model);
    let states: Vec<StateName> = bench.engine.status().iter().map(|status| status.state).collect();
    assert_eq!(states, [StateName::Backup, StateName::Backup]);
    assert_eq!(bench.engine.sockets().len(), 1);
}

#[test]
fn an_interface_that_takes_longer_packets_is_listened_to_with_more_room() {
    let mut bench = master();
    let larger = InterfaceFacts { mtu: 9000, ..facts() };
    let actions = interface(&mut bench, "eth0", Some(larger));
    assert!(actions.contains(&Action::SocketsChanged), "{actions:?}");
    assert_eq!(bench.engine.sockets().values().next().unwrap().mtu, 9000);
}

#[test]
fn the_claim_of_a_new_master_leaves_before_anything_else_is_worked_out() {
    let mut bench = Bench::new(&[Wish::default()]);
    bench.run_for(Duration::from_micros(3_609_374));
    bench.now = bench.now.after(Duration::from_micros(1));
    let mut actions = Vec::new();
    bench.engine.handle(bench.now, Input::DeadlineReached, &mut actions);
    assert!(matches!(actions.last(), Some(Action::SendAdvert(_))), "{actions:?}");
    assert!(
        actions
            .iter()
            .all(|a| matches!(a, Action::SendAdvert(_) | Action::Tell(_))),
        "{actions:?}"
    );
    let deadline = bench.engine.deadline().unwrap();
    assert_eq!((deadline.at, deadline.why), (Instant::ZERO, Wake::Claimed));
    assert!(!bench.engine.is_finished());
    // Whatever comes next, what follows from the claim comes first.
    let down = Input::Interface {
        name: "eth0".parse().unwrap(),
        facts: None,
    };
    actions.clear();
    bench.engine.handle(bench.now, down, &mut actions);
    let entered = |wanted| {
        let is = |a: &Action| matches!(a, Action::Notify { state, .. } if *state == wanted);
        actions.iter().position(is).unwrap()
    };
    assert!(entered(StateName::Master) < entered(StateName::Fault));
}

#[test]
fn adverts_that_are_nearly_due_share_a_wake_up_and_a_backup_never_wakes_early() {
    let wishes: Vec<Wish> = (0..10)
        .map(|n| Wish {
            name: NAMES[usize::from(n)],
            vrid: n + 1,
            first: 100 + u16::from(n) * 10,
            priority: 200 - n,
            version: Version::V3,
            interval: Duration::from_millis(100),
            ..Wish::default()
        })
        .collect();
    let mut bench = Bench::new(&wishes);
    bench.run_for(Duration::from_secs(2));
    bench.actions.clear();
    let mut wakes = 0;
    let until = bench.now.after(Duration::from_millis(999));
    while let Some(deadline) = bench.engine.deadline().filter(|deadline| deadline.at <= until) {
        bench.now = deadline.at;
        bench.feed(Input::DeadlineReached);
        wakes += 1;
    }
    // The instances became master 390 us apart: within a millisecond three of them share a wake-up.
    assert_eq!(bench.adverts().len(), 100);
    assert!((20..=50).contains(&wakes), "{wakes}");
}

#[test]
fn a_start_delay_is_deaf_and_mute_and_timers_count_from_its_end() {
    let mut model = models(&[Wish::default()]);
    model.settings.startup_delay = Duration::from_secs(10);
    let mut bench = Bench::with_model(model.clone());
    assert_eq!(bench.engine.deadline().unwrap().at.as_micros(), 1_000_000 + 13_609_375);
    let theirs = common::bench::packet_from(
        &Wish {
            priority: 200,
            ..Wish::default()
        },
        "10.0.0.9".parse().unwrap(),
    );
    bench.hear(&theirs);
    assert_eq!(bench.status().counters.advert_rcvd, 0);
    // A reload during the delay moves the end.
    model.settings.startup_delay = Duration::from_secs(4);
    bench.engine.reconfigure(bench.now, model, &mut Vec::new());
    assert_eq!(bench.engine.deadline().unwrap().at.as_micros(), 1_000_000 + 7_609_375);
}

#[test]
fn shutdown_resigns_removes_and_says_when_it_is_done() {
    let mut bench = master();
    let actions = bench.feed(Input::Shutdown { keep_addresses: false });
    assert_eq!(adverts(&actions).len(), 1);
    assert!(!bench.engine.is_finished());
    let (number, size) = batch(&actions).unwrap();
    assert_eq!(size, 2);
    bench.feed(Input::AddressesChanged {
        batch: number,
        refused: &[],
    });
    assert!(bench.engine.is_finished());
    assert!(bench.engine.sockets().is_empty());
    assert!(actions.iter().any(|a| matches!(
        a,
        Action::Notify {
            state: StateName::Stop,
            ..
        }
    )));
}

#[test]
fn shutdown_that_keeps_addresses_sends_and_removes_nothing() {
    let mut bench = master();
    let actions = bench.feed(Input::Shutdown { keep_addresses: true });
    assert_eq!(adverts(&actions), []);
    assert_eq!(batch(&actions), None);
    assert!(bench.engine.is_finished());
}

#[test]
fn a_changed_priority_is_taken_over_in_place_and_a_changed_virtual_router_restarts() {
    let mut bench = master();
    let mut actions = Vec::new();
    let changed = Wish {
        priority: 120,
        ..Wish::default()
    };
    bench.engine.reconfigure(bench.now, models(&[changed]), &mut actions);
    assert_eq!(bench.state(), StateName::Master);
    // One advert says so; neither address nor script is touched.
    assert_eq!(adverts(&actions).len(), 1);
    assert_eq!(adverts(&actions)[0].bytes[22], 120);
    assert_eq!(batch(&actions), None);
    assert!(
        !actions
            .iter()
            .any(|a| matches!(a, Action::Notify { .. } | Action::Announce(_)))
    );
    let mut actions = Vec::new();
    let other = Wish {
        vrid: 99,
        ..Wish::default()
    };
    bench.engine.reconfigure(bench.now, models(&[other]), &mut actions);
    assert_eq!(bench.state(), StateName::Backup);
    assert_eq!(adverts(&actions)[0].bytes[22], 0);
}

#[test]
fn an_address_that_a_reload_adds_is_announced_in_two_blocks_and_one_it_removes_is_named() {
    let mut bench = master();
    bench.run_for(Duration::from_secs(20));
    let with = |addresses| {
        models(&[Wish {
            addresses,
            ..Wish::default()
        }])
    };
    let reload = |bench: &mut Bench, model| {
        let mut actions = Vec::new();
        bench.engine.reconfigure(bench.now, model, &mut actions);
        bench.actions.extend(actions.iter().cloned());
        said(&actions)
    };
    let before = frames(&bench);
    assert_eq!(reload(&mut bench, with(3)), Vec::<String>::new());
    bench.run_for(Duration::from_secs(1));
    assert_eq!(frames(&bench) - before, 5, "the new address, at once");
    bench.run_for(Duration::from_secs(10));
    assert_eq!(frames(&bench) - before, 5 + 5, "the same in the second block");
    let words = reload(&mut bench, with(2));
    assert_eq!(words.len(), 1);
    assert!(words[0].ends_with("dev eth0, no longer exist"), "{words:?}");
}

#[test]
fn a_removed_master_resigns_and_its_addresses_go() {
    let mut bench = master();
    let mut actions = Vec::new();
    bench.engine.reconfigure(bench.now, models(&[]), &mut actions);
    assert_eq!(adverts(&actions)[0].bytes[22], 0);
    assert!(actions.iter().any(|a| matches!(
        a,
        Action::Notify {
            state: StateName::Deleted,
            ..
        }
    )));
    assert_eq!(batch(&actions).map(|(_, size)| size), Some(2));
    assert!(bench.engine.status().is_empty() && bench.engine.sockets().is_empty());
}

#[test]
fn an_unknown_virtual_router_is_counted_and_said_once_if_wanted() {
    let mut model = models(&[Wish::default()]);
    model.settings.log_unknown_vrids = true;
    let mut bench = Bench::with_model(model);
    let sample = hex("45c0002c00010000ff7000000a000008e0000012213246020101ea180a00000a0a00000b3132333435360000");
    assert_eq!(
        said(&bench.hear(&sample)),
        ["Unknown VRID(50) received on interface(eth0) from 10.0.0.8. ignoring..."]
    );
    assert!(said(&bench.hear(&sample)).is_empty());
    assert_eq!(bench.engine.counters().unknown_vrid, 2);
}

const NAMES: [&str; 10] = ["I0", "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9"];

fn master() -> Bench {
    let mut bench = Bench::new(&[Wish::default()]);
    bench.run_for(Duration::from_secs(6));
    assert_eq!(bench.state(), StateName::Master);
    bench
}

fn two_interfaces() -> Bench {
    let mut config = config(&Wish::default());
    config.addresses[1].interface = name("eth1");
    let mut model = models(&[]);
    model.instances.insert(config.name.clone(), Arc::new(config));
    Bench::with_model(model)
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
