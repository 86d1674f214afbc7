//! Sockets that ask: of a TCP or UDP server, or for an ICMP echo.
//!
//! Knows from where a socket may speak and how it is let go; what is said is the caller's. All of them are non-blocking.

use base::{Family, IfName};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::os::fd::AsFd;
use std::time::Duration;

/// From where a socket speaks; by default the kernel chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The source address.
    pub address: Option<IpAddr>,
    /// The source port.
    pub port: Option<NonZeroU16>,
    /// Packets leave and arrive by this interface only.
    pub interface: Option<IfName>,
    /// The mark of packets (`SO_MARK`); 0: none.
    pub mark: u32,
}

/// A TCP socket that has not been connected.
pub fn stream(family: Family, from: &Origin) -> io::Result<Socket> {
    let socket = Socket::new(
        domain(family),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    if from.port.is_some() {
        // The port is wanted again by the next check: no TIME_WAIT may hold it, ours or that of the check before.
        socket.set_reuse_address(true)?;
        socket.set_linger(Some(Duration::ZERO))?;
    }
    prepare(&socket, family, from)?;
    Ok(socket)
}

/// How far a connection came at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is there.
    Done,
    /// The other end has not answered yet: the socket becomes writable when it has, or when it has not.
    Pending,
}

/// Begins to connect a socket that does not block, and looks whether it is connected already: a server on this machine has
/// answered before the first call returns, and the second says what (`connect(2)` on a socket that is being connected).
pub fn connect(socket: &Socket, target: SocketAddr) -> io::Result<Begun> {
    let target = SockAddr::from(target);
    for _ in 0..2 {
        match socket.connect(&target) {
            Ok(()) => return Ok(Begun::Done),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EALREADY)) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Begun::Pending)
}

/// A UDP socket connected to a server, so that its refusals come back as errors.
pub fn datagram(target: SocketAddr, from: &Origin) -> io::Result<Socket> {
    let family = Family::of(target.ip());
    let socket = Socket::new(domain(family), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    prepare(&socket, family, from)?;
    report_errors(&socket, family)?;
    socket.connect(&SockAddr::from(target))?;
    Ok(socket)
}

/// A socket for echo requests, connected to who is asked.
pub struct EchoSocket {
    /// Sends whole requests, receives replies (and, if raw, other messages).
    pub socket: Socket,
    /// The kernel would not give a datagram socket for ICMP (`net.ipv4.ping_group_range`): identifier and, for IPv4, the
    /// checksum are the caller's, and IPv4 messages come with the IP header before them.
    pub raw: bool,
}

/// A socket for echo requests: one for datagrams, else a raw one.
pub fn echo(target: IpAddr, from: &Origin) -> io::Result<EchoSocket> {
    let family = Family::of(target);
    let protocol = match family {
        Family::V4 => Protocol::ICMPV4,
        Family::V6 => Protocol::ICMPV6,
    };
    let open = |kind: Type| Socket::new(domain(family), kind.nonblocking().cloexec(), Some(protocol));
    let (socket, raw) = match open(Type::DGRAM) {
        Ok(socket) => (socket, false),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => (open(Type::RAW)?, true),
        Err(error) => return Err(error),
    };
    prepare(&socket, family, &Origin { port: None, ..*from })?;
    report_errors(&socket, family)?;
    socket.connect(&SockAddr::from(SocketAddr::new(target, 0)))?;
    Ok(EchoSocket { socket, raw })
}

const fn domain(family: Family) -> Domain {
    match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    }
}

/// "Host unreachable" is reported to such a socket only if it asks for it.
fn report_errors(socket: &Socket, family: Family) -> io::Result<()> {
    let (level, name) = match family {
        Family::V4 => (libc::IPPROTO_IP, libc::IP_RECVERR),
        Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    };
    crate::sys::set_option(socket.as_fd(), level, name, 1)
}

fn prepare(socket: &Socket, family: Family, from: &Origin) -> io::Result<()> {
    if from.mark != 0 {
        socket.set_mark(from.mark)?;
    }
    if let Some(interface) = from.interface {
        socket.bind_device(Some(interface.as_str().as_bytes()))?;
    }
    if from.address.is_none() && from.port.is_none() {
        return Ok(());
    }
    if from.port.is_none() {
        // The port is chosen when the target is known: one port serves many targets.
        crate::sys::set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
    }
    let any = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let address = SocketAddr::new(from.address.unwrap_or(any), from.port.map_or(0, NonZeroU16::get));
    socket.bind(&SockAddr::from(address))
}
