//! Routes, rules and static items of an engine: their order, their repair, and what is left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::{Family, IfName, Instant, Prefix, Rng};
use common::Wish;
use common::bench::{facts, said};
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use vrrp::action::{Action, AddressStep, RoutingStep, StateName};
use vrrp::config::rule::RuleAction;
use vrrp::config::{AddressKey, Model, Name, Route, Rule, VirtualAddress};
use vrrp::engine::{Engine, difference};
use vrrp::input::{BatchId, Input, InterfaceFacts};

const EEXIST: i32 = 17;
const ESRCH: i32 = 3;

/// One thing a kernel has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Address(AddressKey),
    Route(Arc<Route>),
    Rule(Arc<Rule>),
}

/// Something that waits for the engine.
#[derive(Clone, Debug)]
enum News {
    Addresses(BatchId, Vec<(usize, i32)>),
    Routes(BatchId, Vec<(usize, i32)>),
    Rules(BatchId, Vec<(usize, i32)>),
}

/// An engine with a kernel that does at once what it is asked, and whose answers and reports wait to be heard.
struct World {
    engine: Engine,
    now: Instant,
    kernel: BTreeSet<Thing>,
    /// Everything the kernel was asked, in order: put there or taken away.
    asked: Vec<(bool, Thing)>,
    answers: VecDeque<News>,
    reports: VecDeque<(Thing, bool)>,
    /// Error numbers for the next additions.
    refuse: VecDeque<i32>,
    actions: Vec<Action>,
}

impl World {
    fn new(model: Model) -> World {
        let now = Instant::from_micros(1_000_000);
        let mut world = World {
            engine: Engine::new(1, now, Duration::from_secs(3600)),
            now,
            kernel: BTreeSet::new(),
            asked: Vec::new(),
            answers: VecDeque::new(),
            reports: VecDeque::new(),
            refuse: VecDeque::new(),
            actions: Vec::new(),
        };
        for name in ["eth0", "eth1"] {
            world.interface(name, true);
        }
        let mut actions = Vec::new();
        world.engine.start(now, Vec::new(), &mut actions);
        world
            .engine
            .start_routing(now, &model, (Vec::new(), Vec::new()), &mut actions);
        world.engine.reconfigure(now, model, &mut actions);
        world.take(actions);
        world
    }

    fn master(model: Model) -> World {
        let mut world = World::new(model);
        world.run_for(Duration::from_secs(5));
        assert_eq!(world.state(), StateName::Master);
        world
    }

    fn state(&self) -> StateName {
        self.engine.status_of(&Name::from("V")).unwrap().state
    }

    fn interface(&mut self, name: &str, running: bool) {
        let index = if name == "eth0" {
            facts().index
        } else {
            base::IfIndex(3)
        };
        let facts = InterfaceFacts {
            index,
            running,
            ..facts()
        };
        self.feed(Input::Interface {
            name: name.parse().unwrap(),
            facts: Some(facts),
        });
    }

    fn feed(&mut self, input: Input<'_>) {
        let mut actions = Vec::new();
        self.engine.handle(self.now, input, &mut actions);
        self.take(actions);
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in &actions {
            match action {
                Action::ChangeAddresses { batch, steps } => {
                    let steps = steps.iter().map(|step| match step {
                        AddressStep::Add { address, .. } => (true, Thing::Address(address.key())),
                        AddressStep::Remove { key, .. } => (false, Thing::Address(*key)),
                    });
                    let refused = self.work(steps.collect());
                    self.answers.push_back(News::Addresses(*batch, refused));
                }
                Action::ChangeRoutes { batch, steps } => {
                    let refused = self.work(steps.iter().map(|step| thing(step, Thing::Route)).collect());
                    self.answers.push_back(News::Routes(*batch, refused));
                }
                Action::ChangeRules { batch, steps } => {
                    let refused = self.work(steps.iter().map(|step| thing(step, Thing::Rule)).collect());
                    self.answers.push_back(News::Rules(*batch, refused));
                }
                Action::SendAdvert(_)
                | Action::PromoteSecondaries { .. }
                | Action::ChangeFilter { .. }
                | Action::Announce(_)
                | Action::Notify { .. }
                | Action::NotifyGroup { .. }
                | Action::NotifyPriority { .. }
                | Action::LowerPrioritySeen { .. }
                | Action::Tell(_)
                | Action::SocketsChanged => {}
            }
        }
        self.actions.extend(actions);
    }

