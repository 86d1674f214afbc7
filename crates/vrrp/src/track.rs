//! From the conditions of tracked objects to a priority, or to FAULT (`spec/vrrp-behaviour.md` 8).
//!
//! Decides what each tracker contributes and what all of them come to ([`Sum`]), and when a script, a process or a link
//! counts as good. It does not know instances, nor how a result was found out; each rule owns the timer it needs.

use crate::config::{Delays, Priority, Process, Script, Tracked, Tracker, Weight};
use alloc::vec::Vec;
use base::Instant;
use core::fmt;
use core::time::Duration;

/// The lowest and the highest effective priority of a router that is no owner.
const RANGE: core::ops::RangeInclusive<i64> = 1..=254;
/// A file that contributes this or less puts its users into FAULT.
const FILE_FAULT: i64 = -254;
/// A file contributes no more than this.
const FILE_MOST: i64 = 253;

/// What is known of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing yet.
    Unknown,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// A number from a file.
    Value(i32),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Unknown => f.write_str("unknown"),
            Condition::Good => f.write_str("good"),
            Condition::Bad => f.write_str("bad"),
            Condition::Value(value) => write!(f, "value {value}"),
        }
    }
}

/// What a tracker comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// This much priority.
    Adds(i32),
    /// FAULT.
    Fault,
    /// It can mean FAULT, and nothing is known yet.
    Awaited,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::Adds(value) => write!(f, "{value:+}"),
            Share::Fault => f.write_str("FAULT"),
            Share::Awaited => f.write_str("awaited"),
        }
    }
}

/// What a condition contributes under a weight.
pub fn share(weight: Weight, condition: Condition) -> Share {
    let good = match condition {
        Condition::Unknown if weight.is_fault() => return Share::Awaited,
        Condition::Unknown => return Share::Adds(0),
        Condition::Value(value) => return share_of_value(weight, value),
        Condition::Good => true,
        Condition::Bad => false,
    };
    if weight.is_fault() {
        return if good == weight.reverse {
            Share::Fault
        } else {
            Share::Adds(0)
        };
    }
    // A positive weight is a reward for being good, a negative one a penalty for being bad.
    let counts = good == (weight.value > 0);
    let value = if counts { weight.value } else { 0 };
    Share::Adds(if weight.reverse { -value } else { value })
}

fn share_of_value(weight: Weight, value: i32) -> Share {
    if weight.is_fault() {
        return if (value != 0) == weight.reverse {
            Share::Adds(0)
        } else {
            Share::Fault
        };
    }
    let product = i64::from(value) * i64::from(weight.value);
    let product = if weight.reverse { -product } else { product };
    if product <= FILE_FAULT {
        return Share::Fault;
    }
    Share::Adds(i32::try_from(product.min(FILE_MOST)).unwrap_or(0))
}

/// One tracker of an instance, as it counts now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What is tracked.
    pub object: Tracked,
    /// How it counts.
    pub weight: Weight,
    /// What is known of it.
    pub condition: Condition,
    /// What that comes to.
    pub share: Share,
}

/// The priority of an instance, and how it comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The configured priority.
    pub base: Priority,
    /// What each tracker contributes, in the order of the configuration.
    pub parts: Vec<Part>,
    /// The base and all contributions, within 1 to 254; an owner's never changes.
    pub effective: Priority,
}

/// Sums up the trackers of an instance.
pub fn sum(base: Priority, trackers: &[Tracker], condition: impl Fn(&Tracked) -> Condition) -> Sum {
    let mut total = i64::from(base.get());
    let mut parts = Vec::with_capacity(trackers.len());
    for tracker in trackers {
        let condition = condition(&tracker.object);
        let share = share(tracker.weight, condition);
        match share {
            Share::Adds(value) => total += i64::from(value),
            Share::Fault | Share::Awaited => {}
        }
        parts.push(Part {
            object: tracker.object.clone(),
            weight: tracker.weight,
            condition,
            share,
        });
    }
    let limited = total.clamp(*RANGE.start(), *RANGE.end());
    let effective = u8::try_from(limited).ok().and_then(Priority::new);
    Sum {
        base,
        parts,
        effective: if base.is_owner() {
            base
        } else {
            effective.unwrap_or(base)
        },
    }
}

