//! The check role: joins the pure director to the kernel's table, to probes, and to those who are told.
//!
//! One thread; probes run side by side in it (tokio), each for itself. Which server is asked when, and what follows, is
//! decided in `director`; how a probe is carried out, in `prober`; what the kernel's table becomes, in [`kernel`].

mod asking;
mod convert;
pub(crate) mod files;
pub(crate) mod kernel;
pub(crate) mod left;
mod marks;
mod news;
mod report;
mod sync;
pub(crate) mod tell;

use super::sessions::Sessions;
use super::wait::{self, Watched};
use super::{Context, Order};
use crate::configuration::Model;
use crate::exit;
use crate::ipc::FromRole;
use crate::log::{Level, Reporter};
pub(crate) use asking::troubles;
use asking::{Asking, Told};
use base::Instant;
use conf::model::Servers;
use director::{Action, Config, Engine, Input, Server};
use files::Files;
use kernel::Kernel;
use linux::process::{self, Pid};
use linux::{SysError, Turn};
use lvs::table::Services;
use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// Answers taken in one turn. More wait for the next: the table is brought up to date in between.
const ANSWERS_PER_TURN: usize = 1_000;
/// Threads that look for patterns in pages which are made to be hard. More of such pages wait.
const SEARCHERS: usize = 2;
/// Services of marks in one message to the supervisor: it has room for 64 KiB, and a line has less than 300 bytes.
const MARKS_AT_ONCE: usize = 200;
/// The longest the loop sleeps. A report of the kernel that got lost is found after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Runs until the supervisor says stop; gives the exit code.
pub(crate) fn run(context: Context) -> u8 {
    process::one_heap();
    let reporter = context.reporter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(SEARCHERS)
        .build_local(tokio::runtime::LocalOptions::default());
    let runtime = runtime.map_err(|error| SysError::new("start", "the loop of checks", error));
    let ended = runtime.and_then(|runtime| {
        runtime.block_on(async {
            // A task among tasks: what wakes the outermost one wakes the kernel's queue too, with a system call.
            let role = tokio::task::spawn_local(async { Role::open(context)?.run().await });
            role.await
                .unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()))
        })
    });
    match ended {
        Ok(true) => exit::OK,
        // The supervisor keeps the record of it for the next run.
        Ok(false) => exit::INTERNAL,
        Err(error) => {
            // Never a code for which the supervisor ends the daemon: the virtual routers go on. It is started again.
            reporter.error(&error);
            exit::INTERNAL
        }
    }
}

struct Role {
    context: Context,
    reporter: Reporter,
    control: Watched,
    engine: Engine,
    /// Commands and names for those who are told.
    servers: Servers,
    supplementary_groups: bool,
    kernel: Kernel,
    asking: Asking,
    answers: tokio::sync::mpsc::UnboundedReceiver<Told>,
    files: Files,
    addresses: Option<news::Addresses>,
    sessions: Sessions,
    session_source: Option<Watched>,
    actions: Vec<Action>,
    /// Services of marks, as they were told to the supervisor.
    marked: Vec<String>,
    next_beat: Option<Instant>,
    stopping: bool,
}

impl Role {
    fn open(mut context: Context) -> Result<Role, SysError> {
        let reporter = context.reporter();
        let control = Watched::new(&context)?;
        let now = process::monotonic();
        let mut model = std::mem::take(&mut context.model);
        if let Err(error) = process::raise_descriptor_limit() {
            reporter.error(error);
        }
        let (asking, answers) = Asking::new(&Servers::default(), &reporter);
        let mut role = Role {
            control,
            engine: Engine::new(seed()?),
            servers: Servers::default(),
            supplementary_groups: false,
            kernel: Kernel::new(now, reporter.clone(), context.first),
            asking,
            answers,
            files: Files::open()?,
            addresses: None,
            sessions: Sessions::patient(),
            session_source: None,
            actions: Vec::new(),
            marked: Vec::new(),
            next_beat: context.options.beat_every.map(|_| now),
            stopping: false,
            reporter,
            context,
        };
        role.adopt(&mut model);
        role.configure(now, model);
        let left = std::mem::take(&mut role.context.services);
        role.kernel.take_over(left);
        let generation = role.context.generation;
        role.kernel.owe(generation);
        role.context.send(&FromRole::Ready { generation });
        Ok(role)
    }

