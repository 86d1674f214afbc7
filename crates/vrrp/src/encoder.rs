//! Adverts ready for the wire (`spec/vrrp-behaviour.md` 2).
//!
//! Decides the bytes. A packet is built once for each destination and patched for each advert: the identification,
//! the priority with an incremental checksum, and for AH the sequence number with a new digest. Deliberately does
//! not know when to send.

use crate::action::{Action, Advert};
use crate::clock::Times;
use crate::config::{Auth, Config, Delivery, UnicastChecksum, Version};
use crate::trailer::Sent;
use crate::wire::checksum::{Sum, update};
use crate::wire::hmac::{self, Trailer};
use crate::wire::{self, CHECKSUM_OFFSET, Claim, HEADER_LEN, PROTOCOL, PROTOCOL_AH, auth, ipv4, v2, v3};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use base::IfIndex;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where packets come from and what else shapes them besides the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Out of this interface; `None`: as the kernel routes it.
    pub(crate) interface: Option<IfIndex>,
    /// Sender.
    pub(crate) source: IpAddr,
    /// The pseudo header names this group instead of the real destination (`old_unicast_checksum`).
    pub(crate) checksum_group: Option<Ipv4Addr>,
}

/// Senders whose sequence numbers are remembered. More than real segments have; the oldest is forgotten first.
const MARKS: usize = 16;

/// The sequence numbers of AH.
///
/// Our own counter runs ahead of everything seen, since upstream compares with one counter for both directions. What
/// is received is compared with the last number of its own sender: with one counter two masters of equal counts
/// would refuse each other for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    last: u32,
    cycled: bool,
    marks: VecDeque<(IpAddr, u32)>,
}

impl Sequence {
    /// Takes a number that somebody proved to have sent. The error is the last number of that sender.
    pub(crate) fn receive(&mut self, from: IpAddr, number: u32) -> Result<(), u32> {
        match self.marks.iter_mut().find(|(sender, _)| *sender == from) {
            Some((_, mark)) if number <= *mark => return Err(*mark),
            Some((_, mark)) => *mark = number,
            None => {
                if self.marks.len() == MARKS {
                    self.marks.pop_front();
                }
                self.marks.push_back((from, number));
            }
        }
        self.last = self.last.max(number);
        Ok(())
    }

    /// Continues behind the number of a router that must believe us.
    pub(crate) fn pass(&mut self, number: u32) {
        self.last = self.last.max(number.saturating_add(1));
    }

    /// A new mastership begins: numbers that were used up start again.
    pub(crate) fn restart_if_cycled(&mut self) {
        if self.cycled {
            self.last = 0;
            self.cycled = false;
        }
    }

    fn next(&mut self) -> u32 {
        match self.last.checked_add(1) {
            Some(next) => self.last = next,
            None => self.cycled = true,
        }
        self.last
    }
}

/// What makes an advert differ from the one before.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) claim: Claim,
    /// The numbers of AH.
    pub(crate) sequence: &'a mut Sequence,
    /// For the stamps of trailers.
    pub(crate) times: Times,
}

/// A packet for one destination.
#[derive(Clone)]
struct Template {
    destination: IpAddr,
    bytes: Vec<u8>,
    /// Where the VRRP message begins.
    message: usize,
}

/// The bytes may hold a password.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({}, {} bytes)", self.destination, self.bytes.len())
    }
}

/// The packets of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    origin: Option<Origin>,
    claim: Claim,
    templates: Vec<Template>,
    id: u16,
    stamps: Sent,
}

impl Encoder {
    /// Nothing is built yet.
    pub(crate) const fn new() -> Encoder {
        Encoder {
            origin: None,
            claim: Claim::Resigning,
            templates: Vec::new(),
            id: 0,
            stamps: Sent::new(),
        }
    }

    /// The configuration changed: build anew before the next advert.
    pub(crate) fn invalidate(&mut self) {
        self.origin = None;
    }

