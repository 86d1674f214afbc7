//! What one instance makes of a gap: its process was stopped, starved of the processor, or the machine slept.
//!
//! Decides what a router may still believe after it. Others may have taken over meanwhile, and nothing that was sent
//! meanwhile need have arrived. It does not know how a gap is noticed.

use super::{Effect, Election, State};
use crate::config::{Config, Priority};
use crate::event::Level;
use crate::timing;
use alloc::format;
use alloc::vec::Vec;
use base::Instant;
use core::time::Duration;

impl Election {
    /// Answers a gap that ends now. `slept` is time that passed for others and not on our clock.
    ///
    /// A backup whose wait ended in the gap listens for one interval before it takes over. So does a master before it
    /// goes on, if the gap was long enough for every other router to have taken over; after a shorter one it goes on at
    /// once, because that may just prevent a takeover. Either way it announces its addresses again.
    pub(super) fn late(&mut self, now: Instant, slept: Duration, out: &mut Vec<Effect>) {
        match self.state {
            State::Backup {
                master_down,
                master,
                respect_until,
            } => {
                let missed = now.since(master_down) + slept;
                let until = now.after(self.master_interval);
                // Once: who is always late must take over some time.
                if self.late || missed < late_by(self.master_interval) || until <= master_down {
                    return;
                }
                self.late = true;
                self.state = State::Backup {
                    master_down: until,
                    master,
                    respect_until,
                };
                let text = format!(
                    "late by {} - listening for one interval before taking over",
                    seconds(missed)
                );
                out.push(Effect::Tell(Level::Warning, text));
            }
            State::Master { next_advert, dispute } => {
                let interval = self.config.interval;
                let silence = now.since(next_advert.before(interval)) + slept;
                if let Some(peer) = self.config.late_backup
                    && silence > taken_over(&self.config, peer)
                {
                    let expired = seconds(silence.saturating_sub(interval));
                    let text = format!("VRRP thread timer expired {expired} seconds ago");
                    out.push(Effect::Tell(Level::Warning, text));
                    let wait = timing::master_down(&self.config, self.effective, self.master_interval);
                    self.enter_backup(now.after(wait), None, out);
                    return;
                }
                let shortest = interval * u32::from(self.config.down_adverts);
                if self.late || silence < shortest {
                    return;
                }
                self.late = true;
                let silence_shown = seconds(silence);
                // The skew is less than an interval.
                if silence < shortest + interval {
                    let text = format!("sent no advert for {silence_shown} seconds - announcing the addresses again");
                    out.push(Effect::Tell(Level::Warning, text));
                    return;
                }
                self.state = State::Master {
                    next_advert: now.after(interval),
                    dispute,
                };
                let text = format!("sent no advert for {silence_shown} seconds - listening for one interval");
                out.push(Effect::Tell(Level::Warning, text));
            }
            State::Init | State::Fault | State::Stopped => {}
        }
    }
}

/// By how much a backup's timer may be late without a thought: half an interval, and what a busy machine takes anyway.
fn late_by(interval: Duration) -> Duration {
    const LEAST: Duration = Duration::from_millis(10);
    (interval / 2).max(LEAST)
}

/// How long a master must have been silent for a backup of this priority to have taken over
/// (`spec/vrrp-behaviour.md` 6.8).
fn taken_over(config: &Config, peer: Priority) -> Duration {
    config.interval * u32::from(config.down_adverts) + timing::skew(config.version, peer, config.interval)
}

/// Seconds with six decimals, as upstream writes them.
fn seconds(span: Duration) -> alloc::string::String {
    format!("{}.{:06}", span.as_secs(), span.subsec_micros())
}
