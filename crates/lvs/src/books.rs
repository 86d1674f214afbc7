//! The books about the kernel's table: what it has as far as we know, what it should have, and what of it is ours.
//!
//! Decides which steps follow from a wish, and which from a look at the table. It knows neither how a step is carried out nor
//! when somebody looks: it is told what came of both.

use crate::plan::{Step, plan, plan_part};
use crate::table::{Pool, Table, Virtual};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// The books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// What the kernel has, as far as we know.
    believed: Table,
    /// What it should have.
    desired: Table,
    /// Services that are ours to change and remove.
    ours: BTreeSet<Virtual>,
}

impl Books {
    /// What the kernel has of ours, as far as we know.
    pub const fn believed(&self) -> &Table {
        &self.believed
    }

    /// What it should have.
    pub const fn desired(&self) -> &Table {
        &self.desired
    }

    /// Services that are ours to change and remove.
    pub const fn ours(&self) -> &BTreeSet<Virtual> {
        &self.ours
    }

    /// This service is ours, whoever made it.
    pub fn claim(&mut self, service: Virtual) {
        self.ours.insert(service);
    }

    /// These services should be another part of the table from now on.
    pub fn wish(&mut self, scope: &BTreeSet<Virtual>, mut part: Table) {
        for service in scope {
            match part.pools.remove(service) {
                Some(pool) => {
                    self.ours.insert(*service);
                    self.desired.pools.insert(*service, pool);
                }
                None => drop(self.desired.pools.remove(service)),
            }
        }
    }

    /// The steps that these services need, as far as we know.
    pub fn steps(&self, scope: &BTreeSet<Virtual>) -> Vec<Step> {
        plan_part(scope, &self.believed, &self.desired, &self.ours)
    }

    /// Somebody has looked: that is what the kernel has of our services. The steps that follow.
    pub fn looked(&mut self, observed: Table) -> Vec<Step> {
        self.believed = observed;
        plan(&self.believed, &self.desired, &self.ours)
    }

    /// What is neither wanted nor there is ours no longer. To be called when the steps that followed from a look were carried
    /// out, as far as they could be.
    pub fn settle(&mut self) {
        let (believed, desired) = (&self.believed, &self.desired);
        self.ours
            .retain(|service| desired.pools.contains_key(service) || believed.pools.contains_key(service));
    }

    /// Whether nothing of ours is there that is not wanted.
    pub fn is_clean(&self) -> bool {
        let is_there = |service| self.believed.pools.contains_key(service);
        let is_wanted = |service| self.desired.pools.contains_key(service);
        self.ours.iter().all(|service| is_wanted(service) || !is_there(service))
    }

    /// The kernel has carried out a step.
    pub fn done(&mut self, step: &Step) {
        carry_out(&mut self.believed, step);
    }
}

/// What becomes of a table by a step.
pub fn carry_out(table: &mut Table, step: &Step) {
    match step {
        Step::AddService(service, definition) | Step::EditService(service, definition) => {
            let pool = table.pools.entry(*service).or_insert_with(|| Pool {
                definition: definition.clone(),
                destinations: BTreeMap::new(),
            });
            pool.definition.clone_from(definition);
        }
        Step::RemoveService(service) => drop(table.pools.remove(service)),
        Step::AddDestination(service, at, to) | Step::EditDestination(service, at, to) => {
            if let Some(pool) = table.pools.get_mut(service) {
                pool.destinations.insert(*at, *to);
            }
        }
        Step::RemoveDestination(service, at) => {
            if let Some(pool) = table.pools.get_mut(service) {
                pool.destinations.remove(at);
            }
        }
    }
}

impl Step {
    /// The service that it is about.
    pub const fn service(&self) -> Virtual {
        match self {
            Step::AddService(service, _)
            | Step::EditService(service, _)
            | Step::RemoveService(service)
            | Step::AddDestination(service, ..)
            | Step::EditDestination(service, ..)
            | Step::RemoveDestination(service, _) => *service,
        }
    }
}
