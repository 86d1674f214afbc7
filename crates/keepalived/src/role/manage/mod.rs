//! The manage role: tells other programs of the daemon, by SNMP as a sub-agent of the master agent of the machine, and by D-Bus.
//!
//! It runs in normal scheduling and may die without consequence: nobody waits for it, and it holds nothing that others need.
//! What it knows is the configuration and what the other roles report when they are asked, at most once a second and only
//! while somebody reads. What is said to a master agent, and when, is decided in the `agentx` crate; which objects there are
//! is decided in [`mib`].

mod agent;
mod bus;
mod mib;
mod onbus;
mod traps;
mod wishes;

use super::wait::Watched;
use super::{Context, Kind, Order};
use crate::configuration::{Model, snmp};
use crate::exit;
use crate::ipc::{self, FromRole, Managing};
use crate::log::{Level, Reporter};
use crate::status::{CheckStatus, Happening, VrrpStatus};
use agent::{Agent, News};
use agentx::session::{Config, Event, MAX_NOTIFICATIONS, SNAPSHOT};
use agentx::{Action, Input, Oid, Session, Table};
use base::Instant;
use bus::{Bus, Said};
use conf::model::Snmp;
use linux::SysError;
use linux::memfd::Sealed;
use linux::process;
use mib::Known;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// The longest the loop sleeps.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Runs until the supervisor says stop; gives the exit code.
pub(crate) fn run(context: Context) -> u8 {
    let reporter = context.reporter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| SysError::new("start", "the loop of the manage role", error));
    match runtime.and_then(|runtime| runtime.block_on(async { Role::open(context)?.run().await })) {
        Ok(()) => exit::OK,
        Err(error) => {
            reporter.error(error);
            exit::INTERNAL
        }
    }
}

struct Role {
    context: Context,
    reporter: Reporter,
    control: Watched,
    model: Model,
    snmp: Snmp,
    session: Session,
    agent: Agent,
    actions: Vec<Action>,
    /// `None`: it is not wanted there.
    bus: Option<Bus>,
    /// The configuration has changed since the bus was told.
    bus_waits: bool,
    /// By a reload.
    reloaded: bool,
    vrrp: Option<VrrpStatus>,
    check: Option<CheckStatus>,
    /// Reports are wanted, and it is not known yet who was asked.
    asking: bool,
    /// Who was asked and has not reported.
    awaited: BTreeSet<Kind>,
    /// What managers are told of once the reports are there that it needs, or then.
    happened: VecDeque<Happening>,
    tell_until: Instant,
    next_beat: Option<Instant>,
    stopping: bool,
}

/// What ended a wait.
enum Woken {
    ByAgent(News),
    ByBus(Said),
    Otherwise,
}

impl Role {
    fn open(mut context: Context) -> Result<Role, SysError> {
        let reporter = context.reporter();
        let control = Watched::new(&context)?;
        let now = process::monotonic();
        let model = std::mem::take(&mut context.model);
        let snmp = snmp(&model, context.options.snmp, context.options.snmp_socket.as_deref());
        let mut role = Role {
            control,
            session: Session::new(Config::default(), Table::default()),
            agent: Agent::default(),
            actions: Vec::new(),
            bus: None,
            bus_waits: true,
            reloaded: false,
            vrrp: None,
            check: None,
            asking: false,
            awaited: BTreeSet::new(),
            happened: VecDeque::new(),
            tell_until: Instant::FAR_FUTURE,
            next_beat: context.options.beat_every.map(|_| now),
            stopping: false,
            model,
            snmp,
            reporter,
            context,
        };
        role.begin(now);
        let generation = role.context.generation;
        role.context.send(&FromRole::Ready { generation });
        Ok(role)
    }

