//! Addresses in a real kernel after the death of processes: none stays that nobody advertises.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[allow(dead_code, reason = "shared by several test programs")]
mod support;

use std::process::Command;
use support::{Background, Daemon, PROGRAM, Place, is_alive, signal, wait_until};

/// A router that is master after a few advertisement intervals, with these virtual addresses.
fn quick_master(addresses: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\n state MASTER\n interface e0\n version 3\n virtual_router_id 50\n priority 200\n \
         advert_int 0.1\n virtual_ipaddress {{\n{addresses}\n}}\n}}\n"
    )
}

/// Addresses on `e0` of the network namespace of a process.
fn held(pid: u32) -> String {
    let target = pid.to_string();
    let words = ["-t", &target, "-n", "ip", "-o", "address", "show", "dev", "e0"];
    let output = Command::new("nsenter").args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn wait_for_addresses(pid: u32, with: &[&str], without: &[&str]) {
    wait_until(&format!("e0 has {with:?} and not {without:?}"), || {
        let held = held(pid);
        with.iter().all(|text| held.contains(text)) && !without.iter().any(|text| held.contains(text))
    });
}

#[test]
fn a_role_that_is_killed_in_the_middle_of_a_reload_leaves_no_old_address() {
    let place = Place::new(&quick_master("10.99.0.10/24"));
    let mut daemon = place.running(&[]);
    wait_for_addresses(daemon.pid(), &["10.99.0.10/24"], &[]);
    let role = place.pid("v.pid");
    signal(role, "STOP");
    std::fs::write(place.path("k.conf"), quick_master("10.99.0.11/24")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("Reloading ...");
    assert!(held(daemon.pid()).contains("10.99.0.10/24"));
    signal(role, "KILL");
    daemon.wait_for("Reload complete");
    wait_for_addresses(daemon.pid(), &["10.99.0.11/24", "10.99.0.1/24"], &["10.99.0.10/24"]);
    daemon.stop();
}

#[test]
fn a_daemon_cleans_up_after_one_that_was_killed_even_if_the_configuration_has_changed() {
    let place = Place::new(&quick_master("10.99.0.10/24\n10.99.0.11/24"));
    // Keeps the network namespace, and everything in it, past the death of the first daemon.
    let first = Daemon::start(with_keeper(&place.command(&[])));
    let holder = first.pid();
    wait_until("the first daemon runs", || {
        place.text("v.pid").is_some_and(|text| text.ends_with('\n'))
    });
    let (supervisor, role) = (place.pid("k.pid"), place.pid("v.pid"));
    let _guards = [Background(supervisor), Background(role)];
    wait_for_addresses(holder, &["10.99.0.10/24", "10.99.0.11/24"], &[]);
    // The role first, stopped, so that it cannot withdraw when it hears of its supervisor.
    signal(role, "STOP");
    signal(supervisor, "KILL");
    signal(role, "KILL");
    wait_until("both are dead", || !is_alive(supervisor) && !is_alive(role));
    assert!(held(holder).contains("10.99.0.10/24"));
    std::fs::write(place.path("k.conf"), quick_master("10.99.0.11/24")).unwrap();
    let mut command = Command::new("nsenter");
    command
        .args(["-t", &holder.to_string(), "-n", PROGRAM, "-n", "-l", "-G", "-f"])
        .arg(place.path("k.conf"));
    command
        .arg("-p")
        .arg(place.path("k.pid"))
        .arg("-r")
        .arg(place.path("v.pid"));
    let mut next = Daemon::start(command);
    next.wait_for("Startup complete");
    wait_for_addresses(holder, &["10.99.0.11/24", "10.99.0.1/24"], &["10.99.0.10/24"]);
    next.stop();
    wait_for_addresses(holder, &["10.99.0.1/24"], &["10.99.0.11/24", "10.99.0.10/24"]);
}

/// The same command, with a shell that stays in the namespace until it is killed.
fn with_keeper(command: &Command) -> Command {
    let mut words: Vec<String> = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let Some(script) = words.iter_mut().find(|word| word.contains("exec \"$@\"")) {
        *script = script.replace("exec \"$@\"", "\"$@\" -G && exec sleep 120");
    }
    let mut kept = Command::new(command.get_program());
    kept.args(words);
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            kept.env(name, value);
        }
    }
    kept
}
