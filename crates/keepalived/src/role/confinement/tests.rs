use super::*;
use std::fs;
use std::net::UdpSocket;
use std::process::Command;

fn here() -> Place {
    Place {
        elsewhere: false,
        core_files: false,
        hidden: false,
        landlock: sandbox::has_landlock(),
    }
}

/// Does something in a thread that is confined like this; the thread of the test is not.
fn confined<T: Send>(to: &Confinement, work: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        let entered = to.enter();
        assert!(entered.kept.is_empty(), "{:?}", entered.kept);
        work()
    };
    std::thread::scope(|scope| scope.spawn(inside).join().unwrap())
}

fn all() -> impl Iterator<Item = (String, Confinement)> {
    let roles = Kind::ALL
        .into_iter()
        .map(|kind| (format!("{kind:?}"), of(kind, here())));
    roles.chain([("mailer".to_owned(), of_mailer(here().landlock))])
}

#[test]
fn no_process_that_strangers_speak_to_runs_a_program_or_changes_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "precious").unwrap();
    for (who, to) in all() {
        if to.writes && !to.landlock {
            eprintln!("skipped for {who}: this kernel has no Landlock");
            continue;
        }
        confined(&to, || {
            assert!(Command::new("/bin/true").status().is_err(), "{who}");
            assert!(fs::write(&path, "").is_err(), "{who}");
            assert!(fs::write(folder.path().join("new"), "").is_err(), "{who}");
            assert!(fs::remove_file(&path).is_err(), "{who}");
            assert!(fs::write("/proc/sys/kernel/core_pattern", "|/x").is_err(), "{who}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "precious", "{who}");
            // What they are there for.
            UdpSocket::bind("127.0.0.1:0").unwrap();
        });
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_vrrp_role_sets_what_interfaces_have_and_nothing_else_beneath_proc() {
    let to = of(Kind::Vrrp, here());
    confined(&to, || {
        let setting = "/proc/sys/net/ipv4/conf/lo/arp_filter";
        let before = fs::read_to_string(setting).unwrap();
        fs::write(setting, before).unwrap();
        if to.landlock {
            let other = "/proc/sys/vm/swappiness";
            let before = fs::read_to_string(other).unwrap();
            assert!(fs::write(other, before).is_err());
        }
    });
}

#[test]
fn only_who_has_something_to_do_in_another_namespace_may_enter_one() {
    for elsewhere in [false, true] {
        let to = of(Kind::Check, Place { elsewhere, ..here() });
        let entered = confined(&to, || {
            namespace::join_network(std::path::Path::new("/proc/self/ns/net")).is_ok()
        });
        assert_eq!(entered, elsewhere);
    }
}

#[test]
fn a_process_that_is_to_leave_a_core_file_or_to_see_hidden_processes_goes_without_landlock() {
    let landlock = Place {
        landlock: true,
        ..here()
    };
    let core_files = Place {
        core_files: true,
        ..landlock
    };
    let hidden = Place {
        hidden: true,
        ..landlock
    };
    for kind in Kind::ALL {
        assert!(of(kind, landlock).landlock);
        assert!(!of(kind, core_files).landlock);
        assert_eq!(of(kind, hidden).landlock, kind != Kind::Vrrp);
    }
    assert!(of(Kind::Vrrp, hidden).capabilities.contains(&Capability::SysPtrace));
    assert!(!of(Kind::Vrrp, landlock).capabilities.contains(&Capability::SysPtrace));
}

#[derive(Default)]
struct Said(Vec<String>);

impl crate::log::Sink for Said {
    fn take(&mut self, line: crate::log::Line) {
        self.0.push(line.text);
    }
}

#[test]
fn what_was_refused_is_said_once_with_how_often_and_the_process_goes_on() {
    let to = of(Kind::Check, here());
    let said = confined(&to, || {
        let said = std::rc::Rc::new(std::cell::RefCell::new(Said::default()));
        let sink: std::rc::Rc<std::cell::RefCell<dyn crate::log::Sink>> =
            std::rc::Rc::<std::cell::RefCell<Said>>::clone(&said);
        let reporter = Reporter::new(sink, 0);
        for _ in 0..3 {
            assert!(fs::create_dir("/tmp/never").is_err());
        }
        tell_refusals(Kind::Check, &reporter);
        tell_refusals(Kind::Check, &reporter);
        let said = said.borrow();
        said.0.clone()
    });
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("the Healthcheck process"), "{said:?}");
    assert!(said[0].contains("(3 times)"), "{said:?}");
}
