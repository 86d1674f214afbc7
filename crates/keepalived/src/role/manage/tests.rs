//! What is served for a configuration and what a role says, without a master agent.

use super::mib::{self, Known};
use super::{traps, wishes};
use crate::configuration::{Model, compile, snmp};
use crate::status::{
    CheckStatus, Condition, Counts, Happening, InstanceStatus, InterfaceStatus, RealStatus, ServiceStatus, State,
    Succession, TrackedKind, TrackedStatus, Traffic, VrrpStatus, Wish,
};
use agentx::{Answer, Oid, Table, Value, VarBind};
use conf::model::Snmp;
use conf::{Facts, MapLoader};
use std::net::IpAddr;
use std::time::Duration;

const CONF: &str = "global_defs {
    router_id here
    enable_traps
}
vrrp_instance b {
    interface eth0
    state MASTER
    virtual_router_id 2
    priority 200
    virtual_ipaddress {
        192.0.2.1/24
    }
    virtual_ipaddress_excluded {
        192.0.2.2/24
    }
    notify_master \"/usr/bin/true 'two words'\" root
}
vrrp_instance a {
    interface eth1
    virtual_router_id 1
    version 3
    advert_int 0.5
    virtual_ipaddress {
        2001:db8::1/64
    }
}
";

const SERVERS: &str = "virtual_server_group farm {
    192.0.2.10-20 80
    fwmark 9
}
virtual_server group farm {
    lb_algo sh
    sh-port
    lb_kind TUN
    protocol UDP
    quorum 3
    hysteresis 1
    persistence_timeout 60
    persistence_granularity 255.255.255.0
    snmp_name the-farm
    sorry_server 10.0.0.99 80
    real_server 10.0.0.1 80 {
        weight 5
    }
    real_server 10.0.0.2 80 {
        weight 6
        uthreshold 100
        snmp_name second
    }
}
virtual_server 192.0.2.1 443 {
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 10.0.0.3 443 {
        weight 0
    }
}
";

fn model() -> Model {
    let loader = MapLoader::default()
        .with("/k.conf", format!("{CONF}{SERVERS}"))
        .with_program("/usr/bin/true");
    let bundle = conf::load("/k.conf", Facts::default(), &loader);
    compile(&bundle).model
}

fn instance(name: &str, state: State) -> InstanceStatus {
    InstanceStatus {
        name: name.to_owned(),
        state,
        priority: 150,
        base_priority: 200,
        preempts: true,
        master: Some(IpAddr::from([192, 0, 2, 9])),
        source: Some(IpAddr::from([192, 0, 2, 9])),
        master_interval: Duration::from_secs(1),
        taking_part: Some(Duration::from_secs(3)),
        succession: Succession::Outranks,
        held: vec![true, false],
        routes_held: Vec::new(),
        rules_held: Vec::new(),
        counts: Counts {
            received: u64::from(u32::MAX) + 3,
            ..Counts::default()
        },
    }
}

fn status() -> VrrpStatus {
    let interface = |name: &str, index| InterfaceStatus {
        name: name.to_owned(),
        index,
        mac: Some([2, 0, 0, 0, 0, 1]),
    };
    VrrpStatus {
        age: Duration::from_secs(10),
        instances: vec![instance("a", State::Fault), instance("b", State::Master)],
        groups: Vec::new(),
        tracked: vec![TrackedStatus {
            kind: TrackedKind::File,
            name: "nobody's".to_owned(),
            condition: Condition::Value(1),
        }],
        interfaces: vec![interface("eth0", 7), interface("eth1", 9)],
        unknown_vrid: 5,
    }
}

fn table_of(status: Option<&VrrpStatus>) -> Table {
    let model = model();
    let snmp = snmp(&model, true, None);
    mib::table(&Known {
        model: &model,
        snmp: &snmp,
        vrrp: status,
        check: None,
    })
}

fn at(table: &Table, base: &[u32], rest: &[u32]) -> Answer {
    table.get(&Oid::new(base).with(rest))
}

fn is(value: Value) -> Answer {
    Answer::Value(value)
}

