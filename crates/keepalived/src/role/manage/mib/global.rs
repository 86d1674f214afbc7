//! The global part of KEEPALIVED-MIB: `1`.

use super::{KEEPALIVED, Known, address, either, family_value, gauge, integer};
use crate::version;
use agentx::table::Builder;
use agentx::{Oid, Value};
use conf::model::DynamicInterfaces;
use lvs::config::FlushOnStop;
use std::net::IpAddr;

/// `InetAddressType` of a name.
const DNS: i32 = 16;

pub(super) fn put(known: &Known<'_>, builder: &mut Builder) {
    let base = Oid::new(&KEEPALIVED).with(&[1]);
    let global = &known.model.global;
    let settings = &known.model.servers.settings;
    let mut scalar = |object: u32, value: Value| builder.put(&base.with(&[object]), &[0], value);
    scalar(1, Value::text(&version::title()));
    scalar(2, Value::text(&known.router()));
    scalar(4, either(known.snmp.traps));
    scalar(5, either(!known.model.tracking.linkbeat.all));
    scalar(6, either(settings.flush));
    scalar(7, Value::truth(true));
    scalar(8, Value::text(global.net_namespace.as_deref().unwrap_or_default()));
    scalar(9, Value::truth(global.dbus.enabled));
    scalar(10, Value::truth(global.dynamic_interfaces != DynamicInterfaces::No));
    scalar(
        11,
        Value::Integer(match settings.flush_on_stop {
            FlushOnStop::Everything => 1,
            FlushOnStop::No => 2,
            FlushOnStop::Services => 3,
        }),
    );
    mail(known, &base.with(&[3]), builder);
}

/// `mail`.
fn mail(known: &Known<'_>, base: &Oid, builder: &mut Builder) {
    let global = &known.model.global;
    let mail = &global.mail;
    let mut scalar = |object: u32, value: Value| builder.put(&base.with(&[object]), &[0], value);
    if let Some(server) = &mail.server {
        match server.host.parse::<IpAddr>() {
            Ok(host) => {
                scalar(1, family_value(host));
                scalar(2, address(host));
            }
            Err(_) => {
                scalar(1, Value::Integer(DNS));
                scalar(2, Value::text(&server.host));
            }
        }
        scalar(6, gauge(server.port));
    }
    scalar(3, gauge(mail.timeout.as_secs()));
    if let Some(from) = &mail.from {
        scalar(4, Value::text(from));
    }
    scalar(7, either(!mail.no_faults));
    scalar(8, said(global.smtp_alert));
    scalar(9, said(global.smtp_alert_vrrp));
    scalar(10, said(known.model.servers.settings.smtp_alert));
    let recipients = base.with(&[5, 1]);
    for (number, recipient) in (1..).zip(&mail.recipients) {
        builder.put(&recipients.with(&[2]), &[number], Value::text(recipient));
    }
}

/// On, off or unset.
fn said(said: Option<bool>) -> Value {
    integer(match said {
        Some(true) => 1,
        Some(false) => 2,
        None => 3,
    })
}
