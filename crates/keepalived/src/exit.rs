//! Exit codes of the daemon and its roles (`spec/cli-and-runtime.md` 2). Scripts and units know them.

/// A normal end, "already running" and a namespace that cannot be joined.
pub(crate) const OK: u8 = 0;
/// A process cannot go on, or the command line cannot be understood.
pub(crate) const FATAL: u8 = 1;
/// A role cannot run with its configuration.
pub(crate) const CONFIG: u8 = 2;
/// A permission is missing, as for raw sockets.
pub(crate) const PERMISSION: u8 = 4;
/// The loop of a role cannot go on.
pub(crate) const INTERNAL: u8 = 70;
/// `-t`: the daemon could not run with this configuration.
pub(crate) const TEST_CANNOT_RUN: u8 = 4;

/// Whether the supervisor ends with a role that ends like this, instead of starting it again.
pub(crate) fn is_permanent(code: u8) -> bool {
    matches!(code, FATAL | CONFIG | PERMISSION)
}
