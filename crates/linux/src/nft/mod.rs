//! nftables: tables, chains, sets and rules, changed in transactions.
//!
//! A [`Batch`] is carried out whole or not at all: if the kernel refuses one of its messages nothing of it is left. The
//! kernel has worked through it before [`NftSocket::commit`] returns, so nothing waits. This module does not know what
//! the rules are for.

pub(crate) mod ear;
mod expression;
mod numbers;

pub use ear::NftEar;
pub use expression::{Base, Expression, MetaKey, Register, Verdict};

use crate::SysError;
use crate::netlink::attribute::{Messages, Writer, attributes};
use crate::netlink::socket::{Arrival, RouteSocket, error_code, messages};
use base::Family;
use nix::errno::Errno;
use nix::sys::socket::{SockProtocol, setsockopt, sockopt};
use numbers::{ENTRY, chain, elements, message, rule, set, table};
use std::io;
use std::os::fd::AsFd;

/// Elements in one message: IPv6 keys with a device take 36 bytes each, and a message has room for 64 KiB of them.
const ELEMENTS_AT_ONCE: usize = 1_000;
/// Bytes the kernel takes in one transaction: some 3,000 elements fit into a quarter of it. A longer batch is refused
/// with EMSGSIZE.
const SEND_BUFFER: usize = 1 << 20;
/// Bytes of answers: in a batch of which everything is refused some 2,000 refusals. If there are more the outcome is
/// the same, refused, and the reason is that of the first.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Bytes of one datagram of answers; the kernel makes none larger than this for a dump.
const DATAGRAM: usize = 32 * 1024;
/// The type of the user data by which our tables are known again; `nft` passes over types it does not know.
const MARK_TYPE: u8 = 0x6b;
const MARK: &[u8] = b"keepalived";

/// Where a chain is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// For packets to this machine.
    Input,
    /// For packets from this machine.
    Output,
}

/// What sets hold, part by part; several in one key are a concatenation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// The number of an interface, in the order of this machine.
    InterfaceIndex,
    /// The name of an interface, padded with zeros to sixteen bytes.
    InterfaceName,
    /// A type of an ICMPv6 message.
    Icmpv6Type,
    /// A port of a transport protocol.
    Port,
    /// A mark of a packet, in the order of this machine.
    Mark,
}

impl Type {
    /// The number by which `nft` knows it.
    const fn number(self) -> u32 {
        match self {
            Type::Ipv4 => 7,
            Type::Ipv6 => 8,
            Type::Port => 13,
            Type::Mark => 19,
            Type::InterfaceIndex => 20,
            Type::Icmpv6Type => 29,
            Type::InterfaceName => 41,
        }
    }

    const fn length(self) -> u32 {
        match self {
            Type::Ipv4 | Type::InterfaceIndex | Type::Mark => 4,
            Type::Ipv6 | Type::InterfaceName => 16,
            Type::Port => 2,
            Type::Icmpv6Type => 1,
        }
    }

    const fn byte_order(self) -> u32 {
        match self {
            Type::InterfaceIndex | Type::InterfaceName | Type::Mark => set::HOST_ORDER,
            Type::Ipv4 | Type::Ipv6 | Type::Port | Type::Icmpv6Type => set::NETWORK_ORDER,
        }
    }
}

/// A set, or a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set<'a> {
    /// Its name in its table.
    pub name: &'a str,
    /// The parts of its keys.
    pub key: &'a [Type],
    /// What the keys map to; `None`: a set.
    pub data: Option<Type>,
    /// Its elements never change: they are added in the same batch, before a rule uses it.
    pub constant: bool,
}

/// An element: its key, and its value if it is in a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The bytes of the parts of the key, each padded to a multiple of four if there are several.
    pub key: Vec<u8>,
    /// The bytes it maps to; empty in a set.
    pub data: Vec<u8>,
}

/// A transaction under construction.
#[derive(Debug, Default)]
pub struct Batch {
    messages: Messages,
    /// What each message does, for an error.
    said: Vec<(&'static str, String)>,
    /// Where the last message begins.
    last: usize,
    sets: u32,
}

impl Batch {
    /// A transaction that does nothing.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// What goes to the kernel. For tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn messages(&self) -> &[u8] {
        self.messages.bytes()
    }

    /// Whether it does nothing.
    pub fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// Makes a table of ours anew, empty, whether there was one of this name or not.
    pub fn replace_table(&mut self, family: Family, name: &str) {
        // Deleting what is not there would be refused: so it is there first.
        self.add_table(family, name);
        self.delete_table(family, name);
        self.add_table(family, name);
    }

