//! Authentication trailers (`auth_hmac`): the receive checks, the modes, and what clocks and replays can do to a pair.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use common::bench::{Bench, hex, said};
use common::{Wish, hmac, is_master, model};
use core::time::Duration;
use std::net::IpAddr;
use vrrp::action::StateName;
use vrrp::config::{AntiReplay, HmacMode, Key, KeyId, Version};
use vrrp::draft::HmacDraft;
use vrrp::input::{Body, Input, Packet};
use vrrp::sim::Sim;
use vrrp::wire::hmac::{LEN, Stamp, Trailer};

const SECOND: Duration = Duration::from_secs(1);
/// What the wall clock shows at the beginning, in seconds since 1970.
const WALL: u64 = 1_800_000_000;

fn wish() -> Wish {
    Wish {
        version: Version::V3,
        hmac: Some(hmac(HmacMode::Enforce, AntiReplay::Time)),
        ..Wish::default()
    }
}

fn with(mode: HmacMode, anti_replay: AntiReplay) -> Wish {
    Wish {
        hmac: Some(hmac(mode, anti_replay)),
        ..wish()
    }
}

fn key(id: u8) -> (KeyId, Key) {
    (id.try_into().unwrap(), Key::new(&[id; 32]).unwrap())
}

fn bench(wish: Wish) -> Bench {
    let mut bench = Bench::new(&[wish]);
    set_clock(&mut bench, WALL);
    bench
}

fn set_clock(bench: &mut Bench, seconds: u64) -> Vec<String> {
    let since_1970 = Duration::from_secs(seconds);
    said(&bench.feed(Input::WallClock { since_1970 }))
}

/// An advert of 10.0.0.8 without a trailer, as a router of this wish would send it.
fn plain() -> Vec<u8> {
    common::bench::packet_from(&Wish { hmac: None, ..wish() }, source())
}

fn source() -> IpAddr {
    "10.0.0.8".parse().unwrap()
}

/// The advert with a trailer signed at this time.
fn signed(seconds: u64) -> Vec<u8> {
    trailed(Trailer::unsigned(1, Stamp::at(seconds * 1_000_000)))
}

fn trailed(trailer: Trailer) -> Vec<u8> {
    let mut bytes = plain();
    let key: Vec<u8> = (0..32).collect();
    let trailer = trailer.sign(&key, source(), &bytes[20..]);
    bytes.extend_from_slice(&trailer.to_bytes());
    let total = u16::try_from(bytes.len()).unwrap();
    bytes[2..4].copy_from_slice(&total.to_be_bytes());
    bytes
}

fn count(bench: &Bench, name: &str) -> u64 {
    let mut entries = bench.status().counters.entries().collect::<Vec<_>>().into_iter();
    entries.find(|(other, _)| *other == name).unwrap().1
}

#[test]
fn the_published_example_is_what_we_send() {
    // VIP 192.0.2.100, VRID 51, priority 200; the checksum there is that of `v3_checksum_as_v2`.
    let mut model = model(&Wish {
        vrid: 51,
        priority: 200,
        addresses: 1,
        ..wish()
    });
    for config in model.instances.values_mut() {
        let config = std::sync::Arc::make_mut(config);
        config.addresses[0].prefix = base::Prefix::host("192.0.2.100".parse().unwrap());
        config.source = Some("198.51.100.10".parse().unwrap());
        config.checksum_as_v2 = true;
        config.version = Version::V3;
    }
    let mut bench = Bench::with_model(model);
    bench.run_for(2 * SECOND);
    let until = Duration::from_micros(0x6800_0000 * 1_000_000 + 500_000);
    let deadline = bench.engine.deadline().unwrap();
    bench.now = deadline.at;
    bench.feed(Input::WallClock { since_1970: until });
    bench.feed(Input::DeadlineReached);
    let sent = bench.adverts();
    let expected = "3133c80100644402c0000264 010100006800000080000000 1b84bc4e8e43892dc6d98448f8ee2265";
    assert_eq!(sent[0].bytes[20..], hex(expected));
    assert_eq!(sent[0].bytes[2..4], [0, 60], "the trailer counts in the total length");
}

