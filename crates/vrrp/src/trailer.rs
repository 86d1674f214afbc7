//! The stamps of authentication trailers: which one we send next, and which of others are new (`spec/vrrp-behaviour.md`
//! 2.7).
//!
//! Decides what is a replay. Deliberately does not know keys, codes or packets. Both sides live as long as the
//! instance, reloads included: what was heard before a reload cannot be played again after it.

use crate::clock::Times;
use crate::config::{AntiReplay, Delivery, HmacAuth};
use crate::wire::hmac::Stamp;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Senders a multicast instance remembers. The one heard longest ago is forgotten first; only who has a key gets in.
const MULTICAST_MARKS: usize = 4;

/// What we sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    last: Option<Stamp>,
}

impl Sent {
    /// Nothing yet.
    pub(crate) const fn new() -> Sent {
        Sent { last: None }
    }

    /// The stamp of the next advert: the clock's if it is later than the last one, else the one after the last.
    pub(crate) fn next(&mut self, hmac: &HmacAuth, times: Times) -> Stamp {
        let clock = times.steady;
        let restarts = |last: Stamp| match hmac.anti_replay {
            AntiReplay::Time => last.ahead_of(clock) > window(hmac),
            AntiReplay::Monotonic => false,
        };
        let next = match self.last {
            Some(last) if !clock.is_after(last) && !restarts(last) => last.next(),
            Some(_) | None => clock,
        };
        self.last = Some(next);
        next
    }
}

/// The last stamp of each sender, the one heard last at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    marks: Vec<(IpAddr, Stamp)>,
}

/// A stamp that is not later than the last one of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replayed;

impl Heard {
    /// Takes the stamp of an advert whose code verified.
    pub(crate) fn take(
        &mut self,
        hmac: &HmacAuth,
        delivery: &Delivery,
        times: Times,
        from: IpAddr,
        stamp: Stamp,
    ) -> Result<(), Replayed> {
        let known = self.marks.iter().position(|(sender, _)| *sender == from);
        let mark = known.and_then(|at| self.marks.get(at)).map(|(_, mark)| *mark);
        let counts = |mark: Stamp| match hmac.anti_replay {
            AntiReplay::Time => freshness(hmac, times, mark).is_ok(),
            AntiReplay::Monotonic => true,
        };
        if mark.is_some_and(|mark| counts(mark) && !stamp.is_after(mark)) {
            return Err(Replayed);
        }
        if let Some(at) = known {
            self.marks.remove(at);
        }
        let most = match delivery {
            Delivery::Multicast { .. } => MULTICAST_MARKS,
            // Only peers come so far, and each has its mark.
            Delivery::Unicast { peers, .. } => peers.len().max(1),
        };
        while self.marks.len() >= most {
            self.marks.remove(0);
        }
        self.marks.push((from, stamp));
        Ok(())
    }
}

/// A stamp that is within the window of one of our times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fresh {
    /// Seconds to the nearer of our times.
    pub(crate) skew: u32,
    /// It fits only what the clock shows, and not the time from before it was set.
    pub(crate) only_wall: bool,
}

/// Whether a stamp is within the window. The error is its distance in seconds.
pub(crate) fn freshness(hmac: &HmacAuth, times: Times, stamp: Stamp) -> Result<Fresh, u32> {
    let steady = stamp.ahead_of(times.steady).unsigned_abs();
    let wall = stamp.ahead_of(times.wall).unsigned_abs();
    let skew = steady.min(wall);
    if skew > hmac.window {
        return Err(skew);
    }
    Ok(Fresh {
        skew,
        only_wall: steady > hmac.window,
    })
}

