//! What a configuration means: plain values, without run state and without facts of a kernel.

mod servers;
mod track;

pub use servers::{Notify, Servers, VirtualServer};
pub use track::{InitFile, Linkbeat, LinkbeatMethod, ParameterMatch, TrackFile, TrackProcess, TrackScript, Tracking};

use base::IfName;
use std::fmt;
use std::time::Duration;

/// The meaning of a whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// What the supervisor and all roles need.
    pub global: Global,
    /// The virtual routers.
    pub vrrp: vrrp::config::Model,
    /// The virtual servers and their checks.
    pub servers: Servers,
    /// What is tracked, as far as it must be run, watched, read or counted.
    pub tracking: Tracking,
    /// The BFD sessions.
    pub bfd: bfd::config::Model,
    /// There is something for the vrrp role.
    pub has_vrrp: bool,
    /// There is something for the check role.
    pub has_checkers: bool,
    /// There is something for the bfd role.
    pub has_bfd: bool,
}

/// Settings of the daemon and of its processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// `router_id`; `None`: the host name.
    pub router_id: Option<String>,
    /// `net_namespace`.
    pub net_namespace: Option<String>,
    /// `instance`.
    pub instance: Option<String>,
    /// `use_pid_dir`, or implied by `net_namespace` or `instance`.
    pub use_pid_dir: bool,
    /// `child_wait_time`.
    pub child_wait_time: Duration,
    /// `process_names`: children are renamed.
    pub process_names: bool,
    /// `process_name`.
    pub process_name: Option<String>,
    /// The vrrp process.
    pub vrrp: Process,
    /// The checker process.
    pub checker: Process,
    /// The BFD process.
    pub bfd: Process,
    /// `max_auto_priority`; zero: no automatic change.
    pub max_auto_priority: i8,
    /// `min_auto_priority_delay`.
    pub min_auto_priority_delay: Duration,
    /// `umask`.
    pub umask: Option<u32>,
    /// `dynamic_interfaces`.
    pub dynamic_interfaces: DynamicInterfaces,
    /// `default_interface`.
    pub default_interface: Option<IfName>,
    /// `disable_local_igmp`.
    pub disable_local_igmp: bool,
    /// `script_user`.
    pub script_user: Option<User>,
    /// `startup_script`: run before the roles start.
    pub startup_script: Option<Command>,
    /// `shutdown_script`: run after the roles have ended.
    pub shutdown_script: Option<Command>,
    /// `enable_script_security`.
    pub script_security: bool,
    /// `notify_fifo` and `notify_fifo_script`, as written.
    pub fifo: Fifo,
    /// `vrrp_notify_fifo` and `vrrp_notify_fifo_script`, as written.
    pub vrrp_fifo: Fifo,
    /// `reload_check_config`: not at all, or with its messages into a file.
    pub reload_check_config: Option<ReloadCheck>,
    /// `vrrp_netlink_cmd_rcv_bufs`.
    pub netlink_command_buffer: Option<ReceiveBuffer>,
    /// `vrrp_netlink_monitor_rcv_bufs`.
    pub netlink_monitor_buffer: Option<ReceiveBuffer>,
    /// `data_use_instance`.
    pub data_use_instance: bool,
    /// `random_seed`.
    pub random_seed: Option<u32>,
}

impl Default for Global {
    fn default() -> Global {
        Global {
            router_id: None,
            net_namespace: None,
            instance: None,
            use_pid_dir: false,
            child_wait_time: Duration::from_secs(5),
            process_names: false,
            process_name: None,
            vrrp: Process::default(),
            checker: Process::default(),
            bfd: Process::default(),
            max_auto_priority: 0,
            min_auto_priority_delay: Duration::from_secs(1),
            umask: None,
            dynamic_interfaces: DynamicInterfaces::No,
            default_interface: None,
            disable_local_igmp: false,
            script_user: None,
            startup_script: None,
            shutdown_script: None,
            script_security: false,
            fifo: Fifo::default(),
            vrrp_fifo: Fifo::default(),
            reload_check_config: None,
            netlink_command_buffer: None,
            netlink_monitor_buffer: None,
            data_use_instance: false,
            random_seed: None,
        }
    }
}

/// How a process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// `*_process_name`.
    pub name: Option<String>,
    /// `*_priority`: the nice value.
    pub nice: Option<i8>,
    /// `*_no_swap`: memory is locked.
    pub no_swap: bool,
    /// `*_rt_priority`: SCHED_RR at this priority.
    pub realtime: Option<u8>,
    /// `*_rlimit_rttime`, microseconds.
    pub realtime_limit: Option<u32>,
    /// `*_cpu_affinity`; empty: all.
    pub cpus: Vec<u32>,
}

/// Whether interfaces may come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DynamicInterfaces {
    /// All interfaces exist from the start.
    No,
    /// They may be missing and may go.
    Yes,
    /// They may also change their type or base.
    WithChanges,
}

/// A program with its arguments, and who it runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program, then its arguments; never empty. Bytes, because an escape can make any.
    pub arguments: Vec<Vec<u8>>,
    /// The identity named on its line; `None`: the default one.
    pub user: Option<User>,
}

/// The identity of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub user: String,
    /// The group, if one is named.
    pub group: Option<String>,
}

/// A FIFO and its reader, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fifo {
    /// The path, then user and group.
    pub path: Vec<String>,
    /// The command as one word, then user and group.
    pub script: Vec<String>,
}

/// How a new configuration is checked before a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadCheck {
    /// Where its messages go; `None`: nowhere.
    pub log: Option<String>,
}

/// The size of a receive buffer of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveBuffer {
    /// Bytes.
    pub bytes: u32,
    /// Also above the system's limit.
    pub force: bool,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}:{group}", self.user),
            None => f.write_str(&self.user),
        }
    }
}