#[test]
fn an_advert_with_a_good_trailer_is_believed() {
    let mut bench = bench(wish());
    assert_eq!(said(&bench.hear(&signed(WALL))), Vec::<String>::new());
    assert_eq!(bench.status().master, Some(source()));
    assert_eq!(count(&bench, "advert_rcvd"), 1);
}

#[test]
fn each_check_has_its_words_and_its_counter() {
    let at = |seconds: u64| Stamp::at(seconds * 1_000_000);
    let good = Trailer::unsigned(1, at(WALL));
    let mut spoilt = signed(WALL);
    spoilt[22] ^= 1;
    let cases: [(&str, Vec<u8>, &str, &str); 7] = [
        (
            "none",
            plain(),
            "missing authentication trailer from 10.0.0.8",
            "auth_ext_missing",
        ),
        (
            "kind",
            trailed(Trailer { kind: 2, ..good }),
            "malformed authentication trailer from 10.0.0.8",
            "auth_ext_malformed",
        ),
        (
            "reserved",
            trailed(Trailer { reserved: 1, ..good }),
            "malformed authentication trailer from 10.0.0.8",
            "auth_ext_malformed",
        ),
        (
            "old, and with a key nobody knows",
            trailed(Trailer::unsigned(9, at(WALL - 6))),
            "stale authentication trailer from 10.0.0.8, clock skew 6 sec exceeds window 5 sec",
            "auth_ext_stale",
        ),
        (
            "of the future",
            signed(WALL + 6),
            "stale authentication trailer from 10.0.0.8, clock skew 6 sec exceeds window 5 sec",
            "auth_ext_stale",
        ),
        (
            "key",
            trailed(Trailer::unsigned(9, at(WALL))),
            "unknown authentication key id 9 from 10.0.0.8",
            "auth_ext_unknown_key",
        ),
        (
            "another priority",
            spoilt,
            "invalid authentication HMAC from 10.0.0.8",
            "auth_ext_invalid_hmac",
        ),
    ];
    for (what, bytes, words, counter) in cases {
        let mut bench = bench(wish());
        assert_eq!(said(&bench.hear(&bytes)), [format!("(V) {words}")], "{what}");
        assert_eq!(count(&bench, counter), 1, "{what}");
        assert_eq!(count(&bench, "advert_rcvd"), 0, "{what}");
        assert_eq!(said(&bench.hear(&bytes)), Vec::<String>::new(), "{what}: said once");
        // What was refused left no mark: the same sender is believed with a good one.
        bench.hear(&signed(WALL));
        assert_eq!(count(&bench, "advert_rcvd"), 1, "{what}");
    }
}

#[test]
fn the_same_advert_is_believed_once() {
    let mut bench = bench(wish());
    bench.hear(&signed(WALL));
    let words = said(&bench.hear(&signed(WALL)));
    assert_eq!(words, ["(V) replayed authentication trailer from 10.0.0.8"]);
    bench.hear(&signed(WALL - 1));
    assert_eq!(count(&bench, "auth_ext_replay"), 2);
    assert_eq!(count(&bench, "advert_rcvd"), 1);
}

#[test]
fn a_trailer_where_none_is_configured_makes_the_packet_too_long() {
    let mut bench = bench(Wish { hmac: None, ..wish() });
    bench.hear(&signed(WALL));
    assert_eq!(count(&bench, "packet_len_err"), 1);
}

#[test]
fn a_trailer_of_another_length_is_a_wrong_length() {
    for extra in [1, LEN - 1, LEN + 1] {
        let mut bench = bench(wish());
        let mut bytes = plain();
        bytes.resize(bytes.len() + extra, 0);
        bench.hear(&bytes);
        assert_eq!(count(&bench, "packet_len_err"), 1, "{extra}");
    }
}

