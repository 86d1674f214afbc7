//! Which virtual addresses are wanted, on their way, in place, or being taken away.
//!
//! Decides which changes the kernel is asked for, in batches of bounded size with at most one outstanding in each
//! direction, so that thousands of addresses never delay an advert. Deliberately does not know why an address is
//! wanted: instances say so by holding and releasing it, and an address with several owners
//! goes when the last one lets go.

use crate::action::{Action, AddressStep};
use crate::config::{AddressKey, VirtualAddress};
use crate::engine::interfaces::Interfaces;
use crate::engine::slots::Slot;
use crate::input::BatchId;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{IfName, Instant};
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
/// The address is there already.
const EEXIST: i32 = 17;
/// There is no such device.
const ENODEV: i32 = 19;
/// The address is not there.
const EADDRNOTAVAIL: i32 = 99;

/// What is known of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not in the kernel, and nothing under way.
    Absent,
    /// To be added with the next batch that has room.
    ToAdd,
    /// In an outstanding batch.
    Adding,
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

#[derive(Clone, Debug)]
struct Entry {
    owners: Vec<Slot>,
    /// As it is wanted.
    address: Option<Arc<VirtualAddress>>,
    /// As the kernel may have it: from when it is asked to add it until it has certainly removed it. Reports may be
    /// old and answers may be lost, so that only this says whether a release has something to remove.
    placed: Option<Arc<VirtualAddress>>,
    phase: Phase,
    refusals: u32,
    /// When a refused step is tried again.
    retry_at: Option<Instant>,
    /// A report of our own removal is still to come, although the address is wanted again.
    stale_report: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Add,
    Remove,
}

/// What a finished batch means for the rest.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// In the kernel now, with who wants them.
    pub(crate) installed: Vec<(Arc<VirtualAddress>, Vec<Slot>)>,
    /// Refused: what, whether it was to be added, and the error number.
    pub(crate) refused: Vec<(AddressKey, bool, i32)>,
}

/// All virtual addresses of all instances.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings {
    entries: BTreeMap<AddressKey, Entry>,
    adds: VecDeque<AddressKey>,
    removes: VecDeque<AddressKey>,
    adding: Option<(BatchId, Vec<AddressKey>)>,
    removing: Option<(BatchId, Vec<AddressKey>)>,
    retries: BTreeSet<(Instant, AddressKey)>,
    batches: u64,
}

impl Holdings {
    /// An instance wants an address. True if it is in the kernel already.
    pub(crate) fn hold(&mut self, slot: Slot, address: &Arc<VirtualAddress>) -> bool {
        let key = address.key();
        let entry = self.entries.entry(key).or_insert_with(|| Entry {
            owners: Vec::new(),
            address: None,
            placed: None,
            phase: Phase::Absent,
            refusals: 0,
            retry_at: None,
            stale_report: false,
        });
        if !entry.owners.contains(&slot) {
            entry.owners.push(slot);
        }
        // What an earlier run left is taken as it is.
        let same = entry.placed.as_ref().is_none_or(|known| alike(known, address));
        entry.address = Some(Arc::clone(address));
        match entry.phase {
            Phase::Absent | Phase::AddRefused => {
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
            Phase::ToAdd | Phase::Adding | Phase::Removing { .. } => false,
        }
    }

    /// An instance no longer wants an address.
    pub(crate) fn release(&mut self, slot: Slot, key: AddressKey) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        entry.owners.retain(|owner| *owner != slot);
        if !entry.owners.is_empty() {
            return;
        }
        match entry.phase {
            Phase::Absent | Phase::ToAdd | Phase::AddRefused if entry.placed.is_none() => self.drop_entry(key),
            Phase::Absent | Phase::ToAdd | Phase::AddRefused | Phase::Installed => {
                entry.phase = Phase::ToRemove;
                self.removes.push_back(key);
            }
            Phase::Adding | Phase::ToRemove | Phase::Removing { .. } | Phase::RemoveRefused => {}
        }
    }

    /// An address of an earlier run: to be removed unless somebody wants it.
    pub(crate) fn leftover(&mut self, key: AddressKey) {
        self.entries.entry(key).or_insert_with(|| {
            self.removes.push_back(key);
            Entry {
                owners: Vec::new(),
                address: None,
                placed: None,
                phase: Phase::ToRemove,
                refusals: 0,
                retry_at: None,
                stale_report: false,
            }
        });
    }

    /// Asks the kernel for what is due, as far as the answers allow. Additions come first, so that an address that
    /// moves leaves no gap.
    pub(crate) fn pump(&mut self, now: Instant, interfaces: &Interfaces, out: &mut Vec<Action>) {
        while let Some((at, key)) = self.retries.first().copied() {
            if at > now {
                break;
            }
            self.retries.pop_first();
            self.requeue(key);
        }
        if self.adding.is_none() {
            self.adding = self.batch(Direction::Add, interfaces, out);
        }
        if self.removing.is_none() {
            self.removing = self.batch(Direction::Remove, interfaces, out);
        }
    }

