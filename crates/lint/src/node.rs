//! One node: what its file says and what that means, joined by the names of its objects.
//!
//! Decides nothing about right or wrong. What counts comes from the model; how it was written, from the lines.

use conf::diagnostic::Location;
use conf::outline::Item;
use std::net::IpAddr;
use vrrp::config::{Config, Delivery, Tracked};

/// Everything that is known of a node.
#[derive(Debug)]
pub struct Node {
    /// How it is called in messages: the name of its file.
    pub name: String,
    /// What the file means.
    pub model: conf::Model,
    /// What the file says.
    pub outline: Vec<Item>,
}

/// What an instance tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `track_interface`.
    Interface,
    /// `track_script`.
    Script,
    /// `track_file`.
    File,
    /// `track_process`.
    Process,
    /// `track_bfd`.
    Bfd,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Interface, Kind::Script, Kind::File, Kind::Process, Kind::Bfd];

    /// The kind of an object.
    pub fn of(object: &Tracked) -> Kind {
        match object {
            Tracked::Interface(_) => Kind::Interface,
            Tracked::Script(_) => Kind::Script,
            Tracked::File(_) => Kind::File,
            Tracked::Process(_) => Kind::Process,
            Tracked::Bfd(_) => Kind::Bfd,
        }
    }

    /// The list it is named in, and the blocks that declare it.
    fn keywords(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Kind::Interface => ("track_interface", &[]),
            Kind::Script => ("track_script", &["vrrp_script"]),
            Kind::File => ("track_file", &["track_file", "vrrp_track_file"]),
            Kind::Process => ("track_process", &["vrrp_track_process"]),
            Kind::Bfd => ("track_bfd", &["bfd_instance"]),
        }
    }

    /// How it is called in sentences.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Interface => "interface",
            Kind::Script => "script",
            Kind::File => "file",
            Kind::Process => "process",
            Kind::Bfd => "BFD session",
        }
    }
}

/// Something that an instance tracks.
#[derive(Clone, Copy, Debug)]
pub struct Tracker<'n> {
    /// Of which kind.
    pub kind: Kind,
    /// Its name.
    pub name: &'n str,
    /// Its weight; 0: its failure is a fault.
    pub weight: i32,
    /// Whether good counts as bad.
    pub reverse: bool,
    /// Whether all members of the sync group have it.
    pub of_group: bool,
    /// The line that names it.
    pub line: &'n Item,
}

impl Tracker<'_> {
    /// What it adds to the priority (`spec/vrrp-behaviour.md` 8). A file counts as good while its value is zero.
    pub fn contribution(&self, good: bool) -> i32 {
        let counts = match self.kind {
            // The value times the weight; the smallest bad value is one.
            Kind::File => !good,
            Kind::Interface | Kind::Script | Kind::Process | Kind::Bfd => (self.weight > 0) == good,
        };
        let sign = if self.reverse { -1 } else { 1 };
        if counts { sign * self.weight } else { 0 }
    }
}

/// A virtual router of a node.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'n> {
    /// The node.
    pub node: &'n Node,
    /// Its block.
    pub block: &'n Item,
    /// What it means.
    pub config: &'n Config,
}

impl Node {
    /// The blocks with a keyword and a name.
    pub fn blocks<'n>(&'n self, keyword: &'n str) -> impl Iterator<Item = &'n Item> {
        self.outline.iter().filter(move |item| item.keyword == keyword)
    }

    /// The virtual routers that can run.
    pub fn instances(&self) -> Vec<Instance<'_>> {
        self.blocks("vrrp_instance")
            .filter_map(|block| {
                let name = block.word(0)?;
                let config = self.model.vrrp.instances.get(&vrrp::config::Name::from(name))?;
                Some(Instance {
                    node: self,
                    block,
                    config,
                })
            })
            .collect()
    }

    /// A line of `global_defs`, the last of several.
    pub fn global(&self, keyword: &str) -> Option<&Item> {
        self.blocks("global_defs").filter_map(|block| block.get(keyword)).last()
    }

    /// The sync group with a member.
    fn group_of(&self, member: &str) -> Option<&Item> {
        let names = |group: &Item| members(group).any(|name| name == member);
        self.blocks("vrrp_sync_group").find(|group| names(group))
    }
}

