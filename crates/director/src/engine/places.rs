//! What is known by name, and which real servers follow it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use lvs::config::{Endpoint, Key};

/// Values by name with their followers.
#[derive(Debug)]
pub(super) struct Followed<V> {
    known: BTreeMap<Arc<str>, V>,
    followers: BTreeMap<Arc<str>, BTreeSet<(Key, Endpoint)>>,
}

impl<V> Default for Followed<V> {
    fn default() -> Followed<V> {
        Followed {
            known: BTreeMap::new(),
            followers: BTreeMap::new(),
        }
    }
}

impl<V: Copy + PartialEq> Followed<V> {
    /// The value of a name, if it is known.
    pub(super) fn get(&self, name: &str) -> Option<V> {
        self.known.get(name).copied()
    }

    /// The names somebody follows.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.followers.keys().map(|name| &**name)
    }

    /// Nobody follows anything; values are kept.
    pub(super) fn forget_followers(&mut self) {
        self.followers.clear();
    }

    /// A real server follows a name.
    pub(super) fn follow(&mut self, name: &Arc<str>, key: &Key, at: Endpoint) {
        let followers = self.followers.entry(Arc::clone(name)).or_default();
        followers.insert((key.clone(), at));
    }

    /// A name has a value; the followers, if it is news to them.
    pub(super) fn set(&mut self, name: &str, value: V) -> Vec<(Key, Endpoint)> {
        if self.get(name) == Some(value) {
            return Vec::new();
        }
        self.known.insert(Arc::from(name), value);
        self.followers
            .get(name)
            .map_or_else(Vec::new, |all| all.iter().cloned().collect())
    }
}
