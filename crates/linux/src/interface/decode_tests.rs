//! The decoder, fed with bytes that `netlink-packet-route` wrote, and with nonsense.

use super::*;
use netlink_packet_core::{DefaultNla, Emitable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressProtocol};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkMode};

#[test]
fn a_link_is_read_with_everything_that_matters_about_it() {
    let Ok(Some(Notice::Link {
        link,
        partial,
        forwarding6,
    })) = decode(libc::RTM_NEWLINK, &bytes(&macvlan()))
    else {
        panic!("not a link");
    };
    let expected = Link {
        index: IfIndex(7),
        name: "vrrp.51".parse().unwrap(),
        mac: Some(MacAddr([0, 0, 0x5e, 0, 1, 51])),
        hardware: 1,
        mtu: 1500,
        up: true,
        running: true,
        lower_up: false,
        multicast: true,
        noarp: false,
        loopback: false,
        point_to_point: false,
        kind: Some("macvlan".to_owned()),
        master: Some(IfIndex(4)),
        base: Some(IfIndex(3)),
        forwarding6: false,
    };
    assert_eq!((link, partial, forwarding6), (expected, false, None));
}

#[test]
fn the_base_of_a_link_in_another_namespace_is_not_a_number_here() {
    let mut message = macvlan();
    message.attributes.push(LinkAttribute::LinkNetNsId(0));
    let Ok(Some(Notice::Link { link, .. })) = decode(libc::RTM_NEWLINK, &bytes(&message)) else {
        panic!("no link")
    };
    assert_eq!(link.base, None);
}

#[test]
fn a_link_message_without_an_mtu_is_partial() {
    let mut message = macvlan();
    message
        .attributes
        .retain(|attribute| matches!(attribute, LinkAttribute::IfName(_)));
    let Ok(Some(Notice::Link { partial, .. })) = decode(libc::RTM_NEWLINK, &bytes(&message)) else {
        panic!("no link")
    };
    assert!(partial);
}

#[test]
fn a_port_that_leaves_a_bridge_is_not_a_link_that_is_gone() {
    let mut message = macvlan();
    assert_eq!(
        decode(libc::RTM_DELLINK, &bytes(&message)),
        Ok(Some(Notice::LinkGone(IfIndex(7))))
    );
    message.header.interface_family = AddressFamily::Bridge;
    assert_eq!(decode(libc::RTM_DELLINK, &bytes(&message)), Ok(None));
    assert_eq!(decode(libc::RTM_NEWLINK, &bytes(&message)), Ok(None));
}

#[test]
fn forwarding_is_the_first_setting_of_ipv6() {
    // IFLA_AF_SPEC { AF_INET { }, AF_INET6 { IFLA_INET6_FLAGS, IFLA_INET6_CONF [1, 64] } }
    let spec: Vec<u8> = [
        attribute(2, &[]),
        attribute(
            10,
            &[attribute(1, &[0, 0, 0, 0]), attribute(2, &words(&[1, 64]))].concat(),
        ),
    ]
    .concat();
    let message = [bytes(&macvlan()), attribute(libc::IFLA_AF_SPEC, &spec)].concat();
    let Ok(Some(Notice::Link { forwarding6, .. })) = decode(libc::RTM_NEWLINK, &message) else {
        panic!("no link")
    };
    assert_eq!(forwarding6, Some(true));

    let netconf = |index: u32, family: u8| {
        [
            vec![family, 0, 0, 0],
            attribute(1, &words(&[index])),
            attribute(2, &words(&[1])),
        ]
        .concat()
    };
    assert_eq!(
        decode(80, &netconf(7, 10)),
        Ok(Some(Notice::Forwarding6(IfIndex(7), true)))
    );
    assert_eq!(decode(80, &netconf(7, 2)), Ok(None), "IPv4 has a Router flag nowhere");
}

