//! `nftables_ipvs`: packets to the addresses of a group get the mark of the group.
//!
//! A table of ours in each family, a map for each protocol from address and port to mark, and a rule that looks it up.
//! The table is made anew when what it should hold changes, in one transaction unless it is very large.

use crate::log::{Level, Reporter};
use base::Family;
use director::Marked;
use linux::namespace;
use linux::nft::{Base, Batch, Element, Expression, Hook, MetaKey, NftEar, NftSocket, Set, Type, Verdict};
use linux::{SysError, Turn};
use lvs::config::{Entry, Nftables, Protocol};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// Elements in one transaction: the kernel takes no more than some thousand at once.
const AT_ONCE: usize = 3_000;
/// Addresses of one range that get a mark, as many as services of a virtual server. More are left out.
const ADDRESSES: usize = lvs::table::SERVICES;
const CHAIN: &str = "in";
/// Turns in which reports of nftables are read at one look. What is left over is read at the next.
const TURNS: usize = 64;

/// What a table should hold: for each family and protocol, elements.
type Wanted = BTreeMap<(Family, Protocol), Vec<Element>>;

/// The maps in the kernel.
pub(super) struct Maps {
    reporter: Reporter,
    socket: Option<NftSocket>,
    settings: Option<Nftables>,
    held: Wanted,
    /// Hears what others remove from the table; `None`: not yet, or the kernel does not let us.
    ear: Option<NftEar>,
    /// It does not: that was said.
    deaf: bool,
    /// Somebody has removed something, and it is not put back yet.
    stale: bool,
    /// What went wrong last, so that it is logged once.
    refused: Option<String>,
}

impl Maps {
    /// Holds nothing yet.
    pub(super) const fn new(reporter: Reporter) -> Maps {
        Maps {
            reporter,
            socket: None,
            settings: None,
            held: BTreeMap::new(),
            ear: None,
            deaf: false,
            stale: false,
            refused: None,
        }
    }

    /// Whether the maps have to be made anew: somebody has removed a table of ours (a reload of the firewall does), or something
    /// of it, or it could not be made.
    pub(super) fn look(&mut self) -> bool {
        let lost = self.hear();
        if self.held.is_empty() {
            return self.refused.is_some();
        }
        let (Some(settings), Some(socket)) = (&self.settings, &mut self.socket) else {
            return true;
        };
        let tables = match socket.tables() {
            Ok(tables) => tables,
            Err(error) => {
                self.reporter.error(error);
                self.socket = None;
                return true;
            }
        };
        let has = |family| {
            let mut tables = tables.iter();
            tables.any(|table| table.family == family && *table.name == *settings.table)
        };
        if self.held.keys().all(|(family, _)| has(*family)) {
            if lost && self.refused.is_none() {
                let text = format!(
                    "something in table {} of nftables was removed by somebody else - putting it back",
                    settings.table
                );
                self.reporter.say(Level::Warning, text);
            }
            self.stale |= lost;
            return self.stale || self.refused.is_some();
        }
        if self.refused.is_none() {
            let text = format!(
                "table {} of nftables was removed by somebody else - putting it back",
                settings.table
            );
            self.reporter.say(Level::Warning, text);
        }
        self.held.clear();
        true
    }

    /// Whether others have removed something of the table since the last time, or may have.
    fn hear(&mut self) -> bool {
        let (Some(ear), Some(settings)) = (&mut self.ear, &self.settings) else {
            return false;
        };
        let own = self.socket.as_ref().map(NftSocket::port);
        let mut lost = false;
        for _ in 0..TURNS {
            match ear.read(&settings.table, own, &mut lost) {
                Ok(Turn::More) => {}
                Ok(Turn::Drained) => break,
                Err(error) => {
                    self.reporter.error(error);
                    self.ear = None;
                    return true;
                }
            }
        }
        lost
    }

