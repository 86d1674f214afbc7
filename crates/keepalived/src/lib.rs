//! The daemon: command line, supervisor, roles, logging.
//!
//! The same executable is the supervisor and, started again by it, each of its roles.
#![forbid(unsafe_code)]

mod bug;
mod cli;
mod configuration;
mod exit;
#[cfg(any(test, feature = "testing"))]
pub mod foreign;
mod ipc;
mod launcher;
mod log;
mod mailer;
mod role;
mod sdnotify;
mod status;
mod supervisor;
mod version;

use cli::Invocation;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// What the program does with its command line. A library only so that readers of foreign bytes can be fuzzed.
pub fn main() -> ExitCode {
    let usual = std::panic::take_hook();
    bug::end_with(usual);
    let words: Vec<OsString> = std::env::args_os().collect();
    let argv0 = words.first().cloned().unwrap_or_else(|| OsString::from("keepalived"));
    let hashing = words.clone();
    ExitCode::from(match cli::parse(words) {
        Ok(Invocation::Daemon(options)) => supervisor::run(*options, argv0),
        Ok(Invocation::Role(kind)) => role::run(kind),
        Ok(Invocation::Launcher) => launcher::run(),
        Ok(Invocation::Mailer) => mailer::run(),
        Ok(Invocation::Version) => tell(io::stderr(), &version::text()),
        Ok(Invocation::Help) => tell(io::stderr(), &cli::usage(&argv0.to_string_lossy())),
        Ok(Invocation::Signum(number)) => tell(io::stdout(), &format!("{number}\n")),
        Ok(Invocation::Genhash) => prober::genhash::run(hashing),
        Err(error) => {
            eprintln!("{error}");
            exit::FATAL
        }
    })
}

/// Writes what was asked for; an end of the other side before it was read is an error and not a bug.
fn tell(mut to: impl Write, text: &str) -> u8 {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Ok(()) => exit::OK,
        Err(_) => exit::FATAL,
    }
}
