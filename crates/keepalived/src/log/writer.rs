//! Where the supervisor writes lines, its own and those of its roles: syslog, the terminal, files.
//!
//! Nothing here waits for a reader that is slow longer than [`PATIENCE`], and only once until it reads again.

use super::date::Date;
use super::syslog::Syslog;
use super::{Level, Line, Sink};
use crate::role::Kind;
use base::Instant;
use linux::process::{self, Pid};
use linux::{SysError, process_files};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a terminal or pipe may take to make room for a line.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a log file that could not be written is left alone before the next attempt.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes written to the terminal at once: less than a pipe has room for when it is ready to be written to (4096), with
/// the line about lost messages.
const ROOM: usize = 4000;

/// Who said a line: the supervisor (`None`) or a role.
pub(crate) type Source = Option<Kind>;

/// What the command line and the configuration say about logging.
#[derive(Clone, Debug, Default)]
pub(crate) struct Destinations {
    /// Syslog with this facility.
    pub(crate) syslog: Option<u8>,
    /// Standard error.
    pub(crate) console: bool,
    /// What syslog does not take goes to the machine's console.
    pub(crate) system_console: bool,
    /// A file, and one beside it for each role.
    pub(crate) file: Option<PathBuf>,
}

/// Writes lines to every destination.
#[derive(Debug)]
pub(crate) struct Writer {
    syslog: Option<Syslog>,
    console: Option<Console>,
    file: Option<PathBuf>,
    files: BTreeMap<Source, LogFile>,
    /// Namespace and instance, each with an underscore before it.
    suffix: String,
}

impl Writer {
    /// To these destinations.
    pub(crate) fn new(destinations: Destinations) -> Writer {
        let fallback = destinations.system_console.then(|| PathBuf::from("/dev/console"));
        Writer {
            syslog: destinations
                .syslog
                .map(|facility| Syslog::new(Path::new("/dev/log"), facility, fallback)),
            console: destinations.console.then(Console::new),
            file: destinations.file,
            files: BTreeMap::new(),
            suffix: String::new(),
        }
    }

    /// From now on the names of namespace and instance are part of idents and file names.
    pub(crate) fn set_names(&mut self, namespace: Option<&str>, instance: Option<&str>) {
        let suffix: String = [namespace, instance]
            .into_iter()
            .flatten()
            .map(|name| format!("_{name}"))
            .collect();
        if suffix != self.suffix {
            self.suffix = suffix;
            self.files.clear();
        }
    }

    /// Writes lines of `source`, whose process number is `pid`, as few system calls as the destinations allow.
    pub(crate) fn write(&mut self, source: Source, pid: Pid, lines: &[Line]) {
        self.write_streams(source, pid, lines);
        if let Some(error) = self.write_file(source, lines) {
            let line = Line::new(Level::Error, &error.to_string());
            self.write_streams(None, Pid::own(), &[line]);
        }
    }

    fn write_streams(&mut self, source: Source, pid: Pid, lines: &[Line]) {
        if let Some(syslog) = &mut self.syslog {
            let ident = format!("{}{}", source.map_or("Keepalived", Kind::ident), self.suffix);
            for line in lines {
                syslog.write(process::monotonic(), &ident, pid, line);
            }
        }
        if let Some(console) = &mut self.console {
            console.write(lines);
        }
    }

    /// The error, if it is new.
    fn write_file(&mut self, source: Source, lines: &[Line]) -> Option<SysError> {
        let base = self.file.as_ref()?;
        let kind = source.map(|kind| format!("_{}", kind.word())).unwrap_or_default();
        let path = with_suffix(base, &format!("{kind}{}", self.suffix));
        let file = self.files.entry(source).or_default();
        let text: String = lines
            .iter()
            .map(|line| format!("{}: {}\n", Date::local(line.at).file(), line.text))
            .collect();
        file.write(&path, &text, lines.len() as u64, process::monotonic())
    }
}

impl Sink for Writer {
    fn take(&mut self, line: Line) {
        self.write(None, Pid::own(), &[line]);
    }
}

/// `suffix` before the extension of a file name: `keepalived.log` and `_vrrp` give `keepalived_vrrp.log`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(suffix);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// One file, as long as it can be written.
#[derive(Debug, Default)]
struct LogFile {
    open: Option<File>,
    failed: Option<Instant>,
    lost: u64,
}

impl LogFile {
    /// Adds `text` of so many lines, or counts them as lost; the error, if the last attempt had none.
    fn write(&mut self, path: &Path, text: &str, lines: u64, now: Instant) -> Option<SysError> {
        if self.failed.is_some_and(|failed| now.since(failed) < RETRY) {
            self.lost += lines;
            return None;
        }
        match self.try_write(path, text) {
            Ok(()) => {
                (self.failed, self.lost) = (None, 0);
                None
            }
            Err(error) => {
                // A full disk, for one.
                self.open = None;
                self.lost += lines;
                self.failed.replace(now).is_none().then_some(error)
            }
        }
    }

    fn try_write(&mut self, path: &Path, text: &str) -> Result<(), SysError> {
        let mut file = match self.open.take() {
            Some(file) => file,
            None => process_files::open_append(path, 0o666)?,
        };
        let mut out = String::new();
        if self.lost > 0 {
            let date = Date::local(super::wall_time()).file();
            // The last line before may have been cut.
            out = format!("\n{date}: {} log messages were lost\n", self.lost);
        }
        out.push_str(text);
        file.write_all(out.as_bytes())
            .map_err(|source| SysError::new("write", path.display(), source))?;
        self.open = Some(file);
        Ok(())
    }
}

