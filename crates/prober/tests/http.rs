//! `HTTP_GET` against servers that do well, and against servers that do not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use check::Probe;
use check::config::{Connection, Dialogue, Http, HttpVersion, Regex, RegexOptions, Sni, StatusCodes, Url};
use check::judge::Answer;
use common::{Peer, block_on, connection, probe, request, run, say, until_gone};
use prober::{Outcome, Prober};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::Duration;

fn url(path: &str) -> Url {
    Url {
        path: path.into(),
        host: None,
        sni: Sni::Off,
        tls_compliant: false,
        status: StatusCodes::default(),
        digest: None,
        regex: None,
    }
}

fn check(connection: Connection, url: Url) -> Probe {
    probe(Dialogue::Http(Box::new(Http {
        connection,
        tls: false,
        version: HttpVersion::V11,
        fast_recovery: false,
        urls: vec![url],
    })))
}

fn hurried(address: SocketAddr) -> Connection {
    Connection {
        timeout: Duration::from_millis(250),
        ..connection(address)
    }
}

/// What comes of a page that a server answers with these bytes, and then closes.
fn answered(answer: &'static [u8], url: Url) -> Outcome {
    let peer = Peer::once(move |mut stream| {
        request(&mut stream);
        say(&mut stream, answer);
    });
    run(&check(connection(peer.address), url))
}

fn reason(outcome: &Outcome) -> (Answer, &str) {
    (outcome.answer, outcome.reason.as_str())
}

fn regex(pattern: &str, no_match: bool) -> Url {
    Url {
        regex: Some(Arc::new(Regex {
            pattern: pattern.as_bytes().into(),
            options: RegexOptions::empty(),
            no_match,
            min_offset: 0,
            max_offset: None,
            stack: None,
        })),
        ..url("/")
    }
}

