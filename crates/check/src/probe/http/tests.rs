//! Good, bad, cut and endless answers.

use super::*;
use crate::config::{Connection, Regex, RegexOptions, Sni, StatusCodes};
use alloc::sync::Arc;
use core::time::Duration;
use proptest::prelude::*;

fn url() -> Url {
    Url {
        path: "/x".into(),
        host: None,
        sni: Sni::Off,
        tls_compliant: false,
        status: StatusCodes::default(),
        digest: None,
        regex: None,
    }
}

fn http(version: HttpVersion, address: &str) -> Http {
    Http {
        connection: Connection {
            address: address.parse().unwrap(),
            port: 8080,
            timeout: Duration::from_secs(1),
            from: None,
        },
        tls: false,
        version,
        fast_recovery: false,
        urls: alloc::vec![url()],
    }
}

/// Finds bytes that come in pieces, for want of an engine.
struct Bytes {
    wanted: &'static [u8],
    seen: Vec<u8>,
}

impl Search for Bytes {
    fn feed(&mut self, body: &[u8]) {
        self.seen.extend_from_slice(body);
    }

    fn found(&mut self) -> Option<bool> {
        Some(self.seen.windows(self.wanted.len()).any(|window| window == self.wanted))
    }
}

/// Reads an answer in pieces of `size` bytes.
fn read(url: &Url, answer: &[u8], size: usize, search: &mut dyn Search) -> Result<Page, Failure> {
    let mut reader = Reader::new(url);
    for piece in answer.chunks(size) {
        match reader.received(piece, search)? {
            Next::Read => {}
            Next::Done | Next::Send(_) => break,
        }
    }
    reader.closed(search)
}

fn page(answer: &[u8]) -> Result<Page, Failure> {
    read(&url(), answer, 1000, &mut NoSearch)
}

#[test]
fn a_request_is_written_as_upstream_writes_it() {
    let text = |http: &Http, url: &Url| String::from_utf8(request(http, url)).unwrap();
    assert_eq!(
        text(&http(HttpVersion::V10, "10.0.0.1"), &url()),
        "GET /x HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 10.0.0.1:8080\r\n\r\n"
    );
    assert_eq!(
        text(&http(HttpVersion::V11, "fd00::1"), &url()),
        "GET /x HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: [fd00::1]:8080\r\n\r\n"
    );
    let named = Url {
        host: Some("www.example".into()),
        ..url()
    };
    assert_eq!(
        text(&http(HttpVersion::V10Close, "fd00::1"), &named),
        "GET /x HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: www.example\r\n\r\n"
    );
}

#[test]
fn a_page_is_read_in_whatever_pieces_it_comes() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello";
    let wanted = Url {
        digest: Some(Md5::digest(b"hello").into()),
        regex: Some(Arc::new(Regex {
            pattern: b"ell"[..].into(),
            options: RegexOptions::empty(),
            no_match: false,
            min_offset: 0,
            max_offset: None,
            stack: None,
        })),
        ..url()
    };
    for size in 1..answer.len() + 1 {
        let mut search = Bytes {
            wanted: b"ell",
            seen: Vec::new(),
        };
        let page = read(&wanted, answer, size, &mut search);
        assert_eq!(
            page,
            Ok(Page {
                status: 200,
                length_differs: None
            }),
            "{size}"
        );
        assert_eq!(search.seen, b"hello");
    }
}

#[test]
fn a_header_without_carriage_returns_or_reason_is_one() {
    assert_eq!(page(b"HTTP/1.0 204\n\n").map(|page| page.status), Ok(204));
    assert_eq!(
        page(b"HTTP/1.0 200 \r\nbad field\r\nServer : x\r\n\r\n").map(|page| page.status),
        Ok(200)
    );
}

#[test]
fn a_status_that_is_not_allowed_fails_at_once() {
    let url = url();
    let mut reader = Reader::new(&url);
    let end = reader.received(b"HTTP/1.1 503 Busy\r\n\r\n", &mut NoSearch);
    assert_eq!(end, Err(Failure::Status(503)));
}

#[test]
fn what_is_not_http_fails() {
    assert_eq!(page(b"\r\n\r\n"), Err(Failure::Malformed));
    assert_eq!(page(b"HTTP/1.1 99999999999 OK\r\n\r\n"), Err(Failure::Malformed));
    assert_eq!(page(b"SSH-2.0-x\r\n\r\n"), Err(Failure::Malformed));
}

