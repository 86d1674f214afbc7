//! Golden diagnostics: each `diagnostics/<case>.conf` beside `<case>.txt`, plain lines and pictures.
//!
//! `BLESS=1 cargo test -p conf --test diagnostics` writes the files anew; read the difference before committing it.

use conf::{Facts, InterfaceFact, MapLoader, compile, exit_code, fatal, load};
use std::fs;
use std::path::Path;

#[test]
fn every_case_gives_its_golden_messages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut cases: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "conf"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 12, "only {} cases in {}", cases.len(), folder.display());
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases {
        let got = report(&fs::read(&case).unwrap());
        let golden = case.with_extension("txt");
        if bless {
            fs::write(&golden, &got).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != got {
            wrong.push(format!("{}:\n{got}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn report(bytes: &[u8]) -> String {
    let loader = MapLoader::default()
        .with("/etc/keepalived/keepalived.conf", bytes)
        .with("/etc/keepalived/conf.d/a.conf", "vrrp_instance A {\n  bogus 1\n}\n")
        .with(
            "/etc/keepalived/conf.d/b.conf",
            "vrrp_instance B {\n  interface $IF\n}\n",
        );
    let interfaces = ["lo", "eth0", "eth1"].map(|name| InterfaceFact {
        name: name.to_owned(),
        mtu: 1500,
        multicast: name != "lo",
    });
    let facts = Facts {
        config_id: "node-a".to_owned(),
        directory: "/etc/keepalived".into(),
        interfaces: Some(interfaces.to_vec()),
        checking: true,
        processors: Some(2),
        ..Facts::default()
    };
    let bundle = load("keepalived.conf", facts, &loader);
    let compiled = compile(&bundle);
    let mut text = String::new();
    for d in &compiled.diagnostics {
        text.push_str(&format!("{}\n\n", d.render(&bundle, false)));
    }
    let (code, stop) = (exit_code(&compiled.diagnostics), fatal(&compiled.diagnostics));
    let start = stop.map_or("goes on".to_owned(), |code| format!("exits {code}"));
    text + &format!("-t exits {code}; a start {start}\n")
}
