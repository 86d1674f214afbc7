//! The lab: routers in network namespaces, real daemons on them, and scenarios that say what must happen.
//!
//! The lab decides whether what it sees is allowed; it does not know how a daemon reaches its decisions. What it
//! believes about a router comes from outside: packets seen on the switch, addresses the kernel reports, answers a
//! third host receives, lines the daemon logs. Only [`simulated`], the stage without a kernel, runs the daemon's cores.
//!
//! It is for development only and never shipped. It needs root, and makes everything it touches itself: network
//! namespaces whose names carry the process id, removed when the [`network::Network`] is dropped. Nothing is ever
//! sent outside them.
#![forbid(unsafe_code)]

pub mod catalogue;
pub mod clock;
pub mod command;
pub mod daemon;
pub mod frame;
pub mod guest;
pub mod journal;
pub mod netns;
pub mod network;
pub mod oracle;
pub mod probe;
pub mod process;
pub mod scenario;
pub mod simulated;
pub mod stage;
pub mod watch;

pub use command::{Result, Trouble};
