//! From files to logical lines: comments, conditions, definitions, repetition, includes, braces.
//!
//! keepalived.conf is a macro language before it is a grammar. The [`Reader`] gives one logical line after the other:
//! a brace alone, or words without a brace, each with its way back to the file. It decides nothing about keywords, with
//! two exceptions that change how reading goes on: `include_check` and `random_seed`. Files come through [`Files`], so
//! the same code reads from a loader and from a bundle.

mod define;
mod include;
mod line;
mod repeat;
mod text;

pub(crate) use repeat::number;
pub(crate) use text::is_space;

use crate::bundle::{Facts, LoadError};
use crate::diagnostic::Class;
use crate::limits;
use crate::source::{Mark, Sources, Text};
use base::Rng;
use define::{Definition, Substituted, ValueLine};
use include::{Checks, OpenFile};
use line::{Builder, Line};
use repeat::{Head, Kind, List, Sequence, Unusable};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a loader answered: the files that match, each with its number or with the reason why it cannot be read.
pub type Answer = Result<Vec<Found>, LoadError>;

/// A file that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its path.
    pub path: PathBuf,
    /// Its number in the bundle.
    pub file: Result<usize, LoadError>,
}

/// Where a reader has its files from.
pub trait Files {
    /// The files that match an absolute pattern.
    fn ask(&mut self, pattern: &str) -> Answer;
    /// The text of a file.
    fn text(&self, file: usize) -> Arc<str>;
}

/// A logical line.
#[derive(Clone, Copy, Debug)]
pub struct Logical<'r> {
    /// Its text, with the way back.
    pub text: Text<'r>,
    /// The whole line it is part of.
    pub at: Mark,
    /// It may be the rest of a password that a brace cut in pieces.
    pub secret: bool,
}

/// Something the reader has to say.
#[derive(Clone, Debug)]
pub struct Message {
    /// How severe it is.
    pub class: Class,
    /// Its stable name.
    pub code: &'static str,
    /// Upstream's words.
    pub text: String,
    /// Where; `None` for the command line and for the configuration as a whole.
    pub at: Option<Mark>,
}

/// Lines that come before the next one of the file.
#[derive(Clone, Debug)]
enum Pending {
    /// The rest of a definition of several lines.
    Lines {
        name: String,
        lines: Arc<[ValueLine]>,
        next: usize,
        used: Mark,
    },
    /// A repetition over numbers.
    Sequence(Sequence, Line),
    /// A repetition over tuples.
    List(List, Line),
}

/// Reads a configuration line by line.
pub struct Reader<'f, F> {
    facts: &'f Facts,
    files: F,
    sources: Sources,
    open: Vec<OpenFile>,
    pending: Vec<Pending>,
    definitions: HashMap<String, Definition>,
    checks: Checks,
    rng: Rng,
    current: Option<Line>,
    rest: Option<Line>,
    messages: Vec<Message>,
    steps: u64,
    exhausted: bool,
    depth: u32,
}

impl<'f, F: Files> Reader<'f, F> {
    /// A reader that has nothing to read yet.
    pub fn new(facts: &'f Facts, files: F) -> Reader<'f, F> {
        Reader {
            facts,
            files,
            sources: Sources::default(),
            open: Vec::new(),
            pending: Vec::new(),
            definitions: HashMap::new(),
            checks: if facts.strict_includes {
                Checks::ALL
            } else {
                Checks::NONE
            },
            rng: Rng::from_seed(facts.seed),
            current: None,
            rest: None,
            messages: Vec::new(),
            steps: 0,
            exhausted: false,
            depth: 0,
        }
    }

    /// What was said since the last call.
    pub fn take_messages(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }

    /// Where everything came from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Where the files come from.
    pub fn files(&self) -> &F {
        &self.files
    }

    /// Where the files come from.
    pub fn files_mut(&mut self) -> &mut F {
        &mut self.files
    }

    /// Ends the reading and gives the files back.
    pub fn into_files(self) -> F {
        self.files
    }

    /// The logical line that [`Reader::next`] found.
    pub fn line(&self) -> Option<Logical<'_>> {
        self.current.as_ref().map(|line| Logical {
            text: line.with_pieces(),
            at: line.at,
            secret: line.secret,
        })
    }

