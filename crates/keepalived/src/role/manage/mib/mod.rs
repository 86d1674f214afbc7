//! Which objects there are, and what they say: from the configuration and the reports of the roles to a table.
//!
//! Every file is one part of a MIB. Names and numbers are those of KEEPALIVED-MIB, RFC 2787 and RFC 6527; where the original
//! answers differently from its MIB, see docs/divergences.md, "snmp-means-what-the-mib-says". Nothing here knows a socket.

mod global;
mod instances;
mod rfc2787;
mod rfc6527;
mod routing;
pub(super) mod servers;
mod tracking;

pub(super) use instances::{BASE_PRIORITY, PREEMPT, initial};
pub(super) use rfc6527::{index as rfc6527_index, reason};

use crate::configuration::Model;
use crate::status::{CheckStatus, InstanceStatus, State, VrrpStatus};
use ::vrrp::config::{Config, Name};
use agentx::table::Builder;
use agentx::{Oid, Table, Value};
use base::Family;
use conf::model::{Command, Snmp};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// KEEPALIVED-MIB.
pub(super) const KEEPALIVED: [u32; 9] = [1, 3, 6, 1, 4, 1, 9586, 100, 5];
/// VRRP-MIB.
pub(super) const VRRP_V2: [u32; 7] = [1, 3, 6, 1, 2, 1, 68];
/// VRRPV3-MIB.
pub(super) const VRRP_V3: [u32; 7] = [1, 3, 6, 1, 2, 1, 207];

/// Everything the objects come from.
pub(super) struct Known<'a> {
    pub(super) model: &'a Model,
    pub(super) snmp: &'a Snmp,
    /// `None`: the vrrp role does not run, or has not reported yet.
    pub(super) vrrp: Option<&'a VrrpStatus>,
    /// The same of the check role.
    pub(super) check: Option<&'a CheckStatus>,
}

/// What is registered with the master agent, with its description.
pub(super) fn regions(snmp: &Snmp) -> Vec<(Oid, String)> {
    let own = Oid::new(&KEEPALIVED);
    let all = [
        (snmp.vrrp || snmp.checker, own.with(&[1]), "Keepalived"),
        (snmp.vrrp, own.with(&[2]), "KEEPALIVED-VRRP"),
        (snmp.checker, own.with(&[3]), "KEEPALIVED-CHECKER"),
        (snmp.rfc2, Oid::new(&VRRP_V2), "VRRP"),
        (snmp.rfc3, Oid::new(&VRRP_V3), "VRRPV3"),
    ];
    all.into_iter()
        .filter(|(wanted, ..)| *wanted)
        .map(|(_, region, name)| (region, format!("The MIB module for {name}")))
        .collect()
}

/// All objects.
pub(super) fn table(known: &Known<'_>) -> Table {
    let mut builder = Builder::default();
    if known.snmp.vrrp || known.snmp.checker {
        global::put(known, &mut builder);
    }
    if known.snmp.vrrp {
        instances::put(known, &mut builder);
        tracking::put(known, &mut builder);
        routing::put(known, &mut builder);
    }
    if known.snmp.checker {
        servers::put(known, &mut builder);
    }
    if known.snmp.rfc2 {
        rfc2787::put(known, &mut builder);
    }
    if known.snmp.rfc3 {
        rfc6527::put(known, &mut builder);
    }
    Table::new(builder)
}

/// An instance with its number in tables and what its role says of it.
pub(super) struct Row<'a> {
    pub(super) number: u32,
    pub(super) config: &'a Config,
    pub(super) status: Option<&'a InstanceStatus>,
}

impl Row<'_> {
    pub(super) fn state(&self) -> State {
        self.status.map_or(State::Init, |status| status.state)
    }

    pub(super) fn has_address(&self, place: usize) -> bool {
        self.status.and_then(|status| status.held.get(place)) == Some(&true)
    }

    /// Where its adverts come from.
    pub(super) fn source(&self) -> Option<IpAddr> {
        self.status.and_then(|status| status.source).or(self.config.source)
    }
}

