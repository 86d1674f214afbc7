//! The mirror against the kernel, in namespaces of the test's own.

use super::*;
use crate::netlink::{Action, AddressRequest, AddressSocket};
use crate::reactor::{Interest, Reactor, Token};
use crate::testing::Netns;
use base::{Prefix, Rng};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_fresh_mirror_shows_what_is_there() {
    let Some(net) = Netns::new() else { return };
    net.ip("link add va address 02:00:00:00:00:0a mtu 1400 type veth peer name vb");
    net.ip("link add mv link va type macvlan mode private");
    net.ip("link add name bridge0 type bridge");
    net.ip("link set vb master bridge0");
    net.ip("link set va up");
    net.ip("addr add 10.0.0.1/24 dev va");
    let mirror = net.run(|| Mirror::open().unwrap());
    assert!(mirror.is_current());
    assert_eq!(mirror.undecodable(), 0);
    let [lo, va, vb, mv, br] = ["lo", "va", "vb", "mv", "bridge0"].map(|name| named(&mirror, name).clone());
    assert!(lo.loopback && lo.up && lo.mac.is_none());
    assert_eq!(
        (va.mac.unwrap().to_string().as_str(), va.mtu),
        ("02:00:00:00:00:0a", 1400)
    );
    assert!(
        va.up && va.multicast && !va.noarp && !va.running,
        "its other end is down: {va:?}"
    );
    assert_eq!(
        [va.kind.as_deref(), mv.kind.as_deref()],
        [Some("veth"), Some("macvlan")]
    );
    assert_eq!((mv.base, vb.master, lo.kind), (Some(va.index), Some(br.index), None));
    assert_eq!(shown(&mirror, "va", Family::V4), ["10.0.0.1/24"]);
    assert_eq!(shown(&mirror, "lo", Family::V4), ["127.0.0.1/8"]);
}

#[test]
fn changes_are_reported_as_they_happen() {
    let Some(net) = Netns::new() else { return };
    let mut mirror = net.run(|| Mirror::open().unwrap());
    net.ip("link add va type veth peer name vb");
    assert_eq!(links_of(&read(&mut mirror)), ["+vb", "+va"]);
    net.ip("link set vb up");
    net.ip("link set va up");
    let running = |mirror: &Mirror| named(mirror, "va").running && named(mirror, "va").lower_up;
    await_until(&mut mirror, running, "va runs");
    net.ip("addr add 10.0.0.1/24 dev va");
    net.ip("addr add 10.0.0.2/24 dev va label va:x");
    let changes = read(&mut mirror);
    assert_eq!(addresses_of(&changes), ["+10.0.0.1/24 va", "+10.0.0.2/24 va"]);
    net.ip("link set vb down");
    let stopped = |mirror: &Mirror| !named(mirror, "va").running && named(mirror, "va").up;
    await_until(&mut mirror, stopped, "va is up and does not run");
    net.ip("addr del 10.0.0.1/24 dev va");
    // Without promotion the secondary address goes with its primary one.
    assert_eq!(addresses_of(&read(&mut mirror)), ["-10.0.0.2/24 va", "-10.0.0.1/24 va"]);
}

#[test]
fn the_forwarding_setting_of_ipv6_is_followed() {
    let Some(net) = Netns::new() else { return };
    net.ip("link add va type veth peer name vb");
    let mut mirror = net.run(|| Mirror::open().unwrap());
    assert!(!named(&mirror, "va").forwarding6);
    net.run(|| std::fs::write("/proc/sys/net/ipv6/conf/va/forwarding", "1").unwrap());
    assert_eq!(links_of(&read(&mut mirror)), ["+va"]);
    assert!(named(&mirror, "va").forwarding6 && !named(&mirror, "vb").forwarding6);
    net.run(|| std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap());
    read(&mut mirror);
    assert!(named(&mirror, "vb").forwarding6);
    let fresh = net.run(|| Mirror::open().unwrap());
    assert!(named(&fresh, "vb").forwarding6, "a dump tells it too");
}

