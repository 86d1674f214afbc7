//! The data file: everything that is known of instances, groups and what is tracked, a line each.

use super::{Known, Now, json, words};
use crate::log::date::Date;
use ::vrrp::config::{Auth, Config, Delivery, Name, Preempt, Tracked, Version, VirtualAddress};
use ::vrrp::engine::{Engine, GroupStatus, Status};
use ::vrrp::track::Condition;
use base::Family;
use conf::model::{Command, Notify};
use std::fmt::{Display, Write as _};

/// Lines under a title.
struct Page(String);

impl Page {
    fn new(title: &str) -> Page {
        Page(format!("------< {title} >------\n"))
    }

    fn head(&mut self, name: &str, value: impl Display) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, " {name} = {value}");
    }

    fn line(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.0, "   {name} = {value}");
    }

    fn switch(&mut self, name: &str, on: bool) {
        self.line(name, if on { "enabled" } else { "disabled" });
    }

    /// A title and what is under it; nothing without any.
    fn list(&mut self, title: &str, values: impl IntoIterator<Item = String>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            let _ = writeln!(self.0, "   {title}:");
        }
        for value in values {
            let _ = writeln!(self.0, "     {value}");
        }
    }

    fn command(&mut self, name: &str, command: Option<&Command>) {
        if let Some(command) = command {
            let (uid, gid) = (command.identity.uid, command.identity.gid);
            self.line(name, format_args!("{}, uid:gid {uid}:{gid}", words::command(command)));
        }
    }

    /// Nothing if there is only the title.
    fn unless_empty(self) -> String {
        if self.0.lines().count() > 1 {
            self.0
        } else {
            String::new()
        }
    }
}

/// The section of instances.
pub(super) fn instances(status: &[Status], known: &Known, now: Now) -> String {
    let mut page = Page::new("VRRP Topology");
    for one in status {
        state(&mut page, one, now);
        place(&mut page, one);
        settings(&mut page, &one.config);
        priority(&mut page, one);
        secrets(&mut page, &one.config);
        things(&mut page, one);
        tracked(&mut page, &one.config);
        told(&mut page, &one.config, &known.notify(one.name.as_str()));
    }
    page.0
}

fn state(page: &mut Page, one: &Status, now: Now) {
    page.head("VRRP Instance", &one.name);
    let version = match one.config.version {
        Version::V2 => 2,
        Version::V3 => 3,
    };
    page.line("VRRP Version", version);
    page.line("State", one.state.as_str());
    for waiting in &one.waiting {
        page.line("Waiting for", waiting);
    }
    page.line("Wantstate", one.wants().as_str());
    let since = now.wall_of(one.since);
    let date = Date::local(since).file();
    page.line("Last transition", format_args!("{} ({date})", words::exact(since)));
    if let Some(master) = one.master {
        page.line("Master router", master);
    }
    if let Some(priority) = one.master_priority {
        page.line("Master priority", priority);
    }
    page.line("Master advert int (s)", words::seconds(one.master_interval));
}

fn place(page: &mut Page, one: &Status) {
    let config = &*one.config;
    if let Some(interface) = config.interface {
        match config.base {
            Some(base) => page.line("Interface", format_args!("{interface}, vmac on {base}")),
            None => page.line("Interface", interface),
        }
    }
    if let Some(vrf) = config.vrf {
        page.line("VRF", vrf);
    }
    if let Some(source) = one.source {
        page.line("Using src_ip", source);
    }
    match &config.delivery {
        Delivery::Multicast { group } => {
            let _ = writeln!(page.0, "   Multicast address {group}");
        }
        Delivery::Unicast { peers, .. } => {
            let each = peers.iter().map(|peer| peer.address.to_string());
            page.list(&format!("Unicast Peer ({})", peers.len()), each);
        }
    }
}

