//! SNMP with the real master agent of net-snmp: what managers read and are told, beside what the original says; a master
//! agent that goes and comes; one that is none; and a manage role that dies. Addresses never notice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod stand;

use lab::daemon::Binary;
use nix::sys::signal::Signal;
use stand::{Snmpd, Stand};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// KEEPALIVED-MIB, VRRP-MIB, VRRPV3-MIB.
const OURS: &str = ".1.3.6.1.4.1.9586.100.5";
const VRRP_V2: &str = ".1.3.6.1.2.1.68";
const VRRP_V3: &str = ".1.3.6.1.2.1.207";
/// `vrrpInstanceState`.
const STATES: &str = ".1.3.6.1.4.1.9586.100.5.2.3.1.4";

/// What the original says otherwise, and why we do not: see docs/divergences.md, "snmp-means-what-the-mib-says".
const OTHERWISE: &[&str] = &[
    // Its version.
    ".1.3.6.1.4.1.9586.100.5.1.1.",
    // Not served yet: vrrpSyncGroupTrackingWeight.
    ".1.3.6.1.4.1.9586.100.5.2.1.1.10.",
    // vrrpInstanceTrackPrimaryIf, vrrpInstanceAccept.
    ".1.3.6.1.4.1.9586.100.5.2.3.1.11.",
    ".1.3.6.1.4.1.9586.100.5.2.3.1.27.",
    // Columns that 2.2.7 does not have.
    ".1.3.6.1.4.1.9586.100.5.2.3.1.36.",
    ".1.3.6.1.4.1.9586.100.5.2.9.1.11.",
    ".1.3.6.1.4.1.9586.100.5.2.9.1.12.",
    // vrrpAddressAdvertising.
    ".1.3.6.1.4.1.9586.100.5.2.6.1.11.",
    // vrrpTrackedFileWeight is the instance's here.
    ".1.3.6.1.4.1.9586.100.5.2.12.1.3.",
    // vrrpRuleProtocol, which 2.2.7 does not serve, and the fast open cookie.
    ".1.3.6.1.4.1.9586.100.5.2.8.1.33.",
    // Not served yet: vrrpProcessCurProc.
    ".1.3.6.1.4.1.9586.100.5.2.21.1.13.",
    // vrrpOperMasterIpAddr of a master.
    ".1.3.6.1.2.1.68.1.3.1.7.",
    // Times.
    ".1.3.6.1.2.1.68.1.3.1.13.",
    ".1.3.6.1.2.1.207.1.1.1.1.12.",
];

/// Of tables with several rows the original shows the first alone, because it loses its way.
const FIRST_ROW_ONLY: &[&str] = &[".1.3.6.1.2.1.68.1.3.1.", ".1.3.6.1.2.1.68.2.4.1."];

/// Two virtual servers for those of [`stand`] that have none.
const SERVERS: &str = r#"virtual_server 192.168.7.7 80 {
    lb_algo wlc
    lb_kind DR
    protocol TCP
    delay_loop 1
    quorum_down "/usr/bin/true down"
    sorry_server 10.0.0.99 80
    real_server 127.0.0.1 8080 {
        weight 3
        TCP_CHECK {
            connect_timeout 2
        }
    }
    real_server 127.0.0.2 8080 {
        weight 4
        inhibit_on_failure
    }
}
virtual_server fwmark 7 {
    lb_algo rr
    lb_kind NAT
    real_server 127.0.0.3 8080 {
        weight 0
    }
}
"#;

fn explained(name: &str, original: Option<&String>) -> bool {
    OTHERWISE.iter().any(|prefix| name.starts_with(prefix))
        || original.is_none() && FIRST_ROW_ONLY.iter().any(|prefix| name.starts_with(prefix))
}

