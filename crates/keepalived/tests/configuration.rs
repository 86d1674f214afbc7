//! How the daemon and `-t` treat good and bad configurations.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[allow(dead_code, reason = "shared by several test programs")]
mod support;

use std::process::Command;
use support::{Background, ONE_INSTANCE, PROGRAM, Place, files, is_alive, signal, wait_until};

/// Exit code and messages of `-t` in a place with this configuration.
fn check(configuration: &str, option: &str) -> (Option<i32>, String, Place) {
    let place = Place::new(configuration);
    let option = option.replace('@', place.path("").to_str().unwrap());
    let output = place.command(&[&option]).output().unwrap();
    assert_eq!(output.stdout, b"");
    (output.status.code(), String::from_utf8(output.stderr).unwrap(), place)
}

#[test]
fn a_check_says_nothing_about_a_good_configuration_and_ends_with_0() {
    let (code, said, place) = check(ONE_INSTANCE, "-t");
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert_eq!(files(&place.path(""), ""), ["k.conf"]);
}

#[test]
fn a_check_says_where_an_error_is_and_ends_with_upstreams_codes() {
    let unknown = ONE_INSTANCE.replace("priority 70", "prioritty 70");
    let (code, said, _) = check(&unknown, "-t");
    assert_eq!(code, Some(5), "{said}");
    assert!(
        said.contains("k.conf: Line 5) ") && said.contains("prioritty"),
        "{said}"
    );
    let (code, said, _) = check(&ONE_INSTANCE.replace("priority 70", "priority"), "-t");
    assert_eq!(code, Some(2), "{said}");
    let place = Place::new("");
    std::fs::remove_file(place.path("k.conf")).unwrap();
    let output = place.command(&["-t"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

#[test]
fn a_check_can_write_to_the_end_of_a_file() {
    let unknown = ONE_INSTANCE.replace("priority 70", "prioritty 70");
    for option in ["--config-test=@report", "-t@report"] {
        let (code, said, place) = check(&unknown, option);
        assert_eq!((code, said.as_str()), (Some(5), ""));
        let first = place.text("report").unwrap();
        assert!(first.contains("prioritty"), "{first}");
        let again = format!("--config-test={}", place.path("report").display());
        assert_eq!(place.command(&[&again]).status().unwrap().code(), Some(5));
        assert_eq!(place.text("report").unwrap(), first.repeat(2));
    }
}

#[test]
fn a_check_can_answer_in_json_with_everything_a_program_needs() {
    let place = Place::new(&ONE_INSTANCE.replace("priority 70", "$P=prioritty\n  $P 70"));
    let output = place.command(&["-t", "--format", "json"]).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(5), &b""[..]));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["schema"], &report["exit_code"]), (&1.into(), &5.into()));
    let found = &report["diagnostics"][0];
    assert_eq!(found["code"], "unknown-keyword");
    assert_eq!(
        (&found["severity"], &found["class"]),
        (&"error".into(), &"unknown-keyword".into())
    );
    assert_eq!(found["message"], "Unknown keyword 'prioritty'");
    let file = place.path("k.conf").display().to_string();
    assert_eq!(
        found["line_text"],
        format!("({file}: Line 6) Unknown keyword 'prioritty'")
    );
    assert_eq!((&found["file"], &found["line"]), (&file.into(), &6.into()));
    assert_eq!((&found["column"], &found["end_column"]), (&3.into(), &5.into()));
    assert_eq!(found["expands_to"], "prioritty");
    assert_eq!(found["origin"][0]["line"], 5);
    assert_eq!(found["hints"][0], "did you mean `priority`?");
}

#[test]
fn a_check_can_be_told_to_draw_pictures_or_not() {
    let place = Place::new(&ONE_INSTANCE.replace("priority 70", "priority 700"));
    let said = |format: &str| {
        let output = place.command(&["-t", format]).output().unwrap();
        assert_eq!(output.status.code(), Some(5));
        String::from_utf8(output.stderr).unwrap()
    };
    let (text, plain) = (said("--format=text"), said("--format=plain"));
    assert!(text.contains("^^^") && !text.contains('\u{1b}'), "{text}");
    assert!(
        !plain.contains('^') && plain.lines().count() < text.lines().count(),
        "{plain}"
    );
}

#[test]
fn on_a_terminal_a_check_shows_the_line_with_a_mark_under_the_error() {
    let place = Place::new(&ONE_INSTANCE.replace("priority 70", "priority 700"));
    let line = format!("{PROGRAM} -t -f {}", place.path("k.conf").display());
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("priority 700") && said.contains('^'), "{said}");
}

