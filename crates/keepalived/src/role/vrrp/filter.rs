//! Writes the rules of the packet filter for nftables: which sets, chains and rules a part is, and which bytes an element.
//!
//! The tables are those of the original (`spec/vrrp-behaviour.md` 13.2), so that whoever looks for `@vips` finds it. What
//! should be in them is decided in the `vrrp` crate.

use ::vrrp::filter::{Element, FilterSettings, FilterStep, Part};
use base::{Family, IfIndex, IfName};
use linux::SysError;
use linux::nft::{self, Base, Batch, Expression, Hook, MetaKey, NftSocket, Set, Type, Verdict};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

const VIPS: &str = "vips";
const LINK_LOCAL: &str = "vips_link_local";
const LINK_LOCAL_NAME: &str = "vips_link_local_name";
const DISCOVERY: &str = "neighbor-discovery";
const VMAC_MAP: &str = "vmac_map";
const VMAC_SET: &str = "vmac_set";
const MLD_REPORT: &str = "mld-report";
const IN: &str = "in";
const OUT: &str = "out";
const IN_LINK_LOCAL: &str = "in_link_local";
const OUT_LINK_LOCAL: &str = "out_link_local";

/// Types of ICMPv6 messages.
const MLD1_REPORT: u8 = 131;
const ROUTER_SOLICITATION: u8 = 133;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const MLD2_REPORT: u8 = 143;
/// Protocols above IP.
const IGMP: u8 = 2;
const ICMPV6: u8 = 58;

/// The error number where the kernel gave none.
const UNKNOWN: i32 = 0;

/// The way to nftables, opened when it is needed first.
#[derive(Default)]
pub(super) struct PacketFilter {
    socket: Option<NftSocket>,
    /// The name of the table that was changed last.
    table: Option<Arc<str>>,
}

impl PacketFilter {
    /// The table that was changed last, and the number of our socket.
    pub(super) fn place(&self) -> Option<(&str, Option<u32>)> {
        let table = self.table.as_deref()?;
        Some((table, self.socket.as_ref().map(NftSocket::port)))
    }

    /// Carries out a change whole or not at all; gives the error number and the text of a refusal.
    pub(super) fn change(&mut self, settings: &FilterSettings, steps: &[FilterStep]) -> Result<(), (i32, SysError)> {
        let batch = batch(settings, steps);
        let socket = self.open().map_err(numbered)?;
        socket.commit(batch).map_err(numbered)?;
        self.table = Some(Arc::clone(&settings.table));
        Ok(())
    }

    /// Deletes tables of these names that an earlier run of ours left; says which there were.
    pub(super) fn clean(&mut self, names: &BTreeSet<&str>) -> Result<Vec<(Family, String)>, SysError> {
        let socket = self.open()?;
        let tables = socket.tables()?;
        let left = tables
            .into_iter()
            .filter(|table| table.ours && names.contains(&*table.name));
        let left: Vec<(Family, String)> = left.map(|table| (table.family, table.name)).collect();
        let mut batch = Batch::new();
        for (family, name) in &left {
            batch.delete_table(*family, name);
        }
        socket.commit(batch)?;
        Ok(left)
    }

    fn open(&mut self) -> Result<&mut NftSocket, SysError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => NftSocket::open()?,
        };
        Ok(self.socket.insert(socket))
    }
}

fn numbered(error: SysError) -> (i32, SysError) {
    (error.errno().unwrap_or(UNKNOWN), error)
}

