//! What a role that tracks BFD sessions knows of them.
//!
//! It keeps the last word on each session for as long as the role lives. When the bfd role dies nothing is forgotten: that
//! our own observer has failed says nothing about the path, and must not cost an address. The next bfd role calls its
//! sessions undecided until they are up or have had the time to be; only then does its word count.

use crate::ipc::{self, PathState, SessionNews};
use linux::ipc::{Channel, Received};
use linux::{SysError, Turn};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

/// Messages read before others get a turn: news of many sessions delays adverts by less than a millisecond.
const NEWS_PER_TURN: usize = 64;
/// Bytes of the longest message; a name has 31.
const MESSAGE: usize = 256;

/// Sessions by name, and the channel on which there is news of them.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    channel: Option<Channel>,
    up: BTreeMap<String, bool>,
    /// Nothing is said of a session that nothing is known of yet.
    patient: bool,
}

impl Sessions {
    /// For a role that assumes what it likes of a session until there is a first word on it.
    pub(crate) fn patient() -> Sessions {
        Sessions {
            patient: true,
            ..Sessions::default()
        }
    }

    /// There is a bfd role at the other end of this channel; gives back the channel before it.
    pub(crate) fn replace(&mut self, channel: Channel) -> Option<Channel> {
        self.channel.replace(channel)
    }

    /// What is known, also of sessions nobody tracks (yet).
    pub(crate) fn known(&self) -> impl Iterator<Item = (&str, bool)> {
        self.up.iter().map(|(name, up)| (name.as_str(), *up))
    }

    /// Where news comes from, while there is a bfd role.
    pub(crate) fn source(&self) -> Option<BorrowedFd<'_>> {
        self.channel.as_ref().map(AsFd::as_fd)
    }

    /// Reads news, a bounded number, and hands on what has changed. When the bfd role is gone the channel is given to
    /// `closed`.
    pub(crate) fn read(
        &mut self,
        mut changed: impl FnMut(&str, bool),
        closed: impl FnOnce(Channel),
    ) -> Result<Turn, SysError> {
        let mut buffer = [0; MESSAGE];
        for _ in 0..NEWS_PER_TURN {
            let Some(channel) = &self.channel else {
                return Ok(Turn::Drained);
            };
            match channel.receive(&mut buffer)? {
                Received::Nothing => return Ok(Turn::Drained),
                Received::Closed => {
                    if let Some(channel) = self.channel.take() {
                        closed(channel);
                    }
                    return Ok(Turn::Drained);
                }
                Received::Message { length, .. } => {
                    let news: SessionNews = ipc::decode(buffer.get(..length).unwrap_or_default())?;
                    self.take(news, &mut changed);
                }
            }
        }
        Ok(Turn::More)
    }

    fn take(&mut self, news: SessionNews, changed: &mut impl FnMut(&str, bool)) {
        let SessionNews { session, state } = news;
        let up = match state {
            PathState::Up => true,
            PathState::Down => false,
            // What was known before holds; for whoever knows nothing a session is down.
            PathState::Undecided if self.patient && !self.up.contains_key(&session) => return,
            PathState::Undecided => self.up.get(&session).copied().unwrap_or(false),
        };
        if self.up.get(&session) != Some(&up) {
            changed(&session, up);
            self.up.insert(session, up);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sessions: &mut Sessions) -> (Vec<(String, bool)>, bool) {
        let (mut news, mut gone) = (Vec::new(), false);
        let turn = sessions.read(|name, up| news.push((name.to_owned(), up)), |_| gone = true);
        assert_eq!(turn.unwrap(), Turn::Drained);
        (news, gone)
    }

    fn tell(channel: &Channel, session: &str, state: PathState) {
        let session = session.to_owned();
        let bytes = ipc::encode(&SessionNews { session, state }).unwrap();
        assert_eq!(channel.send(&bytes, &[]).unwrap(), linux::ipc::Sent::Done);
    }

    #[test]
    fn the_death_of_the_bfd_role_changes_nothing_until_the_next_one_has_decided() {
        let mut sessions = Sessions::default();
        let (theirs, ours) = Channel::pair().unwrap();
        sessions.replace(ours);
        tell(&theirs, "a", PathState::Undecided);
        tell(&theirs, "a", PathState::Up);
        tell(&theirs, "b", PathState::Up);
        let (news, _) = read(&mut sessions);
        assert_eq!(news, [("a".into(), false), ("a".into(), true), ("b".into(), true)]);
        drop(theirs);
        assert_eq!(read(&mut sessions), (vec![], true));
        assert!(sessions.source().is_none());
        let (theirs, ours) = Channel::pair().unwrap();
        sessions.replace(ours);
        tell(&theirs, "a", PathState::Undecided);
        tell(&theirs, "b", PathState::Undecided);
        assert_eq!(read(&mut sessions), (vec![], false));
        tell(&theirs, "a", PathState::Up);
        tell(&theirs, "b", PathState::Down);
        assert_eq!(read(&mut sessions), (vec![("b".into(), false)], false));
        assert_eq!(sessions.known().collect::<Vec<_>>(), [("a", true), ("b", false)]);
    }

    #[test]
    fn a_patient_role_hears_nothing_before_there_is_a_first_verdict() {
        let mut sessions = Sessions::patient();
        let (theirs, ours) = Channel::pair().unwrap();
        sessions.replace(ours);
        tell(&theirs, "a", PathState::Undecided);
        assert_eq!(read(&mut sessions).0, []);
        tell(&theirs, "a", PathState::Down);
        assert_eq!(read(&mut sessions).0, [("a".into(), false)]);
    }

    #[test]
    fn a_message_that_cannot_be_read_is_an_error_and_the_next_one_is_read() {
        let mut sessions = Sessions::default();
        let (theirs, ours) = Channel::pair().unwrap();
        sessions.replace(ours);
        theirs.send(b"\xff\xff\xff", &[]).unwrap();
        tell(&theirs, "a", PathState::Up);
        assert!(sessions.read(|_, _| {}, drop).is_err());
        assert_eq!(read(&mut sessions).0, [("a".into(), true)]);
    }
}
