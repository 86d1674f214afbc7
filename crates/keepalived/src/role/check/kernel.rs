//! The kernel's table of virtual services: looks at it, and makes it what it should be.
//!
//! Changes are made against what the table was at the last look, all of one turn in one system call. Every few seconds the
//! table is looked at, and what others have changed about our services is put back; services of others are not touched.
//! What the kernel refuses is logged once and tried again with every look. Without IPVS checks go on, and it is tried again.

mod tidy;

use super::convert;
use super::marks::Maps;
use super::report::Counted;
use super::sync::Sync;
use crate::ipc::{FromRole, Outcome, Script};
use crate::log::{Level, Reporter};
use base::Instant;
use conf::model::ReceiveBuffer;
use director::Engine;
use linux::SysError;
use linux::ipvs::{IpvsSocket, Request, Timeouts};
use linux::namespace;
use linux::process;
use lvs::books::Books;
use lvs::config::{FlushOnStop, Namespace, Settings};
use lvs::plan::Step;
use lvs::table::{Pool, Table, Virtual};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidy::Tidy;

/// The ticket of the program that loads the module; probes have others.
pub(super) const LOADING: u64 = 0;
/// From one look at the table to the next. Somebody else's change is put back within it.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Looking takes at most one part in so many of the time: a table of many thousand services is looked at less often.
const SHARE: u32 = 20;
/// After a refusal that says that the table is not what it was.
const LOOK_SOON: Duration = Duration::from_millis(100);
/// How long the module may take to load.
const LOAD_LIMIT: Duration = Duration::from_secs(30);
/// Services that are named when somebody else has changed them; more are counted.
const NAMED: usize = 10;
/// There is no such family of netlink: the module is not loaded.
const ENOENT: i32 = 2;
/// There is no such service.
const ESRCH: i32 = 3;

/// The table.
pub(super) struct Kernel {
    reporter: Reporter,
    settings: Arc<Settings>,
    /// `lvs_netlink_cmd_rcv_bufs`.
    buffer: Option<ReceiveBuffer>,
    /// `None`: IPVS cannot be talked to (yet).
    socket: Option<IpvsSocket>,
    /// The kernel has no IPVS, so that there is no service.
    absent: bool,
    /// It was not looked at since it was opened: what is there was not changed by anybody, it is found.
    fresh: bool,
    /// `lvs_flush`, not done yet.
    flush: bool,
    books: Books,
    /// What was refused, so that it is logged once.
    refused: BTreeSet<String>,
    look_at: Instant,
    loading: Loading,
    /// Why there is no IPVS, so that it is logged once.
    missing: Option<String>,
    /// The timeouts before ours.
    timeouts_before: Option<Timeouts>,
    wishes: Vec<FromRole>,
    /// What went through our services, for managers.
    counted: Counted,
    /// The sync daemons.
    pub(super) sync: Sync,
    maps: Maps,
    /// The marks that groups have may not be what the maps say.
    marks_due: bool,
    tidy: Tidy,
}

/// Whether the module was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loading {
    NotYet,
    UnderWay,
    Done,
}

impl Kernel {
    /// Talks to nobody yet. `first`: nothing of this daemon is in the kernel.
    pub(super) fn new(now: Instant, reporter: Reporter, first: bool) -> Kernel {
        Kernel {
            counted: Counted::default(),
            sync: Sync::new(reporter.clone()),
            maps: Maps::new(reporter.clone()),
            reporter,
            settings: Arc::default(),
            buffer: None,
            socket: None,
            absent: false,
            fresh: true,
            flush: first,
            books: Books::default(),
            refused: BTreeSet::new(),
            look_at: now,
            loading: Loading::NotYet,
            missing: None,
            timeouts_before: None,
            wishes: Vec::new(),
            marks_due: true,
            tidy: Tidy::default(),
        }
    }

    /// Follows the settings of a configuration.
    pub(super) fn configure(&mut self, now: Instant, settings: Arc<Settings>, buffer: Option<ReceiveBuffer>) {
        let timeouts = settings.timeouts != self.settings.timeouts;
        self.flush &= settings.flush;
        self.settings = settings;
        self.buffer = buffer;
        self.size_buffer();
        if timeouts {
            self.apply_timeouts();
        }
        self.look_at = now;
        self.marks_due = true;
    }

