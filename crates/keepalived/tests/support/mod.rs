//! Real daemons for tests: each in a network namespace of its own, with its files in a folder of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of tests fails like a test")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_keepalived");
/// How long anything may take before a test fails; these machines are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// A configuration that runs in a place made by [`Place::command`].
pub(crate) const ONE_INSTANCE: &str = "\
vrrp_instance VI_1 {
    state BACKUP
    interface e0
    virtual_router_id 50
    priority 70
    advert_int 1
    virtual_ipaddress {
        10.99.0.10/24
    }
}
";

/// A folder with a configuration and room for everything a daemon writes.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// With this configuration.
    pub(crate) fn new(configuration: &str) -> Place {
        let place = Place {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(place.path("k.conf"), configuration).unwrap();
        place
    }

    /// A file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The text of a file in the folder, if there is one.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    /// The process number in a pid file in the folder.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        self.text(name)
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or_else(|| panic!("no pid in {name}"))
    }

    /// A command that runs the program in a namespace with a network card called `e0`.
    ///
    /// The process of the command is the daemon itself; the namespace ends with it.
    pub(crate) fn command(&self, options: &[&str]) -> Command {
        let setup = "ip link set lo up && ip link add e0 type veth peer name e1 && ip link set e1 up && \
                     ip link set e0 up && ip address add 10.99.0.1/24 dev e0 && exec \"$@\"";
        let mut command = Command::new("unshare");
        command
            .args(["--net", "sh", "-ec", setup, "sh", PROGRAM, "-f"])
            .arg(self.path("k.conf"));
        for (option, name) in [("-p", "k.pid"), ("-r", "v.pid"), ("-c", "c.pid"), ("-b", "b.pid")] {
            command.arg(option).arg(self.path(name));
        }
        command
            .args(options)
            .env("TMPDIR", self.folder.path())
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null());
        command
    }

    /// A daemon in the foreground that logs to us.
    pub(crate) fn daemon(&self, options: &[&str]) -> Daemon {
        let mut all = vec!["-n", "-l", "-G"];
        all.extend(options);
        Daemon::start(self.command(&all))
    }

    /// A daemon that has started its roles.
    pub(crate) fn running(&self, options: &[&str]) -> Daemon {
        let mut daemon = self.daemon(options);
        daemon.wait_for("Startup complete");
        daemon
    }
}

/// A daemon whose log is read.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
    /// Everything it has said so far.
    pub(crate) said: Vec<String>,
    ended: bool,
}

impl Daemon {
    /// Starts a command and reads its standard error.
    pub(crate) fn start(mut command: Command) -> Daemon {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Daemon {
            child,
            lines,
            said: Vec::new(),
            ended: false,
        }
    }

    /// The process number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that contains `text`, and gives it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{text:?} was never said, but:\n{}", self.said.join("\n"));
                }
            }
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the end, and gives the exit code and the rest of what was said.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.said.join("\n")),
            }
        }
        let status = self.child.wait().unwrap();
        self.ended = true;
        (status.code(), std::mem::take(&mut self.said))
    }

    /// Stops it by SIGTERM and checks that it ends well.
    pub(crate) fn stop(self) -> Vec<String> {
        self.signal("TERM");
        let (code, said) = self.end();
        assert_eq!(code, Some(0), "{}", said.join("\n"));
        said
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.ended {
            // Its roles end with it.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A process that is ended with the test, whatever happens.
pub(crate) struct Background(pub(crate) u32);

impl Drop for Background {
    fn drop(&mut self) {
        if is_alive(self.0) {
            signal(self.0, "KILL");
        }
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status()
        .unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// Waits until a condition holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let step = Duration::from_millis(5);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        if holds() {
            return;
        }
        thread::sleep(step);
    }
    panic!("{what} never came true");
}

/// Whether a process exists and has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit(')').next().map(|rest| !rest.trim_start().starts_with('Z')))
        .unwrap_or(false)
}

/// Runs the program to its end, without a namespace: for options that touch nothing.
pub(crate) fn run(options: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(PROGRAM)
        .args(options)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Names of files in a folder that begin like this.
pub(crate) fn files(folder: &Path, prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    names
}
