//! From one model to the next (`spec/vrrp-behaviour.md` 15).
//!
//! Instances are the same by name. What a difference means:
//!
//! | difference | what happens |
//! |---|---|
//! | none | nothing at all: no action, timers untouched |
//! | virtual router id, family, version, interface, multicast group, multicast or unicast, source address, AH or not | restart: the old one resigns and ends, a new one starts |
//! | anything else | in place: the state stays, counters stay; a backup's timer moves by the difference of the master-down times, a master sends an advert with the new values; only new addresses are announced, now and in a second block, only gone ones removed |
//! | the instance is gone | a master resigns; addresses that nobody else wants are removed; DELETED is notified |
//! | the instance is new | it starts |
//!
//! Additions come before removals, and an address that moves from one instance to another is never removed.

use super::Engine;
use super::routes::{Unwanted, everything};
use super::slots::Slot;
use crate::action::{Action, StateName};
use crate::config::{AddressKey, Auth, Config, Delivery, Model, Name, Tracked};
use crate::election::{Effect, Happening, State};
use crate::event::Level;
use crate::instance::{Instance, Place};
use crate::track;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Family, IfName, Instant};
use core::net::IpAddr;

/// What a change of configuration means for a running instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Nothing.
    None,
    /// It goes on under the new values.
    InPlace,
    /// It ends, and another one begins.
    Restart,
}

/// Compares two configurations of one name.
pub fn difference(old: &Config, new: &Config) -> Difference {
    if old == new {
        return Difference::None;
    }
    let identity = |c: &Config| {
        let group = match c.delivery {
            Delivery::Multicast { group } => Some(group),
            Delivery::Unicast { .. } => None,
        };
        let ah = matches!(c.auth, Auth::Ah(_));
        let place = (c.interface, c.base, c.vrf);
        (c.vrid, c.family, c.version, place, group, c.source, ah)
    };
    if identity(old) == identity(new) {
        Difference::InPlace
    } else {
        Difference::Restart
    }
}

/// What an instance occupies on its segment: two may not have the same.
type Claim = (Option<IfName>, Family, Option<IpAddr>, u8);

impl Engine {
    pub(super) fn apply_model(&mut self, now: Instant, model: Model, out: &mut Vec<Action>) {
        let mut kept: BTreeMap<Slot, Arc<Config>> = BTreeMap::new();
        let mut begun: Vec<Arc<Config>> = Vec::new();
        let mut ended: Vec<Slot> = Vec::new();
        for (name, slot) in &self.names {
            if !model.instances.contains_key(name) {
                ended.push(*slot);
            }
        }
        for (name, config) in &model.instances {
            let running = self
                .names
                .get(name)
                .and_then(|slot| Some((*slot, self.instances.get(*slot)?)));
            let Some((slot, instance)) = running else {
                begun.push(Arc::clone(config));
                continue;
            };
            match difference(&instance.config, config) {
                Difference::None => {}
                Difference::InPlace => {
                    kept.insert(slot, Arc::clone(config));
                }
                Difference::Restart => {
                    ended.push(slot);
                    begun.push(Arc::clone(config));
                }
            }
        }
        let unwanted_statics = self.change_statics(model.statics);
        let settings_changed = self.settings != model.settings;
        self.announcer.configure(&model.settings);
        let buffers_changed = self.settings.receive_buffer != model.settings.receive_buffer;
        self.settings = model.settings;
        self.move_listening(now);
        self.configure_groups(&model.groups);
        let conditions_changed = self.configure_conditions(now, model.objects);
        if kept.is_empty() && begun.is_empty() && ended.is_empty() && !settings_changed {
            self.look_at(now, &conditions_changed, out);
            return self.let_all_go(now, unwanted_statics, out);
        }
        // Other addresses make longer adverts, by which buffers may be counted.
        if buffers_changed || !kept.is_empty() {
            out.push(Action::SocketsChanged);
        }
        // Who must end stops advertising first, but lets its addresses go last: another may want them.
        let mut released = Vec::new();
        for slot in ended {
            released.extend(self.end(now, slot, &model.instances, out));
        }
        let begun: BTreeSet<Slot> = begun.into_iter().map(|config| self.insert(config)).collect();
        let mut changed: BTreeSet<Slot> = kept.keys().copied().collect();
        for (slot, config) in kept {
            released.extend(self.change(now, slot, config, out));
        }
        let sources_moved = self.refresh_virtual_addresses();
        self.note_dependants();
        self.prepare_filter(out);
        changed.extend(self.find_rivals());
        if sources_moved {
            changed.extend(self.names.values());
        }
        changed.extend(conditions_changed.iter().flat_map(|object| self.watchers_of(object)));
        self.begin_all(now, &begun, out);
        for slot in changed.difference(&begun) {
            self.survey(now, *slot, out);
        }
        for slot in &changed {
            self.note_deadline(*slot);
        }
        released.extend(unwanted_statics);
        self.let_all_go(now, released, out);
    }

