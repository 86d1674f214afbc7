//! When the BFD process runs, and what it leaves behind.

#[allow(dead_code, reason = "shared by several test programs")]
mod support;

use support::{ONE_INSTANCE, Place, files, is_alive, wait_until};

const SESSION: &str = "bfd_instance path {\n neighbor_ip 10.99.0.2\n source_ip 10.99.0.1\n}\n";

#[test]
fn the_process_runs_where_there_is_a_session_says_who_it_is_and_leaves_nothing() {
    let place = Place::new(SESSION);
    let mut daemon = place.running(&[]);
    let role = place.pid("b.pid");
    assert!(is_alive(role));
    assert!(!place.path("v.pid").exists(), "there is nothing for the vrrp process");
    assert_eq!(
        std::fs::read_to_string(format!("/proc/{role}/comm")).unwrap(),
        "keepalived\n"
    );
    daemon.signal("USR1");
    daemon.wait_for("Printing BFD data for process(");
    wait_until("a dump is written", || {
        place
            .text("keepalived_bfd.data")
            .is_some_and(|text| text.contains("BFD Instance = path"))
    });
    daemon.stop();
    assert!(!is_alive(role));
    assert_eq!(files(place.path("").as_path(), "b."), Vec::<String>::new());
}

#[test]
fn an_option_keeps_the_process_away() {
    let place = Place::new(&format!("{ONE_INSTANCE}{SESSION}"));
    let daemon = place.running(&["--no_bfd"]);
    assert!(place.path("v.pid").exists());
    assert!(!place.path("b.pid").exists());
    daemon.stop();
}

#[test]
fn a_reload_starts_the_process_and_another_ends_it() {
    let place = Place::new(ONE_INSTANCE);
    let mut daemon = place.running(&[]);
    let vrrp = place.pid("v.pid");
    std::fs::write(place.path("k.conf"), format!("{ONE_INSTANCE}{SESSION}")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("Starting BFD child process");
    daemon.wait_for("Reload complete");
    let role = place.pid("b.pid");
    std::fs::write(place.path("k.conf"), ONE_INSTANCE).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("Reload complete");
    wait_until("the process ends", || !is_alive(role));
    wait_until("its pid file goes", || !place.path("b.pid").exists());
    assert_eq!(place.pid("v.pid"), vrrp, "the vrrp process is not touched");
    daemon.stop();
}
