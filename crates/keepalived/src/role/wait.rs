//! Descriptors that are waited for.

use linux::SysError;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor of somebody else's, waited for through a copy of it.
pub(super) struct Watched(AsyncFd<OwnedFd>);

impl Watched {
    /// Waits for this from now on.
    pub(super) fn new(source: &impl AsFd) -> Result<Watched, SysError> {
        let failed = |error| SysError::new("wait for", "a descriptor", error);
        let copy = source.as_fd().try_clone_to_owned().map_err(failed)?;
        // The concern is types whose descriptor may change or be closed under the reactor; this one owns it.
        #[allow(
            deprecated,
            reason = "the new form is unsafe to call, for types that are not like this one"
        )]
        AsyncFd::with_interest(copy, Interest::READABLE)
            .map(Watched)
            .map_err(failed)
    }

    /// Returns when there was news since the last time. Whoever asks reads everything then, or comes back by itself.
    pub(super) async fn readable(&self) {
        if let Ok(mut guard) = self.0.readable().await {
            guard.clear_ready();
        }
    }
}

/// The same for something that may not be there; then it never returns.
pub(super) async fn readable(watched: Option<&Watched>) {
    match watched {
        Some(watched) => watched.readable().await,
        None => std::future::pending().await,
    }
}