    /// Appends one advert to each destination.
    pub(crate) fn advertise(&mut self, config: &Config, origin: Origin, turn: Turn<'_>, out: &mut Vec<Action>) {
        let claim = turn.claim;
        if self.origin != Some(origin) {
            self.build(config, origin, claim);
        } else if self.claim != claim {
            for template in &mut self.templates {
                set_claim(template, claim);
            }
            self.claim = claim;
        }
        // Zero would let the kernel choose.
        self.id = self.id.checked_add(1).unwrap_or(1);
        let (multicast, ttl) = match &config.delivery {
            Delivery::Multicast { .. } => (true, None),
            Delivery::Unicast { ttl, .. } => (false, *ttl),
        };
        let number = match config.auth {
            Auth::Ah(_) => Some(turn.sequence.next()),
            Auth::None | Auth::Pass(_) => None,
        };
        let trailer = self.trailer(config, origin, turn.times);
        for template in &self.templates {
            let mut bytes = template.bytes.clone();
            let v4 = template.destination.is_ipv4();
            if v4 {
                put(&mut bytes, ipv4::ID_OFFSET, &self.id.to_be_bytes());
            }
            if let (Auth::Ah(key), Some(number)) = (&config.auth, number) {
                put(&mut bytes, ipv4::LEN + 8, &number.to_be_bytes());
                auth::sign(key, &mut bytes, ipv4::LEN, !multicast);
            }
            if let Some(trailer) = &trailer {
                bytes.extend_from_slice(trailer);
            }
            out.push(Action::SendAdvert(Advert {
                instance: config.name.clone(),
                interface: origin.interface,
                protocol: protocol(config),
                source: origin.source,
                destination: template.destination,
                multicast,
                hop_limit: if v4 { None } else { ttl },
                bytes,
            }));
        }
    }

    /// The trailer of this advert: the same for every destination, since none is signed.
    fn trailer(&mut self, config: &Config, origin: Origin, times: Times) -> Option<[u8; hmac::LEN]> {
        let auth = config.hmac.as_ref().filter(|auth| auth.signs())?;
        let key = auth.keys.get(&auth.active)?;
        let template = self.templates.first()?;
        let message = template.bytes.get(template.message..)?;
        let stamp = self.stamps.next(auth, times);
        let trailer = Trailer::unsigned(auth.active.get(), stamp).sign(key.bytes(), origin.source, message);
        Some(trailer.to_bytes())
    }

    fn build(&mut self, config: &Config, origin: Origin, claim: Claim) {
        let message = message(config, claim);
        let one = |destination: IpAddr| template(config, origin, destination, &message);
        self.templates = match &config.delivery {
            Delivery::Multicast { group } => core::iter::once(*group).map(one).collect(),
            Delivery::Unicast { peers, .. } => peers.iter().map(|peer| one(peer.address)).collect(),
        };
        self.origin = Some(origin);
        self.claim = claim;
    }
}

/// The protocol number an instance uses.
pub(crate) fn protocol(config: &Config) -> u8 {
    match config.auth {
        Auth::None | Auth::Pass(_) => PROTOCOL,
        Auth::Ah(_) => PROTOCOL_AH,
    }
}

/// Bytes that follow the message in our adverts.
pub(crate) fn trailer_len(config: &Config) -> usize {
    let signs = config.hmac.as_ref().is_some_and(|auth| auth.signs());
    if signs { hmac::LEN } else { 0 }
}

/// The addresses of an instance as they stand in its adverts.
pub(crate) fn encoded_addresses(config: &Config) -> Vec<u8> {
    let mut bytes = Vec::new();
    for address in &config.addresses {
        wire::write_address(address.prefix.address(), &mut bytes);
    }
    bytes
}

