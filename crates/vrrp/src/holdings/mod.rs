//! Which addresses, routes and rules are wanted, on their way, in place, or being taken away.
//!
//! Decides which changes the kernel is asked for, in batches of bounded size with at most one outstanding in each
//! direction, so that thousands of addresses never delay an advert. Deliberately does not know why something is
//! wanted: instances say so by holding and releasing it, and what has several owners goes when the last one lets go.
//!
//! What somebody else takes away is put back at once (`reports`); only when it is taken away again and again, or the
//! kernel refuses, do its owners hear of it (docs/divergences.md, "repaired-in-place"). `item` says what is different
//! between addresses, routes and rules, `answers` what the kernel's answers mean.

mod answers;
mod item;
mod reports;

pub(crate) use item::{Item, RouteId, RuleId};
pub(crate) use reports::Report;

use crate::action::Action;
use crate::engine::interfaces::Interfaces;
use crate::engine::slots::Slot;
use crate::input::BatchId;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::Instant;
use core::time::Duration;

/// The most steps in one batch.
///
/// Small enough that the kernel is done with one in well under a millisecond, large enough that the cost of a
/// system call is nothing against it. What does not fit follows when the kernel has answered.
pub const BATCH: usize = 64;
/// Pause after the first refusal of a step; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Doublings at most: about a minute.
const MOST_DOUBLINGS: u32 = 6;
/// What is known of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not in the kernel, and nothing under way.
    Absent,
    /// To be added with the next batch that has room.
    ToAdd,
    /// In an outstanding batch; what the kernel has reported since it was asked.
    Adding { seen: Seen },
    /// In the kernel.
    Installed,
    /// To be removed with the next batch that has room; to be added again then if it is wanted (with other options).
    ToRemove,
    /// In an outstanding batch; whether the kernel has already reported it gone.
    Removing { reported: bool },
    /// The kernel said no; tried again later.
    AddRefused,
    /// The kernel said no; tried again later.
    RemoveRefused,
}

/// What was reported of an item while an addition is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Nothing, or what was before.
    Nothing,
    /// That it is there.
    There,
    /// That it was there and is gone again.
    GoneAgain,
}

#[derive(Clone, Debug)]
struct Entry<T: Item> {
    owners: Vec<Slot>,
    /// As it is wanted.
    wanted: Option<Arc<T>>,
    /// As the kernel may have it: from when it is asked to add it until it has certainly removed it. Reports may be
    /// old and answers may be lost, so that only this says whether a release has something to remove.
    placed: Option<Arc<T>>,
    phase: Phase,
    refusals: u32,
    /// When a refused step is tried again.
    retry_at: Option<Instant>,
    /// A report of our own removal is still to come, although the item is wanted again.
    stale_report: bool,
    /// It is to be removed, but may not be there.
    doubtful: bool,
    /// It was reported to be there, and is asked for again all the same.
    asserting: bool,
    /// It is being put back after somebody else took it away.
    repairing: bool,
    /// When somebody else took it away lately.
    losses: Vec<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Add,
    Remove,
}

/// What a finished batch means for the rest.
#[derive(Debug)]
pub(crate) struct Outcome<T: Item> {
    /// In the kernel now, with who wants them.
    pub(crate) installed: Vec<(Arc<T>, Vec<Slot>)>,
    /// Refused: what, whether it was to be added, and the error number.
    pub(crate) refused: Vec<(T::Key, bool, i32)>,
    /// Taken away by somebody else, and cannot be put back: what, and who wants it.
    pub(crate) lost: Vec<(T::Key, Vec<Slot>)>,
    /// Put there and taken away again by somebody else before the answer was here: see [`Holdings::lost`].
    pub(crate) gone_again: Vec<T::Key>,
}

impl<T: Item> Default for Outcome<T> {
    fn default() -> Outcome<T> {
        Outcome {
            installed: Vec::new(),
            refused: Vec::new(),
            lost: Vec::new(),
            gone_again: Vec::new(),
        }
    }
}

/// A batch on its way.
type Outstanding<K> = Option<(BatchId, Vec<K>)>;

/// All items of one kind, of all instances.
#[derive(Clone, Debug)]
pub(crate) struct Holdings<T: Item> {
    entries: BTreeMap<T::Key, Entry<T>>,
    adds: VecDeque<T::Key>,
    removes: VecDeque<T::Key>,
    adding: Outstanding<T::Key>,
    removing: Outstanding<T::Key>,
    retries: BTreeSet<(Instant, T::Key)>,
    batches: u64,
}

