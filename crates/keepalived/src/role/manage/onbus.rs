//! What the manage role shows on D-Bus, and what it does with calls.

use super::bus::{Bus, Call, Names, Said, Shown};
use super::{Managing, Role};
use crate::configuration::Model;
use crate::ipc::FromRole;
use crate::status::{Errand, State, VrrpStatus, Wish};
use base::Family;

impl Role {
    /// Is on the bus, or leaves it, as the configuration says; says that there is a new one.
    pub(super) async fn follow_bus(&mut self) {
        let wanted = names(&self.model, &self.context.options.place);
        if self.bus.as_ref().map(Bus::names) == wanted.as_ref() {
            self.show_on_bus();
            if std::mem::take(&mut self.reloaded) {
                self.on_bus(Bus::reloaded);
            }
            return;
        }
        self.reloaded = false;
        if let Some(bus) = self.bus.take() {
            bus.leave().await;
        }
        if let Some(names) = wanted {
            self.bus = Some(Bus::join(names, shown(&self.model, self.vrrp.as_ref())));
            self.want_reports();
        }
    }

    /// Shows the instances as they are known now.
    pub(super) fn show_on_bus(&mut self) {
        let instances = shown(&self.model, self.vrrp.as_ref());
        self.on_bus(|bus| bus.show(instances));
    }

    /// An instance has a new state: says so at once, and knows better than the last report.
    pub(super) fn note_state(&mut self, name: &str, state: State) {
        let mut known = self.vrrp.iter_mut().flat_map(|vrrp| &mut vrrp.instances);
        if let Some(instance) = known.find(|instance| instance.name == name) {
            instance.state = state;
        }
        self.on_bus(|bus| bus.tell(name, state));
    }

    /// Hands something to the bus. If it is too far behind it is left, and joined anew with what is true now.
    fn on_bus(&mut self, tell: impl FnOnce(&Bus) -> bool) {
        let Some(bus) = &self.bus else { return };
        if !tell(bus) {
            self.reporter.error("D-Bus: the bus does not keep up; joining it anew");
            let names = bus.names().clone();
            self.bus = Some(Bus::join(names, shown(&self.model, self.vrrp.as_ref())));
        }
    }

    /// Does what somebody on the bus asks for, or logs what the bus is like.
    pub(super) fn hear_bus(&mut self, said: Said) {
        let call = match said {
            Said::Line(level, line) => return self.reporter.say(level, line),
            Said::Call(call) => call,
        };
        let managing = match call {
            Call::PrintData => Managing::Ask(Errand::PrintData),
            Call::PrintStats => Managing::Ask(Errand::PrintStats),
            Call::PrintStatsClear => Managing::Ask(Errand::PrintStatsClear),
            Call::ReloadConfig => Managing::Ask(Errand::Reload),
            Call::SendGarp(instance) => Managing::Set(Wish::Announce { instance }),
        };
        self.context.send(&FromRole::Managing(managing));
    }

    /// Nobody will hear of the end later.
    pub(super) async fn leave_bus(&mut self) {
        if let Some(bus) = self.bus.take() {
            bus.leave().await;
        }
    }
}

/// The names on the bus, if the daemon is to be there.
fn names(model: &Model, place: &[String]) -> Option<Names> {
    let dbus = &model.global.dbus;
    dbus.enabled.then(|| Names {
        service: dbus.service.clone(),
        no_interface: dbus.no_interface.clone(),
        place: place.to_vec(),
    })
}

/// The instances of a configuration, with the states that are known.
fn shown(model: &Model, vrrp: Option<&VrrpStatus>) -> Vec<Shown> {
    let state = |name: &str| -> Option<State> {
        let known = vrrp?.instances.iter().find(|instance| instance.name == name)?;
        Some(known.state)
    };
    let instance = |config: &::vrrp::config::Config| Shown {
        name: config.name.to_string(),
        interface: config.base.or(config.interface).map(|name| name.to_string()),
        vrid: config.vrid.0.get(),
        ipv6: config.family == Family::V6,
        state: state(config.name.as_str()),
    };
    model.vrrp.instances.values().map(|config| instance(config)).collect()
}
