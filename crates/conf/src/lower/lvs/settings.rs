//! What `global_defs` says about virtual servers and their checks.

use super::Line;
use crate::diagnostic::Class;
use crate::lower::Lowering;
use crate::model::ReceiveBuffer;
use lvs::config::{FlushOnStop, Namespace, Nftables, PERSISTENCE_MAX, SyncDaemon};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The longest name of a table of nftables.
const TABLE_NAME: usize = 30;

/// The longest packet of a sync daemon: what fits into UDP.
const SYNC_LEN: u32 = 65_507;

/// `nftables_ipvs` and what belongs to it, in any order.
#[derive(Debug, Default)]
pub(crate) struct NftablesDraft {
    table: Option<Arc<str>>,
    priority: Option<i32>,
    first_mark: Option<u32>,
}

impl NftablesDraft {
    pub(super) fn finish(&self) -> Option<Nftables> {
        Some(Nftables {
            table: Arc::clone(self.table.as_ref()?),
            priority: self.priority.unwrap_or(Nftables::PRIORITY),
            first_mark: self.first_mark.unwrap_or(Nftables::FIRST_MARK),
        })
    }
}

/// `lvs_timeouts [tcp N] [tcpfin N] [udp N]`.
pub(crate) fn timeouts(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if line.word(2).is_none() {
        let text = "lvs_timeouts requires at least one option";
        return low.error(line, 0, "lvs-timeouts", text.to_owned());
    }
    let mut at = 1;
    while let Some(option) = line.word(at) {
        if !matches!(option, "tcp" | "tcpfin" | "udp") {
            low.error(
                line,
                at,
                "lvs-timeouts",
                format!("Unknown option {option} specified for lvs_timeouts"),
            );
            at += 1;
            continue;
        }
        let Some(word) = line.word(at + 1) else {
            let text = format!("No value specified for lvs_timeout {option} - ignoring");
            return low.error(line, at, "lvs-timeouts", text);
        };
        let value = low.unsigned(line, at + 1, 0, PERSISTENCE_MAX);
        if value.is_none() {
            let text = format!("Invalid lvs_timeout {option} ({word}) - ignoring");
            low.error(line, at + 1, "lvs-timeouts", text);
        }
        let timeouts = &mut low.lvs.servers.settings.timeouts;
        match option {
            "tcp" => timeouts.tcp = value.or(timeouts.tcp),
            "tcpfin" => timeouts.tcp_fin = value.or(timeouts.tcp_fin),
            _ => timeouts.udp = value.or(timeouts.udp),
        }
        at += 2;
    }
}

/// `lvs_flush`.
pub(crate) fn flush(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.lvs.servers.settings.flush = true;
}

/// `lvs_flush_on_stop [VS]`.
pub(crate) fn flush_on_stop(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.lvs.servers.settings.flush_on_stop = match line.word(1) {
        None => FlushOnStop::Everything,
        Some("VS") => FlushOnStop::Services,
        Some(word) => {
            return low.error(line, 1, "lvs-flush", format!("Unknown lvs_flush_on_stop type {word}"));
        }
    };
}

/// `lvs_sync_daemon IF [inst INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group A]`, or `IF [INSTANCE [ID]]`.
pub(crate) fn sync_daemon(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(before) = &low.lvs.servers.settings.sync_daemon {
        let instance = before.instance.as_deref().unwrap_or_default();
        let text = format!(
            "lvs_sync_daemon has already been specified as {} {instance} - ignoring",
            before.interface
        );
        return low.error(line, 0, "lvs-sync", text);
    }
    let word = line.word(1).unwrap_or_default();
    let Ok(interface) = word.parse() else {
        let text = format!("lvs_sync_daemon interface name '{word}' too long - ignoring");
        return low.error(line, 1, "lvs-sync", text);
    };
    let mut daemon = SyncDaemon {
        interface,
        instance: None,
        id: None,
        max_len: None,
        port: None,
        ttl: None,
        group: None,
    };
    let mut at = 2;
    // The old form names the instance by its place, and the id after it.
    if let Some(word) = line.word(2).filter(|word| !is_sync_option(word)) {
        daemon.instance = Some(low.lvs.share(word));
        at = 3;
        if let Some(word) = line.word(3).filter(|word| !is_sync_option(word)) {
            if word.parse::<u8>().is_ok() {
                let text = "Please use keyword \"id\" before lvs_sync_daemon SYNCID";
                low.error(line, 3, "lvs-sync", text.to_owned());
                daemon.id = word.parse().ok();
            } else {
                unknown_sync_option(low, line, 3, word);
            }
            at = 4;
        }
    }
    while let Some(option) = line.word(at) {
        if !is_sync_option(option) {
            unknown_sync_option(low, line, at, option);
            at += 1;
            continue;
        }
        if line.word(at + 1).is_none() {
            no_sync_value(low, line, at, option);
            break;
        }
        sync_option(low, line, at, option, &mut daemon);
        at += 2;
    }
    low.lvs.servers.settings.sync_daemon = Some(daemon);
}

