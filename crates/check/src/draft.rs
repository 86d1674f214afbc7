//! What a file said of a check, and how it becomes a [`Check`].
//!
//! In two steps, as a file is read: [`Draft::settle`] at the end of the check's own block applies the rules between its
//! keywords; [`Settled::inherit`] later adds what the real and the virtual server say, which may stand below it.

use crate::config::{
    BfdCheck, CONNECT_TIMEOUT, Check, CommandName, Connection, DELAY_LOOP, Dialogue, Dns, FileCheck, FileWeight,
    HELO_NAME, Http, HttpVersion, Misc, Pace, Pattern, Probe, RecordType, Regex, RegexOptions, Reply, Smtp, Sni,
    Source, StatusCodes, Udp, Url,
};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::Family;
use core::net::IpAddr;
use core::time::Duration;

/// What a virtual server, a real server or a check says about checking; the inner one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    /// `alpha`.
    pub alpha: Option<bool>,
    /// `retry`.
    pub retry: Option<u32>,
    /// `connect_timeout`.
    pub connect_timeout: Option<Duration>,
    /// `delay_loop`.
    pub delay_loop: Option<Duration>,
    /// `warmup`.
    pub warmup: Option<Duration>,
    /// `delay_before_retry`.
    pub delay_before_retry: Option<Duration>,
}

impl Inherited {
    /// What holds where `outer` is around this.
    #[must_use]
    pub fn within(self, outer: &Inherited) -> Inherited {
        Inherited {
            alpha: self.alpha.or(outer.alpha),
            retry: self.retry.or(outer.retry),
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
            delay_loop: self.delay_loop.or(outer.delay_loop),
            warmup: self.warmup.or(outer.warmup),
            delay_before_retry: self.delay_before_retry.or(outer.delay_before_retry),
        }
    }
}

/// What is around a check.
#[derive(Clone, Debug)]
pub struct Around {
    /// The address of the real server.
    pub address: IpAddr,
    /// Its port as written, else that of the virtual server; 0: none.
    pub port: u16,
    /// What the real server says, within the virtual server.
    pub inherited: Inherited,
    /// `delay_loop` of the virtual server.
    pub service_delay_loop: Option<Duration>,
    /// `virtualhost` of the real server.
    pub real_host: Option<Arc<str>>,
    /// `virtualhost` of the virtual server.
    pub service_host: Option<Arc<str>>,
}

/// Where a check connects, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionDraft {
    /// `connect_ip`.
    pub address: Option<IpAddr>,
    /// `connect_port`.
    pub port: Option<u16>,
    /// `bindto` and the like.
    pub from: Source,
}

impl ConnectionDraft {
    /// Applies the rules; `real` is the address of the real server.
    fn settle(&mut self, real: IpAddr, findings: &mut Vec<Finding>) -> Result<(), Finding> {
        let target = self.address.unwrap_or(real);
        if is_link_local(target) && self.from.interface.is_none() {
            return Err(Finding::error(format!(
                "Checker link local address {target} requires a bind_if"
            )));
        }
        if let Some(address) = self.from.address
            && Family::of(address) != Family::of(target)
        {
            self.from.address = None;
            // Upstream notices it only if `connect_ip` is written too.
            findings.push(Finding::note(format!(
                "bindto address {address} does not match address family of connect_ip - skipping"
            )));
        }
        Ok(())
    }

    fn inherit(self, around: &Around, timeout: Duration) -> Connection {
        Connection {
            address: self.address.unwrap_or(around.address),
            port: self.port.unwrap_or(around.port),
            timeout,
            from: (self.from != Source::default()).then(|| Box::new(self.from)),
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// What the block of a check said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What checks share with the servers around them.
    pub common: Inherited,
    /// `log_all_failures`.
    pub log_all_failures: bool,
    /// Where it connects.
    pub connection: ConnectionDraft,
    /// Its kind, and what only that has.
    pub kind: Kind,
}

/// What only one kind of check has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `TCP_CHECK`.
    Tcp,
    /// `HTTP_GET` or `SSL_GET`.
    Http(Box<HttpDraft>),
    /// `SMTP_CHECK`.
    Smtp(SmtpDraft),
    /// `DNS_CHECK`.
    Dns(DnsDraft),
    /// `UDP_CHECK`.
    Udp(Box<UdpDraft>),
    /// `PING_CHECK`.
    Ping,
    /// `MISC_CHECK`.
    Misc(MiscDraft),
    /// `FILE_CHECK`.
    File(FileDraft),
    /// `BFD_CHECK`; the name, if there is a good one.
    Bfd(Option<Arc<str>>),
}

/// `HTTP_GET` or `SSL_GET`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpDraft {
    /// `SSL_GET`.
    pub tls: bool,
    /// `virtualhost`.
    pub host: Option<Arc<str>>,
    /// `http_protocol`.
    pub version: HttpVersion,
    /// `enable_sni`.
    pub enable_sni: bool,
    /// `sni_name`.
    pub sni_name: Option<Arc<str>>,
    /// `fast_recovery`.
    pub fast_recovery: bool,
    /// `tls_compliant`.
    pub tls_compliant: bool,
    /// `url`: those that are good.
    pub urls: Vec<SettledUrl>,
}

