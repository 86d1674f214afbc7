//! What the supervisor hears of instances, so that it can tell others, with the cause of each change.

use crate::ipc::FromRole;
use ::vrrp::Cause;
use ::vrrp::action::StateName;
use ::vrrp::config::{Name, Priority};

/// An instance has a new state.
pub(super) fn state(instance: &Name, state: StateName, priority: Priority, cause: &Cause) -> FromRole {
    FromRole::StateChanged {
        instance: instance.to_string(),
        state: state.as_str().to_owned(),
        priority: priority.get(),
        cause: cause.to_string(),
    }
}

/// A master has seen an advert of lower priority.
pub(super) fn lower_priority(instance: &Name, priority: Priority) -> FromRole {
    FromRole::LowerPrioritySeen {
        instance: instance.to_string(),
        priority: priority.get(),
    }
}

/// A sync group has a new state, because of a member.
pub(super) fn group(group: &Name, state: StateName, cause: Option<&(Name, Cause)>) -> FromRole {
    FromRole::GroupChanged {
        group: group.to_string(),
        state: state.as_str().to_owned(),
        cause: cause.map_or_else(String::new, |(member, cause)| format!("({member}) {cause}")),
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
