//! The formulas of the protocol's timers, in integers (`spec/vrrp-behaviour.md` 5; RFC 9568 section 6.1).
//!
//! Decides lengths only; which timer runs is the election's business.

use crate::config::{Config, Priority, Version};
use core::time::Duration;

/// Skew_Time: how much longer a backup of this priority waits than an owner would, nearly.
pub fn skew(version: Version, priority: Priority, master_interval: Duration) -> Duration {
    let steps = 256 - u64::from(priority.get());
    let micros = match version {
        Version::V2 => steps * 1_000_000 / 256,
        Version::V3 => {
            let centiseconds = u64::try_from(master_interval.as_millis() / 10).unwrap_or(u64::MAX);
            (steps * 625).saturating_mul(centiseconds) / 16
        }
    };
    Duration::from_micros(micros)
}

/// The skew of an instance: an owner keeps that of 255 even while it has lowered its priority.
pub fn skew_of(config: &Config, effective: Priority, master_interval: Duration) -> Duration {
    let priority = if config.priority.is_owner() {
        Priority::OWNER
    } else {
        effective
    };
    skew(config.version, priority, master_interval)
}

/// Master_Down_Interval.
pub fn master_down(config: &Config, effective: Priority, master_interval: Duration) -> Duration {
    master_interval * u32::from(config.down_adverts) + skew_of(config, effective, master_interval)
}

/// How early an advert may be sent to share a wake-up with others.
pub fn early_by(interval: Duration) -> Duration {
    /// The most, whatever the interval.
    const MOST: Duration = Duration::from_millis(1);
    (interval / 50).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(value: u8) -> Priority {
        Priority::new(value).unwrap()
    }

    #[test]
    fn version_2_divides_a_second_by_256() {
        let second = Duration::from_secs(1);
        assert_eq!(skew(Version::V2, priority(100), second), Duration::from_micros(609_375));
        assert_eq!(skew(Version::V2, priority(255), second), Duration::from_micros(3_906));
        assert_eq!(
            skew(Version::V2, priority(1), second * 9),
            Duration::from_micros(996_093)
        );
    }

    #[test]
    fn version_3_divides_the_masters_interval_by_256() {
        let second = Duration::from_secs(1);
        assert_eq!(skew(Version::V3, priority(100), second), Duration::from_micros(609_375));
        let short = Duration::from_millis(10);
        assert_eq!(skew(Version::V3, priority(100), short), Duration::from_micros(6_093));
        let long = Duration::from_millis(40_950);
        assert_eq!(skew(Version::V3, priority(1), long), Duration::from_micros(40_790_039));
    }

    #[test]
    fn an_advert_is_early_by_a_fiftieth_of_its_interval_but_never_more_than_a_millisecond() {
        assert_eq!(early_by(Duration::from_millis(10)), Duration::from_micros(200));
        assert_eq!(early_by(Duration::from_secs(1)), Duration::from_millis(1));
    }
}
