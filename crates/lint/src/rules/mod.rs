//! The rules, each with its name, its reason and its advice.

mod addresses;
mod checks;
mod delivery;
mod nodes;
mod preempt;
mod weights;

use crate::node::{Instance, Node};
use crate::{Finding, forecast};
use conf::diagnostic::Location;
use conf::outline::Item;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its stable name.
    pub name: &'static str,
    /// Why what it looks for is wrong.
    pub about: &'static str,
    /// What to do instead.
    pub hint: &'static str,
    /// Looks for it.
    pub check: fn(&mut Report<'_>),
}

/// Every rule; first those about one node.
pub static RULES: &[&Rule] = &[
    &preempt::NOPREEMPT_MASTER,
    &preempt::NOPREEMPT_WEIGHT,
    &preempt::MASTER_WITHOUT_PRIORITY,
    &weights::WEIGHT_WITHOUT_EFFECT,
    &weights::SYNC_GROUP_WEIGHT,
    &checks::PROCESS_EXISTS,
    &checks::SLOW_CHECK,
    &checks::CHECKS_OWN_ADDRESS,
    &checks::BFD_BETWEEN_ROUTERS,
    &delivery::EMPTY_PEERS,
    &delivery::OWN_ADDRESS_IN_PEERS,
    &delivery::PASSWORD_CUT,
    &delivery::AH_UNICAST,
    &addresses::STRICT_DROPS,
    &addresses::MASK_COLLIDES,
    &nodes::TWO_MASTERS,
    &nodes::ONLY_ON_SOME,
    &nodes::VERSIONS_DIFFER,
    &nodes::INTERVALS_DIFFER,
    &nodes::AUTHENTICATION_DIFFERS,
    &nodes::ADDRESSES_DIFFER,
    &nodes::VRID_TWICE,
    &nodes::DELIVERY_DIFFERS,
    &nodes::PEERS_INCOMPLETE,
    &nodes::EQUAL_PRIORITIES,
    &nodes::NOPREEMPT_LOWER,
    &weights::WEIGHT_CANNOT_MOVE,
];

/// What a rule looks at and writes to.
pub struct Report<'r> {
    rule: &'static Rule,
    nodes: &'r [Node],
    out: &'r mut Vec<Finding>,
}

impl<'r> Report<'r> {
    pub(crate) fn new(rule: &'static Rule, nodes: &'r [Node], out: &'r mut Vec<Finding>) -> Report<'r> {
        Report { rule, nodes, out }
    }

    fn say(&mut self, node: usize, at: Option<&Location>, message: String) {
        self.say_with(node, at, message, Vec::new());
    }

    fn say_with(&mut self, node: usize, at: Option<&Location>, message: String, notes: Vec<String>) {
        self.out.push(Finding {
            rule: self.rule,
            node,
            at: at.cloned(),
            message,
            notes,
        });
    }

    /// Every instance that can run, with the number of its node.
    fn instances(&self) -> Vec<(usize, Instance<'r>)> {
        let numbered = self.nodes.iter().enumerate();
        numbered
            .flat_map(|(number, node)| node.instances().into_iter().map(move |instance| (number, instance)))
            .collect()
    }

    /// Every block with a keyword, with the number of its node.
    fn blocks(&self, keyword: &'static str) -> Vec<(usize, &'r Item)> {
        let numbered = self.nodes.iter().enumerate();
        numbered
            .flat_map(|(number, node)| node.blocks(keyword).map(move |block| (number, block)))
            .collect()
    }

    /// The virtual routers, where there are several nodes that could have them.
    fn routers(&self) -> Vec<forecast::Router<'r>> {
        if self.nodes.len() < 2 {
            return Vec::new();
        }
        forecast::routers(self.nodes)
    }

    /// How a place of a node is named in a note.
    fn place(&self, node: usize, at: Option<&Location>) -> String {
        match (at, self.nodes.get(node)) {
            (Some(at), _) => format!("{}:{}", at.file, at.line),
            (None, Some(node)) => node.name.clone(),
            (None, None) => String::new(),
        }
    }
}
