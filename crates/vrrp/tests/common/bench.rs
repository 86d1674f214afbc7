//! One engine on a bench: an interface, a model, and what comes out.

use super::{Wish, models};
use base::{IfIndex, Instant, MacAddr};
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use vrrp::action::{Action, AddressStep, Advert, StateName};
use vrrp::config::{Model, Name};
use vrrp::engine::{Engine, Status, Wake};
use vrrp::input::{Body, Input, InterfaceFacts, Packet, SocketKey};

pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    pub(crate) actions: Vec<Action>,
    steps: Vec<AddressStep>,
}

impl Bench {
    /// An engine with the interface `eth0`, 10.0.0.7 and fe80::ff:fe00:7, and these instances.
    pub(crate) fn new(wishes: &[Wish]) -> Bench {
        Bench::with_model(models(wishes))
    }

    pub(crate) fn with_model(model: Model) -> Bench {
        let now = Instant::from_micros(1_000_000);
        let mut engine = Engine::new(1, now, Duration::from_secs(3600));
        let mut actions = Vec::new();
        let facts = Some(facts());
        let name = "eth0".parse().unwrap();
        engine.handle(now, Input::Interface { name, facts }, &mut actions);
        engine.start(now, Vec::new(), &mut actions);
        engine.reconfigure(now, model, &mut actions);
        Bench {
            engine,
            now,
            actions,
            steps: Vec::new(),
        }
    }

    /// One input, and what follows from the claim of a new master once its advert has left.
    pub(crate) fn feed(&mut self, input: Input<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        self.engine.handle(self.now, input, &mut actions);
        if self
            .engine
            .deadline()
            .is_some_and(|deadline| deadline.why == Wake::Claimed)
        {
            self.engine.handle(self.now, Input::DeadlineReached, &mut actions);
        }
        self.actions.extend(actions.iter().cloned());
        actions
    }

    /// Lets time pass; the kernel answers every batch at once.
    pub(crate) fn run_for(&mut self, span: Duration) {
        let until = self.now.after(span);
        loop {
            self.answer();
            let deadline = self.engine.deadline().filter(|deadline| deadline.at <= until);
            let Some(deadline) = deadline else { break };
            self.now = self.now.max(deadline.at);
            self.feed(Input::DeadlineReached);
        }
        self.now = until;
    }

    fn answer(&mut self) {
        let mut answered = 0;
        while let Some(action) = self.actions.get(answered).cloned() {
            answered += 1;
            if let Action::ChangeFilter { batch, .. } = action {
                self.actions.remove(answered - 1);
                self.feed(Input::FilterChanged { batch, refused: None });
                answered -= 1;
            } else if let Action::ChangeAddresses { batch, steps } = action {
                self.actions.remove(answered - 1);
                self.steps.extend(steps);
                self.feed(Input::AddressesChanged { batch, refused: &[] });
                answered -= 1;
            }
        }
    }

    /// The changes to addresses that were answered, in order.
    pub(crate) fn steps(&self) -> Vec<AddressStep> {
        self.steps.clone()
    }

    /// Feeds an IPv4 packet to the only socket.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Vec<Action> {
        let socket = self.socket();
        let body = Body::V4(bytes);
        self.feed(Input::Packet(Packet { socket, body }))
    }

    pub(crate) fn socket(&self) -> SocketKey {
        *self.engine.sockets().keys().next().unwrap()
    }

    pub(crate) fn status(&self) -> Status {
        self.engine.status_of(&Name::from("V")).unwrap()
    }

    pub(crate) fn state(&self) -> StateName {
        self.status().state
    }

    pub(crate) fn adverts(&self) -> Vec<Advert> {
        adverts(&self.actions)
    }
}

pub(crate) fn adverts(actions: &[Action]) -> Vec<Advert> {
    let advert = |action: &Action| match action {
        Action::SendAdvert(advert) => Some(advert.clone()),
        Action::ChangeAddresses { .. }
        | Action::Announce(_)
        | Action::Notify { .. }
        | Action::NotifyGroup { .. }
        | Action::NotifyPriority { .. }
        | Action::LowerPrioritySeen { .. }
        | Action::Tell(_)
        | Action::ChangeRoutes { .. }
        | Action::ChangeRules { .. }
        | Action::PromoteSecondaries { .. }
        | Action::ChangeFilter { .. }
        | Action::SocketsChanged => None,
    };
    actions.iter().filter_map(advert).collect()
}

pub(crate) fn said(actions: &[Action]) -> Vec<String> {
    let text = |action: &Action| match action {
        Action::Tell(event) => Some(event.to_string()),
        Action::SendAdvert(_)
        | Action::ChangeAddresses { .. }
        | Action::Announce(_)
        | Action::Notify { .. }
        | Action::NotifyGroup { .. }
        | Action::NotifyPriority { .. }
        | Action::ChangeRoutes { .. }
        | Action::ChangeRules { .. }
        | Action::PromoteSecondaries { .. }
        | Action::ChangeFilter { .. }
        | Action::LowerPrioritySeen { .. }
        | Action::SocketsChanged => None,
    };
    actions.iter().filter_map(text).collect()
}

pub(crate) fn facts() -> InterfaceFacts {
    InterfaceFacts {
        index: IfIndex(2),
        mac: Some(MacAddr([2, 0, 0, 0, 0, 7])),
        mtu: 1500,
        up: true,
        running: true,
        multicast: true,
        noarp: false,
        forwarding6: false,
        ipv4: vec![Ipv4Addr::new(10, 0, 0, 7)],
        link_local: vec!["fe80::ff:fe00:7".parse().unwrap()],
        ipv6: Vec::new(),
    }
}

/// Bytes from hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let (pairs, _) = digits.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

/// What a router at `source` sends for a wish.
pub(crate) fn packet_from(wish: &Wish, source: IpAddr) -> Vec<u8> {
    let wish = Wish {
        source: Some(source),
        priority: wish.priority,
        ..wish.clone()
    };
    let mut bench = Bench::new(&[wish]);
    bench.run_for(Duration::from_secs(8));
    let mut bytes = bench.adverts().first().unwrap().bytes.clone();
    if source.is_ipv4() {
        let total = u16::try_from(bytes.len()).unwrap();
        bytes[2..4].copy_from_slice(&total.to_be_bytes());
    }
    bytes
}
