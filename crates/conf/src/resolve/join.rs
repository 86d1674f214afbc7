//! Joins what stands in different blocks: instances, sync groups, and what they track.
//!
//! The rules are [`vrrp::draft::join`]'s; here they get their positions, and what nobody tracks is left out.

use super::found;
use crate::diagnostic::Class;
use crate::lower::Lowering;
use crate::lower::instance::InstanceDraft;
use crate::lower::tracker::GroupBlock;
use crate::model::{Listing, TrackProcess, Tracking};
use crate::source::Mark;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vrrp::config::{Config, Group, Name, Objects, Script, Tracked, Tracker, Wanted};
use vrrp::draft::{About, Finding, Remark, Weight, join as join_all};

/// What came of it.
pub(super) struct Joined {
    pub(super) groups: BTreeMap<Name, Arc<Group>>,
    pub(super) objects: Objects,
    pub(super) tracking: Tracking,
    pub(super) listing: Listing,
}

/// Joins everything; `configs` get their groups and trackers.
pub(super) fn join(
    low: &mut Lowering<'_>,
    drafts: &[InstanceDraft],
    configs: &mut BTreeMap<Name, Config>,
    reached: bool,
) -> Joined {
    let open = low.group.take();
    let blocks: Vec<GroupBlock> = std::mem::take(&mut low.groups).into_iter().chain(open).collect();
    let order: Vec<Name> = drafts.iter().map(|draft| Name::from(draft.name.as_str())).collect();
    let silent = drafts
        .iter()
        .filter(|draft| draft.draft.notify_priority_changes.is_none());
    let silent: BTreeSet<Name> = silent.map(|draft| Name::from(draft.name.as_str())).collect();
    let groups = blocks.iter().map(|block| block.draft.clone()).collect();
    let masters = configs.values().filter(|config| config.wanted == Wanted::Master);
    let masters = masters.map(|config| config.name.clone()).collect();
    let joined = join_all(configs, &order, groups, &silent);
    // Upstream goes no further without its interfaces, without a parameter, or after an instance that cannot run.
    if reached {
        for remark in joined.remarks {
            say(low, drafts, &blocks, remark);
        }
        unused(low, &joined.used);
    }
    let objects = objects(low, &joined.used);
    let mut listing = listing(low, &joined.used, &blocks, &joined.groups);
    listing.masters = masters;
    listing.servers = low.order_of_servers();
    listing.instances = order.into_iter().filter(|name| configs.contains_key(name)).collect();
    let tracking = tracking(low, &joined.used);
    Joined {
        listing,
        groups: joined.groups,
        objects,
        tracking,
    }
}

fn say(low: &mut Lowering<'_>, drafts: &[InstanceDraft], blocks: &[GroupBlock], remark: Remark) {
    if remark.at_start && low.facts.checking {
        return;
    }
    match remark.about {
        About::Instance(name) => {
            let draft = drafts.iter().find(|draft| draft.name == name.as_str());
            if let Some(draft) = draft {
                found(low, draft, remark.finding);
            }
        }
        About::Group(name) => {
            let block = blocks.iter().find(|block| block.draft.name == name);
            let at = block.map(|block| place(block, remark.finding.keyword));
            told(low, at, remark.finding);
        }
    }
}

/// Where a group has a keyword, or begins.
fn place(block: &GroupBlock, keyword: &str) -> Mark {
    let given = block.marks.iter().rev().find(|(name, _)| *name == keyword);
    given.map_or(block.at, |(_, mark)| *mark)
}

fn told(low: &mut Lowering<'_>, at: Option<Mark>, finding: Finding) {
    let class = match finding.weight {
        Weight::Note => Class::Notice,
        Weight::Error => Class::Error,
        Weight::Fatal => Class::Unusable,
    };
    low.say_at(at, false, class, super::code(finding.keyword), finding.text);
}

/// A script that nobody tracks is never run.
fn unused(low: &mut Lowering<'_>, used: &BTreeSet<Tracked>) {
    if low.facts.checking {
        return;
    }
    let idle = low.tracking.scripts.iter();
    let idle = idle.filter(|(name, _)| !used.contains(&Tracked::Script(Name::from(name.as_str()))));
    let idle: Vec<(String, Mark)> = idle.map(|(name, script)| (name.clone(), script.at)).collect();
    for (name, at) in idle {
        let text = format!("Warning - script {name} is not used");
        low.say_at(Some(at), false, Class::Notice, "track-script", text);
    }
}

