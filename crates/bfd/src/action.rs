//! What the engine asks of the outside. Order is meaning: the list is carried out from front to back.

use crate::config::{Audience, Name};
use crate::event::Event;
use crate::wire;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a packet now, by the socket of the session.
    Send {
        /// Whose.
        session: Name,
        /// What.
        bytes: [u8; wire::LEN],
    },
    /// Tell whoever tracks the session.
    Report {
        /// Whose.
        session: Name,
        /// What is known of it.
        verdict: Verdict,
        /// Whom to tell.
        audience: Audience,
    },
    /// Something an operator or developer may want to read.
    Tell(Event),
    /// The set of sockets the sessions need may have changed: compare with [`crate::engine::Engine::sockets`].
    SocketsChanged,
}

/// What a session says to those who track it.
///
/// It is not the same as its state: a neighbour that says goodbye (AdminDown) has not failed, so whoever tracks the
/// session keeps what it knew (RFC 5882 section 4.2, and the original).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The path works.
    Up,
    /// It does not.
    Down,
    /// The session is so young that nobody can know. Whoever knew something before keeps it; for whoever did not, it
    /// is down. It never lasts: [`crate::session::SETTLING`].
    Undecided,
}
