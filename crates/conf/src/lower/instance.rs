//! `vrrp_instance` and what is inside it: words into a [`Draft`].
//!
//! Only what one word can say is decided here; the rules between keywords are in [`Draft::finish`]. Each keyword's place
//! is remembered so that what is found later can still be shown where it belongs.

use super::Lowering;
use crate::source::Mark;
use crate::tree::Statement;
use base::{IfName, Prefix};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;
use vrrp::config::{Peer, UnicastChecksum, Version, Vrid, Wanted};
use vrrp::draft::{AuthType, Draft, Secret};

/// Bytes of a password in a packet.
const PASSWORD: usize = 8;

/// An instance while its block is read, and where everything in it stands.
#[derive(Debug)]
pub(crate) struct InstanceDraft {
    pub(crate) name: String,
    pub(crate) at: Mark,
    pub(crate) draft: Draft,
    /// Where each keyword was given.
    pub(crate) marks: Vec<(&'static str, Mark)>,
    /// Where each entry of a value block stands.
    pub(crate) entries: HashMap<&'static str, Vec<Mark>>,
    /// Addresses so far, each with the interface it is put on if one is named.
    pub(crate) taken: HashSet<(Prefix, Option<IfName>)>,
}

/// The name of an instance as messages show it.
pub(crate) struct Named(pub(crate) String);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", self.0)
    }
}

type Line<'s, 't> = &'s Statement<'t>;

/// `vrrp_instance NAME {`.
pub(crate) fn open(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Instance) {
        return low.refuse_block();
    }
    let name = match (line.word(1), line.word(2)) {
        (Some(name), None) => name,
        (None, _) | (_, Some(_)) => {
            low.error(line, 0, "instance-name", "vrrp_instance must have a name".to_owned());
            return low.refuse_block();
        }
    };
    if !low.instance_names.insert(name.to_owned()) {
        low.error(
            line,
            1,
            "instance-duplicate",
            format!("vrrp instance {name} already defined"),
        );
        return low.refuse_block();
    }
    low.instance = Some(InstanceDraft {
        name: name.to_owned(),
        at: line.mark(1),
        draft: Draft::default(),
        marks: Vec::new(),
        entries: HashMap::new(),
        taken: HashSet::new(),
    });
}

/// The end of `vrrp_instance`: only now it is one.
pub(crate) fn close(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.in_hmac = false;
    if let Some(instance) = &mut low.instance {
        // Only the lines of its block are compared with each other.
        instance.taken = HashSet::new();
    }
    low.instances.extend(low.instance.take());
}

impl Lowering<'_> {
    /// The draft that is being filled; remembers where `keyword` stands.
    pub(crate) fn draft(&mut self, line: Line<'_, '_>, keyword: &'static str) -> Option<&mut Draft> {
        let mark = line.mark(line.words.len().saturating_sub(1).min(1));
        let instance = self.current()?;
        instance.marks.push((keyword, mark));
        Some(&mut instance.draft)
    }

    /// An error about the first word after a keyword, with the name of the instance before it.
    pub(super) fn wrong(&mut self, line: Line<'_, '_>, code: &'static str, text: String) {
        let message = format!("{}{text}", self.who());
        self.error(line, 1, code, message);
    }

    /// `KEYWORD [BOOL]` of an instance.
    fn switch(&mut self, line: Line<'_, '_>, keyword: &'static str, set: fn(&mut Draft, bool)) {
        match self.flag(line) {
            Some(value) => {
                if let Some(draft) = self.draft(line, keyword) {
                    set(draft, value);
                }
            }
            None => {
                let word = line.word(1).unwrap_or_default();
                self.wrong(line, "boolean", format!(" invalid {keyword} {word} specified"));
            }
        }
    }
}

macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident $keyword:literal |$draft:ident, $value:ident| $set:expr;)*) => {
        $($(#[$doc])* pub(crate) fn $name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
            low.switch(line, $keyword, |$draft, $value| $set);
        })*
    };
}

