//! `genhash`, by its name and by the option, with the output of the original.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::thread::spawn;

/// Runs it as `genhash`, or as `keepalived --genhash`.
fn genhash(name: &str, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keepalived"))
        .arg0(name)
        .args(words)
        .output()
        .unwrap()
}

/// A server that answers one request so; its port.
fn server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut room = [0; 512];
        while !asked.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut room).unwrap();
            asked.extend_from_slice(&room[..length]);
        }
        stream.write_all(answer).unwrap();
    });
    port
}

const PAGE: &[u8] =
    b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\nhello world\n\x00\x01binary";

#[test]
fn the_hash_of_a_page_is_printed_whatever_its_status() {
    let ask = |name: &str, first: &[&str], answer| {
        let port = server(answer).to_string();
        let words = [first, &["-s", "127.0.0.1", "-p", &port, "-u", "/x"]].concat();
        let output = genhash(name, &words);
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(ask("/usr/bin/genhash", &[], PAGE), "bf1162adecd98b4efc62d561e9293802\n");
    assert_eq!(
        ask("keepalived", &["--genhash"], PAGE),
        "bf1162adecd98b4efc62d561e9293802\n"
    );
    let missing = b"HTTP/1.0 404 No\r\n\r\nbody";
    assert_eq!(
        ask("genhash", &["-P", "1.1"], missing),
        "841a2d689ad86bd1611447453c22c6fc\n"
    );
}

#[test]
fn verbose_shows_header_body_hash_and_time() {
    let port = server(PAGE).to_string();
    let output = genhash("genhash", &["-v", "-s", "127.0.0.1", "-p", &port, "-u", "/x"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let (shown, time) = text.rsplit_once('=').unwrap();
    assert!(time.trim_end().ends_with(" usecs"), "{time}");
    let expected = "\
-----------------------[    HTTP Header Buffer    ]-----------------------
0000  48 54 54 50 2f 31 2e 30 - 20 32 30 30 20 4f 4b 0d   HTTP/1.0 200 OK.
0016  0a 43 6f 6e 74 65 6e 74 - 2d 54 79 70 65 3a 20 74   .Content-Type: t
0032  65 78 74 2f 70 6c 61 69 - 6e 0d 0a 43 6f 6e 74 65   ext/plain..Conte
0048  6e 74 2d 4c 65 6e 67 74 - 68 3a 20 32 30 0d 0a 0d   nt-Length: 20...
0064  0a                      -                           .               
-----------------------[ HTTP Header Ascii Buffer ]-----------------------
HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\n
-----------------------[        HTML Buffer        ]-----------------------
0000  68 65 6c 6c 6f 20 77 6f - 72 6c 64 0a 00 01 62 69   hello world...bi
0016  6e 61 72 79             -                           nary            

-----------------------[    HTML hash resulting    ]-----------------------
0000  bf 11 62 ad ec d9 8b 4e - fc 62 d5 61 e9 29 38 02   ..b....N.b.a.)8.
-----------------------[ HTML hash final resulting ]-----------------------
bf1162adecd98b4efc62d561e9293802

Global response time for [/x] ";
    assert_eq!(shown, expected);
}

#[test]
fn what_goes_wrong_is_printed_and_no_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let output = genhash("genhash", &["-s", "127.0.0.1", "-p", &port, "-u", "/"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "Connection failed\n");
    let port = server(b"garbage").to_string();
    let output = genhash("genhash", &["-s", "127.0.0.1", "-p", &port, "-u", "/"]);
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "no data received from remote webserver\n"
    );
}

#[test]
fn a_command_line_that_is_wrong_says_so_with_the_usage() {
    for (words, line) in [
        (&["-s", "localhost"][..], "server should be an IP, not localhost"),
        (&["-p", "99999"], "invalid port number '99999'"),
        (&["-P", "2"], "invalid HTTP protocol version '2'"),
        (&["-m", "0x1"], "invalid fwmark '0x1'"),
        (&["-t", "0.5"], "invalid timeout '0.5'"),
        (&["-Q"], "Unknown option -Q"),
        (&["--foo"], "Unknown option --foo"),
        (&["extra"], "Unexpected argument(s): extra"),
        (&["-s"], "Usage: genhash COMMAND [OPTIONS]"),
        (&["-s", "::1"], "Usage: genhash COMMAND [OPTIONS]"),
        (&["-h"], "Usage: genhash COMMAND [OPTIONS]"),
    ] {
        let output = genhash("genhash", words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.lines().next(), Some(line), "{words:?}");
        assert!(text.contains("   --use-ssl         -S       Use SSL connection to remote server.\n"));
    }
    let output = genhash("keepalived", &["-T"]);
    assert!(
        output
            .stderr
            .starts_with(b"Usage: keepalived --genhash COMMAND [OPTIONS]\n")
    );
}

/// The guide is about the same checks.
#[test]
fn what_the_guide_shows_is_accepted() {
    let guide = include_str!("../../../docs/guide/checks.md");
    let folder = tempfile::tempdir().unwrap();
    let mut shown = 0;
    for block in guide.split("```conf\n").skip(1) {
        let (text, _) = block.split_once("```").unwrap();
        let file = folder.path().join("k.conf");
        std::fs::write(&file, text).unwrap();
        let output = genhash("keepalived", &["-t", "-f", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        shown += 1;
    }
    assert_eq!(shown, 2);
    let command = guide.lines().find(|line| line.starts_with("genhash ")).unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    // The address is one of an example: to have the command line understood is enough.
    let mut words = words;
    words.push("-h");
    let output = genhash("genhash", &words);
    assert!(output.stderr.starts_with(b"Usage: "));
}

#[test]
fn a_pattern_that_is_none_is_told_by_a_test_of_the_configuration_and_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("k.conf");
    let text = "virtual_server 192.0.2.10 80 {
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 198.51.100.1 80 {
        HTTP_GET {
            url {
                path /
                regex \"a(b\"
            }
        }
    }
}
";
    std::fs::write(&file, text).unwrap();
    let output = genhash("keepalived", &["-t", "-f", file.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "Invalid regex: 'a(b' at offset 3: missing closing parenthesis\n");
    assert_eq!(output.status.code(), Some(0));
}
