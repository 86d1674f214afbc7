//! What an instance needs comes in any order: the interface, its being up, its carrier, an address, a link-local address.
//!
//! `KEEPALIVED_SOAK=24` plays every order instead of a sample.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use lab::daemon::{Binary, Daemon, Make, PATIENCE};
use lab::journal::{Journal, Seen};
use lab::netns::Namespace;
use std::sync::Arc;
use std::time::Duration;
use support::rounds;

/// One instance for each family, both on `w0`.
const CONF: &str = "global_defs {
    router_id r
    dynamic_interfaces
}
vrrp_instance FOUR {
    interface w0
    version 3
    virtual_router_id 51
    advert_int 0.1
    virtual_ipaddress {
        10.9.0.50/24
    }
}
vrrp_instance SIX {
    interface w0
    virtual_router_id 52
    advert_int 0.1
    virtual_ipaddress {
        fe80::50/64
    }
}
";

/// What happens after the interface was made, in any order.
const STEPS: [&str; 4] = [
    "link set w0 up",
    "link set w1 up",
    "addr add 10.9.0.1/24 dev w0",
    "addr add fe80::1/64 dev w0 nodad",
];

/// A second after the last of them, and what a busy machine takes.
const SOON: Duration = Duration::from_secs(7);

#[test]
fn an_instance_becomes_master_in_whatever_order_its_needs_are_met() {
    let binary = Binary::ours().unwrap();
    if binary.make == Make::Upstream {
        eprintln!("skipped: the original stands in for ours");
        return;
    }
    let namespace = Arc::new(Namespace::create("w").unwrap());
    let journal = Journal::start();
    let mut daemon = Daemon::new("a", namespace.clone(), journal.clone(), binary, CONF).unwrap();
    let begun = journal.clock.now();
    daemon.start().unwrap();
    says(&journal, begun, "(FOUR) waiting for interface w0 to exist");
    let orders = orders();
    // Spread over all of them.
    let count = rounds(5).min(orders.len());
    for nth in 0..count {
        let order = &orders[nth * orders.len() / count];
        let mut since = journal.clock.now();
        let make = [
            "link add w0 type veth peer name w1",
            "link set w0 addrgenmode none",
            "link set w1 addrgenmode none",
        ];
        namespace.ip(&make).unwrap();
        for step in order {
            since = journal.clock.now();
            namespace.ip(&[step]).unwrap();
        }
        // What came last is what they waited for.
        for name in ["FOUR", "SIX"] {
            let line = format!("({name}) Entering MASTER STATE");
            assert!(said(&journal, since, &line, SOON), "{order:?}\n{}", journal.timeline());
        }
        let since = journal.clock.now();
        namespace.ip(&["link del w0"]).unwrap();
        for name in ["FOUR", "SIX"] {
            says(&journal, since, &format!("({name}) Entering FAULT STATE"));
        }
    }
    daemon.stop().unwrap();
}

fn says(journal: &Journal, since: Duration, line: &str) {
    assert!(
        said(journal, since, line, PATIENCE),
        "never: {line}\n{}",
        journal.timeline()
    );
}

fn said(journal: &Journal, since: Duration, line: &str, patience: Duration) -> bool {
    let wanted = |what: &Seen| matches!(what, Seen::Log(text) if text.contains(line));
    journal
        .wait_entry(since, journal.clock.now() + patience, |entry| wanted(&entry.what))
        .is_some()
}

/// Every order of the steps.
fn orders() -> Vec<Vec<&'static str>> {
    let mut all = vec![Vec::new()];
    for step in STEPS {
        all = all
            .into_iter()
            .flat_map(|order: Vec<&str>| {
                (0..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, step);
                    longer
                })
            })
            .collect();
    }
    all
}
