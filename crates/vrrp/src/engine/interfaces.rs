//! The interfaces as the kernel reports them, and which of their addresses are not virtual.
//!
//! Decides which addresses may be a source: none that is a virtual address of ours on that interface or left over there
//! from an earlier run. The address of an owner that serves it from a VMAC is both, on two interfaces. Deliberately does
//! not know instances.

use crate::input::InterfaceFacts;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use base::{Family, IfIndex, IfName};
use core::net::IpAddr;

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: IfName,
    pub(crate) facts: InterfaceFacts,
    own4: Vec<IpAddr>,
    own6: Vec<IpAddr>,
    /// Not used as a source unasked, but it may be configured as one.
    global6: Vec<IpAddr>,
}

impl Interface {
    /// The addresses that may be the source of adverts, the preferred one first.
    pub(crate) fn usable(&self, family: Family) -> impl Iterator<Item = IpAddr> {
        let list = match family {
            Family::V4 => &self.own4,
            Family::V6 => &self.own6,
        };
        list.iter().copied()
    }

    /// Whether packets can pass: switched on, and a carrier.
    pub(crate) fn is_up(&self) -> bool {
        self.facts.up && self.facts.running
    }

    /// Whether the interface has this address, virtual or not.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => self.facts.ipv4.contains(&a),
            IpAddr::V6(a) => self.facts.link_local.contains(&a) || self.facts.ipv6.contains(&a),
        }
    }

    /// Whether something instances look at differs. Lists of addresses matter only by what is usable, so that an
    /// address of ours that comes or goes disturbs nobody.
    fn matters_like(&self, other: &Interface) -> bool {
        let flags = |i: &Interface| {
            let f = &i.facts;
            (
                f.index,
                f.mac,
                f.mtu,
                f.up,
                f.running,
                f.multicast,
                f.noarp,
                f.forwarding6,
            )
        };
        let lists = |i: &Interface| (i.own4.clone(), i.own6.clone(), i.global6.clone());
        flags(self) == flags(other) && lists(self) == lists(other)
    }
}

/// How an interface changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// In nothing that matters.
    Nothing,
    /// In something.
    Something,
    /// It is gone, or another one has its name.
    Replaced,
}

/// All interfaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interfaces {
    by_name: BTreeMap<IfName, Interface>,
    virtual_addresses: BTreeSet<(IfName, IpAddr)>,
    /// Of an earlier run, until they are gone.
    leftover: BTreeSet<(IfName, IpAddr)>,
}

impl Interfaces {
    /// An interface by name.
    pub(crate) fn get(&self, name: &IfName) -> Option<&Interface> {
        self.by_name.get(name)
    }

    /// The kernel's number of an interface.
    pub(crate) fn index(&self, name: &IfName) -> Option<IfIndex> {
        self.get(name).map(|interface| interface.facts.index)
    }

    /// The name of an interface, for messages.
    pub(crate) fn name(&self, index: IfIndex) -> Option<IfName> {
        let found = self.by_name.values().find(|i| i.facts.index == index);
        found.map(|interface| interface.name)
    }

    /// Takes in what the kernel says of an interface.
    pub(crate) fn update(&mut self, name: IfName, facts: Option<InterfaceFacts>) -> Change {
        let Some(facts) = facts else {
            return match self.by_name.remove(&name) {
                Some(_) => Change::Replaced,
                None => Change::Nothing,
            };
        };
        let interface = self.judged(name, facts);
        let change = match self.by_name.get(&name) {
            Some(known) if known.facts.index != interface.facts.index => Change::Replaced,
            Some(known) if known.matters_like(&interface) => Change::Nothing,
            Some(_) | None => Change::Something,
        };
        self.by_name.insert(name, interface);
        change
    }

    /// An address of an earlier run is gone. What interfaces have now is told with their next news.
    pub(crate) fn forget_leftover(&mut self, interface: IfName, address: IpAddr) {
        self.leftover.remove(&(interface, address));
    }

    /// Sets which addresses are virtual or of an earlier run, and where. True if the usable addresses of an interface
    /// changed.
    pub(crate) fn set_virtual(
        &mut self,
        addresses: BTreeSet<(IfName, IpAddr)>,
        leftover: BTreeSet<(IfName, IpAddr)>,
    ) -> bool {
        if addresses == self.virtual_addresses && leftover == self.leftover {
            return false;
        }
        self.virtual_addresses = addresses;
        self.leftover = leftover;
        let known = core::mem::take(&mut self.by_name);
        let mut changed = false;
        for (name, interface) in known {
            let judged = self.judged(name, interface.facts.clone());
            changed |= judged != interface;
            self.by_name.insert(name, judged);
        }
        changed
    }

    fn judged(&self, name: IfName, facts: InterfaceFacts) -> Interface {
        let own = |address: &IpAddr| {
            let here = (name, *address);
            !self.virtual_addresses.contains(&here) && !self.leftover.contains(&here)
        };
        Interface {
            name,
            own4: facts.ipv4.iter().map(|a| IpAddr::V4(*a)).filter(own).collect(),
            own6: facts.link_local.iter().map(|a| IpAddr::V6(*a)).filter(own).collect(),
            global6: facts.ipv6.iter().map(|a| IpAddr::V6(*a)).filter(own).collect(),
            facts,
        }
    }
}
