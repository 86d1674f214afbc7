//! Against the kernel, in a namespace of the test's own, read back by `ip`. This needs macvlan; ipvlan is not in every
//! kernel and is tested by its bytes.

use super::*;
use crate::testing::Netns;

const VIRTUAL: MacAddr = MacAddr([0, 0, 0x5e, 0, 1, 51]);

/// A namespace with a cable, and the number of its near end.
fn stage() -> Option<(Netns, LinkSocket, NewLink)> {
    let net = Netns::new()?;
    net.ip("link add eth0 type veth peer name eth1");
    net.ip("link set eth0 up");
    net.ip("link set eth1 up");
    let mut socket = net.run(LinkSocket::open).unwrap();
    let parent = socket.find("eth0".parse().unwrap()).unwrap().unwrap().index;
    let link = NewLink {
        name: "vrrp.51".parse().unwrap(),
        parent,
        kind: Kind::Macvlan(VIRTUAL),
        group: Some(7),
        master: None,
        alias: "keepalived 4/eth0/arp_ignore=0".to_owned(),
    };
    Some((net, socket, link))
}

#[test]
fn a_macvlan_is_made_private_with_its_address_and_switched_on() {
    let Some((net, mut socket, link)) = stage() else { return };
    socket.create(&link).unwrap();
    let found = socket.find(link.name).unwrap().unwrap();
    assert_eq!(plan(&link, Some(&found)), Step::Keep, "{found:?}");
    let shown = net.ip("-d link show vrrp.51");
    for part in [
        "vrrp.51@eth0",
        "00:00:5e:00:01:33",
        "macvlan mode private",
        "group 7",
        &link.alias,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains(",UP"), "{shown}");
    socket.switch_on(found.index, link.name).unwrap();
    assert!(net.ip("link show vrrp.51").contains(",UP"));
    assert!(socket.create(&link).is_err(), "there is one already");
    socket.remove(found.index, link.name).unwrap();
    assert_eq!(socket.find(link.name).unwrap(), None);
    socket.remove(found.index, link.name).unwrap();
}

#[test]
fn what_an_earlier_run_left_is_adjusted() {
    let Some((net, mut socket, link)) = stage() else { return };
    net.ip("link add vrrp.51 link eth0 type macvlan mode bridge");
    let found = socket.find(link.name).unwrap().unwrap();
    assert_eq!(plan(&link, Some(&found)), Step::Adjust);
    socket.adjust(found.index, &link).unwrap();
    let found = socket.find(link.name).unwrap().unwrap();
    assert_eq!(plan(&link, Some(&found)), Step::Keep, "{found:?}");
}

#[test]
fn one_on_another_parent_is_replaced_and_another_kind_refused() {
    let Some((net, mut socket, link)) = stage() else { return };
    net.ip("link add vrrp.51 link eth1 type macvlan mode private");
    let found = socket.find(link.name).unwrap();
    assert_eq!(plan(&link, found.as_ref()), Step::Replace);
    net.ip("link del vrrp.51");
    net.ip("link add vrrp.51 type veth peer name other");
    let found = socket.find(link.name).unwrap();
    assert_eq!(plan(&link, found.as_ref()), Step::Refuse);
}

#[test]
fn an_interface_goes_with_its_parent() {
    let Some((net, mut socket, link)) = stage() else { return };
    socket.create(&link).unwrap();
    net.ip("link del eth0");
    assert_eq!(socket.find(link.name).unwrap(), None);
    let error = socket.create(&link).unwrap_err();
    assert_eq!(error.errno(), Some(libc::ENODEV), "{error}");
}

#[test]
fn it_follows_the_vrf_of_its_parent() {
    let Some((net, mut socket, link)) = stage() else { return };
    // Not every kernel has VRFs.
    let has_vrf = net.run(|| {
        let added = std::process::Command::new("ip")
            .args(["link", "add", "red", "type", "vrf", "table", "10"])
            .output();
        added.is_ok_and(|output| output.status.success())
    });
    if !has_vrf {
        println!("skipped: no VRF in this kernel");
        return;
    }
    let vrf = socket.find("red".parse().unwrap()).unwrap().unwrap().index;
    socket.create(&link).unwrap();
    let wanted = NewLink {
        master: Some(vrf),
        ..link.clone()
    };
    let found = socket.find(link.name).unwrap().unwrap();
    assert_eq!(plan(&wanted, Some(&found)), Step::Adjust);
    socket.adjust(found.index, &wanted).unwrap();
    assert_eq!(socket.find(link.name).unwrap().unwrap().master, Some(vrf));
    socket.adjust(found.index, &link).unwrap();
    assert_eq!(socket.find(link.name).unwrap().unwrap().master, None);
}
