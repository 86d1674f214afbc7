//! Generic netlink: families of messages that are found by name.
//!
//! Decides how a family is looked up, how requests are sent in groups, and how a dump is read to its end. It does not
//! know what the messages of a family mean.

use super::attribute::{Attribute, Messages, Writer, attributes};
use super::socket::{Arrival, RouteSocket, error_code, messages};
use crate::SysError;
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Requests in one system call. More refusals than fit into [`RECEIVE_BUFFER`] would be lost; this many fit.
const AT_ONCE: usize = 200;
/// Bytes of answers the kernel keeps for us.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Bytes of one datagram of answers; the kernel makes none larger than this for a dump.
const DATAGRAM: usize = 32 * 1024;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;

/// The family that knows the others, and what is asked of it (linux/genetlink.h).
mod controller {
    pub(super) const FAMILY: u16 = 16;
    pub(super) const VERSION: u8 = 2;
    pub(super) const GET_FAMILY: u8 = 3;
    pub(super) const FAMILY_ID: u16 = 1;
    pub(super) const FAMILY_NAME: u16 = 2;
}

/// A socket that speaks to one family.
pub struct GenericSocket {
    socket: RouteSocket,
    family: u16,
    version: u8,
    incoming: Vec<u8>,
}

/// A request to a family.
pub trait Request {
    /// The number of its command.
    fn command(&self) -> u8;
    /// Writes its attributes.
    fn write(&self, writer: &mut Writer<'_>);
}

impl GenericSocket {
    /// Opens a socket and looks the family up. ENOENT: the kernel has no such family, perhaps because a module is not
    /// loaded.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn open(name: &str, version: u8) -> Result<GenericSocket, SysError> {
        let socket = RouteSocket::open_for(SockProtocol::NetlinkGeneric, 0, RECEIVE_BUFFER)?;
        let mut this = GenericSocket {
            socket,
            family: controller::FAMILY,
            version: controller::VERSION,
            incoming: vec![0; DATAGRAM],
        };
        let failed = |errno: Errno| SysError::new("find the netlink family", name, errno);
        let mut found = None;
        let named = |writer: &mut Writer<'_>| {
            writer.put_text(controller::FAMILY_NAME, name);
        };
        this.ask(controller::GET_FAMILY, named, |attribute| {
            if attribute.number == controller::FAMILY_ID {
                found = attribute.as_u16();
            }
        })
        .map_err(failed)?;
        this.family = found.ok_or_else(|| failed(Errno::ENOENT))?;
        this.version = version;
        Ok(this)
    }

    /// Makes room for answers of at least so many bytes.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn reserve(&self, bytes: u32) -> Result<(), SysError> {
        self.socket.reserve(bytes)
    }

    /// Carries out requests in their order, many in one system call. The refusals, each with the place of its request.
    ///
    /// # Errors
    /// The kernel could not be asked, or its answers were lost: then nothing is known of the requests from here on.
    pub fn carry_out(&mut self, requests: &[impl Request]) -> Result<Vec<(usize, io::Error)>, Errno> {
        let mut refused = Vec::new();
        for (group, requests) in requests.chunks(AT_ONCE).enumerate() {
            self.group(requests, group * AT_ONCE, &mut refused)?;
        }
        Ok(refused)
    }

    fn group(
        &mut self,
        requests: &[impl Request],
        offset: usize,
        refused: &mut Vec<(usize, io::Error)>,
    ) -> Result<(), Errno> {
        self.drain();
        let count = u32::try_from(requests.len()).map_err(|_| Errno::EMSGSIZE)?;
        let first = self.socket.take_sequence(count);
        let mut outgoing = Messages::new();
        for (number, request) in (first..).zip(requests) {
            // An acknowledgement of the last is one of all: the kernel works through them in order.
            let ack = if number == first.wrapping_add(count - 1) {
                ACK
            } else {
                0
            };
            let header = [request.command(), self.version, 0, 0];
            outgoing.push(self.family, REQUEST | ack, number, &header, |writer| {
                request.write(writer);
            });
        }
        if outgoing.is_too_long() {
            return Err(Errno::EMSGSIZE);
        }
        self.socket.send(outgoing.bytes())?;
        let mut answered = false;
        loop {
            let length = match self.socket.receive(&mut self.incoming)? {
                Arrival::Bytes(length) => length,
                Arrival::Overrun => return Err(Errno::ENOBUFS),
                Arrival::Empty => break,
            };
            for message in messages(self.incoming.get(..length).unwrap_or_default()) {
                if i32::from(message.message_type()) != libc::NLMSG_ERROR {
                    continue;
                }
                let place = message.sequence_number().wrapping_sub(first);
                if place >= count {
                    continue;
                }
                answered |= place == count - 1;
                let errno = error_code(message.payload());
                if errno != 0 {
                    refused.push((offset + place as usize, io::Error::from_raw_os_error(errno)));
                }
            }
        }
        if answered { Ok(()) } else { Err(Errno::ENOBUFS) }
    }

    /// Asks for all there is; `each` gets the attributes of every message of the answer.
    ///
    /// # Errors
    /// The kernel's reason. ENOBUFS: it had to drop some of the answer; ask again.
    pub fn dump(
        &mut self,
        command: u8,
        body: impl FnOnce(&mut Writer<'_>),
        each: impl FnMut(&[u8]),
    ) -> Result<(), Errno> {
        self.talk(command, DUMP, body, each)
    }

    /// Asks one thing; `each` gets the attributes of the answer.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn ask(
        &mut self,
        command: u8,
        body: impl FnOnce(&mut Writer<'_>),
        mut each: impl FnMut(Attribute<'_>),
    ) -> Result<(), Errno> {
        self.talk(command, ACK, body, |payload| attributes(payload).for_each(&mut each))
    }

    fn talk(
        &mut self,
        command: u8,
        flags: u16,
        body: impl FnOnce(&mut Writer<'_>),
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), Errno> {
        self.drain();
        let number = self.socket.take_sequence(1);
        let mut outgoing = Messages::new();
        let header = [command, self.version, 0, 0];
        outgoing.push(self.family, REQUEST | flags, number, &header, body);
        if outgoing.is_too_long() {
            return Err(Errno::EMSGSIZE);
        }
        self.socket.send(outgoing.bytes())?;
        loop {
            let length = match self.socket.receive(&mut self.incoming)? {
                Arrival::Bytes(length) => length,
                Arrival::Overrun => return Err(Errno::ENOBUFS),
                // The kernel has answered before the send returned, and makes each next part of a dump when one is read.
                Arrival::Empty => return Err(Errno::ENODATA),
            };
            for message in messages(self.incoming.get(..length).unwrap_or_default()) {
                if message.sequence_number() != number {
                    continue;
                }
                match i32::from(message.message_type()) {
                    libc::NLMSG_DONE | libc::NLMSG_ERROR => {
                        return match error_code(message.payload()) {
                            0 => Ok(()),
                            errno => Err(Errno::from_raw(errno)),
                        };
                    }
                    // The payload begins with the header of the family.
                    _ => each(message.payload().get(4..).unwrap_or_default()),
                }
            }
        }
    }

    fn drain(&mut self) {
        while let Ok(Arrival::Bytes(_) | Arrival::Overrun) = self.socket.receive(&mut self.incoming) {}
    }
}

impl AsFd for GenericSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controller_finds_itself_and_not_what_is_not_there() {
        let found = GenericSocket::open("nlctrl", 2).unwrap();
        assert_eq!(found.family, controller::FAMILY);
        let missing = GenericSocket::open("nobody", 1).err().unwrap();
        assert_eq!(missing.errno(), Some(libc::ENOENT));
        assert_eq!(missing.to, "nobody");
    }

    /// Asks the controller for a family.
    struct Find(&'static str);

    impl Request for Find {
        fn command(&self) -> u8 {
            controller::GET_FAMILY
        }

        fn write(&self, writer: &mut Writer<'_>) {
            writer.put_text(controller::FAMILY_NAME, self.0);
        }
    }

    #[test]
    fn refusals_name_their_requests_in_groups_of_any_size() {
        let mut socket = GenericSocket::open("nlctrl", 2).unwrap();
        for (count, wrong) in [(1, vec![]), (1, vec![0]), (450, vec![0, 199, 200, 449]), (200, vec![7])] {
            let name = |at| if wrong.contains(&at) { "nobody" } else { "nlctrl" };
            let requests: Vec<Find> = (0..count).map(|at| Find(name(at))).collect();
            let refused = socket.carry_out(&requests).unwrap();
            let places: Vec<usize> = refused.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, wrong);
            assert!(
                refused
                    .iter()
                    .all(|(_, error)| error.raw_os_error() == Some(libc::ENOENT))
            );
        }
    }

    #[test]
    fn a_dump_ends() {
        let mut socket = GenericSocket::open("nlctrl", 2).unwrap();
        let mut names = Vec::new();
        socket
            .dump(
                controller::GET_FAMILY,
                |_| {},
                |payload| {
                    let name = attributes(payload).find(|a| a.number == controller::FAMILY_NAME);
                    names.extend(name.and_then(|name| name.as_text()).map(str::to_owned));
                },
            )
            .unwrap();
        assert!(names.iter().any(|name| name == "nlctrl"), "{names:?}");
    }
}
