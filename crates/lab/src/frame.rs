//! What a frame on the switch means to a scenario.
//!
//! The reader takes no daemon's word for anything: it looks at bytes on the wire, with code that shares nothing with
//! the code under test. It knows just enough of each format to tell who claims what; whether a packet is *valid*
//! (checksums, authentication) is for the routers to judge, and their reactions are what the lab looks at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// A frame that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A VRRP advertisement.
    Advert(Advert),
    /// A gratuitous ARP or an unsolicited neighbour advertisement: "this address is at my hardware address".
    Announcement {
        /// Whose place is told.
        address: IpAddr,
    },
    /// An answer to a probe of the client.
    EchoReply {
        /// Who answers.
        from: IpAddr,
        /// Which probe.
        sequence: u16,
    },
}

/// What an advertisement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert {
    /// 2 or 3.
    pub version: u8,
    /// The virtual router.
    pub vrid: u8,
    /// Zero: the sender resigns.
    pub priority: u8,
    /// The interval it announces.
    pub interval: Duration,
    /// The sender.
    pub source: IpAddr,
    /// Whether it came in an authentication header.
    pub authenticated: bool,
}

/// Reads an Ethernet frame; `None` for everything a scenario does not look at.
pub fn read(bytes: &[u8]) -> Option<Frame> {
    let (header, body) = bytes.split_first_chunk::<14>()?;
    match header {
        [.., 0x08, 0x00] => ipv4(body),
        [.., 0x86, 0xdd] => ipv6(body),
        [.., 0x08, 0x06] => arp(body),
        _ => None,
    }
}

fn ipv4(packet: &[u8]) -> Option<Frame> {
    let &[first, _, _, _, _, _, _, _, _, protocol, _, _, a, b, c, d, ..] = packet else {
        return None;
    };
    let payload = packet.get(usize::from(first & 15) * 4..)?;
    let source = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    match protocol {
        112 => advert(payload, source, false),
        51 if payload.first() == Some(&112) => advert(payload.get(24..)?, source, true),
        1 => echo_reply(payload, 0, source),
        _ => None,
    }
}

fn ipv6(packet: &[u8]) -> Option<Frame> {
    let (header, payload) = packet.split_first_chunk::<40>()?;
    let next = *header.get(6)?;
    let source = IpAddr::V6(Ipv6Addr::from(*header.get(8..)?.first_chunk::<16>()?));
    let multicast = header.get(24) == Some(&0xff);
    match (next, payload.first()) {
        (112, _) => advert(payload, source, false),
        // An answer to a solicitation goes to the one who asked; an announcement to everybody.
        (58, Some(136)) if multicast => {
            let target = Ipv6Addr::from(*payload.get(8..)?.first_chunk::<16>()?);
            Some(Frame::Announcement {
                address: IpAddr::V6(target),
            })
        }
        (58, _) => echo_reply(payload, 129, source),
        _ => None,
    }
}

fn arp(packet: &[u8]) -> Option<Frame> {
    let sender = Ipv4Addr::from(*packet.get(14..)?.first_chunk::<4>()?);
    let target = Ipv4Addr::from(*packet.get(24..)?.first_chunk::<4>()?);
    (sender == target && !sender.is_unspecified()).then_some(Frame::Announcement {
        address: IpAddr::V4(sender),
    })
}

fn advert(payload: &[u8], source: IpAddr, authenticated: bool) -> Option<Frame> {
    let &[kind, vrid, priority, _, high, low, ..] = payload else {
        return None;
    };
    if kind & 15 != 1 {
        return None;
    }
    let version = kind >> 4;
    let interval = match version {
        2 => Duration::from_secs(u64::from(low)),
        _ => Duration::from_millis(10 * u64::from(u16::from_be_bytes([high & 15, low]))),
    };
    Some(Frame::Advert(Advert {
        version,
        vrid,
        priority,
        interval,
        source,
        authenticated,
    }))
}

