//! Models for tests, made the way files make them: through a draft.
#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod bench;
pub(crate) mod stories;
pub(crate) mod tracking;

use base::{Prefix, Rng};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;
use core::time::Duration;
use std::sync::Arc;
use vrrp::config::{AddressFlags, AntiReplay, Config, HmacMode, Key, Model, Name, Peer, Version, Vrid, Wanted};
use vrrp::draft::{AddressDraft, AuthType, Defaults, Draft, HmacDraft, Secret, Surroundings};
use vrrp::sim::Sim;

/// How many seeds a run has: `VRRP_SEEDS`, else what a test takes by itself.
pub(crate) fn seeds(usual: u64) -> u64 {
    match std::env::var("VRRP_SEEDS") {
        Ok(count) if !count.is_empty() => count.parse().unwrap(),
        Ok(_) | Err(_) => usual,
    }
}

/// Says how much was simulated.
pub(crate) fn report(what: &str, runs: u64, router_time: Duration) {
    let hours = router_time.as_secs_f64() / 3600.0;
    println!(
        "{what}: {runs} runs, {hours:.0} hours of router time ({:.2} years)",
        hours / 24.0 / 365.25
    );
}

/// What a test wants of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) name: &'static str,
    pub(crate) vrid: u8,
    pub(crate) version: Version,
    pub(crate) v6: bool,
    pub(crate) unicast: bool,
    pub(crate) auth: Option<AuthType>,
    pub(crate) priority: u8,
    pub(crate) wanted: Option<Wanted>,
    pub(crate) interval: Duration,
    pub(crate) nopreempt: bool,
    pub(crate) preempt_delay: Duration,
    /// The last byte of the first address.
    pub(crate) first: u16,
    pub(crate) addresses: u16,
    pub(crate) excluded: u16,
    pub(crate) source: Option<IpAddr>,
    pub(crate) password: &'static str,
    pub(crate) hmac: Option<HmacDraft>,
    pub(crate) accept: bool,
    pub(crate) strict: bool,
    pub(crate) late_backup: Option<u8>,
    pub(crate) track_interface: bool,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish {
            name: "V",
            vrid: 51,
            version: Version::V2,
            v6: false,
            unicast: false,
            auth: None,
            priority: 100,
            wanted: None,
            interval: Duration::from_secs(1),
            nopreempt: false,
            preempt_delay: Duration::ZERO,
            first: 10,
            addresses: 2,
            excluded: 0,
            source: None,
            password: "123456",
            hmac: None,
            accept: true,
            strict: false,
            late_backup: None,
            track_interface: true,
        }
    }
}

impl Wish {
    /// What all routers of a segment have in common.
    pub(crate) fn random(rng: &mut Rng) -> Wish {
        let v6 = rng.percent(30);
        let version = if v6 || rng.percent(50) {
            Version::V3
        } else {
            Version::V2
        };
        let auth = match (version, rng.below(3)) {
            (Version::V2, 0) => Some(AuthType::Pass),
            (Version::V2, 1) => Some(AuthType::Ah),
            (Version::V2 | Version::V3, _) => None,
        };
        let interval = match version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => Duration::from_millis(100 * (1 + rng.below(10))),
        };
        Wish {
            version,
            v6,
            auth,
            interval,
            unicast: rng.percent(30),
            hmac: (auth.is_none() && rng.percent(30)).then(|| hmac(HmacMode::Enforce, AntiReplay::Time)),
            accept: rng.percent(60),
            track_interface: rng.percent(80),
            addresses: 1 + u16::try_from(rng.below(5)).unwrap(),
            excluded: if rng.percent(10) { 150 } else { 0 },
            ..Wish::default()
        }
    }

    /// What each router decides for itself. The longest preempt delay is that of the segment.
    pub(crate) fn varied(&self, rng: &mut Rng) -> Wish {
        let priority = u8::try_from(1 + rng.below(254)).unwrap();
        let priority = if rng.percent(20) { 100 } else { priority };
        Wish {
            priority,
            wanted: match rng.below(3) {
                0 => Some(Wanted::Master),
                1 => Some(Wanted::Backup),
                _ => None,
            },
            nopreempt: rng.percent(25),
            preempt_delay: if rng.percent(20) {
                Duration::from_secs(1)
            } else {
                Duration::ZERO
            },
            ..self.clone()
        }
    }
}

