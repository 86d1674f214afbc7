//! A virtual server that runs: who of its real servers takes part, and whether that is enough.
//!
//! Decides from the results of checks which destinations a virtual server has now (`spec/lvs-behaviour.md` 2 and 3). A
//! weight is always computed from the configuration and the present results, never from an earlier weight. It does not
//! know how results come about, nor what the kernel holds: that is [`crate::plan`]'s.

use crate::config::{Endpoint, Real, Service, WEIGHT_MAX};
use crate::event::Event;
use crate::table::Destination;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What the checks of a real server say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// No check says it is down.
    pub up: bool,
    /// What checks add to its weight, all together; negative: what they take away.
    pub contribution: i64,
}

impl Standing {
    /// A real server nobody complains about.
    pub const UP: Standing = Standing {
        up: true,
        contribution: 0,
    };
    /// What checks say together, each whether it takes the server for up and what it adds to the weight: one that says
    /// down is enough, and only the others add.
    pub fn of(checks: impl IntoIterator<Item = (bool, i64)>) -> Standing {
        checks
            .into_iter()
            .fold(Standing::UP, |all, (up, contribution)| Standing {
                up: all.up && up,
                contribution: all.contribution.saturating_add(if up { contribution } else { 0 }),
            })
    }

    /// A real server that is down.
    pub const DOWN: Standing = Standing {
        up: false,
        contribution: 0,
    };
}

/// The weight of a sorry server.
const SORRY_WEIGHT: u32 = 1;

/// The weight a real server has in the kernel while it is up.
pub fn weight(real: &Real, standing: Standing) -> u32 {
    let sum = i64::from(real.weight).saturating_add(standing.contribution);
    u32::try_from(sum.clamp(0, i64::from(WEIGHT_MAX))).unwrap_or(0)
}

/// A virtual server that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    config: Arc<Service>,
    standings: BTreeMap<Endpoint, Standing>,
    quorum: bool,
}

impl Running {
    /// Begins with what is known of the real servers; those not named are up.
    pub fn start(config: Arc<Service>, standings: BTreeMap<Endpoint, Standing>, out: &mut Vec<Event>) -> Running {
        let mut running = Running {
            config,
            standings: BTreeMap::new(),
            quorum: false,
        };
        running.take_standings(standings);
        let weight = running.total_weight();
        running.quorum = running.reaches(weight);
        out.push(Event::Quorum {
            up: running.quorum,
            at_start: true,
            weight,
        });
        if running.is_sorry() {
            out.push(Event::SorryAdded);
        }
        running
    }

    /// Its configuration.
    pub const fn config(&self) -> &Arc<Service> {
        &self.config
    }

    /// Whether there is a quorum.
    pub const fn has_quorum(&self) -> bool {
        self.quorum
    }

    /// What is known of a real server; `None` if there is no such one.
    pub fn standing(&self, at: Endpoint) -> Option<Standing> {
        self.standings.get(&at).copied()
    }

    /// Whether the sorry server answers.
    pub fn is_sorry(&self) -> bool {
        !self.quorum && self.config.sorry.is_some()
    }

    /// The total weight of the real servers that are up.
    pub fn total_weight(&self) -> u64 {
        let up = self.config.reals.iter().map(|real| (real, self.of(real)));
        up.filter(|(_, standing)| standing.up)
            .map(|(real, standing)| u64::from(weight(real, standing)))
            .sum()
    }

    /// What checks say of a real server now. One that does not exist is ignored: it may have gone with a reload.
    pub fn set(&mut self, at: Endpoint, standing: Standing, out: &mut Vec<Event>) {
        let config = Arc::clone(&self.config);
        let Some(real) = config.reals.iter().find(|real| real.at == at) else {
            return;
        };
        let before = self.of(real);
        self.standings.insert(at, standing);
        let (from, to) = (weight(real, before), weight(real, standing));
        if from != to {
            let active = before.up && standing.up && !self.is_sorry();
            out.push(Event::Weight { at, from, to, active });
        }
        match (before.up, standing.up) {
            (false, true) => out.push(Event::RealUp(at)),
            (true, false) => out.push(Event::RealDown(at)),
            (true, true) | (false, false) => {}
        }
        self.judge(out);
    }

