//! Runs one probe to its end.

use crate::connect::{self, Failure};
use crate::outcome::{Outcome, Trouble};
use check::Probe;
use check::config::{ClientTls, Connection, Dialogue};
use tokio::time::{Instant, timeout};

/// Runs probes. One value serves all of them; a configuration that changes gets a new one.
#[derive(Debug)]
pub struct Prober {}

impl Prober {
    /// A prober for these probes, and what is wrong with them. What is wrong fails when it is asked, with the same reason.
    pub fn new<'p>(_tls: &ClientTls, _probes: impl IntoIterator<Item = &'p Probe>) -> (Prober, Vec<Trouble>) {
        (Prober {}, Vec::new())
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
            Err(_) => Outcome::bad("timeout"),
        };
        outcome.details.took = began.elapsed();
        outcome
    }

    async fn ask(&self, dialogue: &Dialogue, _stage: u16, began: Instant) -> Outcome {
        match dialogue {
            Dialogue::Tcp(connection) => tcp(connection, began).await,
            Dialogue::Http(_)
            | Dialogue::Smtp(_)
            | Dialogue::Dns(_)
            | Dialogue::Udp(_)
            | Dialogue::Ping(_)
            | Dialogue::Misc(_) => Outcome::unasked("This kind of check is not carried out here."),
        }
    }
}

/// `TCP_CHECK`: it is enough that there is a connection.
async fn tcp(connection: &Connection, began: Instant) -> Outcome {
    match connect::stream(connection, began + connection.timeout).await {
        Ok(_) => Outcome::good(),
        Err(Failure::Timeout) => Outcome::bad("timeout"),
        Err(Failure::Refused(error)) => Outcome::bad("failed").because(error),
        Err(Failure::Ours(error)) => Outcome::unasked("TCP socket bind failed.").because(error),
    }
}
