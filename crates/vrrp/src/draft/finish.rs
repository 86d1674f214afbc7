//! The rules between keywords, applied in upstream's order.
//!
//! Decides what an instance is from what a file said of it. Everything that had to be changed is a finding; only an
//! instance that cannot exist at all (no virtual router id, no interface, no addresses where some are required)
//! gives none. Does not know where in a file a keyword stood.

mod addresses;
mod hmac;
mod times;

use super::{AuthType, Defaults, Draft, Finding, Finished, Secret, Surroundings, Weight};
use crate::config::{Auth, Config, Delivery, Name, Peer, Preempt, Priority, UnicastChecksum, Version, Vrid, Wanted};
use crate::encoder::is_multicast;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Family;
use core::net::IpAddr;

/// Adverts that may be missed before a backup takes over.
const DEFAULT_DOWN_ADVERTS: u8 = 3;
/// Bytes of a password that count.
const PASSWORD_LEN: usize = 8;

pub(super) fn finish(draft: Draft, name: Name, defaults: &Defaults, surroundings: &dyn Surroundings) -> Finished {
    let mut findings = Vec::new();
    let family = draft.family();
    let strict = draft.strict.unwrap_or(defaults.strict);
    let mut finisher = Finisher {
        name: &name,
        family,
        strict,
        defaults,
        surroundings,
        findings: &mut findings,
    };
    let config = finisher.run(draft);
    Finished { config, findings }
}

pub(super) struct Finisher<'a> {
    name: &'a Name,
    family: Family,
    strict: bool,
    defaults: &'a Defaults,
    surroundings: &'a dyn Surroundings,
    findings: &'a mut Vec<Finding>,
}

