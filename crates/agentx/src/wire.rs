//! Numbers, strings and names as bytes (RFC 2741 section 5), without knowledge of what they are part of.

use crate::oid::{MAX_NUMBERS, Oid};
use crate::value::{Answer, Value, VarBind};
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// What a prefix in a name stands for: `internet`.
const INTERNET: [u32; 4] = [1, 3, 6, 1];

const INTEGER: u16 = 2;
const OCTET_STRING: u16 = 4;
const NULL: u16 = 5;
const OBJECT_IDENTIFIER: u16 = 6;
const IP_ADDRESS: u16 = 64;
const COUNTER32: u16 = 65;
const GAUGE32: u16 = 66;
const TIME_TICKS: u16 = 67;
const OPAQUE: u16 = 68;
const COUNTER64: u16 = 70;
const NO_SUCH_OBJECT: u16 = 128;
const NO_SUCH_INSTANCE: u16 = 129;
const END_OF_MIB_VIEW: u16 = 130;

/// Reads from the front of bytes that may be anything. `None`: they end too early, or make no sense.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    big_endian: bool,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8], big_endian: bool) -> Reader<'a> {
        Reader {
            rest: bytes,
            big_endian,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn short(&mut self) -> Option<u16> {
        let bytes = self.array()?;
        Some(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    pub(crate) fn long(&mut self) -> Option<u32> {
        let bytes = self.array()?;
        Some(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    fn longest(&mut self) -> Option<u64> {
        let bytes = self.array()?;
        Some(if self.big_endian {
            u64::from_be_bytes(bytes)
        } else {
            u64::from_le_bytes(bytes)
        })
    }

    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.long()?).ok()?;
        let bytes = self.take(length)?;
        self.take(length.wrapping_neg() & 3)?;
        Some(bytes)
    }

    /// A name, and whether it is included where it is the beginning of a range.
    pub(crate) fn name(&mut self) -> Option<(Oid, bool)> {
        let [count, prefix, include, _reserved] = self.array()?;
        let mut numbers: Vec<u32> = Vec::new();
        if prefix != 0 {
            numbers.extend(INTERNET);
            numbers.push(u32::from(prefix));
        }
        if numbers.len() + usize::from(count) > MAX_NUMBERS {
            return None;
        }
        for _ in 0..count {
            numbers.push(self.long()?);
        }
        Some((Oid::new(&numbers), include != 0))
    }

    pub(crate) fn var_bind(&mut self) -> Option<VarBind> {
        let kind = self.short()?;
        self.short()?;
        let (name, _) = self.name()?;
        let value = match kind {
            INTEGER => Value::Integer(self.long()?.cast_signed()),
            OCTET_STRING => Value::OctetString(self.string()?.to_vec()),
            NULL => Value::Null,
            OBJECT_IDENTIFIER => Value::ObjectIdentifier(self.name()?.0),
            IP_ADDRESS => Value::IpAddress(Ipv4Addr::from(<[u8; 4]>::try_from(self.string()?).ok()?)),
            COUNTER32 => Value::Counter32(self.long()?),
            GAUGE32 => Value::Gauge32(self.long()?),
            TIME_TICKS => Value::TimeTicks(self.long()?),
            OPAQUE => Value::Opaque(self.string()?.to_vec()),
            COUNTER64 => Value::Counter64(self.longest()?),
            NO_SUCH_OBJECT => return Some(said(name, Answer::NoSuchObject)),
            NO_SUCH_INSTANCE => return Some(said(name, Answer::NoSuchInstance)),
            END_OF_MIB_VIEW => return Some(said(name, Answer::EndOfMibView)),
            _ => return None,
        };
        Some(VarBind::new(name, value))
    }
}

const fn said(name: Oid, answer: Answer) -> VarBind {
    VarBind { name, answer }
}

/// Writes in the order of networks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn short(&mut self, number: u16) {
        self.bytes(&number.to_be_bytes());
    }

    pub(crate) fn long(&mut self, number: u32) {
        self.bytes(&number.to_be_bytes());
    }

    pub(crate) fn string(&mut self, bytes: &[u8]) {
        // What is longer than this number can say does not fit into memory.
        self.long(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.bytes(bytes);
        for _ in 0..(bytes.len().wrapping_neg() & 3) {
            self.0.push(0);
        }
    }

    pub(crate) fn name(&mut self, name: &Oid, include: bool) {
        let numbers = name.numbers();
        let shortened = match numbers.split_at_checked(INTERNET.len()) {
            Some((first, [next, rest @ ..])) if first == INTERNET => u8::try_from(*next).ok().map(|next| (next, rest)),
            Some(_) | None => None,
        };
        let (prefix, rest) = match shortened {
            Some((prefix, rest)) if prefix != 0 => (prefix, rest),
            Some(_) | None => (0, numbers),
        };
        // A name has at most 128 numbers.
        let count = u8::try_from(rest.len()).unwrap_or(u8::MAX);
        self.bytes(&[count, prefix, u8::from(include), 0]);
        rest.iter().for_each(|number| self.long(*number));
    }

    pub(crate) fn var_bind(&mut self, bind: &VarBind) {
        let kind = match &bind.answer {
            Answer::Value(value) => kind(value),
            Answer::NoSuchObject => NO_SUCH_OBJECT,
            Answer::NoSuchInstance => NO_SUCH_INSTANCE,
            Answer::EndOfMibView => END_OF_MIB_VIEW,
        };
        self.short(kind);
        self.short(0);
        self.name(&bind.name, false);
        if let Answer::Value(value) = &bind.answer {
            match value {
                Value::Integer(number) => self.long(number.cast_unsigned()),
                Value::OctetString(bytes) | Value::Opaque(bytes) => self.string(bytes),
                Value::Null => {}
                Value::ObjectIdentifier(name) => self.name(name, false),
                Value::IpAddress(address) => self.string(&address.octets()),
                Value::Counter32(number) | Value::Gauge32(number) | Value::TimeTicks(number) => self.long(*number),
                Value::Counter64(number) => self.bytes(&number.to_be_bytes()),
            }
        }
    }
}

const fn kind(value: &Value) -> u16 {
    match value {
        Value::Integer(_) => INTEGER,
        Value::OctetString(_) => OCTET_STRING,
        Value::Null => NULL,
        Value::ObjectIdentifier(_) => OBJECT_IDENTIFIER,
        Value::IpAddress(_) => IP_ADDRESS,
        Value::Counter32(_) => COUNTER32,
        Value::Gauge32(_) => GAUGE32,
        Value::TimeTicks(_) => TIME_TICKS,
        Value::Opaque(_) => OPAQUE,
        Value::Counter64(_) => COUNTER64,
    }
}
