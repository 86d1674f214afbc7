//! All sessions: which packet belongs to which, what is due, what a new configuration changes.
//!
//! It decides whom a packet is for (its discriminator, else its addresses), and whether it may be believed (port, TTL, no
//! authentication). What it means is for the [`Session`]. It does not know sockets; it says which are needed.

use crate::action::{Action, Verdict};
use crate::config::{Config, Hops, Model, Name};
use crate::counters::{Counters, Strays};
use crate::event::{Event, Level};
use crate::input::{Input, Packet};
use crate::session::{Remote, Session, Timer};
use crate::wire::{self, Diagnostic, State};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Deadline, Family, Instant, Rng};
use core::net::IpAddr;
use core::num::NonZeroU32;
use core::time::Duration;

/// A socket a session sends by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketSpec {
    /// To this address.
    pub neighbor: IpAddr,
    /// From this address; `None`: as the kernel chooses.
    pub source: Option<IpAddr>,
    /// To the port of this kind.
    pub hops: Hops,
    /// With this TTL or hop limit.
    pub ttl: u8,
}

/// A session as dumps show it.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its configuration.
    pub config: Arc<Config>,
    /// Our number.
    pub discriminator: NonZeroU32,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Why it last went down.
    pub diagnostic: Diagnostic,
    /// The other end.
    pub remote: Option<Remote>,
    /// What those who track it are told.
    pub verdict: Verdict,
    /// A poll sequence is going on.
    pub polling: bool,
    /// The time between our packets.
    pub interval: Option<Duration>,
    /// How long silence may last.
    pub detection_time: Option<Duration>,
    /// What was counted.
    pub counters: Counters,
}

#[derive(Debug)]
struct Slot {
    session: Session,
    /// The entry of `timers`.
    armed: Option<Instant>,
    send_failed: bool,
}

/// All sessions.
#[derive(Debug)]
pub struct Engine {
    sessions: BTreeMap<Name, Slot>,
    by_discriminator: BTreeMap<NonZeroU32, Name>,
    timers: BTreeSet<(Instant, Name)>,
    strays: Strays,
    rng: Rng,
    stopped: bool,
}

impl Engine {
    /// No sessions yet. The seed should be chance: it makes the discriminators, which others should not guess.
    pub fn new(seed: u64) -> Engine {
        Engine {
            sessions: BTreeMap::new(),
            by_discriminator: BTreeMap::new(),
            timers: BTreeSet::new(),
            strays: Strays::default(),
            rng: Rng::from_seed(seed),
            stopped: false,
        }
    }

    /// When the next session has something to do, and what.
    pub fn deadline(&self) -> Option<Deadline<Timer>> {
        let (_, name) = self.timers.first()?;
        self.sessions.get(name)?.session.deadline()
    }

    /// Sockets to send by, one for each session.
    pub fn sockets(&self) -> BTreeMap<Name, SocketSpec> {
        let spec = |slot: &Slot| {
            let config = slot.session.config();
            SocketSpec {
                neighbor: config.neighbor,
                source: config.source,
                hops: config.hops,
                ttl: config.ttl,
            }
        };
        self.sessions
            .iter()
            .map(|(name, slot)| (name.clone(), spec(slot)))
            .collect()
    }

    /// What has to be listened to.
    pub fn listeners(&self) -> BTreeSet<(Family, Hops)> {
        let configs = self.sessions.values().map(|slot| slot.session.config());
        configs
            .map(|config| (Family::of(config.neighbor), config.hops))
            .collect()
    }

    /// All sessions, as dumps show them.
    pub fn status(&self) -> Vec<Status> {
        let status = |session: &Session| Status {
            config: Arc::clone(session.config()),
            discriminator: session.discriminator(),
            state: session.state(),
            since: session.since(),
            diagnostic: session.diagnostic(),
            remote: session.remote().copied(),
            verdict: session.verdict(),
            polling: session.polling(),
            interval: session.interval(),
            detection_time: session.detection_time(),
            counters: session.counters,
        };
        self.sessions.values().map(|slot| status(&slot.session)).collect()
    }

    /// Packets that belonged to no session.
    pub fn strays(&self) -> Strays {
        self.strays
    }