#[test]
fn a_page_is_asked_for_as_upstream_asks_and_is_good() {
    let (sender, receiver) = mpsc::channel();
    let peer = Peer::once(move |mut stream| {
        sender.send(request(&mut stream)).unwrap();
        say(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    });
    let outcome = run(&check(connection(peer.address), url("/x")));
    assert_eq!(reason(&outcome), (Answer::Good, ""));
    assert_eq!(outcome.details.status, Some(200));
    assert_eq!(outcome.details.path.as_deref(), Some("/x"));
    let expected = format!(
        "GET /x HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: {}\r\n\r\n",
        peer.address
    );
    assert_eq!(receiver.recv().unwrap(), expected);
}

#[test]
fn a_page_with_its_length_needs_no_end_of_the_connection() {
    let peer = Peer::once(|mut stream| {
        request(&mut stream);
        say(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        until_gone(&mut stream);
    });
    assert_eq!(run(&check(connection(peer.address), url("/"))).answer, Answer::Good);
}

#[test]
fn the_stage_says_which_page_is_asked_for() {
    let answer = |mut stream: std::net::TcpStream| {
        let wanted = request(&mut stream);
        let status = if wanted.starts_with("GET /one ") { 200 } else { 404 };
        say(&mut stream, format!("HTTP/1.0 {status} x\r\n\r\n").as_bytes());
    };
    let peer = Peer::new(vec![Box::new(answer), Box::new(answer)]);
    let mut probe = check(connection(peer.address), url("/one"));
    if let Dialogue::Http(http) = &mut probe.dialogue {
        http.urls.push(url("/two"));
    }
    let (prober, troubles) = Prober::new(&Default::default(), [&probe]);
    assert_eq!(troubles, []);
    assert_eq!(block_on(prober.probe(&probe, 0)).answer, Answer::Good);
    let second = block_on(prober.probe(&probe, 1));
    assert_eq!(reason(&second), (Answer::Bad, "HTTP status code error to"));
    assert_eq!(
        (second.details.status, second.details.path.as_deref()),
        (Some(404), Some("/two"))
    );
    assert_eq!(block_on(prober.probe(&probe, 2)).answer, Answer::Unasked);
}

#[test]
fn the_digest_of_a_body_is_compared_and_told() {
    let with = |digest: [u8; 16]| Url {
        digest: Some(digest),
        ..url("/")
    };
    // MD5 of "hello".
    let right = [
        0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76, 0xb9, 0x71, 0x9d, 0x91, 0x10, 0x17, 0xc5, 0x92,
    ];
    let answer = b"HTTP/1.0 200 OK\r\n\r\nhello";
    assert_eq!(answered(answer, with(right)).answer, Answer::Good);
    let wrong = answered(answer, with([0; 16]));
    assert_eq!(reason(&wrong), (Answer::Bad, "MD5 digest error to"));
    assert_eq!(wrong.details.digest, Some(right));
}

#[test]
fn a_pattern_is_looked_for_in_the_body() {
    let answer = b"HTTP/1.0 200 OK\r\nX: needle\r\n\r\nhay hay";
    let missing = answered(answer, regex("needle", false));
    assert_eq!(reason(&missing), (Answer::Bad, "Regex match failed"));
    assert_eq!(answered(answer, regex("needle", true)).answer, Answer::Good);
    assert_eq!(answered(answer, regex("^hay.*y$", false)).answer, Answer::Good);
    assert_eq!(answered(answer, regex("hay", true)).answer, Answer::Bad);
}

#[test]
fn a_pattern_that_is_none_is_told_when_the_prober_is_made_and_ignored() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let probe = check(hurried(server.local_addr().unwrap()), regex("a(b", true));
    let (_, troubles) = Prober::new(&Default::default(), [&probe, &probe]);
    let text: Vec<String> = troubles.iter().map(ToString::to_string).collect();
    assert_eq!(text, ["Invalid regex: 'a(b' at offset 3: missing closing parenthesis"]);
    for no_match in [false, true] {
        let outcome = answered(b"HTTP/1.0 200 OK\r\n\r\nxx", regex("a(b", no_match));
        assert_eq!(reason(&outcome), (Answer::Good, ""));
    }
}

#[test]
fn a_body_made_to_hurt_fails_whatever_the_pattern_wanted() {
    for no_match in [false, true] {
        let peer = Peer::once(|mut stream| {
            request(&mut stream);
            say(&mut stream, b"HTTP/1.0 200 OK\r\n\r\n");
            say(&mut stream, &[&[b'a'; 50_000][..], b"!"].concat());
        });
        let outcome = run(&check(connection(peer.address), regex("(a+)+$", no_match)));
        assert_eq!(reason(&outcome), (Answer::Bad, "Regex match failed"));
        assert_eq!(
            outcome.details.error.as_deref(),
            Some("the pattern takes too long on this page")
        );
    }
}

/// The longest that others of this thread waited, in time of the processor, until the future was done.
async fn longest_wait<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let mut work = std::pin::pin!(work);
    let mut longest = Duration::ZERO;
    loop {
        let before = linux::process::thread_time();
        let done = tokio::select! {
            biased;
            done = &mut work => Some(done),
            () = tokio::time::sleep(Duration::from_micros(100)) => None,
        };
        longest = longest.max(linux::process::thread_time() - before);
        if let Some(done) = done {
            return (done, longest);
        }
    }
}

#[test]
fn a_body_made_to_hurt_holds_up_nobody_else() {
    // Each byte is nearly too hard by itself, and there are many.
    let body = "aaaaaaaaaaaaaaa!".repeat(4000);
    let peer = Peer::once(move |mut stream| {
        request(&mut stream);
        say(&mut stream, b"HTTP/1.0 200 OK\r\n\r\n");
        say(&mut stream, body.as_bytes());
    });
    let probe = check(connection(peer.address), regex("(a+)+$", false));
    let (prober, _) = Prober::new(&check::config::ClientTls::default(), [&probe]);
    let (outcome, longest) = block_on(longest_wait(prober.probe(&probe, 0)));
    assert_eq!(reason(&outcome), (Answer::Bad, "Regex match failed"));
    assert_eq!(
        outcome.details.error.as_deref(),
        Some("the pattern takes too long on this page")
    );
    assert!(longest < Duration::from_millis(20), "{longest:?}");
}

