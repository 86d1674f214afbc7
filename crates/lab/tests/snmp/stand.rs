//! A daemon, a master agent beside it, and a manager that asks it.
#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use lab::command::Result;
use lab::daemon::{Binary, Daemon};
use lab::journal::{Journal, Seen};
use lab::netns::Namespace;
use lab::process::Process;
use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longer than anything here lasts, on any machine.
const LONG: Duration = Duration::from_secs(40);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// One daemon in a namespace of its own.
pub(crate) struct Stand {
    daemon: Daemon,
    namespace: Arc<Namespace>,
    journal: Arc<Journal>,
    conf: String,
}

/// Much of what SNMP shows, without virtual servers.
const CONF: &str = r#"global_defs {
    router_id router-one
    enable_snmp_vrrp
    enable_snmp_rfc
    enable_traps
    snmp_socket unix:@SOCKET@
    notification_email {
        a@example.org
        b@example.org
    }
    smtp_server 192.0.2.25
    notification_email_from from@example.org
    smtp_connect_timeout 7
    no_email_faults
    script_user root
}
vrrp_script chk {
    script "/usr/bin/true 1"
    interval 1
    weight 5
    rise 2
    fall 3
}
track_file tf {
    file @VALUE@
    weight 3
}
vrrp_track_process tp {
    process nobody-runs-this
    weight 7
    quorum 2
}
vrrp_sync_group G {
    group {
        two
        one
    }
    notify_master "/usr/bin/true gm"
}
vrrp_instance two {
    state BACKUP
    interface eth1
    virtual_router_id 12
    priority 90
    version 2
    advert_int 1
    nopreempt
    garp_master_delay 7
    virtual_ipaddress {
        192.168.8.7/24
    }
}
vrrp_instance one {
    state MASTER
    interface eth0
    virtual_router_id 11
    priority 100
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass secret
    }
    virtual_ipaddress {
        192.168.7.7/24 label eth0:1
        192.168.7.8/32 dev eth0 scope link
        10.1.1.1/8 brd 10.255.255.255
    }
    virtual_ipaddress_excluded {
        2001:db8::77/64
    }
    virtual_routes {
        10.99.0.0/16 via 192.168.7.1 dev eth0 metric 5 mtu lock 1400 rtt 30ms initcwnd 7
        unreachable 10.98.0.0/16 table 77
        10.97.0.0/16 dev eth0 src 192.168.7.2 scope link
    }
    virtual_rules {
        from 10.5.0.0/16 table 100 priority 500
        to 10.6.0.0/16 fwmark 7/15 iif eth0 blackhole priority 501
        not from 10.7.0.0/16 goto 600 priority 502
    }
    notify_master "/usr/bin/true master"
    notify "/usr/bin/true any"
}
vrrp_instance three {
    interface eth0
    virtual_router_id 13
    priority 80
    version 3
    advert_int 0.25
    preempt_delay 5
    track_script {
        chk
    }
    track_file {
        tf weight 2
    }
    track_process {
        tp
    }
    virtual_ipaddress {
        192.168.7.9/24
    }
    promote_secondaries
    accept
}
"#;

impl Stand {
    /// Not started yet.
    pub(crate) fn new(binary: Binary) -> Stand {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let part = format!("snmp{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let namespace = Arc::new(Namespace::create(&part).unwrap());
        namespace
            .ip(&[
                "link add eth0 address 02:00:00:00:00:01 type veth peer name p0",
                "link add eth1 address 02:00:00:00:00:02 type veth peer name p1",
                "link set eth0 addrgenmode none",
                "link set eth1 addrgenmode none",
                "link set eth0 up",
                "link set p0 up",
                "link set eth1 up",
                "link set p1 up",
                "addr add 192.168.7.2/24 dev eth0",
                "addr add 192.168.8.2/24 dev eth1",
            ])
            .unwrap();
        let journal = Journal::start();
        let mut daemon = Daemon::new("a", namespace.clone(), journal.clone(), binary, "").unwrap();
        daemon.set_variable("SNMP_PERSISTENT_DIR", daemon.file("snmp"));
        daemon.set_variable("SNMPCONFPATH", daemon.file("snmp"));
        let socket = daemon.file("master").display().to_string();
        // The value that is tracked is the same, wherever it is kept.
        let value = std::env::temp_dir().join("keepalived-lab-snmp-value");
        fs::write(&value, "4\n").unwrap();
        let conf = CONF
            .replace("@SOCKET@", &socket)
            .replace("@VALUE@", &value.display().to_string());
        daemon.configure(&conf).unwrap();
        Stand {
            daemon,
            namespace,
            journal,
            conf,
        }
    }

    /// Where the master agent listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.daemon.file("master")
    }

