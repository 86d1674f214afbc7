//! Virtual interfaces on top of others: macvlan with a virtual MAC, and ipvlan.
//!
//! Creates them, adopts what an earlier run left, switches them on and removes them. The kernel keeps, as the alias of
//! the interface, whose it is and what settings were before ([`sysctl::Before`]): a run after a crash finds that with
//! the interface and nowhere else. Does not know why somebody wants an interface, nor when.
//!
//! A request is answered before the call returns: the kernel works through what it is sent, and the answer lies in the
//! socket. Removing an interface takes the kernel some milliseconds.

pub mod sysctl;
pub mod vrf;

use crate::SysError;
use crate::interface::decode::{attributes_of, number, text};
use crate::netlink::socket::{Arrival, RouteSocket, error_code, messages, os_error};
use base::{Family, IfIndex, IfName, MacAddr, Prefix};
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, IpVlanFlags, IpVlanMode, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage, MacVlanMode,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

/// Bytes of answers that may wait: each request is answered before the next.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// From linux/if_link.h.
const IFLA_MACVLAN_MODE: u16 = 1;

/// The longest alias the kernel takes (IFALIASZ, less the end of the string).
pub const MAX_ALIAS: usize = 255;

/// What sort of interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A macvlan in private mode with this hardware address.
    Macvlan(MacAddr),
    /// An ipvlan of layer 2; it has the hardware address of its parent.
    Ipvlan(IpvlanMode),
}

/// Which other ipvlan interfaces of the same parent one can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpvlanMode {
    /// All.
    Bridge,
    /// None.
    Private,
    /// Those an outside switch sends back to.
    Vepa,
}

/// An interface to be made. It is not switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// Its name.
    pub name: IfName,
    /// What it is based on.
    pub parent: IfIndex,
    /// What sort.
    pub kind: Kind,
    /// The group of interfaces it belongs to; `None`: the kernel's default, 0.
    pub group: Option<u32>,
    /// The VRF it belongs to.
    pub master: Option<IfIndex>,
    /// Whose it is, and what settings were before; cut to [`MAX_ALIAS`] bytes.
    pub alias: String,
}

/// An interface as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// The kernel's number.
    pub index: IfIndex,
    /// What sort of virtual interface it is; `None` for hardware.
    pub kind: Option<String>,
    /// What it is based on.
    pub parent: Option<IfIndex>,
    /// The hardware address, if it is an Ethernet one.
    pub mac: Option<MacAddr>,
    /// Whether a macvlan is in private mode.
    pub private: bool,
    /// The group of interfaces it belongs to.
    pub group: u32,
    /// The VRF or bridge it belongs to.
    pub master: Option<IfIndex>,
    /// The alias.
    pub alias: String,
}

/// What has to be done so that an interface is as wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is as wanted.
    Keep,
    /// It is of the right sort on the right parent: correct the rest.
    Adjust,
    /// There is none: make it.
    Create,
    /// It is one of the right sort in the wrong place: remove it and make it anew.
    Replace,
    /// Something else has the name; it is not ours to remove.
    Refuse,
}

/// What has to be done, given what there is under the name.
pub fn plan(wanted: &NewLink, found: Option<&Existing>) -> Step {
    let Some(found) = found else { return Step::Create };
    let (kind, ready) = match wanted.kind {
        Kind::Macvlan(mac) => ("macvlan", found.mac == Some(mac) && found.private),
        Kind::Ipvlan(_) => ("ipvlan", true),
    };
    if found.kind.as_deref() != Some(kind) {
        return Step::Refuse;
    }
    if found.parent != Some(wanted.parent) {
        return Step::Replace;
    }
    let same_group = wanted.group.is_none_or(|group| group == found.group);
    if ready && same_group && found.master == wanted.master && found.alias == wanted.alias {
        Step::Keep
    } else {
        Step::Adjust
    }
}

/// Asks for changes to interfaces, one at a time.
pub struct LinkSocket {
    socket: RouteSocket,
    buffer: Vec<u8>,
}

impl LinkSocket {
    /// Opens the socket in the network namespace of the calling thread.
    pub fn open() -> Result<LinkSocket, SysError> {
        Ok(LinkSocket {
            socket: RouteSocket::open(0, RECEIVE_BUFFER)?,
            buffer: vec![0; RECEIVE_BUFFER],
        })
    }