    fn work(&mut self, steps: Vec<(bool, Thing)>) -> Vec<(usize, i32)> {
        let mut refused = Vec::new();
        for (position, (add, thing)) in steps.into_iter().enumerate() {
            self.asked.push((add, thing.clone()));
            let errno = if add {
                match self.refuse.pop_front() {
                    Some(errno) => Some(errno),
                    None => (!self.kernel.insert(thing.clone())).then_some(EEXIST),
                }
            } else {
                (!self.kernel.remove(&thing)).then_some(ESRCH)
            };
            match errno {
                Some(errno) => refused.push((position, errno)),
                None => self.reports.push_back((thing, add)),
            }
        }
        refused
    }

    fn answer(&mut self) {
        match self.answers.pop_front() {
            Some(News::Addresses(batch, refused)) => {
                let absent = |(at, errno): &(usize, i32)| (*at, if *errno == ESRCH { 99 } else { *errno });
                let refused: Vec<_> = refused.iter().map(absent).collect();
                self.feed(Input::AddressesChanged {
                    batch,
                    refused: &refused,
                });
            }
            Some(News::Routes(batch, refused)) => self.feed(Input::RoutesChanged {
                batch,
                refused: &refused,
            }),
            Some(News::Rules(batch, refused)) => self.feed(Input::RulesChanged {
                batch,
                refused: &refused,
            }),
            None => {}
        }
    }

    fn hear(&mut self) {
        match self.reports.pop_front() {
            Some((Thing::Address(key), present)) => self.feed(Input::Address { key, present }),
            Some((Thing::Route(route), present)) => self.feed(Input::Route { route, present }),
            Some((Thing::Rule(rule), present)) => self.feed(Input::Rule { rule, present }),
            None => {}
        }
    }

    /// Somebody else takes something away.
    fn steal(&mut self, thing: &Thing) {
        if self.kernel.remove(thing) {
            self.reports.push_back((thing.clone(), false));
        }
    }

    /// The kernel drops something without a word.
    fn drop_silently(&mut self, thing: &Thing) {
        assert!(self.kernel.remove(thing), "{thing:?}");
    }

    fn settle(&mut self) {
        while !self.answers.is_empty() || !self.reports.is_empty() {
            self.answer();
            self.hear();
        }
    }

    fn run_for(&mut self, span: Duration) {
        let until = self.now.after(span);
        loop {
            self.settle();
            let Some(deadline) = self.engine.deadline().filter(|deadline| deadline.at <= until) else {
                break;
            };
            self.now = self.now.max(deadline.at);
            self.feed(Input::DeadlineReached);
        }
        self.now = until;
    }

    fn notified(&self) -> Vec<StateName> {
        let state = |action: &Action| match action {
            Action::Notify { state, .. } => Some(*state),
            Action::SendAdvert(_)
            | Action::ChangeAddresses { .. }
            | Action::ChangeRoutes { .. }
            | Action::ChangeRules { .. }
            | Action::PromoteSecondaries { .. }
            | Action::ChangeFilter { .. }
            | Action::Announce(_)
            | Action::NotifyGroup { .. }
            | Action::NotifyPriority { .. }
            | Action::LowerPrioritySeen { .. }
            | Action::Tell(_)
            | Action::SocketsChanged => None,
        };
        self.actions.iter().filter_map(state).collect()
    }
}

fn thing<T>(step: &RoutingStep<T>, wrap: impl Fn(Arc<T>) -> Thing) -> (bool, Thing) {
    match step {
        RoutingStep::Add(item) => (true, wrap(Arc::clone(item))),
        RoutingStep::Remove(item) => (false, wrap(Arc::clone(item))),
    }
}

fn eth(number: u8) -> IfName {
    format!("eth{number}").parse().unwrap()
}

fn route(n: u8) -> Route {
    let mut route = Route::to(Prefix::new([10, 9, n, 0].into(), 24).unwrap());
    route.hop.interface = Some(eth(0));
    route
}

fn rule(n: u8) -> Rule {
    Rule::new(Family::V4, u32::from(n), RuleAction::Table(100))
}

fn static_address() -> VirtualAddress {
    let mut model = common::model(&Wish {
        first: 200,
        ..Wish::default()
    });
    let config = model.instances.remove(&Name::from("V")).unwrap();
    config.addresses[0].clone()
}

fn model_with(change: impl FnOnce(&mut vrrp::Config)) -> Model {
    let mut model = common::model(&Wish::default());
    let config = model.instances.get_mut(&Name::from("V")).unwrap();
    change(Arc::make_mut(config));
    model
}

