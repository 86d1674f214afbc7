//! The stage made of the real thing: daemons on hosts in network namespaces, one segment, a client.

use crate::command::{Result, Trouble};
use crate::daemon::{Binary, Daemon};
use crate::journal::{Host, Picture, Seen};
use crate::network::{HostPlan, Network, PortPlan};
use crate::oracle::{self, Claim, TwoMasters};
use crate::probe::Prober;
use crate::scenario::{Act, Check, Failure, Report, Scenario, Stage, Subject, router_addresses};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a shared and busy machine may add to the time a step takes before the scenario counts as failed.
pub const ALLOWANCE: Duration = Duration::from_secs(6);

/// By how much a busy machine may delay an advert: it is late, but its sender no less a master.
pub const NOISE: Duration = Duration::from_millis(250);

/// The client, in its namespaces and timelines.
pub const CLIENT: &str = "c";

/// How often the client asks during a scenario.
const ASK: Duration = Duration::from_millis(10);

/// Plays a scenario in namespaces, each router with the binary given for it in order.
pub fn run_in_namespaces(scenario: &Scenario, binaries: &[Binary]) -> std::result::Result<Report, Failure> {
    let lost = |trouble: Trouble| Failure {
        what: trouble.to_string(),
        timeline: String::new(),
    };
    let mut stage = Namespaces::build(scenario, binaries).map_err(lost)?;
    let outcome = scenario.run(&mut stage);
    stage.close();
    outcome
}

/// Routers `a`, `b`, … and the client on one segment.
#[derive(Debug)]
pub struct Namespaces {
    subject: Subject,
    // Before the network: daemons end before their hosts vanish.
    daemons: BTreeMap<Host, Router>,
    prober: Option<Prober>,
    network: Network,
    disturbed: Vec<(Duration, Duration)>,
    disturbed_since: Option<Duration>,
}

#[derive(Debug)]
struct Router {
    daemon: Daemon,
    alive: bool,
    frozen: bool,
    /// Since when it is alive and not frozen: what it said in an earlier life counts for nothing.
    awake_since: Duration,
}

impl Namespaces {
    /// Builds the network of a scenario. No daemon runs yet.
    pub fn build(scenario: &Scenario, binaries: &[Binary]) -> Result<Namespaces> {
        let mut plan = Vec::new();
        for (nth, (name, _)) in scenario.routers.iter().enumerate() {
            plan.push(host(name, &router_addresses(nth)));
        }
        plan.push(host(CLIENT, &router_addresses(CLIENT_NUMBER)));
        let network = Network::build(&plan)?;
        let mut daemons = BTreeMap::new();
        for ((name, conf), binary) in scenario.routers.iter().zip(binaries) {
            let namespace = network.host(name)?.clone();
            let daemon = Daemon::new(name, namespace, network.journal.clone(), binary.clone(), conf)?;
            daemons.insert(
                Host::from(name.as_str()),
                Router {
                    daemon,
                    alive: false,
                    frozen: false,
                    awake_since: Duration::ZERO,
                },
            );
        }
        if daemons.len() != scenario.routers.len() {
            return Err(Trouble::new("not every router has a binary"));
        }
        let subject = scenario.subject.clone();
        let first = subject
            .addresses
            .first()
            .ok_or_else(|| Trouble::new("the subject has no address"))?;
        let prober = Prober::start(network.host(CLIENT)?, *first, ASK, network.journal.clock)?;
        let disturbed = Vec::new();
        Ok(Namespaces {
            subject,
            daemons,
            prober: Some(prober),
            network,
            disturbed,
            disturbed_since: None,
        })
    }

