//! For the tests of this folder: two hosts on one cable, and packets between them.

use super::raw::{AdvertReceiver, AdvertSender, Inbox, Listen, OutPacket, Received};
use crate::Turn;
use crate::interface::{Link, Mirror};
use crate::testing::Netns;
use base::IfIndex;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::net::IpAddr;
use std::os::fd::AsFd;

pub(super) const VRRP: u8 = 112;

/// Two hosts on one cable: `va` in `a`, `vb` in `b`.
pub(super) struct Lan {
    pub(super) a: Netns,
    pub(super) b: Netns,
    pub(super) left: Link,
    pub(super) right: Link,
}

impl Lan {
    pub(super) fn new() -> Option<Lan> {
        let (a, b) = Netns::pair("va", "vb")?;
        for (net, dev, n) in [(&a, "va", 1), (&b, "vb", 2)] {
            net.ip(&format!("addr add 10.0.0.{n}/24 dev {dev}"));
            net.ip(&format!("addr add fe80::{n}/64 dev {dev} nodad"));
            net.ip(&format!("addr add 2001:db8::{n}/64 dev {dev} nodad"));
        }
        let (left, right) = (running_link(&a, "va"), running_link(&b, "vb"));
        await_multicast(&a, "va");
        await_multicast(&b, "vb");
        Some(Lan { a, b, left, right })
    }

    pub(super) fn listen(&self, local: &str, interface: Option<IfIndex>) -> AdvertReceiver {
        self.b.run(|| AdvertReceiver::open(listen(local, interface)).unwrap())
    }

    /// Waits for so many packets.
    pub(super) fn receive(&self, receiver: &AdvertReceiver, count: usize) -> Vec<Got> {
        let got = receive_within(receiver, count, 100);
        assert_eq!(got.len(), count);
        got
    }

    /// Sends until so many packets arrive. Neighbours are looked up first, which a busy kernel may be too late for.
    pub(super) fn exchange(
        &self,
        sender: &AdvertSender,
        packets: &[OutPacket<'_>],
        receiver: &AdvertReceiver,
        count: usize,
    ) -> Vec<Got> {
        for _ in 0..20 {
            send(sender, packets, &[]);
            let mut got = receive_within(receiver, count, 10);
            if got.len() >= count {
                got.truncate(count);
                return got;
            }
        }
        panic!("nothing arrives");
    }
}

/// Waits for so many packets, at most so many tenths of a second; more may arrive at once.
pub(super) fn receive_within(receiver: &AdvertReceiver, count: usize, tenths: u32) -> Vec<Got> {
    let mut inbox = Inbox::new(1500);
    let mut got = Vec::new();
    for _ in 0..tenths {
        let take = |packet: Received<'_>| {
            got.push(Got {
                bytes: packet.bytes.to_vec(),
                source: packet.source,
                destination: packet.destination,
                hop_limit: packet.hop_limit,
                interface: packet.interface,
                truncated: packet.truncated,
            });
        };
        let _ = receiver.receive(&mut inbox, take).unwrap();
        if got.len() >= count {
            break;
        }
        poll(
            &mut [PollFd::new(receiver.as_fd(), PollFlags::POLLIN)],
            PollTimeout::from(100_u8),
        )
        .unwrap();
    }
    got
}

pub(super) struct Got {
    pub(super) bytes: Vec<u8>,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) hop_limit: u8,
    pub(super) interface: Option<IfIndex>,
    pub(super) truncated: bool,
}

pub(super) fn link(net: &Netns, name: &str) -> Link {
    let mirror = net.run(|| Mirror::open().unwrap());
    mirror.link_named(name.parse().unwrap()).unwrap().clone()
}

/// The kernel takes its time between the carrier and the first packet that passes.
pub(super) fn running_link(net: &Netns, name: &str) -> Link {
    let mut mirror = net.run(|| Mirror::open().unwrap());
    for _ in 0..100 {
        while mirror.read(&mut Vec::new()).unwrap() == Turn::More {}
        let link = mirror.link_named(name.parse().unwrap()).unwrap();
        if link.running {
            return link.clone();
        }
        poll(
            &mut [PollFd::new(mirror.as_fd(), PollFlags::POLLIN)],
            PollTimeout::from(100_u8),
        )
        .unwrap();
    }
    panic!("{name} does not come up");
}

/// The kernel sets up IPv6 on an interface when it has the time, last of all the route to groups.
pub(super) fn await_multicast(net: &Netns, name: &str) {
    for _ in 0..200 {
        if net
            .ip(&format!("-6 route show table local type multicast dev {name}"))
            .contains("ff00::/8")
        {
            return;
        }
        poll(&mut [], PollTimeout::from(50_u8)).unwrap();
    }
    panic!("{name} has no route to groups");
}

pub(super) fn listen(local: &str, interface: Option<IfIndex>) -> Listen {
    Listen {
        protocol: VRRP,
        local: ip(local),
        interface,
        receive_buffer: None,
    }
}

pub(super) fn send(sender: &AdvertSender, packets: &[OutPacket<'_>], expected: &[(usize, i32)]) {
    let mut refused = Vec::new();
    sender.send(packets, &mut refused);
    assert_eq!(refused, expected);
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
