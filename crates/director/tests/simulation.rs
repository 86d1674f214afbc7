//! Seeded simulations of a director and of the kernel's table: servers fail and come back, answers are late or never come, the
//! configuration changes, the daemon starts anew, the kernel refuses, and somebody edits the table by hand.
//!
//! A failing seed prints what happened and how to run it again: `LVS_SEED=N cargo test -p director --test simulation`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;
mod world;

use base::{Family, Instant, Rng};
use check::Probe;
use common::Play;
use director::{Config, Engine, Input, Notice, Ticket};
use lvs::books::{Books, carry_out};
use lvs::config::{Endpoint, Forwarding, Granularity, Key, Protocol, SchedulerFlags};
use lvs::plan::{Step, plan};
use lvs::table::{Definition, Destination, Pool, Table, Virtual};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use world::{REALS, World, below};

/// Simulations in one run.
const SEEDS: u64 = 300;
/// What may happen in one simulation.
const EVENTS: usize = 120;
/// Lines of a timeline printed on failure.
const SHOWN: usize = 200;
/// From one look at the table to the next, as in the daemon.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// In which what others change about our services must be put back.
const REPAIR: Duration = Duration::from_secs(5);
/// In which every check has found out how things are: two lost questions, an interval, all retries.
const CALM: Duration = Duration::from_secs(200);

#[test]
fn the_table_follows_the_servers_whatever_happens_and_what_is_foreign_stays() {
    let seeds = match std::env::var("LVS_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).unwrap(),
        Err(_) => 0..seeds(),
    };
    let (mut runs, mut time, mut answers, mut steps) = (0_u64, Duration::ZERO, 0, 0);
    for seed in seeds {
        let mut run = Run::new(seed);
        if let Err(rule) = run.go() {
            run.print();
            panic!("{rule}\nagain: LVS_SEED={seed} cargo test -p director --test simulation");
        }
        runs += 1;
        time += run.play.now.since(Instant::ZERO);
        answers += run.answers;
        steps += run.steps;
    }
    let hours = time.as_secs_f64() / 3600.0;
    println!("directors: {runs} runs, {hours:.0} hours of balancing, {answers} answers, {steps} steps");
    assert!(answers > 0 && steps > 0);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let timeline = |seed| {
        let mut run = Run::new(seed);
        run.go().unwrap();
        run.timeline
    };
    assert_eq!(timeline(7), timeline(7));
    assert_ne!(timeline(7), timeline(8));
}

/// How many seeds a run has: `LVS_SEEDS`, else what a test takes by itself.
fn seeds() -> u64 {
    match std::env::var("LVS_SEEDS") {
        Ok(count) if !count.is_empty() => count.parse().unwrap(),
        Ok(_) | Err(_) => SEEDS,
    }
}

