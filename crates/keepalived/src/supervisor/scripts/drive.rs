//! The supervisor's side of scripts: what starts them, and who hears of their results.

use super::track::Due;
use super::{Event, Launcher, Purpose, script};
use crate::ipc::{Outcome, Script, ToRole};
use crate::log::Level;
use crate::role::Kind;
use crate::supervisor::{Phase, Supervisor};
use base::Instant;
use conf::model::TrackScript;
use linux::process::{Ended, Pid};
use linux::script::End;
use std::time::Duration;

impl Supervisor {
    /// When a script has to be started or ended.
    pub(in crate::supervisor) fn next_script(&self) -> Option<Instant> {
        let tracks = self.tracks_run().then(|| self.tracks.next_deadline()).flatten();
        [
            self.runner.next_deadline(),
            self.queues.next_deadline(),
            self.fifos.next_deadline(),
            tracks,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Track scripts run as long as somebody wants their results.
    fn tracks_run(&self) -> bool {
        self.phase != Phase::Stopping
            && self
                .children
                .iter()
                .any(|child| child.kind == Kind::Vrrp && child.running().is_some_and(|r| r.stopping.is_none()))
    }

    /// Starts and ends what is due.
    pub(in crate::supervisor) fn scripts_on_time(&mut self, now: Instant) {
        let (events, lines) = self.runner.on_time(now);
        for line in lines {
            self.reporter.say(Level::Warning, line);
        }
        self.on_script_events(now, events);
        self.notifications_on_time(now);
        self.fifos_on_time(now);
        if !self.tracks_run() {
            return;
        }
        for due in self.tracks.due(now) {
            match due {
                Due::Run(name, track) => self.run_track(now, name, &track),
                Due::Skipped(line) => self.reporter.info(line),
            }
        }
    }

    fn run_track(&mut self, now: Instant, name: String, track: &TrackScript) {
        let mut script = script(&track.command, self.model.global.supplementary_groups);
        script.ends_with = Some(Pid::own().0);
        let limit = track.timeout;
        self.run_script(now, Purpose::Track(name), &script, Some(limit));
    }

    /// Starts a script that a role asked for, unless the daemon ends: nobody would wait for its end.
    pub(in crate::supervisor) fn run_asked(
        &mut self,
        now: Instant,
        (kind, ticket): (Kind, u64),
        script: &Script,
        limit: Duration,
    ) {
        if self.phase == Phase::Stopping {
            return;
        }
        let purpose = Purpose::Asked(kind, ticket);
        if self.may_run(kind, script) {
            self.run_script(now, purpose, script, Some(limit));
        } else {
            self.refuse_script(now, purpose);
        }
    }

    /// Starts a script. One that cannot be started has a result at once.
    pub(in crate::supervisor) fn run_script(
        &mut self,
        now: Instant,
        purpose: Purpose,
        script: &Script,
        limit: Option<Duration>,
    ) {
        let with = Launcher {
            executable: &self.executable,
            argv0: &self.argv0,
        };
        if let Err(error) = self.runner.start(&with, now, purpose.clone(), script, limit) {
            let outcome = Outcome::NotRun(error.to_string());
            let events = vec![Event::Result(purpose.clone(), outcome), Event::Gone(purpose)];
            self.on_script_events(now, events);
        }
    }

    /// The result of a script that is not started.
    pub(in crate::supervisor) fn refuse_script(&mut self, now: Instant, purpose: Purpose) {
        let outcome = Outcome::NotRun("it may not be run".to_owned());
        let events = vec![Event::Result(purpose.clone(), outcome), Event::Gone(purpose)];
        self.on_script_events(now, events);
    }

    /// A child has ended; true if it was a script.
    pub(in crate::supervisor) fn on_script_death(&mut self, now: Instant, pid: Pid, ended: Ended) -> bool {
        let events = self.runner.on_death(pid, ended);
        let ours = !events.is_empty();
        self.on_script_events(now, events);
        ours
    }

    fn on_script_events(&mut self, now: Instant, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Result(purpose, outcome) => self.on_script_result(now, purpose, outcome),
                Event::Gone(Purpose::Track(name)) => self.tracks.gone(now, &name),
                Event::Gone(Purpose::Notify(subject, number)) => {
                    self.queues.gone(&subject, number);
                    self.start_notifications(now);
                }
                Event::Gone(Purpose::Mail) => self.on_mail_end(now),
                Event::Gone(Purpose::Startup) => self.after_startup_script(),
                Event::Gone(Purpose::Asked(kind, ticket)) => self.tell_role(kind, &ToRole::ScriptGone { ticket }),
                Event::Gone(Purpose::Reader(_) | Purpose::Shutdown) => {}
            }
        }
    }

    fn on_script_result(&mut self, now: Instant, purpose: Purpose, outcome: Outcome) {
        if let Outcome::NotRun(reason) = &outcome {
            self.reporter.error(reason);
        }
        match purpose {
            Purpose::Track(script) => {
                if self.tracks.result(&script, &outcome) {
                    self.tell_role(Kind::Vrrp, &ToRole::ScriptResult { script, outcome });
                }
            }
            Purpose::Asked(kind, ticket) => self.tell_role(kind, &ToRole::ScriptRan { ticket, outcome }),
            Purpose::Reader(kind) => self.on_reader_end(now, kind, &outcome),
            Purpose::Startup => self.reporter.info(end_of("startup", &outcome)),
            Purpose::Shutdown => self.reporter.info(end_of("shutdown", &outcome)),
            // How a notification ended interests nobody; that mail was not sent has been said.
            Purpose::Notify(..) | Purpose::Mail => {}
        }
    }

    pub(in crate::supervisor) fn tell_role(&self, kind: Kind, message: &ToRole) {
        let role = self.children.iter().find(|child| child.kind == kind);
        if let Some(running) = role.and_then(|child| child.running()) {
            self.report(running.tell(message, None));
        }
    }

    /// A role runs anew: its track scripts are run at once, and what it had asked for is of no interest.
    pub(in crate::supervisor) fn scripts_for_new_role(&mut self, now: Instant, kind: Kind) {
        self.runner.end(
            now,
            End::Ask,
            |purpose| matches!(purpose, Purpose::Asked(other, _) if *other == kind),
        );
        if kind == Kind::Vrrp {
            self.tracks.begin_again(now);
        }
    }

    /// Follows a new configuration.
    pub(in crate::supervisor) fn scripts_follow(&mut self, now: Instant) {
        self.runner.permitted.follow(&self.model);
        let ended = self.tracks.reconfigure(now, &self.model.tracking.scripts);
        self.runner.end(
            now,
            End::Ask,
            |purpose| matches!(purpose, Purpose::Track(name) if ended.contains(name)),
        );
    }

    /// The daemon ends: what is run for its roles has no more use.
    pub(in crate::supervisor) fn end_role_scripts(&mut self, now: Instant) {
        self.runner.end(now, End::Ask, |purpose| {
            matches!(purpose, Purpose::Track(_) | Purpose::Asked(..) | Purpose::Startup)
        });
    }
}

/// How a script of the daemon itself ended, in the words of the original.
fn end_of(which: &str, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exited(0) => format!("{which} script succeeded"),
        Outcome::Exited(code) => format!("{which} script failed, status {code}"),
        Outcome::Killed(number) => format!("{which} script exited due to signal {number}"),
        Outcome::TimedOut => format!("{which} script timed out"),
        Outcome::NotRun(_) => format!("Call of {which} script failed"),
    }
}
