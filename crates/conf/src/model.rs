//! What a configuration means: plain values, without run state and without facts of a kernel.

mod listing;
mod servers;
mod track;

pub use listing::Listing;
pub use servers::{ServerNotify, Servers, VirtualServer};
pub use track::{InitFile, Linkbeat, LinkbeatMethod, ParameterMatch, TrackFile, TrackProcess, TrackScript, Tracking};

use base::IfName;
use std::collections::BTreeMap;
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
    /// What is told about instances, by their names; an instance that is not here tells nobody but the global FIFOs.
    pub notify: BTreeMap<String, Notify>,
    /// The same of sync groups.
    pub notify_groups: BTreeMap<String, Notify>,
    /// What lists show.
    pub listing: Listing,
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
    /// `set_supplementary_groups`: scripts get the supplementary groups of their user.
    pub supplementary_groups: bool,
    /// `startup_script`: run before the roles start.
    pub startup_script: Option<Command>,
    /// `startup_script_timeout`.
    pub startup_timeout: Duration,
    /// `shutdown_script`: run after the roles have ended.
    pub shutdown_script: Option<Command>,
    /// `shutdown_script_timeout`.
    pub shutdown_timeout: Duration,
    /// `enable_script_security`.
    pub script_security: bool,
    /// `notify_fifo` and `notify_fifo_script`.
    pub fifo: Option<Fifo>,
    /// `vrrp_notify_fifo` and `vrrp_notify_fifo_script`.
    pub vrrp_fifo: Option<Fifo>,
    /// `lvs_notify_fifo` and `lvs_notify_fifo_script`.
    pub lvs_fifo: Option<Fifo>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub fifo_states_on_reload: bool,
    /// Where mail goes.
    pub mail: Mail,
    /// `smtp_alert`; [`Notify::mail`] has it applied.
    pub smtp_alert: Option<bool>,
    /// `smtp_alert_vrrp`; see there.
    pub smtp_alert_vrrp: Option<bool>,
    /// `reload_time_file`: holds the time of a reload.
    pub reload_time_file: Option<String>,
    /// `reload_repeat`: the file stays after the reload.
    pub reload_repeat: bool,
    /// `reload_file`: exists while the configuration is read.
    pub reload_file: Option<ReloadFile>,
    /// `config_save_dir`.
    pub config_save_dir: Option<String>,
    /// `tmp_config_directory`: of no use here, and cannot change at a reload.
    pub tmp_config_directory: Option<String>,
    /// `state_dump_file`: name or directory of data files.
    pub state_dump_file: Option<String>,
    /// `stats_dump_file`; upstream writes elsewhere all the same.
    pub stats_dump_file: Option<String>,
    /// `json_dump_file`; see there.
    pub json_dump_file: Option<String>,
    /// `json_version`, 1 or 2.
    pub json_version: u8,
    /// SNMP.
    pub snmp: Snmp,
    /// D-Bus.
    pub dbus: Dbus,
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
            supplementary_groups: false,
            startup_script: None,
            startup_timeout: Duration::from_secs(10),
            shutdown_script: None,
            shutdown_timeout: Duration::from_secs(10),
            script_security: false,
            fifo: None,
            vrrp_fifo: None,
            lvs_fifo: None,
            fifo_states_on_reload: false,
            mail: Mail::default(),
            smtp_alert: None,
            smtp_alert_vrrp: None,
            reload_time_file: None,
            reload_repeat: false,
            reload_file: None,
            config_save_dir: None,
            tmp_config_directory: None,
            state_dump_file: None,
            stats_dump_file: None,
            json_dump_file: None,
            json_version: 1,
            snmp: Snmp::default(),
            dbus: Dbus::default(),
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
    /// The program as configured, then its arguments; never empty. Bytes, because an escape can make any.
    pub arguments: Vec<Vec<u8>>,
    /// The file of the program, if it was found by path search or through symbolic links.
    pub file: Option<Vec<u8>>,
    /// Who it runs as.
    pub identity: Identity,
}

/// Who a script runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The name of the user, by which supplementary groups are found.
    pub user: String,
}

/// What is told about an instance or a group, defaults applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `notify_master`.
    pub master: Option<Command>,
    /// `notify_backup`.
    pub backup: Option<Command>,
    /// `notify_fault`.
    pub fault: Option<Command>,
    /// `notify_stop`.
    pub stop: Option<Command>,
    /// The script of `notify_deleted`.
    pub deleted: Option<Command>,
    /// `notify_deleted` is given: its removal is reported as DELETED, else as FAULT.
    pub report_deleted: bool,
    /// `notify`: run after each of the others, with what it is about appended.
    pub any: Option<Command>,
    /// `notify_master_rx_lower_pri`.
    pub lower_priority: Option<Command>,
    /// `smtp_alert`.
    pub mail: bool,
}

/// A FIFO and its reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fifo {
    /// The path; empty if only the script is given.
    pub path: String,
    /// Who owns it if it is made.
    pub identity: Identity,
    /// The program that reads it; the path is its last argument.
    pub script: Option<Command>,
}

/// Mail about changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `smtp_server`; without it no mail is sent.
    pub server: Option<MailServer>,
    /// `notification_email_from`; `None`: the user at the host of the daemon.
    pub from: Option<String>,
    /// `notification_email`, as written; empty: no mail is sent.
    pub recipients: Vec<String>,
    /// `smtp_helo_name`; `None`: the host name.
    pub helo: Option<String>,
    /// `smtp_connect_timeout`: for the connection, and for each answer.
    pub timeout: Duration,
    /// `no_email_faults`.
    pub no_faults: bool,
}

impl Default for Mail {
    fn default() -> Mail {
        Mail {
            server: None,
            from: None,
            recipients: Vec::new(),
            helo: None,
            timeout: Duration::from_secs(30),
            no_faults: false,
        }
    }
}

/// A mail relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    /// Its address, or a name that is looked up when mail is sent.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// A file that exists while the configuration is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadFile {
    /// The name of the main pid file with `.reload` in the place of its extension.
    BesidePidFile,
    /// At this path.
    At(String),
}

/// What SNMP serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snmp {
    /// `snmp_socket`.
    pub socket: Option<String>,
    /// `enable_traps`.
    pub traps: bool,
    /// `enable_snmp_vrrp`.
    pub vrrp: bool,
    /// `enable_snmp_rfcv2`.
    pub rfc2: bool,
    /// `enable_snmp_rfcv3`.
    pub rfc3: bool,
    /// `enable_snmp_checker`.
    pub checker: bool,
}

impl Snmp {
    /// Whether anything is served.
    pub const fn is_wanted(&self) -> bool {
        self.vrrp || self.rfc2 || self.rfc3 || self.checker
    }
}

/// What D-Bus serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dbus {
    /// `enable_dbus`.
    pub enabled: bool,
    /// `dbus_service_name`.
    pub service: Option<String>,
    /// `dbus_no_interface_name`.
    pub no_interface: Option<String>,
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
