//! `virtual_server_group`: addresses, ranges and marks that are one virtual server.

use super::key::GroupName;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use base::Family;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A group that exists has at least one entry, and is not of IPv4, IPv6 and marks without family at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// Its entries in the order of the configuration.
    pub entries: Vec<Entry>,
    /// What they are, all together: thousands of virtual servers may ask, and a group may have thousands of entries.
    pub summary: Summary,
}

/// What the entries of a group are, all together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Their families.
    pub families: GroupFamilies,
    /// Each port of addresses, with the first range that has it.
    pub ports: BTreeMap<u16, Range>,
}

impl Summary {
    /// What these entries are.
    pub fn of(entries: &[Entry]) -> Summary {
        let mut ports = BTreeMap::new();
        for entry in entries {
            if let Entry::Range(range) = entry {
                ports.entry(range.port()).or_insert(*range);
            }
        }
        Summary {
            families: GroupFamilies::of(entries),
            ports,
        }
    }
}

/// A line of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// An address, or all from one to another.
    Range(Range),
    /// `fwmark N [inet|inet6]`.
    Mark {
        /// The mark.
        mark: u32,
        /// The family of what is marked; `None`: that of the virtual server.
        family: Option<Family>,
    },
}

/// Addresses from one to another, both included, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    first: IpAddr,
    last: IpAddr,
    port: u16,
}

impl Range {
    /// A range with its port (0: none); `None` if it is of two families or ends before it begins.
    pub fn new(first: IpAddr, last: IpAddr, port: u16) -> Option<Range> {
        let fits = Family::of(first) == Family::of(last) && first <= last;
        fits.then_some(Range { first, last, port })
    }

    /// The first address.
    pub const fn first(self) -> IpAddr {
        self.first
    }

    /// The last address.
    pub const fn last(self) -> IpAddr {
        self.last
    }

    /// The port; 0: none.
    pub const fn port(self) -> u16 {
        self.port
    }

    /// The family of the addresses.
    pub fn family(self) -> Family {
        Family::of(self.first)
    }

    /// All addresses, in order. There may be very many: who asks must stop.
    pub fn addresses(self) -> impl Iterator<Item = IpAddr> {
        let (from, to) = (number(self.first), number(self.last));
        let family = self.family();
        (from..=to).map(move |number| address(family, number))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(u32::from(a)),
        IpAddr::V6(a) => u128::from(a),
    }
}

fn address(family: Family, number: u128) -> IpAddr {
    match family {
        // Never larger: both ends of a range are addresses of its family.
        Family::V4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
        Family::V6 => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

/// What a group is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupFamilies {
    /// There are IPv4 addresses, or marks of IPv4.
    pub v4: bool,
    /// There are IPv6 addresses, or marks of IPv6.
    pub v6: bool,
    /// There are marks without family.
    pub unsaid: bool,
    /// There are marks of any kind.
    pub marks: bool,
    /// There are addresses.
    pub addresses: bool,
}

impl GroupFamilies {
    /// What these entries are.
    pub fn of(entries: &[Entry]) -> GroupFamilies {
        let mut families = GroupFamilies::default();
        for entry in entries {
            let family = match entry {
                Entry::Range(range) => {
                    families.addresses = true;
                    Some(range.family())
                }
                Entry::Mark { family, .. } => {
                    families.marks = true;
                    *family
                }
            };
            match family {
                Some(Family::V4) => families.v4 = true,
                Some(Family::V6) => families.v6 = true,
                None => families.unsaid = true,
            }
        }
        families
    }

    /// The one family it has; `None` if it has none or both.
    pub const fn only(self) -> Option<Family> {
        match (self.v4, self.v6) {
            (true, false) => Some(Family::V4),
            (false, true) => Some(Family::V6),
            (true, true) | (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_has_its_ends_and_what_is_between() {
        let range = Range::new(ip("10.0.0.254"), ip("10.0.1.1"), 80).unwrap();
        let all: Vec<IpAddr> = range.addresses().collect();
        assert_eq!(all, ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"].map(ip));
        let last = Range::new(ip("255.255.255.255"), ip("255.255.255.255"), 0).unwrap();
        assert_eq!(last.addresses().count(), 1);
        let six = Range::new(ip("fd00::ffff"), ip("fd00::1:0"), 0).unwrap();
        assert_eq!(six.addresses().nth(1), Some(ip("fd00::1:0")));
    }

    #[test]
    fn a_range_never_goes_backwards_or_from_family_to_family() {
        assert_eq!(Range::new(ip("10.0.0.2"), ip("10.0.0.1"), 0), None);
        assert_eq!(Range::new(ip("10.0.0.2"), ip("fd00::1"), 0), None);
    }
}
