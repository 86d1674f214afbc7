//! What the kernel reports of routes and rules that keepalived put there.
//!
//! [`RoutingEar`] hears that one came or went, whoever did it. It keeps no list: a table may hold a million routes of
//! others, which a filter in the kernel keeps away from us. When the kernel had to drop reports it says so, and whoever
//! cares asks for everything again. Does not know whose a route is, nor whether that matters.

use super::KEEPALIVED_MARK;
use super::route::SeenRoute;
use super::rule::RuleSpec;
use super::socket::{Arrival, RouteSocket, messages, os_error};
use crate::interface::attributes_of;
use crate::{SysError, Turn};
use base::{Family, IfIndex, IfName, Prefix};
use socket2::{SockFilter, SockRef};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};

/// Reports that may wait to be read, in bytes: those of some thousand routes of ours. What does not fit is recovered.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Datagrams read in one turn.
const READS_PER_TURN: usize = 256;

/// From linux/rtnetlink.h.
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
/// Bytes of struct rtnexthop.
const NEXT_HOP: usize = 8;

/// From linux/fib_rules.h.
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = super::rule::FRA_IP_PROTO;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;
/// FIB_RULE_INVERT.
const INVERT: u32 = 2;
/// FR_ACT_TO_TBL.
const TO_TABLE: u8 = 1;

/// Something that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutingChange {
    /// A route.
    Route {
        /// Which.
        route: SeenRoute,
        /// Whether it is there.
        present: bool,
    },
    /// A rule.
    Rule {
        /// Which.
        rule: Box<RuleSpec>,
        /// Whether it is there.
        present: bool,
    },
    /// Reports were lost.
    Uncertain,
}

/// Hears of routes and rules of keepalived.
pub struct RoutingEar {
    socket: RouteSocket,
    buffer: Vec<u8>,
}

impl RoutingEar {
    /// Begins to listen in the network namespace of the calling thread.
    pub fn open() -> Result<RoutingEar, SysError> {
        RoutingEar::with_receive_buffer(RECEIVE_BUFFER)
    }

    /// Makes room for at least so many bytes of reports that are not read yet.
    pub fn reserve(&self, bytes: u32) -> Result<(), SysError> {
        self.socket.reserve(bytes)
    }

    fn with_receive_buffer(bytes: usize) -> Result<RoutingEar, SysError> {
        let bit = |group: u32| 1_u32 << (group - 1);
        let groups = [
            libc::RTNLGRP_IPV4_ROUTE,
            libc::RTNLGRP_IPV6_ROUTE,
            libc::RTNLGRP_IPV4_RULE,
            libc::RTNLGRP_IPV6_RULE,
        ];
        let groups = groups.into_iter().fold(0, |all, group| all | bit(group));
        let socket = RouteSocket::open(groups, bytes)?;
        SockRef::from(&socket.as_fd())
            .attach_filter(&filter())
            .map_err(|source| SysError::new("filter reports of routes", "", source))?;
        Ok(RoutingEar {
            socket,
            buffer: vec![0; 32 * 1024],
        })
    }

    /// Appends what was reported since the last call. Never waits.
    pub fn read(&mut self, changes: &mut Vec<RoutingChange>) -> Result<Turn, SysError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.read_into(&mut buffer, changes);
        self.buffer = buffer;
        result
    }

    fn read_into(&mut self, buffer: &mut [u8], changes: &mut Vec<RoutingChange>) -> Result<Turn, SysError> {
        for _ in 0..READS_PER_TURN {
            let arrival = self
                .socket
                .receive(buffer)
                .map_err(|errno| SysError::new("read changes of routes", "", os_error(errno)))?;
            match arrival {
                Arrival::Bytes(len) => {
                    let datagram = buffer.get(..len).unwrap_or_default();
                    changes.extend(messages(datagram).filter_map(|m| decode(m.message_type(), m.payload())));
                }
                Arrival::Overrun => changes.push(RoutingChange::Uncertain),
                Arrival::Empty => return Ok(Turn::Drained),
            }
        }
        Ok(Turn::More)
    }
}

