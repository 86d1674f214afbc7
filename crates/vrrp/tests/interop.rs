//! Packets of C keepalived 2.2.7, captured on a veth pair: we send the same bytes and believe them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use common::Wish;
use common::bench::{Bench, hex};
use core::net::Ipv6Addr;
use core::time::Duration;
use vrrp::action::StateName;
use vrrp::config::{Peer, Version};
use vrrp::draft::AuthType;
use vrrp::input::{Body, Input, Packet};

/// A packet of the original, and the wish that describes its instance.
struct Sample {
    what: &'static str,
    wish: Wish,
    /// The first advert after the start.
    first: &'static str,
    /// The priority 0 advert that ended the fourth second, and which one it was.
    last: (u16, &'static str),
}

#[test]
fn we_send_the_bytes_the_original_sends() {
    for sample in samples() {
        let mut bench = bench(&sample);
        let (number, last) = sample.last;
        // The identification counts adverts: go on to the number the original had reached.
        while bench.adverts().len() + 1 < usize::from(number) {
            bench.run_for(Duration::from_millis(100));
        }
        bench.feed(Input::Shutdown { keep_addresses: false });
        let sent = bench.adverts();
        assert_eq!(sent[0].bytes, without_ip_checksum(sample.first), "{}", sample.what);
        let resigning = &sent[usize::from(number) - 1];
        assert_eq!(resigning.bytes, without_ip_checksum(last), "{}", sample.what);
    }
}

#[test]
fn we_believe_the_bytes_the_original_sends() {
    for sample in samples() {
        let wish = Wish {
            priority: 60,
            wanted: None,
            ..sample.wish
        };
        let mut bench = bench(&Sample { wish, ..sample });
        // Somebody else has the address the sample was sent from.
        let mut facts = common::bench::facts();
        facts.ipv4 = vec!["10.0.0.8".parse().unwrap()];
        let name = "eth0".parse().unwrap();
        bench.feed(Input::Interface {
            name,
            facts: Some(facts),
        });
        let actions = bench.hear(&hex(sample.first));
        assert_eq!(bench.state(), StateName::Backup);
        let status = bench.status();
        assert_eq!(
            status.master,
            Some("10.0.0.7".parse().unwrap()),
            "{}: {actions:?}",
            sample.what
        );
        assert_eq!(status.counters.advert_rcvd, 1, "{}", sample.what);
        assert!(common::bench::said(&actions).is_empty(), "{actions:?}");
        bench.hear(&hex(sample.last.1));
        assert_eq!(bench.status().counters.pri_zero_rcvd, 1, "{}", sample.what);
    }
}

#[test]
fn over_ipv6_the_payload_is_the_originals_but_for_the_checksum_the_kernel_fills_in() {
    let wish = Wish {
        vrid: 55,
        version: Version::V3,
        v6: true,
        priority: 75,
        addresses: 0,
        ..Wish::default()
    };
    let mut model = common::models(&[Wish { addresses: 1, ..wish }]);
    for config in model.instances.values_mut() {
        let config = std::sync::Arc::make_mut(config);
        config.addresses[0].prefix = base::Prefix::new("fe80::55".parse().unwrap(), 64).unwrap();
    }
    let mut bench = Bench::with_model(model);
    // Of another router first, so that we listen.
    let socket = bench.socket();
    let source: Ipv6Addr = "fe80::ff:fe00:9".parse().unwrap();
    let theirs = hex("31374b0100648768fe800000000000000000000000000055");
    let body = Body::V6 {
        source,
        destination: "ff02::12".parse().unwrap(),
        hop_limit: 255,
        payload: &theirs,
    };
    bench.feed(Input::Packet(Packet { socket, body }));
    assert_eq!(bench.status().master, Some(source.into()));
    bench.run_for(Duration::from_secs(4));
    let ours = &bench.adverts()[0];
    assert_eq!(ours.bytes, hex("31374b0100640000fe800000000000000000000000000055"));
    assert_eq!((ours.hop_limit, ours.multicast), (None, true));
    assert_eq!(ours.destination, "ff02::12".parse::<Ipv6Addr>().unwrap());
}

fn bench(sample: &Sample) -> Bench {
    let mut model = common::models(std::slice::from_ref(&sample.wish));
    for config in model.instances.values_mut() {
        let config = std::sync::Arc::make_mut(config);
        if let vrrp::config::Delivery::Unicast { peers, ttl, .. } = &mut config.delivery {
            *peers = vec![Peer {
                address: "10.0.0.8".parse().unwrap(),
                min_ttl: 0,
                max_ttl: 255,
            }];
            *ttl = (sample.wish.vrid == 53).then_some(7);
        }
    }
    Bench::with_model(model)
}

fn without_ip_checksum(digits: &str) -> Vec<u8> {
    let mut bytes = hex(digits);
    bytes[10] = 0;
    bytes[11] = 0;
    bytes
}

fn samples() -> [Sample; 5] {
    let wish = |vrid, priority, first, addresses| Wish {
        vrid,
        priority,
        first,
        addresses,
        ..Wish::default()
    };
    [
        Sample {
            what: "version 2, PASS",
            wish: Wish {
                auth: Some(AuthType::Pass),
                ..wish(50, 70, 10, 2)
            },
            first: "45c0002c00010000ff70d0870a000007e0000012213246020101ea180a00000a0a00000b3132333435360000",
            last: (
                4,
                "45c0002c00040000ff70d0840a000007e000001221320002010130190a00000a0a00000b3132333435360000",
            ),
        },
        Sample {
            what: "version 2, AH",
            wish: Wish {
                auth: Some(AuthType::Ah),
                password: "secret",
                ..wish(51, 71, 12, 1)
            },
            first: "45c0004000010000ff33d0b00a000007e0000012700400000a00000700000001c37bb1114079c2b6af36b7702133470102018bbe0a00000c0000000000000000",
            last: (
                4,
                "45c0004000040000ff33d0ad0a000007e0000012700400000a00000700000004539df5977623394111b5275d213300010201d2be0a00000c0000000000000000",
            ),
        },
        Sample {
            what: "version 3, half a second",
            wish: Wish {
                version: Version::V3,
                interval: Duration::from_millis(500),
                ..wish(52, 72, 13, 1)
            },
            first: "45c0002000010000ff70d0930a000007e000001231344801003291f50a00000d",
            last: (10, "45c00020000a0000ff70d08a0a000007e0000012313400010032d9f50a00000d"),
        },
        Sample {
            what: "version 3, unicast",
            wish: Wish {
                version: Version::V3,
                unicast: true,
                ..wish(53, 73, 14, 1)
            },
            first: "45c000200001000007709e9f0a0000070a00000831354901006466cc0a00000e",
            last: (4, "45c000200004000007709e9c0a0000070a000008313500010064afcc0a00000e"),
        },
        Sample {
            what: "version 2, unicast, AH",
            wish: Wish {
                auth: Some(AuthType::Ah),
                password: "secret",
                unicast: true,
                ..wish(54, 74, 15, 1)
            },
            first: "45c0004000010000ff33a6bb0a0000070a000008700400000a000007000000019b9e9312e46d5855d3da87fb21364a01020188b80a00000f0000000000000000",
            last: (
                4,
                "45c0004000040000ff33a6b80a0000070a000008700400000a00000700000004543a30c8107cb3cf60a30d23213600010201d2b80a00000f0000000000000000",
            ),
        },
    ]
}
