//! Nothing left: no descriptor, no room on the disk, no memory, no time on the processor.

use crate::place::{Group, Mounted, fill, limit, own_mounts, signal};
use crate::stand::{Cost, LONG, ORDINARY, Stand, conf, is_sample, times};
use crate::support::tenth;
use base::Rng;
use lab::journal::Seen;
use lab::process::Process;
use lab::scenario::{Act, Check, Scenario, Step};
use nix::sys::signal::Signal;
use std::fmt::Write;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

/// One more address, so that a reload is seen to have been carried out.
const MORE: &str = "    virtual_ipaddress_excluded {\n        10.0.0.61/24\n    }\n";
const MANY: &str = "20000";

impl Stand {
    fn stays(&mut self, millis: u64) {
        let time = Duration::from_millis(millis);
        self.lab.play(Scenario::steps(vec![Step::For(time, Check::Lives)]));
    }

    /// Reloads until the second address is there, or is not.
    fn reloads_with(&mut self, more: bool) {
        // Its end, or a stop that follows would be one in the middle of it.

        let text = conf(tenth(), 0, (if more { MORE } else { "" }, "", ""));
        self.configure(&text);
        let since = self.lab.now();
        self.lab.a().reload().unwrap();
        self.lab.seen(since, "a", |what| match what {
            Seen::AddressAdded(_, one) => more && one.to_string() == "10.0.0.61",
            Seen::AddressRemoved(_, one) => !more && one.to_string() == "10.0.0.61",
            Seen::Advert(_)
            | Seen::Announcement(_)
            | Seen::Answers(_)
            | Seen::Log(_)
            | Seen::Act(_)
            | Seen::Noted(_) => false,
        });
        self.says(since, "a", "Reload complete");
    }
}

#[test]
fn no_descriptor_is_left() {
    let fault = "no descriptor left (limit 0, 3 or what is in use): reload, dump, scripts, roles that die";
    let Some(mut stand) = Stand::start(fault, Cost::Nothing) else {
        return;
    };
    for time in 0..times() {
        for limits in ["0", "3", "16"] {
            stand.round(|stand| {
                let family = stand.family("a");
                limit(&family, "nofile", limits);
                let text = conf(tenth(), 0, (MORE, "", ""));
                stand.configure(&text);
                for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2] {
                    stand.lab.a().signal(signal).unwrap();
                    stand.stays(150);
                }
                // They cannot be started again for the time being.
                let role = ["bfd", "check", "manage"][time % 3];
                if let Some(process) = stand.role("a", role) {
                    process.signal(Signal::SIGKILL);
                }
                stand.stays(600);
                let family = stand.family("a");
                limit(&family, "nofile", MANY);
                for role in ["bfd", "check", "manage", "vrrp"] {
                    stand.await_role("a", role, None);
                }
                stand.configure(&text);
                stand.lab.a().reload().unwrap();
                stand.settle_reload();
            });
            stand.reloads_with(false);
        }
        // A fresh one: roles that died young are started again later and later.
        stand.stops_clean("a");
        stand.act(Act::Start("a".into()));
        stand.is_right();
    }
    stand.finish();
}

/// A limit of the vrrp role alone: what it is sent with a descriptor comes without.
#[test]
fn the_vrrp_role_can_take_no_descriptor() {
    let fault = "the vrrp role can take no descriptor: a reload is refused, a new bfd role is heard later";
    let Some(mut stand) = Stand::start(fault, Cost::Nothing) else {
        return;
    };
    for _ in 0..times() {
        stand.round(|stand| {
            let role = stand.await_role("a", "vrrp", None);
            limit(&[role], "nofile", "3");
            let since = stand.lab.now();
            stand.lab.a().reload().unwrap();
            // At once, and not when a minute is over.
            stand.says(since, "a", "keeping the running configuration");
            stand.says(since, "a", "Reload complete");
            let bfd = stand.await_role("a", "bfd", None);
            bfd.signal(Signal::SIGKILL);
            stand.await_role("a", "bfd", Some(bfd));
            stand.says(since, "a", "cannot take a descriptor from a message");
            limit(&[role], "nofile", MANY);
            let lifted = stand.lab.now();
            // It hears the new one: of a path that fails, and works again.
            stand.stays(1_500);
            let other = stand.await_role("b", "bfd", None);
            assert!(other.signal(Signal::SIGSTOP));
            stand.says(lifted, "a", "Tracked BFD instance path is DOWN");
            assert!(other.signal(Signal::SIGCONT));
            stand.says(lifted, "a", "Tracked BFD instance path is UP");
        });
        stand.stops_clean("a");
        stand.act(Act::Start("a".into()));
        stand.is_right();
    }
    stand.finish();
}