impl AsFd for RoutingEar {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Lets through what is no route, and routes of keepalived: `rtm_protocol` is the sixth byte after the header.
fn filter() -> [SockFilter; 7] {
    /// BPF_LD | BPF_H | BPF_ABS, BPF_LD | BPF_B | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K.
    const HALF: u16 = 0x28;
    const BYTE: u16 = 0x30;
    const IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const HEADER: u32 = 16;
    // The filter reads big endian, the header is in the order of the machine.
    let kind = |kind: u16| u32::from(u16::from_be_bytes(kind.to_ne_bytes()));
    [
        SockFilter::new(HALF, 0, 0, 4),
        SockFilter::new(IF_EQUAL, 1, 0, kind(libc::RTM_NEWROUTE)),
        SockFilter::new(IF_EQUAL, 0, 2, kind(libc::RTM_DELROUTE)),
        SockFilter::new(BYTE, 0, 0, HEADER + 5),
        SockFilter::new(IF_EQUAL, 0, 1, u32::from(KEEPALIVED_MARK)),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

pub(crate) fn decode(kind: u16, payload: &[u8]) -> Option<RoutingChange> {
    match kind {
        libc::RTM_NEWROUTE | libc::RTM_DELROUTE => Some(RoutingChange::Route {
            route: route(payload)?,
            present: kind == libc::RTM_NEWROUTE,
        }),
        libc::RTM_NEWRULE | libc::RTM_DELRULE => Some(RoutingChange::Rule {
            rule: Box::new(rule(payload)?),
            present: kind == libc::RTM_NEWRULE,
        }),
        _ => None,
    }
}

fn family(number: u8) -> Option<Family> {
    match i32::from(number) {
        libc::AF_INET => Some(Family::V4),
        libc::AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

fn everything(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

fn route(payload: &[u8]) -> Option<SeenRoute> {
    // struct rtmsg.
    let (&[number, to_len, from_len, tos, table, protocol, _, kind, _, _, _, _], rest) =
        payload.split_first_chunk::<12>()?;
    let family = family(number)?;
    let (mut to, mut from) = (everything(family), None);
    let (mut table, mut priority) = (u32::from(table), 0);
    let (mut gateway, mut interface) = (None, None);
    let mut hops = Vec::new();
    for (attribute, value) in attributes_of(rest) {
        match attribute {
            RTA_DST => to = ip(value)?,
            RTA_SRC => from = ip(value),
            RTA_OIF => interface = number_of(value).map(IfIndex),
            RTA_GATEWAY => gateway = ip(value),
            RTA_VIA => gateway = ip(value.get(2..)?),
            RTA_PRIORITY => priority = number_of(value)?,
            RTA_TABLE => table = number_of(value)?,
            RTA_MULTIPATH => hops = multipath(value),
            _ => {}
        }
    }
    if hops.is_empty() && (gateway.is_some() || interface.is_some()) {
        hops.push((gateway, interface));
    }
    Some(SeenRoute {
        destination: Prefix::new(to, to_len)?,
        source: match from {
            Some(from) => Some(Prefix::new(from, from_len)?),
            None => None,
        },
        table,
        tos,
        kind,
        protocol,
        priority,
        hops,
    })
}

/// The gateway and interface of each struct rtnexthop.
fn multipath(mut bytes: &[u8]) -> Vec<(Option<IpAddr>, Option<IfIndex>)> {
    let mut hops = Vec::new();
    while let Some((&[l0, l1, _, _, i0, i1, i2, i3], _)) = bytes.split_first_chunk::<NEXT_HOP>() {
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(attributes) = bytes.get(NEXT_HOP..len) else {
            break;
        };
        let gateway = attributes_of(attributes).find_map(|(kind, value)| match kind {
            RTA_GATEWAY => ip(value),
            RTA_VIA => ip(value.get(2..)?),
            _ => None,
        });
        hops.push((gateway, Some(IfIndex(u32::from_ne_bytes([i0, i1, i2, i3])))));
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

fn rule(payload: &[u8]) -> Option<RuleSpec> {
    // struct fib_rule_hdr.
    let (&[number, to_len, from_len, tos, table, _, _, verdict, f0, f1, f2, f3], rest) =
        payload.split_first_chunk::<12>()?;
    let mut rule = RuleSpec::table(family(number)?, 0, u32::from(table));
    rule.verdict = verdict;
    rule.tos = tos;
    rule.invert = u32::from_ne_bytes([f0, f1, f2, f3]) & INVERT != 0;
    rule.protocol = 0;
    let (mut mark, mut mask) = (0, 0);
    for (attribute, value) in attributes_of(rest) {
        match attribute {
            FRA_DST => rule.to = Prefix::new(ip(value)?, to_len),
            FRA_SRC => rule.from = Prefix::new(ip(value)?, from_len),
            FRA_IIFNAME => rule.iif = name(value),
            FRA_OIFNAME => rule.oif = name(value),
            FRA_GOTO => rule.target = number_of(value),
            FRA_PRIORITY => rule.priority = number_of(value)?,
            FRA_FWMARK => mark = number_of(value)?,
            FRA_FWMASK => mask = number_of(value)?,
            FRA_FLOW => rule.realms = number_of(value),
            FRA_TUN_ID => rule.tunnel_id = value.try_into().ok().map(u64::from_be_bytes),
            // All ones: nothing is suppressed.
            FRA_SUPPRESS_IFGROUP => rule.suppress_group = number_of(value).filter(|n| *n != u32::MAX),
            FRA_SUPPRESS_PREFIXLEN => rule.suppress_prefix_length = number_of(value).filter(|n| *n != u32::MAX),
            FRA_TABLE => rule.table = number_of(value)?,
            FRA_L3MDEV => rule.l3mdev = value.first().is_some_and(|flag| *flag != 0),
            FRA_UID_RANGE => rule.uids = pair(value),
            FRA_PROTOCOL => rule.protocol = value.first().copied().unwrap_or(0),
            FRA_IP_PROTO => rule.ip_protocol = value.first().copied(),
            FRA_SPORT_RANGE => rule.source_ports = ports(value),
            FRA_DPORT_RANGE => rule.destination_ports = ports(value),
            _ => {}
        }
    }
    rule.mark = (mark != 0 || mask != 0).then_some((mark, mask));
    if rule.verdict != TO_TABLE || rule.l3mdev {
        rule.table = 0;
    }
    Some(rule)
}

fn number_of(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

fn pair(value: &[u8]) -> Option<(u32, u32)> {
    let (start, end) = value.split_at_checked(4)?;
    Some((number_of(start)?, number_of(end)?))
}

fn ports(value: &[u8]) -> Option<(u16, u16)> {
    let &[a, b, c, d] = value else { return None };
    Some((u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])))
}

fn name(value: &[u8]) -> Option<IfName> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    std::str::from_utf8(value.get(..end)?).ok()?.parse().ok()
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    let octets = <[u8; 16]>::try_from(value).ok()?;
    Some(IpAddr::V6(Ipv6Addr::from(octets)))
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
