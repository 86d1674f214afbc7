//! Seeded simulations of three routers under loss, delay, one-way partitions, cut cables, freezes and restarts.
//!
//! A failing seed prints what happened and how to run it again: `VRRP_SEED=N cargo test -p vrrp --test simulation`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::{Instant, Rng};
use common::{Wish, model};
use core::time::Duration;
use vrrp::sim::Sim;

/// Simulations in one run.
const SEEDS: u64 = 1200;
/// Lines of a timeline printed on failure.
const SHOWN: usize = 400;
const ROUTERS: [&str; 3] = ["a", "b", "c"];

#[test]
fn a_segment_that_heals_has_one_master_and_its_addresses_are_there_and_nowhere_else() {
    let seeds = match std::env::var("VRRP_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).unwrap(),
        Err(_) => 0..common::seeds(SEEDS),
    };
    let (mut runs, mut time) = (0, Duration::ZERO);
    for seed in seeds {
        let mut run = Run::new(seed);
        if let Err(rule) = run.go() {
            run.print();
            panic!("{rule}\nagain: VRRP_SEED={seed} cargo test -p vrrp --test simulation");
        }
        runs += 1;
        time += run.sim.now().since(Instant::ZERO) * ROUTERS.len() as u32;
    }
    common::report("three routers", runs, time);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let timeline = |seed| {
        let mut run = Run::new(seed);
        run.go().unwrap();
        run.sim.timeline().to_vec()
    };
    assert_eq!(timeline(7), timeline(7));
    assert_ne!(timeline(7), timeline(8));
}

#[test]
fn the_backup_takes_over_when_the_masters_cable_is_cut_and_gives_back_when_it_is_plugged_in() {
    let mut sim = pair();
    sim.run_for(Duration::from_secs(5));
    assert!(common::is_master(&sim, "a"));
    sim.cut("a");
    sim.run_for(Duration::from_millis(3_700));
    assert!(common::is_master(&sim, "b"));
    assert!(!sim.holds("a", "10.0.0.10".parse().unwrap()));
    sim.heal("a");
    sim.run_for(Duration::from_secs(5));
    assert!(common::is_master(&sim, "a"));
    assert_eq!(sim.settled(), Ok(()));
}

#[test]
fn a_stopped_master_hands_over_within_the_skew_and_leaves_nothing() {
    let mut sim = pair();
    sim.run_for(Duration::from_secs(5));
    sim.stop("a");
    // The skew of priority 100 is 609 ms.
    sim.run_for(Duration::from_millis(615));
    assert!(common::is_master(&sim, "b"));
    assert_eq!(sim.is_clean("a"), Ok(()));
}

#[test]
fn addresses_of_a_killed_run_are_removed_before_anything_else() {
    let mut sim = pair();
    sim.run_for(Duration::from_secs(5));
    sim.kill("a");
    assert!(sim.holds("a", "10.0.0.10".parse().unwrap()));
    sim.run_for(Duration::from_secs(5));
    assert!(common::is_master(&sim, "b"));
    sim.start("a");
    sim.run_for(Duration::from_millis(5));
    assert!(!sim.holds("a", "10.0.0.10".parse().unwrap()));
    sim.run_for(Duration::from_secs(5));
    assert_eq!(sim.settled(), Ok(()));
    assert!(common::is_master(&sim, "a"));
}

#[test]
fn a_master_frozen_for_five_seconds_yields_when_it_thaws_or_wins_again() {
    let mut sim = pair();
    sim.run_for(Duration::from_secs(5));
    sim.freeze("a");
    sim.run_for(Duration::from_secs(5));
    assert!(common::is_master(&sim, "b"));
    sim.thaw("a");
    // Two intervals after the segment is whole there is one master again.
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.settled(), Ok(()));
}

