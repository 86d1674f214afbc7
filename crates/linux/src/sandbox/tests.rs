use super::calls::{FORBIDDEN, PERMITTED};
use super::*;
use crate::sys::sandbox::call_in_vain;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// Does something in a thread that has given up everything that is not said; the thread of the test keeps what it has.
fn confined<T: Send>(to: &Confinement, work: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        let entered = to.enter();
        assert!(entered.kept.is_empty(), "{:?}", entered.kept);
        assert_eq!(field("Seccomp"), "2", "nothing may be tried without a filter");
        work()
    };
    std::thread::scope(|scope| scope.spawn(inside).join().unwrap())
}

/// A line of what the kernel says of the calling thread.
fn field(name: &str) -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

fn mask(name: &str) -> u64 {
    u64::from_str_radix(&field(name), 16).unwrap()
}

fn little() -> Confinement {
    Confinement {
        families: vec![Family::Unix],
        landlock: has_landlock(),
        ..Confinement::default()
    }
}

#[test]
fn capabilities_that_are_not_kept_are_gone_from_every_set_and_stay_gone() {
    let before = mask("CapPrm");
    let to = Confinement {
        capabilities: vec![Capability::NetRaw, Capability::SysNice],
        ..little()
    };
    confined(&to, || {
        let kept = Capability::NetRaw.bit() | Capability::SysNice.bit();
        for set in ["CapEff", "CapPrm"] {
            assert_eq!(mask(set), kept & before, "{set}");
        }
        for set in ["CapInh", "CapAmb"] {
            assert_eq!(mask(set), 0, "{set}");
        }
        if nix::unistd::geteuid().is_root() {
            assert_eq!(mask("CapBnd") & before, 0, "what a program could be given");
        }
        assert_eq!(field("NoNewPrivs"), "1");
    });
    assert_eq!(mask("CapPrm"), before, "other threads have what they had");
}

#[test]
fn every_forbidden_call_is_refused_named_and_counted() {
    confined(&little(), || {
        drop(news());
        for (number, name) in FORBIDDEN.iter().copied().flatten() {
            let error = call_in_vain(*number);
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{name}: {error}");
            let call = name.strip_prefix("SYS_").unwrap();
            assert_eq!(news(), [Refusal { call, times: 1 }]);
        }
        assert_eq!(news(), []);
    });
}

#[test]
fn what_kernels_will_bring_does_not_exist_and_ends_nobody() {
    confined(&little(), || {
        for number in [libc::SYS_clone3, 499, 4095, 0x4000_0000 + 39] {
            let error = call_in_vain(number);
            assert_eq!(error.raw_os_error(), Some(libc::ENOSYS), "{number}");
        }
    });
}

#[test]
fn no_call_is_both_permitted_and_forbidden_and_none_is_named_twice() {
    let all: Vec<i64> = PERMITTED
        .iter()
        .chain(FORBIDDEN)
        .copied()
        .flatten()
        .map(|(number, _)| *number)
        .collect();
    let once: BTreeSet<i64> = all.iter().copied().collect();
    assert_eq!(once.len(), all.len());
}

#[test]
fn no_program_is_run_and_no_process_made_but_threads_are() {
    confined(&little(), || {
        let error = Command::new("/bin/true").spawn().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::PermissionDenied), "{error:?}");
        assert_eq!(std::thread::spawn(|| field("Seccomp")).join().unwrap(), "2");
    });
}

#[test]
fn other_processes_cannot_be_signalled() {
    let other = Ended(Command::new("sleep").arg("1000").spawn().unwrap());
    let pid = nix::unistd::Pid::from_raw(other.0.id() as i32);
    confined(&little(), || {
        assert_eq!(nix::sys::signal::kill(pid, None), Err(nix::errno::Errno::EPERM));
    });
}

/// A process that ends with the test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn write_to(path: &Path) -> std::io::Result<()> {
    fs::OpenOptions::new().write(true).open(path).map(drop)
}

#[test]
fn who_writes_no_files_opens_none_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "precious").unwrap();
    // Without Landlock the filter of system calls alone sees to it.
    for landlock in [false, has_landlock()] {
        let to = Confinement { landlock, ..little() };
        confined(&to, || {
            assert!(write_to(&path).is_err());
            assert!(fs::write(&path, "").is_err());
            assert!(fs::File::create(folder.path().join("new")).is_err());
            assert!(fs::OpenOptions::new().append(true).open(&path).is_err());
            assert!(fs::remove_file(&path).is_err());
            assert!(fs::rename(&path, folder.path().join("other")).is_err());
            assert!(fs::create_dir(folder.path().join("dir")).is_err());
            assert!(std::os::unix::fs::symlink(&path, folder.path().join("link")).is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        });
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn who_writes_settings_writes_beneath_their_directory_only() {
    if !has_landlock() {
        eprintln!("skipped: this kernel has no Landlock");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (inside, outside) = (folder.path().join("settings"), folder.path().join("outside"));
    fs::create_dir(&inside).unwrap();
    for path in [inside.join("a"), outside.clone()] {
        fs::write(path, "0").unwrap();
    }
    let to = Confinement {
        writes: true,
        writable: vec![inside.clone(), folder.path().join("absent")],
        ..little()
    };
    confined(&to, || {
        fs::write(inside.join("a"), "1").unwrap();
        assert!(fs::write(inside.join("new"), "1").is_err(), "none is made");
        assert!(fs::write(&outside, "1").is_err());
        assert!(fs::write(inside.join("../outside"), "1").is_err());
    });
    assert_eq!(fs::read_to_string(&outside).unwrap(), "0");
}

#[test]
fn sockets_of_other_families_cannot_be_opened() {
    use socket2::{Domain, Socket, Type};
    let open = |domain: i32| Socket::new(Domain::from(domain), Type::DGRAM, None).map(drop);
    let to = Confinement {
        families: vec![Family::Inet, Family::Netlink],
        ..little()
    };
    confined(&to, || {
        open(libc::AF_INET).unwrap();
        for other in [
            libc::AF_INET6,
            libc::AF_UNIX,
            libc::AF_PACKET,
            libc::AF_ALG,
            libc::AF_VSOCK,
        ] {
            let error = open(other).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{other}");
        }
    });
}

#[test]
fn tcp_is_for_those_who_need_it() {
    use std::net::{TcpListener, TcpStream};
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let with = Confinement {
        families: vec![Family::Inet],
        tcp: true,
        ..little()
    };
    confined(&with, || TcpStream::connect(address).map(drop).unwrap());
    let without = Confinement { tcp: false, ..with };
    // Version 4 of Landlock, Linux 6.7.
    let knows = confined(&without, || TcpStream::connect(address).is_err());
    if !knows {
        eprintln!("skipped: this kernel does not tell TCP apart");
    }
}

#[test]
fn memory_that_was_written_to_does_not_become_code() {
    use crate::sys::sandbox::memory;
    use libc::{PROT_EXEC, PROT_READ, PROT_WRITE};
    memory(PROT_READ | PROT_WRITE | PROT_EXEC, PROT_READ).unwrap();
    confined(&little(), || {
        memory(PROT_READ | PROT_WRITE, PROT_READ).unwrap();
        for (first, then) in [
            (PROT_READ | PROT_WRITE | PROT_EXEC, PROT_READ),
            (PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC),
        ] {
            let error = memory(first, then).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        }
    });
}
