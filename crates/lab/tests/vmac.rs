//! Virtual routers with a MAC address of their own (`use_vmac`): alone, beside the original, and with everything that
//! may happen to their interfaces.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use lab::catalogue::{
    self, FOLLOWER, Feature::*, LEADER, Row, a_master_is_lost_in_every_way_and_returns, row, served_by, two_routers,
};
use lab::daemon::Binary;
use lab::scenario::{Act, Check, Scenario, Step, master_is};
use lab::stage::{Namespaces, run_in_namespaces};
use std::process::Command;
use std::time::Duration;
use support::{Lab, address, tenth, upstream};

/// A configuration whose instance uses a VMAC.
fn with_vmac(conf: &str, lines: &str) -> String {
    conf.replace("    virtual_router_id", &format!("    {lines}\n    virtual_router_id"))
}

fn scenario(row: Row, lines: &str) -> Scenario {
    let mut scenario = a_master_is_lost_in_every_way_and_returns(row);
    for (_, conf) in &mut scenario.routers {
        *conf = with_vmac(conf, lines);
    }
    scenario
}

fn play(row: Row, lines: &str, binaries: &[Binary]) {
    match run_in_namespaces(&scenario(row, lines), binaries) {
        Ok(report) => eprintln!("{report}"),
        Err(failure) => panic!("{failure}"),
    }
}

/// Ours twice, ours above the original, and below it.
fn in_every_pair(row: Row, lines: &str) {
    let ours = Binary::ours().unwrap();
    play(row, lines, &[ours.clone(), ours.clone()]);
    if let Some(upstream) = upstream() {
        play(row, lines, &[ours.clone(), upstream.clone()]);
        play(row, lines, &[upstream, ours]);
    }
}

#[test]
fn a_master_with_a_vmac_is_lost_in_every_way_and_returns() {
    in_every_pair(row(3, 100, &[]), "use_vmac");
}

#[test]
fn a_master_with_a_vmac_is_lost_in_every_way_and_returns_in_version_2() {
    let ours = Binary::ours().unwrap();
    let other = upstream().unwrap_or_else(|| ours.clone());
    play(row(2, 1000, &[]), "use_vmac", &[ours, other]);
}

#[test]
fn a_master_with_a_vmac_is_lost_in_every_way_and_returns_over_ipv6() {
    in_every_pair(row(3, 100, &[Ipv6]), "use_vmac");
}

/// Without what a router leaves behind that is killed: two hosts with one MAC address, of which none sends adverts from it,
/// leave the switch in doubt. The original fares no better.
fn stopped_and_cut(row: Row, lines: &str) {
    let ours = Binary::ours().unwrap();
    let pairs = upstream().map_or_else(Vec::new, |upstream| {
        vec![[ours.clone(), upstream.clone()], [upstream, ours.clone()]]
    });
    for pair in pairs.into_iter().chain([[ours.clone(), ours.clone()]]) {
        let mut scenario = two_routers("a master is stopped, and cut off", row, LEADER, FOLLOWER);
        for (_, conf) in &mut scenario.routers {
            *conf = with_vmac(conf, lines);
        }
        for (lost, back) in [
            (Act::Stop("a".into()), Act::Start("a".into())),
            (Act::Cut("a".into()), Act::Mend("a".into())),
        ] {
            scenario = served_by(scenario.then(lost).within(row.down(), master_is("b")), "b");
            scenario = served_by(scenario.then(back).within(row.down(), master_is("a")), "a");
        }
        match run_in_namespaces(&scenario, &pair) {
            Ok(report) => eprintln!("{report}"),
            Err(failure) => panic!("{failure}"),
        }
    }
}

#[test]
fn a_master_that_sends_from_the_interface_below_is_stopped_and_cut_off_and_returns() {
    stopped_and_cut(row(3, 100, &[]), "use_vmac\n    vmac_xmit_base");
}

#[test]
fn a_master_with_a_vmac_and_unicast_peers_is_stopped_and_cut_off_and_returns() {
    stopped_and_cut(row(3, 100, &[Unicast]), "use_vmac\n    vmac_xmit_base");
}

