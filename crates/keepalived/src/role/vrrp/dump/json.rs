//! The JSON file: one line without spaces (`spec/integrations.md` 1).

use super::{Known, Now, words};
use ::vrrp::action::StateName;
use ::vrrp::config::{Auth, Preempt, Priority, Tracked, Tracker, Version, VirtualAddress};
use ::vrrp::engine::{Engine, Status};
use ::vrrp::track::Condition;
use conf::model::{Command, ParameterMatch};
use std::fmt::Write as _;

/// An object that is being written.
struct Object(String);

impl Object {
    fn new() -> Object {
        Object(String::from("{"))
    }

    /// A member whose value is JSON already.
    fn raw(&mut self, name: &str, value: impl std::fmt::Display) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // Writing to a String does not fail.
        let _ = write!(self.0, "{}:{value}", quoted(name));
    }

    fn text(&mut self, name: &str, value: &str) {
        self.raw(name, quoted(value));
    }

    /// A switch that is a number.
    fn number(&mut self, name: &str, value: bool) {
        self.raw(name, u8::from(value));
    }

    /// Texts; none is written without any.
    fn list(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        let all: Vec<String> = values.into_iter().map(|value| quoted(&value)).collect();
        if !all.is_empty() {
            self.raw(name, format_args!("[{}]", all.join(",")));
        }
    }

    fn command(&mut self, name: &str, command: Option<&Command>) {
        if let Some(command) = command {
            self.text(name, &words::command(command));
        }
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// The text; nothing without instances.
pub(super) fn json(engine: &Engine, status: &[Status], known: &Known, now: Now) -> String {
    if status.is_empty() {
        return String::new();
    }
    let one = |status: &Status| {
        let mut both = Object::new();
        both.raw("data", data(status, known, now));
        both.raw("stats", stats(status));
        both.end()
    };
    let instances: Vec<String> = status.iter().map(one).collect();
    let instances = format!("[{}]", instances.join(","));
    if known.json_version < 2 {
        return instances + "\n";
    }
    let mut all = Object::new();
    all.raw("vrrp", instances);
    let processes: Vec<String> = processes(engine, known).collect();
    if !processes.is_empty() {
        all.raw("track_process", format_args!("[{}]", processes.join(",")));
    }
    all.end() + "\n"
}

fn stats(status: &Status) -> String {
    let mut object = Object::new();
    for (name, count) in status.counters.entries() {
        object.raw(name, count);
    }
    object.end()
}

fn data(status: &Status, known: &Known, now: Now) -> String {
    let config = &*status.config;
    let mut object = Object::new();
    object.text("iname", status.name.as_str());
    object.number("dont_track_primary", !config.track_interface);
    object.number("skip_check_adv_addr", config.skip_check_adv_addr);
    object.number("strict_mode", config.strict);
    let own = config.interface.map(|name| name.to_string());
    let vmac = own.clone().filter(|_| config.base.is_some());
    object.text("vmac_ifname", &vmac.unwrap_or_default());
    if let Some(own) = own {
        object.text("ifp_ifname", &own);
    }
    // Of another one that was heard and believed.
    let heard = status.master_priority.filter(|_| status.state == StateName::Backup);
    object.raw("master_priority", heard.map_or(0, Priority::get));
    object.raw("last_transition", words::exact(now.wall_of(status.since)));
    announcing(&mut object, status);
    object.raw("vrid", config.vrid);
    object.raw("base_priority", config.priority);
    object.raw("effective_priority", status.priority);
    object.raw("vipset", status.holds());
    object.raw("promote_secondaries", config.promote_secondaries);
    object.raw("adver_int", words::seconds(config.interval));
    object.raw("master_adver_int", words::seconds(status.master_interval));
    object.number("accept", config.accept);
    let (nopreempt, delay) = match config.preempt {
        Preempt::Yes => (false, 0),
        Preempt::No => (true, 0),
        Preempt::After(delay) => (false, delay.as_secs()),
    };
    object.raw("nopreempt", nopreempt);
    object.raw("preempt_delay", delay);
    object.raw("state", status.state.number());
    object.raw("wantstate", status.wants().number());
    let version = match config.version {
        Version::V2 => 2,
        Version::V3 => 3,
    };
    object.raw("version", version);
    told(&mut object, status, known);
    let set = status.holds();
    let addresses = |all: &[VirtualAddress]| -> Vec<String> {
        all.iter()
            .map(|address| words::address(address, &config.links, set))
            .collect()
    };
    object.list("vips", addresses(&config.addresses));
    object.list("evips", addresses(&config.excluded));
    object.list("vroutes", config.routes.iter().map(ToString::to_string));
    object.list("vrules", config.rules.iter().map(ToString::to_string));
    tracked(&mut object, &config.trackers, known);
    let kind = match config.auth {
        Auth::None => 0,
        Auth::Pass(_) => 1,
        Auth::Ah(_) => 2,
    };
    object.raw("auth_type", kind);
    if kind != 0 {
        object.text("auth_data", "********");
    }
    object.end()
}

fn announcing(object: &mut Object, status: &Status) {
    let config = &*status.config;
    let announcing = &config.announcing;
    object.raw("garp_delay", words::seconds(announcing.second_block));
    object.raw("garp_refresh", announcing.refresh.as_secs());
    object.raw("garp_rep", announcing.repeat);
    object.raw("garp_refresh_rep", announcing.refresh_repeat);
    let lower = announcing.lower_priority_second_block;
    object.raw("garp_lower_prio_delay", lower.as_secs());
    object.raw("garp_lower_prio_rep", announcing.lower_priority_repeat);
    object.number("lower_prio_no_advert", config.lower_prio_no_advert);
    object.number("higher_prio_send_advert", config.higher_prio_send_advert);
}

/// Who is told of its changes.
fn told(object: &mut Object, status: &Status, known: &Known) {
    let notify = known.notify(status.name.as_str());
    object.raw("smtp_alert", notify.mail);
    object.raw("notify_deleted", notify.report_deleted);
    let commands = [
        ("script_backup", &notify.backup),
        ("script_master", &notify.master),
        ("script_fault", &notify.fault),
        ("script_stop", &notify.stop),
        ("script_deleted", &notify.deleted),
        ("script", &notify.any),
        ("script_master_rx_lower_pri", &notify.lower_priority),
    ];
    for (name, command) in commands {
        object.command(name, command.as_ref());
    }
}

fn tracked(object: &mut Object, trackers: &[Tracker], known: &Known) {
    let mut interfaces = Vec::new();
    let mut scripts = Vec::new();
    let mut processes = Vec::new();
    for tracker in trackers {
        match &tracker.object {
            Tracked::Interface(name) => interfaces.push(name.to_string()),
            Tracked::Script(name) => {
                let script = known.tracking.scripts.get(name.as_str());
                scripts.extend(script.map(|script| words::command(&script.command)));
            }
            Tracked::Process(name) => processes.push(name.to_string()),
            Tracked::File(_) | Tracked::Bfd(_) => {}
        }
    }
    object.list("track_ifp", interfaces);
    object.list("track_script", scripts);
    object.list("track_process", processes);
}

fn processes(engine: &Engine, known: &Known) -> impl Iterator<Item = String> {
    engine.processes().filter_map(|(name, run)| {
        let which = known.tracking.processes.get(name.as_str())?;
        let rule = run.rule();
        let mut object = Object::new();
        object.text("process", &which.path);
        if !which.parameters.is_empty() {
            object.text("parameters", &which.parameters.join(" "));
        }
        object.text("param_match", match_word(which.parameter_match));
        object.raw("min_processes", rule.quorum);
        if rule.quorum_max != u32::MAX {
            object.raw("max_processes", rule.quorum_max);
        }
        object.raw("current_processes", run.count());
        let good = run.condition() == Condition::Good;
        object.raw("have_quorum", good);
        let weight = which.weight.value;
        object.raw("weight", if which.weight.reverse { -weight } else { weight });
        object.raw("terminate_delay", words::seconds(rule.terminate_delay));
        object.raw("fork_delay", words::seconds(rule.fork_delay));
        let waits = run.deadline().is_some();
        object.raw("fork_delay_timer_running", waits && !good);
        object.raw("terminate_delay_timer_running", waits && good);
        object.raw("full_command", which.full_command);
        Some(object.end())
    })
}

/// The word of `param_match`.
pub(super) const fn match_word(way: ParameterMatch) -> &'static str {
    match way {
        ParameterMatch::None => "none",
        ParameterMatch::Exact => "exact",
        ParameterMatch::Partial => "partial",
        ParameterMatch::Initial => "initial",
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            '\u{8}' => out.push_str("\\b"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
