//! Route lines: `virtual_routes` and `static_routes` (`spec/config-language.md` 13.2).
//!
//! One line, one route, its words in any order but for the nexthops, which come last. What one line can say wrong is
//! said here in upstream's words, and drops that line only.

mod encap;
mod metrics;

use super::Lowering;
use super::words::{Dropped, Words, family};
use crate::diagnostic::Class;
use crate::names::number;
use crate::tree::Statement;
use base::{Family, Prefix};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vrrp::config::Route;
use vrrp::config::route::{Hop, Insert, NextHop, PROTOCOL_KEEPALIVED, RouteKind};

type Line<'s, 't> = &'s Statement<'t>;

/// The code of what is said about routes.
pub(super) const CODE: &str = "route";

/// What a line says until it is complete.
struct Draft {
    family: Option<Family>,
    destination: Option<Destination>,
    /// `or`.
    second: Option<IpAddr>,
    protocol: Option<u8>,
    scope: Option<u8>,
    track_group: Option<String>,
    /// With a destination that says nothing until the end.
    route: Route,
}

enum Destination {
    Default,
    Prefix(Prefix),
}

/// `virtual_routes`: its entries say everything.
pub(crate) fn virtual_block(_: &mut Lowering<'_>, _: Line<'_, '_>) {}

/// An entry of `virtual_routes`.
pub(crate) fn virtual_entry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Route) {
        return;
    }
    if let Ok((route, _)) = read(low, line, false)
        && let Some(instance) = low.current()
    {
        instance.draft.routes.push(route);
    }
}

/// `static_routes`.
pub(crate) fn static_block(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.has_vrrp = true;
}

/// An entry of `static_routes`.
pub(crate) fn static_entry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Route) {
        return;
    }
    let Ok((route, group)) = read(low, line, true) else {
        return;
    };
    let devices = route.interfaces().collect();
    low.statics.tie(group, devices);
    low.statics.items.routes.push(route);
}

