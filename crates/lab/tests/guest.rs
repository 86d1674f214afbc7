//! Virtual servers with a real ip_vs, inside a guest: Debian's own kernel under QEMU (`scripts/guest`).
//!
//! What is told is told in `crates/lab/guest`. Where no guest can be started the tests say so and pass.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use lab::daemon::Binary;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The guest did not come to an end, or could not begin.
const NO_GUEST: i32 = 125;
/// Where the original is on a Debian machine.
const ORIGINAL: &str = "/usr/sbin/keepalived";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A guest with our daemon and the scenarios; `files`: what else it has, `command`: what it does.
fn guest(files: &[&str], command: &[&str]) -> Output {
    let ours = Binary::ours().unwrap_or_else(|_| panic!("no daemon is built here (try `make build`)"));
    let folder = tempfile::tempdir().unwrap();
    let stripped = folder.path().join("keepalived");
    // One with what a debugger needs does not fit into the memory of the guest.
    let smaller = Command::new("strip").arg("-o").arg(&stripped).arg(&ours.path).status();
    if !smaller.is_ok_and(|status| status.success()) {
        std::fs::copy(&ours.path, &stripped).unwrap();
    }
    let mut guest = Command::new(root().join("scripts/guest"));
    // An hour is long enough for the slowest machine; what waits inside has deadlines of its own.
    guest.args(["-t", "3600", "-m", "1024"]);
    for program in ["ip", "ipvsadm", "nft", "bash"] {
        guest.args(["-p", program]);
    }
    guest
        .arg("-f")
        .arg(format!("{}:/opt/ours/keepalived", stripped.display()));
    for script in ["world.sh", "both.sh", "ours.sh", "demo.sh"] {
        let path = root().join("crates/lab/guest").join(script);
        guest.arg("-f").arg(format!("{}:/lab/{script}", path.display()));
    }
    for file in files {
        guest.args(["-f", file]);
    }
    guest.args(command).output().unwrap()
}

/// Whether there is a guest; says so if there is none.
fn has_guest() -> bool {
    let tried = Command::new(root().join("scripts/guest"))
        .args(["busybox", "true"])
        .output();
    let code = tried.as_ref().ok().and_then(|output| output.status.code());
    if code == Some(0) {
        return true;
    }
    println!("no guest can be started here: nothing tested ({tried:?})");
    assert!(code.is_none_or(|code| code == NO_GUEST || code == 1), "{tried:?}");
    false
}

/// The lines of a story that are not the daemon's own: headings and tables.
fn tables(said: &str) -> Vec<&str> {
    said.lines()
        .filter(|line| line.starts_with('#') || line.starts_with("-A ") || line.starts_with("-a "))
        .collect()
}

#[test]
fn the_table_is_what_the_original_makes_of_the_same_configuration() {
    if !has_guest() {
        return;
    }
    let story = |program: &str, files: &[&str]| {
        let output = guest(files, &["dash", "/lab/both.sh", program]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program}: {said}\n{errors}");
        said
    };
    let ours = story("/opt/ours/keepalived", &[]);
    assert!(tables(&ours).len() > 30, "{ours}");
    if Binary::ours().is_ok_and(|binary| binary.path == Path::new(ORIGINAL)) || !Path::new(ORIGINAL).exists() {
        println!("the original is not installed here: nothing to compare with");
        return;
    }
    let theirs = story(
        "/opt/original/keepalived",
        &[&format!("{ORIGINAL}:/opt/original/keepalived")],
    );
    assert_eq!(tables(&ours), tables(&theirs), "ours, then the original's");
}

#[test]
fn the_story_of_the_demo_comes_true() {
    if !has_guest() {
        return;
    }
    let output = guest(&[], &["dash", "/lab/demo.sh", "/opt/ours/keepalived"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("It answers again."), "{said}");
}

#[test]
fn what_others_change_is_put_right_and_a_dead_role_is_gone_on_from() {
    if !has_guest() {
        return;
    }
    let output = guest(&[], &["dash", "/lab/ours.sh", "/opt/ours/keepalived"]);
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
}