impl Finisher<'_> {
    pub(super) const fn name(&self) -> &Name {
        self.name
    }

    pub(super) const fn family(&self) -> Family {
        self.family
    }

    pub(super) const fn strict(&self) -> bool {
        self.strict
    }

    fn run(&mut self, mut draft: Draft) -> Option<Config> {
        if draft.native_ipv6 && !draft.addresses.is_empty() && self.family == Family::V4 {
            self.error("native_ipv6", "Cannot specify native_ipv6 with IPv4 addresses");
        }
        let vrid = self.vrid(&draft);
        let version = self.version(&draft);
        let peers = self.peers(&mut draft);
        let source = self.source(&draft, peers.is_empty());
        self.interface(&draft, &peers, source)?;
        let vrid = vrid?;
        let links = self.links(&mut draft, vrid, source, !peers.is_empty())?;
        let (mut addresses, mut excluded) = self.all_addresses(&mut draft, links.home);
        self.require_addresses(&draft, version, addresses.len())?;
        let (priority, wanted) = self.priority(&draft);
        let (auth, wanted) = self.auth(&mut draft, version, priority, wanted);
        let window = draft.hmac.as_ref().and_then(|hmac| hmac.window);
        let mut hmac = self.hmac(&mut draft);
        let delivery = self.delivery(&draft, peers)?;
        self.first_link_local(&addresses);
        self.limit_addresses(&draft, version, &auth, hmac.as_ref(), &mut addresses, &mut excluded);
        let preempt = self.preempt(&draft, priority, wanted);
        let down_adverts = self.down_adverts(&draft);
        let accept = self.accept(&draft, version, priority);
        let announcing = self.announcing(&draft);
        let lower_prio_no_advert = self.lower_prio_no_advert(&draft);
        let higher_prio_send_advert = self.higher_prio_send_advert(&draft);
        let interval = self.interval(&draft, version);
        if let Some(hmac) = &mut hmac {
            hmac.window = window.unwrap_or(hmac::usual_window(interval));
        }
        Some(Config {
            name: self.name.clone(),
            interface: links.interface,
            strict: self.strict,
            // An interface is in one by itself.
            vrf: draft.vrf.filter(|_| links.interface.is_none()),
            base: links.base,
            links: links.links,
            vrid,
            family: self.family,
            version,
            priority,
            wanted,
            interval,
            down_adverts,
            preempt,
            late_backup: self.late_backup(&draft, preempt),
            delivery,
            source,
            track_source: self.track_source(&draft, source),
            track_interface: !draft.dont_track_primary,
            auth,
            hmac,
            addresses,
            excluded,
            routes: core::mem::take(&mut draft.routes),
            rules: core::mem::take(&mut draft.rules),
            promote_secondaries: draft.promote_secondaries,
            static_interfaces: core::mem::take(&mut draft.static_interfaces),
            announcing,
            checksum_as_v2: draft.checksum_as_v2.unwrap_or(self.defaults.checksum_as_v2),
            unicast_checksum: draft.unicast_checksum.unwrap_or(UnicastChecksum::Automatic),
            accept,
            skip_check_adv_addr: draft.skip_check_adv_addr.unwrap_or(self.defaults.skip_check_adv_addr),
            lower_prio_no_advert,
            higher_prio_send_advert,
            owner_ignore_adverts: self.owner_ignore_adverts(&draft, priority),
            receive_buffer: draft.receive_buffer,
            group: None,
            trackers: core::mem::take(&mut draft.trackers),
            notify_priority_changes: self.notify_priority_changes(&draft),
        })
    }

    fn notify_priority_changes(&self, draft: &Draft) -> bool {
        let usual = self.defaults.notify_priority_changes;
        draft.notify_priority_changes.unwrap_or(usual)
    }

    fn vrid(&mut self, draft: &Draft) -> Option<Vrid> {
        if draft.vrid.is_none() {
            self.fatal("virtual_router_id", "the virtual router id must be set");
        }
        draft.vrid
    }

    fn version(&mut self, draft: &Draft) -> Version {
        let version = draft.version.unwrap_or(match self.family {
            Family::V4 => self.defaults.version.unwrap_or(Version::V2),
            Family::V6 => Version::V3,
        });
        if self.strict && self.family == Family::V6 && version == Version::V2 {
            self.error("version", "cannot use IPv6 with VRRP version 2; setting version 3");
            return Version::V3;
        }
        version
    }

    fn peers(&mut self, draft: &mut Draft) -> Vec<Peer> {
        let mut seen = BTreeSet::new();
        let mut peers = Vec::new();
        for (entry, peer) in core::mem::take(&mut draft.peers).into_iter().enumerate() {
            let address = peer.address;
            if Family::of(address) != self.family {
                let text = format!(
                    "Configuration error: VRRP instance[{}] and unicast peer address[{address}] MUST be of the same family !!! Skipping...",
                    self.name
                );
                self.push("unicast_peer", Some(entry), Weight::Error, text);
            } else if !seen.insert(address) {
                let text = self.prefixed(&format!("unicast peer {address} is specified twice - ignoring"));
                self.push("unicast_peer", Some(entry), Weight::Note, text);
            } else {
                if peer.min_ttl > peer.max_ttl {
                    let text = self.prefixed(&format!(
                        "min_ttl {} > max_ttl {} - all packets will be discarded",
                        peer.min_ttl, peer.max_ttl
                    ));
                    self.push("unicast_peer", Some(entry), Weight::Error, text);
                }
                peers.push(peer);
            }
        }
        peers
    }

    fn source(&mut self, draft: &Draft, multicast: bool) -> Option<IpAddr> {
        let unicast = draft.unicast_source.map(|address| ("unicast_src_ip", address));
        let other = draft.multicast_source.map(|address| ("mcast_src_ip", address));
        let (keyword, address) = if multicast {
            other.or(unicast)
        } else {
            unicast.or(other)
        }?;
        if Family::of(address) == self.family {
            return Some(address);
        }
        let text = format!(
            "Configuration error: VRRP instance[{}] and src address[{address}] MUST be of the same family !!! Skipping...",
            self.name
        );
        self.push(keyword, None, Weight::Error, text);
        None
    }

    /// Without an interface only unicast from a given address can work. `None`: the instance cannot run.
    fn interface(&mut self, draft: &Draft, peers: &[Peer], source: Option<IpAddr>) -> Option<()> {
        if draft.interface.is_some() {
            return Some(());
        }
        if peers.is_empty() {
            self.fatal("interface", "Unknown interface!");
            return None;
        }
        let Some(source) = source else {
            let text = format!(
                "({}): Unicast instances must have unicast_src_ip or interface",
                self.name
            );
            self.push("interface", None, Weight::Fatal, text);
            return None;
        };
        let link_local = match source {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        if link_local {
            self.fatal("unicast_src_ip", "Non link-local address required if interface omitted");
            return None;
        }
        Some(())
    }

    fn priority(&mut self, draft: &Draft) -> (Priority, Wanted) {
        let default = match draft.wanted {
            Some(Wanted::Master) => Priority::OWNER,
            Some(Wanted::Backup) | None => Priority::DEFAULT,
        };
        // Zero is not a priority; `conf` has refused it already.
        let priority = draft.priority.and_then(Priority::new).unwrap_or(default);
        let fitting = if priority.is_owner() {
            Wanted::Master
        } else {
            Wanted::Backup
        };
        let wanted = draft.wanted.unwrap_or(fitting);
        if self.strict && wanted != fitting {
            self.error("state", "State MASTER must match being address owner");
            return (priority, fitting);
        }
        (priority, wanted)
    }

    fn auth(&mut self, draft: &mut Draft, version: Version, priority: Priority, wanted: Wanted) -> (Auth, Wanted) {
        let password = draft.auth_pass.take();
        let Some(kind) = draft.auth_type else {
            return (Auth::None, wanted);
        };
        if draft.hmac.is_some() {
            self.error(
                "authentication",
                "authentication cannot be used with auth_hmac. Ignoring.",
            );
            return (Auth::None, wanted);
        }
        if self.strict {
            self.error(
                "authentication",
                "Strict mode does not support authentication. Ignoring.",
            );
            return (Auth::None, wanted);
        }
        if version == Version::V3 {
            self.error(
                "authentication",
                "VRRP version 3 does not support authentication. Ignoring.",
            );
            return (Auth::None, wanted);
        }
        let Some(password) = password.filter(|password| !password.0.is_empty()) else {
            self.error(
                "authentication",
                "Authentication specified but no password given. Ignoring",
            );
            return (Auth::None, wanted);
        };
        let password = self.password(&password);
        match (kind, self.family) {
            (AuthType::Pass, Family::V4) => (Auth::Pass(password), wanted),
            // Version 2 over IPv6 has no room for a password.
            (AuthType::Pass, Family::V6) => {
                self.error("authentication", "Cannot use PASS authentication with IPv6. ignoring");
                (Auth::None, wanted)
            }
            (AuthType::Ah, Family::V6) => {
                self.error("authentication", "Cannot use AH authentication with IPv6. ignoring");
                (Auth::None, wanted)
            }
            (AuthType::Ah, Family::V4) if wanted == Wanted::Master && !priority.is_owner() => {
                self.error(
                    "authentication",
                    "Initial state master is incompatible with AH authentication - clearing",
                );
                (Auth::Ah(password), Wanted::Backup)
            }
            (AuthType::Ah, Family::V4) => (Auth::Ah(password), wanted),
        }
    }

    fn password(&mut self, secret: &Secret) -> [u8; PASSWORD_LEN] {
        let bytes = secret.0.as_bytes();
        if bytes.len() > PASSWORD_LEN {
            let text = String::from("Truncating auth_pass to 8 characters");
            self.push("auth_pass", None, Weight::Error, text);
        }
        let mut padded = [0; PASSWORD_LEN];
        for (to, from) in padded.iter_mut().zip(bytes) {
            *to = *from;
        }
        padded
    }

    fn delivery(&mut self, draft: &Draft, peers: Vec<Peer>) -> Option<Delivery> {
        let can_multicast = draft.interface.and_then(|name| self.surroundings.multicast(&name));
        if peers.is_empty() {
            return Some(self.multicast_delivery(draft, can_multicast));
        }
        if self.strict && can_multicast.unwrap_or(true) && draft.interface.is_some() {
            self.fatal("unicast_peer", "Unicast peers are not supported in strict mode");
            return None;
        }
        if draft.multicast_group.is_some() {
            self.error(
                "mcast_dst_ip",
                "multicast destination specified with unicast - ignoring",
            );
        }
        Some(self.unicast(draft, peers))
    }

    fn unicast(&self, draft: &Draft, peers: Vec<Peer>) -> Delivery {
        Delivery::Unicast {
            peers,
            ttl: draft.unicast_ttl,
            check_source: draft.check_unicast_source.unwrap_or(self.defaults.check_unicast_source),
        }
    }

    fn multicast_delivery(&mut self, draft: &Draft, can_multicast: Option<bool>) -> Delivery {
        if draft.unicast_ttl.is_some() {
            let text = format!(
                "({}): Cannot use unicast_ttl without unicast peers - resetting",
                self.name
            );
            self.push("unicast_ttl", None, Weight::Error, text);
        }
        let wants_unicast = draft.unicast || draft.unicast_source.is_some();
        if wants_unicast && draft.unicast_fault_no_peer {
            let text = self.prefixed("Cannot use unicast without any peers - going to fault state");
            self.push("unicast_peer", None, Weight::Note, text);
            return self.unicast(draft, Vec::new());
        }
        if wants_unicast {
            let keyword = if draft.unicast {
                "unicast_peer"
            } else {
                "unicast_src_ip"
            };
            self.error(
                keyword,
                "A unicast keyword has been specified without any unicast peers. Defaulting to multicast. This usage is deprecated - please update your configuration.",
            );
        }
        if let (Some(false), Some(name)) = (can_multicast, draft.interface) {
            let text = format!("interface {name} does not support multicast, specify unicast peers - disabling");
            self.error("interface", &text);
        }
        let default = match self.family {
            Family::V4 => IpAddr::V4(self.defaults.group4),
            Family::V6 => IpAddr::V6(self.defaults.group6),
        };
        let group = draft.multicast_group.filter(|group| self.is_group(*group));
        Delivery::Multicast {
            group: group.unwrap_or(default),
        }
    }

    fn is_group(&mut self, group: IpAddr) -> bool {
        if Family::of(group) != self.family {
            let text = format!("mcast dest address {group} MUST match VRRP instance family. Skipping...");
            self.error("mcast_dst_ip", &text);
            return false;
        }
        if !is_multicast(group) {
            let text = format!("mcast_dst_ip {group} not multicast. Skipping...");
            self.error("mcast_dst_ip", &text);
            return false;
        }
        true
    }

    fn preempt(&mut self, draft: &Draft, priority: Priority, wanted: Wanted) -> Preempt {
        let mut nopreempt = draft.nopreempt;
        if nopreempt && priority.is_owner() {
            let text = format!("nopreempt is incompatible with priority {priority}. resetting nopreempt");
            self.error("nopreempt", &text);
            nopreempt = false;
        } else if nopreempt && wanted == Wanted::Master {
            self.error(
                "nopreempt",
                "Warning - nopreempt will not work with initial state MASTER - clearing",
            );
            nopreempt = false;
        }
        let mut delay = draft.preempt_delay.filter(|delay| !delay.is_zero());
        if delay.is_some() {
            let reason = if wanted == Wanted::Master {
                Some("Warning - preempt delay will not work with initial state MASTER - clearing")
            } else if self.strict {
                Some("preempt_delay is incompatible with strict mode - resetting")
            } else if nopreempt {
                Some("preempt_delay is incompatible with nopreempt mode - resetting")
            } else {
                None
            };
            if let Some(reason) = reason {
                self.error("preempt_delay", reason);
                delay = None;
            }
        }
        match (nopreempt, delay) {
            (true, _) => Preempt::No,
            (false, Some(delay)) => Preempt::After(delay),
            (false, None) => Preempt::Yes,
        }
    }

    fn late_backup(&mut self, draft: &Draft, preempt: Preempt) -> Option<Priority> {
        let wanted = draft.timer_expired_backup?;
        match preempt {
            Preempt::No => Some(wanted),
            Preempt::Yes | Preempt::After(_) => {
                self.error(
                    "timer_expired_backup",
                    "timer_expired_backup requires nopreempt - ignoring",
                );
                None
            }
        }
    }

    fn down_adverts(&mut self, draft: &Draft) -> u8 {
        let wanted = draft.down_adverts.or(self.defaults.down_adverts);
        let wanted = wanted.unwrap_or(DEFAULT_DOWN_ADVERTS).max(1);
        if self.strict && wanted != DEFAULT_DOWN_ADVERTS {
            self.error(
                "down_timer_adverts",
                "down_timer_adverts is incompatible with strict mode - resetting",
            );
            return DEFAULT_DOWN_ADVERTS;
        }
        wanted
    }

    fn accept(&mut self, draft: &Draft, version: Version, priority: Priority) -> bool {
        if self.strict && version == Version::V2 && draft.accept == Some(true) && !priority.is_owner() {
            self.error(
                "accept",
                "warning - accept mode for VRRP version 2 does not comply with RFC3768 - resetting",
            );
            return false;
        }
        draft.accept.unwrap_or(!self.strict || priority.is_owner())
    }

    fn lower_prio_no_advert(&mut self, draft: &Draft) -> bool {
        if self.strict && draft.lower_prio_no_advert == Some(false) {
            self.error(
                "lower_prio_no_advert",
                "Strict mode requires no lower priority advert. resetting",
            );
        }
        self.strict || draft.lower_prio_no_advert.unwrap_or(self.defaults.lower_prio_no_advert)
    }

    fn higher_prio_send_advert(&mut self, draft: &Draft) -> bool {
        if self.strict && draft.higher_prio_send_advert == Some(true) {
            self.error(
                "higher_prio_send_advert",
                "strict mode requires higher_prio_send_advert to be clear. resetting",
            );
        }
        let wanted = draft
            .higher_prio_send_advert
            .unwrap_or(self.defaults.higher_prio_send_advert);
        wanted && !self.strict
    }

    fn owner_ignore_adverts(&self, draft: &Draft, priority: Priority) -> bool {
        if self.strict && priority.is_owner() {
            return true;
        }
        // Upstream turns an explicit false of an owner into true; here a false is a false.
        draft.owner_ignore_adverts.unwrap_or(self.defaults.owner_ignore_adverts)
    }

    fn track_source(&mut self, draft: &Draft, source: Option<IpAddr>) -> bool {
        if draft.track_source && source.is_none() {
            self.error("track_src_ip", "track_src_ip set without source address - ignoring");
        }
        draft.track_source && source.is_some()
    }

    pub(super) fn error(&mut self, keyword: &'static str, text: &str) {
        let text = self.prefixed(text);
        self.push(keyword, None, Weight::Error, text);
    }

    pub(super) fn fatal(&mut self, keyword: &'static str, text: &str) {
        let text = self.prefixed(text);
        self.push(keyword, None, Weight::Fatal, text);
    }

    fn prefixed(&self, text: &str) -> String {
        format!("({}) {text}", self.name)
    }

    pub(super) fn push(&mut self, keyword: &'static str, entry: Option<usize>, weight: Weight, text: String) {
        self.findings.push(Finding {
            keyword,
            entry,
            weight,
            text,
        });
    }
}

#[cfg(test)]
mod tests;
