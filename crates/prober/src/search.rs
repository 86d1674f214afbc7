//! Looking for a pattern in a body that comes in pieces.
//!
//! A window of the body is kept: what a match may still look at. Bodies are hostile: steps, memory and time are bounded,
//! and a search that reaches a bound has found out nothing, which fails the check whatever it wanted.
//!
//! What takes little is done where the bytes come, between the probes of others. What takes more is left to a thread of its
//! own ([`Patient::catch_up`]), so that no answer holds up anybody else.

use crate::http::Patient;
use check::config::{Regex, RegexOptions};
use check::probe::http::{NoSearch, Search};
use linux::pattern::{Effort, Found, Pattern, PatternError};
use linux::process::thread_time;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The longest part of a body that one match may need, in bytes. A partial match that is longer is given up, as in upstream,
/// which keeps 4095.
const WINDOW: usize = 64 << 10;
/// Bytes at which a match may start that are tried in one call: with the bound on the steps of each, no call with full effort
/// takes longer than some tens of milliseconds, and none with little effort longer than one.
const STARTS: usize = 64;
const FEW_STARTS: usize = 16;
/// Time of the processor that is spent where the bytes come, on all that has come so far.
const AT_ONCE: Duration = Duration::from_millis(1);
/// Time of the processor that one body may take.
const BUDGET: Duration = Duration::from_millis(200);

/// A pattern that probes share.
pub(crate) type Shared = Arc<Mutex<Pattern>>;

/// Compiles the pattern of a page.
pub(crate) fn compile(regex: &Regex) -> Result<Pattern, PatternError> {
    // `regex_stack` is about the stack of the compiler that is not used here; its maximum bounds memory all the same.
    Pattern::compile(&regex.pattern, regex.options.bits(), regex.stack.map(|(_, max)| max))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Looking,
    Found,
    Nowhere,
    TooHard,
}

/// A search.
pub(crate) struct Window {
    pattern: Shared,
    /// Where in the body a match may start.
    min: u64,
    max: Option<u64>,
    /// `firstline`: the end of the first line bounds it too.
    first_line: bool,
    kept: Vec<u8>,
    /// Where in the body `kept` begins.
    begins: u64,
    /// Where in `kept` a match is looked for next.
    next: usize,
    /// A partial match is tried again when the body has come so far: twice as far, so that bytes one by one cost no more.
    again_at: u64,
    spent: Duration,
    state: State,
    /// There is more to do than is done at once.
    behind: bool,
    /// It is known that the body has ended, and all of it was looked at.
    ended: bool,
}

impl Window {
    pub(crate) fn new(pattern: Shared, regex: &Regex) -> Window {
        Window {
            pattern,
            min: regex.min_offset,
            max: regex.max_offset,
            first_line: regex.options.contains(RegexOptions::FIRSTLINE),
            kept: Vec::new(),
            begins: 0,
            next: 0,
            again_at: 0,
            spent: Duration::ZERO,
            state: State::Looking,
            behind: false,
            ended: false,
        }
    }

    /// Does what is behind, at once. For tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn catch_up_here(&mut self) {
        if self.behind {
            self.look(true, Effort::Full);
        }
    }

    /// Bytes that are kept. For tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// A bound was reached.
    pub(crate) fn is_too_hard(&self) -> bool {
        self.state == State::TooHard
    }

    fn place(&self, at: usize) -> u64 {
        self.begins.saturating_add(at as u64)
    }

    /// The index in `kept` of a place in the body; 0 for places before it.
    fn index(&self, place: u64) -> usize {
        usize::try_from(place.saturating_sub(self.begins)).unwrap_or(usize::MAX)
    }

    /// Looks as far as it can, or with little effort as far as that goes. `more`: the body goes on.
    fn look(&mut self, more: bool, effort: Effort) {
        let shared = Arc::clone(&self.pattern);
        let pattern = match effort {
            Effort::Full => Some(shared.lock().unwrap_or_else(PoisonError::into_inner)),
            // Somebody who takes long has it.
            Effort::Little => shared.try_lock().ok(),
        };
        self.behind = true;
        if let Some(mut pattern) = pattern {
            self.look_for(&mut pattern, more, effort);
        }
        self.ended = !more && !self.behind;
    }

    fn look_for(&mut self, pattern: &mut Pattern, more: bool, effort: Effort) {
        let starts = match effort {
            Effort::Little => FEW_STARTS,
            Effort::Full => STARTS,
        };
        self.behind = false;
        let end = match more && pattern.is_utf() {
            true => whole_characters(&self.kept),
            false => self.kept.len(),
        };
        let began = (Instant::now(), thread_time());
        while self.state == State::Looking {
            let first = self.next.max(self.index(self.min));
            let past = if more { first >= end } else { first > end };
            if past || (more && self.place(end) < self.again_at) {
                break;
            }
            let last_allowed = self.max.map_or(usize::MAX, |max| self.index(max));
            let too_late = self.max.is_some_and(|max| self.place(first) > max);
            if too_late || (pattern.is_anchored() && self.place(first) > self.min) {
                self.state = State::Nowhere;
                break;
            }
            // What starts at the end may still come.
            let last_here = if more { end.saturating_sub(1) } else { end };
            let last = first.saturating_add(starts - 1).min(last_allowed).min(last_here);
            let text = self.kept.get(..end).unwrap_or_default();
            match pattern.find(text, first, last, more, effort) {
                Found::Match => self.state = State::Found,
                Found::TooHard if effort == Effort::Little => self.behind = true,
                Found::TooHard => self.state = State::TooHard,
                Found::Nothing => self.next = next_character(text, last + 1, pattern.is_utf()),
                Found::Partial(from) if end.saturating_sub(from) >= WINDOW => self.next = end,
                Found::Partial(from) => {
                    self.next = from;
                    let length = end.saturating_sub(from).max(1) as u64;
                    self.again_at = self.place(end).saturating_add(length);
                }
            }
            // Where the wall clock says it is spent, the processor may still have been elsewhere.
            let is_spent = |used: Duration| self.spent.saturating_add(used) > BUDGET;
            if self.state == State::Looking && is_spent(began.0.elapsed()) && is_spent(thread_time() - began.1) {
                self.state = State::TooHard;
            }
            let is_long = effort == Effort::Little && began.0.elapsed() > AT_ONCE && thread_time() - began.1 > AT_ONCE;
            self.behind |= is_long && self.state == State::Looking;
            if self.behind {
                break;
            }
        }
        self.spent += thread_time() - began.1;
        self.forget(pattern.lookbehind(), pattern.is_utf());
    }

    /// Drops what no match can look at any more.
    fn forget(&mut self, lookbehind: usize, utf: bool) {
        if self.state != State::Looking {
            self.kept = Vec::new();
            return;
        }
        let mut cut = self.next.min(self.kept.len()).saturating_sub(lookbehind);
        while utf && cut > 0 && self.kept.get(cut).is_some_and(|byte| is_continuation(*byte)) {
            cut -= 1;
        }
        // Moving bytes costs; what is little may stay.
        if cut < self.kept.len() / 2 && self.kept.len() < WINDOW {
            return;
        }
        self.kept.drain(..cut);
        self.begins = self.begins.saturating_add(cut as u64);
        self.next = self.next.saturating_sub(cut);
    }
}

