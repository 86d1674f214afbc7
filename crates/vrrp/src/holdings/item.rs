//! The kinds of things that are held: addresses, routes and rules.
//!
//! Says what identifies each in the kernel, which request puts it there or takes it away, and what an error number of
//! the kernel means for it. Does not know who wants one, nor when.

use crate::action::{Action, AddressStep, RoutingStep};
use crate::config::{AddressKey, Route, Rule, VirtualAddress};
use crate::engine::interfaces::Interfaces;
use crate::input::BatchId;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::IfName;
use core::fmt;

/// Something that the kernel has or has not.
pub(crate) trait Item: fmt::Debug + Sized {
    /// What identifies it in the kernel.
    type Key: Clone + Ord + fmt::Debug + fmt::Display;
    /// A request to the kernel.
    type Step: Clone + fmt::Debug;

    /// What identifies it in the kernel.
    fn key(item: &Arc<Self>) -> Self::Key;
    /// Whether its removal by somebody else matters.
    fn is_tracked(&self) -> bool;
    /// Whether the kernel sees no difference between two of one key.
    fn is_like(&self, other: &Self) -> bool;
    /// The request that puts it there; `None` while it has to wait for an interface.
    fn addition(item: &Arc<Self>, interfaces: &Interfaces) -> Option<Self::Step>;
    /// The request that takes it away; `None` if it is gone with its interface.
    fn removal(key: &Self::Key, placed: Option<&Arc<Self>>, interfaces: &Interfaces) -> Option<Self::Step>;
    /// The action that carries requests.
    fn action(batch: BatchId, steps: Vec<Self::Step>) -> Action;
    /// Whether it can only be there while this interface is.
    fn is_on(key: &Self::Key, interface: IfName) -> bool;
    /// Whether news of this interface may change what the kernel says to it.
    fn may_depend_on(key: &Self::Key, interface: IfName) -> bool;
    /// Whether the kernel may take one away in place of another: after a removal the others are asserted again.
    fn is_confusable(one: &Self::Key, other: &Self::Key) -> bool;
    /// Whether a refusal to take it away means that it is not there.
    fn is_absence(errno: i32) -> bool;
}

/// The process is not there: what the kernel says of a route or rule that is not there.
const ESRCH: i32 = 3;
/// No such entry.
const ENOENT: i32 = 2;
/// There is no such device.
const ENODEV: i32 = 19;
/// The address is not there.
const EADDRNOTAVAIL: i32 = 99;

impl Item for VirtualAddress {
    type Key = AddressKey;
    type Step = AddressStep;

    fn key(item: &Arc<Self>) -> AddressKey {
        VirtualAddress::key(item)
    }

    fn is_tracked(&self) -> bool {
        self.tracked
    }

    fn is_like(&self, other: &Self) -> bool {
        let VirtualAddress {
            prefix,
            interface,
            scope,
            broadcast,
            label,
            peer,
            flags,
            preferred_lifetime,
            tracked: _,
        } = self;
        (
            prefix,
            interface,
            scope,
            broadcast,
            label,
            peer,
            flags,
            preferred_lifetime,
        ) == (
            &other.prefix,
            &other.interface,
            &other.scope,
            &other.broadcast,
            &other.label,
            &other.peer,
            &other.flags,
            &other.preferred_lifetime,
        )
    }

    fn addition(item: &Arc<Self>, interfaces: &Interfaces) -> Option<AddressStep> {
        Some(AddressStep::Add {
            interface: interfaces.index(&item.interface)?,
            address: Arc::clone(item),
        })
    }

    fn removal(key: &AddressKey, placed: Option<&Arc<Self>>, interfaces: &Interfaces) -> Option<AddressStep> {
        Some(AddressStep::Remove {
            interface: interfaces.index(&key.interface)?,
            key: *key,
            peer: placed.and_then(|address| address.peer),
        })
    }

    fn action(batch: BatchId, steps: Vec<AddressStep>) -> Action {
        Action::ChangeAddresses { batch, steps }
    }

    fn is_on(key: &AddressKey, interface: IfName) -> bool {
        key.interface == interface
    }