struct Run {
    rng: Rng,
    play: Play,
    config: Config,
    world: World,
    /// Answers that are on their way.
    under_way: Vec<(Instant, Ticket, Arc<Probe>)>,
    books: Books,
    look_at: Instant,
    /// The kernel was not looked at since the daemon started.
    fresh: bool,
    kernel: Table,
    /// What others have put into the kernel, as they want it.
    foreign: Table,
    /// The kernel refuses things, and answers get lost.
    trouble: bool,
    quorums: BTreeMap<Key, bool>,
    reals: BTreeMap<(Key, Endpoint), bool>,
    answers: u64,
    steps: u64,
    timeline: Vec<String>,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut rng = Rng::from_seed(seed);
        let mut play = Play::new(Config::default());
        play.engine = Engine::new(rng.next_u64());
        Run {
            look_at: play.now,
            play,
            config: Config::default(),
            world: World {
                session: true,
                ..World::default()
            },
            under_way: Vec::new(),
            books: Books::default(),
            fresh: true,
            kernel: Table::default(),
            foreign: Table::default(),
            trouble: true,
            quorums: BTreeMap::new(),
            reals: BTreeMap::new(),
            answers: 0,
            steps: 0,
            timeline: Vec::new(),
            rng,
        }
    }

    fn go(&mut self) -> Result<(), String> {
        self.here()?;
        self.reload()?;
        for _ in 0..EVENTS {
            self.happen()?;
        }
        self.trouble = false;
        // All addresses are here again: nothing rests.
        self.play.input(Input::Addresses(addresses(|_| true)));
        self.settle()?;
        self.pass(CALM)?;
        self.is_true()?;
        for _ in 0..3 {
            self.edit();
        }
        self.pass(REPAIR)?;
        self.is_put_right()?;
        self.is_true()
    }

    fn note(&mut self, text: impl std::fmt::Display) {
        let line = format!("{:>10.3} {text}", self.play.now.since(Instant::ZERO).as_secs_f64());
        self.timeline.push(line);
    }

    fn print(&self) {
        let first = self.timeline.len().saturating_sub(SHOWN);
        self.timeline[first..].iter().for_each(|line| println!("{line}"));
    }

    /// Something happens.
    fn happen(&mut self) -> Result<(), String> {
        match self.rng.below(20) {
            0..=5 => {
                let server = 1 + below(&mut self.rng, u64::from(REALS));
                if self.world.down.contains(&server) {
                    self.world.down.retain(|other| *other != server);
                } else {
                    self.world.down.push(server);
                }
                self.note(format!("down: {:?}", self.world.down));
            }
            6 => {
                let (server, weight) = (1 + below(&mut self.rng, u64::from(REALS)), below(&mut self.rng, 6));
                self.world.weights.insert(server, weight);
                self.note(format_args!("program of {server} asks for {weight}"));
            }
            7 => {
                self.world.file = i32::from(below(&mut self.rng, 7)) - 3;
                self.note(format!("file {}", self.world.file));
                let value = self.world.file;
                self.play.input(Input::FileValue { name: "f", value });
            }
            8 => {
                self.world.session = !self.world.session;
                let up = self.world.session;
                self.note(format_args!("session up {up}"));
                self.play.input(Input::Session { name: "b", up });
            }
            9 => self.here()?,
            10 => self.reload()?,
            11..=13 => self.edit(),
            14 if self.rng.percent(30) => self.restart()?,
            _ => {}
        }
        self.settle()?;
        let time = Duration::from_millis(self.rng.below(6_000));
        self.pass(time)
    }

    /// Other addresses are on this machine.
    fn here(&mut self) -> Result<(), String> {
        let rng = &mut self.rng;
        let here = addresses(|_| rng.percent(60));
        self.note(format_args!("here: {here:?}"));
        self.play.input(Input::Addresses(here));
        self.settle()
    }

    fn reload(&mut self) -> Result<(), String> {
        self.config = world::config(&mut self.rng);
        self.note(format!("configuration {:?}", self.config));
        self.play.reload(self.config.clone());
        self.settle()?;
        // Nobody is told of what is configured no more.
        let servers = &self.config.servers;
        self.quorums.retain(|key, _| servers.contains_key(key));
        self.reals
            .retain(|(key, at), _| servers.get(key).is_some_and(|server| server.checks.contains_key(at)));
        Ok(())
    }

    /// The daemon dies, and the next one knows from the record which services are its own.
    fn restart(&mut self) -> Result<(), String> {
        self.note("another daemon");
        let mut books = Books::default();
        self.books.ours().iter().for_each(|service| books.claim(*service));
        (self.books, self.fresh, self.look_at) = (books, true, self.play.now);
        self.play.engine = Engine::new(self.rng.next_u64());
        self.under_way.clear();
        self.play.asked.clear();
        self.quorums.clear();
        self.reals.clear();
        let (value, up) = (self.world.file, self.world.session);
        self.play.input(Input::FileValue { name: "f", value });
        self.play.input(Input::Session { name: "b", up });
        self.play.reload(self.config.clone());
        self.here()
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) -> Result<(), String> {
        let until = self.play.now.after(time);
        loop {
            let answer = self.under_way.iter().map(|(at, ..)| *at).min();
            let due = [self.play.engine.deadline(), answer, Some(self.look_at)];
            let next = due.into_iter().flatten().min().unwrap_or(until);
            if next > until {
                self.play.now = until;
                return Ok(());
            }
            self.play.now = next.max(self.play.now);
            self.hear();
            if self.play.engine.deadline().is_some_and(|at| at <= self.play.now) {
                self.play.input(Input::DeadlineReached);
            }
            self.settle()?;
        }
    }

    /// Answers arrive; they say how things are now.
    fn hear(&mut self) {
        let now = self.play.now;
        let (come, later) = std::mem::take(&mut self.under_way)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.under_way = later;
        let come: Vec<_> = come;
        for (_, ticket, probe) in come {
            let (answer, weight) = self.world.answer(&probe);
            self.answers += 1;
            self.play.input(Input::Answered {
                ticket,
                answer,
                reason: "failed",
                weight,
            });
        }
    }

    /// What the daemon does after each turn.
    fn settle(&mut self) -> Result<(), String> {
        let now = self.play.now;
        for (ticket, probe) in std::mem::take(&mut self.play.asked) {
            if !(self.trouble && self.rng.percent(3)) {
                let takes = Duration::from_millis(self.rng.below(5_000));
                self.under_way.push((now.after(takes), ticket, probe));
            }
        }
        // Some answers come although nobody waits for them any more.
        for ticket in std::mem::take(&mut self.play.forgotten) {
            if self.rng.percent(80) {
                self.under_way.retain(|(_, other, _)| *other != ticket);
            }
        }
        if let Some((scope, part)) = self.play.engine.take_part() {
            self.books.wish(&scope, part);
            if !self.fresh {
                let steps = self.books.steps(&scope);
                self.carry_out(&steps);
            }
        }
        if self.look_at <= now {
            self.look();
        }
        for line in std::mem::take(&mut self.play.said) {
            self.note(line);
        }
        self.hear_notices()?;
        self.is_foreign_untouched()
    }

    fn look(&mut self) {
        self.look_at = self.play.now.after(LOOK_EVERY);
        let ours = self.books.ours();
        let pools = self.kernel.pools.iter().filter(|(service, _)| ours.contains(service));
        let observed = Table {
            pools: pools.map(|(service, pool)| (*service, pool.clone())).collect(),
        };
        let steps = self.books.looked(observed);
        self.carry_out(&steps);
        self.books.settle();
        self.fresh = false;
    }

    fn carry_out(&mut self, steps: &[Step]) {
        for step in steps {
            self.steps += 1;
            if (self.trouble && self.rng.percent(5)) || !would_do(&self.kernel, step) {
                self.note(format_args!("refused: {step:?}"));
                self.look_at = self.look_at.min(self.play.now.after(Duration::from_millis(100)));
            } else {
                carry_out(&mut self.kernel, step);
                self.books.done(step);
            }
        }
    }

    /// Somebody edits the table by hand: a service of ours, or one of his own.
    fn edit(&mut self) {
        let rng = &mut self.rng;
        if rng.percent(30) {
            let service = foreign_service(below(rng, 4));
            let pool = pool(rng);
            for table in [&mut self.kernel, &mut self.foreign] {
                if self.trouble && table.pools.contains_key(&service) {
                    table.pools.remove(&service);
                } else {
                    table.pools.insert(service, pool.clone());
                }
            }
            return self.note(format_args!("edited: {service}, somebody else's"));
        }
        let ours: Vec<Virtual> = self.books.ours().iter().copied().collect();
        let Some(service) = ours.get(self.rng.below(ours.len() as u64) as usize) else {
            return;
        };
        let rng = &mut self.rng;
        let what = rng.below(5);
        let stray = pool(rng);
        match (what, self.kernel.pools.get_mut(service)) {
            (0, Some(_)) => drop(self.kernel.pools.remove(service)),
            (1, Some(found)) => found.definition = stray.definition,
            (2, Some(found)) => found.destinations.extend(stray.destinations),
            (3, Some(found)) => drop(found.destinations.pop_first()),
            (_, Some(found)) => found.destinations.values_mut().for_each(|to| to.weight += 1),
            (_, None) => drop(self.kernel.pools.insert(*service, stray)),
        }
        self.note(format_args!("edited: {service} ({what})"));
    }

    /// What others are told: the quorum comes and goes in turns, and the last word about a server is true.
    fn hear_notices(&mut self) -> Result<(), String> {
        for notice in std::mem::take(&mut self.play.told) {
            match notice {
                Notice::Quorum { key, up } => {
                    if self.quorums.insert(key.clone(), up) == Some(up) {
                        return Err(format!("the quorum of {key} is told twice: {up}"));
                    }
                }
                Notice::Real { key, at, up } => drop(self.reals.insert((key, at), up)),
                Notice::RealMail { .. } | Notice::QuorumMail { .. } => {}
            }
        }
        for status in self.play.engine.status() {
            let told = self.quorums.get(status.key);
            if told.is_some_and(|told| *told != status.quorum) {
                return Err(format!("the last word on the quorum of {} is wrong", status.key));
            }
            for real in status.reals {
                let told = self.reals.get(&(status.key.clone(), real.at));
                if told.is_some_and(|told| *told != real.up) {
                    return Err(format!("the last word on {:?} of {} is wrong", real.at, status.key));
                }
            }
        }
        Ok(())
    }

    fn is_foreign_untouched(&self) -> Result<(), String> {
        for number in 0..4 {
            let service = foreign_service(number);
            if self.kernel.pools.get(&service) != self.foreign.pools.get(&service) {
                return Err(format!("{service} is not ours and was changed"));
            }
        }
        Ok(())
    }

    /// Nothing is left to do, and nothing is there that nobody wants.
    fn is_put_right(&self) -> Result<(), String> {
        let desired = self.play.engine.table();
        let rest = plan(&self.kernel, &desired, self.books.ours());
        if !rest.is_empty() {
            return Err(format!("left to do: {rest:?}"));
        }
        let unknown =
            |service: &&Virtual| !desired.pools.contains_key(service) && !self.foreign.pools.contains_key(service);
        match self.kernel.pools.keys().find(unknown) {
            Some(service) => Err(format!("{service} is nobody's")),
            None => Ok(()),
        }
    }

    /// The table says how things are with the servers.
    fn is_true(&self) -> Result<(), String> {
        self.is_put_right()?;
        for status in self.play.engine.status() {
            let server = &self.config.servers[status.key];
            let (total, key) = (self.world.total(server), status.key);
            let (quorum, hysteresis) = (
                u64::from(server.service.quorum.get()),
                u64::from(server.service.hysteresis),
            );
            let (must, may) = (total >= quorum + hysteresis, total > 0 && total >= quorum - hysteresis);
            if (must && !status.quorum) || (!may && status.quorum) {
                return Err(format!("{key}: quorum {} with a weight of {total}", status.quorum));
            }
            let wanted = self.world.pool(server, status.quorum);
            for service in status.services {
                let found = self.kernel.pools.get(service).map(|pool| &pool.destinations);
                let found: BTreeMap<IpAddr, u32> = found
                    .into_iter()
                    .flatten()
                    .map(|(at, to)| (at.address, to.weight))
                    .collect();
                let wanted: BTreeMap<IpAddr, u32> = wanted.iter().map(|(at, weight)| (at.address, *weight)).collect();
                if found != wanted {
                    return Err(format!("{key} as {service}: {found:?} instead of {wanted:?}"));
                }
            }
        }
        Ok(())
    }
}

