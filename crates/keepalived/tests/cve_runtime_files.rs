//! Files that the daemon makes where others may have been before it: regressions of CVEs of the original.
//!
//! CVE-2011-1784: pid files that everybody could write to. CVE-2018-19044: dumps through symbolic links. CVE-2018-19045: dumps
//! that everybody could read. CVE-2018-19046: dumps into files that somebody else had made.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

#[allow(dead_code, reason = "shared by several test programs")]
mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use support::{Daemon, Place, files, wait_until};

/// A user that is nobody else.
const STRANGER: u32 = 65_534;

/// What makes the daemon write every file it knows of: FOLDER stands for the folder of the test.
const EVERYTHING: &str = "\
global_defs {
    vrrp_notify_fifo FOLDER/fifo
    reload_file FOLDER/reload
    config_save_dir FOLDER/saved
    script_user root
}
track_file T {
    file FOLDER/tracked
    init_file 1
}
vrrp_instance VI_1 {
    state BACKUP
    interface e0
    virtual_router_id 50
    priority 70
    advert_int 1
    track_file {
        T
    }
    virtual_ipaddress {
        10.99.0.10/24
    }
}
virtual_server 192.0.2.200 80 {
    protocol TCP
    real_server 127.0.0.1 9 {
    }
}
";

/// Written once it runs.
const AT_START: [&str; 8] = [
    "k.pid",
    "v.pid",
    "c.pid",
    "v.holdings",
    "c.services",
    "k.log",
    "k_vrrp.log",
    "tracked",
];
/// Written on request.
const DUMPS: [&str; 5] = [
    "keepalived_parent.data",
    "keepalived.data",
    "keepalived_check.data",
    "keepalived.stats",
    "keepalived.json",
];

fn place() -> Place {
    let place = Place::new("");
    let folder = place.path("").display().to_string();
    let folder = folder.trim_end_matches('/');
    std::fs::write(place.path("k.conf"), EVERYTHING.replace("FOLDER", folder)).unwrap();
    place
}

/// A daemon that was started by somebody who gives everything away.
fn careless(place: &Place) -> Daemon {
    let log = format!("--log-file={}", place.path("k.log").display());
    let plain = place.command(&["-n", "-l", "-G", &log]);
    let mut command = Command::new("sh");
    command.args(["-c", "umask 0 && exec \"$@\"", "sh"]);
    command.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Daemon::start(command)
}

/// Has every dump written, and a reload done.
fn have_all_written(place: &Place, daemon: &mut Daemon) {
    daemon.wait_for("Startup complete");
    let json = Command::new(support::PROGRAM).arg("--signum=JSON").output().unwrap();
    let json = String::from_utf8(json.stdout).unwrap();
    for signal in ["USR1", "USR2", json.trim()] {
        daemon.signal(signal);
    }
    for name in DUMPS {
        wait_until(name, || {
            let facts = place.path(name).symlink_metadata();
            facts.is_ok_and(|facts| facts.is_file() && facts.uid() == 0 && facts.len() > 0)
        });
    }
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    wait_until("both configurations are kept", || {
        files(&place.path("saved"), "keepalived.conf.").len() == 2
    });
}

/// Every file beneath a folder with what the kernel says of it.
fn all(folder: &Path) -> BTreeMap<String, std::fs::Metadata> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        // A record that is written anew has had a temporary name meanwhile.
        let Ok(facts) = entry.path().symlink_metadata() else {
            continue;
        };
        if facts.is_dir() {
            found.extend(all(&entry.path()));
        }
        found.insert(entry.path().display().to_string(), facts);
    }
    found
}

#[test]
fn cve_2011_1784_and_cve_2018_19045_nobody_else_may_write_to_a_file_or_read_a_dump_whatever_the_mask() {
    let place = place();
    let mut daemon = careless(&place);
    have_all_written(&place, &mut daemon);
    for name in AT_START {
        assert!(place.path(name).exists(), "{name}");
    }
    assert!(place.path("fifo").metadata().unwrap().file_type().is_fifo());
    let own = [place.path("k.conf")];
    for (path, facts) in all(&place.path("")) {
        if own.iter().any(|own| own.display().to_string() == path) {
            continue;
        }
        let mode = facts.mode() & 0o777;
        assert_eq!(facts.uid(), 0, "{path}");
        assert_eq!(mode & 0o022, 0, "{path} has mode {mode:o}");
        // Others may know which process it is.
        let public = [".pid", "/tracked"].iter().any(|end| path.ends_with(end));
        assert!(public || mode & 0o077 == 0, "{path} has mode {mode:o}");
    }
    daemon.stop();
}

