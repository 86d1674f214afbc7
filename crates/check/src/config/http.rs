//! `HTTP_GET` and `SSL_GET`.

use super::Connection;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Bytes of an MD5 digest.
pub const DIGEST_LEN: usize = 16;

/// `HTTP_GET` or `SSL_GET`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Http {
    /// Where.
    pub connection: Connection,
    /// `SSL_GET`.
    pub tls: bool,
    /// `http_protocol`.
    pub version: HttpVersion,
    /// `fast_recovery`: no pause between the pages of a server that comes back.
    pub fast_recovery: bool,
    /// The pages in order; at least one.
    pub urls: Vec<Url>,
}

/// `http_protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpVersion {
    /// `1.0`.
    #[default]
    V10,
    /// `1.0C`: with `Connection: close`.
    V10Close,
    /// `1.1`: with `Connection: close`.
    V11,
}

/// A page, and what it must be like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    /// `path`.
    pub path: Arc<str>,
    /// What is sent as `Host`: `virtualhost` of the page, the check, the real or the virtual server.
    /// `None`: the target.
    pub host: Option<Arc<str>>,
    /// The name sent when TLS begins.
    pub sni: Sni,
    /// `tls_compliant`: the end of the connection must be a proper one.
    pub tls_compliant: bool,
    /// `status_code`.
    pub status: StatusCodes,
    /// `digest`: the MD5 of the body.
    pub digest: Option<[u8; DIGEST_LEN]>,
    /// `regex` and what belongs to it.
    pub regex: Option<Arc<Regex>>,
}

/// The server name of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sni {
    /// None is sent.
    #[default]
    Off,
    /// This one.
    Name(Arc<str>),
}

/// Status codes that are a success.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCodes(Vec<(u16, u16)>);

impl StatusCodes {
    /// The lowest status code that can be named.
    pub const MIN: u16 = 100;
    /// The highest.
    pub const MAX: u16 = 599;

    /// Takes these codes too; `false` if they are no range within 100 to 599.
    pub fn allow(&mut self, first: u16, last: u16) -> bool {
        let fits = StatusCodes::MIN <= first && first <= last && last <= StatusCodes::MAX;
        if fits {
            self.0.push((first, last));
        }
        fits
    }

    /// Whether a code is a success; without a list those from 200 to 299 are.
    pub fn allows(&self, code: u16) -> bool {
        if self.0.is_empty() {
            return (200..=299).contains(&code);
        }
        self.0.iter().any(|&(first, last)| (first..=last).contains(&code))
    }
}

bitflags::bitflags! {
    /// `regex_options`: what PCRE2 is told. The bits are our own.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct RegexOptions: u32 {
        #[allow(missing_docs)] const ALLOW_EMPTY_CLASS = 1 << 0;
        #[allow(missing_docs)] const ALT_BSUX = 1 << 1;
        #[allow(missing_docs)] const AUTO_CALLOUT = 1 << 2;
        #[allow(missing_docs)] const CASELESS = 1 << 3;
        #[allow(missing_docs)] const DOLLAR_ENDONLY = 1 << 4;
        #[allow(missing_docs)] const DOTALL = 1 << 5;
        #[allow(missing_docs)] const DUPNAMES = 1 << 6;
        #[allow(missing_docs)] const EXTENDED = 1 << 7;
        #[allow(missing_docs)] const FIRSTLINE = 1 << 8;
        #[allow(missing_docs)] const MATCH_UNSET_BACKREF = 1 << 9;
        #[allow(missing_docs)] const MULTILINE = 1 << 10;
        #[allow(missing_docs)] const NEVER_UCP = 1 << 11;
        #[allow(missing_docs)] const NEVER_UTF = 1 << 12;
        #[allow(missing_docs)] const NO_AUTO_CAPTURE = 1 << 13;
        #[allow(missing_docs)] const NO_AUTO_POSSESS = 1 << 14;
        #[allow(missing_docs)] const NO_DOTSTAR_ANCHOR = 1 << 15;
        #[allow(missing_docs)] const NO_START_OPTIMIZE = 1 << 16;
        #[allow(missing_docs)] const UCP = 1 << 17;
        #[allow(missing_docs)] const UNGREEDY = 1 << 18;
        #[allow(missing_docs)] const UTF = 1 << 19;
        #[allow(missing_docs)] const NEVER_BACKSLASH_C = 1 << 20;
        #[allow(missing_docs)] const ALT_CIRCUMFLEX = 1 << 21;
        #[allow(missing_docs)] const ALT_VERBNAMES = 1 << 22;
        #[allow(missing_docs)] const USE_OFFSET_LIMIT = 1 << 23;
    }
}

/// `regex` and the keywords around it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Regex {
    /// The pattern, for PCRE2.
    pub pattern: Arc<[u8]>,
    /// `regex_options`.
    pub options: RegexOptions,
    /// `regex_no_match`: a match is a failure.
    pub no_match: bool,
    /// `regex_min_offset`: bytes before which no match may start.
    pub min_offset: u64,
    /// `regex_max_offset`: the last byte at which a match may start.
    pub max_offset: Option<u64>,
    /// `regex_stack`: first and largest bytes of the stack of compiled patterns.
    pub stack: Option<(u64, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_every_200_is_a_success() {
        let none = StatusCodes::default();
        assert!(none.allows(200) && none.allows(299) && !none.allows(300) && !none.allows(199));
    }

    #[test]
    fn a_list_replaces_the_default_and_refuses_what_no_server_says() {
        let mut codes = StatusCodes::default();
        assert!(codes.allow(301, 302));
        assert!(!codes.allow(99, 200) && !codes.allow(500, 600) && !codes.allow(300, 200));
        assert!(codes.allows(301) && !codes.allows(200));
    }
}
