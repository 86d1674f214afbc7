//! From the effects of one instance to actions of the engine.

use super::Engine;
use super::interfaces::Interfaces;
use super::slots::Slot;
use crate::action::{Action, Announced, Announcement, StateName};
use crate::announce::Block;
use crate::config::{AddressKey, Config, Delivery, Name, VirtualAddress};
use crate::election::{Effect, Happening, State};
use crate::encoder::Turn;
use crate::event::Level;
use crate::instance::Instance;
use crate::wire::Claim;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{IfName, Instant};
use core::net::IpAddr;

/// Addresses a new master takes up in one turn; the rest follow in the next.
///
/// Thousands of addresses take milliseconds to take up, and the advert that claims them leaves with the turn. Some more
/// than a batch of changes, so that the kernel always has the next one.
pub(super) const HOLDS_PER_TURN: usize = 2 * crate::holdings::BATCH;

impl Engine {
    /// Lets something happen to an instance and carries out what follows.
    pub(super) fn happen(&mut self, now: Instant, slot: Slot, happening: Happening, out: &mut Vec<Action>) {
        self.happen_alone(now, slot, happening, out);
        match happening {
            // The others of its group give up with it, to come back together.
            Happening::AddressLost => {
                for member in self.members_of(slot).into_iter().skip(1) {
                    self.happen_alone(now, member, happening, out);
                }
            }
            Happening::Start { .. }
            | Happening::DeadlineReached
            | Happening::Late { .. }
            | Happening::Heard(_)
            | Happening::Faulted
            | Happening::Recovered { .. }
            | Happening::Priority(_)
            | Happening::Promote
            | Happening::Demote
            | Happening::Stop { .. } => {}
        }
    }

    fn happen_alone(&mut self, now: Instant, slot: Slot, happening: Happening, out: &mut Vec<Action>) {
        let mut effects = core::mem::take(&mut self.effects);
        if let Some(instance) = self.instances.get_mut(slot) {
            instance.happen(now, happening, &mut effects);
        }
        self.carry_out(now, slot, &mut effects, out);
        self.effects = effects;
    }

    /// Turns effects into actions, in order, and leaves the list empty.
    ///
    /// The claim of a new master leaves alone: what follows from it is worked out in the next turn
    /// ([`Engine::catch_up`]), when the advert is on the wire. If something else happens to it in the same turn (its
    /// group fails at once), that comes after what is left of the claim: a release before the hold would leave addresses.
    pub(super) fn carry_out(&mut self, now: Instant, slot: Slot, effects: &mut Vec<Effect>, out: &mut Vec<Action>) {
        if !effects.is_empty() && self.instances.get(slot).is_some_and(|instance| instance.claims) {
            self.follow_claim(now, slot, out);
        }
        let claim = effects.iter().position(|effect| *effect == Effect::Advertise);
        if let Some(claim) = claim
            && effects.iter().skip(claim).any(|effect| *effect == Effect::Hold)
        {
            let rest: Vec<Effect> = effects.drain(claim + 1..).collect();
            self.claimed.push_back((slot, rest));
            if let Some(instance) = self.instances.get_mut(slot) {
                instance.claims = true;
            }
        }
        self.carry_out_all(now, slot, effects, out);
    }

    /// Does what follows from the claims of new masters. First in every turn, so that nothing happens in between.
    pub(super) fn catch_up(&mut self, now: Instant, out: &mut Vec<Action>) {
        while let Some((slot, mut rest)) = self.claimed.pop_front() {
            self.claim_is_followed(slot);
            self.carry_out_all(now, slot, &mut rest, out);
        }
    }

    /// Does what follows from the claim of one new master, before its turn.
    fn follow_claim(&mut self, now: Instant, slot: Slot, out: &mut Vec<Action>) {
        self.claim_is_followed(slot);
        let place = self.claimed.iter().position(|(other, _)| *other == slot);
        if let Some((_, mut rest)) = place.and_then(|place| self.claimed.remove(place)) {
            self.carry_out_all(now, slot, &mut rest, out);
        }
    }

    fn claim_is_followed(&mut self, slot: Slot) {
        if let Some(instance) = self.instances.get_mut(slot) {
            instance.claims = false;
        }
    }

