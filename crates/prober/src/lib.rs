//! One health check, run to its end: the sockets around the dialogues of `check`.
//!
//! Says how a question was answered and why. It decides nothing: whether a server counts as up, when it is asked again and
//! who is told are the business of `check::judge` and of whoever calls. Programs, files and BFD sessions are not asked
//! here. Probes run side by side in one thread; none of them blocks it, and each ends within [`check::probe::time_limit`].
#![forbid(unsafe_code)]

mod connect;
mod datagram;
#[cfg(any(test, feature = "testing"))]
pub mod foreign;
pub mod genhash;
mod http;
mod identity;
mod outcome;
mod prober;
mod search;
mod smtp;
mod stream;
mod tls;

pub use outcome::{Details, Outcome, Trouble};
pub use prober::Prober;
