//! Objects in the order in which SNMP walks them, and what is said of names that are asked for.

use crate::oid::Oid;
use crate::pdu::{Range, Status};
use crate::value::{Answer, Value, VarBind};
use alloc::vec::Vec;

/// Answers to one request. A bulk request for more gets fewer, as RFC 3416 section 4.2.3 allows; of the others a master
/// agent sends none with so many names.
pub const MAX_ANSWERS: usize = 4096;

/// What may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Nothing.
    Never,
    /// A number from this to that.
    Integer(i32, i32),
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: Oid,
    /// So many numbers name the object; the others say which of them.
    object: usize,
    value: Value,
    permit: Permit,
}

/// A snapshot of all objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    entries: Vec<Entry>,
}

impl Table {
    /// A table of objects that were put in in any order. Of those with the same name the first counts.
    pub fn new(builder: Builder) -> Table {
        let mut entries = builder.entries;
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        entries.dedup_by(|later, earlier| later.name == earlier.name);
        Table { entries }
    }

    /// How many objects there are.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// There are none.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every name with its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Oid, &Value)> {
        self.entries.iter().map(|entry| (&entry.name, &entry.value))
    }

    fn find(&self, name: &Oid) -> Result<&Entry, usize> {
        let place = self.entries.binary_search_by(|entry| entry.name.cmp(name));
        place.and_then(|place| self.entries.get(place).ok_or(place))
    }

    /// What this name is.
    pub fn get(&self, name: &Oid) -> Answer {
        match self.find(name) {
            Ok(entry) => Answer::Value(entry.value.clone()),
            Err(place) if self.knows_object(name, place) => Answer::NoSuchInstance,
            Err(_) => Answer::NoSuchObject,
        }
    }

    /// Whether the object of a name that is not there, but would be at `place`, has other instances: they are beside it.
    fn knows_object(&self, name: &Oid, place: usize) -> bool {
        let before = place.checked_sub(1).and_then(|place| self.entries.get(place));
        let after = self.entries.get(place);
        let is_of = |entry: &Entry| {
            let object = entry.name.numbers().get(..entry.object);
            object.is_some_and(|object| name.numbers().starts_with(object))
        };
        before.into_iter().chain(after).any(is_of)
    }

    /// What comes next in a range.
    pub fn next(&self, range: &Range) -> VarBind {
        let place = self
            .entries
            .partition_point(|entry| entry.name < range.start || (!range.include && entry.name == range.start));
        let found = self.entries.get(place);
        match found.filter(|entry| range.end.is_empty() || entry.name < range.end) {
            Some(entry) => VarBind::new(entry.name.clone(), entry.value.clone()),
            None => VarBind {
                name: range.start.clone(),
                answer: Answer::EndOfMibView,
            },
        }
    }

    /// What comes next in the first `once` ranges, and what comes next again and again in the others.
    pub fn bulk(&self, once: u16, repetitions: u16, ranges: &[Range]) -> Vec<VarBind> {
        let (single, repeated) = ranges.split_at(usize::from(once).min(ranges.len()));
        let mut answers: Vec<VarBind> = single.iter().take(MAX_ANSWERS).map(|range| self.next(range)).collect();
        let mut ranges: Vec<Range> = repeated.to_vec();
        for _ in 0..repetitions {
            let mut over = true;
            for range in &mut ranges {
                if answers.len() == MAX_ANSWERS {
                    return answers;
                }
                let bind = self.next(range);
                if bind.answer != Answer::EndOfMibView {
                    over = false;
                    (range.start, range.include) = (bind.name.clone(), false);
                }
                answers.push(bind);
            }
            if over {
                break;
            }
        }
        answers
    }

    /// Whether these may be set; else which of them may not (from 1), and why.
    pub fn test(&self, binds: &[VarBind]) -> Result<(), (u16, Status)> {
        for (number, bind) in (1..).zip(binds) {
            let refused = match self.find(&bind.name) {
                Err(_) => Some(Status::NO_CREATION),
                Ok(entry) => entry.refuses(&bind.answer),
            };
            if let Some(status) = refused {
                return Err((number, status));
            }
        }
        Ok(())
    }
}

impl Entry {
    fn refuses(&self, wanted: &Answer) -> Option<Status> {
        match (self.permit, wanted) {
            (Permit::Never, _) => Some(Status::NOT_WRITABLE),
            (Permit::Integer(least, most), Answer::Value(Value::Integer(number))) => {
                (!(least..=most).contains(number)).then_some(Status::WRONG_VALUE)
            }
            (Permit::Integer(..), _) => Some(Status::WRONG_TYPE),
        }
    }
}

/// Objects on their way into a [`Table`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    entries: Vec<Entry>,
}

impl Builder {
    /// An object that is read: its name, which of them it is, its value.
    pub fn put(&mut self, object: &Oid, index: &[u32], value: Value) {
        self.put_with(object, index, value, Permit::Never);
    }

    /// The same of one that may be set.
    pub fn put_with(&mut self, object: &Oid, index: &[u32], value: Value, permit: Permit) {
        self.entries.push(Entry {
            name: object.with(index),
            object: object.len(),
            value,
            permit,
        });
    }
}
