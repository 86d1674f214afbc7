//! A role: this executable started again by the supervisor, with one task.
//!
//! Here is what every role shares: the first message, the channel, signals and scheduling. A role ends when the
//! supervisor says so, when the supervisor is gone, or on SIGTERM; all three are [`Order::Stop`]. What a role does
//! is in its own module.

mod bfd;
pub(crate) mod check;
mod compiler;
pub(crate) mod confinement;
mod manage;
mod sessions;
pub(crate) mod setup;
pub(crate) mod vrrp;
mod wait;

use crate::bug;
use crate::configuration::{Compiled, Model, compile};
use crate::exit;
use crate::ipc::{self, Briefing, DumpKind, FromRole, Managing, Options, Outcome, ToRole};
use crate::log::outbox::Outbox;
use crate::log::{Level, Line, Reporter};
use crate::status::{Happening, Wish};
use compiler::Compiler;
use linux::SysError;
use linux::ipc::{Channel, MAX_MESSAGE, Received};
use linux::memfd::Sealed;
use linux::process::{self, Pid};
use linux::sched::{self, Scheduling};
use linux::signal::{self, Signal, Signals};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

/// How long a role waits for its first message.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);
/// How long the last words of a role wait for a slow supervisor.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Which task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Health checks and virtual services.
    Check,
    /// Virtual routers.
    Vrrp,
    /// Bidirectional forwarding detection.
    Bfd,
    /// What other programs are told: SNMP.
    Manage,
}

impl Kind {
    /// All roles, in the order they are started.
    pub(crate) const ALL: [Kind; 4] = [Kind::Manage, Kind::Check, Kind::Vrrp, Kind::Bfd];

    /// The word after `--role=`.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Kind::Check => "check",
            Kind::Vrrp => "vrrp",
            Kind::Bfd => "bfd",
            Kind::Manage => "manage",
        }
    }

    /// What logs call it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Kind::Check => "Healthcheck",
            Kind::Vrrp => "VRRP",
            Kind::Bfd => "BFD",
            Kind::Manage => "Management",
        }
    }

    /// What syslog calls it, before namespace and instance.
    pub(crate) const fn ident(self) -> &'static str {
        match self {
            Kind::Check => "Keepalived_healthcheckers",
            Kind::Vrrp => "Keepalived_vrrp",
            Kind::Bfd => "Keepalived_bfd",
            Kind::Manage => "Keepalived_manage",
        }
    }

    /// Whether it is needed for what the daemon is there for. One that is not can fail without consequence: nobody waits for
    /// it, and the daemon never ends because of it.
    pub(crate) const fn is_essential(self) -> bool {
        match self {
            Kind::Check | Kind::Vrrp | Kind::Bfd => true,
            Kind::Manage => false,
        }
    }

    /// The role of this word.
    pub(crate) fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What the supervisor wants of a running role.
