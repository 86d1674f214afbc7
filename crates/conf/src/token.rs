//! Words of a logical line: two tokenisers, because commands are quoted differently from everything else.
//!
//! Pure text. Which keyword uses which tokeniser is said in the keyword tables.

use crate::expand::is_space;
use std::ops::Range;

/// Splits a line at white space. `"..."` is one word without its quotes and without escapes; a quote also ends the word
/// before it. `false` if a quote never ends: then its word is the rest of the line.
pub fn words(line: &str, out: &mut Vec<Range<usize>>) -> bool {
    out.clear();
    let bytes = line.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if is_space(byte) {
            at += 1;
        } else if byte == b'"' {
            let rest = bytes.get(at + 1..).unwrap_or_default();
            let Some(len) = rest.iter().position(|&b| b == b'"') else {
                out.push(at + 1..bytes.len());
                return false;
            };
            out.push(at + 1..at + 1 + len);
            at += len + 2;
        } else {
            let rest = bytes.get(at..).unwrap_or_default();
            let len = rest
                .iter()
                .position(|&b| is_space(b) || b == b'"')
                .unwrap_or(rest.len());
            out.push(at..at + len);
            at += len;
        }
    }
    true
}

/// A quote in a command that never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbalanced;

/// Splits the line of a script keyword: `'...'` and `"..."` quote, may begin inside a word, and are joined with what
/// stands next to them. The words still carry their escapes.
///
/// # Errors
/// [`Unbalanced`] if a quote never ends.
pub fn script_words(line: &str) -> Result<Vec<String>, Unbalanced> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (_, Some(open)) if c == open => quote = None,
            ('\\', _) => {
                let word = word.get_or_insert_default();
                word.push(c);
                word.extend(chars.next());
            }
            (_, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, None) if c.is_ascii() && is_space(c as u8) => words.extend(word.take()),
            (_, None) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(Unbalanced);
    }
    words.extend(word);
    Ok(words)
}

/// Splits the word of a command into program and arguments, with escapes resolved. Arguments are bytes: an escape can
/// make any.
///
/// # Errors
/// [`Unbalanced`] if a quote never ends.
pub fn command(word: &str) -> Result<Vec<Vec<u8>>, Unbalanced> {
    let mut arguments: Vec<Vec<u8>> = Vec::new();
    let mut argument: Option<Vec<u8>> = None;
    let mut quote: Option<u8> = None;
    let mut rest = word.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, quote) {
            (_, Some(open)) if byte == open => quote = None,
            (b'\\', _) => {
                let (value, after) = escape(rest);
                rest = after;
                if let Some(value) = value {
                    argument.get_or_insert_default().push(value);
                }
            }
            (_, Some(_)) => argument.get_or_insert_default().push(byte),
            (b'"' | b'\'', None) => {
                quote = Some(byte);
                argument.get_or_insert_default();
            }
            (_, None) if is_space(byte) => arguments.extend(argument.take()),
            (_, None) => argument.get_or_insert_default().push(byte),
        }
    }
    if quote.is_some() {
        return Err(Unbalanced);
    }
    arguments.extend(argument);
    Ok(arguments)
}

/// The value of the escape whose backslash was just read, and what follows it. A backslash at the end is nothing.
fn escape(rest: &[u8]) -> (Option<u8>, &[u8]) {
    let Some((&first, after)) = rest.split_first() else {
        return (None, rest);
    };
    let simple = |byte| (Some(byte), after);
    match first {
        b'a' => simple(0x07),
        b'b' => simple(0x08),
        b'E' => simple(0x1b),
        b'f' => simple(0x0c),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'v' => simple(0x0b),
        b'0'..=b'7' => digits(rest, 8, 3),
        b'x' if after.first().is_some_and(u8::is_ascii_hexdigit) => digits(after, 16, 2),
        b'c' => match after.split_first() {
            Some((&control, after)) => (Some(control.to_ascii_uppercase() ^ 0x40), after),
            None => (Some(b'c'), after),
        },
        other => simple(other),
    }
}

fn digits(text: &[u8], base: u32, most: usize) -> (Option<u8>, &[u8]) {
    let len = text
        .iter()
        .take(most)
        .take_while(|&&b| char::from(b).is_digit(base))
        .count();
    let (digits, after) = text.split_at(len);
    let value = digits
        .iter()
        .fold(0u32, |v, &b| v * base + char::from(b).to_digit(base).unwrap_or(0));
    (Some(value as u8), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> (Vec<&str>, bool) {
        let mut out = Vec::new();
        let good = words(line, &mut out);
        (out.into_iter().map(|range| &line[range]).collect(), good)
    }

    #[test]
    fn a_double_quote_makes_one_word_and_ends_the_one_before() {
        assert_eq!(split("a  b\tc"), (vec!["a", "b", "c"], true));
        assert_eq!(split("abc\"d e\"f"), (vec!["abc", "d e", "f"], true));
        assert_eq!(split("a \"\" b"), (vec!["a", "", "b"], true));
        assert_eq!(split("a 'b c'"), (vec!["a", "'b", "c'"], true));
        assert_eq!(split("a \"b c"), (vec!["a", "b c"], false));
        assert_eq!(split(""), (vec![], true));
    }

    #[test]
    fn a_command_is_one_word_in_either_quote() {
        assert_eq!(
            script_words("script \"/bin/a b\" root").unwrap(),
            ["script", "/bin/a b", "root"]
        );
        assert_eq!(script_words("s '/bin/a \"b\"'c").unwrap(), ["s", "/bin/a \"b\"c"]);
        assert_eq!(script_words("s \"a\\\" b\"").unwrap(), ["s", "a\\\" b"]);
        assert_eq!(script_words("s 'a"), Err(Unbalanced));
    }

    #[test]
    fn a_command_is_split_with_its_escapes_resolved() {
        let text = |word| -> Vec<String> {
            command(word)
                .unwrap()
                .into_iter()
                .map(|a| String::from_utf8(a).unwrap())
                .collect()
        };
        assert_eq!(text("/bin/a b 'c d' \"e\"f"), ["/bin/a", "b", "c d", "ef"]);
        assert_eq!(text(r"a\ b \x41\101\n\cA\q"), ["a b", "AA\n\u{1}q"]);
        assert_eq!(command("a \"b"), Err(Unbalanced));
        assert_eq!(command("\\").unwrap(), Vec::<Vec<u8>>::new());
    }
}
