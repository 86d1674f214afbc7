//! `ha_suspend`: the checks of a virtual server rest while its address is not on this machine.
//!
//! A probe that others need goes on.

use super::{Engine, Watch};
use crate::action::{Action, Level};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use base::Instant;
use lvs::config::{Endpoint, Key, Target};
use lvs::table::Services;

impl Engine {
    /// Follows the addresses of this machine.
    pub(super) fn suspend_or_wake(&mut self, now: Instant, out: &mut Vec<Action>) {
        let mut probes = BTreeSet::new();
        for (key, server) in &mut self.servers {
            let service = server.running.config();
            let group = match &key.target {
                Target::Group(name) => self.config.groups.get(name).map(|group| &**group),
                Target::Address { .. } | Target::Mark { .. } => None,
            };
            let here = &self.here;
            // The addresses of the group, also where the kernel has a mark for them.
            let suspended =
                service.ha_suspend && !Services::of(service, group).is_here(|address| here.contains(&address));
            if suspended == server.suspended {
                continue;
            }
            server.suspended = suspended;
            let verb = if suspended { "Suspending" } else { "Activating" };
            for (at, watches) in &server.checks {
                for watch in watches {
                    if let Watch::Probe(id) = watch {
                        probes.insert(*id);
                        let real = service.named(*at);
                        let text = format!("{verb} healthchecker for service {real} for VS {key}");
                        out.push(Action::Log(Level::Info, text));
                    }
                }
            }
        }
        for id in probes {
            self.rest_or_ask(now, id, out);
        }
    }

    /// A probe rests if nobody is left who needs it now.
    pub(super) fn rest_or_ask(&mut self, now: Instant, id: u64, out: &mut Vec<Action>) {
        let servers = &self.servers;
        let rests = |(key, _): &(Key, Endpoint)| servers.get(key).is_some_and(|server| server.suspended);
        let Some(run) = self.probes.get_mut(&id) else { return };
        let resting = run.followers.iter().all(rests);
        if resting == run.resting {
            return;
        }
        run.resting = resting;
        if resting {
            if run.is_asking() {
                out.push(Action::Forget(run.ticket(id)));
            }
            run.judge.rest();
        } else {
            run.judge.wake(now);
        }
        self.arm(id);
    }
}
