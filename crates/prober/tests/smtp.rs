//! `SMTP_CHECK` against servers that do well, and against servers that do not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use check::Probe;
use check::config::{Connection, Dialogue, Smtp};
use check::judge::Answer;
use common::{Peer, connection, probe, run, say, until_gone};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

fn check(address: SocketAddr) -> Probe {
    let connection = Connection {
        timeout: Duration::from_millis(400),
        ..connection(address)
    };
    probe(Dialogue::Smtp(Box::new(Smtp {
        connection,
        helo: "me.example".into(),
    })))
}

fn end(script: impl FnOnce(TcpStream) + Send + 'static) -> (Answer, String) {
    let peer = Peer::once(script);
    let outcome = run(&check(peer.address));
    (outcome.answer, outcome.reason)
}

fn hear(stream: &TcpStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_server_is_greeted_and_left() {
    let good = end(|mut stream| {
        say(&mut stream, b"220-welcome\r\n220 here\r\n");
        assert_eq!(hear(&stream), "HELO me.example\r\n");
        say(&mut stream, b"250-me\r\n250-SIZE\r\n250 OK\r\n");
        assert_eq!(hear(&stream), "QUIT\r\n");
        say(&mut stream, b"221 bye\r\n");
    });
    assert_eq!(good, (Answer::Good, String::new()));
}

#[test]
fn what_a_server_does_wrong_has_its_words() {
    let bad = |reason: &str| (Answer::Bad, reason.to_owned());
    let greeting = end(|mut stream| {
        say(&mut stream, b"554 go away\r\n");
        until_gone(&mut stream);
    });
    assert_eq!(greeting, bad("Bad greeting banner from"));
    let helo = end(|mut stream| {
        say(&mut stream, b"220 here\r\n");
        hear(&stream);
        say(&mut stream, b"501 who?\r\n");
        until_gone(&mut stream);
    });
    assert_eq!(helo, bad("Bad HELO response from"));
    assert_eq!(end(|_| {}), bad("Read failure from"));
    assert_eq!(end(|mut stream| until_gone(&mut stream)), bad("Read timeout from"));
    let endless = end(|mut stream| while say(&mut stream, &[b'2'; 600]) {});
    assert_eq!(endless, bad("Buffer overflow reading from"));
    let slow = end(|mut stream| {
        while say(&mut stream, b"2") {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(
        slow == bad("Read timeout from") || slow == bad("Buffer overflow reading from"),
        "{slow:?}"
    );
}
