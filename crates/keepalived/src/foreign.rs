//! For tests and fuzzing: any bytes into every reader of this program: messages between its processes, records of an
//! earlier run, tracked files, times of a reload, answers of mail relays.
//!
//! Decides what must hold whatever is read. Processes of ours believe each other no more than they have to: one may have been
//! taken over by what it reads from a network.
#![allow(clippy::panic, clippy::expect_used, reason = "what does not hold ends the test")]

use crate::configuration::Bundle;
use crate::ipc::{self, Briefing, DumpKind, FromRole, Mail, Outcome, PathState, Script, SessionNews, ToRole};
use crate::log::{Level, Line};
use crate::mailer;
use crate::role::check::left;
use crate::role::vrrp::left as holdings;
use crate::role::vrrp::tracked;
use crate::status::{CheckStatus, VrrpStatus};
use crate::supervisor::appointment;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;
use time::UtcOffset;

/// What the clock shows for the readers of times.
const NOW: Duration = Duration::from_secs(1_800_000_000);
/// Bytes a mailer says at most in one dialogue.
const MOST_SAID: usize = 16 * 1024;

/// An input is the letter of a reader and what it reads. All readers must come back, and what they understand must be written
/// and read again as the same.
pub fn read(bytes: &[u8]) {
    let Some((letter, said)) = bytes.split_first() else {
        return;
    };
    match letter {
        b'T' => message::<ToRole>(said),
        b'F' => message::<FromRole>(said),
        b'S' => message::<SessionNews>(said),
        b'B' => {
            message::<Briefing>(said);
            message::<Bundle>(said);
        }
        b'U' => {
            message::<VrrpStatus>(said);
            message::<CheckStatus>(said);
        }
        b'C' => {
            message::<Script>(said);
            message::<Mail>(said);
        }
        b'R' => record(&String::from_utf8_lossy(said)),
        b'N' => number(said),
        b'W' => moment(&String::from_utf8_lossy(said)),
        b'M' => relay(said),
        _ => {}
    }
}

fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(message) = ipc::decode::<T>(bytes) else {
        return;
    };
    let again = ipc::encode(&message).expect("what was read is written");
    assert!(again.len() <= bytes.len(), "the shortest form is the one we write");
    assert_eq!(ipc::decode::<T>(&again).expect("and read"), message);
}

fn record(text: &str) {
    for line in text.lines() {
        if let Some(left) = left::read(line) {
            let again = left::line(&left.what, left.place.as_ref());
            assert_eq!(left::read(&again), Some(left));
        }
    }
    let said = holdings::read(text.lines());
    let again: Vec<String> = holdings::lines(&said).collect();
    assert_eq!(holdings::read(again.iter().map(String::as_str)), said);
}

fn number(bytes: &[u8]) {
    if let Some(value) = tracked::value(bytes) {
        assert_eq!(tracked::value(value.to_string().as_bytes()), Some(value));
    }
}

fn moment(text: &str) {
    let Some(written) = appointment::written(text) else {
        return;
    };
    for hours in [-12, 0, 14] {
        let offset = UtcOffset::from_hms(hours, 0, 0).expect("an offset");
        if let Some(due) = appointment::next(written, NOW, |_| offset) {
            assert!(due.at > NOW, "it is still to come");
        }
    }
}

/// A relay says this, in pieces of the length that the first byte gives.
fn relay(said: &[u8]) {
    let Some((size, said)) = said.split_first() else {
        return;
    };
    let mut sent = Vec::new();
    let taken = mailer::talk(Pieces(said, usize::from(*size).max(1)), &mut sent, &mail());
    assert!(sent.len() <= MOST_SAID);
    if taken.is_ok() {
        assert!(said.starts_with(b"220"), "a mail is only given to who greets");
        assert!(sent.ends_with(b"QUIT\r\n"));
    }
}

struct Pieces<'a>(&'a [u8], usize);

impl std::io::Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (now, later) = self.0.split_at(self.1.min(self.0.len()).min(buffer.len()));
        if let Some(place) = buffer.get_mut(..now.len()) {
            place.copy_from_slice(now);
        }
        self.0 = later;
        Ok(now.len())
    }
}

