//! The ledger of virtual services: which the present configuration has, and which of before may still be in the kernel.
//!
//! Written before the check role hears of a configuration, so that a kill -9 at any moment leaves nothing that is not known.
//! Only services of marks that are given to groups are known a moment later, when the role has said them. The record says in which
//! network they are: after a restart of the machine, or in another network namespace, the same addresses are somebody else's.

use super::Supervisor;
use super::record::{self, Lines, Record};
use crate::role::Kind;
use crate::role::check::left;
use conf::model::Servers;
use linux::SysError;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The ledger.
#[derive(Debug)]
pub(super) struct Services {
    record: Record,
    /// The line that says where.
    place: String,
    /// Those of the present configuration.
    wanted: Lines,
    /// Those of marks that are given to groups now.
    marked: Lines,
    /// Those of an earlier run or configuration that no role has reported gone.
    leftovers: Lines,
    /// Stands for what the file says, as far as we know.
    written: Option<u64>,
    /// A role has ended without withdrawing.
    abandoned: bool,
}

impl Services {
    /// Knows nothing yet.
    pub(super) fn new(record: Record) -> Services {
        // Where it cannot be told nothing of before is believed.
        let place = linux::machine::network().map(|network| format!("{}{network}", record::PLACE));
        Services {
            record,
            place: place.unwrap_or_default(),
            wanted: Lines::new(),
            marked: Lines::new(),
            leftovers: Lines::new(),
            written: None,
            abandoned: false,
        }
    }

    /// Whether something of before may still be in the kernel.
    pub(super) fn has_leftovers(&self) -> bool {
        !self.leftovers.is_empty()
    }

    /// What a role is told that starts: all that may be in the kernel besides what it will put there by its configuration.
    pub(super) fn for_role(&self) -> Vec<String> {
        self.leftovers.union(&self.marked).cloned().collect()
    }

    /// Reads what an earlier run may have left.
    fn begin(&mut self) -> Result<(), SysError> {
        let mut lines = self.record.read()?;
        if lines.remove(&self.place) {
            lines.retain(|line| !line.starts_with(record::PLACE));
            self.leftovers = lines;
        }
        Ok(())
    }

    /// From now on there is this configuration.
    fn follow(&mut self, servers: &Servers) -> Result<(), SysError> {
        let new = left::of(servers);
        let old = std::mem::replace(&mut self.wanted, new);
        // A role that dies before it has changed over leaves the old ones to the next.
        self.leftovers.extend(old.difference(&self.wanted).cloned());
        self.write()
    }

    /// The role gives these marks away; `more`: besides those it has said before.
    fn give(&mut self, lines: Vec<String>, more: bool) -> Result<(), SysError> {
        if !more {
            self.leftovers.append(&mut self.marked);
        }
        self.marked
            .extend(lines.into_iter().filter(|line| left::read(line).is_some()));
        self.write()
    }

    /// The role has seen that nothing of before is left.
    fn settled(&mut self) -> Result<(), SysError> {
        self.leftovers.clear();
        self.abandoned = false;
        self.write()
    }

    /// The role has ended; `withdrew`: it has taken all that was left or ours out of the kernel.
    pub(super) fn ended(&mut self, withdrew: bool) {
        self.abandoned = !withdrew;
        if withdrew {
            self.leftovers.clear();
            self.marked.clear();
        }
    }

    /// Removes the file if nothing is left in the kernel.
    fn end(&mut self) -> Result<(), SysError> {
        if self.abandoned || self.has_leftovers() {
            return Ok(());
        }
        self.wanted.clear();
        self.written = None;
        self.record.remove()
    }

    fn write(&mut self) -> Result<(), SysError> {
        // There are thousands of them, and three copies of each would be too many. Who is in two sets has two lines.
        let sets = [&self.wanted, &self.marked, &self.leftovers];
        let lines = std::iter::once(&self.place).chain(sets.into_iter().flatten());
        let text = record::text(lines.map(String::as_str));
        let sum = Some(checksum(&text));
        if self.written != sum {
            self.record.write_text(&text)?;
            self.written = sum;
        }
        Ok(())
    }
}

