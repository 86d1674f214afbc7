//! Routes and rules against the kernel, in a namespace of the test's own: what we ask for and what `ip` makes of the same
//! words must look the same, and everything must be heard and go again.

use super::super::address::{Action, AddressSocket, Outcome};
use super::super::route::{EncapSpec, HopSpec, Insert, RouteRequest, RouteSpec};
use super::super::rule::RuleRequest;
use super::*;
use crate::interface::Mirror;
use crate::testing::Netns;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

const ESRCH: i32 = 3;
const ENOENT: i32 = 2;
const EEXIST: i32 = 17;

/// A namespace with the interfaces `va` (10.0.0.1/24, 2001:db8::1/64) and `vb` (10.0.1.1/24), both up.
struct Place {
    net: Netns,
    socket: AddressSocket,
    ear: RoutingEar,
    va: IfIndex,
    vb: IfIndex,
    batches: u64,
}

impl Place {
    fn new() -> Option<Place> {
        let net = Netns::new()?;
        net.ip_batch(
            "link add va type veth peer name vb\naddr add 10.0.0.1/24 dev va\naddr add 10.0.1.1/24 dev vb\naddr add 2001:db8::1/64 dev va nodad\nlink set va up\nlink set vb up\n",
        );
        let (socket, ear, va, vb) = net.run(|| {
            let mirror = Mirror::open().unwrap();
            let index = |name: &str| mirror.link_named(name.parse().unwrap()).unwrap().index;
            let ear = RoutingEar::open().unwrap();
            (AddressSocket::open().unwrap(), ear, index("va"), index("vb"))
        });
        Some(Place {
            net,
            socket,
            ear,
            va,
            vb,
            batches: 0,
        })
    }

    fn ask(&mut self, requests: &[super::super::Request]) -> Vec<(usize, i32)> {
        self.batches += 1;
        self.socket.submit(self.batches, requests).unwrap();
        let mut done = Vec::new();
        self.socket.complete(&mut done).unwrap();
        match &done[0].outcome {
            Outcome::Answered { refused } => refused.clone(),
            Outcome::Unknown => panic!("answers were lost"),
        }
    }

    fn route(&mut self, action: Action, route: &RouteSpec) -> Vec<(usize, i32)> {
        let route = route.clone();
        self.ask(&[super::super::Request::Route(RouteRequest { action, route })])
    }

    fn rule(&mut self, action: Action, rule: &RuleSpec) -> Vec<(usize, i32)> {
        let rule = rule.clone();
        self.ask(&[super::super::Request::Rule(RuleRequest { action, rule })])
    }

    /// What `ip` shows of routes of keepalived.
    fn routes(&self, family: Family) -> String {
        let family = if family == Family::V4 { "-4" } else { "-6" };
        let all = self.net.ip(&format!("{family} -d route show table all proto 18"));
        // The time left, and what the kernel counts.
        let words: Vec<&str> = all.split_whitespace().filter(|word| !word.ends_with("sec")).collect();
        words.join(" ")
    }

    fn rules(&self, family: Family) -> String {
        let family = if family == Family::V4 { "-4" } else { "-6" };
        let all = self.net.ip(&format!("{family} -d rule show"));
        let ours: Vec<&str> = all.lines().filter(|line| line.contains("proto keepalived")).collect();
        ours.join("\n")
    }

    fn heard(&mut self) -> Vec<RoutingChange> {
        let mut changes = Vec::new();
        while self.ear.read(&mut changes).unwrap() == Turn::More || changes.is_empty() {
            let mut fds = [PollFd::new(self.ear.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut fds, PollTimeout::from(5000_u16)), Ok(1), "nothing is heard");
        }
        changes
    }
}

fn prefix(text: &str) -> Prefix {
    let (address, len) = text.split_once('/').unwrap();
    Prefix::new(address.parse().unwrap(), len.parse().unwrap()).unwrap()
}

fn dev(interface: IfIndex) -> HopSpec {
    HopSpec {
        interface: Some(interface),
        weight: 1,
        ..HopSpec::default()
    }
}

fn via(gateway: &str, interface: IfIndex) -> HopSpec {
    HopSpec {
        gateway: Some(gateway.parse().unwrap()),
        ..dev(interface)
    }
}

