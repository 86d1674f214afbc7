//! Processes by identity, read from `/proc`.
//!
//! A process id alone is no identity: it may be another's by the time a signal is sent. A [`Process`] carries the
//! time it started as well, and a signal goes out only while both still match.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;

/// One process, for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Clock ticks from the boot of the machine to its start.
    started: u64,
}

/// What one line of `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: u8,
    parent: i32,
    started: u64,
}

impl Process {
    /// The process that now has this number.
    pub fn of(pid: i32) -> Option<Process> {
        let stat = read_stat(pid)?;
        Some(Process {
            pid,
            started: stat.started,
        })
    }

    /// Whether it still runs. A zombie does not.
    pub fn alive(&self) -> bool {
        read_stat(self.pid).is_some_and(|stat| stat.started == self.started && stat.state != b'Z')
    }

    /// Whether it is stopped by a signal.
    pub fn stopped(&self) -> bool {
        read_stat(self.pid).is_some_and(|stat| stat.started == self.started && stat.state == b'T')
    }

    /// Sends a signal; `false` if the process is gone.
    pub fn signal(&self, signal: Signal) -> bool {
        self.alive() && kill(Pid::from_raw(self.pid), signal).is_ok()
    }

    /// Its children that have ended and that it has not asked about.
    pub fn zombies(&self) -> Vec<i32> {
        let is_one = |pid: &i32| read_stat(*pid).is_some_and(|stat| stat.state == b'Z' && stat.parent == self.pid);
        all().into_iter().filter(is_one).collect()
    }

    /// The words it was started with.
    pub fn words(&self) -> Vec<String> {
        let text = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let words = text.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    /// All its living descendants, nearest first, itself not among them.
    pub fn descendants(&self) -> Vec<Process> {
        let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
        for pid in all() {
            if let Some(stat) = read_stat(pid).filter(|stat| stat.state != b'Z') {
                children.entry(stat.parent).or_default().push(Process {
                    pid,
                    started: stat.started,
                });
            }
        }
        let mut found = Vec::new();
        let mut next = vec![*self];
        while let Some(process) = next.pop() {
            // Each list is taken out, so a loop made by a reused number ends.
            for child in children.remove(&process.pid).unwrap_or_default() {
                found.push(child);
                next.push(child);
            }
        }
        found
    }
}

/// The numbers of all processes.
pub fn all() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

fn read_stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in brackets may itself hold brackets and spaces; what follows the last bracket is regular.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Stat { state, parent, started })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_name_with_brackets_does_not_confuse_the_reader() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        assert_eq!(
            parse_stat(line),
            Some(Stat {
                state: b'S',
                parent: 7,
                started: 12345
            })
        );
        assert_eq!(parse_stat("42 (short) S 7"), None);
    }

    #[test]
    fn a_process_that_ended_is_not_alive_and_gets_no_signal() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id() as i32).unwrap();
        assert!(process.alive());
        assert!(
            Process::of(std::process::id() as i32)
                .unwrap()
                .descendants()
                .contains(&process)
        );
        assert!(process.signal(Signal::SIGKILL));
        child.wait().unwrap();
        assert!(!process.alive());
        assert!(!process.signal(Signal::SIGKILL));
    }
}
