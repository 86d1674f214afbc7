//! What a bug does: it is said and ends the process, at once and with a core file where those are wanted. The process
//! boundary is the recovery.
//!
//! The exception is work that can be given up, because what was there before is still good: see [`contained`]. Which work
//! that is, and what is done without its result, is not known here.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

thread_local! {
    /// This thread does something that may be given up.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// From now on a bug is said like this; then it ends the process, unless it is contained.
pub(crate) fn end_with(say: impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static) {
    panic::set_hook(Box::new(move |panic| {
        say(panic);
        if !CONTAINED.get() {
            std::process::abort();
        }
    }));
}

/// Does something that can be given up; `None` if it had a bug, which has been said.
///
/// Nothing that `work` changed may be used after a bug: it may be half done.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = CONTAINED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::panic, reason = "a bug is what is tested")]
    fn a_bug_in_contained_work_costs_its_result_and_nothing_else() {
        end_with(|_| {});
        assert_eq!(contained(|| 7), Some(7));
        assert_eq!(contained(|| -> u8 { panic!("a bug") }), None);
        assert_eq!(contained(|| contained(|| -> u8 { panic!("a bug") })), Some(None));
        assert!(!CONTAINED.get());
    }
}
