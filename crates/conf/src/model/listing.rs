//! What lists show and nothing that runs depends on.

use lvs::config::Key;
use std::collections::{BTreeMap, BTreeSet};
use vrrp::config::{Name, Tracked, Weight};

/// In which order blocks were written, and which weights tracked objects have by themselves: the rows of SNMP's tables are
/// numbered after it. Another order in the file changes nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The instances.
    pub instances: Vec<Name>,
    /// Those of them that are to begin as master, whatever their sync groups have made of it.
    pub masters: BTreeSet<Name>,
    /// The sync groups.
    pub groups: Vec<Name>,
    /// The virtual servers.
    pub servers: Vec<Key>,
    /// The weight of each object that is tracked, for users that give none.
    pub weights: BTreeMap<Tracked, Weight>,
}
