//! The authentication trailer: HMAC-SHA-256 truncated to 128 bits behind an advert (`spec/vrrp-behaviour.md` 2.7).
//!
//! Decides the bytes of the trailer and what is signed. Deliberately does not know keys' names, clocks, or which
//! stamps were seen before: that is `trailer` and `receive`.

use super::{CHECKSUM_OFFSET, Malformed};
use alloc::vec::Vec;
use core::net::IpAddr;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Bytes of the trailer.
pub const LEN: usize = 28;
/// The only type of extension there is: HMAC-SHA-256 truncated to 128 bits.
pub const TYPE: u8 = 1;
/// Bytes of the trailer that are signed as they are; the code follows them.
const SIGNED_LEN: usize = 12;
/// Bytes of the code.
const CODE_LEN: usize = LEN - SIGNED_LEN;

/// When an advert was signed: seconds of wall time (UTC, 32 bits), 1/65536 of a second, and a counter for adverts signed
/// within one such fraction, from high to low in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The stamp of a wall time given in microseconds since 1970, the counter at zero.
    pub const fn at(micros: u64) -> Stamp {
        let seconds = micros / 1_000_000;
        let fraction = (micros % 1_000_000) * 65_536 / 1_000_000;
        Stamp(seconds << 32 | fraction << 16)
    }

    /// The seconds.
    pub const fn seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether this stamp is later than another, in the arithmetic of serial numbers (RFC 1982 section 3.2): the
    /// seconds of wall time run over in 2106.
    pub const fn is_after(self, other: Stamp) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }

    /// The next stamp, for when the clock shows none that is later.
    #[must_use]
    pub const fn next(self) -> Stamp {
        Stamp(self.0.wrapping_add(1))
    }

    /// By how many seconds this stamp is ahead of another; negative if it is behind.
    pub const fn ahead_of(self, other: Stamp) -> i32 {
        self.seconds().wrapping_sub(other.seconds()).cast_signed()
    }
}

/// A trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// What kind of extension it is.
    pub kind: u8,
    /// Which key signed it.
    pub key: u8,
    /// Zero.
    pub reserved: u16,
    /// When it was signed.
    pub stamp: Stamp,
    /// The code.
    pub code: [u8; CODE_LEN],
}

impl Trailer {
    /// A trailer to be signed.
    pub const fn unsigned(key: u8, stamp: Stamp) -> Trailer {
        Trailer {
            kind: TYPE,
            key,
            reserved: 0,
            stamp,
            code: [0; CODE_LEN],
        }
    }

    /// Reads a trailer of exactly its length.
    pub fn parse(bytes: &[u8]) -> Result<Trailer, Malformed> {
        let (head, code) = bytes.split_first_chunk::<SIGNED_LEN>().ok_or(Malformed::Truncated)?;
        let code = <[u8; CODE_LEN]>::try_from(code).map_err(|_| Malformed::Length {
            got: bytes.len(),
            expected: LEN,
        })?;
        let &[kind, key, r0, r1, s0, s1, s2, s3, f0, f1, c0, c1] = head;
        Ok(Trailer {
            kind,
            key,
            reserved: u16::from_be_bytes([r0, r1]),
            stamp: Stamp(u64::from_be_bytes([s0, s1, s2, s3, f0, f1, c0, c1])),
            code,
        })
    }

    /// The bytes.
    pub fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let parts = self.signed().into_iter().chain(self.code);
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = from;
        }
        bytes
    }

    fn signed(self) -> [u8; SIGNED_LEN] {
        let [r0, r1] = self.reserved.to_be_bytes();
        let [s0, s1, s2, s3, f0, f1, c0, c1] = self.stamp.0.to_be_bytes();
        [self.kind, self.key, r0, r1, s0, s1, s2, s3, f0, f1, c0, c1]
    }

    /// This trailer with the code that belongs to it.
    #[must_use]
    pub fn sign(self, key: &[u8], source: IpAddr, message: &[u8]) -> Trailer {
        Trailer {
            code: self.code_for(key, source, message),
            ..self
        }
    }

    /// Whether the code was made with this key for this sender and message; compared in constant time.
    pub fn verifies(self, key: &[u8], source: IpAddr, message: &[u8]) -> bool {
        self.code.ct_eq(&self.code_for(key, source, message)).into()
    }

    /// The code over a pseudo header (without the destination: one signature serves all peers), the message without
    /// its checksum, this trailer, and zeros in place of the code.
    fn code_for(self, key: &[u8], source: IpAddr, message: &[u8]) -> [u8; CODE_LEN] {
        let mut code = [0; CODE_LEN];
        // HMAC takes keys of every length, so there is always a code.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
            mac.update(&pseudo_header(source, message));
            let (head, rest) = message.split_at(message.len().min(CHECKSUM_OFFSET));
            mac.update(head);
            mac.update(&[0, 0]);
            mac.update(rest.get(2..).unwrap_or_default());
            mac.update(&self.signed());
            mac.update(&[0; CODE_LEN]);
            let digest = mac.finalize().into_bytes();
            for (to, from) in code.iter_mut().zip(digest) {
                *to = from;
            }
        }
        code
    }
}

