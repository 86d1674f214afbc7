//! Services, destinations, sync daemons and timeouts as attributes (linux/ip_vs.h).

use super::{
    Destination, FoundDestination, FoundService, Method, Service, ServiceId, SyncDaemon, SyncState, Timeouts, Traffic,
};
use crate::netlink::attribute::{Attribute, Writer, attributes};
use base::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) mod command {
    pub(in crate::ipvs) const NEW_SERVICE: u8 = 1;
    pub(in crate::ipvs) const SET_SERVICE: u8 = 2;
    pub(in crate::ipvs) const DEL_SERVICE: u8 = 3;
    pub(in crate::ipvs) const GET_SERVICE: u8 = 4;
    pub(in crate::ipvs) const NEW_DEST: u8 = 5;
    pub(in crate::ipvs) const SET_DEST: u8 = 6;
    pub(in crate::ipvs) const DEL_DEST: u8 = 7;
    pub(in crate::ipvs) const GET_DEST: u8 = 8;
    pub(in crate::ipvs) const NEW_DAEMON: u8 = 9;
    pub(in crate::ipvs) const DEL_DAEMON: u8 = 10;
    pub(in crate::ipvs) const GET_DAEMON: u8 = 11;
    pub(in crate::ipvs) const SET_CONFIG: u8 = 12;
    pub(in crate::ipvs) const GET_CONFIG: u8 = 13;
    pub(in crate::ipvs) const FLUSH: u8 = 17;
}

/// The first level of attributes.
mod top {
    pub(super) const SERVICE: u16 = 1;
    pub(super) const DEST: u16 = 2;
    pub(super) const DAEMON: u16 = 3;
    pub(super) const TIMEOUT_TCP: u16 = 4;
    pub(super) const TIMEOUT_TCP_FIN: u16 = 5;
    pub(super) const TIMEOUT_UDP: u16 = 6;
}

mod of_service {
    pub(super) const AF: u16 = 1;
    pub(super) const PROTOCOL: u16 = 2;
    pub(super) const ADDR: u16 = 3;
    pub(super) const PORT: u16 = 4;
    pub(super) const FWMARK: u16 = 5;
    pub(super) const SCHED_NAME: u16 = 6;
    pub(super) const FLAGS: u16 = 7;
    pub(super) const TIMEOUT: u16 = 8;
    pub(super) const NETMASK: u16 = 9;
    pub(super) const PE_NAME: u16 = 11;
    pub(super) const STATS64: u16 = 12;
}

mod of_destination {
    pub(super) const ADDR: u16 = 1;
    pub(super) const PORT: u16 = 2;
    pub(super) const FWD_METHOD: u16 = 3;
    pub(super) const WEIGHT: u16 = 4;
    pub(super) const U_THRESH: u16 = 5;
    pub(super) const L_THRESH: u16 = 6;
    pub(super) const ACTIVE_CONNS: u16 = 7;
    pub(super) const INACT_CONNS: u16 = 8;
    pub(super) const ADDR_FAMILY: u16 = 11;
    pub(super) const STATS64: u16 = 12;
    pub(super) const TUN_TYPE: u16 = 13;
    pub(super) const TUN_PORT: u16 = 14;
    pub(super) const TUN_FLAGS: u16 = 15;
}

mod of_daemon {
    pub(super) const STATE: u16 = 1;
    pub(super) const MCAST_IFN: u16 = 2;
    pub(super) const SYNC_ID: u16 = 3;
    pub(super) const SYNC_MAXLEN: u16 = 4;
    pub(super) const MCAST_GROUP: u16 = 5;
    pub(super) const MCAST_GROUP6: u16 = 6;
    pub(super) const MCAST_PORT: u16 = 7;
    pub(super) const MCAST_TTL: u16 = 8;
}

/// Flags of a service.
mod flag {
    pub(super) const PERSISTENT: u32 = 0x01;
    /// Set by the kernel: the service is in its table.
    pub(super) const HASHED: u32 = 0x02;
    pub(super) const ONE_PACKET: u32 = 0x04;
    pub(super) const SCHEDULER: u32 = 0x38;
}

