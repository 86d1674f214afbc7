//! Address lines: `virtual_ipaddress`, `virtual_ipaddress_excluded` and `static_ipaddress`.
//!
//! One line, one address with options in any order. What one line can say wrong is said here in upstream's words; what
//! lines say together (one family, no duplicates, room in the packet) is the subject crate's business.

use super::Lowering;
use super::words::{Dropped, Words};
use crate::diagnostic::Class;
use crate::tree::Statement;
use base::{Family, IfName, Prefix};
use std::net::{IpAddr, Ipv4Addr};
use vrrp::config::AddressFlags;
use vrrp::draft::AddressDraft;

type Line<'s, 't> = &'s Statement<'t>;

/// Where static addresses go that name no interface, unless `default_interface` is given.
const DEFAULT_INTERFACE: &str = "eth0";

/// Where a line stands decides a few of its options.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Virtual,
    Static,
}

/// An entry of `virtual_ipaddress`.
pub(crate) fn virtual_entry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Address) {
        return;
    }
    let entry = low.current().map_or(0, |i| i.draft.addresses.len());
    let Ok((address, _)) = read(low, line, entry, Place::Virtual) else {
        return;
    };
    let Some(instance) = low.current() else { return };
    if !instance.taken.insert((address.prefix, address.interface)) {
        let text = format!(
            "({}): VIP duplicates a VIP {} - ignoring",
            instance.name,
            shown(address.prefix)
        );
        return low.error(line, 0, "address-duplicate", text);
    }
    instance
        .entries
        .entry("virtual_ipaddress")
        .or_default()
        .push(line.mark(0));
    instance.draft.addresses.push(address);
}

/// An entry of `virtual_ipaddress_excluded`.
pub(crate) fn excluded_entry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Address) {
        return;
    }
    let entry = low
        .current()
        .map_or(0, |i| i.entries.entry("virtual_ipaddress_excluded").or_default().len());
    let read = read(low, line, entry, Place::Virtual);
    if let Some(instance) = low.current()
        && let Ok((address, _)) = read
    {
        instance
            .entries
            .entry("virtual_ipaddress_excluded")
            .or_default()
            .push(line.mark(0));
        instance.draft.excluded.push(address);
    }
}

/// `static_ipaddress`: its entries say everything.
pub(crate) fn static_block(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.has_vrrp = true;
}

/// An entry of `static_ipaddress`.
pub(crate) fn static_entry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Address) {
        return;
    }
    let Ok((draft, group)) = read(low, line, 0, Place::Static) else {
        return;
    };
    let usual = || {
        let usual = low.global.default_interface.or_else(|| DEFAULT_INTERFACE.parse().ok());
        usual.filter(|name| low.knows_interface(name.as_str()))
    };
    let Some(interface) = draft.interface.or_else(usual) else {
        let text = format!(
            "Static address {} requires either an interface or default interface must exist",
            draft.prefix
        );
        low.absent_interface = true;
        return low.error(line, 0, "static-address", text);
    };
    let mut group = group;
    if group.is_some() && !draft.tracked {
        let text = "Static address has both track_group and no_track set - not tracking".to_owned();
        low.say(line, 0, Class::Notice, "static-address", text);
        group = None;
    }
    low.statics.tie(group, vec![interface]);
    let address = draft.on(interface);
    let known = &mut low.statics.items.addresses;
    if known.iter().all(|other| other.key() != address.key()) {
        known.push(address);
    }
}

