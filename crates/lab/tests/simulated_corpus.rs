//! Configurations that others wrote, in simulation: three routers run the same file, as its users do, with priorities that
//! differ; then faults happen to them. The corpus lies outside the repository; without it this says so and passes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

#[path = "support/corpus.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod corpus;

use base::{Instant, Rng};
use conf::{Facts, InterfaceFact, compile, load};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vrrp::config::{Config, Delivery, Model, Peer, Preempt, Priority, Tracked};
use vrrp::input::Input;
use vrrp::sim::chance;
use vrrp::sim::shrink::shrink;
use vrrp::sim::story::{Part, Story};
use vrrp::track::Outcome;

/// Stories of each file.
const SEEDS: u64 = 6;
/// Files of the corpus that come up in simulation. It may rise, never fall.
const FILES: usize = 15;
const ROUTERS: [&str; 3] = ["a", "b", "c"];

#[test]
fn real_configurations_survive_what_happens_to_their_routers() {
    let Some(folder) = corpus::find() else {
        println!("skipped: no corpus beside the repository");
        return;
    };
    let seeds = match std::env::var("VRRP_SEEDS") {
        Ok(count) if !count.is_empty() => count.parse::<u64>().unwrap() / 200,
        Ok(_) | Err(_) => SEEDS,
    };
    let (mut files, mut runs, mut time) = (0, 0, Duration::ZERO);
    for file in corpus::clean(&folder) {
        let model = model_of(&folder, &file);
        if model.instances.is_empty() {
            continue;
        }
        // In a file without a fault of its own all is well when nothing happens.
        if let Err(why) = story(&model, 0, 0).play(&|_| Ok(())).outcome {
            println!("{file} does not come up here: {why}");
            continue;
        }
        files += 1;
        for seed in 1..=seeds {
            let story = story(&model, seed, 14);
            let played = story.play(&|_| Ok(()));
            if let Err(broken) = played.outcome {
                let shortest = shrink(&story, &|story| story.play(&|_| Ok(())).outcome.is_err());
                let replayed = shortest.play(&|_| Ok(()));
                replayed
                    .sim
                    .timeline()
                    .iter()
                    .rev()
                    .take(200)
                    .rev()
                    .for_each(|line| println!("{line}"));
                panic!("{file}, seed {seed}: {broken}\n{shortest}{:?}", replayed.outcome);
            }
            runs += 1;
            time += played.sim.now().since(Instant::ZERO) * 3;
        }
    }
    let hours = time.as_secs_f64() / 3600.0;
    println!(
        "{files} real configurations: {runs} runs, {hours:.0} hours of router time ({:.2} years)",
        hours / 24.0 / 365.25
    );
    assert!(files >= FILES, "{files} files, were {FILES}");
}

fn model_of(folder: &Path, file: &str) -> Model {
    let path = folder.join("configs").join(file);
    let table = std::fs::read_to_string(folder.join("interfaces.tsv")).unwrap();
    let names = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next())
        .chain(["lo"]);
    let interfaces = names.map(|name| InterfaceFact {
        name: name.to_owned(),
        mtu: 1500,
        multicast: name != "lo",
    });
    let facts = Facts {
        config_id: "vm".to_owned(),
        directory: path.parent().unwrap().to_owned(),
        interfaces: Some(interfaces.collect()),
        ..Facts::default()
    };
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    compile(&load(&name, facts, &conf::files::FsLoader)).model.vrrp
}

fn story(model: &Model, seed: u64, scenes: u64) -> Story {
    let mut rng = Rng::from_seed(seed.wrapping_mul(0x9e37_79b9).wrapping_add(99));
    let cast = ROUTERS.iter().zip(0..).map(|(name, number)| Part {
        name: (*name).to_owned(),
        models: vec![adapted(model, number)],
    });
    let configs = || model.instances.values();
    let interval = configs().map(|config| config.interval).max().unwrap_or_default();
    let adverts = configs()
        .map(|config| u32::from(config.down_adverts))
        .max()
        .unwrap_or(3);
    let delays = configs().map(|config| match config.preempt {
        Preempt::After(delay) => delay,
        Preempt::Yes | Preempt::No => Duration::ZERO,
    });
    let delay = delays.max().unwrap_or_default() + model.settings.startup_delay;
    let settling = interval * (4 * adverts + 4) + delay + Duration::from_secs(3);
    let count = rng.below(scenes + 1);
    let scenes = (0..count).map(|_| (chance::pause(&mut rng, settling), chance::event(&mut rng, 3, 1)));
    Story {
        seed,
        cast: cast.collect(),
        good: good(model),
        scenes: scenes.collect(),
        only_first: false,
        settling,
        replaced: interval * (adverts + 1) + model.settings.startup_delay + Duration::from_millis(100),
    }
}

/// The file as it is on the router of this number: of lower priority the higher the number, and with the addresses of the
/// simulated segment.
fn adapted(model: &Model, number: u8) -> Model {
    let mut model = model.clone();
    for config in model.instances.values_mut() {
        let config = Arc::make_mut(config);
        let own = config.priority.get();
        let lower = if number == 0 {
            own
        } else {
            own.saturating_sub(10 * number).max(1)
        };
        config.priority = Priority::new(lower).unwrap();
        config.source = None;
        move_peers(config, number);
    }
    model
}

fn move_peers(config: &mut Config, number: u8) {
    let v6 = config.family == base::Family::V6;
    if let Delivery::Unicast { peers, .. } = &mut config.delivery {
        let others = (1..=3).filter(|other| *other != number + 1);
        let address = |other: u8| match v6 {
            true => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(other))),
            false => IpAddr::V4(Ipv4Addr::new(192, 0, 2, other)),
        };
        *peers = others
            .map(|other| Peer {
                address: address(other),
                min_ttl: 0,
                max_ttl: 255,
            })
            .collect();
    }
}

/// Everything that is tracked is well.
fn good(model: &Model) -> Vec<Input<'static>> {
    let trackers = model.instances.values().flat_map(|config| &config.trackers);
    let inputs = trackers.filter_map(|tracker| match &tracker.object {
        Tracked::Interface(_) => None,
        Tracked::Script(name) => Some(Input::ScriptResult {
            name: name.clone(),
            outcome: Outcome::Exited(0),
        }),
        Tracked::File(name) => Some(Input::FileValue {
            name: name.clone(),
            value: 0,
        }),
        Tracked::Process(name) => Some(Input::ProcessCount {
            name: name.clone(),
            count: model.objects.processes.get(name).map_or(1, |process| process.quorum),
        }),
        Tracked::Bfd(name) => Some(Input::BfdState {
            name: name.clone(),
            up: true,
        }),
    });
    inputs.collect()
}
