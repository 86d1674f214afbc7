//! Routes and rules that move with a master, in KEEPALIVED-MIB: `2.7` and `2.8`.

use super::{KEEPALIVED, Known, Row, address, either, family_value, gauge, integer, scope};
use ::vrrp::config::route::{Encap, Metric, Route, RouteKind};
use ::vrrp::config::rule::{Rule, RuleAction};
use agentx::table::Builder;
use agentx::{Oid, Value};
use base::Prefix;

/// Bit of the metric `features`: explicit congestion notification.
const ECN: u32 = 1;

/// Metrics with their columns: the value, and whether it is locked.
const METRICS: [(Metric, u32, Option<u32>); 12] = [
    (Metric::Mtu, 22, Some(23)),
    (Metric::HopLimit, 24, None),
    (Metric::AdvMss, 25, Some(26)),
    (Metric::Rtt, 27, Some(28)),
    (Metric::RttVar, 29, Some(30)),
    (Metric::Reordering, 31, Some(32)),
    (Metric::Window, 33, None),
    (Metric::Cwnd, 34, Some(35)),
    (Metric::SsThresh, 36, Some(37)),
    (Metric::RtoMin, 38, Some(39)),
    (Metric::InitCwnd, 40, None),
    (Metric::InitRwnd, 41, None),
];

pub(super) fn put(known: &Known<'_>, builder: &mut Builder) {
    let base = Oid::new(&KEEPALIVED).with(&[2]);
    let (routes, rules) = (base.with(&[7, 1]), base.with(&[8, 1]));
    for row in known.rows() {
        for (number, route) in (1..).zip(&row.config.routes) {
            let index = [row.number, number];
            let mut put = |column: u32, value: Value| builder.put(&routes.with(&[column]), &index, value);
            where_to(known, route, &mut put);
            put(14, either(is_there(&row, number, |status| &status.routes_held)));
            how(route, &mut put);
            if let Some(encap) = &route.hop.encap {
                encapsulation(encap, &mut put);
            }
        }
        for (number, rule) in (1..).zip(&row.config.rules) {
            let index = [row.number, number];
            let mut put = |column: u32, value: Value| builder.put(&rules.with(&[column]), &index, value);
            matches(rule, &mut put);
            put(7, either(is_there(&row, number, |status| &status.rules_held)));
            action(rule, &mut put);
        }
    }
}

fn is_there(row: &Row<'_>, number: u32, held: impl Fn(&crate::status::InstanceStatus) -> &Vec<bool>) -> bool {
    let place = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    row.status.and_then(|status| held(status).get(place)) == Some(&true)
}

fn where_to(known: &Known<'_>, route: &Route, put: &mut impl FnMut(u32, Value)) {
    put(2, family_value(route.destination.address()));
    put(3, address(route.destination.address()));
    put(4, gauge(route.destination.len()));
    if let Some(gateway) = route.hop.gateway {
        put(5, address(gateway));
    }
    if let Some(source) = route.preferred_source {
        put(7, address(source));
    }
    put(8, gauge(route.metric.unwrap_or(0)));
    put(9, scope(route.scope));
    put(10, kind(route));
    if let Some(interface) = route.hop.interface {
        if let Some(index) = known.index_of(interface) {
            put(11, integer(index));
        }
        put(12, Value::text(interface.as_str()));
    }
    put(13, gauge(route.table));
    if let Some(from) = route.source {
        put(15, address(from.address()));
        put(16, gauge(from.len()));
    }
    if route.tos != 0 {
        put(17, gauge(route.tos));
    }
}

/// `RouteType`.
fn kind(route: &Route) -> Value {
    Value::Integer(match route.kind {
        RouteKind::Unicast if !route.nexthops.is_empty() => 2,
        RouteKind::Unicast | RouteKind::Local => 1,
        RouteKind::Blackhole => 3,
        RouteKind::Anycast => 4,
        RouteKind::Multicast => 5,
        RouteKind::Broadcast => 6,
        RouteKind::Unreachable => 7,
        RouteKind::Prohibit => 8,
        RouteKind::Throw => 9,
        RouteKind::Nat => 10,
        RouteKind::Xresolve => 11,
    })
}

fn how(route: &Route, put: &mut impl FnMut(u32, Value)) {
    // The kernel's numbers begin at 0, those of the MIB at 1.
    put(18, integer(u32::from(route.protocol) + 1));
    let metric = |metric| route.metrics.get(&metric).map(|(value, _)| *value);
    put(19, Value::truth(metric(Metric::Features).unwrap_or(0) & ECN != 0));
    put(20, Value::truth(metric(Metric::QuickAck).unwrap_or(0) != 0));
    if let Some(seconds) = route.expires {
        put(21, integer(seconds));
    }
    for (metric, column, lock) in METRICS {
        let Some((value, locked)) = route.metrics.get(&metric) else {
            continue;
        };
        put(column, gauge(in_units(metric, *value)));
        if let Some(column) = lock {
            put(column, Value::truth(*locked));
        }
    }
    if let Some((name, _)) = &route.congestion {
        put(42, Value::text(name));
    }
    if let Some(preference) = route.preference {
        put(
            43,
            Value::Integer(match preference {
                3 => 1,
                1 => 3,
                _ => 2,
            }),
        );
    }
    if let Some(realms) = route.hop.realms {
        put_realms(realms, 44, put);
    }
    if let Some(value) = metric(Metric::FastOpenNoCookie) {
        put(55, Value::truth(value != 0));
    }
}