#[test]
fn a_renamed_link_and_one_recreated_under_the_old_name_are_told_apart() {
    let Some(net) = Netns::new() else { return };
    net.ip("link add va type veth peer name vb");
    net.ip("addr add 10.0.0.1/24 dev va");
    let mut mirror = net.run(|| Mirror::open().unwrap());
    let old = named(&mirror, "va").index;
    net.ip("link set va name lan");
    let changes = read(&mut mirror);
    assert_eq!(links_of(&changes), ["-va", "+lan"]);
    assert_eq!(addresses_of(&changes)[..2], ["-10.0.0.1/24 va", "+10.0.0.1/24 lan"]);
    assert_eq!(named(&mirror, "lan").index, old);

    net.ip("link add va type veth peer name vc");
    net.ip("link del lan");
    net.ip("link add lan type veth peer name vb");
    let changes = read(&mut mirror);
    assert!(
        links_of(&changes).ends_with(&["-vb".into(), "-lan".into(), "+lan".into(), "+vb".into()])
            || links_of(&changes).contains(&"-lan".to_owned()),
        "{changes:?}"
    );
    assert_ne!(named(&mirror, "lan").index, old);
    assert_eq!(mirror.link(old), None);
    assert_eq!(mirror.addresses(old, Family::V4).count(), 0);
}

#[test]
fn a_port_that_leaves_its_bridge_is_still_there() {
    let Some(net) = Netns::new() else { return };
    net.ip("link add va type veth peer name vb");
    net.ip("link add name bridge0 type bridge");
    net.ip("link set va master bridge0");
    let mut mirror = net.run(|| Mirror::open().unwrap());
    assert!(named(&mirror, "va").master.is_some());
    net.ip("link set va nomaster");
    assert!(!links_of(&read(&mut mirror)).contains(&"-va".to_owned()));
    assert_eq!(named(&mirror, "va").master, None);
}

#[test]
fn addresses_are_in_the_order_in_which_ip_shows_them() {
    let Some(net) = Netns::new() else { return };
    net.ip("link add va type veth peer name vb");
    net.ip("link set vb up");
    net.ip("link set va up");
    net.run(|| std::fs::write("/proc/sys/net/ipv4/conf/va/promote_secondaries", "1").unwrap());
    let mut mirror = net.run(|| Mirror::open().unwrap());
    let steps = [
        "add 10.0.0.1/24",
        "add 10.0.0.2/24",
        "add 10.1.0.1/24",
        "add 10.0.0.3/24",
        "add 10.2.0.1/24 scope link",
        "add 10.3.0.1/32",
        "add 2001:db8::1/64 nodad",
        "add fe80::9/64 nodad",
        "add 2001:db8::2/64 nodad",
        "add fc00::1/64 nodad",
        "add 10.4.0.1/16 scope host",
        "del 10.0.0.1/24",
        "add 10.0.0.1/24",
        "del 2001:db8::1/64",
        "add 2001:db8::1/64 nodad",
        "add 10.5.0.1/24 scope link",
        "del 10.1.0.1/24",
    ];
    for step in steps {
        net.ip(&format!("addr {step} dev va"));
        for (family, option) in [(Family::V4, "-4"), (Family::V6, "-6")] {
            // The kernel reports IPv6 addresses when it has the time.
            let listed = without_automatic(by_ip(&net, option, "va"));
            await_until(
                &mut mirror,
                |mirror| without_automatic(shown(mirror, "va", family)) == listed,
                step,
            );
            let fresh = net.run(|| Mirror::open().unwrap());
            assert_eq!(
                without_automatic(shown(&fresh, "va", family)),
                listed,
                "dumped, after {step}"
            );
        }
    }
}

#[test]
fn after_any_changes_the_order_is_that_of_a_dump() {
    let Some(net) = Netns::new() else { return };
    net.ip("link add va type veth peer name vb");
    net.ip("link set vb up");
    net.ip("link set va up");
    let seed = 0x5eed;
    println!("seed {seed:#x}");
    let mut rng = Rng::from_seed(seed);
    let mut mirror = net.run(|| Mirror::open().unwrap());
    let mut socket = net.run(|| AddressSocket::open().unwrap());
    let index = named(&mirror, "va").index;
    for round in 0..120 {
        let promote = if rng.percent(50) { "1" } else { "0" };
        net.run(|| std::fs::write("/proc/sys/net/ipv4/conf/va/promote_secondaries", promote).unwrap());
        let requests: Vec<_> = (0..8).map(|_| any_request(&mut rng, index)).collect();
        socket.submit(round, &requests).unwrap();
        socket.complete(&mut Vec::new()).unwrap();
        for family in [Family::V4, Family::V6] {
            agrees_with_a_dump(&net, &mut mirror, family, &format!("round {round}: after {requests:?}"));
        }
    }
}

