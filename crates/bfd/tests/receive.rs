//! Packets that are not believed change nothing and are counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use bfd::config::Hops;
use bfd::draft::Draft;
use bfd::input::{Input, Packet};
use bfd::wire::{self, LEN, State};
use common::{MS, Pair, address, draft};
use proptest::prelude::*;
use std::num::NonZeroU32;
use std::time::Duration;

#[test]
fn a_packet_that_is_malformed_or_forged_changes_nothing_and_is_counted() {
    let mut pair = up();
    let good = pair.packets(1).pop().unwrap().1;
    let down = wire::Packet {
        state: State::Down,
        ..good
    };
    let before = pair.status(0);
    let mut zero_multiplier = down.write();
    zero_multiplier[2] = 0;
    let mut authenticated = down.write().to_vec();
    authenticated[1] |= 4;
    authenticated[3] = 28;
    authenticated.extend([1, 4, 1, 1]);
    let stranger = wire::Packet {
        yours: NonZeroU32::new(good.yours.unwrap().get() ^ 1),
        ..down
    };
    pair.deliver(0, &down.write(), 254);
    pair.deliver(0, &stranger.write(), 255);
    pair.deliver(0, &zero_multiplier, 255);
    pair.deliver(0, &down.write()[..23], 255);
    pair.deliver(0, &authenticated, 255);
    let multihop = Packet {
        hops: Hops::Multi,
        source: address(1),
        destination: address(0),
        ttl: 255,
        bytes: &down.write(),
    };
    pair.tell(0, Input::Packet(multihop));
    let unknown = Packet {
        hops: Hops::Single,
        source: "192.0.2.77".parse().unwrap(),
        bytes: &wire::Packet { yours: None, ..down }.write(),
        ..multihop
    };
    pair.tell(0, Input::Packet(unknown));
    let after = pair.status(0);
    assert_eq!((after.state, after.remote), (before.state, before.remote));
    assert_eq!(after.counters.received, before.counters.received);
    let (counters, strays) = (after.counters, pair.engines[0].strays());
    assert_eq!((counters.ttl_err, counters.port_err, counters.authenticated), (1, 1, 1));
    assert_eq!(
        (strays.malformed, strays.unknown_discriminator, strays.unknown_addresses),
        (2, 1, 1)
    );
    pair.run(1000 * MS);
    assert_eq!(pair.status(0).counters.became_down, 0);
}

#[test]
fn a_flood_of_bad_packets_is_not_a_flood_of_lines() {
    let mut pair = up();
    let before = pair.log.len();
    for _ in 0..1000 {
        pair.deliver(0, b"rubbish", 255);
    }
    assert_eq!(pair.log.len() - before, 10, "1, 2, 4 ... 512");
}

#[test]
fn hops_are_allowed_as_configured() {
    let near = Draft {
        max_hops: Some(3),
        ..draft(0)
    };
    let mut pair = Pair::new(1, [near, draft(1)]);
    pair.run(3000 * MS);
    let good = pair.packets(1).pop().unwrap().1.write();
    let received = |pair: &Pair| pair.status(0).counters.received;
    let before = received(&pair);
    pair.deliver(0, &good, 252);
    assert_eq!(received(&pair), before + 1);
    pair.deliver(0, &good, 251);
    assert_eq!((received(&pair), pair.status(0).counters.ttl_err), (before + 1, 1));
}

#[test]
fn a_session_that_names_our_address_is_found_before_one_that_takes_any() {
    use bfd::config::{Model, Name};
    let mut model = Model::default();
    let other = "192.0.2.9".parse().unwrap();
    for (name, source) in [("a", address(0)), ("b", other)] {
        let named = Draft {
            source: Some(source),
            ..draft(0)
        };
        let config = named.finish(Name::from(name), &model).config.unwrap();
        model.sessions.insert(Name::from(name), config.into());
    }
    let mut engine = bfd::Engine::new(1);
    let now = base::Instant::from_micros(1);
    engine.reconfigure(now, model, &mut Vec::new());
    let mut peer = Pair::new(4, [draft(0), draft(1)]);
    peer.run(MS);
    let bytes = peer.packets(1)[0].1.write();
    for (destination, expected) in [(address(0), [1, 0]), (other, [1, 1])] {
        let packet = Packet {
            hops: Hops::Single,
            source: address(1),
            destination,
            ttl: 255,
            bytes: &bytes,
        };
        engine.handle(now, Input::Packet(packet), &mut Vec::new());
        let received: Vec<u64> = engine.status().iter().map(|one| one.counters.received).collect();
        assert_eq!(received, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_bytes_from_anybody_take_an_engine_beyond_its_rules(
        packets in proptest::collection::vec((any::<[u8; LEN]>(), 0_u8..4, any::<bool>(), 0_u64..2_000_000), 1..60)
    ) {
        let mut pair = Pair::new(5, [draft(0), draft(1)]);
        pair.run(2000 * MS);
        for (mut bytes, kind, known, pause) in packets {
            // Mostly packets that get past the first checks.
            if kind > 0 {
                bytes[0] = 0x20 | bytes[0] & 7;
                bytes[1] &= !0x05;
                bytes[3] = LEN as u8;
            }
            if known {
                bytes[8..12].copy_from_slice(&pair.status(0).discriminator.get().to_be_bytes());
            }
            pair.deliver(0, &bytes, 255);
            pair.run(Duration::from_micros(pause));
            let status = pair.status(0);
            prop_assert!(status.interval.is_none_or(|span| span >= MS));
            prop_assert!(pair.engines[0].deadline().is_none_or(|deadline| deadline.at > pair.now));
        }
    }
}

fn up() -> Pair {
    let mut pair = Pair::new(7, [draft(0), draft(1)]);
    pair.run(8000 * MS);
    assert_eq!([pair.state(0), pair.state(1)], [State::Up, State::Up]);
    pair
}
