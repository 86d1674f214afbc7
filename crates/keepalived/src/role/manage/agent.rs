//! The connection to the master agent: bytes in, bytes out, and where the other end is.
//!
//! When it is made and what is said over it is not known here.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// Where net-snmp's master agent listens unless told otherwise.
const DEFAULT: &str = "/var/agentx/master";
/// The port of AgentX (RFC 2741 section 8.1.1).
const PORT: u16 = 705;
/// The longest name of a socket, with its final zero.
const MAX_PATH: usize = 108;
/// Bytes that wait for a master agent that does not read. At more the connection is given up.
const MAX_UNSENT: usize = 4 * 1024 * 1024;
/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// Where a master agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
}

/// What happened to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    Connected,
    /// It could not be made, or is gone.
    Lost,
    Bytes(Vec<u8>),
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<Stream>>>>;

enum State {
    None,
    Connecting(Attempt),
    Open(Stream),
}

/// The connection, if there is one.
pub(super) struct Agent {
    place: Option<Place>,
    state: State,
    unsent: VecDeque<u8>,
}

impl Default for Agent {
    fn default() -> Agent {
        Agent {
            place: None,
            state: State::None,
            unsent: VecDeque::new(),
        }
    }
}

impl Agent {
    /// One that is where `snmp_socket` says; the error is for the log.
    pub(super) fn of(spec: Option<&str>) -> Result<Agent, String> {
        let place = place(spec.unwrap_or(DEFAULT))?;
        Ok(Agent {
            place: Some(place),
            ..Agent::default()
        })
    }

    /// Whether it is known where the master agent is.
    pub(super) fn has_place(&self) -> bool {
        self.place.is_some()
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self) {
        self.disconnect();
        self.state = match self.place.clone() {
            None => State::None,
            Some(Place::Unix(path)) => {
                State::Connecting(Box::pin(async { UnixStream::connect(path).await.map(Stream::Unix) }))
            }
            Some(Place::Tcp(address)) => {
                State::Connecting(Box::pin(async { TcpStream::connect(address).await.map(Stream::Tcp) }))
            }
        };
    }

    /// Sends what can be sent without waiting, then closes.
    pub(super) fn disconnect(&mut self) {
        self.finish();
        self.state = State::None;
        self.unsent.clear();
    }

    /// Sends what can be sent without waiting.
    pub(super) fn finish(&mut self) {
        // The connection is of no more use, whatever became of it.
        let _ = self.write();
    }

    /// Sends these bytes, now or later; false if the connection is of no use.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        if !matches!(self.state, State::Open(_)) || self.unsent.len() + bytes.len() > MAX_UNSENT {
            return false;
        }
        self.unsent.extend(bytes);
        self.write().is_ok()
    }

    fn write(&mut self) -> io::Result<()> {
        let State::Open(stream) = &self.state else {
            return Ok(());
        };
        while !self.unsent.is_empty() {
            let (first, _) = self.unsent.as_slices();
            let written = match stream {
                Stream::Unix(stream) => stream.try_write(first),
                Stream::Tcp(stream) => stream.try_write(first),
            };
            match written {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What happens next. Nothing is lost if it is not waited for to the end.
    pub(super) async fn news(&mut self) -> News {
        loop {
            match &mut self.state {
                State::None => return pending().await,
                State::Connecting(attempt) => match attempt.await {
                    Ok(stream) => {
                        self.state = State::Open(stream);
                        return News::Connected;
                    }
                    Err(_) => return self.lost(),
                },
                State::Open(stream) => {
                    let interest = if self.unsent.is_empty() {
                        Interest::READABLE
                    } else {
                        Interest::READABLE | Interest::WRITABLE
                    };
                    let ready = match stream {
                        Stream::Unix(stream) => stream.ready(interest).await,
                        Stream::Tcp(stream) => stream.ready(interest).await,
                    };
                    if ready.is_err() || self.write().is_err() {
                        return self.lost();
                    }
                }
            }
            if let Some(news) = self.read() {
                return news;
            }
        }
    }

    fn read(&mut self) -> Option<News> {
        let State::Open(stream) = &self.state else {
            return None;
        };
        let mut buffer = vec![0; CHUNK];
        let read = match stream {
            Stream::Unix(stream) => stream.try_read(&mut buffer),
            Stream::Tcp(stream) => stream.try_read(&mut buffer),
        };
        match read {
            Ok(0) => Some(self.lost()),
            Ok(count) => {
                buffer.truncate(count);
                Some(News::Bytes(buffer))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => Some(self.lost()),
        }
    }

    fn lost(&mut self) -> News {
        self.state = State::None;
        self.unsent.clear();
        News::Lost
    }
}

/// Reads `snmp_socket` as net-snmp does: a path, `unix:PATH`, `tcp:[HOST:]PORT`, `HOST[:PORT]`.
fn place(spec: &str) -> Result<Place, String> {
    let refuse = |why: &str| Err(format!("SNMP: snmp_socket {spec} {why}: nothing is served"));
    if let Some(path) = spec.strip_prefix("unix:").or(spec.starts_with('/').then_some(spec)) {
        return if path.is_empty() || path.len() >= MAX_PATH {
            refuse("is no name of a socket")
        } else {
            Ok(Place::Unix(PathBuf::from(path)))
        };
    }
    let (transport, rest) = match spec.split_once(':') {
        Some((word @ ("tcp" | "tcp6" | "udp" | "udp6" | "ssh" | "tlstcp" | "dtlsudp"), rest)) => (word, rest),
        Some(_) | None => ("tcp", spec),
    };
    if !transport.starts_with("tcp") {
        return refuse("is no stream");
    }
    let bare = rest.parse::<std::net::Ipv6Addr>().is_ok();
    Ok(Place::Tcp(if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("localhost:{rest}")
    } else if bare {
        format!("[{rest}]:{PORT}")
    } else if rest.ends_with(']') || !rest.contains(':') {
        format!("{rest}:{PORT}")
    } else {
        rest.to_owned()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_master_agent_is_written_in_many_ways() {
        let unix = |path: &str| Ok(Place::Unix(PathBuf::from(path)));
        let tcp = |address: &str| Ok(Place::Tcp(address.to_owned()));
        assert_eq!(place("/var/agentx/master"), unix("/var/agentx/master"));
        assert_eq!(place("unix:/run/x"), unix("/run/x"));
        assert_eq!(place("unix:x"), unix("x"));
        for (spec, address) in [
            ("tcp:705", "localhost:705"),
            ("705", "localhost:705"),
            ("localhost", "localhost:705"),
            ("tcp:10.0.0.1:7050", "10.0.0.1:7050"),
            ("10.0.0.1:7050", "10.0.0.1:7050"),
            ("tcp6:[::1]:705", "[::1]:705"),
            ("tcp6:[::1]", "[::1]:705"),
            ("::1", "[::1]:705"),
        ] {
            assert_eq!(place(spec), tcp(address), "{spec}");
        }
    }

    #[test]
    fn what_is_no_place_is_said() {
        for spec in ["udp:localhost:705", "unix:", &format!("/{}", "x".repeat(MAX_PATH))] {
            let text = place(spec).unwrap_err();
            assert!(text.starts_with("SNMP: snmp_socket "), "{text}");
        }
    }
}
