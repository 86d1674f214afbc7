//! What the built daemon says of configurations that others wrote, beside what the original says.
//!
//! The corpus lies outside the repository; without it the test says so and passes. The place of the verdicts is made:
//! a network namespace with the interfaces they were taken with. `corpus_differences.tsv` names every file where we
//! differ and the entries of docs/divergences.md that explain it. Each entry explains certain lines and no others: a
//! difference that none of them explains fails the test, and so does an entry that explains nothing.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use lab::daemon::Binary;
use lab::netns::Namespace;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "support/corpus.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod corpus;

/// Files that have the exit code and every line of the original and no other. It may rise, never fall.
const EQUAL: usize = 76;

/// Whether every other file must be in the ledger.
const COMPLETE: bool = true;

/// Programs that the machine of the verdicts did not have and others may have: why a script of theirs is not run is another
/// reason then.
const PROGRAMS: &[(&str, &str)] = &[("/bin/ping", "Disabling track script ping_client ")];

/// What `timeout` says of a check that did not end: each has this many seconds.
const SECONDS: &str = "10";
const TIMED_OUT: i32 = 124;

/// Which lines an entry explains: those that contain one of these. Ours and the original's alike.
const EXPLAINED: &[(&str, &[&str])] = &[
    (
        "garp-interval-zero",
        &[
            "vrrp_garp_interval",
            "vrrp_gna_interval",
            "number '0' outside range [0.000001",
        ],
    ),
    (
        "known-keywords",
        &["'enable_dbus'", "'dbus_service_name'", "'enable_snmp_rfc"],
    ),
    (
        "passwords-masked",
        &[
            "'********'",
            "'PASSWORD:-secret'",
            "Line 27) Unknown keyword '}'",
            "Duplicate SSL - overwriting",
        ],
    ),
    ("repeat-inside-a-garp-group", &["garp_group already specified for"]),
    (
        "comments-in-multi-line-definitions",
        &[
            "Unknown keyword '",
            "Unexpected '{'",
            "Extra '}' found",
            "There are ",
            "Unable to set default user for misc script",
            "(42)",
            "(62)",
        ],
    ),
];

/// A row of the index.
struct Case {
    file: String,
    code: i32,
    /// The original fails on it, or never judged it.
    unjudged: bool,
}

/// What a check said.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    code: i32,
    lines: BTreeSet<String>,
}

#[test]
fn the_daemon_says_of_every_file_of_the_corpus_what_the_original_says() {
    let Some(corpus) = corpus::find() else {
        println!("no corpus beside the repository: nothing compared");
        return;
    };
    let index = fs::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let ledger = ledger();
    let place = corpus::place(&corpus);
    let binary = Binary::ours().unwrap();
    let (mut total, mut equal, mut explained) = (0, 0, 0);
    let mut wrong = Vec::new();
    let mut unused: BTreeSet<&String> = ledger.keys().collect();
    for case in index.lines().skip(1).filter_map(case) {
        let got = check(&place, &binary.path, &corpus, &case.file);
        // It ends, and with a code of its own, whatever the original does.
        if !(0..=6).contains(&got.code) {
            wrong.push(format!("{}: ended with {}", case.file, got.code));
        }
        if case.unjudged {
            continue;
        }
        total += 1;
        let expected = Verdict {
            code: case.code,
            lines: expected(&corpus, &case.file),
        };
        equal += usize::from(got == expected);
        if got == expected {
            continue;
        }
        unused.remove(&case.file);
        let reasons = ledger.get(&case.file).map_or(&[][..], Vec::as_slice);
        match unexplained(&got, &expected, reasons) {
            Ok(()) => explained += 1,
            Err(text) => wrong.push(format!("== {}: {text}", case.file)),
        }
    }
    for file in unused {
        wrong.push(format!("{file}: is in corpus_differences.tsv and does not differ"));
    }
    println!(
        "{total} files: {equal} as the original in exit code and every line, {explained} but for what the ledger has"
    );
    println!("{}", wrong.join("\n"));
    assert!(wrong.is_empty() || !COMPLETE, "{}", wrong.join("\n"));
    assert!(equal >= EQUAL, "{equal} of {total}, were {EQUAL}");
}

