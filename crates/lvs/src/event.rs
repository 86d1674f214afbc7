//! What an operator may read about a virtual server, in upstream's words.

use crate::config::{Endpoint, Service};
use alloc::format;
use alloc::string::String;

/// Something that happened to a virtual server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A real server came up.
    RealUp(Endpoint),
    /// A real server went down.
    RealDown(Endpoint),
    /// The weight of a real server in the kernel changed.
    Weight {
        /// Which one.
        at: Endpoint,
        /// Its weight before.
        from: u32,
        /// Its weight now.
        to: u32,
        /// It is in the pool.
        active: bool,
    },
    /// The quorum was gained or lost.
    Quorum {
        /// Gained.
        up: bool,
        /// It is how things stand at the start, not a change.
        at_start: bool,
        /// The total weight of the real servers that are up.
        weight: u64,
    },
    /// The real servers that are up left the pool: the sorry server takes over.
    AliveRemoved,
    /// The real servers that are up are back in the pool.
    AliveAdded,
    /// The sorry server answers.
    SorryAdded,
    /// The sorry server rests.
    SorryRemoved,
}

impl Event {
    /// The line of the log.
    pub fn text(self, service: &Service) -> String {
        let key = &service.key;
        let inhibited = |at: Endpoint| {
            service
                .reals
                .iter()
                .any(|real| real.at == at && real.inhibit_on_failure)
        };
        let sorry = || service.sorry.as_ref().map(|sorry| service.named(sorry.at));
        let sorry_inhibited = service.sorry.as_ref().is_some_and(|sorry| sorry.inhibit);
        match self {
            Event::RealUp(at) if inhibited(at) => format!("Enabling service {} of VS {key}", service.named(at)),
            Event::RealUp(at) => format!("Adding service {} to VS {key}", service.named(at)),
            Event::RealDown(at) if inhibited(at) => format!("Disabling service {} of VS {key}", service.named(at)),
            Event::RealDown(at) => format!("Removing service {} from VS {key}", service.named(at)),
            Event::Weight { at, from, to, active } => {
                let active = if active { "active" } else { "inactive" };
                let name = service.named(at);
                format!("Changing weight from {from} to {to} for {active} service {name} of VS {key}")
            }
            Event::Quorum { up, at_start, weight } => quorum(service, up, at_start, weight),
            Event::AliveRemoved => format!("Removing alive servers from the pool for VS {key}"),
            Event::AliveAdded => format!("Adding alive servers to the pool for VS {key}"),
            Event::SorryAdded => {
                let verb = if sorry_inhibited { "Enabling" } else { "Adding" };
                sorry().map_or_else(String::new, |name| format!("{verb} sorry server {name} to VS {key}"))
            }
            Event::SorryRemoved => {
                let verb = if sorry_inhibited { "Disabling" } else { "Removing" };
                sorry().map_or_else(String::new, |name| format!("{verb} sorry server {name} from VS {key}"))
            }
        }
    }

    /// The body of a mail about a quorum; `None` for other events.
    pub fn mail(self, service: &Service) -> Option<String> {
        match self {
            Event::Quorum { up, at_start, weight } => {
                let (quorum, hysteresis) = (u64::from(service.quorum.get()), u64::from(service.hysteresis));
                let text = quorum_word(up, at_start);
                // The same signs for a loss, as in upstream.
                let total = if up { quorum + hysteresis } else { quorum - hysteresis };
                Some(format!("=> {text} {quorum}+{hysteresis}={total} <= {weight} <="))
            }
            Event::RealUp(_)
            | Event::RealDown(_)
            | Event::Weight { .. }
            | Event::AliveRemoved
            | Event::AliveAdded
            | Event::SorryAdded
            | Event::SorryRemoved => None,
        }
    }
}

const fn quorum_word(up: bool, at_start: bool) -> &'static str {
    match (up, at_start) {
        (true, false) => "Gained quorum",
        (false, false) => "Lost quorum",
        (true, true) => "Starting with quorum up",
        (false, true) => "Starting with quorum down",
    }
}

fn quorum(service: &Service, up: bool, at_start: bool, weight: u64) -> String {
    // The log of upstream calls a quorum gained also at the start; its mail does not.
    let word = quorum_word(up, at_start && !up);
    let (quorum, hysteresis) = (u64::from(service.quorum.get()), u64::from(service.hysteresis));
    let key = &service.key;
    if up {
        let total = quorum + hysteresis;
        format!("{word} {quorum}+{hysteresis}={total} <= {weight} for VS {key}")
    } else {
        // The hysteresis is below the quorum.
        let total = quorum - hysteresis;
        format!("{word} {quorum}-{hysteresis}={total} > {weight} for VS {key}")
    }
}
