//! Adding and removing addresses, routes and rules: batches of requests, sent without waiting, answered when asked.
//!
//! Up to [`CHUNK`] messages go in one system call; only the last asks for an acknowledgement, refusals come back one
//! by one anyway. The kernel works through a call before it returns, so the answers are there to be read at once;
//! reading them is a separate step because the caller may have better things to do first. This module does not know
//! why an address should be somewhere, nor whether a refusal matters.

use super::socket::{Arrival, RouteSocket, error_code, messages, os_error};
use crate::SysError;
use base::{Family, IfIndex, IfName, Prefix};
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags as KernelFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use nix::errno::Errno;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

/// Messages in one system call.
///
/// Batching more gains nothing measurable, and two hundred refusals fit into the smallest receive buffer a system
/// gives by default (about 250). A batch with more requests takes several calls.
pub const CHUNK: usize = 200;

/// Bytes of answers that may wait: room for about 2,500 refusals.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Requests whose answers have not been read, above which [`AddressSocket::submit`] reads them first.
///
/// If all of them are refused the answers still fit into the receive buffer.
const UNREAD: usize = 2_000;

/// Something the kernel can be asked in a message of the rtnetlink family.
pub trait Encode {
    /// The message, and the flags besides NLM_F_REQUEST and NLM_F_ACK.
    fn message(&self) -> (RouteNetlinkMessage, u16);
}

/// What to do with an address, a route or a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put it there. Refused with EEXIST if it is there already.
    Add,
    /// Take it away. Refused with EADDRNOTAVAIL if it is not there.
    Remove,
}

/// One change to the addresses of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRequest {
    /// What to do.
    pub action: Action,
    /// Where. Refused with ENODEV if there is no such interface.
    pub interface: IfIndex,
    /// The address, and the length of its network.
    pub prefix: Prefix,
    /// The other end of a point-to-point address; its network is then that of the prefix length.
    pub peer: Option<IpAddr>,
    /// IPv4, adding: the broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4, adding: the alias, `eth0:1`; the name of the interface if `None`.
    pub label: Option<IfName>,
    /// IPv4, adding: the kernel's number, 0 global, 253 link, 254 host. IPv6 addresses have the scope they are of.
    pub scope: u8,
    /// Adding: options.
    pub flags: AddressFlags,
    /// Adding: seconds until it is no longer chosen as a source; `None`: for ever.
    pub preferred_lifetime: Option<u32>,
    /// Adding: whose it is, see [`super::KEEPALIVED_MARK`]; 0: nobody's.
    pub mark: u8,
}

impl AddressRequest {
    /// Puts an address on an interface, with no options and no mark.
    pub fn add(interface: IfIndex, prefix: Prefix) -> AddressRequest {
        AddressRequest {
            action: Action::Add,
            interface,
            prefix,
            peer: None,
            broadcast: None,
            label: None,
            scope: 0,
            flags: AddressFlags::default(),
            preferred_lifetime: None,
            mark: 0,
        }
    }

    /// Takes an address without a peer away from an interface.
    pub fn remove(interface: IfIndex, prefix: Prefix) -> AddressRequest {
        AddressRequest {
            action: Action::Remove,
            ..AddressRequest::add(interface, prefix)
        }
    }
}

/// Options of an address that are flags in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressFlags {
    /// IPv6: duplicate address detection runs before it is used. Off, the address is usable at once.
    pub dad: bool,
    /// IPv6: a mobile node's home address.
    pub home: bool,
    /// IPv6: template for temporary addresses.
    pub mngtmpaddr: bool,
    /// No route to the network of the prefix comes with it.
    pub noprefixroute: bool,
    /// It is a group to be joined.
    pub autojoin: bool,
}

/// A batch that has been answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchDone {
    /// The caller's number, as given to [`AddressSocket::submit`].
    pub batch: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was done, except these: positions in the batch, ascending, and the kernel's error numbers.
    ///
    /// The mirror hears of IPv4 addresses before the answer, of IPv6 addresses a moment later: the kernel reports them
    /// from a thread of its own.
    Answered {
        /// Position and error number.
        refused: Vec<(usize, i32)>,
    },
    /// The kernel has worked through the batch, but answers were lost. What it did is to be seen in
    /// [`crate::interface::Mirror`].
    Unknown,
}

