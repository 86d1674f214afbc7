//! What is tracked beyond interfaces, as far as this role finds it out.

use ::vrrp::config::{Model, Tracked};
use std::sync::Arc;

/// Leaves out trackers whose results nobody finds out yet (the configuration says so once for each keyword): an instance
/// would wait for ever for the first.
pub(super) fn keep_known(model: &mut Model) {
    for config in model.instances.values_mut() {
        if config.trackers.iter().all(|tracker| is_known(&tracker.object)) {
            continue;
        }
        Arc::make_mut(config)
            .trackers
            .retain(|tracker| is_known(&tracker.object));
    }
}

fn is_known(object: &Tracked) -> bool {
    match object {
        Tracked::Interface(_) | Tracked::Bfd(_) => true,
        Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) => false,
    }
}
