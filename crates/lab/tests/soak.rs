//! A whole daemon that has been at work for long is no larger than one that has begun: failed checks by the hundred thousand,
//! one reload after the other.
//!
//! `KEEPALIVED_SOAK=1000` (`make soak`) is a million failed checks and ten thousand reloads; without it a small part of that.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use lab::daemon::{Binary, Daemon, Make, PATIENCE};
use lab::journal::{Journal, Seen};
use lab::netns::Namespace;
use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use support::rounds;

/// KiB by which all processes together may grow, whatever was done: what an allocator keeps.
const SLACK: u64 = 1024;
/// Real servers, each asked twenty times a second.
const SERVERS: usize = 100;

/// A virtual server over so many real servers nobody is at, and one that is asked by a program which fails.
fn conf(servers: usize, program: bool) -> String {
    let mut text = String::from("global_defs {\n router_id r\n}\n");
    text.push_str("virtual_server 192.0.2.1 80 {\n delay_loop 0.05\n lb_algo rr\n lb_kind NAT\n protocol TCP\n");
    for n in 0..servers {
        let _ = writeln!(
            text,
            " real_server 127.0.1.{} {} {{\n  TCP_CHECK {{\n   connect_timeout 1\n   retry 0\n   warmup 0\n  }}\n }}",
            n % 250 + 1,
            9000 + n / 250
        );
    }
    if program {
        text.push_str(
            " real_server 127.0.2.1 80 {\n  MISC_CHECK {\n   misc_path /bin/false\n   user root\n   delay_loop 0.5\n   warmup 0\n  }\n }\n",
        );
    }
    text + "}\n"
}

struct Soaked {
    namespace: Arc<Namespace>,
    journal: Arc<Journal>,
    daemon: Daemon,
}

/// What the processes of a daemon hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    /// KiB of memory.
    memory: u64,
    descriptors: usize,
    processes: usize,
}

impl Soaked {
    /// One that runs; `None`: the original stands in for ours.
    fn start(conf: &str) -> Option<Soaked> {
        let binary = Binary::ours().unwrap();
        if binary.make == Make::Upstream {
            eprintln!("skipped: the original stands in for ours");
            return None;
        }
        let namespace = Arc::new(Namespace::create("s").unwrap());
        namespace.ip(&["link set lo up"]).unwrap();
        let journal = Journal::start();
        let mut daemon = Daemon::new("a", namespace.clone(), journal.clone(), binary, conf).unwrap();
        let begun = journal.clock.now();
        daemon.start().unwrap();
        let soaked = Soaked {
            namespace,
            journal,
            daemon,
        };
        soaked.says(begun, "Startup complete");
        Some(soaked)
    }

    fn says(&self, since: Duration, line: &str) {
        let end = self.journal.clock.now() + PATIENCE;
        let found = self.journal.wait_entry(
            since,
            end,
            |entry| matches!(&entry.what, Seen::Log(text) if text.contains(line)),
        );
        assert!(found.is_some(), "never: {line}");
    }

    fn reload(&mut self, conf: &str) {
        self.daemon.configure(conf).unwrap();
        let since = self.journal.clock.now();
        self.daemon.reload().unwrap();
        self.says(since, "Reload complete");
    }

    /// Connections in this namespace that came to nothing: as many checks have failed.
    fn failed(&self) -> u64 {
        let text = self
            .namespace
            .inside(|| fs::read_to_string("/proc/thread-self/net/snmp"));
        let text = text.unwrap().unwrap();
        let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let place = names.split(' ').position(|name| name == "AttemptFails").unwrap();
        values.split(' ').nth(place).unwrap().parse().unwrap()
    }

    fn wait_for_failures(&self, count: u64) {
        let mut last = (self.failed(), self.journal.clock.now());
        while last.0 < count {
            std::thread::sleep(Duration::from_millis(100));
            let now = (self.failed(), self.journal.clock.now());
            assert!(
                now.0 > last.0 || now.1 - last.1 < PATIENCE,
                "no check has failed for long: {now:?}"
            );
            if now.0 > last.0 {
                last = now;
            }
        }
    }

    /// What the supervisor and its roles hold; what it runs for a moment is left out.
    fn size(&self) -> Size {
        let supervisor = self.daemon.supervisor().unwrap();
        let role = self.daemon.role("checkers.pid").unwrap();
        let mut size = Size {
            memory: 0,
            descriptors: 0,
            processes: self.daemon.supervisor().unwrap().descendants().len(),
        };
        for process in [supervisor, role] {
            let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap();
            let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
            size.memory += line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
            size.descriptors += fs::read_dir(format!("/proc/{}/fd", process.pid)).unwrap().count();
        }
        size
    }

    /// The size has not grown by more than what there may be under way.
    fn has_not_grown(&self, before: Size, under_way: usize, after: &str) {
        let now = self.size();
        println!("{after}: {before:?}, then {now:?}");
        assert!(now.memory < before.memory + SLACK, "{after}: {before:?}, {now:?}");
        assert!(
            now.descriptors <= before.descriptors + under_way,
            "{after}: {before:?}, {now:?}"
        );
        assert!(now.processes <= before.processes + 2, "{after}: {before:?}, {now:?}");
    }
}

#[test]
fn checks_that_fail_leave_nothing_behind() {
    let Some(mut soaked) = Soaked::start(&conf(SERVERS, true)) else {
        return;
    };
    let wanted = (rounds(10) * 1000) as u64;
    soaked.wait_for_failures(wanted / 5);
    let before = soaked.size();
    soaked.wait_for_failures(wanted);
    soaked.has_not_grown(before, SERVERS, &format!("{wanted} failed checks"));
    soaked.daemon.stop().unwrap();
}

#[test]
fn reloads_leave_nothing_behind() {
    let texts = [conf(20, true), conf(21, false)];
    let [first, second] = &texts;
    let Some(mut soaked) = Soaked::start(first) else { return };
    let reloads = rounds(20) * 10;
    let mut before = None;
    for turn in 0..reloads {
        soaked.reload(if turn.is_multiple_of(2) { second } else { first });
        if turn + 1 == reloads / 5 {
            before = Some(soaked.size());
        }
    }
    soaked.has_not_grown(before.unwrap(), 21, &format!("{reloads} reloads"));
    soaked.daemon.stop().unwrap();
}
