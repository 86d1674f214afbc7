//! UDP sockets for BFD: one receiver for each family and port, one sender for each session.
//!
//! A receiver says with which TTL or hop limit a datagram arrived, and to which address. What is in it is not known here.

use crate::netlink::socket::set_receive_buffer;
use crate::sys::messages::Arrivals;
use crate::sys::set_option;
use crate::{SysError, Turn};
use base::Family;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

/// Datagrams read from one socket before other sockets get a turn: one system call. A flood on one port delays timers by
/// less than a millisecond.
pub const READS_PER_TURN: usize = 32;
/// The longest datagram of interest; what is longer is cut and marked.
const DATAGRAM: usize = 512;
/// Bytes of datagrams that may wait to be read: some thousand, the packets of a hundred sessions for a tenth of a second.
/// What comes beyond that is lost, as on any link, and the kernel counts it.
const RECEIVE_BUFFER: usize = 1 << 20;
/// The ports a sender may come from (RFC 5881 section 4).
const FIRST_PORT: u16 = 49152;
/// Ports tried before a sender gives up; each fails only if somebody has it already.
const ATTEMPTS: u16 = 256;
/// Network control, as routing protocols have it.
const CLASS: u32 = 0xc0;

/// A datagram received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// What is in it.
    pub bytes: &'a [u8],
    /// Who sent it. An IPv4 address is one, never a mapped IPv6 address.
    pub source: IpAddr,
    /// Where to.
    pub destination: IpAddr,
    /// The TTL or hop limit it arrived with.
    pub ttl: u8,
    /// It was longer than there is room for.
    pub truncated: bool,
}

/// Room for the datagrams of one turn. One serves all receivers.
pub struct Inbox {
    arrivals: Arrivals,
}

impl Inbox {
    /// Room for [`READS_PER_TURN`] datagrams.
    pub fn new() -> Inbox {
        Inbox {
            arrivals: Arrivals::new(READS_PER_TURN, DATAGRAM),
        }
    }
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox::new()
    }
}

/// A socket that receives what comes to a port, at any address of the machine.
pub struct DatagramReceiver {
    socket: Socket,
    family: Family,
    port: u16,
}

impl DatagramReceiver {
    /// Opens a receiver in the network namespace of the calling thread.
    pub fn open(family: Family, port: u16) -> Result<DatagramReceiver, SysError> {
        let failed = |source| SysError::new("listen at UDP port", format_args!("{port} ({family})"), source);
        let socket = new_socket(family).map_err(failed)?;
        let receiver = DatagramReceiver { socket, family, port };
        receiver.configure().map_err(failed)?;
        Ok(receiver)
    }

    fn configure(&self) -> io::Result<()> {
        let (socket, fd) = (&self.socket, self.socket.as_fd());
        set_receive_buffer(fd, RECEIVE_BUFFER)?;
        let any = match self.family {
            Family::V4 => {
                setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
                set_option(fd, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)?;
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            }
            Family::V6 => {
                socket.set_only_v6(true)?;
                setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                socket.set_recv_hoplimit_v6(true)?;
                IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            }
        };
        socket.bind(&SockAddr::from(SocketAddr::from((any, self.port))))
    }

    /// Reads up to [`READS_PER_TURN`] datagrams without waiting and gives each to `take`.
    ///
    /// An error belongs to an earlier moment and is gone with this call; datagrams may wait behind it, so call again.
    pub fn receive(&self, inbox: &mut Inbox, mut take: impl FnMut(Received<'_>)) -> Result<Turn, SysError> {
        let count = match inbox.arrivals.receive(self.socket.as_fd()) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Turn::Drained),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Turn::More),
            Err(error) => return Err(SysError::new("receive at UDP port", self.port, error)),
        };
        for datagram in inbox.arrivals.packets(count) {
            // The kernel was asked for all three and gives nothing without them.
            let (Some(source), Some(destination), Some(ttl)) =
                (datagram.source, datagram.destination, datagram.hop_limit)
            else {
                continue;
            };
            take(Received {
                bytes: datagram.bytes,
                source,
                destination,
                ttl,
                truncated: datagram.truncated,
            });
        }
        Ok(if count < inbox.arrivals.room() {
            Turn::Drained
        } else {
            Turn::More
        })
    }
}

