//! What the bfd role says of its sessions, on its way to the engine.

use super::{Role, SESSIONS};
use crate::log::Level;
use ::vrrp::config::Name;
use ::vrrp::input::Input;
use base::Instant;
use linux::ipc::Channel;
use linux::reactor::Interest;
use std::os::fd::AsFd;

impl Role {
    /// The bfd role has been started (again): from now on there is news of its sessions here.
    pub(super) fn listen_to_sessions(&mut self, now: Instant, channel: Channel) {
        let before = self.sessions.replace(channel);
        let left = before.map_or(Ok(()), |before| self.reactor.deregister(before.as_fd(), SESSIONS));
        let source = self.sessions.source();
        let found = source.map_or(Ok(()), |fd| self.reactor.register(fd, SESSIONS, Interest::Readable));
        for error in [left, found].into_iter().filter_map(Result::err) {
            self.reporter.error(error);
        }
        // What came before it was watched.
        self.hear_of_sessions(now);
    }

    /// Tells the engine what is known of every session: it may track some that it did not track before.
    pub(super) fn repeat_sessions(&mut self, now: Instant) {
        for (session, up) in self.sessions.known() {
            let name = Name::from(session);
            self.engine.handle(now, Input::BfdState { name, up }, &mut self.actions);
        }
    }

    /// Reads news of BFD sessions.
    pub(super) fn hear_of_sessions(&mut self, now: Instant) {
        let (reactor, reporter, stopping) = (&mut self.reactor, &self.reporter, self.stopping);
        let (engine, actions) = (&mut self.engine, &mut self.actions);
        let changed = |session: &str, up: bool| {
            let name = Name::from(session);
            engine.handle(now, Input::BfdState { name, up }, actions);
        };
        let closed = |channel: Channel| {
            if let Err(error) = reactor.deregister(channel.as_fd(), SESSIONS) {
                reporter.error(error);
            }
            if !stopping {
                reporter.say(
                    Level::Warning,
                    "The BFD process is gone: its sessions count as they were",
                );
            }
        };
        match self.sessions.read(changed, closed) {
            Ok(linux::Turn::Drained) => {}
            Ok(linux::Turn::More) => self.reactor.again(SESSIONS),
            Err(error) => {
                self.reporter.error(error);
                self.reactor.again(SESSIONS);
            }
        }
    }
}