    /// An earlier process of this role has died. The servers it took for down are not put back before they have answered.
    fn adopt(&mut self, model: &mut Model) {
        if self.context.first {
            return;
        }
        let mut scratch = Engine::new(0);
        scratch.reconfigure(Instant::ZERO, config(&model.servers), &mut Vec::new());
        let services = scratch.table().pools.into_keys().collect();
        let found = self.kernel.find(&model.servers.settings, &services);
        for (key, at) in scratch.not_at_work(&found) {
            let Some(server) = model.servers.services.get_mut(&key) else {
                continue;
            };
            for check in Arc::make_mut(server).checks.get_mut(&at).into_iter().flatten() {
                if let check::Check::Probe(probe) = check {
                    probe.alpha = true;
                }
            }
        }
    }

    /// Runs another configuration.
    fn configure(&mut self, now: Instant, model: Model) {
        // What happened before is told by the commands it had.
        for action in std::mem::take(&mut self.actions) {
            self.carry_out_with(action, None);
        }
        let config = config(&model.servers);
        self.supplementary_groups = model.global.supplementary_groups;
        // Files first: a server that a file says is down is never set up.
        let values = self.files.follow(now, &config, &model.tracking.files, &self.reporter);
        for (name, value) in &values {
            let input = Input::FileValue { name, value: *value };
            self.engine.handle(now, input, &mut self.actions);
        }
        let settings = Arc::new(config.settings.clone());
        self.asking
            .configure(&model.servers, self.supplementary_groups, &self.reporter);
        // What is removed is told by the commands it had.
        let old = std::mem::replace(&mut self.servers, model.servers);
        let mut actions = Vec::new();
        self.engine.reconfigure(now, config, &mut actions);
        for action in actions {
            self.carry_out_with(action, Some(&old));
        }
        self.context.discard(Discarded {
            _servers: old,
            _heap: Trimmed,
        });
        self.kernel
            .configure(now, settings, self.servers.netlink_command_buffer);
        self.tell_marks();
        let daemon = self.servers.settings.sync_daemon.as_ref();
        let instance = daemon.and_then(|daemon| daemon.instance.as_deref());
        let vrid = instance.and_then(|name| {
            let mut instances = model.vrrp.instances.iter();
            instances.find_map(|(other, config)| (other.as_str() == name).then_some(config.vrid.0.get()))
        });
        self.kernel.sync.configure(daemon, vrid);
        self.watch_addresses(now);
    }

    /// Tells which marks groups have, for the record of what may be left in the kernel.
    fn tell_marks(&mut self) {
        let place = self.servers.settings.namespace.as_ref();
        let services = self.engine.marks().into_iter().flat_map(|(_, marks)| marks);
        let services = services.flat_map(|(group, _, mark)| Services::marked(group, mark).all);
        let lines: Vec<String> = services
            .map(|service| left::line(&left::What::Service(service), place))
            .collect();
        if lines == self.marked {
            return;
        }
        if lines.is_empty() {
            let (lines, more) = (Vec::new(), false);
            self.context.send(&FromRole::ServicesMarked { lines, more });
        }
        for (number, lines) in lines.chunks(MARKS_AT_ONCE).enumerate() {
            let (lines, more) = (lines.to_vec(), number > 0);
            self.context.send(&FromRole::ServicesMarked { lines, more });
        }
        self.marked = lines;
    }

