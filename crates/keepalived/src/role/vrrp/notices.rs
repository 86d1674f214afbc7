//! What the supervisor hears of instances, so that it can tell others, with the cause of each change.

use super::report;
use crate::ipc::FromRole;
use ::vrrp::action::StateName;
use ::vrrp::config::{Name, Priority};
use ::vrrp::event::Event;
use std::collections::BTreeMap;

/// Remembers what was said of an instance before its state changed. One line for each instance, until it is used.
#[derive(Debug, Default)]
pub(super) struct Notices {
    causes: BTreeMap<Name, String>,
}

impl Notices {
    /// Something was said; it may be the cause of what comes next.
    pub(super) fn hear(&mut self, event: &Event) {
        if let Some(instance) = event.instance.as_ref().filter(|_| report::is_cause(event)) {
            self.causes.insert(instance.clone(), event.text.clone());
        }
    }

    /// An instance has a new state.
    pub(super) fn state(&mut self, instance: &Name, state: StateName, priority: Priority) -> FromRole {
        FromRole::StateChanged {
            instance: instance.to_string(),
            state: state.as_str().to_owned(),
            priority: priority.get(),
            cause: self.causes.remove(instance).unwrap_or_default(),
        }
    }
}

/// A master has seen an advert of lower priority.
pub(super) fn lower_priority(instance: &Name, priority: Priority) -> FromRole {
    FromRole::LowerPrioritySeen {
        instance: instance.to_string(),
        priority: priority.get(),
    }
}

/// A sync group has a new state; its members have said why.
pub(super) fn group(group: &Name, state: StateName) -> FromRole {
    FromRole::GroupChanged {
        group: group.to_string(),
        state: state.as_str().to_owned(),
        cause: String::new(),
    }
}

/// An instance has a new effective priority.
pub(super) fn priority(instance: &Name, state: StateName, priority: Priority) -> FromRole {
    FromRole::PriorityChanged {
        instance: instance.to_string(),
        state: state.as_str().to_owned(),
        priority: priority.get(),
    }
}
