//! Other makes of BFD in a namespace: BIRD, and FRR's bfdd. Each is started by the test and ended by its id.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use lab::command::run;
use lab::netns::{Namespace, private_folder};
use lab::process::Process;
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A session as another make is to run it.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Its own address.
    pub(crate) local: &'static str,
    /// Ours.
    pub(crate) remote: &'static str,
    pub(crate) multihop: bool,
    /// Milliseconds, both ways.
    pub(crate) interval: u32,
    pub(crate) multiplier: u8,
}

/// A running daemon of another make.
pub(crate) struct Peer {
    child: Child,
    folder: TempDir,
    ask: fn(&Path) -> String,
}

impl Peer {
    /// What it says of its sessions.
    pub(crate) fn sessions(&self) -> String {
        (self.ask)(self.folder.path())
    }

    /// kill -9: it says nothing more.
    pub(crate) fn kill(&mut self) {
        if let Some(process) = Process::of(self.child.id() as i32) {
            process.signal(Signal::SIGKILL);
        }
        self.child.wait().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// BIRD, or `None` if it is not installed.
pub(crate) fn bird(namespace: &Namespace, wishes: &[Wish]) -> Option<Peer> {
    const BIRD: &str = "/usr/sbin/bird";
    if !Path::new(BIRD).exists() {
        eprintln!("skipped: bird2 is not installed (make setup)");
        return None;
    }
    let folder = private_folder().unwrap();
    let mut text = "router id 192.0.2.2;\nprotocol device {}\nprotocol bfd {\n strict bind off;\n".to_owned();
    if let Some(wish) = wishes.first() {
        let Wish {
            interval, multiplier, ..
        } = wish;
        let timing = format!(
            "min rx interval {interval} ms; min tx interval {interval} ms; idle tx interval 1 s; multiplier {multiplier};"
        );
        text += &format!(" interface \"*\" {{ {timing} }};\n multihop {{ {timing} }};\n");
    }
    for Wish {
        local,
        remote,
        multihop,
        ..
    } in wishes
    {
        let how = if *multihop { "multihop on" } else { "" };
        let device = if *multihop { "" } else { "dev \"eth0\"" };
        text += &format!(" neighbor {remote} {device} local {local} {how};\n");
    }
    text += "}\n";
    let conf = folder.path().join("bird.conf");
    fs::write(&conf, text).unwrap();
    let mut command = Command::new(BIRD);
    command
        .args(["-f", "-c"])
        .arg(&conf)
        .arg("-s")
        .arg(folder.path().join("ctl"))
        .arg("-P")
        .arg(folder.path().join("pid"));
    fn ask(folder: &Path) -> String {
        let socket = folder.join("ctl").display().to_string();
        // Not there yet, or not any more.
        run("birdc", &["-s", &socket, "show", "bfd", "sessions"], "").unwrap_or_default()
    }
    Some(started(namespace, command, folder, ask))
}

/// FRR's bfdd alone, or `None` if it is not installed.
pub(crate) fn frr(namespace: &Namespace, wishes: &[Wish]) -> Option<Peer> {
    const BFDD: &str = "/usr/lib/frr/bfdd";
    if !Path::new(BFDD).exists() {
        eprintln!("skipped: frr is not installed (make setup)");
        return None;
    }
    let folder = private_folder().unwrap();
    let mut text = "bfd\n".to_owned();
    for Wish {
        local,
        remote,
        multihop,
        interval,
        multiplier,
    } in wishes
    {
        let how = if *multihop { "multihop" } else { "" };
        text += &format!(
            " peer {remote} {how} local-address {local}\n  receive-interval {interval}\n  transmit-interval {interval}\n  \
             detect-multiplier {multiplier}\n !\n"
        );
    }
    text += "!\n";
    let conf = folder.path().join("bfdd.conf");
    fs::write(&conf, text).unwrap();
    // It gives up its privileges and must still reach its files.
    let place = folder.path().display().to_string();
    run("chown", &["-R", "frr:frr", &place], "").unwrap();
    let mut command = Command::new(BFDD);
    command.arg("-f").arg(&conf).args(["-A", "127.0.0.1", "-P", "0"]);
    for (option, name) in [("-i", "pid"), ("-z", "zebra"), ("--bfdctl", "ctl")] {
        command.arg(option).arg(folder.path().join(name));
    }
    command.arg("--vty_socket").arg(folder.path());
    fn ask(folder: &Path) -> String {
        let place = folder.display().to_string();
        run("vtysh", &["--vty_socket", &place, "-c", "show bfd peers brief"], "").unwrap_or_default()
    }
    Some(started(namespace, command, folder, ask))
}

fn started(namespace: &Namespace, mut command: Command, folder: TempDir, ask: fn(&Path) -> String) -> Peer {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = namespace.inside(|| command.spawn()).unwrap().unwrap();
    Peer { child, folder, ask }
}
