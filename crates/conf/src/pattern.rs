//! File name patterns: braces and wildcards as the shell and glob(3) know them.
//!
//! Pure text: which files exist is the business of a [`crate::Loader`]. Slashes are never matched by a wildcard, and a
//! leading dot only by a dot.

/// Most alternatives one pattern may have; more are left out.
const ALTERNATIVES: usize = 1024;

/// All alternatives of a pattern with `{a,b}` in it, in order; a pattern without braces alone.
pub fn braces(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut todo = vec![pattern.to_owned()];
    while let Some(text) = todo.pop() {
        if done.len() + todo.len() >= ALTERNATIVES {
            break;
        }
        match split(&text) {
            None => done.push(text),
            Some(alternatives) => todo.extend(alternatives.into_iter().rev()),
        }
    }
    done
}

/// The alternatives of the first brace group.
fn split(text: &str) -> Option<Vec<String>> {
    let open = text.find('{')?;
    let mut depth = 0usize;
    let mut cuts = vec![open];
    let mut close = None;
    for (at, byte) in text.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    close = Some(at);
                    break;
                }
            }
            b',' if depth == 1 => cuts.push(at),
            _ => {}
        }
    }
    let close = close?;
    let (head, tail) = (text.get(..open)?, text.get(close + 1..)?);
    cuts.push(close);
    let parts = cuts.windows(2).filter_map(|pair| match *pair {
        [from, to] => text.get(from + 1..to),
        _ => None,
    });
    Some(parts.map(|part| format!("{head}{part}{tail}")).collect())
}

/// Whether a pattern has wildcards.
pub fn has_wildcards(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// Whether `name`, one component of a path, matches `pattern`.
pub fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    wild(&pattern, &name)
}

/// The usual walk with one point of return: linear for patterns with one star, never exponential.
fn wild(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), name.get(n)) {
            (None, None) => return true,
            (Some('*'), _) => {
                again = Some((p + 1, n));
                Some((p + 1, n))
            }
            (Some('['), Some(&c)) => match class(pattern.get(p..).unwrap_or_default(), c) {
                Some((len, true)) => Some((p + len, n + 1)),
                Some((_, false)) => None,
                None => (c == '[').then_some((p + 1, n + 1)),
            },
            (Some('?'), Some(_)) => Some((p + 1, n + 1)),
            (Some('\\'), Some(&c)) => (pattern.get(p + 1) == Some(&c)).then_some((p + 2, n + 1)),
            (Some(&w), Some(&c)) => (w == c).then_some((p + 1, n + 1)),
            (Some(_), None) | (None, Some(_)) => None,
        };
        match (step, again) {
            (Some((next_p, next_n)), _) => (p, n) = (next_p, next_n),
            (None, Some((star_p, star_n))) if star_n < name.len() => {
                again = Some((star_p, star_n + 1));
                (p, n) = (star_p, star_n + 1);
            }
            (None, _) => return false,
        }
    }
}

/// A bracket expression: its length, and whether it takes `c`. `None` if it is not one.
fn class(pattern: &[char], c: char) -> Option<(usize, bool)> {
    let close = pattern.iter().skip(2).position(|&x| x == ']')? + 2;
    let mut body = pattern.get(1..close)?;
    let negated = matches!(body.first(), Some('!' | '^'));
    if negated {
        body = body.get(1..)?;
    }
    let mut hit = false;
    while let Some((&first, rest)) = body.split_first() {
        if let ['-', last, after @ ..] = rest {
            hit |= (first..=*last).contains(&c);
            body = after;
        } else {
            hit |= first == c;
            body = rest;
        }
    }
    Some((close + 1, hit != negated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_give_their_alternatives_in_order() {
        assert_eq!(braces("a{b,c}d"), ["abd", "acd"]);
        assert_eq!(braces("{a,b{1,2}}x"), ["ax", "b1x", "b2x"]);
        assert_eq!(braces("plain*"), ["plain*"]);
        assert_eq!(braces("open{a,b"), ["open{a,b"]);
        assert_eq!(braces("{}"), [""]);
    }

    #[test]
    fn wildcards_match_as_in_glob() {
        for (pattern, name) in [
            ("*.conf", "a.conf"),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[!a]x", "bx"),
            ("*a*b*", "xaxbx"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.conf", "a.txt"),
            ("*", ".hidden"),
            ("a?c", "ac"),
            ("[a-c]x", "dx"),
            ("[!a]x", "ax"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        assert!(!matches(&"a*".repeat(50), &"a".repeat(49)));
    }
}
