//! The recipes of `docs/recipes`, built from the files in `examples` and the distribution's packages, and broken.
//!
//! `make recipes` shows the table of failures; it sets `KEEPALIVED_RECIPES`, and then nothing is skipped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

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
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Where clients go.
const SERVICE: &str = "10.0.0.10:80";

/// How long a client waits for one answer, and how long it pauses before it asks again.
const ANSWER: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(50);

/// How long a failover may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many answers one after the other, and the service counts as back.
const STEADY: u32 = 10;

#[test]
fn the_address_leaves_an_nginx_that_is_killed_and_one_that_hangs() {
    if !installed(&["/usr/sbin/nginx", "/usr/bin/curl"]) {
        return;
    }
    let mut recipe = Recipe::start();
    eprintln!("recipe  failure                            away   requests failed");
    recipe.noticed("nginx hangs (SIGSTOP)", "b", |lab| lab.a.signal_nginx(Signal::SIGSTOP));
    recipe.failure("nginx goes on (SIGCONT)", "a", |lab| {
        lab.a.signal_nginx(Signal::SIGCONT)
    });
    recipe.noticed("nginx is killed (SIGKILL)", "b", |lab| {
        lab.a.signal_nginx(Signal::SIGKILL)
    });
    recipe.failure("nginx is started again", "a", |lab| lab.a.start_nginx());
    recipe.noticed("the cable of a is pulled", "b", |lab| {
        lab.network.carrier("a", false).unwrap()
    });
    recipe.failure("the cable of a is back", "a", |lab| {
        lab.network.carrier("a", true).unwrap()
    });
}

