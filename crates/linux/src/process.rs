//! Starting, ending and describing processes.
//!
//! A role of the daemon is the daemon's own executable started again by descriptor, so that an upgrade of the
//! package in mid-run cannot mix two versions. Which roles there are and when they start is not known here.

use crate::ipc::Channel;
use crate::{SysError, sys_process};
use base::Instant;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::{Signal as NixSignal, kill};
use nix::sys::stat::{Mode, umask};
use nix::time::{ClockId, clock_gettime};
use nix::unistd;
use std::ffi::{CString, OsStr};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The number of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub i32);

impl Pid {
    /// This process.
    pub fn own() -> Pid {
        Pid(unistd::getpid().as_raw())
    }

    /// The process that started this one, or whoever inherited it.
    pub fn parent() -> Pid {
        Pid(unistd::getppid().as_raw())
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exited(u8),
    /// By a signal of this number.
    Killed(i32),
}

/// The executable this process runs, even if the file has been replaced since.
#[derive(Debug)]
pub struct Executable(OwnedFd);

impl Executable {
    /// Opens it; to be done early.
    pub fn own() -> Result<Executable, SysError> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_CLOEXEC)
            .open("/proc/self/exe")
            .map_err(|source| SysError::new("open", "/proc/self/exe", source))?;
        Ok(Executable(file.into()))
    }

    /// Starts it again with other arguments and one end of a control channel as its standard input.
    ///
    /// No other descriptor is inherited but the standard output and error. `without` names environment variables
    /// the child is not to see.
    pub fn spawn(
        &self,
        argv0: &OsStr,
        arguments: &[&OsStr],
        control: Channel,
        without: &[&str],
    ) -> Result<Pid, SysError> {
        self.start(self.again(argv0, arguments, control, without))
    }

    /// The same in a process group of its own, for what is ended together with all it starts.
    pub fn spawn_apart(
        &self,
        argv0: &OsStr,
        arguments: &[&OsStr],
        control: Channel,
        without: &[&str],
    ) -> Result<Pid, SysError> {
        let mut command = self.again(argv0, arguments, control, without);
        command.process_group(0);
        self.start(command)
    }

    fn again(&self, argv0: &OsStr, arguments: &[&OsStr], control: Channel, without: &[&str]) -> Command {
        let mut command = Command::new(format!("/proc/self/fd/{}", self.0.as_raw_fd()));
        command
            .arg0(argv0)
            .args(arguments)
            .stdin(Stdio::from(control.into_fd()));
        for name in without {
            command.env_remove(name);
        }
        command
    }

    fn start(&self, mut command: Command) -> Result<Pid, SysError> {
        let child = command
            .spawn()
            .map_err(|source| SysError::new("start", "/proc/self/exe again", source))?;
        // The handle is only a number; the supervisor reaps by `reap`, which also sees orphans it inherited.
        i32::try_from(child.id()).map(Pid).map_err(|_| {
            SysError::new(
                "start",
                "/proc/self/exe again",
                io::Error::other("impossible process number"),
            )
        })
    }
}

/// A child that has ended and had not been asked about, if there is one.
pub fn reap() -> Result<Option<(Pid, Ended)>, SysError> {
    let ended = sys_process::wait_any().map_err(|source| SysError::new("ask for ended children", "", source))?;
    Ok(ended.map(|(pid, status)| {
        let how = if libc::WIFSIGNALED(status) {
            Ended::Killed(libc::WTERMSIG(status))
        } else {
            Ended::Exited(libc::WEXITSTATUS(status) as u8)
        };
        (Pid(pid), how)
    }))
}

/// Asks a process to end (SIGTERM).
pub fn terminate(pid: Pid) -> Result<(), SysError> {
    signal(pid, NixSignal::SIGTERM)
}

/// Ends a process that does not listen (SIGKILL).
pub fn kill_now(pid: Pid) -> Result<(), SysError> {
    signal(pid, NixSignal::SIGKILL)
}

/// Lets a stopped process run on (SIGCONT).
pub fn resume(pid: Pid) -> Result<(), SysError> {
    signal(pid, NixSignal::SIGCONT)
}

/// Whether the process that started `pid` is gone: whoever has inherited it runs another program.
///
/// Meant for processes that were started from their parent's own executable. Where the kernel does not tell, the answer
/// is no.
pub fn is_orphan(pid: Pid) -> bool {
    let program = |pid: i32| std::fs::metadata(format!("/proc/{pid}/exe")).map(|exe| (exe.dev(), exe.ino()));
    let Some(own) = program(pid.0).ok() else { return false };
    let parent = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| parent_in(&stat));
    // What may not be looked at (an ancestor of another name space or user) did not start it.
    parent.is_some_and(|parent| program(parent).ok() != Some(own))
}

/// The parent, from what the kernel says of a process.
pub(crate) fn parent_in(stat: &str) -> Option<i32> {
    // The name is in parentheses and may hold anything; then come the state and the parent.
    let after = stat.rsplit_once(") ")?.1;
    after.split(' ').nth(1)?.parse().ok()
}

fn signal(pid: Pid, what: NixSignal) -> Result<(), SysError> {
    match kill(unistd::Pid::from_raw(pid.0), what) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(SysError::new("signal process", pid, errno)),
    }
}

/// Orphans of children become children of this process.
pub fn become_subreaper() -> Result<(), SysError> {
    prctl::set_child_subreaper(true).map_err(|errno| SysError::new("become the reaper of orphans", "", errno))
}

