//! The bfd role: joins the pure sessions to the kernel and to the roles that track them.
//!
//! One thread, one loop, like the vrrp role's; nothing in it waits. Which sessions are up is decided in the `bfd` crate;
//! what follows from it, in the roles at the other end of the links.
//!
//! Within a turn packets come before timers: silence that is only our own (the process was stopped, or the machine was
//! busy) must not take a session down whose packets lie in the socket.

mod links;
mod report;
mod sockets;

use super::{Context, Order};
use crate::exit;
use crate::ipc::FromRole;
use crate::log::Reporter;
use ::bfd::action::Action;
use ::bfd::engine::Engine;
use ::bfd::input::Input;
use base::Instant;
use links::Links;
use linux::process::Pid;
use linux::reactor::{Interest, Reactor, Ready, Token};
use linux::{SysError, Turn};
use sockets::Sockets;
use std::os::fd::AsFd;

const CONTROL: Token = Token(0);
/// Turns in a row in which packets that still lie in a socket hold up the timers. They are some thousand packets, more than
/// the kernel keeps of a time in which this process did not run, and take a few milliseconds: a flood delays our packets by
/// no more than that.
const TURNS_BEHIND: u32 = 32;
/// Sockets have this token and the following.
const FIRST_SOCKET: usize = 16;

/// Runs until the supervisor says stop; gives the exit code.
pub(crate) fn run(context: Context) -> u8 {
    let reporter = context.reporter();
    match Role::open(context).and_then(Role::run) {
        Ok(()) => exit::OK,
        Err(error) => {
            // Never a code for which the supervisor ends the daemon: without this role the virtual routers go on, with
            // what they knew of the sessions. It is started again.
            reporter.error(&error);
            exit::INTERNAL
        }
    }
}

struct Role {
    context: Context,
    reporter: Reporter,
    reactor: Reactor,
    engine: Engine,
    sockets: Sockets,
    links: Links,
    /// What the engine wants and has not got yet.
    actions: Vec<Action>,
    next_beat: Option<Instant>,
    /// Turns in a row that did not empty the sockets.
    behind: u32,
    stopping: bool,
}

impl Role {
    fn open(mut context: Context) -> Result<Role, SysError> {
        let reporter = context.reporter();
        let reactor = Reactor::new()?;
        reactor.register(context.as_fd(), CONTROL, Interest::Readable)?;
        let now = reactor.now();
        let seed = linux::machine::entropy()?;
        let mut engine = Engine::new(seed);
        let mut actions = Vec::new();
        let model = std::mem::take(&mut context.model.bfd);
        engine.reconfigure(now, model, &mut actions);
        let next_beat = context.options.beat_every.map(|_| now);
        let mut role = Role {
            context,
            reporter,
            reactor,
            engine,
            sockets: Sockets::new(FIRST_SOCKET, seed),
            links: Links::default(),
            actions,
            next_beat,
            behind: 0,
            stopping: false,
        };
        role.reconcile_sockets(now);
        let generation = role.context.generation;
        role.context.send(&FromRole::Ready { generation });
        Ok(role)
    }

    fn run(mut self) -> Result<(), SysError> {
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            self.carry_out();
            self.links.flush(self.reactor.now(), &self.reporter);
            if self.stopping && self.actions.is_empty() {
                return Ok(());
            }
            self.context.flush();
            let until = self.wake_at();
            self.reactor.wait(until, &mut ready)?;
            let now = self.reactor.now();
            let mut more = false;
            for event in &ready {
                more |= self.serve(now, event.token) == Turn::More;
            }
            self.behind = if more { self.behind.wrapping_add(1) } else { 0 };
            if self.behind.is_multiple_of(TURNS_BEHIND) {
                self.engine.handle(now, Input::DeadlineReached, &mut self.actions);
            }
            if self.sockets.retry_at().is_some_and(|at| at <= now) {
                self.reconcile_sockets(now);
            }
            self.beat(now);
        }
    }

    /// When something has to be done even if nothing happens.
    fn wake_at(&self) -> Option<Instant> {
        if !self.actions.is_empty() {
            return Some(Instant::ZERO);
        }
        let engine = self.engine.deadline().map(|deadline| deadline.at);
        [engine, self.sockets.retry_at(), self.links.retry_at(), self.next_beat]
            .into_iter()
            .flatten()
            .min()
    }

    fn serve(&mut self, now: Instant, token: Token) -> Turn {
        if token == CONTROL {
            self.obey(now);
            return Turn::Drained;
        }
        let (engine, actions) = (&mut self.engine, &mut self.actions);
        let take = |input: Input<'_>| engine.handle(now, input, actions);
        let turn = self.sockets.read(token, take, &self.reporter);
        if turn == Turn::More {
            self.reactor.again(token);
        }
        turn
    }

    /// Does what the engine wants, once through, in its order.
    fn carry_out(&mut self) {
        let now = self.reactor.now();
        for action in std::mem::take(&mut self.actions) {
            match action {
                Action::Send { session, bytes } => {
                    if let Some(input) = self.sockets.send(&session, &bytes) {
                        self.engine.handle(now, input, &mut self.actions);
                    }
                }
                Action::Report {
                    session,
                    verdict,
                    audience,
                } => self.links.news(&session, verdict, audience),
                Action::Tell(event) => self.reporter.say(report::level(event.level), event),
                Action::SocketsChanged => self.reconcile_sockets(now),
            }
        }
    }

    fn reconcile_sockets(&mut self, now: Instant) {
        let (wanted, listeners) = (self.engine.sockets(), self.engine.listeners());
        let changed = self
            .sockets
            .reconcile(now, &wanted, &listeners, &mut self.reactor, &self.reporter);
        for input in changed {
            self.engine.handle(now, input, &mut self.actions);
        }
    }

    /// Carries out what the supervisor wants.
    fn obey(&mut self, now: Instant) {
        while let Some(order) = self.context.receive() {
            match order {
                Order::Reload { generation, model } => {
                    self.reporter.info("Reloading");
                    self.engine.reconfigure(now, model.bfd, &mut self.actions);
                    self.context.send(&FromRole::Reloaded { generation });
                }
                Order::Link { with, channel } => {
                    self.links.replace(with, channel);
                    self.engine.report_all(&mut self.actions);
                }
                Order::Dump(kind) => {
                    if kind.is_asked_by_signal() {
                        let line = format!("Printing BFD data for process({}) on signal", Pid::own());
                        self.reporter.info(line);
                    }
                    let text = report::dump(now, &self.engine);
                    self.context.answer_dump(kind, &text);
                }
                Order::ClearStats => self.engine.clear_counters(),
                // Scripts are tracked by virtual routers, or run for checks.
                Order::ScriptResult { .. }
                | Order::ScriptRan { .. }
                | Order::ScriptGone { .. }
                | Order::InstanceState { .. } => {}
                // It reports nothing.
                Order::Report | Order::Asked { .. } | Order::ReportOf { .. } | Order::Happened(_) | Order::Set(_) => {}
                Order::Stop => {
                    self.stopping = true;
                    self.engine.handle(now, Input::Shutdown, &mut self.actions);
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
}
