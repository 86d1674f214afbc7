//! Faults in the real kernel: what may happen to a machine that is a router, and what must hold all the same.
//!
//! Every scenario has two of our routers with every role at work, and a client that asks for the virtual address two hundred
//! times a second. What must hold is the same everywhere ([`stand`]): the address answers again within a bound, there are
//! never two masters for longer than two intervals, a router that should be at work is, nothing has become a zombie, and
//! after a stop the kernel has what it had before.
//!
//! `make faults` makes each fault a hundred times and prints what came of it; without `KEEPALIVED_FAULTS` each is made once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

#[path = "../support/mod.rs"]
mod support;

mod interfaces;
mod kills;
mod place;
mod readers;
mod resources;
mod scripts;
mod stand;
mod storms;
mod times;
