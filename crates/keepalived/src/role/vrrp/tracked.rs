//! Finds out what is tracked beyond interfaces and BFD sessions: numbers in files, and how many processes run.
//!
//! Translates news of the kernel into inputs of the engine. What a number or a count means is the engine's; which processes
//! a tracker means is [`census`]'s.

mod census;

use super::Role;
use super::linkbeat::BEATS;
use crate::log::{Level, Reporter};
use ::vrrp::config::{Model, Name};
use ::vrrp::input::Input;
use base::Instant;
use census::Census;
use conf::model::{TrackFile, Tracking};
use linux::census::{ProcessEar, ProcessEvent};
use linux::reactor::{Interest, Token};
use linux::watch::{FileWatch, beginning};
use linux::{SysError, Turn, namespace};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Reports of files.
pub(super) const FILES: Token = Token(8);
/// Reports of processes.
pub(super) const PROCESSES: Token = Token(9);
/// How often a directory that cannot be watched is tried again, and the process table read where the kernel does not
/// report processes.
const EVERY: Duration = Duration::from_secs(1);
/// Bytes of a file that are looked at.
pub(in crate::role) const LOOKED_AT: usize = 127;

/// What is watched.
pub(super) struct Finder {
    watch: FileWatch,
    files: BTreeMap<PathBuf, Vec<Name>>,
    census: Census,
    /// `None`: not needed, or the kernel does not report.
    ear: Option<ProcessEar>,
    count_at: Option<Instant>,
    retry_at: Option<Instant>,
}

impl Finder {
    /// Finds out nothing yet.
    pub(super) fn open() -> Result<Finder, SysError> {
        Ok(Finder {
            watch: FileWatch::open()?,
            files: BTreeMap::new(),
            census: Census::default(),
            ear: None,
            count_at: None,
            retry_at: None,
        })
    }

    /// Makes room for at least so many bytes of reports of processes that are not read yet.
    pub(super) fn reserve(&self, bytes: u32) -> Result<(), SysError> {
        self.ear.as_ref().map_or(Ok(()), |ear| ear.reserve(bytes))
    }

    /// When something has to be looked at even if nothing is reported.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.count_at.into_iter().chain(self.retry_at).min()
    }

    /// Whether a count of processes is under way.
    pub(super) fn is_counting(&self) -> bool {
        self.census.is_counting()
    }

    fn track_files(&mut self, now: Instant, model: &Model, files: &BTreeMap<String, TrackFile>, reporter: &Reporter) {
        self.files.clear();
        for name in &model.objects.files {
            let Some(file) = files.get(name.as_str()) else {
                continue;
            };
            let path = real_path(Path::new(&file.path));
            self.files.entry(path).or_default().push(name.clone());
        }
        for error in self.watch.watch(self.files.keys().cloned()) {
            reporter.error(&error);
        }
        self.retry_at = self.watch.is_incomplete().then(|| now.after(EVERY));
    }

    /// Says what the number in a file is.
    fn tell_file(&self, path: &Path, reporter: &Reporter, take: &mut dyn FnMut(Input<'_>)) {
        let value = value(&beginning(path, LOOKED_AT));
        for name in self.files.get(path).into_iter().flatten() {
            match value {
                Some(value) => take(Input::FileValue {
                    name: name.clone(),
                    value,
                }),
                None => reporter.say(
                    Level::Warning,
                    format_args!("Track file {name}: the number is out of range - ignoring"),
                ),
            }
        }
    }
}

impl Role {
    /// Follows a configuration; everything that is tracked is told to the engine anew.
    pub(super) fn track(&mut self, now: Instant, model: &Model, tracking: &Tracking) {
        self.finder.track_files(now, model, &tracking.files, &self.reporter);
        let processes = model.objects.processes.keys();
        let processes =
            processes.filter_map(|name| Some((name.clone(), tracking.processes.get(name.as_str())?.clone())));
        self.finder.census.follow(processes.collect());
        self.listen_to_processes(now);
        self.follow_beats(now, model, &tracking.linkbeat);
    }

    /// Tells the engine everything that is known.
    pub(super) fn tell_tracked(&mut self, now: Instant) {
        let (engine, actions) = (&mut self.engine, &mut self.actions);
        let mut take = |input: Input<'_>| engine.handle(now, input, actions);
        for path in self.finder.files.keys() {
            self.finder.tell_file(path, &self.reporter, &mut take);
        }
        self.begin_count(now);
    }

    fn listen_to_processes(&mut self, now: Instant) {
        if self.finder.census.is_empty() {
            if let Some(ear) = self.finder.ear.take()
                && let Err(error) = self.reactor.deregister(ear.as_fd(), PROCESSES)
            {
                self.reporter.error(error);
            }
            self.finder.count_at = None;
            return;
        }
        if self.finder.ear.is_some() {
            return;
        }
        // The kernel tells it in its first network namespace only, and we may have joined another one.
        let opened = ProcessEar::open()
            .or_else(|error| namespace::within(namespace::first(), ProcessEar::open).map_err(|_| error));
        let opened = opened.and_then(|ear| {
            self.reactor
                .register(ear.as_fd(), PROCESSES, Interest::Readable)
                .map(|()| ear)
        });
        match opened {
            Ok(ear) => self.finder.ear = Some(ear),
            Err(error) => {
                let text = format_args!("{error}: reading the process table every second instead");
                self.reporter.say(Level::Warning, text);
                self.finder.count_at = Some(now.after(EVERY));
            }
        }
    }

