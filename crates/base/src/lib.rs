//! Words every layer shares: points in time, chance from a seed, names and addresses.
//!
//! This crate decides nothing. It has no dependencies, no standard library and no clock, so the pure
//! crates that build on it cannot reach one either. A type that needs an opinion (what a valid priority
//! is, which keyword sets it) belongs to its subject crate.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod net;
pub mod rng;
pub mod time;

pub use net::{Family, IfIndex, IfName, MacAddr, Prefix};
pub use rng::Rng;
pub use time::{Deadline, Instant};
