//! The words of the election: its states with their timers, what can happen, and what follows.
//!
//! Decides nothing.

use crate::action::StateName;
use crate::config::Priority;
use crate::event::Level;
use crate::wire::Claim;
use alloc::string::String;
use base::Instant;
use core::net::IpAddr;
use core::time::Duration;

/// The state of an instance, with the timers that exist in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started.
    Init,
    /// Waiting for something it needs.
    Fault,
    /// Listening.
    Backup {
        /// When it takes over, unless it hears a better router.
        master_down: Instant,
        /// The master it last believed.
        master: Option<Rival>,
        /// Until when a lower priority is respected (`preempt_delay`); set by the first advert of lower priority.
        respect_until: Option<Instant>,
    },
    /// Holding the addresses.
    Master {
        /// When the next advert is due.
        next_advert: Instant,
        /// Another owner of the same addresses.
        dispute: Dispute,
    },
    /// Ended for good.
    Stopped,
}

impl State {
    /// The name the outside knows; an instance that has ended keeps saying so.
    pub const fn name(&self) -> StateName {
        match self {
            State::Init => StateName::Init,
            State::Fault => StateName::Fault,
            State::Backup { .. } => StateName::Backup,
            State::Master { .. } => StateName::Master,
            State::Stopped => StateName::Stop,
        }
    }
}

/// Another router of the same virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Where its adverts come from.
    pub address: IpAddr,
    /// Its priority.
    pub priority: Priority,
}

/// What an owner does about another owner whose address is lower (6.4, rule 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispute {
    /// Nothing: there is none.
    None,
    /// Send adverts so that the other can see us.
    Answering {
        /// The other.
        rogue: IpAddr,
        /// Own adverts still to send.
        left: u8,
        /// How long to watch then.
        patience: Duration,
    },
    /// Watch: its next advert before `until` makes us give up ownership.
    Watching {
        /// The other.
        rogue: IpAddr,
        /// When it counts as gone.
        until: Instant,
    },
}

/// Something that happened to one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It begins; before `not_before` no timer may end.
    Start {
        /// End of the start delay.
        not_before: Instant,
        /// Whether something it needs is missing.
        faulted: bool,
    },
    /// A timer may have ended.
    DeadlineReached,
    /// The process could not run when a timer ended, or the machine slept.
    Late {
        /// Time that passed for others and not on our clock.
        slept: Duration,
    },
    /// An advert passed every check.
    Heard(Heard),
    /// Something it needs is missing now.
    Faulted,
    /// Everything it needs is there again.
    Recovered {
        /// End of the start delay.
        not_before: Instant,
    },
    /// Somebody took one of its addresses away.
    AddressLost,
    /// What it tracks gives it this priority.
    Priority(Priority),
    /// All members of its sync group claim the addresses.
    Promote,
    /// Another member of its sync group is no longer master.
    Demote,
    /// It ends; `resign` tells the others.
    Stop {
        /// Send priority 0 and remove addresses.
        resign: bool,
        /// What to tell scripts.
        last: StateName,
    },
}

/// An accepted advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The sender.
    pub source: IpAddr,
    /// Its claim.
    pub claim: Claim,
    /// Its interval.
    pub interval: Duration,
}

/// What follows from a happening, for this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an advert with the effective priority.
    Advertise,
    /// Send this many adverts of priority 0; counted once.
    Resign(u8),
    /// The addresses are wanted; announce each when it is there.
    Hold,
    /// The addresses are no longer wanted, nor announced.
    Release,
    /// Announce the addresses again, after an advert of lower priority.
    AnnounceAgain,
    /// Announce the addresses as after becoming master: others may have had them meanwhile.
    AnnounceAnew,
    /// An advert of lower priority was seen: who wants to know is told.
    LowerPrioritySeen,
    /// Announce the own source address once.
    AnnounceSource,
    /// Messages told once may be told again.
    ForgetTold,
    /// Nobody better was heard, but its sync group goes to MASTER together only.
    Claim,
    /// The effective priority changed.
    PriorityChanged,
    /// Tell the outside of the new state.
    Notify(StateName),
    /// Tell the operator.
    Tell(Level, String),
}

/// Why an instance must be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Nobody better was heard for long enough.
    MasterDown,
    /// An advert is due.
    Advertise,
    /// Another owner has been silent for long enough.
    OwnerDispute,
}
