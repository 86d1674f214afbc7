//! What systemd is told about the state of the daemon.
//!
//! Upstream speaks to systemd only if its parent is a process 1 of that name; here the variable is enough, so that
//! containers and user managers work as well.

use linux::process::Pid;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Environment variables of this protocol; roles and scripts do not get them.
pub(crate) const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A state worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Every role runs its configuration.
    Ready,
    /// A new configuration is being read, since this point of the monotonic clock.
    Reloading(base::Instant),
    /// The end has begun.
    Stopping,
    /// Every role has reported its loop.
    Alive,
    /// The daemon ends because of this exit code of a role.
    Failed(u8),
}

/// The way to systemd, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the environment says: `address` is NOTIFY_SOCKET, `watchdog` WATCHDOG_USEC.
    pub(crate) fn new(address: Option<&OsStr>, watchdog: Option<&str>) -> io::Result<Notifier> {
        let Some(address) = address.filter(|address| !address.is_empty()) else {
            return Ok(Notifier::default());
        };
        let target = match address.as_bytes().split_first() {
            Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
            Some(_) | None => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&target)?;
        socket.set_nonblocking(true)?;
        let micros = watchdog.and_then(|text| text.parse().ok()).filter(|micros| *micros > 0);
        Ok(Notifier {
            socket: Some(socket),
            watchdog: micros.map(Duration::from_micros),
        })
    }

    /// How long systemd waits for [`State::Alive`]; `None`: it does not.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells a state. A manager that does not read is not waited for.
    pub(crate) fn tell(&self, state: State) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        let text = match state {
            State::Ready => format!("READY=1\nMAINPID={}\n", Pid::own()),
            State::Reloading(at) => format!("RELOADING=1\nMONOTONIC_USEC={}\n", at.as_micros()),
            State::Stopping => "STOPPING=1\n".to_owned(),
            State::Alive => "WATCHDOG=1\n".to_owned(),
            State::Failed(code) => format!("ERRNO={code}\n"),
        };
        socket.send(text.as_bytes()).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(manager: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_manager_hears_each_state_over_a_socket_with_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(Some(path.as_os_str()), Some("3000000")).unwrap();
        assert_eq!(notifier.watchdog(), Some(Duration::from_secs(3)));
        let expected = [
            (State::Ready, format!("READY=1\nMAINPID={}\n", std::process::id())),
            (
                State::Reloading(base::Instant::from_micros(17)),
                "RELOADING=1\nMONOTONIC_USEC=17\n".to_owned(),
            ),
            (State::Stopping, "STOPPING=1\n".to_owned()),
            (State::Alive, "WATCHDOG=1\n".to_owned()),
            (State::Failed(2), "ERRNO=2\n".to_owned()),
        ];
        for (state, text) in expected {
            notifier.tell(state).unwrap();
            assert_eq!(told(&manager), text);
        }
    }

    #[test]
    fn a_manager_hears_over_an_abstract_socket() {
        let name = format!("keepalived-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier::new(Some(OsStr::new(&format!("@{name}"))), None).unwrap();
        notifier.tell(State::Ready).unwrap();
        assert!(told(&manager).starts_with("READY=1\n"));
        assert_eq!(notifier.watchdog(), None);
    }

    #[test]
    fn nobody_is_told_without_the_variable_and_a_dead_socket_is_an_error() {
        assert!(Notifier::new(None, Some("1")).unwrap().tell(State::Ready).is_ok());
        assert!(Notifier::new(Some(OsStr::new("/nonexistent/notify")), None).is_err());
    }
}