/// Family, version and virtual router, and the sender padded to 16 bytes.
fn pseudo_header(source: IpAddr, message: &[u8]) -> Vec<u8> {
    let (family, octets) = match source {
        IpAddr::V4(address) => (4, {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }),
        IpAddr::V6(address) => (6, address.octets()),
    };
    let version = message.first().map_or(0, |first| first >> 4);
    let vrid = message.get(1).copied().unwrap_or(0);
    let mut header = Vec::with_capacity(20);
    header.extend_from_slice(&[family, version, vrid, 0]);
    header.extend_from_slice(&octets);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAMP: Stamp = Stamp(0x6800_0000_8000_0000);

    fn key() -> Vec<u8> {
        (0..32).collect()
    }

    fn hex(digits: &str) -> Vec<u8> {
        let pairs = digits.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// The published examples: sender, message, trailer.
    fn samples() -> [(IpAddr, Vec<u8>, Vec<u8>); 2] {
        [
            (
                "198.51.100.10".parse().unwrap(),
                hex("3133c80100644402c0000264"),
                hex("0101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265"),
            ),
            (
                "fe80::10".parse().unwrap(),
                hex("3133c8010064a2e9fe800000000000000000000000000100"),
                hex("010100006800000080000000c8c56146ebfd66ee10ec4d8186461b78"),
            ),
        ]
    }

    #[test]
    fn the_published_examples_are_signed_the_same() {
        for (source, message, trailer) in samples() {
            let ours = Trailer::unsigned(1, STAMP).sign(&key(), source, &message);
            assert_eq!(ours.to_bytes().to_vec(), trailer);
            assert!(ours.verifies(&key(), source, &message));
        }
    }

    #[test]
    fn bytes_become_the_value_and_the_value_the_bytes() {
        for (_, _, bytes) in samples() {
            let trailer = Trailer::parse(&bytes).unwrap();
            assert_eq!((trailer.kind, trailer.key, trailer.reserved), (TYPE, 1, 0));
            assert_eq!(trailer.stamp, STAMP);
            assert_eq!(trailer.to_bytes().to_vec(), bytes);
        }
    }

    #[test]
    fn every_other_length_is_refused() {
        let bytes = [0; 40];
        for len in (0..40).filter(|len| *len != LEN) {
            assert!(Trailer::parse(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn the_checksum_is_not_signed_and_every_other_byte_is() {
        for (source, message, trailer) in samples() {
            let trailer = Trailer::parse(&trailer).unwrap();
            for at in 0..message.len() {
                let mut other = message.clone();
                other[at] ^= 1;
                let checksum = at == CHECKSUM_OFFSET || at == CHECKSUM_OFFSET + 1;
                assert_eq!(trailer.verifies(&key(), source, &other), checksum, "byte {at}");
            }
            for at in 0..LEN {
                let mut other = trailer.to_bytes();
                other[at] ^= 1;
                assert!(
                    !Trailer::parse(&other).unwrap().verifies(&key(), source, &message),
                    "byte {at}"
                );
            }
            let other = if source.is_ipv4() { "198.51.100.11" } else { "fe80::11" };
            assert!(!trailer.verifies(&key(), other.parse().unwrap(), &message));
        }
    }

    #[test]
    fn stamps_are_ordered_as_serial_numbers() {
        assert!(STAMP.next().is_after(STAMP));
        assert!(!STAMP.is_after(STAMP));
        assert!(Stamp(3).is_after(Stamp(u64::MAX)));
        assert!(!Stamp(u64::MAX).is_after(Stamp(3)));
        assert_eq!(Stamp(u64::MAX).next(), Stamp(0));
    }

    #[test]
    fn a_wall_time_becomes_seconds_and_a_fraction() {
        assert_eq!(Stamp::at(0x6800_0000 * 1_000_000 + 500_000), STAMP);
        assert_eq!(Stamp::at(1_999_999).0, 1 << 32 | 65_535 << 16);
        assert_eq!(STAMP.ahead_of(Stamp::at(0x6800_0005 * 1_000_000)), -5);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_what_is_read_is_written_again(
            bytes in proptest::collection::vec(any::<u8>(), 0..64), key in proptest::collection::vec(any::<u8>(), 0..80)
        ) {
            if let Ok(trailer) = Trailer::parse(&bytes) {
                prop_assert_eq!(trailer.to_bytes().to_vec(), bytes.clone());
            }
            let trailer = Trailer::unsigned(1, STAMP).sign(&key, IpAddr::from([192, 0, 2, 1]), &bytes);
            prop_assert!(trailer.verifies(&key, IpAddr::from([192, 0, 2, 1]), &bytes));
        }
    }
}
