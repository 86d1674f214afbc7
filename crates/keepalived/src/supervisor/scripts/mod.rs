//! Running programs that are not ours: the only place of the daemon that does.
//!
//! A [`Runner`] starts each through the launcher (so that no slow disk holds up the supervisor), in a process group of
//! its own, limits its time, and ends it with everything it started. What is run, when, and what a result means is
//! decided by its users, who name each run by a [`Purpose`].

mod drive;
pub(super) mod fifo;
pub(super) mod mail;
pub(super) mod permitted;
pub(super) mod queue;
pub(super) mod tell;
pub(super) mod track;

use crate::ipc::{self, Outcome, Script};
use crate::launcher;
use crate::role::Kind;
use crate::sdnotify;
use base::Instant;
use linux::SysError;
use linux::ipc::{Channel, Received, Sent};
use linux::process::{Ended, Executable, Pid};
use linux::script::{End, Family};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::Duration;

/// Scripts that run at the same time, those that are being ended included. Beyond it none is started: a track script
/// misses a run, a notification waits for its turn. The log names the limit.
pub(super) const MOST_RUNNING: usize = 256;
/// Places of those that notifications leave free.
const KEPT_FOR_TRACKING: usize = 64;
/// After SIGTERM, and after the first SIGKILL.
const PATIENCE: Duration = Duration::from_secs(2);
/// After the second SIGKILL: what survives that long hangs in the kernel.
const LAST_PATIENCE: Duration = Duration::from_secs(10);
/// The longest reason of a launcher that is read.
const REASON_BYTES: usize = 1024;

/// What a run is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// A track script, by its name.
    Track(String),
    /// A request of a role, with its ticket.
    Asked(Kind, u64),
    /// A notification, and the number of the call.
    Notify(queue::Subject, u64),
    /// The reader of a FIFO.
    Reader(fifo::Kind),
    /// `startup_script`.
    Startup,
    /// `shutdown_script`.
    Shutdown,
    /// A mail.
    Mail,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// How it ended; said once for each run. Of one that took too long some process may still be there.
    Result(Purpose, Outcome),
    /// No process of it is left; follows every result.
    Gone(Purpose),
}

/// What it takes to start a launcher.
pub(super) struct Launcher<'a> {
    /// Our own executable.
    pub(super) executable: &'a Executable,
    /// How it is called.
    pub(super) argv0: &'a OsString,
}

/// The scripts that run.
#[derive(Debug, Default)]
pub(super) struct Runner {
    jobs: BTreeMap<Pid, Job>,
    /// What roles may have run.
    permitted: permitted::Permitted,
}

#[derive(Debug)]
struct Job {
    purpose: Purpose,
    /// What the log calls it.
    name: String,
    channel: Channel,
    family: Family,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Until then, if it is limited.
    Running(Option<Instant>),
    /// It got SIGTERM, and gets SIGKILL then.
    Asked(Instant),
    /// It got so many SIGKILL, and another one then.
    Forced(u8, Instant),
    /// Nothing helps.
    Lost,
}

impl Runner {
    /// Starts a script, which may take as long as `limit` says.
    ///
    /// An error means that nothing runs and no event will come.
    pub(super) fn start(
        &mut self,
        with: &Launcher<'_>,
        now: Instant,
        purpose: Purpose,
        script: &Script,
        limit: Option<Duration>,
    ) -> Result<Pid, SysError> {
        let name = String::from_utf8_lossy(script.arguments.first().map_or(&b""[..], Vec::as_slice)).into_owned();
        self.start_own(
            with,
            now,
            purpose,
            (launcher::WORD, &name),
            &ipc::encode(script)?,
            limit,
        )
    }

    /// Starts our own executable as something that reads one message and does what it says; `word` says as what, and
    /// `name` what the log calls it.
    pub(super) fn start_own(
        &mut self,
        with: &Launcher<'_>,
        now: Instant,
        purpose: Purpose,
        (word, name): (&str, &str),
        message: &[u8],
        limit: Option<Duration>,
    ) -> Result<Pid, SysError> {
        let fail = |text: String| SysError::new("run script", name, io::Error::other(text));
        if self.jobs.len() >= MOST_RUNNING {
            return Err(fail(format!("{MOST_RUNNING} scripts are running")));
        }
        let (ours, theirs) = Channel::pair()?;
        match ours.send(message, &[])? {
            Sent::Done => {}
            Sent::Full | Sent::Closed => return Err(fail("its description cannot be sent".to_owned())),
        }
        let role = format!("--role={word}");
        let pid = with
            .executable
            .spawn_apart(with.argv0, &[OsStr::new(&role)], theirs, &sdnotify::VARIABLES)?;
        let job = Job {
            purpose,
            name: name.to_owned(),
            channel: ours,
            family: Family::of(pid),
            stage: Stage::Running(limit.map(|limit| now.after(limit))),
        };
        self.jobs.insert(pid, job);
        Ok(pid)
    }

