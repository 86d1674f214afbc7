//! What a reload does with a change of each field of the whole model, as a table for people and for tests.
//!
//! Decides nothing: the supervisor, the roles and their engines do. The virtual routers have a table of their own in
//! [`vrrp::engine::reload_table`]; this is everything else. Tests hold every field of every object against the rows, and
//! the effects against the engines.

use vrrp::engine::reload_table::TABLE as ROUTERS;
pub use vrrp::engine::reload_table::{Effect, Row};

use Effect::{InPlace, Nothing, Refused, Restart};

/// Rows of one object: `field "keywords" effect "what follows in particular"`.
macro_rules! rows {
    ($object:literal: $($field:ident $keywords:literal $effect:ident $note:literal;)*) => {
        &[$(Row {
            object: $object,
            field: stringify!($field),
            keywords: $keywords,
            effect: $effect,
            note: $note,
        }),*]
    };
}

/// Every row, object by object, in the order of the page.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    OBJECTS
        .iter()
        .copied()
        .flatten()
        .chain(ROUTERS)
        .chain(OTHERS.iter().copied().flatten())
}

const OBJECTS: &[&[Row]] = &[DAEMON, PROCESS, MAIL, SNMP, DBUS, FIFO];

const OTHERS: &[&[Row]] = &[
    NOTIFY,
    SCRIPT,
    FILE,
    COUNTED,
    LINKBEAT,
    UNUSED,
    SESSION,
    SHARED,
    SERVERS,
    TLS,
    SERVICE,
    VIRTUAL_SERVER,
    REAL,
    SORRY,
    GROUP,
    COMMANDS,
    CHECK,
    PACE,
    FILE_CHECK,
    BFD_CHECK,
];

const DAEMON: &[Row] = rows! { "global_defs":
    router_id "router_id" InPlace "from the next mail";
    net_namespace "net_namespace" Refused "";
    instance "instance" Refused "";
    use_pid_dir "use_pid_dir" Nothing "the pid files stay where they are";
    child_wait_time "child_wait_time" InPlace "";
    process_names "process_names" InPlace "";
    process_name "process_name" InPlace "";
    vrrp "vrrp_process_name, vrrp_priority, vrrp_no_swap, vrrp_rt_priority, vrrp_rlimit_rttime, vrrp_cpu_affinity" InPlace "as `process`";
    checker "checker_process_name, checker_priority, ..." InPlace "as `process`";
    bfd "bfd_process_name, bfd_priority, ..." InPlace "as `process`";
    max_auto_priority "max_auto_priority" InPlace "a priority that was raised stays";
    min_auto_priority_delay "min_auto_priority_delay" InPlace "";
    umask "umask" Nothing "counts at the next start";
    dynamic_interfaces "dynamic_interfaces" InPlace "decides what is a mistake in the new configuration";
    default_interface "default_interface" InPlace "for the addresses of the new configuration";
    disable_local_igmp "disable_local_igmp" Refused "";
    supplementary_groups "set_supplementary_groups" InPlace "for scripts that are started from now on";
    startup_script "startup_script" Nothing "counts at the next start";
    startup_timeout "startup_script_timeout" Nothing "counts at the next start";
    shutdown_script "shutdown_script" InPlace "runs at the end";
    shutdown_timeout "shutdown_script_timeout" InPlace "";
    script_security "enable_script_security" InPlace "the scripts of the new configuration are judged by it";
    fifo "notify_fifo, notify_fifo_script" InPlace "as `FIFO`";
    vrrp_fifo "vrrp_notify_fifo, vrrp_notify_fifo_script" InPlace "as `FIFO`";
    lvs_fifo "lvs_notify_fifo, lvs_notify_fifo_script" InPlace "as `FIFO`";
    fifo_states_on_reload "fifo_write_vrrp_states_on_reload" InPlace "counts for this very reload";
    mail "smtp_server, notification_email, ..." InPlace "as `mail`";
    smtp_alert "smtp_alert" InPlace "from the next mail";
    smtp_alert_vrrp "smtp_alert_vrrp" InPlace "from the next mail";
    reload_time_file "reload_time_file" InPlace "the file is watched from now on, and read at once";
    reload_repeat "reload_repeat" InPlace "counts for the next reload at a time";
    reload_file "reload_file" InPlace "that of the running configuration is made while the new one is read";
    config_save_dir "config_save_dir" InPlace "counts for this very reload";
    tmp_config_directory "tmp_config_directory" Refused "";
    state_dump_file "state_dump_file" InPlace "";
    stats_dump_file "stats_dump_file" InPlace "from the next dump";
    json_dump_file "json_dump_file" InPlace "from the next dump";
    json_version "json_version" InPlace "from the next dump";
    snmp "snmp_socket, enable_snmp_vrrp, ..." InPlace "as the rows below; the process starts and ends with them";
    dbus "enable_dbus, dbus_service_name, dbus_no_interface_name" InPlace "as the rows below";
    reload_check_config "reload_check_config" InPlace "that of the running configuration says where the messages about the new one go";
    netlink_command_buffer "vrrp_netlink_cmd_rcv_bufs, vrrp_netlink_cmd_rcv_bufs_force" InPlace "grows, never shrinks";
    netlink_monitor_buffer "vrrp_netlink_monitor_rcv_bufs, vrrp_netlink_monitor_rcv_bufs_force" InPlace "grows, never shrinks";
    data_use_instance "data_use_instance" InPlace "from the next dump";
    random_seed "random_seed" InPlace "decides `${_RANDOM}` of the new configuration";
};

