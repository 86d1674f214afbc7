//! Policy rules: those that move with a master and those that are always there (`spec/config-language.md` 13.3).
//!
//! Plain values with the kernel's numbers. A rule is identified by everything it says.

use super::route::{PROTOCOL_KEEPALIVED, TABLE_MAIN};
use base::{Family, IfName, Prefix};
use core::fmt;

/// A policy rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Its family.
    pub family: Family,
    /// `preference`: its place among the rules, small numbers first.
    pub preference: u32,
    /// What it makes of a packet.
    pub action: RuleAction,
    /// `not`: it is for the packets that do not match.
    pub invert: bool,
    /// `from`.
    pub from: Option<Prefix>,
    /// `to`.
    pub to: Option<Prefix>,
    /// `tos`.
    pub tos: u8,
    /// `fwmark`, and the mask if one is given.
    pub mark: Option<(u32, Option<u32>)>,
    /// `iif`.
    pub iif: Option<IfName>,
    /// `oif`.
    pub oif: Option<IfName>,
    /// `tunnel-id`.
    pub tunnel_id: Option<u64>,
    /// `uidrange`, both ends included.
    pub uids: Option<(u32, u32)>,
    /// `ipproto`.
    pub ip_protocol: Option<u8>,
    /// `sport`, both ends included.
    pub source_ports: Option<(u16, u16)>,
    /// `dport`, both ends included.
    pub destination_ports: Option<(u16, u16)>,
    /// `realms`, the first in the upper half; IPv4.
    pub realms: Option<u32>,
    /// `suppress_prefixlength`: routes with prefixes no longer than this are not taken.
    pub suppress_prefix_length: Option<u32>,
    /// `suppress_ifgroup`: routes over interfaces of this group are not taken.
    pub suppress_group: Option<u32>,
    /// `protocol`: who put it there. Always 18 if it is tracked.
    pub protocol: u8,
    /// Whether its removal by somebody else matters; cleared by `no_track`.
    pub tracked: bool,
}

/// What a rule makes of a packet (FR_ACT_*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleAction {
    /// `table`: it is looked up there.
    Table(u32),
    /// `l3mdev`: in the table of the VRF of the packet.
    L3mdev,
    /// `goto`: the rules go on from this preference.
    Goto(u32),
    /// `nop`.
    Nop,
    /// `blackhole`.
    Blackhole,
    /// `unreachable`.
    Unreachable,
    /// `prohibit`.
    Prohibit,
}

impl Rule {
    /// A rule for every packet.
    pub fn new(family: Family, preference: u32, action: RuleAction) -> Rule {
        Rule {
            family,
            preference,
            action,
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
            protocol: PROTOCOL_KEEPALIVED,
            tracked: true,
        }
    }

    /// The interfaces it names.
    pub fn interfaces(&self) -> impl Iterator<Item = IfName> {
        self.iif.into_iter().chain(self.oif)
    }
}

/// In the language of the configuration.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family {
            Family::V4 => {}
            Family::V6 => f.write_str("inet6 ")?,
        }
        write!(f, "preference {}", self.preference)?;
        if self.invert {
            f.write_str(" not")?;
        }
        match self.from {
            Some(from) => write!(f, " from {from}")?,
            None => f.write_str(" from all")?,
        }
        if let Some(to) = self.to {
            write!(f, " to {to}")?;
        }
        if self.tos != 0 {
            write!(f, " tos {:#04x}", self.tos)?;
        }
        match self.mark {
            Some((mark, Some(mask))) => write!(f, " fwmark {mark:#x}/{mask:#x}")?,
            Some((mark, None)) => write!(f, " fwmark {mark:#x}")?,
            None => {}
        }
        word(f, "iif", self.iif)?;
        word(f, "oif", self.oif)?;
        word(f, "tunnel-id", self.tunnel_id)?;
        range(f, "uidrange", self.uids)?;
        word(f, "ipproto", self.ip_protocol)?;
        range(f, "sport", self.source_ports)?;
        range(f, "dport", self.destination_ports)?;
        if let Some(realms) = self.realms {
            write!(f, " realms {}/{}", realms >> 16, realms & 0xffff)?;
        }
        word(f, "suppress_prefixlength", self.suppress_prefix_length)?;
        word(f, "suppress_ifgroup", self.suppress_group)?;
        if self.protocol != PROTOCOL_KEEPALIVED {
            write!(f, " protocol {}", self.protocol)?;
        }
        write!(f, " {}", self.action)?;
        f.write_str(if self.tracked { "" } else { " no_track" })
    }
}

impl fmt::Display for RuleAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleAction::Table(TABLE_MAIN) => f.write_str("table main"),
            RuleAction::Table(table) => write!(f, "table {table}"),
            RuleAction::L3mdev => f.write_str("l3mdev"),
            RuleAction::Goto(preference) => write!(f, "goto {preference}"),
            RuleAction::Nop => f.write_str("nop"),
            RuleAction::Blackhole => f.write_str("blackhole"),
            RuleAction::Unreachable => f.write_str("unreachable"),
            RuleAction::Prohibit => f.write_str("prohibit"),
        }
    }
}

fn word(f: &mut fmt::Formatter<'_>, word: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {word} {value}"))
}

fn range<T: fmt::Display>(f: &mut fmt::Formatter<'_>, word: &str, value: Option<(T, T)>) -> fmt::Result {
    value.map_or(Ok(()), |(from, to)| write!(f, " {word} {from}-{to}"))
}
