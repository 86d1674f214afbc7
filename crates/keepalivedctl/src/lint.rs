//! `keepalivedctl lint`: reads the files and shows what the rules found and what would happen.

use conf::files::{Elsewhere, FsLoader};
use conf::json::{Place, place};
use conf::{Bundle, Class, Diagnostic, Facts};
use lint::forecast::{Failure, Outcome, Router, Why, routers};
use lint::{Finding, Node};
use serde::Serialize;
use std::fmt::Write;

/// The number of the shape of the JSON.
const SCHEMA: u32 = 1;

/// What was found: the text, and whether there was something.
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) findings: bool,
}

/// A file that was read.
struct Read {
    node: Node,
    bundle: Bundle,
}

/// Reads the files, each a node of its own.
///
/// # Errors
/// What kept one of them from being read, as `keepalived -t` would say it.
pub(crate) fn lint(files: &[String], ids: &[String], json: bool, color: bool) -> Result<Answer, String> {
    let mut nodes = Vec::new();
    let mut bundles = Vec::new();
    let mut remarks = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let id = ids.get(number).or(ids.last()).cloned();
        let Read { node, bundle } = read(file, id, &mut remarks)?;
        nodes.push(node);
        bundles.push(bundle);
    }
    let findings = lint::lint(&nodes);
    let routers = if nodes.len() > 1 { routers(&nodes) } else { Vec::new() };
    let text = if json {
        as_json(&nodes, &bundles, &findings, &routers)
    } else {
        as_text(&nodes, &bundles, &findings, &routers, &remarks, color)
    };
    Ok(Answer {
        text,
        findings: !findings.is_empty(),
    })
}

fn read(file: &str, id: Option<String>, remarks: &mut Vec<String>) -> Result<Read, String> {
    let facts = Facts {
        config_id: id.unwrap_or_else(host),
        environment: std::env::vars().collect(),
        directory: std::env::current_dir().map_err(|error| format!("cannot tell the current folder: {error}"))?,
        // The file may be that of another machine: nothing is said about interfaces, programs and users.
        interfaces: None,
        checking: true,
        ..Facts::default()
    };
    let bundle = conf::load(file, facts, &Elsewhere(FsLoader));
    let compiled = conf::compile(&bundle);
    let unreadable = |d: &&Diagnostic| matches!(d.class, Class::FileNotFound | Class::MissingParameter);
    let stopped: Vec<String> = compiled
        .diagnostics
        .iter()
        .filter(unreadable)
        .map(ToString::to_string)
        .collect();
    if !stopped.is_empty() {
        return Err(format!("{file}: {}", stopped.join("\n")));
    }
    let count = compiled.diagnostics.iter().filter(|d| d.class != Class::Notice).count();
    if count > 0 {
        remarks.push(format!(
            "{file}: {count} message(s) of the check come first: keepalived -t -f {file}"
        ));
    }
    Ok(Read {
        node: Node {
            name: file.to_owned(),
            model: compiled.model,
            outline: conf::outline::read(&bundle),
        },
        bundle,
    })
}

/// The name of this machine up to its first dot, which is the configuration id of a daemon here.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().split('.').next().unwrap_or_default().to_owned()
}

