//! Routes: those that move with a master and those that are always there (`spec/config-language.md` 13.2).
//!
//! Plain values with the kernel's numbers. Two routes are the same if everything is equal; a route never changes,
//! another takes its place. What the kernel can do is not known here.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use base::{Family, IfName, Prefix};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The protocol number of routes and rules that are ours (RTPROT_KEEPALIVED).
pub const PROTOCOL_KEEPALIVED: u8 = 18;
/// The table routes go to if nothing is said.
pub const TABLE_MAIN: u32 = 254;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Its family.
    pub family: Family,
    /// Where it leads to; the default route has length 0.
    pub destination: Prefix,
    /// `table`, or that of `vrf`.
    pub table: u32,
    /// `tos`; IPv4.
    pub tos: u8,
    /// `metric`; `None`: the kernel's (0 for IPv4, 1024 for IPv6).
    pub metric: Option<u32>,
    /// What happens to a packet.
    pub kind: RouteKind,
    /// `from`: for packets of these senders only; IPv6.
    pub source: Option<Prefix>,
    /// `src`: the address our own packets get.
    pub preferred_source: Option<IpAddr>,
    /// Where packets go if there is one way.
    pub hop: Hop,
    /// Where they go if there are several.
    pub nexthops: Vec<NextHop>,
    /// `protocol`: who put it there. Always 18 if it is tracked.
    pub protocol: u8,
    /// `scope`, the kernel's number: 0 global, 253 link, 254 host; IPv4.
    pub scope: u8,
    /// `expires` in seconds; IPv6.
    pub expires: Option<u32>,
    /// What the kernel's transport protocols are told, each with whether it is locked.
    pub metrics: BTreeMap<Metric, (u32, bool)>,
    /// `congctl`: the congestion control algorithm, and whether it is locked.
    pub congestion: Option<(String, bool)>,
    /// `pref`: ICMPv6 router preference, 0 medium, 1 high, 3 low; IPv6.
    pub preference: Option<u8>,
    /// `ttl-propagate`.
    pub ttl_propagate: Option<bool>,
    /// How it joins similar ones.
    pub insert: Insert,
    /// Whether its removal by somebody else matters; cleared by `no_track`.
    pub tracked: bool,
}

/// What happens to a packet that a route matches (RTN_*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum RouteKind {
    /// It is sent on.
    Unicast = 1,
    /// It is for this machine.
    Local = 2,
    /// It is a broadcast.
    Broadcast = 3,
    /// It is for this machine among others.
    Anycast = 4,
    /// It is for a group.
    Multicast = 5,
    /// It is dropped without a word.
    Blackhole = 6,
    /// It is dropped, and the sender is told that there is no way.
    Unreachable = 7,
    /// It is dropped, and the sender is told that it is not allowed.
    Prohibit = 8,
    /// Another table is asked.
    Throw = 9,
    /// Not implemented by any kernel of this century.
    Nat = 10,
    /// Not implemented by any kernel.
    Xresolve = 11,
}

impl RouteKind {
    /// The kernel's number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            RouteKind::Unicast => "unicast",
            RouteKind::Local => "local",
            RouteKind::Broadcast => "broadcast",
            RouteKind::Anycast => "anycast",
            RouteKind::Multicast => "multicast",
            RouteKind::Blackhole => "blackhole",
            RouteKind::Unreachable => "unreachable",
            RouteKind::Prohibit => "prohibit",
            RouteKind::Throw => "throw",
            RouteKind::Nat => "nat",
            RouteKind::Xresolve => "xresolve",
        }
    }
}

/// One way to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// `via`; may be of the other family (IPv4 routes over IPv6 gateways).
    pub gateway: Option<IpAddr>,
    /// `dev`.
    pub interface: Option<IfName>,
    /// `onlink`.
    pub onlink: bool,
    /// `encap`.
    pub encap: Option<Encap>,
    /// `realms`, the first in the upper half; IPv4.
    pub realms: Option<u32>,
}

/// One of several ways.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextHop {
    /// The way.
    pub hop: Hop,
    /// `weight`, 1 to 256.
    pub weight: u16,
}

