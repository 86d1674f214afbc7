//! Virtual servers with a real ip_vs, inside a guest: Debian's own kernel under QEMU (`scripts/guest`).
//!
//! What is told is told in `crates/lab/guest`. Where no guest can be started the tests say so and pass, unless
//! `KEEPALIVED_GUEST` is set (see `lab::guest`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use lab::daemon::Binary;
use lab::guest::Guest;
use std::path::Path;
use std::process::Output;

/// Where the original is on a Debian machine.
const ORIGINAL: &str = "/usr/sbin/keepalived";

/// A guest with our daemon and the scenarios; `files`: what else it has and where, `command`: what it does.
fn guest(files: &[(&str, &str)], command: &[&str]) -> Output {
    let ours = Binary::ours().unwrap_or_else(|_| panic!("no daemon is built here (try `make build`)"));
    let mut guest = Guest::new(&["ip", "ipvsadm", "nft", "bash"]).unwrap();
    guest.executable(&ours.path, "/opt/ours/keepalived").unwrap();
    for script in ["world.sh", "both.sh", "ours.sh", "demo.sh", "vrf.sh"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest").join(script);
        guest.file(&path, &format!("/lab/{script}"));
    }
    for (outside, inside) in files {
        guest.file(Path::new(outside), inside);
    }
    guest.run(command).unwrap()
}

/// The lines of a story that are not the daemon's own: headings and tables.
fn tables(said: &str) -> Vec<&str> {
    said.lines()
        .filter(|line| line.starts_with('#') || line.starts_with("-A ") || line.starts_with("-a "))
        .collect()
}

#[test]
fn the_table_is_what_the_original_makes_of_the_same_configuration() {
    if !Guest::is_possible().unwrap() {
        return;
    }
    let story = |program: &str, files: &[(&str, &str)]| {
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
    let theirs = story("/opt/original/keepalived", &[(ORIGINAL, "/opt/original/keepalived")]);
    assert_eq!(tables(&ours), tables(&theirs), "ours, then the original's");
}

#[test]
fn the_story_of_the_demo_comes_true() {
    if !Guest::is_possible().unwrap() {
        return;
    }
    let output = guest(&[], &["dash", "/lab/demo.sh", "/opt/ours/keepalived"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("It answers again."), "{said}");
}

#[test]
fn what_others_change_is_put_right_and_a_dead_role_is_gone_on_from() {
    if !Guest::is_possible().unwrap() {
        return;
    }
    let output = guest(&[], &["dash", "/lab/ours.sh", "/opt/ours/keepalived"]);
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
}

#[test]
fn a_router_in_a_vrf_is_heard_and_hands_over() {
    if !Guest::is_possible().unwrap() {
        return;
    }
    let output = guest(&[], &["dash", "/lab/vrf.sh", "/opt/ours/keepalived"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert_eq!(tables(&said).len(), 6, "{said}");
}
