//! Carries out what the engine asks of the kernel: adverts, announcements, and through `changes` what it has.
//!
//! Nothing here waits. Everything of a turn goes out in few system calls: adverts first, because peers count the
//! microseconds; then changes to addresses; then announcements, which are of no use before them. That keeps the order
//! within each instance.

use crate::log::{Level, Reporter};
use ::vrrp::action::{AddressStep, Advert, Announced, Announcement};
use ::vrrp::config::Name;
use ::vrrp::filter::{FilterSettings, FilterStep};
use ::vrrp::input::{BatchId, SocketKey};
use base::{Family, IfIndex, Instant};
use linux::SysError;
use linux::socket::frame::Frame;
use linux::socket::packet::{FrameSender, OutFrame};
use linux::socket::raw::{AdvertSender, OutPacket};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::changes::Changes;
use super::facts::Watcher;
use super::filter::PacketFilter;

/// Frames that wait for room in the kernel. Beyond it the oldest are dropped and counted: the addresses of those are
/// announced again by the rest of the block.
const MOST_WAITING_FRAMES: usize = 16 * 1024;
/// Frames made and handed to the kernel together: those of a turn of the engine.
const FRAMES_AT_ONCE: usize = 256;
/// Pause before frames are tried again for which the kernel had no room.
const FRAME_RETRY: Duration = Duration::from_millis(2);
/// At most one line of this module in this time: what fails for one packet fails for thousands.
const QUIET: Duration = Duration::from_secs(10);

pub(super) struct Effects {
    senders: BTreeMap<(Family, u8), AdvertSender>,
    adverts: Vec<Advert>,
    pub(super) changes: Changes,
    filter: PacketFilter,
    rules: Vec<(BatchId, FilterSettings, Vec<FilterStep>)>,
    filtered: Vec<(BatchId, Option<i32>)>,
    frames: FrameSender,
    waiting: VecDeque<Announcement>,
    retry_at: Option<Instant>,
    dropped_frames: u64,
    quiet_until: Instant,
}

impl Effects {
    pub(super) fn open() -> Result<Effects, SysError> {
        Ok(Effects {
            senders: BTreeMap::new(),
            adverts: Vec::new(),
            changes: Changes::open()?,
            filter: PacketFilter::default(),
            rules: Vec::new(),
            filtered: Vec::new(),
            frames: FrameSender::open()?,
            waiting: VecDeque::new(),
            retry_at: None,
            dropped_frames: 0,
            quiet_until: Instant::ZERO,
        })
    }

    /// The table of our rules and the number of the socket that changes it, once there was a change.
    pub(super) fn filter_place(&self) -> Option<(&str, Option<u32>)> {
        self.filter.place()
    }

    /// Makes room for at least so many bytes of answers that are not read yet.
    pub(super) fn reserve(&self, bytes: u32) -> Result<(), SysError> {
        self.changes.reserve(bytes)
    }

    /// Whether nothing is waiting to be sent or answered.
    pub(super) fn is_idle(&self) -> bool {
        self.is_answered() && self.waiting.is_empty()
    }

    /// Whether nothing is waiting to be answered. Who ends waits for this only: frames that an interface does not
    /// take would hold it for ever, and they name addresses that are gone.
    pub(super) fn is_answered(&self) -> bool {
        self.changes.is_answered() && self.filtered.is_empty()
    }

