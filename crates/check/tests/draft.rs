//! How checks inherit, and what they need.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail like tests"
)]

use check::config::{Check, Dialogue, HttpVersion, Pace, Probe, Reply, Sni, StatusCodes};
use check::draft::{
    Around, DnsDraft, Draft, FileDraft, Finding, HttpDraft, Inherited, Kind, MiscDraft, SmtpDraft, UdpDraft, UrlDraft,
};
use std::net::IpAddr;
use std::time::Duration;

fn real() -> IpAddr {
    "10.0.0.2".parse().unwrap()
}

fn around(inherited: Inherited) -> Around {
    Around {
        address: real(),
        port: 80,
        inherited,
        service_delay_loop: None,
        real_host: None,
        service_host: None,
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn probes(draft: Draft, around: &Around) -> Vec<Probe> {
    let mut findings = Vec::new();
    let settled = draft.settle(around.address, &mut findings).unwrap();
    assert_eq!(findings, []);
    let mut checks = Vec::new();
    settled.inherit(around, &mut checks);
    let probe = |check| match check {
        Check::Probe(probe) => probe,
        Check::File(_) | Check::Bfd(_) => panic!("not a probe"),
    };
    checks.into_iter().map(probe).collect()
}

fn refusal(draft: Draft) -> String {
    draft.settle(real(), &mut Vec::new()).unwrap_err().text
}

#[test]
fn each_kind_has_its_own_habits() {
    let pace = |kind| probes(Draft::new(kind), &around(Inherited::default()))[0].pace;
    let usual = Pace {
        delay_loop: secs(60),
        retry: 1,
        delay_before_retry: secs(1),
        warmup: secs(60),
    };
    assert_eq!(pace(Kind::Tcp), usual);
    let dns = Pace {
        retry: 3,
        delay_before_retry: secs(60),
        ..usual
    };
    assert_eq!(pace(Kind::Dns(DnsDraft::default())), dns);
    let misc = MiscDraft {
        command: Some(check::config::CommandName("/bin/true".into())),
        ..MiscDraft::default()
    };
    assert_eq!(pace(Kind::Misc(misc)), Pace { retry: 0, ..usual });
    assert_eq!(pace(Kind::Http(Box::new(one_page()))).delay_before_retry, secs(3));
}

fn one_page() -> HttpDraft {
    let url = UrlDraft {
        path: Some("/".into()),
        ..UrlDraft::default()
    };
    HttpDraft {
        urls: vec![url.settle(&mut Vec::new()).unwrap()],
        ..HttpDraft::default()
    }
}

#[test]
fn the_inner_block_counts_and_warmup_follows_the_interval() {
    let service = Inherited {
        retry: Some(7),
        delay_loop: Some(secs(6)),
        connect_timeout: Some(secs(9)),
        ..Inherited::default()
    };
    let real = Inherited {
        retry: Some(5),
        ..Inherited::default()
    };
    let mut draft = Draft::new(Kind::Tcp);
    draft.common.alpha = Some(true);
    let probe = probes(draft, &around(real.within(&service))).remove(0);
    assert_eq!(
        (probe.pace.retry, probe.pace.delay_loop, probe.pace.warmup),
        (5, secs(6), secs(6))
    );
    assert!(probe.alpha);
    let Dialogue::Tcp(connection) = probe.dialogue else {
        panic!("a TCP check");
    };
    assert_eq!(
        (connection.port, connection.timeout, connection.from),
        (80, secs(9), None)
    );
}

#[test]
fn a_link_local_target_needs_an_interface() {
    let mut draft = Draft::new(Kind::Ping);
    draft.connection.address = Some("fe80::1".parse().unwrap());
    assert_eq!(
        refusal(draft.clone()),
        "Checker link local address fe80::1 requires a bind_if"
    );
    draft.connection.from.interface = Some("eth0".parse().unwrap());
    assert_eq!(probes(draft, &around(Inherited::default())).len(), 1);
}

#[test]
fn a_source_of_the_other_family_is_left_out() {
    let mut draft = Draft::new(Kind::Tcp);
    draft.connection.from.address = Some("fd00::1".parse().unwrap());
    let mut findings = Vec::new();
    let settled = draft.settle(real(), &mut findings).unwrap();
    assert_eq!(
        findings.iter().map(|f: &Finding| f.text.as_str()).collect::<Vec<_>>(),
        ["bindto address fd00::1 does not match address family of connect_ip - skipping"]
    );
    let mut checks = Vec::new();
    settled.inherit(&around(Inherited::default()), &mut checks);
    let Check::Probe(Probe {
        dialogue: Dialogue::Tcp(connection),
        ..
    }) = &checks[0]
    else {
        panic!("a TCP check");
    };
    assert_eq!(connection.from, None);
}

#[test]
fn what_has_nothing_to_do_is_no_check() {
    assert_eq!(
        refusal(Draft::new(Kind::Http(Box::default()))),
        "HTTP/SSL_GET checker has no urls specified - ignoring"
    );
    assert_eq!(
        refusal(Draft::new(Kind::Misc(MiscDraft::default()))),
        "No script path has been specified for MISC_CHECKER - skipping"
    );
    assert_eq!(
        refusal(Draft::new(Kind::File(FileDraft::default()))),
        "FILE_CHECK has no track_file specified - ignoring"
    );
    let pathless = UrlDraft::default().settle(&mut Vec::new()).unwrap_err();
    assert_eq!(pathless.text, "HTTP/SSL_GET checker url has no path - ignoring");
}

#[test]
fn every_old_host_block_is_a_check_of_its_own() {
    let mut host = (Inherited::default(), check::draft::ConnectionDraft::default());
    host.1.address = Some("10.0.0.3".parse().unwrap());
    host.0.retry = Some(4);
    let smtp = SmtpDraft {
        helo: None,
        hosts: vec![host, Default::default()],
    };
    let all = probes(Draft::new(Kind::Smtp(smtp)), &around(Inherited::default()));
    let seen: Vec<(String, u32, String)> = all
        .into_iter()
        .map(|probe| match probe.dialogue {
            Dialogue::Smtp(smtp) => (
                smtp.connection.address.to_string(),
                probe.pace.retry,
                smtp.helo.to_string(),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    let helo = "smtpchecker.keepalived.org".to_owned();
    assert_eq!(
        seen,
        [
            ("10.0.0.3".to_owned(), 4, helo.clone()),
            ("10.0.0.2".to_owned(), 1, helo)
        ]
    );
}

fn http(draft: HttpDraft, around: &Around) -> check::config::Http {
    match probes(Draft::new(Kind::Http(Box::new(draft))), around)
        .remove(0)
        .dialogue
    {
        Dialogue::Http(http) => *http,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_host_of_a_page_is_that_of_the_innermost_block_and_the_name_of_tls_skips_the_real_server() {
    let around = Around {
        real_host: Some("real".into()),
        service_host: Some("service".into()),
        ..around(Inherited::default())
    };
    let plain = http(one_page(), &around);
    assert_eq!(
        (plain.urls[0].host.as_deref(), &plain.urls[0].sni),
        (Some("real"), &Sni::Off)
    );
    let with_sni = HttpDraft {
        tls: true,
        enable_sni: true,
        ..one_page()
    };
    assert_eq!(http(with_sni.clone(), &around).urls[0].sni, Sni::Name("service".into()));
    let of_check = HttpDraft {
        host: Some("check".into()),
        ..with_sni.clone()
    };
    let of_check = http(of_check, &around);
    assert_eq!(of_check.urls[0].host.as_deref(), Some("check"));
    assert_eq!(of_check.urls[0].sni, Sni::Name("check".into()));
    let named = HttpDraft {
        sni_name: Some("sni".into()),
        ..with_sni
    };
    assert_eq!(http(named, &around).urls[0].sni, Sni::Name("sni".into()));
    assert_eq!(plain.version, HttpVersion::V10);
    assert_eq!(plain.urls[0].status, StatusCodes::default());
}

#[test]
fn lengths_of_an_answer_count_only_with_a_pattern() {
    let reply = |udp: UdpDraft| match probes(Draft::new(Kind::Udp(Box::new(udp))), &around(Inherited::default()))
        .remove(0)
        .dialogue
    {
        Dialogue::Udp(udp) => udp.reply,
        other => panic!("{other:?}"),
    };
    assert_eq!(reply(UdpDraft::default()), Reply::NotNeeded);
    let any = UdpDraft {
        require_reply: true,
        min: Some(3),
        ..UdpDraft::default()
    };
    assert_eq!(reply(any.clone()), Reply::Any);
    let like = UdpDraft {
        pattern: Some(vec![(1, 0xff)]),
        ..any
    };
    let Reply::Like(pattern) = reply(like) else {
        panic!("a pattern");
    };
    assert_eq!((pattern.min, pattern.max), (3, 255));
}

#[test]
fn regex_keywords_without_regex_are_noted_and_crossed_offsets_are_dropped() {
    let url = |regex: Option<&[u8]>| {
        let draft = UrlDraft {
            path: Some("/".into()),
            regex: regex.map(Into::into),
            min_offset: Some(7),
            max_offset: Some(3),
            ..UrlDraft::default()
        };
        let mut findings = Vec::new();
        draft.settle(&mut findings).unwrap();
        findings.into_iter().map(|finding| finding.text).collect::<Vec<_>>()
    };
    let crossed = "regex min offset 7 > regex_max_offset 3 - ignoring";
    assert_eq!(url(None), ["regex parameters specified without regex", crossed]);
    assert_eq!(url(Some(b"a")), [crossed]);
}