    /// What there is under a name.
    pub fn find(&mut self, name: IfName) -> Result<Option<Existing>, SysError> {
        let failed = |errno: Errno| SysError::new("look for interface", name, os_error(errno));
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
        match self.ask(RouteNetlinkMessage::GetLink(message), NLM_F_REQUEST) {
            Ok(found) => Ok(found),
            Err(Errno::ENODEV) => Ok(None),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// What there is under a number.
    pub fn find_number(&mut self, index: IfIndex) -> Result<Option<Existing>, SysError> {
        let mut message = LinkMessage::default();
        message.header.index = index.0;
        match self.ask(RouteNetlinkMessage::GetLink(message), NLM_F_REQUEST) {
            Ok(found) => Ok(found),
            Err(Errno::ENODEV) => Ok(None),
            Err(errno) => Err(SysError::new("look for interface number", index.0, os_error(errno))),
        }
    }

    /// Sets the group an interface is in already: whoever watches interfaces is told of it.
    pub fn touch(&mut self, index: IfIndex, name: IfName, group: u32) -> Result<(), SysError> {
        let mut message = LinkMessage::default();
        message.header.index = index.0;
        message.attributes.push(LinkAttribute::Group(group));
        let message = RouteNetlinkMessage::NewLink(message);
        self.change(message, NLM_F_REQUEST | NLM_F_ACK, "touch interface", name)
    }

    /// Adds an address to an interface, without duplicate address detection; that it is there is no error.
    pub fn add_address(&mut self, index: IfIndex, name: IfName, address: Prefix) -> Result<(), SysError> {
        let message = self::address(index, address);
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
        match self.ask(RouteNetlinkMessage::NewAddress(message), flags) {
            Ok(_) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => Err(SysError::new("add an address to interface", name, os_error(errno))),
        }
    }

    /// Takes an address from an interface; that it is not there is no error.
    pub fn remove_address(&mut self, index: IfIndex, name: IfName, address: Prefix) -> Result<(), SysError> {
        let message = RouteNetlinkMessage::DelAddress(self::address(index, address));
        match self.ask(message, NLM_F_REQUEST | NLM_F_ACK) {
            Ok(_) | Err(Errno::EADDRNOTAVAIL | Errno::ENODEV) => Ok(()),
            Err(errno) => Err(SysError::new("take an address from interface", name, os_error(errno))),
        }
    }

    /// Makes an interface, switched off. After an error it may be there without its alias: [`plan`] tells.
    pub fn create(&mut self, link: &NewLink) -> Result<(), SysError> {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        let message = RouteNetlinkMessage::NewLink(describe(link, None));
        self.change(message, flags, "create interface", link.name)?;
        // The kernel takes an alias only for an interface that exists.
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::IfName(link.name.as_str().to_owned()));
        message.attributes.push(alias(link));
        let message = RouteNetlinkMessage::NewLink(message);
        self.change(
            message,
            NLM_F_REQUEST | NLM_F_ACK,
            "name the owner of interface",
            link.name,
        )
    }

    /// Corrects an interface that exists: address, mode, group, VRF, alias.
    pub fn adjust(&mut self, index: IfIndex, link: &NewLink) -> Result<(), SysError> {
        let message = RouteNetlinkMessage::NewLink(describe(link, Some(index)));
        self.change(message, NLM_F_REQUEST | NLM_F_ACK, "change interface", link.name)
    }

    /// Switches an interface on.
    pub fn switch_on(&mut self, index: IfIndex, name: IfName) -> Result<(), SysError> {
        let mut message = LinkMessage::default();
        message.header.index = index.0;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        let message = RouteNetlinkMessage::NewLink(message);
        self.change(message, NLM_F_REQUEST | NLM_F_ACK, "switch on interface", name)
    }

    /// Removes an interface; that there is none is no error.
    pub fn remove(&mut self, index: IfIndex, name: IfName) -> Result<(), SysError> {
        let mut message = LinkMessage::default();
        message.header.index = index.0;
        let message = RouteNetlinkMessage::DelLink(message);
        match self.ask(message, NLM_F_REQUEST | NLM_F_ACK) {
            Ok(_) | Err(Errno::ENODEV) => Ok(()),
            Err(errno) => Err(SysError::new("remove interface", name, os_error(errno))),
        }
    }

    fn change(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        doing: &'static str,
        name: IfName,
    ) -> Result<(), SysError> {
        let answer = self.ask(message, flags);
        answer
            .map(|_| ())
            .map_err(|errno| SysError::new(doing, name, os_error(errno)))
    }

    /// Sends one request and reads its answer, which is there when the request is sent.
    fn ask(&mut self, body: RouteNetlinkMessage, flags: u16) -> Result<Option<Existing>, Errno> {
        let sequence = self.socket.take_sequence(1);
        self.socket.send(&encode(body, flags, sequence))?;
        let mut found = None;
        loop {
            let len = match self.socket.receive(&mut self.buffer)? {
                Arrival::Bytes(len) => len,
                // No answer was lost: there is never more than one.
                Arrival::Overrun => continue,
                Arrival::Empty => return found.map(Some).ok_or(Errno::EPROTO),
            };
            for message in messages(self.buffer.get(..len).unwrap_or_default()) {
                if !self.socket.is_answer(&message, sequence) {
                    continue;
                }
                let (kind, payload) = (message.message_type(), message.payload());
                if i32::from(kind) == libc::NLMSG_ERROR {
                    return match error_code(payload) {
                        0 => Ok(found),
                        errno => Err(Errno::from_raw(errno)),
                    };
                }
                if kind == libc::RTM_NEWLINK {
                    found = existing(payload);
                }
            }
        }
    }
}

fn encode(body: RouteNetlinkMessage, flags: u16, sequence: u32) -> Vec<u8> {
    let mut message = NetlinkMessage::from(body);
    message.header.flags = flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// The message that makes a link, or changes the one with this number.
fn describe(link: &NewLink, index: Option<IfIndex>) -> LinkMessage {
    let mut message = LinkMessage::default();
    let attributes = &mut message.attributes;
    match index {
        None => {
            attributes.push(LinkAttribute::IfName(link.name.as_str().to_owned()));
            attributes.push(LinkAttribute::Link(link.parent.0));
        }
        Some(index) => message.header.index = index.0,
    }
    if let Some(group) = link.group {
        attributes.push(LinkAttribute::Group(group));
    }
    match (link.master, index) {
        (Some(master), _) => attributes.push(LinkAttribute::Controller(master.0)),
        (None, Some(_)) => attributes.push(LinkAttribute::Controller(0)),
        (None, None) => {}
    }
    attributes.push(alias(link));
    let info = match link.kind {
        Kind::Macvlan(mac) => {
            attributes.push(LinkAttribute::Address(mac.0.to_vec()));
            let data = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)]);
            vec![LinkInfo::Kind(InfoKind::MacVlan), LinkInfo::Data(data)]
        }
        Kind::Ipvlan(mode) => {
            let flags = match mode {
                IpvlanMode::Bridge => IpVlanFlags::empty(),
                IpvlanMode::Private => IpVlanFlags::Private,
                IpvlanMode::Vepa => IpVlanFlags::Vepa,
            };
            let data = InfoData::IpVlan(vec![InfoIpVlan::Mode(IpVlanMode::L2), InfoIpVlan::Flags(flags)]);
            vec![LinkInfo::Kind(InfoKind::IpVlan), LinkInfo::Data(data)]
        }
    };
    attributes.push(LinkAttribute::LinkInfo(info));
    message
}

