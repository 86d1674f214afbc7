//! The Internet checksum (RFC 1071) and its incremental form (RFC 1624).
//!
//! Deliberately does not know where in a packet a checksum stands or whether a pseudo header belongs to it.

use core::net::Ipv4Addr;

/// A sum under way. Every part but the last must have an even number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Sum {
        let (pairs, last) = bytes.as_chunks::<2>();
        let sum: u64 = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum();
        let odd = last.first().map_or(0, |byte| u64::from(*byte) << 8);
        Sum(self.0 + sum + odd)
    }

    /// Adds the pseudo header of IPv4 for a VRRP message of `len` bytes.
    #[must_use]
    pub fn pseudo_header(self, source: Ipv4Addr, destination: Ipv4Addr, len: usize) -> Sum {
        let len = u64::try_from(len).unwrap_or(u64::MAX) & 0xffff;
        let sum = self.bytes(&source.octets()).bytes(&destination.octets());
        Sum(sum.0 + u64::from(super::PROTOCOL) + len)
    }

    /// The checksum of everything added.
    pub fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        // The loop leaves sixteen bits.
        !(sum as u16)
    }
}

/// The checksum after one 16-bit word of what it covers changed (RFC 1624 equation 3).
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let mut sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn the_sum_of_a_message_with_its_checksum_is_zero() {
        // The example of RFC 1071 section 3.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        let checksum = Sum::default().bytes(&bytes).finish();
        assert_eq!(checksum, !0xddf2);
        let whole = Sum::default().bytes(&bytes).bytes(&checksum.to_be_bytes());
        assert_eq!(whole.finish(), 0);
    }

    #[test]
    fn an_odd_last_byte_counts_as_the_high_half_of_a_word() {
        assert_eq!(Sum::default().bytes(&[0x12]).finish(), !0x1200);
    }

    proptest! {
        #[test]
        fn an_incremental_update_equals_a_full_computation(
            mut words in proptest::collection::vec(any::<u16>(), 2..40), at in any::<prop::sample::Index>(), new: u16
        ) {
            // A first word that is never zero: the two forms of zero differ only for an all-zero message.
            words.insert(0, 0x3101);
            let flat = |w: &[u16]| w.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
            let before = Sum::default().bytes(&flat(&words)).finish();
            let at = 1 + at.index(words.len() - 1);
            let old = core::mem::replace(&mut words[at], new);
            let after = Sum::default().bytes(&flat(&words)).finish();
            prop_assert_eq!(update(before, old, new), after);
        }
    }
}
