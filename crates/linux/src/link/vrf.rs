//! Which VRFs there are, and the routing table of each.
//!
//! Asks once, and knows nothing of what happens afterwards.

use super::{RECEIVE_BUFFER, encode};
use crate::SysError;
use crate::interface::decode::{attributes_of, number, text};
use crate::netlink::socket::{Arrival, RouteSocket, error_code, messages, os_error};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use nix::errno::Errno;
use std::collections::BTreeMap;

/// From linux/if_link.h.
const IFLA_VRF_TABLE: u16 = 1;

/// Parts of an answer that are read; some 30 links are in one.
const PARTS: usize = 100_000;

/// The VRFs of the network namespace of the calling thread, by name, each with its table.
pub fn tables() -> Result<BTreeMap<String, u32>, SysError> {
    let socket = RouteSocket::open(0, RECEIVE_BUFFER)?;
    ask(socket).map_err(|errno| SysError::new("list VRFs", "", os_error(errno)))
}

fn ask(mut socket: RouteSocket) -> Result<BTreeMap<String, u32>, Errno> {
    let mut message = LinkMessage::default();
    // Kernels since 4.5 list only these; others list all, and we look.
    message.attributes = vec![LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vrf)])];
    let sequence = socket.take_sequence(1);
    let request = encode(
        RouteNetlinkMessage::GetLink(message),
        NLM_F_REQUEST | NLM_F_DUMP,
        sequence,
    );
    socket.send(&request)?;
    let mut found = BTreeMap::new();
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..PARTS {
        let len = match socket.receive(&mut buffer)? {
            Arrival::Bytes(len) => len,
            Arrival::Overrun => continue,
            // The kernel writes the next part while the one before is read.
            Arrival::Empty => return Err(Errno::EPROTO),
        };
        for message in messages(buffer.get(..len).unwrap_or_default()) {
            if !socket.is_answer(&message, sequence) {
                continue;
            }
            match i32::from(message.message_type()) {
                libc::NLMSG_DONE => return Ok(found),
                libc::NLMSG_ERROR => return Err(Errno::from_raw(error_code(message.payload()))),
                _ => found.extend(vrf(message.payload())),
            }
        }
    }
    Err(Errno::EMSGSIZE)
}

/// The name and table of a link that is a VRF.
fn vrf(payload: &[u8]) -> Option<(String, u32)> {
    // struct ifinfomsg.
    let (_, attributes) = payload.split_first_chunk::<16>()?;
    let part = |of, wanted| {
        attributes_of(of)
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, value)| value)
    };
    let name = text(part(attributes, libc::IFLA_IFNAME)?)?;
    let info = part(attributes, libc::IFLA_LINKINFO)?;
    if text(part(info, libc::IFLA_INFO_KIND)?)? != "vrf" {
        return None;
    }
    let table = number(part(part(info, libc::IFLA_INFO_DATA)?, IFLA_VRF_TABLE)?)?;
    Some((name.to_owned(), table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Netns;

    #[test]
    fn a_namespace_without_vrfs_has_none() {
        let Some(net) = Netns::new() else { return };
        net.run(|| {
            assert_eq!(tables().unwrap(), BTreeMap::new());
        });
    }

    #[test]
    fn a_link_that_is_no_vrf_or_is_cut_short_is_none() {
        assert_eq!(vrf(&[]), None);
        assert_eq!(vrf(&[0; 16]), None);
        assert_eq!(vrf(&[0xff; 40]), None);
    }
}