impl Search for Window {
    fn feed(&mut self, body: &[u8]) {
        for piece in body.chunks(WINDOW) {
            if self.state != State::Looking {
                return;
            }
            if self.first_line
                && let Some(at) = self.line_end(piece)
            {
                self.max = Some(self.max.map_or(at, |max| max.min(at)));
                self.first_line = false;
            }
            self.kept.extend_from_slice(piece);
            if !self.behind {
                self.look(true, Effort::Little);
            }
        }
    }

    fn found(&mut self) -> Option<bool> {
        if self.state == State::Looking && !self.ended {
            self.look(false, Effort::Full);
        }
        match self.state {
            State::Found => Some(true),
            State::Looking | State::Nowhere => Some(false),
            State::TooHard => None,
        }
    }
}

impl Window {
    /// Where in the body the first line ends that counts, if it does within these bytes, which are not kept yet.
    fn line_end(&self, piece: &[u8]) -> Option<u64> {
        let begins = self.place(self.kept.len());
        let skipped = usize::try_from(self.min.saturating_sub(begins)).unwrap_or(usize::MAX);
        let at = piece.iter().skip(skipped).position(|byte| *byte == b'\n')?;
        Some(begins.saturating_add(skipped as u64).saturating_add(at as u64))
    }
}

/// What is looked for in a page.
pub(crate) enum Looking {
    /// The page has no pattern.
    Nothing(NoSearch),
    For(Box<Window>),
    /// Its pattern is none, and is ignored, as in upstream: whatever is wanted of it is so.
    Ignored(bool),
    /// There is no pattern where there should be one.
    Missing,
    /// The search went elsewhere, and did not come back.
    Lost,
}

impl Looking {
    pub(crate) fn why(&self) -> Option<String> {
        match self {
            Looking::For(window) if window.is_too_hard() => Some("the pattern takes too long on this page".to_owned()),
            Looking::Missing => Some("the prober was made for other checks".to_owned()),
            Looking::Lost => Some("the search was given up".to_owned()),
            Looking::Nothing(_) | Looking::For(_) | Looking::Ignored(_) => None,
        }
    }
}

impl Search for Looking {
    fn feed(&mut self, body: &[u8]) {
        match self {
            Looking::For(window) => window.feed(body),
            Looking::Nothing(_) | Looking::Ignored(_) | Looking::Missing | Looking::Lost => {}
        }
    }

    fn found(&mut self) -> Option<bool> {
        match self {
            Looking::For(window) => window.found(),
            Looking::Nothing(none) => none.found(),
            Looking::Ignored(wanted) => Some(*wanted),
            Looking::Missing | Looking::Lost => None,
        }
    }
}

impl Patient for Looking {
    async fn catch_up(&mut self, ended: bool) {
        let Looking::For(window) = self else { return };
        if ended && window.state == State::Looking && !window.behind {
            window.look(false, Effort::Little);
        }
        if !window.behind || window.state != State::Looking {
            return;
        }
        let Looking::For(mut window) = std::mem::replace(self, Looking::Lost) else {
            return;
        };
        let elsewhere = tokio::task::spawn_blocking(move || {
            window.look(!ended, Effort::Full);
            window
        });
        // It does not come back at the end of the daemon only.
        if let Ok(window) = elsewhere.await {
            *self = Looking::For(window);
        }
    }
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Up to where a text holds whole characters of UTF-8, as far as its last bytes show.
fn whole_characters(text: &[u8]) -> usize {
    let tail = text.len().saturating_sub(3);
    let last = text
        .iter()
        .enumerate()
        .skip(tail)
        .rev()
        .find(|(_, byte)| !is_continuation(**byte));
    match last {
        Some((at, &lead)) => {
            let length = match lead {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            };
            if at + length > text.len() { at } else { text.len() }
        }
        None => text.len(),
    }
}

/// The first place from `at` where a character begins.
fn next_character(text: &[u8], at: usize, utf: bool) -> usize {
    let inside = text
        .get(at..)
        .unwrap_or_default()
        .iter()
        .take_while(|byte| utf && is_continuation(**byte));
    at + inside.take(3).count()
}

#[cfg(test)]
mod tests;
