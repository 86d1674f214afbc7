//! The election of one virtual router (`spec/vrrp-behaviour.md` 5, 6).
//!
//! Decides in which state an instance is and what follows from each happening, as [`Effect`]s in order. It does not
//! know packets, interfaces, addresses or other instances: who calls it has already judged the packet, counted the
//! faults, and carries out the effects.

mod lateness;
mod words;

pub use words::{Dispute, Effect, Happening, Heard, Rival, State, Timer};

use crate::action::StateName;
use crate::config::{Config, Preempt, Priority, Version, Wanted};
use crate::event::Level;
use crate::timing;
use crate::wire::Claim;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Deadline, Instant};
use core::net::IpAddr;
use core::time::Duration;

/// Own adverts an owner sends before it starts to watch whether another owner gives up.
const DISPUTE_ADVERTS: u8 = 2;

/// The election of one instance.
#[derive(Clone, Debug)]
pub struct Election {
    config: Arc<Config>,
    own: Option<IpAddr>,
    effective: Priority,
    master_interval: Duration,
    wanted: Wanted,
    /// In BACKUP: as far as this instance is concerned its sync group may go to MASTER.
    claims: bool,
    state: State,
    /// There was a gap, and since then nothing that dispels the doubts about it: a backup listens, a master has to
    /// announce its addresses again with its next advert.
    late: bool,
}

impl Election {
    /// An instance that has not started.
    pub fn new(config: Arc<Config>) -> Election {
        Election {
            own: None,
            effective: config.priority,
            master_interval: config.interval,
            wanted: config.wanted,
            claims: false,
            state: State::Init,
            late: false,
            config,
        }
    }

    /// The state with its timers.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The effective priority.
    pub const fn effective(&self) -> Priority {
        self.effective
    }

    /// Whether it waits in BACKUP for the other members of its sync group to claim the addresses too.
    pub const fn claims(&self) -> bool {
        self.claims
    }

    /// The interval of the master, or our own.
    pub const fn master_interval(&self) -> Duration {
        self.master_interval
    }

    /// The address our adverts come from, which decides between equal priorities.
    pub fn set_own_address(&mut self, own: Option<IpAddr>) {
        self.own = own;
    }

    /// When to call again, and why.
    pub fn deadline(&self) -> Option<Deadline<Timer>> {
        match self.state {
            State::Init | State::Fault | State::Stopped => None,
            State::Backup { master_down, .. } => Some(Deadline {
                at: master_down,
                why: Timer::MasterDown,
            }),
            State::Master { next_advert, dispute } => Some(match dispute {
                Dispute::Watching { until, .. } if until < next_advert => Deadline {
                    at: until,
                    why: Timer::OwnerDispute,
                },
                Dispute::None | Dispute::Answering { .. } | Dispute::Watching { .. } => Deadline {
                    at: next_advert,
                    why: Timer::Advertise,
                },
            }),
        }
    }

    /// From when on the next advert may share a wake-up with others; `None` if no advert is to come.
    pub fn advert_from(&self) -> Option<Instant> {
        match self.state {
            State::Master { next_advert, .. } => Some(next_advert.before(timing::early_by(self.config.interval))),
            State::Init | State::Fault | State::Backup { .. } | State::Stopped => None,
        }
    }