/// An instance with addresses, a route and a rule.
fn usual() -> Model {
    model_with(|config| {
        config.routes = vec![route(1)];
        config.rules = vec![rule(1)];
    })
}

fn kinds(asked: &[(bool, Thing)]) -> Vec<(bool, char)> {
    let mut kinds: Vec<(bool, char)> = asked
        .iter()
        .map(|(add, thing)| {
            let kind = match thing {
                Thing::Address(_) => 'a',
                Thing::Route(_) => 'r',
                Thing::Rule(_) => 'p',
            };
            (*add, kind)
        })
        .collect();
    kinds.dedup();
    kinds
}

#[test]
fn addresses_then_routes_then_rules_come_and_they_go_in_the_other_order() {
    let mut world = World::new(usual());
    world.settle();
    world.asked.clear();
    world.run_for(Duration::from_secs(5));
    assert_eq!(kinds(&world.asked), [(true, 'a'), (true, 'r'), (true, 'p')]);
    world.asked.clear();
    world.feed(Input::Shutdown { keep_addresses: false });
    assert_eq!(kinds(&world.asked), [(false, 'p'), (false, 'r'), (false, 'a')]);
    world.settle();
    assert!(world.engine.is_finished() && world.kernel.is_empty());
}

#[test]
fn at_start_routes_and_rules_of_an_earlier_run_are_taken_away() {
    let world = World::new(usual());
    assert_eq!(kinds(&world.asked), [(false, 'p'), (false, 'r')]);
}

#[test]
fn a_route_and_a_rule_taken_away_by_somebody_else_are_put_back_without_an_election() {
    let mut world = World::master(usual());
    let before = world.notified();
    for thing in [Thing::Route(Arc::new(route(1))), Thing::Rule(Arc::new(rule(1)))] {
        world.steal(&thing);
        world.settle();
        assert!(world.kernel.contains(&thing), "{thing:?}");
    }
    assert_eq!(world.state(), StateName::Master);
    assert_eq!(world.notified(), before);
    let lines: Vec<String> = said(&world.actions).into_iter().rev().take(2).collect();
    assert_eq!(
        lines,
        [
            "(V) virtual rule preference 1 from all table 100 was removed by somebody else - putting it back",
            "(V) virtual route 10.9.1.0/24 dev eth0 was removed by somebody else - putting it back",
        ]
    );
}

#[test]
fn a_route_that_the_kernel_refuses_to_take_back_ends_mastership_for_the_skew() {
    let mut world = World::master(usual());
    world.steal(&Thing::Route(Arc::new(route(1))));
    world.refuse.push_back(101);
    world.settle();
    assert_eq!(world.state(), StateName::Backup);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.state(), StateName::Master);
    assert!(world.kernel.contains(&Thing::Route(Arc::new(route(1)))));
}

#[test]
fn nobody_cares_for_a_route_that_is_not_tracked() {
    let untracked = Route {
        tracked: false,
        ..route(1)
    };
    let mut world = World::master(model_with(|config| config.routes = vec![untracked.clone()]));
    let there = Thing::Route(Arc::new(untracked));
    world.steal(&there);
    world.settle();
    assert!(!world.kernel.contains(&there));
    assert_eq!(world.state(), StateName::Master);
}

#[test]
fn routes_the_kernel_dropped_without_a_word_are_back_when_the_interface_is_up_again() {
    let mut world = World::master(model_with(|config| {
        config.track_interface = false;
        config.routes = vec![Route {
            tracked: false,
            ..route(1)
        }];
    }));
    let there = Thing::Route(Arc::new(Route {
        tracked: false,
        ..route(1)
    }));
    world.interface("eth0", false);
    world.drop_silently(&there);
    world.settle();
    world.interface("eth0", true);
    world.settle();
    assert!(world.kernel.contains(&there));
    assert_eq!(world.state(), StateName::Master);
}

#[test]
fn a_route_goes_with_its_source_and_comes_back_with_it() {
    let key = common::config(&Wish::default()).addresses[0].key();
    let with_source = Route {
        preferred_source: Some(key.prefix.address()),
        ..route(1)
    };
    let mut world = World::master(model_with(|config| config.routes = vec![with_source.clone()]));
    world.steal(&Thing::Address(key));
    world.drop_silently(&Thing::Route(Arc::new(with_source.clone())));
    world.settle();
    assert!(world.kernel.contains(&Thing::Address(key)));
    assert!(world.kernel.contains(&Thing::Route(Arc::new(with_source))));
}

