//! Adverts and announcements over a cable between two namespaces of the test's own.

use super::frame::{ARP, Frame, IPV6};
use super::lan::{Lan, VRRP, ip, link, listen, running_link, send};
use super::packet::{FrameSender, OutFrame};
use super::raw::{AdvertReceiver, AdvertSender, Inbox, Listen, OutPacket, READS_PER_TURN};
use crate::Turn;
use crate::reactor::Reactor;
use base::{Family, IfIndex, MacAddr};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;

const GROUP4: &str = "224.0.0.18";
const GROUP6: &str = "ff02::12";

#[test]
fn an_ipv4_advert_to_the_group_arrives_with_its_ttl_and_interface() {
    let Some(lan) = Lan::new() else { return };
    let receiver = lan.listen(GROUP4, Some(lan.right.index));
    // On the sender's own side nothing is heard: it does not loop back.
    let own = lan
        .a
        .run(|| AdvertReceiver::open(listen(GROUP4, Some(lan.left.index))).unwrap());
    let sender = lan.a.run(|| AdvertSender::open(Family::V4, VRRP).unwrap());
    let packet = ipv4("10.0.0.1", GROUP4, VRRP, 255, &[0x21, 50, 100]);
    send(&sender, &[out(&packet, "10.0.0.1", GROUP4, Some(lan.left.index))], &[]);

    let got = lan.receive(&receiver, 1).remove(0);
    assert_eq!((got.source, got.destination), (ip("10.0.0.1"), ip(GROUP4)));
    assert_eq!(
        (got.hop_limit, got.interface, got.truncated),
        (255, Some(lan.right.index), false)
    );
    assert_eq!(got.bytes[1], 0xc0, "class");
    assert_eq!(got.bytes[2..4], 23_u16.to_be_bytes(), "the kernel fills in the length");
    assert_eq!(got.bytes[4..6], [0, 1], "the identification is ours");
    assert_eq!(sum(&got.bytes[..20]), 0xffff, "the kernel fills in the checksum");
    assert_eq!(got.bytes[20..], [0x21, 50, 100]);
    let mut inbox = Inbox::new(1500);
    assert_eq!(
        own.receive(&mut inbox, |packet| panic!("{packet:?}")).unwrap(),
        Turn::Drained
    );
}

#[test]
fn adverts_to_peers_that_are_dead_do_not_hold_up_those_to_others() {
    let Some(lan) = Lan::new() else { return };
    let receiver = lan.listen(GROUP4, Some(lan.right.index));
    let sender = lan.a.run(|| AdvertSender::open(Family::V4, VRRP).unwrap());
    // The kernel keeps what it cannot deliver yet while it looks for these, some 270 packets for each.
    for dead in ["10.0.0.201", "10.0.0.202", "10.0.0.203"] {
        let packet = ipv4("10.0.0.1", dead, VRRP, 255, &[0x21, 50, 100]);
        let packets = vec![out(&packet, "10.0.0.1", dead, Some(lan.left.index)); 300];
        send(&sender, &packets, &[]);
    }
    let packet = ipv4("10.0.0.1", GROUP4, VRRP, 255, &[0x21, 51, 100]);
    send(&sender, &[out(&packet, "10.0.0.1", GROUP4, Some(lan.left.index))], &[]);
    assert_eq!(lan.receive(&receiver, 1)[0].bytes[21], 51);
}

#[test]
fn bytes_that_may_hold_a_password_are_not_printed() {
    let packet = out(b"secret", "10.0.0.1", GROUP4, None);
    assert!(!format!("{packet:?}").contains("115"), "{packet:?}");
}

#[test]
fn an_ipv4_advert_of_the_authentication_header_goes_through_the_same_sender() {
    let Some(lan) = Lan::new() else { return };
    let ah = lan.b.run(|| {
        AdvertReceiver::open(Listen {
            protocol: 51,
            ..listen(GROUP4, Some(lan.right.index))
        })
        .unwrap()
    });
    let sender = lan.a.run(|| AdvertSender::open(Family::V4, VRRP).unwrap());
    let packet = ipv4("10.0.0.1", GROUP4, 51, 255, &[112, 4, 0, 0]);
    send(&sender, &[out(&packet, "10.0.0.1", GROUP4, Some(lan.left.index))], &[]);
    assert_eq!(lan.receive(&ah, 1)[0].bytes[20..], [112, 4, 0, 0]);
}

