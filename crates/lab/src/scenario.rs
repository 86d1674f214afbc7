//! A scenario: routers, what happens to them, and what must follow. The same text runs on every stage.
//!
//! A scenario is a value; a [`Stage`] gives it a world. Steps are waits for what must come true with the time it may
//! take, in protocol time: nothing sleeps until something should have happened, and a stage on a noisy machine may
//! add its own allowance. What must never happen is judged over the whole run by [`crate::oracle`].

use crate::command::Trouble;
use crate::oracle::TwoMasters;
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

/// Routers on one segment and what happens to them.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it shows, as a sentence.
    pub name: String,
    /// The routers by name, with the text of their `keepalived.conf`. They have `eth0` with the addresses
    /// [`router_addresses`] gives.
    pub routers: Vec<(String, String)>,
    /// The virtual router that is looked at.
    pub subject: Subject,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// The virtual router a scenario is about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name in the configuration files.
    pub instance: String,
    /// Its number.
    pub vrid: u8,
    /// Its interval.
    pub interval: Duration,
    /// Its addresses on `eth0`; the client asks the first.
    pub addresses: Vec<IpAddr>,
}

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    /// Something happens.
    Then(Act),
    /// Something must come true within this time.
    Within(Duration, Check),
    /// Something must stay true for this time.
    For(Duration, Check),
}

/// What can happen to routers and cables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Its daemon is started.
    Start(String),
    /// Its daemon gets SIGTERM.
    Stop(String),
    /// All processes of its daemon get SIGKILL; the kernel keeps the addresses.
    Kill(String),
    /// All processes of its daemon get SIGSTOP.
    Freeze(String),
    /// And SIGCONT.
    Thaw(String),
    /// Its cable is cut: the interface loses its carrier.
    Cut(String),
    /// And mended.
    Mend(String),
    /// It is cut off, and its interface does not notice.
    Silence(String),
    /// And joined again.
    Unsilence(String),
    /// Packets from the first no longer reach the second.
    Block(String, String),
    /// And reach it again.
    Unblock(String, String),
    /// So many packets of a hundred are lost; 0 heals.
    Loss(u8),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Start(a) => write!(f, "{a} is started"),
            Act::Stop(a) => write!(f, "{a} is stopped with SIGTERM"),
            Act::Kill(a) => write!(f, "{a} is killed with SIGKILL"),
            Act::Freeze(a) => write!(f, "{a} is frozen with SIGSTOP"),
            Act::Thaw(a) => write!(f, "{a} is thawed with SIGCONT"),
            Act::Cut(a) => write!(f, "the cable of {a} is cut"),
            Act::Mend(a) => write!(f, "the cable of {a} is mended"),
            Act::Silence(a) => write!(f, "{a} is cut off without noticing"),
            Act::Unsilence(a) => write!(f, "{a} is joined again"),
            Act::Block(a, b) => write!(f, "nothing from {a} reaches {b}"),
            Act::Unblock(a, b) => write!(f, "packets from {a} reach {b} again"),
            Act::Loss(0) => write!(f, "no packets are lost"),
            Act::Loss(percent) => write!(f, "{percent} of 100 packets are lost"),
        }
    }
}

/// What can be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Exactly these routers claim to be master.
    Masters(Vec<String>),
    /// This router has all addresses, and no other router whose daemon works has any.
    Holds(String),
    /// This router has none of the addresses.
    HoldsNothing(String),
    /// The client gets answers from this router to questions asked from now on.
    Answers(String),
    /// No daemon that should run has ended: for times in which nothing else is promised.
    Lives,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::Masters(all) if all.is_empty() => write!(f, "nobody is master"),
            Check::Masters(all) => write!(f, "master: {}", all.join(" and ")),
            Check::Holds(a) => write!(f, "the addresses are on {a} alone"),
            Check::HoldsNothing(a) => write!(f, "no address is on {a}"),
            Check::Answers(a) => write!(f, "the client is answered by {a}"),
            Check::Lives => write!(f, "all daemons live"),
        }
    }
}

/// This router, and no other, is master.
pub fn master_is(router: &str) -> Check {
    Check::Masters(vec![router.into()])
}

impl Scenario {
    /// A scenario without routers and steps.
    pub fn new(name: impl Into<String>, subject: Subject) -> Scenario {
        Scenario {
            name: name.into(),
            routers: Vec::new(),
            subject,
            steps: Vec::new(),
        }
    }

    /// Steps alone, to be played on a stage that another scenario has built.
    pub fn steps(steps: Vec<Step>) -> Scenario {
        let subject = Subject {
            instance: String::new(),
            vrid: 0,
            interval: Duration::ZERO,
            addresses: Vec::new(),
        };
        Scenario {
            steps,
            ..Scenario::new("more steps", subject)
        }
    }

