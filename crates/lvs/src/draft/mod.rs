//! What a file said of a virtual server, and how it becomes a [`Service`].
//!
//! `conf` fills a [`ServiceDraft`] word by word and knows no rules between words; the rules are here
//! (`spec/lvs-behaviour.md` 1.1 to 1.4). Nothing here stops the program: every correction and refusal is a [`Finding`]
//! that names the keyword it is about, so that `conf` can say where.

mod finish;
mod ports;

use crate::config::{
    Endpoint, Entry, Forwarding, Granularity, Group, GroupName, Protocol, Scheduler, SchedulerFlags, Service, Summary,
    Target,
};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::Family;
use core::num::NonZeroU32;

/// What the block of a virtual server said; `None` where it said nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceDraft {
    /// What it is known by, without protocol and family.
    pub target: Target,
    /// `ip_family`.
    pub family: Option<Family>,
    /// `protocol`.
    pub protocol: Option<Protocol>,
    /// `lb_algo`.
    pub scheduler: Option<Scheduler>,
    /// `flag-1` and the like.
    pub flags: SchedulerFlags,
    /// `ops`.
    pub one_packet: bool,
    /// `lb_kind`.
    pub forwarding: Option<Forwarding>,
    /// `persistence_timeout`.
    pub persistence: Option<NonZeroU32>,
    /// `persistence_granularity`.
    pub granularity: Option<Granularity>,
    /// `persistence_engine`.
    pub engine: Option<Arc<str>>,
    /// `quorum`.
    pub quorum: NonZeroU32,
    /// `hysteresis`.
    pub hysteresis: u32,
    /// `weight`: that of real servers that have none of their own.
    pub weight: u32,
    /// `inhibit_on_failure`: for real servers that do not say.
    pub inhibit_on_failure: bool,
    /// `omega`.
    pub omega: bool,
    /// `ha_suspend`.
    pub ha_suspend: bool,
    /// `smtp_alert`.
    pub smtp_alert: Option<bool>,
    /// `snmp_name`.
    pub snmp_name: Option<Arc<str>>,
    /// `real_server`.
    pub reals: Vec<RealDraft>,
    /// `sorry_server`.
    pub sorry: Option<SorryDraft>,
}

impl ServiceDraft {
    /// A block that has said nothing yet.
    pub fn new(target: Target) -> ServiceDraft {
        ServiceDraft {
            target,
            family: None,
            protocol: None,
            scheduler: None,
            flags: SchedulerFlags::empty(),
            one_packet: false,
            forwarding: None,
            persistence: None,
            granularity: None,
            engine: None,
            quorum: NonZeroU32::MIN,
            hysteresis: 0,
            weight: 1,
            inhibit_on_failure: false,
            omega: false,
            ha_suspend: false,
            smtp_alert: None,
            snmp_name: None,
            reals: Vec::new(),
            sorry: None,
        }
    }

    /// The family as far as it was said: by the address, `ip_family` or the granularity of persistence.
    pub fn known_family(&self) -> Option<Family> {
        match &self.target {
            Target::Address { at, .. } => Some(at.family()),
            Target::Mark { .. } | Target::Group(_) => self.family.or(self.granularity.map(Granularity::family)),
        }
    }

    /// Applies the defaults and every rule between keywords. `group` is that of a [`Target::Group`], if there is one;
    /// `sequence` numbers what has the same target.
    pub fn finish(self, group: Option<&Group>, sequence: u32) -> Finished {
        finish::finish(self, group, sequence)
    }
}

/// What the block of a real server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealDraft {
    /// Where it is; port 0: none was given.
    pub at: Endpoint,
    /// `lvs_method`.
    pub forwarding: Option<Forwarding>,
    /// `weight`.
    pub weight: Option<u32>,
    /// `uthreshold`.
    pub upper_threshold: u32,
    /// `lthreshold`.
    pub lower_threshold: u32,
    /// `inhibit_on_failure`.
    pub inhibit_on_failure: Option<bool>,
    /// `smtp_alert`.
    pub smtp_alert: Option<bool>,
    /// `snmp_name`.
    pub snmp_name: Option<Arc<str>>,
}

impl RealDraft {
    /// A block that has said nothing yet.
    pub fn new(at: Endpoint) -> RealDraft {
        RealDraft {
            at,
            forwarding: None,
            weight: None,
            upper_threshold: 0,
            lower_threshold: 0,
            inhibit_on_failure: None,
            smtp_alert: None,
            snmp_name: None,
        }
    }
}

/// What was said of the sorry server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SorryDraft {
    /// Where it is; port 0: none was given.
    pub at: Endpoint,
    /// `sorry_server_lvs_method`.
    pub forwarding: Option<Forwarding>,
    /// `sorry_server_inhibit`.
    pub inhibit: bool,
}

/// What [`ServiceDraft::finish`] made of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The virtual server, if one can run from this.
    pub service: Option<Service>,
    /// Where each real server of the draft ended up; `None` for those that were left out.
    pub places: Vec<Option<Endpoint>>,
    /// What was corrected or refused, in the order it was noticed.
    pub findings: Vec<Finding>,
}

/// A correction or refusal, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The keyword it is about; `virtual_server` for the block as a whole.
    pub keyword: &'static str,
    /// The real server it is about, as its place among those of the draft.
    pub real: Option<usize>,
    /// How bad it is.
    pub weight: Weight,
    /// Upstream notices it while it reads, at the end of the block.
    pub at_end_of_block: bool,
    /// The message.
    pub text: String,
}

/// How bad a [`Finding`] is for the exit code of `-t`. Nothing said here keeps the daemon from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Said, but no configuration error: `-t` still exits 0. Upstream notices these only when it runs.
    Note,
    /// A configuration error that was put right: `-t` exits 5.
    Error,
}

/// The group of these entries, or why there can be none.
///
/// # Errors
/// The message, in upstream's words.
pub fn group(name: GroupName, entries: Vec<Entry>) -> Result<Group, String> {
    if entries.is_empty() {
        return Err(format!("virtual server group {name} has no entries - removing"));
    }
    let summary = Summary::of(&entries);
    let families = summary.families;
    if families.v4 && families.v6 && families.unsaid {
        let text = format!("virtual server group {name} cannot have IPv4, IPv6 and fwmark without family - removing");
        return Err(text);
    }
    Ok(Group { name, entries, summary })
}
