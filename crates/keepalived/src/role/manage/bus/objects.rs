//! The objects on the bus: what they are called, what can be asked of them and what they say.
//!
//! Methods ask and do nothing themselves: what they lead to is the supervisor's and the vrrp role's. Who may call them is the
//! word of the bus, by its policy file.

use super::Call;
use crate::status::State;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::Sender;
use zbus::fdo;
use zbus::object_server::SignalEmitter;

/// A number on the bus for each state, as in the original.
pub(super) const fn number(state: State) -> u32 {
    match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
        State::Deleted => 97,
        State::Stop => 98,
    }
}

const fn title(state: State) -> &'static str {
    match state {
        State::Init => "Init",
        State::Backup => "Backup",
        State::Master => "Master",
        State::Fault => "Fault",
        State::Deleted => "Deleted",
        State::Stop => "Stop",
    }
}

/// A path below `root` for an instance on `interface`; every character that a path cannot have is another one in it.
pub(super) fn path(root: &str, interface: &str, vrid: u8, ipv6: bool) -> String {
    let family = if ipv6 { "IPv6" } else { "IPv4" };
    format!("{root}/Instance/{}/{vrid}/{family}", element(interface))
}

/// A word as an element of a path.
pub(super) fn element(word: &str) -> String {
    let fits = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    match word {
        "" => "_".to_owned(),
        word => word.chars().map(fits).collect(),
    }
}

/// The state of an instance, for those who read it at any time.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub(super) fn new(state: State) -> Shared {
        Shared(Arc::new(Mutex::new(state)))
    }

    pub(super) fn get(&self) -> State {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Calls that wait to be handed on. At more the caller is told.
pub(super) const MAX_CALLS: usize = 64;

fn ask(calls: &Sender<Call>, call: Call) -> fdo::Result<()> {
    calls
        .try_send(call)
        .map_err(|_| fdo::Error::LimitsExceeded("keepalived has not seen to earlier calls yet".to_owned()))
}

/// The daemon as a whole.
pub(super) struct Daemon {
    pub(super) calls: Sender<Call>,
}

#[zbus::interface(name = "org.keepalived.Vrrp1.Vrrp")]
impl Daemon {
    /// Writes the configuration and the state into a file, as SIGUSR1.
    fn print_data(&self) -> fdo::Result<()> {
        ask(&self.calls, Call::PrintData)
    }

    /// Writes the counters into a file, as SIGUSR2.
    fn print_stats(&self) -> fdo::Result<()> {
        ask(&self.calls, Call::PrintStats)
    }

    /// The same, and sets them to zero.
    fn print_stats_clear(&self) -> fdo::Result<()> {
        ask(&self.calls, Call::PrintStatsClear)
    }

    /// Reads the configuration again, as SIGHUP.
    fn reload_config(&self) -> fdo::Result<()> {
        ask(&self.calls, Call::ReloadConfig)
    }

    #[zbus(signal)]
    pub(super) async fn vrrp_started(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn vrrp_reloaded(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn vrrp_stopped(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// One instance.
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) state: Shared,
    pub(super) calls: Sender<Call>,
}

#[zbus::interface(name = "org.keepalived.Vrrp1.Instance")]
impl Instance {
    /// Announces each of its addresses once, if it is master.
    fn send_garp(&self) -> fdo::Result<()> {
        ask(&self.calls, Call::SendGarp(self.name.clone()))
    }

    /// Its name.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> (String,) {
        (self.name.clone(),)
    }

    /// The number and the name of its state.
    #[zbus(property)]
    fn state(&self) -> (u32, String) {
        let state = self.state.get();
        (number(state), title(state).to_owned())
    }

    #[zbus(signal)]
    pub(super) async fn vrrp_status_change(emitter: &SignalEmitter<'_>, status: u32) -> zbus::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_letters_digits_and_underscores_only() {
        assert_eq!(
            path("/org/keepalived/Vrrp1", "eth0.10", 51, false),
            "/org/keepalived/Vrrp1/Instance/eth0_10/51/IPv4"
        );
        assert_eq!(element("br-lan é"), "br_lan__");
        assert_eq!(element(""), "_");
        for path in ["/a/b", &path("/r", "é/\"", 1, true)] {
            assert!(zbus::ObjectPath::try_from(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn a_call_is_refused_when_too_many_wait() {
        let (calls, mut waiting) = tokio::sync::mpsc::channel(1);
        let daemon = Daemon { calls };
        assert!(daemon.print_data().is_ok());
        assert!(matches!(daemon.reload_config(), Err(fdo::Error::LimitsExceeded(_))));
        assert_eq!(waiting.try_recv(), Ok(Call::PrintData));
    }
}