/// `lvs_sync_daemon_interface IF` of an instance: the old way to say `lvs_sync_daemon IF INSTANCE`.
pub(crate) fn sync_daemon_of_instance(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = low.current().map(|instance| instance.name.clone()).unwrap_or_default();
    let text = format!("({name}) Specifying lvs_sync_daemon_interface against a vrrp is deprecated.");
    low.say(line, 0, Class::Deprecated, "lvs-sync", text);
    // The second line stands under the text of the first, as in upstream.
    let text = format!("{:1$}Please use global lvs_sync_daemon", "", name.len() + 4);
    low.say(line, 0, Class::Deprecated, "lvs-sync", text);
    if let Some(before) = &low.lvs.servers.settings.sync_daemon {
        let text = format!(
            "({name}) lvs_sync_daemon_interface has already been specified as {} - ignoring",
            before.interface
        );
        return low.error(line, 0, "lvs-sync", text);
    }
    if let Some(interface) = low.interface(line, 1, "lvs_sync_daemon_interface") {
        low.lvs.servers.settings.sync_daemon = Some(SyncDaemon {
            interface,
            instance: Some(low.lvs.share(&name)),
            id: None,
            max_len: None,
            port: None,
            ttl: None,
            group: None,
        });
    }
}

fn is_sync_option(word: &str) -> bool {
    matches!(word, "inst" | "id" | "maxlen" | "port" | "ttl" | "group")
}

fn unknown_sync_option(low: &mut Lowering<'_>, line: Line<'_, '_>, at: usize, word: &str) {
    let text = format!("Unknown option {word} specified for lvs_sync_daemon");
    low.error(line, at, "lvs-sync", text);
}

fn no_sync_value(low: &mut Lowering<'_>, line: Line<'_, '_>, at: usize, option: &str) {
    let text = match option {
        "inst" => return low.missing_parameter(line, at + 1),
        "id" => "No value specified for lvs_sync_daemon id, defaulting to vrid".to_owned(),
        _ => format!("No value specified for lvs_sync_daemon {option} - ignoring"),
    };
    low.error(line, at, "lvs-sync", text);
}

fn sync_option(low: &mut Lowering<'_>, line: Line<'_, '_>, at: usize, option: &str, daemon: &mut SyncDaemon) {
    let word = line.word(at + 1).unwrap_or_default();
    let (least, most) = match option {
        "inst" => {
            let name = low.lvs.share(word);
            daemon.instance = Some(name);
            return;
        }
        "group" => {
            daemon.group = sync_group(low, line, at + 1).or(daemon.group);
            return;
        }
        "id" => (0, u32::from(u8::MAX)),
        "maxlen" => (1, SYNC_LEN),
        "port" => (1, u32::from(u16::MAX)),
        _ => (1, u32::from(u8::MAX)),
    };
    let value = low.unsigned(line, at + 1, least, most);
    if value.is_none() {
        let text = match option {
            "id" => format!("Invalid syncid ({word}) - defaulting to vrid"),
            _ => format!("Invalid lvs_sync_daemon {option} ({word}) - ignoring"),
        };
        return low.error(line, at + 1, "lvs-sync", text);
    }
    match option {
        "id" => daemon.id = value.map(|n| n as u8),
        "maxlen" => daemon.max_len = value.map(|n| n as u16),
        "port" => daemon.port = value.map(|n| n as u16),
        _ => daemon.ttl = value.map(|n| n as u8),
    }
}

fn sync_group(low: &mut Lowering<'_>, line: Line<'_, '_>, at: usize) -> Option<IpAddr> {
    let word = line.word(at).unwrap_or_default();
    let text = match word.parse::<IpAddr>() {
        Ok(group) if group.is_multicast() => return Some(group),
        Ok(_) => format!("lvs_sync_daemon group address {word} is not multicast - ignoring"),
        Err(_) => format!("Invalid lvs_sync_daemon group ({word}) - ignoring"),
    };
    low.error(line, at, "lvs-sync", text);
    None
}

/// `nftables_ipvs [TABLE]`.
pub(crate) fn nftables(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or(Nftables::TABLE);
    let text = if low.lvs.nftables.table.is_some() {
        "ipvs nftables already specified - ignoring"
    } else if word.is_empty() {
        "ipvs nftables table name is empty - ignoring"
    } else if word.len() > TABLE_NAME {
        "ipvs nftables table name too long - ignoring"
    } else {
        low.lvs.nftables.table = Some(Arc::from(word));
        return;
    };
    low.error(line, 1, "lvs-nftables", text.to_owned());
}

/// `nftables_ipvs_priority N`.
pub(crate) fn nftables_priority(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.signed(line, 1, i64::from(i32::MIN), i64::from(i32::MAX)) {
        Some(value) => low.lvs.nftables.priority = Some(value as i32),
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!("invalid ipvs nftables chain priority '{word}'");
            low.error(line, 1, "lvs-nftables", text);
        }
    }
}

