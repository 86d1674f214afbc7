//! Files the daemon reads and writes beside its configuration, and services to other programs: what is written of them.

use super::Lowering;
use crate::model::{ReloadFile, Snmp};
use crate::tree::Statement;

type Line<'s, 't> = &'s Statement<'t>;

macro_rules! paths {
    ($($name:ident $field:ident;)*) => {
        $(pub(crate) fn $name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
            low.global.$field = line.word(1).map(str::to_owned);
        })*
    };
}

paths! {
    state_dump_file state_dump_file;
    stats_dump_file stats_dump_file;
    json_dump_file json_dump_file;
    config_save_dir config_save_dir;
}

/// `reload_time_file PATH`.
pub(crate) fn reload_time_file(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match line.word(1).filter(|path| !path.is_empty()) {
        Some(path) => low.global.reload_time_file = Some(path.to_owned()),
        None => low.error(line, 1, "reload-time-file", "reload_time_file invalid".to_owned()),
    }
}

/// `reload_repeat`.
pub(crate) fn reload_repeat(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.global.reload_repeat = true;
}

/// `reload_file [PATH]`.
pub(crate) fn reload_file(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.global.reload_file = Some(match line.word(1) {
        Some(path) => ReloadFile::At(path.to_owned()),
        None => ReloadFile::BesidePidFile,
    });
}

/// `tmp_config_directory DIR`: roles get the configuration in sealed memory, so that nothing is written there. The first
/// one counts.
pub(crate) fn tmp_config_directory(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if low.global.tmp_config_directory.is_none() {
        low.global.tmp_config_directory = line.word(1).map(str::to_owned);
    }
}

/// `json_version 1|2`.
pub(crate) fn json_version(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 1, 2) {
        Some(version) => low.global.json_version = version as u8,
        None => {
            let word = line.word(1).unwrap_or_default();
            low.error(line, 1, "json-version", format!("Invalid json_version {word}"));
        }
    }
}

macro_rules! snmp {
    ($($name:ident |$snmp:ident| $set:expr;)*) => {
        $(pub(crate) fn $name(low: &mut Lowering<'_>, _line: Line<'_, '_>) {
            let $snmp: &mut Snmp = &mut low.global.snmp;
            $set;
        })*
    };
}

snmp! {
    enable_traps |snmp| snmp.traps = true;
    enable_snmp_vrrp |snmp| snmp.vrrp = true;
    enable_snmp_rfc |snmp| { snmp.rfc2 = true; snmp.rfc3 = true };
    enable_snmp_rfcv2 |snmp| snmp.rfc2 = true;
    enable_snmp_rfcv3 |snmp| snmp.rfc3 = true;
    enable_snmp_checker |snmp| snmp.checker = true;
}

/// `snmp_socket SPEC`.
pub(crate) fn snmp_socket(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.global.snmp.socket = line.word(1).map(str::to_owned);
}

/// `enable_dbus`.
pub(crate) fn enable_dbus(low: &mut Lowering<'_>, _line: Line<'_, '_>) {
    low.global.dbus.enabled = true;
}

/// `dbus_service_name NAME`.
pub(crate) fn dbus_service_name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.global.dbus.service = line.word(1).map(str::to_owned);
}

/// `dbus_no_interface_name STRING`.
pub(crate) fn dbus_no_interface_name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.global.dbus.no_interface = line.word(1).map(str::to_owned);
}

/// A keyword about something that is never needed here.
pub(crate) fn without_effect(_low: &mut Lowering<'_>, _line: Line<'_, '_>) {}