/// SIGTERM for this process when `parent` dies; an error if it is dead already.
pub fn end_with_parent(parent: Pid) -> Result<(), SysError> {
    let fail = |source: io::Error| SysError::new("tie the life of this process to", parent, source);
    prctl::set_pdeathsig(NixSignal::SIGTERM).map_err(|errno| fail(errno.into()))?;
    // The parent may have died before the call above.
    if Pid::parent() != parent {
        return Err(fail(io::Error::new(io::ErrorKind::NotFound, "it is gone")));
    }
    Ok(())
}

/// The name in the process table, cut to 15 bytes by the kernel.
pub fn set_name(name: &str) -> Result<(), SysError> {
    let fail = |source: io::Error| SysError::new("name this process", name, source);
    let text = CString::new(name).map_err(|error| fail(error.into()))?;
    prctl::set_name(&text).map_err(|errno| fail(errno.into()))
}

/// Sets the bits that are taken away from the mode of new files; gives the previous ones.
pub fn set_umask(mask: u32) -> u32 {
    umask(Mode::from_bits_truncate(mask)).bits()
}

/// Allows core files of any size.
pub fn allow_core_files() -> Result<(), SysError> {
    let fail = |errno: Errno| SysError::new("allow core files", "", errno);
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).map_err(fail)?;
    let unlimited = nix::sys::resource::RLIM_INFINITY;
    setrlimit(Resource::RLIMIT_CORE, unlimited, unlimited)
        .or_else(|_| setrlimit(Resource::RLIMIT_CORE, hard, hard))
        .map_err(fail)
}

/// As many open descriptors as this process may have: checks need one each.
pub fn raise_descriptor_limit() -> Result<(), SysError> {
    let fail = |errno: Errno| SysError::new("raise the limit of open descriptors", "", errno);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(fail)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(fail)?;
    }
    Ok(())
}

/// For a process that grows and shrinks as a whole: its threads share one heap from now on, so that what one has freed another
/// one uses. For one whose loop must never wait for another thread it is nothing.
pub fn one_heap() {
    sys_process::one_heap();
}

/// Gives memory that is free back to the kernel; takes some milliseconds after something large was freed.
pub fn trim_heap() {
    sys_process::trim_heap();
}

/// Microseconds of the machine's monotonic clock, the time line of timers.
pub fn monotonic() -> Instant {
    // CLOCK_MONOTONIC exists on every Linux; a failure here would be a kernel without time.
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map(Duration::from)
        .unwrap_or_default();
    Instant::ZERO.after(Duration::from_micros(
        u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
    ))
}

/// Time the processor has spent on the calling thread.
pub fn thread_time() -> Duration {
    // The clock exists on every Linux; without it nobody is held to a budget of processor time.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}

/// Processor time used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// In the program.
    pub user: Duration,
    /// In the kernel for it.
    pub system: Duration,
}

/// Processor time used by this process, and by its children that have ended.
pub fn used() -> (Used, Used) {
    let of = |who| {
        getrusage(who).map_or_else(
            |_| Used::default(),
            |usage| Used {
                user: span(usage.user_time()),
                system: span(usage.system_time()),
            },
        )
    };
    (of(UsageWho::RUSAGE_SELF), of(UsageWho::RUSAGE_CHILDREN))
}

fn span(value: nix::sys::time::TimeVal) -> Duration {
    let micros = value.tv_sec().saturating_mul(1_000_000).saturating_add(value.tv_usec());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// The standard input from now on: nothing.
pub fn null_stdin() -> Result<(), SysError> {
    let null = open_null()?;
    unistd::dup2_stdin(&null).map_err(|errno| SysError::new("replace the standard input", "", errno))
}

fn open_null() -> Result<File, SysError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|source| SysError::new("open", "/dev/null", source))
}

/// The result a background process owes to the shell that waits for it.
#[derive(Debug)]
pub struct Launcher(File);

impl Launcher {
    /// Lets the waiting process end with this code.
    pub fn release(mut self, code: u8) {
        // Nobody waits any more: nothing to do about it.
        let _ = self.0.write_all(&[code]);
    }
}

/// Which process returns from [`daemonise`].
#[derive(Debug)]
pub enum Daemonised {
    /// The process that was started: it should end with this code, which the other one gave (or 1 if it died).
    Launched(u8),
    /// The process in the background.
    Background(Launcher),
}

/// Goes into the background: own session, `/` as working directory, nothing on the standard descriptors.
///
/// The process that was started waits until the other one calls [`Launcher::release`]. Must be called while there
/// is a single thread.
pub fn daemonise() -> Result<Daemonised, SysError> {
    let fail = |source: io::Error| SysError::new("go into the background", "", source);
    let (reader, writer) = io::pipe().map_err(fail)?;
    if sys_process::fork().map_err(fail)?.is_some() {
        drop(writer);
        return Ok(Daemonised::Launched(answer(reader)));
    }
    drop(reader);
    unistd::setsid().map_err(|errno| fail(errno.into()))?;
    // The session leader ends, so that no terminal can become ours by being opened.
    if sys_process::fork().map_err(fail)?.is_some() {
        sys_process::exit_now(0);
    }
    unistd::chdir("/").map_err(|errno| fail(errno.into()))?;
    let null = open_null()?;
    unistd::dup2_stdin(&null).map_err(|errno| fail(errno.into()))?;
    unistd::dup2_stdout(&null).map_err(|errno| fail(errno.into()))?;
    unistd::dup2_stderr(&null).map_err(|errno| fail(errno.into()))?;
    Ok(Daemonised::Background(Launcher(File::from(OwnedFd::from(writer)))))
}

fn answer(mut reader: impl Read) -> u8 {
    let mut code = [1];
    match reader.read_exact(&mut code) {
        Ok(()) => code[0],
        Err(_) => 1,
    }
}
