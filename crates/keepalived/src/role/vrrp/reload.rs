//! Changing over to another configuration, in steps that adverts do not wait for long.
//!
//! The model is ready when it comes here. Virtual interfaces that it needs are made first, one in a turn of the loop; then
//! everybody follows it at once, in a millisecond or two for a thousand instances. What a difference means for an instance
//! is decided in the `vrrp` crate.

use super::{Role, statics};
use crate::configuration::Model;
use crate::ipc::{FromRole, Outcome};
use ::vrrp::config::Name;
use base::Instant;
use std::collections::BTreeMap;

/// A configuration on its way.
pub(super) struct Change {
    generation: u64,
    model: Box<Model>,
}

/// The last results of scripts while a configuration is on its way: the supervisor runs those of the new one at once.
pub(super) type Early = BTreeMap<String, Outcome>;

impl Role {
    /// A new configuration takes the place of one that is still on its way.
    pub(super) fn begin_change(&mut self, now: Instant, generation: u64, model: Box<Model>) {
        self.reporter.info("Reloading");
        if self.stopping {
            return;
        }
        self.links.want(&model.vrrp);
        self.change = Some(Change { generation, model });
        if self.links.is_ready() {
            self.change_over(now);
        }
    }

    /// Looks at one more virtual interface; with the last that the new configuration needs it begins.
    pub(super) fn go_on_changing(&mut self, now: Instant) {
        self.links.step(now, &self.reporter);
        if self.links.is_ready() {
            self.change_over(now);
        }
    }

    /// A run of a track script has ended, of this configuration or of the next.
    pub(super) fn script_ended(&mut self, now: Instant, script: String, outcome: Outcome) {
        self.script_result(now, &script, &outcome);
        if self.change.is_some() || self.context.expects_reload() {
            self.early.insert(script, outcome);
        } else {
            self.early.clear();
        }
    }

    fn change_over(&mut self, now: Instant) {
        let Some(Change { generation, mut model }) = self.change.take() else {
            return;
        };
        self.watcher.set_statics(statics(&model.vrrp));
        self.look(now);
        self.track(now, &model.vrrp, &model.tracking);
        self.remember(&mut model);
        let before = std::mem::replace(&mut self.running, model.vrrp.clone());
        self.context.discard(before);
        self.engine.reconfigure(now, model.vrrp, &mut self.actions);
        self.tell_tracked(now);
        for (script, outcome) in std::mem::take(&mut self.early) {
            if self.engine.awaits_script(&Name::from(script.as_str())) {
                self.script_result(now, &script, &outcome);
            }
        }
        self.repeat_sessions(now);
        // What static addresses are may be the source of adverts from now on.
        self.look(now);
        self.context.send(&FromRole::Reloaded { generation });
    }
}
