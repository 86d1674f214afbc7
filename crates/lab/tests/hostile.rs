//! Packets of somebody who means harm, against the running daemon.
//!
//! The original is not asked: it restarts its advert timer after every packet for its VRID, rejected ones too
//! (docs/divergences.md, "rejected-packets-do-not-delay-adverts").
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use base::Rng;
use lab::catalogue::VRID;
use lab::daemon::{Binary, Make};
use lab::journal::Seen;
use lab::oracle::longest_gap;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, setsockopt, socket, sockopt,
};
use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};
use support::{Lab, address, tenth};

/// Packets of each kind.
const PACKETS: usize = 5_000;

#[test]
fn a_flood_of_junk_neither_moves_the_address_nor_silences_the_master_nor_fills_the_log() {
    let binary = Binary::ours().unwrap();
    if binary.make == Make::Upstream {
        eprintln!("skipped: the original stands in for ours");
        return;
    }
    let mut lab = Lab::start(tenth(), binary);
    let role = lab.a().vrrp_role().unwrap();
    let from = lab.now();
    lab.note("a flood of junk begins");
    let client = lab.stage.network().host("c").unwrap().clone();
    let sent = client.inside(|| flood(&mut Rng::from_seed(7))).unwrap();
    // A full queue may refuse some.
    assert!(sent > 5 * PACKETS * 9 / 10, "only {sent} packets could be sent");
    lab.note("the flood has ended");
    // The lab takes the forger for a router, so its own oracle is of no use here.
    let ended = lab.now();
    for round in 1..=5 {
        let since = ended + tenth().interval * round;
        lab.seen(since, "a", |what| matches!(what, Seen::Advert(one) if one.priority > 0));
    }

    assert_eq!(lab.a().vrrp_role().unwrap(), role, "restarted\n{}", lab.timeline());
    let removed = |what: &Seen| matches!(what, Seen::AddressRemoved(_, one) if *one == address(tenth()));
    let entries = lab.stage.network().journal.entries();
    assert!(
        !entries.iter().any(|entry| entry.at >= from && removed(&entry.what)),
        "{}",
        lab.timeline()
    );
    let claims: Vec<_> = lab
        .stage
        .claims()
        .into_iter()
        .filter(|claim| claim.at >= from && claim.host == "a")
        .collect();
    let (gap, at) = longest_gap(&claims, "a").unwrap();
    // Half an interval of noise of a machine that runs many tests at once.
    assert!(
        gap <= tenth().interval * 3 / 2,
        "no advert for {gap:?} from {at:?}\n{}",
        lab.timeline()
    );
    let lines = entries
        .iter()
        .filter(|entry| entry.at >= from && matches!(entry.what, Seen::Log(_)))
        .count();
    // Each kind of complaint once, and not for each of thousands.
    assert!((1..40).contains(&lines), "{lines} lines\n{}", lab.timeline());
}

/// Bytes without sense, adverts cut short, and adverts that are right but for one thing.
/// How many the kernel took.
fn flood(rng: &mut Rng) -> usize {
    let sender = Sender::open();
    let mut sent = 0;
    let mut send = |bytes: &[u8]| sent += usize::from(sender.send(bytes));
    for round in 0..PACKETS {
        let len = rng.below(64) as usize;
        let junk: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
        send(&junk);
        // Version 3, our VRID, priority 255, one address, a wrong checksum.
        let mut forged = vec![
            0x31,
            VRID,
            255,
            1,
            0,
            10,
            rng.next_u64() as u8,
            rng.next_u64() as u8,
            10,
            0,
            0,
            50,
        ];
        send(&forged);
        forged.truncate(round % 12);
        send(&forged);
        // Version 2, and a type nobody knows.
        send(&[0x21, VRID, 255, 1, 0, 1, 0, 0, 10, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0]);
        send(&[0x3f, VRID, 0, 1, 0, 10, 0, 0, 10, 0, 0, 50]);
    }
    sent
}

/// Sends VRRP packets to the group, with an IP header of its own and the right TTL.
struct Sender(OwnedFd);

impl Sender {
    fn open() -> Sender {
        // IPPROTO_RAW: the kernel takes the IP header from us and completes it.
        let socket = socket(
            AddressFamily::Inet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::Raw,
        )
        .unwrap();
        setsockopt(&socket, sockopt::BindToDevice, &OsString::from("eth0")).unwrap();
        Sender(socket)
    }

    /// Whether the kernel took it.
    fn send(&self, payload: &[u8]) -> bool {
        let mut packet = vec![0x45, 0xc0, 0, 0, 0, 0, 0, 0, 255, 112, 0, 0, 0, 0, 0, 0, 224, 0, 0, 18];
        packet.extend_from_slice(payload);
        let to = SockaddrIn::new(224, 0, 0, 18, 0);
        sendto(self.0.as_raw_fd(), &packet, &to, MsgFlags::empty()).is_ok()
    }
}
