//! Tracked files of `FILE_CHECK`: watched through inotify, read when they change.

use super::wait::Watched;
use crate::log::{Level, Reporter};
use crate::role::vrrp::tracked::{LOOKED_AT, real_path, value};
use base::Instant;
use check::Check;
use conf::model::TrackFile;
use director::Config;
use linux::SysError;
use linux::watch::{FileWatch, beginning};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often a directory that cannot be watched is tried again.
const EVERY: Duration = Duration::from_secs(1);

/// The files that are watched.
pub(super) struct Files {
    watch: FileWatch,
    watched: Watched,
    names: BTreeMap<PathBuf, Vec<Arc<str>>>,
    retry_at: Option<Instant>,
}

impl Files {
    /// Watches nothing yet.
    pub(super) fn open() -> Result<Files, SysError> {
        let watch = FileWatch::open()?;
        let watched = Watched::new(&watch)?;
        Ok(Files {
            watch,
            watched,
            names: BTreeMap::new(),
            retry_at: None,
        })
    }

    /// What there is to wait for.
    pub(super) const fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Watches the files of a configuration; what is in them.
    pub(super) fn follow(
        &mut self,
        now: Instant,
        config: &Config,
        files: &BTreeMap<String, TrackFile>,
        reporter: &Reporter,
    ) -> Vec<(Arc<str>, i32)> {
        self.names.clear();
        for name in names(config) {
            let Some(file) = files.get(&*name) else { continue };
            self.names
                .entry(real_path(Path::new(&file.path)))
                .or_default()
                .push(name);
        }
        for error in self.watch.watch(self.names.keys().cloned()) {
            reporter.error(&error);
        }
        self.retry_at = self.watch.is_incomplete().then(|| now.after(EVERY));
        self.read(self.names.keys(), reporter)
    }

    /// What is in files that may have changed.
    pub(super) fn changes(&mut self, now: Instant, reporter: &Reporter) -> Vec<(Arc<str>, i32)> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let mut changed = BTreeSet::new();
        loop {
            let turn = self.watch.read(&mut changed);
            if let Err(error) = &turn {
                reporter.error(error);
            }
            // Bounded all the same: files are few, and so are changes while they are read.
            if Watched::drained(&turn) || turn.is_err() {
                break;
            }
        }
        if self.retry_at.is_some_and(|at| at <= now) || (self.retry_at.is_none() && self.watch.is_incomplete()) {
            self.watch.retry(&mut changed);
            self.retry_at = self.watch.is_incomplete().then(|| now.after(EVERY));
        }
        self.read(changed.iter(), reporter)
    }

    fn read<'a>(&self, paths: impl Iterator<Item = &'a PathBuf>, reporter: &Reporter) -> Vec<(Arc<str>, i32)> {
        let mut values = Vec::new();
        for path in paths {
            let value = value(&beginning(path, LOOKED_AT));
            for name in self.names.get(path).into_iter().flatten() {
                match value {
                    Some(value) => values.push((Arc::clone(name), value)),
                    None => reporter.say(
                        Level::Warning,
                        format_args!("Track file {name}: the number is out of range - ignoring"),
                    ),
                }
            }
        }
        values
    }
}

/// The files that checks follow.
fn names(config: &Config) -> BTreeSet<Arc<str>> {
    let checks = config
        .servers
        .values()
        .flat_map(|server| server.checks.values().flatten());
    checks.filter_map(name).cloned().collect()
}

/// The file that a check follows.
pub(crate) const fn name(check: &Check) -> Option<&Arc<str>> {
    match check {
        Check::File(file) => Some(&file.file),
        Check::Probe(_) | Check::Bfd(_) => None,
    }
}
