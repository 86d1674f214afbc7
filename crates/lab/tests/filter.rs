//! `no_accept` and strict mode: a master that has an address and does not answer for it.
//!
//! The rules are compared with those of the original under the same configuration. Ours are there before the first takeover
//! (docs/divergences.md, "filter-tables-at-the-start").
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use lab::catalogue::{Row, VRID, row};
use lab::daemon::{Binary, Make};
use lab::journal::Seen;
use lab::netns::Namespace;
use lab::scenario::{Act, Check, Scenario, Subject, master_is};
use lab::stage::Namespaces;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;
use support::{Lab, upstream};

const SOON: Duration = Duration::from_secs(1);

#[test]
fn packets_to_an_address_that_is_not_accepted_are_dropped_by_every_master() {
    for six in [false, true] {
        drops_before_and_after_a_failover(six, "", "no_accept");
    }
}

#[test]
fn strict_mode_drops_packets_to_the_address() {
    drops_before_and_after_a_failover(false, "vrrp_strict", "");
}

#[test]
fn strict_mode_with_accept_answers() {
    let mut lab = start(
        &[conf(row_of(false), "vrrp_strict", "accept", 150)],
        Binary::ours().unwrap(),
        false,
    );
    lab.play(steps().within(SOON, Check::Answers("a".into())));
    lab.finish();
}

#[test]
fn the_rules_are_those_of_the_original() {
    let Some(original) = upstream() else { return };
    let v4 = "virtual_ipaddress {\n        10.0.0.50/24\n        10.0.0.51/24\n    }";
    let v6 = "virtual_ipaddress {\n        fe80::50/64\n        2001:db8::50/64\n    }";
    let mixed = "virtual_ipaddress {\n        10.0.0.50/24\n    }\n    virtual_ipaddress_excluded {\n        \
                 10.0.0.52/24\n        2001:db8::52/64\n    }";
    let cases = [
        ("", "no_accept", v4),
        ("", "no_accept", v6),
        ("", "no_accept", mixed),
        ("nftables_counters", "no_accept", v4),
        ("nftables_counters", "no_accept", v6),
        ("nftables mine\n    nftables_priority 7", "no_accept", v4),
        ("nftables_ifindex", "no_accept", v6),
        ("", "use_vmac", v4),
        ("", "use_vmac", v6),
        ("", "use_vmac\n    no_accept", v4),
        ("", "use_vmac\n    no_accept", v6),
    ];
    for (global, extra, addresses) in cases {
        let text = instance(global, extra, 150, addresses);
        let rules = |binary: Binary| {
            let mut lab = start(std::slice::from_ref(&text), binary, addresses == v6);
            let listed = without_counts(&nft(lab.host("a"), "list ruleset"));
            lab.play(steps().then(Act::Stop("a".into())));
            assert_eq!(nft(lab.host("a"), "list ruleset"), "", "after the end");
            lab.finish();
            listed
        };
        let ours = rules(Binary::ours().unwrap());
        let ours = if extra.contains("use_vmac") && addresses == v6 {
            as_2_2_has_it(&ours)
        } else {
            ours
        };
        assert_eq!(ours, rules(original.clone()), "{text}");
    }
}

/// 2.4 also catches the reports of MLD version 1, by a set that 2.2.7 does not have.
fn as_2_2_has_it(rules: &str) -> String {
    let set = "\tset mld-report {\n\t\ttype icmpv6_type\n\t\tflags constant\n\t\telements = { mld-listener-report,\n\t\t\t     \
               mld2-listener-report }\n\t}\n\n";
    assert!(rules.contains(set), "{rules}");
    rules.replace(set, "").replace("@mld-report", "mld2-listener-report")
}

#[test]
fn rules_of_a_killed_daemon_are_gone_after_the_next_start_and_flushed_ones_come_back() {
    let binary = Binary::ours().unwrap();
    if binary.make == Make::Upstream {
        eprintln!("skipped: the original stands in for ours");
        return;
    }
    let refusing = conf(row_of(false), "", "no_accept", 150);
    let mut lab = start(std::slice::from_ref(&refusing), binary, false);
    // Somebody reloads a firewall, or removes what he does not know: it is put back without a change of ours.
    let namespace = lab.host("a").clone();
    let complete = nft(&namespace, "list ruleset");
    let meddling = [
        "flush ruleset".to_owned(),
        "flush table ip keepalived".to_owned(),
        "delete element ip keepalived vips { 10.0.0.50 }".to_owned(),
    ];
    for command in meddling {
        nft(&namespace, &command);
        lab.until(&format!("after {command} the rules are back"), || {
            nft(&namespace, "list ruleset") == complete
        });
    }
    // With the next change they are complete too.
    let another = refusing.replace("10.0.0.50/24", "10.0.0.50/24\n        10.0.0.53/24");
    lab.a().configure(&another).unwrap();
    lab.a().reload().unwrap();
    lab.until("the rules are back", || {
        let listed = nft(&namespace, "list ruleset");
        listed.contains("10.0.0.50") && listed.contains("10.0.0.53")
    });
    // Everything is killed, and the next start wants no rules.
    lab.play(steps().then(Act::Kill("a".into())));
    assert!(nft(lab.host("a"), "list ruleset").contains("10.0.0.50"));
    let accepting = conf(row_of(false), "", "accept", 150);
    lab.a().configure(&accepting).unwrap();
    let down = row_of(false).down();
    lab.play(
        steps()
            .then(Act::Start("a".into()))
            .within(down, master_is("a"))
            .within(SOON, Check::Answers("a".into())),
    );
    assert_eq!(nft(lab.host("a"), "list ruleset"), "");
    lab.finish();
}

