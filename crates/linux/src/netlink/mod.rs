//! Requests to the kernel's network configuration, many in one system call, answered without waiting.

pub mod address;
pub mod attribute;
pub mod generic;
pub mod route;
pub mod routing;
pub mod rule;
pub(crate) mod socket;

pub(crate) use socket::{reserve, set_receive_buffer};

pub use address::{Action, AddressFlags, AddressRequest, AddressSocket, BatchDone, Outcome};

/// The mark of addresses that belong to keepalived: the kernel's address protocol number (IFA_PROTO).
///
/// Kernels since 5.18 keep it and report it back. Older ones neither keep nor refuse it: they skip attributes they
/// have no number for, so it is sent always, and an address without a mark says nothing about its owner there.
pub const KEEPALIVED_MARK: u8 = 18;

/// A request of any kind, for trains of mixed ones.
#[derive(Clone, Debug)]
pub enum Request {
    /// An address.
    Address(AddressRequest),
    /// A route.
    Route(route::RouteRequest),
    /// A rule.
    Rule(rule::RuleRequest),
}

impl address::Encode for Request {
    fn message(&self) -> (netlink_packet_route::RouteNetlinkMessage, u16) {
        match self {
            Request::Address(request) => request.message(),
            Request::Route(request) => request.message(),
            Request::Rule(request) => request.message(),
        }
    }
}
