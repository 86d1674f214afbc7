//! What a simulated director balances: random configurations, and how things really are with the servers.

use crate::common::{key, misc, real, service, sorry, tcp};
use base::{Family, Rng};
use check::config::{BfdCheck, Dialogue, FileCheck, FileWeight, Pace, Probe};
use check::judge::Answer;
use check::{Check, probe};
use director::{Config, Server};
use lvs::config::{
    Endpoint, Entry, Group, Key, Nftables, Range, Real, Scheduler, Service, Settings, Sorry, Summary, Target,
    WEIGHT_MAX,
};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Real servers there are; configurations name some of them.
pub(crate) const REALS: u8 = 8;
/// Virtual servers there may be, besides that of the group.
const VIPS: u8 = 5;
const GROUP: &str = "g";

/// How things are.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    /// Servers that are down, by the last byte of their address.
    pub(crate) down: Vec<u8>,
    /// What their programs ask for.
    pub(crate) weights: BTreeMap<u8, u8>,
    /// The number in the file.
    pub(crate) file: i32,
    /// The BFD session is up.
    pub(crate) session: bool,
}

impl World {
    /// What a server says to a probe.
    pub(crate) fn answer(&self, probe: &Probe) -> (Answer, Option<u8>) {
        let (last, weight) = match &probe.dialogue {
            Dialogue::Tcp(connection) => (last(connection.address), None),
            Dialogue::Misc(misc) => {
                let last = misc.command.0.trim_start_matches('m').parse().unwrap();
                (last, self.weights.get(&last).copied())
            }
            Dialogue::Http(_) | Dialogue::Smtp(_) | Dialogue::Dns(_) | Dialogue::Udp(_) | Dialogue::Ping(_) => {
                panic!("{:?} is not asked here", probe.dialogue)
            }
        };
        match self.down.contains(&last) {
            true => (Answer::Bad, None),
            false => (Answer::Good, weight),
        }
    }

    /// Whether a real server is up, and its weight, if all checks have found out how things are.
    fn standing(&self, real: &Real, checks: &[Check]) -> Option<u32> {
        let mut weight = i64::from(real.weight);
        for check in checks {
            match check {
                Check::Probe(probe) => match self.answer(probe) {
                    (Answer::Good, asked) => {
                        weight += asked.map_or(0, |asked| i64::from(asked) - i64::from(real.weight))
                    }
                    (Answer::Bad | Answer::Unasked, _) => return None,
                },
                Check::File(file) => match probe::file::standing(self.file, file.weight) {
                    probe::file::Standing::Down => return None,
                    probe::file::Standing::Up(more) => weight += more,
                },
                Check::Bfd(_) if !self.session => return None,
                Check::Bfd(_) => {}
            }
        }
        Some(u32::try_from(weight.clamp(0, i64::from(WEIGHT_MAX))).unwrap())
    }

    /// The total weight of the servers that are up.
    pub(crate) fn total(&self, server: &Server) -> u64 {
        let up = server.service.reals.iter();
        up.filter_map(|real| self.standing(real, &server.checks[&real.at]))
            .map(u64::from)
            .sum()
    }

    /// Who should be in the table, with which weight.
    pub(crate) fn pool(&self, server: &Server, quorum: bool) -> BTreeMap<Endpoint, u32> {
        let service = &server.service;
        let is_sorry = !quorum && service.sorry.is_some();
        let mut pool = BTreeMap::new();
        for real in &service.reals {
            let up = self.standing(real, &server.checks[&real.at]);
            match up.filter(|_| !is_sorry) {
                Some(weight) => drop(pool.insert(real.at, weight)),
                None if real.inhibit_on_failure => drop(pool.insert(real.at, 0)),
                None => {}
            }
        }
        match &service.sorry {
            Some(sorry) if is_sorry => drop(pool.insert(sorry.at, 1)),
            Some(sorry) if sorry.inhibit => drop(pool.entry(sorry.at).or_insert(0)),
            Some(_) | None => {}
        }
        pool
    }
}

/// The last byte of an address.
pub(crate) fn last(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    }
}

/// A number up to and without `bound`.
pub(crate) fn below(rng: &mut Rng, bound: u64) -> u8 {
    u8::try_from(rng.below(bound)).unwrap()
}