    /// Sets all counters to zero.
    pub fn clear_counters(&mut self) {
        self.strays = Strays::default();
        for slot in self.sessions.values_mut() {
            slot.session.counters = Counters::default();
        }
    }

    /// Reports every session once more: somebody who tracks them has just come.
    pub fn report_all(&self, out: &mut Vec<Action>) {
        self.sessions.values().for_each(|slot| slot.session.report(out));
    }

    /// Something happened.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Vec<Action>) {
        match input {
            Input::DeadlineReached => self.on_time(now, out),
            Input::Packet(packet) => self.on_packet(now, &packet, out),
            Input::SocketFailed { session, errno: _ } => self.with(&session, |slot, _| slot.session.block(now, out)),
            Input::SocketOpened { session } => {
                // At the end the sessions are held down for good.
                if !self.stopped {
                    self.with(&session, |slot, rng| slot.session.unblock(now, rng, out));
                }
            }
            Input::SendFailed { session, errno } => self.with(&session, |slot, _| {
                slot.session.counters.send_errors += 1;
                if !core::mem::replace(&mut slot.send_failed, true) {
                    let text = format!("Error sending packet: error {errno}");
                    out.push(tell(Some(&session), Level::Warning, text));
                }
            }),
            Input::SendWorks { session } => self.with(&session, |slot, _| slot.send_failed = false),
            Input::Shutdown => {
                self.stopped = true;
                let names: Vec<Name> = self.sessions.keys().cloned().collect();
                for name in names {
                    self.with(&name, |slot, _| slot.session.say_goodbye(now, out));
                }
            }
        }
    }

    /// Does something with a session, if it is there, and looks at its deadline afterwards.
    fn with(&mut self, name: &Name, work: impl FnOnce(&mut Slot, &mut Rng)) {
        let Some(slot) = self.sessions.get_mut(name) else {
            return;
        };
        work(slot, &mut self.rng);
        let due = slot.session.deadline().map(|deadline| deadline.at);
        if due != slot.armed {
            if let Some(before) = core::mem::replace(&mut slot.armed, due) {
                self.timers.remove(&(before, name.clone()));
            }
            if let Some(at) = due {
                self.timers.insert((at, name.clone()));
            }
        }
    }

    fn on_time(&mut self, now: Instant, out: &mut Vec<Action>) {
        let due: Vec<Name> = self
            .timers
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, name)| name.clone())
            .collect();
        for name in due {
            self.with(&name, |slot, rng| slot.session.on_time(now, rng, out));
        }
    }

    fn on_packet(&mut self, now: Instant, packet: &Packet<'_>, out: &mut Vec<Action>) {
        let source = packet.source;
        let (parsed, authentication) = match wire::parse(packet.bytes) {
            Ok(parsed) => parsed,
            Err(malformed) => {
                self.strays.malformed += 1;
                let text = format!("Discarding bogus packet from {source}: {malformed}");
                return note(self.strays.malformed, None, text, out);
            }
        };
        let name = match parsed.yours {
            Some(discriminator) => {
                let Some(name) = self.by_discriminator.get(&discriminator) else {
                    self.strays.unknown_discriminator += 1;
                    let text = not_found(source, discriminator.get());
                    return note(self.strays.unknown_discriminator, None, text, out);
                };
                name.clone()
            }
            None => {
                let Some(name) = self.find(packet) else {
                    self.strays.unknown_addresses += 1;
                    return note(self.strays.unknown_addresses, None, not_found(source, 0), out);
                };
                name
            }
        };
        self.with(&name, |slot, rng| {
            let session = &mut slot.session;
            if let Some((count, text)) = refuse(session, packet, authentication.is_some()) {
                return note(count, Some(&name), text, out);
            }
            session.receive(now, &parsed, rng, out);
        });
    }

    /// The session between the addresses of a packet: one that names ours before one that takes any.
    fn find(&self, packet: &Packet<'_>) -> Option<Name> {
        let candidates = || {
            let configs = self.sessions.values().map(|slot| slot.session.config());
            configs.filter(|config| config.neighbor == packet.source && config.hops == packet.hops)
        };
        let exact = candidates().find(|config| config.source == Some(packet.destination));
        exact
            .or_else(|| candidates().find(|config| config.source.is_none()))
            .map(|config| config.name.clone())
    }

    /// Runs another configuration. Sessions are matched by name; those whose path is the same go on (an unchanged one
    /// does not notice), others say goodbye and begin anew.
    pub fn reconfigure(&mut self, now: Instant, model: Model, out: &mut Vec<Action>) {
        let gone = |name: &Name, slot: &Slot| {
            let kept = model.sessions.get(name);
            kept.is_none_or(|config| !config.same_path(slot.session.config()))
        };
        let leaving: Vec<Name> = self
            .sessions
            .iter()
            .filter(|(name, slot)| gone(name, slot))
            .map(|(name, _)| name.clone())
            .collect();
        let before = self.sockets();
        for name in leaving {
            self.with(&name, |slot, _| slot.session.say_goodbye(now, out));
            self.remove(&name);
        }
        let mut new = Vec::new();
        for (name, config) in model.sessions {
            match self.sessions.get(&name) {
                Some(slot) if *slot.session.config() == config => {}
                Some(_) => self.with(&name, |slot, rng| slot.session.reconfigure(now, config, rng, out)),
                None => new.push((name, config)),
            }
        }
        for (name, config) in new {
            self.add(now, name, config, out);
        }
        if before != self.sockets() {
            out.push(Action::SocketsChanged);
        }
    }

    fn add(&mut self, now: Instant, name: Name, config: Arc<Config>, out: &mut Vec<Action>) {
        let discriminator = self.new_discriminator();
        let session = Session::new(config, discriminator, now);
        session.report(out);
        self.by_discriminator.insert(discriminator, name.clone());
        let slot = Slot {
            session,
            armed: None,
            send_failed: false,
        };
        self.sessions.insert(name.clone(), slot);
        self.with(&name, |_, _| {});
    }

    fn remove(&mut self, name: &Name) {
        let Some(slot) = self.sessions.remove(name) else {
            return;
        };
        self.by_discriminator.remove(&slot.session.discriminator());
        if let Some(at) = slot.armed {
            self.timers.remove(&(at, name.clone()));
        }
    }

    /// A number no session has. There are four thousand million, so this ends soon.
    fn new_discriminator(&mut self) -> NonZeroU32 {
        loop {
            let number = NonZeroU32::new((self.rng.next_u64() >> 32) as u32);
            if let Some(number) = number.filter(|number| !self.by_discriminator.contains_key(number)) {
                return number;
            }
        }
    }
}

