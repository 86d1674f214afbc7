//! Virtual servers for tests, and a director that is played with.
#![allow(dead_code, reason = "each test uses some of it")]

use base::Instant;
use check::Check;
use check::config::{CommandName, Connection, Dialogue, Misc, Pace, Probe};
use check::judge::Answer;
use director::{Action, Config, Engine, Input, Notice, Server, Ticket};
use lvs::config::{Endpoint, Forwarding, Key, Protocol, Real, Scheduler, SchedulerFlags, Service, Sorry, Target};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const LOOP: Duration = Duration::from_secs(10);

pub(crate) fn at(last: u8) -> Endpoint {
    Endpoint::new([10, 0, 0, last].into(), 80)
}

pub(crate) fn sorry() -> Sorry {
    Sorry {
        at: at(250),
        forwarding: Forwarding::Nat,
        inhibit: false,
    }
}

pub(crate) fn real(last: u8) -> Real {
    Real {
        at: at(last),
        forwarding: Forwarding::Nat,
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
        inhibit_on_failure: false,
        smtp_alert: None,
        snmp_name: None,
    }
}

pub(crate) fn key(last: u8) -> Key {
    Key {
        target: Target::Address {
            at: Endpoint::new([192, 0, 2, last].into(), 80),
            protocol: Some(Protocol::Tcp),
        },
        sequence: 0,
    }
}

pub(crate) fn service(vip: u8, reals: Vec<Real>) -> Service {
    Service {
        key: key(vip),
        protocol: Some(Protocol::Tcp),
        family: Some(base::Family::V4),
        scheduler: Scheduler::Rr,
        flags: SchedulerFlags::empty(),
        one_packet: false,
        persistence: None,
        granularity: None,
        engine: None,
        quorum: NonZeroU32::new(1).unwrap(),
        hysteresis: 0,
        omega: false,
        ha_suspend: false,
        smtp_alert: None,
        snmp_name: None,
        reals,
        sorry: None,
    }
}

pub(crate) fn tcp(last: u8) -> Probe {
    Probe {
        pace: Pace {
            delay_loop: LOOP,
            retry: 1,
            delay_before_retry: Duration::from_secs(2),
            warmup: Duration::ZERO,
        },
        alpha: false,
        log_all_failures: false,
        dialogue: Dialogue::Tcp(Connection {
            address: at(last).address,
            port: 80,
            timeout: Duration::from_secs(5),
            from: None,
        }),
    }
}

pub(crate) fn misc(command: &str) -> Probe {
    Probe {
        dialogue: Dialogue::Misc(Misc {
            command: CommandName(command.into()),
            timeout: Duration::from_secs(5),
            dynamic: true,
        }),
        pace: Pace {
            retry: 0,
            ..tcp(0).pace
        },
        ..tcp(0)
    }
}

/// A virtual server all of whose real servers have these checks.
pub(crate) fn server(service: Service, check: impl Fn(Endpoint) -> Vec<Check>) -> (Key, Server) {
    let checks = service.reals.iter().map(|real| (real.at, check(real.at))).collect();
    let key = service.key.clone();
    let service = Arc::new(service);
    (key, Server { service, checks })
}

/// The same with one TCP check each.
pub(crate) fn with_tcp(service: Service) -> (Key, Server) {
    server(service, |at| {
        let std::net::IpAddr::V4(address) = at.address else {
            return vec![];
        };
        vec![Check::Probe(tcp(address.octets()[3]))]
    })
}

pub(crate) fn config(servers: impl IntoIterator<Item = (Key, Server)>) -> Config {
    Config {
        servers: servers.into_iter().collect(),
        ..Config::default()
    }
}

/// A director and the time.
pub(crate) struct Play {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    pub(crate) asked: Vec<(Ticket, Arc<Probe>)>,
    pub(crate) said: Vec<String>,
    pub(crate) told: Vec<Notice>,
    pub(crate) forgotten: Vec<Ticket>,
}

impl Play {
    pub(crate) fn new(config: Config) -> Play {
        let mut play = Play {
            engine: Engine::new(7),
            now: Instant::from_micros(1_000_000),
            asked: vec![],
            said: vec![],
            told: vec![],
            forgotten: vec![],
        };
        play.reload(config);
        play
    }

    pub(crate) fn reload(&mut self, config: Config) {
        let mut out = vec![];
        self.engine.reconfigure(self.now, config, &mut out);
        self.take(out);
    }

    pub(crate) fn take(&mut self, out: Vec<Action>) {
        for action in out {
            match action {
                Action::Ask { ticket, probe, .. } => self.asked.push((ticket, probe)),
                Action::Forget(ticket) => self.forgotten.push(ticket),
                Action::Log(_, text) => self.said.push(text),
                Action::Tell(notice) => self.told.push(notice),
            }
        }
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        let mut out = vec![];
        self.engine.handle(self.now, input, &mut out);
        self.take(out);
    }

    /// Lets time pass until something is due.
    pub(crate) fn pass(&mut self) {
        self.now = self.engine.deadline().expect("something is due").max(self.now);
        self.input(Input::DeadlineReached);
    }

    /// Answers everything that is asked, as it is said.
    pub(crate) fn answer(&mut self, mut answer: impl FnMut(&Probe) -> (Answer, Option<u8>)) {
        for (ticket, probe) in std::mem::take(&mut self.asked) {
            let (answer, weight) = answer(&probe);
            self.input(Input::Answered {
                ticket,
                answer,
                reason: "failed",
                weight,
            });
        }
    }

    /// One round of checks in which exactly these servers are well.
    pub(crate) fn round(&mut self, well: &[u8]) {
        self.pass();
        self.answer(|probe| {
            let Dialogue::Tcp(connection) = &probe.dialogue else {
                return (Answer::Bad, None);
            };
            let well = well.iter().any(|last| at(*last).address == connection.address);
            (if well { Answer::Good } else { Answer::Bad }, None)
        });
    }

    /// The destinations of a virtual server with their weights.
    pub(crate) fn pool(&self, vip: u8) -> Vec<(u8, u32)> {
        let table = self.engine.table();
        let of = |last: u8| Endpoint::new([192, 0, 2, last].into(), 80);
        let pool = table.pools.iter().find(|(service, _)| match service {
            lvs::table::Virtual::Address { at, .. } => *at == of(vip),
            lvs::table::Virtual::Mark { .. } => false,
        });
        let last = |at: &Endpoint| match at.address {
            std::net::IpAddr::V4(address) => address.octets()[3],
            std::net::IpAddr::V6(_) => 0,
        };
        let pool = pool.map(|(_, pool)| pool.destinations.iter().map(|(at, to)| (last(at), to.weight)).collect());
        pool.unwrap_or_default()
    }
}
