//! Turns the mirror's links and addresses into what the engine is told of them.
//!
//! Addresses that carry our mark are not part of an interface's facts unless they are static: they are virtual, ours or
//! those of another daemon beside us, and no adverts may come from them. Because of that, taking over thousands of addresses does not
//! change the facts, and costs nothing here.

use crate::log::{Level, Reporter};
use ::vrrp::config::AddressKey;
use ::vrrp::input::{Input, InterfaceFacts};
use base::{Family, IfIndex, IfName};
use linux::interface::{Address, Change, Link, Mirror};
use linux::netlink::KEEPALIVED_MARK;
use linux::{SysError, Turn};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};

/// The mirror, and which of its links the engine has to hear about.
pub(super) struct Watcher {
    mirror: Mirror,
    changes: Vec<Change>,
    dirty: BTreeSet<IfName>,
    /// See [`Watcher::set_statics`].
    statics: BTreeSet<AddressKey>,
    /// See [`Watcher::set_polled`].
    polled: BTreeMap<IfName, bool>,
}

impl Watcher {
    pub(super) fn open() -> Result<Watcher, SysError> {
        Ok(Watcher {
            mirror: Mirror::open()?,
            changes: Vec::new(),
            dirty: BTreeSet::new(),
            statics: BTreeSet::new(),
            polled: BTreeMap::new(),
        })
    }

    /// Makes room for at least so many bytes of reports that are not read yet.
    pub(super) fn reserve(&self, bytes: u32) -> Result<(), SysError> {
        self.mirror.reserve(bytes)
    }

    /// Whether an address is on its interface.
    pub(super) fn has(&self, key: &AddressKey) -> bool {
        self.find(key).is_some()
    }

    /// The other end of an address.
    pub(super) fn peer_of(&self, key: &AddressKey) -> Option<IpAddr> {
        self.find(key)?.peer
    }

    /// The kernel's number of an interface.
    pub(super) fn index_of(&self, name: IfName) -> Option<IfIndex> {
        self.mirror.link_named(name).map(|link| link.index)
    }

    /// The link-local addresses of an interface.
    pub(super) fn link_locals(&self, name: IfName) -> Vec<Ipv6Addr> {
        let addresses = self
            .index_of(name)
            .into_iter()
            .flat_map(|index| self.mirror.addresses(index, Family::V6));
        addresses
            .filter_map(|address| match address.prefix.address() {
                IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
                IpAddr::V4(_) | IpAddr::V6(_) => None,
            })
            .collect()
    }

    /// Addresses with our mark that are static: adverts may come from them.
    pub(super) fn set_statics(&mut self, statics: BTreeSet<AddressKey>) {
        let changed: Vec<IfName> = statics
            .symmetric_difference(&self.statics)
            .map(|key| key.interface)
            .collect();
        self.dirty.extend(changed);
        self.statics = statics;
    }

    /// Interfaces that were asked for their link, which may not be as the kernel reports it.
    pub(super) fn set_polled(&mut self, polled: BTreeMap<IfName, bool>) {
        let names: BTreeSet<IfName> = polled.keys().chain(self.polled.keys()).copied().collect();
        let changed = names
            .into_iter()
            .filter(|name| polled.get(name) != self.polled.get(name));
        self.dirty.extend(changed);
        self.polled = polled;
    }

    /// Whether an interface was asked.
    pub(super) fn is_polled(&self, name: IfName) -> bool {
        self.polled.contains_key(&name)
    }

    /// Whether an interface is switched on and has a link, as the kernel reports it.
    pub(super) fn is_running(&self, name: IfName) -> Option<bool> {
        self.mirror.link_named(name).map(|link| link.up && link.running)
    }

