//! `virtual_server`, `virtual_server_group`, `SSL` and what `global_defs` says about them: words into drafts.
//!
//! Only what one word can say is decided here; the rules between keywords are in [`lvs::draft`] and [`check::draft`].
//! A virtual server is finished when its block ends, so that the drafts of thousands never exist at once; one of a group
//! waits for the end of the file, because its group may stand below it.

pub(crate) mod group;
pub(crate) mod method;
pub(crate) mod real;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod tls;

use super::Lowering;
use crate::diagnostic::Class;
use crate::model::{Command, ServerNotify, Servers, VirtualServer};
use crate::source::Mark;
use crate::tree::Statement;
use base::Family;
use check::draft::{Around, ConnectionDraft, Inherited, Settled, UrlDraft};
use lvs::config::{Entry, Group, GroupName, Key, Target};
use lvs::draft::{Finding, Finished, RealDraft, ServiceDraft, Weight};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The longest `connect_timeout`, in microseconds.
const LONGEST_TIMEOUT: u64 = u32::MAX as u64;
/// The longest of the other times, in microseconds, as upstream prints it.
const LONGEST_DELAY: u64 = u64::MAX - 1;

/// What is being read about virtual servers, and what has been.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The virtual server whose block is open.
    pub(crate) service: Option<ServiceReading>,
    /// The real server whose block is open.
    pub(crate) real: Option<RealReading>,
    /// The check whose block is open.
    pub(crate) check: Option<check::draft::Draft>,
    /// The page whose block is open.
    pub(crate) url: Option<UrlDraft>,
    /// The `host` whose block is open.
    pub(crate) host: Option<(Inherited, ConnectionDraft)>,
    /// The program of a `MISC_CHECK`, before its identity is known.
    pub(crate) misc: MiscReading,
    /// The group whose block is open.
    pub(crate) group: Option<(GroupName, Vec<Entry>)>,
    /// What the file has said about virtual servers.
    pub(crate) servers: Servers,
    /// A block `SSL` has been read.
    pub(crate) has_tls: bool,
    /// `nftables_ipvs` and what belongs to it.
    pub(crate) nftables: settings::NftablesDraft,
    /// Blocks of virtual servers so far.
    opened: usize,
    /// What they became.
    order: Vec<(usize, Key)>,
    waiting: Vec<ServiceReading>,
    late: Vec<(Option<Mark>, Finding)>,
    unsaid: usize,
    sequences: HashMap<Target, u32>,
    shared: HashSet<Arc<str>>,
}

/// What a `MISC_CHECK` runs, as written.
#[derive(Debug, Default)]
pub(crate) struct MiscReading {
    pub(crate) path: Option<String>,
    pub(crate) arguments: Vec<Vec<u8>>,
    /// The identity it names; `Some(None)`: one that does not exist.
    pub(crate) user: Option<Option<crate::model::Identity>>,
}

