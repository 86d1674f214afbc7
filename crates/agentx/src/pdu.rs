//! Messages between a sub-agent and a master agent (RFC 2741 section 6), and where they begin and end in a stream.
//!
//! What a message is answered with is not known here. Contexts are read and kept apart: only the default one has objects.

use crate::oid::Oid;
use crate::value::VarBind;
use crate::wire::{Reader, Writer};
use alloc::string::String;
use alloc::vec::Vec;

/// Bytes of the header that every message has.
pub const HEADER: usize = 20;
/// The longest message, without its header, that is read: a master agent splits what managers ask long before. A header that
/// says more is taken for garbage and the connection is given up.
pub const MAX_PAYLOAD: usize = 256 * 1024;
/// Names or values in one message that are looked at; a message with more is taken for garbage.
pub const MAX_BINDS: usize = 16 * 1024;

const VERSION: u8 = 1;
const NON_DEFAULT_CONTEXT: u8 = 0x08;
const NETWORK_BYTE_ORDER: u8 = 0x10;

/// What every message says first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The session, as the master agent numbers it.
    pub session: u32,
    /// What belongs together for a manager.
    pub transaction: u32,
    /// By this an answer is known.
    pub packet: u32,
}

/// From where to where something is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Behind this name.
    pub start: Oid,
    /// Or at it.
    pub include: bool,
    /// Before this name; the null name: wherever.
    pub end: Oid,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason(pub u8);

impl Reason {
    /// The sender cannot make sense of what it is told.
    pub const PARSE_ERROR: Reason = Reason(2);
    /// The sender ends.
    pub const SHUTDOWN: Reason = Reason(5);
}

/// How a request ended: the errors of RFC 2741 section 7 and of RFC 3416.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// Well.
    pub const OK: Status = Status(0);
    /// It could not be done.
    pub const GENERAL_ERROR: Status = Status(5);
    /// The value has another type.
    pub const WRONG_TYPE: Status = Status(7);
    /// The value is not one of those that are allowed.
    pub const WRONG_VALUE: Status = Status(10);
    /// There is no such object, and none can be made.
    pub const NO_CREATION: Status = Status(11);
    /// It cannot be done now.
    pub const INCONSISTENT: Status = Status(12);
    /// It could not be carried out.
    pub const COMMIT_FAILED: Status = Status(14);
    /// The object cannot be changed.
    pub const NOT_WRITABLE: Status = Status(17);
    /// The session is not open.
    pub const NOT_OPEN: Status = Status(257);
    /// Only the default context has objects.
    pub const UNSUPPORTED_CONTEXT: Status = Status(262);
    /// Somebody else has registered this.
    pub const DUPLICATE_REGISTRATION: Status = Status(263);
    /// The message makes no sense.
    pub const PARSE_ERROR: Status = Status(266);
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pdu {
    /// A sub-agent wants a session.
    Open {
        /// Seconds the master agent waits for an answer; zero: as it likes.
        timeout: u8,
        /// The name of the sub-agent.
        id: Oid,
        /// What it is.
        description: String,
    },
    /// The session ends.
    Close(Reason),
    /// The sub-agent has everything below this name.
    Register {
        /// Seconds the master agent waits for an answer; zero: as for the session.
        timeout: u8,
        /// The smallest wins.
        priority: u8,
        /// The name.
        region: Oid,
    },
    /// What the sub-agent implements, for the table of such things.
    AddCapabilities {
        /// The name of it.
        id: Oid,
        /// What it is.
        description: String,
    },
    /// What are these?
    Get(Vec<Oid>),
    /// What comes next?
    GetNext(Vec<Range>),
    /// What comes next, and after that?
    GetBulk {
        /// So many ranges are asked for once.
        once: u16,
        /// The others so many times.
        repetitions: u16,
        /// The ranges.
        ranges: Vec<Range>,
    },
    /// Could these be set?
    TestSet(Vec<VarBind>),
    /// Set them.
    CommitSet,
    /// Set them back.
    UndoSet,
    /// Forget what was to be set.
    CleanupSet,
    /// Something has happened: `snmpTrapOID` first.
    Notify(Vec<VarBind>),
    /// Are you there?
    Ping,
    /// The answer to every other message.
    Response {
        /// Hundredths of a second since the master agent began; of no meaning from a sub-agent.
        uptime: u32,
        /// How it ended.
        status: Status,
        /// Which value is to blame, from 1; zero: none.
        index: u16,
        /// The answers.
        binds: Vec<VarBind>,
    },
}