    /// The configuration.
    pub(crate) fn conf(&self) -> String {
        self.conf.clone()
    }

    /// Does something inside the namespace of the daemon.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.namespace.inside(work).unwrap()
    }

    /// Another configuration.
    pub(crate) fn configure(&self, conf: &str) {
        self.daemon.configure(conf).unwrap();
    }

    pub(crate) fn start(&mut self) {
        self.daemon.start().unwrap();
    }

    pub(crate) fn stop(&mut self) {
        self.daemon.stop().unwrap();
    }

    pub(crate) fn reload(&mut self) {
        self.daemon.reload().unwrap();
    }

    pub(crate) fn now(&self) -> Duration {
        self.journal.clock.now()
    }

    /// Where the master agent sends notifications.
    pub(crate) fn sink(&self) -> UdpSocket {
        let socket = self
            .namespace
            .inside(|| UdpSocket::bind("127.0.0.1:1162"))
            .unwrap()
            .unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    /// Waits for something, and says what was not to be had in the end.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = self.now() + LONG;
        while !holds() {
            assert!(
                self.now() < end,
                "{what}: not within {LONG:?}\n{}",
                self.journal.timeline()
            );
            std::thread::sleep(LOOK);
        }
    }

    pub(crate) fn until_said(&self, since: Duration, text: &str) {
        let found = self.journal.wait_entry(
            since,
            self.now() + LONG,
            |entry| matches!(&entry.what, Seen::Log(line) if line.contains(text)),
        );
        assert!(found.is_some(), "{text}: was not said\n{}", self.journal.timeline());
    }

    pub(crate) fn until_all_are_master(&self, snmpd: &Snmpd) {
        self.until("a manager reads that all are master", || {
            let states = snmpd.walk(super::STATES);
            states.len() == 3 && states.values().all(|state| state == "INTEGER: 2")
        });
    }

    /// Until the addresses are there, without SNMP.
    pub(crate) fn until_holds(&self) {
        self.until("the addresses are there", || {
            let shown = self
                .namespace
                .inside(|| Command::new("ip").args(["-br", "addr"]).output());
            let text = String::from_utf8(shown.unwrap().unwrap().stdout).unwrap();
            ["192.168.7.7/24", "192.168.8.7/24", "192.168.7.9/24"]
                .iter()
                .all(|address| text.contains(address))
        });
    }

    pub(crate) fn assert_no_state_changed_since(&self, since: Duration) {
        let changed = self.journal.entries().into_iter().find(|entry| {
            let is_change =
                matches!(&entry.what, Seen::Log(line) if line.contains(" STATE") && line.contains("Entering"));
            entry.at > since && is_change
        });
        assert!(changed.is_none(), "{changed:?}\n{}", self.journal.timeline());
    }

    pub(crate) fn manage_role(&self) -> Process {
        let mut found = None;
        self.until("there is a manage role", || {
            let family = self.daemon.supervisor().unwrap().descendants();
            found = family.into_iter().find(|process| {
                let words = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
                words.split(|byte| *byte == 0).any(|word| word == b"--role=manage")
            });
            found.is_some()
        });
        found.unwrap()
    }
}

/// The master agent.
pub(crate) struct Snmpd {
    child: std::cell::RefCell<Option<Child>>,
    namespace: Arc<Namespace>,
    folder: PathBuf,
}

