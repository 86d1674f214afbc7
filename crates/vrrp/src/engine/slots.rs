//! A table of instances with small numbers as handles.
//!
//! Deliberately does not know names: the engine keeps the way from a name to its slot.

use alloc::vec::Vec;

/// The number of an instance while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) usize);

/// Values by slot; a slot is used again after its value has gone.
#[derive(Clone, Debug)]
pub(crate) struct Slots<T> {
    values: Vec<Option<T>>,
    free: Vec<Slot>,
}

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots {
            values: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    /// Puts a value into a free slot.
    pub(crate) fn insert(&mut self, value: T) -> Slot {
        match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.values.get_mut(slot.0) {
                    *place = Some(value);
                }
                slot
            }
            None => {
                self.values.push(Some(value));
                Slot(self.values.len() - 1)
            }
        }
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        let value = self.values.get_mut(slot.0)?.take();
        if value.is_some() {
            self.free.push(slot);
        }
        value
    }

    /// The value of a slot.
    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        self.values.get(slot.0)?.as_ref()
    }

    /// The value of a slot.
    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.values.get_mut(slot.0)?.as_mut()
    }

    /// All values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        let numbered = self.values.iter().enumerate();
        numbered.filter_map(|(number, value)| Some((Slot(number), value.as_ref()?)))
    }
}
