//! The raw sockets adverts come in by: compares what the engine wants with what is open.
//!
//! A socket that cannot be opened is tried again, and whoever needs it waits meanwhile. Which instances those are is
//! not known here.

use crate::log::Reporter;
use ::vrrp::engine::SocketSpec;
use ::vrrp::input::{Body, Input, Packet, SocketKey};
use base::Instant;
use linux::reactor::{Interest, Reactor, Token};
use linux::socket::raw::{AdvertReceiver, Inbox, Listen, Received};
use linux::{SysError, Turn};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

/// Pause before a socket that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Room for a packet where no interface says how long one can be.
const DEFAULT_MTU: usize = 1500;
/// Errors of one socket that are logged one by one; the rest are counted.
const LOGGED_ERRORS: u32 = 3;

pub(super) struct Sockets {
    open: BTreeMap<SocketKey, Open>,
    by_token: BTreeMap<usize, SocketKey>,
    failed: BTreeMap<SocketKey, SysError>,
    retry_at: Option<Instant>,
    next_token: usize,
    inbox: Inbox,
    inbox_size: usize,
}

struct Open {
    receiver: AdvertReceiver,
    token: Token,
    errors: u32,
}

impl Sockets {
    pub(super) fn new(first_token: usize) -> Sockets {
        Sockets {
            open: BTreeMap::new(),
            by_token: BTreeMap::new(),
            failed: BTreeMap::new(),
            retry_at: None,
            next_token: first_token,
            inbox: Inbox::new(DEFAULT_MTU),
            inbox_size: DEFAULT_MTU,
        }
    }

    /// When sockets that failed are to be tried again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// The error of a socket that this process may not open: trying again is of no use.
    pub(super) fn forbidden(&mut self) -> Option<SysError> {
        let key = self
            .failed
            .iter()
            .find_map(|(key, error)| error.is_forbidden().then_some(*key))?;
        self.failed.remove(&key)
    }

    /// Closes what is not wanted, opens what is. Returns what was opened or failed, with the error number.
    pub(super) fn reconcile(
        &mut self,
        now: Instant,
        wanted: &BTreeMap<SocketKey, SocketSpec>,
        reactor: &mut Reactor,
        reporter: &Reporter,
    ) -> Vec<(SocketKey, Result<(), i32>)> {
        let gone: Vec<SocketKey> = self
            .open
            .keys()
            .filter(|key| !wanted.contains_key(key))
            .copied()
            .collect();
        for key in gone {
            self.close(key, reactor, reporter);
        }
        self.failed.retain(|key, _| wanted.contains_key(key));
        let longest = wanted
            .values()
            .map(|spec| spec.mtu as usize)
            .max()
            .unwrap_or(DEFAULT_MTU);
        if longest > self.inbox_size {
            self.inbox = Inbox::new(longest);
            self.inbox_size = longest;
        }
        let due = self.retry_at.is_none_or(|at| at <= now);
        let mut results = Vec::new();
        for (key, spec) in wanted {
            if let Some(open) = self.open.get_mut(key) {
                resize(open, spec, reporter);
                continue;
            }
            let failed_before = self.failed.get(key).map(|error| error.errno().unwrap_or(0));
            if let (Some(errno), false) = (failed_before, due) {
                // Said again: an instance that a reload began anew does not know.
                results.push((*key, Err(errno)));
                continue;
            }
            match self.open(*key, spec, reactor) {
                Ok(()) => {
                    self.failed.remove(key);
                    results.push((*key, Ok(())));
                }
                Err(error) => {
                    results.push((*key, Err(error.errno().unwrap_or(0))));
                    if failed_before.is_none() {
                        reporter.error(&error);
                    }
                    self.failed.insert(*key, error);
                }
            }
        }
        if due {
            self.retry_at = (!self.failed.is_empty()).then(|| now.after(RETRY));
        } else if self.failed.is_empty() {
            self.retry_at = None;
        }
        results
    }

    fn open(&mut self, key: SocketKey, spec: &SocketSpec, reactor: &Reactor) -> Result<(), SysError> {
        let receiver = AdvertReceiver::open(Listen {
            protocol: key.protocol,
            local: key.local,
            interface: key.interface,
            receive_buffer: spec.receive_buffer,
        })?;
        let token = Token(self.next_token);
        reactor.register(receiver.as_fd(), token, Interest::Readable)?;
        self.next_token += 1;
        self.by_token.insert(token.0, key);
        let open = Open {
            receiver,
            token,
            errors: 0,
        };
        self.open.insert(key, open);
        Ok(())
    }

    fn close(&mut self, key: SocketKey, reactor: &mut Reactor, reporter: &Reporter) {
        let Some(open) = self.open.remove(&key) else {
            return;
        };
        self.by_token.remove(&open.token.0);
        if let Err(error) = reactor.deregister(open.receiver.as_fd(), open.token) {
            reporter.error(error);
        }
    }

    /// Reads packets of the socket with this token, a bounded number, and hands them on with the time they arrived at.
    pub(super) fn read(&mut self, token: Token, mut take: impl FnMut(Instant, Input<'_>), reporter: &Reporter) -> Turn {
        // Closed in this turn: the event is older.
        let Some(key) = self.by_token.get(&token.0).copied() else {
            return Turn::Drained;
        };
        let Some(open) = self.open.get_mut(&key) else {
            return Turn::Drained;
        };
        let mut truncated = 0_u32;
        let result = open.receiver.receive(&mut self.inbox, |received| {
            if received.truncated {
                truncated += 1;
            } else if let Some(body) = body(&received) {
                take(received.arrived, Input::Packet(Packet { socket: key, body }));
            }
        });
        if truncated > 0 {
            open.complain(
                format_args!("{truncated} packets longer than the MTU dropped"),
                reporter,
            );
        }
        match result {
            Ok(turn) => turn,
            Err(error) => {
                // The interface went down, say. It is reported once by the kernel and is gone with the reading.
                open.complain(&error, reporter);
                Turn::More
            }
        }
    }
}

impl Open {
    fn complain(&mut self, text: impl std::fmt::Display, reporter: &Reporter) {
        if self.errors < LOGGED_ERRORS {
            reporter.info(text);
        }
        self.errors = self.errors.saturating_add(1);
    }
}

fn resize(open: &mut Open, spec: &SocketSpec, reporter: &Reporter) {
    if let Some(bytes) = spec.receive_buffer
        && open.receiver.listen().receive_buffer != Some(bytes)
        && let Err(error) = open.receiver.set_receive_buffer(bytes)
    {
        reporter.error(error);
    }
}

fn body<'a>(received: &Received<'a>) -> Option<Body<'a>> {
    match (received.source, received.destination) {
        (IpAddr::V4(_), IpAddr::V4(_)) => Some(Body::V4(received.bytes)),
        (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Body::V6 {
            source,
            destination,
            hop_limit: received.hop_limit,
            payload: received.bytes,
        }),
        // The kernel does not mix families.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}
