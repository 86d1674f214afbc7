//! The wall clock, for stamps of authentication trailers and for nothing else.
//!
//! Decides which of two wall times holds after somebody has set the clock. No timer of the election looks here. The
//! clock is told by [`crate::Input::WallClock`]; until then it counts from zero.
//!
//! # A clock that is set
//!
//! A clock that jumps (NTP after boot, an operator, a machine that was suspended) is either wrong now or was wrong
//! before, and one machine alone cannot know which. If its adverts followed the jump at once, a wrong jump would let
//! every peer refuse them and make a second master. So both times are kept: adverts are stamped with the *steady*
//! time, which goes on as if nothing had been set, and a peer's stamp may fit either. The first advert whose code
//! verifies and which fits only the new time proves that the peer lives by it: then that is the steady time.

use crate::wire::hmac::Stamp;
use base::Instant;
use core::time::Duration;

/// A difference from which on the clock was set; below it the clock is being slewed and is followed.
const STEP_MICROS: u64 = 500_000;

/// The wall clock as a distance to the engine's time line, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    /// As it was before somebody set it.
    steady: i64,
    /// As it is.
    wall: i64,
}

/// The wall times that may hold at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// What adverts are stamped with.
    pub(crate) steady: Stamp,
    /// What the clock shows.
    pub(crate) wall: Stamp,
}

impl Clock {
    /// The clock shows `wall` since 1970 now. Gives the seconds it was set by, if it was.
    pub(crate) fn show(&mut self, now: Instant, wall: Duration) -> Option<i64> {
        let wall = i64::try_from(wall.as_micros()).unwrap_or(i64::MAX);
        let wall = wall.saturating_sub(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
        let set_by = wall.saturating_sub(self.wall);
        let agreed = self.steady == self.wall;
        self.wall = wall;
        let is_step = set_by.unsigned_abs() >= STEP_MICROS;
        if (agreed && !is_step) || wall.abs_diff(self.steady) < STEP_MICROS {
            self.steady = wall;
        }
        is_step.then_some(set_by / 1_000_000)
    }

    /// The clock for the first time: nothing was set.
    pub(crate) fn begin(&mut self, now: Instant, wall: Duration) {
        let _ = self.show(now, wall);
        self.steady = self.wall;
    }

    /// A peer lives by the time the clock shows.
    pub(crate) fn adopt_wall(&mut self) {
        self.steady = self.wall;
    }

    /// The times at this moment.
    pub(crate) fn at(&self, now: Instant) -> Times {
        let stamp = |offset: i64| Stamp::at(now.as_micros().saturating_add_signed(offset));
        Times {
            steady: stamp(self.steady),
            wall: stamp(self.wall),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn started() -> Clock {
        let mut clock = Clock::default();
        clock.begin(at(10), 2 * HOUR);
        clock
    }

    #[test]
    fn a_slewed_clock_is_followed() {
        let mut clock = started();
        let slow = 2 * HOUR + Duration::from_millis(9_700);
        assert_eq!(clock.show(at(20), slow), None);
        let times = clock.at(at(20));
        assert_eq!(times.steady, times.wall);
        assert_eq!(times.steady.seconds(), 7_209);
    }

    #[test]
    fn a_clock_that_is_set_leaves_the_steady_time_until_a_peer_agrees_with_it() {
        let mut clock = started();
        assert_eq!(clock.show(at(10), 3 * HOUR), Some(3600));
        assert_eq!(clock.show(at(20), 3 * HOUR + Duration::from_secs(10)), None);
        let times = clock.at(at(20));
        assert_eq!((times.steady.seconds(), times.wall.seconds()), (7_210, 10_810));
        clock.adopt_wall();
        assert_eq!(clock.at(at(20)).steady.seconds(), 10_810);
    }

    #[test]
    fn a_clock_that_is_set_back_again_was_never_set() {
        let mut clock = started();
        clock.show(at(10), HOUR);
        assert_eq!(clock.show(at(10), 2 * HOUR), Some(3600));
        assert_eq!(clock, started());
    }
}
