//! The client's view: is the address reached, and how long was it not?
//!
//! A probe is an echo request through the client's own kernel, so its neighbour cache decides where it goes, as with
//! any client. Answers are stamped when the client reads them.

use crate::clock::Clock;
use crate::command::{Result, Trouble, run};
use crate::netns::Namespace;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, recv, sendto, socket,
};
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Marks our echo requests among others on the same host.
const IDENTIFIER: u16 = 0x6b61;

/// A thread that asks an address again and again.
#[derive(Debug)]
pub struct Prober {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Answers>>,
}

/// When answers came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// How many questions were sent.
    pub asked: usize,
    /// When each answer arrived, in order.
    pub at: Vec<Duration>,
}

impl Answers {
    /// The longest time without an answer between two points, and when it began.
    pub fn longest_silence(&self, from: Duration, to: Duration) -> (Duration, Duration) {
        let mut longest = (Duration::ZERO, from);
        let mut last = from;
        let inside = self.at.iter().copied().filter(|at| *at > from && *at < to);
        for at in inside.chain([to]) {
            let silence = at.saturating_sub(last);
            if silence > longest.0 {
                longest = (silence, last);
            }
            last = at;
        }
        longest
    }
}

impl Prober {
    /// Begins to ask `address` from the host behind `namespace`, once every `period`.
    pub fn start(namespace: &Namespace, address: IpAddr, period: Duration, clock: Clock) -> Result<Prober> {
        Prober::begin(namespace, address, period, clock, false)
    }

    fn begin(
        namespace: &Namespace,
        address: IpAddr,
        period: Duration,
        clock: Clock,
        is_punctual: bool,
    ) -> Result<Prober> {
        let socket = namespace
            .inside(|| open(address))?
            .map_err(Trouble::when("cannot open a probe socket"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let probe = Probe {
            socket,
            address,
            period,
            clock,
            stop: stop.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("prober".into())
            .spawn(move || {
                if is_punctual {
                    hasten();
                }
                probe.run()
            })
            .map_err(Trouble::when("cannot start the prober"))?;
        Ok(Prober {
            stop,
            thread: Some(thread),
        })
    }

    /// The same from a thread of real-time priority, where that is allowed: what is measured is then the answers and not how
    /// busy the client's machine is.
    pub fn start_punctual(namespace: &Namespace, address: IpAddr, period: Duration, clock: Clock) -> Result<Prober> {
        Prober::begin(namespace, address, period, clock, true)
    }

    /// Ends asking; what was answered.
    pub fn finish(mut self) -> Result<Answers> {
        self.stop.store(true, Ordering::Relaxed);
        let answers = self.thread.take().and_then(|thread| thread.join().ok());
        answers.ok_or_else(|| Trouble::new("the prober panicked"))
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("lab: the prober panicked");
        }
    }
}

/// Real-time priority for this thread alone, not for what it starts.
fn hasten() {
    let thread = nix::unistd::gettid().to_string();
    if let Err(trouble) = run("chrt", &["--reset-on-fork", "--fifo", "--pid", "40", &thread], "") {
        eprintln!("lab: the client asks with ordinary priority: {trouble}");
    }
}

fn open(address: IpAddr) -> nix::Result<OwnedFd> {
    let (family, protocol) = match address {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
}

struct Probe {
    socket: OwnedFd,
    address: IpAddr,
    period: Duration,
    clock: Clock,
    stop: Arc<AtomicBool>,
}

impl Probe {
    fn run(self) -> Answers {
        let mut answers = Answers::default();
        let mut next = self.clock.now();
        while !self.stop.load(Ordering::Relaxed) {
            // An address nobody has is "host unreachable" here; a question that could not be sent stays unanswered.
            let _ = self.ask(answers.asked as u16);
            answers.asked += 1;
            next += self.period;
            self.listen(next, &mut answers);
        }
        answers
    }

    fn ask(&self, sequence: u16) -> nix::Result<usize> {
        let fd = self.socket.as_raw_fd();
        match self.address {
            IpAddr::V4(address) => {
                let to = SockaddrIn::from(SocketAddrV4::new(address, 0));
                sendto(fd, &request(8, sequence), &to, MsgFlags::MSG_DONTWAIT)
            }
            IpAddr::V6(address) => {
                // The kernel fills the checksum of ICMPv6 in itself.
                let to = SockaddrIn6::from(SocketAddrV6::new(address, 0, 0, 0));
                sendto(fd, &request(128, sequence), &to, MsgFlags::MSG_DONTWAIT)
            }
        }
    }

    /// Takes answers until it is time for the next question.
    fn listen(&self, until: Duration, answers: &mut Answers) {
        let mut packet = [0; 256];
        while let Some(left) = until.checked_sub(self.clock.now()).filter(|left| !left.is_zero()) {
            let mut wanted = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            // At least a millisecond, or the loop would spin at the end of each period.
            let patience = u16::try_from(left.as_millis().max(1)).unwrap_or(u16::MAX);
            if poll(&mut wanted, PollTimeout::from(patience)).is_err() {
                continue;
            }
            match recv(self.socket.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
                Ok(len) if self.is_answer(packet.get(..len).unwrap_or_default()) => answers.at.push(self.clock.now()),
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
                // An unreachable host is reported here too; the next question will tell.
                Err(_) => {}
            }
        }
    }

    fn is_answer(&self, packet: &[u8]) -> bool {
        let (kind, message) = match self.address {
            IpAddr::V4(_) => {
                let skip = packet.first().map_or(0, |first| usize::from(first & 15) * 4);
                (0, packet.get(skip..).unwrap_or_default())
            }
            IpAddr::V6(_) => (129, packet),
        };
        let &[first, _, _, _, high, low, ..] = message else {
            return false;
        };
        first == kind && u16::from_be_bytes([high, low]) == IDENTIFIER
    }
}

fn request(kind: u8, sequence: u16) -> [u8; 8] {
    let words = [u16::from(kind) << 8, IDENTIFIER, sequence];
    let mut sum: u32 = words.iter().map(|word| u32::from(*word)).sum();
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    let [c0, c1] = (!(sum as u16)).to_be_bytes();
    let ([i0, i1], [s0, s1]) = (IDENTIFIER.to_be_bytes(), sequence.to_be_bytes());
    [kind, 0, c0, c1, i0, i1, s0, s1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silence_counts_the_time_before_the_first_and_after_the_last_answer() {
        let at = [2, 3, 7, 8].map(Duration::from_secs).to_vec();
        let answers = Answers { asked: 9, at };
        let secs = Duration::from_secs;
        assert_eq!(answers.longest_silence(secs(1), secs(9)), (secs(4), secs(3)));
        assert_eq!(answers.longest_silence(secs(1), secs(20)), (secs(12), secs(8)));
        assert_eq!(Answers::default().longest_silence(secs(1), secs(2)), (secs(1), secs(1)));
    }

    #[test]
    fn the_words_of_an_echo_request_sum_up_to_all_ones() {
        let bytes = request(8, 0xfffe);
        let mut sum: u32 = bytes
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        sum = (sum & 0xffff) + (sum >> 16);
        assert_eq!(sum, 0xffff);
    }

    #[test]
    fn the_own_loopback_answers() {
        let namespace = Namespace::create("probe").unwrap();
        let clock = Clock::start();
        for address in ["127.0.0.1", "::1"] {
            let address = address.parse().unwrap();
            let prober = Prober::start(&namespace, address, Duration::from_millis(1), clock).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            let answers = prober.finish().unwrap();
            assert!(
                !answers.at.is_empty() && answers.at.len() <= answers.asked,
                "{address}: {answers:?}"
            );
        }
    }
}
