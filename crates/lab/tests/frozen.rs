//! A role that is frozen, or hangs, must not cost the address for good: not when its supervisor is killed beside it, and
//! not while the supervisor lives. Ours only: the original knows no watchdog, and refuses to start beside such a role.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use lab::daemon::Binary;
use lab::scenario::{Act, Check, Scenario, Step, master_is};
use nix::sys::signal::Signal;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use support::{Lab, tenth};

/// Longer than anything here lasts, on any machine.
const LONG: Duration = Duration::from_secs(20);

fn serves_again(lab: &mut Lab) {
    lab.play(Scenario::steps(vec![
        Step::Within(LONG, master_is("a")),
        Step::Within(LONG, Check::Holds("a".into())),
    ]));
}

#[test]
fn a_frozen_role_of_a_killed_daemon_does_not_keep_the_next_one_from_starting() {
    let mut lab = Lab::start(tenth(), Binary::ours().unwrap());
    lab.a().stop().unwrap();
    lab.a().give_session();
    lab.play(Scenario::steps(vec![Step::Then(Act::Start("a".into()))]));
    serves_again(&mut lab);
    let role = lab.a().vrrp_role().unwrap();
    lab.note("SIGSTOP to the vrrp role");
    assert!(role.signal(Signal::SIGSTOP));
    lab.a().signal(Signal::SIGKILL).unwrap();
    lab.a().wait().unwrap();
    assert!(role.alive(), "it cannot end: it is stopped");
    lab.play(Scenario::steps(vec![Step::Then(Act::Start("a".into()))]));
    serves_again(&mut lab);
    assert!(!role.alive(), "{}", lab.timeline());
}

#[test]
fn a_role_that_hangs_is_replaced_where_a_watchdog_is_asked_for_and_the_supervisor_stays() {
    let mut lab = Lab::start(tenth(), Binary::ours().unwrap());
    lab.a().stop().unwrap();
    let path = lab.a().file("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_nonblocking(true).unwrap();
    lab.a().set_variable("NOTIFY_SOCKET", path);
    lab.a().set_variable("WATCHDOG_USEC", "2000000");
    lab.play(Scenario::steps(vec![Step::Then(Act::Start("a".into()))]));
    serves_again(&mut lab);
    let (supervisor, role) = (lab.a().supervisor().unwrap(), lab.a().vrrp_role().unwrap());
    lab.note("SIGSTOP to the vrrp role");
    assert!(role.signal(Signal::SIGSTOP));
    lab.until("the role is replaced", || !role.alive());
    serves_again(&mut lab);
    assert!(supervisor.alive());
    assert_eq!(lab.a().supervisor().unwrap(), supervisor);
    let mut text = [0; 512];
    let mut said = String::new();
    while let Ok(length) = systemd.recv(&mut text) {
        said += &String::from_utf8_lossy(text.get(..length).unwrap());
    }
    assert!(said.contains("WATCHDOG=1"), "{said}");
}
