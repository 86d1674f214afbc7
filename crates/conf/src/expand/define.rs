//! Definitions: `$NAME=VALUE`, what is built in, and putting values in their place.

use super::line::{Builder, Line};
use super::repeat::is_name;
use super::{Files, Pending, Reader};
use crate::diagnostic::Class;
use crate::limits;
use crate::source::{Mark, OriginId};
use std::sync::Arc;

/// One line of a value.
#[derive(Clone, Debug)]
pub(crate) struct ValueLine {
    pub(crate) text: Arc<str>,
    pub(crate) at: Option<Mark>,
}

/// The value of a definition.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) lines: Arc<[ValueLine]>,
    /// Made with `\` at the end of a line: may only be used at the end of one.
    pub(crate) several: bool,
}

impl Definition {
    /// A value on one line.
    pub(crate) fn single(text: &str, at: Option<Mark>) -> Definition {
        Definition {
            lines: Arc::from([ValueLine {
                text: Arc::from(text),
                at,
            }]),
            several: false,
        }
    }
}

/// The head of a definition: the length of its name, and where its value begins.
pub(crate) fn definition(line: &str) -> Option<(&str, usize)> {
    let rest = line.strip_prefix('$')?;
    let name = rest.get(..rest.find('=')?)?;
    is_name(name).then_some((name, name.len() + 2))
}

/// A use of a definition in a line.
struct Use<'l> {
    name: &'l str,
    parameters: &'l str,
    /// Where the use ends.
    end: usize,
}

/// Reads a use at the `$` at byte `at` of `line`.
fn use_at(line: &str, at: usize) -> Option<Use<'_>> {
    let rest = line.get(at + 1..)?;
    if let Some(inner) = rest.strip_prefix('{') {
        let inner = inner.get(..inner.find('}')?)?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b' ' | b'\t');
        if !inner.bytes().all(allowed) || inner.ends_with([' ', '\t']) {
            return None;
        }
        let (name, parameters) = inner.split_once([' ', '\t']).unwrap_or((inner, ""));
        return is_name(name).then_some(Use {
            name,
            parameters,
            end: at + inner.len() + 3,
        });
    }
    let len = rest
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count();
    let name = rest.get(..len)?;
    let ends = matches!(rest.as_bytes().get(len), None | Some(b' ' | b'\t' | b',' | b')'));
    (ends && is_name(name)).then_some(Use {
        name,
        parameters: "",
        end: at + 1 + len,
    })
}

/// What a line became.
pub(crate) enum Substituted {
    /// Nothing in it is defined.
    Unchanged,
    /// A new line.
    Changed(Line),
    /// It would be too long; said already.
    TooLong,
}

