//! How addresses, commands and numbers read in dumps.

use ::vrrp::config::{Link, VirtualAddress};
use conf::model::Command;
use std::fmt::Write as _;
use std::time::Duration;

/// A command with each word in single quotes, as it is run.
pub(super) fn command(command: &Command) -> String {
    let mut words = command.arguments.iter();
    let program = command.file.as_ref().or_else(|| words.as_slice().first());
    words.next();
    let all = program.into_iter().chain(words);
    let quoted: Vec<String> = all.map(|word| format!("'{}'", String::from_utf8_lossy(word))).collect();
    quoted.join(" ")
}

/// A virtual address with its options; the interface is followed by the one below it if it is one of `links`. `set`: it is
/// with us.
pub(super) fn address(address: &VirtualAddress, links: &[Link], set: bool) -> String {
    let prefix = address.prefix;
    let mut text = prefix.address().to_string();
    // Writing to a String does not fail.
    if let Some(peer) = address.peer {
        let _ = write!(text, " peer {peer}/{}", prefix.len());
    } else if prefix.len() != prefix.family().bits() {
        let _ = write!(text, "/{}", prefix.len());
    }
    if let Some(broadcast) = address.broadcast {
        let _ = write!(text, " brd {broadcast}");
    }
    let _ = write!(text, " dev {}", address.interface);
    if let Some(link) = links.iter().find(|link| link.name == address.interface) {
        let _ = write!(text, "@{}", link.parent);
    }
    let _ = write!(text, " scope {}", scope(address.scope));
    if let Some(label) = &address.label {
        let _ = write!(text, " label {label}");
    }
    if prefix.address().is_ipv6() {
        match address.preferred_lifetime {
            None => text.push_str(" preferred_lft forever"),
            Some(0) => text.push_str(" deprecated"),
            Some(seconds) => {
                let _ = write!(text, " preferred_lft {seconds}");
            }
        }
    }
    let flags = address.flags;
    let words = [
        (flags.home, " home"),
        (flags.dad, " -nodad"),
        (flags.mngtmpaddr, " mngtmpaddr"),
        (flags.noprefixroute, " noprefixroute"),
        (flags.autojoin, " autojoin"),
        (!address.tracked, " no_track"),
        (set, " set"),
    ];
    for (_, word) in words.iter().filter(|(given, _)| *given) {
        text.push_str(word);
    }
    text
}

/// The name of a scope, as `ip` has it.
fn scope(number: u8) -> String {
    match number {
        0 => "global".to_owned(),
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        255 => "nowhere".to_owned(),
        other => other.to_string(),
    }
}

/// Seconds with six digits that count, no zeros at the end.
pub(super) fn seconds(time: Duration) -> String {
    let value = time.as_secs_f64();
    let whole = value.trunc().to_string().len();
    let text = format!("{value:.*}", 6_usize.saturating_sub(whole));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Seconds with six decimals.
pub(super) fn exact(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}
