//! What the role says of itself on request (`spec/cli-and-runtime.md` 5.2, 5.3).
//!
//! Texts only: where they are written, and with which mode, is the supervisor's business.

use crate::ipc::DumpKind;
use crate::log::Level;
use ::vrrp::action::{Announced, Announcement};
use ::vrrp::config::{Auth, Name};
use ::vrrp::engine::{Engine, GroupStatus, Status};
use ::vrrp::event;
use base::IfName;
use std::fmt::Write as _;

/// The level of a line for the level of an event.
pub(super) fn level(level: event::Level) -> Level {
    match level {
        event::Level::Debug => Level::Debug,
        event::Level::Detail => Level::Detail,
        event::Level::Info => Level::Info,
        event::Level::Warning => Level::Warning,
    }
}

/// The line about one announcement, in the words of the original.
pub(super) fn announcement(announcement: &Announcement, place: Option<&IfName>) -> String {
    let place = place.map_or_else(|| announcement.interface.to_string(), ToString::to_string);
    match announcement.what {
        Announced::Arp(address) => format!("Sending gratuitous ARP on {place} for {address}"),
        Announced::Neighbour { address, .. } => {
            format!("Sending unsolicited Neighbour Advert on {place} for {address}")
        }
    }
}

/// What the log calls a dump, in the words of the original.
pub(super) fn title(kind: DumpKind) -> &'static str {
    match kind {
        DumpKind::Data => "Printing VRRP data",
        DumpKind::Stats => "Printing VRRP stats",
        DumpKind::Json => "Printing VRRP as json",
    }
}

/// The text of a dump.
pub(super) fn dump(kind: DumpKind, engine: &Engine) -> String {
    let status = engine.status();
    match kind {
        DumpKind::Data => data(&status) + &groups(&engine.groups()),
        DumpKind::Stats => stats(&status),
        DumpKind::Json => json(&status),
    }
}

/// What is known of BFD sessions, for the dump of the data; nothing without any.
pub(super) fn sessions<'a>(known: impl Iterator<Item = (&'a str, bool)>) -> String {
    let mut text = String::new();
    for (name, up) in known {
        let state = if up { "UP" } else { "DOWN" };
        let _ = writeln!(text, "   BFD session {name} = {state}");
    }
    if text.is_empty() {
        return text;
    }
    format!("------< VRRP Track BFDs >------\n{text}")
}

/// The sections of the statistics file and the counters in them.
fn stats_sections(status: &Status) -> [(&'static str, Vec<(&'static str, u64)>); 5] {
    let c = &status.counters;
    [
        (
            "Advertisements",
            vec![("Received", c.advert_rcvd), ("Sent", c.advert_sent)],
        ),
        (
            "Packet Errors",
            vec![
                ("Length", c.packet_len_err),
                ("TTL", c.ip_ttl_err),
                ("Invalid Type", c.invalid_type_rcvd),
                ("Advertisement Interval", c.advert_interval_err),
                ("Address List", c.addr_list_err),
            ],
        ),
        (
            "Authentication Errors",
            vec![
                ("Invalid Type", c.invalid_authtype),
                ("Type Mismatch", c.authtype_mismatch),
                ("Failure", c.auth_failure),
            ],
        ),
        (
            "Authentication Extension Errors",
            vec![
                ("Missing", c.auth_ext_missing),
                ("Malformed", c.auth_ext_malformed),
                ("Unknown Key", c.auth_ext_unknown_key),
                ("Invalid HMAC", c.auth_ext_invalid_hmac),
                ("Stale", c.auth_ext_stale),
                ("Replay", c.auth_ext_replay),
            ],
        ),
        (
            "Priority Zero",
            vec![("Received", c.pri_zero_rcvd), ("Sent", c.pri_zero_sent)],
        ),
    ]
}

fn stats(status: &[Status]) -> String {
    let mut text = String::new();
    for one in status {
        // Writing to a String does not fail.
        let _ = writeln!(text, "VRRP Instance: {}", one.name);
        for (title, lines) in stats_sections(one) {
            let _ = writeln!(text, "  {title}:");
            for (name, count) in lines {
                let _ = writeln!(text, "    {name}: {count}");
            }
            if title == "Advertisements" {
                let _ = writeln!(text, "  Became master: {}", one.counters.become_master);
                let _ = writeln!(text, "  Released master: {}", one.counters.release_master);
            }
        }
    }
    text
}