    /// Lets go what nobody wants any more, after what is wanted has been asked for.
    fn let_all_go(&mut self, now: Instant, released: Vec<(Slot, Unwanted)>, out: &mut Vec<Action>) {
        self.pump(now, out);
        for (slot, unwanted) in released {
            self.let_go(slot, &unwanted);
        }
        self.filter_all();
    }

    /// Ends an instance; gives what it still has to let go.
    fn end(
        &mut self,
        now: Instant,
        slot: Slot,
        next: &BTreeMap<Name, Arc<Config>>,
        out: &mut Vec<Action>,
    ) -> Vec<(Slot, Unwanted)> {
        let Some(instance) = self.instances.get(slot) else {
            return Vec::new();
        };
        let name = instance.config.name.clone();
        let everything = everything(instance);
        let master = match instance.election.state() {
            State::Master { .. } => true,
            State::Init | State::Fault | State::Backup { .. } | State::Stopped => false,
        };
        let restarts = next.contains_key(&name);
        let mut effects = Vec::new();
        if let Some(instance) = self.instances.get_mut(slot) {
            let last = if restarts { StateName::Stop } else { StateName::Deleted };
            let stop = Happening::Stop { resign: true, last };
            instance.happen(now, stop, &mut effects);
        }
        // The addresses are let go after everybody has said what it wants; a restart is no end to scripts.
        effects.retain(|effect| match effect {
            Effect::Release => false,
            Effect::Notify(_) => !restarts,
            Effect::Advertise
            | Effect::Resign(_)
            | Effect::Hold
            | Effect::LowerPrioritySeen
            | Effect::AnnounceAgain
            | Effect::AnnounceAnew
            | Effect::AnnounceSource
            | Effect::ForgetTold
            | Effect::Claim
            | Effect::PriorityChanged
            | Effect::Tell(..) => true,
        });
        self.carry_out(now, slot, &mut effects, out);
        self.announcer.silence(slot);
        self.forget_deadline(slot);
        if let Some(instance) = self.instances.get(slot)
            && let Some(socket) = instance.place.socket
        {
            let vrid = instance.config.vrid.0.get();
            self.unroute(socket, vrid, slot);
            out.push(Action::SocketsChanged);
        }
        if self.names.get(&name) == Some(&slot) {
            self.names.remove(&name);
        }
        if master {
            // The slot stays out of use until everything is let go.
            let all = everything.into_iter().chain([Unwanted::Slot]);
            all.map(|unwanted| (slot, unwanted)).collect()
        } else {
            self.instances.remove(slot);
            Vec::new()
        }
    }

    fn insert(&mut self, config: Arc<Config>) -> Slot {
        let name = config.name.clone();
        let slot = self.instances.insert(Instance::new(config));
        self.names.insert(name, slot);
        slot
    }

    /// New instances begin, if they need not wait. All are looked at before the first does: members of a group begin
    /// together.
    fn begin_all(&mut self, now: Instant, begun: &BTreeSet<Slot>, out: &mut Vec<Action>) {
        let found = begun.iter().map(|slot| (*slot, self.assess(now, *slot, out)));
        let places: Vec<(Slot, Option<Place>)> = found.collect();
        for (slot, place) in places {
            if let Some(place) = place {
                self.enter(now, slot, place, out);
            }
        }
    }

    /// Whoever tracks one of these objects looks again.
    fn look_at(&mut self, now: Instant, objects: &BTreeSet<Tracked>, out: &mut Vec<Action>) {
        let slots: BTreeSet<Slot> = objects.iter().flat_map(|object| self.watchers_of(object)).collect();
        for slot in slots {
            self.survey(now, slot, out);
        }
    }

    /// Goes on under a changed configuration; gives what is no longer wanted.
    fn change(
        &mut self,
        now: Instant,
        slot: Slot,
        config: Arc<Config>,
        out: &mut Vec<Action>,
    ) -> Vec<(Slot, Unwanted)> {
        let Some(instance) = self.instances.get_mut(slot) else {
            return Vec::new();
        };
        let before: BTreeSet<AddressKey> = instance.keys().collect();
        let routing_before = (instance.route_ids(), instance.rule_ids());
        let name = config.name.clone();
        instance.set_config(Arc::clone(&config));
        let (conditions, interfaces) = (&self.conditions, &self.interfaces);
        let sum = track::sum(config.priority, &config.trackers, |object| {
            conditions.of(object, interfaces)
        });
        let after: BTreeSet<AddressKey> = instance.keys().collect();
        let mut effects = Vec::new();
        instance.election.reconfigure(now, config, sum.effective, &mut effects);
        let master = match instance.election.state() {
            State::Master { .. } => true,
            State::Init | State::Fault | State::Backup { .. } | State::Stopped => false,
        };
        let addresses = instance.addresses.clone();
        let routing_after = (instance.route_ids(), instance.rule_ids());
        self.carry_out(now, slot, &mut effects, out);
        if !master {
            return Vec::new();
        }
        for address in &addresses {
            // What is installed under the same options stays as it is and is not announced again.
            self.holdings.hold(slot, address);
        }
        self.filter_more(slot);
        if let Some(instance) = self.instances.get(slot) {
            self.announcer.plan_extra(now, slot, &instance.config.announcing);
            // The new ones are announced as soon as they are there, and like at a takeover once more later.
            let new = after.difference(&before).copied();
            self.announcer.plan_added(now, slot, new, &instance.config.announcing);
        }
        if self
            .instances
            .get(slot)
            .is_some_and(|it| !it.config.promote_secondaries)
        {
            self.forget_promotion(slot);
        }
        self.hold_routing(slot, out);
        let gone_rules = routing_before
            .1
            .difference(&routing_after.1)
            .cloned()
            .map(Unwanted::Rule);
        let gone_routes = routing_before
            .0
            .difference(&routing_after.0)
            .cloned()
            .map(Unwanted::Route);
        let gone: Vec<AddressKey> = before.difference(&after).copied().collect();
        for key in &gone {
            let text = format!("ip address {} dev {}, no longer exist", key.prefix, key.interface);
            Engine::tell(Some(&name), Level::Info, text, out);
            if let Some(index) = self.interfaces.index(&key.interface) {
                self.announcer.forget(index, key.prefix.address());
            }
        }
        let gone = gone.into_iter().map(Unwanted::Address);
        let all = gone_rules.chain(gone_routes).chain(gone);
        all.map(|unwanted| (slot, unwanted)).collect()
    }

