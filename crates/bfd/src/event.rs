//! What an operator may read: every message of the sessions in one place, in the wording scripts know.

use crate::config::Name;
use alloc::string::String;
use core::fmt;

/// Something that happened to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose; `None` for the engine as a whole.
    pub session: Option<Name>,
    /// How much it matters.
    pub level: Level,
    /// The text after the `(NAME) ` prefix.
    pub text: String,
}

/// Who should read an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Operators who asked for detail (`-D`).
    Detail,
    /// Operators.
    Info,
    /// Operators who should do something.
    Warning,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.session {
            Some(name) => write!(f, "({name}) {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}
