//! What is served for a configuration and what a role says, without a master agent.

use super::mib::{self, Known};
use super::traps;
use crate::configuration::{Model, compile, snmp};
use crate::status::{
    Condition, Counts, Happening, InstanceStatus, InterfaceStatus, State, Succession, TrackedKind, TrackedStatus,
    VrrpStatus,
};
use agentx::{Answer, Oid, Table, Value};
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

fn model() -> Model {
    let loader = MapLoader::default().with("/k.conf", CONF).with_program("/usr/bin/true");
    let bundle = conf::load("/k.conf", Facts::default(), &loader);
    compile(&bundle).model
}

fn instance(name: &str, state: State) -> InstanceStatus {
    InstanceStatus {
        name: name.to_owned(),
        state,
        priority: 150,
        master: Some(IpAddr::from([192, 0, 2, 9])),
        source: Some(IpAddr::from([192, 0, 2, 9])),
        master_interval: Duration::from_secs(1),
        taking_part: Some(Duration::from_secs(3)),
        succession: Succession::Outranks,
        held: vec![true, false],
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
