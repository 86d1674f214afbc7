//! `MISC_CHECK`: what the end of a program means.

use crate::judge::Answer;

/// The least exit code that is a weight.
const FIRST_WEIGHT: u8 = 2;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this code.
    Exited(u8),
    /// Killed by this signal.
    Signalled(u8),
    /// Not in its time.
    TimedOut,
}

/// What it means: the answer, and with `misc_dynamic` the weight it asks for.
pub const fn answer(end: End, dynamic: bool) -> (Answer, Option<u8>) {
    match end {
        End::Exited(0) => (Answer::Good, None),
        End::Exited(code) if dynamic && code >= FIRST_WEIGHT => (Answer::Good, Some(code - FIRST_WEIGHT)),
        End::Exited(_) | End::Signalled(_) | End::TimedOut => (Answer::Bad, None),
    }
}

/// What a program that asked for `weight` adds to the configured weight of its server.
pub fn contribution(weight: Option<u8>, configured: u32) -> i64 {
    weight.map_or(0, |weight| i64::from(weight) - i64::from(configured))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zero_is_good_unless_the_code_is_a_weight() {
        assert_eq!(answer(End::Exited(0), false), (Answer::Good, None));
        assert_eq!(answer(End::Exited(1), true), (Answer::Bad, None));
        assert_eq!(answer(End::Exited(2), false), (Answer::Bad, None));
        assert_eq!(answer(End::Exited(2), true), (Answer::Good, Some(0)));
        assert_eq!(answer(End::Exited(255), true), (Answer::Good, Some(253)));
        assert_eq!(answer(End::Signalled(15), true), (Answer::Bad, None));
        assert_eq!(answer(End::TimedOut, true), (Answer::Bad, None));
    }

    #[test]
    fn a_weight_replaces_the_configured_one() {
        assert_eq!(contribution(Some(0), 10), -10);
        assert_eq!(contribution(Some(253), 10), 243);
        assert_eq!(contribution(None, 10), 0);
    }
}
