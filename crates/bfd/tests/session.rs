//! Two ends that talk to each other, by the rules of RFC 5880.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use base::Instant;
use bfd::action::Verdict;
use bfd::draft::Draft;
use bfd::input::Input;
use bfd::wire::{self, Diagnostic, Polling, State};
use common::{MS, Pair, draft, multiplier};
use std::time::Duration;

fn up() -> Pair {
    let mut pair = Pair::new(7, [draft(0), draft(1)]);
    pair.run(8000 * MS);
    assert_eq!(
        [pair.state(0), pair.state(1)],
        [State::Up, State::Up],
        "{:#?}",
        pair.log
    );
    pair
}

#[test]
fn a_session_comes_up_within_one_idle_interval_and_says_so_once() {
    let mut pair = Pair::new(1, [draft(0), draft(1)]);
    pair.run(1001 * MS);
    for end in 0..2 {
        assert_eq!(pair.state(end), State::Up, "{:#?}", pair.log);
        let verdicts: Vec<Verdict> = pair.verdicts[end].iter().map(|(_, verdict)| *verdict).collect();
        assert_eq!(verdicts, [Verdict::Undecided, Verdict::Up]);
    }
}

#[test]
fn while_it_is_not_up_packets_are_at_least_three_quarters_of_a_second_apart() {
    let mut pair = Pair::new(1, [draft(0), draft(1)]);
    pair.link.cut = [true, true];
    pair.run(60_000 * MS);
    let packets = pair.packets(0);
    assert!(packets.windows(2).all(|two| {
        let span = two[1].0 - two[0].0;
        (750 * MS..=1000 * MS).contains(&span)
    }));
    assert!(
        packets
            .iter()
            .all(|(_, packet)| packet.state == State::Down && packet.yours.is_none())
    );
    assert!(packets.len() > 60, "{}", packets.len());
}

#[test]
fn once_up_a_poll_sequence_tells_the_new_interval_and_ends_with_its_answer() {
    let pair = up();
    let packets = pair.packets(0);
    let first_up = packets
        .iter()
        .position(|(_, packet)| packet.state == State::Up)
        .unwrap();
    assert!(
        packets[first_up..]
            .iter()
            .take(3)
            .any(|(_, packet)| packet.polling == Polling::Poll)
    );
    assert!(
        packets[first_up..]
            .iter()
            .all(|(_, packet)| packet.desired_min_tx == 10 * MS)
    );
    assert!(!pair.status(0).polling, "it was answered");
    let answers = pair
        .packets(1)
        .iter()
        .filter(|(_, packet)| packet.polling == Polling::Final)
        .count();
    assert!(answers > 0);
    let late = packets.iter().filter(|(at, _)| *at > Instant::from_micros(7_000_000));
    assert!(late.clone().count() >= 100);
    assert!(late.clone().all(|(_, packet)| packet.polling == Polling::No));
}

#[test]
fn silence_for_the_detection_time_takes_it_down_and_not_a_moment_less() {
    let mut pair = up();
    pair.link.cut = [false, true];
    let heard = pair.status(0).remote.unwrap().heard;
    assert_eq!(pair.status(0).detection_time, Some(50 * MS));
    pair.run_until(pair.now.after(MS));
    let heard = pair.status(0).remote.unwrap().heard.max(heard);
    let end = heard.after(50 * MS);
    pair.run_until(Instant::from_micros(end.as_micros() - 1));
    assert_eq!(pair.state(0), State::Up);
    pair.run_until(end);
    assert_eq!(pair.state(0), State::Down);
    assert_eq!(pair.status(0).diagnostic, Diagnostic::EXPIRED);
    assert_eq!(pair.status(0).remote, None);
    assert_eq!(pair.verdicts[0].last(), Some(&(end, Verdict::Down)));
    // The other end hears of it at once, not after its own detection time.
    pair.run(MS);
    assert_eq!(pair.status(1).diagnostic, Diagnostic::SIGNALED);
    assert_eq!(pair.verdict(1), Some(Verdict::Down));
}

#[test]
fn a_restarted_end_takes_the_other_down_and_both_come_up_again() {
    let mut pair = up();
    pair.restart(1, draft(1));
    pair.run(2 * MS);
    assert_eq!(pair.verdict(0), Some(Verdict::Up), "already up again: {:#?}", pair.log);
    assert_eq!(pair.status(0).counters.became_down, 1);
    pair.run(5000 * MS);
    assert_eq!([pair.state(0), pair.state(1)], [State::Up, State::Up]);
}

