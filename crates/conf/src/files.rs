//! Opening the files of a configuration.
//!
//! Decides which files may be read (regular and not executable, as upstream has it) and what a pattern matches. What is
//! in them, and whether a missing one matters, is decided elsewhere.

use crate::programs::{self, ProgramFact, UserFact};
use crate::{LoadError, Loader, SecretFile, pattern};
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsLoader;

/// Opening a FIFO or a device must not wait for its other side; the kernel's O_NONBLOCK | O_CLOEXEC | O_NOCTTY.
const OPEN_FLAGS: i32 = 0o4000 | 0o2_000_000 | 0o400;

/// The files of a machine that is not this one: every program, user and host that it names is taken to be there and in
/// order. For tools that judge what a configuration says, not the place it is read in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elsewhere<L>(pub L);

impl<L: Loader> Loader for Elsewhere<L> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        self.0.read(path)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, LoadError> {
        self.0.glob(pattern)
    }

    fn read_secret(&self, path: &Path) -> Result<SecretFile, LoadError> {
        self.0.read_secret(path)
    }

    fn program(&self, name: &[u8]) -> ProgramFact {
        ProgramFact::plain(&String::from_utf8_lossy(name))
    }

    fn user(&self, _name: &str) -> Option<UserFact> {
        Some(UserFact { uid: 0, gid: 0 })
    }

    fn group(&self, _name: &str) -> Option<u32> {
        Some(0)
    }
}

impl Loader for FsLoader {
    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let file = fs::OpenOptions::new().read(true).custom_flags(OPEN_FLAGS).open(path);
        let mut file = file.map_err(|error| reason(&error))?;
        // The open file is examined, not its name: the name may mean another file by now.
        let facts = file.metadata().map_err(|error| reason(&error))?;
        if facts.is_dir() {
            return Err(LoadError::Directory);
        }
        if !facts.is_file() || facts.mode() & 0o111 != 0 {
            return Err(LoadError::NotRegular);
        }
        let mut bytes = Vec::new();
        let most = crate::limits::TOTAL_BYTES as u64 + 1;
        file.by_ref()
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(|error| reason(&error))?;
        Ok(bytes)
    }

    fn read_secret(&self, path: &Path) -> Result<SecretFile, LoadError> {
        let file = fs::OpenOptions::new().read(true).custom_flags(OPEN_FLAGS).open(path);
        let mut file = file.map_err(|error| reason(&error))?;
        let facts = file.metadata().map_err(|error| reason(&error))?;
        if facts.is_dir() {
            return Err(LoadError::Directory);
        }
        if !facts.is_file() {
            return Err(LoadError::NotRegular);
        }
        let mut bytes = Vec::new();
        let most = crate::limits::KEY_FILE_BYTES as u64 + 1;
        file.by_ref()
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(|error| reason(&error))?;
        if bytes.len() as u64 == most {
            return Err(LoadError::Other("File too large".to_owned()));
        }
        Ok(SecretFile {
            bytes,
            open_to_others: facts.mode() & 0o077 != 0,
        })
    }

    fn glob(&self, text: &str) -> Result<Vec<PathBuf>, LoadError> {
        let mut found = Vec::new();
        for alternative in pattern::braces(text) {
            // Within one alternative sorted, the alternatives in their order: as glob(3) does.
            let mut matches = vec![PathBuf::from(if alternative.starts_with('/') { "/" } else { "" })];
            for component in alternative.split('/').filter(|component| !component.is_empty()) {
                matches = step(&matches, component);
            }
            matches.retain(|path| !path.as_os_str().is_empty());
            matches.sort();
            found.append(&mut matches);
        }
        Ok(found)
    }

    fn program(&self, name: &[u8]) -> ProgramFact {
        programs::program(name, std::env::var("PATH").ok().as_deref())
    }

    fn user(&self, name: &str) -> Option<UserFact> {
        programs::user(name)
    }

    fn group(&self, name: &str) -> Option<u32> {
        programs::group(name)
    }

    fn resolves(&self, host: &str) -> bool {
        programs::resolves(host)
    }

    fn own(&self) -> UserFact {
        programs::own()
    }
}

/// What `component` of a pattern matches below each of `above`. As in glob(3), directories that cannot be read match
/// nothing.
fn step(above: &[PathBuf], component: &str) -> Vec<PathBuf> {
    let mut below = Vec::new();
    for directory in above {
        if !pattern::has_wildcards(component) {
            let path = directory.join(component);
            if fs::symlink_metadata(&path).is_ok() {
                below.push(path);
            }
            continue;
        }
        let here = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        let Ok(entries) = fs::read_dir(here) else { continue };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        below.extend(
            names
                .filter(|name| pattern::matches(component, name))
                .map(|name| directory.join(name)),
        );
    }
    below
}

fn reason(error: &std::io::Error) -> LoadError {
    if error.kind() == ErrorKind::NotFound {
        return LoadError::Missing;
    }
    if error.kind() == ErrorKind::IsADirectory {
        return LoadError::Directory;
    }
    // The text of an `io::Error` carries the number too; upstream shows strerror alone.
    let text = error.to_string();
    LoadError::Other(text.split(" (os error").next().unwrap_or(&text).to_owned())
}
