//! Names of objects: sequences of numbers, ordered as SNMP walks them.

use alloc::vec::Vec;
use core::fmt;

/// The most numbers a name can have (RFC 2741 section 5.1). Longer ones are refused where they are read; where they are
/// made, what is beyond it is cut off.
pub const MAX_NUMBERS: usize = 128;

/// The name of an object. The empty one is the null name of RFC 2741.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(Vec<u32>);

impl Oid {
    /// The name of these numbers.
    pub fn new(numbers: &[u32]) -> Oid {
        Oid(numbers.iter().take(MAX_NUMBERS).copied().collect())
    }

    /// This name with more numbers behind.
    #[must_use]
    pub fn with(&self, more: &[u32]) -> Oid {
        Oid(self.0.iter().chain(more).take(MAX_NUMBERS).copied().collect())
    }

    /// The numbers.
    pub fn numbers(&self) -> &[u32] {
        &self.0
    }

    /// How many numbers.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The null name.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this name is `other` or below it.
    pub fn is_below(&self, other: &Oid) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl From<&[u32]> for Oid {
    fn from(numbers: &[u32]) -> Oid {
        Oid::new(numbers)
    }
}

/// As tools print it with `-On`.
impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|number| write!(f, ".{number}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_are_ordered_number_by_number_and_a_shorter_one_comes_first() {
        let mut names = [
            Oid::new(&[1, 3, 10]),
            Oid::new(&[1, 3, 9, 1]),
            Oid::new(&[1, 3, 9]),
            Oid::default(),
        ];
        names.sort();
        let printed: Vec<_> = names.iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["", ".1.3.9", ".1.3.9.1", ".1.3.10"]);
    }

    #[test]
    fn a_name_never_grows_beyond_what_can_be_sent() {
        let long = Oid::new(&[1; 500]).with(&[2; 500]);
        assert_eq!(long.len(), MAX_NUMBERS);
        assert!(long.is_below(&Oid::new(&[1; 100])));
        assert!(!Oid::new(&[1, 3]).is_below(&Oid::new(&[1, 3, 1])));
    }
}
