//! What roles say of themselves to the manage role, and what has happened: values that travel, without behaviour.
//!
//! The manage role compiles the same configuration; only what it cannot know from there is in here.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// Everything of the vrrp role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VrrpStatus {
    /// How long the role has been running.
    pub(crate) age: Duration,
    /// The instances, by name.
    pub(crate) instances: Vec<InstanceStatus>,
    /// The sync groups with their states, by name.
    pub(crate) groups: Vec<(String, State)>,
    /// What is known of tracked objects.
    pub(crate) tracked: Vec<TrackedStatus>,
    /// The interfaces of the machine.
    pub(crate) interfaces: Vec<InterfaceStatus>,
    /// Adverts for virtual routers nobody here has.
    pub(crate) unknown_vrid: u64,
}

/// A state of an instance or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
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

impl State {
    /// The state of this word, as logs and FIFOs have it.
    pub(crate) fn of_word(word: &str) -> Option<State> {
        Some(match word {
            "INIT" => State::Init,
            "BACKUP" => State::Backup,
            "MASTER" => State::Master,
            "FAULT" => State::Fault,
            "STOP" => State::Stop,
            "DELETED" => State::Deleted,
            _ => return None,
        })
    }
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceStatus {
    /// Its name.
    pub(crate) name: String,
    /// Its state.
    pub(crate) state: State,
    /// Its effective priority.
    pub(crate) priority: u8,
    /// The address of the master: of a backup the one it believes, of a master its own.
    pub(crate) master: Option<IpAddr>,
    /// Where its adverts come from.
    pub(crate) source: Option<IpAddr>,
    /// The interval a backup waits by.
    pub(crate) master_interval: Duration,
    /// How long it has taken part in the election.
    pub(crate) taking_part: Option<Duration>,
    /// Why it is, or would be, the next master.
    pub(crate) succession: Succession,
    /// Which of its addresses are there: those of the adverts, then the excluded ones.
    pub(crate) held: Vec<bool>,
    /// What it counted.
    pub(crate) counts: Counts,
}

/// Why an instance became master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Succession {
    /// The last master was not heard any more.
    Unanswered,
    /// The last master had resigned.
    Resigned,
    /// The last master had a lower priority.
    Outranks,
}

/// Counters that SNMP knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Times it became master.
    pub(crate) become_master: u64,
    /// Adverts received.
    pub(crate) received: u64,
    /// Another interval.
    pub(crate) interval_errors: u64,
    /// Wrong password or digest.
    pub(crate) auth_failures: u64,
    /// Wrong TTL.
    pub(crate) ttl_errors: u64,
    /// Priority 0 received.
    pub(crate) zero_received: u64,
    /// Priority 0 sent.
    pub(crate) zero_sent: u64,
    /// Not an advert.
    pub(crate) type_errors: u64,
    /// Other addresses.
    pub(crate) address_errors: u64,
    /// Unknown authentication.
    pub(crate) auth_type_errors: u64,
    /// Another authentication.
    pub(crate) auth_mismatches: u64,
    /// Wrong length.
    pub(crate) length_errors: u64,
    /// Wrong checksum.
    pub(crate) checksum_errors: u64,
    /// Another version.
    pub(crate) version_errors: u64,
}

/// A kind of tracked object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum TrackedKind {
    /// `track_interface`.
    Interface,
    /// `vrrp_script`.
    Script,
    /// `track_file`.
    File,
    /// `vrrp_track_process`.
    Process,
    /// `bfd_instance`.
    Bfd,
}

/// What is known of a tracked object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrackedStatus {
    /// What it is.
    pub(crate) kind: TrackedKind,
    /// Its name.
    pub(crate) name: String,
    /// Its condition.
    pub(crate) condition: Condition,
}

/// The condition of a tracked object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Condition {
    /// Nothing is known yet.
    Unknown,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// A number from a file.
    Value(i32),
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InterfaceStatus {
    /// Its name.
    pub(crate) name: String,
    /// The kernel's number.
    pub(crate) index: u32,
    /// The hardware address.
    pub(crate) mac: Option<[u8; 6]>,
}

/// Something managers may be told of at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Happening {
    /// An instance has a new state.
    Instance {
        /// Its name.
        name: String,
        /// Its state.
        state: State,
    },
    /// A sync group has a new state.
    Group {
        /// Its name.
        name: String,
        /// Its state.
        state: State,
    },
}