#[test]
fn an_ipv4_address_is_read_with_everything_that_matters_about_it() {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 24;
    message.header.index = 7;
    message.attributes = vec![
        AddressAttribute::Address("10.0.0.9".parse().unwrap()),
        AddressAttribute::Local("10.0.0.1".parse().unwrap()),
        AddressAttribute::Broadcast("10.0.0.255".parse().unwrap()),
        AddressAttribute::Label("eth0:1".to_owned()),
        AddressAttribute::Flags(AddressFlags::Noprefixroute | AddressFlags::Secondary),
        AddressAttribute::Protocol(AddressProtocol::Other(18)),
    ];
    let Ok(Some(Notice::Address(index, address))) = decode(libc::RTM_NEWADDR, &bytes(&message)) else {
        panic!("not an address");
    };
    let expected = Address {
        prefix: Prefix::new("10.0.0.1".parse().unwrap(), 24).unwrap(),
        peer: Some("10.0.0.9".parse().unwrap()),
        broadcast: Some("10.0.0.255".parse().unwrap()),
        label: Some("eth0:1".parse().unwrap()),
        scope: 0,
        flags: 0x201,
        mark: 18,
    };
    assert_eq!((index, address), (IfIndex(7), expected));
    assert!(address.is_secondary());
}

#[test]
fn an_ipv6_address_that_failed_detection_says_so() {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.prefix_len = 64;
    message.attributes = vec![
        AddressAttribute::Address("fe80::1".parse().unwrap()),
        AddressAttribute::Flags(AddressFlags::Tentative | AddressFlags::Dadfailed),
    ];
    let Ok(Some(Notice::AddressGone(_, address))) = decode(libc::RTM_DELADDR, &bytes(&message)) else {
        panic!("not an address");
    };
    assert_eq!(
        (address.peer, address.is_tentative(), address.is_duplicate()),
        (None, true, true)
    );
}

#[test]
fn every_shorter_prefix_is_read_or_refused_without_harm() {
    let mut address = AddressMessage::default();
    address.header.family = AddressFamily::Inet;
    address.attributes = vec![AddressAttribute::Local("10.0.0.1".parse().unwrap())];
    for (kind, message) in [
        (libc::RTM_NEWLINK, bytes(&macvlan())),
        (libc::RTM_NEWADDR, bytes(&address)),
    ] {
        let header = if kind == libc::RTM_NEWLINK { 16 } else { 8 };
        for len in 0..message.len() {
            let result = decode(kind, &message[..len]);
            assert!(len >= header || result == Err(Malformed), "{kind} {len}");
        }
    }
}

#[test]
fn attributes_of_any_kind_and_content_are_stepped_over() {
    let junk: Vec<u8> = (0..60_u16)
        .flat_map(|kind| attribute(kind | 0x200, &[0xff; 5]))
        .collect();
    let message = [bytes(&macvlan()), junk].concat();
    assert!(matches!(
        decode(libc::RTM_NEWLINK, &message),
        Ok(Some(Notice::Link { .. }))
    ));
    // Attributes that matter, with contents of the wrong length.
    let short: Vec<u8> = [1, 4, 5, 10, 18, 26]
        .iter()
        .flat_map(|kind| attribute(*kind, &[9; 3]))
        .collect();
    let message = [bytes(&macvlan()), short].concat();
    assert!(matches!(
        decode(libc::RTM_NEWLINK, &message),
        Ok(Some(Notice::Link { .. }))
    ));
}

#[test]
fn a_prefix_longer_than_its_address_is_refused() {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 33;
    message.attributes = vec![AddressAttribute::Local("10.0.0.1".parse().unwrap())];
    assert_eq!(decode(libc::RTM_NEWADDR, &bytes(&message)), Err(Malformed));
}

fn macvlan() -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = 7;
    message.header.link_layer_type = LinkLayerType::Ether;
    message.header.flags = LinkFlags::Up | LinkFlags::Running | LinkFlags::Multicast;
    message.attributes = vec![
        LinkAttribute::IfName("vrrp.51".to_owned()),
        LinkAttribute::Mode(LinkMode::Default),
        LinkAttribute::Mtu(1500),
        LinkAttribute::Link(3),
        LinkAttribute::Controller(4),
        LinkAttribute::Address(vec![0, 0, 0x5e, 0, 1, 51]),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::MacVlan)]),
    ];
    message
}

fn bytes(message: &impl Emitable) -> Vec<u8> {
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    bytes(&DefaultNla::new(kind, value.to_vec()))
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}
