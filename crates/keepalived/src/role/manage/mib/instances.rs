//! Instances, their addresses and sync groups in KEEPALIVED-MIB: `2.1`, `2.2`, `2.3`, `2.6`.

use super::{KEEPALIVED, Known, Row, address, command, either, family_value, gauge, integer, scope, state};
use ::vrrp::config::{Auth, Config, Delivery, Preempt, Priority, Version, VirtualAddress};
use agentx::table::Builder;
use agentx::{Oid, Permit, Value};
use base::Family;
use conf::model::Notify;
use std::net::IpAddr;

/// `vrrpInstanceBasePriority`.
pub(in crate::role::manage) const BASE_PRIORITY: u32 = 7;
/// `vrrpInstancePreempt`.
pub(in crate::role::manage) const PREEMPT: u32 = 13;

pub(super) fn put(known: &Known<'_>, builder: &mut Builder) {
    let base = Oid::new(&KEEPALIVED).with(&[2]);
    groups(known, &base, builder);
    let columns = base.with(&[3, 1]);
    let addresses = base.with(&[6, 1]);
    for row in known.rows() {
        let index = [row.number];
        let mut put = |column: u32, value: Value| builder.put(&columns.with(&[column]), &index, value);
        who(known, &row, &mut put);
        writable(&row, &columns, builder);
        let mut put = |column: u32, value: Value| builder.put(&columns.with(&[column]), &index, value);
        how(known, &row, &mut put);
        let notify = known.model.notify.get(row.config.name.as_str());
        told(notify, &mut put);
        let all = row.config.addresses.iter().chain(&row.config.excluded);
        for (place, one) in all.enumerate() {
            one_address(known, &row, (place, one), &addresses, builder);
        }
    }
}

/// Its name, its state and its priority.
fn who(known: &Known<'_>, row: &Row<'_>, put: &mut impl FnMut(u32, Value)) {
    let config = row.config;
    put(2, Value::text(config.name.as_str()));
    put(3, gauge(config.vrid.0.get()));
    put(4, state(row.state()));
    put(5, initial(known, config));
    // What the original wants of an instance is what it is in.
    put(6, state(row.state()));
    let effective = row.status.map_or(config.priority.get(), |status| status.priority);
    put(8, integer(effective));
    let all = config.addresses.len() + config.excluded.len();
    put(9, either((0..all).all(|place| row.has_address(place))));
    if let Some(interface) = config.interface {
        put(10, Value::text(config.base.unwrap_or(interface).as_str()));
    }
}

/// What a manager may set. Who owns the addresses says the configuration alone.
fn writable(row: &Row<'_>, columns: &Oid, builder: &mut Builder) {
    let config = row.config;
    let (priority, preempts) = match row.status {
        Some(status) => (status.base_priority, status.preempts),
        None => (config.priority.get(), config.preempt != Preempt::No),
    };
    let permit = match (row.status, config.priority.is_owner()) {
        (Some(_), false) => Permit::Integer(1, 254),
        (Some(_) | None, _) => Permit::Never,
    };
    builder.put_with(
        &columns.with(&[BASE_PRIORITY]),
        &[row.number],
        integer(priority),
        permit,
    );
    let permit = row.status.map_or(Permit::Never, |_| Permit::Integer(1, 2));
    builder.put_with(&columns.with(&[PREEMPT]), &[row.number], either(preempts), permit);
}

/// The state an instance was configured with. Only master and backup can be.
pub(in crate::role::manage) fn initial(known: &Known<'_>, config: &Config) -> Value {
    let master = known.model.listing.masters.contains(&config.name) || config.priority == Priority::OWNER;
    Value::Integer(if master { 2 } else { 1 })
}

