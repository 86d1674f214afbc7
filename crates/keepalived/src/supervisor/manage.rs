//! The manage role: what it is told of the others. It gets nothing else, and nothing waits for it.

use super::{Phase, Supervisor};
use crate::ipc::{DumpKind, Managing, ToRole};
use crate::role::Kind;
use crate::status::{Errand, Happening, State, Wish};
use linux::SysError;
use linux::memfd::Sealed;
use linux::process;
use std::os::fd::OwnedFd;

/// The roles that have something to report.
const REPORTING: [Kind; 2] = [Kind::Vrrp, Kind::Check];

impl Supervisor {
    /// What roles say about what managers read and set.
    pub(super) fn on_managing(&mut self, role: Kind, managing: Managing, descriptors: Vec<OwnedFd>) {
        match managing {
            Managing::WantReports => self.ask_for_reports(),
            Managing::Report => self.forward_report(role, descriptors),
            Managing::Set(wish) => self.hand_on(wish),
            Managing::Ask(errand) => self.run_errand(errand),
        }
    }

    /// Asks those that run for their state, on behalf of the manage role.
    fn ask_for_reports(&mut self) {
        let mut asked = Vec::new();
        for kind in REPORTING {
            let child = self.children.iter().find(|child| child.kind == kind);
            let running = child.and_then(|child| child.running());
            // One that ends has said what there was to say.
            let Some(running) = running.filter(|running| running.stopping.is_none() && !running.closed) else {
                continue;
            };
            match running.tell(&ToRole::Report, None) {
                Ok(()) => asked.push(kind),
                Err(error) => self.reporter.error(error),
            }
        }
        self.tell_manage(&ToRole::Asked { roles: asked }, None);
    }

    /// Hands on what a manager sets.
    fn hand_on(&mut self, wish: Wish) {
        let role = match wish {
            Wish::Priority { .. } | Wish::Preempt { .. } | Wish::Announce { .. } => Kind::Vrrp,
            Wish::Weight { .. } => Kind::Check,
        };
        self.tell_role(role, &ToRole::Set(wish));
    }

    /// What signals ask for, asked for by a manager. The daemon that ends has something else to do.
    fn run_errand(&mut self, errand: Errand) {
        if self.phase == Phase::Stopping {
            return;
        }
        match errand {
            Errand::PrintData => {
                self.reporter.info("Printing VRRP data on DBus request");
                self.dump_own();
                self.ask_for_dump(DumpKind::Data);
            }
            Errand::PrintStats | Errand::PrintStatsClear => {
                self.reporter.info("Printing VRRP stats on DBus request");
                self.ask_for_dump(DumpKind::Stats);
                if errand == Errand::PrintStatsClear {
                    self.clear_stats();
                }
            }
            Errand::Reload => {
                self.reporter.info("Reloading on DBus request");
                self.request_reload();
            }
        }
    }

    /// Hands on what a role has reported.
    fn forward_report(&mut self, role: Kind, descriptors: Vec<OwnedFd>) {
        match descriptors.into_iter().next().map(Sealed::from_fd) {
            Some(Ok(sealed)) => self.tell_manage(&ToRole::ReportOf { role }, Some(&sealed)),
            Some(Err(error)) => self.reporter.error(error),
            None => {
                let error = std::io::Error::other("it is empty");
                self.reporter
                    .error(SysError::new("hand on the report of a role", role.word(), error));
            }
        }
    }

    pub(super) fn tell_manage_of_instance(&mut self, name: &str, state: &str) {
        let name = name.to_owned();
        if let Some(state) = State::of_word(state) {
            self.tell_manage_of(Happening::Instance { name, state });
        }
    }

    pub(super) fn tell_manage_of_group(&mut self, name: &str, state: &str) {
        let name = name.to_owned();
        if let Some(state) = State::of_word(state) {
            self.tell_manage_of(Happening::Group { name, state });
        }
    }

    /// Tells the manage role what managers may want to know at once.
    pub(super) fn tell_manage_of(&mut self, happening: Happening) {
        self.tell_manage(&ToRole::Happened(happening), None);
    }

    /// Tells the manage role something. If it does not listen that is said once, until it does again.
    fn tell_manage(&mut self, message: &ToRole, sealed: Option<&Sealed>) {
        let Some(child) = self.children.iter_mut().find(|child| child.kind == Kind::Manage) else {
            return;
        };
        let Some(running) = child.running() else { return };
        let told = running.tell(message, sealed);
        let was_deaf = std::mem::replace(&mut child.is_deaf, told.is_err());
        if let (Err(error), false) = (told, was_deaf) {
            self.reporter.error(error);
        }
    }

    /// The daemon ends: once the others are gone, nothing more can happen that managers are told of.
    pub(super) fn stop_manage(&mut self) {
        let until = process::monotonic().after(self.settings.child_wait);
        let others = self.children.iter().filter(|child| child.kind != Kind::Manage);
        if self.phase != Phase::Stopping || others.filter_map(|child| child.running()).next().is_some() {
            return;
        }
        let mut stopped = Ok(());
        for child in self.children.iter_mut().filter(|child| child.kind == Kind::Manage) {
            if let Some(running) = child.running_mut().filter(|running| running.stopping.is_none()) {
                stopped = running.stop(until);
            }
        }
        self.report(stopped);
    }
}