fn message(config: &Config, claim: Claim) -> Vec<u8> {
    let advert = wire::Advert {
        vrid: config.vrid,
        claim,
        interval: config.interval,
        addresses: config.addresses.iter().map(|a| a.prefix.address()).collect(),
    };
    let mut bytes = Vec::with_capacity(HEADER_LEN + v2::AUTH_LEN + advert.addresses.len() * 16);
    match config.version {
        Version::V2 => {
            let (auth_type, auth_data) = match config.auth {
                Auth::None => (auth::TYPE_NONE, [0; v2::AUTH_LEN]),
                Auth::Pass(password) => (auth::TYPE_PASS, password),
                Auth::Ah(_) => (auth::TYPE_AH, [0; v2::AUTH_LEN]),
            };
            let packet = v2::Packet {
                advert,
                auth_type,
                auth_data,
            };
            packet.write(config.family, &mut bytes);
        }
        Version::V3 => v3::write(&advert, &mut bytes),
    }
    bytes
}

fn template(config: &Config, origin: Origin, destination: IpAddr, message: &[u8]) -> Template {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (origin.source, destination) else {
        return Template {
            destination,
            bytes: message.to_vec(),
            message: 0,
        };
    };
    let ah = match config.auth {
        Auth::None | Auth::Pass(_) => 0,
        Auth::Ah(_) => auth::AH_LEN,
    };
    let total = ipv4::LEN + ah + message.len() + trailer_len(config);
    let ttl = match &config.delivery {
        Delivery::Multicast { .. } => u8::MAX,
        Delivery::Unicast { ttl, .. } => ttl.unwrap_or(u8::MAX),
    };
    let header = ipv4::Header {
        header_len: ipv4::LEN,
        total_len: u16::try_from(total).unwrap_or(u16::MAX),
        id: 0,
        ttl,
        protocol: protocol(config),
        source: from,
        destination: to,
    };
    let mut bytes = Vec::with_capacity(total);
    header.write(&mut bytes);
    if ah > 0 {
        auth::Ah::unsigned(from, 0).write(&mut bytes);
    }
    bytes.extend_from_slice(message);
    let start = ipv4::LEN + ah;
    let sum = match (config.version, config.checksum_as_v2) {
        (Version::V2, _) | (Version::V3, true) => Sum::default(),
        (Version::V3, false) => {
            let to = match config.delivery {
                Delivery::Multicast { .. } => to,
                Delivery::Unicast { .. } => origin.checksum_group.unwrap_or(to),
            };
            Sum::default().pseudo_header(from, to, message.len())
        }
    };
    put(
        &mut bytes,
        start + CHECKSUM_OFFSET,
        &sum.bytes(message).finish().to_be_bytes(),
    );
    Template {
        destination,
        bytes,
        message: start,
    }
}

/// Whether the old form of the checksum is configured.
pub(crate) fn wants_old_checksum(config: &Config) -> bool {
    match config.unicast_checksum {
        UnicastChecksum::Old => true,
        UnicastChecksum::Automatic | UnicastChecksum::Never => false,
    }
}

fn set_claim(template: &mut Template, claim: Claim) {
    let Some(message) = template.bytes.get_mut(template.message..) else {
        return;
    };
    let Some(([_, _, priority, count, _, _, high, low], _)) = message.split_first_chunk_mut::<HEADER_LEN>() else {
        return;
    };
    let old = u16::from_be_bytes([*priority, *count]);
    *priority = claim.to_byte();
    let new = u16::from_be_bytes([*priority, *count]);
    // The kernel computes the checksum of IPv6 and expects zero.
    if template.destination.is_ipv4() {
        [*high, *low] = update(u16::from_be_bytes([*high, *low]), old, new).to_be_bytes();
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(field) = bytes.get_mut(at..at + value.len()) {
        field.copy_from_slice(value);
    }
}

/// Whether an address is that of a group.
pub(crate) fn is_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_multicast(),
        IpAddr::V6(a) => Ipv6Addr::is_multicast(&a),
    }
}