#[test]
fn no_process_can_be_started() {
    let fault = "no process can be started (control group): reload, dump, scripts, a role that dies";
    let Some(mut stand) = Stand::start(fault, Cost::Nothing) else {
        return;
    };
    for time in 0..times() {
        let Some(group) = Group::new("pids") else { return };
        stand.round(|stand| {
            group.take(&stand.family("a"));
            group.limit_processes(Some(0));
            let role = ["bfd", "check", "manage"][time % 3];
            let process = stand.await_role("a", role, None);
            process.signal(Signal::SIGKILL);
            stand.configure(&conf(tenth(), 0, (MORE, "", "")));
            for signal in [Signal::SIGUSR1, Signal::SIGHUP] {
                stand.lab.a().signal(signal).unwrap();
                stand.stays(300);
            }
            group.limit_processes(None);
            group.release();
            stand.await_role("a", role, Some(process));
            // The first one was refused: no thread could be had to read it.
            stand.lab.a().reload().unwrap();
            stand.settle_reload();
        });
        drop(group);
        stand.reloads_with(false);
        stand.stops_clean("a");
        stand.act(Act::Start("a".into()));
        stand.is_right();
    }
    stand.finish();
}

#[test]
fn every_process_but_the_vrrp_role_stands_still() {
    let fault = "supervisor, bfd, check and manage role stopped (SIGSTOP) for 1.5 s, one after the other";
    let Some(mut stand) = Stand::start(fault, Cost::Nothing) else {
        return;
    };
    for _ in 0..times() {
        for name in ["supervisor", "bfd", "check", "manage"] {
            stand.round(|stand| {
                let process = match name {
                    "supervisor" => stand.lab.a().supervisor().unwrap(),
                    role => stand.await_role("a", role, None),
                };
                assert!(process.signal(Signal::SIGSTOP));
                stand.stays(1_500);
                assert!(process.signal(Signal::SIGCONT));
            });
        }
    }
    stand.finish();
}

impl Stand {
    /// The second address is there, whether it came with a reload in the middle of the fault or with the one after it.
    fn settle_reload(&mut self) {
        let journal = self.lab.stage.network().journal.clone();
        let second = "10.0.0.61".parse().unwrap();
        let end = journal.clock.now() + LONG;
        let there = journal.wait(end, |picture, _| picture.has_address("a", second));
        assert!(there.is_some(), "never reloaded\n{}", journal.timeline());
    }
}

#[test]
fn the_vrrp_role_dies_when_no_descriptor_is_left() {
    let fault = "kill -9 of the vrrp role while no descriptor is left";
    let Some(mut stand) = Stand::start(fault, Cost::TakeOver) else {
        return;
    };
    for time in 0..times() {
        stand.round(|stand| {
            let family = stand.family("a");
            // With some it gets as far as the role, which has too few itself.
            limit(&family, "nofile", ["0", "3", "9", "12", "18"][time % 5]);
            let role = stand.await_role("a", "vrrp", None);
            role.signal(Signal::SIGKILL);
            stand.somebody_serves();
            stand.stays(1_500);
            let family = stand.family("a");
            limit(&family, "nofile", MANY);
        });
        stand.stops_clean("a");
        stand.act(Act::Start("a".into()));
        stand.is_right();
    }
    stand.finish();
}

/// Bytes of the disk on which everything is.
const DISK: u64 = 192 * 1024;

