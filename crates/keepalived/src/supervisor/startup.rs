//! From the command line to a supervisor that can start its roles (`spec/cli-and-runtime.md` 3.1).

use super::child::{self, Child};
use super::holdings::Holdings;
use super::paths::{self, PidPaths};
use super::record::Record;
use super::services::Services;
use super::{Phase, Supervisor};
use crate::bug;
use crate::cli::Options;
use crate::configuration::{self, Bundle, Compiled, Model, Settings, Source};
use crate::log::writer::{Destinations, Writer};
use crate::log::{Level, Line, Reporter, Sink};
use crate::role::setup::PROCESS_NAME;
use crate::role::{Kind, confinement};
use crate::sdnotify::Notifier;
use crate::{exit, version};
use linux::SysError;
use linux::ipc::MAX_MESSAGE;
use linux::lock::{LockedFile, Locking};
use linux::process::{self, Daemonised, Executable, Launcher};
use linux::signal::{self, Signal, Signals};
use linux::{namespace, process_files};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The mask for new files if nobody says another one: private.
const DEFAULT_UMASK: u32 = 0o177;
/// The facility `daemon`.
const FACILITY_DAEMON: u8 = 3;
/// Signals that must not end a daemon that is not ready for them.
const EARLY: [Signal; 5] = [
    Signal::Hup,
    Signal::Usr1,
    Signal::Usr2,
    Signal::RtMinPlus2,
    Signal::RtMaxMinus1,
];
/// Where the kernel keeps the pattern of core files.
const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Why there is no supervisor.
#[derive(Debug)]
pub(super) enum Ending {
    /// The daemon went into the background and this is the process that was started: it touches nothing more.
    Launched(u8),
    /// A daemon runs already, and that is said.
    Quiet(u8),
    /// It cannot or need not run; the exit code.
    Code(u8),
}

/// What was changed around the daemon and is undone at the end.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    core_pattern: Option<String>,
    bound: Option<PathBuf>,
    folder: Option<PathBuf>,
}

