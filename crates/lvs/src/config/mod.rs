//! The validated model of virtual servers, and the settings all of them share.
//!
//! A [`Service`] that exists is valid: the only way to make one is [`crate::draft::ServiceDraft::finish`].

mod forwarding;
mod group;
mod key;
mod settings;

pub use forwarding::{Checksum, Forwarding, Scheduler, SchedulerFlags, Tunnel, TunnelKind};
pub use group::{Entry, Group, GroupFamilies, Range, Summary};
pub use key::{Endpoint, GroupName, Key, Named, Protocol, Target};
pub use settings::{FlushOnStop, Namespace, Nftables, Settings, SyncDaemon, Timeouts};

use alloc::sync::Arc;
use alloc::vec::Vec;
use base::Family;
use core::num::NonZeroU32;

/// The largest weight the kernel takes: 2^31 - 1.
pub const WEIGHT_MAX: u32 = i32::MAX as u32;

/// The longest persistence, in seconds: 31 days, the kernel's limit.
pub const PERSISTENCE_MAX: u32 = 31 * 24 * 60 * 60;

/// Persistence in seconds when it is wanted and no time is given.
pub const PERSISTENCE_DEFAULT: u32 = 360;

/// A virtual server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Which one it is.
    pub key: Key,
    /// What it carries; `None` if only marks decide.
    pub protocol: Option<Protocol>,
    /// The family of its addresses and marks; `None`: a group of both families.
    pub family: Option<Family>,
    /// `lb_algo`.
    pub scheduler: Scheduler,
    /// `flag-1` and the like.
    pub flags: SchedulerFlags,
    /// `ops`: every datagram is scheduled for itself.
    pub one_packet: bool,
    /// `persistence_timeout` in seconds; `None`: not persistent.
    pub persistence: Option<NonZeroU32>,
    /// `persistence_granularity`; `None`: each client for itself.
    pub granularity: Option<Granularity>,
    /// `persistence_engine`.
    pub engine: Option<Arc<str>>,
    /// `quorum`: the least total weight of real servers that are up; at least 1.
    pub quorum: NonZeroU32,
    /// `hysteresis`, below the quorum.
    pub hysteresis: u32,
    /// `omega`: stopping notifies as if everything had gone down.
    pub omega: bool,
    /// `ha_suspend`: checks rest while the address is not on this machine.
    pub ha_suspend: bool,
    /// `smtp_alert`; `None`: as the settings say, else no.
    pub smtp_alert: Option<bool>,
    /// `snmp_name`.
    pub snmp_name: Option<Arc<str>>,
    /// The real servers in the order of the configuration; no two with the same endpoint.
    pub reals: Vec<Real>,
    /// `sorry_server`.
    pub sorry: Option<Sorry>,
}

impl Service {
    /// The name of a server of this service, as logs, FIFOs and mails have it.
    pub fn named(&self, at: Endpoint) -> Named {
        Named::of(at, self.protocol)
    }

    /// Whether quorum changes are told by mail.
    pub fn alerts(&self, settings: &Settings) -> bool {
        self.smtp_alert.or(settings.smtp_alert).unwrap_or(false)
    }
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Real {
    /// Where it is; port 0: that of the service.
    pub at: Endpoint,
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// `weight`: 0 to [`WEIGHT_MAX`].
    pub weight: u32,
    /// `uthreshold`: connections above which it gets no new ones; 0: none.
    pub upper_threshold: u32,
    /// `lthreshold`: connections below which it gets new ones again; 0: none.
    pub lower_threshold: u32,
    /// `inhibit_on_failure`: while it is down it stays, with weight 0.
    pub inhibit_on_failure: bool,
    /// `smtp_alert`; `None`: as the settings say, else yes.
    pub smtp_alert: Option<bool>,
    /// `snmp_name`.
    pub snmp_name: Option<Arc<str>>,
}

impl Real {
    /// Whether changes of its state are told by mail.
    pub fn alerts(&self, settings: &Settings) -> bool {
        self.smtp_alert.or(settings.smtp_alert).unwrap_or(true)
    }
}

/// The server that answers when there is no quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorry {
    /// Where it is; port 0: that of the service.
    pub at: Endpoint,
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// `sorry_server_inhibit`: while it is not needed it stays, with weight 0.
    pub inhibit: bool,
}

/// Which clients persistence takes for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Granularity {
    /// Those whose addresses are equal under this mask; it may have holes.
    V4(u32),
    /// Those whose addresses begin with the same bits, 1 to 128.
    V6(u8),
}

impl Granularity {
    /// The family of the clients.
    pub const fn family(self) -> Family {
        match self {
            Granularity::V4(_) => Family::V4,
            Granularity::V6(_) => Family::V6,
        }
    }
}
