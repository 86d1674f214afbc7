//! `virtual_server_group`: its entries and its end.

use super::Line;
use crate::diagnostic::Class;
use crate::lower::Lowering;
use lvs::config::{Entry, GroupName, Range};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// `virtual_server_group NAME {`.
pub(crate) fn open(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.has_checkers = true;
    let name = GroupName::from(line.word(1).unwrap_or_default());
    low.lvs.group = Some((name, Vec::new()));
}

/// The end of a group: only now it is one.
pub(crate) fn close(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some((name, entries)) = low.lvs.group.take() else {
        return;
    };
    match lvs::draft::group(name.clone(), entries) {
        // The first of a name counts, as in upstream, which says nothing of it.
        Ok(_) if low.lvs.servers.groups.contains_key(&name) => {
            let text = format!("virtual server group {name} already defined - ignoring");
            low.say(line, 0, Class::Notice, "group-duplicate", text);
        }
        Ok(group) => {
            low.lvs.servers.groups.insert(name, Arc::new(group));
        }
        Err(text) => low.error(line, 0, "group", text),
    }
}

/// `ADDR [PORT]`, a range, or `fwmark N [inet|inet6]`.
pub(crate) fn entry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Entry) {
        return;
    }
    let entry = match line.word(0) {
        Some("fwmark") if line.word(1).is_none() => return low.missing_parameter(line, 1),
        Some("fwmark") => mark(low, line),
        Some(word) => addresses(low, line, word),
        None => None,
    };
    if let (Some(entry), Some((_, entries))) = (entry, &mut low.lvs.group) {
        entries.push(entry);
    }
}

fn mark(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<Entry> {
    let who = low
        .lvs
        .group
        .as_ref()
        .map(|(name, _)| name.to_string())
        .unwrap_or_default();
    let number = low.mark_number(line, 1);
    let Some(mark) = number else {
        let word = line.word(1).unwrap_or_default();
        let text = format!("({who}): fwmark '{word}' must be in [0, {}] - ignoring", u32::MAX);
        low.error(line, 1, "group-entry", text);
        return None;
    };
    let word = line.word(2);
    let family = word.and_then(Lowering::family_word);
    if let (Some(word), None) = (word, family) {
        let text = format!("({who}): fwmark '{mark}' family {word} unknown - ignoring");
        low.error(line, 2, "group-entry", text);
        return None;
    }
    Some(Entry::Mark { mark, family })
}

/// Why a word is no range.
enum Unusable {
    /// Not an address at all.
    Address,
    /// A message that says it all.
    Said(String),
}

fn addresses(low: &mut Lowering<'_>, line: Line<'_, '_>, word: &str) -> Option<Entry> {
    let port = low.port(line, 1);
    let (range, Ok(port)) = (ends(word), port) else {
        unusable(low, line, word);
        return None;
    };
    match range {
        Ok((first, last)) => Range::new(first, last, port).map(Entry::Range),
        Err(Unusable::Said(text)) => {
            low.error(line, 0, "group-entry", text);
            None
        }
        Err(Unusable::Address) => {
            unusable(low, line, word);
            None
        }
    }
}

fn unusable(low: &mut Lowering<'_>, line: Line<'_, '_>, word: &str) {
    let port = line.word(1).map(|port| format!("/port/{port}")).unwrap_or_default();
    let text = format!("Invalid virtual server group IP address {word} {port} - skipping");
    low.error(line, 0, "group-entry", text);
}

/// The ends of `ADDR`, `ADDR-LAST`, `ADDR-ADDR` or `ADDR/MASK`.
fn ends(word: &str) -> Result<(IpAddr, IpAddr), Unusable> {
    if let Some((address, mask)) = word.split_once('/') {
        return masked(word, address, mask);
    }
    let Some((first, last)) = word.split_once('-') else {
        let address: IpAddr = word.parse().map_err(|_| Unusable::Address)?;
        return Ok((address, address));
    };
    let first: IpAddr = first.parse().map_err(|_| Unusable::Address)?;
    let is_address = last.contains([':', '.']);
    let last = if is_address {
        last.parse().map_err(|_| Unusable::Address)?
    } else {
        last_part(word, first, last)?
    };
    match (first, last) {
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Err(Unusable::Address),
        _ if last > first => Ok((first, last)),
        _ if is_address && last < first => Err(Unusable::Said(format!(
            "Address range end is less than address range start - {word} - skipping"
        ))),
        _ if is_address => Ok((first, last)),
        _ => Err(Unusable::Said(format!(
            "Address range end is not greater than address range start - {word} - skipping"
        ))),
    }
}

/// The last octet of IPv4 in decimal, the last 16 bits of IPv6 in hexadecimal digits.
fn last_part(word: &str, first: IpAddr, last: &str) -> Result<IpAddr, Unusable> {
    let (base, most) = match first {
        IpAddr::V4(_) => (10, u128::from(u8::MAX)),
        IpAddr::V6(_) => (16, u128::from(u16::MAX)),
    };
    let digits = last.bytes().take_while(|&b| char::from(b).is_digit(base)).count();
    let (digits, rest) = last.split_at_checked(digits).unwrap_or((last, ""));
    if digits.is_empty() || !rest.is_empty() {
        return Err(Unusable::Said(format!(
            "Virtual server group range '{word}' has extra characters at end '{rest}'"
        )));
    }
    let value = u128::from_str_radix(digits, base).unwrap_or(u128::MAX);
    if value > most {
        return Err(Unusable::Said(format!(
            "Virtual server group range '{word}' end '{last}' too large"
        )));
    }
    Ok(match first {
        IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from(u32::from(a) & !0xff | value as u32)),
        IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from(u128::from(a) & !0xffff | value)),
    })
}

fn masked(word: &str, address: &str, mask: &str) -> Result<(IpAddr, IpAddr), Unusable> {
    let address: IpAddr = address.parse().map_err(|_| Unusable::Address)?;
    let prefix = mask
        .parse::<u8>()
        .ok()
        .filter(|bits| *bits > 0)
        .and_then(|bits| base::Prefix::new(address, bits));
    let Some(prefix) = prefix else {
        return Err(Unusable::Said(format!("Invalid netmask - {word} - skipping")));
    };
    if prefix.host_bits(false) != address {
        return Err(Unusable::Said(format!(
            "Address mask bits not empty - {word} - skipping"
        )));
    }
    Ok((address, prefix.host_bits(true)))
}