    /// Answers a happening. Calling too early or twice is harmless.
    pub fn handle(&mut self, now: Instant, happening: Happening, out: &mut Vec<Effect>) {
        match (self.state, happening) {
            (State::Init, Happening::Start { not_before, faulted }) => self.start(now, not_before, faulted, out),
            (State::Fault | State::Backup { .. } | State::Master { .. } | State::Stopped, Happening::Start { .. }) => {}

            (State::Backup { master_down, .. }, Happening::DeadlineReached) => {
                if now >= master_down {
                    out.push(tell(Level::Detail, "Receive advertisement timeout"));
                    self.claim(now, out);
                }
            }
            (State::Master { next_advert, dispute }, Happening::DeadlineReached) => {
                self.master_timer(now, next_advert, dispute, out);
            }
            (State::Init | State::Fault | State::Stopped, Happening::DeadlineReached) => {}

            (State::Backup { .. } | State::Master { .. }, Happening::Late { slept }) => self.late(now, slept, out),
            (State::Init | State::Fault | State::Stopped, Happening::Late { .. }) => {}

            (State::Backup { .. }, Happening::Heard(heard)) => self.backup_hears(now, heard, out),
            (State::Master { .. }, Happening::Heard(heard)) => self.master_hears(now, heard, out),
            (State::Init | State::Fault | State::Stopped, Happening::Heard(_)) => {}

            (State::Backup { .. }, Happening::Faulted) => self.enter_fault(out),
            (State::Master { .. }, Happening::Faulted) => {
                // First on the wire, and twice, since nothing repeats it: peers start their skew timers while we
                // are still cleaning up.
                out.push(Effect::Resign(2));
                out.push(Effect::Release);
                out.push(Effect::ForgetTold);
                self.enter_fault(out);
            }
            (State::Init | State::Fault | State::Stopped, Happening::Faulted) => {}

            (State::Fault, Happening::Recovered { not_before }) => self.recover(now, not_before, out),
            (
                State::Init | State::Backup { .. } | State::Master { .. } | State::Stopped,
                Happening::Recovered { .. },
            ) => {}

            (State::Master { .. }, Happening::AddressLost) => {
                out.push(Effect::Resign(1));
                let skew = timing::skew_of(&self.config, self.effective, self.master_interval);
                self.enter_backup(now.after(skew), None, out);
            }
            (State::Init | State::Fault | State::Backup { .. } | State::Stopped, Happening::AddressLost) => {}

            (_, Happening::Priority(priority)) => self.set_priority(priority, out),

            (State::Backup { .. }, Happening::Promote) => self.become_master(now, out),
            (State::Init | State::Fault | State::Master { .. } | State::Stopped, Happening::Promote) => {}

            (State::Master { .. }, Happening::Demote) => {
                let wait = timing::master_down(&self.config, self.effective, self.master_interval);
                self.enter_backup(now.after(wait), None, out);
            }
            (State::Init | State::Fault | State::Backup { .. } | State::Stopped, Happening::Demote) => {}

            (State::Master { .. }, Happening::Stop { resign, last }) => {
                if resign {
                    out.push(Effect::Resign(1));
                    out.push(Effect::Release);
                }
                self.stop(last, out);
            }
            (State::Init | State::Fault | State::Backup { .. }, Happening::Stop { last, .. }) => self.stop(last, out),
            (State::Stopped, Happening::Stop { .. }) => {}
        }
    }

    /// Goes on under a changed configuration: a backup's timer moves by the difference of the two master-down
    /// times, a master advertises the new values at once. `effective` is the priority with what it tracks.
    pub fn reconfigure(&mut self, now: Instant, config: Arc<Config>, effective: Priority, out: &mut Vec<Effect>) {
        let before = timing::master_down(&self.config, self.effective, self.master_interval);
        let old = core::mem::replace(&mut self.config, config);
        // An owner that lowered its priority stays as it is.
        let owner = old.priority.is_owner() && self.config.priority.is_owner();
        if effective != self.effective && !owner {
            let text = format!("Changing effective priority from {} to {effective}", self.effective);
            out.push(Effect::Tell(Level::Info, text));
            self.effective = effective;
        }
        if self.master_interval == old.interval {
            self.master_interval = self.config.interval;
        }
        let after = timing::master_down(&self.config, self.effective, self.master_interval);
        match self.state {
            State::Backup {
                master_down,
                master,
                respect_until,
            } => {
                let respects = matches!(self.config.preempt, Preempt::After(_));
                self.state = State::Backup {
                    master_down: master_down.after(after).before(before),
                    master,
                    respect_until: respect_until.filter(|_| respects),
                };
            }
            State::Master { .. } => {
                self.master_interval = self.config.interval;
                self.advertise(now, out);
            }
            State::Init | State::Fault | State::Stopped => self.master_interval = self.config.interval,
        }
    }

    /// Takes over the priority that what it tracks gives it; a backup's timer moves by the difference.
    fn set_priority(&mut self, priority: Priority, out: &mut Vec<Effect>) {
        if self.config.priority.is_owner() || priority == self.effective {
            return;
        }
        let before = timing::master_down(&self.config, self.effective, self.master_interval);
        let old = core::mem::replace(&mut self.effective, priority);
        let after = timing::master_down(&self.config, self.effective, self.master_interval);
        match &mut self.state {
            // It has not said anything yet.
            State::Init => return,
            State::Backup { master_down, .. } => *master_down = master_down.after(after).before(before),
            State::Fault | State::Master { .. } | State::Stopped => {}
        }
        let text = format!("Changing effective priority from {old} to {priority}");
        out.push(Effect::Tell(Level::Info, text));
        out.push(Effect::PriorityChanged);
    }

