//! The daemon: command line, supervisor, roles, logging.
//!
//! The same executable is the supervisor and, started again by it, each of its roles.
#![forbid(unsafe_code)]

mod cli;
mod configuration;
mod exit;
mod ipc;
mod loader;
mod log;
mod role;
mod sdnotify;
mod supervisor;
mod version;

use cli::Invocation;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let argv0 = words.first().cloned().unwrap_or_else(|| OsString::from("keepalived"));
    ExitCode::from(match cli::parse(words) {
        Ok(Invocation::Daemon(options)) => supervisor::run(*options, argv0),
        Ok(Invocation::Role(kind)) => role::run(kind),
        Ok(Invocation::Version) => {
            eprint!("{}", version::text());
            exit::OK
        }
        Ok(Invocation::Help) => {
            eprint!("{}", cli::usage(&argv0.to_string_lossy()));
            exit::OK
        }
        Ok(Invocation::Signum(number)) => {
            println!("{number}");
            exit::OK
        }
        Ok(Invocation::Genhash) => {
            eprintln!("genhash is not implemented yet");
            exit::FATAL
        }
        Err(error) => {
            eprintln!("{error}");
            exit::FATAL
        }
    })
}
