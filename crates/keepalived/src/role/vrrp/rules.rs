//! Hears when somebody else removes rules of ours from nftables, once there are any.

use super::Role;
use ::vrrp::input::Input;
use base::Instant;
use linux::Turn;
use linux::nft::NftEar;
use linux::reactor::{Interest, Token};
use std::os::fd::AsFd;

/// Reports of nftables.
pub(super) const RULES: Token = Token(10);

impl Role {
    /// Begins to listen with the first rules. Without it they are made anew when a change of them is refused.
    pub(super) fn listen_to_rules(&mut self) {
        if self.rules.is_some() || self.deaf_to_rules || self.effects.filter_place().is_none() {
            return;
        }
        let opened = NftEar::open().and_then(|ear| {
            let registered = self.reactor.register(ear.as_fd(), RULES, Interest::Readable);
            registered.map(|()| ear)
        });
        match opened {
            Ok(ear) => self.rules = Some(ear),
            Err(error) => {
                // Said once: it is not tried with every change.
                self.deaf_to_rules = true;
                self.reporter.error(error);
            }
        }
    }

    /// Reads reports, a bounded number; one word to the engine for all of them.
    pub(super) fn hear_of_rules(&mut self, now: Instant) {
        let (Some(ear), Some((table, port))) = (self.rules.as_mut(), self.effects.filter_place()) else {
            return;
        };
        let mut lost = false;
        match ear.read(table, port, &mut lost) {
            Ok(Turn::Drained) => {}
            Ok(Turn::More) => self.reactor.again(RULES),
            Err(error) => self.reporter.error(error),
        }
        if lost {
            self.engine.handle(now, Input::FilterLost, &mut self.actions);
        }
    }
}
