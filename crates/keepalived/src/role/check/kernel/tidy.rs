//! What an earlier run left in the kernel: takes it out, and knows when nothing is left.
//!
//! Services in the network namespace of the table become ours, and go with the next look if they are not wanted. What is in
//! another one, where an earlier configuration had them, and tables of nftables that nobody needs, is removed here.

use super::super::left::{Left, What};
use super::{ENOENT, Kernel, observe, open, place};
use linux::ipvs::Request;
use linux::nft::{Batch, NftSocket};
use linux::{SysError, namespace};
use lvs::config::Namespace;
use lvs::plan::Step;
use lvs::table::Virtual;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where something is; `None`: in the network namespace of the daemon.
type Place = Option<Arc<str>>;

/// What is still to be taken out.
#[derive(Debug, Default)]
pub(super) struct Tidy {
    /// Services in other network namespaces than that of the table.
    elsewhere: BTreeMap<Place, BTreeSet<Virtual>>,
    /// Tables of nftables.
    tables: BTreeSet<(Place, Arc<str>)>,
    /// Why something could not be taken out, so that it is logged once.
    refused: BTreeSet<String>,
    /// The configuration of which it is to be said that nothing but it is left.
    owed: Option<u64>,
    /// Something has changed since it was last found out whether anything is left.
    due: bool,
}

impl Tidy {
    /// The table may be another one.
    pub(super) const fn changed(&mut self) {
        self.due = true;
    }
}

/// The name of the network namespace of process 1: none that can be configured.
const INITIAL: &str = "/";

fn named(place: Option<&Namespace>) -> Place {
    place.map(|place| match place {
        Namespace::Initial => INITIAL.into(),
        Namespace::Named(name) => Arc::clone(name),
    })
}

fn namespace_of(place: &Place) -> Option<Namespace> {
    place.as_ref().map(|name| match &**name {
        INITIAL => Namespace::Initial,
        _ => Namespace::Named(Arc::clone(name)),
    })
}

impl Kernel {
    /// An earlier run, or role, may have left these. To be called when the settings are known.
    pub(in super::super) fn take_over(&mut self, left: Vec<Left>) {
        let own = named(self.settings.namespace.as_ref());
        let table = self
            .settings
            .nftables
            .as_ref()
            .map(|nftables| Arc::clone(&nftables.table));
        for Left { what, place } in left {
            let place = named(place.as_ref());
            match what {
                What::Service(service) if place == own => self.books.claim(service),
                What::Service(service) => drop(self.tidy.elsewhere.entry(place).or_default().insert(service)),
                // One that is needed is made anew anyway.
                What::Table(name) if place == own && Some(&name) == table.as_ref() => {}
                What::Table(name) => drop(self.tidy.tables.insert((place, name))),
            }
        }
    }

    /// It is to be said when the kernel has nothing of ours any more that this configuration does not have.
    pub(in super::super) const fn owe(&mut self, generation: u64) {
        self.tidy.owed = Some(generation);
        self.tidy.due = true;
    }

    /// The configuration of which that is so now; once.
    pub(in super::super) fn settled(&mut self) -> Option<u64> {
        self.tidy.owed?;
        if !std::mem::take(&mut self.tidy.due) || !self.tidy.elsewhere.is_empty() || !self.tidy.tables.is_empty() {
            return None;
        }
        let is_clean = match &self.socket {
            Some(_) => !self.fresh && self.books.is_clean(),
            // Without the module there are no services.
            None => self.absent,
        };
        if is_clean { self.tidy.owed.take() } else { None }
    }

    /// Says how many of these steps take out what an earlier run left.
    pub(super) fn say_leftovers(&self, steps: &[Step]) {
        let count = steps
            .iter()
            .filter(|step| matches!(step, Step::RemoveService(_)))
            .count();
        if count > 0 {
            let text = format!("Removing {count} virtual services that an earlier run left");
            self.reporter.info(text);
        }
    }

    /// Takes out what is elsewhere; what cannot be taken out now is tried again with the next look.
    pub(super) fn tidy_elsewhere(&mut self) {
        for (at, services) in std::mem::take(&mut self.tidy.elsewhere) {
            if let Err(error) = remove_services(namespace_of(&at).as_ref(), &services) {
                self.tidy_failed(&error);
                self.tidy.elsewhere.insert(at, services);
            }
        }
        for (at, name) in std::mem::take(&mut self.tidy.tables) {
            if let Err(error) = remove_table(namespace_of(&at).as_ref(), Arc::clone(&name)) {
                self.tidy_failed(&error);
                self.tidy.tables.insert((at, name));
            }
        }
        self.tidy.due = true;
    }

    fn tidy_failed(&mut self, error: &SysError) {
        let text = format!("cannot remove what an earlier run left: {error}");
        if !self.tidy.refused.contains(&text) {
            self.reporter.error(&text);
            self.tidy.refused.insert(text);
        }
    }
}

/// Where there is no such namespace, no module or no nftables there is nothing of ours.
fn unless_absent(result: Result<(), SysError>) -> Result<(), SysError> {
    match result {
        Err(error) if error.errno() == Some(ENOENT) => Ok(()),
        other => other,
    }
}

fn remove_services(at: Option<&Namespace>, services: &BTreeSet<Virtual>) -> Result<(), SysError> {
    unless_absent(open(at).and_then(|mut socket| {
        let observed = observe(&mut socket, services)?;
        let keys = observed.pools.keys();
        let requests: Vec<Request> = keys
            .map(|service| Request::RemoveService(super::convert::id(*service)))
            .collect();
        let refused = socket.carry_out(&requests)?;
        match refused.into_iter().next() {
            None => Ok(()),
            Some((_, error)) => Err(SysError::new("remove a virtual service", "", error)),
        }
    }))
}

/// Only a table of ours: another one of this name stays.
fn remove_table(at: Option<&Namespace>, name: Arc<str>) -> Result<(), SysError> {
    let remove = move || {
        let mut socket = NftSocket::open()?;
        let tables = socket.tables()?;
        let mut batch = Batch::new();
        for table in tables.iter().filter(|table| table.ours && *table.name == *name) {
            batch.delete_table(table.family, &name);
        }
        if batch.is_empty() { Ok(()) } else { socket.commit(batch) }
    };
    unless_absent(match place(at) {
        None => remove(),
        Some(file) => namespace::within(file, remove),
    })
}
