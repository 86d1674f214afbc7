//! Who may run: preconditions, trackers and sync groups, looked at together.
//!
//! Decides when an instance begins, falls into FAULT and comes out of it, given what it waits for and what the other
//! members of its group wait for, and carries out what [`crate::group`] decides. Does not know how a precondition or a
//! condition is found out.

use super::slots::Slot;
use super::{Engine, takes_part};
use crate::action::{Action, StateName};
use crate::cause::Cause;
use crate::config::{Group, Name};
use crate::election::{Happening, State};
use crate::event::Level;
use crate::group::{self, Decision, Standing};
use crate::instance::{Instance, Place};
use crate::waiting::Waiting;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::Instant;

/// A sync group as it runs.
#[derive(Clone, Debug)]
pub(crate) struct GroupRun {
    pub(crate) config: Arc<Group>,
    /// What the outside was told last.
    pub(crate) state: StateName,
    /// That its members follow one into FAULT has been said.
    told_fault: bool,
}

impl Engine {
    /// Looks at the preconditions and trackers of an instance again and lets follow what follows, for its group too.
    pub(super) fn survey(&mut self, now: Instant, slot: Slot, out: &mut Vec<Action>) {
        let Some(place) = self.assess(now, slot, out) else {
            return;
        };
        self.enter(now, slot, place, out);
    }

    /// Lets follow what [`Engine::assess`] found.
    pub(super) fn enter(&mut self, now: Instant, slot: Slot, place: Place, out: &mut Vec<Action>) {
        self.fall(now, slot, out);
        // The farewell leaves from the old place.
        self.move_to(slot, place, out);
        self.rise(now, slot, out);
    }

    /// Finds out what an instance waits for by itself, and its priority. Nothing but the priority follows yet.
    pub(super) fn assess(&mut self, now: Instant, slot: Slot, out: &mut Vec<Action>) -> Option<Place> {
        let instance = self.instances.get(slot)?;
        let state = instance.election.state();
        match state {
            State::Stopped => return None,
            State::Init | State::Fault | State::Backup { .. } | State::Master { .. } => {}
        }
        let found = instance.survey(&self.interfaces, &self.failed_sockets, &self.conditions);
        let name = instance.config.name.clone();
        for missing in found.waiting.difference(&instance.own) {
            if missing.is_hard() || !takes_part(state) {
                Engine::tell(Some(&name), Level::Info, format!("waiting for {missing}"), out);
            }
        }
        let effective = found.sum.effective;
        let instance = self.instances.get_mut(slot)?;
        instance.own = found.waiting;
        instance.sum = found.sum;
        instance.assessed = true;
        if instance.election.effective() != effective {
            self.happen(now, slot, Happening::Priority(effective), out);
        }
        Some(found.place)
    }

    /// Everybody of the group who has to wait now begins to.
    fn fall(&mut self, now: Instant, slot: Slot, out: &mut Vec<Action>) {
        let members = self.members_of(slot);
        for member in &members {
            let waiting = self.waiting_of(*member, &members);
            let Some(instance) = self.instances.get_mut(*member) else {
                continue;
            };
            let happening = match instance.election.state() {
                State::Init if instance.assessed && waiting.iter().any(Waiting::is_hard) => Happening::Start {
                    not_before: self.listens_from,
                    faulted: true,
                },
                State::Backup { .. } | State::Master { .. } if !waiting.is_empty() => Happening::Faulted,
                State::Fault if !waiting.is_empty() => {
                    instance.waiting = waiting;
                    continue;
                }
                State::Init | State::Fault | State::Backup { .. } | State::Master { .. } | State::Stopped => continue,
            };
            instance.waiting = waiting;
            if *member != slot {
                self.tell_fault(*member, out);
            }
            self.happen(now, *member, happening, out);
        }
    }

    /// Everybody of the group who need not wait any more begins, or comes out of FAULT.
    fn rise(&mut self, now: Instant, slot: Slot, out: &mut Vec<Action>) {
        let not_before = self.listens_from;
        let members = self.members_of(slot);
        for member in &members {
            let waiting = self.waiting_of(*member, &members);
            let Some(instance) = self.instances.get_mut(*member) else {
                continue;
            };
            if !instance.assessed {
                continue;
            }
            let state = instance.election.state();
            let free = waiting.is_empty();
            instance.waiting = waiting;
            match state {
                State::Init if free => {
                    let start = Happening::Start {
                        not_before,
                        faulted: false,
                    };
                    self.happen(now, *member, start, out);
                    if self.is_group_master(*member) {
                        // It joins masters: there is nobody to wait for.
                        self.happen(now, *member, Happening::Promote, out);
                    }
                }
                State::Fault if free => self.happen(now, *member, Happening::Recovered { not_before }, out),
                State::Init | State::Fault | State::Backup { .. } | State::Master { .. } | State::Stopped => {}
            }
        }
    }

    /// What an instance waits for, the other members of its group included. Who runs already is not held up by what is
    /// merely not known yet.
    fn waiting_of(&self, slot: Slot, members: &[Slot]) -> BTreeSet<Waiting> {
        let Some(instance) = self.instances.get(slot) else {
            return BTreeSet::new();
        };
        let mut waiting = instance.own.clone();
        let others = members.iter().filter(|member| **member != slot);
        for other in others.filter_map(|member| self.instances.get(*member)) {
            let name = || other.config.name.clone();
            if other.own.iter().any(Waiting::is_hard) {
                waiting.insert(Waiting::Member(name()));
            } else if !other.own.is_empty() && !takes_part(other.election.state()) {
                waiting.insert(Waiting::MemberBegins(name()));
            }
        }
        if takes_part(instance.election.state()) {
            waiting.retain(Waiting::is_hard);
        }
        waiting
    }

