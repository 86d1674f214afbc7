//! Any packets at any times into an engine with an instance of every kind. Also the body of the test that replays the seeds.

use base::{Family, IfIndex, Instant, MacAddr, Prefix};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::time::Duration;
use vrrp::action::{Action, Advert};
use vrrp::config::{AddressFlags, AntiReplay, HmacMode, Key, Model, Name, Peer, Version, Vrid};
use vrrp::draft::{AddressDraft, AuthType, Defaults, Draft, HmacDraft, Secret, Surroundings};
use vrrp::engine::Engine;
use vrrp::input::{Body, Input, InterfaceFacts, Packet, SocketKey};
use vrrp::wire::checksum::Sum;
use vrrp::wire::{CHECKSUM_OFFSET, HEADER_LEN, PROTOCOL_AH, auth, hmac, ipv4, v2, v3};

/// In the second byte of a packet's header: which socket, which hop limit, and that its checksum is made right. Without the
/// last nothing but seeds would come behind the checksum.
const SOCKET: u8 = 0x0f;
const FAR: u8 = 0x40;
const SUMMED: u8 = 0x80;
/// What one input may lead to at most: every instance changes its state and does all there is to do.
const MOST_ACTIONS: usize = 500;
/// Timers that may be due at once: some of each instance.
const MOST_TURNS: usize = 100;
const THEIRS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

/// An input is a list of packets, each behind four bytes: a pause in units of 20 ms, how it comes, its hop limit, its length.
/// The engine must come back, wait between two of its deadlines, do a bounded amount of work, and send what it can read.
pub fn receive(bytes: &[u8]) {
    believed(bytes);
}

/// The same; how many adverts were believed.
pub fn believed(bytes: &[u8]) -> u64 {
    let mut now = Instant::from_micros(1_000_000);
    let (mut engine, mut actions) = engine(now, 1, 100);
    let sockets: Vec<SocketKey> = engine.sockets().into_keys().collect();
    let mut rest = bytes;
    while let Some((&[pause, how, hop_limit, length], after)) = rest.split_first_chunk::<4>() {
        let length = usize::from(length).min(after.len());
        let (datagram, after) = after.split_at(length);
        rest = after;
        now = now.after(Duration::from_millis(20 * u64::from(pause)));
        on_time(&mut engine, now, &mut actions);
        codecs(datagram);
        let mut datagram = datagram.to_vec();
        if how & SUMMED != 0 {
            make_sum_right(&mut datagram);
        }
        let Some(socket) = sockets.get(usize::from(how & SOCKET) % sockets.len()) else {
            break;
        };
        let hop_limit = if how & FAR == 0 { 255 } else { hop_limit };
        let body = match socket.local {
            IpAddr::V4(_) => Body::V4(&datagram),
            IpAddr::V6(destination) => Body::V6 {
                source: THEIRS,
                destination,
                hop_limit,
                payload: &datagram,
            },
        };
        engine.handle(now, Input::Packet(Packet { socket: *socket, body }), &mut actions);
        check(&mut engine, now, &mut actions);
    }
    engine.status().iter().map(|status| status.counters.advert_rcvd).sum()
}

fn on_time(engine: &mut Engine, now: Instant, actions: &mut Vec<Action>) {
    let since_1970 = Duration::from_secs(1_800_000_000) + Duration::from_micros(now.as_micros());
    engine.handle(now, Input::WallClock { since_1970 }, actions);
    check(engine, now, actions);
}

/// What must hold after any input; then carries the actions out.
fn check(engine: &mut Engine, now: Instant, actions: &mut Vec<Action>) {
    let mut turns = 0;
    while engine.deadline().is_some_and(|deadline| deadline.at <= now) {
        engine.handle(now, Input::DeadlineReached, actions);
        turns += 1;
        assert!(turns <= MOST_TURNS, "it never waits");
    }
    assert!(actions.len() <= MOST_ACTIONS, "{} actions", actions.len());
    for action in actions.drain(..) {
        if let Action::SendAdvert(advert) = action {
            is_readable(&advert);
        }
    }
}

/// What we send is what others can read.
fn is_readable(advert: &Advert) {
    let (family, message) = match advert.destination {
        IpAddr::V4(_) => {
            let (header, rest) = ipv4::Header::parse(&advert.bytes).expect("an IPv4 header");
            assert_eq!(usize::from(header.total_len), advert.bytes.len());
            match header.protocol {
                PROTOCOL_AH => (Family::V4, auth::Ah::parse(rest).expect("an authentication header").1),
                _ => (Family::V4, rest),
            }
        }
        IpAddr::V6(_) => (Family::V6, advert.bytes.as_slice()),
    };
    let without = message.len().checked_sub(hmac::LEN).and_then(|end| message.get(..end));
    let readable = |bytes: &[u8]| v2::Packet::parse(bytes, family).is_ok() || v3::parse(bytes, family).is_ok();
    assert!(readable(message) || without.is_some_and(readable));
}