fn checksum(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

impl Supervisor {
    /// Finds what an earlier run may have left, and adds what this one may leave.
    pub(super) fn read_services(&mut self) {
        let read = self.services.begin();
        self.report(read);
        self.record_services();
    }

    /// Adds what the present configuration may put into the kernel.
    pub(super) fn record_services(&mut self) {
        if self.wants(Kind::Check) {
            let followed = self.services.follow(&self.model.servers);
            self.report(followed);
        }
    }

    /// The check role gives marks to groups.
    pub(super) fn on_marks(&mut self, lines: Vec<String>, more: bool) {
        let given = self.services.give(lines, more);
        self.report(given);
    }

    /// The check role has seen that the kernel has nothing any more of what was before this configuration.
    pub(super) fn on_services_settled(&mut self, generation: u64) {
        if generation != self.generation {
            return;
        }
        let settled = self.services.settled();
        self.report(settled);
        if !self.wants(Kind::Check) {
            self.let_role_go(Kind::Check);
        }
    }

    /// Removes the record if nothing is left in the kernel.
    pub(super) fn forget_services(&mut self) {
        let ended = self.services.end();
        self.report(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Servers {
        let loader = conf::MapLoader::default().with("/k.conf", text);
        let bundle = conf::load("/k.conf", conf::Facts::default(), &loader);
        conf::compile(&bundle).model.servers
    }

    const ONE: &str = "virtual_server 192.0.2.200 80 {\nprotocol TCP\nreal_server 10.0.0.1 80 {\n}\n}\n";
    const MARK: &str = "virtual_server fwmark 7 {\nprotocol TCP\nreal_server 10.0.0.1 80 {\n}\n}\n";
    const GROUP: &str = "virtual_server_group g {\n192.0.2.201-202 80\n}\n\
        virtual_server group g {\nprotocol TCP\nreal_server 10.0.0.1 80 {\n}\n}\n";

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
            self.folder.path().join("checkers.services")
        }

        fn ledger(&self) -> Services {
            let mut services = Services::new(Record::of_services(self.path()));
            services.begin().unwrap();
            services
        }

        fn says(&self) -> Vec<String> {
            let text = std::fs::read_to_string(self.path()).unwrap();
            let lines: Lines = text.lines().skip(1).map(str::to_owned).collect();
            lines.into_iter().collect()
        }
    }

    #[test]
    fn a_run_that_was_killed_is_known_to_the_next_until_its_role_has_looked() {
        let place = Place::new();
        let mut killed = place.ledger();
        killed.follow(&servers(&[ONE, MARK].concat())).unwrap();
        assert_eq!(place.says(), ["fwmark 7 inet", "tcp 192.0.2.200 80"]);
        let mut next = place.ledger();
        assert!(next.has_leftovers());
        next.follow(&servers(GROUP)).unwrap();
        assert_eq!(place.says().len(), 4, "{:?}", place.says());
        assert_eq!(next.for_role(), ["fwmark 7 inet", "tcp 192.0.2.200 80"]);
        next.settled().unwrap();
        assert_eq!(place.says(), ["tcp 192.0.2.201 80", "tcp 192.0.2.202 80"]);
        assert!(!next.has_leftovers());
    }

    #[test]
    fn what_a_reload_removes_is_recorded_until_it_is_gone() {
        let place = Place::new();
        let mut services = place.ledger();
        services.follow(&servers(&[ONE, MARK].concat())).unwrap();
        services.settled().unwrap();
        services.follow(&servers(MARK)).unwrap();
        assert_eq!(place.says(), ["fwmark 7 inet", "tcp 192.0.2.200 80"]);
        services.settled().unwrap();
        assert_eq!(place.says(), ["fwmark 7 inet"]);
    }

    #[test]
    fn groups_that_have_marks_are_recorded_by_what_the_role_says() {
        let place = Place::new();
        let mut services = place.ledger();
        let text = ["global_defs {\nnftables_ipvs\n}\n", GROUP].concat();
        services.follow(&servers(&text)).unwrap();
        // Somebody else may have services of these addresses.
        assert_eq!(place.says(), ["nftables keepalived_ipvs -"]);
        services.give(vec!["fwmark 1000 inet".to_owned()], false).unwrap();
        services
            .give(vec!["fwmark 1001 inet".to_owned(), "rubbish".to_owned()], true)
            .unwrap();
        services.settled().unwrap();
        assert_eq!(
            place.says(),
            ["fwmark 1000 inet", "fwmark 1001 inet", "nftables keepalived_ipvs -"]
        );
        services.give(vec!["fwmark 1001 inet".to_owned()], false).unwrap();
        assert_eq!(services.for_role().len(), 2, "the other one is on its way out");
        services.settled().unwrap();
        assert_eq!(services.for_role(), ["fwmark 1001 inet"]);
    }

    #[test]
    fn the_file_goes_when_the_kernel_has_nothing_of_ours_and_stays_otherwise() {
        let place = Place::new();
        let mut services = place.ledger();
        services.follow(&servers(ONE)).unwrap();
        services.settled().unwrap();
        services.ended(false);
        services.end().unwrap();
        assert_eq!(place.says(), ["tcp 192.0.2.200 80"]);
        services.ended(true);
        services.end().unwrap();
        assert!(!place.path().exists());
        services.follow(&servers(MARK)).unwrap();
        assert_eq!(place.says(), ["fwmark 7 inet"], "what was before is over");
    }

    #[test]
    fn the_record_of_another_network_is_not_believed() {
        let place = Place::new();
        let mut services = place.ledger();
        services.follow(&servers(ONE)).unwrap();
        let text = std::fs::read_to_string(place.path()).unwrap();
        assert!(text.starts_with(record::PLACE), "{text}");
        assert!(place.ledger().has_leftovers());
        let other = text.replacen("net:[", "net:[9", 1);
        assert_ne!(other, text);
        std::fs::write(place.path(), other).unwrap();
        assert!(!place.ledger().has_leftovers());
        std::fs::write(place.path(), "tcp 192.0.2.200 80\n").unwrap();
        assert!(!place.ledger().has_leftovers(), "nobody says where");
    }

    #[test]
    fn a_file_that_cannot_be_believed_stops_nothing() {
        let place = Place::new();
        std::os::unix::fs::symlink("/etc/passwd", place.path()).unwrap();
        let mut services = Services::new(Record::of_services(place.path()));
        assert!(services.begin().is_err());
        services.follow(&servers(ONE)).unwrap();
        assert_eq!(place.says(), ["tcp 192.0.2.200 80"]);
        assert!(!place.path().is_symlink());
    }
}
