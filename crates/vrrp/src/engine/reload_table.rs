//! What a reload does with a change of each field, as a table for people and for tests.
//!
//! Decides nothing: [`super::difference`] and the engine do. A test holds every row against them, and another every field
//! of the model against the rows.

/// What a change does to what is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The object with the old value ends, one with the new value begins.
    Restart,
    /// It goes on under the new value.
    InPlace,
    /// Nothing now; it counts at the next start.
    Nothing,
    /// The reload is refused and everything stays as it was.
    Refused,
    /// The keyword is read, and nothing acts on it yet; it says so at start.
    NotYet,
}

impl Effect {
    /// As the page says it.
    pub const fn text(self) -> &'static str {
        match self {
            Effect::Restart => "restarts the object",
            Effect::InPlace => "changed in place",
            Effect::Nothing => "no effect on the running object",
            Effect::Refused => "the reload is refused",
            Effect::NotYet => "not acted on yet",
        }
    }
}

/// A field of an object.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The object, by its keyword.
    pub object: &'static str,
    /// The field of the model.
    pub field: &'static str,
    /// Its keywords.
    pub keywords: &'static str,
    /// What a change does.
    pub effect: Effect,
    /// What follows in particular.
    pub note: &'static str,
}

const fn row(field: &'static str, keywords: &'static str, effect: Effect, note: &'static str) -> Row {
    Row {
        object: "vrrp_instance",
        field,
        keywords,
        effect,
        note,
    }
}

const fn of(object: &'static str, row: Row) -> Row {
    Row { object, ..row }
}

const PLACE: Effect = Effect::InPlace;

