//! The ledger of what the vrrp role puts into the kernel: what the present configuration has, and what of before may still be
//! there.
//!
//! Written before a role hears of a configuration, so that a kill -9 at any moment leaves nothing that is not known. Routes
//! and rules carry no name of the daemon that made them; so the record says in which network they are: after a restart
//! of the machine, or in another network namespace, the same route is somebody else's.

use super::Supervisor;
use super::record::{self, Lines, Record};
use crate::role::Kind;
use crate::role::vrrp::left;
use conf::limits::LINE_BYTES;
use linux::SysError;
use std::io;
use vrrp::config::Model;

/// The ledger.
#[derive(Debug)]
pub(super) struct Holdings {
    record: Record,
    /// The line that says where; empty where that cannot be told.
    place: String,
    /// What the present configuration has.
    wanted: Lines,
    /// What an earlier run or configuration had and no role has looked at yet.
    leftovers: Lines,
    /// A role ended without withdrawing, and no other one has cleaned up after it.
    abandoned: bool,
}

impl Holdings {
    /// Knows nothing yet.
    pub(super) fn new(record: Record) -> Holdings {
        let place = linux::machine::network().map(|network| format!("{}{network}", record::PLACE));
        Holdings {
            record,
            place: place.unwrap_or_default(),
            wanted: Lines::new(),
            leftovers: Lines::new(),
            abandoned: false,
        }
    }

    /// Whether something of before may still be in the kernel.
    pub(super) fn has_leftovers(&self) -> bool {
        !self.leftovers.is_empty()
    }

    /// What a role is told that starts: all that may be in the kernel besides what its configuration has.
    pub(super) fn for_role(&self) -> Vec<String> {
        self.leftovers.iter().cloned().collect()
    }

    /// Reads what an earlier run may have left.
    fn begin(&mut self) -> Result<(), SysError> {
        let mut lines = self.record.read()?;
        let said = lines.iter().find(|line| line.starts_with(record::PLACE)).cloned();
        lines.retain(|line| !line.starts_with(record::PLACE));
        match said {
            Some(place) if place == self.place => {}
            Some(_) => lines.clear(),
            // Addresses are known by their mark.
            None => lines.retain(|line| !left::is_bound_to_place(line)),
        }
        self.leftovers = lines;
        Ok(())
    }

    /// From now on there is this configuration. A role that dies before it has changed over leaves the old one to the next.
    fn follow(&mut self, model: &Model) {
        let new = left::of(model);
        let old = std::mem::replace(&mut self.wanted, new);
        self.leftovers.extend(old.difference(&self.wanted).cloned());
    }

    /// The role has looked at what was left and at what the last configuration had.
    fn settled(&mut self) -> Result<(), SysError> {
        self.leftovers.clear();
        self.write()
    }

    /// The role has ended; `withdrew`: it has taken everything out of the kernel. Started again it cleans up; if it is not,
    /// the record has to stay for the next daemon.
    pub(super) fn ended(&mut self, withdrew: bool) {
        self.abandoned = !withdrew;
        if withdrew {
            self.leftovers.clear();
        }
    }

    /// Removes the file if nothing is left in the kernel.
    fn end(&mut self) -> Result<(), SysError> {
        if self.abandoned || self.has_leftovers() {
            return Ok(());
        }
        self.record.remove()
    }

    fn write(&self) -> Result<(), SysError> {
        let lines = [&self.wanted, &self.leftovers].into_iter().flatten();
        let place = (!self.place.is_empty()).then_some(&self.place);
        let lines = || place.into_iter().chain(lines.clone()).map(String::as_str);
        self.record.write_text(&record::text(lines()))?;
        // It cannot be read again; what it names stays after a kill -9 if its keyword goes as well.
        if lines().any(|line| line.len() > LINE_BYTES) {
            let source = io::Error::new(
                io::ErrorKind::FileTooLarge,
                "a route or rule is too long to be recorded",
            );
            return Err(SysError::new("write", "the record of routes and rules", source));
        }
        Ok(())
    }
}

impl Supervisor {
    /// Finds what an earlier run may have left, and adds what this one may leave.
    pub(super) fn read_holdings(&mut self) {
        let read = self.holdings.begin();
        self.report(read);
        self.record_holdings();
    }

    /// Adds what the present configuration may put into the kernel.
    pub(super) fn record_holdings(&mut self) {
        self.holdings.follow(&self.model.vrrp);
        if self.wants(Kind::Vrrp) {
            self.report(self.holdings.write());
        }
    }

    /// Every role runs the present configuration: the kernel has nothing any more of what was before.
    pub(super) fn holdings_settled(&mut self) {
        if self.wants(Kind::Vrrp) {
            let settled = self.holdings.settled();
            return self.report(settled);
        }
        // It was started to clean up, which it does before it ends.
        self.let_role_go(Kind::Vrrp);
    }