    /// Nobody better was heard for long enough: takes over, or waits for its sync group to do so together.
    fn claim(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.config.group.is_none() {
            return self.become_master(now, out);
        }
        let wait = timing::master_down(&self.config, self.effective, self.master_interval);
        match &mut self.state {
            State::Backup { master_down, .. } => *master_down = now.after(wait),
            State::Init | State::Fault | State::Master { .. } | State::Stopped => {}
        }
        self.claims = true;
        out.push(Effect::Claim);
    }

    /// Moves the timer of a backup that still waits for the end of the start delay.
    pub fn move_start(&mut self, old: Instant, new: Instant) {
        match &mut self.state {
            State::Backup { master_down, .. } => *master_down = master_down.after(new - old).before(old - new),
            State::Init | State::Fault | State::Master { .. } | State::Stopped => {}
        }
    }

    fn start(&mut self, now: Instant, not_before: Instant, faulted: bool, out: &mut Vec<Effect>) {
        if faulted {
            self.state = State::Fault;
            out.push(tell(Level::Info, "Entering FAULT STATE (init)"));
            out.push(Effect::Notify(StateName::Fault));
            return;
        }
        let begins = now.max(not_before);
        let owner = self.effective.is_owner();
        let wait = match self.wanted {
            // An owner passes through BACKUP without being seen in it.
            Wanted::Master if owner => Duration::from_micros(1),
            // Who only wants to be master listens like everybody: a shorter wait would lose against the first advert
            // of the running master that is a little late.
            Wanted::Master | Wanted::Backup => timing::master_down(&self.config, self.effective, self.master_interval),
        };
        self.state = State::Backup {
            master_down: begins.after(wait),
            master: None,
            respect_until: None,
        };
        if !(owner && self.wanted == Wanted::Master) {
            out.push(tell(Level::Info, "Entering BACKUP STATE (init)"));
            out.push(Effect::Notify(StateName::Backup));
        }
    }

    fn recover(&mut self, now: Instant, not_before: Instant, out: &mut Vec<Effect>) {
        self.master_interval = self.config.interval;
        if now >= not_before {
            out.push(Effect::AnnounceSource);
        }
        let grouped = self.config.group.is_some();
        if grouped {
            self.wanted = self.config.wanted;
        }
        if self.wanted == Wanted::Master && self.effective.is_owner() && now >= not_before {
            if !grouped {
                return self.become_master(now, out);
            }
            // All members are owners, and leave FAULT together.
            self.state = State::Backup {
                master_down: now,
                master: None,
                respect_until: None,
            };
            return self.claim(now, out);
        }
        let wait = timing::master_down(&self.config, self.effective, self.master_interval);
        self.state = State::Backup {
            master_down: now.max(not_before).after(wait),
            master: None,
            respect_until: None,
        };
        out.push(tell(Level::Info, "Entering BACKUP STATE"));
        out.push(Effect::Notify(StateName::Backup));
    }

    fn become_master(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.claims = false;
        self.late = false;
        out.push(Effect::ForgetTold);
        if self.master_interval != self.config.interval {
            let text = format!(
                "changing advert interval from {}ms to locally configured {}ms",
                self.master_interval.as_millis(),
                self.config.interval.as_millis()
            );
            out.push(Effect::Tell(Level::Detail, text));
            self.master_interval = self.config.interval;
        }
        self.effective = self.restored();
        self.state = State::Master {
            next_advert: now.after(self.config.interval),
            dispute: Dispute::None,
        };
        out.push(Effect::Advertise);
        out.push(tell(Level::Info, "Entering MASTER STATE"));
        out.push(Effect::Hold);
        out.push(Effect::Notify(StateName::Master));
    }

    fn enter_fault(&mut self, out: &mut Vec<Effect>) {
        self.claims = false;
        self.late = false;
        // Nobody is listened to now: what a master said before holds no more.
        self.master_interval = self.config.interval;
        self.state = State::Fault;
        out.push(tell(Level::Info, "Entering FAULT STATE"));
        out.push(Effect::Notify(StateName::Fault));
    }

    fn enter_backup(&mut self, master_down: Instant, master: Option<Rival>, out: &mut Vec<Effect>) {
        self.claims = false;
        self.late = false;
        self.state = State::Backup {
            master_down,
            master,
            respect_until: None,
        };
        out.push(Effect::ForgetTold);
        out.push(tell(Level::Info, "Entering BACKUP STATE"));
        out.push(Effect::Release);
        out.push(Effect::Notify(StateName::Backup));
    }

    fn stop(&mut self, last: StateName, out: &mut Vec<Effect>) {
        self.state = State::Stopped;
        out.push(Effect::Notify(last));
    }

