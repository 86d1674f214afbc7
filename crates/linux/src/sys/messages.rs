//! recvmmsg(2) and sendmmsg(2): many packets in one system call, with their control messages.
//!
//! Knows how addresses and control messages lie in memory and what the kernel does with them. Does not know what
//! is in the packets, nor what to do when a call fails.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

/// Packets in one system call.
///
/// The call costs a fraction of what the kernel does for each packet, so more gains nothing measurable, while the
/// arrays for the call stay small enough to be made anew each time, on the stack.
pub(crate) const CHUNK: usize = 32;

/// Bytes for the control messages of a packet: packet information, hop limit and arrival time of IPv6, the largest case.
const CONTROL_LEN: usize = 96;

/// Where a packet goes.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// To an address, for raw IP sockets.
    Ip(IpAddr, /* IPv6: zone */ u32),
    /// Out of an interface, for packet sockets.
    Link {
        interface: u32,
        /// The EtherType.
        protocol: u16,
        mac: [u8; 6],
    },
}

/// What goes beside a packet.
#[derive(Clone, Copy)]
pub(crate) enum Control {
    None,
    /// Out of which interface (0: as routed).
    V4 {
        interface: u32,
    },
    /// Out of which interface (0: as routed), from which address, with which hop limit.
    V6 {
        interface: u32,
        source: Ipv6Addr,
        hop_limit: Option<u8>,
    },
}

/// A packet to send.
pub(crate) struct Outgoing<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) target: Target,
    pub(crate) control: Control,
}

/// Sends up to [`CHUNK`] packets from the front of `packets` without waiting, and says how many went. An error
/// means that none did, and is that of the first.
pub(crate) fn send<'a>(
    fd: BorrowedFd<'_>,
    packets: impl Iterator<Item = Outgoing<'a>>,
    flags: libc::c_int,
) -> io::Result<usize> {
    let mut addresses = [RawAddress::EMPTY; CHUNK];
    let mut controls = [ControlBuffer::EMPTY; CHUNK];
    let mut vectors = [EMPTY_VECTOR; CHUNK];
    let mut headers = [EMPTY_HEADER; CHUNK];
    let mut count = 0;
    let slots = headers
        .iter_mut()
        .zip(&mut vectors)
        .zip(&mut addresses)
        .zip(&mut controls);
    for (packet, (((header, vector), address), control)) in packets.zip(slots) {
        address.set(packet.target);
        control.set(packet.control);
        vector.iov_base = packet.bytes.as_ptr().cast_mut().cast();
        vector.iov_len = packet.bytes.len();
        let message = &mut header.msg_hdr;
        message.msg_name = address.bytes.as_mut_ptr().cast();
        message.msg_namelen = address.len;
        message.msg_iov = vector;
        message.msg_iovlen = 1;
        if control.len > 0 {
            message.msg_control = control.bytes.as_mut_ptr().cast();
            message.msg_controllen = control.len as _;
        }
        count += 1;
    }
    if count == 0 {
        return Ok(0);
    }
    // SAFETY: the first `count` headers point to vectors, addresses and control messages in the arrays above and to
    // packets borrowed for 'a; all of them outlive the call, and their lengths are those of the memory pointed to.
    // sendmmsg writes nothing but `msg_len` of the headers. `fd` is open as long as it is borrowed.
    let sent = unsafe {
        libc::sendmmsg(
            fd.as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            (flags | libc::MSG_DONTWAIT) as _,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(sent as usize)
    }
}

/// Room for the packets of one recvmmsg(2).
pub(crate) struct Arrivals {
    bytes: Vec<u8>,
    packet_size: usize,
    slots: Vec<Slot>,
}

#[derive(Clone)]
struct Slot {
    address: RawAddress,
    control: ControlBuffer,
    len: usize,
    truncated: bool,
}

/// A packet received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incoming<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) source: Option<IpAddr>,
    pub(crate) destination: Option<IpAddr>,
    pub(crate) interface: Option<u32>,
    pub(crate) hop_limit: Option<u8>,
    /// When the kernel had it, as the system's clock showed then: since 1970.
    pub(crate) stamp: Option<Duration>,
    pub(crate) truncated: bool,
}

impl Arrivals {
    /// Room for `packets` packets (at most [`CHUNK`] are read at once) of up to `packet_size` bytes each.
    pub(crate) fn new(packets: usize, packet_size: usize) -> Arrivals {
        let empty = Slot {
            address: RawAddress::EMPTY,
            control: ControlBuffer::EMPTY,
            len: 0,
            truncated: false,
        };
        let packet_size = packet_size.max(1);
        Arrivals {
            bytes: vec![0; packets * packet_size],
            packet_size,
            slots: vec![empty; packets],
        }
    }