    /// The instances that change state with this one: itself first.
    pub(super) fn members_of(&self, slot: Slot) -> Vec<Slot> {
        let mut members = Vec::from([slot]);
        let group = self.group_of(slot);
        let Some(run) = group.and_then(|name| self.groups.get(name)) else {
            return members;
        };
        let slots = run.config.members.iter().filter_map(|name| self.names.get(name));
        members.extend(slots.copied().filter(|member| *member != slot));
        members
    }

    fn group_of(&self, slot: Slot) -> Option<&Name> {
        self.instances.get(slot)?.config.group.as_ref()
    }

    fn is_group_master(&self, slot: Slot) -> bool {
        let group = self.group_of(slot).and_then(|name| self.groups.get(name));
        group.is_some_and(|run| run.state == StateName::Master)
    }

    fn tell_fault(&mut self, slot: Slot, out: &mut Vec<Action>) {
        let Some(name) = self.group_of(slot).cloned() else {
            return;
        };
        if let Some(run) = self.groups.get_mut(&name)
            && !core::mem::replace(&mut run.told_fault, true)
        {
            let text = format!("VRRP_Group({name}) Syncing instances to FAULT state");
            Engine::tell(None, Level::Info, text, out);
        }
    }

    /// Something happened to an instance that may concern its group.
    pub(super) fn unsettle(&mut self, slot: Slot) {
        if let Some(name) = self.group_of(slot).cloned() {
            self.unsettled.insert(name);
        }
    }

    /// Lets groups follow their members; the last thing of every turn.
    pub(super) fn settle(&mut self, now: Instant, out: &mut Vec<Action>) {
        let mut later = BTreeSet::new();
        while let Some(name) = self.unsettled.pop_first() {
            let Some(run) = self.groups.get(&name) else {
                continue;
            };
            let members: Vec<Slot> = run
                .config
                .members
                .iter()
                .filter_map(|m| self.names.get(m))
                .copied()
                .collect();
            // What follows from a claim comes with the next turn; the group speaks after its members.
            let claims = |slot: &Slot| self.instances.get(*slot).is_some_and(|instance| instance.claims);
            if members.iter().any(claims) {
                later.insert(name);
                continue;
            }
            self.settle_group(now, &name, &members, out);
        }
        self.unsettled = later;
    }

    fn settle_group(&mut self, now: Instant, name: &Name, members: &[Slot], out: &mut Vec<Action>) {
        let standings = |engine: &Engine| -> Vec<Standing> {
            let instances = members.iter().filter_map(|slot| engine.instances.get(*slot));
            instances.map(standing).collect()
        };
        let (word, happening) = match group::decide(standings(self)) {
            Decision::Stay => {
                let state = group::state(standings(self));
                return self.tell_group(name, state, members, out);
            }
            Decision::Rise => ("MASTER", Happening::Promote),
            Decision::Fall => ("BACKUP", Happening::Demote),
        };
        let text = format!("VRRP_Group({name}) Syncing instances to {word} state");
        Engine::tell(None, Level::Info, text, out);
        for member in members {
            self.happen(now, *member, happening, out);
        }
        self.unsettled.insert(name.clone());
    }

    /// The member by which a group has a state: one that is in it by itself, if there is one.
    fn explain(&self, members: &[Slot], state: StateName) -> Option<(Name, Cause)> {
        let instances = members.iter().filter_map(|slot| self.instances.get(*slot));
        let alike = instances.filter(|instance| instance.election.state().name() == state);
        let member = alike.min_by_key(|instance| !instance.cause.is_own())?;
        Some((member.config.name.clone(), member.cause.clone()))
    }

    fn tell_group(&mut self, name: &Name, state: StateName, members: &[Slot], out: &mut Vec<Action>) {
        if self.groups.get(name).is_none_or(|run| run.state == state) {
            return;
        }
        let cause = self.explain(members, state);
        let Some(run) = self.groups.get_mut(name) else {
            return;
        };
        run.state = state;
        run.told_fault &= state == StateName::Fault;
        if state != StateName::Init {
            out.push(Action::NotifyGroup {
                group: name.clone(),
                state,
                cause,
            });
        }
    }

    /// Takes over the groups of a model. A group is the same by its name.
    pub(super) fn configure_groups(&mut self, groups: &BTreeMap<Name, Arc<Group>>) {
        let mut old = core::mem::take(&mut self.groups);
        for (name, config) in groups {
            let run = match old.remove(name) {
                Some(run) if run.config == *config => run,
                before => {
                    self.unsettled.insert(name.clone());
                    GroupRun {
                        config: Arc::clone(config),
                        state: before.as_ref().map_or(StateName::Init, |run| run.state),
                        told_fault: before.is_some_and(|run| run.told_fault),
                    }
                }
            };
            self.groups.insert(name.clone(), run);
        }
    }
}

fn standing(instance: &Instance) -> Standing {
    match instance.election.state() {
        State::Init => Standing::Init,
        State::Fault => Standing::Fault,
        State::Backup { .. } => Standing::Backup {
            claims: instance.election.claims(),
        },
        State::Master { .. } => Standing::Master,
        State::Stopped => Standing::Stopped,
    }
}
