//! What another program takes away is put back without an election (docs/divergences.md, "repaired-in-place").
//!
//! The times are printed, and bounded by the protocol only: the machine runs many tests at once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use lab::catalogue::{self, FOLLOWER, LEADER};
use lab::daemon::{Binary, Make, PATIENCE};
use lab::journal::Seen;
use lab::netns::Namespace;
use lab::scenario::{Act, master_is};
use lab::stage::Namespaces;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::{Lab, address, tenth, upstream};

/// Runs `ip` on a host and gives what it prints.
fn ip(host: &Arc<Namespace>, arguments: &str) -> String {
    let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
    let output = host.inside(move || Command::new("ip").args(&arguments).output());
    let output = output.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs `ip` until it prints something; how long that took.
fn back(lab: &Lab, show: &str) -> Duration {
    let host = lab.stage.network().host("a").unwrap().clone();
    let begun = lab.now();
    while ip(&host, show).is_empty() {
        assert!(
            lab.now() - begun < PATIENCE,
            "never back: ip {show}\n{}",
            lab.timeline()
        );
    }
    lab.now() - begun
}

/// The configuration of the master with more lines in its block, and more blocks.
fn conf(lines: &str, blocks: &str) -> String {
    let plain = tenth().conf(0, LEADER);
    let end = plain.rfind('}').unwrap();
    let (head, tail) = plain.split_at(end);
    format!("{head}{lines}\n{tail}{blocks}")
}

/// What the master must not have said since a time.
fn transitions(lab: &Lab, since: Duration) -> Vec<String> {
    let entries = lab.stage.network().journal.entries();
    let lines = entries
        .iter()
        .filter(|entry| entry.at >= since)
        .filter_map(|entry| match &entry.what {
            Seen::Log(line) => Some(line.clone()),
            Seen::Advert(_)
            | Seen::Announcement(_)
            | Seen::Answers(_)
            | Seen::AddressAdded(..)
            | Seen::AddressRemoved(..)
            | Seen::Act(_)
            | Seen::Noted(_) => None,
        });
    // Its way into mastership may be told late.
    lines
        .filter(|line| line.contains("Entering BACKUP") || line.contains("Entering FAULT"))
        .collect()
}

fn ours() -> Option<Binary> {
    let binary = Binary::ours().unwrap();
    if binary.make == Make::Upstream {
        eprintln!("skipped: the original stands in for ours, and gives up mastership");
        return None;
    }
    Some(binary)
}

#[test]
fn an_address_flushed_by_somebody_is_back_and_announced_without_an_election() {
    let Some(binary) = ours() else { return };
    let lab = Lab::start(tenth(), binary);
    let host = lab.stage.network().host("a").unwrap().clone();
    let vip = address(tenth());
    let since = lab.now();
    for round in 0..3 {
        let from = lab.now();
        ip(&host, &format!("address flush dev eth0 to {vip}"));
        let gone = lab.seen(
            from,
            "a",
            |what| matches!(what, Seen::AddressRemoved(_, one) if *one == vip),
        );
        let there = lab.seen(
            gone,
            "a",
            |what| matches!(what, Seen::AddressAdded(_, one) if *one == vip),
        );
        // A packet has the kernel's stamp, a report of the kernel that of its arrival here: the announcement may seem to come first.
        lab.seen(gone, "a", |what| matches!(what, Seen::Announcement(one) if *one == vip));
        println!("round {round}: address back after {:?}", there - gone);
        // Not three times within a second.
        lab.seen(from + Duration::from_millis(1100), "a", |what| {
            matches!(what, Seen::Advert(_))
        });
    }
    assert_eq!(transitions(&lab, since), Vec::<String>::new(), "{}", lab.timeline());
    lab.finish();
}

#[test]
fn an_address_taken_away_three_times_in_a_second_ends_mastership_for_the_skew() {
    let Some(binary) = ours() else { return };
    let lab = Lab::start(tenth(), binary);
    let host = lab.stage.network().host("a").unwrap().clone();
    let vip = address(tenth());
    let since = lab.now();
    let mut from = since;
    for _ in 0..3 {
        ip(&host, &format!("address del {vip}/24 dev eth0"));
        let gone = lab.seen(
            from,
            "a",
            |what| matches!(what, Seen::AddressRemoved(_, one) if *one == vip),
        );
        let there = lab.seen(
            gone,
            "a",
            |what| matches!(what, Seen::AddressAdded(_, one) if *one == vip),
        );
        // Another act, and not the same once more.
        let apart = there + Duration::from_millis(50);
        from = lab.seen(apart, "a", |what| matches!(what, Seen::Advert(_)));
    }
    lab.seen(
        since,
        "a",
        |what| matches!(what, Seen::Advert(one) if one.priority == 0),
    );
    lab.seen(
        since,
        "a",
        |what| matches!(what, Seen::Log(line) if line.contains("Entering BACKUP STATE")),
    );
    lab.seen(
        since,
        "a",
        |what| matches!(what, Seen::Log(line) if line.contains("Entering MASTER STATE")),
    );
}

#[test]
fn routes_and_rules_and_static_items_are_back_after_a_flush_without_an_election() {
    let Some(binary) = ours() else { return };
    let mut lab = Lab::start(tenth(), binary);
    let host = lab.stage.network().host("a").unwrap().clone();
    let lines = "  virtual_routes {\n    10.81.0.0/16 dev eth0 src 10.0.0.50\n    10.82.0.0/16 via 10.0.0.2 dev eth0\n  }\n  virtual_rules {\n    from 10.81.0.0/16 table 181 preference 181\n  }";
    let blocks = "static_routes {\n  10.83.0.0/16 dev eth0\n}\nstatic_rules {\n  from 10.83.0.0/16 table 183 preference 183\n}\nstatic_ipaddress {\n  10.84.0.1/24 dev eth0\n}\n";
    lab.a().configure(&conf(lines, blocks)).unwrap();
    lab.a().reload().unwrap();
    let shows = [
        "route show 10.81.0.0/16",
        "route show 10.82.0.0/16",
        "rule show pref 181",
        "route show 10.83.0.0/16",
        "rule show pref 183",
        "address show to 10.84.0.1",
    ];
    for show in shows {
        back(&lab, show);
    }
    let since = lab.now();
    ip(&host, "route flush proto 18");
    for show in [
        "route show 10.81.0.0/16",
        "route show 10.82.0.0/16",
        "route show 10.83.0.0/16",
    ] {
        println!("after flush: ip {show} after {:?}", back(&lab, show));
    }
    for pref in [181, 183] {
        ip(&host, &format!("rule del pref {pref}"));
        println!(
            "rule {pref} back after {:?}",
            back(&lab, &format!("rule show pref {pref}"))
        );
    }
    // The route goes with its source, and the kernel says nothing of that.
    let vip = address(tenth());
    ip(&host, &format!("address del {vip}/24 dev eth0"));
    println!(
        "route of a source back after {:?}",
        back(&lab, "route show 10.81.0.0/16")
    );
    ip(&host, "address del 10.84.0.1/24 dev eth0");
    println!(
        "static address back after {:?}",
        back(&lab, "address show to 10.84.0.1")
    );
    assert_eq!(transitions(&lab, since), Vec::<String>::new(), "{}", lab.timeline());

    // Without them in the configuration they go, and at the end everything is gone.
    lab.a().configure(&conf("", "")).unwrap();
    lab.a().reload().unwrap();
    lab.until("what is not configured any more goes", || {
        shows.iter().all(|show| ip(&host, show).is_empty())
    });
    lab.a().configure(&conf(lines, blocks)).unwrap();
    lab.a().reload().unwrap();
    back(&lab, "address show to 10.84.0.1");
    for show in shows {
        back(&lab, show);
    }
    lab.a().stop().unwrap();
    for show in shows {
        assert_eq!(ip(&host, show), "", "ip {show}");
    }
}

#[test]
fn a_killed_run_leaves_no_virtual_route_and_no_virtual_rule_to_the_next() {
    let Some(binary) = ours() else { return };
    let mut lab = Lab::start(tenth(), binary);
    let host = lab.stage.network().host("a").unwrap().clone();
    let lines = "  virtual_routes {\n    10.81.0.0/16 dev eth0\n  }\n  virtual_rules {\n    from 10.81.0.0/16 table 181 preference 181\n  }";
    lab.a().configure(&conf(lines, "")).unwrap();
    lab.a().reload().unwrap();
    back(&lab, "route show 10.81.0.0/16");
    back(&lab, "rule show pref 181");
    lab.a().kill_everything().unwrap();
    assert_ne!(ip(&host, "rule show pref 181"), "");
    let from = lab.now();
    lab.a()
        .configure(&conf(lines, "").replace("priority 200", "priority 50"))
        .unwrap();
    lab.a().start().unwrap();
    lab.seen(
        from,
        "a",
        |what| matches!(what, Seen::Log(line) if line.contains("Entering BACKUP STATE")),
    );
    lab.until("route and rule of the killed run go", || {
        ip(&host, "route show 10.81.0.0/16").is_empty() && ip(&host, "rule show pref 181").is_empty()
    });
}

#[test]
fn a_backup_of_the_original_notices_nothing_of_a_repair() {
    let (Some(binary), Some(original)) = (ours(), upstream()) else {
        return;
    };
    let scenario = catalogue::routers("", tenth(), LEADER, FOLLOWER);
    let mut lab = Lab {
        stage: Namespaces::build(&scenario, &[binary, original]).unwrap(),
    };
    let steps = scenario
        .then(Act::Start("a".into()))
        .within(tenth().down(), master_is("a"));
    lab.play(catalogue::served_by(steps, "a"));
    let from = lab.now();
    lab.stage.daemon("b").unwrap().start().unwrap();
    lab.seen(
        from,
        "b",
        |what| matches!(what, Seen::Log(line) if line.contains("Entering BACKUP STATE")),
    );
    let host = lab.stage.network().host("a").unwrap().clone();
    let vip = address(tenth());
    let since = lab.now();
    ip(&host, &format!("address del {vip}/24 dev eth0"));
    let gone = lab.seen(
        since,
        "a",
        |what| matches!(what, Seen::AddressRemoved(_, one) if *one == vip),
    );
    let there = lab.seen(
        gone,
        "a",
        |what| matches!(what, Seen::AddressAdded(_, one) if *one == vip),
    );
    println!("address back after {:?}", there - gone);
    // Long enough for a backup that heard a resignation, or nothing.
    lab.seen(there + tenth().down(), "a", |what| matches!(what, Seen::Advert(_)));
    assert_eq!(transitions(&lab, since), Vec::<String>::new(), "{}", lab.timeline());
    lab.finish();
}