switches! {
    v3_checksum_as_v2 "v3_checksum_as_v2" |d, v| d.checksum_as_v2 = Some(v);
    // Upstream turns it on even for a false value; see docs/divergences.md, "false-means-false".
    skip_check_adv_addr "skip_check_adv_addr" |d, v| d.skip_check_adv_addr = Some(v);
    lower_prio_no_advert "lower_prio_no_advert" |d, v| d.lower_prio_no_advert = Some(v);
    higher_prio_send_advert "higher_prio_send_advert" |d, v| d.higher_prio_send_advert = Some(v);
    strict_mode "strict_mode" |d, v| d.strict = Some(v);
    owner_ignore_adverts "owner_ignore_adverts" |d, v| d.owner_ignore_adverts = Some(v);
}

macro_rules! marks {
    ($($name:ident $keyword:literal |$draft:ident| $set:expr;)*) => {
        $(pub(crate) fn $name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
            if let Some($draft) = low.draft(line, $keyword) {
                $set;
            }
        })*
    };
}

marks! {
    native_ipv6 "native_ipv6" |d| d.native_ipv6 = true;
    promote_secondaries "promote_secondaries" |d| d.promote_secondaries = true;
    dont_track_primary "dont_track_primary" |d| d.dont_track_primary = true;
    track_src_ip "track_src_ip" |d| d.track_source = true;
    unicast_fault_no_peer "unicast_fault_no_peer" |d| d.unicast_fault_no_peer = true;
    check_unicast_src "check_unicast_src" |d| d.check_unicast_source = Some(true);
    no_virtual_ipaddress "no_virtual_ipaddress" |d| d.no_virtual_ipaddress = true;
    accept "accept" |d| d.accept = Some(true);
    no_accept "no_accept" |d| d.accept = Some(false);
    preempt "preempt" |d| d.nopreempt = false;
    nopreempt "nopreempt" |d| d.nopreempt = true;
    unicast_peers "unicast_peer" |d| d.unicast = true;
}

/// A block whose entries say everything: only its place is remembered.
pub(crate) fn virtual_ipaddress(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.draft(line, "virtual_ipaddress");
}

/// See [`virtual_ipaddress`].
pub(crate) fn virtual_ipaddress_excluded(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.draft(line, "virtual_ipaddress_excluded");
}

/// See [`virtual_ipaddress`].
pub(crate) fn authentication(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.draft(line, "authentication");
}

/// `state MASTER|BACKUP`.
pub(crate) fn state(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let wanted = match word {
        "MASTER" => Wanted::Master,
        "BACKUP" => Wanted::Backup,
        _ => {
            low.wrong(line, "state", format!(" unknown state '{word}', defaulting to BACKUP"));
            Wanted::Backup
        }
    };
    if let Some(draft) = low.draft(line, "state") {
        draft.wanted = Some(wanted);
    }
}

/// The loopback interface, which Linux always calls so.
const LOOPBACK: &str = "lo";

/// `interface IFNAME`.
pub(crate) fn interface(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let whose = low
        .current()
        .map(|i| format!("vrrp_instance {}", i.name))
        .unwrap_or_default();
    let mut name = low.interface(line, 1, &whose);
    if line.word(1) == Some(LOOPBACK) {
        low.wrong(
            line,
            "interface-loopback",
            format!(" cannot use a loopback interface ({LOOPBACK}) for vrrp - ignoring"),
        );
        name = None;
    }
    if let Some(draft) = low.draft(line, "interface") {
        draft.interface = name;
    }
}

/// `virtual_router_id N`.
pub(crate) fn virtual_router_id(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 1, 255).and_then(|n| NonZeroU8::new(n as u8)) {
        Some(vrid) => {
            if let Some(draft) = low.draft(line, "virtual_router_id") {
                draft.vrid = Some(Vrid(vrid));
            }
        }
        None => {
            let word = line.word(1).unwrap_or_default();
            low.wrong(
                line,
                "vrid",
                format!(": VRID '{word}' not valid - must be between 1 & 255"),
            );
        }
    }
}

