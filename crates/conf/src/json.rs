//! Diagnostics for programs.
//!
//! Decides the shape of the JSON of `keepalived -t --format json`; `docs/reference/diagnostics.md` describes it. Members
//! may be added; their meaning does not change without a new `schema` number.

use crate::bundle::Bundle;
use crate::diagnostic::{Class, Diagnostic, Location, Stage};
use serde::Serialize;

/// The number of the shape.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    file: &'a str,
    exit_code: u8,
    errors: &'a [String],
    diagnostics: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    code: &'static str,
    severity: &'static str,
    class: &'static str,
    reader: &'static str,
    message: &'a str,
    line_text: String,
    #[serde(flatten)]
    at: Option<Place<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expands_to: Option<&'a str>,
    origin: Vec<Step<'a>>,
    hints: &'a [String],
}

#[derive(Serialize)]
struct Step<'a> {
    text: &'a str,
    #[serde(flatten)]
    at: Option<Place<'a>>,
}

/// A place: columns count characters from 1, and `end_column` is the one behind the last.
#[derive(Debug, Serialize)]
pub struct Place<'a> {
    file: &'a str,
    line: u32,
    column: usize,
    end_column: usize,
}

/// One JSON document with everything that is wrong, and with what kept the check itself from its work.
pub fn report(bundle: &Bundle, diagnostics: &[Diagnostic], errors: &[String], exit_code: u8) -> String {
    let report = Report {
        schema: SCHEMA,
        file: bundle.main(),
        exit_code,
        errors,
        diagnostics: diagnostics.iter().map(|d| entry(bundle, d)).collect(),
    };
    // Strings and numbers alone: there is nothing in it that JSON cannot say.
    let mut text = serde_json::to_string_pretty(&report).unwrap_or_default();
    text.push('\n');
    text
}

fn entry<'a>(bundle: &'a Bundle, d: &'a Diagnostic) -> Entry<'a> {
    Entry {
        code: d.code,
        severity: d.class.severity(),
        class: d.class.name(),
        reader: match d.stage {
            Stage::Parent => "parent",
            Stage::Checker => "checker",
            Stage::Vrrp => "vrrp",
            Stage::Bfd => "bfd",
        },
        message: &d.message,
        line_text: d.to_string(),
        at: d.at.as_ref().map(|at| place(bundle, at)),
        expands_to: d.expands_to.as_deref(),
        origin: d
            .origin
            .iter()
            .map(|note| Step {
                text: &note.text,
                at: note.at.as_ref().map(|at| place(bundle, at)),
            })
            .collect(),
        hints: &d.hints,
    }
}

/// A location in columns.
pub fn place<'a>(bundle: &Bundle, at: &'a Location) -> Place<'a> {
    let text = bundle.text(at.source).map_or("", |text| text);
    let start = text.get(..at.span.start).unwrap_or_default();
    let column = 1 + start.chars().rev().take_while(|c| *c != '\n').count();
    let marked = text.get(at.span.clone()).unwrap_or_default();
    Place {
        file: &at.file,
        line: at.line,
        column,
        end_column: column + marked.chars().take_while(|c| *c != '\n').count(),
    }
}

impl Class {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Class::Notice => "notice",
            Class::FileNotFound => "file-not-found",
            Class::BadInterface => "bad-interface",
            Class::Fatal => "fatal",
            Class::MultipleFiles => "multiple-files",
            Class::UnknownKeyword => "unknown-keyword",
            Class::UnexpectedOpen => "unexpected-open",
            Class::MissingOpen => "missing-open",
            Class::UnexpectedClose => "unexpected-close",
            Class::MissingClose => "missing-close",
            Class::UnmatchedQuote => "unmatched-quote",
            Class::MissingParameter => "missing-parameter",
            Class::InvalidNumber => "invalid-number",
            Class::Error => "error",
            Class::Unusable => "unusable",
            Class::Warning => "warning",
            Class::Deprecated => "deprecated",
            Class::Security => "security",
        }
    }

    /// `note`, `warning` or `error`.
    pub fn severity(self) -> &'static str {
        match self {
            Class::Notice => "note",
            Class::Warning | Class::Deprecated => "warning",
            Class::FileNotFound
            | Class::BadInterface
            | Class::Fatal
            | Class::MultipleFiles
            | Class::UnknownKeyword
            | Class::UnexpectedOpen
            | Class::MissingOpen
            | Class::UnexpectedClose
            | Class::MissingClose
            | Class::UnmatchedQuote
            | Class::MissingParameter
            | Class::InvalidNumber
            | Class::Error
            | Class::Unusable
            | Class::Security => "error",
        }
    }
}
