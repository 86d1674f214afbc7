//! What the outside may tell the engine.

use crate::config::{Hops, Name};
use core::net::IpAddr;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The time of [`crate::engine::Engine::deadline`] has come, or has not: calling early is harmless.
    DeadlineReached,
    /// A packet was read.
    Packet(Packet<'a>),
    /// The socket a session sends by could not be opened; the session is administratively down. The role tries again.
    SocketFailed {
        /// Whose.
        session: Name,
        /// The error number.
        errno: i32,
    },
    /// The socket a session sends by is open.
    SocketOpened {
        /// Whose.
        session: Name,
    },
    /// A packet could not be handed to the kernel.
    SendFailed {
        /// Whose.
        session: Name,
        /// The error number.
        errno: i32,
    },
    /// A packet could be handed to the kernel, after one that could not.
    SendWorks {
        /// Whose.
        session: Name,
    },
    /// The daemon is to end: tell every neighbour (AdminDown).
    Shutdown,
}

/// A datagram as a socket gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The port it came to.
    pub hops: Hops,
    /// Who sent it.
    pub source: IpAddr,
    /// Where to.
    pub destination: IpAddr,
    /// The TTL or hop limit it arrived with.
    pub ttl: u8,
    /// What is in it.
    pub bytes: &'a [u8],
}
