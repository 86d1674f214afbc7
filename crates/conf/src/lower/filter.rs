//! The packet filter of `no_accept`, strict mode and VMACs: `nftables` and the keywords beside it.
//!
//! Commands of iptables are never run: who asks for them gets the same with nftables, as with a 2.2.7 that Debian built.

use super::Lowering;
use crate::tree::Statement;
use std::collections::BTreeSet;
use std::sync::Arc;

type Line<'s, 't> = &'s Statement<'t>;

/// The longest name of a table that the kernel takes, in bytes.
const TABLE_NAME: usize = 255;
/// The longest name of a chain of iptables, in bytes.
const CHAIN_NAME: usize = 27;
/// The longest name of an ipset, in bytes.
const IPSET_NAME: usize = 30;
/// Names `vrrp_ipsets` takes.
const IPSETS: usize = 6;

/// `nftables [TABLE]`.
pub(crate) fn nftables(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if low.nftables {
        let text = "nftables already specified - ignoring".to_owned();
        return low.error(line, 0, "nftables-twice", text);
    }
    if let Some(name) = line.word(1) {
        if name.is_empty() {
            let text = "nftables table name is empty - ignoring".to_owned();
            return low.error(line, 1, "nftables-name", text);
        }
        if name.len() > TABLE_NAME {
            let text = "nftables table name too long - ignoring".to_owned();
            return low.error(line, 1, "nftables-name", text);
        }
        low.settings.filter.table = Arc::from(name);
    }
    low.nftables = true;
    low.settings.filter.configured = true;
}

/// `nftables_priority N`.
pub(crate) fn nftables_priority(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let number = low.signed(line, 1, i64::from(i32::MIN), i64::from(i32::MAX));
    match number.and_then(|number| i32::try_from(number).ok()) {
        Some(priority) => low.settings.filter.priority = priority,
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!("invalid nftables chain priority '{word}'");
            low.error(line, 1, "nftables-priority", text);
        }
    }
}

/// `nftables_ifindex`.
pub(crate) fn nftables_ifindex(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.settings.filter.by_index = true;
}

/// `nftables_counters`.
pub(crate) fn nftables_counters(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.settings.filter.counters = true;
}

/// `vrrp_iptables [IN-CHAIN [OUT-CHAIN]]`.
pub(crate) fn vrrp_iptables(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let names: Vec<&str> = (1..=2).filter_map(|at| line.word(at)).collect();
    for (name, which) in names.iter().zip(["in", "out"]) {
        if name.len() > CHAIN_NAME {
            let text = format!("VRRP Error : iptables {which} chain name too long - ignored");
            return low.error(line, 1, "iptables-chain", text);
        }
    }
    if let [inward, outward] = names.as_slice()
        && inward == outward
    {
        let text = "VRRP Error : iptables in chain and out chain must differ - ignored".to_owned();
        return low.error(line, 2, "iptables-chain", text);
    }
    low.settings.filter.configured = true;
    low.instead(line, "vrrp_iptables", "iptables is not implemented - using nftables");
}

/// `vrrp_ipsets [NAME ...]`.
pub(crate) fn vrrp_ipsets(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let mut seen = BTreeSet::new();
    for at in 1..=IPSETS {
        let Some(name) = line.word(at) else { break };
        if name.len() > IPSET_NAME {
            let text = format!("VRRP Error : ipset name {name} too long - ignored");
            return low.error(line, at, "ipset-name", text);
        }
        if !seen.insert(name) {
            let text = format!("VRRP Error : ipset name {name} used twice - ignored");
            return low.error(line, at, "ipset-name", text);
        }
    }
    low.instead(
        line,
        "vrrp_ipsets",
        "ipsets are not implemented - using sets of nftables",
    );
}
