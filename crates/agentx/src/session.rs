//! The life of a connection to a master agent: it is opened, told what we have, asked by, and made again when it is lost.
//!
//! Decides when to connect, what to send, and from how old a snapshot answers may come. Whoever carries the actions out
//! owns the socket and knows the objects. Nothing a master agent says can do more than lose it the connection.

use crate::oid::Oid;
use crate::pdu::{self, Frames, Garbled, Header, Pdu, Reason, Status};
use crate::table::Table;
use crate::value::{Answer, VarBind};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use base::Instant;
use core::fmt;
use core::time::Duration;

/// The pause before the first attempt after a loss; it doubles with every attempt that fails.
pub const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest pause between attempts: that of net-snmp's own sub-agents.
pub const LONGEST_RETRY: Duration = Duration::from_secs(15);
/// How long a connection may take, and each answer of a master agent. After that the connection is given up.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// How often a master agent that says nothing is asked whether it is there.
pub const PING: Duration = Duration::from_secs(120);
/// How old a snapshot may be that answers come from. Within it a manager that asks without pause costs one snapshot.
pub const MAX_AGE: Duration = Duration::from_secs(1);
/// How long a request waits for a new snapshot. After that it is answered from the old one: a master agent has a patience of
/// a second, and what is old is better than nothing.
pub const SNAPSHOT: Duration = Duration::from_millis(400);
/// Requests that wait for a snapshot. The next one is answered from the old one.
pub const MAX_WAITING: usize = 64;
/// Notifications that wait for a connection, and then for the answers to others. Of more the oldest are dropped, and counted.
pub const MAX_NOTIFICATIONS: usize = 256;
/// Notifications that are sent before the first of them is answered. The others wait.
pub const MAX_UNANSWERED: usize = 32;
/// Changes that were found possible and are neither made nor forgotten. A further one is refused.
pub const MAX_TESTED: usize = 16;

/// Who we are and what we have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The name of the sub-agent, which a master agent shows to nobody.
    pub id: Oid,
    /// What it is.
    pub description: String,
    /// What it has, with the description in the table of the master agent.
    pub regions: Vec<(Oid, String)>,
}

/// What happens to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// It begins.
    Start,
    /// [`Action::Connect`] was successful.
    Connected,
    /// It was not, or the connection is gone.
    Lost,
    /// The master agent has said this.
    Bytes(&'a [u8]),
    /// [`Session::deadline`] is reached.
    DeadlineReached,
    /// The objects, as they are now. Asked for by [`Action::Refresh`], welcome at any time.
    Snapshot(Table),
    /// Tell managers of this: the name of the notification, and what goes with it.
    Notify(Oid, Vec<VarBind>),
    /// It ends.
    Stop,
}

/// What a session wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to the master agent: answered by [`Input::Connected`] or [`Input::Lost`].
    Connect,
    /// Give the connection up, what was sent before in any case sent if that is possible without waiting.
    Disconnect,
    /// Send this.
    Send(Vec<u8>),
    /// A new snapshot is needed.
    Refresh,
    /// A manager sets these; every one is permitted.
    Set(Vec<VarBind>),
    /// Say this.
    Say(Event),
}

/// What an operator may want to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The master agent has taken us.
    Opened,
    /// It is gone, or was given up. Said once, until it has taken us again.
    Closed(Why),
    /// It does not take this region.
    Refused(Oid, Status),
    /// It takes this region, which it has refused before.
    Registered(Oid),
    /// So many notifications were dropped while nobody took them.
    Dropped(u64),
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There was none, or it broke.
    Lost,
    /// The master agent ended it.
    Told,
    /// It does not want a session.
    NotWanted(Status),
    /// It does not answer.
    Silent,
    /// What it says makes no sense.
    Garbled,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Opened => f.write_str("SNMP: connected to the master agent"),
            Event::Closed(Why::Lost) => f.write_str("SNMP: no connection to the master agent"),
            Event::Closed(Why::Told) => f.write_str("SNMP: the master agent has closed the session"),
            Event::Closed(Why::NotWanted(Status(status))) => {
                write!(f, "SNMP: the master agent refuses a session (error {status})")
            }
            Event::Closed(Why::Silent) => f.write_str("SNMP: the master agent does not answer"),
            Event::Closed(Why::Garbled) => f.write_str("SNMP: the master agent sends what is no AgentX"),
            Event::Refused(region, Status(status)) => {
                write!(
                    f,
                    "SNMP: the master agent refuses to register {region} (error {status})"
                )
            }
            Event::Registered(region) => write!(f, "SNMP: the master agent registers {region} now"),
            Event::Dropped(count) => write!(f, "SNMP: {count} notifications were dropped"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not begun, or ended.
    Idle,
    /// There is no connection; the next attempt is made then.
    Pausing(Instant),
    /// An attempt is being made, until then.
    Connecting(Instant),
    /// A session is asked for.
    Opening,
    /// The session of this number is open.
    Open(u32),
}

