//! Where words come from.
//!
//! A [`Mark`] says where a piece of text stands in which file, and through which expansions it came to be there. The
//! chain of expansions is stored once for each expansion and shared by all its words. Nothing here knows what the text
//! means.

use crate::limits;
use std::sync::Arc;

/// A reading of a file: the same file included twice is two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InclusionId(pub u32);

/// An expansion in the chain of origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginId(pub u32);

/// Where a word or a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which reading of which file.
    pub inclusion: InclusionId,
    /// The line, from 1; that of the use for text that came out of a definition.
    pub line: u32,
    /// First byte in the file.
    pub from: u32,
    /// The byte after the last.
    pub to: u32,
    /// The expansion it came from.
    pub origin: Option<OriginId>,
}

/// One reading of a file.
#[derive(Clone, Debug)]
pub struct Inclusion {
    /// The file, as an index into the bundle.
    pub file: usize,
    /// The name shown in messages.
    pub name: Arc<str>,
    /// Where it was included; `None` for a file named on the command line.
    pub by: Option<Mark>,
}

/// One expansion.
#[derive(Clone, Debug)]
pub struct Origin {
    /// What was expanded, for people.
    pub what: String,
    /// Where the text that was put in stands.
    pub at: Option<Mark>,
    /// The expansion around this one.
    pub parent: Option<OriginId>,
}

/// All readings and expansions of one compile.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    inclusions: Vec<Inclusion>,
    origins: Vec<Origin>,
    lost: bool,
}

impl Sources {
    /// Remembers a reading of a file.
    pub fn include(&mut self, inclusion: Inclusion) -> InclusionId {
        self.inclusions.push(inclusion);
        InclusionId(self.inclusions.len() as u32 - 1)
    }

    /// Remembers an expansion inside `parent`. When there are too many, what follows keeps the origin around it.
    pub fn expand(
        &mut self,
        parent: Option<OriginId>,
        at: Option<Mark>,
        what: impl FnOnce() -> String,
    ) -> Option<OriginId> {
        if self.origins.len() >= limits::ORIGINS {
            self.lost = true;
            return parent;
        }
        self.origins.push(Origin {
            what: what(),
            at,
            parent,
        });
        Some(OriginId(self.origins.len() as u32 - 1))
    }

    /// Whether there were more expansions than are remembered.
    pub fn lost_origins(&self) -> bool {
        self.lost
    }

    /// A reading by its number.
    pub fn inclusion(&self, id: InclusionId) -> Option<&Inclusion> {
        self.inclusions.get(id.0 as usize)
    }

    /// An expansion by its number.
    pub fn origin(&self, id: OriginId) -> Option<&Origin> {
        self.origins.get(id.0 as usize)
    }

    /// The expansions a place came through, the innermost first.
    pub fn way(&self, from: Option<OriginId>) -> impl Iterator<Item = &Origin> {
        std::iter::successors(from.and_then(|id| self.origin(id)), |origin| {
            origin.parent.and_then(|id| self.origin(id))
        })
    }

    /// Readings so far.
    pub fn readings(&self) -> usize {
        self.inclusions.len()
    }

    /// Whether upstream's parent names the file of a reading: not that of a main file that is the only one.
    pub fn names_matter(&self, id: InclusionId) -> bool {
        let by = |id| self.inclusion(id).and_then(|reading| reading.by);
        by(id).is_some() || (self.readings() > 1 && by(InclusionId(1)).is_none())
    }

    /// Whether a reading is one of a file, or inside one.
    pub fn is_inside(&self, id: InclusionId, file: usize) -> bool {
        let mut at = self.inclusion(id);
        while let Some(inclusion) = at {
            if inclusion.file == file {
                return true;
            }
            at = inclusion.by.and_then(|mark| self.inclusion(mark.inclusion));
        }
        false
    }

    /// How many files include each other above a reading.
    pub fn depth(&self, id: InclusionId) -> usize {
        let mut depth = 0;
        let mut at = Some(id);
        while let Some(inclusion) = at.and_then(|id| self.inclusion(id)) {
            depth += 1;
            at = inclusion.by.map(|mark| mark.inclusion);
        }
        depth
    }
}

/// Which part of an expanded text came from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First byte in the expanded text; the piece ends where the next begins.
    pub out: u32,
    /// Where it stands in the file. With `linear`, byte for byte; otherwise as a whole.
    pub mark: Mark,
    /// Whether the text is that of the file.
    pub linear: bool,
}

/// Text with its way back to the file.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// The text.
    pub text: &'a str,
    /// Its pieces, the first at or before the beginning.
    pub pieces: &'a [Piece],
    /// Where `text` begins in what the pieces count.
    pub offset: u32,
}

impl Text<'_> {
    /// The pieces that the bytes `from..to` are made of.
    fn pieces_of(&self, from: usize, to: usize) -> &[Piece] {
        let (low, high) = (self.offset + from as u32, self.offset + to as u32);
        let first = self.pieces.partition_point(|p| p.out <= low).saturating_sub(1);
        let end = self.pieces.partition_point(|p| p.out < high).max(first + 1);
        self.pieces.get(first..end.min(self.pieces.len())).unwrap_or_default()
    }

    /// The mark of the bytes `from..to` of the text. If they come from several places on one line, it covers all, with
    /// the origin of the first that was expanded.
    pub fn mark(&self, from: usize, to: usize) -> Option<Mark> {
        let (first, rest) = self.pieces_of(from, to).split_first()?;
        let mut mark = first.mark;
        if first.linear {
            let into = (self.offset + from as u32).saturating_sub(first.out);
            mark.from = (mark.from + into).min(first.mark.to);
            if rest.is_empty() {
                mark.to = (mark.from + (to - from) as u32).min(first.mark.to);
            }
        }
        let mut expanded = !first.linear;
        for (at, piece) in rest.iter().enumerate() {
            if piece.mark.inclusion != mark.inclusion || piece.mark.line != mark.line {
                continue;
            }
            let last = at + 1 == rest.len();
            let into = (self.offset + to as u32).saturating_sub(piece.out);
            let end = if piece.linear && last {
                piece.mark.from + into
            } else {
                piece.mark.to
            };
            mark.to = if at == 0 && first.linear { end } else { mark.to.max(end) };
            if !expanded && !piece.linear {
                expanded = true;
                mark.origin = piece.mark.origin;
            }
        }
        mark.to = mark.to.max(mark.from);
        Some(mark)
    }

    /// Whether any of the bytes `from..to` came out of an expansion.
    pub fn expanded(&self, from: usize, to: usize) -> bool {
        self.pieces_of(from, to).iter().any(|piece| !piece.linear)
    }
}
