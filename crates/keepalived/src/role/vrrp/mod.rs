//! The vrrp role: joins the pure engine to the kernel.
//!
//! One thread, one loop. What wakes it is translated into inputs, what the engine answers is carried out by
//! [`effects`], and nothing in between waits: kernel requests are answered by later inputs, log lines and
//! notifications go to the supervisor, and work per turn is bounded. Who is master is decided in the `vrrp` crate
//! and is not known here.
//!
//! Within a turn packets come before timers. A master-down timer that expired while an advert was waiting in the
//! socket (the process was stopped, or the machine was busy) must not make a second master.

mod buffers;
mod changes;
mod dump;
mod effects;
mod facts;
mod filter;
pub(crate) mod left;
mod linkbeat;
mod links;
mod managed;
mod notices;
mod paths;
mod reload;
mod report;
mod rules;
mod scripts;
mod snapshot;
mod sockets;
pub(crate) mod tracked;
mod translate;

use super::sessions::Sessions;
use super::{Context, Order};
use crate::exit;
use crate::ipc::FromRole;
use crate::log::{Level, Reporter};
use ::vrrp::action::Action;
use ::vrrp::config::{AddressKey, VirtualAddress};
use ::vrrp::engine::{Engine, leftovers};
use ::vrrp::input::Input;
use base::{IfName, Instant};
use effects::Effects;
use facts::Watcher;
use linkbeat::Beats;
use links::Links;
use linux::SysError;
use linux::interface::Promotion;
use linux::netlink::routing::{RoutingChange, RoutingEar};
use linux::nft::NftEar;
use linux::process::Pid;
use linux::reactor::{Interest, Reactor, Ready, Token};
use sockets::Sockets;
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Duration;
use tracked::Finder;

const CONTROL: Token = Token(0);
const MIRROR: Token = Token(1);
const CHANGES: Token = Token(2);
const ROUTING: Token = Token(3);
/// News of BFD sessions.
const SESSIONS: Token = Token(4);
/// Suspensions shorter than this are nobody's gap: the shortest wait for a master is three times as long.
const LEAST_SLEEP: Duration = Duration::from_millis(10);
/// Pause before the mirror is read again after an error.
const MIRROR_RETRY: Duration = Duration::from_millis(100);
/// Sockets have this token and the following.
const FIRST_SOCKET: usize = 16;

/// Runs until the supervisor says stop; gives the exit code.
pub(crate) fn run(context: Context) -> u8 {
    let (reporter, first) = (context.reporter(), context.first);
    let role = match Role::open(context) {
        Ok(role) => role,
        Err(error) => {
            reporter.error(&error);
            return exit::of_failed_start(&error, first);
        }
    };
    match role.run() {
        Ok(()) => exit::OK,
        Err(error) => {
            // Not the code of a failed start: the supervisor starts the role again.
            reporter.error(&error);
            exit::INTERNAL
        }
    }
}

/// Says what is taken away at the start.
fn tell_leftovers(leftovers: &[AddressKey], reporter: &Reporter) {
    if !leftovers.is_empty() {
        let list: Vec<String> = leftovers.iter().map(ToString::to_string).collect();
        let list = list.join(", ");
        reporter.info(format_args!("Removing addresses of an earlier run: {list}"));
    }
}

/// The static addresses of a model.
fn statics(model: &::vrrp::config::Model) -> BTreeSet<AddressKey> {
    model.statics.addresses.iter().map(VirtualAddress::key).collect()
}