fn mail() -> Mail {
    Mail {
        host: "relay.example".to_owned(),
        port: 25,
        helo: "me.example".to_owned(),
        from: "Keepalived <k@me.example>".to_owned(),
        to: vec!["a@example".to_owned(), "b@example".to_owned()],
        subject: "[n1] VRRP Instance VI_1 - Entering MASTER state".to_owned(),
        body: "=> VRRP Instance is now owning VRRP VIPs <=".to_owned(),
        timeout: Duration::from_secs(1),
        date: "Tue, 01 Jan 2030 00:00:00 +0000".to_owned(),
    }
}

/// The seeds.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(&str, u8, Vec<u8>)> = Vec::new();
    let script = Script {
        arguments: vec![b"/bin/sh".to_vec(), b"-c".to_vec()],
        environment: vec![("A".to_owned(), "b".to_owned())],
        groups_of: Some("nobody".to_owned()),
        ..Script::default()
    };
    let result = ToRole::ScriptResult {
        script: "chk".to_owned(),
        outcome: Outcome::NotRun("no".to_owned()),
    };
    let line = FromRole::Log {
        lines: vec![Line::new(Level::Warning, "one")],
        dropped: 3,
    };
    let run = FromRole::RunScript {
        ticket: 7,
        script: script.clone(),
        timeout: Duration::from_secs(1),
    };
    let news = SessionNews {
        session: "near".to_owned(),
        state: PathState::Undecided,
    };
    all.push(("order", b'T', encoded(&result)));
    all.push(("dump", b'T', encoded(&ToRole::Dump(DumpKind::Json))));
    all.push(("log", b'F', encoded(&line)));
    all.push(("run", b'F', encoded(&run)));
    all.push(("session", b'S', encoded(&news)));
    all.push(("vrrp-status", b'U', encoded(&VrrpStatus::default())));
    all.push(("check-status", b'U', encoded(&CheckStatus::default())));
    all.push(("script", b'C', encoded(&script)));
    all.push(("mail", b'C', encoded(&mail())));
    all.push(("briefing", b'B', encoded(&briefing())));
    let record = "tcp 192.0.2.200 80\nfwmark 7 inet6 blue\nnftables k -\neth0.7 2001:db8::1/64\neth0 10.0.0.1/8\n";
    all.push(("record", b'R', record.as_bytes().to_vec()));
    all.push(("number", b'N', b" -0x1f text".to_vec()));
    all.push(("time", b'W', b"2030-02-28 23:59:59Z".to_vec()));
    all.push(("hour", b'W', b"04:05:06".to_vec()));
    let answers = b"\x08220 relay\r\n250-a\r\n250 b\r\n250 c\r\n250 d\r\n250 e\r\n354 f\r\n250 g\r\n221 h\r\n";
    all.push(("relay", b'M', answers.to_vec()));
    all.push(("refused", b'M', b"\x01220 relay\r\n550 no\r\n".to_vec()));
    let seed = |(name, letter, bytes): (&str, u8, Vec<u8>)| (name.to_owned(), [&[letter][..], &bytes].concat());
    all.into_iter().map(seed).collect()
}

fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    ipc::encode(value).expect("a value is written")
}

fn briefing() -> Briefing {
    let loader = conf::MapLoader::default().with("/k.conf", "vrrp_instance V {\n}\n");
    let facts = conf::Facts {
        directory: "/".into(),
        ..conf::Facts::default()
    };
    Briefing {
        supervisor: 7,
        generation: 1,
        bundle: conf::load("/k.conf", facts, &loader),
        options: ipc::Options::default(),
        leftovers: vec!["eth0 10.0.0.1/24".to_owned()],
        services: vec!["tcp 192.0.2.200 80".to_owned()],
        ipvs_elsewhere: true,
        first: true,
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
#[allow(clippy::unwrap_used, unreachable_pub, reason = "it belongs to the fuzz targets")]
mod replay;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_read_to_its_end() {
        replay::replay("daemon", seeds(), read);
    }

    #[test]
    fn a_relay_that_takes_the_mail_is_understood_in_pieces_of_any_size() {
        let (_, seed) = seeds().into_iter().find(|(name, _)| name == "relay").expect("the seed");
        for size in [1, 2, 7, 255] {
            let answers = seed.get(2..).expect("answers");
            let mut sent = Vec::new();
            mailer::talk(Pieces(answers, size), &mut sent, &mail()).expect("it is taken");
        }
    }
}