/// Forwarding methods.
mod method {
    pub(super) const MASK: u32 = 0x07;
    pub(super) const NAT: u32 = 0;
    pub(super) const TUNNEL: u32 = 2;
    pub(super) const DIRECT: u32 = 3;
}

/// Bytes of an address in a message, whatever its family.
const ADDRESS: usize = 16;

const fn family_number(family: Family) -> u16 {
    match family {
        Family::V4 => libc::AF_INET as u16,
        Family::V6 => libc::AF_INET6 as u16,
    }
}

fn family_of(number: u16) -> Option<Family> {
    [Family::V4, Family::V6]
        .into_iter()
        .find(|family| family_number(*family) == number)
}

fn address_bytes(address: IpAddr) -> [u8; ADDRESS] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(address) => address.octets(),
    }
}

fn address_in(family: Family, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        Family::V4 => bytes.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        Family::V6 => bytes
            .first_chunk::<ADDRESS>()
            .map(|octets| Ipv6Addr::from(*octets).into()),
    }
}

/// A service: what it is known by, and with `service` also how it is to be treated.
pub(crate) fn service(writer: &mut Writer<'_>, id: ServiceId, service: Option<&Service>) {
    writer.nest(top::SERVICE, |inner| {
        inner.put_u16(of_service::AF, family_number(id.family()));
        match id {
            ServiceId::Mark { mark, .. } => {
                inner.put_u32(of_service::FWMARK, mark);
            }
            ServiceId::Address {
                protocol,
                address,
                port,
            } => {
                inner
                    .put_u16(of_service::PROTOCOL, u16::from(protocol))
                    .put(of_service::ADDR, &address_bytes(address))
                    .put_be16(of_service::PORT, port);
            }
        }
        if let Some(service) = service {
            settings(inner, id.family(), service);
        }
    });
}

fn settings(inner: &mut Writer<'_>, family: Family, service: &Service) {
    let persistent = if service.persistence.is_some() {
        flag::PERSISTENT
    } else {
        0
    };
    let one_packet = if service.one_packet { flag::ONE_PACKET } else { 0 };
    let flags = persistent | one_packet | service.scheduler_flags & flag::SCHEDULER;
    // Every flag but the kernel's own is to be as it is here.
    let pair = [flags.to_ne_bytes(), (!flag::HASHED).to_ne_bytes()].concat();
    inner
        .put_text(of_service::SCHED_NAME, &service.scheduler)
        .put(of_service::FLAGS, &pair)
        .put_u32(of_service::TIMEOUT, service.persistence.unwrap_or(0));
    match family {
        Family::V4 => inner.put_be32(of_service::NETMASK, service.netmask),
        Family::V6 => inner.put_u32(of_service::NETMASK, service.netmask),
    };
    if let Some(engine) = &service.engine {
        inner.put_text(of_service::PE_NAME, engine);
    }
}

/// A destination: what it is known by, and with `to` also how it is to be treated.
pub(crate) fn destination(writer: &mut Writer<'_>, address: IpAddr, port: u16, to: Option<&Destination>) {
    writer.nest(top::DEST, |inner| {
        inner
            .put_u16(of_destination::ADDR_FAMILY, family_number(Family::of(address)))
            .put(of_destination::ADDR, &address_bytes(address))
            .put_be16(of_destination::PORT, port);
        let Some(to) = to else { return };
        let number = match to.method {
            Method::Nat => method::NAT,
            Method::Direct => method::DIRECT,
            Method::Tunnel { .. } => method::TUNNEL,
            Method::Other(number) => number,
        };
        inner
            .put_u32(of_destination::FWD_METHOD, number)
            .put_u32(of_destination::WEIGHT, to.weight)
            .put_u32(of_destination::U_THRESH, to.upper_threshold)
            .put_u32(of_destination::L_THRESH, to.lower_threshold);
        if let Method::Tunnel { kind, port, flags } = to.method {
            inner
                .put_u8(of_destination::TUN_TYPE, kind)
                .put_be16(of_destination::TUN_PORT, port)
                .put_u16(of_destination::TUN_FLAGS, flags);
        }
    });
}

