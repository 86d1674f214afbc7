//! The one place that calls the configuration crate.
//!
//! TEMPORARY until the branch with the language is merged: the types here have the shape of `conf`'s.

use base::IfName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The bytes of all files of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bundle {
    text: String,
}

/// Settings of `global_defs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Global {}

/// What a configuration asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) global: Global,
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

pub(crate) fn compile(bundle: &Bundle) -> Compiled {
    let mut compiled = Compiled::default();
    compiled.model.has_vrrp = bundle.text.contains("vrrp_instance");
    let _: Option<IfName> = None;
    compiled
}
