//! What happens by chance in a story: weather, faults, operators. Does not know what must hold.

use super::story::{Event, Weather};
use base::Rng;
use core::time::Duration;

/// A pause before the next scene: mostly short; sometimes long enough for all to become well.
pub fn pause(rng: &mut Rng, settling: Duration) -> Duration {
    if rng.percent(25) {
        return settling + Duration::from_micros(rng.below(3_000_000));
    }
    Duration::from_micros(rng.below(3_000_000))
}

/// What the wire does for a while; now and then packets overtake each other by more than an interval.
pub fn weather(rng: &mut Rng, interval: Duration) -> Weather {
    if rng.percent(30) {
        return Weather::FINE;
    }
    let overtaking = if rng.percent(20) { interval * 2 } else { interval / 2 };
    let longest = Duration::from_micros(rng.below(20_000)).min(interval / 2);
    let longest = if rng.percent(20) { overtaking } else { longest };
    Weather {
        loss: small(rng.below(40)),
        duplication: small(rng.below(20)),
        delay: (Duration::from_micros(20), longest),
    }
}

fn small(number: u64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// Something that happens to one of so many routers, which have so many configurations each.
pub fn event(rng: &mut Rng, routers: usize, models: usize) -> Event {
    let mut any = |bound: usize| usize::try_from(rng.below(bound as u64)).unwrap_or(0);
    let (router, other, model) = (any(routers), any(routers), any(models));
    match rng.below(20) {
        0 => Event::Cut(router),
        1 => Event::Heal(router),
        2 | 3 => Event::Block(router, other),
        4 => Event::UnblockAll,
        5 => Event::Kill(router),
        6 => Event::Stop(router),
        7..=9 => Event::Start(router),
        10 => Event::Freeze(router),
        11 => Event::Thaw(router),
        12 => Event::ThawDeaf(router),
        13 | 14 => Event::Reload(router, model),
        15 => Event::Clock(router, step(rng)),
        16 => Event::Steal(router),
        17 => Event::Flush(router),
        _ => Event::Weather(weather(rng, Duration::from_millis(300))),
    }
}

/// From a leap second to a battery that was empty.
fn step(rng: &mut Rng) -> i64 {
    let size = match rng.below(5) {
        0 => 1,
        1 => 60,
        2 => 3600,
        3 => 86_400,
        _ => 20 * 365 * 86_400,
    };
    if rng.percent(50) { size } else { -size }
}
