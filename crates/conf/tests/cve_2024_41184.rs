//! CVE-2024-41184: an empty name of an ipset led the original to count below zero. Here: empty words after every keyword.

use conf::{Compiled, Facts, InterfaceFact, MapLoader, compile, load};

/// What a block needs around its keywords so that they are read.
fn heading(block: &str) -> String {
    match block {
        "virtual_server" => "virtual_server 192.0.2.1 80 {\n protocol TCP".to_owned(),
        "real_server" => "real_server 10.0.0.1 80 {".to_owned(),
        "vrrp_instance" => "vrrp_instance V {\n interface eth0\n virtual_router_id 1".to_owned(),
        "vrrp_sync_group" | "garp_group" | "vrrp_script" | "track_group" | "vrrp_track_process" | "vrrp_track_file"
        | "track_file" | "bfd_instance" => format!("{block} N {{"),
        other => format!("{other} {{"),
    }
}

fn within(path: &str, line: &str) -> String {
    let blocks: Vec<&str> = path.split('/').filter(|block| *block != "(root)").collect();
    let mut text: String = blocks.iter().map(|block| heading(block) + "\n").collect();
    text.push_str(line);
    text.push('\n');
    text.push_str(&"}\n".repeat(blocks.len()));
    text
}

fn read(text: &str) -> Compiled {
    let facts = Facts {
        directory: "/c".into(),
        interfaces: Some(vec![InterfaceFact {
            name: "eth0".to_owned(),
            mtu: 1500,
            multicast: true,
        }]),
        ..Facts::default()
    };
    let bundle = load("k.conf", facts, &MapLoader::default().with("/c/k.conf", text));
    let compiled = compile(&bundle);
    for diagnostic in &compiled.diagnostics {
        assert!(!diagnostic.render(&bundle, false).is_empty());
    }
    compiled
}

#[test]
fn cve_2024_41184_no_keyword_takes_an_empty_word_for_a_length_that_it_has_not() {
    let empty = [
        "",
        "\"\"",
        "\"\" \"\"",
        "\"\" \"\" \"\"",
        "''",
        "\"",
        "\"\" {\n}",
        "{\n\"\"\n}",
        "{\n\"\" \"\"\n}",
    ];
    let mut tried = 0;
    for (path, row) in conf::keywords::all() {
        for words in empty {
            let text = within(path, &format!("{} {words}", row.name));
            let compiled = read(&text);
            // Nothing in the kernel has an empty name.
            let filter = format!("{:?}", compiled.model.vrrp.settings.filter);
            assert!(!filter.contains("\"\""), "{text}{filter}");
            let table = format!("{:?}", compiled.model.servers.settings.nftables);
            assert!(!table.contains("\"\""), "{text}{table}");
            tried += 1;
        }
    }
    assert!(tried > 3000, "{tried}");
}
