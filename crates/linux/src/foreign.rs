//! For tests and fuzzing: any bytes into every reader of what the kernel says, of netlink above all.
//!
//! Decides what must hold whatever is said. Does not know what any of it means.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what does not hold ends the test"
)]

use crate::interface::decode::{Notice, decode};
use crate::interface::table::Table;
use crate::ipvs::{FoundDestination, FoundService, ServiceId, codec};
use crate::netlink::address::{Action, AddressRequest, Encode, encode};
use crate::netlink::attribute::{Messages, Writer, attributes};
use crate::netlink::route::RouteSpec;
use crate::netlink::routing::{self, RoutingChange};
use crate::netlink::rule::{RuleRequest, RuleSpec, encoded};
use crate::netlink::socket::{error_code, messages};
use crate::netlink::{AddressFlags, route::RouteRequest};
use crate::{census, link, lock, nft, process, sys};
use base::{Family, IfIndex, Prefix};
use netlink_packet_core::Emitable;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of the header of a message.
const HEADER: usize = 16;

/// An input is the letter of a reader and what it reads. All readers must come back, keep no more than there was to read, and
/// what can be written must be read again as it was.
pub fn read(bytes: &[u8]) {
    let Some((letter, said)) = bytes.split_first() else {
        return;
    };
    match letter {
        b'L' => links(said),
        b'R' => routes(said),
        b'N' => tables(said),
        b'I' => services(said),
        b'P' => processes(said),
        b'C' => sys::messages::read_control(said),
        _ => {}
    }
}

/// The messages of a datagram, by kind and payload.
fn parts(datagram: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let all: Vec<(u16, Vec<u8>)> = messages(datagram)
        .map(|message| (message.message_type(), message.payload().to_vec()))
        .collect();
    let bytes: usize = all.iter().map(|(_, payload)| HEADER + payload.len()).sum();
    assert!(bytes <= datagram.len(), "{bytes} of {}", datagram.len());
    for (_, payload) in &all {
        let _ = error_code(payload);
        let _ = link::existing(payload);
    }
    all
}

fn links(datagram: &[u8]) {
    let mut table = Table::default();
    let mut changes = Vec::new();
    let notices: Vec<Notice> = parts(datagram)
        .iter()
        .filter_map(|(kind, payload)| decode(*kind, payload).ok().flatten())
        .collect();
    for notice in &notices {
        table.take(notice.clone(), false, &mut changes);
        table.take(notice.clone(), false, &mut changes);
        let before = changes.len();
        if let Notice::Link { .. } = notice {
            table.take(notice.clone(), false, &mut changes);
            assert_eq!(changes.len(), before, "what is known is no news: {notice:?}");
        }
        is_consistent(&table);
    }
    table.begin_dump();
    for notice in notices {
        table.take(notice, true, &mut changes);
    }
    table.end_dump(&mut changes);
    is_consistent(&table);
    table.begin_dump();
    table.end_dump(&mut changes);
    assert_eq!(table.links().count(), 0, "nothing was mentioned");
}

fn is_consistent(table: &Table) {
    for link in table.links() {
        let named = table.link_named(link.name).map(|link| link.index);
        assert_eq!(named, Some(link.index), "a name means one link");
        for family in [Family::V4, Family::V6] {
            assert!(table.addresses(link.index, family).all(|a| a.prefix.family() == family));
        }
    }
}

fn routes(datagram: &[u8]) {
    for (kind, payload) in parts(datagram) {
        match routing::decode(kind, &payload) {
            None => {}
            Some(RoutingChange::Route { route, .. }) => {
                assert!(route.hops.len() <= payload.len() / 8 + 1);
                let _ = RouteSpec::to(route.destination).is(&route);
            }
            Some(RoutingChange::Rule { rule, .. }) => {
                // What is left out of a request is what the kernel adds by itself.
                let once = written(&rule);
                assert_eq!(written(&once), once);
            }
            Some(RoutingChange::Uncertain) => panic!("nothing was lost"),
        }
    }
}