    /// How many packets fit.
    pub(crate) fn room(&self) -> usize {
        self.slots.len()
    }

    /// Reads what is there, without waiting, as far as there is room. Nothing there is the error `WouldBlock`.
    #[allow(
        clippy::unnecessary_cast,
        reason = "lengths of control messages are 32 bits wide with musl"
    )]
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let mut vectors = [EMPTY_VECTOR; CHUNK];
        let mut headers = [EMPTY_HEADER; CHUNK];
        let mut count = 0;
        let places = self.bytes.chunks_exact_mut(self.packet_size).zip(&mut self.slots);
        for ((place, slot), (header, vector)) in places.zip(headers.iter_mut().zip(&mut vectors)) {
            vector.iov_base = place.as_mut_ptr().cast();
            vector.iov_len = place.len();
            let message = &mut header.msg_hdr;
            message.msg_name = slot.address.bytes.as_mut_ptr().cast();
            message.msg_namelen = slot.address.bytes.len() as libc::socklen_t;
            message.msg_iov = vector;
            message.msg_iovlen = 1;
            message.msg_control = slot.control.bytes.as_mut_ptr().cast();
            message.msg_controllen = slot.control.bytes.len() as _;
            count += 1;
        }
        // SAFETY: the first `count` headers point to vectors in the array above and to places, addresses and control
        // buffers in `self`, which is borrowed for the whole call; the kernel writes at most the lengths given, which
        // are those of the memory pointed to. `fd` is open as long as it is borrowed.
        let received = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                headers.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        if received < 0 {
            return Err(io::Error::last_os_error());
        }
        for (slot, header) in self.slots.iter_mut().zip(headers).take(received as usize) {
            slot.len = header.msg_len as usize;
            slot.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            slot.address.len = header.msg_hdr.msg_namelen;
            slot.control.len = header.msg_hdr.msg_controllen as usize;
        }
        Ok(received as usize)
    }

    /// The first `count` packets of the last [`Arrivals::receive`], which returned `count`.
    pub(crate) fn packets(&self, count: usize) -> impl Iterator<Item = Incoming<'_>> {
        let places = self.bytes.chunks_exact(self.packet_size).zip(&self.slots);
        places.take(count).map(|(place, slot)| {
            let mut packet = Incoming {
                bytes: place.get(..slot.len).unwrap_or(place),
                source: slot.address.ip(),
                destination: None,
                interface: None,
                hop_limit: None,
                stamp: None,
                truncated: slot.truncated,
            };
            slot.control.read(&mut packet);
            packet
        })
    }
}

/// A socket address as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct RawAddress {
    bytes: [u8; RawAddress::ROOM],
    len: libc::socklen_t,
}

impl RawAddress {
    /// The largest address used here is `sockaddr_in6`.
    const ROOM: usize = size_of::<libc::sockaddr_in6>();
    const EMPTY: RawAddress = RawAddress {
        bytes: [0; RawAddress::ROOM],
        len: 0,
    };

    fn set(&mut self, target: Target) {
        match target {
            Target::Ip(IpAddr::V4(address), _) => self.put(libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: 0,
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.octets()),
                },
                sin_zero: [0; 8],
            }),
            Target::Ip(IpAddr::V6(address), zone) => self.put(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr {
                    s6_addr: address.octets(),
                },
                sin6_scope_id: zone,
            }),
            Target::Link {
                interface,
                protocol,
                mac: [a, b, c, d, e, f],
            } => self.put(libc::sockaddr_ll {
                sll_family: libc::AF_PACKET as u16,
                sll_protocol: protocol.to_be(),
                sll_ifindex: interface as libc::c_int,
                sll_hatype: 0,
                sll_pkttype: 0,
                sll_halen: 6,
                sll_addr: [a, b, c, d, e, f, 0, 0],
            }),
        }
    }

    fn put<T: Copy>(&mut self, address: T) {
        const { assert!(size_of::<T>() <= RawAddress::ROOM) };
        // SAFETY: the constant above proves that the address fits; `write_unaligned` asks for no alignment.
        unsafe { self.bytes.as_mut_ptr().cast::<T>().write_unaligned(address) };
        self.len = size_of::<T>() as libc::socklen_t;
    }

    fn ip(&self) -> Option<IpAddr> {
        let family = u16::from_ne_bytes(*self.bytes.first_chunk::<2>()?);
        let len = self.len as usize;
        if i32::from(family) == libc::AF_INET && len >= size_of::<libc::sockaddr_in>() {
            let offset = mem::offset_of!(libc::sockaddr_in, sin_addr);
            let octets: [u8; 4] = *self.bytes.get(offset..)?.first_chunk()?;
            return Some(IpAddr::V4(Ipv4Addr::from(octets)));
        }
        if i32::from(family) == libc::AF_INET6 && len >= size_of::<libc::sockaddr_in6>() {
            let offset = mem::offset_of!(libc::sockaddr_in6, sin6_addr);
            let octets: [u8; 16] = *self.bytes.get(offset..)?.first_chunk()?;
            return Some(IpAddr::V6(Ipv6Addr::from(octets)));
        }
        None
    }
}

