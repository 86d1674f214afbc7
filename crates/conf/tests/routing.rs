//! Route and rule lines: what they mean, as values.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use base::{Family, IfName};
use conf::{Facts, InterfaceFact, MapLoader, Model, compile, load};
use vrrp::config::route::{Encap, Insert, Metric, RouteKind};
use vrrp::config::rule::RuleAction;
use vrrp::config::{Config, Name, Route, Rule};

fn compiled(text: &str) -> (Model, Vec<String>) {
    let loader = MapLoader::default()
        .with("/etc/keepalived/keepalived.conf", text)
        .with("/etc/iproute2/rt_tables", "100 mine\n")
        .with("/opt/names/rt_tables", "101 mine\n")
        .with("/etc/iproute2/group", "7 uplinks\n")
        .with("/usr/share/iproute2/rt_dsfield", "0x28 AF11\n");
    let interfaces = ["lo", "eth0", "eth1"].map(|name| InterfaceFact {
        name: name.to_owned(),
        mtu: 1500,
        multicast: name != "lo",
    });
    let facts = Facts {
        directory: "/etc/keepalived".into(),
        interfaces: Some(interfaces.to_vec()),
        vrf_tables: [("eth1".to_owned(), 77)].into(),
        checking: true,
        ..Facts::default()
    };
    let compiled = compile(&load("keepalived.conf", facts, &loader));
    let said = compiled.diagnostics.iter().map(|d| d.message.clone()).collect();
    (compiled.model, said)
}

fn instance(block: &str, lines: &str) -> (Config, Vec<String>) {
    let text = format!(
        "vrrp_instance V {{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {{\n 10.0.0.9\n }}\n {block} {{\n{lines}\n }}\n}}\n"
    );
    let (model, said) = compiled(&text);
    ((*model.vrrp.instances[&Name::from("V")]).clone(), said)
}

fn route(line: &str) -> Route {
    let (config, said) = instance("virtual_routes", line);
    assert_eq!(said, Vec::<String>::new(), "{line}");
    assert_eq!(config.routes.len(), 1, "{line}");
    config.routes[0].clone()
}

fn rule(line: &str) -> Rule {
    let (config, said) = instance("virtual_rules", line);
    assert_eq!(said, Vec::<String>::new(), "{line}");
    assert_eq!(config.rules.len(), 1, "{line}");
    config.rules[0].clone()
}

fn eth(number: u8) -> IfName {
    format!("eth{number}").parse().unwrap()
}

#[test]
fn a_route_has_the_values_of_its_words() {
    let one = route(
        "blackhole 10.1.2.0/24 via 10.0.0.3 dev eth0 src 10.0.0.9 table mine tos AF11 scope link metric 7 onlink append no_track protocol static realms 3/4",
    );
    assert_eq!(one.family, Family::V4);
    assert_eq!(one.kind, RouteKind::Blackhole);
    assert_eq!(one.destination.to_string(), "10.1.2.0/24");
    assert_eq!(one.hop.gateway, Some("10.0.0.3".parse().unwrap()));
    assert_eq!(one.hop.interface, Some(eth(0)));
    assert!(one.hop.onlink);
    assert_eq!(one.hop.realms, Some(3 << 16 | 4));
    assert_eq!(one.preferred_source, Some("10.0.0.9".parse().unwrap()));
    assert_eq!((one.table, one.tos, one.scope, one.metric), (100, 0x28, 253, Some(7)));
    assert_eq!((one.insert, one.tracked, one.protocol), (Insert::Append, false, 4));
    assert_eq!(route("10.1.0.0/16 dev eth0 vrf eth1").table, 77);
}

#[test]
fn a_route_without_a_gateway_has_link_scope_and_a_local_one_host_scope() {
    assert_eq!(route("10.1.0.0/16 dev eth0").scope, 253);
    assert_eq!(route("10.1.0.0/16 via 10.0.0.3").scope, 0);
    assert_eq!(route("local 10.1.0.0/16 dev lo").scope, 254);
    assert_eq!(route("to unreachable default").scope, 0);
    assert_eq!(route("2001:db8::/32 dev eth0").scope, 0);
}

#[test]
fn the_family_comes_from_any_address_or_is_said() {
    assert_eq!(route("default via fe80::1 dev eth0").destination.to_string(), "::/0");
    assert_eq!(route("inet6 default dev eth0").destination.to_string(), "::/0");
    assert_eq!(route("default6 dev eth0").destination.to_string(), "::/0");
    assert_eq!(route("any dev eth0").destination.to_string(), "0.0.0.0/0");
    let other = route("10.1.0.0/16 via inet6 fe80::1 dev eth0");
    assert_eq!(other.family, Family::V4);
    assert_eq!(other.hop.gateway, Some("fe80::1".parse().unwrap()));
}

