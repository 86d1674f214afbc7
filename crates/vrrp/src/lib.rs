//! VRRP: packets, the election, and what a master owes its segment.
//!
//! The crate decides who is master and what follows from it. It takes `(now, input)` and appends to an
//! ordered list of actions; it never reads a clock, opens a socket or logs. What it deliberately does not
//! know: files and keywords (`conf`), descriptors and netlink (`linux`), processes (`keepalived`).
//!
//! Standards: RFC 3768 (version 2), RFC 5798 and RFC 9568 (version 3).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod action;
mod announce;
mod cause;
mod clock;
pub mod config;
pub mod counters;
pub mod draft;
pub mod election;
mod encoder;
pub mod engine;
pub mod event;
pub mod filter;
pub mod group;
pub mod holdings;
pub mod input;
mod instance;
mod notation;
mod receive;
#[cfg(feature = "sim")]
pub mod sim;
pub mod timing;
pub mod track;
mod trailer;
mod waiting;
pub mod wire;

pub use action::Action;
pub use cause::{Cause, Succession};
pub use config::Config;
pub use engine::Engine;
pub use event::Event;
pub use input::Input;
pub use waiting::Waiting;
