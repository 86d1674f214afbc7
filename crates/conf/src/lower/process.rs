//! How the processes of the daemon run: nice values, real-time priorities and limits, processors.

use super::Lowering;
use crate::tree::Statement;
use std::time::Duration;

type Line<'s, 't> = &'s Statement<'t>;

fn nice(low: &mut Lowering<'_>, line: Line<'_, '_>, process: &str) -> Option<i8> {
    let value = low.signed(line, 1, -20, 19);
    if value.is_none() {
        low.error(
            line,
            1,
            "process-priority",
            format!("Invalid {process} process priority specified"),
        );
    }
    value.map(|v| v as i8)
}

fn realtime(low: &mut Lowering<'_>, line: Line<'_, '_>, process: &str) -> Option<u8> {
    let Some(value) = low.signed(line, 1, 0, i64::from(i32::MAX)) else {
        low.error(
            line,
            1,
            "process-priority",
            format!("Invalid {process} process real-time priority specified"),
        );
        return None;
    };
    let (bound, word, text) = match value {
        ..1 => (1, "less than minimum 1", "setting to minimum"),
        1..=99 => return Some(value as u8),
        100.. => (99, "greater than maximum 99", "setting to maximum"),
    };
    low.error(
        line,
        1,
        "process-priority",
        format!("{process} process real-time priority {value} {word} - {text}"),
    );
    Some(bound)
}

fn realtime_limit(low: &mut Lowering<'_>, line: Line<'_, '_>, process: &str) -> Option<u32> {
    let value = low.unsigned(line, 1, 1, u32::MAX);
    if value.is_none() {
        low.error(
            line,
            1,
            "process-limit",
            format!("Invalid {process} real-time limit specified"),
        );
    }
    // The soft limit is half of it and must not be zero.
    value.map(|v| v.max(2))
}

fn cpus(low: &mut Lowering<'_>, line: Line<'_, '_>, process: &str) -> Vec<u32> {
    let last = low.facts.processors.map_or(u32::MAX, |count| count.saturating_sub(1));
    let mut cpus = Vec::new();
    for word in 1..line.words.len() {
        match low.unsigned(line, word, 0, last) {
            Some(cpu) => cpus.push(cpu),
            None => {
                let shown = line.word(word).unwrap_or_default();
                low.error(
                    line,
                    word,
                    "cpu",
                    format!("Invalid cpu_id:{shown} specified for {process} process"),
                );
            }
        }
    }
    cpus
}

macro_rules! process {
    ($($handler:ident $read:ident $process:literal |$global:ident, $value:ident| $set:expr;)*) => {
        $(pub(crate) fn $handler(low: &mut Lowering<'_>, line: Line<'_, '_>) {
            let $value = $read(low, line, $process);
            let $global = &mut low.global;
            $set;
        })*
    };
}

process! {
    vrrp_priority nice "vrrp" |global, v| global.vrrp.nice = v.or(global.vrrp.nice);
    checker_priority nice "checker" |global, v| global.checker.nice = v.or(global.checker.nice);
    bfd_priority nice "bfd" |global, v| global.bfd.nice = v.or(global.bfd.nice);
    vrrp_rt_priority realtime "vrrp" |global, v| global.vrrp.realtime = v.or(global.vrrp.realtime);
    checker_rt_priority realtime "checker" |global, v| global.checker.realtime = v.or(global.checker.realtime);
    bfd_rt_priority realtime "bfd" |global, v| global.bfd.realtime = v.or(global.bfd.realtime);
    vrrp_rlimit_rttime realtime_limit "vrrp" |global, v| global.vrrp.realtime_limit = v.or(global.vrrp.realtime_limit);
    checker_rlimit_rttime realtime_limit "checker" |g, v| g.checker.realtime_limit = v.or(g.checker.realtime_limit);
    bfd_rlimit_rttime realtime_limit "bfd" |global, v| global.bfd.realtime_limit = v.or(global.bfd.realtime_limit);
    vrrp_cpu_affinity cpus "vrrp" |global, v| global.vrrp.cpus = v;
    checker_cpu_affinity cpus "checker" |global, v| global.checker.cpus = v;
    bfd_cpu_affinity cpus "bfd" |global, v| global.bfd.cpus = v;
}

/// `max_auto_priority [N]`.
pub(crate) fn max_auto_priority(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if line.word(1).is_none() {
        low.global.max_auto_priority = 99;
        return;
    }
    match low.signed(line, 1, -1, 99) {
        Some(value) => low.global.max_auto_priority = value as i8,
        None => {
            let word = line.word(1).unwrap_or_default();
            low.error(
                line,
                1,
                "max-auto-priority",
                format!("Invalid max_auto_priority '{word}' specified"),
            );
        }
    }
}

/// `min_auto_priority_delay USECS`.
pub(crate) fn min_auto_priority_delay(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 1, 10_000_000) {
        Some(micros) => low.global.min_auto_priority_delay = Duration::from_micros(u64::from(micros)),
        None => {
            let word = line.word(1).unwrap_or_default();
            low.error(
                line,
                1,
                "min-auto-priority-delay",
                format!("Invalid min_auto_priority_delay '{word}' specified"),
            );
        }
    }
}