    /// What there is of these services now; nothing, if it cannot be asked.
    pub(super) fn find(&self, settings: &Settings, services: &BTreeSet<Virtual>) -> Table {
        let found = open(settings.namespace.as_ref()).and_then(|mut socket| observe(&mut socket, services));
        found.unwrap_or_else(|error| {
            self.reporter.error(error);
            Table::default()
        })
    }

    /// Counts what went through our services, if the last time was too long ago.
    pub(super) fn count(&mut self, now: Instant) -> Result<(), SysError> {
        self.counted
            .renew(now, &self.settings, self.socket.as_mut(), self.books.ours())
    }

    /// What was counted.
    pub(super) const fn counted(&self) -> &Counted {
        &self.counted
    }

    /// When [`Kernel::on_time`] has something to do.
    pub(super) fn deadline(&self) -> Instant {
        if self.marks_due && self.socket.is_some() {
            Instant::ZERO
        } else {
            self.look_at
        }
    }

    /// What the supervisor is asked for.
    pub(super) fn wishes(&mut self) -> impl Iterator<Item = FromRole> + use<> {
        std::mem::take(&mut self.wishes).into_iter()
    }

    /// A part of the table should be another one from now on.
    pub(super) fn follow(&mut self, now: Instant, scope: BTreeSet<Virtual>, part: Table) {
        self.books.wish(&scope, part);
        if self.socket.is_none() || self.fresh {
            // The first look does it all.
            return;
        }
        let steps = self.books.steps(&scope);
        self.carry_out(now, &steps);
        self.tidy.changed();
    }

    /// Groups that have marks instead of their addresses.
    pub(super) fn follow_marks(&mut self, engine: &Engine) {
        if self.socket.is_some() && std::mem::take(&mut self.marks_due) {
            let place = place(self.settings.namespace.as_ref());
            self.maps.follow(place.as_ref(), engine.marks());
        }
    }

    /// Opens the table if it is time.
    pub(super) fn open_if_due(&mut self, now: Instant) {
        if self.socket.is_none() && self.look_at <= now {
            self.look_at = now.after(LOOK_EVERY);
            self.open(now);
            if self.socket.is_some() {
                self.look_at = now;
            }
        }
    }

    /// Looks at the table if it is time, and puts right what is not.
    pub(super) fn on_time(&mut self, now: Instant) {
        if self.sync.is_due()
            && let Some(socket) = &mut self.socket
        {
            self.sync.reconcile(socket);
        }
        if self.look_at > now {
            return;
        }
        self.look_at = now.after(LOOK_EVERY);
        self.tidy_elsewhere();
        self.marks_due |= self.maps.look();
        let observed = match self.socket.as_mut().map(|socket| observe(socket, self.books.ours())) {
            Some(Ok(observed)) => observed,
            Some(Err(error)) => {
                self.reporter.error(error);
                self.socket = None;
                return;
            }
            None => return,
        };
        let steps = self.books.looked(observed);
        if std::mem::take(&mut self.fresh) {
            self.apply_timeouts();
            self.say_leftovers(&steps);
        } else if self.refused.is_empty() {
            self.say_changed(&steps);
        }
        // What is refused again is not said again, what works now would be.
        let before = std::mem::take(&mut self.refused);
        self.carry_out_knowing(now, &steps, &before);
        self.books.settle();
        self.tidy.changed();
        if let Some(socket) = &mut self.socket {
            self.sync.reconcile(socket);
        }
        let took = process::monotonic().since(now);
        self.look_at = self.look_at.max(now.after(took.saturating_mul(SHARE)));
    }

    fn say_changed(&self, steps: &[Step]) {
        let services: BTreeSet<Virtual> = steps.iter().map(Step::service).collect();
        for service in services.iter().take(NAMED) {
            let text = format!("virtual service {service} was changed by somebody else - putting it back");
            self.reporter.say(Level::Warning, text);
        }
        if services.len() > NAMED {
            let text = format!("{} more virtual services were changed", services.len() - NAMED);
            self.reporter.say(Level::Warning, text);
        }
    }

    fn carry_out(&mut self, now: Instant, steps: &[Step]) {
        let before = std::mem::take(&mut self.refused);
        self.carry_out_knowing(now, steps, &before);
        self.refused.extend(before);
    }

