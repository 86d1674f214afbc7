//! What the recipes have in common: a pair of routers made from the files of an example, each with a service beside it, a
//! client that keeps asking, and failures of which it is printed how long the service was away.
//!
//! It does not know what the service is: a recipe says how it is started and what a good answer is.

use lab::clock::Clock;
use lab::command::run;
use lab::daemon::{Binary, Daemon, Make};
use lab::netns::Namespace;
use lab::network::{HostPlan, Network, PortPlan};
use lab::process::Process;
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// How long a client waits for one answer, and how long it pauses before it asks again.
pub(crate) const ANSWER: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(50);

/// How long a failover, or the way back, may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many answers one after the other, and the service counts as back.
const STEADY: u32 = 10;

/// The variable of the environment that says where `examples` is, if it is not where it was.
pub(crate) const EXAMPLES: &str = "KEEPALIVED_EXAMPLES";

/// The folder of a recipe in `examples`.
#[derive(Clone, Copy)]
pub(crate) struct Example(pub(crate) &'static str);

impl Example {
    pub(crate) fn path(self, name: &str) -> PathBuf {
        // In a guest the sources are not where they were compiled.
        let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let examples = std::env::var_os(EXAMPLES).map_or_else(here, PathBuf::from);
        examples.join(self.0).join(name)
    }

    pub(crate) fn file(self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Sets what the recipe's sysctl.conf sets.
    pub(crate) fn sysctl(self, namespace: &Namespace) {
        for line in self.file("sysctl.conf").lines() {
            if let Some((name, value)) = line.split_once(" = ") {
                let path = name.strip_prefix("net.").unwrap().replace('.', "/");
                namespace.sysctl(&[(&path, value)]).unwrap();
            }
        }
    }

    /// The configuration of a node, with /etc/keepalived replaced by a private folder, which gets the scripts: what
    /// begins with `#!`.
    pub(crate) fn configuration(self, node: &str, folder: &Path) -> String {
        for entry in fs::read_dir(self.path("")).unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            let text = fs::read_to_string(path).unwrap();
            if text.starts_with("#!") {
                let script = folder.join(name);
                fs::write(&script, text.replace("/etc/keepalived", folder.to_str().unwrap())).unwrap();
                fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        self.file(&format!("node-{node}.conf"))
            .replace("/etc/keepalived", folder.to_str().unwrap())
    }

    /// Both nodes, and that a mistake is seen: otherwise nothing was looked at.
    pub(crate) fn accepted_by_ours_and_by_the_original(self) {
        let network = Network::build(&["a", "b"].map(judging)).unwrap();
        for name in ["a", "b"] {
            let folder = folder();
            let file = folder.path().join("keepalived.conf");
            let text = self.configuration(name, folder.path());
            for binary in [Binary::ours().unwrap(), Binary::upstream().unwrap()] {
                fs::write(&file, &text).unwrap();
                let (accepted, said) = judge(&network, name, &binary, &file);
                assert!(accepted && said.is_empty(), "{} on {name}: {said}", binary.make);
                fs::write(&file, text.replace("priority", "prioritty")).unwrap();
                let (accepted, said) = judge(&network, name, &binary, &file);
                assert!(
                    !accepted || said.contains("prioritty"),
                    "{} sees no mistake: {said}",
                    binary.make
                );
            }
        }
    }

    /// `keepalivedctl lint` finds nothing wrong with the two together.
    pub(crate) fn nodes_fit_together(self) {
        let tool = Binary::ours().unwrap().path.with_file_name("keepalivedctl");
        if !installed(&[tool.to_str().unwrap()]) {
            return;
        }
        let files = ["node-a.conf", "node-b.conf"].map(|name| self.path(name));
        let output = Command::new(tool).arg("lint").args(files).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// What `-t` says of a file on a host, and whether it accepts it.
fn judge(network: &Network, host: &str, binary: &Binary, file: &Path) -> (bool, String) {
    // `timeout` makes a process group: 2.2.7 ends its test of any file that uses a vrrp_script by a SIGTERM to its own.
    let mut command = Command::new("timeout");
    command.arg("10").arg(&binary.path).arg("-t").arg("-f").arg(file);
    let output = network
        .host(host)
        .unwrap()
        .inside(move || command.output())
        .unwrap()
        .unwrap();
    let term = Signal::SIGTERM as i32;
    let ended_itself = output.status.signal() == Some(term) || output.status.code() == Some(128 + term);
    let accepted = output.status.success() || binary.make == Make::Upstream && ended_itself;
    (
        accepted,
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
    )
}

/// Hosts `a` and `b` with the routers, `c` with the client, and the one service address they are about.
pub(crate) struct Pair<S> {
    // Dropped in this order: the programs before the network they run in.
    pub(crate) a: Router<S>,
    pub(crate) b: Router<S>,
    pub(crate) network: Network,
    title: &'static str,
    address: &'static str,
    ask: fn() -> bool,
}

/// A node of the pair: keepalived, and what it keeps alive.
pub(crate) struct Router<S> {
    pub(crate) keepalived: Daemon,
    pub(crate) service: S,
    pub(crate) namespace: Arc<Namespace>,
    /// In the place of /etc/keepalived, and what the service writes.
    _folder: TempDir,
}

impl<S> Pair<S> {
    /// `serve`: starts the service of a node, given its name, namespace and private folder. `ask`: one request of the
    /// client, and whether the answer is good.
    pub(crate) fn start(
        example: Example,
        hosts: &[HostPlan],
        address: &'static str,
        serve: impl Fn(&str, &Arc<Namespace>, &Path) -> S,
        ask: fn() -> bool,
    ) -> Pair<S> {
        Pair::start_in(example, Network::build(hosts).unwrap(), address, serve, ask)
    }

    /// The same in a network where something runs already.
    pub(crate) fn start_in(
        example: Example,
        network: Network,
        address: &'static str,
        serve: impl Fn(&str, &Arc<Namespace>, &Path) -> S,
        ask: fn() -> bool,
    ) -> Pair<S> {
        let mut pair = Pair {
            a: Router::start("a", example, &network, &serve),
            b: Router::start("b", example, &network, &serve),
            network,
            title: example.0,
            address,
            ask,
        };
        eprintln!("{:<8}{:<36}{:>8}   requests failed", "recipe", "failure", "away");
        pair.settled_at("a");
        pair.failure("(nothing fails)", "a", |_| ());
        pair
    }

    /// A failure that clients must have noticed: otherwise nothing was broken.
    pub(crate) fn noticed(&mut self, what: &str, target: &str, inject: impl FnOnce(&mut Pair<S>)) {
        assert!(self.failure(what, target, inject) > 0, "nobody noticed: {what}");
    }

    /// Does something while a client keeps asking, until the address is at `target` alone and the service answers
    /// steadily. Prints how long it was away and returns how many requests failed.
    pub(crate) fn failure(&mut self, what: &str, target: &str, inject: impl FnOnce(&mut Pair<S>)) -> u32 {
        let client = self.network.host("c").unwrap().clone();
        let (seen, ask) = (Seen::default(), self.ask);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| client.inside(|| seen.keep_asking(ask)).unwrap());
            // A panic in here must not leave the client asking for ever.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                inject(self);
                self.settled_at(target);
                seen.steady.store(0, Ordering::Relaxed);
                self.until(|_| seen.steady.load(Ordering::Relaxed) >= STEADY, "steady answers");
            }));
            seen.enough.store(true, Ordering::Relaxed);
            let away = asking.join().unwrap();
            if let Err(panic) = done {
                std::panic::resume_unwind(panic);
            }
            let failed = seen.failed.load(Ordering::Relaxed);
            eprintln!("{:<8}{what:<36}{:>6.1} s   {failed}", self.title, away.as_secs_f64());
            failed
        })
    }

    pub(crate) fn settled_at(&self, name: &str) {
        let (router, other) = if name == "a" {
            (&self.a, &self.b)
        } else {
            (&self.b, &self.a)
        };
        self.until(
            |_| router.holds(self.address) && !other.holds(self.address),
            &format!("the address at {name} alone"),
        );
    }

    pub(crate) fn until(&self, holds: impl Fn(&Pair<S>) -> bool, what: &str) {
        let clock = Clock::start();
        while !holds(self) {
            assert!(
                clock.now() < PATIENCE,
                "never: {what}\n{}",
                self.network.journal.timeline()
            );
            std::thread::sleep(PAUSE);
        }
    }
}