/// What a message of ours was about, so that its answer is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Open,
    /// `again`: it was refused before.
    Register {
        region: Oid,
        again: bool,
    },
    Capability,
    Notify,
    Ping,
}

/// One connection to a master agent, again and again.
#[derive(Clone, Debug)]
pub struct Session {
    config: Config,
    state: State,
    /// The pause after the next failure.
    retry: Duration,
    /// The loss was said, and nothing has come of it since.
    said: bool,
    frames: Frames,
    packet: u32,
    /// Messages of ours without an answer, and until when.
    asked: BTreeMap<u32, (Asked, Instant)>,
    /// When something was last heard.
    heard: Instant,
    table: Table,
    /// Until when the table is new enough.
    fresh_until: Instant,
    /// Requests that wait for a snapshot, and until when.
    waiting: VecDeque<(Header, Pdu)>,
    waiting_until: Instant,
    tested: BTreeMap<u32, Vec<VarBind>>,
    /// What was before a change that was made.
    made: BTreeMap<u32, Vec<VarBind>>,
    notifications: VecDeque<(Oid, Vec<VarBind>)>,
    dropped: u64,
    /// Regions that were refused, and when they are asked for again: who had them may be gone then.
    refused: Vec<Oid>,
    again_at: Instant,
}

impl Session {
    /// A session that has not begun.
    pub const fn new(config: Config, table: Table) -> Session {
        Session {
            config,
            state: State::Idle,
            retry: FIRST_RETRY,
            said: false,
            frames: Frames::new(),
            packet: 0,
            asked: BTreeMap::new(),
            heard: Instant::ZERO,
            table,
            fresh_until: Instant::ZERO,
            waiting: VecDeque::new(),
            waiting_until: Instant::FAR_FUTURE,
            tested: BTreeMap::new(),
            made: BTreeMap::new(),
            notifications: VecDeque::new(),
            dropped: 0,
            refused: Vec::new(),
            again_at: Instant::FAR_FUTURE,
        }
    }

