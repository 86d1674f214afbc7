//! The control packet of RFC 5880 section 4.1.
//!
//! Numbers become words here. It decides whether bytes are a packet at all, with the checks that need nothing but the
//! packet (section 6.8.6, and those the original adds). Whether the packet is welcome is for the session. An
//! authentication section is recognised and named, not verified.

use core::fmt;
use core::num::{NonZeroU8, NonZeroU32};
use core::time::Duration;

/// Bytes of a packet without an authentication section.
pub const LEN: usize = 24;

/// The version of the protocol.
const VERSION: u8 = 1;
/// The highest diagnostic of RFC 5880; the original refuses higher ones.
const LAST_DIAGNOSTIC: u8 = 8;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATED: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Held down on purpose.
    AdminDown,
    /// Nothing works, as far as this end knows.
    Down,
    /// The other end is heard, and has not said that it hears this one.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    const fn from_bits(bits: u8) -> State {
        match bits & 3 {
            0 => State::AdminDown,
            1 => State::Down,
            2 => State::Init,
            _ => State::Up,
        }
    }

    /// The number in packets.
    pub const fn bits(self) -> u8 {
        match self {
            State::AdminDown => 0,
            State::Down => 1,
            State::Init => 2,
            State::Up => 3,
        }
    }

    /// The word logs know.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::AdminDown => "AdminDown",
            State::Down => "Down",
            State::Init => "Init",
            State::Up => "Up",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a session last went down: 0 to 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Diagnostic(u8);

impl Diagnostic {
    /// Nothing happened.
    pub const NONE: Diagnostic = Diagnostic(0);
    /// Nothing was heard for the detection time.
    pub const EXPIRED: Diagnostic = Diagnostic(1);
    /// The other end said that it is down.
    pub const SIGNALED: Diagnostic = Diagnostic(3);
    /// Held down on purpose.
    pub const ADMINISTRATIVE: Diagnostic = Diagnostic(7);

    /// The number in packets.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The words logs know.
    pub const fn as_str(self) -> &'static str {
        match self.0 {
            0 => "No Diagnostic",
            1 => "Control Detection Time Expired",
            2 => "Echo Function Failed",
            3 => "Neighbor Signaled Session Down",
            4 => "Forwarding Plane Reset",
            5 => "Path Down",
            6 => "Concatenated Path Down",
            7 => "Administratively Down",
            _ => "Reverse Concatenated Path Down",
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which end of a poll sequence a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Polling {
    /// Neither.
    No,
    /// The question.
    Poll,
    /// The answer.
    Final,
}

/// An authentication section, as far as everybody can read it (RFC 5880 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// Its kind: 1 simple password, 2 and 3 MD5, 4 and 5 SHA1.
    pub kind: u8,
    /// Its length in bytes, at least 2.
    pub len: u8,
}

/// A control packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Why the sender last went down.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// Part of a poll sequence.
    pub polling: Polling,
    /// The sender's sessions survive a restart of its control plane.
    pub control_plane_independent: bool,
    /// The sender wants silence while both are up.
    pub demand: bool,
    /// How many packets may be missed.
    pub multiplier: NonZeroU8,
    /// The sender's number of the session.
    pub mine: NonZeroU32,
    /// The receiver's number of the session, once the sender knows it.
    pub yours: Option<NonZeroU32>,
    /// How often the sender wants to send. Whole microseconds.
    pub desired_min_tx: Duration,
    /// How often the sender wants to receive at most; zero: not at all. Whole microseconds.
    pub required_min_rx: Duration,
    /// How often the sender would send back echo packets; zero: never. Whole microseconds.
    pub required_min_echo_rx: Duration,
}

/// Why bytes are not a packet. Never a reason to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes than a packet has.
    Truncated(usize),
    /// The length it says is not the length it has.
    Length {
        /// As it says.
        said: u8,
        /// As it is.
        is: usize,
    },
    /// Another version.
    Version(u8),
    /// The detection multiplier is zero.
    ZeroMultiplier,
    /// The multipoint bit is set.
    Multipoint,
    /// The sender's discriminator is zero.
    ZeroDiscriminator,
    /// The receiver's discriminator is zero in a state in which the sender must know it.
    NoYourDiscriminator,
    /// Question and answer at once.
    PollAndFinal,
    /// A diagnostic nobody knows.
    Diagnostic(u8),
    /// The authentication section is not where the packet says.
    Authentication,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Truncated(len) => write!(f, "Packet is too small: {len} bytes"),
            Malformed::Length { said, is } => {
                write!(
                    f,
                    "Packet size mismatch: length field: {said} bytes, buffer size: {is} bytes"
                )
            }
            Malformed::Version(version) => write!(f, "Packet is of unsupported version: {version}"),
            Malformed::ZeroMultiplier => f.write_str("Packet 'detection multiplier' field is zero"),
            Malformed::Multipoint => f.write_str("Packet has 'multipoint' flag"),
            Malformed::ZeroDiscriminator => f.write_str("Packet 'my discriminator' field is zero"),
            Malformed::NoYourDiscriminator => {
                f.write_str("Packet 'your discriminator' field is zero and 'state' field is not Down or AdminDown")
            }
            Malformed::PollAndFinal => f.write_str("Packet has both poll and final flags set"),
            Malformed::Diagnostic(number) => write!(f, "Packet has invalid 'diag' field: {number}"),
            Malformed::Authentication => f.write_str("Packet has an authentication section of wrong length"),
        }
    }
}

