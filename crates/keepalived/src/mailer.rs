//! The process that sends one mail and ends (`spec/cli-and-runtime.md` 10).
//!
//! Started like the launcher of a script, so that name servers and relays that do not answer hold up nobody. One attempt,
//! in the plain dialogue of RFC 5321 as the original holds it; the reason of a failure goes back over the channel. What
//! the mail says is decided by the supervisor.

use crate::ipc::{self, Mail};
use crate::launcher::NOT_RUN;
use crate::role::confinement;
use crate::{exit, log};
use linux::SysError;
use linux::ipc::{Channel, MAX_MESSAGE, Received};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::time::Duration;

/// The word after `--role=`.
pub(crate) const WORD: &str = "mailer";
/// How long it waits for its message, which is sent before it is started.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);
/// Characters of a subject that are sent.
const SUBJECT: usize = 255;
/// Characters of a body that are sent.
const BODY: usize = 511;
/// Bytes of one answer; a relay that says more is not one.
const ANSWER: u64 = 16 * 1024;

/// Sends the mail of the first message.
pub(crate) fn run() -> u8 {
    let channel = match Channel::from_stdin() {
        Ok(channel) => channel,
        Err(error) => {
            eprintln!("keepalived: mail cannot be sent: {error}");
            return exit::FATAL;
        }
    };
    if !confinement::is_off() {
        // What cannot be given up is kept: the mail counts.
        let _ = confinement::of_mailer(linux::sandbox::has_landlock()).enter();
    }
    match read(&channel).and_then(|mail| send(&mail)) {
        Ok(()) => exit::OK,
        Err(error) => {
            // If it cannot be sent, the exit code says as much.
            let _ = channel.send(error.to_string().as_bytes(), &[]);
            NOT_RUN
        }
    }
}

fn read(channel: &Channel) -> Result<Mail, SysError> {
    let mut buffer = vec![0; MAX_MESSAGE];
    linux::ipc::wait(&[channel.as_fd()], Some(FIRST_MESSAGE))?;
    let length = match channel.receive(&mut buffer)? {
        Received::Message { length, .. } => length,
        Received::Nothing | Received::Closed => 0,
    };
    ipc::decode(buffer.get(..length).unwrap_or_default())
}

fn send(mail: &Mail) -> Result<(), SysError> {
    let relay = format!("{}:{}", mail.host, mail.port);
    let fail = |error: io::Error| SysError::new("send mail through", &relay, error);
    let address = (mail.host.as_str(), mail.port)
        .to_socket_addrs()
        .map_err(fail)?
        .next()
        .ok_or_else(|| fail(io::Error::other("it has no address")))?;
    let stream = TcpStream::connect_timeout(&address, mail.timeout).map_err(fail)?;
    stream.set_read_timeout(Some(mail.timeout)).map_err(fail)?;
    stream.set_write_timeout(Some(mail.timeout)).map_err(fail)?;
    talk(&stream, &stream, mail).map_err(fail)
}

/// The dialogue. After an answer that is not the expected one it says QUIT and gives the answer as error.
pub(crate) fn talk(from: impl Read, mut to: impl Write, mail: &Mail) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut steps = vec![
        (220, format!("HELO {}\r\n", header(&mail.helo, SUBJECT))),
        (250, format!("MAIL FROM:<{}>\r\n", envelope(&mail.from))),
    ];
    steps.extend(
        mail.to
            .iter()
            .map(|to| (250, format!("RCPT TO:<{}>\r\n", envelope(to)))),
    );
    steps.push((250, "DATA\r\n".to_owned()));
    steps.push((354, message(mail)));
    steps.push((250, "QUIT\r\n".to_owned()));
    for (expected, text) in steps {
        if let Err(error) = expect(&mut from, expected) {
            // It is going to close in any case.
            let _ = to.write_all(b"QUIT\r\n");
            return Err(error);
        }
        to.write_all(text.as_bytes())?;
        to.flush()?;
    }
    // The mail is taken; how the relay says goodbye is its business.
    let _ = expect(&mut from, 221);
    Ok(())
}

/// Reads one answer, which may have several lines.
fn expect(from: &mut impl BufRead, expected: u16) -> io::Result<()> {
    let mut from = from.take(ANSWER);
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line)?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            return Err(io::Error::other("the connection was closed"));
        }
        if line.as_bytes().get(3) == Some(&b'-') {
            continue;
        }
        if line.get(..3).and_then(|code| code.parse().ok()) == Some(expected) {
            return Ok(());
        }
        return Err(io::Error::other(format!("answer `{line}` in the place of {expected}")));
    }
}