    fn carry_out_knowing(&mut self, now: Instant, steps: &[Step], said: &BTreeSet<String>) {
        if steps.is_empty() {
            return;
        }
        let Some(socket) = &mut self.socket else { return };
        let requests: Vec<Request> = steps.iter().map(convert::request).collect();
        let refused: BTreeMap<usize, io::Error> = match socket.carry_out(&requests) {
            Ok(refused) => refused.into_iter().collect(),
            Err(error) => {
                self.reporter.error(error);
                self.socket = None;
                self.fresh = true;
                return;
            }
        };
        for (place, step) in steps.iter().enumerate() {
            match refused.get(&place) {
                None => self.books.done(step),
                Some(error) => {
                    let (doing, to) = convert::request(step).describe();
                    let text = format!("IPVS: cannot {doing} {to}: {error}");
                    if !said.contains(&text) {
                        self.reporter.error(&text);
                    }
                    self.refused.insert(text);
                    if surprises(error) {
                        self.look_at = now.after(LOOK_SOON);
                    }
                }
            }
        }
    }

    fn open(&mut self, now: Instant) {
        self.absent = false;
        match open(self.settings.namespace.as_ref()) {
            Ok(mut socket) => {
                if std::mem::take(&mut self.flush) {
                    match socket.carry_out(&[Request::Flush]) {
                        Ok(refused) => refused.iter().for_each(|(_, error)| self.reporter.error(error)),
                        Err(error) => self.reporter.error(error),
                    }
                }
                if self.missing.take().is_some() {
                    self.reporter.info("IPVS is there now: setting up the virtual services");
                }
                self.socket = Some(socket);
                self.size_buffer();
                self.fresh = true;
            }
            Err(error) if error.errno() == Some(ENOENT) && self.loading == Loading::NotYet => {
                self.loading = Loading::UnderWay;
                self.wishes.push(load_module());
                self.look_at = now.after(LOAD_LIMIT);
            }
            Err(error) => {
                self.absent = error.errno() == Some(ENOENT);
                self.tidy_elsewhere();
                let text = error.to_string();
                if self.missing.as_ref() != Some(&text) {
                    self.reporter.error(format_args!(
                        "IPVS: {text} - no virtual service is set up, checks go on; trying again every {} s",
                        LOOK_EVERY.as_secs()
                    ));
                    self.missing = Some(text);
                }
            }
        }
    }

    /// The program that loads the module has ended.
    pub(super) fn loaded(&mut self, now: Instant, outcome: &Outcome) {
        self.loading = Loading::Done;
        self.look_at = now;
        if *outcome != Outcome::Exited(0) {
            self.reporter.say(Level::Warning, "Unable to load module ip_vs");
        }
    }

    fn size_buffer(&self) {
        if let (Some(socket), Some(buffer)) = (&self.socket, self.buffer)
            && let Err(error) = socket.reserve(buffer.bytes)
        {
            self.reporter.error(error);
        }
    }

    fn apply_timeouts(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        let wanted = self.settings.timeouts;
        let nothing = wanted == lvs::config::Timeouts::default();
        let set = match (self.timeouts_before, nothing) {
            (None, true) => return,
            (Some(before), true) => {
                self.timeouts_before = None;
                socket.set_timeouts(before)
            }
            (before, false) => {
                let before = match before.map_or_else(|| socket.timeouts(), Ok) {
                    Ok(before) => before,
                    Err(error) => return self.reporter.error(error),
                };
                self.timeouts_before = Some(before);
                socket.set_timeouts(Timeouts {
                    tcp: wanted.tcp.unwrap_or(before.tcp),
                    tcp_fin: wanted.tcp_fin.unwrap_or(before.tcp_fin),
                    udp: wanted.udp.unwrap_or(before.udp),
                })
            }
        };
        if let Err(error) = set {
            self.reporter.error(error);
        }
    }

