//! The packet filter of the virtual addresses: what it should hold, and asking for it.
//!
//! Decides when a rule comes and goes: before its address is put on an interface, and after it has been taken away. One
//! batch is under way at a time; if one is refused nothing is taken for known, and everything is made anew. It does not
//! know how rules are written. That nftables does not work is said, and keeps no address from being served.

use super::interfaces::Interfaces;
use super::slots::Slot;
use super::{Engine, takes_part};
use crate::action::Action;
use crate::config::{AddressKey, Config, Link, LinkKind};
use crate::election::State;
use crate::event::Level;
use crate::filter::{Element, FilterSettings, FilterStep, Part, Rules, plan};
use crate::input::BatchId;
use crate::instance::Instance;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Family, IfIndex, IfName, Instant};
use core::net::IpAddr;
use core::time::Duration;

/// The most steps in one batch: what does not fit follows with the next.
///
/// The kernel takes some thousands of elements in a few milliseconds, and most machines have some dozens.
const MOST_STEPS: usize = 4_000;
/// Pause after the rules could not be made; it doubles with each further refusal.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Doublings at most: about a minute.
const MOST_DOUBLINGS: u32 = 6;

/// Rules that are removed again and again within this time are put back with a pause before.
const PEACE: Duration = Duration::from_secs(3);
/// Losses in a row that are put right at once.
const LOSSES_AT_ONCE: u32 = 3;

/// The number of a batch whose answer changes nothing.
const UNANSWERED: BatchId = BatchId(0);

/// The elements an instance wants, each with the address it is about.
type Wanted = BTreeMap<Element, Option<AddressKey>>;

/// The rules as they should be and as they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    settings: FilterSettings,
    wanted: BTreeMap<Slot, Wanted>,
    counts: BTreeMap<Element, usize>,
    /// No longer wanted, but their addresses are still there.
    lingering: BTreeMap<Element, AddressKey>,
    desired: Rules,
    /// `None`: not known.
    observed: Option<Rules>,
    in_flight: Option<(BatchId, Vec<FilterStep>)>,
    /// Whether `desired` and `observed` may differ.
    dirty: bool,
    batches: u64,
    refusals: u32,
    retry_at: Option<Instant>,
    /// The error number of the refusal that was told.
    trouble: Option<i32>,
    announced: bool,
    finished: bool,
    /// Somebody removed rules while a batch was under way: its answer does not say what is there.
    lost: bool,
    /// When rules were last removed by somebody, and how often since there was peace.
    losses: Option<(Instant, u32)>,
}

impl Filter {
    /// Sets what an instance wants in the sets. What it no longer wants goes, unless `leaving` says that its address is
    /// still there and nobody's: then it goes with it.
    fn want(&mut self, slot: Slot, wanted: Wanted, leaving: impl Fn(AddressKey) -> bool) {
        let before = self.wanted.remove(&slot).unwrap_or_default();
        for element in wanted.keys().filter(|element| !before.contains_key(element)) {
            self.lingering.remove(element);
            *self.counts.entry(*element).or_insert(0) += 1;
            self.desired.need(element.part());
            self.dirty |= self.desired.elements.insert(*element);
        }
        for (element, key) in before.iter().filter(|(element, _)| !wanted.contains_key(element)) {
            let count = self.counts.get(element).copied().unwrap_or(0);
            if count > 1 {
                self.counts.insert(*element, count - 1);
                continue;
            }
            self.counts.remove(element);
            match key.filter(|key| leaving(*key)) {
                Some(key) => {
                    self.lingering.insert(*element, key);
                }
                None => self.dirty |= self.desired.elements.remove(element),
            }
        }
        if !wanted.is_empty() {
            self.wanted.insert(slot, wanted);
        }
    }

    /// Lets go what lingers and whose address is gone.
    fn settle(&mut self, leaving: impl Fn(AddressKey) -> bool) {
        let (stays, gone) = core::mem::take(&mut self.lingering)
            .into_iter()
            .partition(|(_, key)| leaving(*key));
        self.lingering = stays;
        for element in gone.into_keys() {
            self.dirty |= self.desired.elements.remove(&element);
        }
    }

