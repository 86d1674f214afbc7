//! Routers that stand still: what they believe afterwards, and that a client reaches the address.
//!
//! A failing seed prints what happened and how to run it again: `VRRP_SEED=N cargo test -p vrrp --test lateness`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::Rng;
use common::bench::{Bench, said};
use common::{Wish, is_master, model};
use core::net::IpAddr;
use core::time::Duration;
use vrrp::action::{Action, StateName};
use vrrp::input::Input;
use vrrp::sim::Sim;

/// Simulations in one run.
const SEEDS: u64 = 3_000;
const ADDRESS: &str = "10.0.0.10";
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_client_reaches_the_address_within_a_second_after_its_frozen_master_thaws() {
    let seeds = match std::env::var("VRRP_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).unwrap(),
        Err(_) => 0..SEEDS,
    };
    for seed in seeds {
        let mut frozen = Frozen::new(seed);
        if let Err(rule) = frozen.go() {
            let timeline = frozen.sim.timeline();
            timeline
                .iter()
                .skip(timeline.len().saturating_sub(200))
                .for_each(|line| println!("{line}"));
            panic!("{rule}\nagain: VRRP_SEED={seed} cargo test -p vrrp --test lateness");
        }
    }
}

#[test]
fn a_backup_that_was_late_listens_for_one_interval_before_it_takes_over() {
    let mut bench = Bench::new(&[Wish::default()]);
    // The wait of 3.6 s ended 1.4 s ago.
    bench.now = bench.now.after(Duration::from_secs(5));
    bench.actions.clear();
    bench.feed(Input::DeadlineReached);
    assert_eq!(bench.state(), StateName::Backup);
    assert!(
        said(&bench.actions)
            .iter()
            .any(|text| text.contains("late by 1.390625 - listening"))
    );
    bench.run_for(Duration::from_millis(999));
    assert_eq!(bench.state(), StateName::Backup);
    bench.run_for(Duration::from_millis(2));
    assert_eq!(bench.state(), StateName::Master);
}

#[test]
fn a_backup_that_is_always_late_takes_over_after_the_second_time() {
    let mut bench = Bench::new(&[Wish::default()]);
    bench.now = bench.now.after(Duration::from_secs(5));
    bench.feed(Input::DeadlineReached);
    bench.now = bench.now.after(Duration::from_secs(5));
    bench.feed(Input::DeadlineReached);
    assert_eq!(bench.state(), StateName::Master);
}

#[test]
fn a_backup_that_is_a_little_late_takes_over_at_once() {
    let mut bench = Bench::new(&[Wish::default()]);
    bench.now = bench.now.after(Duration::from_millis(4_000));
    bench.feed(Input::DeadlineReached);
    assert_eq!(bench.state(), StateName::Master);
}

#[test]
fn a_master_that_was_silent_for_three_intervals_goes_on_and_announces_again() {
    let mut bench = master();
    bench.now = bench.now.after(Duration::from_millis(3_200));
    bench.feed(Input::DeadlineReached);
    bench.run_for(Duration::from_millis(100));
    assert_eq!(bench.adverts().len(), 1);
    assert_eq!(announcements(&bench.actions), 10, "two addresses, five times");
}

#[test]
fn a_master_that_was_silent_for_longer_listens_first() {
    let mut bench = master();
    bench.now = bench.now.after(Duration::from_secs(6));
    bench.feed(Input::DeadlineReached);
    bench.run_for(Duration::from_millis(990));
    assert_eq!((bench.adverts().len(), announcements(&bench.actions)), (0, 0));
    assert_eq!(bench.state(), StateName::Master);
    bench.run_for(Duration::from_millis(100));
    assert_eq!((bench.adverts().len(), announcements(&bench.actions)), (1, 10));
}

#[test]
fn a_master_whose_machine_slept_listens_first_although_its_clock_stood_still() {
    let mut bench = master();
    let span = Duration::from_secs(60);
    bench.feed(Input::Slept { span });
    bench.run_for(Duration::from_millis(990));
    assert_eq!(bench.adverts().len(), 0);
    bench.run_for(Duration::from_millis(100));
    assert_eq!((bench.adverts().len(), announcements(&bench.actions)), (1, 10));
}

#[test]
fn a_backup_whose_machine_slept_listens_for_an_interval_at_least() {
    let mut bench = Bench::new(&[Wish::default()]);
    bench.run_for(Duration::from_millis(3_500));
    let span = Duration::from_secs(60);
    bench.feed(Input::Slept { span });
    bench.run_for(Duration::from_millis(990));
    assert_eq!(bench.state(), StateName::Backup);
    bench.run_for(Duration::from_millis(20));
    assert_eq!(bench.state(), StateName::Master);
}