    /// Reads reports of files.
    pub(super) fn hear_of_files(&mut self, now: Instant) {
        let mut changed = BTreeSet::new();
        match self.finder.watch.read(&mut changed) {
            Ok(Turn::Drained) => {}
            Ok(Turn::More) => self.reactor.again(FILES),
            Err(error) => self.reporter.error(error),
        }
        self.tell_files(now, &changed);
        if self.finder.watch.is_incomplete() && self.finder.retry_at.is_none() {
            self.finder.retry_at = Some(now.after(EVERY));
        }
    }

    fn tell_files(&mut self, now: Instant, changed: &BTreeSet<PathBuf>) {
        let (engine, actions) = (&mut self.engine, &mut self.actions);
        let mut take = |input: Input<'_>| engine.handle(now, input, actions);
        for path in changed {
            self.finder.tell_file(path, &self.reporter, &mut take);
        }
    }

    /// Reads reports of processes.
    pub(super) fn hear_of_processes(&mut self, now: Instant) {
        let Some(ear) = self.finder.ear.as_mut() else { return };
        let census = &mut self.finder.census;
        let mut lost = false;
        let read = ear.read(|event| match event {
            ProcessEvent::Fork { parent, child } => census.forked(parent, child),
            ProcessEvent::Changed(pid) => census.look(pid),
            ProcessEvent::Exit(pid) => census.ended(pid),
            ProcessEvent::Lost => lost = true,
        });
        match read {
            Ok(Turn::Drained) => {}
            Ok(Turn::More) => self.reactor.again(PROCESSES),
            Err(error) => self.reporter.error(error),
        }
        if lost {
            self.finder.count_at = Some(now.after(EVERY));
        }
        self.tell_counts(now);
    }

    /// Counts all processes anew, in steps.
    fn begin_count(&mut self, now: Instant) {
        if self.finder.census.is_empty() {
            return;
        }
        if let Err(error) = self.finder.census.begin_count() {
            self.reporter.error(error);
        }
        self.tell_counts(now);
    }

    /// Counts to the end of a count that is under way.
    pub(super) fn count_all(&mut self, now: Instant) {
        while self.finder.is_counting() {
            self.count_some(now);
        }
    }

    fn count_some(&mut self, now: Instant) {
        self.finder.census.count_some();
        self.tell_counts(now);
    }

    fn tell_counts(&mut self, now: Instant) {
        for (name, count) in self.finder.census.take_changes() {
            let input = Input::ProcessCount { name, count };
            self.engine.handle(now, input, &mut self.actions);
        }
    }

    /// Looks at what is not reported.
    pub(super) fn find_on_time(&mut self, now: Instant) {
        if self.finder.is_counting() {
            self.count_some(now);
        }
        if self.finder.count_at.take_if(|at| *at <= now).is_some() {
            self.begin_count(now);
            if self.finder.ear.is_none() {
                self.finder.count_at = Some(now.after(EVERY));
            }
        }
        if self.finder.retry_at.take_if(|at| *at <= now).is_some() {
            let mut changed = BTreeSet::new();
            self.finder.watch.retry(&mut changed);
            self.tell_files(now, &changed);
            if self.finder.watch.is_incomplete() {
                self.finder.retry_at = Some(now.after(EVERY));
            }
        }
    }

    /// Watches the reports of files.
    pub(super) fn register_files(&mut self) -> Result<(), SysError> {
        self.reactor
            .register(self.finder.watch.as_fd(), FILES, Interest::Readable)?;
        self.reactor.register(self.beats.as_fd(), BEATS, Interest::Readable)
    }
}

/// Where a file really is: behind links if it exists, else in the real directory.
pub(in crate::role) fn real_path(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
        match (parent, path.file_name()) {
            (Some(parent), Some(name)) => parent.join(name),
            (None, _) | (_, None) => path.to_owned(),
        }
    })
}

/// The number a file begins with, in the notation of C: 0x, a leading 0 for octal; 0 without a number. `None` outside 32
/// bits.
pub(crate) fn value(bytes: &[u8]) -> Option<i32> {
    let text: Vec<u8> = bytes.iter().copied().skip_while(u8::is_ascii_whitespace).collect();
    let (negative, digits) = match text.as_slice() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => (16, rest),
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    let values = digits.iter().map_while(|digit| char::from(*digit).to_digit(radix));
    let number = values.fold(0_i64, |sum, digit| {
        sum.saturating_mul(i64::from(radix)).saturating_add(i64::from(digit))
    });
    i32::try_from(if negative { -number } else { number }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_file_is_read_as_c_reads_it() {
        let of = |text: &str| value(text.as_bytes());
        for (text, expected) in [
            ("", 0),
            ("text", 0),
            ("5\n", 5),
            ("  -12 text", -12),
            ("+7", 7),
            ("0x1f", 31),
            ("0x", 0),
            ("010", 8),
            ("09", 0),
            ("2147483647", i32::MAX),
            ("-2147483648", i32::MIN),
        ] {
            assert_eq!(of(text), Some(expected), "{text:?}");
        }
        assert_eq!(of("2147483648"), None);
        assert_eq!(of(&"9".repeat(100)), None);
        assert_eq!(value(&[0xff, 0xfe]), Some(0));
    }
}