    /// Runs to the end; false if something of ours may be left in the kernel.
    async fn run(mut self) -> Result<bool, SysError> {
        loop {
            self.asking.turn();
            self.settle(process::monotonic());
            if self.asking.has_answers() {
                let now = process::monotonic();
                self.take_answers(now);
                self.settle(now);
            }
            if self.stopping {
                let all = self.kernel.withdraw(self.context.options.keep_services);
                self.context.flush();
                return Ok(all);
            }
            let now = process::monotonic();
            let until = self.wake_at(now);
            self.wait(until.since(now)).await;
            let now = process::monotonic();
            self.obey(now);
            self.take_answers(now);
            self.hear_of_sessions(now);
            self.hear_of_files(now);
            self.hear_of_addresses(now);
            if self.engine.deadline().is_some_and(|at| at <= now) {
                self.engine.handle(now, Input::DeadlineReached, &mut self.actions);
            }
            self.beat(now);
        }
    }

    /// Waits for anything to happen, or for so long.
    async fn wait(&mut self, at_most: Duration) {
        let addresses = self.addresses.as_ref().map(news::Addresses::watched);
        let told = tokio::select! {
            biased;
            () = self.control.readable() => None,
            told = self.answers.recv() => told,
            () = wait::readable(self.session_source.as_ref()) => None,
            () = self.files.watched().readable() => None,
            () = wait::readable(addresses) => None,
            () = tokio::time::sleep(at_most) => None,
        };
        if let Some(told) = told {
            self.take_answer(process::monotonic(), told);
        }
    }

    fn wake_at(&self, now: Instant) -> Instant {
        if !self.actions.is_empty() || self.asking.has_answers() {
            return now;
        }
        let due = [self.engine.deadline(), Some(self.kernel.deadline()), self.next_beat];
        let first = due.into_iter().flatten().min();
        first.unwrap_or(Instant::FAR_FUTURE).min(now.after(LONGEST_SLEEP))
    }

    /// Does what the director wants, and brings the kernel's table up to date.
    fn settle(&mut self, now: Instant) {
        self.kernel.open_if_due(now);
        // Marks before the services that wait for them.
        self.kernel.follow_marks(&self.engine);
        if let Some((scope, part)) = self.engine.take_part() {
            self.kernel.follow(now, scope, part);
        }
        // A server that has died gets no more connections; then that is told.
        let mut actions = VecDeque::from(std::mem::take(&mut self.actions));
        while let Some(action) = actions.pop_front() {
            self.carry_out_with(action, None);
            let last = self.asking.last_answer();
            if last.is_some_and(|(ticket, answer)| self.engine.is_news(ticket, answer)) {
                break;
            }
        }
        // They come before whatever follows from the answer.
        self.actions = actions.into();
        if !self.stopping {
            self.kernel.on_time(now);
        }
        if let Some(generation) = self.kernel.settled() {
            self.context.send(&FromRole::ServicesSettled { generation });
        }
        let wishes: Vec<FromRole> = self.kernel.wishes().chain(self.asking.wishes()).collect();
        for message in wishes {
            self.context.send(&message);
        }
        self.context.flush();
    }

    fn carry_out_with(&mut self, action: Action, old: Option<&Servers>) {
        match action {
            Action::Ask { ticket, probe, stage } => self.asking.ask(ticket, probe, stage),
            Action::Forget(ticket) => self.asking.forget(ticket),
            Action::Log(director::Level::Info, text) => self.reporter.info(text),
            Action::Log(director::Level::Warning, text) => self.reporter.say(Level::Warning, text),
            Action::Tell(notice) => {
                if let Some(notice) = self.notice(&notice, old) {
                    self.context.send(&FromRole::ServerChanged(Box::new(notice)));
                }
            }
        }
    }

    fn take_answers(&mut self, now: Instant) {
        while let Some(told) = self.asking.next_answer() {
            self.take_answer(now, told);
        }
        for _ in 0..ANSWERS_PER_TURN {
            match self.answers.try_recv() {
                Ok(told) => self.take_answer(now, told),
                // The other end is ours: it is never closed.
                Err(_) => return,
            }
        }
    }

