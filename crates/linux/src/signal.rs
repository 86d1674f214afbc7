//! Signals as things to read, not as interruptions.
//!
//! What a signal means for the daemon is decided by its reader.

use crate::{SysError, sys_process};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A signal by what it is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// SIGTERM.
    Term,
    /// SIGINT.
    Int,
    /// SIGHUP.
    Hup,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGCHLD.
    Chld,
    /// SIGPIPE.
    Pipe,
    /// SIGRTMIN + 2.
    RtMinPlus2,
    /// SIGRTMAX - 1.
    RtMaxMinus1,
    /// SIGRTMAX.
    RtMax,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 10] = [
        Signal::Term,
        Signal::Int,
        Signal::Hup,
        Signal::Usr1,
        Signal::Usr2,
        Signal::Chld,
        Signal::Pipe,
        Signal::RtMinPlus2,
        Signal::RtMaxMinus1,
        Signal::RtMax,
    ];

    /// The kernel's number, as this C library counts the real-time signals.
    pub fn number(self) -> i32 {
        match self {
            Signal::Term => libc::SIGTERM,
            Signal::Int => libc::SIGINT,
            Signal::Hup => libc::SIGHUP,
            Signal::Usr1 => libc::SIGUSR1,
            Signal::Usr2 => libc::SIGUSR2,
            Signal::Chld => libc::SIGCHLD,
            Signal::Pipe => libc::SIGPIPE,
            Signal::RtMinPlus2 => libc::SIGRTMIN() + 2,
            Signal::RtMaxMinus1 => libc::SIGRTMAX() - 1,
            Signal::RtMax => libc::SIGRTMAX(),
        }
    }

    fn from_number(number: i32) -> Option<Signal> {
        Signal::ALL.into_iter().find(|signal| signal.number() == number)
    }
}

/// What the C library calls a signal of this number, as `Killed` for 9; empty for one it does not know.
pub fn describe(number: i32) -> &'static str {
    match number {
        libc::SIGHUP => "Hangup",
        libc::SIGINT => "Interrupt",
        libc::SIGQUIT => "Quit",
        libc::SIGILL => "Illegal instruction",
        libc::SIGTRAP => "Trace/breakpoint trap",
        libc::SIGABRT => "Aborted",
        libc::SIGBUS => "Bus error",
        libc::SIGFPE => "Floating point exception",
        libc::SIGKILL => "Killed",
        libc::SIGUSR1 => "User defined signal 1",
        libc::SIGSEGV => "Segmentation fault",
        libc::SIGUSR2 => "User defined signal 2",
        libc::SIGPIPE => "Broken pipe",
        libc::SIGALRM => "Alarm clock",
        libc::SIGTERM => "Terminated",
        libc::SIGXCPU => "CPU time limit exceeded",
        libc::SIGXFSZ => "File size limit exceeded",
        libc::SIGSYS => "Bad system call",
        _ => "",
    }
}

/// Signals that are read from a descriptor.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// From now on these signals wait here and do nothing else.
    pub fn block(which: &[Signal]) -> Result<Signals, SysError> {
        let numbers: Vec<i32> = which.iter().map(|signal| signal.number()).collect();
        sys_process::signal_descriptor(&numbers)
            .map(Signals)
            .map_err(|source| SysError::new("block signals", "", source))
    }

    /// The next one, if one is waiting.
    pub fn next(&self) -> Result<Option<Signal>, SysError> {
        let number =
            sys_process::read_signal(self.0.as_fd()).map_err(|source| SysError::new("read a signal", "", source))?;
        Ok(number.and_then(Signal::from_number))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// From now on these signals do nothing.
pub fn ignore(which: &[Signal]) -> Result<(), SysError> {
    which.iter().try_for_each(|signal| {
        sys_process::set_disposition(signal.number(), true)
            .map_err(|source| SysError::new("ignore signal", signal.number(), source))
    })
}

/// From now on these signals do what they do to a new process.
pub fn restore(which: &[Signal]) -> Result<(), SysError> {
    which.iter().try_for_each(|signal| {
        sys_process::set_disposition(signal.number(), false)
            .map_err(|source| SysError::new("restore signal", signal.number(), source))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_found_again_by_its_number() {
        for signal in Signal::ALL {
            assert_eq!(Signal::from_number(signal.number()), Some(signal));
        }
    }
}
