//! `keepalivedctl lint` as a program: what it prints and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

use std::path::Path;
use std::process::{Command, Output};

const INSTANCE: &str = "global_defs {
  enable_script_security
  script_user root
}
vrrp_script chk {
  script \"/usr/bin/curl -f http://127.0.0.1/\"
  weight -20
}
vrrp_instance web {
  interface eth0
  virtual_router_id 51
  @a priority 150
  @b priority 100
  authentication {
    auth_type PASS
    auth_pass geheim12
  }
  virtual_ipaddress {
    192.0.2.10
  }
  track_script {
    chk
  }
}
";

fn lint(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keepalivedctl"))
        .arg("lint")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.conf"), INSTANCE).unwrap();
    std::fs::write(folder.path().join("b.conf"), INSTANCE).unwrap();
    std::fs::write(folder.path().join("bad.conf"), "vrrp_instance x {\n  priority\n}\n").unwrap();
    folder
}

#[test]
fn one_good_file_gives_nothing_to_say() {
    let place = place();
    let output = lint(&["a.conf", "-i", "a"], place.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn the_files_of_two_nodes_say_who_is_master_and_what_does_not_move() {
    let place = place();
    let output = lint(&["a.conf", "b.conf", "-i", "a", "-i", "b"], place.path());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("(a.conf: Line 22) script `chk` can never move"), "{said}");
    assert!(said.contains("master: a.conf"), "{said}");
    assert!(said.contains("STAYS, priority 130: still the highest"), "{said}");
    assert!(said.contains("moves to b.conf") && !said.contains("geheim"), "{said}");
}

#[test]
fn programs_get_json() {
    let place = place();
    let output = lint(
        &["--format", "json", "a.conf", "b.conf", "-i", "a", "-i", "b"],
        place.path(),
    );
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], 1);
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["line"]),
        (&"weight-cannot-move".into(), &22.into())
    );
    let router = &report["routers"][0];
    assert_eq!((&router["vrid"], &router["master"]), (&51.into(), &"a.conf".into()));
    let last = router["failures"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["outcome"], &last["priority"]), (&"stays".into(), &130.into()));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("geheim"));
}

#[test]
fn a_file_that_cannot_be_read_ends_with_2() {
    let place = place();
    for file in ["none.conf", "bad.conf"] {
        let output = lint(&[file], place.path());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn the_committed_page_is_what_the_rules_say() {
    let output = lint(&["--rules"], Path::new("."));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/lint.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        output.stdout == committed.as_bytes(),
        "docs/reference/lint.md is not what the rules say; run `make docs` and commit it"
    );
}
