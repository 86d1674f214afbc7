//! What the role hears from elsewhere: BFD sessions, and addresses of this machine for `ha_suspend`.

use super::Role;
use super::wait::Watched;
use base::{Family, Instant};
use director::Input;
use linux::interface::Mirror;
use linux::ipc::Channel;
use linux::{SysError, Turn};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Turns in which news is read before others get one.
const TURNS: usize = 64;

/// The addresses of this machine.
pub(super) struct Addresses {
    mirror: Mirror,
    watched: Watched,
}

impl Addresses {
    fn open() -> Result<Addresses, SysError> {
        let mirror = Mirror::open()?;
        let watched = Watched::new(&mirror)?;
        Ok(Addresses { mirror, watched })
    }

    pub(super) const fn watched(&self) -> &Watched {
        &self.watched
    }

    fn all(&self) -> BTreeSet<IpAddr> {
        let of = |index| {
            let families = [Family::V4, Family::V6].into_iter();
            families.flat_map(move |family| self.mirror.addresses(index, family))
        };
        let addresses = self.mirror.links().flat_map(|link| of(link.index));
        addresses.map(|address| address.prefix.address()).collect()
    }
}

impl Role {
    /// Watches the addresses of this machine if anything depends on them.
    pub(super) fn watch_addresses(&mut self, now: Instant) {
        if !self.engine.wants_addresses() {
            self.addresses = None;
            return;
        }
        if self.addresses.is_none() {
            match Addresses::open() {
                Ok(addresses) => self.addresses = Some(addresses),
                Err(error) => return self.reporter.error(error),
            }
        }
        if let (Some(addresses), Some(buffer)) = (&self.addresses, self.servers.netlink_monitor_buffer)
            && let Err(error) = addresses.mirror.reserve(buffer.bytes)
        {
            self.reporter.error(error);
        }
        self.tell_addresses(now);
    }

    fn tell_addresses(&mut self, now: Instant) {
        if let Some(addresses) = &self.addresses {
            let input = Input::Addresses(addresses.all());
            self.engine.handle(now, input, &mut self.actions);
        }
    }

    /// Reads news of addresses.
    pub(super) fn hear_of_addresses(&mut self, now: Instant) {
        let Some(addresses) = &mut self.addresses else { return };
        let mut changes = Vec::new();
        for _ in 0..TURNS {
            let turn = addresses.mirror.read(&mut changes);
            if let Err(error) = &turn {
                self.reporter.error(error);
            }
            if Watched::drained(&turn) || turn.is_err() {
                break;
            }
        }
        if !changes.is_empty() {
            self.tell_addresses(now);
        }
    }

    /// The bfd role has been started (again): from now on there is news of its sessions here.
    pub(super) fn listen_to_sessions(&mut self, now: Instant, channel: Channel) {
        drop(self.sessions.replace(channel));
        self.session_source = self.sessions.source().and_then(|fd| match Watched::new(&fd) {
            Ok(watched) => Some(watched),
            Err(error) => {
                // It is read with every turn, the longest of which is a second.
                self.reporter.error(error);
                None
            }
        });
        self.hear_of_sessions(now);
    }

    /// Reads news of BFD sessions.
    pub(super) fn hear_of_sessions(&mut self, now: Instant) {
        let (engine, actions, source) = (&mut self.engine, &mut self.actions, &mut self.session_source);
        for _ in 0..TURNS {
            let changed = |name: &str, up: bool| engine.handle(now, Input::Session { name, up }, actions);
            match self.sessions.read(changed, |_| *source = None) {
                Ok(Turn::Drained) => return,
                Ok(Turn::More) => {}
                Err(error) => self.reporter.error(error),
            }
        }
    }
}
