//! Which packets an instance believes (`spec/vrrp-behaviour.md` 4).
//!
//! Decides whether a packet counts as an advert, in upstream's order of checks, and says each complaint once.
//! Deliberately does not know what an advert changes: that is the election.

mod rejected;
mod trailer;

use crate::clock::Times;
use crate::config::{Auth, Config, Delivery, Priority, UnicastChecksum, Version};
use crate::counters::Counters;
use crate::election::Heard;
use crate::encoder::{Sequence, is_multicast, wants_old_checksum};
use crate::event::Level;
use crate::input::Body;
use crate::trailer::Heard as Stamps;
use crate::wire::checksum::Sum;
use crate::wire::{
    ADVERTISEMENT, CHECKSUM_OFFSET, Claim, HEADER_LEN, Head, Malformed, PROTOCOL_AH, address_len, auth, hmac, ipv4, v2,
    v3,
};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Family;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use rejected::{Complaint, Rejected, Remark};
use trailer::Signed;

/// The shortest payload of an Ethernet frame: shorter packets arrive padded.
const ETHERNET_MINIMUM: usize = 46;
/// The TTL or hop limit that proves a packet was not routed.
pub(crate) const UNROUTED: u8 = 255;

/// A packet with its headers read and nothing judged. Not to be printed: it holds the password of version 2.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) head: Head,
    ttl: u8,
    /// IPv4: what the header says the length is.
    total_len: Option<usize>,
    /// Bytes received.
    received: usize,
    /// Bytes before the VRRP message.
    before: usize,
    ip_header: &'a [u8],
    ah: Option<auth::Ah>,
    message: &'a [u8],
}

impl<'a> Arrival<'a> {
    /// Reads the headers as far as the VRRP header.
    pub(crate) fn open(body: &Body<'a>) -> Result<Arrival<'a>, Malformed> {
        match *body {
            Body::V4(bytes) => {
                let (header, rest) = ipv4::Header::parse(bytes)?;
                let (ah, message) = if header.protocol == PROTOCOL_AH {
                    let (ah, message) = auth::Ah::parse(rest)?;
                    (Some(ah), message)
                } else {
                    (None, rest)
                };
                let (head, _) = Head::read(message).ok_or(Malformed::Truncated)?;
                Ok(Arrival {
                    source: IpAddr::V4(header.source),
                    destination: IpAddr::V4(header.destination),
                    head,
                    ttl: header.ttl,
                    total_len: Some(usize::from(header.total_len)),
                    received: bytes.len(),
                    before: bytes.len() - message.len(),
                    ip_header: bytes.get(..header.header_len).unwrap_or_default(),
                    ah,
                    message,
                })
            }
            Body::V6 {
                source,
                destination,
                hop_limit,
                payload,
            } => {
                let (head, _) = Head::read(payload).ok_or(Malformed::Truncated)?;
                Ok(Arrival {
                    source: IpAddr::V6(source),
                    destination: IpAddr::V6(destination),
                    head,
                    ttl: hop_limit,
                    total_len: None,
                    received: payload.len(),
                    before: 0,
                    ip_header: &[],
                    ah: None,
                    message: payload,
                })
            }
        }
    }

    /// The sequence number of AH.
    pub(crate) fn sequence(&self) -> Option<u32> {
        self.ah.map(|ah| ah.sequence)
    }
}

/// What the checks need to know of the instance besides its configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing<'a> {
    /// Effective priority.
    pub(crate) priority: Priority,
    /// The master a backup believes.
    pub(crate) master: Option<IpAddr>,
    /// The group of old unicast checksums.
    pub(crate) group4: Ipv4Addr,
    /// The wall times a trailer may fit.
    pub(crate) times: Times,
    /// The addresses as in our own adverts.
    pub(crate) addresses: &'a [u8],
}

/// What an instance remembers of the packets it judged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ears {
    pub(crate) counters: Counters,
    pub(crate) sequence: Sequence,
    /// A peer was seen to use the old form of the unicast checksum.
    pub(crate) old_checksum: bool,
    pub(crate) last_sender: Option<IpAddr>,
    /// A trailer fitted only what the clock shows since it was set.
    pub(crate) follows_wall: bool,
    stamps: Stamps,
    told: u64,
}

impl Ears {
    /// Complaints may be said again.
    pub(crate) fn forget_told(&mut self) {
        self.told = 0;
    }