impl AsFd for DatagramReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A socket that sends to one address and port, from a port of its own.
pub struct DatagramSender {
    socket: Socket,
    to: SockAddr,
}

impl fmt::Debug for DatagramSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatagramSender({:?})", self.to.as_socket())
    }
}

impl DatagramSender {
    /// Opens a sender in the network namespace of the calling thread.
    ///
    /// `source` need not exist yet: until it does, sending fails. `chance` says where among the ports from 49152 to 65535
    /// the search for a free one begins.
    pub fn open(to: SocketAddr, source: Option<IpAddr>, ttl: u8, chance: u64) -> Result<DatagramSender, SysError> {
        let failed = |source| SysError::new("open a UDP socket for sending to", to, source);
        let family = Family::of(to.ip());
        let socket = new_socket(family).map_err(failed)?;
        deafen(&socket).map_err(failed)?;
        configure_sender(&socket, family).map_err(failed)?;
        bind(&socket, family, source, chance).map_err(failed)?;
        let sender = DatagramSender {
            socket,
            to: SockAddr::from(to),
        };
        sender.set_ttl(ttl)?;
        Ok(sender)
    }

    /// The port datagrams come from.
    pub fn port(&self) -> Result<u16, SysError> {
        let own = self.socket.local_addr();
        let own = own.map_err(|source| SysError::new("ask for the address of", "a UDP socket", source))?;
        Ok(own.as_socket().map_or(0, |own| own.port()))
    }

    /// Changes the TTL or hop limit of what is sent.
    pub fn set_ttl(&self, ttl: u8) -> Result<(), SysError> {
        let set = if self.to.is_ipv4() {
            self.socket.set_ttl_v4(u32::from(ttl))
        } else {
            self.socket.set_unicast_hops_v6(u32::from(ttl))
        };
        set.map_err(|source| SysError::new("set the TTL of a UDP socket to", ttl, source))
    }

    /// Sends one datagram without waiting; the error number if the kernel refuses it.
    pub fn send(&self, bytes: &[u8]) -> Result<(), i32> {
        loop {
            match self.socket.send_to(bytes, &self.to) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.raw_os_error().unwrap_or(libc::EIO)),
            }
        }
    }
}

fn new_socket(family: Family) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))
}

fn configure_sender(socket: &Socket, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => {
            socket.set_freebind_v4(true)?;
            socket.set_tos_v4(CLASS)
        }
        Family::V6 => {
            socket.set_only_v6(true)?;
            socket.set_freebind_v6(true)?;
            socket.set_tclass_v6(CLASS)
        }
    }
}

/// Binds to a free port of the range, beginning anywhere in it.
fn bind(socket: &Socket, family: Family, source: Option<IpAddr>, chance: u64) -> io::Result<()> {
    const PORTS: u64 = (u16::MAX - FIRST_PORT) as u64 + 1;
    let any = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let address = source.unwrap_or(any);
    let mut result = Err(Errno::EADDRINUSE.into());
    for attempt in 0..u64::from(ATTEMPTS) {
        let port = FIRST_PORT + (chance.wrapping_add(attempt) % PORTS) as u16;
        result = socket.bind(&SockAddr::from(SocketAddr::from((address, port))));
        match &result {
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {}
            Ok(()) | Err(_) => break,
        }
    }
    result
}

/// Nothing is to be received at the port datagrams come from: it would fill a buffer nobody reads.
fn deafen(socket: &Socket) -> io::Result<()> {
    const RETURN_CONSTANT: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    // Accept zero bytes of every packet: drop it.
    socket.attach_filter(&[SockFilter::new(RETURN_CONSTANT, 0, 0, 0)])?;
    // The kernel makes it its smallest.
    socket.set_recv_buffer_size(0)
}
