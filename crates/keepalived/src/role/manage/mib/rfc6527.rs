//! VRRPV3-MIB (RFC 6527): every instance, also those of version 2, as the original has it unless built otherwise.

use super::{Known, Row, VRRP_V3, address, counter32, family, gauge, integer, ticks};
use crate::status::{Counts, State, Succession};
use ::vrrp::config::Preempt;
use agentx::table::Builder;
use agentx::{Oid, Value};
use std::net::IpAddr;

/// `RowStatus`.
const ACTIVE: i32 = 1;

/// Which row an instance is: interface, virtual router, family. `None`: its interface is not there.
pub(in crate::role::manage) fn index(known: &Known<'_>, row: &Row<'_>) -> Option<[u32; 3]> {
    let place = known.place(row)?;
    Some([place, u32::from(row.config.vrid.0.get()), family(row.config.family)])
}

/// `vrrpv3StatisticsNewMasterReason`.
pub(in crate::role::manage) fn reason(row: &Row<'_>) -> Value {
    let master = row.status.filter(|status| status.state == State::Master);
    Value::Integer(match master.map(|status| status.succession) {
        None => 0,
        Some(Succession::Resigned) => 1,
        Some(Succession::Outranks) => 2,
        Some(Succession::Unanswered) => 3,
    })
}

pub(super) fn put(known: &Known<'_>, builder: &mut Builder) {
    let base = Oid::new(&VRRP_V3).with(&[1]);
    let (operations, statistics) = (base.with(&[1]), base.with(&[2]));
    let mut sums = Counts::default();
    for row in known.rows() {
        let counts = row.status.map(|status| status.counts).unwrap_or_default();
        sums.checksum_errors += counts.checksum_errors;
        sums.version_errors += counts.version_errors;
        let Some(index) = index(known, &row) else { continue };
        let columns = operations.with(&[1, 1]);
        operation(known, &row, |column, value| {
            builder.put(&columns.with(&[column]), &index, value);
        });
        let addresses = operations.with(&[2, 1, 2]);
        for one in &row.config.addresses {
            let octets: Vec<u8> = match one.prefix.address() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let index: Vec<u32> = index.into_iter().chain(octets.into_iter().map(u32::from)).collect();
            builder.put(&addresses, &index, Value::Integer(ACTIVE));
        }
        let columns = statistics.with(&[5, 1]);
        statistic(&row, &counts, |column, value| {
            builder.put(&columns.with(&[column]), &index, value);
        });
    }
    let unknown = known.vrrp.map_or(0, |status| status.unknown_vrid);
    for (object, count) in [(1, sums.checksum_errors), (2, sums.version_errors), (3, unknown)] {
        builder.put(&statistics.with(&[object]), &[0], Value::Counter64(count));
    }
    // Counters begin with the daemon.
    builder.put(&statistics.with(&[4]), &[0], Value::TimeTicks(0));
}

fn operation(known: &Known<'_>, row: &Row<'_>, mut put: impl FnMut(u32, Value)) {
    let config = row.config;
    if let Some(master) = row.status.and_then(|status| status.master) {
        put(3, address(master));
    }
    if let Some(source) = row.source() {
        put(4, address(source));
    }
    if let Some(mac) = known.mac(row) {
        put(5, mac);
    }
    put(6, super::rfc2787::state(row.state()));
    put(7, gauge(config.priority.get()));
    put(8, integer(config.addresses.len()));
    put(9, integer(config.interval.as_millis() / 10));
    put(10, Value::truth(config.preempt != Preempt::No));
    put(11, Value::truth(config.accept));
    let taking_part = row.status.and_then(|status| status.taking_part);
    put(12, ticks(taking_part.unwrap_or_default()));
    put(13, Value::Integer(ACTIVE));
}

fn statistic(row: &Row<'_>, c: &Counts, mut put: impl FnMut(u32, Value)) {
    put(1, counter32(c.become_master));
    put(2, reason(row));
    let all = [
        (3, c.received),
        (4, c.interval_errors),
        (5, c.ttl_errors),
        (7, c.zero_received),
        (8, c.zero_sent),
        (9, c.type_errors),
        (10, c.address_errors),
        (11, c.length_errors),
    ];
    for (column, count) in all {
        put(column, Value::Counter64(count));
    }
    put(6, error(c));
    put(12, Value::TimeTicks(0));
    put(13, gauge(row.config.interval.as_millis()));
}

/// `vrrpv3StatisticsProtoErrReason`: which kind of error there was; of several kinds the one that is there most often, since
/// nobody remembers which was the last.
fn error(c: &Counts) -> Value {
    let kinds = [(1, c.ttl_errors), (2, c.version_errors), (3, c.checksum_errors)];
    let most = kinds.into_iter().filter(|(_, count)| *count > 0);
    let most = most.max_by_key(|(_, count)| *count);
    Value::Integer(most.map_or(0, |(reason, _)| reason))
}