    fn carry_out_all(&mut self, now: Instant, slot: Slot, effects: &mut Vec<Effect>, out: &mut Vec<Action>) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Advertise => self.advertise(now, slot, None, out),
                Effect::Resign(times) => self.resign(now, slot, times, out),
                Effect::Hold => self.hold_all(now, slot, out),
                Effect::Release => self.release_all(now, slot, out),
                Effect::AnnounceAgain => {
                    for member in self.members_of(slot) {
                        self.announce_again(now, member);
                    }
                }
                Effect::AnnounceAnew => self.announce_anew(now, slot),
                Effect::LowerPrioritySeen => self.lower_priority_seen(slot, out),
                Effect::AnnounceSource => self.announce_source(slot),
                Effect::ForgetTold => {
                    if let Some(instance) = self.instances.get_mut(slot) {
                        instance.ears.forget_told();
                    }
                }
                Effect::Claim => self.unsettle(slot),
                Effect::PriorityChanged => self.notify_priority(slot, out),
                Effect::Notify(state) => {
                    if let Some(instance) = self.instances.get_mut(slot) {
                        instance.since = now;
                    }
                    self.notify(slot, state, out);
                    self.unsettle(slot);
                }
                Effect::Tell(level, text) => {
                    let name = self.instances.get(slot).map(|instance| &instance.config.name);
                    Engine::tell(name, level, text, out);
                }
            }
        }
        self.note_deadline(slot);
    }

    fn advertise(&mut self, now: Instant, slot: Slot, claim: Option<Claim>, out: &mut Vec<Action>) {
        let times = self.clock.at(now);
        let Some(instance) = self.instances.get_mut(slot) else {
            return;
        };
        let Some(origin) = instance.origin(self.settings.group4) else {
            return;
        };
        let claim = claim.unwrap_or(Claim::Holds(instance.election.effective()));
        instance.ears.counters.advert_sent += 1;
        let turn = Turn {
            claim,
            sequence: &mut instance.ears.sequence,
            times,
        };
        instance.encoder.advertise(&instance.config, origin, turn, out);
    }

    fn resign(&mut self, now: Instant, slot: Slot, times: u8, out: &mut Vec<Action>) {
        for _ in 0..times {
            self.advertise(now, slot, Some(Claim::Resigning), out);
        }
        if let Some(instance) = self.instances.get_mut(slot) {
            instance.ears.counters.pri_zero_sent += 1;
            let name = instance.config.name.clone();
            Engine::tell(Some(&name), Level::Detail, "sent 0 priority".into(), out);
        }
    }

    fn hold_all(&mut self, now: Instant, slot: Slot, out: &mut Vec<Action>) {
        let Some(instance) = self.instances.get_mut(slot) else {
            return;
        };
        instance.ears.counters.become_master += 1;
        instance.ears.sequence.restart_if_cycled();
        let announcing = instance.config.announcing;
        self.announcer.begin(now, slot, &announcing);
        tell_addresses(&instance.config, "setting", out);
        self.unheld.push_back((slot, 0));
        self.filter_of(slot);
        self.hold_routing(slot, out);
        // The request leaves before the scripts are told, so that they find it under way.
        self.pump(now, out);
    }

    /// Takes up some of the addresses new masters have to hold, and asks the kernel for what is due.
    pub(super) fn pump(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.hold_some(HOLDS_PER_TURN);
        self.pump_filter(now, out);
        self.pump_holdings(now, out);
        if self.ending {
            // The last address may have gone just now.
            self.pump_filter(now, out);
        }
    }

    /// Takes up to `most` addresses that wait to be held.
    pub(super) fn hold_some(&mut self, mut most: usize) {
        while most > 0
            && let Some((slot, first)) = self.unheld.pop_front()
        {
            let Some(instance) = self.instances.get(slot) else {
                continue;
            };
            let rest = instance.addresses.get(first..).unwrap_or_default();
            for address in rest.iter().take(most) {
                if self.holdings.hold(slot, address)
                    && let Some((name, frame)) = frame(&self.interfaces, address)
                {
                    self.announcer
                        .push(slot, name, frame, instance.config.announcing.repeat);
                }
            }
            if rest.len() > most {
                self.unheld.push_front((slot, first + most));
            }
            most = most.saturating_sub(rest.len());
        }
    }

    /// Whether addresses are on their way into the kernel or wait to be.
    pub(super) fn is_adding(&self) -> bool {
        self.holdings.is_adding() || !self.unheld.is_empty()
    }

    fn release_all(&mut self, now: Instant, slot: Slot, out: &mut Vec<Action>) {
        self.announcer.silence(slot);
        let Some(instance) = self.instances.get_mut(slot) else {
            return;
        };
        instance.ears.counters.release_master += 1;
        tell_addresses(&instance.config, "removing", out);
        // What was not taken up yet needs no letting go; releasing it is harmless.
        self.unheld.retain(|(other, _)| *other != slot);
        for key in instance.keys() {
            self.holdings.release(slot, &key);
        }
        self.release_routing(slot);
        self.filter_of(slot);
        self.pump(now, out);
    }

    fn announce_again(&mut self, now: Instant, slot: Slot) {
        let Some(instance) = self.instances.get(slot).filter(|instance| is_master(instance)) else {
            return;
        };
        let announcing = instance.config.announcing;
        if announcing.lower_priority_repeat == 0 {
            return;
        }
        self.announcer.plan_lower_priority(now, slot, &announcing);
        self.announce_all(slot, announcing.lower_priority_repeat);
    }

    /// After a gap others may have announced the addresses; after a change of the hardware address everybody is wrong.
    pub(super) fn announce_anew(&mut self, now: Instant, slot: Slot) {
        let Some(instance) = self.instances.get(slot) else {
            return;
        };
        let announcing = instance.config.announcing;
        self.announcer.plan_second(now, slot, &announcing);
        self.announce_all(slot, announcing.repeat);
    }

    fn lower_priority_seen(&self, slot: Slot, out: &mut Vec<Action>) {
        if let Some(instance) = self.instances.get(slot) {
            out.push(Action::LowerPrioritySeen {
                instance: instance.config.name.clone(),
                priority: instance.election.effective(),
            });
        }
    }

    /// Peers of a unicast instance that comes out of FAULT refresh what they know of our own address.
    fn announce_source(&mut self, slot: Slot) {
        let Some(instance) = self.instances.get(slot) else {
            return;
        };
        let unicast = match instance.config.delivery {
            Delivery::Multicast { .. } => false,
            Delivery::Unicast { .. } => true,
        };
        let (Some(name), Some(source), true) = (instance.config.interface, instance.place.source, unicast) else {
            return;
        };
        if let Some(frame) = frame_for(&self.interfaces, name, source) {
            self.announcer.push(slot, name, frame, 1);
        }
    }

    fn notify(&mut self, slot: Slot, state: StateName, out: &mut Vec<Action>) {
        if let Some(instance) = self.instances.get(slot) {
            out.push(Action::Notify {
                instance: instance.config.name.clone(),
                state,
                priority: instance.election.effective(),
                cause: instance.cause.clone(),
            });
        }
    }

    fn notify_priority(&mut self, slot: Slot, out: &mut Vec<Action>) {
        let Some(instance) = self.instances.get(slot) else {
            return;
        };
        let state = instance.election.state();
        if instance.config.notify_priority_changes && super::takes_part(state) {
            out.push(Action::NotifyPriority {
                instance: instance.config.name.clone(),
                state: state.name(),
                priority: instance.election.effective(),
            });
        }
    }

    /// Announces each address of an instance once more, if it is master; whether it is.
    pub fn announce(&mut self, name: &Name) -> bool {
        let slot = self.names.get(name).copied();
        let Some(slot) = slot.filter(|slot| self.instances.get(*slot).is_some_and(is_master)) else {
            return false;
        };
        self.announce_all(slot, 1);
        true
    }

    /// Asks for frames for every address that is in place.
    pub(super) fn announce_all(&mut self, slot: Slot, repeat: u32) {
        self.announce_those(slot, repeat, |_| true);
    }

    fn announce_those(&mut self, slot: Slot, repeat: u32, meant: impl Fn(&AddressKey) -> bool) {
        let Some(instance) = self.instances.get(slot) else {
            return;
        };
        for address in &instance.addresses {
            let key = address.key();
            if meant(&key)
                && self.holdings.is_installed(&key)
                && let Some((name, frame)) = frame(&self.interfaces, address)
            {
                self.announcer.push(slot, name, frame, repeat);
            }
        }
    }

    /// Asks for one frame of each interface that has addresses of an instance and sends no adverts.
    fn announce_extra(&mut self, slot: Slot) {
        let Some(instance) = self.instances.get(slot) else {
            return;
        };
        let Some(extra) = instance.config.announcing.extra else {
            return;
        };
        let made = |name: &IfName| instance.config.links.iter().any(|link| link.name == *name);
        let mut told = BTreeSet::new();
        for address in &instance.addresses {
            let name = address.interface;
            let counts = instance.config.interface != Some(name) && (extra.all || made(&name));
            if counts
                && !told.contains(&name)
                && self.holdings.is_installed(&address.key())
                && let Some((name, frame)) = frame(&self.interfaces, address)
            {
                told.insert(name);
                self.announcer.push(slot, name, frame, 1);
            }
        }
    }

    /// An address is in place now: its masters announce it.
    pub(super) fn announce_installed(&mut self, address: &Arc<VirtualAddress>, owners: &[Slot]) {
        for slot in owners {
            let master = self.instances.get(*slot).filter(|instance| is_master(instance));
            if let Some(instance) = master
                && let Some((name, frame)) = frame(&self.interfaces, address)
            {
                let repeat = instance.config.announcing.repeat;
                self.announcer.push(*slot, name, frame, repeat);
            }
        }
    }

    /// The blocks whose time has come.
    pub(super) fn announce_blocks(&mut self, now: Instant) {
        while let Some((at, slot, block)) = self.announcer.next_block(now) {
            let Some(instance) = self.instances.get(slot) else {
                continue;
            };
            let announcing = instance.config.announcing;
            let repeat = match block {
                Block::Second => announcing.repeat,
                Block::Added => {
                    let added = self.announcer.take_added(at, slot);
                    self.announce_those(slot, announcing.repeat, |key| added.contains(key));
                    continue;
                }
                Block::Refresh => {
                    // A refresh that is late by a whole period is not made up for.
                    let from = if now.since(at) > announcing.refresh { now } else { at };
                    self.announcer.plan_refresh(from, slot, &announcing);
                    announcing.refresh_repeat
                }
                Block::LowerPriority => announcing.lower_priority_repeat,
                Block::Extra => {
                    self.announce_extra(slot);
                    self.announcer.plan_extra(now, slot, &announcing);
                    continue;
                }
            };
            self.announce_all(slot, repeat);
        }
    }
}

