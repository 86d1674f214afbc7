//! What an instance in FAULT waits for.
//!
//! Each precondition is named and counted by itself: an instance leaves FAULT when the set is empty, not when one of
//! two missing things has come. Deliberately does not know how a precondition is found out.

use crate::config::{Name, Tracked};
use base::IfName;
use core::fmt;
use core::net::IpAddr;

/// A precondition that is not met.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// There is no interface of this name.
    Interface(IfName),
    /// The interface is not up and running.
    InterfaceUp(IfName),
    /// The interface cannot do multicast, and there are no unicast peers.
    Multicast(IfName),
    /// The interface has no address to send from.
    Address(IfName),
    /// The configured source address is not there (`track_src_ip`).
    Source(IpAddr),
    /// Unicast peers, of which none is configured (`unicast_fault_no_peer`).
    Peers,
    /// A socket could not be opened or bound, with this error number.
    Socket(i32),
    /// Another instance uses the same virtual router on the same interface.
    VirtualRouter(Name),
    /// The condition of a tracked object means FAULT.
    Condition(Tracked),
    /// Nothing is known yet of a tracked object whose condition can mean FAULT.
    FirstResult(Tracked),
    /// Another member of its sync group waits for something.
    Member(Name),
    /// Another member of its sync group has not begun, because it waits for a first result.
    MemberBegins(Name),
}

impl Waiting {
    /// Whether it is a fault. What is merely not known yet holds up only who has not begun.
    pub const fn is_hard(&self) -> bool {
        match self {
            Waiting::FirstResult(_) | Waiting::MemberBegins(_) => false,
            Waiting::Interface(_)
            | Waiting::InterfaceUp(_)
            | Waiting::Multicast(_)
            | Waiting::Address(_)
            | Waiting::Source(_)
            | Waiting::Peers
            | Waiting::Socket(_)
            | Waiting::VirtualRouter(_)
            | Waiting::Condition(_)
            | Waiting::Member(_) => true,
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Waiting::Interface(name) => write!(f, "interface {name} to exist"),
            Waiting::InterfaceUp(name) => write!(f, "interface {name} to be up"),
            Waiting::Multicast(name) => write!(f, "interface {name} to support multicast"),
            Waiting::Address(name) => write!(f, "an IP address to use on interface {name}"),
            Waiting::Source(address) => write!(f, "source address {address} to be configured"),
            Waiting::Peers => f.write_str("a unicast peer to be configured"),
            Waiting::Socket(errno) => write!(f, "its socket (error {errno})"),
            Waiting::VirtualRouter(name) => write!(f, "the virtual router id that {name} uses too"),
            Waiting::Condition(object) => write!(f, "tracked {object} to recover"),
            Waiting::FirstResult(object) => write!(f, "the first result of tracked {object}"),
            Waiting::Member(name) => write!(f, "sync group member {name}"),
            Waiting::MemberBegins(name) => write!(f, "sync group member {name} to begin"),
        }
    }
}
