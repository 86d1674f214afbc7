//! Stories from seeds: routers, weather, faults, operators; and what is done with one that breaks a rule.

use super::{Wish, tracking};
use base::{Instant, Rng};
use core::time::Duration;
use vrrp::config::{Model, Tracked, Tracker, Weight};
use vrrp::input::Input;
use vrrp::sim::Sim;
use vrrp::sim::chance;
use vrrp::sim::shrink::shrink;
use vrrp::sim::story::{Event, Part, Story};
use vrrp::track::Outcome;

/// Lines of a timeline printed on failure.
const SHOWN: usize = 200;
const ROUTERS: [&str; 3] = ["a", "b", "c"];
const INSTANCES: [&str; 3] = ["V", "W", "X"];

/// Plays the stories of many seeds, or of the one that `VRRP_SEED` names; one that breaks a rule is made as short as it can
/// be, and told.
pub(crate) fn play_all(what: &str, usual: u64, test: &str, story_of: fn(u64) -> Story) {
    let seeds = match std::env::var("VRRP_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).unwrap(),
        Err(_) => 0..super::seeds(usual),
    };
    let (mut runs, mut time) = (0, Duration::ZERO);
    for seed in seeds {
        let story = story_of(seed);
        let played = story.play(&|_| Ok(()));
        if let Err(broken) = played.outcome {
            tell(&story, &|_| Ok(()));
            panic!("{broken}\nagain: VRRP_SEED={seed} cargo test -p vrrp --test {test}");
        }
        runs += 1;
        time += played.sim.now().since(Instant::ZERO) * story.cast.len() as u32;
    }
    super::report(what, runs, time);
}

/// Prints the shortest story that still breaks a rule, and what happened in it; gives it back.
pub(crate) fn tell(story: &Story, rule: &dyn Fn(&Sim) -> Result<(), String>) -> Story {
    let shortest = shrink(story, &|story| story.play(rule).outcome.is_err());
    let played = shortest.play(rule);
    println!("the shortest story that breaks a rule:\n{shortest}");
    let timeline = played.sim.timeline();
    for line in timeline.iter().skip(timeline.len().saturating_sub(SHOWN)) {
        println!("{line}");
    }
    println!("broken: {:?}", played.outcome);
    shortest
}

/// Three routers with one instance each.
pub(crate) fn of_one_instance(seed: u64) -> Story {
    let mut rng = Rng::from_seed(seed.wrapping_mul(0x9e37_79b9).wrapping_add(17));
    let common = Wish::random(&mut rng);
    let cast = ROUTERS.map(|name| Part {
        name: name.to_owned(),
        models: (0..3).map(|_| super::model(&common.varied(&mut rng))).collect(),
    });
    let settling = common.interval * 12 + common.preempt_delay + Duration::from_secs(2);
    let mut scenes = vec![(
        Duration::ZERO,
        Event::Weather(chance::weather(&mut rng, common.interval)),
    )];
    for _ in 0..rng.below(16) {
        scenes.push((chance::pause(&mut rng, settling), chance::event(&mut rng, 3, 3)));
    }
    Story {
        seed,
        cast: cast.into(),
        good: Vec::new(),
        only_first: false,
        scenes,
        settling,
        replaced: replaced(common.interval),
    }
}

/// Master-down is three intervals and a skew of less than one; then the kernel is asked.
fn replaced(interval: Duration) -> Duration {
    interval * 4 + Duration::from_millis(100)
}

/// Three routers with up to three instances, sync groups, and everything that can be tracked.
pub(crate) fn of_groups(seed: u64) -> Story {
    let mut rng = Rng::from_seed(seed.wrapping_mul(0x9e37_79b9).wrapping_add(4711));
    let common = Wish {
        excluded: 0,
        addresses: 2,
        ..Wish::random(&mut rng)
    };
    let cast = (0..3).map(|router| Part {
        name: ROUTERS[router].to_owned(),
        // One group on all of them at the end: otherwise one router may have the better member and another the rest.
        models: std::iter::once(grouped(&common, &mut rng, router, 3, 2))
            .chain(
                (0..3)
                    .map(|_| any_groups(&common, &mut rng, router))
                    .collect::<Vec<_>>(),
            )
            .collect(),
    });
    let cast: Vec<Part> = cast.collect();
    let settling = common.interval * 14 + Duration::from_secs(3);
    let mut scenes = Vec::new();
    for _ in 0..rng.below(18) {
        let at_once = rng.percent(20);
        let pause = if at_once {
            Duration::ZERO
        } else {
            chance::pause(&mut rng, settling)
        };
        let event = match rng.below(3) {
            0 => Event::Learn(rng.below(3) as usize, result(&mut rng)),
            _ => chance::event(&mut rng, 3, 3),
        };
        scenes.push((pause, event));
    }
    Story {
        seed,
        cast,
        good: good(),
        only_first: true,
        scenes,
        settling,
        replaced: replaced(common.interval),
    }
}

fn any_groups(common: &Wish, rng: &mut Rng, router: usize) -> Model {
    let count = 1 + rng.below(3) as usize;
    let grouped_ones = if count > 1 && rng.percent(80) {
        2 + rng.below(count as u64 - 1) as usize
    } else {
        0
    };
    grouped(common, rng, router, count, grouped_ones)
}

/// What a router runs. What trackers add to the priorities while all is good is less than what is between routers, or
/// groups would want to be in two places.
fn grouped(common: &Wish, rng: &mut Rng, router: usize, count: usize, in_group: usize) -> Model {
    let priority = [100, 130, 160][router];
    let wishes = (0..count).map(|n| Wish {
        name: INSTANCES[n],
        vrid: 51 + n as u8,
        first: 10 + 10 * n as u16,
        priority,
        ..common.clone()
    });
    let mut model = super::models(&wishes.collect::<Vec<Wish>>());
    for name in &INSTANCES[..count] {
        tracking::track(&mut model, name, &trackers(rng));
    }
    if in_group > 0 {
        tracking::group(&mut model, "G", &INSTANCES[..in_group]);
    }
    model
}

fn trackers(rng: &mut Rng) -> Vec<Tracker> {
    let all = [
        Tracked::Script("s".into()),
        Tracked::File("f".into()),
        Tracked::Process("p".into()),
        Tracked::Bfd("b".into()),
    ];
    let mut chosen = Vec::new();
    for object in all {
        if rng.percent(50) {
            let value = [0, 5, -40][rng.below(3) as usize];
            let weight = Weight { value, reverse: false };
            chosen.push(Tracker { object, weight });
        }
    }
    chosen
}

fn good() -> Vec<Input<'static>> {
    vec![
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
    ]
}

fn result(rng: &mut Rng) -> Input<'static> {
    match rng.below(4) {
        0 => Input::ScriptResult {
            name: "s".into(),
            outcome: [Outcome::Exited(0), Outcome::Exited(1), Outcome::TimedOut][rng.below(3) as usize],
        },
        1 => Input::FileValue {
            name: "f".into(),
            value: [0, 3, -3, i32::MIN][rng.below(4) as usize],
        },
        2 => Input::ProcessCount {
            name: "p".into(),
            count: rng.below(2) as u32,
        },
        _ => Input::BfdState {
            name: "b".into(),
            up: rng.percent(50),
        },
    }
}
