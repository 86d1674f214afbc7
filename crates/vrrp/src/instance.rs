//! One virtual router as it runs: the election, what it heard and sends, and what it waits for.
//!
//! Decides from interfaces and sockets whether the preconditions of an instance are met, and which address it sends
//! from. Deliberately does not know other instances; the engine does.

use crate::action::StateName;
use crate::cause::{Cause, Succession};
use crate::config::{AddressKey, Config, Delivery, Name, Route, Rule, Tracked, Tracker, VirtualAddress};
use crate::election::{Effect, Election, Happening, State};
use crate::encoder::{Encoder, Origin, encoded_addresses, protocol, wants_old_checksum};
use crate::engine::interfaces::{Interface, Interfaces};
use crate::engine::tracking::Conditions;
use crate::holdings::{Item, RouteId, RuleId};
use crate::input::SocketKey;
use crate::receive::Ears;
use crate::track::{self, Condition, Part, Share, Sum};
use crate::waiting::Waiting;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Family, IfIndex, IfName, Instant};
use core::net::{IpAddr, Ipv4Addr};

/// A running virtual router.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) config: Arc<Config>,
    pub(crate) election: Election,
    /// What brought it into its state.
    pub(crate) cause: Cause,
    /// Why it is, or would be, the next master.
    pub(crate) succession: Succession,
    /// Since when it takes part in the election; `None`: it does not.
    pub(crate) takes_part_since: Option<Instant>,
    pub(crate) ears: Ears,
    pub(crate) encoder: Encoder,
    /// What it waits for in its state, other members of its group included.
    pub(crate) waiting: BTreeSet<Waiting>,
    /// What it waits for by itself.
    pub(crate) own: BTreeSet<Waiting>,
    /// What it tracks, and what that comes to.
    pub(crate) sum: Sum,
    /// `own` and `sum` have been found out.
    pub(crate) assessed: bool,
    /// Another instance that has our virtual router.
    pub(crate) rival: Option<Name>,
    /// All addresses that move with the master.
    pub(crate) addresses: Vec<Arc<VirtualAddress>>,
    /// `virtual_routes`.
    pub(crate) routes: Vec<Arc<Route>>,
    /// `virtual_rules`.
    pub(crate) rules: Vec<Arc<Rule>>,
    /// Those of the adverts, as bytes.
    pub(crate) encoded: Vec<u8>,
    pub(crate) place: Place,
    /// Its first advert as master is under way, and what follows it is not done yet.
    pub(crate) claims: bool,
    /// Since when it is in its state, as it was told last.
    pub(crate) since: Instant,
    /// The deadlines the engine has noted.
    pub(crate) due: Option<Instant>,
    pub(crate) due_early: Option<Instant>,
}

/// Where an instance sends from and listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) interface: Option<IfIndex>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) socket: Option<SocketKey>,
}

/// What a look at the preconditions of an instance finds.
pub(crate) struct Survey {
    pub(crate) place: Place,
    pub(crate) waiting: BTreeSet<Waiting>,
    pub(crate) sum: Sum,
}

impl Instance {
    pub(crate) fn new(config: Arc<Config>) -> Instance {
        Instance {
            election: Election::new(Arc::clone(&config)),
            cause: Cause::Begins,
            succession: Succession::Unanswered,
            takes_part_since: None,
            ears: Ears::default(),
            encoder: Encoder::new(),
            waiting: BTreeSet::new(),
            own: BTreeSet::new(),
            sum: track::sum(config.priority, &config.trackers, |_| Condition::Unknown),
            assessed: false,
            rival: None,
            addresses: addresses(&config),
            routes: config.routes.iter().cloned().map(Arc::new).collect(),
            rules: config.rules.iter().cloned().map(Arc::new).collect(),
            encoded: encoded_addresses(&config),
            place: Place::default(),
            claims: false,
            since: Instant::ZERO,
            due: None,
            due_early: None,
            config,
        }
    }

    /// Takes over a configuration that differs only in what can change while it runs.
    pub(crate) fn set_config(&mut self, config: Arc<Config>) {
        self.addresses = addresses(&config);
        self.routes = config.routes.iter().cloned().map(Arc::new).collect();
        self.rules = config.rules.iter().cloned().map(Arc::new).collect();
        self.encoded = encoded_addresses(&config);
        self.encoder.invalidate();
        self.config = config;
    }

