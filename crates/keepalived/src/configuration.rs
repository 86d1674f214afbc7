//! The one place that calls the configuration crate, and what the daemon itself reads from a model.
//!
//! It finds the facts of the place (interfaces, processors) and translates settings into what the kernel crate
//! understands. What a configuration means is not decided here.

use crate::role::Kind;
use conf::files::FsLoader;
use conf::model::{Process, Snmp};
use conf::{Facts, InterfaceFact};
use linux::link::vrf;
use linux::namespace::InterfaceSummary;
use linux::sched::{self, Scheduling};
use linux::{SysError, namespace};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use conf::{Bundle, Compiled, Model, compile, exit_code, fatal};

/// Where and how a configuration is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// The name or pattern of the main file.
    pub(crate) main: String,
    /// The configuration id of `@` lines.
    pub(crate) id: String,
    /// The environment of the daemon.
    pub(crate) environment: BTreeMap<String, String>,
    /// Where relative names begin.
    pub(crate) directory: PathBuf,
    /// Of `${_RANDOM}`; the same for the life of a daemon, so that a reload of an unchanged file changes nothing.
    pub(crate) seed: u64,
    /// `-e`.
    pub(crate) strict_includes: bool,
    /// `-t`.
    pub(crate) checking: bool,
}

/// Reads the files as they are now, in the network namespace this process is in now.
///
/// The error is about the facts and does not stop the reading: without them no interface is reported as missing.
pub(crate) fn load(source: &Source) -> (Bundle, Option<SysError>) {
    let (interfaces, error) = match namespace::interfaces() {
        Ok(found) => (Some(found.into_iter().map(fact).collect()), None),
        Err(error) => (None, Some(error)),
    };
    // Without tables routes in VRFs are refused, each with a message.
    let vrf_tables = vrf::tables().unwrap_or_default();
    let facts = Facts {
        vrf_tables,
        config_id: source.id.clone(),
        environment: source.environment.clone(),
        directory: source.directory.clone(),
        seed: source.seed,
        interfaces,
        strict_includes: source.strict_includes,
        checking: source.checking,
        processors: sched::processors(),
        ..Facts::default()
    };
    (conf::load(&source.main, facts, &FsLoader), error)
}

fn fact(interface: InterfaceSummary) -> InterfaceFact {
    InterfaceFact {
        name: interface.name,
        mtu: interface.mtu,
        multicast: interface.multicast,
    }
}

/// Settings of the daemon as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `net_namespace`.
    pub(crate) namespace: Option<String>,
    /// `instance`.
    pub(crate) instance: Option<String>,
    /// `use_pid_dir`.
    pub(crate) use_pid_dir: bool,
    /// `child_wait_time`.
    pub(crate) child_wait: Duration,
    /// `umask`.
    pub(crate) umask: Option<u32>,
    /// `process_name`.
    pub(crate) process_name: Option<String>,
    /// `data_use_instance`.
    pub(crate) data_use_instance: bool,
    /// `state_dump_file`.
    pub(crate) state_dump: Option<String>,
    /// `stats_dump_file`.
    pub(crate) stats_dump: Option<String>,
    /// `json_dump_file`.
    pub(crate) json_dump: Option<String>,
    /// `tmp_config_directory`, which cannot change while the daemon runs.
    pub(crate) temporary_folder: Option<String>,
    /// `net_namespace_ipvs`, which cannot change while the daemon runs.
    pub(crate) ipvs_namespace: Option<lvs::config::Namespace>,
    /// The table of `nftables_ipvs`, which cannot change while the daemon runs.
    pub(crate) ipvs_table: Option<std::sync::Arc<str>>,
    /// `disable_local_igmp`, which cannot change while the daemon runs.
    pub(crate) disable_local_igmp: bool,
}

/// What the daemon itself reads from a model.
pub(crate) fn settings(model: &Model) -> Settings {
    let global = &model.global;
    Settings {
        namespace: global.net_namespace.clone(),
        instance: global.instance.clone(),
        use_pid_dir: global.use_pid_dir,
        child_wait: global.child_wait_time,
        umask: global.umask,
        process_name: global.process_name.clone(),
        data_use_instance: global.data_use_instance,
        state_dump: global.state_dump_file.clone(),
        stats_dump: global.stats_dump_file.clone(),
        json_dump: global.json_dump_file.clone(),
        temporary_folder: global.tmp_config_directory.clone(),
        ipvs_namespace: model.servers.settings.namespace.clone(),
        ipvs_table: model.servers.settings.nftables.as_ref().map(|nft| nft.table.clone()),
        disable_local_igmp: global.disable_local_igmp,
    }
}