/// Control messages as the kernel wants them: each a header and a value, padded to the size of a word.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct ControlBuffer {
    bytes: [u8; CONTROL_LEN],
    len: usize,
}

impl ControlBuffer {
    const EMPTY: ControlBuffer = ControlBuffer {
        bytes: [0; CONTROL_LEN],
        len: 0,
    };

    fn set(&mut self, control: Control) {
        self.len = 0;
        match control {
            Control::None => {}
            Control::V4 { interface } => {
                // struct in_pktinfo: interface, local address, header destination.
                let mut info = [0; 12];
                let (index, _) = info.split_at_mut(4);
                index.copy_from_slice(&interface.to_ne_bytes());
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            Control::V6 {
                interface,
                source,
                hop_limit,
            } => {
                // struct in6_pktinfo: address, interface.
                let mut info = [0; 20];
                let (address, index) = info.split_at_mut(16);
                address.copy_from_slice(&source.octets());
                index.copy_from_slice(&interface.to_ne_bytes());
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
                if let Some(hops) = hop_limit {
                    self.push(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &i32::from(hops).to_ne_bytes());
                }
            }
        }
    }

    fn push(&mut self, level: libc::c_int, kind: libc::c_int, value: &[u8]) {
        // SAFETY: CMSG_LEN and CMSG_SPACE are arithmetic on their argument; nothing is dereferenced.
        let (len, space) = unsafe {
            (
                libc::CMSG_LEN(value.len() as u32) as usize,
                libc::CMSG_SPACE(value.len() as u32) as usize,
            )
        };
        let Some(place) = self.bytes.get_mut(self.len..self.len + space) else {
            return;
        };
        // SAFETY: `cmsghdr` is plain integers, for which zero is a value.
        let mut header: libc::cmsghdr = unsafe { mem::zeroed() };
        header.cmsg_len = len as _;
        header.cmsg_level = level;
        header.cmsg_type = kind;
        // SAFETY: `place` is `space` bytes long, which is at least the header; `write_unaligned` asks for no alignment.
        unsafe { place.as_mut_ptr().cast::<libc::cmsghdr>().write_unaligned(header) };
        if let Some(room) = place.get_mut(len - value.len()..len) {
            room.copy_from_slice(value);
        }
        self.len += space;
    }

    /// Takes what is known from the control messages into `packet`.
    #[allow(
        clippy::unnecessary_cast,
        reason = "lengths of control messages are 32 bits wide with musl"
    )]
    fn read(&self, packet: &mut Incoming<'_>) {
        let mut rest = self.bytes.get(..self.len).unwrap_or_default();
        // SAFETY: as in `push`.
        let head = unsafe { libc::CMSG_LEN(0) as usize };
        while rest.len() >= head {
            // SAFETY: `rest` holds at least a header, which is plain integers; `read_unaligned` asks for no alignment.
            let header = unsafe { rest.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
            let len = header.cmsg_len as usize;
            let Some(value) = rest.get(head..len) else { return };
            take(header.cmsg_level, header.cmsg_type, value, packet);
            // SAFETY: as in `push`.
            let space = unsafe { libc::CMSG_SPACE((len - head) as u32) as usize };
            rest = rest.get(space..).unwrap_or_default();
        }
    }
}

fn take(level: libc::c_int, kind: libc::c_int, value: &[u8], packet: &mut Incoming<'_>) {
    match (level, kind) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            if let Some(&[i0, i1, i2, i3, _, _, _, _, a, b, c, d]) = value.first_chunk::<12>() {
                packet.interface = Some(u32::from_ne_bytes([i0, i1, i2, i3]));
                packet.destination = Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)));
            }
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            if let Some((address, index)) = value.split_first_chunk::<16>() {
                packet.destination = Some(IpAddr::V6(Ipv6Addr::from(*address)));
                packet.interface = index.first_chunk().copied().map(u32::from_ne_bytes);
            }
        }
        (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) | (libc::IPPROTO_IP, libc::IP_TTL) => {
            let hops = value.first_chunk().copied().map(i32::from_ne_bytes);
            packet.hop_limit = hops.and_then(|hops| u8::try_from(hops).ok());
        }
        // Also its option's number; 32-bit kernels of a new age use another.
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => packet.stamp = stamp(value),
        _ => {}
    }
}

