//! The kernel's table of virtual services as a value: what it holds, and what it should hold.
//!
//! Decides how a virtual server becomes services: one for its address or mark, one for each address and mark of a group.
//! It does not know how a table is read or changed.

use crate::config::{
    Endpoint, Entry, Forwarding, Granularity, Group, Protocol, Scheduler, SchedulerFlags, Service, Target,
};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::Family;
use core::fmt;
use core::net::IpAddr;
use core::num::NonZeroU32;

/// Most services one virtual server becomes. A range may name 2^127 addresses; what is beyond the limit is not set up,
/// which [`Services::left_out`] tells.
pub const SERVICES: usize = 65_536;

/// What the kernel knows a service by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Virtual {
    /// Protocol, address and port; port 0: every port.
    Address {
        /// The protocol.
        protocol: Protocol,
        /// The address and port.
        at: Endpoint,
    },
    /// A mark, and the family of what is marked.
    Mark {
        /// The mark.
        mark: u32,
        /// The family.
        family: Family,
    },
}

impl Virtual {
    /// The family of what comes to it.
    pub fn family(self) -> Family {
        match self {
            Virtual::Address { at, .. } => at.family(),
            Virtual::Mark { family, .. } => family,
        }
    }

    /// The port a destination gets that has none of its own.
    pub const fn port(self) -> u16 {
        match self {
            Virtual::Address { at, .. } => at.port,
            Virtual::Mark { .. } => 0,
        }
    }
}

/// As ipvsadm writes it.
impl fmt::Display for Virtual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Virtual::Address { protocol, at } => match at.family() {
                Family::V4 => write!(f, "{protocol} {}:{}", at.address, at.port),
                Family::V6 => write!(f, "{protocol} [{}]:{}", at.address, at.port),
            },
            Virtual::Mark { mark, family } => write!(f, "fwm {mark} {family}"),
        }
    }
}

/// How the kernel treats a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its scheduler, by name: somebody else's service may have one we do not know.
    pub scheduler: Arc<str>,
    /// What the scheduler is told.
    pub flags: SchedulerFlags,
    /// Every packet is scheduled for itself.
    pub one_packet: bool,
    /// Seconds a client stays with its destination.
    pub persistence: Option<NonZeroU32>,
    /// Which clients are one.
    pub granularity: Granularity,
    /// The persistence engine.
    pub engine: Option<Arc<str>>,
}

/// How the kernel treats a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// Its weight; 0: no new connections.
    pub weight: u32,
    /// Connections above which it gets no new ones; 0: none.
    pub upper_threshold: u32,
    /// Connections below which it gets new ones again; 0: none.
    pub lower_threshold: u32,
}

/// A service with its destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// How it is treated.
    pub definition: Definition,
    /// Where its packets go, by address and port.
    pub destinations: BTreeMap<Endpoint, Destination>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The services.
    pub pools: BTreeMap<Virtual, Pool>,
}

/// The services of one virtual server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// What the kernel knows them by, each once.
    pub all: Vec<Virtual>,
    /// There would be more than [`SERVICES`].
    pub left_out: bool,
}

impl Services {
    /// The services of a virtual server; `group` is that of its target, if it has one.
    pub fn of(service: &Service, group: Option<&Group>) -> Services {
        let mut services = Services::default();
        match (&service.key.target, group) {
            (Target::Address { at, .. }, _) => {
                let protocol = service.protocol.unwrap_or(Protocol::Udp);
                services.push(Virtual::Address { protocol, at: *at });
            }
            (Target::Mark { mark, family }, _) => {
                let family = family.or(service.family).unwrap_or(Family::V4);
                services.push(Virtual::Mark { mark: *mark, family });
            }
            (Target::Group(_), Some(group)) => {
                for entry in &group.entries {
                    services.of_entry(service, *entry);
                }
            }
            (Target::Group(_), None) => {}
        }
        services.all.sort_unstable();
        services.all.dedup();
        services
    }

    /// The services of a virtual server whose group has this mark instead of its addresses: one for each family.
    pub fn marked(group: &Group, mark: u32) -> Services {
        let families = group.summary.families;
        let present = [(families.v4, Family::V4), (families.v6, Family::V6)];
        let present = present.into_iter().filter(|(present, _)| *present);
        Services {
            all: present.map(|(_, family)| Virtual::Mark { mark, family }).collect(),
            left_out: false,
        }
    }

    /// Whether any of its addresses is on this machine, for `ha_suspend`. Marks say nothing of that.
    pub fn is_here(&self, mut has: impl FnMut(IpAddr) -> bool) -> bool {
        self.all.iter().any(|service| match service {
            Virtual::Address { at, .. } => has(at.address),
            Virtual::Mark { .. } => false,
        })
    }

    fn of_entry(&mut self, service: &Service, entry: Entry) {
        match entry {
            Entry::Mark { mark, family } => {
                let family = family.or(service.family).unwrap_or(Family::V4);
                self.push(Virtual::Mark { mark, family });
            }
            Entry::Range(range) => {
                let protocol = service.protocol.unwrap_or(Protocol::Udp);
                for address in range.addresses() {
                    let at = Endpoint::new(address, range.port());
                    self.push(Virtual::Address { protocol, at });
                    if self.left_out {
                        return;
                    }
                }
            }
        }
    }

    fn push(&mut self, service: Virtual) {
        if self.all.len() < SERVICES {
            self.all.push(service);
        } else {
            self.left_out = true;
        }
    }
}

impl Definition {
    /// How a service of this family is treated for a virtual server.
    pub fn of(service: &Service, family: Family) -> Definition {
        let whole = match family {
            Family::V4 => Granularity::V4(u32::MAX),
            Family::V6 => Granularity::V6(128),
        };
        Definition {
            scheduler: scheduler_name(service.scheduler),
            flags: service.flags,
            one_packet: service.one_packet,
            persistence: service.persistence,
            granularity: service.granularity.filter(|g| g.family() == family).unwrap_or(whole),
            engine: service.engine.clone(),
        }
    }
}

fn scheduler_name(scheduler: Scheduler) -> Arc<str> {
    Arc::from(scheduler.as_str())
}

impl Table {
    /// Adds a virtual server with the destinations it has now. Services that several virtual servers share have the
    /// definition of the first and the destinations of all.
    pub fn add(&mut self, service: &Service, services: &Services, destinations: &[(Endpoint, Destination)]) {
        let definitions = [Family::V4, Family::V6].map(|family| Definition::of(service, family));
        let [of_v4, of_v6] = &definitions;
        for &kernel in &services.all {
            let definition = match kernel.family() {
                Family::V4 => of_v4,
                Family::V6 => of_v6,
            };
            let pool = self.pools.entry(kernel).or_insert_with(|| Pool {
                definition: definition.clone(),
                destinations: BTreeMap::new(),
            });
            for &(at, destination) in destinations {
                let fits = at.family() == kernel.family() || destination.forwarding.crosses_families();
                if fits {
                    let at = placed(at, destination.forwarding, kernel);
                    pool.destinations.entry(at).or_insert(destination);
                }
            }
        }
    }
}

/// Where a destination is in a service: only NAT lets it have a port of its own.
fn placed(at: Endpoint, forwarding: Forwarding, kernel: Virtual) -> Endpoint {
    let own = forwarding.has_port() && at.port != 0;
    Endpoint::new(at.address, if own { at.port } else { kernel.port() })
}
