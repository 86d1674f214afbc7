//! A configuration, the first or another one; and the end.
//!
//! What stays keeps its state: a virtual server by its key, a real server by its place, a check by what it asks. A check
//! with another pace goes on with it.

use super::{Balanced, Engine, Run, Watch};
use crate::action::{Action, Level, Notice};
use crate::config::{Config, Server};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::Instant;
use check::judge::Judge;
use check::{Check, Probe};
use lvs::config::{Endpoint, Key, Service};
use lvs::service::{Running, Standing};
use lvs::table::Services;

/// What ran before.
struct Before {
    probes: BTreeMap<u64, Run>,
    by_question: BTreeMap<Arc<Probe>, u64>,
    servers: BTreeMap<Key, Balanced>,
}

impl Engine {
    /// Runs another configuration.
    pub fn reconfigure(&mut self, now: Instant, config: Config, out: &mut Vec<Action>) {
        let before = Before {
            probes: core::mem::take(&mut self.probes),
            by_question: core::mem::take(&mut self.by_question),
            servers: core::mem::take(&mut self.servers),
        };
        for (key, old) in &before.servers {
            if !config.servers.contains_key(key) {
                out.push(Action::Log(Level::Info, format!("Removing Virtual Server {key}")));
                self.withdraw(key, &old.running, Farewell::Removing, out);
            }
        }
        self.config = config;
        self.settle_marks();
        self.timers.clear();
        self.files.forget_followers();
        self.sessions.forget_followers();
        let mut before = before;
        let all: Vec<(Key, Server)> = self.config.servers.clone().into_iter().collect();
        for (key, server) in all {
            self.take_server(now, &key, &server, &mut before, out);
        }
        for (id, run) in &before.probes {
            if run.is_asking() {
                out.push(Action::Forget(run.ticket(*id)));
            }
        }
        let probes: Vec<u64> = self.probes.keys().copied().collect();
        for id in probes {
            self.arm(id);
        }
        self.changed = self.servers.keys().cloned().collect();
        self.left.extend(core::mem::take(&mut self.users).into_keys());
        self.count_users();
        self.suspend_or_wake(now, out);
    }

    /// Makes a virtual server what the configuration says, from what it was.
    fn take_server(&mut self, now: Instant, key: &Key, server: &Server, before: &mut Before, out: &mut Vec<Action>) {
        let old = before.servers.remove(key);
        let service = Arc::clone(&server.service);
        let mut checks = BTreeMap::new();
        for (at, wanted) in &server.checks {
            let known = old.as_ref().and_then(|old| old.checks.get(at));
            let was_up = old.as_ref().and_then(|old| old.running.standing(*at)).map(|s| s.up);
            let mut watches = Vec::with_capacity(wanted.len());
            for check in wanted {
                let watch = match check {
                    Check::Probe(probe) => {
                        let id = self.take_probe(now, probe, known.map_or(&[][..], Vec::as_slice), was_up, before);
                        if let Some(run) = self.probes.get_mut(&id) {
                            run.followers.insert((key.clone(), *at));
                        }
                        Watch::Probe(id)
                    }
                    Check::File(check) => {
                        self.files.follow(&check.file, key, *at);
                        Watch::File(check.clone())
                    }
                    Check::Bfd(check) => {
                        self.sessions.follow(&check.session, key, *at);
                        Watch::Session(check.clone())
                    }
                };
                watches.push(watch);
            }
            if old.is_none() {
                announce_checks(key, &service, *at, &watches, out);
            }
            checks.insert(*at, watches);
        }
        let standing = |at: Endpoint| {
            let real = service.reals.iter().find(|real| real.at == at)?;
            let watches = checks.get(&at).map_or(&[][..], Vec::as_slice);
            Some((at, self.standing(watches, real)))
        };
        let standings: BTreeMap<Endpoint, Standing> =
            service.reals.iter().filter_map(|real| standing(real.at)).collect();
        let services = self.services_of(&service);
        if services.left_out {
            let text = format!(
                "VS {key}: more than {} addresses - the others are not set up",
                lvs::table::SERVICES
            );
            out.push(Action::Log(Level::Warning, text));
        }
        let suspended = old.as_ref().is_some_and(|old| old.suspended);
        self.run_server(key, service, (services, checks, suspended), standings, old, out);
    }

    fn run_server(
        &mut self,
        key: &Key,
        service: Arc<Service>,
        (services, checks, suspended): (Services, BTreeMap<Endpoint, Vec<Watch>>, bool),
        standings: BTreeMap<Endpoint, Standing>,
        old: Option<Balanced>,
        out: &mut Vec<Action>,
    ) {
        let mut events = Vec::new();
        let is_new = old.is_none();
        let running = match old {
            None => Running::start(Arc::clone(&service), standings, &mut events),
            Some(mut old) => {
                gone(key, &old.running, &service, out);
                if *old.running.config() != service {
                    old.running.reconfigure(Arc::clone(&service), standings, &mut events);
                }
                old.running
            }
        };
        let announced: Vec<Endpoint> = if is_new && self.config.settings.init_notifies {
            let up = |at: &Endpoint| running.standing(*at).is_some_and(|standing| standing.up);
            service.reals.iter().map(|real| real.at).filter(up).collect()
        } else {
            Vec::new()
        };
        let balanced = Balanced {
            running,
            services,
            checks,
            suspended,
        };
        self.servers.insert(key.clone(), balanced);
        for at in announced {
            let key = key.clone();
            out.push(Action::Tell(Notice::Real { key, at, up: true }));
        }
        self.spread(key, &events, out);
        for real in &service.reals {
            self.refresh(key, real.at, out);
        }
    }