    /// When frames without room are to be tried again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn queue_advert(&mut self, advert: Advert) {
        self.adverts.push(advert);
    }

    pub(super) fn queue_addresses(&mut self, batch: BatchId, steps: &[AddressStep], watcher: &Watcher) {
        self.forget_announcements(steps);
        self.changes.queue_addresses(batch, steps, watcher);
    }

    pub(super) fn queue_filter(&mut self, batch: BatchId, settings: FilterSettings, steps: Vec<FilterStep>) {
        self.rules.push((batch, settings, steps));
    }

    /// Has nftables change our rules, after the adverts and before the addresses. The kernel is done before this
    /// returns; the answers wait for [`Effects::take_filtered`].
    pub(super) fn change_filter(&mut self, now: Instant, reporter: &Reporter) {
        for (batch, settings, steps) in std::mem::take(&mut self.rules) {
            let refused = self.filter.change(&settings, &steps).err();
            if let Some((_, error)) = &refused {
                self.complain(now, reporter, error);
            }
            self.filtered.push((batch, refused.map(|(errno, _)| errno)));
        }
    }

    /// What became of changes to the rules.
    pub(super) fn take_filtered(&mut self) -> Vec<(BatchId, Option<i32>)> {
        std::mem::take(&mut self.filtered)
    }

    /// Deletes the rules that an earlier run left.
    pub(super) fn clean_filter(&mut self, settings: &FilterSettings, recorded: &[String], reporter: &Reporter) {
        let names = recorded.iter().map(String::as_str).chain([&*settings.table]);
        match self.filter.clean(&names.collect()) {
            Ok(left) => {
                for (family, table) in left {
                    reporter.info(format_args!("Removing the {family} table {table} of an earlier run"));
                }
            }
            // A kernel without nftables has none; whether that matters is said when it is needed.
            Err(error) => reporter.say(Level::Debug, error),
        }
    }

    /// Drops frames that wait for room and name an address that goes: sent later they would draw traffic away from
    /// the new master.
    fn forget_announcements(&mut self, steps: &[AddressStep]) {
        if self.waiting.is_empty() {
            return;
        }
        let gone: BTreeSet<(IfIndex, IpAddr)> = steps
            .iter()
            .filter_map(|step| match step {
                AddressStep::Remove { interface, key, .. } => Some((*interface, key.prefix.address())),
                AddressStep::Add { .. } => None,
            })
            .collect();
        self.waiting
            .retain(|waiting| !gone.contains(&(waiting.interface, address(waiting))));
    }

    pub(super) fn queue_announcement(&mut self, announcement: Announcement) {
        if self.waiting.len() >= MOST_WAITING_FRAMES {
            self.waiting.pop_front();
            self.dropped_frames += 1;
        }
        self.waiting.push_back(announcement);
    }

    /// Sends the queued adverts. Returns whose were refused, with the error number.
    pub(super) fn send_adverts(&mut self, now: Instant, reporter: &Reporter) -> Vec<(Name, i32)> {
        let mut failed = Vec::new();
        let adverts = std::mem::take(&mut self.adverts);
        let mut rest = adverts.as_slice();
        while let Some(first) = rest.first() {
            let kind = socket_of(first);
            let alike = rest.iter().take_while(|advert| socket_of(advert) == kind).count();
            let (group, others) = rest.split_at(alike);
            rest = others;
            match self.sender(kind) {
                Ok(sender) => {
                    let packets: Vec<OutPacket<'_>> = group.iter().map(packet).collect();
                    let mut refused = Vec::new();
                    sender.send(&packets, &mut refused);
                    let names = refused
                        .iter()
                        .filter_map(|(at, errno)| Some((group.get(*at)?.instance.clone(), *errno)));
                    failed.extend(names);
                }
                Err(error) => {
                    let errno = error.errno().unwrap_or(0);
                    failed.extend(group.iter().map(|advert| (advert.instance.clone(), errno)));
                    self.complain(now, reporter, &error);
                }
            }
        }
        // The room is kept: a busy role sends as many in the next turn.
        self.adverts = adverts;
        self.adverts.clear();
        failed
    }

    /// Opens the senders that adverts of these sockets will need: the first advert of a new master is no time for it.
    pub(super) fn prepare<'a>(
        &mut self,
        now: Instant,
        sockets: impl Iterator<Item = &'a SocketKey>,
        reporter: &Reporter,
    ) {
        for socket in sockets {
            if let Err(error) = self.sender(socket_kind(Family::of(socket.local), socket.protocol)) {
                self.complain(now, reporter, error);
            }
        }
    }

    fn sender(&mut self, kind: (Family, u8)) -> Result<&AdvertSender, SysError> {
        match self.senders.entry(kind) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(room) => Ok(room.insert(AdvertSender::open(kind.0, kind.1)?)),
        }
    }

    /// Sends frames that wait, as many as the kernel has room for.
    pub(super) fn send_announcements(&mut self, now: Instant, reporter: &Reporter) {
        self.retry_at = None;
        if self.waiting.is_empty() {
            return;
        }
        let mut refused = Vec::new();
        while !self.waiting.is_empty() {
            let frames: Vec<OutFrame> = self.waiting.iter().take(FRAMES_AT_ONCE).map(out_frame).collect();
            let done = self.frames.send(&frames, &mut refused);
            self.waiting.drain(..done);
            if done < frames.len() {
                self.retry_at = Some(now.after(FRAME_RETRY));
                break;
            }
        }
        if let Some((_, errno)) = refused.first() {
            let error = std::io::Error::from_raw_os_error(*errno);
            let text = format!("cannot send {} announcements, the first: {error}", refused.len());
            self.complain(now, reporter, text);
        }
        if self.dropped_frames > 0 {
            let text = format!(
                "{} announcements dropped: the kernel takes no more",
                self.dropped_frames
            );
            self.dropped_frames = 0;
            self.complain(now, reporter, text);
        }
    }

    fn complain(&mut self, now: Instant, reporter: &Reporter, text: impl std::fmt::Display) {
        if now >= self.quiet_until {
            self.quiet_until = now.after(QUIET);
            reporter.say(Level::Error, text);
        }
    }
}

impl AsFd for Effects {
    /// Readable when changes to addresses have been answered.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

fn out_frame(announcement: &Announcement) -> OutFrame {
    let Announcement { interface, mac, what } = *announcement;
    let frame = match what {
        Announced::Arp(address) => Frame::gratuitous_arp(mac, address),
        Announced::Neighbour { address, router } => Frame::neighbour_advertisement(mac, address, router),
    };
    OutFrame { interface, frame }
}

fn address(announcement: &Announcement) -> IpAddr {
    match announcement.what {
        Announced::Arp(address) => IpAddr::V4(address),
        Announced::Neighbour { address, .. } => IpAddr::V6(address),
    }
}

fn socket_of(advert: &Advert) -> (Family, u8) {
    socket_kind(Family::of(advert.destination), advert.protocol)
}

/// The sender for a family and protocol. One IPv4 sender serves all protocols: the header says which it is.
fn socket_kind(family: Family, protocol: u8) -> (Family, u8) {
    match family {
        Family::V4 => (Family::V4, 0),
        Family::V6 => (Family::V6, protocol),
    }
}

fn packet(advert: &Advert) -> OutPacket<'_> {
    OutPacket {
        bytes: &advert.bytes,
        source: advert.source,
        destination: advert.destination,
        interface: advert.interface,
        hop_limit: advert.hop_limit,
    }
}
