//! The rules between instances, sync groups and what is tracked, applied in upstream's order
//! (`spec/vrrp-behaviour.md` 7, 8).
//!
//! Decides which groups exist and who is in them, and which trackers an instance ends up with: its own, less those whose
//! weight its group or its ownership forbids, and those of its group. Does not know where in a file something stood, nor
//! the state anything is in.

use super::{Finding, Weight as Gravity};
use crate::config::{Config, Group, Name, Tracked, Tracker, Wanted, Weight};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What the block of a sync group said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDraft {
    /// Its name.
    pub name: Name,
    /// `group`, in the order of the file.
    pub members: Vec<Name>,
    /// `track_*` of the group.
    pub trackers: Vec<Tracker>,
    /// `sync_group_tracking_weight`: members may have weighted trackers of their own.
    pub tracking_weight: bool,
    /// `notify_priority_changes`: the default of its members.
    pub notify_priority_changes: Option<bool>,
    /// `smtp_alert`.
    pub smtp_alert: Option<bool>,
}

impl GroupDraft {
    /// A group of which only the name is known.
    pub fn new(name: Name) -> GroupDraft {
        GroupDraft {
            name,
            members: Vec::new(),
            trackers: Vec::new(),
            tracking_weight: false,
            notify_priority_changes: None,
            smtp_alert: None,
        }
    }
}

/// Whose block a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// An instance.
    Instance(Name),
    /// A sync group.
    Group(Name),
}

/// A finding about one of several blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Whose.
    pub about: About,
    /// Upstream says it only when it starts, not when it checks a file.
    pub at_start: bool,
    /// What.
    pub finding: Finding,
}

/// What became of the groups and of the trackers of the instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// The groups that have members.
    pub groups: BTreeMap<Name, Arc<Group>>,
    /// Every object that is tracked by somebody.
    pub used: BTreeSet<Tracked>,
    /// What was corrected or refused, in the order it was noticed.
    pub remarks: Vec<Remark>,
}

/// Joins instances and groups; `order` is the order of the instances in the file. `defaults_to` names the instances that
/// said nothing about `notify_priority_changes`: their group decides.
pub fn join(
    configs: &mut BTreeMap<Name, Config>,
    order: &[Name],
    groups: Vec<GroupDraft>,
    defaults_to: &BTreeSet<Name>,
) -> Joined {
    let mut joiner = Joiner {
        configs,
        joined: Joined::default(),
    };
    let groups: Vec<GroupDraft> = groups.into_iter().filter_map(|draft| joiner.form(draft)).collect();
    let tracking: BTreeMap<&Name, bool> = groups.iter().map(|g| (&g.name, g.tracking_weight)).collect();
    for name in order {
        joiner.own_trackers(name, &tracking);
    }
    for group in &groups {
        let trackers = joiner.without_owner_weights(group);
        for tracker in &trackers {
            joiner.give(group, tracker);
        }
        joiner.lower_wanted(group);
        let Some(notify) = group.notify_priority_changes else {
            continue;
        };
        for member in group.members.iter().filter(|member| defaults_to.contains(*member)) {
            if let Some(config) = joiner.configs.get_mut(member) {
                config.notify_priority_changes = notify;
            }
        }
    }
    let used = joiner.configs.values().flat_map(|config| &config.trackers);
    joiner.joined.used = used.map(|tracker| tracker.object.clone()).collect();
    joiner.joined
}

struct Joiner<'a> {
    configs: &'a mut BTreeMap<Name, Config>,
    joined: Joined,
}

