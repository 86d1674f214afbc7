//! `nftables_ipvs`: which mark stands for which group.
//!
//! A group that has no marks of its own gets one for each protocol, so that one service replaces one for each address.
//! Decides the numbers and keeps them across reloads: a service whose mark changed would forget its connections. How
//! packets get their mark is not known here.

use crate::config::{GroupFamilies, GroupName, Protocol};
use alloc::collections::{BTreeMap, BTreeSet};

/// The marks that are given away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    given: BTreeMap<(GroupName, Protocol), u32>,
}

impl Marks {
    /// Whether a group of these families can have one: a mark it has already is not for us to replace.
    pub const fn fits(families: GroupFamilies) -> bool {
        families.addresses && !families.marks
    }

    /// The mark of a group and protocol.
    pub fn get(&self, group: &GroupName, protocol: Protocol) -> Option<u32> {
        self.given.get(&(group.clone(), protocol)).copied()
    }

    /// All that are given away.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupName, Protocol, u32)> {
        self.given
            .iter()
            .map(|((group, protocol), mark)| (group, *protocol, *mark))
    }

    /// Makes the given marks fit what is wanted: who stays keeps its mark, who is new gets the lowest that is free from
    /// `first` up and not among `taken`, who is gone gives it back. Whoever finds none, because the numbers have an end,
    /// gets none.
    pub fn settle(&mut self, wanted: &BTreeSet<(GroupName, Protocol)>, first: u32, taken: &BTreeSet<u32>) {
        self.given
            .retain(|who, mark| wanted.contains(who) && *mark >= first && !taken.contains(mark));
        let mut used: BTreeSet<u32> = self.given.values().copied().collect();
        let mut next = first;
        for who in wanted {
            if self.given.contains_key(who) {
                continue;
            }
            while used.contains(&next) || taken.contains(&next) {
                match next.checked_add(1) {
                    Some(after) => next = after,
                    None => return,
                }
            }
            used.insert(next);
            self.given.insert(who.clone(), next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(names: &[&str]) -> BTreeSet<(GroupName, Protocol)> {
        names.iter().map(|name| ((*name).into(), Protocol::Tcp)).collect()
    }

    fn given(marks: &Marks) -> alloc::vec::Vec<(&str, u32)> {
        marks.iter().map(|(group, _, mark)| (group.as_str(), mark)).collect()
    }

    #[test]
    fn who_stays_keeps_its_mark_and_who_comes_gets_a_free_one() {
        let mut marks = Marks::default();
        marks.settle(&who(&["a", "b", "c"]), 1000, &BTreeSet::from([1001]));
        assert_eq!(given(&marks), [("a", 1000), ("b", 1002), ("c", 1003)]);
        marks.settle(&who(&["0", "b", "z"]), 1000, &BTreeSet::from([1001]));
        assert_eq!(given(&marks), [("0", 1000), ("b", 1002), ("z", 1003)]);
        let before = marks.clone();
        marks.settle(&who(&["0", "b", "z"]), 1000, &BTreeSet::from([1001]));
        assert_eq!(marks, before);
    }

    #[test]
    fn a_mark_that_somebody_else_now_uses_is_given_up() {
        let mut marks = Marks::default();
        marks.settle(&who(&["a"]), 7, &BTreeSet::new());
        marks.settle(&who(&["a"]), 7, &BTreeSet::from([7]));
        assert_eq!(given(&marks), [("a", 8)]);
    }

    #[test]
    fn protocols_have_marks_of_their_own() {
        let mut marks = Marks::default();
        let both = BTreeSet::from([("a".into(), Protocol::Tcp), ("a".into(), Protocol::Udp)]);
        marks.settle(&both, 1000, &BTreeSet::new());
        assert_eq!(marks.get(&"a".into(), Protocol::Udp), Some(1001));
        assert_eq!(marks.get(&"a".into(), Protocol::Sctp), None);
    }

    #[test]
    fn the_numbers_have_an_end() {
        let mut marks = Marks::default();
        marks.settle(&who(&["a", "b"]), u32::MAX, &BTreeSet::new());
        assert_eq!(given(&marks), [("a", u32::MAX)]);
    }
}
