//! What a connection to a master agent goes through, with a master agent that is played.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use agentx::pdu::{self, Header, Pdu, Range, Reason, Status};
use agentx::session::{
    Action, Config, Event, FIRST_RETRY, Input, LONGEST_RETRY, MAX_AGE, MAX_NOTIFICATIONS, MAX_UNANSWERED, MAX_WAITING,
    PATIENCE, PING, SNAPSHOT, Session, Why,
};
use agentx::table::Builder;
use agentx::{Answer, Oid, Permit, Table, Value, VarBind};
use base::Instant;
use proptest::prelude::*;
use std::time::Duration;

const SESSION: u32 = 42;

fn oid(numbers: &[u32]) -> Oid {
    Oid::new(numbers)
}

fn table(number: i32) -> Table {
    let mut builder = Builder::default();
    builder.put_with(&oid(&[1, 3, 1]), &[0], Value::Integer(number), Permit::Integer(0, 9));
    Table::new(builder)
}

struct Play {
    session: Session,
    now: Instant,
    actions: Vec<Action>,
}

impl Play {
    fn new() -> Play {
        let config = Config {
            id: oid(&[1, 3, 9]),
            description: "played".to_owned(),
            regions: vec![(oid(&[1, 3, 1]), "one".to_owned()), (oid(&[1, 3, 2]), "two".to_owned())],
        };
        let mut play = Play {
            session: Session::new(config, table(0)),
            now: Instant::from_micros(1_000_000),
            actions: Vec::new(),
        };
        play.give(Input::Start);
        play
    }

    /// A session that is open, with nothing to be answered.
    fn open() -> Play {
        let mut play = Play::new();
        play.give(Input::Connected);
        play.answer_all(Status::OK);
        play.answer_all(Status::OK);
        assert!(play.session.is_open());
        play.actions.clear();
        play
    }

    fn give(&mut self, input: Input<'_>) {
        self.session.handle(self.now, input, &mut self.actions);
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.give(Input::DeadlineReached);
    }

    /// What was sent since the last time.
    fn sent(&mut self) -> Vec<(Header, Pdu)> {
        let actions = std::mem::take(&mut self.actions);
        let (sent, rest) = actions
            .into_iter()
            .partition(|action| matches!(action, Action::Send(_)));
        self.actions = rest;
        let decode = |action| match action {
            Action::Send(bytes) => pdu::decode(&bytes).unwrap(),
            _ => unreachable!(),
        };
        Vec::into_iter(sent).map(decode).collect()
    }

    fn say(&mut self, transaction: u32, pdu: &Pdu) {
        let header = Header {
            session: SESSION,
            transaction,
            packet: 1000 + transaction,
        };
        self.give(Input::Bytes(&pdu::encode(&header, pdu)));
    }

    /// Answers everything that was sent and wants an answer.
    fn answer_all(&mut self, status: Status) -> Vec<Pdu> {
        let sent = self.sent();
        for (header, pdu) in &sent {
            if !matches!(pdu, Pdu::Response { .. } | Pdu::Close(_)) {
                let header = Header {
                    session: SESSION,
                    ..*header
                };
                self.give(Input::Bytes(&pdu::encode(&header, &response(status, Vec::new()))));
            }
        }
        sent.into_iter().map(|(_, pdu)| pdu).collect()
    }

    /// The only answer that was sent.
    fn answered(&mut self) -> (Status, u16, Vec<VarBind>) {
        let sent = self.sent();
        let [
            (
                _,
                Pdu::Response {
                    status, index, binds, ..
                },
            ),
        ] = &sent[..]
        else {
            panic!("{sent:?}");
        };
        (*status, *index, binds.clone())
    }

    fn said(&self) -> Vec<Event> {
        let said = self.actions.iter().filter_map(|action| match action {
            Action::Say(event) => Some(event.clone()),
            _ => None,
        });
        said.collect()
    }
}

fn response(status: Status, binds: Vec<VarBind>) -> Pdu {
    Pdu::Response {
        uptime: 0,
        status,
        index: 0,
        binds,
    }
}

fn get() -> Pdu {
    Pdu::Get(vec![oid(&[1, 3, 1, 0])])
}

fn value(number: i32) -> VarBind {
    VarBind::new(oid(&[1, 3, 1, 0]), Value::Integer(number))
}