#[test]
fn metrics_may_be_locked_and_times_are_in_the_kernels_units() {
    let one = route(
        "10.1.0.0/16 dev eth0 mtu lock 1400 rtt 1.5s rttvar lock 300ms rto_min 250 hoplimit 3 congctl lock cubic features ecn quickack 1",
    );
    let metric = |metric| one.metrics[&metric];
    assert_eq!(metric(Metric::Mtu), (1400, true));
    assert_eq!(metric(Metric::Rtt), (12_000, false));
    assert_eq!(metric(Metric::RttVar), (1200, true));
    assert_eq!(metric(Metric::RtoMin), (250, false));
    assert_eq!(metric(Metric::HopLimit), (3, false));
    assert_eq!(metric(Metric::Features), (1, false));
    assert_eq!(metric(Metric::QuickAck), (1, false));
    assert_eq!(one.congestion, Some(("cubic".to_owned(), true)));
    let six = route("2001:db8::/32 dev eth0 expires 100 pref low ttl-propagate disabled from 2001:db8:1::/48");
    assert_eq!(
        (six.expires, six.preference, six.ttl_propagate),
        (Some(100), Some(3), Some(false))
    );
    assert_eq!(six.source.unwrap().to_string(), "2001:db8:1::/48");
}

#[test]
fn nexthops_come_last_and_take_the_device_before_them() {
    let one =
        route("10.1.0.0/16 dev eth1 nexthop via 10.0.0.3 weight 256 nexthop via 10.0.0.4 dev eth0 onlink realms 5");
    assert_eq!(one.hop.interface, None);
    let hops: Vec<_> = one
        .nexthops
        .iter()
        .map(|next| {
            (
                next.hop.gateway.unwrap().to_string(),
                next.hop.interface,
                next.weight,
                next.hop.onlink,
            )
        })
        .collect();
    assert_eq!(
        hops,
        [
            ("10.0.0.3".to_owned(), Some(eth(1)), 256, false),
            ("10.0.0.4".to_owned(), Some(eth(0)), 1, true)
        ]
    );
    assert_eq!(one.nexthops[1].hop.realms, Some(5));
    assert_eq!(one.interfaces().collect::<Vec<_>>(), [eth(1), eth(0)]);
    let (config, said) = instance("virtual_routes", "10.1.0.0/16 via 10.0.0.3 or 10.0.0.4");
    assert_eq!(said, ["\"or\" for routes is deprecated. Please use \"nexthop\""]);
    assert_eq!(config.routes[0].nexthops.len(), 2);
}

#[test]
fn encapsulations_have_their_own_words() {
    let encap = |line: &str| route(line).hop.encap.unwrap();
    assert_eq!(
        encap("10.1.0.0/16 encap ip id 5 dst 192.0.2.1 src 192.0.2.2 tos AF11 ttl 9 flags 4 dev eth0"),
        Encap::Ip {
            id: Some(5),
            destination: Some("192.0.2.1".parse().unwrap()),
            source: Some("192.0.2.2".parse().unwrap()),
            tos: 0x28,
            ttl: 9,
            flags: 4
        }
    );
    assert_eq!(
        encap("10.1.0.0/16 encap ip6 dst fe80::1 tc 0x10 hoplimit 3 dev eth0"),
        Encap::Ip6 {
            id: None,
            destination: Some("fe80::1".parse().unwrap()),
            source: None,
            class: 16,
            hop_limit: 3,
            flags: 0
        }
    );
    assert_eq!(
        encap("10.1.0.0/16 encap mpls 100/1048575 dev eth0"),
        Encap::Mpls(vec![100, 1_048_575])
    );
    assert_eq!(
        encap("2001:db8::/64 encap ila 1:2:3:4 via fe80::1 dev eth0"),
        Encap::Ila(0x0001_0002_0003_0004)
    );
}

#[test]
fn a_rule_has_the_values_of_its_words() {
    let one = rule(
        "not from 10.1.0.0/16 to 10.2.0.0/16 preference 0x20 tos 8 fwmark 0x10/0xff iif eth0 oif eth1 tunnel-id 9 uidrange 5-6 sport 7-8 dport 9-10 ipproto tcp realms 3/4 sup_pl 0 suppress_ifgroup uplinks protocol 5 no_track lookup mine",
    );
    assert!(one.invert && !one.tracked);
    assert_eq!(one.from.unwrap().to_string(), "10.1.0.0/16");
    assert_eq!(one.to.unwrap().to_string(), "10.2.0.0/16");
    assert_eq!((one.preference, one.tos, one.mark), (32, 8, Some((16, Some(255)))));
    assert_eq!((one.iif, one.oif, one.tunnel_id), (Some(eth(0)), Some(eth(1)), Some(9)));
    assert_eq!(
        (one.uids, one.source_ports, one.destination_ports),
        (Some((5, 6)), Some((7, 8)), Some((9, 10)))
    );
    assert_eq!((one.ip_protocol, one.realms), (Some(6), Some(3 << 16 | 4)));
    assert_eq!((one.suppress_prefix_length, one.suppress_group), (Some(0), Some(7)));
    assert_eq!((one.protocol, one.action), (5, RuleAction::Table(100)));
    assert_eq!(rule("inet6 order 5 type goto 10").action, RuleAction::Goto(10));
    assert_eq!(rule("preference 5 l3mdev").action, RuleAction::L3mdev);
    for (word, action) in [
        ("nop", RuleAction::Nop),
        ("blackhole", RuleAction::Blackhole),
        ("unreachable", RuleAction::Unreachable),
        ("prohibit", RuleAction::Prohibit),
    ] {
        assert_eq!(rule(&format!("preference 5 {word}")).action, action);
    }
}

