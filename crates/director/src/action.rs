//! What the director is told, and what it wants.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use check::Probe;
use check::judge::Answer;
use core::net::IpAddr;
use lvs::config::{Endpoint, Key};

/// Names one question of one probe, so that an answer that comes late is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The probe.
    pub probe: u64,
    /// The question; grows.
    pub serial: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The time that [`crate::Engine::deadline`] named has come.
    DeadlineReached,
    /// A question was answered, or was not.
    Answered {
        /// Which.
        ticket: Ticket,
        /// How.
        answer: Answer,
        /// Why, for the log; may be empty.
        reason: &'a str,
        /// The weight that a dynamic `MISC_CHECK` asks for.
        weight: Option<u8>,
    },
    /// The number in a tracked file.
    FileValue {
        /// The name of the `track_file`.
        name: &'a str,
        /// The number.
        value: i32,
    },
    /// A BFD session went up or down.
    Session {
        /// The name of the `bfd_instance`.
        name: &'a str,
        /// Up.
        up: bool,
    },
    /// All addresses of this machine, for `ha_suspend`.
    Addresses(BTreeSet<IpAddr>),
}

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something happened.
    Info,
    /// Something is wrong with us.
    Warning,
}

/// What the director wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A question is to be asked. The answer is an [`Input::Answered`].
    Ask {
        /// To be named in the answer.
        ticket: Ticket,
        /// Which probe.
        probe: Arc<Probe>,
        /// Which of its questions, from 0.
        stage: u16,
    },
    /// Nobody waits for the answer to this question any more.
    Forget(Ticket),
    /// A line for the log.
    Log(Level, String),
    /// Somebody may want to hear of this.
    Tell(Notice),
}

/// What others are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A real server is up or down: scripts and FIFOs.
    Real {
        /// Of this virtual server.
        key: Key,
        /// The real server.
        at: Endpoint,
        /// It is up.
        up: bool,
    },
    /// The same by mail, with what is in it.
    RealMail {
        /// Of this virtual server.
        key: Key,
        /// The real server.
        at: Endpoint,
        /// It is up.
        up: bool,
        /// The text.
        body: String,
    },
    /// The quorum of a virtual server was gained or lost: scripts and FIFOs.
    Quorum {
        /// The virtual server.
        key: Key,
        /// Gained.
        up: bool,
    },
    /// The same by mail, with what is in it.
    QuorumMail {
        /// The virtual server.
        key: Key,
        /// Gained.
        up: bool,
        /// The text.
        body: String,
    },
}
