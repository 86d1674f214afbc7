//! `auth_hmac`: what keys may look like, where they may come from, and that none is ever shown.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use base::Rng;
use conf::{Bundle, Class, Compiled, Diagnostic, Facts, LoadError, Loader, MapLoader, SecretFile, compile, load};
use std::path::{Path, PathBuf};
use vrrp::config::{AntiReplay, Config, HmacMode};

const TEXT: &str = "geheimgeheimgeheimgeheimgeheimge";
const HEX: &str = "hex:a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4";

/// Files, one of which is a key.
#[derive(Clone)]
struct Files {
    files: MapLoader,
    key: Result<SecretFile, LoadError>,
}

impl Loader for Files {
    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        self.files.read(path)
    }
    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, LoadError> {
        self.files.glob(pattern)
    }
    fn read_secret(&self, path: &Path) -> Result<SecretFile, LoadError> {
        assert_eq!(path, Path::new("/etc/keepalived/vrrp.key"));
        self.key.clone()
    }
}

fn key_file(bytes: &str, open_to_others: bool) -> Result<SecretFile, LoadError> {
    Ok(SecretFile {
        bytes: bytes.into(),
        open_to_others,
    })
}

fn read_with(text: &str, key: Result<SecretFile, LoadError>) -> (Bundle, Compiled) {
    let files = MapLoader::default().with("/etc/keepalived/keepalived.conf", text);
    let facts = Facts {
        directory: "/etc/keepalived".into(),
        ..Facts::default()
    };
    let bundle = load("keepalived.conf", facts, &Files { files, key });
    let compiled = compile(&bundle);
    (bundle, compiled)
}

fn instance(hmac: &str) -> String {
    format!(
        "vrrp_instance V {{\n interface eth0\n virtual_router_id 1\n version 3\n virtual_ipaddress {{ 192.0.2.1 }}\n auth_hmac {{\n{hmac}\n }}\n}}\n"
    )
}

fn read(hmac: &str) -> (Option<Config>, Vec<Diagnostic>) {
    read_file(hmac, Err(LoadError::Missing))
}

fn read_file(hmac: &str, key: Result<SecretFile, LoadError>) -> (Option<Config>, Vec<Diagnostic>) {
    let (_, compiled) = read_with(&instance(hmac), key);
    let config = compiled.model.vrrp.instances.into_values().next();
    (config.map(|config| (*config).clone()), compiled.diagnostics)
}

fn texts(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(|d| d.message.clone()).collect()
}

#[test]
fn keys_are_text_or_hexadecimal_digits_or_in_a_file() {
    let same = |value: &str, key: Result<SecretFile, LoadError>| {
        let (config, said) = read_file(&format!("key 1 {value}\nactive_key 1"), key);
        assert_eq!(texts(&said), Vec::<String>::new(), "{value}");
        config.unwrap().hmac.unwrap()
    };
    let none = || Err(LoadError::Missing);
    let text = same(TEXT, none());
    let hex: String = TEXT.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(same(&format!("hex:{hex}"), none()), text);
    assert_eq!(same(&format!("\"{TEXT}\""), none()), text);
    for content in [format!("{TEXT}\n"), TEXT.to_owned(), format!("hex:{hex}\n")] {
        assert_eq!(same("file:vrrp.key", key_file(&content, false)), text, "{content}");
        assert_eq!(same("file:/etc/keepalived/vrrp.key", key_file(&content, false)), text);
    }
    assert_eq!(
        (text.mode, text.anti_replay, text.window),
        (HmacMode::Enforce, AntiReplay::Time, 5)
    );
}

#[test]
fn everything_that_can_be_said_is_understood() {
    let (config, said) = read(&format!(
        "key 1 {TEXT}\nkey 255 {HEX}\nactive_key 255\ntime_window 30\nanti_replay monotonic\nmode receive-only"
    ));
    assert_eq!(texts(&said), Vec::<String>::new());
    let hmac = config.unwrap().hmac.unwrap();
    assert_eq!(hmac.key_ids().map(u8::from).collect::<Vec<_>>(), [1, 255]);
    assert_eq!(u8::from(hmac.active), 255);
    assert_eq!(
        (hmac.mode, hmac.anti_replay, hmac.window),
        (HmacMode::ReceiveOnly, AntiReplay::Monotonic, 30)
    );
}

#[test]
fn what_is_wrong_is_said_without_the_key() {
    let off = "(V) auth_hmac has no valid key - auth_hmac is not used";
    let cases = [
        (
            format!("key 0 {TEXT}"),
            "(V) auth_hmac key id not valid - must be between 1 & 255",
        ),
        (
            format!("key 256 {TEXT}"),
            "(V) auth_hmac key id not valid - must be between 1 & 255",
        ),
        (
            format!("key {TEXT} 1"),
            "(V) auth_hmac key id not valid - must be between 1 & 255",
        ),
        (
            "key 1 geheim".to_owned(),
            "(V) auth_hmac key 1 has 6 bytes - must be between 32 & 64",
        ),
        (
            format!("key 1 {HEX}x"),
            "(V) auth_hmac key 1 has invalid hexadecimal digits",
        ),
        (
            "key 1 file:vrrp.key".to_owned(),
            "(V) auth_hmac key 1: file '/etc/keepalived/vrrp.key' open problem (No such file or directory)",
        ),
    ];
    for (line, words) in cases {
        let (config, said) = read(&format!("{line}\nactive_key 1"));
        assert_eq!(texts(&said), [words, off], "{line}");
        assert_eq!(config.unwrap().hmac, None, "{line}");
    }
    let (_, said) = read(&format!(
        "key 1 {TEXT}\nactive_key 300\nmode sometimes\nanti_replay never\ntime_window 301"
    ));
    assert_eq!(
        texts(&said),
        [
            "(V) active_key '300' not valid - must be between 1 & 255",
            "(V) unknown auth_hmac mode 'sometimes' - ignoring",
            "(V) unknown anti_replay 'never' - ignoring",
            "number '301' outside range [1, 300]",
            "(V) time_window '301' not valid - must be between 1 & 300",
            "(V) auth_hmac has no active_key - auth_hmac is not used",
        ]
    );
}

