//! Expressions: the small instructions that make up a rule.
//!
//! A rule loads parts of a packet into registers, compares them or looks them up, and ends in a verdict. Registers hold
//! sixteen bytes each; what is longer runs on into the next.

use super::numbers::{data, expression as n};
use crate::netlink::attribute::Writer;

/// Registers that can be named: 1 to 4, sixteen bytes each; the same space in pieces of four bytes from 8 on. Zero is where
/// verdicts go.
pub type Register = u32;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Load bytes of the packet.
    Payload {
        /// Counted from here.
        base: Base,
        /// Bytes from there.
        offset: u32,
        /// How many.
        length: u32,
        /// Into this register.
        to: Register,
    },
    /// Load something known beside the packet.
    Meta {
        /// What.
        key: MetaKey,
        /// Into this register.
        to: Register,
    },
    /// Keep only some bits.
    Mask {
        /// Of this register, and into it.
        register: Register,
        /// The bits to keep; as many bytes as count.
        mask: Vec<u8>,
    },
    /// Go on only if a register is equal to this.
    Equals {
        /// The register.
        register: Register,
        /// What it should be.
        value: Vec<u8>,
    },
    /// Go on only if a set has what is in a register.
    Lookup {
        /// The set, of the table of the rule.
        set: String,
        /// The register.
        register: Register,
    },
    /// Go on only if a map has what is in a register, with what it maps to in a register.
    Map {
        /// The map, of the table of the rule.
        map: String,
        /// The key.
        register: Register,
        /// Where its value goes.
        to: Register,
    },
    /// Give the packet the mark that is in a register.
    SetMark {
        /// The register.
        register: Register,
    },
    /// Count packets and bytes.
    Counter,
    /// Send a copy of the packet.
    Duplicate {
        /// To the address in this register.
        address: Register,
        /// Out of the device in this one.
        device: Register,
    },
    /// End, this way.
    Verdict(Verdict),
}

/// Where the bytes of a packet are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The IP header.
    Network,
    /// What follows it.
    Transport,
}

/// Something known beside the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey {
    /// The number of the interface it came in by; four bytes.
    InterfaceIn,
    /// The number of the interface it goes out by; four bytes.
    InterfaceOut,
    /// The name of the interface it came in by; sixteen bytes.
    NameIn,
    /// The name of the interface it goes out by; sixteen bytes.
    NameOut,
    /// The kind of the interface it goes out by (`macvlan`); sixteen bytes.
    KindOut,
    /// The transport protocol; one byte.
    Protocol,
}

/// How a rule ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The packet is dropped.
    Drop,
    /// The packet passes this chain.
    Accept,
    /// It goes on in another chain and does not come back.
    Goto(String),
}

impl Expression {
    /// The bytes of an IPv4 or IPv6 header field.
    pub const fn header(offset: u32, length: u32, to: Register) -> Expression {
        Expression::Payload {
            base: Base::Network,
            offset,
            length,
            to,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Expression::Payload { .. } => "payload",
            Expression::Meta { .. } | Expression::SetMark { .. } => "meta",
            Expression::Mask { .. } => "bitwise",
            Expression::Equals { .. } => "cmp",
            Expression::Lookup { .. } | Expression::Map { .. } => "lookup",
            Expression::Counter => "counter",
            Expression::Duplicate { .. } => "dup",
            Expression::Verdict(_) => "immediate",
        }
    }

    /// Writes it as an entry of the expressions of a rule.
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.nest(super::numbers::ENTRY, |entry| {
            entry
                .put_text(n::NAME, self.name())
                .nest(n::DATA, |inner| self.write_inner(inner));
        });
    }

    fn write_inner(&self, writer: &mut Writer<'_>) {
        match self {
            Expression::Payload {
                base,
                offset,
                length,
                to,
            } => {
                let base = match base {
                    Base::Network => 1,
                    Base::Transport => 2,
                };
                writer
                    .put_be32(n::PAYLOAD_TO, *to)
                    .put_be32(n::PAYLOAD_BASE, base)
                    .put_be32(n::PAYLOAD_OFFSET, *offset)
                    .put_be32(n::PAYLOAD_LENGTH, *length);
            }
            Expression::Meta { key, to } => {
                writer
                    .put_be32(n::META_KEY, meta_number(*key))
                    .put_be32(n::META_TO, *to);
            }
            Expression::SetMark { register } => {
                writer.put_be32(n::META_KEY, n::MARK).put_be32(n::META_FROM, *register);
            }
            Expression::Mask { register, mask } => {
                // Rules of ours mask at most one address.
                let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
                writer
                    .put_be32(n::BITWISE_FROM, *register)
                    .put_be32(n::BITWISE_TO, *register)
                    .put_be32(n::BITWISE_LENGTH, length);
                value(writer, n::BITWISE_MASK, mask);
                value(writer, n::BITWISE_XOR, &vec![0; mask.len()]);
            }
            Expression::Equals {
                register,
                value: wanted,
            } => {
                writer
                    .put_be32(n::COMPARE_FROM, *register)
                    .put_be32(n::COMPARE_HOW, n::EQUAL);
                value(writer, n::COMPARE_WITH, wanted);
            }
            Expression::Lookup { set, register } => {
                writer.put_text(n::LOOKUP_SET, set).put_be32(n::LOOKUP_FROM, *register);
            }
            Expression::Map { map, register, to } => {
                writer
                    .put_text(n::LOOKUP_SET, map)
                    .put_be32(n::LOOKUP_FROM, *register)
                    .put_be32(n::LOOKUP_TO, *to);
            }
            Expression::Counter => {
                writer.put_be64(n::COUNTER_BYTES, 0).put_be64(n::COUNTER_PACKETS, 0);
            }
            Expression::Duplicate { address, device } => {
                writer
                    .put_be32(n::DUP_ADDRESS, *address)
                    .put_be32(n::DUP_DEVICE, *device);
            }
            Expression::Verdict(verdict) => {
                writer.put_be32(n::IMMEDIATE_TO, 0).nest(n::IMMEDIATE_DATA, |inner| {
                    inner.nest(data::VERDICT, |inner| write_verdict(inner, verdict));
                });
            }
        }
    }
}

fn write_verdict(writer: &mut Writer<'_>, verdict: &Verdict) {
    /// NFT_GOTO, minus four.
    const GOTO: u32 = u32::MAX - 3;
    match verdict {
        Verdict::Drop => {
            writer.put_be32(data::CODE, 0);
        }
        Verdict::Accept => {
            writer.put_be32(data::CODE, 1);
        }
        Verdict::Goto(chain) => {
            writer.put_be32(data::CODE, GOTO).put_text(data::CHAIN, chain);
        }
    }
}

const fn meta_number(key: MetaKey) -> u32 {
    match key {
        MetaKey::InterfaceIn => 4,
        MetaKey::InterfaceOut => 5,
        MetaKey::NameIn => 6,
        MetaKey::NameOut => 7,
        MetaKey::Protocol => 16,
        MetaKey::KindOut => 27,
    }
}

/// An attribute that holds a value.
pub(super) fn value(writer: &mut Writer<'_>, number: u16, bytes: &[u8]) {
    writer.nest(number, |inner| {
        inner.put(data::VALUE, bytes);
    });
}