fn batch(settings: &FilterSettings, steps: &[FilterStep]) -> Batch {
    let mut writer = Writer {
        batch: Batch::new(),
        settings,
        chains: Vec::new(),
    };
    // Elements of one set that follow each other go together.
    let mut rest = steps;
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        match first {
            FilterStep::Create(family) => writer.batch.replace_table(*family, &settings.table),
            FilterStep::Delete(family) => writer.batch.delete_table(*family, &settings.table),
            FilterStep::Prepare(part) => writer.prepare(*part),
            FilterStep::Add(element) => {
                let more = others.iter().map_while(|step| match step {
                    FilterStep::Add(next) if next.part() == element.part() => Some(*next),
                    FilterStep::Add(_)
                    | FilterStep::Create(_)
                    | FilterStep::Prepare(_)
                    | FilterStep::Remove(_)
                    | FilterStep::Delete(_) => None,
                });
                let all: Vec<Element> = std::iter::once(*element).chain(more).collect();
                rest = steps_after(rest, all.len());
                writer.elements(&all, Batch::add_elements);
            }
            FilterStep::Remove(element) => {
                let more = others.iter().map_while(|step| match step {
                    FilterStep::Remove(next) if next.part() == element.part() => Some(*next),
                    FilterStep::Remove(_)
                    | FilterStep::Create(_)
                    | FilterStep::Prepare(_)
                    | FilterStep::Add(_)
                    | FilterStep::Delete(_) => None,
                });
                let all: Vec<Element> = std::iter::once(*element).chain(more).collect();
                rest = steps_after(rest, all.len());
                writer.elements(&all, Batch::delete_elements);
            }
        }
    }
    writer.batch
}

/// What follows a run of so many steps, of which the first is taken already.
fn steps_after(rest: &[FilterStep], run: usize) -> &[FilterStep] {
    rest.get(run.saturating_sub(1)..).unwrap_or_default()
}

/// Adds to or deletes from a set.
type Change = fn(&mut Batch, Family, &str, &str, &[nft::Element]);

struct Writer<'a> {
    batch: Batch,
    settings: &'a FilterSettings,
    /// Chains with a hook that this batch has made.
    chains: Vec<(Family, &'static str)>,
}

