//! Static items and `track_group`: which instances look at the interfaces of which static addresses, routes and rules.
//!
//! The groups and what is tied to them are gathered while the file is read; who is meant is found out when all instances
//! are known.

use super::Lowering;
use super::instance::InstanceDraft;
use super::words::{Dropped, Words};
use crate::diagnostic::Class;
use crate::tree::Statement;
use base::{Family, IfName};
use std::collections::{BTreeMap, HashMap};
use vrrp::config::Statics;

type Line<'s, 't> = &'s Statement<'t>;

/// What static blocks and track groups said.
#[derive(Debug, Default)]
pub(crate) struct StaticDraft {
    pub(crate) items: Statics,
    /// The instances of each group.
    groups: BTreeMap<String, Vec<String>>,
    /// The group that is being read.
    open: Option<String>,
    /// Interfaces tied to a group.
    tied: Vec<(String, Vec<IfName>)>,
    /// The preferences the next rules without one get, by family.
    preferences: [Option<u32>; 2],
}

impl StaticDraft {
    /// The instances of `group`, if there is one, look at these interfaces.
    pub(crate) fn tie(&mut self, group: Option<String>, interfaces: Vec<IfName>) {
        if let Some(group) = group {
            self.tied.push((group, interfaces));
        }
    }
}

/// `track_group NAME {`.
pub(crate) fn open(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(name) = line.word(1) else {
        low.error(
            line,
            0,
            "track-group",
            "track_group must have a name - skipping".to_owned(),
        );
        return low.refuse_block();
    };
    if low.statics.groups.contains_key(name) {
        low.error(line, 1, "track-group", format!("track_group {name} already defined"));
        return low.refuse_block();
    }
    low.has_vrrp = true;
    low.statics.groups.insert(name.to_owned(), Vec::new());
    low.statics.open = Some(name.to_owned());
}

/// The end of `track_group`.
pub(crate) fn close(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(name) = low.statics.open.take() else { return };
    if low.statics.groups.get(&name).is_some_and(Vec::is_empty) {
        let text = format!("Warning - track group {name} has empty group block");
        low.say(line, 0, Class::Error, "track-group", text);
    }
}

/// `group {`.
pub(crate) fn group(_: &mut Lowering<'_>, _: Line<'_, '_>) {}

/// Names of instances.
pub(crate) fn member(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(open) = &low.statics.open else { return };
    if let Some(members) = low.statics.groups.get_mut(open) {
        members.extend(line.from(0).map(str::to_owned));
    }
}

impl Lowering<'_> {
    /// The value of an option `track_group`: one that is not there yet ties to nothing.
    pub(crate) fn track_group(&mut self, words: &mut Words<'_, '_>) -> Result<Option<String>, Dropped> {
        let name = words.value(self)?;
        if self.statics.groups.contains_key(name) {
            return Ok(Some(name.to_owned()));
        }
        words.complain(self, "track-group", format!("track_group {name} not found"));
        Ok(None)
    }

    /// The preference of the next rule without one.
    pub(crate) fn next_preference(&mut self, family: Family, first: u32) -> u32 {
        let [v4, v6] = &mut self.statics.preferences;
        let next = match family {
            Family::V4 => v4,
            Family::V6 => v6,
        };
        let preference = next.unwrap_or(first);
        *next = Some(preference.saturating_sub(1));
        preference
    }

    /// Gives each instance the interfaces that its track groups tie it to. Says what is wrong only if upstream would have
    /// been `reached` by then.
    pub(crate) fn resolve_track_groups(&mut self, instances: &mut [InstanceDraft], reached: bool) {
        let places: HashMap<String, usize> = instances
            .iter()
            .enumerate()
            .map(|(place, instance)| (instance.name.clone(), place))
            .collect();
        let groups = std::mem::take(&mut self.statics.groups);
        let tied = std::mem::take(&mut self.statics.tied);
        for (group, members) in groups.iter().filter(|_| reached) {
            for member in members.iter().filter(|member| !places.contains_key(*member)) {
                let text = format!("vrrp instance {member} specified in track group {group} doesn't exist - ignoring");
                self.say_at(None, false, Class::Error, "track-group", text);
            }
        }
        for (group, interfaces) in tied {
            let members = groups.get(&group).into_iter().flatten();
            for place in members.filter_map(|member| places.get(member)) {
                let Some(instance) = instances.get_mut(*place) else {
                    continue;
                };
                for name in &interfaces {
                    if !instance.draft.static_interfaces.contains(name) {
                        instance.draft.static_interfaces.push(*name);
                    }
                }
            }
        }
    }
}