/// How conditions count, of what is tracked.
fn objects(low: &Lowering<'_>, used: &BTreeSet<Tracked>) -> Objects {
    let mut objects = Objects {
        delays: low.tracking.delays.clone(),
        ..Objects::default()
    };
    for object in used {
        match object {
            Tracked::Interface(_) => {}
            Tracked::Script(name) => {
                if let Some(draft) = low.tracking.scripts.get(name.as_str()) {
                    let script = Script {
                        rise: draft.rise,
                        fall: draft.fall,
                        init_fail: draft.init_fail,
                        runs: format!("{:?}", draft.run.command).into(),
                    };
                    objects.scripts.insert(name.clone(), script);
                }
            }
            Tracked::File(name) => {
                objects.files.insert(name.clone());
            }
            Tracked::Process(name) => {
                if let Some(draft) = low.tracking.processes.get(name.as_str()) {
                    objects.processes.insert(name.clone(), draft.count);
                }
            }
            Tracked::Bfd(name) => {
                objects.sessions.insert(name.clone());
            }
        }
    }
    objects
}

/// What lists show of groups and objects.
fn listing(
    low: &Lowering<'_>,
    used: &BTreeSet<Tracked>,
    blocks: &[GroupBlock],
    groups: &BTreeMap<Name, Arc<Group>>,
) -> Listing {
    let mut order: Vec<Name> = Vec::new();
    let mut left: BTreeSet<&Name> = groups.keys().collect();
    for block in blocks {
        if left.remove(&block.draft.name) {
            order.push(block.draft.name.clone());
        }
    }
    let weight = |object: &Tracked| {
        let drafts = &low.tracking;
        match object {
            Tracked::Interface(_) => None,
            Tracked::Script(name) => drafts.scripts.get(name.as_str()).map(|draft| draft.weight),
            Tracked::File(name) => drafts.files.get(name.as_str()).map(|file| file.weight),
            Tracked::Process(name) => drafts.processes.get(name.as_str()).map(|draft| draft.weight),
            Tracked::Bfd(name) => drafts.sessions.get(name.as_str()).copied(),
        }
    };
    let weights = used.iter().filter_map(|object| Some((object.clone(), weight(object)?)));
    Listing {
        groups: order,
        weights: weights.collect(),
        ..Listing::default()
    }
}

/// What the daemon does for it.
fn tracking(low: &mut Lowering<'_>, used: &BTreeSet<Tracked>) -> Tracking {
    let drafts = std::mem::take(&mut low.tracking);
    let tracked = |object: Tracked| used.contains(&object);
    Tracking {
        scripts: drafts
            .scripts
            .into_iter()
            .filter(|(name, _)| tracked(Tracked::Script(Name::from(name.as_str()))))
            .map(|(name, draft)| (name, draft.run))
            .collect(),
        files: drafts.files,
        processes: drafts
            .processes
            .into_iter()
            .filter(|(name, _)| tracked(Tracked::Process(Name::from(name.as_str()))))
            .map(|(name, draft)| {
                let weight = draft.weight;
                (name, TrackProcess { weight, ..draft.which })
            })
            .collect(),
        linkbeat: drafts.linkbeat,
        process_buffer: drafts.process_buffer,
    }
}

/// Takes away the scripts that cannot run, and all tracking of them: waiting for their results would never end.
pub(super) fn drop_scripts(low: &mut Lowering<'_>, configs: &mut BTreeMap<Name, Config>) {
    let disabled = low.judge_track_scripts();
    if disabled.is_empty() {
        return;
    }
    let gone = |tracker: &Tracker| match &tracker.object {
        Tracked::Script(name) => disabled.contains(name.as_str()),
        Tracked::Interface(_) | Tracked::File(_) | Tracked::Process(_) | Tracked::Bfd(_) => false,
    };
    for config in configs.values_mut() {
        config.trackers.retain(|tracker| !gone(tracker));
    }
    for group in low.groups.iter_mut().chain(low.group.as_mut()) {
        group.draft.trackers.retain(|tracker| !gone(tracker));
    }
}