    /// Begins a session for what is served now.
    fn begin(&mut self, now: Instant) {
        self.agent = match Agent::of(self.snmp.socket.as_deref()) {
            Ok(agent) => agent,
            Err(reason) => {
                self.reporter.error(reason);
                Agent::default()
            }
        };
        let config = Config {
            id: Oid::new(&mib::KEEPALIVED),
            description: "Keepalived".to_owned(),
            regions: mib::regions(&self.snmp),
        };
        self.session = Session::new(config, self.table());
        self.actions.clear();
        if self.snmp.is_wanted() && self.agent.has_place() {
            self.session.handle(now, Input::Start, &mut self.actions);
        }
    }

    async fn run(mut self) -> Result<(), SysError> {
        loop {
            let now = process::monotonic();
            self.carry_out(now);
            self.context.flush();
            if self.stopping {
                self.leave_bus().await;
                self.agent.finish();
                return Ok(());
            }
            if std::mem::take(&mut self.bus_waits) {
                self.follow_bus().await;
                self.context.flush();
            }
            let until = self.wake_at(now);
            let news = match self.wait(until.since(now)).await {
                Woken::ByBus(said) => {
                    self.hear_bus(said);
                    None
                }
                Woken::ByAgent(news) => Some(news),
                Woken::Otherwise => None,
            };
            let now = process::monotonic();
            self.obey(now);
            if let Some(news) = news {
                let input = match &news {
                    News::Connected => Input::Connected,
                    News::Lost => Input::Lost,
                    News::Bytes(bytes) => Input::Bytes(bytes),
                };
                self.session.handle(now, input, &mut self.actions);
            }
            self.session.handle(now, Input::DeadlineReached, &mut self.actions);
            if self.tell_until <= now {
                self.tell(now);
            }
            self.beat(now);
        }
    }