    /// Every interface.
    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        self.mirror.links()
    }

    /// The name of an interface.
    pub(super) fn name_of(&self, index: IfIndex) -> Option<IfName> {
        self.mirror.link(index).map(|link| link.name)
    }

    /// Every address there is, and whether it is one of `recorded` that an earlier run put there: it has our mark, or
    /// the kernel has no marks.
    pub(super) fn observed(&self, recorded: &[AddressKey]) -> Vec<(AddressKey, bool)> {
        let recorded: BTreeSet<&AddressKey> = recorded.iter().collect();
        let families = [Family::V4, Family::V6];
        let places = self
            .mirror
            .links()
            .flat_map(|link| families.map(|family| (link, family)));
        let all = places.flat_map(|(link, family)| {
            let addresses = self.mirror.addresses(link.index, family);
            addresses.map(move |address| (link.name, address))
        });
        all.map(|(interface, address)| {
            let key = AddressKey {
                interface,
                prefix: address.prefix,
            };
            let ours = address.mark == KEEPALIVED_MARK || address.mark == 0;
            (key, ours && recorded.contains(&key))
        })
        .collect()
    }

    fn find(&self, key: &AddressKey) -> Option<&Address> {
        let link = self.mirror.link_named(key.interface)?;
        self.mirror
            .addresses(link.index, key.prefix.family())
            .find(|address| address.prefix == key.prefix)
    }

    /// Tells of every interface there is.
    pub(super) fn introduce(&self, mut tell: impl FnMut(Input<'_>)) {
        for link in self.mirror.links() {
            tell(Input::Interface {
                name: link.name,
                facts: Some(self.facts(link)),
            });
        }
    }

    /// Reads what is new and tells it. With `monitor` every address that comes or goes is logged too (`-a`).
    pub(super) fn read(
        &mut self,
        mut tell: impl FnMut(Input<'_>),
        monitor: Option<&Reporter>,
    ) -> Result<Turn, SysError> {
        let turn = self.mirror.read(&mut self.changes)?;
        for change in std::mem::take(&mut self.changes) {
            if let (Some(reporter), Some(text)) = (monitor, monitored(&change)) {
                reporter.say(Level::Info, text);
            }
            self.note(change, &mut tell);
        }
        for name in std::mem::take(&mut self.dirty) {
            let link = self.mirror.link_named(name);
            tell(Input::Interface {
                name,
                facts: link.map(|link| self.facts(link)),
            });
        }
        Ok(turn)
    }

    fn note(&mut self, change: Change, tell: &mut impl FnMut(Input<'_>)) {
        match change {
            Change::Link { name, .. } => {
                self.dirty.insert(name);
            }
            Change::LinkGone { name, .. } => {
                // It was asked of the one that is gone.
                self.polled.remove(&name);
                // At once: another interface may have the name already, and the engine has to see that one as new.
                tell(Input::Interface { name, facts: None });
                self.dirty.insert(name);
            }
            Change::AddressAdded { name, address, .. } => {
                tell(presence(name, &address, true));
                self.touch(name, &address);
            }
            Change::AddressChanged { name, address, .. } => self.touch(name, &address),
            Change::AddressRemoved { name, address, .. } => {
                tell(presence(name, &address, false));
                self.touch(name, &address);
            }
            Change::Resynced => self.dirty.extend(self.mirror.links().map(|link| link.name)),
        }
    }

    fn touch(&mut self, name: IfName, address: &Address) {
        if !self.is_virtual(name, address) {
            self.dirty.insert(name);
        }
    }

    /// Whether an address moves with a master, ours or that of another daemon beside us.
    fn is_virtual(&self, interface: IfName, address: &Address) -> bool {
        let prefix = address.prefix;
        address.mark == KEEPALIVED_MARK && !self.statics.contains(&AddressKey { interface, prefix })
    }

    fn facts(&self, link: &Link) -> InterfaceFacts {
        let usable = |family| {
            self.mirror
                .addresses(link.index, family)
                .filter(|address| {
                    !self.is_virtual(link.name, address) && !address.is_tentative() && !address.is_duplicate()
                })
                .map(|address| address.prefix.address())
        };
        let ipv4 = usable(Family::V4).filter_map(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        let (link_local, ipv6) = usable(Family::V6)
            .filter_map(|address| match address {
                IpAddr::V4(_) => None,
                IpAddr::V6(address) => Some(address),
            })
            .partition(|address| address.is_unicast_link_local());
        InterfaceFacts {
            index: link.index,
            mac: link.mac,
            mtu: link.mtu,
            up: link.up,
            running: self.polled.get(&link.name).copied().unwrap_or(link.running),
            multicast: link.multicast,
            noarp: link.noarp,
            forwarding6: link.forwarding6,
            ipv4: ipv4.collect(),
            link_local,
            ipv6,
        }
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mirror.as_fd()
    }
}

fn presence(name: IfName, address: &Address, present: bool) -> Input<'static> {
    Input::Address {
        key: AddressKey {
            interface: name,
            prefix: address.prefix,
        },
        present,
    }
}

fn monitored(change: &Change) -> Option<String> {
    match change {
        Change::AddressAdded { name, address, .. } => Some(format!("{} added to {name}", address.prefix)),
        Change::AddressRemoved { name, address, .. } => Some(format!("{} deleted from {name}", address.prefix)),
        Change::Link { .. } | Change::LinkGone { .. } | Change::AddressChanged { .. } | Change::Resynced => None,
    }
}
