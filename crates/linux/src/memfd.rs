//! Bytes in sealed memory that one process hands to another as a descriptor.
//!
//! Once sealed nobody can change them, so the reader may trust that what it read twice was the same. What the
//! bytes mean is not known here.

use crate::SysError;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// The longest content that is read from a sealed descriptor: the configuration of a very large site with every
/// included file is a few megabytes. A longer one is an error that names this limit.
pub const MAX_LENGTH: u64 = 256 * 1024 * 1024;

/// What must be sealed before the content counts as fixed.
fn seals() -> SealFlag {
    SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE
}

/// A descriptor of bytes that can no longer change.
#[derive(Debug)]
pub struct Sealed(File);

impl Sealed {
    /// New sealed memory with this content; `name` is what `/proc/PID/fd` shows.
    pub fn new(name: &str, content: &[u8]) -> Result<Sealed, SysError> {
        let fail = |source: io::Error| SysError::new("make sealed memory", name, source);
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let fd = memfd_create(name, flags).map_err(|errno| fail(errno.into()))?;
        let mut file = File::from(fd);
        file.write_all(content).map_err(fail)?;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals())).map_err(|errno| fail(errno.into()))?;
        Ok(Sealed(file))
    }

    /// A descriptor received from another process; refused unless it is sealed.
    pub fn from_fd(fd: OwnedFd) -> Result<Sealed, SysError> {
        let fail = |source: io::Error| SysError::new("use a descriptor as sealed memory", "", source);
        let bits = fcntl(&fd, FcntlArg::F_GET_SEALS).map_err(|errno| fail(errno.into()))?;
        if !SealFlag::from_bits_truncate(bits).contains(seals()) {
            return Err(fail(io::Error::new(io::ErrorKind::InvalidData, "it is not sealed")));
        }
        Ok(Sealed(File::from(fd)))
    }

    /// The whole content. Does not move a file offset, so every holder may read at any time.
    pub fn read(&self) -> Result<Vec<u8>, SysError> {
        let fail = |source: io::Error| SysError::new("read sealed memory", "", source);
        let length = self.0.metadata().map_err(fail)?.len();
        if length > MAX_LENGTH {
            let text = format!("{length} bytes are more than {MAX_LENGTH}");
            return Err(fail(io::Error::new(io::ErrorKind::InvalidData, text)));
        }
        let length = usize::try_from(length).map_err(|_| fail(io::ErrorKind::OutOfMemory.into()))?;
        let mut content = vec![0; length];
        self.0.read_exact_at(&mut content, 0).map_err(fail)?;
        Ok(content)
    }
}

impl AsFd for Sealed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_content_can_be_read_twice_and_not_written() {
        let sealed = Sealed::new("test", b"hello").unwrap();
        assert_eq!(sealed.read().unwrap(), b"hello");
        assert_eq!(sealed.read().unwrap(), b"hello");
        let mut file = sealed.0.try_clone().unwrap();
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(1).is_err());
    }

    #[test]
    fn a_descriptor_that_is_not_sealed_is_refused() {
        let open = memfd_create("open", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
        assert!(Sealed::from_fd(open).is_err());
        let null = File::open("/dev/null").unwrap();
        assert!(Sealed::from_fd(null.into()).is_err());
    }
}
