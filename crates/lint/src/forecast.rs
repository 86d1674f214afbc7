//! Who becomes master, and after which single failure the addresses move.
//!
//! Decides the outcome of elections from what the files say: every node is up and hears the others, then one thing
//! fails. It knows no time: `preempt_delay` and skew change when something moves, not whether.

use crate::node::{Instance, Kind, Node, Tracker};
use base::Family;
use conf::outline::Item;
use std::collections::BTreeMap;
use std::net::IpAddr;
use vrrp::config::{Preempt, Vrid};

/// A virtual router and the nodes that can be its master.
#[derive(Debug)]
pub struct Router<'n> {
    /// Its number.
    pub vrid: Vrid,
    /// Its family.
    pub family: Family,
    /// The instances, one for each node that has it, in the order of the nodes.
    pub members: Vec<Member<'n>>,
}

/// An instance of a virtual router.
#[derive(Debug)]
pub struct Member<'n> {
    /// Its node, by its place in the list.
    pub node: usize,
    /// The instance.
    pub instance: Instance<'n>,
    /// What it tracks, with the weights that really count.
    pub trackers: Vec<Tracker<'n>>,
}

/// What fails.
#[derive(Clone, Copy, Debug)]
pub enum Failure<'n> {
    /// The whole node.
    Node,
    /// The interface of the instance.
    Interface(&'n str),
    /// The interface of another member of its sync group.
    Companion(&'n str),
    /// Something that is tracked.
    Tracker(Tracker<'n>),
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Another member becomes master: its node.
    Moves(usize),
    /// The master stays, with this priority.
    Stays(u8, Why),
    /// The master goes on without being heard, and another one becomes master too.
    Both(usize),
    /// Equal priorities, and the file does not say whose address is higher.
    Undecided,
    /// Nobody is left.
    Nobody,
}

/// Why a master stays although something fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody has a higher priority.
    StillHighest,
    /// Whoever has a higher priority has `nopreempt`.
    NoPreempt,
    /// The other members of the sync group keep their priority.
    SyncGroup,
    /// Its priority is that of the address owner, or the weight is ignored.
    WeightIgnored,
}

/// The virtual routers of the nodes.
pub fn routers(nodes: &[Node]) -> Vec<Router<'_>> {
    let all: Vec<(usize, Instance<'_>)> = nodes
        .iter()
        .enumerate()
        .flat_map(|(number, node)| node.instances().into_iter().map(move |instance| (number, instance)))
        .collect();
    let id = |instance: &Instance<'_>| (instance.config.family == Family::V6, instance.config.vrid);
    // A VRID that one node has on several interfaces is several virtual routers.
    let several = |node: usize, key| all.iter().filter(|(n, i)| *n == node && id(i) == key).count() > 1;
    let mut routers: BTreeMap<_, Vec<Member<'_>>> = BTreeMap::new();
    for (node, instance) in &all {
        let key = id(instance);
        let split = (0..nodes.len()).any(|node| several(node, key));
        let interface = instance.config.interface.filter(|_| split);
        let members = routers.entry((key, interface)).or_default();
        // The second of a node on the same interface never runs.
        if members.iter().all(|member| member.node != *node) {
            members.push(Member {
                node: *node,
                instance: *instance,
                trackers: counting(instance),
            });
        }
    }
    routers
        .into_values()
        .filter_map(|members| {
            let config = members.first()?.instance.config;
            Some(Router {
                vrid: config.vrid,
                family: config.family,
                members,
            })
        })
        .collect()
}

/// The trackers of an instance as they really count: the rules of sync groups and owners change weights, and what cannot
/// be tracked is gone.
fn counting<'n>(instance: &Instance<'n>) -> Vec<Tracker<'n>> {
    let written = instance.trackers();
    let counts = instance.config.trackers.iter();
    counts
        .filter_map(|tracker| {
            let (kind, name) = (Kind::of(&tracker.object), tracker.object.name());
            let mut lines = written.iter().filter(|line| (line.kind, line.name) == (kind, name));
            let line = lines.next()?;
            Some(Tracker {
                weight: tracker.weight.value,
                reverse: tracker.weight.reverse,
                // The group is written first.
                of_group: line.of_group,
                ..*line
            })
        })
        .collect()
}

/// Whether weighted trackers count in a sync group.
pub(crate) fn allows_weights(group: &Item) -> bool {
    ["sync_group_tracking_weight", "global_tracking"]
        .iter()
        .any(|keyword| group.get(keyword).is_some())
}

