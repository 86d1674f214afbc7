//! The event loop: waits until a descriptor is ready or a point in time has come, whichever is first.
//!
//! It is the only place where a role reads clocks. It decides nothing: who is ready, and what that means,
//! is for the role. It does not know what its tokens stand for.
//!
//! # Two clocks
//!
//! `CLOCK_MONOTONIC` ([`Reactor::now`]) counts microseconds of running time; it is never set and does not count
//! the time a machine is suspended. Protocol timers live on it: a router that wakes from sleep has heard nothing,
//! and must not conclude in its first millisecond that all masters are dead. `CLOCK_BOOTTIME` ([`boot_age`]) is
//! the same with the suspended time in it; it answers "how long ago did this machine boot".
//!
//! # Edges
//!
//! Descriptors are watched edge-triggered: readiness is reported once, when it begins. A reader that stops before
//! its descriptor is empty, because work per turn is bounded, says so with [`Reactor::again`].

use crate::SysError;
use base::Instant;
use mio::unix::SourceFd;
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// Descriptors reported by one turn of [`Reactor::wait`]; the others follow in the next.
const EVENTS_PER_TURN: usize = 256;

/// The token of the reactor's own timer. Callers' tokens are smaller.
const TIMER: mio::Token = mio::Token(usize::MAX);

/// Whether a bounded reader has emptied its source.
#[must_use = "a source that was not emptied reports no new edge: tell the reactor with `again`"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing is left; the next arrival makes the descriptor ready.
    Drained,
    /// The turn ended first: call [`Reactor::again`] with the token of the descriptor.
    More,
}

/// The caller's name for a descriptor. [`usize::MAX`] is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub usize);

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read, or the end, or an error.
    Readable,
    /// Room to write, or an error.
    Writable,
    /// Both.
    Both,
}

/// A descriptor that became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Whose.
    pub token: Token,
    /// There is something to read: data, the end, or an error.
    pub readable: bool,
    /// There is room to write, or an error.
    pub writable: bool,
}

/// Watches descriptors and one deadline.
pub struct Reactor {
    poll: mio::Poll,
    events: mio::Events,
    timer: TimerFd,
    /// When the kernel's timer is set to go off, unless it has.
    armed: Option<Instant>,
    /// Descriptors their readers left unfinished.
    unfinished: Vec<Token>,
}

