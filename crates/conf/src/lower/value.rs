//! Values of single words: booleans, numbers, times. The message texts are upstream's.

use super::Lowering;
use crate::diagnostic::Class;
use crate::tree::Statement;
use std::time::Duration;

/// Most decimals of a time in seconds: microseconds.
const DECIMALS: usize = 6;

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
        if fraction.len() > DECIMALS {
            self.number_error(line, word, "number", " has too many decimal places");
        }
        let micros = micros(whole, fraction);
        if !(low..=high).contains(&micros) {
            let (low, high) = (decimal(low), decimal(high));
            self.number_error(line, word, "number", &format!(" outside range [{low}, {high}]"));
            return None;
        }
        Some(Duration::from_micros(micros))
    }

    /// A word for a message: never that of a password.
    fn shown(&self, line: &Statement<'_>, word: usize) -> String {
        if self.is_secret(line, word) {
            return "********".to_owned();
        }
        line.word(word).unwrap_or_default().to_owned()
    }
}

/// Microseconds of a decimal number of seconds, rounded, saturating.
fn micros(whole: &str, fraction: &str) -> u64 {
    let digit = |at: usize| u64::from(fraction.as_bytes().get(at).map_or(0, |b| b - b'0'));
    let part = (0..DECIMALS).fold(0, |sum, at| sum * 10 + digit(at)) + u64::from(digit(DECIMALS) >= 5);
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().unwrap_or(u64::MAX)
    };
    whole.saturating_mul(1_000_000).saturating_add(part)
}

/// Microseconds as upstream prints limits: seconds with six decimals.
fn decimal(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_six_decimals_and_round_the_seventh() {
        assert_eq!(micros("1", ""), 1_000_000);
        assert_eq!(micros("", "5"), 500_000);
        assert_eq!(micros("0", "0000005"), 1);
        assert_eq!(micros("0", "0000004"), 0);
        assert_eq!(micros("99999999999999999999", ""), u64::MAX);
        assert_eq!(decimal(10_000), "0.010000");
        assert_eq!(decimal(4_294_967_295), "4294.967295");
    }

    #[test]
    fn booleans_are_spelled_in_lower_case() {
        assert_eq!(boolean("yes"), Some(true));
        assert_eq!(boolean("off"), Some(false));
        assert_eq!(boolean("True"), None);
    }
}
