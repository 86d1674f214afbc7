//! The JSON of a running daemon beside that of the original under the same configuration: the same members in the same order, with
//! the same values but for what is named here. A difference that is not seen any more has to leave the list.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use lab::daemon::{Binary, Daemon, Make, PATIENCE};
use lab::journal::{Journal, Seen};
use lab::netns::Namespace;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at a file.
const LOOK: Duration = Duration::from_millis(50);

const CONF: &str = r#"global_defs {
    router_id r
    script_user root
    vrrp_garp_master_refresh 60
}
vrrp_script chk {
    script "/usr/bin/true a 'b c'"
    interval 1
    weight 5
}
vrrp_track_process pp {
    process nobody-runs-this
    weight 10
    delay 1.5
}
vrrp_sync_group G {
    group {
        V3
        V6
    }
    track_interface {
        eth1
    }
}
vrrp_instance V1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    garp_lower_prio_repeat 2
    garp_master_delay 7
    authentication {
        auth_type PASS
        auth_pass secret
    }
    track_interface {
        eth1
    }
    track_script {
        chk
    }
    track_process {
        pp
    }
    virtual_ipaddress {
        10.0.0.9/24 label eth0:1
        10.0.0.10 brd 10.0.0.255 scope link
        10.0.0.12/24 dev eth1 no_track
    }
    virtual_ipaddress_excluded {
        10.0.0.11/32 dev eth1
        2001:db8::1/64
        2001:db8::2/64 preferred_lft 0
    }
    virtual_routes {
        10.81.0.0/16 dev eth0
        10.82.0.0/16 via 10.0.0.2 dev eth0 metric 7 mtu lock 1400 table 100
    }
    virtual_rules {
        from 10.81.0.0/16 table 181 preference 181
        to 10.6.0.0/16 fwmark 7/15 iif eth0 blackhole priority 501
    }
    notify /usr/bin/true
    notify_master "/usr/bin/true x y"
    notify_backup "/usr/bin/true b"
    notify_fault "/usr/bin/true f"
    notify_stop "/usr/bin/true s"
    notify_deleted "/usr/bin/true d"
    notify_master_rx_lower_pri "/usr/bin/true l"
    smtp_alert
}
vrrp_instance V2 {
    interface eth0
    virtual_router_id 52
    priority 90
    version 3
    advert_int 0.25
    no_accept
    preempt_delay 3
    garp_master_delay 1
    garp_master_refresh 10
    garp_master_refresh_repeat 2
    garp_master_repeat 3
    lower_prio_no_advert
    higher_prio_send_advert
    notify_deleted
    virtual_ipaddress {
        fe80::50/64
        2001:db8::50/64
    }
}
vrrp_instance V3 {
    interface eth0
    virtual_router_id 53
    priority 255
    use_vmac
    version 3
    advert_int 2
    virtual_ipaddress {
        10.0.0.31/24
    }
}
vrrp_instance V4 {
    interface eth0
    virtual_router_id 54
    nopreempt
    priority 20
    dont_track_primary
    skip_check_adv_addr
    strict_mode on
    virtual_ipaddress {
        10.0.0.44/24
    }
}
vrrp_instance V5 {
    interface eth1
    virtual_router_id 55
    unicast_src_ip 10.2.0.1
    garp_lower_prio_delay 2
    promote_secondaries
    unicast_peer {
        10.2.0.2
    }
    authentication {
        auth_type AH
        auth_pass secret
    }
    virtual_ipaddress {
        10.2.0.55/24
    }
}
vrrp_instance V6 {
    interface eth0
    virtual_router_id 56
    priority 255
    virtual_ipaddress {
        10.0.0.66/24
    }
}
"#;

/// A difference on purpose, or of the version of the original.
struct Difference {
    /// Part and member.
    member: &'static str,
    /// The original has no such member.
    only_ours: bool,
    why: &'static str,
}

const fn more(member: &'static str, why: &'static str) -> Difference {
    Difference {
        member,
        only_ours: true,
        why,
    }
}

const fn other(member: &'static str, why: &'static str) -> Difference {
    Difference {
        member,
        only_ours: false,
        why,
    }
}

const DUMPS: &str = "docs/divergences.md, dumps-where-they-are-wanted";
const HMAC: &str = "2.4 knows auth_hmac";
const DIFFERENCES: [Difference; 17] = [
    other("data auth_data", DUMPS),
    other("data vroutes", DUMPS),
    other("data vrules", DUMPS),
    other(
        "data vips",
        "the original says which addresses are in a set of nftables",
    ),
    more("data track_process", "2.2.7 leaves them out"),
    more(
        "data track_ifp",
        "of the sync group; the original lists those of the instance",
    ),
    more("stats auth_ext_missing", HMAC),
    more("stats auth_ext_malformed", HMAC),
    more("stats auth_ext_unknown_key", HMAC),
    more("stats auth_ext_invalid_hmac", HMAC),
    more("stats auth_ext_stale", HMAC),
    more("stats auth_ext_replay", HMAC),
    more("stats chk_err", DUMPS),
    more("stats version_err", DUMPS),
    more("stats unknown_peer", DUMPS),
    more("stats malformed", DUMPS),
    more("stats owner_ignored", DUMPS),
];
/// What is another number in each run.
const VARIES: [&str; 2] = ["data last_transition", "stats advert_sent"];

