//! `encap` of a route or nexthop.

use super::super::Lowering;
use super::super::words::{Dropped, Words};
use super::CODE;
use base::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vrrp::config::route::Encap;

/// Labels of a stack, as many as the kernel takes (MAX_NEW_LABELS).
const MOST_LABELS: usize = 30;
/// The largest label: twenty bits.
const LARGEST_LABEL: u32 = (1 << 20) - 1;

/// What follows `encap`.
pub(super) fn read(low: &mut Lowering<'_>, words: &mut Words<'_, '_>) -> Result<Encap, Dropped> {
    let Some(kind) = words.take() else {
        return words.refuse(low, CODE, "Missing encap type".to_owned());
    };
    match kind {
        "ip" => ip(low, words),
        "ip6" => ip6(low, words),
        "mpls" => mpls(low, words),
        "ila" => ila(low, words),
        other => words.refuse(low, CODE, format!("Unknown encap type - {other}")),
    }
}

fn ip(low: &mut Lowering<'_>, words: &mut Words<'_, '_>) -> Result<Encap, Dropped> {
    let (mut id, mut destination, mut source) = (None, None, None);
    let (mut tos, mut ttl, mut flags) = (0, 0, 0);
    while let Some(word) = words.peek() {
        if !["id", "dst", "src", "tos", "dsfield", "ttl", "flags"].contains(&word) {
            break;
        }
        words.at += 1;
        match word {
            "id" => id = Some(words.long(low, CODE, |w| format!("encap id {w} value is invalid"))?),
            "dst" => destination = Some(v4(low, words, "dst")?),
            "src" => source = Some(v4(low, words, "src")?),
            "ttl" => {
                let wrong = |w: &str| format!("ttl {w} is not valid for ip encapsulation");
                ttl = words.number(low, CODE, (0, 255), wrong)? as u8;
            }
            "flags" => {
                let wrong = |w: &str| format!("flags {w} is not valid for ip encapsulation");
                flags = words.number(low, CODE, (0, 65535), wrong)? as u16;
            }
            _ => {
                let name = words.value(low)?;
                match low.names().field(name) {
                    Some(field) => tos = field,
                    None => {
                        return words.refuse(low, CODE, format!("dsfield {name} not valid for ip encapsulation"));
                    }
                }
            }
        }
    }
    if id.is_none() && destination.is_none() {
        return words.refuse(low, CODE, "address or id missing for ip encapsulation".to_owned());
    }
    Ok(Encap::Ip {
        id,
        destination,
        source,
        tos,
        ttl,
        flags,
    })
}

fn ip6(low: &mut Lowering<'_>, words: &mut Words<'_, '_>) -> Result<Encap, Dropped> {
    let (mut id, mut destination, mut source) = (None, None, None);
    let (mut class, mut hop_limit, mut flags) = (0, 0, 0);
    while let Some(word) = words.peek() {
        if !["id", "dst", "src", "tc", "hoplimit", "flags"].contains(&word) {
            break;
        }
        words.at += 1;
        match word {
            "id" => id = Some(words.long(low, CODE, |w| format!("id {w} value invalid for IPv6 encapsulation"))?),
            "dst" => destination = Some(v6(low, words, "dst")?),
            "src" => source = Some(v6(low, words, "src")?),
            "hoplimit" => {
                let wrong = |w: &str| format!("Invalid hoplimit {w} specified for ip6 encapsulation");
                hop_limit = words.number(low, CODE, (0, 255), wrong)? as u8;
            }
            "flags" => {
                let wrong = |w: &str| format!("flags {w} is not valid for ip6 encapsulation");
                flags = words.number(low, CODE, (0, 65535), wrong)? as u16;
            }
            _ => {
                let name = words.value(low)?;
                match low.names().field(name) {
                    Some(field) => class = field,
                    None => {
                        let text = format!("tc value {name} is invalid for ip6 encapsulation");
                        return words.refuse(low, CODE, text);
                    }
                }
            }
        }
    }
    if id.is_none() && destination.is_none() {
        return words.refuse(low, CODE, "address or id missing for ip6 encapsulation".to_owned());
    }
    Ok(Encap::Ip6 {
        id,
        destination,
        source,
        class,
        hop_limit,
        flags,
    })
}

fn v4(low: &mut Lowering<'_>, words: &mut Words<'_, '_>, which: &str) -> Result<Ipv4Addr, Dropped> {
    let wrong = |word: &str| format!("Invalid encap ip {which} {word}");
    match words.address(low, CODE, wrong)? {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(address) => {
            let text = format!("{} address {address} not valid for ip encapsulation", Family::V6);
            words.refuse(low, CODE, text)
        }
    }
}

fn v6(low: &mut Lowering<'_>, words: &mut Words<'_, '_>, which: &str) -> Result<Ipv6Addr, Dropped> {
    let wrong = |word: &str| format!("Invalid encap ip6 {which} {word}");
    match words.address(low, CODE, wrong)? {
        IpAddr::V6(address) => Ok(address),
        IpAddr::V4(address) => {
            let text = format!("{} address {address} not valid for ip6 encapsulation", Family::V4);
            words.refuse(low, CODE, text)
        }
    }
}

fn mpls(low: &mut Lowering<'_>, words: &mut Words<'_, '_>) -> Result<Encap, Dropped> {
    let Some(word) = words.take() else {
        return words.refuse(low, CODE, "missing address for MPLS encapsulation".to_owned());
    };
    let labels: Option<Vec<u32>> = word
        .split('/')
        .map(|label| label.parse().ok().filter(|label| *label <= LARGEST_LABEL))
        .collect();
    match labels.filter(|labels| labels.len() <= MOST_LABELS) {
        Some(labels) => Ok(Encap::Mpls(labels)),
        None => words.refuse(low, CODE, format!("invalid mpls address {word} for encapsulation")),
    }
}

/// `A:B:C:D`, each of sixteen bits.
fn ila(low: &mut Lowering<'_>, words: &mut Words<'_, '_>) -> Result<Encap, Dropped> {
    let Some(word) = words.take() else {
        return words.refuse(low, CODE, "missing locator for ILA encapsulation".to_owned());
    };
    let parts: Option<Vec<u16>> = word.split(':').map(|part| u16::from_str_radix(part, 16).ok()).collect();
    match parts.as_deref() {
        Some(&[a, b, c, d]) => {
            let locator = [a, b, c, d].iter().fold(0, |sum, part| sum << 16 | u64::from(*part));
            Ok(Encap::Ila(locator))
        }
        Some(_) | None => words.refuse(low, CODE, format!("invalid locator {word} for ila encapsulation")),
    }
}
