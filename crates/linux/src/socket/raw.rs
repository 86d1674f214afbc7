//! Raw IP sockets for adverts: one receiver for each place listened at, one sender for each family.
//!
//! The kernel takes the IP header of IPv4 packets as we wrote it and fills in length and checksum; of IPv6 packets it
//! writes the header and the checksum itself. What is in the packets is not known here, except that the checksum of a
//! VRRP header is at byte six.

use crate::netlink::socket::set_receive_buffer;
use crate::reactor::Moment;
use crate::sys::messages::{self, Arrivals, Control, Outgoing, Target};
use crate::sys::set_option;
use crate::{SysError, Turn};
use base::{Family, IfIndex, Instant};
use nix::errno::Errno;
use nix::net::if_::if_indextoname;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, SockFilter, Socket, Type};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};

/// Packets read from one socket before other sockets get a turn.
///
/// Large enough for every peer of a busy segment in one interval, small enough that a flood on one interface delays
/// the others by less than a millisecond.
pub const READS_PER_TURN: usize = 32;
const _: () = assert!(READS_PER_TURN <= messages::CHUNK, "a turn is one system call");

/// Byte of the checksum in a VRRP header.
const CHECKSUM_OFFSET: libc::c_int = 6;
/// Internetwork control (RFC 9568 does not say; the C daemon's value): precedence 6 in the old reading.
const CLASS: u32 = 0xc0;
/// Queueing priority of control traffic, and the highest that needs no capability.
const PRIORITIES: [u32; 2] = [7, 6];

/// Bytes of adverts that may wait in the kernel to be sent.
///
/// One sender serves all interfaces. Adverts that a jammed interface does not take, or for which a dead peer is still
/// looked up, count until the kernel gives them up: some 800 KB in the queue of an interface, some 200 KB for a peer.
/// With the usual limit of 200 KB one of them would silence the virtual routers of all interfaces. Beyond this limit
/// adverts are refused, and their instances say so.
const SEND_BUFFER: usize = 64 << 20;

/// What a receiver listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// 112, or 51 for AH.
    pub protocol: u8,
    /// The group to join, or the local address to be reached at (which need not exist yet).
    pub local: IpAddr,
    /// Only packets that come in by this interface; needed for a group.
    pub interface: Option<IfIndex>,
    /// Bytes of packets that may wait; `None`: the system's default.
    pub receive_buffer: Option<u32>,
}

/// A raw socket that receives.
pub struct AdvertReceiver {
    socket: Socket,
    listen: Listen,
}

/// A packet received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// IPv4: from the first byte of the IP header. IPv6: the payload, its checksum verified.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub source: IpAddr,
    /// Where to.
    pub destination: IpAddr,
    /// The TTL or hop limit it arrived with.
    pub hop_limit: u8,
    /// The interface it came in by.
    pub interface: Option<IfIndex>,
    /// When it arrived, at most 10 ms before it is read.
    pub arrived: Instant,
    /// It was longer than the buffer: `bytes` is the front of it.
    pub truncated: bool,
}

/// The bytes may hold a password: they are counted, not printed.
impl fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("bytes", &self.bytes.len())
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("hop_limit", &self.hop_limit)
            .field("interface", &self.interface)
            .field("arrived", &self.arrived)
            .field("truncated", &self.truncated)
            .finish()
    }
}

/// Room for the packets of one turn. One serves all receivers.
pub struct Inbox {
    arrivals: Arrivals,
}

impl Inbox {
    /// Room for packets of up to `packet_size` bytes: the largest MTU of the interfaces listened at.
    pub fn new(packet_size: usize) -> Inbox {
        Inbox {
            arrivals: Arrivals::new(READS_PER_TURN, packet_size),
        }
    }
}

impl AdvertReceiver {
    /// Opens a receiver in the network namespace of the calling thread.
    pub fn open(listen: Listen) -> Result<AdvertReceiver, SysError> {
        let socket = new_socket(Family::of(listen.local), listen.protocol)
            .map_err(|source| SysError::new("open a raw socket for", listen.local, source))?;
        let receiver = AdvertReceiver { socket, listen };
        receiver
            .configure()
            .map_err(|(doing, source)| SysError::new(doing, describe(&listen), source))?;
        Ok(receiver)
    }

    /// What it listens to.
    pub fn listen(&self) -> Listen {
        self.listen
    }

    /// Changes the room for waiting packets.
    pub fn set_receive_buffer(&mut self, bytes: u32) -> Result<(), SysError> {
        set_receive_buffer(self.socket.as_fd(), bytes as usize)
            .map_err(|errno| SysError::new("size the receive buffer for", describe(&self.listen), errno))?;
        self.listen.receive_buffer = Some(bytes);
        Ok(())
    }

