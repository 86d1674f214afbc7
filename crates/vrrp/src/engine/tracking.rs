//! What the engine knows of tracked objects, and who has to hear of it.
//!
//! Decides which instances a result concerns and keeps the timers of delayed changes. What a condition is worth is
//! [`crate::track`]'s; what follows from it is found out where preconditions are looked at.

use super::Engine;
use super::interfaces::{Interface, Interfaces};
use super::slots::Slot;
use crate::action::Action;
use crate::config::{Name, Objects, Tracked};
use crate::event::Level;
use crate::track::{Condition, LinkRun, Outcome, ProcessRun, ScriptRun};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use base::{IfName, Instant};
use core::time::Duration;

/// The conditions of everything that is tracked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    objects: Objects,
    scripts: BTreeMap<Name, ScriptRun>,
    files: BTreeMap<Name, Option<i32>>,
    processes: BTreeMap<Name, ProcessRun>,
    sessions: BTreeMap<Name, bool>,
    /// Links whose changes are delayed, while they exist.
    links: BTreeMap<IfName, LinkRun>,
}

impl Conditions {
    /// The tracked processes by name.
    pub(crate) fn processes(&self) -> impl Iterator<Item = (&Name, &ProcessRun)> {
        self.processes.iter()
    }

    /// A script by name.
    pub(crate) fn script(&self, name: &Name) -> Option<&ScriptRun> {
        self.scripts.get(name)
    }

    /// The number in a file.
    pub(crate) fn file(&self, name: &Name) -> Option<i32> {
        self.files.get(name).copied().flatten()
    }

    /// Whether a link counts as up.
    pub(crate) fn is_up(&self, interface: &Interface) -> bool {
        let delayed = self.links.get(&interface.name);
        delayed.map_or_else(|| interface.is_up(), LinkRun::is_up)
    }

    /// What is known of an object.
    pub(crate) fn of(&self, object: &Tracked, interfaces: &Interfaces) -> Condition {
        let judge = |good: bool| if good { Condition::Good } else { Condition::Bad };
        match object {
            Tracked::Interface(name) => judge(interfaces.get(name).is_some_and(|link| self.is_up(link))),
            Tracked::Script(name) => self.scripts.get(name).map_or(Condition::Unknown, ScriptRun::condition),
            Tracked::File(name) => {
                let value = self.files.get(name).copied().flatten();
                value.map_or(Condition::Unknown, Condition::Value)
            }
            Tracked::Process(name) => self
                .processes
                .get(name)
                .map_or(Condition::Unknown, ProcessRun::condition),
            // A session of which nothing was heard is not up.
            Tracked::Bfd(name) => judge(self.sessions.get(name).copied().unwrap_or(false)),
        }
    }

    /// The link is gone: another one of its name begins anew.
    pub(crate) fn forget_link(&mut self, name: IfName) {
        self.links.remove(&name);
    }

    /// When a delayed change will count.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let links = self.links.values().filter_map(LinkRun::deadline);
        let processes = self.processes.values().filter_map(ProcessRun::deadline);
        links.chain(processes).min()
    }

    /// Takes over the objects of a model; what did not change keeps its condition. Gives those whose condition changed.
    fn configure(&mut self, now: Instant, objects: Objects) -> BTreeSet<Tracked> {
        let mut changed = BTreeSet::new();
        let mut old = core::mem::take(&mut self.scripts);
        for (name, rule) in &objects.scripts {
            let before = old.remove(name).filter(|run| run.rule().runs == rule.runs);
            let run = match before {
                Some(mut run) => {
                    if run.rule() != rule {
                        run.set_rule(rule.clone());
                    }
                    run
                }
                None => {
                    changed.insert(Tracked::Script(name.clone()));
                    ScriptRun::new(rule.clone())
                }
            };
            self.scripts.insert(name.clone(), run);
        }
        self.files.retain(|name, _| objects.files.contains(name));
        let mut old = core::mem::take(&mut self.processes);
        for (name, rule) in &objects.processes {
            let mut run = old.remove(name).unwrap_or_else(|| ProcessRun::new(*rule));
            if run.set_rule(now, *rule) {
                changed.insert(Tracked::Process(name.clone()));
            }
            self.processes.insert(name.clone(), run);
        }
        self.links.retain(|name, _| objects.delays.contains_key(name));
        for (name, link) in &mut self.links {
            if let Some(delays) = objects.delays.get(name) {
                link.set_delays(*delays);
            }
        }
        self.objects = objects;
        changed
    }
}

impl Engine {
    /// Takes over what a model tracks. Gives the objects whose condition changed by it.
    pub(super) fn configure_conditions(&mut self, now: Instant, objects: Objects) -> BTreeSet<Tracked> {
        if objects == self.conditions.objects {
            return BTreeSet::new();
        }
        let changed = self.conditions.configure(now, objects);
        for name in self.conditions.objects.delays.keys() {
            if let Some(interface) = self.interfaces.get(name)
                && !self.conditions.links.contains_key(name)
                && let Some(delays) = self.conditions.objects.delays.get(name)
            {
                let run = LinkRun::new(*delays, interface.is_up());
                self.conditions.links.insert(*name, run);
            }
        }
        changed
    }