    /// The end: removes what is ours, unless it is to stay. False if something of it may be left.
    pub(super) fn withdraw(&mut self, keep: bool) -> bool {
        let Some(mut socket) = self.socket.take() else {
            return self.absent || self.books.ours().is_empty();
        };
        let mut all = true;
        if !keep {
            let requests = match self.settings.flush_on_stop {
                FlushOnStop::Everything => vec![Request::Flush],
                of @ (FlushOnStop::No | FlushOnStop::Services) => match observe(&mut socket, self.books.ours()) {
                    Ok(observed) => farewell(&observed, of),
                    Err(error) => {
                        self.reporter.error(error);
                        return false;
                    }
                },
            };
            match socket.carry_out(&requests) {
                Ok(refused) => {
                    for (place, error) in refused {
                        all = false;
                        if let Some((doing, to)) = requests.get(place).map(Request::describe) {
                            self.reporter.error(format_args!("IPVS: cannot {doing} {to}: {error}"));
                        }
                    }
                }
                Err(error) => {
                    all = false;
                    self.reporter.error(error);
                }
            }
            self.maps.remove();
        }
        self.sync.stop(&mut socket);
        if let Some(before) = self.timeouts_before.take()
            && let Err(error) = socket.set_timeouts(before)
        {
            self.reporter.error(error);
        }
        all
    }

    /// What it says of itself on request.
    pub(super) fn dump(&self) -> String {
        let state = match (&self.socket, &self.missing) {
            (Some(_), _) => "in use".to_owned(),
            (None, Some(why)) => format!("not there: {why}"),
            (None, None) => "not looked at yet".to_owned(),
        };
        let destinations: usize = self
            .books
            .believed()
            .pools
            .values()
            .map(|pool| pool.destinations.len())
            .sum();
        let mut text = format!(
            "------< IPVS >------\n   state = {state}\n   our services = {}\n   their destinations = {destinations}\n",
            self.books.believed().pools.len()
        );
        for refused in &self.refused {
            text.push_str(&format!("   refused = {refused}\n"));
        }
        text
    }
}

/// The file of a network namespace; `None`: that of this process.
fn place(namespace: Option<&Namespace>) -> Option<PathBuf> {
    Some(match namespace? {
        Namespace::Initial => namespace::first(),
        Namespace::Named(name) => PathBuf::from("/var/run/netns").join(&**name),
    })
}

fn open(namespace: Option<&Namespace>) -> Result<IpvsSocket, SysError> {
    match place(namespace) {
        None => IpvsSocket::open(),
        Some(file) => namespace::within(file, IpvsSocket::open),
    }
}

/// The part of the table that is ours.
fn observe(socket: &mut IpvsSocket, ours: &BTreeSet<Virtual>) -> Result<Table, SysError> {
    let mut table = Table::default();
    for found in socket.services()? {
        let Some(service) = convert::service(found.id).filter(|service| ours.contains(service)) else {
            continue;
        };
        let destinations = match socket.destinations(found.id) {
            Ok(destinations) => destinations,
            // Removed by somebody in between.
            Err(error) if error.errno() == Some(ESRCH) => continue,
            Err(error) => return Err(error),
        };
        let pool = Pool {
            definition: convert::definition(&found),
            destinations: destinations.iter().filter_map(convert::destination).collect(),
        };
        table.pools.insert(service, pool);
    }
    Ok(table)
}

fn farewell(observed: &Table, how: FlushOnStop) -> Vec<Request> {
    let mut requests = Vec::new();
    for (service, pool) in &observed.pools {
        let id = convert::id(*service);
        if how == FlushOnStop::No {
            let members = pool.destinations.keys();
            requests.extend(members.map(|at| Request::RemoveDestination(id, at.address, at.port)));
        }
        requests.push(Request::RemoveService(id));
    }
    requests
}

/// Whether a refusal says that the table is another one than we believed.
fn surprises(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound)
        || error.raw_os_error() == Some(ESRCH)
}

/// Loads the module.
fn load_module() -> FromRole {
    FromRole::RunScript {
        ticket: LOADING,
        script: module_loader(),
        timeout: LOAD_LIMIT,
    }
}

/// What loads the module of IPVS as the kernel itself would.
pub(crate) fn module_loader() -> Script {
    let configured = std::fs::read_to_string("/proc/sys/kernel/modprobe").unwrap_or_default();
    let program = match configured.trim() {
        "" => "/sbin/modprobe",
        program => program,
    };
    let words = [program, "-s", "--", "ip_vs"];
    Script {
        arguments: words.map(|word| word.as_bytes().to_vec()).to_vec(),
        ..Script::default()
    }
}