impl Settings {
    /// What a reload would have to change and cannot, if there is such a thing.
    pub(crate) fn fixed(&self, new: &Settings) -> Option<&'static str> {
        if self.namespace != new.namespace {
            return Some("network namespace");
        }
        if self.instance != new.instance {
            return Some("instance name");
        }
        if self.ipvs_namespace != new.ipvs_namespace {
            return Some("IPVS network namespace");
        }
        // One that is new, or not wanted any more, can be made and removed.
        if let (Some(old), Some(new)) = (&self.ipvs_table, &new.ipvs_table)
            && old != new
        {
            return Some("IPVS nftables table name");
        }
        if self.temporary_folder != new.temporary_folder {
            return Some("config_directory");
        }
        (self.disable_local_igmp != new.disable_local_igmp).then_some("disable_local_igmp")
    }
}

/// What SNMP serves, with what the command line says: `all` (`-x`) and the socket of the master agent (`-A`).
pub(crate) fn snmp(model: &Model, all: bool, socket: Option<&str>) -> Snmp {
    let mut snmp = model.global.snmp.clone();
    if all {
        (snmp.vrrp, snmp.rfc2, snmp.rfc3, snmp.checker) = (true, true, true, true);
    }
    if let Some(socket) = socket {
        snmp.socket = Some(socket.to_owned());
    }
    snmp
}

/// How a role's process is called and scheduled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessSettings {
    /// Its name in the process table; `None`: that of the daemon.
    pub(crate) name: Option<String>,
    /// Its scheduling.
    pub(crate) scheduling: Scheduling,
}

/// How a model wants the process of a role.
pub(crate) fn process_settings(model: &Model, kind: Kind) -> ProcessSettings {
    let global = &model.global;
    let (process, usual) = match kind {
        Kind::Check => (&global.checker, "keepalived_lvs"),
        Kind::Vrrp => (&global.vrrp, "keepalived_vrrp"),
        Kind::Bfd => (&global.bfd, "keepalived_bfd"),
        // In normal scheduling, whatever the others have.
        Kind::Manage => (&Process::default(), "keepalived_manage"),
    };
    let usual = global.process_names.then(|| usual.to_owned());
    ProcessSettings {
        name: process.name.clone().or(usual).or_else(|| global.process_name.clone()),
        scheduling: scheduling(process),
    }
}

fn scheduling(process: &Process) -> Scheduling {
    let limit = process.realtime.and(process.realtime_limit);
    Scheduling {
        nice: process.nice,
        realtime: process.realtime,
        // Only if the operator says one: upstream's default of 10 ms would kill a router in the middle of taking over
        // many addresses, and the kernel itself keeps real-time processes from taking a processor for good.
        realtime_limit: limit.map(|micros| Duration::from_micros(u64::from(micros))),
        processors: process
            .cpus
            .iter()
            .filter_map(|number| usize::try_from(*number).ok())
            .collect(),
        lock_memory: process.no_swap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_called_as_the_configuration_says() {
        let mut model = Model::default();
        let name = |model: &Model, kind| process_settings(model, kind).name;
        assert_eq!(name(&model, Kind::Vrrp), None);
        model.global.process_name = Some("main".to_owned());
        assert_eq!(name(&model, Kind::Vrrp).as_deref(), Some("main"));
        model.global.process_names = true;
        assert_eq!(name(&model, Kind::Vrrp).as_deref(), Some("keepalived_vrrp"));
        assert_eq!(name(&model, Kind::Check).as_deref(), Some("keepalived_lvs"));
        model.global.vrrp.name = Some("mine".to_owned());
        assert_eq!(name(&model, Kind::Vrrp).as_deref(), Some("mine"));
    }

    #[test]
    fn the_real_time_limit_counts_only_for_a_real_time_process() {
        let mut process = Process {
            realtime_limit: Some(10_000),
            ..Process::default()
        };
        assert_eq!(scheduling(&process).realtime_limit, None);
        process.realtime = Some(5);
        assert_eq!(scheduling(&process).realtime_limit, Some(Duration::from_millis(10)));
    }

    #[test]
    fn what_cannot_change_at_a_reload_is_named() {
        let old = settings(&Model::default());
        assert_eq!(old.fixed(&old), None);
        let instance = Settings {
            instance: Some("x".to_owned()),
            ..old.clone()
        };
        assert_eq!(old.fixed(&instance), Some("instance name"));
        let namespace = Settings {
            namespace: Some("x".to_owned()),
            ..instance
        };
        assert_eq!(old.fixed(&namespace), Some("network namespace"));
    }
}
