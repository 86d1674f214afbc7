//! `HTTP_GET` and `SSL_GET`: a request, and a reader of what comes back.
//!
//! The answer is taken as bytes: digest and pattern see the body as it came, chunks and all, because the digests of
//! configurations were computed so. TLS, if there is any, is below this.

use super::Next;
use crate::config::{DIGEST_LEN, Http, HttpVersion, Url};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Family;
use core::fmt;
use md5::{Digest, Md5};

/// The longest header of an answer, in bytes. A longer one is no answer, as in upstream.
pub const HEADER: usize = 4095;
/// Fields of a header; as many as fit: a name of one byte, a colon and the end of the line.
const FIELDS: usize = HEADER / 3;
/// Fields that most headers do with: room for them costs no allocation.
const FEW_FIELDS: usize = 32;
/// The longest body, in bytes. A server that says more fails the check: it may go on for ever.
pub const BODY: u64 = 64 << 20;

/// The request for a page.
pub fn request(http: &Http, url: &Url) -> Vec<u8> {
    let (minor, close) = match http.version {
        HttpVersion::V10 => (0, ""),
        HttpVersion::V10Close => (0, "Connection: close\r\n"),
        HttpVersion::V11 => (1, "Connection: close\r\n"),
    };
    let host = match &url.host {
        Some(host) => String::from(&**host),
        None => {
            let (address, port) = (http.connection.address, http.connection.port);
            match Family::of(address) {
                Family::V4 => format!("{address}:{port}"),
                Family::V6 => format!("[{address}]:{port}"),
            }
        }
    };
    let path = &url.path;
    format!("GET {path} HTTP/1.{minor}\r\nUser-Agent: KeepAliveClient\r\n{close}Host: {host}\r\n\r\n").into_bytes()
}

/// Looks for a pattern in a body that comes in pieces. Whoever has the engine implements it.
pub trait Search {
    /// Takes the header, with its empty line; the body comes after it. Whoever searches the body does without it.
    fn header(&mut self, _: &[u8]) {}
    /// Takes the next bytes.
    fn feed(&mut self, body: &[u8]);
    /// Whether the pattern was found; the body has ended. `None`: the search was given up, nothing is known.
    fn found(&mut self) -> Option<bool>;
}

/// For pages without pattern.
#[derive(Clone, Copy, Debug)]
pub struct NoSearch;

impl Search for NoSearch {
    fn feed(&mut self, _: &[u8]) {}

    fn found(&mut self) -> Option<bool> {
        Some(true)
    }
}

/// Why a page failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No header, or none that ends in time.
    NoData,
    /// What came is not HTTP.
    Malformed,
    /// A status that is not allowed.
    Status(u16),
    /// The body has another digest: this one.
    Digest([u8; DIGEST_LEN]),
    /// The pattern is not there, or is there and must not be.
    Regex,
    /// A body without end.
    TooLong,
}

/// The text of logs; ` server RS.` follows in them.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::NoData => "Read, no data received from",
            Failure::Malformed | Failure::Status(_) => "HTTP status code error to",
            Failure::Digest(_) => "MD5 digest error to",
            Failure::Regex => "Regex match failed",
            Failure::TooLong => "Read, too much data received from",
        })
    }
}

/// A page that is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its status.
    pub status: u16,
    /// The length its header named and the bytes that came, if they differ. Worth a line in the log, nothing more.
    pub length_differs: Option<(u64, u64)>,
}

/// What the header said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: Option<u64>,
}

/// Reads an answer.
pub struct Reader<'c> {
    url: &'c Url,
    header: Vec<u8>,
    head: Option<Head>,
    digest: Md5,
    body: u64,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("head", &self.head)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

