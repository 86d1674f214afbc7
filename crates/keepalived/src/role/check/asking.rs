//! Probes that are under way: those that ask over the network, side by side in this thread; programs, by the supervisor.
//!
//! How many of each run at once is bounded; the rest wait for their turn. What an answer means is decided in `check`.

use super::tell::script;
use crate::ipc::{FromRole, Outcome, Script};
use crate::log::{Level, Reporter};
use check::config::{ClientTls, CommandName, Dialogue, Misc};
use check::judge::Answer;
use check::probe::misc::{self, End};
use check::{Check, Probe};
use conf::model::{Command, Servers};
use director::Ticket;
use prober::Prober;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

/// Probes that ask over the network at the same time. More wait; each needs a descriptor.
const MOST_ASKING: usize = 4_000;
/// Programs that run at the same time; the supervisor has room for 256 and other uses for it. More wait.
const MOST_PROGRAMS: usize = 128;
/// Probes that are begun in one turn of the loop where they are asked for, some 10 ms of work. The others are begun as tasks,
/// between which everything else gets its turn.
const AT_ONCE: usize = 250;

/// How a question was answered.
pub(super) struct Told {
    pub(super) ticket: Ticket,
    pub(super) answer: Answer,
    pub(super) reason: String,
    pub(super) weight: Option<u8>,
}

struct Question {
    ticket: Ticket,
    probe: Arc<Probe>,
    stage: u16,
}

/// A program that runs.
struct Program {
    ticket: Ticket,
    dynamic: bool,
}

/// What is being asked.
pub(super) struct Asking {
    prober: Rc<Prober>,
    answers: UnboundedSender<Told>,
    /// Answers that came while the questions were asked: servers on this machine are as fast as that.
    at_once: VecDeque<Told>,
    /// How many more probes may be begun in this turn.
    room: usize,
    /// Probes over the network that are under way.
    running: BTreeMap<Ticket, AbortHandle>,
    waiting: VecDeque<Question>,
    commands: BTreeMap<CommandName, Arc<Command>>,
    supplementary_groups: bool,
    /// Programs that run, by the ticket of the supervisor.
    programs: BTreeMap<u64, Program>,
    /// Programs of which processes are left, by the probe: it does not run a second time beside itself.
    alive: BTreeMap<u64, u64>,
    programs_waiting: VecDeque<Question>,
    next_program: u64,
    wishes: Vec<FromRole>,
}

impl Asking {
    /// Asks nothing yet. Answers come out of the second value.
    pub(super) fn new(servers: &Servers, reporter: &Reporter) -> (Asking, UnboundedReceiver<Told>) {
        let (answers, receiver) = unbounded_channel();
        let asking = Asking {
            prober: Rc::new(prober(servers, reporter)),
            answers,
            at_once: VecDeque::new(),
            room: AT_ONCE,
            running: BTreeMap::new(),
            waiting: VecDeque::new(),
            commands: BTreeMap::new(),
            supplementary_groups: false,
            programs: BTreeMap::new(),
            alive: BTreeMap::new(),
            programs_waiting: VecDeque::new(),
            next_program: super::kernel::LOADING + 1,
            wishes: Vec::new(),
        };
        (asking, receiver)
    }

    /// Follows a configuration.
    pub(super) fn configure(&mut self, servers: &Servers, supplementary_groups: bool, reporter: &Reporter) {
        self.commands.clone_from(&servers.commands);
        self.supplementary_groups = supplementary_groups;
        // Questions that are under way go on with the one they began with.
        self.prober = Rc::new(prober(servers, reporter));
    }

    /// What the supervisor is asked for.
    pub(super) fn wishes(&mut self) -> impl Iterator<Item = FromRole> + use<> {
        std::mem::take(&mut self.wishes).into_iter()
    }

    /// Asks a question, now or when there is room.
    pub(super) fn ask(&mut self, ticket: Ticket, probe: Arc<Probe>, stage: u16) {
        let question = Question { ticket, probe, stage };
        if let Dialogue::Misc(_) = question.probe.dialogue {
            self.programs_waiting.push_back(question);
            self.start_programs();
        } else {
            self.waiting.push_back(question);
            self.start_probes();
        }
    }

