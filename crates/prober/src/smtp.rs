//! `SMTP_CHECK`: the dialogue over a connection.

use crate::connect::{self, Failure as NoConnection};
use crate::outcome::Outcome;
use crate::stream::{Read, Room, read_with, write_all};
use check::config::Smtp;
use check::probe::Next;
use check::probe::smtp;
use tokio::time::{Instant, timeout};

/// Greets a server and says goodbye.
pub(crate) async fn greet(config: &Smtp, room: &Room, began: Instant) -> Outcome {
    let patience = config.connection.timeout;
    let mut stream = match connect::stream(&config.connection, began + patience).await {
        Ok(stream) => stream,
        Err(NoConnection::Timeout) => return Outcome::bad("Connection timeout to"),
        Err(NoConnection::Refused(error)) => return Outcome::bad("Could not connect to").because(error),
        Err(NoConnection::Ours(error)) => return Outcome::unasked("SMTP_CHECK socket bind failed.").because(error),
    };
    let mut dialogue = smtp::Smtp::new(&config.helo);
    loop {
        let step = read_with(&mut stream, room, |bytes| dialogue.received(bytes));
        let next = match timeout(patience, step).await {
            Ok(Ok(Read::Bytes(Ok(next)))) => next,
            Ok(Ok(Read::Bytes(Err(failure)))) => return Outcome::bad(failure),
            Ok(Ok(Read::End)) => {
                return match dialogue.closed() {
                    Ok(()) => Outcome::good(),
                    Err(failure) => Outcome::bad(failure),
                };
            }
            Ok(Err(error)) => return Outcome::bad("Read failure from").because(error),
            Err(_) => return Outcome::bad("Read timeout from"),
        };
        match next {
            Next::Read => {}
            Next::Done => return Outcome::good(),
            Next::Send(bytes) => match timeout(patience, write_all(&mut stream, &bytes)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Outcome::bad("Write failure to").because(error),
                Err(_) => return Outcome::bad("Write timeout to"),
            },
        }
    }
}