    /// Asks for what is due, if nothing is under way.
    fn pump(&mut self, now: Instant, out: &mut Vec<Action>) {
        if !self.dirty || self.in_flight.is_some() || self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        self.retry_at = None;
        let mut steps = plan(self.observed.as_ref(), &self.desired);
        self.dirty = steps.len() > MOST_STEPS;
        steps.truncate(MOST_STEPS);
        if !steps.is_empty() {
            self.ask(steps, out);
        }
    }

    fn ask(&mut self, steps: Vec<FilterStep>, out: &mut Vec<Action>) {
        self.batches += 1;
        let batch = BatchId(self.batches);
        let settings = self.settings.clone();
        out.push(Action::ChangeFilter {
            batch,
            settings,
            steps: steps.clone(),
        });
        self.in_flight = Some((batch, steps));
    }

    /// Whether rules that must precede addresses have not been asked for yet.
    pub(super) fn is_behind(&self) -> bool {
        self.dirty && self.in_flight.is_some()
    }
}

impl Engine {
    /// What the settings and instances of a new model need, before anybody becomes master.
    pub(super) fn prepare_filter(&mut self, out: &mut Vec<Action>) {
        let filter = &mut self.filter;
        let settings = &self.settings.filter;
        if filter.settings != *settings {
            let old = core::mem::replace(&mut filter.settings, settings.clone());
            // Another name, or rules that are written otherwise: what there is goes, and what is on its way.
            let mut there = filter.observed.take().unwrap_or_default();
            for step in filter.in_flight.take().into_iter().flat_map(|(_, steps)| steps) {
                there.apply(&step);
            }
            let steps = plan(Some(&there), &Rules::default());
            if !steps.is_empty() {
                out.push(Action::ChangeFilter {
                    batch: UNANSWERED,
                    settings: old,
                    steps,
                });
            }
            filter.dirty = true;
            self.filter_all();
        }
        let filter = &mut self.filter;
        let mut parts = Rules::default();
        for slot in self.names.values() {
            if let Some(instance) = self.instances.get(*slot) {
                needed(&instance.config, &filter.settings)
                    .into_iter()
                    .for_each(|part| parts.need(part));
            }
        }
        for element in &filter.desired.elements {
            parts.need(element.part());
        }
        filter.dirty |= filter.desired.parts != parts.parts;
        filter.desired.parts = parts.parts;
        if !filter.desired.parts.is_empty() && !filter.announced && !filter.settings.configured {
            filter.announced = true;
            let text = "use_vmac or no_accept/strict specified, but no firewall configured - using nftables";
            Engine::tell(None, Level::Info, text.into(), out);
        }
    }

    /// Brings the rules of an instance to what its state and configuration want.
    pub(super) fn filter_of(&mut self, slot: Slot) {
        let settings = &self.filter.settings;
        let mut wanted = match self.instances.get(slot) {
            Some(instance) if is_master(instance) => elements(instance, &self.interfaces, settings.by_index),
            Some(_) | None => Wanted::new(),
        };
        if let Some(instance) = self.instances.get(slot).filter(|instance| is_there(instance)) {
            wanted.extend(reports(instance, &self.interfaces, settings));
        }
        let holdings = &self.holdings;
        self.filter.want(slot, wanted, |key| holdings.is_leaving(&key));
    }

    /// The same for every instance that has rules.
    pub(super) fn filter_all(&mut self) {
        let slots: Vec<Slot> = self.filter.wanted.keys().copied().collect();
        for slot in slots {
            self.filter_of(slot);
        }
    }

    /// Adds what an instance wants and takes nothing away yet.
    pub(super) fn filter_more(&mut self, slot: Slot) {
        let before = self.filter.wanted.get(&slot).cloned().unwrap_or_default();
        let by_index = self.filter.settings.by_index;
        let Some(instance) = self.instances.get(slot).filter(|instance| is_master(instance)) else {
            return;
        };
        let mut wanted = elements(instance, &self.interfaces, by_index);
        wanted.extend(before);
        self.filter.want(slot, wanted, |_| false);
    }

