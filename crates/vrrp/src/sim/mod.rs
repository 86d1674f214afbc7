//! A simulated segment: routers that run the engine, a network that loses, delays and repeats, kernels that take
//! their time. The same seed gives the same run.
//!
//! Decides nothing about VRRP. The rules a healthy segment must keep are in [`oracle`]. Interfaces of the same name
//! are on the same segment.

pub mod chance;
mod doing;
mod kernel;
mod network;
pub mod oracle;
mod router;
pub mod shrink;
pub mod story;

use crate::action::StateName;
use crate::config::{Model, Name};
use crate::input::Input;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::{Instant, Rng};
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use network::{Arriving, Network};
use router::Router;

/// Turns at one instant before the simulation calls it an endless loop.
const MOST_TURNS_AT_ONCE: u32 = 10_000;

/// Something that will happen.
#[derive(Clone, Debug)]
enum Coming {
    /// A packet reaches a router.
    Packet(Arriving),
    /// A kernel has worked through a batch.
    Batch(kernel::Work),
    /// A kernel's report of an address reaches the router.
    Report(kernel::Report),
    /// A kernel has worked through a batch of routes, or of rules. It takes them as they come.
    Routing {
        router: String,
        boot: u64,
        batch: crate::input::BatchId,
        rules: bool,
    },
    /// Something is reported to a router, or ordered of it.
    Told { router: String, what: Told },
    /// The client hears where an address is.
    Announced { router: String, address: IpAddr },
    /// What became of a change of rules.
    Filtered {
        router: String,
        boot: u64,
        batch: crate::input::BatchId,
        refused: Option<i32>,
    },
}

/// What waits in a socket or a channel while a router stands still.
#[derive(Clone, Debug)]
enum Told {
    Input(Input<'static>),
    Reload(Box<Model>),
}

/// The simulation.
#[derive(Debug)]
pub struct Sim {
    now: Instant,
    rng: Rng,
    routers: BTreeMap<String, Router>,
    coming: BTreeMap<(Instant, u64), Coming>,
    sequence: u64,
    network: Network,
    /// Where the client sends what is for an address: whoever announced it last.
    client: BTreeMap<IpAddr, String>,
    timeline: Vec<String>,
    turns: u32,
}

impl Sim {
    /// An empty segment. Nothing is lost, and a packet takes 50 to 150 microseconds.
    pub fn new(seed: u64) -> Sim {
        Sim {
            now: Instant::from_micros(1_000_000),
            rng: Rng::from_seed(seed),
            routers: BTreeMap::new(),
            coming: BTreeMap::new(),
            sequence: 0,
            network: Network::default(),
            client: BTreeMap::new(),
            timeline: Vec::new(),
            turns: 0,
        }
    }

    /// Adds a router and starts it. Its own address is 192.0.2.N and fe80::N on every interface, N counting from 1.
    pub fn add(&mut self, name: &str, model: Model) {
        let number = u8::try_from(self.routers.len() + 1).unwrap_or(u8::MAX);
        self.add_with_address(name, model, Ipv4Addr::new(192, 0, 2, number));
    }

    /// Adds a router with this IPv4 address of its own, and starts it.
    pub fn add_with_address(&mut self, name: &str, model: Model, address: Ipv4Addr) {
        let router = Router::new(model, address);
        self.routers.insert(name.to_string(), router);
        self.start(name);
    }

    /// The simulated time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass up to `until`.
    pub fn run_until(&mut self, until: Instant) {
        while let Some((at, who)) = self.next().filter(|(at, _)| *at <= until) {
            if at > self.now {
                self.now = at;
                self.turns = 0;
            }
            self.turns += 1;
            if self.turns > MOST_TURNS_AT_ONCE {
                self.note("**", "endless loop");
                return;
            }
            match who {
                Some(name) => self.feed(&name, Input::DeadlineReached),
                None => self.arrive(),
            }
        }
        self.now = self.now.max(until);
    }

    /// Lets this much time pass.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now.after(span));
    }

    /// Pulls the cable of a router: it notices, and nobody hears it.
    pub fn cut(&mut self, name: &str) {
        self.carrier(name, false);
    }

    /// Plugs the cable in again.
    pub fn heal(&mut self, name: &str) {
        self.carrier(name, true);
    }

    /// Packets from one router no longer reach another; neither notices.
    pub fn block(&mut self, from: &str, to: &str) {
        self.note("--", &format!("block {from} -> {to}"));
        self.network.blocked.insert((from.to_string(), to.to_string()));
    }

    /// All one-way blocks end.
    pub fn unblock_all(&mut self) {
        self.note("--", "unblock all");
        self.network.blocked.clear();
    }

