//! Mail that waits to be sent: one process for each, one at a time.

use super::{Launcher, Purpose};
use crate::ipc::{self, Mail};
use crate::log::Level;
use crate::mailer;
use crate::supervisor::Supervisor;
use base::Instant;
use linux::process;
use std::collections::VecDeque;
use std::time::Duration;

/// Mails that wait. Beyond it the oldest are dropped and that is said: a relay that is down must not fill the memory.
const MOST_WAITING: usize = 100;
/// Steps of the dialogue, each of which may take the configured time, for a mail to one recipient.
const STEPS: u32 = 8;
/// What the lookup of a name and the start of the process may take besides.
const LOOKUP: Duration = Duration::from_secs(30);

/// The mails.
#[derive(Debug, Default)]
pub(in crate::supervisor) struct Mails {
    waiting: VecDeque<Mail>,
    sending: bool,
}

impl Supervisor {
    /// Sends a mail after those before it.
    pub(in crate::supervisor) fn queue_mail(&mut self, mail: Mail) {
        if self.mails.waiting.len() >= MOST_WAITING {
            self.mails.waiting.pop_front();
            self.reporter.say(
                Level::Warning,
                "too many mails wait for the relay, the oldest is dropped",
            );
        }
        self.mails.waiting.push_back(mail);
        self.start_mail(process::monotonic());
    }

    fn start_mail(&mut self, now: Instant) {
        while !self.mails.sending {
            let Some(mail) = self.mails.waiting.pop_front() else {
                return;
            };
            let steps = STEPS.saturating_add(u32::try_from(mail.to.len()).unwrap_or(u32::MAX));
            let limit = mail.timeout.saturating_mul(steps).saturating_add(LOOKUP);
            let with = Launcher {
                executable: &self.executable,
                argv0: &self.argv0,
            };
            let started = ipc::encode(&mail).and_then(|bytes| {
                self.runner
                    .start_own(&with, now, Purpose::Mail, (mailer::WORD, "mail"), &bytes, Some(limit))
            });
            match started {
                Ok(_) => self.mails.sending = true,
                Err(error) => self.reporter.error(error),
            }
        }
    }

    /// A mail was sent, or was not.
    pub(in crate::supervisor) fn on_mail_end(&mut self, now: Instant) {
        self.mails.sending = false;
        self.start_mail(now);
    }
}
