//! A request to the kernel that did not succeed.

use std::{fmt, io};

/// What was tried, on what, and why it did not work.
///
/// Printed as one sentence: `cannot add address 192.0.2.1/24 on eth0: Operation not permitted (os error 1)`.
#[derive(Debug)]
pub struct SysError {
    /// The operation, completing "cannot ...".
    pub doing: &'static str,
    /// The object, if the operation names none.
    pub to: String,
    /// The reason the kernel gives.
    pub source: io::Error,
}

impl SysError {
    /// An error from what was tried, on what, and the kernel's reason.
    pub fn new(doing: &'static str, to: impl fmt::Display, source: impl Into<io::Error>) -> SysError {
        SysError {
            doing,
            to: to.to_string(),
            source: source.into(),
        }
    }

    /// The kernel's error number, if it has one.
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// Whether the machine lacks something that it may have again later: descriptors, memory, buffers, processes.
    pub fn is_scarcity(&self) -> bool {
        matches!(
            self.errno(),
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS | libc::EAGAIN | libc::ENOSPC)
        )
    }

    /// Whether the process lacks the right: trying again is of no use.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.errno(), Some(libc::EPERM | libc::EACCES))
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.to.is_empty() { "" } else { " " };
        write!(f, "cannot {}{space}{}: {}", self.doing, self.to, self.source)
    }
}

impl std::error::Error for SysError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