impl Snmpd {
    /// Starts it beside the daemon, and waits until it answers.
    pub(crate) fn start(stand: &Stand) -> Snmpd {
        let folder = stand.daemon.file("snmp");
        fs::create_dir_all(&folder).unwrap();
        let conf = folder.join("master.conf");
        let text = format!(
            "rocommunity public\nrwcommunity private\nmaster agentx\nagentXSocket {}\nagentaddress udp:127.0.0.1:161\n\
             trap2sink 127.0.0.1:1162 public\n",
            stand.socket().display()
        );
        fs::write(&conf, text).unwrap();
        let mut command = Command::new("/usr/sbin/snmpd");
        command
            .args(["-f", "-Lf"])
            .arg(folder.join("log"))
            .args(["-C", "-c"])
            .arg(&conf)
            .env("SNMP_PERSISTENT_DIR", &folder)
            .env("SNMPCONFPATH", &folder)
            .env("MIBS", "")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = stand.namespace.inside(move || command.spawn()).unwrap();
        let snmpd = Snmpd {
            child: Some(child.unwrap()).into(),
            namespace: stand.namespace.clone(),
            folder,
        };
        stand.until("the master agent answers", || snmpd.get(".1.3.6.1.2.1.1.3.0").is_some());
        snmpd
    }

    pub(crate) fn stop(&self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let folder = &self.folder;
        let output = self.namespace.inside(|| {
            Command::new(program)
                .args([
                    "-v2c",
                    "-c",
                    "private",
                    "-On",
                    "-m",
                    "",
                    "-t",
                    "2",
                    "-r",
                    "1",
                    "127.0.0.1",
                ])
                .args(arguments)
                .env("SNMP_PERSISTENT_DIR", folder)
                .env("SNMPCONFPATH", folder)
                .stdin(Stdio::null())
                .output()
        })?;
        Ok(String::from_utf8_lossy(&output.unwrap().stdout).into_owned())
    }

    /// Everything below a name, with its values as the tool prints them.
    pub(crate) fn walk(&self, name: &str) -> BTreeMap<String, String> {
        let text = self.ask("snmpwalk", &[name]).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once(" = "));
        pairs
            .filter(|(_, value)| !value.starts_with("No "))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    /// Sets a number; what the tool says about it.
    pub(crate) fn set(&self, name: &str, number: i32) -> String {
        self.ask("snmpset", &[name, "i", &number.to_string()]).unwrap()
    }

    /// One value.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let text = self.ask("snmpget", &[name]).unwrap();
        let (_, value) = text.lines().next()?.split_once(" = ")?;
        (!value.starts_with("No ")).then(|| value.trim().to_owned())
    }
}

impl Drop for Snmpd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Notifications of the daemon that have come: each its name, and the names and values that go with it. Those of the master
/// agent itself are left out.
pub(crate) fn notifications(sink: &UdpSocket) -> Vec<String> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = sink.recv(&mut buffer) {
        let binds = binds(&buffer[..length]);
        // The first two are the time and the name of the notification.
        let text = binds[1..].join(", ");
        if text.contains("9586.100.5") || text.contains(".1.3.6.1.2.1.68") || text.contains(".1.3.6.1.2.1.207") {
            all.push(text);
        }
    }
    all
}

/// The names and values of a notification of SNMP version 2c, without the community and the numbers before them.
fn binds(message: &[u8]) -> Vec<String> {
    let (_, message, _) = element(message);
    let (_, _, rest) = element(message);
    let (_, _, rest) = element(rest);
    let (_, mut pdu, _) = element(rest);
    for _ in 0..3 {
        pdu = element(pdu).2;
    }
    let (_, mut list, _) = element(pdu);
    let mut all = Vec::new();
    while !list.is_empty() {
        let (_, bind, rest) = element(list);
        let (_, name, value) = element(bind);
        let (kind, value, _) = element(value);
        all.push(format!("{} = {}", dotted(name), shown(kind, value)));
        list = rest;
    }
    all
}

/// The kind of the first element, what is in it, and what is behind it (BER, as far as SNMP uses it).
fn element(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    let (mut from, mut length) = (2, usize::from(bytes[1]));
    if length >= 0x80 {
        from = 2 + (length & 0x7f);
        length = bytes[2..from]
            .iter()
            .fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
    }
    (bytes[0], &bytes[from..from + length], &bytes[from + length..])
}

fn dotted(bytes: &[u8]) -> String {
    let mut text = format!(".{}.{}", bytes[0] / 40, bytes[0] % 40);
    let mut number = 0_u32;
    for byte in &bytes[1..] {
        number = (number << 7) | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            text += &format!(".{number}");
            number = 0;
        }
    }
    text
}

fn shown(kind: u8, value: &[u8]) -> String {
    match kind {
        0x02 => value
            .iter()
            .fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte))
            .to_string(),
        0x06 => dotted(value),
        _ => format!("{value:02x?}"),
    }
}
