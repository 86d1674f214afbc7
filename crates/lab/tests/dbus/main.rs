//! The daemon on a message bus of the test's own: what it shows, what it says, who may call it; and without a bus.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod stand;

use lab::daemon::{Binary, Daemon, Make, PATIENCE};
use lab::journal::{Journal, Seen};
use lab::netns::Namespace;
use stand::{Bus, until};
use std::sync::Arc;
use std::time::Duration;

const VRRP: &str = "org.keepalived.Vrrp1 /org/keepalived/Vrrp1/Vrrp org.keepalived.Vrrp1.Vrrp";
const INSTANCE: &str = "org.keepalived.Vrrp1 /org/keepalived/Vrrp1/Instance/eth0/51/IPv4 org.keepalived.Vrrp1.Instance";

fn conf(globals: &str) -> String {
    format!(
        "global_defs {{
    enable_dbus
    {globals}
}}
vrrp_instance V {{
    interface eth0
    version 3
    virtual_router_id 51
    advert_int 0.1
    virtual_ipaddress {{
        10.9.0.50/24
    }}
}}
"
    )
}

struct Stand {
    bus: Bus,
    journal: Arc<Journal>,
    daemon: Daemon,
}

impl Stand {
    /// A daemon that is not started, and a bus that is not either.
    fn new(conf: &str) -> Option<Stand> {
        let binary = Binary::ours().unwrap();
        if binary.make == Make::Upstream {
            eprintln!("skipped: the original stands in for ours");
            return None;
        }
        let namespace = Arc::new(Namespace::create("dbus").unwrap());
        let steps = [
            "link add eth0 type veth peer name far0",
            "link set eth0 up",
            "link set far0 up",
            "addr add 10.9.0.1/24 dev eth0",
        ];
        namespace.ip(&steps).unwrap();
        let journal = Journal::start();
        let mut daemon = Daemon::new("a", namespace, journal.clone(), binary, conf).unwrap();
        let bus = Bus::place().unwrap();
        daemon.set_variable("DBUS_SYSTEM_BUS_ADDRESS", bus.address());
        Some(Stand { bus, journal, daemon })
    }

    /// Both run, and the instance is master.
    fn running(conf: &str) -> Option<Stand> {
        let mut stand = Stand::new(conf)?;
        stand.bus.start().unwrap();
        stand.daemon.start().unwrap();
        stand.says(Duration::ZERO, "D-Bus: serving ");
        stand.says(Duration::ZERO, "(V) Entering MASTER STATE");
        Some(stand)
    }

    fn now(&self) -> Duration {
        self.journal.clock.now()
    }

    fn says(&self, since: Duration, line: &str) {
        let wanted = |what: &Seen| matches!(what, Seen::Log(text) if text.contains(line));
        let found = self
            .journal
            .wait_entry(since, self.now() + PATIENCE, |entry| wanted(&entry.what));
        assert!(found.is_some(), "never: {line}\n{}", self.journal.timeline());
    }

    fn count(&self, line: &str) -> usize {
        self.journal.timeline().matches(line).count()
    }

    /// What busctl shows, sooner or later.
    fn shows(&self, arguments: &str, wanted: &str) {
        let mut last = None;
        let shown = until(wanted, || {
            let said = self.bus.busctl(arguments);
            let found = said.as_ref().is_ok_and(|said| said.contains(wanted));
            last = Some(said);
            found
        });
        shown.unwrap_or_else(|trouble| panic!("{trouble}: {last:?}\n{}", self.journal.timeline()));
    }
}

#[test]
fn an_instance_is_on_the_bus_with_its_state_and_says_what_becomes_of_it() {
    let Some(mut stand) = Stand::new(&conf("")) else { return };
    stand.bus.start().unwrap();
    let listener = stand.bus.listen().unwrap();
    stand.daemon.start().unwrap();
    listener.hears("VrrpStarted", None).unwrap();
    listener.hears("VrrpStatusChange", Some("uint32 2")).unwrap();
    stand.shows(&format!("get-property {INSTANCE} State"), "(us) 2 \"Master\"");
    stand.shows(&format!("get-property {INSTANCE} Name"), "(s) \"V\"");
    stand.shows(
        "introspect org.keepalived.Vrrp1 /org/keepalived/Vrrp1/Vrrp",
        ".VrrpReloaded",
    );
    let since = stand.now();
    stand.daemon.configure(&conf("").replace("0.1", "0.2")).unwrap();
    stand.daemon.reload().unwrap();
    stand.says(since, "Reload complete");
    listener.hears("VrrpReloaded", None).unwrap();
    stand.daemon.stop().unwrap();
    listener.hears("VrrpStopped", None).unwrap();
}

