//! Two nginx, one address (docs/recipes/nginx.md).

use crate::support::{Example, Pair, Program, host, installed, site};
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Command;

const EXAMPLE: Example = Example("nginx");

#[test]
fn the_address_leaves_an_nginx_that_is_killed_and_one_that_hangs() {
    if !installed(&["/usr/sbin/nginx", "/usr/bin/curl"]) {
        return;
    }
    let hosts = [
        host("a", "10.0.0.2/24"),
        host("b", "10.0.0.3/24"),
        host("c", "10.0.0.100/24"),
    ];
    let mut pair = Pair::start(
        EXAMPLE,
        &hosts,
        "10.0.0.10",
        |_, namespace, folder| Program::start(namespace, nginx(folder)),
        || site("10.0.0.10:80"),
    );
    pair.noticed("nginx hangs (SIGSTOP)", "b", |pair| {
        pair.a.service.signal(Signal::SIGSTOP)
    });
    pair.failure("nginx goes on (SIGCONT)", "a", |pair| {
        pair.a.service.signal(Signal::SIGCONT)
    });
    pair.noticed("nginx is killed (SIGKILL)", "b", |pair| {
        pair.a.service.signal(Signal::SIGKILL)
    });
    pair.failure("nginx is started again", "a", |pair| pair.a.service.start_again());
    pair.noticed("the cable of a is pulled", "b", |pair| {
        pair.network.carrier("a", false).unwrap()
    });
    pair.failure("the cable of a is back", "a", |pair| {
        pair.network.carrier("a", true).unwrap()
    });
}

#[test]
fn the_configurations_of_the_nginx_recipe_are_accepted_by_ours_and_by_the_original() {
    if installed(&["/usr/sbin/keepalived", "/usr/bin/curl"]) {
        EXAMPLE.accepted_by_ours_and_by_the_original();
    }
}

#[test]
fn the_nodes_of_the_nginx_recipe_fit_together() {
    EXAMPLE.nodes_fit_together();
}

/// nginx in the foreground, with the site of the recipe and everything it writes in a private folder.
fn nginx(folder: &Path) -> Command {
    crate::support::nginx(folder, &EXAMPLE.file("site.conf"))
}