impl Surroundings {
    /// Undoes everything.
    pub(super) fn restore(&mut self, reporter: &Reporter) {
        if let Some(pattern) = self.core_pattern.take()
            && let Err(error) = std::fs::write(CORE_PATTERN, pattern)
        {
            reporter.error(SysError::new("restore", CORE_PATTERN, error));
        }
        if let Some(source) = self.bound.take() {
            if let Err(error) = namespace::unbind(Path::new(paths::RUN_KEEPALIVED)) {
                reporter.error(error);
            }
            // Not empty: another daemon uses it.
            let _ = std::fs::remove_dir(source);
        }
        if let Some(folder) = self.folder.take() {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Where and how the configuration is read.
pub(super) fn source(options: &Options) -> Result<Source, SysError> {
    let directory = std::env::current_dir().map_err(|error| SysError::new("find the working directory", "", error))?;
    let seed = linux::machine::entropy()?;
    let text = |word: OsString| word.into_string().ok();
    let node = linux::machine::host_name();
    let node = node.split('.').next().unwrap_or_default().to_owned();
    Ok(Source {
        main: options
            .config_file
            .clone()
            .unwrap_or_else(|| paths::default_configuration().display().to_string()),
        id: options.config_id.clone().unwrap_or(node),
        environment: std::env::vars_os()
            .filter_map(|(k, v)| Some((text(k)?, text(v)?)))
            .collect::<BTreeMap<_, _>>(),
        directory,
        seed,
        strict_includes: options.strict_includes,
        checking: options.test.is_some(),
    })
}

/// The folder for temporary files of this process.
pub(super) fn temporary() -> PathBuf {
    paths::temporary(std::env::var("TMPDIR").ok().as_deref())
}

/// The log as the command line wants it.
pub(super) fn logging(options: &Options) -> (Rc<RefCell<Writer>>, Reporter) {
    // The first line makes the log file.
    process::set_umask(options.umask.unwrap_or(DEFAULT_UMASK));
    let destinations = Destinations {
        syslog: (!options.no_syslog).then_some(options.facility.unwrap_or(FACILITY_DAEMON)),
        console: options.log_console && options.foreground,
        system_console: options.log_console,
        file: options
            .log_file
            .as_ref()
            .map(|said| said.clone().unwrap_or_else(|| temporary().join("keepalived.log")))
            // The working directory changes in the background, and files of roles are opened later.
            .map(|path| std::path::absolute(&path).unwrap_or(path)),
    };
    // Whether or not standard error is a destination: in the background it leads nowhere.
    let own = Destinations {
        console: true,
        ..destinations.clone()
    };
    // A bug of the supervisor is its last line, also in the background. The writer it was using may be in any state.
    bug::end_with(move |panic| {
        Writer::new(own.clone()).take(Line::new(Level::Alert, &format!("internal error: {panic}")));
    });
    let writer = Rc::new(RefCell::new(Writer::new(destinations)));
    let sink: Rc<RefCell<dyn Sink>> = Rc::<RefCell<Writer>>::clone(&writer);
    let reporter = Reporter::new(sink, options.detail);
    (writer, reporter)
}

/// The first lines of the log.
pub(super) fn greet(options: &Options, reporter: &Reporter) {
    reporter.info(format_args!("Starting {}", version::title()));
    reporter.info(format_args!("Running on {}", linux::machine::kernel()));
    let words: Vec<String> = options.words.iter().map(|word| format!("'{word}'")).collect();
    reporter.info(format_args!("Command line: {}", words.join(" ")));
    for warning in &options.warnings {
        reporter.say(Level::Warning, warning);
    }
    for option in &options.not_yet {
        reporter.say(Level::Warning, format_args!("Option {option} is not implemented yet"));
    }
}

/// Does everything that comes before the first role.
pub(super) fn begin(
    options: Options,
    argv0: OsString,
    source: Source,
    writer: Rc<RefCell<Writer>>,
    reporter: Reporter,
    surroundings: &mut Surroundings,
) -> Result<Supervisor, Ending> {
    let code = |code: u8| {
        let reporter = reporter.clone();
        move |error: SysError| {
            reporter.error(error);
            Ending::Code(code)
        }
    };
    signal::ignore(&EARLY).map_err(code(exit::FATAL))?;
    let executable = Executable::own().map_err(code(exit::FATAL))?;
    let notifier = notifier(&reporter);
    let (bundle, model, settings) = configure(&options, &source, &reporter)?;
    let paths =
        take_place(&options, &source, &settings, &writer, surroundings).map_err(|(exit, error)| code(exit)(error))?;
    let pid_file = claim_parent(&paths, &reporter)?;
    let children = claim_roles(&options, &model, &paths, &reporter)?;
    let background = (!options.foreground).then(go_into_background);
    let launcher = background.transpose().map_err(code(exit::FATAL))?.transpose()?;
    let mut supervisor = Supervisor {
        signals: take_signals(&options).map_err(code(exit::FATAL))?,
        temporary: temporary(),
        holdings: Holdings::new(Record::of_holdings(paths.holdings())),
        services: Services::new(Record::of_services(paths.services())),
        next_watchdog: notifier.watchdog().map(|limit| process::monotonic().after(limit / 2)),
        options,
        argv0,
        source,
        paths,
        writer,
        reporter: reporter.clone(),
        executable,
        notifier,
        pid_file,
        surroundings: std::mem::take(surroundings),
        children,
        bundle,
        model,
        settings,
        generation: 1,
        instances: BTreeMap::new(),
        runner: super::scripts::Runner::default(),
        tracks: super::scripts::track::Schedule::default(),
        queues: super::scripts::queue::Queues::default(),
        fifos: super::scripts::fifo::Fifos::default(),
        mails: super::scripts::mail::Mails::default(),
        told: BTreeMap::new(),
        removed: BTreeMap::new(),
        changes: 0,
        ending: super::stop::Ending::default(),
        unjoined: super::join::Unjoined::default(),
        preparing: false,
        appointment: super::appointment::Appointment::default(),
        beginnings: super::beginnings::Beginnings::default(),
        reload_file: None,
        phase: Phase::Starting,
        reload_again: false,
        exit_code: exit::OK,
        buffer: vec![0; MAX_MESSAGE],
    };
    supervisor.prepare_process();
    supervisor.write_pid_file().map_err(code(exit::FATAL))?;
    supervisor.scripts_follow(process::monotonic());
    supervisor.read_holdings();
    supervisor.read_services();
    if let Some(launcher) = launcher {
        launcher.release(exit::OK);
    }
    Ok(supervisor)
}

/// The place of the daemon: its mask and namespace, its names in the log, and the folder of its pid files. An error comes
/// with the exit code it means.
fn take_place(
    options: &Options,
    source: &Source,
    settings: &Settings,
    writer: &RefCell<Writer>,
    surroundings: &mut Surroundings,
) -> Result<PidPaths, (u8, SysError)> {
    if let (None, Some(mask)) = (options.umask, settings.umask) {
        process::set_umask(mask);
    }
    if let Some(name) = &settings.namespace {
        surroundings.bound = isolate(name).map_err(|error| (exit::OK, error))?;
    }
    writer
        .borrow_mut()
        .set_names(settings.namespace.as_deref(), settings.instance.as_deref());
    let paths = PidPaths::choose(options, settings, &source.directory);
    surroundings.folder = make_folder(&paths).map_err(|error| (exit::FATAL, error))?;
    Ok(paths)
}

fn notifier(reporter: &Reporter) -> Notifier {
    let watchdog = std::env::var("WATCHDOG_USEC").ok();
    let address = std::env::var_os("NOTIFY_SOCKET");
    Notifier::new(address.as_deref(), watchdog.as_deref()).unwrap_or_else(|error| {
        reporter.error(format_args!("cannot reach systemd's notification socket: {error}"));
        Notifier::default()
    })
}

/// Reads the configuration in the place where the daemon will run.
fn configure(options: &Options, source: &Source, reporter: &Reporter) -> Result<(Bundle, Model, Settings), Ending> {
    let join = |name: &str| {
        namespace::join_network(&namespace_file(name)).map_err(|error| {
            reporter.error(error);
            Ending::Code(exit::OK)
        })
    };
    if let Some(name) = &options.namespace {
        join(name)?;
    }
    let load = || {
        let (bundle, error) = configuration::load(source);
        error.into_iter().for_each(|error| reporter.error(error));
        bundle
    };
    let mut bundle = load();
    let mut compiled = configuration::compile(&bundle);
    let mut settings = configuration::settings(&compiled.model);
    match (&options.namespace, &settings.namespace) {
        (Some(_), _) => settings.namespace.clone_from(&options.namespace),
        (None, Some(name)) => {
            // Its interfaces are other ones than those the first reading saw.
            join(name)?;
            bundle = load();
            compiled = configuration::compile(&bundle);
        }
        (None, None) => {}
    }
    let Compiled { model, diagnostics } = compiled;
    for path in bundle.paths() {
        reporter.info(format_args!("Configuration file {}", path.display()));
    }
    for diagnostic in &diagnostics {
        reporter.info(diagnostic);
    }
    if options.dump_configuration {
        // Passwords print as asterisks: their type sees to it.
        reporter.info(format_args!("Configuration: {model:#?}"));
    }
    match configuration::fatal(&diagnostics) {
        Some(code) => Err(Ending::Code(code)),
        None => Ok((bundle, model, settings)),
    }
}

/// The file that names a network namespace.
pub(super) fn namespace_file(name: &str) -> PathBuf {
    Path::new(paths::RUN).join("netns").join(name)
}

/// Gives the run folder of a daemon in a network namespace a place of its own.
fn isolate(name: &str) -> Result<Option<PathBuf>, SysError> {
    let own = Path::new(paths::RUN_KEEPALIVED).join(name);
    make_private_folder(&own)?;
    namespace::leave_mounts()?;
    namespace::bind(&own, Path::new(paths::RUN_KEEPALIVED))?;
    Ok(Some(own))
}

fn make_folder(paths: &PidPaths) -> Result<Option<PathBuf>, SysError> {
    paths.folder.as_deref().map(make_private_folder).transpose()?;
    Ok(paths.folder.clone())
}

fn make_private_folder(path: &Path) -> Result<(), SysError> {
    // Others may look into it; the mask of the daemon is for files.
    let mask = process::set_umask(0o022);
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    process::set_umask(mask);
    made.map_err(|error| SysError::new("make folder", path.display(), error))
}

fn claim_parent(paths: &PidPaths, reporter: &Reporter) -> Result<LockedFile, Ending> {
    match child::lock_pid_file(&paths.parent) {
        Ok(Locking::Locked(lock)) => Ok(lock),
        Ok(Locking::Held) => Err(already_running(reporter)),
        Err(error) => {
            reporter.error(error);
            Err(Ending::Code(exit::FATAL))
        }
    }
}

pub(super) fn already_running(reporter: &Reporter) -> Ending {
    reporter.info("daemon is already running");
    Ending::Quiet(exit::OK)
}

/// Locks the pid files of roles before the first of them starts, so that a second daemon is noticed early.
fn claim_roles(options: &Options, model: &Model, paths: &PidPaths, reporter: &Reporter) -> Result<Vec<Child>, Ending> {
    let wanted = [
        (Kind::Vrrp, model.has_vrrp, options.no_vrrp),
        (Kind::Bfd, model.has_bfd, options.no_bfd),
    ];
    let wanted = wanted.into_iter().filter(|(_, has, not)| !not && (*has || options.all));
    wanted
        .map(|(kind, ..)| super::orphan::claim(kind, paths, reporter))
        .collect()
}

fn go_into_background() -> Result<Result<Launcher, Ending>, SysError> {
    Ok(match process::daemonise()? {
        Daemonised::Launched(code) => Err(Ending::Launched(code)),
        Daemonised::Background(launcher) => Ok(launcher),
    })
}

fn take_signals(options: &Options) -> Result<Signals, SysError> {
    let mut ours: Vec<Signal> = Signal::ALL
        .into_iter()
        .filter(|signal| !matches!(signal, Signal::Pipe | Signal::Int))
        .collect();
    if options.ignore_sigint {
        signal::ignore(&[Signal::Int])?;
    } else {
        ours.push(Signal::Int);
    }
    let signals = Signals::block(&ours)?;
    // Whoever started us may have ignored some; an ignored SIGCHLD would hide the death of roles.
    signal::restore(&ours)?;
    Ok(signals)
}

impl Supervisor {
    fn write_pid_file(&mut self) -> Result<(), SysError> {
        self.pid_file.write(&format!("{}\n", process::Pid::own()))
    }

    /// What the process itself needs; the daemon can run without any of it.
    fn prepare_process(&mut self) {
        confinement::report(&self.reporter);
        self.report(process::become_subreaper());
        self.report(process::set_name(process_name(&self.settings)));
        if self.options.core_files {
            self.report(process::allow_core_files());
        }
        if let Some(pattern) = &self.options.core_pattern {
            let before = std::fs::read_to_string(CORE_PATTERN);
            match before.and_then(|before| std::fs::write(CORE_PATTERN, pattern).map(|()| before)) {
                Ok(before) => self.surroundings.core_pattern = Some(before),
                Err(error) => self.reporter.error(SysError::new("set", CORE_PATTERN, error)),
            }
        }
    }
}

/// What the process of the supervisor is called.
pub(super) fn process_name(settings: &Settings) -> &str {
    settings.process_name.as_deref().unwrap_or(PROCESS_NAME)
}

/// Opens the file that `-t` writes to.
pub(super) fn open_report(path: &Path) -> Result<std::fs::File, SysError> {
    process_files::open_append(path, 0o644)
}
