//! Who takes part in a virtual server: quorum, hysteresis, the sorry server, weights.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail like tests"
)]

use lvs::config::{
    Endpoint, Forwarding, Key, Protocol, Real, Scheduler, SchedulerFlags, Service, Sorry, Target, WEIGHT_MAX,
};
use lvs::event::Event;
use lvs::service::{Running, Standing, weight};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

fn at(last: u8) -> Endpoint {
    Endpoint::new([10, 0, 0, last].into(), 80)
}

fn real(last: u8, weight: u32) -> Real {
    Real {
        at: at(last),
        forwarding: Forwarding::Nat,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
        inhibit_on_failure: false,
        smtp_alert: None,
        snmp_name: None,
    }
}

fn service(quorum: u32, hysteresis: u32, reals: Vec<Real>) -> Service {
    Service {
        key: Key {
            target: Target::Address {
                at: at(1),
                protocol: Some(Protocol::Tcp),
            },
            sequence: 0,
        },
        protocol: Some(Protocol::Tcp),
        family: Some(base::Family::V4),
        scheduler: Scheduler::Rr,
        flags: SchedulerFlags::empty(),
        one_packet: false,
        persistence: None,
        granularity: None,
        engine: None,
        quorum: NonZeroU32::new(quorum).unwrap(),
        hysteresis,
        omega: false,
        ha_suspend: false,
        smtp_alert: None,
        snmp_name: None,
        reals,
        sorry: None,
    }
}

fn sorry(inhibit: bool) -> Option<Sorry> {
    Some(Sorry {
        at: at(99),
        forwarding: Forwarding::Nat,
        inhibit,
    })
}

fn start(service: Service) -> Running {
    Running::start(Arc::new(service), BTreeMap::new(), &mut Vec::new())
}

/// What a change leads to, as lines of the log.
fn set(running: &mut Running, last: u8, standing: Standing) -> Vec<String> {
    let mut events = Vec::new();
    running.set(at(last), standing, &mut events);
    events.into_iter().map(|event| event.text(running.config())).collect()
}

/// The destinations with their weights.
fn weights(running: &Running) -> Vec<(Endpoint, u32)> {
    let all = running.destinations();
    all.into_iter()
        .map(|(at, destination)| (at, destination.weight))
        .collect()
}

#[test]
fn servers_that_are_up_take_part_with_their_weights() {
    let mut running = start(service(1, 0, vec![real(2, 5), real(3, 7)]));
    assert_eq!(weights(&running), [(at(2), 5), (at(3), 7)]);
    assert_eq!(
        set(&mut running, 2, Standing::DOWN),
        ["Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80"]
    );
    assert_eq!(weights(&running), [(at(3), 7)]);
    assert_eq!(
        set(&mut running, 2, Standing::UP),
        ["Adding service [10.0.0.2]:tcp:80 to VS [10.0.0.1]:tcp:80"]
    );
    assert_eq!(set(&mut running, 2, Standing::UP), [""; 0], "nothing changed");
}

#[test]
fn an_inhibited_server_stays_with_weight_zero() {
    let inhibited = Real {
        inhibit_on_failure: true,
        ..real(2, 5)
    };
    let mut running = start(service(1, 0, vec![inhibited, real(3, 7)]));
    assert_eq!(
        set(&mut running, 2, Standing::DOWN),
        ["Disabling service [10.0.0.2]:tcp:80 of VS [10.0.0.1]:tcp:80"]
    );
    assert_eq!(weights(&running), [(at(2), 0), (at(3), 7)]);
    assert_eq!(
        set(&mut running, 2, Standing::UP),
        ["Enabling service [10.0.0.2]:tcp:80 of VS [10.0.0.1]:tcp:80"]
    );
}

#[test]
fn a_quorum_is_lost_below_and_gained_above_its_dead_band() {
    let mut running = start(service(3, 1, vec![real(2, 1), real(3, 1), real(4, 1), real(5, 1)]));
    assert!(running.has_quorum());
    set(&mut running, 2, Standing::DOWN);
    set(&mut running, 3, Standing::DOWN);
    assert!(running.has_quorum(), "2 is not below 3 - 1");
    assert_eq!(
        set(&mut running, 4, Standing::DOWN),
        [
            "Removing service [10.0.0.4]:tcp:80 from VS [10.0.0.1]:tcp:80",
            "Lost quorum 3-1=2 > 1 for VS [10.0.0.1]:tcp:80"
        ]
    );
    set(&mut running, 4, Standing::UP);
    set(&mut running, 3, Standing::UP);
    assert!(!running.has_quorum(), "3 is below 3 + 1");
    assert_eq!(
        set(&mut running, 2, Standing::UP).last().map(String::as_str),
        Some("Gained quorum 3+1=4 <= 4 for VS [10.0.0.1]:tcp:80")
    );
}

