use super::*;
use ::vrrp::config::Model as Routers;
use conf::{Facts, MapLoader, compile, load};

/// An engine that runs a file, one second after the start; and what dumps know beside it.
fn running(text: &str) -> (Engine, Known, Now) {
    let loader = MapLoader::default()
        .with("/k.conf", text)
        .with_user("root", 0)
        .with_program("/bin/true");
    let facts = Facts {
        directory: "/".into(),
        ..Facts::default()
    };
    let mut model = compile(&load("k.conf", facts, &loader)).model;
    let start = Instant::from_micros(5_000_000);
    let mut engine = Engine::new(1, start, Duration::from_secs(3600));
    let routers = std::mem::take(&mut model.vrrp);
    engine.reconfigure(start, routers, &mut Vec::new());
    let now = Now {
        at: Instant::from_micros(6_000_000),
        wall: Duration::from_millis(1_700_000_000_500),
    };
    (engine, Known::of(&mut model), now)
}

fn dumped(kind: DumpKind, text: &str) -> String {
    let (engine, known, now) = running(text);
    dump(kind, &engine, &known, now, std::iter::empty())
}

const FULL: &str = "global_defs {\n script_user root\n enable_script_security\n JSON\n}
vrrp_script chk {\n script \"/bin/true a\"\n weight 5\n}
vrrp_track_process pp {\n process nginx a b\n param_match initial\n weight 10\n delay 1.5\n}
vrrp_instance V1 {
    interface eth0\n virtual_router_id 51\n priority 100\n advert_int 1\n nopreempt
    authentication {\n auth_type PASS\n auth_pass secret\n }
    track_interface {\n eth1 weight 5\n }
    track_script {\n chk\n }
    track_process {\n pp\n }
    virtual_ipaddress {\n 10.0.0.9/24 label eth0:1\n 10.0.0.10 brd 10.0.0.255 scope link\n }
    virtual_ipaddress_excluded {\n 10.0.0.11/32 dev eth1\n 2001:db8::1/64\n }
    notify /bin/true\n notify_master \"/bin/true x y\"\n smtp_alert
}
";

#[test]
fn an_engine_without_instances_has_an_empty_dump_of_each_kind() {
    let mut engine = Engine::new(1, Instant::ZERO, Duration::ZERO);
    engine.reconfigure(Instant::ZERO, Routers::default(), &mut Vec::new());
    let now = Now {
        at: Instant::ZERO,
        wall: Duration::ZERO,
    };
    let text = |kind| dump(kind, &engine, &Known::default(), now, std::iter::empty());
    assert_eq!(text(DumpKind::Stats), "");
    assert_eq!(text(DumpKind::Json), "");
    assert_eq!(text(DumpKind::Data), "------< VRRP Topology >------\n");
}

#[test]
fn json_has_every_member_in_the_order_and_the_words_of_the_original() {
    let text = dumped(DumpKind::Json, &FULL.replace("JSON", ""));
    let data = concat!(
        r#"[{"data":{"iname":"V1","dont_track_primary":0,"skip_check_adv_addr":0,"strict_mode":0,"vmac_ifname":"","#,
        r#""ifp_ifname":"eth0","master_priority":0,"last_transition":1699999999.500000,"garp_delay":5,"garp_refresh":0,"#,
        r#""garp_rep":5,"garp_refresh_rep":1,"garp_lower_prio_delay":5,"garp_lower_prio_rep":5,"lower_prio_no_advert":0,"#,
        r#""higher_prio_send_advert":0,"vrid":51,"base_priority":100,"effective_priority":100,"vipset":false,"#,
        r#""promote_secondaries":false,"adver_int":1,"master_adver_int":1,"accept":1,"nopreempt":true,"preempt_delay":0,"#,
        r#""state":3,"wantstate":1,"version":2,"smtp_alert":true,"notify_deleted":false,"#,
        r#""script_master":"'\/bin\/true' 'x' 'y'","script":"'\/bin\/true'","#,
        r#""vips":["10.0.0.9\/24 dev eth0 scope global label eth0:1","10.0.0.10 brd 10.0.0.255 dev eth0 scope link"],"#,
        r#""evips":["10.0.0.11 dev eth1 scope global","2001:db8::1\/64 dev eth0 scope global preferred_lft forever"],"#,
        r#""track_ifp":["eth1"],"track_script":["'\/bin\/true' 'a'"],"track_process":["pp"],"#,
        r#""auth_type":1,"auth_data":"********"},"stats":{"advert_rcvd":0,"advert_sent":0,"#,
    );
    assert!(text.starts_with(data), "{text}");
    // What only we count comes after what the original counts.
    assert!(text.contains(",\"pri_zero_rcvd\":0,\"pri_zero_sent\":0,"), "{text}");
    assert!(text.ends_with("}}]\n"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn json_of_version_2_has_tracked_processes_too() {
    let text = dumped(DumpKind::Json, &FULL.replace("JSON", "json_version 2"));
    assert!(text.starts_with(r#"{"vrrp":[{"data":{"#), "{text}");
    let processes = concat!(
        r#"],"track_process":[{"process":"nginx","parameters":"a b","param_match":"initial","min_processes":1,"#,
        r#""current_processes":0,"have_quorum":false,"weight":10,"terminate_delay":1.5,"fork_delay":1.5,"#,
        r#""fork_delay_timer_running":false,"terminate_delay_timer_running":false,"full_command":true}]}"#,
    );
    assert!(text.ends_with(&format!("{processes}\n")), "{text}");
}

#[test]
fn no_dump_shows_a_password() {
    for kind in [DumpKind::Data, DumpKind::Json, DumpKind::Stats] {
        let text = dumped(kind, &FULL.replace("JSON", "json_version 2"));
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn the_data_has_the_lines_that_scripts_look_for() {
    let text = dumped(DumpKind::Data, &FULL.replace("JSON", ""));
    for line in [
        " VRRP Instance = V1",
        "   VRRP Version = 2",
        "   State = FAULT",
        "   Wantstate = BACKUP",
        "   Interface = eth0",
        "   Multicast address 224.0.0.18",
        "   Virtual Router ID = 51",
        "   Priority = 100",
        "   Effective priority = 100",
        "   Advert interval = 1 sec",
        "   Authentication type = SIMPLE_PASSWORD",
        "   Password = ********",
        "   Virtual IP (2):",
        "     10.0.0.9/24 dev eth0 scope global label eth0:1",
        "   Using smtp notification = yes",
        "   Master state transition script = '/bin/true' 'x' 'y', uid:gid 0:0",
        "------< VRRP Scripts >------",
        "   Status = INIT",
        "------< VRRP Track processes >------",
        "   Current processes = 0",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
}

#[test]
fn a_json_string_escapes_what_would_end_it() {
    assert_eq!(json::quoted("a\"b\\c\n/\u{1}"), "\"a\\\"b\\\\c\\n\\/\\u0001\"");
}

#[test]
fn seconds_have_six_digits_that_count() {
    let text = |micros| words::seconds(Duration::from_micros(micros));
    assert_eq!(text(0), "0");
    assert_eq!(text(10_000), "0.01");
    assert_eq!(text(1_500_000), "1.5");
    assert_eq!(text(100_000_000), "100");
    assert_eq!(text(1_234_567), "1.23457");
}
