//! Which process belongs to which trackers, and how many each has.
//!
//! Fed with single events or told to count anew, some processes at a time; says which counts changed.

use ::vrrp::config::Name;
use conf::model::{ParameterMatch, TrackProcess};
use linux::SysError;
use linux::census::{ProcessNames, process_names, processes};
use std::collections::{BTreeSet, HashMap};

/// Characters of a name the kernel keeps.
const SHORT: usize = 15;

/// Processes looked at in one step of a count: two files of each are read, which takes some microseconds.
const PER_STEP: usize = 16;

/// The trackers and their processes.
#[derive(Debug, Default)]
pub(super) struct Census {
    trackers: Vec<(Name, TrackProcess)>,
    counts: Vec<u32>,
    /// The trackers each process belongs to, by position; only of processes that belong to any.
    members: HashMap<i32, Vec<usize>>,
    changed: BTreeSet<usize>,
    /// Those that a count has not looked at yet.
    rest: Vec<i32>,
}

impl Census {
    /// Nothing counted yet.
    pub(super) fn new(trackers: impl IntoIterator<Item = (Name, TrackProcess)>) -> Census {
        let trackers: Vec<(Name, TrackProcess)> = trackers.into_iter().collect();
        Census {
            counts: vec![0; trackers.len()],
            // The first count is news even if it is zero.
            changed: (0..trackers.len()).collect(),
            trackers,
            members: HashMap::new(),
            rest: Vec::new(),
        }
    }

    /// Whether there is nothing to count.
    pub(super) fn is_empty(&self) -> bool {
        self.trackers.is_empty()
    }

    /// Follows these trackers from now on; what is known of processes is kept if they are the same.
    pub(super) fn follow(&mut self, trackers: Vec<(Name, TrackProcess)>) {
        if self.trackers != trackers {
            *self = Census::new(trackers);
        }
        self.changed = (0..self.trackers.len()).collect();
    }

    /// Begins to count anew: to be followed by [`Census::count_some`].
    pub(super) fn begin_count(&mut self) -> Result<(), SysError> {
        self.rest = processes()?;
        let there: BTreeSet<i32> = self.rest.iter().copied().collect();
        let gone: Vec<i32> = self
            .members
            .keys()
            .filter(|pid| !there.contains(pid))
            .copied()
            .collect();
        for pid in gone {
            self.ended(pid);
        }
        Ok(())
    }

