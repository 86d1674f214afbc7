//! Changes to addresses, routes and rules on their way through the kernel.
//!
//! Everything of a turn goes in one train of messages, in the engine's order; as many batches as fit are one system
//! call. What is asked for is remembered as long as it may be there, so that a report of the kernel can be told by the
//! engine's name for it. What a refusal means is not known here.

use super::facts::Watcher;
use super::translate;
use crate::log::Reporter;
use ::vrrp::action::{AddressStep, RoutingStep};
use ::vrrp::config::{AddressKey, Route, Rule};
use ::vrrp::input::{BatchId, Input};
use linux::SysError;
use linux::netlink::address::{AddressSocket, BatchDone, CHUNK, Outcome};
use linux::netlink::route::{RouteRequest, RouteSpec};
use linux::netlink::routing::RoutingChange;
use linux::netlink::rule::{RuleRequest, RuleSpec};
use linux::netlink::{Action as Change, Request};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Error numbers of the refused steps of a batch, by position.
pub(super) type Refused = Vec<(usize, i32)>;

/// What a batch of the engine was about.
#[derive(Clone, Debug)]
enum Subject {
    Addresses(Vec<AddressKey>),
    Routes(usize),
    Rules(usize),
}

impl Subject {
    fn len(&self) -> usize {
        match self {
            Subject::Addresses(keys) => keys.len(),
            Subject::Routes(count) | Subject::Rules(count) => *count,
        }
    }
}

/// A batch of the engine.
type Part = (BatchId, Subject);

struct Submitted {
    parts: Vec<Part>,
    adding: Vec<bool>,
}

/// A batch of the engine that is done.
pub(super) struct Finished {
    batch: BatchId,
    subject: Subject,
    refused: Refused,
}

impl Finished {
    /// What the engine is told.
    pub(super) fn input(&self) -> Input<'_> {
        let (batch, refused) = (self.batch, self.refused.as_slice());
        match self.subject {
            Subject::Addresses(_) => Input::AddressesChanged { batch, refused },
            Subject::Routes(_) => Input::RoutesChanged { batch, refused },
            Subject::Rules(_) => Input::RulesChanged { batch, refused },
        }
    }
}

/// Routes by what the kernel tells them apart by, roughly.
type RoutePlace = (u32, base::Prefix);

pub(super) struct Changes {
    socket: AddressSocket,
    requests: Vec<Request>,
    /// The batches of the engine in `requests`, in order.
    queued: Vec<Part>,
    /// By the number of a batch of ours, which joins several of the engine's.
    submitted: BTreeMap<u64, Submitted>,
    unknown: Vec<Submitted>,
    finished: Vec<Finished>,
    next_batch: u64,
    routes: BTreeMap<RoutePlace, Vec<(RouteSpec, Arc<Route>)>>,
    rules: BTreeMap<RuleSpec, Arc<Rule>>,
}

impl Changes {
    /// See [`super::effects::Effects::reserve`].
    pub(super) fn reserve(&self, bytes: u32) -> Result<(), SysError> {
        self.socket.reserve(bytes)
    }

    pub(super) fn open() -> Result<Changes, SysError> {
        Ok(Changes {
            socket: AddressSocket::open()?,
            requests: Vec::new(),
            queued: Vec::new(),
            submitted: BTreeMap::new(),
            unknown: Vec::new(),
            finished: Vec::new(),
            next_batch: 0,
            routes: BTreeMap::new(),
            rules: BTreeMap::new(),
        })
    }

    /// Whether nothing is waiting to be answered.
    pub(super) fn is_answered(&self) -> bool {
        self.submitted.is_empty() && self.finished.is_empty() && self.unknown.is_empty()
    }

    pub(super) fn queue_addresses(&mut self, batch: BatchId, steps: &[AddressStep], watcher: &Watcher) {
        let requests = steps.iter().map(|step| translate::address(step, watcher));
        self.requests.extend(requests.map(Request::Address));
        let keys = steps.iter().map(|step| match step {
            AddressStep::Add { address, .. } => address.key(),
            AddressStep::Remove { key, .. } => *key,
        });
        self.queued.push((batch, Subject::Addresses(keys.collect())));
    }

    pub(super) fn queue_routes(&mut self, batch: BatchId, steps: &[RoutingStep<Route>], watcher: &Watcher) {
        for step in steps {
            let (action, route) = match step {
                RoutingStep::Add(route) => (Change::Add, route),
                RoutingStep::Remove(route) => (Change::Remove, route),
            };
            let spec = translate::route(route, watcher);
            let known = self.routes.entry(place(&spec)).or_default();
            known.retain(|(other, _)| *other != spec);
            if action == Change::Add {
                known.push((spec.clone(), Arc::clone(route)));
            } else if known.is_empty() {
                self.routes.remove(&place(&spec));
            }
            self.requests.push(Request::Route(RouteRequest { action, route: spec }));
        }
        self.queued.push((batch, Subject::Routes(steps.len())));
    }

    pub(super) fn queue_rules(&mut self, batch: BatchId, steps: &[RoutingStep<Rule>]) {
        for step in steps {
            let (action, rule) = match step {
                RoutingStep::Add(rule) => (Change::Add, rule),
                RoutingStep::Remove(rule) => (Change::Remove, rule),
            };
            let spec = translate::rule(rule);
            match action {
                Change::Add => self.rules.insert(spec.clone(), Arc::clone(rule)),
                Change::Remove => self.rules.remove(&spec),
            };
            self.requests.push(Request::Rule(RuleRequest { action, rule: spec }));
        }
        self.queued.push((batch, Subject::Rules(steps.len())));
    }