    /// Makes a table with our mark, unless it is there.
    pub fn add_table(&mut self, family: Family, name: &str) {
        self.push("add table", name, message::NEW_TABLE, libc::NLM_F_CREATE, family, |w| {
            let mut mark = vec![MARK_TYPE, u8::try_from(MARK.len()).unwrap_or(0)];
            mark.extend_from_slice(MARK);
            w.put_text(table::NAME, name).put(table::USER_DATA, &mark);
        });
    }

    /// Deletes a table with everything in it. Refused with ENOENT if there is none.
    pub fn delete_table(&mut self, family: Family, name: &str) {
        self.push("delete table", name, message::DELETE_TABLE, 0, family, |w| {
            w.put_text(table::NAME, name);
        });
    }

    /// Makes a chain. With a hook it filters, at this priority, and packets that no rule decides pass.
    pub fn add_chain(&mut self, family: Family, table: &str, name: &str, hook: Option<(Hook, i32)>) {
        const ACCEPT: u32 = 1;
        self.push("add chain", name, message::NEW_CHAIN, libc::NLM_F_CREATE, family, |w| {
            w.put_text(chain::TABLE, table).put_text(chain::NAME, name);
            if let Some((hook, priority)) = hook {
                let number = match hook {
                    Hook::Input => 1,
                    Hook::Output => 3,
                };
                w.nest(chain::HOOK, |w| {
                    w.put_be32(chain::HOOK_NUMBER, number)
                        .put_be32(chain::HOOK_PRIORITY, priority.cast_unsigned());
                })
                .put_be32(chain::POLICY, ACCEPT)
                .put_text(chain::TYPE, "filter");
            }
        });
    }

    /// Makes a set or a map.
    pub fn add_set(&mut self, family: Family, table: &str, new: &Set<'_>) {
        self.sets += 1;
        let id = self.sets;
        self.push("add set", new.name, message::NEW_SET, libc::NLM_F_CREATE, family, |w| {
            let mut flags = 0;
            if new.constant {
                flags |= set::FLAG_CONSTANT;
            }
            if new.data.is_some() {
                flags |= set::FLAG_MAP;
            }
            let (kind, length) = key_of(new.key);
            w.put_text(set::TABLE, table).put_text(set::NAME, new.name);
            if flags != 0 {
                w.put_be32(set::FLAGS, flags);
            }
            w.put_be32(set::KEY_TYPE, kind)
                .put_be32(set::KEY_LENGTH, length)
                .put_be32(set::ID, id);
            if let Some(data) = new.data {
                w.put_be32(set::DATA_TYPE, data.number())
                    .put_be32(set::DATA_LENGTH, data.length());
            }
            w.put(set::USER_DATA, &byte_orders(new));
        });
    }

    /// Puts elements into a set; that they are there already is no error.
    pub fn add_elements(&mut self, family: Family, table: &str, set: &str, new: &[Element]) {
        self.elements("add elements to", message::NEW_ELEMENTS, family, table, set, new);
    }

    /// Takes elements out of a set. Refused with ENOENT if one is not there.
    pub fn delete_elements(&mut self, family: Family, table: &str, set: &str, old: &[Element]) {
        self.elements("delete elements of", message::DELETE_ELEMENTS, family, table, set, old);
    }

    fn elements(&mut self, doing: &'static str, kind: u16, family: Family, table: &str, name: &str, list: &[Element]) {
        let flags = if kind == message::NEW_ELEMENTS {
            libc::NLM_F_CREATE
        } else {
            0
        };
        for chunk in list.chunks(ELEMENTS_AT_ONCE) {
            self.push(doing, name, kind, flags, family, |w| {
                w.put_text(elements::TABLE, table)
                    .put_text(elements::SET, name)
                    .put_be32(elements::SET_ID, 0);
                w.nest(elements::LIST, |w| {
                    for element in chunk {
                        w.nest(ENTRY, |w| {
                            expression::value(w, elements::KEY, &element.key);
                            if !element.data.is_empty() {
                                expression::value(w, elements::DATA, &element.data);
                            }
                        });
                    }
                });
            });
        }
    }

    /// Appends a rule to a chain.
    pub fn add_rule(&mut self, family: Family, table: &str, chain: &str, expressions: &[Expression]) {
        self.rule(libc::NLM_F_APPEND, family, table, chain, expressions);
    }

