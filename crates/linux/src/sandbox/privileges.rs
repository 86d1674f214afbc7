//! Capabilities, and the ways to get back those that were given up: programs with the set-user-ID bit, being user 0.

use crate::{SysError, sys};
use caps::{CapSet, CapsHashSet};
use nix::sys::prctl;
use std::io;

/// A right of the kernel beyond those of a user (capabilities(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Links, addresses, routes, rules, packet filter, IPVS, receive buffers past the system's limit.
    NetAdmin,
    /// Raw and packet sockets, binding to an interface.
    NetRaw,
    /// Ports below 1024.
    NetBindService,
    /// Files of others, to read.
    DacReadSearch,
    /// Files of others, also to write: needed for sockets that are files.
    DacOverride,
    /// Real-time priorities, nice values below zero.
    SysNice,
    /// Memory that stays in memory.
    IpcLock,
    /// Resource limits past the hard ones.
    SysResource,
    /// Network namespaces, to enter them (and much that is not needed).
    SysAdmin,
    /// What others may not know of processes, where `/proc` hides it.
    SysPtrace,
}

impl Capability {
    const fn named(self) -> caps::Capability {
        match self {
            Capability::NetAdmin => caps::Capability::CAP_NET_ADMIN,
            Capability::NetRaw => caps::Capability::CAP_NET_RAW,
            Capability::NetBindService => caps::Capability::CAP_NET_BIND_SERVICE,
            Capability::DacReadSearch => caps::Capability::CAP_DAC_READ_SEARCH,
            Capability::DacOverride => caps::Capability::CAP_DAC_OVERRIDE,
            Capability::SysNice => caps::Capability::CAP_SYS_NICE,
            Capability::IpcLock => caps::Capability::CAP_IPC_LOCK,
            Capability::SysResource => caps::Capability::CAP_SYS_RESOURCE,
            Capability::SysAdmin => caps::Capability::CAP_SYS_ADMIN,
            Capability::SysPtrace => caps::Capability::CAP_SYS_PTRACE,
        }
    }

    /// Its bit in the masks that `/proc/PID/status` shows.
    pub fn bit(self) -> u64 {
        self.named().bitmask()
    }
}

fn failed(doing: &'static str, error: caps::errors::CapsError) -> SysError {
    SysError::new(doing, "", io::Error::other(error.to_string()))
}

/// Programs give no rights any more that this process has not.
pub(super) fn no_new() -> Result<(), SysError> {
    prctl::set_no_new_privs().map_err(|errno| SysError::new("forgo new privileges", "", errno))
}

/// Being user 0 gives nothing any more, and what is dropped cannot be had again.
///
/// Who may not do this (a daemon without CAP_SETPCAP) has nothing to lose by it: [`no_new`] keeps it from gaining anything.
pub(super) fn close_ways(note: &mut impl FnMut(Result<(), SysError>)) {
    let may = caps::has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP).unwrap_or(false);
    if !may {
        return;
    }
    for capability in caps::runtime::thread_all_supported() {
        let dropped = caps::drop(None, CapSet::Bounding, capability);
        note(dropped.map_err(|error| failed("shrink the bounding set", error)));
    }
    let bits = libc::SECBIT_NOROOT
        | libc::SECBIT_NOROOT_LOCKED
        | libc::SECBIT_NO_SETUID_FIXUP
        | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
        | libc::SECBIT_KEEP_CAPS_LOCKED
        | libc::SECBIT_NO_CAP_AMBIENT_RAISE
        | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    let set = sys::sandbox::set_securebits(bits);
    note(set.map_err(|source| SysError::new("give up the rights of user 0", "", source)));
}

/// Of the capabilities of this process these stay.
pub(super) fn keep(wanted: &[Capability]) -> Result<(), SysError> {
    let doing = "drop capabilities";
    let fail = |error| failed(doing, error);
    let permitted = caps::read(None, CapSet::Permitted).map_err(fail)?;
    let stays: CapsHashSet = wanted.iter().map(|capability| capability.named()).collect();
    let stays: CapsHashSet = stays.intersection(&permitted).copied().collect();
    caps::clear(None, CapSet::Inheritable).map_err(fail)?;
    // What is effective must be permitted at every moment.
    caps::set(None, CapSet::Effective, &stays).map_err(fail)?;
    caps::set(None, CapSet::Permitted, &stays).map_err(fail)
}