const PROCESS: &[Row] = rows! { "process":
    name "*_process_name" InPlace "";
    nice "*_priority" InPlace "";
    no_swap "*_no_swap" InPlace "";
    realtime "*_rt_priority" InPlace "";
    realtime_limit "*_rlimit_rttime" InPlace "";
    cpus "*_cpu_affinity" InPlace "";
};

const MAIL: &[Row] = rows! { "mail":
    server "smtp_server" InPlace "from the next mail";
    from "notification_email_from" InPlace "from the next mail";
    recipients "notification_email" InPlace "from the next mail";
    helo "smtp_helo_name" InPlace "from the next mail";
    timeout "smtp_connect_timeout" InPlace "from the next mail";
    no_faults "no_email_faults" InPlace "from the next change";
};

const SNMP: &[Row] = rows! { "SNMP":
    socket "snmp_socket" InPlace "a new session with the master agent";
    traps "enable_traps" InPlace "from the next change";
    vrrp "enable_snmp_vrrp" InPlace "a new session with the master agent";
    rfc2 "enable_snmp_rfcv2, enable_snmp_rfc" InPlace "the same";
    rfc3 "enable_snmp_rfcv3, enable_snmp_rfc" InPlace "the same";
    checker "enable_snmp_checker" InPlace "the same";
};

const DBUS: &[Row] = rows! { "D-Bus":
    enabled "enable_dbus" InPlace "";
    service "dbus_service_name" InPlace "left and joined anew by the other name";
    no_interface "dbus_no_interface_name" InPlace "left and joined anew";
};

const FIFO: &[Row] = rows! { "FIFO":
    path "*notify_fifo" InPlace "the old one is closed, its reader ended, the new one opened";
    identity "*notify_fifo" InPlace "the same";
    script "*notify_fifo_script" InPlace "the reader is ended and the new one started";
};

const NOTIFY: &[Row] = rows! { "notifications of an instance or group":
    master "notify_master" InPlace "from the next change";
    backup "notify_backup" InPlace "from the next change";
    fault "notify_fault" InPlace "from the next change";
    stop "notify_stop" InPlace "from the next change";
    deleted "notify_deleted" InPlace "from the next change; of an instance that goes with the reload that of the old configuration";
    report_deleted "notify_deleted" InPlace "the same";
    any "notify" InPlace "from the next change";
    lower_priority "notify_master_rx_lower_pri" InPlace "from the next such advert";
    mail "smtp_alert" InPlace "from the next change";
};

const SCRIPT: &[Row] = rows! { "vrrp_script":
    command "script, user" Restart "its result is unknown until the first run, but keeps what the old one said for its users";
    interval "interval" InPlace "counts from the last start";
    timeout "timeout" InPlace "counts for the next run";
    rise "rise" InPlace "counts for the next result";
    fall "fall" InPlace "counts for the next result";
    init_fail "init_fail" InPlace "for a script without a result";
    runs "script, user" Restart "the same";
};

