//! Keywords outside any block, and which of upstream's processes read them.

use super::{Keyword, rows};
use crate::diagnostic::Stage;

const PARENT: &[Stage] = &[Stage::Parent];
const CHECKER: &[Stage] = &[Stage::Checker];
const VRRP: &[Stage] = &[Stage::Vrrp];
const BFD: &[Stage] = &[Stage::Checker, Stage::Vrrp, Stage::Bfd];

/// Read by the parent.
static PARENT_ROWS: &[Keyword] = rows! {
    line 0 "linkbeat_use_polling" "linkbeat_use_polling" "" "off" "Monitor link state of every tracked interface by polling (MII, then ETHTOOL, then plain ioctl flags) once a second instead of netlink; build option \"linkbeat\"" => crate::lower::track::linkbeat_use_polling;
    line 1 "net_namespace" "net_namespace NAME" "existing entry in /run/netns" "none" "Whole daemon joins the named network namespace before starting; implies use_pid_dir; command line -s overrides; cannot change at reload" => crate::lower::global::net_namespace;
    line 0 "net_namespace_ipvs" "net_namespace_ipvs [NAME]" "NAME omitted = the default namespace of pid 1" "same namespace as the daemon" "IPVS netlink sockets are opened inside this namespace; cannot change at reload" => crate::lower::lvs::settings::namespace;
    line 0 "namespace_with_ipsets" "namespace_with_ipsets" "" "off" "Permit ipsets with net_namespace on kernels older than 3.13; without effect on others" => crate::lower::files::without_effect;
    line 0 "use_pid_dir" "use_pid_dir" "" "off (implied by net_namespace and instance)" "Put pid files under RUNDIR/keepalived/ instead of RUNDIR/" => crate::lower::global::use_pid_dir;
    line 1 "instance" "instance NAME" "" "none" "Names this daemon instance: suffixes syslog ident, pid files, log and dump files; implies use_pid_dir; ignored when reloading and refused if changed" => crate::lower::global::instance;
    line 1 "child_wait_time" "child_wait_time SECS" "0-4294967295" "5" "How long the parent waits for children at shutdown before SIGKILL" => crate::lower::global::child_wait_time;
    block(super::global::GLOBAL_DEFS) 0 "global_defs" "global_defs { ... }" "" "" "Container for global settings; the block is read by every process" => crate::lower::global::block;
};

/// Read by the VRRP process only.
static VRRP_ROWS: &[Keyword] = rows! {
    block(super::track::TRACK_GROUP) 0 "track_group" "track_group NAME { group { ... } }" "unique NAME" "" "Named set of VRRP instances used by static addresses/routes/rules" => crate::lower::track_group::open;
    values 0 "static_ipaddress" "static_ipaddress { ADDRESS-LINE ... }" "as under \"Address lines\"" "" "Addresses configured at start and kept until stop (removed at reload if dropped from config)" => crate::lower::address::static_block, crate::lower::address::static_entry;
    values 0 "static_routes" "static_routes { ROUTE-LINE ... }" "as under \"Route lines\"" "" "Routes installed permanently" => crate::lower::route::static_block, crate::lower::route::static_entry;
    values 0 "static_rules" "static_rules { RULE-LINE ... }" "as under \"Rule lines\"" "" "Policy rules installed permanently" => crate::lower::rule::static_block, crate::lower::rule::static_entry;
    block(super::vrrp::VRRP_SYNC_GROUP) 0 "vrrp_sync_group" "vrrp_sync_group NAME { ... }" "unique NAME" "" "Group of VRRP instances that change state together" => crate::lower::tracker::open_group;
    block(super::vrrp::GARP_GROUP) 0 "garp_group" "garp_group { ... }" "" "" "Rate limit shared by a set of interfaces for gratuitous ARP/NA" => crate::lower::garp_group::open_garp_group;
    values 0 "linkbeat_interfaces" "linkbeat_interfaces { IFNAME [MII|ETHTOOL|IOCTL] ... }" "" "none" "Poll link state only for the listed interfaces, optionally forcing the method" => crate::lower::track::open_linkbeat, crate::lower::track::linkbeat;
    block(super::vrrp::VRRP_INSTANCE) 0 "vrrp_instance" "vrrp_instance NAME { ... }" "unique NAME" "" "Declares one virtual router" => crate::lower::instance::open;
    block(super::track::VRRP_SCRIPT) 1 "vrrp_script" "vrrp_script NAME { ... }" "unique NAME" "" "Declares a script usable by track_script; unused scripts are dropped with a warning" => crate::lower::track::open_script;
    block(super::track::VRRP_TRACK_PROCESS) 1 "vrrp_track_process" "vrrp_track_process NAME { ... }" "unique NAME" "" "Declares a process tracker fed by the kernel proc connector" => crate::lower::track::open_process;
    values 0 "interface_up_down_delays" "interface_up_down_delays { IFNAME DOWN [UP] ... }" "each 0-255 seconds, microsecond resolution" "none; omitted UP = 0 in code (man page says equal to DOWN)" "Debounce of interface down/up events for VRRP" => crate::lower::track::open_delays, crate::lower::track::delays;
    block(super::track::TRACK_FILE) 1 "track_file" "track_file NAME { ... }" "unique NAME" "" "Declares a tracked file (VRRP and FILE_CHECK)" => crate::lower::track::open_file;
    block(super::track::VRRP_TRACK_FILE) 1 "vrrp_track_file" "vrrp_track_file NAME { ... }" "" "" "Old name of track_file (deprecated after 2.0.20); now track_file" => crate::lower::track::open_file;
};

/// Read by the checker only.
static CHECKER_ROWS: &[Keyword] = rows! {
    block(super::lvs::SSL) 0 "SSL" "SSL { ... }" "" "" "Client certificate data for SSL_GET checkers" => crate::lower::lvs::tls::open;
    values 1 "virtual_server_group" "virtual_server_group NAME { ENTRY ... }" "entries: ADDR[-RANGE or /MASK] [PORT], fwmark N [inet or inet6]" "" "Named list of addresses/marks usable as one virtual server" => crate::lower::lvs::group::open, crate::lower::lvs::group::entry, crate::lower::lvs::group::close;
    block(super::lvs::VIRTUAL_SERVER) 1 "virtual_server" "virtual_server IP [PORT] | fwmark N | group NAME { ... }" "port 1-65535, fwmark 1-4294967295" "port 0 (needs persistence)" "Declares an IPVS service and its real servers" => crate::lower::lvs::service::open;
};

/// Read by all processes but the parent.
static BFD_ROWS: &[Keyword] = rows! {
    block(super::bfd::BFD_INSTANCE) 1 "bfd_instance" "bfd_instance NAME { ... }" "NAME max 31 characters, unique" "" "Declares a BFD session; build option \"bfd\"" => crate::lower::bfd::open;
};

/// The tables of the root, each with the views that read it.
pub static ROOT: &[(&[Stage], &[Keyword])] = &[
    (PARENT, PARENT_ROWS),
    (VRRP, VRRP_ROWS),
    (CHECKER, CHECKER_ROWS),
    (BFD, BFD_ROWS),
];
