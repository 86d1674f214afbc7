//! Reloads beside hundreds of masters: nobody who has not changed notices.
//!
//! `KEEPALIVED_SOAK=N` reloads N times instead of some.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use base::Rng;
use lab::daemon::{Binary, Daemon, Make};
use lab::journal::{Journal, Seen};
use lab::network::{HostPlan, Network, PortPlan};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;
use support::rounds;

/// The masters of one router.
const INSTANCES: u8 = 200;
/// How often each advertises.
const INTERVAL: Duration = Duration::from_millis(100);
/// A backup that hears nothing for longer than this claims the addresses, whatever its priority.
const LONGEST_GAP: Duration = Duration::from_millis(300);
/// What a busy machine may take for one reload.
const PATIENCE: Duration = Duration::from_secs(60);

/// How an instance is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    priority: u8,
    addresses: u8,
    /// It is configured at all.
    here: bool,
}

const USUAL: Plan = Plan {
    priority: 200,
    addresses: 1,
    here: true,
};

type Plans = BTreeMap<u8, Plan>;

#[test]
fn masters_that_a_reload_does_not_change_miss_no_advert_and_change_no_state() {
    let Some(mut router) = Router::start(&usual()) else {
        return;
    };
    let mut rng = Rng::from_seed(1);
    let mut plans = usual();
    // The reloads that changed each instance.
    let mut touched: BTreeSet<u8> = BTreeSet::new();
    for _ in 0..rounds(25) {
        let vrid = 1 + u8::try_from(rng.below(u64::from(INSTANCES))).unwrap();
        let plan = plans.get_mut(&vrid).unwrap();
        match rng.below(4) {
            // The same file again.
            0 => {}
            1 => plan.addresses = 3 - plan.addresses,
            2 => plan.priority = if plan.priority == 200 { 201 } else { 200 },
            _ => plan.here = !plan.here,
        }
        // A few change often, so that most are never touched.
        if touched.len() < usize::from(INSTANCES) / 4 || touched.contains(&vrid) {
            touched.insert(vrid);
        } else {
            plans.insert(vrid, USUAL);
        }
        router.reload(&conf(&plans));
    }
    router.judge(&touched);
}

#[test]
fn a_configuration_that_takes_long_to_read_delays_no_advert() {
    let Some(mut router) = Router::start(&usual()) else {
        return;
    };
    let mut long = conf(&usual());
    for group in 0..100 {
        writeln!(long, "virtual_server_group G{group} {{").unwrap();
        for number in 0..8_000 {
            writeln!(long, "    10.{}.{}.{} 80", 20 + group, number / 250, 1 + number % 250).unwrap();
        }
        long.push_str("}\n");
    }
    router.reload(&long);
    // While that is read again others come: the newest counts, and none is lost.
    router.daemon.reload().unwrap();
    router.daemon.reload().unwrap();
    let mut plans = usual();
    plans.get_mut(&1).unwrap().priority = 210;
    router.daemon.configure(&conf(&plans)).unwrap();
    router.daemon.reload().unwrap();
    router.sees(|what| matches!(what, Seen::Advert(advert) if (advert.vrid, advert.priority) == (1, 210)));
    router.judge(&BTreeSet::from([1]));
}

#[test]
fn a_router_that_is_stopped_in_the_middle_of_a_reload_ends_well() {
    let Some(mut router) = Router::start(&usual()) else {
        return;
    };
    for delay in [0, 5, 20] {
        router.daemon.reload().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        let ended = router.daemon.stop().unwrap();
        assert!(ended.status.success(), "{}", router.journal().timeline());
        let since = router.journal().clock.now();
        router.daemon.start().unwrap();
        router.says(since, "(V1) Entering MASTER STATE");
    }
}

struct Router {
    daemon: Daemon,
    network: Network,
    /// All are master since then.
    since: Duration,
}

impl Router {
    /// All instances are master. `None` if this is not about our daemon.
    fn start(plans: &Plans) -> Option<Router> {
        let binary = Binary::ours().unwrap();
        if binary.make == Make::Upstream {
            eprintln!("skipped: the original stands in for ours");
            return None;
        }
        let port = PortPlan {
            segment: "lan".to_owned(),
            interface: "eth0".to_owned(),
            addresses: vec!["10.1.0.1/16".to_owned()],
        };
        let host = HostPlan {
            name: "a".to_owned(),
            ports: vec![port],
        };
        let network = Network::build(&[host]).unwrap();
        let journal = network.journal.clone();
        let namespace = network.host("a").unwrap().clone();
        let mut daemon = Daemon::new("a", namespace, journal.clone(), binary, &conf(plans)).unwrap();
        daemon.start().unwrap();
        let masters = journal.wait(journal.clock.now() + PATIENCE, |picture, _| {
            let first = |vrid| IpAddr::from([10, 1, 1, vrid]);
            (1..=INSTANCES).all(|vrid| picture.last_claim("a", vrid).is_some() && picture.has_address("a", first(vrid)))
        });
        assert!(masters.is_some(), "not all are master\n{}", journal.timeline());
        let mut router = Router {
            daemon,
            network,
            since: Duration::ZERO,
        };
        for vrid in 1..=INSTANCES {
            router.says(Duration::ZERO, &format!("(V{vrid}) Entering MASTER STATE"));
        }
        router.says(Duration::ZERO, "Startup complete");
        router.since = journal.clock.now();
        Some(router)
    }

