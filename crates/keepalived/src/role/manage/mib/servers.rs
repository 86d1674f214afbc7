//! Virtual servers, groups of them and real servers in KEEPALIVED-MIB: `3.1` to `3.4`, `3.6` and `3.7`.
//!
//! The sorry server is row 1 of the real servers where there is one, as in the original.

use super::{KEEPALIVED, Known, address, command, counter32, either, family_value, gauge, integer};
use crate::status::{RealStatus, ServiceStatus, Traffic};
use agentx::table::Builder;
use agentx::{Oid, Permit, Value};
use conf::model::{Command, VirtualServer};
use lvs::config::{
    Checksum, Entry, Forwarding, Granularity, Key, Protocol, Real, Scheduler, SchedulerFlags, Sorry, Target, TunnelKind,
};
use std::net::IpAddr;
use std::sync::Arc;

/// `realServerWeight`.
pub(in crate::role::manage) const WEIGHT: u32 = 7;

/// A virtual server with its number in tables and what its role says of it.
pub(in crate::role::manage) struct Row<'a> {
    pub(in crate::role::manage) number: u32,
    pub(in crate::role::manage) key: &'a Key,
    pub(in crate::role::manage) server: &'a VirtualServer,
    pub(in crate::role::manage) status: Option<&'a ServiceStatus>,
}

impl Row<'_> {
    /// How many of its real servers are up.
    pub(in crate::role::manage) fn up(&self) -> usize {
        let reals = self.status.map(|status| &status.reals);
        reals.into_iter().flatten().filter(|real| real.up).count()
    }

    fn real(&self, at: lvs::config::Endpoint) -> Option<&RealStatus> {
        let mut reals = self.status?.reals.iter();
        reals.find(|real| real.address == at.address && real.port == at.port)
    }
}

impl<'a> Known<'a> {
    /// The virtual servers in the order of the configuration, numbered from 1.
    pub(in crate::role::manage) fn servers(&self) -> impl Iterator<Item = Row<'a>> {
        let (model, check) = (self.model, self.check);
        (1..).zip(&model.listing.servers).filter_map(move |(number, key)| {
            let server: &'a Arc<VirtualServer> = model.servers.services.get(key)?;
            let name = crate::status::service_name(key);
            let status = check.and_then(|status| status.services.iter().find(|one| one.name == name));
            Some(Row {
                number,
                key,
                server,
                status,
            })
        })
    }
}

pub(super) fn put(known: &Known<'_>, builder: &mut Builder) {
    let base = Oid::new(&KEEPALIVED).with(&[3]);
    groups(known, &base, builder);
    let (servers, reals) = (base.with(&[3, 1]), base.with(&[4, 1]));
    for row in known.servers() {
        let mut put = |column: u32, value: Value| builder.put(&servers.with(&[column]), &[row.number], value);
        target(row.key, row.server.service.protocol, &mut put);
        service(known, &row, &mut put);
        scheduling(&row, &mut put);
        let traffic = row.status.map(|status| status.traffic).unwrap_or_default();
        service_traffic(&traffic, &mut put);
        let mut number = 0;
        let mut next = || {
            number += 1;
            [row.number, number]
        };
        if let Some(sorry) = &row.server.service.sorry {
            let index = next();
            let mut put = |column: u32, value: Value| builder.put(&reals.with(&[column]), &index, value);
            sorry_server(&row, sorry, &mut put);
        }
        for real in &row.server.service.reals {
            let index = next();
            weight(&row, real, (&reals, index), builder);
            let mut put = |column: u32, value: Value| builder.put(&reals.with(&[column]), &index, value);
            real_server(known, &row, real, &mut put);
        }
    }
    daemon(known, &base.with(&[6]), builder);
    let timeouts = &known.model.servers.settings.timeouts;
    for (object, timeout) in [(1, timeouts.tcp), (2, timeouts.tcp_fin), (3, timeouts.udp)] {
        if let Some(timeout) = timeout {
            builder.put(&base.with(&[7, object]), &[0], integer(timeout));
        }
    }
}

