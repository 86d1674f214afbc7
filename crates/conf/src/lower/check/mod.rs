//! Checks of real servers: what all or many kinds share, and their blocks' beginnings and ends.

pub(crate) mod http;
pub(crate) mod kinds;

use super::Lowering;
use super::lvs::service::check_found;
use crate::tree::Statement;
use base::{Family, IfName};
use check::draft::{ConnectionDraft, Draft, Inherited, Kind};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

type Line<'s, 't> = &'s Statement<'t>;

/// The longest `connect_timeout`, in microseconds.
const LONGEST_TIMEOUT: u64 = u32::MAX as u64;
/// The longest of the other times, in microseconds, as upstream prints it.
const LONGEST_DELAY: u64 = u64::MAX - 1;

pub(crate) fn open(low: &mut Lowering<'_>, line: Line<'_, '_>, kind: Kind) {
    if !low.has_room(line, crate::limits::Cost::Check) {
        return low.refuse_block();
    }
    low.lvs.check = Some(Draft::new(kind));
}

/// The end of a check.
pub(crate) fn close(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let (Some(draft), Some(real)) = (low.lvs.check.take(), &low.lvs.real) else {
        return;
    };
    let mut findings = Vec::new();
    let settled = draft.settle(real.draft.at.address, &mut findings);
    for finding in findings {
        check_found(low, line, finding);
    }
    match settled {
        Ok(settled) => {
            if let Some(real) = &mut low.lvs.real {
                real.checks.push(settled);
            }
        }
        Err(finding) => check_found(low, line, finding),
    }
}

impl Lowering<'_> {
    /// The check, or the `host` inside it, that is being read: what it shares with others.
    fn check_common(&mut self) -> Option<&mut Inherited> {
        match &mut self.lvs.host {
            Some((common, _)) => Some(common),
            None => self.lvs.check.as_mut().map(|check| &mut check.common),
        }
    }

    /// Where the check, or the `host` inside it, connects.
    fn check_connection(&mut self) -> Option<&mut ConnectionDraft> {
        match &mut self.lvs.host {
            Some((_, connection)) => Some(connection),
            None => self.lvs.check.as_mut().map(|check| &mut check.connection),
        }
    }

    fn wrong_value(&mut self, line: Line<'_, '_>, text: impl FnOnce(&str) -> String) {
        let text = text(line.word(1).unwrap_or_default());
        self.error(line, 1, "check", text);
    }

    fn check_port(&mut self, line: Line<'_, '_>) -> Option<NonZeroU16> {
        let port = self.unsigned(line, 1, 1, u32::from(u16::MAX));
        if port.is_none() {
            let keyword = line.word(0).unwrap_or_default().to_owned();
            self.wrong_value(line, |word| format!("Invalid checker {keyword} '{word}'"));
        }
        port.and_then(|port| NonZeroU16::new(port as u16))
    }
}

/// `connect_ip ADDR`.
pub(crate) fn connect_ip(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Ok(address) = line.word(1).unwrap_or_default().parse::<IpAddr>() else {
        return low.wrong_value(line, |word| format!("Invalid connect_ip address {word} - ignoring"));
    };
    let source = low.check_connection().and_then(|connection| connection.from.address);
    if source.is_some_and(|source| Family::of(source) != Family::of(address)) {
        let text = |word: &str| format!("connect_ip address {word} does not match address family of bindto - skipping");
        return low.wrong_value(line, text);
    }
    if let Some(connection) = low.check_connection() {
        connection.address = Some(address);
    }
}

/// `connect_port N`.
pub(crate) fn connect_port(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let port = low.check_port(line).map(NonZeroU16::get);
    if let Some(connection) = low.check_connection() {
        connection.port = port.or(connection.port);
    }
}

/// `bindto ADDR`.
pub(crate) fn bindto(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Ok(address) = line.word(1).unwrap_or_default().parse::<IpAddr>() else {
        return low.wrong_value(line, |word| format!("Invalid bindto address {word} - ignoring"));
    };
    let target = low.check_connection().and_then(|connection| connection.address);
    if target.is_some_and(|target| Family::of(target) != Family::of(address)) {
        let text = |word: &str| format!("bindto address {word} does not match address family of connect_ip - skipping");
        return low.wrong_value(line, text);
    }
    if let Some(connection) = low.check_connection() {
        connection.from.address = Some(address);
    }
}

/// `bind_port N`.
pub(crate) fn bind_port(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let port = low.check_port(line);
    if let Some(connection) = low.check_connection() {
        connection.from.port = port.or(connection.from.port);
    }
}

/// `bind_if IFNAME`.
pub(crate) fn bind_if(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Ok(name) = line.word(1).unwrap_or_default().parse::<IfName>() else {
        return low.wrong_value(line, |word| format!("Interface name {word} is too long - ignoring"));
    };
    if let Some(connection) = low.check_connection() {
        connection.from.interface = Some(name);
    }
}

/// `fwmark N`.
pub(crate) fn fwmark(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(mark) = low.unsigned(line, 1, 0, u32::MAX) else {
        return low.wrong_value(line, |word| format!("Invalid fwmark connection value '{word}'"));
    };
    if let Some(connection) = low.check_connection() {
        connection.from.mark = mark;
    }
}

fn positive(low: &mut Lowering<'_>, line: Line<'_, '_>, most: u64, text: fn(&str) -> String) -> Option<Duration> {
    let value = low.seconds(line, 1, 1, most);
    if value.is_none() {
        low.wrong_value(line, text);
    }
    value
}

/// `connect_timeout SECS`.
pub(crate) fn connect_timeout(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let invalid = |word: &str| format!("connect_timeout {word} invalid - ignoring");
    let value = positive(low, line, LONGEST_TIMEOUT, invalid);
    if let Some(common) = low.check_common() {
        common.connect_timeout = value.or(common.connect_timeout);
    }
}

/// `delay_loop SECS`.
pub(crate) fn delay_loop(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let invalid = |word: &str| format!("delay_loop '{word}' is invalid - ignoring");
    let value = positive(low, line, LONGEST_DELAY, invalid);
    if let Some(common) = low.check_common() {
        common.delay_loop = value.or(common.delay_loop);
    }
}

/// `retry N`.
pub(crate) fn retry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(value) = low.unsigned(line, 1, 0, u32::MAX) else {
        return low.wrong_value(line, |word| format!("Invalid retry connection value '{word}'"));
    };
    if let Some(common) = low.check_common() {
        common.retry = Some(value);
    }
}

/// `delay_before_retry SECS`. Upstream has no second message for it.
pub(crate) fn delay_before_retry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.seconds(line, 1, 0, LONGEST_DELAY);
    if let Some(common) = low.check_common() {
        common.delay_before_retry = value.or(common.delay_before_retry);
    }
}

/// `warmup SECS`. Upstream has no second message for it.
pub(crate) fn warmup(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.seconds(line, 1, 0, LONGEST_DELAY);
    if let Some(common) = low.check_common() {
        common.warmup = value.or(common.warmup);
    }
}

/// `alpha [BOOL]`.
pub(crate) fn alpha(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.switch_or(line, "Invalid alpha parameter");
    if let Some(common) = low.check_common() {
        common.alpha = value.or(common.alpha);
    }
}

/// `log_all_failures [BOOL]`.
pub(crate) fn log_all_failures(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.switch_or(line, "Invalid log_all_failures parameter");
    if let Some(check) = &mut low.lvs.check {
        check.log_all_failures = value.unwrap_or(check.log_all_failures);
    }
}
