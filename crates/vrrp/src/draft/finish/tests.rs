use super::*;
use crate::config::VirtualAddress;
use crate::config::{AddressFlags, Announcing};
use crate::draft::AddressDraft;
use crate::draft::AnnouncingDraft;
use alloc::string::ToString;
use base::IfName;
use core::time::Duration;

struct Known;

impl Surroundings for Known {
    fn mtu(&self, interface: &IfName) -> Option<u32> {
        (interface.as_str() == "small").then_some(60)
    }
    fn multicast(&self, interface: &IfName) -> Option<bool> {
        Some(interface.as_str() != "tun0")
    }
}

#[test]
fn a_minimal_draft_gets_the_defaults_without_a_word() {
    let done = finished(draft());
    assert_eq!(texts(&done), Vec::<String>::new());
    let config = done.config.unwrap();
    assert_eq!(config.version, Version::V2);
    assert_eq!((config.priority.get(), config.wanted), (100, Wanted::Backup));
    assert_eq!((config.interval, config.down_adverts), (Duration::from_secs(1), 3));
    assert_eq!(
        config.delivery,
        Delivery::Multicast {
            group: "224.0.0.18".parse().unwrap()
        }
    );
    assert_eq!(config.announcing, Announcing::default());
}

#[test]
fn state_master_without_a_priority_is_an_owner_and_clears_nopreempt() {
    let done = finished(Draft {
        wanted: Some(Wanted::Master),
        nopreempt: true,
        ..draft()
    });
    assert_eq!(
        texts(&done),
        ["(V) nopreempt is incompatible with priority 255. resetting nopreempt"]
    );
    let config = done.config.unwrap();
    assert!(config.priority.is_owner());
    assert_eq!(config.preempt, Preempt::Yes);
}

#[test]
fn a_master_by_state_waits_for_nothing() {
    // C 2.2.7 says these lines for this block, in this order.
    let done = finished(Draft {
        wanted: Some(Wanted::Master),
        priority: Some(100),
        interval: Some(Duration::from_millis(1500)),
        nopreempt: true,
        preempt_delay: Some(Duration::from_secs(5)),
        auth_type: Some(AuthType::Pass),
        ..draft()
    });
    assert_eq!(
        texts(&done),
        [
            "(V) Authentication specified but no password given. Ignoring",
            "(V) Warning - nopreempt will not work with initial state MASTER - clearing",
            "(V) Warning - preempt delay will not work with initial state MASTER - clearing",
            "(V) VRRPv2 advertisement interval 1.500000s must be an integer. rounding",
        ]
    );
    assert_eq!(done.config.unwrap().interval, Duration::from_secs(2));
}

#[test]
fn strict_mode_puts_right_what_c_puts_right_in_its_order() {
    let done = finished(Draft {
        strict: Some(true),
        version: Some(Version::V3),
        wanted: Some(Wanted::Master),
        priority: Some(100),
        interval: Some(Duration::from_secs(41)),
        preempt_delay: Some(Duration::from_secs(5)),
        down_adverts: Some(5),
        lower_prio_no_advert: Some(false),
        higher_prio_send_advert: Some(true),
        announcing: AnnouncingDraft {
            lower_priority_repeat: Some(3),
            ..AnnouncingDraft::default()
        },
        addresses: vec6("2001:db8::1"),
        ..draft()
    });
    assert_eq!(
        texts(&done),
        [
            "(V) State MASTER must match being address owner",
            "(V) the first IPv6 VIP address must be link local",
            "(V) preempt_delay is incompatible with strict mode - resetting",
            "(V) down_timer_adverts is incompatible with strict mode - resetting",
            "(V) Strict mode requires no repeat garps. resetting",
            "(V) Strict mode requires no lower priority advert. resetting",
            "(V) strict mode requires higher_prio_send_advert to be clear. resetting",
            "(V) VRRPv3 advertisement interval 41.00s is out of range. Must be less than 40.96s. Setting to 40.95s",
        ]
    );
    let config = done.config.unwrap();
    assert_eq!(config.wanted, Wanted::Backup);
    assert_eq!(config.interval, Duration::from_millis(40_950));
    assert_eq!(config.announcing.lower_priority_repeat, 0);
    assert!(config.lower_prio_no_advert && !config.higher_prio_send_advert);
}