/// A model with one instance.
pub(crate) fn model(wish: &Wish) -> Model {
    models(std::slice::from_ref(wish))
}

/// A model with several instances.
pub(crate) fn models(wishes: &[Wish]) -> Model {
    let mut model = Model::default();
    for wish in wishes {
        let config = config(wish);
        model.instances.insert(config.name.clone(), Arc::new(config));
    }
    model
}

pub(crate) fn config(wish: &Wish) -> Config {
    let finished = draft(wish).finish(Name::from(wish.name), &Defaults::default(), &Nothing);
    finished.config.unwrap_or_else(|| panic!("{:?}", finished.findings))
}

pub(crate) fn draft(wish: &Wish) -> Draft {
    let all = (0..wish.addresses + wish.excluded).map(|n| address(wish, n));
    let mut addresses: Vec<AddressDraft> = all.collect();
    let excluded = addresses.split_off(usize::from(wish.addresses));
    Draft {
        interface: Some("eth0".parse().unwrap()),
        vrid: NonZeroU8::new(wish.vrid).map(Vrid),
        version: Some(wish.version),
        priority: Some(wish.priority),
        wanted: wish.wanted,
        interval: Some(wish.interval),
        nopreempt: wish.nopreempt,
        preempt_delay: Some(wish.preempt_delay),
        unicast: wish.unicast,
        peers: if wish.unicast { peers(wish.v6) } else { Vec::new() },
        unicast_source: wish.source,
        auth_type: wish.auth,
        auth_pass: wish.auth.map(|_| Secret(wish.password.to_string())),
        hmac: wish.hmac.clone(),
        accept: (!wish.accept).then_some(false),
        strict: Some(wish.strict),
        timer_expired_backup: wish.late_backup.and_then(vrrp::config::Priority::new),
        dont_track_primary: !wish.track_interface,
        addresses,
        excluded,
        ..Draft::default()
    }
}

/// `auth_hmac` with one key.
pub(crate) fn hmac(mode: HmacMode, anti_replay: AntiReplay) -> HmacDraft {
    let key: Vec<u8> = (0..32).collect();
    HmacDraft {
        keys: std::iter::once((1.try_into().unwrap(), Key::new(&key).unwrap())).collect(),
        active: Some(1.try_into().unwrap()),
        window: None,
        anti_replay: Some(anti_replay),
        mode: Some(mode),
    }
}

pub(crate) fn is_master(sim: &Sim, router: &str) -> bool {
    sim.state(router, "V") == Some(vrrp::action::StateName::Master)
}

/// All routers of a simulation, oneself among them: nobody hears himself.
fn peers(v6: bool) -> Vec<Peer> {
    let address = |n: u8| match v6 {
        true => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(n))),
        false => IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)),
    };
    let peer = |n| Peer {
        address: address(n),
        min_ttl: 0,
        max_ttl: 255,
    };
    (1..=3).map(peer).collect()
}

fn address(wish: &Wish, n: u16) -> AddressDraft {
    let n = n + wish.first;
    let address = if wish.v6 {
        IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, n))
    } else {
        let [high, low] = n.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(10, 0, high, low))
    };
    AddressDraft {
        entry: 0,
        prefix: Prefix::host(address),
        interface: None,
        scope: 0,
        broadcast: None,
        label: None,
        peer: None,
        flags: AddressFlags::default(),
        preferred_lifetime: None,
        tracked: true,
        use_vmac: false,
        link: None,
    }
}

/// Surroundings nobody asked about.
pub(crate) struct Nothing;

impl Surroundings for Nothing {
    fn mtu(&self, _interface: &base::IfName) -> Option<u32> {
        None
    }
    fn multicast(&self, _interface: &base::IfName) -> Option<bool> {
        None
    }
}
