//! The supervisor: owns signals, the configuration, pid files, the log, and the roles' lives.
//!
//! It decides when roles start, get a new configuration, are started again and end. What a role does is not known
//! here. It waits in one place ([`Supervisor::turn`]); nothing in it sleeps, and no role can stop it by being slow.

pub(crate) mod appointment;
mod beginnings;
mod check;
mod child;
mod dump;
mod events;
mod holdings;
mod join;
mod manage;
mod orphan;
mod paths;
mod record;
mod reload;
mod restart;
mod saved;
mod scripts;
mod services;
mod startup;
mod stop;

use crate::cli::Options;
use crate::configuration::{Bundle, Model, Settings, Source, snmp};
use crate::ipc::{self, Briefing};
use crate::log::writer::Writer;
use crate::log::{Level, Reporter};
use crate::role::Kind;
use crate::sdnotify::Notifier;
use crate::{exit, version};
use base::Instant;
use child::{Child, Claim, State};
use linux::SysError;
use linux::lock::LockedFile;
use linux::process::{self, Executable};
use linux::signal::Signals;
use paths::PidPaths;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// The daemon while it runs.
struct Supervisor {
    options: Options,
    argv0: OsString,
    source: Source,
    temporary: PathBuf,
    paths: PidPaths,
    writer: Rc<RefCell<Writer>>,
    reporter: Reporter,
    executable: Executable,
    signals: Signals,
    notifier: Notifier,
    pid_file: LockedFile,
    /// What is to be undone at the end.
    surroundings: startup::Surroundings,
    children: Vec<Child>,
    bundle: Bundle,
    model: Model,
    settings: Settings,
    /// Counts configurations; the first is 1.
    generation: u64,
    /// Roles that do not hear each other yet.
    unjoined: join::Unjoined,
    /// What the vrrp role may have put into the kernel.
    holdings: holdings::Holdings,
    /// Virtual services that may be in the kernel.
    services: services::Services,
    /// What instances said of themselves, for the dump of the supervisor.
    instances: BTreeMap<String, (String, u8)>,
    /// Scripts that run.
    runner: scripts::Runner,
    /// Notification scripts that wait.
    queues: scripts::queue::Queues,
    /// FIFOs in use.
    fifos: scripts::fifo::Fifos,
    /// Mail that waits.
    mails: scripts::mail::Mails,
    /// The state of each subject that everybody was told of last.
    told: BTreeMap<scripts::queue::Subject, String>,
    /// What is to be told of subjects that the last reload removed.
    removed: BTreeMap<scripts::queue::Subject, conf::model::Notify>,
    /// Counts notifications, for scripts that want to know their order.
    changes: u64,
    /// How far the end has come, once no role is left.
    ending: stop::Ending,
    /// The file that says that a configuration is being read.
    reload_file: Option<PathBuf>,
    /// Tracked files that were given a first number.
    beginnings: beginnings::Beginnings,
    /// A reload at a time that somebody wrote down.
    appointment: appointment::Appointment,
    /// The startup script runs; no role is started before its end.
    preparing: bool,
    /// When track scripts run.
    tracks: scripts::track::Schedule,
    phase: Phase,
    /// A reload was asked for in the middle of another.
    reload_again: bool,
    next_watchdog: Option<Instant>,
    exit_code: u8,
    buffer: Vec<u8>,
}

/// What the daemon as a whole is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not every role has said that it runs yet.
    Starting,
    /// All is well.
    Running,
    /// Roles are working on a new configuration since then.
    Reloading { since: Instant },
    /// Roles are withdrawing.
    Stopping,
}

/// Runs the daemon, or checks its configuration, to the end; the code is that of the process.
pub(crate) fn run(options: Options, argv0: OsString) -> u8 {
    // Without a console the log is elsewhere, and the person who typed this is here.
    if options.test.is_some() || !(options.log_console && options.foreground) {
        for warning in &options.warnings {
            // The log says them as well; a standard error that nobody reads is no reason not to run.
            let _ = writeln!(io::stderr(), "{warning}");
        }
    }
    let source = match startup::source(&options) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("{error}");
            return exit::FATAL;
        }
    };
    if let Some(target) = &options.test {
        return check::run(&source, target.as_deref(), options.namespace.as_deref(), options.format);
    }
    let (writer, reporter) = startup::logging(&options);
    startup::greet(&options, &reporter);
    let mut surroundings = startup::Surroundings::default();
    let begun = startup::begin(options, argv0, source, writer, reporter.clone(), &mut surroundings);
    let code = match begun {
        Ok(mut supervisor) => {
            supervisor.begin();
            supervisor.run()
        }
        Err(startup::Ending::Launched(code)) => return code,
        Err(startup::Ending::Quiet(code)) => {
            surroundings.restore(&reporter);
            return code;
        }
        Err(startup::Ending::Code(code)) => {
            surroundings.restore(&reporter);
            code
        }
    };
    reporter.info(format_args!("Stopped {}", version::title()));
    code
}

