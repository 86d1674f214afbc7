//! What is said about a configuration: the message, its weight and its place.
//!
//! Decides how severe a message is for `-t` and for a start, and the plain line that scripts match. Which messages
//! exist is decided where they are made; the picture on a terminal is drawn by [`crate::render`].

use std::fmt;
use std::sync::Arc;

/// How severe a message is, from harmless to severe in upstream's order: the exit code of `-t` is that of the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Said, but not counted.
    Notice,
    /// A file is missing or cannot be read.
    FileNotFound,
    /// An interface does not exist.
    BadInterface,
    /// The configuration cannot run.
    Fatal,
    /// Several files where one was meant.
    MultipleFiles,
    /// A word that is no keyword here.
    UnknownKeyword,
    /// An opening brace too many.
    UnexpectedOpen,
    /// An opening brace too few.
    MissingOpen,
    /// A closing brace too many.
    UnexpectedClose,
    /// A closing brace too few.
    MissingClose,
    /// A quote that never ends.
    UnmatchedQuote,
    /// A keyword without its parameter: reading stops.
    MissingParameter,
    /// Not a number, or not in its range.
    InvalidNumber,
    /// Any other error.
    Error,
    /// An error after which there is nothing to run; for `-t` one like any other.
    Unusable,
    /// Legal, but probably wrong.
    Warning,
    /// An old spelling.
    Deprecated,
    /// A script that others may change.
    Security,
}

/// Which reader of the configuration upstream says a message from.
///
/// Upstream reads the file once in its parent and once in each child, and says what each notices. We read it once and say
/// it once, in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The parent: files, lines, root keywords, `global_defs`.
    Parent,
    /// The checker process.
    Checker,
    /// The VRRP process.
    Vrrp,
    /// The BFD process.
    Bfd,
}

/// A place in a file, for people and for pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file as an index into the bundle.
    pub source: usize,
    /// Its name as it was given.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The bytes of the file it is about.
    pub span: std::ops::Range<usize>,
}

/// One step of the way a text took to its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What happened there.
    pub text: String,
    /// Where.
    pub at: Option<Location>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable name for programs.
    pub code: &'static str,
    /// How severe it is.
    pub class: Class,
    /// Who says it in upstream.
    pub stage: Stage,
    /// The message in upstream's words, where upstream has the message.
    pub message: String,
    /// Where it is.
    pub at: Option<Location>,
    /// Whether upstream's line names the place (it does while reading, not afterwards).
    pub placed: bool,
    /// Whether upstream's line names the file.
    pub named: bool,
    /// What the marked text expands to, if it is an expansion.
    pub expands_to: Option<String>,
    /// The expansions it came through, innermost first, then the inclusions.
    pub origin: Vec<Note>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// The lines it is about may hold a secret: none of them is shown.
    pub hidden: bool,
}

impl fmt::Display for Diagnostic {
    /// Upstream's line: `(FILE: Line N) message`, `(Line N) message` or `message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) if self.placed && self.named => write!(f, "({}: Line {}) ", at.file, at.line)?,
            Some(at) if self.placed => write!(f, "(Line {}) ", at.line)?,
            Some(_) | None => {}
        }
        f.write_str(&self.message)
    }
}

/// The exit code of `-t`: 0, 2, 4, 5 or 6.
pub fn exit_code(diagnostics: &[Diagnostic]) -> u8 {
    if diagnostics.iter().any(|d| d.class == Class::MissingParameter) {
        return 2;
    }
    match diagnostics.iter().map(|d| d.class).max().unwrap_or(Class::Notice) {
        Class::Notice => 0,
        Class::FileNotFound | Class::BadInterface | Class::Fatal => 4,
        Class::MultipleFiles
        | Class::UnknownKeyword
        | Class::UnexpectedOpen
        | Class::MissingOpen
        | Class::UnexpectedClose
        | Class::MissingClose
        | Class::UnmatchedQuote
        | Class::MissingParameter
        | Class::InvalidNumber
        | Class::Error
        | Class::Unusable
        | Class::Warning
        | Class::Deprecated => 5,
        Class::Security => 6,
    }
}

/// The exit code with which a start (not `-t`) must end, if it must: 6 for a file that is missing, 2 for a missing
/// parameter, an interface that does not exist or a configuration that cannot run.
pub fn fatal(diagnostics: &[Diagnostic]) -> Option<u8> {
    let has = |class| diagnostics.iter().any(|d| d.class == class);
    if has(Class::FileNotFound) {
        return Some(6);
    }
    let cannot = [
        Class::MissingParameter,
        Class::BadInterface,
        Class::Fatal,
        Class::Unusable,
    ];
    cannot.into_iter().any(has).then_some(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(class: Class) -> Diagnostic {
        Diagnostic {
            code: "test",
            class,
            stage: Stage::Parent,
            message: "message".to_owned(),
            at: Some(Location {
                source: 0,
                file: "a.conf".into(),
                line: 7,
                span: 0..0,
            }),
            placed: true,
            named: false,
            expands_to: None,
            origin: Vec::new(),
            hints: Vec::new(),
            hidden: false,
        }
    }

    #[test]
    fn the_line_names_the_file_only_where_upstream_does() {
        let mut d = of(Class::Error);
        assert_eq!(d.to_string(), "(Line 7) message");
        d.named = true;
        assert_eq!(d.to_string(), "(a.conf: Line 7) message");
        d.placed = false;
        assert_eq!(d.to_string(), "message");
    }

    #[test]
    fn the_highest_class_decides_the_exit_code_of_a_check() {
        assert_eq!(exit_code(&[]), 0);
        assert_eq!(exit_code(&[of(Class::Notice)]), 0);
        assert_eq!(exit_code(&[of(Class::FileNotFound)]), 4);
        assert_eq!(exit_code(&[of(Class::BadInterface), of(Class::Warning)]), 5);
        assert_eq!(exit_code(&[of(Class::Security), of(Class::Error)]), 6);
        assert_eq!(exit_code(&[of(Class::Security), of(Class::MissingParameter)]), 2);
    }

    #[test]
    fn a_start_ends_only_for_what_upstream_cannot_run() {
        assert_eq!(fatal(&[of(Class::Error), of(Class::Deprecated)]), None);
        assert_eq!(fatal(&[of(Class::FileNotFound)]), Some(6));
        assert_eq!(fatal(&[of(Class::MissingParameter)]), Some(2));
        assert_eq!(fatal(&[of(Class::BadInterface)]), Some(2));
    }
}
