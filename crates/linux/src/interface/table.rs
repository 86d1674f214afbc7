//! What the kernel has, and what a notice changes about it.
//!
//! Decides which notices are news: telling the same again changes nothing, so that a dump after an overrun yields
//! only differences. Keeps addresses in the order in which the kernel lists them. One address more costs the same
//! however many there are. Does not know where notices come from.

use super::decode::Notice;
use super::facts::{Address, Change, Link};
use base::{Family, IfIndex, IfName};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

/// Links and addresses.
#[derive(Default)]
pub(crate) struct Table {
    links: BTreeMap<IfIndex, Entry>,
    names: BTreeMap<IfName, IfIndex>,
    /// Counts dumps; what carries the number of the current one has been mentioned since it began.
    dump: u64,
    /// Counts arrivals, for their order.
    arrivals: i64,
}

struct Entry {
    link: Link,
    mentioned: u64,
    ipv4: AddressList,
    ipv6: AddressList,
}

impl Entry {
    fn list(&self, family: Family) -> &AddressList {
        match family {
            Family::V4 => &self.ipv4,
            Family::V6 => &self.ipv6,
        }
    }

    fn list_mut(&mut self, family: Family) -> &mut AddressList {
        match family {
            Family::V4 => &mut self.ipv4,
            Family::V6 => &mut self.ipv6,
        }
    }

    fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.ipv4.iter().chain(self.ipv6.iter())
    }
}

impl Table {
    pub(crate) fn link(&self, index: IfIndex) -> Option<&Link> {
        self.links.get(&index).map(|entry| &entry.link)
    }

    pub(crate) fn link_named(&self, name: IfName) -> Option<&Link> {
        self.link(*self.names.get(&name)?)
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values().map(|entry| &entry.link)
    }

    pub(crate) fn addresses(&self, index: IfIndex, family: Family) -> impl Iterator<Item = &Address> {
        self.links
            .get(&index)
            .into_iter()
            .flat_map(move |entry| entry.list(family).iter())
    }

    /// A dump begins: everything will be mentioned that exists.
    pub(crate) fn begin_dump(&mut self) {
        self.dump += 1;
    }

    /// The dump has ended: what has not been mentioned since its beginning does not exist.
    pub(crate) fn end_dump(&mut self, changes: &mut Vec<Change>) {
        let dump = self.dump;
        let gone: Vec<IfIndex> = self
            .links
            .values()
            .filter(|entry| entry.mentioned != dump)
            .map(|entry| entry.link.index)
            .collect();
        for index in gone {
            self.remove_link(index, changes);
        }
        for entry in self.links.values_mut() {
            let (index, name) = (entry.link.index, entry.link.name);
            for list in [&mut entry.ipv4, &mut entry.ipv6] {
                for address in list.remove_unmentioned(dump) {
                    changes.push(Change::AddressRemoved { index, name, address });
                }
            }
        }
    }

    /// Takes in a notice; `dumped` says that it is part of a dump and not news.
    pub(crate) fn take(&mut self, notice: Notice, dumped: bool, changes: &mut Vec<Change>) {
        match notice {
            Notice::Link {
                link,
                partial,
                forwarding6,
            } => self.take_link(link, partial, forwarding6, changes),
            Notice::LinkGone(index) => self.remove_link(index, changes),
            Notice::Address(index, address) => self.take_address(index, address, dumped, changes),
            Notice::AddressGone(index, address) => self.remove_address(index, &address, changes),
            Notice::Forwarding6(index, forwarding) => {
                let Some(entry) = self.links.get_mut(&index) else {
                    return;
                };
                if entry.link.forwarding6 != forwarding {
                    entry.link.forwarding6 = forwarding;
                    changes.push(Change::Link {
                        index,
                        name: entry.link.name,
                    });
                }
            }
        }
    }

    fn take_link(&mut self, mut link: Link, partial: bool, forwarding6: Option<bool>, changes: &mut Vec<Change>) {
        let (index, name) = (link.index, link.name);
        // Whoever has this name no longer has it: its end or its renaming was among the lost notifications, and if it
        // exists the dump under way mentions it again.
        if let Some(holder) = self.names.get(&name).copied().filter(|holder| *holder != index) {
            self.remove_link(holder, changes);
        }
        let dump = self.dump;
        let Some(entry) = self.links.get_mut(&index) else {
            link.forwarding6 = forwarding6.unwrap_or(false);
            let entry = Entry {
                link,
                mentioned: dump,
                ipv4: AddressList::default(),
                ipv6: AddressList::default(),
            };
            self.links.insert(index, entry);
            self.names.insert(name, index);
            changes.push(Change::Link { index, name });
            return;
        };
        entry.mentioned = dump;
        let known = &entry.link;
        link.forwarding6 = forwarding6.unwrap_or(known.forwarding6);
        if partial {
            let Link {
                mac,
                mtu,
                kind,
                master,
                base,
                ..
            } = known.clone();
            link = Link {
                mac,
                mtu,
                kind,
                master,
                base,
                ..link
            };
        }
        if *known == link {
            return;
        }
        let old = std::mem::replace(&mut entry.link, link).name;
        if old == name {
            changes.push(Change::Link { index, name });
            return;
        }
        for address in entry.addresses().copied() {
            changes.push(Change::AddressRemoved {
                index,
                name: old,
                address,
            });
        }
        changes.push(Change::LinkGone { index, name: old });
        changes.push(Change::Link { index, name });
        for address in entry.addresses().copied() {
            changes.push(Change::AddressAdded { index, name, address });
        }
        self.names.remove(&old);
        self.names.insert(name, index);
    }

