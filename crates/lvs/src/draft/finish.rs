//! The rules between keywords of a virtual server.

use super::ports;
use super::{Finding, Finished, RealDraft, ServiceDraft, Weight};
use crate::config::{
    Endpoint, Forwarding, Group, GroupFamilies, Key, Named, PERSISTENCE_DEFAULT, Protocol, Real, Scheduler, Service,
    Sorry, Target,
};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Family;
use core::num::NonZeroU32;

/// A real server that is still taken.
pub(super) struct Candidate {
    /// Its place in the draft.
    pub(super) index: usize,
    pub(super) real: Real,
    /// Whether `lvs_method` was given, here or for all.
    method: Option<Forwarding>,
}

/// What is being finished.
pub(super) struct Finishing<'g> {
    pub(super) draft: ServiceDraft,
    pub(super) key: Key,
    pub(super) group: Option<&'g Group>,
    pub(super) families: GroupFamilies,
    pub(super) reals: Vec<Candidate>,
    pub(super) sorry: Option<Sorry>,
    findings: Vec<Finding>,
}

/// See [`ServiceDraft::finish`].
pub(super) fn finish(draft: ServiceDraft, group: Option<&Group>, sequence: u32) -> Finished {
    let drafted = draft.reals.len();
    let mut this = Finishing::new(draft, group, sequence);
    let Some(family) = this.family() else {
        return this.refused(drafted);
    };
    if this.reals.is_empty() {
        let text = format!("Virtual server {} has no real servers - ignoring", this.key);
        this.say_at_end("virtual_server", None, text);
        return this.refused(drafted);
    }
    let Ok(family) = this.match_group(family) else {
        return this.refused(drafted);
    };
    this.marks_rest();
    this.protocol();
    this.persistence();
    this.scheduler();
    this.duplicates();
    this.methods();
    this.match_sorry();
    this.quorum();
    ports::settle(&mut this);
    this.duplicates();
    this.done(drafted, family)
}