    /// Lets its election answer a happening, and remembers what a change of state comes from.
    pub(crate) fn happen(&mut self, now: Instant, happening: Happening, effects: &mut Vec<Effect>) {
        let before = self.election.state().name();
        // A master stays what it became.
        if before != StateName::Master {
            let next = Succession::of(&happening, self.election.effective());
            self.succession = next.unwrap_or(self.succession);
        }
        self.election.handle(now, happening, effects);
        self.takes_part_since = match self.election.state() {
            State::Init | State::Fault | State::Stopped => None,
            State::Backup { .. } | State::Master { .. } => self.takes_part_since.or(Some(now)),
        };
        if self.election.state().name() != before
            && let Some(cause) = Cause::of(&happening, &self.waiting)
        {
            self.cause = cause;
        }
    }

    /// The keys of all addresses.
    pub(crate) fn keys(&self) -> impl Iterator<Item = AddressKey> {
        self.addresses.iter().map(|address| address.key())
    }

    /// What identifies its routes.
    pub(crate) fn route_ids(&self) -> BTreeSet<RouteId> {
        self.routes.iter().map(Item::key).collect()
    }

    /// What identifies its rules.
    pub(crate) fn rule_ids(&self) -> BTreeSet<RuleId> {
        self.rules.iter().map(Item::key).collect()
    }

    /// The interfaces it depends on: those it needs, and those it tracks.
    pub(crate) fn interfaces(&self) -> BTreeSet<IfName> {
        let tracked = self.config.trackers.iter().filter_map(tracked_interface);
        self.required_interfaces().into_iter().chain(tracked).collect()
    }

    /// The interfaces it needs: its own, those of what it has whose loss matters, and those of static items that name
    /// it. How one counts that it tracks is said there.
    fn required_interfaces(&self) -> BTreeSet<IfName> {
        let tracked: BTreeSet<IfName> = self.config.trackers.iter().filter_map(tracked_interface).collect();
        let of_addresses = self.addresses.iter().filter(|a| a.tracked).map(|a| a.interface);
        let routes = self.routes.iter().filter(|route| route.tracked);
        let rules = self.rules.iter().filter(|rule| rule.tracked);
        let own = self
            .config
            .interface
            .into_iter()
            .chain(self.config.vrf)
            .chain(self.config.base)
            .chain(of_addresses);
        let of_routing = routes
            .flat_map(|route| route.interfaces())
            .chain(rules.flat_map(|rule| rule.interfaces()));
        let of_statics = self.config.static_interfaces.iter().copied();
        let all = own.chain(of_routing).chain(of_statics);
        all.filter(|name| self.config.is_own(name) || !tracked.contains(name))
            .collect()
    }

    /// Where packets come from, if there is an address.
    pub(crate) fn origin(&self, group4: Ipv4Addr) -> Option<Origin> {
        let old = self.ears.old_checksum || wants_old_checksum(&self.config);
        Some(Origin {
            interface: self.place.interface,
            source: self.place.source?,
            checksum_group: old.then_some(group4),
        })
    }

