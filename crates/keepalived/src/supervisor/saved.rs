//! What is kept of every configuration and around every reload (`config_save_dir`; `spec/cli-and-runtime.md` 5.4).
//!
//! Decides names and modes only. There may be secrets in what is kept: the directory is made for its owner alone, and so are
//! the files.

use super::Supervisor;
use crate::ipc::DumpKind;
use crate::role::Kind;
use linux::SysError;
use linux::process::Pid;
use linux::process_files;
use std::fs::{DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The mode of the directory if it is made.
const FOLDER_MODE: u32 = 0o700;
/// The mode of what is kept.
const MODE: u32 = 0o600;

impl Supervisor {
    /// Where it is kept, if it is.
    fn save_folder(&self) -> Option<PathBuf> {
        self.model.global.config_save_dir.as_ref().map(PathBuf::from)
    }

    /// How many reloads there were.
    const fn reloads(&self) -> u64 {
        self.generation.saturating_sub(1)
    }

    /// Keeps the configuration that is run from now on.
    pub(super) fn save_configuration(&self) {
        let Some(folder) = self.save_folder() else { return };
        let name = format!("keepalived.conf.{}.{}", Pid::own(), self.reloads());
        let text = self.bundle.consolidated();
        let saved = make_folder(&folder)
            .and_then(|()| process_files::replace(&folder.join(name), MODE, "new", text.as_bytes()));
        self.report(saved);
    }

    /// Asks for what roles say of themselves before they change over.
    pub(super) fn save_before_reload(&mut self) {
        if self.save_folder().is_some() {
            self.ask_for_dump(DumpKind::Before);
        }
    }

    /// The same after all have.
    pub(super) fn save_after_reload(&mut self) {
        if self.save_folder().is_some() {
            self.ask_for_dump(DumpKind::After);
        }
    }

    /// Where the words of a role around a reload are kept.
    pub(super) fn saved_dump(&self, of: Kind, when: &str) -> Option<PathBuf> {
        let process = match of {
            Kind::Vrrp => "vrrp",
            Kind::Check => "check",
            Kind::Bfd => "bfd",
            Kind::Manage => "manage",
        };
        let name = format!("keepalived_{process}.{}.{}.{when}", Pid::own(), self.reloads());
        // That it is a stranger's was said with the configuration.
        let folder = self.save_folder().filter(|folder| is_ours(folder).is_ok())?;
        Some(folder.join(name))
    }
}

/// Refuses a place that another user has made: a directory, or a link to one.
fn is_ours(folder: &Path) -> io::Result<()> {
    for facts in [folder.symlink_metadata()?, folder.metadata()?] {
        let owner = facts.uid();
        if owner != 0 && owner != conf::programs::own().uid {
            return Err(io::Error::other(format!("it belongs to user {owner}")));
        }
    }
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), SysError> {
    let failed = |error| SysError::new("make the directory", folder.display(), error);
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        // The mask of the daemon takes away what one enters a directory by.
        Ok(()) => std::fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE)).map_err(failed),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => is_ours(folder).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}
