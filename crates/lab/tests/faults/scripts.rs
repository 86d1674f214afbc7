//! Scripts that do harm: that never end and do not listen, that multiply, that hang in the kernel.

use crate::place::{freeze, hanging, own_mounts, signal};
use crate::stand::{Cost, Stand, times};
use crate::support::tenth;
use lab::netns::Namespace;
use lab::process::Process;
use lab::scenario::{Act, Check, Scenario, Step};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What they sleep, so that they are known by it.
const NAP: &str = "30.25";

fn program(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n: >\"$0.ran\"\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn folder() -> tempfile::TempDir {
    lab::netns::private_folder().unwrap()
}

/// Whether a program of [`program`] was run.
fn has_run(path: &str) -> bool {
    Path::new(&format!("{path}.ran")).exists()
}

/// Processes on a host whose command line has this word.
fn running(host: &Arc<Namespace>, word: &str) -> Vec<Process> {
    let all = host.processes().into_iter();
    all.filter(|process| process.words().iter().any(|one| one.contains(word)))
        .collect()
}

fn passes(stand: &mut Stand, millis: u64) {
    let time = Duration::from_millis(millis);
    stand.lab.play(Scenario::steps(vec![Step::For(time, Check::Lives)]));
}

#[test]
fn track_scripts_never_end_and_do_not_listen() {
    let folder = folder();
    let text = format!("trap '' TERM HUP INT\nwhile :; do sleep {NAP}; done");
    let deaf = program(folder.path(), "deaf", &text);
    let blocks = format!("vrrp_script deaf {{\n    script {deaf}\n    interval 1\n    timeout 1\n}}\n");
    let more = (
        "    track_script {\n        deaf weight 1\n    }\n",
        "",
        blocks.as_str(),
    );
    let fault = "a track script that never ends and ignores SIGTERM, then a stop";
    let Some(mut stand) = Stand::start_with(fault, Cost::Nothing, tenth(), more, |_| {}) else {
        return;
    };
    for _ in 0..times() {
        stand.round(|stand| passes(stand, 2_500));
        let host = stand.lab.host("a").clone();
        let count = running(&host, "deaf").len();
        assert!(count < 5 && has_run(&deaf), "{count} of them run");
        stand.stops_clean("a");
        stand.act(Act::Start("a".into()));
        stand.is_right();
    }
    stand.finish();
}

#[test]
fn a_notification_never_ends() {
    let folder = folder();
    let deaf = program(folder.path(), "deaf", &format!("trap '' TERM HUP INT\nsleep {NAP}"));
    let lines = format!("    notify_master {deaf}\n    notify_backup {deaf}\n");
    let fault = "notify scripts that never end, and the address moves all the same";
    let Some(mut stand) = Stand::start_with(fault, Cost::TakeOver, tenth(), (&lines, "", ""), |_| {}) else {
        return;
    };
    for _ in 0..times() {
        stand.round(|stand| {
            stand.act(Act::Cut("a".into()));
            stand.serves("b");
            stand.act(Act::Mend("a".into()));
        });
        for name in ["a", "b"] {
            let host = stand.lab.host(name).clone();
            let all = running(&host, "deaf");
            assert!(all.len() < 4, "one after the other, not {}", all.len());
            assert!(has_run(&deaf));
            // As whoever looks after the machine does.
            signal(&all, Signal::SIGKILL);
        }
    }
    // A notification outlives the daemon, as it does the original.
    stand.outlived_by(&["deaf", NAP]);
    stand.finish();
}

#[test]
fn a_track_script_multiplies() {
    let folder = folder();
    // Bounded, for the sake of the machine: each run makes a hundred, half of them in sessions of their own.
    let text =
        format!("i=0\nwhile [ $i -lt 50 ]; do\n  sleep {NAP} &\n  setsid sleep {NAP} &\n  i=$((i+1))\ndone\nwait");
    let bomb = program(folder.path(), "bomb", &text);
    let blocks = format!("vrrp_script bomb {{\n    script {bomb}\n    interval 1\n    timeout 1\n}}\n");
    let more = (
        "    track_script {\n        bomb weight 1\n    }\n",
        "",
        blocks.as_str(),
    );
    let fault = "a track script that makes a hundred processes each time, then a stop";
    let Some(mut stand) = Stand::start_with(fault, Cost::Nothing, tenth(), more, |_| {}) else {
        return;
    };
    for _ in 0..times() {
        stand.round(|stand| passes(stand, 2_500));
        let host = stand.lab.host("a").clone();
        let count = running(&host, NAP).len();
        assert!(count < 300, "{count} processes are left of its runs");
        assert!(has_run(&bomb));
        // Of those that leave their session while it is being ended some may escape (docs/reliability.md).
        stand.outlived_by(&[NAP]);
        stand.stops_clean("a");
        stand.act(Act::Start("a".into()));
        stand.is_right();
    }
    stand.finish();
}

#[test]
fn a_track_script_hangs_in_the_kernel() {
    own_mounts();
    let folder = folder();
    let Some(disk) = hanging(folder.path()) else { return };
    let at = folder.path().join("disk");
    let writes = program(folder.path(), "writes", &format!("echo alive >{}/alive", at.display()));
    let blocks = format!("vrrp_script writes {{\n    script {writes}\n    interval 1\n    timeout 1\n}}\n");
    let more = (
        "    track_script {\n        writes weight 1\n    }\n",
        "",
        blocks.as_str(),
    );
    let fault = "a track script that hangs in the kernel (state D, cannot be killed) for 4 s";
    let Some(mut stand) = Stand::start_with(fault, Cost::Nothing, tenth(), more, |_| {}) else {
        return;
    };
    for _ in 0..times() {
        stand.round(|stand| {
            freeze(&at, true);
            passes(stand, 4_000);
            let host = stand.lab.host("a").clone();
            let count = running(&host, "writes").len();
            freeze(&at, false);
            assert!((1..3).contains(&count), "{count} of them hang");
        });
    }
    stand.finish();
    drop(disk);
}