#[test]
fn garbage_is_a_failure() {
    for garbage in [
        &b"HTTP/1.1aa200\r\n\r\n"[..],
        b"HTTP/1.1 aa200 OK\r\n\r\n",
        b"\0\xff\xfe\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
    ] {
        let outcome = answered(garbage, url("/"));
        assert_eq!(
            reason(&outcome),
            (Answer::Bad, "HTTP status code error to"),
            "{garbage:?}"
        );
    }
}

#[test]
fn a_server_that_closes_early_has_sent_no_data() {
    for early in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"\r\n"] {
        let outcome = answered(early, url("/"));
        assert_eq!(
            reason(&outcome),
            (Answer::Bad, "Read, no data received from"),
            "{early:?}"
        );
    }
}

#[test]
fn a_header_of_a_megabyte_is_no_header() {
    let peer = Peer::once(|mut stream| {
        request(&mut stream);
        say(&mut stream, b"HTTP/1.1 200 OK\r\nX: ");
        say(&mut stream, &vec![b'x'; 1 << 20]);
        say(&mut stream, b"\r\n\r\n");
    });
    let outcome = run(&check(connection(peer.address), url("/")));
    assert_eq!(reason(&outcome), (Answer::Bad, "Read, no data received from"));
}

#[test]
fn a_server_that_never_answers_fails_in_its_time() {
    let peer = Peer::once(|mut stream| {
        request(&mut stream);
        until_gone(&mut stream);
    });
    let outcome = run(&check(hurried(peer.address), url("/")));
    assert_eq!(reason(&outcome), (Answer::Bad, "Timeout WEB read"));
    assert!(outcome.details.took >= Duration::from_millis(250), "{outcome:?}");
}

#[test]
fn a_server_that_answers_for_ever_a_byte_at_a_time_is_ended() {
    let peer = Peer::once(|mut stream| {
        request(&mut stream);
        say(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n");
        while say(&mut stream, b"x") {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let probe = check(hurried(peer.address), url("/"));
    let outcome = run(&probe);
    assert_eq!(reason(&outcome), (Answer::Bad, "Timeout HTTP read"));
    let limit = check::probe::time_limit(&probe);
    assert!(outcome.details.took >= limit, "{outcome:?}");
    assert!(outcome.details.took < limit + Duration::from_secs(5), "{outcome:?}");
}

#[test]
fn a_server_that_answers_for_ever_at_full_speed_is_ended() {
    let peer = Peer::once(|mut stream| {
        request(&mut stream);
        say(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n");
        while say(&mut stream, &[b'x'; 1 << 16]) {}
    });
    let outcome = run(&check(connection(peer.address), url("/")));
    assert_eq!(reason(&outcome), (Answer::Bad, "Read, too much data received from"));
}

#[test]
fn a_server_that_is_not_there_fails() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    drop(server);
    let outcome = run(&check(connection(address), url("/")));
    assert_eq!(reason(&outcome), (Answer::Bad, "Connection failed"));
}

#[test]
fn a_server_that_resets_the_connection_fails() {
    let peer = Peer::once(|stream| {
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    });
    let outcome = run(&check(connection(peer.address), url("/")));
    assert_eq!(outcome.answer, Answer::Bad);
}

#[test]
fn a_hundred_slow_checks_hold_up_nobody() {
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let fast = Peer::once(|mut stream| {
        request(&mut stream);
        say(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n");
    });
    let slow_probe = check(hurried(slow.local_addr().unwrap()), url("/"));
    let fast_probe = check(connection(fast.address), url("/"));
    let (prober, _) = Prober::new(&Default::default(), [&slow_probe, &fast_probe]);
    let prober = std::rc::Rc::new(prober);
    let local = tokio::task::LocalSet::new();
    block_on(local.run_until(async {
        let mut tasks = Vec::new();
        for _ in 0..100 {
            let (prober, probe) = (std::rc::Rc::clone(&prober), slow_probe.clone());
            tasks.push(tokio::task::spawn_local(async move { prober.probe(&probe, 0).await }));
        }
        let outcome = prober.probe(&fast_probe, 0).await;
        assert_eq!(outcome.answer, Answer::Good);
        for task in tasks {
            assert_eq!(task.await.unwrap().answer, Answer::Bad);
        }
    }));
}