/// How a run of a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With this exit status; 0 is success.
    Exited(u8),
    /// By this signal.
    Signalled(i32),
    /// It took too long and was ended.
    TimedOut,
    /// It could not be started, with this error number.
    NotStarted(i32),
}

impl Outcome {
    const fn succeeded(self) -> bool {
        match self {
            Outcome::Exited(status) => status == 0,
            Outcome::Signalled(_) | Outcome::TimedOut | Outcome::NotStarted(_) => false,
        }
    }
}

/// What upstream says behind the name of a script that became bad.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Exited(0) => f.write_str("succeeded"),
            Outcome::Exited(status) => write!(f, "failed (exited with status {status})"),
            Outcome::Signalled(signal) => write!(f, "failed (due to signal {signal})"),
            Outcome::TimedOut => f.write_str("timed_out"),
            Outcome::NotStarted(errno) => write!(f, "failed (not started, error {errno})"),
        }
    }
}

/// A script as its results say.
///
/// The counter runs from 0 to `rise + fall - 1` and is at `rise` or above exactly while the script is good.
#[derive(Clone, Debug)]
pub struct ScriptRun {
    rule: Script,
    counter: u64,
    condition: Condition,
    last_status: u8,
}

impl ScriptRun {
    /// A script without a result. With `init_fail` it is bad until it has succeeded `rise` times.
    pub fn new(rule: Script) -> ScriptRun {
        ScriptRun {
            condition: if rule.init_fail {
                Condition::Bad
            } else {
                Condition::Unknown
            },
            rule,
            counter: 0,
            last_status: 0,
        }
    }

    /// What is known of it.
    pub const fn condition(&self) -> Condition {
        self.condition
    }

    /// Whether no result has said anything about it yet.
    pub fn awaits_result(&self) -> bool {
        match self.condition {
            Condition::Unknown => true,
            Condition::Bad => self.rule.init_fail && self.counter == 0,
            Condition::Good | Condition::Value(_) => false,
        }
    }

    /// The rule it follows.
    pub const fn rule(&self) -> &Script {
        &self.rule
    }

    /// Goes on under a rule for the same command: it stays what it is.
    pub fn set_rule(&mut self, rule: Script) {
        self.rule = rule;
        self.counter = match self.condition {
            Condition::Good => self.most(),
            Condition::Unknown | Condition::Bad | Condition::Value(_) => 0,
        };
    }

    /// A run has ended. True if the script became good or bad by it. The first result decides at once.
    pub fn finished(&mut self, outcome: Outcome) -> bool {
        let before = self.condition;
        let (rise, most) = (u64::from(self.rule.rise.max(1)), self.most());
        match (before, outcome.succeeded()) {
            (Condition::Unknown, true) => (self.condition, self.counter) = (Condition::Good, most),
            (Condition::Unknown, false) => (self.condition, self.counter) = (Condition::Bad, 0),
            (Condition::Good, true) => self.counter = most,
            (Condition::Good, false) if self.counter > rise => self.counter -= 1,
            (Condition::Good, false) => (self.condition, self.counter) = (Condition::Bad, 0),
            (Condition::Bad | Condition::Value(_), true) if self.counter + 1 < rise => self.counter += 1,
            (Condition::Bad | Condition::Value(_), true) => (self.condition, self.counter) = (Condition::Good, most),
            (Condition::Bad | Condition::Value(_), false) => self.counter = 0,
        }
        self.condition != before
    }

    /// The exit status, if it is another one than that of the run before.
    pub fn new_status(&mut self, outcome: Outcome) -> Option<u8> {
        match outcome {
            Outcome::Exited(status) if status != self.last_status => {
                self.last_status = status;
                Some(status)
            }
            Outcome::Exited(_) | Outcome::Signalled(_) | Outcome::TimedOut | Outcome::NotStarted(_) => None,
        }
    }

    fn most(&self) -> u64 {
        u64::from(self.rule.rise.max(1)) + u64::from(self.rule.fall.max(1)) - 1
    }
}

/// A boolean that changes only after it has been otherwise for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    value: bool,
    changes_at: Option<Instant>,
}

impl Held {
    /// It is this, for as long as nothing else is said.
    pub const fn new(value: bool) -> Held {
        Held {
            value,
            changes_at: None,
        }
    }

    /// What it counts as.
    pub const fn value(&self) -> bool {
        self.value
    }

    /// When it will change if nothing happens until then.
    pub const fn deadline(&self) -> Option<Instant> {
        self.changes_at
    }

