//! Which sockets the instances need.

use super::Engine;
use super::slots::Slot;
use crate::action::Action;
use crate::config::ReceiveBuffer;
use crate::election::State;
use crate::input::SocketKey;
use crate::instance::{Instance, Place};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The MTU taken where no interface says one.
const DEFAULT_MTU: u32 = 1500;

/// What is needed to open a socket, beside its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketSpec {
    /// Whether `local` of the key is a group to join and bind to, or an address to bind to.
    pub multicast: bool,
    /// The largest packet to expect, in bytes.
    pub mtu: u32,
    /// Size of the receive buffer in bytes; `None`: the system's default.
    pub receive_buffer: Option<u32>,
}

impl Engine {
    /// The sockets needed now. Compare after [`Action::SocketsChanged`].
    pub fn sockets(&self) -> BTreeMap<SocketKey, SocketSpec> {
        let mut sockets = BTreeMap::new();
        for (_, instance) in self.instances.iter() {
            if ended(instance) {
                continue;
            }
            let Some(key) = instance.place.socket else { continue };
            let mtu = instance.config.interface.and_then(|name| self.interfaces.get(&name));
            let mtu = mtu.map_or(DEFAULT_MTU, |interface| interface.facts.mtu);
            let share = self.buffer_share(instance, mtu);
            let spec = sockets.entry(key).or_insert(SocketSpec {
                multicast: crate::encoder::is_multicast(key.local),
                mtu,
                receive_buffer: None,
            });
            if let Some(share) = share {
                let sum = spec.receive_buffer.unwrap_or(0).saturating_add(share);
                spec.receive_buffer = Some(sum);
            }
        }
        sockets
    }

    /// What an instance adds to the receive buffer of its socket (`spec/vrrp-behaviour.md` 10).
    fn buffer_share(&self, instance: &Instance, mtu: u32) -> Option<u32> {
        if instance.config.receive_buffer.is_some() {
            return instance.config.receive_buffer;
        }
        match self.settings.receive_buffer? {
            ReceiveBuffer::Bytes(bytes) => Some(bytes),
            ReceiveBuffer::Adverts(times) => {
                let len = u32::try_from(instance.advert_len()).unwrap_or(u32::MAX);
                Some(times.saturating_mul(len))
            }
            ReceiveBuffer::Mtu(times) => Some(times.saturating_mul(mtu)),
        }
    }

    /// Moves an instance to another source or socket.
    pub(super) fn move_to(&mut self, slot: Slot, place: Place, out: &mut Vec<Action>) {
        let Some(instance) = self.instances.get_mut(slot) else {
            return;
        };
        let old = core::mem::replace(&mut instance.place, place);
        if old == place {
            return;
        }
        instance.election.set_own_address(place.source);
        let vrid = instance.config.vrid.0.get();
        if old.socket == place.socket {
            return;
        }
        if let Some(key) = old.socket {
            self.unroute(key, vrid, slot);
        }
        if let Some(key) = place.socket {
            self.routes.entry((key, vrid)).or_default().push(slot);
        }
        out.push(Action::SocketsChanged);
    }

    /// An instance no longer listens.
    pub(super) fn unroute(&mut self, key: SocketKey, vrid: u8, slot: Slot) {
        if let Some(slots) = self.routes.get_mut(&(key, vrid)) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.routes.remove(&(key, vrid));
            }
        }
        let last = self.routes.range((key, 0)..=(key, u8::MAX)).next().is_none();
        if last {
            self.failed_sockets.remove(&key);
        }
    }
}

fn ended(instance: &Instance) -> bool {
    match instance.election.state() {
        State::Stopped => true,
        State::Init | State::Fault | State::Backup { .. } | State::Master { .. } => false,
    }
}