    /// Reads up to [`READS_PER_TURN`] packets without waiting and gives each to `take`.
    ///
    /// Packets without the facts of a [`Received`] are dropped: the kernel gives no such thing. An error belongs to
    /// an earlier moment and is gone with this call; packets may wait behind it, so call again.
    pub fn receive(&self, inbox: &mut Inbox, mut take: impl FnMut(Received<'_>)) -> Result<Turn, SysError> {
        let count = match inbox.arrivals.receive(self.socket.as_fd()) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Turn::Drained),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Turn::More),
            Err(error) => return Err(SysError::new("receive on", describe(&self.listen), error)),
        };
        let moment = Moment::read();
        for packet in inbox.arrivals.packets(count) {
            let (Some(source), Some(destination)) = (packet.source, packet.destination) else {
                continue;
            };
            let hop_limit = match destination {
                IpAddr::V4(_) => packet.bytes.get(TTL_OFFSET).copied(),
                IpAddr::V6(_) => packet.hop_limit,
            };
            let Some(hop_limit) = hop_limit else { continue };
            let interface = packet.interface.map(IfIndex);
            let (bytes, truncated) = (packet.bytes, packet.truncated);
            take(Received {
                bytes,
                source,
                destination,
                hop_limit,
                interface,
                arrived: moment.arrival(packet.stamp),
                truncated,
            });
        }
        Ok(if count < inbox.arrivals.room() {
            Turn::Drained
        } else {
            Turn::More
        })
    }

    fn configure(&self) -> Result<(), (&'static str, io::Error)> {
        let Listen {
            local,
            interface,
            receive_buffer,
            ..
        } = self.listen;
        let (socket, fd) = (&self.socket, self.socket.as_fd());
        if let Some(bytes) = receive_buffer {
            set_receive_buffer(fd, bytes as usize).map_err(|errno| ("size the receive buffer for", errno.into()))?;
        }
        let set = |result: io::Result<()>| result.map_err(|error| ("set options of a raw socket for", error));
        // The wait of a backup begins when the advert was here, not when this process got its turn.
        set(setsockopt(socket, sockopt::ReceiveTimestampns, &true).map_err(Into::into))?;
        match local {
            IpAddr::V4(_) => {
                set(socket.set_multicast_all_v4(false))?;
                set(setsockopt(socket, sockopt::Ipv4PacketInfo, &true).map_err(Into::into))?;
            }
            IpAddr::V6(_) => {
                // Kernels before 4.20 have no such option; binding to the group keeps other groups out there.
                set(socket
                    .set_multicast_all_v6(false)
                    .or_else(|error| tolerate(error, libc::ENOPROTOOPT)))?;
                set(setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true).map_err(Into::into))?;
                set(socket.set_recv_hoplimit_v6(true))?;
                set(set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_CHECKSUM, CHECKSUM_OFFSET))?;
            }
        }
        if let Some(index) = interface {
            bind_to_interface(socket, index).map_err(|error| ("bind to the interface of", error))?;
        }
        if local.is_multicast() {
            self.join().map_err(|error| ("join", error))?;
        } else {
            set(match local {
                IpAddr::V4(_) => socket.set_freebind_v4(true),
                IpAddr::V6(_) => socket.set_freebind_v6(true),
            })?;
        }
        socket.bind(&self.address()).map_err(|error| ("bind to", error))
    }

    fn join(&self) -> io::Result<()> {
        // Without an interface the kernel would choose one: nobody means that.
        let Some(IfIndex(index)) = self.listen.interface else {
            return Err(Errno::ENODEV.into());
        };
        match self.listen.local {
            IpAddr::V4(group) => self
                .socket
                .join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
            IpAddr::V6(group) => self.socket.join_multicast_v6(&group, index),
        }
    }

    fn address(&self) -> SockAddr {
        match self.listen.local {
            IpAddr::V4(address) => SockAddr::from(SocketAddr::from((address, 0))),
            IpAddr::V6(address) => {
                let zone = self.listen.interface.map_or(0, |index| index.0);
                SockAddr::from(SocketAddrV6::new(address, 0, 0, zone))
            }
        }
    }
}

impl AsFd for AdvertReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Byte of the TTL in an IPv4 header.
const TTL_OFFSET: usize = 8;

/// A packet to send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OutPacket<'a> {
    /// IPv4: from the first byte of the IP header, whose length and checksum the kernel fills in. IPv6: the payload,
    /// whose checksum the kernel fills in.
    pub bytes: &'a [u8],
    /// From this address. For IPv4 the header says it again, and counts.
    pub source: IpAddr,
    /// To this address.
    pub destination: IpAddr,
    /// Out of this interface; `None`: as the kernel routes it.
    pub interface: Option<IfIndex>,
    /// IPv6: the hop limit; `None`: 255 to a group, else the kernel's. For IPv4 the header says it.
    pub hop_limit: Option<u8>,
}

/// The bytes may hold a password: they are counted, not printed.
impl fmt::Debug for OutPacket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutPacket")
            .field("bytes", &self.bytes.len())
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("interface", &self.interface)
            .field("hop_limit", &self.hop_limit)
            .finish()
    }
}