impl Reactor {
    /// A reactor that watches nothing yet.
    pub fn new() -> Result<Reactor, SysError> {
        let failed = |source| SysError::new("create the event loop", "", source);
        let poll = mio::Poll::new().map_err(failed)?;
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(|errno| failed(errno.into()))?;
        let raw = timer.as_fd().as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&raw), TIMER, mio::Interest::READABLE)
            .map_err(failed)?;
        Ok(Reactor {
            poll,
            events: mio::Events::with_capacity(EVENTS_PER_TURN),
            timer,
            armed: None,
            unfinished: Vec::new(),
        })
    }

    /// The time.
    pub fn now(&self) -> Instant {
        let elapsed = read_clock(nix::time::ClockId::CLOCK_MONOTONIC);
        Instant::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// What the system's clock shows, since 1970, UTC. Anybody may set it: no timer depends on it.
    pub fn wall_clock(&self) -> Duration {
        read_clock(nix::time::ClockId::CLOCK_REALTIME)
    }

    /// Watches a descriptor until [`Reactor::deregister`] or its closing, whichever is first.
    pub fn register(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> Result<(), SysError> {
        let failed = |source| SysError::new("watch descriptor", fd.as_raw_fd(), source);
        if mio::Token(token.0) == TIMER {
            return Err(failed(io::Error::from(Errno::EINVAL)));
        }
        let interest = match interest {
            Interest::Readable => mio::Interest::READABLE,
            Interest::Writable => mio::Interest::WRITABLE,
            Interest::Both => mio::Interest::READABLE | mio::Interest::WRITABLE,
        };
        self.poll
            .registry()
            .register(&mut SourceFd(&fd.as_raw_fd()), mio::Token(token.0), interest)
            .map_err(failed)
    }

    /// Stops watching a descriptor.
    ///
    /// Events already collected by [`Reactor::wait`] may still name its token.
    pub fn deregister(&mut self, fd: BorrowedFd<'_>, token: Token) -> Result<(), SysError> {
        self.unfinished.retain(|other| *other != token);
        self.poll
            .registry()
            .deregister(&mut SourceFd(&fd.as_raw_fd()))
            .map_err(|source| SysError::new("stop watching descriptor", fd.as_raw_fd(), source))
    }

    /// Reports `token` as readable in the next turn, which then does not wait: its reader has stopped before the
    /// descriptor was empty.
    pub fn again(&mut self, token: Token) {
        if !self.unfinished.contains(&token) {
            self.unfinished.push(token);
        }
    }

    /// Waits until a descriptor is ready or `until` has come, and replaces the contents of `ready` with what is
    /// ready: nothing, if it was the time.
    ///
    /// A point in the past does not wait but still looks at the descriptors. Returns never before `until` with
    /// nothing; signals are waited through.
    pub fn wait(&mut self, until: Option<Instant>, ready: &mut Vec<Ready>) -> Result<(), SysError> {
        ready.clear();
        loop {
            let at_once = !self.unfinished.is_empty() || until.is_some_and(|at| at <= self.now());
            if let (Some(at), false) = (until, at_once) {
                self.arm(at)?;
            }
            match self.poll.poll(&mut self.events, at_once.then_some(Duration::ZERO)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(SysError::new("wait for events", "", error)),
            }
            self.collect(ready);
            if at_once || !ready.is_empty() || until.is_some_and(|at| at <= self.now()) {
                return Ok(());
            }
            // The timer went off for an earlier deadline that has moved since.
        }
    }

    /// Sets the kernel's timer, unless it goes off early enough already.
    ///
    /// Deadlines mostly move later: every advert moves the master-down time of a backup. Leaving the earlier
    /// alarm in place costs one wake-up when it goes off instead of one system call for every packet.
    fn arm(&mut self, at: Instant) -> Result<(), SysError> {
        if self.armed.is_some_and(|armed| armed <= at) {
            return Ok(());
        }
        // An alarm at zero would switch the timer off; `at` is in the future and the clock never shows zero.
        let time = TimeSpec::from_duration(Duration::from_micros(at.as_micros().min(MAX_ALARM_MICROS)));
        self.timer
            .set(Expiration::OneShot(time), TimerSetTimeFlags::TFD_TIMER_ABSTIME)
            .map_err(|errno| SysError::new("set the timer", "", errno))?;
        self.armed = Some(at);
        Ok(())
    }

    fn collect(&mut self, ready: &mut Vec<Ready>) {
        for event in &self.events {
            if event.token() == TIMER {
                // Not read: setting it again clears it, and an edge is reported once.
                self.armed = None;
                continue;
            }
            ready.push(Ready {
                token: Token(event.token().0),
                readable: event.is_readable() || event.is_read_closed() || event.is_error(),
                writable: event.is_writable() || event.is_write_closed() || event.is_error(),
            });
        }
        for token in self.unfinished.drain(..) {
            match ready.iter_mut().find(|other| other.token == token) {
                Some(known) => known.readable = true,
                None => ready.push(Ready {
                    token,
                    readable: true,
                    writable: false,
                }),
            }
        }
    }
}

/// The latest alarm handed to the kernel, a hundred thousand years on: `FAR_FUTURE` does not fit its seconds.
const MAX_ALARM_MICROS: u64 = 100_000 * 365 * 86_400 * 1_000_000;

/// The time since 1970, as this machine believes now.
pub fn wall_clock() -> Duration {
    read_clock(nix::time::ClockId::CLOCK_REALTIME)
}

/// How long ago this machine booted, time of suspension included.
pub fn boot_age() -> Duration {
    read_clock(nix::time::ClockId::CLOCK_BOOTTIME)
}

/// How long this machine has been suspended since it booted: what one of the two clocks has and the other has not.
///
/// Never too much: the clock without that time is read last, so a process that is stopped in between sees too little,
/// and the rest when it looks again.
pub fn suspended() -> Duration {
    let with = read_clock(nix::time::ClockId::CLOCK_BOOTTIME);
    with.saturating_sub(read_clock(nix::time::ClockId::CLOCK_MONOTONIC))
}

/// Longest time a packet is believed to have waited for its reader.
///
/// Its age is a difference of two readings of the system's clock, which may be set in between. A role that was stopped
/// for longer counts what lay in its sockets as hardly older than its reading, and waits on from there.
const LONGEST_WAIT: Duration = Duration::from_millis(10);

/// Both clocks at one moment, for telling on the line of [`Reactor::now`] when packets arrived that the kernel stamped
/// with the system's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    now: Instant,
    system: Duration,
}

