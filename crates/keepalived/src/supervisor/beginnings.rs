//! The first numbers of tracked files (`init_file`): written before anybody follows the files.
//!
//! By the supervisor, so that no role has to be able to make files. What is in a file later is not known here.

use super::Supervisor;
use crate::configuration::Model;
use crate::log::Level;
use crate::role::Kind;
use crate::role::check::files;
use linux::watch;
use std::collections::BTreeSet;
use std::path::Path;

/// Files that were given their first number, by name: a reload does not do it again.
#[derive(Debug, Default)]
pub(super) struct Beginnings {
    made: BTreeSet<String>,
}

impl Supervisor {
    /// Gives every tracked file that a role follows from now on its first number, if it is to have one.
    pub(super) fn begin_track_files(&mut self) {
        let mut followed = BTreeSet::new();
        if self.wants(Kind::Vrrp) {
            followed.extend(self.model.vrrp.objects.files.iter().map(ToString::to_string));
        }
        if self.wants(Kind::Check) {
            followed.extend(checked(&self.model));
        }
        for name in followed {
            let Some(file) = self.model.tracking.files.get(&name) else {
                continue;
            };
            let Some(init) = file.init.filter(|_| self.beginnings.made.insert(name.clone())) else {
                continue;
            };
            if let Err(error) = watch::make(Path::new(&file.path), &format!("{}\n", init.value), init.overwrite) {
                let text = format_args!("Unable to initialise track file {name}: {error}");
                self.reporter.say(Level::Warning, text);
            }
        }
    }
}

/// The files that checks follow.
fn checked(model: &Model) -> BTreeSet<String> {
    let servers = model.servers.services.values();
    let checks = servers.flat_map(|server| server.checks.values().flatten());
    checks.filter_map(files::name).map(|name| name.to_string()).collect()
}