/// Waits until a mirror and one that is opened now know the same in the same order. The kernel makes IPv6 addresses valid in
/// its own time: a dump may show one as tentative that the next notification tells to be no longer so.
fn agrees_with_a_dump(net: &Netns, mirror: &mut Mirror, family: Family, what: &str) {
    let index = named(mirror, "va").index;
    let mut differ = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let fresh = net.run(|| Mirror::open().unwrap());
        read(mirror);
        differ = (facts(mirror, index, family), facts(&fresh, index, family));
        if differ.0 == differ.1 {
            return;
        }
        poll(
            &mut [PollFd::new(mirror.as_fd(), PollFlags::POLLIN)],
            PollTimeout::from(100_u8),
        )
        .unwrap();
    }
    panic!("{what}: the mirror has {:?}, a dump {:?}", differ.0, differ.1);
}

#[test]
fn a_change_and_an_answer_wake_the_event_loop() {
    let Some(net) = Netns::new() else { return };
    net.ip("link add va type veth peer name vb");
    let mut mirror = net.run(|| Mirror::open().unwrap());
    let mut socket = net.run(|| AddressSocket::open().unwrap());
    let (mut reactor, mut ready) = (Reactor::new().unwrap(), Vec::new());
    reactor.register(mirror.as_fd(), Token(1), Interest::Readable).unwrap();
    reactor.register(socket.as_fd(), Token(2), Interest::Readable).unwrap();
    let index = named(&mirror, "va").index;
    for n in 0..3 {
        socket.submit(7, &[AddressRequest::add(index, address(n))]).unwrap();
        let mut woken = Vec::new();
        while woken.len() < 2 {
            let limit = reactor.now().after(std::time::Duration::from_secs(5));
            reactor.wait(Some(limit), &mut ready).unwrap();
            assert_ne!(ready, [], "nothing within five seconds");
            woken.extend(ready.iter().map(|ready| ready.token.0));
        }
        woken.sort_unstable();
        assert_eq!(woken, [1, 2]);
        let mut done = Vec::new();
        socket.complete(&mut done).unwrap();
        assert_eq!(done.len(), 1);
        assert_eq!(addresses_of(&read(&mut mirror)), [format!("+{} va", address(n))]);
    }
}

#[test]
fn lost_notifications_are_made_up_for_with_ordinary_changes() {
    let Some(net) = Netns::new() else { return };
    net.ip("link add va type veth peer name vb");
    net.ip("link add gone type veth peer name gone2");
    net.ip_batch(&lines("add", 0..50));
    // The smallest buffer there is holds a handful of notifications.
    let mut mirror = net.run(|| Mirror::with_receive_buffer(1).unwrap());
    assert_eq!(shown(&mirror, "va", Family::V4).len(), 50);
    net.ip_batch(&(lines("add", 50..1050) + &lines("del", 0..20)));
    net.ip("link del gone");
    net.ip("link set va name lan");
    net.ip("link add va type veth peer name vx");
    let changes = read(&mut mirror);
    assert!(
        changes.contains(&Change::Resynced),
        "nothing was lost: the buffer is too large for this test"
    );
    assert!(mirror.is_current());
    let expected: Vec<String> = (20..1050).map(|n| address(n).to_string()).collect();
    assert_eq!(shown(&mirror, "lan", Family::V4), expected);
    assert_eq!(shown(&mirror, "va", Family::V4), [""; 0]);
    assert_eq!(mirror.link_named("gone".parse().unwrap()), None);
    assert_eq!(play(&changes, "va", 0..50), []);
    assert_eq!(play(&changes, "lan", 0..0), (20..1050).map(address).collect::<Vec<_>>());
    // From here on it follows again.
    net.ip("addr del 10.1.0.30/32 dev lan");
    assert_eq!(addresses_of(&read(&mut mirror)), ["-10.1.0.30/32 lan"]);
}

