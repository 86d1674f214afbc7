//! Golden traces: `= ` says what the instance is, `> ` what happens to it, `< ` what it answers.
//!
//! Timers and the kernel's answers happen by themselves and are written down. `VRRP_BLESS=1` writes the files anew.
//! A report of a user becomes a test by adding it to the folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::Instant;
use common::Wish;
use common::bench::{Bench, facts, packet_from};
use core::time::Duration;
use std::fmt::Write as _;
use vrrp::action::Action;
use vrrp::config::{Version, Wanted};
use vrrp::draft::AuthType;
use vrrp::engine::Wake;
use vrrp::input::{BatchId, Input, InterfaceFacts};

/// How long the kernel takes for a batch.
const KERNEL: Duration = Duration::from_millis(1);

#[test]
fn every_trace_is_answered_as_it_stands() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/traces");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 6);
    for path in names {
        let golden = std::fs::read_to_string(&path).unwrap();
        let ours = Replay::run(&golden);
        if std::env::var_os("VRRP_BLESS").is_some() {
            std::fs::write(&path, &ours).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        for (line, (ours, golden)) in ours.lines().zip(golden.lines()).enumerate() {
            assert_eq!(ours, golden, "{}:{}", path.display(), line + 1);
        }
        assert_eq!(ours.lines().count(), golden.lines().count(), "{}", path.display());
    }
}

struct Replay {
    bench: Bench,
    wish: Wish,
    began: Instant,
    answers: Vec<(Instant, BatchId)>,
    out: String,
}

impl Replay {
    fn run(text: &str) -> String {
        let mut wish = Wish {
            addresses: 1,
            ..Wish::default()
        };
        let mut head = String::new();
        for line in text
            .lines()
            .filter(|line| line.starts_with('#') || line.starts_with("= "))
        {
            head.push_str(line);
            head.push('\n');
            let words = line.strip_prefix("= ").unwrap_or_default().split_whitespace();
            words.for_each(|word| set(&mut wish, word));
        }
        let bench = Bench::new(&[wish.clone()]);
        let began = bench.now;
        let mut replay = Replay {
            bench,
            wish,
            began,
            answers: Vec::new(),
            out: head,
        };
        let actions = replay.bench.actions.clone();
        replay.write(&actions);
        for line in text.lines() {
            if let Some((at, what)) = input(line) {
                replay.until(began.after(at));
                replay.feed(what);
            }
        }
        replay.out
    }

    fn until(&mut self, until: Instant) {
        loop {
            let answer = self.answers.first().copied();
            let deadline = self.bench.engine.deadline();
            let timer = deadline.as_ref().map(|deadline| deadline.at.max(self.bench.now));
            match (answer, timer) {
                (Some((at, batch)), timer) if at <= until && timer.is_none_or(|timer| at < timer) => {
                    self.answers.remove(0);
                    self.bench.now = at;
                    self.note(&format!("> done #{}", batch.0));
                    let actions = self.bench.feed(Input::AddressesChanged { batch, refused: &[] });
                    self.write(&actions);
                }
                (_, Some(at)) if at <= until => {
                    self.bench.now = at;
                    let why = match deadline.map(|deadline| deadline.why) {
                        Some(Wake::Instance(_, timer)) => format!("{timer:?}"),
                        Some(Wake::Announce) => "Announce".to_string(),
                        Some(Wake::Tracked) => "Tracked".to_string(),
                        Some(Wake::RetryFilter) => "RetryFilter".to_string(),
                        Some(Wake::RetryAddress) => "RetryAddress".to_string(),
                        Some(Wake::Claimed) => "Claimed".to_string(),
                        Some(Wake::HoldAddresses) => "HoldAddresses".to_string(),
                        None => String::new(),
                    };
                    self.note(&format!("> timer {why}"));
                    let actions = self.bench.feed(Input::DeadlineReached);
                    self.write(&actions);
                }
                _ => break,
            }
        }
        self.bench.now = until;
    }

    fn feed(&mut self, what: &str) {
        self.note(&format!("> {what}"));
        let name = "eth0".parse().unwrap();
        let words: Vec<&str> = what.split_whitespace().collect();
        let actions = match words.as_slice() {
            ["interface", "down"] => {
                let facts = Some(InterfaceFacts {
                    running: false,
                    ..facts()
                });
                self.bench.feed(Input::Interface { name, facts })
            }
            ["interface", "up"] => self.bench.feed(Input::Interface {
                name,
                facts: Some(facts()),
            }),
            ["interface", "gone"] => self.bench.feed(Input::Interface { name, facts: None }),
            ["shutdown"] => self.bench.feed(Input::Shutdown { keep_addresses: false }),
            ["lost"] => {
                let prefix = base::Prefix::host("10.0.0.10".parse().unwrap());
                let key = vrrp::config::AddressKey {
                    interface: name,
                    prefix,
                };
                self.bench.feed(Input::Address { key, present: false })
            }
            ["end"] => Vec::new(),
            ["advert", from, words @ ..] => {
                let mut wish = self.wish.clone();
                words.iter().for_each(|word| set(&mut wish, word));
                let mut bytes = packet_from(&wish, from.parse().unwrap());
                if wish.priority == 0 {
                    bytes = resigning(&wish, from);
                }
                self.bench.hear(&bytes)
            }
            _ => panic!("what is {what:?}?"),
        };
        self.write(&actions);
    }

    fn write(&mut self, actions: &[Action]) {
        for action in actions {
            self.note(&format!("< {action}"));
            if let Action::ChangeAddresses { batch, .. } = action {
                self.answers.push((self.bench.now.after(KERNEL), *batch));
            }
        }
    }

    fn note(&mut self, line: &str) {
        let at = Instant::ZERO.after(self.bench.now - self.began);
        writeln!(self.out, "{at} {line}").unwrap();
    }
}

fn resigning(wish: &Wish, from: &str) -> Vec<u8> {
    let source = Some(from.parse().unwrap());
    let mut bench = Bench::new(&[Wish {
        priority: 100,
        source,
        ..wish.clone()
    }]);
    bench.run_for(Duration::from_secs(8));
    bench.feed(Input::Shutdown { keep_addresses: false });
    bench.adverts().last().unwrap().bytes.clone()
}

/// An input of the script; timers and answers are not.
fn input(line: &str) -> Option<(Duration, &str)> {
    let (at, what) = line.split_once(" > ")?;
    if what.starts_with("timer") || what.starts_with("done") {
        return None;
    }
    let (seconds, micros) = at.split_once('.').unwrap();
    let at = Duration::from_secs(seconds.parse().unwrap()) + Duration::from_micros(micros.parse().unwrap());
    Some((at, what))
}

fn set(wish: &mut Wish, word: &str) {
    match word.split_once('=') {
        Some(("priority", value)) => wish.priority = value.parse().unwrap(),
        Some(("interval", value)) => wish.interval = Duration::from_millis(value.parse().unwrap()),
        Some(("preempt_delay", value)) => wish.preempt_delay = Duration::from_millis(value.parse().unwrap()),
        Some(("version", "2")) => wish.version = Version::V2,
        Some(("version", "3")) => wish.version = Version::V3,
        Some(("state", "MASTER")) => wish.wanted = Some(Wanted::Master),
        Some(("auth", "AH")) => wish.auth = Some(AuthType::Ah),
        Some(("auth", "PASS")) => wish.auth = Some(AuthType::Pass),
        None if word == "nopreempt" => wish.nopreempt = true,
        _ => panic!("what is {word:?}?"),
    }
}