/// Reads the payload of a datagram: the packet, and its authentication section if it has one.
pub fn parse(bytes: &[u8]) -> Result<(Packet, Option<Authentication>), Malformed> {
    let Some((header, rest)) = bytes.split_first_chunk::<LEN>() else {
        return Err(Malformed::Truncated(bytes.len()));
    };
    let &[first, second, multiplier, length, numbers @ ..] = header;
    let (version, diagnostic) = (first >> 5, first & 0x1f);
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    if usize::from(length) != bytes.len() {
        return Err(Malformed::Length {
            said: length,
            is: bytes.len(),
        });
    }
    let multiplier = NonZeroU8::new(multiplier).ok_or(Malformed::ZeroMultiplier)?;
    if second & MULTIPOINT != 0 {
        return Err(Malformed::Multipoint);
    }
    let [mine, yours, desired_min_tx, required_min_rx, required_min_echo_rx] = words(numbers);
    let mine = NonZeroU32::new(mine).ok_or(Malformed::ZeroDiscriminator)?;
    let yours = NonZeroU32::new(yours);
    let state = State::from_bits(second >> 6);
    match (state, yours) {
        (State::Init | State::Up, None) => return Err(Malformed::NoYourDiscriminator),
        (State::Init | State::Up, Some(_)) | (State::AdminDown | State::Down, _) => {}
    }
    let polling = match (second & POLL != 0, second & FINAL != 0) {
        (true, true) => return Err(Malformed::PollAndFinal),
        (true, false) => Polling::Poll,
        (false, true) => Polling::Final,
        (false, false) => Polling::No,
    };
    if diagnostic > LAST_DIAGNOSTIC {
        return Err(Malformed::Diagnostic(diagnostic));
    }
    let authentication = authentication(second & AUTHENTICATED != 0, rest)?;
    let packet = Packet {
        diagnostic: Diagnostic(diagnostic),
        state,
        polling,
        control_plane_independent: second & CONTROL_PLANE_INDEPENDENT != 0,
        demand: second & DEMAND != 0,
        multiplier,
        mine,
        yours,
        desired_min_tx: micros(desired_min_tx),
        required_min_rx: micros(required_min_rx),
        required_min_echo_rx: micros(required_min_echo_rx),
    };
    Ok((packet, authentication))
}

/// The section behind the header: its length must be that of what is there, with the bit or without.
fn authentication(announced: bool, rest: &[u8]) -> Result<Option<Authentication>, Malformed> {
    match (announced, rest) {
        (false, []) => Ok(None),
        (true, [kind, len, ..]) if usize::from(*len) == rest.len() => {
            Ok(Some(Authentication { kind: *kind, len: *len }))
        }
        (false | true, _) => Err(Malformed::Authentication),
    }
}

fn words(bytes: [u8; 20]) -> [u32; 5] {
    let [
        a0,
        a1,
        a2,
        a3,
        b0,
        b1,
        b2,
        b3,
        c0,
        c1,
        c2,
        c3,
        d0,
        d1,
        d2,
        d3,
        e0,
        e1,
        e2,
        e3,
    ] = bytes;
    [
        [a0, a1, a2, a3],
        [b0, b1, b2, b3],
        [c0, c1, c2, c3],
        [d0, d1, d2, d3],
        [e0, e1, e2, e3],
    ]
    .map(u32::from_be_bytes)
}

fn micros(number: u32) -> Duration {
    Duration::from_micros(u64::from(number))
}

/// Microseconds for the wire: a span that does not fit, which no configuration has, becomes the longest.
fn number(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

impl Packet {
    /// The bytes of the packet, without an authentication section.
    pub fn write(&self) -> [u8; LEN] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let polling = match self.polling {
            Polling::No => 0,
            Polling::Poll => POLL,
            Polling::Final => FINAL,
        };
        let first = VERSION << 5 | self.diagnostic.0;
        let second = self.state.bits() << 6
            | polling
            | flag(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
            | flag(self.demand, DEMAND);
        let [m0, m1, m2, m3] = self.mine.get().to_be_bytes();
        let [y0, y1, y2, y3] = self.yours.map_or(0, NonZeroU32::get).to_be_bytes();
        let [t0, t1, t2, t3] = number(self.desired_min_tx).to_be_bytes();
        let [r0, r1, r2, r3] = number(self.required_min_rx).to_be_bytes();
        let [e0, e1, e2, e3] = number(self.required_min_echo_rx).to_be_bytes();
        [
            first,
            second,
            self.multiplier.get(),
            LEN as u8, //
            m0,
            m1,
            m2,
            m3,
            y0,
            y1,
            y2,
            y3,
            t0,
            t1,
            t2,
            t3,
            r0,
            r1,
            r2,
            r3,
            e0,
            e1,
            e2,
            e3,
        ]
    }
}