#[test]
fn a_start_with_an_interface_that_does_not_exist_ends_with_2() {
    let place = Place::new(&ONE_INSTANCE.replace("interface e0", "interface none0"));
    let (code, said) = place.daemon(&[]).end();
    assert_eq!(code, Some(2), "{said:?}");
    assert!(said.iter().any(|line| line.contains("none0")), "{said:?}");
    assert_eq!(files(&place.path(""), ""), ["k.conf"]);
}

#[test]
fn a_reload_that_cannot_be_used_leaves_everything_as_it_was() {
    let place = Place::new(ONE_INSTANCE);
    let mut daemon = place.running(&[]);
    let role = place.pid("v.pid");
    let record = place.text("v.holdings").unwrap();
    let refused: [(&str, String, &str); 3] = [
        ("missing", String::new(), "keeping the running configuration"),
        (
            "interface",
            ONE_INSTANCE.replace("e0", "none0"),
            "keeping the running configuration",
        ),
        (
            "instance",
            format!("instance other\n{ONE_INSTANCE}"),
            "Cannot change instance name at a reload",
        ),
    ];
    for (case, text, said) in refused {
        if case == "missing" {
            std::fs::remove_file(place.path("k.conf")).unwrap();
        } else {
            std::fs::write(place.path("k.conf"), text).unwrap();
        }
        daemon.signal("HUP");
        daemon.wait_for(said);
    }
    assert_eq!(place.text("v.holdings").unwrap(), record);
    std::fs::write(place.path("k.conf"), ONE_INSTANCE).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    assert_eq!(place.pid("v.pid"), role);
    daemon.stop();
}

/// The record of what the vrrp role holds, without the line that says in which network.
fn recorded(place: &Place) -> Option<String> {
    let text = place.text("v.holdings")?;
    let (network, rest) = text.split_once('\n')?;
    assert!(network.starts_with("network "), "{text}");
    Some(rest.to_owned())
}

#[test]
fn the_record_of_addresses_follows_the_configuration_and_outlives_a_killed_daemon() {
    let place = Place::new(ONE_INSTANCE);
    let mut daemon = place.running(&[]);
    assert_eq!(recorded(&place).unwrap(), "e0 10.99.0.10/24\n");
    let other = ONE_INSTANCE.replace("10.99.0.10/24", "10.99.0.11/24\n10.99.0.12/24");
    std::fs::write(place.path("k.conf"), &other).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    let lines = "e0 10.99.0.11/24\ne0 10.99.0.12/24\n";
    wait_until("the record has the new addresses", || {
        recorded(&place).as_deref() == Some(lines)
    });
    let role = place.pid("v.pid");
    daemon.signal("KILL");
    signal(role, "KILL");
    drop(daemon);
    assert_eq!(recorded(&place).unwrap(), lines);
    std::fs::write(place.path("k.conf"), ONE_INSTANCE).unwrap();
    let next = place.running(&[]);
    // The role had the old ones as leftovers when it said that it runs.
    wait_until("the record has the configuration", || {
        recorded(&place).as_deref() == Some("e0 10.99.0.10/24\n")
    });
    next.stop();
    assert_eq!(place.text("v.holdings"), None);
}

#[test]
fn with_dont_release_vrrp_the_record_of_addresses_stays() {
    let place = Place::new(ONE_INSTANCE);
    place.running(&["-V"]).stop();
    assert_eq!(recorded(&place).as_deref(), Some("e0 10.99.0.10/24\n"));
}

#[test]
fn a_role_starts_and_ends_when_a_reload_gives_and_takes_its_configuration() {
    let place = Place::new("global_defs {\n}\n");
    let mut daemon = place.daemon(&[]);
    daemon.wait_for("keepalived has no configuration to run");
    daemon.wait_for("Startup complete");
    assert_eq!(place.text("v.pid"), None);
    std::fs::write(place.path("k.conf"), ONE_INSTANCE).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    let role = place.pid("v.pid");
    assert!(is_alive(role));
    std::fs::write(place.path("k.conf"), "global_defs {\n}\n").unwrap();
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    wait_until("the role has ended", || {
        !is_alive(role) && place.text("v.pid").is_none()
    });
    daemon.stop();
}

#[test]
fn virtual_servers_have_a_process_of_their_own_unless_it_is_not_wanted() {
    let blocks = "virtual_server 10.99.0.20 80 {\n protocol TCP\n real_server 10.99.0.21 80 {\n }\n}\n";
    let place = Place::new(&format!("{ONE_INSTANCE}{blocks}"));
    let mut daemon = place.daemon(&[]);
    daemon.wait_for("Starting Healthcheck child process");
    daemon.wait_for("Gained quorum 1+0=1 <= 1 for VS [10.99.0.20]:tcp:80");
    daemon.wait_for("Startup complete");
    daemon.stop();
    let mut quiet = place.daemon(&["-P"]);
    quiet.wait_for("Startup complete");
    let said = quiet.stop();
    assert!(!said.iter().any(|line| line.contains("Healthcheck")), "{said:?}");
}