#[test]
fn a_new_configuration_that_is_equal_changes_nothing() {
    let mut pair = up();
    let before = pair.sent.len();
    for _ in 0..100 {
        pair.reconfigure(0, draft(0));
    }
    assert_eq!(pair.sent.len(), before);
    assert_eq!(pair.verdicts[0].len(), 2);
    pair.run(1000 * MS);
    assert_eq!(pair.status(0).counters.became_down, 0);
}

#[test]
fn changed_intervals_go_through_a_poll_sequence_without_a_flap() {
    let mut pair = up();
    for (min_tx, min_rx, times) in [(50, 30, 3), (5, 300, 1), (1000, 10, 5), (10, 10, 2)] {
        let changed = Draft {
            min_tx: Some(min_tx * MS),
            min_rx: Some(min_rx * MS),
            multiplier: multiplier(times),
            ..draft(0)
        };
        pair.reconfigure(0, changed);
        assert!(pair.status(0).polling);
        pair.run(20_000 * MS);
        let status = pair.status(0);
        assert!(!status.polling);
        assert_eq!(
            (status.counters.became_down, pair.status(1).counters.became_down),
            (0, 0),
            "{:#?}",
            pair.log
        );
        let wanted = (min_tx * MS).max(10 * MS);
        assert_eq!(status.interval, Some(wanted));
        assert_eq!(pair.status(1).detection_time, Some(wanted * u32::from(times)));
    }
}

#[test]
fn a_longer_interval_is_not_used_before_the_other_end_knows_of_it() {
    let mut pair = up();
    // Nothing arrives there, so it cannot answer; what it expects is still the old pace.
    pair.link.cut = [true, false];
    let slower = Draft {
        min_tx: Some(40 * MS),
        ..draft(0)
    };
    pair.reconfigure(0, slower);
    pair.run(20 * MS);
    assert_eq!(pair.status(0).interval, Some(10 * MS));
    pair.link.cut = [false, false];
    pair.run(100 * MS);
    assert_eq!(pair.status(0).interval, Some(40 * MS));
    assert_eq!(pair.status(1).counters.became_down, 0);
}

#[test]
fn a_change_during_a_poll_sequence_is_asked_about_again() {
    let mut pair = up();
    for min_tx in [40, 80] {
        let slower = Draft {
            min_tx: Some(min_tx * MS),
            ..draft(0)
        };
        pair.reconfigure(0, slower);
    }
    let polls = pair.status(0).counters.polls;
    pair.run(1000 * MS);
    assert_eq!(pair.status(0).counters.polls, polls + 1);
    assert_eq!(pair.status(0).interval, Some(80 * MS));
    assert_eq!(pair.status(1).counters.became_down, 0);
}

#[test]
fn a_passive_end_waits_until_it_is_spoken_to_and_is_silent_again_when_down() {
    let passive = |end| Draft {
        passive: true,
        ..draft(end)
    };
    let mut pair = Pair::new(3, [passive(0), passive(1)]);
    pair.run(10_000 * MS);
    assert_eq!(pair.sent.len(), 0);
    pair.reconfigure(1, draft(1));
    pair.run(3000 * MS);
    assert_eq!([pair.state(0), pair.state(1)], [State::Up, State::Up]);
    pair.link.cut = [true, true];
    pair.run(3000 * MS);
    let before = pair.packets(0).len();
    pair.run(10_000 * MS);
    assert_eq!(pair.packets(0).len(), before);
}

#[test]
fn a_goodbye_takes_the_session_down_and_leaves_the_verdict() {
    let mut pair = up();
    pair.tell(1, Input::Shutdown);
    pair.run(5000 * MS);
    assert_eq!((pair.state(0), pair.state(1)), (State::Down, State::AdminDown));
    assert_eq!(pair.status(0).diagnostic, Diagnostic::SIGNALED);
    assert_eq!(pair.verdict(0), Some(Verdict::Up), "nothing has failed");
    assert_eq!(pair.verdict(1), Some(Verdict::Up));
    let last = pair.packets(1).pop().unwrap().1;
    assert_eq!(
        (last.state, last.diagnostic),
        (State::AdminDown, Diagnostic::ADMINISTRATIVE)
    );
    // Back again, and then really gone.
    pair.restart(1, draft(1));
    pair.run(5000 * MS);
    assert_eq!(pair.state(0), State::Up);
    pair.link.cut = [true, true];
    pair.run(100 * MS);
    assert_eq!(pair.verdict(0), Some(Verdict::Down));
}

