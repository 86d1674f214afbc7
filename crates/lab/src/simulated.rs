//! The stage without a kernel: the same scenario text on the engine and the simulated segment of `vrrp`.
//!
//! Time is exact here, so there is no allowance; chance comes from a seed, so a failure can be played again.

use crate::command::{Result, Trouble};
use crate::oracle::{self, Claim, TwoMasters};
use crate::scenario::{Act, Check, Failure, Report, Scenario, Stage, Subject};
use conf::{Facts, MapLoader};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;
use vrrp::action::StateName;
use vrrp::sim::Sim;

/// How many times an interval the simulation is looked at.
const LOOKS: u32 = 50;

/// Plays a scenario in simulation.
pub fn run_in_simulation(scenario: &Scenario, seed: u64) -> std::result::Result<Report, Failure> {
    let lost = |trouble: Trouble| Failure {
        what: trouble.to_string(),
        timeline: String::new(),
    };
    let mut stage = Simulated::build(scenario, seed).map_err(lost)?;
    scenario.run(&mut stage)
}

/// The model in a configuration that must be free of complaints.
pub fn model_of(conf: &str) -> Result<vrrp::config::Model> {
    const FILE: &str = "/keepalived.conf";
    let bundle = conf::load(FILE, Facts::default(), &MapLoader::default().with(FILE, conf));
    let compiled = conf::compile(&bundle);
    if compiled.diagnostics.is_empty() {
        return Ok(compiled.model.vrrp);
    }
    let said: Vec<String> = compiled
        .diagnostics
        .iter()
        .map(|one| one.render(&bundle, false))
        .collect();
    Err(Trouble::new(format!(
        "the scenario's configuration is not clean:\n{}",
        said.concat()
    )))
}

/// Routers in a simulation.
#[derive(Debug)]
struct Simulated {
    sim: Sim,
    subject: Subject,
    routers: BTreeMap<String, Router>,
    /// From whom to whom nothing passes, and who is cut off both ways.
    blocked: BTreeSet<(String, String)>,
    silenced: BTreeSet<String>,
    loss: u8,
    claims: Vec<Claim>,
    disturbed: Vec<(Duration, Duration)>,
    disturbed_since: Option<Duration>,
}

#[derive(Debug)]
struct Router {
    /// Until the first start.
    unborn: Option<(vrrp::config::Model, Ipv4Addr)>,
    alive: bool,
    frozen: bool,
}

impl Simulated {
    fn build(scenario: &Scenario, seed: u64) -> Result<Simulated> {
        let mut routers = BTreeMap::new();
        for ((name, conf), last) in scenario.routers.iter().zip(1..) {
            let unborn = Some((model_of(conf)?, Ipv4Addr::new(10, 0, 0, last)));
            routers.insert(
                name.clone(),
                Router {
                    unborn,
                    alive: false,
                    frozen: false,
                },
            );
        }
        Ok(Simulated {
            sim: Sim::new(seed),
            subject: scenario.subject.clone(),
            routers,
            blocked: BTreeSet::new(),
            silenced: BTreeSet::new(),
            loss: 0,
            claims: Vec::new(),
            disturbed: Vec::new(),
            disturbed_since: None,
        })
    }

