//! Scripts, FIFOs and mail of real daemons: who is told what, in which order, as whom, and for how long.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

#[allow(dead_code, reason = "shared by several test programs")]
mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use support::{Daemon, PATIENCE, Place, is_alive, wait_until};

/// A router that is alone and becomes master within a quarter of a second; `@` is the folder of the test.
const QUICK: &str = "\
vrrp_instance VI_1 {
    state BACKUP
    interface e0
    virtual_router_id 50
    priority 70
    version 3
    advert_int 0.05
    virtual_ipaddress {
        10.99.0.10/24
    }
@more
}
";

/// Writes one line for each call.
const RECORDER: &str = "#!/bin/sh\necho \"$# $*\" >> @log\n";

/// A place whose instance has these lines besides, and whose `global_defs` those.
fn place(global: &str, instance: &str) -> Place {
    let place = Place::new("");
    let text = format!(
        "global_defs {{\n script_user root\n{global}\n}}\n{}",
        QUICK.replace("@more", instance)
    );
    std::fs::write(place.path("k.conf"), fill(&place, &text)).unwrap();
    script(&place, "record", RECORDER);
    place
}

fn fill(place: &Place, text: &str) -> String {
    text.replace(
        '@',
        &format!("{}/", place.path("").to_str().unwrap().trim_end_matches('/')),
    )
    .replace("(at)", "@")
}

fn script(place: &Place, name: &str, text: &str) -> PathBuf {
    let path = place.path(name);
    std::fs::write(&path, fill(place, text)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn lines(place: &Place, name: &str) -> Vec<String> {
    place
        .text(name)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn wait_for_line(place: &Place, name: &str, line: &str) {
    wait_until(
        &format!("{line:?} in {name}, which has {:?}", lines(place, name)),
        || lines(place, name).iter().any(|known| known == line),
    );
}

/// Runs a command in the network namespace of a daemon.
fn inside(daemon: &Daemon, command: &str) {
    let net = format!("--net=/proc/{}/ns/net", daemon.pid());
    let status = Command::new("nsenter")
        .arg(net)
        .args(["sh", "-ec", command])
        .status()
        .unwrap();
    assert!(status.success(), "{command}");
}

#[test]
fn the_specific_script_runs_before_the_generic_one_and_the_end_is_told() {
    let place = place(
        "",
        "notify_backup \"@record to-backup\"\n notify_master \"@record 'to  master' \\x41\\\" \"\n notify @record\n notify_stop \"@record stopping\"",
    );
    let daemon = place.running(&[]);
    wait_for_line(&place, "log", "4 INSTANCE VI_1 MASTER 70");
    daemon.stop();
    assert_eq!(
        lines(&place, "log"),
        [
            "1 to-backup",
            "4 INSTANCE VI_1 BACKUP 70",
            "2 to  master A\"",
            "4 INSTANCE VI_1 MASTER 70",
            "1 stopping",
            "4 INSTANCE VI_1 STOP 70",
        ]
    );
}

#[test]
fn no_call_is_lost_and_none_overtakes_another_when_states_change_faster_than_scripts_run() {
    let place = place("vrrp_notify_fifo @fifo", "notify @slow");
    // Each call takes longer than a change, and one that overlapped another would be seen.
    script(
        &place,
        "slow",
        "#!/bin/sh\nmkdir @busy || echo OVERLAP >> @log\nsleep 0.02\n\
         echo \"$1 \\\"$2\\\" $3 $4\" >> @log\necho \"$KEEPALIVED_SEQUENCE $KEEPALIVED_PREVIOUS_STATE $KEEPALIVED_STATE\" >> @env\nrmdir @busy\n",
    );
    let mut daemon = place.daemon(&[]);
    wait_until("the FIFO is there", || place.path("fifo").exists());
    let told = follow(&place.path("fifo"));
    daemon.wait_for("Startup complete");
    for _ in 0..50 {
        inside(&daemon, "ip link set e0 down; ip link set e0 up");
    }
    wait_for_line(&place, "log", "INSTANCE \"VI_1\" MASTER 70");
    daemon.stop();
    let told: Vec<String> = told.iter().collect();
    assert!(told.len() > 50, "{told:?}");
    assert_eq!(told.last().unwrap(), "INSTANCE \"VI_1\" STOP 70");
    assert_eq!(lines(&place, "log"), told);
    let mut before = "INIT".to_owned();
    for (number, line) in lines(&place, "env").iter().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], (number + 1).to_string());
        assert_eq!(words[1], before, "{line}");
        before = words[2].to_owned();
    }
    assert!(!place.path("fifo").exists(), "made here, removed here");
}

