//! Any datagrams at any times into an engine with two sessions. Also the body of the test that replays the seeds.

use base::Instant;
use bfd::config::{Hops, Model, Name};
use bfd::draft::Draft;
use bfd::engine::Engine;
use bfd::input::{Input, Packet};
use std::net::IpAddr;
use std::time::Duration;

const OURS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const THEIRS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

/// An input is a list of datagrams, each behind four bytes: a pause in milliseconds, how it comes (port, address), its TTL,
/// its length. The engine must come back, wait between two of its deadlines, and keep what RFC 5880 promises.
pub fn receive(bytes: &[u8]) {
    let mut engine = Engine::new(1);
    let mut now = Instant::from_micros(1);
    let mut actions = Vec::new();
    engine.reconfigure(now, model(), &mut actions);
    let mut rest = bytes;
    while let Some((&[pause, how, ttl, length], after)) = rest.split_first_chunk::<4>() {
        let length = usize::from(length).min(after.len());
        let (datagram, after) = after.split_at(length);
        rest = after;
        now = now.after(Duration::from_millis(u64::from(pause)));
        engine.handle(now, Input::DeadlineReached, &mut actions);
        let packet = Packet {
            hops: if how & 1 == 0 { Hops::Single } else { Hops::Multi },
            source: if how & 2 == 0 { THEIRS } else { OURS },
            destination: OURS,
            ttl: if how & 4 == 0 { 255 } else { ttl },
            bytes: datagram,
        };
        engine.handle(now, Input::Packet(packet), &mut actions);
        assert!(engine.deadline().is_none_or(|deadline| deadline.at > now));
        for status in engine.status() {
            assert!(
                status
                    .interval
                    .is_none_or(|interval| interval >= Duration::from_millis(1))
            );
        }
        actions.clear();
    }
}

fn model() -> Model {
    let mut model = Model::default();
    for (name, multihop) in [("near", false), ("far", true)] {
        let draft = Draft {
            neighbor: Some(THEIRS),
            source: Some(OURS),
            multihop,
            ..Draft::default()
        };
        let name = Name::from(name);
        if let Some(config) = draft.finish(name.clone(), &model).config {
            model.sessions.insert(name, config.into());
        }
    }
    model
}
