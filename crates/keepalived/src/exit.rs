//! Exit codes of the daemon and its roles (`spec/cli-and-runtime.md` 2). Scripts and units know them.

use linux::SysError;

/// A normal end, "already running" and a namespace that cannot be joined.
pub(crate) const OK: u8 = 0;
/// A process cannot go on, or the command line cannot be understood.
pub(crate) const FATAL: u8 = 1;
/// A role cannot run with its configuration.
pub(crate) const CONFIG: u8 = 2;
/// A permission is missing, as for raw sockets.
pub(crate) const PERMISSION: u8 = 4;
/// A role cannot start now, and may later: the supervisor tries again.
pub(crate) const NOT_NOW: u8 = 75;
/// The loop of a role cannot go on.
pub(crate) const INTERNAL: u8 = 70;
/// `-t`: the daemon could not run with this configuration.
pub(crate) const TEST_CANNOT_RUN: u8 = 4;

/// What a role ends with that cannot start for this reason. One that the machine gives too little, or that has run here
/// before, can run later: that costs nobody else anything.
pub(crate) fn of_failed_start(error: &SysError, first: bool) -> u8 {
    if error.is_scarcity() {
        NOT_NOW
    } else if error.is_forbidden() {
        PERMISSION
    } else if first {
        FATAL
    } else {
        NOT_NOW
    }
}

/// Whether the supervisor ends with a role that ends like this, instead of starting it again.
pub(crate) fn is_permanent(code: u8) -> bool {
    matches!(code, FATAL | CONFIG | PERMISSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_get_better_ends_the_daemon() {
        let error = |errno: i32| SysError::new("open", "it", std::io::Error::from_raw_os_error(errno));
        let (eperm, enomem, emfile, etimedout) = (1, 12, 24, 110);
        assert_eq!(of_failed_start(&error(emfile), true), NOT_NOW);
        assert_eq!(of_failed_start(&error(enomem), false), NOT_NOW);
        assert_eq!(of_failed_start(&error(eperm), false), PERMISSION);
        assert_eq!(of_failed_start(&error(etimedout), true), FATAL);
        assert_eq!(of_failed_start(&error(etimedout), false), NOT_NOW);
        assert!(!is_permanent(NOT_NOW));
    }
}