fn settings(page: &mut Page, config: &Config) {
    let announcing = &config.announcing;
    page.line("Gratuitous ARP delay", words::seconds(announcing.second_block));
    page.line("Gratuitous ARP repeat", announcing.repeat);
    page.line("Gratuitous ARP refresh", announcing.refresh.as_secs());
    page.line("Gratuitous ARP refresh repeat", announcing.refresh_repeat);
    let lower = announcing.lower_priority_second_block;
    page.line("Gratuitous ARP lower priority delay", words::seconds(lower));
    page.line("Gratuitous ARP lower priority repeat", announcing.lower_priority_repeat);
    page.line("Down timer adverts", config.down_adverts);
    page.line(
        "Send advert after receive lower priority advert",
        !config.lower_prio_no_advert,
    );
    page.line(
        "Send advert after receive higher priority advert",
        config.higher_prio_send_advert,
    );
    page.line("Virtual Router ID", config.vrid);
    page.line("Advert interval", interval(config));
    page.switch("Accept", config.accept);
    page.switch("Preempt", config.preempt != Preempt::No);
    if let Preempt::After(delay) = config.preempt {
        page.line("Preempt delay", format_args!("{} secs", words::seconds(delay)));
    }
    page.switch("Promote_secondaries", config.promote_secondaries);
    if let Some(group) = &config.group {
        page.line("Sync group", group);
    }
}

fn interval(config: &Config) -> String {
    match config.version {
        Version::V2 => format!("{} sec", config.interval.as_secs()),
        Version::V3 => format!("{} milli-sec", config.interval.as_millis()),
    }
}

fn priority(page: &mut Page, one: &Status) {
    page.line("Priority", one.config.priority);
    page.line("Effective priority", one.priority);
    // Base and parts come to the effective priority, within 1 to 254.
    for part in &one.sum.parts {
        let text = format!("{}, {}: {}, {}", part.object, part.weight, part.condition, part.share);
        page.line("  Tracked", text);
    }
}

/// The kind of authentication; never the secret.
fn secrets(page: &mut Page, config: &Config) {
    let (kind, is_secret) = match &config.auth {
        Auth::None => ("none", false),
        Auth::Pass(_) => ("SIMPLE_PASSWORD", true),
        Auth::Ah(_) => ("IPSEC_AH", true),
    };
    page.line("Authentication type", kind);
    if is_secret {
        page.line("Password", "********");
    }
    if let Some(hmac) = &config.hmac {
        let keys: Vec<String> = hmac.key_ids().map(|id| id.to_string()).collect();
        page.line("Authentication extension", "HMAC-SHA-256");
        page.line("HMAC mode", hmac.mode.as_str());
        page.line("HMAC keys", keys.join(", "));
        page.line("HMAC active key", hmac.active);
        page.line("HMAC anti replay", hmac.anti_replay.as_str());
        page.line("HMAC time window (s)", hmac.window);
    }
}

/// What moves with the address.
fn things(page: &mut Page, one: &Status) {
    let config = &*one.config;
    let set = one.holds();
    let addresses = |all: &[VirtualAddress]| -> Vec<String> {
        all.iter()
            .map(|address| words::address(address, &config.links, set))
            .collect()
    };
    let title = match config.family {
        Family::V4 => "Virtual IP",
        Family::V6 => "Virtual IP6",
    };
    page.list(
        &format!("{title} ({})", config.addresses.len()),
        addresses(&config.addresses),
    );
    page.list("Virtual IP Excluded ", addresses(&config.excluded));
    page.list("Virtual Routes ", config.routes.iter().map(ToString::to_string));
    page.list("Virtual Rules ", config.rules.iter().map(ToString::to_string));
}

fn tracked(page: &mut Page, config: &Config) {
    let of = |wanted: fn(&Tracked) -> bool| -> Vec<String> {
        let chosen = config.trackers.iter().filter(|tracker| wanted(&tracker.object));
        chosen
            .map(|tracker| format!("{}, {}", tracker.object, tracker.weight))
            .collect()
    };
    page.list(
        "Tracked interfaces ",
        of(|object| matches!(object, Tracked::Interface(_))),
    );
    page.list("Tracked scripts ", of(|object| matches!(object, Tracked::Script(_))));
    page.list("Tracked files ", of(|object| matches!(object, Tracked::File(_))));
    page.list("Tracked processes ", of(|object| matches!(object, Tracked::Process(_))));
    page.list("Tracked BFDs ", of(|object| matches!(object, Tracked::Bfd(_))));
}

fn told(page: &mut Page, config: &Config, notify: &Notify) {
    page.line("Using smtp notification", if notify.mail { "yes" } else { "no" });
    page.line(
        "Notify deleted",
        if notify.report_deleted { "Deleted" } else { "Fault" },
    );
    commands(page, notify);
    page.line("Notify priority changes", config.notify_priority_changes);
}

