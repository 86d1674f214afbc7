//! The pages of `docs/guide` and `docs/recipes`: what can be said of them without running their commands, which
//! `scripts/test-docs` does, and the configurations they show.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use lab::daemon::Binary;
use lab::network::{HostPlan, Network, PortPlan};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a fenced block of a page may call itself (scripts/test-docs).
const KINDS: [&str; 6] = ["sh", "sh watch", "sh elsewhere", "sh pair", "conf", "text"];

/// Where an operator's own notebook may be: beside this tree, or where `NOTEBOOK` says.
const NOTEBOOK: &str = "../shared/notebook.md";

struct Block {
    kind: String,
    text: String,
}

#[test]
fn every_block_says_what_it_is_and_every_page_with_commands_is_run() {
    let script = fs::read_to_string(root().join("scripts/test-docs")).unwrap();
    let run = script.lines().find_map(|line| line.strip_prefix("pages=\"")).unwrap();
    let run: Vec<&str> = run.trim_end_matches('"').split(' ').collect();
    for page in pages() {
        let blocks = blocks(&fs::read_to_string(&page).unwrap());
        for block in &blocks {
            let kind = &block.kind;
            assert!(KINDS.contains(&kind.as_str()), "{}: ```{kind}", page.display());
        }
        let name = page.file_stem().unwrap().to_str().unwrap();
        let has_commands = blocks
            .iter()
            .any(|block| matches!(block.kind.as_str(), "sh" | "sh watch"));
        assert_eq!(
            run.contains(&name),
            has_commands && !name.ends_with(".zh"),
            "{name} and scripts/test-docs"
        );
    }
}