    /// Puts a rule before all others of a chain.
    pub fn insert_rule(&mut self, family: Family, table: &str, chain: &str, expressions: &[Expression]) {
        self.rule(0, family, table, chain, expressions);
    }

    fn rule(&mut self, place: libc::c_int, family: Family, table: &str, chain: &str, expressions: &[Expression]) {
        let flags = libc::NLM_F_CREATE | place;
        self.push("add a rule to chain", chain, message::NEW_RULE, flags, family, |w| {
            w.put_text(rule::TABLE, table).put_text(rule::CHAIN, chain);
            w.nest(rule::EXPRESSIONS, |w| {
                for expression in expressions {
                    expression.write(w);
                }
            });
        });
    }

    fn push(
        &mut self,
        doing: &'static str,
        name: &str,
        kind: u16,
        flags: i32,
        family: Family,
        body: impl FnOnce(&mut Writer<'_>),
    ) {
        if self.said.is_empty() {
            self.messages.clear();
            self.messages
                .push(message::BATCH_BEGIN, REQUEST, 0, &header(0, message::SUBSYSTEM), |_| {});
        }
        self.said.push((doing, name.to_owned()));
        self.last = self.messages.bytes().len();
        let number = u32::try_from(self.said.len()).unwrap_or(u32::MAX);
        let flags = REQUEST | u16::try_from(flags).unwrap_or(0);
        let kind = message::SUBSYSTEM << 8 | kind;
        self.messages
            .push(kind, flags, number, &header(number_of(family), 0), body);
    }

    /// Completes the transaction. The acknowledgement is asked for with the last message that does something: not
    /// every kernel answers at the end of a batch.
    fn finish(&mut self) {
        const ACK: u16 = 4;
        self.messages.add_flags(self.last, ACK);
        self.messages
            .push(message::BATCH_END, REQUEST, 0, &header(0, message::SUBSYSTEM), |_| {});
    }
}

const REQUEST: u16 = 1;

/// A table as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Of which family.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Whether it was made by [`Batch::add_table`]. Kernels before 5.10 do not remember.
    pub ours: bool,
}

/// The way to nftables.
pub struct NftSocket {
    socket: RouteSocket,
    incoming: Vec<u8>,
}

impl NftSocket {
    /// Opens the socket in the network namespace of the calling thread.
    pub fn open() -> Result<NftSocket, SysError> {
        let socket = RouteSocket::open_for(SockProtocol::NetlinkNetFilter, 0, RECEIVE_BUFFER)?;
        let size = match setsockopt(&socket.as_fd(), sockopt::SndBufForce, &SEND_BUFFER) {
            Err(Errno::EPERM) => setsockopt(&socket.as_fd(), sockopt::SndBuf, &SEND_BUFFER),
            other => other,
        };
        size.map_err(|errno| SysError::new("open a netlink socket", "", errno))?;
        Ok(NftSocket {
            socket,
            incoming: vec![0; DATAGRAM],
        })
    }

    /// The kernel's number of this socket, which reports of what it did carry.
    pub const fn port(&self) -> u32 {
        self.socket.port()
    }

    /// Carries out a transaction. An error names the first message that was refused, and nothing was changed.
    pub fn commit(&mut self, mut batch: Batch) -> Result<(), SysError> {
        if batch.is_empty() {
            return Ok(());
        }
        let failed = |errno: Errno| SysError::new("change nftables", "", errno);
        // What a call before this left unread answers nothing of ours.
        self.drain();
        batch.finish();
        if batch.messages.is_too_long() {
            return Err(failed(Errno::EMSGSIZE));
        }
        self.socket.send(batch.messages.bytes()).map_err(failed)?;
        self.outcome(&batch)
    }

    fn outcome(&mut self, batch: &Batch) -> Result<(), SysError> {
        let failed = |errno: Errno| SysError::new("change nftables", "", errno);
        let last = u32::try_from(batch.said.len()).unwrap_or(u32::MAX);
        let mut refused: Option<(u32, i32)> = None;
        let mut answered = false;
        loop {
            let length = match self.socket.receive(&mut self.incoming).map_err(failed)? {
                Arrival::Bytes(length) => length,
                Arrival::Overrun => continue,
                Arrival::Empty => break,
            };
            for message in messages(self.incoming.get(..length).unwrap_or_default()) {
                if i32::from(message.message_type()) != libc::NLMSG_ERROR {
                    continue;
                }
                let (number, errno) = (message.sequence_number(), error_code(message.payload()));
                if errno != 0 && refused.is_none() {
                    refused = Some((number, errno));
                }
                answered |= number == last;
            }
        }
        match refused {
            // The number of the first message is one; zero is the batch as a whole.
            Some((number, errno)) => {
                let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                let (doing, name) = match index.and_then(|index| batch.said.get(index)) {
                    Some((doing, name)) => (*doing, name.as_str()),
                    None => ("change nftables", ""),
                };
                Err(SysError::new(doing, name, io::Error::from_raw_os_error(errno)))
            }
            None if answered => Ok(()),
            // It was lost, or there is a kernel that does not answer.
            None => Err(failed(Errno::ENOBUFS)),
        }
    }