    fn may_depend_on(key: &AddressKey, interface: IfName) -> bool {
        key.interface == interface
    }

    fn is_confusable(_: &AddressKey, _: &AddressKey) -> bool {
        false
    }

    fn is_absence(errno: i32) -> bool {
        errno == EADDRNOTAVAIL || errno == ENODEV
    }
}

/// A route, but for whether it is tracked: that is no option of the kernel.
pub(crate) type RouteId = Arc<Route>;
/// A rule, but for whether it is tracked.
pub(crate) type RuleId = Arc<Rule>;

impl Item for Route {
    type Key = RouteId;
    type Step = RoutingStep<Route>;

    fn key(item: &Arc<Self>) -> RouteId {
        if item.tracked {
            return Arc::clone(item);
        }
        Arc::new(Route {
            tracked: true,
            ..(**item).clone()
        })
    }

    fn is_tracked(&self) -> bool {
        self.tracked
    }

    fn is_like(&self, _: &Self) -> bool {
        // Everything but the tracking is in the key.
        true
    }

    fn addition(item: &Arc<Self>, interfaces: &Interfaces) -> Option<RoutingStep<Route>> {
        let there = |name: &IfName| interfaces.index(name).is_some();
        item.interfaces()
            .all(|name| there(&name))
            .then(|| RoutingStep::Add(Arc::clone(item)))
    }

    fn removal(key: &RouteId, _: Option<&Arc<Self>>, interfaces: &Interfaces) -> Option<RoutingStep<Route>> {
        // With one of its interfaces the kernel has taken it away.
        let there = |name: &IfName| interfaces.index(name).is_some();
        key.interfaces()
            .all(|name| there(&name))
            .then(|| RoutingStep::Remove(Arc::clone(key)))
    }

    fn action(batch: BatchId, steps: Vec<RoutingStep<Route>>) -> Action {
        Action::ChangeRoutes { batch, steps }
    }

    fn is_on(key: &RouteId, interface: IfName) -> bool {
        key.interfaces().any(|name| name == interface)
    }

    fn may_depend_on(key: &RouteId, interface: IfName) -> bool {
        // Where a gateway is found the kernel decides.
        key.interfaces().next().is_none() || Self::is_on(key, interface)
    }

    fn is_confusable(one: &RouteId, other: &RouteId) -> bool {
        one != other && Route::kernel_key(one) == Route::kernel_key(other)
    }

    fn is_absence(errno: i32) -> bool {
        errno == ESRCH || errno == ENODEV || errno == ENOENT
    }
}

impl Item for Rule {
    type Key = RuleId;
    type Step = RoutingStep<Rule>;

    fn key(item: &Arc<Self>) -> RuleId {
        if item.tracked {
            return Arc::clone(item);
        }
        Arc::new(Rule {
            tracked: true,
            ..(**item).clone()
        })
    }

    fn is_tracked(&self) -> bool {
        self.tracked
    }

    fn is_like(&self, _: &Self) -> bool {
        true
    }

    fn addition(item: &Arc<Self>, _: &Interfaces) -> Option<RoutingStep<Rule>> {
        // A rule may name an interface that does not exist: it waits in the kernel.
        Some(RoutingStep::Add(Arc::clone(item)))
    }

    fn removal(key: &RuleId, _: Option<&Arc<Self>>, _: &Interfaces) -> Option<RoutingStep<Rule>> {
        Some(RoutingStep::Remove(Arc::clone(key)))
    }

    fn action(batch: BatchId, steps: Vec<RoutingStep<Rule>>) -> Action {
        Action::ChangeRules { batch, steps }
    }

    fn is_on(_: &RuleId, _: IfName) -> bool {
        false
    }

    fn may_depend_on(_: &RuleId, _: IfName) -> bool {
        false
    }

    fn is_confusable(one: &RuleId, other: &RuleId) -> bool {
        let place = |rule: &Rule| (rule.family, rule.preference);
        one != other && place(one) == place(other)
    }

    fn is_absence(errno: i32) -> bool {
        errno == ENOENT || errno == ESRCH
    }
}
