//! `track_*` blocks of instances and sync groups, and the rest of `vrrp_sync_group`.
//!
//! Decides what one line of such a block says. What of it counts in the end, with groups and owners, is decided in
//! [`vrrp::draft::join`].

use super::Lowering;
use crate::source::Mark;
use crate::tree::Statement;
use vrrp::config::{Name, Tracked, Tracker, Weight};
use vrrp::draft::GroupDraft;

type Line<'s, 't> = &'s Statement<'t>;

/// A sync group while its block is read, and where it and its keywords stand.
#[derive(Debug)]
pub(crate) struct GroupBlock {
    pub(crate) draft: GroupDraft,
    pub(crate) at: Mark,
    pub(crate) marks: Vec<(&'static str, Mark)>,
    listed: bool,
}

/// `vrrp_sync_group NAME {`.
pub(crate) fn open_group(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(name) = line.word(1) else {
        let text = "vrrp_sync_group must have a name - skipping".to_owned();
        low.error(line, 0, "sync-group", text);
        return low.refuse_block();
    };
    if low.groups.iter().any(|group| group.draft.name.as_str() == name) {
        low.error(line, 1, "sync-group", format!("vrrp sync group {name} already defined"));
        return low.refuse_block();
    }
    low.group = Some(GroupBlock {
        draft: GroupDraft::new(Name::from(name)),
        at: line.mark(1),
        marks: Vec::new(),
        listed: false,
    });
}

/// The end of `vrrp_sync_group`.
pub(crate) fn close_group(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(group) = low.group.take() else { return };
    if group.listed && group.draft.members.is_empty() {
        let text = format!("Warning - sync group {} has empty group block", group.draft.name);
        low.error(line, 0, "sync-group", text);
    }
    low.groups.push(group);
}

impl Lowering<'_> {
    /// The group whose block is open; remembers where `keyword` stands.
    fn in_group(&mut self, line: Line<'_, '_>, keyword: &'static str) -> Option<&mut GroupBlock> {
        let mark = line.mark(0);
        let group = self.group.as_mut()?;
        group.marks.push((keyword, mark));
        Some(group)
    }
}

/// `group {` of a sync group.
pub(crate) fn open_members(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(group) = low.in_group(line, "group") else {
        return;
    };
    if !group.listed {
        group.listed = true;
        return;
    }
    let text = format!("Group list already specified for sync group {}", group.draft.name);
    low.error(line, 0, "sync-group", text);
    low.refuse_block();
}

/// `INSTANCE ...` of a sync group.
pub(crate) fn members(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(group) = low.group.as_mut() {
        let words = (0..line.words.len()).filter_map(|at| line.word(at));
        group.draft.members.extend(words.map(Name::from));
    }
}

/// `global_tracking`.
pub(crate) fn global_tracking(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(group) = low.in_group(line, "sync_group_tracking_weight") else {
        return;
    };
    group.draft.tracking_weight = true;
    let text = format!(
        "({}) global_tracking is deprecated. Use track_interface/script/file on the sync group",
        group.draft.name
    );
    low.error(line, 0, "sync-group", text);
}

/// `sync_group_tracking_weight`.
pub(crate) fn tracking_weight(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(group) = low.in_group(line, "sync_group_tracking_weight") {
        group.draft.tracking_weight = true;
    }
}

/// `smtp_alert [BOOL]` of a sync group.
pub(crate) fn group_smtp_alert(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.flag(line) {
        Some(value) => {
            if let Some(group) = low.in_group(line, "smtp_alert") {
                group.draft.smtp_alert = Some(value);
            }
        }
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!("Invalid vrrp_group smtp_alert parameter {word}");
            low.error(line, 1, "boolean", text);
        }
    }
}

/// `notify_priority_changes [BOOL]` of a sync group.
pub(crate) fn group_notify_priority_changes(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match (low.flag(line), low.in_group(line, "notify_priority_changes")) {
        (Some(value), Some(group)) => group.draft.notify_priority_changes = Some(value),
        (None, Some(group)) => {
            let (name, word) = (group.draft.name.clone(), line.word(1).unwrap_or_default());
            let text = format!("({name}) Invalid value '{word}' for sync group notify_priority_changes specified");
            low.error(line, 1, "boolean", text);
        }
        (_, None) => {}
    }
}

/// `notify_priority_changes [BOOL]` of an instance.
pub(crate) fn notify_priority_changes(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.flag(line) {
        Some(value) => {
            if let Some(draft) = low.draft(line, "notify_priority_changes") {
                draft.notify_priority_changes = Some(value);
            }
        }
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!(
                "{} Invalid value '{word}' for notify_priority_changes specified",
                low.who()
            );
            low.error(line, 1, "boolean", text);
        }
    }
}

