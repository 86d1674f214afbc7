//! The director that runs.
//!
//! One input in, ordered actions out. The table that the kernel should have is not an action: it is asked for
//! ([`Engine::take_part`]) when all inputs of a turn are in, so that many changes of one turn are one.

mod dump;
mod places;
mod reload;
mod status;
mod suspend;
mod table;
mod verdict;

use crate::action::{Action, Input, Level, Ticket};
use crate::config::Config;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Instant, Rng};
use check::Probe;
use check::config::{BfdCheck, FileCheck};
use check::judge::{Answer, Judge};
use core::net::IpAddr;
use core::time::Duration;
use lvs::config::{Endpoint, Key};
use lvs::marks::Marks;
use lvs::service::Running;
use lvs::table::{Services, Virtual};
use places::Followed;
pub use status::{RealStatus, ServerStatus};
pub use table::Marked;

/// Probes that are due within this time are begun together: one wake-up instead of many.
const TOGETHER: Duration = Duration::from_millis(4);
/// But none before so many parts of its interval: 4 ms in a second.
const EARLY: u32 = 256;

/// Virtual servers and the probes of their real servers.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    rng: Rng,
    probes: BTreeMap<u64, Run>,
    /// The probe that asks each question; equal ones are one.
    by_question: BTreeMap<Arc<Probe>, u64>,
    next_probe: u64,
    /// When each probe has something to do.
    timers: BTreeSet<(Instant, u64)>,
    servers: BTreeMap<Key, Balanced>,
    /// Which virtual servers each service of the kernel belongs to.
    users: BTreeMap<Virtual, BTreeSet<Key>>,
    files: Followed<i32>,
    sessions: Followed<bool>,
    here: BTreeSet<IpAddr>,
    marks: Marks,
    /// Virtual servers whose part of the table may be another one.
    changed: BTreeSet<Key>,
    /// Services of virtual servers that are gone or have others.
    left: BTreeSet<Virtual>,
}

/// A probe that runs.
#[derive(Clone, Debug)]
struct Run {
    probe: Arc<Probe>,
    judge: Judge,
    /// Whose result it is: virtual server and real server.
    followers: BTreeSet<(Key, Endpoint)>,
    /// What a dynamic program asked for last.
    weight: Option<u8>,
    /// The last question; it is being asked while the judge waits for an answer.
    serial: u64,
    timer: Option<Instant>,
    resting: bool,
    /// Why it could not be asked the last time, so that it is logged once.
    hindrance: String,
}

/// A virtual server that runs.
#[derive(Clone, Debug)]
struct Balanced {
    running: Running,
    services: Services,
    checks: BTreeMap<Endpoint, Vec<Watch>>,
    /// `ha_suspend`, and its address is elsewhere.
    suspended: bool,
}

/// What says whether a real server is up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Watch {
    Probe(u64),
    File(FileCheck),
    Session(BfdCheck),
}

impl Engine {
    /// A director of nothing; the seed spreads first checks.
    pub fn new(seed: u64) -> Engine {
        Engine {
            config: Config::default(),
            rng: Rng::from_seed(seed),
            probes: BTreeMap::new(),
            by_question: BTreeMap::new(),
            next_probe: 0,
            timers: BTreeSet::new(),
            servers: BTreeMap::new(),
            users: BTreeMap::new(),
            files: Followed::default(),
            sessions: Followed::default(),
            here: BTreeSet::new(),
            marks: Marks::default(),
            changed: BTreeSet::new(),
            left: BTreeSet::new(),
        }
    }

    /// What it runs.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// How many different questions are asked.
    pub fn probes(&self) -> usize {
        self.probes.len()
    }