    /// Judges a packet. `out` gets what the operator should read.
    pub(crate) fn hear(
        &mut self,
        config: &Config,
        standing: Standing<'_>,
        arrival: &Arrival<'_>,
        out: &mut Vec<(Level, String)>,
    ) -> Option<Heard> {
        // The kernel's filter for IPv6 is coarse: the wrong kind of destination is not even counted.
        let wanted_multicast = wants_multicast(config);
        if config.family == Family::V6 && is_multicast(arrival.destination) != wanted_multicast {
            return None;
        }
        if let Err(rejected) = self.check(config, standing, arrival, out) {
            self.reject(rejected, arrival.source, out);
            return None;
        }
        self.counters.advert_rcvd += 1;
        self.compare_addresses(config, standing, arrival, out);
        if let Err(rejected) = check_peer(config, arrival) {
            self.reject(rejected, arrival.source, out);
            return None;
        }
        self.last_sender = Some(arrival.source);
        let claim = Claim::from_byte(arrival.head.priority);
        if claim == Claim::Resigning {
            self.counters.pri_zero_rcvd += 1;
        }
        let interval = match config.version {
            Version::V2 => config.interval,
            Version::V3 => Duration::from_millis(u64::from(arrival.head.centiseconds()) * 10),
        };
        Some(Heard {
            source: arrival.source,
            claim,
            interval,
        })
    }

    /// Steps 1 to 12.
    fn check(
        &mut self,
        config: &Config,
        standing: Standing<'_>,
        arrival: &Arrival<'_>,
        out: &mut Vec<(Level, String)>,
    ) -> Result<(), Rejected> {
        let head = arrival.head;
        let ah_configured = matches!(config.auth, Auth::Ah(_));
        if arrival.ah.is_some() != ah_configured {
            return Err(if ah_configured {
                Rejected::AhMissing
            } else {
                Rejected::AhNotConfigured
            });
        }
        let (message, trailer) = exact_message(config, arrival)?;
        if wants_multicast(config) && arrival.ttl != UNROUTED {
            return Err(Rejected::Ttl(arrival.ttl));
        }
        let ours = version_number(config.version);
        if head.version != ours {
            return Err(Rejected::Version {
                got: head.version,
                ours,
            });
        }
        if let Some(hmac) = &config.hmac {
            let signed = Signed {
                hmac,
                times: standing.times,
                message,
                trailer,
            };
            self.check_trailer(config, arrival, &signed, out)?;
        }
        match config.version {
            Version::V2 => self.check_version_2(config, arrival, message)?,
            Version::V3 => {}
        }
        if head.kind != ADVERTISEMENT {
            return Err(Rejected::Kind(head.kind));
        }
        if let Some(said) = arrival.total_len
            && said != arrival.received
            && !is_padding(arrival.received, said)
        {
            return Err(Rejected::TotalLength {
                said,
                got: arrival.received,
            });
        }
        match config.version {
            Version::V2 => {}
            Version::V3 => self.compare_interval(config, head.centiseconds(), out),
        }
        self.check_checksum(config, standing, arrival, message, out)?;
        let multicast = is_multicast(arrival.destination);
        if multicast != wants_multicast(config) {
            return Err(Rejected::Destination { multicast });
        }
        if config.owner_ignore_adverts && standing.priority.is_owner() {
            return Err(Rejected::WeAreOwner);
        }
        Ok(())
    }

    /// Step 6.
    fn check_version_2(&mut self, config: &Config, arrival: &Arrival<'_>, message: &[u8]) -> Result<(), Rejected> {
        let [got, seconds] = arrival.head.word;
        if ![auth::TYPE_NONE, auth::TYPE_PASS, auth::TYPE_AH].contains(&got) {
            return Err(Rejected::UnknownAuth(got));
        }
        let ours = auth_type(&config.auth);
        if got != ours {
            return Err(Rejected::OtherAuth { got, ours });
        }
        match &config.auth {
            Auth::None => {}
            Auth::Pass(password) => match message.last_chunk::<{ v2::AUTH_LEN }>() {
                Some(theirs) if auth::same_password(theirs, password) => {}
                Some(_) | None => return Err(Rejected::Password),
            },
            Auth::Ah(key) => self.check_ah(config, key, arrival, message)?,
        }
        let ours = config.interval.as_secs();
        if u64::from(seconds) != ours {
            return Err(Rejected::Interval { ours, theirs: seconds });
        }
        Ok(())
    }

