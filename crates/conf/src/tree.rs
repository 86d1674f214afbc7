//! Which block a line belongs to.
//!
//! The grammar has no end of its own: whether `x {` opens a block depends on whether `x` is a keyword here. So the tree
//! is walked while lines arrive, and each node goes straight to its lowering; nothing is stored. Upstream reads the
//! file in several processes that know different keywords and therefore see different trees in a broken file; a
//! [`Walker`] is one such view. It knows braces and tables, and nothing of what keywords mean.

use crate::diagnostic::{Class, Stage};
use crate::keywords::{self, Block, Keyword, Shape};
use crate::limits;
use crate::lower::Lowering;
use crate::source::{Mark, Text};
use crate::suggest;
use std::ops::Range;

/// A logical line as words.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// The line.
    pub text: Text<'a>,
    /// Its words.
    pub words: &'a [Range<usize>],
    /// Whether every quote ends.
    pub balanced: bool,
    /// The whole line it is part of.
    pub at: Mark,
    /// It may be the rest of a password.
    pub secret: bool,
}

impl<'a> Statement<'a> {
    /// A word by its position; the keyword is at 0.
    pub fn word(&self, index: usize) -> Option<&'a str> {
        self.text.text.get(self.words.get(index)?.clone())
    }

    /// The words from a position on.
    pub fn from(&self, index: usize) -> impl Iterator<Item = &'a str> {
        self.words
            .get(index..)
            .unwrap_or_default()
            .iter()
            .filter_map(|range| self.text.text.get(range.clone()))
    }

    /// Where a word stands; the whole line if there is no such word.
    pub fn mark(&self, index: usize) -> Mark {
        self.words
            .get(index)
            .and_then(|range| self.text.mark(range.start, range.end))
            .unwrap_or(self.at)
    }

    /// Whether a word came out of an expansion.
    pub fn expanded(&self, index: usize) -> bool {
        self.words
            .get(index)
            .is_some_and(|range| self.text.expanded(range.start, range.end))
    }
}

/// A block that is open.
#[derive(Clone, Copy, Debug)]
struct Frame {
    keyword: &'static Keyword,
    at: Mark,
    inside: Inside,
    /// No `{` was seen yet.
    needs_open: bool,
    /// The keyword or one around it is only recognised.
    later: bool,
}

#[derive(Clone, Copy, Debug)]
enum Inside {
    Block(&'static Block),
    Values,
}

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skip {
    Nothing,
    /// A keyword of another process was read; a `{` would open a block to skip.
    Perhaps,
    /// Inside a block, so many braces deep.
    Block(u32),
}

/// One view of the file.
#[derive(Debug)]
pub struct Walker {
    stage: Stage,
    stack: Vec<Frame>,
    skip: Skip,
    halted: bool,
}

impl Walker {
    /// The view of one of upstream's processes.
    pub fn new(stage: Stage) -> Walker {
        Walker {
            stage,
            stack: Vec::new(),
            skip: Skip::Nothing,
            halted: false,
        }
    }

    /// Whose view it is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether reading stopped at a keyword without its parameter.
    pub fn halted(&self) -> bool {
        self.halted
    }

    /// The outermost block that is still open: its name and where it began.
    pub fn open_block(&self) -> Option<(&'static str, Mark)> {
        self.stack.first().map(|frame| (frame.keyword.name, frame.at))
    }

    /// The next line.
    pub fn push(&mut self, line: &Statement<'_>, low: &mut Lowering<'_>) {
        if self.halted || self.skipped(line.text.text) {
            return;
        }
        low.stage = self.stage;
        let Some(first) = line.word(0) else { return };
        let open = line.text.text == "{";
        let close = line.text.text == "}";
        match self.stack.last_mut() {
            Some(frame) if frame.needs_open => {
                frame.needs_open = false;
                if open {
                    return;
                }
                let text = match frame.inside {
                    Inside::Block(_) => "Missing '{' at beginning of configuration block".to_owned(),
                    Inside::Values => format!("'{{' missing from beginning of block {}", frame.keyword.name),
                };
                low.say(line, 0, Class::MissingOpen, "missing-open", text);
            }
            Some(Frame {
                inside: Inside::Values, ..
            }) => {}
            Some(_) | None if open => {
                low.say(
                    line,
                    0,
                    Class::UnexpectedOpen,
                    "unexpected-open",
                    "Unexpected '{' - ignoring".to_owned(),
                );
                return;
            }
            Some(_) | None => {}
        }
        match self.stack.last().copied() {
            Some(frame) if close => {
                self.stack.pop();
                match (frame.inside, frame.keyword.shape) {
                    (Inside::Block(block), _) if !frame.later => (block.close)(low, line),
                    (Inside::Values, Shape::Values(_, end)) if !frame.later => end(low, line),
                    (Inside::Block(_) | Inside::Values, _) => {}
                }
            }
            Some(Frame {
                inside: Inside::Values,
                keyword,
                later,
                ..
            }) => self.entry(keyword, later, line, low),
            Some(Frame {
                inside: Inside::Block(block),
                later,
                ..
            }) => match block.find(first) {
                Some(keyword) => self.keyword(keyword, later, line, low),
                None => self.unknown(first, Some(block), line, low),
            },
            None => match keywords::root(first) {
                Some((views, keyword)) if views.contains(&self.stage) => self.keyword(keyword, false, line, low),
                Some(_) => self.skip = Skip::Perhaps,
                None => self.unknown(first, None, line, low),
            },
        }
    }