#[test]
fn cve_2011_1784_a_pid_file_that_a_stranger_made_or_everybody_may_write_to_is_made_anew() {
    let place = place();
    std::fs::write(place.path("k.pid"), "1\n").unwrap();
    chown(place.path("k.pid"), Some(STRANGER), None).unwrap();
    std::fs::write(place.path("v.pid"), "1\n").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(place.path("v.pid"), open).unwrap();
    let daemon = place.running(&[]);
    for name in ["k.pid", "v.pid"] {
        let facts = place.path(name).metadata().unwrap();
        assert_eq!((facts.uid(), facts.mode() & 0o777), (0, 0o644), "{name}");
    }
    assert_eq!(place.pid("k.pid"), daemon.pid());
    daemon.stop();
}

#[test]
fn cve_2018_19044_no_link_is_followed_at_any_place_that_is_written_to() {
    let place = place();
    let victim = place.path("victim");
    std::fs::write(&victim, "precious").unwrap();
    let planted: Vec<String> = AT_START
        .iter()
        .filter(|name| !name.ends_with(".pid"))
        .chain(&DUMPS)
        .map(|name| (*name).to_owned())
        // The names by which files are replaced.
        .chain(["v.holdings", "c.services", "reload"].map(|name| format!(".{name}.new")))
        .chain(["fifo".to_owned(), "reload".to_owned()])
        .collect();
    for name in &planted {
        symlink(&victim, place.path(name)).unwrap();
    }
    let mut daemon = careless(&place);
    have_all_written(&place, &mut daemon);
    let said = daemon.stop();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(
        victim.metadata().unwrap().mode() & 0o777,
        0o644,
        "nor was its mode changed"
    );
    assert!(said.iter().any(|line| line.contains("fifo")), "{said:#?}");
}

#[test]
fn cve_2018_19044_a_link_in_the_place_of_a_pid_file_keeps_the_process_from_starting() {
    for (name, what) in [("k.pid", None), ("v.pid", None), ("c.pid", Some("Healthcheck"))] {
        let place = place();
        let victim = place.path("victim");
        std::fs::write(&victim, "precious").unwrap();
        symlink(&victim, place.path(name)).unwrap();
        let mut daemon = place.daemon(&[]);
        daemon.wait_for(&format!("cannot lock {}", place.path(name).display()));
        match what {
            None => assert_ne!(daemon.end().0, Some(0), "{name}"),
            Some(_) => drop(daemon.stop()),
        }
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    }
}

#[test]
fn cve_2018_19046_a_file_that_a_stranger_has_made_is_not_written_into() {
    let place = place();
    // As the directory for temporary files: everybody may make files, and remove their own.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
    std::fs::set_permissions(place.path(""), open).unwrap();
    let names: Vec<&str> = DUMPS
        .iter()
        .copied()
        .chain(["v.holdings", "c.services", "reload", "k.log"])
        .collect();
    for name in &names {
        std::fs::write(place.path(name), "of a stranger").unwrap();
        chown(place.path(name), Some(STRANGER), None).unwrap();
    }
    let open: Vec<_> = names
        .iter()
        .map(|name| std::fs::File::open(place.path(name)).unwrap())
        .collect();
    let mut daemon = careless(&place);
    have_all_written(&place, &mut daemon);
    daemon.stop();
    for (name, file) in names.iter().zip(open) {
        let text = std::io::read_to_string(file).unwrap();
        assert_eq!(text, "of a stranger", "{name}");
    }
}

#[test]
fn cve_2018_19046_configurations_with_passwords_are_not_kept_in_the_directory_of_a_stranger() {
    let place = place();
    let saved = place.path("saved");
    let elsewhere = place.path("elsewhere");
    for folder in [&saved, &elsewhere] {
        std::fs::create_dir(folder).unwrap();
        chown(folder, Some(STRANGER), None).unwrap();
    }
    let refused = |daemon: &mut Daemon| {
        daemon.signal("HUP");
        daemon.wait_for("it belongs to user 65534");
        daemon.wait_for("Reload complete");
    };
    let mut daemon = place.running(&[]);
    refused(&mut daemon);
    std::fs::remove_dir(&saved).unwrap();
    symlink(&elsewhere, &saved).unwrap();
    refused(&mut daemon);
    daemon.stop();
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}
