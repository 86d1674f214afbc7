//! Runs one probe to its end.

use crate::connect::{self, Attempt, Failure};
use crate::outcome::{Outcome, Trouble};
use crate::search::{self, Looking, Shared, Window};
use crate::stream::Room;
use crate::{datagram, smtp, tls};
use base::Rng;
use check::Probe;
use check::config::{ClientTls, Connection, Dialogue, Http, Regex};
use check::probe::http::NoSearch;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

/// Runs probes. One value serves all of them; a configuration that changes gets a new one.
pub struct Prober {
    tls: Option<TlsConnector>,
    /// Compiled patterns, or why they are none.
    patterns: HashMap<Arc<Regex>, Result<Shared, String>>,
    room: Room,
    chance: Chance,
}

impl fmt::Debug for Prober {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober")
            .field("patterns", &self.patterns.len())
            .finish_non_exhaustive()
    }
}

impl Prober {
    /// A prober for these probes, and what is wrong with them. A pattern that is none is ignored, as in
    /// upstream; without a client certificate that can be read there is none.
    pub fn new<'p>(tls: &ClientTls, probes: impl IntoIterator<Item = &'p Probe>) -> (Prober, Vec<Trouble>) {
        let mut troubles = Vec::new();
        let mut patterns = HashMap::new();
        let mut wants_tls = false;
        for probe in probes {
            let Dialogue::Http(http) = &probe.dialogue else {
                continue;
            };
            wants_tls |= http.tls;
            for regex in http.urls.iter().filter_map(|url| url.regex.as_ref()) {
                patterns.entry(Arc::clone(regex)).or_insert_with(|| {
                    let compiled = search::compile(regex).map_err(|error| {
                        let pattern = String::from_utf8_lossy(&regex.pattern);
                        format!("Invalid regex: '{pattern}' {error}")
                    });
                    if let Err(text) = &compiled {
                        troubles.push(Trouble(text.clone()));
                    }
                    compiled.map(|pattern| Arc::new(Mutex::new(pattern)))
                });
            }
        }
        let prober = Prober {
            tls: wants_tls.then(|| tls::client(tls, &mut troubles)).flatten(),
            patterns,
            room: Room::new(),
            chance: Chance::new(),
        };
        (prober, troubles)
    }

    /// Asks the question of a probe, of several the one with the number `stage` (see [`check::judge::Judge::begin`]).
    ///
    /// Must be called within a tokio runtime with timers and IO. Dropping the future closes what it opened.
    pub async fn probe(&self, probe: &Probe, stage: u16) -> Outcome {
        let began = Instant::now();
        let limit = check::probe::time_limit(probe);
        // Dialogues keep their own time; this one is for those who are never late and never done.
        let mut outcome = match timeout(limit, self.ask(&probe.dialogue, stage, began)).await {
            Ok(outcome) => outcome,
            Err(_) => too_long(&probe.dialogue),
        };
        outcome.details.took = began.elapsed();
        outcome
    }

    async fn ask(&self, dialogue: &Dialogue, stage: u16, began: Instant) -> Outcome {
        match dialogue {
            Dialogue::Tcp(connection) => tcp(connection, began).await,
            // These are long; boxed, they make the others short.
            Dialogue::Http(http) => Box::pin(self.page(http, stage, began)).await,
            Dialogue::Smtp(smtp) => Box::pin(smtp::greet(smtp, &self.room, began)).await,
            Dialogue::Dns(dns) => Box::pin(datagram::ask_name(dns, &self.chance, began)).await,
            Dialogue::Udp(udp) => Box::pin(datagram::send_datagram(udp, began)).await,
            Dialogue::Ping(connection) => Box::pin(datagram::echo(connection, &self.chance, began)).await,
            Dialogue::Misc(_) => Outcome::unasked("Programs are run elsewhere."),
        }
    }

    async fn page(&self, http: &Http, stage: u16, began: Instant) -> Outcome {
        let Some(url) = http.urls.get(usize::from(stage)) else {
            return Outcome::unasked("There is no such page.");
        };
        let mut looking = match &url.regex {
            None => Looking::Nothing(NoSearch),
            Some(regex) => match self.patterns.get(regex) {
                Some(Ok(pattern)) => Looking::For(Box::new(Window::new(Arc::clone(pattern), regex))),
                Some(Err(_)) => Looking::Ignored(!regex.no_match),
                None => Looking::Missing,
            },
        };
        let mut outcome = crate::http::get(http, url, self.tls.as_ref(), &mut looking, &self.room, began).await;
        outcome.details.error = outcome.details.error.take().or_else(|| looking.why());
        outcome
    }
}

/// `TCP_CHECK`: it is enough that there is a connection.
async fn tcp(connection: &Connection, began: Instant) -> Outcome {
    let connected = match connect::attempt(connection) {
        Ok(Attempt::Done(_)) => Ok(()),
        Ok(Attempt::Pending(stream)) => connect::established(stream, began + connection.timeout).await.map(drop),
        Err(failure) => Err(failure),
    };
    match connected {
        Ok(()) => Outcome::good(),
        Err(Failure::Timeout) => Outcome::bad("timeout"),
        Err(Failure::Refused(error)) => Outcome::bad("failed").because(error),
        Err(Failure::Ours(error)) => Outcome::unasked("TCP socket bind failed.").because(error),
    }
}

/// The server kept every step waiting just short of too long.
fn too_long(dialogue: &Dialogue) -> Outcome {
    let text = match dialogue {
        Dialogue::Http(http) if http.tls => "Timeout SSL read",
        Dialogue::Http(_) => "Timeout HTTP read",
        Dialogue::Smtp(_) => "Read timeout from",
        Dialogue::Dns(_) => "read timeout from socket",
        Dialogue::Tcp(_) | Dialogue::Udp(_) | Dialogue::Ping(_) | Dialogue::Misc(_) => "timeout",
    };
    Outcome::bad(text).because("the whole dialogue took too long")
}

/// Numbers that others cannot guess, and one that counts.
pub(crate) struct Chance {
    rng: RefCell<Rng>,
    sequence: Cell<u16>,
}

impl Chance {
    fn new() -> Chance {
        // A kernel without random numbers still has a clock; who guesses an answer to a check gains little.
        let seed = linux::machine::entropy().unwrap_or_else(|_| linux::process::thread_time().as_nanos() as u64);
        Chance {
            rng: RefCell::new(Rng::from_seed(seed)),
            sequence: Cell::new(0),
        }
    }

    pub(crate) fn number(&self) -> u16 {
        u16::try_from(self.rng.borrow_mut().below(1 << 16)).unwrap_or(0)
    }

    pub(crate) fn next_sequence(&self) -> u16 {
        self.sequence.set(self.sequence.get().wrapping_add(1));
        self.sequence.get()
    }
}
