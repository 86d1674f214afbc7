//! A file that one process holds at a time, by a lock that belongs to the open file and not to a process.
//!
//! Such a lock outlives `fork`, can be handed to another process with the descriptor, and ends when the last
//! holder of the descriptor ends, however it ends.

use crate::SysError;
use crate::process::Pid;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Files that were removed while they were being locked before locking is an error. One is a daemon that ended just
/// then; nobody starts and ends so many.
const ATTEMPTS: usize = 1000;

/// That the group or everybody may write to a file.
const OTHERS_WRITE: u32 = 0o022;

/// A locked file.
#[derive(Debug)]
pub struct LockedFile {
    file: File,
    path: PathBuf,
}

/// What became of an attempt to lock.
#[derive(Debug)]
pub enum Locking {
    /// It is ours.
    Locked(LockedFile),
    /// Somebody else holds it.
    Held,
}

impl LockedFile {
    /// Opens, making it if need be with this mode, without following a link in the last step, and locks.
    ///
    /// A file that is there and that nobody holds becomes ours only if it is as we would have made it: one that belongs to
    /// another user, or has a second name, is replaced, and nobody else may write to it.
    pub fn lock(path: &Path, mode: u32) -> Result<Locking, SysError> {
        for _ in 0..ATTEMPTS {
            let locking = LockedFile::try_lock(path, mode)?;
            match &locking {
                // Its last holder may have removed the file between our opening and locking it.
                Locking::Locked(lock) if !lock.is_in_place() => {}
                Locking::Locked(lock) if !lock.is_own()? => lock.remove()?,
                Locking::Locked(_) | Locking::Held => return Ok(locking),
            }
        }
        let why = io::Error::other("it is removed again and again");
        Err(SysError::new("lock", path.display(), why))
    }

    fn try_lock(path: &Path, mode: u32) -> Result<Locking, SysError> {
        let fail = |source: io::Error| SysError::new("lock", path.display(), source);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(mode)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
            .open(path)
            .map_err(fail)?;
        if !file.metadata().map_err(fail)?.is_file() {
            return Err(fail(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            )));
        }
        let whole = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole)) {
            Ok(_) => Ok(Locking::Locked(LockedFile {
                file,
                path: path.to_owned(),
            })),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(Locking::Held),
            Err(errno) => Err(fail(errno.into())),
        }
    }

    /// Whether it is a file of this user with one name, which nobody else may write to from now on.
    fn is_own(&self) -> Result<bool, SysError> {
        let fail = |source: io::Error| SysError::new("lock", self.path.display(), source);
        let facts = self.file.metadata().map_err(fail)?;
        if facts.uid() != nix::unistd::geteuid().as_raw() || facts.nlink() > 1 {
            return Ok(false);
        }
        if facts.mode() & OTHERS_WRITE != 0 {
            let mode = std::fs::Permissions::from_mode(facts.mode() & !OTHERS_WRITE);
            self.file.set_permissions(mode).map_err(fail)?;
        }
        Ok(true)
    }

    /// Replaces the content.
    pub fn write(&mut self, content: &str) -> Result<(), SysError> {
        let fail = |source: io::Error| SysError::new("write", self.path.display(), source);
        self.file.set_len(0).map_err(fail)?;
        io::Seek::rewind(&mut self.file).map_err(fail)?;
        self.file.write_all(content.as_bytes()).map_err(fail)
    }

    /// Whether the path still leads to this file.
    pub fn is_in_place(&self) -> bool {
        let Ok(own) = self.file.metadata() else { return false };
        std::fs::symlink_metadata(&self.path).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino()))
    }

    /// Removes the file, if the path still leads to it. The lock is given up when the value is dropped.
    pub fn remove(&self) -> Result<(), SysError> {
        if !self.is_in_place() {
            return Ok(());
        }
        std::fs::remove_file(&self.path).map_err(|source| SysError::new("remove", self.path.display(), source))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The process a pid file names.
pub(crate) fn pid_in(text: &str) -> Option<i32> {
    text.trim().parse().ok().filter(|pid| *pid > 1)
}

/// What a pid file says at most.
const PID_TEXT: u64 = 16;

/// The process that the pid file names, if it runs and has the file open: the one that holds its lock.
pub fn holder(path: &Path) -> Option<Pid> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)
        .ok()?;
    let there = file.metadata().ok()?;
    let mut text = String::new();
    file.take(PID_TEXT).read_to_string(&mut text).ok()?;
    let pid = pid_in(&text)?;
    let is_it = |entry: io::Result<std::fs::DirEntry>| {
        let open = entry.and_then(|entry| std::fs::metadata(entry.path()));
        open.is_ok_and(|open| (open.dev(), open.ino()) == (there.dev(), there.ino()))
    };
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .any(is_it)
        .then_some(Pid(pid))
}

