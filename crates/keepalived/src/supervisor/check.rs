//! `-t`: says what is wrong with a configuration and does nothing else.

use super::startup;
use crate::cli::ReportFormat;
use crate::configuration::{self, Bundle, Compiled, Source};
use crate::exit;
use crate::role;
use linux::{SysError, namespace};
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Checks; messages go to standard error (JSON to standard output), or to the end of `target`. Gives the exit code.
pub(super) fn run(source: &Source, target: Option<&Path>, netns: Option<&str>, format: ReportFormat) -> u8 {
    let mut errors = Vec::new();
    let join = |name: &str| namespace::join_network(&startup::namespace_file(name));
    if let Some(Err(error)) = netns.map(join) {
        errors.push(error.to_string());
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
            Err(error) => errors.push(error.to_string()),
        }
    }
    errors.extend(error.map(|error| error.to_string()));
    let own = if errors.is_empty() {
        exit::OK
    } else {
        exit::TEST_CANNOT_RUN
    };
    let code = own.max(configuration::exit_code(&compiled.diagnostics));
    // Upstream says those to the log of a running daemon only; they leave the exit code alone.
    errors.extend(role::check::troubles(&compiled.model.servers));
    let terminal = target.is_none() && io::stderr().is_terminal();
    let text = match format {
        ReportFormat::Json => conf::json::report(&bundle, &compiled.diagnostics, &errors, code),
        ReportFormat::Automatic if terminal => pictures(&bundle, &compiled, &errors, true),
        ReportFormat::Text => pictures(&bundle, &compiled, &errors, terminal),
        ReportFormat::Automatic | ReportFormat::Plain => {
            // Upstream says those to its log only.
            let said = compiled.diagnostics.iter().filter(|d| d.code != conf::DETAIL);
            lines(errors.into_iter().chain(said.map(ToString::to_string)))
        }
    };
    match write(&text, target, format == ReportFormat::Json) {
        Ok(()) => code,
        Err(error) => {
            eprintln!("{error}");
            exit::TEST_CANNOT_RUN
        }
    }
}

fn pictures(bundle: &Bundle, compiled: &Compiled, errors: &[String], color: bool) -> String {
    let drawn = compiled.diagnostics.iter().map(|d| d.render(bundle, color));
    lines(errors.iter().cloned().chain(drawn))
}

fn lines(texts: impl Iterator<Item = String>) -> String {
    texts.map(|text| text + "\n").collect()
}

fn write(text: &str, target: Option<&Path>, for_programs: bool) -> Result<(), SysError> {
    let result = match target {
        Some(path) => {
            return startup::open_report(path)?
                .write_all(text.as_bytes())
                .map_err(|error| SysError::new("write", path.display(), error));
        }
        None if for_programs => io::stdout().lock().write_all(text.as_bytes()),
        None => io::stderr().lock().write_all(text.as_bytes()),
    };
    result.map_err(|error| SysError::new("write messages", "", error))
}