fn commands(page: &mut Page, notify: &Notify) {
    page.command("Backup state transition script", notify.backup.as_ref());
    page.command("Master state transition script", notify.master.as_ref());
    page.command("Fault state transition script", notify.fault.as_ref());
    page.command("Stop state transition script", notify.stop.as_ref());
    page.command("Deleted state transition script", notify.deleted.as_ref());
    page.command("Master rx lower priority script", notify.lower_priority.as_ref());
    page.command("Generic state transition script", notify.any.as_ref());
}

/// The section of sync groups.
pub(super) fn groups(groups: &[GroupStatus], known: &Known) -> String {
    let mut page = Page::new("VRRP Sync groups");
    for group in groups {
        let name = &group.config.name;
        page.head("VRRP Sync Group", format_args!("{name}, {}", group.state.as_str()));
        let members: Vec<&str> = group.config.members.iter().map(Name::as_str).collect();
        page.line("Members", members.join(", "));
        if let Some(notify) = known.notify_groups.get(name.as_str()) {
            page.line("Using smtp notification", if notify.mail { "yes" } else { "no" });
            commands(&mut page, notify);
        }
    }
    page.unless_empty()
}

fn word(condition: Condition) -> String {
    match condition {
        Condition::Unknown => "INIT".to_owned(),
        Condition::Good => "GOOD".to_owned(),
        Condition::Bad => "BAD".to_owned(),
        Condition::Value(value) => value.to_string(),
    }
}

/// The section of scripts.
pub(super) fn scripts(engine: &Engine, known: &Known) -> String {
    let mut page = Page::new("VRRP Scripts");
    for (name, script) in &known.tracking.scripts {
        page.head("VRRP Script", name);
        page.line("Command", words::command(&script.command));
        page.line("Interval", format_args!("{} sec", words::seconds(script.interval)));
        page.line("Timeout", format_args!("{} sec", words::seconds(script.timeout)));
        if let Some(run) = engine.script(&Name::from(name.as_str())) {
            page.line("Rise", run.rule().rise);
            page.line("Fall", run.rule().fall);
            page.line("Status", word(run.condition()));
        }
        let identity = &script.command.identity;
        page.line("Script uid:gid", format_args!("{}:{}", identity.uid, identity.gid));
    }
    page.unless_empty()
}

/// The section of tracked processes.
pub(super) fn processes(engine: &Engine, known: &Known) -> String {
    let mut page = Page::new("VRRP Track processes");
    for (name, run) in engine.processes() {
        let Some(which) = known.tracking.processes.get(name.as_str()) else {
            continue;
        };
        let rule = run.rule();
        page.head("VRRP Track process", name);
        page.line("Process", &which.path);
        if !which.parameters.is_empty() {
            page.line("Parameters", which.parameters.join(" "));
        }
        page.line("Param match", json::match_word(which.parameter_match));
        page.line("Min processes", rule.quorum);
        if rule.quorum_max != u32::MAX {
            page.line("Max processes", rule.quorum_max);
        }
        page.line("Current processes", run.count());
        page.line("Have quorum", run.condition() == Condition::Good);
        page.line(
            "Terminate delay",
            format_args!("{}s", words::exact(rule.terminate_delay)),
        );
        page.line("Fork delay", format_args!("{}s", words::exact(rule.fork_delay)));
        page.line("Full command", which.full_command);
    }
    page.unless_empty()
}

/// The section of tracked files.
pub(super) fn files(engine: &Engine, known: &Known) -> String {
    let mut page = Page::new("Track files");
    for (name, file) in &known.tracking.files {
        page.head("Track file", name);
        page.line("File", &file.path);
        let value = engine.file(&Name::from(name.as_str()));
        page.line(
            "Status",
            value.map_or_else(|| "not read".to_owned(), |value| value.to_string()),
        );
    }
    page.unless_empty()
}

/// The section of BFD sessions.
pub(super) fn sessions<'a>(known: impl Iterator<Item = (&'a str, bool)>) -> String {
    let mut page = Page::new("VRRP Track BFDs");
    for (name, up) in known {
        page.line(&format!("BFD session {name}"), if up { "UP" } else { "DOWN" });
    }
    page.unless_empty()
}
