//! `PING_CHECK`: an ICMP echo over a datagram socket, in which the kernel fills in identifier and checksum; or, where there is
//! none, over a raw socket.

use alloc::vec::Vec;
use base::Family;

/// Bytes that travel with an echo.
const PAYLOAD: usize = 128;
/// What they are: each its own place, so that what comes back can be compared.
fn payload() -> impl Iterator<Item = u8> {
    (0..PAYLOAD).map(|at| at as u8)
}

const fn request_type(family: Family) -> u8 {
    match family {
        Family::V4 => 8,
        Family::V6 => 128,
    }
}

const fn reply_type(family: Family) -> u8 {
    match family {
        Family::V4 => 0,
        Family::V6 => 129,
    }
}

/// An echo request (RFC 792, RFC 4443).
pub fn request(family: Family, sequence: u16) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    let header = [request_type(family), 0, 0, 0, 0, 0, high, low];
    header.into_iter().chain(payload()).collect()
}

/// An echo request for a raw socket. The kernel fills in the checksum of ICMPv6 there too.
pub fn raw_request(family: Family, identifier: u16, sequence: u16) -> Vec<u8> {
    let mut bytes = request(family, sequence);
    if let Some(place) = bytes.get_mut(4..6) {
        place.copy_from_slice(&identifier.to_be_bytes());
    }
    let checksum = match family {
        Family::V4 => checksum(&bytes),
        Family::V6 => 0,
    };
    if let Some(place) = bytes.get_mut(2..4) {
        place.copy_from_slice(&checksum.to_be_bytes());
    }
    bytes
}

/// The Internet checksum (RFC 1071) of bytes of even number.
fn checksum(bytes: &[u8]) -> u16 {
    let (pairs, _) = bytes.as_chunks::<2>();
    let sum: u32 = pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// Whether bytes of a raw socket are the reply to a request; those of IPv4 come with their IP header.
pub fn is_raw_reply(family: Family, identifier: u16, sequence: u16, bytes: &[u8]) -> bool {
    let message = match (family, bytes.first()) {
        (Family::V6, _) => bytes,
        // The length of the IP header, in words.
        (Family::V4, Some(first @ 0x45..=0x4f)) => bytes.get(usize::from(first & 0x0f) * 4..).unwrap_or_default(),
        (Family::V4, _) => return false,
    };
    message.get(4..6) == Some(&identifier.to_be_bytes()) && is_reply(family, sequence, message)
}

/// Whether bytes are the reply to a request. Others are left in the queue of nobody: reading goes on.
pub fn is_reply(family: Family, sequence: u16, bytes: &[u8]) -> bool {
    let Some((&[kind, code, _, _, _, _, high, low], rest)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    let ours = kind == reply_type(family) && code == 0 && u16::from_be_bytes([high, low]) == sequence;
    ours && rest.iter().copied().eq(payload())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reply_answers_one_request_of_one_family() {
        let mut bytes = request(Family::V4, 7);
        assert_eq!((bytes.len(), bytes[0], bytes[7]), (136, 8, 7));
        assert!(!is_reply(Family::V4, 7, &bytes), "a request is no reply");
        bytes[0] = 0;
        assert!(is_reply(Family::V4, 7, &bytes));
        assert!(!is_reply(Family::V4, 8, &bytes));
        assert!(!is_reply(Family::V6, 7, &bytes));
        for len in 0..bytes.len() {
            assert!(!is_reply(Family::V4, 7, &bytes[..len]), "{len}");
        }
    }

    #[test]
    fn a_raw_request_has_its_identifier_and_a_checksum_and_its_reply_may_have_an_ip_header() {
        let bytes = raw_request(Family::V4, 0x1234, 7);
        assert_eq!(bytes[4..8], [0x12, 0x34, 0, 7]);
        assert_eq!(checksum(&bytes), 0, "a checksum makes the sum nothing");
        let mut reply = bytes;
        reply[0] = 0;
        let packet = [&[0x46][..], &[0; 23], &reply].concat();
        assert!(is_raw_reply(Family::V4, 0x1234, 7, &packet));
        assert!(!is_raw_reply(Family::V4, 0x1235, 7, &packet), "somebody else's");
        assert!(!is_raw_reply(Family::V4, 0x1234, 7, &reply), "no header");
        let mut reply = raw_request(Family::V6, 9, 1);
        assert_eq!(reply[2..6], [0, 0, 0, 9]);
        reply[0] = 129;
        assert!(is_raw_reply(Family::V6, 9, 1, &reply));
        for len in 0..packet.len() {
            assert!(!is_raw_reply(Family::V4, 0x1234, 7, &packet[..len]), "{len}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_of_a_raw_socket_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300), sequence: u16) {
            let _ = is_raw_reply(Family::V4, sequence, sequence, &bytes);
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300), sequence: u16) {
            let _ = is_reply(Family::V6, sequence, &bytes);
        }
    }
}