/// Packets are put into others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encap {
    /// Into IPv4.
    Ip {
        /// `id`: the tunnel key.
        id: Option<u64>,
        /// `dst`.
        destination: Option<Ipv4Addr>,
        /// `src`.
        source: Option<Ipv4Addr>,
        /// `tos`.
        tos: u8,
        /// `ttl`; 0: of the inner packet.
        ttl: u8,
        /// `flags`.
        flags: u16,
    },
    /// Into IPv6.
    Ip6 {
        /// `id`: the tunnel key.
        id: Option<u64>,
        /// `dst`.
        destination: Option<Ipv6Addr>,
        /// `src`.
        source: Option<Ipv6Addr>,
        /// `tc`.
        class: u8,
        /// `hoplimit`; 0: of the inner packet.
        hop_limit: u8,
        /// `flags`.
        flags: u16,
    },
    /// Behind a stack of MPLS labels, the outermost first; each below 2^20.
    Mpls(Vec<u32>),
    /// With another locator in the upper half of the IPv6 destination.
    Ila(u64),
}

/// Something the kernel's transport protocols are told (RTAX_*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Metric {
    /// `mtu`, bytes.
    Mtu = 2,
    /// `window`, bytes.
    Window = 3,
    /// `rtt`, eighths of a millisecond.
    Rtt = 4,
    /// `rttvar`, quarters of a millisecond.
    RttVar = 5,
    /// `ssthresh`.
    SsThresh = 6,
    /// `cwnd`.
    Cwnd = 7,
    /// `advmss`, bytes.
    AdvMss = 8,
    /// `reordering`.
    Reordering = 9,
    /// `hoplimit`.
    HopLimit = 10,
    /// `initcwnd`.
    InitCwnd = 11,
    /// `features`: 1 is ECN.
    Features = 12,
    /// `rto_min`, milliseconds.
    RtoMin = 13,
    /// `initrwnd`.
    InitRwnd = 14,
    /// `quickack`.
    QuickAck = 15,
    /// `fastopen_no_cookie`.
    FastOpenNoCookie = 17,
}

impl Metric {
    /// The kernel's number.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Metric::Mtu => "mtu",
            Metric::Window => "window",
            Metric::Rtt => "rtt",
            Metric::RttVar => "rttvar",
            Metric::SsThresh => "ssthresh",
            Metric::Cwnd => "cwnd",
            Metric::AdvMss => "advmss",
            Metric::Reordering => "reordering",
            Metric::HopLimit => "hoplimit",
            Metric::InitCwnd => "initcwnd",
            Metric::Features => "features",
            Metric::RtoMin => "rto_min",
            Metric::InitRwnd => "initrwnd",
            Metric::QuickAck => "quickack",
            Metric::FastOpenNoCookie => "fastopen_no_cookie",
        }
    }
}

/// How a route joins those to the same destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Insert {
    /// Before them.
    #[default]
    Prepend,
    /// After them.
    Append,
    /// Only if there is none.
    Add,
}

/// What the kernel tells routes apart by before it looks at where they lead: two with the same may exist side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteKey {
    /// Its family.
    pub family: Family,
    /// The table.
    pub table: u32,
    /// Where it leads to, host bits cleared.
    pub destination: Prefix,
    /// IPv4.
    pub tos: u8,
    /// 0 if none was given.
    pub metric: u32,
}

impl Route {
    /// A unicast route to a destination with nothing else said.
    pub fn to(destination: Prefix) -> Route {
        Route {
            family: destination.family(),
            destination,
            table: TABLE_MAIN,
            tos: 0,
            metric: None,
            kind: RouteKind::Unicast,
            source: None,
            preferred_source: None,
            hop: Hop::default(),
            nexthops: Vec::new(),
            protocol: PROTOCOL_KEEPALIVED,
            scope: 0,
            expires: None,
            metrics: BTreeMap::new(),
            congestion: None,
            preference: None,
            ttl_propagate: None,
            insert: Insert::Prepend,
            tracked: true,
        }
    }

    /// What the kernel tells it apart by.
    pub fn kernel_key(&self) -> RouteKey {
        let destination = self.destination;
        RouteKey {
            family: self.family,
            table: self.table,
            destination: Prefix::new(destination.host_bits(false), destination.len()).unwrap_or(destination),
            tos: self.tos,
            metric: self.metric.unwrap_or(match self.family {
                Family::V4 => 0,
                Family::V6 => 1024,
            }),
        }
    }

