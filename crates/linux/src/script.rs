//! Programs that are not ours: how a process becomes one, and how it is ended with everything it started.
//!
//! Two sides. A launcher, a fresh process of our own, takes the identity of a user and becomes the program
//! ([`Start::run`]); so nothing that can wait (the program's file system, the user database) is waited for by the
//! process that wants it run. The other side ends it: its process group, and those of its descendants that have left
//! the group ([`Family`]). Which programs run, when and for how long is not known here.

use crate::process::Pid;
use crate::{SysError, sys_process};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{self, Gid, Uid};
use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Descendants of a program that are followed when it is ended. Those beyond are ended only if they are in its process
/// group; a program that starts so many is broken in any case.
const FAMILY_LIMIT: usize = 1024;
/// Variables that could make a program do something else than its file says.
const UNSAFE_VARIABLES: [&str; 3] = ["IFS", "LD_PRELOAD", "LD_LIBRARY_PATH"];

/// Who a program runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Take the supplementary groups of the user of this name; `None`: have none.
    pub groups_of: Option<String>,
}

/// A program to become.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// The program, then its arguments.
    pub arguments: Vec<&'a [u8]>,
    /// The file, if it has another name than the first argument.
    pub file: Option<&'a [u8]>,
    /// Who it runs as.
    pub identity: &'a Identity,
    /// Variables it sees besides those of this process.
    pub environment: Vec<(&'a str, &'a str)>,
    /// It gets SIGTERM when this process, which started the launcher, is gone.
    pub ends_with: Option<Pid>,
    /// Variables it must not see.
    pub without: &'a [&'a str],
}

impl Start<'_> {
    /// Becomes the program; comes back only if that cannot be done.
    pub fn run(&self) -> SysError {
        match self.prepare() {
            Ok(mut command) => {
                let name = String::from_utf8_lossy(self.arguments.first().copied().unwrap_or_default()).into_owned();
                SysError::new("run", name, command.exec())
            }
            Err(error) => error,
        }
    }

    fn prepare(&self) -> Result<Command, SysError> {
        let program = self.arguments.first().copied().unwrap_or_default();
        // Old kernels have no such call; then what the daemon opened is closed all the same, and what it inherited not.
        let _ = sys_process::close_on_exec_from(3);
        sys_process::default_dispositions();
        // The daemon may have allowed itself core files.
        if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_CORE) {
            let _ = setrlimit(Resource::RLIMIT_CORE, 0, hard);
        }
        become_user(self.identity)?;
        if let Some(parent) = self.ends_with {
            // After the change of identity, which would undo it.
            let fail = |errno: Errno| SysError::new("tie a program to the life of the daemon", "", errno);
            prctl::set_pdeathsig(Signal::SIGTERM).map_err(fail)?;
            if Pid::parent() != parent {
                return Err(fail(Errno::ESRCH));
            }
        }
        let mut command = Command::new(OsStr::from_bytes(self.file.unwrap_or(program)));
        command
            .arg0(OsStr::from_bytes(program))
            .args(self.arguments.iter().skip(1).map(|word| OsStr::from_bytes(word)))
            .stdin(Stdio::null());
        for name in UNSAFE_VARIABLES.iter().chain(self.without) {
            command.env_remove(name);
        }
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        Ok(command)
    }
}

/// Gives up the identity of this process for that of a user. Nothing is done if it has it already.
fn become_user(identity: &Identity) -> Result<(), SysError> {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    let same = unistd::getuid() == uid && unistd::geteuid() == uid && unistd::getgid() == gid;
    let fail = |errno: Errno| {
        let who = format!("{}:{}", identity.uid, identity.gid);
        SysError::new("take the identity", who, errno)
    };
    if same && !uid.is_root() {
        // A daemon without privileges runs its scripts as what it is.
        return Ok(());
    }
    unistd::setgid(gid).map_err(fail)?;
    match &identity.groups_of {
        Some(name) => {
            let name = CString::new(name.as_str()).map_err(|_| fail(Errno::EINVAL))?;
            unistd::initgroups(&name, gid).map_err(fail)?;
        }
        None => unistd::setgroups(&[]).map_err(fail)?,
    }
    unistd::setuid(uid).map_err(fail)
}

/// How a program is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGTERM.
    Ask,
    /// SIGKILL.
    Force,
}

impl End {
    fn signal(self) -> Signal {
        match self {
            End::Ask => Signal::SIGTERM,
            End::Force => Signal::SIGKILL,
        }
    }
}

/// A process that leads a group of its own, and what it started, wherever that went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    leader: Pid,
    /// Descendants seen outside the group: a number and when it was started, which together name one process for ever.
    strays: Vec<(Pid, u64)>,
}

impl Family {
    /// The family of the leader of a process group that has not been reaped.
    pub fn of(leader: Pid) -> Family {
        Family {
            leader,
            strays: Vec::new(),
        }
    }

    /// Signals the group and every descendant that can be found; remembers those outside the group, because they can no
    /// longer be found when their parent is gone.
    pub fn end(&mut self, how: End) {
        self.look();
        let group = unistd::Pid::from_raw(self.leader.0);
        // Nobody left, or not allowed: nothing can be done about it here, and the caller sees who survives.
        let _ = killpg(group, how.signal());
        for (pid, started) in &self.strays {
            if status(*pid).is_some_and(|now| now.started == *started) {
                let _ = kill(unistd::Pid::from_raw(pid.0), how.signal());
            }
        }
    }

    fn look(&mut self) {
        let mut todo = vec![self.leader];
        let mut seen = 0;
        while let Some(parent) = todo.pop() {
            for child in children(parent) {
                seen += 1;
                if seen > FAMILY_LIMIT {
                    return;
                }
                todo.push(child);
                let Some(now) = status(child) else { continue };
                let known = self.strays.contains(&(child, now.started));
                if now.group != self.leader.0 && !known {
                    self.strays.push((child, now.started));
                }
            }
        }
    }
}

struct Status {
    group: i32,
    started: u64,
}

/// Fields 5 and 22 of `/proc/PID/stat` (proc(5)).
fn status(pid: Pid) -> Option<Status> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Status {
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// The children of every thread of a process.
fn children(pid: Pid) -> Vec<Pid> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|word| word.parse().ok().map(Pid))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_family_is_ended_with_those_who_left_its_group_and_ignore_sigterm() {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' & wait; sleep 1000")
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let stray = Pid(line.trim().parse().unwrap());
        let mut family = Family::of(Pid(i32::try_from(child.id()).unwrap()));
        family.end(End::Ask);
        assert!(status(stray).is_some(), "it ignores SIGTERM");
        family.end(End::Force);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        for _ in 0..2000 {
            let gone = fs::read_to_string(format!("/proc/{stray}/stat")).map_or(true, |text| text.contains(") Z "));
            if gone {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("{stray} lives");
    }

    #[test]
    fn a_number_that_was_given_to_another_process_is_not_signalled() {
        let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid(i32::try_from(other.id()).unwrap());
        let mut gone = Command::new("true").process_group(0).spawn().unwrap();
        let mut family = Family::of(Pid(i32::try_from(gone.id()).unwrap()));
        gone.wait().unwrap();
        family.strays.push((pid, 1));
        family.end(End::Force);
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