    /// Whether a count is under way.
    pub(super) fn is_counting(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Looks at some processes more.
    pub(super) fn count_some(&mut self) {
        for pid in self.rest.split_off(self.rest.len().saturating_sub(PER_STEP)) {
            self.look(pid);
        }
    }

    /// A process is what its parent is.
    pub(super) fn forked(&mut self, parent: i32, child: i32) {
        if let Some(trackers) = self.members.get(&parent).cloned() {
            self.set(child, trackers);
        }
    }

    /// A process may be another one than before.
    pub(super) fn look(&mut self, pid: i32) {
        let full = self.trackers.iter().any(|(_, tracker)| tracker.full_command);
        let trackers = process_names(pid, full).map_or_else(Vec::new, |names| self.matching(&names));
        self.set(pid, trackers);
    }

    /// A process has ended.
    pub(super) fn ended(&mut self, pid: i32) {
        self.set(pid, Vec::new());
    }

    /// The counts that changed since the last call; none in the middle of a count.
    pub(super) fn take_changes(&mut self) -> Vec<(Name, u32)> {
        if self.is_counting() {
            return Vec::new();
        }
        let changed = std::mem::take(&mut self.changed);
        let found = changed.into_iter().filter_map(|at| {
            let (name, _) = self.trackers.get(at)?;
            Some((name.clone(), *self.counts.get(at)?))
        });
        found.collect()
    }

    fn matching(&self, names: &ProcessNames) -> Vec<usize> {
        let all = self.trackers.iter().enumerate();
        all.filter(|(_, (_, tracker))| is_meant(tracker, names))
            .map(|(at, _)| at)
            .collect()
    }

    fn set(&mut self, pid: i32, trackers: Vec<usize>) {
        let before = if trackers.is_empty() {
            self.members.remove(&pid)
        } else {
            self.members.insert(pid, trackers.clone())
        };
        let before = before.unwrap_or_default();
        for at in before.iter().filter(|at| !trackers.contains(at)) {
            self.change(*at, |count| count.saturating_sub(1));
        }
        for at in trackers.iter().filter(|at| !before.contains(at)) {
            self.change(*at, |count| count.saturating_add(1));
        }
    }

    fn change(&mut self, at: usize, how: impl FnOnce(u32) -> u32) {
        if let Some(count) = self.counts.get_mut(at) {
            *count = how(*count);
            self.changed.insert(at);
        }
    }
}

/// Whether a tracker means a process of these names.
fn is_meant(tracker: &TrackProcess, names: &ProcessNames) -> bool {
    if !tracker.full_command {
        let name = tracker.path.rsplit('/').next().unwrap_or(&tracker.path).as_bytes();
        return names.short == name.get(..SHORT).unwrap_or(name);
    }
    let Some((program, given)) = names.words.split_first() else {
        return false;
    };
    if program != tracker.path.as_bytes() {
        return false;
    }
    let wanted: Vec<&[u8]> = tracker.parameters.iter().map(String::as_bytes).collect();
    let begins = given.len() >= wanted.len() && given.iter().zip(&wanted).all(|(given, wanted)| given == wanted);
    match tracker.parameter_match {
        ParameterMatch::None => true,
        ParameterMatch::Exact => given.len() == wanted.len() && begins,
        ParameterMatch::Partial => begins,
        ParameterMatch::Initial => match wanted.split_last() {
            None => true,
            Some((last, first)) => {
                let same = given.iter().zip(first).all(|(given, wanted)| given == wanted);
                same && given.get(first.len()).is_some_and(|word| word.starts_with(last))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracker(path: &str, parameters: &[&str], parameter_match: ParameterMatch) -> TrackProcess {
        TrackProcess {
            weight: ::vrrp::config::Weight::default(),
            path: path.to_owned(),
            parameters: parameters.iter().map(ToString::to_string).collect(),
            parameter_match,
            full_command: parameter_match != ParameterMatch::None,
        }
    }

    fn names(short: &str, words: &[&str]) -> ProcessNames {
        ProcessNames {
            short: short.as_bytes().to_vec(),
            words: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
        }
    }

    #[test]
    fn a_name_is_compared_as_far_as_the_kernel_keeps_it() {
        let long = tracker("/usr/bin/a-very-long-program", &[], ParameterMatch::None);
        assert!(is_meant(&long, &names("a-very-long-pro", &[])));
        assert!(!is_meant(&long, &names("a-very-long", &[])));
    }

    #[test]
    fn parameters_are_compared_wholly_in_part_or_by_their_beginning() {
        use ParameterMatch::{Exact, Initial, Partial};
        let running = names("nginx", &["/usr/sbin/nginx", "-c", "/etc/nginx.conf"]);
        let meant = |parameters: &[&str], how| is_meant(&tracker("/usr/sbin/nginx", parameters, how), &running);
        assert!(meant(&["-c", "/etc/nginx.conf"], Exact));
        assert!(!meant(&["-c"], Exact));
        assert!(meant(&["-c"], Partial));
        assert!(!meant(&["-d"], Partial));
        assert!(!meant(&["-c", "/etc/nginx.conf", "x"], Partial));
        assert!(meant(&["-c", "/etc/"], Initial));
        assert!(!meant(&["-c", "/usr/"], Initial));
        assert!(!meant(&["-d", "/etc/"], Initial));
        assert!(
            !is_meant(&tracker("nginx", &["-c"], Partial), &running),
            "the first word is the path"
        );
        assert!(!is_meant(&tracker("nginx", &["-c"], Partial), &names("kthread", &[])));
    }

    #[test]
    fn counts_follow_forks_and_ends() {
        let mut census = Census::new([(Name::from("p"), tracker("p", &[], ParameterMatch::None))]);
        assert_eq!(census.take_changes(), [(Name::from("p"), 0)]);
        census.set(7, vec![0]);
        census.forked(7, 8);
        census.forked(99, 100);
        assert_eq!(census.take_changes(), [(Name::from("p"), 2)]);
        census.ended(7);
        census.ended(7);
        assert_eq!(census.take_changes(), [(Name::from("p"), 1)]);
        assert_eq!(census.take_changes(), []);
    }

    #[test]
    fn what_is_counted_is_told_when_all_are_counted_and_kept_while_the_trackers_stay_the_same() {
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        let trackers = || vec![(Name::from("p"), tracker(own.trim_end(), &[], ParameterMatch::None))];
        let mut census = Census::default();
        census.follow(trackers());
        census.begin_count().unwrap();
        assert!(census.is_counting());
        assert_eq!(census.take_changes(), [], "nothing is said of half a count");
        while census.is_counting() {
            census.count_some();
        }
        let told = census.take_changes();
        assert!(told.iter().any(|(_, count)| *count >= 1), "{told:?}");
        census.follow(trackers());
        assert_eq!(census.take_changes(), told, "it is told again to whoever may be new");
    }
}
