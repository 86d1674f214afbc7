//! Records: what a killed run may have left in the kernel.
//!
//! A daemon that ends by kill -9 leaves its addresses, routes, rules, virtual interfaces and virtual services. The next one
//! finds them by its configuration, unless that has changed; so the names of all it may hold are kept in private files, those
//! of services beside the pid file of the checker, the others beside that of vrrp, and the role gets the old ones as leftovers.
//! Whether they are really there, and ours, is for the role to find out.

use crate::role::check::left;
use crate::role::vrrp::left as holdings;
use linux::SysError;
use linux::process_files;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

/// What may be left, a line each: services as [`crate::role::check::left`] writes them, the rest as
/// [`crate::role::vrrp::left`] does.
pub(crate) type Lines = BTreeSet<String>;

/// How the line begins that says in which network something may be left ([`linux::machine::network`]).
pub(crate) const PLACE: &str = "network ";

/// Bytes of a file. Lines beyond are not written, which is an error that says so: what they name stays after a kill -9.
const LONGEST: usize = 32 * 1024 * 1024;

/// A file.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    path: PathBuf,
    makes_sense: fn(&str) -> bool,
}

impl Record {
    /// The record of what the vrrp role puts into the kernel, at this path.
    pub(crate) fn of_holdings(path: PathBuf) -> Record {
        Record {
            path,
            makes_sense: |line| line.starts_with(PLACE) || holdings::makes_sense(line),
        }
    }

    /// The record of virtual services, at this path.
    pub(crate) fn of_services(path: PathBuf) -> Record {
        Record {
            path,
            makes_sense: |line| line.starts_with(PLACE) || left::read(line).is_some(),
        }
    }

    /// What it says; nothing if there is no such file. Lines that make no sense are left out.
    pub(crate) fn read(&self) -> Result<Lines, SysError> {
        let text = process_files::read_own(&self.path)?.unwrap_or_default();
        Ok(text
            .lines()
            .filter(|line| (self.makes_sense)(line))
            .map(str::to_owned)
            .collect())
    }

    /// Replaces it in one step by the text of [`text`].
    pub(crate) fn write_text(&self, text: &str) -> Result<(), SysError> {
        let bytes = text.as_bytes();
        if bytes.len() <= LONGEST {
            return process_files::replace(&self.path, 0o600, "new", bytes);
        }
        let fits = bytes.get(..LONGEST).unwrap_or_default();
        let end = fits.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        process_files::replace(&self.path, 0o600, "new", fits.get(..end).unwrap_or_default())?;
        let source = io::Error::new(io::ErrorKind::FileTooLarge, "too much to record");
        Err(SysError::new("write", self.path.display(), source))
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

/// Lines as a file has them.
pub(crate) fn text<'l>(lines: impl Iterator<Item = &'l str>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
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
        let path = folder.path().join("vrrp.holdings");
        let record = Record::of_holdings(path.clone());
        assert_eq!(record.read().unwrap(), Lines::new());
        let said = lines(&["eth0 10.0.0.10/24", "eth1.7 2001:db8::1/64"]);
        record.write_text(&text(said.iter().map(String::as_str))).unwrap();
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
        let path = folder.path().join("vrrp.holdings");
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(Record::of_holdings(path).read().is_err());
    }

    #[test]
    fn services_are_recorded_for_nobody_else_to_read_and_rubbish_is_left_out() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkers.services");
        let record = Record::of_services(path.clone());
        let said = lines(&["tcp 192.0.2.200 80", "fwmark 7 inet"]);
        record.write_text(&text(said.iter().map(String::as_str))).unwrap();
        assert_eq!(record.read().unwrap(), said);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(
            &path,
            "tcp 192.0.2.200 80\neth0 10.0.0.1/8\n\u{0}\ntcp 192.0.2.200 80 ..\n",
        )
        .unwrap();
        assert_eq!(record.read().unwrap(), lines(&["tcp 192.0.2.200 80"]));
        std::fs::write(&path, [0xff, 0xfe, b'\n']).unwrap();
        assert!(record.read().is_err(), "what is no text says nothing");
    }

    #[test]
    fn a_record_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkers.services");
        let record = Record::of_services(path.clone());
        let many: Lines = (0..LONGEST / 1000 + 10)
            .map(|n| format!("tcp 192.0.2.1 80 {n:0>990}"))
            .collect();
        let error = record
            .write_text(&text(many.iter().map(String::as_str)))
            .unwrap_err()
            .to_string();
        assert!(error.contains("too much to record"), "{error}");
        assert!(std::fs::metadata(&path).unwrap().len() <= LONGEST as u64);
        assert!(record.read().unwrap().len() > LONGEST / 1100);
    }
}
