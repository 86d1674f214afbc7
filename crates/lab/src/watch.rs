//! The observer: one thread that sees every frame the hosts send and every address their kernels gain or lose.
//!
//! Frames are captured on the switch side of each cable, so what is seen is what a host sent, before any fault the
//! lab puts between hosts. They carry the kernel's time stamps: that this thread comes late changes no figure.

use crate::command::{Result, Trouble};
use crate::frame::{self, Frame};
use crate::journal::{Host, Journal, Seen};
use crate::netns::Namespace;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv,
    recvmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Room for what arrives while the observer does not run; when it is full a lab goes blind, which fails the scenario.
const BUFFER: usize = 16 << 20;

/// How often the observer looks whether it should end, in milliseconds.
const TURN: u16 = 50;

/// The longest frame looked at; adverts with hundreds of addresses are cut, their head is enough.
const LONGEST_FRAME: usize = 2048;

/// The longest netlink datagram the kernel sends.
const LONGEST_NEWS: usize = 65536;

/// RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR.
const ADDRESS_GROUPS: u32 = 0x10 | 0x100;

/// Where a host's kernel tells of its addresses.
#[derive(Debug)]
pub struct Ear {
    host: Host,
    socket: OwnedFd,
    interfaces: BTreeMap<u32, String>,
}

impl Ear {
    /// Listens to the kernel of a host from now on. `interfaces` gives names to its interface numbers.
    pub fn open(host: Host, namespace: &Namespace, interfaces: BTreeMap<u32, String>) -> Result<Ear> {
        let open = || {
            let protocol = SockProtocol::NetlinkRoute;
            let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
            setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, ADDRESS_GROUPS))?;
            Ok::<OwnedFd, Errno>(socket)
        };
        let socket = namespace
            .inside(open)?
            .map_err(Trouble::when("cannot listen to the kernel's addresses"))?;
        Ok(Ear {
            host,
            socket,
            interfaces,
        })
    }
}

/// The observer; dropping it ends its thread.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to observe: all ports of the switch (interface number to host) and the kernels behind `ears`.
    pub fn start(
        journal: Arc<Journal>,
        switch: &Namespace,
        ports: BTreeMap<usize, Host>,
        ears: Vec<Ear>,
    ) -> Result<Watch> {
        let capture = switch
            .inside(open_capture)?
            .map_err(Trouble::when("cannot capture on the switch"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let observer = Observer {
            journal,
            capture,
            ports,
            ears,
            stop: stop.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("observer".into())
            .spawn(move || observer.run())
            .map_err(Trouble::when("cannot start the observer"))?;
        Ok(Watch {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("lab: the observer panicked");
        }
    }
}

/// Without an address to bind to, a packet socket hears every interface of the namespace.
fn open_capture() -> nix::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    Ok(socket)
}

struct Observer {
    journal: Arc<Journal>,
    capture: OwnedFd,
    ports: BTreeMap<usize, Host>,
    ears: Vec<Ear>,
    stop: Arc<AtomicBool>,
}

impl Observer {
    fn run(self) {
        while !self.stop.load(Ordering::Relaxed) {
            let sockets = std::iter::once(&self.capture).chain(self.ears.iter().map(|ear| &ear.socket));
            let mut wanted: Vec<PollFd<'_>> = sockets
                .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
                .collect();
            match poll(&mut wanted, PollTimeout::from(TURN)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return self.journal.blinded(format!("the observer cannot wait: {error}")),
            }
            // Addresses first: an advert is sent before the addresses are there, and both have their own stamps.
            for ear in &self.ears {
                self.read_addresses(ear);
            }
            self.read_frames();
        }
    }

    fn read_frames(&self) {
        let mut frame = [0; LONGEST_FRAME];
        let mut control = nix::cmsg_space!(TimeSpec);
        loop {
            let mut room = [IoSliceMut::new(&mut frame)];
            let fd = self.capture.as_raw_fd();
            let message = match recvmsg::<LinkAddr>(fd, &mut room, Some(&mut control), MsgFlags::MSG_DONTWAIT) {
                Ok(message) => message,
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR | Errno::ENETDOWN) => continue,
                Err(error) => return self.journal.blinded(format!("the capture failed: {error}")),
            };
            let Some(sender) = message.address else { continue };
            let Some(host) = self.ports.get(&sender.ifindex()) else {
                continue;
            };
            if sender.pkttype() == nix::libc::PACKET_OUTGOING {
                continue;
            }
            let at = message
                .cmsgs()
                .ok()
                .and_then(|mut all| all.find_map(|message| self.stamp(message)));
            let at = at.unwrap_or_else(|| self.journal.clock.now());
            let len = message.bytes.min(LONGEST_FRAME);
            if let Some(frame) = frame.get(..len).and_then(frame::read) {
                self.note(at, host, frame);
            }
        }
    }

    fn stamp(&self, message: ControlMessageOwned) -> Option<Duration> {
        if let ControlMessageOwned::ScmTimestampns(stamp) = message {
            return Some(self.journal.clock.of_stamp(stamp));
        }
        None
    }

    fn note(&self, at: Duration, host: &Host, frame: Frame) {
        match frame {
            Frame::Advert(advert) => self.journal.record(at, host, Seen::Advert(advert)),
            Frame::Announcement { address } => self.journal.record(at, host, Seen::Announcement(address)),
            Frame::EchoReply { from, .. } => self.journal.answered(at, host, from),
        }
    }

    fn read_addresses(&self, ear: &Ear) {
        let mut news = vec![0; LONGEST_NEWS];
        loop {
            let len = match recv(ear.socket.as_raw_fd(), &mut news, MsgFlags::MSG_DONTWAIT) {
                Ok(len) => len,
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR) => continue,
                Err(error) => {
                    return self
                        .journal
                        .blinded(format!("news of addresses of {} lost: {error}", ear.host));
                }
            };
            let mut rest = news.get(..len).unwrap_or_default();
            while !rest.is_empty() {
                let message = match NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest) {
                    Ok(message) => message,
                    Err(error) => {
                        return self
                            .journal
                            .blinded(format!("news of {} unreadable: {error}", ear.host));
                    }
                };
                let used = (message.header.length as usize).next_multiple_of(4).max(4);
                rest = rest.get(used..).unwrap_or_default();
                self.note_address(ear, message.payload);
            }
        }
    }

    fn note_address(&self, ear: &Ear, payload: NetlinkPayload<RouteNetlinkMessage>) {
        let NetlinkPayload::InnerMessage(news) = payload else {
            return;
        };
        let (message, added) = if let RouteNetlinkMessage::NewAddress(message) = news {
            (message, true)
        } else if let RouteNetlinkMessage::DelAddress(message) = news {
            (message, false)
        } else {
            return;
        };
        // A daemon may make interfaces of its own.
        let known = ear.interfaces.get(&message.header.index);
        let interface = known.map_or_else(|| format!("interface {}", message.header.index), String::clone);
        let Some(address) = address_of(&message) else { return };
        let what = if added {
            Seen::AddressAdded
        } else {
            Seen::AddressRemoved
        };
        // The kernel stamps no notifications, so these carry the time of reading.
        self.journal.record_now(&ear.host, what(interface, address));
    }
}

/// On a point-to-point address `Local` is ours and `Address` the peer's; on IPv6 there is `Address` alone.
fn address_of(message: &AddressMessage) -> Option<IpAddr> {
    let mut plain = None;
    for attribute in &message.attributes {
        if let AddressAttribute::Local(address) = attribute {
            return Some(*address);
        }
        if let AddressAttribute::Address(address) = attribute {
            plain = Some(*address);
        }
    }
    plain
}