    fn remove_link(&mut self, index: IfIndex, changes: &mut Vec<Change>) {
        let Some(entry) = self.links.remove(&index) else { return };
        let name = entry.link.name;
        self.names.remove(&name);
        for address in entry.addresses().copied() {
            changes.push(Change::AddressRemoved { index, name, address });
        }
        changes.push(Change::LinkGone { index, name });
    }

    fn take_address(&mut self, index: IfIndex, address: Address, dumped: bool, changes: &mut Vec<Change>) {
        // The kernel mentions a link before its addresses.
        let Some(entry) = self.links.get_mut(&index) else {
            return;
        };
        let name = entry.link.name;
        self.arrivals += 1;
        let arrival = Arrival {
            number: self.arrivals,
            dumped,
            dump: self.dump,
        };
        match entry.list_mut(address.prefix.family()).put(address, arrival) {
            None => changes.push(Change::AddressAdded { index, name, address }),
            Some(known) if known != address => changes.push(Change::AddressChanged { index, name, address }),
            Some(_) => {}
        }
    }

    fn remove_address(&mut self, index: IfIndex, address: &Address, changes: &mut Vec<Change>) {
        let Some(entry) = self.links.get_mut(&index) else {
            return;
        };
        let name = entry.link.name;
        if let Some(address) = entry.list_mut(address.prefix.family()).remove(address) {
            changes.push(Change::AddressRemoved { index, name, address });
        }
    }
}

/// The addresses of one family on one link, in the kernel's order.
#[derive(Default)]
struct AddressList {
    order: BTreeMap<Place, Kept>,
    places: HashMap<Identity, Place>,
}

struct Kept {
    address: Address,
    mentioned: u64,
}

/// When and how an address was mentioned.
#[derive(Clone, Copy)]
struct Arrival {
    number: i64,
    dumped: bool,
    dump: u64,
}

/// What the kernel takes for the same address on one link: for IPv4 all three, for IPv6 the address alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Identity {
    V4 {
        address: IpAddr,
        len: u8,
        peer: Option<IpAddr>,
    },
    V6(IpAddr),
}

impl Identity {
    fn of(address: &Address) -> Identity {
        match address.prefix.family() {
            Family::V4 => Identity::V4 {
                address: address.prefix.address(),
                len: address.prefix.len(),
                peer: address.peer,
            },
            Family::V6 => Identity::V6(address.prefix.address()),
        }
    }
}

/// Where an address stands in the kernel's list.
///
/// IPv4 (`__inet_insert_ifa`): primary addresses, those of wider scope number first, each after its equals; then
/// secondary addresses as they came. IPv6 (`ipv6_link_dev_addr`): wider scopes first, each before its equals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    class: (bool, Reverse<u8>),
    number: i64,
}

impl Place {
    fn new(address: &Address, arrival: Arrival) -> Place {
        let class = Place::class_of(address);
        let number = match address.prefix.family() {
            // A dump lists from front to back; an IPv6 address that is news goes to the front.
            Family::V6 if !arrival.dumped => -arrival.number,
            Family::V4 | Family::V6 => arrival.number,
        };
        Place { class, number }
    }

    fn class_of(address: &Address) -> (bool, Reverse<u8>) {
        match address.prefix.address() {
            IpAddr::V4(_) if address.is_secondary() => (true, Reverse(0)),
            IpAddr::V4(_) => (false, Reverse(address.scope)),
            IpAddr::V6(ip) => (false, Reverse(reach(ip))),
        }
    }
}

/// How far an IPv6 address reaches, by the kernel's numbers (`ipv6_addr_src_scope`; RFC 4291 section 2.7).
fn reach(address: Ipv6Addr) -> u8 {
    let [first, second, ..] = address.octets();
    match (first, second & 0xc0) {
        _ if address == Ipv6Addr::LOCALHOST => 0x1,
        (0xfe, 0x80) => 0x2,
        (0xfe, 0xc0) => 0x5,
        _ => 0xe,
    }
}

impl AddressList {
    fn iter(&self) -> impl Iterator<Item = &Address> {
        self.order.values().map(|kept| &kept.address)
    }

    /// Puts an address in its place and returns what was known of it.
    fn put(&mut self, address: Address, arrival: Arrival) -> Option<Address> {
        let identity = Identity::of(&address);
        let kept = Kept {
            address,
            mentioned: arrival.dump,
        };
        let Some(place) = self.places.get(&identity).copied() else {
            let place = Place::new(&address, arrival);
            self.places.insert(identity, place);
            self.order.insert(place, kept);
            return None;
        };
        // A dump knows the order better than what was pieced together from notifications.
        let stays = !arrival.dumped && place.class == Place::class_of(&address);
        let place = if stays { place } else { Place::new(&address, arrival) };
        let known = self
            .places
            .insert(identity, place)
            .and_then(|old| self.order.remove(&old));
        self.order.insert(place, kept);
        known.map(|known| known.address)
    }

    fn remove(&mut self, address: &Address) -> Option<Address> {
        let place = self.places.remove(&Identity::of(address))?;
        self.order.remove(&place).map(|kept| kept.address)
    }

    fn remove_unmentioned(&mut self, dump: u64) -> Vec<Address> {
        let gone: Vec<Address> = self
            .order
            .values()
            .filter(|kept| kept.mentioned != dump)
            .map(|kept| kept.address)
            .collect();
        for address in &gone {
            self.remove(address);
        }
        gone
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
