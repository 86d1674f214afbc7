//! `TCP_CHECK` against servers on the loopback.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use check::config::Dialogue;
use check::judge::Answer;
use common::{connection, probe, run};
use std::net::TcpListener;
use std::num::NonZeroU16;
use std::time::Duration;

#[test]
fn a_server_that_accepts_is_good() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let outcome = run(&probe(Dialogue::Tcp(connection(server.local_addr().unwrap()))));
    assert_eq!((outcome.answer, outcome.reason.as_str()), (Answer::Good, ""));
}

#[test]
fn a_server_that_refuses_fails_at_once() {
    let server = TcpListener::bind("[::1]:0").unwrap();
    let address = server.local_addr().unwrap();
    drop(server);
    let outcome = run(&probe(Dialogue::Tcp(connection(address))));
    assert_eq!((outcome.answer, outcome.reason.as_str()), (Answer::Bad, "failed"));
    assert!(outcome.details.error.unwrap().contains("refused"));
    assert!(outcome.details.took < Duration::from_secs(1));
}

#[test]
fn a_server_that_says_nothing_fails_in_its_time() {
    // A full queue of connections: the kernel drops what comes.
    let server = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    server
        .bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into())
        .unwrap();
    server.listen(0).unwrap();
    let address = server.local_addr().unwrap().as_socket().unwrap();
    let _full = std::net::TcpStream::connect(address).unwrap();
    let mut connection = connection(address);
    connection.timeout = Duration::from_millis(300);
    let outcome = run(&probe(Dialogue::Tcp(connection)));
    assert_eq!((outcome.answer, outcome.reason.as_str()), (Answer::Bad, "timeout"));
    assert!(
        outcome.details.took >= Duration::from_millis(290),
        "{:?}",
        outcome.details
    );
}

#[test]
fn an_address_that_is_not_ours_says_nothing_about_the_server() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut connection = connection(server.local_addr().unwrap());
    connection.from = Some(Box::new(check::config::Source {
        address: Some("192.0.2.77".parse().unwrap()),
        ..Default::default()
    }));
    let outcome = run(&probe(Dialogue::Tcp(connection)));
    assert_eq!(outcome.answer, Answer::Unasked);
    assert_eq!(outcome.reason, "TCP socket bind failed.");
}

#[test]
fn a_source_with_its_port_can_be_used_again_and_again() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut connection = connection(server.local_addr().unwrap());
    connection.from = Some(Box::new(check::config::Source {
        address: Some("127.0.0.3".parse().unwrap()),
        port: NonZeroU16::new(free),
        ..Default::default()
    }));
    let probe = probe(Dialogue::Tcp(connection));
    for round in 0..20 {
        let outcome = run(&probe);
        assert_eq!(outcome.answer, Answer::Good, "round {round}: {outcome:?}");
        let (_, from) = server.accept().unwrap();
        assert_eq!(from, format!("127.0.0.3:{free}").parse().unwrap());
    }
}
