//! Bytes on the wire and the values they stand for (`spec/vrrp-behaviour.md` 2).
//!
//! Reading is total: every sequence of bytes gives a value or a [`Malformed`]. Numbers become words here and
//! nowhere else: priority 0 is [`Claim::Resigning`], centiseconds are a `Duration`. What these modules
//! deliberately do not know: which packets an instance believes (that is `receive`), and what follows from one.

pub mod auth;
pub mod checksum;
pub mod hmac;
pub mod ipv4;
pub mod v2;
pub mod v3;

use crate::config::{Priority, Vrid};
use alloc::vec::Vec;
use base::Family;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;
use core::time::Duration;

/// Bytes of the header that both versions share.
pub const HEADER_LEN: usize = 8;
/// The only packet type there is.
pub const ADVERTISEMENT: u8 = 1;
/// The protocol number of VRRP.
pub const PROTOCOL: u8 = 112;
/// The protocol number of the authentication header.
pub const PROTOCOL_AH: u8 = 51;
/// Where the checksum stands in a VRRP message.
pub const CHECKSUM_OFFSET: usize = 6;

/// What an advertisement says about its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Priority 0: it stops.
    Resigning,
    /// It holds the addresses with this priority.
    Holds(Priority),
}

impl Claim {
    /// The byte on the wire.
    pub const fn to_byte(self) -> u8 {
        match self {
            Claim::Resigning => 0,
            Claim::Holds(priority) => priority.get(),
        }
    }

    /// The claim a byte stands for.
    pub const fn from_byte(byte: u8) -> Claim {
        match Priority::new(byte) {
            None => Claim::Resigning,
            Some(priority) => Claim::Holds(priority),
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_byte().fmt(f)
    }
}

/// Why bytes are not an advertisement. Never a reason to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its own headers.
    Truncated,
    /// Not a version this reader knows.
    UnknownVersion(u8),
    /// Not the one type there is.
    NotAnAdvertisement(u8),
    /// Virtual router 0 does not exist.
    NoVirtualRouter,
    /// Not as long as its number of addresses says.
    Length {
        /// Bytes there are.
        got: usize,
        /// Bytes there should be.
        expected: usize,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Truncated => f.write_str("truncated"),
            Malformed::UnknownVersion(version) => write!(f, "unknown version {version}"),
            Malformed::NotAnAdvertisement(kind) => write!(f, "not an advertisement but type {kind}"),
            Malformed::NoVirtualRouter => f.write_str("virtual router 0"),
            Malformed::Length { got, expected } => write!(f, "{got} bytes instead of {expected}"),
        }
    }
}

/// The first eight bytes, unjudged: the receive checks have an order of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// High nibble of the first byte.
    pub version: u8,
    /// Low nibble of the first byte.
    pub kind: u8,
    /// Virtual router.
    pub vrid: u8,
    /// Priority.
    pub priority: u8,
    /// Number of addresses.
    pub count: u8,
    /// Version 2: authentication type and seconds. Version 3: centiseconds.
    pub word: [u8; 2],
    /// As received.
    pub checksum: u16,
}

impl Head {
    /// Reads the header; the rest of the bytes comes back beside it.
    pub fn read(bytes: &[u8]) -> Option<(Head, &[u8])> {
        let (&[first, vrid, priority, count, a, b, c, d], rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let head = Head {
            version: first >> 4,
            kind: first & 0x0f,
            vrid,
            priority,
            count,
            word: [a, b],
            checksum: u16::from_be_bytes([c, d]),
        };
        Some((head, rest))
    }

    /// Writes the header with a checksum of zero.
    pub fn write(&self, out: &mut Vec<u8>) {
        let [a, b] = self.word;
        out.extend_from_slice(&[
            self.version << 4 | (self.kind & 0x0f),
            self.vrid,
            self.priority,
            self.count,
            a,
            b,
            0,
            0,
        ]);
    }

    /// The interval a version 3 header carries: 12 bits of centiseconds, the reserved bits ignored.
    pub fn centiseconds(&self) -> u16 {
        u16::from_be_bytes(self.word) & 0x0fff
    }
}

/// What both versions say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Virtual router.
    pub vrid: Vrid,
    /// The sender's claim.
    pub claim: Claim,
    /// The sender's interval.
    pub interval: Duration,
    /// The addresses, all of one family.
    pub addresses: Vec<IpAddr>,
}

/// Bytes of an address on the wire.
pub const fn address_len(family: Family) -> usize {
    match family {
        Family::V4 => 4,
        Family::V6 => 16,
    }
}

/// Appends an address as it stands on the wire.
pub fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(a) => out.extend_from_slice(&a.octets()),
        IpAddr::V6(a) => out.extend_from_slice(&a.octets()),
    }
}

/// The addresses in `bytes`; a trailing part of an address is left out.
pub fn read_addresses(bytes: &[u8], family: Family) -> Vec<IpAddr> {
    match family {
        Family::V4 => {
            let (chunks, _) = bytes.as_chunks::<4>();
            chunks.iter().map(|c| IpAddr::V4(Ipv4Addr::from(*c))).collect()
        }
        Family::V6 => {
            let (chunks, _) = bytes.as_chunks::<16>();
            chunks.iter().map(|c| IpAddr::V6(Ipv6Addr::from(*c))).collect()
        }
    }
}

fn checked_head(bytes: &[u8], version: u8) -> Result<(Head, Vrid, &[u8]), Malformed> {
    let (head, rest) = Head::read(bytes).ok_or(Malformed::Truncated)?;
    if head.version != version {
        return Err(Malformed::UnknownVersion(head.version));
    }
    if head.kind != ADVERTISEMENT {
        return Err(Malformed::NotAnAdvertisement(head.kind));
    }
    let vrid = NonZeroU8::new(head.vrid).ok_or(Malformed::NoVirtualRouter)?;
    Ok((head, Vrid(vrid), rest))
}
