//! What an operator may read: every message of the election in one place, in the wording scripts know.

use crate::config::Name;
use alloc::string::String;
use core::fmt;

/// Something that happened to an instance, printed with upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose; `None` for the engine as a whole.
    pub instance: Option<Name>,
    /// How much it matters.
    pub level: Level,
    /// The text after the `(NAME) ` prefix.
    pub text: String,
}

/// Who should read an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Developers.
    Debug,
    /// Operators who asked for detail (`-D`).
    Detail,
    /// Operators.
    Info,
    /// Operators who should do something.
    Warning,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instance {
            Some(name) => write!(f, "({name}) {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}