#[test]
fn what_an_instance_cannot_live_without_is_fatal() {
    let cases: [(Draft, &str); 6] = [
        (Draft { vrid: None, ..draft() }, "(V) the virtual router id must be set"),
        (
            Draft {
                interface: None,
                ..draft()
            },
            "(V) Unknown interface!",
        ),
        (
            Draft {
                interface: None,
                peers: alloc::vec![peer("10.0.0.2")],
                ..draft()
            },
            "(V): Unicast instances must have unicast_src_ip or interface",
        ),
        (
            Draft {
                version: Some(Version::V3),
                addresses: Vec::new(),
                ..draft()
            },
            "(V) No VIP specified; at least one is required",
        ),
        (
            Draft {
                strict: Some(true),
                peers: alloc::vec![peer("10.0.0.2")],
                ..draft()
            },
            "(V) Unicast peers are not supported in strict mode",
        ),
        (
            Draft {
                strict: Some(true),
                addresses: Vec::new(),
                ..draft()
            },
            "(V) No VIP specified; at least one is required",
        ),
    ];
    for (draft, text) in cases {
        let done = finished(draft);
        assert_eq!(done.config, None, "{text}");
        assert_eq!(texts(&done), [text]);
        assert_eq!(done.findings[0].weight, Weight::Fatal, "{text}");
    }
}

#[test]
fn intervals_are_rounded_half_up_and_kept_in_range() {
    let v2 = |millis| interval(Version::V2, millis);
    assert_eq!((v2(0), v2(400), v2(1499), v2(2500)), (1000, 1000, 1000, 3000));
    assert_eq!((v2(255_000), v2(255_600), v2(256_000)), (255_000, 255_000, 255_000));
    let v3 = |millis| interval(Version::V3, millis);
    assert_eq!((v3(0), v3(4), v3(1005), v3(1004)), (10, 10, 1010, 1000));
    assert_eq!((v3(40_955), v3(40_960), v3(100_000)), (40_950, 40_950, 40_950));
}

#[test]
fn a_long_password_is_cut_and_never_printed() {
    let done = finished(Draft {
        auth_type: Some(AuthType::Pass),
        auth_pass: Some(Secret("hunter2hunter2".to_string())),
        ..draft()
    });
    assert_eq!(texts(&done), ["Truncating auth_pass to 8 characters"]);
    assert_eq!(done.config.as_ref().unwrap().auth, Auth::Pass(*b"hunter2h"));
    assert!(!format!("{done:?}").contains("hunter"));
}

#[test]
fn ah_starts_as_backup_unless_it_owns_the_addresses() {
    let done = finished(Draft {
        auth_type: Some(AuthType::Ah),
        auth_pass: Some(Secret("abc".to_string())),
        wanted: Some(Wanted::Master),
        priority: Some(90),
        ..draft()
    });
    assert_eq!(
        texts(&done),
        ["(V) Initial state master is incompatible with AH authentication - clearing"]
    );
    assert_eq!(done.config.unwrap().wanted, Wanted::Backup);
}

#[test]
fn addresses_that_do_not_fit_move_to_the_front_of_the_excluded_ones() {
    let done = finished(Draft {
        interface: Some("small".parse().unwrap()),
        addresses: (1..=8).map(|n| v4(&format!("10.0.0.{n}"))).collect(),
        excluded: alloc::vec![v4("10.0.0.100")],
        ..draft()
    });
    // 60 bytes less the IP header, the VRRP header and the authentication data leave room for six.
    let config = done.config.unwrap();
    let last = |list: &[VirtualAddress]| list.iter().map(|a| a.prefix.address().to_string()).collect::<Vec<_>>();
    assert_eq!(config.addresses.len(), 6);
    assert_eq!(last(&config.excluded), ["10.0.0.7", "10.0.0.8", "10.0.0.100"]);
    assert_eq!(done.findings.len(), 1);
}

#[test]
fn an_address_said_twice_is_taken_once_and_does_not_fail_the_test_run() {
    let done = finished(Draft {
        addresses: alloc::vec![v4("10.0.0.1"), v4("10.0.0.1")],
        excluded: alloc::vec![v4("10.0.0.1")],
        ..draft()
    });
    assert!(done.findings.iter().all(|finding| finding.weight == Weight::Note));
    assert_eq!(done.findings.len(), 2);
    let config = done.config.unwrap();
    assert_eq!((config.addresses.len(), config.excluded.len()), (1, 0));
}