impl<T: Item> Default for Holdings<T> {
    fn default() -> Holdings<T> {
        Holdings {
            entries: BTreeMap::new(),
            adds: VecDeque::new(),
            removes: VecDeque::new(),
            adding: None,
            removing: None,
            retries: BTreeSet::new(),
            batches: 0,
        }
    }
}

impl<T: Item> Entry<T> {
    fn new(phase: Phase) -> Entry<T> {
        Entry {
            owners: Vec::new(),
            wanted: None,
            placed: None,
            phase,
            refusals: 0,
            retry_at: None,
            stale_report: false,
            doubtful: false,
            asserting: false,
            repairing: false,
            losses: Vec::new(),
        }
    }

    /// Whether the kernel got it as it is wanted now.
    fn is_as_wanted(&self) -> bool {
        match (&self.placed, &self.wanted) {
            (Some(placed), Some(wanted)) => placed.is_like(wanted),
            (None, _) | (_, None) => true,
        }
    }
}

impl<T: Item> Holdings<T> {
    /// An instance wants an item. True if it is in the kernel already.
    pub(crate) fn hold(&mut self, slot: Slot, item: &Arc<T>) -> bool {
        let key = T::key(item);
        let entry = self
            .entries
            .entry(key.clone())
            .or_insert_with(|| Entry::new(Phase::Absent));
        if !entry.owners.contains(&slot) {
            entry.owners.push(slot);
        }
        // What an earlier run left is taken as it is.
        let same = entry.placed.as_ref().is_none_or(|known| known.is_like(item));
        entry.wanted = Some(Arc::clone(item));
        match entry.phase {
            Phase::Absent | Phase::AddRefused => {
                entry.phase = Phase::ToAdd;
                self.adds.push_back(key);
                false
            }
            Phase::ToRemove | Phase::RemoveRefused if same && entry.doubtful => {
                entry.phase = Phase::ToAdd;
                self.adds.push_back(key);
                false
            }
            Phase::Installed | Phase::ToRemove | Phase::RemoveRefused if !same => {
                // Other options under the same key: the kernel changes none of an address that is there.
                entry.phase = Phase::ToRemove;
                self.removes.push_back(key);
                false
            }
            Phase::Installed | Phase::ToRemove | Phase::RemoveRefused => {
                entry.phase = Phase::Installed;
                true
            }
            Phase::ToAdd | Phase::Adding { .. } | Phase::Removing { .. } => false,
        }
    }