    /// Goes to the next logical line: a brace alone, or words without a brace outside quotes.
    #[allow(clippy::should_implement_trait)] // the line borrows from the reader
    pub fn next(&mut self) -> Option<()> {
        loop {
            if self.exhausted {
                self.current = None;
                return None;
            }
            let mut line = match self.rest.take() {
                Some(rest) => rest,
                None => match self.fetch() {
                    Some(line) => match self.prepare(line) {
                        Some(line) => line,
                        None => continue,
                    },
                    None => {
                        self.finish();
                        return None;
                    }
                },
            };
            if let Some(at) = Some(&line)
                .filter(|line| line.signs.braces)
                .and_then(|line| text::brace(line.text()))
            {
                let cut = at.max(1);
                let mut rest = line.clone();
                rest.advance(cut);
                rest.secret |= text::begins_secret(line.text());
                self.rest = Some(rest).filter(|rest| !rest.text().is_empty());
                line.truncate(cut);
            }
            if line.text().is_empty() {
                continue;
            }
            self.spend(1);
            self.count_braces(&line);
            self.obey(line.text());
            self.current = Some(line);
            return Some(());
        }
    }

    fn count_braces(&mut self, line: &Line) {
        match line.text() {
            "{" => self.depth = self.depth.saturating_add(1),
            "}" => match self.depth.checked_sub(1) {
                Some(depth) => self.depth = depth,
                None => {
                    let mark = line.mark(0, 1);
                    self.say(
                        Class::UnexpectedClose,
                        "extra-close",
                        "Extra '}' found".to_owned(),
                        mark,
                    );
                }
            },
            _ => {}
        }
    }

    fn finish(&mut self) {
        self.current = None;
        // `take` makes a second call silent.
        let open = std::mem::take(&mut self.depth);
        if open > 0 {
            self.messages.push(Message {
                class: Class::MissingClose,
                code: "missing-close",
                text: format!("There are {open} missing '}}'s or extra '{{'s"),
                at: None,
            });
        }
    }

    /// The two keywords that change how reading goes on.
    fn obey(&mut self, text: &str) {
        if !text.starts_with("include_check") && !text.starts_with("random_seed") {
            return;
        }
        let mut words = text.split_ascii_whitespace();
        match words.next() {
            Some("include_check") => {
                let words: Vec<&str> = words.collect();
                self.checks = if self.facts.strict_includes {
                    Checks::ALL
                } else {
                    self.checks.changed(&words)
                };
            }
            Some("random_seed") => {
                if let Some(seed) = words.next().and_then(|word| word.parse::<u32>().ok()) {
                    self.rng = Rng::from_seed(u64::from(seed));
                }
            }
            Some(_) | None => {}
        }
    }

    /// Says something.
    fn say(&mut self, class: Class, code: &'static str, text: String, at: Mark) {
        self.messages.push(Message {
            class,
            code,
            text,
            at: Some(at),
        });
    }

    /// Counts work, and ends the reading when there was too much.
    fn spend(&mut self, steps: u64) {
        self.steps += steps;
        if self.steps > limits::EXPANSION_STEPS && !self.exhausted {
            self.exhausted = true;
            self.messages.push(Message {
                class: Class::Fatal,
                code: "expansion-limit",
                text: format!(
                    "Expansion of the configuration exceeds {} steps - stopping",
                    limits::EXPANSION_STEPS
                ),
                at: self.current.as_ref().map(|line| line.at),
            });
        }
    }

    /// The next line before any expansion: from what is pending, else from the file. Comments and white space are gone;
    /// a line that is only a comment is no line at all.
    fn fetch(&mut self) -> Option<Line> {
        loop {
            if self.exhausted {
                return None;
            }
            let line = match self.pending.pop() {
                Some(pending) => self.resume(pending),
                None => Some(self.physical()?),
            };
            let Some(mut line) = line else { continue };
            if !line.signs.language {
                return Some(line);
            }
            let Some(at) = text::comment(line.text()) else {
                return Some(line);
            };
            line.truncate(at);
            if !line.text().is_empty() {
                return Some(line);
            }
        }
    }

