//! What the machine is called, what kernel it runs, and chance: asked of the kernel by system calls, so that the daemon
//! starts in a container that holds nothing but its binary (no `/proc`, no `/dev`).

use crate::SysError;

/// A number nobody can guess.
///
/// # Errors
/// A kernel without `getrandom(2)`, or one whose system-call filter refuses it.
pub fn entropy() -> Result<u64, SysError> {
    getrandom::u64().map_err(|error| SysError::new("read", "the kernel's random numbers", std::io::Error::from(error)))
}

/// The host name as `hostname` prints it, with its domain if it has one; empty where the kernel does not tell.
pub fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_default()
}

/// What tells this run of the kernel and the network namespace of this process from others, in one line without an end.
///
/// # Errors
/// `/proc` is not there.
pub fn network() -> Result<String, SysError> {
    const BOOT: &str = "/proc/sys/kernel/random/boot_id";
    const NAMESPACE: &str = "/proc/self/ns/net";
    let boot = std::fs::read_to_string(BOOT).map_err(|error| SysError::new("read", BOOT, error))?;
    let namespace = std::fs::read_link(NAMESPACE).map_err(|error| SysError::new("read", NAMESPACE, error))?;
    Ok(format!("{} {}", boot.trim(), namespace.display()))
}

/// `Linux RELEASE VERSION` of the running kernel, as `uname -srv` prints it.
pub fn kernel() -> String {
    match nix::sys::utsname::uname() {
        Ok(name) => [name.sysname(), name.release(), name.version()]
            .map(std::ffi::OsStr::to_string_lossy)
            .join(" "),
        Err(_) => "Linux".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_and_the_host_have_the_names_that_proc_shows() {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
        let kernel_of_proc = format!("Linux {} {}", read("osrelease").trim(), read("version").trim());
        assert_eq!(kernel(), kernel_of_proc);
        assert_eq!(host_name(), read("hostname").trim());
    }

    #[test]
    fn chance_does_not_repeat_itself() {
        assert_ne!(entropy().ok(), entropy().ok());
    }
}
