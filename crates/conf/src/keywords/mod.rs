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

impl Keyword {
    /// What to write instead of an old spelling; its help text ends with that.
    pub fn successor(&self) -> Option<&'static str> {
        ["; now ", "; old name of "]
            .iter()
            .find_map(|sign| Some(self.help.split_once(sign)?.1))
    }
}

/// What follows a keyword.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Words on its line.
    Line,
    /// A command on its line, with the quoting of commands.
    Script,
    /// A block of lines that begin with no keyword, each read by the first, and what is done when it ends.
    Values(Lower, Lower),
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
        // Looking at one byte first is a third of the time: most rows are another keyword.
        let first = word.as_bytes().first();
        self.tables
            .iter()
            .flat_map(|table| table.iter())
            .find(|keyword| keyword.name.as_bytes().first() == first && keyword.name == word)
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

/// The blocks that know a word, for hints; the largest first, for that is where it most often belongs.
pub fn homes(word: &str) -> impl Iterator<Item = &'static str> {
    let at_root = root_names().any(|name| name == word).then_some("the top level");
    let mut homes = blocks();
    homes.retain(|(path, rows)| *path != "(root)" && rows.iter().any(|row| row.name == word));
    homes.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    at_root.into_iter().chain(homes.into_iter().map(|(path, _)| path))
}

/// Every row with the path of its block, as `keywords.tsv` spells it. Blocks that are shared are listed for each place.
pub fn all() -> Vec<(&'static str, &'static Keyword)> {
    blocks()
        .into_iter()
        .flat_map(|(path, rows)| rows.into_iter().map(move |row| (path, row)))
        .collect()
}

/// Every block with its rows, each before the blocks inside it; the root is called `(root)`.
pub fn blocks() -> Vec<(&'static str, Vec<&'static Keyword>)> {
    let root: Vec<&'static Keyword> = root::ROOT.iter().flat_map(|(_, rows)| rows.iter()).collect();
    let mut todo = vec![("(root)", root)];
    let mut blocks = Vec::new();
    while let Some((path, rows)) = todo.pop() {
        let inner = rows.iter().rev().filter_map(|row| block_of(row));
        todo.extend(inner.map(|block| (block.name, block.tables.iter().flat_map(|table| table.iter()).collect())));
        blocks.push((path, rows));
    }
    blocks
}

fn block_of(keyword: &'static Keyword) -> Option<&'static Block> {
    match keyword.shape {
        Shape::Block(block) => Some(block),
        Shape::Line | Shape::Script | Shape::Values(..) => None,
    }
}

/// For entries and ends of blocks that mean nothing yet.
pub(crate) fn nothing(_: &mut Lowering<'_>, _: &Statement<'_>) {}

/// Rows, one on a line:
/// `kind needs "name" "arguments" "range" "default" "help" [=> lowering [, entry [, end]]];`
macro_rules! rows {
    ($($kind:ident $(($block:path))? $needs:literal $name:literal $arguments:literal $range:literal $default:literal
       $help:literal $(=> $lower:path $(, $entry:path $(, $end:path)?)?)?;)*) => {
        &[$($crate::keywords::Keyword {
            name: $name,
            needs: $needs,
            arguments: $arguments,
            range: $range,
            default: $default,
            help: $help,
            shape: $crate::keywords::shape!($kind $(($block))? $($(, $entry $(, $end)?)?)?),
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
        $crate::keywords::Shape::Values($crate::keywords::nothing, $crate::keywords::nothing)
    };
    (values, $entry:path) => {
        $crate::keywords::Shape::Values($entry, $crate::keywords::nothing)
    };
    (values, $entry:path, $end:path) => {
        $crate::keywords::Shape::Values($entry, $end)
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
