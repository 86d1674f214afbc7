//! The IPv4 header, because the raw sockets of IPv4 read and write it.
//!
//! Deliberately does not verify the header checksum: the kernel has done so for what it delivers, and fills it in
//! for what it sends.

use super::Malformed;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// Bytes of a header without options.
pub const LEN: usize = 20;
/// Type of service of adverts: internetwork control.
pub const TOS: u8 = 0xc0;
/// Where the identification stands.
pub const ID_OFFSET: usize = 4;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header with its options.
    pub header_len: usize,
    /// Bytes of the whole packet as the header says.
    pub total_len: u16,
    /// Identification.
    pub id: u16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol.
    pub protocol: u8,
    /// Sender.
    pub source: Ipv4Addr,
    /// Where it was sent to.
    pub destination: Ipv4Addr,
}

impl Header {
    /// Reads a header; the bytes after it come back beside it.
    pub fn parse(bytes: &[u8]) -> Result<(Header, &[u8]), Malformed> {
        let (fixed, _) = bytes.split_first_chunk::<LEN>().ok_or(Malformed::Truncated)?;
        let &[
            first,
            _,
            l0,
            l1,
            i0,
            i1,
            _,
            _,
            ttl,
            protocol,
            _,
            _,
            s0,
            s1,
            s2,
            s3,
            d0,
            d1,
            d2,
            d3,
        ] = fixed;
        if first >> 4 != 4 {
            return Err(Malformed::UnknownVersion(first >> 4));
        }
        let header_len = usize::from(first & 0x0f) * 4;
        if header_len < LEN {
            return Err(Malformed::Truncated);
        }
        let rest = bytes.get(header_len..).ok_or(Malformed::Truncated)?;
        let header = Header {
            header_len,
            total_len: u16::from_be_bytes([l0, l1]),
            id: u16::from_be_bytes([i0, i1]),
            ttl,
            protocol,
            source: Ipv4Addr::new(s0, s1, s2, s3),
            destination: Ipv4Addr::new(d0, d1, d2, d3),
        };
        Ok((header, rest))
    }

    /// Appends the header as a daemon sends it: no options, checksum zero.
    pub fn write(&self, out: &mut Vec<u8>) {
        let [l0, l1] = self.total_len.to_be_bytes();
        let [i0, i1] = self.id.to_be_bytes();
        out.extend_from_slice(&[0x45, TOS, l0, l1, i0, i1, 0, 0, self.ttl, self.protocol, 0, 0]);
        out.extend_from_slice(&self.source.octets());
        out.extend_from_slice(&self.destination.octets());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BYTES: [u8; 20] = [
        0x45, 0xc0, 0x00, 0x28, 0x00, 0x01, 0, 0, 255, 112, 0, 0, 192, 0, 2, 1, 224, 0, 0, 18,
    ];

    fn value() -> Header {
        Header {
            header_len: 20,
            total_len: 40,
            id: 1,
            ttl: 255,
            protocol: 112,
            source: Ipv4Addr::new(192, 0, 2, 1),
            destination: Ipv4Addr::new(224, 0, 0, 18),
        }
    }

    #[test]
    fn bytes_become_the_value() {
        assert_eq!(Header::parse(&BYTES), Ok((value(), &[][..])));
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
            assert_eq!(Header::parse(&BYTES[..len]), Err(Malformed::Truncated), "{len}");
        }
    }

    #[test]
    fn options_are_skipped() {
        let mut bytes = BYTES.to_vec();
        bytes[0] = 0x46;
        bytes.extend_from_slice(&[1, 1, 1, 0, 0x31]);
        let (header, rest) = Header::parse(&bytes).unwrap();
        assert_eq!((header.header_len, rest), (24, &[0x31][..]));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Header::parse(&bytes);
        }
    }
}