    fn journal(&self) -> &Journal {
        &self.network.journal
    }

    fn says(&self, since: Duration, line: &str) {
        let journal = self.journal();
        let wanted = |what: &Seen| matches!(what, Seen::Log(text) if text.contains(line));
        let found = journal.wait_entry(since, journal.clock.now() + PATIENCE, |entry| wanted(&entry.what));
        assert!(found.is_some(), "never: {line}\n{}", journal.timeline());
    }

    fn sees(&self, wanted: impl Fn(&Seen) -> bool) {
        let journal = self.journal();
        let deadline = journal.clock.now() + PATIENCE;
        let found = journal.wait_entry(self.since, deadline, |entry| wanted(&entry.what));
        assert!(found.is_some(), "{}", journal.timeline());
    }

    /// Reloads and waits until the new configuration runs.
    fn reload(&mut self, conf: &str) {
        let since = self.journal().clock.now();
        self.daemon.configure(conf).unwrap();
        self.daemon.reload().unwrap();
        self.says(since, "Reload complete");
    }

    /// Of the instances that are not in `touched` nothing has been seen but adverts, and those in time.
    fn judge(mut self, touched: &BTreeSet<u8>) {
        // The last reload is over; what it would have done wrong shows in the next adverts.
        let end = self.journal().clock.now() + 2 * LONGEST_GAP;
        self.journal().wait(end, |_, _| false);
        let entries = self.journal().entries();
        assert!(self.journal().picture().blind.is_none());
        let mut last: BTreeMap<u8, Duration> = BTreeMap::new();
        let (mut longest, mut adverts) = (Duration::ZERO, 0);
        for entry in entries.iter().filter(|entry| entry.at >= self.since) {
            match &entry.what {
                Seen::Advert(advert) if !touched.contains(&advert.vrid) => {
                    assert!(
                        advert.priority == USUAL.priority,
                        "{advert:?}\n{}",
                        self.journal().timeline()
                    );
                    if let Some(before) = last.insert(advert.vrid, entry.at) {
                        longest = longest.max(entry.at.saturating_sub(before));
                    }
                    adverts += 1;
                }
                Seen::AddressAdded(_, address) | Seen::AddressRemoved(_, address) | Seen::Announcement(address) => {
                    // A second block of the beginning is as it should be.
                    let first = matches!(entry.what, Seen::Announcement(_)) && !is_second(*address);
                    assert!(first || touched.contains(&vrid_of(*address)), "{entry:?}");
                }
                Seen::Log(text) => {
                    let of_untouched = |vrid: u8| !touched.contains(&vrid) && text.contains(&format!("(V{vrid}) "));
                    let state = text.contains("Entering") || text.contains("priority");
                    assert!(!state || !(1..=INSTANCES).any(of_untouched), "{text}");
                }
                Seen::Advert(_) | Seen::Answers(_) | Seen::Act(_) | Seen::Noted(_) => {}
            }
        }
        let untouched = usize::from(INSTANCES) - touched.len();
        assert_eq!(last.len(), untouched, "all others advertise");
        // Nobody has fallen silent since.
        for (vrid, at) in &last {
            longest = longest.max(end.saturating_sub(*at).saturating_sub(LONGEST_GAP));
            assert!(end.saturating_sub(*at) < 2 * LONGEST_GAP, "V{vrid} is silent");
        }
        println!("{adverts} adverts of {untouched} instances, longest gap {longest:?} at an interval of {INTERVAL:?}");
        assert!(longest < LONGEST_GAP, "{longest:?}");
        self.daemon.stop().unwrap();
    }
}

fn usual() -> Plans {
    (1..=INSTANCES).map(|vrid| (vrid, USUAL)).collect()
}

fn conf(plans: &Plans) -> String {
    // Real time: that the machine is busy with other tests is no fault of a reload.
    let mut conf = String::from("global_defs {\n    router_id a\n    vrrp_version 3\n    vrrp_rt_priority 50\n}\n");
    for (vrid, plan) in plans.iter().filter(|(_, plan)| plan.here) {
        let Plan { priority, .. } = plan;
        write!(
            conf,
            "vrrp_instance V{vrid} {{\n    interface eth0\n    state MASTER\n    virtual_router_id {vrid}\n    \
             priority {priority}\n    advert_int 0.1\n    virtual_ipaddress {{\n"
        )
        .unwrap();
        for address in 0..plan.addresses {
            writeln!(conf, "        10.1.{}.{vrid}/32", 1 + address).unwrap();
        }
        conf.push_str("    }\n}\n");
    }
    conf
}

/// The instance an address belongs to: its last byte.
fn vrid_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => 0,
    }
}

/// An address that an instance has not from the beginning.
fn is_second(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[2] == 2,
        IpAddr::V6(_) => false,
    }
}
