//! The whole state table: every state, an owner among them, with everything that can happen in it.
//!
//! The table is `state_table.txt`; each line was read and judged by a person. `VRRP_BLESS=1` writes it anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::Instant;
use common::{Wish, config};
use core::net::IpAddr;
use core::time::Duration;
use std::fmt::Write as _;
use std::sync::Arc;
use vrrp::action::StateName;
use vrrp::config::{Priority, Wanted};
use vrrp::election::{Effect, Election, Happening, Heard, State};
use vrrp::wire::Claim;

const NOW: Instant = Instant::from_micros(100_000_000);

#[test]
fn every_state_answers_everything_that_can_happen_as_the_table_says() {
    let mut table = String::new();
    for (state, make) in STATES {
        for (what, happening) in happenings() {
            let mut election = make();
            let mut effects = Vec::new();
            let now = match what {
                "timer, early" => NOW,
                _ => NOW.after(Duration::from_secs(10)),
            };
            election.handle(now, happening, &mut effects);
            writeln!(
                table,
                "{state:<14} | {what:<22} | {:<24} | {}",
                shown(now, &election),
                list(&effects)
            )
            .unwrap();
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/state_table.txt");
    if std::env::var_os("VRRP_BLESS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    for (line, (ours, golden)) in table.lines().zip(expected.lines()).enumerate() {
        assert_eq!(ours, golden, "line {}", line + 1);
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}

#[test]
fn a_second_call_with_the_same_timer_does_nothing() {
    for (state, make) in STATES {
        let mut election = make();
        let mut effects = Vec::new();
        let later = NOW.after(Duration::from_secs(10));
        election.handle(later, Happening::DeadlineReached, &mut effects);
        let after = election.state();
        effects.clear();
        election.handle(later, Happening::DeadlineReached, &mut effects);
        assert_eq!(effects, [], "{state}");
        assert_eq!(election.state(), after, "{state}");
    }
}

#[test]
fn a_master_down_timer_is_never_early() {
    let mut election = backup(wish());
    let due = election.deadline().unwrap().at;
    let mut effects = Vec::new();
    election.handle(
        due.before(Duration::from_micros(1)),
        Happening::DeadlineReached,
        &mut effects,
    );
    assert_eq!(effects, []);
    election.handle(due, Happening::DeadlineReached, &mut effects);
    assert_eq!(election.state().name(), StateName::Master);
}

#[test]
fn what_a_master_hears_does_not_move_its_next_advert_unless_it_answers() {
    let mut election = master(Wish {
        priority: 200,
        ..wish()
    });
    let due = election.deadline();
    let heard = heard(150, 200);
    let mut effects = Vec::new();
    election.handle(
        NOW.after(Duration::from_millis(500)),
        Happening::Heard(heard),
        &mut effects,
    );
    // Equal priority with the address of the same number: only a warning.
    assert_eq!(list(&effects).matches("advertise").count(), 0);
    assert_eq!(election.deadline(), due);
}

#[test]
fn adverts_keep_their_schedule_when_they_share_an_early_wake_up() {
    let mut election = master(wish());
    let State::Master { next_advert, .. } = election.state() else {
        panic!("no master");
    };
    let early = next_advert.before(Duration::from_micros(900));
    election.handle(early, Happening::DeadlineReached, &mut Vec::new());
    let State::Master { next_advert: then, .. } = election.state() else {
        panic!("no master");
    };
    assert_eq!(then - next_advert, Duration::from_secs(1));
}

#[test]
fn a_master_that_was_asleep_for_long_does_not_make_up_for_missed_adverts() {
    let mut election = master(wish());
    let now = NOW.after(Duration::from_secs(60));
    let mut effects = Vec::new();
    election.handle(now, Happening::DeadlineReached, &mut effects);
    assert_eq!(effects, [Effect::Advertise]);
    assert_eq!(election.deadline().unwrap().at, now.after(Duration::from_secs(1)));
}

#[test]
fn a_preempt_delay_respects_a_lower_priority_until_it_is_over() {
    let mut election = backup(Wish {
        preempt_delay: Duration::from_secs(3),
        ..wish()
    });
    let mut at = NOW;
    let mut texts = String::new();
    for _ in 0..20 {
        let mut effects = Vec::new();
        election.handle(at, Happening::DeadlineReached, &mut effects);
        election.handle(at, Happening::Heard(heard(200, 50)), &mut effects);
        texts.push_str(&list(&effects));
        if let State::Master { .. } = election.state() {
            break;
        }
        at = at.after(Duration::from_secs(1));
    }
    assert_eq!(texts.matches("start preempt delay (3.000000)").count(), 1, "{texts}");
    // Three seconds of respect; the advert that comes at its very end is the first to be discarded.
    assert_eq!(at - NOW, Duration::from_secs(6), "{texts}");
}

#[test]
fn a_better_router_ends_a_preempt_delay() {
    let mut election = backup(Wish {
        preempt_delay: Duration::from_secs(3),
        ..wish()
    });
    let mut effects = Vec::new();
    election.handle(NOW, Happening::Heard(heard(200, 50)), &mut effects);
    election.handle(NOW, Happening::Heard(heard(201, 150)), &mut effects);
    assert!(list(&effects).contains("stop preempt delay"));
    let State::Backup { respect_until, .. } = election.state() else {
        panic!("no backup");
    };
    assert_eq!(respect_until, None);
}

#[test]
fn a_version_3_backup_waits_by_the_masters_interval_and_a_zero_one_is_not_believed() {
    let version_3 = Wish {
        version: vrrp::config::Version::V3,
        ..wish()
    };
    let mut election = backup(version_3);
    let mut advert = heard(200, 150);
    advert.interval = Duration::from_secs(4);
    let mut effects = Vec::new();
    election.handle(NOW, Happening::Heard(advert), &mut effects);
    assert!(list(&effects).contains("advertisement interval updated from 1000ms to 4000ms by master"));
    // 3 * 4 s and a skew of 156/256 of 4 s.
    assert_eq!(election.deadline().unwrap().at - NOW, Duration::from_micros(14_437_500));
    advert.interval = Duration::ZERO;
    election.handle(NOW, Happening::Heard(advert), &mut effects);
    assert_eq!(election.master_interval(), Duration::from_secs(4));
    let taken_over = election.deadline().unwrap().at;
    election.handle(taken_over, Happening::DeadlineReached, &mut effects);
    assert_eq!(election.master_interval(), Duration::from_secs(1));
}

#[test]
fn of_two_owners_the_one_with_the_lower_address_yields_at_once() {
    let mut election = owner();
    let mut effects = Vec::new();
    election.handle(NOW, Happening::Heard(heard(200, 255)), &mut effects);
    assert_eq!(election.state().name(), StateName::Backup);
    assert!(list(&effects).contains("CONFIGURATION ERROR"));
}

#[test]
fn an_owner_that_is_not_obeyed_reduces_its_priority_and_regains_it_from_another_master() {
    let mut election = owner();
    let mut effects = Vec::new();
    // Its two answers to the first adverts arm the watch; the next advert ends the ownership.
    let mut at = NOW;
    for _ in 0..6 {
        election.handle(at, Happening::Heard(heard(100, 255)), &mut effects);
        at = at.after(Duration::from_millis(100));
    }
    assert!(
        list(&effects).contains("still advertising as address owner"),
        "{}",
        list(&effects)
    );
    assert_eq!(election.state().name(), StateName::Backup);
    assert_eq!(election.effective().get(), 254);
    election.handle(at, Happening::Heard(heard(77, 10)), &mut effects);
    assert_eq!(election.effective().get(), 255);
}

#[test]
fn an_owner_whose_rival_falls_silent_goes_on_as_owner() {
    let mut election = owner();
    let mut effects = Vec::new();
    election.handle(NOW, Happening::Heard(heard(100, 255)), &mut effects);
    let mut at = NOW;
    for _ in 0..6 {
        at = election.deadline().unwrap().at.max(at);
        election.handle(at, Happening::DeadlineReached, &mut effects);
    }
    assert!(list(&effects).contains("has stopped advertising as address owner"));
    election.handle(at, Happening::Heard(heard(100, 255)), &mut effects);
    assert_eq!(election.effective(), Priority::OWNER);
    assert_eq!(election.state().name(), StateName::Master);
}

#[test]
fn a_changed_priority_moves_the_timer_of_a_backup_by_the_difference() {
    let mut election = backup(wish());
    let before = election.deadline().unwrap().at;
    let mut effects = Vec::new();
    let changed = Wish {
        priority: 200,
        ..wish()
    };
    let changed = Arc::new(config(&changed));
    election.reconfigure(NOW, Arc::clone(&changed), changed.priority, &mut effects);
    // A hundred steps of 1/256 s, each rounded down: (156 - 56) * 1000000 / 256.
    assert_eq!(before - election.deadline().unwrap().at, Duration::from_micros(390_625));
    assert!(list(&effects).contains("Changing effective priority from 100 to 200"));
}

#[test]
fn how_an_instance_starts_depends_on_what_it_wants_and_owns() {
    let wait = |wish: Wish| {
        let election = started(wish, false);
        election.deadline().unwrap().at - NOW
    };
    assert_eq!(wait(wish()), Duration::from_micros(3_609_375));
    let eager = Wish {
        wanted: Some(Wanted::Master),
        ..wish()
    };
    assert_eq!(wait(eager.clone()), Duration::from_micros(3_609_375));
    let owner = Wish { priority: 255, ..eager };
    assert_eq!(wait(owner), Duration::from_micros(1));
}

/// A state's name and how to get there.
type Setup = (&'static str, fn() -> Election);

const STATES: [Setup; 12] = [
    ("init", || Election::new(Arc::new(config(&wish())))),
    ("fault", || started(wish(), true)),
    ("fault, owner", || {
        started(
            Wish {
                priority: 255,
                ..wish()
            },
            true,
        )
    }),
    ("backup", || backup(wish())),
    ("backup, nopre", || {
        backup(Wish {
            nopreempt: true,
            ..wish()
        })
    }),
    ("master", || master(wish())),
    ("master, owner", owner),
    ("group, fault", || member(wish(), true)),
    ("group, backup", || member(wish(), false)),
    ("group, claiming", || {
        let mut election = member(wish(), false);
        let at = election.deadline().unwrap().at;
        election.handle(at, Happening::DeadlineReached, &mut Vec::new());
        election
    }),
    ("group, owner", || {
        let owner = Wish {
            priority: 255,
            wanted: Some(Wanted::Master),
            ..wish()
        };
        member(owner, true)
    }),
    ("stopped", || {
        let mut election = backup(wish());
        let stop = Happening::Stop {
            resign: true,
            last: StateName::Stop,
        };
        election.handle(NOW, stop, &mut Vec::new());
        election
    }),
];

fn happenings() -> Vec<(&'static str, Happening)> {
    let not_before = NOW;
    let started = |faulted| Happening::Start { not_before, faulted };
    let resigning = Heard {
        claim: Claim::Resigning,
        ..heard(200, 1)
    };
    vec![
        ("start", started(false)),
        ("start, faulted", started(true)),
        ("timer, early", Happening::DeadlineReached),
        ("timer", Happening::DeadlineReached),
        ("late", Happening::Late { slept: Duration::ZERO }),
        ("hears resignation", Happening::Heard(resigning)),
        ("hears 50", Happening::Heard(heard(200, 50))),
        ("hears 100 from lower", Happening::Heard(heard(100, 100))),
        ("hears 100 from itself", Happening::Heard(heard(150, 100))),
        ("hears 100 from higher", Happening::Heard(heard(200, 100))),
        ("hears 200", Happening::Heard(heard(100, 200))),
        ("hears 255 from lower", Happening::Heard(heard(100, 255))),
        ("hears 255 from higher", Happening::Heard(heard(200, 255))),
        ("faulted", Happening::Faulted),
        ("recovered", Happening::Recovered { not_before }),
        ("address lost", Happening::AddressLost),
        ("tracks its way to 90", Happening::Priority(Priority::new(90).unwrap())),
        ("group rises", Happening::Promote),
        ("group falls", Happening::Demote),
        (
            "stop",
            Happening::Stop {
                resign: true,
                last: StateName::Stop,
            },
        ),
        (
            "stop, keep addresses",
            Happening::Stop {
                resign: false,
                last: StateName::Stop,
            },
        ),
    ]
}

fn wish() -> Wish {
    Wish::default()
}

fn heard(last: u8, priority: u8) -> Heard {
    Heard {
        source: IpAddr::from([192, 0, 2, last]),
        claim: Claim::from_byte(priority),
        interval: Duration::from_secs(1),
    }
}

/// Our own address is 192.0.2.150.
fn started(wish: Wish, faulted: bool) -> Election {
    let mut election = Election::new(Arc::new(config(&wish)));
    election.set_own_address(Some(IpAddr::from([192, 0, 2, 150])));
    let start = Happening::Start {
        not_before: NOW,
        faulted,
    };
    election.handle(NOW, start, &mut Vec::new());
    election
}

/// A member of a sync group.
fn member(wish: Wish, faulted: bool) -> Election {
    let config = vrrp::config::Config {
        group: Some(vrrp::config::Name::from("G")),
        ..config(&wish)
    };
    let mut election = Election::new(Arc::new(config));
    election.set_own_address(Some(IpAddr::from([192, 0, 2, 150])));
    let start = Happening::Start {
        not_before: NOW,
        faulted,
    };
    election.handle(NOW, start, &mut Vec::new());
    election
}

fn backup(wish: Wish) -> Election {
    started(wish, false)
}

fn master(wish: Wish) -> Election {
    let mut election = started(wish, false);
    let at = election.deadline().unwrap().at;
    election.handle(at, Happening::DeadlineReached, &mut Vec::new());
    election
}

fn owner() -> Election {
    master(Wish {
        priority: 255,
        wanted: Some(Wanted::Master),
        ..wish()
    })
}

fn shown(now: Instant, election: &Election) -> String {
    let state = election.state().name();
    match election.deadline() {
        Some(deadline) if deadline.at >= now => format!("{state} {:?}", deadline.at - now),
        Some(_) => format!("{state} due"),
        None => format!("{state}"),
    }
}

fn list(effects: &[Effect]) -> String {
    let one = |effect: &Effect| match effect {
        Effect::Advertise => "advertise".to_string(),
        Effect::Resign(times) => format!("resign x{times}"),
        Effect::Hold => "hold".to_string(),
        Effect::Release => "release".to_string(),
        Effect::LowerPrioritySeen => "lower priority seen".to_string(),
        Effect::AnnounceAgain => "announce again".to_string(),
        Effect::AnnounceAnew => "announce anew".to_string(),
        Effect::AnnounceSource => "announce source".to_string(),
        Effect::ForgetTold => "forget told".to_string(),
        Effect::Claim => "claim".to_string(),
        Effect::PriorityChanged => "priority changed".to_string(),
        Effect::Notify(state) => format!("notify {state}"),
        Effect::Tell(_, text) => format!("\"{text}\""),
    };
    effects.iter().map(one).collect::<Vec<_>>().join(", ")
}