    /// This many of a hundred packets are lost.
    pub fn loss(&mut self, percent: u8) {
        self.network.loss = percent;
    }

    /// This many of a hundred packets arrive twice.
    pub fn duplication(&mut self, percent: u8) {
        self.network.duplication = percent;
    }

    /// How long packets take.
    pub fn delay(&mut self, shortest: Duration, longest: Duration) {
        self.network.delay = (shortest, longest.max(shortest));
    }

    /// Ends a router without a goodbye; its addresses stay where they are.
    pub fn kill(&mut self, name: &str) {
        self.note(name, "** killed");
        if let Some(router) = self.routers.get_mut(name) {
            router.engine = None;
        }
    }

    /// Asks a router to end.
    pub fn stop(&mut self, name: &str) {
        self.feed(name, Input::Shutdown { keep_addresses: false });
    }

    /// Starts a router that is not running.
    pub fn start(&mut self, name: &str) {
        let seed = self.rng.next_u64();
        let now = self.now;
        let mut actions = Vec::new();
        let Some(router) = self.routers.get_mut(name) else {
            return;
        };
        if router.engine.is_some() {
            return;
        }
        router.start(seed, now, &mut actions);
        self.note(name, "** started");
        self.carry_out(name, actions);
    }

    /// Gives a running router another model, as a reload does; a dead one has it when it starts.
    pub fn reload(&mut self, name: &str, model: Model) {
        self.tell(name, Told::Reload(Box::new(model)));
    }

    fn reload_now(&mut self, name: &str, model: Model) {
        let now = self.now;
        let mut actions = Vec::new();
        self.note(name, "** reload");
        if let Some(router) = self.routers.get_mut(name) {
            router.reload(now, model, &mut actions);
        }
        self.carry_out(name, actions);
    }

    /// Somebody sets the wall clock of a router by this many seconds.
    pub fn set_clock(&mut self, name: &str, seconds: i64) {
        self.note(name, &format!("** clock set by {seconds} s"));
        let Some(router) = self.routers.get_mut(name) else {
            return;
        };
        router.clock_off += seconds;
        let since_1970 = router.wall_clock(self.now);
        self.feed(name, Input::WallClock { since_1970 });
    }

    /// A router stands still, as under SIGSTOP; what arrives waits.
    pub fn freeze(&mut self, name: &str) {
        self.note(name, "** frozen");
        if let Some(router) = self.routers.get_mut(name) {
            router.frozen = true;
        }
    }

    /// A router goes on: what has arrived first, then timers.
    pub fn thaw(&mut self, name: &str) {
        self.thaw_hearing(name, true);
    }

    /// A router goes on and has heard nothing meanwhile, as a virtual machine that was halted.
    pub fn thaw_deaf(&mut self, name: &str) {
        self.thaw_hearing(name, false);
    }

    fn thaw_hearing(&mut self, name: &str, hears: bool) {
        self.note(name, if hears { "** thawed" } else { "** thawed, deaf" });
        let waiting = match self.routers.get_mut(name) {
            Some(router) => {
                router.frozen = false;
                core::mem::take(&mut router.waiting)
            }
            None => return,
        };
        self.tell_missed(name);
        for coming in waiting {
            match coming {
                Coming::Packet(_) if !hears => {}
                Coming::Packet(_)
                | Coming::Batch(_)
                | Coming::Report(_)
                | Coming::Routing { .. }
                | Coming::Told { .. }
                | Coming::Announced { .. }
                | Coming::Filtered { .. } => {
                    self.deliver(coming);
                }
            }
        }
        self.feed(name, Input::DeadlineReached);
    }

    /// What the kernel reported of links while nobody listened is read afterwards.
    fn tell_missed(&mut self, name: &str) {
        let Some(router) = self.routers.get_mut(name) else {
            return;
        };
        if !core::mem::take(&mut router.missed_carrier) {
            return;
        }
        let inputs = router.interfaces();
        for (interface, facts) in inputs {
            let facts = Some(facts);
            self.feed(name, Input::Interface { name: interface, facts });
        }
    }

    /// The state of an instance; `None` while its router is not running or has no such instance.
    pub fn state(&self, router: &str, instance: &str) -> Option<StateName> {
        let engine = self.routers.get(router)?.engine.as_ref()?;
        engine.status_of(&Name::from(instance)).map(|status| status.state)
    }

    /// Everything about the instances of a router; nothing while it is not running.
    pub fn status(&self, router: &str) -> Vec<crate::engine::Status> {
        let engine = self.routers.get(router).and_then(|router| router.engine.as_ref());
        engine.map(crate::Engine::status).unwrap_or_default()
    }

