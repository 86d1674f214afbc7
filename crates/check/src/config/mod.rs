//! The validated model of checks.
//!
//! A [`Check`] holds everything that decides its result, its target included: two that are equal ask the same question
//! of the same server, so equality is the identity across reloads and lets one probe serve several virtual servers.

mod http;

pub use http::{DIGEST_LEN, Http, HttpVersion, Regex, RegexOptions, Sni, StatusCodes, Url};

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::IfName;
use core::fmt;
use core::net::IpAddr;
use core::num::NonZeroU16;
use core::time::Duration;

/// `delay_loop` when nothing is said.
pub const DELAY_LOOP: Duration = Duration::from_secs(60);
/// `connect_timeout` when nothing is said.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The name an SMTP check greets with when nothing is said.
pub const HELO_NAME: &str = "smtpchecker.keepalived.org";

/// A check of a real server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// One that asks by itself, again and again.
    Probe(Probe),
    /// `FILE_CHECK`: follows a tracked file.
    File(FileCheck),
    /// `BFD_CHECK`: follows a BFD session.
    Bfd(BfdCheck),
}

impl Check {
    /// Whether the server counts as down until the first success.
    pub const fn alpha(&self) -> bool {
        match self {
            Check::Probe(probe) => probe.alpha,
            Check::File(_) => false,
            Check::Bfd(bfd) => bfd.alpha,
        }
    }

    /// The program that a `MISC_CHECK` runs.
    pub const fn command(&self) -> Option<&CommandName> {
        let Check::Probe(Probe {
            dialogue: Dialogue::Misc(misc),
            ..
        }) = self
        else {
            return None;
        };
        Some(&misc.command)
    }
}

/// A check that asks by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probe {
    /// When it asks.
    pub pace: Pace,
    /// `alpha`: down until the first success.
    pub alpha: bool,
    /// `log_all_failures`: also attempts that do not yet count are logged.
    pub log_all_failures: bool,
    /// What it asks.
    pub dialogue: Dialogue,
}

/// When a probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pace {
    /// `delay_loop`: from the end of one check to the next.
    pub delay_loop: Duration,
    /// `retry`: failures that are forgiven.
    pub retry: u32,
    /// `delay_before_retry`: from a failure that is forgiven to the next attempt.
    pub delay_before_retry: Duration,
    /// `warmup`: the first check is at a random point of this span.
    pub warmup: Duration,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialogue {
    /// `TCP_CHECK`: a connection.
    Tcp(Connection),
    /// `HTTP_GET` and `SSL_GET`: pages.
    Http(Box<Http>),
    /// `SMTP_CHECK`: a greeting.
    Smtp(Box<Smtp>),
    /// `DNS_CHECK`: a name.
    Dns(Box<Dns>),
    /// `UDP_CHECK`: a datagram.
    Udp(Box<Udp>),
    /// `PING_CHECK`: an ICMP echo.
    Ping(Connection),
    /// `MISC_CHECK`: a program.
    Misc(Misc),
}

/// Where a check connects, and from where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// `connect_ip`, else the address of the real server.
    pub address: IpAddr,
    /// `connect_port`, else the port of the real server; 0: none.
    pub port: u16,
    /// `connect_timeout`: for the connection and for each answer.
    pub timeout: Duration,
    /// `bindto` and the like; `None`: the system chooses.
    pub from: Option<Box<Source>>,
}

/// Where a check comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// `bindto`, of the family of the target.
    pub address: Option<IpAddr>,
    /// `bind_port`.
    pub port: Option<NonZeroU16>,
    /// `bind_if`.
    pub interface: Option<IfName>,
    /// `fwmark` of its packets; 0: none.
    pub mark: u32,
}

/// `SMTP_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Smtp {
    /// Where.
    pub connection: Connection,
    /// `helo_name`.
    pub helo: Arc<str>,
}

/// `DNS_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dns {
    /// Where.
    pub connection: Connection,
    /// `type`.
    pub record: RecordType,
    /// `name`: labels of at most 63 bytes with dots between, no empty one; empty: the root.
    pub name: Arc<str>,
}

/// The record a DNS check asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordType {
    /// IPv4 address.
    A,
    /// Name server.
    Ns,
    /// Another name.
    Cname,
    /// Start of authority.
    Soa,
    /// Mail exchanger.
    Mx,
    /// Text.
    Txt,
    /// IPv6 address.
    Aaaa,
    /// Signature.
    Rrsig,
    /// Key.
    Dnskey,
}

impl RecordType {
    /// All of them with their names.
    pub const ALL: [(&'static str, RecordType); 9] = [
        ("A", RecordType::A),
        ("NS", RecordType::Ns),
        ("CNAME", RecordType::Cname),
        ("SOA", RecordType::Soa),
        ("MX", RecordType::Mx),
        ("TXT", RecordType::Txt),
        ("AAAA", RecordType::Aaaa),
        ("RRSIG", RecordType::Rrsig),
        ("DNSKEY", RecordType::Dnskey),
    ];

    /// The type of a name, in any case.
    pub fn named(name: &str) -> Option<RecordType> {
        RecordType::ALL
            .into_iter()
            .find_map(|(own, record)| own.eq_ignore_ascii_case(name).then_some(record))
    }

    /// The number in a question (RFC 1035, RFC 3596, RFC 4034).
    pub const fn number(self) -> u16 {
        match self {
            RecordType::A => 1,
            RecordType::Ns => 2,
            RecordType::Cname => 5,
            RecordType::Soa => 6,
            RecordType::Mx => 15,
            RecordType::Txt => 16,
            RecordType::Aaaa => 28,
            RecordType::Rrsig => 46,
            RecordType::Dnskey => 48,
        }
    }
}

/// `UDP_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Udp {
    /// Where.
    pub connection: Connection,
    /// `payload`; `None`: the built-in text.
    pub payload: Option<Arc<[u8]>>,
    /// `require_reply`.
    pub reply: Reply,
}

/// What answer a UDP check wants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reply {
    /// None: it is enough that nobody refuses.
    NotNeeded,
    /// Any.
    Any,
    /// One that looks like this.
    Like(Pattern),
}

/// What an answer must look like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// Each byte, and which of its bits count.
    pub bytes: Vec<(u8, u8)>,
    /// `min_reply_length` in bytes.
    pub min: u16,
    /// `max_reply_length` in bytes.
    pub max: u16,
}

/// `MISC_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Misc {
    /// The command, by the name the configuration knows it by.
    pub command: CommandName,
    /// How long it may run.
    pub timeout: Duration,
    /// `misc_dynamic`: its exit code is a weight.
    pub dynamic: bool,
}

/// Names a command without saying what it is: the text it was written as, and its identity.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandName(pub Arc<str>);

impl fmt::Debug for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// `FILE_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileCheck {
    /// `track_file`.
    pub file: Arc<str>,
    /// `weight`, else that of the file.
    pub weight: FileWeight,
}

/// What the value of a tracked file is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileWeight {
    /// The factor; 0: a value other than zero is down.
    pub factor: i32,
    /// The other way round.
    pub reverse: bool,
}

/// `BFD_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BfdCheck {
    /// `name` of the `bfd_instance`.
    pub session: Arc<str>,
    /// Down until the session is first up.
    pub alpha: bool,
}

/// The `SSL` block: who we are to servers that ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// `password` of the key.
    pub password: Option<Secret>,
    /// `ca`: a file.
    pub ca: Option<Arc<str>>,
    /// `certificate`: a file.
    pub certificate: Option<Arc<str>>,
    /// `key`: a file.
    pub key: Option<Arc<str>>,
}

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}