#[test]
fn an_ipv4_advert_to_a_peer_is_routed_and_arrives_where_its_address_is_listened_at() {
    let Some(lan) = Lan::new() else { return };
    // With and without an interface, and at an address that comes later.
    let receivers = [
        lan.listen("10.0.0.2", Some(lan.right.index)),
        lan.listen("10.0.0.2", None),
        lan.listen("10.0.0.3", None),
    ];
    lan.b.ip("addr add 10.0.0.3/24 dev vb");
    let sender = lan.a.run(|| AdvertSender::open(Family::V4, VRRP).unwrap());
    let to = |peer| ipv4("10.0.0.1", peer, VRRP, 64, &[0x31, 7]);
    let (second, third) = (to("10.0.0.2"), to("10.0.0.3"));
    let packets = [
        out(&second, "10.0.0.1", "10.0.0.2", None),
        out(&third, "10.0.0.1", "10.0.0.3", Some(lan.left.index)),
    ];
    for (receiver, address) in receivers.iter().zip(["10.0.0.2", "10.0.0.2", "10.0.0.3"]) {
        let got = lan.exchange(&sender, &packets, receiver, 1).remove(0);
        assert_eq!((got.destination, got.hop_limit), (ip(address), 64));
        assert_eq!(got.interface, Some(lan.right.index));
    }
}

#[test]
fn an_ipv6_advert_to_the_group_arrives_with_its_hop_limit_and_a_checksum() {
    let Some(lan) = Lan::new() else { return };
    let receiver = lan.listen(GROUP6, Some(lan.right.index));
    let sender = lan.a.run(|| AdvertSender::open(Family::V6, VRRP).unwrap());
    let payload = [0x31, 50, 100, 0, 0, 100, 0, 0];
    send(&sender, &[out(&payload, "fe80::1", GROUP6, Some(lan.left.index))], &[]);
    let got = lan.receive(&receiver, 1).remove(0);
    assert_eq!((got.source, got.destination), (ip("fe80::1"), ip(GROUP6)));
    assert_eq!((got.hop_limit, got.interface), (255, Some(lan.right.index)));
    assert_eq!(got.bytes[..6], payload[..6]);
    let pseudo = [&octets("fe80::1")[..], &octets(GROUP6), &[0, 0, 0, 8, 0, 0, 0, VRRP]].concat();
    assert_eq!(sum(&[pseudo, got.bytes].concat()), 0xffff);
}

#[test]
fn an_ipv6_advert_to_a_peer_has_the_hop_limit_asked_for_or_the_kernels() {
    let Some(lan) = Lan::new() else { return };
    let receiver = lan.listen("2001:db8::2", None);
    lan.listen("2001:db8::3", Some(lan.right.index)); // an address that is not there yet
    let sender = lan.a.run(|| AdvertSender::open(Family::V6, VRRP).unwrap());
    let payload = [0x31, 50, 100, 0, 0, 100, 0, 0];
    let packet = out(&payload, "2001:db8::1", "2001:db8::2", Some(lan.left.index));
    let packets = [
        OutPacket {
            hop_limit: Some(7),
            ..packet
        },
        OutPacket {
            interface: None,
            ..packet
        },
    ];
    let hops: Vec<u8> = lan
        .exchange(&sender, &packets, &receiver, 2)
        .iter()
        .map(|got| got.hop_limit)
        .collect();
    assert_eq!(hops, [7, 64]);
}

#[test]
fn a_receiver_hears_its_interface_only() {
    let Some(lan) = Lan::new() else { return };
    lan.a
        .ip(&format!("link add vc type veth peer name vd netns {}", lan.b.path()));
    lan.a.ip("link set vc up");
    lan.b.ip("link set vd up");
    lan.b.ip("addr add 10.1.0.2/24 dev vd");
    let (vc, vd) = (running_link(&lan.a, "vc"), running_link(&lan.b, "vd"));
    let receivers = [
        lan.listen(GROUP4, Some(lan.right.index)),
        lan.listen(GROUP4, Some(vd.index)),
    ];
    // One sender for both interfaces, in one call.
    let sender = lan.a.run(|| AdvertSender::open(Family::V4, VRRP).unwrap());
    let packets = [1, 2].map(|n| ipv4("10.0.0.1", GROUP4, VRRP, 255, &[n]));
    let outs = [lan.left.index, vc.index].map(Some);
    let packets: Vec<_> = packets
        .iter()
        .zip(outs)
        .map(|(packet, index)| out(packet, "10.0.0.1", GROUP4, index))
        .collect();
    send(&sender, &packets, &[]);
    for (receiver, n) in receivers.iter().zip([1, 2]) {
        assert_eq!(lan.receive(receiver, 1)[0].bytes[20..], [n]);
        assert_eq!(
            receiver
                .receive(&mut Inbox::new(1500), |packet| panic!("{packet:?}"))
                .unwrap(),
            Turn::Drained
        );
    }
}

