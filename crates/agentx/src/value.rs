//! Values of objects, and what is said in the place of one (RFC 2741 section 5.4).

use crate::oid::Oid;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// The longest octet string that is sent. A longer one is cut: a tool shows the beginning of it, and one long command in a
/// configuration cannot make an answer that a master agent refuses as a whole.
pub const MAX_STRING: usize = 1024;

/// The value of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number with a sign.
    Integer(i32),
    /// Bytes.
    OctetString(Vec<u8>),
    /// Nothing.
    Null,
    /// The name of an object.
    ObjectIdentifier(Oid),
    /// An IPv4 address.
    IpAddress(Ipv4Addr),
    /// It only grows, and begins again at zero.
    Counter32(u32),
    /// A number without a sign.
    Gauge32(u32),
    /// Hundredths of a second.
    TimeTicks(u32),
    /// Bytes of another notation.
    Opaque(Vec<u8>),
    /// It only grows.
    Counter64(u64),
}

impl Value {
    /// Bytes, cut to what is sent.
    pub fn bytes(bytes: &[u8]) -> Value {
        Value::OctetString(bytes.iter().take(MAX_STRING).copied().collect())
    }

    /// Text, cut to what is sent.
    pub fn text(text: &str) -> Value {
        Value::bytes(text.as_bytes())
    }

    /// `TruthValue` of RFC 2579.
    pub const fn truth(yes: bool) -> Value {
        Value::Integer(if yes { 1 } else { 2 })
    }
}

/// What is said of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has this value.
    Value(Value),
    /// There is no such object.
    NoSuchObject,
    /// There is such an object, but not this one of them.
    NoSuchInstance,
    /// Nothing follows.
    EndOfMibView,
}

impl From<Value> for Answer {
    fn from(value: Value) -> Answer {
        Answer::Value(value)
    }
}

/// A name and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VarBind {
    /// The name.
    pub name: Oid,
    /// What is said of it.
    pub answer: Answer,
}

impl VarBind {
    /// An object with its value.
    pub const fn new(name: Oid, value: Value) -> VarBind {
        VarBind {
            name,
            answer: Answer::Value(value),
        }
    }
}
