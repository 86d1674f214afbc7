//! What the kernel's answers mean for what is held.

use super::{Direction, Holdings, Item, Outcome, Phase, Seen};
use crate::input::BatchId;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::Instant;

/// It is there already.
const EEXIST: i32 = 17;
/// There is no such device.
const ENODEV: i32 = 19;
/// The device is down.
const ENETDOWN: i32 = 100;

impl<T: Item> Holdings<T> {
    /// The kernel has worked through a batch.
    pub(crate) fn finished(&mut self, now: Instant, batch: BatchId, refused: &[(usize, i32)]) -> Outcome<T> {
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
                    self.removed(now, key, errno.filter(|e| !T::is_absence(*e)), &mut outcome);
                }
            }
        }
        outcome
    }

    fn added(&mut self, now: Instant, key: T::Key, errno: Option<i32>, outcome: &mut Outcome<T>) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let Phase::Adding { seen } = entry.phase else {
            return;
        };
        let repairing = core::mem::take(&mut entry.repairing);
        match errno {
            Some(errno) => {
                outcome.refused.push((key.clone(), true, errno));
                if entry.owners.is_empty() {
                    // The kernel's word may be lost and this one a guess.
                    entry.doubtful = true;
                    entry.phase = Phase::ToRemove;
                    self.removes.push_back(key);
                    return;
                }
                // When the interface is the reason, its news decide about the owners.
                if repairing && errno != ENODEV && errno != ENETDOWN {
                    outcome.lost.push((key.clone(), entry.owners.clone()));
                }
                entry.phase = Phase::AddRefused;
                self.retry_later(now, &key);
            }
            None if entry.owners.is_empty() || !entry.is_as_wanted() => {
                entry.doubtful = seen == Seen::GoneAgain;
                entry.phase = Phase::ToRemove;
                self.removes.push_back(key);
            }
            None => {
                entry.phase = Phase::Installed;
                entry.refusals = 0;
                if let Some(item) = &entry.wanted {
                    outcome.installed.push((Arc::clone(item), entry.owners.clone()));
                }
                if seen == Seen::GoneAgain {
                    // Taken away before its answer was here.
                    outcome.gone_again.push(key);
                }
            }
        }
    }

    fn removed(&mut self, now: Instant, key: T::Key, errno: Option<i32>, outcome: &mut Outcome<T>) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let Phase::Removing { reported } = entry.phase else {
            return;
        };
        match errno {
            Some(errno) => {
                outcome.refused.push((key.clone(), false, errno));
                if entry.owners.is_empty() {
                    entry.phase = Phase::RemoveRefused;
                    self.retry_later(now, &key);
                    return;
                }
                entry.phase = Phase::Installed;
                if let Some(item) = &entry.wanted {
                    outcome.installed.push((Arc::clone(item), entry.owners.clone()));
                }
            }
            None if entry.owners.is_empty() => {
                self.drop_entry(&key);
                self.assert_confusable(&key);
            }
            None => {
                entry.phase = Phase::ToAdd;
                entry.placed = None;
                entry.stale_report = !reported;
                self.adds.push_back(key);
            }
        }
    }

    /// Asks again for what the kernel may have taken away in place of `removed`.
    fn assert_confusable(&mut self, removed: &T::Key) {
        let doubtful: Vec<T::Key> = self
            .entries
            .iter()
            .filter(|(key, entry)| !entry.owners.is_empty() && T::is_confusable(removed, key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in doubtful {
            self.assert_one(&key);
        }
    }
}
