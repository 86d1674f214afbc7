//! Mistakes of the original that users reported, as configurations; and the ledger of all of them (`docs/regressions.md`).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use conf::{Compiled, Facts, MapLoader, compile, exit_code, load};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vrrp::config::Name;

fn read(text: &str) -> Compiled {
    read_named("/c/k.conf", text)
}

fn read_named(name: &str, text: &str) -> Compiled {
    let facts = Facts {
        directory: "/c".into(),
        checking: true,
        ..Facts::default()
    };
    let bundle = load(name, facts, &MapLoader::default().with(name, text));
    let compiled = compile(&bundle);
    for diagnostic in &compiled.diagnostics {
        let _ = diagnostic.render(&bundle, true);
    }
    compiled
}

fn says(compiled: &Compiled) -> String {
    let lines: Vec<String> = compiled.diagnostics.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

const INSTANCE: &str =
    "vrrp_instance V {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n  192.0.2.10\n }\n}\n";

/// The original looked for a brace behind the end of a name whose last character was a backslash.
#[test]
fn ka2440_a_backslash_may_be_the_last_character_of_anything() {
    read_named("/c/k.conf\\", INSTANCE);
    for text in [
        "\\",
        "include \\",
        "include k{\\",
        "vrrp_instance \\",
        "vrrp_instance V {\n interface eth0\\",
        "$A=\\",
        "@\\",
        "~SEQ(a, 1, 2\\",
        "vrrp_script s {\n script \"\\",
    ] {
        read(text);
        let compiled = read(&format!("{INSTANCE}{text}"));
        assert!(compiled.model.vrrp.instances.contains_key(&Name::from("V")), "{text:?}");
    }
}

/// The original read in front of the name when it was empty: integer underflow.
#[test]
fn ka2447_an_empty_ipset_name_is_one_word_like_any_other() {
    for words in ["\"\"", "a \"\"", "a b \"\"", "\"\" \"\" \"\" \"\""] {
        let compiled = read(&format!("global_defs {{\n vrrp_ipsets {words}\n}}\n{INSTANCE}"));
        assert!(compiled.model.vrrp.instances.contains_key(&Name::from("V")), "{words}");
    }
}

/// CVE-2024-41184 is the same; no other keyword may trust the length of its words either.
#[test]
fn cve_2024_41184_an_empty_word_is_no_reason_to_crash_for_any_keyword() {
    let mut tried = 0;
    for (path, keyword) in conf::keywords::all() {
        let blocks: Vec<&str> = path.split('/').filter(|block| *block != "(root)").collect();
        let open: String = blocks.iter().map(|block| format!("{block} 10.0.0.1 80 {{\n")).collect();
        let close = "}\n".repeat(blocks.len());
        for words in ["\"\"", "\"\" \"\"", "a \"\"", "\"\" {\n\"\"\n}", "{\n\"\" \"\"\n}"] {
            read(&format!("{open}{} {words}\n{close}", keyword.name));
            tried += 1;
        }
    }
    assert!(tried > 2500, "{tried}");
}

/// The original read behind the end of the text when the name of a definition ended there.
#[test]
fn ka2632_a_definition_may_be_named_at_the_very_end() {
    for text in [
        "$",
        "${",
        "${A",
        "$A",
        "$A=1\n${A",
        "$A=1\n$A",
        "${_",
        "${_PWD",
        "$A=${",
        "${}",
        "$=1",
        "x${A}y$",
    ] {
        read(text);
        read(&format!("{INSTANCE}{text}"));
        read(&format!("vrrp_instance V {{\n interface {text}"));
    }
}

/// The original went on reading a definition that had been given another value meanwhile: use after free.
#[test]
fn ka2634_a_definition_may_be_given_another_value_while_it_is_read() {
    let text = "$A= \\\n router_id one \\\n $A=router_id two \\\n router_id three\nglobal_defs {\n $A\n $A\n}\n";
    read(text);
    read("$A=$B\n$B=$A\n$A\n");
    read("$A=~SEQ(x, 1, 3) $A=$x\n$A\n$A\n");
    let compiled = read("$A=router_id one\nglobal_defs {\n $A\n $A=router_id two\n $A\n}\n");
    assert_eq!(compiled.model.global.router_id.as_deref(), Some("two"));
}

/// The original looked for a parenthesis that was not there, and used what it had not found.
#[test]
fn ka2637_a_sequence_without_its_parenthesis_is_said() {
    for text in [
        "~SEQ(fred, 1, 3, 2 bert",
        "~SEQ(fred, 1, 3, 2",
        "~SEQ(fred",
        "~SEQ(",
        "~SEQ",
        "~SEQ()",
        "~SEQ(,,,)",
        "~SEQ(a, 1, 3, 0) x$a",
        "~SEQ(a, 9223372036854775807, -9223372036854775808, -1) x$a",
        "~LST(a",
        "~LST({a,b}, {1,2",
        "~LST()",
    ] {
        assert!(!read(&format!("{text}\n")).diagnostics.is_empty(), "{text}");
        let compiled = read(&format!("{text}\n{INSTANCE}"));
        assert!(!compiled.diagnostics.is_empty(), "{text}");
    }
}

/// The original said so, started all the same, and its process died again and again.
#[test]
fn ka2104_a_forgotten_last_brace_is_said_and_what_was_understood_is_there() {
    let compiled = read(INSTANCE.trim_end().strip_suffix('}').unwrap());
    assert!(
        says(&compiled).contains("There are 1 missing '}'s or extra '{'s"),
        "{}",
        says(&compiled)
    );
    assert_eq!(exit_code(&compiled.diagnostics), 5);
    let instance = &compiled.model.vrrp.instances[&Name::from("V")];
    assert_eq!(instance.addresses.len(), 1);
}

/// As in ka#2104: a brace that is missing at the beginning, behind an address that is none.
#[test]
fn ka2067_a_virtual_server_without_its_brace_is_said() {
    let compiled =
        read("virtual_server 192.168.1.300 22\n delay_loop 3\n real_server 192.168.1.100 22 {\n  weight 1\n }\n}\n");
    assert!(!compiled.diagnostics.is_empty());
}

/// The original looked at the sorry server of a virtual server that had none.
#[test]
fn ka751_a_virtual_server_may_have_nothing_but_what_it_is_called_by() {
    for target in ["10.0.0.1 80", "fwmark 7", "group G", "fd00::1 80"] {
        for inner in [
            "",
            " sorry_server fd00::9 80\n",
            " lb_kind TUN\n sorry_server fd00::9 80\n",
            " real_server 10.0.0.2 80 {\n }\n",
        ] {
            read(&format!("virtual_server {target} {{\n protocol TCP\n{inner}}}\n"));
            read(&format!(
                "virtual_server {target} {{\n{inner}}}\nvirtual_server_group G {{\n}}\n"
            ));
        }
    }
}

/// The original was given a file that was just being written, and its process died again and again.
#[test]
fn ka1773_any_part_of_a_file_is_read_to_its_end() {
    let whole = format!(
        "global_defs {{\n router_id a\n}}\n{INSTANCE}virtual_server 193.0.2.1 443 {{\n protocol TCP\n real_server 10.0.0.2 443 {{\n  SSL_GET {{\n   url {{\n    path /\n    status_code 200\n   }}\n   connect_timeout 3\n  }}\n }}\n}}\n"
    );
    for at in 0..whole.len() {
        read(&whole[..at]);
        read(&whole[at..]);
    }
}

/// The original took a virtual server of IPv6 addresses for one of IPv4.
#[test]
fn ka876_a_virtual_server_has_the_family_of_its_address() {
    let compiled = read("virtual_server fd00::1 80 {\n protocol TCP\n real_server fd00::2 80 {\n }\n}\n");
    let servers = &compiled.model.servers.services;
    assert_eq!(servers.len(), 1, "{}", says(&compiled));
    let service = &servers.values().next().unwrap().service;
    assert_eq!(service.key.to_string(), "[fd00::1]:tcp:80", "{}", service.key);
}

/// The original read an IPv6 default route as one of IPv4 when nothing else said which.
#[test]
fn ka2265_the_family_of_a_route_is_that_of_any_address_in_it() {
    let text = "vrrp_instance V {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n  fe80::1\n  2001:db8::1\n }\n virtual_routes {\n  default via 2001:db8::9 dev eth0\n }\n}\n";
    let compiled = read(text);
    let routes = &compiled.model.vrrp.instances[&Name::from("V")].routes;
    assert_eq!(routes.len(), 1, "{}", says(&compiled));
    assert_eq!(routes[0].destination.family(), base::Family::V6);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names of all functions in the sources.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text.lines() {
                let name = line
                    .trim_start()
                    .strip_prefix("fn ")
                    .or(line.trim_start().strip_prefix("async fn "));
                found.extend(
                    name.and_then(|name| name.split_once('('))
                        .map(|(name, _)| name.to_owned()),
                );
            }
        }
    }
}

#[test]
fn every_test_that_the_ledger_of_regressions_names_is_there() {
    let mut functions_there = BTreeSet::new();
    functions(&root().join("crates"), &mut functions_there);
    let ledger = std::fs::read_to_string(root().join("docs/regressions.md")).unwrap();
    let named: BTreeSet<&str> = ledger
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains('_') && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .collect();
    assert!(named.len() > 100, "{}", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !functions_there.contains(**name)).collect();
    assert!(
        missing.is_empty(),
        "docs/regressions.md names tests that are not there: {missing:?}"
    );
}