/// The message with its headers in the original's order, ready for the wire.
fn message(mail: &Mail) -> String {
    let to: Vec<String> = mail.to.iter().map(|to| header(to, SUBJECT)).collect();
    let body: String = mail.body.chars().take(BODY).collect();
    let mut text = format!(
        "Date: {}\r\nFrom: {}\r\nSubject: {}\r\nX-Mailer: Keepalived\r\nTo: {}\r\n\r\n",
        header(&mail.date, SUBJECT),
        header(&mail.from, SUBJECT),
        header(&mail.subject, SUBJECT),
        to.join(",\r\n "),
    );
    for line in body.lines() {
        // RFC 5321 section 4.5.2.
        if line.starts_with('.') {
            text.push('.');
        }
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str(".\r\n");
    text
}

/// One line of at most so many characters: a name of an instance must not be able to add headers.
fn header(text: &str, most: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(clean).take(most).collect()
}

/// The address within a display form, or the whole text.
fn envelope(text: &str) -> String {
    let inner = text.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>'));
    let address = inner.map_or(text, |(address, _)| address);
    header(address.trim(), SUBJECT).replace(['<', '>', ' '], "")
}

/// The date of a mail sent now.
pub(crate) fn date() -> String {
    log::date::Date::local(log::wall_time()).mail()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Mail {
            host: "127.0.0.1".to_owned(),
            port: 25,
            helo: "node-a".to_owned(),
            from: "\"The router\" <router@example.com>".to_owned(),
            to: vec!["ops@example.com".to_owned(), "Night <night@example.com>".to_owned()],
            subject: "[node-a] VRRP Instance V - Entering MASTER state".to_owned(),
            body: "=> VRRP Instance is now owning VRRP VIPs <=".to_owned(),
            timeout: Duration::from_secs(1),
            date: "Fri, 27 Nov 2026 15:46:51 +0000".to_owned(),
        }
    }

    #[test]
    fn the_dialogue_is_the_originals() {
        let answers =
            "220-hello\r\n220 relay\r\n250 a\r\n250 b\r\n250 c\r\n250 d\r\n354 go\r\n250 taken\r\n221 bye\r\n";
        let mut sent = Vec::new();
        talk(answers.as_bytes(), &mut sent, &mail()).unwrap();
        let expected = "HELO node-a\r\nMAIL FROM:<router@example.com>\r\nRCPT TO:<ops@example.com>\r\n\
                        RCPT TO:<night@example.com>\r\nDATA\r\nDate: Fri, 27 Nov 2026 15:46:51 +0000\r\n\
                        From: \"The router\" <router@example.com>\r\n\
                        Subject: [node-a] VRRP Instance V - Entering MASTER state\r\nX-Mailer: Keepalived\r\n\
                        To: ops@example.com,\r\n Night <night@example.com>\r\n\r\n\
                        => VRRP Instance is now owning VRRP VIPs <=\r\n.\r\nQUIT\r\n";
        assert_eq!(String::from_utf8(sent).unwrap(), expected);
    }

    #[test]
    fn another_answer_ends_it_with_quit_and_is_named() {
        let mut sent = Vec::new();
        let error = talk(&b"220 relay\r\n550 not you\r\n"[..], &mut sent, &mail()).unwrap_err();
        assert_eq!(error.to_string(), "answer `550 not you` in the place of 250");
        assert_eq!(sent, b"HELO node-a\r\nQUIT\r\n");
        let closed = talk(&b""[..], Vec::new(), &mail()).unwrap_err();
        assert_eq!(closed.to_string(), "the connection was closed");
        let endless = vec![b'2'; 1 << 20];
        assert!(talk(endless.as_slice(), Vec::new(), &mail()).is_err());
    }

    #[test]
    fn no_text_can_add_a_header_a_command_or_the_end() {
        let evil = Mail {
            subject: "a\r\nBcc: x\r\n.\r\nRSET".to_owned(),
            to: vec!["a>\r\nDATA<b\r\n@c".to_owned()],
            body: ".\r\n..x\nlast".to_owned(),
            ..mail()
        };
        let text = message(&evil);
        assert!(text.contains("Subject: a  Bcc: x  .  RSET\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n..\r\n...x\r\nlast\r\n.\r\n"), "{text}");
        assert!(!envelope(&evil.to[0]).contains(['\r', '\n', '<', '>', ' ']));
    }
}
