//! Taking over from a daemon that was killed: its roles are told by the kernel to end, and withdraw. One that is frozen
//! (stopped, or stuck in a loop) does not; it would hold its pid file, and every new daemon would take it for a daemon
//! that runs. So it is woken, and if that does not help, killed.
//!
//! What its death leaves behind in the kernel is found by the role that comes next.

use super::child::{Child, Claim};
use super::paths::PidPaths;
use super::startup::Ending;
use super::startup::already_running;
use crate::exit;
use crate::log::{Level, Reporter};
use crate::role::Kind;
use linux::process;
use std::time::Duration;

/// How long a role of a killed daemon may take to withdraw before it is woken.
const WAKE_AFTER: Duration = Duration::from_secs(1);
/// And before it is killed: longer than the withdrawal of thousands of addresses.
const KILL_AFTER: Duration = Duration::from_secs(4);
/// And before the new daemon gives up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(6);
/// How often it looks whether the role is done.
const LOOK: Duration = Duration::from_millis(5);

/// What has been done to make an orphan go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Done {
    Waited,
    Woken,
    Killed,
}

/// Locks the pid file of a role. The supervisor's own lock was free: who holds this one belongs to a daemon that is gone,
/// unless somebody gave two daemons the same file.
pub(super) fn claim(kind: Kind, paths: &PidPaths, reporter: &Reporter) -> Result<Child, Ending> {
    let mut role = Child::new(kind, paths.role(kind));
    let since = process::monotonic();
    let mut done = Done::Waited;
    loop {
        match role.claim() {
            Ok(Claim::Ours) => return Ok(role),
            Ok(Claim::Theirs) => {}
            Err(error) => {
                reporter.error(error);
                return Err(Ending::Code(exit::FATAL));
            }
        }
        let waited = process::monotonic().since(since);
        if waited >= GIVE_UP_AFTER {
            return Err(already_running(reporter));
        }
        let next = match done {
            Done::Waited if waited >= WAKE_AFTER => Done::Woken,
            Done::Woken if waited >= KILL_AFTER => Done::Killed,
            Done::Waited | Done::Woken | Done::Killed => done,
        };
        if next != done {
            press(&role, next, reporter);
            done = next;
        }
        let _ = linux::ipc::wait(&[], Some(LOOK));
    }
}

fn press(role: &Child, how: Done, reporter: &Reporter) {
    let holder = role.pid_path().and_then(linux::lock::holder);
    let Some(pid) = holder.filter(|pid| process::is_orphan(*pid)) else {
        return;
    };
    let name = role.kind.title();
    let result = match how {
        Done::Waited => Ok(()),
        Done::Woken => {
            reporter.say(
                Level::Warning,
                format_args!("The {name} process {pid} of a daemon that is gone does not end: waking it"),
            );
            process::terminate(pid).and_then(|()| process::resume(pid))
        }
        Done::Killed => {
            reporter.say(
                Level::Warning,
                format_args!("The {name} process {pid} of a daemon that is gone does not end: killing it"),
            );
            process::kill_now(pid)
        }
    };
    if let Err(error) = result {
        reporter.error(error);
    }
}
