//! What the kernel reports without being asked: things and interfaces that come and go.
//!
//! Something of ours that goes without our asking was taken away by somebody else, and is put back. Deliberately does
//! not know what a loss means to an instance.

use super::{Holdings, Item, Phase, Seen};
use crate::engine::slots::Slot;
use alloc::vec::Vec;
use base::{IfName, Instant};
use core::time::Duration;

/// How often somebody else may take the same thing away within [`LOSS_MEMORY`] and get it put back. With the next
/// time its owners are told, who give up and begin again: whoever it is means it, or has a reason we cannot see.
const REPAIRS: usize = 2;
/// How long a loss is remembered.
const LOSS_MEMORY: Duration = Duration::from_secs(1);
/// What is taken away again within this time is taken away by the same act, and not counted: programs that flush a
/// table list and delete until the list is empty (`ip route flush`), and see what we put back in between.
const ONE_ACT: Duration = Duration::from_millis(20);
/// How long such a program is given to find the list empty.
const ACT_PAUSE: Duration = Duration::from_millis(10);

/// What a report means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Nothing that matters.
    Nothing,
    /// Somebody else took it away; it is being put back for these.
    Repairing(Vec<Slot>),
    /// Somebody else took it away once more while that was done; it is put back in a moment.
    RepairingAgain,
    /// Somebody else takes it away again and again; these want it.
    Lost(Vec<Slot>),
}

impl<T: Item> Holdings<T> {
    /// The kernel reports an item there or gone.
    pub(crate) fn observed(&mut self, now: Instant, key: &T::Key, present: bool) -> Report {
        let Some(entry) = self.entries.get_mut(key) else {
            return Report::Nothing;
        };
        match (entry.phase, present) {
            (Phase::Adding { .. }, true) => {
                entry.stale_report = false;
                entry.phase = Phase::Adding { seen: Seen::There };
                Report::Nothing
            }
            // Reports come in order: what was removed before is behind us.
            (_, true) => {
                entry.stale_report = false;
                Report::Nothing
            }
            (Phase::Removing { .. }, false) => {
                entry.phase = Phase::Removing { reported: true };
                Report::Nothing
            }
            (Phase::Installed, false) if entry.stale_report => {
                entry.stale_report = false;
                Report::Nothing
            }
            (Phase::Installed, false) => self.lost(now, key),
            (Phase::Adding { seen: Seen::There }, false) => {
                entry.phase = Phase::Adding { seen: Seen::GoneAgain };
                Report::Nothing
            }
            // It is asked for all the same: the report may be old, or name an interface that has another name now.
            (Phase::ToRemove | Phase::RemoveRefused, false) => {
                entry.doubtful = true;
                Report::Nothing
            }
            (Phase::Absent | Phase::ToAdd | Phase::Adding { .. } | Phase::AddRefused, false) => {
                entry.asserting = false;
                entry.stale_report = false;
                Report::Nothing
            }
        }
    }

    /// Something that was in place is not any more, and we did not ask for it.
    pub(crate) fn lost(&mut self, now: Instant, key: &T::Key) -> Report {
        let Some(entry) = self
            .entries
            .get_mut(key)
            .filter(|entry| entry.phase == Phase::Installed)
        else {
            return Report::Nothing;
        };
        let tracked = entry.wanted.as_ref().is_some_and(|item| item.is_tracked());
        if !tracked || entry.owners.is_empty() {
            entry.phase = Phase::Absent;
            return Report::Nothing;
        }
        let owners = entry.owners.clone();
        entry.losses.retain(|at| now.since(*at) < LOSS_MEMORY);
        if entry.losses.last().is_some_and(|at| now.since(*at) < ONE_ACT) {
            entry.repairing = true;
            entry.phase = Phase::AddRefused;
            self.retry_at(now.after(ACT_PAUSE), key);
            return Report::RepairingAgain;
        }
        if entry.losses.len() >= REPAIRS {
            entry.losses.clear();
            entry.phase = Phase::AddRefused;
            self.retry_later(now, key);
            return Report::Lost(owners);
        }
        entry.losses.push(now);
        entry.repairing = true;
        entry.phase = Phase::ToAdd;
        // Before what is wanted for the first time: this was in use.
        self.adds.push_front(key.clone());
        Report::Repairing(owners)
    }

    /// The kernel may have dropped some items without a word: asks for them again. That one is there is no error.
    pub(crate) fn assert_those(&mut self, doubtful: impl Fn(&T::Key) -> bool) {
        let keys: Vec<T::Key> = self.entries.keys().filter(|key| doubtful(key)).cloned().collect();
        for key in keys {
            self.assert_one(&key);
        }
    }

    pub(super) fn assert_one(&mut self, key: &T::Key) {
        if let Some(entry) = self.entries.get_mut(key)
            && entry.phase == Phase::Installed
            && !entry.owners.is_empty()
        {
            entry.asserting = !entry.stale_report;
            entry.phase = Phase::ToAdd;
            self.adds.push_back(key.clone());
        }
    }

    /// An interface appeared or changed: what it was refused is tried again.
    pub(crate) fn retry_on(&mut self, interface: IfName) {
        let concerned = |key: &&T::Key| T::may_depend_on(key, interface);
        let keys: Vec<T::Key> = self.entries.keys().filter(concerned).cloned().collect();
        for key in keys {
            self.requeue(&key);
        }
    }

    /// An interface is gone, and what was on it with it.
    pub(crate) fn lost_interface(&mut self, interface: IfName) {
        let concerned = |key: &&T::Key| T::is_on(key, interface);
        let keys: Vec<T::Key> = self.entries.keys().filter(concerned).cloned().collect();
        for key in keys {
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            entry.stale_report = false;
            entry.repairing = false;
            entry.placed = None;
            if entry.owners.is_empty() {
                self.drop_entry(&key);
            } else {
                entry.phase = Phase::AddRefused;
            }
        }
    }
}
