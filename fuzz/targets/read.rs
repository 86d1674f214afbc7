//! Any bytes through everything that reads a configuration. Also the body of the test that replays the seeds.

use conf::{Facts, InterfaceFact, MapLoader};

/// What separates the files of one input; the first is the main file, the others are called 1.conf, 2.conf and so on.
const NEXT_FILE: &[u8] = b"\n=====\n";

/// Reads, compiles, draws and judges. It must come back.
pub fn read(bytes: &[u8]) {
    let mut loader = MapLoader::default();
    let mut rest = Some(bytes);
    let mut number = 0;
    while let Some(all) = rest {
        let end = all.windows(NEXT_FILE.len()).position(|window| window == NEXT_FILE);
        let (file, after) = match end {
            Some(end) => (&all[..end], Some(&all[end + NEXT_FILE.len()..])),
            None => (all, None),
        };
        let name = if number == 0 {
            "/k.conf".to_owned()
        } else {
            format!("/{number}.conf")
        };
        loader = loader.with(&name, file);
        (rest, number) = (after, number + 1);
    }
    let interfaces = ["lo", "eth0"].map(|name| InterfaceFact {
        name: name.to_owned(),
        mtu: 1500,
        multicast: name != "lo",
    });
    let facts = Facts {
        config_id: "a".to_owned(),
        directory: "/".into(),
        interfaces: Some(interfaces.to_vec()),
        checking: true,
        ..Facts::default()
    };
    let bundle = conf::load("/k.conf", facts, &loader);
    let compiled = conf::compile(&bundle);
    for diagnostic in compiled.diagnostics.iter().take(16) {
        diagnostic.render(&bundle, false);
    }
    conf::json::report(
        &bundle,
        &compiled.diagnostics,
        &[],
        conf::exit_code(&compiled.diagnostics),
    );
    let node = lint::Node {
        name: "k.conf".to_owned(),
        model: compiled.model,
        outline: conf::outline::read(&bundle),
    };
    lint::lint(std::slice::from_ref(&node));
}