/// Lines of a FIFO until it is closed.
fn follow(path: &Path) -> mpsc::Receiver<String> {
    let file = File::open(path).unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[test]
fn a_reader_of_a_fifo_is_started_gets_its_path_and_sees_the_last_line() {
    let place = place("notify_fifo @fifo\n notify_fifo_script \"@reader extra\"", "");
    script(
        &place,
        "reader",
        "#!/bin/sh\necho \"$1 $2\" > @args\nwhile read -r line; do echo \"$line\" >> @log; done < \"$2\"\n",
    );
    let daemon = place.running(&[]);
    wait_for_line(&place, "log", "INSTANCE \"VI_1\" MASTER 70");
    daemon.stop();
    wait_for_line(&place, "log", "INSTANCE \"VI_1\" STOP 70");
    let path = place.path("fifo");
    assert_eq!(lines(&place, "args"), [format!("extra {}", path.display())]);
    assert!(!path.exists());
}

#[test]
fn a_reload_tells_states_again_if_it_is_to_and_a_removed_instance_ends_as_deleted() {
    let place = place(
        "notify_fifo @fifo\n fifo_write_vrrp_states_on_reload",
        "notify_deleted @record\n notify @record",
    );
    let mut daemon = place.daemon(&[]);
    wait_until("the FIFO is there", || place.path("fifo").exists());
    let told = follow(&place.path("fifo"));
    daemon.wait_for("Startup complete");
    let next = || told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next(), "INSTANCE \"VI_1\" BACKUP 70");
    assert_eq!(next(), "INSTANCE \"VI_1\" MASTER 70");
    daemon.signal("HUP");
    assert_eq!(next(), "INSTANCE \"VI_1\" MASTER 70");
    daemon.wait_for("Reload complete");
    let text = place.text("k.conf").unwrap();
    let (global, _) = text.split_once("vrrp_instance").unwrap();
    let other = QUICK.replace("VI_1", "VI_2").replace("@more", "");
    std::fs::write(place.path("k.conf"), format!("{global}{other}")).unwrap();
    daemon.signal("HUP");
    wait_for_line(&place, "log", "4 INSTANCE VI_1 DELETED 70");
    daemon.wait_for("Reload complete");
    daemon.stop();
    let all: Vec<String> = told.iter().collect();
    assert!(all.contains(&"INSTANCE \"VI_1\" DELETED 70".to_owned()), "{all:?}");
}