#[test]
fn addresses_and_peers_of_the_other_family_are_left_out_by_entry() {
    let mut other = v6("2001::5");
    other.entry = 1;
    let done = finished(Draft {
        peers: alloc::vec![peer("10.0.0.8"), peer("fe80::1")],
        addresses: alloc::vec![v4("10.0.0.4"), other],
        ..draft()
    });
    assert_eq!(
        texts(&done),
        [
            "Configuration error: VRRP instance[V] and unicast peer address[fe80::1] MUST be of the same family !!! Skipping...",
            "(V): address family must match VRRP instance [2001::5] - ignoring",
        ]
    );
    assert_eq!(done.findings[0].entry, Some(1));
    assert_eq!(done.findings[1].entry, Some(1));
}

#[test]
fn a_unicast_keyword_without_peers_means_multicast_unless_it_shall_fail() {
    let unicast = Draft {
        unicast: true,
        ..draft()
    };
    let done = finished(unicast.clone());
    assert_eq!(done.findings[0].weight, Weight::Error);
    assert!(matches!(done.config.unwrap().delivery, Delivery::Multicast { .. }));
    let done = finished(Draft {
        unicast_fault_no_peer: true,
        ..unicast
    });
    assert_eq!(done.findings[0].weight, Weight::Note);
    assert!(matches!(&done.config.unwrap().delivery, Delivery::Unicast { peers, .. } if peers.is_empty()));
}

#[test]
fn an_ipv6_host_address_is_deprecated_unless_said_otherwise() {
    let lifetime = |address: AddressDraft| {
        let done = finished(Draft {
            addresses: alloc::vec![address],
            ..draft()
        });
        done.config.unwrap().addresses[0].preferred_lifetime
    };
    assert_eq!(lifetime(v6("fe80::1")), Some(0));
    let forever = AddressDraft {
        preferred_lifetime: Some(None),
        ..v6("fe80::1")
    };
    assert_eq!(lifetime(forever), None);
    assert_eq!(lifetime(v4("10.0.0.1")), None);
}

#[test]
fn ipv6_speaks_version_3_whatever_the_global_version_is() {
    let defaults = Defaults {
        version: Some(Version::V2),
        ..defaults()
    };
    let draft = Draft {
        addresses: vec6("fe80::1"),
        ..draft()
    };
    let done = draft.finish(Name::from("V"), &defaults, &Known);
    assert_eq!(done.config.unwrap().version, Version::V3);
}

fn interval(version: Version, millis: u64) -> u128 {
    let done = finished(Draft {
        version: Some(version),
        interval: Some(Duration::from_millis(millis)),
        ..draft()
    });
    done.config.unwrap().interval.as_millis()
}

fn draft() -> Draft {
    Draft {
        interface: Some("eth0".parse().unwrap()),
        vrid: Some(Vrid(core::num::NonZeroU8::new(50).unwrap())),
        addresses: alloc::vec![v4("10.0.0.10")],
        ..Draft::default()
    }
}

fn defaults() -> Defaults {
    Defaults::default()
}

fn finished(draft: Draft) -> Finished {
    draft.finish(Name::from("V"), &defaults(), &Known)
}

fn texts(done: &Finished) -> Vec<String> {
    done.findings.iter().map(|finding| finding.text.clone()).collect()
}

fn peer(address: &str) -> Peer {
    Peer {
        address: address.parse().unwrap(),
        min_ttl: 0,
        max_ttl: 255,
    }
}

fn v4(address: &str) -> AddressDraft {
    line(address)
}

fn v6(address: &str) -> AddressDraft {
    line(address)
}

fn vec6(address: &str) -> Vec<AddressDraft> {
    alloc::vec![v6(address)]
}

fn line(address: &str) -> AddressDraft {
    AddressDraft {
        entry: 0,
        prefix: base::Prefix::host(address.parse().unwrap()),
        interface: None,
        scope: 0,
        broadcast: None,
        label: None,
        peer: None,
        flags: AddressFlags::default(),
        preferred_lifetime: None,
        tracked: true,
        use_vmac: false,
        link: None,
    }
}
