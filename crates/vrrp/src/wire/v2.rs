//! Version 2 (RFC 3768): whole seconds and authentication data.
//!
//! Deliberately does not know whether the data is right: `auth` compares it.

use super::{ADVERTISEMENT, Advert, Claim, Head, Malformed, address_len, checked_head, read_addresses, write_address};
use alloc::vec::Vec;
use base::Family;
use core::time::Duration;

/// The version number on the wire.
pub const VERSION: u8 = 2;
/// Bytes of authentication data after IPv4 addresses; IPv6 has none.
pub const AUTH_LEN: usize = 8;

/// A version 2 message.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// What it says.
    pub advert: Advert,
    /// 0 none, 1 PASS, 2 AH.
    pub auth_type: u8,
    /// Authentication data: zero or the password. IPv4 only.
    pub auth_data: [u8; AUTH_LEN],
}

/// The authentication data is a secret.
impl core::fmt::Debug for Packet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Packet")
            .field("advert", &self.advert)
            .field("auth_type", &self.auth_type)
            .finish_non_exhaustive()
    }
}

/// Bytes of a message with `count` addresses.
pub const fn len(family: Family, count: u8) -> usize {
    let body = super::HEADER_LEN + count as usize * address_len(family);
    match family {
        Family::V4 => body + AUTH_LEN,
        Family::V6 => body,
    }
}

impl Packet {
    /// Reads a message of exactly its length.
    pub fn parse(bytes: &[u8], family: Family) -> Result<Packet, Malformed> {
        let (head, vrid, rest) = checked_head(bytes, VERSION)?;
        let expected = len(family, head.count);
        if bytes.len() != expected {
            return Err(Malformed::Length {
                got: bytes.len(),
                expected,
            });
        }
        let (addresses, auth_data) = match family {
            Family::V4 => rest.split_last_chunk::<AUTH_LEN>().ok_or(Malformed::Truncated)?,
            Family::V6 => (rest, &[0; AUTH_LEN]),
        };
        let [auth_type, seconds] = head.word;
        Ok(Packet {
            advert: Advert {
                vrid,
                claim: Claim::from_byte(head.priority),
                interval: Duration::from_secs(u64::from(seconds)),
                addresses: read_addresses(addresses, family),
            },
            auth_type,
            auth_data: *auth_data,
        })
    }

    /// Appends the message with a checksum of zero. The interval is cut to what one byte of seconds holds, the
    /// addresses to 255.
    pub fn write(&self, family: Family, out: &mut Vec<u8>) {
        let count = u8::try_from(self.advert.addresses.len()).unwrap_or(u8::MAX);
        let seconds = u8::try_from(self.advert.interval.as_secs()).unwrap_or(u8::MAX);
        let head = Head {
            version: VERSION,
            kind: ADVERTISEMENT,
            vrid: self.advert.vrid.0.get(),
            priority: self.advert.claim.to_byte(),
            count,
            word: [self.auth_type, seconds],
            checksum: 0,
        };
        head.write(out);
        for address in self.advert.addresses.iter().take(usize::from(count)) {
            write_address(*address, out);
        }
        match family {
            Family::V4 => out.extend_from_slice(&self.auth_data),
            Family::V6 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Priority, Vrid};
    use core::num::NonZeroU8;
    use proptest::prelude::*;

    const BYTES: [u8; 20] = [
        0x21, 50, 70, 1, 1, 1, 0, 0, 10, 0, 0, 10, b'1', b'2', b'3', b'4', b'5', b'6', 0, 0,
    ];

    fn value() -> Packet {
        Packet {
            advert: Advert {
                vrid: Vrid(NonZeroU8::new(50).unwrap()),
                claim: Claim::Holds(Priority::new(70).unwrap()),
                interval: Duration::from_secs(1),
                addresses: alloc::vec!["10.0.0.10".parse().unwrap()],
            },
            auth_type: 1,
            auth_data: *b"123456\0\0",
        }
    }

    #[test]
    fn bytes_become_the_value() {
        assert_eq!(Packet::parse(&BYTES, Family::V4), Ok(value()));
    }

    #[test]
    fn the_value_becomes_the_bytes() {
        let mut out = Vec::new();
        value().write(Family::V4, &mut out);
        assert_eq!(out, BYTES);
    }

    #[test]
    fn every_shorter_prefix_is_refused() {
        for len in 0..BYTES.len() {
            assert!(Packet::parse(&BYTES[..len], Family::V4).is_err(), "{len}");
        }
    }

    #[test]
    fn over_ipv6_there_is_no_authentication_data() {
        let mut bytes = alloc::vec![0x21, 1, 100, 1, 0, 1, 0, 0];
        bytes.extend_from_slice(&[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        let packet = Packet::parse(&bytes, Family::V6).unwrap();
        let mut again = Vec::new();
        packet.write(Family::V6, &mut again);
        assert_eq!(again, bytes);
    }

    #[test]
    fn a_password_is_not_printed() {
        assert!(!alloc::format!("{:?}", value()).contains("123"));
        assert!(!alloc::format!("{:?}", value()).contains("49"));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_what_is_read_is_written_again(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..64), v6: bool
        ) {
            if let Some(first) = bytes.first_mut() { *first = 0x21; }
            let family = if v6 { Family::V6 } else { Family::V4 };
            if let Ok(packet) = Packet::parse(&bytes, family) {
                let mut again = Vec::new();
                packet.write(family, &mut again);
                again[6] = bytes[6];
                again[7] = bytes[7];
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
