//! Random partitions of two routers, one-way ones too. The oracle judges the whole run: two intervals after a partition has
//! healed there is one master.
//!
//! `KEEPALIVED_SOAK=N` plays N partitions instead of a few.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use base::Rng;
use lab::catalogue::{self, FOLLOWER, LEADER, row};
use lab::daemon::Binary;
use lab::scenario::{Act, Check, Scenario, master_is};
use lab::stage::Namespaces;
use std::time::Duration;
use support::{Lab, rounds, upstream};

#[test]
fn after_random_partitions_there_is_one_master_among_ours() {
    let ours = Binary::ours().unwrap();
    partition_often([ours.clone(), ours], 11);
}

#[test]
fn after_random_partitions_there_is_one_master_of_ours_and_the_original() {
    let Some(original) = upstream() else { return };
    partition_often([Binary::ours().unwrap(), original], 12);
}

fn partition_often(binaries: [Binary; 2], seed: u64) {
    let row = row(3, 100, &[]);
    let scenario = catalogue::routers("", row, LEADER, FOLLOWER);
    let mut lab = Lab {
        stage: Namespaces::build(&scenario, &binaries).unwrap(),
    };
    let begin = steps()
        .then(Act::Start("a".into()))
        .then(Act::Start("b".into()))
        .within(row.down(), master_is("a"));
    lab.play(begin);
    let mut rng = Rng::from_seed(seed);
    for _ in 0..rounds(5) {
        let (cut, heal) = partition(&mut rng);
        let time = Duration::from_millis(50 + rng.below(1_200));
        let healed = steps()
            .then(cut)
            .stays(time, Check::Lives)
            .then(heal)
            // A backup whose wait ends just now may claim and yield again: that is what the two intervals are for.
            .stays(row.interval * 2, Check::Lives)
            .within(row.interval, master_is("a"))
            .stays(row.interval * 3, master_is("a"));
        lab.play(healed);
    }
    lab.finish();
}

/// A partition and its end.
fn partition(rng: &mut Rng) -> (Act, Act) {
    let (a, b) = ("a".to_owned(), "b".to_owned());
    match rng.below(4) {
        0 => (Act::Silence(a.clone()), Act::Unsilence(a)),
        1 => (Act::Silence(b.clone()), Act::Unsilence(b)),
        2 => (Act::Block(a.clone(), b.clone()), Act::Unblock(a, b)),
        _ => (Act::Block(b.clone(), a.clone()), Act::Unblock(b, a)),
    }
}

fn steps() -> Scenario {
    Scenario::steps(Vec::new())
}
