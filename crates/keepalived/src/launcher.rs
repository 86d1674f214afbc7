//! The process between the supervisor and a script: it takes the identity of a user and becomes the script.
//!
//! The supervisor starts it like a role and goes on at once; whatever takes long here (a file system that does not
//! answer, a user database on another machine) holds up this one script and nothing else. It knows nothing of the
//! configuration: the first message says everything. If the script cannot be run, the reason goes back over the channel,
//! which closes by itself when the script runs.

use crate::exit;
use crate::ipc::{self, Script};
use crate::sdnotify;
use linux::SysError;
use linux::ipc::{Channel, MAX_MESSAGE, Received};
use linux::process::Pid;
use linux::script::{Identity, Start};
use std::time::Duration;

/// The word after `--role=`.
pub(crate) const WORD: &str = "launcher";
/// What shells return for a program that cannot be run.
pub(crate) const NOT_RUN: u8 = 126;
/// How long it waits for its message, which is sent before it is started.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// Becomes the script of the first message; comes back only if that cannot be done.
pub(crate) fn run() -> u8 {
    let channel = match Channel::from_stdin() {
        Ok(channel) => channel,
        Err(error) => {
            eprintln!("keepalived: a script cannot be started: {error}");
            return exit::FATAL;
        }
    };
    let error = match read(&channel) {
        Ok(script) => become_script(&script),
        Err(error) => error,
    };
    // If it cannot be sent, the exit code says as much.
    let _ = channel.send(error.to_string().as_bytes(), &[]);
    NOT_RUN
}

fn read(channel: &Channel) -> Result<Script, SysError> {
    use std::os::fd::AsFd;
    let mut buffer = vec![0; MAX_MESSAGE];
    linux::ipc::wait(&[channel.as_fd()], Some(FIRST_MESSAGE))?;
    let length = match channel.receive(&mut buffer)? {
        Received::Message { length, .. } => length,
        Received::Nothing | Received::Closed => 0,
    };
    ipc::decode(buffer.get(..length).unwrap_or_default())
}

fn become_script(script: &Script) -> SysError {
    let identity = Identity {
        uid: script.uid,
        gid: script.gid,
        groups_of: script.groups_of.clone(),
    };
    let start = Start {
        arguments: script.arguments.iter().map(Vec::as_slice).collect(),
        file: script.file.as_deref(),
        identity: &identity,
        environment: script
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
        ends_with: script.ends_with.map(Pid),
        without: &sdnotify::VARIABLES,
    };
    start.run()
}