fn groups(known: &Known<'_>, base: &Oid, builder: &mut Builder) {
    let (names, members) = (base.with(&[1, 1]), base.with(&[2, 1]));
    for (number, (name, group)) in (1..).zip(&known.model.servers.groups) {
        builder.put(&names.with(&[2]), &[number], Value::text(name.as_str()));
        for (member, entry) in (1..).zip(&group.entries) {
            let index = [number, member];
            let mut put = |column: u32, value: Value| builder.put(&members.with(&[column]), &index, value);
            match entry {
                Entry::Mark { mark, .. } => {
                    put(2, Value::Integer(1));
                    put(3, gauge(*mark));
                }
                Entry::Range(range) => {
                    let single = range.first() == range.last();
                    put(2, Value::Integer(if single { 2 } else { 3 }));
                    put(4, family_value(range.first()));
                    if single {
                        put(5, address(range.first()));
                    } else {
                        put(6, address(range.first()));
                        put(7, address(range.last()));
                    }
                    put(8, gauge(range.port()));
                }
            }
        }
    }
}

/// `virtualServerType`.
pub(in crate::role::manage) const fn kind(key: &Key) -> Value {
    Value::Integer(match key.target {
        Target::Mark { .. } => 1,
        Target::Address { .. } => 2,
        Target::Group(_) => 3,
    })
}

/// `virtualServerProtocol`.
pub(in crate::role::manage) const fn protocol(protocol: Option<Protocol>) -> Value {
    Value::Integer(match protocol {
        Some(Protocol::Tcp) => 1,
        Some(Protocol::Udp) => 2,
        Some(Protocol::Sctp) => 3,
        None => 4,
    })
}

/// What it is known by: type, then a group, a mark or an address, by their columns.
pub(in crate::role::manage) fn known_by(key: &Key, put: &mut impl FnMut(u32, Value)) {
    put(2, kind(key));
    match &key.target {
        Target::Group(name) => put(3, Value::text(name.as_str())),
        Target::Mark { mark, .. } => put(4, gauge(*mark)),
        Target::Address { at, .. } => {
            put(5, family_value(at.address));
            put(6, address(at.address));
            put(7, gauge(at.port));
        }
    }
}

fn target(key: &Key, carried: Option<Protocol>, put: &mut impl FnMut(u32, Value)) {
    known_by(key, put);
    put(8, protocol(carried));
}

/// A command, and where its file is if its name does not say.
fn script(of: Option<&Arc<Command>>, columns: (u32, u32), put: &mut impl FnMut(u32, Value)) {
    if let Some(of) = of {
        put(columns.0, command(of));
        if let Some(file) = &of.file {
            put(columns.1, Value::bytes(file));
        }
    }
}

fn service(known: &Known<'_>, row: &Row<'_>, put: &mut impl FnMut(u32, Value)) {
    let service = &row.server.service;
    let first = service.reals.first().map(|real| real.forwarding);
    if let Some(forwarding) = first.or(service.sorry.as_ref().map(|sorry| sorry.forwarding)) {
        put(10, method(forwarding));
        tunnel(forwarding, 68, put);
    }
    let alive = row.status.is_some_and(|status| status.alive);
    put(11, either(alive));
    put(13, either(service.persistence.is_some()));
    if let Some(seconds) = service.persistence {
        put(14, gauge(seconds.get()));
    }
    match service.granularity {
        Some(Granularity::V4(mask)) => put(15, Value::bytes(&mask.to_be_bytes())),
        Some(Granularity::V6(bits)) => put(51, gauge(bits)),
        None => {}
    }
    put(17, Value::truth(service.ha_suspend));
    put(19, either(service.omega));
    put(20, gauge(service.reals.len()));
    put(21, gauge(row.up()));
    put(22, gauge(service.quorum.get()));
    put(23, either(row.status.is_some_and(|status| status.quorum)));
    script(row.server.quorum_up.as_ref(), (24, 72), put);
    script(row.server.quorum_down.as_ref(), (25, 73), put);
    put(26, gauge(service.hysteresis));
    put(61, either(service.alerts(&known.model.servers.settings)));
    if let Some(name) = &service.snmp_name {
        put(71, Value::text(name));
    }
}

