//! Every rule with an example that it finds and one that it leaves alone, and upstream's samples.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use conf::files::{Elsewhere, FsLoader};
use conf::{Facts, MapLoader};
use lint::{Node, RULES};
use std::collections::BTreeSet;
use std::path::Path;

fn node(name: &str, text: &str) -> Node {
    let loader = Elsewhere(MapLoader::default().with(name, text));
    let bundle = conf::load(name, Facts::default(), &loader);
    Node {
        name: name.to_owned(),
        model: conf::compile(&bundle).model,
        outline: conf::outline::read(&bundle),
    }
}

/// The rules that find something in these nodes.
fn found(files: &[String]) -> BTreeSet<&'static str> {
    let nodes: Vec<Node> = files
        .iter()
        .enumerate()
        .map(|(number, text)| node(&format!("/node-{number}.conf"), text))
        .collect();
    lint::lint(&nodes).iter().map(|finding| finding.rule.name).collect()
}

/// An instance in which nothing is wrong, with more lines, and lines before it.
fn instance(before: &str, more: &str) -> String {
    let or = |keyword: &str, line: &str| {
        if more.contains(keyword) {
            String::new()
        } else {
            format!("{line}\n")
        }
    };
    format!(
        "{before}\nvrrp_instance V {{\n{}{}{}{}{}{more}\n}}\n",
        or("interface ", "interface e0"),
        or("virtual_router_id", "virtual_router_id 7"),
        or("priority ", "priority 150"),
        or("virtual_ipaddress ", "virtual_ipaddress {\n192.0.2.10\n}"),
        or("advert_int", "advert_int 1"),
    )
}

/// A rule, an example that it finds, one that it does not.
struct Example {
    rule: &'static str,
    bad: Vec<String>,
    good: Vec<String>,
}

fn one(rule: &'static str, bad: (&str, &str), good: (&str, &str)) -> Example {
    Example {
        rule,
        bad: vec![instance(bad.0, bad.1)],
        good: vec![instance(good.0, good.1)],
    }
}

/// Two nodes: the second is of lower priority unless it says something else.
fn two(rule: &'static str, bad: [&str; 2], good: [&str; 2]) -> Example {
    let second = |more: &str| {
        let priority = if more.contains("priority ") {
            ""
        } else {
            "\npriority 100"
        };
        instance("", &format!("{more}{priority}"))
    };
    Example {
        rule,
        bad: vec![instance("", bad[0]), second(bad[1])],
        good: vec![instance("", good[0]), second(good[1])],
    }
}

fn script(more: &str) -> String {
    format!("vrrp_script s {{\nscript \"/usr/bin/curl -f http://127.0.0.1/\"\n{more}\n}}")
}

fn tracking(line: &str) -> String {
    format!("track_script {{\n{line}\n}}")
}

fn examples() -> Vec<Example> {
    let mut all = of_one_node();
    all.extend(of_checks());
    all.extend(of_delivery());
    all.extend(of_several_nodes());
    all
}

fn of_one_node() -> Vec<Example> {
    let (plain, weighted) = (script(""), script("weight -60"));
    let group = |more: &str| {
        let other = instance("", "virtual_router_id 8").replace("instance V", "instance W");
        format!("{weighted}\n{other}\nvrrp_sync_group G {{\ngroup {{\nV\nW\n}}\n{more}\n}}")
    };
    vec![
        one(
            "nopreempt-master",
            ("", "state MASTER\nnopreempt"),
            ("", "state BACKUP\nnopreempt"),
        ),
        one(
            "nopreempt-weight",
            (&plain, &format!("nopreempt\n{}", tracking("s weight -60"))),
            (&plain, &format!("nopreempt\n{}", tracking("s"))),
        ),
        Example {
            rule: "master-without-priority",
            bad: vec![instance("", "state MASTER").replace("priority 150", "")],
            good: vec![instance("", "state MASTER")],
        },
        one(
            "weight-without-effect",
            (&weighted, &format!("priority 255\n{}", tracking("s"))),
            (&weighted, &format!("priority 254\n{}", tracking("s"))),
        ),
        one(
            "weight-without-effect",
            (&plain, &format!("priority 254\n{}", tracking("s weight 20"))),
            (&plain, &format!("priority 240\n{}", tracking("s weight 20"))),
        ),
        one(
            "sync-group-weight",
            (&group(""), &tracking("s")),
            (&group("sync_group_tracking_weight"), &tracking("s")),
        ),
        one(
            "strict-drops-traffic",
            ("", "strict_mode"),
            ("", "strict_mode\nversion 3\naccept"),
        ),
        one(
            "strict-drops-traffic",
            ("global_defs {\nvrrp_strict\n}", ""),
            ("global_defs {\nvrrp_strict\n}", "strict_mode off"),
        ),
        one(
            "mask-collides",
            ("", "mcast_src_ip 192.0.2.1\nvirtual_ipaddress {\n192.0.2.10/24\n}"),
            ("", "mcast_src_ip 192.0.2.1\nvirtual_ipaddress {\n192.0.2.10\n}"),
        ),
        one(
            "mask-collides",
            ("", "virtual_ipaddress {\n192.0.2.255/24\n}"),
            ("", "virtual_ipaddress {\n192.0.2.254/24\n}"),
        ),
    ]
}

