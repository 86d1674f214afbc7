//! When probes ask, and what runs of answers mean.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail like tests"
)]

use base::{Instant, Rng};
use check::config::{Connection, Dialogue, Http, HttpVersion, Misc, Pace, Probe, Smtp, Sni, StatusCodes, Url};
use check::judge::{Answer, FIRST_PAUSE, Judge, Verdict};
use proptest::prelude::*;
use std::time::Duration;

const LOOP: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);

fn connection() -> Connection {
    Connection {
        address: "10.0.0.1".parse().unwrap(),
        port: 80,
        timeout: Duration::from_secs(5),
        from: None,
    }
}

fn probe(retry: u32, alpha: bool, dialogue: Dialogue) -> Probe {
    Probe {
        pace: Pace {
            delay_loop: LOOP,
            retry,
            delay_before_retry: RETRY,
            warmup: Duration::ZERO,
        },
        alpha,
        log_all_failures: false,
        dialogue,
    }
}

fn tcp(retry: u32, alpha: bool) -> Probe {
    probe(retry, alpha, Dialogue::Tcp(connection()))
}

fn http(retry: u32, pages: usize, fast_recovery: bool) -> Probe {
    let url = Url {
        path: "/".into(),
        host: None,
        sni: Sni::Off,
        tls_compliant: false,
        status: StatusCodes::default(),
        digest: None,
        regex: None,
    };
    let http = Http {
        connection: connection(),
        tls: false,
        version: HttpVersion::V10,
        fast_recovery,
        urls: vec![url; pages],
    };
    probe(retry, false, Dialogue::Http(Box::new(http)))
}

/// Asks and answers at once, as soon as it is due; the verdict and the pause until the next question.
fn ask(judge: &mut Judge, answer: Answer) -> (Verdict, Duration) {
    let now = judge.deadline().unwrap();
    judge.begin(now).unwrap();
    let verdict = judge.conclude(now, answer);
    (verdict, judge.deadline().unwrap() - now)
}

fn started(probe: &Probe) -> Judge {
    Judge::new(probe, Instant::ZERO, &mut Rng::from_seed(1))
}

#[test]
fn the_first_question_comes_after_a_second_and_a_part_of_the_warm_up() {
    let mut slow = tcp(1, false);
    slow.pace.warmup = Duration::from_secs(8);
    let mut rng = Rng::from_seed(7);
    let first: Vec<Instant> = (0..200)
        .map(|_| Judge::new(&slow, Instant::ZERO, &mut rng).deadline().unwrap())
        .collect();
    let (least, most) = (
        Instant::ZERO.after(FIRST_PAUSE),
        Instant::ZERO.after(Duration::from_secs(9)),
    );
    assert!(first.iter().all(|at| (least..=most).contains(at)));
    assert!(first.iter().any(|at| *at < Instant::ZERO.after(Duration::from_secs(3))));
    assert!(first.iter().any(|at| *at > Instant::ZERO.after(Duration::from_secs(7))));
    assert_eq!(started(&tcp(1, false)).deadline(), Some(least));
}

#[test]
fn the_first_answer_decides() {
    let mut judge = started(&tcp(3, false));
    assert!(judge.is_up());
    assert_eq!(ask(&mut judge, Answer::Bad), (Verdict::Down { retries: 0 }, LOOP));
    assert!(!judge.is_up());
    let mut judge = started(&tcp(3, false));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::Confirmed { up: true }, LOOP));
}

#[test]
fn with_alpha_a_server_is_down_until_the_first_success() {
    let mut judge = started(&tcp(3, true));
    assert!(!judge.is_up());
    assert_eq!(ask(&mut judge, Answer::Bad), (Verdict::Confirmed { up: false }, LOOP));
    assert_eq!(ask(&mut judge, Answer::Bad), (Verdict::AsBefore, LOOP));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::Up, LOOP));
}

#[test]
fn a_server_that_is_up_is_forgiven_so_many_failures_and_one_success_forgets_them() {
    let mut judge = started(&tcp(2, false));
    ask(&mut judge, Answer::Good);
    let forgiven = |attempt| (Verdict::Forgiven { attempt, of: 2 }, RETRY);
    assert_eq!(ask(&mut judge, Answer::Bad), forgiven(1));
    assert_eq!(ask(&mut judge, Answer::Bad), forgiven(2));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::AsBefore, LOOP));
    assert_eq!(ask(&mut judge, Answer::Bad), forgiven(1));
    assert_eq!(ask(&mut judge, Answer::Bad), forgiven(2));
    assert_eq!(ask(&mut judge, Answer::Bad), (Verdict::Down { retries: 2 }, LOOP));
    assert_eq!(ask(&mut judge, Answer::Bad), (Verdict::AsBefore, LOOP));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::Up, LOOP));
}

#[test]
fn a_question_that_could_not_be_asked_teaches_nothing() {
    let mut judge = started(&tcp(1, false));
    assert_eq!(ask(&mut judge, Answer::Unasked), (Verdict::AsBefore, LOOP));
    assert!(judge.is_up() && !judge.has_judged());
}

#[test]
fn an_smtp_server_that_is_down_is_asked_again_soon() {
    let smtp = Smtp {
        connection: connection(),
        helo: "me".into(),
    };
    let mut judge = started(&probe(1, false, Dialogue::Smtp(Box::new(smtp))));
    assert_eq!(ask(&mut judge, Answer::Bad), (Verdict::Down { retries: 0 }, LOOP));
    assert_eq!(ask(&mut judge, Answer::Bad), (Verdict::AsBefore, RETRY));
    assert_eq!(ask(&mut judge, Answer::Bad), (Verdict::AsBefore, LOOP));
}

