//! What a file said of a session, and how it becomes a [`Config`].
//!
//! `conf` fills a [`Draft`] word by word and knows no rules between words; the rules are here. Nothing here stops the
//! program: every correction and refusal is a [`Finding`] in upstream's words.

use crate::config::{Audience, Config, Hops, Model, Name};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Family;
use core::net::IpAddr;
use core::num::NonZeroU8;
use core::time::Duration;

/// `min_rx` and `min_tx` of a session that says none.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(10);
/// `idle_tx` of a session that says none.
const DEFAULT_IDLE: Duration = Duration::from_secs(1);
/// `multiplier` of a session that says none.
const DEFAULT_MULTIPLIER: NonZeroU8 = NonZeroU8::MIN.saturating_add(4);
/// The TTL of our packets where none is said (RFC 5881 section 5).
const TTL: u8 = 255;
/// The TTL from which hops of a neighbour are counted where none is said.
const TTL_FROM_V4: u8 = 255;
/// The same for IPv6: what a C keepalived with its defaults sends. See docs/divergences.md, "bfd-hop-limit".
const TTL_FROM_V6: u8 = 64;

/// What the block of a session said; `None` where it said nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// `neighbor_ip`.
    pub neighbor: Option<IpAddr>,
    /// `source_ip`.
    pub source: Option<IpAddr>,
    /// `min_rx`, 1 ms to 4294967 ms.
    pub min_rx: Option<Duration>,
    /// `min_tx`, 1 ms to 4294967 ms.
    pub min_tx: Option<Duration>,
    /// `idle_tx`, 1 s to 4294967 ms.
    pub idle_tx: Option<Duration>,
    /// `multiplier`.
    pub multiplier: Option<NonZeroU8>,
    /// `passive`.
    pub passive: bool,
    /// `ttl` or `hoplimit`.
    pub ttl: Option<NonZeroU8>,
    /// `max_hops`; 255 for -1.
    pub max_hops: Option<u8>,
    /// `multihop`.
    pub multihop: bool,
    /// `vrrp`.
    pub vrrp: bool,
    /// `checker`.
    pub checker: bool,
}

/// What [`Draft::finish`] made of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The session, if one can run from this.
    pub config: Option<Config>,
    /// What was corrected or refused, in the order it was noticed. All of them are configuration errors.
    pub findings: Vec<Finding>,
}

/// A correction or refusal, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The keyword it is about.
    pub keyword: &'static str,
    /// The message.
    pub text: String,
}

impl Draft {
    /// Who is to hear of the session: both, unless one is named.
    pub fn audience(&self) -> Audience {
        let both = !self.vrrp && !self.checker;
        Audience {
            vrrp: self.vrrp || both,
            checker: self.checker || both,
        }
    }

    /// Applies the defaults and every rule between keywords, and between this session and those before it.
    pub fn finish(self, name: Name, before: &Model) -> Finished {
        let mut findings = Vec::new();
        let config = self.run(name, before, &mut findings);
        Finished { config, findings }
    }