/// A sync daemon.
pub(crate) fn daemon(writer: &mut Writer<'_>, daemon: &SyncDaemon) {
    writer.nest(top::DAEMON, |inner| {
        inner
            .put_u32(of_daemon::STATE, state_number(daemon.state))
            .put_text(of_daemon::MCAST_IFN, daemon.interface.as_str())
            .put_u32(of_daemon::SYNC_ID, u32::from(daemon.id));
        if let Some(bytes) = daemon.max_len {
            inner.put_u16(of_daemon::SYNC_MAXLEN, bytes);
        }
        match daemon.group {
            Some(IpAddr::V4(group)) => {
                inner.put(of_daemon::MCAST_GROUP, &group.octets());
            }
            Some(IpAddr::V6(group)) => {
                inner.put(of_daemon::MCAST_GROUP6, &group.octets());
            }
            None => {}
        }
        if let Some(port) = daemon.port {
            inner.put_u16(of_daemon::MCAST_PORT, port);
        }
        if let Some(ttl) = daemon.ttl {
            inner.put_u8(of_daemon::MCAST_TTL, ttl);
        }
    });
}

const fn state_number(state: SyncState) -> u32 {
    match state {
        SyncState::Master => 1,
        SyncState::Backup => 2,
    }
}

/// Timeouts; those that are 0 are left out, and stay.
pub(crate) fn timeouts(writer: &mut Writer<'_>, timeouts: Timeouts) {
    let all = [
        (top::TIMEOUT_TCP, timeouts.tcp),
        (top::TIMEOUT_TCP_FIN, timeouts.tcp_fin),
        (top::TIMEOUT_UDP, timeouts.udp),
    ];
    for (number, seconds) in all.into_iter().filter(|(_, seconds)| *seconds > 0) {
        writer.put_u32(number, seconds);
    }
}

/// Takes a timeout out of an answer.
pub(crate) fn read_timeout(attribute: Attribute<'_>, timeouts: &mut Timeouts) {
    let place = match attribute.number {
        top::TIMEOUT_TCP => &mut timeouts.tcp,
        top::TIMEOUT_TCP_FIN => &mut timeouts.tcp_fin,
        top::TIMEOUT_UDP => &mut timeouts.udp,
        _ => return,
    };
    *place = attribute.as_u32().unwrap_or(*place);
}

/// The service in a message; `None` if it is nonsense.
pub(crate) fn read_service(payload: &[u8]) -> Option<FoundService> {
    let nest = attributes(payload).find(|attribute| attribute.number == top::SERVICE)?;
    let find = |number: u16| nest.nested().find(|attribute| attribute.number == number);
    let family = family_of(find(of_service::AF)?.as_u16()?)?;
    let mark = find(of_service::FWMARK)
        .and_then(|a| a.as_u32())
        .filter(|mark| *mark != 0);
    let id = match mark {
        Some(mark) => ServiceId::Mark { mark, family },
        None => ServiceId::Address {
            protocol: u8::try_from(find(of_service::PROTOCOL)?.as_u16()?).ok()?,
            address: address_in(family, find(of_service::ADDR)?.value)?,
            port: find(of_service::PORT)?.as_be16()?,
        },
    };
    let flags = find(of_service::FLAGS)?
        .value
        .first_chunk()
        .copied()
        .map(u32::from_ne_bytes)?;
    let netmask = find(of_service::NETMASK)?;
    let netmask = match family {
        Family::V4 => netmask.as_be32()?,
        Family::V6 => netmask.as_u32()?,
    };
    let timeout = find(of_service::TIMEOUT)?.as_u32()?;
    Some(FoundService {
        id,
        service: Service {
            scheduler: find(of_service::SCHED_NAME)?.as_text()?.to_owned(),
            scheduler_flags: flags & flag::SCHEDULER,
            one_packet: flags & flag::ONE_PACKET != 0,
            persistence: (flags & flag::PERSISTENT != 0).then_some(timeout),
            netmask,
            engine: find(of_service::PE_NAME).and_then(|a| a.as_text()).map(str::to_owned),
        },
        traffic: find(of_service::STATS64).map(traffic).unwrap_or_default(),
    })
}

