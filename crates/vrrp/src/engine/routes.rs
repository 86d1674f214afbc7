//! Routes, rules and static items: what an instance has besides addresses, and what is there whoever is master.
//!
//! Decides the order (rules after routes after addresses, and the other way round when they go) and when the kernel may
//! have dropped a route without a word. Static items have an owner that never loses an election.

use super::Engine;
use super::repair::Kind;
use super::slots::Slot;
use crate::action::Action;
use crate::config::{AddressKey, Model, Route, Rule, Statics, VirtualAddress};
use crate::holdings::{Holdings, Item, RouteId, RuleId};
use crate::input::BatchId;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{IfName, Instant};

/// The owner of static items. No table of instances gets so long.
pub(super) const STATIC: Slot = Slot(usize::MAX);

/// Routes and rules of all instances, and static items.
#[derive(Clone, Debug, Default)]
pub(super) struct Routing {
    pub(super) routes: Holdings<Route>,
    pub(super) rules: Holdings<Rule>,
    statics: Statics,
    /// Interfaces whose secondary addresses outlive their primary one, and for whom.
    promoting: BTreeMap<IfName, BTreeSet<Slot>>,
}

/// Something to let go after everybody has said what it wants.
#[derive(Clone, Debug)]
pub(super) enum Unwanted {
    Address(AddressKey),
    Route(RouteId),
    Rule(RuleId),
    /// The instance itself: its slot may be used again.
    Slot,
}

impl Routing {
    /// Whether nothing is outstanding and everything unwanted is gone.
    pub(super) fn is_settled(&self) -> bool {
        self.routes.is_settled() && self.rules.is_settled()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.routes.deadline().into_iter().chain(self.rules.deadline()).min()
    }
}

impl Engine {
    /// Removes routes and rules that an earlier run may have left behind: those of the model that are not static.
    /// That one is not there is no error.
    pub fn start_routing(
        &mut self,
        now: Instant,
        model: &Model,
        recorded: (Vec<Route>, Vec<Rule>),
        out: &mut Vec<Action>,
    ) {
        let statics = (route_ids(&model.statics.routes), rule_ids(&model.statics.rules));
        let configs = || model.instances.values();
        let routes = configs().flat_map(|config| &config.routes).chain(&recorded.0);
        for key in route_ids(routes).difference(&statics.0) {
            self.routing.routes.leftover(Arc::clone(key), true);
        }
        let rules = configs().flat_map(|config| &config.rules).chain(&recorded.1);
        for key in rule_ids(rules).difference(&statics.1) {
            self.routing.rules.leftover(Arc::clone(key), true);
        }
        self.pump(now, out);
    }

    /// Asks the kernel for everything that is due: what is to come in its order, then what is to go in the other.
    pub(super) fn pump_holdings(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.holdings.retry(now);
        let routing = &mut self.routing;
        routing.routes.retry(now);
        routing.rules.retry(now);
        let interfaces = &self.interfaces;
        // Rules of the packet filter go before the addresses they are about.
        if !self.filter.is_behind() {
            self.holdings.pump_additions(interfaces, out);
        }
        // A route may say an address as its source, and the kernel wants it to be there.
        if !self.holdings.is_adding() && self.unheld.is_empty() {
            routing.routes.pump_additions(interfaces, out);
            if !routing.routes.is_adding() {
                routing.rules.pump_additions(interfaces, out);
            }
        }
        routing.rules.pump_removals(interfaces, out);
        routing.routes.pump_removals(interfaces, out);
        self.holdings.pump_removals(interfaces, out);
        self.stop_promoting(out);
    }

    /// A new master wants its routes and rules.
    pub(super) fn hold_routing(&mut self, slot: Slot, out: &mut Vec<Action>) {
        let Some(instance) = self.instances.get(slot) else {
            return;
        };
        for route in &instance.routes {
            self.routing.routes.hold(slot, route);
        }
        for rule in &instance.rules {
            self.routing.rules.hold(slot, rule);
        }
        if let (true, Some(interface)) = (instance.config.promote_secondaries, instance.config.interface) {
            let users = self.routing.promoting.entry(interface).or_default();
            if users.is_empty() {
                out.push(Action::PromoteSecondaries { interface, on: true });
            }
            users.insert(slot);
        }
    }

    /// An instance has no use for its routes and rules any more.
    pub(super) fn release_routing(&mut self, slot: Slot) {
        let Some(instance) = self.instances.get(slot) else {
            return;
        };
        for rule in &instance.rules {
            self.routing.rules.release(slot, &Item::key(rule));
        }
        for route in &instance.routes {
            self.routing.routes.release(slot, &Item::key(route));
        }
        self.forget_promotion(slot);
    }

    pub(super) fn forget_promotion(&mut self, slot: Slot) {
        for users in self.routing.promoting.values_mut() {
            users.remove(&slot);
        }
    }

    /// Sets an interface back when nobody wants it otherwise and no address of ours is on it any more: without
    /// promotion the removal of one address could take others with it.
    fn stop_promoting(&mut self, out: &mut Vec<Action>) {
        if self.routing.promoting.values().all(|users| !users.is_empty()) {
            return;
        }
        let busy: BTreeSet<IfName> = self.holdings.leaving().map(|key| key.interface).collect();
        self.routing.promoting.retain(|interface, users| {
            let stays = !users.is_empty() || busy.contains(interface);
            if !stays {
                let interface = *interface;
                out.push(Action::PromoteSecondaries { interface, on: false });
            }
            stays
        });
    }