fn window(hmac: &HmacAuth) -> i32 {
    i32::try_from(hmac.window).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HmacMode, Key};
    use core::net::Ipv4Addr;
    use core::num::NonZeroU8;

    fn hmac(anti_replay: AntiReplay) -> HmacAuth {
        HmacAuth {
            keys: core::iter::once((NonZeroU8::MIN, Key::new(&[7; 32]).unwrap())).collect(),
            active: NonZeroU8::MIN,
            mode: HmacMode::Enforce,
            anti_replay,
            window: 5,
        }
    }

    fn at(seconds: u64) -> Times {
        let stamp = Stamp::at(seconds * 1_000_000);
        Times {
            steady: stamp,
            wall: stamp,
        }
    }

    fn group() -> Delivery {
        Delivery::Multicast {
            group: IpAddr::from([224, 0, 0, 18]),
        }
    }

    fn sender(n: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, n))
    }

    #[test]
    fn a_stamp_is_the_clocks_or_the_one_after_the_last() {
        let hmac = hmac(AntiReplay::Time);
        let mut sent = Sent::default();
        let first = sent.next(&hmac, at(100));
        assert_eq!(first, at(100).steady);
        assert_eq!(sent.next(&hmac, at(100)), first.next());
        assert_eq!(sent.next(&hmac, at(96)), first.next().next());
        assert_eq!(sent.next(&hmac, at(101)), at(101).steady);
    }

    #[test]
    fn a_clock_set_back_beyond_the_window_begins_anew_in_time_mode_only() {
        let mut sent = Sent::default();
        let time = hmac(AntiReplay::Time);
        let last = sent.next(&time, at(100));
        assert_eq!(sent.clone().next(&hmac(AntiReplay::Monotonic), at(50)), last.next());
        assert_eq!(sent.next(&time, at(50)), at(50).steady);
    }

    #[test]
    fn a_stamp_is_taken_once_and_an_older_one_never() {
        let hmac = hmac(AntiReplay::Time);
        let mut heard = Heard::default();
        let mut take = |seconds: u64| heard.take(&hmac, &group(), at(100), sender(1), at(seconds).steady);
        assert_eq!(take(100), Ok(()));
        assert_eq!(take(100), Err(Replayed));
        assert_eq!(take(99), Err(Replayed));
        assert_eq!(take(101), Ok(()));
    }

    #[test]
    fn a_mark_outside_the_window_no_longer_counts_in_time_mode() {
        let mut heard = Heard::default();
        let time = hmac(AntiReplay::Time);
        heard.take(&time, &group(), at(100), sender(1), at(100).steady).unwrap();
        let now = at(50);
        let mut strict = heard.clone();
        let monotonic = hmac(AntiReplay::Monotonic);
        assert_eq!(
            strict.take(&monotonic, &group(), now, sender(1), now.steady),
            Err(Replayed)
        );
        assert_eq!(heard.take(&time, &group(), now, sender(1), now.steady), Ok(()));
    }

    #[test]
    fn four_multicast_senders_are_remembered_and_the_one_heard_longest_ago_is_forgotten() {
        let hmac = hmac(AntiReplay::Monotonic);
        let mut heard = Heard::default();
        let mut take = |n: u8, seconds: u64| heard.take(&hmac, &group(), at(100), sender(n), at(seconds).steady);
        for n in 1..=4 {
            take(n, 100).unwrap();
        }
        take(1, 101).unwrap();
        take(5, 100).unwrap();
        assert_eq!(take(1, 101), Err(Replayed));
        assert_eq!(take(2, 100), Ok(()), "the second was forgotten for the fifth");
    }

    #[test]
    fn a_stamp_may_fit_the_time_from_before_the_clock_was_set() {
        let hmac = hmac(AntiReplay::Time);
        let times = Times {
            steady: at(100).steady,
            wall: at(3700).wall,
        };
        let fresh = |seconds| freshness(&hmac, times, at(seconds).steady);
        assert_eq!(
            fresh(98),
            Ok(Fresh {
                skew: 2,
                only_wall: false
            })
        );
        assert_eq!(
            fresh(3705),
            Ok(Fresh {
                skew: 5,
                only_wall: true
            })
        );
        assert_eq!(fresh(1000), Err(900));
    }
}