    /// When [`Input::DeadlineReached`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The files whose numbers it wants to know.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.names()
    }

    /// Whether addresses of this machine decide about anything.
    pub fn wants_addresses(&self) -> bool {
        self.servers.values().any(|server| server.running.config().ha_suspend)
    }

    /// Whether this answer may change what is known of a server: others should not keep it waiting.
    pub fn is_news(&self, ticket: Ticket, answer: Answer) -> bool {
        let is_up = self.probes.get(&ticket.probe).map(|run| run.judge.is_up());
        match answer {
            Answer::Good => is_up == Some(false),
            Answer::Bad => is_up == Some(true),
            Answer::Unasked => false,
        }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Vec<Action>) {
        match input {
            Input::DeadlineReached => self.on_time(now, out),
            Input::Answered {
                ticket,
                answer,
                reason,
                weight,
            } => self.answered(now, ticket, answer, reason, weight, out),
            Input::FileValue { name, value } => {
                for (key, at) in self.files.set(name, value) {
                    self.refresh(&key, at, out);
                }
            }
            Input::Session { name, up } => self.session(name, up, out),
            Input::Addresses(here) => {
                self.here = here;
                self.suspend_or_wake(now, out);
            }
        }
    }

    fn on_time(&mut self, now: Instant, out: &mut Vec<Action>) {
        let due = self.timers.range(..=(now.after(TOGETHER), u64::MAX));
        let may_begin = |(at, id): &(Instant, u64)| {
            *at <= now || self.probes.get(id).is_some_and(|run| *at <= now.after(run.early()))
        };
        let due: Vec<(Instant, u64)> = due.copied().filter(may_begin).collect();
        for (at, id) in due {
            self.timers.remove(&(at, id));
            let Some(run) = self.probes.get_mut(&id) else {
                continue;
            };
            run.timer = None;
            if let Some(stage) = run.judge.begin(at.max(now)) {
                run.serial += 1;
                out.push(Action::Ask {
                    ticket: run.ticket(id),
                    probe: Arc::clone(&run.probe),
                    stage,
                });
            } else if run.overdue_at().is_some_and(|at| at <= now) {
                self.overdue(now, id, out);
            }
            self.arm(id);
        }
    }

    /// A question has not been answered in twice the time it may take: the answer will not come, and that is our own
    /// fault. It says nothing about the server.
    fn overdue(&mut self, now: Instant, id: u64, out: &mut Vec<Action>) {
        let Some(run) = self.probes.get_mut(&id) else { return };
        let limit = check::probe::time_limit(&run.probe).saturating_mul(2);
        if let Some((key, at)) = run.followers.first()
            && let Some(server) = self.servers.get(key)
        {
            let real = server.running.config().named(*at);
            let seconds = limit.as_secs();
            let text = format!(
                "A check of service {real} for VS {key} has not finished within {seconds} seconds - asking again"
            );
            out.push(Action::Log(Level::Warning, text));
        }
        out.push(Action::Forget(run.ticket(id)));
        run.judge.conclude(now, Answer::Unasked);
    }

    /// Sets the timer of a probe to what its judge waits for.
    fn arm(&mut self, id: u64) {
        let Some(run) = self.probes.get_mut(&id) else { return };
        if let Some(before) = run.timer.take() {
            self.timers.remove(&(before, id));
        }
        run.timer = run.judge.deadline().or_else(|| run.overdue_at());
        if let Some(at) = run.timer {
            self.timers.insert((at, id));
        }
    }

    fn service_of(&self, key: &Key) -> Option<Arc<lvs::Service>> {
        self.servers.get(key).map(|server| Arc::clone(server.running.config()))
    }
}

impl Run {
    const fn ticket(&self, id: u64) -> Ticket {
        Ticket {
            probe: id,
            serial: self.serial,
        }
    }

    fn overdue_at(&self) -> Option<Instant> {
        self.judge.overdue_at(check::probe::time_limit(&self.probe))
    }

    fn is_asking(&self) -> bool {
        self.overdue_at().is_some()
    }

    /// How long before its time it may ask.
    fn early(&self) -> Duration {
        (self.probe.pace.delay_loop / EARLY).min(TOGETHER)
    }
}
