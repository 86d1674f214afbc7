//! Interfaces that are asked whether they have a link (`linkbeat_use_polling`, `linkbeat_interfaces`), once a second.
//!
//! A driver may take long to answer, so a thread of ordinary priority asks; the loop never waits for it. What it finds takes
//! the place of what the kernel reports of the link, until the interface is another one. Without an answer the report counts.
//! What a link means for an instance is not known here.

use super::Role;
use super::facts::Watcher;
use crate::log::{Level, Reporter};
use ::vrrp::config::{Config, Model, Tracked};
use base::{IfName, Instant};
use conf::model::{Linkbeat, LinkbeatMethod};
use linux::SysError;
use linux::bell::Bell;
use linux::linkbeat::{Beat, Method, Prober};
use linux::reactor::Token;
use linux::sched::{self, Scheduling};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Answers.
pub(super) const BEATS: Token = Token(11);
/// The pause between two rounds of questions, as in the original.
const EVERY: Duration = Duration::from_secs(1);
/// The stack of the thread in bytes; it makes system calls and nothing deep.
const STACK: usize = 128 * 1024;

/// Whom to ask, and by which method if one is named.
type Wanted = BTreeMap<IfName, Option<Method>>;
type Answers = BTreeMap<IfName, Beat>;

/// The loop's side.
pub(super) struct Beats {
    shared: Arc<Shared>,
    /// From the first interface on.
    thread: Option<Thread>,
    wanted: Wanted,
    answers: Answers,
}

struct Thread {
    orders: Sender<Wanted>,
    wake: Arc<Bell>,
}

/// The way back.
struct Shared {
    /// Taken by the loop only if it is free. The thread rings after it has let go, so the loop comes again.
    answers: Mutex<Answers>,
    bell: Bell,
}

impl Beats {
    /// Nobody is asked yet.
    pub(super) fn open() -> Result<Beats, SysError> {
        Ok(Beats {
            shared: Arc::new(Shared {
                answers: Mutex::default(),
                bell: Bell::new()?,
            }),
            thread: None,
            wanted: Wanted::new(),
            answers: Answers::new(),
        })
    }

    /// From now on these are asked.
    fn follow(&mut self, wanted: Wanted, scheduling: &Scheduling) -> Result<(), SysError> {
        if wanted == self.wanted {
            return Ok(());
        }
        self.wanted.clone_from(&wanted);
        self.answers.retain(|name, _| self.wanted.contains_key(name));
        let thread = match &self.thread {
            Some(thread) => thread,
            None => self.thread.insert(start(&self.shared, scheduling)?),
        };
        let ended = || SysError::new("ask for links", "", io::Error::other("the thread has ended"));
        let sent = thread.orders.send(wanted).map_err(|_| ended());
        let told = sent.and_then(|()| thread.wake.ring());
        if told.is_err() {
            // The next configuration gets another one.
            self.thread = None;
        }
        told
    }

    /// Takes what was found since the last time, if there is anything; differences are logged.
    fn hear(&mut self, watcher: &Watcher, reporter: &Reporter) -> Result<bool, SysError> {
        if !self.shared.bell.heard()? {
            return Ok(false);
        }
        let Ok(found) = self.shared.answers.try_lock().map(|answers| answers.clone()) else {
            return Ok(false);
        };
        let found: Answers = found
            .into_iter()
            .filter(|(name, _)| self.wanted.contains_key(name))
            .collect();
        // What was found of an interface that is gone is not about the one that has its name now.
        self.answers.retain(|name, _| watcher.is_polled(*name));
        for (name, beat) in &found {
            let before = self.answers.get(name);
            if before.is_none_or(|before| before.by != beat.by) {
                self.tell_method(*name, beat.by, reporter);
            }
            let before = before.map(|before| before.up).or_else(|| watcher.is_running(*name));
            if before.is_some_and(|before| before != beat.up) {
                let word = if beat.up { "up" } else { "down" };
                reporter.info(format_args!("Linkbeat reports {name} {word}"));
            }
        }
        self.answers = found;
        Ok(true)
    }

    fn tell_method(&self, name: IfName, by: Method, reporter: &Reporter) {
        match self.wanted.get(&name).copied().flatten() {
            Some(wanted) if wanted != by => reporter.say(
                Level::Warning,
                format_args!("{name} does not answer to {wanted}: its link is polled by {by}"),
            ),
            Some(_) | None => reporter.say(Level::Detail, format_args!("The link of {name} is polled by {by}")),
        }
    }
}

impl AsFd for Beats {
    /// Readable when there are answers.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.bell.as_fd()
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        if let Some(Thread { orders, wake }) = self.thread.take() {
            drop(orders);
            // Without it the thread goes on until the process ends.
            let _ = wake.ring();
        }
    }
}

