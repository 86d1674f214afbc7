//! Who is who: virtual servers and their real servers by what they are, never by where they stand in a file.

use alloc::sync::Arc;
use base::Family;
use core::fmt;
use core::net::IpAddr;

/// The name of a `virtual_server_group`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for GroupName {
    fn from(text: &str) -> GroupName {
        GroupName(Arc::from(text))
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A transport protocol that can be balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The number in an IP header.
    pub const fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }

    /// The protocol of a number.
    pub const fn of_number(number: u16) -> Option<Protocol> {
        match number {
            6 => Some(Protocol::Tcp),
            17 => Some(Protocol::Udp),
            132 => Some(Protocol::Sctp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        })
    }
}

/// An address and a port; port 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint.
    pub const fn new(address: IpAddr, port: u16) -> Endpoint {
        Endpoint { address, port }
    }

    /// The family of the address.
    pub fn family(self) -> Family {
        Family::of(self.address)
    }
}

/// What a virtual server is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `virtual_server ADDR [PORT]`.
    Address {
        /// Where clients connect.
        at: Endpoint,
        /// `protocol`; `None` before the default is applied.
        protocol: Option<Protocol>,
    },
    /// `virtual_server fwmark N`.
    Mark {
        /// The mark.
        mark: u32,
        /// The family of what is marked; `None` before it is known.
        family: Option<Family>,
    },
    /// `virtual_server group NAME`.
    Group(GroupName),
}

/// The identity of a virtual server across reloads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is known by.
    pub target: Target,
    /// Numbers those with the same target, from 0 in the order of the configuration.
    pub sequence: u32,
}

/// The name in logs, FIFOs and mails: `[ADDR]:tcp:80`, `FWM N` or `[GROUP]:SEQ`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Address { at, protocol } => Named::of(*at, *protocol).fmt(f),
            Target::Mark { mark, .. } => write!(f, "FWM {mark}"),
            Target::Group(name) => write!(f, "[{name}]:{}", self.sequence),
        }
    }
}

/// A server as logs, FIFOs and mails show it: `[ADDR]:tcp:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    at: Endpoint,
    protocol: Option<Protocol>,
}

impl Named {
    /// A server of a service with this protocol.
    pub const fn of(at: Endpoint, protocol: Option<Protocol>) -> Named {
        Named { at, protocol }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoint { address, port } = self.at;
        match self.protocol {
            Some(protocol) => write!(f, "[{address}]:{protocol}:{port}"),
            None => write!(f, "[{address}]:none:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_are_written_as_scripts_expect_them() {
        let at = Endpoint::new("10.0.0.1".parse().unwrap(), 80);
        let key = |target| Key { target, sequence: 2 };
        let address = Target::Address {
            at,
            protocol: Some(Protocol::Tcp),
        };
        assert_eq!(key(address).to_string(), "[10.0.0.1]:tcp:80");
        let mark = Target::Mark { mark: 7, family: None };
        assert_eq!(key(mark).to_string(), "FWM 7");
        assert_eq!(key(Target::Group("web".into())).to_string(), "[web]:2");
        let six = Endpoint::new("fd00::1".parse().unwrap(), 0);
        assert_eq!(Named::of(six, None).to_string(), "[fd00::1]:none:0");
    }

    #[test]
    fn protocols_have_the_numbers_of_ip_headers() {
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
            assert_eq!(
                Protocol::of_number(u16::from(protocol.number())),
                Some(protocol),
                "{protocol}"
            );
        }
        assert_eq!(Protocol::of_number(1), None);
    }
}
