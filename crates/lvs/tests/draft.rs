//! The rules between keywords of a virtual server. The messages are those of the original, as seen by running it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail like tests"
)]

use base::Family;
use lvs::config::{
    Endpoint, Entry, Forwarding, Granularity, Group, PERSISTENCE_DEFAULT, Protocol, Range, Scheduler, Service, Target,
    Tunnel,
};
use lvs::draft::{Finished, RealDraft, ServiceDraft, SorryDraft, Weight};
use std::num::NonZeroU32;

fn at(text: &str, port: u16) -> Endpoint {
    Endpoint::new(text.parse().unwrap(), port)
}

/// A virtual server that says everything it has to.
fn said(target: Target) -> ServiceDraft {
    ServiceDraft {
        protocol: Some(Protocol::Tcp),
        scheduler: Some(Scheduler::Rr),
        forwarding: Some(Forwarding::Nat),
        ..ServiceDraft::new(target)
    }
}

fn address(text: &str, port: u16) -> Target {
    Target::Address {
        at: at(text, port),
        protocol: None,
    }
}

fn mark() -> Target {
    Target::Mark { mark: 7, family: None }
}

fn real(text: &str, port: u16) -> RealDraft {
    RealDraft::new(at(text, port))
}

fn tunnelled(text: &str) -> RealDraft {
    RealDraft {
        forwarding: Some(Forwarding::Tunnel(Tunnel::IPIP)),
        ..real(text, 0)
    }
}

fn texts(finished: &Finished) -> Vec<&str> {
    finished.findings.iter().map(|finding| finding.text.as_str()).collect()
}

fn service(finished: &Finished) -> &Service {
    finished.service.as_ref().unwrap()
}

#[test]
fn a_complete_virtual_server_gives_nothing_to_say() {
    let draft = ServiceDraft {
        reals: vec![real("10.0.0.2", 80), real("10.0.0.3", 0)],
        ..said(address("10.0.0.1", 80))
    };
    let finished = draft.finish(None, 0);
    assert_eq!(texts(&finished), [""; 0]);
    let service = service(&finished);
    assert_eq!(service.key.to_string(), "[10.0.0.1]:tcp:80");
    assert_eq!(
        service.reals[1].at.port, 80,
        "with NAT a port that is not given is that of the service"
    );
    assert_eq!(finished.places, [Some(at("10.0.0.2", 80)), Some(at("10.0.0.3", 80))]);
}

#[test]
fn a_virtual_server_that_says_nothing_gets_defaults_and_is_told_so() {
    let draft = ServiceDraft {
        reals: vec![real("10.0.0.2", 80)],
        ..ServiceDraft::new(address("10.0.0.1", 0))
    };
    let finished = draft.finish(None, 0);
    assert_eq!(
        texts(&finished),
        [
            "Virtual server [10.0.0.1]:none:0: no protocol set - defaulting to UDP",
            "Virtual server [10.0.0.1]:udp:0: zero port only valid for persistent services - setting",
            "Virtual server [10.0.0.1]:udp:0: no scheduler set, setting default 'wlc'",
            "Virtual server [10.0.0.1]:udp:0: no forwarding method set, setting default NAT",
        ]
    );
    let service = service(&finished);
    assert_eq!(service.persistence, NonZeroU32::new(PERSISTENCE_DEFAULT));
    assert_eq!(service.scheduler, Scheduler::Wlc);
    assert_eq!(service.reals[0].forwarding, Forwarding::Nat);
}

#[test]
fn without_real_servers_there_is_no_virtual_server() {
    let finished = said(address("10.0.0.1", 80)).finish(None, 0);
    assert_eq!(finished.service, None);
    assert_eq!(
        texts(&finished),
        ["Virtual server [10.0.0.1]:tcp:80 has no real servers - ignoring"]
    );
    assert!(finished.findings[0].at_end_of_block);
}

#[test]
fn servers_of_another_family_are_left_out_unless_they_are_tunnelled() {
    let draft = ServiceDraft {
        reals: vec![real("10.0.0.2", 80), real("fd00::2", 80), tunnelled("fd00::3")],
        sorry: Some(SorryDraft {
            at: at("fd00::4", 80),
            forwarding: None,
            inhibit: false,
        }),
        ..said(address("10.0.0.1", 80))
    };
    let finished = draft.finish(None, 0);
    assert_eq!(
        texts(&finished),
        [
            "Address family of virtual server and real server fd00::2 don't match - skipping real server.",
            "Address family of virtual server and sorry server fd00::4 don't match - skipping sorry server.",
        ]
    );
    assert_eq!(finished.findings[0].real, Some(1));
    assert_eq!(finished.places[1], None);
    assert_eq!(service(&finished).reals.len(), 2);
    assert_eq!(service(&finished).sorry, None);
}