#[test]
fn the_disk_is_full() {
    own_mounts();
    let fault = "disk full (pid files, log files, records, dumps): reload, dumps, a role that dies, a stop";
    let mut disk = None;
    let started = Stand::start_with(fault, Cost::Nothing, tenth(), ("", "", ""), |lab| {
        disk = Some(Mounted::small(&lab.a().file(""), DISK));
        lab.a().configure(&conf(tenth(), 0, ("", "", ""))).unwrap();
        let log = format!("--log-file={}", lab.a().file("keepalived.log").display());
        lab.a().set_options(&["-n", "-l", "-D", "-G", &log]);
    });
    let Some(mut stand) = started else { return };
    let folder = stand.lab.a().file("");
    for time in 0..times() {
        stand.round(|stand| {
            stand.configure(&conf(tenth(), 0, (MORE, "", "")));
            let filler = fill(&folder);
            let since = stand.lab.now();
            stand.lab.a().reload().unwrap();
            stand.says(since, "a", "Reload complete");
            // More lines than the last page of the log has room for.
            for _ in 0..40 {
                for signal in [Signal::SIGUSR1, Signal::SIGUSR2] {
                    stand.lab.a().signal(signal).unwrap();
                    stand.stays(10);
                }
            }
            let role = ["bfd", "check", "manage"][time % 3];
            let process = stand.await_role("a", role, None);
            process.signal(Signal::SIGKILL);
            stand.await_role("a", role, Some(process));
            stand.stays(300);
            fs::remove_file(filler).unwrap();
            stand.settle_reload();
        });
        stand.reloads_with(false);
        let logs = || fs::read_dir(&folder).unwrap().flatten();
        let said = |entry: fs::DirEntry| fs::read_to_string(entry.path()).unwrap_or_default();
        stand.lab.until("a log says what it lost", || {
            logs().map(said).any(|text| text.contains("log messages were lost"))
        });
        // And an end on a full disk.
        let filler = fill(&folder);
        stand.stops_clean("a");
        for file in ["keepalived.pid", "vrrp.pid", "checkers.pid", "bfd.pid", "vrrp.holdings"] {
            assert!(!folder.join(file).exists(), "{file} is left");
        }
        fs::remove_file(filler).unwrap();
        // Or the log of a hundred times fills it.
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            if entry.path().extension().is_some_and(|end| end == "log") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        stand.act(Act::Start("a".into()));
        stand.is_right();
    }
    stand.stops_clean("a");
    // Unmounted first, or its folder could not be removed with the daemon.
    drop(disk);
    stand.configure(&conf(tenth(), 0, ("", "", "")));
    stand.lab.a().set_options(&["-n", "-l", "-D", "-G"]);
    stand.act(Act::Start("a".into()));
    stand.is_right();
    stand.finish();
}

/// A configuration that takes some megabytes to read.
fn long() -> String {
    let mut blocks = String::from("virtual_server_group G {\n");
    for n in 0..20_000 {
        writeln!(
            blocks,
            "    10.{}.{}.{} 80",
            20 + n / 62_500,
            n / 250 % 250,
            1 + n % 250
        )
        .unwrap();
    }
    blocks.push_str("}\n");
    conf(tenth(), 0, ("", "", &blocks))
}

#[test]
fn a_process_gets_no_more_memory() {
    let mut who = vec!["supervisor", "vrrp", "check", "bfd", "manage"];
    if is_sample() {
        who.truncate(2);
    }
    let fault = "no memory for one process (RLIMIT_AS): a long configuration is read";
    let Some(mut stand) = Stand::start(fault, Cost::TakeOver) else {
        return;
    };
    let (usual, long) = (conf(tenth(), 0, ("", "", "")), long());
    for _ in 0..times() {
        for name in &who {
            stand.round(|stand| {
                let process = match *name {
                    "supervisor" => stand.lab.a().supervisor().unwrap(),
                    role => stand.await_role("a", role, None),
                };
                limit(&[process], "as", &(size(process) * 1024).to_string());
                stand.configure(&long);
                stand.lab.a().reload().unwrap();
                stand.somebody_serves();
                std::thread::sleep(Duration::from_millis(500));
                limit(&[process], "as", "unlimited");
                stand.configure(&usual);
                stand.restart_if_gone("a");
            });
            stand.stops_clean("a");
            stand.act(Act::Start("a".into()));
            stand.is_right();
        }
    }
    stand.finish();
}