/// Says of which lists addresses are being set or removed; an empty list is not worth a line.
fn tell_addresses(config: &Config, verb: &str, out: &mut Vec<Action>) {
    let lists = [
        (config.addresses.is_empty(), "VIPs."),
        (config.excluded.is_empty(), "E-VIPs."),
        (config.routes.is_empty(), "Virtual Routes"),
        (config.rules.is_empty(), "Virtual Rules"),
    ];
    for (empty, title) in lists {
        if !empty {
            Engine::tell(Some(&config.name), Level::Detail, format!("{verb} {title}"), out);
        }
    }
}

fn is_master(instance: &Instance) -> bool {
    match instance.election.state() {
        State::Master { .. } => true,
        State::Init | State::Fault | State::Backup { .. } | State::Stopped => false,
    }
}

/// The frame that announces a virtual address, if its interface can announce.
fn frame(interfaces: &Interfaces, address: &VirtualAddress) -> Option<(IfName, Announcement)> {
    let frame = frame_for(interfaces, address.interface, address.prefix.address())?;
    Some((address.interface, frame))
}

fn frame_for(interfaces: &Interfaces, name: IfName, address: IpAddr) -> Option<Announcement> {
    let facts = &interfaces.get(&name)?.facts;
    if facts.noarp {
        return None;
    }
    Some(Announcement {
        interface: facts.index,
        mac: facts.mac?,
        what: match address {
            IpAddr::V4(address) => Announced::Arp(address),
            IpAddr::V6(address) => Announced::Neighbour {
                address,
                router: facts.forwarding6,
            },
        },
    })
}
