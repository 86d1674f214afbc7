//! A link that loses, duplicates and reorders, under many seeds. A failure prints the seed that repeats it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use bfd::action::Verdict;
use bfd::draft::Draft;
use bfd::wire::State;
use common::{Link, MS, Pair, draft, multiplier};
use std::time::Duration;

const SEEDS: u64 = 300;

/// Long enough for a session to come up and for its poll sequences.
const SETTLED: Duration = Duration::from_secs(20);

#[test]
fn a_bad_link_is_up_most_of_the_time_and_a_cut_one_is_noticed_at_both_ends() {
    for seed in 0..SEEDS {
        let mut pair = Pair::new(seed, [draft(0), draft(1)]);
        pair.link = Link {
            loss: 5,
            duplication: 10,
            // Longer than an interval: packets overtake each other.
            delay: (Duration::ZERO, 15 * MS),
            cut: [false, false],
        };
        // In the handshake an overtaken packet may cost another round.
        pair.run(3000 * MS);
        pair.engines.iter_mut().for_each(bfd::Engine::clear_counters);
        pair.run(10_000 * MS);
        let flaps = pair.status(0).counters.became_down + pair.status(1).counters.became_down;
        assert!(flaps <= 2, "seed {seed}: {flaps} flaps in ten seconds: {:#?}", pair.log);
        let one_way = (seed % 2) as usize;
        pair.link.cut[one_way] = true;
        // Delays, then the detection time, then the way of the news.
        pair.run(15 * MS + 60 * MS + 20 * MS);
        let heard = 1 - one_way;
        assert_eq!(pair.verdict(heard), Some(Verdict::Down), "seed {seed}");
        // News can be lost; it is repeated every idle interval.
        pair.run(5000 * MS);
        assert_eq!(pair.verdict(one_way), Some(Verdict::Down), "seed {seed}");
        pair.link = Link::default();
        pair.run(3000 * MS);
        assert_eq!(
            [pair.state(0), pair.state(1)],
            [State::Up, State::Up],
            "seed {seed}: {:#?}",
            pair.log
        );
        assert_eq!(
            [pair.verdict(0), pair.verdict(1)],
            [Some(Verdict::Up); 2],
            "seed {seed}"
        );
    }
}

#[test]
fn reloads_with_other_intervals_never_take_a_session_down() {
    for seed in 0..SEEDS {
        let mut pair = Pair::new(seed, [draft(0), draft(1)]);
        // In order: an overtaken packet would bring back old intervals, and BFD has no numbers to tell.
        pair.link.delay = (2 * MS, 2 * MS);
        pair.link.duplication = 20;
        pair.run(3000 * MS);
        pair.engines.iter_mut().for_each(bfd::Engine::clear_counters);
        let mut rng = base::Rng::from_seed(seed);
        for _ in 0..20 {
            let end = rng.below(2) as usize;
            let interval = |n: u64| Some(Duration::from_millis(n));
            let changed = Draft {
                min_tx: interval(5 + rng.below(500)),
                min_rx: interval(5 + rng.below(500)),
                multiplier: multiplier(3 + rng.below(5) as u8),
                ..draft(end)
            };
            pair.reconfigure(end, changed);
            pair.run(Duration::from_millis(rng.below(3000)));
        }
        for end in 0..2 {
            assert_eq!(pair.status(end).counters.became_down, 0, "seed {seed}: {:#?}", pair.log);
        }
    }
}

#[test]
fn a_reload_ends_in_the_state_of_a_fresh_start() {
    for seed in 0..SEEDS {
        let mut rng = base::Rng::from_seed(seed);
        let mut random = |end: usize| {
            let mut interval = |least: u64, span: u64| Some(Duration::from_millis(least + rng.below(span)));
            Draft {
                min_tx: interval(5, 500),
                min_rx: interval(5, 500),
                idle_tx: interval(1000, 1000),
                multiplier: multiplier(3 + rng.below(5) as u8),
                passive: end == 0 && rng.percent(30),
                ttl: rng.percent(30).then_some(std::num::NonZeroU8::MAX),
                ..draft(end)
            }
        };
        let (a, b, other) = (random(0), random(0), random(1));
        let seen = |first: &Draft| {
            let mut pair = Pair::new(seed, [first.clone(), other.clone()]);
            pair.run(SETTLED);
            pair.reconfigure(0, b.clone());
            pair.run(SETTLED);
            let status = pair.status(0);
            (
                status.state,
                status.interval,
                status.detection_time,
                status.verdict,
                status.polling,
                status.config,
            )
        };
        assert_eq!(seen(&a), seen(&b), "seed {seed}\nfrom {a:#?}\nto {b:#?}");
    }
}

/// There is no wall clock in the engine, so none can be set.
#[test]
fn after_any_faults_a_session_comes_up_and_stays_up() {
    for seed in 0..SEEDS {
        let mut rng = base::Rng::from_seed(seed.wrapping_mul(77).wrapping_add(5));
        let mut pair = Pair::new(seed, [draft(0), draft(1)]);
        let mut frozen = [false; 2];
        for _ in 0..rng.below(16) {
            pair.run(Duration::from_millis(rng.below(4000)));
            let end = rng.below(2) as usize;
            match rng.below(7) {
                0 => pair.link.cut[end] = true,
                1 => pair.link.cut = [false, false],
                2 if !frozen[end] => pair.restart(end, draft(end)),
                3 => {
                    pair.freeze(end);
                    frozen[end] = true;
                }
                4 if frozen[end] => {
                    pair.thaw(end, rng.percent(50));
                    frozen[end] = false;
                }
                5 if !frozen[end] => pair.reconfigure(end, draft(end)),
                _ => pair.link.loss = rng.below(60) as u8,
            }
        }
        for end in (0..2).filter(|end| frozen[*end]).collect::<Vec<_>>() {
            pair.thaw(end, true);
        }
        pair.link = Link::default();
        pair.run(SETTLED);
        pair.engines.iter_mut().for_each(bfd::Engine::clear_counters);
        pair.run(SETTLED);
        for end in 0..2 {
            assert_eq!(pair.state(end), State::Up, "seed {seed}: {:#?}", pair.log);
            assert_eq!(pair.verdict(end), Some(Verdict::Up), "seed {seed}: {:#?}", pair.log);
            assert_eq!(pair.status(end).counters.became_down, 0, "seed {seed}: {:#?}", pair.log);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut pair = Pair::new(11, [draft(0), draft(1)]);
        pair.link.loss = 20;
        pair.run(10_000 * MS);
        (pair.sent, pair.log)
    };
    assert_eq!(run(), run());
}
