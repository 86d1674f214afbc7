//! The daemon: command line, supervisor, roles, logging.
#![forbid(unsafe_code)]
// Until the supervisor is in.
#![allow(dead_code)]

mod cli;
mod configuration;
mod exit;
mod ipc;
mod log;
mod role;
mod sdnotify;
mod version;

fn main() {
    let _ = role::run(role::Kind::Vrrp);
}
