//! Places of their own for what must not happen to the machine: mounts that only a test sees, groups of processes that get
//! little of the machine.

use lab::command::run;
use lab::process::Process;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};

/// From now on what this thread mounts is seen by itself and by what it starts; it goes with them.
pub(crate) fn own_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    run("mount", &["--make-rslave", "/"], "").unwrap();
}

/// A file system that is mounted for as long as this lives.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// In memory, with room for so many bytes.
    pub(crate) fn small(at: &Path, bytes: u64) -> Mounted {
        let (path, size) = (at.display().to_string(), format!("size={bytes}"));
        run("mount", &["-t", "tmpfs", "-o", &size, "small", &path], "").unwrap();
        Mounted::at(at)
    }

    /// One that somebody has mounted.
    pub(crate) fn at(at: &Path) -> Mounted {
        Mounted(at.to_owned())
    }

    /// The devices every program expects, in a file system of our own in the place of `/dev`.
    pub(crate) fn devices(&self) {
        for (name, minor) in [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)] {
            let path = self.0.join(name).display().to_string();
            run("mknod", &["-m", "666", &path, "c", "1", &minor.to_string()], "").unwrap();
        }
        std::os::unix::fs::symlink("/proc/self/fd", self.0.join("fd")).unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(trouble) = run("umount", &["-l", &self.0.display().to_string()], "") {
            eprintln!("lab: {trouble}");
        }
    }
}

/// A file system that can be made to hang: whoever writes to it waits in the kernel and cannot even be killed.
pub(crate) fn hanging(folder: &Path) -> Option<Mounted> {
    let image = folder.join("image");
    let file = fs::File::create(&image).unwrap();
    file.set_len(8 << 20).unwrap();
    let (image, at) = (image.display().to_string(), folder.join("disk"));
    fs::create_dir(&at).unwrap();
    let made = run("mkfs.ext4", &["-q", "-F", &image], "");
    if let Err(why) = made.and_then(|_| run("mount", &["-o", "loop", &image, &at.display().to_string()], "")) {
        eprintln!("skipped: no file system of our own here: {why}");
        return None;
    }
    Some(Mounted::at(&at))
}

pub(crate) fn freeze(at: &Path, frozen: bool) {
    let how = if frozen { "--freeze" } else { "--unfreeze" };
    run("fsfreeze", &[how, &at.display().to_string()], "").unwrap();
}

/// Takes all room of the file system that `folder` is on; removing the file frees it.
pub(crate) fn fill(folder: &Path) -> PathBuf {
    use std::io::Write;
    let path = folder.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

/// Sets a limit of running processes (`prlimit`); the soft one, which can be raised again without further rights.
pub(crate) fn limit(processes: &[Process], what: &str, value: &str) {
    for process in processes {
        let pid = process.pid.to_string();
        // One that has ended meanwhile needs none.
        let set = run("prlimit", &["--pid", &pid, &format!("--{what}={value}:")], "");
        assert!(set.is_ok() || !process.alive(), "{set:?}");
    }
}

/// Sends a signal to processes; what has ended meanwhile needs none.
pub(crate) fn signal(processes: &[Process], what: Signal) {
    for process in processes {
        process.signal(what);
    }
}

/// A control group of a test's own; its processes go back to where they were when it goes.
pub(crate) struct Group {
    path: PathBuf,
    root: PathBuf,
    is_unified: bool,
}

impl Group {
    /// `None`: this machine has none of this kind (`memory`, `cpu`), or does not let us make one.
    pub(crate) fn new(controller: &str) -> Option<Group> {
        let name = format!("ka{}x{controller}", std::process::id());
        let single = Path::new("/sys/fs/cgroup").join(controller);
        let unified = Path::new("/sys/fs/cgroup");
        let is_unified = unified.join("cgroup.controllers").exists();
        let root = if is_unified { unified.to_owned() } else { single };
        if is_unified && fs::write(root.join("cgroup.subtree_control"), format!("+{controller}")).is_err() {
            eprintln!("skipped: no control group for {controller} here");
            return None;
        }
        let path = root.join(name);
        if let Err(error) = fs::create_dir(&path) {
            eprintln!("skipped: no control group for {controller} here: {error}");
            return None;
        }
        Some(Group { path, root, is_unified })
    }

    pub(crate) fn take(&self, processes: &[Process]) {
        for process in processes {
            let taken = fs::write(self.path.join("cgroup.procs"), process.pid.to_string());
            assert!(taken.is_ok() || !process.alive(), "{taken:?}");
        }
    }

    /// How much memory what is in it may take from now on.
    pub(crate) fn limit_memory(&self, bytes: Option<u64>) {
        let (file, none) = if self.is_unified {
            ("memory.max", "max")
        } else {
            ("memory.limit_in_bytes", "-1")
        };
        let value = bytes.map_or_else(|| none.to_owned(), |bytes| bytes.to_string());
        fs::write(self.path.join(file), value).unwrap();
    }

    /// How many processes and threads there may be in it.
    pub(crate) fn limit_processes(&self, count: Option<u32>) {
        let value = count.map_or_else(|| "max".to_owned(), |count| count.to_string());
        fs::write(self.path.join("pids.max"), value).unwrap();
    }

    /// How many microseconds of each tenth of a second it may run.
    pub(crate) fn limit_cpu(&self, micros: u32) {
        if self.is_unified {
            fs::write(self.path.join("cpu.max"), format!("{micros} 100000")).unwrap();
        } else {
            fs::write(self.path.join("cpu.cfs_period_us"), "100000").unwrap();
            fs::write(self.path.join("cpu.cfs_quota_us"), micros.to_string()).unwrap();
        }
    }

    /// Everybody leaves it.
    pub(crate) fn release(&self) {
        let inside = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        for pid in inside.lines() {
            // Gone meanwhile: as good.
            let _ = fs::write(self.root.join("cgroup.procs"), pid);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.release();
        if let Err(error) = fs::remove_dir(&self.path) {
            eprintln!("lab: {} is left over: {error}", self.path.display());
        }
    }
}