    fn backup_hears(&mut self, now: Instant, heard: Heard, out: &mut Vec<Effect>) {
        let State::Backup {
            master_down,
            master,
            respect_until,
        } = self.state
        else {
            return;
        };
        let theirs = match heard.claim {
            Claim::Resigning => {
                out.push(tell(Level::Detail, "Backup received priority 0 advertisement"));
                let skew = timing::skew_of(&self.config, self.effective, self.master_interval);
                self.state = State::Backup {
                    master_down: now.after(skew),
                    master,
                    respect_until,
                };
                return;
            }
            Claim::Holds(priority) => priority,
        };
        let new_master = master.is_none_or(|known| known.address != heard.source);
        if !theirs.is_owner() || (new_master && master.is_some()) {
            self.effective = self.restored();
        }
        let lower = theirs < self.effective;
        let respect_until = self.preempt_delay(now, lower, respect_until, out);
        let accepted = match self.config.preempt {
            Preempt::No => true,
            Preempt::Yes => !lower,
            Preempt::After(_) => !lower || respect_until.is_some_and(|until| now < until),
        };
        if !accepted {
            let text = format!(
                "received lower priority ({theirs}) advert from {} - discarding",
                heard.source
            );
            out.push(Effect::Tell(Level::Info, text));
            self.state = State::Backup {
                master_down,
                master,
                respect_until,
            };
            return;
        }
        if new_master {
            out.push(Effect::ForgetTold);
        }
        self.late = false;
        self.wanted = Wanted::Backup;
        self.claims = false;
        self.adopt_interval(heard.interval, out);
        self.state = State::Backup {
            master_down: now.after(timing::master_down(&self.config, self.effective, self.master_interval)),
            master: Some(Rival {
                address: heard.source,
                priority: theirs,
            }),
            respect_until,
        };
    }

    /// Starts or stops the preempt delay as an advert of lower or other priority says.
    fn preempt_delay(
        &self,
        now: Instant,
        lower: bool,
        respect_until: Option<Instant>,
        out: &mut Vec<Effect>,
    ) -> Option<Instant> {
        let delay = match self.config.preempt {
            Preempt::After(delay) => delay,
            Preempt::Yes | Preempt::No => return None,
        };
        match (lower, respect_until) {
            (true, None) => {
                let text = format!("start preempt delay ({}.{:06})", delay.as_secs(), delay.subsec_micros());
                out.push(Effect::Tell(Level::Info, text));
                Some(now.after(delay))
            }
            (true, Some(until)) => Some(until),
            (false, Some(_)) => {
                out.push(tell(Level::Info, "stop preempt delay"));
                None
            }
            (false, None) => None,
        }
    }

    fn master_hears(&mut self, now: Instant, heard: Heard, out: &mut Vec<Effect>) {
        let theirs = match heard.claim {
            Claim::Resigning => {
                out.push(tell(Level::Info, "Master received priority 0 message"));
                self.advertise(now, out);
                return;
            }
            Claim::Holds(priority) => priority,
        };
        let rival = Rival {
            address: heard.source,
            priority: theirs,
        };
        if theirs == self.effective && self.own == Some(heard.source) {
            let text = "WARNING - equal priority advert received from remote host with our IP address.";
            out.push(tell(Level::Warning, text));
            return;
        }
        if theirs.is_owner() && self.effective.is_owner() {
            self.two_owners(now, heard, out);
        }
        if !self.loses_to(rival) {
            self.defend(now, rival, out);
            return;
        }
        let (ours, address) = (self.effective, heard.source);
        let text = if theirs > ours {
            format!("Master received advert from {address} with higher priority {theirs}, ours {ours}")
        } else {
            format!("Master received advert from {address} with same priority {theirs} but higher IP address than ours")
        };
        out.push(Effect::Tell(Level::Info, text));
        if self.config.higher_prio_send_advert {
            out.push(Effect::Advertise);
        }
        self.wanted = Wanted::Backup;
        self.adopt_interval(heard.interval, out);
        let wait = timing::master_down(&self.config, self.effective, self.master_interval);
        self.enter_backup(now.after(wait), Some(rival), out);
    }

    fn loses_to(&self, rival: Rival) -> bool {
        rival.priority > self.effective
            || (rival.priority == self.effective && self.own.is_none_or(|own| rival.address > own))
    }

