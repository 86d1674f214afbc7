//! Files that the role writes on request: data, statistics, JSON (`spec/cli-and-runtime.md` 5.2, `spec/integrations.md` 1).
//!
//! Decides what is in them, in the layout that programs read of the original. Where they are written, and with which mode,
//! is the supervisor's business. No password or key is ever in them.

mod data;
mod json;
mod stats;
mod words;

use crate::ipc::DumpKind;
use ::vrrp::engine::Engine;
use base::Instant;
use conf::Model;
use conf::model::{Notify, Tracking};
use std::collections::BTreeMap;
use std::time::Duration;

/// What dumps show of a configuration beside what the engine runs.
#[derive(Debug, Default)]
pub(super) struct Known {
    notify: BTreeMap<String, Notify>,
    notify_groups: BTreeMap<String, Notify>,
    tracking: Tracking,
    json_version: u8,
}

impl Known {
    /// Takes out of a model what is shown of it.
    pub(super) fn of(model: &mut Model) -> Known {
        Known {
            notify: std::mem::take(&mut model.notify),
            notify_groups: std::mem::take(&mut model.notify_groups),
            tracking: std::mem::take(&mut model.tracking),
            json_version: model.global.json_version,
        }
    }

    /// What is told about an instance.
    fn notify(&self, name: &str) -> Notify {
        self.notify.get(name).cloned().unwrap_or_default()
    }
}

/// A point of the clock of the engine, and the wall time then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) at: Instant,
    pub(super) wall: Duration,
}

impl Now {
    /// The wall time of an earlier moment, as the clock shows now.
    fn wall_of(self, earlier: Instant) -> Duration {
        self.wall.saturating_sub(self.at.since(earlier))
    }
}

/// What the log calls a dump, in the words of the original.
pub(super) fn title(kind: DumpKind) -> &'static str {
    match kind {
        DumpKind::Data | DumpKind::Before | DumpKind::After => "Printing VRRP data",
        DumpKind::Stats => "Printing VRRP stats",
        DumpKind::Json => "Printing VRRP as json",
    }
}

/// The text of a dump. `sessions`: what is known of BFD sessions, each whether it is up.
pub(super) fn dump<'a>(
    kind: DumpKind,
    engine: &Engine,
    known: &Known,
    now: Now,
    sessions: impl Iterator<Item = (&'a str, bool)>,
) -> String {
    let status = engine.status();
    match kind {
        DumpKind::Data | DumpKind::Before | DumpKind::After => {
            let instances = data::instances(&status, known, now);
            let groups = data::groups(&engine.groups(), known);
            let tracked = data::scripts(engine, known) + &data::processes(engine, known) + &data::files(engine, known);
            instances + &groups + &tracked + &data::sessions(sessions)
        }
        DumpKind::Stats => stats::stats(&status),
        DumpKind::Json => json::json(engine, &status, known, now),
    }
}

#[cfg(test)]
mod tests;