/// A `url`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlDraft {
    /// `path`.
    pub path: Option<Arc<str>>,
    /// `virtualhost`.
    pub host: Option<Arc<str>>,
    /// `tls_compliant`.
    pub tls_compliant: Option<bool>,
    /// `status_code`.
    pub status: StatusCodes,
    /// `digest`.
    pub digest: Option<[u8; 16]>,
    /// `regex`.
    pub regex: Option<Arc<[u8]>>,
    /// `regex_options`.
    pub options: RegexOptions,
    /// `regex_no_match`.
    pub no_match: bool,
    /// `regex_min_offset`.
    pub min_offset: Option<u64>,
    /// `regex_max_offset`.
    pub max_offset: Option<u64>,
    /// `regex_stack`.
    pub stack: Option<(u64, u64)>,
}

/// A `url` with a path and a regex that can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledUrl {
    path: Arc<str>,
    host: Option<Arc<str>>,
    tls_compliant: Option<bool>,
    status: StatusCodes,
    digest: Option<[u8; 16]>,
    regex: Option<Arc<Regex>>,
}

impl UrlDraft {
    /// Applies the rules between the keywords of a `url`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn settle(self, findings: &mut Vec<Finding>) -> Result<SettledUrl, Finding> {
        let Some(path) = self.path else {
            let text = "HTTP/SSL_GET checker url has no path - ignoring";
            return Err(Finding::error(text.into()));
        };
        let around = !self.options.is_empty() || self.no_match || self.min_offset.is_some();
        let around = around || self.max_offset.is_some() || self.stack.is_some();
        if self.regex.is_none() && around {
            findings.push(Finding::note("regex parameters specified without regex".into()));
        }
        let (min, mut max) = (self.min_offset.unwrap_or(0), self.max_offset);
        if let Some(end) = max.filter(|end| min > *end) {
            findings.push(Finding::note(format!(
                "regex min offset {min} > regex_max_offset {end} - ignoring"
            )));
            max = None;
        }
        let regex = self.regex.map(|pattern| {
            Arc::new(Regex {
                pattern,
                options: self.options,
                no_match: self.no_match,
                min_offset: min,
                max_offset: max,
                stack: self.stack,
            })
        });
        Ok(SettledUrl {
            path,
            host: self.host,
            tls_compliant: self.tls_compliant,
            status: self.status,
            digest: self.digest,
            regex,
        })
    }
}

/// `SMTP_CHECK`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmtpDraft {
    /// `helo_name`.
    pub helo: Option<Arc<str>>,
    /// `host`: each is a check of its own, with what its block says.
    pub hosts: Vec<(Inherited, ConnectionDraft)>,
}

/// `DNS_CHECK`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsDraft {
    /// `type`.
    pub record: Option<RecordType>,
    /// `name`.
    pub name: Option<Arc<str>>,
}

/// `UDP_CHECK`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UdpDraft {
    /// `payload`.
    pub payload: Option<Arc<[u8]>>,
    /// `require_reply`.
    pub require_reply: bool,
    /// The pattern after it.
    pub pattern: Option<Vec<(u8, u8)>>,
    /// `min_reply_length`.
    pub min: Option<u16>,
    /// `max_reply_length`.
    pub max: Option<u16>,
}

/// Bytes of an answer that are enough when `max_reply_length` is not given.
const REPLY_MAX: u16 = 255;

/// `MISC_CHECK`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MiscDraft {
    /// `misc_path`.
    pub command: Option<CommandName>,
    /// `misc_timeout`; zero or `None`: the `delay_loop` of the virtual server.
    pub timeout: Option<Duration>,
    /// `misc_dynamic`.
    pub dynamic: bool,
}