    fn check_ah(
        &mut self,
        config: &Config,
        key: &[u8; 8],
        arrival: &Arrival<'_>,
        message: &[u8],
    ) -> Result<(), Rejected> {
        let Some(ah) = arrival.ah else {
            return Err(Rejected::AhMissing);
        };
        let expected = auth::icv(key, arrival.ip_header, &ah, message, !wants_multicast(config));
        if !auth::same_icv(&expected, &ah.icv) {
            return Err(Rejected::Digest);
        }
        let expected = match arrival.source {
            IpAddr::V4(source) => u32::from(source),
            IpAddr::V6(_) => 0,
        };
        if ah.spi != expected {
            return Err(Rejected::Spi { got: ah.spi, expected });
        }
        let taken = self.sequence.receive(arrival.source, ah.sequence);
        taken.map_err(|last| Rejected::Replay { got: ah.sequence, last })
    }

    /// Step 9.
    fn compare_interval(&mut self, config: &Config, theirs: u16, out: &mut Vec<(Level, String)>) {
        let ours = v3::centiseconds(config.interval);
        if ours != theirs {
            let text = format!("advertisement interval mismatch ours = {ours} centi-sec rcv'd={theirs} centi-sec");
            self.say(Remark::OtherInterval, text, out);
        }
    }

    /// Step 10.
    fn check_checksum(
        &mut self,
        config: &Config,
        standing: Standing<'_>,
        arrival: &Arrival<'_>,
        message: &[u8],
        out: &mut Vec<(Level, String)>,
    ) -> Result<(), Rejected> {
        let (IpAddr::V4(from), IpAddr::V4(to)) = (arrival.source, arrival.destination) else {
            return Ok(());
        };
        let body = Sum::default().bytes(message);
        match config.version {
            Version::V2 if body.finish() == 0 => return Ok(()),
            Version::V2 => return Err(Rejected::Checksum(Version::V2)),
            Version::V3 if config.checksum_as_v2 => return Ok(()),
            Version::V3 => {}
        }
        let with = |to: Ipv4Addr| body.pseudo_header(from, to, message.len()).finish() == 0;
        let unicast = !wants_multicast(config);
        if unicast && (self.old_checksum || wants_old_checksum(config)) {
            return if with(standing.group4) {
                Ok(())
            } else {
                Err(Rejected::Checksum(Version::V3))
            };
        }
        if with(to) {
            return Ok(());
        }
        let retries = match config.unicast_checksum {
            UnicastChecksum::Automatic => unicast,
            UnicastChecksum::Old | UnicastChecksum::Never => false,
        };
        if retries && with(standing.group4) {
            self.old_checksum = true;
            out.push((
                Level::Info,
                String::from("Setting unicast VRRPv3 checksum to old version"),
            ));
            return Ok(());
        }
        Err(Rejected::Checksum(Version::V3))
    }

    /// Steps 14 and 15: a difference is worth a word, but no reason to have two masters.
    fn compare_addresses(
        &mut self,
        config: &Config,
        standing: Standing<'_>,
        arrival: &Arrival<'_>,
        out: &mut Vec<(Level, String)>,
    ) {
        let (ours, theirs) = (config.addresses.len(), usize::from(arrival.head.count));
        if ours != theirs {
            self.counters.addr_list_err += 1;
            let text = format!("expected {ours} VIPs but received {theirs}");
            self.say(Remark::AddressCount, text, out);
            return;
        }
        if config.skip_check_adv_addr && standing.master == Some(arrival.source) {
            return;
        }
        let Some(list) = arrival.message.get(HEADER_LEN..HEADER_LEN + standing.addresses.len()) else {
            return;
        };
        // Nearly always the same bytes.
        if list == standing.addresses {
            return;
        }
        let width = address_len(config.family);
        let missing = config.addresses.iter().zip(standing.addresses.chunks_exact(width));
        for (address, bytes) in missing {
            if !list.chunks_exact(width).any(|other| other == bytes) {
                self.counters.addr_list_err += 1;
                let text = format!(
                    "ip address associated with VRID {} not present in advert from {}: {}",
                    config.vrid,
                    arrival.source,
                    address.prefix.address()
                );
                self.say(Remark::AddressMissing, text, out);
                return;
            }
        }
    }

    /// The kernel did not take an advert.
    pub(crate) fn send_failed(&mut self, errno: i32, out: &mut Vec<(Level, String)>) {
        if self.first(Remark::SendFailed) {
            out.push((Level::Warning, format!("send advert error {errno}")));
        }
    }

    fn reject(&mut self, rejected: Rejected, source: IpAddr, out: &mut Vec<(Level, String)>) {
        self.count(rejected);
        let remark = rejected.remark();
        if self.first(remark) {
            out.push((Level::Info, format!("{}", Complaint { rejected, source })));
        }
    }