/// A rule as it comes back from a kernel that is asked for it.
fn written(rule: &RuleSpec) -> RuleSpec {
    let message = encoded(rule);
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    match routing::decode(libc::RTM_NEWRULE, &bytes) {
        Some(RoutingChange::Rule { rule, .. }) => *rule,
        other => panic!("{rule:?} became {other:?}"),
    }
}

fn tables(datagram: &[u8]) {
    for (kind, payload) in parts(datagram) {
        let named = nft::table_in(&payload);
        if let Some(table) = &named {
            assert!(table.name.len() <= payload.len());
        }
        if nft::ear::removes_from(kind, &payload, "keepalived") {
            let name = attributes(payload.get(4..).unwrap_or_default()).find(|attribute| attribute.number == 1);
            assert_eq!(name.and_then(|name| name.as_text()), Some("keepalived"));
        }
        let inner: usize = attributes(&payload).map(|a| 1 + a.nested().count()).sum();
        assert!(inner <= payload.len());
    }
}

fn services(payload: &[u8]) {
    if let Some(FoundService { id, service, .. }) = codec::read_service(payload) {
        let again = codec::read_service(&body(|writer| codec::service(writer, id, Some(&service))));
        assert_eq!(again.map(|found| (found.id, found.service)), Some((id, service)));
    }
    for family in [Family::V4, Family::V6] {
        let Some(found) = codec::read_destination(payload, family) else {
            continue;
        };
        let FoundDestination {
            address,
            port,
            destination,
            ..
        } = found;
        let bytes = body(|writer| codec::destination(writer, address, port, Some(&destination)));
        let again = codec::read_destination(&bytes, family);
        let again = again.map(|found| (found.address, found.port, found.destination));
        assert_eq!(again, Some((address, port, destination)));
    }
    let mut timeouts = crate::ipvs::Timeouts::default();
    for attribute in attributes(payload) {
        codec::read_timeout(attribute, &mut timeouts);
        if let Some(daemon) = codec::read_daemon(attribute) {
            let bytes = body(|writer| codec::daemon(writer, &daemon));
            assert_eq!(attributes(&bytes).find_map(codec::read_daemon), Some(daemon));
        }
    }
}

/// The attributes that a writer writes.
fn body(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut messages = Messages::new();
    messages.push(0, 0, 0, &[], write);
    messages.bytes().get(HEADER..).unwrap_or_default().to_vec()
}

fn processes(said: &[u8]) {
    let _ = census::event(said);
    let _ = census::says_zombie(said);
    let words = census::words_in(said.to_vec());
    assert!(words.iter().map(Vec::len).sum::<usize>() + words.len() <= said.len() + 1);
    if let Ok(text) = std::str::from_utf8(said) {
        let _ = process::parent_in(text);
        assert!(lock::pid_in(text).is_none_or(|pid| pid > 1));
        let settings = link::sysctl::Before::from_text(text);
        assert_eq!(link::sysctl::Before::from_text(&settings.to_string()), settings);
    }
}

