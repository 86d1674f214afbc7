//! Connections, and what it means when there is none.

use base::Family;
use check::config::Connection;
use linux::socket::client::{self, Origin};
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpSocket, TcpStream};
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

/// Connects until `deadline`.
pub(crate) async fn stream(connection: &Connection, deadline: Instant) -> Result<TcpStream, Failure> {
    let socket = client::stream(Family::of(connection.address), &origin(connection)).map_err(Failure::Ours)?;
    let socket = TcpSocket::from_std_stream(socket.into());
    match timeout_at(deadline, socket.connect(target(connection))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(sort(error)),
        Err(_) => Err(Failure::Timeout),
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