    pub(super) fn route_observed(&mut self, now: Instant, route: &Arc<Route>, present: bool, out: &mut Vec<Action>) {
        let key = Item::key(route);
        let report = self.routing.routes.observed(now, &key, present);
        self.missed(now, Kind::Route, &key, report, out);
    }

    pub(super) fn rule_observed(&mut self, now: Instant, rule: &Arc<Rule>, present: bool, out: &mut Vec<Action>) {
        let key = Item::key(rule);
        let report = self.routing.rules.observed(now, &key, present);
        self.missed(now, Kind::Rule, &key, report, out);
    }

    pub(super) fn routes_changed(
        &mut self,
        now: Instant,
        batch: BatchId,
        refused: &[(usize, i32)],
        out: &mut Vec<Action>,
    ) {
        let outcome = self.routing.routes.finished(now, batch, refused);
        Engine::tell_refused::<Route>(&outcome.refused, Kind::Route, out);
        for (_, owners) in outcome.lost {
            self.cannot_repair(now, owners, out);
        }
        for key in outcome.gone_again {
            let report = self.routing.routes.lost(now, &key);
            self.missed(now, Kind::Route, &key, report, out);
        }
    }

    pub(super) fn rules_changed(
        &mut self,
        now: Instant,
        batch: BatchId,
        refused: &[(usize, i32)],
        out: &mut Vec<Action>,
    ) {
        let outcome = self.routing.rules.finished(now, batch, refused);
        Engine::tell_refused::<Rule>(&outcome.refused, Kind::Rule, out);
        for (_, owners) in outcome.lost {
            self.cannot_repair(now, owners, out);
        }
        for key in outcome.gone_again {
            let report = self.routing.rules.lost(now, &key);
            self.missed(now, Kind::Rule, &key, report, out);
        }
    }

    /// Nobody knows what the kernel has: everything is asked for again.
    pub(super) fn assert_routing(&mut self) {
        self.routing.routes.assert_those(|_| true);
        self.routing.rules.assert_those(|_| true);
    }

    /// The kernel drops routes without a word when an interface goes down or loses addresses: those are asked for again
    /// that may be concerned.
    pub(super) fn assert_routes_on(&mut self, interface: IfName) {
        self.routing
            .routes
            .assert_those(|key| Route::may_depend_on(key, interface));
    }

    /// Takes over the static items of a model: the new ones are wanted at once, what is gone is given back to be let go
    /// later.
    pub(super) fn change_statics(&mut self, statics: Statics) -> Vec<(Slot, Unwanted)> {
        if self.routing.statics == statics {
            return Vec::new();
        }
        for address in &statics.addresses {
            self.holdings.hold(STATIC, &Arc::new(address.clone()));
        }
        for route in &statics.routes {
            self.routing.routes.hold(STATIC, &Arc::new(route.clone()));
        }
        for rule in &statics.rules {
            self.routing.rules.hold(STATIC, &Arc::new(rule.clone()));
        }
        let old = core::mem::take(&mut self.routing.statics);
        let gone_rules = rule_ids(&old.rules).into_iter();
        let (rules, routes) = (rule_ids(&statics.rules), route_ids(&statics.routes));
        let gone_rules = gone_rules.filter(|key| !rules.contains(key)).map(Unwanted::Rule);
        let gone_routes = route_ids(&old.routes).into_iter();
        let gone_routes = gone_routes.filter(|key| !routes.contains(key)).map(Unwanted::Route);
        let keys: BTreeSet<AddressKey> = statics.addresses.iter().map(VirtualAddress::key).collect();
        let gone = old.addresses.iter().map(VirtualAddress::key);
        let gone = gone.filter(|key| !keys.contains(key)).map(Unwanted::Address);
        let unwanted = gone_rules
            .chain(gone_routes)
            .chain(gone)
            .map(|it| (STATIC, it))
            .collect();
        self.routing.statics = statics;
        unwanted
    }

    /// Lets go what nobody wants any more.
    pub(super) fn let_go(&mut self, slot: Slot, unwanted: &Unwanted) {
        match unwanted {
            Unwanted::Address(key) => self.holdings.release(slot, key),
            Unwanted::Route(key) => self.routing.routes.release(slot, key),
            Unwanted::Rule(key) => self.routing.rules.release(slot, key),
            Unwanted::Slot => {
                self.forget_promotion(slot);
                self.instances.remove(slot);
            }
        }
    }
}

/// Everything an instance with this configuration has, in the order in which it goes.
pub(super) fn everything(instance: &crate::instance::Instance) -> Vec<Unwanted> {
    let rules = instance.rules.iter().map(|rule| Unwanted::Rule(Item::key(rule)));
    let routes = instance.routes.iter().map(|route| Unwanted::Route(Item::key(route)));
    let addresses = instance.keys().map(Unwanted::Address);
    rules.chain(routes).chain(addresses).collect()
}

fn route_ids<'a>(routes: impl IntoIterator<Item = &'a Route>) -> BTreeSet<RouteId> {
    routes
        .into_iter()
        .map(|route| Item::key(&Arc::new(route.clone())))
        .collect()
}

fn rule_ids<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> BTreeSet<RuleId> {
    rules
        .into_iter()
        .map(|rule| Item::key(&Arc::new(rule.clone())))
        .collect()
}
