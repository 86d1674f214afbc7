//! Virtual routers and what belongs to them.

use super::{Block, Keyword, rows};

/// The rows of `vrrp_sync_group`.
static VRRP_SYNC_GROUP_ROWS: &[Keyword] = rows! {
    values 0 "group" "group { INSTANCE ... }" "2 or more useful; 1 gives a warning" "required" "Member instances" => crate::lower::tracker::open_members, crate::lower::tracker::members;
    values 0 "track_interface" "track_interface { IF [weight N [reverse]] ... }" "-253..253" "weight 0" "Tracked by all members; non-zero weights need sync_group_tracking_weight" => crate::lower::tracker::open_interfaces, crate::lower::tracker::interface;
    values 0 "track_script" "track_script { NAME [weight N [reverse]] ... }" "-253..253" "script weight" "as above" => crate::lower::tracker::open_scripts, crate::lower::tracker::script;
    values 0 "track_file" "track_file { NAME [weight N [reverse]] ... }" "-254..254" "file weight" "as above" => crate::lower::tracker::open_files, crate::lower::tracker::file;
    values 0 "track_process" "track_process { NAME [weight N [reverse]] ... }" "-254..254" "process weight" "as above" => crate::lower::tracker::open_processes, crate::lower::tracker::process;
    values 0 "track_bfd" "track_bfd { NAME [weight N [reverse]] ... }" "-253..253" "bfd weight" "as above" => crate::lower::tracker::open_sessions, crate::lower::tracker::session;
    script 1 "notify_backup" "notify_backup COMMAND [USER [GROUP]]" "" "none" "Run when the group enters BACKUP" => crate::lower::notify::notify_backup;
    script 1 "notify_master" "notify_master COMMAND [USER [GROUP]]" "" "none" "Run when the group enters MASTER" => crate::lower::notify::notify_master;
    script 1 "notify_fault" "notify_fault COMMAND [USER [GROUP]]" "" "none" "Run when the group enters FAULT" => crate::lower::notify::notify_fault;
    script 1 "notify_stop" "notify_stop COMMAND [USER [GROUP]]" "" "none" "Run at daemon stop" => crate::lower::notify::notify_stop;
    script 1 "notify" "notify COMMAND [USER [GROUP]]" "" "none" "Run on every change with four arguments appended (GROUP name state 0)" => crate::lower::notify::notify;
    line 0 "smtp_alert" "smtp_alert [BOOL]" "" "smtp_alert_vrrp, else smtp_alert, else off" "Mail on state change" => crate::lower::tracker::group_smtp_alert;
    line 0 "global_tracking" "global_tracking" "" "off" "Deprecated keyword; now sync_group_tracking_weight" => crate::lower::tracker::global_tracking;
    line 0 "sync_group_tracking_weight" "sync_group_tracking_weight" "" "off" "Allow weighted trackers inside the group" => crate::lower::tracker::tracking_weight;
    line 0 "notify_priority_changes" "notify_priority_changes [BOOL]" "" "vrrp_notify_priority_changes" "Default for members to write priority changes to FIFOs" => crate::lower::tracker::group_notify_priority_changes;
};

/// `vrrp_sync_group`.
pub static VRRP_SYNC_GROUP: Block = Block {
    name: "vrrp_sync_group",
    tables: &[VRRP_SYNC_GROUP_ROWS],
    close: crate::lower::tracker::close_group,
};

/// The rows of `garp_group`.
static GARP_GROUP_ROWS: &[Keyword] = rows! {
    line 1 "garp_interval" "garp_interval SECS" "0 or more seconds, microsecond resolution" "0" "Minimum gap between gratuitous ARPs on the listed interfaces" => crate::lower::garp_group::group_garp_interval;
    line 1 "gna_interval" "gna_interval SECS" "0 or more seconds, microsecond resolution" "0" "Minimum gap between unsolicited neighbour advertisements" => crate::lower::garp_group::group_gna_interval;
    line 1 "interface" "interface IFNAME" "" "" "Adds one interface to the group" => crate::lower::garp_group::group_interface;
    values 0 "interfaces" "interfaces { IFNAME ... }" "" "" "Adds several interfaces" => crate::lower::garp_group::open_group_interfaces, crate::lower::garp_group::group_interfaces;
};

/// `garp_group`.
pub static GARP_GROUP: Block = Block {
    name: "garp_group",
    tables: &[GARP_GROUP_ROWS],
    close: crate::lower::garp_group::close_garp_group,
};

