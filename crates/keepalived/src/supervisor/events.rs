//! What signals, messages of roles, deaths and times mean for the supervisor.

use super::child::{Running, State};
use super::scripts::queue::Subject;
use super::scripts::tell::Change;
use super::{Phase, Supervisor};
use crate::configuration::process_settings;
use crate::exit;
use crate::ipc::{self, DumpKind, FromRole};
use crate::log::{Level, Line};
use crate::role::Kind;
use crate::sdnotify;
use base::Instant;
use linux::SysError;
use linux::ipc::Received;
use linux::process::{self, Ended, Pid};
use linux::signal::{self, Signal};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Messages read from one role before signals get a turn: a role that talks without end delays them by a few
/// milliseconds.
const MESSAGES_PER_TURN: usize = 64;

/// Messages read from a role that is dead. More do not fit into the kernel's buffer.
const LAST_MESSAGES: usize = 10_000;

impl Supervisor {
    /// Reads what roles say, each up to a limit.
    pub(super) fn read_roles(&mut self) {
        for kind in Kind::ALL {
            for _ in 0..MESSAGES_PER_TURN {
                if !self.read_role(kind) {
                    break;
                }
            }
        }
    }

    /// Reads one message of a role; false if there is none.
    fn read_role(&mut self, kind: Kind) -> bool {
        let buffer = &mut self.buffer;
        let Some(running) = self
            .children
            .iter_mut()
            .find(|child| child.kind == kind)
            .and_then(|child| child.running_mut())
        else {
            return false;
        };
        if running.closed {
            return false;
        }
        let pid = running.pid;
        let received = running.channel.receive(buffer).and_then(|received| {
            Ok(match received {
                Received::Message { length, descriptors } => Some((
                    ipc::decode::<FromRole>(buffer.get(..length).unwrap_or_default())?,
                    descriptors,
                )),
                Received::Nothing => None,
                Received::Closed => {
                    // A process that cannot be talked to is of no use any more, if it is not ending anyway.
                    running.closed = true;
                    process::terminate(pid)?;
                    None
                }
            })
        });
        match received {
            Ok(Some((message, descriptors))) => {
                self.on_message(kind, pid, message, descriptors);
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.reporter
                    .error(format_args!("{} process({pid}): {error}", kind.title()));
                // The message is gone; the next one may be good.
                true
            }
        }
    }

    /// A role that cannot take a configuration over goes on, and so does everybody else.
    fn on_message(&mut self, kind: Kind, pid: Pid, message: FromRole, descriptors: Vec<OwnedFd>) {
        let now = process::monotonic();
        let mut generation = None;
        match message {
            FromRole::Log { lines, dropped } => self.write_lines(kind, pid, &lines, dropped),
            FromRole::StateChanged {
                instance,
                state,
                priority,
                cause,
            } => self.on_state(instance, state, priority, cause),
            FromRole::GroupChanged { group, state, cause } => self.on_group(group, state, cause),
            FromRole::PriorityChanged {
                instance,
                state,
                priority,
            } => self.tell_priority(instance, &state, priority),
            FromRole::LowerPrioritySeen { instance, priority } => self.tell_lower_priority(instance, priority),
            FromRole::DumpText(dump) => self.write_dump(kind, dump, descriptors),
            FromRole::RunScript {
                ticket,
                script,
                timeout,
            } => self.run_asked(now, (kind, ticket), &script, timeout),
            FromRole::ServerChanged(notice) => self.tell_server(kind, *notice),
            FromRole::ServicesMarked { lines, more } => self.on_marks(lines, more),
            FromRole::ServicesSettled { generation } => self.on_services_settled(generation),
            FromRole::Managing(managing) => self.on_managing(kind, managing, descriptors),
            FromRole::NotJoined { with: _ } => self.join_later(kind),
            FromRole::Beat | FromRole::Finished => {}
            FromRole::Ready { generation: named }
            | FromRole::Reloaded { generation: named }
            | FromRole::Refused { generation: named } => {
                generation = Some(named);
            }
        }
        self.is_alive(kind, now, generation);
        if generation.is_some() {
            self.settle();
        }
    }

    /// The loop of a role turns, with this configuration if it has said one.
    fn is_alive(&mut self, kind: Kind, now: Instant, generation: Option<u64>) {
        if let Some(running) = self
            .children
            .iter_mut()
            .find(|child| child.kind == kind)
            .and_then(|child| child.running_mut())
        {
            running.alive = now;
            running.generation = generation.or(running.generation);
        }
    }

    fn on_state(&mut self, instance: String, state: String, priority: u8, cause: String) {
        self.instances.insert(instance.clone(), (state.clone(), priority));
        self.tell_sync_direction(Some(&instance));
        self.tell_manage_of_instance(&instance, &state);
        self.tell_change(Change {
            subject: Subject::Instance(instance),
            state,
            priority,
            cause,
        });
    }

    fn on_group(&mut self, group: String, state: String, cause: String) {
        self.tell_manage_of_group(&group, &state);
        self.tell_change(Change {
            subject: Subject::Group(group),
            state,
            priority: 0,
            cause,
        });
    }

