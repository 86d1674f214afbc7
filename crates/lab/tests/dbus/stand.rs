//! A message bus of the test's own, with the policy that is installed, and those who listen to it and call.

use lab::clock::Clock;
use lab::command::{Result, Trouble};
use lab::daemon::PATIENCE;
use lab::netns::private_folder;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// Somebody who is not root.
const NOBODY: &str = "65534";

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// As the system bus: nobody may do anything unless a policy says so.
const CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=@SOCKET@</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
  </policy>
  <include>@POLICY@</include>
</busconfig>
"#;

/// The place of a bus, whether it runs or not.
pub(crate) struct Bus {
    folder: TempDir,
    daemon: Option<Child>,
}

impl Bus {
    pub(crate) fn place() -> Result<Bus> {
        let folder = private_folder()?;
        // Those who are not root come here too.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .map_err(Trouble::when("cannot open the folder"))?;
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/dbus/org.keepalived.Vrrp1.conf");
        let bus = Bus { folder, daemon: None };
        let text = CONFIGURATION
            .replace("@SOCKET@", &bus.socket().display().to_string())
            .replace("@POLICY@", &policy.display().to_string());
        fs::write(bus.folder.path().join("bus.conf"), text).map_err(Trouble::when("cannot write the configuration"))?;
        Ok(bus)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        let mut command = Command::new("dbus-daemon");
        command
            .arg("--nofork")
            .arg("--nopidfile")
            .arg("--config-file")
            .arg(self.folder.path().join("bus.conf"));
        self.daemon = Some(command.spawn().map_err(Trouble::when("cannot start dbus-daemon"))?);
        let socket = self.socket();
        until("the bus listens", || socket.exists())
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = fs::remove_file(self.socket());
    }

    /// Runs busctl as root; its output, or what it complains about.
    pub(crate) fn busctl(&self, arguments: &str) -> std::result::Result<String, String> {
        self.run(Command::new("busctl"), arguments)
    }

    /// The same as somebody else.
    pub(crate) fn busctl_as_nobody(&self, arguments: &str) -> std::result::Result<String, String> {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "busctl"]);
        self.run(command, arguments)
    }

    fn run(&self, mut command: Command, arguments: &str) -> std::result::Result<String, String> {
        command.arg(format!("--address={}", self.address()));
        let output = command.args(arguments.split_whitespace()).output();
        let output = output.map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    /// Listens to everything that is said on the bus.
    pub(crate) fn listen(&self) -> Result<Listener> {
        let mut command = Command::new("dbus-monitor");
        command
            .args(["--address", &self.address(), "type='signal'"])
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(Trouble::when("cannot start dbus-monitor"))?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (lines, out) = (Arc::clone(&heard), child.stdout.take());
        let listener = Listener { child, heard };
        let Some(out) = out else {
            return Err(Trouble::new("no output of dbus-monitor"));
        };
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(std::result::Result::ok) {
                if let Ok(mut lines) = lines.lock() {
                    lines.push(line);
                }
            }
        });
        // What it says first is about itself.
        until("the listener listens", || !listener.all().is_empty())?;
        Ok(listener)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) struct Listener {
    child: Child,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    /// Every line until now.
    pub(crate) fn all(&self) -> Vec<String> {
        self.heard.lock().map(|lines| lines.clone()).unwrap_or_default()
    }

    /// Waits for a signal, with this value in the next line if one is given.
    pub(crate) fn hears(&self, member: &str, value: Option<&str>) -> Result<()> {
        let wanted = format!("member={member}");
        until(&format!("{member} {value:?}"), || {
            let lines = self.all();
            let next = lines.iter().skip(1).chain(std::iter::once(&wanted));
            lines
                .iter()
                .zip(next)
                .any(|(line, next)| line.ends_with(&wanted) && value.is_none_or(|value| next.trim() == value))
        })
        .map_err(|trouble| Trouble::new(format!("{trouble}: {:#?}", self.all())))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let clock = Clock::start();
    while !holds() {
        if clock.now() > PATIENCE {
            return Err(Trouble::new(format!("never: {what}")));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}
