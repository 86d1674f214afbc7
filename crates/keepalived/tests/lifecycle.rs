//! The life of a daemon: start, second start, dumps, reload, death of its processes, end.

#[allow(dead_code, reason = "shared by several test programs")]
mod support;

use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixDatagram;
use support::{Background, Daemon, ONE_INSTANCE, PATIENCE, Place, files, is_alive, signal, wait_until};

#[test]
fn a_daemon_that_is_told_to_end_ends_with_0_and_takes_its_files_with_it() {
    let place = Place::new(ONE_INSTANCE);
    let daemon = place.running(&[]);
    assert_eq!(place.pid("k.pid"), daemon.pid());
    let role = place.pid("v.pid");
    assert!(is_alive(role));
    assert_eq!(std::fs::metadata(place.path("v.pid")).unwrap().mode() & 0o777, 0o644);
    assert_eq!(
        std::fs::metadata(place.path("v.holdings")).unwrap().mode() & 0o777,
        0o600
    );
    let said = daemon.stop();
    assert!(!is_alive(role));
    assert_eq!(files(place.path("").as_path(), ""), ["k.conf"]);
    assert!(said.iter().any(|line| line.ends_with(": Stopping")), "{said:?}");
    assert!(said.last().unwrap().contains(": Stopped Keepalived v"), "{said:?}");
}

#[test]
fn sigint_ends_a_daemon_unless_it_is_to_be_ignored() {
    let place = Place::new(ONE_INSTANCE);
    let daemon = place.running(&[]);
    daemon.signal("INT");
    assert_eq!(daemon.end().0, Some(0));
    let mut daemon = place.running(&["--ignore-sigint"]);
    daemon.signal("INT");
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    daemon.stop();
}

#[test]
fn both_processes_are_called_keepalived() {
    let place = Place::new(ONE_INSTANCE);
    let daemon = place.running(&[]);
    for pid in [daemon.pid(), place.pid("v.pid")] {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        assert_eq!(name, "keepalived\n");
    }
    daemon.stop();
}

#[test]
fn a_role_inherits_nothing_but_its_channel() {
    let place = Place::new(ONE_INSTANCE);
    let daemon = place.running(&[]);
    let folder = format!("/proc/{}/fd", place.pid("v.pid"));
    let open: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
        .collect();
    assert!(!open.iter().any(|target| target.ends_with("k.pid")), "{open:?}");
    assert!(open.iter().any(|target| target.ends_with("v.pid")), "{open:?}");
    assert!(
        !open
            .iter()
            .any(|target| target.contains("/target/") || target.contains("k.conf")),
        "{open:?}"
    );
    daemon.stop();
}

#[test]
fn a_second_daemon_says_that_one_is_running_and_ends_with_0() {
    let place = Place::new(ONE_INSTANCE);
    let first = place.running(&[]);
    let (code, said) = place.daemon(&[]).end();
    assert_eq!(code, Some(0));
    assert!(
        said.last().unwrap().ends_with(": daemon is already running"),
        "{said:?}"
    );
    assert_eq!(place.pid("k.pid"), first.pid());
    first.stop();
}

#[test]
fn a_daemon_in_the_background_has_written_its_pid_when_the_command_returns() {
    let place = Place::new(ONE_INSTANCE);
    let status = place.command(&["-G"]).status().unwrap();
    assert_eq!(status.code(), Some(0));
    let daemon = place.pid("k.pid");
    let _guard = Background(daemon);
    assert!(is_alive(daemon));
    wait_until("the role runs", || {
        place.text("v.pid").is_some_and(|text| text.ends_with('\n'))
    });
    assert_eq!(
        std::fs::read_link(format!("/proc/{daemon}/cwd"))
            .unwrap()
            .display()
            .to_string(),
        "/"
    );
    signal(daemon, "TERM");
    wait_until("the daemon ends", || !is_alive(daemon));
    assert_eq!(files(place.path("").as_path(), ""), ["k.conf"]);
}

#[test]
fn a_link_in_the_place_of_a_pid_file_is_refused() {
    for name in ["k.pid", "v.pid"] {
        let place = Place::new(ONE_INSTANCE);
        std::fs::write(place.path("victim"), "precious").unwrap();
        symlink(place.path("victim"), place.path(name)).unwrap();
        let (code, said) = place.daemon(&[]).end();
        assert_eq!(code, Some(1), "{said:?}");
        assert_eq!(place.text("victim").as_deref(), Some("precious"));
    }
}

