//! A channel of whole messages, with descriptors, between two processes of the daemon; and waiting for several.
//!
//! Both ends are non-blocking: a peer that does not read is told apart from one that is gone, and neither stops
//! the sender. What the messages mean is not known here.

use crate::{SysError, sys_process};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, getsockname, getsockopt, recvmsg,
    sendmsg, setsockopt, socketpair, sockopt,
};
use nix::sys::time::TimeSpec;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// The longest message; a longer one is refused by [`Channel::send`]. Larger things travel as [`crate::memfd`].
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Descriptors that one message can carry.
pub const MAX_DESCRIPTORS: usize = 4;
/// How long it takes to look at descriptors that cannot be waited for: short for a person, long for a processor.
const NAP: Duration = Duration::from_millis(20);
/// Bytes that wait in the kernel for a reader who is late; asked for, the kernel may give less.
const SEND_BUFFER: usize = 1024 * 1024;

/// One end of a pair of connected sequenced-packet sockets.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the kernel's hands.
    Done,
    /// The other end is behind; nothing was sent.
    Full,
    /// There is no other end any more.
    Closed,
}

/// What a reading gave.
#[derive(Debug)]
pub enum Received {
    /// A message of so many bytes at the beginning of the buffer, and the descriptors it carried: none if this process may
    /// not open more.
    Message {
        /// Bytes.
        length: usize,
        /// In the order they were sent.
        descriptors: Vec<OwnedFd>,
    },
    /// Nothing is waiting.
    Nothing,
    /// The other end is gone and everything it sent has been read.
    Closed,
}

impl Channel {
    /// Two connected ends.
    pub fn pair() -> Result<(Channel, Channel), SysError> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(|errno| SysError::new("make a control channel", "", errno))?;
        for end in [&a, &b] {
            // Best effort: without it the kernel's default holds fewer lines before the first is dropped.
            let _ = setsockopt(end, sockopt::SndBuf, &SEND_BUFFER);
        }
        Ok((Channel(a), Channel(b)))
    }

    /// The end this process was given as its standard input, which is replaced by `/dev/null`.
    pub fn from_stdin() -> Result<Channel, SysError> {
        let fail = |source: io::Error| SysError::new("use the standard input as control channel", "", source);
        let channel = io::stdin().as_fd().try_clone_to_owned().map_err(fail)?;
        let local = getsockname::<nix::sys::socket::UnixAddr>(channel.as_raw_fd()).map(|_| ());
        let kind = getsockopt(&channel, sockopt::SockType);
        if local.is_err() || kind != Ok(SockType::SeqPacket) {
            return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, "it is not one")));
        }
        crate::process::null_stdin()?;
        Ok(Channel(channel))
    }

    /// An end that came with a message.
    pub fn from_fd(fd: OwnedFd) -> Channel {
        Channel(fd)
    }

    /// Another handle of the same end.
    pub fn try_clone(&self) -> Result<Channel, SysError> {
        let copy = self.0.try_clone();
        copy.map(Channel)
            .map_err(|source| SysError::new("copy a control channel", "", source))
    }

    /// Sends one message with descriptors, without waiting.
    pub fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Sent, SysError> {
        let fail = |source: io::Error| SysError::new("send on a control channel", "", source);
        if message.len() > MAX_MESSAGE || descriptors.len() > MAX_DESCRIPTORS {
            return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, "message too long")));
        }
        let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let parts = [IoSlice::new(message)];
        loop {
            return match sendmsg::<()>(self.0.as_raw_fd(), &parts, control, flags, None) {
                Ok(_) => Ok(Sent::Done),
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ETOOMANYREFS) => Ok(Sent::Full),
                Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN) => Ok(Sent::Closed),
                Err(errno) => Err(fail(errno.into())),
            };
        }
    }

    /// Reads one message into `buffer`, which should hold [`MAX_MESSAGE`] bytes, without waiting.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Received, SysError> {
        let fail = |source: io::Error| SysError::new("receive from a control channel", "", source);
        let mut space = cmsg_space!([RawFd; MAX_DESCRIPTORS]);
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let message = loop {
            match recvmsg::<()>(self.0.as_raw_fd(), &mut parts, Some(&mut space), flags) {
                Ok(message) => break message,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(Received::Nothing),
                Err(Errno::ECONNRESET | Errno::ENOTCONN) => return Ok(Received::Closed),
                Err(errno) => return Err(fail(errno.into())),
            }
        };
        let mut descriptors = Vec::new();
        // The message is whole without them, and whoever reads it can answer.
        if !message.flags.contains(MsgFlags::MSG_CTRUNC) {
            for item in message.cmsgs().map_err(|errno| fail(errno.into()))? {
                if let ControlMessageOwned::ScmRights(raw) = item {
                    descriptors.extend(raw.into_iter().map(sys_process::own_received));
                }
            }
        }
        match message.bytes {
            _ if message.flags.contains(MsgFlags::MSG_TRUNC) => {
                Err(fail(io::Error::new(io::ErrorKind::InvalidData, "message was cut")))
            }
            0 => Ok(Received::Closed),
            length => Ok(Received::Message { length, descriptors }),
        }
    }

    /// What to say of a message without the descriptor it should carry: there is one reason.
    pub fn no_descriptor() -> SysError {
        SysError::new("take a descriptor from a message", "", Errno::EMFILE)
    }

    /// Waits until a message can be sent, at most `limit`. For the last words of a process only.
    pub fn wait_writable(&self, limit: Duration) -> Result<bool, SysError> {
        wait_for(self.0.as_fd(), PollFlags::POLLOUT, limit)
    }

    /// The descriptor, to be handed to a child as its standard input.
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Several descriptors that can be waited for as one: it is readable when one of them is.
#[derive(Debug)]
pub struct Gathered(Epoll);

