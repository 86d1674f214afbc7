//! What the role reports of itself to the manage role: the director's view, with what the kernel counted.

use super::{Role, convert};
use crate::status::{CheckStatus, RealStatus, ServiceStatus, Traffic, Wish, service_name};
use base::Instant;
use director::ServerStatus;
use linux::SysError;
use linux::ipvs::{self, IpvsSocket};
use lvs::config::{Endpoint, Settings};
use lvs::table::Virtual;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How old counters may be unless the configuration says otherwise.
const USUAL_AGE: Duration = Duration::from_secs(5);

/// What the kernel counted, as it was at one moment.
#[derive(Debug, Default)]
pub(super) struct Counted {
    services: BTreeMap<Virtual, Traffic>,
    servers: BTreeMap<(Virtual, Endpoint), (u32, u32, Traffic)>,
    until: Option<Instant>,
}

impl Counted {
    /// Counts again if it was too long ago. What cannot be asked stays as it was.
    pub(super) fn renew(
        &mut self,
        now: Instant,
        settings: &Settings,
        socket: Option<&mut IpvsSocket>,
        ours: &BTreeSet<Virtual>,
    ) -> Result<(), SysError> {
        let Some(socket) = socket.filter(|_| self.until.is_none_or(|until| until <= now)) else {
            return Ok(());
        };
        // One question gives both kinds of counters: the shorter of both ages counts.
        let of_services = settings.service_stats_age.unwrap_or(USUAL_AGE);
        let age = settings.real_stats_age.unwrap_or(of_services).min(of_services);
        self.until = Some(now.after(age));
        let (mut services, mut servers) = (BTreeMap::new(), BTreeMap::new());
        for found in socket.services()? {
            let Some(service) = convert::service(found.id).filter(|service| ours.contains(service)) else {
                continue;
            };
            services.insert(service, traffic(&found.traffic));
            for one in socket.destinations(found.id)? {
                let at = Endpoint::new(one.address, one.port);
                servers.insert((service, at), (one.active, one.inactive, traffic(&one.traffic)));
            }
        }
        (self.services, self.servers) = (services, servers);
        Ok(())
    }

    /// Of a server in all services of a virtual server together; `None`: it is in none.
    fn of_server(&self, services: &[Virtual], at: Endpoint) -> Option<(u32, u32, Traffic)> {
        let mut sum = None;
        for service in services {
            let port = if at.port == 0 { service.port() } else { at.port };
            let placed = (*service, Endpoint::new(at.address, port));
            if let Some((active, inactive, traffic)) = self.servers.get(&placed) {
                let (a, i, t): &mut (u32, u32, Traffic) = sum.get_or_insert_default();
                *a = a.saturating_add(*active);
                *i = i.saturating_add(*inactive);
                t.add(traffic);
            }
        }
        sum
    }
}

fn traffic(found: &ipvs::Traffic) -> Traffic {
    Traffic {
        connections: found.connections,
        packets_in: found.packets_in,
        packets_out: found.packets_out,
        bytes_in: found.bytes_in,
        bytes_out: found.bytes_out,
        rates: found.rates,
    }
}

impl Role {
    /// Everything, as it is now.
    pub(super) fn report(&mut self, now: Instant) -> CheckStatus {
        if let Err(error) = self.kernel.count(now) {
            self.reporter.error(error);
        }
        let counted = self.kernel.counted();
        let servers = &self.servers;
        let services = self.engine.status().map(|status| {
            let sorry = servers
                .services
                .get(status.key)
                .and_then(|server| server.service.sorry.as_ref());
            let sorry = sorry.map(|sorry| real(counted, &status, sorry.at, status.sorry));
            service(counted, &status, sorry)
        });
        CheckStatus {
            services: services.collect(),
        }
    }
}

impl Role {
    /// Gives a real server another weight: like a reload of a file that says it, until the next reload of the real one.
    pub(super) fn set(&mut self, now: Instant, wish: &Wish) {
        let Wish::Weight {
            service,
            address,
            port,
            weight,
        } = wish
        else {
            return;
        };
        let mut config = self.engine.config().clone();
        let mut servers = config.servers.iter_mut();
        let Some((key, server)) = servers.find(|(key, _)| service_name(key) == *service) else {
            return;
        };
        let mut reals = Arc::make_mut(&mut server.service).reals.iter_mut();
        let at = Endpoint::new(*address, *port);
        let Some(real) = reals.find(|real| real.at == at) else {
            return;
        };
        real.weight = *weight;
        let text = format!(
            "{wish} of RS {} of VS {key} has been set by SNMP",
            server.service.named(at)
        );
        self.reporter.info(text);
        self.engine.reconfigure(now, config, &mut self.actions);
    }
}

fn service(counted: &Counted, status: &ServerStatus<'_>, sorry: Option<RealStatus>) -> ServiceStatus {
    let mut sum = Traffic::default();
    let mut alive = false;
    for found in status
        .services
        .iter()
        .filter_map(|service| counted.services.get(service))
    {
        alive = true;
        sum.add(found);
    }
    let reals = status.reals.iter().map(|one| RealStatus {
        weight: one.weight,
        failed_checks: one.failed_checks,
        waiting_checks: one.waiting_checks,
        ..real(counted, status, one.at, one.up)
    });
    ServiceStatus {
        name: service_name(status.key),
        quorum: status.quorum,
        alive,
        traffic: sum,
        reals: reals.collect(),
        sorry,
    }
}

fn real(counted: &Counted, status: &ServerStatus<'_>, at: Endpoint, up: bool) -> RealStatus {
    let (active, inactive, traffic) = counted.of_server(status.services, at).unwrap_or_default();
    RealStatus {
        address: at.address,
        port: at.port,
        up,
        weight: 0,
        failed_checks: 0,
        waiting_checks: 0,
        active,
        inactive,
        traffic,
    }
}
