//! The lines and mails about checks, in upstream's words.

use alloc::format;
use alloc::string::{String, ToString};
use check::Probe;
use check::config::{Dialogue, Misc};
use core::fmt::Display;

/// The line about a check that succeeded.
pub(crate) fn success(dialogue: &Dialogue, real: &dyn Display, key: &dyn Display) -> String {
    match dialogue {
        Dialogue::Tcp(_) => format!("TCP connection to {real} success."),
        Dialogue::Http(_) => format!("Remote Web server {real} succeed on service."),
        Dialogue::Smtp(_) => format!("Remote SMTP server {real} succeed on service."),
        Dialogue::Dns(_) => format!("DNS_CHECK ({real}) success."),
        Dialogue::Udp(_) => format!("UDP connection to {real} success."),
        Dialogue::Ping(_) => format!("ICMP connection to {real} success."),
        Dialogue::Misc(misc) => format!("Misc check for [{real} VS {key}] by [{}] succeeded.", program(misc)),
    }
}

/// The line about a check that failed for good, after so many failures that were forgiven.
pub(crate) fn failure(probe: &Probe, real: &dyn Display, key: &dyn Display, retries: u32, reason: &str) -> String {
    let retries = match probe.dialogue {
        // Upstream counts the attempts it would have made, also where the first answer decides.
        Dialogue::Http(_) => probe.pace.retry,
        Dialogue::Tcp(_)
        | Dialogue::Smtp(_)
        | Dialogue::Dns(_)
        | Dialogue::Udp(_)
        | Dialogue::Ping(_)
        | Dialogue::Misc(_) => retries,
    };
    let after = if retries > 0 {
        format!(" after {retries} retries")
    } else {
        String::new()
    };
    match &probe.dialogue {
        Dialogue::Tcp(_) => format!("TCP_CHECK on service {real} failed{after}."),
        Dialogue::Http(http) if http.tls => format!("SSL_CHECK on service {real} failed{after}."),
        Dialogue::Http(_) => format!("HTTP_CHECK on service {real} failed{after}."),
        Dialogue::Udp(_) => format!("UDP_CHECK on service {real} failed{after}."),
        Dialogue::Ping(_) => format!("ICMP CHECK on service {real} failed{after}."),
        // The reason is the line.
        Dialogue::Smtp(_) | Dialogue::Dns(_) => why(&probe.dialogue, real, reason),
        // The same.
        Dialogue::Misc(misc) => {
            let detail = match probe.pace.retry {
                0 => " with retry disabled".to_string(),
                1 => " after 1 retry".to_string(),
                retries => format!(" after {retries} retries"),
            };
            misc_failure(misc, real, key, &detail, reason)
        }
    }
}

/// The line about a failure that is forgiven.
pub(crate) fn forgiven(
    dialogue: &Dialogue,
    real: &dyn Display,
    key: &dyn Display,
    (attempt, of): (u32, u32),
    reason: &str,
) -> String {
    match dialogue {
        Dialogue::Misc(misc) => {
            let detail = if attempt == 1 {
                format!(", will do {of} retries")
            } else {
                format!(" on retry {}/{of}", attempt - 1)
            };
            misc_failure(misc, real, key, &detail, reason)
        }
        Dialogue::Tcp(_)
        | Dialogue::Http(_)
        | Dialogue::Smtp(_)
        | Dialogue::Dns(_)
        | Dialogue::Udp(_)
        | Dialogue::Ping(_) => why(dialogue, real, reason),
    }
}

/// The program of a command, without its arguments and without who runs it.
fn program(misc: &Misc) -> &str {
    misc.command.0.split_whitespace().next().unwrap_or_default()
}

fn misc_failure(misc: &Misc, real: &dyn Display, key: &dyn Display, detail: &str, reason: &str) -> String {
    let (word, reason) = match reason {
        "timed out" | "" => ("timed out", String::new()),
        other => ("failed", format!(" ({other})")),
    };
    let program = program(misc);
    format!("Misc check for [{real} VS {key}] by [{program}] {word}{detail}{reason}.")
}

/// The line about the reason of a failure.
pub(crate) fn why(dialogue: &Dialogue, real: &dyn Display, reason: &str) -> String {
    match dialogue {
        Dialogue::Tcp(_) => format!("TCP connection to {real} {reason}."),
        Dialogue::Udp(_) => format!("UDP connection to {real} {reason}."),
        Dialogue::Ping(_) => format!("ICMP connection to {real} {reason}."),
        Dialogue::Http(_) => format!("{reason} server {real}."),
        Dialogue::Smtp(smtp) => {
            let (address, port) = (smtp.connection.address, smtp.connection.port);
            format!("SMTP_CHECK {reason} server [{address}]:{port}")
        }
        Dialogue::Dns(_) => format!("DNS_CHECK ({real}) {reason}"),
        Dialogue::Misc(_) => reason.to_string(),
    }
}

/// Whether the reason of a failure has a line of its own beside that about the failure.
pub(crate) const fn says_apart(dialogue: &Dialogue) -> bool {
    match dialogue {
        Dialogue::Tcp(_) | Dialogue::Http(_) | Dialogue::Udp(_) | Dialogue::Ping(_) => true,
        Dialogue::Smtp(_) | Dialogue::Dns(_) | Dialogue::Misc(_) => false,
    }
}

/// The text of a mail about a check.
pub(crate) fn mail(dialogue: &Dialogue, real: &dyn Display, up: bool, reason: &str) -> String {
    let result = if up { "succeed" } else { "failed" };
    match dialogue {
        Dialogue::Tcp(_) => format!("=> TCP CHECK {result} on service <="),
        Dialogue::Udp(_) => format!("=> UDP CHECK {result} on service <="),
        Dialogue::Ping(_) => format!("=> PING CHECK {result} on service <="),
        Dialogue::Dns(_) => format!("=> DNS_CHECK: {result} on service <="),
        Dialogue::Http(_) | Dialogue::Smtp(_) if up => "=> CHECK succeed on service <=".to_string(),
        Dialogue::Http(_) => "=> CHECK failed on service : HTTP/SSL request failed <=".to_string(),
        Dialogue::Smtp(_) => format!("=> CHECK failed on service : {reason} server {real} <="),
        Dialogue::Misc(_) => {
            let result = match (up, reason) {
                (true, _) => "succeeded",
                (false, "timed out") => "timed out",
                (false, _) => "failed",
            };
            format!("=> MISC CHECK {result} on service <=")
        }
    }
}
