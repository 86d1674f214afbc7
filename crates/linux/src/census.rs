//! Which processes run: by their names in the kernel or by their command lines.
//!
//! Two sources. The process connector of the kernel reports every fork, exec, change of name and exit; it is open to root
//! in the first user and pid namespace only. Where it is not, the process table is read again and again. It does not know
//! what a name means to the caller: it asks.

use crate::{SysError, Turn};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, recv, send};
use socket2::{Domain, Protocol, Socket, Type};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// NETLINK_CONNECTOR.
const CONNECTOR: i32 = 11;
/// CN_IDX_PROC and CN_VAL_PROC: whom messages are for.
const PROC: u32 = 1;
/// PROC_CN_MCAST_LISTEN.
const LISTEN: u32 = 1;
/// Lengths of the headers around an event: that of netlink, that of the connector.
const NETLINK_HEADER: usize = 16;
const CONNECTOR_HEADER: usize = 20;
/// Room for reports that are not read yet.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Reports read in one turn.
const REPORTS_PER_TURN: usize = 256;
/// The largest report is much smaller.
const REPORT_ROOM: usize = 512;
/// Bytes of a command line that are looked at.
const COMMAND_LINE: usize = 16 * 1024;

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    /// A child was made that is what its parent is.
    Fork {
        /// The parent.
        parent: i32,
        /// The child.
        child: i32,
    },
    /// It runs another program, or has another name.
    Changed(i32),
    /// It has ended.
    Exit(i32),
    /// Reports were lost, or the kernel says whether it accepts the listener: look at the whole table.
    Lost,
}

/// What a process is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessNames {
    /// The name in the kernel: 15 bytes at most.
    pub short: Vec<u8>,
    /// The words of its command line; none for threads of the kernel.
    pub words: Vec<Vec<u8>>,
}

/// Listens to the process connector.
pub struct ProcessEar {
    socket: Socket,
}

impl ProcessEar {
    /// Opens the connector. Has to be done before another network namespace is entered.
    ///
    /// # Errors
    /// Without the right to listen, or where the kernel has no connector.
    pub fn open() -> Result<ProcessEar, SysError> {
        let failed = |source| SysError::new("listen to processes", "", source);
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), kind, Some(Protocol::from(CONNECTOR)));
        let socket = socket.map_err(failed)?;
        crate::netlink::set_receive_buffer(socket.as_fd(), RECEIVE_BUFFER).map_err(|errno| failed(errno.into()))?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, PROC)).map_err(|errno| failed(errno.into()))?;
        let sent = send(socket.as_raw_fd(), &subscription(), MsgFlags::MSG_DONTWAIT);
        sent.map_err(|errno| failed(errno.into()))?;
        Ok(ProcessEar { socket })
    }

    /// Makes room for at least so many bytes of reports that are not read yet.
    pub fn reserve(&self, bytes: u32) -> Result<(), SysError> {
        crate::netlink::reserve(self.socket.as_fd(), bytes)
    }

    /// Reads reports, a bounded number.
    pub fn read(&mut self, mut take: impl FnMut(ProcessEvent)) -> Result<Turn, SysError> {
        let mut buffer = [0; REPORT_ROOM];
        for _ in 0..REPORTS_PER_TURN {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(len) => {
                    if let Some(event) = buffer.get(..len).and_then(event) {
                        take(event);
                    }
                }
                Err(Errno::EAGAIN) => return Ok(Turn::Drained),
                Err(Errno::ENOBUFS) => take(ProcessEvent::Lost),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(SysError::new("read reports of processes", "", errno)),
            }
        }
        Ok(Turn::More)
    }
}

