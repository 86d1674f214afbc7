//! The table of what a reload does is complete, and the page that people read is made of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

use conf::reload_table::{Effect, Row, rows};
use conf::{Compiled, Facts, MapLoader, compile, load};
use std::collections::BTreeSet;

fn compiled(text: &str) -> Compiled {
    let loader = MapLoader::default()
        .with("/k.conf", text)
        .with_user("root", 0)
        .with_program("/bin/true");
    let facts = Facts {
        directory: "/".into(),
        ..Facts::default()
    };
    compile(&load("k.conf", facts, &loader))
}

/// A file in which every object is that is not one of the virtual routers'.
const EVERYTHING: &str = "global_defs {
    script_user root\n enable_script_security
    notify_fifo /run/f\n notify_fifo_script /bin/true
    lvs_sync_daemon eth0 vrrp_instance V\n nftables_ipvs
}
linkbeat_interfaces {\n eth0\n }
SSL {\n ca /ca\n }
vrrp_script s {\n script /bin/true\n }
track_file f {\n file /f\n init_file 1\n }
vrrp_track_process p {\n process nginx\n }
bfd_instance b {\n neighbor_ip 10.0.0.2\n }
vrrp_instance V {
    interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n 10.0.0.9\n }
    track_script {\n s\n }\n track_file {\n f\n }\n track_process {\n p\n }
    notify /bin/true
}
virtual_server_group g {\n 10.0.0.1 80\n }
virtual_server group g {
    lb_algo rr\n lb_kind NAT\n protocol TCP\n quorum_up /bin/true
    sorry_server 10.1.0.9 80
    real_server 10.1.0.1 80 {\n notify_up /bin/true\n TCP_CHECK {\n }\n }
    real_server 10.1.0.2 80 {\n FILE_CHECK {\n track_file f\n }\n }
    real_server 10.1.0.3 80 {\n BFD_CHECK {\n name b\n }\n }
    real_server 10.1.0.4 80 {\n MISC_CHECK {\n misc_path /bin/true\n }\n }
    real_server 10.1.0.5 80 {\n HTTP_GET {\n url {\n path /\n status_code 200\n }\n }\n }
}
";

/// What each type of the model is called in the table. Values that are compared as a whole are in the rows of the fields
/// that hold them.
const OBJECTS: &[(&str, &[&str])] = &[
    ("Global", &["global_defs"]),
    ("Process", &["process", "vrrp_track_process"]),
    ("Mail", &["mail"]),
    ("Snmp", &["SNMP"]),
    ("Dbus", &["D-Bus"]),
    ("Fifo", &["FIFO"]),
    ("Notify", &["notifications of an instance or group"]),
    ("TrackScript", &["vrrp_script"]),
    ("TrackFile", &["track_file"]),
    ("TrackProcess", &["vrrp_track_process"]),
    ("Linkbeat", &["link beat"]),
    // Of a session, and of an instance.
    ("Config", &["bfd_instance", "vrrp_instance"]),
    ("Settings", &["global_defs for virtual servers", "global_defs"]),
    ("Servers", &["virtual servers"]),
    ("ClientTls", &["SSL"]),
    ("Service", &["virtual_server"]),
    ("VirtualServer", &["virtual_server"]),
    ("Real", &["real_server"]),
    ("Sorry", &["sorry_server"]),
    ("Group", &["virtual_server_group"]),
    ("ServerNotify", &["commands of a real server"]),
    ("Probe", &["check"]),
    ("Pace", &["check"]),
    ("FileCheck", &["FILE_CHECK"]),
    ("BfdCheck", &["BFD_CHECK"]),
    ("Script", &["vrrp_script"]),
    ("Objects", &["trackers"]),
    ("Statics", &["static items"]),
];

/// Containers whose fields are objects, and values of which the field that holds them has the row.
const VALUES: &[&str] = &[
    // Containers.
    "Model",
    "Tracking",
    // Values.
    "Listing",
    "Command",
    "Identity",
    "Announcing",
    "InitFile",
    "SyncDaemon",
    "Nftables",
    "Timeouts",
    "Key",
    "Address",
    "Endpoint",
    "Summary",
    "GroupFamilies",
    "Connection",
    "Misc",
    "Http",
    "Url",
    "FileWeight",
    "Audience",
    "Range",
    "Weight",
    "Tracker",
    "Multicast",
    "FilterSettings",
    "Prefix",
    "AddressFlags",
    "VirtualAddress",
    "Delays",
    "Marks",
    "Link",
];