/// `version 2|3`.
pub(crate) fn version(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 2, 3) {
        Some(number) => {
            if let Some(draft) = low.draft(line, "version") {
                draft.version = Some(if number == 2 { Version::V2 } else { Version::V3 });
            }
        }
        None => low.wrong(line, "version", ": Version must be either 2 or 3".to_owned()),
    }
}

/// `priority N`.
pub(crate) fn priority(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let number = low.unsigned(line, 1, 1, 255);
    if number.is_none() {
        low.wrong(
            line,
            "priority",
            " Priority not valid! must be between 1 & 255. Using default 100".to_owned(),
        );
    }
    if let Some(draft) = low.draft(line, "priority") {
        draft.priority = Some(number.map_or(100, |n| n as u8));
    }
}

/// `advert_int SECS`.
pub(crate) fn advert_int(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.seconds(line, 1, 10_000, 255_000_000) {
        Some(interval) => {
            if let Some(draft) = low.draft(line, "advert_int") {
                draft.interval = Some(interval);
            }
        }
        None => {
            let word = line.word(1).unwrap_or_default();
            low.wrong(
                line,
                "advert-int",
                format!(" Advert interval ({word}) not valid! Must be > 0 - ignoring"),
            );
        }
    }
}

/// `preempt_delay SECS`.
pub(crate) fn preempt_delay(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.seconds(line, 1, 0, 1_000_000_000) {
        Some(delay) => {
            if let Some(draft) = low.draft(line, "preempt_delay") {
                draft.preempt_delay = Some(delay);
            }
        }
        None => low.wrong(
            line,
            "preempt-delay",
            " Preempt_delay not valid! must be between 0-1000".to_owned(),
        ),
    }
}

/// `unicast_ttl N`.
pub(crate) fn unicast_ttl(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 0, 255) {
        Some(ttl) => {
            if let Some(draft) = low.draft(line, "unicast_ttl") {
                draft.unicast_ttl = Some(ttl as u8);
            }
        }
        None => {
            let word = line.word(1).unwrap_or_default();
            low.wrong(
                line,
                "unicast-ttl",
                format!(": TTL '{word}' not valid - must be between 0 & 255"),
            );
        }
    }
}

/// `down_timer_adverts N`.
pub(crate) fn down_timer_adverts(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 1, 100) {
        Some(count) => {
            if let Some(draft) = low.draft(line, "down_timer_adverts") {
                draft.down_adverts = Some(count as u8);
            }
        }
        None => {
            let word = line.word(1).unwrap_or_default();
            low.wrong(
                line,
                "down-timer-adverts",
                format!(": Invalid down_timer_adverts [1:100] '{word}'"),
            );
        }
    }
}

/// `kernel_rx_buf_size BYTES`.
pub(crate) fn kernel_rx_buf_size(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 0, u32::MAX) {
        Some(bytes) => {
            if let Some(draft) = low.draft(line, "kernel_rx_buf_size") {
                draft.receive_buffer = Some(bytes);
            }
        }
        None => low.wrong(
            line,
            "kernel-rx-buf-size",
            " invalid kernel_rx_buf_size specified".to_owned(),
        ),
    }
}

/// `debug N`: accepted, without effect.
pub(crate) fn debug(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if low.unsigned(line, 1, 0, 4).is_none() {
        let word = line.word(1).unwrap_or_default();
        low.wrong(
            line,
            "debug",
            format!(" Debug value '{word}' not valid; must be between 0-4"),
        );
    }
}

/// `old_unicast_checksum [never]`.
pub(crate) fn old_unicast_checksum(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let mode = match line.word(1) {
        None => UnicastChecksum::Old,
        Some("never") => UnicastChecksum::Never,
        Some(word) => {
            return low.wrong(
                line,
                "unicast-checksum",
                format!(" Unknown old_unicast_chksum mode {word} - ignoring"),
            );
        }
    };
    if let Some(draft) = low.draft(line, "old_unicast_checksum") {
        draft.unicast_checksum = Some(mode);
    }
}

