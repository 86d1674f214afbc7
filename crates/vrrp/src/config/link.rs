//! Virtual interfaces that an instance has made for it: VMACs (macvlan with the MAC address of the virtual router) and
//! ipvlans. Says what is wanted; deliberately does not know how interfaces are made.

use super::Vrid;
use base::{Family, IfName, MacAddr, Prefix};
use core::net::Ipv6Addr;

/// A virtual interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: IfName,
    /// The interface it is based on.
    pub parent: IfName,
    /// What sort.
    pub kind: LinkKind,
    /// What the addresses on it are.
    pub family: Family,
    /// The group of interfaces it belongs to; `None`: that of the parent.
    pub group: Option<u32>,
    /// `netlink_notify_msg`: whoever watches the parent is told of it when the link is there.
    pub notify: bool,
    /// It has a link-local address, because adverts are sent from it.
    pub link_local: LinkLocal,
}

/// The link-local address of a [`Link`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLocal {
    /// None.
    Without,
    /// The one of the parent, or one made of the parent's MAC address.
    OfParent,
    /// This one, the configured source.
    Fixed(Ipv6Addr),
}

/// What sort of virtual interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// `use_vmac`: a private macvlan with this address.
    Vmac(MacAddr),
    /// `use_ipvlan`: an ipvlan of layer 2, with an address of its own.
    Ipvlan {
        /// Which other ipvlans of the parent it can reach.
        mode: IpvlanMode,
        /// The address that adverts come from.
        address: Option<Prefix>,
    },
}

/// Which other ipvlans of the same parent an ipvlan can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpvlanMode {
    /// All.
    #[default]
    Bridge,
    /// None.
    Private,
    /// Those an outside switch sends back to.
    Vepa,
}

/// The MAC address of a virtual router (RFC 9568 section 7.3).
pub const fn virtual_mac(family: Family, vrid: Vrid) -> MacAddr {
    let version = match family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    MacAddr([0, 0, 0x5e, 0, version, vrid.0.get()])
}