/// Standard error, as long as somebody reads it.
#[derive(Debug)]
struct Console {
    /// Of our own where possible: a terminal says that it can be written to when it has room for one byte, and a
    /// longer line would wait for the rest. Whether writing waits belongs to the open file, which others share.
    own: Option<File>,
    /// What did not fit.
    rest: Vec<u8>,
    /// The last line did not fit, so the next one does not wait.
    stuck: bool,
    lost: u64,
}

impl Console {
    fn new() -> Console {
        let path = Path::new("/proc/self/fd/2");
        let waits = std::fs::metadata(path).is_ok_and(|facts| {
            let kind = facts.file_type();
            kind.is_char_device() || kind.is_fifo()
        });
        // Files are never slow, sockets cannot be opened again; neither needs it.
        let own = waits.then(|| process_files::open_terminal(path).ok()).flatten();
        Console {
            own,
            rest: Vec::new(),
            stuck: false,
            lost: 0,
        }
    }

    fn write(&mut self, lines: &[Line]) {
        let mut text = String::new();
        let mut count = 0;
        for line in lines {
            let next = format!("{}: {}\n", Date::local(line.at).console(), line.text);
            if count > 0 && text.len() + next.len() > ROOM {
                self.put(&text, count);
                text.clear();
                count = 0;
            }
            text.push_str(&next);
            count += 1;
        }
        if count > 0 {
            self.put(&text, count);
        }
    }

    /// Writes `text` of so many lines, or counts them as lost.
    fn put(&mut self, text: &str, lines: u64) {
        let limit = if self.stuck { Duration::ZERO } else { PATIENCE };
        self.stuck = !self.write_rest(limit);
        if self.stuck {
            self.lost += lines;
            return;
        }
        if self.lost > 0 {
            let date = Date::local(super::wall_time()).console();
            self.rest = format!("{date}: {} log messages were lost\n", self.lost).into_bytes();
            self.lost = 0;
        }
        self.rest.extend_from_slice(text.as_bytes());
        self.stuck = !self.write_rest(limit);
    }

    /// Writes what there is, for so long at most. True if nothing is left.
    fn write_rest(&mut self, limit: Duration) -> bool {
        let stderr = io::stderr();
        let descriptor = self.own.as_ref().map_or(stderr.as_fd(), AsFd::as_fd);
        let until = process::monotonic().after(limit);
        while !self.rest.is_empty() {
            let patience = until.since(process::monotonic());
            if !linux::ipc::writable(descriptor, patience).unwrap_or(false) {
                return false;
            }
            let written = match &self.own {
                Some(own) => (&*own).write(&self.rest),
                None => stderr.lock().write(&self.rest),
            };
            match written {
                Ok(count) => drop(self.rest.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // A terminal that is gone: nobody is left to tell.
                Err(_) => self.rest.clear(),
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Reporter;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn each_process_has_its_own_log_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.log");
        let mut writer = Writer::new(Destinations {
            file: Some(path.clone()),
            ..Destinations::default()
        });
        writer.set_names(Some("ns"), Some("inst"));
        let writer = Rc::new(RefCell::new(writer));
        Reporter::new(Rc::<RefCell<Writer>>::clone(&writer), 0).info("first\nsecond\u{7}");
        writer
            .borrow_mut()
            .write(Some(Kind::Vrrp), Pid(1), &[Line::new(Level::Info, "third")]);
        let parent = std::fs::read_to_string(folder.path().join("k_ns_inst.log")).unwrap();
        let lines: Vec<&str> = parent.lines().map(|line| line.split_once(": ").unwrap().1).collect();
        assert_eq!(lines, ["first", "second "]);
        let vrrp = std::fs::read_to_string(folder.path().join("k_vrrp_ns_inst.log")).unwrap();
        assert!(vrrp.ends_with(": third\n"));
    }

    #[test]
    fn a_planted_link_is_no_log_file() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("k.log")).unwrap();
        let mut writer = Writer::new(Destinations {
            file: Some(folder.path().join("k.log")),
            ..Destinations::default()
        });
        writer.write(None, Pid(1), &[Line::new(Level::Info, "text")]);
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn a_log_file_that_can_be_written_again_says_how_much_it_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not_yet").join("k.log");
        let mut file = LogFile::default();
        let second = |n: u64| Instant::from_micros(n * 1_000_000);
        assert!(file.write(&path, "one\n", 1, second(1)).is_some());
        assert!(file.write(&path, "two\nthree\n", 2, second(3)).is_none(), "said once");
        std::fs::create_dir(folder.path().join("not_yet")).unwrap();
        assert!(file.write(&path, "four, in the pause\n", 1, second(3)).is_none());
        assert!(file.write(&path, "five\n", 1, second(4)).is_none());
        assert!(file.write(&path, "six\n", 1, second(4)).is_none());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(": 4 log messages were lost\nfive\nsix\n"), "{text}");
    }

    #[test]
    fn a_suffix_goes_before_the_extension() {
        let suffixed = |path: &str| with_suffix(Path::new(path), "_vrrp").display().to_string();
        assert_eq!(suffixed("/tmp/keepalived.log"), "/tmp/keepalived_vrrp.log");
        assert_eq!(suffixed("/tmp.d/keepalived"), "/tmp.d/keepalived_vrrp");
    }
}
