//! Joining a network namespace by name, and a mount namespace in which the run directory is private to it.

use crate::SysError;
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io;
use std::path::Path;

/// From now on this process uses the network namespace that `file` names.
pub fn join_network(file: &Path) -> Result<(), SysError> {
    let fail = |source: io::Error| SysError::new("join network namespace", file.display(), source);
    let handle = File::open(file).map_err(fail)?;
    setns(handle, CloneFlags::CLONE_NEWNET).map_err(|errno| fail(errno.into()))
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

/// Undoes [`bind`].
pub fn unbind(target: &Path) -> Result<(), SysError> {
    umount(target).map_err(|errno| SysError::new("unmount", target.display(), errno))
}