    /// When [`Input::DeadlineReached`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let state = match self.state {
            State::Idle => return None,
            State::Pausing(until) | State::Connecting(until) => Some(until),
            State::Opening => None,
            State::Open(_) => Some(self.heard.after(PING)),
        };
        let answers = self.asked.values().map(|(_, until)| *until);
        let waiting = (!self.waiting.is_empty()).then_some(self.waiting_until);
        let again = (!self.refused.is_empty()).then_some(self.again_at);
        answers.chain(state).chain(waiting).chain(again).min()
    }

    /// Whether the master agent has taken us.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Takes in what happens and appends what follows.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, actions: &mut Vec<Action>) {
        match input {
            Input::Start => {
                if self.state == State::Idle {
                    self.connect(now, actions);
                }
            }
            Input::Connected => {
                if matches!(self.state, State::Connecting(_)) {
                    self.open(now, actions);
                }
            }
            Input::Lost => match self.state {
                State::Idle | State::Pausing(_) => {}
                State::Connecting(_) | State::Opening | State::Open(_) => self.lose(now, Why::Lost, actions),
            },
            Input::Bytes(bytes) => {
                self.frames.push(bytes);
                self.read(now, actions);
            }
            Input::DeadlineReached => self.on_time(now, actions),
            Input::Snapshot(table) => {
                self.table = table;
                self.fresh_until = now.after(MAX_AGE);
                self.answer_waiting(actions);
            }
            Input::Notify(name, binds) => {
                if self.notifications.len() == MAX_NOTIFICATIONS {
                    self.notifications.pop_front();
                    self.dropped += 1;
                }
                self.notifications.push_back((name, binds));
                self.send_notifications(now, actions);
            }
            Input::Stop => self.stop(actions),
        }
    }

    fn connect(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.state = State::Connecting(now.after(PATIENCE));
        actions.push(Action::Connect);
    }

    fn open(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.state = State::Opening;
        self.heard = now;
        let open = Pdu::Open {
            timeout: 0,
            id: self.config.id.clone(),
            description: self.config.description.clone(),
        };
        self.ask(now, 0, &open, Asked::Open, actions);
    }

    /// Sends a message that will be answered.
    fn ask(&mut self, now: Instant, session: u32, pdu: &Pdu, about: Asked, actions: &mut Vec<Action>) {
        self.packet = self.packet.wrapping_add(1);
        let header = Header {
            session,
            transaction: 0,
            packet: self.packet,
        };
        self.asked.insert(self.packet, (about, now.after(PATIENCE)));
        actions.push(Action::Send(pdu::encode(&header, pdu)));
    }

    /// The connection is gone, or is given up.
    fn lose(&mut self, now: Instant, why: Why, actions: &mut Vec<Action>) {
        if let (State::Open(session), Why::Silent | Why::Garbled) = (self.state, why) {
            self.close(session, Reason::PARSE_ERROR, actions);
        }
        self.forget();
        self.state = State::Pausing(now.after(self.retry));
        self.retry = (self.retry * 2).min(LONGEST_RETRY);
        actions.push(Action::Disconnect);
        if !self.said {
            self.said = true;
            actions.push(Action::Say(Event::Closed(why)));
        }
    }

    /// Forgets what belongs to a connection.
    fn forget(&mut self) {
        self.frames.clear();
        self.asked.clear();
        self.waiting.clear();
        self.tested.clear();
        self.made.clear();
        self.refused.clear();
        self.again_at = Instant::FAR_FUTURE;
    }

    fn close(&self, session: u32, reason: Reason, actions: &mut Vec<Action>) {
        let header = Header {
            session,
            transaction: 0,
            packet: self.packet.wrapping_add(1),
        };
        actions.push(Action::Send(pdu::encode(&header, &Pdu::Close(reason))));
    }

    fn stop(&mut self, actions: &mut Vec<Action>) {
        match self.state {
            State::Idle | State::Pausing(_) => {}
            State::Open(session) => {
                self.close(session, Reason::SHUTDOWN, actions);
                actions.push(Action::Disconnect);
            }
            State::Connecting(_) | State::Opening => actions.push(Action::Disconnect),
        }
        self.forget();
        self.state = State::Idle;
    }

    fn on_time(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match self.state {
            State::Idle => return,
            State::Pausing(until) if until <= now => return self.connect(now, actions),
            State::Connecting(until) if until <= now => return self.lose(now, Why::Silent, actions),
            State::Pausing(_) | State::Connecting(_) | State::Opening | State::Open(_) => {}
        }
        if self.asked.values().any(|(_, until)| *until <= now) {
            return self.lose(now, Why::Silent, actions);
        }
        if !self.waiting.is_empty() && self.waiting_until <= now {
            // Whoever makes snapshots is slow: not asked again at once.
            self.fresh_until = now.after(MAX_AGE);
            self.answer_waiting(actions);
        }
        let State::Open(session) = self.state else { return };
        if self.again_at <= now {
            self.again_at = Instant::FAR_FUTURE;
            for region in core::mem::take(&mut self.refused) {
                self.register(now, session, region, true, actions);
            }
        }
        if self.heard.after(PING) <= now {
            self.heard = now;
            self.ask(now, session, &Pdu::Ping, Asked::Ping, actions);
        }
    }

    fn read(&mut self, now: Instant, actions: &mut Vec<Action>) {
        while matches!(self.state, State::Opening | State::Open(_)) {
            let Some(read) = self.frames.message() else { return };
            self.heard = now;
            match read {
                Ok((header, pdu)) => self.take(now, header, pdu, actions),
                Err(Garbled::Stream) => self.lose(now, Why::Garbled, actions),
                Err(Garbled::Message(header)) => respond(header, Status::PARSE_ERROR, 0, Vec::new(), actions),
                Err(Garbled::Context(header)) => {
                    respond(header, Status::UNSUPPORTED_CONTEXT, 0, Vec::new(), actions);
                }
            }
        }
        // Whatever else came belongs to a connection that is over.
        self.frames.clear();
    }

    fn take(&mut self, now: Instant, header: Header, pdu: Pdu, actions: &mut Vec<Action>) {
        if let Pdu::Response { status, .. } = pdu {
            return self.answered(now, header, status, actions);
        }
        if let Pdu::Close(_) = pdu {
            return self.lose(now, Why::Told, actions);
        }
        if self.state != State::Open(header.session) {
            return respond(header, Status::NOT_OPEN, 0, Vec::new(), actions);
        }
        match pdu {
            Pdu::Get(_) | Pdu::GetNext(_) | Pdu::GetBulk { .. } => self.look_up(now, header, pdu, actions),
            Pdu::TestSet(binds) => self.test(header, binds, actions),
            Pdu::CommitSet => self.commit(header, actions),
            Pdu::UndoSet => {
                let before = self.made.remove(&header.transaction);
                before.into_iter().for_each(|binds| actions.push(Action::Set(binds)));
                self.fresh_until = Instant::ZERO;
                respond(header, Status::OK, 0, Vec::new(), actions);
            }
            // Not answered: section 7.2.4.4.
            Pdu::CleanupSet => {
                self.tested.remove(&header.transaction);
                self.made.remove(&header.transaction);
            }
            Pdu::Ping => respond(header, Status::OK, 0, Vec::new(), actions),
            // These are for master agents.
            Pdu::Open { .. } | Pdu::Register { .. } | Pdu::AddCapabilities { .. } | Pdu::Notify(_) => {
                respond(header, Status::PARSE_ERROR, 0, Vec::new(), actions);
            }
            // Seen above.
            Pdu::Close(_) | Pdu::Response { .. } => {}
        }
    }

    fn answered(&mut self, now: Instant, header: Header, status: Status, actions: &mut Vec<Action>) {
        // An answer to nothing.
        let Some((about, _)) = self.asked.remove(&header.packet) else {
            return;
        };
        if status == Status::NOT_OPEN {
            return self.lose(now, Why::Told, actions);
        }
        match about {
            Asked::Open if status == Status::OK => self.opened(now, header.session, actions),
            Asked::Open => self.lose(now, Why::NotWanted(status), actions),
            Asked::Register { region, again } if status != Status::OK => {
                self.refused.push(region.clone());
                self.again_at = now.after(LONGEST_RETRY);
                if !again {
                    actions.push(Action::Say(Event::Refused(region, status)));
                }
            }
            Asked::Register { region, again: true } => actions.push(Action::Say(Event::Registered(region))),
            Asked::Notify => self.send_notifications(now, actions),
            Asked::Register { .. } | Asked::Capability | Asked::Ping => {}
        }
    }

    fn opened(&mut self, now: Instant, session: u32, actions: &mut Vec<Action>) {
        self.state = State::Open(session);
        (self.retry, self.said) = (FIRST_RETRY, false);
        actions.push(Action::Say(Event::Opened));
        for (region, description) in self.config.regions.clone() {
            self.register(now, session, region.clone(), false, actions);
            let capability = Pdu::AddCapabilities {
                id: region,
                description,
            };
            self.ask(now, session, &capability, Asked::Capability, actions);
        }
        self.send_notifications(now, actions);
    }

    /// Asks for a region; `again`: it was refused before, and that was said.
    fn register(&mut self, now: Instant, session: u32, region: Oid, again: bool, actions: &mut Vec<Action>) {
        let register = Pdu::Register {
            timeout: 0,
            priority: 127,
            region: region.clone(),
        };
        self.ask(now, session, &register, Asked::Register { region, again }, actions);
    }

    fn send_notifications(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let State::Open(session) = self.state else { return };
        if self.dropped > 0 {
            actions.push(Action::Say(Event::Dropped(core::mem::take(&mut self.dropped))));
        }
        let mut unanswered = self.asked.values().filter(|(about, _)| *about == Asked::Notify).count();
        while unanswered < MAX_UNANSWERED {
            let Some((name, more)) = self.notifications.pop_front() else {
                return;
            };
            unanswered += 1;
            let mut binds = Vec::from([trap_name(name)]);
            binds.extend(more);
            self.ask(now, session, &Pdu::Notify(binds), Asked::Notify, actions);
        }
    }

    fn look_up(&mut self, now: Instant, header: Header, pdu: Pdu, actions: &mut Vec<Action>) {
        if now < self.fresh_until || self.waiting.len() == MAX_WAITING {
            return self.answer(header, &pdu, actions);
        }
        if self.waiting.is_empty() {
            self.waiting_until = now.after(SNAPSHOT);
            actions.push(Action::Refresh);
        }
        self.waiting.push_back((header, pdu));
    }

    fn answer_waiting(&mut self, actions: &mut Vec<Action>) {
        for (header, pdu) in core::mem::take(&mut self.waiting) {
            self.answer(header, &pdu, actions);
        }
    }

    fn answer(&self, header: Header, pdu: &Pdu, actions: &mut Vec<Action>) {
        let binds: Vec<VarBind> = match pdu {
            Pdu::Get(names) => names
                .iter()
                .map(|name| VarBind {
                    name: name.clone(),
                    answer: self.table.get(name),
                })
                .collect(),
            Pdu::GetNext(ranges) => ranges.iter().map(|range| self.table.next(range)).collect(),
            Pdu::GetBulk {
                once,
                repetitions,
                ranges,
            } => self.table.bulk(*once, *repetitions, ranges),
            // Nothing else waits for a snapshot.
            Pdu::Open { .. }
            | Pdu::Close(_)
            | Pdu::Register { .. }
            | Pdu::AddCapabilities { .. }
            | Pdu::TestSet(_)
            | Pdu::CommitSet
            | Pdu::UndoSet
            | Pdu::CleanupSet
            | Pdu::Notify(_)
            | Pdu::Ping
            | Pdu::Response { .. } => return,
        };
        respond(header, Status::OK, 0, binds, actions);
    }

    fn test(&mut self, header: Header, binds: Vec<VarBind>, actions: &mut Vec<Action>) {
        let full = self.tested.len() == MAX_TESTED && !self.tested.contains_key(&header.transaction);
        let result = if full {
            Err((0, Status::INCONSISTENT))
        } else {
            self.table.test(&binds)
        };
        match result {
            Ok(()) => {
                self.tested.insert(header.transaction, binds);
                respond(header, Status::OK, 0, Vec::new(), actions);
            }
            Err((index, status)) => respond(header, status, index, Vec::new(), actions),
        }
    }

    fn commit(&mut self, header: Header, actions: &mut Vec<Action>) {
        let Some(binds) = self.tested.remove(&header.transaction) else {
            return respond(header, Status::COMMIT_FAILED, 0, Vec::new(), actions);
        };
        let before = binds.iter().filter_map(|bind| match self.table.get(&bind.name) {
            Answer::Value(value) => Some(VarBind::new(bind.name.clone(), value)),
            Answer::NoSuchObject | Answer::NoSuchInstance | Answer::EndOfMibView => None,
        });
        let before = before.collect();
        if self.made.len() < MAX_TESTED {
            self.made.insert(header.transaction, before);
        }
        actions.push(Action::Set(binds));
        // Who asks next wants to see it.
        self.fresh_until = Instant::ZERO;
        respond(header, Status::OK, 0, Vec::new(), actions);
    }
}

fn respond(header: Header, status: Status, index: u16, binds: Vec<VarBind>, actions: &mut Vec<Action>) {
    let response = Pdu::Response {
        uptime: 0,
        status,
        index,
        binds,
    };
    actions.push(Action::Send(pdu::encode(&header, &response)));
}

/// `snmpTrapOID.0`, the first of what a notification says.
fn trap_name(name: Oid) -> VarBind {
    VarBind::new(
        Oid::new(&[1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0]),
        crate::value::Value::ObjectIdentifier(name),
    )
}
