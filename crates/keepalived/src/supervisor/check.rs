//! `-t`: says what is wrong with a configuration and does nothing else.

use super::startup;
use crate::configuration::{self, Source};
use crate::exit;
use linux::{SysError, namespace};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Checks; messages go to standard error, or to the end of `target`. Gives the exit code.
pub(super) fn run(source: &Source, target: Option<&Path>, netns: Option<&str>) -> u8 {
    let mut text = String::new();
    let mut code = exit::OK;
    let mut complain = |error: SysError| {
        let _ = writeln!(text, "{error}");
        code = exit::TEST_CANNOT_RUN;
    };
    let join = |name: &str| namespace::join_network(&startup::namespace_file(name));
    if let Some(Err(error)) = netns.map(join) {
        complain(error);
    }
    let (mut bundle, mut error) = configuration::load(source);
    let mut compiled = configuration::compile(&bundle);
    let said = configuration::settings(&compiled.model).namespace;
    if let (None, Some(name)) = (netns, &said) {
        // Its interfaces are other ones than those the first reading saw.
        match join(name) {
            Ok(()) => {
                (bundle, error) = configuration::load(source);
                compiled = configuration::compile(&bundle);
            }
            Err(error) => complain(error),
        }
    }
    if let Some(error) = error {
        complain(error);
    }
    let picture = target.is_none() && io::stderr().is_terminal();
    for diagnostic in &compiled.diagnostics {
        if picture {
            let _ = writeln!(text, "{}", diagnostic.render(&bundle, true));
        } else {
            let _ = writeln!(text, "{diagnostic}");
        }
    }
    code = code.max(configuration::exit_code(&compiled.diagnostics));
    match write(&text, target) {
        Ok(()) => code,
        Err(error) => {
            eprintln!("{error}");
            exit::TEST_CANNOT_RUN
        }
    }
}

fn write(text: &str, target: Option<&Path>) -> Result<(), SysError> {
    match target {
        None => io::stderr()
            .lock()
            .write_all(text.as_bytes())
            .map_err(|error| SysError::new("write messages", "", error)),
        Some(path) => startup::open_report(path)?
            .write_all(text.as_bytes())
            .map_err(|error| SysError::new("write", path.display(), error)),
    }
}
