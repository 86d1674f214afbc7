//! How a virtual service chooses a destination, and how packets reach it.

use core::fmt;
use core::num::NonZeroU16;

/// A scheduler of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheduler {
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Weighted least connections.
    Wlc,
    /// Locality-based least connections.
    Lblc,
    /// Locality-based least connections with replication.
    Lblcr,
    /// Source hashing.
    Sh,
    /// Maglev hashing.
    Mh,
    /// Destination hashing.
    Dh,
    /// Weighted fail over.
    Fo,
    /// Weighted overflow.
    Ovf,
    /// Shortest expected delay.
    Sed,
    /// Never queue.
    Nq,
    /// The better of two by chance.
    Twos,
}

impl Scheduler {
    /// All of them.
    pub const ALL: [Scheduler; 14] = [
        Scheduler::Rr,
        Scheduler::Wrr,
        Scheduler::Lc,
        Scheduler::Wlc,
        Scheduler::Lblc,
        Scheduler::Lblcr,
        Scheduler::Sh,
        Scheduler::Mh,
        Scheduler::Dh,
        Scheduler::Fo,
        Scheduler::Ovf,
        Scheduler::Sed,
        Scheduler::Nq,
        Scheduler::Twos,
    ];

    /// The kernel's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheduler::Rr => "rr",
            Scheduler::Wrr => "wrr",
            Scheduler::Lc => "lc",
            Scheduler::Wlc => "wlc",
            Scheduler::Lblc => "lblc",
            Scheduler::Lblcr => "lblcr",
            Scheduler::Sh => "sh",
            Scheduler::Mh => "mh",
            Scheduler::Dh => "dh",
            Scheduler::Fo => "fo",
            Scheduler::Ovf => "ovf",
            Scheduler::Sed => "sed",
            Scheduler::Nq => "nq",
            Scheduler::Twos => "twos",
        }
    }

    /// The scheduler of a name.
    pub fn named(name: &str) -> Option<Scheduler> {
        Scheduler::ALL.into_iter().find(|scheduler| scheduler.as_str() == name)
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

bitflags::bitflags! {
    /// What a scheduler is told besides; the bits are the kernel's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct SchedulerFlags: u32 {
        /// `flag-1`, `sh-fallback`, `mh-fallback`.
        const ONE = 0x0008;
        /// `flag-2`, `sh-port`, `mh-port`.
        const TWO = 0x0010;
        /// `flag-3`.
        const THREE = 0x0020;
    }
}

/// How packets reach a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forwarding {
    /// `NAT`: the destination address is rewritten.
    Nat,
    /// `DR`: sent on with the hardware address of the destination.
    Direct,
    /// `TUN`: inside another packet.
    Tunnel(Tunnel),
}

impl Forwarding {
    /// Whether the destination may be of another family than the service.
    pub const fn crosses_families(self) -> bool {
        match self {
            Forwarding::Tunnel(_) => true,
            Forwarding::Nat | Forwarding::Direct => false,
        }
    }

    /// Whether the destination has a port of its own: only where it is rewritten.
    pub const fn has_port(self) -> bool {
        match self {
            Forwarding::Nat => true,
            Forwarding::Direct | Forwarding::Tunnel(_) => false,
        }
    }
}

/// The packet around a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tunnel {
    /// Its kind.
    pub kind: TunnelKind,
    /// Its checksum; the kernel ignores it for IP in IP, so it is [`Checksum::None`] there.
    pub checksum: Checksum,
}

impl Tunnel {
    /// IP in IP: what `TUN` alone means.
    pub const IPIP: Tunnel = Tunnel {
        kind: TunnelKind::Ipip,
        checksum: Checksum::None,
    };
}

/// Kinds of tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TunnelKind {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation, to this port.
    Gue {
        /// The port of the destination.
        port: NonZeroU16,
    },
    /// GRE.
    Gre,
}

/// Checksums of tunnels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checksum {
    /// `nocsum`.
    #[default]
    None,
    /// `csum`.
    Full,
    /// `remcsum`: left to the destination; GUE only.
    Remote,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheduler_is_found_by_its_name() {
        for scheduler in Scheduler::ALL {
            assert_eq!(Scheduler::named(scheduler.as_str()), Some(scheduler));
        }
        assert_eq!(Scheduler::named("conhash"), None);
    }
}
