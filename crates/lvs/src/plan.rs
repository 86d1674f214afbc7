//! The steps from the table there is to the table there should be.

use crate::config::Endpoint;
use crate::table::{Definition, Destination, Pool, Table, Virtual};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// One change of the kernel's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A service that is not there.
    AddService(Virtual, Definition),
    /// A service that is treated differently.
    EditService(Virtual, Definition),
    /// A service that is ours and wanted no more; its destinations go with it.
    RemoveService(Virtual),
    /// A destination that is not there.
    AddDestination(Virtual, Endpoint, Destination),
    /// A destination that is treated differently.
    EditDestination(Virtual, Endpoint, Destination),
    /// A destination that is wanted no more.
    RemoveDestination(Virtual, Endpoint),
}

/// The steps that turn `observed` into `desired`, additions before removals.
///
/// A service is ours if it is desired, or if it is among `ours`: those we set up before. Others are never touched, and a
/// desired one that is already there is taken over with what is right about it.
pub fn plan(observed: &Table, desired: &Table, ours: &BTreeSet<Virtual>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut removals = Vec::new();
    for (&service, wanted) in &desired.pools {
        match observed.pools.get(&service) {
            None => {
                steps.push(Step::AddService(service, wanted.definition.clone()));
                let destinations = wanted.destinations.iter();
                steps.extend(destinations.map(|(&at, &wanted)| Step::AddDestination(service, at, wanted)));
            }
            Some(found) => within(service, found, wanted, &mut steps, &mut removals),
        }
    }
    let unwanted = ours.iter().filter(|service| !desired.pools.contains_key(service));
    let unwanted = unwanted.filter(|service| observed.pools.contains_key(service));
    steps.append(&mut removals);
    steps.extend(unwanted.map(|&service| Step::RemoveService(service)));
    steps
}

/// The steps within a service that is there.
fn within(service: Virtual, found: &Pool, wanted: &Pool, steps: &mut Vec<Step>, removals: &mut Vec<Step>) {
    if found.definition != wanted.definition {
        steps.push(Step::EditService(service, wanted.definition.clone()));
    }
    for (&at, &wanted) in &wanted.destinations {
        match found.destinations.get(&at) {
            None => steps.push(Step::AddDestination(service, at, wanted)),
            Some(found) if *found != wanted => steps.push(Step::EditDestination(service, at, wanted)),
            Some(_) => {}
        }
    }
    let gone = found
        .destinations
        .keys()
        .filter(|at| !wanted.destinations.contains_key(at));
    removals.extend(gone.map(|&at| Step::RemoveDestination(service, at)));
}