fn start(shared: &Arc<Shared>, scheduling: &Scheduling) -> Result<Thread, SysError> {
    let (orders, wanted) = channel();
    let wake = Arc::new(Bell::new()?);
    let (bell, shared, scheduling) = (Arc::clone(&wake), Arc::clone(shared), scheduling.clone());
    let prober = Prober::open()?;
    thread::Builder::new()
        .name("link beat".to_owned())
        .stack_size(STACK)
        .spawn(move || {
            // Should it remain urgent it competes with the loop for some microseconds each second.
            let _ = sched::become_ordinary(&scheduling);
            ask_all(&prober, &bell, &wanted, &shared);
        })
        .map_err(|source| SysError::new("start a thread", "link beat", source))?;
    Ok(Thread { orders, wake })
}

/// Asks whom it is told to ask, until nobody can tell it any more.
fn ask_all(prober: &Prober, bell: &Bell, orders: &Receiver<Wanted>, shared: &Shared) {
    let mut wanted = Wanted::new();
    loop {
        loop {
            match orders.try_recv() {
                Ok(next) => wanted = next,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        // One that is not there has no answer; it will be asked again.
        let beat = |(name, method): (&IfName, &Option<Method>)| Some((*name, prober.ask(*name, *method).ok()?));
        let found: Answers = wanted.iter().filter_map(beat).collect();
        *shared.answers.lock().unwrap_or_else(PoisonError::into_inner) = found;
        let pause = (!wanted.is_empty()).then_some(EVERY);
        let waited = shared
            .bell
            .ring()
            .and_then(|()| linux::ipc::wait(&[bell.as_fd()], pause))
            .and_then(|_| bell.heard());
        if waited.is_err() {
            // Bells that do not ring: the kernel's reports count for those that have no answer, and the next
            // configuration starts another thread.
            return;
        }
    }
}

impl Role {
    /// Follows a configuration.
    pub(super) fn follow_beats(&mut self, now: Instant, model: &Model, linkbeat: &Linkbeat) {
        let wanted = wanted(model, linkbeat);
        let followed = self.beats.follow(wanted, &self.context.scheduling);
        if let Err(error) = followed {
            self.reporter.error(error);
        }
        self.take_beats(now);
    }

    /// Takes in what was found.
    pub(super) fn hear_of_beats(&mut self, now: Instant) {
        match self.beats.hear(&self.watcher, &self.reporter) {
            Ok(true) => self.take_beats(now),
            Ok(false) => {}
            Err(error) => self.reporter.error(error),
        }
    }

    fn take_beats(&mut self, now: Instant) {
        let answers = self.beats.answers.iter().map(|(name, beat)| (*name, beat.up));
        self.watcher.set_polled(answers.collect());
        self.look(now);
    }
}

/// Those of a configuration that are to be asked: used by an instance, and not made by us.
fn wanted(model: &Model, linkbeat: &Linkbeat) -> Wanted {
    let mut used: BTreeSet<IfName> = model.instances.values().flat_map(|config| used_by(config)).collect();
    for config in model.instances.values() {
        for link in &config.links {
            used.remove(&link.name);
        }
    }
    let method = |name: &IfName| linkbeat.interfaces.get(name).copied();
    let chosen = |name: IfName| match method(&name) {
        Some(method) => Some((name, method.map(asked_by))),
        None => linkbeat.all.then_some((name, None)),
    };
    used.into_iter().filter_map(chosen).collect()
}

const fn asked_by(method: LinkbeatMethod) -> Method {
    match method {
        LinkbeatMethod::Mii => Method::Mii,
        LinkbeatMethod::Ethtool => Method::Ethtool,
        LinkbeatMethod::Ioctl => Method::Flags,
    }
}

/// The interfaces whose link may matter to an instance.
fn used_by(config: &Config) -> BTreeSet<IfName> {
    let tracked = config.trackers.iter().filter_map(|tracker| match tracker.object {
        Tracked::Interface(name) => Some(name),
        Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) | Tracked::Bfd(_) => None,
    });
    let addresses = config.addresses.iter().chain(&config.excluded);
    let own = [config.interface, config.base];
    let parents = config.links.iter().map(|link| link.parent);
    let routes = config.routes.iter().flat_map(|route| route.interfaces());
    let rules = config.rules.iter().flat_map(|rule| rule.interfaces());
    let of_statics = config.static_interfaces.iter().copied();
    own.into_iter()
        .flatten()
        .chain(parents)
        .chain(tracked)
        .chain(addresses.map(|address| address.interface))
        .chain(routes.chain(rules).chain(of_statics))
        .collect()
}