#[test]
fn a_short_sleep_changes_nothing() {
    let mut bench = master();
    bench.feed(Input::Slept { span: SECOND });
    bench.run_for(SECOND);
    assert_eq!((bench.adverts().len(), announcements(&bench.actions)), (1, 0));
}

#[test]
fn with_timer_expired_backup_a_late_master_becomes_backup_at_once() {
    // 3 intervals and the skew of priority 100.
    for (millis, state) in [(2_500, StateName::Master), (2_700, StateName::Backup)] {
        let mut bench = Bench::new(&[Wish {
            nopreempt: true,
            late_backup: Some(100),
            ..Wish::default()
        }]);
        settle(&mut bench);
        // The next advert was due in one interval.
        bench.now = bench.now.after(SECOND + Duration::from_millis(millis));
        bench.feed(Input::DeadlineReached);
        assert_eq!(bench.state(), state, "{millis}");
    }
}

#[test]
fn timer_expired_backup_says_how_late_it_was_and_lets_the_addresses_go() {
    let mut bench = Bench::new(&[Wish {
        nopreempt: true,
        late_backup: Some(254),
        ..Wish::default()
    }]);
    settle(&mut bench);
    bench.now = bench.now.after(SECOND * 5);
    bench.feed(Input::DeadlineReached);
    let texts = said(&bench.actions);
    assert!(
        texts
            .iter()
            .any(|text| text.contains("VRRP thread timer expired 4.000625 seconds ago")),
        "{texts:?}"
    );
    assert_eq!(bench.adverts().len(), 0, "no priority 0: another may be master");
}

/// A master that has just sent an advert and has announced everything.
fn master() -> Bench {
    let mut bench = Bench::new(&[Wish::default()]);
    settle(&mut bench);
    bench
}

/// Lets the only instance become master, and stops right after an advert.
fn settle(bench: &mut Bench) {
    bench.run_for(Duration::from_secs(12));
    bench.actions.clear();
    while bench.adverts().is_empty() {
        bench.run_for(Duration::from_millis(1));
    }
    bench.actions.clear();
}

fn announcements(actions: &[Action]) -> usize {
    actions
        .iter()
        .filter(|action| matches!(action, Action::Announce(_)))
        .count()
}

/// Three routers of which the master is frozen, made from a seed.
struct Frozen {
    sim: Sim,
    rng: Rng,
    interval: Duration,
}

impl Frozen {
    fn new(seed: u64) -> Frozen {
        let mut rng = Rng::from_seed(seed.wrapping_mul(0x9e37_79b9).wrapping_add(3));
        let mut sim = Sim::new(seed);
        let interval = Duration::from_millis(100 * (1 + rng.below(10)));
        let common = Wish {
            version: vrrp::config::Version::V3,
            interval,
            strict: rng.percent(30),
            ..Wish::default()
        };
        for name in ["a", "b", "c"].iter().take(usize::try_from(2 + rng.below(2)).unwrap()) {
            let wish = Wish {
                priority: u8::try_from(1 + rng.below(254)).unwrap(),
                nopreempt: rng.percent(25),
                ..common.clone()
            };
            sim.add(name, model(&wish));
        }
        sim.run_for(interval * 5 + SECOND * 6);
        Frozen { sim, rng, interval }
    }

    fn go(&mut self) -> Result<(), String> {
        let address: IpAddr = ADDRESS.parse().unwrap();
        for _ in 0..3 {
            let masters: Vec<String> = self
                .sim
                .names()
                .filter(|name| is_master(&self.sim, name))
                .map(String::from)
                .collect();
            let [master] = masters.as_slice() else {
                return Err(format!("masters: {masters:?}"));
            };
            self.sim.freeze(master);
            self.sim
                .run_for(Duration::from_micros(2_000_000 + self.rng.below(8_000_000)));
            if self.rng.percent(40) {
                self.sim.thaw_deaf(master);
            } else {
                self.sim.thaw(master);
            }
            // One interval of listening, and what packets and kernels take.
            self.sim.run_for(SECOND + Duration::from_millis(20));
            for _ in 0..40 {
                if !self.sim.is_reached(address) {
                    return Err(format!("{ADDRESS} is not reached"));
                }
                self.sim.run_for(Duration::from_millis(50));
            }
            self.sim.is_sane()?;
            self.sim.run_for(self.interval * 2);
            self.sim.settled()?;
        }
        Ok(())
    }
}
