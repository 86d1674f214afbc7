//! The kernel: the event loop, sockets, netlink, processes, and the only `unsafe` code of the project.
//!
//! It speaks kernel sentences ("add this address with this mark on that interface") and deliberately knows
//! nothing of VRRP or of configuration files; the daemon's roles translate.
#![deny(unsafe_code)]

pub mod bell;
pub mod census;
pub mod error;
pub mod fifo;
#[cfg(any(test, feature = "testing"))]
pub mod foreign;
pub mod interface;
pub mod ipc;
pub mod ipvs;
pub mod link;
pub mod linkbeat;
pub mod lock;
pub mod machine;
pub mod memfd;
pub mod namespace;
pub mod netlink;
pub mod nft;
pub mod pattern;
pub mod process;
pub mod process_files;
pub mod reactor;
pub mod sandbox;
pub mod sched;
pub mod script;
pub mod signal;
pub mod socket;
#[allow(unsafe_code)]
mod sys;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod watch;

pub use error::SysError;
pub use reactor::Turn;

use sys::process as sys_process;