/// `FILE_CHECK`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileDraft {
    /// `track_file`.
    pub file: Option<Arc<str>>,
    /// `weight`.
    pub weight: Option<FileWeight>,
    /// The weight the file is given where it is defined.
    pub default: Option<FileWeight>,
}

impl Draft {
    /// A block of a kind that has said nothing yet.
    pub fn new(kind: Kind) -> Draft {
        Draft {
            common: Inherited::default(),
            log_all_failures: false,
            connection: ConnectionDraft::default(),
            kind,
        }
    }

    /// Applies the rules between the keywords of its block; `real` is the address of the real server.
    ///
    /// # Errors
    /// Why there is no such check.
    pub fn settle(mut self, real: IpAddr, findings: &mut Vec<Finding>) -> Result<Settled, Finding> {
        match &mut self.kind {
            Kind::Tcp | Kind::Ping | Kind::Dns(_) => self.connection.settle(real, findings)?,
            Kind::Smtp(smtp) => {
                self.connection.settle(real, findings)?;
                for (_, host) in &mut smtp.hosts {
                    host.settle(real, findings)?;
                }
            }
            Kind::Http(http) => {
                self.connection.settle(real, findings)?;
                if http.urls.is_empty() {
                    let text = "HTTP/SSL_GET checker has no urls specified - ignoring";
                    return Err(Finding::error(text.into()));
                }
            }
            Kind::Udp(udp) => {
                self.connection.settle(real, findings)?;
                let (min, max) = (udp.min.unwrap_or(0), udp.max.unwrap_or(REPLY_MAX));
                if min > max {
                    findings.push(Finding::error(format!(
                        "UDP_CHECK min_reply length {min} > max_reply_length {max} - will always fail"
                    )));
                }
            }
            Kind::Misc(misc) if misc.command.is_none() => {
                let text = "No script path has been specified for MISC_CHECKER - skipping";
                return Err(Finding::error(text.into()));
            }
            Kind::File(file) if file.file.is_none() => {
                let text = "FILE_CHECK has no track_file specified - ignoring";
                return Err(Finding::error(text.into()));
            }
            Kind::Misc(_) | Kind::File(_) | Kind::Bfd(_) => {}
        }
        Ok(Settled(self))
    }
}

/// A check that is valid but for what is around it.
#[derive(Clone, Debug)]
pub struct Settled(Draft);

impl Settled {
    /// Adds what is around it, and appends the check; an `SMTP_CHECK` with `host` blocks is several.
    pub fn inherit(self, around: &Around, out: &mut Vec<Check>) {
        let Draft {
            common,
            log_all_failures,
            connection,
            kind,
        } = self.0;
        let inherited = common.within(&around.inherited);
        let probe = |inherited: &Inherited, habit: Habit, dialogue: Dialogue| {
            Check::Probe(Probe {
                pace: pace(inherited, habit),
                alpha: inherited.alpha.unwrap_or(false),
                log_all_failures,
                dialogue,
            })
        };
        let connect = |inherited: &Inherited, connection: ConnectionDraft| {
            connection.inherit(around, inherited.connect_timeout.unwrap_or(CONNECT_TIMEOUT))
        };
        match kind {
            Kind::Tcp => {
                let dialogue = Dialogue::Tcp(connect(&inherited, connection));
                out.push(probe(&inherited, Habit::Usual, dialogue));
            }
            Kind::Ping => {
                let dialogue = Dialogue::Ping(connect(&inherited, connection));
                out.push(probe(&inherited, Habit::Usual, dialogue));
            }
            Kind::Http(http) => {
                let http = inherit_http(*http, connect(&inherited, connection), around);
                out.push(probe(&inherited, Habit::Http, Dialogue::Http(Box::new(http))));
            }
            Kind::Smtp(smtp) => {
                let helo = smtp.helo.unwrap_or_else(|| Arc::from(HELO_NAME));
                let mut hosts = smtp.hosts;
                if hosts.is_empty() {
                    hosts.push((Inherited::default(), connection));
                }
                for (own, connection) in hosts {
                    let inherited = own.within(&inherited);
                    let connection = connect(&inherited, connection);
                    let helo = Arc::clone(&helo);
                    let dialogue = Dialogue::Smtp(Box::new(Smtp { connection, helo }));
                    out.push(probe(&inherited, Habit::Usual, dialogue));
                }
            }
            Kind::Dns(dns) => {
                let dns = inherit_dns(dns, connect(&inherited, connection));
                out.push(probe(&inherited, Habit::Dns, Dialogue::Dns(Box::new(dns))));
            }
            Kind::Udp(udp) => {
                let udp = inherit_udp(*udp, connect(&inherited, connection));
                out.push(probe(&inherited, Habit::Usual, Dialogue::Udp(Box::new(udp))));
            }
            Kind::Misc(misc) => {
                let misc = inherit_misc(misc, around);
                out.extend(misc.map(|misc| probe(&inherited, Habit::Misc, Dialogue::Misc(misc))));
            }
            Kind::File(file) => out.extend(inherit_file(file)),
            Kind::Bfd(session) => {
                let alpha = inherited.alpha.unwrap_or(false);
                out.extend(session.map(|session| Check::Bfd(BfdCheck { session, alpha })));
            }
        }
    }
}