    fn run(self, name: Name, before: &Model, findings: &mut Vec<Finding>) -> Option<Config> {
        let mut say = |keyword, text| findings.push(Finding { keyword, text });
        let error = format!("Configuration error: BFD instance {name}");
        let Some(neighbor) = self.neighbor else {
            say(
                "bfd_instance",
                format!("{error} has no neighbor address set, disabling instance"),
            );
            return None;
        };
        let family = Family::of(neighbor);
        if let Some(source) = self.source.filter(|source| Family::of(*source) != family) {
            let what = format!("source address {source} and neighbor address {neighbor}");
            say(
                "source_ip",
                format!("{error} {what} are not of the same family, disabling instance"),
            );
            return None;
        }
        let hops = if self.multihop { Hops::Multi } else { Hops::Single };
        // A session that leaves its address to the kernel may use any, so that of the other one too.
        let alike = |other: &Config| {
            let sources = self.source.zip(other.source);
            other.neighbor == neighbor && other.hops == hops && sources.is_none_or(|(ours, theirs)| ours == theirs)
        };
        if before.sessions.values().any(|other| alike(other)) {
            let what = match self.source {
                Some(source) => format!("duplicate source/neighbor address {source}/{neighbor}"),
                None => format!("duplicate neighbor address {neighbor}"),
            };
            say("neighbor_ip", format!("{error} has {what}, ignoring instance"));
            return None;
        }
        let from = self.ttl.map(NonZeroU8::get).unwrap_or(match family {
            Family::V4 => TTL_FROM_V4,
            Family::V6 => TTL_FROM_V6,
        });
        let max_hops = self.max_hops.unwrap_or(0);
        if max_hops > from {
            let text = format!("BFD instance {name}: max_hops exceeds ttl/hoplimit - setting to ttl/hoplimit");
            say("max_hops", text);
        }
        let audience = self.audience();
        Some(Config {
            name,
            neighbor,
            source: self.source,
            hops,
            min_rx: self.min_rx.unwrap_or(DEFAULT_INTERVAL),
            min_tx: self.min_tx.unwrap_or(DEFAULT_INTERVAL),
            idle_tx: self.idle_tx.unwrap_or(DEFAULT_IDLE),
            multiplier: self.multiplier.unwrap_or(DEFAULT_MULTIPLIER),
            passive: self.passive,
            ttl: self.ttl.map_or(TTL, NonZeroU8::get),
            least_ttl: from.saturating_sub(max_hops),
            audience,
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use alloc::sync::Arc;
    use std::string::ToString;

    #[test]
    fn a_session_needs_nothing_but_a_neighbour() {
        let config = finish(to("192.0.2.1"), &Model::default()).config.unwrap();
        assert_eq!((config.min_rx, config.min_tx), (DEFAULT_INTERVAL, DEFAULT_INTERVAL));
        assert_eq!((config.idle_tx, config.multiplier.get()), (DEFAULT_IDLE, 5));
        assert_eq!((config.ttl, config.least_ttl, config.hops), (255, 255, Hops::Single));
        assert_eq!((config.audience.vrrp, config.audience.checker), (true, true));
        let none = finish(Draft::default(), &Model::default());
        assert_eq!(none.config, None);
        assert!(
            none.findings[0]
                .text
                .ends_with("has no neighbor address set, disabling instance")
        );
    }

    #[test]
    fn hops_are_counted_from_the_configured_ttl_and_never_below_zero() {
        let with = |neighbor: &str, ttl: Option<u8>, max_hops: Option<u8>| {
            let draft = Draft {
                ttl: ttl.and_then(NonZeroU8::new),
                max_hops,
                ..to(neighbor)
            };
            let finished = finish(draft, &Model::default());
            let config = finished.config.unwrap();
            (config.ttl, config.least_ttl, finished.findings.len())
        };
        assert_eq!(with("192.0.2.1", None, Some(5)), (255, 250, 0));
        assert_eq!(with("192.0.2.1", None, Some(255)), (255, 0, 0));
        assert_eq!(with("192.0.2.1", Some(2), Some(2)), (2, 0, 0));
        assert_eq!(with("192.0.2.1", Some(10), Some(100)), (10, 0, 1));
        assert_eq!(with("2001:db8::1", None, None), (255, 64, 0));
        assert_eq!(with("2001:db8::1", None, Some(70)), (255, 0, 1));
        assert_eq!(with("2001:db8::1", Some(255), None), (255, 255, 0));
    }

    #[test]
    fn two_sessions_between_the_same_addresses_are_one_too_many() {
        let from = |source: &str| Draft {
            source: Some(source.parse().unwrap()),
            ..to("192.0.2.1")
        };
        let mut model = Model::default();
        let first = finish(from("192.0.2.2"), &model).config.unwrap();
        model.sessions.insert(Name::from("first"), Arc::new(first));
        assert!(finish(from("192.0.2.3"), &model).config.is_some());
        let multihop = Draft {
            multihop: true,
            ..from("192.0.2.2")
        };
        assert!(finish(multihop, &model).config.is_some());
        for (draft, words) in [
            (
                from("192.0.2.2"),
                "duplicate source/neighbor address 192.0.2.2/192.0.2.1",
            ),
            (to("192.0.2.1"), "duplicate neighbor address 192.0.2.1"),
            (from("2001:db8::1"), "are not of the same family"),
        ] {
            let finished = finish(draft, &model);
            assert_eq!(finished.config, None);
            assert!(
                finished.findings[0].text.contains(words),
                "{}",
                finished.findings[0].text.to_string()
            );
        }
    }

    fn to(neighbor: &str) -> Draft {
        Draft {
            neighbor: Some(neighbor.parse().unwrap()),
            ..Draft::default()
        }
    }

    fn finish(draft: Draft, before: &Model) -> Finished {
        draft.finish(Name::from("test"), before)
    }
}