    /// The tables of both families.
    pub fn tables(&mut self) -> Result<Vec<Table>, SysError> {
        const DUMP: u16 = 0x300;
        let failed = |errno: Errno| SysError::new("list the tables of nftables", "", errno);
        self.drain();
        let mut request = Messages::new();
        let kind = message::SUBSYSTEM << 8 | message::GET_TABLE;
        request.push(kind, REQUEST | DUMP, 1, &header(0, 0), |_| {});
        self.socket.send(request.bytes()).map_err(failed)?;
        let mut tables = Vec::new();
        loop {
            let length = match self.socket.receive(&mut self.incoming).map_err(failed)? {
                Arrival::Bytes(length) => length,
                Arrival::Overrun => return Err(failed(Errno::ENOBUFS)),
                // The kernel makes the next part of a dump when the last one is read: there is no more.
                Arrival::Empty => return Ok(tables),
            };
            for message in messages(self.incoming.get(..length).unwrap_or_default()) {
                match i32::from(message.message_type()) {
                    libc::NLMSG_DONE => return Ok(tables),
                    libc::NLMSG_ERROR => match error_code(message.payload()) {
                        0 => {}
                        errno => return Err(failed(Errno::from_raw(errno))),
                    },
                    _ => tables.extend(table_in(message.payload())),
                }
            }
        }
    }

    fn drain(&mut self) {
        while let Ok(Arrival::Bytes(_) | Arrival::Overrun) = self.socket.receive(&mut self.incoming) {}
    }
}

/// A table in the payload of a message; `None` if it is of another family, or nonsense.
pub(crate) fn table_in(payload: &[u8]) -> Option<Table> {
    let ([family, _, _, _], rest) = payload.split_first_chunk::<4>()?;
    let family = [Family::V4, Family::V6]
        .into_iter()
        .find(|known| number_of(*known) == *family)?;
    let mut name = None;
    let mut ours = false;
    for attribute in attributes(rest) {
        match attribute.number {
            table::NAME => name = attribute.as_text(),
            table::USER_DATA => ours = is_marked(attribute.value),
            _ => {}
        }
    }
    Some(Table {
        family,
        name: name?.to_owned(),
        ours,
    })
}

/// Whether user data (type, length, bytes, again and again) has our mark.
fn is_marked(mut user_data: &[u8]) -> bool {
    while let Some(([kind, length], rest)) = user_data.split_first_chunk::<2>() {
        let Some((value, others)) = rest.split_at_checked(usize::from(*length)) else {
            return false;
        };
        if *kind == MARK_TYPE && value == MARK {
            return true;
        }
        user_data = others;
    }
    false
}

/// The header of nfnetlink: family, version, resource.
fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

const fn number_of(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// The type and length of a key of these parts.
fn key_of(parts: &[Type]) -> (u32, u32) {
    /// Bits for each part of a concatenation.
    const BITS: u32 = 6;
    match parts {
        [only] => (only.number(), only.length()),
        several => several.iter().fold((0, 0), |(kind, length), part| {
            (kind << BITS | part.number(), length + part.length().next_multiple_of(4))
        }),
    }
}

/// User data that tells `nft` in which order to print numbers.
fn byte_orders(of: &Set<'_>) -> Vec<u8> {
    const LENGTH: u8 = 4;
    let mut bytes = Vec::new();
    let mut put = |kind: u8, order: u32| {
        bytes.extend_from_slice(&[kind, LENGTH]);
        bytes.extend_from_slice(&order.to_ne_bytes());
    };
    if let [only] = of.key {
        put(set::KEY_BYTE_ORDER, only.byte_order());
    }
    if let Some(data) = of.data {
        put(set::DATA_BYTE_ORDER, data.byte_order());
    }
    bytes
}

#[cfg(test)]
mod kernel_tests;