#[test]
fn a_link_in_the_place_of_a_dump_is_replaced_and_not_followed() {
    let place = Place::new(ONE_INSTANCE);
    std::fs::write(place.path("victim"), "precious").unwrap();
    for name in [
        "keepalived.data",
        "keepalived_parent.data",
        "keepalived.stats",
        "keepalived.json",
    ] {
        symlink(place.path("victim"), place.path(name)).unwrap();
    }
    let daemon = place.running(&[]);
    let own = |name: &str| {
        std::fs::symlink_metadata(place.path(name)).is_ok_and(|facts| facts.is_file() && facts.mode() & 0o777 == 0o600)
    };
    for (name, file) in [
        ("USR1", "keepalived.data"),
        ("USR2", "keepalived.stats"),
        ("36", "keepalived.json"),
    ] {
        daemon.signal(name);
        wait_until(file, || own(file));
    }
    assert!(own("keepalived_parent.data"));
    let text = place.text("keepalived_parent.data").unwrap();
    assert!(
        text.contains(&format!(" VRRP process = pid {}, generation 1\n", place.pid("v.pid"))),
        "{text}"
    );
    assert_eq!(place.text("victim").as_deref(), Some("precious"));
    daemon.stop();
}

#[test]
fn a_role_that_dies_is_started_again_at_once_and_then_later() {
    let place = Place::new(ONE_INSTANCE);
    let mut daemon = place.running(&[]);
    let first = place.pid("v.pid");
    signal(first, "KILL");
    daemon.wait_for(&format!("pid {first} exited due to signal 9 (Killed)"));
    daemon.wait_for(&format!("VRRP child process({first}) died: Respawning"));
    daemon.wait_for("Starting VRRP child process, pid=");
    let second = place.pid("v.pid");
    assert_ne!(first, second);
    signal(second, "KILL");
    daemon.wait_for("Restart of VRRP process delayed 1 seconds to limit respawn rate");
    daemon.wait_for("Starting VRRP child process, pid=");
    assert_ne!(place.pid("v.pid"), second);
    daemon.stop();
}

#[test]
fn with_dont_respawn_the_death_of_a_role_ends_the_daemon() {
    let place = Place::new(ONE_INSTANCE);
    let daemon = place.running(&["-R"]);
    let role = place.pid("v.pid");
    signal(role, "KILL");
    let (code, said) = daemon.end();
    assert_eq!(code, Some(0));
    assert!(
        said.iter()
            .any(|line| line.ends_with(&format!("VRRP child process({role}) died: Exiting"))),
        "{said:?}"
    );
    // It did not withdraw, so the next daemon has to know its addresses.
    assert_eq!(files(place.path("").as_path(), ""), ["k.conf", "v.holdings"]);
}

#[test]
fn roles_end_when_the_supervisor_is_killed_and_the_next_daemon_waits_for_them() {
    let place = Place::new(ONE_INSTANCE);
    let daemon = place.running(&[]);
    let role = place.pid("v.pid");
    // The role cannot end yet, so the lock of its pid file is still held when the next daemon starts.
    signal(role, "STOP");
    daemon.signal("KILL");
    wait_until("the supervisor is dead", || !is_alive(place.pid("k.pid")));
    let mut next = place.daemon(&[]);
    next.wait_for("Command line: ");
    assert!(is_alive(role));
    signal(role, "CONT");
    next.wait_for("Startup complete");
    // It gave up the lock in its last breath.
    wait_until("the role has ended", || !is_alive(role));
    assert!(place.text("v.holdings").is_some());
    next.stop();
    drop(daemon);
}

#[test]
fn a_reload_is_acknowledged_and_requests_in_mid_reload_are_not_lost() {
    let place = Place::new(ONE_INSTANCE);
    let mut daemon = place.running(&[]);
    let role = place.pid("v.pid");
    signal(role, "STOP");
    daemon.signal("HUP");
    daemon.wait_for("Reloading ...");
    daemon.signal("HUP");
    daemon.signal("USR1");
    daemon.wait_for("Printing parent data");
    signal(role, "CONT");
    daemon.wait_for("Reload complete");
    daemon.wait_for("Reloading ...");
    daemon.wait_for("Reload complete");
    assert_eq!(place.pid("v.pid"), role);
    daemon.stop();
}