/// The pairs of type and field in a value, from what it shows of itself.
fn fields(shown: &str) -> BTreeSet<(String, String)> {
    let mut open: Vec<String> = Vec::new();
    let mut found = BTreeSet::new();
    for line in shown.lines() {
        let text = line.trim();
        if text.starts_with(['}', ')', ']']) {
            open.pop();
        }
        let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if let Some((field, _)) = text.split_once(": ").filter(|(field, _)| is_name(field))
            && let Some(owner) = open.last().filter(|owner| owner.starts_with(char::is_uppercase))
        {
            found.insert((owner.clone(), field.to_owned()));
        }
        if let Some(before) = text.strip_suffix(['{', '(', '[']) {
            // What is before the name is a field, the key of a map, or the end of such a key.
            let name = before.rsplit(": ").next().unwrap_or_default();
            open.push(name.trim().to_owned());
        }
    }
    found
}

#[test]
fn every_field_of_every_object_has_a_row() {
    let compiled = compiled(EVERYTHING);
    let shown = format!("{:#?}", compiled.model);
    let all: Vec<&Row> = rows().collect();
    let mut seen = BTreeSet::new();
    let mut missing = Vec::new();
    for (owner, field) in fields(&shown) {
        if VALUES.contains(&owner.as_str()) {
            continue;
        }
        let Some((_, objects)) = OBJECTS.iter().find(|(name, _)| *name == owner) else {
            missing.push(format!("{owner}.{field}: is it an object or a value?"));
            continue;
        };
        seen.insert(owner.clone());
        if !all
            .iter()
            .any(|row| objects.contains(&row.object) && row.field == field)
        {
            missing.push(format!("{owner}.{field}"));
        }
    }
    assert!(
        missing.is_empty(),
        "say in reload_table.rs what a change does: {missing:#?}\n{shown}"
    );
    let unseen: Vec<&str> = OBJECTS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !seen.contains(*name))
        .collect();
    assert!(unseen.is_empty(), "not in the file of this test: {unseen:?}");
}

/// A file in which a keyword of the root or of `global_defs` stands where it belongs.
fn with_keyword(keyword: &str) -> String {
    let arguments = match keyword {
        "linkbeat_interfaces" => " {\n eth0\n }",
        "snmp_vs_stats_update_interval" | "snmp_rs_stats_update_interval" => " 2.0",
        "snmp_socket" => " unix:/x",
        "reload_time_file" | "config_save_dir" | "stats_dump_file" | "json_dump_file" => " /x",
        "dbus_service_name" | "dbus_no_interface_name" => " x.y",
        _ => "",
    };
    let instance = "vrrp_instance V {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n 10.0.0.9\n }\n}\n";
    match keyword {
        "linkbeat_interfaces" | "linkbeat_use_polling" | "namespace_with_ipsets" => {
            format!("{keyword}{arguments}\n{instance}")
        }
        _ => format!("global_defs {{\n {keyword}{arguments}\n}}\n{instance}"),
    }
}

#[test]
fn what_is_not_acted_on_says_so_and_what_says_so_is_in_the_table() {
    let waiting: BTreeSet<&str> = rows()
        .filter(|row| row.effect == Effect::NotYet)
        .flat_map(|row| row.keywords.split(", "))
        .filter(|keyword| *keyword != "...")
        .collect();
    for keyword in &waiting {
        let said: Vec<String> = compiled(&with_keyword(keyword))
            .diagnostics
            .iter()
            .map(|d| d.to_string())
            .collect();
        assert!(
            said.iter()
                .any(|line| line.contains(&format!("{keyword} is not implemented yet"))),
            "{keyword}: {said:?}"
        );
    }
    for (block, row) in conf::keywords::all() {
        if !matches!(block, "global_defs" | "(root)") || waiting.contains(row.name) {
            continue;
        }
        let said = compiled(&with_keyword(row.name)).diagnostics;
        let is_new = said
            .iter()
            .any(|d| d.to_string().contains(&format!("{} is not implemented yet", row.name)));
        assert!(!is_new, "{} is not in the table as one that waits", row.name);
    }
}

/// The page that people read; `BLESS=1 cargo test -p conf --test reload_table` writes it.
#[test]
fn the_page_has_every_row() {
    let mut page = String::from(PAGE);
    for row in rows() {
        let note = if row.note.is_empty() {
            String::new()
        } else {
            format!(": {}", row.note)
        };
        let keywords = row.keywords.replace('|', "\\|").replace('*', "\\*");
        page.push_str(&format!(
            "| {} | {keywords} | {}{note} |\n",
            row.object,
            row.effect.text()
        ));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/reload.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "BLESS=1 cargo test -p conf --test reload_table writes {}",
        path.display()
    );
}

const PAGE: &str = "# What a reload changes

A reload reads the files again, compares, and does what is different; an object that is equal does not notice. Instances,
sessions and groups are the same by name, virtual servers by address, port and protocol (or mark, or group), real servers by
address and port. \"Restarts the object\": the old one ends and the new one begins. A change that is refused leaves
everything as it was.

| object | keywords | a change |
|---|---|---|
";
