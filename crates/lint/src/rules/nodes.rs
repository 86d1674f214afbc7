//! Nodes that do not fit together.

use super::{Report, Rule};
use crate::forecast::{Member, Router};
use crate::node::Instance;
use base::Prefix;
use std::collections::BTreeSet;
use std::net::IpAddr;
use vrrp::config::{Delivery, Preempt, Version};

/// Says of every member but the first how it differs from the first.
fn compare<T: PartialEq>(
    report: &mut Report<'_>,
    keyword: &str,
    of: impl Fn(&Instance<'_>) -> T,
    told: impl Fn(&Instance<'_>, &T) -> String,
) {
    for router in report.routers() {
        if is_clash(&router) {
            continue;
        }
        let Some((first, rest)) = router.members.split_first() else {
            continue;
        };
        let wanted = of(&first.instance);
        for member in rest {
            let value = of(&member.instance);
            if value == wanted {
                continue;
            }
            let there = report.place(first.node, first.instance.place(keyword));
            let message = format!("virtual router {}: {}", router.vrid, told(&member.instance, &value));
            let note = format!("{there}: {}", told(&first.instance, &wanted));
            report.say_with(member.node, member.instance.place(keyword), message, vec![note]);
        }
    }
}

pub(super) static TWO_MASTERS: Rule = Rule {
    name: "two-masters",
    about: "Several nodes start as master. Each takes the addresses at once when it starts, and they swap once more when \
            the priorities are compared.",
    hint: "write `state BACKUP` on every node; the priorities say who becomes master",
    check: two_masters,
};

fn two_masters(report: &mut Report<'_>) {
    for router in report.routers().iter().filter(|router| !is_clash(router)) {
        let wants = |member: &&Member<'_>| {
            let state = member.instance.block.get("state");
            state.is_some_and(|item| item.word(0) == Some("MASTER"))
        };
        let masters: Vec<_> = router.members.iter().filter(wants).collect();
        let Some((first, rest)) = masters.split_first() else {
            continue;
        };
        for member in rest {
            let there = report.place(first.node, first.instance.place("state"));
            let message = format!("virtual router {} has `state MASTER` on several nodes", router.vrid);
            report.say_with(
                member.node,
                member.instance.place("state"),
                message,
                vec![format!("{there}: `state MASTER` here too")],
            );
        }
    }
}

pub(super) static ONLY_ON_SOME: Rule = Rule {
    name: "only-on-one-node",
    about: "A virtual router that only one node has moves nowhere when that node fails.",
    hint: "is the VRID the same on the other node?",
    check: only_on_one,
};

fn only_on_one(report: &mut Report<'_>) {
    for router in report.routers() {
        let [member] = router.members.as_slice() else { continue };
        let message = format!(
            "virtual router {} ({}) is on this node alone",
            router.vrid,
            member.instance.name()
        );
        report.say(member.node, member.instance.place("virtual_router_id"), message);
    }
}

pub(super) static VERSIONS_DIFFER: Rule = Rule {
    name: "versions-differ",
    about: "A router drops the adverts of another version, and so becomes master beside its master.",
    hint: "write the same `version` on all nodes",
    check: |report| {
        let number = |version: &Version| match version {
            Version::V2 => 2,
            Version::V3 => 3,
        };
        compare(
            report,
            "version",
            |i| i.config.version,
            |i, v| format!("{} speaks version {}", i.name(), number(v)),
        );
    },
};

pub(super) static INTERVALS_DIFFER: Rule = Rule {
    name: "intervals-differ",
    about: "With version 2 an advert with another interval is dropped, so that there are two masters. With version 3 the \
            interval of the master holds, and the times change with who is master.",
    hint: "write the same `advert_int` on all nodes",
    check: |report| {
        compare(
            report,
            "advert_int",
            |i| i.config.interval,
            |i, v| format!("{} has the interval {} s", i.name(), v.as_secs_f64()),
        );
    },
};

pub(super) static AUTHENTICATION_DIFFERS: Rule = Rule {
    name: "authentication-differs",
    about: "Adverts with another kind of authentication, or another password, are dropped, so that there are two masters.",
    hint: "write the same `authentication` on all nodes",
    check: |report| {
        compare(
            report,
            "authentication",
            |i| i.config.auth.clone(),
            |i, _| {
                format!(
                    "{} has this authentication, which is not the same on all nodes",
                    i.name()
                )
            },
        );
    },
};

fn carried(instance: &Instance<'_>) -> BTreeSet<Prefix> {
    instance
        .config
        .addresses
        .iter()
        .map(|address| Prefix::host(address.prefix.address()))
        .collect()
}

/// Whether the members share no address: then they are different virtual routers under one number.
fn is_clash(router: &Router<'_>) -> bool {
    let lists: Vec<_> = router.members.iter().map(|member| carried(&member.instance)).collect();
    let Some((first, rest)) = lists.split_first() else {
        return false;
    };
    !first.is_empty() && rest.iter().any(|list| !list.is_empty() && list.is_disjoint(first))
}

pub(super) static ADDRESSES_DIFFER: Rule = Rule {
    name: "addresses-differ",
    about: "An advert with other addresses than the own ones is dropped (unless skip_check_adv_addr), so that there are \
            two masters; and what only one node has does not move.",
    hint: "write the same `virtual_ipaddress` on all nodes; addresses of one node go to `virtual_ipaddress_excluded`",
    check: |report| {
        compare(report, "virtual_ipaddress", carried, |i, v| {
            let all: Vec<String> = v.iter().map(|prefix| prefix.address().to_string()).collect();
            format!("{} has the addresses {}", i.name(), all.join(", "))
        });
    },
};

pub(super) static VRID_TWICE: Rule = Rule {
    name: "vrid-of-others",
    about: "The same number with wholly different addresses: on one segment the two disturb each other, and each sees \
            adverts it must drop.",
    hint: "choose another `virtual_router_id` for one of them",
    check: vrid_twice,
};

fn vrid_twice(report: &mut Report<'_>) {
    for router in report.routers().iter().filter(|router| is_clash(router)) {
        let Some((first, rest)) = router.members.split_first() else {
            continue;
        };
        let addresses = carried(&first.instance);
        for member in rest
            .iter()
            .filter(|member| carried(&member.instance).is_disjoint(&addresses))
        {
            let there = report.place(first.node, first.instance.place("virtual_router_id"));
            let message = format!(
                "{} has the number {} and shares no address with the router that has it elsewhere",
                member.instance.name(),
                router.vrid
            );
            report.say_with(
                member.node,
                member.instance.place("virtual_router_id"),
                message,
                vec![format!("{there}: {} has it here", first.instance.name())],
            );
        }
    }
}

pub(super) static DELIVERY_DIFFERS: Rule = Rule {
    name: "delivery-differs",
    about: "Routers that send by unicast and routers that send by multicast do not hear each other, nor do routers of \
            different multicast groups.",
    hint: "write `unicast_peer` on all nodes or on none, and one `mcast_dst_ip`",
    check: |report| {
        let group = |instance: &Instance<'_>| match &instance.config.delivery {
            Delivery::Multicast { group } => Some(*group),
            Delivery::Unicast { .. } => None,
        };
        compare(report, "unicast_peer", group, |i, v| match v {
            Some(group) => format!("{} sends to the group {group}", i.name()),
            None => format!("{} sends to peers", i.name()),
        });
    },
};

