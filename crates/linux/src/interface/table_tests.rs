//! The table, fed with notices by hand.

use super::*;
use base::Prefix;

const ETH0: IfIndex = IfIndex(2);

#[test]
fn the_same_notice_twice_is_news_once() {
    let mut table = Table::default();
    assert_eq!(news(&mut table, link(2, "eth0")), ["+link #2 eth0"]);
    assert_eq!(news(&mut table, link(2, "eth0")), [""; 0]);
    assert_eq!(news(&mut table, address("10.0.0.1/24")), ["+10.0.0.1/24 eth0"]);
    assert_eq!(news(&mut table, address("10.0.0.1/24")), [""; 0]);
}

#[test]
fn ipv4_addresses_stand_primary_first_and_secondary_after_in_the_order_they_came() {
    let mut table = with_eth0();
    for (text, flags, scope) in [
        ("10.0.0.1/24", 0, 0),
        ("10.0.0.2/24", libc::IFA_F_SECONDARY, 0),
        ("10.1.0.1/24", 0, 0),
        ("10.2.0.1/24", 0, 253),
        ("10.1.0.2/24", libc::IFA_F_SECONDARY, 0),
    ] {
        news(
            &mut table,
            Notice::Address(
                ETH0,
                Address {
                    flags,
                    scope,
                    ..plain(text)
                },
            ),
        );
    }
    let order = [
        "10.2.0.1/24",
        "10.0.0.1/24",
        "10.1.0.1/24",
        "10.0.0.2/24",
        "10.1.0.2/24",
    ];
    assert_eq!(listed(&table, Family::V4), order);
}

#[test]
fn a_promoted_secondary_moves_behind_the_primary_addresses() {
    let mut table = with_eth0();
    let secondary = |text| Address {
        flags: libc::IFA_F_SECONDARY,
        ..plain(text)
    };
    news(&mut table, address("10.0.0.1/24"));
    news(&mut table, Notice::Address(ETH0, secondary("10.0.0.2/24")));
    news(&mut table, Notice::Address(ETH0, secondary("10.0.0.3/24")));
    news(&mut table, address("10.9.0.1/24"));
    assert_eq!(
        news(&mut table, Notice::AddressGone(ETH0, plain("10.0.0.1/24"))),
        ["-10.0.0.1/24 eth0"]
    );
    assert_eq!(news(&mut table, address("10.0.0.2/24")), ["~10.0.0.2/24 eth0"]);
    assert_eq!(
        listed(&table, Family::V4),
        ["10.9.0.1/24", "10.0.0.2/24", "10.0.0.3/24"]
    );
}

#[test]
fn ipv6_addresses_stand_global_first_and_the_youngest_first() {
    let mut table = with_eth0();
    for text in ["fe80::1/64", "2001:db8::1/64", "fe80::2/64", "2001:db8::2/64"] {
        news(&mut table, address(text));
    }
    assert_eq!(
        listed(&table, Family::V6),
        ["2001:db8::2/64", "2001:db8::1/64", "fe80::2/64", "fe80::1/64"]
    );
}

#[test]
fn a_dump_brings_the_order_of_the_kernel() {
    let mut table = with_eth0();
    for text in ["2001:db8::1/64", "2001:db8::2/64", "2001:db8::3/64"] {
        news(&mut table, address(text));
    }
    let order = ["2001:db8::2/64", "2001:db8::9/64", "2001:db8::1/64"];
    let changes = dump(&mut table, &[link(2, "eth0")], &order.map(address));
    assert_eq!(changes, ["+2001:db8::9/64 eth0", "-2001:db8::3/64 eth0"]);
    assert_eq!(listed(&table, Family::V6), order);
    // The next one that is news still goes to the front.
    news(&mut table, address("2001:db8::4/64"));
    assert_eq!(
        listed(&table, Family::V6).first().map(String::as_str),
        Some("2001:db8::4/64")
    );
}

