//! The time line of one lab run.
//!
//! Everything that is seen (packets, kernel notifications, log lines) is placed on one line that begins when the
//! lab is built. The line follows the wall clock, because that is what the kernel stamps packets with.

use nix::sys::time::TimeSpec;
use std::time::{Duration, SystemTime};

/// Where the time line begins.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: SystemTime,
}

impl Clock {
    /// A time line that begins now.
    pub fn start() -> Clock {
        Clock { origin: wall_time() }
    }

    /// How long the lab has been running.
    pub fn now(&self) -> Duration {
        self.since(wall_time())
    }

    /// Where a stamp of the kernel (`SO_TIMESTAMPNS`) falls on the time line.
    pub fn of_stamp(&self, stamp: TimeSpec) -> Duration {
        self.since(SystemTime::UNIX_EPOCH + Duration::from(stamp))
    }

    /// Zero for anything before the beginning.
    fn since(&self, time: SystemTime) -> Duration {
        time.duration_since(self.origin).unwrap_or_default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the lab watches real daemons: it is where real time is looked at"
)]
fn wall_time() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_from_before_the_beginning_counts_as_the_beginning() {
        let clock = Clock::start();
        assert_eq!(clock.of_stamp(TimeSpec::new(0, 0)), Duration::ZERO);
        assert!(clock.now() < Duration::from_secs(60));
    }
}
