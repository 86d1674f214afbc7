//! Bytes and plans, without a kernel.

use super::*;

fn ipvlan(mode: IpvlanMode) -> NewLink {
    NewLink {
        name: "ipv.1".parse().unwrap(),
        parent: IfIndex(5),
        kind: Kind::Ipvlan(mode),
        group: None,
        master: None,
        alias: "k".to_owned(),
    }
}

#[test]
fn an_ipvlan_is_asked_for_with_layer_2_and_the_flags_of_its_mode() {
    for (mode, flags) in [(IpvlanMode::Bridge, 0), (IpvlanMode::Private, 1), (IpvlanMode::Vepa, 2)] {
        let message = RouteNetlinkMessage::NewLink(describe(&ipvlan(mode), None));
        let bytes = encode(message, NLM_F_REQUEST | NLM_F_CREATE, 3);
        #[rustfmt::skip]
        let expected = [
            // struct nlmsghdr: length, RTM_NEWLINK, flags, sequence, port.
            104, 0, 0, 0, 16, 0, 1, 4, 3, 0, 0, 0, 0, 0, 0, 0,
            // struct ifinfomsg.
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            // IFLA_IFNAME, IFLA_LINK, IFLA_IFALIAS.
            10, 0, 3, 0, b'i', b'p', b'v', b'.', b'1', 0, 0, 0,
            8, 0, 5, 0, 5, 0, 0, 0,
            6, 0, 20, 0, b'k', 0, 0, 0,
            // IFLA_LINKINFO: IFLA_INFO_KIND, IFLA_INFO_DATA with mode and flags.
            36, 0, 18, 0,
            11, 0, 1, 0, b'i', b'p', b'v', b'l', b'a', b'n', 0, 0,
            20, 0, 2, 0, 6, 0, 1, 0, 0, 0, 0, 0, 6, 0, 2, 0, flags, 0, 0, 0,
        ];
        assert_eq!(bytes.get(32..), expected.get(32..), "{mode:?}");
        assert_eq!(bytes.len(), bytes[0] as usize);
    }
}

#[test]
fn an_alias_is_cut_to_what_the_kernel_takes() {
    let mut link = ipvlan(IpvlanMode::Bridge);
    link.alias = "x".repeat(400);
    let described = describe(&link, None);
    assert!(
        described
            .attributes
            .contains(&LinkAttribute::IfAlias("x".repeat(MAX_ALIAS)))
    );
}