    /// Begins to listen, before there is anything that could be removed.
    fn listen(&mut self, place: Option<&PathBuf>) {
        if self.ear.is_some() || self.deaf {
            return;
        }
        let opened = match place {
            None => NftEar::open(),
            Some(file) => namespace::within(file.clone(), NftEar::open),
        };
        match opened {
            Ok(ear) => self.ear = Some(ear),
            Err(error) => {
                // Said once. A table that is gone is noticed all the same.
                self.deaf = true;
                self.reporter.error(error);
            }
        }
    }

    /// Follows the marks that are given away. `place`: the network namespace, if it is another one.
    pub(super) fn follow(&mut self, place: Option<&PathBuf>, marks: Option<(&Nftables, Vec<Marked<'_>>)>) {
        let Some((settings, marks)) = marks else {
            return self.remove();
        };
        let wanted = wanted(&marks);
        let is_current = self.settings.as_ref() == Some(settings) && self.held == wanted;
        if is_current && !self.stale && self.refused.is_none() {
            return;
        }
        self.listen(place);
        self.stale = false;
        match self.write(place, settings, &wanted) {
            Ok(()) => self.refused = None,
            Err(error) => {
                let text = error.to_string();
                if self.refused.as_ref() != Some(&text) {
                    self.reporter.error(&text);
                }
                self.refused = Some(text);
            }
        }
        self.settings = Some(settings.clone());
        self.held = wanted;
    }

    fn open(&mut self, place: Option<&PathBuf>) -> Result<&mut NftSocket, SysError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => match place {
                None => NftSocket::open()?,
                Some(file) => namespace::within(file.clone(), NftSocket::open)?,
            },
        };
        Ok(self.socket.insert(socket))
    }

    fn write(&mut self, place: Option<&PathBuf>, settings: &Nftables, wanted: &Wanted) -> Result<(), SysError> {
        let held: Vec<Family> = self.families();
        let socket = self.open(place)?;
        let name = &*settings.table;
        for family in [Family::V4, Family::V6] {
            let of: BTreeMap<Protocol, &Vec<Element>> = wanted
                .iter()
                .filter(|((other, _), _)| *other == family)
                .map(|((_, protocol), elements)| (*protocol, elements))
                .collect();
            if of.is_empty() {
                if held.contains(&family) {
                    let mut batch = Batch::new();
                    batch.delete_table(family, name);
                    socket.commit(batch)?;
                }
                continue;
            }
            let mut batch = Batch::new();
            batch.replace_table(family, name);
            batch.add_chain(family, name, CHAIN, Some((Hook::Input, settings.priority)));
            for (protocol, elements) in &of {
                let map = map_of(*protocol);
                let set = Set {
                    name: map,
                    key: &[address_type(family), Type::Port],
                    data: Some(Type::Mark),
                    constant: false,
                };
                batch.add_set(family, name, &set);
                batch.add_rule(family, name, CHAIN, &rule(family, *protocol));
                let first = elements.get(..AT_ONCE).unwrap_or(elements);
                batch.add_elements(family, name, map, first);
            }
            socket.commit(batch)?;
            for (protocol, elements) in of {
                for chunk in elements.chunks(AT_ONCE).skip(1) {
                    let mut batch = Batch::new();
                    batch.add_elements(family, name, map_of(protocol), chunk);
                    socket.commit(batch)?;
                }
            }
        }
        Ok(())
    }

    fn families(&self) -> Vec<Family> {
        self.held.keys().map(|(family, _)| *family).collect()
    }

    /// Removes the tables.
    pub(super) fn remove(&mut self) {
        let families = self.families();
        let Some(settings) = self.settings.take() else { return };
        self.held.clear();
        (self.ear, self.stale) = (None, false);
        let Some(socket) = &mut self.socket else { return };
        for family in [Family::V4, Family::V6] {
            if families.contains(&family) {
                let mut batch = Batch::new();
                batch.delete_table(family, &settings.table);
                if let Err(error) = socket.commit(batch) {
                    self.reporter.error(error);
                }
            }
        }
    }
}