    fn note_dependants(&mut self) {
        let mut dependants: BTreeMap<IfName, Vec<Slot>> = BTreeMap::new();
        let mut watchers: BTreeMap<Tracked, Vec<Slot>> = BTreeMap::new();
        for slot in self.names.values() {
            if let Some(instance) = self.instances.get(*slot) {
                for name in instance.interfaces() {
                    dependants.entry(name).or_default().push(*slot);
                }
                for tracker in &instance.config.trackers {
                    watchers.entry(tracker.object.clone()).or_default().push(*slot);
                }
            }
        }
        self.dependants = dependants;
        self.watchers = watchers;
    }

    /// Finds instances that have the same virtual router on one segment: the one that was there first runs, and
    /// among new ones the first by name. Unicast instances may share one if they have no peer in common.
    ///
    /// Gives the instances whose answer changed.
    fn find_rivals(&mut self) -> Vec<Slot> {
        let mut changed = Vec::new();
        let mut taken: BTreeMap<Claim, Vec<Slot>> = BTreeMap::new();
        let mut order: Vec<Slot> = self.names.values().copied().collect();
        order.sort_by_key(|slot| {
            let started = self
                .instances
                .get(*slot)
                .is_some_and(|instance| match instance.election.state() {
                    State::Init => false,
                    State::Fault | State::Backup { .. } | State::Master { .. } | State::Stopped => {
                        instance.rival.is_none()
                    }
                });
            !started
        });
        for slot in order {
            let Some(instance) = self.instances.get(slot) else {
                continue;
            };
            let config = Arc::clone(&instance.config);
            let others = taken.entry(claim(&config)).or_default();
            let rival = others.iter().find_map(|other| {
                let other = self.instances.get(*other)?;
                shares_peers(&config, &other.config).then(|| other.config.name.clone())
            });
            if rival.is_none() {
                others.push(slot);
            }
            if let Some(instance) = self.instances.get_mut(slot)
                && instance.rival != rival
            {
                instance.rival = rival;
                changed.push(slot);
            }
        }
        changed
    }

    /// The start delay as the settings say it now; who still waits for its end waits for the new one.
    fn move_listening(&mut self, now: Instant) {
        let after_start = self.started.after(self.settings.startup_delay);
        let rest = self.settings.delay_after_boot.saturating_sub(self.boot_age);
        let listens_from = after_start.max(self.started.after(rest));
        let old = core::mem::replace(&mut self.listens_from, listens_from);
        if old == listens_from || (old <= now && listens_from <= now) {
            return;
        }
        let (old, new) = (old.max(now), listens_from.max(now));
        let slots: Vec<Slot> = self.names.values().copied().collect();
        for slot in slots {
            if let Some(instance) = self.instances.get_mut(slot) {
                instance.election.move_start(old, new);
            }
            self.note_deadline(slot);
        }
    }
}

fn claim(config: &Config) -> Claim {
    let place = match config.delivery {
        Delivery::Multicast { group } => Some(group),
        Delivery::Unicast { .. } => config.source,
    };
    (
        config.base.or(config.interface),
        config.family,
        place,
        config.vrid.0.get(),
    )
}

fn shares_peers(a: &Config, b: &Config) -> bool {
    match (&a.delivery, &b.delivery) {
        (Delivery::Unicast { peers: ours, .. }, Delivery::Unicast { peers: theirs, .. }) => ours
            .iter()
            .any(|peer| theirs.iter().any(|other| other.address == peer.address)),
        (Delivery::Multicast { .. }, Delivery::Multicast { .. }) => true,
        (Delivery::Multicast { .. }, Delivery::Unicast { .. })
        | (Delivery::Unicast { .. }, Delivery::Multicast { .. }) => false,
    }
}