/// What bytes of the right length can be besides a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbled {
    /// Not even the header makes sense: where the next message begins is not known.
    Stream,
    /// The message cannot be understood; the next one may be.
    Message(Header),
    /// It is about a context that is not the default one.
    Context(Header),
}

/// The bytes of a message.
pub fn encode(header: &Header, pdu: &Pdu) -> Vec<u8> {
    let mut body = Writer::default();
    write_body(&mut body, pdu);
    let mut whole = Writer::default();
    whole.bytes(&[VERSION, kind(pdu), NETWORK_BYTE_ORDER, 0]);
    whole.long(header.session);
    whole.long(header.transaction);
    whole.long(header.packet);
    // Everything we write is bounded far below this.
    whole.long(u32::try_from(body.0.len()).unwrap_or(u32::MAX));
    whole.bytes(&body.0);
    whole.0
}

const fn kind(pdu: &Pdu) -> u8 {
    match pdu {
        Pdu::Open { .. } => 1,
        Pdu::Close(_) => 2,
        Pdu::Register { .. } => 3,
        Pdu::Get(_) => 5,
        Pdu::GetNext(_) => 6,
        Pdu::GetBulk { .. } => 7,
        Pdu::TestSet(_) => 8,
        Pdu::CommitSet => 9,
        Pdu::UndoSet => 10,
        Pdu::CleanupSet => 11,
        Pdu::Notify(_) => 12,
        Pdu::Ping => 13,
        Pdu::AddCapabilities { .. } => 16,
        Pdu::Response { .. } => 18,
    }
}

fn write_body(body: &mut Writer, pdu: &Pdu) {
    match pdu {
        Pdu::Open {
            timeout,
            id,
            description,
        } => {
            body.bytes(&[*timeout, 0, 0, 0]);
            body.name(id, false);
            body.string(description.as_bytes());
        }
        Pdu::Close(reason) => body.bytes(&[reason.0, 0, 0, 0]),
        Pdu::Register {
            timeout,
            priority,
            region,
        } => {
            body.bytes(&[*timeout, *priority, 0, 0]);
            body.name(region, false);
        }
        Pdu::Get(names) => {
            for name in names {
                body.name(name, true);
                body.name(&Oid::default(), false);
            }
        }
        Pdu::GetNext(ranges) => write_ranges(body, ranges),
        Pdu::GetBulk {
            once,
            repetitions,
            ranges,
        } => {
            body.short(*once);
            body.short(*repetitions);
            write_ranges(body, ranges);
        }
        Pdu::TestSet(binds) | Pdu::Notify(binds) => write_binds(body, binds),
        Pdu::CommitSet | Pdu::UndoSet | Pdu::CleanupSet | Pdu::Ping => {}
        Pdu::AddCapabilities { id, description } => {
            body.name(id, false);
            body.string(description.as_bytes());
        }
        Pdu::Response {
            uptime,
            status,
            index,
            binds,
        } => {
            body.long(*uptime);
            body.short(status.0);
            body.short(*index);
            write_binds(body, binds);
        }
    }
}

fn write_binds(body: &mut Writer, binds: &[VarBind]) {
    binds.iter().for_each(|bind| body.var_bind(bind));
}

fn write_ranges(body: &mut Writer, ranges: &[Range]) {
    for range in ranges {
        body.name(&range.start, range.include);
        body.name(&range.end, false);
    }
}

/// How long the message at the beginning of `bytes` is, with its header; `None`: the header is not complete.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Garbled> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        // What has begun wrongly need not be waited for.
        return match bytes.first() {
            Some(&version) if version != VERSION => Err(Garbled::Stream),
            Some(_) | None => Ok(None),
        };
    };
    let (_, payload) = read_header(header).ok_or(Garbled::Stream)?;
    Ok(Some(HEADER + payload))
}

fn read_header(bytes: &[u8; HEADER]) -> Option<(Header, usize)> {
    let mut reader = Reader::new(bytes, true);
    let version = reader.byte()?;
    reader.byte()?;
    let flags = reader.byte()?;
    reader.byte()?;
    let mut reader = Reader::new(bytes.get(4..)?, flags & NETWORK_BYTE_ORDER != 0);
    let header = Header {
        session: reader.long()?,
        transaction: reader.long()?,
        packet: reader.long()?,
    };
    let payload = usize::try_from(reader.long()?).ok()?;
    (version == VERSION && payload <= MAX_PAYLOAD && payload.is_multiple_of(4)).then_some((header, payload))
}