struct Role {
    context: Context,
    reporter: Reporter,
    reactor: Reactor,
    watcher: Watcher,
    ear: RoutingEar,
    /// Kept empty; its memory is used again and again.
    heard: Vec<RoutingChange>,
    sockets: Sockets,
    effects: Effects,
    engine: Engine,
    /// What it runs: the configuration, and what managers have set since.
    running: ::vrrp::config::Model,
    started: Instant,
    promotion: Promotion,
    sessions: Sessions,
    /// What the engine wants and has not got yet.
    actions: Vec<Action>,
    /// What is done after the adverts of a turn; kept empty, its memory is used again and again.
    behind: Vec<Action>,
    next_beat: Option<Instant>,
    /// How long the machine had been suspended when we last looked.
    suspended: Duration,
    /// The kernel could not be asked about links and addresses: asked again then.
    look_again_at: Option<Instant>,
    finder: Finder,
    beats: Beats,
    known: dump::Known,
    /// `None`: there are no rules yet.
    rules: Option<NftEar>,
    /// Nobody reports what happens to them.
    deaf_to_rules: bool,
    links: Links,
    /// A configuration that waits for its interfaces.
    change: Option<reload::Change>,
    early: reload::Early,
    stopping: bool,
}

impl Role {
    fn open(mut context: Context) -> Result<Role, SysError> {
        let reporter = context.reporter();
        let reactor = Reactor::new()?;
        // Before anything looks at interfaces: these are among them.
        let mut links = Links::of(context.lock_name());
        links.remove_leftovers(&context.model.vrrp, &reporter);
        links.make_all(reactor.now(), &context.model.vrrp, &reporter);
        let mut watcher = Watcher::open()?;
        watcher.set_statics(statics(&context.model.vrrp));
        let ear = RoutingEar::open()?;
        let mut effects = Effects::open()?;
        reactor.register(context.as_fd(), CONTROL, Interest::Readable)?;
        reactor.register(watcher.as_fd(), MIRROR, Interest::Readable)?;
        reactor.register(effects.as_fd(), CHANGES, Interest::Readable)?;
        reactor.register(ear.as_fd(), ROUTING, Interest::Readable)?;

        let now = reactor.now();
        // Nobody advertises what is here already: an earlier run left it.
        let left = std::mem::take(&mut context.leftovers);
        let leftovers = leftovers(&context.model.vrrp, watcher.observed(&left.addresses));
        tell_leftovers(&leftovers, &reporter);
        effects.clean_filter(&context.model.vrrp.settings.filter, &left.tables, &reporter);
        // The seed only spreads load; the time of the start is as good as any.
        let mut engine = Engine::new(now.as_micros(), now, linux::reactor::boot_age());
        let mut actions = Vec::new();
        let since_1970 = reactor.wall_clock();
        engine.handle(now, Input::WallClock { since_1970 }, &mut actions);
        watcher.introduce(|input| engine.handle(now, input, &mut actions));
        engine.start(now, leftovers, &mut actions);
        let model = std::mem::take(&mut context.model.vrrp);
        let (tracked, tracking) = (model.clone(), std::mem::take(&mut context.model.tracking));
        engine.start_routing(now, &model, (left.routes, left.rules), &mut actions);
        engine.reconfigure(now, model, &mut actions);
        let next_beat = context.options.beat_every.map(|_| now);
        let mut role = Role {
            context,
            reporter,
            reactor,
            watcher,
            ear,
            heard: Vec::new(),
            promotion: Promotion::default(),
            sockets: Sockets::new(FIRST_SOCKET),
            effects,
            engine,
            running: tracked.clone(),
            started: now,
            sessions: Sessions::default(),
            actions,
            behind: Vec::new(),
            next_beat,
            suspended: linux::reactor::suspended(),
            look_again_at: None,
            finder: Finder::open()?,
            beats: Beats::open()?,
            known: dump::Known::default(),
            rules: None,
            deaf_to_rules: false,
            links,
            change: None,
            early: reload::Early::new(),
            stopping: false,
        };
        role.register_files()?;
        role.track(now, &tracked, &tracking);
        role.context.model.tracking = tracking;
        role.remember_own();
        role.tell_tracked(now);
        role.count_all(now);
        role.reconcile_sockets(now);
        role.sockets.forbidden().map_or(Ok(()), Err)?;
        let generation = role.context.generation;
        role.context.send(&FromRole::Ready { generation });
        Ok(role)
    }

