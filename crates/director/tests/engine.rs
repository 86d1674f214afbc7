//! What answers make of virtual servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail like tests"
)]

mod common;

use check::Check;
use check::config::{BfdCheck, FileCheck, FileWeight};
use check::judge::Answer;
use common::{LOOP, Play, at, config, key, misc, real, server, service, sorry, tcp, with_tcp};
use director::{Input, Notice};
use lvs::Service;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn equal_probes_of_many_virtual_servers_ask_once_and_all_hear_the_answer() {
    let all = (1..=50).map(|vip| with_tcp(service(vip, vec![real(1), real(2)])));
    let mut play = Play::new(config(all));
    assert_eq!(play.engine.probes(), 2);
    play.pass();
    assert_eq!(play.asked.len(), 2);
    play.answer(|probe| (if *probe == tcp(1) { Answer::Bad } else { Answer::Good }, None));
    for vip in 1..=50 {
        assert_eq!(play.pool(vip), [(2, 1)]);
    }
    let downs = play
        .told
        .iter()
        .filter(|notice| matches!(notice, Notice::Real { up: false, .. }));
    assert_eq!(downs.count(), 50);
}

#[test]
fn the_last_server_takes_the_quorum_with_it_and_the_sorry_server_takes_over() {
    let with_sorry = Service {
        sorry: Some(sorry()),
        ..service(1, vec![real(1)])
    };
    let mut play = Play::new(config([with_tcp(with_sorry)]));
    assert_eq!(play.pool(1), [(1, 1)]);
    assert_eq!(
        play.said.pop().unwrap(),
        "Gained quorum 1+0=1 <= 1 for VS [192.0.2.1]:tcp:80"
    );
    let gained = Notice::Quorum { key: key(1), up: true };
    assert_eq!(play.told.pop().unwrap(), gained);
    play.said.clear();
    play.round(&[]);
    assert_eq!(play.pool(1), [(250, 1)]);
    assert_eq!(
        play.said,
        [
            "TCP_CHECK on service [10.0.0.1]:tcp:80 failed.",
            "Removing service [10.0.0.1]:tcp:80 from VS [192.0.2.1]:tcp:80",
            "Lost quorum 1-0=1 > 0 for VS [192.0.2.1]:tcp:80",
            "Removing alive servers from the pool for VS [192.0.2.1]:tcp:80",
            "Adding sorry server [10.0.0.250]:tcp:80 to VS [192.0.2.1]:tcp:80",
        ]
    );
    let (key, at) = (key(1), at(1));
    let body = "=> TCP CHECK failed on service <=".to_owned();
    assert_eq!(
        play.told,
        [
            Notice::Real {
                key: key.clone(),
                at,
                up: false
            },
            Notice::Quorum {
                key: key.clone(),
                up: false
            },
            Notice::RealMail {
                key,
                at,
                up: false,
                body
            },
        ]
    );
    play.round(&[1]);
    assert_eq!(play.pool(1), [(1, 1)]);
}

#[test]
fn a_check_that_does_not_finish_raises_an_alarm_in_twice_its_time_and_is_asked_again() {
    let mut play = Play::new(config([with_tcp(service(1, vec![real(1)]))]));
    play.pass();
    let (lost, _) = play.asked.pop().unwrap();
    let asked_at = play.now;
    play.pass();
    assert_eq!(play.now, asked_at.after(Duration::from_secs(10)));
    assert_eq!(play.forgotten, [lost]);
    assert_eq!(
        play.said.last().unwrap(),
        "A check of service [10.0.0.1]:tcp:80 for VS [192.0.2.1]:tcp:80 has not finished within 10 seconds - asking again"
    );
    assert_eq!(play.pool(1), [(1, 1)], "our own fault says nothing of the server");
    // Its answer comes after all.
    play.input(Input::Answered {
        ticket: lost,
        answer: Answer::Bad,
        reason: "",
        weight: None,
    });
    assert_eq!(play.pool(1), [(1, 1)]);
    play.round(&[]);
    assert_eq!(play.pool(1), []);
}

#[test]
fn whoever_died_is_known_by_the_table_it_left() {
    let both = || config([with_tcp(service(1, vec![real(1), real(2)]))]);
    let mut before = Play::new(both());
    before.round(&[2]);
    let absent = Play::new(both()).engine.not_at_work(&before.engine.table());
    assert_eq!(absent, BTreeSet::from([(key(1), at(1))]));
    let nothing = lvs::table::Table::default();
    assert_eq!(Play::new(both()).engine.not_at_work(&nothing), BTreeSet::new());
}

#[test]
fn a_reload_of_an_unchanged_configuration_does_nothing() {
    let same = || config((1..=3).map(|vip| with_tcp(service(vip, vec![real(1), real(2)]))));
    let mut play = Play::new(same());
    play.round(&[2]);
    play.said.clear();
    play.told.clear();
    let before = (play.engine.table(), play.engine.deadline());
    play.reload(same());
    assert_eq!((&play.said, &play.told), (&vec![], &vec![]));
    assert_eq!((play.engine.table(), play.engine.deadline()), before);
}

#[test]
fn a_server_that_is_down_stays_so_through_a_reload_that_changes_its_pace() {
    let mut play = Play::new(config([with_tcp(service(1, vec![real(1), real(2)]))]));
    play.round(&[2]);
    let mut slower = tcp(1);
    slower.pace.delay_loop = LOOP * 3;
    let changed = server(service(1, vec![real(1), real(2), real(3)]), |at| {
        vec![Check::Probe(if at == common::at(1) { slower.clone() } else { tcp(3) })]
    });
    play.reload(config([changed]));
    assert_eq!(play.pool(1), [(2, 1), (3, 1)]);
}

