//! The kernel: the event loop, sockets, netlink, processes, and the only `unsafe` code of the project.
//!
//! It speaks kernel sentences ("add this address with this mark on that interface") and deliberately knows
//! nothing of VRRP or of configuration files; the daemon's roles translate.
#![deny(unsafe_code)]

pub mod error;
pub mod ipc;
pub mod lock;
pub mod memfd;
pub mod namespace;
pub mod process;
pub mod process_files;
pub mod sched;
pub mod signal;
#[path = "sys/process.rs"]
mod sys_process;

pub use error::SysError;