    fn defend(&mut self, now: Instant, rival: Rival, out: &mut Vec<Effect>) {
        let answers = !self.config.lower_prio_no_advert;
        let text = format!(
            "Received advert from {} with lower priority {}, ours {}{}",
            rival.address,
            rival.priority,
            self.effective,
            if answers { ", forcing new election" } else { "" }
        );
        out.push(Effect::Tell(Level::Info, text));
        if answers {
            self.advertise(now, out);
        }
        out.push(Effect::AnnounceAgain);
        out.push(Effect::LowerPrioritySeen);
    }

    /// Rule 4 of 6.4: both sides say they own the addresses.
    fn two_owners(&mut self, now: Instant, heard: Heard, out: &mut Vec<Effect>) {
        let State::Master { next_advert, dispute } = self.state else {
            return;
        };
        let report = |out: &mut Vec<Effect>| {
            let text = format!(
                "CONFIGURATION ERROR: local instance and remote instance {} are both configured as address owner, please fix",
                heard.source
            );
            out.push(Effect::Tell(Level::Warning, text));
        };
        if self.own.is_none_or(|own| heard.source > own) {
            report(out);
            return;
        }
        let dispute = match dispute {
            Dispute::None => {
                report(out);
                Dispute::Answering {
                    rogue: heard.source,
                    left: DISPUTE_ADVERTS,
                    patience: self.config.interval.max(heard.interval) * 6 / 5,
                }
            }
            Dispute::Answering { .. } => dispute,
            Dispute::Watching { until, .. } if now >= until => Dispute::None,
            Dispute::Watching { .. } => {
                let text = format!(
                    "{} is still advertising as address owner, please resolve - reducing our priority",
                    heard.source
                );
                out.push(Effect::Tell(Level::Warning, text));
                self.effective = Priority::new(u8::MAX - 1).unwrap_or(self.effective);
                Dispute::None
            }
        };
        self.state = State::Master { next_advert, dispute };
    }

    fn master_timer(&mut self, now: Instant, next_advert: Instant, dispute: Dispute, out: &mut Vec<Effect>) {
        match dispute {
            Dispute::Watching { rogue, until } if now >= until => {
                let text = format!("{rogue} has stopped advertising as address owner");
                out.push(Effect::Tell(Level::Info, text));
                self.state = State::Master {
                    next_advert,
                    dispute: Dispute::None,
                };
            }
            Dispute::None | Dispute::Answering { .. } | Dispute::Watching { .. } => {}
        }
        if now.after(timing::early_by(self.config.interval)) < next_advert {
            return;
        }
        self.advertise(now, out);
        // The schedule holds even if this advert shared an early wake-up or was a little late.
        let scheduled = next_advert.after(self.config.interval);
        match &mut self.state {
            State::Master { next_advert, .. } if scheduled > now => *next_advert = scheduled,
            State::Master { .. } | State::Init | State::Fault | State::Backup { .. } | State::Stopped => {}
        }
    }

    /// Sends an advert and only then starts the next interval: what we receive never delays what we send.
    fn advertise(&mut self, now: Instant, out: &mut Vec<Effect>) {
        out.push(Effect::Advertise);
        if core::mem::take(&mut self.late) {
            out.push(Effect::AnnounceAnew);
        }
        match &mut self.state {
            State::Master { next_advert, dispute } => {
                *next_advert = now.after(self.config.interval);
                *dispute = match *dispute {
                    Dispute::Answering { rogue, left, patience } if left <= 1 => Dispute::Watching {
                        rogue,
                        until: now.after(patience),
                    },
                    Dispute::Answering { rogue, left, patience } => Dispute::Answering {
                        rogue,
                        left: left - 1,
                        patience,
                    },
                    other @ (Dispute::None | Dispute::Watching { .. }) => other,
                };
            }
            State::Init | State::Fault | State::Backup { .. } | State::Stopped => {}
        }
    }

    /// An owner that lowered its priority is an owner again; for others the effective priority stays.
    fn restored(&self) -> Priority {
        if self.config.priority.is_owner() {
            Priority::OWNER
        } else {
            self.effective
        }
    }

    /// Version 3 backups wait by the master's interval. A zero interval would mean not waiting at all.
    fn adopt_interval(&mut self, interval: Duration, out: &mut Vec<Effect>) {
        let adopts = match self.config.version {
            Version::V2 => false,
            Version::V3 => !interval.is_zero() && interval != self.master_interval,
        };
        if !adopts {
            return;
        }
        let text = format!(
            "advertisement interval updated from {}ms to {}ms by master",
            self.master_interval.as_millis(),
            interval.as_millis()
        );
        out.push(Effect::Tell(Level::Info, text));
        self.master_interval = interval;
    }
}

fn tell(level: Level, text: &str) -> Effect {
    Effect::Tell(level, String::from(text))
}
