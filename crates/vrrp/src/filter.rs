//! Which packets must be dropped: those to virtual addresses of a master that does not accept (`no_accept`, strict mode),
//! and what a VMAC must not say (`spec/vrrp-behaviour.md` 13).
//!
//! Decides the steps that lead from the rules the kernel has to the rules there should be. It knows sets and their
//! elements, but not how nftables writes a rule, nor why an instance is master.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Family, IfIndex, IfName};
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

/// How the rules are made: `nftables`, `nftables_priority`, `nftables_counters`, `nftables_ifindex`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSettings {
    /// The name of our table in each family.
    pub table: Arc<str>,
    /// The priority of our chains among those of others.
    pub priority: i32,
    /// Every rule counts what it hits.
    pub counters: bool,
    /// Interfaces are known by number even where an instance does not track its own.
    pub by_index: bool,
    /// The table was asked for by name or keyword: else using it is worth a line.
    pub configured: bool,
    /// `disable_local_igmp`: the kernel sends no membership reports for the group of VRRP over IPv4.
    pub without_igmp: bool,
}

impl Default for FilterSettings {
    fn default() -> FilterSettings {
        FilterSettings {
            table: Arc::from("keepalived"),
            priority: -1,
            counters: false,
            by_index: false,
            configured: false,
            without_igmp: false,
        }
    }
}

/// A piece of a table: sets and the rules that use them. Made when something needs it, gone with its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Membership reports of a VMAC leave by its parent; its router solicitations do not leave at all. Before the others:
    /// the source of a report may be a virtual address.
    Reports(Family),
    /// Packets to and from the addresses of a set are dropped; neighbour discovery passes.
    Addresses(Family),
    /// IPv6: link-local addresses, each together with the number of its interface. Needs `Addresses`.
    LinkLocal,
    /// IPv6: the same with the name of the interface. Needs `Addresses`.
    LinkLocalName,
}

impl Part {
    /// The table it is in.
    pub const fn family(self) -> Family {
        match self {
            Part::Addresses(family) | Part::Reports(family) => family,
            Part::LinkLocal | Part::LinkLocalName => Family::V6,
        }
    }

    /// The part without which it has no place.
    pub const fn needs(self) -> Option<Part> {
        match self {
            Part::LinkLocal | Part::LinkLocalName => Some(Part::Addresses(Family::V6)),
            Part::Addresses(_) | Part::Reports(_) => None,
        }
    }
}

/// An element of a set of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// An address whose packets are dropped.
    Address(IpAddr),
    /// A link-local address whose packets on one interface are dropped.
    LinkLocal {
        /// The address.
        address: Ipv6Addr,
        /// The interface.
        interface: IfIndex,
    },
    /// The same by the name of the interface.
    LinkLocalName {
        /// The address.
        address: Ipv6Addr,
        /// The interface.
        interface: IfName,
    },
    /// A VMAC whose membership reports leave by its parent.
    Reports {
        /// IGMP or MLD.
        family: Family,
        /// The VMAC.
        vmac: IfIndex,
        /// Its parent.
        parent: IfIndex,
    },
}

impl Element {
    /// The part whose set it is in.
    pub const fn part(&self) -> Part {
        match self {
            Element::Address(IpAddr::V4(_)) => Part::Addresses(Family::V4),
            Element::Address(IpAddr::V6(_)) => Part::Addresses(Family::V6),
            Element::LinkLocal { .. } => Part::LinkLocal,
            Element::LinkLocalName { .. } => Part::LinkLocalName,
            Element::Reports { family, .. } => Part::Reports(*family),
        }
    }
}

/// One change to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterStep {
    /// Make our table of a family, empty; one of this name that is there is deleted first.
    Create(Family),
    /// Make the sets and rules of a part.
    Prepare(Part),
    /// Put an element into its set.
    Add(Element),
    /// Take it out.
    Remove(Element),
    /// Delete our table with everything in it.
    Delete(Family),
}

/// Rules as they are, or as they should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The parts.
    pub parts: BTreeSet<Part>,
    /// What is in their sets.
    pub elements: BTreeSet<Element>,
}

impl Rules {
    fn has_table(&self, family: Family) -> bool {
        self.parts.iter().any(|part| part.family() == family)
    }

    /// Adds a part with what it needs.
    pub fn need(&mut self, part: Part) {
        self.parts.extend(part.needs());
        self.parts.insert(part);
    }

    /// What a step makes of them.
    pub fn apply(&mut self, step: &FilterStep) {
        match step {
            FilterStep::Create(family) | FilterStep::Delete(family) => {
                self.parts.retain(|part| part.family() != *family);
                self.elements.retain(|element| element.part().family() != *family);
            }
            FilterStep::Prepare(part) => {
                self.parts.insert(*part);
            }
            FilterStep::Add(element) => {
                self.elements.insert(*element);
            }
            FilterStep::Remove(element) => {
                self.elements.remove(element);
            }
        }
    }
}

