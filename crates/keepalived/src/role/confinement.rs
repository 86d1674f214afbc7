//! What each process keeps of its privileges once it knows what it is.
//!
//! By what a role may ever have to do, not by what today's configuration wants of it: after a reload nothing can be had
//! again. How privileges are given up is the business of [`linux::sandbox`]; why each is kept is said here. The supervisor
//! and what becomes a script are not confined: a script of root may do what root may.

use super::Kind;
use super::check::left::Left;
use crate::ipc::Briefing;
use crate::log::{Level, Reporter};
use linux::namespace;
use linux::sandbox::{self, Capability, Confinement, Entered, Family};
use std::path::PathBuf;

/// The variable of the environment that leaves every process its privileges if it says `off`: to find out whether a
/// confinement is to blame.
const SWITCH: &str = "KEEPALIVED_SANDBOX";
/// Where the settings of interfaces are.
const SETTINGS: &str = "/proc/sys/net";

/// What cannot change while a daemon runs and makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The role has something to do in another network namespace than its own.
    pub(crate) elsewhere: bool,
    /// A process that dies of a bug is to leave a core file, which it writes itself.
    pub(crate) core_files: bool,
    /// `/proc` shows processes of others to their tracers only.
    pub(crate) hidden: bool,
    /// The kernel has Landlock.
    pub(crate) landlock: bool,
}

/// Whether the operator wants no confinement.
pub(crate) fn is_off() -> bool {
    std::env::var_os(SWITCH).is_some_and(|value| value == "off")
}

/// Says once for the daemon what is not as it could be.
pub(crate) fn report(reporter: &Reporter) {
    if is_off() {
        reporter.say(
            Level::Warning,
            format_args!("{SWITCH}=off: every process keeps all its privileges"),
        );
    } else if !sandbox::has_landlock() {
        reporter.info("This kernel has no Landlock: what files a process may change is limited by other means only");
    }
}

/// What a role keeps.
pub(crate) fn of(kind: Kind, place: Place) -> Confinement {
    // Any of them may be asked for another priority, memory that stays and a limit of processor time.
    let mut capabilities = vec![Capability::SysNice, Capability::IpcLock, Capability::SysResource];
    let mut families = vec![Family::Unix, Family::Inet, Family::Inet6];
    match kind {
        Kind::Vrrp => {
            // Tracked files may be anybody's.
            capabilities.extend([Capability::NetAdmin, Capability::NetRaw, Capability::DacReadSearch]);
            families.extend([Family::Netlink, Family::Packet]);
            // Of processes; Landlock would take away what this capability gives.
            capabilities.extend(place.hidden.then_some(Capability::SysPtrace));
        }
        // For receive buffers past the system's limit; without netlink it is good for little else.
        Kind::Bfd => capabilities.push(Capability::NetAdmin),
        Kind::Check => {
            // IPVS and nftables; ICMP and interfaces to ask through; source ports; tracked files and keys of others.
            capabilities.extend([
                Capability::NetAdmin,
                Capability::NetRaw,
                Capability::NetBindService,
                Capability::DacReadSearch,
            ]);
            families.push(Family::Netlink);
        }
        // The socket of the master agent may belong to the user it runs as.
        Kind::Manage => capabilities = vec![Capability::DacOverride],
    }
    capabilities.extend(place.elsewhere.then_some(Capability::SysAdmin));
    let sets = kind == Kind::Vrrp;
    Confinement {
        capabilities,
        families,
        writes: sets,
        writable: sets.then(|| PathBuf::from(SETTINGS)).into_iter().collect(),
        enters_namespaces: place.elsewhere,
        tcp: matches!(kind, Kind::Check | Kind::Manage),
        abstract_sockets: kind == Kind::Manage,
        landlock: place.landlock && !place.core_files && !(sets && place.hidden),
    }
}

/// What the process that sends a mail keeps: it asks name servers and speaks TCP.
pub(crate) fn of_mailer(landlock: bool) -> Confinement {
    Confinement {
        families: vec![Family::Unix, Family::Inet, Family::Inet6, Family::Netlink],
        tcp: true,
        abstract_sockets: true,
        landlock,
        ..Confinement::default()
    }
}

/// Confines this process as a role. To be called before it reads anything of strangers, and while it has one thread.
pub(super) fn enter(kind: Kind, briefing: &Briefing, reporter: &Reporter) -> Option<Entered> {
    if is_off() {
        return None;
    }
    let place = Place {
        elsewhere: acts_elsewhere(kind, briefing),
        core_files: briefing.options.core_files,
        hidden: sandbox::hides_processes(),
        landlock: sandbox::has_landlock(),
    };
    if place.elsewhere {
        namespace::hold_first();
    }
    let to = of(kind, place);
    if place.landlock && !to.landlock && !place.core_files {
        let why = "/proc hides processes (hidepid)";
        reporter.info(format_args!(
            "{why}: the {} process runs without Landlock",
            kind.title()
        ));
    }
    let entered = to.enter();
    for error in &entered.kept {
        reporter.say(Level::Warning, error);
    }
    Some(entered)
}

/// Whether a role has something to do in another network namespace: the reports of processes come in the first one, and IPVS
/// may be in any (`net_namespace_ipvs`), now or when an earlier run left something there. Where the daemon itself runs, and
/// where IPVS is, does not change while it runs.
fn acts_elsewhere(kind: Kind, briefing: &Briefing) -> bool {
    match kind {
        Kind::Vrrp => !namespace::is_first(),
        Kind::Check => {
            let left = briefing
                .services
                .iter()
                .filter_map(|line| super::check::left::read(line));
            briefing.ipvs_elsewhere || left.into_iter().any(|Left { place, .. }| place.is_some())
        }
        Kind::Bfd | Kind::Manage => false,
    }
}

/// Says what was refused since it was said last. Costs nothing if nothing was.
pub(super) fn tell_refusals(kind: Kind, reporter: &Reporter) {
    for refusal in sandbox::news() {
        let (call, times) = (refusal.call, refusal.times);
        reporter.say(
            Level::Alert,
            format_args!(
                "the {} process has made a system call it has no use for, which was refused: {call} ({times} times)",
                kind.title()
            ),
        );
    }
}

#[cfg(test)]
mod tests;