#[test]
fn a_session_is_opened_and_everything_it_has_is_registered() {
    let mut play = Play::new();
    assert_eq!(play.actions, [Action::Connect]);
    play.give(Input::Connected);
    assert!(matches!(play.answer_all(Status::OK)[..], [Pdu::Open { .. }]));
    assert_eq!(play.said(), [Event::Opened]);
    let regions: Vec<Oid> = play
        .answer_all(Status::OK)
        .into_iter()
        .filter_map(|pdu| match pdu {
            Pdu::Register { region, .. } => Some(region),
            _ => None,
        })
        .collect();
    assert_eq!(regions, [oid(&[1, 3, 1]), oid(&[1, 3, 2])]);
    assert_eq!(play.session.deadline(), Some(play.now.after(PING)));
}

#[test]
fn a_request_waits_for_a_snapshot_and_those_behind_it_cost_no_other() {
    let mut play = Play::open();
    play.say(1, &get());
    play.say(2, &get());
    assert_eq!(play.actions, [Action::Refresh]);
    play.give(Input::Snapshot(table(5)));
    let sent = play.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].0.packet, 1001);
    assert_eq!(sent[0].1, response(Status::OK, vec![value(5)]));
    play.actions.clear();
    play.say(3, &get());
    assert_eq!(play.answered().2, [value(5)]);
    assert_eq!(play.actions, [], "the snapshot is new enough");
    play.pass(MAX_AGE);
    play.say(4, &get());
    assert_eq!(play.actions, [Action::Refresh], "it is not any more");
}

#[test]
fn a_snapshot_that_does_not_come_is_not_waited_for_for_long() {
    let mut play = Play::open();
    play.say(1, &get());
    assert_eq!(play.session.deadline(), Some(play.now.after(SNAPSHOT)));
    play.pass(SNAPSHOT);
    assert_eq!(play.answered().2, [value(0)]);
    play.actions.clear();
    play.say(2, &get());
    assert_eq!(play.answered().2, [value(0)], "and not asked for again at once");
}

#[test]
fn requests_that_wait_are_limited() {
    let mut play = Play::open();
    for number in 0..MAX_WAITING + 1 {
        play.say(u32::try_from(number).unwrap(), &get());
    }
    assert_eq!(play.sent().len(), 1);
    play.give(Input::Snapshot(table(1)));
    assert_eq!(play.sent().len(), MAX_WAITING);
}

#[test]
fn every_kind_of_question_is_answered() {
    let mut play = Play::open();
    play.give(Input::Snapshot(table(3)));
    let range = Range {
        start: oid(&[1]),
        include: false,
        end: Oid::default(),
    };
    play.say(1, &Pdu::GetNext(vec![range.clone()]));
    assert_eq!(play.answered().2, [value(3)]);
    play.say(
        2,
        &Pdu::GetBulk {
            once: 0,
            repetitions: 7,
            ranges: vec![range],
        },
    );
    let (_, _, binds) = play.answered();
    assert_eq!(binds.len(), 2);
    assert_eq!(binds[1].answer, Answer::EndOfMibView);
    play.say(3, &Pdu::Ping);
    assert_eq!(play.answered(), (Status::OK, 0, vec![]));
    play.say(4, &Pdu::Notify(vec![]));
    assert_eq!(play.answered().0, Status::PARSE_ERROR);
}

#[test]
fn a_change_is_made_when_it_is_committed_and_can_be_undone() {
    let mut play = Play::open();
    play.give(Input::Snapshot(table(3)));
    play.say(5, &Pdu::TestSet(vec![value(7)]));
    assert_eq!(play.answered().0, Status::OK);
    assert_eq!(play.actions, []);
    play.say(5, &Pdu::CommitSet);
    assert_eq!(play.answered().0, Status::OK);
    assert_eq!(play.actions, [Action::Set(vec![value(7)])]);
    play.say(5, &Pdu::UndoSet);
    assert_eq!(play.answered().0, Status::OK);
    assert_eq!(play.actions[1..], [Action::Set(vec![value(3)])]);
    play.say(5, &Pdu::UndoSet);
    assert_eq!(play.answered().0, Status::OK);
    assert_eq!(play.actions.len(), 2, "once only");
    play.say(6, &Pdu::CommitSet);
    assert_eq!(play.answered().0, Status::COMMIT_FAILED, "nothing was tested");
}

#[test]
fn a_change_that_is_not_permitted_is_refused_by_its_number() {
    let mut play = Play::open();
    play.say(5, &Pdu::TestSet(vec![value(7), value(10)]));
    assert_eq!(play.answered(), (Status::WRONG_VALUE, 2, vec![]));
    play.say(5, &Pdu::CommitSet);
    assert_eq!(play.answered().0, Status::COMMIT_FAILED);
}

