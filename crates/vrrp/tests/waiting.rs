//! What an instance needs comes and goes in any order: it waits for what is missing by name, and runs when all is there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::{IfIndex, Rng};
use common::Wish;
use common::bench::{Bench, facts};
use core::time::Duration;
use vrrp::Waiting;
use vrrp::action::StateName;
use vrrp::config::{Name, Version};
use vrrp::input::{Input, InterfaceFacts};

const SEEDS: u64 = 2_000;

/// What there is of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct There {
    interface: bool,
    up: bool,
    carrier: bool,
    address: bool,
    link_local: bool,
}

#[test]
fn in_whatever_order_its_needs_are_met_each_missing_one_is_named_and_the_last_one_starts_the_instance() {
    for seed in 0..SEEDS {
        let mut rng = Rng::from_seed(seed);
        let mut bench = Bench::new(&wishes());
        let mut there = There {
            interface: false,
            up: false,
            carrier: false,
            address: false,
            link_local: false,
        };
        let mut index = 2;
        tell(&mut bench, there, index);
        let all = |there: &There| there.interface && there.up && there.carrier && there.address && there.link_local;
        while !all(&there) {
            let before = there;
            change(&mut there, &mut rng);
            // An interface that comes again is another one.
            index += u32::from(!before.interface && there.interface);
            tell(&mut bench, there, index);
            for (name, needs) in [("FOUR", there.address), ("SIX", there.link_local)] {
                let status = bench.engine.status_of(&Name::from(name)).unwrap();
                let expected = expected(there, needs);
                assert_eq!(status.waiting, expected, "{name} {there:?}, seed {seed}");
                assert_eq!(
                    status.state == StateName::Fault,
                    !expected.is_empty(),
                    "{name}, seed {seed}"
                );
            }
            let pause = Duration::from_micros(rng.below(1_500_000));
            bench.run_for(pause);
        }
        bench.run_for(Duration::from_secs(1));
        for name in ["FOUR", "SIX"] {
            let status = bench.engine.status_of(&Name::from(name)).unwrap();
            assert_eq!(status.state, StateName::Master, "{name}, seed {seed}");
        }
    }
}

/// One instance for each family, with a tenth of a second.
fn wishes() -> [Wish; 2] {
    let four = Wish {
        name: "FOUR",
        version: Version::V3,
        interval: Duration::from_millis(100),
        ..Wish::default()
    };
    let six = Wish {
        name: "SIX",
        vrid: 52,
        v6: true,
        ..four.clone()
    };
    [four, six]
}

/// Something comes, or, less often, something goes.
fn change(there: &mut There, rng: &mut Rng) {
    let comes = rng.percent(75);
    match rng.below(5) {
        0 => {
            *there = if comes {
                There {
                    interface: true,
                    ..*there
                }
            } else {
                There {
                    interface: false,
                    up: false,
                    carrier: false,
                    address: false,
                    link_local: false,
                }
            }
        }
        1 => there.up = comes && there.interface,
        2 => there.carrier = comes && there.interface,
        3 => there.address = comes && there.interface,
        _ => there.link_local = comes && there.interface,
    }
}

fn expected(there: There, address: bool) -> Vec<Waiting> {
    let eth0 = "eth0".parse().unwrap();
    let mut waiting = Vec::new();
    if !there.interface {
        return vec![Waiting::Interface(eth0)];
    }
    if !(there.up && there.carrier) {
        waiting.push(Waiting::InterfaceUp(eth0));
    }
    if !address {
        waiting.push(Waiting::Address(eth0));
    }
    waiting
}

fn tell(bench: &mut Bench, there: There, index: u32) {
    let given = InterfaceFacts {
        index: IfIndex(index),
        up: there.up,
        running: there.carrier,
        ipv4: if there.address { facts().ipv4 } else { Vec::new() },
        link_local: if there.link_local {
            facts().link_local
        } else {
            Vec::new()
        },
        ..facts()
    };
    let name = "eth0".parse().unwrap();
    let facts = there.interface.then_some(given);
    bench.feed(Input::Interface { name, facts });
}
