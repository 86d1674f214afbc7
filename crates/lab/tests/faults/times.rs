//! Clocks: a machine whose clocks show other times than those of its neighbour.

use crate::stand::{Cost, Stand, times};
use crate::support::tenth;
use lab::scenario::Act;

/// Seconds by which the clocks of `a` are ahead: a century.
const AHEAD: &str = "3155760000";

/// The clock of the day is one for all; it is set only in a guest (`crates/lab/guest/clock.sh`).
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
