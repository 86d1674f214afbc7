//! Whatever happens in whatever order: weights are what the last answers say, and the parts of the table add up to it.
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
use common::{Play, config, misc, real, server, service};
use director::{Config, Input};
use lvs::Service;
use lvs::config::WEIGHT_MAX;
use lvs::table::Table;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Answers(Vec<Option<u8>>),
    File(i32),
    Reload(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec(proptest::option::of(0_u8..=253), 4).prop_map(Step::Answers),
        2 => prop_oneof![any::<i32>(), -3..3_i32].prop_map(Step::File),
        1 => (1_u8..=4).prop_map(Step::Reload),
    ]
}

const FACTOR: i32 = 3;

/// Two virtual servers over the first `count` of the same real servers, each with a program and a file.
fn servers(count: u8) -> Config {
    let of = |vip: u8| {
        let reals = (1..=count).map(real).collect();
        let balanced = Service {
            quorum: std::num::NonZeroU32::new(u32::from(count)).unwrap(),
            sorry: (vip == 2).then(common::sorry),
            ..service(vip, reals)
        };
        server(balanced, |at| {
            vec![
                Check::Probe(misc(&at.address.to_string())),
                Check::File(FileCheck {
                    file: "f".into(),
                    weight: FileWeight {
                        factor: FACTOR,
                        reverse: false,
                    },
                }),
            ]
        })
    };
    config([of(1), of(2)])
}

/// The weight the last answers say; `None`: down.
fn expected(answer: Option<Option<u8>>, file: i32) -> Option<u32> {
    let file = i64::from(file) * i64::from(FACTOR);
    if file <= i64::from(i32::MIN) {
        return None;
    }
    // Not asked yet: as configured.
    let own = match answer {
        None => 1,
        Some(None) => return None,
        Some(Some(weight)) => i64::from(weight),
    };
    Some(u32::try_from((own + file).clamp(0, i64::from(WEIGHT_MAX))).unwrap())
}

/// What somebody has who only ever takes the parts.
fn follow(table: &mut Table, play: &mut Play) {
    if let Some((scope, part)) = play.engine.take_part() {
        table.pools.retain(|service, _| !scope.contains(service));
        table.pools.extend(part.pools);
    }
}

proptest! {
    #[test]
    fn a_weight_is_a_function_of_the_last_answers_and_parts_add_up(steps in proptest::collection::vec(step(), 1..40)) {
        let (mut count, mut file) = (4, 0);
        let mut play = Play::new(servers(count));
        let mut answers: BTreeMap<u8, Option<u8>> = BTreeMap::new();
        let mut table = Table::default();
        for step in steps {
            match step {
                Step::File(value) => {
                    file = value;
                    play.input(Input::FileValue { name: "f", value });
                }
                Step::Reload(to) => {
                    answers.retain(|last, _| *last <= to);
                    count = to;
                    play.reload(servers(to));
                    play.asked.retain(|(ticket, _)| !play.forgotten.contains(ticket));
                }
                Step::Answers(given) => {
                    play.pass();
                    play.answer(|probe| {
                        let Dialogue::Misc(program) = &probe.dialogue else { panic!() };
                        let last: u8 = program.command.0.rsplit('.').next().unwrap().parse().unwrap();
                        let answer = given[usize::from(last) - 1];
                        answers.insert(last, answer);
                        (if answer.is_some() { Answer::Good } else { Answer::Bad }, answer)
                    });
                }
            }
            follow(&mut table, &mut play);
            prop_assert_eq!(&table, &play.engine.table());
            let pool: BTreeMap<u8, u32> = play.pool(1).into_iter().collect();
            for last in 1..=count {
                let known = answers.get(&last).copied();
                let wanted = expected(known, file);
                prop_assert_eq!(pool.get(&last).copied(), wanted, "server {}", last);
            }
        }
    }
}