    /// An interface has another number: rules that name it follow.
    pub(super) fn filter_renumbered(&mut self, name: IfName, before: Option<IfIndex>) {
        if self.interfaces.index(&name) == before {
            return;
        }
        self.settle_filter();
        let slots: Vec<Slot> = self.instances.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.filter_of(slot);
        }
    }

    /// Rules whose address is gone go too.
    pub(super) fn settle_filter(&mut self) {
        let holdings = &self.holdings;
        if !self.filter.lingering.is_empty() {
            self.filter.settle(|key| holdings.is_leaving(&key));
        }
        if self.ending && !self.keeps_addresses && self.unheld.is_empty() && holdings.is_settled() {
            let filter = &mut self.filter;
            // An address that the kernel refuses to give up must not keep the end waiting.
            filter.lingering.clear();
            if !filter.finished {
                filter.finished = true;
                filter.desired = Rules::default();
                filter.dirty = filter.observed.is_some() || filter.in_flight.is_some();
            }
        }
    }

    /// Asks the kernel for rules, and then for addresses.
    pub(super) fn pump_filter(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.settle_filter();
        self.filter.pump(now, out);
    }

    /// Whether nothing of the filter keeps the end waiting.
    pub(super) fn filter_is_finished(&self) -> bool {
        self.filter.in_flight.is_none() && (self.keeps_addresses || self.filter.finished && !self.filter.dirty)
    }

    pub(super) fn filter_deadline(&self) -> Option<Instant> {
        self.filter.retry_at.filter(|_| self.filter.dirty)
    }

    /// The kernel has carried out a batch, or refused it whole.
    pub(super) fn filter_changed(&mut self, now: Instant, batch: BatchId, refused: Option<i32>, out: &mut Vec<Action>) {
        let filter = &mut self.filter;
        let Some((_, steps)) = filter.in_flight.take_if(|(id, _)| *id == batch) else {
            return;
        };
        match refused {
            None => {
                let observed = filter.observed.get_or_insert_default();
                steps.iter().for_each(|step| observed.apply(step));
                filter.refusals = 0;
                if core::mem::take(&mut filter.lost) {
                    filter.observed = None;
                    filter.dirty = true;
                }
                if filter.trouble.take().is_some() {
                    Engine::tell(None, Level::Info, "nftables: the rules are in place again".into(), out);
                }
            }
            Some(errno) => self.filter_refused(now, errno, out),
        }
        self.pump(now, out);
    }

    /// Somebody removed rules of ours: a reload of a firewall flushes all tables. They are put back at once, and after a
    /// pause if that goes on.
    pub(super) fn filter_lost(&mut self, now: Instant, out: &mut Vec<Action>) {
        let filter = &mut self.filter;
        if self.ending || (filter.desired.parts.is_empty() && filter.desired.elements.is_empty()) {
            return;
        }
        let count = match filter.losses {
            Some((at, count)) if now.since(at) < PEACE => count.saturating_add(1),
            Some(_) | None => 1,
        };
        filter.losses = Some((now, count));
        filter.lost = filter.in_flight.is_some();
        filter.observed = None;
        filter.dirty = true;
        if count > LOSSES_AT_ONCE {
            filter.retry_at = Some(now.after(FIRST_RETRY));
        }
        if count == 1 {
            let text = "nftables: rules of ours were removed by somebody else - putting them back";
            Engine::tell(None, Level::Warning, text.into(), out);
        }
        self.pump(now, out);
    }

    fn filter_refused(&mut self, now: Instant, errno: i32, out: &mut Vec<Action>) {
        let ending = self.ending;
        let filter = &mut self.filter;
        let was_known = filter.observed.take().is_some();
        // Somebody who reloads a firewall flushes all tables, ours too: made anew at once.
        filter.dirty = !ending;
        if was_known {
            let text = format!("nftables refused a change of our rules (error {errno}): making them anew");
            Engine::tell(None, Level::Info, text, out);
            return;
        }
        filter.retry_at = Some(now.after(FIRST_RETRY * (1 << filter.refusals.min(MOST_DOUBLINGS))));
        filter.refusals = filter.refusals.saturating_add(1);
        if filter.trouble.replace(errno) != Some(errno) {
            let text = format!(
                "nftables is not available (error {errno}): packets to virtual addresses are not dropped; trying again later"
            );
            Engine::tell(None, Level::Warning, text, out);
        }
    }

    /// The error number with which nftables refuses our rules, if it does.
    pub fn filter_trouble(&self) -> Option<i32> {
        self.filter.trouble
    }
}

