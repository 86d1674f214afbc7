//! The dialogues of checks, without sockets: what is sent, and how what comes back is read.
//!
//! Who runs a check feeds a dialogue the bytes that arrive, in whatever pieces, and is told what to do next. Every
//! reader is total: any bytes, cut anywhere, or without end, give an answer in bounded memory.

pub mod dns;
pub mod file;
pub mod http;
pub mod misc;
pub mod ping;
pub mod smtp;
pub mod udp;

use crate::config::{Connection, Dialogue, Probe};
use alloc::vec::Vec;
use core::time::Duration;

/// Pieces a page may come in: connection, TLS, header and body, each as slow as its timeout allows, and some to spare.
const HTTP_WAITS: u32 = 8;
/// Connection and four replies.
const SMTP_WAITS: u32 = 5;
/// A program that does not end by itself is killed, at first politely.
const KILLING: Duration = Duration::from_secs(4);

/// The longest a whole dialogue may take. A server that says a byte now and then keeps every timeout; this it does not:
/// who runs the check ends it then, as a failure.
pub fn time_limit(probe: &Probe) -> Duration {
    let of = |connection: &Connection, waits: u32| connection.timeout.saturating_mul(waits);
    match &probe.dialogue {
        Dialogue::Tcp(connection) | Dialogue::Ping(connection) => of(connection, 1),
        Dialogue::Dns(dns) => of(&dns.connection, 1),
        Dialogue::Udp(udp) => of(&udp.connection, 1),
        Dialogue::Smtp(smtp) => of(&smtp.connection, SMTP_WAITS),
        Dialogue::Http(http) => of(&http.connection, HTTP_WAITS),
        Dialogue::Misc(misc) => misc.timeout.saturating_add(KILLING),
    }
}

/// What a dialogue over a stream wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// More bytes, or the end of the stream.
    Read,
    /// These bytes sent, then more read.
    Send(Vec<u8>),
    /// Nothing: the connection can be closed.
    Done,
}