/// An address and its prefix length; `None` if it is none, which is said already.
pub(super) fn prefix(low: &mut Lowering<'_>, line: Line<'_, '_>, at: usize) -> Option<Prefix> {
    let word = line.word(at).unwrap_or_default();
    let (address, len) = match word.split_once('/') {
        Some((address, len)) => (address, Some(len)),
        None => (word, None),
    };
    let full: u8 = if address.contains(':') { 128 } else { 32 };
    let mut bits = full;
    if let Some(len) = len {
        let wrong = match len.parse::<u8>() {
            Ok(len) if len <= full => {
                bits = len;
                None
            }
            _ if !len.is_empty() && len.bytes().all(|b| b.is_ascii_digit()) => {
                Some(format!("number '{len}' outside range [0, {full}]"))
            }
            _ => Some(format!("invalid number '{len}'")),
        };
        if let Some(wrong) = wrong {
            low.say(line, at, Class::InvalidNumber, "number", wrong);
            let text = format!("Invalid address prefix len {len} for address {word} - using {full}");
            low.error(line, at, "prefix-length", text);
        }
    }
    let parsed = address
        .parse::<IpAddr>()
        .ok()
        .and_then(|address| Prefix::new(address, bits));
    if parsed.is_none() {
        let text = format!("VRRP parsed invalid IP {word}. skipping IP...");
        low.error(line, at, "address", text);
    }
    parsed
}

fn read(
    low: &mut Lowering<'_>,
    line: Line<'_, '_>,
    entry: usize,
    place: Place,
) -> Result<(AddressDraft, Option<String>), Dropped> {
    let prefix = prefix(low, line, 0).ok_or(Dropped)?;
    let mut group = None;
    let mut draft = AddressDraft {
        entry,
        prefix,
        interface: None,
        scope: 0,
        broadcast: None,
        label: None,
        peer: None,
        flags: AddressFlags::default(),
        preferred_lifetime: None,
        tracked: true,
        use_vmac: false,
        link: None,
    };
    let mut at = 1;
    while let Some(option) = line.word(at) {
        let v6 = prefix.family() == Family::V6;
        let takes_value = matches!(
            option,
            "dev" | "scope" | "broadcast" | "brd" | "label" | "peer" | "preferred_lft"
        );
        if takes_value {
            if line.word(at + 1).is_none() {
                let text = format!(
                    "No {option} parameter specified for {}",
                    line.word(0).unwrap_or_default()
                );
                low.error(line, at, "address-option", text);
                break;
            }
            valued(low, line, at, &mut draft)?;
            at += 2;
            continue;
        }
        match option {
            "home" => draft.flags.home = v6,
            "-nodad" => draft.flags.dad = v6,
            "mngtmpaddr" => draft.flags.mngtmpaddr = v6,
            "noprefixroute" => draft.flags.noprefixroute = true,
            "autojoin" => draft.flags.autojoin = true,
            "no_track" => draft.tracked = false,
            "track_group" if place == Place::Static => {
                let mut words = Words { line, at: at + 1 };
                group = low.track_group(&mut words)?;
                at = words.at;
                continue;
            }
            "use_vmac" if place == Place::Virtual => draft.use_vmac = true,
            _ => {
                let text = format!("Unknown configuration entry '{option}' for ip address - ignoring");
                low.error(line, at, "address-option", text);
            }
        }
        at += 1;
    }
    Ok((draft, group))
}

/// An option with a value, at `at`.
fn valued(low: &mut Lowering<'_>, line: Line<'_, '_>, at: usize, draft: &mut AddressDraft) -> Result<(), Dropped> {
    let value = line.word(at + 1).unwrap_or_default();
    let address = draft.prefix.address();
    match line.word(at).unwrap_or_default() {
        "dev" => device(low, line, at + 1, draft),
        "scope" => match (draft.prefix.family(), low.names().scope(value)) {
            (Family::V6, _) => {
                let text = format!("Cannot specify scope for IPv6 addresses ({address}) - ignoring scope");
                low.error(line, at, "address-scope", text);
            }
            (Family::V4, Some(scope)) => draft.scope = scope,
            (Family::V4, None) => {
                let text = format!("Invalid scope '{value}' specified for {address} - ignoring");
                low.error(line, at + 1, "address-scope", text);
            }
        },
        "label" => return label(low, line, at + 1, draft),
        "peer" => return peer(low, line, at + 1, draft),
        "preferred_lft" if value == "forever" => draft.preferred_lifetime = Some(None),
        "preferred_lft" => match low.unsigned(line, at + 1, 0, u32::MAX) {
            Some(seconds) => draft.preferred_lifetime = Some(Some(seconds)),
            None => low.error(
                line,
                at + 1,
                "address-lifetime",
                format!("preferred_lft {value} is invalid"),
            ),
        },
        "broadcast" | "brd" => return broadcast(low, line, at, draft),
        _ => {}
    }
    Ok(())
}

