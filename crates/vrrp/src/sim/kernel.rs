//! A kernel's table of addresses.

use crate::action::AddressStep;
use crate::config::AddressKey;
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

    pub(super) fn keys(&self) -> impl Iterator<Item = &AddressKey> {
        self.addresses.iter()
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
