//! VRRP-MIB (RFC 2787): IPv4 instances of version 2 that have virtual addresses.

use super::{Known, Row, VRRP_V2, counter32, integer, ticks};
use crate::status::{Counts, State};
use ::vrrp::config::{Auth, Preempt, Version};
use agentx::table::Builder;
use agentx::{Oid, Value};
use base::Family;
use std::net::{IpAddr, Ipv4Addr};

/// `RowStatus`.
const ACTIVE: i32 = 1;

impl Known<'_> {
    /// Whether this MIB knows the instance.
    pub(in crate::role::manage) fn is_of_rfc2787(row: &Row<'_>) -> bool {
        let config = row.config;
        config.version == Version::V2 && config.family == Family::V4 && !config.addresses.is_empty()
    }
}

/// `initialize`, `backup` or `master`, in both RFCs.
pub(super) const fn state(state: State) -> Value {
    Value::Integer(match state {
        State::Backup => 2,
        State::Master => 3,
        State::Init | State::Fault | State::Stop | State::Deleted => 1,
    })
}

pub(super) fn put(known: &Known<'_>, builder: &mut Builder) {
    let base = Oid::new(&VRRP_V2);
    let operations = base.with(&[1]);
    builder.put(&operations.with(&[1]), &[0], Value::Integer(2));
    builder.put(&operations.with(&[2]), &[0], Value::truth(known.snmp.traps));
    let statistics = base.with(&[2]);
    let mut sums = Counts::default();
    for row in known.rows().filter(Known::is_of_rfc2787) {
        let counts = row.status.map(|status| status.counts).unwrap_or_default();
        sums.checksum_errors += counts.checksum_errors;
        sums.version_errors += counts.version_errors;
        let Some(place) = known.place(&row) else { continue };
        let index = [place, u32::from(row.config.vrid.0.get())];
        let columns = operations.with(&[3, 1]);
        operation(known, &row, |column, value| {
            builder.put(&columns.with(&[column]), &index, value);
        });
        let addresses = operations.with(&[4, 1, 2]);
        for one in &row.config.addresses {
            if let IpAddr::V4(ip) = one.prefix.address() {
                let octets = ip.octets().map(u32::from);
                let index: Vec<u32> = index.into_iter().chain(octets).collect();
                builder.put(&addresses, &index, Value::Integer(ACTIVE));
            }
        }
        let columns = statistics.with(&[4, 1]);
        statistic(&counts, |column, count| {
            builder.put(&columns.with(&[column]), &index, counter32(count));
        });
    }
    let unknown = known.vrrp.map_or(0, |status| status.unknown_vrid);
    for (object, count) in [(1, sums.checksum_errors), (2, sums.version_errors), (3, unknown)] {
        builder.put(&statistics.with(&[object]), &[0], counter32(count));
    }
}

fn ip(of: Option<IpAddr>) -> Value {
    match of {
        Some(IpAddr::V4(address)) => Value::IpAddress(address),
        Some(IpAddr::V6(_)) | None => Value::IpAddress(Ipv4Addr::UNSPECIFIED),
    }
}

fn operation(known: &Known<'_>, row: &Row<'_>, mut put: impl FnMut(u32, Value)) {
    let config = row.config;
    if let Some(mac) = known.mac(row) {
        put(2, mac);
    }
    put(3, state(row.state()));
    // Up: nobody can take an instance out of service but by the configuration.
    put(4, Value::Integer(1));
    put(5, integer(config.priority.get()));
    put(6, integer(config.addresses.len()));
    put(7, ip(row.status.and_then(|status| status.master)));
    put(8, ip(row.source()));
    put(
        9,
        Value::Integer(match config.auth {
            Auth::None => 1,
            Auth::Pass(_) => 2,
            Auth::Ah(_) => 3,
        }),
    );
    put(11, integer(config.interval.as_secs()));
    put(12, Value::truth(config.preempt != Preempt::No));
    let taking_part = row.status.and_then(|status| status.taking_part);
    let age = known.vrrp.map(|status| status.age);
    if let (Some(span), Some(age)) = (taking_part, age) {
        put(13, ticks(age.saturating_sub(span)));
    } else {
        put(13, Value::TimeTicks(0));
    }
    // IP.
    put(14, Value::Integer(1));
    put(15, Value::Integer(ACTIVE));
}

fn statistic(c: &Counts, mut put: impl FnMut(u32, u64)) {
    let all = [
        c.become_master,
        c.received,
        c.interval_errors,
        c.auth_failures,
        c.ttl_errors,
        c.zero_received,
        c.zero_sent,
        c.type_errors,
        c.address_errors,
        c.auth_type_errors,
        c.auth_mismatches,
        c.length_errors,
    ];
    for (column, count) in (1..).zip(all) {
        put(column, count);
    }
}
