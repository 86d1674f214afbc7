//! Any bytes into the readers of HTTP, SMTP, DNS, UDP and ICMP. Also the body of the test that replays the seeds.

use base::Family;
use check::config::{Connection, DIGEST_LEN, Pattern, Reply, Sni, StatusCodes, Udp, Url};
use check::probe::http::{BODY, Failure, HEADER, NoSearch, Page, Reader};
use check::probe::{Next, dns, ping, smtp, udp};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// An input is the letter of a protocol, the size of the pieces, and what the server says. Readers must come back, take no
/// more than they may, and say the same however the answer is cut.
pub fn read(bytes: &[u8]) {
    let Some((&[protocol, size], said)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let size = usize::from(size).max(1);
    match protocol {
        b'H' => http(said, size),
        b'S' => smtp(said, size),
        b'D' => datagrams(said),
        _ => {}
    }
}

fn http(said: &[u8], size: usize) {
    for digest in [None, Some([0; DIGEST_LEN])] {
        let url = Url {
            path: "/".into(),
            host: None,
            sni: Sni::Off,
            tls_compliant: false,
            status: StatusCodes::default(),
            digest,
            regex: None,
        };
        let whole = page(&url, said, said.len().max(1));
        let cut = page(&url, said, size);
        match (whole, cut) {
            (Ok(whole), Ok(cut)) => {
                assert_eq!(whole.status, cut.status);
                assert!((200..300).contains(&whole.status));
                assert!(whole.length_differs.is_none_or(|(_, came)| came <= BODY));
            }
            (Err(whole), Err(cut)) => assert_eq!(whole, cut),
            (whole, cut) => panic!("{whole:?} as one piece, {cut:?} in pieces of {size}"),
        }
        if said.len() > HEADER && !said.windows(2).any(|pair| pair == b"\n\n" || pair == b"\r\n") {
            assert_eq!(page(&url, said, size), Err(Failure::NoData));
        }
    }
}

fn page(url: &Url, said: &[u8], size: usize) -> Result<Page, Failure> {
    let mut reader = Reader::new(url);
    for piece in said.chunks(size) {
        match reader.received(piece, &mut NoSearch)? {
            Next::Read => {}
            Next::Done => break,
            Next::Send(_) => panic!("a page is asked for once"),
        }
    }
    reader.closed(&mut NoSearch)
}

fn smtp(said: &[u8], size: usize) {
    let mut dialogue = smtp::Smtp::new("me.example");
    let mut sent = Vec::new();
    let mut done = false;
    for piece in said.chunks(size) {
        match dialogue.received(piece) {
            Ok(Next::Read) => {}
            Ok(Next::Send(bytes)) => sent.push(bytes),
            Ok(Next::Done) => {
                done = true;
                break;
            }
            Err(_) => break,
        }
    }
    assert!(sent.len() <= 2);
    assert_eq!(done, dialogue.closed().is_ok());
    if done {
        // Nobody is well who did not greet and agree.
        assert_eq!(sent, [&b"HELO me.example\r\n"[..], b"QUIT\r\n"]);
        assert!(said.starts_with(b"220"));
    }
}

fn datagrams(said: &[u8]) {
    let id = 0x1234;
    if dns::received(id, said) == dns::Received::Good {
        assert!(said.len() >= 12 && said.starts_with(&[0x12, 0x34]));
    }
    let pattern = Pattern {
        bytes: vec![(0x40, 0xf0), (0x02, 0x0f)],
        min: 1,
        max: 64,
    };
    let config = Udp {
        connection: Connection {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 9,
            timeout: Duration::from_secs(1),
            from: None,
        },
        payload: None,
        reply: Reply::Like(pattern),
    };
    if udp::is_good(&config, said) {
        assert!((1..=64).contains(&said.len()) && said.first().is_some_and(|byte| byte & 0xf0 == 0x40));
    }
    for family in [Family::V4, Family::V6] {
        if ping::is_reply(family, 7, said) || ping::is_raw_reply(family, id, 7, said) {
            assert!(said.len() >= 136);
        }
    }
}
