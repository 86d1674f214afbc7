//! The rules of `auth_hmac` (`spec/vrrp-behaviour.md` 2.7, 14).

use super::Finisher;
use crate::config::{AntiReplay, HmacAuth, HmacMode};
use crate::draft::Draft;
use alloc::format;
use core::time::Duration;

/// The window without `time_window`: so many intervals in whole seconds, within these limits.
const WINDOW_INTERVALS: u64 = 3;
const DEFAULT_WINDOWS: (u64, u64) = (5, 300);

/// The window of an instance that says none, in seconds.
pub(super) fn usual_window(interval: Duration) -> u32 {
    let (shortest, longest) = DEFAULT_WINDOWS;
    let usual = (WINDOW_INTERVALS * interval.as_secs()).clamp(shortest, longest);
    u32::try_from(usual).unwrap_or(u32::MAX)
}

impl Finisher<'_> {
    /// Without a key to sign with there is no authentication at all: half of one would look like one.
    /// The window is the usual one of the shortest interval; the caller knows the real one later.
    pub(super) fn hmac(&mut self, draft: &mut Draft) -> Option<HmacAuth> {
        let hmac = draft.hmac.take()?;
        if hmac.keys.is_empty() {
            self.error("auth_hmac", "auth_hmac has no valid key - auth_hmac is not used");
            return None;
        }
        let Some(active) = hmac.active else {
            self.error("auth_hmac", "auth_hmac has no active_key - auth_hmac is not used");
            return None;
        };
        if !hmac.keys.contains_key(&active) {
            let text = format!("active_key {active} is not a configured key - auth_hmac is not used");
            self.error("active_key", &text);
            return None;
        }
        let mode = hmac.mode.unwrap_or(HmacMode::Enforce);
        if self.strict && mode != HmacMode::Enforce {
            let text = format!(
                "auth_hmac mode {} is incompatible with strict mode - setting enforce",
                mode.as_str()
            );
            self.error("mode", &text);
        }
        Some(HmacAuth {
            keys: hmac.keys,
            active,
            mode: if self.strict { HmacMode::Enforce } else { mode },
            anti_replay: hmac.anti_replay.unwrap_or(AntiReplay::Time),
            window: usual_window(Duration::ZERO),
        })
    }
}