fn is_there(instance: &Instance) -> bool {
    match instance.election.state() {
        State::Stopped => false,
        State::Init | State::Fault | State::Backup { .. } | State::Master { .. } => true,
    }
}

fn is_master(instance: &Instance) -> bool {
    let state = instance.election.state();
    takes_part(state) && state.name() == crate::action::StateName::Master
}

/// What an instance needs as master.
fn needed(config: &Config, settings: &FilterSettings) -> Vec<Part> {
    let mut parts: Vec<Part> = reporting(config, settings)
        .map(|link| Part::Reports(link.family))
        .collect();
    if !config.drops_packets() {
        return parts;
    }
    let by_index = settings.by_index;
    let all = config.addresses.iter().chain(&config.excluded);
    parts.extend(all.map(|address| match address.prefix.address() {
        IpAddr::V6(link_local) if link_local.is_unicast_link_local() => {
            if by_number(config, by_index) {
                Part::LinkLocal
            } else {
                Part::LinkLocalName
            }
        }
        address @ (IpAddr::V4(_) | IpAddr::V6(_)) => Part::Addresses(base::Family::of(address)),
    }));
    parts
}

/// The links whose membership reports must not teach switches that the virtual MAC address is here: they leave by the
/// parent.
fn reporting<'c>(config: &'c Config, settings: &FilterSettings) -> impl Iterator<Item = &'c Link> {
    let without_igmp = settings.without_igmp;
    config.links.iter().filter(move |link| match (link.kind, link.family) {
        (LinkKind::Vmac(_), Family::V4) => !without_igmp,
        (LinkKind::Vmac(_), Family::V6) => true,
        (LinkKind::Ipvlan { .. }, _) => false,
    })
}

/// What an instance wants as long as it is there, whatever its state.
fn reports(instance: &Instance, interfaces: &Interfaces, settings: &FilterSettings) -> Wanted {
    let element = |link: &Link| {
        Some(Element::Reports {
            family: link.family,
            vmac: interfaces.index(&link.name)?,
            parent: interfaces.index(&link.parent)?,
        })
    };
    let links = reporting(&instance.config, settings);
    links.filter_map(element).map(|element| (element, None)).collect()
}

/// The number of an interface may change while an instance that does not track it is master.
const fn by_number(config: &Config, by_index: bool) -> bool {
    by_index || config.track_interface
}

fn elements(instance: &Instance, interfaces: &Interfaces, by_index: bool) -> Wanted {
    let config = &*instance.config;
    if !config.drops_packets() {
        return Wanted::new();
    }
    let element = |address: &Arc<crate::config::VirtualAddress>| {
        let key = address.key();
        let element = match key.prefix.address() {
            IpAddr::V6(link_local) if link_local.is_unicast_link_local() => {
                if by_number(config, by_index) {
                    Element::LinkLocal {
                        address: link_local,
                        // Without its interface there is no address either.
                        interface: interfaces.index(&key.interface)?,
                    }
                } else {
                    Element::LinkLocalName {
                        address: link_local,
                        interface: key.interface,
                    }
                }
            }
            other @ (IpAddr::V4(_) | IpAddr::V6(_)) => Element::Address(other),
        };
        Some((element, Some(key)))
    };
    instance.addresses.iter().filter_map(element).collect()
}