    /// One step of what is pending; puts the rest back.
    fn resume(&mut self, pending: Pending) -> Option<Line> {
        // What people write is a few levels deep; what contains itself is at the bottom nearly all the time.
        self.spend(1 + self.pending.len() as u64 / limits::CHEAP_DEPTH);
        match pending {
            Pending::Lines {
                name,
                lines,
                next,
                used,
            } => {
                let value = lines.get(next)?.clone();
                let what = || format!("`${name}` is defined here");
                let origin = self.sources.expand(used.origin, value.at, what);
                if next + 1 < lines.len() {
                    self.pending.push(Pending::Lines {
                        name,
                        lines,
                        next: next + 1,
                        used,
                    });
                }
                let mark = Mark { origin, ..used };
                let mut builder = Builder::default();
                builder.insert(&value.text, mark);
                Some(builder.finish(mark))
            }
            Pending::Sequence(mut sequence, line) => {
                let value = sequence.advance()?;
                let name = sequence.variable.clone();
                let next = self.iteration(&line, &[(name, value)]);
                self.pending.push(Pending::Sequence(sequence, line));
                Some(next)
            }
            Pending::List(mut list, line) => {
                let values = list.advance()?;
                let next = self.iteration(&line, &values);
                self.pending.push(Pending::List(list, line));
                Some(next)
            }
        }
    }

    /// The text of a repetition with its variables set.
    fn iteration(&mut self, line: &Line, values: &[(String, String)]) -> Line {
        let what = || {
            let with: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("repeated with {}", with.join(", "))
        };
        let origin = self.sources.expand(line.at.origin, Some(line.at), what);
        self.spend(limits::ITERATION_STEPS);
        for (name, value) in values {
            self.definitions
                .insert(name.clone(), Definition::single(value, Some(line.at)));
        }
        let mut next = line.clone();
        next.under(origin);
        next
    }

    /// The next line of the file on top.
    fn physical(&mut self) -> Option<Line> {
        loop {
            let open = self.open.last_mut()?;
            let Some((from, to, number)) = open.next_line() else {
                if let Some(closed) = self.open.pop() {
                    self.checks = closed.checks;
                }
                continue;
            };
            let at = Mark {
                inclusion: open.inclusion,
                line: number,
                from: from as u32,
                to: to as u32,
                origin: None,
            };
            let mut line = Line::of_file(&open.text, from, to, at);
            self.spend(1);
            if text::stored_len(line.text()) > limits::LINE_BYTES {
                self.say(Class::Error, "line-too-long", "line too long - ignoring".to_owned(), at);
                continue;
            }
            if line.signs.language && line.text().contains('\0') {
                let text = "configuration appears to have embedded NULs - ignoring line".to_owned();
                self.say(Class::Error, "embedded-nul", text, at);
                continue;
            }
            line.trim();
            line.at = line.mark(0, line.to - line.from);
            return Some(line);
        }
    }

    /// Steps 4 to 7: conditions, definitions, repetition, substitution, includes. `None` if nothing is left.
    fn prepare(&mut self, mut line: Line) -> Option<Line> {
        if !line.signs.language {
            let gone = line.text().is_empty() || self.include_line(&line);
            return if gone { None } else { Some(line) };
        }
        let mut rounds = 0;
        let mut written: Option<Line> = None;
        loop {
            if line.text().is_empty() {
                return None;
            }
            if line.text().starts_with('@') && !self.condition(&mut line) {
                return None;
            }
            if let Some((name, value)) = define::definition(line.text()).filter(|_| rounds == 0) {
                self.define(&line, name, value);
                return None;
            }
            match repeat::head(line.text()) {
                Some(head) => return self.repeat(line, head),
                None if line.text().contains('$') => {}
                None => break,
            }
            if rounds >= limits::SUBSTITUTION_ROUNDS {
                let shown = crate::render::mask(line.text());
                let text = format!("Definitions on line '{shown}' contain themselves - giving up");
                self.say(Class::Error, "definition-loop", text, line.at);
                // As it was written: what the rounds made of it helps nobody.
                line = written.unwrap_or(line);
                break;
            }
            match self.substitute(&line) {
                Substituted::Unchanged => break,
                Substituted::Changed(next) => {
                    let before = std::mem::replace(&mut line, next);
                    written.get_or_insert(before);
                }
                Substituted::TooLong => return None,
            }
            rounds += 1;
            line.trim();
        }
        if rounds > 0
            && let Some(at) = text::comment(line.text())
        {
            line.truncate(at);
        }
        let line = unescape(line);
        if self.include_line(&line) { None } else { Some(line) }
    }

