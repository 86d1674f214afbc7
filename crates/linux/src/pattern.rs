//! Patterns of PCRE2, for bodies that servers send.
//!
//! It is not the kernel's, but it is C code: its calls are beside the other `unsafe` ones. What is searched and how long is
//! the caller's; here an attempt has bounds that no text can exceed.

use crate::sys::pcre::{self, Attempt, Code};
use pcre2_sys::{
    PCRE2_ANCHORED, PCRE2_INFO_ALLOPTIONS, PCRE2_INFO_MAXLOOKBEHIND, PCRE2_MATCH_INVALID_UTF, PCRE2_PARTIAL_HARD,
    PCRE2_USE_OFFSET_LIMIT, PCRE2_UTF,
};
use std::fmt;

/// Steps of the matcher for a match that starts at one byte: some ten milliseconds. What takes more does not match.
const STEPS: u32 = 250_000;
/// The same for a first try: some tens of microseconds.
const FEW_STEPS: u32 = 2_000;
/// KiB of memory for one attempt where the configuration says nothing.
const HEAP: u32 = 4 * 1024;
/// The most it can be given.
const HEAP_MAX: u64 = 64 * 1024;

/// How many steps an attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Few, as for nearly all patterns and texts: a limit that is reached says nothing yet.
    Little,
    /// As many as a text is worth.
    Full,
}

/// What an attempt found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It matches.
    Match,
    /// No match starts where one was looked for.
    Nothing,
    /// What begins at this byte matches as far as the text goes: more of it decides.
    Partial(usize),
    /// A limit was reached: nothing is known.
    TooHard,
}

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// The byte where it was noticed.
    pub offset: usize,
    /// PCRE2's words.
    pub text: String,
}

/// A compiled pattern.
pub struct Pattern {
    code: Code,
    /// KiB an attempt may use.
    heap: u32,
    lookbehind: usize,
    utf: bool,
    anchored: bool,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern").finish_non_exhaustive()
    }
}

impl Pattern {
    /// Compiles a pattern. `options`: the bits of PCRE2's `pcre2_compile()`; `memory`: bytes an attempt may use.
    ///
    /// # Errors
    /// It is none.
    pub fn compile(pattern: &[u8], options: u32, memory: Option<u64>) -> Result<Pattern, PatternError> {
        let compile = |options: u32| {
            Code::compile(pattern, options | PCRE2_USE_OFFSET_LIMIT).map_err(|(error, offset)| PatternError {
                offset,
                text: pcre::message(error),
            })
        };
        let mut code = compile(options)?;
        let found = code.info(PCRE2_INFO_ALLOPTIONS);
        let utf = found & PCRE2_UTF != 0;
        if utf {
            // A server may send anything: what is no UTF-8 matches nothing, instead of ending the search.
            code = compile(options | PCRE2_MATCH_INVALID_UTF)?;
        }
        let heap = memory.map_or(HEAP, |bytes| {
            u32::try_from(bytes.div_ceil(1024).min(HEAP_MAX)).unwrap_or(HEAP)
        });
        // In characters, of at most 4 bytes; at least one, which "start of a line" looks at and PCRE2 does not always count.
        let characters = (code.info(PCRE2_INFO_MAXLOOKBEHIND) as usize).max(1);
        Ok(Pattern {
            code,
            heap,
            lookbehind: characters * if utf { 4 } else { 1 },
            utf,
            anchored: found & PCRE2_ANCHORED != 0,
        })
    }

    /// Bytes before its start that a match may look at.
    pub const fn lookbehind(&self) -> usize {
        self.lookbehind
    }

    /// Whether the text is UTF-8: an attempt must not start, nor the text end, within a character.
    pub const fn is_utf(&self) -> bool {
        self.utf
    }

    /// Whether a match can only start at the first byte that is looked at.
    pub const fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// Looks for a match that starts at the bytes from `first` to `last` of `text`. `more`: it may go on.
    pub fn find(&mut self, text: &[u8], first: usize, last: usize, more: bool, effort: Effort) -> Found {
        let steps = match effort {
            Effort::Little => FEW_STEPS,
            Effort::Full => STEPS,
        };
        self.code.limit(steps, self.heap);
        let options = if more { PCRE2_PARTIAL_HARD } else { 0 };
        match self.code.attempt(text, first, last, options) {
            Attempt::Match => Found::Match,
            Attempt::Nothing => Found::Nothing,
            Attempt::Partial(from) => Found::Partial(from),
            Attempt::GaveUp => Found::TooHard,
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at offset {}: {}", self.offset, self.text)
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(pattern: &str) -> Pattern {
        Pattern::compile(pattern.as_bytes(), 0, None).unwrap()
    }

    #[test]
    fn a_match_starts_within_its_bounds() {
        let mut pattern = compile("b+");
        let text = b"aabba";
        assert_eq!(pattern.find(text, 0, 4, false, Effort::Full), Found::Match);
        assert_eq!(pattern.find(text, 0, 1, false, Effort::Full), Found::Nothing);
        assert_eq!(pattern.find(text, 4, 4, false, Effort::Full), Found::Nothing);
        assert_eq!(pattern.find(text, 9, 9, false, Effort::Full), Found::Nothing);
    }

    #[test]
    fn what_may_go_on_is_a_partial_match() {
        let mut pattern = compile("hello");
        assert_eq!(pattern.find(b"say hel", 0, 6, true, Effort::Full), Found::Partial(4));
        assert_eq!(pattern.find(b"say hel", 0, 6, false, Effort::Full), Found::Nothing);
    }

    #[test]
    fn a_pattern_that_is_none_says_where() {
        let error = Pattern::compile(b"a(b", 0, None).unwrap_err();
        assert_eq!(error.to_string(), "at offset 3: missing closing parenthesis");
    }

    #[test]
    fn a_hostile_text_is_too_hard_and_not_endless() {
        let mut pattern = compile("(a+)+$");
        let text = [&[b'a'; 4000][..], b"!"].concat();
        assert_eq!(pattern.find(&text, 0, 0, false, Effort::Full), Found::TooHard);
        // Hard at first sight only.
        let text = [&[b'a'; 12][..], b"!"].concat();
        assert_eq!(pattern.find(&text, 0, 0, false, Effort::Little), Found::TooHard);
        assert_eq!(pattern.find(&text, 0, 0, false, Effort::Full), Found::Nothing);
    }

    #[test]
    fn what_is_no_utf_8_matches_nothing_and_ends_no_search() {
        let mut pattern = compile("(*UTF)\u{e4}x");
        assert!(pattern.is_utf());
        let text = b"\xff\xfe\xc3\xa4x";
        assert_eq!(pattern.find(text, 0, text.len(), false, Effort::Full), Found::Match);
    }
}