/// `linkbeat_use_polling` of an instance.
pub(crate) fn linkbeat_use_polling(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let text = format!(
        "{} 'linkbeat_use_polling' in vrrp instance deprecated - use linkbeat_interfaces block",
        low.who()
    );
    low.error(line, 0, "linkbeat", text);
    let interface = low.current().and_then(|instance| instance.draft.interface);
    if let Some(interface) = interface {
        low.tracking.linkbeat.interfaces.entry(interface).or_insert(None);
    }
}

/// The words of upstream's messages, which are not the same for each kind.
struct Words {
    keyword: &'static str,
    /// `track_script NAME`
    plain: &'static str,
    /// `unknown ... option`
    option: fn(&str) -> String,
    /// `unknown ... weight option`
    weight_option: &'static str,
    limit: i64,
    /// 254 is taken as 253.
    rounds: bool,
    range: fn(&str, &str) -> String,
}

const INTERFACE: Words = Words {
    keyword: "track_interface",
    plain: "track_interface",
    option: |name| format!("track_interface {name} option"),
    weight_option: "track_interace",
    limit: 254,
    rounds: true,
    range: |name, word| format!("weight {word} for {name} must be between [-253..253] inclusive. Ignoring..."),
};
const SCRIPT: Words = Words {
    keyword: "track_script",
    plain: "track script",
    option: |_| "track script option".to_owned(),
    weight_option: "track_script",
    limit: 254,
    rounds: true,
    range: |name, _| format!("track script {name}: weight must be between [-253..253] inclusive, ignoring..."),
};
const FILE: Words = Words {
    keyword: "track_file",
    plain: "track file",
    option: |_| "track file option".to_owned(),
    weight_option: "track file",
    limit: 254,
    rounds: false,
    range: |name, _| format!("weight for track file {name} must be in [-254..254] inclusive. Ignoring..."),
};
const PROCESS: Words = Words {
    keyword: "track_process",
    plain: "track process",
    option: |_| "track process option".to_owned(),
    weight_option: "track_process",
    limit: 254,
    rounds: false,
    range: |name, _| format!("weight for track process {name} must be in [-254..254] inclusive. Ignoring..."),
};
const BFD: Words = Words {
    keyword: "track_bfd",
    plain: "track bfd",
    option: |name| format!("track bfd {name} option"),
    weight_option: "track bfd",
    limit: 253,
    rounds: false,
    range: |name, _| format!("weight for track bfd {name} must be in [-253..253] inclusive. Ignoring..."),
};

/// Where a tracker goes: into the open group, else into the open instance.
impl Lowering<'_> {
    fn tracker_of(&self) -> String {
        match &self.group {
            Some(group) => format!("({})", group.draft.name),
            None => self.who().to_string(),
        }
    }

    fn trackers(&mut self) -> Option<&mut Vec<Tracker>> {
        match self.group.as_mut() {
            Some(group) => Some(&mut group.draft.trackers),
            None => self.instance.as_mut().map(|instance| &mut instance.draft.trackers),
        }
    }

    /// An object that is tracked: its weight unless the line has another.
    fn track(&mut self, line: Line<'_, '_>, words: &Words, object: Tracked, default: Weight) {
        let who = self.tracker_of();
        let known = self
            .trackers()
            .is_some_and(|all| all.iter().any(|t| t.object == object));
        if known {
            let text = format!("{who} duplicate {} {} - ignoring", words.keyword, object.name());
            return self.error(line, 0, "tracker", text);
        }
        let weight = self.tracker_weight(line, words, &who, object.name()).unwrap_or(default);
        if let Some(trackers) = self.trackers() {
            trackers.push(Tracker { object, weight });
        }
    }

    /// `[weight N [reverse]]`; `None` where the line gives none that counts.
    fn tracker_weight(&mut self, line: Line<'_, '_>, words: &Words, who: &str, name: &str) -> Option<Weight> {
        let option = line.word(1)?;
        if option != "weight" {
            let text = format!("{who} unknown {} {option} - ignoring", (words.option)(name));
            self.error(line, 1, "tracker", text);
            return None;
        }
        let Some(word) = line.word(2) else {
            let text = format!(
                "{who} weight without value specified for {} {name} - ignoring",
                words.plain
            );
            self.error(line, 1, "tracker", text);
            return None;
        };
        let Some(mut value) = self.signed(line, 2, -words.limit, words.limit) else {
            let text = format!("{who} {}", (words.range)(name, word));
            self.error(line, 2, "tracker", text);
            return None;
        };
        if words.rounds && value.abs() == words.limit {
            let text = format!("{who} weight for {name} cannot be +/-254. Setting to +/-253");
            self.error(line, 2, "tracker", text);
            value -= value.signum();
        }
        let reverse = match line.word(3) {
            None | Some("noreverse") => false,
            Some("reverse") => true,
            Some(other) => {
                let text = format!(
                    "{who} unknown {} {name} weight option {other} - ignoring",
                    words.weight_option
                );
                self.error(line, 3, "tracker", text);
                false
            }
        };
        Some(Weight {
            value: value as i32,
            reverse,
        })
    }

    /// Says that an object does not exist, or not yet.
    fn untracked<'n>(&mut self, line: Line<'_, '_>, plain: &str, names: impl Iterator<Item = &'n str>) {
        let word = line.word(0).unwrap_or_default();
        let hint = crate::suggest::nearest(word, names).map_or_else(
            || format!("`{word}` must be defined, and before the block that tracks it"),
            |near| format!("did you mean `{near}`?"),
        );
        let text = format!("{} {plain} {word} not found, ignoring...", self.tracker_of());
        self.error(line, 0, "tracker-unknown", text);
        if self.wants_hints() {
            self.hint(vec![hint]);
        }
    }

    /// Remembers where a block of trackers stands.
    fn open_trackers(&mut self, line: Line<'_, '_>, keyword: &'static str) {
        if self.in_group(line, keyword).is_none() {
            self.draft(line, keyword);
        }
    }
}

