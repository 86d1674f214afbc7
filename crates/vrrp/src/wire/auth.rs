//! Authentication of version 2: the clear-text password and the IPsec authentication header (RFC 2402, RFC 2403).
//!
//! Decides whether bytes were made by somebody who knows the password. Deliberately does not know sequence numbers'
//! history: `receive` keeps that.

use super::{Malformed, PROTOCOL};
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use subtle::ConstantTimeEq;

/// `auth type` of no authentication.
pub const TYPE_NONE: u8 = 0;
/// `auth type` of a clear-text password.
pub const TYPE_PASS: u8 = 1;
/// `auth type` of an authentication header.
pub const TYPE_AH: u8 = 2;
/// Bytes of the authentication header.
pub const AH_LEN: usize = 24;
/// Where the integrity check value stands in the authentication header.
const ICV_OFFSET: usize = 12;
/// Payload length field: words of 32 bits less two.
const AH_PAYLOAD_LEN: u8 = 4;

/// Compares passwords in constant time.
pub fn same_password(a: &[u8; 8], b: &[u8; 8]) -> bool {
    a.ct_eq(b).into()
}

/// The authentication header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ah {
    /// The sender's address, by custom.
    pub spi: u32,
    /// Grows with every packet.
    pub sequence: u32,
    /// The integrity check value.
    pub icv: [u8; 12],
}

impl Ah {
    /// Reads the header; the bytes after it come back beside it.
    pub fn parse(bytes: &[u8]) -> Result<(Ah, &[u8]), Malformed> {
        let (fixed, rest) = bytes.split_first_chunk::<AH_LEN>().ok_or(Malformed::Truncated)?;
        let &[
            _next,
            _len,
            _,
            _,
            s0,
            s1,
            s2,
            s3,
            n0,
            n1,
            n2,
            n3,
            i0,
            i1,
            i2,
            i3,
            i4,
            i5,
            i6,
            i7,
            i8,
            i9,
            i10,
            i11,
        ] = fixed;
        let ah = Ah {
            spi: u32::from_be_bytes([s0, s1, s2, s3]),
            sequence: u32::from_be_bytes([n0, n1, n2, n3]),
            icv: [i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, i10, i11],
        };
        Ok((ah, rest))
    }

    /// Appends the header.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[PROTOCOL, AH_PAYLOAD_LEN, 0, 0]);
        out.extend_from_slice(&self.spi.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.icv);
    }

    /// A header to be signed for a packet of this sender.
    pub fn unsigned(source: Ipv4Addr, sequence: u32) -> Ah {
        Ah {
            spi: u32::from(source),
            sequence,
            icv: [0; 12],
        }
    }
}

/// The integrity check value of a packet: `ip_header` as on the wire, then the authentication header with a value
/// of zero, then the message. What routers may change is taken as zero: type of service, fragment field, header
/// checksum, and in unicast instances the TTL.
pub fn icv(key: &[u8; 8], ip_header: &[u8], ah: &Ah, message: &[u8], unicast: bool) -> [u8; 12] {
    let mut covered = Vec::with_capacity(ip_header.len() + AH_LEN + message.len());
    covered.extend_from_slice(ip_header);
    let clear_ttl = if unicast { Some(8) } else { None };
    for at in [1, 6, 7, 10, 11].into_iter().chain(clear_ttl) {
        if let Some(byte) = covered.get_mut(at) {
            *byte = 0;
        }
    }
    Ah { icv: [0; 12], ..*ah }.write(&mut covered);
    covered.extend_from_slice(message);
    hmac_md5_96(key, &covered)
}

/// Compares integrity check values in constant time.
pub fn same_icv(a: &[u8; 12], b: &[u8; 12]) -> bool {
    a.ct_eq(b).into()
}

