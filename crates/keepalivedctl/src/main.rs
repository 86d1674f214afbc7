//! keepalivedctl: what an operator asks beside the running daemon.
//!
//! Decides what its commands are called and what they print; what the configuration language means is `conf`'s, and what
//! is legal but wrong is `lint`'s. It never talks to the kernel.
#![forbid(unsafe_code)]

mod explain;
mod lint;
mod reference;

use clap::{Parser, Subcommand, ValueEnum};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Tools for whoever runs keepalived.
#[derive(Debug, Parser)]
#[command(name = "keepalivedctl", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print every keyword of keepalived.conf
    Keywords {
        /// As what
        #[arg(long, value_enum, default_value_t = KeywordsFormat::Tsv)]
        format: KeywordsFormat,
    },
    /// Look for what is allowed and probably not meant
    ///
    /// With several files, each of another node, also compares the nodes and says who becomes master and after which
    /// failure the addresses move. Ends with 0 if nothing was found, 1 if something was, 2 if a file cannot be read.
    Lint {
        /// The configuration of each node
        #[arg(required_unless_present = "rules")]
        files: Vec<String>,
        /// What `@` lines ask for: one for all files, or one for each in their order; default the name of this machine
        #[arg(short = 'i', long)]
        config_id: Vec<String>,
        /// As what
        #[arg(long, value_enum, default_value_t = LintFormat::Text)]
        format: LintFormat,
        /// Print what is looked for, and why
        #[arg(long, conflicts_with = "files")]
        rules: bool,
    },
    /// Say what a keyword is, in every block that has it
    Explain {
        /// The keyword, alone or behind the path of its block (vrrp_instance/priority)
        keyword: String,
    },
}

/// What the keyword tables are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KeywordsFormat {
    /// Tab separated: block, keyword, arguments, range, default
    Tsv,
    /// The reference page
    Markdown,
    /// The manual page keepalived.conf(5)
    Man,
}

/// What findings are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LintFormat {
    /// With the lines, for people
    Text,
    /// For programs
    Json,
}

/// Nothing could be read, or nothing could be said.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Keywords { format } => tell(&match format {
            KeywordsFormat::Tsv => reference::tsv(),
            KeywordsFormat::Markdown => reference::markdown(),
            KeywordsFormat::Man => reference::man(),
        }),
        Command::Lint { rules: true, .. } => tell(&lint::rules()),
        Command::Lint {
            files,
            config_id,
            format,
            rules: false,
        } => {
            let color = io::stdout().is_terminal();
            match lint::lint(&files, &config_id, format == LintFormat::Json, color) {
                Ok(answer) => {
                    let told = tell(&answer.text);
                    if answer.findings { ExitCode::from(1) } else { told }
                }
                Err(text) => {
                    eprintln!("{text}");
                    ExitCode::from(FAILED)
                }
            }
        }
        Command::Explain { keyword } => match explain::explain(&keyword) {
            Ok(text) => tell(&text),
            Err(text) => {
                eprintln!("{text}");
                ExitCode::from(1)
            }
        },
    }
}

/// Writes what was asked for. A reader that has seen enough (`| head`) is no error.
fn tell(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write: {error}");
            ExitCode::from(FAILED)
        }
    }
}