fn drops_before_and_after_a_failover(six: bool, global: &str, extra: &str) {
    let row = row_of(six);
    let confs = [conf(row, global, extra, 150), conf(row, global, extra, 100)];
    let mut lab = start(&confs, Binary::ours().unwrap(), six);
    refuses(&lab, row, "a");
    let named = lab.stage.network().host("c").unwrap().clone();
    assert_eq!(
        neighbour(&named, address_of(row)),
        mac(lab.host("a")),
        "{}",
        lab.timeline()
    );
    let gone = steps().then(Act::Stop("a".into())).within(row.down(), master_is("b"));
    lab.play(gone.within(SOON, Check::Holds("b".into())));
    refuses(&lab, row, "b");
    assert_eq!(nft(lab.host("a"), "list ruleset"), "");
    lab.finish();
}

/// The kernel of this router, and no other, drops what is for the address, and the client gets no answer.
fn refuses(lab: &Lab, row: Row, router: &str) {
    let address = address_of(row);
    let listed = nft(lab.host(router), "list ruleset");
    assert!(listed.contains(&address.to_string()), "{listed}");
    let journal = &lab.stage.network().journal;
    let answered = journal.wait(journal.clock.now() + SOON, |picture, _| {
        picture.last_answer(address).is_some()
    });
    assert_eq!(answered, None, "{}", lab.timeline());
}

/// Routers of one make, `a` and perhaps `b`, of which `a` is master.
fn start(confs: &[String], binary: Binary, six: bool) -> Lab {
    let row = row_of(six);
    let subject = Subject {
        instance: "V".into(),
        vrid: VRID,
        interval: row.interval,
        addresses: vec![address_of(row)],
    };
    let mut scenario = Scenario::new("", subject);
    let binaries: Vec<Binary> = confs.iter().map(|_| binary.clone()).collect();
    for (name, conf) in ["a", "b"].iter().zip(confs) {
        scenario = scenario.router(name, conf.clone());
    }
    let mut lab = Lab {
        stage: Namespaces::build(&scenario, &binaries).unwrap(),
    };
    let mut steps = steps().then(Act::Start("a".into())).within(row.down(), master_is("a"));
    if confs.len() > 1 {
        steps = steps.then(Act::Start("b".into()));
    }
    lab.play(steps);
    // The master has taken up all of its addresses.
    let virtual_addresses = confs.iter().take(1).flat_map(|conf| conf.split_whitespace());
    for text in virtual_addresses.filter_map(|word| word.split_once('/')) {
        let address: IpAddr = text.0.parse().unwrap();
        lab.seen(
            Duration::ZERO,
            "a",
            |what| matches!(what, Seen::AddressAdded(_, added) if *added == address),
        );
    }
    lab
}

fn steps() -> Scenario {
    Scenario::steps(Vec::new())
}

fn row_of(six: bool) -> Row {
    if six {
        row(3, 100, &[lab::catalogue::Feature::Ipv6])
    } else {
        row(3, 100, &[])
    }
}

fn address_of(row: Row) -> IpAddr {
    support::address(row)
}

fn conf(row: Row, global: &str, extra: &str, priority: u8) -> String {
    let len = if row.six { 64 } else { 24 };
    let addresses = format!("virtual_ipaddress {{\n        {}/{len}\n    }}", address_of(row));
    instance(global, extra, priority, &addresses)
}

fn instance(global: &str, extra: &str, priority: u8, addresses: &str) -> String {
    format!(
        "global_defs {{\n    router_id r\n    {global}\n}}\nvrrp_instance V {{\n    state BACKUP\n    interface eth0\n    \
         version 3\n    virtual_router_id {VRID}\n    priority {priority}\n    advert_int 0.1\n    {extra}\n    {addresses}\n}}\n"
    )
}

fn nft(namespace: &Namespace, arguments: &str) -> String {
    output(namespace, "nft", arguments)
}

fn output(namespace: &Namespace, program: &str, arguments: &str) -> String {
    let run = || Command::new(program).args(arguments.split_whitespace()).output();
    let output = namespace.inside(run).unwrap().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn without_counts(rules: &str) -> String {
    let mut words = Vec::new();
    let mut count = false;
    for word in rules.split(' ') {
        words.push(if count { "N" } else { word });
        count = word == "packets" || word == "bytes";
    }
    words.join(" ")
}

/// The hardware address a client knows for an address.
fn neighbour(client: &Namespace, address: IpAddr) -> String {
    let shown = output(client, "ip", &format!("neigh show {address} dev eth0"));
    after(&shown, "lladdr")
}

fn mac(router: &Namespace) -> String {
    after(&output(router, "ip", "-o link show dev eth0"), "link/ether")
}

fn after(text: &str, word: &str) -> String {
    let mut words = text.split_whitespace().skip_while(|other| *other != word);
    words.nth(1).unwrap_or_default().to_owned()
}
