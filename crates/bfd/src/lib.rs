//! BFD: packets, sessions, and which of them are up.
//!
//! The crate decides whether the path to a neighbour works. It takes `(now, input)` and appends to an ordered list of
//! actions; it never reads a clock, opens a socket or logs. What it deliberately does not know: files and keywords
//! (`conf`), descriptors (`linux`), processes (`keepalived`), and what follows from a session that is down (`vrrp`,
//! `check`).
//!
//! Standards: RFC 5880 (asynchronous mode, no echo, no authentication), RFC 5881 (single hop), RFC 5883 (multihop).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod action;
pub mod config;
pub mod counters;
pub mod draft;
pub mod engine;
pub mod event;
pub mod input;
pub mod session;
pub mod wire;

pub use action::Action;
pub use config::Config;
pub use engine::Engine;
pub use event::Event;
pub use input::Input;