#[test]
fn a_session_that_never_comes_up_is_decided_after_five_idle_intervals() {
    let mut pair = Pair::new(3, [draft(0), draft(1)]);
    pair.link.cut = [true, true];
    pair.run(4999 * MS);
    assert_eq!(pair.verdict(0), Some(Verdict::Undecided));
    pair.run(2 * MS);
    assert_eq!(pair.verdict(0), Some(Verdict::Down));
    pair.run(60_000 * MS);
    assert_eq!(pair.verdicts[0].len(), 2);
}

#[test]
fn another_path_under_the_same_name_begins_anew_after_a_goodbye() {
    let mut pair = up();
    let before = pair.status(0).discriminator;
    pair.reconfigure(
        0,
        Draft {
            source: None,
            ..draft(0)
        },
    );
    let goodbye = pair.packets(0).pop().unwrap().1;
    assert_eq!(goodbye.state, State::AdminDown);
    assert_ne!(pair.status(0).discriminator, before);
    assert_eq!(pair.verdict(0), Some(Verdict::Undecided));
    pair.run(3000 * MS);
    assert_eq!([pair.state(0), pair.state(1)], [State::Up, State::Up]);
    assert_eq!(pair.verdict(1), Some(Verdict::Up));
}

#[test]
fn a_socket_that_cannot_be_opened_holds_the_session_down_until_it_can() {
    let mut pair = up();
    pair.tell(
        0,
        Input::SocketFailed {
            session: common::name(),
            errno: 98,
        },
    );
    assert_eq!(pair.state(0), State::AdminDown);
    assert_eq!(pair.verdict(0), Some(Verdict::Down));
    let before = pair.packets(0).len();
    pair.run(3000 * MS);
    assert_eq!(pair.packets(0).len(), before);
    pair.tell(
        0,
        Input::SocketOpened {
            session: common::name(),
        },
    );
    pair.run(3000 * MS);
    assert_eq!([pair.state(0), pair.state(1)], [State::Up, State::Up]);
}

#[test]
fn an_early_call_is_harmless() {
    let mut pair = up();
    let (sent, deadline) = (pair.sent.len(), pair.engines[0].deadline());
    for _ in 0..10 {
        pair.tell(0, Input::DeadlineReached);
    }
    assert_eq!((pair.sent.len(), pair.engines[0].deadline()), (sent, deadline));
}

#[test]
fn a_single_allowed_loss_shortens_the_interval_by_at_least_a_tenth() {
    let once = |end| Draft {
        multiplier: multiplier(1),
        min_tx: Some(100 * MS),
        min_rx: Some(100 * MS),
        ..draft(end)
    };
    let mut pair = Pair::new(9, [once(0), once(1)]);
    pair.run(60_000 * MS);
    assert_eq!(pair.state(0), State::Up);
    assert_eq!(pair.status(0).counters.became_down, 0, "{:#?}", pair.log);
    let spans: Vec<Duration> = pair.packets(0).windows(2).map(|two| two[1].0 - two[0].0).collect();
    let steady = &spans[spans.len() - 400..];
    assert!(steady.iter().all(|span| (75 * MS..=90 * MS).contains(span)));
}

#[test]
fn nothing_is_sent_to_a_neighbour_that_wants_nothing_but_polls_are_answered() {
    let mut pair = up();
    let last = pair.packets(1).pop().unwrap().1;
    let wish = |polling| wire::Packet {
        required_min_rx: Duration::ZERO,
        polling,
        ..last
    };
    pair.deliver(0, &wish(Polling::No).write(), 255);
    assert_eq!(pair.status(0).interval, None);
    let before = pair.packets(0).len();
    pair.deliver(0, &wish(Polling::Poll).write(), 255);
    let sent = pair.packets(0);
    assert_eq!(sent.len(), before + 1);
    assert_eq!(sent.last().unwrap().1.polling, Polling::Final);
}

#[test]
fn a_neighbour_that_demands_silence_gets_it_while_both_are_up() {
    let mut pair = up();
    let last = pair.packets(1).pop().unwrap().1;
    let demand = wire::Packet { demand: true, ..last };
    pair.deliver(0, &demand.write(), 255);
    assert_eq!(pair.status(0).interval, None);
    // A poll sequence of ours is sent all the same.
    pair.reconfigure(
        0,
        Draft {
            min_rx: Some(30 * MS),
            ..draft(0)
        },
    );
    assert_eq!(pair.status(0).interval, Some(10 * MS));
    let down = wire::Packet {
        state: State::Down,
        ..demand
    };
    pair.deliver(0, &down.write(), 255);
    assert_eq!(pair.status(0).interval, Some(1000 * MS), "not any more");
}