impl AsFd for ProcessEar {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The message that asks for reports.
fn subscription() -> Vec<u8> {
    let total = NETLINK_HEADER + CONNECTOR_HEADER + size_of::<u32>();
    let mut bytes = Vec::with_capacity(total);
    bytes.extend((total as u32).to_ne_bytes());
    bytes.extend((libc::NLMSG_DONE as u16).to_ne_bytes());
    bytes.extend([0; 2 + 4 + 4]);
    for word in [PROC, PROC, 0, 0] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend((size_of::<u32>() as u16).to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(LISTEN.to_ne_bytes());
    bytes
}

/// The event in a report; `None` for those of threads, and for kinds of no interest.
pub(crate) fn event(report: &[u8]) -> Option<ProcessEvent> {
    let body = report.get(NETLINK_HEADER + CONNECTOR_HEADER..)?;
    let word = |at: usize| -> Option<u32> {
        let bytes = body.get(at..at + 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    };
    // Behind the kind, the processor and the time.
    let pid = |index: usize| word(16 + 4 * index).map(|pid| pid as i32);
    // In a process of one thread, and in the first thread of each, both numbers are equal.
    let process = || pid(0).filter(|id| pid(1) == Some(*id));
    match word(0)? {
        1 => {
            let child = pid(2).filter(|id| pid(3) == Some(*id))?;
            Some(ProcessEvent::Fork { parent: pid(1)?, child })
        }
        2 | 0x200 => process().map(ProcessEvent::Changed),
        0x8000_0000 => process().map(ProcessEvent::Exit),
        _ => None,
    }
}

/// All processes there are; those that have ended and wait to be collected are none.
pub fn processes() -> Result<Vec<i32>, SysError> {
    let entries = fs::read_dir("/proc").map_err(|source| SysError::new("read", "/proc", source))?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|pid| !is_zombie(*pid)).collect())
}

fn is_zombie(pid: i32) -> bool {
    says_zombie(&fs::read(format!("/proc/{pid}/stat")).unwrap_or_default())
}

/// The same of what the kernel says of a process; of nothing too.
pub(crate) fn says_zombie(stat: &[u8]) -> bool {
    // The state follows the name, which may contain anything, in parentheses.
    let end = stat.iter().rposition(|byte| *byte == b')');
    end.and_then(|end| stat.get(end + 2)).is_none_or(|state| *state == b'Z')
}

/// What a process is called; `None` if there is none.
pub fn process_names(pid: i32, command_line: bool) -> Option<ProcessNames> {
    let mut short = fs::read(format!("/proc/{pid}/comm")).ok()?;
    short.pop_if(|byte| *byte == b'\n');
    let mut words = Vec::new();
    if command_line {
        words = words_in(fs::read(format!("/proc/{pid}/cmdline")).ok()?);
    }
    Some(ProcessNames { short, words })
}

/// The words of a command line, each with a zero byte behind it.
pub(crate) fn words_in(mut line: Vec<u8>) -> Vec<Vec<u8>> {
    line.truncate(COMMAND_LINE);
    line.pop_if(|byte| *byte == 0);
    if line.is_empty() {
        return Vec::new();
    }
    line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn report(kind: u32, words: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; NETLINK_HEADER + CONNECTOR_HEADER];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 12]);
        bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        bytes
    }

    #[test]
    fn reports_are_read_and_those_of_threads_left_out() {
        let fork = ProcessEvent::Fork { parent: 7, child: 9 };
        assert_eq!(event(&report(1, &[8, 7, 9, 9])), Some(fork));
        assert_eq!(event(&report(1, &[8, 7, 9, 7])), None, "a thread");
        assert_eq!(event(&report(2, &[9, 9])), Some(ProcessEvent::Changed(9)));
        assert_eq!(event(&report(0x200, &[9, 9])), Some(ProcessEvent::Changed(9)));
        assert_eq!(event(&report(0x8000_0000, &[9, 9, 0, 17])), Some(ProcessEvent::Exit(9)));
        assert_eq!(event(&report(0x8000_0000, &[9, 7, 0, 17])), None);
        assert_eq!(event(&report(0, &[0, 0])), None);
    }

    #[test]
    fn every_shorter_report_is_refused_without_a_panic() {
        let whole = report(1, &[8, 7, 9, 9]);
        for len in 0..whole.len() {
            assert_eq!(event(&whole[..len]), None);
        }
    }

    #[test]
    fn a_process_is_found_with_its_names_and_a_zombie_is_not() {
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        // The new program may not be loaded yet.
        let names = loop {
            let names = process_names(pid, true).unwrap();
            if names.short == b"sleep" && names.words.len() == 2 {
                break names;
            }
            std::thread::yield_now();
        };
        assert_eq!(names.words, [b"sleep".to_vec(), b"1000".to_vec()]);
        assert!(processes().unwrap().contains(&pid));
        child.kill().unwrap();
        while !is_zombie(pid) {
            std::thread::yield_now();
        }
        assert!(!processes().unwrap().contains(&pid));
        child.wait().unwrap();
        assert_eq!(process_names(pid, true), None);
    }
}
