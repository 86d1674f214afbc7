//! The kernel's messages about links and addresses, from bytes to notices.
//!
//! Reads the dozen attributes that matter and steps over all others, whatever they hold: a kernel that adds or
//! changes one of those must not make interfaces invisible. Does not know what was known before.

use super::facts::{Address, Link};
use base::{IfIndex, IfName, MacAddr, Prefix};
use netlink_packet_core::NlasIterator;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A link exists.
    Link {
        /// Its facts.
        link: Link,
        /// The message tells identity and flags only; the other facts are made up.
        partial: bool,
        /// Whether it forwards IPv6, if the message tells (the fact in `link` is made up).
        forwarding6: Option<bool>,
    },
    LinkGone(IfIndex),
    Address(IfIndex, Address),
    AddressGone(IfIndex, Address),
    Forwarding6(IfIndex, bool),
}

/// The message makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads the payload of a message of the given kind; `None` for what does not matter here.
pub(crate) fn decode(kind: u16, payload: &[u8]) -> Result<Option<Notice>, Malformed> {
    match kind {
        libc::RTM_NEWLINK => link(payload),
        libc::RTM_DELLINK => {
            let (header, _) = LinkHeader::split(payload)?;
            // A bridge says with its own family that a port has left it; the port still exists.
            Ok(header.is_about_the_link().then_some(Notice::LinkGone(header.index)))
        }
        libc::RTM_NEWADDR => Ok(address(payload)?.map(|(index, address)| Notice::Address(index, address))),
        libc::RTM_DELADDR => Ok(address(payload)?.map(|(index, address)| Notice::AddressGone(index, address))),
        RTM_NEWNETCONF => forwarding(payload),
        _ => Ok(None),
    }
}

/// From linux/rtnetlink.h and linux/netconf.h; libc does not have them.
const RTM_NEWNETCONF: u16 = 80;
const NETCONFA_IFINDEX: u16 = 1;
const NETCONFA_FORWARDING: u16 = 2;
/// From linux/if_addr.h (Linux 5.18).
const IFA_PROTO: u16 = 11;
/// From linux/if_link.h.
const IFLA_INET6_CONF: u16 = 2;

/// struct ifinfomsg.
struct LinkHeader {
    family: u8,
    hardware: u16,
    index: IfIndex,
    flags: u32,
}

impl LinkHeader {
    fn split(payload: &[u8]) -> Result<(LinkHeader, &[u8]), Malformed> {
        let (header, rest) = payload.split_first_chunk::<16>().ok_or(Malformed)?;
        let &[family, _, t0, t1, i0, i1, i2, i3, f0, f1, f2, f3, _, _, _, _] = header;
        let header = LinkHeader {
            family,
            hardware: u16::from_ne_bytes([t0, t1]),
            index: IfIndex(u32::from_ne_bytes([i0, i1, i2, i3])),
            flags: u32::from_ne_bytes([f0, f1, f2, f3]),
        };
        Ok((header, rest))
    }

    fn is_about_the_link(&self) -> bool {
        i32::from(self.family) == libc::AF_UNSPEC
    }
}

fn link(payload: &[u8]) -> Result<Option<Notice>, Malformed> {
    let (header, attributes) = LinkHeader::split(payload)?;
    if !header.is_about_the_link() {
        return Ok(None);
    }
    let has = |flag: libc::c_int| header.flags & flag as u32 != 0;
    // A name that cannot be written down here cannot be configured either.
    let name = attributes_of(attributes).find(|(kind, _)| *kind == libc::IFLA_IFNAME);
    let name = name
        .and_then(|(_, value)| text(value)?.parse::<IfName>().ok())
        .ok_or(Malformed)?;
    let mut mtu = None;
    let mut forwarding6 = None;
    let mut elsewhere = false;
    let mut link = Link {
        index: header.index,
        name,
        mac: None,
        hardware: header.hardware,
        mtu: 0,
        up: has(libc::IFF_UP),
        running: has(libc::IFF_RUNNING),
        lower_up: has(libc::IFF_LOWER_UP),
        multicast: has(libc::IFF_MULTICAST),
        noarp: has(libc::IFF_NOARP),
        loopback: has(libc::IFF_LOOPBACK),
        point_to_point: has(libc::IFF_POINTOPOINT),
        kind: None,
        master: None,
        base: None,
        forwarding6: false,
    };
    for (kind, value) in attributes_of(attributes) {
        match kind {
            libc::IFLA_ADDRESS if header.hardware == libc::ARPHRD_ETHER => {
                link.mac = value.try_into().ok().map(MacAddr);
            }
            libc::IFLA_MTU => mtu = number(value),
            libc::IFLA_MASTER => link.master = number(value).map(IfIndex),
            libc::IFLA_LINK => link.base = number(value).filter(|index| *index != 0).map(IfIndex),
            libc::IFLA_LINK_NETNSID => elsewhere = true,
            libc::IFLA_LINKINFO => link.kind = link_kind(value),
            libc::IFLA_AF_SPEC => forwarding6 = inet6_forwarding(value),
            _ => {}
        }
    }
    if elsewhere {
        link.base = None;
    }
    link.mtu = mtu.unwrap_or(0);
    Ok(Some(Notice::Link {
        link,
        partial: mtu.is_none(),
        forwarding6,
    }))
}