#[test]
fn instances_are_numbered_in_the_order_of_the_file() {
    let table = table_of(Some(&status()));
    let column = |column, row| at(&table, &mib::KEEPALIVED, &[2, 3, 1, column, row]);
    assert_eq!(column(2, 1), is(Value::text("b")));
    assert_eq!(column(2, 2), is(Value::text("a")));
    assert_eq!(column(2, 3), Answer::NoSuchInstance);
    assert_eq!(
        (column(4, 1), column(4, 2)),
        (is(Value::Integer(2)), is(Value::Integer(3)))
    );
    assert_eq!(
        (column(7, 1), column(8, 1)),
        (is(Value::Integer(200)), is(Value::Integer(150)))
    );
    assert_eq!(column(22, 1), is(Value::text("'/usr/bin/true' 'two words'")));
    assert_eq!(
        (column(12, 1), column(12, 2)),
        (is(Value::Gauge32(1)), is(Value::Gauge32(50)))
    );
}

#[test]
fn an_address_is_set_when_its_role_has_it_and_not_because_of_the_state() {
    let table = table_of(Some(&status()));
    let column = |column, place| at(&table, &mib::KEEPALIVED, &[2, 6, 1, column, 1, place]);
    assert_eq!(
        (column(10, 1), column(10, 2)),
        (is(Value::Integer(1)), is(Value::Integer(2)))
    );
    assert_eq!(
        (column(11, 1), column(11, 2)),
        (is(Value::Integer(1)), is(Value::Integer(2)))
    );
    assert_eq!(column(3, 1), is(Value::OctetString(vec![192, 0, 2, 1])));
    assert_eq!(
        at(&table, &mib::KEEPALIVED, &[2, 3, 1, 9, 1]),
        is(Value::Integer(2)),
        "not all"
    );
}

#[test]
fn the_rfcs_know_instances_by_interface_and_number() {
    let table = table_of(Some(&status()));
    assert_eq!(at(&table, &mib::VRRP_V2, &[1, 3, 1, 3, 7, 2]), is(Value::Integer(3)));
    assert_eq!(at(&table, &mib::VRRP_V2, &[1, 3, 1, 3, 9, 1]), Answer::NoSuchInstance);
    assert_eq!(at(&table, &mib::VRRP_V2, &[2, 4, 1, 2, 7, 2]), is(Value::Counter32(2)));
    assert_eq!(at(&table, &mib::VRRP_V2, &[2, 3, 0]), is(Value::Counter32(5)));
    assert_eq!(
        at(&table, &mib::VRRP_V2, &[1, 3, 1, 13, 7, 2]),
        is(Value::TimeTicks(700))
    );
    assert_eq!(
        at(&table, &mib::VRRP_V3, &[1, 1, 1, 1, 6, 9, 1, 2]),
        is(Value::Integer(1))
    );
    let address: Vec<u32> = [1, 1, 2, 1, 2, 9, 1, 2, 0x20, 1, 0x0d, 0xb8]
        .into_iter()
        .chain([0; 11])
        .chain([1])
        .collect();
    assert_eq!(at(&table, &mib::VRRP_V3, &address), is(Value::Integer(1)));
    assert_eq!(
        at(&table, &mib::VRRP_V3, &[1, 2, 5, 1, 2, 7, 2, 1]),
        is(Value::Integer(2))
    );
}

#[test]
fn a_role_that_has_not_reported_leaves_the_states_unknown() {
    let table = table_of(None);
    assert_eq!(at(&table, &mib::KEEPALIVED, &[2, 3, 1, 4, 1]), is(Value::Integer(0)));
    assert_eq!(
        at(&table, &mib::KEEPALIVED, &[2, 6, 1, 10, 1, 1]),
        is(Value::Integer(2))
    );
    // Nobody knows the numbers of interfaces.
    assert_eq!(at(&table, &mib::VRRP_V2, &[1, 3, 1, 3, 7, 2]), Answer::NoSuchObject);
}

