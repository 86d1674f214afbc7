//! The receive checks: order, words and counters (`spec/vrrp-behaviour.md` 4).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use common::Wish;
use common::bench::{Bench, hex, said};
use core::time::Duration;
use proptest::prelude::*;
use vrrp::action::StateName;
use vrrp::config::Version;
use vrrp::draft::AuthType;
use vrrp::input::{Body, Input, Packet};

/// Version 2, PASS, of 10.0.0.8, with 10.0.0.10 and 10.0.0.11.
const PASS: &str = "45c0002c00010000ff7000000a000008e0000012213246020101ea180a00000a0a00000b3132333435360000";
/// Version 3 of 10.0.0.8, half a second, with 10.0.0.13. The checksum covers the sender.
const V3: &str = "45c0002000010000ff7000000a000007e000001231344801003291f50a00000d";

#[test]
fn each_check_has_its_words_and_its_counter() {
    // What is changed in the packet, what is said, what is counted.
    let cases: [(&str, Change, &str, &str); 9] = [
        (
            "short",
            |b| b.truncate(40),
            "(V) vrrp packet from 10.0.0.8 too short, length 40 and expect 44",
            "packet_len_err",
        ),
        (
            "long",
            |b| b.push(0),
            "(V) vrrp packet from 10.0.0.8 too long, length 45 and expect 44",
            "packet_len_err",
        ),
        (
            "routed",
            |b| b[8] = 254,
            "(V) invalid TTL/HL from 10.0.0.8. Received 254 and expect 255",
            "ip_ttl_err",
        ),
        (
            "auth type 7",
            |b| b[24] = 7,
            "(V) Invalid auth type from 10.0.0.8: 7",
            "invalid_authtype",
        ),
        (
            "no auth",
            |b| b[24] = 0,
            "(V) received a 0 auth from 10.0.0.8, expecting 1!",
            "authtype_mismatch",
        ),
        (
            "password",
            |b| b[36] = b'x',
            "(V) received an invalid passwd from 10.0.0.8!",
            "auth_failure",
        ),
        (
            "interval",
            |b| b[25] = 3,
            "(V) advertisement interval mismatch with 10.0.0.8 mine=1 sec rcv'd=3 sec",
            "advert_interval_err",
        ),
        (
            "type",
            |b| b[20] = 0x22,
            "(V) Invalid packet type from 10.0.0.8. 2 and expect 1",
            "invalid_type_rcvd",
        ),
        (
            "checksum",
            |b| b[26] ^= 1,
            "(V) Invalid VRRPv2 checksum from 10.0.0.8",
            "chk_err",
        ),
    ];
    for (what, change, words, counter) in cases {
        let mut bench = pass_bench();
        let mut bytes = hex(PASS);
        change(&mut bytes);
        assert_eq!(said(&bench.hear(&bytes)), [words], "{what}");
        assert_eq!(count(&bench, counter), 1, "{what}");
        assert_eq!(count(&bench, "advert_rcvd"), 0, "{what}");
        // Said once, counted always.
        assert_eq!(said(&bench.hear(&bytes)), Vec::<String>::new(), "{what}");
        assert_eq!(count(&bench, counter), 2, "{what}");
    }
}

#[test]
fn the_earlier_check_speaks_when_several_would() {
    let mut bench = pass_bench();
    let mut bytes = hex(PASS);
    bytes[8] = 1;
    bytes[24] = 7;
    bytes[26] ^= 1;
    assert_eq!(
        said(&bench.hear(&bytes)),
        ["(V) invalid TTL/HL from 10.0.0.8. Received 1 and expect 255"]
    );
}

#[test]
fn a_packet_of_the_other_version_is_called_that() {
    let mut bench = pass_bench();
    let mut bytes = hex(V3);
    bytes[21] = 50;
    assert_eq!(
        said(&bench.hear(&bytes)),
        ["(V) wrong VRRP version from 10.0.0.7. Received 3 and expect 2"]
    );
}