impl Writer<'_> {
    fn prepare(&mut self, part: Part) {
        match part {
            Part::Addresses(Family::V4) => self.addresses_v4(),
            Part::Addresses(Family::V6) => self.addresses_v6(),
            Part::LinkLocal => self.link_local(
                LINK_LOCAL,
                Type::InterfaceIndex,
                MetaKey::InterfaceIn,
                MetaKey::InterfaceOut,
            ),
            Part::LinkLocalName => {
                self.link_local(LINK_LOCAL_NAME, Type::InterfaceName, MetaKey::NameIn, MetaKey::NameOut);
            }
            Part::Reports(Family::V4) => self.reports_v4(),
            Part::Reports(Family::V6) => self.reports_v6(),
        }
    }

    fn addresses_v4(&mut self) {
        const SOURCE: u32 = 12;
        const DESTINATION: u32 = 16;
        self.set(Family::V4, VIPS, &[Type::Ipv4], None);
        self.base_chain(Family::V4, OUT);
        self.base_chain(Family::V4, IN);
        for (chain, offset) in [(OUT, SOURCE), (IN, DESTINATION)] {
            let mut rule = vec![Expression::header(offset, 4, 1)];
            rule.push(lookup(VIPS));
            self.rule(Family::V4, chain, rule, Verdict::Drop);
        }
    }

    fn addresses_v6(&mut self) {
        self.set(Family::V6, VIPS, &[Type::Ipv6], None);
        self.constant(DISCOVERY, &[NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT]);
        self.base_chain(Family::V6, OUT);
        self.base_chain(Family::V6, IN);
        self.batch
            .add_chain(Family::V6, &self.settings.table, IN_LINK_LOCAL, None);
        self.batch
            .add_chain(Family::V6, &self.settings.table, OUT_LINK_LOCAL, None);
        for (chain, address, link_local) in [
            (OUT, source_v6(), OUT_LINK_LOCAL),
            (IN, destination_v6(), IN_LINK_LOCAL),
        ] {
            let mut rule = icmpv6_type();
            rule.push(lookup(DISCOVERY));
            self.rule(Family::V6, chain, rule, Verdict::Accept);
            let prefix = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0).octets();
            let mask = Ipv6Addr::new(0xffc0, 0, 0, 0, 0, 0, 0, 0).octets();
            let rule = vec![
                address.clone(),
                Expression::Mask {
                    register: 1,
                    mask: mask.to_vec(),
                },
                Expression::Equals {
                    register: 1,
                    value: prefix.to_vec(),
                },
            ];
            self.rule(Family::V6, chain, rule, Verdict::Goto(link_local.into()));
            self.rule(Family::V6, chain, vec![address, lookup(VIPS)], Verdict::Drop);
        }
    }

    fn link_local(&mut self, set: &'static str, interface: Type, comes: MetaKey, goes: MetaKey) {
        self.set(Family::V6, set, &[Type::Ipv6, interface], None);
        let ways = [
            (IN_LINK_LOCAL, destination_v6(), comes),
            (OUT_LINK_LOCAL, source_v6(), goes),
        ];
        for (chain, address, key) in ways {
            // The interface runs on in the second register, which the lookup reads too.
            let rule = vec![address, Expression::Meta { key, to: 2 }, lookup(set)];
            self.rule(Family::V6, chain, rule, Verdict::Drop);
        }
    }

    fn reports_v4(&mut self) {
        const PROTOCOL: u32 = 9;
        const DESTINATION: u32 = 16;
        let map = Some(Type::InterfaceIndex);
        self.set(Family::V4, VMAC_MAP, &[Type::InterfaceIndex], map);
        self.base_chain(Family::V4, OUT);
        let mut rule = vec![
            Expression::header(PROTOCOL, 1, 1),
            Expression::Equals {
                register: 1,
                value: vec![IGMP],
            },
            Expression::header(DESTINATION, 4, 1),
        ];
        rule.extend(duplicate());
        self.first_rule(Family::V4, OUT, rule);
    }

    fn reports_v6(&mut self) {
        let map = Some(Type::InterfaceIndex);
        self.set(Family::V6, VMAC_MAP, &[Type::InterfaceIndex], map);
        self.set(Family::V6, VMAC_SET, &[Type::InterfaceIndex], None);
        self.constant(MLD_REPORT, &[MLD2_REPORT, MLD1_REPORT]);
        self.base_chain(Family::V6, OUT);
        let mut solicitations = icmpv6_type();
        solicitations.push(Expression::Equals {
            register: 1,
            value: vec![ROUTER_SOLICITATION],
        });
        solicitations.extend(of_macvlan());
        solicitations.push(Expression::Meta {
            key: MetaKey::InterfaceOut,
            to: 1,
        });
        solicitations.push(lookup(VMAC_SET));
        let mut reports = icmpv6_type();
        reports.push(lookup(MLD_REPORT));
        reports.push(destination_v6());
        reports.extend(duplicate());
        // The last comes first.
        self.first_rule(Family::V6, OUT, solicitations);
        self.first_rule(Family::V6, OUT, reports);
    }

    fn set(&mut self, family: Family, name: &'static str, key: &[Type], data: Option<Type>) {
        let set = Set {
            name,
            key,
            data,
            constant: false,
        };
        self.batch.add_set(family, &self.settings.table, &set);
    }

    /// A set of types of ICMPv6 messages.
    fn constant(&mut self, name: &'static str, types: &[u8]) {
        let set = Set {
            name,
            key: &[Type::Icmpv6Type],
            data: None,
            constant: true,
        };
        self.batch.add_set(Family::V6, &self.settings.table, &set);
        let elements: Vec<nft::Element> = types.iter().map(|one| element(&[*one], &[])).collect();
        self.batch
            .add_elements(Family::V6, &self.settings.table, name, &elements);
    }

    /// Chains that two parts share are made once in a batch; making one that is there already changes nothing.
    fn base_chain(&mut self, family: Family, name: &'static str) {
        if self.chains.contains(&(family, name)) {
            return;
        }
        self.chains.push((family, name));
        let hook = if name == IN { Hook::Input } else { Hook::Output };
        let place = Some((hook, self.settings.priority));
        self.batch.add_chain(family, &self.settings.table, name, place);
    }

    fn rule(&mut self, family: Family, chain: &str, expressions: Vec<Expression>, verdict: Verdict) {
        let all = self.complete(expressions, verdict);
        self.batch.add_rule(family, &self.settings.table, chain, &all);
    }

    /// A rule that drops, before all others, also those that came earlier.
    fn first_rule(&mut self, family: Family, chain: &str, expressions: Vec<Expression>) {
        let all = self.complete(expressions, Verdict::Drop);
        self.batch.insert_rule(family, &self.settings.table, chain, &all);
    }

    fn complete(&self, mut expressions: Vec<Expression>, verdict: Verdict) -> Vec<Expression> {
        if self.settings.counters {
            expressions.push(Expression::Counter);
        }
        expressions.push(Expression::Verdict(verdict));
        expressions
    }

    /// Changes elements of one part, which are in one set, but for VMACs and IPv6, which are in two.
    fn elements(&mut self, elements: &[Element], change: Change) {
        let Some(first) = elements.first() else { return };
        let part = first.part();
        let table = &self.settings.table;
        let all: Vec<nft::Element> = elements.iter().map(bytes_of).collect();
        change(&mut self.batch, part.family(), table, set_of(part), &all);
        if part == Part::Reports(Family::V6) {
            let keys: Vec<nft::Element> = all.iter().map(|one| element(&one.key, &[])).collect();
            change(&mut self.batch, Family::V6, table, VMAC_SET, &keys);
        }
    }
}