#[test]
fn what_root_calls_is_done() {
    let Some(mut stand) = Stand::running(&conf("")) else {
        return;
    };
    let since = stand.now();
    stand.bus.busctl(&format!("call {INSTANCE} SendGarp")).unwrap();
    stand.says(since, "Sending garps on V on DBus request");
    stand.says(since, "Sending gratuitous ARP on eth0 for 10.9.0.50");
    for (method, file) in [("PrintData", "keepalived.data"), ("PrintStats", "keepalived.stats")] {
        stand.bus.busctl(&format!("call {VRRP} {method}")).unwrap();
        let path = stand.daemon.file(file);
        until(file, || path.exists()).unwrap();
    }
    stand.bus.busctl(&format!("call {VRRP} PrintStatsClear")).unwrap();
    let since = stand.now();
    stand.bus.busctl(&format!("call {VRRP} ReloadConfig")).unwrap();
    stand.says(since, "Reloading on DBus request");
    stand.says(since, "Reload complete");
    let refused = stand.bus.busctl(&format!("call {VRRP} Nonsense")).unwrap_err();
    assert!(refused.contains("Unknown method"), "{refused}");
    let refused = stand.bus.busctl(&format!("set-property {INSTANCE} Name (s) X"));
    assert!(refused.is_err(), "{refused:?}");
    stand.daemon.stop().unwrap();
}

/// CVE-2021-44225: the policy of the original was once about more than its own service.
#[test]
fn somebody_who_is_not_root_may_look_and_do_nothing() {
    let Some(mut stand) = Stand::running(&conf("")) else {
        return;
    };
    let since = stand.now();
    for call in [
        format!("call {VRRP} PrintData"),
        format!("call {VRRP} ReloadConfig"),
        format!("call {INSTANCE} SendGarp"),
        // Of another service: the bus itself, beyond what everybody may.
        "call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus.Monitoring BecomeMonitor asu 0 0"
            .to_owned(),
        "call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su org.keepalived.Vrrp1 2"
            .to_owned(),
    ] {
        let refused = stand.bus.busctl_as_nobody(&call);
        assert!(
            refused.as_ref().is_err_and(|said| said.contains("ccess denied")
                || said.contains("not allowed")
                || said.contains("rejected")),
            "{call}: {refused:?}"
        );
    }
    let state = stand.bus.busctl_as_nobody(&format!("get-property {INSTANCE} State"));
    assert_eq!(state.as_deref(), Ok("(us) 2 \"Master\""));
    let tree = stand
        .bus
        .busctl_as_nobody("introspect org.keepalived.Vrrp1 /org/keepalived/Vrrp1/Vrrp");
    assert!(tree.is_ok_and(|tree| tree.contains("ReloadConfig")));
    // Calls of root come behind those that were refused: what comes of them is the first that is logged.
    stand.bus.busctl(&format!("call {VRRP} PrintStats")).unwrap();
    stand.says(since, "Printing VRRP stats on DBus request");
    for line in [
        "Reloading on DBus request",
        "Printing VRRP data on DBus",
        "Sending garps",
    ] {
        assert_eq!(stand.count(line), 0, "{}", stand.journal.timeline());
    }
    stand.daemon.stop().unwrap();
}

#[test]
fn a_bus_that_is_not_there_or_goes_is_said_once_and_nobody_else_notices() {
    let Some(mut stand) = Stand::new(&conf("")) else { return };
    stand.daemon.start().unwrap();
    stand.says(Duration::ZERO, "(V) Entering MASTER STATE");
    stand.says(Duration::ZERO, "; trying again every 5 seconds");
    stand.bus.start().unwrap();
    stand.says(Duration::ZERO, "D-Bus: serving org.keepalived.Vrrp1");
    assert_eq!(stand.count("; trying again"), 1, "{}", stand.journal.timeline());
    stand.shows(&format!("get-property {INSTANCE} State"), "2 \"Master\"");
    let since = stand.now();
    stand.bus.stop();
    stand.says(since, "; trying again every 5 seconds");
    stand.bus.start().unwrap();
    stand.says(since, "D-Bus: serving org.keepalived.Vrrp1");
    stand.shows(&format!("get-property {INSTANCE} State"), "2 \"Master\"");
    assert_eq!(stand.count("(V) Entering"), 2, "{}", stand.journal.timeline());
    stand.daemon.stop().unwrap();
}

