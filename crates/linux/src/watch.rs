//! Watching files for changes: through their directories, because a file may be replaced, removed and made again.
//!
//! Reports which files may have changed; reading them is the caller's business. When the kernel lost reports, all may
//! have.

use crate::{SysError, Turn};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Reads in one turn; each takes some dozens of reports.
const READS_PER_TURN: usize = 8;

/// Files that are watched.
pub struct FileWatch {
    inotify: Inotify,
    directories: BTreeMap<PathBuf, Directory>,
}

struct Directory {
    /// `None`: it cannot be watched (now).
    watch: Option<WatchDescriptor>,
    names: BTreeSet<OsString>,
}

impl FileWatch {
    /// Watches nothing yet.
    pub fn open() -> Result<FileWatch, SysError> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let inotify = Inotify::init(flags).map_err(|errno| SysError::new("watch files", "", errno))?;
        Ok(FileWatch {
            inotify,
            directories: BTreeMap::new(),
        })
    }

    /// Watches these files and no others. Gives the directories that cannot be watched, which [`FileWatch::retry`] tries
    /// again.
    pub fn watch(&mut self, files: impl IntoIterator<Item = PathBuf>) -> Vec<SysError> {
        let mut wanted: BTreeMap<PathBuf, BTreeSet<OsString>> = BTreeMap::new();
        for file in files {
            if let (Some(directory), Some(name)) = (file.parent(), file.file_name()) {
                let names = wanted.entry(directory.to_owned()).or_default();
                names.insert(name.to_owned());
            }
        }
        let mut old = std::mem::take(&mut self.directories);
        let mut failed = Vec::new();
        for (path, names) in wanted {
            let known = old.remove(&path).and_then(|directory| directory.watch);
            let watch = match known {
                Some(watch) => Some(watch),
                None => self.add(&path).map_err(|error| failed.push(error)).ok(),
            };
            self.directories.insert(path, Directory { watch, names });
        }
        for watch in old.into_values().filter_map(|directory| directory.watch) {
            // It fails if the directory is gone, and with it the watch.
            let _ = self.inotify.rm_watch(watch);
        }
        failed
    }

    /// Whether a directory waits to be watched.
    pub fn is_incomplete(&self) -> bool {
        self.directories.values().any(|directory| directory.watch.is_none())
    }

    /// Tries again to watch what could not be watched; its files may have changed.
    pub fn retry(&mut self, changed: &mut BTreeSet<PathBuf>) {
        let missing = self
            .directories
            .iter()
            .filter(|(_, directory)| directory.watch.is_none());
        let missing: Vec<PathBuf> = missing.map(|(path, _)| path.clone()).collect();
        for path in missing {
            let Ok(watch) = self.add(&path) else { continue };
            if let Some(directory) = self.directories.get_mut(&path) {
                directory.watch = Some(watch);
                changed.extend(directory.names.iter().map(|name| path.join(name)));
            }
        }
    }

    fn add(&self, path: &Path) -> Result<WatchDescriptor, SysError> {
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ONLYDIR;
        let added = self.inotify.add_watch(path, flags);
        added.map_err(|errno| SysError::new("watch the directory", path.display(), errno))
    }

    /// Reads reports, a bounded number; adds the files that may have changed.
    pub fn read(&mut self, changed: &mut BTreeSet<PathBuf>) -> Result<Turn, SysError> {
        for _ in 0..READS_PER_TURN {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) => return Ok(Turn::Drained),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(SysError::new("read reports of files", "", errno)),
            };
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    for (path, directory) in &self.directories {
                        changed.extend(directory.names.iter().map(|name| path.join(name)));
                    }
                    continue;
                }
                let of = self.directories.iter_mut().find(|(_, d)| d.watch == Some(event.wd));
                let Some((path, directory)) = of else { continue };
                if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                    // The directory is gone.
                    directory.watch = None;
                    changed.extend(directory.names.iter().map(|name| path.join(name)));
                } else if let Some(name) = event.name.filter(|name| directory.names.contains(name)) {
                    changed.insert(path.join(name));
                }
            }
        }
        Ok(Turn::More)
    }
}

impl AsFd for FileWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

/// The first bytes of a regular file; none if there is no such file.
pub fn beginning(path: &Path, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A FIFO must not make us wait for its writer.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let regular = |file: &File| file.metadata().is_ok_and(|data| data.is_file());
    if let Some(file) = file.ok().filter(regular)
        && file.take(most as u64).read_to_end(&mut bytes).is_err()
    {
        bytes.clear();
    }
    bytes
}

/// Makes a file with a text; one that is there stays as it is, unless it is to be overwritten. Links are not followed.
pub fn make(path: &Path, text: &str, overwrite: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = if overwrite {
        options.create(true).truncate(true).open(path)
    } else {
        options.create_new(true).open(path)
    };
    match file {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(error) if !overwrite && error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn changes(watch: &mut FileWatch) -> Vec<PathBuf> {
        let mut changed = BTreeSet::new();
        while watch.read(&mut changed).unwrap() == Turn::More {}
        changed.into_iter().collect()
    }

    #[test]
    fn a_file_is_seen_to_be_written_replaced_and_removed_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value");
        let mut watch = FileWatch::open().unwrap();
        assert!(watch.watch([file.clone()]).is_empty());
        fs::write(folder.path().join("other"), "1").unwrap();
        assert_eq!(changes(&mut watch), Vec::<PathBuf>::new());
        fs::write(&file, "1").unwrap();
        assert_eq!(changes(&mut watch), vec![file.clone()]);
        fs::rename(folder.path().join("other"), &file).unwrap();
        assert_eq!(changes(&mut watch), vec![file.clone()]);
        fs::remove_file(&file).unwrap();
        assert_eq!(changes(&mut watch), vec![file]);
    }

    #[test]
    fn a_directory_that_comes_later_or_comes_back_is_watched_again() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        let file = inner.join("value");
        let mut watch = FileWatch::open().unwrap();
        assert_eq!(watch.watch([file.clone()]).len(), 1);
        assert!(watch.is_incomplete());
        for _ in 0..2 {
            fs::create_dir(&inner).unwrap();
            let mut changed = BTreeSet::new();
            watch.retry(&mut changed);
            assert!(!watch.is_incomplete());
            assert_eq!(changed.into_iter().collect::<Vec<_>>(), vec![file.clone()]);
            fs::remove_dir_all(&inner).unwrap();
            assert_eq!(changes(&mut watch), vec![file.clone()]);
            assert!(watch.is_incomplete());
        }
    }

    #[test]
    fn a_file_is_made_once_and_overwritten_only_if_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        make(&path, "5", false).unwrap();
        make(&path, "6", false).unwrap();
        assert_eq!(beginning(&path, 100), b"5");
        make(&path, "789", true).unwrap();
        assert_eq!(beginning(&path, 2), b"78");
        assert_eq!(beginning(folder.path(), 100), b"", "a directory is no file");
        assert_eq!(beginning(&folder.path().join("other"), 100), b"");
    }
}