    /// The interfaces it names.
    pub fn interfaces(&self) -> impl Iterator<Item = IfName> {
        let hops = self.nexthops.iter().map(|next| &next.hop);
        core::iter::once(&self.hop).chain(hops).filter_map(|hop| hop.interface)
    }
}

/// In the language of the configuration, as `ip route` would take it.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != RouteKind::Unicast {
            write!(f, "{} ", self.kind.as_str())?;
        }
        match (self.destination.is_empty(), self.family) {
            (true, Family::V4) => f.write_str("default")?,
            (true, Family::V6) => f.write_str("inet6 default")?,
            (false, _) => write!(f, "{}", self.destination)?,
        }
        if let Some(source) = self.source {
            write!(f, " from {source}")?;
        }
        write!(f, "{}", self.hop)?;
        if let Some(source) = self.preferred_source {
            write!(f, " src {source}")?;
        }
        if self.table != TABLE_MAIN {
            write!(f, " table {}", self.table)?;
        }
        if self.tos != 0 {
            write!(f, " tos {:#04x}", self.tos)?;
        }
        if self.scope != 0 {
            write!(f, " scope {}", self.scope)?;
        }
        if let Some(metric) = self.metric {
            write!(f, " metric {metric}")?;
        }
        if self.protocol != PROTOCOL_KEEPALIVED {
            write!(f, " protocol {}", self.protocol)?;
        }
        for (metric, (value, locked)) in &self.metrics {
            let lock = if *locked { "lock " } else { "" };
            write!(f, " {} {lock}{value}", metric.as_str())?;
        }
        if let Some((name, locked)) = &self.congestion {
            let lock = if *locked { "lock " } else { "" };
            write!(f, " congctl {lock}{name}")?;
        }
        if let Some(seconds) = self.expires {
            write!(f, " expires {seconds}")?;
        }
        if let Some(preference) = self.preference {
            write!(f, " pref {preference}")?;
        }
        if let Some(propagate) = self.ttl_propagate {
            write!(f, " ttl-propagate {}", if propagate { "enabled" } else { "disabled" })?;
        }
        f.write_str(match self.insert {
            Insert::Prepend => "",
            Insert::Append => " append",
            Insert::Add => " add",
        })?;
        if !self.tracked {
            f.write_str(" no_track")?;
        }
        for next in &self.nexthops {
            write!(f, " nexthop{} weight {}", next.hop, next.weight)?;
        }
        Ok(())
    }
}

/// With a space before each word.
impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(encap) = &self.encap {
            write!(f, " encap {encap}")?;
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(interface) = self.interface {
            write!(f, " dev {interface}")?;
        }
        if self.onlink {
            f.write_str(" onlink")?;
        }
        if let Some(realms) = self.realms {
            write!(f, " realms {}/{}", realms >> 16, realms & 0xffff)?;
        }
        Ok(())
    }
}

impl fmt::Display for Encap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |f: &mut fmt::Formatter<'_>, id: Option<u64>| id.map_or(Ok(()), |id| write!(f, " id {id}"));
        match self {
            Encap::Ip {
                id: key,
                destination,
                source,
                tos,
                ttl,
                flags,
            } => {
                f.write_str("ip")?;
                id(f, *key)?;
                address(f, "dst", *destination)?;
                address(f, "src", *source)?;
                write!(f, " tos {tos} ttl {ttl} flags {flags}")
            }
            Encap::Ip6 {
                id: key,
                destination,
                source,
                class,
                hop_limit,
                flags,
            } => {
                f.write_str("ip6")?;
                id(f, *key)?;
                address(f, "dst", *destination)?;
                address(f, "src", *source)?;
                write!(f, " tc {class} hoplimit {hop_limit} flags {flags}")
            }
            Encap::Mpls(labels) => {
                f.write_str("mpls ")?;
                for (position, label) in labels.iter().enumerate() {
                    let slash = if position > 0 { "/" } else { "" };
                    write!(f, "{slash}{label}")?;
                }
                Ok(())
            }
            Encap::Ila(locator) => {
                let [a, b, c, d] = [48, 32, 16, 0].map(|shift| (locator >> shift) & 0xffff);
                write!(f, "ila {a:x}:{b:x}:{c:x}:{d:x}")
            }
        }
    }
}

fn address(f: &mut fmt::Formatter<'_>, word: &str, address: Option<impl fmt::Display>) -> fmt::Result {
    address.map_or(Ok(()), |address| write!(f, " {word} {address}"))
}
