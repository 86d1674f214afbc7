//! Surroundings that are not as they should be: what stops others must not stop the daemon, nor make it busy.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

#[allow(dead_code, reason = "shared by several test programs")]
mod support;

use linux::ipc::{Channel, Received};
use linux::lock::{LockedFile, Locking};
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use support::{Background, Daemon, ONE_INSTANCE, PROGRAM, Place, is_alive, signal, wait_until};

/// Fields of `/proc/PID/stat` from the state on, which is field 3 of proc(5).
fn stat(pid: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').map(str::to_owned).collect()
}

/// Processor time used so far, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let fields = stat(pid);
    let used = fields.iter().skip(11).take(2);
    used.map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_terminal_that_nobody_reads_stops_neither_a_reload_nor_the_end() {
    let place = Place::new(ONE_INSTANCE);
    let command = place.command(&["-n", "-l", "-G"]);
    let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_string_lossy());
    let mut line = quoted(command.get_program());
    command
        .get_args()
        .for_each(|word| write!(line, " {}", quoted(word)).unwrap());
    // The terminal is as full as the pipe, which is never read.
    let mut terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the daemon runs", || {
        place.text("v.pid").is_some_and(|text| text.ends_with('\n'))
    });
    let _guards = [
        Background(terminal.id()),
        Background(place.pid("k.pid")),
        Background(place.pid("v.pid")),
    ];
    let daemon = place.pid("k.pid");
    let noise: String = (0..500).map(|number| format!("no_such_keyword_{number}\n")).collect();
    std::fs::write(place.path("k.conf"), format!("{noise}{ONE_INSTANCE}")).unwrap();
    for number in 10..30 {
        let last = ONE_INSTANCE.replace("10.99.0.10", &format!("10.99.0.{number}"));
        std::fs::write(place.path("k.conf"), format!("{noise}{last}")).unwrap();
        signal(daemon, "HUP");
        wait_until(&format!("reload {number}"), || {
            place
                .text("v.holdings")
                .is_some_and(|text| text.contains(&format!("10.99.0.{number}/")))
        });
    }
    signal(daemon, "TERM");
    wait_until("the daemon ends", || !is_alive(daemon));
    drop(terminal.stdout.take());
    let _ = terminal.kill();
    terminal.wait().unwrap();
}

#[test]
fn waiting_for_a_role_that_does_not_end_costs_no_processor_time_under_a_watchdog() {
    let place = Place::new(&format!("global_defs {{\n child_wait_time 2\n}}\n{ONE_INSTANCE}"));
    let _manager = UnixDatagram::bind(place.path("notify")).unwrap();
    let mut command = place.command(&["-n", "-l", "-G"]);
    command
        .env("NOTIFY_SOCKET", place.path("notify"))
        .env("WATCHDOG_USEC", "100000");
    let mut daemon = Daemon::start(command);
    daemon.wait_for("Startup complete");
    signal(place.pid("v.pid"), "STOP");
    daemon.signal("TERM");
    daemon.wait_for("Stopping");
    let before = ticks(daemon.pid());
    daemon.wait_for("failed to die - forcing termination");
    // Busy it would have used up to two seconds; a loaded machine gives it less, but not so much less.
    let used = stat_or_zero(daemon.pid()).saturating_sub(before);
    assert!(used < 20, "{used} hundredths of a second");
    daemon.end();
}

fn stat_or_zero(pid: u32) -> u64 {
    std::fs::metadata(format!("/proc/{pid}")).map_or(0, |_| ticks(pid))
}

#[test]
fn a_role_whose_pid_file_somebody_else_has_is_started_when_it_is_free() {
    let place = Place::new(ONE_INSTANCE);
    let mut daemon = place.running(&[]);
    let role = place.pid("v.pid");
    std::fs::remove_file(place.path("v.pid")).unwrap();
    let Locking::Locked(other) = LockedFile::lock(&place.path("v.pid"), 0o644).unwrap() else {
        panic!("it is held")
    };
    signal(role, "KILL");
    daemon.wait_for("is locked by another one");
    daemon.wait_for("is locked by another one");
    let before = daemon.said.len();
    drop(other);
    daemon.wait_for("Starting VRRP child process, pid=");
    assert!(daemon.said.len() - before < 10, "{:?}", daemon.said);
    daemon.stop();
}

