//! Against the kernel, in a namespace of the test's own, read back by `nft`.

use super::*;
use crate::testing::Netns;

const V4: Family = Family::V4;
const V6: Family = Family::V6;

#[test]
fn a_table_with_a_set_and_rules_is_listed_as_it_was_meant() {
    let Some(net) = Netns::new() else { return };
    let mut socket = net.run(NftSocket::open).unwrap();
    let mut batch = Batch::new();
    batch.replace_table(V4, "t");
    let vips = Set {
        name: "vips",
        key: &[Type::Ipv4],
        data: None,
        constant: false,
    };
    batch.add_set(V4, "t", &vips);
    batch.add_chain(V4, "t", "in", Some((Hook::Input, -1)));
    let rule = [
        Expression::header(16, 4, 1),
        Expression::Lookup {
            set: "vips".into(),
            register: 1,
        },
        Expression::Counter,
        Expression::Verdict(Verdict::Drop),
    ];
    batch.add_rule(V4, "t", "in", &rule);
    batch.add_elements(V4, "t", "vips", &[v4([10, 0, 0, 1]), v4([10, 0, 0, 2])]);
    socket.commit(batch).unwrap();
    let mut batch = Batch::new();
    batch.delete_elements(V4, "t", "vips", &[v4([10, 0, 0, 1])]);
    socket.commit(batch).unwrap();
    let expected = "table ip t {
	set vips {
		type ipv4_addr
		elements = { 10.0.0.2 }
	}

	chain in {
		type filter hook input priority filter - 1; policy accept;
		ip daddr @vips counter packets 0 bytes 0 drop
	}
}
";
    assert_eq!(net.command("nft", "list ruleset"), expected);
}

#[test]
fn numbers_and_names_of_interfaces_are_printed_the_right_way_round() {
    let Some(net) = Netns::new() else { return };
    let mut socket = net.run(NftSocket::open).unwrap();
    let mut batch = Batch::new();
    batch.add_table(V6, "t");
    let one = |name, key| Set {
        name,
        key,
        data: None,
        constant: false,
    };
    batch.add_set(V6, "t", &one("numbers", &[Type::InterfaceIndex]));
    batch.add_set(V6, "t", &one("names", &[Type::InterfaceName]));
    batch.add_set(V6, "t", &one("both", &[Type::Ipv6, Type::InterfaceIndex]));
    batch.add_set(V6, "t", &one("named", &[Type::Ipv6, Type::InterfaceName]));
    let map = Set {
        data: Some(Type::InterfaceIndex),
        ..one("map", &[Type::InterfaceIndex])
    };
    batch.add_set(V6, "t", &map);
    let loopback = 1_u32.to_ne_bytes().to_vec();
    let mut name = b"lo".to_vec();
    name.resize(16, 0);
    let address = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];
    batch.add_elements(V6, "t", "numbers", &[element(&loopback, &[])]);
    batch.add_elements(V6, "t", "names", &[element(&name, &[])]);
    batch.add_elements(V6, "t", "both", &[element(&[&address[..], &loopback].concat(), &[])]);
    batch.add_elements(V6, "t", "named", &[element(&[&address[..], &name].concat(), &[])]);
    batch.add_elements(V6, "t", "map", &[element(&loopback, &loopback)]);
    socket.commit(batch).unwrap();
    let listed = net.command("nft", "list ruleset");
    let elements: Vec<&str> = listed
        .lines()
        .filter(|line| line.contains("elements"))
        .map(str::trim)
        .collect();
    let expected = [
        "elements = { \"lo\" }",
        "elements = { \"lo\" }",
        "elements = { fe80::10 . \"lo\" }",
        "elements = { fe80::10 . \"lo\" }",
        "elements = { \"lo\" : \"lo\" }",
    ];
    assert_eq!(elements, expected, "{listed}");
}

#[test]
fn a_refused_batch_leaves_nothing_behind_and_names_what_was_refused() {
    let Some(net) = Netns::new() else { return };
    let mut socket = net.run(NftSocket::open).unwrap();
    let mut batch = Batch::new();
    batch.add_table(V4, "t");
    batch.add_elements(V4, "t", "nothere", &[v4([10, 0, 0, 1])]);
    batch.add_table(V6, "t");
    let error = socket.commit(batch).unwrap_err();
    assert_eq!(error.errno(), Some(libc::ENOENT));
    assert!(
        error.to_string().starts_with("cannot add elements to nothere: "),
        "{error}"
    );
    assert_eq!(net.command("nft", "list ruleset"), "");
    // And the next one is answered by its own answers.
    let mut batch = Batch::new();
    batch.add_table(V4, "t");
    socket.commit(batch).unwrap();
    assert_eq!(net.command("nft", "list tables"), "table ip t\n");
}

#[test]
fn thousands_of_elements_go_in_one_transaction_and_out_again() {
    let Some(net) = Netns::new() else { return };
    let mut socket = net.run(NftSocket::open).unwrap();
    let mut batch = Batch::new();
    batch.add_table(V6, "t");
    let set = Set {
        name: "s",
        key: &[Type::Ipv6, Type::InterfaceIndex],
        data: None,
        constant: false,
    };
    batch.add_set(V6, "t", &set);
    let many: Vec<Element> = (0..4_000_u32)
        .map(|number| element(&[&[0xfe; 12], &number.to_be_bytes()[..], &[0; 4]].concat(), &[]))
        .collect();
    batch.add_elements(V6, "t", "s", &many);
    socket.commit(batch).unwrap();
    assert!(net.command("nft", "list ruleset").lines().count() > 2_000);
    let mut batch = Batch::new();
    batch.delete_elements(V6, "t", "s", &many);
    socket.commit(batch).unwrap();
    assert!(!net.command("nft", "list ruleset").contains("elements"));
}

#[test]
fn a_table_of_ours_is_known_again_and_one_of_others_is_not() {
    let Some(net) = Netns::new() else { return };
    let mut socket = net.run(NftSocket::open).unwrap();
    assert_eq!(socket.tables().unwrap(), []);
    net.command("nft", "add table ip theirs");
    net.command("nft", "add table inet other");
    let mut batch = Batch::new();
    batch.add_table(V6, "keepalived");
    socket.commit(batch).unwrap();
    let table = |family, name: &str, ours| Table {
        family,
        name: name.into(),
        ours,
    };
    let expected = [table(V4, "theirs", false), table(V6, "keepalived", true)];
    assert_eq!(socket.tables().unwrap(), expected);
    let mut batch = Batch::new();
    batch.delete_table(V6, "keepalived");
    socket.commit(batch).unwrap();
    assert_eq!(net.command("nft", "list tables"), "table ip theirs\ntable inet other\n");
}

#[test]
fn an_empty_batch_asks_nothing() {
    let Some(net) = Netns::new() else { return };
    let mut socket = net.run(NftSocket::open).unwrap();
    assert!(socket.commit(Batch::new()).is_ok());
}

#[test]
fn user_data_of_any_bytes_is_read_without_a_panic() {
    assert!(is_marked(&[&[0, 1, 9, MARK_TYPE, 10][..], MARK].concat()));
    assert!(!is_marked(&[&[MARK_TYPE, 11][..], MARK].concat()));
    assert!(!is_marked(&[MARK_TYPE]));
    assert_eq!(table_in(&[2, 0, 0]), None);
    assert_eq!(table_in(&[2, 0, 0, 0]), None);
}

fn v4(address: [u8; 4]) -> Element {
    element(&address, &[])
}

fn element(key: &[u8], data: &[u8]) -> Element {
    Element {
        key: key.to_vec(),
        data: data.to_vec(),
    }
}
