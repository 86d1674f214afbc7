//! What the director runs.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use check::Check;
use lvs::config::{Endpoint, Group, GroupName, Key, Service, Settings};

/// All virtual servers with their checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// What they share.
    pub settings: Settings,
    /// The groups they may name.
    pub groups: BTreeMap<GroupName, Arc<Group>>,
    /// The virtual servers.
    pub servers: BTreeMap<Key, Server>,
}

/// A virtual server with the checks of its real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The virtual server.
    pub service: Arc<Service>,
    /// The checks of each real server that has any.
    pub checks: BTreeMap<Endpoint, Vec<Check>>,
}
