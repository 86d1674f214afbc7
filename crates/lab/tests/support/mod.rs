//! Two routers of the same make on a segment with a client, for tests of one daemon.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use lab::catalogue::{self, FOLLOWER, LEADER, Row, row};
use lab::daemon::{Binary, Daemon, PATIENCE};
use lab::journal::Seen;
use lab::netns::Namespace;
use lab::scenario::{Act, Scenario, Stage, master_is};
use lab::stage::Namespaces;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Version 3, IPv4, a group, ten adverts a second.
pub fn tenth() -> Row {
    row(3, 100, &[])
}

/// How often something is repeated that a soak repeats for long: `KEEPALIVED_SOAK`, or a few times.
pub fn rounds(few: usize) -> usize {
    let many = std::env::var("KEEPALIVED_SOAK").ok().and_then(|many| many.parse().ok());
    many.unwrap_or(few)
}

/// The original, if it is installed.
pub fn upstream() -> Option<Binary> {
    let binary = Binary::upstream();
    if binary.is_none() {
        eprintln!("skipped: Debian's keepalived is not installed (make setup)");
    }
    binary
}

/// The virtual address of a row.
pub fn address(row: Row) -> IpAddr {
    let scenario = catalogue::routers("", row, LEADER, FOLLOWER);
    *scenario.subject.addresses.first().unwrap()
}

/// Two routers of the same make, of which `a` runs and is master.
pub struct Lab {
    pub stage: Namespaces,
}

impl Lab {
    pub fn start(row: Row, binary: Binary) -> Lab {
        let scenario = catalogue::routers("", row, LEADER, FOLLOWER);
        let mut lab = Lab {
            stage: Namespaces::build(&scenario, &[binary.clone(), binary]).unwrap(),
        };
        let steps = scenario.then(Act::Start("a".into())).within(row.down(), master_is("a"));
        lab.play(catalogue::served_by(steps, "a"));
        lab
    }

    pub fn play(&mut self, scenario: Scenario) {
        if let Err(failure) = scenario.run(&mut self.stage) {
            panic!("{failure}");
        }
    }

    pub fn a(&mut self) -> &mut Daemon {
        self.stage.daemon("a").unwrap()
    }

    pub fn host(&self, name: &str) -> &Arc<Namespace> {
        self.stage.network().host(name).unwrap()
    }

    pub fn now(&self) -> Duration {
        self.stage.network().journal.clock.now()
    }

    pub fn note(&self, what: &str) {
        self.stage
            .network()
            .journal
            .record_now(&"a".into(), Seen::Act(what.into()));
    }

    /// Waits for something that must be seen; when it was.
    pub fn seen(&self, since: Duration, host: &str, wanted: impl Fn(&Seen) -> bool) -> Duration {
        let journal = &self.stage.network().journal;
        let found = journal.wait_entry(since, journal.clock.now() + PATIENCE, |entry| {
            *entry.host == *host && wanted(&entry.what)
        });
        found
            .unwrap_or_else(|| panic!("never seen of {host}\n{}", journal.timeline()))
            .at
    }

    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let journal = &self.stage.network().journal;
        let at = journal.wait(journal.clock.now() + PATIENCE, |_, _| holds());
        assert!(at.is_some(), "never: {what}\n{}", journal.timeline());
    }

    pub fn timeline(&self) -> String {
        self.stage.network().journal.timeline()
    }

    pub fn finish(mut self) {
        assert_eq!(self.stage.verdict().unwrap(), [], "{}", self.timeline());
        self.stage.close();
    }
}
