//! All virtual routers together: the one door of the crate.
//!
//! Decides which instance an input concerns, carries the effects of an instance into actions, and keeps the deadlines
//! of all. It takes `(now, input)` and appends to an ordered list of actions; it does not know clocks, sockets or
//! files.
//!
//! The order of life: [`Engine::new`], [`Input::Interface`] for each interface there is, [`Engine::start`] with the
//! addresses an earlier run left behind, [`Engine::reconfigure`] with the model, and from then on
//! [`Engine::handle`]. [`Input::Shutdown`] ends it, and [`Engine::is_finished`] says when the last action is answered.

mod clock;
mod effects;
mod filtering;
mod groups;
mod inputs;
pub(crate) mod interfaces;
mod lateness;
mod packets;
mod reload;
pub mod reload_table;
mod repair;
mod routes;
pub(crate) mod slots;
mod sockets;
mod status;
pub(crate) mod tracking;

pub use reload::{Difference, difference};
pub use sockets::SocketSpec;
pub use status::{EngineCounters, GroupStatus, Status};

use crate::action::Action;
use crate::announce::Announcer;
use crate::clock::Clock;
use crate::config::{AddressKey, Model, Name, Settings, Tracked, VirtualAddress};
use crate::election::{Effect, Happening, State, Timer};
use crate::event::{Event, Level};
use crate::holdings::Holdings;
use crate::input::{Input, SocketKey};
use crate::instance::Instance;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use base::{Deadline, IfName, Instant, Rng};
use core::time::Duration;
use groups::GroupRun;
use interfaces::Interfaces;
use repair::Repairs;
use routes::Routing;
use slots::{Slot, Slots};
use tracking::Conditions;

/// Why the engine wants to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// A timer of an instance ends.
    Instance(Name, Timer),
    /// An announcement is due.
    Announce,
    /// What follows from the claim of a new master, now that its advert has left.
    Claimed,
    /// More addresses of a new master are taken up.
    HoldAddresses,
    /// A refused change of an address is tried again.
    RetryAddress,
    /// A delayed change of something tracked counts.
    Tracked,
    /// The rules of the packet filter are tried again.
    RetryFilter,
}

/// All virtual routers of a machine.
#[derive(Clone, Debug)]
pub struct Engine {
    rng: Rng,
    started: Instant,
    boot_age: Duration,
    listens_from: Instant,
    clock: Clock,
    knows_clock: bool,
    settings: Settings,
    interfaces: Interfaces,
    instances: Slots<Instance>,
    names: BTreeMap<Name, Slot>,
    /// Who depends on an interface.
    dependants: BTreeMap<IfName, Vec<Slot>>,
    /// What is known of tracked objects.
    conditions: Conditions,
    /// Who tracks an object.
    watchers: BTreeMap<Tracked, Vec<Slot>>,
    groups: BTreeMap<Name, GroupRun>,
    /// Groups whose members did something.
    unsettled: BTreeSet<Name>,
    /// Who listens on a socket for a virtual router.
    routes: BTreeMap<(SocketKey, u8), Vec<Slot>>,
    failed_sockets: BTreeMap<SocketKey, i32>,
    /// Timers that must be answered.
    due: BTreeSet<(Instant, Slot)>,
    /// Adverts that may share a wake-up.
    due_early: BTreeSet<(Instant, Slot)>,
    holdings: Holdings<VirtualAddress>,
    routing: Routing,
    repairs: Repairs,
    /// New masters whose first advert is under way, and what is to follow it.
    claimed: VecDeque<(Slot, Vec<Effect>)>,
    /// New masters whose addresses are not all taken up, and from which on.
    unheld: VecDeque<(Slot, usize)>,
    announcer: Announcer,
    filter: filtering::Filter,
    leftovers: BTreeSet<AddressKey>,
    told_unknown: BTreeSet<(SocketKey, u8)>,
    counters: EngineCounters,
    ending: bool,
    /// It ends and leaves the addresses where they are.
    keeps_addresses: bool,
    /// Kept empty; its memory is used again and again.
    effects: Vec<Effect>,
    remarks: Vec<(Level, String)>,
}

