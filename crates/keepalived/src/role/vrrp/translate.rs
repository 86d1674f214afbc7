//! From the engine's words for addresses, routes and rules to the kernel's.

use super::facts::Watcher;
use ::vrrp::action::AddressStep;
use ::vrrp::config::route::{Encap, Hop, Insert};
use ::vrrp::config::rule::RuleAction;
use ::vrrp::config::{Route, Rule, VirtualAddress};
use base::IfIndex;
use linux::netlink::KEEPALIVED_MARK;
use linux::netlink::address::{AddressFlags, AddressRequest};
use linux::netlink::route::{EncapSpec, HopSpec, RouteSpec};
use linux::netlink::rule::RuleSpec;

/// The number of an interface that is not there: the kernel says so (ENODEV).
const NOWHERE: IfIndex = IfIndex(i32::MAX as u32);

pub(super) fn address(step: &AddressStep, watcher: &Watcher) -> AddressRequest {
    match step {
        AddressStep::Remove { interface, key, peer } => AddressRequest {
            // The other end of what an earlier run left is known to the kernel only.
            peer: peer.or_else(|| watcher.peer_of(key)),
            ..AddressRequest::remove(*interface, key.prefix)
        },
        AddressStep::Add { interface, address } => addition(*interface, address),
    }
}

fn addition(interface: IfIndex, address: &VirtualAddress) -> AddressRequest {
    let flags = address.flags;
    AddressRequest {
        peer: address.peer,
        broadcast: address.broadcast,
        label: address.label,
        scope: address.scope,
        flags: AddressFlags {
            dad: flags.dad,
            home: flags.home,
            mngtmpaddr: flags.mngtmpaddr,
            noprefixroute: flags.noprefixroute,
            autojoin: flags.autojoin,
        },
        preferred_lifetime: address.preferred_lifetime,
        mark: KEEPALIVED_MARK,
        ..AddressRequest::add(interface, address.prefix)
    }
}

pub(super) fn route(route: &Route, watcher: &Watcher) -> RouteSpec {
    let multipath = !route.nexthops.is_empty();
    let hops = if multipath {
        let nexthops = route.nexthops.iter();
        nexthops.map(|next| hop(&next.hop, next.weight, watcher)).collect()
    } else {
        vec![hop(&route.hop, 1, watcher)]
    };
    RouteSpec {
        destination: route.destination,
        source: route.source,
        table: route.table,
        tos: route.tos,
        kind: route.kind.number(),
        protocol: route.protocol,
        scope: route.scope,
        priority: route.metric,
        preferred_source: route.preferred_source,
        hops,
        multipath,
        metrics: route
            .metrics
            .iter()
            .map(|(metric, (value, _))| (metric.number(), *value))
            .collect(),
        locked: route
            .metrics
            .iter()
            .filter(|(_, (_, locked))| *locked)
            .map(|(metric, _)| metric.number())
            .chain(
                route
                    .congestion
                    .as_ref()
                    .filter(|(_, locked)| *locked)
                    .map(|_| CONGESTION),
            )
            .collect(),
        congestion: route.congestion.as_ref().map(|(name, _)| name.clone()),
        expires: route.expires,
        preference: route.preference,
        ttl_propagate: route.ttl_propagate,
        insert: match route.insert {
            Insert::Prepend => linux::netlink::route::Insert::Prepend,
            Insert::Append => linux::netlink::route::Insert::Append,
            Insert::Add => linux::netlink::route::Insert::Add,
        },
    }
}

/// RTAX_CC_ALGO.
const CONGESTION: u16 = 16;

fn hop(hop: &Hop, weight: u16, watcher: &Watcher) -> HopSpec {
    HopSpec {
        gateway: hop.gateway,
        interface: hop.interface.map(|name| watcher.index_of(name).unwrap_or(NOWHERE)),
        onlink: hop.onlink,
        encap: hop.encap.as_ref().map(encap),
        realms: hop.realms,
        weight,
    }
}

fn encap(encap: &Encap) -> EncapSpec {
    match encap {
        Encap::Ip {
            id,
            destination,
            source,
            tos,
            ttl,
            flags,
        } => EncapSpec::Ip {
            id: *id,
            destination: *destination,
            source: *source,
            tos: *tos,
            ttl: *ttl,
            flags: *flags,
        },
        Encap::Ip6 {
            id,
            destination,
            source,
            class,
            hop_limit,
            flags,
        } => EncapSpec::Ip6 {
            id: *id,
            destination: *destination,
            source: *source,
            class: *class,
            hop_limit: *hop_limit,
            flags: *flags,
        },
        Encap::Mpls(labels) => EncapSpec::Mpls(labels.clone()),
        Encap::Ila(locator) => EncapSpec::Ila(*locator),
    }
}

pub(super) fn rule(rule: &Rule) -> RuleSpec {
    let (verdict, table, target) = match rule.action {
        RuleAction::Table(table) => (1, table, None),
        RuleAction::L3mdev => (1, 0, None),
        RuleAction::Goto(preference) => (2, 0, Some(preference)),
        RuleAction::Nop => (3, 0, None),
        RuleAction::Blackhole => (6, 0, None),
        RuleAction::Unreachable => (7, 0, None),
        RuleAction::Prohibit => (8, 0, None),
    };
    // The kernel keeps networks without host bits, and a mark without a mask has a full one.
    let network = |prefix: base::Prefix| base::Prefix::new(prefix.host_bits(false), prefix.len()).unwrap_or(prefix);
    RuleSpec {
        verdict,
        target,
        l3mdev: rule.action == RuleAction::L3mdev,
        invert: rule.invert,
        from: rule.from.map(network),
        to: rule.to.map(network),
        tos: rule.tos,
        mark: rule.mark.map(|(mark, mask)| (mark, mask.unwrap_or(u32::MAX))),
        iif: rule.iif,
        oif: rule.oif,
        tunnel_id: rule.tunnel_id,
        uids: rule.uids,
        ip_protocol: rule.ip_protocol,
        source_ports: rule.source_ports,
        destination_ports: rule.destination_ports,
        realms: rule.realms,
        suppress_prefix_length: rule.suppress_prefix_length,
        suppress_group: rule.suppress_group,
        protocol: rule.protocol,
        ..RuleSpec::table(rule.family, rule.preference, table)
    }
}