#[test]
fn the_modes_differ_in_what_they_send_and_require() {
    for (mode, sends, requires) in [
        (HmacMode::Enforce, true, true),
        (HmacMode::Permissive, true, false),
        (HmacMode::ReceiveOnly, false, false),
    ] {
        let mut listening = bench(with(mode, AntiReplay::Time));
        listening.hear(&plain());
        assert_eq!(count(&listening, "advert_rcvd"), u64::from(!requires), "{mode:?}");
        // What is there must verify, whatever the mode.
        let mut spoilt = signed(WALL);
        spoilt[22] ^= 1;
        listening.hear(&spoilt);
        assert_eq!(count(&listening, "auth_ext_invalid_hmac"), 1, "{mode:?}");
        let mut sending = bench(with(mode, AntiReplay::Time));
        sending.run_for(5 * SECOND);
        let len = plain().len() + if sends { LEN } else { 0 };
        assert_eq!(sending.adverts()[0].bytes.len(), len, "{mode:?}");
    }
}

#[test]
fn monotonic_mode_looks_at_no_clock() {
    let mut bench = bench(with(HmacMode::Enforce, AntiReplay::Monotonic));
    bench.hear(&signed(100));
    bench.hear(&signed(101));
    bench.hear(&signed(100));
    assert_eq!(count(&bench, "advert_rcvd"), 2);
    assert_eq!(count(&bench, "auth_ext_replay"), 1);
}

#[test]
fn one_signature_serves_all_unicast_peers_and_a_stranger_is_not_heard() {
    let unicast = Wish {
        unicast: true,
        ..wish()
    };
    let mut bench = bench(unicast);
    bench.run_for(5 * SECOND);
    let sent = bench.adverts();
    let tail = |n: usize| sent[n].bytes[sent[n].bytes.len() - LEN..].to_vec();
    assert_eq!(tail(0), tail(1));
    assert_ne!(sent[0].destination, sent[1].destination);
    assert_ne!(tail(0), tail(3), "the next advert has its own");
    // 10.0.0.8 is no peer.
    bench.hear(&signed(WALL));
    assert_eq!(count(&bench, "unknown_peer"), 1);
}

#[test]
fn over_ipv6_the_trailer_is_part_of_the_payload() {
    let v6 = Wish { v6: true, ..wish() };
    let mut bench = bench(v6.clone());
    let source: std::net::Ipv6Addr = "fe80::ff:fe00:9".parse().unwrap();
    let mut message = common::bench::packet_from(&Wish { hmac: None, ..v6 }, source.into());
    let key: Vec<u8> = (0..32).collect();
    let trailer = Trailer::unsigned(1, Stamp::at(WALL * 1_000_000)).sign(&key, source.into(), &message);
    message.extend_from_slice(&trailer.to_bytes());
    // The kernel has filled in the checksum of the payload.
    message[6..8].copy_from_slice(&[0xab, 0xcd]);
    let socket = bench.socket();
    let body = Body::V6 {
        source,
        destination: "ff02::12".parse().unwrap(),
        hop_limit: 255,
        payload: &message,
    };
    let words = said(&bench.feed(Input::Packet(Packet { socket, body })));
    assert_eq!(words, Vec::<String>::new());
    assert_eq!(bench.status().master, Some(source.into()));
}

#[test]
fn a_skew_of_more_than_half_the_window_is_said_once() {
    let mut bench = bench(wish());
    let words = said(&bench.hear(&signed(WALL - 3)));
    let expected = "(V) WARNING - clock skew 3 sec to 10.0.0.8 exceeds half of the authentication window 5 sec";
    assert_eq!(words, [expected]);
    assert_eq!(said(&bench.hear(&signed(WALL - 2))), Vec::<String>::new());
    assert_eq!(count(&bench, "advert_rcvd"), 2);
}