impl AsFd for LockedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("lock-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_second_open_file_cannot_have_the_lock_until_the_first_is_closed() {
        let folder = scratch("second");
        let path = folder.join("a.pid");
        let Locking::Locked(mut first) = LockedFile::lock(&path, 0o644).unwrap() else {
            panic!("held")
        };
        first.write("1234567\n").unwrap();
        first.write("12\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "12\n");
        assert!(matches!(LockedFile::lock(&path, 0o644).unwrap(), Locking::Held));
        let copy = first.as_fd().try_clone_to_owned().unwrap();
        drop(first);
        assert!(matches!(LockedFile::lock(&path, 0o644).unwrap(), Locking::Held));
        drop(copy);
        let Locking::Locked(third) = LockedFile::lock(&path, 0o644).unwrap() else {
            panic!("held")
        };
        third.remove().unwrap();
        assert!(!path.exists());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_holder_is_the_process_that_the_file_names_if_it_has_the_file_open() {
        let folder = scratch("holder");
        let path = folder.join("a.pid");
        let Locking::Locked(mut lock) = LockedFile::lock(&path, 0o644).unwrap() else {
            panic!("held")
        };
        for nobody in ["", "x\n", "1\n", "-5\n", "99999999999\n", "999999999\n"] {
            lock.write(nobody).unwrap();
            assert_eq!(holder(&path), None, "{nobody:?}");
        }
        let own = Pid::own();
        lock.write(&format!("{own}\n")).unwrap();
        assert_eq!(holder(&path), Some(own));
        drop(lock);
        assert_eq!(holder(&path), None, "it has closed the file");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_is_not_followed_and_a_folder_is_not_a_file() {
        let folder = scratch("link");
        let victim = folder.join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, folder.join("a.pid")).unwrap();
        assert!(LockedFile::lock(&folder.join("a.pid"), 0o644).is_err());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert!(LockedFile::lock(&folder, 0o644).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_others_may_write_to_or_that_has_a_second_name_does_not_become_ours() {
        let folder = scratch("own");
        let (path, victim) = (folder.join("a.pid"), folder.join("victim"));
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        let locked = |path: &Path| match LockedFile::lock(path, 0o644).unwrap() {
            Locking::Locked(lock) => lock,
            Locking::Held => panic!("held"),
        };
        drop(locked(&path));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&victim, "precious").unwrap();
        std::fs::hard_link(&victim, &path).unwrap();
        let mut lock = locked(&path);
        lock.write("1\n").unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n");
        drop(lock);
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
            drop(locked(&path));
            assert_eq!(std::fs::metadata(&path).unwrap().uid(), 0);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_somebody_put_in_the_place_is_not_removed() {
        let folder = scratch("replaced");
        let path = folder.join("a.pid");
        let Locking::Locked(first) = LockedFile::lock(&path, 0o644).unwrap() else {
            panic!("held")
        };
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "other").unwrap();
        assert!(!first.is_in_place());
        first.remove().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "other");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn of_many_that_lock_and_remove_the_same_path_one_at_a_time_has_it() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let folder = scratch("race");
        let path = folder.join("a.pid");
        let holders = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        if let Locking::Locked(lock) = LockedFile::lock(&path, 0o644).unwrap() {
                            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two have the lock");
                            assert!(lock.is_in_place());
                            holders.fetch_sub(1, Ordering::SeqCst);
                            lock.remove().unwrap();
                        }
                    }
                });
            }
        });
        std::fs::remove_dir_all(folder).unwrap();
    }
}
