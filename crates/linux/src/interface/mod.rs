//! A mirror of the kernel's links and addresses, kept up to date by the kernel's own notifications.
//!
//! [`Mirror`] owns the socket: it hears the notifications first and asks for everything there is second, on the same
//! socket, so that no change falls between the two and everything arrives in the order in which it happened. When the
//! kernel had to drop notifications it asks for everything again and reports the differences as ordinary changes.
//! `facts` are what is known, `table` turns notices into changes, `decode` turns bytes into notices; all three are
//! pure. The mirror does not know which interfaces or addresses matter to anybody.

pub(crate) mod decode;
mod facts;
mod promotion;
pub(crate) mod table;

pub use facts::{Address, Change, Link};
pub use promotion::Promotion;

use crate::netlink::socket::{Arrival, RouteSocket, error_code, messages, os_error};
use crate::{SysError, Turn};
use base::{Family, IfIndex, IfName};
pub(crate) use decode::attributes_of;
use decode::decode;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkMessage};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, BorrowedFd};
use table::Table;

/// Notifications that may wait to be read, in bytes: those of some thousand addresses that come and go while the
/// role is busy. What does not fit is recovered by a dump, which costs more than the memory (used only when needed).
const RECEIVE_BUFFER: usize = 4 << 20;

/// Datagrams read in one turn while no dump is running; half a millisecond of work.
const READS_PER_TURN: usize = 256;

/// Datagrams read in one turn while a dump is running. A dump comes in large datagrams as fast as they are read, so
/// finishing it in one turn beats being overtaken by changes between turns; this bounds a turn all the same.
const READS_PER_DUMP: usize = 4096;

/// Turns that [`Mirror::open`] gives the first dump.
const TURNS_TO_OPEN: usize = 20;

/// How long [`Mirror::open`] pauses between them for the kernel, in milliseconds.
const PAUSE: u16 = 50;

/// Links and addresses as the kernel has them.
pub struct Mirror {
    socket: RouteSocket,
    table: Table,
    dump: Dump,
    /// Notifications were lost: what the table says may be wrong until the next complete dump.
    stale: bool,
    /// A dump has been read from end to end, though perhaps not a consistent one.
    listed: bool,
    undecodable: u64,
    buffer: Vec<u8>,
}

/// Where the mirror is in asking for everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dump {
    Idle,
    Running {
        subject: Subject,
        sequence: u32,
        interrupted: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Links,
    Addresses,
}

impl Mirror {
    /// Opens the mirror in the network namespace of the calling thread and reads everything there is.
    ///
    /// If somebody changes addresses all the time, so that no list of them is consistent, the mirror is given out
    /// after about a second all the same. It is then not yet current ([`Mirror::is_current`]), and its descriptor is
    /// ready.
    pub fn open() -> Result<Mirror, SysError> {
        Mirror::with_receive_buffer(RECEIVE_BUFFER)
    }

    /// Makes room for at least so many bytes of reports that are not read yet.
    pub fn reserve(&self, bytes: u32) -> Result<(), SysError> {
        self.socket.reserve(bytes)
    }

    fn with_receive_buffer(bytes: usize) -> Result<Mirror, SysError> {
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        // The forwarding setting of IPv6 has a group of its own, without an RTMGRP name.
        let netconf = 1 << (libc::RTNLGRP_IPV6_NETCONF - 1);
        let mut mirror = Mirror {
            socket: RouteSocket::open(groups as u32 | netconf, bytes)?,
            table: Table::default(),
            dump: Dump::Idle,
            stale: true,
            listed: false,
            undecodable: 0,
            buffer: vec![0; 64 * 1024],
        };
        let mut changes = Vec::new();
        for _ in 0..TURNS_TO_OPEN {
            let _ = mirror.read(&mut changes)?;
            changes.clear();
            if mirror.is_current() {
                return Ok(mirror);
            }
            let mut fds = [PollFd::new(mirror.socket.as_fd(), PollFlags::POLLIN)];
            // Interrupted or timed out: the turns are counted.
            let _ = poll(&mut fds, PollTimeout::from(PAUSE));
        }
        if !mirror.listed {
            return Err(failed("list interfaces and addresses", Errno::ETIMEDOUT));
        }
        // Somebody changes addresses without end. What is known is nearly everything; the rest comes as changes.
        if mirror.dump == Dump::Idle {
            mirror.begin()?;
        }
        Ok(mirror)
    }

