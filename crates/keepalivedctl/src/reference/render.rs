//! A page as Markdown and as a manual page.

use super::{Page, Part, Section};
use conf::keywords::Keyword;
use std::fmt::Write;

/// Said at the head of what is made, for whoever opens it to edit it.
const MADE: &str = "Made by `make docs` from the keyword tables in crates/conf/src/keywords. Edit those.";

/// Columns of a line of troff.
const WIDTH: usize = 78;

/// The page as Markdown.
pub(super) fn markdown(page: &Page) -> String {
    let mut text = format!("<!-- {MADE} -->\n\n# keepalived.conf\n");
    for section in &page.sections {
        let _ = write!(text, "\n## {}\n", section.title);
        for part in &section.parts {
            text.push('\n');
            markdown_part(part, &mut text);
        }
    }
    text
}

fn markdown_part(part: &Part, text: &mut String) {
    match part {
        Part::Text(paragraph) => {
            let _ = writeln!(text, "{paragraph}");
        }
        Part::Lines(lines) => {
            let _ = writeln!(text, "```\n{lines}\n```");
        }
        Part::Terms(terms) => {
            text.push_str("| | |\n|---|---|\n");
            for (term, meaning) in terms {
                let _ = writeln!(text, "| {} | {} |", code(term), cell(meaning));
            }
        }
        Part::Rows(rows) => {
            text.push_str("| keyword | values | default | |\n|---|---|---|---|\n");
            for row in rows {
                let (range, default) = (cell(row.range), cell(row.default));
                let _ = writeln!(
                    text,
                    "| {} | {range} | {default} | {} |",
                    code(row.arguments),
                    cell(&help(row))
                );
            }
        }
    }
}

/// Code within a table; a bar would end the cell.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// Text within a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// What a keyword is for, as a sentence. Only a name that is not how it is written needs to be said.
fn help(row: &Keyword) -> String {
    let named = row.arguments.split_whitespace().next() == Some(row.name);
    let name = if named {
        String::new()
    } else {
        format!("({}) ", row.name)
    };
    match row.help {
        "" => name,
        help => format!("{name}{help}."),
    }
}

/// The page as input of troff.
pub(super) fn man(page: &Page) -> String {
    let mut text = format!(".\\\" {MADE}\n.TH KEEPALIVED.CONF 5 \"\" keepalived \"File formats\"\n");
    text.push_str(".SH NAME\nkeepalived.conf \\- configuration of keepalived\n");
    for section in &page.sections {
        man_section(section, &mut text);
    }
    text.push_str(".SH SEE ALSO\n.BR keepalived (8),\n.BR keepalivedctl (1)\n");
    text
}

fn man_section(section: &Section, text: &mut String) {
    let _ = writeln!(text, ".SH {}", escape(&section.title.to_uppercase()));
    for (number, part) in section.parts.iter().enumerate() {
        if number > 0 && matches!(part, Part::Text(_) | Part::Lines(_)) {
            text.push_str(".PP\n");
        }
        match part {
            Part::Text(paragraph) => {
                let _ = writeln!(text, "{}", line(&paragraph.replace('`', "")));
            }
            Part::Lines(lines) => {
                text.push_str(".nf\n.RS\n");
                for each in lines.lines() {
                    let _ = writeln!(text, "{}", line(each));
                }
                text.push_str(".RE\n.fi\n");
            }
            Part::Terms(terms) => {
                for (term, meaning) in terms {
                    man_item(term, &[meaning], text);
                }
            }
            Part::Rows(rows) => {
                for row in rows {
                    man_row(row, text);
                }
            }
        }
    }
}

fn man_row(row: &Keyword, text: &mut String) {
    let help = help(row);
    let mut said = vec![help.as_str()];
    let range = format!("Values: {}.", row.range);
    let default = format!("Default: {}.", row.default);
    if !row.range.is_empty() {
        said.push(&range);
    }
    if !row.default.is_empty() {
        said.push(&default);
    }
    man_item(row.arguments, &said, text);
}

fn man_item(term: &str, said: &[&str], text: &mut String) {
    let _ = writeln!(text, ".TP\n.B \"{}\"", escape(term).replace('"', "\\(dq"));
    for each in said {
        let _ = writeln!(text, "{}", line(each));
    }
}

/// Text as lines of moderate length.
fn line(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let indent = text.len() - text.trim_start().len();
    for word in text.trim_start().split(' ') {
        match lines.last_mut() {
            Some(last) if last.len() + word.len() < WIDTH => {
                last.push(' ');
                last.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    let lines: Vec<String> = lines.iter().map(|each| guard(&escape(each))).collect();
    " ".repeat(indent) + &lines.join("\n")
}

/// A dot or an apostrophe at the beginning of a line would be a request.
fn guard(line: &str) -> String {
    if line.starts_with(['.', '\'']) {
        return format!("\\&{line}");
    }
    line.to_owned()
}

/// Backslashes, and hyphens that must stay hyphens when they are copied.
fn escape(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('~', "\\(ti")
        .replace('^', "\\(ha")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_troff_would_take_for_a_request_is_escaped() {
        assert_eq!(line(".conf"), "\\&.conf");
        assert_eq!(line("a\\b -c ~SEQ @^x"), "a\\eb \\-c \\(tiSEQ @\\(hax");
    }

    #[test]
    fn a_bar_does_not_end_a_cell() {
        assert_eq!(code("state A|B"), "`state A\\|B`");
    }
}