/// The destination in a message; `None` if it is nonsense. `family` is that of the service: old kernels name none.
pub(crate) fn read_destination(payload: &[u8], family: Family) -> Option<FoundDestination> {
    let nest = attributes(payload).find(|attribute| attribute.number == top::DEST)?;
    let find = |number: u16| nest.nested().find(|attribute| attribute.number == number);
    let number = |number: u16| find(number).and_then(|attribute| attribute.as_u32());
    let family = match find(of_destination::ADDR_FAMILY) {
        Some(named) => family_of(named.as_u16()?)?,
        None => family,
    };
    let method = match number(of_destination::FWD_METHOD)? & method::MASK {
        method::NAT => Method::Nat,
        method::DIRECT => Method::Direct,
        method::TUNNEL => Method::Tunnel {
            kind: find(of_destination::TUN_TYPE).and_then(|a| a.as_u8()).unwrap_or(0),
            port: find(of_destination::TUN_PORT).and_then(|a| a.as_be16()).unwrap_or(0),
            flags: find(of_destination::TUN_FLAGS).and_then(|a| a.as_u16()).unwrap_or(0),
        },
        other => Method::Other(other),
    };
    Some(FoundDestination {
        address: address_in(family, find(of_destination::ADDR)?.value)?,
        port: find(of_destination::PORT)?.as_be16()?,
        destination: Destination {
            method,
            weight: number(of_destination::WEIGHT)?,
            upper_threshold: number(of_destination::U_THRESH)?,
            lower_threshold: number(of_destination::L_THRESH)?,
        },
        active: number(of_destination::ACTIVE_CONNS).unwrap_or(0),
        inactive: number(of_destination::INACT_CONNS).unwrap_or(0),
        traffic: find(of_destination::STATS64).map(traffic).unwrap_or_default(),
    })
}

fn traffic(nest: Attribute<'_>) -> Traffic {
    const FIRST: u16 = 1;
    let of = |place: u16| {
        let found = nest.nested().find(|attribute| attribute.number == FIRST + place);
        found.and_then(|attribute| attribute.as_u64()).unwrap_or(0)
    };
    Traffic {
        connections: of(0),
        packets_in: of(1),
        packets_out: of(2),
        bytes_in: of(3),
        bytes_out: of(4),
        rates: [5, 6, 7, 8, 9].map(of),
    }
}

/// The sync daemon in an attribute; `None` if it is something else, or nonsense.
pub(crate) fn read_daemon(nest: Attribute<'_>) -> Option<SyncDaemon> {
    if nest.number != top::DAEMON {
        return None;
    }
    let find = |number: u16| nest.nested().find(|attribute| attribute.number == number);
    let state = match find(of_daemon::STATE)?.as_u32()? {
        1 => SyncState::Master,
        2 => SyncState::Backup,
        _ => return None,
    };
    let group = |number: u16, family: Family| find(number).and_then(|a| address_in(family, a.value));
    Some(SyncDaemon {
        state,
        interface: find(of_daemon::MCAST_IFN)?.as_text()?.parse().ok()?,
        id: u8::try_from(find(of_daemon::SYNC_ID)?.as_u32()?).ok()?,
        max_len: find(of_daemon::SYNC_MAXLEN).and_then(|a| a.as_u16()),
        group: group(of_daemon::MCAST_GROUP, Family::V4).or_else(|| group(of_daemon::MCAST_GROUP6, Family::V6)),
        port: find(of_daemon::MCAST_PORT).and_then(|a| a.as_u16()),
        ttl: find(of_daemon::MCAST_TTL).and_then(|a| a.as_u8()),
    })
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
