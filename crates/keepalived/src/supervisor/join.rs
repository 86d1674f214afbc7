//! Channels between roles: the bfd role tells those that track its sessions without the supervisor in between.
//!
//! Whenever one end is started, both get a new channel: the one that tells begins with everything it knows. What is said
//! on them is not known here.

use super::Supervisor;
use crate::ipc::{self, ToRole};
use crate::role::Kind;
use linux::SysError;
use linux::ipc::{Channel, Sent};
use std::io;
use std::os::fd::AsFd;

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
                self.report(joined);
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