fn read(low: &mut Lowering<'_>, line: Line<'_, '_>, fixed: bool) -> Result<(Route, Option<String>), Dropped> {
    let nothing = Prefix::host(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let mut draft = Draft {
        family: None,
        destination: None,
        second: None,
        protocol: None,
        scope: None,
        track_group: None,
        route: Route::to(nothing),
    };
    let mut words = Words::new(line);
    while let Some(word) = words.take() {
        if word == "nexthop" {
            nexthops(low, &mut words, &mut draft)?;
            break;
        }
        option(low, &mut words, word, &mut draft, fixed)?;
    }
    finish(low, &words, draft)
}

/// One option, or the destination.
fn option(
    low: &mut Lowering<'_>,
    words: &mut Words<'_, '_>,
    word: &str,
    draft: &mut Draft,
    fixed: bool,
) -> Result<(), Dropped> {
    let route = &mut draft.route;
    match word {
        "inet" | "inet6" => return force_family(low, words, word, draft),
        "src" => {
            let wrong = |word: &str| format!("invalid route src address {word}");
            let address = words.address(low, CODE, wrong)?;
            route.preferred_source = Some(address);
            return of_family(low, words, Family::of(address), &mut draft.family);
        }
        "via" | "gw" => return via(low, words, word == "gw", draft),
        "or" => return or(low, words, draft),
        "from" => return from(low, words, draft),
        "as" => {
            if words.peek() == Some("to") {
                words.at += 1;
            }
            words.value(low)?;
            words.complain(low, CODE, "\"as to\" for MPLS only - ignoring".to_owned());
        }
        "tos" | "dsfield" => route.tos = super::rule::tos(low, words)?,
        "table" => {
            let name = words.value(low)?;
            match low.names().table(name) {
                Some(0) => {}
                Some(table) => route.table = table,
                None => return words.refuse(low, CODE, format!("Routing table {name} not found for route")),
            }
        }
        "vrf" => route.table = vrf(low, words)?,
        "protocol" => {
            let name = words.value(low)?;
            draft.protocol = low.names().protocol(name);
            if draft.protocol.is_none() {
                return words.refuse(low, CODE, format!("Protocol {name} not found or invalid for route"));
            }
        }
        "scope" => {
            let name = words.value(low)?;
            draft.scope = low.names().scope(name);
            if draft.scope.is_none() {
                return words.refuse(low, CODE, format!("Scope {name} not found or invalid for route"));
            }
        }
        "metric" | "priority" | "preference" => {
            let wrong = |word: &str| format!("Invalid metric {word} specified for route");
            route.metric = Some(words.number(low, CODE, (0, u32::MAX), wrong)?);
        }
        "dev" | "oif" => route.hop.interface = Some(words.interface(low, "VROUTE nexthop")?),
        "onlink" => route.hop.onlink = true,
        "encap" => route.hop.encap = Some(encap::read(low, words)?),
        "add" => route.insert = Insert::Add,
        "prepend" => route.insert = Insert::Prepend,
        "append" => route.insert = Insert::Append,
        "no_track" => route.tracked = false,
        "track_group" if fixed => draft.track_group = low.track_group(words)?,
        _ if metrics::is_one(word) => return metrics::read(low, words, word, draft.family, route),
        _ => return destination(low, words, word, draft),
    }
    Ok(())
}

fn force_family(
    low: &mut Lowering<'_>,
    words: &mut Words<'_, '_>,
    word: &str,
    draft: &mut Draft,
) -> Result<(), Dropped> {
    let Some(forced) = family(word) else { return Ok(()) };
    match draft.family.replace(forced) {
        Some(other) if other != forced => words.refuse(low, CODE, format!("{word} specified for {other} route")),
        Some(_) | None => Ok(()),
    }
}

/// Takes in the family of an address: all are of one.
fn of_family(
    low: &mut Lowering<'_>,
    words: &Words<'_, '_>,
    found: Family,
    known: &mut Option<Family>,
) -> Result<(), Dropped> {
    match known.replace(found) {
        Some(other) if other != found => {
            words.refuse(low, CODE, "Cannot mix IPv4 and IPv6 addresses for route".to_owned())
        }
        Some(_) | None => Ok(()),
    }
}

fn via(low: &mut Lowering<'_>, words: &mut Words<'_, '_>, deprecated: bool, draft: &mut Draft) -> Result<(), Dropped> {
    if deprecated {
        let text = "\"gw\" for routes is deprecated. Please use \"via\"".to_owned();
        low.say(words.line, words.at - 1, Class::Deprecated, "route-gw", text);
    }
    let named = words.peek().and_then(family);
    words.at += usize::from(named.is_some());
    let wrong = |word: &str| format!("invalid route via address {word}");
    let gateway = words.address(low, CODE, wrong)?;
    draft.route.hop.gateway = Some(gateway);
    match named {
        // With its family said, a gateway may be of another than the route.
        Some(named) if named == Family::of(gateway) => Ok(()),
        Some(_) => words.refuse(low, CODE, format!("invalid route via address {gateway}")),
        None => of_family(low, words, Family::of(gateway), &mut draft.family),
    }
}

fn or(low: &mut Lowering<'_>, words: &mut Words<'_, '_>, draft: &mut Draft) -> Result<(), Dropped> {
    let text = "\"or\" for routes is deprecated. Please use \"nexthop\"".to_owned();
    low.say(words.line, words.at - 1, Class::Deprecated, "route-or", text);
    let wrong = |word: &str| format!("Invalid \"or\" address {word}");
    let gateway = words.address(low, CODE, wrong)?;
    if draft.second.is_some() {
        let text = "\"or\" route already specified - ignoring subsequent".to_owned();
        words.complain(low, CODE, text);
        return Ok(());
    }
    if draft.family.is_some_and(|family| family != Family::of(gateway)) {
        return words.refuse(low, CODE, "Address family mismatch for next hop".to_owned());
    }
    draft.second = Some(gateway);
    Ok(())
}

fn from(low: &mut Lowering<'_>, words: &mut Words<'_, '_>, draft: &mut Draft) -> Result<(), Dropped> {
    let wrong = |word: &str| format!("invalid route from address {word}");
    let source = words.prefix(low, CODE, wrong)?;
    if source.family() == Family::V4 {
        let text = format!("route from address only supported with IPv6 ({})", source.address());
        return words.refuse(low, CODE, text);
    }
    draft.route.source = Some(source);
    of_family(low, words, Family::V6, &mut draft.family)
}

fn vrf(low: &mut Lowering<'_>, words: &mut Words<'_, '_>) -> Result<u32, Dropped> {
    let name = words.value(low)?;
    match low.facts.vrf_tables.get(name) {
        Some(table) => Ok(*table),
        None if low.knows_interface(name) => {
            words.refuse(low, CODE, format!("Route specified VRF {name} is not a VRF"))
        }
        None => words.refuse(low, CODE, format!("VRF {name} not found for route")),
    }
}

/// `[to] [TYPE] DEST`.
fn destination(
    low: &mut Lowering<'_>,
    words: &mut Words<'_, '_>,
    first: &str,
    draft: &mut Draft,
) -> Result<(), Dropped> {
    let mut word = first;
    let mut of_kind = false;
    while word == "to" || (!of_kind && kind(word).is_some()) {
        if let Some(kind) = kind(word) {
            draft.route.kind = kind;
            of_kind = true;
        }
        word = words.value(low)?;
    }
    draft.destination = Some(match word {
        "default" | "any" | "all" => Destination::Default,
        "default6" => {
            of_family(low, words, Family::V6, &mut draft.family)?;
            Destination::Default
        }
        _ => {
            let Some(prefix) = super::address::prefix(low, words.line, words.at - 1) else {
                return words.refuse(low, CODE, format!("unknown route keyword {word}"));
            };
            of_family(low, words, prefix.family(), &mut draft.family)?;
            Destination::Prefix(prefix)
        }
    });
    Ok(())
}

fn kind(word: &str) -> Option<RouteKind> {
    Some(match word {
        "unicast" => RouteKind::Unicast,
        "local" => RouteKind::Local,
        "broadcast" | "brd" => RouteKind::Broadcast,
        "anycast" => RouteKind::Anycast,
        "multicast" => RouteKind::Multicast,
        "blackhole" => RouteKind::Blackhole,
        "unreachable" => RouteKind::Unreachable,
        "prohibit" => RouteKind::Prohibit,
        "throw" => RouteKind::Throw,
        "nat" => RouteKind::Nat,
        "xresolve" => RouteKind::Xresolve,
        // `local` has the kernel's number 2, and so has the number itself.
        _ => return word_number(word),
    })
}

fn word_number(word: &str) -> Option<RouteKind> {
    let kinds = [
        RouteKind::Unicast,
        RouteKind::Local,
        RouteKind::Broadcast,
        RouteKind::Anycast,
        RouteKind::Multicast,
        RouteKind::Blackhole,
        RouteKind::Unreachable,
        RouteKind::Prohibit,
        RouteKind::Throw,
        RouteKind::Nat,
        RouteKind::Xresolve,
    ];
    let wanted = number(word)?;
    kinds.into_iter().find(|kind| u32::from(kind.number()) == wanted)
}

/// Everything after the first `nexthop`.
fn nexthops(low: &mut Lowering<'_>, words: &mut Words<'_, '_>, draft: &mut Draft) -> Result<(), Dropped> {
    if draft.second.is_some() {
        let text = "Cannot specify nexthops with \"or\" route".to_owned();
        words.complain(low, CODE, text);
        return words.refuse(low, CODE, "Route has trailing nonsense - nexthop".to_owned());
    }
    let mut next = NextHop {
        hop: Hop::default(),
        weight: 1,
    };
    while let Some(word) = words.take() {
        match word {
            "nexthop" => {
                let done = std::mem::replace(
                    &mut next,
                    NextHop {
                        hop: Hop::default(),
                        weight: 1,
                    },
                );
                draft.route.nexthops.push(done);
            }
            "via" => nexthop_via(low, words, &mut next, draft)?,
            "dev" | "oif" => next.hop.interface = Some(words.interface(low, "VROUTE nexthop")?),
            "weight" => next.weight = weight(low, words)?,
            "onlink" => next.hop.onlink = true,
            "encap" => next.hop.encap = Some(encap::read(low, words)?),
            "realms" => next.hop.realms = Some(metrics::realms(low, words, draft.family, "supported")?),
            other => {
                // What was read up to here holds.
                let text = format!("Route has trailing nonsense after nexthops - {other}");
                words.complain(low, CODE, text);
                break;
            }
        }
    }
    draft.route.nexthops.push(next);
    Ok(())
}

fn nexthop_via(
    low: &mut Lowering<'_>,
    words: &mut Words<'_, '_>,
    next: &mut NextHop,
    draft: &mut Draft,
) -> Result<(), Dropped> {
    let named = words.peek().and_then(family);
    words.at += usize::from(named.is_some());
    let wrong = |word: &str| format!("invalid nexthop address {word}");
    let gateway = words.address(low, CODE, wrong)?;
    let found = Family::of(gateway);
    if named.is_some_and(|named| named != found) {
        return words.refuse(low, CODE, "IPv4/6 mismatch for nexthop".to_owned());
    }
    if named.is_none() && draft.family.replace(found).is_some_and(|family| family != found) {
        return words.refuse(low, CODE, "Address family mismatch for next hop".to_owned());
    }
    next.hop.gateway = Some(gateway);
    Ok(())
}

fn weight(low: &mut Lowering<'_>, words: &mut Words<'_, '_>) -> Result<u16, Dropped> {
    let wrong = |word: &str| format!("Invalid weight {word} specified for route");
    match words.number(low, CODE, (0, 256), wrong)? {
        0 => words.refuse(low, CODE, "Invalid weight 0 specified for route".to_owned()),
        weight => Ok(weight as u16),
    }
}

/// The rules between the words of a line.
fn finish(low: &mut Lowering<'_>, words: &Words<'_, '_>, draft: Draft) -> Result<(Route, Option<String>), Dropped> {
    let mut route = draft.route;
    route.family = draft.family.unwrap_or(Family::V4);
    let everything = match route.family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    route.destination = match draft.destination {
        Some(Destination::Prefix(prefix)) => prefix,
        Some(Destination::Default) => Prefix::new(everything, 0).ok_or(Dropped)?,
        None => return words.refuse(low, CODE, "Route must have a destination".to_owned()),
    };
    if let Some(second) = draft.second {
        split(&mut route, second);
    }
    // A device named before the nexthops is theirs; the kernel takes it in one place only.
    if !route.nexthops.is_empty()
        && let Some(device) = route.hop.interface.take()
    {
        for next in &mut route.nexthops {
            next.hop.interface.get_or_insert(device);
        }
    }
    route.scope = draft.scope.unwrap_or_else(|| usual_scope(&route));
    if let Some(protocol) = draft.protocol {
        route.protocol = protocol;
    }
    if route.tracked && route.protocol != PROTOCOL_KEEPALIVED {
        let text = format!(
            "Route cannot be tracked if protocol is not RTPROT_KEEPALIVED({PROTOCOL_KEEPALIVED}), resetting protocol"
        );
        low.error(words.line, 0, CODE, text);
        route.protocol = PROTOCOL_KEEPALIVED;
    }
    let mut group = draft.track_group;
    if group.is_some() && route.interfaces().next().is_none() {
        let text = "Static route cannot have track group if no oif specified".to_owned();
        low.error(words.line, 0, CODE, text);
        group = None;
    }
    if group.is_some() && !route.tracked {
        let text = "Static route has both track_group and no_track set - not tracking".to_owned();
        low.say(words.line, 0, Class::Notice, CODE, text);
        group = None;
    }
    Ok((route, group))
}

/// `via A or B`: two ways of equal weight.
fn split(route: &mut Route, second: IpAddr) {
    let first = std::mem::take(&mut route.hop);
    let other = Hop {
        gateway: Some(second),
        interface: first.interface,
        onlink: first.onlink,
        encap: None,
        realms: first.realms,
    };
    route.nexthops = [first, other].map(|hop| NextHop { hop, weight: 1 }).into();
}

/// The scope of a route that says none (as `ip route` has it).
fn usual_scope(route: &Route) -> u8 {
    const LINK: u8 = 253;
    const HOST: u8 = 254;
    if route.family == Family::V6 {
        return 0;
    }
    match route.kind {
        RouteKind::Local | RouteKind::Nat => HOST,
        RouteKind::Broadcast | RouteKind::Multicast | RouteKind::Anycast => LINK,
        RouteKind::Unicast if route.hop.gateway.is_none() && route.nexthops.is_empty() => LINK,
        RouteKind::Unicast
        | RouteKind::Blackhole
        | RouteKind::Unreachable
        | RouteKind::Prohibit
        | RouteKind::Throw
        | RouteKind::Xresolve => 0,
    }
}
