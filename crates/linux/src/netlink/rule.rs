//! Policy rules: what the kernel is asked, and what it reports of them.
//!
//! Values with the kernel's numbers and the messages that carry them. Does not know why a rule should be there.

use super::address::{Action, Encode};
use base::{Family, IfName, Prefix};
use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::rule::{RuleAttribute, RuleFlags, RuleMessage, RulePortRange, RuleUidRange};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// From linux/fib_rules.h.
pub(super) const FRA_IP_PROTO: u16 = 22;
/// FR_ACT_TO_TBL.
const TO_TABLE: u8 = 1;

/// One change to the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRequest {
    /// What to do. Adding what is there is refused with EEXIST, removing what is not with ENOENT.
    pub action: Action,
    /// The rule.
    pub rule: RuleSpec,
}

/// A rule as the kernel is asked for it, and as it reports it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleSpec {
    /// Its family.
    pub family: Family,
    /// Its place among the rules.
    pub priority: u32,
    /// FR_ACT_*: 1 a table, 2 goto, 3 nothing, 6 drop, 7 unreachable, 8 prohibited.
    pub verdict: u8,
    /// The table for verdict 1; 0 with `l3mdev`, and for other verdicts.
    pub table: u32,
    /// The table of the VRF of the packet.
    pub l3mdev: bool,
    /// Where verdict 2 goes on.
    pub target: Option<u32>,
    /// For the packets that do not match.
    pub invert: bool,
    /// From these.
    pub from: Option<Prefix>,
    /// To these.
    pub to: Option<Prefix>,
    /// With this TOS.
    pub tos: u8,
    /// With this firewall mark under this mask.
    pub mark: Option<(u32, u32)>,
    /// That came in here.
    pub iif: Option<IfName>,
    /// Of sockets bound to this.
    pub oif: Option<IfName>,
    /// Of this tunnel.
    pub tunnel_id: Option<u64>,
    /// Of these users.
    pub uids: Option<(u32, u32)>,
    /// Of this protocol.
    pub ip_protocol: Option<u8>,
    /// From these ports.
    pub source_ports: Option<(u16, u16)>,
    /// To these ports.
    pub destination_ports: Option<(u16, u16)>,
    /// They get these realms, the first in the upper half; IPv4.
    pub realms: Option<u32>,
    /// Routes with prefixes no longer than this are not taken.
    pub suppress_prefix_length: Option<u32>,
    /// Routes over interfaces of this group are not taken.
    pub suppress_group: Option<u32>,
    /// RTPROT_*: who put it there.
    pub protocol: u8,
}

impl RuleSpec {
    /// All packets are looked up in a table.
    pub fn table(family: Family, priority: u32, table: u32) -> RuleSpec {
        RuleSpec {
            family,
            priority,
            verdict: TO_TABLE,
            table,
            l3mdev: false,
            target: None,
            invert: false,
            from: None,
            to: None,
            tos: 0,
            mark: None,
            iif: None,
            oif: None,
            tunnel_id: None,
            uids: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            realms: None,
            suppress_prefix_length: None,
            suppress_group: None,
            protocol: super::KEEPALIVED_MARK,
        }
    }
}

impl Encode for RuleRequest {
    fn message(&self) -> (RouteNetlinkMessage, u16) {
        let message = encoded(&self.rule);
        match self.action {
            Action::Add => (RouteNetlinkMessage::NewRule(message), NLM_F_CREATE | NLM_F_EXCL),
            Action::Remove => (RouteNetlinkMessage::DelRule(message), 0),
        }
    }
}

pub(crate) fn encoded(rule: &RuleSpec) -> RuleMessage {
    let mut message = RuleMessage::default();
    let header = &mut message.header;
    header.family = match rule.family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    header.dst_len = rule.to.map_or(0, Prefix::len);
    header.src_len = rule.from.map_or(0, Prefix::len);
    header.tos = rule.tos;
    // Tables above 255 are told by the attribute only.
    header.table = u8::try_from(rule.table).unwrap_or(0);
    header.action = rule.verdict.into();
    header.flags.set(RuleFlags::Invert, rule.invert);
    let mut attributes = vec![
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Protocol(rule.protocol.into()),
    ];
    attributes.extend((rule.table != 0).then_some(RuleAttribute::Table(rule.table)));
    attributes.extend(rule.l3mdev.then_some(RuleAttribute::L3MDev(true)));
    attributes.extend(rule.target.map(RuleAttribute::Goto));
    let network = |prefix: Prefix| prefix.host_bits(false);
    attributes.extend(rule.from.map(|prefix| RuleAttribute::Source(network(prefix))));
    attributes.extend(rule.to.map(|prefix| RuleAttribute::Destination(network(prefix))));
    if let Some((mark, mask)) = rule.mark {
        attributes.push(RuleAttribute::FwMark(mark));
        attributes.push(RuleAttribute::FwMask(mask));
    }
    attributes.extend(rule.iif.map(|name| RuleAttribute::Iifname(name.to_string())));
    attributes.extend(rule.oif.map(|name| RuleAttribute::Oifname(name.to_string())));
    attributes.extend(rule.tunnel_id.map(RuleAttribute::TunId));
    attributes.extend(
        rule.uids
            .map(|(start, end)| RuleAttribute::UidRange(RuleUidRange { start, end })),
    );
    attributes.extend(
        rule.ip_protocol
            .map(|number| RuleAttribute::Other(DefaultNla::new(FRA_IP_PROTO, vec![number]))),
    );
    let ports = |(start, end)| RulePortRange { start, end };
    attributes.extend(
        rule.source_ports
            .map(|range| RuleAttribute::SourcePortRange(ports(range))),
    );
    attributes.extend(
        rule.destination_ports
            .map(|range| RuleAttribute::DestinationPortRange(ports(range))),
    );
    attributes.extend(rule.realms.map(|realms| {
        RuleAttribute::Realm(netlink_packet_route::route::RouteRealm {
            source: (realms >> 16) as u16,
            destination: realms as u16,
        })
    }));
    attributes.extend(rule.suppress_prefix_length.map(RuleAttribute::SuppressPrefixLen));
    attributes.extend(rule.suppress_group.map(RuleAttribute::SuppressIfGroup));
    message.attributes = attributes;
    message
}
