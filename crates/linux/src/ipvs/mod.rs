//! IPVS: the kernel's virtual services, asked and changed over generic netlink.
//!
//! Speaks of services and destinations as the kernel has them (linux/ip_vs.h). Which there should be, and what a refusal
//! means, is decided elsewhere.

pub(crate) mod codec;

use crate::SysError;
use crate::netlink::attribute::{Writer, attributes};
use crate::netlink::generic::{self, GenericSocket};
use base::{Family, IfName};
use codec::command;
use nix::errno::Errno;
use std::fmt;
use std::io;
use std::net::IpAddr;

/// The name of the family, and its version.
const FAMILY: &str = "IPVS";
const VERSION: u8 = 1;

/// What the kernel knows a service by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceId {
    /// Protocol, address and port; port 0: all.
    Address {
        /// The number in an IP header.
        protocol: u8,
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// A mark, and the family of what is marked.
    Mark {
        /// The mark.
        mark: u32,
        /// The family.
        family: Family,
    },
}

impl ServiceId {
    /// The family of what comes to it.
    pub fn family(self) -> Family {
        match self {
            ServiceId::Address { address, .. } => Family::of(address),
            ServiceId::Mark { family, .. } => family,
        }
    }
}

/// As ipvsadm writes it.
impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ServiceId::Address {
                protocol,
                address,
                port,
            } => {
                match protocol {
                    6 => f.write_str("TCP ")?,
                    17 => f.write_str("UDP ")?,
                    132 => f.write_str("SCTP ")?,
                    other => write!(f, "protocol {other} ")?,
                }
                match Family::of(address) {
                    Family::V4 => write!(f, "{address}:{port}"),
                    Family::V6 => write!(f, "[{address}]:{port}"),
                }
            }
            ServiceId::Mark { mark, family } => write!(f, "FWM {mark} {family}"),
        }
    }
}

/// How the kernel treats a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The scheduler.
    pub scheduler: String,
    /// Flags of the scheduler: 0x08, 0x10 and 0x20.
    pub scheduler_flags: u32,
    /// Every packet is scheduled for itself.
    pub one_packet: bool,
    /// Seconds of persistence; `None`: not persistent.
    pub persistence: Option<u32>,
    /// Which clients are one: a mask of IPv4, or bits of IPv6.
    pub netmask: u32,
    /// The persistence engine.
    pub engine: Option<String>,
}

/// How packets reach a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Masquerading.
    Nat,
    /// Direct routing.
    Direct,
    /// Inside another packet.
    Tunnel {
        /// 0: IP in IP, 1: GUE, 2: GRE.
        kind: u8,
        /// The port of GUE; 0: none.
        port: u16,
        /// 1: checksum, 2: remote checksum.
        flags: u16,
    },
    /// Something only the kernel uses: local or bypass.
    Other(u32),
}

/// How the kernel treats a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// How packets reach it.
    pub method: Method,
    /// Its weight.
    pub weight: u32,
    /// Connections above which it gets no new ones; 0: none.
    pub upper_threshold: u32,
    /// Connections below which it gets new ones again; 0: none.
    pub lower_threshold: u32,
}

/// What has gone through a service or a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections.
    pub connections: u64,
    /// Packets in.
    pub packets_in: u64,
    /// Packets out.
    pub packets_out: u64,
    /// Bytes in.
    pub bytes_in: u64,
    /// Bytes out.
    pub bytes_out: u64,
    /// The same five in each second, as the kernel estimates.
    pub rates: [u64; 5],
}

/// A service that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundService {
    /// What it is known by.
    pub id: ServiceId,
    /// How it is treated.
    pub service: Service,
    /// What went through it.
    pub traffic: Traffic,
}

/// A destination that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundDestination {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// How it is treated.
    pub destination: Destination,
    /// Connections that are active.
    pub active: u32,
    /// Connections that are not.
    pub inactive: u32,
    /// What went to it.
    pub traffic: Traffic,
}

/// A change of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A new service.
    AddService(ServiceId, Service),
    /// A service that is there.
    EditService(ServiceId, Service),
    /// A service with all its destinations.
    RemoveService(ServiceId),
    /// A new destination, by address and port.
    AddDestination(ServiceId, IpAddr, u16, Destination),
    /// A destination that is there.
    EditDestination(ServiceId, IpAddr, u16, Destination),
    /// A destination that is to go.
    RemoveDestination(ServiceId, IpAddr, u16),
    /// Everything, whoever made it.
    Flush,
}

impl Request {
    /// What it does, completing "cannot ...", and to what.
    pub fn describe(&self) -> (&'static str, String) {
        let member = |id: &ServiceId, address: &IpAddr, port: &u16| format!("{address} port {port} of {id}");
        match self {
            Request::AddService(id, _) => ("add virtual service", id.to_string()),
            Request::EditService(id, _) => ("change virtual service", id.to_string()),
            Request::RemoveService(id) => ("remove virtual service", id.to_string()),
            Request::AddDestination(id, address, port, _) => ("add destination", member(id, address, port)),
            Request::EditDestination(id, address, port, _) => ("change destination", member(id, address, port)),
            Request::RemoveDestination(id, address, port) => ("remove destination", member(id, address, port)),
            Request::Flush => ("flush the table of virtual services", String::new()),
        }
    }
}

impl generic::Request for Request {
    fn command(&self) -> u8 {
        match self {
            Request::AddService(..) => command::NEW_SERVICE,
            Request::EditService(..) => command::SET_SERVICE,
            Request::RemoveService(_) => command::DEL_SERVICE,
            Request::AddDestination(..) => command::NEW_DEST,
            Request::EditDestination(..) => command::SET_DEST,
            Request::RemoveDestination(..) => command::DEL_DEST,
            Request::Flush => command::FLUSH,
        }
    }

    fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Request::AddService(id, service) | Request::EditService(id, service) => {
                codec::service(writer, *id, Some(service));
            }
            Request::RemoveService(id) => codec::service(writer, *id, None),
            Request::AddDestination(id, address, port, to) | Request::EditDestination(id, address, port, to) => {
                codec::service(writer, *id, None);
                codec::destination(writer, *address, *port, Some(to));
            }
            Request::RemoveDestination(id, address, port) => {
                codec::service(writer, *id, None);
                codec::destination(writer, *address, *port, None);
            }
            Request::Flush => {}
        }
    }
}

/// Seconds after which idle connections are forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Established TCP.
    pub tcp: u32,
    /// Closing TCP.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

/// The direction of a sync daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// Tells connections.
    Master,
    /// Hears of them.
    Backup,
}

/// A sync daemon; `None` and 0: the kernel's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncDaemon {
    /// Its direction.
    pub state: SyncState,
    /// The interface it speaks on.
    pub interface: IfName,
    /// Which daemons understand each other.
    pub id: u8,
    /// The longest packet, in bytes.
    pub max_len: Option<u16>,
    /// The group it speaks to.
    pub group: Option<IpAddr>,
    /// The port.
    pub port: Option<u16>,
    /// The time to live of its packets.
    pub ttl: Option<u8>,
}

/// The table of virtual services.
pub struct IpvsSocket {
    socket: GenericSocket,
}

impl IpvsSocket {
    /// Opens the table of the network namespace of the caller. ENOENT: the module `ip_vs` is not loaded.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn open() -> Result<IpvsSocket, SysError> {
        let socket = GenericSocket::open(FAMILY, VERSION)?;
        Ok(IpvsSocket { socket })
    }

    /// Makes room for answers of at least so many bytes.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn reserve(&self, bytes: u32) -> Result<(), SysError> {
        self.socket.reserve(bytes)
    }

    /// Carries out changes in their order, many in one system call. The refusals, each with the place of its request.
    ///
    /// # Errors
    /// The kernel could not be asked, or its answers were lost: look at the table again.
    pub fn carry_out(&mut self, requests: &[Request]) -> Result<Vec<(usize, io::Error)>, SysError> {
        let failed = |errno: Errno| SysError::new("change the virtual services", "", errno);
        self.socket.carry_out(requests).map_err(failed)
    }

    /// All services.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn services(&mut self) -> Result<Vec<FoundService>, SysError> {
        let mut found = Vec::new();
        self.socket
            .dump(
                command::GET_SERVICE,
                |_| {},
                |payload| found.extend(codec::read_service(payload)),
            )
            .map_err(|errno| SysError::new("list the virtual services", "", errno))?;
        Ok(found)
    }

    /// The destinations of a service.
    ///
    /// # Errors
    /// The kernel's reason; ESRCH: there is no such service.
    pub fn destinations(&mut self, id: ServiceId) -> Result<Vec<FoundDestination>, SysError> {
        let mut found = Vec::new();
        let body = |writer: &mut Writer<'_>| codec::service(writer, id, None);
        self.socket
            .dump(command::GET_DEST, body, |payload| {
                found.extend(codec::read_destination(payload, id.family()));
            })
            .map_err(|errno| SysError::new("list the destinations of", id, errno))?;
        Ok(found)
    }

    /// The timeouts.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn timeouts(&mut self) -> Result<Timeouts, SysError> {
        let mut timeouts = Timeouts::default();
        self.socket
            .ask(
                command::GET_CONFIG,
                |_| {},
                |attribute| codec::read_timeout(attribute, &mut timeouts),
            )
            .map_err(|errno| SysError::new("read the timeouts of IPVS", "", errno))?;
        Ok(timeouts)
    }

    /// Sets the timeouts; 0 leaves one as it is.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), SysError> {
        let body = |writer: &mut Writer<'_>| codec::timeouts(writer, timeouts);
        self.socket
            .ask(command::SET_CONFIG, body, |_| {})
            .map_err(|errno| SysError::new("set the timeouts of IPVS", "", errno))
    }

    /// Starts a sync daemon.
    ///
    /// # Errors
    /// The kernel's reason; EEXIST: there is one of this direction.
    pub fn start_sync(&mut self, daemon: &SyncDaemon) -> Result<(), SysError> {
        let body = |writer: &mut Writer<'_>| codec::daemon(writer, daemon);
        self.socket
            .ask(command::NEW_DAEMON, body, |_| {})
            .map_err(|errno| SysError::new("start the IPVS sync daemon on", daemon.interface, errno))
    }

    /// Stops the sync daemon of a direction.
    ///
    /// # Errors
    /// The kernel's reason; ESRCH: there is none.
    pub fn stop_sync(&mut self, daemon: &SyncDaemon) -> Result<(), SysError> {
        let body = |writer: &mut Writer<'_>| codec::daemon(writer, daemon);
        self.socket
            .ask(command::DEL_DAEMON, body, |_| {})
            .map_err(|errno| SysError::new("stop the IPVS sync daemon on", daemon.interface, errno))
    }

    /// The sync daemons that run.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, SysError> {
        let mut found = Vec::new();
        self.socket
            .dump(
                command::GET_DAEMON,
                |_| {},
                |payload| found.extend(attributes(payload).filter_map(codec::read_daemon)),
            )
            .map_err(|errno| SysError::new("list the IPVS sync daemons", "", errno))?;
        Ok(found)
    }
}

#[cfg(test)]
mod kernel_tests;
