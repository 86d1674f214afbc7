//! Why an instance has the state it has, for those who are told of it.
//!
//! Decides which happening explains a change. Does not know who is told, nor what the log says besides.

use crate::action::StateName;
use crate::config::Priority;
use crate::election::{Happening, Rival};
use crate::waiting::Waiting;
use crate::wire::Claim;
use alloc::collections::BTreeSet;
use core::fmt;

/// What brought an instance into its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It begins.
    Begins,
    /// It needs what is not there; never empty but for an instance nobody has looked at.
    Missing(BTreeSet<Waiting>),
    /// What it needed is there again.
    Recovered,
    /// No better router was heard for long enough.
    Silence,
    /// A better router was heard.
    Outranked(Rival),
    /// What it had was removed by somebody else and could not be put back.
    Loss,
    /// The process could not run, or the machine slept.
    Late,
    /// The members of its sync group become master together.
    GroupRises,
    /// Another member of its sync group is no longer master.
    GroupFalls,
    /// The daemon ends.
    Stops,
    /// A reload has removed it.
    Removed,
}

/// Why an instance is, or would be, the next master (RFC 6527, `vrrpv3StatisticsNewMasterReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// The last master is not heard any more.
    Unanswered,
    /// The last master has resigned.
    Resigned,
    /// The last master has a lower priority, or this router owns the addresses.
    Outranks,
}

impl Succession {
    /// What a happening makes of it in a router of this priority; `None`: nothing.
    pub(crate) fn of(happening: &Happening, own: Priority) -> Option<Succession> {
        match happening {
            Happening::Start { .. } if own.is_owner() => Some(Succession::Outranks),
            Happening::Heard(heard) => Some(match heard.claim {
                Claim::Resigning => Succession::Resigned,
                Claim::Holds(other) if other < own => Succession::Outranks,
                Claim::Holds(_) => Succession::Unanswered,
            }),
            Happening::Start { .. } | Happening::Recovered { .. } => Some(Succession::Unanswered),
            Happening::Faulted
            | Happening::DeadlineReached
            | Happening::Late { .. }
            | Happening::AddressLost
            | Happening::Priority(_)
            | Happening::Promote
            | Happening::Demote
            | Happening::Stop { .. } => None,
        }
    }
}

impl Cause {
    /// What a happening would be the cause of; `None` if it changes no state. `waiting` is what the instance waits for.
    pub(crate) fn of(happening: &Happening, waiting: &BTreeSet<Waiting>) -> Option<Cause> {
        Some(match happening {
            Happening::Start { faulted: true, .. } | Happening::Faulted => {
                Cause::Missing(waiting.iter().filter(|missing| missing.is_hard()).cloned().collect())
            }
            Happening::Start { faulted: false, .. } => Cause::Begins,
            Happening::DeadlineReached => Cause::Silence,
            Happening::Late { .. } => Cause::Late,
            Happening::Heard(heard) => Cause::Outranked(Rival {
                address: heard.source,
                priority: priority_of(heard.claim)?,
            }),
            Happening::Recovered { .. } => Cause::Recovered,
            Happening::AddressLost => Cause::Loss,
            Happening::Priority(_) => return None,
            Happening::Promote => Cause::GroupRises,
            Happening::Demote => Cause::GroupFalls,
            Happening::Stop { last, .. } => match last {
                StateName::Deleted => Cause::Removed,
                StateName::Init | StateName::Backup | StateName::Master | StateName::Fault | StateName::Stop => {
                    Cause::Stops
                }
            },
        })
    }

    /// Whether it is the instance's own, and not merely that of another member of its sync group.
    pub fn is_own(&self) -> bool {
        match self {
            Cause::GroupRises | Cause::GroupFalls => false,
            Cause::Missing(waiting) => waiting.iter().any(|missing| !matches!(missing, Waiting::Member(_))),
            Cause::Begins
            | Cause::Recovered
            | Cause::Silence
            | Cause::Outranked(_)
            | Cause::Loss
            | Cause::Late
            | Cause::Stops
            | Cause::Removed => true,
        }
    }
}

fn priority_of(claim: Claim) -> Option<Priority> {
    match claim {
        Claim::Holds(priority) => Some(priority),
        Claim::Resigning => None,
    }
}

/// As the log has it, where it has a line about it.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Begins => f.write_str("starting"),
            Cause::Missing(waiting) => {
                f.write_str("waiting for ")?;
                for (number, missing) in waiting.iter().enumerate() {
                    let comma = if number == 0 { "" } else { ", " };
                    write!(f, "{comma}{missing}")?;
                }
                Ok(())
            }
            Cause::Recovered => f.write_str("everything it waited for is there"),
            Cause::Silence => f.write_str("Receive advertisement timeout"),
            Cause::Outranked(rival) => {
                write!(
                    f,
                    "received advert from {} with priority {}",
                    rival.address, rival.priority
                )
            }
            Cause::Loss => f.write_str("what somebody else removed could not be put back"),
            Cause::Late => f.write_str("this router was late"),
            Cause::GroupRises => f.write_str("all members of its sync group become master"),
            Cause::GroupFalls => f.write_str("another member of its sync group is no longer master"),
            Cause::Stops => f.write_str("stopping"),
            Cause::Removed => f.write_str("removed by a reload"),
        }
    }
}
