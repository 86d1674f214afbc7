//! When track scripts run: each by its interval, one run at a time, the first at once.
//!
//! Pure: it says what to start and is told what became of it. What a result means for an instance is the vrrp role's.

use crate::ipc::Outcome;
use base::Instant;
use conf::model::TrackScript;
use std::collections::BTreeMap;

/// The schedule.
#[derive(Debug, Default)]
pub(in crate::supervisor) struct Schedule {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    script: TrackScript,
    /// The next start.
    due: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Running,
    /// It took too long and its processes are not gone yet.
    Ending,
    /// A run of what a script of this name was before a reload: its result is of no interest.
    Other,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::Running => "running",
            State::Ending | State::Other => "requested_termination",
        }
    }
}

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::supervisor) enum Due {
    /// Start this one.
    Run(String, TrackScript),
    /// It should run again and still runs; a line for the log.
    Skipped(String),
}

impl Schedule {
    /// Follows a configuration. A script that is the same as before goes on; gives the names of those whose runs have to
    /// be ended.
    pub(in crate::supervisor) fn reconfigure(
        &mut self,
        now: Instant,
        scripts: &BTreeMap<String, TrackScript>,
    ) -> Vec<String> {
        let mut old = std::mem::take(&mut self.entries);
        let mut ended = Vec::new();
        for (name, script) in scripts {
            let entry = match old.remove(name) {
                Some(entry) if entry.script.command == script.command => Entry {
                    script: script.clone(),
                    // A shorter interval counts from now.
                    due: entry.due.min(now.after(script.interval)),
                    ..entry
                },
                before => {
                    let runs = before.is_some_and(|entry| entry.state != State::Idle);
                    if runs {
                        ended.push(name.clone());
                    }
                    Entry {
                        script: script.clone(),
                        due: now,
                        state: if runs { State::Other } else { State::Idle },
                    }
                }
            };
            self.entries.insert(name.clone(), entry);
        }
        ended.extend(
            old.into_iter()
                .filter(|(_, entry)| entry.state != State::Idle)
                .map(|(name, _)| name),
        );
        ended
    }

    /// Everything runs at once: whoever wants the results knows none.
    pub(in crate::supervisor) fn begin_again(&mut self, now: Instant) {
        for entry in self.entries.values_mut() {
            entry.due = now;
        }
    }

    /// What is due at `now`; those are taken to be started.
    pub(in crate::supervisor) fn due(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        for (name, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.due <= now) {
            // From the time it was due, so that the pace is kept; from now if that is long ago.
            let next = entry.due.after(entry.script.interval);
            entry.due = if next > now {
                next
            } else {
                now.after(entry.script.interval)
            };
            match entry.state {
                State::Idle => {
                    entry.state = State::Running;
                    due.push(Due::Run(name.clone(), entry.script.clone()));
                }
                // Its end starts it; see `gone`.
                State::Other => {}
                State::Running | State::Ending => due.push(Due::Skipped(format!(
                    "Track script {name} is {}, expect idle - skipping run",
                    entry.state.as_str()
                ))),
            }
        }
        due
    }

    /// A run has a result; true if anybody wants it.
    pub(in crate::supervisor) fn result(&mut self, name: &str, outcome: &Outcome) -> bool {
        let Some(entry) = self.entries.get_mut(name).filter(|entry| entry.state == State::Running) else {
            return false;
        };
        if *outcome == Outcome::TimedOut {
            entry.state = State::Ending;
        }
        true
    }

    /// No process of a run is left, or it was not started.
    pub(in crate::supervisor) fn gone(&mut self, now: Instant, name: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            if entry.state == State::Other {
                entry.due = now;
            }
            entry.state = State::Idle;
        }
    }

    /// The next start.
    pub(in crate::supervisor) fn next_deadline(&self) -> Option<Instant> {
        self.entries.values().map(|entry| entry.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conf::model::{Command, Identity};
    use std::time::Duration;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn script(program: &str, interval: u64) -> TrackScript {
        TrackScript {
            command: Command {
                arguments: vec![program.as_bytes().to_vec()],
                file: None,
                identity: Identity::default(),
            },
            interval: Duration::from_secs(interval),
            timeout: Duration::from_secs(interval),
        }
    }

    fn one(program: &str, interval: u64) -> BTreeMap<String, TrackScript> {
        BTreeMap::from([("t".to_owned(), script(program, interval))])
    }

    fn run(program: &str, interval: u64) -> Due {
        Due::Run("t".to_owned(), script(program, interval))
    }

    #[test]
    fn the_first_run_is_at_once_and_the_others_follow_by_the_interval() {
        let mut schedule = Schedule::default();
        assert!(schedule.reconfigure(at(5), &one("/a", 2)).is_empty());
        assert_eq!(schedule.due(at(5)), [run("/a", 2)]);
        assert!(schedule.result("t", &Outcome::Exited(0)));
        schedule.gone(at(5), "t");
        assert_eq!(schedule.due(at(6)), []);
        assert_eq!(schedule.next_deadline(), Some(at(7)));
        assert_eq!(schedule.due(at(7)), [run("/a", 2)]);
    }

    #[test]
    fn a_run_that_lasts_is_not_joined_by_another() {
        let mut schedule = Schedule::default();
        schedule.reconfigure(at(0), &one("/a", 1));
        schedule.due(at(0));
        let skipped = |state: &str| {
            [Due::Skipped(format!(
                "Track script t is {state}, expect idle - skipping run"
            ))]
        };
        assert_eq!(schedule.due(at(1)), skipped("running"));
        assert!(schedule.result("t", &Outcome::TimedOut));
        assert_eq!(schedule.due(at(2)), skipped("requested_termination"));
        assert!(!schedule.result("t", &Outcome::Killed(15)), "it had its result");
        schedule.gone(at(2), "t");
        assert_eq!(schedule.due(at(3)), [run("/a", 1)]);
    }

    #[test]
    fn after_a_long_sleep_one_run_is_made_up_for_and_not_a_thousand() {
        let mut schedule = Schedule::default();
        schedule.reconfigure(at(0), &one("/a", 1));
        schedule.due(at(0));
        schedule.gone(at(0), "t");
        assert_eq!(schedule.due(at(1000)).len(), 1);
        assert_eq!(schedule.next_deadline(), Some(at(1001)));
    }

    #[test]
    fn a_reload_leaves_an_unchanged_script_alone_and_ends_a_changed_one_before_it_runs_anew() {
        let mut schedule = Schedule::default();
        schedule.reconfigure(at(0), &one("/a", 10));
        schedule.due(at(0));
        assert!(schedule.reconfigure(at(1), &one("/a", 2)).is_empty());
        assert_eq!(schedule.next_deadline(), Some(at(3)));
        assert_eq!(schedule.reconfigure(at(1), &one("/b", 2)), ["t"]);
        assert_eq!(schedule.due(at(1)), [], "the old run is not gone");
        assert!(!schedule.result("t", &Outcome::Killed(15)), "not of this script");
        schedule.gone(at(2), "t");
        assert_eq!(schedule.due(at(2)), [run("/b", 2)]);
        assert_eq!(schedule.reconfigure(at(3), &BTreeMap::new()), ["t"]);
        assert_eq!(schedule.next_deadline(), None);
    }
}