impl Engine {
    /// An engine without instances. `boot_age` is how long the machine has been running.
    pub fn new(seed: u64, now: Instant, boot_age: Duration) -> Engine {
        Engine {
            rng: Rng::from_seed(seed),
            started: now,
            boot_age,
            listens_from: now,
            clock: Clock::default(),
            knows_clock: false,
            settings: Settings::default(),
            interfaces: Interfaces::default(),
            instances: Slots::default(),
            names: BTreeMap::new(),
            dependants: BTreeMap::new(),
            conditions: Conditions::default(),
            watchers: BTreeMap::new(),
            groups: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            routes: BTreeMap::new(),
            failed_sockets: BTreeMap::new(),
            due: BTreeSet::new(),
            due_early: BTreeSet::new(),
            holdings: Holdings::default(),
            routing: Routing::default(),
            repairs: Repairs::default(),
            claimed: VecDeque::new(),
            unheld: VecDeque::new(),
            announcer: Announcer::default(),
            filter: filtering::Filter::default(),
            leftovers: BTreeSet::new(),
            told_unknown: BTreeSet::new(),
            counters: EngineCounters::default(),
            ending: false,
            keeps_addresses: false,
            effects: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Removes what an earlier run left behind (see [`leftovers`]), before anything else. These addresses are never
    /// the source of an advert.
    pub fn start(&mut self, now: Instant, leftovers: Vec<AddressKey>, out: &mut Vec<Action>) {
        for key in leftovers {
            self.holdings.leftover(key, false);
            self.leftovers.insert(key);
        }
        self.refresh_virtual_addresses();
        self.pump(now, out);
    }

    /// Brings the instances to the state a model describes; `reload` has the table of what that means.
    pub fn reconfigure(&mut self, now: Instant, model: Model, out: &mut Vec<Action>) {
        // Who is about to end has no use for another model.
        if self.ending {
            return;
        }
        self.catch_up(now, out);
        // The difference to another model is one between whole sets of addresses.
        self.hold_some(usize::MAX);
        self.apply_model(now, model, out);
        self.settle(now, out);
        self.pump(now, out);
    }

    /// Answers an input.
    ///
    /// Time may stand still, and a packet may come with the time it arrived at, which is a little before that of inputs
    /// already answered.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Vec<Action>) {
        self.catch_up(now, out);
        self.notice_lateness(now, out);
        match input {
            Input::DeadlineReached => self.deadline_reached(now, out),
            Input::WallClock { since_1970 } => self.clock_shows(now, since_1970, out),
            Input::Slept { span } => self.slept(now, span, out),
            Input::Interface { name, facts } => self.interface_changed(now, name, facts, out),
            Input::Address { key, present } => self.address_observed(now, key, present, out),
            Input::Route { route, present } => self.route_observed(now, &route, present, out),
            Input::Rule { rule, present } => self.rule_observed(now, &rule, present, out),
            Input::RoutingUncertain => self.assert_routing(),
            Input::Packet(packet) => self.packet(now, packet, out),
            Input::AddressesChanged { batch, refused } => self.addresses_changed(now, batch, refused, out),
            Input::RoutesChanged { batch, refused } => self.routes_changed(now, batch, refused, out),
            Input::RulesChanged { batch, refused } => self.rules_changed(now, batch, refused, out),
            Input::FilterLost => self.filter_lost(now, out),
            Input::FilterChanged { batch, refused } => self.filter_changed(now, batch, refused, out),
            Input::SocketFailed { socket, errno } => {
                self.failed_sockets.insert(socket, errno);
                self.survey_socket(now, socket, out);
            }
            Input::SocketOpened { socket } => {
                if self.failed_sockets.remove(&socket).is_some() {
                    self.survey_socket(now, socket, out);
                }
            }
            Input::SendFailed { instance, errno } => self.send_failed(&instance, errno, out),
            Input::ScriptResult { name, outcome } => self.script_finished(now, name, outcome, out),
            Input::FileValue { name, value } => self.file_value(now, name, value, out),
            Input::ProcessCount { name, count } => self.process_count(now, name, count, out),
            Input::BfdState { name, up } => self.session_state(now, name, up, out),
            Input::Shutdown { keep_addresses } => self.shutdown(now, keep_addresses, out),
        }
        self.settle(now, out);
        self.pump(now, out);
    }

    /// When [`Input::DeadlineReached`] is wanted, and why. Something that is due at once has the time zero.
    pub fn deadline(&self) -> Option<Deadline<Wake>> {
        let timer = self.due.first().and_then(|(at, slot)| {
            let instance = self.instances.get(*slot)?;
            let why = instance.election.deadline()?.why;
            let why = Wake::Instance(instance.config.name.clone(), why);
            Some(Deadline { at: *at, why })
        });
        let announce = self.announcer.deadline(self.is_adding()).map(|at| Deadline {
            at,
            why: Wake::Announce,
        });
        let retry = self
            .holdings
            .deadline()
            .into_iter()
            .chain(self.routing.deadline())
            .min();
        let retry = retry.map(|at| Deadline {
            at,
            why: Wake::RetryAddress,
        });
        let tracked = self.conditions.deadline().map(|at| Deadline { at, why: Wake::Tracked });
        let claimed = (!self.claimed.is_empty()).then_some(Deadline {
            at: Instant::ZERO,
            why: Wake::Claimed,
        });
        let hold = (!self.unheld.is_empty()).then_some(Deadline {
            at: Instant::ZERO,
            why: Wake::HoldAddresses,
        });
        let filter = self.filter_deadline().map(|at| Deadline {
            at,
            why: Wake::RetryFilter,
        });
        // Of equal times the first counts: an advert before an announcement.
        let all = [claimed, timer, tracked, hold, announce, retry, filter]
            .into_iter()
            .flatten();
        all.min_by_key(|deadline| deadline.at)
    }

    /// Whether [`Input::Shutdown`] was given and everything that followed from it is answered.
    pub fn is_finished(&self) -> bool {
        let settled = self.holdings.is_settled() && self.routing.is_settled();
        self.ending && self.claimed.is_empty() && self.unheld.is_empty() && settled && self.filter_is_finished()
    }

    /// A number from the engine's seed, for whoever needs jitter beside it.
    pub fn jitter(&mut self, bound: u64) -> u64 {
        self.rng.below(bound)
    }

    fn deadline_reached(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.elapse(now, out);
        self.tell_untold(now, out);
        while let Some((at, slot)) = self.due.first().copied() {
            if at > now {
                break;
            }
            self.happen(now, slot, Happening::DeadlineReached, out);
            if self
                .instances
                .get(slot)
                .is_some_and(|instance| instance.due == Some(at))
            {
                // The happening changed nothing; without this a timer that is never answered would loop here.
                self.forget_deadline(slot);
            }
        }
        // Adverts of others that are nearly due go with those that are: one wake-up instead of many.
        while let Some((from, slot)) = self.due_early.first().copied() {
            if from > now {
                break;
            }
            self.happen(now, slot, Happening::DeadlineReached, out);
            if self
                .instances
                .get(slot)
                .is_some_and(|instance| instance.due_early == Some(from))
            {
                self.forget_deadline(slot);
            }
        }
        self.settle(now, out);
        self.pump(now, out);
        self.announce_blocks(now);
        self.announcer.run(now, self.is_adding(), out);
    }

    /// Notes the deadlines of an instance after something happened to it.
    fn note_deadline(&mut self, slot: Slot) {
        let Some(instance) = self.instances.get_mut(slot) else {
            return;
        };
        let due = instance.election.deadline().map(|deadline| deadline.at);
        if due != instance.due {
            if let Some(old) = instance.due {
                self.due.remove(&(old, slot));
            }
            if let Some(new) = due {
                self.due.insert((new, slot));
            }
            instance.due = due;
        }
        let early = instance.election.advert_from();
        if early != instance.due_early {
            if let Some(old) = instance.due_early {
                self.due_early.remove(&(old, slot));
            }
            if let Some(new) = early {
                self.due_early.insert((new, slot));
            }
            instance.due_early = early;
        }
    }

    fn forget_deadline(&mut self, slot: Slot) {
        let Some(instance) = self.instances.get_mut(slot) else {
            return;
        };
        if let Some(old) = instance.due.take() {
            self.due.remove(&(old, slot));
        }
        if let Some(old) = instance.due_early.take() {
            self.due_early.remove(&(old, slot));
        }
    }

    /// True if what may be a source address changed somewhere.
    fn refresh_virtual_addresses(&mut self) -> bool {
        let configured = self.instances.iter().flat_map(|(_, instance)| &instance.addresses);
        let configured = configured.map(|address| (address.interface, address.prefix.address()));
        let leftover = self.leftovers.iter().map(|key| (key.interface, key.prefix.address()));
        self.interfaces.set_virtual(configured.collect(), leftover.collect())
    }

    fn tell(name: Option<&Name>, level: Level, text: String, out: &mut Vec<Action>) {
        out.push(Action::Tell(Event {
            instance: name.cloned(),
            level,
            text,
        }));
    }
}

/// Which of the addresses on the machine an earlier run left behind: those that carry our mark, and those that the
/// model would put there; static ones stay.
pub fn leftovers(model: &Model, observed: impl IntoIterator<Item = (AddressKey, bool)>) -> Vec<AddressKey> {
    let configs = model.instances.values();
    let configured: BTreeSet<AddressKey> = configs
        .flat_map(|config| config.addresses.iter().chain(&config.excluded))
        .map(VirtualAddress::key)
        .collect();
    let statics: BTreeSet<AddressKey> = model.statics.addresses.iter().map(VirtualAddress::key).collect();
    let ours = observed
        .into_iter()
        .filter(|(key, marked)| !statics.contains(key) && (*marked || configured.contains(key)));
    ours.map(|(key, _)| key).collect()
}

/// Whether an instance in this state takes part in the election.
const fn takes_part(state: State) -> bool {
    match state {
        State::Backup { .. } | State::Master { .. } => true,
        State::Init | State::Fault | State::Stopped => false,
    }
}