fn device(low: &mut Lowering<'_>, line: Line<'_, '_>, word: usize, draft: &mut AddressDraft) {
    if draft.interface.is_some() {
        let text = format!(
            "Cannot specify ipaddress device more than once for {}",
            draft.prefix.address()
        );
        return low.error(line, word, "address-device", text);
    }
    let whose = format!("ip address {}", shown(draft.prefix));
    draft.interface = low.interface(line, word, &whose);
}

/// An address as upstream shows it: a full prefix length is not worth saying.
fn shown(prefix: Prefix) -> String {
    if prefix.len() == prefix.family().bits() {
        return prefix.address().to_string();
    }
    prefix.to_string()
}

fn label(low: &mut Lowering<'_>, line: Line<'_, '_>, word: usize, draft: &mut AddressDraft) -> Result<(), Dropped> {
    let value = line.word(word).unwrap_or_default();
    if draft.prefix.family() == Family::V6 {
        let text = format!(
            "Cannot specify label for IPv6 addresses ({}) - ignoring label",
            draft.prefix.address()
        );
        low.error(line, word, "address-label", text);
        return Ok(());
    }
    if value.len() > IfName::MAX {
        let most = IfName::MAX;
        let text = format!("Address label {value} is longer than maximum length {most} - removing address");
        low.error(line, word, "address-label", text);
        return Err(Dropped);
    }
    match value.parse() {
        Ok(label) => draft.label = Some(label),
        Err(_) => low.error(
            line,
            word,
            "address-label",
            format!("Invalid address label {value} - ignoring label"),
        ),
    }
    Ok(())
}

fn peer(low: &mut Lowering<'_>, line: Line<'_, '_>, word: usize, draft: &mut AddressDraft) -> Result<(), Dropped> {
    let value = line.word(word).unwrap_or_default();
    let Ok(peer) = value.parse::<IpAddr>() else {
        low.error(
            line,
            word,
            "address",
            format!("VRRP parsed invalid IP {value}. skipping IP..."),
        );
        low.error(line, word, "address-peer", format!("Invalid peer address {value}"));
        return Err(Dropped);
    };
    if Family::of(peer) != draft.prefix.family() {
        low.error(
            line,
            word,
            "address-peer",
            format!("Peer address {value} does not match address family"),
        );
        return Err(Dropped);
    }
    draft.peer = Some(peer);
    draft.prefix = Prefix::host(draft.prefix.address());
    Ok(())
}

fn broadcast(low: &mut Lowering<'_>, line: Line<'_, '_>, at: usize, draft: &mut AddressDraft) -> Result<(), Dropped> {
    let (option, value) = (line.word(at).unwrap_or_default(), line.word(at + 1).unwrap_or_default());
    let IpAddr::V4(_) = draft.prefix.address() else {
        let address = draft.prefix.address();
        let text = format!(
            "VRRP is trying to assign a broadcast {option} to the IPv6 address {address} !!?? WTF... skipping VIP..."
        );
        low.error(line, at, "address-broadcast", text);
        return Err(Dropped);
    };
    let ones = match value {
        "+" => Some(true),
        "-" => Some(false),
        _ => None,
    };
    if let Some(ones) = ones {
        if draft.prefix.len() > 30 {
            let text = format!("Address prefix length {} too long for broadcast", draft.prefix.len());
            low.error(line, at + 1, "address-broadcast", text);
            return Ok(());
        }
        if let IpAddr::V4(address) = draft.prefix.host_bits(ones) {
            draft.broadcast = Some(address);
        }
        return Ok(());
    }
    match value.parse::<Ipv4Addr>() {
        Ok(address) => {
            draft.broadcast = Some(address);
            Ok(())
        }
        Err(_) => {
            let text = format!("VRRP is trying to assign invalid broadcast {value}. skipping VIP...");
            low.error(line, at + 1, "address-broadcast", text);
            Err(Dropped)
        }
    }
}
