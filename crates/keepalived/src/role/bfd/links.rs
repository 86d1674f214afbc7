//! What other roles are told of sessions: the last verdict on each, nothing twice, nothing lost.
//!
//! A link is a channel the supervisor made between two roles. A reader that is late gets the newest verdict on each
//! session when it reads again, not all of them in between. What a verdict means is the reader's business.

use crate::ipc::{self, PathState, SessionNews};
use crate::log::Reporter;
use crate::role::Kind;
use ::bfd::action::Verdict;
use ::bfd::config::{Audience, Name};
use base::Instant;
use linux::ipc::{Channel, Sent};
use std::collections::BTreeMap;
use std::time::Duration;

/// Pause before a reader that is behind is told again.
const RETRY: Duration = Duration::from_millis(10);

#[derive(Default)]
pub(super) struct Links {
    open: BTreeMap<Kind, Link>,
    retry_at: Option<Instant>,
}

struct Link {
    channel: Channel,
    /// News it has not got yet; there is never more than one for a session.
    waiting: BTreeMap<Name, PathState>,
}

impl Links {
    /// The role of this kind is (again) at the other end of this channel; it knows nothing yet.
    pub(super) fn replace(&mut self, with: Kind, channel: Channel) {
        let waiting = BTreeMap::new();
        self.open.insert(with, Link { channel, waiting });
    }

    /// When a reader that is behind is to be told again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Something to tell.
    pub(super) fn news(&mut self, session: &Name, verdict: Verdict, audience: Audience) {
        let state = match verdict {
            Verdict::Up => PathState::Up,
            Verdict::Down => PathState::Down,
            Verdict::Undecided => PathState::Undecided,
        };
        for (kind, link) in &mut self.open {
            let concerned = match kind {
                Kind::Vrrp => audience.vrrp,
                Kind::Check => audience.checker,
                Kind::Bfd | Kind::Manage => false,
            };
            if concerned {
                link.waiting.insert(session.clone(), state);
            }
        }
    }

    /// Tells what has not been told, as far as the readers keep up.
    pub(super) fn flush(&mut self, now: Instant, reporter: &Reporter) {
        self.retry_at = None;
        let mut gone = Vec::new();
        for (kind, link) in &mut self.open {
            match link.flush() {
                Ok(Sent::Done) => {}
                Ok(Sent::Full) => self.retry_at = Some(now.after(RETRY)),
                // It comes back with a new channel, and is told everything then.
                Ok(Sent::Closed) => gone.push(*kind),
                Err(error) => {
                    reporter.error(error);
                    gone.push(*kind);
                }
            }
        }
        for kind in gone {
            self.open.remove(&kind);
        }
    }
}

impl Link {
    fn flush(&mut self) -> Result<Sent, linux::SysError> {
        while let Some(entry) = self.waiting.first_entry() {
            let news = SessionNews {
                session: entry.key().to_string(),
                state: *entry.get(),
            };
            match self.channel.send(&ipc::encode(&news)?, &[])? {
                Sent::Done => drop(entry.remove()),
                other @ (Sent::Full | Sent::Closed) => return Ok(other),
            }
        }
        Ok(Sent::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Line, Sink};
    use linux::ipc::Received;
    use std::cell::RefCell;
    use std::rc::Rc;

    const BOTH: Audience = Audience {
        vrrp: true,
        checker: true,
    };

    struct NoErrors;

    impl Sink for NoErrors {
        fn take(&mut self, line: Line) {
            panic!("{}", line.text);
        }
    }

    fn reporter() -> Reporter {
        Reporter::new(Rc::new(RefCell::new(NoErrors)), 2)
    }

    fn read(channel: &Channel) -> Vec<(String, PathState)> {
        let mut buffer = [0; 256];
        let mut news = Vec::new();
        while let Received::Message { length, .. } = channel.receive(&mut buffer).unwrap() {
            let one: SessionNews = ipc::decode(&buffer[..length]).unwrap();
            news.push((one.session, one.state));
        }
        news
    }

    #[test]
    fn a_reader_that_is_late_gets_the_newest_verdict_on_each_session() {
        let (ours, theirs) = Channel::pair().unwrap();
        let reporter = reporter();
        let mut links = Links::default();
        links.replace(Kind::Vrrp, ours);
        let mut full = 0;
        for round in 0..1_000_000 {
            let verdict = if round % 2 == 0 { Verdict::Down } else { Verdict::Up };
            links.news(&Name::from("a"), verdict, BOTH);
            links.flush(Instant::ZERO, &reporter);
            if links.retry_at().is_some() {
                full += 1;
                if full == 2 {
                    break;
                }
            }
        }
        assert_eq!(full, 2, "the channel has an end");
        links.news(&Name::from("a"), Verdict::Undecided, BOTH);
        read(&theirs);
        links.flush(Instant::ZERO, &reporter);
        assert_eq!(read(&theirs), [("a".to_owned(), PathState::Undecided)]);
        assert_eq!(links.retry_at(), None);
    }

    #[test]
    fn each_reader_hears_only_of_sessions_that_are_for_it() {
        let (to_vrrp, vrrp) = Channel::pair().unwrap();
        let (to_check, check) = Channel::pair().unwrap();
        let reporter = reporter();
        let mut links = Links::default();
        links.replace(Kind::Vrrp, to_vrrp);
        links.replace(Kind::Check, to_check);
        let only = |vrrp: bool| Audience { vrrp, checker: !vrrp };
        links.news(&Name::from("routers"), Verdict::Up, only(true));
        links.news(&Name::from("servers"), Verdict::Down, only(false));
        links.flush(Instant::ZERO, &reporter);
        assert_eq!(read(&vrrp), [("routers".to_owned(), PathState::Up)]);
        assert_eq!(read(&check), [("servers".to_owned(), PathState::Down)]);
        drop(vrrp);
        links.news(&Name::from("routers"), Verdict::Down, only(true));
        links.flush(Instant::ZERO, &reporter);
        assert_eq!(links.retry_at(), None, "nobody is left to be told");
    }
}
