//! What the outside may tell the engine.

use crate::config::{AddressKey, Name, Route, Rule};
use crate::track::Outcome;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{IfIndex, IfName, MacAddr};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The time of [`crate::engine::Engine::deadline`] has come, or has not: calling early is harmless.
    DeadlineReached,
    /// What the wall clock shows now. Only the stamps of authentication trailers are made of it: no timer depends on it.
    /// Told with every turn; an engine that is never told counts from zero.
    WallClock {
        /// UTC.
        since_1970: Duration,
    },
    /// The machine slept: so much time passed for others and not on our clock.
    Slept {
        /// How much.
        span: Duration,
    },
    /// The interface of this name now looks like this; `None`: there is none.
    Interface {
        /// Which.
        name: IfName,
        /// What the kernel says of it.
        facts: Option<InterfaceFacts>,
    },
    /// The kernel now has this address (ours or somebody's), or no longer has it.
    Address {
        /// Which.
        key: AddressKey,
        /// Whether it is there.
        present: bool,
    },
    /// The kernel reports that a route of ours came or went.
    Route {
        /// As it was given to the kernel.
        route: Arc<Route>,
        /// Whether it is there.
        present: bool,
    },
    /// The kernel reports that a rule of ours came or went.
    Rule {
        /// As it was given to the kernel.
        rule: Arc<Rule>,
        /// Whether it is there.
        present: bool,
    },
    /// Reports about routes and rules were lost: what is there is not known.
    RoutingUncertain,
    /// A packet was read from a raw socket.
    Packet(Packet<'a>),
    /// The kernel has worked through a [`crate::Action::ChangeAddresses`].
    AddressesChanged {
        /// The batch it answers.
        batch: BatchId,
        /// Steps by position in the batch that the kernel refused, with the error number.
        refused: &'a [(usize, i32)],
    },
    /// The kernel has worked through a [`crate::Action::ChangeRoutes`].
    RoutesChanged {
        /// The batch it answers.
        batch: BatchId,
        /// Steps by position in the batch that the kernel refused, with the error number.
        refused: &'a [(usize, i32)],
    },
    /// The kernel has worked through a [`crate::Action::ChangeRules`].
    RulesChanged {
        /// The batch it answers.
        batch: BatchId,
        /// Steps by position in the batch that the kernel refused, with the error number.
        refused: &'a [(usize, i32)],
    },
    /// Somebody else removed rules of ours from nftables, or reports of that were lost.
    FilterLost,
    /// nftables has carried out a [`crate::Action::ChangeFilter`], or refused it and left everything as it was.
    FilterChanged {
        /// The batch it answers.
        batch: BatchId,
        /// The error number if it was refused.
        refused: Option<i32>,
    },
    /// A socket could not be opened or bound; its instances have to wait. It is tried again by the role.
    SocketFailed {
        /// Which.
        socket: SocketKey,
        /// The error number.
        errno: i32,
    },
    /// A socket that had failed is open now.
    SocketOpened {
        /// Which.
        socket: SocketKey,
    },
    /// An advert could not be handed to the kernel.
    SendFailed {
        /// Whose.
        instance: Name,
        /// The error number.
        errno: i32,
    },
    /// A run of a `vrrp_script` has ended.
    ScriptResult {
        /// Which.
        name: Name,
        /// How.
        outcome: Outcome,
    },
    /// A `track_file` holds this number.
    FileValue {
        /// Which.
        name: Name,
        /// The number; 0 if there is no file, or no number in it.
        value: i32,
    },
    /// So many processes of a `vrrp_track_process` run now.
    ProcessCount {
        /// Which.
        name: Name,
        /// How many.
        count: u32,
    },
    /// A `bfd_instance` is up or not.
    BfdState {
        /// Which.
        name: Name,
        /// Whether its session is up.
        up: bool,
    },
    /// The daemon is to end: resign everything. With `keep_addresses` (`-V`) nothing is removed.
    Shutdown {
        /// `--dont-release-vrrp`.
        keep_addresses: bool,
    },
}

/// The number of a batch of changes; addresses, routes and rules are counted each by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// What the kernel says of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// The kernel's number; a new number under an old name is a new interface.
    pub index: IfIndex,
    /// The hardware address if it is an Ethernet one.
    pub mac: Option<MacAddr>,
    /// Bytes.
    pub mtu: u32,
    /// IFF_UP.
    pub up: bool,
    /// IFF_RUNNING (carrier and operational state).
    pub running: bool,
    /// IFF_MULTICAST.
    pub multicast: bool,
    /// IFF_NOARP.
    pub noarp: bool,
    /// Whether it forwards IPv6 (the Router flag of neighbour advertisements).
    pub forwarding6: bool,
    /// IPv4 addresses in the kernel's order, primary ones first, virtual ones included.
    pub ipv4: Vec<Ipv4Addr>,
    /// IPv6 link-local addresses that are not tentative.
    pub link_local: Vec<Ipv6Addr>,
    /// All other IPv6 addresses that are not tentative.
    pub ipv6: Vec<Ipv6Addr>,
}

/// What a raw socket listens to (`spec/vrrp-behaviour.md` 3). Instances with equal keys share a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketKey {
    /// The interface it is bound to; `None` for unicast without an interface.
    pub interface: Option<IfIndex>,
    /// 112, or 51 for AH.
    pub protocol: u8,
    /// The group joined, or the local address bound to.
    pub local: IpAddr,
}

/// A packet as a raw socket gives it.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The socket it came from.
    pub socket: SocketKey,
    /// The bytes.
    pub body: Body<'a>,
}

/// The bytes of a packet and what came beside them.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// IPv4: from the first byte of the IP header.
    V4(&'a [u8]),
    /// IPv6: the payload; the kernel has verified the checksum.
    V6 {
        /// Sender.
        source: Ipv6Addr,
        /// Where it was sent to.
        destination: Ipv6Addr,
        /// The hop limit it arrived with.
        hop_limit: u8,
        /// From the first byte of the VRRP header.
        payload: &'a [u8],
    },
}

/// The bytes may hold a password: they are counted, not printed.
impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::V4(bytes) => write!(f, "V4({} bytes)", bytes.len()),
            Body::V6 {
                source,
                destination,
                hop_limit,
                payload,
            } => f
                .debug_struct("V6")
                .field("source", source)
                .field("destination", destination)
                .field("hop_limit", hop_limit)
                .field("bytes", &payload.len())
                .finish(),
        }
    }
}