fn as_text(
    nodes: &[Node],
    bundles: &[Bundle],
    findings: &[Finding],
    routers: &[Router<'_>],
    remarks: &[String],
    color: bool,
) -> String {
    let mut text = String::new();
    for remark in remarks {
        let _ = writeln!(text, "{remark}");
    }
    for finding in findings {
        let diagnostic = Diagnostic {
            code: finding.rule.name,
            class: Class::Warning,
            stage: conf::diagnostic::Stage::Vrrp,
            message: format!("{} [{}]", finding.message, finding.rule.name),
            at: finding.at.clone(),
            placed: true,
            named: true,
            expands_to: None,
            origin: Vec::new(),
            hints: finding
                .notes
                .iter()
                .cloned()
                .chain([finding.rule.hint.to_owned()])
                .collect(),
            hidden: false,
        };
        if let Some(bundle) = bundles.get(finding.node) {
            let _ = writeln!(text, "{}\n", diagnostic.render(bundle, color));
        }
    }
    for router in routers {
        forecast(nodes, router, &mut text);
    }
    text
}

fn name(nodes: &[Node], node: usize) -> &str {
    nodes.get(node).map_or("", |node| node.name.as_str())
}

fn forecast(nodes: &[Node], router: &Router<'_>, text: &mut String) {
    let _ = writeln!(text, "virtual router {}, {}", router.vrid, router.family);
    for member in &router.members {
        let priority = member
            .healthy()
            .map_or("FAULT".to_owned(), |priority| format!("priority {priority}"));
        let _ = writeln!(
            text,
            "  {}: {}, {priority}",
            name(nodes, member.node),
            member.instance.name()
        );
    }
    let master = match router.master() {
        Ok(number) => router.members.get(number).map_or("", |member| name(nodes, member.node)),
        Err(Outcome::Nobody) => "nobody",
        Err(Outcome::Undecided | Outcome::Moves(_) | Outcome::Stays(..) | Outcome::Both(_)) => {
            "whoever has the higher address"
        }
    };
    let _ = writeln!(text, "  master: {master}");
    for (failure, outcome) in router.failures() {
        let _ = writeln!(text, "    {:<44} {}", what(master, &failure), then(nodes, &outcome));
    }
    text.push('\n');
}

fn what(master: &str, failure: &Failure<'_>) -> String {
    match failure {
        Failure::Node => format!("{master} fails"),
        Failure::Interface(interface) => format!("its interface {interface} fails"),
        Failure::Companion(interface) => format!("interface {interface} of its sync group fails"),
        Failure::Tracker(tracker) if tracker.weight == 0 => {
            format!("{} {} fails", tracker.kind.word(), tracker.name)
        }
        Failure::Tracker(tracker) => {
            format!(
                "{} {} fails (weight {})",
                tracker.kind.word(),
                tracker.name,
                tracker.weight
            )
        }
    }
}

fn then(nodes: &[Node], outcome: &Outcome) -> String {
    match outcome {
        Outcome::Moves(node) => format!("moves to {}", name(nodes, *node)),
        Outcome::Stays(priority, why) => {
            let why = match why {
                Why::StillHighest => "still the highest",
                Why::NoPreempt => "the others have nopreempt",
                Why::SyncGroup => "the rest of its sync group keeps its priority",
                Why::WeightIgnored => "the weight does not count",
            };
            format!("STAYS, priority {priority}: {why}")
        }
        Outcome::Both(node) => format!("BOTH: {} too, for it is not heard any more", name(nodes, *node)),
        Outcome::Undecided => "UNDECIDED: equal priorities".to_owned(),
        Outcome::Nobody => "NOBODY has the addresses".to_owned(),
    }
}

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    findings: Vec<FindingEntry<'a>>,
    routers: Vec<RouterEntry<'a>>,
}

#[derive(Serialize)]
struct FindingEntry<'a> {
    rule: &'static str,
    message: &'a str,
    #[serde(flatten)]
    at: Option<Place<'a>>,
    notes: &'a [String],
    about: &'static str,
    hint: &'static str,
}

#[derive(Serialize)]
struct RouterEntry<'a> {
    vrid: u8,
    family: String,
    members: Vec<MemberEntry<'a>>,
    master: Option<&'a str>,
    failures: Vec<FailureEntry<'a>>,
}

#[derive(Serialize)]
struct MemberEntry<'a> {
    file: &'a str,
    instance: &'a str,
    priority: Option<u8>,
}

#[derive(Serialize)]
struct FailureEntry<'a> {
    what: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    text: String,
}

fn as_json(nodes: &[Node], bundles: &[Bundle], findings: &[Finding], routers: &[Router<'_>]) -> String {
    let findings = findings
        .iter()
        .map(|finding| FindingEntry {
            rule: finding.rule.name,
            message: &finding.message,
            at: bundles
                .get(finding.node)
                .and_then(|bundle| Some(place(bundle, finding.at.as_ref()?))),
            notes: &finding.notes,
            about: finding.rule.about,
            hint: finding.rule.hint,
        })
        .collect();
    let report = Report {
        schema: SCHEMA,
        findings,
        routers: routers.iter().map(|router| router_entry(nodes, router)).collect(),
    };
    let mut text = serde_json::to_string_pretty(&report).unwrap_or_default();
    text.push('\n');
    text
}

fn router_entry<'a>(nodes: &'a [Node], router: &Router<'a>) -> RouterEntry<'a> {
    let master = router.master().ok().and_then(|number| router.members.get(number));
    let master = master.map(|member| name(nodes, member.node));
    let failures = router.failures().into_iter().map(|(failure, outcome)| {
        let (word, to, priority) = match &outcome {
            Outcome::Moves(node) => ("moves", Some(name(nodes, *node)), None),
            Outcome::Stays(priority, _) => ("stays", None, Some(*priority)),
            Outcome::Both(node) => ("both", Some(name(nodes, *node)), None),
            Outcome::Undecided => ("undecided", None, None),
            Outcome::Nobody => ("nobody", None, None),
        };
        FailureEntry {
            what: what(master.unwrap_or_default(), &failure),
            outcome: word,
            to,
            priority,
            text: then(nodes, &outcome),
        }
    });
    RouterEntry {
        vrid: router.vrid.0.get(),
        family: router.family.to_string(),
        members: router
            .members
            .iter()
            .map(|member| MemberEntry {
                file: name(nodes, member.node),
                instance: member.instance.name(),
                priority: member.healthy(),
            })
            .collect(),
        master,
        failures: failures.collect(),
    }
}

/// The rules as a page.
pub(crate) fn rules() -> String {
    let mut text =
        "# What `keepalivedctl lint` finds\n\nMade by `make docs` from the rules in crates/lint.\n".to_owned();
    for rule in lint::RULES {
        let _ = writeln!(text, "\n## {}\n\n{}\n\nInstead: {}.", rule.name, rule.about, rule.hint);
    }
    text
}
