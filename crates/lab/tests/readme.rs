//! The commands of the README run as they are written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_command_of_the_readme_runs_and_every_target_it_names_exists() {
    let root = root();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let makefile = std::fs::read_to_string(root.join("Makefile")).unwrap();
    let built = root.join("target/release/keepalived").exists();
    let commands = commands(&readme);
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        // Demo, simulation and tests are run by the Makefile beside this one; running them from here would never end.
        if let Some(target) = made(&command) {
            let rule = format!("\n{target}:");
            assert!(makefile.contains(&rule), "{command}: no such target");
        } else if built {
            let run = Command::new("sh")
                .arg("-c")
                .arg(&command)
                .current_dir(&root)
                .output()
                .unwrap();
            assert!(run.status.success(), "{command}: {run:?}");
        } else {
            eprintln!("skipped, nothing is built: {command}");
        }
    }
}

#[test]
fn the_readme_shows_a_mistake_with_the_exit_code_of_the_original() {
    let root = root();
    if !root.join("target/release/keepalived").exists() {
        eprintln!("skipped: nothing is built");
        return;
    }
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let commands: Vec<String> = commands(&readme)
        .into_iter()
        .filter(|line| line.contains("wrong.conf"))
        .collect();
    let script = commands.join("\n");
    let run = Command::new("sh")
        .arg("-c")
        .arg(script)
        .current_dir(&root)
        .output()
        .unwrap();
    let (said, shown) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert_eq!(said.trim(), "exit code 5");
    assert!(shown.contains("Line 3)"), "{shown}");
}

/// The lines of all fenced blocks, without their comments.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("\n```").skip(1).step_by(2);
    let lines = blocks.flat_map(|block| block.lines().skip(1));
    let commands = lines.map(|line| line.split(" # ").next().unwrap_or_default().trim().to_owned());
    commands.filter(|line| !line.is_empty()).collect()
}

/// The target of a `make` command, with or without variables before it.
fn made(command: &str) -> Option<&str> {
    let mut words = command.split_whitespace().skip_while(|word| word.contains('='));
    (words.next() == Some("make")).then(|| words.next().unwrap_or_default())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_path_buf()
}