    /// Waits for anything to happen, or for so long.
    async fn wait(&mut self, at_most: Duration) -> Woken {
        let bus = async {
            match &mut self.bus {
                Some(bus) => bus.said().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.control.readable() => Woken::Otherwise,
            news = self.agent.news() => Woken::ByAgent(news),
            said = bus => Woken::ByBus(said),
            () = tokio::time::sleep(at_most) => Woken::Otherwise,
        }
    }

    fn wake_at(&self, now: Instant) -> Instant {
        if !self.actions.is_empty() {
            return now;
        }
        let due = [self.session.deadline(), self.next_beat, Some(self.tell_until)];
        let first = due.into_iter().flatten().min().unwrap_or(Instant::FAR_FUTURE);
        first.min(now.after(LONGEST_SLEEP))
    }

    /// Does what the session wants.
    fn carry_out(&mut self, now: Instant) {
        for action in std::mem::take(&mut self.actions) {
            match action {
                Action::Connect => self.agent.connect(),
                Action::Disconnect => self.agent.disconnect(),
                Action::Send(bytes) => {
                    if !self.agent.send(&bytes) {
                        self.session.handle(now, Input::Lost, &mut self.actions);
                    }
                }
                Action::Refresh => self.want_reports(),
                Action::Set(binds) => {
                    let known = self.known();
                    let wishes: Vec<_> = binds.iter().filter_map(|bind| wishes::of(&known, bind)).collect();
                    for wish in wishes {
                        self.context.send(&FromRole::Managing(Managing::Set(wish)));
                    }
                }
                Action::Say(event) => {
                    let level = match event {
                        Event::Opened | Event::Registered(_) => Level::Info,
                        Event::Closed(_) | Event::Refused(..) | Event::Dropped(_) => Level::Warning,
                    };
                    self.reporter.say(level, event);
                }
            }
        }
    }

    fn want_reports(&mut self) {
        if !self.asking {
            self.asking = true;
            self.context.send(&FromRole::Managing(Managing::WantReports));
        }
    }

    /// Carries out what the supervisor wants.
    fn obey(&mut self, now: Instant) {
        while let Some(order) = self.context.receive() {
            match order {
                Order::Reload { generation, model } => {
                    self.reload(now, *model);
                    (self.bus_waits, self.reloaded) = (true, true);
                    self.context.send(&FromRole::Reloaded { generation });
                }
                Order::Asked { roles } => {
                    self.asking = false;
                    if !roles.contains(&Kind::Vrrp) {
                        self.vrrp = None;
                    }
                    if !roles.contains(&Kind::Check) {
                        self.check = None;
                    }
                    self.awaited = roles.into_iter().collect();
                    self.settle(now);
                }
                Order::ReportOf { role, sealed } => {
                    self.take_report(role, &sealed);
                    self.awaited.remove(&role);
                    self.settle(now);
                }
                Order::Happened(happening) => self.hear(now, happening),
                Order::Dump(kind) => self.context.answer_dump(kind, &self.describe()),
                Order::Stop => {
                    self.tell(now);
                    self.session.handle(now, Input::Stop, &mut self.actions);
                    self.stopping = true;
                }
                Order::Report
                | Order::Set(_)
                | Order::ClearStats
                | Order::Link { .. }
                | Order::ScriptResult { .. }
                | Order::ScriptRan { .. }
                | Order::ScriptGone { .. }
                | Order::InstanceState { .. } => {}
            }
        }
    }

    fn reload(&mut self, now: Instant, model: Model) {
        let options = &self.context.options;
        let wanted = snmp(&model, options.snmp, options.snmp_socket.as_deref());
        let same = Snmp {
            traps: self.snmp.traps,
            ..wanted.clone()
        } == self.snmp;
        self.model = model;
        self.snmp = wanted;
        if !same {
            self.session.handle(now, Input::Stop, &mut self.actions);
            self.carry_out(now);
            self.agent.finish();
            self.begin(now);
        }
    }

    fn take_report(&mut self, role: Kind, sealed: &Sealed) {
        match role {
            Kind::Vrrp => match ipc::unseal(sealed) {
                Ok(status) => self.vrrp = Some(status),
                Err(error) => self.reporter.error(error),
            },
            Kind::Check => match ipc::unseal(sealed) {
                Ok(status) => self.check = Some(status),
                Err(error) => self.reporter.error(error),
            },
            // They are not asked.
            Kind::Bfd | Kind::Manage => {}
        }
    }

    /// Everybody who was asked has reported: answers come from that now.
    fn settle(&mut self, now: Instant) {
        if self.asking || !self.awaited.is_empty() {
            return;
        }
        self.tell(now);
        self.show_on_bus();
        let table = self.table();
        self.session.handle(now, Input::Snapshot(table), &mut self.actions);
    }

    fn table(&self) -> Table {
        mib::table(&self.known())
    }

    fn known(&self) -> Known<'_> {
        Known {
            model: &self.model,
            snmp: &self.snmp,
            vrrp: self.vrrp.as_ref(),
            check: self.check.as_ref(),
        }
    }

    /// Remembers what managers are to be told of. What belongs to it is asked for first.
    fn hear(&mut self, now: Instant, happening: Happening) {
        if let Happening::Instance { name, state } = &happening {
            self.note_state(name, *state);
        }
        if !self.snmp.traps {
            return;
        }
        // More than is kept further on.
        if self.happened.len() < MAX_NOTIFICATIONS {
            self.happened.push_back(happening);
        }
        if self.tell_until == Instant::FAR_FUTURE {
            self.tell_until = now.after(SNAPSHOT);
        }
        self.want_reports();
    }

    fn tell(&mut self, now: Instant) {
        self.tell_until = Instant::FAR_FUTURE;
        for happening in std::mem::take(&mut self.happened) {
            for (name, binds) in traps::of(&self.known(), &happening) {
                self.session.handle(now, Input::Notify(name, binds), &mut self.actions);
            }
        }
    }

    fn describe(&self) -> String {
        let state = if self.session.is_open() {
            "connected"
        } else {
            "not connected"
        };
        let objects = self.table().len();
        format!("------< SNMP >------\n   Master agent = {state}\n   Objects = {objects}\n")
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

#[cfg(test)]
mod tests;
