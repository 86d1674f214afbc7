//! Known bytes, and every message there and back.

use super::*;
use crate::netlink::attribute::Messages;

/// Length, type, flags, number, port; then the header of the family.
const HEADERS: usize = 20;

/// The attributes a request writes.
fn written(body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut messages = Messages::new();
    messages.push(1, 0, 1, &[0; 4], body);
    assert!(!messages.is_too_long());
    messages.bytes()[HEADERS..].to_vec()
}

fn attribute(number: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
    bytes.extend_from_slice(&number.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nest(number: u16, inner: &[Vec<u8>]) -> Vec<u8> {
    attribute(number | 0x8000, &inner.concat())
}

fn tcp(address: &str, port: u16) -> ServiceId {
    ServiceId::Address {
        protocol: 6,
        address: address.parse().unwrap(),
        port,
    }
}

fn wlc() -> Service {
    Service {
        scheduler: "wlc".to_owned(),
        scheduler_flags: 0x10,
        one_packet: false,
        persistence: Some(360),
        netmask: 0xffff_ff00,
        engine: None,
    }
}

#[test]
fn a_service_is_written_as_the_kernel_reads_it() {
    let bytes = written(|writer| service(writer, tcp("192.0.2.1", 80), Some(&wlc())));
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[192, 0, 2, 1]);
    let expected = nest(
        1,
        &[
            attribute(1, &2_u16.to_ne_bytes()),
            attribute(2, &6_u16.to_ne_bytes()),
            attribute(3, &address),
            attribute(4, &[0, 80]),
            attribute(6, b"wlc\0"),
            attribute(7, &[0x11_u32.to_ne_bytes(), 0xffff_fffd_u32.to_ne_bytes()].concat()),
            attribute(8, &360_u32.to_ne_bytes()),
            attribute(9, &[255, 255, 255, 0]),
        ],
    );
    assert_eq!(bytes, expected);
}

#[test]
fn a_mark_has_neither_protocol_nor_address() {
    let id = ServiceId::Mark {
        mark: 7,
        family: Family::V6,
    };
    let expected = nest(
        1,
        &[attribute(1, &10_u16.to_ne_bytes()), attribute(5, &7_u32.to_ne_bytes())],
    );
    assert_eq!(written(|writer| service(writer, id, None)), expected);
}

#[test]
fn a_tunnelled_destination_is_written_as_the_kernel_reads_it() {
    let gue = Destination {
        method: Method::Tunnel {
            kind: 1,
            port: 6080,
            flags: 2,
        },
        weight: 5,
        upper_threshold: 9,
        lower_threshold: 3,
    };
    let bytes = written(|writer| destination(writer, "fd00::2".parse().unwrap(), 0, Some(&gue)));
    let mut address = [0; 16];
    (address[0], address[15]) = (0xfd, 2);
    let expected = nest(
        2,
        &[
            attribute(11, &10_u16.to_ne_bytes()),
            attribute(1, &address),
            attribute(2, &[0, 0]),
            attribute(3, &2_u32.to_ne_bytes()),
            attribute(4, &5_u32.to_ne_bytes()),
            attribute(5, &9_u32.to_ne_bytes()),
            attribute(6, &3_u32.to_ne_bytes()),
            attribute(13, &[1]),
            attribute(14, &6080_u16.to_be_bytes()),
            attribute(15, &2_u16.to_ne_bytes()),
        ],
    );
    assert_eq!(bytes, expected);
}

#[test]
fn services_are_read_as_they_were_written() {
    let six = Service {
        netmask: 64,
        persistence: None,
        one_packet: true,
        engine: Some("sip".to_owned()),
        ..wlc()
    };
    let marked = ServiceId::Mark {
        mark: 9,
        family: Family::V6,
    };
    for (id, settings) in [
        (tcp("192.0.2.1", 80), wlc()),
        (tcp("fd00::1", 0), six.clone()),
        (marked, six),
    ] {
        let bytes = written(|writer| service(writer, id, Some(&settings)));
        let found = read_service(&bytes).unwrap();
        assert_eq!((found.id, found.service), (id, settings));
    }
}

#[test]
fn the_kernels_own_flag_and_its_counters_are_read() {
    let counters: Vec<Vec<u8>> = (1..=10_u16)
        .map(|number| attribute(number, &u64::from(number * 10).to_ne_bytes()))
        .collect();
    let bytes = nest(
        1,
        &[
            attribute(1, &2_u16.to_ne_bytes()),
            attribute(2, &17_u16.to_ne_bytes()),
            attribute(3, &[10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            attribute(4, &[0, 53]),
            attribute(6, b"rr\0"),
            attribute(7, &[0x02_u32.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat()),
            attribute(8, &0_u32.to_ne_bytes()),
            attribute(9, &[255; 4]),
            nest(12, &counters),
        ],
    );
    let found = read_service(&bytes).unwrap();
    assert_eq!(found.id.to_string(), "UDP 10.0.0.1:53");
    assert_eq!((found.service.persistence, found.service.scheduler_flags), (None, 0));
    let expected = Traffic {
        connections: 10,
        packets_in: 20,
        packets_out: 30,
        bytes_in: 40,
        bytes_out: 50,
        rates: [60, 70, 80, 90, 100],
    };
    assert_eq!(found.traffic, expected);
}

#[test]
fn destinations_are_read_as_they_were_written() {
    let of = |method| Destination {
        method,
        weight: 0,
        upper_threshold: 1,
        lower_threshold: 2,
    };
    let gre = Method::Tunnel {
        kind: 2,
        port: 0,
        flags: 1,
    };
    for (address, method) in [
        ("10.0.0.2", Method::Nat),
        ("fd00::2", Method::Direct),
        ("fd00::3", gre),
        ("10.0.0.3", Method::Other(4)),
    ] {
        let address: IpAddr = address.parse().unwrap();
        let bytes = written(|writer| destination(writer, address, 8080, Some(&of(method))));
        // The family it names is right, not that of the service.
        let found = read_destination(&bytes, Family::V4).unwrap();
        assert_eq!(
            (found.address, found.port, found.destination),
            (address, 8080, of(method))
        );
    }
}

#[test]
fn an_old_kernel_names_no_family_and_means_that_of_the_service() {
    let bytes = nest(
        2,
        &[
            attribute(1, &[10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            attribute(2, &[0, 80]),
            attribute(3, &0_u32.to_ne_bytes()),
            attribute(4, &1_u32.to_ne_bytes()),
            attribute(5, &0_u32.to_ne_bytes()),
            attribute(6, &0_u32.to_ne_bytes()),
        ],
    );
    let found = read_destination(&bytes, Family::V4).unwrap();
    assert_eq!(found.address.to_string(), "10.0.0.2");
}

#[test]
fn sync_daemons_and_timeouts_are_read_as_they_were_written() {
    let full = SyncDaemon {
        state: SyncState::Backup,
        interface: "eth0".parse().unwrap(),
        id: 9,
        max_len: Some(1400),
        group: Some("224.0.0.81".parse().unwrap()),
        port: Some(8848),
        ttl: Some(3),
    };
    let six = SyncDaemon {
        state: SyncState::Master,
        group: Some("ff02::51".parse().unwrap()),
        max_len: None,
        port: None,
        ttl: None,
        ..full
    };
    for wanted in [full, six] {
        let bytes = written(|writer| daemon(writer, &wanted));
        let found: Vec<SyncDaemon> = attributes(&bytes).filter_map(read_daemon).collect();
        assert_eq!(found, [wanted]);
    }
    let wanted = Timeouts {
        tcp: 900,
        tcp_fin: 0,
        udp: 300,
    };
    let bytes = written(|writer| timeouts(writer, wanted));
    assert_eq!(attributes(&bytes).count(), 2, "what is 0 is not sent");
    let mut found = Timeouts::default();
    attributes(&bytes).for_each(|attribute| read_timeout(attribute, &mut found));
    assert_eq!(found, wanted);
}

#[test]
fn messages_that_are_cut_or_nonsense_are_nothing() {
    let to = Destination {
        method: Method::Nat,
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let whole = written(|writer| service(writer, tcp("192.0.2.1", 80), Some(&wlc())));
    let member = written(|writer| destination(writer, "10.0.0.2".parse().unwrap(), 80, Some(&to)));
    for len in 0..whole.len() {
        assert_eq!(read_service(&whole[..len]), None, "{len}");
    }
    for len in 0..member.len() {
        assert_eq!(read_destination(&member[..len], Family::V4), None, "{len}");
    }
    let mut rng = base::Rng::from_seed(3);
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..3 {
            let at = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
            bytes[at] = u8::try_from(rng.below(256)).unwrap();
        }
        let _ = (read_service(&bytes), read_destination(&bytes, Family::V6));
        let _ = attributes(&bytes).filter_map(read_daemon).count();
    }
}