/// An object with its members in order.
struct Members(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[derive(serde::Deserialize)]
struct Instance {
    data: Members,
    stats: Members,
}

impl Instance {
    fn name(&self) -> String {
        self.of("iname").as_str().unwrap().to_owned()
    }

    fn of(&self, member: &str) -> &serde_json::Value {
        let found = self.data.0.iter().find(|(name, _)| name == member);
        &found.unwrap_or_else(|| panic!("no {member}")).1
    }

    /// Part and member, with the value.
    fn members(&self) -> Vec<(String, &serde_json::Value)> {
        let parts = [("data", &self.data), ("stats", &self.stats)];
        let all = parts
            .into_iter()
            .flat_map(|(part, members)| members.0.iter().map(move |it| (part, it)));
        all.map(|(part, (name, value))| (format!("{part} {name}"), value))
            .collect()
    }
}

/// What a daemon writes when everything is as it will stay.
fn written(binary: Binary, conf: &str) -> Vec<Instance> {
    let part = match binary.make {
        Make::Ours => "o",
        Make::Upstream => "u",
    };
    let namespace = Arc::new(Namespace::create(part).unwrap());
    namespace
        .ip(&[
            "link add eth0 type veth peer name p0",
            "link add eth1 type veth peer name p1",
            "link set p0 up",
            "link set p1 up",
            "link set eth0 up",
            "link set eth1 up",
            "addr add 10.0.0.1/24 dev eth0",
            "addr add 10.2.0.1/24 dev eth1",
        ])
        .unwrap();
    let journal = Journal::start();
    let mut daemon = Daemon::new("a", namespace, journal.clone(), binary, conf).unwrap();
    daemon.start().unwrap();
    let said = |text: &str| {
        let found = journal.wait_entry(
            Duration::ZERO,
            journal.clock.now() + PATIENCE,
            |entry| matches!(&entry.what, Seen::Log(line) if line.contains(text)),
        );
        assert!(found.is_some(), "{text}: was not said\n{}", journal.timeline());
    };
    for number in 1..=6 {
        said(&format!("(V{number}) Entering MASTER STATE"));
    }
    said("(V1) Changing effective priority from 100 to 105");
    let text = asked(&mut daemon, &journal);
    daemon.stop().unwrap();
    assert_eq!((text.lines().count(), text.ends_with('\n')), (1, true), "{text}");
    let mut instances: Vec<Instance> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    instances.sort_by_key(Instance::name);
    instances
}

/// Asks for the file until all that is said in it is master.
fn asked(daemon: &mut Daemon, journal: &Journal) -> String {
    let file = daemon.file("keepalived.json");
    let end = journal.clock.now() + PATIENCE;
    let number = format!("-{}", nix::libc::SIGRTMIN() + 2);
    loop {
        let pid = daemon.supervisor().unwrap().pid.to_string();
        assert!(Command::new("kill").args([&number, &pid]).status().unwrap().success());
        std::thread::sleep(LOOK);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if text.matches("\"state\":2").count() == 6 && text.ends_with("]\n") {
            return text;
        }
        assert!(journal.clock.now() < end, "{text}\n{}", journal.timeline());
    }
}

#[test]
fn a_running_daemon_says_of_its_instances_what_the_original_says() {
    let Some(original) = Binary::upstream() else {
        eprintln!("skipped: Debian's keepalived is not installed (make setup)");
        return;
    };
    let binary = Binary::ours().unwrap();
    if binary.make == Make::Upstream {
        eprintln!("skipped: the original stands in for ours");
        return;
    }
    let (ours, theirs) = (written(binary, CONF), written(original, CONF));
    assert_eq!(ours.len(), theirs.len());
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for (our, their) in ours.iter().zip(&theirs) {
        compare(our, their, &mut seen, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let stale: Vec<&str> = DIFFERENCES
        .iter()
        .filter(|one| !seen.contains(one.member))
        .map(|one| one.member)
        .collect();
    assert_eq!(stale, Vec::<&str>::new(), "these are no differences any more");
}

fn compare(our: &Instance, their: &Instance, seen: &mut BTreeSet<&'static str>, wrong: &mut Vec<String>) {
    let name = our.name();
    let (ours, theirs) = (our.members(), their.members());
    let has = |members: &[(String, &serde_json::Value)], member: &str| members.iter().any(|(name, _)| name == member);
    let mut both = Vec::new();
    for (member, value) in &ours {
        let named = DIFFERENCES.iter().find(|one| one.member == member);
        match named {
            _ if has(&theirs, member) => both.push((member, value)),
            Some(one) if one.only_ours => drop(seen.insert(one.member)),
            Some(_) | None => wrong.push(format!("{name}: only ours has {member} {value}")),
        }
    }
    for (member, value) in theirs.iter().filter(|(member, _)| !has(&ours, member)) {
        wrong.push(format!("{name}: only the original has {member} {value}"));
    }
    let order: Vec<&String> = theirs.iter().map(|(member, _)| member).collect();
    let our_order: Vec<&String> = both.iter().map(|(member, _)| *member).collect();
    if order != our_order {
        wrong.push(format!("{name}: the order is {our_order:?} and not {order:?}"));
    }
    for (member, value) in both {
        let Some((_, their)) = theirs.iter().find(|(name, _)| name == member) else {
            continue;
        };
        if VARIES.contains(&member.as_str()) {
            let positive = |value: &serde_json::Value| value.as_f64().is_some_and(|number| number > 0.0);
            if !positive(value) || !positive(their) {
                wrong.push(format!("{name}: {member} is {value} and {their}"));
            }
        } else if value != their {
            match DIFFERENCES.iter().find(|one| one.member == member && !one.only_ours) {
                Some(one) => {
                    eprintln!("{name}: {member} is {value} and not {their}: {}", one.why);
                    seen.insert(one.member);
                }
                None => wrong.push(format!("{name}: {member} is {value} and not {their}")),
            }
        }
    }
}
