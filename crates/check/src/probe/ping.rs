//! `PING_CHECK`: an ICMP echo over a datagram socket. The kernel fills in identifier and checksum.

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

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300), sequence: u16) {
            let _ = is_reply(Family::V6, sequence, &bytes);
        }
    }
}
