//! keepalivedctl: what an operator asks beside the running daemon.
//!
//! Decides what its commands are called and what they print; what the configuration language means is `conf`'s, and what
//! is legal but wrong is `lint`'s. It never talks to the kernel.
#![forbid(unsafe_code)]

mod explain;
mod reference;

use clap::{Parser, Subcommand, ValueEnum};
use std::io::{self, Write};
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

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Keywords { format } => tell(&match format {
            KeywordsFormat::Tsv => reference::tsv(),
            KeywordsFormat::Markdown => reference::markdown(),
            KeywordsFormat::Man => reference::man(),
        }),
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
            ExitCode::from(2)
        }
    }
}