/// What a reader accepts is written again as it was.
fn codecs(bytes: &[u8]) {
    for family in [Family::V4, Family::V6] {
        let mut again = Vec::new();
        if let Ok(packet) = v2::Packet::parse(bytes, family) {
            packet.write(family, &mut again);
            assert_eq!(without_sum(&again), without_sum(bytes));
        }
        again.clear();
        if let Ok(advert) = v3::parse(bytes, family) {
            v3::write(&advert, &mut again);
            let mut there = without_sum(bytes);
            // Four bits are reserved, and sent as zero.
            there[4] &= 0x0f;
            assert_eq!(without_sum(&again), there);
        }
    }
    if let Ok((header, rest)) = ipv4::Header::parse(bytes) {
        assert_eq!(header.header_len + rest.len(), bytes.len());
        let mut again = Vec::new();
        header.write(&mut again);
        let (same, _) = ipv4::Header::parse(&again).expect("our own header");
        assert_eq!(
            same,
            ipv4::Header {
                header_len: ipv4::LEN,
                ..header
            }
        );
    }
    if let Ok((ah, rest)) = auth::Ah::parse(bytes) {
        let mut again = Vec::new();
        ah.write(&mut again);
        assert_eq!(again[4..], bytes[4..auth::AH_LEN]);
        assert_eq!(rest.len(), bytes.len() - auth::AH_LEN);
    }
    if let Ok(trailer) = hmac::Trailer::parse(bytes) {
        assert_eq!(trailer.to_bytes(), bytes);
    }
}

fn without_sum(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[CHECKSUM_OFFSET..HEADER_LEN].fill(0);
    bytes
}

/// Puts the checksum of an IPv4 packet where a receiver looks for it, over as much as its message is long.
fn make_sum_right(datagram: &mut [u8]) -> Option<()> {
    let (header, rest) = ipv4::Header::parse(datagram).ok()?;
    let ah = if header.protocol == PROTOCOL_AH {
        auth::AH_LEN
    } else {
        0
    };
    let start = header.header_len + ah;
    let message = rest.get(ah..)?;
    let (&version, &count) = (message.first()?, message.get(3)?);
    let length = match version >> 4 {
        v3::VERSION => v3::len(Family::V4, count),
        _ => v2::len(Family::V4, count),
    };
    let message = datagram.get_mut(start..start + length)?;
    message.get_mut(CHECKSUM_OFFSET..HEADER_LEN)?.fill(0);
    let mut sum = Sum::default().bytes(message);
    if version >> 4 == v3::VERSION {
        sum = sum.pseudo_header(header.source, header.destination, length);
    }
    let sum = sum.finish().to_be_bytes();
    message.get_mut(CHECKSUM_OFFSET..HEADER_LEN)?.copy_from_slice(&sum);
    Some(())
}

/// An engine that listens, as router `last` of the segment.
fn engine(now: Instant, last: u8, priority: u8) -> (Engine, Vec<Action>) {
    let mut engine = Engine::new(u64::from(last), now, Duration::from_secs(3600));
    let mut actions = Vec::new();
    let facts = InterfaceFacts {
        index: IfIndex(1),
        mac: Some(MacAddr([2, 0, 0, 0, 0, last])),
        mtu: 1500,
        up: true,
        running: true,
        multicast: true,
        noarp: false,
        forwarding6: false,
        ipv4: vec![Ipv4Addr::new(192, 0, 2, last)],
        link_local: vec![Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last))],
        ipv6: Vec::new(),
    };
    let name = "eth0".parse().expect("a name");
    engine.handle(
        now,
        Input::Interface {
            name,
            facts: Some(facts),
        },
        &mut actions,
    );
    engine.start(now, Vec::new(), &mut actions);
    engine.reconfigure(now, model(last, priority), &mut actions);
    on_time(&mut engine, now, &mut actions);
    (engine, actions)
}

