//! Channels between roles: the bfd role tells those that track its sessions without the supervisor in between.
//!
//! Whenever one end is started, both get a new channel: the one that tells begins with everything it knows. What is said
//! on them is not known here. A channel that cannot be had now (no descriptors, a role that does not read) is tried again:
//! without it a role would believe the last word on a session for ever.

use super::Supervisor;
use crate::ipc::{self, ToRole};
use crate::role::Kind;
use base::Instant;
use linux::SysError;
use linux::ipc::{Channel, Sent};
use linux::process;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// When joining is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Roles that are to be joined again, and when.
#[derive(Debug, Default)]
pub(super) struct Unjoined {
    roles: BTreeSet<Kind>,
    pub(super) at: Option<Instant>,
}

impl Supervisor {
    /// Gives a role that has just been started its channels.
    pub(super) fn join(&mut self, started: Kind) {
        let others: &[Kind] = match started {
            Kind::Bfd => &[Kind::Vrrp, Kind::Check],
            Kind::Vrrp | Kind::Check => &[Kind::Bfd],
            Kind::Manage => &[],
        };
        for other in others {
            if self.channel_of(*other).is_some() {
                let joined = self.connect(started, *other);
                if joined.is_err() {
                    self.join_later(started);
                }
                self.report(joined);
            }
        }
    }

    /// A role could not be given a channel, or could not take it.
    pub(super) fn join_later(&mut self, kind: Kind) {
        self.unjoined.roles.insert(kind);
        self.unjoined.at.get_or_insert(process::monotonic().after(AGAIN));
    }

    /// Joins those again that could not be joined, when it is time.
    pub(super) fn join_again(&mut self, now: Instant) {
        if self.unjoined.at.take_if(|at| *at <= now).is_some() {
            for kind in std::mem::take(&mut self.unjoined.roles) {
                self.join(kind);
            }
        }
    }

    fn connect(&self, one: Kind, other: Kind) -> Result<(), SysError> {
        let (near, far) = Channel::pair()?;
        for (role, with, end) in [(one, other, near), (other, one, far)] {
            let Some(channel) = self.channel_of(role) else { continue };
            match channel.send(&ipc::encode(&ToRole::Link { with })?, &[end.as_fd()])? {
                // One that is gone is started again, and joined then.
                Sent::Done | Sent::Closed => {}
                Sent::Full => {
                    let error = io::Error::other("it does not read");
                    return Err(SysError::new(
                        "join roles",
                        format_args!("{} {}", role.word(), with.word()),
                        error,
                    ));
                }
            }
        }
        Ok(())
    }

    fn channel_of(&self, kind: Kind) -> Option<&Channel> {
        let child = self.children.iter().find(|child| child.kind == kind)?;
        child
            .running()
            .filter(|running| running.stopping.is_none() && !running.closed)
            .map(|running| &running.channel)
    }
}