    /// Whether the kernel of a router has an address.
    pub fn holds(&self, router: &str, address: IpAddr) -> bool {
        let router = self.routers.get(router);
        router.is_some_and(|router| router.kernel.keys().any(|key| key.prefix.address() == address))
    }

    /// An address that the kernel of a router has.
    pub fn held(&self, router: &str) -> Option<IpAddr> {
        let key = self.routers.get(router)?.kernel.keys().next()?;
        Some(key.prefix.address())
    }

    /// Whether a router runs; it may stand still.
    pub fn runs(&self, router: &str) -> bool {
        self.routers.get(router).is_some_and(|router| router.engine.is_some())
    }

    /// How far the wall clock of a router was set, in seconds.
    pub fn clock_off(&self, router: &str) -> i64 {
        self.routers.get(router).map_or(0, |router| router.clock_off)
    }

    /// Whether a router stands still.
    pub fn is_frozen(&self, router: &str) -> bool {
        self.routers.get(router).is_some_and(|router| router.frozen)
    }

    /// Whether a client that believes the announcements it heard reaches an address.
    pub fn is_reached(&self, address: IpAddr) -> bool {
        let believed = self.client.get(&address).and_then(|name| self.routers.get(name));
        believed.is_some_and(|router| !router.cut && router.kernel.keys().any(|key| key.prefix.address() == address))
    }

    /// Takes an address away behind a router's back, as an operator would.
    pub fn steal(&mut self, name: &str, address: IpAddr) {
        let Some(router) = self.routers.get_mut(name) else {
            return;
        };
        for key in router.kernel.remove_address(address) {
            self.tell(name, Told::Input(Input::Address { key, present: false }));
        }
    }

    /// A result of something a router tracks, which the role would have found out.
    pub fn track(&mut self, name: &str, input: Input<'static>) {
        self.tell(name, Told::Input(input));
    }

    /// Tells a router something, now or when it goes on.
    fn tell(&mut self, name: &str, what: Told) {
        let router = name.to_string();
        self.deliver(Coming::Told { router, what });
    }

    /// The effective priority of an instance.
    pub fn priority(&self, router: &str, instance: &str) -> Option<u8> {
        let engine = self.routers.get(router)?.engine.as_ref()?;
        engine
            .status_of(&Name::from(instance))
            .map(|status| status.priority.get())
    }

    /// Somebody flushes the packet filter of a router.
    pub fn flush_filter(&mut self, name: &str) {
        self.note(name, "** filter flushed");
        if let Some(router) = self.routers.get_mut(name) {
            router.kernel.filter = crate::filter::Rules::default();
        }
        self.tell(name, Told::Input(Input::FilterLost));
    }

    /// nftables of a router works no longer, or works again.
    pub fn break_filter(&mut self, name: &str, broken: bool) {
        if let Some(router) = self.routers.get_mut(name) {
            router.kernel.unfiltered = broken;
        }
    }

    /// Whether packets to an address are dropped on a router.
    pub fn drops(&self, name: &str, address: IpAddr) -> bool {
        let router = self.routers.get(name);
        router.is_some_and(|router| router.kernel.drops(address))
    }

