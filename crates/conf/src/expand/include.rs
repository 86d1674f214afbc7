//! Includes: which files come next, and what is said of those that cannot be read.

use super::line::Line;
use super::{Files, Found, Message, Reader};
use crate::bundle::LoadError;
use crate::diagnostic::Class;
use crate::limits;
use crate::pattern;
use crate::source::{Inclusion, InclusionId, Mark};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which problems with an include are errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checks {
    read: bool,
    matching: bool,
    wildcard: bool,
    brace: bool,
}

impl Checks {
    pub(super) const NONE: Checks = Checks {
        read: false,
        matching: false,
        wildcard: false,
        brace: false,
    };
    pub(super) const ALL: Checks = Checks {
        read: true,
        matching: true,
        wildcard: true,
        brace: true,
    };
    const MAIN: Checks = Checks {
        brace: false,
        ..Checks::ALL
    };

    /// What `include_check` with these words makes of it. Words it does not know are left to the keyword table.
    pub(super) fn changed(self, words: &[&str]) -> Checks {
        let mut checks = self;
        if words.is_empty() {
            return Checks::ALL;
        }
        for (at, word) in words.iter().enumerate() {
            let (value, name) = match word.split_at_checked(1) {
                Some(("+", name)) => (true, name),
                Some(("-", name)) => (false, name),
                Some(_) | None if at == 0 => {
                    checks = Checks::NONE;
                    (true, *word)
                }
                Some(_) | None => continue,
            };
            match name {
                "read" => checks.read = value,
                "match" => checks.matching = value,
                "wildcard_match" => checks.wildcard = value,
                "brace_match" => checks.brace = value,
                _ => {}
            }
        }
        checks
    }

    /// What a directive makes an error; `None` for a word that is no directive.
    fn of(word: &str, default: Checks) -> Option<Checks> {
        let read = Checks {
            read: true,
            ..Checks::NONE
        };
        Some(match word {
            "include" => default,
            "includer" => read,
            "includem" => Checks { matching: true, ..read },
            "includew" => Checks::MAIN,
            "includeb" => Checks { brace: true, ..read },
            "includea" => Checks::ALL,
            _ => return None,
        })
    }
}

/// A file that is being read.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) text: Arc<str>,
    pub(super) inclusion: InclusionId,
    pub(super) directory: PathBuf,
    /// What to go back to when the file ends.
    pub(super) checks: Checks,
    position: usize,
    line: u32,
}

impl OpenFile {
    /// The bytes of the next line without its end, and its number.
    pub(super) fn next_line(&mut self) -> Option<(usize, usize, u32)> {
        let from = self.position;
        let rest = self.text.get(from..).filter(|rest| !rest.is_empty())?;
        let len = rest.find('\n').unwrap_or(rest.len());
        self.position = from + len + 1;
        self.line += 1;
        Some((from, from + len, self.line))
    }
}

