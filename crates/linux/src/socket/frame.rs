//! The frames that say where an address is, byte for byte. Pure: nothing here sends anything.
//!
//! Gratuitous ARP for IPv4 (RFC 5227, RFC 826) and the unsolicited neighbour advertisement for IPv6 (RFC 4861 section
//! 7.2.6), for Ethernet. When and how often they are sent is not known here.

use base::MacAddr;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// The EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;

/// The longest frame made here: an Ethernet header, an IPv6 header, and 32 bytes of advertisement.
const LONGEST: usize = ETHERNET_LEN + 40 + NA_LEN;
const ETHERNET_LEN: usize = 14;
const ARP_LEN: usize = 28;
const NA_LEN: usize = 32;

/// All nodes of a segment: ff02::1.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ICMPV6: u8 = 58;

/// An Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Frame {
    /// A gratuitous ARP: a broadcast request of `mac` for its own address.
    pub fn gratuitous_arp(mac: MacAddr, address: Ipv4Addr) -> Frame {
        let mut frame = Frame::ethernet(MacAddr::BROADCAST, mac, ARP);
        // Hardware Ethernet, protocol IPv4, lengths of their addresses, a request.
        frame.push(&[0, 1, 8, 0, 6, 4, 0, 1]);
        frame.push(&mac.0);
        frame.push(&address.octets());
        frame.push(&MacAddr::BROADCAST.0);
        frame.push(&address.octets());
        debug_assert_eq!(frame.len, ETHERNET_LEN + ARP_LEN);
        frame
    }

    /// An unsolicited neighbour advertisement to all nodes: `address` is at `mac`, whatever was known before.
    /// `router` says that its host forwards packets.
    pub fn neighbour_advertisement(mac: MacAddr, address: Ipv6Addr, router: bool) -> Frame {
        const TYPE: u8 = 136;
        const ROUTER: u8 = 0x80;
        const OVERRIDE: u8 = 0x20;
        const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
        let mut body = [0; NA_LEN];
        let flags = OVERRIDE | if router { ROUTER } else { 0 };
        let [m0, m1, m2, m3, m4, m5] = mac.0;
        let parts = [
            &[TYPE, 0, 0, 0, flags, 0, 0, 0][..],
            &address.octets(),
            &[TARGET_LINK_LAYER_ADDRESS, 1, m0, m1, m2, m3, m4, m5],
        ];
        for (place, byte) in body.iter_mut().zip(parts.into_iter().flatten()) {
            *place = *byte;
        }
        let sum = checksum(address, ALL_NODES, &body).to_be_bytes();
        let [_, _, high, low, ..] = &mut body;
        [*high, *low] = sum;

        let mut frame = Frame::ethernet(MacAddr([0x33, 0x33, 0, 0, 0, 1]), mac, IPV6);
        // Version 6, no class, no flow; length; next header; hop limit 255 as RFC 4861 section 4.4 asks.
        frame.push(&[0x60, 0, 0, 0, 0, NA_LEN as u8, ICMPV6, 255]);
        frame.push(&address.octets());
        frame.push(&ALL_NODES.octets());
        frame.push(&body);
        frame
    }

    /// The bytes from the destination on, without a frame check sequence.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }

    /// The destination in the Ethernet header.
    pub fn destination(&self) -> MacAddr {
        let [a, b, c, d, e, f, ..] = self.bytes;
        MacAddr([a, b, c, d, e, f])
    }

    /// The EtherType.
    pub fn protocol(&self) -> u16 {
        let [_, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] = self.bytes;
        u16::from_be_bytes([high, low])
    }

    fn ethernet(destination: MacAddr, source: MacAddr, protocol: u16) -> Frame {
        let mut frame = Frame {
            bytes: [0; LONGEST],
            len: 0,
        };
        frame.push(&destination.0);
        frame.push(&source.0);
        frame.push(&protocol.to_be_bytes());
        frame
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}

/// The checksum of an ICMPv6 message over the pseudo header (RFC 8200 section 8.1); its own field must be zero.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let pseudo = (message.len() as u32).to_be_bytes();
    let parts = [
        &source.octets()[..],
        &destination.octets(),
        &pseudo,
        &[0, 0, 0, ICMPV6],
        message,
    ];
    let sum = parts.iter().flat_map(|part| part.chunks(2)).fold(0_u32, |sum, pair| {
        let word = match *pair {
            [high, low] => u16::from_be_bytes([high, low]),
            [high] => u16::from_be_bytes([high, 0]),
            _ => 0,
        };
        sum + u32::from(word)
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    // ICMPv6 knows no "no checksum", so zero needs no other form.
    !(folded as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([0x02, 0x11, 0x22, 0x33, 0x44, 0x55]);

    #[test]
    fn a_gratuitous_arp_is_a_broadcast_request_of_an_address_for_itself() {
        let frame = Frame::gratuitous_arp(MAC, Ipv4Addr::new(192, 0, 2, 10));
        let expected: Vec<u8> = [
            &[0xff; 6][..],
            &[0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x08, 0x06],
            &[0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01],
            &[0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 192, 0, 2, 10],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 192, 0, 2, 10],
        ]
        .concat();
        assert_eq!(frame.as_bytes(), expected);
        assert_eq!((frame.destination(), frame.protocol()), (MacAddr::BROADCAST, ARP));
    }

    #[test]
    fn a_neighbour_advertisement_overrides_what_all_nodes_knew() {
        let address: Ipv6Addr = "2001:db8::10".parse().unwrap();
        let frame = Frame::neighbour_advertisement(MAC, address, true);
        let head = [
            &[0x33, 0x33, 0, 0, 0, 1][..],
            &[0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x86, 0xdd],
            &[0x60, 0, 0, 0, 0, 32, 58, 255],
            &address.octets(),
            &[0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            &[136, 0],
        ]
        .concat();
        let tail = [
            &[0xa0, 0, 0, 0][..],
            &address.octets(),
            &[2, 1, 0x02, 0x11, 0x22, 0x33, 0x44, 0x55],
        ]
        .concat();
        let (bytes_head, rest) = frame.as_bytes().split_at(head.len());
        let (sum, bytes_tail) = rest.split_at(2);
        assert_eq!((bytes_head, bytes_tail), (&head[..], &tail[..]));
        assert_eq!(sum, [0x12, 0x74], "computed apart from this code");
    }

    #[test]
    fn the_router_flag_and_the_checksum_of_a_neighbour_advertisement_change_together() {
        let address: Ipv6Addr = "2001:db8::10".parse().unwrap();
        let [router, host] = [true, false].map(|router| Frame::neighbour_advertisement(MAC, address, router));
        assert_eq!([router.as_bytes()[58], host.as_bytes()[58]], [0xa0, 0x20]);
        let sum = |frame: &Frame| u16::from_be_bytes([frame.as_bytes()[56], frame.as_bytes()[57]]);
        assert_eq!(sum(&host), sum(&router) + 0x8000);
    }

    #[test]
    fn a_receiver_finds_the_checksum_of_a_neighbour_advertisement_right() {
        let address: Ipv6Addr = "fe80::1:2".parse().unwrap();
        let frame = Frame::neighbour_advertisement(MacAddr([0xff; 6]), address, false);
        // Summed with its checksum in place, a message comes out as zero.
        assert_eq!(checksum(address, ALL_NODES, &frame.as_bytes()[54..]), 0);
    }
}
