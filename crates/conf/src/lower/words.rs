//! The words of an entry that is a small language of its own: routes and rules.
//!
//! Goes from word to word. A word that must be there and is not ends all reading, as upstream has it.

use super::Lowering;
use crate::diagnostic::Class;
use crate::model::DynamicInterfaces;
use crate::tree::Statement;
use base::{Family, IfName, Prefix};
use std::net::IpAddr;

/// The entry cannot be used; said already.
pub(crate) struct Dropped;

/// Where the reading of an entry is.
pub(crate) struct Words<'s, 't> {
    pub(crate) line: &'s Statement<'t>,
    pub(crate) at: usize,
}

impl<'s, 't> Words<'s, 't> {
    pub(crate) fn new(line: &'s Statement<'t>) -> Words<'s, 't> {
        Words { line, at: 0 }
    }

    /// The word here, without going on.
    pub(crate) fn peek(&self) -> Option<&'t str> {
        self.line.word(self.at)
    }

    /// The word here; goes on.
    pub(crate) fn take(&mut self) -> Option<&'t str> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    /// The value of an option: it must be there.
    pub(crate) fn value(&mut self, low: &mut Lowering<'_>) -> Result<&'t str, Dropped> {
        match self.take() {
            Some(word) => Ok(word),
            None => {
                low.missing_parameter(self.line, self.at);
                Err(Dropped)
            }
        }
    }

    /// Says what is wrong with the word before this place, and gives the entry up.
    pub(crate) fn refuse<T>(&self, low: &mut Lowering<'_>, code: &'static str, text: String) -> Result<T, Dropped> {
        self.complain(low, code, text);
        Err(Dropped)
    }

    /// Says something about the word before this place.
    pub(crate) fn complain(&self, low: &mut Lowering<'_>, code: &'static str, text: String) {
        low.error(self.line, self.at.saturating_sub(1), code, text);
    }

    /// A whole number without sign; `wrong` makes the message of its value that follows the one about the number.
    pub(crate) fn number(
        &mut self,
        low: &mut Lowering<'_>,
        code: &'static str,
        range: (u32, u32),
        wrong: impl FnOnce(&str) -> String,
    ) -> Result<u32, Dropped> {
        let word = self.value(low)?;
        match low.unsigned(self.line, self.at - 1, range.0, range.1) {
            Some(number) => Ok(number),
            None => self.refuse(low, code, wrong(word)),
        }
    }

    /// A whole number of 64 bits without sign.
    pub(crate) fn long(
        &mut self,
        low: &mut Lowering<'_>,
        code: &'static str,
        wrong: impl FnOnce(&str) -> String,
    ) -> Result<u64, Dropped> {
        let word = self.value(low)?;
        match word.parse() {
            Ok(number) if !word.starts_with('+') => Ok(number),
            _ => {
                let text = format!("invalid number '{word}'");
                low.say(self.line, self.at - 1, Class::InvalidNumber, "number", text);
                self.refuse(low, code, wrong(word))
            }
        }
    }

    /// An address without a prefix length.
    pub(crate) fn address(
        &mut self,
        low: &mut Lowering<'_>,
        code: &'static str,
        wrong: impl FnOnce(&str) -> String,
    ) -> Result<IpAddr, Dropped> {
        let word = self.value(low)?;
        if let Ok(address) = word.parse() {
            return Ok(address);
        }
        self.complain(low, "address", format!("VRRP parsed invalid IP {word}. skipping IP..."));
        self.refuse(low, code, wrong(word))
    }

    /// An address with or without a prefix length.
    pub(crate) fn prefix(
        &mut self,
        low: &mut Lowering<'_>,
        code: &'static str,
        wrong: impl FnOnce(&str) -> String,
    ) -> Result<Prefix, Dropped> {
        let word = self.value(low)?;
        match super::address::prefix(low, self.line, self.at - 1) {
            Some(prefix) => Ok(prefix),
            None => self.refuse(low, code, wrong(word)),
        }
    }

    /// An interface. One that does not exist ends the entry unless interfaces may come later.
    pub(crate) fn interface(&mut self, low: &mut Lowering<'_>, whose: &str) -> Result<IfName, Dropped> {
        let word = self.value(low)?;
        let name = low.interface(self.line, self.at - 1, whose).ok_or(Dropped)?;
        if !low.knows_interface(word) && low.global.dynamic_interfaces == DynamicInterfaces::No {
            return Err(Dropped);
        }
        Ok(name)
    }
}

/// `inet`, `inet6`.
pub(crate) fn family(word: &str) -> Option<Family> {
    match word {
        "inet" => Some(Family::V4),
        "inet6" => Some(Family::V6),
        _ => None,
    }
}