/// The rows of `vrrp_instance`.
static VRRP_INSTANCE_ROWS: &[Keyword] = rows! {
    line 0 "use_vmac_addr" "use_vmac_addr" "" "off" "Create VMAC interfaces for VIPs/eVIPs configured on other interfaces than the instance's" => crate::lower::vmac::use_vmac_addr;
    line 0 "use_vmac" "use_vmac [[name] IFNAME] [MAC] [netlink_notify_msg] [group N]" "IFNAME max 15; MAC 6 octets, or 5 octets with the VRID appended; group 0-4294967295 or name" "off; name vrrp.VRID, then vrrp6.VRID, then vrrpN.VRID" "Create a private mode macvlan with MAC 00:00:5e:00:01:VRID (02 for IPv6) and use it" => crate::lower::vmac::use_vmac;
    line 0 "vmac_xmit_base" "vmac_xmit_base" "" "off" "Send and receive adverts on the base interface instead of the VMAC" => crate::lower::vmac::vmac_xmit_base;
    line 0 "use_ipvlan" "use_ipvlan [[name] IFNAME] [ADDR[/MASK]] [bridge|private|vepa] [group N]" "IFNAME max 15" "bridge" "Create an L2 ipvlan; needs unicast or a per instance source address" => crate::lower::vmac::use_ipvlan;
    values 0 "unicast_peer" "unicast_peer { ADDR [min_ttl N] [max_ttl N] ... }" "TTL 0-255; no duplicates; one family" "none; min 0, max 255" "Send unicast adverts to these peers; TTL limits apply to received adverts" => crate::lower::instance::unicast_peers, crate::lower::instance::peer;
    line 0 "unicast_fault_no_peer" "unicast_fault_no_peer" "" "off (falls back to multicast with message)" "Go to fault instead of multicast when unicast is configured without peers" => crate::lower::instance::unicast_fault_no_peer;
    line 0 "check_unicast_src" "check_unicast_src" "" "vrrp_check_unicast_src" "Drop unicast adverts whose source is not a configured peer" => crate::lower::instance::check_unicast_src;
    line 0 "old_unicast_checksum" "old_unicast_checksum [never]" "" "automatic detection" "Bare: use multicast address in the unicast v3 pseudo header (pre 1.3.7 peers); never: disable detection" => crate::lower::instance::old_unicast_checksum;
    line 0 "native_ipv6" "native_ipv6" "" "from addresses" "Force IPv6 when no VIP decides the family" => crate::lower::instance::native_ipv6;
    line 1 "state" "state MASTER|BACKUP" "" "BACKUP" "Initial state; MASTER also sets default priority 255 when no priority given" => crate::lower::instance::state;
    line 1 "interface" "interface IFNAME" "must exist unless dynamic_interfaces" "none; required unless unicast with unicast_src_ip" "Interface for adverts and default for VIPs" => crate::lower::instance::interface;
    line 1 "vrf" "vrf NAME" "interface of type VRF" "none" "VRF in which sockets are opened when no interface is configured" => crate::lower::vmac::vrf;
    line 0 "dont_track_primary" "dont_track_primary" "" "off" "Ignore faults of the instance interface" => crate::lower::instance::dont_track_primary;
    values 0 "track_interface" "track_interface { IF [weight N [reverse]] ... }" "-253..253 (254 and -254 reduced with message)" "weight 0" "Interfaces that influence state/priority" => crate::lower::tracker::open_interfaces, crate::lower::tracker::interface;
    values 0 "track_script" "track_script { NAME [weight N [reverse|noreverse]] ... }" "-253..253" "script weight" "Scripts that influence state/priority" => crate::lower::tracker::open_scripts, crate::lower::tracker::script;
    values 0 "track_file" "track_file { NAME [weight N [reverse|noreverse]] ... }" "-254..254" "file weight" "Files that influence state/priority" => crate::lower::tracker::open_files, crate::lower::tracker::file;
    values 0 "track_process" "track_process { NAME [weight N [reverse]] ... }" "-254..254" "process weight" "Process trackers that influence state/priority" => crate::lower::tracker::open_processes, crate::lower::tracker::process;
    values 0 "track_bfd" "track_bfd { NAME [weight N [reverse]] ... }" "-253..253" "bfd weight" "BFD sessions that influence state/priority" => crate::lower::tracker::open_sessions, crate::lower::tracker::session;
    line 1 "mcast_src_ip" "mcast_src_ip ADDR" "same family" "primary address of interface (link-local for IPv6)" "Source of multicast adverts" => crate::lower::instance::mcast_src_ip;
    line 1 "unicast_src_ip" "unicast_src_ip ADDR" "same family" "primary address of interface" "Source of unicast adverts" => crate::lower::instance::unicast_src_ip;
    line 1 "mcast_dst_ip" "mcast_dst_ip ADDR" "multicast, same family" "global multicast group" "Destination of multicast adverts" => crate::lower::instance::mcast_dst_ip;
    line 0 "track_src_ip" "track_src_ip" "needs mcast_src_ip or unicast_src_ip" "off" "Fault when the configured source address disappears" => crate::lower::instance::track_src_ip;
    line 1 "virtual_router_id" "virtual_router_id N" "1-255" "required" "VRID, unique per interface and family" => crate::lower::instance::virtual_router_id;
    line 1 "unicast_ttl" "unicast_ttl N" "0-255" "IPv4 255, IPv6 kernel default" "TTL/hop limit of unicast adverts" => crate::lower::instance::unicast_ttl;
    line 1 "version" "version 2|3" "2-3; IPv6 needs 3 when strict" "vrrp_version; 3 for IPv6" "Protocol version" => crate::lower::instance::version;
    line 1 "priority" "priority N" "1-255 (invalid gives 100)" "100; 255 with state MASTER" "Base priority; 255 = address owner" => crate::lower::instance::priority;
    line 1 "advert_int" "advert_int SECS" "0.01-255; v2 whole seconds 1-255; v3 max 40.95 in 0.01 steps" "1" "Advert interval" => crate::lower::instance::advert_int;
    values 0 "virtual_ipaddress" "virtual_ipaddress { ADDRESS-LINE ... }" "one family; extra addresses that do not fit the packet move to the excluded list" "required unless v2 or no_virtual_ipaddress" "VIPs carried in adverts" => crate::lower::instance::virtual_ipaddress, crate::lower::address::virtual_entry;
    values 0 "virtual_ipaddress_excluded" "virtual_ipaddress_excluded { ADDRESS-LINE ... }" "either family" "none" "VIPs not carried in adverts" => crate::lower::instance::virtual_ipaddress_excluded, crate::lower::address::excluded_entry;
    line 0 "no_virtual_ipaddress" "no_virtual_ipaddress" "not in strict mode" "off" "Allow an instance without VIPs" => crate::lower::instance::no_virtual_ipaddress;
    line 0 "promote_secondaries" "promote_secondaries" "" "off" "Set the interface sysctl while VIPs are present" => crate::lower::instance::promote_secondaries;
    line 0 "linkbeat_use_polling" "linkbeat_use_polling" "" "off" "Deprecated per instance setting; now linkbeat_interfaces" => crate::lower::tracker::linkbeat_use_polling;
    line 0 "v3_checksum_as_v2" "v3_checksum_as_v2 [BOOL]" "IPv4 v3 only" "global v3_checksum_as_v2" "Exclude the pseudo header from the checksum" => crate::lower::instance::v3_checksum_as_v2;
    values 0 "virtual_routes" "virtual_routes { ROUTE-LINE ... }" "see route grammar" "none" "Routes present while MASTER" => crate::lower::route::virtual_block, crate::lower::route::virtual_entry;
    values 0 "virtual_rules" "virtual_rules { RULE-LINE ... }" "see rule grammar" "none" "Rules present while MASTER" => crate::lower::rule::virtual_block, crate::lower::rule::virtual_entry;
    line 0 "accept" "accept" "" "on; off in strict mode unless owner" "Accept packets to VIPs when not owner" => crate::lower::instance::accept;
    line 0 "no_accept" "no_accept" "needs nftables or iptables" "off" "Drop packets to VIPs (neighbour discovery still allowed)" => crate::lower::instance::no_accept;
    line 0 "skip_check_adv_addr" "skip_check_adv_addr [BOOL]" "a false value still turns it on (parser quirk)" "vrrp_skip_check_adv_addr" "Check the address list once per master only" => crate::lower::instance::skip_check_adv_addr;
    line 0 "strict_mode" "strict_mode [BOOL]" "" "vrrp_strict" "Enforce conformance for this instance" => crate::lower::instance::strict_mode;
    line 0 "preempt" "preempt" "" "on" "Undo nopreempt (later keyword wins)" => crate::lower::instance::preempt;
    line 0 "nopreempt" "nopreempt" "initial state must be BACKUP; not for owner" "off" "Do not take over from a lower priority MASTER" => crate::lower::instance::nopreempt;
    line 1 "preempt_delay" "preempt_delay SECS" "0-1000, fractional allowed; initial state must be BACKUP" "0" "Wait before taking over from a lower priority MASTER" => crate::lower::instance::preempt_delay;
    line 1 "debug" "debug N" "0-4" "0" "Accepted, no effect" => crate::lower::instance::debug;
    script 1 "notify_backup" "notify_backup COMMAND [USER [GROUP]]" "" "none" "Run when entering BACKUP" => crate::lower::notify::notify_backup;
    script 1 "notify_master" "notify_master COMMAND [USER [GROUP]]" "" "none" "Run when entering MASTER" => crate::lower::notify::notify_master;
    script 1 "notify_fault" "notify_fault COMMAND [USER [GROUP]]" "" "none" "Run when entering FAULT" => crate::lower::notify::notify_fault;
    script 1 "notify_stop" "notify_stop COMMAND [USER [GROUP]]" "" "none" "Run at stop (waited for up to 1 s)" => crate::lower::notify::notify_stop;
    script 0 "notify_deleted" "notify_deleted [COMMAND [USER [GROUP]]]" "" "off; deletion reported as FAULT" "Report DELETED for instances removed by reload, optionally with a script" => crate::lower::notify::notify_deleted;
    script 1 "notify" "notify COMMAND [USER [GROUP]]" "" "none" "Run on every change with four arguments appended (INSTANCE name state priority)" => crate::lower::notify::notify;
    script 1 "notify_master_rx_lower_pri" "notify_master_rx_lower_pri COMMAND [USER [GROUP]]" "" "none" "Run when a lower priority advert arrives while MASTER" => crate::lower::notify::notify_master_rx_lower_pri;
    line 0 "smtp_alert" "smtp_alert [BOOL]" "" "smtp_alert_vrrp, else smtp_alert, else off" "Mail on state change" => crate::lower::notify::instance_smtp_alert;
    line 0 "notify_priority_changes" "notify_priority_changes [BOOL]" "" "sync group or vrrp_notify_priority_changes" "Write priority changes to FIFOs" => crate::lower::tracker::notify_priority_changes;
    line 1 "lvs_sync_daemon_interface" "lvs_sync_daemon_interface IFNAME" "" "none" "Deprecated after 1.2.19; now global_defs lvs_sync_daemon" => crate::lower::lvs::settings::sync_daemon_of_instance;
    line 1 "garp_master_delay" "garp_master_delay SECS" "0-4294" "vrrp_garp_master_delay" "Delay of second ARP/NA burst" => crate::lower::instance::garp_master_delay;
    line 1 "garp_master_refresh" "garp_master_refresh SECS" "0-4294967295" "vrrp_garp_master_refresh" "Refresh period" => crate::lower::instance::garp_master_refresh;
    line 1 "garp_master_repeat" "garp_master_repeat N" "0-4294967295 (0 becomes 1)" "vrrp_garp_master_repeat" "Messages per burst" => crate::lower::instance::garp_master_repeat;
    line 1 "garp_master_refresh_repeat" "garp_master_refresh_repeat N" "0-4294967295 (0 becomes 1)" "vrrp_garp_master_refresh_repeat" "Messages per refresh" => crate::lower::instance::garp_master_refresh_repeat;
    line 1 "garp_lower_prio_delay" "garp_lower_prio_delay SECS" "0-4294" "vrrp_garp_lower_prio_delay" "Delay of second burst after lower priority advert" => crate::lower::instance::garp_lower_prio_delay;
    line 1 "garp_lower_prio_repeat" "garp_lower_prio_repeat N" "0-2147483647" "vrrp_garp_lower_prio_repeat" "Messages per burst after lower priority advert" => crate::lower::instance::garp_lower_prio_repeat;
    line 1 "down_timer_adverts" "down_timer_adverts N" "1-100; strict requires 3" "vrrp_down_timer_adverts" "Missed adverts before takeover" => crate::lower::instance::down_timer_adverts;
    line 0 "timer_expired_backup" "timer_expired_backup [N]" "1-254; needs nopreempt" "off; bare keyword = 254" "If the process was not scheduled long enough for a peer of priority N to take over, become BACKUP instead of continuing" => crate::lower::lateness::timer_expired_backup;
    line 0 "thread_timer_expired" "thread_timer_expired [N]" "1-254" "" "Accepted with a request to rename; old name of timer_expired_backup" => crate::lower::lateness::thread_timer_expired;
    line 1 "garp_extra_if" "garp_extra_if [all] SECS" "0-86400" "vrrp_garp_extra_if" "Periodic ARP/NA on other interfaces while MASTER" => crate::lower::extra::own;
    line 1 "vmac_garp_intvl" "vmac_garp_intvl [all] SECS" "0-86400" "" "Deprecated after 2.2.2; now garp_extra_if" => crate::lower::extra::old_own;
    line 0 "lower_prio_no_advert" "lower_prio_no_advert [BOOL]" "forced on in strict mode" "vrrp_lower_prio_no_advert" "No immediate answer to lower priority adverts" => crate::lower::instance::lower_prio_no_advert;
    line 0 "higher_prio_send_advert" "higher_prio_send_advert [BOOL]" "forced off in strict mode" "vrrp_higher_prio_send_advert" "One last advert before yielding" => crate::lower::instance::higher_prio_send_advert;
    line 0 "owner_ignore_adverts" "owner_ignore_adverts [BOOL]" "" "vrrp_owner_ignore_adverts" "Owner drops received adverts" => crate::lower::instance::owner_ignore_adverts;
    line 1 "kernel_rx_buf_size" "kernel_rx_buf_size BYTES" "0-4294967295" "from vrrp_rx_bufs_policy" "This instance's share of the socket receive buffer" => crate::lower::instance::kernel_rx_buf_size;
    block(super::vrrp::VRRP_INSTANCE_AUTHENTICATION) 0 "authentication" "authentication { ... }" "v2 only; not in strict mode; dropped when auth_hmac present" "none" "Legacy authentication" => crate::lower::instance::authentication;
    block(super::vrrp::VRRP_INSTANCE_AUTH_HMAC) 0 "auth_hmac" "auth_hmac { ... }" "" "none" "HMAC-SHA256 trailer authentication (2.4.0)" => crate::lower::hmac::open;
};