impl<'n> Member<'n> {
    /// Its priority when the trackers that `failed` names are bad; `None` in FAULT.
    pub fn priority(&self, failed: impl Fn(&Tracker<'_>) -> bool) -> Option<u8> {
        let base = self.instance.config.priority;
        let mut total = i32::from(base.get());
        for tracker in &self.trackers {
            let good = !failed(tracker);
            match tracker.weight {
                0 if good == tracker.reverse => return None,
                0 => {}
                _ if base.is_owner() => {}
                _ => total += tracker.contribution(good),
            }
        }
        if base.is_owner() {
            return Some(base.get());
        }
        Some(u8::try_from(total.clamp(1, 254)).unwrap_or(1))
    }

    /// Its priority when all is well.
    pub fn healthy(&self) -> Option<u8> {
        self.priority(|_| false)
    }

    fn rank(&self) -> Option<(u8, Option<IpAddr>)> {
        Some((self.healthy()?, self.instance.source()))
    }
}

/// Whether `a` beats `b`; `None` if it cannot be known.
fn beats(a: (u8, Option<IpAddr>), b: (u8, Option<IpAddr>)) -> Option<bool> {
    if a.0 != b.0 {
        return Some(a.0 > b.0);
    }
    Some(a.1? > b.1?)
}

impl<'n> Router<'n> {
    /// The best of some members: its place in `members`.
    fn best(&self, among: impl Fn(usize) -> bool) -> Result<usize, Outcome> {
        let mut best: Option<(usize, (u8, Option<IpAddr>))> = None;
        let mut tied = false;
        for (number, member) in self.members.iter().enumerate().filter(|(number, _)| among(*number)) {
            let Some(rank) = member.rank() else { continue };
            match best.map(|(_, so_far)| beats(rank, so_far)) {
                None | Some(Some(true)) => (best, tied) = (Some((number, rank)), false),
                Some(Some(false)) => {}
                Some(None) => tied = true,
            }
        }
        match best {
            None => Err(Outcome::Nobody),
            Some(_) if tied => Err(Outcome::Undecided),
            Some((number, _)) => Ok(number),
        }
    }

    /// Who is master when all is well: its place in `members`.
    ///
    /// # Errors
    /// Why nobody can be named.
    pub fn master(&self) -> Result<usize, Outcome> {
        self.best(|_| true)
    }

    /// Everything that can fail on the master, and what follows.
    pub fn failures(&self) -> Vec<(Failure<'n>, Outcome)> {
        let Ok(master) = self.master() else { return Vec::new() };
        let Some(member) = self.members.get(master) else {
            return Vec::new();
        };
        let instance = &member.instance;
        let mut all = vec![(Failure::Node, self.gone(master))];
        if let Some(interface) = &instance.config.interface {
            let outcome = if instance.config.track_interface {
                self.gone(master)
            } else {
                match self.gone(master) {
                    Outcome::Moves(node) => Outcome::Both(node),
                    other @ (Outcome::Stays(..) | Outcome::Both(_) | Outcome::Undecided | Outcome::Nobody) => other,
                }
            };
            all.push((Failure::Interface(interface.as_str()), outcome));
        }
        for companion in instance.companions() {
            let other = &companion.config.interface;
            if let Some(interface) = other.as_ref().filter(|_| *other != instance.config.interface) {
                all.push((Failure::Companion(interface.as_str()), self.gone(master)));
            }
        }
        for tracker in &member.trackers {
            all.push((Failure::Tracker(*tracker), self.failed(master, tracker)));
        }
        all
    }

    /// What follows when the master is no longer there.
    fn gone(&self, master: usize) -> Outcome {
        self.best(|number| number != master)
            .map_or_else(|outcome| outcome, |number| self.moves(number))
    }

    fn moves(&self, number: usize) -> Outcome {
        self.members
            .get(number)
            .map_or(Outcome::Nobody, |member| Outcome::Moves(member.node))
    }

    fn failed(&self, master: usize, tracker: &Tracker<'_>) -> Outcome {
        let is_it = |t: &Tracker<'_>| (t.kind, t.name) == (tracker.kind, tracker.name);
        self.lowered(master, is_it, tracker.of_group)
    }

    /// What follows when every weighted tracker of the master fails at once.
    pub fn all_weights_failed(&self) -> Outcome {
        match self.master() {
            Ok(master) => self.lowered(master, |tracker| tracker.weight != 0, false),
            Err(outcome) => outcome,
        }
    }

    fn lowered(&self, master: usize, failed: impl Fn(&Tracker<'_>) -> bool, of_group: bool) -> Outcome {
        let Some(member) = self.members.get(master) else {
            return Outcome::Nobody;
        };
        let Some(priority) = member.priority(failed) else {
            return self.gone(master);
        };
        if member.healthy().is_some_and(|healthy| priority >= healthy) {
            return Outcome::Stays(priority, Why::WeightIgnored);
        }
        let now = (priority, member.instance.source());
        let above = |number: usize| {
            let rank = self.members.get(number).and_then(Member::rank);
            rank.and_then(|rank| beats(rank, now))
        };
        let others = (0..self.members.len()).filter(|number| *number != master);
        let higher: Vec<usize> = others.clone().filter(|number| above(*number) == Some(true)).collect();
        if higher.is_empty() {
            let tied = others
                .filter_map(|number| self.members.get(number)?.healthy())
                .any(|other| other == priority);
            return if tied {
                Outcome::Undecided
            } else {
                Outcome::Stays(priority, Why::StillHighest)
            };
        }
        if !of_group && member.instance.group().is_some() {
            return Outcome::Stays(priority, Why::SyncGroup);
        }
        let preempts = |number: &usize| {
            let preempt = self.members.get(*number).map(|member| member.instance.config.preempt);
            preempt.is_some_and(|preempt| preempt != Preempt::No)
        };
        let willing: Vec<usize> = higher.into_iter().filter(preempts).collect();
        if willing.is_empty() {
            return Outcome::Stays(priority, Why::NoPreempt);
        }
        self.best(|number| willing.contains(&number))
            .map_or_else(|outcome| outcome, |number| self.moves(number))
    }
}