#[test]
fn a_resync_without_differences_reports_none() {
    let Some(net) = Netns::new() else { return };
    net.ip("link add va type veth peer name vb");
    let mut mirror = net.run(|| Mirror::with_receive_buffer(1).unwrap());
    // So many that some are lost; in the end all is as before.
    net.ip_batch(&(lines("add", 0..500) + &lines("del", 0..500)));
    let changes = read(&mut mirror);
    assert!(changes.contains(&Change::Resynced));
    assert_eq!(play(&changes, "va", 0..0), []);
    assert_eq!(shown(&mirror, "va", Family::V4), [""; 0]);
}

#[test]
fn a_mirror_keeps_up_while_somebody_changes_addresses_without_end() {
    let Some(net) = Netns::new() else { return };
    net.ip("link add va type veth peer name vb");
    let mut mirror = net.run(|| Mirror::with_receive_buffer(1).unwrap());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..3 {
                net.ip_batch(&(lines("add", 0..2000) + &lines("del", 0..1900) + &lines("del", 1900..2000)));
            }
            net.ip_batch(&lines("add", 0..300));
        });
        let mut turns = 0_u64;
        while !writer.is_finished() {
            let _ = mirror.read(&mut Vec::new()).unwrap();
            turns += 1;
        }
        writer.join().unwrap();
        println!("{turns} turns");
    });
    read(&mut mirror);
    assert!(mirror.is_current());
    assert_eq!(
        shown(&mirror, "va", Family::V4),
        (0..300).map(|n| address(n).to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn a_mirror_can_be_opened_while_somebody_changes_addresses_without_end() {
    let Some(net) = Netns::new() else { return };
    net.ip("link add va type veth peer name vb");
    net.ip_batch(&lines("add", 0..3000));
    let index = net
        .run(|| Mirror::open().unwrap())
        .link_named("va".parse().unwrap())
        .unwrap()
        .index;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut socket = net.run(|| AddressSocket::open().unwrap());
            let change = |action| AddressRequest {
                action,
                ..AddressRequest::add(index, address(0))
            };
            while !done.load(Ordering::Relaxed) {
                socket
                    .submit(1, &[change(Action::Remove), change(Action::Add)])
                    .unwrap();
                socket.complete(&mut Vec::new()).unwrap();
            }
        });
        let reactor = Reactor::new().unwrap();
        let start = reactor.now();
        let opened = net.run(Mirror::open);
        println!("opened after {:?}", reactor.now() - start);
        done.store(true, Ordering::Relaxed);
        let mut mirror = opened.unwrap();
        println!("current: {}", mirror.is_current());
        assert!(named(&mirror, "va").index == index);
        await_until(
            &mut mirror,
            |mirror| mirror.addresses(index, Family::V4).count() == 3000,
            "it has caught up",
        );
    });
}

/// A change to one of a few addresses that get in each other's way.
fn any_request(rng: &mut Rng, index: IfIndex) -> AddressRequest {
    let mut pick = |bound: u64| rng.below(bound);
    let prefix = if pick(3) == 0 {
        let networks = ["2001:db8::", "fe80::9:", "fc00::"];
        let address = format!("{}{}", networks[pick(3) as usize], pick(4) + 1);
        Prefix::new(address.parse().unwrap(), 64)
    } else {
        let address = format!("10.0.{}.{}", pick(3), pick(5) + 1);
        Prefix::new(address.parse().unwrap(), [16, 24, 24, 32][pick(4) as usize])
    };
    let scope = [0, 0, 0, 253, 254][pick(5) as usize];
    let action = if pick(5) < 3 { Action::Add } else { Action::Remove };
    AddressRequest {
        action,
        scope,
        mark: 18,
        ..AddressRequest::add(index, prefix.unwrap())
    }
}

/// Everything known of the addresses, except the automatic one.
fn facts(mirror: &Mirror, index: IfIndex, family: Family) -> Vec<Address> {
    let automatic = |address: &Address| without_automatic(vec![address.prefix.to_string()]).is_empty();
    mirror
        .addresses(index, family)
        .filter(|address| !automatic(address))
        .copied()
        .collect()
}

