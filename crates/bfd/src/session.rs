//! One session: the state machine, the timers and the poll sequence of RFC 5880 sections 6.5 to 6.8.
//!
//! It decides in which state the session is, when the next packet is due, what is in it, and when silence means that
//! the path is broken. Which packets belong to it, and whether they may be believed, is the engine's business.
//!
//! The deadlines are derived from facts (when something was last heard, last sent), so none is ever cancelled. Leaving
//! UP ends a poll sequence; a state without one cannot answer for it.

use crate::action::{Action, Verdict};
use crate::config::{Audience, Config};
use crate::counters::Counters;
use crate::event::{Event, Level};
use crate::wire::{self, Diagnostic, Polling, State};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Deadline, Instant, Rng};
use core::num::{NonZeroU8, NonZeroU32};
use core::time::Duration;

/// How many idle intervals a new session may take to come up before it counts as down for those who track it.
///
/// A neighbour of ours notices the start within one, and the handshake takes at most one more at each end; two are for
/// lost packets.
pub const SETTLING: u32 = 5;
/// The longest such time, whatever `idle_tx` says.
pub const LONGEST_SETTLING: Duration = Duration::from_secs(30);

/// What is known of the other end, from its last packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its number of the session.
    pub discriminator: NonZeroU32,
    /// Its state.
    pub state: State,
    /// Why it last went down.
    pub diagnostic: Diagnostic,
    /// It wants silence while both are up.
    pub demand: bool,
    /// How often it wants to send.
    pub min_tx: Duration,
    /// How often it wants to receive at most; zero: not at all.
    pub min_rx: Duration,
    /// How many of its packets we may miss.
    pub multiplier: NonZeroU8,
    /// When it was last heard.
    pub heard: Instant,
}

/// A poll sequence: what holds until the other end has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Poll {
    /// We send no less often than this.
    tx: Duration,
    /// We do not expect to hear more often than this.
    rx: Duration,
    /// Something changed again meanwhile: the answer may be to the first question, so a second one follows.
    again: bool,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Nothing was heard for the detection time.
    Detection,
    /// The next packet is due.
    Transmit,
    /// A new session that has not come up counts as down.
    Settled,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    discriminator: NonZeroU32,
    state: State,
    diagnostic: Diagnostic,
    remote: Option<Remote>,
    poll: Option<Poll>,
    verdict: Verdict,
    /// Until then the verdict of a session that was never up is open.
    undecided_until: Option<Instant>,
    sent: Option<Instant>,
    /// The interval `next` was chosen for.
    pace: Option<Duration>,
    next: Option<Instant>,
    pub(crate) counters: Counters,
    changed: Instant,
}

impl Session {
    /// A session that is down and about to say so, unless it is passive.
    pub fn new(config: Arc<Config>, discriminator: NonZeroU32, now: Instant) -> Session {
        let settling = (config.idle_tx * SETTLING).min(LONGEST_SETTLING);
        let mut session = Session {
            config,
            discriminator,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            remote: None,
            poll: None,
            verdict: Verdict::Undecided,
            undecided_until: Some(now.after(settling)),
            sent: None,
            pace: None,
            next: None,
            counters: Counters::default(),
            changed: now,
        };
        session.pace = session.interval();
        session.next = session.pace.map(|_| now);
        session
    }

