//! The table the kernel should have, whole or in part.

use super::{Balanced, Engine};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use lvs::config::{Endpoint, Entry, Group};
use lvs::config::{GroupName, Key, Nftables, Protocol, Target};
use lvs::marks::Marks;
use lvs::table::{Services, Table, Virtual};

/// A group, and the mark that stands for its addresses in a protocol.
pub type Marked<'a> = (&'a Group, Protocol, u32);

impl Engine {
    /// The table as it should be.
    pub fn table(&self) -> Table {
        let mut table = Table::default();
        for server in self.servers.values() {
            let destinations = server.running.destinations();
            table.add(server.running.config(), &server.services, &destinations);
        }
        table
    }

    /// Real servers that are not at work in a table that has their virtual server: whoever set it up took them for down.
    pub fn not_at_work(&self, found: &Table) -> BTreeSet<(Key, Endpoint)> {
        let mut absent = BTreeSet::new();
        for (key, server) in &self.servers {
            let services = Services {
                // All services of a virtual server have the same destinations.
                all: server.services.all.iter().take(1).copied().collect(),
                left_out: false,
            };
            for (at, destination) in server.running.destinations() {
                let mut alone = Table::default();
                alone.add(server.running.config(), &services, &[(at, destination)]);
                let missing = alone.pools.iter().any(|(service, pool)| {
                    let Some(found) = found.pools.get(service) else {
                        return false;
                    };
                    let works = |at| found.destinations.get(at).is_some_and(|found| found.weight > 0);
                    pool.destinations
                        .iter()
                        .any(|(at, wanted)| wanted.weight > 0 && !works(at))
                });
                if missing {
                    absent.insert((key.clone(), at));
                }
            }
        }
        absent
    }

    /// What of the table may be another one since the last call: services, and their part of it.
    pub fn take_part(&mut self) -> Option<(BTreeSet<Virtual>, Table)> {
        let changed = core::mem::take(&mut self.changed);
        let left = core::mem::take(&mut self.left);
        if changed.is_empty() && left.is_empty() {
            return None;
        }
        let of = |key: &Key| self.servers.get(key).map(|server| server.services.all.iter().copied());
        let scope: BTreeSet<Virtual> = changed.iter().filter_map(of).flatten().chain(left).collect();
        let users: BTreeSet<&Key> = scope
            .iter()
            .filter_map(|service| self.users.get(service))
            .flatten()
            .collect();
        let mut table = Table::default();
        for server in users.into_iter().filter_map(|key| self.servers.get(key)) {
            let all = server.services.all.iter().copied();
            let services = Services {
                all: all.filter(|service| scope.contains(service)).collect(),
                left_out: false,
            };
            table.add(server.running.config(), &services, &server.running.destinations());
        }
        Some((scope, table))
    }

    /// The marks that stand for groups, with the settings of `nftables_ipvs`; `None`: it is not wanted.
    pub fn marks(&self) -> Option<(&Nftables, Vec<Marked<'_>>)> {
        let settings = self.config.settings.nftables.as_ref()?;
        let of = |(name, protocol, mark)| Some((&**self.config.groups.get(name)?, protocol, mark));
        Some((settings, self.marks.iter().filter_map(of).collect()))
    }

    /// Gives marks to the groups of the configuration that can have one.
    pub(super) fn settle_marks(&mut self) {
        let Some(nftables) = self.config.settings.nftables.clone() else {
            self.marks = Marks::default();
            return;
        };
        let mut wanted: BTreeSet<(GroupName, Protocol)> = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for (key, server) in &self.config.servers {
            match &key.target {
                Target::Mark { mark, .. } => drop(taken.insert(*mark)),
                Target::Group(name) => {
                    let fits = |group: &Group| Marks::fits(group.summary.families);
                    if self.config.groups.get(name).is_some_and(|group| fits(group)) {
                        let protocol = server.service.protocol.unwrap_or(Protocol::Udp);
                        wanted.insert((name.clone(), protocol));
                    }
                }
                Target::Address { .. } => {}
            }
        }
        for entry in self.config.groups.values().flat_map(|group| &group.entries) {
            if let Entry::Mark { mark, .. } = entry {
                taken.insert(*mark);
            }
        }
        self.marks.settle(&wanted, nftables.first_mark, &taken);
    }

    /// The services of a virtual server in the kernel.
    pub(super) fn services_of(&self, service: &lvs::Service) -> Services {
        let Target::Group(name) = &service.key.target else {
            return Services::of(service, None);
        };
        let group = self.config.groups.get(name);
        let protocol = service.protocol.unwrap_or(Protocol::Udp);
        match (group, self.marks.get(name, protocol)) {
            (Some(group), Some(mark)) => Services::marked(group, mark),
            (group, _) => Services::of(service, group.map(|group| &**group)),
        }
    }

    /// Which virtual servers use which service.
    pub(super) fn count_users(&mut self) {
        let mut users: BTreeMap<Virtual, BTreeSet<Key>> = BTreeMap::new();
        for (key, Balanced { services, .. }) in &self.servers {
            for service in &services.all {
                users.entry(*service).or_default().insert(key.clone());
            }
        }
        self.users = users;
    }
}