fn of_checks() -> Vec<Example> {
    let asking = |command: &str| format!("vrrp_script s {{\nscript \"{command}\"\n}}");
    let service = |more: &str| {
        format!("virtual_server 192.0.2.10 80 {{\nreal_server 192.0.2.20 80 {{\nTCP_CHECK {{\n{more}\n}}\n}}\n}}")
    };
    let bfd = "bfd_instance b {\nneighbor_ip 192.0.2.2\n}";
    let peers = "unicast_src_ip 192.0.2.1\nunicast_peer {\n192.0.2.2\n}";
    vec![
        one(
            "process-exists",
            (&asking("/usr/bin/killall -0 haproxy"), ""),
            (&asking("/usr/bin/nc -z 127.0.0.1 80"), ""),
        ),
        one(
            "process-exists",
            (&asking("pidof haproxy"), ""),
            (&asking("killall -USR1 haproxy"), ""),
        ),
        one(
            "slow-check",
            (&script("interval 2\ntimeout 3"), ""),
            (&script("interval 3\ntimeout 3"), ""),
        ),
        one(
            "slow-check",
            (&service("connect_timeout 5\ndelay_loop 3"), ""),
            (&service("connect_timeout 2\ndelay_loop 3"), ""),
        ),
        one(
            "checks-own-address",
            (&asking("/usr/bin/curl http://192.0.2.10:80/"), &tracking("s")),
            (&asking("/usr/bin/curl http://192.0.2.100:80/"), &tracking("s")),
        ),
        one(
            "bfd-between-routers",
            (bfd, &format!("{peers}\ntrack_bfd {{\nb\n}}")),
            (bfd, &format!("{peers}\ntrack_bfd {{\nb weight -60\n}}")),
        ),
    ]
}

fn of_delivery() -> Vec<Example> {
    let auth = |kind: &str, password: &str| format!("authentication {{\nauth_type {kind}\nauth_pass {password}\n}}");
    let peers = "unicast_src_ip 192.0.2.1\nunicast_peer {\n192.0.2.2\n}\n";
    vec![
        one("empty-peers", ("", "unicast_peer {\n}"), ("", peers)),
        one(
            "own-address-in-peers",
            ("", &peers.replace(".2\n", ".2\n192.0.2.1\n")),
            ("", peers),
        ),
        one(
            "password-cut",
            ("", &auth("PASS", "123456789")),
            ("", &auth("PASS", "12345678")),
        ),
        one(
            "ah-unicast",
            ("", &format!("{peers}{}", auth("AH", "12345678"))),
            ("", &format!("{peers}{}", auth("PASS", "12345678"))),
        ),
    ]
}