#[test]
fn a_change_is_seen_by_whoever_asks_next() {
    let mut play = Play::open();
    play.give(Input::Snapshot(table(3)));
    play.say(5, &Pdu::TestSet(vec![value(7)]));
    play.say(5, &Pdu::CommitSet);
    play.say(5, &Pdu::CleanupSet);
    play.actions.clear();
    play.say(6, &get());
    assert_eq!(play.actions, [Action::Refresh]);
}

#[test]
fn a_lost_connection_is_made_again_later_and_later_and_said_once() {
    let mut play = Play::open();
    play.give(Input::Lost);
    assert_eq!(play.said(), [Event::Closed(Why::Lost)]);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let at = play.session.deadline().unwrap();
        pauses.push(at.since(play.now));
        play.now = at;
        play.actions.clear();
        play.give(Input::DeadlineReached);
        assert_eq!(play.actions, [Action::Connect]);
        play.give(Input::Lost);
    }
    assert_eq!(play.said(), [], "it was said");
    assert_eq!(pauses[..3], [FIRST_RETRY, FIRST_RETRY * 2, FIRST_RETRY * 4]);
    assert_eq!(pauses[5..], [LONGEST_RETRY; 2]);
    // Once it is there again all begins anew.
    play.now = play.session.deadline().unwrap();
    play.give(Input::DeadlineReached);
    play.give(Input::Connected);
    play.answer_all(Status::OK);
    play.give(Input::Lost);
    assert_eq!(play.session.deadline(), Some(play.now.after(FIRST_RETRY)));
}

#[test]
fn a_master_agent_that_is_silent_is_left() {
    let mut play = Play::new();
    play.give(Input::Connected);
    play.pass(PATIENCE);
    assert_eq!(play.said(), [Event::Closed(Why::Silent)]);
    let mut play = Play::open();
    play.pass(PING);
    assert!(matches!(play.sent()[..], [(_, Pdu::Ping)]));
    assert!(play.session.is_open());
    play.pass(PATIENCE);
    assert!(!play.session.is_open());
    assert!(play.actions.contains(&Action::Disconnect));
}

#[test]
fn a_master_agent_that_answers_pings_is_not() {
    let mut play = Play::open();
    for _ in 0..5 {
        play.pass(PING);
        assert!(matches!(play.answer_all(Status::OK)[..], [Pdu::Ping]));
    }
    play.pass(PATIENCE);
    assert!(play.session.is_open());
}

#[test]
fn a_master_agent_that_forgot_the_session_or_ends_it_is_asked_for_another() {
    let mut play = Play::open();
    play.say(1, &Pdu::Close(Reason::SHUTDOWN));
    assert_eq!(play.said(), [Event::Closed(Why::Told)]);
    let mut play = Play::open();
    play.pass(PING);
    play.answer_all(Status::NOT_OPEN);
    assert_eq!(play.said(), [Event::Closed(Why::Told)]);
    let mut play = Play::new();
    play.give(Input::Connected);
    play.answer_all(Status(256));
    assert_eq!(play.said(), [Event::Closed(Why::NotWanted(Status(256)))]);
}

#[test]
fn a_region_that_is_refused_is_said_and_the_others_are_served() {
    let mut play = Play::new();
    play.give(Input::Connected);
    play.answer_all(Status::OK);
    play.answer_all(Status::DUPLICATE_REGISTRATION);
    assert!(play.session.is_open());
    let refused = |last| Event::Refused(oid(&[1, 3, last]), Status::DUPLICATE_REGISTRATION);
    assert_eq!(play.said(), [Event::Opened, refused(1), refused(2)]);
}

#[test]
fn a_region_that_is_refused_is_asked_for_again_until_it_is_ours() {
    let mut play = Play::new();
    play.give(Input::Connected);
    play.answer_all(Status::OK);
    play.answer_all(Status::DUPLICATE_REGISTRATION);
    play.actions.clear();
    for _ in 0..2 {
        assert_eq!(play.session.deadline(), Some(play.now.after(LONGEST_RETRY)));
        play.pass(LONGEST_RETRY);
        assert_eq!(play.answer_all(Status::DUPLICATE_REGISTRATION).len(), 2);
        assert_eq!(play.said(), [], "it was said");
    }
    play.pass(LONGEST_RETRY);
    assert_eq!(play.answer_all(Status::OK).len(), 2);
    let ours = |last| Event::Registered(oid(&[1, 3, last]));
    assert_eq!(play.said(), [ours(1), ours(2)]);
    assert_eq!(play.session.deadline(), Some(play.now.after(PING)));
}

