//! Trackers and sync groups: what moves the addresses beside the election.
//!
//! Played with the original too, unless a test says why not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod support;

use lab::catalogue::{self, FOLLOWER, LEADER};
use lab::daemon::{Binary, Make};
use lab::scenario::{Act, Check, Scenario, Step, master_is};
use lab::stage::Namespaces;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{Lab, tenth, upstream};

/// How long a change of a file may take to be seen, beside the protocol's times.
const SEEN: Duration = Duration::from_secs(2);

/// One module for each pair of routers, with the same tests.
macro_rules! pairs {
    ($($name:ident;)*) => {
        mod upstream_among_itself {
            use super::*;
            $( #[test] fn $name() { play(Make::Upstream, Make::Upstream, super::$name); } )*
        }
        mod ours_above_upstream {
            use super::*;
            $( #[test] fn $name() { play(Make::Ours, Make::Upstream, super::$name); } )*
        }
        mod ours_among_itself {
            use super::*;
            $( #[test] fn $name() { play(Make::Ours, Make::Ours, super::$name); } )*
        }
    };
}

pairs! {
    a_number_in_a_file_moves_the_address_and_moves_it_back;
    a_fault_of_one_member_moves_the_whole_group;
}

fn play(a: Make, b: Make, test: fn(&[Binary; 2])) {
    let Some(upstream) = upstream() else { return };
    let binary = |make| match make {
        Make::Ours => Binary::ours().unwrap(),
        Make::Upstream => upstream.clone(),
    };
    test(&[binary(a), binary(b)]);
}

/// Two running routers, of which `a` is master; `change` writes more into the file of `a` or `b`.
fn start(binaries: &[Binary; 2], change: impl Fn(&str, String) -> String) -> Lab {
    let mut scenario = catalogue::routers("", tenth(), LEADER, FOLLOWER);
    for (name, text) in &mut scenario.routers {
        *text = change(name, std::mem::take(text));
    }
    let mut lab = Lab {
        stage: Namespaces::build(&scenario, binaries).unwrap(),
    };
    let steps = scenario
        .then(Act::Start("a".into()))
        .within(tenth().down() + SEEN, master_is("a"))
        .then(Act::Start("b".into()))
        .within(SEEN, Check::Holds("a".into()));
    lab.play(steps);
    lab
}

fn moves_to(lab: &mut Lab, router: &str) {
    lab.play(Scenario::steps(vec![
        Step::Within(tenth().down() + SEEN, master_is(router)),
        Step::Within(SEEN, Check::Holds(router.into())),
    ]));
}

/// A file with a number, tracked by the instance `V` of router `a`.
fn number() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number");
    fs::write(&path, "0\n").unwrap();
    (folder, path)
}

fn a_number_in_a_file_moves_the_address_and_moves_it_back(binaries: &[Binary; 2]) {
    let (_folder, path) = number();
    let mut lab = start(binaries, |name, text| {
        if name != "a" {
            return text;
        }
        let text = text.replace(
            "virtual_ipaddress {",
            "track_file {\n f weight 2\n }\n virtual_ipaddress {",
        );
        format!("track_file f {{\n file {}\n }}\n{text}", path.display())
    });
    lab.note("-30 into the file");
    fs::write(&path, "-30\n").unwrap();
    moves_to(&mut lab, "b");
    lab.note("0 into the file");
    fs::write(&path, "0\n").unwrap();
    moves_to(&mut lab, "a");
    lab.finish();
}

fn a_fault_of_one_member_moves_the_whole_group(binaries: &[Binary; 2]) {
    let (_folder, path) = number();
    let mut lab = start(binaries, |name, text| {
        let place = if name == "a" { LEADER } else { FOLLOWER };
        let tracks = if name == "a" {
            "track_file {\n f weight 0\n }\n"
        } else {
            ""
        };
        format!(
            "track_file f {{\n file {}\n }}\nvrrp_sync_group G {{\n group {{\n V\n W\n }}\n }}\n{text}\
             vrrp_instance W {{\n interface eth0\n version 3\n virtual_router_id 77\n priority {}\n advert_int 0.1\n \
             {tracks} virtual_ipaddress {{\n 10.0.0.77/24\n }}\n}}\n",
            path.display(),
            place.priority
        )
    });
    lab.note("1 into the file");
    fs::write(&path, "1\n").unwrap();
    moves_to(&mut lab, "b");
    lab.note("0 into the file");
    fs::write(&path, "0\n").unwrap();
    moves_to(&mut lab, "a");
    lab.finish();
}

/// A process of a name that no other has, ended when it goes out of scope.
struct Sleeper(Child);

impl Sleeper {
    fn start(program: &PathBuf) -> Sleeper {
        let mut command = Command::new(program);
        Sleeper(command.arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The original opens the process connector before it enters a namespace; the lab starts it inside one.
#[test]
fn the_address_leaves_when_a_tracked_process_ends_and_returns_with_it() {
    let ours = Binary::ours().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(format!("lab{}", std::process::id()));
    fs::copy("/bin/sleep", &program).unwrap();
    let name = program.file_name().unwrap().to_str().unwrap().to_owned();
    let sleeper = Sleeper::start(&program);
    let mut lab = start(&[ours.clone(), ours], |router, text| {
        if router != "a" {
            return text;
        }
        let text = text.replace("virtual_ipaddress {", "track_process {\n p\n }\n virtual_ipaddress {");
        format!("vrrp_track_process p {{\n process {name}\n }}\n{text}")
    });
    lab.note("the process ends");
    drop(sleeper);
    moves_to(&mut lab, "b");
    lab.note("the process begins");
    let _sleeper = Sleeper::start(&program);
    moves_to(&mut lab, "a");
    lab.finish();
}
