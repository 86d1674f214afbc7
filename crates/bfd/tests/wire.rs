//! The control packet: bytes to value, value to bytes, every shorter prefix refused, any bytes without a panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use bfd::wire::{Authentication, Diagnostic, LEN, Malformed, Packet, Polling, State, parse};
use proptest::prelude::*;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

/// An Up packet with Poll, multiplier 5, as RFC 5880 section 4.1 lays it out.
const BYTES: [u8; LEN] = [
    0x23, 0xe0, 5, 24, // version 1, diagnostic 3; Up, Poll; multiplier; length
    0x11, 0x22, 0x33, 0x44, // my discriminator
    0x55, 0x66, 0x77, 0x88, // your discriminator
    0x00, 0x0f, 0x42, 0x40, // desired min tx: 1,000,000 us
    0x00, 0x00, 0x27, 0x10, // required min rx: 10,000 us
    0x00, 0x00, 0x00, 0x00, // no echo
];

fn packet() -> Packet {
    Packet {
        diagnostic: Diagnostic::SIGNALED,
        state: State::Up,
        polling: Polling::Poll,
        control_plane_independent: false,
        demand: false,
        multiplier: NonZeroU8::new(5).unwrap(),
        mine: NonZeroU32::new(0x1122_3344).unwrap(),
        yours: NonZeroU32::new(0x5566_7788),
        desired_min_tx: Duration::from_secs(1),
        required_min_rx: Duration::from_millis(10),
        required_min_echo_rx: Duration::ZERO,
    }
}

#[test]
fn bytes_are_read_as_the_rfc_lays_them_out() {
    assert_eq!(parse(&BYTES), Ok((packet(), None)));
}

#[test]
fn a_packet_is_written_as_the_rfc_lays_it_out() {
    assert_eq!(packet().write(), BYTES);
}

#[test]
fn every_shorter_prefix_is_refused() {
    for len in 0..LEN {
        assert_eq!(parse(&BYTES[..len]), Err(Malformed::Truncated(len)));
    }
    let mut longer = BYTES.to_vec();
    longer.push(0);
    assert_eq!(parse(&longer), Err(Malformed::Length { said: 24, is: 25 }));
}

#[test]
fn what_rfc_5880_refuses_is_refused_by_name() {
    let with = |at: usize, byte: u8| {
        let mut bytes = BYTES;
        bytes[at] = byte;
        parse(&bytes)
    };
    assert_eq!(with(0, 0x03), Err(Malformed::Version(0)));
    assert_eq!(with(0, 0x43), Err(Malformed::Version(2)));
    assert_eq!(with(0, 0x29), Err(Malformed::Diagnostic(9)));
    assert_eq!(with(1, 0xe1), Err(Malformed::Multipoint));
    assert_eq!(with(1, 0xf0), Err(Malformed::PollAndFinal));
    assert_eq!(
        with(1, 0xe4),
        Err(Malformed::Authentication),
        "the bit without the section"
    );
    assert_eq!(with(2, 0), Err(Malformed::ZeroMultiplier));
    assert_eq!(with(3, 23), Err(Malformed::Length { said: 23, is: 24 }));
    let mut nobody = BYTES;
    nobody[4..8].fill(0);
    assert_eq!(parse(&nobody), Err(Malformed::ZeroDiscriminator));
    let mut stranger = BYTES;
    stranger[8..12].fill(0);
    assert_eq!(parse(&stranger), Err(Malformed::NoYourDiscriminator), "in state Up");
    stranger[1] = 0x80;
    assert_eq!(parse(&stranger), Err(Malformed::NoYourDiscriminator), "in state Init");
    for fine in [0x00, 0x40] {
        stranger[1] = fine;
        assert_eq!(parse(&stranger).unwrap().0.yours, None, "in states AdminDown and Down");
    }
}

#[test]
fn an_authentication_section_is_recognised_and_must_be_where_the_packet_says() {
    let mut bytes = BYTES.to_vec();
    bytes[1] |= 0x04;
    bytes[3] = 28;
    bytes.extend([1, 4, 7, b'x']);
    let (read, section) = parse(&bytes).unwrap();
    assert_eq!(read, packet());
    assert_eq!(section, Some(Authentication { kind: 1, len: 4 }));
    bytes[25] = 3;
    assert_eq!(parse(&bytes), Err(Malformed::Authentication));
    bytes[25] = 4;
    bytes[1] &= !0x04;
    assert_eq!(
        parse(&bytes),
        Err(Malformed::Authentication),
        "the section without the bit"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn whatever_is_read_is_written_as_the_same_bytes(mut bytes in any::<[u8; LEN]>()) {
        // Likely packets: the right version and length, no authentication, no multipoint.
        bytes[0] = 0x20 | bytes[0] & 0x0f;
        bytes[1] &= !0x05;
        bytes[3] = LEN as u8;
        if let Ok((packet, section)) = parse(&bytes) {
            prop_assert_eq!(section, None);
            prop_assert_eq!(packet.write(), bytes);
        }
    }
}