#[test]
fn a_reload_that_brings_another_key_keeps_the_marks_and_the_state() {
    let keys = |ids: &[u8], active: u8| Wish {
        hmac: Some(HmacDraft {
            keys: ids.iter().map(|id| key(*id)).collect(),
            active: Some(active.try_into().unwrap()),
            ..HmacDraft::default()
        }),
        ..wish()
    };
    let advert = |id: u8, seconds: u64| {
        let mut bytes = plain();
        let trailer = Trailer::unsigned(id, Stamp::at(seconds * 1_000_000)).sign(&[id; 32], source(), &bytes[20..]);
        bytes.extend_from_slice(&trailer.to_bytes());
        let total = u16::try_from(bytes.len()).unwrap();
        bytes[2..4].copy_from_slice(&total.to_be_bytes());
        bytes
    };
    let mut bench = bench(keys(&[1], 1));
    bench.hear(&advert(1, WALL));
    let mut actions = Vec::new();
    let now = bench.now;
    bench.engine.reconfigure(now, model(&keys(&[1, 2], 2)), &mut actions);
    assert_eq!(bench.state(), StateName::Backup);
    bench.hear(&advert(1, WALL));
    assert_eq!(count(&bench, "auth_ext_replay"), 1, "heard before the reload");
    bench.hear(&advert(1, WALL + 1));
    bench.hear(&advert(2, WALL + 2));
    assert_eq!(count(&bench, "advert_rcvd"), 3);
    bench.run_for(10 * SECOND);
    let sent = bench.adverts();
    let bytes = &sent[0].bytes;
    assert_eq!(bytes[bytes.len() - LEN + 1], 2, "signed with the new key");
}

#[test]
fn a_clock_that_is_set_is_said_and_old_and_new_times_are_believed() {
    let mut bench = bench(wish());
    bench.hear(&signed(WALL));
    let words = set_clock(&mut bench, WALL + 3600);
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].contains("the system clock was set by 3600 sec"), "{words:?}");
    bench.hear(&signed(WALL + 1));
    assert_eq!(count(&bench, "advert_rcvd"), 2);
    // Somebody follows the new time: it holds from now on.
    bench.hear(&signed(WALL + 3601));
    assert_eq!(count(&bench, "advert_rcvd"), 3);
    bench.hear(&signed(WALL + 2));
    assert_eq!(count(&bench, "auth_ext_stale"), 1);
}

/// Two routers that sign; `a` is master.
fn pair(anti_replay: AntiReplay) -> Sim {
    let mut sim = Sim::new(11);
    let wish = with(HmacMode::Enforce, anti_replay);
    let high = Wish {
        priority: 150,
        ..wish.clone()
    };
    sim.add("a", model(&high));
    sim.add("b", model(&wish));
    sim.run_for(8 * SECOND);
    assert!(is_master(&sim, "a") && !is_master(&sim, "b"));
    sim
}

/// The changes of state since a line of the timeline.
fn transitions(sim: &Sim, since: usize) -> Vec<String> {
    let lines = sim.timeline().iter().skip(since);
    lines.filter(|line| line.contains("< notify")).cloned().collect()
}

#[test]
fn a_clock_set_by_an_hour_on_either_router_changes_no_state() {
    for anti_replay in [AntiReplay::Time, AntiReplay::Monotonic] {
        for name in ["a", "b"] {
            for seconds in [3600, -3600, 20, -20] {
                let mut sim = pair(anti_replay);
                let before = sim.timeline().len();
                sim.set_clock(name, seconds);
                sim.run_for(60 * SECOND);
                assert_eq!(
                    transitions(&sim, before),
                    Vec::<String>::new(),
                    "{name} by {seconds}, {anti_replay:?}"
                );
            }
        }
    }
}

