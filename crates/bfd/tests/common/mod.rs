//! Two ends and a link between them that loses, delays and reorders.
#![allow(dead_code, reason = "each test file uses its part")]

use base::{Instant, Rng};
use bfd::action::{Action, Verdict};
use bfd::config::{Config, Hops, Model, Name};
use bfd::draft::Draft;
use bfd::engine::{Engine, Status};
use bfd::input::{Input, Packet};
use bfd::wire::{self, State};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// The name of every session here.
pub(crate) const NAME: &str = "path";

pub(crate) fn name() -> Name {
    Name::from(NAME)
}

pub(crate) fn address(end: usize) -> IpAddr {
    IpAddr::from([192, 0, 2, 1 + u8::try_from(end).unwrap()])
}

pub(crate) fn draft(end: usize) -> Draft {
    Draft {
        neighbor: Some(address(1 - end)),
        source: Some(address(end)),
        ..Draft::default()
    }
}

pub(crate) fn config(draft: Draft) -> Config {
    draft.finish(name(), &Model::default()).config.unwrap()
}

pub(crate) fn model(draft: Draft) -> Model {
    Model {
        sessions: BTreeMap::from([(name(), Arc::new(config(draft)))]),
    }
}

pub(crate) fn multiplier(n: u8) -> Option<NonZeroU8> {
    NonZeroU8::new(n)
}

/// What the link does to a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) loss: u8,
    pub(crate) duplication: u8,
    pub(crate) delay: (Duration, Duration),
    pub(crate) cut: [bool; 2],
}

impl Default for Link {
    fn default() -> Link {
        Link {
            loss: 0,
            duplication: 0,
            delay: (Duration::from_micros(50), Duration::from_micros(150)),
            cut: [false, false],
        }
    }
}

/// Two engines on a time line.
pub(crate) struct Pair {
    pub(crate) engines: [Engine; 2],
    pub(crate) link: Link,
    pub(crate) now: Instant,
    rng: Rng,
    flying: BTreeMap<(Instant, u64), (usize, [u8; wire::LEN])>,
    count: u64,
    /// An end that stands still; what arrives waits for it.
    frozen: [bool; 2],
    waiting: [Vec<[u8; wire::LEN]>; 2],
    /// What each end told those who track the session, and when.
    pub(crate) verdicts: [Vec<(Instant, Verdict)>; 2],
    /// Every packet: when, who sent it, what.
    pub(crate) sent: Vec<(Instant, usize, wire::Packet)>,
    pub(crate) log: Vec<String>,
}

impl Pair {
    pub(crate) fn new(seed: u64, drafts: [Draft; 2]) -> Pair {
        let mut pair = Pair {
            engines: [Engine::new(seed), Engine::new(seed ^ 0xffff)],
            link: Link::default(),
            now: Instant::from_micros(1),
            rng: Rng::from_seed(seed.wrapping_mul(31)),
            flying: BTreeMap::new(),
            count: 0,
            frozen: [false, false],
            waiting: [Vec::new(), Vec::new()],
            verdicts: [Vec::new(), Vec::new()],
            sent: Vec::new(),
            log: Vec::new(),
        };
        for (end, draft) in drafts.into_iter().enumerate() {
            pair.reconfigure(end, draft);
        }
        pair
    }

    pub(crate) fn reconfigure(&mut self, end: usize, draft: Draft) {
        let mut out = Vec::new();
        self.engines[end].reconfigure(self.now, model(draft), &mut out);
        self.carry_out(end, out);
    }

    pub(crate) fn tell(&mut self, end: usize, input: Input<'_>) {
        let mut out = Vec::new();
        self.engines[end].handle(self.now, input, &mut out);
        self.carry_out(end, out);
    }

    /// The end is killed and started again: it knows nothing.
    pub(crate) fn restart(&mut self, end: usize, draft: Draft) {
        self.engines[end] = Engine::new(self.rng.next_u64());
        self.verdicts[end].clear();
        self.reconfigure(end, draft);
    }

    /// The end stands still.
    pub(crate) fn freeze(&mut self, end: usize) {
        self.frozen[end] = true;
    }

    /// The end goes on: with what has come meanwhile, or without, as a machine that was halted.
    pub(crate) fn thaw(&mut self, end: usize, hears: bool) {
        self.frozen[end] = false;
        for bytes in std::mem::take(&mut self.waiting[end]) {
            if hears {
                self.deliver(end, &bytes, 255);
            }
        }
        self.tell(end, Input::DeadlineReached);
    }

    pub(crate) fn state(&self, end: usize) -> State {
        self.status(end).state
    }

    pub(crate) fn status(&self, end: usize) -> Status {
        self.engines[end].status().remove(0)
    }

    pub(crate) fn verdict(&self, end: usize) -> Option<Verdict> {
        self.verdicts[end].last().map(|(_, verdict)| *verdict)
    }

    pub(crate) fn packets(&self, end: usize) -> Vec<(Instant, wire::Packet)> {
        let of = self.sent.iter().filter(|(_, from, _)| *from == end);
        of.map(|(at, _, packet)| (*at, *packet)).collect()
    }

    fn carry_out(&mut self, end: usize, out: Vec<Action>) {
        for action in out {
            match action {
                Action::Send { bytes, .. } => self.launch(end, bytes),
                Action::Report { verdict, .. } => self.verdicts[end].push((self.now, verdict)),
                Action::Tell(event) => self.log.push(format!("{} {end} {event}", self.now)),
                Action::SocketsChanged => {}
            }
        }
    }

    fn launch(&mut self, end: usize, bytes: [u8; wire::LEN]) {
        let (packet, _) = wire::parse(&bytes).unwrap();
        self.sent.push((self.now, end, packet));
        if self.link.cut[end] || self.rng.percent(self.link.loss) {
            return;
        }
        let copies = if self.rng.percent(self.link.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let (least, most) = self.link.delay;
            let span = self.rng.below(u64::try_from((most - least).as_micros()).unwrap() + 1);
            let at = self.now.after(least + Duration::from_micros(span));
            self.count += 1;
            self.flying.insert((at, self.count), (1 - end, bytes));
        }
    }

    /// Lets time pass until `until`.
    pub(crate) fn run_until(&mut self, until: Instant) {
        loop {
            let arrival = self.flying.keys().next().map(|(at, _)| *at);
            let due = self
                .engines
                .iter()
                .zip(self.frozen)
                .filter(|(_, frozen)| !frozen)
                .filter_map(|(engine, _)| engine.deadline().map(|d| d.at))
                .min();
            let Some(next) = arrival.into_iter().chain(due).min().filter(|at| *at <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            // Packets before timers, as the role does.
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to, bytes) = entry.remove();
                match self.frozen[to] {
                    true => self.waiting[to].push(bytes),
                    false => self.deliver(to, &bytes, 255),
                }
            }
            for end in (0..2).filter(|end| !self.frozen[*end]).collect::<Vec<_>>() {
                self.tell(end, Input::DeadlineReached);
            }
        }
    }

    pub(crate) fn run(&mut self, span: Duration) {
        self.run_until(self.now.after(span));
    }

    /// A datagram from the other end arrives.
    pub(crate) fn deliver(&mut self, to: usize, bytes: &[u8], ttl: u8) {
        let packet = Packet {
            hops: Hops::Single,
            source: address(1 - to),
            destination: address(to),
            ttl,
            bytes,
        };
        self.tell(to, Input::Packet(packet));
    }
}