/// A virtual server while its block is read.
#[derive(Debug)]
pub(crate) struct ServiceReading {
    pub(crate) draft: ServiceDraft,
    /// Its place among those of the file.
    number: usize,
    /// Where it begins.
    at: Mark,
    /// Where its block ends.
    end: Option<Mark>,
    /// Where keywords were given that findings are about.
    marks: Vec<(&'static str, Mark)>,
    pub(crate) inherited: Inherited,
    pub(crate) host: Option<Arc<str>>,
    quorum_up: Option<Arc<Command>>,
    quorum_down: Option<Arc<Command>>,
    reals: Vec<RealReading>,
}

/// A real server: what is not part of its draft.
#[derive(Debug)]
pub(crate) struct RealReading {
    pub(crate) draft: RealDraft,
    at: Mark,
    end: Option<Mark>,
    pub(crate) inherited: Inherited,
    host: Option<Arc<str>>,
    notify: ServerNotify,
    pub(crate) checks: Vec<Settled>,
}

type Line<'s, 't> = &'s Statement<'t>;

impl Reading {
    /// The same text once, however often it is written.
    pub(crate) fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.shared.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text);
        self.shared.insert(Arc::clone(&new));
        new
    }

    /// Numbers what has the same target, in the order of the configuration.
    fn sequence(&mut self, target: &Target) -> u32 {
        let next = self.sequences.entry(target.clone()).or_default();
        let this = *next;
        *next = next.saturating_add(1);
        this
    }

    /// Takes a virtual server whose block has ended.
    fn take(&mut self, reading: ServiceReading) {
        if matches!(reading.draft.target, Target::Group(_)) {
            self.waiting.push(reading);
        } else {
            self.finish(reading, None);
        }
    }

    fn finish(&mut self, mut reading: ServiceReading, group: Option<&Group>) {
        let draft = std::mem::replace(&mut reading.draft, ServiceDraft::new(Target::Group("".into())));
        let target = draft.target.clone();
        // A group's virtual servers are numbered in messages too, so theirs must be known before.
        let first = match &target {
            Target::Group(_) => self.sequences.get(&target).copied().unwrap_or_default(),
            Target::Address { .. } | Target::Mark { .. } => 0,
        };
        let service_port = match &target {
            Target::Address { at, .. } => at.port,
            Target::Mark { .. } | Target::Group(_) => 0,
        };
        let Finished {
            service,
            places,
            findings,
        } = draft.finish(group, first);
        for finding in findings {
            // More than is ever said need not be kept.
            if self.late.len() < crate::limits::DIAGNOSTICS {
                let at = reading.place(&finding);
                self.late.push((at, finding));
            } else {
                self.unsaid += 1;
            }
        }
        let Some(mut service) = service else { return };
        service.key.sequence = self.sequence(&service.key.target);
        let mut server = VirtualServer {
            service,
            checks: BTreeMap::new(),
            quorum_up: reading.quorum_up,
            quorum_down: reading.quorum_down,
            notify: BTreeMap::new(),
        };
        for (real, place) in reading.reals.into_iter().zip(places) {
            let Some(place) = place else { continue };
            let written = real.draft.at;
            let around = Around {
                address: written.address,
                port: if written.port == 0 { service_port } else { written.port },
                inherited: real.inherited.within(&reading.inherited),
                service_delay_loop: reading.inherited.delay_loop,
                real_host: real.host,
                service_host: reading.host.clone(),
            };
            // Thousands of these stay in memory: no room to spare in any.
            let mut checks = Vec::with_capacity(real.checks.len());
            for check in real.checks {
                check.inherit(&around, &mut checks);
            }
            if !checks.is_empty() {
                server.checks.insert(place, checks.into_boxed_slice());
            }
            if real.notify != ServerNotify::default() {
                server.notify.insert(place, real.notify);
            }
        }
        let key: Key = server.service.key.clone();
        self.order.push((reading.number, key.clone()));
        self.servers.services.insert(key, Arc::new(server));
    }
}

impl ServiceReading {
    /// Where a finding belongs.
    fn place(&self, finding: &Finding) -> Option<Mark> {
        let real = finding.real.and_then(|real| self.reals.get(real));
        if finding.at_end_of_block {
            return real.map_or(self.end, |real| real.end).or(Some(self.at));
        }
        let keyword = self.marks.iter().rev().find(|(name, _)| *name == finding.keyword);
        let mark = real.map(|real| real.at).or(keyword.map(|(_, mark)| *mark));
        Some(mark.unwrap_or(self.at))
    }
}