    /// Whether there is room for one more notification; some places are kept for track scripts.
    pub(super) fn has_room_for_notifications(&self) -> bool {
        self.jobs.len() < MOST_RUNNING - KEPT_FOR_TRACKING
    }

    /// Whether any process is left of runs for which `concerned` is true.
    pub(super) fn has(&self, concerned: impl Fn(&Purpose) -> bool) -> bool {
        self.jobs.values().any(|job| concerned(&job.purpose))
    }

    /// A child of the supervisor has ended and was reaped. Empty if it was none of ours.
    pub(super) fn on_death(&mut self, pid: Pid, ended: Ended) -> Vec<Event> {
        let Some(mut job) = self.jobs.remove(&pid) else {
            return Vec::new();
        };
        let purpose = job.purpose.clone();
        match job.stage {
            Stage::Running(_) => vec![
                Event::Result(purpose.clone(), outcome(&job.channel, ended)),
                Event::Gone(purpose),
            ],
            // The leader listened; what it started may not have.
            Stage::Asked(_) | Stage::Forced(..) | Stage::Lost => {
                job.family.end(End::Force);
                vec![Event::Gone(purpose)]
            }
        }
    }

    /// Ends what has had its time. The lines are for the log.
    pub(super) fn on_time(&mut self, now: Instant) -> (Vec<Event>, Vec<String>) {
        let (mut events, mut lines) = (Vec::new(), Vec::new());
        for (pid, job) in &mut self.jobs {
            if job.stage.due().is_none_or(|at| now < at) {
                continue;
            }
            match job.stage {
                Stage::Running(_) => {
                    events.push(Event::Result(job.purpose.clone(), Outcome::TimedOut));
                    job.end(End::Ask, Stage::Asked(now.after(PATIENCE)));
                }
                Stage::Asked(_) => job.end(End::Force, Stage::Forced(1, now.after(PATIENCE))),
                Stage::Forced(1, _) => job.end(End::Force, Stage::Forced(2, now.after(LAST_PATIENCE))),
                Stage::Forced(..) | Stage::Lost => {
                    let name = &job.name;
                    lines.push(format!(
                        "Script {name} child (PID {pid}) failed to terminate after kill"
                    ));
                    job.end(End::Force, Stage::Lost);
                }
            }
        }
        (events, lines)
    }

    /// When [`Runner::on_time`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.jobs.values().filter_map(|job| job.stage.due()).min()
    }

    /// Ends runs for which `concerned` is true, without a result.
    pub(super) fn end(&mut self, now: Instant, how: End, concerned: impl Fn(&Purpose) -> bool) {
        for job in self.jobs.values_mut().filter(|job| concerned(&job.purpose)) {
            let next = match how {
                End::Ask => Stage::Asked(now.after(PATIENCE)),
                End::Force => Stage::Forced(1, now.after(PATIENCE)),
            };
            job.end(how, next);
        }
    }
}

impl Job {
    fn end(&mut self, how: End, next: Stage) {
        self.family.end(how);
        self.stage = next;
    }
}

impl Stage {
    fn due(self) -> Option<Instant> {
        match self {
            Stage::Running(until) => until,
            Stage::Asked(at) | Stage::Forced(_, at) => Some(at),
            Stage::Lost => None,
        }
    }
}

fn outcome(channel: &Channel, ended: Ended) -> Outcome {
    match ended {
        Ended::Killed(number) => Outcome::Killed(number),
        Ended::Exited(launcher::NOT_RUN) => {
            let mut buffer = [0; REASON_BYTES];
            match channel.receive(&mut buffer) {
                Ok(Received::Message { length, .. }) => {
                    let reason = buffer.get(..length).unwrap_or_default();
                    Outcome::NotRun(String::from_utf8_lossy(reason).into_owned())
                }
                // The script itself ended with this code.
                Ok(Received::Nothing | Received::Closed) | Err(_) => Outcome::Exited(launcher::NOT_RUN),
            }
        }
        Ended::Exited(code) => Outcome::Exited(code),
    }
}

