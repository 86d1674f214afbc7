//! What the engine does with news of the wall clock.

use super::Engine;
use crate::action::Action;
use crate::config::AntiReplay;
use crate::event::Level;
use alloc::format;
use alloc::vec::Vec;
use base::Instant;
use core::time::Duration;

impl Engine {
    /// A clock that is set changes nothing in the election; where stamps are looked at, somebody should know.
    pub(super) fn clock_shows(&mut self, now: Instant, since_1970: Duration, out: &mut Vec<Action>) {
        if !self.knows_clock {
            self.knows_clock = true;
            self.clock.begin(now, since_1970);
            return;
        }
        let Some(set_by) = self.clock.show(now, since_1970) else {
            return;
        };
        let looks = self.instances.iter().any(|(_, instance)| {
            let hmac = instance.config.hmac.as_ref();
            hmac.is_some_and(|hmac| match hmac.anti_replay {
                AntiReplay::Time => true,
                AntiReplay::Monotonic => false,
            })
        });
        if looks {
            let text = format!(
                "WARNING - the system clock was set by {set_by} sec: adverts keep to the time before until a peer is heard that follows the new one"
            );
            Engine::tell(None, Level::Warning, text, out);
        }
    }
}