#[test]
fn what_a_dump_does_not_mention_is_gone_and_what_came_meanwhile_is_not() {
    let mut table = with_eth0();
    news(&mut table, link(3, "eth1"));
    news(&mut table, address("10.0.0.1/24"));
    let mut changes = Vec::new();
    table.begin_dump();
    table.take(link(2, "eth0"), true, &mut changes);
    table.take(address("10.0.0.2/24"), false, &mut changes);
    table.end_dump(&mut changes);
    assert_eq!(
        written(&changes),
        ["+10.0.0.2/24 eth0", "-link #3 eth1", "-10.0.0.1/24 eth0"]
    );
}

#[test]
fn a_renamed_link_goes_with_its_addresses_and_comes_back_under_the_new_name() {
    let mut table = with_eth0();
    news(&mut table, address("10.0.0.1/24"));
    assert_eq!(
        news(&mut table, link(2, "lan")),
        ["-10.0.0.1/24 eth0", "-link #2 eth0", "+link #2 lan", "+10.0.0.1/24 lan"]
    );
    assert_eq!(table.link_named("eth0".parse().unwrap()), None);
    assert_eq!(
        table.link_named("lan".parse().unwrap()).map(|link| link.index),
        Some(ETH0)
    );
}

#[test]
fn a_link_recreated_under_its_name_is_another_link() {
    let mut table = with_eth0();
    assert_eq!(news(&mut table, Notice::LinkGone(ETH0)), ["-link #2 eth0"]);
    assert_eq!(news(&mut table, link(7, "eth0")), ["+link #7 eth0"]);
    assert_eq!(
        table.link_named("eth0".parse().unwrap()).map(|link| link.index),
        Some(IfIndex(7))
    );
}

#[test]
fn a_name_that_turns_up_on_another_link_ends_the_one_that_had_it() {
    // The end of number 2 was lost; its removal must not take the name from its successor.
    let mut table = with_eth0();
    news(&mut table, address("10.0.0.1/24"));
    let changes = dump(&mut table, &[link(7, "eth0")], &[]);
    assert_eq!(changes, ["-10.0.0.1/24 eth0", "-link #2 eth0", "+link #7 eth0"]);
    assert_eq!(
        table.link_named("eth0".parse().unwrap()).map(|link| link.index),
        Some(IfIndex(7))
    );
}

#[test]
fn two_links_that_swapped_names_unseen_are_told_apart() {
    let mut table = with_eth0();
    news(&mut table, link(3, "eth1"));
    dump(&mut table, &[link(2, "eth1"), link(3, "eth0")], &[]);
    let names: Vec<_> = table
        .links()
        .map(|link| (link.index.0, link.name.to_string()))
        .collect();
    assert_eq!(names, [(2, "eth1".to_owned()), (3, "eth0".to_owned())]);
    for (index, name) in [(2, "eth1"), (3, "eth0")] {
        assert_eq!(
            table.link_named(name.parse().unwrap()).map(|link| link.index),
            Some(IfIndex(index))
        );
    }
}

#[test]
fn a_partial_notice_changes_flags_and_keeps_the_rest() {
    let mut table = Table::default();
    let full = Link {
        mtu: 9000,
        kind: Some("veth".to_owned()),
        ..bare(2, "eth0")
    };
    news(
        &mut table,
        Notice::Link {
            link: full.clone(),
            partial: false,
            forwarding6: Some(true),
        },
    );
    let partial = Link {
        up: true,
        ..bare(2, "eth0")
    };
    assert_eq!(
        news(
            &mut table,
            Notice::Link {
                link: partial,
                partial: true,
                forwarding6: None
            }
        ),
        ["+link #2 eth0"]
    );
    assert_eq!(
        table.link(ETH0),
        Some(&Link {
            up: true,
            forwarding6: true,
            ..full
        })
    );
}