#[test]
fn a_page_in_another_language_has_the_same_commands_and_the_same_files() {
    let mut compared = 0;
    for page in pages() {
        let path = page.to_str().unwrap();
        let Some(original) = path.strip_suffix(".zh.md").map(|name| format!("{name}.md")) else {
            continue;
        };
        let read = |path: &str| fs::read_to_string(path).unwrap();
        // Without what is said of them.
        let command = |line: &str| line.split(" # ").next().unwrap_or_default().trim_end().to_owned();
        let commands = |text: &str| -> Vec<String> {
            let blocks = blocks(text).into_iter();
            blocks
                .flat_map(|block| block.text.lines().map(command).collect::<Vec<_>>())
                .collect()
        };
        assert_eq!(commands(&read(path)), commands(&read(&original)), "{path}");
        let files = |text: &str| -> Vec<String> {
            let mut files: Vec<String> = links(text)
                .into_iter()
                .filter(|link| link.contains("examples"))
                .collect();
            files.sort();
            files
        };
        assert_eq!(files(&read(path)), files(&read(&original)), "{path}");
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn what_the_pages_link_to_is_there() {
    for page in pages() {
        for link in links(&fs::read_to_string(&page).unwrap()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let target = page.parent().unwrap().join(file);
            assert!(target.exists(), "{} links to {link}", page.display());
        }
    }
}

/// What troubleshooting.md tells to look for in the log, and who says it.
const QUOTED: [(&str, &str); 5] = [
    ("sent no advert for", "crates/vrrp/src/election/lateness.rs"),
    ("late by", "crates/vrrp/src/election/lateness.rs"),
    (
        "removed by somebody else - putting it back",
        "crates/vrrp/src/engine/repair.rs",
    ),
    ("waiting for", "crates/vrrp/src/cause.rs"),
    (
        "Unsafe permissions found for script",
        "crates/conf/src/lower/command.rs",
    ),
];

#[test]
fn what_the_guide_tells_to_look_for_is_what_is_logged() {
    let page = fs::read_to_string(root().join("docs/guide/troubleshooting.md")).unwrap();
    for (words, source) in QUOTED {
        assert!(page.contains(&format!("`{words}")), "the page says nothing of {words}");
        let source = fs::read_to_string(root().join(source)).unwrap();
        assert!(source.contains(words), "nobody says {words}");
    }
}

#[test]
fn the_configurations_of_the_guide_are_accepted_without_a_word() {
    let mut shown = 0;
    for page in pages() {
        for block in blocks(&fs::read_to_string(&page).unwrap()) {
            if block.kind == "conf" {
                let (accepted, said) = judge(&block.text, &["eth0", "eth1"]);
                assert!(accepted && said.is_empty(), "{}: {said}", page.display());
                let (accepted, _) = judge(&block.text.replace("delay_loop", "delay_lop"), &["eth0", "eth1"]);
                assert!(!accepted, "{}: a mistake is not seen", page.display());
                shown += 1;
            }
        }
    }
    assert!(shown > 2, "{shown}");
}

#[test]
fn the_configuration_of_the_notebook_is_accepted_without_a_word() {
    let Some(notebook) = notebook() else {
        return;
    };
    let configuration: String = blocks(&notebook)
        .into_iter()
        .map(|block| block.text)
        .filter(|text| text.starts_with("global_defs") || text.contains("\nvrrp_instance"))
        .collect();
    assert!(
        configuration.contains("vrrp_instance"),
        "the notebook has no configuration"
    );
    let (accepted, said) = judge(&configuration, &["ens33", "eth0", "eth1"]);
    assert!(accepted && said.is_empty(), "{said}");
}

/// What `keepalived -t` said on the author's terminal, ours says too, for a file with the same lines; but not that an interval
/// of 0 is a mistake (docs/divergences.md, "garp-interval-zero").
#[test]
fn the_mistakes_in_the_notebook_are_told_in_the_same_words() {
    let Some(notebook) = notebook() else {
        return;
    };
    let terminal = blocks(&notebook)
        .into_iter()
        .find(|block| block.text.contains("outside range"));
    let terminal = terminal.unwrap_or_else(|| panic!("the notebook shows no mistake")).text;
    let complaints: Vec<&str> = terminal
        .lines()
        .filter(|line| line.starts_with('(') || line.starts_with("Non-existent"))
        .collect();
    // The lines they are about.
    let mut lines = vec![String::new(); 40];
    let mut put = |number: usize, text: &str| {
        if let Some(line) = lines.get_mut(number) {
            text.clone_into(line);
        }
    };
    put(1, "global_defs {");
    let (mut last, mut interface) = (1, None);
    for complaint in &complaints {
        let words = complaint
            .split_once("Line ")
            .and_then(|(_, rest)| rest.split_once(") "));
        let Some((number, words)) = words else {
            continue;
        };
        let number: usize = number.parse().unwrap();
        if let Some((keyword, _)) = words.split_once(" '0' is invalid") {
            put(number, &format!("{keyword} 0"));
            last = last.max(number);
        } else if words.contains("doesn't exist") {
            interface = Some(number);
        }
    }
    let interface = interface.unwrap();
    put(last + 1, "}");
    put(interface - 1, "vrrp_instance VI_1 {");
    put(interface, "interface eth0");
    put(interface + 1, "virtual_router_id 51");
    put(interface + 2, "virtual_ipaddress { 192.0.2.1/24 dev eth9 }");
    put(interface + 2, "}");
    let text: String = lines.iter().skip(1).flat_map(|line| [line, "\n"]).collect();
    let (accepted, said) = judge(&text, &[]);
    assert!(!accepted);
    let plain = |line: &str| line.split_once(": Line ").map_or(line, |(_, rest)| rest).to_owned();
    let ours: Vec<String> = said.lines().map(plain).collect();
    let theirs = complaints.iter().filter(|line| !line.contains("'0'"));
    let theirs: Vec<String> = theirs.map(|line| plain(line.trim_end())).collect();
    assert_eq!(ours, theirs);
}

/// What `-t` says of a text on a host with these interfaces, and whether it accepts it.
fn judge(text: &str, interfaces: &[&str]) -> (bool, String) {
    let ports = interfaces.iter().zip(2..).map(|(interface, number)| PortPlan {
        segment: (*interface).into(),
        interface: (*interface).into(),
        addresses: vec![format!("192.168.{number}.2/24")],
    });
    let host = HostPlan {
        name: "a".into(),
        ports: ports.collect(),
    };
    let network = Network::build(&[host]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keepalived.conf");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(Binary::ours().unwrap().path);
    command.arg("-t").arg("-f").arg(file);
    let host = network.host("a").unwrap().clone();
    let output = host.inside(move || command.output()).unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn notebook() -> Option<String> {
    let path = std::env::var_os("NOTEBOOK").map_or_else(|| root().join(NOTEBOOK), PathBuf::from);
    let text = fs::read_to_string(&path);
    if text.is_err() {
        eprintln!("skipped: no notebook at {}", path.display());
    }
    text.ok()
}

/// The fenced blocks of a page, each with what it calls itself.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(kind), None) => {
                open = Some(Block {
                    kind: kind.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

fn pages() -> Vec<PathBuf> {
    let folders = ["docs/guide", "docs/recipes"].map(|folder| root().join(folder));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
