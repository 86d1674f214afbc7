//! Clocks: a machine whose clocks show other times than those of its neighbour.

use crate::stand::{Cost, Stand, is_sample, ours, tell, times};
use crate::support::tenth;
use lab::guest::Guest;
use lab::scenario::Act;
use std::path::Path;

/// Seconds by which the clocks of `a` are ahead: a century.
const AHEAD: &str = "3155760000";

#[test]
fn the_clocks_of_one_router_show_another_time() {
    let fault =
        "monotonic and boot clock of one router a century ahead (time namespace), killed there and started outside";
    let wrapper = ["unshare", "-T", "--monotonic", AHEAD, "--boottime", AHEAD];
    let Some(mut stand) = Stand::start_with(fault, Cost::TakeOver, tenth(), ("", "", ""), |lab| {
        lab.a().wrap(&wrapper);
    }) else {
        return;
    };
    for time in 0..times() {
        // What one run leaves is found by the next, whose clocks show less than those of the one before.
        let words: &[&str] = if time.is_multiple_of(2) { &[] } else { &wrapper };
        stand.lab.a().wrap(words);
        stand.round(|stand| {
            stand.act(Act::Kill("a".into()));
            stand.serves("b");
            stand.act(Act::Start("a".into()));
        });
    }
    stand.finish();
}

/// There is one clock of the day for all of a machine, so it is set in a machine of its own (`crates/lab/guest/clock.sh`).
#[test]
fn the_clock_of_the_day_is_set() {
    let Some(ours) = ours() else { return };
    if is_sample() || !Guest::is_possible().unwrap() {
        return;
    }
    let mut guest = Guest::new(&["ip", "bash"]).unwrap();
    guest.executable(&ours.path, "/opt/ours/keepalived").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest/clock.sh");
    guest.file(&script, "/lab/clock.sh");
    let times = times();
    let output = guest
        .run(&["dash", "/lab/clock.sh", "/opt/ours/keepalived", &times.to_string()])
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(&format!("clock set {times} times, 0 changes of state")),
        "{said}"
    );
    tell(&format!(
        "the clock of the day is set, 5 s to decades, both ways, with and without auth_hmac\t{times}\tnothing\t-\t-\t0"
    ));
}