#[test]
fn only_what_is_enabled_is_served_and_told() {
    let model = model();
    let mut snmp = snmp(&model, false, None);
    let status = status();
    fn known<'a>(model: &'a Model, snmp: &'a Snmp, status: &'a VrrpStatus) -> Known<'a> {
        Known {
            model,
            snmp,
            vrrp: Some(status),
            check: None,
        }
    }
    assert!(mib::table(&known(&model, &snmp, &status)).is_empty() && mib::regions(&snmp).is_empty());
    let master = Happening::Instance {
        name: "b".to_owned(),
        state: State::Master,
    };
    assert_eq!(traps::of(&known(&model, &snmp, &status), &master), []);
    snmp.rfc3 = true;
    let told = traps::of(&known(&model, &snmp, &status), &master);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, Oid::new(&mib::VRRP_V3).with(&[0, 1]));
    snmp.vrrp = true;
    let names = |happening| traps::of(&known(&model, &snmp, &status), happening).len();
    assert_eq!(names(&master), 2);
    let gone = Happening::Instance {
        name: "removed".to_owned(),
        state: State::Deleted,
    };
    assert_eq!(names(&gone), 1);
}

fn check() -> CheckStatus {
    let real = |last, up| RealStatus {
        address: IpAddr::from([10, 0, 0, last]),
        port: 80,
        up,
        weight: 7,
        failed_checks: u32::from(!up),
        waiting_checks: 0,
        active: 3,
        inactive: 4,
        traffic: Traffic {
            bytes_in: 1 << 40,
            ..Traffic::default()
        },
    };
    let farm = ServiceStatus {
        name: "[farm]:0 0".to_owned(),
        quorum: false,
        alive: true,
        traffic: Traffic {
            packets_in: (1 << 32) + 5,
            rates: [1, 2, (3 << 32) + 4, 5, 6],
            ..Traffic::default()
        },
        reals: vec![real(1, true), real(2, false)],
        sorry: Some(real(99, true)),
    };
    CheckStatus { services: vec![farm] }
}

