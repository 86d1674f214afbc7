//! `SSL_GET` against servers that do well, and against servers that do not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use check::Probe;
use check::config::{ClientTls, Connection, Dialogue, Http, HttpVersion, Secret, Sni, StatusCodes, Url};
use check::judge::Answer;
use common::{Peer, connection, probe, request, run, run_as, say, until_gone};
use prober::Prober;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

fn file(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file(name)).unwrap()
}

fn check(address: SocketAddr, sni: Sni, tls_compliant: bool) -> Probe {
    probe(Dialogue::Http(Box::new(Http {
        connection: Connection {
            timeout: Duration::from_secs(3),
            ..connection(address)
        },
        tls: true,
        version: HttpVersion::V10,
        fast_recovery: false,
        urls: vec![Url {
            path: "/".into(),
            host: None,
            sni,
            tls_compliant,
            status: StatusCodes::default(),
            digest: None,
            regex: None,
        }],
    })))
}

/// How a server of TLS leaves.
#[derive(Clone, Copy)]
enum Leaves {
    Properly,
    Rudely,
}

/// A server of TLS; what it was asked for, and under which name.
fn server(leaves: Leaves, wants_client: bool) -> (Peer, mpsc::Receiver<(Option<String>, String)>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = if wants_client {
        let mut roots = RootCertStore::empty();
        roots.add(certificate("ca.pem")).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = Arc::new(builder.with_single_cert(vec![certificate("server.pem")], key).unwrap());
    let (sender, receiver) = mpsc::channel();
    let peer = Peer::once(move |mut stream: TcpStream| {
        let mut connection = ServerConnection::new(config).unwrap();
        let mut tls = Stream::new(&mut connection, &mut stream);
        let asked = request(&mut tls);
        say(&mut tls, b"HTTP/1.0 200 OK\r\n\r\nhello");
        let name = connection.server_name().map(str::to_owned);
        sender.send((name, asked)).unwrap();
        if let Leaves::Properly = leaves {
            connection.send_close_notify();
            connection.write_tls(&mut stream).unwrap();
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        until_gone(&mut stream);
    });
    (peer, receiver)
}

#[test]
fn a_page_comes_over_tls_from_a_server_nobody_knows() {
    let (peer, asked) = server(Leaves::Rudely, false);
    let outcome = run(&check(peer.address, Sni::Off, false));
    assert_eq!(
        (outcome.answer, outcome.reason.as_str()),
        (Answer::Good, ""),
        "{outcome:?}"
    );
    let (name, request) = asked.recv().unwrap();
    assert_eq!(name, None);
    assert!(request.starts_with("GET / HTTP/1.0\r\n"), "{request}");
}

#[test]
fn the_name_is_sent_that_was_asked_for_and_never_an_address_or_what_is_no_name() {
    for (sni, sent) in [
        ("www.example", Some("www.example".to_owned())),
        ("192.0.2.1", None),
        ("www.example:443", None),
    ] {
        let (peer, asked) = server(Leaves::Properly, false);
        assert_eq!(
            run(&check(peer.address, Sni::Name(sni.into()), false)).answer,
            Answer::Good
        );
        assert_eq!(asked.recv().unwrap().0, sent, "{sni}");
    }
}

#[test]
fn tls_compliant_wants_a_proper_end() {
    let (peer, _asked) = server(Leaves::Properly, false);
    assert_eq!(run(&check(peer.address, Sni::Off, true)).answer, Answer::Good);
    let (peer, _asked) = server(Leaves::Rudely, false);
    let rude = run(&check(peer.address, Sni::Off, true));
    assert_eq!(
        (rude.answer, rude.reason.as_str()),
        (Answer::Bad, "SSL read error from")
    );
}

#[test]
fn tls_that_breaks_is_a_failure() {
    let handshake = "SSL handshake/communication error connecting to";
    for said in [
        &b"HTTP/1.0 400 Bad Request\r\n\r\n"[..],
        b"",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x03\x03\xff\xff",
    ] {
        let peer = Peer::once(move |mut stream| {
            say(&mut stream, said);
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            until_gone(&mut stream);
        });
        let outcome = run(&check(peer.address, Sni::Off, false));
        assert_eq!(
            (outcome.answer, outcome.reason.as_str()),
            (Answer::Bad, handshake),
            "{said:?}"
        );
    }
    let peer = Peer::once(|mut stream| until_gone(&mut stream));
    let silent = run(&check(peer.address, Sni::Off, false));
    assert_eq!((silent.answer, silent.reason.as_str()), (Answer::Bad, handshake));
    assert!(silent.details.took < Duration::from_secs(10), "{silent:?}");
}

#[test]
fn a_server_that_wants_to_know_us_sees_our_certificate() {
    for (key, password) in [("client.key", None), ("client-encrypted.key", Some("secret"))] {
        let tls = ClientTls {
            password: password.map(|word| Secret(word.to_owned())),
            ca: Some(file("server.pem").into()),
            certificate: Some(file("client.pem").into()),
            key: Some(file(key).into()),
        };
        let (peer, _asked) = server(Leaves::Properly, true);
        let probe = check(peer.address, Sni::Off, true);
        assert_eq!(Prober::new(&tls, [&probe]).1, [], "{key}");
        let outcome = run_as(&tls, &probe);
        assert_eq!(outcome.answer, Answer::Good, "{key}: {outcome:?}");
    }
}

#[test]
fn a_key_that_cannot_be_read_is_told_without_what_is_in_it() {
    let (peer, _asked) = server(Leaves::Properly, false);
    let probe = check(peer.address, Sni::Off, false);
    for (key, password, why) in [
        ("client-encrypted.key", Some("wrong"), "the password does not open it"),
        ("client-encrypted.key", None, "it is encrypted and there is no password"),
        ("client-old.key", Some("secret"), "encrypted in the old format"),
        ("missing.key", None, "No such file"),
        ("client.pem", None, "no items found"),
    ] {
        let tls = ClientTls {
            password: password.map(|word| Secret(word.to_owned())),
            ca: None,
            certificate: Some(file("client.pem").into()),
            key: Some(file(key).into()),
        };
        let troubles = Prober::new(&tls, [&probe]).1;
        let text = troubles.iter().map(ToString::to_string).collect::<String>();
        assert!(
            text.starts_with("SSL error : Cant load key file...") && text.contains(why),
            "{text}"
        );
        assert!(!text.contains("secret") && !text.contains("wrong"), "{text}");
    }
    assert_eq!(run(&probe).answer, Answer::Good);
}