/// `track_interface {`.
pub(crate) fn open_interfaces(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.open_trackers(line, "track_interface");
}

/// `track_script {`.
pub(crate) fn open_scripts(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.open_trackers(line, "track_script");
}

/// `track_file {`.
pub(crate) fn open_files(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.open_trackers(line, "track_file");
}

/// `track_process {`.
pub(crate) fn open_processes(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.open_trackers(line, "track_process");
}

/// `track_bfd {`.
pub(crate) fn open_sessions(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.open_trackers(line, "track_bfd");
}

/// A line of `track_interface`.
pub(crate) fn interface(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let missing = format!(
        "{} tracked interface {} doesn't exist",
        low.tracker_of(),
        line.word(0).unwrap_or_default()
    );
    let found = low.existing_interface(line, &missing);
    low.absent_interface |= found.is_none();
    if let Some(name) = found {
        low.track(line, &INTERFACE, Tracked::Interface(name), Weight::FAULT);
    }
}

/// A line of `track_script`.
pub(crate) fn script(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = line.word(0).unwrap_or_default();
    match low.tracking.scripts.get(name).map(|script| script.weight) {
        Some(weight) => low.track(line, &SCRIPT, Tracked::Script(Name::from(name)), weight),
        None => {
            let names: Vec<String> = low.tracking.scripts.keys().cloned().collect();
            low.untracked(line, SCRIPT.plain, names.iter().map(String::as_str));
        }
    }
}

/// A line of `track_file`.
pub(crate) fn file(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = line.word(0).unwrap_or_default();
    match low.tracking.files.get(name).map(|file| file.weight) {
        Some(weight) => low.track(line, &FILE, Tracked::File(Name::from(name)), weight),
        None => {
            let names: Vec<String> = low.tracking.files.keys().cloned().collect();
            low.untracked(line, FILE.plain, names.iter().map(String::as_str));
        }
    }
}

/// A line of `track_process`.
pub(crate) fn process(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = line.word(0).unwrap_or_default();
    match low.tracking.processes.get(name).map(|process| process.weight) {
        Some(weight) => low.track(line, &PROCESS, Tracked::Process(Name::from(name)), weight),
        None => {
            let names: Vec<String> = low.tracking.processes.keys().cloned().collect();
            low.untracked(line, PROCESS.plain, names.iter().map(String::as_str));
        }
    }
}

/// A line of `track_bfd`.
pub(crate) fn session(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = line.word(0).unwrap_or_default();
    match low.tracking.sessions.get(name).copied() {
        Some(weight) => low.track(line, &BFD, Tracked::Bfd(Name::from(name)), weight),
        None => {
            let names: Vec<String> = low.tracking.sessions.keys().cloned().collect();
            low.untracked(line, BFD.plain, names.iter().map(String::as_str));
        }
    }
}