/// Differs from the original on purpose: docs/divergences.md, "repaired-in-place".
#[test]
fn an_address_taken_away_by_somebody_else_is_put_back_without_an_election() {
    let mut sim = pair();
    sim.run_for(Duration::from_secs(5));
    let before = sim.timeline().len();
    sim.steal("a", "10.0.0.10".parse().unwrap());
    sim.run_for(Duration::from_millis(5));
    assert!(common::is_master(&sim, "a"));
    assert_eq!(sim.settled(), Ok(()));
    let since = sim.timeline().get(before..).unwrap();
    let transitions: Vec<&String> = since.iter().filter(|line| line.contains("< notify")).collect();
    assert!(transitions.is_empty(), "{transitions:?}");
    assert!(since.iter().any(|line| line.contains("< announce 10.0.0.10")));
}

#[test]
fn an_address_taken_away_three_times_in_a_second_is_back_after_the_skew() {
    let mut sim = pair();
    sim.run_for(Duration::from_secs(5));
    for _ in 0..2 {
        sim.steal("a", "10.0.0.10".parse().unwrap());
        assert!(common::is_master(&sim, "a"));
        sim.run_for(Duration::from_millis(100));
    }
    sim.steal("a", "10.0.0.10".parse().unwrap());
    assert!(!common::is_master(&sim, "a"));
    sim.run_for(Duration::from_secs(2));
    assert!(common::is_master(&sim, "a"));
    assert_eq!(sim.settled(), Ok(()));
}

#[test]
fn a_thousand_addresses_never_delay_an_advert() {
    let mut sim = Sim::new(3);
    let wish = Wish {
        addresses: 255,
        excluded: 800,
        ..Wish::default()
    };
    sim.add("a", model(&wish));
    sim.run_for(Duration::from_secs(6));
    assert_eq!(sim.settled(), Ok(()));
    let adverts: Vec<&String> = sim.timeline().iter().filter(|line| line.contains("< advert")).collect();
    assert_eq!(adverts.len(), 3, "{adverts:?}");
    // Five blocks of every address at once.
    let announced = sim.timeline().iter().filter(|line| line.contains("< announce")).count();
    assert_eq!(announced, 1055 * 5);
}

#[test]
fn a_reload_of_the_same_model_does_nothing() {
    let mut sim = pair();
    sim.run_for(Duration::from_secs(5));
    let before = sim.timeline().len();
    sim.reload(
        "a",
        model(&Wish {
            priority: 150,
            ..Wish::default()
        }),
    );
    let after: Vec<String> = sim
        .timeline()
        .iter()
        .skip(before)
        .filter(|l| l.contains("< "))
        .cloned()
        .collect();
    assert_eq!(after, Vec::<String>::new());
}

#[test]
fn a_reload_that_adds_and_removes_addresses_touches_only_those() {
    let mut sim = Sim::new(4);
    sim.add(
        "a",
        model(&Wish {
            addresses: 3,
            ..Wish::default()
        }),
    );
    sim.run_for(Duration::from_secs(12));
    let before = sim.timeline().len();
    sim.reload(
        "a",
        model(&Wish {
            addresses: 4,
            ..Wish::default()
        }),
    );
    sim.run_for(Duration::from_millis(10));
    let lines = sim.timeline().iter().skip(before);
    let announced: Vec<&String> = lines.filter(|line| line.contains("announce")).collect();
    assert_eq!(announced.len(), 5, "{announced:?}");
    assert!(announced.iter().all(|line| line.contains("10.0.0.13")));
    sim.reload(
        "a",
        model(&Wish {
            addresses: 2,
            ..Wish::default()
        }),
    );
    sim.run_for(Duration::from_millis(10));
    assert_eq!(sim.settled(), Ok(()));
    assert!(common::is_master(&sim, "a"));
    assert!(!sim.holds("a", "10.0.0.13".parse().unwrap()));
}

