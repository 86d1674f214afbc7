//! What goes over the wire, and what cannot confuse who reads it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use agentx::pdu::{self, Frames, Garbled, HEADER, Header, MAX_PAYLOAD, Pdu, Range, Reason, Status};
use agentx::{Answer, Oid, Value, VarBind};
use proptest::prelude::*;
use std::net::Ipv4Addr;

const HEAD: Header = Header {
    session: 7,
    transaction: 8,
    packet: 9,
};

fn oid(numbers: &[u32]) -> Oid {
    Oid::new(numbers)
}

fn every_value() -> Vec<VarBind> {
    let name = oid(&[1, 3, 6, 1, 4, 1, 9586, 100, 5]);
    let values = [
        Value::Integer(-5),
        Value::text("eth0"),
        Value::Null,
        Value::ObjectIdentifier(oid(&[1, 3, 6, 1, 2, 1, 68, 0, 1])),
        Value::IpAddress(Ipv4Addr::new(192, 168, 0, 7)),
        Value::Counter32(1),
        Value::Gauge32(u32::MAX),
        Value::TimeTicks(100),
        Value::Opaque(vec![1, 2, 3, 4, 5]),
        Value::Counter64(u64::MAX - 1),
    ];
    let mut binds: Vec<VarBind> = values
        .into_iter()
        .map(|value| VarBind::new(name.clone(), value))
        .collect();
    for answer in [Answer::NoSuchObject, Answer::NoSuchInstance, Answer::EndOfMibView] {
        binds.push(VarBind {
            name: oid(&[0, 0]),
            answer,
        });
    }
    binds
}

fn every_pdu() -> Vec<Pdu> {
    let range = |include| Range {
        start: oid(&[1, 3, 6, 1, 4, 1]),
        include,
        end: oid(&[1, 3, 6, 1, 4, 2]),
    };
    vec![
        Pdu::Open {
            timeout: 3,
            id: oid(&[1, 3, 6, 1, 4, 1, 9586]),
            description: "Keepalived".to_owned(),
        },
        Pdu::Close(Reason::SHUTDOWN),
        Pdu::Register {
            timeout: 1,
            priority: 127,
            region: oid(&[1, 3, 6, 1, 2, 1, 68]),
        },
        Pdu::AddCapabilities {
            id: oid(&[1, 3]),
            description: String::new(),
        },
        Pdu::Get(vec![oid(&[1, 3, 6, 1, 2, 1, 68, 1, 1, 0]), Oid::default()]),
        Pdu::GetNext(vec![range(true), range(false)]),
        Pdu::GetBulk {
            once: 1,
            repetitions: 10,
            ranges: vec![range(false)],
        },
        Pdu::TestSet(every_value()),
        Pdu::CommitSet,
        Pdu::UndoSet,
        Pdu::CleanupSet,
        Pdu::Notify(every_value()),
        Pdu::Ping,
        Pdu::Response {
            uptime: 1234,
            status: Status::WRONG_TYPE,
            index: 2,
            binds: every_value(),
        },
    ]
}

/// The other order of bytes, as a master agent on the same machine may use it.
fn little_endian_get() -> Vec<u8> {
    let mut bytes = vec![1, 5, 0, 0];
    for number in [7_u32, 8, 9, 16] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([2, 4, 1, 0]);
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(9586_u32.to_le_bytes());
    bytes.extend([0, 0, 0, 0]);
    bytes
}

#[test]
fn what_is_written_is_read_again() {
    for wanted in every_pdu() {
        let bytes = pdu::encode(&HEAD, &wanted);
        assert_eq!(pdu::length(&bytes), Ok(Some(bytes.len())), "{wanted:?}");
        assert_eq!(pdu::decode(&bytes), Ok((HEAD, wanted)));
    }
}

#[test]
fn a_register_message_is_the_one_of_the_standard() {
    let register = Pdu::Register {
        timeout: 0,
        priority: 127,
        region: oid(&[1, 3, 6, 1, 4, 1, 9586]),
    };
    let wanted = [
        1, 3, 0x10, 0, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 16, // header
        0, 127, 0, 0, 2, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0x25, 0x72,
    ];
    assert_eq!(pdu::encode(&HEAD, &register), wanted);
}

#[test]
fn both_orders_of_bytes_are_understood() {
    let wanted = Pdu::Get(vec![oid(&[1, 3, 6, 1, 4, 1, 9586])]);
    assert_eq!(pdu::decode(&little_endian_get()), Ok((HEAD, wanted)));
}