    fn take_answer(&mut self, now: Instant, told: Told) {
        self.asking.done(told.ticket);
        let input = Input::Answered {
            ticket: told.ticket,
            answer: told.answer,
            reason: &told.reason,
            weight: told.weight,
        };
        self.engine.handle(now, input, &mut self.actions);
    }

    /// Carries out what the supervisor wants.
    fn obey(&mut self, now: Instant) {
        while let Some(order) = self.context.receive() {
            match order {
                Order::Reload { generation, model } => {
                    self.reporter.info("Reloading");
                    self.configure(now, *model);
                    self.kernel.owe(generation);
                    self.context.send(&FromRole::Reloaded { generation });
                }
                Order::Link { channel, .. } => self.listen_to_sessions(now, channel),
                Order::Dump(kind) => {
                    if kind.is_asked_by_signal() {
                        let line = format!("Printing checker data for process({}) on signal", Pid::own());
                        self.reporter.info(line);
                    }
                    let mut text = self.engine.dump(now);
                    text.push_str(&self.kernel.dump());
                    self.context.answer_dump(kind, &text);
                }
                Order::ScriptRan { ticket, outcome } => {
                    if ticket == kernel::LOADING {
                        self.kernel.loaded(now, &outcome);
                    } else if let Some(told) = self.asking.ran(ticket, &outcome) {
                        self.take_answer(now, told);
                    }
                }
                Order::ScriptGone { ticket } => self.asking.gone(ticket),
                Order::InstanceState { master } => self.kernel.sync.instance(master),
                Order::Report => {
                    let status = self.report(now);
                    self.context.answer_report(&status);
                }
                Order::Set(wish) => self.set(now, &wish),
                Order::ScriptResult { .. }
                | Order::ClearStats
                | Order::Asked { .. }
                | Order::ReportOf { .. }
                | Order::Happened(_) => {}
                Order::Stop => {
                    self.stopping = true;
                    if !self.context.options.keep_services {
                        self.engine.stop(&mut self.actions);
                    }
                }
            }
        }
    }

    fn beat(&mut self, now: Instant) {
        let (Some(every), Some(due)) = (self.context.options.beat_every, self.next_beat) else {
            return;
        };
        if due <= now {
            self.context.send(&FromRole::Beat);
            self.next_beat = Some(now.after(every));
        }
    }

    fn hear_of_files(&mut self, now: Instant) {
        let values = self.files.changes(now, &self.reporter);
        for (name, value) in &values {
            let input = Input::FileValue { name, value: *value };
            self.engine.handle(now, input, &mut self.actions);
        }
    }
}

/// A configuration that is run no more. Fields are dropped in their order: when it is gone its memory goes back to the kernel,
/// so that a process that has read many configurations is as large as one that has read one.
struct Discarded {
    _servers: Servers,
    _heap: Trimmed,
}

struct Trimmed;

impl Drop for Trimmed {
    fn drop(&mut self) {
        process::trim_heap();
    }
}

/// What the director runs, from what is configured.
fn config(servers: &Servers) -> Config {
    let of = |server: &conf::model::VirtualServer| Server {
        service: Arc::new(server.service.clone()),
        checks: server
            .checks
            .iter()
            .map(|(at, checks)| (*at, checks.to_vec()))
            .collect(),
    };
    let all: BTreeMap<_, _> = servers
        .services
        .iter()
        .map(|(key, server)| (key.clone(), of(server)))
        .collect();
    Config {
        settings: servers.settings.clone(),
        groups: servers.groups.clone(),
        servers: all,
    }
}

/// Chance for the spread of first checks.
fn seed() -> Result<u64, SysError> {
    let mut seed = [0; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut seed))
        .map_err(|error| SysError::new("read", "/dev/urandom", error))?;
    Ok(u64::from_ne_bytes(seed))
}

impl Watched {
    /// Whether everything was read, so that only news makes it readable again.
    fn drained(turn: &Result<Turn, SysError>) -> bool {
        matches!(turn, Ok(Turn::Drained))
    }
}
