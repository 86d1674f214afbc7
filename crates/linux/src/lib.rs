//! The kernel: the event loop, sockets, netlink, processes, and the only `unsafe` code of the project.
//!
//! It speaks kernel sentences ("add this address with this mark on that interface") and deliberately knows
//! nothing of VRRP or of configuration files; the daemon's roles translate.
#![deny(unsafe_code)]

pub mod error;
pub mod interface;
pub mod netlink;
pub mod reactor;
pub mod socket;
#[allow(unsafe_code)]
mod sys;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use error::SysError;
pub use reactor::Turn;