/// Addresses of virtual servers.
fn addresses(mut here: impl FnMut(u8) -> bool) -> BTreeSet<IpAddr> {
    let all = (0..8_u8).flat_map(|last| [IpAddr::from([192, 0, 2, last]), IpAddr::from([203, 0, 113, last])]);
    all.filter(|address| here(world::last(*address))).collect()
}

/// A service that no configuration has.
fn foreign_service(number: u8) -> Virtual {
    match number {
        0 => Virtual::Mark {
            mark: 100_000,
            family: Family::V4,
        },
        last => Virtual::Address {
            protocol: Protocol::Tcp,
            at: Endpoint::new([198, 51, 100, last].into(), 80),
        },
    }
}

/// Something that nobody has configured.
fn pool(rng: &mut Rng) -> Pool {
    let mut destinations = BTreeMap::new();
    for _ in 0..rng.below(3) {
        let to = Destination {
            forwarding: Forwarding::Direct,
            weight: u32::from(below(rng, 9)),
            upper_threshold: 0,
            lower_threshold: 0,
        };
        // Some are servers that are configured too.
        destinations.insert(common::at(1 + below(rng, 12)), to);
    }
    Pool {
        definition: Definition {
            scheduler: "sh".into(),
            flags: SchedulerFlags::empty(),
            one_packet: false,
            persistence: None,
            granularity: Granularity::V4(u32::MAX),
            engine: None,
        },
        destinations,
    }
}

/// Whether the kernel would do it: what is to be added is not there, what is to be changed or removed is.
fn would_do(kernel: &Table, step: &Step) -> bool {
    let pool = kernel.pools.get(&step.service());
    let has = |at: &Endpoint| pool.is_some_and(|pool| pool.destinations.contains_key(at));
    match step {
        Step::AddService(..) => pool.is_none(),
        Step::EditService(..) | Step::RemoveService(_) => pool.is_some(),
        Step::AddDestination(_, at, _) => pool.is_some() && !has(at),
        Step::EditDestination(_, at, _) | Step::RemoveDestination(_, at) => has(at),
    }
}
