//! The keyword tables: one row says everything about a keyword.
//!
//! The walker, "did you mean", and whatever prints the language read these rows. A keyword that is not in a table does not
//! exist. A row without a lowering is recognised with all that is inside it, and reported once as not implemented yet;
//! implementing it means to write its lowering and to name it in the row.

pub mod bfd;
pub mod check;
pub mod global;
pub mod lvs;
pub mod root;
pub mod track;
pub mod vrrp;

use crate::diagnostic::Stage;
use crate::lower::Lowering;
use crate::tree::Statement;

/// Reads a line into the drafts.
pub type Lower = for<'l, 'f, 's, 't> fn(&'l mut Lowering<'f>, &'s Statement<'t>);

/// A row.
#[derive(Debug)]
pub struct Keyword {
    /// The keyword.
    pub name: &'static str,
    /// Words that must follow it; reading stops without them.
    pub needs: u8,
    /// How it is written.
    pub arguments: &'static str,
    /// Which values it takes.
    pub range: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// What follows it.
    pub shape: Shape,
    /// What reads it; `None`: recognised, not implemented yet.
    pub lower: Option<Lower>,
}

/// What follows a keyword.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Words on its line.
    Line,
    /// A command on its line, with the quoting of commands.
    Script,
    /// A block of lines that begin with no keyword, each read by this.
    Values(Lower),
    /// A block of keywords.
    Block(&'static Block),
}

/// A block of keywords.
#[derive(Debug)]
pub struct Block {
    /// The name of the block, as in messages.
    pub name: &'static str,
    /// Its keywords, in as many tables as are shared with others.
    pub tables: &'static [&'static [Keyword]],
    /// What is done when the block ends.
    pub close: Lower,
}

impl Block {
    /// The row of a word.
    pub fn find(&self, word: &str) -> Option<&'static Keyword> {
        self.tables
            .iter()
            .flat_map(|table| table.iter())
            .find(|keyword| keyword.name == word)
    }

    /// All keywords of the block.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.tables
            .iter()
            .flat_map(|table| table.iter())
            .map(|keyword| keyword.name)
    }
}

/// A root keyword, and who reads it.
pub fn root(word: &str) -> Option<(&'static [Stage], &'static Keyword)> {
    root::ROOT
        .iter()
        .find_map(|(views, rows)| rows.iter().find(|row| row.name == word).map(|row| (*views, row)))
}

/// All root keywords.
pub fn root_names() -> impl Iterator<Item = &'static str> {
    root::ROOT
        .iter()
        .flat_map(|(_, rows)| rows.iter())
        .map(|keyword| keyword.name)
}

/// The blocks that know a word, for hints.
pub fn homes(word: &str) -> impl Iterator<Item = &'static str> {
    let at_root = root_names().any(|name| name == word).then_some("the top level");
    let blocks = all()
        .into_iter()
        .filter(move |(_, keyword)| keyword.name == word)
        .map(|(path, _)| path);
    let mut seen: Vec<&'static str> = at_root
        .into_iter()
        .chain(blocks.filter(|path| *path != "(root)"))
        .collect();
    seen.dedup();
    seen.into_iter()
}

/// Every row with the path of its block, as `keywords.tsv` spells it. Blocks that are shared are listed for each place.
pub fn all() -> Vec<(&'static str, &'static Keyword)> {
    let mut rows = Vec::new();
    let mut todo = Vec::new();
    for keyword in root::ROOT.iter().flat_map(|(_, rows)| rows.iter()) {
        rows.push(("(root)", keyword));
        todo.extend(block_of(keyword));
    }
    while let Some(block) = todo.pop() {
        for keyword in block.tables.iter().flat_map(|table| table.iter()) {
            rows.push((block.name, keyword));
            todo.extend(block_of(keyword));
        }
    }
    rows
}

fn block_of(keyword: &'static Keyword) -> Option<&'static Block> {
    match keyword.shape {
        Shape::Block(block) => Some(block),
        Shape::Line | Shape::Script | Shape::Values(_) => None,
    }
}

/// For entries and ends of blocks that mean nothing yet.
pub(crate) fn nothing(_: &mut Lowering<'_>, _: &Statement<'_>) {}

/// Rows, one on a line:
/// `kind needs "name" "arguments" "range" "default" "help" [=> lowering [, entry]];`
macro_rules! rows {
    ($($kind:ident $(($block:path))? $needs:literal $name:literal $arguments:literal $range:literal $default:literal
       $help:literal $(=> $lower:path $(, $entry:path)?)?;)*) => {
        &[$($crate::keywords::Keyword {
            name: $name,
            needs: $needs,
            arguments: $arguments,
            range: $range,
            default: $default,
            help: $help,
            shape: $crate::keywords::shape!($kind $(($block))? $($(, $entry)?)?),
            lower: $crate::keywords::lowering!($($lower)?),
        }),*]
    };
}

macro_rules! shape {
    (line) => {
        $crate::keywords::Shape::Line
    };
    (script) => {
        $crate::keywords::Shape::Script
    };
    (values) => {
        $crate::keywords::Shape::Values($crate::keywords::nothing)
    };
    (values, $entry:path) => {
        $crate::keywords::Shape::Values($entry)
    };
    (block($block:path)) => {
        $crate::keywords::Shape::Block(&$block)
    };
}

macro_rules! lowering {
    () => {
        None
    };
    ($lower:path) => {
        Some($lower)
    };
}

pub(crate) use {lowering, rows, shape};