    fn write_lines(&mut self, kind: Kind, pid: Pid, lines: &[Line], dropped: u64) {
        let mut writer = self.writer.borrow_mut();
        if dropped > 0 {
            let note = Line::new(Level::Warning, &format!("{dropped} log messages were lost"));
            writer.write(Some(kind), pid, &[note]);
        }
        writer.write(Some(kind), pid, lines);
    }

    /// Notices that every role runs the present configuration.
    pub(super) fn settle(&mut self) {
        let current = self.generation;
        let runs = |running: &Running| running.stopping.is_some() || running.generation == Some(current);
        let needed = self.children.iter().filter(|child| child.kind.is_essential());
        if !needed.filter_map(|child| child.running()).all(runs) {
            return;
        }
        // Without the bfd role the virtual routers run with what they know; systemd must not end them for it.
        let waiting = self
            .children
            .iter()
            .filter(|child| child.kind != Kind::Bfd && child.kind.is_essential())
            .any(|child| matches!(child.state, State::Waiting { .. }));
        if self.preparing {
            return;
        }
        let done = match self.phase {
            Phase::Starting if !waiting => "Startup complete",
            Phase::Reloading { .. } => "Reload complete",
            Phase::Starting | Phase::Running | Phase::Stopping => return,
        };
        if matches!(self.phase, Phase::Reloading { .. }) {
            self.remove_reload_file();
            self.write_states_after_reload();
            self.save_after_reload();
        } else {
            self.save_configuration();
        }
        self.phase = Phase::Running;
        self.reporter.info(done);
        self.appointment_follows();
        self.tell_systemd(sdnotify::State::Ready);
        if !waiting {
            self.holdings_settled();
        }
        if self.reload_again {
            self.reload_again = false;
            self.reload();
        }
    }