/// What `</FILE` runs, and the path after it: the number in the first line of the file is the exit code.
const READ_CODE: [&[u8]; 4] = [b"/bin/sh", b"-c", br#"read -r code <"$1" && exit "$code""#, b"sh"];

/// A command of the configuration, for the launcher.
pub(super) fn script(command: &conf::model::Command, supplementary_groups: bool) -> Script {
    let identity = &command.identity;
    let (arguments, file) = match command.arguments.first().and_then(|word| word.strip_prefix(b"<")) {
        // In a process of its own, as any other command: the file may lie on a file system that does not answer.
        Some(path) => (
            READ_CODE
                .iter()
                .map(|word| word.to_vec())
                .chain([path.to_vec()])
                .collect(),
            None,
        ),
        None => (command.arguments.clone(), command.file.clone()),
    };
    Script {
        arguments,
        file,
        uid: identity.uid,
        gid: identity.gid,
        groups_of: supplementary_groups.then(|| identity.user.clone()),
        environment: Vec::new(),
        ends_with: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux::process;

    #[test]
    fn the_exit_code_of_a_file_is_the_number_in_its_first_line() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's a $file");
        let code = || {
            let word = [b"<", path.as_os_str().as_bytes()].concat();
            let command = conf::model::Command {
                arguments: vec![word],
                file: None,
                identity: Default::default(),
            };
            let script = script(&command, false);
            let mut words = script.arguments.iter().map(|word| std::ffi::OsStr::from_bytes(word));
            let mut program = std::process::Command::new(words.next().unwrap());
            program
                .args(words)
                .stderr(std::process::Stdio::null())
                .status()
                .unwrap()
                .code()
        };
        for (text, wanted) in [("0\n", 0), ("3\nmore\n", 3), (" 17 \n", 17)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(code(), Some(wanted), "{text:?}");
        }
        // No number and no file are failures.
        std::fs::write(&path, "up\n").unwrap();
        assert_ne!(code(), Some(0));
        std::fs::remove_file(&path).unwrap();
        assert_ne!(code(), Some(0));
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    /// A job around a process of the test's own, because unit tests have no launcher.
    fn with_job(runner: &mut Runner, limit: Option<Instant>) -> (std::process::Child, Pid) {
        use std::os::unix::process::CommandExt;
        let child = std::process::Command::new("sleep")
            .arg("1000")
            .process_group(0)
            .spawn()
            .unwrap();
        let pid = Pid(i32::try_from(child.id()).unwrap());
        let job = Job {
            purpose: Purpose::Track("t".to_owned()),
            name: "sleep".to_owned(),
            channel: Channel::pair().unwrap().0,
            family: Family::of(pid),
            stage: Stage::Running(limit),
        };
        runner.jobs.insert(pid, job);
        (child, pid)
    }

    #[test]
    fn a_script_that_takes_too_long_has_its_result_at_once_and_is_asked_then_forced_to_end() {
        let mut runner = Runner::default();
        let (mut child, pid) = with_job(&mut runner, Some(at(1)));
        let track = Purpose::Track("t".to_owned());
        assert_eq!(runner.on_time(at(0)).0, []);
        assert_eq!(runner.next_deadline(), Some(at(1)));
        assert_eq!(
            runner.on_time(at(1)).0,
            [Event::Result(track.clone(), Outcome::TimedOut)]
        );
        assert_eq!(runner.next_deadline(), Some(at(3)));
        child.wait().unwrap();
        assert_eq!(runner.on_death(pid, Ended::Killed(15)), [Event::Gone(track)]);
        assert!(!runner.has(|_| true));
    }

    #[test]
    fn a_process_that_survives_everything_is_named_and_given_up() {
        let mut runner = Runner::default();
        let (mut child, pid) = with_job(&mut runner, Some(at(1)));
        let mut said = Vec::new();
        for second in [1, 3, 5, 15, 100] {
            said.extend(runner.on_time(at(second)).1);
        }
        assert_eq!(
            said,
            [format!("Script sleep child (PID {pid}) failed to terminate after kill")]
        );
        assert_eq!(runner.next_deadline(), None);
        child.wait().unwrap();
    }

    #[test]
    fn the_death_of_a_stranger_is_no_event() {
        let mut runner = Runner::default();
        assert_eq!(runner.on_death(Pid(1), Ended::Exited(0)), []);
        assert!(process::monotonic() > Instant::ZERO);
    }
}
