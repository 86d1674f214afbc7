//! `global_defs` and the keywords outside any block that are settings of the daemon.

use super::Lowering;
use crate::diagnostic::Class;
use crate::model::{DynamicInterfaces, ReceiveBuffer, ReloadCheck};
use crate::tree::Statement;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use vrrp::config::Version;

type Line<'s, 't> = &'s Statement<'t>;

/// The longest delay of announcements, in seconds: what upstream can hold in microseconds.
pub(crate) const LONGEST_GARP_DELAY: u32 = 4294;

/// The longest name the kernel shows for a process.
const PROCESS_NAME: usize = 15;

macro_rules! flags {
    ($($name:ident |$low:ident| $set:expr;)*) => {
        $(pub(crate) fn $name($low: &mut Lowering<'_>, _: Line<'_, '_>) {
            $set;
        })*
    };
}

flags! {
    use_pid_dir |low| low.global.use_pid_dir = true;
    process_names |low| low.global.process_names = true;
    disable_local_igmp |low| {
        low.global.disable_local_igmp = true;
        low.settings.filter.without_igmp = true;
    };
    v3_checksum_as_v2 |low| low.defaults.checksum_as_v2 = true;
    check_unicast_src |low| low.defaults.check_unicast_source = true;
    vrrp_no_swap |low| low.global.vrrp.no_swap = true;
    checker_no_swap |low| low.global.checker.no_swap = true;
    bfd_no_swap |low| low.global.bfd.no_swap = true;
    log_unknown_vrids |low| low.settings.log_unknown_vrids = true;
}

/// `global_defs {`: its keywords say everything.
pub(crate) fn block(_: &mut Lowering<'_>, _: Line<'_, '_>) {}

impl Lowering<'_> {
    /// `KEYWORD [BOOL]` of `global_defs`.
    fn global_switch(&mut self, line: Line<'_, '_>, set: fn(&mut Lowering<'_>, bool)) {
        match self.flag(line) {
            Some(value) => set(self, value),
            None => {
                let keyword = line.word(0).unwrap_or_default();
                self.error(line, 1, "boolean", format!("Invalid value for {keyword} specified"));
            }
        }
    }
}

macro_rules! switches {
    ($($name:ident |$low:ident, $value:ident| $set:expr;)*) => {
        $(pub(crate) fn $name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
            low.global_switch(line, |$low, $value| $set);
        })*
    };
}

switches! {
    lower_prio_no_advert |low, v| low.defaults.lower_prio_no_advert = v;
    higher_prio_send_advert |low, v| low.defaults.higher_prio_send_advert = v;
    skip_check_adv_addr |low, v| low.defaults.skip_check_adv_addr = v;
    strict |low, v| low.defaults.strict = v;
    owner_ignore_adverts |low, v| low.defaults.owner_ignore_adverts = v;
    notify_priority_changes |low, v| low.defaults.notify_priority_changes = v;
    data_use_instance |low, v| low.global.data_use_instance = v;
    min_garp |low, v| minimum(low, v);
    netlink_command_force |low, v| force(&mut low.global.netlink_command_buffer, v);
    process_monitor_force |low, v| force(&mut low.tracking.process_buffer, v);
    netlink_monitor_force |low, v| force(&mut low.global.netlink_monitor_buffer, v);
}

/// `vrrp_min_garp`: least for each setting that was not given before it.
fn minimum(low: &mut Lowering<'_>, wanted: bool) {
    if !wanted {
        return;
    }
    let announcing = &mut low.defaults.announcing;
    announcing.repeat.get_or_insert(1);
    announcing.second_block.get_or_insert(Duration::ZERO);
    announcing.refresh.get_or_insert(Duration::ZERO);
    announcing.refresh_repeat.get_or_insert(1);
    announcing.lower_priority_repeat.get_or_insert(1);
    announcing.lower_priority_second_block.get_or_insert(Duration::ZERO);
}

fn force(buffer: &mut Option<ReceiveBuffer>, force: bool) {
    let bytes = buffer.map_or(0, |b| b.bytes);
    *buffer = Some(ReceiveBuffer { bytes, force });
}

fn owned(line: Line<'_, '_>, index: usize) -> Option<String> {
    line.word(index).map(str::to_owned)
}

/// `net_namespace NAME`.
pub(crate) fn net_namespace(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.global.net_namespace = owned(line, 1);
    low.global.use_pid_dir = true;
}

/// `instance NAME`.
pub(crate) fn instance(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.global.instance = owned(line, 1);
    low.global.use_pid_dir = true;
}