impl Gathered {
    /// Of these, which must stay open as long as they are to be waited for.
    pub fn new(descriptors: &[BorrowedFd<'_>]) -> Result<Gathered, SysError> {
        let fail = |errno| SysError::new("gather descriptors", "", errno);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(fail)?;
        for fd in descriptors {
            epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, 0)).map_err(fail)?;
        }
        Ok(Gathered(epoll))
    }
}

impl AsFd for Gathered {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}

/// Waits until one of `descriptors` can be read or is closed, or until `timeout` has passed (`None`: for ever).
///
/// The answer has one entry for each descriptor. An interrupted wait is a wait in which nothing happened. Where the kernel
/// cannot wait for so many (somebody has lowered the limit of open descriptors below their number, or there is no memory),
/// all count as readable after a nap: whoever asks must bear to find nothing.
pub fn wait(descriptors: &[BorrowedFd<'_>], timeout: Option<Duration>) -> Result<Vec<bool>, SysError> {
    let mut set: Vec<PollFd<'_>> = descriptors
        .iter()
        .map(|fd| PollFd::new(*fd, PollFlags::POLLIN))
        .collect();
    match ppoll(&mut set, timeout.map(TimeSpec::from), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(set.iter().map(|fd| fd.any().unwrap_or(true)).collect()),
        Err(Errno::EINVAL | Errno::ENOMEM | Errno::EAGAIN) => {
            let nap = timeout.map_or(NAP, |timeout| timeout.min(NAP));
            // Of nothing there is nothing to refuse.
            let _ = ppoll(&mut [], Some(TimeSpec::from(nap)), None);
            Ok(vec![true; descriptors.len()])
        }
        Err(errno) => Err(SysError::new("wait for events", "", errno)),
    }
}

/// Whether a write of a page would not block, waiting at most `limit` for it.
///
/// A pipe that is ready has room for 4096 bytes (`PIPE_BUF`); a file is always ready.
pub fn writable(descriptor: BorrowedFd<'_>, limit: Duration) -> Result<bool, SysError> {
    wait_for(descriptor, PollFlags::POLLOUT, limit)
}

fn wait_for(descriptor: BorrowedFd<'_>, flags: PollFlags, limit: Duration) -> Result<bool, SysError> {
    let mut set = [PollFd::new(descriptor, flags)];
    match ppoll(&mut set, Some(TimeSpec::from(limit)), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(set.iter().any(|fd| fd.revents().is_some_and(|r| r.intersects(flags)))),
        Err(errno) => Err(SysError::new("wait for room to write", "", errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memfd::Sealed;

    #[test]
    fn a_message_arrives_whole_with_its_descriptors() {
        let (a, b) = Channel::pair().unwrap();
        let sealed = Sealed::new("t", b"content").unwrap();
        assert_eq!(a.send(b"one", &[sealed.as_fd()]).unwrap(), Sent::Done);
        assert_eq!(a.send(b"second", &[]).unwrap(), Sent::Done);
        let mut buffer = [0; 64];
        let Received::Message {
            length,
            mut descriptors,
        } = b.receive(&mut buffer).unwrap()
        else {
            panic!("no message");
        };
        assert_eq!(&buffer[..length], b"one");
        let copy = Sealed::from_fd(descriptors.remove(0)).unwrap();
        assert_eq!(copy.read().unwrap(), b"content");
        assert!(matches!(
            b.receive(&mut buffer).unwrap(),
            Received::Message { length: 6, .. }
        ));
        assert!(matches!(b.receive(&mut buffer).unwrap(), Received::Nothing));
    }

    #[test]
    fn an_end_that_is_gone_is_told_from_one_that_is_late() {
        let (a, b) = Channel::pair().unwrap();
        let message = [7; 32 * 1024];
        let sent = (0..1000)
            .take_while(|_| a.send(&message, &[]).unwrap() == Sent::Done)
            .count();
        assert!((1..1000).contains(&sent), "{sent}");
        drop(b);
        assert_eq!(a.send(&message, &[]).unwrap(), Sent::Closed);
        assert!(matches!(a.receive(&mut [0; 16]).unwrap(), Received::Closed));
    }

    #[test]
    fn waiting_ends_when_a_message_comes_or_the_time_is_over() {
        let (a, b) = Channel::pair().unwrap();
        let soon = Some(Duration::from_millis(1));
        assert_eq!(wait(&[a.as_fd(), b.as_fd()], soon).unwrap(), [false, false]);
        a.send(b"x", &[]).unwrap();
        assert_eq!(wait(&[a.as_fd(), b.as_fd()], None).unwrap(), [false, true]);
    }

    #[test]
    fn what_cannot_be_waited_for_any_more_is_looked_at_after_a_nap() {
        use nix::sys::resource::{Resource, getrlimit};
        let (a, _b) = Channel::pair().unwrap();
        // One more than this process may have open.
        let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let many = vec![a.as_fd(); usize::try_from(limit).unwrap() + 1];
        let ready = wait(&many, Some(Duration::from_secs(60))).unwrap();
        assert!(ready.len() == many.len() && ready.iter().all(|ready| *ready));
    }

    #[test]
    fn a_message_longer_than_the_limit_is_refused() {
        let (a, _b) = Channel::pair().unwrap();
        assert!(a.send(&vec![0; MAX_MESSAGE + 1], &[]).is_err());
    }
}
