//! Saying where addresses are: gratuitous ARP and unsolicited neighbour advertisements
//! (`spec/vrrp-behaviour.md` 11).
//!
//! Decides which frame is next and when: every address once before any twice, at the pace of its interface, never
//! more than [`FRAMES_PER_TURN`] at a time. Deliberately does not know which addresses an instance has: the engine
//! asks for each, and says which are new.

use crate::action::{Action, Announced, Announcement};
use crate::config::{AddressKey, Announcing, Settings};
use crate::engine::slots::Slot;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use base::{IfIndex, IfName, Instant};
use core::net::IpAddr;
use core::time::Duration;

/// The most frames sent in one turn.
///
/// About a millisecond of a slow machine's time, so adverts are never far behind announcements. What does not fit
/// is due at once, in the next turn.
pub(crate) const FRAMES_PER_TURN: usize = 256;

/// Why addresses of an instance are announced again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Block {
    /// The second block after becoming master.
    Second,
    /// The second block of addresses that a running master got: see [`Announcer::take_added`].
    Added,
    /// The periodic refresh.
    Refresh,
    /// The second block after an advert of lower priority.
    LowerPriority,
    /// One of each interface that sends no adverts.
    Extra,
}

/// Frames that share one pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LaneKey {
    /// No pause between frames.
    Free,
    /// Gratuitous ARP on one interface.
    ArpOn(IfIndex),
    /// Neighbour advertisements on one interface.
    NeighbourOn(IfIndex),
    /// Gratuitous ARP in a group of interfaces.
    ArpIn(usize),
    /// Neighbour advertisements in a group of interfaces.
    NeighbourIn(usize),
}

type Target = (IfIndex, IpAddr);

#[derive(Clone, Debug)]
struct Pending {
    slot: Slot,
    frame: Announcement,
    left: u32,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    pause: Duration,
    open_from: Instant,
    pending: BTreeMap<Target, Pending>,
    /// Not announced since they were asked for.
    fresh: VecDeque<Target>,
    /// Announced, but not often enough.
    again: VecDeque<Target>,
}

/// The announcements of all instances.
#[derive(Clone, Debug, Default)]
pub(crate) struct Announcer {
    lanes: BTreeMap<LaneKey, Lane>,
    paced: BTreeMap<IfName, (usize, Duration, Duration)>,
    garp_pause: Duration,
    gna_pause: Duration,
    plans: BTreeSet<(Instant, Slot, Block)>,
    /// The addresses of the plans that are about some only.
    added: BTreeMap<(Instant, Slot), BTreeSet<AddressKey>>,
    waiting: usize,
}

impl Announcer {
    /// Takes over the pauses. Frames already waiting keep the pace they have.
    pub(crate) fn configure(&mut self, settings: &Settings) {
        self.garp_pause = settings.garp_interval;
        self.gna_pause = settings.gna_interval;
        self.paced = settings
            .pacing_groups
            .iter()
            .enumerate()
            .flat_map(|(number, group)| {
                let pauses = (number, group.garp_interval, group.gna_interval);
                group.interfaces.iter().map(move |name| (*name, pauses))
            })
            .collect();
    }

    /// An instance became master: plans its second block and its refreshes.
    pub(crate) fn begin(&mut self, now: Instant, slot: Slot, announcing: &Announcing) {
        self.forget_plans(slot);
        self.plan_second(now, slot, announcing);
        self.plan_refresh(now.after(announcing.second_block), slot, announcing);
        self.plan_extra(now, slot, announcing);
    }

    /// Plans the next announcement of extra interfaces, unless one is planned.
    pub(crate) fn plan_extra(&mut self, now: Instant, slot: Slot, announcing: &Announcing) {
        let planned = self
            .plans
            .iter()
            .any(|(_, planned, block)| *planned == slot && *block == Block::Extra);
        if let Some(extra) = announcing.extra.filter(|_| !planned) {
            self.plans.insert((now.after(extra.every), slot, Block::Extra));
        }
    }

    /// Plans a second block, without taking back one that is planned already.
    pub(crate) fn plan_second(&mut self, now: Instant, slot: Slot, announcing: &Announcing) {
        if !announcing.second_block.is_zero() {
            self.plans
                .insert((now.after(announcing.second_block), slot, Block::Second));
        }
    }

    /// A running master got more addresses: plans the second block of these. The others are known to everybody.
    pub(crate) fn plan_added(
        &mut self,
        now: Instant,
        slot: Slot,
        keys: impl Iterator<Item = AddressKey>,
        announcing: &Announcing,
    ) {
        let at = now.after(announcing.second_block);
        let mut keys = keys.peekable();
        if !announcing.second_block.is_zero() && keys.peek().is_some() {
            self.plans.insert((at, slot, Block::Added));
            self.added.entry((at, slot)).or_default().extend(keys);
        }
    }

    /// The addresses of a block of [`Block::Added`] that was planned for `at`.
    pub(crate) fn take_added(&mut self, at: Instant, slot: Slot) -> BTreeSet<AddressKey> {
        self.added.remove(&(at, slot)).unwrap_or_default()
    }

    fn forget_plans(&mut self, slot: Slot) {
        self.plans.retain(|(_, planned, _)| *planned != slot);
        self.added.retain(|(_, planned), _| *planned != slot);
    }

    /// Plans the next refresh one period after `from`.
    pub(crate) fn plan_refresh(&mut self, from: Instant, slot: Slot, announcing: &Announcing) {
        self.plans
            .retain(|(_, planned, block)| *planned != slot || *block != Block::Refresh);
        if !announcing.refresh.is_zero() {
            self.plans
                .insert((from.after(announcing.refresh), slot, Block::Refresh));
        }
    }