    /// The names of all routers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.routers.keys().map(String::as_str)
    }

    /// Everything that happened, one line each.
    pub fn timeline(&self) -> &[String] {
        &self.timeline
    }

    fn carrier(&mut self, name: &str, running: bool) {
        self.note(name, if running { "** plugged in" } else { "** cut" });
        let inputs = match self.routers.get_mut(name) {
            Some(router) => {
                router.cut = !running;
                router.missed_carrier |= router.frozen;
                router.interfaces()
            }
            None => return,
        };
        for (interface, facts) in inputs {
            let facts = Some(facts);
            self.feed(name, Input::Interface { name: interface, facts });
        }
    }

    /// What happens next: the deadline of a router, or something on its way (`None`).
    fn next(&self) -> Option<(Instant, Option<String>)> {
        let coming = self.coming.keys().next().map(|(at, _)| (*at, None));
        let deadlines = self.routers.iter().filter_map(|(name, router)| {
            let deadline = router.deadline()?;
            Some((deadline.max(self.now), Some(name.clone())))
        });
        // On a tie the deadline goes first, as in the event loop.
        deadlines.chain(coming).min_by_key(|(at, who)| (*at, who.is_none()))
    }

    fn arrive(&mut self) {
        if let Some((_, coming)) = self.coming.pop_first() {
            self.deliver(coming);
        }
    }

    fn deliver(&mut self, coming: Coming) {
        let to = match &coming {
            Coming::Packet(arriving) => &arriving.to,
            Coming::Batch(work) => &work.router,
            Coming::Report(report) => &report.router,
            Coming::Routing { router, .. } => router,
            Coming::Filtered { router, .. } => router,
            Coming::Told { router, .. } => router,
            Coming::Announced { router, address } => {
                self.client.insert(*address, router.clone());
                return;
            }
        };
        let name = to.clone();
        // A kernel works on while its router stands still or is dead; only the answer has to wait.
        let coming = match coming {
            Coming::Batch(work) if !work.done => Coming::Batch(self.work(&name, work)),
            other @ (Coming::Packet(_)
            | Coming::Batch(_)
            | Coming::Report(_)
            | Coming::Routing { .. }
            | Coming::Told { .. }
            | Coming::Announced { .. }
            | Coming::Filtered { .. }) => other,
        };
        let Some(router) = self.routers.get_mut(&name) else {
            return;
        };
        if router.frozen {
            router.waiting.push(coming);
            return;
        }
        match coming {
            Coming::Packet(arriving) => self.receive(&name, &arriving),
            Coming::Batch(work) if router.boots == work.boot => {
                let refused = work.refused.clone();
                let (batch, refused) = (work.batch, refused.as_slice());
                self.feed(&name, Input::AddressesChanged { batch, refused });
            }
            Coming::Batch(_) | Coming::Announced { .. } => {}
            Coming::Routing { boot, batch, rules, .. } if router.boots == boot => {
                let refused = [].as_slice();
                let input = match rules {
                    true => Input::RulesChanged { batch, refused },
                    false => Input::RoutesChanged { batch, refused },
                };
                self.feed(&name, input);
            }
            Coming::Filtered {
                boot, batch, refused, ..
            } if router.boots == boot => self.feed(&name, Input::FilterChanged { batch, refused }),
            Coming::Routing { .. } | Coming::Filtered { .. } => {}
            Coming::Told { what, .. } => match what {
                Told::Input(input) => self.feed(&name, input),
                Told::Reload(model) => self.reload_now(&name, *model),
            },
            Coming::Report(report) => {
                let (key, present) = (report.key, report.present);
                self.feed(&name, Input::Address { key, present });
            }
        }
    }

    /// A kernel works through a batch.
    fn work(&mut self, name: &str, work: kernel::Work) -> kernel::Work {
        let Some(router) = self.routers.get_mut(name) else {
            return work;
        };
        let (work, reports) = router.kernel.work(work);
        let open = router.open_address();
        for report in reports {
            let pause = Duration::from_micros(self.rng.below(200));
            self.later(pause, Coming::Report(report));
        }
        if let Some(key) = open {
            self.note(name, &format!("** packets to {key} are not dropped"));
        }
        work
    }

    fn receive(&mut self, name: &str, arriving: &Arriving) {
        let socket = match self.routers.get(name) {
            Some(router) if !router.cut => router.socket_for(arriving),
            Some(_) | None => None,
        };
        if let Some(socket) = socket {
            let packet = arriving.packet(socket);
            self.feed(name, Input::Packet(packet));
        }
    }

    fn feed(&mut self, name: &str, input: Input<'_>) {
        let now = self.now;
        let Some(router) = self.routers.get_mut(name) else {
            return;
        };
        if router.frozen {
            return;
        }
        let Some(engine) = router.engine.as_mut() else {
            return;
        };
        let line = match &input {
            Input::DeadlineReached | Input::Packet(_) | Input::WallClock { .. } => None,
            Input::Interface { .. }
            | Input::Address { .. }
            | Input::AddressesChanged { .. }
            | Input::Route { .. }
            | Input::Rule { .. }
            | Input::RoutingUncertain
            | Input::RoutesChanged { .. }
            | Input::RulesChanged { .. }
            | Input::FilterChanged { .. }
            | Input::FilterLost
            | Input::Slept { .. }
            | Input::SocketFailed { .. }
            | Input::SocketOpened { .. }
            | Input::SendFailed { .. }
            | Input::ScriptResult { .. }
            | Input::FileValue { .. }
            | Input::ProcessCount { .. }
            | Input::BfdState { .. }
            | Input::Shutdown { .. } => Some(format!("> {input}")),
        };
        let mut actions = Vec::new();
        engine.handle(now, input, &mut actions);
        let finished = engine.is_finished();
        if let Some(line) = line {
            self.note(name, &line);
        }
        self.carry_out(name, actions);
        if finished && let Some(router) = self.routers.get_mut(name) {
            router.engine = None;
            self.note(name, "** ended");
        }
    }

    fn later(&mut self, pause: Duration, coming: Coming) {
        self.sequence += 1;
        self.coming.insert((self.now.after(pause), self.sequence), coming);
    }

    fn note(&mut self, name: &str, line: &str) {
        self.timeline.push(format!("{} {name} {line}", self.now));
    }
}