#[test]
fn a_message_in_pieces_is_put_together_and_two_at_once_are_two() {
    let mut stream = Vec::new();
    for wanted in every_pdu() {
        stream.extend(pdu::encode(&HEAD, &wanted));
    }
    for size in [1, 3, 19, 20, 21, 64, stream.len()] {
        let (mut frames, mut read) = (Frames::new(), Vec::new());
        for piece in stream.chunks(size) {
            frames.push(piece);
            while let Some(next) = frames.message() {
                read.push(next.unwrap().1);
            }
        }
        assert_eq!(read, every_pdu(), "pieces of {size}");
    }
}

#[test]
fn a_message_that_ends_early_or_late_is_refused() {
    for wanted in every_pdu() {
        let whole = pdu::encode(&HEAD, &wanted);
        for length in 0..whole.len() {
            assert_eq!(
                pdu::decode(&whole[..length]),
                Err(Garbled::Stream),
                "{wanted:?} {length}"
            );
        }
        // Four bytes more, and the header says so.
        let mut longer = whole.clone();
        longer.extend([0; 4]);
        let payload = u32::try_from(longer.len() - HEADER).unwrap();
        longer[16..20].copy_from_slice(&payload.to_be_bytes());
        if let Ok((_, read)) = pdu::decode(&longer) {
            // A null name more is something that can be said, and a null value too.
            assert_ne!(read, wanted);
        }
    }
}

#[test]
fn a_header_that_is_none_ends_the_stream_at_once() {
    let good = pdu::encode(&HEAD, &Pdu::Ping);
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let too_long = u32::try_from(MAX_PAYLOAD + 4).unwrap().to_be_bytes();
    for bad in [with(0, &[2]), with(16, &too_long), with(16, &[0, 0, 0, 3])] {
        assert_eq!(pdu::length(&bad), Err(Garbled::Stream));
    }
    assert_eq!(pdu::length(b"GET / HTTP/1.0"), Err(Garbled::Stream));
    assert_eq!(pdu::length(&good[..19]), Ok(None));
    assert_eq!(pdu::length(&[]), Ok(None));
}

#[test]
fn another_context_is_told_apart() {
    let mut bytes = pdu::encode(&HEAD, &Pdu::Ping);
    bytes[2] |= 0x08;
    assert_eq!(pdu::decode(&bytes), Err(Garbled::Context(HEAD)));
}

#[test]
fn a_name_longer_than_names_are_is_refused() {
    let mut bytes = vec![1, 5, 0x10, 0];
    let numbers = [7_u32, 8, 9, 4 + 4 * 126 + 4];
    numbers.iter().for_each(|number| bytes.extend(number.to_be_bytes()));
    // With its prefix it has 131 numbers.
    bytes.extend([126, 1, 0, 0]);
    bytes.extend([0; 4 * 126]);
    bytes.extend([0; 4]);
    assert_eq!(pdu::decode(&bytes), Err(Garbled::Message(HEAD)));
}

proptest! {
    #[test]
    fn no_bytes_whatever_stop_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut frames = Frames::new();
        frames.push(&bytes);
        while let Some(Ok(_) | Err(Garbled::Message(_) | Garbled::Context(_))) = frames.message() {}
        let _ = pdu::decode(&bytes);
    }

    #[test]
    fn no_body_behind_a_good_header_stops_the_reader(kind in 0_u8..20, flags in prop_oneof![Just(0_u8), Just(0x10)],
        mut body in proptest::collection::vec(any::<u8>(), 0..200)) {
        body.truncate(body.len() & !3);
        let mut bytes = vec![1, kind, flags, 0];
        bytes.extend([0; 12]);
        let length = u32::try_from(body.len()).unwrap();
        bytes.extend(if flags == 0 { length.to_le_bytes() } else { length.to_be_bytes() });
        bytes.extend(body);
        if let Ok((header, read)) = pdu::decode(&bytes) {
            // What was understood means the same when it is said again.
            prop_assert_eq!(pdu::decode(&pdu::encode(&header, &read)), Ok((header, read)));
        }
    }

    #[test]
    fn a_changed_byte_never_stops_the_reader(which in 0_usize..14, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = pdu::encode(&HEAD, &every_pdu()[which]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = pdu::decode(&bytes);
    }
}
