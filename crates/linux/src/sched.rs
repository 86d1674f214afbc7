//! How the kernel schedules this process: nice value, real-time class, processors, locked memory.
//!
//! Whether a role should be real time is the operator's word, not known here.

use crate::{SysError, sys_process};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::mman::{MlockAllFlags, mlockall, munlockall};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::Pid;
use std::time::Duration;

/// What is asked of the scheduler; `None`, empty and `false` leave things as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// Nice value, -20 to 19.
    pub nice: Option<i8>,
    /// `SCHED_RR` at this priority, 1 to 99.
    pub realtime: Option<u8>,
    /// Processor time a real-time process may use without waiting (`RLIMIT_RTTIME`) before it is killed.
    pub realtime_limit: Option<Duration>,
    /// The processors it may run on.
    pub processors: Vec<usize>,
    /// Whether its memory stays in memory.
    pub lock_memory: bool,
}

/// Carries out what is asked; everything is tried, and what could not be done is in the answer.
pub fn apply(wanted: &Scheduling) -> Vec<SysError> {
    [
        wanted.realtime_limit.and_then(limit_realtime),
        wanted.realtime.and_then(|priority| {
            failed(
                "set the real-time priority",
                priority,
                sys_process::set_realtime(i32::from(priority)),
            )
        }),
        wanted
            .nice
            .and_then(|value| failed("set the nice value", value, sys_process::set_nice(i32::from(value)))),
        choose_processors(&wanted.processors),
        wanted.lock_memory.then(lock_memory).flatten(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Carries out what is asked in the place of what was asked `before`: what is not asked for any more is taken back.
pub fn change(before: &Scheduling, wanted: &Scheduling) -> Vec<SysError> {
    if before == wanted {
        return Vec::new();
    }
    let mut errors: Vec<SysError> = [
        wanted.realtime.is_none().then(|| relax(before)).flatten(),
        (before.nice.is_some() && wanted.nice.is_none())
            .then(|| failed("set the nice value", 0, sys_process::set_nice(0)))
            .flatten(),
        (before.realtime_limit.is_some() && wanted.realtime_limit.is_none())
            .then(|| limit_realtime(Duration::MAX))
            .flatten(),
        (!before.processors.is_empty() && wanted.processors.is_empty())
            .then(|| choose_processors(&(0..CpuSet::count()).collect::<Vec<_>>()))
            .flatten(),
        (before.lock_memory && !wanted.lock_memory)
            .then(unlock_memory)
            .flatten(),
    ]
    .into_iter()
    .flatten()
    .collect();
    errors.extend(apply(wanted));
    errors
}

/// Leaves the real-time class; [`resume`] goes back.
fn relax(wanted: &Scheduling) -> Option<SysError> {
    wanted.realtime?;
    failed("leave the real-time class", "", sys_process::set_normal())
}

/// Goes back into the real-time class after [`relax`].
pub fn resume(wanted: &Scheduling) -> Option<SysError> {
    let priority = wanted.realtime?;
    failed(
        "set the real-time priority",
        priority,
        sys_process::set_realtime(i32::from(priority)),
    )
}

/// Makes the calling thread an ordinary one, whatever the process was asked to be: a thread that works beside one that
/// must be on time gives way to it.
pub fn become_ordinary(process: &Scheduling) -> Vec<SysError> {
    let urgent = process.nice.is_some_and(|nice| nice < 0);
    [
        relax(process),
        urgent
            .then(|| failed("set the nice value", 0, sys_process::set_nice(0)))
            .flatten(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Processors of this machine that are switched on: the number of the last one, plus one.
pub fn processors() -> Option<u32> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?;
    let last = text.trim().rsplit([',', '-']).next()?;
    last.parse::<u32>().ok()?.checked_add(1)
}

fn failed(doing: &'static str, to: impl std::fmt::Display, result: std::io::Result<()>) -> Option<SysError> {
    result.err().map(|source| SysError::new(doing, to, source))
}

fn limit_realtime(limit: Duration) -> Option<SysError> {
    let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
    let result = setrlimit(Resource::RLIMIT_RTTIME, micros, micros);
    failed(
        "limit the real-time processor time to",
        micros,
        result.map_err(Into::into),
    )
}

fn choose_processors(processors: &[usize]) -> Option<SysError> {
    if processors.is_empty() {
        return None;
    }
    let mut set = CpuSet::new();
    let result = processors
        .iter()
        .try_for_each(|&number| set.set(number))
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
    failed(
        "choose processors",
        format!("{processors:?}"),
        result.map_err(Into::into),
    )
}

fn lock_memory() -> Option<SysError> {
    let result = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE);
    failed("lock memory", "", result.map_err(Into::into))
}

fn unlock_memory() -> Option<SysError> {
    failed("unlock memory", "", munlockall().map_err(Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_processor() {
        assert!(processors().is_some_and(|number| number >= 1));
    }

    #[test]
    fn nothing_wanted_is_nothing_tried() {
        let wanted = Scheduling::default();
        assert!(apply(&wanted).is_empty() && relax(&wanted).is_none() && resume(&wanted).is_none());
    }
}
