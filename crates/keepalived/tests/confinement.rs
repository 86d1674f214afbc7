//! What the processes of a running daemon may do: as the kernel says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

#[allow(dead_code, reason = "shared by several test programs")]
mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use support::{Daemon, Place, wait_until};

/// capabilities(7), by bit.
const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;
const NET_BIND_SERVICE: u64 = 1 << 10;
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;
const IPC_LOCK: u64 = 1 << 14;
const SYS_ADMIN: u64 = 1 << 21;
const SYS_NICE: u64 = 1 << 23;
const SYS_RESOURCE: u64 = 1 << 24;

/// A daemon with every role.
const ALL_ROLES: &str = "\
global_defs {
    script_user root
    checker_log_all_failures
}
bfd_instance B {
    neighbor_ip 10.99.0.7
    source_ip 10.99.0.1
}
vrrp_instance VI_1 {
    state MASTER
    interface e0
    virtual_router_id 50
    priority 70
    advert_int 0.1
    notify_master SCRIPT
    virtual_ipaddress {
        10.99.0.10/24
    }
}
virtual_server 192.0.2.200 80 {
    protocol TCP
    real_server 127.0.0.1 9 {
        TCP_CHECK {
            connect_timeout 1
        }
    }
}
";

/// Lines of `/proc/PID/status`, by name.
fn facts(status: &str) -> BTreeMap<String, String> {
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

fn of(process: &str) -> BTreeMap<String, String> {
    facts(&std::fs::read_to_string(format!("/proc/{process}/status")).unwrap())
}

fn mask(facts: &BTreeMap<String, String>, name: &str) -> u64 {
    u64::from_str_radix(&facts[name], 16).unwrap()
}

/// The roles of a daemon by name, with their process numbers.
fn roles(daemon: &Daemon) -> BTreeMap<String, String> {
    let pid = daemon.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let named = children.split_whitespace().filter_map(|child| {
        let line = std::fs::read_to_string(format!("/proc/{child}/cmdline")).ok()?;
        let role = line.split('\0').find_map(|word| word.strip_prefix("--role="))?;
        // On its way to become a script.
        if role == "launcher" {
            return None;
        }
        Some((role.to_owned(), child.to_owned()))
    });
    named.collect()
}

fn place() -> Place {
    let place = Place::new("");
    let script = place.path("script");
    let said = place.path("said");
    let text = format!(
        "#!/bin/sh\ncat /proc/self/status >{0}.new && mv {0}.new {0}\n",
        said.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let configuration = ALL_ROLES.replace("SCRIPT", script.to_str().unwrap());
    std::fs::write(place.path("k.conf"), configuration).unwrap();
    place
}

#[test]
fn each_role_of_a_running_daemon_has_given_up_what_it_does_not_need_and_scripts_have_not() {
    let place = place();
    let daemon = place.running(&["-x"]);
    let supervisor = of(&daemon.pid().to_string());
    let before = mask(&supervisor, "CapPrm");
    let usual = SYS_NICE | IPC_LOCK | SYS_RESOURCE;
    // The test is in a namespace of its own. The reports of processes come in that of process 1, if we may know which it is.
    let elsewhere = if std::fs::metadata("/proc/1/ns/net").is_ok() {
        SYS_ADMIN
    } else {
        0
    };
    let wanted = [
        ("vrrp", usual | NET_ADMIN | NET_RAW | DAC_READ_SEARCH | elsewhere),
        ("bfd", usual | NET_ADMIN),
        (
            "check",
            usual | NET_ADMIN | NET_RAW | NET_BIND_SERVICE | DAC_READ_SEARCH,
        ),
        ("manage", DAC_OVERRIDE),
    ];
    let roles = roles(&daemon);
    assert_eq!(roles.len(), wanted.len(), "{roles:?}");
    for (role, capabilities) in wanted {
        let facts = of(&roles[role]);
        for set in ["CapEff", "CapPrm"] {
            assert_eq!(mask(&facts, set), capabilities & before, "{set} of {role}");
        }
        for set in ["CapInh", "CapAmb", "CapBnd"] {
            assert_eq!(mask(&facts, set), 0, "{set} of {role}");
        }
        assert_eq!(facts["NoNewPrivs"], "1", "{role}");
        assert_eq!(facts["Seccomp"], "2", "{role}");
    }
    // Who starts scripts keeps what scripts may have.
    wait_until("the script has run", || place.path("said").exists());
    for facts in [supervisor, facts(&place.text("said").unwrap())] {
        assert_eq!(mask(&facts, "CapEff"), before);
        assert_eq!(facts["NoNewPrivs"], "0");
        assert_eq!(facts["Seccomp"], "0");
    }
    let said = daemon.stop();
    assert!(!said.iter().any(|line| line.contains("no use for")), "{said:#?}");
}

#[test]
fn the_operator_can_leave_every_process_its_privileges_to_find_out_what_is_to_blame() {
    let place = place();
    let mut command = place.command(&["-n", "-l", "-G", "-x"]);
    command.env("KEEPALIVED_SANDBOX", "off");
    let mut daemon = Daemon::start(command);
    daemon.wait_for("KEEPALIVED_SANDBOX=off: every process keeps all its privileges");
    daemon.wait_for("Startup complete");
    let before = mask(&of(&daemon.pid().to_string()), "CapPrm");
    for (role, pid) in roles(&daemon) {
        let facts = of(&pid);
        assert_eq!(mask(&facts, "CapEff"), before, "{role}");
        assert_eq!(facts["Seccomp"], "0", "{role}");
    }
    daemon.stop();
}
