//! The IPVS sync daemons of the kernel (`lvs_sync_daemon`).
//!
//! Without an instance both directions run; with one, its state decides which. A daemon of another kind that runs in the
//! place of a wanted one is replaced: the kernel has one of each direction.

use crate::log::Reporter;
use linux::ipvs::{IpvsSocket, SyncDaemon, SyncState};
use lvs::config::SyncDaemon as Wanted;

/// The daemons that are wanted, and whether any is ours.
pub(super) struct Sync {
    reporter: Reporter,
    wanted: Option<Wanted>,
    vrid: Option<u8>,
    master: bool,
    ours: bool,
    changed: bool,
    /// What went wrong last, so that it is logged once.
    refused: Option<String>,
}

impl Sync {
    /// None are wanted yet.
    pub(super) const fn new(reporter: Reporter) -> Sync {
        Sync {
            reporter,
            wanted: None,
            vrid: None,
            master: false,
            ours: false,
            changed: false,
            refused: None,
        }
    }

    /// Follows a configuration; `vrid` is that of the instance it names.
    pub(super) fn configure(&mut self, wanted: Option<&Wanted>, vrid: Option<u8>) {
        self.changed |= self.wanted.as_ref() != wanted || self.vrid != vrid;
        self.wanted = wanted.cloned();
        self.vrid = vrid;
    }

    /// The instance is master, or is not.
    pub(super) const fn instance(&mut self, master: bool) {
        self.changed |= self.master != master;
        self.master = master;
    }

    /// Whether something has changed that the kernel does not know yet.
    pub(super) const fn is_due(&self) -> bool {
        self.changed
    }

    fn desired(&self) -> Vec<SyncDaemon> {
        let Some(wanted) = &self.wanted else { return Vec::new() };
        let states: &[SyncState] = match (&wanted.instance, self.master) {
            (None, _) => &[SyncState::Master, SyncState::Backup],
            (Some(_), true) => &[SyncState::Master],
            (Some(_), false) => &[SyncState::Backup],
        };
        let of = |state: &SyncState| SyncDaemon {
            state: *state,
            interface: wanted.interface,
            id: wanted.id.or(self.vrid).unwrap_or(0),
            max_len: wanted.max_len,
            group: wanted.group,
            port: wanted.port,
            ttl: wanted.ttl,
        };
        states.iter().map(of).collect()
    }

    /// Makes the daemons that run those that are wanted.
    pub(super) fn reconcile(&mut self, socket: &mut IpvsSocket) {
        self.changed = false;
        if self.wanted.is_none() && !self.ours {
            return;
        }
        let running = match socket.sync_daemons() {
            Ok(running) => running,
            Err(error) => return self.complain(error.to_string()),
        };
        let desired = self.desired();
        let mut failed = None;
        for other in running
            .iter()
            .filter(|one| !desired.iter().any(|wanted| serves(one, wanted)))
        {
            if let Err(error) = socket.stop_sync(other) {
                failed = Some(error.to_string());
            }
        }
        for wanted in &desired {
            if !running.iter().any(|one| serves(one, wanted))
                && let Err(error) = socket.start_sync(wanted)
            {
                failed = Some(error.to_string());
            }
        }
        self.ours = !desired.is_empty();
        match failed {
            Some(text) => self.complain(text),
            None => self.refused = None,
        }
    }

    fn complain(&mut self, text: String) {
        if self.refused.as_ref() != Some(&text) {
            self.reporter.error(&text);
        }
        self.refused = Some(text);
    }

    /// The end.
    pub(super) fn stop(&mut self, socket: &mut IpvsSocket) {
        self.wanted = None;
        self.reconcile(socket);
    }
}

/// Whether a daemon that runs is a wanted one; what is not said may be anything.
fn serves(running: &SyncDaemon, wanted: &SyncDaemon) -> bool {
    fn same<T: PartialEq>(running: Option<T>, wanted: Option<T>) -> bool {
        wanted.is_none() || running == wanted
    }
    running.state == wanted.state
        && running.interface == wanted.interface
        && running.id == wanted.id
        && same(running.max_len, wanted.max_len)
        && same(running.group, wanted.group)
        && same(running.port, wanted.port)
        && same(running.ttl, wanted.ttl)
}