#[test]
fn a_turn_reads_a_bounded_number_of_packets() {
    let Some(lan) = Lan::new() else { return };
    let receiver = lan.listen(GROUP4, Some(lan.right.index));
    let sender = lan.a.run(|| AdvertSender::open(Family::V4, VRRP).unwrap());
    let packet = ipv4("10.0.0.1", GROUP4, VRRP, 255, &[1]);
    let packets = [out(&packet, "10.0.0.1", GROUP4, Some(lan.left.index)); READS_PER_TURN + 8];
    send(&sender, &packets, &[]);
    let mut inbox = Inbox::new(1500);
    for (expected, turn) in [(READS_PER_TURN, Turn::More), (8, Turn::Drained), (0, Turn::Drained)] {
        let mut count = 0;
        assert_eq!(receiver.receive(&mut inbox, |_| count += 1).unwrap(), turn);
        assert_eq!(count, expected);
    }
}

#[test]
fn a_packet_longer_than_the_buffer_says_so() {
    let Some(lan) = Lan::new() else { return };
    let receiver = lan.listen(GROUP4, Some(lan.right.index));
    let sender = lan.a.run(|| AdvertSender::open(Family::V4, VRRP).unwrap());
    let [short, long] = [20, 21].map(|len| ipv4("10.0.0.1", GROUP4, VRRP, 255, &vec![7; len]));
    let packets = [&long, &short].map(|packet| out(packet, "10.0.0.1", GROUP4, Some(lan.left.index)));
    send(&sender, &packets, &[]);
    let mut seen = Vec::new();
    let _ = receiver
        .receive(&mut Inbox::new(40), |packet| {
            seen.push((packet.bytes.len(), packet.truncated))
        })
        .unwrap();
    assert_eq!(seen, [(40, true), (40, false)]);
}

#[test]
fn a_refused_packet_does_not_hold_up_the_others() {
    let Some(lan) = Lan::new() else { return };
    let receiver = lan.listen(GROUP4, Some(lan.right.index));
    let sender = lan.a.run(|| AdvertSender::open(Family::V4, VRRP).unwrap());
    let [first, lost, routed, last] = [1, 2, 3, 4].map(|n| ipv4("10.0.0.1", GROUP4, VRRP, 255, &[n]));
    let packets = [
        out(&first, "10.0.0.1", GROUP4, Some(lan.left.index)),
        out(&lost, "10.0.0.1", GROUP4, Some(IfIndex(4242))),
        out(&routed, "10.0.0.1", "192.0.2.1", None),
        out(&last, "10.0.0.1", GROUP4, Some(lan.left.index)),
    ];
    send(&sender, &packets, &[(1, libc::ENODEV), (2, libc::ENETUNREACH)]);
    let got: Vec<u8> = lan.receive(&receiver, 2).iter().map(|got| got.bytes[20]).collect();
    assert_eq!(got, [1, 4]);
}

#[test]
fn a_sender_is_deaf() {
    let Some(lan) = Lan::new() else { return };
    let deaf = lan.b.run(|| AdvertSender::open(Family::V6, VRRP).unwrap());
    let receiver = lan.listen(GROUP6, Some(lan.right.index));
    let sender = lan.a.run(|| AdvertSender::open(Family::V6, VRRP).unwrap());
    let payload = [0x31, 50, 100, 0, 0, 100, 0, 0];
    send(&sender, &[out(&payload, "fe80::1", GROUP6, Some(lan.left.index))], &[]);
    lan.receive(&receiver, 1);
    let mut fds = [PollFd::new(deaf.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::ZERO).unwrap(), 0);
}

#[test]
fn the_receive_buffer_has_the_size_asked_for() {
    let Some(lan) = Lan::new() else { return };
    let with = |receive_buffer| {
        let listen = Listen {
            receive_buffer,
            ..listen(GROUP4, Some(lan.right.index))
        };
        lan.b.run(|| AdvertReceiver::open(listen).unwrap())
    };
    // The kernel doubles what it is asked for.
    let size = |receiver: &AdvertReceiver| socket2::SockRef::from(receiver).recv_buffer_size().unwrap();
    let mut receiver = with(Some(5_000_000));
    assert_eq!(size(&receiver), 10_000_000);
    receiver.set_receive_buffer(40_000).unwrap();
    assert_eq!(
        (size(&receiver), receiver.listen().receive_buffer),
        (80_000, Some(40_000))
    );
}