    /// Its configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Our number of the session.
    pub fn discriminator(&self) -> NonZeroU32 {
        self.discriminator
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when it is in that state.
    pub fn since(&self) -> Instant {
        self.changed
    }

    /// Why it last went down.
    pub fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    /// What is known of the other end.
    pub fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// What those who track it are told.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether a poll sequence is going on.
    pub fn polling(&self) -> bool {
        self.poll.is_some()
    }

    /// When something has to be done, and what.
    pub fn deadline(&self) -> Option<Deadline<Timer>> {
        let detection = self.detection_end().map(|at| (at, Timer::Detection));
        let settled = self.undecided_until.map(|at| (at, Timer::Settled));
        let transmit = self.next.map(|at| (at, Timer::Transmit));
        [detection, settled, transmit]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
            .map(|(at, why)| Deadline { at, why })
    }

    /// How long silence may last (RFC 5880 section 6.8.4); `None` while nothing is known of the other end.
    pub fn detection_time(&self) -> Option<Duration> {
        let remote = self.remote?;
        let interval = self.rx_in_effect().max(remote.min_tx);
        Some(interval * u32::from(remote.multiplier.get()))
    }

    fn detection_end(&self) -> Option<Instant> {
        Some(self.remote?.heard.after(self.detection_time()?))
    }

    /// How often we want to send, as our packets say.
    fn desired_min_tx(&self) -> Duration {
        match self.state {
            State::Up => self.config.min_tx,
            State::AdminDown | State::Down | State::Init => self.config.idle_tx,
        }
    }

    /// Not longer before the other end knows (section 6.8.3).
    fn tx_in_effect(&self) -> Duration {
        let wanted = self.desired_min_tx();
        self.poll.map_or(wanted, |poll| poll.tx.min(wanted))
    }

    /// Not shorter before the other end knows (section 6.8.3).
    fn rx_in_effect(&self) -> Duration {
        let wanted = self.config.min_rx;
        self.poll.map_or(wanted, |poll| poll.rx.max(wanted))
    }

    /// The time between two packets before jitter; `None`: none are sent now (section 6.8.7).
    pub fn interval(&self) -> Option<Duration> {
        match (self.state, &self.remote) {
            (State::AdminDown, _) => None,
            (State::Down | State::Init | State::Up, None) if self.config.passive => None,
            (State::Down | State::Init | State::Up, None) => Some(self.tx_in_effect()),
            (State::Down | State::Init | State::Up, Some(remote)) if remote.min_rx.is_zero() => None,
            (State::Up, Some(remote)) if remote.demand && remote.state == State::Up && self.poll.is_none() => None,
            (State::Down | State::Init | State::Up, Some(remote)) => Some(self.tx_in_effect().max(remote.min_rx)),
        }
    }

    /// A packet of the other end that may be believed.
    pub fn receive(&mut self, now: Instant, packet: &wire::Packet, rng: &mut Rng, out: &mut Vec<Action>) {
        if self.state == State::AdminDown {
            self.counters.while_admin_down += 1;
            return;
        }
        self.counters.received += 1;
        let before = self.timing();
        self.remote = Some(Remote {
            discriminator: packet.mine,
            state: packet.state,
            diagnostic: packet.diagnostic,
            demand: packet.demand,
            min_tx: packet.desired_min_tx,
            min_rx: packet.required_min_rx,
            multiplier: packet.multiplier,
            heard: now,
        });
        if packet.polling == Polling::Final {
            self.answered(out);
        }
        let changed = self.hear(now, packet.state, out);
        if packet.polling == Polling::Poll {
            self.send(now, Polling::Final, out);
        } else if changed {
            self.send(now, self.question(), out);
        }
        self.keep_pace(now, rng);
        self.tell_timing(before, out);
    }

    /// The state machine (section 6.8.6); true if the state is another one now.
    fn hear(&mut self, now: Instant, said: State, out: &mut Vec<Action>) -> bool {
        let (next, diagnostic) = match (self.state, said) {
            (State::AdminDown, State::AdminDown | State::Down | State::Init | State::Up)
            | (State::Down, State::AdminDown | State::Up)
            | (State::Init, State::Down)
            | (State::Up, State::Init | State::Up) => return false,
            (State::Down, State::Down) => (State::Init, self.diagnostic),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => (State::Up, Diagnostic::NONE),
            (State::Init, State::AdminDown) | (State::Up, State::AdminDown | State::Down) => {
                (State::Down, Diagnostic::SIGNALED)
            }
        };
        let goodbye = said == State::AdminDown;
        self.enter(now, next, diagnostic, goodbye, out);
        true
    }

    /// Changes the state and says so. After a goodbye the verdict stays what it was.
    fn enter(&mut self, now: Instant, next: State, diagnostic: Diagnostic, goodbye: bool, out: &mut Vec<Action>) {
        let before = self.state;
        let idle = self.config.idle_tx;
        self.state = next;
        self.diagnostic = diagnostic;
        self.changed = now;
        self.poll = None;
        let text = match next {
            State::AdminDown | State::Init | State::Up => format!("Entering {next} state"),
            State::Down => {
                let theirs = self.remote.map_or(Diagnostic::NONE, |remote| remote.diagnostic);
                format!("Entering {next} state (Local diagnostic - {diagnostic}, Remote diagnostic - {theirs})")
            }
        };
        let level = if next == State::Down {
            Level::Warning
        } else {
            Level::Info
        };
        self.tell(level, text, out);
        match (before, next) {
            (_, State::Up) => {
                self.counters.became_up += 1;
                self.judge(Verdict::Up, out);
                if idle != self.config.min_tx {
                    self.begin_poll(idle, self.config.min_rx, out);
                }
            }
            (State::Up, State::AdminDown | State::Down | State::Init) => {
                self.counters.became_down += 1;
                if !goodbye {
                    self.judge(Verdict::Down, out);
                }
            }
            (State::AdminDown | State::Down | State::Init, State::AdminDown | State::Down | State::Init) => {}
        }
    }

    fn judge(&mut self, verdict: Verdict, out: &mut Vec<Action>) {
        self.undecided_until = None;
        if self.verdict != verdict {
            self.verdict = verdict;
            self.report(out);
        }
    }

    /// Tells those who track it.
    pub fn report(&self, out: &mut Vec<Action>) {
        out.push(Action::Report {
            session: self.config.name.clone(),
            verdict: self.verdict,
            audience: self.config.audience,
        });
    }

    fn begin_poll(&mut self, tx: Duration, rx: Duration, out: &mut Vec<Action>) {
        self.poll = Some(match self.poll {
            None => Poll { tx, rx, again: false },
            Some(poll) => Poll {
                tx: poll.tx.min(tx),
                rx: poll.rx.max(rx),
                again: true,
            },
        });
        self.counters.polls += 1;
        self.tell(Level::Detail, "Starting poll sequence".into(), out);
    }

    /// The other end has answered: it knows what our packets say.
    fn answered(&mut self, out: &mut Vec<Action>) {
        if let Some(poll) = self.poll.take()
            && poll.again
        {
            // What was in effect stays so until the second answer.
            self.begin_poll(poll.tx, poll.rx, out);
        }
    }

    fn question(&self) -> Polling {
        if self.poll.is_some() {
            Polling::Poll
        } else {
            Polling::No
        }
    }

    fn send(&mut self, now: Instant, polling: Polling, out: &mut Vec<Action>) {
        let packet = wire::Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            polling,
            control_plane_independent: false,
            demand: false,
            multiplier: self.config.multiplier,
            mine: self.discriminator,
            yours: self.remote.map(|remote| remote.discriminator),
            desired_min_tx: self.desired_min_tx(),
            required_min_rx: self.config.min_rx,
            required_min_echo_rx: Duration::ZERO,
        };
        self.counters.sent += 1;
        self.sent = Some(now);
        // The time to the next one counts from here.
        (self.pace, self.next) = (None, None);
        out.push(Action::Send {
            session: self.config.name.clone(),
            bytes: packet.write(),
        });
    }