/// Milliseconds, where the kernel has parts of them.
const fn in_units(metric: Metric, value: u32) -> u32 {
    match metric {
        Metric::Rtt => value / 8,
        Metric::RttVar => value / 4,
        Metric::Mtu
        | Metric::Window
        | Metric::SsThresh
        | Metric::Cwnd
        | Metric::AdvMss
        | Metric::Reordering
        | Metric::HopLimit
        | Metric::InitCwnd
        | Metric::Features
        | Metric::RtoMin
        | Metric::InitRwnd
        | Metric::QuickAck
        | Metric::FastOpenNoCookie => value,
    }
}

/// The destination's realm, then the source's, which is in the upper half.
fn put_realms(realms: u32, column: u32, put: &mut impl FnMut(u32, Value)) {
    for (column, realm) in [(column, realms & 0xffff), (column + 1, realms >> 16)] {
        if realm != 0 {
            put(column, gauge(realm));
        }
    }
}

fn encapsulation(encap: &Encap, put: &mut impl FnMut(u32, Value)) {
    match encap {
        Encap::Mpls(labels) => {
            put(46, Value::Integer(1));
            let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
            put(47, Value::text(&labels.join("/")));
        }
        Encap::Ip {
            id,
            destination,
            source,
            tos,
            ttl,
            flags,
        } => {
            put(46, Value::Integer(2));
            let ends = (destination.map(Into::into), source.map(Into::into));
            tunnel(*id, ends, (*tos, *ttl, *flags), put);
        }
        Encap::Ila(locator) => {
            put(46, Value::Integer(3));
            put(54, Value::Counter64(*locator));
        }
        Encap::Ip6 {
            id,
            destination,
            source,
            class,
            hop_limit,
            flags,
        } => {
            put(46, Value::Integer(4));
            let ends = (destination.map(Into::into), source.map(Into::into));
            tunnel(*id, ends, (*class, *hop_limit, *flags), put);
        }
    }
}

type Ends = (Option<std::net::IpAddr>, Option<std::net::IpAddr>);

fn tunnel(id: Option<u64>, ends: Ends, (tos, ttl, flags): (u8, u8, u16), put: &mut impl FnMut(u32, Value)) {
    if let Some(id) = id {
        put(48, Value::Counter64(id));
    }
    if let Some(destination) = ends.0 {
        put(49, address(destination));
    }
    if let Some(source) = ends.1 {
        put(50, address(source));
    }
    for (column, value) in [(51, u32::from(tos)), (52, u32::from(ttl)), (53, u32::from(flags))] {
        if value != 0 {
            put(column, gauge(value));
        }
    }
}

/// Type, address and length of a prefix in three columns.
fn prefix(prefix: Prefix, column: u32, put: &mut impl FnMut(u32, Value)) {
    put(column, family_value(prefix.address()));
    put(column + 1, address(prefix.address()));
    put(column + 2, gauge(prefix.len()));
}

fn matches(rule: &Rule, put: &mut impl FnMut(u32, Value)) {
    // The old columns know one direction only.
    if let Some((word, one)) = rule.from.map(|from| ("from", from)).or(rule.to.map(|to| ("to", to))) {
        put(2, Value::text(word));
        prefix(one, 3, put);
    }
    put(8, Value::truth(rule.invert));
    if let Some(to) = rule.to {
        prefix(to, 9, put);
    }
    if let Some(from) = rule.from {
        prefix(from, 12, put);
    }
    put(15, gauge(rule.tos));
    if let Some((mark, mask)) = rule.mark {
        put(16, gauge(mark));
        if let Some(mask) = mask {
            put(17, gauge(mask));
        }
    }
    if let Some(realms) = rule.realms {
        put_realms(realms, 18, put);
    }
    if let Some(interface) = rule.iif {
        put(20, Value::text(interface.as_str()));
    }
    if let Some(interface) = rule.oif {
        put(21, Value::text(interface.as_str()));
    }
    if let Some(id) = rule.tunnel_id {
        put(28, gauge(id >> 32));
        put(29, gauge(id & 0xffff_ffff));
    }
    if let Some((first, last)) = rule.uids {
        put(30, gauge(first));
        put(31, gauge(last));
    }
}

fn action(rule: &Rule, put: &mut impl FnMut(u32, Value)) {
    let number = match rule.action {
        RuleAction::Table(table) => {
            put(6, gauge(table));
            put(24, gauge(table));
            1
        }
        RuleAction::L3mdev => {
            put(32, Value::truth(true));
            1
        }
        RuleAction::Goto(preference) => {
            put(22, gauge(preference));
            2
        }
        RuleAction::Nop => 3,
        RuleAction::Blackhole => 6,
        RuleAction::Unreachable => 7,
        RuleAction::Prohibit => 8,
    };
    put(23, Value::Integer(number));
    put(25, gauge(rule.preference));
    if let Some(length) = rule.suppress_prefix_length {
        put(26, gauge(length));
    }
    if let Some(group) = rule.suppress_group {
        put(27, Value::text(&group.to_string()));
    }
}
