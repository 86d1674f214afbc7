//! Sync groups: instances that change state together (`spec/vrrp-behaviour.md` 7).

use super::Name;
use alloc::vec::Vec;

/// A sync group that has members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Name,
    /// Its members in the order of the file; each exists, and is in no other group.
    pub members: Vec<Name>,
    /// `smtp_alert`; `None`: the global setting.
    pub smtp_alert: Option<bool>,
}