    /// Chooses when the next packet is due, if the interval is another one or a packet has just gone out.
    fn keep_pace(&mut self, now: Instant, rng: &mut Rng) {
        let interval = self.interval();
        if interval == self.pace && interval.is_some() {
            return;
        }
        self.pace = interval;
        self.next = interval.map(|interval| {
            let span = jittered(interval, self.config.multiplier, rng);
            self.sent.map_or(now, |sent| sent.after(span).max(now))
        });
    }

    /// Does what is due.
    pub fn on_time(&mut self, now: Instant, rng: &mut Rng, out: &mut Vec<Action>) {
        if self.detection_end().is_some_and(|at| at <= now) {
            self.expire(now, out);
        }
        if self.undecided_until.is_some_and(|at| at <= now) {
            self.judge(Verdict::Down, out);
        }
        if self.interval().is_some() && self.next.is_some_and(|at| at <= now) {
            self.send(now, self.question(), out);
        }
        self.keep_pace(now, rng);
    }

    fn expire(&mut self, now: Instant, out: &mut Vec<Action>) {
        let (Some(remote), Some(end)) = (self.remote, self.detection_end()) else {
            return;
        };
        match self.state {
            State::Init | State::Up => {
                self.counters.expired += 1;
                let (silence, late) = (now.since(remote.heard), now.since(end));
                let text = format!(
                    "Expired after {} ms ({} usec overdue)",
                    silence.as_millis(),
                    late.as_micros()
                );
                self.tell(Level::Info, text, out);
                self.enter(now, State::Down, Diagnostic::EXPIRED, false, out);
                // Section 6.8.1: its discriminator is not known any more.
                self.remote = None;
                if !self.config.passive {
                    self.send(now, Polling::No, out);
                }
            }
            State::AdminDown | State::Down => self.remote = None,
        }
    }