#[test]
fn clocks_set_on_both_routers_one_after_the_other_change_no_state() {
    for seconds in [3600, -3600] {
        let mut sim = pair(AntiReplay::Time);
        let before = sim.timeline().len();
        sim.set_clock("a", seconds);
        sim.run_for(20 * SECOND);
        sim.set_clock("b", seconds);
        sim.run_for(60 * SECOND);
        assert_eq!(transitions(&sim, before), Vec::<String>::new(), "{seconds}");
    }
}

#[test]
fn a_router_that_starts_with_a_wrong_clock_joins_once_it_is_put_right() {
    for seconds in [3600, -3600] {
        let mut sim = pair(AntiReplay::Time);
        sim.kill("b");
        sim.set_clock("b", seconds);
        sim.start("b");
        sim.run_for(10 * SECOND);
        assert!(is_master(&sim, "b"), "what it hears it cannot believe");
        sim.set_clock("b", -seconds);
        sim.run_for(5 * SECOND);
        assert!(is_master(&sim, "a") && !is_master(&sim, "b"), "{seconds}");
        assert_eq!(sim.settled(), Ok(()));
    }
}

#[test]
fn adverts_that_come_twice_or_late_are_refused_and_make_no_second_master() {
    let mut sim = pair(AntiReplay::Time);
    sim.duplication(60);
    sim.delay(Duration::from_micros(50), Duration::from_millis(900));
    let before = sim.timeline().len();
    sim.run_for(60 * SECOND);
    assert_eq!(transitions(&sim, before), Vec::<String>::new());
    let replayed = |line: &&String| line.contains("replayed authentication trailer");
    assert!(sim.timeline().iter().any(|line| replayed(&line)));
}

#[test]
fn routers_with_different_keys_do_not_hear_each_other() {
    let mut sim = pair(AntiReplay::Time);
    let mut other = wish();
    other.hmac.as_mut().unwrap().keys = std::iter::once(key(1)).collect();
    sim.reload("b", model(&other));
    sim.run_for(6 * SECOND);
    assert!(is_master(&sim, "a") && is_master(&sim, "b"));
}

#[test]
fn keys_are_rotated_without_a_change_of_state() {
    let mut sim = pair(AntiReplay::Time);
    let draft = |active: u8, ids: &[u8]| {
        let mut draft = hmac(HmacMode::Enforce, AntiReplay::Time);
        draft.keys.extend(ids.iter().map(|id| key(*id)));
        draft.active = Some(active.try_into().unwrap());
        Some(draft)
    };
    let before = sim.timeline().len();
    for (active, ids) in [(1, &[2][..]), (2, &[2])] {
        for (name, priority) in [("a", 150), ("b", 100)] {
            let hmac = draft(active, ids);
            sim.reload(
                name,
                model(&Wish {
                    priority,
                    hmac,
                    ..wish()
                }),
            );
            sim.run_for(3 * SECOND);
        }
    }
    assert_eq!(transitions(&sim, before), Vec::<String>::new());
}

#[test]
fn no_action_and_no_debug_output_shows_a_key() {
    let mut draft = hmac(HmacMode::Enforce, AntiReplay::Time);
    let secret = "correct horse battery staple 0123456789";
    draft.keys = std::iter::once((1.try_into().unwrap(), Key::new(secret.as_bytes()).unwrap())).collect();
    let wish = Wish {
        hmac: Some(draft),
        ..wish()
    };
    let mut bench = bench(wish.clone());
    bench.run_for(5 * SECOND);
    let shown = format!(
        "{wish:?} {:?} {:?} {:?}",
        bench.status(),
        bench.actions,
        common::draft(&wish)
    );
    let bytes: Vec<String> = secret.bytes().take(4).map(|byte| byte.to_string()).collect();
    assert!(
        !shown.contains("horse") && !shown.contains(&bytes.join(", ")),
        "{shown}"
    );
    let lines: String = bench.actions.iter().map(ToString::to_string).collect();
    assert!(!lines.contains("horse"));
}

