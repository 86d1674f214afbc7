//! White space, comments and escapes of one line: pure text.

/// What the language counts as white space.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\n' | b'\r')
}

/// The range of `text` within `from..to` without white space at its ends.
pub(crate) fn trim(text: &str, from: usize, to: usize) -> (usize, usize) {
    let bytes = text.as_bytes().get(from..to).unwrap_or_default();
    let start = bytes.iter().position(|&b| !is_space(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|&b| !is_space(b)).map_or(start, |at| at + 1);
    (from + start, from + end)
}

/// Where a comment begins in a line, if one does.
///
/// `#` and `!` outside double quotes, unless a backslash protects them.
pub(crate) fn comment(line: &str) -> Option<usize> {
    if !line.bytes().any(|b| b == b'#' || b == b'!') {
        return None;
    }
    let mut quoted = false;
    let mut protected = false;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            _ if protected => protected = false,
            b'"' => quoted = !quoted,
            b'\\' if !quoted => protected = true,
            b'#' | b'!' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Positions of the backslashes that protect a `#` or `!` outside quotes: they are not part of the value.
pub(crate) fn escapes(line: &str) -> Vec<usize> {
    let mut found = Vec::new();
    if !line.contains('\\') {
        return found;
    }
    let bytes = line.as_bytes();
    let mut quoted = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if !quoted => {
                if matches!(bytes.get(at + 1), Some(b'#' | b'!')) {
                    found.push(at);
                }
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The first brace outside double quotes.
pub(crate) fn brace(line: &str) -> Option<usize> {
    let mut quoted = false;
    line.bytes().position(|byte| {
        if byte == b'"' {
            quoted = !quoted;
        }
        !quoted && (byte == b'{' || byte == b'}')
    })
}

/// Whether a line begins with a keyword whose value is a secret, and has a value.
pub(crate) fn begins_secret(line: &str) -> bool {
    let len = line.bytes().take_while(|&b| !is_space(b)).count();
    // Most lines with a brace open a block; only words of about the right length are looked at closely.
    len == 3 && line.starts_with("key")
        || (6..=12).contains(&len) && line.get(..len).is_some_and(crate::render::is_secret_keyword)
}

/// The length of a line in its file: a replaced byte counts as one.
pub(crate) fn stored_len(line: &str) -> usize {
    if line.len() <= crate::limits::LINE_BYTES {
        return line.len();
    }
    line.chars()
        .map(|c| {
            if c == char::REPLACEMENT_CHARACTER {
                1
            } else {
                c.len_utf8()
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_begins_outside_quotes_and_without_a_backslash() {
        assert_eq!(comment("a # b"), Some(2));
        assert_eq!(comment("a ! b"), Some(2));
        assert_eq!(comment("\"a # b\" # c"), Some(8));
        assert_eq!(comment("a \\# b # c"), Some(7));
        assert_eq!(comment("\"a # b"), None);
        assert_eq!(escapes("a \\# b \\! \"\\#\""), [2, 7]);
    }

    #[test]
    fn braces_in_quotes_do_not_count() {
        assert_eq!(brace("a \"{\" }"), Some(6));
        assert_eq!(brace("a b"), None);
    }
}
