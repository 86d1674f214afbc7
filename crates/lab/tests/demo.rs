//! The demonstration keeps its promises: its last line, its exit code, and nothing left behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use lab::daemon::Binary;
use lab::process::Process;
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

#[test]
fn the_demo_ends_with_its_figure_and_leaves_nothing() {
    let Ok(binary) = Binary::ours() else {
        panic!("no daemon is built here (try `make build`)");
    };
    let (demo, output) = finish(start(&binary.path));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let last = said.lines().last().unwrap();
    let figure = last
        .strip_prefix("demo: ok, failover ")
        .and_then(|rest| rest.strip_suffix(" ms"));
    // Three intervals of a second and the skew, less what had passed since the last advert; the rest is a busy machine.
    let figure: u64 = figure.unwrap_or_else(|| panic!("{last}")).parse().unwrap();
    assert!((2_000..10_000).contains(&figure), "{last}");
    assert_eq!(left_over(demo), Vec::<String>::new());
}

#[test]
fn a_demo_whose_daemon_does_not_run_says_so_and_fails() {
    let (demo, output) = finish(start(Path::new("/bin/true")));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().last(), Some("demo: failed: a daemon ended by itself"));
    assert!(
        said.contains("=== the daemon ended by itself: exit status: 0"),
        "{said}"
    );
    assert_eq!(left_over(demo), Vec::<String>::new());
}

#[test]
fn an_interrupted_demo_cleans_up() {
    // Neither advertises nor ends: the demo is in the middle of waiting.
    let folder = tempfile::tempdir().unwrap();
    let idle = folder.path().join("idle");
    std::fs::write(&idle, "#!/bin/sh\n[ \"$1\" = -v ] || exec sleep 60\n").unwrap();
    std::fs::set_permissions(&idle, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut demo = start(&idle);
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let begun = lines.any(|line| line.unwrap().contains("Both daemons start"));
    assert!(begun);
    let pid = demo.id() as i32;
    assert!(!left_over(pid).is_empty());
    assert!(Process::of(pid).unwrap().signal(Signal::SIGINT));
    assert_eq!(demo.wait().unwrap().code(), Some(128 + Signal::SIGINT as i32));
    assert_eq!(left_over(pid), Vec::<String>::new());
}

fn start(daemon: &Path) -> Child {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/two-nodes");
    Command::new(env!("CARGO_BIN_EXE_demo"))
        .arg(examples)
        .env("KEEPALIVED_BIN", daemon)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn finish(demo: Child) -> (i32, Output) {
    (demo.id() as i32, demo.wait_with_output().unwrap())
}

/// What carries the number of a lab that is gone.
fn left_over(pid: i32) -> Vec<String> {
    let prefixes = [
        ("/run/netns".into(), format!("ka{pid}x")),
        (std::env::temp_dir(), format!("kalab.{pid}.")),
    ];
    let mut found = Vec::new();
    for (folder, prefix) in prefixes {
        let names = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        found.extend(names.filter(|name| name.starts_with(&prefix)));
    }
    found
}
