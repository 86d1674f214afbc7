//! What a manager sets: like a reload of a file that says it, until the next reload of the real one.

use super::Role;
use crate::status::Wish;
use ::vrrp::config::{Config, Name, Preempt, Priority};
use base::Instant;
use std::sync::Arc;

impl Role {
    /// Does what a manager wishes, if it is about an instance that is there.
    pub(super) fn set(&mut self, now: Instant, wish: &Wish) {
        let (instance, change): (&str, &dyn Fn(&mut Config)) = match wish {
            Wish::Priority { instance, priority } => (instance, &|config| set_priority(config, *priority)),
            Wish::Preempt { instance, preempt } => (instance, &|config| set_preempt(config, *preempt)),
            Wish::Announce { instance } => {
                if self.engine.announce(&Name::from(instance.as_str())) {
                    self.reporter
                        .info(format_args!("Sending garps on {instance} on DBus request"));
                }
                return;
            }
            // That is for the check role.
            Wish::Weight { .. } => return,
        };
        let Some(config) = self.running.instances.get_mut(&Name::from(instance)) else {
            return;
        };
        let mut new = Config::clone(config);
        change(&mut new);
        *config = Arc::new(new);
        self.reporter
            .info(format_args!("({instance}) {wish} has been set by SNMP"));
        self.engine.reconfigure(now, self.running.clone(), &mut self.actions);
    }
}

/// Who owns the addresses says the configuration alone.
fn set_priority(config: &mut Config, priority: u8) {
    let wanted = Priority::new(priority).filter(|priority| !priority.is_owner());
    if let Some(priority) = wanted.filter(|_| !config.priority.is_owner()) {
        config.priority = priority;
    }
}

fn set_preempt(config: &mut Config, preempt: bool) {
    config.preempt = match (preempt, config.preempt) {
        (false, _) => Preempt::No,
        (true, Preempt::No) => Preempt::Yes,
        (true, other) => other,
    };
}
