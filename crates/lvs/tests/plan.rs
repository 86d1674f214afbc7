//! A plan reaches its goal, touches nothing else, and then has nothing left to do.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail like tests"
)]

use base::Family;
use lvs::config::{
    Endpoint, Entry, Forwarding, Granularity, Key, Protocol, Range, Scheduler, SchedulerFlags, Service, Target, Tunnel,
};
use lvs::plan::{Step, plan};
use lvs::table::{Definition, Destination, Pool, SERVICES, Services, Table, Virtual};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

/// What the kernel does with a step: refuse to add what is there, and to change or remove what is not.
fn apply(table: &mut Table, step: &Step) -> Result<(), String> {
    let refused = || format!("the kernel refuses {step:?}");
    match step {
        Step::AddService(service, definition) => {
            let pool = Pool {
                definition: definition.clone(),
                destinations: BTreeMap::new(),
            };
            table.pools.insert(*service, pool).map_or(Ok(()), |_| Err(refused()))
        }
        Step::EditService(service, definition) => {
            table.pools.get_mut(service).ok_or_else(refused)?.definition = definition.clone();
            Ok(())
        }
        Step::RemoveService(service) => table.pools.remove(service).map(|_| ()).ok_or_else(refused),
        Step::AddDestination(service, at, destination) => {
            let pool = table.pools.get_mut(service).ok_or_else(refused)?;
            pool.destinations
                .insert(*at, *destination)
                .map_or(Ok(()), |_| Err(refused()))
        }
        Step::EditDestination(service, at, destination) => {
            let pool = table.pools.get_mut(service).ok_or_else(refused)?;
            *pool.destinations.get_mut(at).ok_or_else(refused)? = *destination;
            Ok(())
        }
        Step::RemoveDestination(service, at) => {
            let pool = table.pools.get_mut(service).ok_or_else(refused)?;
            pool.destinations.remove(at).map(|_| ()).ok_or_else(refused)
        }
    }
}

fn services() -> impl Strategy<Value = Virtual> {
    prop_oneof![
        (0u8..4, 0u16..2).prop_map(|(last, port)| Virtual::Address {
            protocol: Protocol::Tcp,
            at: Endpoint::new([10, 0, 0, last].into(), 80 + port),
        }),
        (1u32..3, any::<bool>()).prop_map(|(mark, six)| Virtual::Mark {
            mark,
            family: if six { Family::V6 } else { Family::V4 },
        }),
    ]
}

fn destinations() -> impl Strategy<Value = BTreeMap<Endpoint, Destination>> {
    proptest::collection::vec(
        (0u8..4, 0u32..3, any::<bool>()).prop_map(|(last, weight, direct)| {
            let forwarding = if direct { Forwarding::Direct } else { Forwarding::Nat };
            let destination = Destination {
                forwarding,
                weight,
                upper_threshold: 0,
                lower_threshold: 0,
            };
            (Endpoint::new([10, 1, 0, last].into(), 80), destination)
        }),
        0..4,
    )
    .prop_map(|all| all.into_iter().collect())
}

fn definition(scheduler: &str, persistence: u32) -> Definition {
    Definition {
        scheduler: scheduler.into(),
        flags: SchedulerFlags::empty(),
        one_packet: false,
        persistence: NonZeroU32::new(persistence),
        granularity: Granularity::V4(u32::MAX),
        engine: None,
    }
}

fn tables() -> impl Strategy<Value = Table> {
    let pool =
        (prop_oneof!["rr", "wlc"], 0u32..2, destinations()).prop_map(|(scheduler, persistence, destinations)| {
            let definition = definition(&scheduler, persistence);
            Pool {
                definition,
                destinations,
            }
        });
    proptest::collection::btree_map(services(), pool, 0..6).prop_map(|pools| Table { pools })
}

proptest! {
    #[test]
    fn a_plan_reaches_its_goal_and_then_has_nothing_left_to_do(
        observed in tables(),
        desired in tables(),
        mine in proptest::collection::btree_set(services(), 0..6),
    ) {
        let mut kernel = observed.clone();
        for step in plan(&observed, &desired, &mine) {
            prop_assert_eq!(apply(&mut kernel, &step), Ok(()));
        }
        for (service, pool) in &desired.pools {
            prop_assert_eq!(kernel.pools.get(service), Some(pool));
        }
        for (service, pool) in &kernel.pools {
            if !desired.pools.contains_key(service) {
                prop_assert_eq!(observed.pools.get(service), Some(pool), "somebody else's is as it was");
                prop_assert!(!mine.contains(service));
            }
        }
        let foreign = |service: &&Virtual| !mine.contains(service) && !desired.pools.contains_key(service);
        for service in observed.pools.keys().filter(foreign) {
            prop_assert!(kernel.pools.contains_key(service));
        }
        prop_assert_eq!(plan(&kernel, &desired, &mine), []);
    }

    #[test]
    fn additions_come_before_removals(observed in tables(), desired in tables()) {
        let mine: BTreeSet<Virtual> = observed.pools.keys().copied().collect();
        let steps = plan(&observed, &desired, &mine);
        let removal = |step: &Step| matches!(step, Step::RemoveService(_) | Step::RemoveDestination(..));
        let first = steps.iter().position(removal).unwrap_or(steps.len());
        prop_assert!(steps.iter().skip(first).all(removal));
    }
}