impl Supervisor {
    fn run(&mut self) -> u8 {
        loop {
            if matches!(self.phase, Phase::Stopping) {
                self.stop_manage();
            }
            if matches!(self.phase, Phase::Stopping)
                && self.children.iter().all(|c| c.running().is_none())
                && self.end_scripts(process::monotonic())
            {
                self.clean_up();
                return self.exit_code;
            }
            if let Err(error) = self.turn() {
                // Only the wait itself can fail here, and it would fail again.
                self.reporter.error(error);
                self.begin_stop(exit::FATAL);
                self.children.iter_mut().for_each(Child::abandon);
            }
        }
    }

    /// Waits for something to happen and sees to all of it.
    fn turn(&mut self) -> Result<(), SysError> {
        let now = process::monotonic();
        let timeout = self.next_deadline().map(|at| at.since(now));
        let descriptors: Vec<BorrowedFd<'_>> = std::iter::once(self.signals.as_fd())
            .chain(self.children.iter().filter_map(Child::channel).map(AsFd::as_fd))
            .chain(self.appointment.fd())
            .collect();
        linux::ipc::wait(&descriptors, timeout)?;
        // Messages before signals: the last words of a role come before the news of its death.
        self.read_roles();
        self.read_signals();
        let heard = self.hear_of_appointment();
        self.report(heard);
        self.on_time(process::monotonic());
        Ok(())
    }

