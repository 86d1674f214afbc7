//! In which order notification scripts run: one after the other for each instance and group, in the order of what
//! happened, none lost; those of different instances side by side.
//!
//! Pure. A script that takes longer than [`PATIENCE`] is no longer waited for, so that one that never ends does not keep
//! the operator from hearing of later changes; it is not ended, as the original ends none.

use crate::ipc::Script;
use base::Instant;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long a script holds up those after it.
pub(in crate::supervisor) const PATIENCE: Duration = Duration::from_secs(60);
/// Scripts that wait for one instance or group. Beyond it the oldest are dropped and that is said: the last call always
/// tells the real state.
pub(in crate::supervisor) const MOST_WAITING: usize = 1000;

/// Whom a notification is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::supervisor) enum Subject {
    /// An instance.
    Instance(String),
    /// A sync group.
    Group(String),
    /// A virtual or real server, by the first words of its lines in FIFOs.
    Server(String),
}

impl Subject {
    /// The first argument of a generic script and the first word of a FIFO line.
    pub(in crate::supervisor) const fn kind(&self) -> &'static str {
        match self {
            Subject::Instance(_) => "INSTANCE",
            Subject::Group(_) => "GROUP",
            Subject::Server(_) => "SERVER",
        }
    }

    /// Its name.
    pub(in crate::supervisor) fn name(&self) -> &str {
        match self {
            Subject::Instance(name) | Subject::Group(name) | Subject::Server(name) => name,
        }
    }
}

/// A script to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::supervisor) struct Call {
    /// Names the call; grows with every one.
    pub(in crate::supervisor) number: u64,
    /// What is run.
    pub(in crate::supervisor) script: Script,
    /// One more of this kind is no news while one waits.
    pub(in crate::supervisor) repeats: bool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Call>,
    running: Option<(u64, Instant)>,
}

/// All queues.
#[derive(Debug, Default)]
pub(in crate::supervisor) struct Queues {
    queues: BTreeMap<Subject, Queue>,
    /// The first call of each queue in which nothing runs.
    ready: BTreeMap<u64, Subject>,
    next: u64,
}

impl Queues {
    /// Adds a call; true if an older one had to be dropped for it.
    pub(in crate::supervisor) fn push(&mut self, subject: &Subject, script: Script, repeats: bool) -> bool {
        let queue = self.queues.entry(subject.clone()).or_default();
        if repeats && queue.waiting.iter().any(|call| call.repeats) {
            return false;
        }
        let full = queue.waiting.len() >= MOST_WAITING;
        if full && let Some(oldest) = queue.waiting.pop_front() {
            self.ready.remove(&oldest.number);
        }
        self.next += 1;
        queue.waiting.push_back(Call {
            number: self.next,
            script,
            repeats,
        });
        self.wake(subject);
        full
    }

    fn wake(&mut self, subject: &Subject) {
        if let Some(queue) = self.queues.get(subject)
            && queue.running.is_none()
            && let Some(first) = queue.waiting.front()
        {
            self.ready.insert(first.number, subject.clone());
        }
    }

    /// The oldest call that waits for nothing but a place; it is taken to be started.
    pub(in crate::supervisor) fn start(&mut self, now: Instant) -> Option<(Subject, Call)> {
        let (_, subject) = self.ready.pop_first()?;
        let queue = self.queues.get_mut(&subject)?;
        let call = queue.waiting.pop_front()?;
        queue.running = Some((call.number, now));
        Some((subject, call))
    }

    /// Nothing is left of a call, or it could not be started.
    pub(in crate::supervisor) fn gone(&mut self, subject: &Subject, number: u64) {
        let Some(queue) = self.queues.get_mut(subject) else {
            return;
        };
        if queue.running.is_some_and(|(running, _)| running == number) {
            queue.running = None;
            if queue.waiting.is_empty() {
                self.queues.remove(subject);
            } else {
                self.wake(subject);
            }
        }
    }

    /// Whose script is no longer waited for.
    pub(in crate::supervisor) fn on_time(&mut self, now: Instant) -> Vec<Subject> {
        let late: Vec<(Subject, u64)> = self
            .queues
            .iter()
            .filter_map(|(subject, queue)| {
                let (number, since) = queue.running?;
                let over = !queue.waiting.is_empty() && now >= since.after(PATIENCE);
                over.then(|| (subject.clone(), number))
            })
            .collect();
        late.into_iter()
            .map(|(subject, number)| {
                self.gone(&subject, number);
                subject
            })
            .collect()
    }

