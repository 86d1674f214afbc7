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
    let unwanted = ours.iter().filter(|service| !desired.pools.contains_key(service));
    plan_part(desired.pools.keys().chain(unwanted), observed, desired, ours)
}

/// The steps of these services alone, each of which is named once.
pub fn plan_part<'s>(
    services: impl IntoIterator<Item = &'s Virtual>,
    observed: &Table,
    desired: &Table,
    ours: &BTreeSet<Virtual>,
) -> Vec<Step> {
    let (mut steps, mut removals, mut unwanted) = (Vec::new(), Vec::new(), Vec::new());
    for &service in services {
        match (observed.pools.get(&service), desired.pools.get(&service)) {
            (None, Some(wanted)) => {
                steps.push(Step::AddService(service, wanted.definition.clone()));
                let destinations = wanted.destinations.iter();
                steps.extend(destinations.map(|(&at, &wanted)| Step::AddDestination(service, at, wanted)));
            }
            (Some(found), Some(wanted)) => within(service, found, wanted, &mut steps, &mut removals),
            (Some(_), None) if ours.contains(&service) => unwanted.push(Step::RemoveService(service)),
            (Some(_) | None, None) => {}
        }
    }
    steps.append(&mut removals);
    steps.append(&mut unwanted);
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
