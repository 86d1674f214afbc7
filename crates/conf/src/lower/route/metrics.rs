//! What a route tells the kernel's transport protocols, and the other small values of a route.

use super::super::Lowering;
use super::super::words::{Dropped, Words};
use super::CODE;
use crate::diagnostic::Class;
use base::Family;
use vrrp::config::Route;
use vrrp::config::route::Metric;

/// The shortest round trip that may be said, in milliseconds.
const SHORTEST: u32 = 200;
/// The longest, in seconds.
const LONGEST: u32 = 120;

/// Whether a word is read here.
pub(super) fn is_one(word: &str) -> bool {
    metric(word).is_some() || OTHERS.contains(&word)
}

const OTHERS: &[&str] = &["expires", "realms", "features", "congctl", "ttl-propagate", "pref"];

fn metric(word: &str) -> Option<Metric> {
    Some(match word {
        "mtu" => Metric::Mtu,
        "hoplimit" => Metric::HopLimit,
        "advmss" => Metric::AdvMss,
        "reordering" => Metric::Reordering,
        "window" => Metric::Window,
        "cwnd" => Metric::Cwnd,
        "ssthresh" => Metric::SsThresh,
        "initcwnd" => Metric::InitCwnd,
        "initrwnd" => Metric::InitRwnd,
        "rtt" => Metric::Rtt,
        "rttvar" => Metric::RttVar,
        "rto_min" => Metric::RtoMin,
        "quickack" => Metric::QuickAck,
        "fastopen_no_cookie" => Metric::FastOpenNoCookie,
        _ => return None,
    })
}

/// The value of `word`.
pub(super) fn read(
    low: &mut Lowering<'_>,
    words: &mut Words<'_, '_>,
    word: &str,
    family: Option<Family>,
    route: &mut Route,
) -> Result<(), Dropped> {
    if let Some(metric) = metric(word) {
        let value = value(low, words, metric)?;
        route.metrics.insert(metric, value);
        return Ok(());
    }
    match word {
        "expires" => {
            if family != Some(Family::V6) {
                return words.refuse(low, CODE, "expires is only valid for IPv6".to_owned());
            }
            let wrong = |word: &str| format!("Invalid expires time {word} specified for route");
            route.expires = Some(words.number(low, CODE, (0, u32::MAX), wrong)?);
        }
        "realms" => route.hop.realms = Some(realms(low, words, family, "valid")?),
        "features" => match words.value(low)? {
            "ecn" => {
                route.metrics.insert(Metric::Features, (1, false));
            }
            other => return words.refuse(low, CODE, format!("feature {other} not supported")),
        },
        "congctl" => {
            let locked = locked(words);
            route.congestion = Some((words.value(low)?.to_owned(), locked));
        }
        "ttl-propagate" => {
            route.ttl_propagate = Some(match words.value(low)? {
                "enabled" => true,
                "disabled" => false,
                other => {
                    return words.refuse(low, CODE, format!("ttl-propagate value {other} not recognised"));
                }
            });
        }
        _ => route.preference = Some(preference(low, words, family)?),
    }
    Ok(())
}

fn value(low: &mut Lowering<'_>, words: &mut Words<'_, '_>, metric: Metric) -> Result<(u32, bool), Dropped> {
    let lockable = match metric {
        Metric::Mtu
        | Metric::AdvMss
        | Metric::Reordering
        | Metric::Cwnd
        | Metric::SsThresh
        | Metric::Rtt
        | Metric::RttVar
        | Metric::RtoMin => true,
        Metric::Window
        | Metric::HopLimit
        | Metric::InitCwnd
        | Metric::Features
        | Metric::InitRwnd
        | Metric::QuickAck
        | Metric::FastOpenNoCookie => false,
    };
    let locked = lockable && locked(words);
    let (what, most) = match metric {
        Metric::Rtt => return Ok((time(low, words, 8, "rtt")?, locked)),
        Metric::RttVar => return Ok((time(low, words, 4, "rttvar")?, locked)),
        Metric::RtoMin => return Ok((time(low, words, 1, "rto_min")?, locked)),
        Metric::Mtu => ("MTU", u32::MAX),
        Metric::HopLimit => ("hoplimit", 255),
        Metric::AdvMss => ("advmss", u32::MAX),
        Metric::Reordering => ("reordering value", u32::MAX),
        Metric::Window => ("window value", u32::MAX),
        Metric::Cwnd => ("cwnd value", u32::MAX),
        Metric::SsThresh => ("ssthresh value", u32::MAX),
        Metric::InitCwnd => ("initcwnd value", u32::MAX),
        Metric::InitRwnd => ("initrwnd value", u32::MAX),
        Metric::QuickAck => ("quickack value", 1),
        Metric::FastOpenNoCookie => ("fastopen_no_cookie value", 1),
        Metric::Features => ("features", u32::MAX),
    };
    let wrong = |word: &str| format!("Invalid {what} {word} specified for route");
    Ok((words.number(low, CODE, (0, most), wrong)?, locked))
}

fn locked(words: &mut Words<'_, '_>) -> bool {
    let locked = words.peek() == Some("lock");
    words.at += usize::from(locked);
    locked
}

