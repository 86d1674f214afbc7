//! What the program says and returns when it is asked for something other than to run.

#[allow(dead_code, reason = "shared by several test programs")]
mod support;

use support::{Place, run};

#[test]
fn the_version_is_said_on_standard_error() {
    for option in ["-v", "--version"] {
        let (code, out, err) = run(&[option]);
        assert_eq!((code, out.as_str()), (Some(0), ""));
        assert!(err.starts_with("Keepalived v2.4.3 "), "{err}");
        assert!(err.contains("\nRunning on Linux "), "{err}");
    }
}

#[test]
fn the_usage_is_said_on_standard_error() {
    for option in ["-h", "--help"] {
        let (code, out, err) = run(&[option]);
        assert_eq!((code, out.as_str()), (Some(0), ""));
        assert!(err.starts_with("Usage: "), "{err}");
        assert!(err.contains("  -f, --use-file=FILE          "), "{err}");
    }
}

#[test]
fn the_number_of_a_signal_is_said_on_standard_output() {
    assert_eq!(
        run(&["--signum=STATS_CLEAR"]),
        (Some(0), "63\n".to_owned(), String::new())
    );
    let (code, out, err) = run(&["--signum", "NOTHING"]);
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (Some(1), "", "Unknown sigfunc NOTHING\n")
    );
}

#[test]
fn an_option_that_cannot_be_understood_ends_with_1() {
    for (option, text) in [
        ("--nonsense", "Unknown option --nonsense\n"),
        ("-Z", "Unknown option -Z\n"),
        ("-p", "Missing parameter for option -p\n"),
        ("--role=nothing", "Unknown role nothing\n"),
    ] {
        let (code, out, err) = run(&[option]);
        assert_eq!((code, out.as_str(), err.as_str()), (Some(1), "", text));
    }
}

#[test]
fn a_role_cannot_be_started_by_hand() {
    let (code, _, err) = run(&["--role=vrrp"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("cannot use the standard input as control channel"),
        "{err}"
    );
}

#[test]
fn a_start_without_a_configuration_ends_with_6() {
    let place = Place::new("");
    std::fs::remove_file(place.path("k.conf")).unwrap();
    let (code, said) = place.daemon(&[]).end();
    assert_eq!(code, Some(6), "{said:?}");
    assert!(said.iter().any(|line| line.contains("k.conf")), "{said:?}");
    assert!(said.last().unwrap().contains(": Stopped Keepalived v"), "{said:?}");
}
