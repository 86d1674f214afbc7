//! For tests: network namespaces without names, which vanish with their last user.
//!
//! Nothing here touches the namespace of the process: work in a namespace is done by threads that enter it and end.
//! Sockets opened by such a thread stay in the namespace and can be used anywhere.
#![allow(clippy::panic, reason = "a test that cannot set its stage must stop")]

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::{io, process, thread};

/// A network namespace, alive as long as this value or a socket in it.
pub struct Netns {
    handle: File,
}

impl Netns {
    /// A new namespace with its loopback interface up; `None`, with the reason printed, if that is not permitted.
    pub fn new() -> Option<Netns> {
        let created = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        match created.join() {
            Ok(Ok(handle)) => {
                let namespace = Netns { handle };
                namespace.ip("link set lo up");
                Some(namespace)
            }
            Ok(Err(error)) => {
                println!("skipped: cannot make a network namespace: {error}");
                None
            }
            Err(_) => None,
        }
    }

    /// Two new namespaces joined by a cable: `left` in the first is connected to `right` in the second, both up.
    pub fn pair(left: &str, right: &str) -> Option<(Netns, Netns)> {
        let (a, b) = (Netns::new()?, Netns::new()?);
        a.ip(&format!(
            "link add {left} type veth peer name {right} netns {}",
            b.path()
        ));
        a.ip(&format!("link set {left} up"));
        b.ip(&format!("link set {right} up"));
        Some((a, b))
    }

    /// Runs `work` in the namespace and waits for it. A panic goes on in the caller.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let inside = || match setns(&self.handle, CloneFlags::CLONE_NEWNET) {
            Ok(()) => work(),
            Err(errno) => panic!("the namespace exists and is ours: {errno}"),
        };
        thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs `ip` with these arguments, separated by blanks, in the namespace.
    ///
    /// # Panics
    ///
    /// If it cannot be run or fails.
    pub fn ip(&self, arguments: &str) -> String {
        self.command("ip", arguments)
    }

    /// Runs `ip -batch` with these lines in the namespace.
    ///
    /// # Panics
    ///
    /// If it cannot be run or fails.
    pub fn ip_batch(&self, lines: &str) -> String {
        self.program("ip", "-batch -", lines)
    }

    /// Runs a program with these arguments, separated by blanks, in the namespace, and returns what it prints.
    ///
    /// # Panics
    ///
    /// If it cannot be run or fails.
    pub fn command(&self, program: &str, arguments: &str) -> String {
        self.program(program, arguments, "")
    }

    /// Where the namespace can be opened while this value lives.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.handle.as_raw_fd())
    }

    fn program(&self, program: &str, arguments: &str, input: &str) -> String {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        match self.run(|| run_program(program, &words, input)) {
            Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
            Ok(output) => panic!("{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => panic!("cannot run {program}: {error}"),
        }
    }
}

fn run_program(program: &str, arguments: &[&str], input: &str) -> io::Result<process::Output> {
    use std::io::Write;
    let pipe = process::Stdio::piped;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(pipe())
        .stdout(pipe())
        .stderr(pipe())
        .spawn()?;
    // Closed at the end of the statement, which tells the program that this was all.
    child
        .stdin
        .take()
        .map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()))?;
    child.wait_with_output()
}
