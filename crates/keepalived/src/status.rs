//! What roles say of themselves to the manage role, and what has happened: values that travel, without behaviour.
//!
//! The manage role compiles the same configuration; only what it cannot know from there is in here.

use lvs::config::Key;
use serde::{Deserialize, Serialize};
use std::fmt;
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
    /// The priority it was given, by the configuration or by a manager.
    pub(crate) base_priority: u8,
    /// Whether it takes over from a master of lower priority.
    pub(crate) preempts: bool,
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
    /// Which of its routes are there.
    pub(crate) routes_held: Vec<bool>,
    /// Which of its rules are there.
    pub(crate) rules_held: Vec<bool>,
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

/// Everything of the check role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckStatus {
    /// The virtual servers.
    pub(crate) services: Vec<ServiceStatus>,
}

/// A virtual server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceStatus {
    /// Which ([`service_name`]).
    pub(crate) name: String,
    /// It has its quorum.
    pub(crate) quorum: bool,
    /// The kernel has it.
    pub(crate) alive: bool,
    /// What went through it.
    pub(crate) traffic: Traffic,
    /// Its real servers.
    pub(crate) reals: Vec<RealStatus>,
    /// Its sorry server; up while it answers.
    pub(crate) sorry: Option<RealStatus>,
}

/// A real server, or a sorry server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RealStatus {
    /// Its address.
    pub(crate) address: IpAddr,
    /// Its port; 0: that of the service.
    pub(crate) port: u16,
    /// It is up.
    pub(crate) up: bool,
    /// Its weight.
    pub(crate) weight: u32,
    /// Checks that say it is down.
    pub(crate) failed_checks: u32,
    /// Checks that have not said anything yet.
    pub(crate) waiting_checks: u32,
    /// Connections that are active.
    pub(crate) active: u32,
    /// Connections that are not.
    pub(crate) inactive: u32,
    /// What went to it.
    pub(crate) traffic: Traffic,
}

/// What the kernel counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Traffic {
    /// Connections.
    pub(crate) connections: u64,
    /// Packets in.
    pub(crate) packets_in: u64,
    /// Packets out.
    pub(crate) packets_out: u64,
    /// Bytes in.
    pub(crate) bytes_in: u64,
    /// Bytes out.
    pub(crate) bytes_out: u64,
    /// The same five in each second.
    pub(crate) rates: [u64; 5],
}

impl Traffic {
    /// Counts another one in.
    pub(crate) fn add(&mut self, other: &Traffic) {
        let sums = [
            (&mut self.connections, other.connections),
            (&mut self.packets_in, other.packets_in),
            (&mut self.packets_out, other.packets_out),
            (&mut self.bytes_in, other.bytes_in),
            (&mut self.bytes_out, other.bytes_out),
        ];
        for (sum, more) in sums.into_iter().chain(self.rates.iter_mut().zip(other.rates)) {
            *sum = sum.saturating_add(more);
        }
    }
}

/// By what both sides know a virtual server.
pub(crate) fn service_name(key: &Key) -> String {
    format!("{key} {}", key.sequence)
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
    /// A real server is up or down.
    Real {
        /// Its virtual server ([`service_name`]).
        service: String,
        /// Its address.
        address: IpAddr,
        /// Its port; 0: that of the service.
        port: u16,
        /// It is up.
        up: bool,
    },
    /// The quorum of a virtual server was gained or lost.
    Quorum {
        /// Which ([`service_name`]).
        service: String,
        /// Gained.
        up: bool,
    },
}

/// What a manager asks of the daemon as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Errand {
    /// The state of the daemon, in files.
    PrintData,
    /// The counters, in a file.
    PrintStats,
    /// The same, then zero.
    PrintStatsClear,
    /// A reload.
    Reload,
}

/// What a manager sets, or wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wish {
    /// The priority of an instance, before what it tracks.
    Priority {
        /// Its name.
        instance: String,
        /// 1 to 254.
        priority: u8,
    },
    /// Whether an instance takes over from a master of lower priority.
    Preempt {
        /// Its name.
        instance: String,
        /// It does.
        preempt: bool,
    },
    /// That a master announces its addresses.
    Announce {
        /// Its name.
        instance: String,
    },
    /// The weight of a real server.
    Weight {
        /// Its virtual server ([`service_name`]).
        service: String,
        /// Its address.
        address: IpAddr,
        /// Its port; 0: that of the service.
        port: u16,
        /// The weight.
        weight: u32,
    },
}

/// What is set, without whose it is.
impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wish::Priority { priority, .. } => write!(f, "priority {priority}"),
            Wish::Preempt { preempt: true, .. } => f.write_str("preempt"),
            Wish::Preempt { preempt: false, .. } => f.write_str("nopreempt"),
            Wish::Announce { .. } => f.write_str("an announcement"),
            Wish::Weight { weight, .. } => write!(f, "weight {weight}"),
        }
    }
}
