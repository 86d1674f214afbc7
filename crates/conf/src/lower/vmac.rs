//! `use_vmac`, `use_ipvlan` and what goes with them: words into a draft.
//!
//! Names that nobody gave are made when everything has been read; the rules between keywords are in `vrrp`.

use super::Lowering;
use super::words::Words;
use crate::tree::Statement;
use base::{IfName, MacAddr, Prefix};
use std::net::IpAddr;
use vrrp::config::IpvlanMode;
use vrrp::draft::{IpvlanDraft, MacDraft, VmacDraft};

type Line<'s, 't> = &'s Statement<'t>;

/// The prefix of names that are made, where nobody gave one.
pub(crate) const DEFAULT_PREFIX: &str = "vrrp";
/// The MAC addresses of RFC 9568, less version and virtual router id.
const STANDARD: [u8; 4] = [0, 0, 0x5e, 0];

/// `use_vmac [[name] IFNAME] [MAC] [netlink_notify_msg] [group N]`.
pub(crate) fn use_vmac(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let mut vmac = VmacDraft::default();
    let mut words = Words { line, at: 1 };
    while let Some(word) = words.line.word(words.at) {
        match word {
            "netlink_notify_msg" => vmac.notify = true,
            "group" => vmac.group = group(low, &mut words).or(vmac.group),
            "name" => {
                words.at += 1;
                own_name(low, line, words.at, &mut vmac.name, "VMAC");
            }
            _ if word.contains(':') => own_mac(low, line, words.at, &mut vmac.mac),
            _ => own_name(low, line, words.at, &mut vmac.name, "VMAC"),
        }
        words.at += 1;
    }
    if let Some(draft) = low.draft(line, "use_vmac") {
        draft.vmac = Some(vmac);
    }
}

/// `use_ipvlan [[name] IFNAME] [ADDR[/MASK]] [bridge|private|vepa] [group N]`.
pub(crate) fn use_ipvlan(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if low.current().is_some_and(|instance| instance.draft.ipvlan.is_some()) {
        return low.wrong(line, "ipvlan", " use_ipvlan already specified".to_owned());
    }
    let mut ipvlan = IpvlanDraft::default();
    let mut mode = None;
    let mut words = Words { line, at: 1 };
    while let Some(word) = words.line.word(words.at) {
        let named = match word {
            "bridge" => Some(IpvlanMode::Bridge),
            "private" => Some(IpvlanMode::Private),
            "vepa" => Some(IpvlanMode::Vepa),
            _ => None,
        };
        if let Some(named) = named {
            if mode.replace(named).is_some() {
                let text = format!(" ipvlan type already specified - ignoring '{word}'");
                low.wrong(line, "ipvlan", text);
            }
        } else if let Some(address) = address(word) {
            if ipvlan.address.is_some() {
                let text = format!(" ipvlan address already specified - ignoring '{word}'");
                low.wrong(line, "ipvlan", text);
            } else {
                ipvlan.address = Some(address);
            }
        } else if word == "group" {
            ipvlan.group = group(low, &mut words).or(ipvlan.group);
        } else {
            words.at += usize::from(word == "name");
            own_name(low, line, words.at, &mut ipvlan.name, "IPVLAN");
        }
        words.at += 1;
    }
    ipvlan.mode = mode.unwrap_or_default();
    if let Some(draft) = low.draft(line, "use_ipvlan") {
        draft.ipvlan = Some(ipvlan);
    }
}

/// An address, with the whole of it as prefix where none is said.
fn address(word: &str) -> Option<Prefix> {
    let (address, length) = word.split_once('/').map_or((word, None), |(a, l)| (a, Some(l)));
    let address: IpAddr = address.parse().ok()?;
    match length {
        None => Some(Prefix::host(address)),
        Some(length) => Prefix::new(address, length.parse().ok()?),
    }
}

fn own_name(low: &mut Lowering<'_>, line: Line<'_, '_>, at: usize, name: &mut Option<IfName>, kind: &str) {
    let word = line.word(at).unwrap_or_default();
    if name.is_some() {
        let text = match kind {
            "VMAC" => "VMAC interface name already specified".to_owned(),
            _ => format!("{} IPVLAN interface already specified - ignoring '{word}'", low.who()),
        };
        return low.error(line, at, "vmac-name", text);
    }
    match word.parse() {
        Ok(given) => *name = Some(given),
        Err(_) => {
            let text = match kind {
                "VMAC" => format!("VMAC interface name '{word}' too long or invalid characters - ignoring"),
                _ => format!("{} IPVLAN interface name '{word}' too long - ignoring", low.who()),
            };
            low.error(line, at, "vmac-name", text);
        }
    }
}