    /// Whether a line belongs to a block that is left out.
    fn skipped(&mut self, text: &str) -> bool {
        match (self.skip, text) {
            (Skip::Nothing, _) => false,
            (Skip::Perhaps, "{") => {
                self.skip = Skip::Block(1);
                true
            }
            (Skip::Perhaps, _) => {
                self.skip = Skip::Nothing;
                false
            }
            (Skip::Block(depth), "{") => {
                self.skip = Skip::Block(depth.saturating_add(1));
                true
            }
            (Skip::Block(depth), "}") => {
                self.skip = if depth > 1 {
                    Skip::Block(depth - 1)
                } else {
                    Skip::Nothing
                };
                true
            }
            (Skip::Block(_), _) => true,
        }
    }

    /// A line of a value block.
    fn entry(&mut self, keyword: &'static Keyword, later: bool, line: &Statement<'_>, low: &mut Lowering<'_>) {
        Walker::check_quotes(line, low);
        if let (Shape::Values(entry, _), false) = (keyword.shape, later && keyword.lower.is_none()) {
            entry(low, line);
        }
        self.halted |= low.take_halt();
    }

    fn check_quotes(line: &Statement<'_>, low: &mut Lowering<'_>) {
        if !line.balanced {
            let masked = crate::render::mask(line.text.text);
            let shown = if line.secret || low.hides(line) {
                "********"
            } else {
                masked.as_str()
            };
            low.say(
                line,
                0,
                Class::UnmatchedQuote,
                "unmatched-quote",
                format!("Unmatched quote: '{shown}'"),
            );
        }
    }

    /// A keyword that is one.
    fn keyword(&mut self, keyword: &'static Keyword, later: bool, line: &Statement<'_>, low: &mut Lowering<'_>) {
        if !matches!(keyword.shape, Shape::Script) {
            Walker::check_quotes(line, low);
        }
        if line.words.len() <= usize::from(keyword.needs) {
            low.missing_parameter(line, line.words.len());
            self.halted |= low.take_halt();
            return;
        }
        match keyword.lower {
            Some(lower) => lower(low, line),
            None if !later => low.not_yet(line, keyword.name),
            None => {}
        }
        self.halted |= low.take_halt();
        let inside = match keyword.shape {
            Shape::Line | Shape::Script => return,
            Shape::Values(..) => {
                let given = 1 + usize::from(keyword.needs);
                if let Some(extra) = line.word(given) {
                    let text = format!("Block {} has extra parameters {extra} ...", keyword.name);
                    low.say(line, given, Class::Error, "extra-parameters", text);
                }
                Inside::Values
            }
            Shape::Block(block) => Inside::Block(block),
        };
        if low.take_refusal() || self.stack.len() >= limits::BLOCK_DEPTH {
            self.skip = Skip::Perhaps;
            return;
        }
        self.stack.push(Frame {
            keyword,
            at: line.mark(0),
            inside,
            needs_open: true,
            later: later || keyword.lower.is_none(),
        });
    }

    /// A word that is no keyword here.
    fn unknown(&self, word: &str, block: Option<&'static Block>, line: &Statement<'_>, low: &mut Lowering<'_>) {
        if low.is_full() {
            return;
        }
        Walker::check_quotes(line, low);
        let secret = low.is_secret(line, 0);
        let shown = if secret { "********" } else { word };
        low.say(
            line,
            0,
            Class::UnknownKeyword,
            "unknown-keyword",
            format!("Unknown keyword '{shown}'"),
        );
        if !secret && low.wants_hints() {
            low.hint(hints(word, block));
        }
    }
}

/// What may have been meant by a word that is no keyword here.
fn hints(word: &str, block: Option<&'static Block>) -> Vec<String> {
    let meant = match block {
        Some(block) => suggest::nearest(word, block.names()),
        None => suggest::nearest(word, keywords::root_names()),
    };
    if let Some(meant) = meant {
        return vec![format!("did you mean `{meant}`?")];
    }
    let homes: Vec<&str> = keywords::homes(word).collect();
    let [first, rest @ ..] = homes.as_slice() else {
        return Vec::new();
    };
    let more = if rest.is_empty() { "" } else { " and others" };
    vec![format!(
        "`{word}` belongs into {first}{more}; is a brace missing or one too many?"
    )]
}