#[test]
fn a_key_file_that_others_may_read_is_a_matter_of_security_and_used() {
    let (config, said) = read_file("key 1 file:vrrp.key\nactive_key 1", key_file(TEXT, true));
    assert_eq!(
        texts(&said),
        ["(V) WARNING - auth_hmac key file '/etc/keepalived/vrrp.key' is accessible by group or others"]
    );
    assert_eq!(said[0].class, Class::Security);
    assert_eq!(conf::exit_code(&said), 6);
    assert!(config.unwrap().hmac.is_some());
}

#[test]
fn the_path_of_a_key_may_come_from_the_environment() {
    let text = instance("key 1 file:${_ENV CREDENTIALS_DIRECTORY}/vrrp.key\nactive_key 1");
    let files = MapLoader::default().with("/etc/keepalived/keepalived.conf", text);
    let facts = Facts {
        directory: "/etc/keepalived".into(),
        environment: [("CREDENTIALS_DIRECTORY".to_owned(), "/etc/keepalived".to_owned())].into(),
        ..Facts::default()
    };
    let key = key_file(TEXT, false);
    let compiled = compile(&load("keepalived.conf", facts, &Files { files, key }));
    assert_eq!(texts(&compiled.diagnostics), Vec::<String>::new());
    assert!(
        compiled
            .model
            .vrrp
            .instances
            .values()
            .all(|config| config.hmac.is_some())
    );
}

/// Everything that can be seen of a configuration.
fn everything_shown(bundle: &Bundle, compiled: &Compiled) -> String {
    let mut shown = format!("{bundle:?}\n{compiled:?}\n");
    for diagnostic in &compiled.diagnostics {
        shown += &format!("{diagnostic}\n{}\n", diagnostic.render(bundle, false));
    }
    shown + &conf::json::report(bundle, &compiled.diagnostics, &[], 0)
}

fn assert_hidden(text: &str, shown: &str) {
    // Any four characters of a key in a row.
    for secret in [TEXT, HEX.trim_start_matches("hex:")] {
        for at in 0..8 {
            let part = &secret[at..at + 6];
            assert!(!shown.contains(part), "{part} of a key is shown\n{text}\n{shown}");
        }
    }
}

#[test]
fn a_key_is_never_shown_however_broken_its_line_is() {
    let lines = [
        "key 1 KEY",
        "key KEY",
        "key KEY 1",
        "key 1 \"KEY",
        "key 1 KEY extra {",
        "key 1 {KEY}",
        "key 1 x}KEY",
        "key 1\nKEY",
        "kee 1 KEY",
        "key1 KEY",
        "active_key KEY",
        "mode KEY",
        "anti_replay KEY",
        "time_window KEY",
        "KEY",
        "key 1 $K\nactive_key 9",
        "key 1 ${K}x\nkey 1 $K",
        "} key 1 KEY",
        "{ key 1 KEY",
        "key 1 'KEY",
        "key 1 KEY\nkey 1 KEY",
        "!key 1 KEY\nkey 0 KEY",
    ];
    for line in lines {
        for key in [TEXT, HEX, &format!("{TEXT}x{TEXT}{TEXT}"), &format!("{HEX}g")] {
            let line = line.replace("KEY", key);
            for text in [
                format!("$K={key}\n{}", instance(&line)),
                format!("$K={key}\nvrrp_instance V {{\n auth_hmac {{\n{line}\n"),
                format!("$K={key}\nvrrp_instance V {{\n auth_hmac\n{line}\n}}\n}}\n"),
                format!("$K={key}\nvrrp_instance V {{\n auth_hmac {{ {line} }}\n bogus\n}}\n"),
            ] {
                let (bundle, compiled) = read_with(&text, key_file(key, true));
                assert_hidden(&text, &everything_shown(&bundle, &compiled));
            }
        }
    }
}

#[test]
fn a_key_is_never_shown_in_a_file_with_lines_lost_or_moved() {
    let text = format!(
        "$K={TEXT}\n{}{}",
        instance(&format!("key 1 {TEXT}\nkey 2 {HEX}\nkey 3 $K\nactive_key 2")),
        "bogus {\n}\n"
    );
    let lines: Vec<&str> = text.lines().collect();
    for seed in 0..2_000 {
        let mut rng = Rng::from_seed(seed);
        let mut broken = lines.clone();
        for _ in 0..=rng.below(3) {
            // Lines with keys stay behind the line that opens their block.
            let at = usize::try_from(rng.below(broken.len() as u64)).unwrap();
            if !broken[at].contains("auth_hmac") {
                broken.remove(at);
            }
        }
        let broken = broken.join("\n");
        let (bundle, compiled) = read_with(&broken, key_file(TEXT, true));
        assert_hidden(&broken, &everything_shown(&bundle, &compiled));
    }
}