#[test]
fn a_dump_and_statistics_are_announced_by_the_process_they_are_about() {
    let place = Place::new(ONE_INSTANCE);
    let mut daemon = place.running(&[]);
    let role = place.pid("v.pid");
    daemon.signal("USR1");
    daemon.wait_for(&format!("Printing VRRP data for process({role}) on signal"));
    daemon.signal("USR2");
    daemon.wait_for(&format!("Printing VRRP stats for process({role}) on signal"));
    daemon.stop();
}

#[test]
fn systemd_hears_of_start_reload_and_end() {
    let place = Place::new(ONE_INSTANCE);
    let manager = UnixDatagram::bind(place.path("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut command = place.command(&["-n", "-l", "-G"]);
    command
        .env("NOTIFY_SOCKET", place.path("notify"))
        .env("WATCHDOG_USEC", "400000");
    let daemon = Daemon::start(command);
    let ready = format!("READY=1\nMAINPID={}\n", daemon.pid());
    assert_eq!(told(), ready);
    let environment = std::fs::read(format!("/proc/{}/environ", place.pid("v.pid"))).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("NOTIFY_SOCKET"));
    assert_eq!(told(), "WATCHDOG=1\n");
    let role = place.pid("v.pid");
    signal(role, "STOP");
    daemon.signal("HUP");
    let mut heard = told();
    while heard == "WATCHDOG=1\n" {
        heard = told();
    }
    assert!(heard.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{heard}");
    signal(role, "CONT");
    let mut heard = told();
    while heard == "WATCHDOG=1\n" {
        heard = told();
    }
    assert_eq!(heard, ready);
    daemon.signal("TERM");
    let mut heard = told();
    while heard == "WATCHDOG=1\n" {
        heard = told();
    }
    assert_eq!(heard, "STOPPING=1\n");
    assert_eq!(daemon.end().0, Some(0));
}

#[test]
fn a_role_whose_loop_does_not_turn_is_replaced_and_the_watchdog_stays_fed() {
    let place = Place::new(ONE_INSTANCE);
    let manager = UnixDatagram::bind(place.path("notify")).unwrap();
    let mut command = place.command(&["-n", "-l", "-G"]);
    command
        .env("NOTIFY_SOCKET", place.path("notify"))
        .env("WATCHDOG_USEC", "400000");
    let mut daemon = Daemon::start(command);
    daemon.wait_for("Startup complete");
    let role = place.pid("v.pid");
    signal(role, "STOP");
    daemon.wait_for("The VRRP process does not report its loop: killing it");
    daemon.wait_for("exited due to signal 9");
    // What was said before lies in the queue; what comes now comes after the replacement was decided.
    manager.set_nonblocking(true).unwrap();
    while manager.recv(&mut [0; 256]).is_ok() {}
    manager.set_nonblocking(false).unwrap();
    manager
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .unwrap();
    let mut text = [0; 256];
    let fed = (0..100).any(|_| {
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).contains("WATCHDOG=1")
    });
    assert!(fed);
    daemon.stop();
}

#[test]
fn a_log_file_has_the_nanoseconds_and_each_process_its_own() {
    let place = Place::new(ONE_INSTANCE);
    let log = place.path("k.log");
    let daemon = place.running(&["-D", &format!("--log-file={}", log.display())]);
    daemon.stop();
    let text = place.text("k.log").unwrap();
    let first = text.lines().next().unwrap();
    let (date, message) = first.split_once(": ").unwrap();
    assert_eq!(date.len(), "Sun Nov 22 12:40:02.123456789 2026".len(), "{first}");
    assert!(message.starts_with("Starting Keepalived v"), "{first}");
    assert!(place.text("k_vrrp.log").is_some());
}

#[test]
fn the_command_line_is_logged_with_each_word_in_quotes() {
    let place = Place::new(ONE_INSTANCE);
    let mut daemon = place.daemon(&["-i", "two words", "--debug", "stray"]);
    let line = daemon.wait_for("Command line: ");
    assert!(
        line.ends_with(" '-n' '-l' '-G' '-i' 'two words' '--debug' 'stray'"),
        "{line}"
    );
    daemon.wait_for("Unexpected argument(s): stray");
    daemon.wait_for("Option --debug is not implemented yet");
    daemon.wait_for("Startup complete");
    daemon.stop();
}

#[test]
fn the_mask_of_the_command_line_decides_the_mode_of_dumps() {
    let place = Place::new(ONE_INSTANCE);
    let daemon = place.running(&["-u", "022"]);
    daemon.signal("USR1");
    let mode = || {
        std::fs::metadata(place.path("keepalived_parent.data"))
            .map(|facts| facts.mode() & 0o777)
            .ok()
    };
    wait_until("the dump has the mode", || mode() == Some(0o644));
    daemon.stop();
}

#[test]
fn with_all_the_vrrp_process_runs_without_configuration() {
    let place = Place::new("global_defs {\n}\n");
    let daemon = place.running(&["--all"]);
    assert!(is_alive(place.pid("v.pid")));
    daemon.stop();
}

#[test]
fn a_role_that_is_told_to_end_by_somebody_else_withdraws_and_is_started_again() {
    let place = Place::new(ONE_INSTANCE);
    let mut daemon = place.running(&[]);
    let role = place.pid("v.pid");
    signal(role, "TERM");
    daemon.wait_for(&format!("VRRP child process({role}) died: Respawning"));
    daemon.wait_for("Starting VRRP child process, pid=");
    assert!(
        !daemon.said.iter().any(|line| line.contains("exited due to signal")),
        "{:?}",
        daemon.said
    );
    daemon.stop();
}

#[test]
fn a_reload_at_a_time_that_is_written_in_a_file_happens_then_and_once() {
    let place = Place::new("");
    // The folder comes later: it is watched as soon as it is there.
    let file = place.path("later/when");
    let configuration = format!(
        "global_defs {{\n reload_time_file {}\n}}\n{ONE_INSTANCE}",
        file.display()
    );
    std::fs::write(place.path("k.conf"), configuration).unwrap();
    let mut daemon = place.running(&[]);
    std::fs::create_dir(place.path("later")).unwrap();
    std::fs::write(&file, "whenever").unwrap();
    daemon.wait_for("no time to come - not reloading at a time");
    let soon = linux::reactor::wall_clock().as_secs() + 3;
    let (hour, minute, second) = (soon / 3600 % 24, soon / 60 % 60, soon % 60);
    std::fs::write(&file, format!("{hour:02}:{minute:02}:{second:02}Z\n")).unwrap();
    daemon.wait_for("Scheduling reload at ");
    daemon.wait_for("Reloading at the time that was given");
    daemon.wait_for("Reload complete");
    wait_until("the file is gone", || !file.exists());
    daemon.stop();
}

#[test]
fn configurations_and_what_roles_say_around_a_reload_are_kept_for_their_owner() {
    let place = Place::new("");
    let folder = place.path("kept");
    let configuration = format!(
        "global_defs {{\n config_save_dir {}\n}}\n{ONE_INSTANCE}",
        folder.display()
    );
    std::fs::write(place.path("k.conf"), &configuration).unwrap();
    let mut daemon = place.running(&[]);
    let pid = daemon.pid();
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    let names = [
        format!("keepalived.conf.{pid}.0"),
        format!("keepalived.conf.{pid}.1"),
        format!("keepalived_vrrp.{pid}.1.pre"),
        format!("keepalived_vrrp.{pid}.1.post"),
    ];
    for name in &names {
        let path = folder.join(name);
        wait_until(name, || {
            std::fs::metadata(&path).is_ok_and(|facts| facts.mode() & 0o777 == 0o600)
        });
    }
    assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    let kept = std::fs::read_to_string(folder.join(&names[1])).unwrap();
    assert!(kept.starts_with("# File ") && kept.ends_with(&configuration), "{kept}");
    let said = std::fs::read_to_string(folder.join(&names[3])).unwrap();
    assert!(said.contains(" VRRP Instance = "), "{said}");
    daemon.stop();
}

#[test]
fn a_configuration_that_is_checked_before_a_reload_and_has_mistakes_is_not_run() {
    let place = Place::new("");
    let log = place.path("check.log");
    let configuration = format!(
        "global_defs {{\n reload_check_config {}\n}}\n{ONE_INSTANCE}",
        log.display()
    );
    std::fs::write(place.path("k.conf"), &configuration).unwrap();
    let mut daemon = place.running(&[]);
    std::fs::write(place.path("k.conf"), format!("{configuration}nonsense\n")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("the new configuration has errors (code 5 of -t); keeping the running configuration");
    assert!(place.text("check.log").unwrap().contains("Unknown keyword 'nonsense'"));
    std::fs::write(place.path("k.conf"), &configuration).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    assert_eq!(place.text("check.log").unwrap(), "");
    daemon.stop();
}