/// An address after a keyword.
fn address(low: &mut Lowering<'_>, line: Line<'_, '_>, what: &str) -> Option<IpAddr> {
    let word = line.word(1)?;
    let parsed = word.parse().ok();
    if parsed.is_none() {
        let name = low.current().map(|i| i.name.clone()).unwrap_or_default();
        let text = format!("Configuration error: VRRP instance[{name}] malformed {what} address[{word}]. Skipping...");
        low.error(line, 1, "address", text);
    }
    parsed
}

/// `mcast_src_ip ADDR`.
pub(crate) fn mcast_src_ip(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(address) = address(low, line, "src")
        && let Some(draft) = low.draft(line, "mcast_src_ip")
    {
        draft.multicast_source = Some(address);
    }
}

/// `unicast_src_ip ADDR`.
pub(crate) fn unicast_src_ip(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(address) = address(low, line, "src")
        && let Some(draft) = low.draft(line, "unicast_src_ip")
    {
        draft.unicast_source = Some(address);
    }
}

/// `mcast_dst_ip ADDR`.
pub(crate) fn mcast_dst_ip(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(address) = address(low, line, "multicast") else {
        return;
    };
    if !address.is_multicast() {
        let text = format!(" mcast_dst_ip {address} is not a multicast address - ignoring");
        return low.wrong(line, "mcast-dst-ip", text);
    }
    if let Some(draft) = low.draft(line, "mcast_dst_ip") {
        draft.multicast_group = Some(address);
    }
}

/// `ADDR [min_ttl N] [max_ttl N]` of `unicast_peer`.
pub(crate) fn peer(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Entry) {
        return;
    }
    let word = line.word(0).unwrap_or_default();
    let Ok(address) = word.parse::<IpAddr>() else {
        let name = low.current().map(|i| i.name.clone()).unwrap_or_default();
        let text =
            format!("Configuration error: VRRP instance[{name}] malformed unicast peer address[{word}]. Skipping...");
        return low.error(line, 0, "unicast-peer", text);
    };
    let mut peer = Peer {
        address,
        min_ttl: 0,
        max_ttl: 255,
    };
    let mut at = 1;
    while let Some(option) = line.word(at) {
        if line.word(at + 1).is_none() {
            let text = format!("{} {option} is missing a value", low.who());
            low.error(line, at, "unicast-peer", text);
            break;
        }
        match option {
            "min_ttl" => peer.min_ttl = low.unsigned(line, at + 1, 0, 255).map_or(peer.min_ttl, |n| n as u8),
            "max_ttl" => peer.max_ttl = low.unsigned(line, at + 1, 0, 255).map_or(peer.max_ttl, |n| n as u8),
            _ => {
                let text = format!("{} unknown unicast peer option {option}", low.who());
                low.error(line, at, "unicast-peer", text);
            }
        }
        at += 2;
    }
    let mark = line.mark(0);
    if let Some(instance) = low.current() {
        instance.entries.entry("unicast_peer").or_default().push(mark);
        instance.draft.peers.push(peer);
    }
}

/// `auth_type PASS|AH`.
pub(crate) fn auth_type(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let kind = match word {
        "PASS" => AuthType::Pass,
        "AH" => AuthType::Ah,
        _ => return low.wrong(line, "auth-type", format!(" unknown authentication type '{word}'")),
    };
    if let Some(draft) = low.draft(line, "auth_type") {
        draft.auth_type = Some(kind);
    }
}

