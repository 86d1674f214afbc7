//! From a packet to the instance it is for.

use super::slots::Slot;
use super::{Engine, takes_part};
use crate::action::Action;
use crate::config::Delivery;
use crate::election::{Happening, Heard, State};
use crate::event::Level;
use crate::input::Packet;
use crate::receive::{Arrival, Standing};
use crate::wire::Claim;
use alloc::format;
use alloc::vec::Vec;
use base::Instant;
use core::net::IpAddr;

impl Engine {
    pub(super) fn packet(&mut self, now: Instant, packet: Packet<'_>, out: &mut Vec<Action>) {
        if now < self.listens_from || self.ending {
            return;
        }
        let arrival = match Arrival::open(&packet.body) {
            Ok(arrival) => arrival,
            Err(_) => {
                self.counters.malformed += 1;
                return;
            }
        };
        let Some(slot) = self.route(&packet, &arrival) else {
            self.counters.unknown_vrid += 1;
            self.tell_unknown(&packet, &arrival, out);
            return;
        };
        let Some(heard) = self.believe(now, slot, &arrival, out) else {
            return;
        };
        self.follow_sequence(slot, heard, &arrival, out);
        self.happen(now, slot, Happening::Heard(heard), out);
    }

    /// The instance a packet is for. Unicast instances may share a virtual router on one socket: then the sender
    /// decides, first by who heard it last, else by whose peer it is.
    fn route(&self, packet: &Packet<'_>, arrival: &Arrival<'_>) -> Option<Slot> {
        let slots = self.routes.get(&(packet.socket, arrival.head.vrid))?;
        if let [only] = slots.as_slice() {
            return Some(*only);
        }
        let heard_last = slots.iter().find(|slot| {
            let instance = self.instances.get(**slot);
            instance.is_some_and(|instance| instance.ears.last_sender == Some(arrival.source))
        });
        let has_peer = || slots.iter().find(|slot| self.has_peer(**slot, arrival.source));
        heard_last.or_else(has_peer).or(slots.first()).copied()
    }

    fn has_peer(&self, slot: Slot, source: IpAddr) -> bool {
        let Some(instance) = self.instances.get(slot) else {
            return false;
        };
        match &instance.config.delivery {
            Delivery::Multicast { .. } => false,
            Delivery::Unicast { peers, .. } => peers.iter().any(|peer| peer.address == source),
        }
    }

    fn believe(&mut self, now: Instant, slot: Slot, arrival: &Arrival<'_>, out: &mut Vec<Action>) -> Option<Heard> {
        let group4 = self.settings.group4;
        let times = self.clock.at(now);
        let instance = self.instances.get_mut(slot)?;
        let state = instance.election.state();
        if !takes_part(state) {
            return None;
        }
        let master = match state {
            State::Backup { master, .. } => master.map(|master| master.address),
            State::Init | State::Fault | State::Master { .. } | State::Stopped => None,
        };
        let standing = Standing {
            priority: instance.election.effective(),
            master,
            group4,
            times,
            addresses: &instance.encoded,
        };
        let config = &instance.config;
        let heard = instance.ears.hear(config, standing, arrival, &mut self.remarks);
        for (level, text) in self.remarks.drain(..) {
            Engine::tell(Some(&config.name), level, text, out);
        }
        if core::mem::take(&mut instance.ears.follows_wall) {
            self.clock.adopt_wall();
        }
        heard
    }

    /// A master that hears a lower priority continues behind the sequence number of that router.
    fn follow_sequence(&mut self, slot: Slot, heard: Heard, arrival: &Arrival<'_>, out: &mut Vec<Action>) {
        let Some(instance) = self.instances.get_mut(slot) else {
            return;
        };
        let (Some(sequence), Claim::Holds(theirs)) = (arrival.sequence(), heard.claim) else {
            return;
        };
        let is_master = match instance.election.state() {
            State::Master { .. } => true,
            State::Init | State::Fault | State::Backup { .. } | State::Stopped => false,
        };
        if is_master && theirs < instance.election.effective() {
            instance.ears.sequence.pass(sequence);
            let text = "IPSEC-AH : Syncing seq_num - Increment seq".into();
            Engine::tell(Some(&instance.config.name), Level::Detail, text, out);
        }
    }

    fn tell_unknown(&mut self, packet: &Packet<'_>, arrival: &Arrival<'_>, out: &mut Vec<Action>) {
        if !self.settings.log_unknown_vrids {
            return;
        }
        let vrid = arrival.head.vrid;
        // One line for each virtual router of each socket: bounded by what we listen to.
        if !self.told_unknown.insert((packet.socket, vrid)) {
            return;
        }
        let interface = packet.socket.interface.and_then(|index| self.interfaces.name(index));
        let interface = interface.as_ref().map_or("", |name| name.as_str());
        let text = format!(
            "Unknown VRID({vrid}) received on interface({interface}) from {}. ignoring...",
            arrival.source
        );
        Engine::tell(None, Level::Info, text, out);
    }
}
