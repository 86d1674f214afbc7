//! What is tracked: objects whose condition changes a priority or puts an instance into FAULT.
//!
//! Decides only what such an object is called and how its condition counts. How a script is run, where a file lies and
//! how a process is recognised is data of the daemon and not known here (`spec/vrrp-behaviour.md` 8).

use super::Name;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use base::IfName;
use core::fmt;
use core::time::Duration;

/// An object that can be tracked, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tracked {
    /// `track_interface`: good while it is up and running.
    Interface(IfName),
    /// `track_script`: good while the script succeeds.
    Script(Name),
    /// `track_file`: a number, not a condition.
    File(Name),
    /// `track_process`: good while enough processes run, and not too many.
    Process(Name),
    /// `track_bfd`: good while the session is up.
    Bfd(Name),
}

impl Tracked {
    /// The kind of thing, as the keyword names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Tracked::Interface(_) => "interface",
            Tracked::Script(_) => "script",
            Tracked::File(_) => "file",
            Tracked::Process(_) => "process",
            Tracked::Bfd(_) => "bfd",
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Tracked::Interface(name) => name.as_str(),
            Tracked::Script(name) | Tracked::File(name) | Tracked::Process(name) | Tracked::Bfd(name) => name.as_str(),
        }
    }
}

impl fmt::Display for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}

/// How the condition of an object counts: `weight N [reverse]`.
///
/// Zero makes it a fault tracker: bad means FAULT. A positive weight is added while good, a negative one while bad. For
/// files the value of the file is multiplied by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// -253 to 253; for files and processes -254 to 254.
    pub value: i32,
    /// The contribution is negated; with weight zero good means FAULT.
    pub reverse: bool,
}

impl Weight {
    /// Bad means FAULT.
    pub const FAULT: Weight = Weight {
        value: 0,
        reverse: false,
    };

    /// Whether the condition means FAULT instead of a change of priority.
    pub const fn is_fault(self) -> bool {
        self.value == 0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "weight {}{}", self.value, if self.reverse { " reverse" } else { "" })
    }
}

/// An object an instance tracks, and how it counts there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracker {
    /// What.
    pub object: Tracked,
    /// How much.
    pub weight: Weight,
}

/// Everything that is tracked by somebody, with the rules that decide its condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// `vrrp_script`.
    pub scripts: BTreeMap<Name, Script>,
    /// `track_file`.
    pub files: BTreeSet<Name>,
    /// `vrrp_track_process`.
    pub processes: BTreeMap<Name, Process>,
    /// `bfd_instance`.
    pub sessions: BTreeSet<Name>,
    /// `interface_up_down_delays`.
    pub delays: BTreeMap<IfName, Delays>,
}

/// When a script counts as good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// `rise`: successes needed to become good; at least 1.
    pub rise: u32,
    /// `fall`: failures needed to become bad; at least 1.
    pub fall: u32,
    /// `init_fail`: bad before its first result.
    pub init_fail: bool,
    /// What is run, as opaque text: where it is equal before and after a reload, the result is carried over.
    pub runs: Arc<str>,
}

/// When a tracked process counts as good: `quorum` to `quorum_max` of them run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// `quorum`: the fewest, 1 to 65535.
    pub quorum: u32,
    /// `quorum_max`: the most; `u32::MAX` without limit.
    pub quorum_max: u32,
    /// `fork_delay`: a gain counts after this long.
    pub fork_delay: Duration,
    /// `terminate_delay`: a loss counts after this long.
    pub terminate_delay: Duration,
}

impl Process {
    /// Whether this many are enough and not too many.
    pub const fn is_good(&self, count: u32) -> bool {
        self.quorum <= count && count <= self.quorum_max
    }
}

/// How long a change of an interface must last before it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// Before it counts as down.
    pub down: Duration,
    /// Before it counts as up.
    pub up: Duration,
}
