//! The interface goes and comes, and somebody else takes away what is ours.

use crate::stand::{Cost, Stand, shown, times};
use crate::support::tenth;
use base::Rng;
use lab::journal::Seen;
use lab::scenario::{Check, Scenario, Step};
use std::time::Duration;

const LINES: &str = "    virtual_routes {\n        10.81.0.0/16 dev eth0\n    }\n    virtual_rules {\n        \
                     from 10.81.0.0/16 table 181 preference 181\n    }\n";

#[test]
fn the_interface_is_deleted_and_made_again() {
    delete_and_make_again("interface deleted and made again", LINES);
}

#[test]
fn the_interface_below_a_vmac_is_deleted_and_made_again() {
    let lines = format!("    use_vmac\n{LINES}");
    delete_and_make_again("interface below a VMAC deleted and made again", &lines);
}

fn delete_and_make_again(fault: &str, lines: &str) {
    let more = (lines, "    dynamic_interfaces\n", "");
    let Some(mut stand) = Stand::start_with(fault, Cost::TakeOver, tenth(), more, |_| {}) else {
        return;
    };
    let mut rng = Rng::from_seed(3);
    for _ in 0..times() {
        let pause = Duration::from_millis(rng.below(600));
        stand.round(|stand| {
            stand.lab.note("the interface is deleted");
            let again = stand.lab.stage.network().unplug("a").unwrap();
            std::thread::sleep(pause);
            stand.lab.note("and made again");
            stand.lab.stage.network().plug_in(&again).unwrap();
        });
        let host = stand.lab.host("a").clone();
        stand.lab.until("route and rule are back", || {
            !shown(&host, "ip route show 10.81.0.0/16").is_empty() && !shown(&host, "ip rule show pref 181").is_empty()
        });
    }
    stand.finish();
}

/// Ten times a second, for so long.
const THEFT: Duration = Duration::from_secs(3);

#[test]
fn somebody_takes_away_our_addresses_routes_and_rules() {
    let more = (LINES, "", "");
    let fault = "another program deletes address, route and rule ten times a second";
    let Some(mut stand) = Stand::start_with(fault, Cost::TakeOver, tenth(), more, |_| {}) else {
        return;
    };
    for _ in 0..times() {
        stand.round(|stand| {
            let host = stand.lab.host("a").clone();
            let end = stand.lab.now() + THEFT;
            while stand.lab.now() < end {
                for words in [
                    "ip address del 10.0.0.50/24 dev eth0",
                    "ip route del 10.81.0.0/16 dev eth0",
                    "ip rule del pref 181",
                ] {
                    shown(&host, words);
                }
                stand.lab.play(Scenario::steps(vec![Step::For(
                    Duration::from_millis(100),
                    Check::Lives,
                )]));
            }
        });
        let host = stand.lab.host("a").clone();
        stand.lab.until("route and rule are back", || {
            !shown(&host, "ip route show 10.81.0.0/16").is_empty() && !shown(&host, "ip rule show pref 181").is_empty()
        });
    }
    let entries = stand.lab.stage.network().journal.entries();
    let taken = entries
        .iter()
        .filter(|entry| matches!(&entry.what, Seen::AddressRemoved(_, one) if one.to_string() == "10.0.0.50"));
    assert!(taken.count() >= 3 * times(), "nothing was taken away");
    stand.finish();
}