    /// When [`Queues::on_time`] has something to do.
    pub(in crate::supervisor) fn next_deadline(&self) -> Option<Instant> {
        self.queues
            .values()
            .filter(|queue| !queue.waiting.is_empty())
            .filter_map(|queue| queue.running.map(|(_, since)| since.after(PATIENCE)))
            .min()
    }

    /// Nothing waits and nothing runs.
    pub(in crate::supervisor) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Everything that waits, in order; the daemon ends and cannot wait for more.
    pub(in crate::supervisor) fn drain(&mut self) -> Vec<(Subject, Call)> {
        self.ready.clear();
        let mut all: Vec<(Subject, Call)> = std::mem::take(&mut self.queues)
            .into_iter()
            .flat_map(|(subject, queue)| queue.waiting.into_iter().map(move |call| (subject.clone(), call)))
            .collect();
        all.sort_by_key(|(_, call)| call.number);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn script(name: &str) -> Script {
        Script {
            arguments: vec![name.as_bytes().to_vec()],
            ..Script::default()
        }
    }

    fn name(started: Option<(Subject, Call)>) -> Option<(String, u64)> {
        started.map(|(_, call)| {
            let name = String::from_utf8(call.script.arguments[0].clone()).unwrap();
            (name, call.number)
        })
    }

    #[test]
    fn calls_of_one_subject_follow_each_other_and_those_of_others_do_not_wait() {
        let (a, b) = (Subject::Instance("a".into()), Subject::Instance("b".into()));
        let mut queues = Queues::default();
        queues.push(&a, script("a1"), false);
        queues.push(&a, script("a2"), false);
        queues.push(&b, script("b1"), false);
        assert_eq!(name(queues.start(at(0))), Some(("a1".into(), 1)));
        assert_eq!(name(queues.start(at(0))), Some(("b1".into(), 3)));
        assert_eq!(name(queues.start(at(0))), None);
        queues.gone(&a, 1);
        assert_eq!(name(queues.start(at(0))), Some(("a2".into(), 2)));
        queues.gone(&a, 2);
        queues.gone(&b, 3);
        assert!(queues.is_empty());
    }

    #[test]
    fn a_script_that_never_ends_holds_up_the_next_for_a_minute_only() {
        let a = Subject::Group("a".into());
        let mut queues = Queues::default();
        queues.push(&a, script("1"), false);
        assert!(queues.start(at(0)).is_some());
        assert_eq!(queues.next_deadline(), None, "nobody waits");
        queues.push(&a, script("2"), false);
        assert_eq!(queues.next_deadline(), Some(at(60)));
        assert_eq!(queues.on_time(at(59)), []);
        assert_eq!(queues.on_time(at(60)), std::slice::from_ref(&a));
        assert_eq!(name(queues.start(at(60))), Some(("2".into(), 2)));
        // The end of the first is no end of the second.
        queues.gone(&a, 1);
        assert!(!queues.is_empty());
        queues.gone(&a, 2);
        assert!(queues.is_empty());
    }

    #[test]
    fn beyond_the_limit_the_oldest_go_and_the_newest_stays() {
        let a = Subject::Instance("a".into());
        let mut queues = Queues::default();
        for _ in 0..MOST_WAITING {
            assert!(!queues.push(&a, script("old"), false));
        }
        assert!(queues.push(&a, script("new"), false));
        assert_eq!(name(queues.start(at(0))), Some(("old".into(), 2)));
        let rest = queues.drain();
        assert_eq!(rest.len(), MOST_WAITING - 1);
        assert_eq!(rest.last().unwrap().1.script, script("new"));
    }

    #[test]
    fn what_repeats_waits_once() {
        let a = Subject::Instance("a".into());
        let mut queues = Queues::default();
        for _ in 0..5 {
            queues.push(&a, script("lower"), true);
        }
        assert!(queues.start(at(0)).is_some());
        assert!(queues.start(at(0)).is_none());
        queues.gone(&a, 1);
        assert!(queues.is_empty());
    }
}