/// A `struct timespec` of two 64-bit words.
fn stamp(value: &[u8]) -> Option<Duration> {
    let (seconds, rest) = value.split_first_chunk()?;
    let seconds = u64::try_from(i64::from_ne_bytes(*seconds)).ok()?;
    let nanos = u64::try_from(i64::from_ne_bytes(*rest.first_chunk()?)).ok()?;
    Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos))
}

/// Any bytes as the control messages of a packet. For tests.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn read_control(bytes: &[u8]) {
    let mut control = ControlBuffer::EMPTY;
    control.len = bytes.len().min(CONTROL_LEN);
    for (to, from) in control.bytes.iter_mut().zip(bytes) {
        *to = *from;
    }
    control.read(&mut Incoming {
        bytes: &[],
        source: None,
        destination: None,
        interface: None,
        hop_limit: None,
        stamp: None,
        truncated: false,
    });
}

const EMPTY_VECTOR: libc::iovec = libc::iovec {
    iov_base: ptr::null_mut(),
    iov_len: 0,
};

// SAFETY: `mmsghdr` is integers and raw pointers, for which zero is a value.
const EMPTY_HEADER: libc::mmsghdr = unsafe { mem::zeroed() };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_are_read_as_they_were_written() {
        let source: Ipv6Addr = "fe80::1".parse().unwrap();
        for hop_limit in [Some(255), Some(0), None] {
            let control = Control::V6 {
                interface: 7,
                source,
                hop_limit,
            };
            let packet = written_and_read(control);
            assert_eq!(packet, (Some(IpAddr::V6(source)), Some(7), hop_limit));
        }
        // The last four bytes of IPv4's are the destination of a packet received.
        let packet = written_and_read(Control::V4 { interface: 7 });
        assert_eq!(packet, (Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), Some(7), None));
        assert_eq!(written_and_read(Control::None), (None, None, None));
    }

    #[test]
    fn control_messages_of_any_length_do_no_harm() {
        let mut control = ControlBuffer::EMPTY;
        control.set(Control::V6 {
            interface: 7,
            source: Ipv6Addr::LOCALHOST,
            hop_limit: Some(1),
        });
        let (whole, bytes) = (control.len, control.bytes);
        for len in 0..=CONTROL_LEN {
            control.len = len;
            control.read(&mut empty());
        }
        for wrong in [0_usize, 1, 15, 16, 17, 1 << 20, usize::MAX] {
            control = ControlBuffer { bytes, len: whole };
            control.bytes[..size_of::<usize>()].copy_from_slice(&wrong.to_ne_bytes());
            control.read(&mut empty());
        }
    }

    #[test]
    fn the_time_of_arrival_is_read_and_nonsense_in_its_place_is_none() {
        let words = |a: i64, b: i64| [a.to_ne_bytes(), b.to_ne_bytes()].concat();
        assert_eq!(stamp(&words(3, 7)), Some(Duration::new(3, 7)));
        for wrong in [words(-1, 0), words(0, -1), words(3, 7)[..15].to_vec(), Vec::new()] {
            assert_eq!(stamp(&wrong), None);
        }
        assert_eq!(stamp(&words(i64::MAX, i64::MAX)).map(|d| d.as_secs() > 0), Some(true));
    }

    #[test]
    fn addresses_are_read_as_they_were_written() {
        for text in ["192.0.2.1", "2001:db8::1"] {
            let ip: IpAddr = text.parse().unwrap();
            let mut address = RawAddress::EMPTY;
            address.set(Target::Ip(ip, 3));
            assert_eq!(address.ip(), Some(ip));
            address.len -= 1;
            assert_eq!(address.ip(), None, "too short");
        }
        let mut address = RawAddress::EMPTY;
        assert_eq!(address.ip(), None);
        address.set(Target::Link {
            interface: 7,
            protocol: 0x0806,
            mac: [1, 2, 3, 4, 5, 6],
        });
        assert_eq!(address.ip(), None);
        let expected = [17, 0, 8, 6, 7, 0, 0, 0, 0, 0, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0];
        assert_eq!(
            (&address.bytes[..20], address.len),
            (&expected[..], 20),
            "on a little-endian machine"
        );
    }

    fn written_and_read(control: Control) -> (Option<IpAddr>, Option<u32>, Option<u8>) {
        let mut buffer = ControlBuffer::EMPTY;
        buffer.set(control);
        let mut packet = empty();
        buffer.read(&mut packet);
        (packet.destination, packet.interface, packet.hop_limit)
    }

    fn empty() -> Incoming<'static> {
        Incoming {
            bytes: &[],
            source: None,
            destination: None,
            interface: None,
            hop_limit: None,
            stamp: None,
            truncated: false,
        }
    }
}