#[test]
fn cve_2018_19115_a_status_line_without_spaces_is_no_answer_however_long_it_is_and_in_whatever_pieces() {
    let long = [&b"HTTP/1.1"[..], &[b'a'; 70_000], b"200 OK\r\n\r\n"].concat();
    let lines: [&[u8]; 5] = [
        b"HTTP/1.1aa200 OK\r\n\r\n",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1aa200\r\n\r\n",
        b"HTTP/1.1aa200\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        &long,
    ];
    for line in lines {
        for size in [1, 7, 1000, line.len()] {
            let end = read(&url(), line, size, &mut NoSearch);
            assert!(matches!(end, Err(Failure::Malformed | Failure::NoData)), "{end:?}");
        }
    }
}

#[test]
fn an_answer_that_is_cut_in_its_header_is_no_answer() {
    let header = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    for len in 0..header.len() {
        assert_eq!(page(&header[..len]), Err(Failure::NoData), "{len}");
    }
    assert!(page(header).is_ok());
}

#[test]
fn a_header_that_does_not_fit_is_no_answer() {
    let with_field = |len: usize| {
        [
            b"HTTP/1.1 200 OK\r\nA: ".to_vec(),
            alloc::vec![b'x'; len],
            b"\r\n\r\n".to_vec(),
        ]
        .concat()
    };
    let fixed = with_field(0).len();
    assert!(page(&with_field(HEADER - fixed)).is_ok());
    assert_eq!(page(&with_field(HEADER - fixed + 1)), Err(Failure::NoData));
    let endless = alloc::vec![b'a'; 10 * HEADER];
    assert_eq!(page(&endless), Err(Failure::NoData));
}

#[test]
fn as_many_fields_as_fit_are_read() {
    let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
    while answer.len() + 4 + 2 <= HEADER {
        answer.extend_from_slice(b"a:\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    assert!(page(&answer).is_ok());
}

#[test]
fn a_length_that_is_not_kept_is_told_and_limits_the_digest() {
    let wanted = Url {
        digest: Some(Md5::digest(b"hel").into()),
        ..url()
    };
    let longer = read(
        &wanted,
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhello",
        1000,
        &mut NoSearch,
    );
    assert_eq!(longer.map(|page| page.length_differs), Ok(Some((3, 5))));
    let shorter = page(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
    assert_eq!(shorter.map(|page| page.length_differs), Ok(Some((9, 5))));
    let other = read(&wanted, b"HTTP/1.1 200 OK\r\n\r\nhello", 1000, &mut NoSearch);
    assert_eq!(other, Err(Failure::Digest(Md5::digest(b"hello").into())));
}

#[test]
fn a_pattern_that_must_not_be_there_fails_when_it_is() {
    let regex = |no_match| Url {
        regex: Some(Arc::new(Regex {
            pattern: b"ell"[..].into(),
            options: RegexOptions::empty(),
            no_match,
            min_offset: 0,
            max_offset: None,
            stack: None,
        })),
        ..url()
    };
    let end = |no_match: bool, wanted: &'static [u8]| {
        let mut search = Bytes {
            wanted,
            seen: Vec::new(),
        };
        read(&regex(no_match), b"HTTP/1.1 200 OK\r\n\r\nhello", 3, &mut search).map(|page| page.status)
    };
    assert_eq!(end(false, b"ell"), Ok(200));
    assert_eq!(end(false, b"xyz"), Err(Failure::Regex));
    assert_eq!(end(true, b"ell"), Err(Failure::Regex));
    assert_eq!(end(true, b"xyz"), Ok(200));
}

#[test]
fn a_body_without_end_fails() {
    let url = url();
    let mut reader = Reader::new(&url);
    assert_eq!(
        reader.received(b"HTTP/1.1 200 OK\r\n\r\n", &mut NoSearch),
        Ok(Next::Read)
    );
    let piece = alloc::vec![0; 1 << 20];
    let end = (0..100).find_map(|_| reader.received(&piece, &mut NoSearch).err());
    assert_eq!(end, Some(Failure::TooLong));
}

proptest! {
    #[test]
    fn any_bytes_are_read(answer in proptest::collection::vec(any::<u8>(), 0..6000), size in 1usize..500) {
        let _ = read(&url(), &answer, size, &mut NoSearch);
    }

    #[test]
    fn any_header_is_read(fields in "[ -~\\r\\n:]{0,300}", size in 1usize..50) {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nbody");
        let whole = read(&url(), answer.as_bytes(), answer.len(), &mut NoSearch);
        prop_assert_eq!(read(&url(), answer.as_bytes(), size, &mut NoSearch).is_ok(), whole.is_ok());
    }
}
