//! AgentX (RFC 2741): what a sub-agent says to the master agent of SNMP, and what it makes of the answers.
//!
//! The crate decides what bytes mean, which object comes after which, and what a connection to a master agent goes through
//! from its opening to its loss. It takes `(now, input)` and appends to an ordered list of actions; it never reads a clock,
//! opens a socket or logs. What it deliberately does not know: which objects there are and what they say (`keepalived`),
//! descriptors and addresses of master agents.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod oid;
pub mod pdu;
pub mod session;
pub mod table;
pub mod value;
mod wire;

pub use oid::Oid;
pub use pdu::{Header, Pdu};
pub use session::{Action, Input, Session};
pub use table::{Permit, Table};
pub use value::{Answer, Value, VarBind};