    /// Goes on with another configuration for the same path. Intervals change by a poll sequence; the state and what
    /// is known of the other end stay.
    pub fn reconfigure(&mut self, now: Instant, config: Arc<Config>, rng: &mut Rng, out: &mut Vec<Action>) {
        let (tx, rx) = (self.tx_in_effect(), self.rx_in_effect());
        let before = core::mem::replace(&mut self.config, config);
        let intervals = |config: &Config| (config.min_tx, config.min_rx);
        if self.state == State::Up && intervals(&before) != intervals(&self.config) {
            self.begin_poll(tx, rx, out);
        }
        let Audience { vrrp, checker } = self.config.audience;
        if (vrrp && !before.audience.vrrp) || (checker && !before.audience.checker) {
            self.report(out);
        }
        let said = |config: &Config| (config.min_tx, config.min_rx, config.idle_tx, config.multiplier);
        if said(&before) != said(&self.config) && self.interval().is_some() {
            // Section 6.8.7: what differs from the last packet is said before the next one is due.
            self.send(now, self.question(), out);
        }
        self.keep_pace(now, rng);
    }

    /// Tells the other end that this is on purpose, and sends nothing more. Whoever tracks the session keeps what it
    /// knew.
    pub fn say_goodbye(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.state == State::AdminDown {
            return;
        }
        let heard_of = self.remote.is_some() || !self.config.passive;
        self.enter(now, State::AdminDown, Diagnostic::ADMINISTRATIVE, true, out);
        if heard_of {
            self.send(now, Polling::No, out);
        }
        (self.pace, self.next) = (None, None);
    }

    /// It cannot send: held down until [`Session::unblock`].
    pub fn block(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.state != State::AdminDown {
            self.enter(now, State::AdminDown, Diagnostic::ADMINISTRATIVE, false, out);
            self.judge(Verdict::Down, out);
            (self.remote, self.pace, self.next) = (None, None, None);
        }
    }

    /// It can send again.
    pub fn unblock(&mut self, now: Instant, rng: &mut Rng, out: &mut Vec<Action>) {
        if self.state == State::AdminDown {
            self.enter(now, State::Down, Diagnostic::ADMINISTRATIVE, false, out);
            self.keep_pace(now, rng);
        }
    }

    /// What the original prints as session parameters.
    fn timing(&self) -> (Option<Duration>, Option<Duration>) {
        (self.interval(), self.detection_time())
    }

    fn tell_timing(&self, before: (Option<Duration>, Option<Duration>), out: &mut Vec<Action>) {
        let now = self.timing();
        let (Some(detection), true) = (now.1, now != before) else {
            return;
        };
        let sending = now.0.map_or_else(
            || "nothing is sent".into(),
            |span| format!("sending every {} us", span.as_micros()),
        );
        let was = before.1.unwrap_or_default().as_micros();
        let text = format!(
            "Detection time is {} us (was {was} us), {sending}",
            detection.as_micros()
        );
        self.tell(Level::Detail, text, out);
    }

    fn tell(&self, level: Level, text: String, out: &mut Vec<Action>) {
        out.push(Action::Tell(Event {
            session: Some(self.config.name.clone()),
            level,
            text,
        }));
    }
}

/// An interval shortened by chance (section 6.8.7): to 75 to 100 %, or 75 to 90 % if the other end may not miss a single
/// packet.
fn jittered(interval: Duration, multiplier: NonZeroU8, rng: &mut Rng) -> Duration {
    let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
    let most = if multiplier == NonZeroU8::MIN {
        micros - micros / 10
    } else {
        micros
    };
    let least = micros - micros / 4;
    Duration::from_micros(least + rng.below(most.saturating_sub(least) + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_takes_up_to_a_quarter_and_at_least_a_tenth_where_none_may_be_missed() {
        let mut rng = Rng::from_seed(1);
        let interval = Duration::from_micros(100_000);
        let mut spans = |multiplier: u8| -> (u128, u128) {
            let multiplier = NonZeroU8::new(multiplier).unwrap();
            let all = (0..10_000).map(|_| jittered(interval, multiplier, &mut rng).as_micros());
            all.fold((u128::MAX, 0), |(least, most), span| (least.min(span), most.max(span)))
        };
        let (least, most) = spans(3);
        assert!(
            (75_000..75_100).contains(&least) && (99_900..=100_000).contains(&most),
            "{least} {most}"
        );
        let (least, most) = spans(1);
        assert!(
            (75_000..75_100).contains(&least) && (89_900..=90_000).contains(&most),
            "{least} {most}"
        );
    }
}
