//! How a role's process is scheduled and named, from the settings of the configuration.

use super::Kind;
use crate::configuration::{Model, process_settings};
use crate::ipc::Options;
use crate::log::Reporter;
use linux::process;
use linux::sched::{self, Scheduling};

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
