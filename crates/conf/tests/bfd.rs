//! What `bfd_instance` blocks mean.

use bfd::config::{Hops, Name};
use conf::{Facts, MapLoader, Model, compile, load};
use std::time::Duration;

#[test]
fn a_block_has_the_values_of_its_words() {
    let model = model(
        "bfd_instance far {\n neighbor_ip 2001:db8::2\n source_ip 2001:db8::1\n min_rx 50.5\n min_tx 20\n \
         idle_tx 1500\n multiplier 3\n passive\n hoplimit 200\n max_hops 5\n multihop\n vrrp\n weight -10 reverse\n}\n",
    );
    assert!(model.has_bfd && !model.has_vrrp);
    let far = &model.bfd.sessions[&Name::from("far")];
    assert_eq!(far.neighbor.to_string(), "2001:db8::2");
    assert_eq!(far.source.map(|a| a.to_string()).as_deref(), Some("2001:db8::1"));
    assert_eq!(
        (far.min_rx, far.min_tx),
        (Duration::from_micros(50_500), Duration::from_millis(20))
    );
    assert_eq!(
        (far.idle_tx, far.multiplier.get(), far.passive),
        (Duration::from_millis(1500), 3, true)
    );
    assert_eq!((far.ttl, far.least_ttl, far.hops), (200, 195, Hops::Multi));
    assert_eq!((far.audience.vrrp, far.audience.checker), (true, false));
}

#[test]
fn both_spellings_of_neighbour_and_a_block_without_an_end_are_taken() {
    let model = model("bfd_instance a {\n neighbour_ip 192.0.2.1\n}\nbfd_instance b {\n neighbor_ip 192.0.2.2\n");
    assert_eq!(model.bfd.sessions.len(), 2);
}

#[test]
fn a_session_that_cannot_run_is_left_out_and_the_role_is_wanted_all_the_same() {
    let model = model("bfd_instance a {\n}\nbfd_instance b {\n neighbor_ip nowhere\n}\n");
    assert!(model.has_bfd);
    assert!(model.bfd.sessions.is_empty());
}

#[test]
fn a_check_can_follow_only_a_session_that_is_meant_for_checks() {
    let check = |name: &str| format!(" real_server 192.0.2.9 80 {{\n  BFD_CHECK {{\n   name {name}\n  }}\n }}\n");
    let text = format!(
        "bfd_instance both {{\n neighbor_ip 192.0.2.1\n}}\nbfd_instance routers {{\n neighbor_ip 192.0.2.2\n vrrp\n}}\n\
         virtual_server 192.0.2.8 80 {{\n protocol TCP\n{}{}}}\n",
        check("both"),
        check("routers")
    );
    let said: Vec<String> = compiled(&text).diagnostics.iter().map(ToString::to_string).collect();
    let about: Vec<&String> = said.iter().filter(|line| line.contains("BFD_CHECK")).collect();
    assert_eq!(about.len(), 1, "{said:?}");
    assert!(
        about[0].ends_with("([192.0.2.9]:tcp:80) BFD_CHECK - BFD routers not configured"),
        "{about:?}"
    );
}

fn model(text: &str) -> Model {
    compiled(text).model
}

fn compiled(text: &str) -> conf::Compiled {
    let facts = Facts {
        directory: "/".into(),
        ..Facts::default()
    };
    compile(&load("/k.conf", facts, &MapLoader::default().with("/k.conf", text)))
}