#[test]
fn a_script_runs_as_its_user_with_no_groups_no_descriptors_and_a_clean_environment() {
    let place = place("", "notify_master @who nobody");
    script(
        &place,
        "who",
        "#!/bin/sh\nexec > @out/who\nid -u; id -g; id -G\nls /proc/$$/fd | wc -l\necho \"${LD_LIBRARY_PATH-none} ${NOTIFY_SOCKET-none}\"\n\
         grep -E 'SigBlk|SigIgn' /proc/$$/status | tr -d '\\t'\nps -o pgid= -p $$ | tr -d ' '; echo $$\n",
    );
    std::fs::set_permissions(place.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(place.path("out")).unwrap();
    std::fs::set_permissions(place.path("out"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = place.command(&["-n", "-l", "-G"]);
    command.env("LD_LIBRARY_PATH", "/nonexistent");
    let mut daemon = Daemon::start(command);
    daemon.wait_for("Startup complete");
    wait_until("the script has run", || lines(&place, "out/who").len() >= 9);
    daemon.stop();
    let said = lines(&place, "out/who");
    let nobody = "65534";
    assert_eq!(said[..3], [nobody, nobody, nobody]);
    // 0, 1, 2 and the script itself, which the shell reads from 10 or so.
    assert!(said[3].trim().parse::<u32>().unwrap() <= 5, "{said:?}");
    assert_eq!(said[4], "none none");
    assert_eq!(said[5], "SigBlk:0000000000000000");
    // The C library keeps 32 and 33 for itself and lets nobody change them.
    let ignored = u64::from_str_radix(said[6].trim_start_matches("SigIgn:"), 16).unwrap();
    assert_eq!(ignored & !(0b11 << 31), 0, "{said:?}");
    assert_eq!(said[7], said[8], "its own process group");
}

#[test]
fn a_startup_script_that_hangs_is_ended_with_all_it_started_and_the_daemon_goes_on() {
    let place = place("startup_script @hang\n startup_script_timeout 1", "");
    script(
        &place,
        "hang",
        "#!/bin/sh\ntrap '' TERM\nsetsid sh -c 'trap \"\" TERM; echo $$ > @stray; sleep 1000' &\nsleep 1000 & wait\nsleep 1000\n",
    );
    let mut daemon = place.daemon(&[]);
    daemon.wait_for("Running startup script");
    daemon.wait_for("startup script timed out");
    daemon.wait_for("Startup complete");
    let stray = place.pid("stray");
    wait_until("the process that left the group is gone", || !is_alive(stray));
    daemon.stop();
}

#[test]
fn the_startup_script_is_over_before_the_first_role_and_the_shutdown_script_after_the_last() {
    let place = place("startup_script @up\n shutdown_script \"@down now\"", "notify @record");
    script(&place, "up", "#!/bin/sh\nsleep 0.3\necho up >> @log\nexit 3\n");
    script(&place, "down", "#!/bin/sh\necho \"down $1\" >> @log\n");
    let mut daemon = place.daemon(&[]);
    daemon.wait_for("startup script failed, status 3");
    daemon.wait_for("Startup complete");
    wait_for_line(&place, "log", "4 INSTANCE VI_1 MASTER 70");
    let said = daemon.stop();
    let log = lines(&place, "log");
    assert_eq!(log.first().unwrap(), "up");
    assert_eq!(log.last().unwrap(), "down now");
    assert!(
        said.iter().any(|line| line.ends_with("shutdown script succeeded")),
        "{said:?}"
    );
}

#[test]
fn a_script_that_is_gone_by_the_time_it_is_wanted_is_named_in_the_log() {
    let place = place("", "notify_stop @gone");
    let gone = script(&place, "gone", "#!/bin/sh\n");
    let daemon = place.running(&[]);
    std::fs::remove_file(&gone).unwrap();
    let said = daemon.stop();
    let named = |line: &String| line.contains("cannot run") && line.contains(gone.to_str().unwrap());
    assert!(said.iter().any(named), "{said:?}");
}

#[test]
fn a_script_that_others_can_change_does_not_run_as_root_and_the_log_names_the_place_and_its_owner() {
    let place = place("enable_script_security", "notify @open/x");
    std::fs::create_dir(place.path("open")).unwrap();
    script(&place, "open/x", "#!/bin/sh\necho ran >> @log\n");
    std::fs::set_permissions(place.path("open"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut daemon = place.daemon(&[]);
    let (script, folder) = (place.path("open/x"), place.path("open"));
    daemon.wait_for(&format!(
        "Unsafe permissions found for script '{}' - disabling.",
        script.display()
    ));
    daemon.wait_for(&format!("directory {} can be written by everybody", folder.display()));
    daemon.wait_for("Startup complete");
    daemon.stop();
    assert_eq!(place.text("log"), None);
}

#[test]
fn a_check_ends_with_6_if_scripts_run_without_script_security() {
    let place = place("", "notify @record");
    let output = place.command(&["-t"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert_eq!(
        said,
        "SECURITY VIOLATION - scripts are being executed but script_security not enabled.\n"
    );
    let text = place
        .text("k.conf")
        .unwrap()
        .replace("script_user root", "script_user root\nenable_script_security");
    std::fs::write(place.path("k.conf"), text).unwrap();
    let output = place.command(&["-t"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn mail_goes_to_the_relay_and_a_relay_that_is_silent_holds_up_nothing() {
    let place = place(
        "router_id here\n smtp_server 127.0.0.1 2525\n smtp_connect_timeout 30\n notification_email_from \"a(at)example.com\"\n\
         notification_email {\n ops(at)example.com\n }\n smtp_alert\n startup_script @gate",
        "notify @record",
    );
    script(&place, "gate", "#!/bin/sh\nwhile [ ! -e @go ]; do sleep 0.01; done\n");
    let mut daemon = place.daemon(&[]);
    daemon.wait_for("Running startup script");
    let net = PathBuf::from(format!("/proc/{}/ns/net", daemon.pid()));
    let (sender, mails) = mpsc::channel();
    let (answer, may_answer) = mpsc::channel::<()>();
    let (bound, is_bound) = mpsc::channel();
    thread::spawn(move || {
        linux::namespace::join_network(&net).unwrap();
        let listener = TcpListener::bind("127.0.0.1:2525").unwrap();
        bound.send(()).unwrap();
        for stream in listener.incoming() {
            // Silent until the test has seen that nothing waits for it.
            let _ = may_answer.recv();
            if sender.send(relay(stream.unwrap())).is_err() {
                return;
            }
        }
    });
    is_bound.recv_timeout(PATIENCE).unwrap();
    std::fs::write(place.path("go"), "").unwrap();
    daemon.wait_for("Startup complete");
    wait_for_line(&place, "log", "4 INSTANCE VI_1 MASTER 70");
    answer.send(()).unwrap();
    answer.send(()).unwrap();
    let first = mails.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        first[1..4],
        ["MAIL FROM:<a@example.com>", "RCPT TO:<ops@example.com>", "DATA"]
    );
    assert!(
        first.contains(&"Subject: [here] VRRP Instance VI_1 - Entering BACKUP state".to_owned()),
        "{first:?}"
    );
    let second = mails.recv_timeout(PATIENCE).unwrap();
    assert!(
        second.contains(&"Subject: [here] VRRP Instance VI_1 - Entering MASTER state".to_owned()),
        "{second:?}"
    );
    assert!(second.contains(&"=> VRRP Instance is now owning VRRP VIPs <=".to_owned()));
    assert_eq!(second.last().unwrap(), "QUIT");
    drop(answer);
    daemon.stop();
}

/// A relay that takes one mail; gives every line it was sent.
fn relay(stream: std::net::TcpStream) -> Vec<String> {
    let mut to = stream.try_clone().unwrap();
    let mut lines = Vec::new();
    let mut in_text = false;
    to.write_all(b"220 relay\r\n").unwrap();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let text = match line.as_str() {
            "." => {
                in_text = false;
                "250 taken\r\n"
            }
            _ if in_text => "",
            "DATA" => {
                in_text = true;
                "354 go\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        let quit = line == "QUIT";
        lines.push(line);
        to.write_all(text.as_bytes()).unwrap();
        if quit {
            break;
        }
    }
    lines
}