    /// Removes the record if nothing is left in the kernel, on purpose (`-V`) or not.
    pub(super) fn forget_holdings(&mut self) {
        if !self.options.keep_vrrp {
            let ended = self.holdings.end();
            self.report(ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(routes: &str) -> Model {
        let text = format!(
            "vrrp_instance V {{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {{\n 10.0.0.9\n }}\n \
             virtual_routes {{\n{routes}\n }}\n}}\n"
        );
        let loader = conf::MapLoader::default().with("/k.conf", text.as_str());
        conf::compile(&conf::load("/k.conf", conf::Facts::default(), &loader))
            .model
            .vrrp
    }

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Place {
            Place {
                folder: tempfile::tempdir().unwrap(),
            }
        }

        fn path(&self) -> std::path::PathBuf {
            self.folder.path().join("vrrp.holdings")
        }

        fn ledger(&self) -> Holdings {
            let mut holdings = Holdings::new(Record::of_holdings(self.path()));
            holdings.begin().unwrap();
            holdings
        }

        fn routes(&self) -> Vec<String> {
            let text = std::fs::read_to_string(self.path()).unwrap();
            let routes = text.lines().filter(|line| line.starts_with("/route"));
            let mut routes: Vec<String> = routes.map(str::to_owned).collect();
            routes.sort();
            routes
        }
    }

    const ONE: &str = "/route 10.1.0.0/16 dev eth0 scope 253";
    const TWO: &str = "/route 10.2.0.0/16 dev eth0 scope 253";

    #[test]
    fn a_run_that_was_killed_is_known_to_the_next_until_its_role_has_looked() {
        let place = Place::new();
        let mut killed = place.ledger();
        killed.follow(&model("10.1.0.0/16 dev eth0"));
        killed.write().unwrap();
        assert_eq!(place.routes(), [ONE]);
        let mut next = place.ledger();
        next.follow(&model("10.2.0.0/16 dev eth0"));
        next.write().unwrap();
        assert_eq!(place.routes(), [ONE, TWO]);
        assert!(next.for_role().contains(&ONE.to_owned()));
        next.settled().unwrap();
        assert_eq!(place.routes(), [TWO]);
        assert!(!next.has_leftovers());
    }

    #[test]
    fn what_a_reload_removes_is_recorded_until_it_is_gone() {
        let place = Place::new();
        let mut holdings = place.ledger();
        holdings.follow(&model("10.1.0.0/16 dev eth0"));
        holdings.settled().unwrap();
        holdings.follow(&model("10.2.0.0/16 dev eth0"));
        holdings.write().unwrap();
        assert_eq!(place.routes(), [ONE, TWO]);
        assert_eq!(holdings.for_role(), [ONE]);
        holdings.ended(false);
        holdings.end().unwrap();
        assert_eq!(place.routes(), [ONE, TWO], "a role died");
        holdings.ended(true);
        holdings.end().unwrap();
        assert!(!place.path().exists());
    }

    #[test]
    fn the_record_of_another_network_is_not_believed_and_one_of_an_unknown_one_only_of_addresses() {
        let place = Place::new();
        let mut holdings = place.ledger();
        holdings.follow(&model("10.1.0.0/16 dev eth0"));
        holdings.write().unwrap();
        let text = std::fs::read_to_string(place.path()).unwrap();
        assert_eq!(place.ledger().for_role().len(), 2, "{text}");
        let other = text.replacen("net:[", "net:[9", 1);
        assert_ne!(other, text);
        std::fs::write(place.path(), other).unwrap();
        assert!(!place.ledger().has_leftovers());
        let (_, without) = text.split_once('\n').unwrap();
        std::fs::write(place.path(), without).unwrap();
        assert_eq!(place.ledger().for_role(), ["eth0 10.0.0.9/32"]);
    }

    #[test]
    fn a_route_that_is_too_long_to_be_read_again_is_said() {
        let hops: Vec<String> = (1..40).map(|n| format!("nexthop via 10.0.0.{n} dev eth0")).collect();
        let mut model = model("10.1.0.0/16 dev eth0");
        let (name, config) = model.instances.pop_first().unwrap();
        let mut config = (*config).clone();
        let line = format!("10.3.0.0/16 {}", hops.get(..10).unwrap().join(" "));
        let extra = self::model(&line).instances.pop_first().unwrap().1;
        let mut long = extra.routes.first().unwrap().clone();
        long.nexthops = long.nexthops.iter().cycle().take(40).cloned().collect();
        config.routes.push(long);
        model.instances.insert(name, config.into());
        let place = Place::new();
        let mut holdings = place.ledger();
        holdings.follow(&model);
        assert!(holdings.write().unwrap_err().to_string().contains("too long"));
        assert_eq!(place.routes().len(), 2);
    }
}
