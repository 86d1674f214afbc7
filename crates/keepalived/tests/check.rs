//! When the checker process runs, what it says and tells, and what it leaves behind. What it does to the kernel's table is
//! tested where there is one (crates/lab/tests/guest.rs).

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[allow(dead_code, reason = "shared by several test programs")]
mod support;

use support::{Place, files, is_alive, signal, wait_until};

/// A virtual server with one real server that is up as long as a file says 0.
fn servers(place: &Place, more: &str) -> String {
    let path = |name: &str| place.path(name).display().to_string();
    let (state, told) = (path("state"), path("told"));
    format!(
        "virtual_server 10.99.0.20 80 {{
            protocol TCP
            delay_loop 1
            warmup 0
            {more}
            quorum_down \"/usr/bin/dash -c 'echo $KEEPALIVED_VS $KEEPALIVED_STATE >>{told}'\"
            real_server 10.99.0.21 80 {{
                notify_up \"/usr/bin/dash -c 'echo $KEEPALIVED_RS $KEEPALIVED_STATE >>{told}'\"
                notify_down \"/usr/bin/dash -c 'echo $KEEPALIVED_RS $KEEPALIVED_STATE >>{told}'\"
                MISC_CHECK {{
                    misc_path \"/usr/bin/dash -c 'exit $(cat {state})'\"
                }}
            }}
        }}\n"
    )
}

fn place() -> Place {
    let place = Place::new("");
    std::fs::write(place.path("k.conf"), servers(&place, "")).unwrap();
    std::fs::write(place.path("state"), "0").unwrap();
    place
}

#[test]
fn the_process_runs_where_there_is_a_virtual_server_describes_itself_and_leaves_nothing() {
    let place = place();
    let mut daemon = place.running(&[]);
    let role = place.pid("c.pid");
    assert!(is_alive(role));
    daemon.wait_for("succeeded");
    daemon.signal("USR1");
    daemon.wait_for("Printing checker data for process(");
    wait_until("a dump is written", || {
        place
            .text("keepalived_check.data")
            .is_some_and(|text| text.contains("RS [10.99.0.21]:tcp:80: up") && text.contains("MISC_CHECK up"))
    });
    daemon.stop();
    assert!(!is_alive(role));
    assert_eq!(files(place.path("").as_path(), "c."), Vec::<String>::new());
}

#[test]
fn a_server_that_goes_and_comes_is_told_of_in_order_and_a_reload_forgets_nothing() {
    let place = place();
    let mut daemon = place.running(&[]);
    daemon.wait_for("succeeded");
    std::fs::write(place.path("state"), "1").unwrap();
    daemon.wait_for("Removing service [10.99.0.21]:tcp:80 from VS [10.99.0.20]:tcp:80");
    daemon.wait_for("Lost quorum 1-0=1 > 0 for VS [10.99.0.20]:tcp:80");
    std::fs::write(place.path("k.conf"), servers(&place, "lb_algo rr")).unwrap();
    let before = daemon.said.len();
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    assert!(
        !daemon.said[before..].iter().any(|line| line.contains("quorum")),
        "{:?}",
        daemon.said
    );
    std::fs::write(place.path("state"), "0").unwrap();
    daemon.wait_for("Adding service [10.99.0.21]:tcp:80 to VS [10.99.0.20]:tcp:80");
    let told = "[10.99.0.21]:tcp:80 DOWN\n[10.99.0.20]:tcp:80 DOWN\n[10.99.0.21]:tcp:80 UP\n";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    wait_until("everybody was told", || {
        // Those of different subjects run side by side.
        place.text("told").is_some_and(|text| sorted(&text) == sorted(told))
    });
    daemon.stop();
}

#[test]
fn a_process_that_dies_is_started_again_and_checks_go_on() {
    let place = place();
    let mut daemon = place.running(&[]);
    daemon.wait_for("succeeded");
    let role = place.pid("c.pid");
    signal(role, "KILL");
    daemon.wait_for("Healthcheck child process");
    daemon.wait_for("Starting Healthcheck child process");
    daemon.wait_for("succeeded");
    assert_ne!(place.pid("c.pid"), role);
    std::fs::write(place.path("state"), "3").unwrap();
    daemon.wait_for("failed with retry disabled (exited with status 3).");
    daemon.stop();
}