/// Signs a whole packet in place: `header_len` bytes of IP header, the authentication header, the message.
pub fn sign(key: &[u8; 8], packet: &mut [u8], header_len: usize, unicast: bool) {
    let Some((ip_header, rest)) = packet.split_at_checked(header_len) else {
        return;
    };
    let Ok((ah, message)) = Ah::parse(rest) else {
        return;
    };
    let value = icv(key, ip_header, &ah, message, unicast);
    let at = header_len + ICV_OFFSET;
    if let Some(field) = packet.get_mut(at..at + value.len()) {
        field.copy_from_slice(&value);
    }
}

fn hmac_md5_96(key: &[u8; 8], data: &[u8]) -> [u8; 12] {
    let mut first = [0; 12];
    // HMAC takes keys of every length, so there is always a digest.
    if let Ok(mut mac) = Hmac::<Md5>::new_from_slice(key) {
        mac.update(data);
        let digest = mac.finalize().into_bytes();
        for (to, from) in first.iter_mut().zip(digest) {
            *to = from;
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const BYTES: [u8; 24] = [
        112, 4, 0, 0, 192, 0, 2, 1, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ];

    fn value() -> Ah {
        Ah {
            spi: u32::from(Ipv4Addr::new(192, 0, 2, 1)),
            sequence: 7,
            icv: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        }
    }

    #[test]
    fn bytes_become_the_value() {
        assert_eq!(Ah::parse(&BYTES), Ok((value(), &[][..])));
    }

    #[test]
    fn the_value_becomes_the_bytes() {
        let mut out = Vec::new();
        value().write(&mut out);
        assert_eq!(out, BYTES);
    }

    #[test]
    fn every_shorter_prefix_is_refused() {
        for len in 0..BYTES.len() {
            assert_eq!(Ah::parse(&BYTES[..len]), Err(Malformed::Truncated), "{len}");
        }
    }

    #[test]
    fn what_routers_change_is_not_covered_and_the_rest_is() {
        let header: Vec<u8> = (0..20).collect();
        let reference = icv(b"secret\0\0", &header, &value(), b"message", false);
        for at in 0..20 {
            let mut changed = header.clone();
            changed[at] ^= 0x55;
            let same = icv(b"secret\0\0", &changed, &value(), b"message", false) == reference;
            assert_eq!(same, [1, 6, 7, 10, 11].contains(&at), "byte {at}");
        }
        let mut other_ttl = header.clone();
        other_ttl[8] ^= 1;
        assert_eq!(
            icv(b"secret\0\0", &other_ttl, &value(), b"message", true),
            icv(b"secret\0\0", &header, &value(), b"message", true)
        );
    }

    #[test]
    fn the_digest_is_that_of_an_independent_implementation() {
        // Python: hmac.new(b'secret\0\0', b'what', 'md5').digest()[:12]
        assert_eq!(
            hmac_md5_96(b"secret\0\0", b"what"),
            [0x5a, 0x35, 0xb5, 0x79, 0xfe, 0x51, 0x30, 0xce, 0x8e, 0x77, 0xb9, 0x4e],
        );
    }

    #[test]
    fn a_signed_packet_verifies_and_another_key_does_not() {
        let mut packet: Vec<u8> = (0..20).collect();
        Ah::unsigned(Ipv4Addr::new(192, 0, 2, 1), 9).write(&mut packet);
        packet.extend_from_slice(b"message!");
        sign(b"secret\0\0", &mut packet, 20, false);
        let (ah, message) = Ah::parse(&packet[20..]).unwrap();
        assert!(same_icv(
            &ah.icv,
            &icv(b"secret\0\0", &packet[..20], &ah, message, false)
        ));
        assert!(!same_icv(
            &ah.icv,
            &icv(b"secret\0\x01", &packet[..20], &ah, message, false)
        ));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), at in 0usize..90) {
            let _ = Ah::parse(&bytes);
            let mut bytes = bytes;
            sign(b"12345678", &mut bytes, at, false);
        }
    }
}