const fn set_of(part: Part) -> &'static str {
    match part {
        Part::Addresses(_) => VIPS,
        Part::LinkLocal => LINK_LOCAL,
        Part::LinkLocalName => LINK_LOCAL_NAME,
        Part::Reports(_) => VMAC_MAP,
    }
}

fn bytes_of(of: &Element) -> nft::Element {
    match of {
        Element::Address(IpAddr::V4(address)) => element(&address.octets(), &[]),
        Element::Address(IpAddr::V6(address)) => element(&address.octets(), &[]),
        Element::LinkLocal { address, interface } => {
            element(&[&address.octets()[..], &number(*interface)].concat(), &[])
        }
        Element::LinkLocalName { address, interface } => {
            element(&[&address.octets()[..], &padded(interface)].concat(), &[])
        }
        Element::Reports { vmac, parent, .. } => element(&number(*vmac), &number(*parent)),
    }
}

fn element(key: &[u8], data: &[u8]) -> nft::Element {
    nft::Element {
        key: key.to_vec(),
        data: data.to_vec(),
    }
}

const fn number(interface: IfIndex) -> [u8; 4] {
    interface.0.to_ne_bytes()
}

/// A name of an interface as the kernel compares it.
fn padded(name: &IfName) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.to_string().bytes()) {
        *to = from;
    }
    bytes
}

fn lookup(set: &str) -> Expression {
    Expression::Lookup {
        set: set.into(),
        register: 1,
    }
}

const fn source_v6() -> Expression {
    Expression::header(8, 16, 1)
}

const fn destination_v6() -> Expression {
    Expression::header(24, 16, 1)
}

/// Goes on for ICMPv6, with the type of the message in register 1.
fn icmpv6_type() -> Vec<Expression> {
    vec![
        Expression::Meta {
            key: MetaKey::Protocol,
            to: 1,
        },
        Expression::Equals {
            register: 1,
            value: vec![ICMPV6],
        },
        Expression::Payload {
            base: Base::Transport,
            offset: 0,
            length: 1,
            to: 1,
        },
    ]
}

/// Goes on for what leaves by a macvlan: other interfaces need no lookup.
fn of_macvlan() -> Vec<Expression> {
    let mut kind = b"macvlan".to_vec();
    kind.resize(16, 0);
    vec![
        Expression::Meta {
            key: MetaKey::KindOut,
            to: 2,
        },
        Expression::Equals {
            register: 2,
            value: kind,
        },
    ]
}

/// Goes on for what leaves by a VMAC, with a copy to the address in register 1 by its parent.
fn duplicate() -> Vec<Expression> {
    let mut rule = of_macvlan();
    rule.extend([
        Expression::Meta {
            key: MetaKey::InterfaceOut,
            to: 2,
        },
        Expression::Map {
            map: VMAC_MAP.into(),
            register: 2,
            to: 2,
        },
        Expression::Duplicate { address: 1, device: 2 },
    ]);
    rule
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