#[test]
fn objects_follow_a_reload_and_have_the_names_that_are_configured() {
    let Some(mut stand) = Stand::running(&format!("instance I-1\n{}", conf("dbus_no_interface_name nowhere"))) else {
        return;
    };
    let place = INSTANCE.replace("/Vrrp1/", "/Vrrp1/I_1/");
    stand.shows(&format!("get-property {place} State"), "2 \"Master\"");
    let listener = stand.bus.listen().unwrap();
    let other = format!("instance I-1\n{}", conf("dbus_no_interface_name nowhere"))
        .replace("virtual_router_id 51", "virtual_router_id 52")
        + "vrrp_instance U {\n unicast_src_ip 10.9.0.1\n virtual_router_id 7\n unicast_peer {\n 10.9.0.2\n }\n \
           virtual_ipaddress {\n 10.9.0.60/24 dev eth0\n }\n}\n";
    stand.daemon.configure(&other).unwrap();
    stand.daemon.reload().unwrap();
    listener.hears("VrrpStatusChange", Some("uint32 97")).unwrap();
    let unicast = place.replace("/eth0/51/", "/nowhere/7/");
    stand.shows(&format!("get-property {unicast} Name"), "(s) \"U\"");
    stand.shows(
        &format!("get-property {} State", place.replace("/51/", "/52/")),
        "\"Master\"",
    );
    assert!(stand.bus.busctl(&format!("get-property {place} State")).is_err());
    stand.daemon.stop().unwrap();
}

#[test]
fn the_commands_of_the_page_work() {
    let Some(mut stand) = Stand::running(&conf("")) else {
        return;
    };
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/dbus.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut tried = 0;
    for command in page.lines().filter_map(|line| line.strip_prefix("busctl ")) {
        let said = stand.bus.busctl(command);
        assert!(said.is_ok(), "{command}: {said:?}");
        tried += 1;
    }
    assert_eq!(tried, 7);
    stand.daemon.stop().unwrap();
}

#[test]
fn what_is_installed_for_others_to_read_is_what_the_objects_say() {
    let Some(mut stand) = Stand::running(&conf("")) else {
        return;
    };
    for (file, place) in [("Vrrp", VRRP), ("Instance", INSTANCE)] {
        let path = format!(
            "{}/../../packaging/dbus/org.keepalived.Vrrp1.{file}.xml",
            env!("CARGO_MANIFEST_DIR")
        );
        let installed = members(&std::fs::read_to_string(path).unwrap());
        let mut words = place.split(' ');
        let (service, object, interface) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let said = stand
            .bus
            .busctl(&format!(
                "call {service} {object} org.freedesktop.DBus.Introspectable Introspect"
            ))
            .unwrap()
            .replace("\\\"", "\"")
            .replace("\\n", "\n");
        let from = said.split_once(&format!("<interface name=\"{interface}\">")).unwrap().1;
        let own = from.split_once("</interface>").unwrap().0;
        assert_eq!(members(own), installed, "{said}");
    }
    stand.daemon.stop().unwrap();
}

/// The names and types of what an interface has.
fn members(xml: &str) -> std::collections::BTreeSet<String> {
    let tags = xml.split('<').filter(|tag| {
        ["method ", "signal ", "property ", "arg "]
            .iter()
            .any(|kind| tag.starts_with(kind))
    });
    let attribute = |tag: &str, name: &str| -> String {
        let value = tag.split_once(&format!(" {name}=\"")).map(|(_, rest)| rest);
        value
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default()
            .to_owned()
    };
    tags.map(|tag| {
        let kind = tag.split(' ').next().unwrap_or_default();
        let all = ["name", "type", "access"].map(|name| attribute(tag, name));
        format!("{kind} {}", all.join(" "))
    })
    .collect()
}
