//! The tables as `nft` prints them. What the original makes of the same addresses was printed by 2.2.7.

use super::*;
use linux::testing::Netns;

const V4: Family = Family::V4;
const V6: Family = Family::V6;

/// What 2.2.7 shows for two IPv4 addresses.
const IPV4: &str = "table ip keepalived {
	set vips {
		type ipv4_addr
		elements = { 10.0.0.10, 10.0.0.11 }
	}

	chain out {
		type filter hook output priority filter - 1; policy accept;
		ip saddr @vips drop
	}

	chain in {
		type filter hook input priority filter - 1; policy accept;
		ip daddr @vips drop
	}
}
";

/// What 2.2.7 shows for a global and a link-local IPv6 address.
const IPV6: &str = "table ip6 keepalived {
	set vips {
		type ipv6_addr
		elements = { 2001:db8::10 }
	}

	set neighbor-discovery {
		type icmpv6_type
		flags constant
		elements = { nd-neighbor-solicit,
			     nd-neighbor-advert }
	}

	set vips_link_local {
		type ipv6_addr . iface_index
		elements = { fe80::10 . \"va\" }
	}

	chain out {
		type filter hook output priority filter - 1; policy accept;
		icmpv6 type @neighbor-discovery accept
		ip6 saddr fe80::/10 goto out_link_local
		ip6 saddr @vips drop
	}

	chain in {
		type filter hook input priority filter - 1; policy accept;
		icmpv6 type @neighbor-discovery accept
		ip6 daddr fe80::/10 goto in_link_local
		ip6 daddr @vips drop
	}

	chain in_link_local {
		ip6 daddr . iif @vips_link_local drop
	}

	chain out_link_local {
		ip6 saddr . oif @vips_link_local drop
	}
}
";

#[test]
fn the_table_of_ipv4_addresses_is_that_of_the_original() {
    let Some((net, mut filter, _)) = place() else { return };
    let steps = [
        FilterStep::Create(V4),
        FilterStep::Prepare(Part::Addresses(V4)),
        FilterStep::Add(address("10.0.0.10")),
        FilterStep::Add(address("10.0.0.11")),
    ];
    filter.change(&FilterSettings::default(), &steps).unwrap();
    assert_eq!(net.command("nft", "list ruleset"), IPV4);
}

#[test]
fn the_table_of_ipv6_addresses_is_that_of_the_original() {
    let Some((net, mut filter, index)) = place() else {
        return;
    };
    let steps = [
        FilterStep::Create(V6),
        FilterStep::Prepare(Part::Addresses(V6)),
        FilterStep::Prepare(Part::LinkLocal),
        FilterStep::Add(address("2001:db8::10")),
        FilterStep::Add(Element::LinkLocal {
            address: "fe80::10".parse().unwrap(),
            interface: index,
        }),
    ];
    filter.change(&FilterSettings::default(), &steps).unwrap();
    assert_eq!(net.command("nft", "list ruleset"), IPV6);
}

#[test]
fn link_local_addresses_may_be_known_by_the_name_of_their_interface() {
    let Some((net, mut filter, _)) = place() else { return };
    let steps = [
        FilterStep::Create(V6),
        FilterStep::Prepare(Part::Addresses(V6)),
        FilterStep::Prepare(Part::LinkLocalName),
        FilterStep::Add(Element::LinkLocalName {
            address: "fe80::10".parse().unwrap(),
            interface: "va".parse().unwrap(),
        }),
    ];
    filter.change(&FilterSettings::default(), &steps).unwrap();
    let listed = net.command("nft", "list ruleset");
    for line in [
        "set vips_link_local_name {",
        "type ipv6_addr . ifname",
        "elements = { fe80::10 . \"va\" }",
        "ip6 daddr . iifname @vips_link_local_name drop",
        "ip6 saddr . oifname @vips_link_local_name drop",
    ] {
        assert!(listed.contains(line), "{line}\n{listed}");
    }
}

#[test]
fn elements_come_and_go_and_a_table_made_anew_is_empty() {
    let Some((net, mut filter, _)) = place() else { return };
    let settings = FilterSettings::default();
    let first = [
        FilterStep::Create(V4),
        FilterStep::Prepare(Part::Addresses(V4)),
        FilterStep::Add(address("10.0.0.10")),
        FilterStep::Add(address("10.0.0.12")),
    ];
    filter.change(&settings, &first).unwrap();
    let second = [
        FilterStep::Add(address("10.0.0.11")),
        FilterStep::Remove(address("10.0.0.12")),
    ];
    filter.change(&settings, &second).unwrap();
    assert_eq!(net.command("nft", "list ruleset"), IPV4);
    let anew = [FilterStep::Create(V4), FilterStep::Prepare(Part::Addresses(V4))];
    filter.change(&settings, &anew).unwrap();
    let empty = IPV4.replace("\t\telements = { 10.0.0.10, 10.0.0.11 }\n", "");
    assert_eq!(net.command("nft", "list ruleset"), empty);
    filter.change(&settings, &[FilterStep::Delete(V4)]).unwrap();
    assert_eq!(net.command("nft", "list ruleset"), "");
}