/// The message that these bytes are, all of them.
pub fn decode(bytes: &[u8]) -> Result<(Header, Pdu), Garbled> {
    let head = bytes.first_chunk::<HEADER>().ok_or(Garbled::Stream)?;
    let (header, payload) = read_header(head).ok_or(Garbled::Stream)?;
    let body = bytes.get(HEADER..).filter(|body| body.len() == payload);
    let body = body.ok_or(Garbled::Stream)?;
    let [_, kind, flags, ..] = *head;
    let mut reader = Reader::new(body, flags & NETWORK_BYTE_ORDER != 0);
    if flags & NON_DEFAULT_CONTEXT != 0 {
        return Err(Garbled::Context(header));
    }
    let pdu = read_body(kind, &mut reader).filter(|_| reader.is_empty());
    pdu.map(|pdu| (header, pdu)).ok_or(Garbled::Message(header))
}

fn read_body(kind: u8, reader: &mut Reader<'_>) -> Option<Pdu> {
    Some(match kind {
        1 => {
            let timeout = reader.byte()?;
            reader.take(3)?;
            let (id, _) = reader.name()?;
            let description = String::from_utf8_lossy(reader.string()?).into_owned();
            Pdu::Open {
                timeout,
                id,
                description,
            }
        }
        2 => {
            let reason = Reason(reader.byte()?);
            reader.take(3)?;
            Pdu::Close(reason)
        }
        3 => {
            let timeout = reader.byte()?;
            let priority = reader.byte()?;
            reader.take(2)?;
            let (region, _) = reader.name()?;
            Pdu::Register {
                timeout,
                priority,
                region,
            }
        }
        5 => Pdu::Get(read_ranges(reader)?.into_iter().map(|range| range.start).collect()),
        6 => Pdu::GetNext(read_ranges(reader)?),
        7 => Pdu::GetBulk {
            once: reader.short()?,
            repetitions: reader.short()?,
            ranges: read_ranges(reader)?,
        },
        8 => Pdu::TestSet(read_binds(reader)?),
        9 => Pdu::CommitSet,
        10 => Pdu::UndoSet,
        11 => Pdu::CleanupSet,
        12 => Pdu::Notify(read_binds(reader)?),
        13 => Pdu::Ping,
        16 => {
            let (id, _) = reader.name()?;
            let description = String::from_utf8_lossy(reader.string()?).into_owned();
            Pdu::AddCapabilities { id, description }
        }
        18 => Pdu::Response {
            uptime: reader.long()?,
            status: Status(reader.short()?),
            index: reader.short()?,
            binds: read_binds(reader)?,
        },
        _ => return None,
    })
}

fn read_ranges(reader: &mut Reader<'_>) -> Option<Vec<Range>> {
    let mut ranges = Vec::new();
    while !reader.is_empty() {
        if ranges.len() == MAX_BINDS {
            return None;
        }
        let (start, include) = reader.name()?;
        let (end, _) = reader.name()?;
        ranges.push(Range { start, include, end });
    }
    Some(ranges)
}

fn read_binds(reader: &mut Reader<'_>) -> Option<Vec<VarBind>> {
    let mut binds = Vec::new();
    while !reader.is_empty() {
        if binds.len() == MAX_BINDS {
            return None;
        }
        binds.push(reader.var_bind()?);
    }
    Some(binds)
}

/// Whole messages out of a stream of bytes.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    /// What is not a whole message yet; never more than one of them and one reading.
    waiting: Vec<u8>,
}

impl Frames {
    /// Nothing has come.
    pub const fn new() -> Frames {
        Frames { waiting: Vec::new() }
    }

    /// More bytes have come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next message, if it is complete.
    pub fn message(&mut self) -> Option<Result<(Header, Pdu), Garbled>> {
        let length = match length(&self.waiting) {
            Ok(length) => length?,
            Err(garbled) => return Some(Err(garbled)),
        };
        if self.waiting.len() < length {
            return None;
        }
        let message: Vec<u8> = self.waiting.drain(..length).collect();
        Some(decode(&message))
    }

    /// Forgets everything: another stream begins.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}