#[test]
fn the_configurations_of_the_nginx_recipe_are_accepted_by_ours_and_by_the_original() {
    if !installed(&["/usr/sbin/keepalived", "/usr/bin/curl"]) {
        return;
    }
    let network = network();
    for name in ["a", "b"] {
        let folder = folder();
        let file = folder.path().join("keepalived.conf");
        let text = configuration(name, folder.path());
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

#[test]
fn the_nodes_of_the_nginx_recipe_fit_together() {
    let tool = Binary::ours().unwrap().path.with_file_name("keepalivedctl");
    if !installed(&[tool.to_str().unwrap()]) {
        return;
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/nginx");
    let files = ["node-a.conf", "node-b.conf"].map(|name| examples.join(name));
    let output = Command::new(tool).arg("lint").args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
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

struct Recipe {
    // Dropped in this order: the programs before the network they run in.
    a: Router,
    b: Router,
    network: Network,
}

impl Recipe {
    fn start() -> Recipe {
        let network = network();
        let mut recipe = Recipe {
            a: Router::start("a", &network),
            b: Router::start("b", &network),
            network,
        };
        recipe.settled_at("a");
        recipe.failure("(nothing fails)", "a", |_| ());
        recipe
    }

    /// A failure that clients must have noticed: otherwise nothing was broken.
    fn noticed(&mut self, what: &str, target: &str, inject: impl FnOnce(&mut Recipe)) {
        assert!(self.failure(what, target, inject) > 0, "nobody noticed: {what}");
    }

    /// Does something while a client keeps asking, until the address is at `target` alone and the service answers
    /// steadily. Prints how long it was away and returns how many requests failed.
    fn failure(&mut self, what: &str, target: &str, inject: impl FnOnce(&mut Recipe)) -> u32 {
        let client = self.network.host("c").unwrap().clone();
        let seen = Seen::default();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| client.inside(|| seen.keep_asking()).unwrap());
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
            eprintln!("nginx   {what:<30} {:>6.1} s   {failed}", away.as_secs_f64());
            failed
        })
    }

    fn settled_at(&self, name: &str) {
        let (router, other) = if name == "a" {
            (&self.a, &self.b)
        } else {
            (&self.b, &self.a)
        };
        self.until(
            |_| router.holds() && !other.holds(),
            &format!("the address at {name} alone"),
        );
    }

    fn until(&self, holds: impl Fn(&Recipe) -> bool, what: &str) {
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

/// What a client sees.
#[derive(Default)]
struct Seen {
    steady: AtomicU32,
    failed: AtomicU32,
    enough: AtomicBool,
}

impl Seen {
    /// Asks until it is enough; the longest time from the first request that failed to the next answer.
    fn keep_asking(&self) -> Duration {
        let clock = Clock::start();
        let (mut longest, mut since) = (Duration::ZERO, None);
        while !self.enough.load(Ordering::Relaxed) {
            let begun = clock.now();
            if ask().is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
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

fn ask() -> Option<String> {
    let address: SocketAddr = SERVICE.parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, ANSWER).ok()?;
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

struct Router {
    keepalived: Daemon,
    nginx: Child,
    namespace: Arc<Namespace>,
    folder: TempDir,
}

impl Router {
    fn start(name: &str, network: &Network) -> Router {
        let namespace = network.host(name).unwrap().clone();
        let folder = folder();
        let text = configuration(name, folder.path());
        let binary = Binary::ours().unwrap();
        let mut keepalived = Daemon::new(name, namespace.clone(), network.journal.clone(), binary, &text).unwrap();
        let nginx = spawn_nginx(&namespace, folder.path());
        keepalived.start().unwrap();
        Router {
            keepalived,
            nginx,
            namespace,
            folder,
        }
    }

    fn start_nginx(&mut self) {
        self.nginx.wait().unwrap();
        self.nginx = spawn_nginx(&self.namespace, self.folder.path());
    }

    /// To the master process and its workers: a worker whose master is gone still serves.
    fn signal_nginx(&self, signal: Signal) {
        let master = Process::of(self.nginx.id() as i32).unwrap();
        let workers = master.descendants();
        assert!(!workers.is_empty(), "nginx has no workers");
        for process in std::iter::once(master).chain(workers) {
            assert!(process.signal(signal), "nginx has gone");
        }
    }

    fn holds(&self) -> bool {
        run("ip", &["-n", self.namespace.name(), "-o", "address"], "")
            .unwrap()
            .contains(" 10.0.0.10/")
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if let Some(master) = Process::of(self.nginx.id() as i32) {
            for process in master.descendants().into_iter().chain([master]) {
                process.signal(Signal::SIGKILL);
            }
        }
        if let Err(error) = self.nginx.wait() {
            eprintln!("recipes: nginx cannot be waited for: {error}");
        }
        if self.keepalived.fell_over() {
            eprintln!("recipes: a daemon ended by itself");
        }
    }
}

/// Two routers and a client on one segment.
fn network() -> Network {
    let host = |(name, address): (&str, &str)| HostPlan {
        name: name.into(),
        ports: vec![PortPlan {
            segment: "lan".into(),
            interface: "eth0".into(),
            addresses: vec![address.into()],
        }],
    };
    let hosts = [("a", "10.0.0.2/24"), ("b", "10.0.0.3/24"), ("c", "10.0.0.100/24")];
    Network::build(&hosts.map(host)).unwrap()
}

/// Below /run: whoever secures scripts refuses those in a folder where everybody may write.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("karecipe.").tempdir_in("/run").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/nginx")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The configuration of a node as it is in `examples`, with /etc/keepalived replaced by a private folder, which gets
/// the script.
fn configuration(name: &str, folder: &Path) -> String {
    let script = folder.join("check_nginx");
    fs::write(&script, example("check_nginx")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    example(&format!("node-{name}.conf")).replace("/etc/keepalived", folder.to_str().unwrap())
}

/// nginx in the foreground, with the site of the recipe and everything it writes in a private folder.
fn spawn_nginx(namespace: &Namespace, folder: &Path) -> Child {
    let place = folder.display();
    let site = folder.join("site.conf");
    fs::write(&site, example("site.conf")).unwrap();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {place}/{kind};\n"))
        .concat();
    let main = format!(
        "daemon off;\nuser www-data;\npid {place}/nginx.pid;\nerror_log {place}/error.log;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}include {place}/site.conf;\n}}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, main).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    command
        .arg("-e")
        .arg(folder.join("error.log"))
        .arg("-c")
        .arg(file)
        .stdin(Stdio::null());
    namespace.inside(move || command.spawn()).unwrap().unwrap()
}

/// Whether all of it is there. Where `make recipes` asks, nothing may be missing.
fn installed(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| !Path::new(program).exists()).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var_os("KEEPALIVED_RECIPES").is_none(), "missing: {missing:?}");
    eprintln!("skipped: {missing:?} not installed (make recipes)");
    false
}