const FILE: &[Row] = rows! { "track_file":
    path "file" Restart "the new file is read at once";
    weight "weight" InPlace "";
    init "init_file" Nothing "a file is initialised once, at start or when it is new in the configuration";
};

const COUNTED: &[Row] = rows! { "vrrp_track_process":
    path "process" Restart "counted anew";
    parameters "process" Restart "counted anew";
    parameter_match "param_match" Restart "counted anew";
    weight "weight" InPlace "";
    full_command "full_command" Restart "counted anew";
    quorum "quorum" InPlace "judged at once";
    quorum_max "quorum_max" InPlace "judged at once";
    fork_delay "delay, fork_delay" InPlace "for the next change";
    terminate_delay "delay, terminate_delay" InPlace "for the next change";
};

const LINKBEAT: &[Row] = rows! { "link beat":
    all "linkbeat_use_polling" InPlace "asked at once";
    interfaces "linkbeat_interfaces" InPlace "asked at once";
};

/// Keywords that are read and have no field.
const UNUSED: &[Row] = &[Row {
    object: "(root)",
    field: "",
    keywords: "namespace_with_ipsets",
    effect: Nothing,
    note: "no ipset is ever used; kernels since 3.13 need no permission for it",
}];

const SESSION: &[Row] = rows! { "bfd_instance":
    name "bfd_instance NAME" Restart "another name is another session";
    neighbor "neighbor_ip" Restart "after a goodbye";
    source "source_ip" Restart "after a goodbye";
    hops "multihop" Restart "after a goodbye";
    min_rx "min_rx" InPlace "by a poll sequence";
    min_tx "min_tx" InPlace "by a poll sequence";
    idle_tx "idle_tx" InPlace "from the next packet";
    multiplier "multiplier" InPlace "from the next packet";
    passive "passive" InPlace "counts when the session is down";
    ttl "ttl, hoplimit" InPlace "another socket sends; the session does not notice";
    least_ttl "max_hops" InPlace "from the next packet";
    audience "vrrp, checker" InPlace "who is new hears of the session at once";
};

const SHARED: &[Row] = rows! { "global_defs for virtual servers":
    timeouts "lvs_timeouts" InPlace "without the keyword those before ours come back";
    flush "lvs_flush" Nothing "counts at the next start";
    flush_on_stop "lvs_flush_on_stop" InPlace "counts at the end";
    sync_daemon "lvs_sync_daemon" InPlace "the kernel's daemon is stopped and started as asked for";
    nftables "nftables_ipvs, nftables_ipvs_priority, nftables_ipvs_start_fwmark" InPlace "another table name refuses the reload; groups keep the marks they have";
    init_notifies "rs_init_notifies" InPlace "for real servers that are new";
    no_checker_emails "no_checker_emails" InPlace "";
    log_all_failures "checker_log_all_failures" InPlace "";
    smtp_alert "smtp_alert_checker, smtp_alert" InPlace "from the next mail";
    service_stats_age "snmp_vs_stats_update_interval" InPlace "";
    real_stats_age "snmp_rs_stats_update_interval" InPlace "";
    namespace "net_namespace_ipvs" Refused "";
};

const SERVERS: &[Row] = rows! { "virtual servers":
    settings "global_defs" InPlace "as the rows above";
    groups "virtual_server_group" InPlace "as the rows below";
    services "virtual_server" InPlace "new ones are added, gone ones removed, the others keep what is known of their real servers";
    commands "notify_up, notify_down, misc_path, quorum_up, quorum_down" InPlace "";
    tls "SSL" InPlace "from the next connection";
    netlink_command_buffer "lvs_netlink_cmd_rcv_bufs, lvs_netlink_cmd_rcv_bufs_force" Nothing "counts when the process starts again";
    netlink_monitor_buffer "lvs_netlink_monitor_rcv_bufs, lvs_netlink_monitor_rcv_bufs_force" Nothing "counts when the process starts again";
};

const TLS: &[Row] = rows! { "SSL":
    password "password" InPlace "from the next connection";
    ca "ca" InPlace "from the next connection";
    certificate "certificate" InPlace "from the next connection";
    key "key" InPlace "from the next connection";
};

