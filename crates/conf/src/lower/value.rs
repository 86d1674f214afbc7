//! Values of single words: booleans, numbers, times. The message texts are upstream's.

use super::Lowering;
use crate::diagnostic::Class;
use crate::tree::Statement;
use std::time::Duration;

/// Most decimals of a time in seconds: microseconds.
const OF_SECONDS: usize = 6;
/// Most decimals of a time in milliseconds: microseconds.
const OF_MILLISECONDS: usize = 3;

/// A word that is true or false, in upstream's spelling.
pub(crate) fn boolean(word: &str) -> Option<bool> {
    match word {
        "true" | "on" | "yes" => Some(true),
        "false" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// Digits at the beginning of a number, and what follows them.
fn digits(word: &str) -> (&str, &str) {
    let len = word.bytes().take_while(u8::is_ascii_digit).count();
    word.split_at_checked(len).unwrap_or((word, ""))
}

impl Lowering<'_> {
    /// `KEYWORD [BOOL]`: true without a value. `None` if the value is neither; the caller says so.
    pub(crate) fn flag(&self, line: &Statement<'_>) -> Option<bool> {
        line.word(1).map_or(Some(true), boolean)
    }

    fn number_error(&mut self, line: &Statement<'_>, word: usize, before: &str, after: &str) {
        let message = format!("{before} '{}'{after}", self.shown(line, word));
        self.say(line, word, Class::InvalidNumber, "number", message);
    }

    /// What follows the digits of a number: refused when only checking, said otherwise.
    fn junk(&mut self, line: &Statement<'_>, word: usize) -> bool {
        if self.facts.checking {
            self.number_error(line, word, "invalid number", "");
            return false;
        }
        let shown = self.shown(line, word);
        self.say(
            line,
            word,
            Class::Warning,
            "number-junk",
            format!("WARNING - invalid number '{shown}'"),
        );
        true
    }

    /// A whole number without sign.
    pub(crate) fn unsigned(&mut self, line: &Statement<'_>, word: usize, low: u32, high: u32) -> Option<u32> {
        let text = line.word(word)?;
        if text.trim_start().starts_with('-') {
            self.number_error(line, word, "negative number", "");
            return None;
        }
        let (number, rest) = digits(text.trim_start());
        if number.is_empty() {
            self.number_error(line, word, "invalid number", "");
            return None;
        }
        if !rest.is_empty() && !self.junk(line, word) {
            return None;
        }
        let value: u64 = number.parse().unwrap_or(u64::MAX);
        match u32::try_from(value) {
            Ok(value) if (low..=high).contains(&value) => Some(value),
            Err(_) => {
                self.number_error(line, word, "number", " outside unsigned integer range");
                None
            }
            Ok(_) => {
                self.number_error(line, word, "number", &format!(" outside range [{low}, {high}]"));
                None
            }
        }
    }

    /// A whole number with sign.
    pub(crate) fn signed(&mut self, line: &Statement<'_>, word: usize, low: i64, high: i64) -> Option<i64> {
        let text = line.word(word)?;
        let (sign, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let (number, rest) = digits(unsigned);
        if number.is_empty() {
            self.number_error(line, word, "invalid number", "");
            return None;
        }
        if !rest.is_empty() && !self.junk(line, word) {
            return None;
        }
        let value = number.parse::<i64>().map_or(i64::MAX, |v| v.saturating_mul(sign));
        if i32::try_from(value).is_err() {
            self.number_error(line, word, "number", " outside integer range");
            return None;
        }
        if !(low..=high).contains(&value) {
            self.number_error(line, word, "number", &format!(" outside range [{low}, {high}]"));
            return None;
        }
        Some(value)
    }

    /// A time in seconds with a fraction, between two limits in microseconds.
    pub(crate) fn seconds(&mut self, line: &Statement<'_>, word: usize, low: u64, high: u64) -> Option<Duration> {
        self.time(line, word, OF_SECONDS, low, high)
    }

    /// A time in milliseconds with a fraction, between two limits in microseconds.
    pub(crate) fn milliseconds(&mut self, line: &Statement<'_>, word: usize, low: u64, high: u64) -> Option<Duration> {
        self.time(line, word, OF_MILLISECONDS, low, high)
    }

    fn time(&mut self, line: &Statement<'_>, word: usize, decimals: usize, low: u64, high: u64) -> Option<Duration> {
        let text = line.word(word)?;
        if text.starts_with('-') {
            self.number_error(line, word, "negative number", "");
            return None;
        }
        let (whole, rest) = digits(text);
        let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
        if whole.is_empty() && fraction.is_empty() {
            self.number_error(line, word, "invalid number", "");
            return None;
        }
        if !rest.is_empty() && !self.junk(line, word) {
            return None;
        }
        if fraction.len() > decimals {
            self.number_error(line, word, "number", " has too many decimal places");
        }
        let micros = micros(whole, fraction, decimals);
        if !(low..=high).contains(&micros) {
            let (low, high) = (decimal(low, decimals), decimal(high, decimals));
            self.number_error(line, word, "number", &format!(" outside range [{low}, {high}]"));
            return None;
        }
        Some(Duration::from_micros(micros))
    }

    /// A word for a message: never that of a password.
    pub(crate) fn shown(&self, line: &Statement<'_>, word: usize) -> String {
        if self.is_secret(line, word) {
            return "********".to_owned();
        }
        line.word(word).unwrap_or_default().to_owned()
    }
}

/// Microseconds of a decimal number of a unit that has so many decimals of them, rounded, saturating.
fn micros(whole: &str, fraction: &str, decimals: usize) -> u64 {
    let digit = |at: usize| u64::from(fraction.as_bytes().get(at).map_or(0, |b| b - b'0'));
    let part = (0..decimals).fold(0, |sum, at| sum * 10 + digit(at)) + u64::from(digit(decimals) >= 5);
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().unwrap_or(u64::MAX)
    };
    whole.saturating_mul(unit(decimals)).saturating_add(part)
}

/// Microseconds of a unit that has so many decimals of them.
fn unit(decimals: usize) -> u64 {
    (0..decimals).fold(1, |unit, _| unit * 10)
}

/// Microseconds as upstream prints limits: a unit with all its decimals.
fn decimal(micros: u64, decimals: usize) -> String {
    let unit = unit(decimals);
    format!("{}.{:0decimals$}", micros / unit, micros % unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_six_decimals_and_round_the_seventh() {
        assert_eq!(micros("1", "", 6), 1_000_000);
        assert_eq!(micros("", "5", 6), 500_000);
        assert_eq!(micros("0", "0000005", 6), 1);
        assert_eq!(micros("0", "0000004", 6), 0);
        assert_eq!(micros("99999999999999999999", "", 6), u64::MAX);
        assert_eq!(decimal(10_000, 6), "0.010000");
        assert_eq!(decimal(4_294_967_295, 6), "4294.967295");
    }

    #[test]
    fn milliseconds_have_three_decimals_and_round_the_fourth() {
        assert_eq!(micros("1", "5678", 3), 1568);
        assert_eq!(micros("4294967", "", 3), 4_294_967_000);
        assert_eq!(decimal(1000, 3), "1.000");
    }

    #[test]
    fn booleans_are_spelled_in_lower_case() {
        assert_eq!(boolean("yes"), Some(true));
        assert_eq!(boolean("off"), Some(false));
        assert_eq!(boolean("True"), None);
    }
}
