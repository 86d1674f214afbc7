//! FIFOs that other programs read.
//!
//! A FIFO is opened for reading and writing, so that it can be opened before anybody reads it, and without waiting. What
//! is not a FIFO, or belongs to somebody else, is refused: writing there could do harm. What is written is not known here.

use crate::SysError;
use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// The mode of a new FIFO before the mask is applied.
const MODE: u32 = 0o644;

/// An open FIFO.
#[derive(Debug)]
pub struct Fifo {
    path: PathBuf,
    file: File,
    /// It is ours to remove.
    made: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is in the FIFO.
    Done,
    /// Nobody reads and the FIFO is full; nothing of it was written.
    Full,
}

impl Fifo {
    /// Makes the FIFO if there is none, for this user and group, and opens it.
    pub fn open(path: &Path, uid: u32, gid: u32) -> Result<Fifo, SysError> {
        let fail = |source: io::Error| SysError::new("open FIFO", path.display(), source);
        let made = match unistd::mkfifo(path, Mode::from_bits_truncate(MODE)) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(errno) => return Err(SysError::new("make FIFO", path.display(), errno)),
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)
            .map_err(fail)
            .and_then(|file| check(&file, uid).map_err(fail).map(|()| file))?;
        if made {
            fchown(&file, Some(uid), Some(gid))
                .map_err(|source| SysError::new("give away FIFO", path.display(), source))?;
        }
        Ok(Fifo {
            path: path.to_owned(),
            file,
            made,
        })
    }

    /// Writes one line whole or not at all, without waiting. Lines up to 4096 bytes (`PIPE_BUF`) are never mixed.
    pub fn write(&self, line: &[u8]) -> Result<Written, SysError> {
        match (&self.file).write(line) {
            Ok(_) => Ok(Written::Done),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Written::Full),
            Err(error) => Err(SysError::new("write to FIFO", self.path.display(), error)),
        }
    }

    /// Closes it, and removes it if it was made here and is still the same.
    pub fn close(self) -> Result<(), SysError> {
        if !self.made {
            return Ok(());
        }
        let same = fs::symlink_metadata(&self.path)
            .ok()
            .zip(self.file.metadata().ok())
            .is_some_and(|(there, ours)| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
        if !same {
            return Ok(());
        }
        fs::remove_file(&self.path).map_err(|source| SysError::new("remove FIFO", self.path.display(), source))
    }
}

fn check(file: &File, uid: u32) -> io::Result<()> {
    let facts = file.metadata()?;
    if !facts.file_type().is_fifo() {
        return Err(io::Error::other("it is not a FIFO"));
    }
    let owner = facts.uid();
    if owner != uid && owner != unistd::geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to user {owner}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    fn own() -> (u32, u32) {
        (unistd::geteuid().as_raw(), unistd::getegid().as_raw())
    }

    #[test]
    fn a_fifo_is_made_written_without_a_reader_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let (uid, gid) = own();
        let fifo = Fifo::open(&path, uid, gid).unwrap();
        assert_eq!(fifo.write(b"one\n").unwrap(), Written::Done);
        let mut reader = File::open(&path).unwrap();
        let mut buffer = [0; 16];
        let got = reader.read(&mut buffer).unwrap();
        assert_eq!(&buffer[..got], b"one\n");
        fifo.close().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn one_that_was_there_stays_and_one_that_nobody_reads_is_full_some_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
        let (uid, gid) = own();
        let fifo = Fifo::open(&path, uid, gid).unwrap();
        let written = (0..10_000)
            .take_while(|_| fifo.write(&[b'x'; 100]).unwrap() == Written::Done)
            .count();
        assert!((600..10_000).contains(&written), "{written}");
        fifo.close().unwrap();
        assert!(path.exists());
    }

    #[test]
    fn files_links_and_fifos_of_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (uid, gid) = own();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(
            Fifo::open(&file, uid, gid)
                .unwrap_err()
                .to_string()
                .contains("not a FIFO")
        );
        let fifo = folder.path().join("f");
        unistd::mkfifo(&fifo, Mode::from_bits_truncate(0o600)).unwrap();
        let link = folder.path().join("link");
        symlink(&fifo, &link).unwrap();
        assert!(Fifo::open(&link, uid, gid).is_err());
        if unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&fifo, Some(65_534), None).unwrap();
            let error = Fifo::open(&fifo, 0, 0).unwrap_err().to_string();
            assert!(error.contains("belongs to user 65534"), "{error}");
            assert!(Fifo::open(&fifo, 65_534, 0).is_ok());
        }
    }
}