/// Sends batches of changes and collects what became of them.
///
/// Watch its descriptor for reading, or call [`AddressSocket::complete`] once after the submits of a turn: the
/// kernel has answered before `submit` returns.
pub struct AddressSocket {
    socket: RouteSocket,
    /// Sent and not yet answered, oldest first.
    pending: VecDeque<Pending>,
    finished: Vec<BatchDone>,
    /// Requests sent since the answers were last read.
    unread: usize,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

/// A batch on its way.
struct Pending {
    batch: u64,
    /// The number of its first message; the others follow.
    first: u32,
    count: u32,
    refused: Vec<(usize, i32)>,
}

impl AddressSocket {
    /// Opens the socket in the network namespace of the calling thread.
    pub fn open() -> Result<AddressSocket, SysError> {
        AddressSocket::with_receive_buffer(RECEIVE_BUFFER)
    }

    /// Makes room for at least so many bytes of reports that are not read yet.
    pub fn reserve(&self, bytes: u32) -> Result<(), SysError> {
        self.socket.reserve(bytes)
    }

    fn with_receive_buffer(bytes: usize) -> Result<AddressSocket, SysError> {
        Ok(AddressSocket {
            socket: RouteSocket::open(0, bytes)?,
            pending: VecDeque::new(),
            finished: Vec::new(),
            unread: 0,
            outgoing: Vec::new(),
            incoming: vec![0; 16 * 1024],
        })
    }

    /// Sends a batch. Its answer comes with [`AddressSocket::complete`], under the same number.
    ///
    /// The kernel works through the batch before this returns: for some 15 µs an IPv4 address on an interface with
    /// few, for some 150 µs on one with four thousand, because it walks its lists. Small batches (25 cost no more in
    /// sum than 200) let a caller do other things in between.
    ///
    /// An error means that nothing of the batch was sent and that no answer will come. If the kernel takes only the
    /// front of a long batch, the rest is answered as refused, with the error number of the failed call.
    pub fn submit(&mut self, batch: u64, requests: &[impl Encode]) -> Result<(), SysError> {
        let failed = |source| SysError::new("change addresses", "", source);
        let count = u32::try_from(requests.len()).map_err(|_| failed(os_error(Errno::EMSGSIZE)))?;
        if count == 0 {
            self.finished.push(BatchDone {
                batch,
                outcome: Outcome::Answered { refused: Vec::new() },
            });
            return Ok(());
        }
        let first = self.socket.take_sequence(count);
        let mut sent = 0;
        for chunk in requests.chunks(CHUNK) {
            let is_last = sent + chunk.len() == requests.len();
            encode(chunk, first.wrapping_add(sent as u32), is_last, &mut self.outgoing);
            match self.send(chunk.len()) {
                Ok(()) if sent == 0 => self.pending.push_back(Pending {
                    batch,
                    first,
                    count,
                    refused: Vec::new(),
                }),
                Ok(()) => {}
                Err(errno) if sent == 0 => return Err(failed(os_error(errno))),
                Err(errno) => {
                    self.cut_short(first, sent..requests.len(), errno);
                    return Ok(());
                }
            }
            sent += chunk.len();
        }
        Ok(())
    }

    /// Appends the batches answered since the last call. Reads what is there and never waits.
    pub fn complete(&mut self, done: &mut Vec<BatchDone>) -> Result<(), SysError> {
        let result = self.read();
        done.append(&mut self.finished);
        result.map_err(|errno| SysError::new("read answers about addresses", "", os_error(errno)))
    }

    /// Whether a batch was submitted that [`AddressSocket::complete`] has not returned.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty() || !self.finished.is_empty()
    }

    /// Sends what is encoded: `count` requests.
    fn send(&mut self, count: usize) -> Result<(), Errno> {
        if self.unread + count > UNREAD {
            self.read()?;
        }
        self.socket.send(&self.outgoing)?;
        self.unread += count;
        Ok(())
    }

    /// Ends the batch whose first message has this number; the kernel did not take the positions `unsent`.
    fn cut_short(&mut self, first: u32, unsent: Range<usize>, errno: Errno) {
        let readable = self.read().is_ok();
        // It is no longer there if answers were lost: then it has been reported as unknown.
        if let Some(position) = self.pending.iter().rposition(|pending| pending.first == first)
            && let Some(Pending { batch, mut refused, .. }) = self.pending.remove(position)
        {
            refused.extend(unsent.map(|position| (position, errno as i32)));
            let outcome = if readable {
                Outcome::Answered { refused }
            } else {
                Outcome::Unknown
            };
            self.finished.push(BatchDone { batch, outcome });
        }
    }