/// `A[/B]`.
pub(super) fn realms(
    low: &mut Lowering<'_>,
    words: &mut Words<'_, '_>,
    family: Option<Family>,
    verb: &str,
) -> Result<u32, Dropped> {
    let word = words.value(low)?;
    if family == Some(Family::V6) {
        let only = if verb == "valid" { "valid" } else { "supported" };
        return words.refuse(low, CODE, format!("realms are only {only} for IPv4"));
    }
    match low.names().realms(word) {
        Some(realms) => Ok(realms),
        None => words.refuse(low, CODE, format!("Invalid realms {word} for route")),
    }
}

fn preference(low: &mut Lowering<'_>, words: &mut Words<'_, '_>, family: Option<Family>) -> Result<u8, Dropped> {
    if family != Some(Family::V6) {
        return words.refuse(low, CODE, "pref is only valid for IPv6".to_owned());
    }
    match words.peek() {
        Some("low") => named(words, 3),
        Some("medium") => named(words, 0),
        Some("high") => named(words, 1),
        Some(_) | None => {
            let wrong = |word: &str| format!("Invalid pref value {word} specified for route");
            Ok(words.number(low, CODE, (0, 255), wrong)? as u8)
        }
    }
}

fn named(words: &mut Words<'_, '_>, number: u8) -> Result<u8, Dropped> {
    words.at += 1;
    Ok(number)
}

/// A time in the kernel's units: a plain number counts them; with a unit it may have decimals down to a millisecond.
fn time(low: &mut Lowering<'_>, words: &mut Words<'_, '_>, units: u32, what: &str) -> Result<u32, Dropped> {
    let word = words.value(low)?;
    let at = words.at - 1;
    let wrong = match what {
        "rto_min" => format!("Invalid rto_min value {word} specified for route"),
        other => format!("Invalid {other} {word} for route"),
    };
    let say = |low: &mut Lowering<'_>, text: String| low.say(words.line, at, Class::InvalidNumber, "number", text);
    let end = word.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, suffix) = word.split_at_checked(end).unwrap_or((word, ""));
    let decimals = match suffix {
        "s" | "sec" | "secs" => Some(3),
        "" | "ms" | "msec" | "msecs" => Some(0),
        _ => None,
    };
    let read = decimals.and_then(|decimals| Some((decimals, scaled(number, decimals)?)));
    let Some((decimals, (value, exact))) = read else {
        if !suffix.starts_with(['e', 'E']) {
            say(low, format!("invalid number '{word}'"));
        }
        return words.refuse(low, CODE, wrong);
    };
    let most = LONGEST * 1000 * units;
    if value > u64::from(most) {
        let limits = if decimals == 0 {
            format!("[0., {most}.]")
        } else {
            format!("[0.000, {}.{:03}]", most / 1000, most % 1000)
        };
        say(low, format!("number '{number}' outside range {limits}"));
        return words.refuse(low, CODE, wrong);
    }
    if !exact {
        say(low, format!("number '{number}' has too many decimal places"));
    }
    let units_of = if suffix.is_empty() { 1 } else { u64::from(units) };
    Ok(within(low, words, value * units_of, units, what, word))
}

/// A time that is neither too short nor too long.
fn within(low: &mut Lowering<'_>, words: &Words<'_, '_>, value: u64, units: u32, what: &str, word: &str) -> u32 {
    // The messages of upstream name two of the three.
    let kind = if what == "rto_min" { "rto" } else { "rtt" };
    let (least, most) = (SHORTEST * units, LONGEST * 1000 * units);
    match u32::try_from(value) {
        Ok(value) if value < least => {
            let text = format!("{kind} value {word} below minimum {SHORTEST}ms, resetting");
            words.complain(low, CODE, text);
            least
        }
        Ok(value) if value <= most => value,
        Ok(_) | Err(_) => {
            let text = format!("{kind} value {word} exceeds maximum {LONGEST}s, resetting");
            words.complain(low, CODE, text);
            most
        }
    }
}

/// A decimal number times ten to the power of `decimals`, rounded, and whether it had no more decimals than that.
fn scaled(number: &str, decimals: usize) -> Option<(u64, bool)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let mut value: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    for position in 0..decimals {
        let digit = fraction.as_bytes().get(position).map_or(0, |b| u64::from(b - b'0'));
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    let rounds = fraction.as_bytes().get(decimals).is_some_and(|b| *b >= b'5');
    Some((value.checked_add(u64::from(rounds))?, fraction.len() <= decimals))
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn a_decimal_number_is_rounded_where_it_has_too_many_decimals() {
        assert_eq!(scaled("1.5", 3), Some((1500, true)));
        assert_eq!(scaled("1.000125", 3), Some((1000, false)));
        assert_eq!(scaled(".0005", 3), Some((1, false)));
        assert_eq!(scaled("10.5", 0), Some((11, false)));
        for wrong in ["", ".", "1.2.3", "99999999999999999999"] {
            assert_eq!(scaled(wrong, 3), None, "{wrong}");
        }
    }
}
