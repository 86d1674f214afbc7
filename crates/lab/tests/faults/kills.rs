//! `kill -9` of each process, and of all at once, in each state a router can be in.

use crate::stand::{Cost, Stand, conf, is_sample, times};
use crate::support::tenth;
use base::Rng;
use lab::scenario::Act;
use nix::sys::signal::Signal;
use std::time::Duration;

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Supervisor,
    Role(&'static str),
    Everything,
}

/// What the router is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Backup,
    Master,
    Fault,
    Reload,
    Start,
}

const STATES: [State; 5] = [State::Backup, State::Master, State::Fault, State::Reload, State::Start];

#[test]
fn the_supervisor_is_killed() {
    kill_in_every_state("kill -9 of the supervisor", Target::Supervisor);
}

#[test]
fn the_vrrp_role_is_killed() {
    kill_in_every_state("kill -9 of the vrrp role", Target::Role("vrrp"));
}

#[test]
fn the_bfd_role_is_killed() {
    kill_in_every_state("kill -9 of the bfd role", Target::Role("bfd"));
}

#[test]
fn the_check_role_is_killed() {
    kill_in_every_state("kill -9 of the check role", Target::Role("check"));
}

#[test]
fn the_manage_role_is_killed() {
    kill_in_every_state("kill -9 of the manage role", Target::Role("manage"));
}

#[test]
fn everything_is_killed() {
    kill_in_every_state("kill -9 of all at once", Target::Everything);
}

#[test]
fn both_routers_are_killed_at_once() {
    let Some(mut stand) = Stand::start("kill -9 of all of both routers at once", Cost::TakeOver) else {
        return;
    };
    for _ in 0..times() {
        stand.round(|stand| {
            stand.act(Act::Kill("a".into()));
            stand.act(Act::Kill("b".into()));
            // What they had stays in both kernels, and nobody advertises it.
            stand.act(Act::Start("b".into()));
            stand.act(Act::Start("a".into()));
        });
        for router in ["a", "b"] {
            stand.is_whole(router);
        }
    }
    stand.finish();
}

fn kill_in_every_state(fault: &str, target: Target) {
    let mut rng = Rng::from_seed(7);
    // Without a number a sample: two states for each target, all of them among all targets.
    let first = fault.len() % STATES.len();
    let taken = if is_sample() { 2 } else { STATES.len() };
    for state in STATES.into_iter().cycle().skip(first).take(taken) {
        let name = format!("{fault}, {}", word(state));
        let cost = match (target, state) {
            // Who serves is not touched. At a start the address comes back from the other one, which is no fault.
            (_, State::Backup) => Cost::Nothing,
            (Target::Role("bfd" | "check" | "manage"), State::Master | State::Reload) => Cost::Nothing,
            (Target::Role(_) | Target::Supervisor | Target::Everything, _) => Cost::TakeOver,
        };
        let Some(mut stand) = Stand::start(&name, cost) else {
            return;
        };
        for _ in 0..times() {
            stand.kill(target, state, &mut rng);
        }
        stand.finish();
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Backup => "backup",
        State::Master => "master",
        State::Fault => "fault",
        State::Reload => "during a reload",
        State::Start => "during a start",
    }
}

impl Stand {
    fn kill(&mut self, target: Target, state: State, rng: &mut Rng) {
        let victim = if state == State::Backup { "b" } else { "a" };
        // Before the measuring: that it hands over and comes back is no part of the fault.
        match state {
            State::Fault => {
                self.act(Act::Cut("a".into()));
                self.serves("b");
            }
            State::Start => {
                self.stops_clean("a");
                self.serves("b");
            }
            State::Backup | State::Master | State::Reload => {}
        }
        self.round(|stand| {
            let moment = Duration::from_micros(rng.below(60_000));
            match state {
                State::Start => {
                    stand.act(Act::Start("a".into()));
                    std::thread::sleep(moment);
                }
                State::Reload => {
                    let text = conf(tenth(), 0, ("    garp_master_delay 3\n", "", ""));
                    stand.configure(&text);
                    stand.lab.a().reload().unwrap();
                    std::thread::sleep(moment);
                }
                State::Backup | State::Master | State::Fault => {}
            }
            stand.strike(target, victim);
            if state == State::Fault {
                stand.act(Act::Mend("a".into()));
            }
            if state == State::Reload {
                stand.configure(&conf(tenth(), 0, ("", "", "")));
            }
        });
        // One that has hardly begun dies of a SIGTERM as any program does.
        self.is_whole(victim);
        // A fresh daemon each time: one that died young is started again later and later. And what it leaves is looked at.
        self.stops_clean(victim);
        self.somebody_serves();
        self.act(Act::Start(victim.into()));
        self.is_right();
        self.is_whole(victim);
    }

    /// Every role of a router is there.
    fn is_whole(&mut self, router: &str) {
        for role in ["vrrp", "bfd", "check", "manage"] {
            self.await_role(router, role, None);
        }
    }

    /// Kills, and waits until somebody serves and the killed is back.
    fn strike(&mut self, target: Target, victim: &str) {
        self.lab.note(&format!("kill -9: {target:?} of {victim}"));
        match target {
            Target::Role(role) => {
                let process = self.await_role(victim, role, None);
                assert!(process.signal(Signal::SIGKILL) || !process.alive());
                self.somebody_serves();
                self.await_role(victim, role, Some(process));
            }
            Target::Supervisor => {
                let daemon = self.lab.stage.daemon(victim).unwrap();
                daemon.signal(Signal::SIGKILL).unwrap();
                daemon.wait().unwrap();
                self.has_no_process(victim);
                self.somebody_serves();
                self.act(Act::Start(victim.into()));
            }
            Target::Everything => {
                self.act(Act::Kill(victim.into()));
                self.somebody_serves();
                self.act(Act::Start(victim.into()));
            }
        }
    }
}