#[test]
fn what_a_reload_removes_is_told_goodbye() {
    let mut play = Play::new(config([
        with_tcp(service(1, vec![real(1), real(2)])),
        with_tcp(service(2, vec![real(1)])),
    ]));
    play.said.clear();
    let all = play.engine.take_part().unwrap().0;
    play.reload(config([with_tcp(service(1, vec![real(2)]))]));
    assert_eq!(
        play.said,
        [
            "Removing Virtual Server [192.0.2.2]:tcp:80",
            "Removing service [10.0.0.1]:tcp:80 from VS [192.0.2.2]:tcp:80",
            "service [10.0.0.1]:tcp:80 no longer exist",
            "Removing service [10.0.0.1]:tcp:80 from VS [192.0.2.1]:tcp:80",
        ]
    );
    let (scope, part) = play.engine.take_part().unwrap();
    assert_eq!(
        (scope, part.pools.len()),
        (all, 1),
        "what is gone is a part of the table too"
    );
}

#[test]
fn files_sessions_and_programs_have_their_say_together() {
    let checks = vec![
        Check::File(FileCheck {
            file: "load".into(),
            weight: FileWeight {
                factor: 2,
                reverse: false,
            },
        }),
        Check::Bfd(BfdCheck {
            session: "path".into(),
            alpha: true,
        }),
        Check::Probe(misc("ask")),
    ];
    let mut play = Play::new(config([server(service(1, vec![real(1)]), |_| checks.clone())]));
    assert_eq!(play.pool(1), [], "the session is not up yet");
    play.input(Input::Session { name: "path", up: true });
    assert_eq!(play.pool(1), [(1, 1)]);
    play.input(Input::FileValue { name: "load", value: 5 });
    assert_eq!(play.pool(1), [(1, 11)]);
    for _ in 0..3 {
        // The same answer again is not added again.
        play.pass();
        play.answer(|_| (Answer::Good, Some(100)));
        assert_eq!(play.pool(1), [(1, 110)]);
    }
    play.input(Input::FileValue {
        name: "load",
        value: i32::MIN,
    });
    assert_eq!(play.pool(1), []);
    play.input(Input::FileValue { name: "load", value: 0 });
    assert_eq!(play.pool(1), [(1, 100)]);
}

#[test]
fn checks_rest_while_the_address_is_elsewhere_unless_others_need_them() {
    let ha = |vip| Service {
        ha_suspend: true,
        ..service(vip, vec![real(1)])
    };
    let here = |vip: u8| Input::Addresses(BTreeSet::from([[192, 0, 2, vip].into()]));
    let mut play = Play::new(config([with_tcp(ha(1)), with_tcp(ha(2))]));
    assert!(play.engine.wants_addresses());
    assert_eq!(play.engine.deadline(), None);
    play.input(here(2));
    assert_eq!(
        play.said.last().unwrap(),
        "Activating healthchecker for service [10.0.0.1]:tcp:80 for VS [192.0.2.2]:tcp:80"
    );
    play.pass();
    assert_eq!(play.asked.len(), 1);
    play.input(here(3));
    assert_eq!(play.forgotten.len(), 1);
    assert_eq!(play.engine.deadline(), None);
}

#[test]
fn at_the_end_only_omega_tells() {
    for (omega, told) in [(false, 0), (true, 4)] {
        let ends = Service {
            omega,
            smtp_alert: Some(true),
            ..service(1, vec![real(1)])
        };
        let mut play = Play::new(config([with_tcp(ends)]));
        play.told.clear();
        let mut out = vec![];
        play.engine.stop(&mut out);
        play.take(out);
        assert_eq!(
            play.said.last().unwrap(),
            "Shutting down service [10.0.0.1]:tcp:80 from VS [192.0.2.1]:tcp:80"
        );
        assert_eq!(play.told.len(), told, "{:?}", play.told);
        assert_eq!(play.engine.deadline(), None);
    }
}

#[test]
fn programs_are_named_as_they_are_written() {
    let check = || vec![Check::Probe(misc("/bin/check -a as nobody:65534"))];
    let mut play = Play::new(config([server(service(1, vec![real(1)]), |_| check())]));
    play.pass();
    play.said.clear();
    play.answer(|_| (Answer::Bad, None));
    assert_eq!(
        play.said.first().unwrap(),
        "Misc check for [[10.0.0.1]:tcp:80 VS [192.0.2.1]:tcp:80] by [/bin/check] failed with retry disabled (failed)."
    );
}

#[test]
fn managers_read_which_servers_are_up_and_how_many_checks_say_otherwise() {
    let with_sorry = Service {
        sorry: Some(sorry()),
        ..service(1, vec![real(1), real(2)])
    };
    let mut play = Play::new(config([with_tcp(with_sorry)]));
    let read = |play: &Play| {
        let status = play.engine.status().next().unwrap();
        let reals = status.reals.iter();
        let reals: Vec<_> = reals
            .map(|real| (real.up, real.weight, real.failed_checks, real.waiting_checks))
            .collect();
        (status.quorum, status.sorry, reals)
    };
    assert_eq!(
        read(&play),
        (true, false, vec![(true, 1, 0, 1), (true, 1, 0, 1)]),
        "nobody has answered"
    );
    play.round(&[1]);
    play.round(&[1]);
    assert_eq!(read(&play), (true, false, vec![(true, 1, 0, 0), (false, 1, 1, 0)]));
    play.round(&[]);
    assert!(read(&play).0, "the first failure is not the last word");
    play.round(&[]);
    assert_eq!(read(&play), (false, true, vec![(false, 1, 1, 0), (false, 1, 1, 0)]));
    assert_eq!(play.engine.status().next().unwrap().services.len(), 1);
}