fn named<'a>(mirror: &'a Mirror, name: &str) -> &'a Link {
    mirror.link_named(name.parse().unwrap()).unwrap()
}

fn shown(mirror: &Mirror, name: &str, family: Family) -> Vec<String> {
    mirror
        .addresses(named(mirror, name).index, family)
        .map(|address| address.prefix.to_string())
        .collect()
}

fn without_automatic(mut addresses: Vec<String>) -> Vec<String> {
    addresses.retain(|address| !address.starts_with("fe80::") || address.starts_with("fe80::9"));
    addresses
}

fn await_until(mirror: &mut Mirror, holds: impl Fn(&Mirror) -> bool, what: &str) {
    for _ in 0..100 {
        read(mirror);
        if holds(mirror) {
            return;
        }
        poll(
            &mut [PollFd::new(mirror.as_fd(), PollFlags::POLLIN)],
            PollTimeout::from(100_u8),
        )
        .unwrap();
    }
    let addresses = [Family::V4, Family::V6].map(|family| shown(mirror, "va", family));
    panic!("never came true: {what}; the mirror has {addresses:?}");
}

/// Reads until there is nothing more.
fn read(mirror: &mut Mirror) -> Vec<Change> {
    let mut changes = Vec::new();
    for _ in 0..1000 {
        if mirror.read(&mut changes).unwrap() == Turn::Drained && mirror.is_current() {
            return changes;
        }
    }
    panic!("the mirror does not come to rest");
}

/// The links that came and went, each said once.
fn links_of(changes: &[Change]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for change in changes {
        let line = match change {
            Change::Link { name, .. } => format!("+{name}"),
            Change::LinkGone { name, .. } => format!("-{name}"),
            Change::AddressAdded { .. } | Change::AddressChanged { .. } | Change::AddressRemoved { .. } => continue,
            Change::Resynced => continue,
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn addresses_of(changes: &[Change]) -> Vec<String> {
    let line = |change: &Change| match change {
        Change::AddressAdded { name, address, .. } => Some(format!("+{} {name}", address.prefix)),
        Change::AddressRemoved { name, address, .. } => Some(format!("-{} {name}", address.prefix)),
        Change::AddressChanged { .. } | Change::Link { .. } | Change::LinkGone { .. } | Change::Resynced => None,
    };
    changes
        .iter()
        .filter_map(line)
        .filter(|line| !line[1..].starts_with("fe80:"))
        .collect()
}

/// What somebody believes who knows only `name`, had these addresses, and follows the changes.
fn play(changes: &[Change], name: &str, had: std::ops::Range<u32>) -> Vec<Prefix> {
    let mut believed: Vec<Prefix> = had.map(address).collect();
    for change in changes {
        match change {
            Change::AddressAdded { name: on, address, .. } if on.as_str() == name && is_ipv4(address) => {
                assert!(!believed.contains(&address.prefix), "added twice: {}", address.prefix);
                believed.push(address.prefix);
            }
            Change::AddressRemoved { name: on, address, .. } if on.as_str() == name && is_ipv4(address) => {
                assert!(believed.contains(&address.prefix), "removed twice: {}", address.prefix);
                believed.retain(|prefix| *prefix != address.prefix);
            }
            Change::AddressAdded { .. } | Change::AddressRemoved { .. } | Change::AddressChanged { .. } => {}
            Change::Link { .. } | Change::LinkGone { .. } | Change::Resynced => {}
        }
    }
    believed
}

fn is_ipv4(address: &Address) -> bool {
    address.prefix.family() == Family::V4
}

fn address(n: u32) -> Prefix {
    Prefix::host(Ipv4Addr::from(0x0a01_0000 + n).into())
}

fn lines(verb: &str, range: std::ops::Range<u32>) -> String {
    range.fold(String::new(), |mut lines, n| {
        writeln!(lines, "addr {verb} {} dev va", address(n)).unwrap();
        lines
    })
}

/// The addresses of an interface as `ip` lists them.
fn by_ip(net: &Netns, family: &str, name: &str) -> Vec<String> {
    let listing = net.ip(&format!("-o {family} addr show dev {name}"));
    listing
        .lines()
        .filter_map(|line| line.split_whitespace().nth(3))
        .map(str::to_owned)
        .collect()
}