/// Every field of what the vrrp role runs.
pub const TABLE: &[Row] = &[
    row(
        "name",
        "vrrp_instance NAME",
        Effect::Restart,
        "another name is another instance",
    ),
    row(
        "interface",
        "interface, use_vmac, vmac_xmit_base, use_ipvlan",
        Effect::Restart,
        "",
    ),
    row("vrf", "vrf", Effect::Restart, ""),
    row("base", "use_vmac, vmac_xmit_base", Effect::Restart, ""),
    row(
        "links",
        "use_vmac, use_ipvlan, use_vmac_addr",
        PLACE,
        "new ones are made before their addresses come, gone ones removed after their addresses; another MAC address or group is set",
    ),
    row("vrid", "virtual_router_id", Effect::Restart, ""),
    row("family", "virtual_ipaddress, native_ipv6", Effect::Restart, ""),
    row("version", "version", Effect::Restart, ""),
    row(
        "priority",
        "priority",
        PLACE,
        "a master sends an advert with it at once",
    ),
    row("wanted", "state", PLACE, "counts at the next start of the instance"),
    row(
        "interval",
        "advert_int",
        PLACE,
        "the running timer moves by the difference",
    ),
    row(
        "down_adverts",
        "down_timer_adverts",
        PLACE,
        "the running timer moves by the difference",
    ),
    row("preempt", "nopreempt, preempt_delay", PLACE, ""),
    row(
        "delivery",
        "unicast_peer, mcast_dst_ip",
        Effect::Restart,
        "another list of peers, their limits and the TTL: changed in place",
    ),
    row("source", "mcast_src_ip, unicast_src_ip", Effect::Restart, ""),
    row("track_source", "track_src_ip", PLACE, ""),
    row("track_interface", "dont_track_primary", PLACE, ""),
    row(
        "auth",
        "authentication",
        Effect::Restart,
        "between PASS and none, and another password: changed in place",
    ),
    row(
        "addresses",
        "virtual_ipaddress",
        PLACE,
        "new ones are added and announced, gone ones removed, the others untouched",
    ),
    row("excluded", "virtual_ipaddress_excluded", PLACE, "the same"),
    row(
        "routes",
        "virtual_routes",
        PLACE,
        "new ones are added, gone ones removed",
    ),
    row("rules", "virtual_rules", PLACE, "new ones are added, gone ones removed"),
    row("promote_secondaries", "promote_secondaries", PLACE, ""),
    row("static_interfaces", "track_group", PLACE, ""),
    row("announcing", "garp_*", PLACE, "counts from the next announcement"),
    row("checksum_as_v2", "v3_checksum_as_v2", PLACE, ""),
    row("unicast_checksum", "old_unicast_checksum", PLACE, ""),
    row("skip_check_adv_addr", "skip_check_adv_addr", PLACE, ""),
    row("lower_prio_no_advert", "lower_prio_no_advert", PLACE, ""),
    row("higher_prio_send_advert", "higher_prio_send_advert", PLACE, ""),
    row("owner_ignore_adverts", "owner_ignore_adverts", PLACE, ""),
    row("receive_buffer", "kernel_rx_buf_size", PLACE, ""),
    row("group", "vrrp_sync_group", PLACE, ""),
    row(
        "trackers",
        "track_interface, track_script, track_file, track_process, track_bfd",
        PLACE,
        "conditions that are known stay known",
    ),
    row("notify_priority_changes", "notify_priority_changes", PLACE, ""),
    row(
        "hmac",
        "auth_hmac",
        PLACE,
        "numbers and marks against replay begin again",
    ),
    row("strict", "vrrp_strict, strict_mode", PLACE, ""),
    row("accept", "accept, no_accept", PLACE, "the packet filter is adapted"),
    row("late_backup", "timer_expired_backup", PLACE, ""),
    of(
        "global_defs",
        row(
            "group4",
            "vrrp_mcast_group4",
            Effect::Restart,
            "the instances that send there",
        ),
    ),
    of(
        "global_defs",
        row(
            "group6",
            "vrrp_mcast_group6",
            Effect::Restart,
            "the instances that send there",
        ),
    ),
    of("global_defs", row("garp_interval", "vrrp_garp_interval", PLACE, "")),
    of("global_defs", row("gna_interval", "vrrp_gna_interval", PLACE, "")),
    of("global_defs", row("pacing_groups", "garp_group", PLACE, "")),
    of(
        "global_defs",
        row(
            "startup_delay",
            "vrrp_startup_delay",
            PLACE,
            "who still waits for its end waits for the new one",
        ),
    ),
    of(
        "global_defs",
        row(
            "delay_after_boot",
            "vrrp_delay_after_boot",
            PLACE,
            "who still waits for its end waits for the new one",
        ),
    ),
    of("global_defs", row("log_unknown_vrids", "log_unknown_vrids", PLACE, "")),
    of("global_defs", row("receive_buffer", "vrrp_rx_bufs_policy", PLACE, "")),
    of(
        "global_defs",
        row(
            "filter",
            "vrrp_iptables, vrrp_ipsets, nftables",
            PLACE,
            "another table or chain refuses the reload",
        ),
    ),
    of(
        "trackers",
        row(
            "scripts",
            "vrrp_script",
            PLACE,
            "the result is kept if the same command runs as the same user; else unknown until its first run",
        ),
    ),
    of(
        "trackers",
        row(
            "files",
            "track_file",
            PLACE,
            "the value is kept if the path is the same",
        ),
    ),
    of("trackers", row("processes", "vrrp_track_process", PLACE, "")),
    of(
        "trackers",
        row(
            "sessions",
            "bfd_instance",
            PLACE,
            "the state of a session that stays is kept",
        ),
    ),
    of(
        "trackers",
        row(
            "delays",
            "interface_up_down_delays",
            PLACE,
            "counts from the next change of the interface",
        ),
    ),
    of(
        "static items",
        row(
            "addresses",
            "static_ipaddress",
            PLACE,
            "new ones are added, gone ones removed",
        ),
    ),
    of(
        "static items",
        row(
            "routes",
            "static_routes",
            PLACE,
            "new ones are added, gone ones removed",
        ),
    ),
    of(
        "static items",
        row("rules", "static_rules", PLACE, "new ones are added, gone ones removed"),
    ),
];