#[test]
fn reports_that_were_lost_are_made_up_for() {
    let mut world = World::master(usual());
    let things = [Thing::Route(Arc::new(route(1))), Thing::Rule(Arc::new(rule(1)))];
    for thing in &things {
        world.drop_silently(thing);
    }
    world.feed(Input::RoutingUncertain);
    world.settle();
    assert!(things.iter().all(|thing| world.kernel.contains(thing)));
}

#[test]
fn a_tracked_route_rule_and_static_item_make_the_instance_depend_on_their_interfaces() {
    let on_eth1 = |config: &mut vrrp::Config| {
        let mut other = route(1);
        other.hop.interface = Some(eth(1));
        config.routes = vec![other];
    };
    let rule_on_eth1 = |config: &mut vrrp::Config| {
        config.rules = vec![Rule {
            iif: Some(eth(1)),
            ..rule(1)
        }];
    };
    let tied = |config: &mut vrrp::Config| config.static_interfaces = vec![eth(1)];
    for model in [model_with(on_eth1), model_with(rule_on_eth1), model_with(tied)] {
        let mut world = World::master(model);
        world.interface("eth1", false);
        assert_eq!(world.state(), StateName::Fault);
        world.interface("eth1", true);
        assert_eq!(world.state(), StateName::Backup);
    }
}

#[test]
fn static_items_are_there_whoever_is_master_and_are_put_back_and_go_at_the_end() {
    let mut model = usual();
    model.statics.addresses = vec![static_address()];
    model.statics.routes = vec![route(7)];
    model.statics.rules = vec![rule(7)];
    let mut world = World::new(model);
    world.settle();
    let things = [
        Thing::Address(static_address().key()),
        Thing::Route(Arc::new(route(7))),
        Thing::Rule(Arc::new(rule(7))),
    ];
    assert_eq!(world.state(), StateName::Backup);
    assert_eq!(world.kernel.iter().cloned().collect::<Vec<_>>(), things);
    for thing in &things {
        world.steal(thing);
        world.settle();
        assert!(world.kernel.contains(thing));
    }
    assert!(said(&world.actions).contains(&"Restoring deleted static route 10.9.7.0/24 dev eth0".to_owned()));
    world.feed(Input::Shutdown { keep_addresses: false });
    world.settle();
    assert!(world.kernel.is_empty() && world.engine.is_finished());
}

#[test]
fn a_static_item_that_is_taken_away_again_and_again_is_put_back_more_slowly() {
    let mut model = usual();
    model.statics.routes = vec![route(7)];
    let mut world = World::new(model);
    world.settle();
    let there = Thing::Route(Arc::new(route(7)));
    for _ in 0..3 {
        world.steal(&there);
        world.settle();
        world.run_for(Duration::from_millis(50));
    }
    assert!(!world.kernel.contains(&there));
    world.run_for(Duration::from_millis(1100));
    assert!(world.kernel.contains(&there));
}

#[test]
fn a_reload_asks_only_for_differences_and_new_comes_before_old() {
    let mut world = World::master(usual());
    world.asked.clear();
    let mut actions = Vec::new();
    world.engine.reconfigure(world.now, usual(), &mut actions);
    assert_eq!(actions, []);
    let other = model_with(|config| {
        config.routes = vec![route(1), route(2)];
        config.rules = vec![rule(2)];
    });
    world.engine.reconfigure(world.now, other, &mut actions);
    world.take(actions);
    world.settle();
    let asked: Vec<(bool, Thing)> = world.asked.clone();
    assert_eq!(
        asked,
        [
            (true, Thing::Route(Arc::new(route(2)))),
            (false, Thing::Rule(Arc::new(rule(1)))),
            (true, Thing::Rule(Arc::new(rule(2)))),
        ]
    );
    let (old, new) = (usual(), model_with(|config| config.promote_secondaries = true));
    let name = Name::from("V");
    let kind = difference(&old.instances[&name], &new.instances[&name]);
    assert_eq!(kind, vrrp::engine::Difference::InPlace);
}

#[test]
fn a_route_that_takes_the_place_of_a_similar_one_is_asked_for_again_when_that_is_gone() {
    // The kernel may take the new one away in place of the old, or say that it is there when it means the old one.
    let metric = |n| {
        let mut route = route(1);
        route.metrics.insert(vrrp::config::route::Metric::Mtu, (n, false));
        route
    };
    let mut world = World::master(model_with(|config| config.routes = vec![metric(1400)]));
    world.refuse.push_back(EEXIST);
    let mut actions = Vec::new();
    let next = model_with(|config| config.routes = vec![metric(1300)]);
    world.engine.reconfigure(world.now, next, &mut actions);
    world.take(actions);
    world.settle();
    assert!(world.kernel.contains(&Thing::Route(Arc::new(metric(1300)))));
    assert!(!world.kernel.contains(&Thing::Route(Arc::new(metric(1400)))));
}