impl<'c> Reader<'c> {
    /// A reader of the answer to the request for a page.
    pub fn new(url: &'c Url) -> Reader<'c> {
        Reader {
            url,
            header: Vec::new(),
            head: None,
            digest: Md5::new(),
            body: 0,
        }
    }

    /// Takes bytes of the server. [`Next::Done`]: all of the named length has come, as if the server had closed.
    ///
    /// # Errors
    /// Why the page failed.
    pub fn received(&mut self, bytes: &[u8], search: &mut dyn Search) -> Result<Next, Failure> {
        let Some(head) = self.head else {
            return self.in_header(bytes, search);
        };
        self.in_body(head, bytes, search)
    }

    fn in_header(&mut self, bytes: &[u8], search: &mut dyn Search) -> Result<Next, Failure> {
        // The end of the header may lie across two pieces.
        let before = self.header.len();
        let room = HEADER.saturating_sub(before);
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.header.extend_from_slice(taken);
        let Some(end) = header_end(&self.header, before) else {
            return if self.header.len() >= HEADER {
                Err(Failure::NoData)
            } else {
                Ok(Next::Read)
            };
        };
        let header = self.header.get(..end).unwrap_or_default();
        let head = read_head(header)?;
        search.header(header);
        if !self.url.status.allows(head.status) {
            return Err(Failure::Status(head.status));
        }
        self.head = Some(head);
        self.header = Vec::new();
        let rest = bytes.get(end.saturating_sub(before)..).unwrap_or_default();
        self.in_body(head, rest, search)
    }

    fn in_body(&mut self, head: Head, bytes: &[u8], search: &mut dyn Search) -> Result<Next, Failure> {
        // Digest and pattern see no more than the length that was named.
        let room = head.length.unwrap_or(u64::MAX).saturating_sub(self.body);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let counted = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.body = self.body.saturating_add(bytes.len() as u64);
        if self.body > BODY {
            return Err(Failure::TooLong);
        }
        if self.url.digest.is_some() {
            self.digest.update(counted);
        }
        search.feed(counted);
        let complete = head.length.is_some_and(|length| self.body >= length);
        Ok(if complete { Next::Done } else { Next::Read })
    }

    /// The answer has ended.
    ///
    /// # Errors
    /// Why the page failed.
    pub fn closed(self, search: &mut dyn Search) -> Result<Page, Failure> {
        let Some(head) = self.head else {
            return Err(Failure::NoData);
        };
        if let Some(wanted) = self.url.digest {
            let digest: [u8; DIGEST_LEN] = self.digest.finalize().into();
            if digest != wanted {
                return Err(Failure::Digest(digest));
            }
        }
        if self
            .url
            .regex
            .as_ref()
            .is_some_and(|regex| search.found() != Some(!regex.no_match))
        {
            return Err(Failure::Regex);
        }
        Ok(Page {
            status: head.status,
            length_differs: head
                .length
                .filter(|length| *length != self.body)
                .map(|length| (length, self.body)),
        })
    }
}

/// Where a header ends: after an empty line. Nothing before `from` has to be looked at again, but for its last bytes.
fn header_end(header: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(3);
    let looked = header.get(from..)?;
    let crlf = looked.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
    let bare = looked.windows(2).position(|w| w == b"\n\n").map(|at| at + 2);
    let end = match (crlf, bare) {
        (Some(crlf), Some(bare)) => crlf.min(bare),
        (end, None) | (None, end) => end?,
    };
    Some(from + end)
}

fn read_head(header: &[u8]) -> Result<Head, Failure> {
    let mut few = [httparse::EMPTY_HEADER; FEW_FIELDS];
    match read_fields(header, &mut few) {
        Err(httparse::Error::TooManyHeaders) => read_fields(header, &mut alloc::vec![httparse::EMPTY_HEADER; FIELDS]),
        read => read,
    }
    .ok()
    .flatten()
    .ok_or(Failure::Malformed)
}

/// What a header says; `None` if it has no end.
fn read_fields<'b>(header: &'b [u8], fields: &mut [httparse::Header<'b>]) -> Result<Option<Head>, httparse::Error> {
    let mut response = httparse::Response::new(fields);
    let mut reader = httparse::ParserConfig::default();
    // Servers that upstream takes for healthy write all kinds of fields; only the status and the length matter.
    reader
        .ignore_invalid_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true);
    let complete = reader.parse_response(&mut response, header)?;
    let (httparse::Status::Complete(_), Some(status)) = (complete, response.code) else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| core::str::from_utf8(field.value).ok())
        .and_then(|value| value.trim().parse().ok());
    Ok(Some(Head { status, length }))
}

#[cfg(test)]
mod tests;
