//! When a role that died is started again: at once after a long life, later and later after short ones.

use base::Instant;
use std::time::Duration;

/// A life this long makes up for all deaths before it.
const LONG_LIFE: Duration = Duration::from_secs(60);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// What the deaths so far mean for the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// A role that was started at `started` has died: the pause before it is started again.
    pub(crate) fn after_death(&mut self, started: Instant, now: Instant) -> Duration {
        if now.since(started) > LONG_LIFE {
            self.next = Duration::ZERO;
            return Duration::ZERO;
        }
        let pause = self.next;
        self.next = (pause * 2).clamp(Duration::from_secs(1), LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_again_after_a_long_life() {
        let mut backoff = Backoff::default();
        let born = Instant::from_micros(5);
        let pauses: Vec<u64> = (0..9).map(|_| backoff.after_death(born, born).as_secs()).collect();
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        let old = born.after(Duration::from_secs(61));
        assert_eq!(backoff.after_death(born, old), Duration::ZERO);
        assert_eq!(backoff.after_death(old, old), Duration::ZERO);
        assert_eq!(backoff.after_death(old, old), Duration::from_secs(1));
    }
}
