//! A reload from A to B ends where a fresh start at B ends, whatever A and B are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::Rng;
use common::{Wish, models};
use core::net::IpAddr;
use core::time::Duration;
use vrrp::config::{Model, Version, Wanted};
use vrrp::engine::Status;
use vrrp::sim::Sim;

/// Pairs of models in one run.
const SEEDS: u64 = 400;

/// Long enough for every master-down time, start delay and second block of the models below.
const SETTLED: Duration = Duration::from_secs(40);

#[test]
fn a_reload_ends_in_the_state_of_a_fresh_start() {
    for seed in 0..SEEDS {
        let mut rng = Rng::from_seed(seed);
        let (a, b, peer) = (random(&mut rng), random(&mut rng), rival(&mut rng));
        let seen = |first: &Model| {
            let mut sim = Sim::new(seed);
            sim.add("a", first.clone());
            if let Some(peer) = &peer {
                sim.add("b", peer.clone());
            }
            sim.run_for(SETTLED);
            sim.reload("a", b.clone());
            sim.run_for(SETTLED);
            (statuses(&sim.status("a")), addresses(&sim))
        };
        let (reloaded, fresh) = (seen(&a), seen(&b));
        assert_eq!(reloaded, fresh, "seed {seed}\nfrom {a:#?}\nto {b:#?}");
    }
}

/// What must be equal: everything but counters.
fn statuses(all: &[Status]) -> Vec<String> {
    let one = |status: &Status| {
        format!(
            "{} {:?} {} waits for {:?}, master {:?} {:?} {:?}, from {:?}, {:?}",
            status.name,
            status.state,
            status.priority,
            status.waiting,
            status.master,
            status.master_priority,
            status.master_interval,
            status.source,
            status.config,
        )
    };
    all.iter().map(one).collect()
}

/// Which of all addresses that a model can have router `a` has.
fn addresses(sim: &Sim) -> Vec<IpAddr> {
    let v4 = (0..=255u8).map(|n| IpAddr::from([10, 0, 0, n]));
    let v6 = (0..=255u16).map(|n| IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 1, n]));
    v4.chain(v6).filter(|address| sim.holds("a", *address)).collect()
}

const NAMES: [&str; 3] = ["V", "W", "X"];

/// One to three instances; names, numbers and addresses come again in the other model, in other places.
fn random(rng: &mut Rng) -> Model {
    let mut wishes: Vec<Wish> = Vec::new();
    // Two with one number are excluded: there the one that was first runs, and that is history.
    let turn = rng.below(3);
    for (number, name) in (0..).zip(NAMES) {
        if rng.percent(30) {
            continue;
        }
        let vrid = 51 + u8::try_from((number + turn) % 3).unwrap();
        let wish = Wish {
            name,
            vrid,
            ..wish(rng)
        };
        wishes.push(wish);
    }
    let mut model = models(&wishes);
    if rng.percent(20) {
        model.settings.garp_interval = Duration::from_millis(rng.below(3));
    }
    model
}

fn wish(rng: &mut Rng) -> Wish {
    let v6 = rng.percent(25);
    let version = if v6 || rng.percent(50) {
        Version::V3
    } else {
        Version::V2
    };
    Wish {
        vrid: 51 + u8::try_from(rng.below(3)).unwrap(),
        version,
        v6,
        unicast: rng.percent(20),
        auth: None,
        priority: [90, 100, 150, 200][usize::try_from(rng.below(4)).unwrap()],
        wanted: [None, Some(Wanted::Master), Some(Wanted::Backup)][usize::try_from(rng.below(3)).unwrap()],
        interval: Duration::from_secs(1 + rng.below(2)),
        first: 10 + u16::try_from(rng.below(4)).unwrap() * 3,
        addresses: 1 + u16::try_from(rng.below(4)).unwrap(),
        excluded: u16::try_from(rng.below(2)).unwrap(),
        ..Wish::default()
    }
}

/// Sometimes another router, of a priority that nobody else has: equal ones stay where they are.
fn rival(rng: &mut Rng) -> Option<Model> {
    rng.percent(50).then(|| {
        models(&[Wish {
            priority: if rng.percent(50) { 120 } else { 240 },
            ..wish(rng)
        }])
    })
}
