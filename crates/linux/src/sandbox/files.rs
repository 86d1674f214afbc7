//! Landlock: which files a process may change, which programs it may run, whom it may send signals.
//!
//! Reading is not restricted: which files a configuration will name after a reload nobody knows.

use super::Confinement;
use crate::SysError;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope,
};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

/// The newest version of Landlock whose rights are known here; of older kernels those they have.
const KNOWN: ABI = ABI::V7;

/// Open directories. A rule is about the object in the kernel that a directory was when the rule was made; in `/proc`
/// it is another one as soon as nobody uses it.
#[derive(Debug)]
pub struct Held {
    _directories: Vec<File>,
}

/// Whether the kernel has it.
pub(super) fn is_supported() -> bool {
    // Asks for a right that every version has.
    let hard = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    hard.handle_access(AccessFs::WriteFile)
        .and_then(Ruleset::create)
        .is_ok()
}

/// Restricts the calling thread and all it makes.
pub(super) fn restrict(to: &Confinement) -> Result<Held, SysError> {
    let doing = "restrict what files this process may change";
    let failed = |error: landlock::RulesetError| SysError::new(doing, "", io::Error::other(error.to_string()));
    let mut directories = Vec::new();
    for path in to.writable.iter().filter(|path| path.exists()) {
        let open = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_CLOEXEC)
            .open(path);
        directories.push(open.map_err(|source| SysError::new("open", path.display(), source))?);
    }
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_write(KNOWN) | AccessFs::Execute)
        .map_err(failed)?
        .scope(Scope::Signal)
        .map_err(failed)?;
    if !to.tcp {
        rules = rules.handle_access(AccessNet::from_all(KNOWN)).map_err(failed)?;
    }
    if !to.abstract_sockets {
        rules = rules.scope(Scope::AbstractUnixSocket).map_err(failed)?;
    }
    let mut rules = rules.create().map_err(failed)?;
    for directory in &directories {
        let beneath = PathBeneath::new(directory, AccessFs::WriteFile | AccessFs::Truncate);
        rules = rules.add_rule(beneath).map_err(failed)?;
    }
    let status = rules.restrict_self().map_err(failed)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(Held {
            _directories: directories,
        }),
        RulesetStatus::NotEnforced => Err(SysError::new(doing, "", io::Error::from(io::ErrorKind::Unsupported))),
    }
}

/// Whether `/proc` shows processes of others only to who may trace them (`hidepid`): under Landlock nobody may.
pub fn hides_processes() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    hides(&mounts)
}

fn hides(mounts: &str) -> bool {
    let mut of_proc = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind, options) = (words.next()?, words.next()?, words.next()?);
        (place == "/proc" && kind == "proc").then_some(options)
    });
    // Of several the last one covers the others.
    let options = of_proc.next_back().unwrap_or_default();
    let hidden = options.split(',').find_map(|option| option.strip_prefix("hidepid="));
    hidden.is_some_and(|value| !matches!(value, "0" | "off"))
}

#[cfg(test)]
mod tests {
    use super::hides;

    #[test]
    fn the_last_mount_of_proc_says_whether_processes_are_hidden() {
        let mount = |options: &str| format!("proc /proc proc rw,nosuid{options} 0 0\n");
        assert!(!hides(&mount("")));
        assert!(!hides(&mount(",hidepid=0")) && !hides(&mount(",hidepid=off")));
        for hidden in [
            ",hidepid=1",
            ",gid=4,hidepid=2",
            ",hidepid=invisible",
            ",hidepid=ptraceable,x",
        ] {
            assert!(hides(&mount(hidden)), "{hidden}");
        }
        assert!(!hides(&[mount(",hidepid=2"), mount("")].concat()));
        assert!(!hides("proc /elsewhere/proc proc rw,hidepid=2 0 0\n"));
        assert!(!hides(""));
    }
}
