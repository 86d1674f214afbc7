//! Any bytes as what a master agent of SNMP says, at any times. Also the body of the test that replays the seeds.

use agentx::pdu::{self, Frames, Header, Pdu, Range, Reason, Status};
use agentx::session::{Action, Config, Input, Session};
use agentx::table::{Builder, Permit};
use agentx::{Oid, Table, Value, VarBind};
use base::Instant;
use std::time::Duration;

/// Bytes that the answer to one message may have: no message makes us send without end.
const MOST_BYTES: usize = 4 << 20;
/// The session number that the master agent of the seeds gives.
const SESSION: u32 = 7;

/// An input is a list of pieces of a stream, each behind two bytes: a pause in units of 100 ms, its length. The session must
/// come back, ask for no deadline that is over, and send only what can be read again; a message that is read is written again
/// and read as the same.
pub fn hear(bytes: &[u8]) {
    let mut now = Instant::from_micros(1);
    let mut session = Session::new(config(), table());
    let mut actions = Vec::new();
    session.handle(now, Input::Start, &mut actions);
    session.handle(now, Input::Connected, &mut actions);
    check(&mut session, now, &mut actions);
    let mut rest = bytes;
    while let Some((&[pause, length], after)) = rest.split_first_chunk::<2>() {
        let (piece, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        now = now.after(Duration::from_millis(100 * u64::from(pause)));
        session.handle(now, Input::DeadlineReached, &mut actions);
        check(&mut session, now, &mut actions);
        messages(piece);
        session.handle(now, Input::Bytes(piece), &mut actions);
        check(&mut session, now, &mut actions);
    }
    session.handle(now, Input::Stop, &mut actions);
    assert!(!session.is_open());
}

/// Carries out what a session wants, as long as it wants something.
fn check(session: &mut Session, now: Instant, actions: &mut Vec<Action>) {
    let mut sent = 0;
    while !actions.is_empty() {
        for action in std::mem::take(actions) {
            match action {
                Action::Connect => session.handle(now, Input::Connected, actions),
                Action::Refresh => session.handle(now, Input::Snapshot(table()), actions),
                Action::Send(bytes) => {
                    sent += bytes.len();
                    pdu::decode(&bytes).expect("what is sent can be read");
                }
                Action::Set(binds) => assert_eq!(table().test(&binds), Ok(()), "only what may be set is set"),
                Action::Disconnect | Action::Say(_) => {}
            }
        }
    }
    assert!(sent <= MOST_BYTES, "{sent} bytes");
    assert!(session.deadline().is_none_or(|deadline| deadline > now));
}

fn messages(bytes: &[u8]) {
    let mut frames = Frames::new();
    frames.push(bytes);
    while let Some(read) = frames.message() {
        match read {
            Ok((header, message)) => {
                let again = pdu::encode(&header, &message);
                assert_eq!(pdu::decode(&again), Ok((header, message)));
            }
            Err(pdu::Garbled::Stream) => break,
            Err(pdu::Garbled::Message(_) | pdu::Garbled::Context(_)) => {}
        }
    }
}

fn below(numbers: &[u32]) -> Oid {
    Oid::new(&[1, 3, 6, 1, 4, 1, 9586, 100, 5]).with(numbers)
}

fn config() -> Config {
    Config {
        id: below(&[]),
        description: "Keepalived".to_owned(),
        regions: vec![(below(&[]), "MIB".to_owned())],
    }
}

fn table() -> Table {
    let mut builder = Builder::default();
    builder.put(&below(&[1, 1]), &[0], Value::text("v2.4.3"));
    for row in 1..=9 {
        builder.put(&below(&[2, 3, 1, 2]), &[row], Value::text("VI_1"));
        builder.put_with(
            &below(&[2, 3, 1, 10]),
            &[row],
            Value::Integer(100),
            Permit::Integer(1, 254),
        );
    }
    Table::new(builder)
}

/// The seeds: what a master agent says in the life of a session.
#[allow(dead_code, reason = "the fuzz target itself does without")]
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let said = |packet: u32, message: &Pdu| {
        let header = Header {
            session: SESSION,
            transaction: 3,
            packet,
        };
        let bytes = pdu::encode(&header, message);
        [&[1, bytes.len() as u8][..], &bytes].concat()
    };
    let answer = Pdu::Response {
        uptime: 1,
        status: Status::OK,
        index: 0,
        binds: Vec::new(),
    };
    // The numbers of our own messages: the session, its region, what it implements.
    let opened: Vec<u8> = (1..=3).flat_map(|packet| said(packet, &answer)).collect();
    let range = |include| Range {
        start: below(&[2]),
        include,
        end: below(&[9]),
    };
    let set = VarBind::new(below(&[2, 3, 1, 10, 4]), Value::Integer(7));
    let dialogues: [(&str, Vec<Pdu>); 8] = [
        ("opened", vec![]),
        ("get", vec![Pdu::Get(vec![below(&[1, 1, 0]), below(&[8])])]),
        ("next", vec![Pdu::GetNext(vec![range(true), range(false)])]),
        (
            "bulk",
            vec![Pdu::GetBulk {
                once: 1,
                repetitions: 10,
                ranges: vec![range(true), range(false)],
            }],
        ),
        (
            "set",
            vec![Pdu::TestSet(vec![set.clone()]), Pdu::CommitSet, Pdu::CleanupSet],
        ),
        ("undo", vec![Pdu::TestSet(vec![set]), Pdu::CommitSet, Pdu::UndoSet]),
        ("close", vec![Pdu::Ping, Pdu::Close(Reason::SHUTDOWN)]),
        (
            "open",
            vec![Pdu::Open {
                timeout: 1,
                id: below(&[]),
                description: "x".to_owned(),
            }],
        ),
    ];
    dialogues
        .into_iter()
        .map(|(name, messages)| {
            let messages = messages.iter().flat_map(|message| said(50, message));
            (name.to_owned(), opened.iter().copied().chain(messages).collect())
        })
        .collect()
}