impl<'a> Known<'a> {
    /// The instances in the order of the configuration, numbered from 1.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'a>> {
        let (model, status) = (self.model, self.vrrp);
        let all = (1..).zip(&model.listing.instances);
        all.filter_map(move |(number, name)| row(model, status, number, name))
    }

    /// The instance of this name.
    pub(super) fn row(&self, name: &str) -> Option<Row<'a>> {
        let mut all = (1..).zip(&self.model.listing.instances);
        let (number, name) = all.find(|(_, other)| other.as_str() == name)?;
        row(self.model, self.vrrp, number, name)
    }

    /// The kernel's number of an interface.
    pub(super) fn index_of(&self, name: base::IfName) -> Option<u32> {
        self.interface(name).map(|interface| interface.index)
    }

    fn interface(&self, name: base::IfName) -> Option<&'a crate::status::InterfaceStatus> {
        let all = &self.vrrp?.interfaces;
        all.iter().find(|interface| interface.name == name.as_str())
    }

    /// The hardware address of an instance: that of the interface its adverts leave by.
    pub(super) fn mac(&self, row: &Row<'_>) -> Option<Value> {
        let interface = self.interface(row.config.interface?)?;
        interface.mac.map(|mac| Value::bytes(&mac))
    }

    /// By which interface the RFCs know an instance.
    pub(super) fn place(&self, row: &Row<'_>) -> Option<u32> {
        self.index_of(row.config.base.or(row.config.interface)?)
    }

    /// The state of a group.
    pub(super) fn group(&self, name: &str) -> State {
        let all = self.vrrp.map(|status| &status.groups);
        let found = all.into_iter().flatten().find(|(other, _)| other == name);
        found.map_or(State::Init, |(_, state)| *state)
    }

    /// `router_id`, or the name of the machine.
    pub(super) fn router(&self) -> String {
        let said = self.model.global.router_id.clone();
        said.unwrap_or_else(linux::machine::host_name)
    }
}

fn row<'a>(model: &'a Model, status: Option<&'a VrrpStatus>, number: u32, name: &Name) -> Option<Row<'a>> {
    let config: &'a Arc<Config> = model.vrrp.instances.get(name)?;
    // By name, as the role has them.
    let status = status.map(|status| &status.instances).and_then(|all| {
        let place = all.binary_search_by(|one| one.name.as_str().cmp(name.as_str())).ok()?;
        all.get(place)
    });
    Some(Row { number, config, status })
}

/// `VrrpState` in tables: those of the end are unknown there.
pub(super) const fn state(state: State) -> Value {
    Value::Integer(match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
        State::Stop | State::Deleted => 4,
    })
}

/// `InetScopeType`-like numbers of the original for the kernel's scopes.
const fn scope(kernel: u8) -> Value {
    Value::Integer(match kernel {
        // Global.
        0 => 14,
        // Site-local.
        200 => 5,
        // Link-local.
        253 => 2,
        // Interface-local.
        254 => 1,
        _ => 0,
    })
}

/// One of two: 1 for yes, 2 for no, whatever they are called.
const fn either(yes: bool) -> Value {
    Value::truth(yes)
}

/// A number without sign, at most what one can hold.
pub(super) fn gauge(number: impl TryInto<u32>) -> Value {
    Value::Gauge32(number.try_into().unwrap_or(u32::MAX))
}

/// A number with sign, at most what one can hold.
fn integer(number: impl TryInto<i32>) -> Value {
    Value::Integer(number.try_into().unwrap_or(i32::MAX))
}

/// The low half of a counter, as one of 32 bits counts.
const fn counter32(count: u64) -> Value {
    Value::Counter32(count as u32)
}

/// Hundredths of a second.
const fn ticks(span: Duration) -> Value {
    Value::TimeTicks((span.as_millis() / 10) as u32)
}

/// `InetAddress`.
pub(super) fn address(address: IpAddr) -> Value {
    match address {
        IpAddr::V4(address) => Value::bytes(&address.octets()),
        IpAddr::V6(address) => Value::bytes(&address.octets()),
    }
}

/// `InetAddressType`.
const fn family(family: Family) -> u32 {
    match family {
        Family::V4 => 1,
        Family::V6 => 2,
    }
}

/// `InetAddressType` as a value.
pub(super) fn family_value(of: IpAddr) -> Value {
    integer(family(Family::of(of)))
}

/// A command as the original writes it: each word in quotes.
fn command(command: &Command) -> Value {
    let words: Vec<String> = command
        .arguments
        .iter()
        .map(|word| format!("'{}'", String::from_utf8_lossy(word)))
        .collect();
    Value::text(&words.join(" "))
}
