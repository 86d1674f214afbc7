//! Checks that look at the wrong thing, or too slowly.

use super::{Report, Rule};
use crate::node::{Instance, Kind};
use conf::outline::Item;
use std::net::IpAddr;

pub(super) static PROCESS_EXISTS: Rule = Rule {
    name: "process-exists",
    about: "The script only asks whether a process exists. A process that hangs exists too; and under another user the \
            question may be refused, which counts as a failure.",
    hint: "ask the service itself (a connection, a request); or use vrrp_track_process, which costs no script",
    check: process_exists,
};

fn process_exists(report: &mut Report<'_>) {
    for (node, block) in report.blocks("vrrp_script") {
        let Some(script) = block.get("script") else { continue };
        let words: Vec<&str> = script.word(0).unwrap_or_default().split_whitespace().collect();
        let program = words
            .first()
            .and_then(|word| word.rsplit('/').next())
            .unwrap_or_default();
        let nothing = words.iter().any(|word| matches!(*word, "-0" | "-s0"));
        let asks = match program {
            "killall" | "kill" | "pkill" => nothing,
            "pidof" | "pgrep" => true,
            _ => false,
        };
        if asks {
            let name = block.word(0).unwrap_or_default();
            report.say(
                node,
                script.at.as_ref(),
                format!("script `{name}` asks with {program} whether a process exists, not whether it works"),
            );
        }
    }
}

pub(super) static SLOW_CHECK: Rule = Rule {
    name: "slow-check",
    about: "A check may take longer than the time until the next one: runs are left out, and a failure is noticed later \
            than the numbers say.",
    hint: "make the timeout shorter than the interval",
    check: slow_check,
};

fn slow_check(report: &mut Report<'_>) {
    for (node, block) in report.blocks("vrrp_script") {
        let interval = seconds(block, "interval").filter(|s| *s > 0.0).unwrap_or(1.0);
        if let Some(timeout) = seconds(block, "timeout").filter(|timeout| *timeout > interval) {
            let name = block.word(0).unwrap_or_default();
            let at = block.get("timeout").and_then(|item| item.at.as_ref());
            report.say(
                node,
                at,
                format!("script `{name}` may take {timeout} s and is to run every {interval} s"),
            );
        }
    }
    for (node, service) in report.blocks("virtual_server") {
        for server in service.all("real_server") {
            for check in server
                .inside
                .iter()
                .filter(|item| item.keyword.ends_with(CHECK) || item.keyword.ends_with(GET))
            {
                slow_probe(report, node, [check, server, service]);
            }
        }
    }
}

/// How the blocks of checks end.
const CHECK: &str = "_CHECK";
const GET: &str = "_GET";

/// A check of a real server; what it does not say its server says, or its service.
fn slow_probe(report: &mut Report<'_>, node: usize, levels: [&Item; 3]) {
    let [check, server, _] = levels;
    let keyword = if check.keyword == "MISC_CHECK" {
        "misc_timeout"
    } else {
        "connect_timeout"
    };
    let said = |keyword: &str| {
        levels
            .iter()
            .find_map(|level| Some((seconds(level, keyword)?, level.get(keyword)?)))
    };
    let Some((timeout, line)) = said(keyword) else { return };
    let interval = said("delay_loop").map_or(60.0, |(seconds, _)| seconds);
    if timeout > interval {
        let address = server.words.join(" ");
        let message = format!(
            "{} of {address} may take {timeout} s and is to run every {interval} s",
            check.keyword
        );
        report.say(node, line.at.as_ref(), message);
    }
}

fn seconds(block: &Item, keyword: &str) -> Option<f64> {
    block.get(keyword)?.word(0)?.parse().ok()
}

pub(super) static CHECKS_OWN_ADDRESS: Rule = Rule {
    name: "checks-own-address",
    about: "The script goes through the virtual address. A backup then checks the master, not itself, and everybody \
            fails at once.",
    hint: "check the service on the own machine, for example on 127.0.0.1",
    check: checks_own_address,
};

fn checks_own_address(report: &mut Report<'_>) {
    for (node, instance) in report.instances() {
        for tracker in instance
            .trackers()
            .iter()
            .filter(|tracker| tracker.kind == Kind::Script)
        {
            let script = instance
                .node
                .blocks("vrrp_script")
                .filter(|block| block.word(0) == Some(tracker.name))
                .find_map(|block| block.get("script"));
            let Some(script) = script else { continue };
            let command = script.word(0).unwrap_or_default();
            if let Some(address) = addresses(&instance).find(|address| names(command, address)) {
                report.say(
                    node,
                    script.at.as_ref(),
                    format!(
                        "script `{}` checks {address}, an address that moves with {}",
                        tracker.name,
                        instance.name()
                    ),
                );
            }
        }
    }
}

fn addresses(instance: &Instance<'_>) -> impl Iterator<Item = IpAddr> {
    let config = instance.config;
    config
        .addresses
        .iter()
        .chain(&config.excluded)
        .map(|address| address.prefix.address())
}

/// Whether a command has an address in it, not as part of a longer one.
fn names(command: &str, address: &IpAddr) -> bool {
    let part = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
    let same = |word: &str| word.parse::<IpAddr>().is_ok_and(|found| found == *address);
    command
        .split(|c| !part(c))
        .any(|word| same(word) || word.rsplit_once(':').is_some_and(|(host, _)| same(host)))
}

pub(super) static BFD_BETWEEN_ROUTERS: Rule = Rule {
    name: "bfd-between-routers",
    about: "Without a weight the loss of the BFD session is a fault. If the session is with another router of the same \
            virtual router, the death of the master puts the backup into FAULT too, and nobody has the addresses.",
    hint: "give the BFD session a weight, or leave the other router to VRRP",
    check: bfd_between_routers,
};

fn bfd_between_routers(report: &mut Report<'_>) {
    let routers = crate::forecast::routers(report.nodes);
    for (node, instance) in report.instances() {
        let fellows = routers.iter().find(|router| {
            let mut members = router.members.iter();
            members.any(|member| member.node == node && member.instance.name() == instance.name())
        });
        let mut others: Vec<IpAddr> = instance.peers().unwrap_or_default();
        let members = fellows.iter().flat_map(|router| &router.members);
        others.extend(
            members
                .filter(|member| member.node != node)
                .filter_map(|member| member.instance.source()),
        );
        let trackers = instance.trackers();
        for tracker in trackers.iter().filter(|t| t.kind == Kind::Bfd && t.weight == 0) {
            let session = instance
                .node
                .blocks("bfd_instance")
                .find(|block| block.word(0) == Some(tracker.name));
            let neighbour = session
                .and_then(|block| block.get("neighbor_ip").or(block.get("neighbour_ip")))
                .and_then(|item| item.word(0)?.parse::<IpAddr>().ok());
            if let Some(neighbour) = neighbour.filter(|address| others.contains(address)) {
                let message = format!(
                    "{} goes into FAULT when the BFD session `{}` with {neighbour}, another router of it, is lost",
                    instance.name(),
                    tracker.name
                );
                report.say(node, tracker.line.at.as_ref(), message);
            }
        }
    }
}
