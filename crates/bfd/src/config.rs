//! The validated model of a session.
//!
//! A [`Config`] that exists is valid: the only way to make one is [`crate::draft::Draft::finish`].

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;
use core::net::IpAddr;
use core::num::NonZeroU8;
use core::time::Duration;

/// The longest name of a session, in bytes.
pub const NAME_MAX: usize = 31;

/// The name of a session: its identity across reloads, in logs and for whoever tracks it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name(Arc::from(text))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Everything the bfd role runs, and what others have to know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The sessions by name.
    pub sessions: BTreeMap<Name, Arc<Config>>,
}

/// How far away the neighbour is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hops {
    /// On the segment (RFC 5881).
    Single,
    /// Anywhere (RFC 5883).
    Multi,
}

impl Hops {
    /// The UDP port packets are sent to.
    pub const fn port(self) -> u16 {
        match self {
            Hops::Single => 3784,
            Hops::Multi => 4784,
        }
    }
}

/// Who wants to hear of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Audience {
    /// Virtual routers (`track_bfd`).
    pub vrrp: bool,
    /// Health checks (`BFD_CHECK`).
    pub checker: bool,
}

/// One session, valid.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Its name.
    pub name: Name,
    /// The address of the other end.
    pub neighbor: IpAddr,
    /// Our address, of the same family; `None`: as the kernel chooses.
    pub source: Option<IpAddr>,
    /// On the segment or further away.
    pub hops: Hops,
    /// Required minimum receive interval: we do not want to hear more often. 1 ms to 4294967 ms.
    pub min_rx: Duration,
    /// Desired minimum transmit interval while the session is up. 1 ms to 4294967 ms.
    pub min_tx: Duration,
    /// The same while it is not. At least 1 s (RFC 5880 section 6.8.3).
    pub idle_tx: Duration,
    /// How many of our packets the other end may miss.
    pub multiplier: NonZeroU8,
    /// Says nothing before it has heard something.
    pub passive: bool,
    /// The TTL or hop limit of our packets.
    pub ttl: u8,
    /// The least TTL or hop limit a packet may arrive with; 0: any.
    pub least_ttl: u8,
    /// Who hears of it.
    pub audience: Audience,
}

impl Config {
    /// Whether a session can go on with this configuration in the place of `other`: it talks to the same other end
    /// in the same way. Everything else changes in place, intervals by a poll sequence.
    pub fn same_path(&self, other: &Config) -> bool {
        self.neighbor == other.neighbor && self.source == other.source && self.hops == other.hops
    }
}