fn to(destination: &str, hop: HopSpec) -> RouteSpec {
    RouteSpec {
        hops: vec![hop],
        ..RouteSpec::to(prefix(destination))
    }
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn v4_routes(va: IfIndex, vb: IfIndex) -> Vec<(&'static str, RouteSpec)> {
    let plain = || to("10.1.0.0/16", via("10.0.0.3", va));
    let link = || RouteSpec {
        scope: 253,
        ..to("10.1.0.0/16", dev(va))
    };
    let of_kind = |kind| RouteSpec {
        kind,
        ..RouteSpec::to(prefix("10.1.0.0/16"))
    };
    vec![
        ("10.1.0.0/16 via 10.0.0.3 dev va", plain()),
        ("10.1.0.0/16 dev va", link()),
        (
            "default via 10.0.0.3 dev va metric 5",
            RouteSpec {
                priority: Some(5),
                ..to("0.0.0.0/0", via("10.0.0.3", va))
            },
        ),
        (
            "10.1.0.0/16 dev va src 10.0.0.1 table 100",
            RouteSpec {
                preferred_source: Some("10.0.0.1".parse().unwrap()),
                table: 100,
                ..link()
            },
        ),
        (
            "10.1.0.0/16 dev va table 100000 tos 0x10",
            RouteSpec {
                table: 100_000,
                tos: 16,
                ..link()
            },
        ),
        (
            "10.1.0.0/16 via 10.77.0.3 dev va onlink",
            to(
                "10.1.0.0/16",
                HopSpec {
                    onlink: true,
                    ..via("10.77.0.3", va)
                },
            ),
        ),
        (
            "10.1.0.0/16 via inet6 fe80::9 dev va",
            to("10.1.0.0/16", via("fe80::9", va)),
        ),
        ("blackhole 10.1.0.0/16", of_kind(6)),
        ("unreachable 10.1.0.0/16", of_kind(7)),
        ("prohibit 10.1.0.0/16", of_kind(8)),
        (
            "throw 10.1.0.0/16 table 100",
            RouteSpec {
                table: 100,
                ..of_kind(9)
            },
        ),
        (
            "local 10.1.0.0/16 dev va table 100",
            RouteSpec {
                kind: 2,
                scope: 254,
                table: 100,
                ..link()
            },
        ),
        (
            "broadcast 10.1.0.255 dev va table 100",
            RouteSpec {
                kind: 3,
                table: 100,
                scope: 253,
                ..to("10.1.0.255/32", dev(va))
            },
        ),
        (
            "10.1.0.0/16 via 10.0.0.3 dev va mtu lock 1400 advmss 1300 reordering 9 window 10 cwnd 11 ssthresh 12 initcwnd 13 initrwnd 14 hoplimit 15 quickack 1 fastopen_no_cookie 1 features ecn congctl reno rtt 800ms rttvar 900ms rto_min 300ms",
            RouteSpec {
                metrics: vec![
                    (2, 1400),
                    (8, 1300),
                    (9, 9),
                    (3, 10),
                    (7, 11),
                    (6, 12),
                    (11, 13),
                    (14, 14),
                    (10, 15),
                    (15, 1),
                    (17, 1),
                    (12, 1),
                    (4, 6400),
                    (5, 3600),
                    (13, 300),
                ],
                locked: vec![2, 13],
                congestion: Some("reno".to_owned()),
                ..plain()
            },
        ),
        (
            "10.1.0.0/16 nexthop via 10.0.0.3 dev va weight 2 nexthop via 10.0.1.3 dev vb weight 256 onlink",
            RouteSpec {
                multipath: true,
                hops: vec![
                    HopSpec {
                        weight: 2,
                        ..via("10.0.0.3", va)
                    },
                    HopSpec {
                        weight: 256,
                        onlink: true,
                        ..via("10.0.1.3", vb)
                    },
                ],
                ..RouteSpec::to(prefix("10.1.0.0/16"))
            },
        ),
        (
            "10.1.0.0/16 via 10.0.0.3 dev va realms 3/4",
            to(
                "10.1.0.0/16",
                HopSpec {
                    realms: Some(3 << 16 | 4),
                    ..via("10.0.0.3", va)
                },
            ),
        ),
    ]
}

fn v6_routes(va: IfIndex) -> Vec<(&'static str, RouteSpec)> {
    let plain = || to("2001:db8:1::/48", via("2001:db8::3", va));
    vec![
        ("2001:db8:1::/48 via 2001:db8::3 dev va", plain()),
        (
            "2001:db8:1::/48 dev va metric 7 pref low",
            RouteSpec {
                priority: Some(7),
                preference: Some(3),
                ..to("2001:db8:1::/48", dev(va))
            },
        ),
        ("default via fe80::9 dev va", to("::/0", via("fe80::9", va))),
        (
            "2001:db8:1::/48 dev va expires 1000",
            RouteSpec {
                expires: Some(1000),
                ..to("2001:db8:1::/48", dev(va))
            },
        ),
        (
            "2001:db8:1::/48 dev va src 2001:db8::1 mtu 1400",
            RouteSpec {
                preferred_source: Some("2001:db8::1".parse().unwrap()),
                metrics: vec![(2, 1400)],
                ..to("2001:db8:1::/48", dev(va))
            },
        ),
        (
            "2001:db8:1::/48 nexthop via 2001:db8::3 dev va weight 2 nexthop via 2001:db8::4 dev va",
            RouteSpec {
                multipath: true,
                hops: vec![
                    HopSpec {
                        weight: 2,
                        ..via("2001:db8::3", va)
                    },
                    via("2001:db8::4", va),
                ],
                ..RouteSpec::to(prefix("2001:db8:1::/48"))
            },
        ),
        (
            "unreachable 2001:db8:1::/48",
            RouteSpec {
                kind: 7,
                ..RouteSpec::to(prefix("2001:db8:1::/48"))
            },
        ),
    ]
}

/// Tunnels: kernels may be built without them.
fn encaps(va: IfIndex) -> Vec<(&'static str, RouteSpec)> {
    let encap = |destination: &str, encap| {
        to(
            destination,
            HopSpec {
                encap: Some(encap),
                ..dev(va)
            },
        )
    };
    vec![
        (
            "10.1.0.0/16 encap ip id 5 dst 192.0.2.1 src 192.0.2.2 tos 0x10 ttl 9 dev va",
            RouteSpec {
                scope: 253,
                ..encap(
                    "10.1.0.0/16",
                    EncapSpec::Ip {
                        id: Some(5),
                        destination: Some("192.0.2.1".parse().unwrap()),
                        source: Some("192.0.2.2".parse().unwrap()),
                        tos: 16,
                        ttl: 9,
                        flags: 0,
                    },
                )
            },
        ),
        (
            "2001:db8:1::/48 encap ip6 id 5 dst fe80::1 src fe80::2 tc 0x10 hoplimit 9 dev va",
            encap(
                "2001:db8:1::/48",
                EncapSpec::Ip6 {
                    id: Some(5),
                    destination: Some("fe80::1".parse().unwrap()),
                    source: Some("fe80::2".parse().unwrap()),
                    class: 16,
                    hop_limit: 9,
                    flags: 0,
                },
            ),
        ),
        (
            "10.1.0.0/16 encap mpls 100/200 via 10.0.0.3 dev va",
            to(
                "10.1.0.0/16",
                HopSpec {
                    encap: Some(EncapSpec::Mpls(vec![100, 200])),
                    ..via("10.0.0.3", va)
                },
            ),
        ),
        (
            "2001:db8:1::1/128 encap ila 1:2:3:4 via 2001:db8::3 dev va",
            to(
                "2001:db8:1::1/128",
                HopSpec {
                    encap: Some(EncapSpec::Ila(0x1_0002_0003_0004)),
                    ..via("2001:db8::3", va)
                },
            ),
        ),
    ]
}

fn check_route(place: &mut Place, words: &str, route: &RouteSpec) {
    let family = route.destination.family();
    let flag = if family == Family::V4 { "-4" } else { "-6" };
    place.net.ip(&format!("{flag} route add proto 18 {words}"));
    let theirs = place.routes(family);
    assert_ne!(theirs, "", "{words}");
    // Ours takes away what `ip` put there, so both name the same route.
    assert_eq!(place.route(Action::Remove, route), [], "{words}");
    assert_eq!(place.routes(family), "", "{words}");
    let _ = place.heard();
    assert_eq!(place.route(Action::Add, route), [], "{words}");
    assert_eq!(place.routes(family), theirs, "{words}");
    assert_eq!(place.route(Action::Add, route), [(0, EEXIST)], "{words}");
    let heard = place.heard();
    let added = |change: &RoutingChange| match change {
        RoutingChange::Route { route: seen, present } => *present && route.is(seen),
        RoutingChange::Rule { .. } | RoutingChange::Uncertain => false,
    };
    assert!(heard.iter().any(added), "{words}: {heard:?}");
    place.net.ip(&format!("{flag} route flush table all proto 18"));
    let heard = place.heard();
    let gone = |change: &RoutingChange| match change {
        RoutingChange::Route { route: seen, present } => !*present && route.is(seen),
        RoutingChange::Rule { .. } | RoutingChange::Uncertain => false,
    };
    assert!(heard.iter().any(gone), "{words}: {heard:?}");
    assert_eq!(place.route(Action::Remove, route), [(0, ESRCH)], "{words}");
}

#[test]
fn a_route_looks_as_if_ip_had_made_it_and_is_heard_of() {
    let Some(mut place) = Place::new() else { return };
    let (va, vb) = (place.va, place.vb);
    for (words, route) in v4_routes(va, vb).into_iter().chain(v6_routes(va)) {
        check_route(&mut place, words, &route);
    }
}

#[test]
fn tunnels_look_as_if_ip_had_made_them_where_the_kernel_has_them() {
    let Some(mut place) = Place::new() else { return };
    for (words, route) in encaps(place.va) {
        let family = if route.destination.family() == Family::V4 {
            "-4"
        } else {
            "-6"
        };
        let probe = format!("ip {family} route add proto 18 {words} && ip {family} route del {words}");
        let output = place
            .net
            .run(|| std::process::Command::new("sh").args(["-c", &probe]).output());
        let output = output.unwrap();
        if !output.status.success() {
            println!(
                "not on this kernel: {words}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            continue;
        }
        let _ = place.heard();
        check_route(&mut place, words, &route);
    }
}

#[test]
fn a_similar_route_is_put_before_or_after_and_add_wants_to_be_alone() {
    let Some(mut place) = Place::new() else { return };
    let route = |gateway, insert| RouteSpec {
        insert,
        ..to("10.1.0.0/16", via(gateway, place.va))
    };
    let requests = [
        route("10.0.0.3", Insert::Add),
        route("10.0.0.4", Insert::Prepend),
        route("10.0.0.5", Insert::Append),
        route("10.0.0.6", Insert::Add),
    ]
    .map(|route| {
        super::super::Request::Route(RouteRequest {
            action: Action::Add,
            route,
        })
    });
    assert_eq!(place.ask(&requests), [(3, EEXIST)]);
    let shown = place.routes(Family::V4);
    let gateways: Vec<&str> = shown
        .split_whitespace()
        .filter(|word| word.starts_with("10.0.0."))
        .collect();
    assert_eq!(gateways, ["10.0.0.4", "10.0.0.3", "10.0.0.5"]);
}

#[test]
fn routes_of_others_are_not_heard_of() {
    let Some(mut place) = Place::new() else { return };
    place.net.ip("route add 10.1.0.0/16 via 10.0.0.3 proto static");
    place.net.ip("route del 10.1.0.0/16");
    let mine = to("10.2.0.0/16", via("10.0.0.3", place.va));
    assert_eq!(place.route(Action::Add, &mine), []);
    let heard = place.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    // Nor taken away: the protocol is part of the question.
    place.net.ip("route add 10.1.0.0/16 via 10.0.0.3 proto static");
    let theirs = to("10.1.0.0/16", via("10.0.0.3", place.va));
    assert_eq!(place.route(Action::Remove, &theirs), [(0, ESRCH)]);
}

#[test]
fn lost_reports_are_told_as_such() {
    let Some(mut place) = Place::new() else { return };
    place.ear = place.net.run(|| RoutingEar::with_receive_buffer(4096).unwrap());
    for n in 0..200 {
        let route = to(&format!("10.1.{n}.0/24"), via("10.0.0.3", place.va));
        assert_eq!(place.route(Action::Add, &route), []);
    }
    let mut heard = Vec::new();
    while place.ear.read(&mut heard).unwrap() == Turn::More {}
    assert!(heard.contains(&RoutingChange::Uncertain));
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn rules() -> Vec<(&'static str, RuleSpec)> {
    let v4 = |priority| RuleSpec::table(Family::V4, priority, 100);
    let verdict = |verdict, target| RuleSpec {
        verdict,
        target,
        ..RuleSpec::table(Family::V4, 50, 0)
    };
    vec![
        (
            "from 10.1.0.0/16 to 10.2.0.0/16 priority 50 table 100",
            RuleSpec {
                from: Some(prefix("10.1.0.0/16")),
                to: Some(prefix("10.2.0.0/16")),
                ..v4(50)
            },
        ),
        (
            "from 2001:db8::/32 priority 50 table 100000",
            RuleSpec {
                from: Some(prefix("2001:db8::/32")),
                ..RuleSpec::table(Family::V6, 50, 100_000)
            },
        ),
        (
            "not from 10.1.0.0/16 iif va oif nowhere priority 50 table 100",
            RuleSpec {
                invert: true,
                from: Some(prefix("10.1.0.0/16")),
                iif: Some("va".parse().unwrap()),
                oif: Some("nowhere".parse().unwrap()),
                ..v4(50)
            },
        ),
        (
            "from all tos 0x10 fwmark 0x10/0xff priority 50 table 100",
            RuleSpec {
                tos: 16,
                mark: Some((16, 255)),
                ..v4(50)
            },
        ),
        (
            "from all fwmark 0x10 priority 50 table 100",
            RuleSpec {
                mark: Some((16, u32::MAX)),
                ..v4(50)
            },
        ),
        (
            "from all uidrange 5-6 ipproto tcp sport 7-8 dport 9-10 priority 50 table 100",
            RuleSpec {
                uids: Some((5, 6)),
                ip_protocol: Some(6),
                source_ports: Some((7, 8)),
                destination_ports: Some((9, 10)),
                ..v4(50)
            },
        ),
        (
            "from all suppress_prefixlength 0 suppress_ifgroup 7 priority 50 table main",
            RuleSpec {
                suppress_prefix_length: Some(0),
                suppress_group: Some(7),
                ..RuleSpec::table(Family::V4, 50, 254)
            },
        ),
        (
            "from all realms 3/4 priority 50 table 100",
            RuleSpec {
                realms: Some(3 << 16 | 4),
                ..v4(50)
            },
        ),
        (
            "from all tun_id 9 priority 50 table 100",
            RuleSpec {
                tunnel_id: Some(9),
                ..v4(50)
            },
        ),
        ("from all priority 50 goto 32766", verdict(2, Some(32766))),
        ("from all priority 50 nop", verdict(3, None)),
        ("from all priority 50 blackhole", verdict(6, None)),
        ("from all priority 50 unreachable", verdict(7, None)),
        ("from all priority 50 prohibit", verdict(8, None)),
    ]
}

#[test]
fn a_rule_looks_as_if_ip_had_made_it_and_is_heard_of() {
    let Some(mut place) = Place::new() else { return };
    for (words, rule) in rules() {
        let flag = if rule.family == Family::V4 { "-4" } else { "-6" };
        place.net.ip(&format!("{flag} rule add {words} protocol 18"));
        let theirs = place.rules(rule.family);
        assert_ne!(theirs, "", "{words}");
        assert_eq!(place.rule(Action::Remove, &rule), [], "{words}");
        let _ = place.heard();
        assert_eq!(place.rule(Action::Add, &rule), [], "{words}");
        assert_eq!(place.rules(rule.family), theirs, "{words}");
        assert_eq!(place.rule(Action::Add, &rule), [(0, EEXIST)], "{words}");
        let heard = |present| RoutingChange::Rule {
            rule: Box::new(rule.clone()),
            present,
        };
        assert_eq!(place.heard(), [heard(true)], "{words}");
        place.net.ip(&format!("{flag} rule del {words} protocol 18"));
        assert_eq!(place.heard(), [heard(false)], "{words}");
        assert_eq!(place.rule(Action::Remove, &rule), [(0, ENOENT)], "{words}");
    }
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    let mut bytes: Vec<u8> = Vec::new();
    let mut state = 1_u32;
    for round in 0..2000_usize {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push((state >> 24) as u8);
        if bytes.len() > 120 {
            bytes.drain(..60);
        }
        let kinds = [
            libc::RTM_NEWROUTE,
            libc::RTM_DELROUTE,
            libc::RTM_NEWRULE,
            libc::RTM_DELRULE,
        ];
        let _ = decode(kinds[round % 4], &bytes);
    }
}
