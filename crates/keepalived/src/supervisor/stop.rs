//! The end: roles withdraw, those that do not are killed, and the files of the daemon go.

use super::child::{Child, State};
use super::{Phase, Supervisor};
use crate::log::Level;
use crate::sdnotify;
use base::Instant;
use linux::process;

impl Supervisor {
    /// Tells every role to withdraw; the daemon ends with this code when they are gone.
    pub(super) fn begin_stop(&mut self, code: u8) {
        if matches!(self.phase, Phase::Stopping) {
            return;
        }
        self.exit_code = code;
        let until = process::monotonic().after(self.settings.child_wait);
        self.phase = Phase::Stopping;
        // systemd has its own patience with an end; nothing wakes us for it.
        self.next_watchdog = None;
        self.reporter.info("Stopping");
        self.tell_systemd(sdnotify::State::Stopping);
        for child in &mut self.children {
            let told = match &mut child.state {
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

    /// Removes what only a running daemon has.
    pub(super) fn clean_up(&mut self) {
        let mut results: Vec<_> = self.children.iter_mut().map(Child::forget).collect();
        // Left on purpose (-V), by a role that died, or by an earlier run: the next one has to know them.
        if !self.options.keep_vrrp && !self.addresses_left && self.leftovers.is_empty() {
            results.push(self.record.remove());
        }
        results.push(self.pid_file.remove());
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
