//! The FIFOs other programs read, and the programs the daemon starts to read them.
//!
//! A FIFO is made, its reader is started, then it is opened. A reload leaves an unchanged FIFO and its reader alone. A
//! reader that fails is started again, later and later; one that ends well has gone its own way.

use super::{Purpose, script};
use crate::ipc::Outcome;
use crate::log::Level;
use crate::supervisor::Supervisor;
use crate::supervisor::restart::Backoff;
use base::Instant;
use linux::SysError;
use linux::fifo::{Fifo, Written};
use linux::process::{self, Pid};
use linux::script::End;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Which FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::supervisor) enum Kind {
    /// `notify_fifo`: everything.
    Global,
    /// `vrrp_notify_fifo`: instances and groups.
    Vrrp,
    /// `lvs_notify_fifo`: virtual and real servers.
    Lvs,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Global, Kind::Vrrp, Kind::Lvs];

    /// Before the words `notify fifo` of messages.
    const fn prefix(self) -> &'static str {
        match self {
            Kind::Global => "",
            Kind::Vrrp => "vrrp ",
            Kind::Lvs => "lvs ",
        }
    }
}

/// A FIFO in use.
#[derive(Debug)]
struct Open {
    settings: conf::model::Fifo,
    fifo: Option<Fifo>,
    backoff: Backoff,
    /// The reader runs since then.
    since: Option<Instant>,
    /// The reader is started then.
    restart: Option<Instant>,
    /// Lines that nobody took since the last one that was taken.
    lost: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(in crate::supervisor) struct Fifos {
    open: BTreeMap<Kind, Open>,
}

impl Fifos {
    /// When a reader is to be started again.
    pub(in crate::supervisor) fn next_deadline(&self) -> Option<Instant> {
        self.open.values().filter_map(|open| open.restart).min()
    }
}

impl Supervisor {
    /// Opens what the model has, closes what it has not.
    pub(in crate::supervisor) fn fifos_follow(&mut self, now: Instant) {
        for kind in Kind::ALL {
            let global = &self.model.global;
            let wanted = match kind {
                Kind::Global => &global.fifo,
                Kind::Vrrp => &global.vrrp_fifo,
                Kind::Lvs => &global.lvs_fifo,
            };
            let wanted = wanted.clone().filter(|fifo| !fifo.path.is_empty());
            if self.fifos.open.get(&kind).map(|open| &open.settings) == wanted.as_ref() {
                continue;
            }
            self.close_fifo(now, kind, Some(End::Ask));
            let Some(settings) = wanted else { continue };
            let identity = &settings.identity;
            let fifo = match Fifo::open(Path::new(&settings.path), identity.uid, identity.gid) {
                Ok(fifo) => Some(fifo),
                Err(error) => {
                    let text = format!(
                        "Unable to open {}notify fifo {} - {error}",
                        kind.prefix(),
                        settings.path
                    );
                    self.reporter.error(text);
                    None
                }
            };
            let open = Open {
                settings,
                fifo,
                backoff: Backoff::default(),
                since: None,
                restart: None,
                lost: 0,
            };
            self.fifos.open.insert(kind, open);
            self.start_reader(now, kind);
        }
    }

    fn start_reader(&mut self, now: Instant, kind: Kind) {
        let Some(open) = self.fifos.open.get_mut(&kind) else {
            return;
        };
        open.restart = None;
        let Some(command) = open.settings.script.as_ref().filter(|_| open.fifo.is_some()) else {
            return;
        };
        open.since = Some(now);
        let mut script = script(command, self.model.global.supplementary_groups);
        script.arguments.push(open.settings.path.as_bytes().to_vec());
        script.ends_with = Some(Pid::own().0);
        self.run_script(now, Purpose::Reader(kind), &script, None);
    }

    /// Starts readers whose pause is over.
    pub(in crate::supervisor) fn fifos_on_time(&mut self, now: Instant) {
        for kind in Kind::ALL {
            let due = |open: &Open| open.restart.is_some_and(|at| at <= now);
            if self.fifos.open.get(&kind).is_some_and(due) {
                self.start_reader(now, kind);
            }
        }
    }

    /// A reader has ended.
    pub(in crate::supervisor) fn on_reader_end(&mut self, now: Instant, kind: Kind, outcome: &Outcome) {
        let stopping = self.is_stopping();
        let Some(open) = self.fifos.open.get_mut(&kind) else {
            return;
        };
        let Some(since) = open.since.take() else { return };
        let text = format!("{}notify fifo script terminated", kind.prefix());
        let well = *outcome == Outcome::Exited(0) || stopping;
        if !well {
            let pause = open.backoff.after_death(since, now).max(Duration::from_secs(1));
            open.restart = Some(now.after(pause));
        }
        self.reporter.say(if well { Level::Info } else { Level::Warning }, text);
    }

    /// Writes a line, if the FIFO is in use and somebody takes it.
    pub(in crate::supervisor) fn write_fifo(&mut self, kind: Kind, line: &str) {
        let Some(open) = self.fifos.open.get_mut(&kind) else {
            return;
        };
        let Some(fifo) = &open.fifo else { return };
        match fifo.write(line.as_bytes()) {
            Ok(Written::Done) if open.lost > 0 => {
                let text = format!(
                    "{}notify fifo: {} lines were lost, nobody had read",
                    kind.prefix(),
                    open.lost
                );
                open.lost = 0;
                self.reporter.say(Level::Warning, text);
            }
            Ok(Written::Done) => {}
            Ok(Written::Full) => {
                open.lost += 1;
                if open.lost == 1 {
                    let path = open.settings.path.clone();
                    let text = format!("{}notify fifo {path} is full: nobody reads it", kind.prefix());
                    self.reporter.say(Level::Warning, text);
                }
            }
            Err(error) => self.reporter.error(error),
        }
    }

    fn close_fifo(&mut self, now: Instant, kind: Kind, how: Option<End>) {
        let Some(open) = self.fifos.open.remove(&kind) else {
            return;
        };
        if let Some(how) = how {
            self.runner.end(now, how, |purpose| *purpose == Purpose::Reader(kind));
        }
        let closed: Result<(), SysError> = open.fifo.map_or(Ok(()), Fifo::close);
        self.report(closed);
    }

    /// The end: what was made is removed. Readers see the end of their FIFO; those that do not go get SIGTERM when the
    /// daemon is gone.
    pub(in crate::supervisor) fn close_fifos(&mut self) {
        for kind in Kind::ALL {
            self.close_fifo(process::monotonic(), kind, None);
        }
    }
}
