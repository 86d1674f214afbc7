//! Nobody reads: a syslog that blocks, a standard error that is full, a FIFO that is full, a disk that hangs.

use crate::place::{Mounted, freeze, hanging, own_mounts};
use crate::stand::{Cost, LONG, Stand, conf, times};
use crate::support::{Lab, tenth};
use lab::scenario::{Check, Scenario, Step};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// One more address, so that a reload is seen to have been carried out.
const MORE: &str = "    virtual_ipaddress_excluded {\n        10.0.0.61/24\n    }\n";

impl Stand {
    /// Says much, and is still able to reload.
    fn talks_and_reloads(&mut self, lines: &str) {
        for _ in 0..10 {
            for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGHUP] {
                self.lab.a().signal(signal).unwrap();
            }
            self.pauses(50);
        }
        for more in [true, false] {
            let lines = format!("{lines}{}", if more { MORE } else { "" });
            self.configure(&conf(tenth(), 0, (&lines, "", "")));
            self.lab.a().reload().unwrap();
            let journal = self.lab.stage.network().journal.clone();
            let second = "10.0.0.61".parse().unwrap();
            let end = journal.clock.now() + LONG;
            let there = journal.wait(end, |picture, _| picture.has_address("a", second) == more);
            assert!(there.is_some(), "never reloaded\n{}", journal.timeline());
        }
    }

    fn pauses(&mut self, millis: u64) {
        let time = Duration::from_millis(millis);
        self.lab.play(Scenario::steps(vec![Step::For(time, Check::Lives)]));
    }

    /// The same a number of times, then the end, which must not wait for a reader either.
    fn nobody_reads(mut self, lines: &str) {
        for _ in 0..times() {
            self.round(|stand| stand.talks_and_reloads(lines));
        }
        self.finish();
    }
}

#[test]
fn syslog_does_not_read() {
    own_mounts();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("log");
    // Somebody listens and never reads. The kernel lets ten messages wait.
    let logger = UnixDatagram::bind(&socket).unwrap();
    let device = Mounted::small(Path::new("/dev"), 1 << 20);
    device.devices();
    std::os::unix::fs::symlink(&socket, "/dev/log").unwrap();
    let started = Stand::start_with(
        "syslog does not read: reloads, dumps, a stop",
        Cost::Nothing,
        tenth(),
        ("", "", ""),
        |lab| lab.a().set_options(&["-n", "-l", "-D"]),
    );
    let Some(stand) = started else { return };
    stand.nobody_reads("");
    let mut buffer = [0; 512];
    logger.set_nonblocking(true).unwrap();
    let mut heard = 0;
    while logger.recv(&mut buffer).is_ok() {
        heard += 1;
    }
    assert!((1..1000).contains(&heard), "{heard} lines: the logger was not full");
}

#[test]
fn standard_error_is_full() {
    let started = Stand::start_with(
        "standard error full, nobody reads: reloads, dumps, a stop",
        Cost::Nothing,
        tenth(),
        ("", "", ""),
        |lab| lab.a().leave_unheard(),
    );
    let Some(stand) = started else { return };
    stand.nobody_reads("");
}

#[test]
fn a_fifo_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let globals = format!("    vrrp_notify_fifo {}\n", fifo.display());
    let started = Stand::start_with(
        "notify FIFO open and never read: reloads, dumps, a stop",
        Cost::Nothing,
        tenth(),
        ("", &globals, ""),
        |_| {},
    );
    let Some(mut stand) = started else { return };
    // Open for reading and never read; and full from the beginning.
    let mut options = fs::OpenOptions::new();
    let mut reader = options.read(true).write(true).open(&fifo).unwrap();
    {
        use nix::fcntl::{FcntlArg, OFlag, fcntl};
        use std::io::Write;
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        while reader.write_all(&[b'x'; 512]).is_ok() {}
    }
    for _ in 0..times() {
        stand.round(|stand| {
            for _ in 0..10 {
                stand.lab.a().signal(Signal::SIGUSR1).unwrap();
                stand.pauses(20);
            }
        });
    }
    stand.finish();
}

#[test]
fn the_disk_hangs() {
    own_mounts();
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = hanging(folder.path()) else { return };
    let at = folder.path().join("disk");
    let log = format!("--log-file={}", at.join("keepalived.log").display());
    let prepare = |lab: &mut Lab| {
        lab.a().set_options(&["-n", "-l", "-D", "-G", &log]);
        lab.a().set_variable("TMPDIR", at.clone());
    };
    let fault = "the disk of log files and dumps hangs for 2 s, the supervisor with it";
    let Some(mut stand) = Stand::start_with(fault, Cost::Nothing, tenth(), ("", "", ""), prepare) else {
        return;
    };
    for _ in 0..times() {
        stand.round(|stand| {
            freeze(&at, true);
            // What is said now is written nowhere, and who writes it waits.
            for signal in [Signal::SIGUSR1, Signal::SIGUSR2] {
                stand.lab.a().signal(signal).unwrap();
            }
            stand
                .lab
                .play(Scenario::steps(vec![Step::For(Duration::from_secs(2), Check::Lives)]));
            freeze(&at, false);
        });
        for lines in [MORE, ""] {
            stand.configure(&conf(tenth(), 0, (lines, "", "")));
            let since = stand.lab.now();
            stand.lab.a().reload().unwrap();
            stand.says(since, "a", "Reload complete");
        }
    }
    stand.finish();
    drop(disk);
}
