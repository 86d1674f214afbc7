//! Masters that stand still for a while: after it the client reaches the address, and there is one master.
//!
//! `KEEPALIVED_SOAK=N` freezes N times instead of a few.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use base::Rng;
use lab::catalogue::{self, FOLLOWER, LEADER, Place, Row, row};
use lab::daemon::Binary;
use lab::scenario::{Act, Check, Scenario, master_is};
use lab::stage::Namespaces;
use std::time::Duration;
use support::{Lab, rounds, upstream};

/// How soon after its master moves again the client must be answered by it, in protocol time.
const SOON: Duration = Duration::from_secs(1);

#[test]
fn a_frozen_master_of_ours_is_reached_again_after_the_thaw() {
    let ours = Binary::ours().unwrap();
    freeze_often(row(3, 100, &[]), "", [ours.clone(), ours], 1);
}

#[test]
fn a_frozen_master_of_ours_is_reached_again_with_the_original_as_its_backup() {
    let Some(original) = upstream() else { return };
    freeze_often(row(3, 100, &[]), "", [Binary::ours().unwrap(), original], 2);
}

#[test]
fn in_strict_mode_too_a_frozen_master_is_reached_again() {
    let ours = Binary::ours().unwrap();
    freeze_often(row(3, 100, &[]), "vrrp_strict", [ours.clone(), ours], 3);
}

#[test]
fn with_adverts_once_a_second_a_frozen_master_is_reached_again() {
    let ours = Binary::ours().unwrap();
    freeze_often(row(2, 1000, &[]), "", [ours.clone(), ours], 4);
}

fn freeze_often(row: Row, global: &str, binaries: [Binary; 2], seed: u64) {
    let place = |of: Place| Place { state: "BACKUP", ..of };
    let mut scenario = catalogue::routers("", row, place(LEADER), place(FOLLOWER));
    for (_, conf) in &mut scenario.routers {
        *conf = conf.replacen("global_defs {", &format!("global_defs {{\n    {global}"), 1);
        *conf = conf.replacen("    virtual_ipaddress", "    accept\n    virtual_ipaddress", 1);
    }
    let mut lab = Lab {
        stage: Namespaces::build(&scenario, &binaries).unwrap(),
    };
    let begin = steps()
        .then(Act::Start("a".into()))
        .within(row.down(), master_is("a"))
        .then(Act::Start("b".into()));
    lab.play(catalogue::served_by(begin, "a"));
    let mut rng = Rng::from_seed(seed);
    for _ in 0..rounds(2) {
        // Two to six seconds, whatever the interval: the backup may take over, or not.
        let time = Duration::from_millis(2_000 + rng.below(4_000));
        let thawed = steps()
            .then(Act::Freeze("a".into()))
            .stays(time, Check::Lives)
            .then(Act::Thaw("a".into()))
            .within(row.interval * 2, master_is("a"))
            .within(SOON, Check::Answers("a".into()))
            .within(SOON, Check::Holds("a".into()))
            .stays(row.interval * 3, master_is("a"));
        lab.play(thawed);
    }
    lab.finish();
}

fn steps() -> Scenario {
    Scenario::steps(Vec::new())
}
