//! How a role's process is scheduled and named, from the settings of the configuration.

use super::Kind;
use crate::configuration::{Model, process_settings};
use crate::ipc::Options;
use crate::log::Reporter;
use linux::process;
use linux::sched::{self, Scheduling};
use std::time::Duration;

/// The name of a process that the configuration does not name.
pub(crate) const PROCESS_NAME: &str = "keepalived";

/// Applies the settings to this process. What cannot be done is logged and the role goes on without it.
///
/// Gives the scheduling that was asked for.
pub(crate) fn apply(kind: Kind, model: &Model, options: &Options, reporter: &Reporter) -> Scheduling {
    if options.core_files
        && let Err(error) = process::allow_core_files()
    {
        reporter.error(error);
    }
    change(kind, model, &Scheduling::default(), reporter)
}

/// Applies the settings of a new configuration in the place of `before`.
pub(crate) fn change(kind: Kind, model: &Model, before: &Scheduling, reporter: &Reporter) -> Scheduling {
    let wanted = process_settings(model, kind);
    if let Err(error) = process::set_name(wanted.name.as_deref().unwrap_or(PROCESS_NAME)) {
        reporter.error(error);
    }
    for error in sched::change(before, &wanted.scheduling) {
        reporter.error(error);
    }
    wanted.scheduling
}

/// How a role reacts to its own lateness (`max_auto_priority`, `min_auto_priority_delay`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Haste {
    /// The highest real-time priority; zero: never.
    most: u8,
    /// The lateness that raises it by one.
    from: Duration,
}

impl Haste {
    /// As a model wants it.
    pub(crate) fn new(model: &Model) -> Haste {
        Haste {
            most: u8::try_from(model.global.max_auto_priority).unwrap_or(0),
            from: model.global.min_auto_priority_delay,
        }
    }

    /// The priority to take in the place of `now`, if there is to be one.
    pub(crate) fn next(self, late: Duration, now: Option<u8>) -> Option<u8> {
        let next = now.unwrap_or(0).saturating_add(1);
        (late >= self.from && next <= self.most).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_raises_the_priority_step_by_step_up_to_what_is_allowed() {
        let mut model = Model::default();
        let late = Duration::from_secs(2);
        assert_eq!(Haste::new(&model).next(late, None), None);
        model.global.max_auto_priority = -1;
        assert_eq!(Haste::new(&model).next(late, None), None);
        model.global.max_auto_priority = 2;
        let haste = Haste::new(&model);
        assert_eq!(haste.next(Duration::from_millis(999), None), None);
        assert_eq!(haste.next(late, None), Some(1));
        assert_eq!(haste.next(late, Some(1)), Some(2));
        assert_eq!(haste.next(late, Some(2)), None);
    }
}
