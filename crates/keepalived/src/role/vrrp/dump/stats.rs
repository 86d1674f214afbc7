//! The statistics file: what each instance counted.

use ::vrrp::engine::Status;
use std::fmt::Write as _;

/// The sections of the file and the counters in them.
fn sections(status: &Status) -> [(&'static str, Vec<(&'static str, u64)>); 5] {
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

/// The text.
pub(super) fn stats(status: &[Status]) -> String {
    let mut text = String::new();
    for one in status {
        // Writing to a String does not fail.
        let _ = writeln!(text, "VRRP Instance: {}", one.name);
        for (title, lines) in sections(one) {
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
