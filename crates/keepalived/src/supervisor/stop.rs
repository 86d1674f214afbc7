//! The end: roles withdraw, those that do not are killed, and the files of the daemon go.

use super::child::{Child, State};
use super::scripts::{Purpose, script};
use super::{Phase, Supervisor};
use crate::log::Level;
use crate::role::Kind;
use crate::sdnotify;
use base::Instant;
use linux::process;
use linux::script::End;
use std::time::Duration;

/// How long the end of the last notifications is waited for.
const LAST_NOTIFICATIONS: Duration = Duration::from_secs(1);
/// How long a reader of a FIFO may take to end by itself when the FIFO is closed.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How far the end of the daemon has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ending {
    /// Roles run, or the daemon does not end.
    #[default]
    Not,
    /// The last notifications run, until then.
    Notifying(Instant),
    /// The shutdown script runs.
    ShuttingDown,
    /// Readers of FIFOs see the last lines, until then.
    Reading(Instant),
}

impl Ending {
    /// When the next step is due even if nothing happens.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Ending::Not | Ending::ShuttingDown => None,
            Ending::Notifying(until) | Ending::Reading(until) => Some(until),
        }
    }
}

impl Supervisor {
    /// Tells every role to withdraw; the daemon ends with this code when they are gone.
    pub(super) fn begin_stop(&mut self, code: u8) {
        if matches!(self.phase, Phase::Stopping) {
            return;
        }
        self.exit_code = code;
        let until = process::monotonic().after(self.settings.child_wait);
        self.phase = Phase::Stopping;
        self.end_role_scripts(process::monotonic());
        // systemd has its own patience with an end; nothing wakes us for it.
        self.next_watchdog = None;
        self.reporter.info("Stopping");
        self.tell_systemd(sdnotify::State::Stopping);
        for child in &mut self.children {
            let told = match &mut child.state {
                // It tells managers of what the others do at their end.
                State::Running(_) if !child.kind.is_essential() => Ok(()),
                State::Running(running) => running.stop(until),
                State::Idle | State::Waiting { .. } => {
                    child.state = State::Idle;
                    Ok(())
                }
            };
            if let Err(error) = told {
                self.reporter.error(error);
            }
        }
    }

    /// Tells a role to end that the configuration does not ask for: it was started to clean up, and has.
    pub(super) fn let_role_go(&mut self, kind: Kind) {
        let until = process::monotonic().after(self.settings.child_wait);
        let child = self.children.iter_mut().find(|child| child.kind == kind);
        let running = child.and_then(Child::running_mut);
        let stopped = running.map_or(Ok(()), |running| running.stop(until));
        self.report(stopped);
    }

    /// Kills roles that were told to end and have had their time.
    pub(super) fn kill_late(&mut self, now: Instant) {
        let reporter = self.reporter.clone();
        for child in &mut self.children {
            let kind = child.kind;
            let Some(running) = child.running_mut() else { continue };
            if running.stopping.is_none_or(|until| now < until) {
                continue;
            }
            let text = format!("{} process failed to die - forcing termination", kind.title());
            reporter.say(Level::Alert, text);
            if let Err(error) = process::kill_now(running.pid) {
                reporter.error(error);
            }
            // Nothing survives SIGKILL for long; until the news of its death comes there is nothing to wake up for.
            running.stopping = Some(Instant::FAR_FUTURE);
        }
    }

    /// No role is left: lets the last notifications run, then the shutdown script, then lets readers of FIFOs see the last
    /// lines; each for a limited time. True when all is done.
    pub(super) fn end_scripts(&mut self, now: Instant) -> bool {
        loop {
            self.ending = match self.ending {
                Ending::Not => Ending::Notifying(now.after(LAST_NOTIFICATIONS)),
                Ending::Notifying(until) if self.queues.is_empty() || now >= until => {
                    // What still waits is started all the same: not in order any more, but not lost.
                    for (subject, call) in self.queues.drain() {
                        self.run_script(now, Purpose::Notify(subject, call.number), &call.script, None);
                    }
                    self.run_shutdown_script(now);
                    Ending::ShuttingDown
                }
                Ending::ShuttingDown if !self.runner.has(|purpose| *purpose == Purpose::Shutdown) => {
                    self.close_fifos();
                    Ending::Reading(now.after(LAST_LINES))
                }
                Ending::Reading(until) if now >= until || !self.runner.has(|p| matches!(p, Purpose::Reader(_))) => {
                    // They were asked to end with the roles; nobody ends those later that did not listen.
                    self.runner.end(now, End::Force, |purpose| {
                        matches!(purpose, Purpose::Track(_) | Purpose::Asked(..) | Purpose::Startup)
                    });
                    return true;
                }
                Ending::Notifying(_) | Ending::ShuttingDown | Ending::Reading(_) => return false,
            };
        }
    }

    fn run_shutdown_script(&mut self, now: Instant) {
        let global = &self.model.global;
        let Some(command) = global.shutdown_script.clone() else {
            return;
        };
        let (script, limit) = (script(&command, global.supplementary_groups), global.shutdown_timeout);
        let name = String::from_utf8_lossy(command.arguments.first().map_or(&b""[..], Vec::as_slice)).into_owned();
        self.reporter.info(format_args!("Running shutdown script {name}"));
        self.run_script(now, Purpose::Shutdown, &script, Some(limit));
    }

    /// Removes what only a running daemon has.
    pub(super) fn clean_up(&mut self) {
        let mut results: Vec<_> = self.children.iter_mut().map(Child::forget).collect();
        results.push(self.pid_file.remove());
        self.forget_holdings();
        self.forget_services();
        results.into_iter().for_each(|result| self.report(result));
        self.surroundings.restore(&self.reporter);
        let (own, children) = process::used();
        self.reporter.info(format_args!(
            "CPU usage (self/children) user: {:.6}/{:.6} system: {:.6}/{:.6}",
            own.user.as_secs_f64(),
            children.user.as_secs_f64(),
            own.system.as_secs_f64(),
            children.system.as_secs_f64(),
        ));
    }
}

impl Child {
    /// Kills the process without waiting for it.
    pub(super) fn abandon(&mut self) {
        if let State::Running(running) = &self.state {
            // The daemon cannot wait any more; there is nobody to tell.
            let _ = process::kill_now(running.pid);
        }
        self.state = State::Idle;
    }
}
