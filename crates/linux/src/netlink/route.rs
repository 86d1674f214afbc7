//! Routes: what the kernel is asked, and what it reports of them.
//!
//! Values with the kernel's numbers and the messages that carry them. Does not know why a route should be somewhere.

use super::address::{Action, Encode};
use base::{Family, IfIndex, Prefix};
use netlink_packet_core::{DefaultNla, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::{
    MplsLabel, RouteAddress, RouteAttribute, RouteFlags, RouteIp6Tunnel, RouteIp6TunnelFlags, RouteIpTunnel,
    RouteIpTunnelFlags, RouteLwEnCapType, RouteLwTunnelEncap, RouteMessage, RouteMetric, RouteMplsIpTunnel,
    RouteNextHop, RouteNextHopFlags, RouteRealm, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From linux/rtnetlink.h.
const RTAX_LOCK: u16 = 1;
const RTAX_CC_ALGO: u16 = 16;
/// From linux/ila.h.
const ILA_ATTR_LOCATOR: u16 = 1;
/// What IPv6 takes for no metric.
const IPV6_METRIC: u32 = 1024;

/// One change to the routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRequest {
    /// What to do. Adding what is there is refused with EEXIST, removing what is not with ESRCH.
    pub action: Action,
    /// The route.
    pub route: RouteSpec,
}

/// A route as the kernel is asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// Where it leads to.
    pub destination: Prefix,
    /// For packets of these senders only; IPv6.
    pub source: Option<Prefix>,
    /// The table.
    pub table: u32,
    /// IPv4.
    pub tos: u8,
    /// RTN_*: 1 unicast, 2 local, 6 blackhole.
    pub kind: u8,
    /// RTPROT_*: who put it there.
    pub protocol: u8,
    /// RT_SCOPE_*; IPv4.
    pub scope: u8,
    /// Its metric; `None`: the kernel's.
    pub priority: Option<u32>,
    /// The address our own packets get.
    pub preferred_source: Option<IpAddr>,
    /// The ways: one, or with [`RouteSpec::multipath`] several.
    pub hops: Vec<HopSpec>,
    /// The ways are told as a list.
    pub multipath: bool,
    /// RTAX_* numbers and values.
    pub metrics: Vec<(u16, u32)>,
    /// RTAX_* numbers of locked metrics.
    pub locked: Vec<u16>,
    /// The congestion control algorithm.
    pub congestion: Option<String>,
    /// Seconds it lasts; IPv6.
    pub expires: Option<u32>,
    /// ICMPv6 router preference; IPv6.
    pub preference: Option<u8>,
    /// Whether the TTL goes into MPLS headers.
    pub ttl_propagate: Option<bool>,
    /// How it joins similar ones.
    pub insert: Insert,
}

/// How a route joins those to the same destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// Before them.
    Prepend,
    /// After them.
    Append,
    /// Only if there is none.
    Add,
}

/// One way to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HopSpec {
    /// The next router; may be of the other family.
    pub gateway: Option<IpAddr>,
    /// Out of this interface.
    pub interface: Option<IfIndex>,
    /// The gateway is on the link whatever the addresses say.
    pub onlink: bool,
    /// Packets are put into others.
    pub encap: Option<EncapSpec>,
    /// Realms, the first in the upper half; IPv4.
    pub realms: Option<u32>,
    /// Of several ways, 1 to 256.
    pub weight: u16,
}

/// A lightweight tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncapSpec {
    /// IPv4.
    Ip {
        /// The key.
        id: Option<u64>,
        /// The far end.
        destination: Option<Ipv4Addr>,
        /// The near end.
        source: Option<Ipv4Addr>,
        /// TOS of the outer header.
        tos: u8,
        /// TTL of the outer header; 0: that of the inner.
        ttl: u8,
        /// TUNNEL_* flags.
        flags: u16,
    },
    /// IPv6.
    Ip6 {
        /// The key.
        id: Option<u64>,
        /// The far end.
        destination: Option<Ipv6Addr>,
        /// The near end.
        source: Option<Ipv6Addr>,
        /// Traffic class of the outer header.
        class: u8,
        /// Hop limit of the outer header; 0: that of the inner.
        hop_limit: u8,
        /// TUNNEL_* flags.
        flags: u16,
    },
    /// A stack of labels, the outermost first.
    Mpls(Vec<u32>),
    /// An identifier locator address.
    Ila(u64),
}

impl RouteSpec {
    /// A unicast route in the main table, with no options and no ways.
    pub fn to(destination: Prefix) -> RouteSpec {
        RouteSpec {
            destination,
            source: None,
            table: 254,
            tos: 0,
            kind: 1,
            protocol: super::KEEPALIVED_MARK,
            scope: 0,
            priority: None,
            preferred_source: None,
            hops: Vec::new(),
            multipath: false,
            metrics: Vec::new(),
            locked: Vec::new(),
            congestion: None,
            expires: None,
            preference: None,
            ttl_propagate: None,
            insert: Insert::Prepend,
        }
    }

