//! A bell that one thread rings for another: the sleeper waits for it beside its descriptors, the ringer never waits.
//!
//! It says that there is something to look at, and nothing about what.

use crate::SysError;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsFd, BorrowedFd};

/// Readable from the first [`Bell::ring`] until [`Bell::heard`].
#[derive(Debug)]
pub struct Bell(EventFd);

impl Bell {
    /// One that nobody has rung.
    pub fn new() -> Result<Bell, SysError> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        EventFd::from_flags(flags)
            .map(Bell)
            .map_err(|errno| SysError::new("make an event descriptor", "", errno))
    }

    /// Wakes whoever waits for it, now or later. Never blocks.
    pub fn ring(&self) -> Result<(), SysError> {
        match self.0.write(1) {
            // It has been ringing for long.
            Ok(_) | Err(Errno::EAGAIN) => Ok(()),
            Err(errno) => Err(SysError::new("ring an event descriptor", "", errno)),
        }
    }

    /// Whether it was rung since the last time. Never blocks. What the ringer did before is seen by whoever heard it.
    pub fn heard(&self) -> Result<bool, SysError> {
        match self.0.read() {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN) => Ok(false),
            Err(errno) => Err(SysError::new("read an event descriptor", "", errno)),
        }
    }

    /// Waits until it is rung.
    pub fn wait(&self) -> Result<(), SysError> {
        while !self.heard()? {
            crate::ipc::wait(&[self.as_fd()], None)?;
        }
        Ok(())
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn it_is_heard_once_however_often_it_was_rung() {
        let bell = Bell::new().unwrap();
        assert!(!bell.heard().unwrap());
        bell.ring().unwrap();
        bell.ring().unwrap();
        assert_eq!(crate::ipc::wait(&[bell.as_fd()], Some(Duration::ZERO)).unwrap(), [true]);
        assert!(bell.heard().unwrap());
        assert!(!bell.heard().unwrap());
    }

    #[test]
    fn whoever_waits_for_it_in_another_thread_is_woken() {
        let bell = Arc::new(Bell::new().unwrap());
        let sleeper = Arc::clone(&bell);
        let thread = std::thread::spawn(move || sleeper.wait());
        bell.ring().unwrap();
        thread.join().unwrap().unwrap();
    }
}