    /// Reads signals until none is left.
    pub(super) fn read_signals(&mut self) {
        loop {
            match self.signals.next() {
                Ok(Some(signal)) => self.on_signal(signal),
                Ok(None) => return,
                Err(error) => return self.reporter.error(error),
            }
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        if matches!(self.phase, Phase::Stopping) && signal != Signal::Chld {
            return;
        }
        match signal {
            Signal::Term | Signal::Int => self.begin_stop(exit::OK),
            Signal::Hup => self.request_reload(),
            Signal::Usr1 => {
                self.reporter.info(format_args!(
                    "Printing parent data for process({}) on signal",
                    Pid::own()
                ));
                self.dump_own();
                self.start_waiting(Instant::FAR_FUTURE);
                self.ask_for_dump(DumpKind::Data);
            }
            Signal::Usr2 => self.ask_for_dump(DumpKind::Stats),
            Signal::RtMinPlus2 => self.ask_for_dump(DumpKind::Json),
            Signal::RtMaxMinus1 => {
                self.ask_for_dump(DumpKind::Stats);
                self.clear_stats();
            }
            Signal::Chld => self.reap(),
            Signal::Pipe | Signal::RtMax => {}
        }
    }

    fn reap(&mut self) {
        loop {
            match process::reap() {
                Ok(Some((pid, ended))) => self.on_death(pid, ended),
                Ok(None) => return,
                Err(error) => return self.reporter.error(error),
            }
        }
    }

    fn on_death(&mut self, pid: Pid, ended: Ended) {
        if self.on_script_death(process::monotonic(), pid, ended) {
            return;
        }
        let dead = self
            .children
            .iter()
            .find(|child| child.running().is_some_and(|running| running.pid == pid));
        // Somebody's orphan, which came to us because we are the reaper.
        let Some(kind) = dead.map(|child| child.kind) else {
            return;
        };
        // Its last words are still in the channel.
        for _ in 0..LAST_MESSAGES {
            if !self.read_role(kind) {
                break;
            }
        }
        let now = process::monotonic();
        let ending = matches!(self.phase, Phase::Stopping);
        let Some(child) = self.children.iter_mut().find(|child| child.kind == kind) else {
            return;
        };
        let State::Running(running) = std::mem::replace(&mut child.state, State::Idle) else {
            return;
        };
        if kind == Kind::Vrrp {
            self.holdings.ended(ended == Ended::Exited(exit::OK));
        }
        if kind == Kind::Check {
            let as_told = ending || running.stopping.is_some();
            let withdrew = as_told && ended == Ended::Exited(exit::OK) && !self.options.keep_ipvs;
            self.services.ended(withdrew);
        }
        if ending || running.stopping.is_some() {
            if let Ended::Killed(number) = ended {
                self.reporter.say(Level::Alert, reason_killed(pid, number, false));
            }
            return self.ended_as_told(kind, ending);
        }
        let pause = child.backoff.after_death(running.since, now);
        if let Some(code) = self.judge(kind, pid, ended) {
            return self.begin_stop(code);
        }
        let text = format!("{} child process({pid}) died: Respawning", kind.title());
        self.reporter.say(Level::Alert, text);
        if pause.is_zero() {
            return self.start_role(kind);
        }
        self.postpone(kind, pause, now);
    }

    /// Says how a role died; the exit code if the daemon has to end for it.
    fn judge(&self, kind: Kind, pid: Pid, ended: Ended) -> Option<u8> {
        let limited = process_settings(&self.model, kind).scheduling.realtime_limit.is_some();
        match ended {
            Ended::Exited(code) if exit::is_permanent(code) && kind.is_essential() => {
                let word = match code {
                    exit::CONFIG => "CONFIG",
                    exit::PERMISSION => "NO PERMISSION",
                    _ => "FATAL",
                };
                let text = format!("pid {pid} exited with permanent error {word}. Terminating");
                self.reporter.say(Level::Alert, text);
                self.tell_systemd(sdnotify::State::Failed(code));
                return Some(code);
            }
            Ended::Exited(exit::OK) => {}
            Ended::Exited(code) => {
                let text = format!("pid {pid} exited with status {code}");
                self.reporter.say(Level::Alert, text);
            }
            Ended::Killed(number) => self.reporter.say(Level::Alert, reason_killed(pid, number, limited)),
        }
        if !self.options.no_respawn || !kind.is_essential() {
            return None;
        }
        let text = format!("{} child process({pid}) died: Exiting", kind.title());
        self.reporter.say(Level::Alert, text);
        Some(exit::OK)
    }

    /// Starts a role later.
    fn postpone(&mut self, kind: Kind, pause: Duration, now: Instant) {
        let (title, seconds) = (kind.title(), pause.as_secs());
        let text = format!("Restart of {title} process delayed {seconds} seconds to limit respawn rate");
        self.reporter.info(text);
        let index = self.child_index(kind);
        if let Some(child) = self.children.get_mut(index) {
            let until = now.after(pause);
            child.state = State::Waiting { until };
        }
        // Nobody is left to wait for; a new configuration may be the cure.
        self.settle();
        if self.phase == Phase::Starting && std::mem::take(&mut self.reload_again) {
            self.reload();
        }
    }

    /// A role that was told to end has ended.
    fn ended_as_told(&mut self, kind: Kind, ending: bool) {
        let index = self.child_index(kind);
        let forgotten = self.children.get_mut(index).map_or(Ok(()), |child| child.forget());
        self.report(forgotten);
        if ending {
            return;
        }
        if self.wants(kind) {
            // A later configuration has something to do for it again.
            return self.start_role(kind);
        }
        if kind == Kind::Vrrp {
            self.forget_holdings();
        }
        if kind == Kind::Check {
            self.forget_services();
        }
        self.settle();
    }

    /// Sees to everything that is due.
    pub(super) fn on_time(&mut self, now: Instant) {
        self.kill_late(now);
        self.scripts_on_time(now);
        match self.phase {
            Phase::Stopping => return,
            Phase::Reloading { since } if now >= since.after(super::reload::LIMIT) => self.give_up_reload(),
            Phase::Reloading { .. } | Phase::Starting | Phase::Running => {}
        }
        self.start_waiting(now);
        self.join_again(now);
        self.keep_appointment();
        self.feed_watchdog(now);
    }

    /// Starts roles whose pause is over at `now`.
    pub(super) fn start_waiting(&mut self, now: Instant) {
        for kind in Kind::ALL {
            let due = |state: &State| matches!(state, State::Waiting { until } if *until <= now);
            if self
                .children
                .iter()
                .any(|child| child.kind == kind && due(&child.state))
            {
                self.start_role(kind);
            }
        }
    }

    fn feed_watchdog(&mut self, now: Instant) {
        let (Some(limit), Some(next)) = (self.notifier.watchdog(), self.next_watchdog) else {
            return;
        };
        if now < next {
            return;
        }
        self.next_watchdog = Some(now.after(limit / 2));
        // Who was frozen itself cannot tell that the roles were silent: what they said waits to be read.
        let frozen = now.since(next) > limit / 8;
        // A role that hangs is replaced: the others, and whoever watches the daemon, need not suffer for it.
        for child in &mut self.children {
            let title = child.kind.title();
            let Some(running) = child.running_mut() else { continue };
            if frozen {
                running.alive = now;
            }
            if now.since(running.alive) <= limit / 2 {
                continue;
            }
            self.reporter.say(
                Level::Alert,
                format_args!("The {title} process does not report its loop: killing it"),
            );
            if let Err(error) = process::kill_now(running.pid) {
                self.reporter.error(error);
                return;
            }
        }
        self.tell_systemd(sdnotify::State::Alive);
    }

    pub(super) fn tell_systemd(&self, state: sdnotify::State) {
        if let Err(error) = self.notifier.tell(state) {
            self.reporter.error(SysError::new("tell systemd", "", error));
        }
    }
}

fn reason_killed(pid: Pid, number: i32, realtime: bool) -> String {
    let hint = if number == 9 && realtime {
        " - has rlimit_rttime been exceeded?"
    } else {
        ""
    };
    format!(
        "pid {pid} exited due to signal {number} ({}){hint}",
        signal::describe(number)
    )
}