    /// Whether a route the kernel reports may be this one: what was not asked for may be anything.
    pub fn is(&self, seen: &SeenRoute) -> bool {
        let network = |prefix: Prefix| (prefix.host_bits(false), prefix.len());
        let priority = match self.destination.family() {
            Family::V4 => self.priority.unwrap_or(0),
            Family::V6 => self.priority.filter(|metric| *metric != 0).unwrap_or(IPV6_METRIC),
        };
        let same = network(self.destination) == network(seen.destination)
            && self.source.map(network) == seen.source.map(network)
            && (self.table, self.tos, self.kind, priority) == (seen.table, seen.tos, seen.kind, seen.priority);
        let fits = |asked: &HopSpec, (gateway, interface): &(Option<IpAddr>, Option<IfIndex>)| {
            let gateway_fits = asked.gateway.is_none() || asked.gateway == *gateway;
            gateway_fits && (asked.interface.is_none() || asked.interface == *interface)
        };
        // Of IPv6 the ways may be reported one by one.
        let any = seen
            .hops
            .iter()
            .any(|hop| self.hops.iter().any(|asked| fits(asked, hop)));
        same && (any || self.hops.is_empty() || seen.hops.is_empty())
    }
}

/// A route as the kernel reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRoute {
    /// Where it leads to.
    pub destination: Prefix,
    /// For packets of these senders only.
    pub source: Option<Prefix>,
    /// The table.
    pub table: u32,
    /// IPv4.
    pub tos: u8,
    /// RTN_*.
    pub kind: u8,
    /// RTPROT_*.
    pub protocol: u8,
    /// Its metric.
    pub priority: u32,
    /// Gateway and interface of each way.
    pub hops: Vec<(Option<IpAddr>, Option<IfIndex>)>,
}

impl Encode for RouteRequest {
    fn message(&self) -> (RouteNetlinkMessage, u16) {
        match self.action {
            Action::Add => {
                let how = match self.route.insert {
                    Insert::Prepend => 0,
                    Insert::Append => NLM_F_APPEND,
                    Insert::Add => NLM_F_EXCL,
                };
                (RouteNetlinkMessage::NewRoute(added(&self.route)), NLM_F_CREATE | how)
            }
            Action::Remove => (RouteNetlinkMessage::DelRoute(removed(&self.route)), 0),
        }
    }
}

fn added(route: &RouteSpec) -> RouteMessage {
    let mut message = removed(route);
    let attributes = &mut message.attributes;
    if let Some(seconds) = route.expires {
        attributes.push(RouteAttribute::Expires(seconds));
    }
    if let Some(preference) = route.preference {
        attributes.push(RouteAttribute::Preference(preference.into()));
    }
    if let Some(propagate) = route.ttl_propagate {
        attributes.push(RouteAttribute::TtlPropagate(u8::from(propagate).into()));
    }
    let number = |kind: u16, value: u32| RouteMetric::Other(DefaultNla::new(kind, value.to_ne_bytes().to_vec()));
    let mut metrics: Vec<RouteMetric> = route
        .metrics
        .iter()
        .map(|(kind, value)| number(*kind, *value))
        .collect();
    if let Some(name) = &route.congestion {
        let mut text = name.clone().into_bytes();
        text.push(0);
        metrics.push(RouteMetric::Other(DefaultNla::new(RTAX_CC_ALGO, text)));
    }
    let locks = route.locked.iter().fold(0_u32, |mask, kind| mask | 1 << (kind % 32));
    if locks != 0 {
        metrics.push(number(RTAX_LOCK, locks));
    }
    if !metrics.is_empty() {
        attributes.push(RouteAttribute::Metrics(metrics));
    }
    message
}

/// What identifies a route: enough to remove it.
fn removed(route: &RouteSpec) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = match route.destination.family() {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    header.destination_prefix_length = route.destination.len();
    header.source_prefix_length = route.source.map_or(0, Prefix::len);
    header.tos = route.tos;
    // Tables above 255 are told by the attribute only.
    header.table = u8::try_from(route.table).unwrap_or(0);
    header.protocol = route.protocol.into();
    header.scope = route.scope.into();
    header.kind = route.kind.into();
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Table(route.table));
    if !route.destination.is_empty() {
        attributes.push(RouteAttribute::Destination(network(route.destination)));
    }
    if let Some(source) = route.source.filter(|source| !source.is_empty()) {
        attributes.push(RouteAttribute::Source(network(source)));
    }
    if let Some(priority) = route.priority {
        attributes.push(RouteAttribute::Priority(priority));
    }
    if let Some(source) = route.preferred_source {
        attributes.push(RouteAttribute::PrefSource(source.into()));
    }
    let family = route.destination.family();
    if route.multipath {
        let hops = route.hops.iter().map(|hop| next_hop(hop, family)).collect();
        attributes.push(RouteAttribute::MultiPath(hops));
    } else if let Some(hop) = route.hops.first() {
        attributes.extend(way(hop, family));
        if let Some(interface) = hop.interface {
            attributes.push(RouteAttribute::Oif(interface.0));
        }
        message.header.flags.set(RouteFlags::Onlink, hop.onlink);
    }
    message
}

