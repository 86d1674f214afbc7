//! The daemon's time line. Spans are [`core::time::Duration`]; points are [`Instant`].

use core::fmt;
use core::ops::Sub;
use core::time::Duration;

/// A point on the daemon's monotonic time line, in microseconds.
///
/// There is deliberately no `now()`: only the event loop can make one. Arithmetic saturates at both ends,
/// so no configured span can overflow into the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The beginning of the time line.
    pub const ZERO: Instant = Instant(0);
    /// Later than everything that can happen.
    pub const FAR_FUTURE: Instant = Instant(u64::MAX);

    /// The point `micros` microseconds after the beginning of the time line.
    pub const fn from_micros(micros: u64) -> Instant {
        Instant(micros)
    }

    /// Microseconds since the beginning of the time line.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This point moved later by `span`, rounded up to a microsecond: a timer is never early.
    #[must_use]
    pub fn after(self, span: Duration) -> Instant {
        let micros = span.as_nanos().div_ceil(1000);
        Instant(self.0.saturating_add(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    /// This point moved earlier by `span`, not before the beginning of the time line.
    #[must_use]
    pub fn before(self, span: Duration) -> Instant {
        Instant(
            self.0
                .saturating_sub(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)),
        )
    }

    /// The span from `earlier` to here; zero if `earlier` is in fact later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

/// Seconds with six decimals, as traces and recordings write it.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A point at which something must be called again, and what for.
///
/// The reason travels with the time so that a trace says `timer master-down` and not just `timer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline<Why> {
    /// When to call.
    pub at: Instant,
    /// What will be done then.
    pub why: Why,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_shorter_than_a_microsecond_still_moves_a_point_later() {
        assert_eq!(
            Instant::from_micros(5).after(Duration::from_nanos(1)),
            Instant::from_micros(6)
        );
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Instant::FAR_FUTURE.after(Duration::MAX), Instant::FAR_FUTURE);
        assert_eq!(Instant::ZERO.before(Duration::from_secs(1)), Instant::ZERO);
        assert_eq!(Instant::ZERO - Instant::from_micros(7), Duration::ZERO);
    }
}