fn data(status: &[Status]) -> String {
    let mut text = String::from("------< VRRP Topology >------\n");
    for one in status {
        let config = &one.config;
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(text, "   {name} = {value}");
        };
        line("VRRP Instance", &one.name);
        line("State", &one.state.as_str());
        for waiting in &one.waiting {
            line("Waiting for", waiting);
        }
        if let Some(master) = one.master {
            line("Master router", &master);
        }
        if let Some(priority) = one.master_priority {
            line("Master priority", &priority);
        }
        if let Some(interface) = config.interface {
            line("Interface", &interface);
        }
        if let Some(source) = one.source {
            line("Using src_ip", &source);
        }
        line("Virtual Router ID", &config.vrid);
        line("Priority", &config.priority);
        line("Effective priority", &one.priority);
        // Base and parts come to the effective priority, within 1 to 254.
        for part in &one.sum.parts {
            let text = format!("{}, {}: {}, {}", part.object, part.weight, part.condition, part.share);
            line("  Tracked", &text);
        }
        if let Some(group) = &config.group {
            line("Sync group", group);
        }
        line("Advert interval (s)", &config.interval.as_secs_f64());
        line("Authentication type", &auth(&config.auth));
        if let Some(hmac) = &config.hmac {
            let keys: Vec<String> = hmac.key_ids().map(|id| id.to_string()).collect();
            line("Authentication extension", &"HMAC-SHA-256");
            line("HMAC mode", &hmac.mode.as_str());
            line("HMAC keys", &keys.join(", "));
            line("HMAC active key", &hmac.active);
            line("HMAC anti replay", &hmac.anti_replay.as_str());
            line("HMAC time window (s)", &hmac.window);
        }
        for address in &config.addresses {
            line("Virtual IP", &address.key());
        }
        for address in &config.excluded {
            line("Virtual IP excluded", &address.key());
        }
    }
    text
}

fn groups(groups: &[GroupStatus]) -> String {
    let mut text = String::new();
    if !groups.is_empty() {
        text.push_str("------< VRRP Sync groups >------\n");
    }
    for group in groups {
        let members: Vec<&str> = group.config.members.iter().map(Name::as_str).collect();
        let _ = writeln!(
            text,
            "   VRRP Sync Group = {}, {}",
            group.config.name,
            group.state.as_str()
        );
        let _ = writeln!(text, "     Members = {}", members.join(", "));
    }
    text
}

/// The kind of authentication; never the secret.
fn auth(auth: &Auth) -> &'static str {
    match auth {
        Auth::None => "none",
        Auth::Pass(_) => "SIMPLE_PASSWORD",
        Auth::Ah(_) => "IPSEC_AH",
    }
}

fn json(status: &[Status]) -> String {
    let instances: Vec<String> = status.iter().map(json_instance).collect();
    format!("[{}]\n", instances.join(","))
}

fn json_instance(one: &Status) -> String {
    let counters: Vec<String> = one
        .counters
        .entries()
        .map(|(name, count)| format!("\"{name}\":{count}"))
        .collect();
    format!(
        "{{\"data\":{{\"iname\":{},\"state\":{},\"vrid\":{},\"base_priority\":{},\"effective_priority\":{}}},\"stats\":{{{}}}}}",
        quoted(one.name.as_str()),
        one.state.number(),
        one.config.vrid,
        one.config.priority,
        one.priority,
        counters.join(",")
    )
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::vrrp::config::Model;
    use base::Instant;
    use std::time::Duration;

    #[test]
    fn an_engine_without_instances_has_an_empty_dump_of_each_kind() {
        let mut engine = Engine::new(1, Instant::ZERO, Duration::ZERO);
        engine.reconfigure(Instant::ZERO, Model::default(), &mut Vec::new());
        assert_eq!(dump(DumpKind::Stats, &engine), "");
        assert_eq!(dump(DumpKind::Json, &engine), "[]\n");
        assert_eq!(dump(DumpKind::Data, &engine), "------< VRRP Topology >------\n");
    }

    #[test]
    fn a_json_string_escapes_what_would_end_it() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}
