//! A netlink socket: opening, sending, receiving, taking datagrams apart into messages.
//!
//! Tells an overrun (the kernel had to drop messages) from an error. Does not know what messages mean.

use crate::SysError;
use netlink_packet_core::NetlinkBuffer;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockname, getsockopt, recvmsg,
    send, setsockopt, socket, sockopt,
};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The largest receive buffer: the kernel doubles it and counts with 32 bits and a sign.
const MOST: u32 = (1 << 30) - 1;

/// A netlink socket that never waits; of the rtnetlink family unless said otherwise.
pub(crate) struct RouteSocket {
    fd: OwnedFd,
    /// The kernel's number of this socket, which its answers to this socket carry.
    port: u32,
    sequence: u32,
}

/// What a receive found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// A datagram of so many bytes.
    Bytes(usize),
    /// Nothing.
    Empty,
    /// The kernel had to drop something since the last receive.
    Overrun,
}

impl RouteSocket {
    /// Opens a socket that hears `groups` (bits, RTMGRP_*) with room for `receive_buffer` bytes.
    pub(crate) fn open(groups: u32, receive_buffer: usize) -> Result<RouteSocket, SysError> {
        RouteSocket::open_for(SockProtocol::NetlinkRoute, groups, receive_buffer)
    }

    /// The same for another family of netlink: nftables, generic.
    pub(crate) fn open_for(
        protocol: SockProtocol,
        groups: u32,
        receive_buffer: usize,
    ) -> Result<RouteSocket, SysError> {
        let failed = |errno: Errno| SysError::new("open a netlink socket", "", errno);
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol).map_err(failed)?;
        set_receive_buffer(fd.as_fd(), receive_buffer).map_err(failed)?;
        // Refusals repeat the header of the request only, not all of it: more fit into the buffer.
        crate::sys::set_option(fd.as_fd(), libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1)
            .map_err(|source| SysError::new("open a netlink socket", "", source))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups)).map_err(failed)?;
        let port = getsockname::<NetlinkAddr>(fd.as_raw_fd()).map_err(failed)?.pid();
        Ok(RouteSocket { fd, port, sequence: 0 })
    }

    /// The kernel's number of this socket.
    pub(crate) const fn port(&self) -> u32 {
        self.port
    }

    /// See [`reserve`].
    pub(crate) fn reserve(&self, bytes: u32) -> Result<(), SysError> {
        reserve(self.fd.as_fd(), bytes)
    }

    /// The numbers of the next `count` messages: the first of them; they wrap around.
    pub(crate) fn take_sequence(&mut self, count: u32) -> u32 {
        // Zero is what the kernel's own notifications carry.
        if self.sequence.checked_add(count).is_none() || self.sequence == 0 {
            self.sequence = 1;
        }
        let first = self.sequence;
        self.sequence = first.wrapping_add(count);
        first
    }

    /// Whether a message answers the request of this socket with this number.
    ///
    /// A notification carries the number that the socket of its cause gave it, which may be the same.
    pub(crate) fn is_answer(&self, message: &NetlinkBuffer<&[u8]>, sequence: u32) -> bool {
        message.sequence_number() == sequence && message.port_number() == self.port
    }

    /// Sends messages to the kernel, which works through them before this returns.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        loop {
            match send(self.fd.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT) {
                // The kernel takes a datagram whole or not at all.
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Receives one datagram from the kernel, if there is one.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<Arrival, Errno> {
        loop {
            let mut vector = [IoSliceMut::new(buffer)];
            match recvmsg::<NetlinkAddr>(self.fd.as_raw_fd(), &mut vector, None, MsgFlags::MSG_DONTWAIT) {
                // What did not fit is as lost as what was dropped.
                Ok(message) if message.flags.contains(MsgFlags::MSG_TRUNC) => return Ok(Arrival::Overrun),
                // Other processes can write to this socket too; only the kernel has number zero.
                Ok(message) if message.address.is_some_and(|sender| sender.pid() != 0) => {}
                Ok(message) => return Ok(Arrival::Bytes(message.bytes)),
                Err(Errno::EAGAIN) => return Ok(Arrival::Empty),
                Err(Errno::ENOBUFS) => return Ok(Arrival::Overrun),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Sets the size of a socket's receive buffer past the system's limit, or up to it without the capability.
pub(crate) fn set_receive_buffer(fd: BorrowedFd<'_>, bytes: usize) -> Result<(), Errno> {
    match setsockopt(&fd, sockopt::RcvBufForce, &bytes) {
        Err(Errno::EPERM) => setsockopt(&fd, sockopt::RcvBuf, &bytes),
        other => other,
    }
}

/// Makes room for at least so many unread bytes; a buffer that is larger already stays.
pub(crate) fn reserve(fd: BorrowedFd<'_>, bytes: u32) -> Result<(), SysError> {
    let failed = |errno: Errno| SysError::new("size the receive buffer of a netlink socket", "", errno);
    // The kernel doubles what it is told, for its own use, and gives that.
    let now = getsockopt(&fd, sockopt::RcvBuf).map_err(failed)? / 2;
    // More than it can count it refuses to understand.
    let wanted = bytes.min(MOST) as usize;
    if now >= wanted {
        return Ok(());
    }
    set_receive_buffer(fd, wanted).map_err(failed)
}

/// The messages of a datagram. Ends where the bytes stop making sense.
pub(crate) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(datagram).ok()?;
        let aligned = (message.length() as usize).next_multiple_of(4);
        datagram = datagram.get(aligned..).unwrap_or_default();
        Some(message)
    })
}

/// The error number in an NLMSG_ERROR or NLMSG_DONE message: positive, or zero for success.
pub(crate) fn error_code(payload: &[u8]) -> i32 {
    payload
        .first_chunk()
        .copied()
        .map_or(0, i32::from_ne_bytes)
        .wrapping_neg()
}

/// The error of a call that returned an error number.
pub(crate) fn os_error(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno as i32)
}
