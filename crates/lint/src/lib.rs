//! Configurations that are legal and not meant.
//!
//! Decides which recipes are wrong although every line of them is right, and, with the files of all nodes, who becomes
//! master and after which failure the addresses move. It reads what [`conf`] made of the files; what it deliberately does
//! not know is the machine it runs on: the files may be those of others.
#![forbid(unsafe_code)]

pub mod forecast;
pub mod node;
pub mod rules;

use conf::diagnostic::Location;
pub use node::Node;
pub use rules::{RULES, Rule};

/// Something that is probably not meant.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// Which of the nodes it is in, by its place in the list.
    pub node: usize,
    /// Where.
    pub at: Option<Location>,
    /// What is wrong.
    pub message: String,
    /// What else belongs to it, as `FILE:LINE text`.
    pub notes: Vec<String>,
}

/// Applies every rule to the nodes. They are taken for routers of one segment.
pub fn lint(nodes: &[Node]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        (rule.check)(&mut rules::Report::new(rule, nodes, &mut findings));
    }
    findings.sort_by_key(|finding| {
        let place = finding.at.as_ref().map(|at| (at.source, at.span.start));
        (finding.node, place)
    });
    findings
}
