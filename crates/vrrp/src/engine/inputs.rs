//! What the engine does with news of interfaces, addresses, sockets and its own end.

use super::Engine;
use super::interfaces::{Change, Interface};
use super::repair::Kind;
use super::slots::Slot;
use crate::action::{Action, StateName};
use crate::config::{Name, Statics, VirtualAddress};
use crate::election::Happening;
use crate::event::Level;
use crate::input::{BatchId, InterfaceFacts, SocketKey};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::{IfName, Instant};

impl Engine {
    pub(super) fn interface_changed(
        &mut self,
        now: Instant,
        name: IfName,
        facts: Option<InterfaceFacts>,
        out: &mut Vec<Action>,
    ) {
        let there = facts.is_some();
        let mtu = |engine: &Engine| engine.interfaces.get(&name).map(|interface| interface.facts.mtu);
        let mtu_before = mtu(self);
        let was_up = self.interfaces.get(&name).map(Interface::is_up);
        let index_before = self.interfaces.index(&name);
        let mac = |engine: &Engine| engine.interfaces.get(&name).and_then(|interface| interface.facts.mac);
        let mac_before = mac(self);
        let change = self.interfaces.update(name, facts);
        match change {
            Change::Nothing => return,
            Change::Something => {}
            Change::Replaced => {
                self.conditions.forget_link(name);
                self.holdings.lost_interface(name);
                self.routing.routes.lost_interface(name);
            }
        }
        self.filter_renumbered(name, index_before);
        self.link_changed(now, name);
        if let (Some(before), Some(after)) = (mtu_before, mtu(self))
            && before != after
        {
            // Longer packets may come now, and buffers may be counted in MTUs.
            out.push(Action::SocketsChanged);
        }
        let dependants = self.dependants.get(&name).cloned().unwrap_or_default();
        let is_up = self.interfaces.get(&name).map(Interface::is_up);
        if let (Some(was_up), Some(is_up)) = (was_up, is_up)
            && was_up != is_up
            && !dependants.is_empty()
        {
            let word = if is_up { "up" } else { "down" };
            Engine::tell(None, Level::Info, format!("Netlink reports {name} {word}"), out);
        }
        let another_mac = change == Change::Something && mac_before.is_some() && mac(self) != mac_before;
        for slot in dependants {
            self.survey(now, slot, out);
            if another_mac {
                self.announce_moved(now, slot, name);
            }
        }
        if there {
            self.holdings.retry_on(name);
            self.routing.routes.retry_on(name);
            if is_up == Some(true) {
                self.assert_routes_on(name);
            }
        }
    }

    /// What neighbours know of the addresses on an interface is wrong.
    fn announce_moved(&mut self, now: Instant, slot: Slot, name: IfName) {
        let Some(instance) = self.instances.get(slot) else {
            return;
        };
        if instance.election.state().name() == StateName::Master && instance.keys().any(|key| key.interface == name) {
            self.announce_anew(now, slot);
        }
    }

    /// Everybody on a socket looks again.
    pub(super) fn survey_socket(&mut self, now: Instant, socket: SocketKey, out: &mut Vec<Action>) {
        let from = (socket, 0);
        let to = (socket, u8::MAX);
        let slots: Vec<Slot> = self
            .routes
            .range(from..=to)
            .flat_map(|(_, slots)| slots.clone())
            .collect();
        for slot in slots {
            self.survey(now, slot, out);
        }
    }

    pub(super) fn addresses_changed(
        &mut self,
        now: Instant,
        batch: BatchId,
        refused: &[(usize, i32)],
        out: &mut Vec<Action>,
    ) {
        let outcome = self.holdings.finished(now, batch, refused);
        for (address, owners) in &outcome.installed {
            self.announce_installed(address, owners);
            if self.repairs.mending.remove(&address.interface) {
                self.assert_routes_on(address.interface);
            }
        }
        Engine::tell_refused::<VirtualAddress>(&outcome.refused, Kind::Address, out);
        for (_, owners) in outcome.lost {
            self.cannot_repair(now, owners, out);
        }
        for key in outcome.gone_again {
            let report = self.holdings.lost(now, &key);
            self.address_missed(now, key, report, out);
        }
        // The next batch first: the kernel works while we announce.
        self.pump(now, out);
        self.announcer.run(now, self.is_adding(), out);
    }

    pub(super) fn send_failed(&mut self, name: &Name, errno: i32, out: &mut Vec<Action>) {
        let instance = self.names.get(name).and_then(|slot| self.instances.get_mut(*slot));
        let Some(instance) = instance else { return };
        if !instance.waiting.is_empty() {
            // What it waits for is said already, and all it sends is a farewell that may not get out.
            return;
        }
        let mut remarks: Vec<(Level, String)> = Vec::new();
        instance.ears.send_failed(errno, &mut remarks);
        for (level, text) in remarks {
            Engine::tell(Some(name), level, text, out);
        }
    }

    pub(super) fn shutdown(&mut self, now: Instant, keep_addresses: bool, out: &mut Vec<Action>) {
        if self.ending {
            return;
        }
        self.ending = true;
        self.keeps_addresses = keep_addresses;
        let slots: Vec<Slot> = self.names.values().copied().collect();
        for slot in slots {
            let stop = Happening::Stop {
                resign: !keep_addresses,
                last: StateName::Stop,
            };
            self.happen(now, slot, stop, out);
            self.announcer.silence(slot);
        }
        if !keep_addresses {
            for (slot, unwanted) in self.change_statics(Statics::default()) {
                self.let_go(slot, &unwanted);
            }
        }
        out.push(Action::SocketsChanged);
    }
}
