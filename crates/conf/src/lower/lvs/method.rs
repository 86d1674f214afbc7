//! `lb_kind` and its other names: how packets reach a destination.

use super::Line;
use crate::lower::Lowering;
use lvs::config::{Checksum, Forwarding, Tunnel, TunnelKind};
use std::num::NonZeroU16;

/// `NAT|DR|TUN [type ipip|gue port N|gre] [nocsum|csum|remcsum]`; `None` if it is none, and then it has been said why.
pub(super) fn read(low: &mut Lowering<'_>, line: Line<'_, '_>, whose: &str) -> Option<Forwarding> {
    let word = line.word(1).unwrap_or_default();
    match word {
        "NAT" => Some(Forwarding::Nat),
        "DR" => Some(Forwarding::Direct),
        "TUN" => tunnel(low, line, whose).map(Forwarding::Tunnel),
        _ => {
            let text = format!("PARSER : unknown [{word}] routing method for {whose} server.");
            wrong(low, line, 1, text);
            None
        }
    }
}

fn wrong(low: &mut Lowering<'_>, line: Line<'_, '_>, word: usize, text: String) {
    low.error(line, word, "service-method", text);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ipip,
    Gue,
    Gre,
}

fn tunnel(low: &mut Lowering<'_>, line: Line<'_, '_>, whose: &str) -> Option<Tunnel> {
    let (mut kind, mut port, mut checksum) = (Kind::Ipip, None, Checksum::None);
    let mut at = 2;
    while let Some(option) = line.word(at) {
        match option {
            "type" => {
                at += 1;
                kind = kind_at(low, line, at, whose)?;
            }
            "port" => {
                at += 1;
                port = Some(port_at(low, line, at, whose)?);
            }
            "nocsum" => checksum = Checksum::None,
            "csum" => checksum = Checksum::Full,
            "remcsum" => checksum = Checksum::Remote,
            _ => {
                wrong(
                    low,
                    line,
                    at,
                    format!("Invalid tunnel option {option} for {whose} server."),
                );
                return None;
            }
        }
        at += 1;
    }
    let text = match (kind, port, checksum) {
        (Kind::Gue, None, _) | (Kind::Ipip | Kind::Gre, Some(_), _) => {
            "gue tunnels require port, otherwise cannot have port."
        }
        (Kind::Ipip, None, Checksum::Full | Checksum::Remote) => "ipip tunnels do not support checksum option.",
        (Kind::Gre, None, Checksum::Remote) => "gre tunnels do not support remote checksum option.",
        (Kind::Ipip, None, Checksum::None) => return Some(Tunnel::IPIP),
        (Kind::Gre, None, Checksum::None | Checksum::Full) => {
            return Some(Tunnel {
                kind: TunnelKind::Gre,
                checksum,
            });
        }
        (Kind::Gue, Some(port), _) => {
            return Some(Tunnel {
                kind: TunnelKind::Gue { port },
                checksum,
            });
        }
    };
    wrong(low, line, 1, text.to_owned());
    None
}

fn kind_at(low: &mut Lowering<'_>, line: Line<'_, '_>, at: usize, whose: &str) -> Option<Kind> {
    let text = match line.word(at) {
        Some("ipip") => return Some(Kind::Ipip),
        Some("gue") => return Some(Kind::Gue),
        Some("gre") => return Some(Kind::Gre),
        Some(other) => format!("Unknown tunnel type {other} for {whose} server."),
        None => format!("Missing tunnel type for {whose} server."),
    };
    wrong(low, line, at, text);
    None
}

fn port_at(low: &mut Lowering<'_>, line: Line<'_, '_>, at: usize, whose: &str) -> Option<NonZeroU16> {
    let Some(word) = line.word(at) else {
        wrong(low, line, at, format!("Missing port for {whose} server gue tunnel."));
        return None;
    };
    let port = low.unsigned(line, at, 1, u32::from(u16::MAX));
    if port.is_none() {
        wrong(
            low,
            line,
            at,
            format!("Invalid gue tunnel port {word} for {whose} server."),
        );
    }
    port.and_then(|port| NonZeroU16::new(port as u16))
}
