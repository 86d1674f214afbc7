//! Verdicts on configurations that others wrote, beside those of upstream.
//!
//! The corpus lies outside the repository; without it the test says so and passes. The place of the verdicts (its
//! interfaces) is given as facts. Messages are compared as sets of lines: upstream says the same from several processes.

use conf::{Facts, InterfaceFact, compile, exit_code, load};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Files of the corpus whose exit code is upstream's. It may rise, never fall.
const EXIT_CODES: usize = 75;
/// Files whose messages are upstream's. It may rise, never fall.
const MESSAGES: usize = 56;

#[test]
fn the_verdicts_on_the_corpus_are_upstreams_as_often_as_before() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let Ok(index) = fs::read_to_string(corpus.join("INDEX.tsv")) else {
        println!("no corpus at {}: nothing compared", corpus.display());
        return;
    };
    let interfaces = interfaces(&corpus);
    let (mut total, mut codes, mut messages) = (0, 0, 0);
    for row in index.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (Some(file), Some(code), Some(class)) = (columns.first(), columns.get(5), columns.get(6)) else {
            continue;
        };
        let Ok(code) = code.parse::<u8>() else { continue };
        if matches!(*class, "hang" | "crash" | "part" | "namespace") {
            continue;
        }
        total += 1;
        let got = verdict(&corpus, file, &interfaces);
        let same_code = got.code == code;
        let expected = expected(&corpus, file);
        let missing: Vec<&String> = expected.difference(&got.lines).collect();
        let extra: Vec<&String> = got.lines.difference(&expected).collect();
        codes += usize::from(same_code);
        messages += usize::from(missing.is_empty() && extra.is_empty());
        if !same_code || !missing.is_empty() || !extra.is_empty() {
            println!("== {file}: exit code {} (upstream {code})", got.code);
            missing.iter().take(12).for_each(|line| println!("  - {line}"));
            extra.iter().take(12).for_each(|line| println!("  + {line}"));
        }
    }
    println!("{total} files: exit code as upstream {codes}, messages as upstream {messages}");
    assert!(codes >= EXIT_CODES, "exit codes: {codes} of {total}, were {EXIT_CODES}");
    assert!(messages >= MESSAGES, "messages: {messages} of {total}, were {MESSAGES}");
}

struct Verdict {
    code: u8,
    lines: BTreeSet<String>,
}

fn verdict(corpus: &Path, file: &str, interfaces: &[InterfaceFact]) -> Verdict {
    let path = corpus.join("configs").join(file);
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let facts = Facts {
        config_id: "vm".to_owned(),
        directory: path.parent().map(Path::to_owned).unwrap_or_default(),
        interfaces: Some(interfaces.to_vec()),
        checking: true,
        processors: Some(2),
        ..Facts::default()
    };
    let bundle = load(&name, facts, &conf::files::FsLoader);
    let compiled = compile(&bundle);
    let counted = compiled.diagnostics.iter();
    let counted = counted.filter(|d| d.code != "not-implemented-yet" && d.code != conf::DETAIL);
    let configs = corpus.join("configs");
    let lines = counted
        .map(|d| d.to_string().replace(&*configs.to_string_lossy(), "@CONFIGS@"))
        .collect();
    Verdict {
        code: exit_code(&compiled.diagnostics),
        lines,
    }
}

/// What upstream printed. A line that a child repeats with the file's name is that of the parent.
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
    all.iter().filter(|line| !repeats(line)).cloned().collect()
}

fn interfaces(corpus: &Path) -> Vec<InterfaceFact> {
    let text = fs::read_to_string(corpus.join("interfaces.tsv")).unwrap_or_default();
    let names = text.lines().skip(1).filter_map(|line| line.split('\t').next());
    names
        .chain(["lo"])
        .map(|name| InterfaceFact {
            name: name.to_owned(),
            mtu: 1500,
            multicast: name != "lo",
        })
        .collect()
}