/// `child_wait_time SECS`.
pub(crate) fn child_wait_time(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 0, u32::MAX) {
        Some(seconds) => low.global.child_wait_time = Duration::from_secs(u64::from(seconds)),
        None => {
            let word = line.word(1).unwrap_or_default();
            low.error(line, 1, "child-wait-time", format!("Invalid child_wait_time {word}"));
        }
    }
}

/// `router_id STRING`.
pub(crate) fn router_id(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match line.word(1).filter(|_| line.balanced) {
        Some(name) => low.global.router_id = Some(name.to_owned()),
        None => low.error(line, 0, "router-id", "routerid name missing - ignoring".to_owned()),
    }
}

fn name(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<String> {
    let word = line.word(1)?;
    if word.len() <= PROCESS_NAME {
        return Some(word.to_owned());
    }
    let text = format!("Process name {word} more than {PROCESS_NAME} characters, truncating");
    low.error(line, 1, "process-name", text);
    let end = (0..=PROCESS_NAME)
        .rev()
        .find(|&at| word.is_char_boundary(at))
        .unwrap_or(0);
    word.get(..end).map(str::to_owned)
}

macro_rules! names {
    ($($handler:ident |$low:ident| $field:expr;)*) => {
        $(pub(crate) fn $handler($low: &mut Lowering<'_>, line: Line<'_, '_>) {
            let value = name($low, line);
            $field = value;
        })*
    };
}

names! {
    process_name |low| low.global.process_name;
    vrrp_process_name |low| low.global.vrrp.name;
    checker_process_name |low| low.global.checker.name;
    bfd_process_name |low| low.global.bfd.name;
}

/// `dynamic_interfaces [allow_if_changes]`.
pub(crate) fn dynamic_interfaces(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.global.dynamic_interfaces = match line.word(1) {
        Some("allow_if_changes") => DynamicInterfaces::WithChanges,
        Some(other) => {
            low.error(
                line,
                1,
                "dynamic-interfaces",
                format!("Unknown dynamic_interfaces option '{other}'"),
            );
            DynamicInterfaces::Yes
        }
        None => DynamicInterfaces::Yes,
    };
}

/// `default_interface IFNAME`.
pub(crate) fn default_interface(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    match word.parse() {
        Ok(name) => low.global.default_interface = Some(name),
        Err(_) => low.error(
            line,
            1,
            "interface-name",
            format!("default_interface name '{word}' is not valid"),
        ),
    }
}

/// `iproute_etc_dir DIR`, `iproute_usr_dir DIR`: heeded when the bundle is made ([`crate::bundle::load`]).
pub(crate) fn iproute_dir(_: &mut Lowering<'_>, _: Line<'_, '_>) {}

/// `vrrp_mcast_group4 ADDR`.
pub(crate) fn group4(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    match word.parse::<Ipv4Addr>() {
        Ok(group) if group.is_multicast() => {
            low.settings.group4 = group;
            low.defaults.group4 = group;
        }
        Ok(_) => low.error(
            line,
            1,
            "group",
            format!("vrrp_mcast_group4 [{word}] is not multicast. Skipping"),
        ),
        Err(_) => low.error(
            line,
            1,
            "group",
            format!("Can't parse vrrp_mcast_group4 [{word}]. Skipping"),
        ),
    }
}

/// `vrrp_mcast_group6 ADDR`.
pub(crate) fn group6(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    match word.parse::<Ipv6Addr>() {
        Ok(group) if group.is_multicast() => {
            if group.octets().get(1).is_some_and(|flags| flags & 0x0f != 2) {
                let text = format!("vrrp_mcast_group6 [{word}] should be link-local multicast.");
                low.error(line, 1, "group", text);
            }
            low.settings.group6 = group;
            low.defaults.group6 = group;
        }
        Ok(_) => low.error(
            line,
            1,
            "group",
            format!("vrrp_mcast_group6 [{word}] is not multicast. Skipping"),
        ),
        Err(_) => low.error(
            line,
            1,
            "group",
            format!("Can't parse vrrp_mcast_group6 [{word}]. Skipping"),
        ),
    }
}

fn delay(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<Duration> {
    let seconds = low.unsigned(line, 1, 0, LONGEST_GARP_DELAY);
    if seconds.is_none() {
        let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
        low.error(line, 1, "garp-delay", format!("{keyword} '{word}' invalid - ignoring"));
    }
    seconds.map(|s| Duration::from_secs(u64::from(s)))
}

fn repeat(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<u32> {
    let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
    match low.unsigned(line, 1, 0, u32::MAX) {
        Some(0) => {
            let text = format!("{keyword} must be greater than 0, setting to 1");
            low.error(line, 1, "garp-repeat", text);
            Some(1)
        }
        Some(count) => Some(count),
        None => {
            low.error(line, 1, "garp-repeat", format!("{keyword} '{word}' invalid - ignoring"));
            None
        }
    }
}

/// `vrrp_garp_master_delay SECS`.
pub(crate) fn garp_master_delay(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = delay(low, line);
    let announcing = &mut low.defaults.announcing;
    announcing.second_block = value.or(announcing.second_block);
}

/// `vrrp_garp_lower_prio_delay SECS`.
pub(crate) fn garp_lower_prio_delay(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = delay(low, line);
    let announcing = &mut low.defaults.announcing;
    announcing.lower_priority_second_block = value.or(announcing.lower_priority_second_block);
}

/// `vrrp_garp_master_repeat N`.
pub(crate) fn garp_master_repeat(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = repeat(low, line);
    let announcing = &mut low.defaults.announcing;
    announcing.repeat = value.or(announcing.repeat);
}

/// `vrrp_garp_master_refresh_repeat N`.
pub(crate) fn garp_master_refresh_repeat(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = repeat(low, line);
    let announcing = &mut low.defaults.announcing;
    announcing.refresh_repeat = value.or(announcing.refresh_repeat);
}

/// `vrrp_garp_master_refresh SECS`.
pub(crate) fn garp_master_refresh(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 0, u32::MAX) {
        Some(s) => low.defaults.announcing.refresh = Some(Duration::from_secs(u64::from(s))),
        None => {
            let word = line.word(1).unwrap_or_default();
            low.error(
                line,
                1,
                "garp-refresh",
                format!("Invalid vrrp_garp_master_refresh '{word}' - ignoring"),
            );
        }
    }
}

/// `vrrp_garp_lower_prio_repeat N`.
pub(crate) fn garp_lower_prio_repeat(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 0, i32::MAX as u32) {
        Some(count) => low.defaults.announcing.lower_priority_repeat = Some(count),
        None => {
            let word = line.word(1).unwrap_or_default();
            low.error(
                line,
                1,
                "garp-repeat",
                format!("Invalid vrrp_garp_lower_prio_repeat '{word}'"),
            );
        }
    }
}

/// A gap between announcements. Zero means no gap: upstream refuses it although it is its own default, and many files
/// have it; see docs/divergences.md, "garp-interval-zero".
fn interval(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<Duration> {
    let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
    let zero = word.contains('0') && word.bytes().all(|b| b == b'0' || b == b'.');
    if zero && word.matches('.').count() <= 1 {
        return Some(Duration::ZERO);
    }
    let interval = low.seconds(line, 1, 1, u64::from(u32::MAX));
    match interval {
        None => low.error(line, 1, "announce-interval", format!("{keyword} '{word}' is invalid")),
        Some(gap) if gap >= Duration::from_secs(1) => {
            let text = format!("The {keyword} is very large - {word} seconds");
            low.say(line, 1, Class::Notice, "announce-interval-large", text);
        }
        Some(_) => {}
    }
    interval
}

/// `vrrp_garp_interval SECS`.
pub(crate) fn garp_interval(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(gap) = interval(low, line) {
        low.settings.garp_interval = gap;
    }
}

/// `vrrp_gna_interval SECS`.
pub(crate) fn gna_interval(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(gap) = interval(low, line) {
        low.settings.gna_interval = gap;
    }
}

/// `vrrp_down_timer_adverts N`.
pub(crate) fn down_timer_adverts(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 1, 100) {
        Some(count) => low.defaults.down_adverts = Some(count as u8),
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!("Invalid vrrp_down_timer_adverts [1:100] '{word}'");
            low.error(line, 1, "down-timer-adverts", text);
        }
    }
}

/// `vrrp_version 2|3`.
pub(crate) fn version(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 2, 3) {
        Some(number) => low.defaults.version = Some(if number == 2 { Version::V2 } else { Version::V3 }),
        None => low.error(
            line,
            1,
            "version",
            "VRRP Error: Version must be either 2 or 3".to_owned(),
        ),
    }
}

