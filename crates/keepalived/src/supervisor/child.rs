//! One role as the supervisor sees it: its pid file, its process, its channel.

use super::restart::Backoff;
use crate::ipc::{self, Briefing, ToRole};
use crate::role::Kind;
use crate::sdnotify;
use base::Instant;
use linux::SysError;
use linux::ipc::{Channel, Sent};
use linux::lock::{LockedFile, Locking};
use linux::memfd::Sealed;
use linux::process::{self, Executable, Pid};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// The mode of pid files, whatever the mask of the daemon says: others may read them.
const PID_FILE_MODE: u32 = 0o644;

/// A role that is to run.
#[derive(Debug)]
pub(super) struct Child {
    /// Which.
    pub(super) kind: Kind,
    /// What it is doing.
    pub(super) state: State,
    /// When it is started again after a death.
    pub(super) backoff: Backoff,
    /// Its process has been started before.
    pub(super) was_started: bool,
    /// It did not take what it was told last, and that was said (see [`super::manage`]).
    pub(super) is_deaf: bool,
    /// None: there is no pid file, and nothing to lock.
    pid_path: Option<PathBuf>,
    lock: Option<LockedFile>,
}

/// What a role is doing.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing, and nothing is to come: it has no configuration, or the daemon ends.
    Idle,
    /// It died and is started again then.
    Waiting {
        /// When.
        until: Instant,
    },
    /// Its process runs.
    Running(Running),
}

/// A process of a role.
#[derive(Debug)]
pub(super) struct Running {
    /// Its number.
    pub(super) pid: Pid,
    /// Our end.
    pub(super) channel: Channel,
    /// The other end is closed: nothing more is to be read.
    pub(super) closed: bool,
    /// When it was started.
    pub(super) since: Instant,
    /// The configuration it runs, as far as it has said.
    pub(super) generation: Option<u64>,
    /// When its loop was last known to turn.
    pub(super) alive: Instant,
    /// It was told to end, and is killed then.
    pub(super) stopping: Option<Instant>,
}

/// What became of the locking of a pid file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is ours.
    Ours,
    /// Another daemon has it.
    Theirs,
}

impl Child {
    /// A role that does nothing yet.
    pub(super) fn new(kind: Kind, pid_path: Option<&Path>) -> Child {
        Child {
            kind,
            state: State::Idle,
            backoff: Backoff::default(),
            was_started: false,
            is_deaf: false,
            pid_path: pid_path.map(Path::to_owned),
            lock: None,
        }
    }

    /// Where the pid file is.
    pub(super) fn pid_path(&self) -> Option<&Path> {
        self.pid_path.as_deref()
    }

    /// Locks the pid file, unless it is locked and in its place.
    pub(super) fn claim(&mut self) -> Result<Claim, SysError> {
        if self.lock.as_ref().is_some_and(LockedFile::is_in_place) {
            return Ok(Claim::Ours);
        }
        let Some(path) = &self.pid_path else {
            return Ok(Claim::Ours);
        };
        Ok(match lock_pid_file(path)? {
            Locking::Locked(lock) => {
                self.lock = Some(lock);
                Claim::Ours
            }
            Locking::Held => Claim::Theirs,
        })
    }

    /// Starts the process and tells it everything it has to know.
    pub(super) fn start(
        &mut self,
        executable: &Executable,
        argv0: &OsStr,
        briefing: &Briefing,
        now: Instant,
    ) -> Result<Pid, SysError> {
        let (ours, theirs) = Channel::pair()?;
        let sealed = ipc::seal("keepalived-start", briefing)?;
        let message = ipc::encode(&ToRole::Start)?;
        let descriptors: Vec<BorrowedFd<'_>> = [Some(sealed.as_fd()), self.lock.as_ref().map(AsFd::as_fd)]
            .into_iter()
            .flatten()
            .collect();
        // The message waits in the channel: nothing the new process does can come before it.
        expect_sent(ours.send(&message, &descriptors)?)?;
        let role = format!("--role={}", self.kind.word());
        let pid = executable.spawn(argv0, &[OsStr::new(&role)], theirs, &sdnotify::VARIABLES)?;
        self.was_started = true;
        self.state = State::Running(Running {
            pid,
            channel: ours,
            closed: false,
            since: now,
            generation: None,
            alive: now,
            stopping: None,
        });
        if let Some(lock) = &mut self.lock {
            lock.write(&format!("{pid}\n"))?;
        }
        Ok(pid)
    }

    /// The process, if there is one.
    pub(super) fn running(&self) -> Option<&Running> {
        match &self.state {
            State::Running(running) => Some(running),
            State::Idle | State::Waiting { .. } => None,
        }
    }

    /// The channel, if there is something to read.
    pub(super) fn channel(&self) -> Option<&Channel> {
        self.running()
            .filter(|running| !running.closed)
            .map(|running| &running.channel)
    }

    /// The process, if there is one.
    pub(super) fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.state {
            State::Running(running) => Some(running),
            State::Idle | State::Waiting { .. } => None,
        }
    }

    /// Removes the pid file.
    pub(super) fn forget(&mut self) -> Result<(), SysError> {
        self.lock.take().map_or(Ok(()), |lock| lock.remove())
    }
}

impl Running {
    /// Sends a message.
    pub(super) fn tell(&self, message: &ToRole, sealed: Option<&Sealed>) -> Result<(), SysError> {
        let descriptors: Vec<BorrowedFd<'_>> = sealed.iter().map(|sealed| sealed.as_fd()).collect();
        expect_sent(self.channel.send(&ipc::encode(message)?, &descriptors)?)
    }

    /// Tells it to end before `until`; by a signal if it does not read its channel.
    pub(super) fn stop(&mut self, until: Instant) -> Result<(), SysError> {
        self.stopping = Some(until);
        self.tell(&ToRole::Stop, None).or_else(|_| process::terminate(self.pid))
    }
}

fn expect_sent(sent: Sent) -> Result<(), SysError> {
    let why = match sent {
        Sent::Done => return Ok(()),
        Sent::Full => "it does not read",
        Sent::Closed => "it is gone",
    };
    Err(SysError::new("tell a role", "", io::Error::other(why)))
}

/// Locks a pid file, with the mode pid files have.
pub(super) fn lock_pid_file(path: &Path) -> Result<Locking, SysError> {
    let mask = process::set_umask(0o022);
    let locking = LockedFile::lock(path, PID_FILE_MODE);
    process::set_umask(mask);
    locking
}