#[test]
fn a_mark_takes_its_family_from_what_is_said_of_it() {
    let family = |draft: ServiceDraft| service(&draft.finish(None, 0)).family;
    let of = |reals: Vec<RealDraft>| ServiceDraft {
        protocol: None,
        reals,
        ..said(mark())
    };
    assert_eq!(family(of(vec![real("fd00::2", 80)])), Some(Family::V6));
    assert_eq!(
        family(of(vec![tunnelled("fd00::2"), real("10.0.0.2", 80)])),
        Some(Family::V4)
    );
    assert_eq!(family(of(vec![tunnelled("fd00::2")])), Some(Family::V6));
    assert_eq!(
        family(of(vec![tunnelled("fd00::2"), tunnelled("10.0.0.2")])),
        Some(Family::V4)
    );
    let by_mask = ServiceDraft {
        granularity: Some(Granularity::V6(64)),
        ..of(vec![tunnelled("10.0.0.2")])
    };
    assert_eq!(family(by_mask), Some(Family::V6));
    let said = ServiceDraft {
        family: Some(Family::V4),
        ..of(vec![tunnelled("fd00::2")])
    };
    assert_eq!(family(said), Some(Family::V4));
}

#[test]
fn a_mark_has_no_protocol_no_suspension_and_no_ports_of_its_own() {
    let draft = ServiceDraft {
        ha_suspend: true,
        forwarding: Some(Forwarding::Direct),
        reals: vec![real("10.0.0.2", 80)],
        sorry: Some(SorryDraft {
            at: at("10.0.0.9", 7),
            forwarding: None,
            inhibit: false,
        }),
        ..said(mark())
    };
    let finished = draft.finish(None, 0);
    assert_eq!(
        texts(&finished),
        [
            "Virtual server FWM 7: cannot use ha_suspend with fwmarks - clearing ha_suspend",
            "Warning: Virtual server FWM 7: protocol specified for fwmark - protocol will be ignored",
            "WARNING - fwmark virtual server FWM 7, real server [10.0.0.2]:none:80 has port specified - clearing",
            "WARNING - fwmark virtual server FWM 7, sorry server has port specified - clearing",
        ]
    );
    let service = service(&finished);
    assert_eq!((service.protocol, service.ha_suspend), (None, false));
    assert_eq!(service.reals[0].at.port, 0);
}

#[test]
fn ports_that_cannot_differ_are_reset_and_what_is_twice_then_is_once() {
    let draft = ServiceDraft {
        forwarding: Some(Forwarding::Direct),
        reals: vec![real("10.0.0.2", 81), real("10.0.0.2", 81), real("10.0.0.2", 82)],
        sorry: Some(SorryDraft {
            at: at("10.0.0.9", 7),
            forwarding: None,
            inhibit: false,
        }),
        ..said(address("10.0.0.1", 80))
    };
    let finished = draft.finish(None, 0);
    assert_eq!(
        texts(&finished),
        [
            "VS [10.0.0.1]:tcp:80: real server [10.0.0.2]:tcp:81 is duplicated - removing second rs",
            "WARNING - virtual server [10.0.0.1]:tcp:80 and real server [10.0.0.2]:tcp:81 ports don't match - resetting",
            "WARNING - virtual server [10.0.0.1]:tcp:80 and real server [10.0.0.2]:tcp:82 ports don't match - resetting",
            "WARNING - virtual server [10.0.0.1]:tcp:80 and sorry server ports don't match - resetting",
            "VS [10.0.0.1]:tcp:80: real server [10.0.0.2]:tcp:80 is duplicated - removing second rs",
        ]
    );
    assert_eq!(service(&finished).reals.len(), 1);
    assert_eq!(finished.places, [Some(at("10.0.0.2", 80)), None, None]);
}

#[test]
fn quorum_and_hysteresis_stay_where_they_can_be_reached() {
    let draft = ServiceDraft {
        quorum: NonZeroU32::new(9).unwrap(),
        hysteresis: 9,
        weight: 2,
        reals: vec![real("10.0.0.2", 80), real("10.0.0.3", 80)],
        ..said(address("10.0.0.1", 80))
    };
    let finished = draft.finish(None, 0);
    assert_eq!(
        texts(&finished),
        [
            "Warning - quorum 9 for [10.0.0.1]:tcp:80 exceeds total weight of real servers 4, reducing quorum to 4",
            "Virtual server [10.0.0.1]:tcp:80: hysteresis 9 >= quorum 4; setting hysteresis to 3",
        ]
    );
    assert_eq!((service(&finished).quorum.get(), service(&finished).hysteresis), (4, 3));
}

#[test]
fn servers_without_weight_are_never_a_quorum() {
    let weightless = RealDraft {
        weight: Some(0),
        ..real("10.0.0.2", 80)
    };
    let draft = ServiceDraft {
        reals: vec![weightless],
        ..said(address("10.0.0.1", 80))
    };
    let finished = draft.finish(None, 0);
    assert_eq!((service(&finished).quorum.get(), service(&finished).hysteresis), (1, 0));
}

