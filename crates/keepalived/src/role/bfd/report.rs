//! What the role says of itself on request.

use crate::log::Level;
use ::bfd::action::Verdict;
use ::bfd::config::Hops;
use ::bfd::engine::{Engine, Status};
use ::bfd::event;
use base::Instant;
use std::fmt::{Display, Write as _};
use std::time::Duration;

/// The level of a line for the level of an event.
pub(super) fn level(level: event::Level) -> Level {
    match level {
        event::Level::Detail => Level::Detail,
        event::Level::Info => Level::Info,
        event::Level::Warning => Level::Warning,
    }
}

/// The text of a dump.
pub(super) fn dump(now: Instant, engine: &Engine) -> String {
    let mut text = String::from("------< BFD Topology >------\n");
    for status in engine.status() {
        describe(now, &status, &mut text);
    }
    text.push_str("------< Discarded packets of nobody >------\n");
    for (name, count) in engine.strays().entries() {
        // Writing to a String does not fail.
        let _ = writeln!(text, "   {name} = {count}");
    }
    text
}

fn describe(now: Instant, status: &Status, text: &mut String) {
    let config = &status.config;
    let _ = writeln!(text, " BFD Instance = {}", config.name);
    let mut line = |name: &str, value: &dyn Display| {
        let _ = writeln!(text, "   {name} = {value}");
    };
    line("Neighbor IP", &config.neighbor);
    if let Some(source) = config.source {
        line("Source IP", &source);
    }
    let kind = match config.hops {
        Hops::Single => "single hop",
        Hops::Multi => "multihop",
    };
    line("Kind", &kind);
    line("min_rx (ms)", &millis(config.min_rx));
    line("min_tx (ms)", &millis(config.min_tx));
    line("idle_tx (ms)", &millis(config.idle_tx));
    line("Detection multiplier", &config.multiplier);
    line("ttl", &config.ttl);
    line("least ttl accepted", &config.least_ttl);
    line("passive", &config.passive);
    line("local state", &status.state);
    line("for (s)", &now.since(status.since).as_secs());
    line("local diag", &status.diagnostic);
    line("local discriminator", &format_args!("{:#x}", status.discriminator));
    let verdict = match status.verdict {
        Verdict::Up => "up",
        Verdict::Down => "down",
        Verdict::Undecided => "undecided",
    };
    line("reported as", &verdict);
    if let Some(remote) = &status.remote {
        line("remote state", &remote.state);
        line("remote diag", &remote.diagnostic);
        line("remote discriminator", &format_args!("{:#x}", remote.discriminator));
        line("remote detect multiplier", &remote.multiplier);
        line("remote min tx intv (ms)", &millis(remote.min_tx));
        line("remote min rx intv (ms)", &millis(remote.min_rx));
        line("remote demand", &remote.demand);
        line("last seen (ms ago)", &millis(now.since(remote.heard)));
    }
    if let Some(interval) = status.interval {
        line("local tx intv (ms)", &millis(interval));
    }
    if let Some(detection) = status.detection_time {
        line("detection time (ms)", &millis(detection));
    }
    line("poll sequence", &status.polling);
    for (name, count) in status.counters.entries() {
        line(name, &count);
    }
}

fn millis(span: Duration) -> String {
    format!("{}.{:03}", span.as_millis(), span.subsec_micros() % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::bfd::config::{Model, Name};
    use ::bfd::draft::Draft;

    #[test]
    fn a_dump_names_each_session_its_state_and_its_counters() {
        let draft = Draft {
            neighbor: Some("192.0.2.1".parse().unwrap()),
            ..Draft::default()
        };
        let mut model = Model::default();
        let config = draft.finish(Name::from("path"), &model).config.unwrap();
        model.sessions.insert(Name::from("path"), config.into());
        let mut engine = Engine::new(1);
        engine.reconfigure(Instant::ZERO, model, &mut Vec::new());
        let text = dump(Instant::from_micros(2_000_000), &engine);
        for line in [
            " BFD Instance = path",
            "   Neighbor IP = 192.0.2.1",
            "   min_tx (ms) = 10.000",
            "   local state = Down",
            "   for (s) = 2",
            "   reported as = undecided",
            "   ttl_err = 0",
            "   unknown_discriminator = 0",
        ] {
            assert!(text.lines().any(|other| other == line), "no {line:?} in {text}");
        }
    }
}
