//! What the wire does to packets.

use crate::action::Advert;
use crate::input::{Body, Packet, SocketKey};
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::{IfName, Rng};
use core::net::IpAddr;
use core::time::Duration;

/// The hop limit of a unicast packet whose sender said none.
const KERNEL_HOP_LIMIT: u8 = 64;
/// The hop limit of the sockets for groups.
const GROUP_HOP_LIMIT: u8 = 255;

/// How packets fare.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) blocked: BTreeSet<(String, String)>,
    pub(super) loss: u8,
    pub(super) duplication: u8,
    pub(super) delay: (Duration, Duration),
}

impl Default for Network {
    fn default() -> Network {
        Network {
            blocked: BTreeSet::new(),
            loss: 0,
            duplication: 0,
            delay: (Duration::from_micros(50), Duration::from_micros(150)),
        }
    }
}

impl Network {
    /// How long a packet takes.
    pub(super) fn pause(&self, rng: &mut Rng) -> Duration {
        let (shortest, longest) = self.delay;
        let span = u64::try_from((longest - shortest).as_micros()).unwrap_or(u64::MAX);
        shortest + Duration::from_micros(rng.below(span + 1))
    }

    /// How long each copy of a packet takes; none if it is lost.
    pub(super) fn fates(&self, rng: &mut Rng, from: &str, to: &str) -> Vec<Duration> {
        let lost = rng.percent(self.loss);
        let copies = if rng.percent(self.duplication) { 2 } else { 1 };
        if lost || self.blocked.contains(&(from.to_string(), to.to_string())) {
            return Vec::new();
        }
        (0..copies).map(|_| self.pause(rng)).collect()
    }
}

/// A packet on its way to one router.
#[derive(Clone, Debug)]
pub(super) struct Arriving {
    pub(super) to: String,
    pub(super) interface: Option<IfName>,
    pub(super) protocol: u8,
    pub(super) destination: IpAddr,
    source: IpAddr,
    hop_limit: u8,
    bytes: Vec<u8>,
}

impl Arriving {
    pub(super) fn new(to: &str, interface: Option<IfName>, advert: &Advert) -> Arriving {
        let default = if advert.multicast {
            GROUP_HOP_LIMIT
        } else {
            KERNEL_HOP_LIMIT
        };
        Arriving {
            to: to.to_string(),
            interface,
            protocol: advert.protocol,
            destination: advert.destination,
            source: advert.source,
            hop_limit: advert.hop_limit.unwrap_or(default),
            bytes: advert.bytes.clone(),
        }
    }

    /// As a raw socket gives it.
    pub(super) fn packet(&self, socket: SocketKey) -> Packet<'_> {
        let body = match (self.source, self.destination) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => Body::V6 {
                source,
                destination,
                hop_limit: self.hop_limit,
                payload: &self.bytes,
            },
            (IpAddr::V4(_) | IpAddr::V6(_), _) => Body::V4(&self.bytes),
        };
        Packet { socket, body }
    }
}