#[test]
fn an_address_that_moves_to_another_instance_is_never_removed() {
    let mut sim = Sim::new(5);
    let address = "10.0.0.10".parse().unwrap();
    let one = Wish {
        addresses: 1,
        ..Wish::default()
    };
    let two = Wish {
        name: "W",
        vrid: 52,
        first: 200,
        ..Wish::default()
    };
    sim.add("a", common::models(&[one, two.clone()]));
    sim.run_for(Duration::from_secs(5));
    assert_eq!(sim.settled(), Ok(()));
    let moved = Wish {
        addresses: 1,
        first: 100,
        ..Wish::default()
    };
    let takes = Wish {
        addresses: 1,
        first: 10,
        ..two
    };
    let before = sim.timeline().len();
    sim.reload("a", common::models(&[moved, takes]));
    sim.run_for(Duration::from_secs(1));
    assert!(sim.holds("a", address));
    let removed = sim
        .timeline()
        .iter()
        .skip(before)
        .any(|line| line.contains("-10.0.0.10/"));
    assert!(!removed);
    assert_eq!(sim.settled(), Ok(()));
}

fn pair() -> Sim {
    let mut sim = Sim::new(1);
    sim.add(
        "a",
        model(&Wish {
            priority: 150,
            ..Wish::default()
        }),
    );
    sim.add("b", model(&Wish::default()));
    sim
}

/// One simulation, made from its seed.
struct Run {
    sim: Sim,
    rng: Rng,
    settling: Duration,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut rng = Rng::from_seed(seed.wrapping_mul(0x9e37_79b9).wrapping_add(17));
        let mut sim = Sim::new(seed);
        let common = Wish::random(&mut rng);
        for name in ROUTERS {
            let wish = common.varied(&mut rng);
            sim.add(name, model(&wish));
        }
        sim.loss(u8::try_from(rng.below(40)).unwrap());
        sim.duplication(u8::try_from(rng.below(20)).unwrap());
        let longest = Duration::from_micros(rng.below(20_000)).min(common.interval / 2);
        sim.delay(Duration::from_micros(20), longest);
        let settling = common.interval * 12 + common.preempt_delay + Duration::from_secs(2);
        Run { sim, rng, settling }
    }

    fn go(&mut self) -> Result<(), String> {
        for _ in 0..self.rng.below(14) {
            let pause = Duration::from_micros(self.rng.below(3_000_000));
            self.sim.run_for(pause);
            self.disturb();
            self.sim.is_sane()?;
        }
        self.heal();
        self.sim.run_for(self.settling);
        self.sim.is_sane()?;
        self.sim.settled()?;
        // And it stays so.
        self.sim.run_for(Duration::from_secs(2));
        self.sim.settled()?;
        let last = ROUTERS[self.pick()];
        self.sim.stop(last);
        self.sim.run_for(Duration::from_millis(500));
        self.sim.is_clean(last)?;
        self.sim.run_for(self.settling);
        self.sim.settled()
    }

    fn disturb(&mut self) {
        let name = ROUTERS[self.pick()];
        let other = ROUTERS[self.pick()];
        match self.rng.below(11) {
            0 => self.sim.cut(name),
            1 => self.sim.heal(name),
            2 | 3 => self.sim.block(name, other),
            4 => self.sim.unblock_all(),
            5 => self.sim.kill(name),
            6 => self.sim.stop(name),
            7 | 8 => self.sim.start(name),
            9 => self.sim.freeze(name),
            _ => self.sim.thaw(name),
        }
    }

    fn heal(&mut self) {
        self.sim.unblock_all();
        self.sim.loss(0);
        self.sim.duplication(0);
        self.sim.delay(Duration::from_micros(50), Duration::from_micros(150));
        for name in ROUTERS {
            self.sim.heal(name);
            self.sim.thaw(name);
        }
        // Whoever was asked to end has the time to do so before it starts again.
        self.sim.run_for(Duration::from_millis(500));
        for name in ROUTERS {
            self.sim.start(name);
        }
    }

    fn pick(&mut self) -> usize {
        usize::try_from(self.rng.below(3)).unwrap()
    }

    fn print(&self) {
        let timeline = self.sim.timeline();
        for line in timeline.iter().skip(timeline.len().saturating_sub(SHOWN)) {
            println!("{line}");
        }
    }
}
