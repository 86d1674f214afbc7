//! What the engine asks of the outside. Order is meaning: the list is carried out from front to back.

use crate::cause::Cause;
use crate::config::{AddressKey, Name, Priority, Route, Rule, VirtualAddress};
use crate::event::Event;
use crate::filter::{FilterSettings, FilterStep};
use crate::input::BatchId;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{IfIndex, IfName, MacAddr};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advert now.
    SendAdvert(Advert),
    /// Ask the kernel to change addresses; answered by [`crate::Input::AddressesChanged`]. At most
    /// [`crate::holdings::BATCH`] steps. Each batch is sent in one system call without waiting.
    ChangeAddresses {
        /// Names the answer.
        batch: BatchId,
        /// In this order.
        steps: Vec<AddressStep>,
    },
    /// Ask the kernel to change routes; answered by [`crate::Input::RoutesChanged`]. As [`Action::ChangeAddresses`].
    ChangeRoutes {
        /// Names the answer.
        batch: BatchId,
        /// In this order.
        steps: Vec<RoutingStep<Route>>,
    },
    /// Ask the kernel to change rules; answered by [`crate::Input::RulesChanged`]. As [`Action::ChangeAddresses`].
    ChangeRules {
        /// Names the answer.
        batch: BatchId,
        /// In this order.
        steps: Vec<RoutingStep<Rule>>,
    },
    /// Whether secondary addresses of an interface outlive their primary one (`promote_secondaries`): on, or again what
    /// it was before.
    PromoteSecondaries {
        /// Whose.
        interface: IfName,
        /// On, or as it was.
        on: bool,
    },
    /// Ask nftables for a change of our rules, whole or not at all; answered by [`crate::Input::FilterChanged`]. It
    /// goes before changes to addresses that come after it.
    ChangeFilter {
        /// Names the answer.
        batch: BatchId,
        /// How rules are made.
        settings: FilterSettings,
        /// In this order.
        steps: Vec<FilterStep>,
    },
    /// Say where an address is: one frame.
    Announce(Announcement),
    /// The instance has a new state: tell scripts, FIFOs and whoever else wants to know.
    Notify {
        /// Whose.
        instance: Name,
        /// The state it has now.
        state: StateName,
        /// Its effective priority.
        priority: Priority,
        /// Why.
        cause: Cause,
    },
    /// A sync group has a new state; its members have told theirs before.
    NotifyGroup {
        /// Which.
        group: Name,
        /// The state it has now.
        state: StateName,
        /// The member that explains it, and why that one changed.
        cause: Option<(Name, Cause)>,
    },
    /// The effective priority of an instance has changed, and it has `notify_priority_changes`.
    NotifyPriority {
        /// Whose.
        instance: Name,
        /// The state it is in: MASTER or BACKUP.
        state: StateName,
        /// The priority it has now.
        priority: Priority,
    },
    /// A master has seen an advert of lower priority: tell who wants to know.
    LowerPrioritySeen {
        /// Whose.
        instance: Name,
        /// Its effective priority.
        priority: Priority,
    },
    /// Something an operator or developer may want to read.
    Tell(Event),
    /// The set of sockets the instances need may have changed: compare with [`crate::engine::Engine::sockets`].
    SocketsChanged,
}

/// A state as the outside knows it (`spec/vrrp-behaviour.md` 1; numbers of SNMP and dumps).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateName {
    /// Not started.
    Init,
    /// Listening.
    Backup,
    /// Holding the addresses.
    Master,
    /// Waiting for something it needs.
    Fault,
    /// Ended.
    Stop,
    /// Removed by a reload.
    Deleted,
}

impl StateName {
    /// The number SNMP and the JSON dump know.
    pub const fn number(self) -> u8 {
        match self {
            StateName::Init => 0,
            StateName::Backup => 1,
            StateName::Master => 2,
            StateName::Fault => 3,
            StateName::Deleted => 97,
            StateName::Stop => 98,
        }
    }

    /// The word logs, scripts and FIFOs know.
    pub const fn as_str(self) -> &'static str {
        match self {
            StateName::Init => "INIT",
            StateName::Backup => "BACKUP",
            StateName::Master => "MASTER",
            StateName::Fault => "FAULT",
            StateName::Stop => "STOP",
            StateName::Deleted => "DELETED",
        }
    }
}

/// An advert ready for the wire, to one destination.
#[derive(Clone, PartialEq, Eq)]
pub struct Advert {
    /// Whose.
    pub instance: Name,
    /// Out of this interface; `None`: as the kernel routes it.
    pub interface: Option<IfIndex>,
    /// 112, or 51 for AH.
    pub protocol: u8,
    /// From this address.
    pub source: IpAddr,
    /// To this address.
    pub destination: IpAddr,
    /// Whether the destination is a group: not routed, not looped back.
    pub multicast: bool,
    /// IPv6 only: the hop limit for this packet, `None` for the socket's own.
    pub hop_limit: Option<u8>,
    /// IPv4: from the first byte of the IP header (which the kernel completes). IPv6: the payload, checksum zero.
    pub bytes: Vec<u8>,
}

/// The bytes may hold a password: they are counted, not printed.
impl fmt::Debug for Advert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Advert({self}, {} bytes)", self.bytes.len())
    }
}

/// One change to the addresses of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressStep {
    /// Put it there; that it is there already is no error.
    Add {
        /// Where.
        interface: IfIndex,
        /// What.
        address: Arc<VirtualAddress>,
    },
    /// Take it away; that it is not there is no error.
    Remove {
        /// Where.
        interface: IfIndex,
        /// What.
        key: AddressKey,
        /// The other end it was put there with: without it the kernel does not find the address.
        peer: Option<IpAddr>,
    },
}

/// One change to routes or to rules. That what is to be added is there, or what is to be removed is not, is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutingStep<T> {
    /// Put it there.
    Add(Arc<T>),
    /// Take it away.
    Remove(Arc<T>),
}

/// A gratuitous ARP or an unsolicited neighbour advertisement (`spec/vrrp-behaviour.md` 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Out of this interface.
    pub interface: IfIndex,
    /// Its hardware address.
    pub mac: MacAddr,
    /// What is announced.
    pub what: Announced,
}

/// The address announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// By gratuitous ARP.
    Arp(Ipv4Addr),
    /// By unsolicited neighbour advertisement.
    Neighbour {
        /// The address.
        address: Ipv6Addr,
        /// The Router flag.
        router: bool,
    },
}
