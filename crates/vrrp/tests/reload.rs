//! A reload from A to B ends where a fresh start at B ends, whatever A and B are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::{Prefix, Rng};
use common::{Wish, models, tracking};
use core::net::IpAddr;
use core::time::Duration;
use vrrp::config::{
    AntiReplay, Auth, Config, Delivery, HmacMode, Model, Preempt, Priority, Route, Rule, Tracked, Tracker,
    UnicastChecksum, Version, Vrid, Wanted, Weight,
};
use vrrp::draft::AuthType;
use vrrp::engine::reload_table::{Effect, TABLE};
use vrrp::engine::{Difference, Status, difference};
use vrrp::input::Input;
use vrrp::sim::Sim;
use vrrp::track::Outcome;

/// Pairs of models in one run.
const SEEDS: u64 = 800;

/// Seeds that showed a mistake, far behind those of every run: the interval of a master that was heard before a fault was kept
/// through a reload.
const FOUND: [u64; 1] = [61_177];

/// Long enough for every master-down time, start delay and second block of the models below.
const SETTLED: Duration = Duration::from_secs(40);

#[test]
fn a_reload_ends_in_the_state_of_a_fresh_start() {
    let runs = common::seeds(SEEDS);
    for seed in (0..runs).chain(FOUND) {
        let mut rng = Rng::from_seed(seed);
        let (a, b, world) = (random(&mut rng), random(&mut rng), World::random(&mut rng));
        // What a group without a master does beside a master of one of its numbers never settles, here as anywhere.
        let grouped = !a.groups.is_empty() || !b.groups.is_empty();
        let peer = rival(&mut rng).filter(|_| !grouped);
        let seen = |first: &Model| {
            let mut sim = Sim::new(seed);
            sim.add("a", first.clone());
            world.tell(&mut sim);
            if let Some(peer) = &peer {
                sim.add("b", peer.clone());
            }
            sim.run_for(SETTLED);
            sim.reload("a", b.clone());
            // Scripts run again and again; numbers, counts and sessions are told anew at a reload.
            world.tell(&mut sim);
            sim.run_for(SETTLED);
            (statuses(&sim.status("a")), addresses(&sim))
        };
        let (reloaded, fresh) = (seen(&a), seen(&b));
        assert_eq!(reloaded, fresh, "seed {seed}\nfrom {a:#?}\nto {b:#?}");
    }
    // Each pair twice: by way of A, and from the start.
    common::report("reloads", runs, SETTLED * 4 * u32::try_from(runs).unwrap_or(u32::MAX));
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
    for wish in &wishes {
        if rng.percent(50) {
            tracking::track(&mut model, wish.name, &trackers(rng));
        }
        if rng.percent(20) {
            let to = Prefix::host(IpAddr::from([198, 51, 100, u8::try_from(rng.below(3)).unwrap()]));
            tracking::change(&mut model, wish.name, |config| config.routes.push(Route::to(to)));
        }
    }
    if rng.percent(30) && wishes.len() > 1 {
        let members: Vec<&str> = wishes.iter().map(|wish| wish.name).collect();
        tracking::group(&mut model, "G", &members);
    }
    if rng.percent(20) {
        model.settings.garp_interval = Duration::from_millis(rng.below(3));
    }
    model
}

/// Some of what the world below has, each with a weight that counts, or none.
fn trackers(rng: &mut Rng) -> Vec<Tracker> {
    let all = [
        Tracked::Script("s".into()),
        Tracked::File("f".into()),
        Tracked::Process("p".into()),
        Tracked::Bfd("b".into()),
    ];
    let mut chosen = Vec::new();
    for object in all {
        if rng.percent(40) {
            let value = [0, 20, -20][usize::try_from(rng.below(3)).unwrap()];
            let reverse = rng.percent(20);
            let weight = Weight { value, reverse };
            chosen.push(Tracker { object, weight });
        }
    }
    chosen
}

/// What trackers find out, all the time the same.
struct World {
    script: Outcome,
    value: i32,
    count: u32,
    up: bool,
}

impl World {
    fn random(rng: &mut Rng) -> World {
        World {
            script: if rng.percent(50) {
                Outcome::Exited(0)
            } else {
                Outcome::Exited(1)
            },
            value: [0, 1, -1][usize::try_from(rng.below(3)).unwrap()],
            count: u32::try_from(rng.below(2)).unwrap(),
            up: rng.percent(70),
        }
    }

    fn tell(&self, sim: &mut Sim) {
        let inputs = [
            Input::ScriptResult {
                name: "s".into(),
                outcome: self.script,
            },
            Input::FileValue {
                name: "f".into(),
                value: self.value,
            },
            Input::ProcessCount {
                name: "p".into(),
                count: self.count,
            },
            Input::BfdState {
                name: "b".into(),
                up: self.up,
            },
        ];
        for input in inputs {
            sim.track("a", input);
        }
    }
}

fn wish(rng: &mut Rng) -> Wish {
    let v6 = rng.percent(25);
    let version = if v6 || rng.percent(50) {
        Version::V3
    } else {
        Version::V2
    };
    let auth = match (version, rng.below(4)) {
        (Version::V2, 0) => Some(AuthType::Pass),
        (Version::V2, 1) => Some(AuthType::Ah),
        (Version::V2 | Version::V3, _) => None,
    };
    Wish {
        vrid: 51 + u8::try_from(rng.below(3)).unwrap(),
        version,
        v6,
        unicast: rng.percent(20),
        auth,
        hmac: (auth.is_none() && rng.percent(20)).then(|| common::hmac(HmacMode::Enforce, AntiReplay::Time)),
        accept: rng.percent(80),
        late_backup: rng.percent(10).then_some(60),
        track_interface: rng.percent(80),
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
            priority: if rng.percent(50) { 125 } else { 245 },
            ..wish(rng)
        }])
    })
}

