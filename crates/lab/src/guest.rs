//! A machine of its own for what this one's kernel lacks: Debian's kernel under QEMU (`scripts/guest`).
//!
//! Decides what the guest has and whether there is one; what happens inside is the business of the command it runs.

use crate::command::{Result, Trouble};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// What `scripts/guest` exits with when the guest did not come to an end, or could not begin.
const NO_GUEST: i32 = 125;

/// Seconds; an hour is long enough for the slowest machine. What waits inside has deadlines of its own.
const LIMIT: &str = "3600";

/// A guest that has not been started yet.
#[derive(Debug)]
pub struct Guest {
    command: Command,
    folder: TempDir,
}

impl Guest {
    /// With these programs of this machine, each with its libraries.
    pub fn new(programs: &[&str]) -> Result<Guest> {
        let folder = tempfile::tempdir().map_err(Trouble::when("cannot make a folder"))?;
        let mut command = script();
        command.args(["-t", LIMIT, "-m", "1024"]);
        for program in programs {
            command.args(["-p", program]);
        }
        Ok(Guest { command, folder })
    }

    /// Whether a guest can be started here; says so if not, and why. Any other failure is trouble, and so is this one where
    /// `KEEPALIVED_GUEST` is set: `make lab-guest` sets it where the kernel of the guest is to be had.
    pub fn is_possible() -> Result<bool> {
        let (code, why) = match script().args(["busybox", "true"]).output() {
            Ok(output) => (
                output.status.code(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            ),
            Err(error) => (None, error.to_string()),
        };
        if code == Some(0) {
            return Ok(true);
        }
        let text = format!("no guest can be started here, nothing was tested (scripts/guest: {code:?}): {why}");
        let is_wanted = std::env::var_os("KEEPALIVED_GUEST").is_some();
        if is_wanted || !code.is_none_or(|code| code == NO_GUEST || code == 1) {
            return Err(Trouble::new(text));
        }
        println!("SKIPPED: {text}");
        Ok(false)
    }

    /// A file of this machine, and where it is inside.
    pub fn file(&mut self, outside: &Path, inside: &str) {
        self.command.arg("-f").arg(format!("{}:{inside}", outside.display()));
    }

    /// An executable without what a debugger needs: that does not fit into the memory of the guest.
    pub fn executable(&mut self, outside: &Path, inside: &str) -> Result<()> {
        let stripped = self.folder.path().join(inside.replace('/', "-"));
        let smaller = Command::new("strip").arg("-o").arg(&stripped).arg(outside).status();
        if !smaller.is_ok_and(|status| status.success()) {
            std::fs::copy(outside, &stripped).map_err(Trouble::when(format!("cannot copy {}", outside.display())))?;
        }
        self.file(&stripped, inside);
        Ok(())
    }

    /// Starts it with one command, and waits for the end of both.
    pub fn run(mut self, command: &[&str]) -> Result<Output> {
        self.command
            .args(command)
            .output()
            .map_err(Trouble::when("cannot run scripts/guest"))
    }
}

fn script() -> Command {
    Command::new(root().join("scripts/guest"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