#[test]
fn without_a_quorum_the_sorry_server_answers_alone() {
    let mut running = start(Service {
        sorry: sorry(false),
        ..service(2, 0, vec![real(2, 1), real(3, 1)])
    });
    assert_eq!(weights(&running), [(at(2), 1), (at(3), 1)]);
    assert_eq!(
        set(&mut running, 2, Standing::DOWN)[1..],
        [
            "Lost quorum 2-0=2 > 1 for VS [10.0.0.1]:tcp:80",
            "Removing alive servers from the pool for VS [10.0.0.1]:tcp:80",
            "Adding sorry server [10.0.0.99]:tcp:80 to VS [10.0.0.1]:tcp:80"
        ]
    );
    assert_eq!(weights(&running), [(at(99), 1)]);
    assert_eq!(set(&mut running, 3, Standing::DOWN).len(), 1, "recorded");
    set(&mut running, 3, Standing::UP);
    assert_eq!(
        set(&mut running, 2, Standing::UP)[1..],
        [
            "Gained quorum 2+0=2 <= 2 for VS [10.0.0.1]:tcp:80",
            "Removing sorry server [10.0.0.99]:tcp:80 from VS [10.0.0.1]:tcp:80",
            "Adding alive servers to the pool for VS [10.0.0.1]:tcp:80"
        ]
    );
    assert_eq!(weights(&running), [(at(2), 1), (at(3), 1)]);
}

#[test]
fn an_inhibited_sorry_server_is_always_there() {
    let mut running = start(Service {
        sorry: sorry(true),
        ..service(1, 0, vec![real(2, 1)])
    });
    assert_eq!(weights(&running), [(at(2), 1), (at(99), 0)]);
    let said = set(&mut running, 2, Standing::DOWN);
    assert_eq!(
        said.last().map(String::as_str),
        Some("Enabling sorry server [10.0.0.99]:tcp:80 to VS [10.0.0.1]:tcp:80")
    );
    assert_eq!(weights(&running), [(at(99), 1)]);
}

#[test]
fn a_sorry_server_that_is_a_real_server_has_one_entry() {
    let both = Service {
        sorry: Some(Sorry {
            at: at(2),
            forwarding: Forwarding::Nat,
            inhibit: true,
        }),
        ..service(
            2,
            0,
            vec![
                Real {
                    inhibit_on_failure: true,
                    ..real(2, 5)
                },
                real(3, 1),
            ],
        )
    };
    let mut running = start(both);
    assert_eq!(weights(&running), [(at(2), 5), (at(3), 1)]);
    set(&mut running, 2, Standing::DOWN);
    assert_eq!(
        weights(&running),
        [(at(2), 1)],
        "it is down for itself and answers for all"
    );
}

#[test]
fn a_start_without_quorum_says_so_and_begins_with_the_sorry_server() {
    let mut events = Vec::new();
    let config = Arc::new(Service {
        sorry: sorry(false),
        ..service(1, 0, vec![real(2, 1)])
    });
    let down = BTreeMap::from([(at(2), Standing::DOWN)]);
    let running = Running::start(Arc::clone(&config), down, &mut events);
    let said: Vec<String> = events.iter().map(|event| event.text(&config)).collect();
    assert_eq!(
        said,
        [
            "Starting with quorum down 1-0=1 > 0 for VS [10.0.0.1]:tcp:80",
            "Adding sorry server [10.0.0.99]:tcp:80 to VS [10.0.0.1]:tcp:80"
        ]
    );
    assert_eq!(weights(&running), [(at(99), 1)]);
    assert_eq!(
        events[0].mail(&config).as_deref(),
        Some("=> Starting with quorum down 1+0=1 <= 0 <=")
    );
}

#[test]
fn what_checks_add_is_added_to_the_configured_weight_and_stays_in_the_kernels_range() {
    let ten = real(2, 10);
    let with = |contribution| weight(&ten, Standing { up: true, contribution });
    assert_eq!((with(0), with(-3), with(-10), with(-11)), (10, 7, 0, 0));
    assert_eq!((with(i64::MAX), with(i64::MIN)), (WEIGHT_MAX, 0));
}

