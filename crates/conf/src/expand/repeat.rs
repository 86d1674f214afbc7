//! The heads of `~SEQ` and `~LST`: which variables take which values.
//!
//! Pure reading of the text between the parentheses; what happens with the values is the reader's business.

/// Why a head cannot be used; the words of upstream's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// `Invalid ~SEQ definition`.
    Definition,
    /// `Invalid ~SEQ values`.
    Values,
    /// `Invalid ~LST specification`.
    List,
    /// `~LST specification has too many values`.
    TooMany,
}

/// A repetition over numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) variable: String,
    pub(crate) next: i64,
    pub(crate) step: i64,
    pub(crate) end: i64,
    pub(crate) hex: bool,
    pub(crate) done: bool,
}

impl Sequence {
    /// The value of the next iteration.
    pub(crate) fn advance(&mut self) -> Option<String> {
        if self.done {
            return None;
        }
        let value = self.next;
        let past = |v: i64| if self.step > 0 { v > self.end } else { v < self.end };
        if past(value) {
            return None;
        }
        match self.next.checked_add(self.step) {
            Some(next) => self.next = next,
            None => self.done = true,
        }
        Some(if self.hex {
            format!("{value:x}")
        } else {
            value.to_string()
        })
    }
}

/// A repetition over tuples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) variables: Vec<String>,
    pub(crate) tuples: Vec<Vec<String>>,
    pub(crate) next: usize,
}

impl List {
    /// The values of the next iteration, one for each variable.
    pub(crate) fn advance(&mut self) -> Option<Vec<(String, String)>> {
        let tuple = self.tuples.get(self.next)?;
        self.next += 1;
        let value = |at: usize| tuple.get(at).cloned().unwrap_or_default();
        Some(
            self.variables
                .iter()
                .enumerate()
                .map(|(at, name)| (name.clone(), value(at)))
                .collect(),
        )
    }
}

/// A line that begins with a repetition: which kind, where the head is, where the text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    /// The text between the parentheses.
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// Which repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Decimal,
    Hexadecimal,
    List,
}

/// Whether a line begins with a repetition. `Err` if it does but its head never ends.
pub(crate) fn head(line: &str) -> Option<Result<Head, Kind>> {
    let (kind, from) = [
        ("~SEQ(", Kind::Decimal),
        ("~SEQx(", Kind::Hexadecimal),
        ("~LST(", Kind::List),
    ]
    .into_iter()
    .find(|(word, _)| line.starts_with(word))
    .map(|(word, kind)| (kind, word.len()))?;
    let close = line.get(from..).and_then(|rest| rest.find(')'));
    Some(
        close
            .map(|to| Head {
                kind,
                from,
                to: from + to,
            })
            .ok_or(kind),
    )
}

/// Whether text can be the name of a definition.
pub(crate) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Reads the head of a `~SEQ`.
pub(crate) fn sequence(head: &str, hex: bool) -> Result<Sequence, Unusable> {
    let mut words = head.split(',').map(str::trim);
    let variable = words.next().filter(|name| is_name(name)).ok_or(Unusable::Definition)?;
    let numbers: Option<Vec<i64>> = words.map(number).collect();
    let numbers = numbers.ok_or(Unusable::Definition)?;
    let (start, step, end) = match *numbers.as_slice() {
        [end] => (if end < 0 { -1 } else { 1 }, if end < 1 { -1 } else { 1 }, end),
        [start, end] => (start, if end < start { -1 } else { 1 }, end),
        [start, step, end] => (start, step, end),
        _ => return Err(Unusable::Definition),
    };
    let away = (step > 0 && end < start) || (step < 0 && end > start);
    if step == 0 || away || (hex && (start < 0 || end < 0)) {
        return Err(Unusable::Values);
    }
    Ok(Sequence {
        variable: variable.to_owned(),
        next: start,
        step,
        end,
        hex,
        done: false,
    })
}

/// A number with the prefixes of C.
pub(crate) fn number(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.get(..2).unwrap_or_default().to_ascii_lowercase();
    let value = if lower == "0x" {
        i64::from_str_radix(digits.get(2..)?, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits.get(1..)?, 8)
    } else {
        digits.parse()
    };
    // `parse` takes a second sign; this language does not.
    if digits.starts_with(['-', '+']) {
        return None;
    }
    value.ok().and_then(|v: i64| v.checked_mul(sign))
}