#[derive(Debug)]
pub(crate) enum Order {
    /// Run this configuration, then say [`FromRole::Reloaded`].
    Reload {
        /// To be named in the answer.
        generation: u64,
        /// The new configuration.
        model: Box<Model>,
    },
    /// Withdraw everything (see [`Options::keep_addresses`]), then return from `run`.
    Stop,
    /// Answer with [`Context::answer_dump`].
    Dump(DumpKind),
    /// Set the counters to zero.
    ClearStats,
    /// Another role is at the other end of this channel, in the place of the one before; see [`crate::ipc::SessionNews`].
    Link {
        /// Which.
        with: Kind,
        /// Our end.
        channel: Channel,
    },
    /// A run of a track script has ended.
    ScriptResult {
        /// The name of the `vrrp_script` block.
        script: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// A script this role asked for has ended ([`FromRole::RunScript`]).
    ScriptRan {
        /// The ticket of the request.
        ticket: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// No process is left of a script this role asked for.
    ScriptGone {
        /// The ticket of the request.
        ticket: u64,
    },
    /// The instance of the IPVS sync daemon has a new state.
    InstanceState {
        /// It is master.
        master: bool,
    },
    /// Answer with [`Context::answer_report`].
    Report,
    /// These were asked for their state.
    Asked {
        /// Who.
        roles: Vec<Kind>,
    },
    /// What a role has reported.
    ReportOf {
        /// Whose it is.
        role: Kind,
        /// The state.
        sealed: Sealed,
    },
    /// Managers may want to be told of this.
    Happened(Happening),
    /// A manager sets this.
    Set(Wish),
}

/// Everything a role gets, and its way to talk to the supervisor.
pub(crate) struct Context {
    /// The configuration to begin with.
    pub(crate) model: Model,
    /// The number of that configuration, to be named in [`FromRole::Ready`].
    pub(crate) generation: u64,
    /// Options of the command line.
    pub(crate) options: Options,
    /// Addresses, routes and rules that an earlier run, or role, may have left.
    pub(crate) leftovers: vrrp::left::Left,
    /// Virtual services that an earlier run, or role, may have left.
    pub(crate) services: Vec<check::left::Left>,
    /// The first start of this role by this daemon.
    pub(crate) first: bool,
    outbox: Rc<RefCell<Outbox>>,
    reporter: Reporter,
    signals: Signals,
    compiler: Compiler,
    /// Becomes readable when the channel, a signal or the compiler does.
    gathered: linux::ipc::Gathered,
    buffer: Vec<u8>,
    kind: Kind,
    scheduling: Scheduling,
    /// How far lateness may raise the priority, and what it has made of it.
    haste: setup::Haste,
    stopping: bool,
    /// What keeps the rules about files in force.
    _confined: Option<linux::sandbox::Entered>,
    /// The lock of the pid file: held for its path's sake and that of those who look.
    lock: Option<OwnedFd>,
}

impl Context {
    /// The path of the pid file, without spaces: it is what this daemon has and no other.
    pub(crate) fn lock_name(&self) -> String {
        let path = self.lock.as_ref().and_then(|lock| {
            let link = format!("/proc/self/fd/{}", lock.as_raw_fd());
            std::fs::read_link(link).ok()
        });
        let path = path.map(|path| path.display().to_string()).unwrap_or_default();
        path.replace(' ', "_")
    }

    /// A handle for log lines. They are sent together: see [`Context::flush`].
    pub(crate) fn reporter(&self) -> Reporter {
        self.reporter.clone()
    }

    /// The next order, without waiting. To be called until it gives `None` whenever the descriptor of this context
    /// is readable.
    pub(crate) fn receive(&mut self) -> Option<Order> {
        loop {
            match self.next_order() {
                Ok(Next::Order(order)) => return Some(order),
                Ok(Next::Ignored) => {}
                Ok(Next::Nothing) => return None,
                Err(error) => self.reporter.error(error),
            }
        }
    }

    /// Whether a reload is under way that [`Context::receive`] has not given yet.
    pub(crate) fn expects_reload(&self) -> bool {
        self.compiler.is_busy()
    }

    /// Drops something large, of which the loop is not to wait for the end.
    pub(crate) fn discard(&self, what: impl Send + 'static) {
        self.compiler.discard(what);
    }

    /// Tells the supervisor something. Never blocks; what cannot be sent now is sent later.
    pub(crate) fn send(&mut self, message: &FromRole) {
        if let Err(error) = self.outbox.borrow_mut().send(message, None) {
            self.reporter.error(error);
        }
    }

    /// A timer of the role was answered so late. If the operator allows it, the role gets a higher priority for it.
    pub(crate) fn late(&mut self, by: Duration) {
        if let Some(priority) = self.haste.next(by, self.scheduling.realtime) {
            self.scheduling.realtime = Some(priority);
            match sched::resume(&self.scheduling) {
                None => self.reporter.info(format_args!(
                    "A timer was {} ms late: real-time priority is now {priority}",
                    by.as_millis()
                )),
                Some(error) => {
                    // Not allowed now and not later.
                    self.haste = setup::Haste::default();
                    self.scheduling.realtime = None;
                    self.reporter.error(error);
                }
            }
        }
    }

    /// Answers [`Order::Dump`].
    pub(crate) fn answer_dump(&mut self, kind: DumpKind, text: &str) {
        let sent = Sealed::new("dump", text.as_bytes())
            .and_then(|sealed| self.outbox.borrow_mut().send(&FromRole::DumpText(kind), Some(sealed)));
        if let Err(error) = sent {
            self.reporter.error(error);
        }
    }

    /// Answers [`Order::Report`].
    pub(crate) fn answer_report<T: Serialize>(&mut self, status: &T) {
        let sent = ipc::seal("keepalived-report", status).and_then(|sealed| {
            self.outbox
                .borrow_mut()
                .send(&FromRole::Managing(Managing::Report), Some(sealed))
        });
        if let Err(error) = sent {
            self.reporter.error(error);
        }
    }

    /// Sends waiting log lines and messages, as many as the supervisor takes. To be called once in each turn of
    /// the role's loop, when everything urgent has been done.
    pub(crate) fn flush(&mut self) {
        confinement::tell_refusals(self.kind, &self.reporter);
        self.outbox.borrow_mut().flush();
    }

    fn next_order(&mut self) -> Result<Next, SysError> {
        if let Some(signal) = self.signals.next()? {
            return Ok(match signal {
                Signal::Term => self.stop(),
                // Meant for the supervisor, or of no meaning to a role.
                Signal::Int
                | Signal::Hup
                | Signal::Usr1
                | Signal::Usr2
                | Signal::Chld
                | Signal::Pipe
                | Signal::RtMinPlus2
                | Signal::RtMaxMinus1
                | Signal::RtMax => Next::Ignored,
            });
        }
        if let Some((generation, product)) = self.compiler.finished()? {
            return Ok(self.change_over(generation, product));
        }
        let received = self.outbox.borrow().channel().receive(&mut self.buffer)?;
        let (length, descriptors) = match received {
            Received::Message { length, descriptors } => (length, descriptors),
            Received::Nothing => return Ok(Next::Nothing),
            // The supervisor is gone: withdraw, so that nothing is left that nobody advertises.
            Received::Closed => return Ok(if self.stopping { Next::Nothing } else { self.stop() }),
        };
        let message: ToRole = ipc::decode(self.buffer.get(..length).unwrap_or_default())?;
        Ok(match message {
            ToRole::Prepare { generation } => {
                let sealed = first_sealed(descriptors)?;
                self.compiler.prepare(generation, sealed, &self.scheduling);
                Next::Ignored
            }
            ToRole::Reload { generation } => match first_sealed(descriptors) {
                Ok(sealed) => {
                    self.compiler.order(generation, sealed, &self.scheduling);
                    Next::Ignored
                }
                // Nobody is to wait for this one.
                Err(error) => self.change_over(generation, Err(error)),
            },
            ToRole::Forget => {
                self.compiler.forget();
                Next::Ignored
            }
            ToRole::Stop => self.stop(),
            ToRole::Dump(kind) => Next::Order(Order::Dump(kind)),
            ToRole::ClearStats => Next::Order(Order::ClearStats),
            ToRole::Link { with } => {
                if let Some(channel) = descriptors.into_iter().next().map(Channel::from_fd) {
                    return Ok(Next::Order(Order::Link { with, channel }));
                }
                self.send(&FromRole::NotJoined { with });
                return Err(Channel::no_descriptor());
            }
            ToRole::ScriptResult { script, outcome } => Next::Order(Order::ScriptResult { script, outcome }),
            ToRole::ScriptRan { ticket, outcome } => Next::Order(Order::ScriptRan { ticket, outcome }),
            ToRole::ScriptGone { ticket } => Next::Order(Order::ScriptGone { ticket }),
            ToRole::InstanceState { master } => Next::Order(Order::InstanceState { master }),
            ToRole::Report => Next::Order(Order::Report),
            ToRole::Asked { roles } => Next::Order(Order::Asked { roles }),
            ToRole::ReportOf { role } => Next::Order(Order::ReportOf {
                role,
                sealed: first_sealed(descriptors)?,
            }),
            ToRole::Happened(happening) => Next::Order(Order::Happened(happening)),
            ToRole::Set(wish) => Next::Order(Order::Set(wish)),
            // Once only, and it was.
            ToRole::Start => Next::Ignored,
        })
    }

    /// A configuration the supervisor has ordered is ready, or cannot be had.
    fn change_over(&mut self, generation: u64, product: Result<Box<Model>, SysError>) -> Next {
        match product {
            Ok(model) => {
                self.scheduling = setup::change(self.kind, &model, &self.scheduling, &self.reporter);
                self.haste = setup::Haste::new(&model);
                Next::Order(Order::Reload { generation, model })
            }
            Err(error) => {
                let text = format!("{error}; keeping the running configuration");
                self.reporter.say(Level::Alert, text);
                self.send(&FromRole::Refused { generation });
                Next::Ignored
            }
        }
    }

    fn stop(&mut self) -> Next {
        if self.stopping {
            return Next::Ignored;
        }
        self.stopping = true;
        Next::Order(Order::Stop)
    }
}

impl AsFd for Context {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.gathered.as_fd()
    }
}

enum Next {
    Order(Order),
    Ignored,
    Nothing,
}

/// Runs a role to its end; the code is that of the process.
pub(crate) fn run(kind: Kind) -> u8 {
    let channel = match Channel::from_stdin() {
        Ok(channel) => channel,
        Err(error) => {
            // No channel to the supervisor, so this was not started by one.
            eprintln!("keepalived: the {} role cannot start: {error}", kind.word());
            return if error.is_scarcity() {
                exit::NOT_NOW
            } else {
                exit::FATAL
            };
        }
    };
    let context = match channel.try_clone().and_then(|channel| start(kind, channel)) {
        Ok(context) => context,
        Err(error) => {
            // Standard error may lead nowhere; the supervisor knows where the log is.
            let text = format!("the {} role cannot start: {error}", kind.word());
            say_last(&channel, Level::Error, &text);
            return if error.is_scarcity() {
                exit::NOT_NOW
            } else {
                exit::FATAL
            };
        }
    };
    drop(channel);
    let outbox = Rc::clone(&context.outbox);
    let reporter = context.reporter();
    let code = match kind {
        Kind::Vrrp => vrrp::run(context),
        Kind::Bfd => bfd::run(context),
        Kind::Check => check::run(context),
        Kind::Manage => manage::run(context),
    };
    let mut outbox = outbox.borrow_mut();
    if let Err(error) = outbox.send(&FromRole::Finished, None) {
        reporter.error(error);
    }
    outbox.flush_at_end(LAST_WORDS);
    code
}

fn start(kind: Kind, channel: Channel) -> Result<Context, SysError> {
    // Started by descriptor, the process is called after its number; the configuration may name it otherwise later.
    process::set_name(setup::PROCESS_NAME)?;
    let ours = [
        Signal::Term,
        Signal::Int,
        Signal::Hup,
        Signal::Usr1,
        Signal::Usr2,
        Signal::RtMinPlus2,
        Signal::RtMaxMinus1,
        Signal::RtMax,
    ];
    let signals = Signals::block(&ours)?;
    signal::restore(&ours)?;
    signal::ignore(&[Signal::Pipe])?;
    let mut buffer = vec![0; MAX_MESSAGE];
    let (briefing, lock) = first_message(&channel, &mut buffer)?;
    process::end_with_parent(Pid(briefing.supervisor))?;
    let last_words = channel.try_clone()?;
    bug::end_with(move |panic| say_bug(&last_words, panic));
    let compiler = Compiler::new(kind)?;
    let gathered = linux::ipc::Gathered::new(&[channel.as_fd(), signals.as_fd(), compiler.as_fd()])?;
    let outbox = Rc::new(RefCell::new(Outbox::new(channel)));
    let reporter = Reporter::remote(&outbox, briefing.options.detail);
    let confined = confinement::enter(kind, &briefing, &reporter);
    // The supervisor has compiled the same bytes and has logged what there is to say about them.
    let Compiled { mut model, .. } = compile(&briefing.bundle);
    compiler::keep_needed(kind, &mut model);
    let scheduling = setup::apply(kind, &model, &briefing.options, &reporter);
    let haste = setup::Haste::new(&model);
    Ok(Context {
        model,
        generation: briefing.generation,
        options: briefing.options,
        first: briefing.first,
        leftovers: vrrp::left::read(briefing.leftovers.iter().map(String::as_str)),
        services: briefing
            .services
            .iter()
            .filter_map(|line| check::left::read(line))
            .collect(),
        outbox,
        reporter,
        signals,
        compiler,
        gathered,
        buffer,
        kind,
        scheduling,
        haste,
        stopping: false,
        _confined: confined,
        lock,
    })
}

/// The last line of a role that has a bug: the supervisor logs it and starts the role again.
fn say_bug(channel: &Channel, what: impl fmt::Display) {
    say_last(channel, Level::Alert, &format!("internal error: {what}"));
}

/// A line without the outbox: before there is one, or when it may be in any state.
fn say_last(channel: &Channel, level: Level, text: &str) {
    let message = FromRole::Log {
        lines: vec![Line::new(level, text)],
        dropped: 0,
    };
    // If it cannot be sent there is no other way to say it.
    let _ = ipc::encode(&message).and_then(|bytes| channel.send(&bytes, &[]));
}

fn first_message(channel: &Channel, buffer: &mut [u8]) -> Result<(Briefing, Option<OwnedFd>), SysError> {
    let refuse = |text: &str| {
        let source = io::Error::new(io::ErrorKind::InvalidData, text);
        SysError::new("read the first message of the supervisor", "", source)
    };
    linux::ipc::wait(&[channel.as_fd()], Some(FIRST_MESSAGE))?;
    let Received::Message {
        length,
        mut descriptors,
    } = channel.receive(buffer)?
    else {
        return Err(refuse("there is none"));
    };
    let message: ToRole = ipc::decode(buffer.get(..length).unwrap_or_default())?;
    if message != ToRole::Start {
        return Err(refuse("it is another one"));
    }
    let lock = (descriptors.len() > 1).then(|| descriptors.pop()).flatten();
    Ok((ipc::unseal(&first_sealed(descriptors)?)?, lock))
}

fn first_sealed(descriptors: Vec<OwnedFd>) -> Result<Sealed, SysError> {
    let fd = descriptors.into_iter().next();
    Sealed::from_fd(fd.ok_or_else(Channel::no_descriptor)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_said_on_one_line() {
        let (near, far) = Channel::pair().unwrap();
        say_bug(&near, "panicked at x.rs:1:\nindex out of bounds");
        let mut buffer = [0; 256];
        let Received::Message { length, .. } = far.receive(&mut buffer).unwrap() else {
            panic!("nothing was said")
        };
        let FromRole::Log { lines, .. } = ipc::decode(&buffer[..length]).unwrap() else {
            panic!("no line was said")
        };
        assert_eq!(lines[0].text, "internal error: panicked at x.rs:1: index out of bounds");
        assert_eq!(lines[0].level, Level::Alert);
    }
}
