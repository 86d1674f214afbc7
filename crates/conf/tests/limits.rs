//! Every limit of the language has a message of its own, and what is below it is no concern.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use conf::{Facts, LoadError, Loader, MapLoader, compile, limits, load};
use std::path::{Path, PathBuf};

/// The codes of everything said about a main file, with others beside it.
fn codes(main: &str, others: &[(&str, String)]) -> Vec<&'static str> {
    let mut loader = MapLoader::default().with("/c/k.conf", main);
    for (name, text) in others {
        loader = loader.with(name, text.as_str());
    }
    said(&loader)
}

fn said(loader: &dyn Loader) -> Vec<&'static str> {
    let facts = Facts {
        directory: "/c".into(),
        checking: true,
        ..Facts::default()
    };
    let compiled = compile(&load("k.conf", facts, loader));
    compiled.diagnostics.iter().map(|d| d.code).collect()
}

#[test]
fn a_line_may_have_1023_bytes() {
    let line = |bytes: usize| {
        let name = "x".repeat(bytes - "router_id ".len());
        format!("global_defs {{\nrouter_id {name}\n}}\n")
    };
    assert_eq!(codes(&line(limits::LINE_BYTES), &[]), Vec::<&str>::new());
    assert_eq!(codes(&line(limits::LINE_BYTES + 1), &[]), ["line-too-long"]);
}

#[test]
fn a_line_may_have_1023_bytes_after_substitution_too() {
    let text = |times: usize| {
        let long = "x".repeat(100);
        format!("$L={long}\nglobal_defs {{\nrouter_id {}\n}}\n", "${L}".repeat(times))
    };
    assert_eq!(codes(&text(10), &[]), Vec::<&str>::new());
    assert_eq!(codes(&text(11), &[]), ["line-too-long-after-substitution"]);
}

#[test]
fn files_may_include_files_32_deep() {
    let chain = |depth: usize| -> Vec<(String, String)> {
        let next = |n: usize| format!("include {}.conf\n", n + 1);
        (1..=depth)
            .map(|n| (format!("/c/{n}.conf"), if n < depth { next(n) } else { String::new() }))
            .collect()
    };
    let said = |depth: usize| {
        let files = chain(depth);
        let others: Vec<(&str, String)> = files.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
        codes("include 1.conf\n", &others)
    };
    assert_eq!(said(limits::INCLUDE_DEPTH - 1), Vec::<&str>::new());
    assert_eq!(said(limits::INCLUDE_DEPTH + 1), ["too-many-includes"]);
    assert_eq!(codes("include k.conf\n", &[]), ["include-loop"]);
}

#[test]
fn so_many_files_may_be_included_in_all() {
    let text = "include 1.conf\n".repeat(limits::INCLUDED_FILES + 5);
    let codes = codes(&text, &[("/c/1.conf", String::new())]);
    assert!(
        !codes.is_empty() && codes.iter().all(|code| *code == "too-many-includes"),
        "{codes:?}"
    );
}

#[test]
fn a_definition_that_contains_itself_ends() {
    assert_eq!(codes("$A=$A\n$A\n", &[]).first(), Some(&"definition-loop"));
    assert_eq!(codes("$A=$B\n$B=$A\n$A\n", &[]).first(), Some(&"definition-loop"));
    // Of several lines: where it is used in itself, once, be it at the end or in the middle, or by way of another.
    for text in [
        "$A= \\\nglobal_defs { } \\\n$A\n$A\n",
        "$A= \\\n$A \\\nglobal_defs { }\n$A\n",
        "$A= \\\nglobal_defs { } \\\n$B\n$B= \\\nglobal_defs { } \\\n$A\n$A\n",
    ] {
        let codes = codes(text, &[]);
        let loops = codes.iter().filter(|code| **code == "definition-loop").count();
        assert_eq!(loops, 1, "{text}{codes:?}");
    }
}

#[test]
fn a_definition_may_give_itself_another_value() {
    let text = "$A= \\\nglobal_defs { } \\\n$A=global_defs { } \\\n$A\n$A\n";
    assert_eq!(codes(text, &[]), Vec::<&str>::new());
}

#[test]
fn repetitions_may_be_64_inside_each_other() {
    let text = |deep: usize| format!("{}global_defs {{ }}\n", "~SEQ(A,1) ".repeat(deep));
    assert_eq!(codes(&text(60), &[]), Vec::<&str>::new());
    assert!(codes(&text(70), &[]).contains(&"nested-expansions"));
}

#[test]
fn so_much_work_may_be_asked_for() {
    let codes = codes("~SEQ(A,1,100000) ~SEQ(B,1,100000) global_defs { }\n", &[]);
    assert!(codes.contains(&"expansion-limit"), "{}", codes.len());
    assert_eq!(codes.last(), Some(&"too-many-expansions"), "{}", codes.len());
}

#[test]
fn so_much_may_be_described() {
    let routes = limits::MODEL_BYTES / limits::Cost::Route as u32;
    let text = |count: u32| {
        format!("static_routes {{\n~SEQ(A,1,{count}) 10.0.0.0/8 via 192.0.2.1 dev eth0 table 100 metric $A\n}}\n")
    };
    assert!(!codes(&text(routes - 1), &[]).contains(&"model-limit"));
    let codes = codes(&text(routes + 100), &[]);
    assert_eq!(codes.iter().filter(|code| **code == "model-limit").count(), 1);
}

#[test]
fn so_many_diagnostics_are_kept_and_the_others_counted() {
    let text = "nonsense\n".repeat(limits::DIAGNOSTICS + 100);
    let codes = codes(&text, &[]);
    assert_eq!(codes.last(), Some(&"too-many-messages"));
    assert!(codes.contains(&"too-many-hints"));
    assert!(codes.len() <= limits::DIAGNOSTICS + 2, "{}", codes.len());
}

#[test]
fn so_many_mistakes_may_be_made() {
    let text = "nonsense\n".repeat(limits::DIAGNOSTICS + limits::UNKEPT + 100);
    assert!(codes(&text, &[]).contains(&"too-many-mistakes"));
    let text = "nonsense\n".repeat(limits::DIAGNOSTICS + limits::UNKEPT / 8);
    assert!(!codes(&text, &[]).contains(&"too-many-mistakes"));
}

#[test]
fn so_many_bytes_may_be_read() {
    /// A file that includes one of one byte too many.
    struct Huge;
    impl Loader for Huge {
        fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
            if path.ends_with("k.conf") {
                return Ok(b"includer 1.conf\n".to_vec());
            }
            if path.ends_with("1.conf") {
                return Ok(vec![b' '; limits::TOTAL_BYTES + 1]);
            }
            Err(LoadError::Missing)
        }
        fn read_secret(&self, _: &Path) -> Result<conf::SecretFile, LoadError> {
            Err(LoadError::Missing)
        }
        fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, LoadError> {
            Ok(vec![pattern.into()])
        }
    }
    let codes = said(&Huge);
    assert_eq!(codes, ["include-unreadable"]);
}