/// Reads the head of a `~LST`.
pub(crate) fn list(head: &str) -> Result<List, Unusable> {
    let head = head.trim();
    let (variables, mut rest) = match head.strip_prefix('{') {
        Some(inner) => {
            let (names, rest) = inner.split_once('}').ok_or(Unusable::List)?;
            let names: Vec<String> = names.split(',').map(|n| n.trim().to_owned()).collect();
            (names, rest.trim_start())
        }
        None => {
            let (name, rest) = head.split_at(head.find(',').ok_or(Unusable::List)?);
            (vec![name.trim().to_owned()], rest)
        }
    };
    if !variables.iter().all(|name| is_name(name)) {
        return Err(Unusable::List);
    }
    let mut tuples = Vec::new();
    while !rest.is_empty() {
        rest = rest.strip_prefix(',').ok_or(Unusable::List)?.trim_start();
        let tuple: Vec<String> = if let Some(inner) = rest.strip_prefix('{') {
            let (values, after) = inner.split_once('}').ok_or(Unusable::List)?;
            rest = after.trim_start();
            values.split(',').map(|v| v.trim().to_owned()).collect()
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (value, after) = rest.split_at(end);
            rest = after;
            vec![value.trim().to_owned()]
        };
        if tuple.iter().any(|value| value.contains([' ', '\t'])) {
            return Err(Unusable::List);
        }
        if tuple.len() > variables.len() {
            return Err(Unusable::TooMany);
        }
        tuples.push(tuple);
    }
    if tuples.is_empty() {
        return Err(Unusable::List);
    }
    Ok(List {
        variables,
        tuples,
        next: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(head: &str) -> Vec<String> {
        let mut sequence = sequence(head, false).unwrap();
        std::iter::from_fn(|| sequence.advance()).collect()
    }

    #[test]
    fn a_sequence_counts_from_one_by_one_unless_told_otherwise() {
        assert_eq!(values("x,3"), ["1", "2", "3"]);
        assert_eq!(values("x,-2"), ["-1", "-2"]);
        assert_eq!(values("x,0"), ["1", "0"]);
        assert_eq!(values("x, 5, 3"), ["5", "4", "3"]);
        assert_eq!(values("x,1,2,6"), ["1", "3", "5"]);
        assert_eq!(values("x,0x10,0x12"), ["16", "17", "18"]);
    }

    #[test]
    fn a_sequence_that_never_arrives_is_refused() {
        assert_eq!(sequence("x,1,0,5", false), Err(Unusable::Values));
        assert_eq!(sequence("x,3,1,1", false), Err(Unusable::Values));
        assert_eq!(sequence("x", false), Err(Unusable::Definition));
        assert_eq!(sequence("x,a", false), Err(Unusable::Definition));
        assert_eq!(sequence("x,-1,3", true), Err(Unusable::Values));
    }

    #[test]
    fn a_sequence_ends_at_the_end_of_the_numbers() {
        let mut sequence = sequence("x,9223372036854775806,1,9223372036854775807", false).unwrap();
        assert_eq!(std::iter::from_fn(|| sequence.advance()).count(), 2);
    }

    #[test]
    fn a_list_gives_tuples_and_fills_missing_values() {
        let mut l = list("{x, y},{1},{2,3},{,4}").unwrap();
        let all: Vec<_> = std::iter::from_fn(|| l.advance())
            .map(|t| format!("{}-{}", t[0].1, t[1].1))
            .collect();
        assert_eq!(all, ["1-", "2-3", "-4"]);
        assert_eq!(list("x,1, ,3").unwrap().tuples.len(), 3);
        assert_eq!(list("{x},{1,2}"), Err(Unusable::TooMany));
        assert_eq!(list("x,a b"), Err(Unusable::List));
        assert_eq!(list("x"), Err(Unusable::List));
    }

    #[test]
    fn numbers_take_the_prefixes_of_c() {
        assert_eq!(number("0x1f"), Some(31));
        assert_eq!(number("017"), Some(15));
        assert_eq!(number("-0x1"), Some(-1));
        for bad in ["", "08", "1a", "--1", "0x", "-"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }
}
