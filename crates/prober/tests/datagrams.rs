//! `UDP_CHECK`, `DNS_CHECK` and `PING_CHECK` on the loopback.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use check::Probe;
use check::config::{Connection, Dialogue, Dns, Pattern, RecordType, Reply, Source, Udp};
use check::judge::Answer;
use common::{connection, probe, run};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

fn hurried(address: SocketAddr) -> Connection {
    Connection {
        timeout: Duration::from_millis(300),
        ..connection(address)
    }
}

fn udp(connection: Connection, reply: Reply) -> Probe {
    probe(Dialogue::Udp(Box::new(Udp {
        connection,
        payload: None,
        reply,
    })))
}

fn dns(connection: Connection) -> Probe {
    probe(Dialogue::Dns(Box::new(Dns {
        connection,
        record: RecordType::A,
        name: "www.example".into(),
    })))
}

/// A server that takes one question and gives what is made of it.
fn server(answers: impl FnOnce(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let address = socket.local_addr().unwrap();
    let thread = spawn(move || {
        let mut room = [0; 600];
        let (length, from) = socket.recv_from(&mut room).unwrap();
        for answer in answers(&room[..length]) {
            // The one who asked may be gone.
            let _ = socket.send_to(&answer, from);
        }
    });
    (address, thread)
}

fn end(probe: &Probe) -> (Answer, String) {
    let outcome = run(probe);
    (outcome.answer, outcome.reason)
}

const GOOD: (Answer, String) = (Answer::Good, String::new());

#[test]
fn a_datagram_is_answered() {
    let (address, thread) = server(|asked| {
        assert_eq!(asked, b"keepalived check - keepalived ch");
        vec![b"pong".to_vec()]
    });
    assert_eq!(end(&udp(connection(address), Reply::Any)), GOOD);
    thread.join().unwrap();
}

#[test]
fn an_answer_must_be_like_what_is_wanted() {
    let wanted = |bytes: &[u8], min, max| {
        Reply::Like(Pattern {
            bytes: bytes.iter().map(|byte| (*byte, 0xff)).collect(),
            min,
            max,
        })
    };
    for (reply, answer) in [
        (wanted(b"po", 0, 255), Answer::Good),
        (wanted(b"pi", 0, 255), Answer::Bad),
        (wanted(b"po", 5, 255), Answer::Bad),
        (wanted(b"po", 0, 3), Answer::Bad),
        (wanted(b"po", 4, 4), Answer::Good),
    ] {
        let (address, thread) = server(|_| vec![b"pong".to_vec()]);
        assert_eq!(end(&udp(connection(address), reply.clone())).0, answer, "{reply:?}");
        thread.join().unwrap();
    }
}

#[test]
fn a_long_answer_is_measured_to_its_end() {
    for (max, answer) in [(4999, Answer::Bad), (5000, Answer::Good), (65535, Answer::Good)] {
        let (address, thread) = server(|_| vec![vec![b'x'; 5000]]);
        let reply = Reply::Like(Pattern {
            bytes: vec![(b'x', 0xff)],
            min: 4000,
            max,
        });
        assert_eq!(end(&udp(connection(address), reply)).0, answer, "{max}");
        thread.join().unwrap();
    }
}

#[test]
fn silence_is_good_where_no_answer_is_wanted_and_a_refusal_never_is() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    assert_eq!(end(&udp(hurried(address), Reply::NotNeeded)), GOOD);
    assert_eq!(
        end(&udp(hurried(address), Reply::Any)),
        (Answer::Bad, "timeout".to_owned())
    );
    drop(silent);
    for reply in [Reply::NotNeeded, Reply::Any] {
        let outcome = run(&udp(connection(address), reply));
        assert_eq!((outcome.answer, outcome.reason.as_str()), (Answer::Bad, "failed"));
        assert!(outcome.details.took < Duration::from_secs(5), "{outcome:?}");
    }
}

#[test]
fn a_source_that_is_not_ours_says_nothing_about_the_server() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut connection = hurried(silent.local_addr().unwrap());
    connection.from = Some(Box::new(Source {
        address: Some("192.0.2.77".parse().unwrap()),
        ..Source::default()
    }));
    assert_eq!(run(&udp(connection.clone(), Reply::Any)).answer, Answer::Unasked);
    assert_eq!(run(&dns(connection.clone())).answer, Answer::Unasked);
    assert_eq!(run(&probe(Dialogue::Ping(connection))).answer, Answer::Unasked);
}

/// The question as an answer with this error.
fn as_answer(asked: &[u8], rcode: u8) -> Vec<u8> {
    let mut answer = asked.to_vec();
    answer[2] |= 0x80;
    answer[3] |= rcode;
    answer
}

#[test]
fn a_name_server_that_answers_without_error_is_good() {
    let (address, thread) = server(|asked| {
        let mut other = as_answer(asked, 2);
        other[0] ^= 1;
        // Garbage, a question and somebody else's answer come first.
        vec![b"x".to_vec(), asked.to_vec(), other, as_answer(asked, 0)]
    });
    assert_eq!(end(&dns(connection(address))), GOOD);
    thread.join().unwrap();
}

#[test]
fn a_name_server_that_refuses_or_says_nothing_fails() {
    let (address, thread) = server(|asked| vec![as_answer(asked, 5)]);
    let refused = run(&dns(connection(address)));
    assert_eq!(refused.reason, "read error occurred. (rcode = 5)");
    assert_eq!((refused.answer, refused.details.status), (Answer::Bad, Some(5)));
    thread.join().unwrap();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    assert_eq!(
        end(&dns(hurried(address))),
        (Answer::Bad, "read timeout from socket".to_owned())
    );
    drop(silent);
    let closed = run(&dns(connection(address)));
    assert_eq!(closed.reason, "failed to read socket; errno 111 (Connection refused)");
}

#[test]
fn a_flood_of_what_is_not_ours_is_ended_in_time() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let address = socket.local_addr().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&over);
    let flood = spawn(move || {
        let mut room = [0; 600];
        let (_, from) = socket.recv_from(&mut room).unwrap();
        while !stop.load(Ordering::Relaxed) {
            // The one who asked may be gone.
            let _ = socket.send_to(b"nothing of interest", from);
        }
    });
    let outcome = run(&dns(hurried(address)));
    over.store(true, Ordering::Relaxed);
    assert_eq!(
        (outcome.answer, outcome.reason.as_str()),
        (Answer::Bad, "read timeout from socket")
    );
    assert!(outcome.details.took < Duration::from_secs(5), "{outcome:?}");
    flood.join().unwrap();
}

#[test]
fn the_loopback_answers_a_ping() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        assert_eq!(
            end(&probe(Dialogue::Ping(connection(address.parse().unwrap())))),
            GOOD,
            "{address}"
        );
    }
}