fn service(target: Target, protocol: Option<Protocol>) -> Service {
    Service {
        key: Key { target, sequence: 0 },
        protocol,
        family: None,
        scheduler: Scheduler::Wlc,
        flags: SchedulerFlags::empty(),
        one_packet: false,
        persistence: NonZeroU32::new(360),
        granularity: Some(Granularity::V6(64)),
        engine: None,
        quorum: NonZeroU32::MIN,
        hysteresis: 0,
        omega: false,
        ha_suspend: false,
        smtp_alert: None,
        snmp_name: None,
        reals: Vec::new(),
        sorry: None,
    }
}

fn range(first: &str, last: &str, port: u16) -> Entry {
    Entry::Range(Range::new(first.parse().unwrap(), last.parse().unwrap(), port).unwrap())
}

fn to(forwarding: Forwarding) -> Destination {
    Destination {
        forwarding,
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

#[test]
fn a_group_becomes_a_service_for_each_address_and_mark() {
    let group = lvs::draft::group(
        "g".into(),
        vec![
            range("10.0.0.1", "10.0.0.2", 80),
            range("fd00::1", "fd00::1", 81),
            Entry::Mark {
                mark: 5,
                family: Some(Family::V4),
            },
            range("10.0.0.2", "10.0.0.2", 80),
        ],
    )
    .unwrap();
    let service = service(Target::Group("g".into()), Some(Protocol::Udp));
    let services = Services::of(&service, Some(&group));
    let names: Vec<String> = services.all.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["udp 10.0.0.1:80", "udp 10.0.0.2:80", "udp [fd00::1]:81", "fwm 5 IPv4"]
    );

    let at = |text: &str, port| Endpoint::new(text.parse().unwrap(), port);
    let mut table = Table::default();
    let destinations = [
        (at("10.1.0.1", 8080), to(Forwarding::Nat)),
        (at("10.1.0.2", 8080), to(Forwarding::Tunnel(Tunnel::IPIP))),
        (at("10.1.0.3", 0), to(Forwarding::Nat)),
    ];
    table.add(&service, &services, &destinations);
    let places = |number: usize| -> Vec<Endpoint> {
        let pool = table.pools.get(&services.all[number]).unwrap();
        pool.destinations.keys().copied().collect()
    };
    assert_eq!(
        places(0),
        [at("10.1.0.1", 8080), at("10.1.0.2", 80), at("10.1.0.3", 80)]
    );
    assert_eq!(
        places(2),
        [at("10.1.0.2", 81)],
        "only a tunnel leads into another family"
    );
    assert_eq!(places(3), [at("10.1.0.1", 8080), at("10.1.0.2", 0), at("10.1.0.3", 0)]);
    assert_eq!(
        table.pools[&services.all[0]].definition.granularity,
        Granularity::V4(u32::MAX)
    );
    assert_eq!(
        table.pools[&services.all[2]].definition.granularity,
        Granularity::V6(64)
    );
}

#[test]
fn a_marked_group_is_one_service_for_each_family() {
    let group = lvs::draft::group(
        "g".into(),
        vec![range("10.0.0.1", "10.0.0.9", 80), range("fd00::1", "fd00::2", 80)],
    )
    .unwrap();
    let names: Vec<String> = Services::marked(&group, 1000)
        .all
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["fwm 1000 IPv4", "fwm 1000 IPv6"]);
}

#[test]
fn a_virtual_server_is_here_if_any_of_its_addresses_is() {
    let group = lvs::draft::group(
        "g".into(),
        vec![range("10.0.0.1", "10.0.0.9", 80), Entry::Mark { mark: 1, family: None }],
    )
    .unwrap();
    let services = Services::of(&service(Target::Group("g".into()), Some(Protocol::Tcp)), Some(&group));
    assert!(services.is_here(|address| address.to_string() == "10.0.0.5"));
    assert!(!services.is_here(|address| address.to_string() == "10.0.0.10"));
}

#[test]
fn services_that_two_virtual_servers_share_have_the_destinations_of_both() {
    let address = Target::Address {
        at: Endpoint::new([10, 0, 0, 1].into(), 80),
        protocol: Some(Protocol::Tcp),
    };
    let service = service(address, Some(Protocol::Tcp));
    let services = Services::of(&service, None);
    let mut table = Table::default();
    for last in [1, 2] {
        table.add(
            &service,
            &services,
            &[(Endpoint::new([10, 1, 0, last].into(), 80), to(Forwarding::Nat))],
        );
    }
    assert_eq!(table.pools.len(), 1);
    assert_eq!(table.pools[&services.all[0]].destinations.len(), 2);
}

#[test]
fn a_range_without_end_has_an_end() {
    let group = lvs::draft::group(
        "g".into(),
        vec![range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 80)],
    )
    .unwrap();
    let service = service(Target::Group("g".into()), Some(Protocol::Tcp));
    let services = Services::of(&service, Some(&group));
    assert_eq!((services.all.len(), services.left_out), (SERVICES, true));
}
