//! What a file says about virtual servers, as a model.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail like tests"
)]

use check::Check;
use check::config::{Dialogue, Probe};
use conf::model::{Servers, VirtualServer};
use conf::{Compiled, Facts, MapLoader, compile, load};
use lvs::config::{Endpoint, Forwarding};
use std::time::Duration;

fn compiled(text: &str) -> Compiled {
    let loader = MapLoader::default()
        .with("/k.conf", text)
        .with_user("nobody", 65_534)
        .with_program("/bin/true")
        .with_program("/bin/up");
    let facts = Facts {
        directory: "/".into(),
        ..Facts::default()
    };
    compile(&load("k.conf", facts, &loader))
}

/// The virtual servers of a file that gives nothing to complain about.
fn servers(text: &str) -> Servers {
    let compiled = compiled(text);
    let said: Vec<String> = compiled
        .diagnostics
        .iter()
        .filter(|d| !matches!(d.code, "not-implemented-yet" | "script-security"))
        .map(ToString::to_string)
        .collect();
    assert_eq!(said, [""; 0], "{text}");
    assert!(compiled.model.has_checkers);
    compiled.model.servers
}

fn only(servers: &Servers) -> &VirtualServer {
    assert_eq!(servers.services.len(), 1);
    servers.services.values().next().unwrap()
}

fn probe(server: &VirtualServer, address: &str, port: u16) -> Probe {
    let at = Endpoint::new(address.parse().unwrap(), port);
    match &server.checks[&at][0] {
        Check::Probe(probe) => probe.clone(),
        other => panic!("{other:?}"),
    }
}

const A: &str = "virtual_server 10.0.0.1 80 {
    lb_algo rr\n lb_kind NAT\n protocol TCP
    real_server 10.1.0.1 8080 {\n weight 3\n TCP_CHECK {\n connect_timeout 2\n }\n }
    real_server 10.1.0.2 8080 {\n lvs_method DR\n }
}
";
const B: &str = "virtual_server fwmark 5 {
    lb_algo sh\n sh-port\n lb_kind TUN type gue port 6080 csum
    real_server 10.1.0.1 {\n }
}
";

#[test]
fn virtual_servers_are_known_by_what_they_are_not_by_where_they_stand() {
    let one = servers(&format!("{}{B}", A.replace("lvs_method DR", "lvs_method NAT")));
    let other = servers(&format!("{B}{}", A.replace("lvs_method DR", "lvs_method NAT")));
    assert_eq!(one, other);
    let names: Vec<String> = one.services.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["[10.0.0.1]:tcp:80", "FWM 5"]);
}

#[test]
fn the_same_virtual_server_twice_is_two_that_are_numbered() {
    let text = A.replace("lvs_method DR", "lvs_method NAT");
    let twice = servers(&format!("{text}{}", text.replace("10.1.0.", "10.2.0.")));
    let sequences: Vec<u32> = twice.services.keys().map(|key| key.sequence).collect();
    assert_eq!(sequences, [0, 1]);
}

#[test]
fn a_tunnel_has_a_kind_a_port_and_a_checksum() {
    let servers = servers(B);
    let Forwarding::Tunnel(tunnel) = only(&servers).service.reals[0].forwarding else {
        panic!("a tunnel");
    };
    assert_eq!(tunnel.checksum, lvs::config::Checksum::Full);
    assert_eq!(
        tunnel.kind,
        lvs::config::TunnelKind::Gue {
            port: 6080.try_into().unwrap()
        }
    );
}

#[test]
fn what_stands_below_a_real_server_counts_for_its_checks_too() {
    let text = "virtual_server 10.0.0.1 80 {
        lb_algo rr\n lb_kind NAT\n protocol TCP
        real_server 10.1.0.1 8080 {\n TCP_CHECK {\n }\n delay_loop 7\n }
        retry 4\n delay_loop 9\n connect_timeout 2.5
    }\n";
    let servers = servers(text);
    let probe = probe(only(&servers), "10.1.0.1", 8080);
    assert_eq!((probe.pace.retry, probe.pace.delay_loop), (4, Duration::from_secs(7)));
    let Dialogue::Tcp(connection) = probe.dialogue else {
        panic!("a TCP check");
    };
    assert_eq!(
        (connection.port, connection.timeout),
        (8080, Duration::from_millis(2500))
    );
}

#[test]
fn a_group_may_stand_below_the_virtual_server_that_names_it() {
    let text = "virtual_server group web {
        lb_algo rr\n lb_kind NAT\n protocol TCP
        real_server 10.1.0.1 8080 {\n }
    }
    virtual_server group web {
        lb_algo rr\n lb_kind NAT\n protocol UDP
        real_server 10.1.0.1 8080 {\n }
    }
    virtual_server_group web {
        10.0.0.1-3 80
        10.0.1.0/30 81
        fe80::1-ff 82
    }\n";
    let servers = servers(&text.replace("        fe80::1-ff 82\n", ""));
    let names: Vec<String> = servers.services.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["[web]:0", "[web]:1"]);
    let group = servers.groups.values().next().unwrap();
    let addresses: usize = group
        .entries
        .iter()
        .map(|entry| match entry {
            lvs::config::Entry::Range(range) => range.addresses().count(),
            lvs::config::Entry::Mark { .. } => 0,
        })
        .sum();
    assert_eq!(addresses, 7);
}