    /// A block is to follow after an advert of lower priority.
    pub(crate) fn plan_lower_priority(&mut self, now: Instant, slot: Slot, announcing: &Announcing) {
        let planned = self
            .plans
            .iter()
            .any(|(_, planned, block)| *planned == slot && *block == Block::LowerPriority);
        if !announcing.lower_priority_second_block.is_zero() && !planned {
            let at = now.after(announcing.lower_priority_second_block);
            self.plans.insert((at, slot, Block::LowerPriority));
        }
    }

    /// The next block whose time has come.
    pub(crate) fn next_block(&mut self, now: Instant) -> Option<(Instant, Slot, Block)> {
        let (at, _, _) = self.plans.first()?;
        if *at > now {
            return None;
        }
        self.plans.pop_first()
    }

    /// Asks for `repeat` frames; a frame already waiting is only raised to that many.
    pub(crate) fn push(&mut self, slot: Slot, name: IfName, frame: Announcement, repeat: u32) {
        if repeat == 0 {
            return;
        }
        let (key, pause) = self.lane(name, &frame);
        let lane = self.lanes.entry(key).or_default();
        lane.pause = pause;
        let target = (frame.interface, address(&frame));
        match lane.pending.get_mut(&target) {
            Some(pending) => {
                pending.left = pending.left.max(repeat);
                pending.slot = slot;
                pending.frame = frame;
            }
            None => {
                let left = repeat;
                lane.pending.insert(target, Pending { slot, frame, left });
                lane.fresh.push_back(target);
                self.waiting += 1;
            }
        }
    }

    /// An instance stopped being master: nothing of it is announced any more.
    pub(crate) fn silence(&mut self, slot: Slot) {
        self.forget_plans(slot);
        if self.waiting == 0 {
            return;
        }
        for lane in self.lanes.values_mut() {
            lane.pending.retain(|_, pending| pending.slot != slot);
            let pending = &lane.pending;
            lane.fresh.retain(|target| pending.contains_key(target));
            lane.again.retain(|target| pending.contains_key(target));
        }
        self.waiting = self.lanes.values().map(|lane| lane.pending.len()).sum();
    }

    /// One address is no longer ours to announce.
    pub(crate) fn forget(&mut self, interface: IfIndex, address: IpAddr) {
        if self.waiting == 0 {
            return;
        }
        let target = (interface, address);
        for lane in self.lanes.values_mut() {
            if lane.pending.remove(&target).is_some() {
                lane.fresh.retain(|other| *other != target);
                lane.again.retain(|other| *other != target);
                self.waiting -= 1;
            }
        }
    }

    /// Sends what may go now. While `busy` (addresses are still being installed) only what was never announced
    /// goes: a first announcement of a late address is worth more than the second of an early one.
    pub(crate) fn run(&mut self, now: Instant, busy: bool, out: &mut Vec<Action>) {
        if self.waiting == 0 {
            return;
        }
        let mut room = FRAMES_PER_TURN;
        for lane in self.lanes.values_mut() {
            while room > 0 && now >= lane.open_from {
                let next = lane
                    .fresh
                    .pop_front()
                    .or_else(|| if busy { None } else { lane.again.pop_front() });
                let Some(target) = next else { break };
                let Some(pending) = lane.pending.get_mut(&target) else {
                    continue;
                };
                out.push(Action::Announce(pending.frame));
                room -= 1;
                lane.open_from = now.after(lane.pause);
                pending.left -= 1;
                if pending.left == 0 {
                    lane.pending.remove(&target);
                    self.waiting -= 1;
                } else {
                    lane.again.push_back(target);
                }
            }
        }
        // An empty lane is kept only for as long as it remembers when it may be used again.
        self.lanes
            .retain(|_, lane| !lane.pending.is_empty() || lane.open_from > now);
    }

    /// When there is something to do; the beginning of time for at once.
    pub(crate) fn deadline(&self, busy: bool) -> Option<Instant> {
        let planned = self.plans.first().map(|(at, _, _)| *at);
        if self.waiting == 0 {
            return planned;
        }
        let lanes = self
            .lanes
            .values()
            .filter(|lane| !lane.fresh.is_empty() || (!busy && !lane.again.is_empty()))
            .map(|lane| lane.open_from)
            .min();
        [planned, lanes].into_iter().flatten().min()
    }

    fn lane(&self, name: IfName, frame: &Announcement) -> (LaneKey, Duration) {
        let arp = match frame.what {
            Announced::Arp(_) => true,
            Announced::Neighbour { .. } => false,
        };
        let (key, pause) = match (self.paced.get(&name), arp) {
            (Some((group, garp, _)), true) => (LaneKey::ArpIn(*group), *garp),
            (Some((group, _, gna)), false) => (LaneKey::NeighbourIn(*group), *gna),
            (None, true) => (LaneKey::ArpOn(frame.interface), self.garp_pause),
            (None, false) => (LaneKey::NeighbourOn(frame.interface), self.gna_pause),
        };
        if pause.is_zero() {
            (LaneKey::Free, pause)
        } else {
            (key, pause)
        }
    }
}

fn address(frame: &Announcement) -> IpAddr {
    match frame.what {
        Announced::Arp(address) => IpAddr::V4(address),
        Announced::Neighbour { address, .. } => IpAddr::V6(address),
    }
}
