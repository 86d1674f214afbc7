//! Interfaces whose link is asked for instead of waiting for the kernel's report.
//!
//! The original of Debian is built without link beat.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use lab::daemon::{Binary, Daemon, Make, PATIENCE};
use lab::journal::{Journal, Seen};
use lab::netns::Namespace;
use std::sync::Arc;
use std::time::Duration;

/// What is polled, then an instance on the near end of a cable that tracks that of another.
fn conf(polled: &str) -> String {
    format!(
        "{polled}
vrrp_instance V {{
    interface w0
    version 3
    virtual_router_id 51
    advert_int 0.1
    track_interface {{
        t0
    }}
    virtual_ipaddress {{
        10.9.0.50/24
    }}
}}
"
    )
}

struct Stand {
    namespace: Arc<Namespace>,
    journal: Arc<Journal>,
    daemon: Daemon,
}

impl Stand {
    /// Two cables, and a daemon that has become master.
    fn start(polled: &str) -> Option<Stand> {
        let binary = Binary::ours().unwrap();
        if binary.make == Make::Upstream {
            eprintln!("skipped: the original stands in for ours");
            return None;
        }
        let namespace = Arc::new(Namespace::create("beat").unwrap());
        let steps = [
            "link add w0 type veth peer name w1",
            "link add t0 type veth peer name t1",
            "link set w0 up",
            "link set w1 up",
            "link set t0 up",
            "link set t1 up",
            "addr add 10.9.0.1/24 dev w0",
        ];
        namespace.ip(&steps).unwrap();
        let journal = Journal::start();
        let mut daemon = Daemon::new("a", namespace.clone(), journal.clone(), binary, &conf(polled)).unwrap();
        daemon.start().unwrap();
        let stand = Stand {
            namespace,
            journal,
            daemon,
        };
        stand.says(Duration::ZERO, "(V) Entering MASTER STATE");
        Some(stand)
    }

    fn ip(&self, step: &str) -> Duration {
        let since = self.journal.clock.now();
        self.namespace.ip(&[step]).unwrap();
        since
    }

    /// Waits for a line; when it was seen.
    fn says(&self, since: Duration, line: &str) -> Duration {
        let wanted = |what: &Seen| matches!(what, Seen::Log(text) if text.contains(line));
        let until = self.journal.clock.now() + PATIENCE;
        let found = self.journal.wait_entry(since, until, |entry| wanted(&entry.what));
        match found {
            Some(entry) => entry.at,
            None => panic!("never: {line}\n{}", self.journal.timeline()),
        }
    }

    /// The interface loses its link and gets it back: the instance follows what polling says, and not before.
    fn follows(&self, near: &str, far: &str) {
        for (state, word, entered) in [("down", "down", "FAULT"), ("up", "up", "MASTER")] {
            let since = self.ip(&format!("link set {far} {state}"));
            let beat = self.says(since, &format!("Linkbeat reports {near} {word}"));
            let moved = self.says(since, &format!("(V) Entering {entered} STATE"));
            assert!(beat <= moved, "{}", self.journal.timeline());
        }
    }
}

#[test]
fn with_linkbeat_use_polling_an_instance_follows_the_polled_links_of_all_its_interfaces() {
    let Some(mut stand) = Stand::start("linkbeat_use_polling") else {
        return;
    };
    stand.says(Duration::ZERO, "The link of w0 is polled by ETHTOOL");
    stand.follows("w0", "w1");
    stand.follows("t0", "t1");
    stand.daemon.stop().unwrap();
}

#[test]
fn a_method_that_the_driver_does_not_know_is_said_and_another_is_used() {
    let Some(mut stand) = Stand::start("linkbeat_interfaces {\n t0 MII\n w0 IOCTL\n}") else {
        return;
    };
    stand.says(
        Duration::ZERO,
        "t0 does not answer to MII: its link is polled by ETHTOOL",
    );
    stand.says(Duration::ZERO, "The link of w0 is polled by IOCTL");
    stand.follows("t0", "t1");
    stand.daemon.stop().unwrap();
}

#[test]
fn an_interface_that_is_made_again_is_polled_again_and_a_reload_ends_it() {
    let Some(mut stand) = Stand::start("linkbeat_interfaces {\n t0\n}") else {
        return;
    };
    let since = stand.ip("link del t0");
    stand.says(since, "(V) Entering FAULT STATE");
    stand.ip("link add t0 type veth peer name t1");
    stand.ip("link set t1 up");
    let since = stand.ip("link set t0 up");
    stand.says(since, "(V) Entering MASTER STATE");
    stand.says(since, "The link of t0 is polled by ETHTOOL");
    stand.follows("t0", "t1");
    let since = stand.journal.clock.now();
    stand.daemon.configure(&conf("")).unwrap();
    stand.daemon.reload().unwrap();
    stand.says(since, "Reload complete");
    let since = stand.ip("link set t1 down");
    let moved = stand.says(since, "(V) Entering FAULT STATE");
    let beats = stand.journal.wait_entry(
        since,
        moved,
        |entry| matches!(&entry.what, Seen::Log(text) if text.contains("Linkbeat reports")),
    );
    assert!(beats.is_none(), "{}", stand.journal.timeline());
    stand.daemon.stop().unwrap();
}