fn of_several_nodes() -> Vec<Example> {
    let auth = |password: &str| format!("authentication {{\nauth_type PASS\nauth_pass {password}\n}}");
    let (first, second) = (auth("geheim-1"), auth("geheim-2"));
    let addresses = |all: &str| format!("virtual_ipaddress {{\n{all}\n}}");
    let (ten, both, other) = (
        addresses("192.0.2.10"),
        addresses("192.0.2.10\n192.0.2.11"),
        addresses("192.0.2.99"),
    );
    let unicast = |own: u8, peer: u8| format!("unicast_src_ip 192.0.2.{own}\nunicast_peer {{\n192.0.2.{peer}\n}}");
    let (a, b, wrong) = (unicast(1, 2), unicast(2, 1), unicast(2, 3));
    let list = "unicast_peer {\n192.0.2.1\n192.0.2.2\n}";
    let weighted = |weight: &str| {
        let text = instance(&script(&format!("weight {weight}")), &tracking("s"));
        vec![text.clone(), text.replace("priority 150", "priority 100")]
    };
    vec![
        two(
            "two-masters",
            ["state MASTER", "state MASTER"],
            ["state MASTER", "state BACKUP"],
        ),
        two("only-on-one-node", ["", "virtual_router_id 8"], ["", ""]),
        two(
            "versions-differ",
            ["version 3", "version 2"],
            ["version 3", "version 3"],
        ),
        two(
            "intervals-differ",
            ["advert_int 2", "advert_int 1"],
            ["advert_int 2", "advert_int 2"],
        ),
        two("authentication-differs", [&first, &second], [&first, &first]),
        two("addresses-differ", [&ten, &both], [&both, &both]),
        two("vrid-of-others", [&ten, &other], [&ten, &both]),
        two("delivery-differs", [&a, ""], [&a, &b]),
        two("peers-incomplete", [&a, &wrong], [&a, &b]),
        two("peers-incomplete", [list, list], [&a, &b]),
        two("equal-priorities", ["", "priority 150"], ["", "priority 149"]),
        two("nopreempt-lower-node", ["", "nopreempt"], ["nopreempt", "nopreempt"]),
        Example {
            rule: "weight-cannot-move",
            bad: weighted("-20"),
            good: weighted("-60"),
        },
        Example {
            rule: "weight-cannot-move",
            bad: weighted("20"),
            good: weighted("51"),
        },
    ]
}

#[test]
fn every_rule_finds_its_bad_example_and_leaves_the_good_one_alone() {
    let mut wrong = Vec::new();
    for example in examples() {
        if !found(&example.bad).contains(example.rule) {
            wrong.push(format!("{} does not find\n{}", example.rule, example.bad.join("---\n")));
        }
        if found(&example.good).contains(example.rule) {
            wrong.push(format!(
                "{} finds something in\n{}",
                example.rule,
                example.good.join("---\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let shown: BTreeSet<_> = examples().iter().map(|example| example.rule).collect();
    let known: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(shown, known, "every rule has an example");
    assert_eq!(known.len(), RULES.len(), "names are unique");
}

#[test]
fn two_nodes_that_fit_together_give_nothing_to_say() {
    let good = [instance("", "nopreempt"), instance("", "priority 100\nnopreempt")];
    assert_eq!(found(&good), BTreeSet::new());
}

#[test]
fn no_finding_shows_a_password() {
    let auth = "state MASTER\nnopreempt\nauthentication {\nauth_type AH\nauth_pass geheimgeheim\n}";
    let nodes = [node("/a.conf", &instance("", auth)), node("/b.conf", &instance("", ""))];
    let findings = lint::lint(&nodes);
    assert!(findings.len() > 2, "{findings:?}");
    assert!(!format!("{findings:?}").contains("geheim"), "{findings:?}");
}

/// What is found in upstream's samples, each looked at and right: a script that may run for ten times its interval, and
/// scripts that ask whether a process exists.
const TRUE_OF_SAMPLES: [(&str, &str); 2] = [
    ("keepalived.conf.conditional_conf", "slow-check"),
    ("keepalived.conf.vrrp.localcheck", "process-exists"),
];

#[test]
fn upstreams_samples_give_no_false_alarm() {
    let folder = Path::new("/usr/share/doc/keepalived/samples");
    let Ok(entries) = std::fs::read_dir(folder) else {
        println!("no samples at {}: nothing looked at", folder.display());
        return;
    };
    let mut all = BTreeSet::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("keepalived.conf.") {
            continue;
        }
        let bundle = conf::load(path.to_str().unwrap(), Facts::default(), &Elsewhere(FsLoader));
        let node = Node {
            name: name.clone(),
            model: conf::compile(&bundle).model,
            outline: conf::outline::read(&bundle),
        };
        all.extend(
            lint::lint(&[node])
                .into_iter()
                .map(|finding| (name.clone(), finding.rule.name)),
        );
    }
    let expected: BTreeSet<_> = TRUE_OF_SAMPLES
        .iter()
        .map(|(file, rule)| ((*file).to_owned(), *rule))
        .collect();
    let wrong: Vec<_> = all.difference(&expected).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