    /// Whether the condition at the beginning of a line holds; takes it off.
    fn condition(&self, line: &mut Line) -> bool {
        let text = line.text();
        let (differs, id) = match text.strip_prefix("@^") {
            Some(rest) => (true, rest),
            None => (false, text.get(1..).unwrap_or_default()),
        };
        let len = id.bytes().take_while(|&b| !text::is_space(b)).count();
        let same = id.get(..len) == Some(self.facts.config_id.as_str());
        let head = text.len() - id.len() + len;
        line.advance(head);
        same != differs && !line.text().is_empty()
    }

    /// Begins a repetition.
    fn repeat(&mut self, line: Line, head: Result<Head, Kind>) -> Option<Line> {
        let unusable = match head {
            Err(Kind::List) => Unusable::List,
            Err(Kind::Decimal | Kind::Hexadecimal) => Unusable::Definition,
            Ok(head) => match self.begin(&line, head) {
                Ok(pending) => {
                    let at = line.at;
                    self.pend(pending, at);
                    return None;
                }
                Err(unusable) => unusable,
            },
        };
        let shown = crate::render::mask(line.text());
        let (first, second) = match unusable {
            Unusable::Definition => (Some(format!("Invalid ~SEQ definition '{shown}'")), "SEQ"),
            Unusable::Values => (Some(format!("Invalid ~SEQ values '{shown}'")), "SEQ"),
            Unusable::List => (None, "LST"),
            Unusable::TooMany => (Some(format!("~LST specification has too many values '{shown}'")), "LST"),
        };
        if let Some(first) = first {
            self.say(Class::Error, "repetition-values", first, line.at);
        }
        let second = format!("Invalid ~{second} specification '{shown}'");
        self.say(Class::Error, "repetition-invalid", second, line.at);
        None
    }

    fn begin(&mut self, line: &Line, head: Head) -> Result<Pending, Unusable> {
        let wrong = match head.kind {
            Kind::List => Unusable::List,
            Kind::Decimal | Kind::Hexadecimal => Unusable::Definition,
        };
        let text = self.substitute_head(line, head.from, head.to).ok_or(wrong)?;
        let mut rest = line.clone();
        rest.advance(head.to + 1);
        Ok(match head.kind {
            Kind::Decimal => Pending::Sequence(repeat::sequence(&text, false)?, rest),
            Kind::Hexadecimal => Pending::Sequence(repeat::sequence(&text, true)?, rest),
            Kind::List => Pending::List(repeat::list(&text)?, rest),
        })
    }

    /// Puts lines before the next one of the file.
    fn pend(&mut self, pending: Pending, at: Mark) {
        if self.pending.len() >= limits::NESTED_EXPANSIONS {
            let text = format!(
                "More than {} expansions inside each other - ignoring",
                limits::NESTED_EXPANSIONS
            );
            self.say(Class::Error, "nested-expansions", text, at);
            return;
        }
        self.pending.push(pending);
    }

    /// The directory that relative names of the file being read begin in.
    pub fn directory(&self) -> &Path {
        self.open
            .last()
            .map_or(self.facts.directory.as_path(), |open| open.directory.as_path())
    }
}

/// Takes out the backslashes that protected a `#` or `!`.
fn unescape(line: Line) -> Line {
    let escapes = text::escapes(line.text());
    if escapes.is_empty() {
        return line;
    }
    let mut builder = Builder::default();
    let mut from = 0;
    for at in escapes {
        builder.copy(&line, from, at);
        from = at + 1;
    }
    builder.copy(&line, from, line.text().len());
    builder.finish(line.at)
}
