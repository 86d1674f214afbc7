//! The keyword tables beside the specification, and what is made from the tables beside what is committed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pairs of the specification that the tables must hold: all of them.
const PAIRS: usize = 531;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn keepalivedctl(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_keepalivedctl"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Rows by block and keyword; the rest of the columns as they are.
fn rows(text: &str) -> BTreeMap<(String, String), Vec<String>> {
    let split = |line: &str| -> Vec<String> { line.split('\t').map(str::to_owned).collect() };
    text.lines()
        .skip(1)
        .map(split)
        .map(|columns| ((columns[0].clone(), columns[1].clone()), columns[2..].to_vec()))
        .collect()
}

/// The specification without the lines of value lists and of the language around the keywords; `None` if it is not here.
fn specification() -> Option<BTreeMap<(String, String), Vec<String>>> {
    let path = root().join("../shared/spec/keywords.tsv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("no specification at {}: nothing compared", path.display());
        return None;
    };
    let mut wanted = rows(&text);
    wanted.retain(|(block, _), _| block != "(lexical)" && !block.ends_with("(entry)"));
    Some(wanted)
}

#[test]
fn the_output_is_a_table_with_a_header_and_each_pair_once() {
    let text = keepalivedctl(&["keywords"]);
    assert_eq!(text.lines().next(), Some("block\tkeyword\targuments\trange\tdefault"));
    assert!(text.lines().all(|line| line.split('\t').count() == 5), "{text}");
    assert_eq!(rows(&text).len(), text.lines().count() - 1);
}

#[test]
fn every_keyword_of_the_specification_is_in_the_tables() {
    let Some(wanted) = specification() else { return };
    let got = rows(&keepalivedctl(&["keywords"]));
    let missing: Vec<_> = wanted.keys().filter(|pair| !got.contains_key(*pair)).collect();
    let unknown: Vec<_> = got.keys().filter(|pair| !wanted.contains_key(*pair)).collect();
    println!("{} of {} pairs", wanted.len() - missing.len(), wanted.len());
    assert!(missing.is_empty(), "missing: {missing:?}");
    assert!(unknown.is_empty(), "not in the specification: {unknown:?}");
    assert_eq!(wanted.len(), PAIRS);
}

#[test]
fn ranges_and_defaults_are_those_of_the_specification() {
    let Some(wanted) = specification() else { return };
    let got = rows(&keepalivedctl(&["keywords"]));
    let mut wrong = Vec::new();
    for (pair, columns) in &wanted {
        let Some(ours) = got.get(pair) else { continue };
        // The specification sends the reader to other parts of itself.
        for (ours, theirs) in ours
            .iter()
            .zip(columns)
            .filter(|(_, theirs)| !theirs.contains("config-language.md"))
        {
            if ours != theirs && !tells_each_check(ours, theirs, &pair.0) {
                wrong.push(format!("{}/{}: `{ours}`, specified `{theirs}`", pair.0, pair.1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a row that several checks share says of this one what the specification says: `A (B in CHECK, C in OTHER)`.
fn tells_each_check(ours: &str, theirs: &str, block: &str) -> bool {
    let Some((usual, others)) = ours.strip_suffix(')').and_then(|text| text.split_once(" (")) else {
        return false;
    };
    let check = block.rsplit('/').next().unwrap();
    match others.split(", ").find(|other| other.contains(check)) {
        Some(other) => theirs.ends_with(other.split(" in ").next().unwrap()),
        None => usual == theirs,
    }
}

#[test]
fn old_spellings_name_their_successors() {
    let path = root().join("../shared/spec/keywords.tsv");
    let Ok(text) = std::fs::read_to_string(path) else {
        return;
    };
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (block, keyword, successor) = (columns[0], columns[1], columns[7]);
        if successor.is_empty() || block.ends_with("(entry)") {
            continue;
        }
        let row = conf::keywords::all()
            .into_iter()
            .find(|(b, row)| (*b, row.name) == (block, keyword));
        assert_eq!(
            row.and_then(|(_, row)| row.successor()),
            Some(successor),
            "{block}/{keyword}"
        );
    }
}

#[test]
fn the_committed_reference_is_what_the_tables_make() {
    for (format, file) in [
        ("markdown", "docs/reference/keepalived.conf.md"),
        ("man", "man/keepalived.conf.5"),
    ] {
        let made = keepalivedctl(&["keywords", "--format", format]);
        let committed = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(
            made == committed,
            "{file} is not what the keyword tables say; run `make docs` and commit it"
        );
    }
}
