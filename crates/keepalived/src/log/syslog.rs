//! Lines to the system's logger, as the C library sends them, without ever waiting for it.

use super::date::Date;
use super::{Line, MAX_LINE};
use base::Instant;
use linux::process::Pid;
use linux::process_files;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a logger that was not there is left alone before the next attempt to reach it: at boot it may come up
/// between two lines, and a flood of lines should not become a flood of attempts.
const RETRY: Duration = Duration::from_millis(20);

/// The way to the logger.
#[derive(Debug)]
pub(crate) struct Syslog {
    path: PathBuf,
    facility: u8,
    /// Where lines go that the logger does not take (`LOG_CONS`).
    fallback: Option<PathBuf>,
    socket: Option<UnixDatagram>,
    tried: Option<Instant>,
    lost: u64,
}

impl Syslog {
    /// To the logger that listens at `path`, usually `/dev/log`.
    pub(crate) fn new(path: &Path, facility: u8, fallback: Option<PathBuf>) -> Syslog {
        Syslog {
            path: path.to_owned(),
            facility,
            fallback,
            socket: None,
            tried: None,
            lost: 0,
        }
    }

    /// Sends one line. What cannot be sent is counted, and the count is sent when the logger is back.
    pub(crate) fn write(&mut self, now: Instant, ident: &str, pid: Pid, line: &Line) {
        let text = self.frame(ident, pid, line);
        if self.lost > 0 {
            let note = Line {
                text: format!("{} log messages were lost", self.lost),
                ..line.clone()
            };
            let note = self.frame(ident, pid, &note);
            if self.send(now, &note) {
                self.lost = 0;
            }
        }
        if self.lost == 0 && self.send(now, &text) {
            return;
        }
        self.lost += 1;
        if let Some(console) = &self.fallback {
            // The last resort; if it fails too, there is nobody left to tell.
            let _ = write_console(console, &format!("{ident}[{pid}]: {}\r\n", line.text));
        }
    }

    fn frame(&self, ident: &str, pid: Pid, line: &Line) -> String {
        let priority = u16::from(self.facility) * 8 + u16::from(line.level.severity());
        let mut text = format!("<{priority}>{} {ident}[{pid}]: ", Date::local(line.at).syslog());
        text.push_str(
            line.text
                .get(..line.text.floor_char_boundary(MAX_LINE))
                .unwrap_or_default(),
        );
        text
    }

    fn send(&mut self, now: Instant, text: &str) -> bool {
        // A logger that was restarted has a new socket: the first attempt finds the old one dead, the second is new.
        for _ in 0..2 {
            if self.socket.is_none() && !self.connect(now) {
                return false;
            }
            let Some(socket) = &self.socket else { return false };
            match socket.send(text.as_bytes()) {
                Ok(_) => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => self.socket = None,
            }
        }
        false
    }

    fn connect(&mut self, now: Instant) -> bool {
        if self.tried.is_some_and(|tried| now.since(tried) < RETRY) {
            return false;
        }
        let connected = UnixDatagram::unbound().and_then(|socket| {
            socket.connect(&self.path)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        // Only a failure starts the pause.
        self.tried = connected.is_err().then_some(now);
        self.socket = connected.ok();
        self.socket.is_some()
    }
}

fn write_console(path: &Path, text: &str) -> io::Result<()> {
    let mut console = process_files::open_terminal(path)?;
    if linux::ipc::writable(std::os::fd::AsFd::as_fd(&console), Duration::ZERO).unwrap_or(false) {
        console.write_all(text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Level;

    fn line(text: &str) -> Line {
        Line {
            level: Level::Info,
            at: Duration::from_secs(1_793_672_405),
            text: text.to_owned(),
        }
    }

    fn read(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_logger_that_comes_back_gets_the_number_of_lost_lines_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut syslog = Syslog::new(&path, 3, None);
        let millis = |n: u64| Instant::from_micros(n * 1000);
        syslog.write(millis(10), "Keepalived", Pid(7), &line("one"));
        let logger = UnixDatagram::bind(&path).unwrap();
        syslog.write(millis(10), "Keepalived", Pid(7), &line("two, in the pause"));
        syslog.write(millis(30), "Keepalived_vrrp", Pid(8), &line("three"));
        let first = read(&logger);
        assert!(first.starts_with("<30>Nov "), "{first}");
        assert!(
            first.ends_with(" Keepalived_vrrp[8]: 2 log messages were lost"),
            "{first}"
        );
        assert!(read(&logger).ends_with(" Keepalived_vrrp[8]: three"));
        // Restarted: a new socket at the same place.
        drop(logger);
        std::fs::remove_file(&path).unwrap();
        let logger = UnixDatagram::bind(&path).unwrap();
        syslog.write(millis(30), "Keepalived", Pid(7), &line("four"));
        assert!(read(&logger).ends_with(" Keepalived[7]: four"));
    }

    #[test]
    fn a_logger_that_does_not_read_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let _logger = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path, 3, None);
        for _ in 0..5000 {
            syslog.write(Instant::ZERO, "Keepalived", Pid(7), &line("more"));
        }
        assert!(syslog.lost > 0);
    }

    #[test]
    fn what_the_logger_does_not_take_goes_to_the_console_if_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let console = folder.path().join("console");
        std::fs::write(&console, "").unwrap();
        let mut syslog = Syslog::new(&folder.path().join("none"), 3, Some(console.clone()));
        syslog.write(Instant::ZERO, "Keepalived", Pid(7), &line("help"));
        assert_eq!(std::fs::read_to_string(console).unwrap(), "Keepalived[7]: help\r\n");
    }
}
