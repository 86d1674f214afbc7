//! When a probe asks, and what a run of answers makes of a server.
//!
//! Decides the times of attempts and whether the server counts as up (`spec/lvs-behaviour.md` 4.1, 4.2 and, for checks of
//! several pages, 5.2). It does not know what is asked: an answer is a success or a failure. The first verdict is
//! decided by one answer; after that a server that is up is forgiven `retry` failures, and one success brings it back.

use crate::config::{Dialogue, Pace, Probe};
use base::{Instant, Rng};
use core::time::Duration;

/// Time after the start before which no check asks: services and addresses are set up first.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What differs between kinds of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habit {
    /// Questions that are asked one after the other; all must be answered well. At least 1.
    pub stages: u16,
    /// `fast_recovery`: no pause between them while the server is coming back.
    pub fast_recovery: bool,
    /// The pause counts from the beginning of an attempt, not from its end.
    pub from_beginning: bool,
    /// Also a server that is down is asked again after `delay_before_retry`, `retry` times.
    pub insists: bool,
}

impl Habit {
    /// The habit of a probe.
    pub fn of(probe: &Probe) -> Habit {
        let plain = Habit {
            stages: 1,
            fast_recovery: false,
            from_beginning: false,
            insists: false,
        };
        match &probe.dialogue {
            Dialogue::Http(http) => Habit {
                stages: u16::try_from(http.urls.len()).unwrap_or(u16::MAX).max(1),
                fast_recovery: http.fast_recovery,
                ..plain
            },
            Dialogue::Misc(_) => Habit {
                from_beginning: true,
                ..plain
            },
            Dialogue::Smtp(_) => Habit { insists: true, ..plain },
            Dialogue::Tcp(_) | Dialogue::Dns(_) | Dialogue::Udp(_) | Dialogue::Ping(_) => plain,
        }
    }
}

/// Where a probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The next question is asked at this point.
    Waiting { at: Instant },
    /// A question is being asked since this point.
    Asking { since: Instant },
    /// `ha_suspend`: nothing is asked.
    Resting,
}

/// What an answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As it should be.
    Good,
    /// Not so, or none.
    Bad,
    /// The question could not be asked for reasons of our own: nothing is known.
    Unasked,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server is as it was, and well or known to be down; or nothing was learnt.
    AsBefore,
    /// The first verdict confirms what was assumed: up, or down with `alpha`.
    Confirmed {
        /// Which of the two.
        up: bool,
    },
    /// The server came up.
    Up,
    /// The server went down.
    Down {
        /// Failures that were forgiven before; 0 if it is the first answer or nothing is forgiven.
        retries: u32,
    },
    /// A failure that is forgiven for now.
    Forgiven {
        /// Which one it is, from 1.
        attempt: u32,
        /// How many are forgiven.
        of: u32,
    },
    /// The next page comes first.
    NextStage,
}

/// The times and the state of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judge {
    pace: Pace,
    habit: Habit,
    phase: Phase,
    up: bool,
    /// There has been a verdict.
    judged: bool,
    /// There has been an answer.
    answered: bool,
    /// Failures since the last success.
    failures: u32,
    /// Which question is next.
    stage: u16,
    /// The question that was answered badly when the server went down.
    failed_stage: Option<u16>,
}

impl Judge {
    /// A probe that begins now: its first question is a second and a random part of the warm-up away.
    pub fn new(probe: &Probe, now: Instant, rng: &mut Rng) -> Judge {
        let warmup = u64::try_from(probe.pace.warmup.as_micros()).unwrap_or(u64::MAX);
        let spread = Duration::from_micros(rng.below(warmup.saturating_add(1)));
        Judge {
            pace: probe.pace,
            habit: Habit::of(probe),
            phase: Phase::Waiting {
                at: now.after(FIRST_PAUSE).after(spread),
            },
            up: !probe.alpha,
            judged: false,
            answered: false,
            // The first answer decides.
            failures: probe.pace.retry,
            stage: 0,
            failed_stage: None,
        }
    }

    /// Whether the server counts as up as far as this probe goes.
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// Whether there has been a verdict.
    pub const fn has_judged(&self) -> bool {
        self.judged
    }

    /// Which question is asked next, from 0.
    pub const fn stage(&self) -> u16 {
        self.stage
    }