#[test]
fn signals_that_the_starting_process_ignored_are_heard() {
    let place = Place::new(ONE_INSTANCE);
    let plain = place.command(&["-n", "-l", "-G"]);
    let mut command = Command::new(plain.get_program());
    for word in plain.get_args() {
        // Last, because shells take the news of their children again.
        if word == PROGRAM {
            command.args(["env", "--ignore-signal=CHLD,TERM,INT,HUP"]);
        }
        command.arg(word);
    }
    let mut daemon = Daemon::start(command);
    daemon.wait_for("Startup complete");
    let role = place.pid("v.pid");
    signal(role, "KILL");
    daemon.wait_for(&format!("VRRP child process({role}) died: Respawning"));
    daemon.wait_for("Starting VRRP child process, pid=");
    let second = place.pid("v.pid");
    signal(second, "TERM");
    daemon.wait_for(&format!("VRRP child process({second}) died: Respawning"));
    daemon.stop();
}

#[test]
fn a_role_that_a_reload_ends_and_that_does_not_end_is_killed() {
    let place = Place::new(&format!("global_defs {{\n child_wait_time 1\n}}\n{ONE_INSTANCE}"));
    let mut daemon = place.running(&[]);
    let role = place.pid("v.pid");
    signal(role, "STOP");
    std::fs::write(place.path("k.conf"), "global_defs {\n child_wait_time 1\n}\n").unwrap();
    daemon.signal("HUP");
    daemon.wait_for("VRRP process failed to die - forcing termination");
    wait_until("the role is gone", || !is_alive(role));
    daemon.stop();
}

#[test]
fn log_files_are_private_whatever_the_mask_of_the_starting_process() {
    let place = Place::new(ONE_INSTANCE);
    let plain = place.command(&["-n", "-G", &format!("--log-file={}", place.path("k.log").display())]);
    let mut command = Command::new("sh");
    command.args(["-c", "umask 0 && exec \"$@\"", "sh"]);
    command.arg(plain.get_program()).args(plain.get_args());
    let daemon = Daemon::start(command);
    wait_until("both have logged", || {
        place.path("k.log").exists() && place.path("k_vrrp.log").exists()
    });
    for name in ["k.log", "k_vrrp.log"] {
        assert_eq!(
            std::fs::metadata(place.path(name)).unwrap().mode() & 0o777,
            0o600,
            "{name}"
        );
    }
    daemon.stop();
}