    fn batch(
        &mut self,
        direction: Direction,
        interfaces: &Interfaces,
        out: &mut Vec<Action>,
    ) -> Option<(BatchId, Vec<AddressKey>)> {
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
            let index = interfaces.index(&key.interface);
            match (direction, entry.phase, index, &entry.address) {
                (Direction::Add, Phase::ToAdd, Some(interface), Some(address)) => {
                    steps.push(AddressStep::Add {
                        interface,
                        address: Arc::clone(address),
                    });
                    entry.placed = Some(Arc::clone(address));
                    entry.phase = Phase::Adding;
                    keys.push(key);
                }
                // Without its interface an address waits for it.
                (Direction::Add, Phase::ToAdd, _, _) => entry.phase = Phase::AddRefused,
                (Direction::Remove, Phase::ToRemove, Some(interface), _) => {
                    let peer = entry.placed.as_ref().and_then(|address| address.peer);
                    steps.push(AddressStep::Remove { interface, key, peer });
                    entry.phase = Phase::Removing { reported: false };
                    keys.push(key);
                }
                (Direction::Remove, Phase::ToRemove, None, _) if entry.owners.is_empty() => {
                    self.entries.remove(&key);
                }
                (Direction::Remove, Phase::ToRemove, None, _) => entry.phase = Phase::AddRefused,
                // The queue may name what has changed its mind since.
                (Direction::Add | Direction::Remove, _, _, _) => {}
            }
        }
        if steps.is_empty() {
            return None;
        }
        self.batches += 1;
        let batch = BatchId(self.batches);
        out.push(Action::ChangeAddresses { batch, steps });
        Some((batch, keys))
    }

    /// The kernel has worked through a batch.
    pub(crate) fn finished(&mut self, now: Instant, batch: BatchId, refused: &[(usize, i32)]) -> Outcome {
        let mut outcome = Outcome::default();
        let (direction, keys) = if let Some((_, keys)) = self.adding.take_if(|(id, _)| *id == batch) {
            (Direction::Add, keys)
        } else if let Some((_, keys)) = self.removing.take_if(|(id, _)| *id == batch) {
            (Direction::Remove, keys)
        } else {
            return outcome;
        };
        let refused: BTreeMap<usize, i32> = refused.iter().copied().collect();
        for (position, key) in keys.into_iter().enumerate() {
            let errno = refused.get(&position).copied();
            match direction {
                Direction::Add => self.added(now, key, errno.filter(|e| *e != EEXIST), &mut outcome),
                Direction::Remove => {
                    let errno = errno.filter(|e| *e != EADDRNOTAVAIL && *e != ENODEV);
                    self.removed(now, key, errno, &mut outcome);
                }
            }
        }
        outcome
    }

    fn added(&mut self, now: Instant, key: AddressKey, errno: Option<i32>, outcome: &mut Outcome) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        if entry.phase != Phase::Adding {
            return;
        }
        match errno {
            Some(errno) => {
                outcome.refused.push((key, true, errno));
                if entry.owners.is_empty() {
                    // The kernel's word may be lost and this one a guess.
                    entry.phase = Phase::ToRemove;
                    self.removes.push_back(key);
                    return;
                }
                entry.phase = Phase::AddRefused;
                self.retry_later(now, key);
            }
            None if entry.owners.is_empty() || !entry.is_as_wanted() => {
                entry.phase = Phase::ToRemove;
                self.removes.push_back(key);
            }
            None => {
                entry.phase = Phase::Installed;
                entry.refusals = 0;
                if let Some(address) = &entry.address {
                    outcome.installed.push((Arc::clone(address), entry.owners.clone()));
                }
            }
        }
    }

    fn removed(&mut self, now: Instant, key: AddressKey, errno: Option<i32>, outcome: &mut Outcome) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let Phase::Removing { reported } = entry.phase else {
            return;
        };
        match errno {
            Some(errno) => {
                outcome.refused.push((key, false, errno));
                if entry.owners.is_empty() {
                    entry.phase = Phase::RemoveRefused;
                    self.retry_later(now, key);
                    return;
                }
                entry.phase = Phase::Installed;
                if let Some(address) = &entry.address {
                    outcome.installed.push((Arc::clone(address), entry.owners.clone()));
                }
            }
            None if entry.owners.is_empty() => self.drop_entry(key),
            None => {
                entry.phase = Phase::ToAdd;
                entry.placed = None;
                entry.stale_report = !reported;
                self.adds.push_back(key);
            }
        }
    }

    /// The kernel reports an address there or gone. Gives those who lose it, if somebody else took it away.
    pub(crate) fn observed(&mut self, key: AddressKey, present: bool) -> Vec<Slot> {
        let Some(entry) = self.entries.get_mut(&key) else {
            return Vec::new();
        };
        if present {
            // Reports come in order: what was removed before is behind us.
            entry.stale_report = false;
            return Vec::new();
        }
        match entry.phase {
            Phase::Removing { .. } => {
                entry.phase = Phase::Removing { reported: true };
                Vec::new()
            }
            Phase::Installed if entry.stale_report => {
                entry.stale_report = false;
                Vec::new()
            }
            Phase::Installed => {
                entry.phase = Phase::Absent;
                let tracked = entry.address.as_ref().is_some_and(|address| address.tracked);
                if tracked { entry.owners.clone() } else { Vec::new() }
            }
            // It is asked for all the same: the report may be old, or name an interface that has another name now.
            Phase::ToRemove | Phase::RemoveRefused => Vec::new(),
            Phase::Absent | Phase::ToAdd | Phase::Adding | Phase::AddRefused => {
                entry.stale_report = false;
                Vec::new()
            }
        }
    }

    /// An interface appeared or changed: what it was refused is tried again.
    pub(crate) fn retry_on(&mut self, interface: IfName) {
        let keys: Vec<AddressKey> = self.keys_on(interface);
        for key in keys {
            self.requeue(key);
        }
    }

    /// An interface is gone, and its addresses with it.
    pub(crate) fn lost_interface(&mut self, interface: IfName) {
        for key in self.keys_on(interface) {
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            entry.stale_report = false;
            entry.placed = None;
            if entry.owners.is_empty() {
                self.drop_entry(key);
            } else {
                entry.phase = Phase::AddRefused;
            }
        }
    }

    fn keys_on(&self, interface: IfName) -> Vec<AddressKey> {
        // The interface is the first part of the key's order.
        self.entries
            .iter()
            .filter(|(key, _)| key.interface == interface)
            .map(|(key, _)| *key)
            .collect()
    }

    /// Sets the one time at which a refused step is tried again.
    fn retry_later(&mut self, now: Instant, key: AddressKey) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let at = now.after(backoff(entry.refusals));
        entry.refusals = entry.refusals.saturating_add(1);
        if let Some(old) = entry.retry_at.replace(at) {
            self.retries.remove(&(old, key));
        }
        self.retries.insert((at, key));
    }

    fn drop_entry(&mut self, key: AddressKey) {
        if let Some(at) = self.entries.remove(&key).and_then(|entry| entry.retry_at) {
            self.retries.remove(&(at, key));
        }
    }

    fn requeue(&mut self, key: AddressKey) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        if let Some(at) = entry.retry_at.take() {
            self.retries.remove(&(at, key));
        }
        match entry.phase {
            Phase::AddRefused => {
                entry.phase = Phase::ToAdd;
                self.adds.push_back(key);
            }
            Phase::RemoveRefused => {
                entry.phase = Phase::ToRemove;
                self.removes.push_back(key);
            }
            Phase::Absent
            | Phase::ToAdd
            | Phase::Adding
            | Phase::Installed
            | Phase::ToRemove
            | Phase::Removing { .. } => {}
        }
    }

    /// Whether the kernel has this address as far as is known.
    pub(crate) fn is_installed(&self, key: AddressKey) -> bool {
        self.entries
            .get(&key)
            .is_some_and(|entry| entry.phase == Phase::Installed)
    }

    /// Whether additions are under way.
    pub(crate) fn is_adding(&self) -> bool {
        self.adding.is_some()
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

impl Entry {
    /// Whether the kernel got it as it is wanted now.
    fn is_as_wanted(&self) -> bool {
        match (&self.placed, &self.address) {
            (Some(placed), Some(wanted)) => alike(placed, wanted),
            (None, _) | (_, None) => true,
        }
    }
}

/// Whether the kernel sees no difference.
fn alike(a: &VirtualAddress, b: &VirtualAddress) -> bool {
    let VirtualAddress {
        prefix,
        interface,
        scope,
        broadcast,
        label,
        peer,
        flags,
        preferred_lifetime,
        tracked: _,
    } = a;
    (
        prefix,
        interface,
        scope,
        broadcast,
        label,
        peer,
        flags,
        preferred_lifetime,
    ) == (
        &b.prefix,
        &b.interface,
        &b.scope,
        &b.broadcast,
        &b.label,
        &b.peer,
        &b.flags,
        &b.preferred_lifetime,
    )
}

fn backoff(refusals: u32) -> Duration {
    FIRST_RETRY * (1 << refusals.min(MOST_DOUBLINGS))
}

#[cfg(test)]
mod tests;
