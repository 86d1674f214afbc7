//! A kernel's table of addresses.

use crate::action::AddressStep;
use crate::config::AddressKey;
use crate::filter::{Element, FilterStep, Rules};
use crate::input::BatchId;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

const EEXIST: i32 = 17;
const EADDRNOTAVAIL: i32 = 99;

/// A batch on its way through the kernel.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) router: String,
    pub(super) boot: u64,
    pub(super) batch: BatchId,
    pub(super) refused: Vec<(usize, i32)>,
    pub(super) done: bool,
    steps: Vec<AddressStep>,
}

impl Work {
    pub(super) fn new(router: &str, boot: u64, batch: BatchId, steps: Vec<AddressStep>) -> Work {
        Work {
            router: router.to_string(),
            boot,
            batch,
            refused: Vec::new(),
            done: false,
            steps,
        }
    }
}

/// A report of the kernel that an address came or went.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) router: String,
    pub(super) key: AddressKey,
    pub(super) present: bool,
}

/// The virtual addresses a kernel has.
#[derive(Clone, Debug, Default)]
pub(super) struct Kernel {
    addresses: BTreeSet<AddressKey>,
    /// What nftables has.
    pub(super) filter: Rules,
    /// nftables does not work.
    pub(super) unfiltered: bool,
}

impl Kernel {
    /// Works through a batch; gives it back answered, and the reports that follow.
    pub(super) fn work(&mut self, mut work: Work) -> (Work, Vec<Report>) {
        let mut reports = Vec::new();
        for (position, step) in work.steps.iter().enumerate() {
            let (key, present) = match step {
                AddressStep::Add { address, .. } => (address.key(), true),
                AddressStep::Remove { key, .. } => (*key, false),
            };
            let changed = if present {
                self.addresses.insert(key)
            } else {
                self.addresses.remove(&key)
            };
            if changed {
                let router = work.router.clone();
                reports.push(Report { router, key, present });
            } else {
                let errno = if present { EEXIST } else { EADDRNOTAVAIL };
                work.refused.push((position, errno));
            }
        }
        work.done = true;
        (work, reports)
    }

    /// Carries out a change of rules, or refuses it whole.
    pub(super) fn filter(&mut self, steps: &[FilterStep]) -> Option<i32> {
        const ENOENT: i32 = 2;
        const EOPNOTSUPP: i32 = 95;
        if self.unfiltered {
            return Some(EOPNOTSUPP);
        }
        let mut rules = self.filter.clone();
        for step in steps {
            let possible = match step {
                FilterStep::Create(_) => true,
                FilterStep::Prepare(part) => part.needs().is_none_or(|needed| rules.parts.contains(&needed)),
                FilterStep::Add(element) => rules.parts.contains(&element.part()),
                FilterStep::Remove(element) => rules.elements.contains(element),
                FilterStep::Delete(family) => rules.parts.iter().any(|part| part.family() == *family),
            };
            if !possible {
                return Some(ENOENT);
            }
            rules.apply(step);
        }
        self.filter = rules;
        None
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &AddressKey> {
        self.addresses.iter()
    }

    /// Whether packets to an address are dropped.
    pub(super) fn drops(&self, address: IpAddr) -> bool {
        self.filter.elements.iter().any(|element| match (element, address) {
            (Element::Address(dropped), _) => *dropped == address,
            (Element::LinkLocal { address: dropped, .. }, IpAddr::V6(address))
            | (Element::LinkLocalName { address: dropped, .. }, IpAddr::V6(address)) => *dropped == address,
            (Element::LinkLocal { .. } | Element::LinkLocalName { .. }, IpAddr::V4(_))
            | (Element::Reports { .. }, _) => false,
        })
    }

    /// Somebody else removes an address.
    pub(super) fn remove_address(&mut self, address: IpAddr) -> Vec<AddressKey> {
        let keys: Vec<AddressKey> = self
            .keys()
            .filter(|key| key.prefix.address() == address)
            .copied()
            .collect();
        for key in &keys {
            self.addresses.remove(key);
        }
        keys
    }
}
