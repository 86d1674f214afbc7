//! What is tracked, as far as the daemon has to do something for it: run, watch, read, count. How a result counts is in
//! [`vrrp::config::Objects`].

use super::{Command, ReceiveBuffer};
use base::IfName;
use std::collections::BTreeMap;
use std::time::Duration;
use vrrp::config::Weight;

/// Everything that is tracked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracking {
    /// `vrrp_script`, those that an instance or a group tracks.
    pub scripts: BTreeMap<String, TrackScript>,
    /// `track_file`, whoever uses it.
    pub files: BTreeMap<String, TrackFile>,
    /// `vrrp_track_process`, those that an instance or a group tracks.
    pub processes: BTreeMap<String, TrackProcess>,
    /// `linkbeat_use_polling`, `linkbeat_interfaces`.
    pub linkbeat: Linkbeat,
    /// `process_monitor_rcv_bufs`.
    pub process_buffer: Option<ReceiveBuffer>,
}

/// How a script is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackScript {
    /// `script` and `user`.
    pub command: Command,
    /// `interval`: from one start to the next, at least 1 ms.
    pub interval: Duration,
    /// `timeout`: a run that takes longer has failed and is ended; the interval unless given.
    pub timeout: Duration,
}

/// Where a number is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackFile {
    /// `file`.
    pub path: String,
    /// `weight`: for users that give none.
    pub weight: Weight,
    /// `init_file`: written at start.
    pub init: Option<InitFile>,
}

/// What a tracked file holds at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InitFile {
    /// The number.
    pub value: i32,
    /// Also if the file is there already.
    pub overwrite: bool,
}

/// Which processes are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackProcess {
    /// The program: its name, or the first word of its command line.
    pub path: String,
    /// Its parameters.
    pub parameters: Vec<String>,
    /// How the parameters are compared.
    pub parameter_match: ParameterMatch,
    /// `weight`: for users that give none.
    pub weight: Weight,
    /// `full_command`: the command line counts, not the name in the kernel. Implied by parameters.
    pub full_command: bool,
}

/// `param_match`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParameterMatch {
    /// They are not looked at.
    #[default]
    None,
    /// All are equal, and there are no others.
    Exact,
    /// The first ones are equal.
    Partial,
    /// The first ones are equal, of the last of them only the beginning.
    Initial,
}

/// Which links are asked for their carrier instead of believing the kernel's reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linkbeat {
    /// `linkbeat_use_polling`: all that matter.
    pub all: bool,
    /// `linkbeat_interfaces`, with the method if one is named.
    pub interfaces: BTreeMap<IfName, Option<LinkbeatMethod>>,
}

/// How a carrier is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkbeatMethod {
    /// The registers of the transceiver.
    Mii,
    /// ETHTOOL_GLINK.
    Ethtool,
    /// The flags of the interface.
    Ioctl,
}