impl Finishing<'_> {
    fn new(mut draft: ServiceDraft, group: Option<&Group>, sequence: u32) -> Finishing<'_> {
        let reals = core::mem::take(&mut draft.reals);
        let reals = reals.into_iter().enumerate();
        let reals = reals.map(|(index, real)| candidate(index, real, &draft)).collect();
        let sorry = draft.sorry.take().map(|sorry| Sorry {
            at: sorry.at,
            forwarding: sorry.forwarding.or(draft.forwarding).unwrap_or(Forwarding::Nat),
            inhibit: sorry.inhibit,
        });
        let mut target = draft.target.clone();
        if let Target::Address { protocol, .. } = &mut target {
            *protocol = draft.protocol;
        }
        Finishing {
            key: Key { target, sequence },
            families: group.map(|group| group.summary.families).unwrap_or_default(),
            draft,
            group,
            reals,
            sorry,
            findings: Vec::new(),
        }
    }

    pub(super) fn say(&mut self, keyword: &'static str, real: Option<usize>, text: String) {
        self.finding(keyword, real, Weight::Error, false, text);
    }

    fn say_at_end(&mut self, keyword: &'static str, real: Option<usize>, text: String) {
        self.finding(keyword, real, Weight::Error, true, text);
    }

    fn finding(&mut self, keyword: &'static str, real: Option<usize>, weight: Weight, at_end: bool, text: String) {
        self.findings.push(Finding {
            keyword,
            real,
            weight,
            at_end_of_block: at_end,
            text,
        });
    }

    /// The name of a server of this service as it is now.
    pub(super) fn named(&self, at: Endpoint) -> Named {
        Named::of(at, self.protocol_of_names())
    }

    fn protocol_of_names(&self) -> Option<Protocol> {
        self.draft.protocol
    }

    fn refused(self, drafted: usize) -> Finished {
        Finished {
            service: None,
            places: core::iter::repeat_n(None, drafted).collect(),
            findings: self.findings,
        }
    }

    /// Which family it has, and leaves out what is of another one. `None` inside: nothing decides yet.
    fn family(&mut self) -> Option<Option<Family>> {
        if let (Target::Group(name), None) = (&self.key.target, self.group) {
            let text = format!(
                "Virtual server group {name} specified but not configured - ignoring virtual server {}",
                self.key
            );
            self.finding("virtual_server", None, Weight::Note, false, text);
            return None;
        }
        let mut family = self.draft.known_family();
        let mut strangers = Vec::new();
        self.reals.retain(|candidate| {
            let (own, crosses) = (candidate.real.at.family(), candidate.real.forwarding.crosses_families());
            let fits = crosses || *family.get_or_insert(own) == own;
            if !fits {
                strangers.push((candidate.index, candidate.real.at.address));
            }
            fits
        });
        for (index, address) in strangers {
            let text = format!(
                "Address family of virtual server and real server {address} don't match - skipping real server."
            );
            self.say_at_end("real_server", Some(index), text);
        }
        if let Some(sorry) = &self.sorry
            && !sorry.forwarding.crosses_families()
        {
            let (own, address) = (sorry.at.family(), sorry.at.address);
            if *family.get_or_insert(own) != own {
                self.sorry = None;
                let text = format!(
                    "Address family of virtual server and sorry server {address} don't match - skipping sorry server."
                );
                self.say_at_end("sorry_server", None, text);
            }
        }
        Some(family)
    }

    /// The final family. The errors are said.
    fn match_group(&mut self, family: Option<Family>) -> Result<Option<Family>, ()> {
        let family = match (&self.key.target, self.group) {
            (Target::Group(_), Some(group)) => {
                let of_group = self.families.only();
                let both = self.families.v4 && self.families.v6;
                let text = match family {
                    Some(_) if both => format!(
                        "{}: virtual server group with IPv4 & IPv6 doesn't match virtual server {} - ignoring",
                        group.name, self.key
                    ),
                    Some(own) if of_group.is_some_and(|of_group| of_group != own) => format!(
                        "{}: address family doesn't match virtual server {} - ignoring",
                        group.name, self.key
                    ),
                    _ if both => return Ok(None),
                    _ => return Ok(Some(of_group.or(family).unwrap_or_else(|| self.common_family()))),
                };
                self.finding("virtual_server", None, Weight::Note, false, text);
                return Err(());
            }
            (Target::Mark { .. }, _) => family.unwrap_or_else(|| self.common_family()),
            (Target::Address { at, .. }, _) => at.family(),
            (Target::Group(_), None) => return Err(()),
        };
        if let Target::Mark { family: of_key, .. } = &mut self.key.target {
            *of_key = Some(family);
        }
        Ok(Some(family))
    }

    /// The family all real servers share, for marks that only have tunnels.
    fn common_family(&mut self) -> Family {
        let mut families = self.reals.iter().map(|candidate| candidate.real.at.family());
        let first = families.next().unwrap_or(Family::V4);
        if families.all(|family| family == first) {
            return first;
        }
        let text = format!(
            "Virtual server {} address family cannot be determined, defaulting to IPv4",
            self.key
        );
        self.finding("ip_family", None, Weight::Note, false, text);
        Family::V4
    }

    /// Whether no address is named: only marks decide what comes here.
    pub(super) fn only_marks(&self) -> bool {
        match self.key.target {
            Target::Address { .. } => false,
            Target::Mark { .. } => true,
            Target::Group(_) => !self.families.addresses,
        }
    }

    fn marks_rest(&mut self) {
        let marks = matches!(self.key.target, Target::Mark { .. }) || self.families.marks;
        if self.draft.ha_suspend && marks {
            self.draft.ha_suspend = false;
            let text = format!(
                "Virtual server {}: cannot use ha_suspend with fwmarks - clearing ha_suspend",
                self.key
            );
            self.say("ha_suspend", None, text);
        }
    }

    fn protocol(&mut self) {
        if self.only_marks() {
            if self.draft.protocol.take().is_some() {
                let text = format!(
                    "Warning: Virtual server {}: protocol specified for fwmark - protocol will be ignored",
                    self.key
                );
                self.say("protocol", None, text);
            }
            return;
        }
        if self.draft.protocol.is_none() {
            let text = format!("Virtual server {}: no protocol set - defaulting to UDP", self.key);
            self.say("virtual_server", None, text);
            self.draft.protocol = Some(Protocol::Udp);
        }
        if let Target::Address { protocol, .. } = &mut self.key.target {
            *protocol = self.draft.protocol;
        }
        if self.draft.one_packet && self.draft.protocol != Some(Protocol::Udp) {
            self.draft.one_packet = false;
            let text = format!(
                "Virtual server {}: one packet scheduling requires UDP - resetting",
                self.key
            );
            self.say("ops", None, text);
        }
    }

    fn persistence(&mut self) {
        if self.draft.granularity.is_some() {
            self.draft.persistence = self.draft.persistence.or(NonZeroU32::new(PERSISTENCE_DEFAULT));
        }
        let port_zero = match (&self.key.target, self.group) {
            (Target::Address { at, .. }, _) => at.port == 0,
            (Target::Mark { .. }, _) | (Target::Group(_), None) => false,
            (Target::Group(_), Some(group)) => group.summary.ports.contains_key(&0),
        };
        if port_zero && self.draft.persistence.is_none() {
            let text = format!(
                "Virtual server {}: zero port only valid for persistent services - setting",
                self.key
            );
            self.say("persistence_timeout", None, text);
            self.draft.persistence = NonZeroU32::new(PERSISTENCE_DEFAULT);
        }
    }

    fn scheduler(&mut self) {
        if self.draft.scheduler.is_none() {
            let default = Scheduler::Wlc;
            let text = format!(
                "Virtual server {}: no scheduler set, setting default '{default}'",
                self.key
            );
            self.say("lb_algo", None, text);
            self.draft.scheduler = Some(default);
        }
    }

    fn duplicates(&mut self) {
        let mut seen = BTreeSet::new();
        let mut twice = Vec::new();
        self.reals.retain(|candidate| {
            let first = seen.insert(candidate.real.at);
            if !first {
                twice.push((candidate.index, candidate.real.at));
            }
            first
        });
        for (index, at) in twice {
            let text = format!(
                "VS {}: real server {} is duplicated - removing second rs",
                self.key,
                self.named(at)
            );
            self.say("real_server", Some(index), text);
        }
    }

    fn methods(&mut self) {
        let sorry_lacks = self.sorry.is_some() && self.draft.sorry.as_ref().is_some_and(|s| s.forwarding.is_none());
        let lacks = sorry_lacks || self.reals.iter().any(|candidate| candidate.method.is_none());
        if self.draft.forwarding.is_none() && lacks {
            let text = format!(
                "Virtual server {}: no forwarding method set, setting default NAT",
                self.key
            );
            self.say("lb_kind", None, text);
        }
    }

    /// A real server that is the sorry server too decides whether it stays with weight 0.
    fn match_sorry(&mut self) {
        let Some(sorry) = &self.sorry else { return };
        let at = sorry.at;
        let Some(same) = self.reals.iter().find(|candidate| candidate.real.at == at) else {
            return;
        };
        let (index, inhibit) = (same.index, same.real.inhibit_on_failure);
        if inhibit == sorry.inhibit {
            return;
        }
        let text = format!(
            "Virtual server {}: real server {} matches sorry server, but inhibit setting differs, {}ing on sorry server",
            self.key,
            self.named(at),
            if inhibit { "sett" } else { "clear" }
        );
        self.say("sorry_server_inhibit", Some(index), text);
        if let Some(sorry) = &mut self.sorry {
            sorry.inhibit = inhibit;
        }
    }

    fn quorum(&mut self) {
        let total: u64 = self
            .reals
            .iter()
            .map(|candidate| u64::from(candidate.real.weight))
            .sum();
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        let quorum = self.draft.quorum;
        if quorum.get() > total {
            let text = format!(
                "Warning - quorum {quorum} for {} exceeds total weight of real servers {total}, reducing quorum to {total}",
                self.key
            );
            self.say("quorum", None, text);
            // Without any weight there is never a quorum, so it stays 1; see docs/divergences.md, "quorum-of-nothing".
            self.draft.quorum = NonZeroU32::new(total).unwrap_or(NonZeroU32::MIN);
        }
        let quorum = self.draft.quorum;
        if self.draft.hysteresis >= quorum.get() {
            let below = quorum.get() - 1;
            if self.draft.hysteresis > below {
                let text = format!(
                    "Virtual server {}: hysteresis {} >= quorum {quorum}; setting hysteresis to {below}",
                    self.key, self.draft.hysteresis
                );
                self.say("hysteresis", None, text);
            }
            self.draft.hysteresis = below;
        }
    }

    fn done(self, drafted: usize, family: Option<Family>) -> Finished {
        let mut places: Vec<Option<Endpoint>> = core::iter::repeat_n(None, drafted).collect();
        for candidate in &self.reals {
            if let Some(place) = places.get_mut(candidate.index) {
                *place = Some(candidate.real.at);
            }
        }
        // Collecting would keep the room of the drafts.
        let mut reals = Vec::with_capacity(self.reals.len());
        reals.extend(self.reals.into_iter().map(|candidate| candidate.real));
        let draft = self.draft;
        let service = Service {
            key: self.key,
            protocol: draft.protocol,
            family,
            scheduler: draft.scheduler.unwrap_or(Scheduler::Wlc),
            flags: draft.flags,
            one_packet: draft.one_packet,
            persistence: draft.persistence,
            granularity: draft.granularity,
            engine: draft.engine,
            quorum: draft.quorum,
            hysteresis: draft.hysteresis,
            omega: draft.omega,
            ha_suspend: draft.ha_suspend,
            smtp_alert: draft.smtp_alert,
            snmp_name: draft.snmp_name,
            reals,
            sorry: self.sorry,
        };
        Finished {
            service: Some(service),
            places,
            findings: self.findings,
        }
    }
}

fn candidate(index: usize, real: RealDraft, service: &ServiceDraft) -> Candidate {
    let method = real.forwarding.or(service.forwarding);
    Candidate {
        index,
        method,
        real: Real {
            at: real.at,
            forwarding: method.unwrap_or(Forwarding::Nat),
            weight: real.weight.unwrap_or(service.weight),
            upper_threshold: real.upper_threshold,
            lower_threshold: real.lower_threshold,
            inhibit_on_failure: real.inhibit_on_failure.unwrap_or(service.inhibit_on_failure),
            smtp_alert: real.smtp_alert,
            snmp_name: real.snmp_name,
        },
    }
}