    fn count(&mut self, rejected: Rejected) {
        let counters = &mut self.counters;
        let counter = match rejected {
            Rejected::AhNotConfigured | Rejected::AhMissing | Rejected::OtherAuth { .. } => {
                &mut counters.authtype_mismatch
            }
            Rejected::Length { .. } | Rejected::TotalLength { .. } => &mut counters.packet_len_err,
            Rejected::Ttl(_) | Rejected::PeerTtl { .. } => &mut counters.ip_ttl_err,
            Rejected::Version { .. } => &mut counters.version_err,
            Rejected::UnknownAuth(_) => &mut counters.invalid_authtype,
            Rejected::Password | Rejected::Digest | Rejected::Spi { .. } | Rejected::Replay { .. } => {
                &mut counters.auth_failure
            }
            Rejected::Interval { .. } => &mut counters.advert_interval_err,
            Rejected::Kind(_) => &mut counters.invalid_type_rcvd,
            Rejected::Checksum(_) => &mut counters.chk_err,
            Rejected::Destination { .. } => &mut counters.addr_list_err,
            Rejected::WeAreOwner => &mut counters.owner_ignored,
            Rejected::NotAPeer => &mut counters.unknown_peer,
            Rejected::TrailerMissing => &mut counters.auth_ext_missing,
            Rejected::TrailerMalformed => &mut counters.auth_ext_malformed,
            Rejected::TrailerKey(_) => &mut counters.auth_ext_unknown_key,
            Rejected::TrailerCode => &mut counters.auth_ext_invalid_hmac,
            Rejected::TrailerStale { .. } => &mut counters.auth_ext_stale,
            Rejected::TrailerReplayed => &mut counters.auth_ext_replay,
        };
        *counter += 1;
    }

    fn say(&mut self, remark: Remark, text: String, out: &mut Vec<(Level, String)>) {
        if self.first(remark) {
            out.push((Level::Info, text));
        }
    }

    fn first(&mut self, remark: Remark) -> bool {
        let bit = 1u64 << remark as u32;
        let first = self.told & bit == 0;
        self.told |= bit;
        first
    }
}

/// Step 2: the message without padding, if its length is right, and the trailer if there is one.
fn exact_message<'a>(config: &Config, arrival: &Arrival<'a>) -> Result<(&'a [u8], Option<&'a [u8]>), Rejected> {
    // The length a packet of its own version should have, so that a packet of another version is called that and
    // not too short.
    let version = match arrival.head.version {
        v2::VERSION => Version::V2,
        v3::VERSION => Version::V3,
        _ => config.version,
    };
    let len = match version {
        Version::V2 => v2::len(config.family, arrival.head.count),
        Version::V3 => v3::len(config.family, arrival.head.count),
    };
    let expected = arrival.before + len;
    let got = arrival.received;
    let trailed = config.hmac.is_some() && got == expected + hmac::LEN;
    if got != expected && !trailed && !is_padding(got, expected) {
        return Err(Rejected::Length { got, expected });
    }
    let parts = arrival.message.split_at_checked(len);
    let (message, rest) = parts.ok_or(Rejected::Length { got, expected })?;
    Ok((message, trailed.then_some(rest)))
}

/// Step 16.
fn check_peer(config: &Config, arrival: &Arrival<'_>) -> Result<(), Rejected> {
    let Delivery::Unicast {
        peers,
        check_source: true,
        ..
    } = &config.delivery
    else {
        return Ok(());
    };
    let peer = peers.iter().find(|peer| peer.address == arrival.source);
    let peer = peer.ok_or(Rejected::NotAPeer)?;
    if !(peer.min_ttl..=peer.max_ttl).contains(&arrival.ttl) {
        return Err(Rejected::PeerTtl {
            got: arrival.ttl,
            min: peer.min_ttl,
            max: peer.max_ttl,
        });
    }
    Ok(())
}

fn is_padding(received: usize, expected: usize) -> bool {
    received > expected && expected < ETHERNET_MINIMUM && (received - expected) % 4 == 2
}

fn wants_multicast(config: &Config) -> bool {
    match config.delivery {
        Delivery::Multicast { .. } => true,
        Delivery::Unicast { .. } => false,
    }
}

fn auth_type(auth: &Auth) -> u8 {
    match auth {
        Auth::None => auth::TYPE_NONE,
        Auth::Pass(_) => auth::TYPE_PASS,
        Auth::Ah(_) => auth::TYPE_AH,
    }
}

pub(crate) const fn version_number(version: Version) -> u8 {
    match version {
        Version::V2 => v2::VERSION,
        Version::V3 => v3::VERSION,
    }
}

/// The checksum field stands inside the header that every message has.
const _: () = assert!(CHECKSUM_OFFSET + 2 == HEADER_LEN);