fn case(row: &str) -> Option<Case> {
    let columns: Vec<&str> = row.split('\t').collect();
    let (file, code, class) = (columns.first()?, columns.get(5)?, columns.get(6)?);
    Some(Case {
        file: (*file).to_owned(),
        code: code.parse().ok()?,
        // A part is read through the file that includes it.
        unjudged: matches!(*class, "hang" | "crash" | "namespace" | "part"),
    })
}

/// The differences that no reason explains.
fn unexplained(got: &Verdict, expected: &Verdict, reasons: &[String]) -> Result<(), String> {
    let patterns = |reason: &String| {
        let entry = EXPLAINED.iter().find(|(name, _)| name == reason);
        entry.map(|(_, patterns)| *patterns).unwrap_or_default()
    };
    let explains = |reason: &String, line: &String| patterns(reason).iter().any(|pattern| line.contains(pattern));
    let missing = expected.lines.difference(&got.lines).map(|line| ("-", line));
    let extra = got.lines.difference(&expected.lines).map(|line| ("+", line));
    let all: Vec<(&str, &String)> = missing.chain(extra).collect();
    let mut text = String::new();
    if let Some(idle) = reasons
        .iter()
        .find(|reason| !all.iter().any(|(_, line)| explains(reason, line)))
    {
        let _ = write!(text, "{idle} explains nothing; ");
    }
    if reasons.is_empty() && got.code != expected.code || !all.is_empty() && reasons.is_empty() {
        let _ = write!(text, "exit code {} (original {})", got.code, expected.code);
    }
    for (sign, line) in all {
        if !reasons.iter().any(|reason| explains(reason, line)) {
            let _ = write!(text, "\n  {sign} {line}");
        }
    }
    if text.is_empty() { Ok(()) } else { Err(text) }
}

fn check(place: &Namespace, program: &Path, corpus: &Path, file: &str) -> Verdict {
    let path = corpus.join("configs").join(file);
    let (folder, name) = (path.parent().unwrap(), path.file_name().unwrap());
    let output = place
        .inside(|| {
            Command::new("timeout")
                .arg(SECONDS)
                .arg(program)
                .args(["-t", "-f"])
                .arg(name)
                .current_dir(folder)
                .stdin(Stdio::null())
                .output()
        })
        .unwrap()
        .unwrap();
    let code = output.status.code();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let configs = corpus.join("configs").display().to_string();
    Verdict {
        code: code.unwrap_or_else(|| output.status.signal().map_or(TIMED_OUT, |signal| 128 + signal)),
        lines: text
            .lines()
            // A keyword without behaviour says so; that is no verdict on the file.
            .filter(|line| !line.contains(" not implemented"))
            .map(|line| without_reason(&line.replace(&configs, "@CONFIGS@")))
            .collect(),
    }
}

/// What the original printed. A line that one of its processes repeats with the file's name is that of its parent.
fn expected(corpus: &Path, file: &str) -> BTreeSet<String> {
    let name = format!("{}.out", file.replace('/', "__"));
    let bytes = fs::read(corpus.join("expected/2.4.3").join(name)).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let all: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let repeats = |line: &str| -> bool {
        let Some((head, rest)) = line.split_once(": Line ") else {
            return false;
        };
        head.starts_with('(') && all.contains(&format!("(Line {rest}"))
    };
    let kept = all.iter().filter(|line| !repeats(line));
    kept.map(|line| without_reason(line)).collect()
}

/// A line without the reason that depends on what is installed here.
fn without_reason(line: &str) -> String {
    let found = PROGRAMS
        .iter()
        .find(|(program, text)| Path::new(program).exists() && line.starts_with(text));
    found.map_or(line, |(_, text)| text).to_owned()
}

/// The files where we differ, each with its reasons, which the document must have.
fn ledger() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path: PathBuf = root.join("crates/lab/tests/corpus_differences.tsv");
    let document = fs::read_to_string(root.join("docs/divergences.md")).unwrap();
    let entries: BTreeSet<&str> = document.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut ledger = BTreeMap::new();
    for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
        let (file, reasons) = line.split_once('\t').unwrap();
        let reasons: Vec<String> = reasons.split(',').map(|reason| reason.trim().to_owned()).collect();
        for reason in &reasons {
            assert!(
                entries.contains(reason.as_str()),
                "{file}: no entry {reason} in docs/divergences.md"
            );
        }
        assert!(
            ledger.insert(file.to_owned(), reasons).is_none(),
            "{file} is there twice"
        );
    }
    ledger
}
