//! Names and addresses of the network, as plain values.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family an address belongs to.
    pub fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// Bits in an address: 32 or 128.
    pub const fn bits(self) -> u8 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// The kernel's number of a network interface; never zero for an interface that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfIndex(pub u32);

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// An Ethernet hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Everybody on the segment.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a network interface: 1 to 15 bytes, no `/`, no white space (Linux `IFNAMSIZ`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName {
    bytes: [u8; IfName::MAX],
    len: u8,
}

impl IfName {
    /// The longest name the kernel takes, in bytes.
    pub const MAX: usize = 15;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        // Only `from_str` makes a value, and it copies whole strings.
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl FromStr for IfName {
    type Err = NotAnInterfaceName;

    fn from_str(text: &str) -> Result<IfName, NotAnInterfaceName> {
        let refused = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if text.is_empty() || text == "." || text == ".." || text.contains(refused) {
            return Err(NotAnInterfaceName);
        }
        let mut bytes = [0; IfName::MAX];
        let room = bytes.get_mut(..text.len()).ok_or(NotAnInterfaceName)?;
        room.copy_from_slice(text.as_bytes());
        Ok(IfName {
            bytes,
            len: text.len() as u8,
        })
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Text that cannot be the name of an interface: empty, longer than 15 bytes, or with a `/` or white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnInterfaceName;

impl fmt::Display for NotAnInterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of an interface")
    }
}

impl core::error::Error for NotAnInterfaceName {}

/// An address with the length of its network part.
///
/// The address keeps its host bits: `10.0.0.1/24` is an address on a network, not the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    len: u8,
}

impl Prefix {
    /// An address with a network part of `len` bits; `None` if that is more than the address has.
    pub fn new(address: IpAddr, len: u8) -> Option<Prefix> {
        (len <= Family::of(address).bits()).then_some(Prefix { address, len })
    }

    /// An address alone: `/32` or `/128`.
    pub fn host(address: IpAddr) -> Prefix {
        Prefix {
            address,
            len: Family::of(address).bits(),
        }
    }

    /// The address with its host bits.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// Bits of the network part.
    pub const fn len(self) -> u8 {
        self.len
    }

    /// Whether the network part covers nothing, as in `0.0.0.0/0`.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The family of the address.
    pub fn family(self) -> Family {
        Family::of(self.address)
    }

    /// The address with all host bits set (`ones`) or cleared.
    pub fn host_bits(self, ones: bool) -> IpAddr {
        match self.address {
            IpAddr::V4(a) => {
                let host = u32::MAX.checked_shr(u32::from(self.len)).unwrap_or(0);
                let bits = u32::from(a);
                IpAddr::V4(Ipv4Addr::from(if ones { bits | host } else { bits & !host }))
            }
            IpAddr::V6(a) => {
                let host = u128::MAX.checked_shr(u32::from(self.len)).unwrap_or(0);
                let bits = u128::from(a);
                IpAddr::V6(Ipv6Addr::from(if ones { bits | host } else { bits & !host }))
            }
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn an_interface_name_has_one_to_fifteen_bytes_and_no_slash() {
        for good in ["lo", "eth0", "vrrp.51", "a23456789012345"] {
            assert_eq!(good.parse::<IfName>().unwrap().as_str(), good);
        }
        for bad in ["", "a234567890123456", "a/b", "a b", "..", "a\n"] {
            assert_eq!(bad.parse::<IfName>(), Err(NotAnInterfaceName), "{bad:?}");
        }
    }

    #[test]
    fn the_broadcast_address_has_all_host_bits_set() {
        let prefix = Prefix::new("10.1.2.3".parse().unwrap(), 24).unwrap();
        assert_eq!(prefix.host_bits(true).to_string(), "10.1.2.255");
        assert_eq!(prefix.host_bits(false).to_string(), "10.1.2.0");
        let all = Prefix::new("10.1.2.3".parse().unwrap(), 0).unwrap();
        assert_eq!(all.host_bits(true).to_string(), "255.255.255.255");
        assert_eq!(
            Prefix::host("10.1.2.3".parse().unwrap()).host_bits(true).to_string(),
            "10.1.2.3"
        );
    }

    #[test]
    fn a_network_part_longer_than_the_address_is_refused() {
        assert_eq!(Prefix::new("10.0.0.1".parse().unwrap(), 33), None);
        assert!(Prefix::new("::1".parse().unwrap(), 128).is_some());
    }
}