/// Six octets, or five and the virtual router id.
fn own_mac(low: &mut Lowering<'_>, line: Line<'_, '_>, at: usize, mac: &mut Option<MacDraft>) {
    let word = line.word(at).unwrap_or_default();
    if mac.is_some() {
        let text = "VMAC interface address already specified".to_owned();
        return low.error(line, at, "vmac-mac", text);
    }
    let octets: Option<Vec<u8>> = word
        .strip_suffix(':')
        .unwrap_or(word)
        .split(':')
        .map(|octet| {
            let fits = (1..=2).contains(&octet.len()) && octet.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(octet, 16).ok().filter(|_| fits)
        })
        .collect();
    let found = match octets.as_deref() {
        Some(&[a, b, c, d, e]) => MacDraft::WithVrid([a, b, c, d, e]),
        Some(&[a, b, c, d, e, f]) if !word.ends_with(':') => MacDraft::Whole(MacAddr([a, b, c, d, e, f])),
        _ => {
            let text = format!("VMAC invalid MAC address {word} - ignored");
            return low.error(line, at, "vmac-mac", text);
        }
    };
    let (MacDraft::WithVrid([a, b, c, d, e]) | MacDraft::Whole(MacAddr([a, b, c, d, e, _]))) = found;
    if a & 1 == 1 {
        let text = format!("VMAC MAC address is multicast {word} - ignoring");
        return low.error(line, at, "vmac-mac", text);
    }
    if [a, b, c, d] == STANDARD && matches!(e, 1 | 2) {
        let text = format!("VMAC MAC address not allowed to be RFC5798 address ({word}) - ignoring");
        return low.error(line, at, "vmac-mac", text);
    }
    *mac = Some(found);
}

/// `group N`, at the word `group`.
fn group(low: &mut Lowering<'_>, words: &mut Words<'_, '_>) -> Option<u32> {
    words.at += 1;
    let word = words.line.word(words.at).unwrap_or_default();
    let found = low.names().group(word);
    if found.is_none() {
        let text = format!("{} interface group '{word}' is not valid - ignoring", low.who());
        low.error(words.line, words.at, "vmac-group", text);
    }
    found
}

/// `vmac_xmit_base`.
pub(crate) fn vmac_xmit_base(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(draft) = low.draft(line, "vmac_xmit_base") {
        draft.vmac_xmit_base = true;
    }
}

/// `use_vmac_addr`.
pub(crate) fn use_vmac_addr(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(draft) = low.draft(line, "use_vmac_addr") {
        draft.use_vmac_addr = true;
    }
}

/// `vmac_prefix STRING`.
pub(crate) fn vmac_prefix(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let old = low.vmac_prefixes.own.take();
    low.vmac_prefixes.own = prefix(low, line, old, "vmac");
}

/// `vmac_addr_prefix STRING`.
pub(crate) fn vmac_addr_prefix(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let old = low.vmac_prefixes.of_addresses.take();
    low.vmac_prefixes.of_addresses = prefix(low, line, old, "vmac_addr");
}

/// What was said of prefixes.
#[derive(Debug, Default)]
pub(crate) struct VmacPrefixes {
    pub(crate) own: Option<String>,
    pub(crate) of_addresses: Option<String>,
}

fn prefix(low: &mut Lowering<'_>, line: Line<'_, '_>, old: Option<String>, which: &str) -> Option<String> {
    let word = line.word(1)?;
    if old.is_some() {
        let text = format!("{which} prefix has already been specified - ignoring {word}");
        low.error(line, 1, "vmac-prefix", text);
        return old;
    }
    // What is no name of an interface begins none.
    if word.parse::<IfName>().is_err() {
        let text = format!("{which} prefix '{word}' is not valid for the name of an interface - ignoring");
        low.error(line, 1, "vmac-prefix", text);
        return None;
    }
    Some(word.to_owned())
}

/// `vrf NAME` of an instance.
pub(crate) fn vrf(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(word) = line.word(1) else { return };
    if !low.knows_interface(word) {
        let text = format!(" WARNING - VRF interface {word} doesn't exist");
        low.wrong(line, "vrf", text);
    }
    if let (Ok(name), Some(draft)) = (word.parse(), low.draft(line, "vrf")) {
        draft.vrf = Some(name);
    }
}