/// The fields that a value of a model shows of itself.
fn fields(value: &impl core::fmt::Debug) -> Vec<String> {
    let text = format!("{value:#?}");
    let own = text.lines().filter_map(|line| line.strip_prefix("    "));
    own.filter(|line| !line.starts_with([' ', '}', ')', ']']))
        .filter_map(|line| Some(line.split_once(": ")?.0.to_owned()))
        .collect()
}

/// The fields that have no row.
fn without_row(object: &str, value: &impl core::fmt::Debug) -> Vec<String> {
    let has_row = |field: &String| {
        TABLE
            .iter()
            .any(|row| (row.object, row.field) == (object, field.as_str()))
    };
    fields(value).into_iter().filter(|field| !has_row(field)).collect()
}

#[test]
fn every_field_of_the_model_has_a_row() {
    let missing = [
        without_row("vrrp_instance", &common::config(&Wish::default())),
        without_row("global_defs", &vrrp::config::Settings::default()),
        without_row("trackers", &vrrp::config::Objects::default()),
        without_row("static items", &vrrp::config::Statics::default()),
    ]
    .concat();
    assert!(
        missing.is_empty(),
        "say in engine/reload_table.rs what a change does: {missing:?}"
    );
    assert!(fields(&common::config(&Wish::default())).len() > 20);
}

#[test]
fn a_change_of_a_field_does_what_its_row_says() {
    let base = common::config(&Wish::default());
    for (field, config) in changes(&base) {
        let row = TABLE
            .iter()
            .find(|row| (row.object, row.field) == ("vrrp_instance", field));
        let expected = match row.unwrap_or_else(|| panic!("no row for {field}")).effect {
            Effect::Restart => Difference::Restart,
            Effect::InPlace | Effect::Nothing | Effect::Refused | Effect::NotYet => Difference::InPlace,
        };
        assert_eq!(difference(&base, &config), expected, "{field}");
    }
}

/// The same instance with one field changed, for each field.
fn changes(base: &Config) -> Vec<(&'static str, Config)> {
    let mut all: Vec<(&'static str, Config)> = Vec::new();
    let mut with = |field, change: &dyn Fn(&mut Config)| {
        let mut config = base.clone();
        change(&mut config);
        assert_ne!(&config, base, "{field}");
        all.push((field, config));
    };
    let other = common::config(&Wish {
        v6: true,
        version: Version::V3,
        excluded: 1,
        ..Wish::default()
    });
    let eth1: base::IfName = "eth1".parse().unwrap();
    let three: IpAddr = "192.0.2.3".parse().unwrap();
    with("interface", &|c| c.interface = Some(eth1));
    with("vrf", &|c| c.vrf = Some(eth1));
    with("vrid", &|c| c.vrid = Vrid(core::num::NonZeroU8::MIN));
    with("family", &|c| c.family = other.family);
    with("version", &|c| c.version = Version::V3);
    with("priority", &|c| c.priority = Priority::new(7).unwrap());
    with("wanted", &|c| c.wanted = Wanted::Master);
    with("interval", &|c| c.interval = Duration::from_secs(3));
    with("down_adverts", &|c| c.down_adverts = 7);
    with("preempt", &|c| c.preempt = Preempt::No);
    with("delivery", &|c| c.delivery = Delivery::Multicast { group: three });
    with("source", &|c| c.source = Some(three));
    with("track_source", &|c| c.track_source = true);
    with("track_interface", &|c| c.track_interface = false);
    with("auth", &|c| c.auth = Auth::Ah(*b"12345678"));
    with("addresses", &|c| c.addresses.truncate(1));
    with("excluded", &|c| c.excluded.clone_from(&other.excluded));
    with("routes", &|c| c.routes.push(Route::to(Prefix::host(three))));
    with("rules", &|c| {
        c.rules
            .push(Rule::new(base::Family::V4, 7, vrrp::config::rule::RuleAction::Nop))
    });
    with("promote_secondaries", &|c| c.promote_secondaries = true);
    with("static_interfaces", &|c| c.static_interfaces.push(eth1));
    with("announcing", &|c| c.announcing.repeat = 9);
    with("checksum_as_v2", &|c| c.checksum_as_v2 = true);
    with("unicast_checksum", &|c| c.unicast_checksum = UnicastChecksum::Old);
    with("strict", &|c| c.strict = true);
    with("skip_check_adv_addr", &|c| c.skip_check_adv_addr = true);
    with("lower_prio_no_advert", &|c| c.lower_prio_no_advert = true);
    with("higher_prio_send_advert", &|c| c.higher_prio_send_advert = true);
    with("owner_ignore_adverts", &|c| c.owner_ignore_adverts = true);
    with("receive_buffer", &|c| c.receive_buffer = Some(9));
    with("group", &|c| c.group = Some("G".into()));
    with("trackers", &|c| {
        c.trackers.push(Tracker {
            object: Tracked::Interface(eth1),
            weight: Weight::FAULT,
        });
    });
    with("notify_priority_changes", &|c| c.notify_priority_changes = true);
    all
}
