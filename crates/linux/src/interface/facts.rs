//! What is known of links and addresses, as plain values.

use base::{IfIndex, IfName, MacAddr, Prefix};
use std::net::{IpAddr, Ipv4Addr};

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number. A new number under an old name is a new interface.
    pub index: IfIndex,
    /// Its name.
    pub name: IfName,
    /// The hardware address, if it is an Ethernet one.
    pub mac: Option<MacAddr>,
    /// The kind of hardware (ARPHRD_*): 1 Ethernet, 32 InfiniBand, 772 loopback.
    pub hardware: u16,
    /// Bytes.
    pub mtu: u32,
    /// IFF_UP: switched on.
    pub up: bool,
    /// IFF_RUNNING: switched on and operational (carrier, and whatever else its kind asks for).
    pub running: bool,
    /// IFF_LOWER_UP: there is a carrier.
    pub lower_up: bool,
    /// IFF_MULTICAST.
    pub multicast: bool,
    /// IFF_NOARP.
    pub noarp: bool,
    /// IFF_LOOPBACK.
    pub loopback: bool,
    /// IFF_POINTOPOINT.
    pub point_to_point: bool,
    /// What sort of virtual interface it is (`macvlan`, `veth`, `vlan`); `None` for hardware.
    pub kind: Option<String>,
    /// The bridge, bond or VRF it is a member of.
    pub master: Option<IfIndex>,
    /// The interface it is based on (macvlan, vlan) or connected to (veth), if that is in this namespace.
    pub base: Option<IfIndex>,
    /// Whether it forwards IPv6 packets.
    pub forwarding6: bool,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address, and the length of its network.
    pub prefix: Prefix,
    /// The other end, of a point-to-point address.
    pub peer: Option<IpAddr>,
    /// IPv4: the broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4: its label, the name of the interface unless somebody gave another.
    pub label: Option<IfName>,
    /// The kernel's number: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// The kernel's flags (IFA_F_*); the methods read those that matter.
    pub flags: u32,
    /// Whose it is (IFA_PROTO), see [`crate::netlink::KEEPALIVED_MARK`]; 0: nobody said, or the kernel is older
    /// than 5.18.
    pub mark: u8,
}

impl Address {
    /// IPv4: an address in the network of another that was there first.
    pub fn is_secondary(&self) -> bool {
        matches!(self.prefix.address(), IpAddr::V4(_)) && self.has(libc::IFA_F_SECONDARY)
    }

    /// IPv6: not yet known to be unique, so not yet usable.
    pub fn is_tentative(&self) -> bool {
        self.has(libc::IFA_F_TENTATIVE) && !self.has(libc::IFA_F_OPTIMISTIC)
    }

    /// IPv6: somebody else on the segment has it.
    pub fn is_duplicate(&self) -> bool {
        self.has(libc::IFA_F_DADFAILED)
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// Something that is different now.
///
/// Names are as they were at that moment, so that a reader who knows interfaces by name sees a coherent story: an
/// interface that is renamed loses its addresses and goes under its old name, then appears with them under the new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A link appeared, or its facts changed; [`super::Mirror::link`] has them as they are now.
    Link {
        /// Its number.
        index: IfIndex,
        /// Its name.
        name: IfName,
    },
    /// A link is gone. Another may have its name already: do not look it up by name.
    LinkGone {
        /// Its number.
        index: IfIndex,
        /// The name it had.
        name: IfName,
    },
    /// A link has a new address.
    AddressAdded {
        /// The number of the link.
        index: IfIndex,
        /// Its name.
        name: IfName,
        /// The address.
        address: Address,
    },
    /// Flags or other facts of an address changed.
    AddressChanged {
        /// The number of the link.
        index: IfIndex,
        /// Its name.
        name: IfName,
        /// The address as it is now.
        address: Address,
    },
    /// A link no longer has an address.
    AddressRemoved {
        /// The number of the link.
        index: IfIndex,
        /// Its name.
        name: IfName,
        /// The address as it was last.
        address: Address,
    },
    /// Notifications had been lost, and everything was read anew: the changes before this one, back to the last that
    /// was reported in time, may be out of order and summed up. The order of addresses may have changed too.
    Resynced,
}
