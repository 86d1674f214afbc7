use super::*;
use crate::config::Name;
use alloc::string::ToString;
use alloc::vec;

const fn weight(value: i32) -> Weight {
    Weight { value, reverse: false }
}

const fn reversed(value: i32) -> Weight {
    Weight { value, reverse: true }
}

fn script(rise: u32, fall: u32) -> Script {
    Script {
        rise,
        fall,
        init_fail: false,
        runs: "/bin/true".into(),
    }
}

#[test]
fn a_condition_contributes_as_its_weight_says() {
    use Condition::{Bad, Good, Unknown, Value};
    use Share::{Adds, Awaited, Fault};
    let table = [
        (weight(0), Unknown, Awaited),
        (weight(0), Good, Adds(0)),
        (weight(0), Bad, Fault),
        (reversed(0), Good, Fault),
        (reversed(0), Bad, Adds(0)),
        (weight(10), Unknown, Adds(0)),
        (weight(10), Good, Adds(10)),
        (weight(10), Bad, Adds(0)),
        (weight(-10), Good, Adds(0)),
        (weight(-10), Bad, Adds(-10)),
        (reversed(10), Good, Adds(-10)),
        (reversed(10), Bad, Adds(0)),
        (reversed(-10), Good, Adds(0)),
        (reversed(-10), Bad, Adds(10)),
        (weight(0), Value(0), Adds(0)),
        (weight(0), Value(-3), Fault),
        (reversed(0), Value(0), Fault),
        (reversed(0), Value(1), Adds(0)),
        (weight(2), Value(5), Adds(10)),
        (weight(-2), Value(5), Adds(-10)),
        (reversed(2), Value(5), Adds(-10)),
        (weight(1), Value(-253), Adds(-253)),
        (weight(1), Value(-254), Fault),
        (weight(1), Value(254), Adds(253)),
        (weight(254), Value(i32::MAX), Adds(253)),
        (weight(254), Value(i32::MIN), Fault),
        (reversed(-254), Value(i32::MIN), Fault),
    ];
    for (weight, condition, expected) in table {
        assert_eq!(share(weight, condition), expected, "{weight} while {condition}");
    }
}

#[test]
fn a_sum_is_limited_and_an_owner_keeps_its_priority() {
    let trackers = vec![
        Tracker {
            object: Tracked::Script(Name::from("a")),
            weight: weight(253),
        },
        Tracker {
            object: Tracked::Script(Name::from("b")),
            weight: weight(253),
        },
    ];
    let of = |base: u8, condition: Condition| {
        let base = Priority::new(base).unwrap();
        sum(base, &trackers, |_| condition).effective.get()
    };
    assert_eq!(of(100, Condition::Good), 254);
    assert_eq!(of(100, Condition::Bad), 100);
    assert_eq!(of(255, Condition::Good), 255);
    let penalty = vec![Tracker {
        object: Tracked::Script(Name::from("a")),
        weight: weight(-253),
    }];
    assert_eq!(sum(Priority::DEFAULT, &penalty, |_| Condition::Bad).effective.get(), 1);
}

#[test]
fn the_first_result_of_a_script_decides_at_once() {
    for (outcome, expected) in [
        (Outcome::Exited(0), Condition::Good),
        (Outcome::Exited(1), Condition::Bad),
        (Outcome::Signalled(9), Condition::Bad),
        (Outcome::TimedOut, Condition::Bad),
    ] {
        let mut run = ScriptRun::new(script(5, 5));
        assert!(run.finished(outcome));
        assert_eq!(run.condition(), expected, "{outcome}");
    }
}

