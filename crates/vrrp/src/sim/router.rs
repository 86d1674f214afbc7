//! One simulated machine.

use super::Coming;
use super::kernel::Kernel;
use super::network::Arriving;
use crate::action::{Action, StateName};
use crate::config::{AddressKey, Model, Tracked};
use crate::engine::{Engine, leftovers};
use crate::input::{Input, InterfaceFacts, SocketKey};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use base::{IfIndex, IfName, Instant, MacAddr};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

/// The wall time at the beginning of the simulated time line, in seconds since 1970.
const EPOCH: u64 = 1_800_000_000;

/// A machine and the daemon on it.
#[derive(Debug)]
pub(super) struct Router {
    pub(super) model: Model,
    pub(super) engine: Option<Engine>,
    pub(super) kernel: Kernel,
    pub(super) cut: bool,
    pub(super) frozen: bool,
    /// Its cable was cut or plugged in while it was frozen.
    pub(super) missed_carrier: bool,
    pub(super) waiting: Vec<Coming>,
    /// How often the daemon was started: answers to an earlier one are for nobody.
    pub(super) boots: u64,
    /// How far its wall clock is from that of the others, in seconds.
    pub(super) clock_off: i64,
    address: Ipv4Addr,
    sockets: BTreeSet<SocketKey>,
    names: Vec<IfName>,
}

impl Router {
    pub(super) fn new(model: Model, address: Ipv4Addr) -> Router {
        let names = interface_names(&model);
        Router {
            model,
            engine: None,
            kernel: Kernel::default(),
            cut: false,
            frozen: false,
            missed_carrier: false,
            waiting: Vec::new(),
            boots: 0,
            clock_off: 0,
            address,
            sockets: BTreeSet::new(),
            names,
        }
    }

    pub(super) fn start(&mut self, seed: u64, now: Instant, actions: &mut Vec<Action>) {
        // As the role does with tables of an earlier run.
        self.kernel.filter = crate::filter::Rules::default();
        let mut engine = Engine::new(seed, now, Duration::from_secs(3600));
        let since_1970 = self.wall_clock(now);
        engine.handle(now, Input::WallClock { since_1970 }, actions);
        for (name, facts) in self.interfaces() {
            let facts = Some(facts);
            engine.handle(now, Input::Interface { name, facts }, actions);
        }
        let present: Vec<_> = self.kernel.keys().map(|key| (*key, true)).collect();
        engine.start(now, leftovers(&self.model, present), actions);
        engine.reconfigure(now, self.model.clone(), actions);
        self.engine = Some(engine);
        self.boots += 1;
        self.frozen = false;
        self.missed_carrier = false;
        self.waiting.clear();
        self.refresh_sockets();
    }

    pub(super) fn reload(&mut self, now: Instant, model: Model, actions: &mut Vec<Action>) {
        self.model = model;
        for name in interface_names(&self.model) {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        let interfaces = self.interfaces();
        let Some(engine) = self.engine.as_mut() else {
            return;
        };
        for (name, facts) in interfaces {
            let facts = Some(facts);
            engine.handle(now, Input::Interface { name, facts }, actions);
        }
        engine.reconfigure(now, self.model.clone(), actions);
        self.refresh_sockets();
    }

    /// What its wall clock shows.
    pub(super) fn wall_clock(&self, now: Instant) -> Duration {
        let seconds = EPOCH.saturating_add_signed(self.clock_off);
        Duration::from_secs(seconds) + Duration::from_micros(now.as_micros())
    }

    pub(super) fn refresh_sockets(&mut self) {
        let engine = self.engine.as_ref();
        self.sockets = engine
            .map(|engine| engine.sockets().into_keys().collect())
            .unwrap_or_default();
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.frozen {
            return None;
        }
        Some(self.engine.as_ref()?.deadline()?.at)
    }

    /// An address of a master that does not accept packets, and whose packets are not dropped.
    pub(super) fn open_address(&self) -> Option<AddressKey> {
        if self.kernel.unfiltered {
            return None;
        }
        let masters = self.engine.iter().flat_map(Engine::status);
        let masters = masters.filter(|status| status.state == StateName::Master && status.config.drops_packets());
        let mut keys = masters.flat_map(|status| {
            let config = &status.config;
            let all: Vec<AddressKey> = config
                .addresses
                .iter()
                .chain(&config.excluded)
                .map(|a| a.key())
                .collect();
            all
        });
        keys.find(|key| self.kernel.keys().any(|there| there == key) && !self.kernel.drops(key.prefix.address()))
    }

    /// All interfaces as the kernel would report them.
    pub(super) fn interfaces(&self) -> Vec<(IfName, InterfaceFacts)> {
        self.names.iter().map(|name| (*name, self.facts(*name))).collect()
    }

    pub(super) fn interface_name(&self, index: Option<IfIndex>) -> Option<IfName> {
        let position = usize::try_from(index?.0).ok()?.checked_sub(1)?;
        self.names.get(position).copied()
    }

    /// The socket that takes a packet.
    pub(super) fn socket_for(&self, arriving: &Arriving) -> Option<SocketKey> {
        let mine = |socket: &&SocketKey| {
            let here = socket.interface.is_none() || self.interface_name(socket.interface) == arriving.interface;
            here && socket.protocol == arriving.protocol && socket.local == arriving.destination
        };
        self.sockets.iter().find(mine).copied()
    }

    fn facts(&self, name: IfName) -> InterfaceFacts {
        let [.., last] = self.address.octets();
        let position = self.names.iter().position(|other| *other == name).unwrap_or(0);
        let number = u8::try_from(position).unwrap_or(u8::MAX);
        let virtual_addresses = self.kernel.keys().filter(|key| key.interface == name);
        let mut ipv4 = alloc::vec![self.address];
        let mut link_local = alloc::vec![Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last))];
        for key in virtual_addresses {
            match key.prefix.address() {
                IpAddr::V4(address) => ipv4.push(address),
                IpAddr::V6(address) => link_local.push(address),
            }
        }
        InterfaceFacts {
            index: IfIndex(u32::from(number) + 1),
            mac: Some(MacAddr([2, 0, 0, 0, number, last])),
            mtu: 1500,
            up: true,
            running: !self.cut,
            multicast: true,
            noarp: false,
            forwarding6: false,
            ipv4,
            link_local,
            ipv6: Vec::new(),
        }
    }
}

fn interface_names(model: &Model) -> Vec<IfName> {
    let configs = model.instances.values();
    let names: BTreeSet<IfName> = configs
        .flat_map(|config| {
            let addresses = config.addresses.iter().chain(&config.excluded);
            config
                .interface
                .into_iter()
                .chain(addresses.map(|address| address.interface))
                .chain(config.base)
                .chain(config.static_interfaces.iter().copied())
                .chain(config.trackers.iter().filter_map(|tracker| match &tracker.object {
                    Tracked::Interface(name) => Some(*name),
                    Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) | Tracked::Bfd(_) => None,
                }))
        })
        .collect();
    names.into_iter().collect()
}