#[test]
fn ethernet_padding_is_no_error() {
    // 32 bytes arrive as 46: fourteen more, which is 2 modulo 4.
    let mut bench = v3_bench();
    let mut bytes = hex(V3);
    bytes.resize(46, 0);
    assert_eq!(said(&bench.hear(&bytes)), Vec::<String>::new());
    assert_eq!(count(&bench, "advert_rcvd"), 1);
}

#[test]
fn an_authentication_header_must_be_there_exactly_if_configured() {
    let ah = "45c0004000010000ff33d0b00a000008e0000012700400000a00000800000001c37bb1114079c2b6af36b7702132470102018bbe0a00000c0000000000000000";
    let mut bench = pass_bench();
    assert_eq!(
        said(&bench.hear(&hex(ah))),
        ["(V) Received AH header but auth type not AH from 10.0.0.8"]
    );
    let mut bench = Bench::new(&[Wish {
        vrid: 50,
        auth: Some(AuthType::Ah),
        ..Wish::default()
    }]);
    assert_eq!(
        said(&bench.hear(&hex(PASS))),
        ["(V) No AH header but auth type is AH from 10.0.0.8"]
    );
    assert_eq!(count(&bench, "authtype_mismatch"), 1);
}

#[test]
fn a_replayed_or_forged_authentication_header_is_refused() {
    let sample = "45c0004000010000ff33d0b00a000007e0000012700400000a00000700000001c37bb1114079c2b6af36b7702133470102018bbe0a00000c0000000000000000";
    let mut bench = Bench::new(&[Wish {
        vrid: 51,
        auth: Some(AuthType::Ah),
        password: "secret",
        first: 12,
        addresses: 1,
        ..Wish::default()
    }]);
    let mut forged = hex(sample);
    forged[44 + 2] = 255;
    let words = said(&bench.hear(&forged));
    assert!(words[0].contains("invalid IPSEC HMAC-MD5 value"), "{words:?}");
    bench.hear(&hex(sample));
    assert_eq!(count(&bench, "advert_rcvd"), 1);
    let words = said(&bench.hear(&hex(sample)));
    assert!(
        words[0].contains("sequence number 1 from 10.0.0.7 already processed"),
        "{words:?}"
    );
    assert_eq!(count(&bench, "auth_failure"), 2);
}

#[test]
fn other_addresses_are_remarked_and_believed() {
    let mut bench = Bench::new(&[Wish {
        vrid: 50,
        auth: Some(AuthType::Pass),
        addresses: 3,
        ..Wish::default()
    }]);
    let words = said(&bench.hear(&hex(PASS)));
    assert_eq!(words[0], "(V) expected 3 VIPs but received 2");
    assert_eq!((count(&bench, "addr_list_err"), count(&bench, "advert_rcvd")), (1, 1));
    let mut bench = Bench::new(&[Wish {
        vrid: 50,
        auth: Some(AuthType::Pass),
        first: 11,
        ..Wish::default()
    }]);
    let words = said(&bench.hear(&hex(PASS)));
    assert_eq!(
        words[0],
        "(V) ip address associated with VRID 50 not present in advert from 10.0.0.8: 10.0.0.12"
    );
    assert_eq!((count(&bench, "addr_list_err"), count(&bench, "advert_rcvd")), (1, 1));
}

#[test]
fn another_interval_in_version_3_is_remarked_once_and_adopted() {
    let mut bench = Bench::new(&[Wish {
        vrid: 52,
        version: Version::V3,
        first: 13,
        addresses: 1,
        priority: 50,
        ..Wish::default()
    }]);
    assert_eq!(
        said(&bench.hear(&hex(V3))),
        [
            "(V) advertisement interval mismatch ours = 100 centi-sec rcv'd=50 centi-sec",
            "(V) advertisement interval updated from 1000ms to 500ms by master",
        ]
    );
    assert_eq!(bench.status().master_interval, Duration::from_millis(500));
    // A new master clears what was said; after that it is said no more.
    assert_eq!(said(&bench.hear(&hex(V3))).len(), 1);
    assert_eq!(said(&bench.hear(&hex(V3))), Vec::<String>::new());
}

