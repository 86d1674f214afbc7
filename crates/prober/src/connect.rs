//! Connections, and what it means when there is none.

use base::Family;
use check::config::Connection;
use linux::socket::client::{self, Begun, Origin};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing came back in time.
    Timeout,
    /// The server, or the network before it, refused.
    Refused(io::Error),
    /// The socket could not be made: nothing is known of the server.
    Ours(io::Error),
}

/// Where a check connects.
pub(crate) const fn target(connection: &Connection) -> SocketAddr {
    SocketAddr::new(connection.address, connection.port)
}

/// From where.
pub(crate) fn origin(connection: &Connection) -> Origin {
    connection.from.as_deref().map_or_else(Origin::default, |from| Origin {
        address: from.address,
        port: from.port,
        interface: from.interface,
        mark: from.mark,
    })
}

/// A connection that nobody waits for: it was there at once, or it was not refused at once.
pub(crate) enum Attempt {
    /// It is there.
    Done(std::net::TcpStream),
    /// The server has not answered yet.
    Pending(std::net::TcpStream),
}

/// Begins to connect. Servers on this machine have answered when this returns, and nobody has to wait for them.
pub(crate) fn attempt(connection: &Connection) -> Result<Attempt, Failure> {
    let socket = client::stream(Family::of(connection.address), &origin(connection)).map_err(Failure::Ours)?;
    match client::connect(&socket, target(connection)).map_err(sort)? {
        Begun::Done => Ok(Attempt::Done(socket.into())),
        Begun::Pending => Ok(Attempt::Pending(socket.into())),
    }
}

/// Waits until `deadline` for a connection that was begun.
pub(crate) async fn established(stream: std::net::TcpStream, deadline: Instant) -> Result<TcpStream, Failure> {
    let stream = TcpStream::from_std(stream).map_err(Failure::Ours)?;
    match timeout_at(deadline, stream.writable()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(Failure::Ours(error)),
        Err(_) => return Err(Failure::Timeout),
    }
    match stream.take_error() {
        Ok(None) => Ok(stream),
        Ok(Some(error)) | Err(error) => Err(sort(error)),
    }
}

/// Connects until `deadline`.
pub(crate) async fn stream(connection: &Connection, deadline: Instant) -> Result<TcpStream, Failure> {
    match attempt(connection)? {
        Attempt::Done(stream) => TcpStream::from_std(stream).map_err(Failure::Ours),
        Attempt::Pending(stream) => established(stream, deadline).await,
    }
}

fn sort(error: io::Error) -> Failure {
    if error.raw_os_error() == Some(libc::ETIMEDOUT) {
        Failure::Timeout
    } else if is_theirs(&error) {
        Failure::Refused(error)
    } else {
        Failure::Ours(error)
    }
}

/// Whether an error says something about the server or the way to it; else it is our own.
pub(crate) fn is_theirs(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::ECONNRESET
                | libc::ECONNABORTED
                | libc::ETIMEDOUT
                | libc::ENETUNREACH
                | libc::ENETDOWN
                | libc::EHOSTUNREACH
                | libc::EHOSTDOWN
                | libc::EPIPE
                | libc::EPROTO
        )
    )
}