#[test]
fn an_ipv4_address_with_two_peers_is_two_addresses_and_an_ipv6_address_is_one() {
    let mut table = with_eth0();
    for peer in ["10.9.0.1", "10.9.0.2"] {
        let peer = Some(peer.parse().unwrap());
        news(
            &mut table,
            Notice::Address(
                ETH0,
                Address {
                    peer,
                    ..plain("10.0.0.1/32")
                },
            ),
        );
    }
    assert_eq!(listed(&table, Family::V4).len(), 2);
    for peer in ["2001:db8::8", "2001:db8::9"] {
        let peer = Some(peer.parse().unwrap());
        news(
            &mut table,
            Notice::Address(
                ETH0,
                Address {
                    peer,
                    ..plain("2001:db8::1/128")
                },
            ),
        );
    }
    assert_eq!(listed(&table, Family::V6).len(), 1);
}

#[test]
fn notices_about_unknown_things_are_not_news() {
    let mut table = Table::default();
    assert_eq!(news(&mut table, address("10.0.0.1/24")), [""; 0]);
    assert_eq!(
        news(&mut table, Notice::AddressGone(ETH0, plain("10.0.0.1/24"))),
        [""; 0]
    );
    assert_eq!(news(&mut table, Notice::LinkGone(ETH0)), [""; 0]);
    assert_eq!(news(&mut table, Notice::Forwarding6(ETH0, true)), [""; 0]);
}

#[test]
fn forwarding_of_ipv6_is_a_fact_of_the_link() {
    let mut table = with_eth0();
    assert_eq!(news(&mut table, Notice::Forwarding6(ETH0, true)), ["+link #2 eth0"]);
    assert_eq!(news(&mut table, Notice::Forwarding6(ETH0, true)), [""; 0]);
    // A notice that says nothing of it does not change it.
    assert_eq!(news(&mut table, link(2, "eth0")), [""; 0]);
}

fn with_eth0() -> Table {
    let mut table = Table::default();
    news(&mut table, link(2, "eth0"));
    table
}

fn bare(index: u32, name: &str) -> Link {
    Link {
        index: IfIndex(index),
        name: name.parse().unwrap(),
        mac: None,
        hardware: 1,
        mtu: 1500,
        up: false,
        running: false,
        lower_up: false,
        multicast: true,
        noarp: false,
        loopback: false,
        point_to_point: false,
        kind: None,
        master: None,
        base: None,
        forwarding6: false,
    }
}

fn link(index: u32, name: &str) -> Notice {
    Notice::Link {
        link: bare(index, name),
        partial: false,
        forwarding6: None,
    }
}

fn plain(text: &str) -> Address {
    let (address, len) = text.split_once('/').unwrap();
    let prefix = Prefix::new(address.parse().unwrap(), len.parse().unwrap()).unwrap();
    Address {
        prefix,
        peer: None,
        broadcast: None,
        label: None,
        scope: 0,
        flags: 0,
        mark: 0,
    }
}

fn address(text: &str) -> Notice {
    Notice::Address(ETH0, plain(text))
}

fn news(table: &mut Table, notice: Notice) -> Vec<String> {
    let mut changes = Vec::new();
    table.take(notice, false, &mut changes);
    written(&changes)
}

fn dump(table: &mut Table, links: &[Notice], addresses: &[Notice]) -> Vec<String> {
    let mut changes = Vec::new();
    table.begin_dump();
    for notice in links.iter().chain(addresses) {
        table.take(notice.clone(), true, &mut changes);
    }
    table.end_dump(&mut changes);
    written(&changes)
}

fn listed(table: &Table, family: Family) -> Vec<String> {
    table
        .addresses(ETH0, family)
        .map(|address| address.prefix.to_string())
        .collect()
}

fn written(changes: &[Change]) -> Vec<String> {
    let line = |change: &Change| match change {
        Change::Link { index, name } => format!("+link {index} {name}"),
        Change::LinkGone { index, name } => format!("-link {index} {name}"),
        Change::AddressAdded { name, address, .. } => format!("+{} {name}", address.prefix),
        Change::AddressChanged { name, address, .. } => format!("~{} {name}", address.prefix),
        Change::AddressRemoved { name, address, .. } => format!("-{} {name}", address.prefix),
        Change::Resynced => "resynced".to_owned(),
    };
    changes.iter().map(line).collect()
}