impl<F: Files> Reader<'_, F> {
    /// Opens what is named on the command line.
    pub fn open_main(&mut self, name: &str) {
        self.open_files(name, Checks::MAIN, None);
        if self.open.is_empty() && self.messages.is_empty() {
            let text = format!("Unable to find configuration file {name}");
            self.complain(true, "config-file-missing", text, None);
        }
    }

    /// Whether a line is an include; if so, its files come next.
    pub(super) fn include_line(&mut self, line: &Line) -> bool {
        let text = line.text();
        let Some((word, name)) = text.split_once([' ', '\t']) else {
            return false;
        };
        let Some(checks) = Checks::of(word, self.checks) else {
            return false;
        };
        let checks = if self.facts.strict_includes {
            Checks::ALL
        } else {
            checks
        };
        let name = name.trim().trim_matches('"').to_owned();
        let at = line.at;
        if self.sources.depth(at.inclusion) >= limits::INCLUDE_DEPTH
            || self.sources.readings() >= limits::INCLUDED_FILES
        {
            let text = format!(
                "Too many includes (at most {} inside each other, {} in all) - ignoring '{name}'",
                limits::INCLUDE_DEPTH,
                limits::INCLUDED_FILES
            );
            self.say(Class::Error, "too-many-includes", text, at);
            return true;
        }
        self.open_files(&name, checks, Some(at));
        true
    }

    /// Opens all files that match a name.
    fn open_files(&mut self, name: &str, checks: Checks, by: Option<Mark>) {
        let directory = self.directory().to_owned();
        let alternatives = pattern::braces(name);
        let mut found: Vec<Found> = Vec::new();
        let mut missing = 0;
        for alternative in &alternatives {
            let absolute = directory.join(alternative);
            match self.files.ask(&absolute.to_string_lossy()) {
                Ok(more) if more.is_empty() => missing += 1,
                Ok(more) => found.extend(more),
                Err(error) => {
                    let text = format!("Configuration file '{alternative}' open problem ({error}) - skipping");
                    self.complain(checks.read, "include-unreadable", text, by);
                }
            }
        }
        if found.is_empty() && missing > 0 {
            self.nothing(name, checks, by);
        } else if missing > 0 && checks.brace {
            self.complain(
                true,
                "include-brace",
                format!("Some config files missing: \"{name}\"."),
                by,
            );
        }
        if let (None, [first, _, ..]) = (by, found.as_slice()) {
            let text = format!(
                "WARNING, multiple configuration file matches of {name}, starting with {}",
                shown(&directory, name, &first.path)
            );
            self.messages.push(Message {
                class: Class::MultipleFiles,
                code: "multiple-files",
                text,
                at: None,
            });
        }
        let opened: Vec<OpenFile> = found
            .into_iter()
            .filter_map(|found| self.open_one(&directory, name, found, checks, by))
            .collect();
        // The first comes first: it must be on top.
        self.open.extend(opened.into_iter().rev());
    }

    fn nothing(&mut self, name: &str, checks: Checks, by: Option<Mark>) {
        if pattern::has_wildcards(name) {
            if checks.wildcard {
                self.complain(
                    true,
                    "include-no-match",
                    format!("No config files matched '{name}'."),
                    by,
                );
            }
        } else if name.contains('{') {
            if checks.brace || checks.matching {
                self.complain(true, "include-missing", format!("Config files missing '{name}'."), by);
            }
        } else {
            let text = format!("Config files missing '{name}'.");
            self.complain(checks.matching, "include-missing", text, by);
        }
    }

    fn open_one(
        &mut self,
        directory: &Path,
        name: &str,
        found: Found,
        checks: Checks,
        by: Option<Mark>,
    ) -> Option<OpenFile> {
        let mut shown = shown(directory, name, &found.path);
        let file = match found.file {
            Ok(file) => file,
            Err(error) => {
                let text = match error {
                    LoadError::Directory => {
                        if !shown.ends_with('/') {
                            shown.push('/');
                        }
                        format!("Configuration file '{shown}' is a directory - skipping")
                    }
                    LoadError::NotRegular => {
                        format!("Configuration file '{shown}' is not a regular non-executable file - skipping")
                    }
                    LoadError::Missing | LoadError::Other(_) => {
                        format!("Configuration file '{shown}' open problem ({error}) - skipping")
                    }
                };
                self.complain(checks.read, "include-unreadable", text, by);
                return None;
            }
        };
        if by.is_some_and(|by| self.sources.is_inside(by.inclusion, file)) {
            let text = format!("Configuration file '{shown}' includes itself - skipping");
            self.complain(true, "include-loop", text, by);
            return None;
        }
        let inclusion = self.sources.include(Inclusion {
            file,
            name: Arc::from(shown),
            by,
        });
        Some(OpenFile {
            text: self.files.text(file),
            inclusion,
            directory: found.path.parent().map_or_else(|| directory.to_owned(), Path::to_owned),
            checks: self.checks,
            position: 0,
            line: 0,
        })
    }

    /// Says that something about files is wrong; counted only if it is an error.
    fn complain(&mut self, error: bool, code: &'static str, text: String, at: Option<Mark>) {
        let class = if error { Class::FileNotFound } else { Class::Notice };
        self.messages.push(Message { class, code, text, at });
    }
}

/// The name of a file as messages show it: relative if it was asked for so.
fn shown(directory: &Path, name: &str, path: &Path) -> String {
    let relative = if name.starts_with('/') {
        None
    } else {
        path.strip_prefix(directory).ok()
    };
    relative.unwrap_or(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn include_check_replaces_adds_and_removes() {
        assert_eq!(Checks::NONE.changed(&[]), Checks::ALL);
        assert!(Checks::NONE.changed(&["read", "+match"]).matching);
        assert!(!Checks::ALL.changed(&["-read"]).read);
        assert!(Checks::ALL.changed(&["-read"]).wildcard);
        assert!(!Checks::ALL.changed(&["read"]).wildcard);
    }
}