/// The seeds: what the kernel says when all is well, and parts of it.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(&str, u8, Vec<u8>)> = vec![
        ("links", b'L', [link_message(7, "eth0"), addresses()].concat()),
        (
            "renamed",
            b'L',
            [
                link_message(7, "eth0"),
                link_message(7, "eth1"),
                link_message(8, "eth0"),
            ]
            .concat(),
        ),
        ("routes", b'R', trains()),
        ("tables", b'N', nft_tables()),
        ("zombie", b'P', b"7 (a) Z) Z 1 7 7 0".to_vec()),
        ("words", b'P', b"/usr/sbin/x\0-a\0\0b\0".to_vec()),
        ("settings", b'P', b"4/all/rp_filter=2 4/eth0.7/arp_ignore=0".to_vec()),
        ("fork", b'P', fork()),
        ("control", b'C', [20_u64.to_ne_bytes().to_vec(), vec![0; 40]].concat()),
    ];
    let services = kernel_services();
    all.extend([
        ("service", b'I', services[0].clone()),
        ("mark", b'I', services[1].clone()),
        ("destination", b'I', services[2].clone()),
        ("daemon", b'I', services[3].clone()),
    ]);
    let seed = |(name, letter, bytes): (&str, u8, Vec<u8>)| (name.to_owned(), [&[letter][..], &bytes].concat());
    let mut seeds: Vec<(String, Vec<u8>)> = all.into_iter().map(seed).collect();
    let cut = |name: &str, less: usize| {
        let (_, whole) = seeds.iter().find(|(known, _)| known == name).expect("a seed");
        (format!("{name}-cut"), whole[..whole.len() - less].to_vec())
    };
    let cuts = [cut("links", 3), cut("routes", 9), cut("service", 5)];
    seeds.extend(cuts);
    seeds
}

fn link_message(index: u32, name: &str) -> Vec<u8> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.link_layer_type = LinkLayerType::Ether;
    message.header.flags = LinkFlags::Up | LinkFlags::Running | LinkFlags::Multicast;
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Mtu(1500),
        LinkAttribute::Link(3),
        LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::MacVlan)]),
    ];
    let mut payload = vec![0; message.buffer_len()];
    message.emit(&mut payload);
    let header = [(HEADER + payload.len()) as u32].map(u32::to_ne_bytes).concat();
    let kind = [libc::RTM_NEWLINK, 0].map(u16::to_ne_bytes).concat();
    [header, kind, vec![0; 8], payload].concat()
}

fn prefix(text: &str, length: u8) -> Prefix {
    let address: IpAddr = text.parse().expect("an address");
    Prefix::new(address, length).expect("a length")
}

fn addresses() -> Vec<u8> {
    let request = |prefix: Prefix| AddressRequest {
        action: Action::Add,
        interface: IfIndex(7),
        prefix,
        peer: None,
        broadcast: Some(Ipv4Addr::new(10, 0, 0, 255)).filter(|_| prefix.family() == Family::V4),
        label: None,
        scope: 0,
        flags: AddressFlags::default(),
        preferred_lifetime: None,
        mark: 18,
    };
    let all = [request(prefix("10.0.0.10", 24)), request(prefix("2001:db8::10", 64))];
    train(&all)
}

/// Messages as they go to the kernel; it says the same to those who listen.
fn train(requests: &[impl Encode]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(requests, 1, false, &mut bytes);
    bytes
}

fn trains() -> Vec<u8> {
    let hop = |gateway: &str| crate::netlink::route::HopSpec {
        gateway: gateway.parse().ok(),
        interface: Some(IfIndex(7)),
        weight: 1,
        ..crate::netlink::route::HopSpec::default()
    };
    let one = RouteSpec {
        hops: vec![hop("10.0.0.1")],
        ..RouteSpec::to(prefix("192.0.2.0", 24))
    };
    let several = RouteSpec {
        hops: vec![hop("fe80::1"), hop("fe80::2")],
        multipath: true,
        ..RouteSpec::to(prefix("2001:db8::", 32))
    };
    let route = |route: RouteSpec| RouteRequest {
        action: Action::Add,
        route,
    };
    let rule = RuleSpec {
        from: Some(prefix("10.0.0.0", 8)),
        mark: Some((7, 0xff)),
        iif: "eth0".parse().ok(),
        uids: Some((0, 1000)),
        source_ports: Some((80, 90)),
        ..RuleSpec::table(Family::V4, 100, 300)
    };
    let rule = RuleRequest {
        action: Action::Add,
        rule,
    };
    [train(&[route(one), route(several)]), train(&[rule])].concat()
}

fn nft_tables() -> Vec<u8> {
    let mut batch = nft::Batch::new();
    batch.replace_table(Family::V4, "keepalived");
    batch.delete_table(Family::V6, "keepalived");
    batch.messages().to_vec()
}