/// Everything is known.
fn with_all<T>(then: impl FnOnce(&Known<'_>) -> T) -> T {
    let (model, status, check) = (model(), status(), check());
    let snmp = Snmp {
        traps: true,
        ..snmp(&model, true, None)
    };
    then(&Known {
        model: &model,
        snmp: &snmp,
        vrrp: Some(&status),
        check: Some(&check),
    })
}

#[test]
fn virtual_servers_are_numbered_in_the_order_of_the_file_though_groups_are_known_late() {
    let table = with_all(mib::table);
    let column = |column, row| at(&table, &mib::KEEPALIVED, &[3, 3, 1, column, row]);
    for (object, value) in [
        (2, Value::Integer(3)),
        (3, Value::text("farm")),
        (8, Value::Integer(2)),
        (9, Value::Integer(8)),
        (10, Value::Integer(3)),
        (11, Value::Integer(1)),
        (14, Value::Gauge32(60)),
        (15, Value::OctetString(vec![255, 255, 255, 0])),
        (21, Value::Gauge32(1)),
        (22, Value::Gauge32(3)),
        (23, Value::Integer(2)),
        (26, Value::Gauge32(1)),
        (28, Value::Counter32(5)),
        (34, Value::Gauge32(u32::MAX)),
        (39, Value::Counter64((1 << 32) + 5)),
        (45, Value::Gauge32(4)),
        (46, Value::Gauge32(3)),
        (54, Value::Integer(1)),
        (68, Value::Integer(1)),
        (71, Value::text("the-farm")),
        (76, Value::Counter64((3 << 32) + 4)),
    ] {
        assert_eq!(column(object, 1), is(value), "{object}");
    }
    assert_eq!(column(7, 2), is(Value::Gauge32(443)));
    assert_eq!(column(11, 2), is(Value::Integer(2)), "its role has not said anything");
    let member = |column, row| at(&table, &mib::KEEPALIVED, &[3, 2, 1, column, 1, row]);
    assert_eq!(member(7, 1), is(Value::OctetString(vec![192, 0, 2, 20])));
    assert_eq!(
        (member(2, 2), member(3, 2)),
        (is(Value::Integer(1)), is(Value::Gauge32(9)))
    );
}

#[test]
fn the_sorry_server_comes_before_the_real_servers() {
    let table = with_all(mib::table);
    let column = |column, row| at(&table, &mib::KEEPALIVED, &[3, 4, 1, column, 1, row]);
    assert_eq!(
        (column(2, 1), column(2, 2)),
        (is(Value::Integer(2)), is(Value::Integer(1)))
    );
    assert_eq!(column(4, 3), is(Value::OctetString(vec![10, 0, 0, 2])));
    assert_eq!(
        (column(6, 2), column(6, 3)),
        (is(Value::Integer(1)), is(Value::Integer(2)))
    );
    assert_eq!(column(7, 2), is(Value::Integer(7)));
    assert_eq!(
        (column(8, 3), column(13, 3)),
        (is(Value::Gauge32(100)), is(Value::Gauge32(1)))
    );
    assert_eq!(
        (column(15, 2), column(16, 2)),
        (is(Value::Gauge32(3)), is(Value::Gauge32(4)))
    );
    assert_eq!(column(20, 2), is(Value::Counter64(1 << 40)));
    assert_eq!(column(55, 3), is(Value::text("second")));
}

#[test]
fn managers_are_told_which_server_is_down_and_what_is_left() {
    let down = Happening::Real {
        service: "[farm]:0 0".to_owned(),
        address: IpAddr::from([10, 0, 0, 2]),
        port: 80,
        up: false,
    };
    let lost = Happening::Quorum {
        service: "[farm]:0 0".to_owned(),
        up: false,
    };
    let (down, lost) = with_all(|known| (traps::of(known, &down), traps::of(known, &lost)));
    let columns = |told: &[(Oid, Vec<VarBind>)]| -> Vec<String> {
        assert_eq!(told.len(), 1);
        let own = Oid::new(&mib::KEEPALIVED).to_string();
        let names = told[0].1.iter().map(|bind| bind.name.to_string());
        names.map(|name| name.strip_prefix(&own).unwrap().to_owned()).collect()
    };
    let rest = [".3.3.1.2", ".3.3.1.3", ".3.3.1.8"];
    let end = [".3.3.1.21", ".3.3.1.20", ".1.2.0"];
    let real = [".3.4.1.3", ".3.4.1.4", ".3.4.1.5", ".3.4.1.6"];
    assert_eq!(columns(&down), [&real[..], &rest, &end].concat());
    assert_eq!(columns(&lost), [&rest[..], &[".3.3.1.23", ".3.3.1.22"], &end].concat());
}

#[test]
fn what_a_manager_sets_becomes_a_wish_for_the_role_it_concerns() {
    let wish = |path: &[u32], value| {
        let bind = VarBind::new(Oid::new(&mib::KEEPALIVED).with(path), Value::Integer(value));
        with_all(|known| {
            (
                mib::table(known).test(std::slice::from_ref(&bind)).is_ok(),
                wishes::of(known, &bind),
            )
        })
    };
    let priority = Wish::Priority {
        instance: "a".to_owned(),
        priority: 40,
    };
    assert_eq!(wish(&[2, 3, 1, 7, 2], 40), (true, Some(priority)));
    assert!(!wish(&[2, 3, 1, 7, 2], 255).0 && !wish(&[2, 3, 1, 7, 2], 0).0 && !wish(&[2, 3, 1, 7, 3], 40).0);
    let preempt = Wish::Preempt {
        instance: "b".to_owned(),
        preempt: false,
    };
    assert_eq!(wish(&[2, 3, 1, 13, 1], 2), (true, Some(preempt)));
    let weight = Wish::Weight {
        service: "[farm]:0 0".to_owned(),
        address: IpAddr::from([10, 0, 0, 1]),
        port: 80,
        weight: 0,
    };
    assert_eq!(wish(&[3, 4, 1, 7, 1, 2], 0), (true, Some(weight)));
    assert_eq!(wish(&[3, 4, 1, 7, 1, 1], 0), (false, None), "the sorry server has none");
    assert_eq!(wish(&[2, 3, 1, 4, 1], 1), (false, None));
}