const SERVICE: &[Row] = rows! { "virtual_server":
    key "virtual_server ADDRESS PORT | fwmark MARK | group NAME, protocol" Restart "another key is another virtual server";
    protocol "protocol" Restart "another protocol is another virtual server";
    family "ip_family" Restart "another family is another service in the kernel";
    scheduler "lvs_sched, lb_algo" InPlace "the service is edited, its connections stay";
    flags "hashed, flag-1, flag-2, flag-3, sh-port, sh-fallback, mh-port, mh-fallback" InPlace "the same";
    one_packet "ops" InPlace "the same";
    persistence "persistence_timeout" InPlace "the same";
    granularity "persistence_granularity" InPlace "the same";
    engine "persistence_engine" InPlace "the same";
    quorum "quorum" InPlace "judged at once, told if it changed";
    hysteresis "hysteresis" InPlace "judged at once, told if it changed";
    omega "omega" InPlace "counts at the end";
    ha_suspend "ha_suspend" InPlace "checks rest or wake at once";
    smtp_alert "smtp_alert" InPlace "from the next mail";
    snmp_name "snmp_name" InPlace "";
    reals "real_server" InPlace "new ones are added, gone ones removed, the others keep what their checks found";
    sorry "sorry_server" InPlace "";
};

const VIRTUAL_SERVER: &[Row] = rows! { "virtual_server":
    service "virtual_server" InPlace "as the other rows";
    checks "TCP_CHECK, HTTP_GET, ..." InPlace "as `check`";
    quorum_up "quorum_up" InPlace "from the next change";
    quorum_down "quorum_down" InPlace "from the next change";
    notify "notify_up, notify_down" InPlace "from the next change";
};

const REAL: &[Row] = rows! { "real_server":
    at "real_server ADDRESS PORT" Restart "another place is another real server";
    forwarding "lvs_method, lb_kind" InPlace "the destination is edited, its connections stay";
    weight "weight" InPlace "the same; what checks add stays";
    upper_threshold "uthreshold" InPlace "the same";
    lower_threshold "lthreshold" InPlace "the same";
    inhibit_on_failure "inhibit_on_failure" InPlace "one that is down is added with weight 0, or removed";
    smtp_alert "smtp_alert" InPlace "from the next mail";
    snmp_name "snmp_name" InPlace "";
};

const SORRY: &[Row] = rows! { "sorry_server":
    at "sorry_server ADDRESS PORT" Restart "if it answers, the new one does so at once";
    forwarding "sorry_server_lvs_method" InPlace "";
    inhibit "sorry_server_inhibit" InPlace "";
};

const GROUP: &[Row] = rows! { "virtual_server_group":
    name "virtual_server_group NAME" Restart "another name is another group";
    entries "ADDRESS, ADDRESS-RANGE, fwmark MARK" InPlace "new ones become services, gone ones are removed, the others stay";
    summary "ADDRESS, ADDRESS-RANGE, fwmark MARK" InPlace "the same";
};

const COMMANDS: &[Row] = rows! { "commands of a real server":
    up "notify_up" InPlace "from the next change";
    down "notify_down" InPlace "from the next change";
};

const CHECK: &[Row] = rows! { "check":
    pace "delay_loop, retry, delay_before_retry, warmup" InPlace "as the rows below";
    alpha "alpha" InPlace "for checks that are new: a server that is up stays up";
    log_all_failures "log_all_failures" InPlace "";
    dialogue "HTTP_GET, SSL_GET, TCP_CHECK, SMTP_CHECK, DNS_CHECK, UDP_CHECK, PING_CHECK, MISC_CHECK, with all that is asked and expected" Restart "a new check: takes no server down before it has failed";
};

const PACE: &[Row] = rows! { "check":
    delay_loop "delay_loop" InPlace "from the next attempt";
    retry "retry, nb_get_retry" InPlace "from the next failure";
    delay_before_retry "delay_before_retry" InPlace "from the next failure";
    warmup "warmup" InPlace "for checks that are new";
};

const FILE_CHECK: &[Row] = rows! { "FILE_CHECK":
    file "track_file" Restart "the value of the file counts at once";
    weight "weight" InPlace "counts at once";
};

const BFD_CHECK: &[Row] = rows! { "BFD_CHECK":
    session "name" Restart "the state of the session counts at once";
    alpha "alpha" InPlace "for sessions whose state is unknown";
};
