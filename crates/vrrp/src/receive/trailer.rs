//! The checks of the authentication trailer, in upstream's order (`spec/vrrp-behaviour.md` 2.7).
//!
//! The cheap checks come first and say little; what is remembered of a sender is touched only after its code verified.

use super::rejected::{Rejected, Remark};
use super::{Arrival, Ears};
use crate::clock::Times;
use crate::config::{AntiReplay, Config, Delivery, HmacAuth};
use crate::event::Level;
use crate::trailer::{Replayed, freshness};
use crate::wire::hmac::{TYPE, Trailer};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU8;

/// An advert with what its trailer is checked against.
pub(super) struct Signed<'a> {
    pub(super) hmac: &'a HmacAuth,
    pub(super) times: Times,
    pub(super) message: &'a [u8],
    /// The bytes behind the message, if there are as many as a trailer has.
    pub(super) trailer: Option<&'a [u8]>,
}

impl Ears {
    /// Step 5 of the receive checks.
    pub(super) fn check_trailer(
        &mut self,
        config: &Config,
        arrival: &Arrival<'_>,
        signed: &Signed<'_>,
        out: &mut Vec<(Level, String)>,
    ) -> Result<(), Rejected> {
        let Signed {
            hmac, times, message, ..
        } = *signed;
        let Some(bytes) = signed.trailer else {
            return if hmac.requires() {
                Err(Rejected::TrailerMissing)
            } else {
                Ok(())
            };
        };
        match &config.delivery {
            Delivery::Unicast { peers, .. } if !peers.iter().any(|peer| peer.address == arrival.source) => {
                return Err(Rejected::NotAPeer);
            }
            Delivery::Unicast { .. } | Delivery::Multicast { .. } => {}
        }
        let trailer = Trailer::parse(bytes).map_err(|_| Rejected::TrailerMalformed)?;
        if trailer.kind != TYPE || trailer.reserved != 0 {
            return Err(Rejected::TrailerMalformed);
        }
        let fresh = match hmac.anti_replay {
            AntiReplay::Monotonic => None,
            AntiReplay::Time => {
                let window = hmac.window;
                let fresh = freshness(hmac, times, trailer.stamp);
                Some(fresh.map_err(|skew| Rejected::TrailerStale { skew, window })?)
            }
        };
        let key = NonZeroU8::new(trailer.key).and_then(|id| hmac.keys.get(&id));
        let key = key.ok_or(Rejected::TrailerKey(trailer.key))?;
        if !trailer.verifies(key.bytes(), arrival.source, message) {
            return Err(Rejected::TrailerCode);
        }
        let taken = self
            .stamps
            .take(hmac, &config.delivery, times, arrival.source, trailer.stamp);
        taken.map_err(|Replayed| Rejected::TrailerReplayed)?;
        if let Some(fresh) = fresh {
            self.follows_wall |= fresh.only_wall;
            if fresh.skew > hmac.window / 2 {
                let (skew, window) = (fresh.skew, hmac.window);
                let text = format!(
                    "WARNING - clock skew {skew} sec to {} exceeds half of the authentication window {window} sec",
                    arrival.source
                );
                self.say(Remark::TrailerSkew, text, out);
            }
        }
        Ok(())
    }
}