    /// What the engine is told of a report; of what was not asked for it is told nothing.
    pub(super) fn told(&self, change: &RoutingChange) -> Option<Input<'static>> {
        match change {
            RoutingChange::Uncertain => Some(Input::RoutingUncertain),
            RoutingChange::Rule { rule, present } => Some(Input::Rule {
                rule: Arc::clone(self.rules.get(rule.as_ref())?),
                present: *present,
            }),
            RoutingChange::Route { route, present } => {
                let network = route.destination.host_bits(false);
                let place = (route.table, base::Prefix::new(network, route.destination.len())?);
                let (_, known) = self.routes.get(&place)?.iter().find(|(spec, _)| spec.is(route))?;
                Some(Input::Route {
                    route: Arc::clone(known),
                    present: *present,
                })
            }
        }
    }

    /// Hands the queued changes to the kernel.
    pub(super) fn submit(&mut self, reporter: &Reporter) {
        let requests = std::mem::take(&mut self.requests);
        let mut rest = requests.as_slice();
        let mut parts = Vec::new();
        let mut size = 0;
        for part in std::mem::take(&mut self.queued) {
            let len = part.1.len();
            if size > 0 && size + len > CHUNK {
                let (now, later) = rest.split_at(size.min(rest.len()));
                self.submit_some(std::mem::take(&mut parts), now, reporter);
                rest = later;
                size = 0;
            }
            size += len;
            parts.push(part);
        }
        if !parts.is_empty() {
            self.submit_some(parts, rest, reporter);
        }
    }

    fn submit_some(&mut self, parts: Vec<Part>, requests: &[Request], reporter: &Reporter) {
        let number = self.next_batch;
        self.next_batch += 1;
        match self.socket.submit(number, requests) {
            Ok(()) => {
                let adding = requests.iter().map(is_addition).collect();
                self.submitted.insert(number, Submitted { parts, adding });
            }
            Err(error) => {
                reporter.error(&error);
                let errno = error.errno().unwrap_or(0);
                for (batch, subject) in parts {
                    self.finished.push(Finished {
                        batch,
                        refused: (0..subject.len()).map(|at| (at, errno)).collect(),
                        subject,
                    });
                }
            }
        }
    }

    /// Reads answers. True if some were lost and [`Changes::settle_unknown`] has to look for itself.
    pub(super) fn complete(&mut self) -> Result<bool, SysError> {
        if self.submitted.is_empty() {
            return Ok(!self.unknown.is_empty());
        }
        let mut done = Vec::new();
        let result = self.socket.complete(&mut done);
        for BatchDone { batch, outcome } in done {
            let Some(submitted) = self.submitted.remove(&batch) else {
                continue;
            };
            match outcome {
                Outcome::Answered { refused } => self.finish(submitted, &refused),
                Outcome::Unknown => self.unknown.push(submitted),
            }
        }
        result.map(|()| !self.unknown.is_empty())
    }

    /// Answers batches whose answers were lost by what is there now. Of routes and rules nothing is known but that they
    /// can be asked for again.
    pub(super) fn settle_unknown(&mut self, watcher: &Watcher) {
        /// Nobody knows the real one.
        const UNKNOWN: i32 = 0;
        for submitted in std::mem::take(&mut self.unknown) {
            let mut refused = Vec::new();
            let mut first = 0;
            for (_, subject) in &submitted.parts {
                let adding = submitted.adding.get(first..).unwrap_or_default();
                let undone: Vec<bool> = match subject {
                    Subject::Addresses(keys) => keys
                        .iter()
                        .zip(adding)
                        .map(|(key, adding)| watcher.has(key) != *adding)
                        .collect(),
                    Subject::Routes(count) | Subject::Rules(count) => vec![true; *count],
                };
                let undone = undone.into_iter().enumerate().filter(|(_, undone)| *undone);
                refused.extend(undone.map(|(at, _)| (first + at, UNKNOWN)));
                first += subject.len();
            }
            self.finish(submitted, &refused);
        }
    }

    fn finish(&mut self, submitted: Submitted, refused: &[(usize, i32)]) {
        let mut first = 0;
        for (batch, subject) in submitted.parts {
            let mine = first..first + subject.len();
            let refused = refused.iter().filter(|(at, _)| mine.contains(at));
            let refused = refused.map(|(at, errno)| (at - mine.start, *errno)).collect();
            first = mine.end;
            self.finished.push(Finished {
                batch,
                subject,
                refused,
            });
        }
    }

    /// The batches that are done.
    pub(super) fn take_finished(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.finished)
    }
}

impl AsFd for Changes {
    /// Readable when changes have been answered.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn place(spec: &RouteSpec) -> RoutePlace {
    let network = base::Prefix::new(spec.destination.host_bits(false), spec.destination.len());
    (spec.table, network.unwrap_or(spec.destination))
}

fn is_addition(request: &Request) -> bool {
    let action = match request {
        Request::Address(request) => request.action,
        Request::Route(request) => request.action,
        Request::Rule(request) => request.action,
    };
    action == Change::Add
}