/// Kinds of checks differ in what holds when nothing is said.
#[derive(Clone, Copy)]
enum Habit {
    Usual,
    Http,
    Dns,
    Misc,
}

fn pace(inherited: &Inherited, habit: Habit) -> Pace {
    let delay_loop = inherited.delay_loop.unwrap_or(DELAY_LOOP);
    let (retry, delay) = match habit {
        Habit::Usual => (1, Duration::from_secs(1)),
        Habit::Http => (1, Duration::from_secs(3)),
        Habit::Dns => (3, delay_loop),
        Habit::Misc => (0, Duration::from_secs(1)),
    };
    Pace {
        delay_loop,
        retry: inherited.retry.unwrap_or(retry),
        delay_before_retry: inherited.delay_before_retry.unwrap_or(delay),
        warmup: inherited.warmup.unwrap_or(delay_loop),
    }
}

fn inherit_http(http: HttpDraft, connection: Connection, around: &Around) -> Http {
    let sni_wanted = http.tls && (http.enable_sni || http.sni_name.is_some());
    let urls = http.urls.into_iter().map(|url| {
        // The host of the real server plays no part in the name of TLS, as in upstream.
        let name = [&http.sni_name, &url.host, &http.host, &around.service_host];
        let name = name.into_iter().find_map(|name| name.clone()).filter(|_| sni_wanted);
        let inherited = http
            .host
            .as_ref()
            .or(around.real_host.as_ref())
            .or(around.service_host.as_ref());
        Url {
            path: url.path,
            sni: name.map_or(Sni::Off, Sni::Name),
            tls_compliant: url.tls_compliant.unwrap_or(http.tls_compliant),
            status: url.status,
            digest: url.digest,
            regex: url.regex,
            host: url.host.or_else(|| inherited.cloned()),
        }
    });
    Http {
        urls: urls.collect(),
        connection,
        tls: http.tls,
        version: http.version,
        fast_recovery: http.fast_recovery,
    }
}

fn inherit_dns(dns: DnsDraft, connection: Connection) -> Dns {
    Dns {
        connection,
        record: dns.record.unwrap_or(RecordType::Soa),
        name: dns.name.unwrap_or_default(),
    }
}

fn inherit_udp(udp: UdpDraft, connection: Connection) -> Udp {
    let pattern = udp.pattern.map(|bytes| Pattern {
        bytes,
        min: udp.min.unwrap_or(0),
        max: udp.max.unwrap_or(REPLY_MAX),
    });
    let reply = match pattern {
        Some(pattern) => Reply::Like(pattern),
        None if udp.require_reply => Reply::Any,
        None => Reply::NotNeeded,
    };
    Udp {
        connection,
        payload: udp.payload,
        reply,
    }
}

fn inherit_file(file: FileDraft) -> Option<Check> {
    /// What a value counts without any weight.
    const PLAIN: FileWeight = FileWeight {
        factor: 1,
        reverse: false,
    };
    let weight = file.weight.or(file.default).unwrap_or(PLAIN);
    file.file.map(|file| Check::File(FileCheck { file, weight }))
}

fn inherit_misc(misc: MiscDraft, around: &Around) -> Option<Misc> {
    let of_service = around.service_delay_loop.unwrap_or(DELAY_LOOP);
    Some(Misc {
        command: misc.command?,
        timeout: misc.timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(of_service),
        dynamic: misc.dynamic,
    })
}

/// A correction or refusal, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is a configuration error for `-t`; upstream notices the others only when it runs, or not at all.
    pub is_error: bool,
    /// The message.
    pub text: String,
}

impl Finding {
    fn error(text: String) -> Finding {
        Finding { is_error: true, text }
    }

    fn note(text: String) -> Finding {
        Finding { is_error: false, text }
    }
}
