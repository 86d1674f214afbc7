//! Descriptions of the running daemon on request, as private files (`spec/cli-and-runtime.md` 5.2).

use super::{Supervisor, paths};
use crate::ipc::{DumpKind, ToRole};
use crate::role::Kind;
use crate::version;
use linux::SysError;
use linux::memfd::Sealed;
use linux::process::Pid;
use linux::process_files;
use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// The mode of dump files before the mask is applied.
const MODE: u32 = 0o666;

impl Supervisor {
    /// Asks running roles for a dump; their answers are written when they come.
    pub(super) fn ask_for_dump(&mut self, kind: DumpKind) {
        for child in &self.children {
            let concerned = match kind {
                DumpKind::Data | DumpKind::Before | DumpKind::After => true,
                DumpKind::Stats | DumpKind::Json => child.kind == Kind::Vrrp,
            };
            if let (true, Some(running)) = (concerned, child.running()) {
                self.report(running.tell(&ToRole::Dump(kind), None));
            }
        }
    }

    /// Asks the vrrp role to set its counters to zero.
    pub(super) fn clear_stats(&mut self) {
        for child in self.children.iter().filter(|child| child.kind == Kind::Vrrp) {
            if let Some(running) = child.running() {
                self.report(running.tell(&ToRole::ClearStats, None));
            }
        }
    }

    /// Writes what a role has answered.
    pub(super) fn write_dump(&self, of: Kind, kind: DumpKind, descriptors: Vec<OwnedFd>) {
        let Some(path) = self.dump_path(of, kind) else { return };
        let missing = || {
            SysError::new(
                "write a dump",
                path.display(),
                std::io::Error::other("the role sent no text"),
            )
        };
        let written = descriptors
            .into_iter()
            .next()
            .ok_or_else(missing)
            .and_then(Sealed::from_fd)
            .and_then(|sealed| {
                let text = sealed.read()?;
                // As the original: programs do not find a file without instances.
                if kind == DumpKind::Json && text.is_empty() {
                    return Ok(());
                }
                process_files::replace(&path, MODE, &Pid::own().to_string(), &text)
            });
        self.report(written);
    }

    /// Where a dump of a role goes; `None`: it is not wanted any more.
    fn dump_path(&self, of: Kind, kind: DumpKind) -> Option<PathBuf> {
        match kind {
            DumpKind::Before => self.saved_dump(of, "pre"),
            DumpKind::After => self.saved_dump(of, "post"),
            DumpKind::Data | DumpKind::Stats | DumpKind::Json => {
                Some(paths::dump(kind, Some(of), &self.settings, &self.temporary))
            }
        }
    }

    /// Writes the supervisor's own description.
    pub(super) fn dump_own(&self) {
        let path = paths::dump(DumpKind::Data, None, &self.settings, &self.temporary);
        let text = self.describe();
        self.report(process_files::replace(
            &path,
            MODE,
            &Pid::own().to_string(),
            text.as_bytes(),
        ));
    }

    fn describe(&self) -> String {
        let mut text = format!("------< {} >------\n", version::title());
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, " {name} = {value}");
        };
        line("Process", Pid::own().to_string());
        line("Configuration file", self.source.main.clone());
        line("Configuration id", self.source.id.clone());
        line("Configuration generation", self.generation.to_string());
        line(
            "Network namespace",
            self.settings
                .namespace
                .clone()
                .unwrap_or_else(|| "(default)".to_owned()),
        );
        line(
            "Instance",
            self.settings.instance.clone().unwrap_or_else(|| "(none)".to_owned()),
        );
        line("Phase", format!("{:?}", self.phase));
        for child in &self.children {
            let state = match child.running() {
                Some(running) => format!(
                    "pid {}, generation {}",
                    running.pid,
                    running
                        .generation
                        .map_or_else(|| "not running yet".to_owned(), |number| number.to_string())
                ),
                None => "not running".to_owned(),
            };
            line(&format!("{} process", child.kind.title()), state);
        }
        let known = |name: &str| self.model.vrrp.instances.keys().any(|other| other.to_string() == name);
        // The last word of an instance may come after the reload that removed it.
        for (name, (state, priority)) in self.instances.iter().filter(|(name, _)| known(name)) {
            line(
                &format!("VRRP instance {name}"),
                format!("{state}, priority {priority}"),
            );
        }
        text
    }
}