/// The words of `umask`.
const UMASK_BITS: [(&str, u32); 12] = [
    ("IRUSR", 0o400),
    ("IWUSR", 0o200),
    ("IXUSR", 0o100),
    ("IRWXU", 0o700),
    ("IRGRP", 0o040),
    ("IWGRP", 0o020),
    ("IXGRP", 0o010),
    ("IRWXG", 0o070),
    ("IROTH", 0o004),
    ("IWOTH", 0o002),
    ("IXOTH", 0o001),
    ("IRWXO", 0o007),
];

/// `umask NUMBER` or `umask BIT|BIT`.
pub(crate) fn umask(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let text: String = line.from(1).collect();
    let bit = |name: &str| {
        UMASK_BITS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, bits)| *bits)
    };
    let mask = match crate::expand::number(&text) {
        Some(number) => u32::try_from(number).ok().filter(|&mask| mask <= 0o777),
        None => text
            .split('|')
            .map(bit)
            .try_fold(0, |mask, bits| bits.map(|bits| mask | bits)),
    };
    match mask {
        Some(mask) => low.global.umask = Some(mask),
        None => low.error(line, 1, "umask", format!("invalid umask value {text}")),
    }
}

fn startup(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<Duration> {
    let delay = low.seconds(line, 1, 1_000, u64::from(u32::MAX));
    if delay.is_none() {
        let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
        low.error(line, 1, "startup-delay", format!("{keyword} '{word}' is invalid"));
    }
    delay
}

/// `vrrp_startup_delay SECS`.
pub(crate) fn startup_delay(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(delay) = startup(low, line) {
        low.settings.startup_delay = delay;
    }
}

/// `vrrp_delay_after_boot SECS`.
pub(crate) fn delay_after_boot(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(delay) = startup(low, line) {
        low.settings.delay_after_boot = delay;
    }
}

/// `vrrp_rx_bufs_policy MTU|ADVERT|BYTES`.
pub(crate) fn rx_bufs_policy(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    if word.eq_ignore_ascii_case("MTU") {
        low.buffers.mtu = true;
    } else if word.eq_ignore_ascii_case("ADVERT") {
        low.buffers.advert = true;
    } else {
        match low.unsigned(line, 1, 1, u32::MAX) {
            Some(bytes) => low.buffers.bytes = Some(bytes),
            None => low.error(line, 1, "rx-bufs", format!("Invalid vrrp_rx_bufs_policy {word}")),
        }
    }
}

/// `vrrp_rx_bufs_multiplier N`.
pub(crate) fn rx_bufs_multiplier(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 1, u32::MAX) {
        Some(factor) => low.buffers.multiplier = Some(factor),
        None => {
            let word = line.word(1).unwrap_or_default();
            low.error(line, 1, "rx-bufs", format!("Invalid vrrp_rx_bufs_multiplier {word}"));
        }
    }
}