#[test]
fn rules_without_a_preference_count_down_for_each_family() {
    let (config, said) = instance(
        "virtual_rules",
        "from 10.1.0.0/16 nop\nfrom 2001:db8::/32 nop\nfrom 10.2.0.0/16 nop",
    );
    let preferences: Vec<u32> = config.rules.iter().map(|rule| rule.preference).collect();
    assert_eq!(preferences, [16384, 16384, 16383]);
    assert_eq!(said.len(), 3);
}

#[test]
fn what_a_route_or_rule_prints_means_the_same_when_read_again() {
    for line in [
        "10.1.2.0/24 via 10.0.0.3 dev eth0 src 10.0.0.9 table 100 tos 8 metric 7 append no_track protocol 4 mtu lock 1400",
        "10.1.0.0/16 nexthop via 10.0.0.3 weight 256 nexthop via 10.0.0.4 dev eth0 onlink",
        "2001:db8::/32 dev eth0 expires 100 pref low ttl-propagate disabled from 2001:db8:1::/48",
        "10.1.0.0/16 encap ip id 5 dst 192.0.2.1 tos 0 ttl 9 flags 4 dev eth0 congctl cubic",
        "2001:db8::/64 encap ila 1:2:3:4 via fe80::1 dev eth0",
        "10.1.0.0/16 encap mpls 100/200 dev eth0 scope 253",
        "inet6 default dev eth0",
    ] {
        let one = route(line);
        assert_eq!(route(&one.to_string()), one, "{one}");
    }
    for line in [
        "inet6 preference 5 goto 10",
        "not from 10.1.0.0/16 preference 32 tos 8 fwmark 16/255 iif eth0 oif eth1 tunnel-id 9 uidrange 5-6 sport 7-8 ipproto 6 realms 3/4 sup_pl 0 protocol 5 no_track table main",
    ] {
        let one = rule(line);
        assert_eq!(rule(&one.to_string()), one, "{one}");
    }
}

#[test]
fn an_error_drops_its_line_only() {
    let (config, said) = instance(
        "virtual_routes",
        "10.1.0.0/16 dev eth9\n10.2.0.0/16 dev eth0 table nosuch\n10.3.0.0/16 dev eth0",
    );
    assert_eq!(config.routes.len(), 1);
    assert_eq!(config.routes[0].destination.to_string(), "10.3.0.0/16");
    assert_eq!(
        said,
        [
            "WARNING - interface eth9 for VROUTE nexthop doesn't exist",
            "Routing table nosuch not found for route",
            "Non-existent interface specified in configuration"
        ]
    );
}

#[test]
fn the_folder_of_the_names_can_be_chosen() {
    let text =
        "global_defs {\n iproute_etc_dir /opt/names\n}\nstatic_rules {\n from 10.1.0.0/16 preference 5 table mine\n}\n";
    let (model, said) = compiled(text);
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(model.vrrp.statics.rules[0].action, RuleAction::Table(101));
}

#[test]
fn a_track_group_ties_instances_to_the_interfaces_of_static_items() {
    let text = "track_group g {\n group {\n V W\n }\n}\nstatic_ipaddress {\n 10.1.0.1/24 dev eth1 track_group g\n 10.1.0.2/24\n 10.1.0.1/24 dev eth1\n}\nstatic_routes {\n 10.2.0.0/16 dev eth1 track_group g\n}\nvrrp_instance V {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n 10.0.0.9\n }\n}\n";
    let (model, said) = compiled(text);
    assert_eq!(
        said,
        ["vrrp instance W specified in track group g doesn't exist - ignoring"]
    );
    assert_eq!(model.vrrp.instances[&Name::from("V")].static_interfaces, [eth(1)]);
    let places: Vec<_> = model.vrrp.statics.addresses.iter().map(|a| a.interface).collect();
    assert_eq!(places, [eth(1), eth(0)]);
    assert_eq!(model.vrrp.statics.routes.len(), 1);
    assert!(model.has_vrrp);
}
