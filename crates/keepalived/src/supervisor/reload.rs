//! SIGHUP: a new configuration for running roles, or the old one if the new one cannot be used.

use super::child::{Child, Running, State};
use super::{Phase, Supervisor, startup};
use crate::bug;
use crate::configuration::{self, Bundle, Compiled, Model, Settings};
use crate::ipc::{self, ToRole};
use crate::log::Level;
use crate::role::Kind;
use crate::sdnotify;
use conf::model::ReloadFile;
use linux::SysError;
use linux::memfd::Sealed;
use linux::process;
use linux::process_files;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long roles may take to say that they run a new configuration. After that the daemon goes on and takes the
/// next SIGHUP; the log says so.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// A configuration that is to be run.
struct Accepted {
    bundle: Bundle,
    sealed: Sealed,
    model: Model,
    settings: Settings,
}

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
        let Accepted {
            bundle,
            sealed,
            model,
            settings,
        } = match self.read_next() {
            Ok(next) => next,
            Err(reason) => return self.refuse(&reason, was_ready),
        };
        if self.settings.process_name != settings.process_name {
            self.report(process::set_name(startup::process_name(&settings)));
        }
        let old = std::mem::replace(&mut self.model, model);
        self.remember_removed(&old);
        (self.bundle, self.settings) = (bundle, settings);
        self.generation += 1;
        self.save_configuration();
        self.save_before_reload();
        self.phase = Phase::Reloading { since: now };
        self.scripts_follow(now);
        self.fifos_follow(now);
        self.record_holdings();
        self.record_services();
        self.begin_track_files();
        self.share(&sealed);
        self.tell_sync_direction(None);
        self.settle();
    }

    /// Reads the configuration as it is now, and checks it while the roles compile it too: roles and supervisor need not
    /// wait for each other. The error is why it is not to be run.
    fn read_next(&mut self) -> Result<Accepted, String> {
        let bug = || "internal error: the new configuration cannot be read".to_owned();
        let (bundle, error) = bug::contained(|| configuration::load(&self.source)).ok_or_else(bug)?;
        error.into_iter().for_each(|error| self.reporter.error(error));
        let sealed = ipc::seal("keepalived-reload", &bundle).map_err(|error| error.to_string())?;
        let generation = self.generation + 1;
        for running in self.reachable() {
            // One that does not hear of it compiles when it is ordered to run it.
            let _ = running.tell(&ToRole::Prepare { generation }, Some(&sealed));
        }
        let Compiled { model, diagnostics } = bug::contained(|| configuration::compile(&bundle)).ok_or_else(bug)?;
        for diagnostic in &diagnostics {
            self.reporter.info(diagnostic);
        }
        let mut settings = configuration::settings(&model);
        if self.options.namespace.is_some() {
            settings.namespace.clone_from(&self.options.namespace);
        }
        if configuration::fatal(&diagnostics).is_some() {
            return Err("the new configuration cannot be used".to_owned());
        }
        if let Some(what) = self.settings.fixed(&settings) {
            return Err(format!("Cannot change {what} at a reload - please restart keepalived"));
        }
        self.judge_next(&diagnostics)?;
        Ok(Accepted {
            bundle,
            sealed,
            model,
            settings,
        })
    }

    /// `reload_check_config` of the running configuration: what `-t` complains about is not run, and what it says is in a
    /// file.
    fn judge_next(&self, diagnostics: &[conf::Diagnostic]) -> Result<(), String> {
        let Some(check) = &self.model.global.reload_check_config else {
            return Ok(());
        };
        if let Some(log) = &check.log {
            let text: String = diagnostics.iter().map(|said| format!("{said}\n")).collect();
            self.report(process_files::replace(Path::new(log), 0o600, "new", text.as_bytes()));
        }
        match configuration::exit_code(diagnostics) {
            0 => Ok(()),
            code => Err(format!("the new configuration has errors (code {code} of -t)")),
        }
    }

    /// Goes on as before.
    fn refuse(&mut self, reason: &str, was_ready: bool) {
        self.reporter
            .error(format_args!("{reason}; keeping the running configuration"));
        for running in self.reachable() {
            // Who does not hear it forgets it with the next one.
            let _ = running.tell(&ToRole::Forget, None);
        }
        self.remove_reload_file();
        if was_ready {
            self.tell_systemd(sdnotify::State::Ready);
        }
    }

    /// Roles that run and are to go on.
    fn reachable(&self) -> impl Iterator<Item = &Running> {
        let running = self.children.iter().filter_map(Child::running);
        running.filter(|running| !running.closed && running.stopping.is_none())
    }

    /// Tells running roles, starts those that have something to do now, ends those that have not.
    fn share(&mut self, sealed: &Sealed) {
        for kind in Kind::ALL {
            let shared = self.share_with(kind, sealed);
            self.report(shared);
        }
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
