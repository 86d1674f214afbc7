//! One line on its way from a file to its words, with the way back.

use crate::source::{Mark, Piece, Text};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// Where the bytes of a line are: a line as it stands in the file costs no copy.
#[derive(Clone, Debug)]
enum Base {
    File(Arc<str>),
    Own(String),
}

/// Which signs of the language may be in a line. Most lines have none, and most of the reading can be left out for
/// them; looking once costs less than looking for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signs {
    /// Comments, escapes, conditions, definitions, repetitions, NULs.
    pub(crate) language: bool,
    /// Braces.
    pub(crate) braces: bool,
}

impl Signs {
    /// Nothing is known.
    const ANY: Signs = Signs {
        language: true,
        braces: true,
    };

    fn of(bytes: &[u8]) -> Signs {
        const LANGUAGE: u8 = 1;
        const BRACE: u8 = 2;
        let means = |all: u8, byte: &u8| {
            all | match byte {
                b'#' | b'!' | b'\\' | b'$' | b'~' | b'@' | 0 => LANGUAGE,
                b'{' | b'}' => BRACE,
                _ => 0,
            }
        };
        let all = bytes.iter().fold(0, means);
        Signs {
            language: all & LANGUAGE != 0,
            braces: all & BRACE != 0,
        }
    }
}

/// A line, as a part of a file or as text of its own.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    base: Base,
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Nearly all lines are one piece of a file.
    pieces: SmallVec<[Piece; 1]>,
    /// What may be in it.
    pub(crate) signs: Signs,
    /// The line as a whole, where it is used.
    pub(crate) at: Mark,
    /// What stands before it on its line makes it part of a password.
    pub(crate) secret: bool,
}

impl Line {
    /// The bytes `from..to` of a file.
    pub(crate) fn of_file(file: &Arc<str>, from: usize, to: usize, at: Mark) -> Line {
        let mark = Mark {
            from: from as u32,
            to: to as u32,
            ..at
        };
        Line {
            signs: Signs::of(file.as_bytes().get(from..to).unwrap_or_default()),
            base: Base::File(Arc::clone(file)),
            from,
            to,
            pieces: smallvec![Piece {
                out: from as u32,
                mark,
                linear: true,
            }],
            at: mark,
            secret: false,
        }
    }

    /// The text of the line.
    pub(crate) fn text(&self) -> &str {
        let base: &str = match &self.base {
            Base::File(file) => file,
            Base::Own(text) => text,
        };
        base.get(self.from..self.to).unwrap_or_default()
    }

    /// The text with its way back.
    pub(crate) fn with_pieces(&self) -> Text<'_> {
        Text {
            text: self.text(),
            pieces: &self.pieces,
            offset: self.from as u32,
        }
    }

    /// Takes white space off both ends.
    pub(crate) fn trim(&mut self) {
        let (from, to) = super::text::trim(self.text(), 0, self.to - self.from);
        (self.from, self.to) = (self.from + from, self.from + to);
    }

    /// Cuts the line at `at`, and white space before it.
    pub(crate) fn truncate(&mut self, at: usize) {
        self.to = (self.from + at).min(self.to);
        self.trim();
    }

    /// Takes the first `count` bytes off, and white space after them.
    pub(crate) fn advance(&mut self, count: usize) {
        self.from = (self.from + count).min(self.to);
        self.trim();
    }

    /// The mark of a part of the line.
    pub(crate) fn mark(&self, from: usize, to: usize) -> Mark {
        self.with_pieces().mark(from, to).unwrap_or(self.at)
    }

    /// Puts everything under an expansion that is around the line.
    pub(crate) fn under(&mut self, origin: Option<crate::source::OriginId>) {
        self.at.origin = origin;
        for piece in &mut self.pieces {
            piece.mark.origin = origin;
        }
    }
}

/// Makes a line out of parts of another and of texts put in.
#[derive(Default)]
pub(crate) struct Builder {
    text: String,
    pieces: SmallVec<[Piece; 1]>,
}

impl Builder {
    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Adds a part of `line` as it is.
    pub(crate) fn copy(&mut self, line: &Line, from: usize, to: usize) {
        if from >= to {
            return;
        }
        let (low, high) = ((line.from + from) as u32, (line.from + to) as u32);
        let first = line.pieces.partition_point(|p| p.out <= low).saturating_sub(1);
        for piece in line.pieces.iter().skip(first).take_while(|p| p.out < high) {
            let start = piece.out.max(low);
            let mut mark = piece.mark;
            if piece.linear {
                mark.from = (mark.from + (start - piece.out)).min(mark.to);
            }
            self.pieces.push(Piece {
                out: self.text.len() as u32 + (start - low),
                mark,
                linear: piece.linear,
            });
        }
        self.text.push_str(line.text().get(from..to).unwrap_or_default());
    }

    /// Adds text that takes the place of what stands at `mark`.
    pub(crate) fn insert(&mut self, text: &str, mark: Mark) {
        self.pieces.push(Piece {
            out: self.text.len() as u32,
            mark,
            linear: false,
        });
        self.text.push_str(text);
    }

    /// The line.
    pub(crate) fn finish(self, at: Mark) -> Line {
        Line {
            // Parts of other lines: anything may be in it.
            signs: Signs::ANY,
            from: 0,
            to: self.text.len(),
            base: Base::Own(self.text),
            pieces: self.pieces,
            at,
            secret: false,
        }
    }
}
