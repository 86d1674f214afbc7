//! Datagrams over a cable between two namespaces of the test's own.

use super::datagram::{DatagramReceiver, DatagramSender, Inbox, READS_PER_TURN, Received};
use super::lan::{Lan, ip};
use crate::Turn;
use base::Family;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

const PORT: u16 = 3784;

#[derive(Debug, PartialEq, Eq)]
struct Got {
    bytes: Vec<u8>,
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    truncated: bool,
}

#[test]
fn a_datagram_arrives_with_its_addresses_and_its_ttl_in_both_families() {
    let Some(lan) = Lan::new() else { return };
    for (source, destination) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
        let receiver = listen(&lan, ip(destination));
        for ttl in [255, 64, 1] {
            let sender = lan
                .a
                .run(|| DatagramSender::open(to(destination), Some(ip(source)), ttl, 7).unwrap());
            let got = exchange(&sender, b"hello", &receiver);
            let expected = Got {
                bytes: b"hello".to_vec(),
                source: ip(source),
                destination: ip(destination),
                ttl,
                truncated: false,
            };
            assert_eq!(got, expected);
        }
    }
}

#[test]
fn the_source_port_is_from_the_dynamic_range_and_the_next_one_if_it_is_taken() {
    let Some(lan) = Lan::new() else { return };
    let last = 65535 - 49152;
    let ports: Vec<u16> = lan.a.run(|| {
        let open = || DatagramSender::open(to("10.0.0.2"), None, 255, last).unwrap();
        let both = [open(), open()];
        both.map(|sender| sender.port().unwrap()).to_vec()
    });
    assert_eq!(ports, [65535, 49152]);
}

#[test]
fn a_source_that_does_not_exist_yet_can_be_bound_and_sends_once_it_does() {
    let Some(lan) = Lan::new() else { return };
    let receiver = listen(&lan, ip("10.0.0.2"));
    let sender = lan
        .a
        .run(|| DatagramSender::open(to("10.0.0.2"), Some(ip("10.0.0.77")), 255, 1).unwrap());
    lan.a.ip("addr add 10.0.0.77/24 dev va");
    assert_eq!(exchange(&sender, b"x", &receiver).source, ip("10.0.0.77"));
}

#[test]
fn a_turn_ends_after_so_many_datagrams_and_a_long_one_is_marked() {
    let Some(lan) = Lan::new() else { return };
    let receiver = lan.a.run(|| DatagramReceiver::open(Family::V4, PORT).unwrap());
    let sender = lan
        .a
        .run(|| DatagramSender::open(to("127.0.0.1"), None, 255, 1).unwrap());
    let long = [7; 2000];
    for _ in 0..=READS_PER_TURN {
        sender.send(&long).unwrap();
    }
    let (mut inbox, mut count, mut whole) = (Inbox::new(), 0, 0);
    let mut take = |datagram: Received<'_>| {
        count += 1;
        whole += usize::from(!datagram.truncated);
    };
    assert_eq!(receiver.receive(&mut inbox, &mut take).unwrap(), Turn::More);
    assert_eq!(receiver.receive(&mut inbox, &mut take).unwrap(), Turn::Drained);
    assert_eq!((count, whole), (READS_PER_TURN + 1, 0));
}

#[test]
fn a_port_that_is_taken_is_an_error_and_both_families_can_have_it() {
    let Some(lan) = Lan::new() else { return };
    lan.a.run(|| {
        let _v4 = DatagramReceiver::open(Family::V4, PORT).unwrap();
        let _v6 = DatagramReceiver::open(Family::V6, PORT).unwrap();
        let again = DatagramReceiver::open(Family::V4, PORT).map(drop).unwrap_err();
        assert_eq!(again.errno(), Some(libc::EADDRINUSE));
    });
}

fn to(address: &str) -> SocketAddr {
    SocketAddr::from((ip(address), PORT))
}

fn listen(lan: &Lan, address: IpAddr) -> DatagramReceiver {
    lan.b.run(|| DatagramReceiver::open(Family::of(address), PORT).unwrap())
}

/// Sends until a datagram arrives: the neighbour is looked up first.
fn exchange(sender: &DatagramSender, bytes: &[u8], receiver: &DatagramReceiver) -> Got {
    let mut inbox = Inbox::new();
    for _ in 0..100 {
        // A source that is not there yet, or a neighbour that is being looked up, may refuse one.
        let _ = sender.send(bytes);
        let mut fds = [PollFd::new(receiver.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(100_u16)).unwrap();
        let mut got = None;
        let take = |datagram: Received<'_>| {
            got = Some(Got {
                bytes: datagram.bytes.to_vec(),
                source: datagram.source,
                destination: datagram.destination,
                ttl: datagram.ttl,
                truncated: datagram.truncated,
            });
        };
        let _ = receiver.receive(&mut inbox, take).unwrap();
        if let Some(got) = got {
            return got;
        }
    }
    panic!("nothing arrives");
}