fn members(group: &Item) -> impl Iterator<Item = &str> {
    let lists = group.all("group");
    lists
        .flat_map(|list| &list.inside)
        .flat_map(|line| &line.words)
        .map(String::as_str)
}

impl<'n> Instance<'n> {
    /// Its name.
    pub fn name(&self) -> &'n str {
        self.config.name.as_str()
    }

    /// Where its block begins.
    pub fn at(&self) -> Option<&'n Location> {
        self.block.at.as_ref()
    }

    /// Where a keyword of it stands, or else the block.
    pub fn place(&self, keyword: &str) -> Option<&'n Location> {
        self.block.get(keyword).and_then(|item| item.at.as_ref()).or(self.at())
    }

    /// Whether it has a keyword and did not switch it off.
    pub fn has(&self, keyword: &str) -> bool {
        self.block.get(keyword).is_some_and(is_on)
    }

    /// Whether strict mode holds for it.
    pub fn strict(&self) -> Option<&'n Item> {
        let own = self.block.get("strict_mode");
        match own {
            Some(own) => Some(own).filter(|item| is_on(item)),
            None => self.node.global("vrrp_strict").filter(|item| is_on(item)),
        }
    }

    /// Its sync group, if there are others in it.
    pub fn group(&self) -> Option<&'n Item> {
        self.node
            .group_of(self.name())
            .filter(|group| members(group).count() > 1)
    }

    /// The other members of its sync group.
    pub fn companions(&self) -> Vec<Instance<'n>> {
        let Some(group) = self.group() else { return Vec::new() };
        let mut all = self.node.instances();
        all.retain(|other| other.name() != self.name() && members(group).any(|name| name == other.name()));
        all
    }

    /// The address its adverts come from, if the file says it.
    pub fn source(&self) -> Option<IpAddr> {
        self.config.source
    }

    /// Its unicast peers; `None` with multicast.
    pub fn peers(&self) -> Option<Vec<IpAddr>> {
        match &self.config.delivery {
            Delivery::Unicast { peers, .. } => Some(peers.iter().map(|peer| peer.address).collect()),
            Delivery::Multicast { .. } => None,
        }
    }

    /// Everything it tracks as it is written, through its sync group too.
    pub fn trackers(&self) -> Vec<Tracker<'n>> {
        let group = self.node.group_of(self.name());
        let mut all: Vec<Tracker<'n>> = Vec::new();
        for (block, of_group) in group
            .map(|block| (block, true))
            .into_iter()
            .chain([(self.block, false)])
        {
            for kind in Kind::ALL {
                let (list, _) = kind.keywords();
                let lines = block.all(list).flat_map(|item| &item.inside);
                all.extend(lines.filter_map(|line| self.tracker(kind, line, of_group)));
            }
        }
        all
    }

    fn tracker(&self, kind: Kind, line: &'n Item, of_group: bool) -> Option<Tracker<'n>> {
        let name = line.word(0)?;
        let (_, declarations) = kind.keywords();
        let declared = declarations
            .iter()
            .flat_map(|keyword| self.node.blocks(keyword))
            .find(|block| block.word(0) == Some(name));
        let default = match kind {
            Kind::File => 1,
            Kind::Interface | Kind::Script | Kind::Process | Kind::Bfd => 0,
        };
        let said = declared.and_then(|block| block.get("weight"));
        let declared_weight = said.and_then(|item| item.word(0)?.parse().ok()).unwrap_or(default);
        let declared_reverse = said.is_some_and(|item| item.words.iter().any(|word| word == "reverse"));
        let own = line.words.iter().position(|word| word == "weight");
        let weight = own
            .and_then(|at| line.word(at + 1)?.parse().ok())
            .unwrap_or(declared_weight);
        let says = |word: &str| line.words.iter().any(|each| each == word);
        let reverse = says("reverse") || declared_reverse && own.is_none() && !says("noreverse");
        Some(Tracker {
            kind,
            name,
            weight,
            reverse,
            of_group,
            line,
        })
    }
}

/// Whether a `KEYWORD [BOOL]` says yes.
pub fn is_on(item: &Item) -> bool {
    !matches!(item.word(0), Some("off" | "no" | "false"))
}
