//! What becomes of the actions of a router: packets on the wire, work for its kernel, news for the client.

use super::network::Arriving;
use super::{Coming, Sim, kernel};
use crate::action::{Action, Announced};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

impl Sim {
    pub(super) fn carry_out(&mut self, name: &str, actions: Vec<Action>) {
        for action in actions {
            self.note(name, &format!("< {action}"));
            match action {
                Action::SendAdvert(advert) => self.send(name, &advert),
                Action::ChangeAddresses { batch, steps } => {
                    let Some(router) = self.routers.get(name) else {
                        continue;
                    };
                    let work = kernel::Work::new(name, router.boots, batch, steps);
                    let pause = Duration::from_micros(20 + self.rng.below(2_000));
                    self.later(pause, Coming::Batch(work));
                }
                Action::ChangeFilter { batch, steps, .. } => {
                    let Some(router) = self.routers.get_mut(name) else {
                        continue;
                    };
                    // Done before the call returns: addresses that come after it are added after it.
                    let refused = router.kernel.filter(&steps);
                    let (router, boot) = (name.to_string(), router.boots);
                    let pause = Duration::from_micros(20 + self.rng.below(2_000));
                    let answer = Coming::Filtered {
                        router,
                        boot,
                        batch,
                        refused,
                    };
                    self.later(pause, answer);
                }
                Action::SocketsChanged => {
                    if let Some(router) = self.routers.get_mut(name) {
                        router.refresh_sockets();
                    }
                }
                Action::Announce(announcement) => {
                    let deaf = self.routers.get(name).is_none_or(|router| router.cut);
                    if !deaf {
                        let address = match announcement.what {
                            Announced::Arp(address) => IpAddr::V4(address),
                            Announced::Neighbour { address, .. } => IpAddr::V6(address),
                        };
                        let router = name.to_string();
                        let pause = self.network.pause(&mut self.rng);
                        self.later(pause, Coming::Announced { router, address });
                    }
                }
                Action::ChangeRoutes { batch, .. } => self.answer_routing(name, batch, false),
                Action::ChangeRules { batch, .. } => self.answer_routing(name, batch, true),
                Action::Notify { .. }
                | Action::NotifyGroup { .. }
                | Action::NotifyPriority { .. }
                | Action::LowerPrioritySeen { .. }
                | Action::Tell(_)
                | Action::PromoteSecondaries { .. } => {}
            }
        }
    }

    fn answer_routing(&mut self, name: &str, batch: crate::input::BatchId, rules: bool) {
        let Some(router) = self.routers.get(name) else {
            return;
        };
        let coming = Coming::Routing {
            router: name.to_string(),
            boot: router.boots,
            batch,
            rules,
        };
        let pause = Duration::from_micros(20 + self.rng.below(2_000));
        self.later(pause, coming);
    }

    fn send(&mut self, from: &str, advert: &crate::action::Advert) {
        let Some(sender) = self.routers.get(from).filter(|router| !router.cut) else {
            return;
        };
        let interface = sender.interface_name(advert.interface);
        let others: BTreeSet<String> = self.routers.keys().filter(|name| *name != from).cloned().collect();
        for to in others {
            for pause in self.network.fates(&mut self.rng, from, &to) {
                let arriving = Arriving::new(&to, interface, advert);
                self.later(pause, Coming::Packet(arriving));
            }
        }
    }
}
