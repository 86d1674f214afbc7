//! A reload from A to B ends where a fresh start at B ends, as soon as every server was asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail like tests"
)]

mod common;

use check::Check;
use check::config::{Dialogue, FileCheck, FileWeight};
use check::judge::Answer;
use common::{Play, config, misc, real, server, service, tcp};
use director::{Config, Input, Server};
use lvs::Service;
use lvs::config::{Forwarding, Key, Real, Scheduler};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::num::NonZeroU32;

/// More rounds than any retry or hysteresis of the models below takes.
const ROUNDS: usize = 12;

/// What can be different about a real server.
#[derive(Clone, Debug)]
struct Behind {
    last: u8,
    weight: u32,
    inhibit: bool,
    tunnel: bool,
    tcp: bool,
    misc: bool,
    file: bool,
    alpha: bool,
    retry: u32,
}

/// What can be different about a virtual server.
#[derive(Clone, Debug)]
struct Front {
    quorum: u32,
    sorry: bool,
    source_hashing: bool,
    persistence: bool,
    reals: Vec<Behind>,
}

fn behind() -> impl Strategy<Value = Behind> {
    let switches = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (1_u8..=5, 0_u32..4, 0_u32..3, switches).prop_map(
        |(last, weight, retry, (inhibit, tunnel, tcp, misc, file, alpha))| Behind {
            last,
            weight,
            inhibit,
            tunnel,
            tcp,
            misc,
            file,
            alpha,
            retry,
        },
    )
}

fn front() -> impl Strategy<Value = Front> {
    let reals = proptest::collection::vec(behind(), 0..5);
    (1_u32..5, any::<bool>(), any::<bool>(), any::<bool>(), reals).prop_map(
        |(quorum, sorry, source_hashing, persistence, mut reals)| {
            let mut seen = BTreeSet::new();
            reals.retain(|real| seen.insert(real.last));
            Front {
                quorum,
                sorry,
                source_hashing,
                persistence,
                reals,
            }
        },
    )
}

fn model() -> impl Strategy<Value = Config> {
    proptest::collection::vec(front(), 1..4)
        .prop_map(|fronts| config((1..).zip(fronts).map(|(vip, front)| built(vip, &front))))
}

fn built(vip: u8, front: &Front) -> (Key, Server) {
    let reals = front.reals.iter().map(|behind| Real {
        weight: behind.weight,
        inhibit_on_failure: behind.inhibit,
        forwarding: if behind.tunnel {
            Forwarding::Direct
        } else {
            Forwarding::Nat
        },
        ..real(behind.last)
    });
    let balanced = Service {
        quorum: NonZeroU32::new(front.quorum).unwrap(),
        sorry: front.sorry.then(common::sorry),
        scheduler: if front.source_hashing {
            Scheduler::Sh
        } else {
            Scheduler::Rr
        },
        persistence: front.persistence.then(|| NonZeroU32::new(50).unwrap()),
        ..service(vip, reals.collect())
    };
    server(balanced, |at| {
        let behind = front.reals.iter().find(|behind| common::at(behind.last) == at).unwrap();
        let mut checks = Vec::new();
        let paced = |mut probe: check::Probe| {
            probe.alpha = behind.alpha;
            probe.pace.retry = behind.retry;
            Check::Probe(probe)
        };
        if behind.tcp {
            checks.push(paced(tcp(behind.last)));
        }
        if behind.misc {
            checks.push(paced(misc(&behind.last.to_string())));
        }
        if behind.file {
            let weight = FileWeight {
                factor: 2,
                reverse: false,
            };
            checks.push(Check::File(FileCheck {
                file: "f".into(),
                weight,
            }));
        }
        checks
    })
}

/// What the servers answer, all the time the same: which are well, what their programs say, what the file holds.
#[derive(Clone, Debug)]
struct World {
    well: BTreeSet<u8>,
    weights: Vec<Option<u8>>,
    file: i32,
}

fn world() -> impl Strategy<Value = World> {
    let well = proptest::collection::btree_set(1_u8..=5, 0..6);
    let weights = proptest::collection::vec(proptest::option::of(0_u8..6), 5);
    (well, weights, -2..3_i32).prop_map(|(well, weights, file)| World { well, weights, file })
}

impl World {
    fn asked(&self, probe: &check::Probe) -> (Answer, Option<u8>) {
        match &probe.dialogue {
            Dialogue::Tcp(connection) => {
                let last: u8 = connection
                    .address
                    .to_string()
                    .rsplit('.')
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap();
                (
                    if self.well.contains(&last) {
                        Answer::Good
                    } else {
                        Answer::Bad
                    },
                    None,
                )
            }
            Dialogue::Misc(program) => {
                let last: usize = program.command.0.parse().unwrap();
                match self.weights[last - 1] {
                    Some(weight) => (Answer::Good, Some(weight)),
                    None => (Answer::Bad, None),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn settle(&self, play: &mut Play) {
        play.input(Input::FileValue {
            name: "f",
            value: self.file,
        });
        for _ in 0..ROUNDS {
            // What was forgotten by a reload is answered by nobody.
            play.asked.retain(|(ticket, _)| !play.forgotten.contains(ticket));
            play.answer(|probe| self.asked(probe));
            if play.engine.deadline().is_some() {
                play.pass();
            }
        }
        play.answer(|probe| self.asked(probe));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_reload_ends_in_the_table_of_a_fresh_start(a in model(), b in model(), world in world()) {
        let mut reloaded = Play::new(a);
        world.settle(&mut reloaded);
        reloaded.reload(b.clone());
        world.settle(&mut reloaded);
        let mut fresh = Play::new(b);
        world.settle(&mut fresh);
        prop_assert_eq!(reloaded.engine.table(), fresh.engine.table());
    }
}