/// Every kind of instance.
fn model(last: u8, priority: u8) -> Model {
    let mut model = Model::default();
    let kinds: [(Version, bool, bool, Option<AuthType>, bool); 9] = [
        (Version::V2, false, false, None, false),
        (Version::V2, false, false, Some(AuthType::Pass), false),
        (Version::V2, false, false, Some(AuthType::Ah), false),
        (Version::V2, false, true, Some(AuthType::Ah), false),
        (Version::V3, false, false, None, false),
        (Version::V3, false, true, None, false),
        (Version::V3, true, false, None, false),
        (Version::V3, true, true, None, true),
        (Version::V3, false, false, None, true),
    ];
    for (vrid, (version, v6, unicast, auth_type, signed)) in (1..).zip(kinds) {
        let draft = Draft {
            interface: "eth0".parse().ok(),
            vrid: NonZeroU8::new(vrid).map(Vrid),
            version: Some(version),
            priority: Some(priority),
            unicast,
            peers: if unicast { vec![peer(v6, 3 - last)] } else { Vec::new() },
            auth_type,
            auth_pass: auth_type.map(|_| Secret("123456".to_owned())),
            hmac: signed.then(signature),
            addresses: vec![address(v6, vrid)],
            ..Draft::default()
        };
        let name = Name::from(format!("V{vrid}").as_str());
        let finished = draft.finish(name.clone(), &Defaults::default(), &Nothing);
        model
            .instances
            .insert(name, finished.config.expect("a sound draft").into());
    }
    model
}

fn peer(v6: bool, last: u8) -> Peer {
    Peer {
        address: match v6 {
            true => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last)).into(),
            false => Ipv4Addr::new(192, 0, 2, last).into(),
        },
        min_ttl: 0,
        max_ttl: 255,
    }
}

fn signature() -> HmacDraft {
    let key: Vec<u8> = (0..32).collect();
    HmacDraft {
        keys: Key::new(&key).map(|key| (NonZeroU8::MIN, key)).into_iter().collect(),
        active: Some(NonZeroU8::MIN),
        window: None,
        anti_replay: Some(AntiReplay::Time),
        mode: Some(HmacMode::Enforce),
    }
}

fn address(v6: bool, vrid: u8) -> AddressDraft {
    let address = match v6 {
        true => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, u16::from(vrid))),
        false => IpAddr::V4(Ipv4Addr::new(10, 0, 0, vrid)),
    };
    AddressDraft {
        entry: 0,
        prefix: Prefix::host(address),
        interface: None,
        scope: 0,
        broadcast: None,
        label: None,
        peer: None,
        flags: AddressFlags::default(),
        preferred_lifetime: None,
        tracked: true,
        use_vmac: false,
        link: None,
    }
}

struct Nothing;

impl Surroundings for Nothing {
    fn mtu(&self, _interface: &base::IfName) -> Option<u32> {
        None
    }
    fn multicast(&self, _interface: &base::IfName) -> Option<bool> {
        None
    }
}

/// The seeds: what another router says, of every kind, and parts of it.
#[allow(dead_code, reason = "the fuzz target itself does without")]
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut now = Instant::from_micros(1_000_000);
    let (mut engine, mut actions) = engine(now, 2, 200);
    let sockets: Vec<SocketKey> = self::engine(now, 1, 100).0.sockets().into_keys().collect();
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut told = Vec::new();
    while told.len() < 3 * 9 {
        let Some(deadline) = engine.deadline() else { break };
        now = deadline.at;
        let since_1970 = Duration::from_secs(1_800_000_000) + Duration::from_micros(now.as_micros());
        engine.handle(now, Input::WallClock { since_1970 }, &mut actions);
        engine.handle(now, Input::DeadlineReached, &mut actions);
        told.extend(actions.drain(..).filter_map(|action| match action {
            Action::SendAdvert(advert) => Some(advert),
            _ => None,
        }));
    }
    for advert in &told {
        let mine = |socket: &&SocketKey| {
            let to = socket.local == advert.destination
                || !advert.multicast && socket.local.is_ipv4() == advert.destination.is_ipv4();
            socket.protocol == advert.protocol && to
        };
        let Some(number) = sockets.iter().position(|socket| mine(&socket)) else {
            continue;
        };
        let length = advert.bytes.len() as u8;
        let packet = [&[10, number as u8, 255, length][..], &advert.bytes].concat();
        let name = advert.instance.to_string();
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, bytes)) => bytes.extend(packet),
            None => all.push((name, packet)),
        }
    }
    let whole: Vec<u8> = all.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    all.push(("all".to_owned(), whole.iter().copied().take(2000).collect()));
    all.push(("cut".to_owned(), whole.iter().copied().take(43).collect()));
    all.push(("empty".to_owned(), vec![0, 0, 255, 0, 1, 1, 1, 0]));
    all
}