    /// Whether nothing is known yet of a script that the model has.
    pub fn awaits_script(&self, name: &Name) -> bool {
        let run = self.conditions.scripts.get(name);
        run.is_some_and(ScriptRun::awaits_result)
    }

    /// A run of a script has ended.
    pub(super) fn script_finished(&mut self, now: Instant, name: Name, outcome: Outcome, out: &mut Vec<Action>) {
        let Some(run) = self.conditions.scripts.get_mut(&name) else {
            // It was asked for by an earlier model.
            return;
        };
        if let Some(status) = run.new_status(outcome) {
            let text = format!("Script `{name}` now returning {status}");
            Engine::tell(None, Level::Info, text, out);
        }
        if !run.finished(outcome) {
            return;
        }
        Engine::tell(None, Level::Info, format!("VRRP_Script({name}) {outcome}"), out);
        self.condition_changed(now, &Tracked::Script(name), out);
    }

    /// A file holds this number.
    pub(super) fn file_value(&mut self, now: Instant, name: Name, value: i32, out: &mut Vec<Action>) {
        if !self.conditions.objects.files.contains(&name) {
            return;
        }
        if self.conditions.files.insert(name.clone(), Some(value)) != Some(Some(value)) {
            self.condition_changed(now, &Tracked::File(name), out);
        }
    }

    /// So many processes of a tracker run.
    pub(super) fn process_count(&mut self, now: Instant, name: Name, count: u32, out: &mut Vec<Action>) {
        if let Some(run) = self.conditions.processes.get_mut(&name)
            && run.counted(now, count)
        {
            self.quorum_changed(now, name, out);
        }
    }

    fn quorum_changed(&mut self, now: Instant, name: Name, out: &mut Vec<Action>) {
        let run = self.conditions.processes.get(&name);
        let gained = run.is_some_and(|run| run.condition() == Condition::Good);
        let word = if gained { "gained" } else { "lost" };
        let text = format!("Quorum {word} for tracked process {name}");
        Engine::tell(None, Level::Info, text, out);
        self.condition_changed(now, &Tracked::Process(name), out);
    }

    /// A BFD session is up or not.
    pub(super) fn session_state(&mut self, now: Instant, name: Name, up: bool, out: &mut Vec<Action>) {
        // Kept even if nobody tracks it: a reload may begin to, and what is known then must not count as down.
        let before = self.conditions.sessions.insert(name.clone(), up);
        if before == Some(up) || !self.conditions.objects.sessions.contains(&name) {
            return;
        }
        let word = if up { "UP" } else { "DOWN" };
        let object = Tracked::Bfd(name);
        for slot in self.watchers.get(&object).into_iter().flatten() {
            if let Some(instance) = self.instances.get(*slot) {
                let (whose, session) = (&instance.config.name, object.name());
                let text = format!("VRRP_Instance({whose}) Tracked BFD instance {session} is {word}");
                Engine::tell(None, Level::Info, text, out);
            }
        }
        self.condition_changed(now, &object, out);
    }

    /// The kernel says something new of a link. True if it counts as something else now.
    pub(super) fn link_changed(&mut self, now: Instant, name: IfName) {
        let Some(delays) = self.conditions.objects.delays.get(&name).copied() else {
            return;
        };
        let Some(up) = self.interfaces.get(&name).map(Interface::is_up) else {
            return;
        };
        let longest = self.longest_down_delay(name);
        match self.conditions.links.get_mut(&name) {
            Some(link) => {
                link.observe(now, up, longest);
            }
            None => {
                self.conditions.links.insert(name, LinkRun::new(delays, up));
            }
        }
    }

    /// A link that is down may count as up only so long that no advert is missed by its being delayed.
    fn longest_down_delay(&self, name: IfName) -> Option<Duration> {
        let slots = self.dependants.get(&name).into_iter().flatten();
        let instances = slots.filter_map(|slot| self.instances.get(*slot));
        let longest = instances.map(|instance| {
            let interval = instance.election.master_interval();
            let adverts = u32::from(instance.config.down_adverts).saturating_sub(1);
            (interval * adverts).saturating_sub(interval / 256)
        });
        longest.min()
    }

    /// Lets delayed changes count whose time has come.
    pub(super) fn elapse(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.conditions.deadline().is_none_or(|at| now < at) {
            return;
        }
        let links = self.conditions.links.iter_mut();
        let links: Vec<IfName> = links
            .filter_map(|(name, link)| link.elapse(now).then_some(*name))
            .collect();
        let processes = self.conditions.processes.iter_mut();
        let processes: Vec<Name> = processes
            .filter_map(|(name, run)| run.elapse(now).then(|| name.clone()))
            .collect();
        for name in links {
            for slot in self.dependants.get(&name).cloned().unwrap_or_default() {
                self.survey(now, slot, out);
            }
        }
        for name in processes {
            self.quorum_changed(now, name, out);
        }
    }

    /// Whoever tracks an object looks again.
    fn condition_changed(&mut self, now: Instant, object: &Tracked, out: &mut Vec<Action>) {
        for slot in self.watchers_of(object) {
            self.survey(now, slot, out);
        }
    }

    /// Who tracks an object.
    pub(super) fn watchers_of(&self, object: &Tracked) -> Vec<Slot> {
        self.watchers.get(object).cloned().unwrap_or_default()
    }
}