fn scheduling(row: &Row<'_>, put: &mut impl FnMut(u32, Value)) {
    let service = &row.server.service;
    put(
        9,
        Value::Integer(match service.scheduler {
            Scheduler::Rr => 1,
            Scheduler::Wrr => 2,
            Scheduler::Lc => 3,
            Scheduler::Wlc => 4,
            Scheduler::Lblc => 5,
            Scheduler::Lblcr => 6,
            Scheduler::Dh => 7,
            Scheduler::Sh => 8,
            Scheduler::Sed => 9,
            Scheduler::Nq => 10,
            Scheduler::Fo => 11,
            Scheduler::Ovf => 12,
            Scheduler::Mh => 13,
            Scheduler::Twos => 14,
        }),
    );
    put(37, Value::truth(service.one_packet));
    let has = |flag| service.flags.contains(flag);
    let (one, two) = (has(SchedulerFlags::ONE), has(SchedulerFlags::TWO));
    let (is_sh, is_mh) = (service.scheduler == Scheduler::Sh, service.scheduler == Scheduler::Mh);
    put(53, Value::truth(is_sh && one));
    put(54, Value::truth(is_sh && two));
    put(55, Value::truth(has(SchedulerFlags::THREE)));
    put(62, Value::truth(is_mh && one));
    put(63, Value::truth(is_mh && two));
}

/// `nat`, `dr` or `tun`.
const fn method(forwarding: Forwarding) -> Value {
    Value::Integer(match forwarding {
        Forwarding::Nat => 1,
        Forwarding::Direct => 2,
        Forwarding::Tunnel(_) => 3,
    })
}

/// Type, port and checksum of a tunnel, in three columns.
fn tunnel(forwarding: Forwarding, column: u32, put: &mut impl FnMut(u32, Value)) {
    let Forwarding::Tunnel(tunnel) = forwarding else {
        return;
    };
    let kind = match tunnel.kind {
        TunnelKind::Ipip => 1,
        TunnelKind::Gue { port } => {
            put(column + 1, gauge(port.get()));
            2
        }
        TunnelKind::Gre => 3,
    };
    put(column, Value::Integer(kind));
    let checksum = match tunnel.checksum {
        Checksum::None => 1,
        Checksum::Full => 2,
        Checksum::Remote => 3,
    };
    put(column + 2, Value::Integer(checksum));
}

/// Both halves of a rate, in two columns.
fn halves(rate: u64, column: u32, put: &mut impl FnMut(u32, Value)) {
    put(column, gauge(rate & 0xffff_ffff));
    put(column + 1, gauge(rate >> 32));
}

fn service_traffic(t: &Traffic, put: &mut impl FnMut(u32, Value)) {
    put(27, gauge(t.connections));
    put(28, counter32(t.packets_in));
    put(29, counter32(t.packets_out));
    put(30, Value::Counter64(t.bytes_in));
    put(31, Value::Counter64(t.bytes_out));
    for (column, count) in [(38, t.connections), (39, t.packets_in), (40, t.packets_out)] {
        put(column, Value::Counter64(count));
    }
    for (place, rate) in (0..).zip(t.rates) {
        put(32 + place, gauge(rate));
        halves(rate, 41 + 2 * place, put);
        put(74 + place, Value::Counter64(rate));
    }
}