/// What the protocol is told.
fn how(known: &Known<'_>, row: &Row<'_>, put: &mut impl FnMut(u32, Value)) {
    let config = row.config;
    put(11, either(config.track_interface));
    put(12, interval(config));
    put(
        14,
        gauge(match config.preempt {
            Preempt::After(delay) => delay.as_secs(),
            Preempt::Yes | Preempt::No => 0,
        }),
    );
    put(
        15,
        Value::Integer(match config.auth {
            Auth::None => 0,
            Auth::Pass(_) => 1,
            Auth::Ah(_) => 2,
        }),
    );
    let daemon = known.model.servers.settings.sync_daemon.as_ref();
    let daemon = daemon.filter(|daemon| daemon.instance.as_deref() == Some(config.name.as_str()));
    put(16, either(daemon.is_some()));
    if let Some(daemon) = daemon {
        put(17, Value::text(daemon.interface.as_str()));
    }
    if let Some(group) = &config.group {
        put(18, Value::text(group.as_str()));
    }
    put(19, gauge(config.announcing.second_block.as_secs()));
    put(27, Value::truth(config.accept));
    put(28, Value::truth(config.promote_secondaries));
    let beats = &known.model.tracking.linkbeat;
    let own = config.base.or(config.interface);
    put(
        29,
        Value::truth(beats.all || own.is_some_and(|own| beats.interfaces.contains_key(&own))),
    );
    put(
        30,
        Value::Integer(match config.version {
            Version::V2 => 2,
            Version::V3 => 3,
        }),
    );
    if let Delivery::Multicast { group } = config.delivery {
        put(34, family_value(group));
        put(35, address(group));
    }
    put(36, Value::truth(config.checksum_as_v2));
}

/// Seconds in version 2, hundredths of a second in version 3.
fn interval(config: &Config) -> Value {
    match config.version {
        Version::V2 => gauge(config.interval.as_secs()),
        Version::V3 => gauge(config.interval.as_millis() / 10),
    }
}

/// Who is told of its changes.
fn told(notify: Option<&Notify>, put: &mut impl FnMut(u32, Value)) {
    let silent = Notify::default();
    let notify = notify.unwrap_or(&silent);
    let scripts = [
        (22, &notify.master),
        (23, &notify.backup),
        (24, &notify.fault),
        (25, &notify.stop),
        (26, &notify.any),
        (31, &notify.lower_priority),
        (32, &notify.deleted),
    ];
    put(20, either(notify.mail));
    put(21, either(scripts.iter().any(|(_, script)| script.is_some())));
    put(33, Value::truth(notify.report_deleted));
    for (column, script) in scripts {
        if let Some(script) = script {
            put(column, command(script));
        }
    }
}

fn one_address(known: &Known<'_>, row: &Row<'_>, at: (usize, &VirtualAddress), columns: &Oid, builder: &mut Builder) {
    let (place, one) = at;
    let index = [row.number, u32::try_from(place + 1).unwrap_or(u32::MAX)];
    let mut put = |column: u32, value: Value| builder.put(&columns.with(&[column]), &index, value);
    let ip = one.prefix.address();
    put(2, family_value(ip));
    put(3, address(ip));
    if one.prefix.family() == Family::V4 {
        let broadcast = one.broadcast.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED);
        put(4, address(IpAddr::V4(broadcast)));
    }
    put(5, gauge(one.prefix.len()));
    put(6, scope(one.scope));
    if let Some(index) = known.index_of(one.interface) {
        put(7, integer(index));
    }
    put(8, Value::text(one.interface.as_str()));
    if let Some(label) = &one.label {
        put(9, Value::text(label.as_str()));
    }
    put(10, either(row.has_address(place)));
    put(11, either(place < row.config.addresses.len()));
    if let Some(peer) = one.peer {
        put(12, address(peer));
    }
}

fn groups(known: &Known<'_>, base: &Oid, builder: &mut Builder) {
    let (columns, members) = (base.with(&[1, 1]), base.with(&[2, 1]));
    for (number, name) in (1..).zip(&known.model.listing.groups) {
        let Some(group) = known.model.vrrp.groups.get(name) else {
            continue;
        };
        let silent = Notify::default();
        let notify = known.model.notify_groups.get(name.as_str()).unwrap_or(&silent);
        let scripts = [
            (6, &notify.master),
            (7, &notify.backup),
            (8, &notify.fault),
            (9, &notify.any),
            (11, &notify.stop),
        ];
        let mut put = |column: u32, value: Value| builder.put(&columns.with(&[column]), &[number], value);
        put(2, Value::text(name.as_str()));
        put(3, state(known.group(name.as_str())));
        put(4, either(notify.mail));
        put(5, either(scripts.iter().any(|(_, script)| script.is_some())));
        for (column, script) in scripts {
            if let Some(script) = script {
                put(column, command(script));
            }
        }
        for (member, name) in (1..).zip(&group.members) {
            builder.put(&members.with(&[2]), &[number, member], Value::text(name.as_str()));
        }
    }
}
