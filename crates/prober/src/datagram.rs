//! `DNS_CHECK`, `UDP_CHECK` and `PING_CHECK`: one datagram, and what comes back.

use crate::connect::{is_theirs, origin, target};
use crate::outcome::Outcome;
use crate::prober::Chance;
use base::Family;
use check::config::{Connection, Dns, Reply, Udp};
use check::probe::{dns, ping, udp};
use linux::socket::client;
use socket2::{SockRef, Socket};
use std::io::{self, ErrorKind, Read as _};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// The longest answer of DNS and ICMP that is looked at, in bytes; the rest of a longer one is cut.
const ANSWER: usize = 2048;

/// What a datagram that came back is.
enum Heard {
    /// The answer.
    Is(Outcome),
    /// Not for us: listening goes on.
    NotOurs,
}

/// Why there is no answer.
enum Silence {
    /// Nothing has come in time.
    Timeout,
    /// A refusal (ICMP), or an error of our own.
    Error(io::Error),
}

/// A socket of datagrams (for tokio all of them are UDP) that waits without blocking.
struct Waiting(UdpSocket);

/// A refusal wakes with an error and nothing to read.
const SOMETHING: Interest = Interest::READABLE.add(Interest::ERROR);

impl Waiting {
    /// Sends the question first: there is always room for one.
    fn new(socket: Socket, question: &[u8]) -> io::Result<Waiting> {
        socket.send(question)?;
        UdpSocket::from_std(socket.into()).map(Waiting)
    }

    /// Listens until something is the answer.
    async fn listen(
        &self,
        deadline: Instant,
        longest: usize,
        mut heard: impl FnMut(&[u8]) -> Heard,
    ) -> Result<Outcome, Silence> {
        let mut answer = vec![0; longest];
        loop {
            let ready = timeout_at(deadline, self.0.ready(SOMETHING)).await;
            let ready = ready.map_err(|_| Silence::Timeout)?.map_err(Silence::Error)?;
            // tokio takes one of them at a time.
            let what = if ready.is_readable() {
                Interest::READABLE
            } else {
                Interest::ERROR
            };
            let read = self.0.try_io(what, || (&*SockRef::from(&self.0)).read(&mut answer));
            let length = match read {
                Ok(length) => length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Err(error) => return Err(Silence::Error(error)),
            };
            if let Heard::Is(outcome) = heard(answer.get(..length).unwrap_or_default()) {
                return Ok(outcome);
            }
            // Who is flooded with what is not his does not keep the others from their turn.
            tokio::task::yield_now().await;
        }
    }
}

/// Sends a datagram from a new socket.
fn send(connection: &Connection, bytes: &[u8]) -> io::Result<Waiting> {
    let socket = client::datagram(target(connection), &origin(connection))?;
    Waiting::new(socket, bytes)
}

/// Whether there is no way to the server.
fn is_unreachable(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable)
}

/// Asks for a name.
pub(crate) async fn ask_name(config: &Dns, chance: &Chance, began: Instant) -> Outcome {
    let id = chance.number();
    let Some(question) = dns::query(config, id) else {
        return Outcome::unasked("The name is none.");
    };
    let waiting = match send(&config.connection, &question) {
        Ok(waiting) => waiting,
        Err(error) if is_unreachable(&error) => {
            let Connection { address, port, .. } = &config.connection;
            return Outcome::bad(format_args!("network unreachable for [{address}]:{port}")).because(error);
        }
        Err(error) if is_theirs(&error) => return Outcome::bad("connection failure.").because(error),
        Err(error) => return Outcome::unasked("UDP socket bind failed.").because(error),
    };
    let heard = |answer: &[u8]| match dns::received(id, answer) {
        dns::Received::NotOurs => Heard::NotOurs,
        dns::Received::Good => Heard::Is(Outcome::good()),
        dns::Received::Refused(code) => {
            let mut outcome = Outcome::bad(format_args!("read error occurred. (rcode = {code})"));
            outcome.details.status = Some(u16::from(code));
            Heard::Is(outcome)
        }
    };
    match waiting.listen(began + config.connection.timeout, ANSWER, heard).await {
        Ok(outcome) => outcome,
        Err(Silence::Timeout) => Outcome::bad("read timeout from socket"),
        Err(Silence::Error(error)) => {
            let errno = error.raw_os_error().unwrap_or(0);
            Outcome::bad(format_args!("failed to read socket; errno {errno} ({})", words(&error))).because(error)
        }
    }
}

/// The text of an error without Rust's addition.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Sends what was configured, and looks at what comes back, if anything has to.
pub(crate) async fn send_datagram(config: &Udp, began: Instant) -> Outcome {
    // Every error counts as a failure, as in upstream, but for those of our own address.
    let waiting = match send(&config.connection, &udp::payload(config)) {
        Ok(waiting) => waiting,
        Err(error) if is_theirs(&error) => return Outcome::bad("failed").because(error),
        Err(error) => return Outcome::unasked("UDP socket bind failed.").because(error),
    };
    let heard = |answer: &[u8]| {
        Heard::Is(if udp::is_good(config, answer) {
            Outcome::good()
        } else {
            Outcome::bad("failed").because("the answer is not as it should be")
        })
    };
    // One byte more than is allowed shows that it is too long.
    let longest = match &config.reply {
        Reply::Like(pattern) => usize::from(pattern.max) + 1,
        Reply::NotNeeded | Reply::Any => 1,
    };
    match waiting.listen(began + config.connection.timeout, longest, heard).await {
        Ok(outcome) => outcome,
        Err(Silence::Timeout) if udp::silence_is_good(config) => Outcome::good(),
        Err(Silence::Timeout) => Outcome::bad("timeout"),
        Err(Silence::Error(error)) => Outcome::bad("failed").because(error),
    }
}

/// Asks for an echo.
pub(crate) async fn echo(connection: &Connection, chance: &Chance, began: Instant) -> Outcome {
    let family = Family::of(connection.address);
    let (identifier, sequence) = (chance.number(), chance.next_sequence());
    let opened = client::echo(connection.address, &origin(connection)).and_then(|echo| {
        let request = if echo.raw {
            ping::raw_request(family, identifier, sequence)
        } else {
            ping::request(family, sequence)
        };
        Ok((Waiting::new(echo.socket, &request)?, echo.raw))
    });
    let (waiting, raw) = match opened {
        Ok(opened) => opened,
        Err(error) if is_theirs(&error) => return Outcome::bad("failed").because(error),
        Err(error) => return Outcome::unasked("ICMP socket bind failed.").because(error),
    };
    let heard = |answer: &[u8]| {
        let ours = if raw {
            ping::is_raw_reply(family, identifier, sequence, answer)
        } else {
            ping::is_reply(family, sequence, answer)
        };
        if ours {
            Heard::Is(Outcome::good())
        } else {
            Heard::NotOurs
        }
    };
    match waiting.listen(began + connection.timeout, ANSWER, heard).await {
        Ok(outcome) => outcome,
        Err(Silence::Timeout) => Outcome::bad("timeout"),
        Err(Silence::Error(error)) => Outcome::bad("failed").because(error),
    }
}