/// PROC_EVENT_FORK behind the headers.
fn fork() -> Vec<u8> {
    let words = [1_u32, 0, 0, 0, 8, 7, 9, 9].map(u32::to_ne_bytes).concat();
    [vec![0; HEADER + 20], words].concat()
}

fn kernel_services() -> Vec<Vec<u8>> {
    use crate::ipvs::{Destination, Method, Service, SyncDaemon, SyncState};
    let service = Service {
        scheduler: "wlc".to_owned(),
        scheduler_flags: 0x08,
        one_packet: false,
        persistence: Some(360),
        netmask: u32::MAX,
        engine: Some("sip".to_owned()),
    };
    let destination = Destination {
        method: Method::Tunnel {
            kind: 1,
            port: 6080,
            flags: 1,
        },
        weight: 3,
        upper_threshold: 10,
        lower_threshold: 5,
    };
    let tcp = ServiceId::Address {
        protocol: 6,
        address: Ipv6Addr::LOCALHOST.into(),
        port: 80,
    };
    let mark = ServiceId::Mark {
        mark: 7,
        family: Family::V4,
    };
    let daemon = SyncDaemon {
        state: SyncState::Backup,
        interface: "eth0".parse().expect("a name"),
        id: 51,
        max_len: Some(1400),
        group: Some(Ipv4Addr::new(224, 0, 0, 81).into()),
        port: Some(8848),
        ttl: Some(1),
    };
    vec![
        body(|writer| codec::service(writer, tcp, Some(&service))),
        body(|writer| codec::service(writer, mark, Some(&service))),
        body(|writer| codec::destination(writer, Ipv4Addr::LOCALHOST.into(), 80, Some(&destination))),
        body(|writer| codec::daemon(writer, &daemon)),
    ]
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
#[allow(clippy::unwrap_used, unreachable_pub, reason = "it belongs to the fuzz targets")]
mod replay;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_read_to_its_end() {
        replay::replay("netlink", seeds(), read);
    }

    /// Or the fuzzer would have to find out by itself what a message is.
    #[test]
    fn the_seeds_say_something() {
        let seeds = seeds();
        let of = |wanted: &str| {
            let (_, bytes) = seeds.iter().find(|(name, _)| name == wanted).unwrap();
            bytes[1..].to_vec()
        };
        let known = parts(&of("links"));
        let known = known
            .iter()
            .filter(|(kind, payload)| matches!(decode(*kind, payload), Ok(Some(_))));
        assert_eq!(known.count(), 3);
        let routing = parts(&of("routes"));
        let routing = routing
            .iter()
            .filter_map(|(kind, payload)| routing::decode(*kind, payload));
        assert_eq!(routing.count(), 3);
        let removes = |(kind, payload): &(u16, Vec<u8>)| nft::ear::removes_from(*kind, payload, "keepalived");
        assert_eq!(parts(&of("tables")).iter().filter(|part| removes(part)).count(), 2);
        assert!(codec::read_service(&of("service")).is_some() && codec::read_service(&of("mark")).is_some());
        assert!(codec::read_destination(&of("destination"), Family::V6).is_some());
        assert!(attributes(&of("daemon")).find_map(codec::read_daemon).is_some());
        assert!(census::event(&of("fork")).is_some() && census::says_zombie(&of("zombie")));
    }

    #[test]
    fn an_interface_is_known_by_its_last_name() {
        let (_, bytes) = seeds().into_iter().find(|(name, _)| name == "renamed").unwrap();
        let mut table = Table::default();
        for (kind, payload) in parts(&bytes[1..]) {
            let notice = decode(kind, &payload).unwrap().unwrap();
            table.take(notice, false, &mut Vec::new());
        }
        let names: Vec<String> = table.links().map(|link| link.name.to_string()).collect();
        assert_eq!(names, ["eth1", "eth0"]);
    }
}