/// A master with a VMAC and a peer that is not started.
fn alone(row: Row) -> Lab {
    let mut scenario = catalogue::routers("", row, LEADER, FOLLOWER);
    for (_, conf) in &mut scenario.routers {
        *conf = with_vmac(conf, "use_vmac");
    }
    let ours = Binary::ours().unwrap();
    let mut lab = Lab {
        stage: Namespaces::build(&scenario, &[ours.clone(), ours]).unwrap(),
    };
    let steps = scenario.then(Act::Start("a".into())).within(row.down(), master_is("a"));
    lab.play(served_by(steps, "a"));
    lab
}

/// What `ip` prints in the namespace of a host.
fn ip(lab: &Lab, host: &str, arguments: &str) -> String {
    let words = arguments.split(' ');
    let output = lab
        .host(host)
        .inside(|| Command::new("ip").args(words).output().unwrap())
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn setting(lab: &Lab, name: &str) -> String {
    let path = format!("/proc/sys/net/ipv4/conf/{name}");
    let read = lab
        .host("a")
        .inside(|| std::fs::read_to_string(path).unwrap_or_default());
    read.unwrap().trim().to_owned()
}

fn serves_again(lab: &mut Lab) {
    lab.play(Scenario::steps(vec![
        Step::Within(Duration::from_secs(5), master_is("a")),
        Step::Within(Duration::from_secs(5), Check::Holds("a".into())),
        Step::Within(Duration::from_secs(5), Check::Answers("a".into())),
    ]));
}

#[test]
fn the_client_sees_the_virtual_mac_address_and_the_end_leaves_neither_interface_nor_setting() {
    let row = tenth();
    let mut lab = alone(row);
    lab.until("the neighbour has the virtual MAC address", || {
        ip(&lab, "c", &format!("neigh show {}", address(row))).contains("00:00:5e:00:01:33")
    });
    assert!(ip(&lab, "a", "-d link show vrrp.51").contains("macvlan mode private"));
    assert_eq!(setting(&lab, "eth0/arp_ignore"), "1");
    assert_eq!(setting(&lab, "vrrp.51/rp_filter"), "0");
    lab.a().stop().unwrap();
    assert_eq!(ip(&lab, "a", "link show vrrp.51"), "");
    assert_eq!(setting(&lab, "eth0/arp_ignore"), "0");
    assert_eq!(setting(&lab, "eth0/arp_filter"), "0");
}

#[test]
fn an_interface_that_somebody_deletes_is_made_again() {
    let mut lab = alone(tenth());
    lab.note("delete the VMAC");
    ip(&lab, "a", "link del vrrp.51");
    lab.until("it is there again", || {
        ip(&lab, "a", "link show vrrp.51").contains("UP")
    });
    serves_again(&mut lab);
}

#[test]
fn after_the_interface_below_has_gone_and_come_the_address_is_back_and_its_settings_are_made() {
    let row = tenth();
    let mut lab = alone(row);
    let appears = |lab: &Lab| {
        ip(lab, "a", "link add far type veth peer name away");
        ip(lab, "a", "address add 10.77.0.2/24 dev far");
        ip(lab, "a", "link set far up");
        ip(lab, "a", "link set away up");
    };
    appears(&lab);
    let own = with_vmac(&row.conf(0, LEADER), "use_vmac");
    let (_, other) = own.split_once("}\n").unwrap();
    let other = other
        .replace("vrrp_instance V", "vrrp_instance W")
        .replace("virtual_router_id 51", "virtual_router_id 77")
        .replace("interface eth0", "interface far")
        .replace("10.0.0.50", "10.77.0.1");
    lab.a().configure(&format!("{own}{other}")).unwrap();
    lab.a().reload().unwrap();
    let served = |lab: &Lab| ip(lab, "a", "address show dev vrrp.77").contains("inet 10.77.0.1/");
    lab.until("the address is on its VMAC", || served(&lab));
    assert_eq!(setting(&lab, "far/arp_ignore"), "1");
    lab.note("delete the interface below");
    ip(&lab, "a", "link del far");
    lab.until("the VMAC goes with it", || {
        ip(&lab, "a", "link show vrrp.77").is_empty()
    });
    appears(&lab);
    lab.until("the address is back", || served(&lab));
    assert_eq!(setting(&lab, "far/arp_ignore"), "1");
    lab.play(Scenario::steps(vec![Step::Within(
        Duration::from_secs(1),
        master_is("a"),
    )]));
    lab.a().stop().unwrap();
    assert_eq!(setting(&lab, "far/arp_ignore"), "0");
}

#[test]
fn another_mac_address_at_a_reload_is_that_of_the_interface() {
    let row = tenth();
    let mut lab = alone(row);
    let conf = with_vmac(&row.conf(0, LEADER), "use_vmac 02:11:22:33:44");
    lab.a().configure(&conf).unwrap();
    lab.a().reload().unwrap();
    lab.until("the interface has it", || {
        ip(&lab, "a", "link show vrrp.51").contains("02:11:22:33:44:33")
    });
    serves_again(&mut lab);
}

#[test]
fn after_kill_9_the_next_run_takes_the_interface_over_or_removes_it() {
    let row = tenth();
    let mut lab = alone(row);
    let number = |lab: &Lab| {
        ip(lab, "a", "-o link show vrrp.51")
            .split(':')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let before = number(&lab);
    lab.a().kill_everything().unwrap();
    assert!(
        !ip(&lab, "a", "link show vrrp.51").is_empty(),
        "nothing left over to take over"
    );
    lab.play(Scenario::steps(vec![Step::Then(Act::Start("a".into()))]));
    serves_again(&mut lab);
    assert_eq!(number(&lab), before);
    lab.a().kill_everything().unwrap();
    lab.a().configure(&row.conf(0, LEADER)).unwrap();
    lab.play(Scenario::steps(vec![Step::Then(Act::Start("a".into()))]));
    serves_again(&mut lab);
    assert_eq!(ip(&lab, "a", "link show vrrp.51"), "");
    assert_eq!(setting(&lab, "eth0/arp_ignore"), "0");
}

#[test]
fn a_reload_moves_the_address_to_a_vmac_and_back() {
    let row = tenth();
    let mut lab = alone(row);
    for vmac in [false, true] {
        let plain = row.conf(0, LEADER);
        let conf = if vmac { with_vmac(&plain, "use_vmac") } else { plain };
        lab.a().configure(&conf).unwrap();
        lab.a().reload().unwrap();
        lab.until("the interface comes or goes", || {
            ip(&lab, "a", "link show vrrp.51").is_empty() != vmac
        });
        serves_again(&mut lab);
        let there = ip(&lab, "a", "address show dev eth0").contains(&address(row).to_string());
        assert_eq!(there, !vmac, "{}", lab.timeline());
    }
}

#[test]
fn addresses_elsewhere_have_vmacs_of_their_own() {
    let row = tenth();
    let mut lab = alone(row);
    ip(&lab, "a", "link add far type veth peer name away");
    ip(&lab, "a", "link set far up");
    ip(&lab, "a", "link set away up");
    let conf = with_vmac(&row.conf(0, LEADER), "use_vmac").replace(
        "    virtual_ipaddress {",
        "    virtual_ipaddress_excluded {\n        10.77.0.1/24 dev far use_vmac\n    }\n    virtual_ipaddress {",
    );
    lab.a().configure(&conf).unwrap();
    lab.a().reload().unwrap();
    lab.until("the address is on a VMAC of its interface", || {
        ip(&lab, "a", "-d address show dev vrrp1.51").contains("inet 10.77.0.1/24")
    });
    let shown = ip(&lab, "a", "-d link show vrrp1.51");
    assert!(
        shown.contains("vrrp1.51@far") && shown.contains("00:00:5e:00:01:33"),
        "{shown}"
    );
    lab.a().stop().unwrap();
    assert_eq!(ip(&lab, "a", "link show vrrp1.51"), "");
}