    /// It is `actual` now, which counts after `delay`. True if it counts at once.
    pub fn observe(&mut self, now: Instant, actual: bool, delay: Duration) -> bool {
        if actual == self.value {
            self.changes_at = None;
            return false;
        }
        if delay.is_zero() {
            *self = Held::new(actual);
            return true;
        }
        self.changes_at.get_or_insert(now.after(delay));
        false
    }

    /// True if its time has come, and it changed.
    pub fn elapse(&mut self, now: Instant) -> bool {
        if self.changes_at.is_none_or(|at| now < at) {
            return false;
        }
        *self = Held::new(!self.value);
        true
    }
}

/// A tracked process as it is counted.
#[derive(Clone, Debug)]
pub struct ProcessRun {
    rule: Process,
    count: u32,
    quorum: Option<Held>,
}

impl ProcessRun {
    /// How it is judged.
    pub const fn rule(&self) -> &Process {
        &self.rule
    }

    /// A process that was not counted yet.
    pub const fn new(rule: Process) -> ProcessRun {
        ProcessRun {
            rule,
            count: 0,
            quorum: None,
        }
    }

    /// What is known of it.
    pub const fn condition(&self) -> Condition {
        match self.quorum {
            None => Condition::Unknown,
            Some(held) if held.value() => Condition::Good,
            Some(_) => Condition::Bad,
        }
    }

    /// How many run.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// When its quorum will count as gained or lost.
    pub fn deadline(&self) -> Option<Instant> {
        self.quorum.and_then(|held| held.deadline())
    }

    /// So many run now. True if the condition changed; the first count decides at once.
    pub fn counted(&mut self, now: Instant, count: u32) -> bool {
        let delay = if count >= self.count {
            self.rule.fork_delay
        } else {
            self.rule.terminate_delay
        };
        self.count = count;
        let good = self.rule.is_good(count);
        match self.quorum.as_mut() {
            None => {
                self.quorum = Some(Held::new(good));
                true
            }
            Some(held) => held.observe(now, good, delay),
        }
    }

    /// True if a delay has ended, and the condition changed by it.
    pub fn elapse(&mut self, now: Instant) -> bool {
        self.quorum.as_mut().is_some_and(|held| held.elapse(now))
    }

    /// Goes on under another rule, which counts at once. True if the condition changed.
    pub fn set_rule(&mut self, now: Instant, rule: Process) -> bool {
        if rule == self.rule {
            return false;
        }
        self.rule = rule;
        let good = self.rule.is_good(self.count);
        self.quorum
            .as_mut()
            .is_some_and(|held| held.observe(now, good, Duration::ZERO))
    }
}

/// A link whose changes must last (`interface_up_down_delays`).
#[derive(Clone, Copy, Debug)]
pub struct LinkRun {
    delays: Delays,
    /// Delays begin with the first time it is up.
    was_up: bool,
    up: Held,
}

impl LinkRun {
    /// A link that is like this now.
    pub const fn new(delays: Delays, up: bool) -> LinkRun {
        LinkRun {
            delays,
            was_up: up,
            up: Held::new(up),
        }
    }

    /// Whether it counts as up.
    pub const fn is_up(&self) -> bool {
        self.up.value()
    }

    /// When a change will count.
    pub const fn deadline(&self) -> Option<Instant> {
        self.up.deadline()
    }

    /// Sets what will be waited from the next change on.
    pub fn set_delays(&mut self, delays: Delays) {
        self.delays = delays;
    }

    /// It is up or down now; `longest_down` limits the delay. True if that counts at once.
    pub fn observe(&mut self, now: Instant, up: bool, longest_down: Option<Duration>) -> bool {
        let delay = match (self.was_up, up, longest_down) {
            // No advert may be missed at all: no delay can be afforded.
            (false, _, _) | (_, _, Some(Duration::ZERO)) => Duration::ZERO,
            (true, true, _) => self.delays.up,
            (true, false, longest) => longest.map_or(self.delays.down, |longest| self.delays.down.min(longest)),
        };
        self.was_up |= up;
        self.up.observe(now, up, delay)
    }

    /// True if a delay has ended, and the link counts as something else by it.
    pub fn elapse(&mut self, now: Instant) -> bool {
        self.up.elapse(now)
    }
}

#[cfg(test)]
mod tests;
