//! A keepalived daemon on a host: started, signalled, killed and waited for, its log lines in the journal.
//!
//! The lab treats the original and ours alike: the same command line, the same files. Where they must be treated
//! differently (a quirk of the original the lab has to step around) it says so here and nowhere else.

use crate::command::{Result, Trouble};
use crate::journal::{Host, Journal, Seen};
use crate::netns::{Namespace, private_folder};
use crate::process::Process;
use nix::sys::signal::Signal;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, PipeReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Where Debian's package puts the original.
const UPSTREAM: &str = "/usr/sbin/keepalived";

/// How long a daemon may take for something that needs no waiting: starting, ending, writing a file.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// How often a process is looked at while its end is awaited; there is no event for it without unsafe code.
const LOOK: Duration = Duration::from_millis(2);

/// Who made a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Make {
    /// This project.
    Ours,
    /// The original, from the distribution's package.
    Upstream,
}

impl fmt::Display for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Make::Ours => "ours",
            Make::Upstream => "upstream",
        })
    }
}

/// An executable to test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is.
    pub make: Make,
}

impl Binary {
    /// The daemon under test: `KEEPALIVED_BIN`, or what cargo built last for release, or for debugging.
    pub fn ours() -> Result<Binary> {
        let path = match std::env::var_os("KEEPALIVED_BIN") {
            Some(path) => PathBuf::from(path),
            None => built().ok_or_else(|| Trouble::new("no keepalived is built here (try `make build`)"))?,
        };
        let path = path
            .canonicalize()
            .map_err(Trouble::when(format!("no daemon at {}", path.display())))?;
        // For comparison the original can stand in for ours; it keeps its quirks then.
        let make = if Path::new(UPSTREAM).canonicalize().is_ok_and(|its| its == path) {
            Make::Upstream
        } else {
            Make::Ours
        };
        Ok(Binary { path, make })
    }

    /// The original, if the package is installed.
    pub fn upstream() -> Option<Binary> {
        Path::new(UPSTREAM).exists().then(|| Binary {
            path: UPSTREAM.into(),
            make: Make::Upstream,
        })
    }

    /// The first line of what `-v` says.
    pub fn version(&self) -> Result<String> {
        let output = Command::new(&self.path)
            .arg("-v")
            .stdin(Stdio::null())
            .output()
            .map_err(Trouble::when(format!("cannot run {}", self.path.display())))?;
        let said = [output.stderr, output.stdout].concat();
        Ok(String::from_utf8_lossy(&said)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned())
    }
}

/// The newest matching executable beside the test that asks: `target/PROFILE/deps/test` and `target/PROFILE/demo`.
fn built() -> Option<PathBuf> {
    let me = std::env::current_exe().ok()?;
    let target = me.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists())?;
    ["release", "debug"]
        .iter()
        .map(|profile| target.join(profile).join("keepalived"))
        .find(|path| path.exists())
}

/// A daemon on a host, running or not. Its configuration and pid files stay for the next start.
#[derive(Debug)]
pub struct Daemon {
    host: Host,
    namespace: Arc<Namespace>,
    journal: Arc<Journal>,
    binary: Binary,
    folder: TempDir,
    environment: Vec<(String, std::ffi::OsString)>,
    options: Vec<String>,
    wrapper: Vec<String>,
    own_session: bool,
    /// Whether the lab reads what the daemon says.
    is_heard: bool,
    unread: Option<PipeReader>,
    child: Option<Child>,
}

/// How a daemon ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// How long it took from the signal.
    pub took: Duration,
}

impl Daemon {
    /// A daemon that is not started yet.
    pub fn new(
        host: &str,
        namespace: Arc<Namespace>,
        journal: Arc<Journal>,
        binary: Binary,
        conf: &str,
    ) -> Result<Daemon> {
        let folder = private_folder()?;
        let daemon = Daemon {
            host: host.into(),
            namespace,
            journal,
            binary,
            folder,
            environment: Vec::new(),
            options: ["-n", "-l", "-D", "-G"].map(str::to_owned).to_vec(),
            wrapper: Vec::new(),
            own_session: false,
            is_heard: true,
            unread: None,
            child: None,
        };
        daemon.configure(conf)?;
        Ok(daemon)
    }

