//! Noticing that the process was stopped, starved, or that the machine slept.
//!
//! Decides only which instances hear of a gap, before anything else is answered: a packet that lay in a socket must not
//! find a master that believes it has just sent an advert. What a gap means is the election's business.

use super::Engine;
use super::slots::Slot;
use crate::action::Action;
use crate::election::Happening;
use alloc::vec::Vec;
use base::Instant;
use core::time::Duration;

/// By how much a timer may be late without anybody hearing of it: half of the shortest interval there is, 10 ms, and what
/// a packet's time of arrival may lie before that of its reading.
const UNNOTICED: Duration = Duration::from_millis(5);

impl Engine {
    /// Tells instances whose timers are overdue.
    pub(super) fn notice_lateness(&mut self, now: Instant, out: &mut Vec<Action>) {
        let overdue = |at: Instant| now.since(at) > UNNOTICED;
        // Nearly always there is none: one look is all it costs.
        if !self.due.first().is_some_and(|(at, _)| overdue(*at)) {
            return;
        }
        let late = self.due.iter().take_while(|(at, _)| overdue(*at));
        let slots: Vec<Slot> = late.map(|(_, slot)| *slot).collect();
        for slot in slots {
            self.happen(now, slot, Happening::Late { slept: Duration::ZERO }, out);
        }
    }

    /// Tells all instances that the machine slept.
    pub(super) fn slept(&mut self, now: Instant, span: Duration, out: &mut Vec<Action>) {
        let slots: Vec<Slot> = self.names.values().copied().collect();
        for slot in slots {
            self.happen(now, slot, Happening::Late { slept: span }, out);
        }
    }
}