    fn read(&mut self) -> Result<(), Errno> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let mut overrun = false;
        let result = loop {
            match self.socket.receive(&mut incoming) {
                Ok(Arrival::Bytes(len)) => self.take(incoming.get(..len).unwrap_or_default()),
                Ok(Arrival::Overrun) => overrun = true,
                Ok(Arrival::Empty) => break Ok(()),
                Err(errno) => break Err(errno),
            }
        };
        self.incoming = incoming;
        self.unread = 0;
        if overrun {
            // Everything sent has been worked through; which refusals were among the lost answers nobody knows.
            for pending in self.pending.drain(..) {
                self.finished.push(BatchDone {
                    batch: pending.batch,
                    outcome: Outcome::Unknown,
                });
            }
        }
        result
    }

    /// Takes in one datagram of answers.
    fn take(&mut self, datagram: &[u8]) {
        for message in messages(datagram) {
            if i32::from(message.message_type()) != libc::NLMSG_ERROR {
                continue;
            }
            let (sequence, errno) = (message.sequence_number(), error_code(message.payload()));
            let within = |pending: &Pending| sequence.wrapping_sub(pending.first);
            let Some(position) = self.pending.iter().position(|pending| within(pending) < pending.count) else {
                continue;
            };
            let Some(pending) = self.pending.get_mut(position) else {
                continue;
            };
            let index = within(pending);
            if errno != 0 {
                pending.refused.push((index as usize, errno));
            }
            if index + 1 == pending.count
                && let Some(Pending { batch, refused, .. }) = self.pending.remove(position)
            {
                let outcome = Outcome::Answered { refused };
                self.finished.push(BatchDone { batch, outcome });
            }
        }
    }
}

impl AsFd for AddressSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Replaces the contents of `bytes` with the messages of one system call.
pub(crate) fn encode(requests: &[impl Encode], first: u32, acknowledge_last: bool, bytes: &mut Vec<u8>) {
    bytes.clear();
    for (position, request) in requests.iter().enumerate() {
        let (body, flags) = request.message();
        let mut message = NetlinkMessage::from(body);
        message.header.sequence_number = first.wrapping_add(position as u32);
        message.header.flags = NLM_F_REQUEST | flags;
        if acknowledge_last && position + 1 == requests.len() {
            message.header.flags |= NLM_F_ACK;
        }
        message.finalize();
        let start = bytes.len();
        bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
        message.serialize(bytes.get_mut(start..).unwrap_or_default());
    }
}

impl Encode for AddressRequest {
    fn message(&self) -> (RouteNetlinkMessage, u16) {
        match self.action {
            Action::Add => (RouteNetlinkMessage::NewAddress(added(self)), NLM_F_CREATE | NLM_F_EXCL),
            Action::Remove => (RouteNetlinkMessage::DelAddress(removed(self)), 0),
        }
    }
}

fn added(request: &AddressRequest) -> AddressMessage {
    let mut message = removed(request);
    message.header.scope = request.scope.into();
    if let Some(address) = request.broadcast {
        message.attributes.push(AddressAttribute::Broadcast(address));
    }
    if let Some(label) = request.label {
        message.attributes.push(AddressAttribute::Label(label.to_string()));
    }
    let flags = kernel_flags(request);
    if !flags.is_empty() {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    if let Some(seconds) = request.preferred_lifetime {
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_preferred = seconds;
        lifetimes.ifa_valid = u32::MAX;
        message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
    }
    if request.mark != 0 {
        message
            .attributes
            .push(AddressAttribute::Protocol(AddressProtocol::Other(request.mark)));
    }
    message
}

/// What identifies an address: enough to remove it.
fn removed(request: &AddressRequest) -> AddressMessage {
    let address = request.prefix.address();
    let mut message = AddressMessage::default();
    message.header.family = match request.prefix.family() {
        Family::V4 => netlink_packet_route::AddressFamily::Inet,
        Family::V6 => netlink_packet_route::AddressFamily::Inet6,
    };
    message.header.prefix_len = request.prefix.len();
    message.header.index = request.interface.0;
    message.attributes.push(AddressAttribute::Local(address));
    message
        .attributes
        .push(AddressAttribute::Address(request.peer.unwrap_or(address)));
    message
}

fn kernel_flags(request: &AddressRequest) -> KernelFlags {
    let AddressFlags {
        dad,
        home,
        mngtmpaddr,
        noprefixroute,
        autojoin,
    } = request.flags;
    let mut flags = KernelFlags::empty();
    flags.set(KernelFlags::Nodad, request.prefix.family() == Family::V6 && !dad);
    flags.set(KernelFlags::Homeaddress, home);
    flags.set(KernelFlags::Managetempaddr, mngtmpaddr);
    flags.set(KernelFlags::Noprefixroute, noprefixroute);
    flags.set(KernelFlags::Mcautojoin, autojoin);
    flags
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
