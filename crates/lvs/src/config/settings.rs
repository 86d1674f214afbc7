//! What `global_defs` says about virtual servers and their checks.

use alloc::sync::Arc;
use base::IfName;
use core::net::IpAddr;
use core::time::Duration;

/// Settings of all virtual servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `lvs_timeouts`.
    pub timeouts: Timeouts,
    /// `lvs_flush`: the kernel's table is cleared at start.
    pub flush: bool,
    /// `lvs_flush_on_stop`.
    pub flush_on_stop: FlushOnStop,
    /// `lvs_sync_daemon`.
    pub sync_daemon: Option<SyncDaemon>,
    /// `nftables_ipvs`.
    pub nftables: Option<Nftables>,
    /// `rs_init_notifies`: real servers without `alpha` are announced when they are added at start.
    pub init_notifies: bool,
    /// `no_checker_emails`: mail only when a real server changed, not for each of its checks.
    pub no_checker_emails: bool,
    /// `checker_log_all_failures`: also attempts that do not yet count are logged.
    pub log_all_failures: bool,
    /// `smtp_alert_checker`, else `smtp_alert`.
    pub smtp_alert: Option<bool>,
    /// `snmp_vs_stats_update_interval`: how old counters of services may be, 1 ms to 30 s; `None`: 5 s.
    pub service_stats_age: Option<Duration>,
    /// `snmp_rs_stats_update_interval`: how old counters of destinations may be; `None`: as those of services.
    pub real_stats_age: Option<Duration>,
    /// `net_namespace_ipvs`: the network namespace whose table it is; `None`: the daemon's own.
    pub namespace: Option<Namespace>,
}

/// A network namespace that is not the daemon's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// That of process 1.
    Initial,
    /// The one of this name.
    Named(Arc<str>),
}

/// Seconds after which the kernel forgets an idle connection; `None`: as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Established TCP connections, 0 to 2678400; 0: as it is.
    pub tcp: Option<u32>,
    /// TCP connections that are closing.
    pub tcp_fin: Option<u32>,
    /// UDP.
    pub udp: Option<u32>,
}

/// What is removed at stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlushOnStop {
    /// Each of our real servers, then each of our services.
    #[default]
    No,
    /// Each of our services.
    Services,
    /// The whole table of the kernel.
    Everything,
}

/// `lvs_sync_daemon`: connections are told to, or heard from, another director.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncDaemon {
    /// The interface it is done on.
    pub interface: IfName,
    /// The instance whose state decides the direction; `None`: both directions.
    pub instance: Option<Arc<str>>,
    /// `id`; `None`: the VRID of the instance, or 0.
    pub id: Option<u8>,
    /// `maxlen`: the longest packet in bytes, 1 to 65507.
    pub max_len: Option<u16>,
    /// `port`.
    pub port: Option<u16>,
    /// `ttl`.
    pub ttl: Option<u8>,
    /// `group`: a multicast address.
    pub group: Option<IpAddr>,
}

/// `nftables_ipvs`: groups of addresses become one mark each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nftables {
    /// The name of the table.
    pub table: Arc<str>,
    /// `nftables_ipvs_priority` of its chain.
    pub priority: i32,
    /// `nftables_ipvs_start_fwmark`: the first mark that is given away.
    pub first_mark: u32,
}

impl Nftables {
    /// The table when no name is given.
    pub const TABLE: &'static str = "keepalived_ipvs";
    /// The priority when none is given: just before filters.
    pub const PRIORITY: i32 = -1;
    /// The first mark when none is given.
    pub const FIRST_MARK: u32 = 1000;
}
