//! The director: which server is asked when, and what the answers make of the virtual servers.
//!
//! Joins the two halves of load balancing, which know nothing of each other: the judges of checks (`check`) and the pools of
//! virtual servers (`lvs`). Decides when each probe asks, lets equal probes of many real servers ask once for all of them,
//! and tells who has to hear of what follows. It does not know how a probe is carried out, how a table is written into the
//! kernel, or how somebody is told: those are actions.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod action;
mod config;
mod engine;
mod words;

pub use action::{Action, Input, Level, Notice, Ticket};
pub use config::{Config, Server};
pub use engine::{Engine, Marked, RealStatus, ServerStatus};