fn real_traffic(t: &Traffic, put: &mut impl FnMut(u32, Value)) {
    put(14, gauge(t.connections));
    put(18, counter32(t.packets_in));
    put(19, counter32(t.packets_out));
    put(20, Value::Counter64(t.bytes_in));
    put(21, Value::Counter64(t.bytes_out));
    for (column, count) in [(27, t.connections), (28, t.packets_in), (29, t.packets_out)] {
        put(column, Value::Counter64(count));
    }
    for (place, rate) in (0..).zip(t.rates) {
        put(22 + place, gauge(rate));
        halves(rate, 30 + 2 * place, put);
        put(58 + place, Value::Counter64(rate));
    }
}

fn where_is(at: IpAddr, port: u16, put: &mut impl FnMut(u32, Value)) {
    put(3, family_value(at));
    put(4, address(at));
    put(5, gauge(port));
}

fn connections(status: Option<&RealStatus>, put: &mut impl FnMut(u32, Value)) {
    let Some(status) = status else { return };
    put(15, gauge(status.active));
    put(16, gauge(status.inactive));
    real_traffic(&status.traffic, put);
}

fn sorry_server(row: &Row<'_>, sorry: &Sorry, put: &mut impl FnMut(u32, Value)) {
    put(2, Value::Integer(2));
    where_is(sorry.at.address, sorry.at.port, put);
    let status = row.status.and_then(|status| status.sorry.as_ref());
    put(6, either(status.is_some_and(|status| status.up)));
    put(10, either(!sorry.inhibit));
    put(40, method(sorry.forwarding));
    tunnel(sorry.forwarding, 52, put);
    connections(status, put);
}

fn real_server(known: &Known<'_>, row: &Row<'_>, real: &Real, put: &mut impl FnMut(u32, Value)) {
    let status = row.real(real.at);
    put(2, Value::Integer(1));
    where_is(real.at.address, real.at.port, put);
    put(6, either(status.is_some_and(|status| status.up)));
    put(8, gauge(real.upper_threshold));
    put(9, gauge(real.lower_threshold));
    put(10, either(!real.inhibit_on_failure));
    let notify = row.server.notify.get(&real.at);
    script(notify.and_then(|notify| notify.up.as_ref()), (11, 56), put);
    script(notify.and_then(|notify| notify.down.as_ref()), (12, 57), put);
    if let Some(status) = status {
        put(13, gauge(status.failed_checks));
        put(63, gauge(status.waiting_checks));
    }
    put(40, method(real.forwarding));
    put(47, either(real.alerts(&known.model.servers.settings)));
    tunnel(real.forwarding, 52, put);
    if let Some(name) = &real.snmp_name {
        put(55, Value::text(name));
    }
    connections(status, put);
}

/// What a manager may set: the weight of a real server.
fn weight(row: &Row<'_>, real: &Real, at: (&Oid, [u32; 2]), builder: &mut Builder) {
    let status = row.real(real.at);
    let permit = status.map_or(Permit::Never, |_| Permit::Integer(0, i32::MAX));
    let value = integer(status.map_or(real.weight, |status| status.weight));
    builder.put_with(&at.0.with(&[WEIGHT]), &at.1, value, permit);
}

fn daemon(known: &Known<'_>, base: &Oid, builder: &mut Builder) {
    let mut put = |object: u32, value: Value| builder.put(&base.with(&[object]), &[0], value);
    let Some(daemon) = &known.model.servers.settings.sync_daemon else {
        return put(1, either(false));
    };
    put(1, either(true));
    put(2, Value::text(daemon.interface.as_str()));
    if let Some(instance) = &daemon.instance {
        put(3, Value::text(instance));
    }
    for (object, number) in [
        (4, daemon.id.map(u32::from)),
        (5, daemon.max_len.map(u32::from)),
        (6, daemon.port.map(u32::from)),
        (7, daemon.ttl.map(u32::from)),
    ] {
        if let Some(number) = number {
            put(object, integer(number));
        }
    }
    if let Some(group) = daemon.group {
        put(8, family_value(group));
        put(9, address(group));
    }
}
