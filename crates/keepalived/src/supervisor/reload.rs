//! SIGHUP: a new configuration for running roles, or the old one if the new one cannot be used.

use super::child::State;
use super::{Phase, Supervisor, record, startup};
use crate::configuration::{self, Compiled};
use crate::ipc::{self, ToRole};
use crate::log::Level;
use crate::role::Kind;
use crate::sdnotify;
use conf::model::ReloadFile;
use linux::SysError;
use linux::memfd::Sealed;
use linux::process;
use linux::process_files;
use std::path::PathBuf;
use std::time::Duration;

/// How long roles may take to say that they run a new configuration. After that the daemon goes on and takes the
/// next SIGHUP; the log says so.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

impl Supervisor {
    /// Reloads now, or after the reload or start that is going on. Of several requests the newest counts.
    pub(super) fn request_reload(&mut self) {
        let current = self.generation;
        let starting = self.phase == Phase::Starting
            && self
                .children
                .iter()
                .filter_map(|child| child.running())
                .any(|running| running.generation != Some(current));
        if self.preparing || starting || matches!(self.phase, Phase::Reloading { .. }) {
            self.reload_again = true;
        } else {
            self.reload();
        }
    }

    /// Reads the configuration again and gives it to the roles.
    pub(super) fn reload(&mut self) {
        let now = process::monotonic();
        // Nobody waits for the end of a reload before the daemon was ever ready, and ready it would not be.
        let was_ready = self.phase != Phase::Starting;
        if was_ready {
            self.tell_systemd(sdnotify::State::Reloading(now));
        }
        self.reporter.info("Reloading ...");
        self.make_reload_file();
        let (bundle, error) = configuration::load(&self.source);
        error.into_iter().for_each(|error| self.reporter.error(error));
        let Compiled { model, diagnostics } = configuration::compile(&bundle);
        for diagnostic in &diagnostics {
            self.reporter.info(diagnostic);
        }
        let mut settings = configuration::settings(&model);
        if self.options.namespace.is_some() {
            settings.namespace.clone_from(&self.options.namespace);
        }
        let refusal = match configuration::fatal(&diagnostics) {
            Some(_) => Some("the new configuration cannot be used".to_owned()),
            None => self
                .settings
                .fixed(&settings)
                .map(|what| format!("Cannot change {what} at a reload - please restart keepalived")),
        };
        if let Some(reason) = refusal {
            self.reporter
                .error(format_args!("{reason}; keeping the running configuration"));
            self.remove_reload_file();
            if was_ready {
                self.tell_systemd(sdnotify::State::Ready);
            }
            return;
        }
        let mut lines = record::addresses(&model);
        lines.extend(record::addresses(&self.model));
        // A role that dies before it has changed over leaves the old ones to the next.
        self.leftovers.extend(lines);
        if self.settings.process_name != settings.process_name {
            self.report(process::set_name(startup::process_name(&settings)));
        }
        let old = std::mem::replace(&mut self.model, model);
        self.remember_removed(&old);
        (self.bundle, self.settings) = (bundle, settings);
        self.generation += 1;
        self.phase = Phase::Reloading { since: now };
        self.scripts_follow(now);
        self.fifos_follow(now);
        if self.wants(Kind::Vrrp) {
            self.report(self.record.write(&self.leftovers));
        }
        self.record_services();
        let shared = self.share();
        self.report(shared);
        self.tell_sync_direction(None);
        self.settle();
    }

    /// Tells running roles, starts those that have something to do now, ends those that have not.
    fn share(&mut self) -> Result<(), SysError> {
        let sealed = ipc::seal("keepalived-reload", &self.bundle)?;
        for kind in Kind::ALL {
            let shared = self.share_with(kind, &sealed);
            self.report(shared);
        }
        Ok(())
    }

    fn share_with(&mut self, kind: Kind, sealed: &Sealed) -> Result<(), SysError> {
        let generation = self.generation;
        let wanted = self.wants(kind);
        let index = self.child_index(kind);
        let Some(child) = self.children.get_mut(index) else {
            return Ok(());
        };
        match &mut child.state {
            State::Running(running) if wanted => running.tell(&ToRole::Reload { generation }, Some(sealed)),
            State::Running(running) => running.stop(process::monotonic().after(self.settings.child_wait)),
            State::Idle | State::Waiting { .. } if wanted => {
                self.start_role(kind);
                Ok(())
            }
            State::Idle | State::Waiting { .. } => {
                child.state = State::Idle;
                child.forget()
            }
        }
    }

    /// The file that exists while a configuration is read (`reload_file`); of the running configuration.
    fn reload_file(&self) -> Option<PathBuf> {
        Some(match self.model.global.reload_file.as_ref()? {
            ReloadFile::BesidePidFile => self.paths.parent.with_extension("reload"),
            ReloadFile::At(path) => PathBuf::from(path),
        })
    }

    fn make_reload_file(&mut self) {
        self.reload_file = self.reload_file();
        if let Some(path) = &self.reload_file {
            self.report(process_files::replace(path, 0o644, "new", b""));
        }
    }

    /// The configuration is read, or refused.
    pub(super) fn remove_reload_file(&mut self) {
        let Some(path) = self.reload_file.take() else { return };
        if let Err(error) = std::fs::remove_file(&path) {
            self.reporter.error(SysError::new("remove", path.display(), error));
        }
    }

    /// Goes on although a role has not said that it runs the new configuration.
    pub(super) fn give_up_reload(&mut self) {
        let text = format!("Reload not acknowledged within {} seconds", LIMIT.as_secs());
        self.reporter.say(Level::Alert, text);
        self.remove_reload_file();
        self.phase = Phase::Running;
        self.tell_systemd(sdnotify::State::Ready);
        if std::mem::take(&mut self.reload_again) {
            self.reload();
        }
    }
}
