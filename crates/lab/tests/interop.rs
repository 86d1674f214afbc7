//! Every scenario with the original alone, with ours as master and as backup of the original, and with ours alone.
//!
//! The original goes first: what it does not manage itself is no test of ours.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use lab::catalogue::{Feature::*, *};
use lab::daemon::{Binary, Make};
use lab::scenario::Scenario;
use lab::stage::run_in_namespaces;

/// One module for each scenario, with a test for each pair of routers.
macro_rules! pairs {
    ($($name:ident: $scenario:expr;)*) => { $(
        mod $name {
            use super::*;

            #[test]
            fn upstream_among_itself() { play($scenario, Make::Upstream, Make::Upstream); }

            #[test]
            fn ours_above_upstream() { play($scenario, Make::Ours, Make::Upstream); }

            #[test]
            fn ours_below_upstream() { play($scenario, Make::Upstream, Make::Ours); }

            #[test]
            fn ours_among_itself() { play($scenario, Make::Ours, Make::Ours); }
        }
    )* };
}

lab::for_every_scenario!(pairs);

fn play(scenario: Scenario, a: Make, b: Make) {
    let Some(upstream) = Binary::upstream() else {
        eprintln!("skipped: Debian's keepalived is not installed (make setup)");
        return;
    };
    let binary = |make| match make {
        Make::Ours => Binary::ours().unwrap(),
        Make::Upstream => upstream.clone(),
    };
    match run_in_namespaces(&scenario, &[binary(a), binary(b)]) {
        Ok(report) => eprintln!("a is {a}, b is {b}\n{report}"),
        Err(failure) => panic!("a is {a}, b is {b}\n{failure}"),
    }
}