impl Moment {
    /// This moment.
    pub(crate) fn read() -> Moment {
        let system = read_clock(nix::time::ClockId::CLOCK_REALTIME);
        let now = read_clock(nix::time::ClockId::CLOCK_MONOTONIC);
        Moment {
            now: Instant::from_micros(u64::try_from(now.as_micros()).unwrap_or(u64::MAX)),
            system,
        }
    }

    /// When a packet with this stamp arrived: between [`LONGEST_WAIT`] ago and now.
    pub(crate) fn arrival(self, stamp: Option<Duration>) -> Instant {
        let waited = stamp.map_or(Duration::ZERO, |stamp| self.system.saturating_sub(stamp));
        self.now.before(waited.min(LONGEST_WAIT))
    }
}

fn read_clock(clock: nix::time::ClockId) -> Duration {
    match clock.now() {
        Ok(time) => Duration::from(time),
        // clock_gettime(2) fails for unknown clocks and bad pointers only.
        Err(errno) => unreachable!("the kernel has no clock {clock}: {errno}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_was_not_suspended_meanwhile_says_the_same_twice() {
        let first = suspended();
        std::thread::yield_now();
        let second = suspended();
        assert!(second <= first + Duration::from_millis(1), "{first:?} {second:?}");
    }
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_wakes_at_its_deadline_and_not_before() {
        let (mut reactor, mut ready) = (Reactor::new().unwrap(), Vec::new());
        for span in [MS, 5 * MS, 20 * MS, Duration::from_micros(150)] {
            let deadline = reactor.now().after(span);
            reactor.wait(Some(deadline), &mut ready).unwrap();
            let now = reactor.now();
            assert!(now >= deadline, "woke {:?} early", deadline - now);
            assert_eq!(ready, []);
            println!("{span:?}: {:?} late", now - deadline);
        }
    }

    #[test]
    fn a_stamp_makes_a_packet_older_within_limits() {
        let now = Instant::from_micros(1_000_000);
        let moment = Moment {
            now,
            system: Duration::from_secs(100),
        };
        let ago = |span: Duration| Some(Duration::from_secs(100) - span);
        assert_eq!(moment.arrival(None), now);
        assert_eq!(moment.arrival(ago(MS)), now.before(MS));
        assert_eq!(
            moment.arrival(ago(50 * MS)),
            now.before(LONGEST_WAIT),
            "the clock was set, or we were stopped"
        );
        assert_eq!(
            moment.arrival(Some(Duration::from_secs(101))),
            now,
            "the clock was set back"
        );
    }

    #[test]
    fn a_deadline_that_moves_later_is_kept_and_one_that_moves_earlier_too() {
        let (mut reactor, mut ready) = (Reactor::new().unwrap(), Vec::new());
        let (mut sender, receiver) = UnixStream::pair().unwrap();
        reactor
            .register(receiver.as_fd(), Token(1), Interest::Readable)
            .unwrap();
        let start = reactor.now();
        // Armed for 10 ms, left early for a descriptor, then asked for 30 ms: the alarm at 10 ms must not end it.
        sender.write_all(b"x").unwrap();
        reactor.wait(Some(start.after(10 * MS)), &mut ready).unwrap();
        assert_eq!(ready.len(), 1);
        reactor.wait(Some(start.after(30 * MS)), &mut ready).unwrap();
        assert!(reactor.now() >= start.after(30 * MS));
        // Armed for an hour, then asked for 5 ms.
        sender.write_all(b"x").unwrap();
        reactor
            .wait(Some(reactor.now().after(3_600_000 * MS)), &mut ready)
            .unwrap();
        let soon = reactor.now().after(5 * MS);
        reactor.wait(Some(soon), &mut ready).unwrap();
        assert!(reactor.now() >= soon && reactor.now() < soon.after(Duration::from_secs(10)));
    }

    #[test]
    fn a_deadline_in_the_past_still_looks_at_the_descriptors() {
        let (mut reactor, mut ready) = (Reactor::new().unwrap(), Vec::new());
        let (mut sender, receiver) = UnixStream::pair().unwrap();
        reactor
            .register(receiver.as_fd(), Token(7), Interest::Readable)
            .unwrap();
        reactor.wait(Some(Instant::ZERO), &mut ready).unwrap();
        assert_eq!(ready, []);
        sender.write_all(b"x").unwrap();
        reactor.wait(Some(Instant::ZERO), &mut ready).unwrap();
        assert_eq!(
            ready,
            [Ready {
                token: Token(7),
                readable: true,
                writable: false
            }]
        );
    }

    #[test]
    fn a_ready_descriptor_ends_the_wait_and_is_reported_once() {
        let (mut reactor, mut ready) = (Reactor::new().unwrap(), Vec::new());
        let (mut sender, receiver) = UnixStream::pair().unwrap();
        reactor.register(receiver.as_fd(), Token(0), Interest::Both).unwrap();
        sender.write_all(b"x").unwrap();
        reactor.wait(None, &mut ready).unwrap();
        assert_eq!(
            ready,
            [Ready {
                token: Token(0),
                readable: true,
                writable: true
            }]
        );
        reactor.wait(Some(Instant::ZERO), &mut ready).unwrap();
        assert_eq!(ready, [], "no new edge");
        reactor.again(Token(0));
        reactor.again(Token(0));
        reactor.wait(None, &mut ready).unwrap();
        assert_eq!(
            ready,
            [Ready {
                token: Token(0),
                readable: true,
                writable: false
            }]
        );
    }

    #[test]
    fn a_deregistered_descriptor_is_not_reported() {
        let (mut reactor, mut ready) = (Reactor::new().unwrap(), Vec::new());
        let (mut sender, receiver) = UnixStream::pair().unwrap();
        reactor
            .register(receiver.as_fd(), Token(3), Interest::Readable)
            .unwrap();
        reactor.again(Token(3));
        reactor.deregister(receiver.as_fd(), Token(3)).unwrap();
        sender.write_all(b"x").unwrap();
        reactor.wait(Some(reactor.now().after(2 * MS)), &mut ready).unwrap();
        assert_eq!(ready, []);
    }

    #[test]
    fn the_end_of_a_stream_is_something_to_read() {
        let (mut reactor, mut ready) = (Reactor::new().unwrap(), Vec::new());
        let (sender, receiver) = UnixStream::pair().unwrap();
        reactor
            .register(receiver.as_fd(), Token(1), Interest::Readable)
            .unwrap();
        drop(sender);
        reactor.wait(None, &mut ready).unwrap();
        assert!(ready.iter().any(|ready| ready.token == Token(1) && ready.readable));
    }

    #[test]
    fn the_far_future_is_a_deadline_like_any_other() {
        let (mut reactor, mut ready) = (Reactor::new().unwrap(), Vec::new());
        let (mut sender, receiver) = UnixStream::pair().unwrap();
        reactor
            .register(receiver.as_fd(), Token(1), Interest::Readable)
            .unwrap();
        sender.write_all(b"x").unwrap();
        reactor.wait(Some(Instant::FAR_FUTURE), &mut ready).unwrap();
        assert_eq!(ready.len(), 1);
    }

    #[test]
    fn the_reactors_own_token_cannot_be_taken() {
        let reactor = Reactor::new().unwrap();
        let (_sender, receiver) = UnixStream::pair().unwrap();
        let error = reactor
            .register(receiver.as_fd(), Token(usize::MAX), Interest::Readable)
            .unwrap_err();
        assert_eq!(error.errno(), Some(libc::EINVAL));
    }

    #[test]
    fn a_machine_is_at_least_as_old_as_its_running_time() {
        let reactor = Reactor::new().unwrap();
        let running = reactor.now().since(Instant::ZERO);
        assert!(boot_age() >= running);
    }
}