#[test]
fn what_cannot_be_listened_at_is_said_in_a_sentence() {
    let Some(lan) = Lan::new() else { return };
    let refused = |listen| lan.b.run(move || AdvertReceiver::open(listen).err().unwrap());
    let error = refused(listen(GROUP4, Some(IfIndex(4242))));
    assert_eq!(error.errno(), Some(libc::ENODEV));
    assert_eq!(
        error.to_string(),
        "cannot join 224.0.0.18 on interface #4242: No such device (os error 19)"
    );
    assert_eq!(
        refused(listen(GROUP4, None)).errno(),
        Some(libc::ENODEV),
        "a group without an interface"
    );
    assert_eq!(
        refused(listen("fe80::77", None)).errno(),
        Some(libc::EINVAL),
        "link-local without an interface"
    );
}

#[test]
fn announcements_arrive_byte_for_byte() {
    let Some(lan) = Lan::new() else { return };
    let mut ear = lan.b.run(packet_socket);
    let sender = lan.a.run(|| FrameSender::open().unwrap());
    let mac = lan.left.mac.unwrap();
    let frames = [
        Frame::gratuitous_arp(mac, Ipv4Addr::new(10, 0, 0, 77)),
        Frame::neighbour_advertisement(mac, "2001:db8::77".parse().unwrap(), false),
    ];
    let outs = frames.map(|frame| OutFrame {
        interface: lan.left.index,
        frame,
    });
    let mut refused = Vec::new();
    assert_eq!(sender.send(&outs, &mut refused), 2);
    assert_eq!(refused, []);
    for frame in frames {
        assert_eq!(hear(&mut ear, mac), frame.as_bytes());
    }
    // The other end believes both. It knows its neighbour by another address before.
    lan.b
        .ip("neigh add 10.0.0.77 lladdr 02:00:00:00:00:99 dev vb nud stale");
    lan.b
        .ip("neigh add 2001:db8::77 lladdr 02:00:00:00:00:99 dev vb nud stale");
    assert_eq!(sender.send(&outs, &mut refused), 2);
    for frame in frames {
        assert_eq!(hear(&mut ear, mac), frame.as_bytes());
    }
    let neighbours = lan.b.ip("neigh show dev vb");
    for address in ["10.0.0.77", "2001:db8::77"] {
        assert!(neighbours.contains(&format!("{address} lladdr {mac}")), "{neighbours}");
    }
}

#[test]
fn a_thousand_packets_are_sent_in_one_go_and_all_arrive() {
    let Some(lan) = Lan::new() else { return };
    let ear = lan.b.run(packet_socket);
    ear.set_recv_buffer_size(1 << 20).unwrap();
    ear.set_nonblocking(true).unwrap();
    let reactor = Reactor::new().unwrap();
    let mac = lan.left.mac.unwrap();
    let address = |n: u32| Ipv4Addr::from(0x0a01_0000 + n);
    let frames: Vec<_> = (0..1000)
        .map(|n| OutFrame {
            interface: lan.left.index,
            frame: Frame::gratuitous_arp(mac, address(n)),
        })
        .collect();
    let sender = lan.a.run(|| FrameSender::open().unwrap());
    let start = reactor.now();
    assert_eq!(sender.send(&frames, &mut Vec::new()), 1000);
    println!(
        "1000 gratuitous ARPs: {:?} (sendto 3.1 ms, one sendmmsg 2.3 ms)",
        reactor.now() - start
    );
    let heard: Vec<Ipv4Addr> = drain(&ear).iter().filter_map(|frame| announced(frame)).collect();
    assert_eq!(heard, (0..1000).map(address).collect::<Vec<_>>());

    let adverts = lan.a.run(|| AdvertSender::open(Family::V4, VRRP).unwrap());
    let packet = ipv4("10.0.0.1", GROUP4, VRRP, 255, &[0x21; 20]);
    let packets = vec![out(&packet, "10.0.0.1", GROUP4, Some(lan.left.index)); 1000];
    let start = reactor.now();
    send(&adverts, &packets, &[]);
    println!("1000 adverts: {:?}", reactor.now() - start);
    let start = reactor.now();
    (0..100).for_each(|_| send(&adverts, &packets[..1], &[]));
    println!("100 adverts one by one: {:?}", reactor.now() - start);
    assert_eq!(
        drain(&ear).iter().filter(|frame| frame.get(23) == Some(&VRRP)).count(),
        1100
    );
}

