//! Results of track scripts: the supervisor runs them and says how each run ended, the engine judges.

use super::Role;
use crate::ipc;
use ::vrrp::input::Input;
use ::vrrp::track::Outcome;
use base::Instant;

impl Role {
    /// A run of a track script has ended.
    pub(super) fn script_result(&mut self, now: Instant, script: &str, outcome: &ipc::Outcome) {
        let input = Input::ScriptResult {
            name: script.into(),
            outcome: outcome_of(outcome),
        };
        self.engine.handle(now, input, &mut self.actions);
    }
}

fn outcome_of(outcome: &ipc::Outcome) -> Outcome {
    match outcome {
        ipc::Outcome::Exited(status) => Outcome::Exited(*status),
        ipc::Outcome::Killed(signal) => Outcome::Signalled(*signal),
        ipc::Outcome::TimedOut => Outcome::TimedOut,
        // The supervisor has logged the reason.
        ipc::Outcome::NotRun(_) => Outcome::NotStarted(0),
    }
}