fn address(index: IfIndex, address: Prefix) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index.0;
    message.header.prefix_len = address.len();
    message.header.family = match address.family() {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    message.attributes.push(AddressAttribute::Local(address.address()));
    message.attributes.push(AddressAttribute::Address(address.address()));
    if address.family() == Family::V6 {
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    message
}

fn alias(link: &NewLink) -> LinkAttribute {
    let mut alias = link.alias.clone();
    while alias.len() > MAX_ALIAS {
        alias.pop();
    }
    LinkAttribute::IfAlias(alias)
}

/// Reads the few attributes that matter; `None` for what is no description of a link.
pub(crate) fn existing(payload: &[u8]) -> Option<Existing> {
    // struct ifinfomsg.
    let (&[_, _, _, _, i0, i1, i2, i3, _, _, _, _, _, _, _, _], attributes) = payload.split_first_chunk::<16>()?;
    let mut found = Existing {
        index: IfIndex(u32::from_ne_bytes([i0, i1, i2, i3])),
        kind: None,
        parent: None,
        mac: None,
        private: false,
        group: 0,
        master: None,
        alias: String::new(),
    };
    for (kind, value) in attributes_of(attributes) {
        match kind {
            libc::IFLA_LINK => found.parent = number(value).map(IfIndex),
            libc::IFLA_ADDRESS => found.mac = value.try_into().ok().map(MacAddr),
            libc::IFLA_GROUP => found.group = number(value).unwrap_or(0),
            libc::IFLA_MASTER => found.master = number(value).map(IfIndex),
            libc::IFLA_IFALIAS => found.alias = text(value).unwrap_or_default().to_owned(),
            libc::IFLA_LINKINFO => {
                let part = |wanted| attributes_of(value).find(|(kind, _)| *kind == wanted);
                let kind = part(libc::IFLA_INFO_KIND).and_then(|(_, value)| text(value));
                let data = part(libc::IFLA_INFO_DATA).map_or(&[][..], |(_, value)| value);
                let mode = attributes_of(data).find(|(kind, _)| *kind == IFLA_MACVLAN_MODE);
                found.kind = kind.map(str::to_owned);
                found.private = mode.and_then(|(_, value)| number(value)) == Some(u32::from(MacVlanMode::Private));
            }
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod tests;
