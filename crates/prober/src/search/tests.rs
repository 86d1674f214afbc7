//! Patterns in whatever pieces, and patterns and bodies that mean harm.

use super::*;
use check::config::RegexOptions;

fn regex(pattern: &str, options: RegexOptions) -> Regex {
    Regex {
        pattern: pattern.as_bytes().into(),
        options,
        no_match: false,
        min_offset: 0,
        max_offset: None,
        stack: None,
    }
}

/// Looks for a pattern in a body that comes in pieces of this size.
fn search(regex: &Regex, body: &[u8], size: usize) -> Option<bool> {
    let pattern = Arc::new(Mutex::new(compile(regex).unwrap()));
    let mut window = Window::new(pattern, regex);
    for piece in body.chunks(size) {
        window.feed(piece);
        if window.behind {
            window.look(true, Effort::Full);
        }
        assert!(window.kept.len() <= 3 * WINDOW, "{}", window.kept.len());
    }
    window.found()
}

fn found(pattern: &str, body: &str) -> bool {
    let regex = regex(pattern, RegexOptions::empty());
    let whole = search(&regex, body.as_bytes(), body.len().max(1));
    for size in [1, 2, 3, 7] {
        assert_eq!(
            search(&regex, body.as_bytes(), size),
            whole,
            "{pattern} in pieces of {size}"
        );
    }
    whole.unwrap()
}

#[test]
fn a_pattern_is_found_in_whatever_pieces_the_body_comes() {
    assert!(found("hello", "say hello world"));
    assert!(!found("hello", "say hell o"));
    assert!(found("a.*z", "xxa  zyy"));
    assert!(found("world$", "hello world"));
    assert!(!found("hello$", "hello world"));
    assert!(found("^hello", "hello world"));
    assert!(!found("^world", "hello world"));
    assert!(found("(?m)^world", "hello\nworld"));
    assert!(found(r"\bworld\b", "hello world"));
    assert!(!found(r"\borld\b", "hello world"));
    assert!(found("(?<=hello )world", "hello world"));
    assert!(!found("(?<=hallo )world", "hello world"));
    assert!(found("^$", ""));
    assert!(found("x*", "abc"));
    assert!(found("(?s)^a.*c\\z", "a\nb\nc"));
}

#[test]
fn a_long_body_is_searched_to_its_end() {
    let body = ["x ".repeat(200_000).as_str(), "the end"].concat();
    let regex = regex("the (end|start)", RegexOptions::empty());
    for size in [1000, 16 << 10, 1 << 20] {
        assert_eq!(search(&regex, body.as_bytes(), size), Some(true), "{size}");
    }
}

#[test]
fn options_are_those_of_pcre2() {
    let with = |pattern: &str, options: RegexOptions, body: &str| {
        search(&regex(pattern, options), body.as_bytes(), 4) == Some(true)
    };
    assert!(with("HELLO", RegexOptions::CASELESS, "say hello"));
    assert!(with("a.b", RegexOptions::DOTALL, "a\nb"));
    assert!(!with("a.b", RegexOptions::empty(), "a\nb"));
    assert!(with("h e l l o", RegexOptions::EXTENDED, "hello"));
    assert!(with("^b", RegexOptions::MULTILINE, "a\nb"));
    assert!(!with("b", RegexOptions::FIRSTLINE, "a\nb"));
    assert!(with("a", RegexOptions::FIRSTLINE, "a\nb"));
    assert!(!with("a$", RegexOptions::DOLLAR_ENDONLY, "a\n"));
    assert!(with("a$", RegexOptions::empty(), "a\n"));
    assert!(with("^.\u{e4}.$", RegexOptions::UTF, "\u{20ac}\u{e4}\u{1f600}"));
    assert!(
        with("[]x]?a", RegexOptions::ALLOW_EMPTY_CLASS, "a")
            || compile(&regex("[]x]?a", RegexOptions::ALLOW_EMPTY_CLASS)).is_ok()
    );
    for option in RegexOptions::all().iter() {
        assert!(compile(&regex("abc", option)).is_ok(), "{option:?}");
    }
}

#[test]
fn the_bits_of_the_options_are_those_that_pcre2_knows() {
    // A pattern that only is one with, or without, the option.
    assert!(compile(&regex("(?<n>a)(?<n>b)", RegexOptions::empty())).is_err());
    assert!(compile(&regex("(?<n>a)(?<n>b)", RegexOptions::DUPNAMES)).is_ok());
    assert!(compile(&regex("(*UTF)a", RegexOptions::NEVER_UTF)).is_err());
    assert!(compile(&regex("(*UCP)a", RegexOptions::NEVER_UCP)).is_err());
    assert!(compile(&regex(r"\C", RegexOptions::NEVER_BACKSLASH_C)).is_err());
    assert!(compile(&regex("[]a]", RegexOptions::empty())).is_ok());
    assert!(compile(&regex("[]a", RegexOptions::ALLOW_EMPTY_CLASS)).is_ok());
    assert!(compile(&regex(r"(a)\1\2", RegexOptions::empty())).is_err());
    assert!(compile(&regex(r"\U", RegexOptions::empty())).is_err());
    assert!(compile(&regex(r"\U", RegexOptions::ALT_BSUX)).is_ok());
    assert!(compile(&regex(r"(a)\1", RegexOptions::NO_AUTO_CAPTURE)).is_err());
}

#[test]
fn offsets_bound_where_a_match_may_start() {
    let bounded = |min_offset: u64, max_offset: Option<u64>, body: &[u8]| {
        let regex = Regex {
            min_offset,
            max_offset,
            ..regex("b+", RegexOptions::empty())
        };
        let whole = search(&regex, body, 100);
        assert_eq!(search(&regex, body, 1), whole);
        whole == Some(true)
    };
    let body = b"aabbaa";
    assert!(bounded(0, Some(2), body) && bounded(3, None, body) && bounded(2, Some(2), body));
    assert!(!bounded(0, Some(1), body) && !bounded(4, None, body) && !bounded(100, None, body));
    let far = [&[b'a'; 100_000][..], b"b"].concat();
    assert!(bounded(100_000, Some(100_000), &far) && !bounded(100_001, None, &far) && !bounded(0, Some(99_999), &far));
}

#[test]
fn a_body_made_to_hurt_is_given_up_and_does_not_take_long() {
    let began = linux::process::thread_time();
    let evil = [&[b'a'; 30_000][..], b"!"].concat();
    assert_eq!(search(&regex("(a+)+$", RegexOptions::empty()), &evil, 1000), None);
    let close = "aaaaaaaaaaaaaaaa!".repeat(4000);
    assert_eq!(
        search(&regex("(a+)+$", RegexOptions::empty()), close.as_bytes(), 4096),
        None
    );
    let _ = search(
        &regex(r"[\s\S]*[\s\S]*nothing", RegexOptions::empty()),
        close.as_bytes(),
        4096,
    );
    let _ = search(&regex(r"(?s).*nothing", RegexOptions::empty()), close.as_bytes(), 1);
    let took = linux::process::thread_time() - began;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn bytes_that_are_no_utf_8_end_no_search() {
    let regex = regex("\u{e4}x", RegexOptions::UTF);
    let body = [&b"\xff\xfe\xc3"[..], "\u{e4}x".as_bytes()].concat();
    for size in 1..6 {
        assert_eq!(search(&regex, &body, size), Some(true), "{size}");
    }
    assert_eq!(search(&regex, b"\xe4x", 1), Some(false));
    assert_eq!(search(&regex, b"abc\xc3", 1), Some(false));
}