#[test]
fn a_sorry_server_that_is_a_real_server_is_inhibited_as_that_is() {
    for (inhibit, word) in [(true, "setting"), (false, "clearing")] {
        let draft = ServiceDraft {
            inhibit_on_failure: inhibit,
            reals: vec![real("10.0.0.2", 80)],
            sorry: Some(SorryDraft {
                at: at("10.0.0.2", 80),
                forwarding: None,
                inhibit: !inhibit,
            }),
            ..said(address("10.0.0.1", 80))
        };
        let finished = draft.finish(None, 0);
        let expected = format!(
            "Virtual server [10.0.0.1]:tcp:80: real server [10.0.0.2]:tcp:80 matches sorry server, but inhibit setting \
             differs, {word} on sorry server"
        );
        assert_eq!(texts(&finished), [expected.as_str()]);
        assert_eq!(service(&finished).sorry.as_ref().unwrap().inhibit, inhibit);
    }
}

#[test]
fn single_packets_are_scheduled_only_with_udp() {
    let draft = ServiceDraft {
        one_packet: true,
        reals: vec![real("10.0.0.2", 80)],
        ..said(address("10.0.0.1", 80))
    };
    let finished = draft.finish(None, 0);
    assert_eq!(
        texts(&finished),
        ["Virtual server [10.0.0.1]:tcp:80: one packet scheduling requires UDP - resetting"]
    );
    assert!(!service(&finished).one_packet);
}

fn group(entries: Vec<Entry>) -> Group {
    lvs::draft::group("g".into(), entries).unwrap()
}

fn range(text: &str, port: u16) -> Entry {
    let address = text.parse().unwrap();
    Entry::Range(Range::new(address, address, port).unwrap())
}

#[test]
fn a_virtual_server_of_a_group_that_is_not_there_is_left_out_with_a_note() {
    let draft = ServiceDraft {
        reals: vec![real("10.0.0.2", 80)],
        ..said(Target::Group("g".into()))
    };
    let finished = draft.finish(None, 3);
    assert_eq!(finished.service, None);
    assert_eq!(
        texts(&finished),
        ["Virtual server group g specified but not configured - ignoring virtual server [g]:3"]
    );
    assert_eq!(finished.findings[0].weight, Weight::Note);
}

#[test]
fn ports_of_destinations_of_a_group_are_ignored_and_that_is_said_where_it_matters() {
    let group = group(vec![
        range("10.0.0.1", 80),
        Entry::Mark { mark: 3, family: None },
        range("10.0.0.5", 88),
    ]);
    let draft = ServiceDraft {
        forwarding: Some(Forwarding::Direct),
        reals: vec![real("10.0.0.2", 88)],
        ..said(Target::Group("g".into()))
    };
    let finished = draft.finish(Some(&group), 0);
    assert_eq!(
        texts(&finished),
        [
            "WARNING - fwmark virtual server [g]:0, real server [10.0.0.2]:tcp:88 has port specified - port will be ignored",
            "virtual server [g]:0:[10.0.0.1,80] and real server [10.0.0.2]:tcp:88 ports don't match",
        ]
    );
}

#[test]
fn a_large_group_does_not_make_more_messages_than_anybody_reads() {
    let entries = (0..5_000).map(|n| range("10.0.0.1", 1 + n % 1_000)).collect();
    let group = group(entries);
    let reals = (0..200).map(|n| real(&format!("10.1.0.{n}"), 9_999)).collect();
    let draft = ServiceDraft {
        forwarding: Some(Forwarding::Direct),
        reals,
        ..said(Target::Group("g".into()))
    };
    let finished = draft.finish(Some(&group), 0);
    assert_eq!(finished.findings.len(), 200 * 16);
}

#[test]
fn a_group_of_both_families_wants_a_virtual_server_without_one() {
    let both = group(vec![range("10.0.0.1", 80), range("fd00::1", 80)]);
    let decided = ServiceDraft {
        reals: vec![real("10.0.0.2", 80)],
        ..said(Target::Group("g".into()))
    };
    let finished = decided.finish(Some(&both), 0);
    assert_eq!(
        texts(&finished),
        ["g: virtual server group with IPv4 & IPv6 doesn't match virtual server [g]:0 - ignoring"]
    );
    let open = ServiceDraft {
        reals: vec![tunnelled("10.0.0.2")],
        ..said(Target::Group("g".into()))
    };
    let finished = open.finish(Some(&both), 0);
    assert_eq!((texts(&finished), service(&finished).family), (vec![], None));
}

#[test]
fn a_group_needs_entries_and_may_not_leave_open_what_a_mark_is() {
    assert_eq!(
        lvs::draft::group("g".into(), vec![]),
        Err("virtual server group g has no entries - removing".to_owned())
    );
    let mixed = vec![
        range("10.0.0.1", 80),
        range("fd00::1", 80),
        Entry::Mark { mark: 3, family: None },
    ];
    assert_eq!(
        lvs::draft::group("g".into(), mixed),
        Err("virtual server group g cannot have IPv4, IPv6 and fwmark without family - removing".to_owned())
    );
}
