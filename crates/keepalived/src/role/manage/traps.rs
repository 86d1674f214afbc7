//! What managers are told of at once: notifications of KEEPALIVED-MIB, RFC 2787 and RFC 6527.
//!
//! Names in those of KEEPALIVED-MIB end with the column, without a row, as the original sends them.

use super::mib::{self, KEEPALIVED, Known, Row, VRRP_V2, VRRP_V3, servers};
use crate::status::{Happening, State};
use agentx::{Oid, Value, VarBind};
use std::net::IpAddr;

/// A notification: its name, and what goes with it.
type Notification = (Oid, Vec<VarBind>);

/// What follows from something that happened.
pub(super) fn of(known: &Known<'_>, happening: &Happening) -> Vec<Notification> {
    match happening {
        Happening::Instance { name, state } => of_instance(known, name, *state),
        Happening::Group { name, state } if known.snmp.vrrp => vec![of_group(known, name, *state)],
        Happening::Real {
            service,
            address,
            port,
            up,
        } if known.snmp.checker => of_real(known, service, (*address, *port), *up).into_iter().collect(),
        Happening::Quorum { service, up } if known.snmp.checker => of_quorum(known, service, *up).into_iter().collect(),
        Happening::Group { .. } | Happening::Real { .. } | Happening::Quorum { .. } => Vec::new(),
    }
}

/// `VrrpState` in notifications.
const fn state(state: State) -> Value {
    Value::Integer(match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
        State::Stop => 5,
        State::Deleted => 6,
    })
}

fn own(path: &[u32]) -> Oid {
    Oid::new(&KEEPALIVED).with(path)
}

/// `routerId`.
fn router(known: &Known<'_>) -> VarBind {
    VarBind::new(own(&[1, 2, 0]), Value::text(&known.router()))
}

fn of_group(known: &Known<'_>, name: &str, now: State) -> Notification {
    let binds = vec![
        VarBind::new(own(&[2, 1, 1, 2]), Value::text(name)),
        VarBind::new(own(&[2, 1, 1, 3]), state(now)),
        router(known),
    ];
    (own(&[2, 10, 0, 1]), binds)
}

fn of_instance(known: &Known<'_>, name: &str, now: State) -> Vec<Notification> {
    let mut all = Vec::new();
    let row = known.row(name);
    if known.snmp.vrrp {
        // One that a reload has removed has no configuration any more.
        let initial = row
            .as_ref()
            .map_or(Value::Integer(4), |row| mib::initial(known, row.config));
        let binds = vec![
            VarBind::new(own(&[2, 3, 1, 2]), Value::text(name)),
            VarBind::new(own(&[2, 3, 1, 4]), state(now)),
            VarBind::new(own(&[2, 3, 1, 5]), initial),
            router(known),
        ];
        all.push((own(&[2, 10, 0, 2]), binds));
    }
    if let (Some(row), State::Master) = (row, now) {
        all.extend(new_master_v2(known, &row));
        all.extend(new_master_v3(known, &row));
    }
    all
}

/// `vrrpTrapNewMaster`.
fn new_master_v2(known: &Known<'_>, row: &Row<'_>) -> Option<Notification> {
    if !known.snmp.rfc2 || !Known::is_of_rfc2787(row) {
        return None;
    }
    let IpAddr::V4(source) = row.source()? else { return None };
    let base = Oid::new(&VRRP_V2);
    let name = base.with(&[1, 3, 1, 7, known.place(row)?, u32::from(row.config.vrid.0.get())]);
    Some((base.with(&[0, 1]), vec![VarBind::new(name, Value::IpAddress(source))]))
}

/// `vrrpv3NewMaster`.
fn new_master_v3(known: &Known<'_>, row: &Row<'_>) -> Option<Notification> {
    if !known.snmp.rfc3 {
        return None;
    }
    let base = Oid::new(&VRRP_V3);
    let index = mib::rfc6527_index(known, row)?;
    let binds = vec![
        VarBind::new(base.with(&[1, 1, 1, 1, 3]).with(&index), mib::address(row.source()?)),
        VarBind::new(base.with(&[1, 2, 5, 1, 2]).with(&index), mib::reason(row)),
    ];
    Some((base.with(&[0, 1]), binds))
}

/// The virtual server of this name; `None`: a reload has removed it.
fn server<'a>(known: &Known<'a>, name: &str) -> Option<servers::Row<'a>> {
    known.servers().find(|row| crate::status::service_name(row.key) == name)
}

/// A column of the table of virtual servers.
fn of_server(column: u32, value: Value) -> VarBind {
    VarBind::new(own(&[3, 3, 1, column]), value)
}

/// By what a virtual server is known, and what it carries.
fn identity(row: &servers::Row<'_>) -> Vec<VarBind> {
    let mut binds = Vec::new();
    servers::known_by(row.key, &mut |column, value| binds.push(of_server(column, value)));
    binds.push(of_server(8, servers::protocol(row.server.service.protocol)));
    binds
}

/// How many of its real servers are up, how many there are, and who says so.
fn counts(known: &Known<'_>, row: &servers::Row<'_>) -> [VarBind; 3] {
    [
        of_server(21, mib::gauge(row.up())),
        of_server(20, mib::gauge(row.server.service.reals.len())),
        router(known),
    ]
}

/// `realServerStateChange`.
fn of_real(known: &Known<'_>, service: &str, at: (IpAddr, u16), up: bool) -> Option<Notification> {
    let row = server(known, service)?;
    let of = |column, value| VarBind::new(own(&[3, 4, 1, column]), value);
    let mut binds = vec![
        of(3, mib::family_value(at.0)),
        of(4, mib::address(at.0)),
        of(5, mib::gauge(at.1)),
        of(6, Value::truth(up)),
    ];
    binds.extend(identity(&row));
    binds.extend(counts(known, &row));
    Some((own(&[3, 5, 0, 1]), binds))
}

/// `virtualServerQuorumStateChange`.
fn of_quorum(known: &Known<'_>, service: &str, up: bool) -> Option<Notification> {
    let row = server(known, service)?;
    let mut binds = identity(&row);
    binds.push(of_server(23, Value::truth(up)));
    binds.push(of_server(22, mib::gauge(row.server.service.quorum.get())));
    binds.extend(counts(known, &row));
    Some((own(&[3, 5, 0, 2]), binds))
}
