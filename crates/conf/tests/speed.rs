//! How long large configurations take. Printed, never asserted: machines are shared.

use conf::{Facts, MapLoader, compile, load};
use std::fmt::Write;

#[test]
#[allow(clippy::disallowed_methods)] // a stopwatch, not a decision
fn large_configurations_are_read_and_the_time_is_printed() {
    let mut servers = String::new();
    for service in 0..5000u32 {
        let (a, b) = (service / 250, service % 250);
        writeln!(
            servers,
            "virtual_server 10.{a}.{b}.1 80 {{\n    delay_loop 6\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP"
        )
        .unwrap();
        for server in 1..=10 {
            writeln!(servers, "    real_server 10.{a}.{b}.{server} 80 {{\n        weight 1\n        TCP_CHECK {{\n            connect_timeout 3\n        }}\n    }}").unwrap();
        }
        servers.push_str("}\n");
    }
    let mut addresses =
        "vrrp_instance V {\n interface eth0\n virtual_router_id 1\n version 3\n virtual_ipaddress_excluded {\n"
            .to_owned();
    for n in 0..4000u32 {
        writeln!(addresses, "  10.{}.{}.1/24 dev eth0", n / 250, n % 250).unwrap();
    }
    addresses.push_str(" }\n no_virtual_ipaddress\n}\n");
    for (name, text) in [("5000 x 10 servers", servers), ("4000 addresses", addresses)] {
        let loader = MapLoader::default().with("/c/k.conf", text.as_str());
        let facts = Facts {
            directory: "/c".into(),
            ..Facts::default()
        };
        let begin = std::time::Instant::now();
        let bundle = load("k.conf", facts, &loader);
        let loaded = begin.elapsed();
        let compiled = compile(&bundle);
        println!(
            "{name}: {} bytes, load {loaded:?}, with compile {:?}",
            text.len(),
            begin.elapsed()
        );
        let others: Vec<_> = compiled
            .diagnostics
            .iter()
            .filter(|d| d.code != "not-implemented-yet")
            .take(3)
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }
}