/// A raw socket that sends. One for each family and protocol serves all interfaces.
pub struct AdvertSender {
    socket: Socket,
}

impl AdvertSender {
    /// Opens a sender in the network namespace of the calling thread.
    pub fn open(family: Family, protocol: u8) -> Result<AdvertSender, SysError> {
        let failed = |source| SysError::new("open a raw socket for sending", family, source);
        let protocol = match family {
            // The protocol is in the header we write, and a socket of this one is given nothing to read.
            Family::V4 => libc::IPPROTO_RAW as u8,
            Family::V6 => protocol,
        };
        let socket = new_socket(family, protocol).map_err(failed)?;
        deafen(&socket).map_err(failed)?;
        if setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
            // Without the capability: as much as the system allows.
            setsockopt(&socket, sockopt::SndBuf, &SEND_BUFFER).map_err(|errno| failed(errno.into()))?;
        }
        match family {
            Family::V4 => configure_v4(&socket),
            Family::V6 => configure_v6(&socket),
        }
        .map_err(failed)?;
        Ok(AdvertSender { socket })
    }

    /// Sends `packets` in order without waiting; those the kernel refuses are appended to `refused` with position and
    /// error number. Packets to groups are not routed and not looped back.
    pub fn send(&self, packets: &[OutPacket<'_>], refused: &mut Vec<(usize, i32)>) {
        let mut done = 0;
        while let Some((first, _)) = packets.get(done..).and_then(<[OutPacket<'_>]>::split_first) {
            let multicast = first.destination.is_multicast();
            // Whether to route is said once for a whole call.
            let alike = packets
                .iter()
                .skip(done)
                .take_while(|packet| packet.destination.is_multicast() == multicast);
            let flags = if multicast { libc::MSG_DONTROUTE } else { 0 };
            match messages::send(self.socket.as_fd(), alike.map(outgoing), flags) {
                // The kernel stops quietly before a packet it refuses; the next call begins with it and says why.
                Ok(sent) => done += sent,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    refused.push((done, error.raw_os_error().unwrap_or(libc::EIO)));
                    done += 1;
                }
            }
        }
    }
}

impl AsFd for AdvertSender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn outgoing<'a>(packet: &OutPacket<'a>) -> Outgoing<'a> {
    let interface = packet.interface.map_or(0, |index| index.0);
    let control = match packet.source {
        IpAddr::V4(_) if interface == 0 => Control::None,
        IpAddr::V4(_) => Control::V4 { interface },
        IpAddr::V6(source) => Control::V6 {
            interface,
            source,
            hop_limit: packet.hop_limit,
        },
    };
    Outgoing {
        bytes: packet.bytes,
        target: Target::Ip(packet.destination, interface),
        control,
    }
}

fn new_socket(family: Family, protocol: u8) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    Socket::new(
        domain,
        Type::RAW.nonblocking().cloexec(),
        Some(Protocol::from(i32::from(protocol))),
    )
}

fn configure_v4(socket: &Socket) -> io::Result<()> {
    socket.set_header_included_v4(true)?;
    socket.set_multicast_loop_v4(false)?;
    socket.set_tos_v4(CLASS)?;
    prioritize(socket)
}

fn configure_v6(socket: &Socket) -> io::Result<()> {
    socket.set_multicast_loop_v6(false)?;
    socket.set_multicast_hops_v6(255)?;
    socket.set_tclass_v6(CLASS)?;
    set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_CHECKSUM, CHECKSUM_OFFSET)?;
    prioritize(socket)
}

/// After the class, which sets a priority of its own.
fn prioritize(socket: &Socket) -> io::Result<()> {
    let [wanted, allowed] = PRIORITIES;
    socket.set_priority(wanted).or_else(|_| socket.set_priority(allowed))
}

/// Nothing is to be received: adverts that arrive would fill a buffer nobody reads.
fn deafen(socket: &Socket) -> io::Result<()> {
    const RETURN_CONSTANT: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    // Accept zero bytes of every packet: drop it.
    socket.attach_filter(&[SockFilter::new(RETURN_CONSTANT, 0, 0, 0)])?;
    // The kernel makes it its smallest.
    socket.set_recv_buffer_size(0)
}

fn bind_to_interface(socket: &Socket, index: IfIndex) -> io::Result<()> {
    let number = NonZeroU32::new(index.0).ok_or(Errno::ENODEV)?;
    match socket.bind_device_by_index_v4(Some(number)) {
        // Kernels before 5.0 know names only.
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
            let name = if_indextoname(number.get())?;
            socket.bind_device(Some(name.as_bytes()))
        }
        other => other,
    }
}

fn tolerate(error: io::Error, errno: i32) -> io::Result<()> {
    if error.raw_os_error() == Some(errno) {
        Ok(())
    } else {
        Err(error)
    }
}

fn describe(listen: &Listen) -> String {
    match listen.interface {
        Some(index) => format!("{} on interface {index}", listen.local),
        None => listen.local.to_string(),
    }
}
