//! Virtual servers: what the kernel's table of virtual services should hold, and how to get it there.
//!
//! The crate decides which real servers of a virtual server take part and with which weight, whether there is a quorum,
//! and which steps turn the table the kernel has into the one it should have. It is told the results of checks; it does
//! not know how a check is made (`check`), files and keywords (`conf`), or how a step is carried out (`linux`).
//!
//! Words are those of ipvsadm: a virtual *service* in the kernel, its *destinations*; a *virtual server* of the
//! configuration may be many services.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod books;
pub mod config;
pub mod draft;
pub mod event;
pub mod marks;
pub mod plan;
pub mod service;
pub mod table;

pub use config::{Group, Key, Service};
