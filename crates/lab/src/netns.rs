//! Network namespaces that go away by themselves.
//!
//! A thread that has joined a namespace passes it on to the sockets and processes it makes; that is all the lab
//! needs, so no program has to be wrapped in another one and a child's number is the daemon's own.

use crate::command::{Result, Trouble, run};
use crate::process::{self, Process};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Once;
use tempfile::TempDir;

/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";

/// Every name begins with this and the process id of the lab that made it.
const PREFIX: &str = "ka";

/// Private folders are named by the process id as well.
const FOLDER: &str = "kalab.";

/// A network namespace made by this process; dropping it ends every process inside and removes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    handle: File,
}

impl Namespace {
    /// A new namespace with its loopback up. `part` tells the namespaces of one process apart.
    pub fn create(part: &str) -> Result<Namespace> {
        static ABANDONED: Once = Once::new();
        ABANDONED.call_once(remove_abandoned);
        let name = format!("{PREFIX}{}x{part}", std::process::id());
        run("ip", &["netns", "add", &name], "")?;
        let handle =
            File::open(format!("{NAMES}/{name}")).map_err(Trouble::when(format!("cannot open namespace {name}")))?;
        let namespace = Namespace { name, handle };
        namespace.ip(&["link set lo up"])?;
        Ok(namespace)
    }

    /// Its name, for `ip netns exec`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does some work on a thread that is inside. Sockets and processes made there stay inside.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let joined = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.handle, CloneFlags::CLONE_NEWNET)?;
                Ok::<T, nix::Error>(work())
            });
            thread.join()
        });
        match joined {
            Ok(done) => done.map_err(Trouble::when(format!("cannot enter namespace {}", self.name))),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Runs lines of `ip` as one batch; the first that fails is trouble.
    pub fn ip<S: AsRef<str>>(&self, lines: &[S]) -> Result<()> {
        let batch: String = lines.iter().flat_map(|line| [line.as_ref(), "\n"]).collect();
        run("ip", &["-n", &self.name, "-batch", "-"], &batch).map(drop)
    }

    /// Replaces what nftables does here by the rules given.
    pub fn nft(&self, rules: &str) -> Result<()> {
        self.inside(|| run("nft", &["-f", "-"], rules))?.map(drop)
    }

    /// Sets kernel settings given as path below `/proc/sys/net` and value.
    pub fn sysctl(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.inside(|| {
            for (path, value) in settings {
                fs::write(format!("/proc/sys/net/{path}"), value)
                    .map_err(Trouble::when(format!("cannot set net/{path} to {value}")))?;
            }
            Ok(())
        })?
    }

    /// Every process inside, whoever its parent is.
    pub fn processes(&self) -> Vec<Process> {
        let Ok(ours) = self.handle.metadata() else {
            return Vec::new();
        };
        let me = std::process::id() as i32;
        let inside = |pid: &i32| {
            *pid != me && fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|its| its.ino() == ours.ino())
        };
        process::all()
            .into_iter()
            .filter(inside)
            .filter_map(Process::of)
            .collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Stopped first: a supervisor would start again what is killed beside it.
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for process in self.processes() {
                process.signal(signal);
            }
        }
        if let Err(trouble) = run("ip", &["netns", "del", &self.name], "") {
            eprintln!("lab: namespace {} is left over: {trouble}", self.name);
        }
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP remove all namespaces and folders of this process before it ends.
///
/// To be called before other threads are started: they inherit that the signals are left to one thread.
pub fn clean_up_when_interrupted() -> Result<()> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    signals.thread_block().map_err(Trouble::when("cannot block signals"))?;
    let wait = move || {
        if let Ok(signal) = signals.wait() {
            remove_all_of(|pid| pid == std::process::id() as i32);
            eprintln!("lab: ended by {signal}, all namespaces removed");
            std::process::exit(128 + signal as i32);
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)
        .map_err(Trouble::when("cannot wait for signals"))?;
    Ok(())
}

/// A new private folder of this process, removed with it or by [`clean_up_when_interrupted`].
pub fn private_folder() -> Result<TempDir> {
    let prefix = format!("{FOLDER}{}.", std::process::id());
    tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir()
        .map_err(Trouble::when("cannot make a private folder"))
}

/// Removes what labs left behind that were killed before they could clean up: their process is gone.
fn remove_abandoned() {
    remove_all_of(|pid| Process::of(pid).is_none());
}

fn remove_all_of(chosen: impl Fn(i32) -> bool) {
    for name in names_in(Path::new(NAMES)) {
        if !maker(&name).is_some_and(&chosen) {
            continue;
        }
        // Another lab may be removing it at this moment; then there is nothing left to do here.
        if let Ok(handle) = File::open(format!("{NAMES}/{name}")) {
            drop(Namespace { name, handle });
        }
    }
    for name in names_in(&std::env::temp_dir()) {
        let pid = name
            .strip_prefix(FOLDER)
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(pid, _)| pid.parse().ok());
        if pid.is_some_and(&chosen)
            && let Err(error) = fs::remove_dir_all(std::env::temp_dir().join(&name))
        {
            eprintln!("lab: folder {name} is left over: {error}");
        }
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

/// The process that made a namespace, told from its name; `None` for names that are not the lab's.
fn maker(name: &str) -> Option<i32> {
    let (pid, part) = name.strip_prefix(PREFIX)?.split_once('x')?;
    if part.is_empty() { None } else { pid.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn only_names_with_a_process_id_are_the_labs() {
        assert_eq!(maker("ka123x0sw"), Some(123));
        for foreign in ["ka123", "kax1", "ka12x", "blue", "kb77sw", "kat1"] {
            assert_eq!(maker(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_namespace_takes_its_processes_with_it() {
        let namespace = Namespace::create("t1").unwrap();
        let path = format!("{NAMES}/{}", namespace.name());
        let mut child = namespace
            .inside(|| Command::new("sleep").arg("60").stdin(Stdio::null()).spawn())
            .unwrap()
            .unwrap();
        let process = Process::of(child.id() as i32).unwrap();
        assert_eq!(namespace.processes(), [process]);
        drop(namespace);
        child.wait().unwrap();
        assert!(!process.alive());
        assert!(!fs::exists(path).unwrap());
    }

    #[test]
    fn a_line_that_ip_refuses_is_trouble() {
        let namespace = Namespace::create("t2").unwrap();
        assert!(namespace.ip(&["link set nothing up"]).is_err());
        assert!(namespace.sysctl(&[("ipv4/no/such", "1")]).is_err());
    }
}
