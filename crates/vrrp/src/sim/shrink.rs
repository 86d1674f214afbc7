//! Makes a story that breaks a rule as short as it can while it still breaks one.
//!
//! Greedy: leaves something out, and what still fails is the new story. Deliberately does not know what is wrong in it.

use super::story::{Event, Story, Weather};
use alloc::vec::Vec;
use core::time::Duration;

/// How often a story is played in search of a shorter one; the shortest so far is what there is then.
const MOST_PLAYS: usize = 3_000;

/// The shortest story that was found, beginning with one that fails.
pub fn shrink(story: &Story, fails: &dyn Fn(&Story) -> bool) -> Story {
    let mut search = Search {
        best: story.clone(),
        fails,
        plays: 0,
    };
    loop {
        let before = search.plays;
        let shorter = search.fewer_scenes() | search.fewer_routers() | search.simpler_scenes() | search.fewer_models();
        if !shorter || search.plays >= MOST_PLAYS || search.plays == before {
            return search.best;
        }
    }
}

struct Search<'a> {
    best: Story,
    fails: &'a dyn Fn(&Story) -> bool,
    plays: usize,
}

impl Search<'_> {
    /// Takes a story if it fails too.
    fn try_out(&mut self, story: Story) -> bool {
        if self.plays >= MOST_PLAYS {
            return false;
        }
        self.plays += 1;
        let fails = (self.fails)(&story);
        if fails {
            self.best = story;
        }
        fails
    }

    /// Leaves out scenes: half of them, a quarter, single ones.
    fn fewer_scenes(&mut self) -> bool {
        let mut shorter = false;
        let mut size = self.best.scenes.len().div_ceil(2).max(1);
        loop {
            let mut from = 0;
            while from < self.best.scenes.len() {
                let mut story = self.best.clone();
                let to = (from + size).min(story.scenes.len());
                story.scenes.drain(from..to);
                if self.try_out(story) {
                    shorter = true;
                } else {
                    from += size;
                }
            }
            if size == 1 {
                return shorter;
            }
            size = size.div_ceil(2);
        }
    }

    /// Leaves out a router and what happens to it.
    fn fewer_routers(&mut self) -> bool {
        let mut shorter = false;
        let mut router = 0;
        while router < self.best.cast.len() && self.best.cast.len() > 1 {
            let mut story = self.best.clone();
            story.cast.remove(router);
            let scenes = story.scenes.into_iter();
            story.scenes = scenes
                .filter_map(|(pause, event)| Some((pause, without(router, event)?)))
                .collect();
            if self.try_out(story) {
                shorter = true;
            } else {
                router += 1;
            }
        }
        shorter
    }

    /// Shorter pauses, in whole seconds or none at all; better weather; events that are none.
    fn simpler_scenes(&mut self) -> bool {
        let mut shorter = false;
        for at in 0..self.best.scenes.len() {
            let Some((pause, event)) = self.best.scenes.get(at).cloned() else {
                continue;
            };
            let whole = Duration::from_secs(pause.as_secs());
            let mut candidates: Vec<(Duration, Event)> = [Duration::ZERO, pause / 2, whole]
                .into_iter()
                .filter(|shorter| *shorter < pause)
                .map(|shorter| (shorter, event.clone()))
                .collect();
            if let Event::Weather(weather) = event {
                let simpler = [
                    Weather::FINE,
                    Weather { loss: 0, ..weather },
                    Weather {
                        duplication: 0,
                        ..weather
                    },
                    Weather {
                        delay: Weather::FINE.delay,
                        ..weather
                    },
                ];
                candidates.extend(
                    simpler
                        .into_iter()
                        .filter(|s| *s != weather)
                        .map(|s| (pause, Event::Weather(s))),
                );
            }
            for scene in candidates {
                let mut story = self.best.clone();
                if let Some(place) = story.scenes.get_mut(at) {
                    *place = scene;
                }
                if self.try_out(story) {
                    shorter = true;
                    break;
                }
            }
        }
        shorter
    }

    /// Leaves out configurations that nobody reads.
    fn fewer_models(&mut self) -> bool {
        let mut story = self.best.clone();
        let mut shorter = false;
        for (router, part) in story.cast.iter_mut().enumerate() {
            let read = story.scenes.iter().filter_map(|(_, event)| match event {
                Event::Reload(of, model) => (*of == router).then_some(*model),
                Event::Nothing
                | Event::Cut(_)
                | Event::Heal(_)
                | Event::Block(..)
                | Event::UnblockAll
                | Event::Kill(_)
                | Event::Stop(_)
                | Event::Start(_)
                | Event::Freeze(_)
                | Event::Thaw(_)
                | Event::ThawDeaf(_)
                | Event::Clock(..)
                | Event::Steal(_)
                | Event::Flush(_)
                | Event::Learn(..)
                | Event::Weather(_) => None,
            });
            let needed = read.max().map_or(1, |last| last + 1);
            shorter |= part.models.len() > needed;
            part.models.truncate(needed);
        }
        shorter && self.try_out(story)
    }
}

/// The event in a story without that router; `None`: there it does not happen.
fn without(gone: usize, event: Event) -> Option<Event> {
    let number = |router: usize| match router {
        router if router == gone => None,
        router if router > gone => Some(router - 1),
        router => Some(router),
    };
    Some(match event {
        Event::Nothing | Event::UnblockAll | Event::Weather(_) => event,
        Event::Cut(router) => Event::Cut(number(router)?),
        Event::Heal(router) => Event::Heal(number(router)?),
        Event::Block(from, to) => Event::Block(number(from)?, number(to)?),
        Event::Kill(router) => Event::Kill(number(router)?),
        Event::Stop(router) => Event::Stop(number(router)?),
        Event::Start(router) => Event::Start(number(router)?),
        Event::Freeze(router) => Event::Freeze(number(router)?),
        Event::Thaw(router) => Event::Thaw(number(router)?),
        Event::ThawDeaf(router) => Event::ThawDeaf(number(router)?),
        Event::Clock(router, seconds) => Event::Clock(number(router)?, seconds),
        Event::Reload(router, model) => Event::Reload(number(router)?, model),
        Event::Steal(router) => Event::Steal(number(router)?),
        Event::Flush(router) => Event::Flush(number(router)?),
        Event::Learn(router, input) => Event::Learn(number(router)?, input),
    })
}