#[test]
fn secondaries_are_promoted_from_mastership_until_the_last_address_is_gone() {
    let model = model_with(|config| config.promote_secondaries = true);
    let mut world = World::master(model);
    let position = |world: &World, wanted: bool| {
        let is = |action: &Action| matches!(action, Action::PromoteSecondaries { on, .. } if *on == wanted);
        world.actions.iter().position(is)
    };
    let add = world
        .actions
        .iter()
        .position(|a| matches!(a, Action::ChangeAddresses { .. }));
    assert!(position(&world, true) < add && position(&world, true).is_some());
    world.feed(Input::Shutdown { keep_addresses: false });
    assert_eq!(position(&world, false), None);
    world.settle();
    assert!(position(&world, false).is_some());
}

#[test]
fn one_flush_that_lists_and_deletes_until_nothing_is_left_counts_once() {
    let mut world = World::master(usual());
    let there = Thing::Route(Arc::new(route(1)));
    for _ in 0..3 {
        world.steal(&there);
        world.settle();
        assert!(world.kernel.contains(&there), "put back at once");
        world.now = world.now.after(Duration::from_millis(1));
        world.steal(&there);
        world.settle();
        assert!(!world.kernel.contains(&there), "the list is empty now");
        world.run_for(Duration::from_millis(10));
        assert!(world.kernel.contains(&there));
        world.run_for(Duration::from_millis(489));
    }
    assert_eq!(world.state(), StateName::Master);
    // Who deletes it whenever it is there means it.
    let mut acts = 0;
    while world.state() == StateName::Master {
        world.steal(&there);
        world.settle();
        world.run_for(Duration::from_millis(1));
        acts += 1;
        assert!(acts < 200);
    }
}

#[test]
fn a_flush_of_thousands_is_told_in_a_few_lines() {
    let wish = Wish {
        addresses: 200,
        ..Wish::default()
    };
    let mut world = World::master(common::model(&wish));
    let before = said(&world.actions).len();
    let all: Vec<Thing> = world.kernel.iter().cloned().collect();
    for thing in &all {
        world.steal(thing);
    }
    world.settle();
    assert_eq!(world.kernel.len(), all.len());
    world.run_for(Duration::from_secs(2));
    let lines = said(&world.actions).split_off(before);
    assert_eq!(lines.len(), 17, "{lines:?}");
    assert_eq!(
        lines.last().unwrap(),
        "184 more that somebody else removed were put back"
    );
}

/// Whatever is taken away, whatever the kernel refuses and in whatever order answers and reports arrive: in the end the
/// kernel has what is wanted, and nothing is left to do.
#[test]
fn after_any_foreign_deletions_and_answers_nothing_is_left_to_do() {
    for seed in 0..500 {
        let mut rng = Rng::from_seed(seed);
        let mut model = usual();
        model.statics.routes = vec![route(7), route(8)];
        model.statics.rules = vec![rule(7)];
        model.statics.addresses = vec![static_address()];
        let mut world = World::master(model);
        let all: Vec<Thing> = world.kernel.iter().cloned().collect();
        for _ in 0..60 {
            match rng.below(8) {
                0..=2 => {
                    let which = usize::try_from(rng.below(all.len() as u64)).unwrap();
                    world.steal(&all[which]);
                }
                3 => world.answer(),
                4 | 5 => world.hear(),
                6 => world.refuse.push_back(101),
                _ => {
                    world.now = world.now.after(Duration::from_millis(rng.below(400)));
                    world.feed(Input::DeadlineReached);
                }
            }
        }
        world.refuse.clear();
        world.run_for(Duration::from_secs(200));
        assert_eq!(world.state(), StateName::Master, "seed {seed}");
        assert_eq!(world.kernel.iter().cloned().collect::<Vec<_>>(), all, "seed {seed}");
        let asked = world.asked.len();
        world.run_for(Duration::from_secs(200));
        assert_eq!(world.asked.len(), asked, "seed {seed}");
        world.feed(Input::Shutdown { keep_addresses: false });
        world.settle();
        assert!(world.kernel.is_empty() && world.engine.is_finished(), "seed {seed}");
    }
}