impl<S> Router<S> {
    fn start(
        name: &str,
        example: Example,
        network: &Network,
        serve: impl Fn(&str, &Arc<Namespace>, &Path) -> S,
    ) -> Router<S> {
        let namespace = network.host(name).unwrap().clone();
        let folder = folder();
        let text = example.configuration(name, folder.path());
        let binary = Binary::ours().unwrap();
        let mut keepalived = Daemon::new(name, namespace.clone(), network.journal.clone(), binary, &text).unwrap();
        let service = serve(name, &namespace, folder.path());
        keepalived.start().unwrap();
        Router {
            keepalived,
            service,
            namespace,
            _folder: folder,
        }
    }

    /// Whether the address is on one of its interfaces.
    pub(crate) fn holds(&self, address: &str) -> bool {
        run("ip", &["-n", self.namespace.name(), "-o", "address"], "")
            .unwrap()
            .contains(&format!(" {address}/"))
    }
}

impl<S> Drop for Router<S> {
    fn drop(&mut self) {
        if self.keepalived.fell_over() {
            eprintln!("recipes: a daemon ended by itself");
        }
    }
}

/// What a client sees.
#[derive(Default)]
struct Seen {
    steady: AtomicU32,
    failed: AtomicU32,
    enough: AtomicBool,
}