    fn run(mut self) -> Result<(), SysError> {
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            self.carry_out();
            if self.stopping && self.actions.is_empty() && self.engine.is_finished() && self.effects.is_answered() {
                if !self.context.options.keep_addresses {
                    self.links.remove_all(&self.reporter);
                }
                self.context.flush();
                return Ok(());
            }
            if self.may_remove_links() {
                self.links.remove_leaving(&self.reporter);
            }
            self.context.flush();
            let until = self.wake_at();
            self.reactor.wait(until, &mut ready)?;
            let now = self.reactor.now();
            self.notice_sleep(now);
            if let Some(until) = until.filter(|at| *at > Instant::ZERO) {
                self.context.late(now.since(until));
            }
            let since_1970 = self.reactor.wall_clock();
            self.engine
                .handle(now, Input::WallClock { since_1970 }, &mut self.actions);
            for event in &ready {
                self.serve(now, event.token);
            }
            self.engine.handle(now, Input::DeadlineReached, &mut self.actions);
            if self.sockets.retry_at().is_some_and(|at| at <= now) {
                self.reconcile_sockets(now);
            }
            if self.look_again_at.take_if(|at| *at <= now).is_some() {
                self.look(now);
            }
            if self.links.retry_at().is_some_and(|at| at <= now) {
                self.links.look_through();
            }
            self.go_on_changing(now);
            self.find_on_time(now);
            self.beat(now);
        }
    }

    /// When something has to be done even if nothing happens.
    fn wake_at(&self) -> Option<Instant> {
        let works = self.links.has_work() || self.may_remove_links() || self.finder.is_counting();
        if works || !self.actions.is_empty() {
            return Some(Instant::ZERO);
        }
        let engine = self.engine.deadline().map(|deadline| deadline.at);
        [
            engine,
            self.sockets.retry_at(),
            self.effects.retry_at(),
            self.next_beat,
            self.look_again_at,
            self.links.retry_at(),
            self.finder.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether nothing is left on virtual interfaces that nobody wants any more.
    fn may_remove_links(&self) -> bool {
        self.links.has_leaving() && self.actions.is_empty() && self.effects.is_answered()
    }

    fn serve(&mut self, now: Instant, token: Token) {
        match token {
            CONTROL => self.obey(now),
            MIRROR => self.look(now),
            tracked::FILES => self.hear_of_files(now),
            tracked::PROCESSES => self.hear_of_processes(now),
            linkbeat::BEATS => self.hear_of_beats(now),
            rules::RULES => self.hear_of_rules(now),
            CHANGES => self.complete(now),
            ROUTING => self.listen(now),
            SESSIONS => self.hear_of_sessions(now),
            socket => {
                let (engine, actions) = (&mut self.engine, &mut self.actions);
                let take = |arrived, input: Input<'_>| engine.handle(arrived, input, actions);
                if self.sockets.read(socket, take, &self.reporter) == linux::Turn::More {
                    self.reactor.again(socket);
                }
            }
        }
    }

    /// Reads what the kernel says of links and addresses.
    fn look(&mut self, now: Instant) {
        let monitor = self.context.options.address_monitoring.then_some(&self.reporter);
        let (engine, actions) = (&mut self.engine, &mut self.actions);
        let take = |input: Input<'_>| engine.handle(now, input, actions);
        match self.watcher.read(take, monitor) {
            Ok(linux::Turn::Drained) => {}
            Ok(linux::Turn::More) => self.reactor.again(MIRROR),
            Err(error) => {
                // Not at once: an error that stays must not keep the loop busy.
                self.reporter.error(error);
                self.look_again_at = Some(now.after(MIRROR_RETRY));
            }
        }
        let watcher = &self.watcher;
        let exists = |name: &IfName| watcher.index_of(*name).is_some();
        let waits = self.links.retry_at().is_some() || self.links.has_work() || self.stopping;
        if !waits && self.links.miss(exists, |name| watcher.link_locals(*name)) {
            self.links.look_through();
        }
    }

    /// Reads what the kernel says of routes and rules.
    fn listen(&mut self, now: Instant) {
        match self.ear.read(&mut self.heard) {
            Ok(linux::Turn::Drained) => {}
            Ok(linux::Turn::More) => self.reactor.again(ROUTING),
            Err(error) => self.reporter.error(error),
        }
        // A route goes with the address that is its source or the way to its gateway, which the mirror was told before: the
        // address must be put back first.
        self.look(now);
        for change in self.heard.drain(..) {
            if let Some(input) = self.effects.changes.told(&change) {
                self.engine.handle(now, input, &mut self.actions);
            }
        }
    }

    /// Collects what became of changes to addresses, routes and rules.
    fn complete(&mut self, now: Instant) {
        match self.effects.changes.complete() {
            Ok(false) => {}
            Ok(true) => {
                // Answers were lost: the mirror knows what the kernel did, once it has read on.
                self.look(now);
                self.effects.changes.settle_unknown(&self.watcher);
            }
            Err(error) => self.reporter.error(error),
        }
        self.listen_to_rules();
        // The rules first: addresses may wait for them.
        for (batch, refused) in self.effects.take_filtered() {
            let input = Input::FilterChanged { batch, refused };
            self.engine.handle(now, input, &mut self.actions);
        }
        for finished in self.effects.changes.take_finished() {
            self.engine.handle(now, finished.input(), &mut self.actions);
        }
    }

    /// Does what the engine wants, once through: what that leads to waits for the next turn, so that timers and
    /// packets are never behind a long chain of kernel work.
    fn carry_out(&mut self) {
        if self.actions.is_empty() && self.effects.is_idle() {
            return;
        }
        let now = self.reactor.now();
        self.send_adverts(now);
        let mut sockets_changed = false;
        let mut behind = std::mem::take(&mut self.behind);
        for action in behind.drain(..) {
            sockets_changed |= self.carry_out_one(now, action);
        }
        self.behind = behind;
        self.effects.change_filter(now, &self.reporter);
        self.effects.changes.submit(&self.reporter);
        self.effects.send_announcements(now, &self.reporter);
        if sockets_changed {
            self.reconcile_sockets(now);
        }
        self.complete(now);
    }

    /// Sends the adverts the engine wants and sets everything else it wants aside.
    fn send_adverts(&mut self, now: Instant) {
        // Adverts leave before anything else is even looked at: peers count the microseconds.
        for action in self.actions.drain(..) {
            match action {
                Action::SendAdvert(advert) => self.effects.queue_advert(advert),
                Action::ChangeAddresses { .. }
                | Action::ChangeRoutes { .. }
                | Action::ChangeRules { .. }
                | Action::PromoteSecondaries { .. }
                | Action::ChangeFilter { .. }
                | Action::Announce(_)
                | Action::Notify { .. }
                | Action::NotifyGroup { .. }
                | Action::NotifyPriority { .. }
                | Action::LowerPrioritySeen { .. }
                | Action::Tell(_)
                | Action::SocketsChanged => self.behind.push(action),
            }
        }
        for (instance, errno) in self.effects.send_adverts(now, &self.reporter) {
            let input = Input::SendFailed { instance, errno };
            self.engine.handle(now, input, &mut self.actions);
        }
    }

    /// Does one thing behind the adverts; true if it is about sockets, which are looked at when all is done.
    fn carry_out_one(&mut self, now: Instant, action: Action) -> bool {
        match action {
            // They are gone.
            Action::SendAdvert(_) => {}
            Action::ChangeAddresses { batch, steps } => {
                self.effects.queue_addresses(batch, &steps, &self.watcher);
            }
            Action::ChangeRoutes { batch, steps } => {
                self.effects.changes.queue_routes(batch, &steps, &self.watcher);
            }
            Action::ChangeRules { batch, steps } => self.effects.changes.queue_rules(batch, &steps),
            Action::PromoteSecondaries { interface, on } => {
                // After what was asked before: an address is never taken away under another setting.
                self.effects.change_filter(now, &self.reporter);
                self.effects.changes.submit(&self.reporter);
                if let Err(error) = self.promotion.set(interface, on) {
                    self.reporter.error(error);
                }
            }
            Action::ChangeFilter { batch, settings, steps } => self.effects.queue_filter(batch, settings, steps),
            Action::Announce(announcement) => {
                if self.reporter.keeps(Level::Detail) {
                    let place = self.watcher.name_of(announcement.interface);
                    let text = report::announcement(&announcement, place.as_ref());
                    self.reporter.say(Level::Detail, text);
                }
                self.effects.queue_announcement(announcement);
            }
            Action::Notify {
                instance,
                state,
                priority,
                cause,
            } => self.context.send(&notices::state(&instance, state, priority, &cause)),
            Action::NotifyGroup { group, state, cause } => {
                self.context.send(&notices::group(&group, state, cause.as_ref()));
            }
            Action::NotifyPriority {
                instance,
                state,
                priority,
            } => self.context.send(&notices::priority(&instance, state, priority)),
            Action::LowerPrioritySeen { instance, priority } => {
                self.context.send(&notices::lower_priority(&instance, priority));
            }
            Action::Tell(event) => self.reporter.say(report::level(event.level), event),
            Action::SocketsChanged => return true,
        }
        false
    }

    fn reconcile_sockets(&mut self, now: Instant) {
        let wanted = self.engine.sockets();
        self.effects.prepare(now, wanted.keys(), &self.reporter);
        let results = self.sockets.reconcile(now, &wanted, &mut self.reactor, &self.reporter);
        for (socket, result) in results {
            let input = match result {
                Ok(()) => Input::SocketOpened { socket },
                Err(errno) => Input::SocketFailed { socket, errno },
            };
            self.engine.handle(now, input, &mut self.actions);
        }
    }

    /// Carries out what the supervisor wants.
    fn obey(&mut self, now: Instant) {
        while let Some(order) = self.context.receive() {
            match order {
                Order::Reload { generation, model } => self.begin_change(now, generation, model),
                Order::Dump(kind) => {
                    if kind.is_asked_by_signal() {
                        let title = dump::title(kind);
                        let line = format_args!("{title} for process({}) on signal", Pid::own());
                        self.context.reporter().info(line);
                    }
                    let wall = self.reactor.wall_clock();
                    let sessions = self.sessions.known();
                    let text = dump::dump(kind, &self.engine, &self.known, dump::Now { at: now, wall }, sessions);
                    self.context.answer_dump(kind, &text);
                }
                Order::ClearStats => self.engine.clear_counters(),
                Order::Report => {
                    let status = self.snapshot(now);
                    self.context.answer_report(&status);
                }
                // Only the bfd role tells this one anything.
                Order::Link { with: _, channel } => self.listen_to_sessions(now, channel),
                Order::ScriptResult { script, outcome } => self.script_ended(now, script, outcome),
                // This role asks for none.
                Order::ScriptRan { .. } | Order::ScriptGone { .. } | Order::InstanceState { .. } => {}
                Order::Set(wish) => self.set(now, &wish),
                // These are for the manage role.
                Order::Asked { .. } | Order::ReportOf { .. } | Order::Happened(_) => {}
                Order::Stop => {
                    self.stopping = true;
                    self.change = None;
                    self.links.stop();
                    let keep_addresses = self.context.options.keep_addresses;
                    self.engine
                        .handle(now, Input::Shutdown { keep_addresses }, &mut self.actions);
                }
            }
        }
    }

    /// Tells the engine of time that our clock does not show, before it hears of anything else.
    fn notice_sleep(&mut self, now: Instant) {
        let suspended = linux::reactor::suspended();
        let span = suspended.saturating_sub(self.suspended);
        if span >= LEAST_SLEEP {
            self.suspended = suspended;
            self.engine.handle(now, Input::Slept { span }, &mut self.actions);
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