/// `nftables_ipvs_start_fwmark N`.
pub(crate) fn nftables_start_mark(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 1, u32::MAX) {
        Some(value) => low.lvs.nftables.first_mark = Some(value),
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!("invalid ipvs nftables start_fwmark priority '{word}'");
            low.error(line, 1, "lvs-nftables", text);
        }
    }
}

fn global_switch(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<bool> {
    let value = low.flag(line);
    if value.is_none() {
        let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
        let text = format!("Invalid value '{word}' for global {keyword} specified");
        low.error(line, 1, "boolean", text);
    }
    value
}

/// `checker_log_all_failures [BOOL]`.
pub(crate) fn log_all_failures(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.flag(line) {
        Some(value) => low.lvs.servers.settings.log_all_failures = value,
        None => {
            let text = "Invalid value for checker_log_all_failures specified";
            low.error(line, 1, "boolean", text.to_owned());
        }
    }
}

/// `smtp_alert_checker [BOOL]`.
pub(crate) fn smtp_alert_checker(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = global_switch(low, line);
    let settings = &mut low.lvs.servers.settings;
    settings.smtp_alert = value.or(settings.smtp_alert);
}

/// `rs_init_notifies [BOOL]`.
pub(crate) fn init_notifies(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(value) = global_switch(low, line) {
        low.lvs.servers.settings.init_notifies = value;
    }
}

/// `no_checker_emails [BOOL]`.
pub(crate) fn no_checker_emails(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(value) = global_switch(low, line) {
        low.lvs.servers.settings.no_checker_emails = value;
    }
}

fn buffer_size(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<u32> {
    let value = low.unsigned(line, 1, 0, u32::MAX);
    if value.is_none() {
        let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
        low.error(line, 1, "netlink-buffer", format!("{keyword} size ({word}) invalid"));
    }
    value
}

fn sized(buffer: &mut Option<ReceiveBuffer>, bytes: Option<u32>) {
    if let Some(bytes) = bytes {
        let force = buffer.is_some_and(|buffer| buffer.force);
        *buffer = Some(ReceiveBuffer { bytes, force });
    }
}

fn forced(buffer: &mut Option<ReceiveBuffer>, force: Option<bool>) {
    if let Some(force) = force {
        let bytes = buffer.map_or(0, |buffer| buffer.bytes);
        *buffer = Some(ReceiveBuffer { bytes, force });
    }
}

/// `lvs_netlink_cmd_rcv_bufs BYTES`.
pub(crate) fn netlink_command(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let bytes = buffer_size(low, line);
    sized(&mut low.lvs.servers.netlink_command_buffer, bytes);
}

/// `lvs_netlink_cmd_rcv_bufs_force [BOOL]`.
pub(crate) fn netlink_command_force(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let force = global_switch(low, line);
    forced(&mut low.lvs.servers.netlink_command_buffer, force);
}

/// `lvs_netlink_monitor_rcv_bufs BYTES`.
pub(crate) fn netlink_monitor(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let bytes = buffer_size(low, line);
    sized(&mut low.lvs.servers.netlink_monitor_buffer, bytes);
}

/// `lvs_netlink_monitor_rcv_bufs_force [BOOL]`.
pub(crate) fn netlink_monitor_force(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let force = global_switch(low, line);
    forced(&mut low.lvs.servers.netlink_monitor_buffer, force);
}

/// `net_namespace_ipvs [NAME]`.
pub(crate) fn namespace(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = line.word(1).map(|word| low.lvs.share(word));
    if low.lvs.servers.settings.namespace.is_some() {
        let word = line.word(1).unwrap_or_default();
        let text = format!("Duplicate net_namespace_ipvs definition {word} - ignoring");
        return low.error(line, 1, "net-namespace", text);
    }
    low.lvs.servers.settings.namespace = Some(name.map_or(Namespace::Initial, Namespace::Named));
}

/// A time from a millisecond to half a minute.
fn stats_age(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<Duration> {
    const LEAST: u64 = 1_000;
    const MOST: u64 = 30_000_000;
    let age = low.seconds(line, 1, LEAST, MOST);
    if age.is_none() {
        let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
        low.error(line, 1, "snmp-stats", format!("{keyword} '{word}' invalid - ignoring"));
    }
    age
}

/// `snmp_vs_stats_update_interval SECS`.
pub(crate) fn service_stats_age(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let age = stats_age(low, line);
    let settings = &mut low.lvs.servers.settings;
    settings.service_stats_age = age.or(settings.service_stats_age);
}

/// `snmp_rs_stats_update_interval SECS`.
pub(crate) fn real_stats_age(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let age = stats_age(low, line);
    let settings = &mut low.lvs.servers.settings;
    settings.real_stats_age = age.or(settings.real_stats_age);
}