#[test]
fn one_check_that_says_down_is_enough_and_only_the_others_add() {
    assert_eq!(Standing::of([]), Standing::UP);
    let mixed = Standing::of([(true, 5), (false, 100), (true, -2)]);
    assert_eq!(
        mixed,
        Standing {
            up: false,
            contribution: 3
        }
    );
}

#[test]
fn a_weight_that_changes_is_told_and_counts_for_the_quorum() {
    let mut running = start(service(10, 0, vec![real(2, 10)]));
    let drained = Standing {
        up: true,
        contribution: -10,
    };
    assert_eq!(
        set(&mut running, 2, drained),
        [
            "Changing weight from 10 to 0 for active service [10.0.0.2]:tcp:80 of VS [10.0.0.1]:tcp:80",
            "Lost quorum 10-0=10 > 0 for VS [10.0.0.1]:tcp:80"
        ]
    );
    assert_eq!(weights(&running), [(at(2), 0)]);
}

#[test]
fn a_reload_keeps_what_is_known_of_servers_that_stay() {
    let mut running = start(service(1, 0, vec![real(2, 1), real(3, 1)]));
    set(&mut running, 2, Standing::DOWN);
    let mut events = Vec::new();
    let next = service(1, 0, vec![real(4, 1), real(2, 9)]);
    running.reconfigure(Arc::new(next), BTreeMap::from([(at(4), Standing::DOWN)]), &mut events);
    assert_eq!(running.standing(at(2)), Some(Standing::DOWN));
    assert_eq!(running.standing(at(3)), None);
    assert_eq!(
        events,
        [
            Event::Weight {
                at: at(2),
                from: 1,
                to: 9,
                active: false
            },
            Event::Quorum {
                up: false,
                at_start: false,
                weight: 0
            }
        ]
    );
    set(&mut running, 2, Standing::UP);
    assert_eq!(weights(&running), [(at(2), 9)]);
}

#[test]
fn a_sorry_server_that_a_reload_takes_away_makes_room_for_those_who_are_up() {
    let with = Service {
        sorry: sorry(false),
        ..service(2, 0, vec![real(2, 1), real(3, 1)])
    };
    let mut running = start(with);
    set(&mut running, 2, Standing::DOWN);
    let mut events = Vec::new();
    running.reconfigure(
        Arc::new(service(2, 0, vec![real(2, 1), real(3, 1)])),
        BTreeMap::new(),
        &mut events,
    );
    assert_eq!(events, [Event::AliveAdded]);
    assert_eq!(weights(&running), [(at(3), 1)]);
}

#[test]
fn news_of_a_server_that_has_gone_is_ignored() {
    let mut running = start(service(1, 0, vec![real(2, 1)]));
    let before = running.clone();
    assert_eq!(set(&mut running, 77, Standing::DOWN), [""; 0]);
    assert_eq!(running, before);
}

proptest! {
    /// The destinations depend on the present results and the quorum alone, never on the way there.
    #[test]
    fn weights_are_never_accumulated(
        changes in proptest::collection::vec((2u8..6, any::<bool>(), -20i64..20), 0..60),
        inhibit: bool,
        has_sorry: bool,
    ) {
        let reals = (2..6).map(|last| Real { inhibit_on_failure: inhibit, ..real(last, u32::from(last)) }).collect();
        let config = Arc::new(Service { sorry: sorry(inhibit).filter(|_| has_sorry), ..service(4, 0, reals) });
        let mut running = Running::start(Arc::clone(&config), BTreeMap::new(), &mut Vec::new());
        let mut last = BTreeMap::new();
        for (server, up, contribution) in changes {
            let standing = Standing { up, contribution };
            running.set(at(server), standing, &mut Vec::new());
            last.insert(at(server), standing);
        }
        // Without hysteresis the quorum depends on the weight alone too.
        let fresh = Running::start(config, last, &mut Vec::new());
        prop_assert_eq!(running.destinations(), fresh.destinations());
        prop_assert_eq!(running.has_quorum(), fresh.has_quorum());
        let places: std::collections::BTreeSet<_> = fresh.destinations().into_iter().map(|(at, _)| at).collect();
        prop_assert_eq!(places.len(), fresh.destinations().len(), "each once");
    }
}
