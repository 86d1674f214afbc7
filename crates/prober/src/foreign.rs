//! For tests and fuzzing: any pattern in any body, in any pieces.
#![allow(clippy::panic, reason = "what does not hold ends the test")]

use crate::search::{Window, compile};
use check::config::{Regex, RegexOptions};
use check::probe::http::Search;
use std::sync::{Arc, Mutex};

/// What is kept of a body at most, whatever the pattern.
const MOST_KEPT: usize = 256 << 10;

/// An input is the size of pieces, an offset, two bytes of options, a pattern, a zero byte and a body. The search must come
/// back and keep little; words are found however a body is cut.
pub fn read(bytes: &[u8]) {
    let Some((&[size, offset, low, high], rest)) = bytes.split_first_chunk::<4>() else {
        return;
    };
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    let (pattern, body) = rest.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let regex = Regex {
        pattern: pattern.into(),
        options: RegexOptions::from_bits_truncate(u32::from_le_bytes([low, high, 0, 0])),
        no_match: false,
        min_offset: u64::from(offset),
        max_offset: None,
        stack: None,
    };
    let cut = search(&regex, body, usize::from(size).max(1));
    let plain = pattern.iter().all(u8::is_ascii_alphanumeric) && regex.options.is_empty();
    if plain && let Some(found) = cut {
        let there = body.get(usize::from(offset)..).unwrap_or_default();
        let expected = pattern.is_empty() && usize::from(offset) <= body.len()
            || !pattern.is_empty() && there.windows(pattern.len()).any(|window| window == pattern);
        assert_eq!(found, expected, "{regex:?} in pieces of {size}");
    }
}

fn search(regex: &Regex, body: &[u8], size: usize) -> Option<bool> {
    let pattern = compile(regex).ok()?;
    let mut window = Window::new(Arc::new(Mutex::new(pattern)), regex);
    for piece in body.chunks(size) {
        window.feed(piece);
        window.catch_up_here();
        assert!(window.kept() <= MOST_KEPT, "{} bytes kept", window.kept());
    }
    window.found()
}

/// The seeds.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let all: [(&str, u8, u8, &str, &str); 9] = [
        ("word", 1, 0, "hello", "say hello world"),
        ("cut", 3, 0, "hello", "say hell o"),
        ("offset", 2, 4, "say", "say hello say"),
        ("line", 7, 0, "(?m)^world$", "hello\nworld\nx"),
        ("behind", 1, 0, "(?<=hello )world", "hello world"),
        ("nested", 255, 0, "(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
        ("utf", 1, 0, "(*UTF)\u{e9}+", "x\u{e9}\u{e9}"),
        ("none", 1, 0, "", ""),
        ("wrong", 1, 0, "(", "("),
    ];
    let seed = |(name, size, offset, pattern, body): (&str, u8, u8, &str, &str)| {
        let head = [size, offset, 0, 0];
        (
            name.to_owned(),
            [&head[..], pattern.as_bytes(), &[0], body.as_bytes()].concat(),
        )
    };
    all.into_iter().map(seed).collect()
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
#[allow(clippy::unwrap_used, unreachable_pub, reason = "it belongs to the fuzz targets")]
mod replay;

#[test]
fn every_seed_is_searched_to_its_end() {
    replay::replay("search", seeds(), read);
}