/// `vrrp_instance`.
pub static VRRP_INSTANCE: Block = Block {
    name: "vrrp_instance",
    tables: &[VRRP_INSTANCE_ROWS],
    close: crate::lower::instance::close,
};

/// The rows of `vrrp_instance/authentication`.
static VRRP_INSTANCE_AUTHENTICATION_ROWS: &[Keyword] = rows! {
    line 1 "auth_type" "auth_type PASS|AH" "" "none" "VRRPv2 only; AH not for IPv6; PASS = cleartext, AH = IPsec AH HMAC-MD5-96" => crate::lower::instance::auth_type;
    line 1 "auth_pass" "auth_pass STRING" "up to 8 characters, longer is truncated with a message" "none" "Secret; type is dropped if no secret is given" => crate::lower::instance::auth_pass;
};

/// `vrrp_instance/authentication`.
pub static VRRP_INSTANCE_AUTHENTICATION: Block = Block {
    name: "vrrp_instance/authentication",
    tables: &[VRRP_INSTANCE_AUTHENTICATION_ROWS],
    close: super::nothing,
};

/// The rows of `vrrp_instance/auth_hmac`.
static VRRP_INSTANCE_AUTH_HMAC_ROWS: &[Keyword] = rows! {
    line 2 "key" "key ID VALUE" "ID 1-255; VALUE 32-64 bytes as ASCII, hex:HEXDIGITS or file:PATH" "required" "Adds a shared key; several IDs allow rotation; readable-by-others key file raises a security error" => crate::lower::hmac::key;
    line 1 "active_key" "active_key ID" "1-255, must name a configured key" "required" "Key used for signing" => crate::lower::hmac::active_key;
    line 1 "time_window" "time_window SECS" "1-300" "max(3 x advert interval whole seconds, 5), capped at 300" "Freshness tolerance in time mode" => crate::lower::hmac::time_window;
    line 1 "anti_replay" "anti_replay time|monotonic" "" "time" "Freshness plus growing sequence, or growing sequence only" => crate::lower::hmac::anti_replay;
    line 1 "mode" "mode enforce|permissive|receive-only" "" "enforce (forced when strict)" "Require trailer / accept adverts without trailer / additionally send none" => crate::lower::hmac::mode;
};

/// `vrrp_instance/auth_hmac`.
pub static VRRP_INSTANCE_AUTH_HMAC: Block = Block {
    name: "vrrp_instance/auth_hmac",
    tables: &[VRRP_INSTANCE_AUTH_HMAC_ROWS],
    close: crate::lower::hmac::close,
};