#[test]
fn a_program_is_run_in_its_rhythm_however_long_it_takes() {
    let misc = Misc {
        command: check::config::CommandName("/bin/x".into()),
        timeout: LOOP,
        dynamic: false,
    };
    let mut judge = started(&probe(0, false, Dialogue::Misc(misc)));
    let begin = judge.deadline().unwrap();
    judge.begin(begin).unwrap();
    judge.conclude(begin.after(Duration::from_secs(4)), Answer::Good);
    assert_eq!(judge.deadline(), Some(begin.after(LOOP)));
    let begin = judge.deadline().unwrap();
    judge.begin(begin).unwrap();
    let late = begin.after(3 * LOOP);
    judge.conclude(late, Answer::Good);
    assert_eq!(judge.deadline(), Some(late), "at once if it is late");
}

#[test]
fn pages_are_asked_one_after_the_other_and_all_must_be_good() {
    let mut judge = started(&http(1, 3, false));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::NextStage, LOOP));
    assert_eq!(judge.stage(), 1);
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::NextStage, LOOP));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::Confirmed { up: true }, LOOP));
    assert_eq!(judge.stage(), 0);
}

#[test]
fn the_page_that_failed_is_asked_until_it_is_good_and_then_all_are() {
    let mut judge = started(&http(1, 2, false));
    ask(&mut judge, Answer::Good);
    ask(&mut judge, Answer::Good);
    ask(&mut judge, Answer::Good);
    assert_eq!(
        ask(&mut judge, Answer::Bad),
        (Verdict::Forgiven { attempt: 1, of: 1 }, RETRY)
    );
    assert_eq!(ask(&mut judge, Answer::Bad), (Verdict::Down { retries: 1 }, LOOP));
    assert_eq!(judge.stage(), 1);
    assert_eq!(ask(&mut judge, Answer::Bad), (Verdict::AsBefore, LOOP));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::NextStage, LOOP));
    assert_eq!(judge.stage(), 0);
    assert!(!judge.is_up());
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::NextStage, LOOP));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::Up, LOOP));
}

#[test]
fn fast_recovery_leaves_out_the_pauses_until_the_server_is_up() {
    let mut judge = started(&http(0, 3, true));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::NextStage, Duration::ZERO));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::NextStage, Duration::ZERO));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::Confirmed { up: true }, LOOP));
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::NextStage, LOOP));
    assert_eq!(ask(&mut judge, Answer::Bad).0, Verdict::Down { retries: 0 });
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::NextStage, Duration::ZERO));
}

#[test]
fn one_page_that_is_good_again_is_all_of_them() {
    let mut judge = started(&http(0, 1, false));
    ask(&mut judge, Answer::Bad);
    assert_eq!(ask(&mut judge, Answer::Good), (Verdict::Up, LOOP));
}

#[test]
fn a_check_that_rests_asks_nothing_and_wakes_at_once() {
    let mut judge = started(&tcp(1, false));
    judge.rest();
    assert_eq!((judge.deadline(), judge.begin(Instant::FAR_FUTURE)), (None, None));
    let now = Instant::from_micros(77);
    judge.wake(now);
    assert_eq!(judge.deadline(), Some(now));
    judge.begin(now).unwrap();
    judge.rest();
    assert_eq!(
        judge.conclude(now, Answer::Bad),
        Verdict::AsBefore,
        "an answer that comes too late"
    );
}

#[test]
fn a_question_without_answer_is_an_alarm_after_twice_its_time() {
    let mut judge = started(&tcp(1, false));
    let limit = Duration::from_secs(5);
    assert_eq!(judge.overdue_at(limit), None);
    let now = judge.deadline().unwrap();
    judge.begin(now).unwrap();
    assert_eq!(judge.overdue_at(limit), Some(now.after(2 * limit)));
}

#[test]
fn another_pace_after_a_reload_keeps_what_is_known() {
    let mut judge = started(&tcp(5, false));
    ask(&mut judge, Answer::Good);
    ask(&mut judge, Answer::Bad);
    ask(&mut judge, Answer::Bad);
    ask(&mut judge, Answer::Bad);
    let mut sooner = tcp(1, false);
    sooner.pace.delay_loop = Duration::from_secs(1);
    let now = judge.deadline().unwrap().before(RETRY);
    judge.adopt(&sooner, now);
    assert!(judge.is_up());
    assert_eq!(judge.deadline(), Some(now.after(Duration::from_secs(1))));
    assert_eq!(ask(&mut judge, Answer::Bad).0, Verdict::Down { retries: 1 });
}

#[test]
fn beginning_too_early_or_twice_does_nothing() {
    let mut judge = started(&tcp(1, false));
    let due = judge.deadline().unwrap();
    assert_eq!(judge.begin(due.before(Duration::from_micros(1))), None);
    assert_eq!(judge.begin(due), Some(0));
    assert_eq!(judge.begin(due), None);
    let before = judge.clone();
    assert_eq!(judge.overdue_at(RETRY), before.overdue_at(RETRY));
}

proptest! {
    /// A server that answers well is up after one round, one that does not is down; whatever came before.
    #[test]
    fn the_last_answers_decide(
        answers in proptest::collection::vec(any::<bool>(), 0..40),
        retry in 0u32..4,
        pages in 1usize..4,
    ) {
        let mut judge = started(&http(retry, pages, true));
        for good in answers {
            ask(&mut judge, if good { Answer::Good } else { Answer::Bad });
        }
        let mut bad = judge.clone();
        for _ in 0..=retry {
            ask(&mut bad, Answer::Bad);
        }
        prop_assert!(!bad.is_up());
        for _ in 0..2 * pages {
            ask(&mut judge, Answer::Good);
        }
        prop_assert!(judge.is_up());
    }
}