/// `auth_pass STRING`. The password goes nowhere but into the draft.
pub(crate) fn auth_pass(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let mut password = line.word(1).unwrap_or_default();
    if password.len() > PASSWORD {
        let text = format!("Truncating auth_pass to {PASSWORD} characters");
        low.error(line, 1, "auth-pass-truncated", text);
        low.hint(vec![
            "every router of the group must be given the same first eight characters".to_owned(),
        ]);
        let end = (0..=PASSWORD)
            .rev()
            .find(|&at| password.is_char_boundary(at))
            .unwrap_or(0);
        password = password.get(..end).unwrap_or_default();
    }
    let secret = Secret(password.to_owned());
    if let Some(draft) = low.draft(line, "auth_pass") {
        draft.auth_pass = Some(secret);
    }
}

/// Whole seconds up to the longest garp delay.
fn delay(low: &mut Lowering<'_>, line: Line<'_, '_>, keyword: &'static str) -> Option<Duration> {
    let seconds = low.unsigned(line, 1, 0, super::global::LONGEST_GARP_DELAY);
    if seconds.is_none() {
        let word = line.word(1).unwrap_or_default();
        low.wrong(line, "garp-delay", format!(": {keyword} '{word}' invalid - ignoring"));
    }
    seconds.map(|s| Duration::from_secs(u64::from(s)))
}

/// A count that is at least one.
fn repeat(low: &mut Lowering<'_>, line: Line<'_, '_>, keyword: &'static str) -> Option<u32> {
    match low.unsigned(line, 1, 0, u32::MAX) {
        Some(0) => {
            low.wrong(
                line,
                "garp-repeat",
                format!(": {keyword} must be greater than 0, setting to 1"),
            );
            Some(1)
        }
        Some(count) => Some(count),
        None => {
            let word = line.word(1).unwrap_or_default();
            low.wrong(line, "garp-repeat", format!(": {keyword} '{word}' invalid - ignoring"));
            None
        }
    }
}

/// `garp_master_delay SECS`.
pub(crate) fn garp_master_delay(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(delay) = delay(low, line, "garp_master_delay")
        && let Some(draft) = low.draft(line, "garp_master_delay")
    {
        draft.announcing.second_block = Some(delay);
    }
}

/// `garp_lower_prio_delay SECS`.
pub(crate) fn garp_lower_prio_delay(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(delay) = delay(low, line, "garp_lower_prio_delay")
        && let Some(draft) = low.draft(line, "garp_lower_prio_delay")
    {
        draft.announcing.lower_priority_second_block = Some(delay);
    }
}

/// `garp_master_repeat N`.
pub(crate) fn garp_master_repeat(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(count) = repeat(low, line, "garp_master_repeat")
        && let Some(draft) = low.draft(line, "garp_master_repeat")
    {
        draft.announcing.repeat = Some(count);
    }
}

/// `garp_master_refresh_repeat N`.
pub(crate) fn garp_master_refresh_repeat(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(count) = repeat(low, line, "garp_master_refresh_repeat")
        && let Some(draft) = low.draft(line, "garp_master_refresh_repeat")
    {
        draft.announcing.refresh_repeat = Some(count);
    }
}

/// `garp_master_refresh SECS`.
pub(crate) fn garp_master_refresh(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(seconds) = low.unsigned(line, 1, 0, u32::MAX) else {
        let word = line.word(1).unwrap_or_default();
        return low.wrong(
            line,
            "garp-refresh",
            format!(": Invalid garp_master_refresh '{word}' - ignoring"),
        );
    };
    if let Some(draft) = low.draft(line, "garp_master_refresh") {
        draft.announcing.refresh = Some(Duration::from_secs(u64::from(seconds)));
    }
}

/// `garp_lower_prio_repeat N`.
pub(crate) fn garp_lower_prio_repeat(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(count) = low.unsigned(line, 1, 0, i32::MAX as u32) else {
        let word = line.word(1).unwrap_or_default();
        return low.wrong(
            line,
            "garp-repeat",
            format!(": Invalid garp_lower_prio_repeat '{word}'"),
        );
    };
    if let Some(draft) = low.draft(line, "garp_lower_prio_repeat") {
        draft.announcing.lower_priority_repeat = Some(count);
    }
}
