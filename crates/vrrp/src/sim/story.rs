//! A story: what happens to routers, scene by scene, written down before it is played.
//!
//! Decides what must hold in every story: while nothing is wrong there is one master and it has the addresses; one that is
//! lost is replaced in time; after the end all is as it should be, nothing is left to do, and nothing is left behind. It does
//! not know where stories come from, and not how they are made shorter (that is [`super::shrink`]).

use super::Sim;
use crate::config::Model;
use crate::input::Input;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Instant;
use core::fmt;
use core::time::Duration;

/// How long what a transition asks of the kernel takes at most, here.
const CHANGE: Duration = Duration::from_millis(20);
/// How often a look may fall into a transition.
const LOOKS: u32 = 5;
/// How long a router that is asked to end may take.
const ENDING: Duration = Duration::from_millis(500);

/// What the wire does to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// This many of a hundred are lost.
    pub loss: u8,
    /// This many of a hundred arrive twice.
    pub duplication: u8,
    /// How long they take; when that is longer than an interval they overtake each other.
    pub delay: (Duration, Duration),
}

impl Weather {
    /// Nothing is lost, and a packet takes 50 to 150 microseconds.
    pub const FINE: Weather = Weather {
        loss: 0,
        duplication: 0,
        delay: (Duration::from_micros(50), Duration::from_micros(150)),
    };
}

/// Something that happens to a router, by its number in the cast.
#[derive(Clone, Debug)]
pub enum Event {
    /// Nothing.
    Nothing,
    /// Its cable is pulled.
    Cut(usize),
    /// Its cable is plugged in.
    Heal(usize),
    /// Packets from the first no longer reach the second.
    Block(usize, usize),
    /// All one-way blocks end.
    UnblockAll,
    /// It ends without a goodbye.
    Kill(usize),
    /// It is asked to end (SIGTERM).
    Stop(usize),
    /// It is started, if it does not run.
    Start(usize),
    /// It stands still.
    Freeze(usize),
    /// It goes on, and has heard what came meanwhile.
    Thaw(usize),
    /// It goes on, and has heard nothing meanwhile.
    ThawDeaf(usize),
    /// Its wall clock is set by so many seconds.
    Clock(usize, i64),
    /// It is told to read its configuration again (SIGHUP), which now is the one of this number.
    Reload(usize, usize),
    /// Somebody removes one of its addresses, if it has any.
    Steal(usize),
    /// Somebody flushes its packet filter.
    Flush(usize),
    /// Something it tracks has a result.
    Learn(usize, Input<'static>),
    /// The wire behaves otherwise.
    Weather(Weather),
}

impl Event {
    /// The router it happens to first.
    pub const fn router(&self) -> Option<usize> {
        match self {
            Event::Nothing | Event::UnblockAll | Event::Weather(_) => None,
            Event::Cut(router)
            | Event::Heal(router)
            | Event::Block(router, _)
            | Event::Kill(router)
            | Event::Stop(router)
            | Event::Start(router)
            | Event::Freeze(router)
            | Event::Thaw(router)
            | Event::ThawDeaf(router)
            | Event::Clock(router, _)
            | Event::Reload(router, _)
            | Event::Steal(router)
            | Event::Flush(router)
            | Event::Learn(router, _) => Some(*router),
        }
    }

    /// Whether a master it happens to has to be replaced.
    const fn takes_away(&self) -> bool {
        match self {
            Event::Cut(_) | Event::Kill(_) | Event::Stop(_) | Event::Freeze(_) => true,
            Event::Nothing
            | Event::Heal(_)
            | Event::Block(..)
            | Event::UnblockAll
            | Event::Start(_)
            | Event::Thaw(_)
            | Event::ThawDeaf(_)
            | Event::Clock(..)
            | Event::Reload(..)
            | Event::Steal(_)
            | Event::Flush(_)
            | Event::Learn(..)
            | Event::Weather(_) => false,
        }
    }
}

/// A router of a story.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its configurations: the first is the one it begins and ends with.
    pub models: Vec<Model>,
}

/// A story.
#[derive(Clone, Debug)]
pub struct Story {
    /// Chance: which packets are lost, how long things take.
    pub seed: u64,
    /// The routers.
    pub cast: Vec<Part>,
    /// What is told every router when it starts: that what it tracks is well.
    pub good: Vec<Input<'static>>,
    /// The other configurations may want what cannot be had together; all is well with the first ones only.
    pub only_first: bool,
    /// What happens, each after a pause.
    pub scenes: Vec<(Duration, Event)>,
    /// How long it takes until all is well on a segment that nothing is wrong with.
    pub settling: Duration,
    /// How long it takes until a master that is lost is replaced, when all was well.
    pub replaced: Duration,
}

/// A story that was played.
#[derive(Debug)]
pub struct Played {
    /// The segment as it is at the end.
    pub sim: Sim,
    /// The rule that was broken.
    pub outcome: Result<(), String>,
}

impl Story {
    /// Whether adverts have authentication trailers, whose stamps are of the wall clock.
    pub fn is_signed(&self) -> bool {
        let models = self.cast.iter().flat_map(|part| &part.models);
        models
            .flat_map(|model| model.instances.values())
            .any(|config| config.hmac.is_some())
    }