#[test]
fn garbage_costs_the_connection_and_nothing_else() {
    let mut play = Play::open();
    play.give(Input::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert_eq!(play.said(), [Event::Closed(Why::Garbled)]);
    let at = play.session.deadline().unwrap();
    assert_eq!(at, play.now.after(FIRST_RETRY));
    // What else was in the socket is not read.
    play.actions.clear();
    play.give(Input::Bytes(&[0; 100]));
    assert_eq!(play.actions, []);
}

#[test]
fn a_message_that_cannot_be_understood_is_answered_so() {
    let mut play = Play::open();
    let mut bytes = pdu::encode(
        &Header {
            session: SESSION,
            transaction: 1,
            packet: 1,
        },
        &get(),
    );
    bytes[1] = 99;
    play.give(Input::Bytes(&bytes));
    assert_eq!(play.answered().0, Status::PARSE_ERROR);
    bytes[1] = 5;
    bytes[2] |= 8;
    play.give(Input::Bytes(&bytes));
    assert_eq!(play.answered().0, Status::UNSUPPORTED_CONTEXT);
    bytes[2] &= !8;
    bytes[7] = 1;
    play.give(Input::Bytes(&bytes));
    assert_eq!(play.answered().0, Status::NOT_OPEN, "another session");
}

#[test]
fn notifications_wait_for_a_connection_and_the_oldest_give_way() {
    let mut play = Play::new();
    for number in 0..MAX_NOTIFICATIONS + 3 {
        let name = oid(&[1, 3, u32::try_from(number).unwrap()]);
        play.give(Input::Notify(name, vec![value(1)]));
    }
    assert_eq!(play.sent(), []);
    play.give(Input::Connected);
    play.answer_all(Status::OK);
    assert!(play.said().contains(&Event::Dropped(3)));
    let mut count = 0;
    for _ in 0..20 {
        let sent = play.answer_all(Status::OK);
        let told: Vec<&Pdu> = sent.iter().filter(|pdu| matches!(pdu, Pdu::Notify(_))).collect();
        assert!(told.len() <= MAX_UNANSWERED);
        if let (0, Some(Pdu::Notify(binds))) = (count, told.first()) {
            assert_eq!(binds[0].answer, Answer::Value(Value::ObjectIdentifier(oid(&[1, 3, 3]))));
            assert_eq!(binds[1], value(1));
        }
        count += told.len();
    }
    assert_eq!(count, MAX_NOTIFICATIONS);
}

#[test]
fn the_end_says_goodbye() {
    let mut play = Play::open();
    play.give(Input::Stop);
    assert!(matches!(play.sent()[..], [(_, Pdu::Close(Reason::SHUTDOWN))]));
    assert_eq!(play.actions, [Action::Disconnect]);
    assert_eq!(play.session.deadline(), None);
    play.give(Input::Lost);
    assert_eq!(play.actions, [Action::Disconnect]);
}

fn any_input() -> impl Strategy<Value = (u8, u64, Vec<u8>, u8)> {
    (
        any::<u8>(),
        0_u64..40_000_000,
        proptest::collection::vec(any::<u8>(), 0..60),
        0_u8..20,
    )
}

proptest! {
    #[test]
    fn whatever_a_master_agent_does_the_session_stays_within_its_limits(steps in proptest::collection::vec(any_input(), 0..80)) {
        let mut play = Play::new();
        for (what, micros, bytes, kind) in steps {
            play.now = Instant::from_micros(play.now.as_micros() + micros);
            match what % 9 {
                0 => play.give(Input::Connected),
                1 => play.give(Input::Lost),
                2 => play.give(Input::Bytes(&bytes)),
                3 => play.give(Input::DeadlineReached),
                4 => play.give(Input::Snapshot(table(i32::from(kind)))),
                5 => { play.answer_all(Status(u16::from(kind & 1) * 257)); }
                6 => play.give(Input::Notify(oid(&[1]), vec![])),
                _ => {
                    // A good header with anything behind it.
                    let body = &bytes[..bytes.len() & !3];
                    let mut message = vec![1, kind, 0x10, 0, 0, 0, 0, 42, 0, 0, 0, 1, 0, 0, 0, what];
                    message.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
                    message.extend(body);
                    play.give(Input::Bytes(&message));
                }
            }
            // It never waits for something that is over: there is always a next step.
            prop_assert!(play.session.deadline().is_some());
            play.actions.clear();
        }
        // And a good master agent is always found again.
        for _ in 0..4 {
            play.actions.clear();
            play.now = play.session.deadline().unwrap();
            play.give(Input::DeadlineReached);
            if play.actions.contains(&Action::Connect) {
                break;
            }
            play.give(Input::Lost);
        }
        play.actions.clear();
        play.give(Input::Connected);
        play.answer_all(Status::OK);
        prop_assert!(play.session.is_open());
    }
}