/// KiB of address space.
fn size(process: Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmSize:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

impl Stand {
    /// A daemon whose supervisor has died is started again, as an init system does.
    fn restart_if_gone(&mut self, router: &str) {
        if self.lab.stage.daemon(router).unwrap().fell_over() {
            self.lab.note("it is gone, and started again");
            self.has_no_process(router);
            self.act(Act::Start(router.into()));
        }
    }
}

#[test]
fn the_machine_has_no_more_memory_for_the_daemon() {
    let fault = "no memory for the daemon (control group, the kernel kills): a long configuration is read";
    let Some(mut stand) = Stand::start(fault, Cost::TakeOver) else {
        return;
    };
    let (usual, long) = (conf(tenth(), 0, ("", "", "")), long());
    for _ in 0..times() {
        let Some(group) = Group::new("memory") else { return };
        stand.round(|stand| {
            group.take(&stand.family("a"));
            group.limit_memory(Some(512 * 1024));
            stand.configure(&long);
            stand.lab.a().reload().unwrap();
            std::thread::sleep(Duration::from_millis(700));
            stand.somebody_serves();
            stand.configure(&usual);
            group.limit_memory(None);
            group.release();
            stand.restart_if_gone("a");
        });
        drop(group);
        stand.stops_clean("a");
        stand.act(Act::Start("a".into()));
        stand.is_right();
    }
    stand.finish();
}

#[test]
fn the_daemon_gets_a_fiftieth_of_a_processor() {
    let fault = "CPU: 2 ms of each 100 ms for all processes of the master, 3 s long, a reload meanwhile";
    let Some(mut stand) = Stand::start_with(fault, Cost::TakeOver, tenth(), ("", ORDINARY, ""), |_| {}) else {
        return;
    };
    for _ in 0..times() {
        let Some(group) = Group::new("cpu") else { return };
        group.limit_cpu(2_000);
        stand.round(|stand| {
            group.take(&stand.family("a"));
            stand.lab.a().reload().unwrap();
            stand.stays(3_000);
            group.release();
        });
    }
    stand.finish();
}

#[test]
fn the_daemon_stops_and_goes_in_pulses() {
    let fault = "CPU: all processes of both routers stopped for 10 to 400 ms, again and again, 3 s long";
    let Some(mut stand) = Stand::start_with(fault, Cost::TakeOver, tenth(), ("", ORDINARY, ""), |_| {}) else {
        return;
    };
    let mut rng = Rng::from_seed(11);
    for _ in 0..times() {
        stand.round(|stand| {
            let families = ["a", "b"].map(|name| stand.family(name));
            let end = stand.lab.now() + Duration::from_secs(3);
            while stand.lab.now() < end {
                let family = &families[usize::from(rng.below(2) == 0)];
                signal(family, Signal::SIGSTOP);
                std::thread::sleep(Duration::from_millis(10 + rng.below(390)));
                signal(family, Signal::SIGCONT);
                std::thread::sleep(Duration::from_millis(10 + rng.below(200)));
            }
        });
    }
    stand.finish();
}

/// What it does: nothing, and it ends after some seconds even if nobody is left to end it.
const BOUNDED: &str = "i=0; while [ $i -lt 3000000 ]; do i=$((i+1)); done";
const HOG: Duration = Duration::from_millis(700);

#[test]
fn a_real_time_program_takes_the_processor() {
    let fault = "CPU: a SCHED_FIFO program takes the processor of the master for 700 ms";
    let Some(mut stand) = Stand::start_with(fault, Cost::TakeOver, tenth(), ("", ORDINARY, ""), |_| {}) else {
        return;
    };
    for _ in 0..times() {
        stand.round(|stand| {
            for process in stand.family("a") {
                let pid = process.pid.to_string();
                let pinned = Command::new("taskset")
                    .args(["-a", "-p", "-c", "0", &pid])
                    .stdout(Stdio::null())
                    .status();
                assert!(pinned.unwrap().success() || !process.alive());
            }
            let mut hog = Command::new("taskset")
                .args(["-c", "0", "chrt", "-f", "60", "sh", "-c", BOUNDED])
                .spawn()
                .unwrap();
            // Ended by a thread that waits elsewhere: on that processor nobody gets to anything.
            std::thread::sleep(HOG);
            hog.kill().unwrap();
            hog.wait().unwrap();
        });
        // Free again, as those are that are started now.
        stand.stops_clean("a");
        stand.act(Act::Start("a".into()));
        stand.is_right();
    }
    stand.finish();
}