    /// The daemon of a router.
    pub fn daemon(&mut self, router: &str) -> Result<&mut Daemon> {
        Ok(&mut self.router(router)?.daemon)
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// All adverts of the virtual router so far.
    pub fn claims(&self) -> Vec<Claim> {
        let entries = self.network.journal.entries().into_iter();
        let vrid = self.subject.vrid;
        let claim = |entry: crate::journal::Entry| match entry.what {
            Seen::Advert(advert) if advert.vrid == vrid => Some(Claim {
                at: entry.at,
                host: entry.host.to_string(),
                priority: advert.priority,
            }),
            Seen::Advert(_)
            | Seen::Announcement(_)
            | Seen::Answers(_)
            | Seen::AddressAdded(..)
            | Seen::AddressRemoved(..)
            | Seen::Log(_)
            | Seen::Act(_)
            | Seen::Noted(_) => None,
        };
        entries.filter_map(claim).collect()
    }

    /// Ends everything in the right order.
    pub fn close(mut self) {
        self.prober = None;
        self.daemons.clear();
        self.network.close();
    }

    fn router(&mut self, name: &str) -> Result<&mut Router> {
        self.daemons
            .get_mut(name)
            .ok_or_else(|| Trouble::new(format!("no router {name}")))
    }

    fn do_act(&mut self, act: &Act) -> Result<()> {
        let now = self.now();
        match act {
            Act::Start(name) => {
                let router = self.router(name)?;
                router.alive = true;
                router.awake_since = now;
                router.daemon.start()
            }
            Act::Stop(name) => {
                let router = self.router(name)?;
                router.alive = false;
                let ended = router.daemon.stop()?;
                if ended.status.success() {
                    return Ok(());
                }
                Err(Trouble::new(format!(
                    "the daemon ended with {} instead of 0",
                    ended.status
                )))
            }
            Act::Kill(name) => {
                let router = self.router(name)?;
                router.alive = false;
                router.daemon.kill_everything().map(drop)
            }
            Act::Freeze(name) => {
                let router = self.router(name)?;
                router.frozen = true;
                router.daemon.freeze()
            }
            Act::Thaw(name) => {
                let router = self.router(name)?;
                router.frozen = false;
                router.awake_since = now;
                router.daemon.thaw()
            }
            Act::Cut(name) => self.network.carrier(name, false),
            Act::Mend(name) => self.network.carrier(name, true),
            Act::Silence(name) => self
                .network
                .faults(|faults| faults.silenced.insert(name.as_str().into())),
            Act::Unsilence(name) => self.network.faults(|faults| faults.silenced.remove(name.as_str())),
            Act::Block(from, to) => self.network.faults(|faults| faults.blocked.insert(pair(from, to))),
            Act::Unblock(from, to) => self.network.faults(|faults| faults.blocked.remove(&pair(from, to))),
            Act::Loss(percent) => self.network.faults(|faults| faults.loss = *percent),
        }
    }

    /// Two intervals after the segment has healed there is one master again.
    fn grace(&self) -> Duration {
        2 * self.subject.interval + NOISE
    }

    fn note_disturbance(&mut self) {
        let now = self.network.journal.clock.now();
        match (self.network.is_faulty(), self.disturbed_since) {
            (true, None) => self.disturbed_since = Some(now),
            (false, Some(since)) => {
                self.disturbed.push((since, now));
                self.disturbed_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// A daemon that ended by itself is a failure of whatever was being waited for.
    fn nobody_fell_over(&mut self) -> Result<()> {
        for (name, router) in &mut self.daemons {
            if router.daemon.fell_over() {
                return Err(Trouble::new(format!("the daemon on {name} ended by itself")));
            }
        }
        Ok(())
    }

    fn judge(&self, check: &Check) -> Judge {
        let working = |router: &Router| router.alive && !router.frozen;
        let awake = self.daemons.iter().filter(|(_, router)| working(router));
        let who = awake.map(|(name, router)| (name.clone(), router.awake_since));
        Judge {
            check: check.clone(),
            subject: self.subject.clone(),
            working: who.collect(),
            since: self.now(),
        }
    }

    fn now(&self) -> Duration {
        self.network.journal.clock.now()
    }
}

impl Stage for Namespaces {
    fn act(&mut self, act: &Act) -> Result<()> {
        let host = Host::from("");
        self.network.journal.record_now(&host, Seen::Act(act.to_string()));
        self.do_act(act)?;
        self.note_disturbance();
        Ok(())
    }

    fn wait(&mut self, time: Duration, check: &Check) -> Result<Option<Duration>> {
        let judge = self.judge(check);
        let deadline = judge.since + time + ALLOWANCE;
        let journal = self.network.journal.clone();
        let at = journal.wait(deadline, |picture, now| {
            picture.blind.is_some() || judge.holds(picture, now)
        });
        self.nobody_fell_over()?;
        if let Some(why) = journal.picture().blind {
            return Err(Trouble::new(why));
        }
        if at.is_some() {
            journal.record_now(&Host::from(""), Seen::Noted(check.to_string()));
        }
        Ok(at.map(|at| at.saturating_sub(judge.since)))
    }

    fn stays(&mut self, time: Duration, check: &Check) -> Result<bool> {
        let judge = self.judge(check);
        let deadline = judge.since + time;
        let broken = self
            .network
            .journal
            .wait(deadline, |picture, now| !judge.holds(picture, now));
        self.nobody_fell_over()?;
        Ok(broken.is_none())
    }

    fn verdict(&mut self) -> Result<Vec<TwoMasters>> {
        let mut disturbed = self.disturbed.clone();
        disturbed.extend(self.disturbed_since.map(|since| (since, Duration::MAX)));
        let spans = oracle::spans(&self.claims(), self.grace());
        Ok(oracle::two_masters(&spans, self.grace(), &disturbed))
    }

    fn timeline(&mut self) -> String {
        self.network.journal.timeline()
    }
}

/// A check with what it is about, free of the stage so that it can be asked while waiting.
struct Judge {
    check: Check,
    subject: Subject,
    /// The routers whose daemons work, and since when.
    working: BTreeMap<Host, Duration>,
    since: Duration,
}

impl Judge {
    fn holds(&self, picture: &Picture, now: Duration) -> bool {
        match &self.check {
            Check::Masters(wanted) => {
                // A dead or frozen router claims nothing, however fresh its last advert is.
                let patience = self.subject.interval * 3 / 2 + NOISE;
                let claims = |(host, since): &(&Host, &Duration)| {
                    let last = picture.last_claim(host, self.subject.vrid);
                    last.is_some_and(|at| at >= **since && now.saturating_sub(at) <= patience)
                };
                let masters: BTreeSet<&str> = self.working.iter().filter(claims).map(|(host, _)| &**host).collect();
                masters == wanted.iter().map(String::as_str).collect()
            }
            Check::Holds(name) => {
                let all = self.subject.addresses.iter().all(|one| picture.has_address(name, *one));
                let mut others = self.working.keys().filter(|host| &***host != name.as_str());
                all && others.all(|other| self.has_none(picture, other))
            }
            Check::HoldsNothing(name) => self.has_none(picture, name),
            // That is looked at after every wait, whatever is waited for.
            Check::Lives => true,
            Check::Answers(name) => self.subject.addresses.first().is_some_and(|first| {
                picture
                    .last_answer(*first)
                    .is_some_and(|(host, at)| at >= self.since && **host == **name)
            }),
        }
    }

    fn has_none(&self, picture: &Picture, host: &str) -> bool {
        self.subject
            .addresses
            .iter()
            .all(|one| !picture.has_address(host, *one))
    }
}

/// The client's place among the addresses of routers.
const CLIENT_NUMBER: usize = 99;

fn host(name: &str, addresses: &[String; 2]) -> HostPlan {
    let [four, six] = addresses;
    let addresses = vec![format!("{four}/24"), format!("{six}/64")];
    let port = PortPlan {
        segment: "lan".into(),
        interface: "eth0".into(),
        addresses,
    };
    HostPlan {
        name: name.into(),
        ports: vec![port],
    }
}

fn pair(from: &str, to: &str) -> (Host, Host) {
    (from.into(), to.into())
}
