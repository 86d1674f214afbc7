//! What the daemon says, to whom, and how it gets there.
//!
//! A [`Reporter`] takes lines from the code that has something to say. In the supervisor they are written at once
//! (`writer`); in a role they travel over the control channel, because a role never writes to anything that can
//! block. What is worth saying is not decided here. This module alone asks for the wall time.

pub(crate) mod date;
pub(crate) mod outbox;
pub(crate) mod syslog;
pub(crate) mod writer;

use outbox::Outbox;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a line that are kept; upstream cuts at 255. Small enough that a line with its date fits a pipe's page.
pub(crate) const MAX_LINE: usize = 2048;

/// Who should read a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Level {
    /// The operator, now: a process of the daemon died.
    Alert,
    /// The operator: something does not work.
    Error,
    /// The operator: something should be looked at.
    Warning,
    /// The operator: state changes.
    Info,
    /// Operators who asked for detail (`-D`).
    Detail,
    /// Developers, and operators who asked twice.
    Debug,
}

impl Level {
    /// The severity of RFC 5424 section 6.2.1.
    pub(crate) const fn severity(self) -> u8 {
        match self {
            Level::Alert => 1,
            Level::Error => 3,
            Level::Warning => 4,
            Level::Info | Level::Detail => 6,
            Level::Debug => 7,
        }
    }

    /// How often `-D` must have been given for a line of this level to be kept.
    pub(crate) const fn detail(self) -> u8 {
        match self {
            Level::Alert | Level::Error | Level::Warning | Level::Info => 0,
            Level::Detail => 1,
            Level::Debug => 2,
        }
    }
}

impl From<vrrp::event::Level> for Level {
    fn from(level: vrrp::event::Level) -> Level {
        match level {
            vrrp::event::Level::Debug => Level::Debug,
            vrrp::event::Level::Detail => Level::Detail,
            vrrp::event::Level::Info => Level::Info,
            vrrp::event::Level::Warning => Level::Warning,
        }
    }
}

/// One line, stamped where it was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Who should read it.
    pub(crate) level: Level,
    /// Wall time since 1970, UTC.
    pub(crate) at: Duration,
    /// Without line feeds or other control characters.
    pub(crate) text: String,
}

impl Line {
    /// A line said now; control characters become spaces and what is longer than [`MAX_LINE`] is cut.
    pub(crate) fn new(level: Level, text: &str) -> Line {
        let cut = text.floor_char_boundary(MAX_LINE);
        let text = text.get(..cut).unwrap_or_default();
        Line {
            level,
            at: wall_time(),
            text: text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        }
    }
}

/// Wall time since 1970, UTC.
#[allow(
    clippy::disallowed_methods,
    reason = "dates of log lines are the one use of the wall time"
)]
pub(crate) fn wall_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Where lines go that were said in this process.
pub(crate) trait Sink {
    /// Takes one line. Never blocks.
    fn take(&mut self, line: Line);
}

/// A handle for saying things; copies of it lead to the same place.
#[derive(Clone)]
pub(crate) struct Reporter {
    sink: Rc<RefCell<dyn Sink>>,
    detail: u8,
}

impl Reporter {
    /// Lines go to `sink`, those that need more `-D` than `detail` nowhere.
    pub(crate) fn new(sink: Rc<RefCell<dyn Sink>>, detail: u8) -> Reporter {
        Reporter { sink, detail }
    }

    /// Lines go to the supervisor.
    pub(crate) fn remote(outbox: &Rc<RefCell<Outbox>>, detail: u8) -> Reporter {
        Reporter::new(Rc::<RefCell<Outbox>>::clone(outbox), detail)
    }

    /// Whether a line of this level would be kept, for texts that are dear to make.
    pub(crate) fn keeps(&self, level: Level) -> bool {
        level.detail() <= self.detail
    }

    /// Says something; each line of the text is one line of the log.
    pub(crate) fn say(&self, level: Level, text: impl fmt::Display) {
        if self.keeps(level) {
            for line in text.to_string().lines() {
                self.sink.borrow_mut().take(Line::new(level, line));
            }
        }
    }

    /// Says something operators want to know.
    pub(crate) fn info(&self, text: impl fmt::Display) {
        self.say(Level::Info, text);
    }

    /// Says that something does not work.
    pub(crate) fn error(&self, text: impl fmt::Display) {
        self.say(Level::Error, text);
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter")
            .field("detail", &self.detail)
            .finish_non_exhaustive()
    }
}