    /// Plays it to its end, or until a rule is broken: one of those of every story, or what `rule` says, which is asked after
    /// each scene.
    pub fn play(&self, rule: &dyn Fn(&Sim) -> Result<(), String>) -> Played {
        let mut play = Play {
            story: self,
            sim: Sim::new(self.seed),
            ill: BTreeSet::new(),
            blocked: false,
            bad_weather: false,
            since: Instant::ZERO,
            well: false,
        };
        let outcome = play.go(rule);
        Played { sim: play.sim, outcome }
    }
}

/// A story that is being played.
struct Play<'a> {
    story: &'a Story,
    sim: Sim,
    /// Who is cut off, stands still, lacks something it tracks, or has another configuration.
    ill: BTreeSet<(usize, &'static str)>,
    blocked: bool,
    bad_weather: bool,
    /// When something happened last.
    since: Instant,
    /// All was well when it was looked at last, and nothing has happened since.
    well: bool,
}

impl Play<'_> {
    fn go(&mut self, rule: &dyn Fn(&Sim) -> Result<(), String>) -> Result<(), String> {
        for (number, part) in self.story.cast.iter().enumerate() {
            if let Some(first) = part.models.first() {
                self.sim.add(&part.name, first.clone());
                self.tell_good(number);
            }
        }
        self.since = self.sim.now();
        for (pause, event) in &self.story.scenes {
            self.wait(*pause)?;
            self.happen(event);
            self.sim.is_sane()?;
            self.look()?;
            rule(&self.sim)?;
        }
        self.end(rule)
    }

    /// Lets time pass. Whoever was lost while all was well is replaced meanwhile, and when nothing is wrong for long enough all
    /// is well.
    fn wait(&mut self, pause: Duration) -> Result<(), String> {
        let until = self.sim.now().after(pause);
        let replaced = self.since.after(self.story.replaced);
        if self.well && replaced <= until {
            self.sim.run_until(replaced);
            self.sim
                .is_served()
                .map_err(|what| format!("not replaced in time: {what}"))?;
        }
        self.sim.run_until(until);
        self.well = self.is_calm() && self.since.after(self.story.settling) <= until;
        if self.well {
            self.sim.settled()?;
            self.sim.groups_agree()?;
        }
        Ok(())
    }

    fn is_calm(&self) -> bool {
        self.ill.is_empty() && !self.blocked && !self.bad_weather
    }

    /// Addresses are with masters. A transition may be going on just when we look; it is not going on for long.
    fn look(&mut self) -> Result<(), String> {
        for _ in 0..LOOKS {
            self.sim.run_for(CHANGE);
            if self.sim.addresses_are_with_masters().is_ok() {
                return Ok(());
            }
        }
        self.sim.addresses_are_with_masters()
    }

    fn happen(&mut self, event: &Event) {
        let well = self.well;
        self.since = self.sim.now();
        self.well = false;
        let name = |router: &usize| self.story.cast.get(*router).map_or("", |part| part.name.as_str());
        match event {
            Event::Nothing => self.well = well,
            Event::Cut(router) => self.sim.cut(name(router)),
            Event::Heal(router) => self.sim.heal(name(router)),
            Event::Block(from, to) => self.sim.block(name(from), name(to)),
            Event::UnblockAll => self.sim.unblock_all(),
            Event::Kill(router) => self.sim.kill(name(router)),
            Event::Stop(router) => self.sim.stop(name(router)),
            Event::Start(router) => self.sim.start(name(router)),
            Event::Freeze(router) => self.sim.freeze(name(router)),
            Event::Thaw(router) => self.sim.thaw(name(router)),
            Event::ThawDeaf(router) => self.sim.thaw_deaf(name(router)),
            Event::Clock(router, seconds) => {
                self.sim.set_clock(name(router), *seconds);
                self.well = well;
            }
            Event::Reload(router, model) => {
                let part = self.story.cast.get(*router);
                if let Some(model) = part.and_then(|part| part.models.get(*model)) {
                    self.sim.reload(name(router), model.clone());
                }
            }
            Event::Steal(router) => {
                if let Some(address) = self.sim.held(name(router)) {
                    self.sim.steal(name(router), address);
                }
            }
            Event::Flush(router) => self.sim.flush_filter(name(router)),
            Event::Learn(router, input) => self.sim.track(name(router), input.clone()),
            Event::Weather(weather) => self.weather(*weather),
        }
        self.remember(event, well);
    }

    /// What is wrong from now on.
    fn remember(&mut self, event: &Event, well: bool) {
        match event {
            Event::Cut(router) => drop(self.ill.insert((*router, "cut"))),
            Event::Heal(router) => drop(self.ill.remove(&(*router, "cut"))),
            Event::Freeze(router) => drop(self.ill.insert((*router, "frozen"))),
            Event::Thaw(router) | Event::ThawDeaf(router) => drop(self.ill.remove(&(*router, "frozen"))),
            // A new process does not stand still.
            Event::Start(router) => {
                let name = self.story.cast.get(*router).map_or("", |part| part.name.as_str());
                if !self.sim.is_frozen(name) {
                    self.ill.remove(&(*router, "frozen"));
                    self.ill.remove(&(*router, "taught"));
                }
                self.tell_good(*router);
            }
            Event::Reload(router, model) => {
                self.ill.remove(&(*router, "taught"));
                match model {
                    0 => drop(self.ill.remove(&(*router, "other"))),
                    _ if self.story.only_first => drop(self.ill.insert((*router, "other"))),
                    _ => {}
                }
                self.tell_good(*router);
            }
            Event::Learn(router, _) => drop(self.ill.insert((*router, "taught"))),
            // Where stamps are of the time a wrong clock is a fault of its own, once the router starts with it.
            Event::Clock(router, _) if self.story.is_signed() => drop(self.ill.insert((*router, "clock"))),
            Event::Block(..) => self.blocked = true,
            Event::UnblockAll => self.blocked = false,
            Event::Weather(weather) => self.bad_weather = *weather != Weather::FINE,
            Event::Nothing | Event::Kill(_) | Event::Stop(_) | Event::Clock(..) | Event::Steal(_) | Event::Flush(_) => {
            }
        }
        // Only who was lost from a segment that was well is owed a successor, and only if there is one.
        let others = event.router().map(|router| self.others(router)).unwrap_or_default();
        self.well |= well && event.takes_away() && others > 0;
    }

    /// How many other routers run.
    fn others(&self, router: usize) -> usize {
        let all = self.story.cast.iter().enumerate();
        let running = all.filter(|(other, part)| *other != router && self.sim.runs(&part.name));
        running.count()
    }

    fn weather(&mut self, weather: Weather) {
        self.sim.loss(weather.loss);
        self.sim.duplication(weather.duplication);
        let (shortest, longest) = weather.delay;
        self.sim.delay(shortest, longest);
    }

    fn tell_good(&mut self, router: usize) {
        let Some(part) = self.story.cast.get(router) else {
            return;
        };
        for input in &self.story.good {
            self.sim.track(&part.name, input.clone());
        }
    }

    /// All is made well; then all must be well, and stay so.
    fn end(&mut self, rule: &dyn Fn(&Sim) -> Result<(), String>) -> Result<(), String> {
        self.weather(Weather::FINE);
        self.sim.unblock_all();
        for part in &self.story.cast {
            self.sim.heal(&part.name);
            self.sim.thaw(&part.name);
            let off = self.sim.clock_off(&part.name);
            if self.story.is_signed() && off != 0 {
                self.sim.set_clock(&part.name, -off);
            }
        }
        self.sim.run_for(ENDING);
        for (number, part) in self.story.cast.iter().enumerate() {
            if let Some(first) = part.models.first() {
                self.sim.start(&part.name);
                self.sim.reload(&part.name, first.clone());
                self.tell_good(number);
            }
        }
        self.sim.run_for(self.story.settling);
        self.sim.is_sane()?;
        self.sim.settled()?;
        self.sim.groups_agree()?;
        rule(&self.sim)?;
        self.nothing_is_left_to_do()?;
        self.stop_all()
    }

    /// The kernels have what they should have: nobody asks them for anything, not even when the configuration is read again.
    fn nothing_is_left_to_do(&mut self) -> Result<(), String> {
        let before = self.sim.timeline().len();
        for part in &self.story.cast {
            if let Some(first) = part.models.first() {
                self.sim.reload(&part.name, first.clone());
            }
        }
        self.sim.run_for(self.story.settling);
        self.sim.settled()?;
        let mut since = self.sim.timeline().iter().skip(before);
        let asks = |line: &&String| {
            ["< addresses", "< routes", "< rules", "< filter", "< notify"]
                .iter()
                .any(|word| line.contains(word))
        };
        match since.find(asks) {
            Some(line) => Err(format!("something was left to do: {line}")),
            None => Ok(()),
        }
    }

    /// One after the other is asked to end: the others take over, and nothing is left.
    fn stop_all(&mut self) -> Result<(), String> {
        for (number, part) in self.story.cast.iter().enumerate() {
            self.sim.stop(&part.name);
            self.sim.run_for(ENDING);
            self.sim.is_clean(&part.name)?;
            if number + 1 < self.story.cast.len() {
                self.sim.run_for(self.story.settling);
                self.sim.settled()?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, settling {:?}", self.seed, self.settling)?;
        for (number, part) in self.cast.iter().enumerate() {
            for (version, model) in part.models.iter().enumerate() {
                write!(f, "router {number} ({}), configuration {version}:", part.name)?;
                for config in model.instances.values() {
                    write!(
                        f,
                        " {} (vrid {}, priority {}, {:?}, {:?}, every {:?}, {} addresses)",
                        config.name,
                        config.vrid.0,
                        config.priority.get(),
                        config.wanted,
                        config.preempt,
                        config.interval,
                        config.addresses.len() + config.excluded.len()
                    )?;
                }
                writeln!(f)?;
            }
        }
        for (pause, event) in &self.scenes {
            writeln!(f, "after {pause:?}: {event:?}")?;
        }
        Ok(())
    }
}
