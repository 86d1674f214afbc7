//! Why packets are refused, in upstream's words.
//!
//! Deliberately does not know when to say it: `receive` says each complaint once.

use super::{UNROUTED, version_number};
use crate::config::Version;
use crate::wire::ADVERTISEMENT;
use core::fmt;
use core::net::IpAddr;

/// Why a packet is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    AhNotConfigured,
    AhMissing,
    Length { got: usize, expected: usize },
    Ttl(u8),
    Version { got: u8, ours: u8 },
    UnknownAuth(u8),
    OtherAuth { got: u8, ours: u8 },
    Password,
    Digest,
    Spi { got: u32, expected: u32 },
    Replay { got: u32, last: u32 },
    Interval { ours: u64, theirs: u8 },
    Kind(u8),
    TotalLength { said: usize, got: usize },
    Checksum(Version),
    Destination { multicast: bool },
    WeAreOwner,
    NotAPeer,
    PeerTtl { got: u8, min: u8, max: u8 },
    TrailerMissing,
    TrailerMalformed,
    TrailerKey(u8),
    TrailerCode,
    TrailerStale { skew: u32, window: u32 },
    TrailerReplayed,
}

/// The complaints that are said once each, as bits of what was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remark {
    AhNotConfigured,
    AhMissing,
    Length,
    Ttl,
    Version,
    AuthType,
    Password,
    Digest,
    Spi,
    Replay,
    Interval,
    Kind,
    TotalLength,
    Checksum,
    Destination,
    WeAreOwner,
    NotAPeer,
    PeerTtl,
    OtherInterval,
    AddressCount,
    AddressMissing,
    SendFailed,
    TrailerMissing,
    TrailerMalformed,
    TrailerKey,
    TrailerCode,
    TrailerStale,
    TrailerReplayed,
    TrailerSkew,
}

impl Rejected {
    pub(super) fn remark(self) -> Remark {
        match self {
            Rejected::AhNotConfigured => Remark::AhNotConfigured,
            Rejected::AhMissing => Remark::AhMissing,
            Rejected::Length { .. } => Remark::Length,
            Rejected::Ttl(_) => Remark::Ttl,
            Rejected::Version { .. } => Remark::Version,
            Rejected::UnknownAuth(_) | Rejected::OtherAuth { .. } => Remark::AuthType,
            Rejected::Password => Remark::Password,
            Rejected::Digest => Remark::Digest,
            Rejected::Spi { .. } => Remark::Spi,
            Rejected::Replay { .. } => Remark::Replay,
            Rejected::Interval { .. } => Remark::Interval,
            Rejected::Kind(_) => Remark::Kind,
            Rejected::TotalLength { .. } => Remark::TotalLength,
            Rejected::Checksum(_) => Remark::Checksum,
            Rejected::Destination { .. } => Remark::Destination,
            Rejected::WeAreOwner => Remark::WeAreOwner,
            Rejected::NotAPeer => Remark::NotAPeer,
            Rejected::PeerTtl { .. } => Remark::PeerTtl,
            Rejected::TrailerMissing => Remark::TrailerMissing,
            Rejected::TrailerMalformed => Remark::TrailerMalformed,
            Rejected::TrailerKey(_) => Remark::TrailerKey,
            Rejected::TrailerCode => Remark::TrailerCode,
            Rejected::TrailerStale { .. } => Remark::TrailerStale,
            Rejected::TrailerReplayed => Remark::TrailerReplayed,
        }
    }
}

/// A rejection in upstream's words.
pub(super) struct Complaint {
    pub(super) rejected: Rejected,
    pub(super) source: IpAddr,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let a = self.source;
        match self.rejected {
            Rejected::AhNotConfigured => write!(f, "Received AH header but auth type not AH from {a}"),
            Rejected::AhMissing => write!(f, "No AH header but auth type is AH from {a}"),
            Rejected::Length { got, expected } => {
                let word = if got > expected { "long" } else { "short" };
                write!(f, "vrrp packet from {a} too {word}, length {got} and expect {expected}")
            }
            Rejected::Ttl(ttl) => write!(f, "invalid TTL/HL from {a}. Received {ttl} and expect {UNROUTED}"),
            Rejected::Version { got, ours } => {
                write!(f, "wrong VRRP version from {a}. Received {got} and expect {ours}")
            }
            Rejected::UnknownAuth(kind) => write!(f, "Invalid auth type from {a}: {kind}"),
            Rejected::OtherAuth { got, ours } => write!(f, "received a {got} auth from {a}, expecting {ours}!"),
            Rejected::Password => write!(f, "received an invalid passwd from {a}!"),
            Rejected::Digest => write!(
                f,
                "IPSEC-AH : invalid IPSEC HMAC-MD5 value from {a}. Due to fields mutation or bad password !"
            ),
            Rejected::Spi { got, expected } => {
                write!(
                    f,
                    "IPSEC AH : invalid IPSEC SPI value from {a}. {got} and expect {expected}"
                )
            }
            Rejected::Replay { got, last } => write!(
                f,
                "IPSEC-AH : sequence number {got} from {a} already processed. Packet dropped. Local({last})"
            ),
            Rejected::Interval { ours, theirs } => write!(
                f,
                "advertisement interval mismatch with {a} mine={ours} sec rcv'd={theirs} sec"
            ),
            Rejected::Kind(kind) => write!(f, "Invalid packet type from {a}. {kind} and expect {ADVERTISEMENT}"),
            Rejected::TotalLength { said, got } => write!(
                f,
                "ip_tot_len mismatch against received length from {a}. {said} and received {got}"
            ),
            Rejected::Checksum(version) => {
                write!(f, "Invalid VRRPv{} checksum from {a}", version_number(version))
            }
            Rejected::Destination { multicast } => {
                let (expected, received) = if multicast { ("uni", "multi") } else { ("multi", "uni") };
                write!(
                    f,
                    "Expected {expected}cast packet but received {received}cast packet from {a}"
                )
            }
            Rejected::WeAreOwner => write!(f, "Dropping packet(s) from {a} since we are address owner"),
            Rejected::NotAPeer => write!(f, "unicast source address {a} not a unicast peer"),
            Rejected::TrailerMissing => write!(f, "missing authentication trailer from {a}"),
            Rejected::TrailerMalformed => write!(f, "malformed authentication trailer from {a}"),
            Rejected::TrailerKey(key) => write!(f, "unknown authentication key id {key} from {a}"),
            Rejected::TrailerCode => write!(f, "invalid authentication HMAC from {a}"),
            Rejected::TrailerStale { skew, window } => write!(
                f,
                "stale authentication trailer from {a}, clock skew {skew} sec exceeds window {window} sec"
            ),
            Rejected::TrailerReplayed => write!(f, "replayed authentication trailer from {a}"),
            Rejected::PeerTtl { got, min, max } => write!(f, "TTL/HL {got} from {a} not in range [{min}, {max}]"),
        }
    }
}
