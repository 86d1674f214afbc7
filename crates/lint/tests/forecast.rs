//! Who is master, and what follows from one failure, beside what the election of the daemon does.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

use conf::files::Elsewhere;
use conf::{Facts, MapLoader};
use lint::Node;
use lint::forecast::{Failure, Outcome, Why, routers};

fn node(name: &str, text: &str) -> Node {
    let loader = Elsewhere(MapLoader::default().with(name, text));
    let bundle = conf::load(name, Facts::default(), &loader);
    Node {
        name: name.to_owned(),
        model: conf::compile(&bundle).model,
        outline: conf::outline::read(&bundle),
    }
}

fn instance(priority: u8, more: &str) -> String {
    format!(
        "vrrp_script s {{\nscript /bin/true\n}}\nvrrp_instance V {{\ninterface e0\nvirtual_router_id 7\npriority {priority}\n\
         virtual_ipaddress {{\n192.0.2.10\n}}\n{more}\n}}\n"
    )
}

/// The master, and what follows from the failure of its last tracker.
fn outcome(files: [String; 2]) -> (Result<usize, Outcome>, Outcome) {
    let nodes = [node("/a.conf", &files[0]), node("/b.conf", &files[1])];
    let routers = routers(&nodes);
    let router = &routers[0];
    let last = router.failures().pop().map(|(_, outcome)| outcome);
    (router.master(), last.unwrap_or(Outcome::Nobody))
}

fn tracking(line: &str) -> String {
    format!("track_script {{\n{line}\n}}")
}

#[test]
fn the_higher_priority_is_master_and_a_weight_that_is_large_enough_moves_it() {
    let backup = instance(100, "");
    for (line, expected) in [
        ("s weight -50", Outcome::Undecided),
        ("s weight -51", Outcome::Moves(1)),
        ("s weight -20", Outcome::Stays(130, Why::StillHighest)),
        ("s", Outcome::Moves(1)),
        ("s weight 60 reverse", Outcome::Stays(150, Why::WeightIgnored)),
    ] {
        let (master, outcome) = outcome([instance(150, &tracking(line)), backup.clone()]);
        let reversed = line.contains("reverse");
        assert_eq!(master, Ok(usize::from(reversed)), "{line}");
        if !reversed {
            assert_eq!(outcome, expected, "{line}");
        }
    }
}

#[test]
fn a_positive_weight_counts_while_its_script_succeeds() {
    let backup = instance(100, &tracking("s weight 60"));
    let (master, moved) = outcome([instance(150, &tracking("s weight 60")), backup]);
    assert_eq!((master, moved), (Ok(0), Outcome::Moves(1)));
}

#[test]
fn nopreempt_on_the_other_node_keeps_a_weight_from_moving_anything_but_not_a_fault() {
    let backup = instance(100, "nopreempt");
    let (_, stays) = outcome([instance(150, &tracking("s weight -60")), backup.clone()]);
    assert_eq!(stays, Outcome::Stays(90, Why::NoPreempt));
    let (_, moves) = outcome([instance(150, &tracking("s")), backup]);
    assert_eq!(moves, Outcome::Moves(1));
}

#[test]
fn equal_priorities_are_decided_by_addresses_if_the_files_say_them() {
    let (unknown, _) = outcome([instance(100, ""), instance(100, "")]);
    assert_eq!(unknown, Err(Outcome::Undecided));
    let (known, _) = outcome([
        instance(100, "mcast_src_ip 192.0.2.1"),
        instance(100, "mcast_src_ip 192.0.2.2"),
    ]);
    assert_eq!(known, Ok(1));
}

#[test]
fn an_interface_that_is_not_tracked_gives_two_masters() {
    let nodes = [
        node("/a.conf", &instance(150, "dont_track_primary")),
        node("/b.conf", &instance(100, "")),
    ];
    let routers = routers(&nodes);
    let failures = routers[0].failures();
    let of_interface = failures
        .iter()
        .find(|(failure, _)| matches!(failure, Failure::Interface(_)));
    assert_eq!(of_interface.unwrap().1, Outcome::Both(1));
}

#[test]
fn a_router_on_several_interfaces_is_several_routers() {
    let both = |priority| {
        let one = instance(priority, "");
        let second = instance(priority, "")
            .replace("instance V", "instance W")
            .replace("interface e0", "interface e1");
        format!("{one}{second}")
    };
    let nodes = [node("/a.conf", &both(150)), node("/b.conf", &both(100))];
    let routers = routers(&nodes);
    assert_eq!(routers.len(), 2);
    assert!(routers.iter().all(|router| router.members.len() == 2));
}
