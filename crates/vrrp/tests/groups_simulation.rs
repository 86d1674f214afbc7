//! Seeded simulations of three routers with sync groups and everything that can be tracked, under partitions, freezes,
//! restarts, results of trackers and reloads.
//!
//! A failing seed prints what happened and how to run it again: `VRRP_SEED=N cargo test -p vrrp --test groups_simulation`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::{Instant, Rng};
use common::{Wish, tracking};
use core::time::Duration;
use vrrp::config::{Model, Tracked, Tracker, Weight};
use vrrp::input::Input;
use vrrp::sim::Sim;
use vrrp::track::Outcome;

/// Simulations in one run.
const SEEDS: u64 = 600;
/// Lines of a timeline printed on failure.
const SHOWN: usize = 400;
const ROUTERS: [&str; 3] = ["a", "b", "c"];
const INSTANCES: [&str; 3] = ["V", "W", "X"];
/// How long what a transition asks of the kernel takes at most, here.
const CHANGE: Duration = Duration::from_millis(20);

#[test]
fn groups_that_track_settle_on_one_router_and_addresses_are_always_with_masters() {
    let seeds = match std::env::var("VRRP_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).unwrap(),
        Err(_) => 0..common::seeds(SEEDS),
    };
    let (mut runs, mut time) = (0, Duration::ZERO);
    for seed in seeds {
        let mut run = Run::new(seed);
        if let Err(rule) = run.go() {
            let timeline = run.sim.timeline();
            for line in timeline.iter().skip(timeline.len().saturating_sub(SHOWN)) {
                println!("{line}");
            }
            panic!("{rule}\nagain: VRRP_SEED={seed} cargo test -p vrrp --test groups_simulation");
        }
        runs += 1;
        time += run.sim.now().since(Instant::ZERO) * ROUTERS.len() as u32;
    }
    common::report("groups and trackers", runs, time);
}

/// One simulation, made from its seed.
struct Run {
    sim: Sim,
    rng: Rng,
    common: Wish,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut rng = Rng::from_seed(seed.wrapping_mul(0x9e37_79b9).wrapping_add(4711));
        let common = Wish {
            excluded: 0,
            addresses: 2,
            ..Wish::random(&mut rng)
        };
        let mut run = Run {
            sim: Sim::new(seed),
            common,
            rng,
        };
        for (router, name) in ROUTERS.into_iter().enumerate() {
            let model = run.model(router);
            run.sim.add(name, model);
        }
        run
    }

    /// What a router runs, as of now. What trackers add to the priorities while all is good is less than what is between
    /// routers, or groups would want to be in two places.
    fn model(&mut self, router: usize) -> Model {
        let count = 1 + self.rng.below(3) as usize;
        let grouped = if count > 1 && self.rng.percent(80) {
            2 + self.rng.below(count as u64 - 1) as usize
        } else {
            0
        };
        self.model_with(router, count, grouped)
    }

    fn model_with(&mut self, router: usize, count: usize, grouped: usize) -> Model {
        let priority = [100, 130, 160][router];
        let mut model = common::models(
            &(0..count)
                .map(|n| Wish {
                    name: INSTANCES[n],
                    vrid: 51 + n as u8,
                    first: 10 + 10 * n as u16,
                    priority,
                    ..self.common.clone()
                })
                .collect::<Vec<Wish>>(),
        );
        for name in &INSTANCES[..count] {
            let trackers = self.trackers();
            tracking::track(&mut model, name, &trackers);
        }
        if grouped > 0 {
            tracking::group(&mut model, "G", &INSTANCES[..grouped]);
        }
        model
    }

    fn trackers(&mut self) -> Vec<Tracker> {
        let all = [
            Tracked::Script("s".into()),
            Tracked::File("f".into()),
            Tracked::Process("p".into()),
            Tracked::Bfd("b".into()),
        ];
        let mut chosen = Vec::new();
        for object in all {
            if self.rng.percent(50) {
                let value = [0, 5, -40][self.rng.below(3) as usize];
                let weight = Weight { value, reverse: false };
                chosen.push(Tracker { object, weight });
            }
        }
        chosen
    }

    fn go(&mut self) -> Result<(), String> {
        for name in ROUTERS {
            self.tell_good(name);
        }
        for _ in 0..self.rng.below(16) {
            let pause = Duration::from_micros(self.rng.below(2_500_000));
            self.sim.run_for(pause);
            self.disturb();
            // Sometimes a second thing in the same instant.
            if self.rng.percent(30) {
                self.disturb();
            }
            self.sim.is_sane()?;
            self.sim.run_for(CHANGE);
            self.addresses_are_with_masters()?;
        }
        self.heal();
        self.sim.run_for(self.common.interval * 14 + Duration::from_secs(3));
        self.sim.is_sane()?;
        self.sim.settled()
    }

    /// A transition may be going on just when we look; it is not going on for long.
    fn addresses_are_with_masters(&mut self) -> Result<(), String> {
        for _ in 0..4 {
            if self.sim.addresses_are_with_masters().is_ok() {
                return Ok(());
            }
            self.sim.run_for(CHANGE);
        }
        self.sim.addresses_are_with_masters()
    }

    fn disturb(&mut self) {
        let router = self.rng.below(3) as usize;
        let (name, other) = (ROUTERS[router], ROUTERS[self.rng.below(3) as usize]);
        match self.rng.below(16) {
            0 => self.sim.cut(name),
            1 => self.sim.heal(name),
            2 => self.sim.block(name, other),
            3 => self.sim.unblock_all(),
            4 => self.sim.stop(name),
            5 | 6 => self.sim.start(name),
            7 => self.sim.freeze(name),
            8 => self.sim.thaw(name),
            9 | 10 => {
                let model = self.model(router);
                self.sim.reload(name, model);
                if self.rng.percent(70) {
                    self.tell_good(name);
                }
            }
            _ => self.tell_anything(name),
        }
    }

    fn tell_anything(&mut self, name: &str) {
        let input = match self.rng.below(4) {
            0 => Input::ScriptResult {
                name: "s".into(),
                outcome: [Outcome::Exited(0), Outcome::Exited(1), Outcome::TimedOut][self.rng.below(3) as usize],
            },
            1 => Input::FileValue {
                name: "f".into(),
                value: [0, 3, -3, i32::MIN][self.rng.below(4) as usize],
            },
            2 => Input::ProcessCount {
                name: "p".into(),
                count: self.rng.below(2) as u32,
            },
            _ => Input::BfdState {
                name: "b".into(),
                up: self.rng.percent(50),
            },
        };
        self.sim.track(name, input);
    }

    fn tell_good(&mut self, name: &str) {
        let inputs = [
            Input::ScriptResult {
                name: "s".into(),
                outcome: Outcome::Exited(0),
            },
            Input::FileValue {
                name: "f".into(),
                value: 0,
            },
            Input::ProcessCount {
                name: "p".into(),
                count: 1,
            },
            Input::BfdState {
                name: "b".into(),
                up: true,
            },
        ];
        for input in inputs {
            self.sim.track(name, input);
        }
    }

    fn heal(&mut self) {
        self.sim.unblock_all();
        for name in ROUTERS {
            self.sim.heal(name);
            self.sim.thaw(name);
        }
        self.sim.run_for(Duration::from_millis(500));
        // One group on all of them: otherwise one router may have the better member and the other the rest.
        for (router, name) in ROUTERS.into_iter().enumerate() {
            self.sim.start(name);
            let model = self.model_with(router, INSTANCES.len(), 2);
            self.sim.reload(name, model);
            self.tell_good(name);
        }
    }
}
