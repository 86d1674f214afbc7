//! Every scenario in simulation, under many seeds: delays, and which packets are lost, differ in each.

#![allow(clippy::panic, reason = "a test that panics has failed")]

use lab::catalogue::{Feature::*, *};
use lab::scenario::Scenario;
use lab::simulated::run_in_simulation;

/// Seeds for each scenario.
const SEEDS: u64 = 40;

macro_rules! seeds {
    ($($name:ident: $scenario:expr;)*) => { $(
        #[test]
        fn $name() { play($scenario); }
    )* };
}

lab::for_every_scenario!(seeds);

fn play(scenario: Scenario) {
    for seed in 0..SEEDS {
        if let Err(failure) = run_in_simulation(&scenario, seed) {
            panic!("seed {seed}\n{failure}");
        }
    }
}