fn network(prefix: Prefix) -> RouteAddress {
    prefix.host_bits(false).into()
}

fn next_hop(hop: &HopSpec, family: Family) -> RouteNextHop {
    let mut next = RouteNextHop::default();
    next.flags.set(RouteNextHopFlags::Onlink, hop.onlink);
    next.hops = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
    next.interface_index = hop.interface.map_or(0, |interface| interface.0);
    next.attributes = way(hop, family);
    next
}

/// What one way says but for its interface.
fn way(hop: &HopSpec, family: Family) -> Vec<RouteAttribute> {
    let mut attributes = Vec::new();
    match hop.gateway {
        Some(gateway) if Family::of(gateway) == family => attributes.push(RouteAttribute::Gateway(gateway.into())),
        Some(IpAddr::V4(gateway)) => attributes.push(RouteAttribute::Via(RouteVia::Inet(gateway))),
        Some(IpAddr::V6(gateway)) => attributes.push(RouteAttribute::Via(RouteVia::Inet6(gateway))),
        None => {}
    }
    if let Some(realms) = hop.realms {
        attributes.push(RouteAttribute::Realm(RouteRealm {
            source: (realms >> 16) as u16,
            destination: realms as u16,
        }));
    }
    if let Some(encap) = &hop.encap {
        let (kind, values) = tunnel(encap);
        attributes.push(RouteAttribute::EncapType(kind));
        attributes.push(RouteAttribute::Encap(values));
    }
    attributes
}

fn tunnel(encap: &EncapSpec) -> (RouteLwEnCapType, Vec<RouteLwTunnelEncap>) {
    match encap {
        EncapSpec::Ip {
            id,
            destination,
            source,
            tos,
            ttl,
            flags,
        } => {
            let mut values = Vec::new();
            values.extend(id.map(RouteIpTunnel::Id));
            values.extend(destination.map(RouteIpTunnel::Destination));
            values.extend(source.map(RouteIpTunnel::Source));
            values.extend((*tos != 0).then_some(RouteIpTunnel::Tos(*tos)));
            values.extend((*ttl != 0).then_some(RouteIpTunnel::Ttl(*ttl)));
            let bits = RouteIpTunnelFlags::from_bits_retain(*flags);
            values.extend((*flags != 0).then_some(RouteIpTunnel::Flags(bits)));
            let values = values.into_iter().map(RouteLwTunnelEncap::Ip).collect();
            (RouteLwEnCapType::Ip, values)
        }
        EncapSpec::Ip6 {
            id,
            destination,
            source,
            class,
            hop_limit,
            flags,
        } => {
            let mut values = Vec::new();
            values.extend(id.map(RouteIp6Tunnel::Id));
            values.extend(destination.map(RouteIp6Tunnel::Destination));
            values.extend(source.map(RouteIp6Tunnel::Source));
            values.extend((*class != 0).then_some(RouteIp6Tunnel::Tc(*class)));
            values.extend((*hop_limit != 0).then_some(RouteIp6Tunnel::Hoplimit(*hop_limit)));
            let bits = RouteIp6TunnelFlags::from_bits_retain(*flags);
            values.extend((*flags != 0).then_some(RouteIp6Tunnel::Flags(bits)));
            let values = values.into_iter().map(RouteLwTunnelEncap::Ip6).collect();
            (RouteLwEnCapType::Ip6, values)
        }
        EncapSpec::Mpls(labels) => {
            let last = labels.len().saturating_sub(1);
            let stack = labels.iter().enumerate().map(|(position, label)| MplsLabel {
                label: *label,
                traffic_class: 0,
                bottom_of_stack: position == last,
                ttl: 0,
            });
            let stack = RouteMplsIpTunnel::Destination(stack.collect());
            (RouteLwEnCapType::Mpls, vec![RouteLwTunnelEncap::Mpls(stack)])
        }
        EncapSpec::Ila(locator) => {
            let locator = DefaultNla::new(ILA_ATTR_LOCATOR, locator.to_be_bytes().to_vec());
            (RouteLwEnCapType::Ila, vec![RouteLwTunnelEncap::Other(locator)])
        }
    }
}