#[test]
fn a_reload_changes_how_the_role_is_called_and_scheduled() {
    let named = |priority: i32, name: &str| {
        format!("global_defs {{\n vrrp_priority {priority}\n vrrp_process_name {name}\n}}\n{ONE_INSTANCE}")
    };
    let place = Place::new(&named(-3, "first"));
    let mut daemon = place.running(&[]);
    let role = place.pid("v.pid");
    let is = |nice: &str, name: &str| {
        std::fs::read_to_string(format!("/proc/{role}/comm")).unwrap().trim() == name && stat(role)[16] == nice
    };
    assert!(is("-3", "first"));
    std::fs::write(place.path("k.conf"), named(-5, "second")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    assert!(is("-5", "second"), "{:?}", stat(role));
    std::fs::write(place.path("k.conf"), ONE_INSTANCE).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    assert!(is("0", "keepalived"), "{:?}", stat(role));
    daemon.stop();
}

#[test]
fn configurations_are_compiled_beside_an_urgent_role_by_a_thread_that_is_not() {
    let urgent = "global_defs {\n    vrrp_rt_priority 20\n    vrrp_priority -7\n}\n";
    let place = Place::new(&format!("{urgent}{ONE_INSTANCE}"));
    let mut daemon = place.running(&[]);
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    let role = place.pid("v.pid");
    let tasks = std::fs::read_dir(format!("/proc/{role}/task")).unwrap();
    let named = |task: &std::path::Path| std::fs::read_to_string(task.join("comm")).unwrap_or_default();
    let mut compilers = tasks
        .map(|task| task.unwrap().path())
        .filter(|task| named(task).trim() == "compiler");
    let compiler = compilers
        .next()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let urgency = |task: u32| (stat(task)[38].clone(), stat(task)[16].clone());
    // SCHED_RR, and the normal class.
    assert_eq!(urgency(role), ("2".to_owned(), "-7".to_owned()));
    assert_eq!(urgency(compiler), ("0".to_owned(), "0".to_owned()));
    daemon.stop();
}

#[test]
fn an_option_whose_feature_comes_later_says_so_once() {
    let place = Place::new(ONE_INSTANCE);
    let mut daemon = place.daemon(&["--perf", "--perf"]);
    daemon.wait_for("Option --perf is not implemented yet");
    daemon.wait_for("Startup complete");
    let times = daemon
        .said
        .iter()
        .filter(|line| line.contains("is not implemented yet"));
    assert_eq!(times.count(), 1, "{:?}", daemon.said);
    daemon.stop();
}

#[test]
fn a_daemon_whose_role_has_never_run_is_not_ready_after_a_reload_that_is_refused() {
    let place = Place::new(ONE_INSTANCE);
    let manager = UnixDatagram::bind(place.path("notify")).unwrap();
    let plain = place.command(&["-n", "-l", "-G"]);
    let mut command = Command::new(plain.get_program());
    for word in plain.get_args() {
        // Too few descriptors for a channel to the role.
        if word == PROGRAM {
            command.args(["sh", "-c", "ulimit -n 10 && exec \"$@\"", "sh"]);
        }
        command.arg(word);
    }
    command.env("NOTIFY_SOCKET", place.path("notify"));
    let mut daemon = Daemon::start(command);
    daemon.wait_for("Too many open files");
    std::fs::write(
        place.path("k.conf"),
        ONE_INSTANCE.replace("interface e0", "interface none"),
    )
    .unwrap();
    daemon.signal("HUP");
    daemon.wait_for("keeping the running configuration");
    daemon.stop();
    manager.set_nonblocking(true).unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 256];
    while let Ok(length) = manager.recv(&mut buffer) {
        heard.push(String::from_utf8_lossy(buffer.get(..length).unwrap()).into_owned());
    }
    assert_eq!(heard, ["STOPPING=1\n"]);
}

#[test]
fn a_role_that_cannot_start_says_why_to_the_supervisor() {
    let (ours, theirs) = Channel::pair().unwrap();
    ours.send(b"no message of ours", &[]).unwrap();
    let output = Command::new(PROGRAM)
        .arg("--role=vrrp")
        .stdin(Stdio::from(theirs.into_fd()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let mut buffer = [0; 4096];
    let Received::Message { length, .. } = ours.receive(&mut buffer).unwrap() else {
        panic!("nothing was said")
    };
    let said = String::from_utf8_lossy(buffer.get(..length).unwrap()).into_owned();
    assert!(said.contains("the vrrp role cannot start: cannot "), "{said}");
}

#[test]
fn an_answer_that_nobody_takes_is_an_error_and_not_a_bug() {
    for option in ["-v", "-h", "--signum=STOP"] {
        let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg(option).stdout(full()).stderr(full());
        assert_eq!(command.status().unwrap().code(), Some(1), "{option}");
    }
}

#[test]
fn the_dump_names_no_instance_that_a_reload_has_removed() {
    let place = Place::new(ONE_INSTANCE);
    let mut daemon = place.running(&[]);
    std::fs::write(place.path("k.conf"), ONE_INSTANCE.replace("VI_1", "VI_2")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    daemon.signal("USR1");
    let dump = || place.text("keepalived_parent.data").unwrap_or_default();
    wait_until("the dump is there", || dump().contains("VRRP process"));
    assert!(!dump().contains("VI_1"), "{}", dump());
    daemon.stop();
}
