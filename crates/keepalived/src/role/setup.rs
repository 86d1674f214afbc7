//! How a role's process is scheduled and named, from the settings of the configuration.

use super::Kind;
use crate::configuration::Model;
use crate::ipc::Options;
use crate::log::Reporter;
use linux::process;
use linux::sched;

/// Applies the settings to this process. What cannot be done is logged and the role goes on without it.
pub(crate) fn apply(kind: Kind, _model: &Model, options: &Options, reporter: &Reporter) {
    let wanted = sched::Scheduling::default();
    let _ = kind;
    if let Err(error) = process::set_name("keepalived") {
        reporter.error(error);
    }
    if options.core_files
        && let Err(error) = process::allow_core_files()
    {
        reporter.error(error);
    }
    for error in sched::apply(&wanted) {
        reporter.error(error);
    }
}