fn wanted(marks: &[Marked<'_>]) -> Wanted {
    let mut wanted = Wanted::new();
    for (group, protocol, mark) in marks {
        for entry in &group.entries {
            let Entry::Range(range) = entry else { continue };
            let elements = wanted.entry((range.family(), *protocol)).or_default();
            elements.extend(range.addresses().take(ADDRESSES).map(|address| {
                let mut key = match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                key.extend(range.port().to_be_bytes());
                key.extend([0, 0]);
                Element {
                    key,
                    data: mark.to_ne_bytes().to_vec(),
                }
            }));
        }
    }
    for elements in wanted.values_mut() {
        // An address in two groups belongs to the first.
        elements.sort_by(|a, b| a.key.cmp(&b.key));
        elements.dedup_by(|a, b| a.key == b.key);
    }
    wanted
}

const fn address_type(family: Family) -> Type {
    match family {
        Family::V4 => Type::Ipv4,
        Family::V6 => Type::Ipv6,
    }
}

const fn map_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp_map",
        Protocol::Udp => "udp_map",
        Protocol::Sctp => "sctp_map",
    }
}

/// Registers of four bytes begin here.
const FIRST: u32 = 8;

/// The rule of a protocol: destination address and port looked up, the mark set.
fn rule(family: Family, protocol: Protocol) -> Vec<Expression> {
    let (offset, length) = match family {
        Family::V4 => (16, 4),
        Family::V6 => (24, 16),
    };
    vec![
        Expression::Meta {
            key: MetaKey::Protocol,
            to: 1,
        },
        Expression::Equals {
            register: 1,
            value: vec![protocol.number()],
        },
        Expression::header(offset, length, FIRST),
        Expression::Payload {
            base: Base::Transport,
            offset: 2,
            length: 2,
            to: FIRST + length / 4,
        },
        Expression::Map {
            map: map_of(protocol).to_owned(),
            register: FIRST,
            to: 1,
        },
        Expression::SetMark { register: 1 },
        Expression::Counter,
        Expression::Verdict(Verdict::Accept),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Line, Sink};
    use linux::testing::Netns;
    use lvs::Group;
    use lvs::config::{Range, Summary};
    use std::cell::RefCell;
    use std::process::Command;
    use std::rc::Rc;

    struct Silent;

    impl Sink for Silent {
        fn take(&mut self, _: Line) {}
    }

    fn nft(words: &str) -> String {
        let output = Command::new("nft").args(words.split(' ')).output().unwrap();
        assert!(output.status.success(), "nft {words}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn what_others_remove_from_a_map_is_put_back() {
        let Some(net) = Netns::new() else { return };
        if Command::new("nft").arg("-v").output().is_err() {
            return;
        }
        net.run(|| {
            let entries = vec![Entry::Range(
                Range::new([192, 0, 2, 1].into(), [192, 0, 2, 3].into(), 80).unwrap(),
            )];
            let group = Group {
                name: "web".into(),
                summary: Summary::of(&entries),
                entries,
            };
            let settings = Nftables {
                table: "marks".into(),
                priority: -1,
                first_mark: 1_000,
            };
            let mut maps = Maps::new(Reporter::new(Rc::new(RefCell::new(Silent)), 2));
            let follow = |maps: &mut Maps| {
                maps.follow(None, Some((&settings, vec![(&group, Protocol::Tcp, 1_000)])));
                nft("-s list table ip marks")
            };
            let whole = follow(&mut maps);
            assert!(whole.contains("192.0.2.2 . 80"), "{whole}");
            assert!(!maps.look(), "what we do ourselves is no news");
            for edit in [
                "delete element ip marks tcp_map { 192.0.2.2 . 80 }",
                "flush chain ip marks in",
                "delete table ip marks",
            ] {
                nft(edit);
                assert!(maps.look(), "{edit}");
                assert_eq!(follow(&mut maps), whole, "{edit}");
                assert!(!maps.look(), "{edit}");
            }
            nft("add table ip firewall");
            nft("delete table ip firewall");
            assert!(!maps.look(), "what is not ours");
        });
    }
}
