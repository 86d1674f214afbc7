//! The table of the pure crate as the kernel has it, and back.

use linux::ipvs::{Destination as Placed, FoundDestination, FoundService, Method, Request, Service, ServiceId};
use lvs::config::{Checksum, Endpoint, Forwarding, Granularity, Protocol, SchedulerFlags, Tunnel, TunnelKind};
use lvs::plan::Step;
use lvs::table::{Definition, Destination, Virtual};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

/// What the kernel knows a service by.
pub(super) fn id(service: Virtual) -> ServiceId {
    match service {
        Virtual::Address { protocol, at } => ServiceId::Address {
            protocol: protocol.number(),
            address: at.address,
            port: at.port,
        },
        Virtual::Mark { mark, family } => ServiceId::Mark { mark, family },
    }
}

/// The service of an id; `None`: of a protocol we know nothing of.
pub(super) fn service(id: ServiceId) -> Option<Virtual> {
    Some(match id {
        ServiceId::Address {
            protocol,
            address,
            port,
        } => Virtual::Address {
            protocol: Protocol::of_number(protocol.into())?,
            at: Endpoint::new(address, port),
        },
        ServiceId::Mark { mark, family } => Virtual::Mark { mark, family },
    })
}

fn treated(definition: &Definition) -> Service {
    Service {
        scheduler: definition.scheduler.to_string(),
        scheduler_flags: definition.flags.bits(),
        one_packet: definition.one_packet,
        persistence: definition.persistence.map(NonZeroU32::get),
        netmask: match definition.granularity {
            Granularity::V4(mask) => mask,
            Granularity::V6(bits) => bits.into(),
        },
        engine: definition.engine.as_deref().map(str::to_owned),
    }
}

/// How a service that was found is treated.
pub(super) fn definition(found: &FoundService) -> Definition {
    let service = &found.service;
    Definition {
        scheduler: Arc::from(service.scheduler.as_str()),
        flags: SchedulerFlags::from_bits_truncate(service.scheduler_flags),
        one_packet: service.one_packet,
        persistence: service.persistence.and_then(NonZeroU32::new),
        granularity: match found.id.family() {
            base::Family::V4 => Granularity::V4(service.netmask),
            base::Family::V6 => Granularity::V6(u8::try_from(service.netmask).unwrap_or(u8::MAX)),
        },
        engine: service.engine.as_deref().map(Arc::from),
    }
}

fn placed(destination: &Destination) -> Placed {
    Placed {
        method: match destination.forwarding {
            Forwarding::Nat => Method::Nat,
            Forwarding::Direct => Method::Direct,
            Forwarding::Tunnel(tunnel) => {
                let (kind, port) = match tunnel.kind {
                    TunnelKind::Ipip => (0, 0),
                    TunnelKind::Gue { port } => (1, port.get()),
                    TunnelKind::Gre => (2, 0),
                };
                let flags = match tunnel.checksum {
                    Checksum::None => 0,
                    Checksum::Full => 1,
                    Checksum::Remote => 2,
                };
                Method::Tunnel { kind, port, flags }
            }
        },
        weight: destination.weight,
        upper_threshold: destination.upper_threshold,
        lower_threshold: destination.lower_threshold,
    }
}

/// A destination that was found; `None`: it is reached in a way that cannot be configured.
pub(super) fn destination(found: &FoundDestination) -> Option<(Endpoint, Destination)> {
    let to = found.destination;
    let forwarding = match to.method {
        Method::Nat => Forwarding::Nat,
        Method::Direct => Forwarding::Direct,
        Method::Tunnel { kind, port, flags } => Forwarding::Tunnel(Tunnel {
            kind: match kind {
                0 => TunnelKind::Ipip,
                1 => TunnelKind::Gue {
                    port: NonZeroU16::new(port)?,
                },
                2 => TunnelKind::Gre,
                _ => return None,
            },
            checksum: match flags {
                0 => Checksum::None,
                1 => Checksum::Full,
                2 => Checksum::Remote,
                _ => return None,
            },
        }),
        Method::Other(_) => return None,
    };
    let destination = Destination {
        forwarding,
        weight: to.weight,
        upper_threshold: to.upper_threshold,
        lower_threshold: to.lower_threshold,
    };
    Some((Endpoint::new(found.address, found.port), destination))
}

/// A step as the kernel is asked for it.
pub(super) fn request(step: &Step) -> Request {
    match step {
        Step::AddService(service, definition) => Request::AddService(id(*service), treated(definition)),
        Step::EditService(service, definition) => Request::EditService(id(*service), treated(definition)),
        Step::RemoveService(service) => Request::RemoveService(id(*service)),
        Step::AddDestination(service, at, to) => Request::AddDestination(id(*service), at.address, at.port, placed(to)),
        Step::EditDestination(service, at, to) => {
            Request::EditDestination(id(*service), at.address, at.port, placed(to))
        }
        Step::RemoveDestination(service, at) => Request::RemoveDestination(id(*service), at.address, at.port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux::ipvs::Traffic;

    #[test]
    fn every_destination_comes_back_as_it_went() {
        let tunnel = |kind, checksum| Forwarding::Tunnel(Tunnel { kind, checksum });
        let port = NonZeroU16::new(6080).unwrap();
        let all = [
            Forwarding::Nat,
            Forwarding::Direct,
            tunnel(TunnelKind::Ipip, Checksum::None),
            tunnel(TunnelKind::Gue { port }, Checksum::Remote),
            tunnel(TunnelKind::Gre, Checksum::Full),
        ];
        for forwarding in all {
            let at = Endpoint::new([10, 0, 0, 1].into(), 80);
            let wanted = Destination {
                forwarding,
                weight: 3,
                upper_threshold: 7,
                lower_threshold: 5,
            };
            let found = FoundDestination {
                address: at.address,
                port: at.port,
                destination: placed(&wanted),
                active: 0,
                inactive: 0,
                traffic: Traffic::default(),
            };
            assert_eq!(destination(&found), Some((at, wanted)));
        }
    }

    #[test]
    fn every_service_comes_back_as_it_went() {
        let of = |granularity| Definition {
            scheduler: "sh".into(),
            flags: SchedulerFlags::ONE | SchedulerFlags::TWO,
            one_packet: true,
            persistence: NonZeroU32::new(360),
            granularity,
            engine: Some("sip".into()),
        };
        let at = Endpoint::new([192, 0, 2, 1].into(), 53);
        let marked = Virtual::Mark {
            mark: 7,
            family: base::Family::V6,
        };
        let address = Virtual::Address {
            protocol: Protocol::Udp,
            at,
        };
        for (known, granularity) in [(address, Granularity::V4(0xffff_ff00)), (marked, Granularity::V6(64))] {
            let wanted = of(granularity);
            let found = FoundService {
                id: id(known),
                service: treated(&wanted),
                traffic: Traffic::default(),
            };
            assert_eq!((service(found.id), definition(&found)), (Some(known), wanted));
        }
    }
}
