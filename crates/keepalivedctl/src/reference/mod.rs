//! The reference of the configuration language, made from the keyword tables.
//!
//! Decides what the reference says and in which order; how a page looks is [`render`]'s. The language around the
//! keywords, which no table holds, is told in [`language`].

mod language;
mod render;

use conf::keywords::{self, Keyword};

/// A page.
struct Page {
    sections: Vec<Section>,
}

/// A headed part of a page.
struct Section {
    title: String,
    parts: Vec<Part>,
}

/// What sections are made of.
enum Part {
    /// A paragraph.
    Text(String),
    /// Lines of a file.
    Lines(&'static str),
    /// Terms and what they mean.
    Terms(Vec<(String, String)>),
    /// Keywords of a block.
    Rows(Vec<&'static Keyword>),
}

/// Every keyword with its block, arguments, range and default, tab separated under a header. Entries of value lists are
/// not among them.
pub(crate) fn tsv() -> String {
    let mut text = "block\tkeyword\targuments\trange\tdefault\n".to_owned();
    for (block, row) in keywords::all() {
        text.push_str(&[block, row.name, row.arguments, row.range, row.default].join("\t"));
        text.push('\n');
    }
    text
}

/// The reference page.
pub(crate) fn markdown() -> String {
    render::markdown(&page())
}

/// keepalived.conf(5).
pub(crate) fn man() -> String {
    render::man(&page())
}

fn page() -> Page {
    let mut sections = language::before();
    for (block, rows) in keywords::blocks() {
        let title = if block == "(root)" {
            "The top level".to_owned()
        } else {
            block.to_owned()
        };
        let parts = vec![Part::Rows(rows)];
        sections.push(Section { title, parts });
    }
    sections.extend(language::after());
    Page { sections }
}