#[test]
fn counters_priority_and_name_are_as_configured() {
    let Some((net, mut filter, _)) = place() else { return };
    let settings = FilterSettings {
        table: "other".into(),
        priority: 5,
        counters: true,
        ..FilterSettings::default()
    };
    let steps = [FilterStep::Create(V4), FilterStep::Prepare(Part::Addresses(V4))];
    filter.change(&settings, &steps).unwrap();
    let listed = net.command("nft", "list table ip other");
    assert!(
        listed.contains("hook output priority filter + 5; policy accept;"),
        "{listed}"
    );
    assert!(
        listed.contains("ip daddr @vips counter packets 0 bytes 0 drop"),
        "{listed}"
    );
}

#[test]
fn a_refused_change_leaves_everything_as_it_was() {
    let Some((net, mut filter, _)) = place() else { return };
    let settings = FilterSettings::default();
    let steps = [
        FilterStep::Create(V4),
        FilterStep::Prepare(Part::Addresses(V4)),
        FilterStep::Add(address("10.0.0.10")),
        FilterStep::Add(address("10.0.0.11")),
    ];
    filter.change(&settings, &steps).unwrap();
    let wrong = [
        FilterStep::Add(address("10.0.0.12")),
        FilterStep::Remove(address("10.0.0.99")),
    ];
    let (errno, error) = filter.change(&settings, &wrong).unwrap_err();
    assert_eq!(errno, 2, "{error}");
    assert!(
        error.to_string().starts_with("cannot delete elements of vips: "),
        "{error}"
    );
    assert_eq!(net.command("nft", "list ruleset"), IPV4);
}

#[test]
fn tables_of_an_earlier_run_are_deleted_and_those_of_others_are_not() {
    let Some((net, mut filter, _)) = place() else { return };
    let settings = FilterSettings::default();
    let names = BTreeSet::from([&*settings.table]);
    assert_eq!(filter.clean(&names).unwrap(), []);
    let steps = [FilterStep::Create(V4), FilterStep::Prepare(Part::Addresses(V4))];
    filter.change(&settings, &steps).unwrap();
    net.command("nft", "add table ip6 keepalived");
    net.command("nft", "add table ip mine");
    let mut next = PacketFilter {
        socket: Some(net.run(NftSocket::open).unwrap()),
        ..PacketFilter::default()
    };
    assert_eq!(next.clean(&names).unwrap(), [(V4, settings.table.to_string())]);
    assert_eq!(
        net.command("nft", "list tables"),
        "table ip6 keepalived\ntable ip mine\n"
    );
}

#[test]
fn reports_of_a_vmac_leave_by_its_parent() {
    let Some((net, mut filter, index)) = place() else {
        return;
    };
    net.ip("link add vm link va type macvlan mode private");
    let vmac = number_of(&net, "vm");
    let mut steps = Vec::new();
    for family in [V4, V6] {
        steps.extend([FilterStep::Create(family), FilterStep::Prepare(Part::Reports(family))]);
    }
    for family in [V4, V6] {
        steps.push(FilterStep::Add(Element::Reports {
            family,
            vmac,
            parent: index,
        }));
    }
    filter.change(&FilterSettings::default(), &steps).unwrap();
    let listed = net.command("nft", "list ruleset");
    for line in [
        "ip protocol igmp meta oifkind \"macvlan\" dup to ip daddr device oif map @vmac_map drop",
        "icmpv6 type @mld-report meta oifkind \"macvlan\" dup to ip6 daddr device oif map @vmac_map drop",
        "icmpv6 type nd-router-solicit meta oifkind \"macvlan\" oif @vmac_set drop",
        "elements = { \"vm\" : \"va\" }",
        "elements = { \"vm\" }",
    ] {
        assert!(listed.contains(line), "{line}\n{listed}");
    }
}

/// A namespace with an interface `va`, and the way to its nftables.
fn place() -> Option<(Netns, PacketFilter, IfIndex)> {
    let net = Netns::new()?;
    net.ip("link add va type veth peer name vb");
    let filter = PacketFilter {
        socket: Some(net.run(NftSocket::open).unwrap()),
        ..PacketFilter::default()
    };
    let index = number_of(&net, "va");
    Some((net, filter, index))
}

fn number_of(net: &Netns, name: &str) -> IfIndex {
    let line = net.ip(&format!("-o link show dev {name}"));
    let (number, _) = line.split_once(':').unwrap();
    IfIndex(number.parse().unwrap())
}

fn address(text: &str) -> Element {
    Element::Address(text.parse().unwrap())
}