    /// Where it would send from and listen now, and what it waits for.
    pub(crate) fn survey(
        &self,
        interfaces: &Interfaces,
        failed: &BTreeMap<SocketKey, i32>,
        conditions: &Conditions,
    ) -> Survey {
        let config = &*self.config;
        let mut waiting = BTreeSet::new();
        let own = config.interface.and_then(|name| interfaces.get(&name));
        for name in self.required_interfaces() {
            let primary = config.is_own(&name);
            match interfaces.get(&name) {
                None => {
                    waiting.insert(Waiting::Interface(name));
                }
                Some(interface) => {
                    let counts = !primary || config.track_interface;
                    if counts && !conditions.is_up(interface) {
                        waiting.insert(Waiting::InterfaceUp(name));
                    }
                }
            }
        }
        let home = self.config.source_interface().and_then(|name| interfaces.get(&name));
        let source = self.choose_source(home);
        if let Some(interface) = own {
            let name = interface.name;
            match config.delivery {
                Delivery::Multicast { .. } if !interface.facts.multicast => {
                    waiting.insert(Waiting::Multicast(name));
                }
                Delivery::Multicast { .. } | Delivery::Unicast { .. } => {}
            }
            match (source, config.source) {
                (None, _) => {
                    waiting.insert(Waiting::Address(config.source_interface().unwrap_or(name)));
                }
                (Some(_), Some(wanted))
                    if config.track_source && ![own, home].iter().flatten().any(|place| place.has(wanted)) =>
                {
                    waiting.insert(Waiting::Source(wanted));
                }
                (Some(_), Some(_) | None) => {}
            }
        }
        match &config.delivery {
            Delivery::Unicast { peers, .. } if peers.is_empty() => {
                waiting.insert(Waiting::Peers);
            }
            Delivery::Multicast { .. } | Delivery::Unicast { .. } => {}
        }
        let domain = config.vrf.and_then(|name| interfaces.get(&name));
        let place = self.place_from(own.or(domain), source);
        if let Some(errno) = place.socket.and_then(|key| failed.get(&key)) {
            waiting.insert(Waiting::Socket(*errno));
        }
        if let Some(rival) = &self.rival {
            waiting.insert(Waiting::VirtualRouter(rival.clone()));
        }
        let sum = track::sum(config.priority, &config.trackers, |object| {
            conditions.of(object, interfaces)
        });
        for part in &sum.parts {
            waiting.extend(missing(part, interfaces));
        }
        Survey { place, waiting, sum }
    }

    /// The configured source, else the one in use while it is there, else the first that is not virtual.
    fn choose_source(&self, home: Option<&Interface>) -> Option<IpAddr> {
        if self.config.source.is_some() {
            return self.config.source;
        }
        let interface = home?;
        if let Some(current) = self.place.source
            && interface.usable(self.config.family).any(|address| address == current)
        {
            return Some(current);
        }
        interface.usable(self.config.family).next()
    }

    fn place_from(&self, own: Option<&Interface>, source: Option<IpAddr>) -> Place {
        let interface = own.map(|interface| interface.facts.index);
        let local = match &self.config.delivery {
            Delivery::Multicast { group } => Some(*group),
            Delivery::Unicast { .. } => source,
        };
        // An instance that names an interface listens only there, one that names a VRF only in that.
        let anywhere = self.config.interface.or(self.config.vrf).is_none();
        let reachable = anywhere || interface.is_some();
        let socket = local.filter(|_| reachable).map(|local| SocketKey {
            interface,
            protocol: protocol(&self.config),
            local,
        });
        Place {
            interface,
            source,
            socket,
        }
    }

    /// The length of one of its adverts, for receive buffers.
    pub(crate) fn advert_len(&self) -> usize {
        let count = u8::try_from(self.config.addresses.len()).unwrap_or(u8::MAX);
        let message = match self.config.version {
            crate::config::Version::V2 => crate::wire::v2::len(self.config.family, count),
            crate::config::Version::V3 => crate::wire::v3::len(self.config.family, count),
        };
        let trailer = self.config.hmac.as_ref().map_or(0, |_| crate::wire::hmac::LEN);
        match self.config.family {
            Family::V4 => crate::wire::ipv4::LEN + message + trailer,
            Family::V6 => message + trailer,
        }
    }
}

fn tracked_interface(tracker: &Tracker) -> Option<IfName> {
    match tracker.object {
        Tracked::Interface(name) => Some(name),
        Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) | Tracked::Bfd(_) => None,
    }
}

/// What a tracker makes an instance wait for.
fn missing(part: &Part, interfaces: &Interfaces) -> Option<Waiting> {
    match (part.share, &part.object) {
        (Share::Adds(_), _) => None,
        (Share::Awaited, object) => Some(Waiting::FirstResult(object.clone())),
        (Share::Fault, Tracked::Interface(name)) if !part.weight.reverse => Some(match interfaces.get(name) {
            Some(_) => Waiting::InterfaceUp(*name),
            None => Waiting::Interface(*name),
        }),
        (Share::Fault, object) => Some(Waiting::Condition(object.clone())),
    }
}

fn addresses(config: &Config) -> Vec<Arc<VirtualAddress>> {
    let all = config.addresses.iter().chain(&config.excluded);
    all.map(|address| Arc::new(address.clone())).collect()
}