    /// An instance no longer wants an item.
    pub(crate) fn release(&mut self, slot: Slot, key: &T::Key) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.owners.retain(|owner| *owner != slot);
        if !entry.owners.is_empty() {
            return;
        }
        entry.repairing = false;
        match entry.phase {
            Phase::Absent | Phase::ToAdd | Phase::AddRefused if entry.placed.is_none() => self.drop_entry(key),
            Phase::Absent | Phase::ToAdd | Phase::AddRefused | Phase::Installed => {
                entry.doubtful = entry.phase != Phase::Installed;
                entry.phase = Phase::ToRemove;
                self.removes.push_back(key.clone());
            }
            Phase::Adding { .. } | Phase::ToRemove | Phase::Removing { .. } | Phase::RemoveRefused => {}
        }
    }

    /// Something that an earlier run left, or may have left (`doubtful`): to be removed unless somebody wants it.
    pub(crate) fn leftover(&mut self, key: T::Key, doubtful: bool) {
        if !self.entries.contains_key(&key) {
            self.removes.push_back(key.clone());
            let mut entry = Entry::new(Phase::ToRemove);
            entry.doubtful = doubtful;
            self.entries.insert(key, entry);
        }
    }

    /// Queues again what was refused and whose time has come.
    pub(crate) fn retry(&mut self, now: Instant) {
        while let Some((at, key)) = self.retries.first().cloned() {
            if at > now {
                break;
            }
            self.retries.pop_first();
            self.requeue(&key);
        }
    }

    /// Asks the kernel to put there what is due, as far as the answers allow.
    pub(crate) fn pump_additions(&mut self, interfaces: &Interfaces, out: &mut Vec<Action>) {
        if self.adding.is_none() {
            self.adding = self.batch(Direction::Add, interfaces, out);
        }
    }

    /// Asks the kernel to take away what is due, as far as the answers allow.
    pub(crate) fn pump_removals(&mut self, interfaces: &Interfaces, out: &mut Vec<Action>) {
        if self.removing.is_none() {
            self.removing = self.batch(Direction::Remove, interfaces, out);
        }
    }

    /// Both. Additions come first, so that an address that moves leaves no gap.
    #[cfg(test)]
    pub(crate) fn pump(&mut self, now: Instant, interfaces: &Interfaces, out: &mut Vec<Action>) {
        self.retry(now);
        self.pump_additions(interfaces, out);
        self.pump_removals(interfaces, out);
    }

    fn batch(&mut self, direction: Direction, interfaces: &Interfaces, out: &mut Vec<Action>) -> Outstanding<T::Key> {
        let queue = match direction {
            Direction::Add => &mut self.adds,
            Direction::Remove => &mut self.removes,
        };
        if queue.is_empty() {
            return None;
        }
        let mut steps = Vec::with_capacity(queue.len().min(BATCH));
        let mut keys = Vec::with_capacity(queue.len().min(BATCH));
        while steps.len() < BATCH {
            let Some(key) = queue.pop_front() else { break };
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            // The queue may name what has changed its mind since.
            match (direction, entry.phase) {
                (Direction::Add, Phase::ToAdd) => {
                    let step = entry.wanted.as_ref().and_then(|item| T::addition(item, interfaces));
                    let Some(step) = step else {
                        // Without its interface it waits for it.
                        entry.phase = Phase::AddRefused;
                        continue;
                    };
                    steps.push(step);
                    entry.placed = entry.wanted.clone();
                    let known = core::mem::take(&mut entry.asserting);
                    let seen = if known { Seen::There } else { Seen::Nothing };
                    entry.phase = Phase::Adding { seen };
                    keys.push(key);
                }
                (Direction::Remove, Phase::ToRemove) => match T::removal(&key, entry.placed.as_ref(), interfaces) {
                    Some(step) => {
                        steps.push(step);
                        entry.phase = Phase::Removing { reported: false };
                        keys.push(key);
                    }
                    None if entry.owners.is_empty() => {
                        self.entries.remove(&key);
                    }
                    None => entry.phase = Phase::AddRefused,
                },
                (Direction::Add | Direction::Remove, _) => {}
            }
        }
        if steps.is_empty() {
            return None;
        }
        self.batches += 1;
        let batch = BatchId(self.batches);
        out.push(T::action(batch, steps));
        Some((batch, keys))
    }

    /// Sets the one time at which a refused step is tried again.
    fn retry_later(&mut self, now: Instant, key: &T::Key) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let at = now.after(backoff(entry.refusals));
        entry.refusals = entry.refusals.saturating_add(1);
        self.retry_at(at, key);
    }

    fn retry_at(&mut self, at: Instant, key: &T::Key) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if let Some(old) = entry.retry_at.replace(at) {
            self.retries.remove(&(old, key.clone()));
        }
        self.retries.insert((at, key.clone()));
    }

    fn drop_entry(&mut self, key: &T::Key) {
        if let Some(at) = self.entries.remove(key).and_then(|entry| entry.retry_at) {
            self.retries.remove(&(at, key.clone()));
        }
    }

    fn requeue(&mut self, key: &T::Key) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if let Some(at) = entry.retry_at.take() {
            self.retries.remove(&(at, key.clone()));
        }
        match entry.phase {
            Phase::AddRefused => {
                entry.phase = Phase::ToAdd;
                self.adds.push_back(key.clone());
            }
            Phase::RemoveRefused => {
                entry.phase = Phase::ToRemove;
                self.removes.push_back(key.clone());
            }
            Phase::Absent
            | Phase::ToAdd
            | Phase::Adding { .. }
            | Phase::Installed
            | Phase::ToRemove
            | Phase::Removing { .. } => {}
        }
    }

    /// Whether the kernel has this item as far as is known.
    pub(crate) fn is_installed(&self, key: &T::Key) -> bool {
        self.entries
            .get(key)
            .is_some_and(|entry| entry.phase == Phase::Installed)
    }

    /// Whether this item may be in the kernel and nobody wants it.
    pub(crate) fn is_leaving(&self, key: &T::Key) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.owners.is_empty())
    }

    /// Whether additions are under way.
    pub(crate) fn is_adding(&self) -> bool {
        self.adding.is_some()
    }

    /// What nobody wants any more and the kernel has or may have.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = &T::Key> {
        let unwanted = self.entries.iter().filter(|(_, entry)| entry.owners.is_empty());
        unwanted.map(|(key, _)| key)
    }

    /// When refused steps are tried again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.retries.first().map(|(at, _)| *at)
    }

    /// Whether nothing is outstanding and everything unwanted is gone, but for what the kernel keeps refusing.
    pub(crate) fn is_settled(&self) -> bool {
        self.adding.is_none()
            && self.removing.is_none()
            && self
                .entries
                .values()
                .all(|entry| !entry.owners.is_empty() || entry.phase == Phase::RemoveRefused)
    }
}

fn backoff(refusals: u32) -> Duration {
    FIRST_RETRY * (1 << refusals.min(MOST_DOUBLINGS))
}

#[cfg(test)]
mod tests;
