//! Every code of a diagnostic stands in the reference.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[test]
fn every_code_in_the_sources_and_in_the_golden_files_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = root.join("docs/reference/diagnostics.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let documented: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(code, _)| code)
        .collect();
    let mut codes = BTreeSet::new();
    for file in sources(&root.join("crates/conf/src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        codes.extend(codes_of(text.split("#[cfg(test)]").next().unwrap_or_default()));
    }
    assert!(codes.len() > 100, "only {} codes found", codes.len());
    let missing: Vec<_> = codes
        .iter()
        .filter(|code| !documented.contains(code.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "add to the table in {}: {missing:?}",
        page.display()
    );
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all
}

/// The words that stand where a code stands: behind a class, or as the code of an error.
fn codes_of(text: &str) -> BTreeSet<String> {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut codes = BTreeSet::new();
    for (sign, arguments) in [
        ("Class::", 1),
        ("error( line,", 1),
        ("error(line,", 1),
        ("wrong( line,", 0),
        ("wrong(line,", 0),
        ("code: ", 0),
    ] {
        for (at, _) in text.match_indices(sign) {
            let rest = &text[at + sign.len()..];
            let candidate = rest
                .splitn(arguments + 2, ',')
                .nth(arguments)
                .unwrap_or_default()
                .trim();
            let word = candidate.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
            codes.extend(word.filter(|word| is_code(word)).map(str::to_owned));
        }
    }
    codes
}

fn is_code(word: &str) -> bool {
    !word.is_empty()
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[test]
fn codes_are_found_where_they_stand() {
    let text = r#"low.error(line, 1, "a-b", text); low.say(line, 0, Class::Warning, "c", text);
        low.wrong(
            line,
            "d-e",
            format!("x"),
        ); Said { code: "f", class }"#;
    assert_eq!(codes_of(text), ["a-b", "c", "d-e", "f"].map(str::to_owned).into());
}
