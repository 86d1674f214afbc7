//! keepalived.conf: from bytes to a model, with a reason for every complaint.
//!
//! The crate decides what a configuration file means and what is wrong with it. [`load`] asks a [`Loader`] for the
//! files and makes a [`Bundle`], a plain value; [`compile`] turns a bundle into a [`Model`] and [`Diagnostic`]s. It
//! cannot fail, and the same bundle always gives the same result. What it deliberately does not know: the machine it is
//! on ([`files`] alone opens files, for a [`Loader`]), which interfaces exist unless the facts of the bundle say so, and what a running daemon does with the model.
//!
//! The way of a line: [`expand`] makes logical lines of files (comments, conditions, definitions, repetition,
//! includes), [`tree`] finds out which block a line belongs to, [`keywords`] says what each keyword is, [`lower`]
//! reads its values into drafts, [`resolve`] finishes the drafts.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod diagnostic;
pub mod expand;
pub mod files;
pub mod json;
pub mod keywords;
pub mod limits;
pub mod lower;
pub mod model;
pub mod names;
pub mod outline;
pub mod pattern;
pub mod programs;
pub mod reload_table;
pub mod render;
pub mod resolve;
pub mod source;
pub mod suggest;
pub mod token;
pub mod tree;

pub use bundle::{Bundle, Facts, InterfaceFact, LoadError, Loader, MapLoader, SecretFile, load};
pub use diagnostic::{Class, Diagnostic, exit_code, fatal};
pub use lower::command::DETAIL;
pub use model::{Global, Model};
pub use names::Names;

/// What a bundle means, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The model; complete even for a broken file, as far as it could be understood.
    pub model: Model,
    /// Everything worth saying, in the order in which upstream says it.
    pub diagnostics: Vec<Diagnostic>,
}

/// Finds out what a bundle means.
///
/// It is total: any bytes give a result, in bounded time and memory ([`limits`]), and the same bundle gives the same
/// result every time.
pub fn compile(bundle: &Bundle) -> Compiled {
    resolve::compile(bundle)
}
