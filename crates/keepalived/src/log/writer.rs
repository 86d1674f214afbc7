//! Where the supervisor writes lines, its own and those of its roles: syslog, the terminal, files.
//!
//! Nothing here waits for a reader that is slow longer than [`PATIENCE`], and only once until it reads again.

use super::date::Date;
use super::syslog::Syslog;
use super::{Line, Sink};
use crate::role::Kind;
use linux::process::{self, Pid};
use linux::process_files;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a terminal or pipe may take to make room for a line.
const PATIENCE: Duration = Duration::from_millis(100);

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
    files: BTreeMap<Source, Option<File>>,
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
            console: destinations.console.then(Console::default),
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
        if let Some(syslog) = &mut self.syslog {
            let ident = format!("{}{}", source.map_or("Keepalived", Kind::ident), self.suffix);
            for line in lines {
                syslog.write(process::monotonic(), &ident, pid, line);
            }
        }
        if let Some(console) = &mut self.console {
            console.write(lines);
        }
        self.write_file(source, lines);
    }

    fn write_file(&mut self, source: Source, lines: &[Line]) {
        let Some(base) = &self.file else { return };
        let suffix = &self.suffix;
        let file = self.files.entry(source).or_insert_with(|| {
            let kind = source.map(|kind| format!("_{}", kind.word())).unwrap_or_default();
            process_files::open_append(&with_suffix(base, &format!("{kind}{suffix}")), 0o666).ok()
        });
        let text: String = lines
            .iter()
            .map(|line| format!("{}: {}\n", Date::local(line.at).file(), line.text))
            .collect();
        if let Some(open) = file
            && open.write_all(text.as_bytes()).is_err()
        {
            // A full disk, for one; opened again when the names change or the daemon is started again.
            *file = None;
        }
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

/// Standard error, as long as somebody reads it.
#[derive(Debug, Default)]
struct Console {
    /// The last line did not fit, so the next one does not wait.
    stuck: bool,
    lost: u64,
}

impl Console {
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
        let stderr = io::stderr();
        let limit = if self.stuck { Duration::ZERO } else { PATIENCE };
        self.stuck = !linux::ipc::writable(stderr.as_fd(), limit).unwrap_or(false);
        if self.stuck {
            self.lost += lines;
            return;
        }
        let mut out = String::new();
        if self.lost > 0 {
            let date = Date::local(super::wall_time()).console();
            out = format!("{date}: {} log messages were lost\n", self.lost);
            self.lost = 0;
        }
        out.push_str(text);
        // A terminal that is gone: nobody is left to tell.
        let _ = stderr.lock().write_all(out.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Level, Reporter};
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
    fn a_suffix_goes_before_the_extension() {
        let suffixed = |path: &str| with_suffix(Path::new(path), "_vrrp").display().to_string();
        assert_eq!(suffixed("/tmp/keepalived.log"), "/tmp/keepalived_vrrp.log");
        assert_eq!(suffixed("/tmp.d/keepalived"), "/tmp.d/keepalived_vrrp");
    }
}
