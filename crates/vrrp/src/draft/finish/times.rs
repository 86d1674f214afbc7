//! The rules for intervals and for how often addresses are announced.

use super::Finisher;
use crate::config::{Announcing, Version};
use crate::draft::{AnnouncingDraft, Draft};
use alloc::format;
use core::time::Duration;

/// The interval of an instance that says none.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
/// The longest interval of version 2.
const MAX_INTERVAL_V2: Duration = Duration::from_secs(255);
/// The longest interval of version 3.
const MAX_INTERVAL_V3: Duration = Duration::from_millis(40_950);
/// The shortest interval of version 3, and its step.
const STEP_V3: Duration = Duration::from_millis(10);

impl Finisher<'_> {
    pub(super) fn interval(&mut self, draft: &Draft, version: Version) -> Duration {
        let Some(wanted) = draft.interval else {
            return DEFAULT_INTERVAL;
        };
        match version {
            Version::V2 => self.interval_v2(wanted),
            Version::V3 => self.interval_v3(wanted),
        }
    }

    fn interval_v2(&mut self, wanted: Duration) -> Duration {
        if wanted >= MAX_INTERVAL_V2 + Duration::from_secs(1) {
            let text = format!(
                "VRRPv2 advertisement interval {} is out of range. Must be less than 256s. Setting to 255s",
                Hundredths(wanted)
            );
            self.error("advert_int", &text);
            return MAX_INTERVAL_V2;
        }
        if wanted.subsec_nanos() == 0 && !wanted.is_zero() {
            return wanted;
        }
        let text = format!(
            "VRRPv2 advertisement interval {}.{:06}s must be an integer. rounding",
            wanted.as_secs(),
            wanted.subsec_micros()
        );
        self.error("advert_int", &text);
        let rounded = Duration::from_secs((wanted + Duration::from_millis(500)).as_secs());
        rounded.clamp(Duration::from_secs(1), MAX_INTERVAL_V2)
    }

    fn interval_v3(&mut self, wanted: Duration) -> Duration {
        if wanted >= MAX_INTERVAL_V3 + STEP_V3 {
            let text = format!(
                "VRRPv3 advertisement interval {} is out of range. Must be less than 40.96s. Setting to 40.95s",
                Hundredths(wanted)
            );
            self.error("advert_int", &text);
            return MAX_INTERVAL_V3;
        }
        let micros = u64::try_from(wanted.as_micros()).unwrap_or(u64::MAX);
        if micros.is_multiple_of(10_000) && micros > 0 {
            return wanted;
        }
        let text = format!(
            "VRRPv3 advertisement interval {}.{:06}s must be in units of 10ms - rounding",
            wanted.as_secs(),
            wanted.subsec_micros()
        );
        self.error("advert_int", &text);
        let rounded = Duration::from_micros((micros + 5_000) / 10_000 * 10_000);
        rounded.clamp(STEP_V3, MAX_INTERVAL_V3)
    }

    pub(super) fn announcing(&mut self, draft: &Draft) -> Announcing {
        let (own, all) = (&draft.announcing, &self.defaults.announcing);
        let built_in = Announcing::default();
        let pick = |get: fn(&AnnouncingDraft) -> Option<u32>| get(own).or(get(all));
        let pick_time = |get: fn(&AnnouncingDraft) -> Option<Duration>| get(own).or(get(all));
        let repeat = pick(|a| a.repeat).unwrap_or(built_in.repeat).max(1);
        let second_block = pick_time(|a| a.second_block).unwrap_or(built_in.second_block);
        // Of the answers to lower priorities the global settings decide, whatever an instance says of its other announcements.
        let lower_repeat = all.lower_priority_repeat.or(all.repeat).unwrap_or(built_in.repeat);
        let lower_delay = all.lower_priority_second_block.or(all.second_block);
        let mut announcing = Announcing {
            repeat,
            second_block,
            refresh: pick_time(|a| a.refresh).unwrap_or(built_in.refresh),
            refresh_repeat: pick(|a| a.refresh_repeat).unwrap_or(built_in.refresh_repeat).max(1),
            lower_priority_repeat: own.lower_priority_repeat.unwrap_or(lower_repeat),
            lower_priority_second_block: own
                .lower_priority_second_block
                .or(lower_delay)
                .unwrap_or(built_in.second_block),
            extra: own.extra.or(all.extra).flatten(),
        };
        if self.strict {
            if own.lower_priority_repeat.is_some_and(|repeat| repeat > 0) {
                self.error(
                    "garp_lower_prio_repeat",
                    "Strict mode requires no repeat garps. resetting",
                );
            }
            if own.lower_priority_second_block.is_some_and(|delay| !delay.is_zero()) {
                self.error(
                    "garp_lower_prio_delay",
                    "Strict mode requires no repeat garp delay. resetting",
                );
            }
            announcing.lower_priority_repeat = 0;
            announcing.lower_priority_second_block = Duration::ZERO;
        }
        announcing
    }
}

/// Seconds with two decimals, rounded as C's `%.2f` does.
struct Hundredths(Duration);

impl core::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let hundredths = (self.0.as_micros() + 5_000) / 10_000;
        write!(f, "{}.{:02}s", hundredths / 100, hundredths % 100)
    }
}
