//! What must hold on a segment.

use super::Sim;
use crate::action::StateName;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

impl Sim {
    /// What must hold once a healthy segment has settled: for each virtual router exactly one master among the
    /// routers that run, and each address exactly where its master is.
    pub fn settled(&self) -> Result<(), String> {
        self.addresses_are_with_masters()?;
        let mut masters: BTreeMap<(u8, bool), u32> = BTreeMap::new();
        for router in self.routers.values() {
            for status in router.engine.iter().flat_map(crate::engine::Engine::status) {
                let vrid = (status.config.vrid.0.get(), status.config.family == base::Family::V6);
                *masters.entry(vrid).or_default() += u32::from(status.state == StateName::Master);
            }
        }
        match masters.iter().find(|(_, count)| **count != 1) {
            Some(((vrid, _), count)) => Err(format!("virtual router {vrid} has {count} masters")),
            None => Ok(()),
        }
    }

    /// What must hold whenever nothing is under way: a router has the addresses of the instances that are master on it, and
    /// no others.
    pub fn addresses_are_with_masters(&self) -> Result<(), String> {
        // What a frozen one has under way stays under way.
        for (name, router) in self.routers.iter().filter(|(_, router)| !router.frozen) {
            let Some(engine) = &router.engine else {
                continue;
            };
            for status in engine.status() {
                let master = status.state == StateName::Master;
                for address in status.config.addresses.iter().chain(&status.config.excluded) {
                    let held = router.kernel.keys().any(|key| *key == address.key());
                    let dropped = router.kernel.drops(address.prefix.address());
                    let should = master && status.config.drops_packets() && !router.kernel.unfiltered;
                    if dropped != should {
                        return Err(format!(
                            "{name} is {}, packets to {} dropped: {dropped}",
                            status.state,
                            address.key()
                        ));
                    }
                    if held != master {
                        let word = if held { "holds" } else { "does not hold" };
                        return Err(format!("{name} is {} and {word} {}", status.state, address.key()));
                    }
                }
            }
        }
        Ok(())
    }

    /// What must hold soon after a master is lost: each virtual router has a master, with its addresses, among the routers
    /// that run and can be reached.
    pub fn is_served(&self) -> Result<(), String> {
        let reachable = self.routers.values().filter(|router| !router.frozen && !router.cut);
        let mut served: BTreeMap<(u8, bool), bool> = BTreeMap::new();
        for router in reachable {
            for status in router.engine.iter().flat_map(crate::engine::Engine::status) {
                let vrid = (status.config.vrid.0.get(), status.config.family == base::Family::V6);
                let mut addresses = status.config.addresses.iter();
                let held = addresses.all(|address| router.kernel.keys().any(|key| *key == address.key()));
                *served.entry(vrid).or_default() |= held && status.state == StateName::Master;
            }
        }
        match served.iter().find(|(_, served)| !**served) {
            Some(((vrid, _), _)) => Err(format!("virtual router {vrid} has no master with its addresses")),
            None => Ok(()),
        }
    }

    /// What must hold once a segment has settled: the members of a sync group are what the group is.
    pub fn groups_agree(&self) -> Result<(), String> {
        for (name, router) in &self.routers {
            let Some(engine) = router.engine.as_ref().filter(|_| !router.frozen) else {
                continue;
            };
            for group in engine.groups() {
                for member in &group.config.members {
                    let state = engine.status_of(member).map(|status| status.state);
                    if state.is_some_and(|state| state != group.state) {
                        let states = format!("{} and its member {member} {state:?}", group.state);
                        return Err(format!("on {name} the group {} is {states}", group.config.name));
                    }
                }
            }
        }
        Ok(())
    }

    /// What must hold for a router that was stopped: it has ended, and nothing is left of it.
    pub fn is_clean(&self, name: &str) -> Result<(), String> {
        let Some(router) = self.routers.get(name) else {
            return Ok(());
        };
        if router.engine.is_some() {
            return Err(format!("{name} was stopped and still runs"));
        }
        if let Some(key) = router.kernel.keys().next() {
            return Err(format!("{name} was stopped and left {key}"));
        }
        match router.kernel.filter.parts.first() {
            Some(part) => Err(format!("{name} was stopped and left rules for {part}")),
            None => Ok(()),
        }
    }

    /// What must always hold: no endless loop, and no address that accepts packets where none may.
    pub fn is_sane(&self) -> Result<(), String> {
        let wrong = |line: &&String| line.ends_with("** endless loop") || line.ends_with("are not dropped");
        match self.timeline.iter().find(wrong) {
            Some(line) => Err(line.clone()),
            None => Ok(()),
        }
    }
}
