//! Virtual servers with all that belongs to them: the kernel's part, the checks, the commands.

use super::{Command, ReceiveBuffer};
use check::Check;
use check::config::{ClientTls, CommandName};
use lvs::config::{Endpoint, Group, GroupName, Key, Service, Settings};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All virtual servers, and what they share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    /// What `global_defs` says about them.
    pub settings: Settings,
    /// `virtual_server_group`.
    pub groups: BTreeMap<GroupName, Arc<Group>>,
    /// `virtual_server`.
    pub services: BTreeMap<Key, Arc<VirtualServer>>,
    /// Every command that is named by them: those of `MISC_CHECK` are known to checks by name only.
    pub commands: BTreeMap<CommandName, Arc<Command>>,
    /// `SSL`.
    pub tls: ClientTls,
    /// `lvs_netlink_cmd_rcv_bufs`.
    pub netlink_command_buffer: Option<ReceiveBuffer>,
    /// `lvs_netlink_monitor_rcv_bufs`.
    pub netlink_monitor_buffer: Option<ReceiveBuffer>,
}

/// A virtual server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    /// What is set up in the kernel, and when.
    pub service: Service,
    /// The checks of each real server that has any.
    pub checks: BTreeMap<Endpoint, Box<[Check]>>,
    /// `quorum_up`.
    pub quorum_up: Option<Arc<Command>>,
    /// `quorum_down`.
    pub quorum_down: Option<Arc<Command>>,
    /// The commands of each real server that has any.
    pub notify: BTreeMap<Endpoint, ServerNotify>,
}

/// Commands of a real server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerNotify {
    /// `notify_up`.
    pub up: Option<Arc<Command>>,
    /// `notify_down`.
    pub down: Option<Arc<Command>>,
}