impl Joiner<'_> {
    /// A group with the members it really has; `None` without any.
    fn form(&mut self, mut draft: GroupDraft) -> Option<GroupDraft> {
        let name = draft.name.clone();
        if draft.members.is_empty() {
            self.of_group(
                &name,
                "vrrp_sync_group",
                format!("Sync group {name} has no virtual router(s). removing"),
            );
            return None;
        }
        let mut members = Vec::new();
        for member in core::mem::take(&mut draft.members) {
            let text = match self.configs.get_mut(&member) {
                None => format!("Virtual router {member} specified in sync group {name} doesn't exist - ignoring"),
                Some(config) if config.group.is_some() => {
                    format!("Virtual router {member} cannot exist in more than one sync group; ignoring {name}")
                }
                Some(config) => {
                    config.group = Some(name.clone());
                    members.push(member);
                    continue;
                }
            };
            self.of_group(&name, "group", text);
        }
        match members.len() {
            0 => {
                let text =
                    format!("Sync group {name}, no matching virtual router found in group declaration - removing");
                self.of_group(&name, "group", text);
                return None;
            }
            1 => {
                let text =
                    format!("Sync group {name} has only 1 virtual router(s) - this probably isn't what you want");
                self.of_group(&name, "group", text);
            }
            _ => {}
        }
        let owners = members.iter().filter(|member| self.is_owner(member)).count();
        if owners > 0 && owners < members.len() {
            let text = format!(
                "Sync group {name} has some member(s) as address owner and some not as address owner. This won't work."
            );
            self.remark(About::Group(name.clone()), "group", Gravity::Note, true, text);
        }
        let group = Group {
            name: name.clone(),
            members: members.clone(),
            smtp_alert: draft.smtp_alert,
        };
        self.joined.groups.insert(name, Arc::new(group));
        draft.members = members;
        Some(draft)
    }

    /// What an instance tracks by itself.
    fn own_trackers(&mut self, name: &Name, tracking: &BTreeMap<&Name, bool>) {
        let Some(config) = self.configs.get_mut(name) else {
            return;
        };
        let owner = config.priority.is_owner();
        let in_group = config.group.as_ref().and_then(|group| tracking.get(group));
        let forbidden = if owner {
            Some(Forbidden::Owner)
        } else {
            in_group.filter(|allowed| !**allowed).map(|_| Forbidden::Group)
        };
        let own = config.interface;
        let mut trackers = core::mem::take(&mut config.trackers);
        trackers.sort_by_key(|tracker| rank(&tracker.object));
        let mut kept = Vec::new();
        for tracker in trackers {
            if let Tracked::Interface(interface) = tracker.object
                && own == Some(interface)
            {
                let text = format!("({name}) Ignoring track_interface {interface} since own interface");
                self.of_instance(name, "track_interface", text);
                continue;
            }
            match forbidden.filter(|_| !tracker.weight.is_fault()) {
                None => kept.push(tracker),
                Some(why) => kept.extend(self.unweighted(name, tracker, why)),
            }
        }
        if let Some(config) = self.configs.get_mut(name) {
            config.trackers = kept;
        }
    }

    /// A weighted tracker where weights are forbidden: without its weight, or not at all.
    fn unweighted(&mut self, name: &Name, tracker: Tracker, why: Forbidden) -> Option<Tracker> {
        let (object, weight) = (tracker.object.name(), tracker.weight.value);
        let reason = why.reason();
        let (keyword, text, stays) = match (&tracker.object, why) {
            (Tracked::Interface(_), Forbidden::Owner) => (
                "track_interface",
                format!("({name}) ignoring {object} tracked interface due to address owner"),
                false,
            ),
            (Tracked::Interface(_), Forbidden::Group) => (
                "track_interface",
                format!("({name}) ignoring {object} tracked interface weight due to SYNC group"),
                true,
            ),
            (Tracked::Script(_), _) => (
                "track_script",
                format!("({name}) ignoring tracked script {object} with weights due to {reason}"),
                false,
            ),
            // The weight that nobody chose.
            (Tracked::File(_), _) if weight == 1 => (
                "track_file",
                format!("({name}) ignoring weight from tracked file {object} due to {reason}. specify weight 0"),
                true,
            ),
            (Tracked::File(_), _) => (
                "track_file",
                format!("({name}) ignoring tracked file {object} with weight {weight} due to {reason}"),
                false,
            ),
            (Tracked::Bfd(_), _) => (
                "track_bfd",
                format!("({name}) ignoring tracked bfd {object} with weight {weight} due to {reason}"),
                false,
            ),
            // Upstream has no rule for processes: their weight counts, except that the priority of an owner never changes.
            (Tracked::Process(_), _) => return Some(tracker),
        };
        self.of_instance(name, keyword, text);
        stays.then_some(Tracker {
            weight: Weight {
                value: 0,
                ..tracker.weight
            },
            ..tracker
        })
    }

    /// The trackers of a group; with an owner among its members they have no weights.
    fn without_owner_weights(&mut self, group: &GroupDraft) -> Vec<Tracker> {
        let mut trackers = group.trackers.clone();
        if !group.members.iter().any(|member| self.is_owner(member)) {
            return trackers;
        }
        // Interfaces last, as upstream says it.
        trackers.sort_by_key(|tracker| {
            let interface = matches!(tracker.object, Tracked::Interface(_));
            (interface, rank(&tracker.object))
        });
        for tracker in trackers.iter_mut().filter(|tracker| !tracker.weight.is_fault()) {
            tracker.weight.value = 0;
            let (kind, object) = (tracker.object.kind(), tracker.object.name());
            let end = match tracker.object {
                Tracked::Interface(_) | Tracked::Script(_) => "clearing weight",
                Tracked::File(_) | Tracked::Process(_) | Tracked::Bfd(_) => "setting weight 0",
            };
            let text = format!(
                "({}) Cannot have weighted track {kind} '{object}' with member having priority 255 - {end}",
                group.name
            );
            self.of_group(&group.name, keyword_of(&tracker.object), text);
        }
        trackers
    }

    /// Every member tracks what its group tracks.
    fn give(&mut self, group: &GroupDraft, tracker: &Tracker) {
        for member in &group.members {
            let Some(config) = self.configs.get_mut(member) else {
                continue;
            };
            if let Tracked::Interface(interface) = tracker.object
                && config.interface == Some(interface)
                && config.track_interface
            {
                continue;
            }
            let Some(known) = config.trackers.iter_mut().find(|own| own.object == tracker.object) else {
                config.trackers.push(tracker.clone());
                continue;
            };
            if !known.weight.is_fault() {
                known.weight = tracker.weight;
            }
            let (keyword, object) = (keyword_of(&tracker.object), tracker.object.name());
            let about = About::Instance(member.clone());
            let text = format!("({member}) {keyword} {object} is configured on VRRP instance and sync group. Remove");
            match tracker.object {
                Tracked::Interface(_) => {
                    let text = format!("{text} vrrp instance or sync group config");
                    self.remark(about, keyword, Gravity::Error, false, text);
                }
                Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) | Tracked::Bfd(_) => {
                    let text = format!("{text} vrrp instance config");
                    self.remark(about, keyword, Gravity::Note, true, text);
                }
            }
        }
    }

    /// Only a group of owners that all want it begins as master.
    fn lower_wanted(&mut self, group: &GroupDraft) {
        let all = group.members.iter().all(|member| {
            let config = self.configs.get(member);
            config.is_some_and(|config| config.priority.is_owner() && config.wanted == Wanted::Master)
        });
        if all {
            return;
        }
        for member in &group.members {
            if let Some(config) = self.configs.get_mut(member) {
                config.wanted = Wanted::Backup;
            }
        }
    }

    fn is_owner(&self, name: &Name) -> bool {
        self.configs.get(name).is_some_and(|config| config.priority.is_owner())
    }

    fn of_group(&mut self, name: &Name, keyword: &'static str, text: String) {
        self.remark(About::Group(name.clone()), keyword, Gravity::Error, false, text);
    }

    fn of_instance(&mut self, name: &Name, keyword: &'static str, text: String) {
        self.remark(About::Instance(name.clone()), keyword, Gravity::Error, false, text);
    }

    fn remark(&mut self, about: About, keyword: &'static str, weight: Gravity, at_start: bool, text: String) {
        let finding = Finding {
            keyword,
            entry: None,
            weight,
            text,
        };
        self.joined.remarks.push(Remark {
            about,
            at_start,
            finding,
        });
    }
}

/// Why a weight cannot count.
#[derive(Clone, Copy)]
enum Forbidden {
    Owner,
    Group,
}

impl Forbidden {
    const fn reason(self) -> &'static str {
        match self {
            Forbidden::Owner => "address_owner",
            Forbidden::Group => "SYNC group",
        }
    }
}

/// Upstream works through one kind after the other.
const fn rank(object: &Tracked) -> u8 {
    match object {
        Tracked::Interface(_) => 0,
        Tracked::Script(_) => 1,
        Tracked::File(_) => 2,
        Tracked::Process(_) => 3,
        Tracked::Bfd(_) => 4,
    }
}

/// The keyword that tracks an object.
const fn keyword_of(object: &Tracked) -> &'static str {
    match object {
        Tracked::Interface(_) => "track_interface",
        Tracked::Script(_) => "track_script",
        Tracked::File(_) => "track_file",
        Tracked::Process(_) => "track_process",
        Tracked::Bfd(_) => "track_bfd",
    }
}

#[cfg(test)]
mod tests;