    /// The probe that asks what is wanted: one that is there, or one that goes on from what the real server had, or a
    /// new one.
    fn take_probe(
        &mut self,
        now: Instant,
        wanted: &Probe,
        known: &[Watch],
        was_up: Option<bool>,
        before: &mut Before,
    ) -> u64 {
        if let Some(id) = self.by_question.get(wanted) {
            return *id;
        }
        if let Some((probe, id)) = before.by_question.remove_entry(wanted)
            && let Some(mut run) = before.probes.remove(&id)
        {
            run.followers.clear();
            run.timer = None;
            self.by_question.insert(probe, id);
            self.probes.insert(id, run);
            return id;
        }
        let asks_the_same = |watch: &Watch| match watch {
            Watch::Probe(id) => {
                let run = before.probes.get(id).or_else(|| self.probes.get(id))?;
                (run.probe.dialogue == wanted.dialogue).then_some(run)
            }
            Watch::File(_) | Watch::Session(_) => None,
        };
        let probe = Arc::new(wanted.clone());
        let (judge, weight) = match known.iter().find_map(asks_the_same) {
            Some(run) => {
                let mut judge = run.judge.clone();
                judge.adopt(wanted, now);
                if judge.deadline().is_none() {
                    // Its question was another probe's.
                    judge.rest();
                    judge.wake(now);
                }
                (judge, run.weight)
            }
            None => {
                // A new check does not take down a server that is up.
                let alpha = wanted.alpha && was_up != Some(true);
                let begun = Probe {
                    alpha,
                    ..wanted.clone()
                };
                (Judge::new(&begun, now, &mut self.rng), None)
            }
        };
        self.next_probe += 1;
        let id = self.next_probe;
        let run = Run {
            probe: Arc::clone(&probe),
            judge,
            followers: BTreeSet::new(),
            weight,
            serial: 0,
            timer: None,
            resting: false,
            hindrance: String::new(),
        };
        self.by_question.insert(probe, id);
        self.probes.insert(id, run);
        id
    }

    /// The end: says which servers leave their pools, and tells those who want to know of it (`omega`). Nothing is asked
    /// any more.
    pub fn stop(&mut self, out: &mut Vec<Action>) {
        for (key, server) in &self.servers {
            self.withdraw(key, &server.running, Farewell::Stopping, out);
        }
        for (id, run) in &self.probes {
            if run.is_asking() {
                out.push(Action::Forget(run.ticket(*id)));
            }
        }
        self.timers.clear();
        self.probes.clear();
        self.by_question.clear();
        self.servers.clear();
        self.users.clear();
    }

    /// A virtual server goes: its real servers leave one by one, and with them the quorum.
    fn withdraw(&self, key: &Key, running: &Running, farewell: Farewell, out: &mut Vec<Action>) {
        let service = running.config();
        let (verb, body) = match farewell {
            Farewell::Stopping => ("Shutting down", "=> Shutting down <="),
            Farewell::Removing => ("Removing", "=> Removing <="),
        };
        let told = farewell == Farewell::Removing || service.omega;
        let settings = &self.config.settings;
        let mut left = running.clone();
        let mut quorum = running.has_quorum();
        for real in &service.reals {
            let at = real.at;
            let name = service.named(at);
            out.push(Action::Log(Level::Info, format!("{verb} service {name} from VS {key}")));
            if !running.standing(at).is_some_and(|standing| standing.up) {
                continue;
            }
            left.set(at, Standing::DOWN, &mut Vec::new());
            if !told {
                continue;
            }
            out.push(Action::Tell(Notice::Real {
                key: key.clone(),
                at,
                up: false,
            }));
            if real.alerts(settings) {
                out.push(Action::Tell(Notice::RealMail {
                    key: key.clone(),
                    at,
                    up: false,
                    body: body.into(),
                }));
            }
            if quorum && !left.has_quorum() {
                quorum = false;
                out.push(Action::Tell(Notice::Quorum {
                    key: key.clone(),
                    up: false,
                }));
                if service.alerts(settings) {
                    out.push(Action::Tell(Notice::QuorumMail {
                        key: key.clone(),
                        up: false,
                        body: body.into(),
                    }));
                }
            }
        }
    }
}

/// Why servers leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    Stopping,
    Removing,
}

/// Real servers that a configuration has no more.
fn gone(key: &Key, running: &Running, service: &Service, out: &mut Vec<Action>) {
    let old = running.config();
    if Arc::as_ptr(old) == core::ptr::from_ref(service) {
        return;
    }
    let kept: BTreeSet<Endpoint> = service.reals.iter().map(|real| real.at).collect();
    for real in old.reals.iter().filter(|real| !kept.contains(&real.at)) {
        let name = old.named(real.at);
        out.push(Action::Log(Level::Info, format!("service {name} no longer exist")));
        if running.standing(real.at).is_some_and(|standing| standing.up) {
            let text = format!("Removing service {name} from VS {key}");
            out.push(Action::Log(Level::Info, text));
            let (key, at) = (key.clone(), real.at);
            out.push(Action::Tell(Notice::Real { key, at, up: false }));
        }
    }
}

fn announce_checks(key: &Key, service: &Service, at: Endpoint, watches: &[Watch], out: &mut Vec<Action>) {
    let real = service.named(at);
    for watch in watches {
        let what = match watch {
            Watch::Probe(_) => "healthchecker",
            Watch::Session(_) => "BFD healthchecker",
            Watch::File(_) => continue,
        };
        let text = format!("Activating {what} for service {real} for VS {key}");
        out.push(Action::Log(Level::Info, text));
    }
}
