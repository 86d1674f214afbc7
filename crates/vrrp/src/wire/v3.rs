//! Version 3 (RFC 5798, RFC 9568): centiseconds, both families, no authentication.
//!
//! Deliberately does not know the checksum's pseudo header: that needs the addresses of the packet.

use super::{ADVERTISEMENT, Advert, Claim, Head, Malformed, address_len, checked_head, read_addresses, write_address};
use alloc::vec::Vec;
use base::Family;
use core::time::Duration;

/// The version number on the wire.
pub const VERSION: u8 = 3;
/// The longest interval twelve bits hold.
pub const MAX_CENTISECONDS: u16 = 0x0fff;

/// Bytes of a message with `count` addresses.
pub const fn len(family: Family, count: u8) -> usize {
    super::HEADER_LEN + count as usize * address_len(family)
}

/// A `Duration` in centiseconds, cut to what the field holds.
pub fn centiseconds(interval: Duration) -> u16 {
    let value = u16::try_from(interval.as_millis() / 10).unwrap_or(MAX_CENTISECONDS);
    value.min(MAX_CENTISECONDS)
}

/// Reads a message of exactly its length.
pub fn parse(bytes: &[u8], family: Family) -> Result<Advert, Malformed> {
    let (head, vrid, rest) = checked_head(bytes, VERSION)?;
    let expected = len(family, head.count);
    if bytes.len() != expected {
        return Err(Malformed::Length {
            got: bytes.len(),
            expected,
        });
    }
    Ok(Advert {
        vrid,
        claim: Claim::from_byte(head.priority),
        interval: Duration::from_millis(u64::from(head.centiseconds()) * 10),
        addresses: read_addresses(rest, family),
    })
}

/// Appends the message with a checksum of zero. The addresses are cut to 255.
pub fn write(advert: &Advert, out: &mut Vec<u8>) {
    let count = u8::try_from(advert.addresses.len()).unwrap_or(u8::MAX);
    let head = Head {
        version: VERSION,
        kind: ADVERTISEMENT,
        vrid: advert.vrid.0.get(),
        priority: advert.claim.to_byte(),
        count,
        word: centiseconds(advert.interval).to_be_bytes(),
        checksum: 0,
    };
    head.write(out);
    for address in advert.addresses.iter().take(usize::from(count)) {
        write_address(*address, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Priority, Vrid};
    use core::num::NonZeroU8;
    use proptest::prelude::*;

    const BYTES: [u8; 12] = [0x31, 51, 200, 1, 0, 100, 0, 0, 192, 0, 2, 100];

    fn value() -> Advert {
        Advert {
            vrid: Vrid(NonZeroU8::new(51).unwrap()),
            claim: Claim::Holds(Priority::new(200).unwrap()),
            interval: Duration::from_secs(1),
            addresses: alloc::vec!["192.0.2.100".parse().unwrap()],
        }
    }

    #[test]
    fn bytes_become_the_value() {
        assert_eq!(parse(&BYTES, Family::V4), Ok(value()));
    }

    #[test]
    fn the_value_becomes_the_bytes() {
        let mut out = Vec::new();
        write(&value(), &mut out);
        assert_eq!(out, BYTES);
    }

    #[test]
    fn every_shorter_prefix_is_refused() {
        for len in 0..BYTES.len() {
            assert!(parse(&BYTES[..len], Family::V4).is_err(), "{len}");
        }
    }

    #[test]
    fn the_checksum_of_the_published_example_is_right() {
        // `spec/vrrp-behaviour.md` 2.7: VIP 192.0.2.100, computed there without pseudo header.
        let mut bytes = BYTES;
        bytes[8..].copy_from_slice(&[192, 0, 2, 100]);
        let sum = super::super::checksum::Sum::default().bytes(&bytes);
        assert_eq!(sum.finish(), 0x4402);
    }

    #[test]
    fn reserved_bits_are_not_part_of_the_interval() {
        let mut bytes = BYTES;
        bytes[4] = 0xf0;
        assert_eq!(parse(&bytes, Family::V4).unwrap().interval, Duration::from_secs(1));
    }

    #[test]
    fn priority_zero_means_resigning() {
        let mut bytes = BYTES;
        bytes[2] = 0;
        assert_eq!(parse(&bytes, Family::V4).unwrap().claim, Claim::Resigning);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_what_is_read_is_written_again(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..64), v6: bool
        ) {
            if let Some(first) = bytes.first_mut() { *first = 0x31; }
            if let Some(fifth) = bytes.get_mut(4) { *fifth &= 0x0f; }
            let family = if v6 { Family::V6 } else { Family::V4 };
            if let Ok(advert) = parse(&bytes, family) {
                let mut again = Vec::new();
                write(&advert, &mut again);
                again[6] = bytes[6];
                again[7] = bytes[7];
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
