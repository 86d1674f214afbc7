//! What the engine does when somebody else takes away what is ours: it puts it back, and nobody has to notice.
//!
//! Decides who is told, and when an instance has to give up after all (docs/divergences.md, "repaired-in-place"). How
//! often something is put back is [`crate::holdings`]' business.

use super::Engine;
use super::routes::STATIC;
use super::slots::Slot;
use crate::action::Action;
use crate::config::AddressKey;
use crate::election::Happening;
use crate::event::Level;
use crate::holdings::{Item, Report};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::{IfName, Instant};
use core::fmt;
use core::time::Duration;

/// Repairs told one by one within [`TOLD_TIME`]; the others are counted, and the number is told later. Somebody may
/// remove thousands of addresses at once.
const TOLD: u32 = 16;
/// How long a count of repairs lasts.
const TOLD_TIME: Duration = Duration::from_secs(1);

/// What is known of the repairs of a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Repairs {
    begun: Option<Instant>,
    told: u32,
    untold: u32,
    /// Interfaces with addresses that are being put back: the kernel drops routes with them, without a word.
    pub(super) mending: BTreeSet<IfName>,
}

/// What was taken away, in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Address,
    Route,
    Rule,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Address => "address",
            Kind::Route => "route",
            Kind::Rule => "rule",
        })
    }
}

impl Engine {
    pub(super) fn address_observed(&mut self, now: Instant, key: AddressKey, present: bool, out: &mut Vec<Action>) {
        let report = self.holdings.observed(now, &key, present);
        if !present && self.leftovers.remove(&key) {
            // One by one: there may be thousands, and they go in the first moments.
            self.interfaces.forget_leftover(key.interface, key.prefix.address());
        }
        self.address_missed(now, key, report, out);
    }

    /// What follows from a report about an address.
    pub(super) fn address_missed(&mut self, now: Instant, key: AddressKey, report: Report, out: &mut Vec<Action>) {
        match &report {
            Report::Repairing(_) | Report::RepairingAgain => {
                self.repairs.mending.insert(key.interface);
            }
            Report::Nothing | Report::Lost(_) => {}
        }
        self.missed(now, Kind::Address, &key, report, out);
    }

    /// What follows from a report about anything.
    pub(super) fn missed(
        &mut self,
        now: Instant,
        kind: Kind,
        key: &dyn fmt::Display,
        report: Report,
        out: &mut Vec<Action>,
    ) {
        match report {
            Report::Nothing | Report::RepairingAgain => {}
            Report::Repairing(owners) => self.tell_repair(now, kind, key, &owners, out),
            Report::Lost(owners) => {
                for slot in owners.into_iter().filter(|slot| *slot != STATIC) {
                    let name = self.instances.get(slot).map(|instance| instance.config.name.clone());
                    let text = format!("virtual {kind} {key} was removed by somebody else again and again");
                    Engine::tell(name.as_ref(), Level::Warning, text, out);
                    self.happen(now, slot, Happening::AddressLost, out);
                }
            }
        }
    }

    /// The kernel refuses to take back what somebody else took away.
    pub(super) fn cannot_repair(&mut self, now: Instant, owners: Vec<Slot>, out: &mut Vec<Action>) {
        for slot in owners.into_iter().filter(|slot| *slot != STATIC) {
            self.happen(now, slot, Happening::AddressLost, out);
        }
    }

    /// Says what the kernel refused; it is tried again.
    pub(super) fn tell_refused<T: Item>(refused: &[(T::Key, bool, i32)], kind: Kind, out: &mut Vec<Action>) {
        for (key, adding, errno) in refused {
            let verb = if *adding { "add" } else { "remove" };
            let text = format!("cannot {verb} {kind} {key}: error {errno}; trying again later");
            Engine::tell(None, Level::Warning, text, out);
        }
    }

    fn tell_repair(
        &mut self,
        now: Instant,
        kind: Kind,
        key: &dyn fmt::Display,
        owners: &[Slot],
        out: &mut Vec<Action>,
    ) {
        self.tell_untold(now, out);
        let repairs = &mut self.repairs;
        repairs.begun.get_or_insert(now);
        if repairs.told >= TOLD {
            repairs.untold += 1;
            return;
        }
        repairs.told += 1;
        let owner = owners.iter().find_map(|slot| self.instances.get(*slot));
        let (name, text) = match owner {
            Some(instance) => (
                Some(instance.config.name.clone()),
                format!("virtual {kind} {key} was removed by somebody else - putting it back"),
            ),
            None => (None, format!("Restoring deleted static {kind} {key}")),
        };
        Engine::tell(name.as_ref(), Level::Warning, text, out);
    }

    /// Says how many repairs were not told, when their time is over.
    pub(super) fn tell_untold(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.repairs.begun.is_none_or(|begun| now.since(begun) < TOLD_TIME) {
            return;
        }
        let untold = core::mem::take(&mut self.repairs.untold);
        self.repairs.begun = None;
        self.repairs.told = 0;
        if untold > 0 {
            let text: String = format!("{untold} more that somebody else removed were put back");
            Engine::tell(None, Level::Warning, text, out);
        }
    }
}