    /// Adds a router.
    #[must_use]
    pub fn router(mut self, name: &str, conf: impl Into<String>) -> Scenario {
        self.routers.push((name.into(), conf.into()));
        self
    }

    /// Then this happens.
    #[must_use]
    pub fn then(mut self, act: Act) -> Scenario {
        self.steps.push(Step::Then(act));
        self
    }

    /// Then this must come true within `time`.
    #[must_use]
    pub fn within(mut self, time: Duration, check: Check) -> Scenario {
        self.steps.push(Step::Within(time, check));
        self
    }

    /// Then this must stay true for `time`.
    #[must_use]
    pub fn stays(mut self, time: Duration, check: Check) -> Scenario {
        self.steps.push(Step::For(time, check));
        self
    }

    /// Adds the steps of a part that several scenarios share.
    #[must_use]
    pub fn and(self, part: impl FnOnce(Scenario) -> Scenario) -> Scenario {
        part(self)
    }

    /// Plays the scenario on a stage.
    pub fn run(&self, stage: &mut dyn Stage) -> Result<Report, Failure> {
        let mut took = Vec::new();
        for (nth, step) in self.steps.iter().enumerate() {
            match step.play(stage) {
                Ok(line) => took.extend(line),
                Err(what) => return Err(Failure::at(stage, format!("step {}: {what}", nth + 1))),
            }
        }
        let two = stage.verdict().map_err(|trouble| trouble.to_string());
        let two = two.map_err(|what| Failure::at(stage, what))?;
        if !two.is_empty() {
            let lines: Vec<String> = two.iter().map(TwoMasters::to_string).collect();
            return Err(Failure::at(stage, lines.join("; ")));
        }
        Ok(Report {
            name: self.name.clone(),
            took,
        })
    }
}

impl Step {
    /// Plays one step; what is worth reporting, or why it failed.
    fn play(&self, stage: &mut dyn Stage) -> Result<Option<(String, Duration)>, String> {
        match self {
            Step::Then(act) => match stage.act(act) {
                Ok(()) => Ok(None),
                Err(trouble) => Err(format!("{act}: {trouble}")),
            },
            Step::Within(time, check) => match stage.wait(*time, check) {
                Ok(Some(took)) => Ok(Some((check.to_string(), took))),
                Ok(None) => Err(format!("not within {time:?} and an allowance: {check}")),
                Err(trouble) => Err(format!("{check}: {trouble}")),
            },
            Step::For(time, check) => match stage.stays(*time, check) {
                Ok(true) => Ok(None),
                Ok(false) => Err(format!("did not stay for {time:?}: {check}")),
                Err(trouble) => Err(format!("{check}: {trouble}")),
            },
        }
    }
}

/// A world for a scenario.
pub trait Stage {
    /// Makes something happen.
    fn act(&mut self, act: &Act) -> Result<(), Trouble>;

    /// Waits at most `time` (and the stage's own allowance) for a check to come true; how long it took.
    fn wait(&mut self, time: Duration, check: &Check) -> Result<Option<Duration>, Trouble>;

    /// Whether a check, true now, stays true for `time`.
    fn stays(&mut self, time: Duration, check: &Check) -> Result<bool, Trouble>;

    /// Where two routers were masters at once without excuse, in the whole run.
    fn verdict(&mut self) -> Result<Vec<TwoMasters>, Trouble>;

    /// Everything that was seen, by time.
    fn timeline(&mut self) -> String;
}

/// What a scenario that went well has to tell.
#[derive(Clone, Debug)]
pub struct Report {
    /// The scenario.
    pub name: String,
    /// What came true, and after how long.
    pub took: Vec<(String, Duration)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        for (what, took) in &self.took {
            writeln!(f, "{:>10.3} s  {what}", took.as_secs_f64())?;
        }
        Ok(())
    }
}

/// Why a scenario failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was not as it must be.
    pub what: String,
    /// What was seen.
    pub timeline: String,
}

impl Failure {
    fn at(stage: &mut dyn Stage, what: String) -> Failure {
        Failure {
            what,
            timeline: stage.timeline(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timeline:\n")?;
        f.write_str(&self.timeline)?;
        f.write_char('\n')?;
        f.write_str(&self.what)
    }
}

/// The addresses of the `nth` router (from 0) on `eth0`.
pub fn router_addresses(nth: usize) -> [String; 2] {
    let last = nth + 1;
    [format!("10.0.0.{last}"), format!("fd00::{last:x}")]
}