#[test]
fn a_frame_that_is_refused_does_not_hold_up_the_others() {
    let Some(lan) = Lan::new() else { return };
    lan.a.ip("link add vc type veth peer name vd");
    let down = link(&lan.a, "vc");
    let sender = lan.a.run(|| FrameSender::open().unwrap());
    let frame = Frame::gratuitous_arp(lan.left.mac.unwrap(), Ipv4Addr::new(10, 0, 0, 77));
    let to = |interface| OutFrame { interface, frame };
    let mut outs = vec![to(lan.left.index); 300];
    outs[0] = to(IfIndex(4242));
    outs[150] = to(down.index);
    let mut refused = Vec::new();
    assert_eq!(sender.send(&outs, &mut refused), 300);
    assert_eq!(refused, [(0, libc::ENXIO), (150, libc::ENETDOWN)]);
}

#[test]
fn frames_beyond_the_room_of_the_kernel_are_left_for_later() {
    let Some(lan) = Lan::new() else { return };
    // A queue that lets a frame go every now and then and holds as many as one likes.
    lan.a
        .command("tc", "qdisc add dev va root tbf rate 8kbit burst 2kb limit 100mb");
    let sender = lan.a.run(|| FrameSender::open().unwrap());
    let frame = Frame::gratuitous_arp(lan.left.mac.unwrap(), Ipv4Addr::new(10, 0, 0, 77));
    let frames = vec![
        OutFrame {
            interface: lan.left.index,
            frame
        };
        20_000
    ];
    let mut refused = Vec::new();
    let sent = sender.send(&frames, &mut refused);
    assert!((1000..20_000).contains(&sent), "{sent}");
    assert_eq!(sender.send(&frames[sent..], &mut refused), 0);
    lan.a.command("tc", "qdisc del dev va root");
    assert_eq!(sender.send(&frames[sent..], &mut refused), 20_000 - sent);
    assert_eq!(refused, []);
    println!("room for {sent} frames");
}

fn out<'a>(bytes: &'a [u8], source: &str, destination: &str, interface: Option<IfIndex>) -> OutPacket<'a> {
    OutPacket {
        bytes,
        source: ip(source),
        destination: ip(destination),
        interface,
        hop_limit: None,
    }
}

/// An IPv4 packet as the daemon writes it: length and checksum are left to the kernel.
fn ipv4(source: &str, destination: &str, protocol: u8, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let head = [0x45, 0xc0, 0, 0, 0, 1, 0, 0, ttl, protocol, 0, 0];
    [&head[..], &octets(source), &octets(destination), payload].concat()
}

fn octets(text: &str) -> Vec<u8> {
    match ip(text) {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The Internet checksum, not inverted.
fn sum(bytes: &[u8]) -> u32 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// Hears every frame of its namespace.
fn packet_socket() -> Socket {
    let everything = Protocol::from(i32::from((libc::ETH_P_ALL as u16).to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW.cloexec(), Some(everything)).unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(5)))
        .unwrap();
    socket
}

/// Everything that has been heard.
fn drain(mut ear: &Socket) -> Vec<Vec<u8>> {
    let mut buffer = [0; 2000];
    std::iter::from_fn(|| ear.read(&mut buffer).ok().map(|len| buffer[..len].to_vec())).collect()
}

/// The address a gratuitous ARP announces.
fn announced(frame: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = frame.get(28..32)?.try_into().ok()?;
    (frame[12..14] == ARP.to_be_bytes()).then(|| Ipv4Addr::from(octets))
}

/// The next announcement from `sender`.
fn hear(ear: &mut Socket, sender: MacAddr) -> Vec<u8> {
    for _ in 0..1000 {
        let mut buffer = [0; 2000];
        let len = ear.read(&mut buffer).expect("a frame within five seconds");
        let frame = &buffer[..len];
        let kind = u16::from_be_bytes([frame[12], frame[13]]);
        // Others on the cable talk too: neighbour discovery and multicast reports of the kernel.
        let announces = kind == ARP || kind == IPV6 && frame.get(54) == Some(&136);
        if frame[6..12] == sender.0 && announces {
            return frame.to_vec();
        }
    }
    panic!("no announcement");
}
