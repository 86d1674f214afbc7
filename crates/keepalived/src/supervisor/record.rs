//! The record of virtual addresses: what a killed run may have left in the kernel.
//!
//! A daemon that ends by kill -9 leaves its addresses. The next one finds them by its configuration, unless that has
//! changed; so the names of all addresses it may hold are kept in a private file beside the vrrp pid file, and the
//! vrrp role gets the old ones as leftovers. Whether they are really there, and ours, is for the role to find out.

use crate::configuration::Model;
use crate::role::address_key;
use linux::SysError;
use linux::process_files;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

/// Addresses as lines `INTERFACE PREFIX`.
pub(crate) type Lines = BTreeSet<String>;

/// The file.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    path: PathBuf,
}

impl Record {
    /// At this path.
    pub(crate) fn at(path: PathBuf) -> Record {
        Record { path }
    }

    /// What it says; nothing if there is no such file. Lines that name no address are left out.
    pub(crate) fn read(&self) -> Result<Lines, SysError> {
        let text = process_files::read_own(&self.path)?.unwrap_or_default();
        Ok(text
            .lines()
            .filter(|line| address_key(line).is_some())
            .map(str::to_owned)
            .collect())
    }

    /// Replaces it in one step.
    pub(crate) fn write(&self, lines: &Lines) -> Result<(), SysError> {
        let mut text = String::new();
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
        process_files::replace(&self.path, 0o600, "new", text.as_bytes())
    }

    /// Removes it: nothing is left in the kernel.
    pub(crate) fn remove(&self) -> Result<(), SysError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(SysError::new("remove", self.path.display(), error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// All addresses a model may put into the kernel.
pub(crate) fn addresses(model: &Model) -> Lines {
    let instances = model.vrrp.instances.values();
    instances
        .flat_map(|instance| instance.addresses.iter().chain(&instance.excluded))
        .map(|address| format!("{} {}", address.interface, address.prefix))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(of: &[&str]) -> Lines {
        of.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn what_was_written_is_read_again_and_what_is_no_address_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vrrp.addresses");
        let record = Record::at(path.clone());
        assert_eq!(record.read().unwrap(), Lines::new());
        let said = lines(&["eth0 10.0.0.10/24", "eth1.7 2001:db8::1/64"]);
        record.write(&said).unwrap();
        assert_eq!(record.read().unwrap(), said);
        std::fs::write(
            &path,
            "eth0 10.0.0.10/24\nrubbish\neth0 10.0.0.1/99\nfar-too-long-a-name 10.0.0.1/8\n",
        )
        .unwrap();
        assert_eq!(record.read().unwrap(), lines(&["eth0 10.0.0.10/24"]));
        record.remove().unwrap();
        record.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_record_that_is_a_link_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::fs::write(&elsewhere, "eth0 10.0.0.10/24\n").unwrap();
        let path = folder.path().join("vrrp.addresses");
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(Record::at(path).read().is_err());
    }
}
