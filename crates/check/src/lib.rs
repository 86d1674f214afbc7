//! Health checks: what is asked of a server, and what its answers say about it.
//!
//! The crate decides what bytes a check sends, how the answer is read, and when a run of answers makes a server up or
//! down. It has no sockets, no processes and no clock: who runs a check feeds it bytes and points in time. What follows
//! from a verdict (weights, quorum, the kernel's table) is decided in `lvs`; keywords are `conf`'s.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod config;
pub mod draft;
pub mod judge;
pub mod probe;

pub use config::{Check, Probe};
