//! What dumps and the operator's tool may read.

use super::Engine;
use crate::action::StateName;
use crate::cause::{Cause, Succession};
use crate::config::{Config, Group, Name, Priority, Wanted};
use crate::counters::Counters;
use crate::election::State;
use crate::holdings::{Holdings, Item};
use crate::track::{ProcessRun, ScriptRun, Sum};
use crate::waiting::Waiting;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::Instant;
use core::net::IpAddr;
use core::time::Duration;

/// What the engine counts that belongs to no instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineCounters {
    /// Packets too short to be read.
    pub malformed: u64,
    /// Packets for virtual routers nobody here has.
    pub unknown_vrid: u64,
}

/// One instance, seen from outside.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its name.
    pub name: Name,
    /// What it was told to be.
    pub config: Arc<Config>,
    /// Its state.
    pub state: StateName,
    /// Its effective priority.
    pub priority: Priority,
    /// What brought it into its state.
    pub cause: Cause,
    /// Why it is, or would be, the next master.
    pub succession: Succession,
    /// Since when it takes part in the election; `None`: it does not.
    pub takes_part_since: Option<Instant>,
    /// Since when it is in this state.
    pub since: Instant,
    /// What it waits for in FAULT.
    pub waiting: Vec<Waiting>,
    /// The master a backup believes, or its own address while it is master.
    pub master: Option<IpAddr>,
    /// The priority that master has.
    pub master_priority: Option<Priority>,
    /// The interval a backup waits by.
    pub master_interval: Duration,
    /// Where its adverts come from.
    pub source: Option<IpAddr>,
    /// Whether each of its addresses is there: those of the adverts, then the excluded ones.
    pub held: Vec<bool>,
    /// Whether each of its routes is there.
    pub routes_held: Vec<bool>,
    /// Whether each of its rules is there.
    pub rules_held: Vec<bool>,
    /// How its effective priority comes about.
    pub sum: Sum,
    /// What it counted.
    pub counters: Counters,
}

/// A sync group, seen from outside.
#[derive(Clone, Debug)]
pub struct GroupStatus {
    /// Its name and members.
    pub config: Arc<Group>,
    /// Its state as it was told last.
    pub state: StateName,
}

impl Status {
    /// Whether the addresses are with us.
    pub fn holds(&self) -> bool {
        self.state == StateName::Master
    }

    /// What it means to be: what it is, or what it was told to begin as.
    pub fn wants(&self) -> StateName {
        match (self.state, self.config.wanted) {
            (StateName::Master | StateName::Backup, _) => self.state,
            (_, Wanted::Master) => StateName::Master,
            (_, Wanted::Backup) => StateName::Backup,
        }
    }
}

impl Engine {
    /// The tracked processes by name, as they are counted.
    pub fn processes(&self) -> impl Iterator<Item = (&Name, &ProcessRun)> {
        self.conditions.processes()
    }

    /// A script as its results are judged.
    pub fn script(&self, name: &Name) -> Option<&ScriptRun> {
        self.conditions.script(name)
    }

    /// The number in a tracked file; `None`: not read yet, or not tracked.
    pub fn file(&self, name: &Name) -> Option<i32> {
        self.conditions.file(name)
    }

    /// All instances by name.
    pub fn status(&self) -> Vec<Status> {
        let slots = self.names.values();
        slots.filter_map(|slot| self.status_of_slot(*slot)).collect()
    }

    /// All sync groups by name.
    pub fn groups(&self) -> Vec<GroupStatus> {
        let runs = self.groups.values();
        let status = runs.map(|run| GroupStatus {
            config: Arc::clone(&run.config),
            state: run.state,
        });
        status.collect()
    }

    /// One instance.
    pub fn status_of(&self, name: &Name) -> Option<Status> {
        self.names.get(name).and_then(|slot| self.status_of_slot(*slot))
    }

    /// Sets every counter to zero.
    pub fn clear_counters(&mut self) {
        self.counters = EngineCounters::default();
        for slot in self.names.values() {
            if let Some(instance) = self.instances.get_mut(*slot) {
                instance.ears.counters = crate::counters::Counters::default();
            }
        }
    }

    /// What belongs to no instance.
    pub fn counters(&self) -> EngineCounters {
        self.counters
    }

    fn status_of_slot(&self, slot: super::slots::Slot) -> Option<Status> {
        let instance = self.instances.get(slot)?;
        let election = &instance.election;
        let (master, master_priority) = match election.state() {
            State::Backup { master, .. } => (master.map(|m| m.address), master.map(|m| m.priority)),
            State::Master { .. } => (instance.place.source, Some(election.effective())),
            State::Init | State::Fault | State::Stopped => (None, None),
        };
        Some(Status {
            name: instance.config.name.clone(),
            config: Arc::clone(&instance.config),
            state: election.state().name(),
            cause: instance.cause.clone(),
            succession: instance.succession,
            takes_part_since: instance.takes_part_since,
            priority: election.effective(),
            since: instance.since,
            waiting: instance.waiting.iter().cloned().collect(),
            master,
            master_priority,
            master_interval: election.master_interval(),
            source: instance.place.source,
            held: instance.keys().map(|key| self.holdings.is_installed(&key)).collect(),
            routes_held: held(&self.routing.routes, &instance.routes),
            rules_held: held(&self.routing.rules, &instance.rules),
            sum: Sum {
                effective: election.effective(),
                ..instance.sum.clone()
            },
            counters: instance.ears.counters,
        })
    }
}

fn held<T: Item>(holdings: &Holdings<T>, items: &[Arc<T>]) -> Vec<bool> {
    let is_there = |item| holdings.is_installed(&T::key(item));
    items.iter().map(is_there).collect()
}
