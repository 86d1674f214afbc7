//! Files a daemon writes into folders that others can write to as well: never through a link, never half.

use crate::SysError;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Files of ours that are read back are at most this long; a longer one is an error.
pub const MAX_READ: u64 = 64 * 1024 * 1024;

/// Puts a new file with this content in the place of `path` in one step; readers see the old one or the new one.
///
/// `mode` is subject to the mask of the process. A link at `path` is replaced, not followed; so is a link with
/// the temporary name beside it (`tag` makes that name ours).
pub fn replace(path: &Path, mode: u32, tag: &str, content: &[u8]) -> Result<(), SysError> {
    let fail = |source: io::Error| SysError::new("write", path.display(), source);
    let Some(name) = path.file_name() else {
        return Err(fail(io::ErrorKind::InvalidInput.into()));
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{tag}"));
    let temporary = path.with_file_name(temporary);
    // Left by a run that was killed, or planted: in both cases `create_new` below decides.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        Ok(()) | Err(_) => {}
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(&temporary)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&temporary);
        fail(error)
    })
}

/// Reads a file of ours: a regular one, not a link, owned by this user. `None` if there is none.
pub fn read_own(path: &Path) -> Result<Option<String>, SysError> {
    let fail = |source: io::Error| SysError::new("read", path.display(), source);
    let refuse = |text: &str| Err(fail(io::Error::new(io::ErrorKind::InvalidData, text)));
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let facts = file.metadata().map_err(fail)?;
    if !facts.is_file() || facts.uid() != nix::unistd::geteuid().as_raw() {
        return refuse("it is not a file of this user");
    }
    let mut text = String::new();
    file.take(MAX_READ + 1).read_to_string(&mut text).map_err(fail)?;
    if text.len() as u64 > MAX_READ {
        return refuse("it is too long");
    }
    Ok(Some(text))
}

/// Opens a file to add to its end, making it if need be, without following a link.
///
/// In a directory that others may write to, one that another user has put there, or that has a second name, is refused (what
/// `fs.protected_regular` and `fs.protected_hardlinks` do on most systems). Elsewhere it may belong to whom it likes: those
/// who turn logs over give them away.
pub fn open_append(path: &Path, mode: u32) -> Result<File, SysError> {
    let fail = |source: io::Error| SysError::new("open", path.display(), source);
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(mode)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)
        .map_err(fail)?;
    let refuse = |text: &str| Err(fail(io::Error::new(io::ErrorKind::InvalidInput, text)));
    let facts = file.metadata().map_err(fail)?;
    if !facts.is_file() {
        return refuse("it is not a regular file");
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = std::fs::metadata(folder.unwrap_or(Path::new("."))).map_err(fail)?;
    let strange = facts.uid() != nix::unistd::geteuid().as_raw() && facts.uid() != folder.uid();
    if folder.mode() & 0o022 != 0 && (strange || facts.nlink() > 1) {
        return refuse("somebody else has put it there");
    }
    Ok(file)
}

/// Opens what may be a terminal to write to it. Neither this nor a write waits, and the terminal does not become ours.
pub fn open_terminal(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_link_is_replaced_and_what_it_leads_to_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let victim = folder.join("victim");
        let path = folder.join("dump.data");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        std::os::unix::fs::symlink(&victim, folder.join(".dump.data.t")).unwrap();
        assert!(read_own(&path).is_err());
        assert!(open_append(&path, 0o600).is_err());
        replace(&path, 0o600, "t", b"text").unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(read_own(&path).unwrap().as_deref(), Some("text"));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!folder.join(".dump.data.t").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