    /// When something is due even if nothing happens.
    fn next_deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Starting | Phase::Running | Phase::Stopping => None,
            Phase::Reloading { since } => Some(since.after(reload::LIMIT)),
        };
        let waiting = self.children.iter().filter_map(|child| match child.state {
            State::Waiting { until } => Some(until),
            State::Running(ref running) => running.stopping,
            State::Idle => None,
        });
        waiting
            .chain(phase)
            .chain(self.next_watchdog)
            .chain(self.unjoined.at)
            .chain(self.next_script())
            .chain(self.ending.deadline())
            .chain(self.appointment_deadline())
            .min()
    }

    /// Opens FIFOs and runs the startup script; the roles follow it.
    fn begin(&mut self) {
        let now = process::monotonic();
        self.fifos_follow(now);
        let global = &self.model.global;
        let Some(command) = global.startup_script.clone() else {
            return self.start_roles();
        };
        let name = String::from_utf8_lossy(command.arguments.first().map_or(&b""[..], Vec::as_slice)).into_owned();
        self.reporter.info(format_args!("Running startup script {name}"));
        let (script, limit) = (
            scripts::script(&command, global.supplementary_groups),
            global.startup_timeout,
        );
        self.preparing = true;
        self.run_script(now, scripts::Purpose::Startup, &script, Some(limit));
    }

    /// The startup script has ended, well or not.
    fn after_startup_script(&mut self) {
        self.preparing = false;
        if self.phase == Phase::Stopping {
            return;
        }
        self.start_roles();
        if std::mem::take(&mut self.reload_again) {
            self.request_reload();
        }
    }

    /// Starts every role that has something to do.
    fn start_roles(&mut self) {
        self.begin_track_files();
        // What an earlier run left is taken out of the kernel even if the configuration has nothing of the kind any more.
        let cleans = |kind| match kind {
            Kind::Check => self.services.has_leftovers() && !self.options.no_check,
            Kind::Vrrp => self.holdings.has_leftovers() && !self.options.no_vrrp,
            Kind::Bfd | Kind::Manage => false,
        };
        let wanted: Vec<Kind> = Kind::ALL
            .into_iter()
            .filter(|kind| self.wants(*kind) || cleans(*kind))
            .collect();
        if !Kind::ALL
            .into_iter()
            .any(|kind| kind.is_essential() && self.wants(kind))
        {
            self.reporter
                .say(Level::Warning, "Warning - keepalived has no configuration to run");
        }
        for kind in wanted {
            self.start_role(kind);
        }
        self.settle();
    }

    fn has_blocks(&self, kind: Kind) -> bool {
        match kind {
            Kind::Check => self.model.has_checkers && !self.options.no_check,
            Kind::Vrrp => self.model.has_vrrp && !self.options.no_vrrp,
            Kind::Bfd => self.model.has_bfd && !self.options.no_bfd,
            // Who is on D-Bus is the vrrp process, in the original.
            Kind::Manage => self.snmp().is_wanted() || (self.model.global.dbus.enabled && self.wants(Kind::Vrrp)),
        }
    }

    /// What SNMP serves.
    fn snmp(&self) -> conf::model::Snmp {
        snmp(&self.model, self.options.snmp, self.options.snmp_socket.as_deref())
    }

    /// Whether a role is to run with the present configuration.
    fn wants(&self, kind: Kind) -> bool {
        match kind {
            Kind::Vrrp => self.has_blocks(kind) || (self.options.all && !self.options.no_vrrp),
            Kind::Bfd => self.has_blocks(kind) || (self.options.all && !self.options.no_bfd),
            Kind::Manage => self.has_blocks(kind),
            Kind::Check => {
                !self.options.no_check && (self.has_blocks(kind) || self.options.all || self.follows_an_instance())
            }
        }
    }

    /// Whether there is an IPVS sync daemon whose direction an instance decides: the check role runs it, also if there is
    /// no virtual server.
    fn follows_an_instance(&self) -> bool {
        let daemon = self.model.servers.settings.sync_daemon.as_ref();
        daemon.is_some_and(|daemon| daemon.instance.is_some()) && !self.options.no_vrrp
    }

    /// Tells the check role the state of the instance its sync daemon follows.
    fn tell_sync_direction(&self, changed: Option<&str>) {
        let daemon = self.model.servers.settings.sync_daemon.as_ref();
        let Some(instance) = daemon.and_then(|daemon| daemon.instance.as_deref()) else {
            return;
        };
        if changed.is_none_or(|changed| changed == instance)
            && let Some((state, _)) = self.instances.get(instance)
        {
            let master = state == "MASTER";
            self.tell_role(Kind::Check, &ipc::ToRole::InstanceState { master });
        }
    }

    /// Starts the process of a role; a failure counts as a death.
    fn start_role(&mut self, kind: Kind) {
        let now = process::monotonic();
        let index = self.child_index(kind);
        let first = self.children.get(index).is_some_and(|child| !child.was_started);
        let briefing = self.briefing(first);
        let Some(child) = self.children.get_mut(index) else {
            return;
        };
        let started = match child.claim() {
            Ok(Claim::Ours) => child
                .start(&self.executable, &self.argv0, &briefing, now)
                .map_err(|error| error.to_string()),
            Ok(Claim::Theirs) => Err(format!(
                "{} process is not started: its pid file {} is locked by another one",
                kind.title(),
                self.paths.role(kind).unwrap_or(Path::new("")).display()
            )),
            Err(error) => Err(error.to_string()),
        };
        match started {
            Ok(pid) => {
                self.scripts_for_new_role(now, kind);
                self.reporter
                    .info(format_args!("Starting {} child process, pid={pid}", kind.title()));
                self.join(kind);
                if kind == Kind::Check {
                    self.tell_sync_direction(None);
                }
            }
            Err(error) => {
                self.reporter.error(error);
                // A process that runs in spite of the error is left to run.
                if child.running().is_none() {
                    let pause = child.backoff.after_death(now, now).max(Duration::from_secs(1));
                    child.state = State::Waiting {
                        until: now.after(pause),
                    };
                }
            }
        }
    }

    /// The place of a role in the list, where it is put if it was not there.
    fn child_index(&mut self, kind: Kind) -> usize {
        if let Some(index) = self.children.iter().position(|child| child.kind == kind) {
            return index;
        }
        self.children.push(Child::new(kind, self.paths.role(kind)));
        self.children.len() - 1
    }

    fn briefing(&self, first: bool) -> Briefing {
        let options = &self.options;
        Briefing {
            supervisor: process::Pid::own().0,
            generation: self.generation,
            bundle: self.bundle.clone(),
            options: ipc::Options {
                detail: options.detail,
                keep_addresses: options.keep_vrrp,
                keep_services: options.keep_ipvs,
                release_vips: options.release_vips,
                address_monitoring: options.address_monitoring,
                core_files: options.core_files,
                snmp: options.snmp,
                snmp_socket: options.snmp_socket.clone(),
                place: [&self.settings.namespace, &self.settings.instance]
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect(),
                beat_every: self.notifier.watchdog().map(|limit| limit / 4),
            },
            leftovers: self.holdings.for_role(),
            services: self.services.for_role(),
            ipvs_elsewhere: self.settings.ipvs_namespace.is_some(),
            first,
        }
    }

    /// Logs an error, if there is one.
    fn report(&self, result: Result<(), SysError>) {
        if let Err(error) = result {
            self.reporter.error(error);
        }
    }
}