pub(super) static PEERS_INCOMPLETE: Rule = Rule {
    name: "peers-incomplete",
    about: "A node that is not in the peer list of another does not hear it, and becomes master beside it.",
    hint: "name every other node in the peer list of each",
    check: peers_incomplete,
};

fn peers_incomplete(report: &mut Report<'_>) {
    for router in report.routers().iter().filter(|router| !is_clash(router)) {
        for member in &router.members {
            let Some(peers) = member.instance.peers() else { continue };
            let others = router.members.iter().filter(|other| other.node != member.node);
            for (other, source) in others.filter_map(|other| Some((other, other.instance.source()?))) {
                if !peers.contains(&source) {
                    let there = report.place(other.node, other.instance.place("unicast_src_ip"));
                    report.say_with(
                        member.node,
                        member.instance.place("unicast_peer"),
                        format!("virtual router {}: {source} is not in the peer list", router.vrid),
                        vec![format!("{there}: adverts of this node come from {source}")],
                    );
                }
            }
        }
        same_lists(report, router);
    }
}

/// One list for all nodes, and no node says which address is its own.
fn same_lists(report: &mut Report<'_>, router: &Router<'_>) {
    let lists: Option<Vec<BTreeSet<IpAddr>>> = router
        .members
        .iter()
        .map(|member| Some(member.instance.peers()?.into_iter().collect()))
        .collect();
    let silent = router.members.iter().all(|member| member.instance.source().is_none());
    let Some((first, rest)) = lists.as_deref().and_then(<[_]>::split_first) else {
        return;
    };
    if silent && !rest.is_empty() && first.len() >= router.members.len() && rest.iter().all(|list| list == first) {
        for member in &router.members {
            report.say(
                member.node,
                member.instance.place("unicast_peer"),
                format!(
                    "virtual router {}: all nodes have the same peers, so each has itself among them",
                    router.vrid
                ),
            );
        }
    }
}

pub(super) static EQUAL_PRIORITIES: Rule = Rule {
    name: "equal-priorities",
    about: "With equal priorities the higher address decides, and whoever is master stays: nobody can say beforehand \
            where the addresses are.",
    hint: "give each node a priority of its own",
    check: equal_priorities,
};

fn equal_priorities(report: &mut Report<'_>) {
    for router in report.routers().iter().filter(|router| !is_clash(router)) {
        for (number, member) in router.members.iter().enumerate() {
            let before = router.members.iter().take(number);
            let Some(twin) = before.into_iter().find(|other| other.healthy() == member.healthy()) else {
                continue;
            };
            let Some(priority) = member.healthy() else { continue };
            let there = report.place(twin.node, twin.instance.place("priority"));
            report.say_with(
                member.node,
                member.instance.place("priority"),
                format!(
                    "virtual router {} has the priority {priority} on several nodes",
                    router.vrid
                ),
                vec![format!("{there}: {priority} here too")],
            );
        }
    }
}

pub(super) static NOPREEMPT_LOWER: Rule = Rule {
    name: "nopreempt-lower-node",
    about: "nopreempt keeps a router from taking over from a master of lower priority. Only the router of the higher \
            priority could do that: there it is missing.",
    hint: "write `nopreempt` on the node with the higher priority, best on all",
    check: nopreempt_lower,
};

fn nopreempt_lower(report: &mut Report<'_>) {
    for router in report.routers().iter().filter(|router| !is_clash(router)) {
        let Ok(master) = router.master() else { continue };
        let Some(highest) = router.members.get(master) else {
            continue;
        };
        if highest.instance.config.preempt == Preempt::No {
            continue;
        }
        for member in router.members.iter().filter(|member| member.instance.has("nopreempt")) {
            if member.node == highest.node {
                continue;
            }
            let there = report.place(highest.node, highest.instance.at());
            report.say_with(
                member.node,
                member.instance.place("nopreempt"),
                format!(
                    "virtual router {}: `nopreempt` is on a node of lower priority alone",
                    router.vrid
                ),
                vec![format!(
                    "{there}: {} has the highest priority and no `nopreempt`",
                    highest.instance.name()
                )],
            );
        }
    }
}
