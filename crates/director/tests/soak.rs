//! A director that has been at work for long is no larger than one that has begun.
//!
//! `KEEPALIVED_SOAK=1000` (`make soak`) is a million failed checks and ten thousand reloads; without it a tenth of that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod common;

use check::judge::Answer;
use common::{Play, config, real, service, with_tcp};
use director::Config;

/// KiB by which a process may grow: less than a byte for each check, some bytes for each reload.
const SLACK: u64 = 512;

fn rounds() -> usize {
    let many = std::env::var("KEEPALIVED_SOAK").ok().and_then(|many| many.parse().ok());
    many.unwrap_or(100)
}

/// KiB of memory that this process has in use.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// So many virtual servers over the same hundred real servers.
fn servers(count: u8) -> Config {
    let reals = || (1..=100).map(real).collect();
    config((1..=count).map(|vip| with_tcp(service(vip, reals()))))
}

/// What was heard is of no further interest.
fn forget(play: &mut Play) {
    play.said.clear();
    play.told.clear();
    play.forgotten.clear();
}

#[test]
fn failed_checks_leave_nothing_behind() {
    let mut play = Play::new(servers(4));
    let (mut failed, wanted) = (0, rounds() * 1_000);
    let mut size = None;
    let mut turn = 0_u32;
    while failed < wanted {
        play.pass();
        turn += 1;
        play.answer(|_| {
            failed += 1;
            (Answer::Bad, None)
        });
        // From time to time all are well, so that states and the table change too.
        if turn.is_multiple_of(10) {
            play.pass();
            play.answer(|_| (Answer::Good, None));
        }
        forget(&mut play);
        let _ = play.engine.take_part();
        if size.is_none() && failed > wanted / 5 {
            size = Some(resident());
        }
    }
    let grown = resident().saturating_sub(size.unwrap());
    assert!(grown < SLACK, "{failed} failed checks: {grown} KiB");
    assert_eq!(play.engine.probes(), 100);
}

#[test]
fn reloads_leave_nothing_behind() {
    let mut play = Play::new(servers(2));
    let (reloads, mut size) = (rounds() * 10, 0);
    for turn in 0..reloads {
        // Servers come and go, questions are under way, and some answers never come.
        play.reload(servers(if turn.is_multiple_of(2) { 3 } else { 2 }));
        play.pass();
        if turn.is_multiple_of(3) {
            play.answer(|_| (Answer::Bad, None));
        }
        let forgotten = std::mem::take(&mut play.forgotten);
        play.asked.retain(|(ticket, _)| !forgotten.contains(ticket));
        forget(&mut play);
        let _ = play.engine.take_part();
        if turn == reloads / 5 {
            size = resident();
        }
    }
    let grown = resident().saturating_sub(size);
    assert!(grown < SLACK, "{reloads} reloads: {grown} KiB");
    assert_eq!((play.engine.table().pools.len(), play.engine.probes()), (2, 100));
}
