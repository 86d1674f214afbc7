//! What a process gives up for good: capabilities, the ways to get new ones, system calls, files it could change.
//!
//! A role of the daemon reads what strangers send. Whoever takes one over by that should find a process that can do little
//! more than its job. [`Confinement`] says what the job needs; [`Confinement::enter`] gives up everything else, for the
//! calling thread and all it makes. Which role needs what is not known here.
//!
//! A daemon for availability must not die of it. A call that is refused fails, the process lives: with EPERM and counted
//! ([`news`]) where it is one that only an attacker makes, with ENOSYS where nobody here has heard of it, because every C
//! library knows what to do on a kernel that lacks a call. What this kernel, or a container around us, does not let us give
//! up is said and kept.

mod calls;
mod files;
mod privileges;

pub use calls::{Family, Refusal, news};
pub use files::hides_processes;
pub use privileges::Capability;

use crate::SysError;
use std::path::PathBuf;

/// What a process keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Capabilities; of those only what it has.
    pub capabilities: Vec<Capability>,
    /// Sockets it may open.
    pub families: Vec<Family>,
    /// Whether it may open files to write to them. Where the kernel has Landlock, only those beneath [`Self::writable`].
    pub writes: bool,
    /// Directories beneath which it may write to files that are there. It makes and removes none.
    pub writable: Vec<PathBuf>,
    /// Whether it may enter other network namespaces.
    pub enters_namespaces: bool,
    /// Whether it may use TCP.
    pub tcp: bool,
    /// Whether it may speak to other programs by names that are no files (abstract Unix sockets).
    pub abstract_sockets: bool,
    /// Whether Landlock is used. It also hides from a process what it could learn of others by right of tracing them.
    pub landlock: bool,
}

/// What became of it.
#[derive(Debug)]
pub struct Entered {
    /// Holds what has to stay open as long as the process lives.
    pub files: Option<files::Held>,
    /// What could not be given up, and why.
    pub kept: Vec<SysError>,
}

impl Confinement {
    /// Gives up everything else. To be called while there is a single thread: others keep what they have.
    pub fn enter(&self) -> Entered {
        let mut kept = Vec::new();
        let mut note = |result: Result<(), SysError>| kept.extend(result.err());
        note(privileges::no_new());
        // Needs a capability that is given up next.
        privileges::close_ways(&mut note);
        let files = self
            .landlock
            .then(|| files::restrict(self))
            .and_then(|result| result.map_err(|error| note(Err(error))).ok());
        note(privileges::keep(&self.capabilities));
        note(calls::filter(self));
        Entered { files, kept }
    }
}

/// Whether this kernel has Landlock.
pub fn has_landlock() -> bool {
    files::is_supported()
}

#[cfg(test)]
mod tests;
