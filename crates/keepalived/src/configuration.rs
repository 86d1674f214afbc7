//! The one place that calls the configuration crate, and what the daemon itself reads from a model.
//!
//! TEMPORARY until the branch with the language is merged: the types here have the shape of `conf`'s.

use crate::role::Kind;
use linux::sched::Scheduling;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The bytes of all files of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bundle {
    name: String,
    text: Option<String>,
}

/// What a configuration asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) vrrp: vrrp::config::Model,
    pub(crate) has_vrrp: bool,
    pub(crate) has_checkers: bool,
    pub(crate) has_bfd: bool,
}

/// A model and what there is to say about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) model: Model,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Something to say about a configuration.
#[derive(Clone, Debug)]
pub(crate) struct Diagnostic(String);

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Diagnostic {
    pub(crate) fn render(&self, _bundle: &Bundle, _color: bool) -> String {
        self.0.clone()
    }
}

pub(crate) fn compile(bundle: &Bundle) -> Compiled {
    let mut compiled = Compiled::default();
    match &bundle.text {
        Some(text) => compiled.model.has_vrrp = text.contains("vrrp_instance"),
        None => compiled
            .diagnostics
            .push(Diagnostic(format!("Config files missing '{}'.", bundle.name))),
    }
    compiled
}

pub(crate) fn exit_code(diagnostics: &[Diagnostic]) -> u8 {
    if diagnostics.is_empty() { 0 } else { 4 }
}

pub(crate) fn fatal(diagnostics: &[Diagnostic]) -> Option<u8> {
    (!diagnostics.is_empty()).then_some(6)
}

/// Where and how a configuration is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// The name or pattern of the main file.
    pub(crate) main: String,
    /// The configuration id of `@` lines.
    pub(crate) id: String,
    /// The environment of the daemon.
    pub(crate) environment: BTreeMap<String, String>,
    /// Where relative names begin.
    pub(crate) directory: PathBuf,
    /// Of `${_RANDOM}`; the same for the life of a daemon, so that a reload of an unchanged file changes nothing.
    pub(crate) seed: u64,
    /// `-e`.
    pub(crate) strict_includes: bool,
    /// `-t`.
    pub(crate) checking: bool,
}

/// Reads the files as they are now.
pub(crate) fn load(source: &Source) -> Bundle {
    Bundle {
        name: source.main.clone(),
        text: std::fs::read_to_string(source.directory.join(&source.main)).ok(),
    }
}

/// Settings of the daemon as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `net_namespace`.
    pub(crate) namespace: Option<String>,
    /// `instance`.
    pub(crate) instance: Option<String>,
    /// `use_pid_dir`.
    pub(crate) use_pid_dir: bool,
    /// `child_wait_time`.
    pub(crate) child_wait: Duration,
    /// `umask`.
    pub(crate) umask: Option<u32>,
    /// `process_name`.
    pub(crate) process_name: Option<String>,
    /// `state_dump_file`.
    pub(crate) state_dump_file: Option<String>,
    /// `data_use_instance`.
    pub(crate) data_use_instance: bool,
}

/// What the daemon itself reads from a model.
pub(crate) fn settings(_model: &Model) -> Settings {
    Settings {
        namespace: None,
        instance: None,
        use_pid_dir: false,
        child_wait: Duration::from_secs(5),
        umask: None,
        process_name: None,
        state_dump_file: None,
        data_use_instance: false,
    }
}

/// How a role's process is called and scheduled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessSettings {
    /// Its name in the process table.
    pub(crate) name: Option<String>,
    /// Its scheduling.
    pub(crate) scheduling: Scheduling,
}

/// How a model wants the process of a role.
pub(crate) fn process_settings(_model: &Model, _kind: Kind) -> ProcessSettings {
    ProcessSettings::default()
}

/// What a reload would have to change and cannot.
pub(crate) fn fixed(_old: &Model, _new: &Model) -> Option<&'static str> {
    None
}