    /// Reads what the kernel has reported and appends what is different now. Never waits. After lost notifications it
    /// reads everything anew, at most once in a turn.
    ///
    /// After an error the mirror may be out of date; the next call tries again to bring it up to date.
    pub fn read(&mut self, changes: &mut Vec<Change>) -> Result<Turn, SysError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.read_into(&mut buffer, changes);
        self.buffer = buffer;
        result
    }

    /// Whether everything the mirror says was true a moment ago: no notifications are known to be lost.
    pub fn is_current(&self) -> bool {
        !self.stale && self.dump == Dump::Idle
    }

    /// The link with this number.
    pub fn link(&self, index: IfIndex) -> Option<&Link> {
        self.table.link(index)
    }

    /// The link with this name.
    pub fn link_named(&self, name: IfName) -> Option<&Link> {
        self.table.link_named(name)
    }

    /// All links by number.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.table.links()
    }

    /// The addresses of a link in the kernel's order: for IPv4 primary ones first, then secondary ones, each in the
    /// order added; for IPv6 global ones first, and the youngest first.
    pub fn addresses(&self, index: IfIndex, family: Family) -> impl Iterator<Item = &Address> {
        self.table.addresses(index, family)
    }

    /// Messages that made no sense, since the start. They are skipped.
    pub fn undecodable(&self) -> u64 {
        self.undecodable
    }

    fn read_into(&mut self, buffer: &mut [u8], changes: &mut Vec<Change>) -> Result<Turn, SysError> {
        let (mut reads, mut begun) = (0, false);
        loop {
            let limit = if self.dump == Dump::Idle {
                READS_PER_TURN
            } else {
                READS_PER_DUMP
            };
            if reads >= limit {
                return Ok(Turn::More);
            }
            reads += 1;
            let arrival = self.socket.receive(buffer).map_err(|errno| {
                // Whether a dump goes on after this nobody knows: begin again.
                self.stale = true;
                self.dump = Dump::Idle;
                failed("read network changes", errno)
            })?;
            match arrival {
                Arrival::Bytes(len) => self.take_datagram(buffer.get(..len).unwrap_or_default(), changes)?,
                Arrival::Overrun => self.stale = true,
                // After an overrun the kernel drops everything until its queue is empty: only now is a dump complete.
                Arrival::Empty if self.stale && self.dump == Dump::Idle => {
                    if begun {
                        return Ok(Turn::More);
                    }
                    begun = true;
                    self.begin()?;
                }
                Arrival::Empty => return Ok(Turn::Drained),
            }
        }
    }

    /// Takes in the messages of one datagram.
    fn take_datagram(&mut self, datagram: &[u8], changes: &mut Vec<Change>) -> Result<(), SysError> {
        for message in messages(datagram) {
            let (kind, payload) = (message.message_type(), message.payload());
            let ours = self.is_part_of_dump(&message);
            match i32::from(kind) {
                libc::NLMSG_DONE | libc::NLMSG_ERROR if ours => self.end_of_dump(error_code(payload), changes)?,
                libc::NLMSG_DONE | libc::NLMSG_ERROR | libc::NLMSG_NOOP => {}
                _ => match decode(kind, payload) {
                    Ok(Some(notice)) => self.table.take(notice, ours, changes),
                    Ok(None) => {}
                    Err(decode::Malformed) => self.undecodable += 1,
                },
            }
        }
        Ok(())
    }

    fn is_part_of_dump(&mut self, message: &NetlinkBuffer<&[u8]>) -> bool {
        match &mut self.dump {
            Dump::Running {
                sequence, interrupted, ..
            } if self.socket.is_answer(message, *sequence) => {
                *interrupted |= i32::from(message.flags()) & libc::NLM_F_DUMP_INTR != 0;
                true
            }
            Dump::Running { .. } | Dump::Idle => false,
        }
    }

    fn end_of_dump(&mut self, errno: i32, changes: &mut Vec<Change>) -> Result<(), SysError> {
        let Dump::Running {
            subject, interrupted, ..
        } = self.dump
        else {
            return Ok(());
        };
        self.dump = Dump::Idle;
        match (errno, subject) {
            (0, Subject::Links) => return self.request(Subject::Addresses, interrupted),
            (0, Subject::Addresses) => {
                self.listed = true;
                // What changed while it was listed may have hidden something else from the list.
                self.stale |= interrupted;
                if !interrupted {
                    self.table.end_dump(changes);
                    changes.push(Change::Resynced);
                }
            }
            // New notifications filled the buffer before the list could begin, or such a list, begun after all, is
            // still being sent: what it says is true, and the next attempt is complete.
            (libc::ENOBUFS | libc::EBUSY, _) => self.stale = true,
            (_, _) => {
                self.stale = true;
                return Err(failed("list interfaces and addresses", Errno::from_raw(errno)));
            }
        }
        Ok(())
    }

    /// Asks for everything.
    fn begin(&mut self) -> Result<(), SysError> {
        self.stale = false;
        self.table.begin_dump();
        self.request(Subject::Links, false)
    }

    fn request(&mut self, subject: Subject, interrupted: bool) -> Result<(), SysError> {
        let body = match subject {
            Subject::Links => {
                let mut message = LinkMessage::default();
                message
                    .attributes
                    .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
                RouteNetlinkMessage::GetLink(message)
            }
            Subject::Addresses => RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        };
        let sequence = self.socket.take_sequence(1);
        let mut message = NetlinkMessage::from(body);
        message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        message.header.sequence_number = sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        if let Err(errno) = self.socket.send(&bytes) {
            self.stale = true;
            return Err(failed("list interfaces and addresses", errno));
        }
        self.dump = Dump::Running {
            subject,
            sequence,
            interrupted,
        };
        Ok(())
    }
}

impl AsFd for Mirror {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn failed(doing: &'static str, errno: Errno) -> SysError {
    SysError::new(doing, "", os_error(errno))
}

#[cfg(test)]
mod kernel_tests;