#[test]
fn a_role_that_does_not_end_in_its_time_is_killed() {
    let place = Place::new(&format!("global_defs {{\n child_wait_time 1\n}}\n{ONE_INSTANCE}"));
    let daemon = place.running(&[]);
    let role = place.pid("v.pid");
    signal(role, "STOP");
    daemon.signal("TERM");
    let (code, said) = daemon.end();
    assert_eq!(code, Some(0), "{said:?}");
    assert!(
        said.iter()
            .any(|line| line.ends_with("VRRP process failed to die - forcing termination")),
        "{said:?}"
    );
    // What it held is still there.
    assert_eq!(files(&place.path(""), ""), ["k.conf", "v.holdings"]);
}

#[test]
fn a_password_is_never_said() {
    let secret = "s3cr3t99";
    let auth = format!("    authentication {{\n auth_type PASS\n auth_pass {secret}\n }}\n    advert_int 1");
    let place = Place::new(&ONE_INSTANCE.replacen("    advert_int 1", &auth, 1));
    let mut daemon = place.daemon(&["-d", "-D", "-D"]);
    daemon.wait_for("Startup complete");
    daemon.signal("USR1");
    wait_until("both dumps are there", || {
        ["keepalived.data", "keepalived_parent.data"]
            .iter()
            .all(|name| place.text(name).is_some())
    });
    let said = daemon.stop();
    assert!(said.iter().any(|line| line.contains("Pass(********)")), "{said:?}");
    let dumps = ["keepalived.data", "keepalived_parent.data"].map(|name| place.text(name).unwrap());
    for text in said.iter().chain(&dumps) {
        assert!(!text.contains(secret), "{text}");
    }
}

/// A network namespace with a name, removed with the test.
struct Netns(String);

impl Netns {
    fn new(name: &str) -> Netns {
        let netns = Netns(format!("ka-{name}-{}", std::process::id()));
        netns.ip(&["netns", "add", &netns.0]);
        for line in [
            "link add e0 type veth peer name e1",
            "link set e0 up",
            "address add 10.99.0.1/24 dev e0",
        ] {
            let words: Vec<&str> = ["-n", &netns.0].into_iter().chain(line.split(' ')).collect();
            netns.ip(&words);
        }
        netns
    }

    fn ip(&self, words: &[&str]) {
        assert!(
            Command::new("ip").args(words).status().unwrap().success(),
            "ip {words:?}"
        );
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

#[test]
fn a_daemon_in_a_network_namespace_has_its_own_run_folder_and_leaves_nothing() {
    let netns = Netns::new("s");
    let place = Place::new(ONE_INSTANCE);
    let own = std::path::Path::new("/run/keepalived").join(&netns.0);
    let mut command = Command::new(PROGRAM);
    command
        .arg("-f")
        .arg(place.path("k.conf"))
        .args(["-n", "-l", "-G", "-s", &netns.0]);
    command.env("TMPDIR", place.path("")).env_remove("NOTIFY_SOCKET");
    let mut daemon = support::Daemon::start(command);
    daemon.wait_for("Startup complete");
    let number = |name: &str| {
        std::fs::read_to_string(own.join(name))
            .unwrap()
            .trim()
            .parse::<u32>()
            .unwrap()
    };
    assert_eq!(number("keepalived.pid"), daemon.pid());
    let role = number("vrrp.pid");
    let _guard = Background(role);
    let inode = |path: String| {
        std::fs::metadata(path)
            .map(|facts| std::os::unix::fs::MetadataExt::ino(&facts))
            .unwrap()
    };
    for pid in [daemon.pid(), role] {
        assert_eq!(
            inode(format!("/proc/{pid}/ns/net")),
            inode(format!("/run/netns/{}", netns.0))
        );
    }
    daemon.stop();
    assert!(!own.exists());
}

#[test]
fn a_namespace_that_cannot_be_joined_ends_the_daemon_with_0() {
    let place = Place::new(ONE_INSTANCE);
    let (code, said) = place.daemon(&["-s", "no-such-namespace"]).end();
    assert_eq!(code, Some(0));
    assert!(
        said.iter()
            .any(|line| line.contains("cannot join network namespace /run/netns/no-such-namespace")),
        "{said:?}"
    );
}

#[test]
fn a_check_looks_at_the_interfaces_of_the_namespace_the_configuration_names() {
    let netns = Netns::new("t");
    let text = format!("net_namespace {}\n{ONE_INSTANCE}", netns.0);
    let place = Place::new(&text);
    let check = || {
        Command::new(PROGRAM)
            .arg("-t")
            .arg("-f")
            .arg(place.path("k.conf"))
            .output()
            .unwrap()
    };
    let output = check();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..]),
        "{output:?}"
    );
    drop(netns);
    assert_eq!(check().status.code(), Some(5), "the interface is missing as well");
}