#[test]
fn managers_read_what_the_original_says() {
    let Some(upstream) = Binary::upstream() else {
        println!("the original is not installed: nothing compared");
        return;
    };
    let walk = |binary: Binary| {
        let mut stand = Stand::new(binary);
        let snmpd = Snmpd::start(&stand);
        stand.start();
        stand.until("all are master", || {
            let states = snmpd.walk(STATES);
            states.len() == 3 && states.values().all(|state| state == "INTEGER: 2")
        });
        stand.until("the script has a result", || {
            snmpd.get(&format!("{OURS}.2.9.1.6.1")).as_deref() == Some("INTEGER: 3")
        });
        [OURS, VRRP_V2, VRRP_V3]
            .into_iter()
            .flat_map(|part| snmpd.walk(part))
            .collect::<BTreeMap<String, String>>()
    };
    let (original, ours) = (walk(upstream), walk(Binary::ours().unwrap()));
    assert!(original.len() > 200, "{original:#?}");
    let names: BTreeSet<&String> = original.keys().chain(ours.keys()).collect();
    let differences: Vec<String> = names
        .into_iter()
        .filter(|name| original.get(*name) != ours.get(*name) && !explained(name, original.get(*name)))
        .map(|name| format!("{name}: original {:?}, ours {:?}", original.get(name), ours.get(name)))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn managers_are_told_what_the_original_tells() {
    let Some(upstream) = Binary::upstream() else {
        println!("the original is not installed: nothing compared");
        return;
    };
    let told = |binary: Binary| {
        let mut stand = Stand::new(binary);
        let sink = stand.sink();
        let snmpd = Snmpd::start(&stand);
        stand.start();
        let mut told = BTreeSet::new();
        // Each of the three becomes master, then the group of two of them.
        stand.until("all are master and it was told", || {
            told.extend(stand::notifications(&sink));
            let masters = snmpd.walk(STATES).values().filter(|s| *s == "INTEGER: 2").count();
            masters == 3 && told.iter().filter(|text| text.contains("2.10.0.1")).count() == 2
        });
        stand.stop();
        stand.until("the end was told", || {
            told.extend(stand::notifications(&sink));
            told.iter().filter(|text| text.contains(" = 5, ")).count() == 4
        });
        told
    };
    assert_eq!(told(Binary::ours().unwrap()), told(upstream));
}

/// Ours alone: the original does not run without IPVS, which this machine need not have.
#[test]
fn virtual_servers_and_their_real_servers_are_read_and_told() {
    let mut stand = Stand::new(Binary::ours().unwrap());
    let enabled = stand
        .conf()
        .replace("enable_snmp_vrrp", "enable_snmp_vrrp\n    enable_snmp_checker");
    stand.configure(&(enabled + SERVERS));
    let sink = stand.sink();
    let snmpd = Snmpd::start(&stand);
    let listener = stand.inside(|| std::net::TcpListener::bind("127.0.0.1:8080").unwrap());
    stand.start();
    let is = |object: &str, value: &str| snmpd.get(&format!("{OURS}.3.{object}")).as_deref() == Some(value);
    stand.until("the first server is up", || is("4.1.6.1.2", "INTEGER: 1"));
    for (object, value) in [
        ("3.1.2.1", "INTEGER: 2"),
        ("3.1.6.1", "Hex-STRING: C0 A8 07 07"),
        ("3.1.7.1", "Gauge32: 80"),
        ("3.1.8.1", "INTEGER: 1"),
        ("3.1.9.1", "INTEGER: 4"),
        ("3.1.20.1", "Gauge32: 2"),
        ("3.1.23.1", "INTEGER: 1"),
        ("3.1.25.1", "STRING: \"'/usr/bin/true' 'down'\""),
        ("3.1.2.2", "INTEGER: 1"),
        ("3.1.4.2", "Gauge32: 7"),
        ("4.1.2.1.1", "INTEGER: 2"),
        ("4.1.4.1.1", "Hex-STRING: 0A 00 00 63"),
        ("4.1.7.1.2", "INTEGER: 3"),
        ("4.1.7.1.3", "INTEGER: 4"),
        ("4.1.10.1.3", "INTEGER: 2"),
        ("4.1.40.1.2", "INTEGER: 2"),
    ] {
        assert!(
            is(object, value),
            "{object}: {:?}",
            snmpd.get(&format!("{OURS}.3.{object}"))
        );
    }
    drop(listener);
    stand.until("the first server is down", || is("4.1.6.1.2", "INTEGER: 2"));
    assert!(is("4.1.13.1.2", "Gauge32: 1") && is("3.1.21.1", "Gauge32: 1"));
    let mut told = Vec::new();
    stand.until("it was told", || {
        told.extend(stand::notifications(&sink));
        told.iter().any(|text| {
            text.starts_with(".1.3.6.1.6.3.1.1.4.1.0 = .1.3.6.1.4.1.9586.100.5.3.5.0.1,")
                && text.contains(".3.4.1.6 = 2,")
        })
    });
}

#[test]
fn a_master_agent_that_is_restarted_is_served_again_and_no_address_notices() {
    let mut stand = Stand::new(Binary::ours().unwrap());
    let snmpd = Snmpd::start(&stand);
    stand.start();
    stand.until_all_are_master(&snmpd);
    let since = stand.now();
    for _ in 0..2 {
        snmpd.stop();
        stand.until_said(since, "SNMP: no connection to the master agent");
        let again = Snmpd::start(&stand);
        stand.until_all_are_master(&again);
        again.stop();
    }
    stand.assert_no_state_changed_since(since);
}

#[test]
fn what_is_no_master_agent_costs_nothing_but_the_connection() {
    let mut stand = Stand::new(Binary::ours().unwrap());
    let listener = UnixListener::bind(stand.socket()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (ended, met) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let false_master = std::thread::spawn({
        let (ended, met) = (ended.clone(), met.clone());
        move || {
            // Nonsense, a length beyond measure, a message that never ends, and an answer to what nobody asked.
            let mut long = vec![1, 5, 0x10, 0];
            long.extend([0; 12]);
            let mut endless = long.clone();
            long.extend([0xff; 4]);
            endless.extend([0, 0, 1, 0]);
            let nothing: Vec<u8> = [1, 18, 0x10, 0]
                .into_iter()
                .chain([0; 15])
                .chain([8])
                .chain([0; 8])
                .collect();
            let lies = [b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), long, endless, nothing];
            while !ended.load(Ordering::Relaxed) {
                let Ok((mut peer, _)) = listener.accept() else {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    continue;
                };
                let number = met.fetch_add(1, Ordering::Relaxed);
                peer.set_nonblocking(false).unwrap();
                let _ = peer.set_read_timeout(Some(std::time::Duration::from_millis(200)));
                let mut question = [0; 1024];
                let _ = peer.read(&mut question);
                let _ = peer.write_all(&lies[number % lies.len()]);
                let _ = peer.read(&mut question);
            }
        }
    });
    stand.start();
    stand.until_said(
        std::time::Duration::ZERO,
        "SNMP: the master agent sends what is no AgentX",
    );
    stand.until_holds();
    stand.until("it came four times", || met.load(Ordering::Relaxed) >= 4);
    ended.store(true, Ordering::Relaxed);
    false_master.join().unwrap();
    std::fs::remove_file(stand.socket()).unwrap();
    // The real one is found, whatever came before.
    let snmpd = Snmpd::start(&stand);
    stand.until_all_are_master(&snmpd);
}

#[test]
fn a_manage_role_that_is_killed_or_hangs_is_started_again_and_no_address_notices() {
    let mut stand = Stand::new(Binary::ours().unwrap());
    let snmpd = Snmpd::start(&stand);
    stand.start();
    stand.until_all_are_master(&snmpd);
    let since = stand.now();
    let role = stand.manage_role();
    assert!(role.signal(Signal::SIGKILL));
    stand.until("it is gone", || !role.alive());
    stand.until_all_are_master(&snmpd);
    let role = stand.manage_role();
    assert!(role.signal(Signal::SIGSTOP));
    // It is told of every reload and of every change, and takes none of it.
    stand.reload();
    stand.until_said(since, "Reload complete");
    stand.assert_no_state_changed_since(since);
    assert!(role.signal(Signal::SIGCONT));
    stand.until_all_are_master(&snmpd);
    stand.assert_no_state_changed_since(since);
}

#[test]
fn a_manager_can_change_a_priority_and_a_reload_takes_it_back() {
    let mut stand = Stand::new(Binary::ours().unwrap());
    let snmpd = Snmpd::start(&stand);
    stand.start();
    stand.until_all_are_master(&snmpd);
    let since = stand.now();
    // The third instance, which tracks a file and a script besides.
    let column = |column: u32| format!("{OURS}.2.3.1.{column}.3");
    assert_eq!(snmpd.get(&column(7)).as_deref(), Some("INTEGER: 80"));
    assert!(snmpd.set(&column(7), 60).contains("INTEGER: 60"));
    stand.until_said(since, "(three) priority 60 has been set by SNMP");
    stand.until("it is read", || snmpd.get(&column(7)).as_deref() == Some("INTEGER: 60"));
    stand.until("it counts", || snmpd.get(&column(8)).as_deref() == Some("INTEGER: 73"));
    assert!(snmpd.set(&column(13), 2).contains("INTEGER: 2"));
    stand.until("it does not preempt", || {
        snmpd.get(&column(13)).as_deref() == Some("INTEGER: 2")
    });
    // What is out of range, and what nobody may set, stays as it is.
    for (name, number) in [(column(7), 255), (column(7), 0), (column(4), 1), (column(13), 3)] {
        assert_eq!(snmpd.set(&name, number), "", "{name} {number}");
    }
    stand.reload();
    stand.until("the file counts again", || {
        snmpd.get(&column(7)).as_deref() == Some("INTEGER: 80")
            && snmpd.get(&column(13)).as_deref() == Some("INTEGER: 1")
    });
    stand.assert_no_state_changed_since(since);
}

#[test]
fn snmp_can_be_asked_for_and_given_up_by_a_reload() {
    let mut stand = Stand::new(Binary::ours().unwrap());
    let snmpd = Snmpd::start(&stand);
    let whole = stand.conf();
    let without: String = whole
        .lines()
        .filter(|line| !line.contains("enable_"))
        .map(|line| format!("{line}\n"))
        .collect();
    stand.configure(&without);
    stand.start();
    stand.until_holds();
    assert_eq!(snmpd.walk(OURS), BTreeMap::new());
    stand.configure(&whole);
    stand.reload();
    stand.until_all_are_master(&snmpd);
    stand.configure(&without);
    stand.reload();
    stand.until("nothing is served any more", || snmpd.walk(OURS).is_empty());
}
