//! What managers may read of virtual servers and of their real servers.

use super::{Balanced, Engine, Watch};
use alloc::vec::Vec;
use lvs::config::{Endpoint, Key};
use lvs::service::weight;
use lvs::table::Virtual;

/// A virtual server as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus<'a> {
    /// Which.
    pub key: &'a Key,
    /// It has its quorum.
    pub quorum: bool,
    /// The sorry server answers.
    pub sorry: bool,
    /// What the kernel knows it by.
    pub services: &'a [Virtual],
    /// Its real servers in the order of the configuration.
    pub reals: Vec<RealStatus>,
}

/// A real server as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealStatus {
    /// Where it is; port 0: that of the service.
    pub at: Endpoint,
    /// It is up.
    pub up: bool,
    /// The weight it has, or would have if it were up.
    pub weight: u32,
    /// Checks that say it is down.
    pub failed_checks: u32,
    /// Checks that have not said anything yet.
    pub waiting_checks: u32,
}

impl Engine {
    /// All virtual servers, by their keys.
    pub fn status(&self) -> impl Iterator<Item = ServerStatus<'_>> {
        self.servers.iter().map(|(key, server)| {
            let config = server.running.config();
            let reals = config.reals.iter().filter_map(|real| {
                let standing = server.running.standing(real.at)?;
                let (failed_checks, waiting_checks) = self.count_checks(server, real.at);
                Some(RealStatus {
                    at: real.at,
                    up: standing.up,
                    weight: weight(real, standing),
                    failed_checks,
                    waiting_checks,
                })
            });
            ServerStatus {
                key,
                quorum: server.running.has_quorum(),
                sorry: server.running.is_sorry(),
                services: &server.services.all,
                reals: reals.collect(),
            }
        })
    }

    /// How many checks of a real server say that it is down, and how many have said nothing yet.
    fn count_checks(&self, server: &Balanced, at: Endpoint) -> (u32, u32) {
        let (mut failed, mut waiting) = (0, 0);
        for watch in server.checks.get(&at).into_iter().flatten() {
            match watch {
                Watch::Probe(id) => {
                    let Some(run) = self.probes.get(id) else { continue };
                    waiting += u32::from(!run.judge.has_judged());
                    failed += u32::from(run.judge.has_judged() && !run.judge.is_up());
                }
                Watch::Session(check) => {
                    failed += u32::from(!self.sessions.get(&check.session).unwrap_or(!check.alpha));
                }
                // A number, which changes the weight as a rule.
                Watch::File(_) => {}
            }
        }
        (failed, waiting)
    }
}