#[test]
fn a_rejected_packet_changes_no_state_and_no_timer() {
    let mut bench = pass_bench();
    bench.run_for(Duration::from_secs(1));
    let due = bench.engine.deadline();
    let mut bytes = hex(PASS);
    bytes[36] = b'x';
    bench.hear(&bytes);
    assert_eq!(bench.engine.deadline(), due);
    bench.run_for(Duration::from_secs(5));
    assert_eq!(bench.state(), StateName::Master);
    let due = bench.engine.deadline();
    bench.hear(&bytes);
    assert_eq!(bench.engine.deadline(), due);
}

#[test]
fn an_old_unicast_checksum_is_recognised_once_and_then_used() {
    let wish = Wish {
        vrid: 53,
        version: Version::V3,
        unicast: true,
        first: 14,
        addresses: 1,
        priority: 50,
        ..Wish::default()
    };
    let mut bench = Bench::new(&[wish]);
    // 10.0.0.9 to 10.0.0.7 with the pseudo header of 224.0.0.18.
    let mut bytes = hex("45c000200001000007700000 0a000009 0a000007 31354901 0064 0000 0a00000e");
    let sum = |bytes: &[u8]| {
        let mut sum: u32 = 112 + 12;
        for pair in bytes[20..]
            .chunks(2)
            .chain([&[10, 0][..], &[0, 9], &[224, 0], &[0, 18]])
        {
            sum += u32::from(pair[0]) << 8 | u32::from(pair[1]);
        }
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !(sum as u16)
    };
    let checksum = sum(&bytes).to_be_bytes();
    bytes[26..28].copy_from_slice(&checksum);
    let words = said(&bench.hear(&bytes));
    assert_eq!(words, ["(V) Setting unicast VRRPv3 checksum to old version"]);
    assert_eq!(count(&bench, "advert_rcvd"), 1);
    assert_eq!(said(&bench.hear(&bytes)), Vec::<String>::new());
}

#[test]
fn the_password_is_in_nothing_that_is_printed() {
    let mut bench = pass_bench();
    bench.run_for(Duration::from_secs(5));
    bench.hear(&hex(PASS));
    let engine = format!("{:?}", bench.engine);
    let notation: String = bench.actions.iter().map(|action| format!("{action}\n")).collect();
    let inputs = format!("{:?}", Body::V4(&hex(PASS)));
    for text in [
        engine,
        notation,
        inputs,
        format!("{:?} {:?}", bench.status(), bench.actions),
    ] {
        assert!(
            !text.contains("123456") && !text.contains("49, 50, 51, 52, 53, 54"),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn random_bytes_neither_panic_nor_make_anybody_lose_its_state(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..120), v6: bool, real: bool, at in 0usize..44, flip: u8
    ) {
        let mut bench = pass_bench();
        bench.run_for(Duration::from_secs(5));
        prop_assert_eq!(bench.state(), StateName::Master);
        if real {
            bytes = hex(PASS);
            // A byte that the checksum covers, so that every true change is refused.
            bytes[at.max(20)] ^= flip | 1;
        }
        let socket = bench.socket();
        let body = if v6 {
            let group = "ff02::12".parse().unwrap();
            Body::V6 { source: "fe80::1".parse().unwrap(), destination: group, hop_limit: 255, payload: &bytes }
        } else {
            Body::V4(&bytes)
        };
        bench.feed(Input::Packet(Packet { socket, body }));
        prop_assert_eq!(bench.state(), StateName::Master);
    }
}

type Change = fn(&mut Vec<u8>);

fn pass_bench() -> Bench {
    Bench::new(&[Wish {
        vrid: 50,
        auth: Some(AuthType::Pass),
        ..Wish::default()
    }])
}

fn v3_bench() -> Bench {
    Bench::new(&[Wish {
        vrid: 52,
        version: Version::V3,
        interval: Duration::from_millis(500),
        first: 13,
        addresses: 1,
        priority: 50,
        ..Wish::default()
    }])
}

fn count(bench: &Bench, counter: &str) -> u64 {
    let counters = bench.status().counters;
    let (_, value) = counters.entries().find(|(name, _)| *name == counter).unwrap();
    value
}