    /// When the next question is due; `None` while one is being asked, and while it rests.
    pub const fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { at } => Some(at),
            Phase::Asking { .. } | Phase::Resting => None,
        }
    }

    /// When a question that may take `limit` should long have been answered: an alarm, not a verdict.
    pub fn overdue_at(&self, limit: Duration) -> Option<Instant> {
        match self.phase {
            Phase::Asking { since } => Some(since.after(limit).after(limit)),
            Phase::Waiting { .. } | Phase::Resting => None,
        }
    }

    /// The question that is due is being asked; which one. `None`, and nothing happens, if none is due.
    pub fn begin(&mut self, now: Instant) -> Option<u16> {
        match self.phase {
            Phase::Waiting { at } if at <= now => {
                self.phase = Phase::Asking { since: now };
                Some(self.stage)
            }
            Phase::Waiting { .. } | Phase::Asking { .. } | Phase::Resting => None,
        }
    }

    /// What the answer means. An answer to a question that was not asked means nothing.
    pub fn conclude(&mut self, now: Instant, answer: Answer) -> Verdict {
        let Phase::Asking { since } = self.phase else {
            return Verdict::AsBefore;
        };
        let (verdict, pause) = match answer {
            Answer::Good => self.good(),
            Answer::Bad => self.bad(),
            Answer::Unasked => (Verdict::AsBefore, self.pace.delay_loop),
        };
        let from = if self.habit.from_beginning { since } else { now };
        self.phase = Phase::Waiting {
            at: from.after(pause).max(now),
        };
        verdict
    }

    fn good(&mut self) -> (Verdict, Duration) {
        self.answered = true;
        self.failures = 0;
        let recovering = self.failed_stage.take().is_some();
        let last = self.habit.stages.saturating_sub(1);
        if recovering && last > 0 {
            // The page that failed is good again; now all of them must be.
            self.stage = 0;
            return (Verdict::NextStage, self.between_stages());
        }
        if self.stage < last {
            self.stage += 1;
            return (Verdict::NextStage, self.between_stages());
        }
        self.stage = 0;
        let verdict = match (self.up, self.judged) {
            (false, _) => Verdict::Up,
            (true, false) => Verdict::Confirmed { up: true },
            (true, true) => Verdict::AsBefore,
        };
        self.up = true;
        self.judged = true;
        (verdict, self.pace.delay_loop)
    }

    fn between_stages(&self) -> Duration {
        let coming = !self.judged || !self.up;
        if self.habit.fast_recovery && coming {
            Duration::ZERO
        } else {
            self.pace.delay_loop
        }
    }

    fn bad(&mut self) -> (Verdict, Duration) {
        let Pace {
            retry,
            delay_loop,
            delay_before_retry,
            ..
        } = self.pace;
        let first = !core::mem::replace(&mut self.answered, true);
        if self.failures < retry && (self.up || self.habit.insists) {
            self.failures += 1;
            let verdict = if self.up {
                Verdict::Forgiven {
                    attempt: self.failures,
                    of: retry,
                }
            } else {
                Verdict::AsBefore
            };
            return (verdict, delay_before_retry);
        }
        let verdict = match (self.up, self.judged) {
            (true, _) => Verdict::Down {
                retries: if first { 0 } else { retry },
            },
            (false, false) => Verdict::Confirmed { up: false },
            (false, true) => Verdict::AsBefore,
        };
        self.up = false;
        self.judged = true;
        self.failures = 0;
        self.failed_stage = Some(self.stage);
        let pause = if self.habit.stages > 1 {
            delay_loop.max(delay_before_retry)
        } else {
            delay_loop
        };
        (verdict, pause)
    }

    /// `ha_suspend`: the address is not here, nothing is asked. An answer that is under way is not heard any more.
    pub const fn rest(&mut self) {
        self.phase = Phase::Resting;
    }

    /// The address is here: the next question is asked at once.
    pub fn wake(&mut self, now: Instant) {
        match self.phase {
            Phase::Resting => self.phase = Phase::Waiting { at: now },
            Phase::Waiting { .. } | Phase::Asking { .. } => {}
        }
    }

    /// Goes on with another pace after a reload; what is known of the server stays.
    pub fn adopt(&mut self, probe: &Probe, now: Instant) {
        self.pace = probe.pace;
        self.habit = Habit::of(probe);
        self.failures = self.failures.min(self.pace.retry);
        if self.stage >= self.habit.stages {
            self.stage = 0;
        }
        self.failed_stage = self.failed_stage.filter(|stage| *stage < self.habit.stages);
        if let Phase::Waiting { at } = self.phase {
            // An interval that became shorter counts at once.
            self.phase = Phase::Waiting {
                at: at.min(now.after(self.pace.delay_loop)),
            };
        }
    }
}