    fn router(&mut self, name: &str) -> Result<&mut Router> {
        self.routers
            .get_mut(name)
            .ok_or_else(|| Trouble::new(format!("no router {name}")))
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.sim.now().as_micros())
    }

    fn apply(&mut self, act: &Act) -> Result<()> {
        match act {
            Act::Start(name) => {
                let router = self.router(name)?;
                router.alive = true;
                match router.unborn.take() {
                    Some((model, address)) => self.sim.add_with_address(name, model, address),
                    None => self.sim.start(name),
                }
            }
            Act::Stop(name) => {
                self.router(name)?.alive = false;
                self.sim.stop(name);
            }
            Act::Kill(name) => {
                self.router(name)?.alive = false;
                self.sim.kill(name);
            }
            Act::Freeze(name) => {
                self.router(name)?.frozen = true;
                self.sim.freeze(name);
            }
            Act::Thaw(name) => {
                self.router(name)?.frozen = false;
                self.sim.thaw(name);
            }
            Act::Cut(name) => self.sim.cut(name),
            Act::Mend(name) => self.sim.heal(name),
            Act::Silence(name) => drop(self.silenced.insert(name.clone())),
            Act::Unsilence(name) => drop(self.silenced.remove(name)),
            Act::Block(from, to) => drop(self.blocked.insert((from.clone(), to.clone()))),
            Act::Unblock(from, to) => drop(self.blocked.remove(&(from.clone(), to.clone()))),
            Act::Loss(percent) => {
                self.loss = *percent;
                self.sim.loss(*percent);
            }
        }
        self.partition();
        Ok(())
    }

    /// Tells the simulation anew who cannot reach whom.
    fn partition(&mut self) {
        let mut pairs = self.blocked.clone();
        for one in &self.silenced {
            for other in self.routers.keys() {
                pairs.insert((one.clone(), other.clone()));
                pairs.insert((other.clone(), one.clone()));
            }
        }
        self.sim.unblock_all();
        for (from, to) in &pairs {
            self.sim.block(from, to);
        }
        let now = self.now();
        let faulty = self.loss > 0 || !pairs.is_empty();
        match (faulty, self.disturbed_since) {
            (true, None) => self.disturbed_since = Some(now),
            (false, Some(since)) => {
                self.disturbed.push((since, now));
                self.disturbed_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Lets one look's worth of time pass, and notes who is master.
    fn step(&mut self) {
        self.sim.run_for(self.subject.interval / LOOKS);
        let at = self.now();
        let masters = self.masters().into_iter().map(|host| Claim {
            at,
            host: host.into(),
            priority: 1,
        });
        let masters: Vec<Claim> = masters.collect();
        self.claims.extend(masters);
    }

    fn working(&self) -> impl Iterator<Item = &str> {
        let works = |(_, router): &(&String, &Router)| router.alive && !router.frozen;
        self.routers.iter().filter(works).map(|(name, _)| name.as_str())
    }

    fn masters(&self) -> BTreeSet<&str> {
        self.working().filter(|name| self.is_master(name)).collect()
    }

    fn is_master(&self, name: &str) -> bool {
        self.sim.state(name, &self.subject.instance) == Some(StateName::Master)
    }

    fn has_all(&self, name: &str) -> bool {
        self.subject.addresses.iter().all(|one| self.sim.holds(name, *one))
    }

    fn has_none(&self, name: &str) -> bool {
        self.subject.addresses.iter().all(|one| !self.sim.holds(name, *one))
    }

    fn holds(&self, check: &Check) -> bool {
        match check {
            Check::Masters(wanted) => self.masters() == wanted.iter().map(String::as_str).collect(),
            Check::Holds(name) => {
                let mut others = self.working().filter(|other| other != name);
                self.has_all(name) && others.all(|other| self.has_none(other))
            }
            Check::HoldsNothing(name) => self.has_none(name),
            // There is no client; whoever is master and has the addresses has announced them.
            Check::Answers(name) => self.is_master(name) && self.has_all(name),
            Check::Lives => true,
        }
    }

    /// Something no daemon may ever do.
    fn sane(&self) -> Result<()> {
        self.sim.is_sane().map_err(Trouble::new)
    }
}

impl Stage for Simulated {
    fn act(&mut self, act: &Act) -> Result<()> {
        self.apply(act)
    }

    fn wait(&mut self, time: Duration, check: &Check) -> Result<Option<Duration>> {
        let since = self.now();
        while !self.holds(check) {
            if self.now() - since > time {
                return Ok(None);
            }
            self.step();
        }
        self.sane()?;
        Ok(Some(self.now() - since))
    }

    fn stays(&mut self, time: Duration, check: &Check) -> Result<bool> {
        let until = self.now() + time;
        while self.now() < until && self.holds(check) {
            self.step();
        }
        self.sane()?;
        Ok(self.holds(check))
    }

    fn verdict(&mut self) -> Result<Vec<TwoMasters>> {
        let mut disturbed = self.disturbed.clone();
        disturbed.extend(self.disturbed_since.map(|since| (since, Duration::MAX)));
        let spans = oracle::spans(&self.claims, self.subject.interval / LOOKS);
        Ok(oracle::two_masters(&spans, self.subject.interval * 2, &disturbed))
    }

    fn timeline(&mut self) -> String {
        self.sim.timeline().join("\n")
    }
}
