//! The scenarios, written once for every stage.
//!
//! In all of them `a` is the router with the higher priority and `b` its backup, on one segment with the client.

use crate::scenario::{Act, Check, Scenario, Subject, master_is, router_addresses};
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

/// Hands the list of all scenarios, as `name: expression;`, to another macro: every stage plays the same list.
/// The expressions need `use lab::catalogue::{Feature::*, *}`.
#[macro_export]
macro_rules! for_every_scenario {
    ($then:ident) => {
        $then! {
            v2_multicast_1s: a_master_is_lost_in_every_way_and_returns(row(2, 1000, &[]));
            v2_multicast_pass_1s: a_master_is_lost_in_every_way_and_returns(row(2, 1000, &[Pass]));
            v2_multicast_ah_1s: a_master_is_lost_in_every_way_and_returns(row(2, 1000, &[Ah]));
            v2_unicast_1s: a_master_is_lost_in_every_way_and_returns(row(2, 1000, &[Unicast]));
            v2_unicast_pass_1s: a_master_is_lost_in_every_way_and_returns(row(2, 1000, &[Unicast, Pass]));
            v2_unicast_ah_1s: a_master_is_lost_in_every_way_and_returns(row(2, 1000, &[Unicast, Ah]));
            v3_multicast_1s: a_master_is_lost_in_every_way_and_returns(row(3, 1000, &[]));
            v3_multicast_100ms: a_master_is_lost_in_every_way_and_returns(row(3, 100, &[]));
            v3_multicast_10ms: a_master_is_lost_in_every_way_and_returns(row(3, 10, &[]));
            v3_unicast_1s: a_master_is_lost_in_every_way_and_returns(row(3, 1000, &[Unicast]));
            v3_unicast_100ms: a_master_is_lost_in_every_way_and_returns(row(3, 100, &[Unicast]));
            v3_unicast_10ms: a_master_is_lost_in_every_way_and_returns(row(3, 10, &[Unicast]));
            v3_ipv6_multicast_1s: a_master_is_lost_in_every_way_and_returns(row(3, 1000, &[Ipv6]));
            v3_ipv6_multicast_100ms: a_master_is_lost_in_every_way_and_returns(row(3, 100, &[Ipv6]));
            v3_ipv6_multicast_10ms: a_master_is_lost_in_every_way_and_returns(row(3, 10, &[Ipv6]));
            v3_ipv6_unicast_1s: a_master_is_lost_in_every_way_and_returns(row(3, 1000, &[Ipv6, Unicast]));
            v3_ipv6_unicast_100ms: a_master_is_lost_in_every_way_and_returns(row(3, 100, &[Ipv6, Unicast]));
            v3_ipv6_unicast_10ms: a_master_is_lost_in_every_way_and_returns(row(3, 10, &[Ipv6, Unicast]));
            frozen_backup: a_frozen_backup_wakes_up_beside_its_master(row(3, 100, &[]));
            partition: a_partition_heals(row(3, 100, &[LastWord]));
            partition_ipv6: a_partition_heals(row(3, 100, &[Ipv6, LastWord]));
            one_way_partition: a_one_way_partition_heals(row(3, 100, &[LastWord]));
            equal_priorities: of_equal_masters_the_one_with_the_higher_address_stays(row(3, 100, &[]));
            lossy_segment: a_lossy_segment_recovers(row(3, 100, &[LastWord]));
        }
    };
}

/// What adverts look like and how they travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// 2 or 3.
    pub version: u8,
    /// IPv6 instead of IPv4.
    pub six: bool,
    /// `unicast_peer` instead of a group.
    pub unicast: bool,
    /// `auth_type`.
    pub auth: Option<&'static str>,
    /// `higher_prio_send_advert`: who yields says so, and the winner announces the addresses again. Without it a master
    /// that was cut off may never learn that there was another, and the client keeps asking the loser.
    pub last_word: bool,
    /// `advert_int`.
    pub interval: Duration,
}

/// What an instance block says beside what the row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// `state`.
    pub state: &'static str,
    /// `priority`.
    pub priority: u8,
}

/// The place of `a`.
pub const LEADER: Place = Place {
    state: "MASTER",
    priority: 150,
};

/// The place of `b`.
pub const FOLLOWER: Place = Place {
    state: "BACKUP",
    priority: 100,
};