    /// Replaces the configuration file; a running daemon reads it at the next [`Daemon::reload`].
    pub fn configure(&self, conf: &str) -> Result<()> {
        // At once: a daemon may be reading.
        let new = self.file("keepalived.conf.new");
        fs::write(&new, conf)
            .and_then(|()| fs::rename(&new, self.file("keepalived.conf")))
            .map_err(Trouble::when("cannot write the configuration"))
    }

    /// A file in the private folder of this daemon.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A variable of the environment, from the next start on.
    pub fn set_variable(&mut self, name: &str, value: impl Into<std::ffi::OsString>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// A session of its own from the next start on, as an init system gives to services: the kernel then does not wake
    /// stopped roles when their supervisor dies.
    pub fn give_session(&mut self) {
        self.own_session = true;
    }

    /// Other options than the usual `-n -l -D -G`, from the next start on.
    pub fn set_options(&mut self, options: &[&str]) {
        self.options = options.iter().map(|word| (*word).to_owned()).collect();
    }

    /// From the next start on these words come before the command; they must run it in their own place (`exec`).
    pub fn wrap(&mut self, words: &[&str]) {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
    }

    /// From the next start on nobody reads what the daemon says: the pipe is open and fills up. The journal has no log lines
    /// of it then.
    pub fn leave_unheard(&mut self) {
        self.is_heard = false;
    }

    /// Whose executable this is.
    pub fn make(&self) -> Make {
        self.binary.make
    }

    /// Starts it.
    pub fn start(&mut self) -> Result<()> {
        if self.child.is_some() {
            return Err(Trouble::new(format!("the daemon on {} runs already", self.host)));
        }
        if self.binary.make == Make::Upstream {
            // 2.2.7 refuses to start beside the pid files of a run that was killed.
            for name in PID_FILES.map(|(_, name)| name) {
                if let Err(error) = fs::remove_file(self.file(name))
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    return Err(Trouble::new(format!("cannot remove {name}: {error}")));
                }
            }
        }
        let (reader, writer) = std::io::pipe().map_err(Trouble::when("cannot make a pipe"))?;
        let second = writer.try_clone().map_err(Trouble::when("cannot share a pipe"))?;
        // A group of its own: what is meant for the lab's terminal is not meant for the daemon.
        let session = self.own_session.then(|| "setsid".to_owned());
        let mut words = session.into_iter().chain(self.wrapper.iter().cloned());
        let mut command = match words.next() {
            Some(first) => {
                let mut command = Command::new(first);
                command.args(words).arg(&self.binary.path);
                command
            }
            None => Command::new(&self.binary.path),
        };
        if !self.own_session {
            command.process_group(0);
        }
        command.args(&self.options).arg("-f").arg(self.file("keepalived.conf"));
        for (option, name) in PID_FILES {
            command.arg(option).arg(self.file(name));
        }
        command
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(second)
            // Where dumps go.
            .env("TMPDIR", self.folder.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path());
        self.note(format!("start {} ({})", self.binary.path.display(), self.binary.make));
        let child = self.namespace.inside(move || command.spawn())?;
        let child = child.map_err(Trouble::when(format!("cannot start {}", self.binary.path.display())))?;
        self.child = Some(child);
        if !self.is_heard {
            self.unread = Some(reader);
            return Ok(());
        }
        let (host, journal) = (self.host.clone(), self.journal.clone());
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || follow_log(reader, &host, &journal))
            .map_err(Trouble::when("cannot follow the log"))?;
        Ok(())
    }

    /// The supervisor's process.
    pub fn supervisor(&self) -> Result<Process> {
        let child = self
            .child
            .as_ref()
            .ok_or_else(|| Trouble::new(format!("no daemon runs on {}", self.host)))?;
        Process::of(child.id() as i32).ok_or_else(|| Trouble::new(format!("the daemon on {} has gone", self.host)))
    }

    /// The process named by the vrrp pid file, which must be a living child of the supervisor.
    pub fn vrrp_role(&self) -> Result<Process> {
        self.role(VRRP_PID)
    }

    /// The process named by a pid file of this name, which must be a living child of the supervisor.
    pub fn role(&self, file: &str) -> Result<Process> {
        let text = fs::read_to_string(self.file(file)).map_err(Trouble::when(format!("no pid file {file}")))?;
        let pid: i32 = text
            .trim()
            .parse()
            .map_err(Trouble::when(format!("pid file says {text:?}")))?;
        let family = self.supervisor()?.descendants();
        let found = family.into_iter().find(|process| process.pid == pid);
        found.ok_or_else(|| Trouble::new(format!("process {pid} of the pid file is no child of the supervisor")))
    }

    /// Whether the supervisor ended without having been asked to. It counts as not started from then on.
    pub fn fell_over(&mut self) -> bool {
        match self.child.as_mut().map(Child::try_wait) {
            None | Some(Ok(None)) => false,
            Some(Ok(Some(status))) => {
                self.child = None;
                self.note(format!("the daemon ended by itself: {status}"));
                true
            }
            // It cannot be waited for, so nothing is known of it: worse than an end.
            Some(Err(_)) => true,
        }
    }

    /// Sends a signal to the supervisor alone.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.note(format!("{signal} to the supervisor"));
        if self.supervisor()?.signal(signal) {
            return Ok(());
        }
        Err(Trouble::new(format!("the daemon on {} has gone", self.host)))
    }

    /// SIGHUP.
    pub fn reload(&mut self) -> Result<()> {
        self.signal(Signal::SIGHUP)
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> Result<Ended> {
        self.signal(Signal::SIGTERM)?;
        self.wait()
    }

    /// Waits until the supervisor has ended, at most [`PATIENCE`].
    pub fn wait(&mut self) -> Result<Ended> {
        let from = self.journal.clock.now();
        let mut child = self
            .child
            .take()
            .ok_or_else(|| Trouble::new(format!("no daemon runs on {}", self.host)))?;
        loop {
            let took = self.journal.clock.now().saturating_sub(from);
            if let Some(status) = child.try_wait().map_err(Trouble::when("cannot wait for the daemon"))? {
                self.note(format!("the daemon ended: {status}"));
                return Ok(Ended { status, took });
            }
            if took > PATIENCE {
                self.child = Some(child);
                return Err(Trouble::new(format!("the daemon on {} does not end", self.host)));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// kill -9 of every process at once. The supervisor is stopped first, or it would restart a role or, by its end,
    /// give the roles the chance to say goodbye. Returns when the first of them was killed.
    pub fn kill_everything(&mut self) -> Result<Duration> {
        let supervisor = self.supervisor()?;
        supervisor.signal(Signal::SIGSTOP);
        let at = self.journal.clock.now();
        self.note("kill -9 of all its processes".into());
        for process in supervisor.descendants() {
            process.signal(Signal::SIGKILL);
        }
        supervisor.signal(Signal::SIGKILL);
        self.wait()?;
        Ok(at)
    }

    /// SIGSTOP to every process, the supervisor first.
    pub fn freeze(&mut self) -> Result<()> {
        let supervisor = self.supervisor()?;
        self.note("freeze all its processes".into());
        for process in std::iter::once(supervisor).chain(supervisor.descendants()) {
            process.signal(Signal::SIGSTOP);
        }
        Ok(())
    }

    /// SIGCONT to every process, the supervisor last.
    pub fn thaw(&mut self) -> Result<()> {
        let supervisor = self.supervisor()?;
        self.note("thaw all its processes".into());
        for process in supervisor.descendants().into_iter().chain([supervisor]) {
            process.signal(Signal::SIGCONT);
        }
        Ok(())
    }

    fn note(&self, what: String) {
        self.journal.record_now(&self.host, Seen::Act(what));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.fell_over()
            && self.child.is_some()
            && let Err(trouble) = self.kill_everything()
        {
            eprintln!("lab: {trouble}");
        }
    }
}

const VRRP_PID: &str = "vrrp.pid";

const PID_FILES: [(&str, &str); 4] = [
    ("-p", "keepalived.pid"),
    ("-r", VRRP_PID),
    ("-c", "checkers.pid"),
    ("-b", "bfd.pid"),
];

/// Ends when the last process that holds the pipe has ended.
fn follow_log(reader: PipeReader, host: &Host, journal: &Journal) {
    for line in BufReader::new(reader).split(b'\n') {
        match line {
            Ok(line) => journal.record_now(host, Seen::Log(String::from_utf8_lossy(&line).into_owned())),
            Err(error) => return journal.blinded(format!("the log of {host} cannot be read: {error}")),
        }
    }
}