/// Why a packet for a session is not believed: what it is counted as now, and what to say.
fn refuse(session: &mut Session, packet: &Packet<'_>, authenticated: bool) -> Option<(u64, String)> {
    let config = Arc::clone(session.config());
    let (source, ttl) = (packet.source, packet.ttl);
    let (counter, why) = if packet.hops != config.hops {
        (
            &mut session.counters.port_err,
            "it came to the port of the other kind".into(),
        )
    } else if ttl < config.least_ttl {
        let name = match source {
            IpAddr::V4(_) => "ttl",
            IpAddr::V6(_) => "hop_limit",
        };
        (
            &mut session.counters.ttl_err,
            format!("{name}({ttl}) < {}", config.least_ttl),
        )
    } else if authenticated {
        let why = "auth bit is set, but no authentication is in use";
        (&mut session.counters.authenticated, why.into())
    } else {
        return None;
    };
    *counter += 1;
    Some((*counter, format!("Discarding packet from {source} ({why})")))
}

fn not_found(source: IpAddr, discriminator: u32) -> String {
    format!(
        "Discarding packet from {source} (session is not found - your discriminator field is 0x{discriminator:08x})"
    )
}

/// Says that a packet was discarded: the first time, and then each time the count has doubled, so that a flood of them
/// does not fill the log. The counters say the rest.
fn note(count: u64, session: Option<&Name>, text: String, out: &mut Vec<Action>) {
    if count.is_power_of_two() {
        out.push(tell(session, Level::Info, text));
    }
}

fn tell(session: Option<&Name>, level: Level, text: String) -> Action {
    Action::Tell(Event {
        session: session.cloned(),
        level,
        text,
    })
}