/// The steps from `observed` to `desired`, in the order in which they make sense: additions before removals.
///
/// `None`: nobody knows what there is, and every table that is needed is made anew. A part that is no longer needed
/// stays while its table does: empty sets match nothing.
pub fn plan(observed: Option<&Rules>, desired: &Rules) -> Vec<FilterStep> {
    let nothing = Rules::default();
    let known = observed.unwrap_or(&nothing);
    let mut steps = Vec::new();
    for family in [Family::V4, Family::V6] {
        match (known.has_table(family), desired.has_table(family)) {
            (false, true) => steps.push(FilterStep::Create(family)),
            (true, false) => steps.push(FilterStep::Delete(family)),
            (true, true) | (false, false) => {}
        }
    }
    // In the order of the parts: what others need comes first.
    steps.extend(
        desired
            .parts
            .difference(&known.parts)
            .map(|part| FilterStep::Prepare(*part)),
    );
    let here = |element: &&Element| desired.parts.contains(&element.part());
    let more = desired.elements.difference(&known.elements).filter(here);
    steps.extend(more.map(|element| FilterStep::Add(*element)));
    let less = known.elements.difference(&desired.elements);
    let stays = less.filter(|element| desired.has_table(element.part().family()));
    steps.extend(stays.map(|element| FilterStep::Remove(*element)));
    steps
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Addresses(family) => write!(f, "addresses of {family}"),
            Part::LinkLocal => f.write_str("link-local addresses"),
            Part::LinkLocalName => f.write_str("link-local addresses by name"),
            Part::Reports(family) => write!(f, "reports of {family}"),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Address(address) => write!(f, "{address}"),
            Element::LinkLocal { address, interface } => write!(f, "{address}%{interface}"),
            Element::LinkLocalName { address, interface } => write!(f, "{address}%{interface}"),
            Element::Reports { family, vmac, parent } => write!(f, "{family} reports of {vmac} by {parent}"),
        }
    }
}

impl fmt::Display for FilterStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilterStep::Create(family) => write!(f, "create({family})"),
            FilterStep::Prepare(part) => write!(f, "prepare({part})"),
            FilterStep::Add(element) => write!(f, "+{element}"),
            FilterStep::Remove(element) => write!(f, "-{element}"),
            FilterStep::Delete(family) => write!(f, "delete({family})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Rng;

    #[test]
    fn a_plan_reaches_its_goal_and_then_has_nothing_left_to_do() {
        let mut rng = Rng::from_seed(5);
        for _ in 0..2_000 {
            let mut observed = rules(&mut rng);
            let desired = rules(&mut rng);
            let steps = plan(Some(&observed), &desired);
            for step in &steps {
                assert!(makes_sense(&observed, step), "{step} on {observed:?}");
                observed.apply(step);
            }
            assert_eq!(observed.elements, desired.elements);
            assert!(observed.parts.is_superset(&desired.parts));
            assert_eq!(plan(Some(&observed), &desired), []);
        }
    }

    #[test]
    fn what_nobody_knows_is_made_anew() {
        let mut desired = Rules::default();
        desired.need(Part::LinkLocal);
        let steps = plan(None, &desired);
        let expected = [
            FilterStep::Create(Family::V6),
            FilterStep::Prepare(Part::Addresses(Family::V6)),
            FilterStep::Prepare(Part::LinkLocal),
        ];
        assert_eq!(steps, expected);
        assert_eq!(plan(None, &Rules::default()), []);
    }

    #[test]
    fn a_table_that_nobody_needs_goes_with_what_is_in_it() {
        let mut observed = Rules::default();
        observed.need(Part::Addresses(Family::V4));
        observed.elements.insert(Element::Address("10.0.0.1".parse().unwrap()));
        let steps = plan(Some(&observed), &Rules::default());
        assert_eq!(steps, [FilterStep::Delete(Family::V4)]);
    }

    /// Whether the kernel would take it.
    fn makes_sense(rules: &Rules, step: &FilterStep) -> bool {
        match step {
            FilterStep::Create(_) => true,
            FilterStep::Prepare(part) => part.needs().is_none_or(|needed| rules.parts.contains(&needed)),
            FilterStep::Add(element) => rules.parts.contains(&element.part()),
            FilterStep::Remove(element) => rules.elements.contains(element),
            FilterStep::Delete(family) => rules.has_table(*family),
        }
    }

    fn rules(rng: &mut Rng) -> Rules {
        let mut rules = Rules::default();
        for _ in 0..rng.below(6) {
            let number = u8::try_from(rng.below(4)).unwrap();
            let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(number));
            let element = match rng.below(5) {
                0 => Element::Address(IpAddr::from([10, 0, 0, number])),
                1 => Element::Address(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)])),
                2 => Element::LinkLocal {
                    address: link_local,
                    interface: IfIndex(2),
                },
                3 => Element::LinkLocalName {
                    address: link_local,
                    interface: "eth0".parse().unwrap(),
                },
                _ => Element::Reports {
                    family: if rng.percent(50) { Family::V4 } else { Family::V6 },
                    vmac: IfIndex(3),
                    parent: IfIndex(2),
                },
            };
            rules.need(element.part());
            if rng.percent(70) {
                rules.elements.insert(element);
            }
        }
        rules
    }
}
