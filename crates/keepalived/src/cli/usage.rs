//! The usage text, made from the table of options.

use super::table::{Spec, TABLE, Takes};
use std::fmt::Write;

/// The column where explanations begin.
const COLUMN: usize = 31;

/// The usage text, with the name the program was called by.
pub(crate) fn usage(program: &str) -> String {
    let mut text = format!("Usage: {program} [OPTION...]\n");
    for spec in TABLE.iter().filter(|spec| !spec.hidden) {
        describe(spec, &mut text);
    }
    text
}

fn describe(spec: &Spec, text: &mut String) {
    let short = spec
        .short
        .map_or_else(|| "   ".to_owned(), |letter| format!("-{letter},"));
    let value = match spec.takes {
        Takes::Nothing => String::new(),
        Takes::Value => format!("={}", spec.value),
        Takes::Maybe => format!("[={}]", spec.value),
    };
    let mut line = format!("  {short} --{}{value}", spec.long.unwrap_or_default());
    for (number, help) in spec.help.iter().enumerate() {
        // A name that reaches the column has its explanation below.
        if line.len() >= COLUMN {
            let _ = writeln!(text, "{line}");
            line.clear();
        }
        let indent = if number > 0 { " " } else { "" };
        let _ = writeln!(text, "{line:COLUMN$}{indent}{help}");
        line.clear();
    }
}
