//! What a role has to say and the supervisor has not taken yet.
//!
//! A role is never stopped by a supervisor that is slow: messages wait here, within limits. At the limit the newest
//! log lines are dropped and counted (the count goes with the next lines), and the oldest state changes.

use super::{Line, Sink};
use crate::ipc::{self, FromRole};
use linux::SysError;
use linux::ipc::{Channel, Sent};
use linux::memfd::Sealed;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Bytes of log lines that are sent together, and after which a reporter sends without being asked.
const BATCH_BYTES: usize = 16 * 1024;
/// Bytes of log lines that wait for a slow supervisor.
const MAX_WAITING_BYTES: usize = 512 * 1024;
/// Messages other than log lines that wait. A role with more instances than this changes them all at once at most
/// a few times; what is lost then is an old state that a newer one has replaced.
const MAX_WAITING_MESSAGES: usize = 16 * 1024;
/// Bytes that a line takes on its way beside its text.
const LINE_OVERHEAD: usize = 24;

/// Messages on their way to the supervisor.
#[derive(Debug)]
pub(crate) struct Outbox {
    channel: Channel,
    messages: VecDeque<(Vec<u8>, Option<Sealed>)>,
    lines: VecDeque<Line>,
    line_bytes: usize,
    dropped: u64,
    closed: bool,
}

impl Outbox {
    /// Over this channel.
    pub(crate) fn new(channel: Channel) -> Outbox {
        Outbox {
            channel,
            messages: VecDeque::new(),
            lines: VecDeque::new(),
            line_bytes: 0,
            dropped: 0,
            closed: false,
        }
    }

    /// The channel, for reading.
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Queues a message and sends what can be sent.
    pub(crate) fn send(&mut self, message: &FromRole, sealed: Option<Sealed>) -> Result<(), SysError> {
        let bytes = ipc::encode(message)?;
        if self.messages.len() >= MAX_WAITING_MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back((bytes, sealed));
        self.flush();
        Ok(())
    }

    /// Sends what can be sent without waiting. True if nothing is left.
    pub(crate) fn flush(&mut self) -> bool {
        // Lines first: they were said before the message that follows them.
        self.flush_lines() && self.flush_messages()
    }

    /// Sends everything, waiting for a slow supervisor, but not longer than `limit` for each message.
    pub(crate) fn flush_at_end(&mut self, limit: Duration) {
        while !self.flush() && !self.closed {
            if !self.channel.wait_writable(limit).unwrap_or(false) {
                return;
            }
        }
    }

    fn flush_messages(&mut self) -> bool {
        while let Some((bytes, sealed)) = self.messages.front() {
            let descriptors: Vec<BorrowedFd<'_>> = sealed.iter().map(AsFd::as_fd).collect();
            let sent = self.channel.send(bytes, &descriptors);
            match sent {
                Ok(Sent::Done) => {}
                Ok(Sent::Full) => return false,
                Ok(Sent::Closed) => {
                    self.closed = true;
                    self.messages.clear();
                    return true;
                }
                // It would fail again; the supervisor sees the gap in what it asked for.
                Err(_) => self.dropped += 1,
            }
            self.messages.pop_front();
        }
        true
    }

    fn flush_lines(&mut self) -> bool {
        while !self.lines.is_empty() || self.dropped > 0 {
            let mut room = BATCH_BYTES;
            let mut count = 0;
            for line in &self.lines {
                let size = line.text.len() + LINE_OVERHEAD;
                if count > 0 && size > room {
                    break;
                }
                room = room.saturating_sub(size);
                count += 1;
            }
            let lines: Vec<Line> = self.lines.drain(..count).collect();
            let size: usize = lines.iter().map(|line| line.text.len() + LINE_OVERHEAD).sum();
            let message = FromRole::Log {
                lines,
                dropped: self.dropped,
            };
            let sent = ipc::encode(&message).and_then(|bytes| self.channel.send(&bytes, &[]));
            match sent {
                Ok(Sent::Done) => self.dropped = 0,
                Ok(Sent::Full) => {
                    if let FromRole::Log { lines, .. } = message {
                        lines.into_iter().rev().for_each(|line| self.lines.push_front(line));
                    }
                    return false;
                }
                Ok(Sent::Closed) => {
                    self.closed = true;
                    self.lines.clear();
                    self.line_bytes = 0;
                    self.dropped = 0;
                    return true;
                }
                Err(_) => {
                    self.dropped += count as u64;
                    self.line_bytes = self.line_bytes.saturating_sub(size);
                    return true;
                }
            }
            self.line_bytes = self.line_bytes.saturating_sub(size);
        }
        true
    }
}

impl Sink for Outbox {
    fn take(&mut self, line: Line) {
        let size = line.text.len() + LINE_OVERHEAD;
        if self.line_bytes + size > MAX_WAITING_BYTES {
            self.dropped += 1;
            return;
        }
        self.line_bytes += size;
        self.lines.push_back(line);
        if self.line_bytes >= BATCH_BYTES {
            self.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Level, Reporter};
    use linux::ipc::{MAX_MESSAGE, Received};
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn what_a_role_says_arrives_in_order_and_drops_are_counted() {
        let (near, far) = Channel::pair().unwrap();
        let outbox = Rc::new(RefCell::new(Outbox::new(near)));
        let reporter = Reporter::remote(&outbox, 0);
        let total = 60_000;
        for number in 0..total {
            reporter.info(format_args!("line {number:040}"));
        }
        reporter.say(Level::Detail, "not asked for");
        outbox
            .borrow_mut()
            .send(&FromRole::Ready { generation: 1 }, None)
            .unwrap();
        let (mut lines, mut dropped, mut ready) = (Vec::new(), 0, false);
        let mut buffer = vec![0; MAX_MESSAGE];
        for _ in 0..10_000 {
            outbox.borrow_mut().flush();
            let Received::Message { length, .. } = far.receive(&mut buffer).unwrap() else {
                break;
            };
            if let FromRole::Log {
                lines: more,
                dropped: count,
            } = ipc::decode(&buffer[..length]).unwrap()
            {
                lines.extend(more.into_iter().map(|line| line.text));
                dropped += count;
            } else {
                ready = true;
            }
        }
        assert!(ready);
        assert!(dropped > 0, "the test fills no buffer");
        assert_eq!(lines.len() as u64 + dropped, total);
        assert!(lines.is_sorted());
    }

    #[test]
    fn nothing_waits_for_a_supervisor_that_is_gone() {
        let (near, far) = Channel::pair().unwrap();
        drop(far);
        let mut outbox = Outbox::new(near);
        outbox.take(Line::new(Level::Info, "hello"));
        outbox.send(&FromRole::Finished, None).unwrap();
        outbox.flush_at_end(Duration::from_secs(5));
        assert!(outbox.lines.is_empty() && outbox.messages.is_empty());
    }
}
