//! The sockets of the sessions: compares what the engine wants with what is open.
//!
//! One to send by for each session, one to listen at for each family and port. What cannot be opened is tried again every
//! second; a session that cannot send is told so.

use crate::log::Reporter;
use ::bfd::config::{Hops, Name};
use ::bfd::engine::SocketSpec;
use ::bfd::input::{Input, Packet};
use base::{Family, Instant, Rng};
use linux::reactor::{Interest, Reactor, Token};
use linux::socket::datagram::{DatagramReceiver, DatagramSender, Inbox};
use linux::{SysError, Turn};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

/// Pause before a socket that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Errors of one socket that are logged one by one; the rest are not.
const LOGGED_ERRORS: u32 = 3;

pub(super) struct Sockets {
    senders: BTreeMap<Name, Sender>,
    receivers: BTreeMap<(Family, Hops), Receiver>,
    /// What could not be opened, so that it is logged once.
    failed: BTreeSet<String>,
    retry_at: Option<Instant>,
    next_token: usize,
    inbox: Inbox,
    chance: Rng,
}

struct Sender {
    spec: SocketSpec,
    /// `None`: it could not be opened.
    socket: Option<DatagramSender>,
    /// The last packet was refused.
    refused: bool,
}

struct Receiver {
    socket: DatagramReceiver,
    token: Token,
    errors: u32,
}

impl Sockets {
    pub(super) fn new(first_token: usize, seed: u64) -> Sockets {
        Sockets {
            senders: BTreeMap::new(),
            receivers: BTreeMap::new(),
            failed: BTreeSet::new(),
            retry_at: None,
            next_token: first_token,
            inbox: Inbox::new(),
            // Not the sequence the discriminators come from.
            chance: Rng::from_seed(!seed),
        }
    }

    /// When sockets that failed are to be tried again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Closes what is not wanted, opens what is. Returns what the engine has to know of it.
    pub(super) fn reconcile(
        &mut self,
        now: Instant,
        wanted: &BTreeMap<Name, SocketSpec>,
        listeners: &BTreeSet<(Family, Hops)>,
        reactor: &mut Reactor,
        reporter: &Reporter,
    ) -> Vec<Input<'static>> {
        let mut news = Vec::new();
        let mut failures = BTreeSet::new();
        self.listen(listeners, reactor, reporter, &mut failures);
        self.senders.retain(|name, _| wanted.contains_key(name));
        for (name, spec) in wanted {
            let blocked = self.senders.get(name).map(|sender| sender.socket.is_none());
            if blocked == Some(false) && self.keep(name, spec, reporter) {
                continue;
            }
            let to = SocketAddr::from((spec.neighbor, spec.hops.port()));
            let opened = DatagramSender::open(to, spec.source, spec.ttl, self.chance.next_u64());
            let session = name.clone();
            let socket = match opened {
                Ok(socket) => {
                    if blocked == Some(true) {
                        news.push(Input::SocketOpened { session });
                    }
                    Some(socket)
                }
                Err(error) => {
                    let errno = error.errno().unwrap_or(0);
                    self.complain(&error, &mut failures, reporter);
                    if blocked != Some(true) {
                        news.push(Input::SocketFailed { session, errno });
                    }
                    None
                }
            };
            let sender = Sender {
                spec: *spec,
                socket,
                refused: false,
            };
            self.senders.insert(name.clone(), sender);
        }
        self.retry_at = (!failures.is_empty()).then(|| now.after(RETRY));
        self.failed = failures;
        news
    }

    /// Whether an open socket serves a session as it is now.
    fn keep(&mut self, name: &Name, spec: &SocketSpec, reporter: &Reporter) -> bool {
        let Some(sender) = self.senders.get_mut(name) else {
            return false;
        };
        let same_path = SocketSpec {
            ttl: spec.ttl,
            ..sender.spec
        } == *spec;
        if let (true, Some(socket)) = (same_path && sender.spec.ttl != spec.ttl, &sender.socket)
            && let Err(error) = socket.set_ttl(spec.ttl)
        {
            reporter.error(error);
            return false;
        }
        sender.spec = *spec;
        same_path
    }

    fn listen(
        &mut self,
        wanted: &BTreeSet<(Family, Hops)>,
        reactor: &mut Reactor,
        reporter: &Reporter,
        failures: &mut BTreeSet<String>,
    ) {
        self.receivers.retain(|key, receiver| {
            let keep = wanted.contains(key);
            if !keep && let Err(error) = reactor.deregister(receiver.socket.as_fd(), receiver.token) {
                reporter.error(error);
            }
            keep
        });
        for key in wanted {
            if self.receivers.contains_key(key) {
                continue;
            }
            let (family, hops) = *key;
            let token = Token(self.next_token);
            let opened = DatagramReceiver::open(family, hops.port()).and_then(|socket| {
                reactor.register(socket.as_fd(), token, Interest::Readable)?;
                Ok(socket)
            });
            match opened {
                Ok(socket) => {
                    self.next_token += 1;
                    let errors = 0;
                    self.receivers.insert(*key, Receiver { socket, token, errors });
                }
                Err(error) => self.complain(&error, failures, reporter),
            }
        }
    }

    /// Logs a failure that is new.
    fn complain(&self, error: &SysError, failures: &mut BTreeSet<String>, reporter: &Reporter) {
        let text = error.to_string();
        if !self.failed.contains(&text) {
            reporter.error(&text);
        }
        failures.insert(text);
    }

    /// Sends a packet of a session; what the engine has to know of it.
    pub(super) fn send(&mut self, session: &Name, bytes: &[u8]) -> Option<Input<'static>> {
        let sender = self.senders.get_mut(session)?;
        let result = sender.socket.as_ref()?.send(bytes);
        let refused = result.is_err();
        let before = std::mem::replace(&mut sender.refused, refused);
        let session = session.clone();
        match result {
            Err(errno) => Some(Input::SendFailed { session, errno }),
            Ok(()) if before => Some(Input::SendWorks { session }),
            Ok(()) => None,
        }
    }

    /// Reads packets of the socket with this token, a bounded number, and hands them on.
    pub(super) fn read(&mut self, token: Token, mut take: impl FnMut(Input<'_>), reporter: &Reporter) -> Turn {
        let found = self.receivers.iter_mut().find(|(_, receiver)| receiver.token == token);
        // Closed in this turn: the event is older.
        let Some((&(_, hops), receiver)) = found else {
            return Turn::Drained;
        };
        let result = receiver.socket.receive(&mut self.inbox, |datagram| {
            // A datagram that was cut has another length than it says, and is refused for that.
            take(Input::Packet(Packet {
                hops,
                source: datagram.source,
                destination: datagram.destination,
                ttl: datagram.ttl,
                bytes: datagram.bytes,
            }));
        });
        match result {
            Ok(turn) => turn,
            Err(error) => {
                if receiver.errors < LOGGED_ERRORS {
                    reporter.error(error);
                }
                receiver.errors = receiver.errors.saturating_add(1);
                Turn::More
            }
        }
    }
}
