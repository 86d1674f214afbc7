//! Virtual addresses that do not answer, or disturb.

use super::{Report, Rule};
use crate::node::Instance;
use base::Prefix;
use std::net::IpAddr;
use vrrp::config::{Version, VirtualAddress};

pub(super) static STRICT_DROPS: Rule = Rule {
    name: "strict-drops-traffic",
    about: "In strict mode a router that does not own an address takes no packets for it (RFC 9568, Accept_Mode): the \
            address can be routed through, but does not answer, not even to ping.",
    hint: "leave strict mode out; or write `accept`, with version 3",
    check: strict_drops,
};

fn strict_drops(report: &mut Report<'_>) {
    for (node, instance) in report.instances() {
        let Some(strict) = instance.strict() else { continue };
        let config = instance.config;
        let accepts = instance.has("accept") && config.version == Version::V3;
        if config.priority.is_owner() || accepts || config.addresses.is_empty() {
            continue;
        }
        let notes = match strict.keyword {
            "vrrp_strict" => vec![format!(
                "{}: strict mode is switched on here",
                report.place(node, strict.at.as_ref())
            )],
            _ => Vec::new(),
        };
        let message = format!(
            "packets to the virtual addresses of {} are dropped: strict mode",
            instance.name()
        );
        report.say_with(node, instance.place("strict_mode"), message, notes);
    }
}

pub(super) static MASK_COLLIDES: Rule = Rule {
    name: "mask-collides",
    about: "A virtual address with the mask of a network that the interface is already in brings a second route to that \
            network, which comes and goes with it; packets may leave from the wrong address.",
    hint: "write the address without a mask (it is then /32 or /128)",
    check: mask_collides,
};

fn mask_collides(report: &mut Report<'_>) {
    for (node, instance) in report.instances() {
        let config = instance.config;
        let lists = ["virtual_ipaddress", "virtual_ipaddress_excluded"];
        let lines: Vec<_> = lists
            .iter()
            .flat_map(|list| instance.block.all(list))
            .flat_map(|list| &list.inside)
            .collect();
        for address in config.addresses.iter().chain(&config.excluded) {
            let Some(why) = collision(&instance, address) else {
                continue;
            };
            let said = |word: &str| word.split('/').next().and_then(|word| word.parse::<IpAddr>().ok());
            let line = lines
                .iter()
                .find(|line| line.word(0).and_then(said) == Some(address.prefix.address()));
            let message = format!("{} of {} {why}", address.prefix, instance.name());
            report.say(node, line.and_then(|line| line.at.as_ref()), message);
        }
    }
}

fn collision(instance: &Instance<'_>, address: &VirtualAddress) -> Option<String> {
    let prefix = address.prefix;
    let ip = prefix.address();
    if address.broadcast.is_some_and(|broadcast| IpAddr::V4(broadcast) == ip) {
        return Some("is its own broadcast address".to_owned());
    }
    if ip.is_ipv4() && prefix.len() < 31 {
        if prefix.host_bits(false) == ip {
            return Some("is the address of its network".to_owned());
        }
        if prefix.host_bits(true) == ip {
            return Some("is the broadcast address of its network".to_owned());
        }
    }
    let own_interface = Some(address.interface) == instance.config.interface;
    let source = instance.source().filter(|_| own_interface)?;
    let shares = prefix.len() < full(ip) && source != ip && is_in(source, prefix);
    shares.then(|| format!("has the mask of a network that the interface is in already, with {source}"))
}

fn full(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_in(address: IpAddr, prefix: Prefix) -> bool {
    Prefix::new(address, prefix.len()).is_some_and(|other| other.host_bits(false) == prefix.host_bits(false))
}
