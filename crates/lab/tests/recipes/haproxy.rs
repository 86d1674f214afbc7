//! Two haproxy, one address, two web servers (docs/recipes/haproxy.md).

use crate::support::{Example, Pair, Program, folder, host, installed, site};
use lab::clock::Clock;
use lab::netns::Namespace;
use lab::network::Network;
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const EXAMPLE: Example = Example("haproxy");

#[test]
fn the_address_leaves_a_haproxy_that_is_killed_and_one_that_hangs() {
    if !installed(&["/usr/sbin/haproxy", "/usr/sbin/nginx", "/usr/bin/curl"]) {
        return;
    }
    let network = Network::build(&[
        host("a", "10.0.0.2/24"),
        host("b", "10.0.0.3/24"),
        host("c", "10.0.0.100/24"),
        host("web1", "10.0.0.11/24"),
        host("web2", "10.0.0.12/24"),
    ])
    .unwrap();
    let mut web1 = WebServer::start("web1", &network);
    let mut web2 = WebServer::start("web2", &network);
    let mut pair = Pair::start_in(EXAMPLE, network, "10.0.0.10", Proxy::start, || site("10.0.0.10:80"));
    pair.noticed("haproxy hangs (SIGSTOP)", "b", |pair| {
        pair.a.service.program.signal(Signal::SIGSTOP)
    });
    pair.failure("haproxy goes on (SIGCONT)", "a", |pair| {
        pair.a.service.program.signal(Signal::SIGCONT)
    });
    pair.noticed("haproxy is killed (SIGKILL)", "b", |pair| {
        pair.a.service.program.signal(Signal::SIGKILL)
    });
    pair.failure("haproxy is started again", "a", |pair| {
        pair.a.service.program.start_again()
    });
    pair.noticed("the cable of a is pulled", "b", |pair| {
        pair.network.carrier("a", false).unwrap()
    });
    pair.failure("the cable of a is back", "a", |pair| {
        pair.network.carrier("a", true).unwrap()
    });
    // What follows is haproxy's own business: the address stays.
    pair.failure("a web server is killed (SIGKILL)", "a", |pair| {
        web1.program.signal(Signal::SIGKILL);
        pair.until(|pair| pair.a.service.servers("DOWN") == 1, "one web server is out");
    });
    pair.failure("the web server is started again", "a", |pair| {
        web1.program.start_again();
        pair.until(|pair| pair.a.service.servers("UP") == 2, "both web servers are in");
    });
    pair.noticed("both are killed, and started again", "a", |pair| {
        let both = [&mut web1, &mut web2];
        both.iter().for_each(|web| web.program.signal(Signal::SIGKILL));
        pair.until(|pair| pair.a.service.servers("DOWN") == 2, "both web servers are out");
        assert!(!pair.b.holds("10.0.0.10"), "the address has moved");
        both.into_iter().for_each(|web| web.program.start_again());
    });
}

#[test]
fn the_check_of_the_stats_socket_fails_when_haproxy_hangs_and_when_it_is_gone() {
    if !installed(&[
        "/usr/sbin/haproxy",
        "/usr/bin/socat",
        "/usr/bin/timeout",
        "/usr/bin/grep",
    ]) {
        return;
    }
    let network = Network::build(&[host("a", "10.0.0.2/24")]).unwrap();
    let folder = folder();
    let mut haproxy = Program::start(network.host("a").unwrap(), haproxy(folder.path()));
    let script = folder.path().join("check_haproxy_socket");
    fs::write(&script, in_folder("check_haproxy_socket", folder.path())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    // As nobody, which the vrrp_script says.
    let healthy = || {
        let mut command = Command::new("/usr/sbin/runuser");
        command.args(["-u", "nobody", "--"]).arg(&script);
        command.status().unwrap().success()
    };
    let becomes = |wanted: bool| {
        let clock = Clock::start();
        while healthy() != wanted {
            assert!(clock.now() < Duration::from_secs(20), "never healthy: {wanted}");
        }
    };
    becomes(true);
    haproxy.signal(Signal::SIGSTOP);
    becomes(false);
    haproxy.signal(Signal::SIGCONT);
    becomes(true);
    haproxy.signal(Signal::SIGKILL);
    becomes(false);
    haproxy.start_again();
    becomes(true);
}

#[test]
fn the_configurations_of_the_haproxy_recipe_are_accepted_by_ours_and_by_the_original() {
    if installed(&["/usr/sbin/keepalived", "/usr/bin/curl"]) {
        EXAMPLE.accepted_by_ours_and_by_the_original();
    }
}

#[test]
fn the_nodes_of_the_haproxy_recipe_fit_together() {
    EXAMPLE.nodes_fit_together();
}

/// haproxy in the foreground as its service runs it, a master and a worker, with its socket in a private folder.
fn haproxy(folder: &Path) -> Command {
    let file = folder.join("haproxy.cfg");
    fs::write(&file, in_folder("haproxy.cfg", folder)).unwrap();
    let mut command = Command::new("/usr/sbin/haproxy");
    command.args(["-W", "-q", "-f"]).arg(file);
    command
}

/// A file of the example, with its socket in a private folder.
fn in_folder(name: &str, folder: &Path) -> String {
    EXAMPLE.file(name).replace("/run/haproxy", folder.to_str().unwrap())
}

struct Proxy {
    program: Program,
    socket: PathBuf,
}

impl Proxy {
    fn start(_: &str, namespace: &Arc<Namespace>, folder: &Path) -> Proxy {
        Proxy {
            program: Program::start(namespace, haproxy(folder)),
            socket: folder.join("check.sock"),
        }
    }

    /// How many web servers haproxy says are in this state.
    fn servers(&self, state: &str) -> usize {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.write_all(b"show stat\n").unwrap();
        let mut table = String::new();
        stream.read_to_string(&mut table).unwrap();
        let servers = table.lines().filter(|line| line.starts_with("servers,web"));
        servers.filter(|line| line.split(',').nth(17) == Some(state)).count()
    }
}

struct WebServer {
    program: Program,
    _folder: TempDir,
}

impl WebServer {
    fn start(name: &str, network: &Network) -> WebServer {
        let namespace: &Arc<Namespace> = network.host(name).unwrap();
        let folder = folder();
        let site = format!("server {{ listen 80; location / {{ return 200 \"{name}\\n\"; }} }}");
        WebServer {
            program: Program::start(namespace, crate::support::nginx(folder.path(), &site)),
            _folder: folder,
        }
    }
}