    /// Nobody waits for the answer any more. A program is left to its time limit: another one of its kind starts when it
    /// is gone.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        self.waiting.retain(|question| question.ticket != ticket);
        self.programs_waiting.retain(|question| question.ticket != ticket);
        self.at_once.retain(|told| told.ticket != ticket);
        if let Some(task) = self.running.remove(&ticket) {
            task.abort();
        }
        self.start_probes();
    }

    /// An answer was taken: there is room for another question.
    pub(super) fn done(&mut self, ticket: Ticket) {
        self.running.remove(&ticket);
        self.start_probes();
    }

    fn start_probes(&mut self) {
        while self.running.len() < MOST_ASKING
            && let Some(question) = self.waiting.pop_front()
        {
            let (prober, answers) = (Rc::clone(&self.prober), self.answers.clone());
            let Question { ticket, probe, stage } = question;
            let mut asking = Box::pin(async move {
                let outcome = prober.probe(&probe, stage).await;
                Told {
                    ticket,
                    answer: outcome.answer,
                    reason: outcome.reason,
                    weight: None,
                }
            });
            if self.room > 0 {
                self.room -= 1;
                // As far as it goes without waiting. What waits is asked once more as a task, which is then woken.
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                if let Poll::Ready(told) = asking.as_mut().poll(&mut context) {
                    self.at_once.push_back(told);
                    continue;
                }
            }
            let task = tokio::task::spawn_local(async move {
                // It fails at the end only, when nobody listens any more.
                let _ = answers.send(asking.await);
            });
            self.running.insert(ticket, task.abort_handle());
        }
    }

    /// A turn of the loop begins.
    pub(super) const fn turn(&mut self) {
        self.room = AT_ONCE;
    }

    /// Whether there are answers already.
    pub(super) fn has_answers(&self) -> bool {
        !self.at_once.is_empty()
    }

    /// The last of them.
    pub(super) fn last_answer(&self) -> Option<(Ticket, Answer)> {
        self.at_once.back().map(|told| (told.ticket, told.answer))
    }

    /// An answer that is there already.
    pub(super) fn next_answer(&mut self) -> Option<Told> {
        self.at_once.pop_front()
    }

    fn start_programs(&mut self) {
        let mut later = VecDeque::new();
        while self.alive.len() < MOST_PROGRAMS
            && let Some(question) = self.programs_waiting.pop_front()
        {
            let Dialogue::Misc(misc) = &question.probe.dialogue else {
                continue;
            };
            if self.alive.contains_key(&question.ticket.probe) {
                later.push_back(question);
                continue;
            }
            let Some(script) = self.script_of(misc) else {
                // The model names every command that its checks name.
                continue;
            };
            let (number, dynamic) = (self.next_program, misc.dynamic);
            self.next_program += 1;
            self.wishes.push(FromRole::RunScript {
                ticket: number,
                script,
                timeout: misc.timeout,
            });
            let ticket = question.ticket;
            self.programs.insert(number, Program { ticket, dynamic });
            self.alive.insert(ticket.probe, number);
        }
        later.append(&mut self.programs_waiting);
        self.programs_waiting = later;
    }

    fn script_of(&self, misc: &Misc) -> Option<Script> {
        let command = self.commands.get(&misc.command)?;
        Some(Script {
            ends_with: Some(linux::process::Pid::parent().0),
            ..script(command, self.supplementary_groups)
        })
    }

    /// A program has ended, or had to be ended: its answer.
    pub(super) fn ran(&mut self, number: u64, outcome: &Outcome) -> Option<Told> {
        let program = self.programs.remove(&number)?;
        let (end, reason) = match outcome {
            Outcome::Exited(code) => (Some(End::Exited(*code)), format!("exited with status {code}")),
            Outcome::Killed(signal) => {
                let number = u8::try_from(*signal).unwrap_or(u8::MAX);
                (Some(End::Signalled(number)), format!("due to signal {signal}"))
            }
            Outcome::TimedOut => (Some(End::TimedOut), TIMED_OUT.to_owned()),
            // It failed, as one that cannot be found does in a shell; the supervisor has logged why.
            Outcome::NotRun(_) => (None, "could not be run".to_owned()),
        };
        let (answer, weight) = end.map_or((Answer::Bad, None), |end| misc::answer(end, program.dynamic));
        Some(Told {
            ticket: program.ticket,
            answer,
            reason,
            weight,
        })
    }

    /// No process is left of a program.
    pub(super) fn gone(&mut self, number: u64) {
        self.alive.retain(|_, other| *other != number);
        self.start_programs();
    }
}

/// A prober for a configuration; what is wrong with its checks is said.
fn prober(servers: &Servers, reporter: &Reporter) -> Prober {
    let (prober, troubles) = Prober::new(&servers.tls, probes(servers));
    for trouble in troubles {
        reporter.say(Level::Warning, trouble);
    }
    prober
}

fn probes(servers: &Servers) -> impl Iterator<Item = &Probe> {
    let checks = servers.services.values().flat_map(|server| server.checks.values());
    checks.flatten().filter_map(|check| match check {
        Check::Probe(probe) => Some(probe),
        Check::File(_) | Check::Bfd(_) => None,
    })
}

/// What is wrong with the checks of a configuration that nobody asks. Its certificates may be on another machine.
pub(crate) fn troubles(servers: &Servers) -> impl Iterator<Item = String> {
    let (_, troubles) = Prober::new(&ClientTls::default(), probes(servers));
    troubles.into_iter().map(|trouble| trouble.to_string())
}

/// What the lines about a program that took too long say.
const TIMED_OUT: &str = "timed out";