impl Lowering<'_> {
    /// The end of the file: groups are known now, and what upstream says after reading is said.
    pub(crate) fn finish_servers(&mut self, halted: bool) -> Servers {
        for reading in std::mem::take(&mut self.lvs.waiting) {
            let group = match &reading.draft.target {
                Target::Group(name) => self.lvs.servers.groups.get(name).cloned(),
                Target::Address { .. } | Target::Mark { .. } => None,
            };
            self.lvs.finish(reading, group.as_deref());
        }
        if !halted {
            self.unsaid += self.lvs.unsaid;
            for (at, finding) in std::mem::take(&mut self.lvs.late) {
                let class = match finding.weight {
                    // Upstream tells its log alone, where a check has none.
                    Weight::Note if self.facts.checking => continue,
                    Weight::Note => Class::Notice,
                    Weight::Error => Class::Error,
                };
                self.say_at(at, finding.at_end_of_block, class, code(finding.keyword), finding.text);
            }
        }
        let settings = self.lvs.nftables.finish();
        self.lvs.servers.settings.nftables = settings;
        std::mem::take(&mut self.lvs.servers)
    }

    /// The virtual servers in the order of the file.
    pub(crate) fn order_of_servers(&mut self) -> Vec<Key> {
        let mut order = std::mem::take(&mut self.lvs.order);
        order.sort_by_key(|(number, _)| *number);
        order.into_iter().map(|(_, key)| key).collect()
    }

    /// The address of a server; what follows a `/` or `-` is not part of it, as in upstream.
    fn server_address(word: &str) -> Option<IpAddr> {
        let end = word.find(['/', '-']).unwrap_or(word.len());
        word.get(..end)?.parse().ok()
    }

    /// A port; zeros alone are none.
    fn port(&mut self, line: Line<'_, '_>, word: usize) -> Result<u16, ()> {
        let Some(text) = line.word(word) else { return Ok(0) };
        if !text.is_empty() && text.bytes().all(|b| b == b'0') {
            return Ok(0);
        }
        self.unsigned(line, word, 1, u32::from(u16::MAX))
            .map(|port| port as u16)
            .ok_or(())
    }

    /// A mark, which may be written as C writes numbers.
    fn mark_number(&mut self, line: Line<'_, '_>, word: usize) -> Option<u32> {
        let text = line.word(word)?;
        let prefixed = text.len() > 1 && text.starts_with('0');
        if prefixed && let Some(number) = crate::expand::number(text).and_then(|n| u32::try_from(n).ok()) {
            return Some(number);
        }
        self.unsigned(line, word, 0, u32::MAX)
    }

    /// `inet` or `inet6`.
    fn family_word(word: &str) -> Option<Family> {
        match word {
            "inet" => Some(Family::V4),
            "inet6" => Some(Family::V6),
            _ => None,
        }
    }

    /// A time that may not be zero, with the message upstream adds.
    fn positive(&mut self, line: Line<'_, '_>, most: u64, invalid: impl FnOnce(&str) -> String) -> Option<Duration> {
        let value = self.seconds(line, 1, 1, most);
        if value.is_none() {
            let text = invalid(line.word(1).unwrap_or_default());
            self.error(line, 1, "time", text);
        }
        value
    }

    /// A time that may be zero. Upstream has no second message for these.
    fn delay(&mut self, line: Line<'_, '_>) -> Option<Duration> {
        self.seconds(line, 1, 0, LONGEST_DELAY)
    }

    /// A command of a server; the same command is kept once.
    fn server_command(&mut self, line: Line<'_, '_>) -> Option<Arc<Command>> {
        let text = line.text.text.trim_start();
        let text = text
            .strip_prefix(line.word(0).unwrap_or_default())
            .unwrap_or(text)
            .trim();
        let command = self.command(line, "notify")?;
        let name = check::config::CommandName(self.lvs.share(text));
        let known = self
            .lvs
            .servers
            .commands
            .entry(name)
            .or_insert_with(|| Arc::new(command));
        Some(Arc::clone(known))
    }
}

/// The stable name of a finding: its keyword as code.
fn code(keyword: &'static str) -> &'static str {
    match keyword {
        "real_server" => "real-server",
        "sorry_server" | "sorry_server_inhibit" => "sorry-server",
        "quorum" | "hysteresis" => "quorum",
        "protocol" | "ops" => "service-protocol",
        "persistence_timeout" => "service-persistence",
        "lb_algo" => "service-scheduler",
        "lb_kind" => "service-method",
        "ha_suspend" => "service-ha-suspend",
        "ip_family" => "service-family",
        _ => "service",
    }
}