fn echo_reply(payload: &[u8], kind: u8, from: IpAddr) -> Option<Frame> {
    let &[first, _, _, _, _, _, high, low, ..] = payload else {
        return None;
    };
    (first == kind).then_some(Frame::EchoReply {
        from,
        sequence: u16::from_be_bytes([high, low]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_2_advert_is_read_with_its_interval_in_seconds() {
        let frame = ethernet(0x0800, &ipv4_packet(112, &[0x21, 50, 70, 3, 1, 1, 0, 0, 10, 0, 0, 10]));
        assert_eq!(
            read(&frame),
            Some(Frame::Advert(expected(2, Duration::from_secs(1), false)))
        );
    }

    #[test]
    fn a_version_3_advert_is_read_with_its_interval_in_centiseconds() {
        let frame = ethernet(0x0800, &ipv4_packet(112, &[0x31, 50, 70, 3, 0x0f, 0xff, 0, 0]));
        assert_eq!(
            read(&frame),
            Some(Frame::Advert(expected(3, Duration::from_millis(40_950), false)))
        );
    }

    #[test]
    fn an_advert_inside_an_authentication_header_is_found() {
        let mut payload = vec![112, 4];
        payload.resize(24, 0);
        payload.extend([0x21, 50, 70, 1, 2, 1, 0, 0]);
        let frame = ethernet(0x0800, &ipv4_packet(51, &payload));
        assert_eq!(
            read(&frame),
            Some(Frame::Advert(expected(2, Duration::from_secs(1), true)))
        );
    }

    #[test]
    fn a_gratuitous_arp_is_an_announcement_and_a_question_is_not() {
        let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
        packet.extend(
            [2; 6]
                .iter()
                .chain(&[10, 0, 0, 10])
                .chain(&[0; 6])
                .chain(&[10, 0, 0, 10]),
        );
        let address = "10.0.0.10".parse().unwrap();
        assert_eq!(read(&ethernet(0x0806, &packet)), Some(Frame::Announcement { address }));
        packet[27] = 11;
        assert_eq!(read(&ethernet(0x0806, &packet)), None);
    }

    #[test]
    fn an_unsolicited_neighbour_advertisement_is_an_announcement() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 24, 58, 255];
        packet.extend("fe80::1".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend("ff02::1".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend([136, 0, 0, 0, 0x20, 0, 0, 0]);
        packet.extend("2001:db8::10".parse::<Ipv6Addr>().unwrap().octets());
        let address = "2001:db8::10".parse().unwrap();
        assert_eq!(read(&ethernet(0x86dd, &packet)), Some(Frame::Announcement { address }));
    }

    #[test]
    fn every_shorter_frame_is_passed_over_without_a_panic() {
        let frames = [
            ethernet(0x0800, &ipv4_packet(112, &[0x21, 50, 70, 3, 1, 1])),
            ethernet(0x0800, &ipv4_packet(1, &[0, 0, 0, 0, 0, 0, 0, 9])),
            ethernet(0x86dd, &[0x60; 64]),
            ethernet(0x0806, &[1; 28]),
        ];
        for frame in frames {
            for len in 0..frame.len() {
                assert_eq!(read(&frame[..len]), None, "{len} bytes");
            }
        }
    }

    #[test]
    fn an_echo_reply_tells_who_answered_which_probe() {
        let frame = ethernet(0x0800, &ipv4_packet(1, &[0, 0, 0, 0, 0, 7, 1, 2]));
        let from = "10.0.0.1".parse().unwrap();
        assert_eq!(read(&frame), Some(Frame::EchoReply { from, sequence: 258 }));
    }

    fn expected(version: u8, interval: Duration, authenticated: bool) -> Advert {
        let source = "10.0.0.1".parse().unwrap();
        Advert {
            version,
            vrid: 50,
            priority: 70,
            interval,
            source,
            authenticated,
        }
    }

    fn ethernet(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend(kind.to_be_bytes());
        frame.extend(body);
        frame
    }

    fn ipv4_packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![
            0x45, 0xc0, 0, 0, 0, 0, 0, 0, 255, protocol, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18,
        ];
        packet.extend(payload);
        packet
    }
}