/// The virtual router number of all scenarios.
pub const VRID: u8 = 51;

/// How long `a` is frozen.
const FROZEN: Duration = Duration::from_secs(5);

/// For what follows at once: an address in the kernel, an answer to the client.
const SOON: Duration = Duration::from_secs(1);

/// What makes a row differ from IPv4 in a group without authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// IPv6.
    Ipv6,
    /// `unicast_peer`.
    Unicast,
    /// `auth_type PASS`.
    Pass,
    /// `auth_type AH`.
    Ah,
    /// `higher_prio_send_advert`.
    LastWord,
}

/// A version, an interval in milliseconds, and what is special.
pub fn row(version: u8, millis: u64, features: &[Feature]) -> Row {
    let auth = features.iter().find_map(|feature| match feature {
        Feature::Pass => Some("PASS"),
        Feature::Ah => Some("AH"),
        Feature::Ipv6 | Feature::Unicast | Feature::LastWord => None,
    });
    Row {
        version,
        six: features.contains(&Feature::Ipv6),
        unicast: features.contains(&Feature::Unicast),
        last_word: features.contains(&Feature::LastWord),
        auth,
        interval: Duration::from_millis(millis),
    }
}

/// Everything that can happen to a master, one after the other: killed, stopped, cable cut, frozen.
pub fn a_master_is_lost_in_every_way_and_returns(row: Row) -> Scenario {
    let (interval, down) = (row.interval, row.down());
    two_routers("a master is lost in every way and returns", row, row.leader(), FOLLOWER)
        // Killed.
        .then(Act::Kill("a".into()))
        .within(down, master_is("b"))
        .and(|next| served_by(next, "b"))
        .and(|next| returns(next, Act::Start("a".into()), down))
        // Stopped: it says goodbye, so its peer waits for the skew alone.
        .then(Act::Stop("a".into()))
        .within(interval, master_is("b"))
        .within(interval, Check::HoldsNothing("a".into()))
        .and(|next| served_by(next, "b"))
        .and(|next| returns(next, Act::Start("a".into()), down))
        // Cable cut: it knows, and gives its addresses up.
        .then(Act::Cut("a".into()))
        .within(down, master_is("b"))
        .and(|next| served_by(next, "b"))
        .and(|next| returns(next, Act::Mend("a".into()), down))
        // Frozen: it does not know, and still believes to be master when it wakes up.
        .then(Act::Freeze("a".into()))
        .within(down, master_is("b"))
        .within(down, Check::Answers("b".into()))
        .stays(FROZEN.saturating_sub(down), master_is("b"))
        .and(|next| returns(next, Act::Thaw("a".into()), interval * 2))
}

/// A backup that slept must not disturb its master when it wakes up.
pub fn a_frozen_backup_wakes_up_beside_its_master(row: Row) -> Scenario {
    two_routers("a frozen backup wakes up beside its master", row, LEADER, FOLLOWER)
        .then(Act::Freeze("b".into()))
        .stays(FROZEN, master_is("a"))
        .then(Act::Thaw("b".into()))
        .within(row.interval * 2, master_is("a"))
        .and(|next| served_by(next, "a"))
        .stays(row.interval * 5, master_is("a"))
}

/// Cut off without noticing, both sides are masters; joined again, one is.
pub fn a_partition_heals(row: Row) -> Scenario {
    two_routers("a partition heals", row, LEADER, FOLLOWER)
        .then(Act::Silence("a".into()))
        .within(row.down(), both())
        .within(SOON, Check::Answers("b".into()))
        .and(|next| returns(next, Act::Unsilence("a".into()), row.interval * 2))
}

/// The backup no longer hears its master, who hears the backup: two masters until the way is open again.
pub fn a_one_way_partition_heals(row: Row) -> Scenario {
    two_routers("a one-way partition heals", row, LEADER, FOLLOWER)
        .then(Act::Block("b".into(), "a".into()))
        .stays(row.down(), master_is("a"))
        .then(Act::Unblock("b".into(), "a".into()))
        .then(Act::Block("a".into(), "b".into()))
        .within(row.down(), both())
        .and(|next| returns(next, Act::Unblock("a".into(), "b".into()), row.interval * 2))
}