impl<F: Files> Reader<'_, F> {
    /// Takes a definition and the lines that belong to it.
    pub(super) fn define(&mut self, line: &Line, name: &str, value_at: usize) {
        let name = name.to_owned();
        let mut part = line.clone();
        part.advance(value_at);
        let mut lines = Vec::new();
        let several = part.text().ends_with('\\');
        let mut more = several;
        loop {
            if more {
                part.truncate(part.text().len() - 1);
            }
            if !several || !part.text().is_empty() {
                lines.push(ValueLine {
                    text: Arc::from(part.text()),
                    at: Some(part.mark(0, part.text().len())),
                });
            }
            if !more {
                break;
            }
            match self.fetch() {
                Some(next) => part = next,
                None => break,
            }
            more = part.text().ends_with('\\');
        }
        let definition = Definition {
            lines: Arc::from(lines),
            several,
        };
        self.definitions.insert(name, definition);
    }

    /// Puts values in the place of their names, once.
    pub(super) fn substitute(&mut self, line: &Line) -> Substituted {
        let text = line.text();
        let mut built: Option<Builder> = None;
        let (mut copied, mut from) = (0, 0);
        while let Some(at) = text.get(from..).and_then(|rest| rest.find('$')).map(|at| at + from) {
            from = at + 1;
            let Some(used) = use_at(text, at) else { continue };
            let last = text.get(used.end..).is_some_and(str::is_empty);
            let mark = line.mark(at, used.end);
            let Some(value) = self.value(&used, mark, last) else {
                continue;
            };
            let builder = built.get_or_insert_default();
            builder.copy(line, copied, at);
            builder.insert(
                &value.text,
                Mark {
                    origin: value.origin,
                    ..mark
                },
            );
            self.spend(1 + value.text.len() as u64 / 64);
            (copied, from) = (used.end, used.end);
            if builder.len() > limits::LINE_BYTES {
                return self.too_long(line);
            }
        }
        let Some(mut builder) = built else {
            return Substituted::Unchanged;
        };
        builder.copy(line, copied, text.len());
        if builder.len() > limits::LINE_BYTES {
            return self.too_long(line);
        }
        Substituted::Changed(builder.finish(line.at))
    }

    fn too_long(&mut self, line: &Line) -> Substituted {
        let shown = crate::render::mask(line.text());
        self.say(
            Class::Error,
            "line-too-long-after-substitution",
            format!("Parameter substitution on line '{shown}' would exceed maximum line length"),
            line.at,
        );
        Substituted::TooLong
    }

    /// Text with the values of single-line definitions, for the heads of repetitions.
    pub(super) fn substitute_head(&mut self, line: &Line, from: usize, to: usize) -> Option<String> {
        let mut part = line.clone();
        part.to = part.from + to;
        part.from += from;
        for _ in 0..limits::SUBSTITUTION_ROUNDS {
            match self.substitute(&part) {
                Substituted::Unchanged => break,
                Substituted::Changed(next) => part = next,
                Substituted::TooLong => return None,
            }
        }
        Some(part.text().to_owned())
    }

    /// The value of a name, from the file or built in.
    fn value(&mut self, used: &Use<'_>, mark: Mark, last: bool) -> Option<Value> {
        if let Some(definition) = self.definitions.get(used.name) {
            if !used.parameters.is_empty() || (definition.several && !last) {
                return None;
            }
            let definition = definition.clone();
            if definition.several && self.is_within(&definition, mark) {
                let text = format!("Definition ${} contains itself - giving up", used.name);
                self.say(Class::Error, "definition-loop", text, mark);
                return None;
            }
            return Some(self.defined(used.name, &definition, mark));
        }
        let text = self.built_in(used, mark)?;
        let what = || format!("`${{{}}}` is built in", used.name);
        let origin = self.sources.expand(mark.origin, None, what);
        Some(Value {
            text: Arc::from(text),
            origin,
        })
    }

    /// Whether a place is inside the lines of a definition of several lines. One that is given a new value meanwhile is
    /// another one.
    fn is_within(&self, definition: &Definition, mark: Mark) -> bool {
        let place = |line: Option<&ValueLine>| line.and_then(|line| line.at);
        let (Some(first), Some(last)) = (place(definition.lines.first()), place(definition.lines.last())) else {
            return false;
        };
        let same = |at: &Mark| {
            (at.inclusion, at.origin) == (first.inclusion, first.origin) && (first.from..=last.from).contains(&at.from)
        };
        self.sources
            .way(mark.origin)
            .any(|origin| origin.at.as_ref().is_some_and(same))
    }

    fn defined(&mut self, name: &str, definition: &Definition, mark: Mark) -> Value {
        let first = definition.lines.first();
        let what = || format!("`${name}` is defined here");
        let origin = self.sources.expand(mark.origin, first.and_then(|line| line.at), what);
        if definition.several && definition.lines.len() > 1 {
            self.pend(
                Pending::Lines {
                    name: name.to_owned(),
                    lines: Arc::clone(&definition.lines),
                    next: 1,
                    used: mark,
                },
                mark,
            );
        }
        Value {
            text: first
                .map(|line| Arc::clone(&line.text))
                .unwrap_or_else(|| Arc::from("")),
            origin,
        }
    }

    fn built_in(&mut self, used: &Use<'_>, mark: Mark) -> Option<String> {
        let words: Vec<&str> = used.parameters.split_ascii_whitespace().collect();
        match (used.name, words.as_slice()) {
            ("_PWD", []) => Some(self.directory().to_string_lossy().into_owned()),
            ("_INSTANCE", []) => Some(self.facts.config_id.clone()),
            ("_HASH", []) => Some("#".to_owned()),
            ("_BANG", []) => Some("!".to_owned()),
            ("_ENV", [name]) => Some(self.facts.environment.get(*name).cloned().unwrap_or_default()),
            ("_RANDOM", limits) if limits.len() <= 2 => {
                let mut numbers = limits.iter().map(|word| word.parse::<u32>().ok());
                let low = numbers.next().unwrap_or(Some(0))?;
                let high = numbers.next().unwrap_or(Some(32767))?;
                if low > high {
                    let text = format!("_RANDOM minimum {low} is above maximum {high} - using minimum");
                    self.say(Class::Error, "random-range", text, mark);
                    return Some(low.to_string());
                }
                let room = u64::from(high - low) + 1;
                Some((u64::from(low) + self.rng.below(room)).to_string())
            }
            _ => None,
        }
    }
}

/// What takes the place of a use.
struct Value {
    text: Arc<str>,
    origin: Option<OriginId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_has_a_name_and_an_equals_sign_without_space() {
        assert_eq!(definition("$A=b"), Some(("A", 3)));
        assert_eq!(definition("$_a1="), Some(("_a1", 5)));
        for no in ["$1=b", "$A =b", "$=b", "A=b", "$A b=c"] {
            assert_eq!(definition(no), None, "{no}");
        }
    }

    #[test]
    fn a_use_without_braces_needs_an_end() {
        let name = |line: &'static str| use_at(line, 0).map(|u| u.name);
        assert_eq!(name("$A"), Some("A"));
        assert_eq!(name("$A b"), Some("A"));
        assert_eq!(name("$A,"), Some("A"));
        assert_eq!(name("$A)"), Some("A"));
        assert_eq!(name("${A}b"), Some("A"));
        assert_eq!(name("$A.b"), None);
        assert_eq!(name("${A "), None);
        assert_eq!(name("${A }"), None);
        assert_eq!(use_at("${_RANDOM 1 2}", 0).map(|u| u.parameters), Some("1 2"));
    }
}
