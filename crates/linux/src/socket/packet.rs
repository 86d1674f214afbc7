//! Sends Ethernet frames out of interfaces, many in one system call. Receives nothing.

use super::frame::Frame;
use crate::SysError;
use crate::sys::messages::{self, Control, Outgoing, Target};
use base::IfIndex;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes of frames that may wait in the kernel to be sent: a burst of some thousand announcements.
const SEND_BUFFER: usize = 1 << 20;

/// A frame and the interface it leaves from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutFrame {
    /// The interface.
    pub interface: IfIndex,
    /// The frame.
    pub frame: Frame,
}

/// A packet socket for sending.
pub struct FrameSender {
    socket: Socket,
}

impl FrameSender {
    /// Opens the socket in the network namespace of the calling thread.
    pub fn open() -> Result<FrameSender, SysError> {
        let failed = |source| SysError::new("open a packet socket", "", source);
        // Protocol zero: the kernel never gives it a frame.
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None).map_err(failed)?;
        if setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
            // Without the capability: as much as the system allows.
            setsockopt(&socket, sockopt::SndBuf, &SEND_BUFFER).map_err(|errno| failed(errno.into()))?;
        }
        Ok(FrameSender { socket })
    }

    /// Sends `frames` in order without waiting, and returns how many are dealt with: sent, or refused and appended to
    /// `refused` with position and error number. If that is not all, the kernel has no room for more; try the rest
    /// later.
    pub fn send(&self, frames: &[OutFrame], refused: &mut Vec<(usize, i32)>) -> usize {
        let mut done = 0;
        while let Some(rest) = frames.get(done..).filter(|rest| !rest.is_empty()) {
            match messages::send(self.socket.as_fd(), rest.iter().map(outgoing), 0) {
                // The kernel stops quietly before a frame it refuses; the next call begins with it and says why.
                Ok(sent) => done += sent,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::ENOBUFS) => return done,
                    errno => {
                        refused.push((done, errno.unwrap_or(libc::EIO)));
                        done += 1;
                    }
                },
            }
        }
        done
    }
}

impl AsFd for FrameSender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn outgoing(out: &OutFrame) -> Outgoing<'_> {
    Outgoing {
        bytes: out.frame.as_bytes(),
        target: Target::Link {
            interface: out.interface.0,
            protocol: out.frame.protocol(),
            mac: out.frame.destination().0,
        },
        control: Control::None,
    }
}