#[test]
fn later_a_script_needs_rise_successes_and_fall_failures_in_a_row() {
    let mut run = ScriptRun::new(script(3, 2));
    run.finished(Outcome::Exited(0));
    assert!(!run.finished(Outcome::Exited(1)));
    assert!(!run.finished(Outcome::Exited(0)), "a success makes up for all failures");
    assert!(!run.finished(Outcome::TimedOut));
    assert!(run.finished(Outcome::Exited(1)));
    assert_eq!(run.condition(), Condition::Bad);
    assert!(!run.finished(Outcome::Exited(0)));
    assert!(!run.finished(Outcome::Exited(0)));
    assert!(!run.finished(Outcome::Exited(1)), "and a failure for all successes");
    assert!(!run.finished(Outcome::Exited(0)));
    assert!(!run.finished(Outcome::Exited(0)));
    assert!(run.finished(Outcome::Exited(0)));
    assert_eq!(run.condition(), Condition::Good);
}

#[test]
fn with_init_fail_a_script_is_bad_until_it_has_risen() {
    let mut run = ScriptRun::new(Script {
        init_fail: true,
        ..script(2, 1)
    });
    assert_eq!(run.condition(), Condition::Bad);
    assert!(!run.finished(Outcome::Exited(0)));
    assert!(run.finished(Outcome::Exited(0)));
}

#[test]
fn a_new_exit_status_is_said_once() {
    let mut run = ScriptRun::new(script(1, 1));
    let said: Vec<Option<u8>> = [0, 1, 1, 2, 0].map(|s| run.new_status(Outcome::Exited(s))).to_vec();
    assert_eq!(said, [None, Some(1), None, Some(2), Some(0)]);
}

#[test]
fn the_largest_rise_and_fall_do_not_overflow() {
    let mut run = ScriptRun::new(script(u32::MAX, u32::MAX));
    run.finished(Outcome::Exited(0));
    assert!(!run.finished(Outcome::Exited(1)));
}

#[test]
fn a_quorum_is_gained_and_lost_after_its_delays_and_changes_that_cancel_out_do_nothing() {
    let second = Duration::from_secs(1);
    let now = Instant::from_micros(5_000_000);
    let mut run = ProcessRun::new(Process {
        quorum: 2,
        quorum_max: 3,
        fork_delay: second,
        terminate_delay: second * 2,
    });
    assert!(run.counted(now, 2), "the first count decides");
    assert_eq!(run.condition(), Condition::Good);
    assert!(!run.counted(now, 1));
    assert_eq!(run.deadline(), Some(now.after(second * 2)));
    assert!(!run.counted(now.after(second), 2), "it was replaced in time");
    assert_eq!(run.deadline(), None);
    assert!(!run.counted(now, 4), "too many are as bad");
    assert!(!run.elapse(now));
    assert!(run.elapse(now.after(second)));
    assert_eq!(run.condition(), Condition::Bad);
}

#[test]
fn a_link_is_delayed_only_after_it_has_been_up_and_never_beyond_the_limit() {
    let second = Duration::from_secs(1);
    let now = Instant::from_micros(5_000_000);
    let delays = Delays {
        down: second * 10,
        up: second * 20,
    };
    let mut link = LinkRun::new(delays, false);
    assert!(link.observe(now, true, None), "the first time up counts at once");
    assert!(!link.observe(now, false, Some(second * 2)));
    assert_eq!(link.deadline(), Some(now.after(second * 2)));
    assert!(!link.observe(now.after(second), true, None), "it came back in time");
    assert!(link.is_up());
    assert!(link.observe(now, false, Some(Duration::ZERO)));
    assert!(!link.observe(now, true, Some(second)));
    assert_eq!(link.deadline(), Some(now.after(second * 20)), "up may take any time");
}

#[test]
fn what_became_of_a_script_reads_as_upstreams_line() {
    assert_eq!(Outcome::Exited(0).to_string(), "succeeded");
    assert_eq!(Outcome::Exited(2).to_string(), "failed (exited with status 2)");
    assert_eq!(Outcome::Signalled(15).to_string(), "failed (due to signal 15)");
    assert_eq!(Outcome::TimedOut.to_string(), "timed_out");
}
