//! Joining a network namespace by name, a mount namespace in which the run directory is private to it, and what
//! interfaces there are where this process is.

use crate::{SysError, sys_process};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::net::if_::if_nameindex;
use nix::sched::{CloneFlags, setns, unshare};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The network namespace of process 1.
const FIRST: &str = "/proc/1/ns/net";
/// That of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// The first network namespace, opened while that was allowed.
static HELD: OnceLock<File> = OnceLock::new();

/// Whether this thread is in the network namespace of process 1; where that cannot be told it is taken to be.
pub fn is_first() -> bool {
    let identity = |path: &str| std::fs::metadata(path).map(|namespace| (namespace.dev(), namespace.ino()));
    match (identity(FIRST), identity(OWN)) {
        (Ok(first), Ok(own)) => first == own,
        (Ok(_) | Err(_), _) => true,
    }
}

/// Keeps the first network namespace open, so that [`first`] can be entered by a process that may not look at process 1
/// any more.
pub fn hold_first() {
    // Who may not look at it now will hear so from whoever wants to enter it.
    if HELD.get().is_none()
        && let Ok(file) = File::open(FIRST)
    {
        let _ = HELD.set(file);
    }
}

/// The file that names the first network namespace.
pub fn first() -> PathBuf {
    let held = HELD
        .get()
        .map(|file| PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())));
    held.unwrap_or_else(|| PathBuf::from(FIRST))
}

/// From now on this process uses the network namespace that `file` names.
pub fn join_network(file: &Path) -> Result<(), SysError> {
    let fail = |source: io::Error| SysError::new("join network namespace", file.display(), source);
    let handle = File::open(file).map_err(fail)?;
    setns(handle, CloneFlags::CLONE_NEWNET).map_err(|errno| fail(errno.into()))
}

/// Does something in the network namespace that `file` names, in a thread of its own: what is opened there stays there.
pub fn within<T: Send + 'static>(
    file: PathBuf,
    work: impl FnOnce() -> Result<T, SysError> + Send + 'static,
) -> Result<T, SysError> {
    let thread = std::thread::spawn(move || {
        join_network(&file)?;
        work()
    });
    let died = || {
        SysError::new(
            "work in another network namespace",
            "",
            io::Error::other("the thread died"),
        )
    };
    thread.join().unwrap_or_else(|_| Err(died()))
}

/// From now on mounts made by this process are seen by it and its children only; mounts made outside still
/// arrive here.
pub fn leave_mounts() -> Result<(), SysError> {
    let fail = |errno: nix::errno::Errno| SysError::new("use mounts of its own", "", errno);
    unshare(CloneFlags::CLONE_NEWNS).map_err(fail)?;
    let nothing: Option<&Path> = None;
    mount(
        nothing,
        Path::new("/"),
        nothing,
        MsFlags::MS_REC | MsFlags::MS_SLAVE,
        nothing,
    )
    .map_err(fail)
}

/// What is in `source` is from now on found at `target`.
pub fn bind(source: &Path, target: &Path) -> Result<(), SysError> {
    let nothing: Option<&Path> = None;
    mount(Some(source), target, nothing, MsFlags::MS_BIND, nothing)
        .map_err(|errno| SysError::new("bind a directory over", target.display(), errno))
}

/// Undoes [`bind`] for whoever opens the path from now on; files that are open stay so.
pub fn unbind(target: &Path) -> Result<(), SysError> {
    umount2(target, MntFlags::MNT_DETACH).map_err(|errno| SysError::new("unmount", target.display(), errno))
}

/// A network interface as the namespace of this process has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceSummary {
    /// Its name.
    pub name: String,
    /// The largest packet it takes, in bytes.
    pub mtu: u32,
    /// Whether it can do multicast.
    pub multicast: bool,
}

/// The interfaces of the network namespace of this process, by name.
pub fn interfaces() -> Result<Vec<InterfaceSummary>, SysError> {
    let fail = |source: io::Error| SysError::new("list interfaces", "", source);
    // Not with their addresses: a master has thousands.
    let all = if_nameindex().map_err(|errno| fail(errno.into()))?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(fail)?;
    let names: BTreeSet<&str> = all
        .iter()
        .filter_map(|interface| interface.name().to_str().ok())
        .collect();
    let summary = |name: &str| {
        // One that vanished since is not an interface of this namespace any more.
        let mtu = sys_process::interface_mtu(socket.as_fd(), name).ok()?;
        let flags = sys_process::interface_flags(socket.as_fd(), name).ok()?;
        Some(InterfaceSummary {
            name: name.to_owned(),
            mtu,
            multicast: flags & libc::IFF_MULTICAST != 0,
        })
    };
    Ok(names.into_iter().filter_map(summary).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_listed_once_with_its_mtu() {
        let all = interfaces().unwrap();
        let loopback: Vec<_> = all.iter().filter(|interface| interface.name == "lo").collect();
        assert_eq!(loopback.len(), 1, "{all:?}");
        assert!(loopback[0].mtu >= 1280 && !loopback[0].multicast, "{loopback:?}");
    }

    #[test]
    fn the_first_namespace_can_be_entered_by_the_file_that_was_kept() {
        let number = || std::fs::read_link(OWN).unwrap();
        let Ok(first) = std::fs::read_link(FIRST) else {
            assert!(is_first(), "nobody says that it is not");
            eprintln!("skipped: process 1 cannot be looked at");
            return;
        };
        assert_eq!(is_first(), number() == first);
        let Some(net) = crate::testing::Netns::new() else {
            return;
        };
        let inside = net.run(|| {
            assert!(!is_first());
            hold_first();
            let there = within(super::first(), move || Ok(std::fs::read_link(OWN).unwrap())).unwrap();
            assert_ne!(number(), first);
            there
        });
        assert!(super::first().starts_with("/proc/self/fd"));
        assert_eq!(inside, std::fs::read_link(FIRST).unwrap());
    }

    #[test]
    fn a_namespace_that_does_not_exist_cannot_be_joined() {
        let error = join_network(Path::new("/run/netns/no-such-namespace")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot join network namespace /run/netns/no-such-namespace: "),
            "{error}"
        );
    }
}