    /// Goes on with another configuration: what is known of real servers that stay is kept, and so is the quorum.
    /// `standings` is for those that are new.
    pub fn reconfigure(&mut self, config: Arc<Service>, standings: BTreeMap<Endpoint, Standing>, out: &mut Vec<Event>) {
        let was_sorry = self.is_sorry();
        let before = core::mem::replace(&mut self.config, config);
        let weights: BTreeMap<Endpoint, u32> = before
            .reals
            .iter()
            .map(|real| (real.at, weight(real, self.of(real))))
            .collect();
        let known = core::mem::take(&mut self.standings);
        self.take_standings(standings.into_iter().chain(known).collect());
        for real in &self.config.reals {
            let (standing, at) = (self.of(real), real.at);
            let to = weight(real, standing);
            if let Some(&from) = weights.get(&at).filter(|from| **from != to) {
                let active = standing.up && !was_sorry;
                out.push(Event::Weight { at, from, to, active });
            }
        }
        match (was_sorry, self.is_sorry()) {
            (true, false) => out.push(Event::AliveAdded),
            (false, true) => out.extend([Event::AliveRemoved, Event::SorryAdded]),
            (true, true) | (false, false) => {}
        }
        self.judge(out);
    }

    fn take_standings(&mut self, mut standings: BTreeMap<Endpoint, Standing>) {
        let config = Arc::clone(&self.config);
        let of = |real: &Real| (real.at, standings.remove(&real.at).unwrap_or(Standing::UP));
        self.standings = config.reals.iter().map(of).collect();
    }

    fn of(&self, real: &Real) -> Standing {
        self.standings.get(&real.at).copied().unwrap_or(Standing::UP)
    }

    fn reaches(&self, weight: u64) -> bool {
        weight >= u64::from(self.config.quorum.get()) + u64::from(self.config.hysteresis)
    }

    fn keeps(&self, weight: u64) -> bool {
        let least = u64::from(self.config.quorum.get()).saturating_sub(u64::from(self.config.hysteresis));
        weight > 0 && weight >= least
    }

    /// Whether the quorum is gained or lost, and what follows.
    fn judge(&mut self, out: &mut Vec<Event>) {
        let weight = self.total_weight();
        let up = if self.quorum {
            self.keeps(weight)
        } else {
            self.reaches(weight)
        };
        if up == self.quorum {
            return;
        }
        self.quorum = up;
        out.push(Event::Quorum {
            up,
            at_start: false,
            weight,
        });
        if self.config.sorry.is_some() {
            out.extend(if up {
                [Event::SorryRemoved, Event::AliveAdded]
            } else {
                [Event::AliveRemoved, Event::SorryAdded]
            });
        }
    }

    /// The destinations the virtual server has now, each once. Ports are those of the configuration; 0: that of the
    /// service.
    pub fn destinations(&self) -> Vec<(Endpoint, Destination)> {
        let is_sorry = self.is_sorry();
        let mut all = Vec::with_capacity(self.config.reals.len() + 1);
        let sorry = self.config.sorry.as_ref();
        if let Some(sorry) = sorry.filter(|_| is_sorry) {
            all.push((sorry.at, plain(sorry.forwarding, SORRY_WEIGHT)));
        }
        for real in &self.config.reals {
            let standing = self.of(real);
            let weight = match (standing.up && !is_sorry, real.inhibit_on_failure) {
                (true, _) => weight(real, standing),
                (false, true) => 0,
                (false, false) => continue,
            };
            // A sorry server that is one of them has no entry of its own.
            if !(is_sorry && sorry.is_some_and(|sorry| sorry.at == real.at)) {
                all.push((real.at, destination(real, weight)));
            }
        }
        if let Some(sorry) = sorry.filter(|sorry| sorry.inhibit && !is_sorry)
            && !all.iter().any(|(at, _)| *at == sorry.at)
        {
            all.push((sorry.at, plain(sorry.forwarding, 0)));
        }
        all
    }
}

const fn destination(real: &Real, weight: u32) -> Destination {
    Destination {
        forwarding: real.forwarding,
        weight,
        upper_threshold: real.upper_threshold,
        lower_threshold: real.lower_threshold,
    }
}

const fn plain(forwarding: crate::config::Forwarding, weight: u32) -> Destination {
    Destination {
        forwarding,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}
