//! `UDP_CHECK`: a datagram, and an answer or none.

use crate::config::{Pattern, Reply, Udp};
use alloc::vec::Vec;

/// Bytes that are sent when no `payload` is given.
const BUILT_IN_LEN: usize = 32;
/// What they repeat.
const BUILT_IN: &[u8] = b"keepalived check - ";

/// What is sent.
pub fn payload(udp: &Udp) -> Vec<u8> {
    match &udp.payload {
        Some(payload) => payload.to_vec(),
        None => BUILT_IN.iter().copied().cycle().take(BUILT_IN_LEN).collect(),
    }
}

/// Whether an answer is a good one. Refusals (ICMP) are not answers; they are always bad.
pub fn is_good(udp: &Udp, answer: &[u8]) -> bool {
    match &udp.reply {
        Reply::NotNeeded | Reply::Any => true,
        Reply::Like(pattern) => pattern.fits(answer),
    }
}

/// Whether it is good if nothing has come back in time.
pub const fn silence_is_good(udp: &Udp) -> bool {
    match udp.reply {
        Reply::NotNeeded => true,
        Reply::Any | Reply::Like(_) => false,
    }
}

impl Pattern {
    /// Whether an answer has a good length and equals the pattern, as far as both go, where bits count.
    pub fn fits(&self, answer: &[u8]) -> bool {
        let length = usize::from(self.min)..=usize::from(self.max);
        let same = |(&byte, &(wanted, mask)): (&u8, &(u8, u8))| (byte ^ wanted) & mask == 0;
        length.contains(&answer.len()) && answer.iter().zip(&self.bytes).all(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Connection;
    use core::time::Duration;

    fn udp(reply: Reply) -> Udp {
        Udp {
            connection: Connection {
                address: "10.0.0.1".parse().unwrap(),
                port: 53,
                timeout: Duration::from_secs(1),
                from: None,
            },
            payload: None,
            reply,
        }
    }

    #[test]
    fn the_built_in_payload_has_32_bytes() {
        assert_eq!(payload(&udp(Reply::Any)), b"keepalived check - keepalived ch");
    }

    #[test]
    fn a_pattern_wants_a_length_and_the_bits_that_count() {
        let like = udp(Reply::Like(Pattern {
            bytes: alloc::vec![(0x12, 0xff), (0x30, 0xf0)],
            min: 1,
            max: 3,
        }));
        for (answer, good) in [
            (&[0x12, 0x3f][..], true),
            (&[0x12], true),
            (&[0x12, 0x30, 0xff], true),
            (&[], false),
            (&[0x12, 0x30, 0, 0], false),
            (&[0x12, 0x40], false),
            (&[0x13, 0x30], false),
        ] {
            assert_eq!(is_good(&like, answer), good, "{answer:?}");
        }
        assert!(!silence_is_good(&like));
    }

    #[test]
    fn silence_is_good_only_if_no_answer_is_wanted() {
        assert!(silence_is_good(&udp(Reply::NotNeeded)));
        assert!(!silence_is_good(&udp(Reply::Any)));
        assert!(is_good(&udp(Reply::Any), b""));
    }
}
