//! Two routers, one of them or both the original, through everything that can happen to a master.
//!
//! Every row is played with the original alone first: what the original itself does not manage is no test of ours.

use lab::daemon::{Binary, Make};
use lab::scenario::{Act, Check, Scenario, Subject, master_is, router_addresses};
use lab::stage::run_in_namespaces;
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

/// What adverts look like and how they travel.
#[derive(Clone, Copy)]
struct Row {
    version: u8,
    six: bool,
    unicast: bool,
    auth: Option<&'static str>,
    interval: Duration,
}

const MASTER_PRIORITY: u8 = 150;
const BACKUP_PRIORITY: u8 = 100;

macro_rules! rows {
    ($($row:ident: $version:literal $family:ident $delivery:ident $auth:ident $millis:literal;)*) => { $(
        mod $row {
            use super::*;

            const ROW: Row = Row {
                version: $version,
                six: rows!(@ $family),
                unicast: rows!(@ $delivery),
                auth: rows!(@ $auth),
                interval: Duration::from_millis($millis),
            };

            #[test]
            fn upstream_among_itself() { play(ROW, Make::Upstream, Make::Upstream); }

            #[test]
            fn ours_as_master_of_upstream() { play(ROW, Make::Ours, Make::Upstream); }

            #[test]
            fn ours_as_backup_of_upstream() { play(ROW, Make::Upstream, Make::Ours); }

            #[test]
            fn ours_among_itself() { play(ROW, Make::Ours, Make::Ours); }
        }
    )* };
    (@ ipv4) => { false };
    (@ ipv6) => { true };
    (@ multicast) => { false };
    (@ unicast) => { true };
    (@ open) => { None };
    (@ pass) => { Some("PASS") };
    (@ ah) => { Some("AH") };
}

rows! {
    v2_multicast_1s: 2 ipv4 multicast open 1000;
    v2_multicast_pass_1s: 2 ipv4 multicast pass 1000;
    v2_multicast_ah_1s: 2 ipv4 multicast ah 1000;
    v2_unicast_1s: 2 ipv4 unicast open 1000;
    v2_unicast_pass_1s: 2 ipv4 unicast pass 1000;
    v2_unicast_ah_1s: 2 ipv4 unicast ah 1000;
    v3_multicast_1s: 3 ipv4 multicast open 1000;
    v3_multicast_100ms: 3 ipv4 multicast open 100;
    v3_multicast_10ms: 3 ipv4 multicast open 10;
    v3_unicast_1s: 3 ipv4 unicast open 1000;
    v3_unicast_100ms: 3 ipv4 unicast open 100;
    v3_unicast_10ms: 3 ipv4 unicast open 10;
    v3_ipv6_multicast_1s: 3 ipv6 multicast open 1000;
    v3_ipv6_multicast_100ms: 3 ipv6 multicast open 100;
    v3_ipv6_multicast_10ms: 3 ipv6 multicast open 10;
    v3_ipv6_unicast_1s: 3 ipv6 unicast open 1000;
    v3_ipv6_unicast_100ms: 3 ipv6 unicast open 100;
    v3_ipv6_unicast_10ms: 3 ipv6 unicast open 10;
}

fn play(row: Row, a: Make, b: Make) {
    let Some(upstream) = Binary::upstream() else {
        eprintln!("skipped: Debian's keepalived is not installed (make setup)");
        return;
    };
    let binary = |make| match make {
        Make::Ours => Binary::ours().unwrap(),
        Make::Upstream => upstream.clone(),
    };
    let binaries = [binary(a), binary(b)];
    match run_in_namespaces(&scenario(row, &format!("a is {a}, b is {b}")), &binaries) {
        Ok(report) => eprintln!("{report}"),
        Err(failure) => panic!("{failure}"),
    }
}

fn scenario(row: Row, name: &str) -> Scenario {
    let interval = row.interval;
    let virtual_address: IpAddr = if row.six { "fd00::a50" } else { "10.0.0.50" }.parse().unwrap();
    let subject = Subject { instance: "V".into(), vrid: 51, interval, addresses: vec![virtual_address] };
    // Three intervals and the skew of the backup, which is less than one.
    let down = interval * 4;
    Scenario::new(name, subject)
        .router("a", row.conf(0, "MASTER", MASTER_PRIORITY))
        .router("b", row.conf(1, "BACKUP", BACKUP_PRIORITY))
        .then(start("a"))
        .then(start("b"))
        .within(down, master_is("a"))
        .and(|next| served_by(next, "a"))
        // Killed.
        .then(Act::Kill("a".into()))
        .within(down, master_is("b"))
        .and(|next| served_by(next, "b"))
        .then(start("a"))
        .within(down, master_is("a"))
        .and(|next| served_by(next, "a"))
        // Stopped: it says goodbye, so its peer waits for the skew alone.
        .then(Act::Stop("a".into()))
        .within(interval, master_is("b"))
        .within(interval, Check::HoldsNothing("a".into()))
        .and(|next| served_by(next, "b"))
        .then(start("a"))
        .within(down, master_is("a"))
        .and(|next| served_by(next, "a"))
        // Cable cut: it knows, and gives its addresses up.
        .then(Act::Cut("a".into()))
        .within(down, master_is("b"))
        .and(|next| served_by(next, "b"))
        .then(Act::Mend("a".into()))
        .within(down, master_is("a"))
        .and(|next| served_by(next, "a"))
        // Frozen for five seconds: it does not know.
        .then(Act::Freeze("a".into()))
        .within(down, master_is("b"))
        .within(down, Check::Answers("b".into()))
        .stays(Duration::from_secs(5).saturating_sub(down), master_is("b"))
        .then(Act::Thaw("a".into()))
        .within(interval * 2, master_is("a"))
        .and(|next| served_by(next, "a"))
}

fn served_by(scenario: Scenario, router: &str) -> Scenario {
    let soon = Duration::from_secs(1);
    scenario.within(soon, Check::Holds(router.into())).within(soon, Check::Answers(router.into()))
}

fn start(router: &str) -> Act {
    Act::Start(router.into())
}

impl Row {
    fn conf(&self, nth: usize, state: &str, priority: u8) -> String {
        let mut extra = String::new();
        if let Some(kind) = self.auth {
            writeln!(extra, "    authentication {{\n        auth_type {kind}\n        auth_pass 123456\n    }}").unwrap();
        }
        if self.unicast {
            let [own, peer] = [nth, 1 - nth].map(router_addresses).map(|[four, six]| if self.six { six } else { four });
            writeln!(extra, "    unicast_src_ip {own}\n    unicast_peer {{\n        {peer}\n    }}").unwrap();
        }
        let (address, version) = (if self.six { "fd00::a50/64" } else { "10.0.0.50/24" }, self.version);
        let interval = self.interval.as_secs_f64();
        format!(
            "global_defs {{\n    router_id r{nth}\n}}\nvrrp_instance V {{\n    state {state}\n    interface eth0\n    \
             version {version}\n    virtual_router_id 51\n    priority {priority}\n    advert_int {interval}\n{extra}    \
             virtual_ipaddress {{\n        {address}\n    }}\n}}\n"
        )
    }
}