fn link_kind(info: &[u8]) -> Option<String> {
    let (_, value) = attributes_of(info).find(|(kind, _)| *kind == libc::IFLA_INFO_KIND)?;
    text(value).map(str::to_owned)
}

/// The forwarding setting within IFLA_AF_SPEC: for IPv6 there is an array of all settings, of which it is the first.
fn inet6_forwarding(families: &[u8]) -> Option<bool> {
    let (_, inet6) = attributes_of(families).find(|(family, _)| i32::from(*family) == libc::AF_INET6)?;
    let (_, settings) = attributes_of(inet6).find(|(kind, _)| *kind == IFLA_INET6_CONF)?;
    number(settings.get(..4)?).map(|forwarding| forwarding != 0)
}

fn address(payload: &[u8]) -> Result<Option<(IfIndex, Address)>, Malformed> {
    // struct ifaddrmsg.
    let (header, attributes) = payload.split_first_chunk::<8>().ok_or(Malformed)?;
    let &[family, prefix_len, flags, scope, i0, i1, i2, i3] = header;
    if ![libc::AF_INET, libc::AF_INET6].contains(&i32::from(family)) {
        return Ok(None);
    }
    let (mut local, mut other, mut broadcast, mut label) = (None, None, None, None);
    let (mut all_flags, mut mark) = (u32::from(flags), 0);
    for (kind, value) in attributes_of(attributes) {
        match kind {
            libc::IFA_LOCAL => local = ip(value),
            libc::IFA_ADDRESS => other = ip(value),
            libc::IFA_BROADCAST => broadcast = value.try_into().ok().map(|octets: [u8; 4]| Ipv4Addr::from(octets)),
            libc::IFA_LABEL => label = text(value).and_then(|text| text.parse().ok()),
            libc::IFA_FLAGS => all_flags = number(value).unwrap_or(all_flags),
            IFA_PROTO => mark = value.first().copied().unwrap_or(0),
            _ => {}
        }
    }
    // IPv6 says only IFA_ADDRESS when there is no other end.
    let own = local.or(other).ok_or(Malformed)?;
    let address = Address {
        prefix: Prefix::new(own, prefix_len).ok_or(Malformed)?,
        peer: other.filter(|other| *other != own),
        broadcast,
        label,
        scope,
        flags: all_flags,
        mark,
    };
    Ok(Some((IfIndex(u32::from_ne_bytes([i0, i1, i2, i3])), address)))
}

fn forwarding(payload: &[u8]) -> Result<Option<Notice>, Malformed> {
    // struct netconfmsg: the family, padded to four bytes.
    let (&[family, _, _, _], attributes) = payload.split_first_chunk::<4>().ok_or(Malformed)?;
    if i32::from(family) != libc::AF_INET6 {
        return Ok(None);
    }
    let value_of = |wanted| {
        attributes_of(attributes)
            .find(|(kind, _)| *kind == wanted)
            .and_then(|(_, v)| number(v))
    };
    // The numbers of "all" and "default" are negative, and no link has them.
    match (value_of(NETCONFA_IFINDEX), value_of(NETCONFA_FORWARDING)) {
        (Some(index), Some(forwarding)) => Ok(Some(Notice::Forwarding6(IfIndex(index), forwarding != 0))),
        _ => Ok(None),
    }
}

/// The attributes by kind, up to the first that makes no sense.
pub(crate) fn attributes_of(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(Result::ok).map(|attribute| {
        let value = attribute.into_inner();
        let end = usize::from(attribute.length());
        (attribute.kind(), value.get(4..end).unwrap_or_default())
    })
}

pub(crate) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    <[u8; 16]>::try_from(value)
        .ok()
        .map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))
}

pub(crate) fn text(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    value.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok())
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