/// Any configuration.
pub(crate) fn config(rng: &mut Rng) -> Config {
    let mut servers = BTreeMap::new();
    for vip in 1..=VIPS {
        if rng.percent(60) {
            let (key, server) = balanced(rng, key(vip));
            servers.insert(key, server);
        }
    }
    let mut groups = BTreeMap::new();
    if rng.percent(40) {
        let target = Target::Group(GROUP.into());
        let (key, server) = balanced(rng, Key { target, sequence: 0 });
        servers.insert(key, server);
        let group = group(rng);
        groups.insert(group.name.clone(), Arc::new(group));
    }
    let nftables = Nftables {
        table: Nftables::TABLE.into(),
        priority: Nftables::PRIORITY,
        first_mark: 5_000,
    };
    Config {
        settings: Settings {
            nftables: rng.percent(20).then_some(nftables),
            init_notifies: rng.percent(30),
            ..Settings::default()
        },
        groups,
        servers,
    }
}

/// One to three addresses, and sometimes a mark.
fn group(rng: &mut Rng) -> Group {
    let first = below(rng, 3);
    let address = |last: u8| IpAddr::from([203, 0, 113, last]);
    let range = Range::new(address(first), address(first + below(rng, 3)), 80).unwrap();
    let mut entries = vec![Entry::Range(range)];
    if rng.percent(40) {
        entries.push(Entry::Mark {
            mark: 1 + below(rng, 3) as u32,
            family: Some(Family::V4),
        });
    }
    Group {
        name: GROUP.into(),
        summary: Summary::of(&entries),
        entries,
    }
}

fn balanced(rng: &mut Rng, key: Key) -> (Key, Server) {
    let mut reals = Vec::new();
    for last in 1..=REALS {
        if rng.percent(45) {
            reals.push(Real {
                weight: u32::from(below(rng, 5)),
                inhibit_on_failure: rng.percent(25),
                ..real(last)
            });
        }
    }
    let quorum = 1 + u32::from(below(rng, 5));
    let sorry_at = if rng.percent(20) {
        real(1 + below(rng, 8)).at
    } else {
        sorry().at
    };
    let service = Service {
        key: key.clone(),
        scheduler: if rng.percent(50) { Scheduler::Rr } else { Scheduler::Wlc },
        quorum: NonZeroU32::new(quorum).unwrap(),
        hysteresis: u32::try_from(rng.below(u64::from(quorum))).unwrap(),
        omega: rng.percent(30),
        ha_suspend: rng.percent(15),
        sorry: rng.percent(50).then(|| Sorry {
            at: sorry_at,
            inhibit: rng.percent(40),
            ..sorry()
        }),
        ..service(0, reals)
    };
    let checks = service
        .reals
        .iter()
        .map(|real| (real.at, checks(rng, last(real.at.address))))
        .collect();
    let service = Arc::new(service);
    (key, Server { service, checks })
}

/// The checks of a real server; few different ones, so that many are shared.
fn checks(rng: &mut Rng, last: u8) -> Vec<Check> {
    let mut checks = Vec::new();
    let pace = Pace {
        delay_loop: Duration::from_secs(if rng.percent(50) { 2 } else { 10 }),
        retry: u32::from(below(rng, 3)),
        delay_before_retry: Duration::from_secs(1),
        warmup: Duration::from_secs(if rng.percent(50) { 0 } else { 5 }),
    };
    let alpha = rng.percent(25);
    if rng.percent(70) {
        checks.push(Check::Probe(Probe {
            pace,
            alpha,
            ..tcp(last)
        }));
    }
    if rng.percent(30) {
        checks.push(Check::Probe(Probe {
            pace,
            alpha,
            ..misc(&format!("m{last}"))
        }));
    }
    if rng.percent(15) {
        let factor = i32::from(below(rng, 3)) - 1;
        checks.push(Check::File(FileCheck {
            file: "f".into(),
            weight: FileWeight {
                factor,
                reverse: rng.percent(30),
            },
        }));
    }
    if rng.percent(15) {
        checks.push(Check::Bfd(BfdCheck {
            session: "b".into(),
            alpha: rng.percent(50),
        }));
    }
    checks
}