/// With equal priorities the higher address stays master when two masters meet (RFC 9568 section 6.4.3).
pub fn of_equal_masters_the_one_with_the_higher_address_stays(row: Row) -> Scenario {
    let equal = Place {
        state: "BACKUP",
        priority: 100,
    };
    let name = "of equal masters the one with the higher address stays";
    routers(name, row, equal, equal)
        .then(Act::Start("a".into()))
        .within(row.down(), master_is("a"))
        .then(Act::Start("b".into()))
        // The first master stays as long as they hear each other.
        .stays(row.down() * 2, master_is("a"))
        .then(Act::Silence("a".into()))
        .within(row.down(), both())
        .then(Act::Unsilence("a".into()))
        .within(row.interval * 2, master_is("b"))
        .and(|next| served_by(next, "b"))
}

/// A fifth of all packets is lost for a while.
pub fn a_lossy_segment_recovers(row: Row) -> Scenario {
    two_routers("a lossy segment recovers", row, LEADER, FOLLOWER)
        .then(Act::Loss(20))
        .stays(FROZEN, Check::Lives)
        .and(|next| returns(next, Act::Loss(0), row.down()))
}

impl Row {
    /// Three intervals and the skew, which is less than one: nobody waits longer for a silent master.
    pub fn down(&self) -> Duration {
        self.interval * 4
    }

    /// The place of `a`. With AH no router may begin as master: it must hear the sequence number of its peer first.
    pub fn leader(&self) -> Place {
        match self.auth {
            Some("AH") => Place {
                state: FOLLOWER.state,
                ..LEADER
            },
            Some(_) | None => LEADER,
        }
    }

    /// The configuration of the `nth` of two routers.
    pub fn conf(&self, nth: usize, place: Place) -> String {
        let mut extra = String::new();
        let mut add = |words: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            let _ = writeln!(extra, "    {words}");
        };
        if let Some(kind) = self.auth {
            add(format_args!(
                "authentication {{\n        auth_type {kind}\n        auth_pass 123456\n    }}"
            ));
        }
        if self.last_word {
            add(format_args!("higher_prio_send_advert"));
        }
        if self.unicast {
            let address = |nth| {
                let [four, six] = router_addresses(nth);
                if self.six { six } else { four }
            };
            add(format_args!("unicast_src_ip {}", address(nth)));
            add(format_args!(
                "unicast_peer {{\n        {}\n    }}",
                address(1 - nth.min(1))
            ));
        }
        let Place { state, priority } = place;
        let (version, interval, address) = (self.version, self.interval.as_secs_f64(), self.virtual_address());
        let len = if self.six { 64 } else { 24 };
        format!(
            "global_defs {{\n    router_id r{nth}\n}}\nvrrp_instance V {{\n    state {state}\n    interface eth0\n    \
             version {version}\n    virtual_router_id {VRID}\n    priority {priority}\n    advert_int {interval}\n\
             {extra}    virtual_ipaddress {{\n        {address}/{len}\n    }}\n}}\n"
        )
    }

    fn virtual_address(&self) -> IpAddr {
        if self.six {
            IpAddr::V6(std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xa50))
        } else {
            IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 50))
        }
    }
}

/// Two routers of which none runs.
pub fn routers(name: &str, row: Row, a: Place, b: Place) -> Scenario {
    let addresses = vec![row.virtual_address()];
    let subject = Subject {
        instance: "V".into(),
        vrid: VRID,
        interval: row.interval,
        addresses,
    };
    Scenario::new(name, subject)
        .router("a", row.conf(0, a))
        .router("b", row.conf(1, b))
}

/// Two routers that have found out that `a` is master.
pub fn two_routers(name: &str, row: Row, a: Place, b: Place) -> Scenario {
    routers(name, row, a, b)
        .then(Act::Start("a".into()))
        .then(Act::Start("b".into()))
        .within(row.down(), master_is("a"))
        .and(|next| served_by(next, "a"))
}

/// `router` has the addresses and serves the client.
pub fn served_by(scenario: Scenario, router: &str) -> Scenario {
    scenario
        .within(SOON, Check::Holds(router.into()))
        .within(SOON, Check::Answers(router.into()))
}

fn returns(scenario: Scenario, act: Act, within: Duration) -> Scenario {
    served_by(scenario.then(act).within(within, master_is("a")), "a")
}

fn both() -> Check {
    Check::Masters(vec!["a".into(), "b".into()])
}