#[test]
fn a_program_that_checks_is_known_by_its_text_and_its_user() {
    let text = "virtual_server 10.0.0.1 80 {
        lb_algo rr\n lb_kind NAT\n protocol TCP
        real_server 10.1.0.1 80 {\n MISC_CHECK {\n misc_path \"/bin/true -x\" ignored\n user nobody\n misc_dynamic\n }\n notify_up /bin/up\n }
        real_server 10.1.0.2 80 {\n MISC_CHECK {\n misc_path \"/bin/true -x\"\n }\n notify_up /bin/up\n }
    }\n";
    let servers = servers(text);
    let name = |address| match probe(only(&servers), address, 80).dialogue {
        Dialogue::Misc(misc) => misc.command,
        other => panic!("{other:?}"),
    };
    assert_eq!(&*name("10.1.0.1").0, "/bin/true -x as nobody:65534");
    assert_eq!(&*name("10.1.0.2").0, "/bin/true -x");
    let command = &servers.commands[&name("10.1.0.1")];
    assert_eq!(command.arguments, [b"/bin/true".to_vec(), b"-x".to_vec()]);
    assert_eq!(
        (command.identity.user.as_str(), command.identity.uid),
        ("nobody", 65_534)
    );
    let ups: Vec<_> = only(&servers).notify.values().map(|n| n.up.clone().unwrap()).collect();
    assert!(
        std::sync::Arc::ptr_eq(&ups[0], &ups[1]),
        "the same command is kept once"
    );
}

#[test]
fn pages_have_hosts_digests_codes_and_patterns() {
    let text = "virtual_server 10.0.0.1 443 {
        lb_algo rr\n lb_kind NAT\n protocol TCP\n virtualhost outer
        real_server 10.1.0.1 443 {\n SSL_GET {\n enable_sni\n url {\n path /a
            digest 0102030405060708090a0b0c0d0e0f10\n status_code 200 301-302
            regex \"ok\\\\d+\"\n regex_options caseless utf\n regex_max_offset 9\n }\n url {\n path /b\n virtualhost inner\n }\n }\n }
    }\n";
    let servers = servers(text);
    let Dialogue::Http(http) = probe(only(&servers), "10.1.0.1", 443).dialogue else {
        panic!("an HTTP check");
    };
    assert!(http.tls);
    let [first, second] = http.urls.as_slice() else {
        panic!("two pages");
    };
    assert_eq!(
        (first.host.as_deref(), second.host.as_deref()),
        (Some("outer"), Some("inner"))
    );
    assert_eq!(first.digest.unwrap()[..3], [1, 2, 3]);
    assert!(first.status.allows(302) && !first.status.allows(204));
    let regex = first.regex.as_ref().unwrap();
    assert_eq!((&*regex.pattern, regex.max_offset), (&b"ok\\d+"[..], Some(9)));
}

#[test]
fn settings_of_all_virtual_servers_are_read() {
    let text = format!(
        "global_defs {{
            lvs_timeouts tcp 10 udp 20\n lvs_flush\n lvs_flush_on_stop VS\n nftables_ipvs\n nftables_ipvs_priority -5
            lvs_sync_daemon eth0 inst V1 id 9 maxlen 1400 ttl 3 port 8848 group 224.0.0.81
            smtp_alert_checker\n no_checker_emails\n rs_init_notifies off\n lvs_netlink_cmd_rcv_bufs 65536
        }}\n{B}"
    );
    let servers = servers(&text);
    let settings = &servers.settings;
    assert_eq!((settings.timeouts.tcp, settings.timeouts.tcp_fin), (Some(10), None));
    assert!(settings.flush && settings.no_checker_emails && !settings.init_notifies);
    assert_eq!(settings.flush_on_stop, lvs::config::FlushOnStop::Services);
    let nftables = settings.nftables.as_ref().unwrap();
    assert_eq!(
        (&*nftables.table, nftables.priority, nftables.first_mark),
        ("keepalived_ipvs", -5, 1000)
    );
    let sync = settings.sync_daemon.as_ref().unwrap();
    assert_eq!(
        (sync.instance.as_deref(), sync.id, sync.max_len),
        (Some("V1"), Some(9), Some(1400))
    );
    assert!(only(&servers).service.alerts(settings));
    assert_eq!(servers.netlink_command_buffer.unwrap().bytes, 65_536);
}

#[test]
fn what_was_said_after_reading_is_not_said_when_reading_stopped() {
    let late = |text: &str| {
        let compiled = compiled(text);
        compiled
            .diagnostics
            .iter()
            .any(|d| d.message.contains("no scheduler set"))
    };
    let text = "virtual_server 10.0.0.1 80 {\n lb_kind NAT\n protocol TCP\n real_server 10.1.0.1 80 {\n }\n}\n";
    assert!(late(text));
    assert!(!late(&format!("{text}virtual_server fwmark {{\n}}\n")));
}

#[test]
fn a_check_follows_a_file_that_is_defined_above_it_with_the_files_weight_unless_it_has_its_own() {
    let text = "track_file f {\n file /tmp/f\n weight -3 reverse\n}\nvirtual_server 10.0.0.1 80 {
        lb_algo rr\n lb_kind NAT\n protocol TCP
        real_server 10.1.0.1 80 {\n FILE_CHECK {\n track_file f\n }\n }
        real_server 10.1.0.2 80 {\n FILE_CHECK {\n weight 7\n track_file f\n }\n }
    }\n";
    let servers = servers(text);
    let weights: Vec<(i32, bool)> = only(&servers)
        .checks
        .values()
        .map(|checks| match &checks[0] {
            Check::File(file) => (file.weight.factor, file.weight.reverse),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(weights, [(-3, true), (7, false)]);
    let text = text.replace("track_file f\n", "track_file g\n");
    let said: Vec<String> = compiled(&text).diagnostics.iter().map(|d| d.message.clone()).collect();
    assert!(said.contains(&"track_file g not found".to_owned()), "{said:?}");
    assert!(
        said.contains(&"FILE_CHECK has no track_file specified - ignoring".to_owned()),
        "{said:?}"
    );
}