fn buffer(low: &mut Lowering<'_>, line: Line<'_, '_>, old: Option<ReceiveBuffer>) -> Option<ReceiveBuffer> {
    let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
    match low.unsigned(line, 1, 0, u32::MAX) {
        Some(bytes) => Some(ReceiveBuffer {
            bytes,
            force: old.is_some_and(|b| b.force),
        }),
        None => {
            low.error(line, 1, "netlink-buffer", format!("Invalid {keyword} {word}"));
            old
        }
    }
}

/// `vrrp_netlink_cmd_rcv_bufs BYTES`.
pub(crate) fn netlink_command(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.global.netlink_command_buffer = buffer(low, line, low.global.netlink_command_buffer);
}

/// `vrrp_netlink_monitor_rcv_bufs BYTES`.
pub(crate) fn netlink_monitor(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.global.netlink_monitor_buffer = buffer(low, line, low.global.netlink_monitor_buffer);
}

/// `process_monitor_rcv_bufs BYTES`.
pub(crate) fn process_monitor(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.tracking.process_buffer = buffer(low, line, low.tracking.process_buffer);
}

/// `random_seed N`; the reader has obeyed it already.
pub(crate) fn random_seed(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 0, u32::MAX) {
        Some(seed) => low.global.random_seed = Some(seed),
        None => {
            let word = line.word(1).unwrap_or_default();
            low.error(line, 1, "random-seed", format!("Invalid random_seed {word}"));
        }
    }
}

/// `reload_check_config [LOGFILE]`.
pub(crate) fn reload_check_config(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.global.reload_check_config = Some(ReloadCheck { log: owned(line, 1) });
}

/// `include_check`: the reader obeys it; here only its words are checked.
pub(crate) fn include_check(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    for word in 1..line.words.len() {
        let text = line.word(word).unwrap_or_default();
        let name = text.strip_prefix(['+', '-']);
        let known = matches!(
            name.unwrap_or(text),
            "read" | "match" | "wildcard_match" | "brace_match"
        );
        if !known || (name.is_none() && word > 1) {
            low.error(
                line,
                word,
                "include-check",
                format!("Invalid include_check value '{text}'"),
            );
        }
    }
}