impl Seen {
    /// Asks until it is enough; the longest time from the first request that failed to the next answer.
    fn keep_asking(&self, ask: fn() -> bool) -> Duration {
        let clock = Clock::start();
        let (mut longest, mut since) = (Duration::ZERO, None);
        while !self.enough.load(Ordering::Relaxed) {
            let begun = clock.now();
            if ask() {
                self.steady.fetch_add(1, Ordering::Relaxed);
                if let Some(since) = since.take() {
                    longest = longest.max(clock.now().saturating_sub(since));
                }
            } else {
                self.steady.store(0, Ordering::Relaxed);
                self.failed.fetch_add(1, Ordering::Relaxed);
                since.get_or_insert(begun);
            }
            std::thread::sleep(PAUSE);
        }
        longest
    }
}

/// A program that runs in the foreground, and the processes it makes. Ended when dropped.
pub(crate) struct Program {
    namespace: Arc<Namespace>,
    command: Command,
    child: Child,
}

impl Program {
    pub(crate) fn start(namespace: &Arc<Namespace>, mut command: Command) -> Program {
        command.stdin(Stdio::null());
        let child = namespace.inside(|| command.spawn()).unwrap().unwrap();
        Program {
            namespace: namespace.clone(),
            command,
            child,
        }
    }

    /// To the program and all it has made: an nginx whose master is gone still serves.
    pub(crate) fn signal(&self, signal: Signal) {
        let master = Process::of(self.child.id() as i32).unwrap();
        let workers = master.descendants();
        assert!(master.signal(signal), "{:?} has gone", self.command.get_program());
        for worker in workers {
            // One whose master was killed this moment may have ended by itself.
            worker.signal(signal);
        }
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// After its end, which it waits for.
    pub(crate) fn start_again(&mut self) {
        self.child.wait().unwrap();
        self.child = self.namespace.inside(|| self.command.spawn()).unwrap().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(master) = Process::of(self.child.id() as i32) {
            for process in master.descendants().into_iter().chain([master]) {
                process.signal(Signal::SIGKILL);
            }
        }
        if let Err(error) = self.child.wait() {
            eprintln!(
                "recipes: {:?} cannot be waited for: {error}",
                self.command.get_program()
            );
        }
    }
}

/// A host with one cable to the segment all hosts are on.
pub(crate) fn host(name: &str, address: &str) -> HostPlan {
    HostPlan {
        name: name.into(),
        ports: vec![port("lan", "eth0", address)],
    }
}

pub(crate) fn port(segment: &str, interface: &str, address: &str) -> PortPlan {
    PortPlan {
        segment: segment.into(),
        interface: interface.into(),
        addresses: vec![address.into()],
    }
}

/// A host that has every interface an example may name.
fn judging(name: &str) -> HostPlan {
    let number = if name == "a" { 2 } else { 3 };
    HostPlan {
        name: name.into(),
        ports: vec![
            port("lan", "eth0", &format!("10.0.0.{number}/24")),
            port("back", "eth1", &format!("10.0.1.{number}/24")),
        ],
    }
}

/// Below /run: whoever secures scripts refuses those in a folder where everybody may write.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("karecipe.").tempdir_in("/run").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Whether a web site answers in time, with status 200.
pub(crate) fn site(address: &str) -> bool {
    page(address, "/").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// What comes back for one page, header and all.
pub(crate) fn page(address: &str, path: &str) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, ANSWER).ok()?;
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n").as_bytes())
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// nginx in the foreground, with one site and everything it writes in a private folder.
pub(crate) fn nginx(folder: &Path, site: &str) -> Command {
    let place = folder.display();
    fs::write(folder.join("site.conf"), site).unwrap();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {place}/{kind};\n"))
        .concat();
    let main = format!(
        "daemon off;\nuser nobody nogroup;\npid {place}/nginx.pid;\nerror_log {place}/error.log;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}include {place}/site.conf;\n}}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, main).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-e").arg(folder.join("error.log")).arg("-c").arg(file);
    command
}

/// Whether all of it is there. Where `make recipes` asks, nothing may be missing.
pub(crate) fn installed(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| !Path::new(program).exists()).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var_os("KEEPALIVED_RECIPES").is_none(), "missing: {missing:?}");
    eprintln!("skipped: {missing:?} not installed (make recipes)");
    false
}
