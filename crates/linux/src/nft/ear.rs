//! Hears what others remove from nftables.
//!
//! Decides whether it is of a table of ours, and not our own doing. Does not know what was in it.

use super::message;
use crate::netlink::socket::{Arrival, RouteSocket, messages, os_error};
use crate::{SysError, Turn};
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes of reports that may wait: one who reloads a large firewall makes some hundred kilobytes.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Datagrams read in one turn.
const READS_PER_TURN: usize = 32;
/// NFNLGRP_NFTABLES, as a bit.
const GROUP: u32 = 1 << (7 - 1);
/// The attribute that names the table, in messages about tables, chains, rules, sets and elements alike.
const NAME: u16 = 1;
/// Messages that say that something is gone (NFT_MSG_DEL*): table, chain, rule, set, element.
const REMOVALS: [u16; 5] = [2, 5, 8, 11, 14];

/// Listens.
pub struct NftEar {
    socket: RouteSocket,
    buffer: Vec<u8>,
}

impl NftEar {
    /// Begins to listen in the network namespace of the calling thread.
    pub fn open() -> Result<NftEar, SysError> {
        let socket = RouteSocket::open_for(SockProtocol::NetlinkNetFilter, GROUP, RECEIVE_BUFFER)?;
        Ok(NftEar {
            socket,
            buffer: vec![0; 32 * 1024],
        })
    }

    /// Reads reports, a bounded number. `lost` is set if somebody other than `own` (the port of our socket) removed
    /// something of `table`, or if reports were lost.
    pub fn read(&mut self, table: &str, own: Option<u32>, lost: &mut bool) -> Result<Turn, SysError> {
        let failed = |errno: Errno| SysError::new("read reports of nftables", "", os_error(errno));
        for _ in 0..READS_PER_TURN {
            let length = match self.socket.receive(&mut self.buffer).map_err(failed)? {
                Arrival::Bytes(length) => length,
                Arrival::Empty => return Ok(Turn::Drained),
                Arrival::Overrun => {
                    *lost = true;
                    continue;
                }
            };
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                let by_us = own == Some(message.port_number());
                *lost |= !by_us && removes_from(message.message_type(), message.payload(), table);
            }
        }
        Ok(Turn::More)
    }
}

impl AsFd for NftEar {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether a message says that something of a table is gone.
pub(crate) fn removes_from(kind: u16, payload: &[u8], table: &str) -> bool {
    let removal = kind.checked_sub(message::SUBSYSTEM << 8);
    if !removal.is_some_and(|number| REMOVALS.contains(&number)) {
        return false;
    }
    // struct nfgenmsg comes before the attributes.
    let Some((_, attributes)) = payload.split_first_chunk::<4>() else {
        return false;
    };
    let mut all = crate::interface::decode::attributes_of(attributes);
    let name = all.find(|(kind, _)| *kind == NAME);
    name.and_then(|(_, value)| crate::interface::decode::text(value)) == Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::{Batch, NftSocket};
    use crate::testing::Netns;
    use base::Family;

    #[test]
    fn what_others_remove_is_heard_and_what_we_do_is_not() {
        let Some(net) = Netns::new() else { return };
        net.run(|| {
            let mut ear = NftEar::open().unwrap();
            let (mut ours, mut other) = (NftSocket::open().unwrap(), NftSocket::open().unwrap());
            let mut hear = |own: &NftSocket| {
                let mut lost = false;
                let turn = ear.read("keepalived", Some(own.port()), &mut lost).unwrap();
                assert_eq!(turn, Turn::Drained);
                lost
            };
            let make = |socket: &mut NftSocket, name: &str| {
                let mut batch = Batch::new();
                batch.replace_table(Family::V4, name);
                socket.commit(batch).unwrap();
            };
            let delete = |socket: &mut NftSocket, name: &str| {
                let mut batch = Batch::new();
                batch.delete_table(Family::V4, name);
                socket.commit(batch).unwrap();
            };
            make(&mut ours, "keepalived");
            make(&mut ours, "keepalived");
            assert!(!hear(&ours), "making it anew removes the old one");
            make(&mut other, "firewall");
            delete(&mut other, "firewall");
            assert!(!hear(&ours), "another table");
            delete(&mut other, "keepalived");
            assert!(hear(&ours));
        });
    }

    #[test]
    fn bytes_without_sense_remove_nothing() {
        for kind in [0, 2, (message::SUBSYSTEM << 8) | 2, u16::MAX] {
            for length in 0..40 {
                assert!(!removes_from(kind, &vec![0xff; length], "keepalived"));
            }
        }
    }
}