mod rules {
    use super::*;
    use vrrp::config::{Auth, Config, Name};
    use vrrp::draft::{AuthType, Defaults, Draft, Secret};

    fn finish(change: impl FnOnce(&mut Draft)) -> (Option<Config>, Vec<String>) {
        let mut draft = common::draft(&wish());
        change(&mut draft);
        let finished = draft.finish(Name::from("V"), &Defaults::default(), &common::Nothing);
        let texts = finished.findings.into_iter().map(|finding| finding.text);
        (finished.config, texts.collect())
    }

    #[test]
    fn the_window_is_three_intervals_between_five_seconds_and_five_minutes() {
        let window = |interval: Duration, window: Option<u32>| {
            let (config, _) = finish(|draft| {
                draft.version = Some(Version::V2);
                draft.interval = Some(interval);
                draft.hmac.as_mut().unwrap().window = window;
            });
            config.unwrap().hmac.unwrap().window
        };
        assert_eq!(window(SECOND, None), 5);
        assert_eq!(window(10 * SECOND, None), 30);
        assert_eq!(window(200 * SECOND, None), 300);
        assert_eq!(window(200 * SECOND, Some(1)), 1);
    }

    #[test]
    fn without_a_key_to_sign_with_there_is_no_authentication() {
        let off = |change: fn(&mut HmacDraft)| {
            let (config, texts) = finish(|draft| change(draft.hmac.as_mut().unwrap()));
            assert_eq!(config.unwrap().hmac, None);
            texts
        };
        assert_eq!(
            off(|hmac| hmac.active = Some(7.try_into().unwrap())),
            ["(V) active_key 7 is not a configured key - auth_hmac is not used"]
        );
        assert_eq!(
            off(|hmac| hmac.active = None),
            ["(V) auth_hmac has no active_key - auth_hmac is not used"]
        );
        assert_eq!(
            off(|hmac| hmac.keys.clear()),
            ["(V) auth_hmac has no valid key - auth_hmac is not used"]
        );
    }

    #[test]
    fn it_excludes_passwords() {
        let (config, texts) = finish(|draft| {
            draft.version = Some(Version::V2);
            draft.auth_type = Some(AuthType::Pass);
            draft.auth_pass = Some(Secret("secret".to_owned()));
        });
        let config = config.unwrap();
        assert_eq!(config.auth, Auth::None);
        assert!(config.hmac.is_some());
        assert_eq!(texts, ["(V) authentication cannot be used with auth_hmac. Ignoring."]);
    }

    #[test]
    fn strict_mode_enforces() {
        let (config, texts) = finish(|draft| {
            draft.strict = Some(true);
            draft.hmac.as_mut().unwrap().mode = Some(HmacMode::ReceiveOnly);
        });
        assert_eq!(config.unwrap().hmac.unwrap().mode, HmacMode::Enforce);
        assert_eq!(
            texts,
            ["(V) auth_hmac mode receive-only is incompatible with strict mode - setting enforce"]
        );
    }

    #[test]
    fn the_trailer_takes_the_room_of_seven_addresses() {
        struct Small;
        impl vrrp::draft::Surroundings for Small {
            fn mtu(&self, _: &base::IfName) -> Option<u32> {
                Some(128)
            }
            fn multicast(&self, _: &base::IfName) -> Option<bool> {
                None
            }
        }
        let count = |mode: HmacMode| {
            let draft = common::draft(&Wish {
                addresses: 40,
                ..with(mode, AntiReplay::Time)
            });
            let finished = draft.finish(Name::from("V"), &Defaults::default(), &Small);
            finished.config.unwrap().addresses.len()
        };
        assert_eq!(count(HmacMode::ReceiveOnly), 25);
        assert_eq!(count(HmacMode::Enforce), 18);
    }
}
