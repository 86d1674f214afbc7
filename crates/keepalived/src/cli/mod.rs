//! The command line: what the operator asks for, in the manner of getopt_long.
//!
//! Reading is pure; the table of options (`table`) says what each one does, and the usage text is made from it. What
//! the daemon does with the answer is not known here.

mod table;
mod usage;

pub(crate) use usage::usage;

use crate::role::Kind;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use table::{Spec, TABLE, Takes};

/// What the program is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// Be the daemon, or check its configuration.
    Daemon(Box<Options>),
    /// Be one of its roles; only the daemon itself asks for that.
    Role(Kind),
    /// Become a script; only the daemon itself asks for that.
    Launcher,
    /// Send one mail; only the daemon itself asks for that.
    Mailer,
    /// Say the version.
    Version,
    /// Say the usage.
    Help,
    /// Say the number of a signal.
    Signum(i32),
    /// Be the genhash utility.
    Genhash,
}

/// Everything the command line can say to the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `-f`.
    pub(crate) config_file: Option<String>,
    /// `-P`.
    pub(crate) no_check: bool,
    /// `-C`.
    pub(crate) no_vrrp: bool,
    /// `-B`.
    pub(crate) no_bfd: bool,
    /// `--all`.
    pub(crate) all: bool,
    /// `-l`.
    pub(crate) log_console: bool,
    /// `-D`, counted.
    pub(crate) detail: u8,
    /// `-S`, the number of RFC 5424 section 6.2.1; `None`: daemon.
    pub(crate) facility: Option<u8>,
    /// `-g`, with or without a file.
    pub(crate) log_file: Option<Option<PathBuf>>,
    /// `--flush-log-file`.
    pub(crate) flush_log_file: bool,
    /// `-G`.
    pub(crate) no_syslog: bool,
    /// `-u`.
    pub(crate) umask: Option<u32>,
    /// `-X`.
    pub(crate) release_vips: bool,
    /// `-V`.
    pub(crate) keep_vrrp: bool,
    /// `-I`: leave virtual services in place.
    pub(crate) keep_ipvs: bool,
    /// `-R`.
    pub(crate) no_respawn: bool,
    /// `-n`.
    pub(crate) foreground: bool,
    /// `-d`.
    pub(crate) dump_configuration: bool,
    /// `-p`.
    pub(crate) pid_file: Option<PathBuf>,
    /// `-r`.
    pub(crate) vrrp_pid_file: Option<PathBuf>,
    /// `-c`.
    pub(crate) check_pid_file: Option<PathBuf>,
    /// `-b`.
    pub(crate) bfd_pid_file: Option<PathBuf>,
    /// `-a`.
    pub(crate) address_monitoring: bool,
    /// `-s`.
    pub(crate) namespace: Option<String>,
    /// `-m`.
    pub(crate) core_files: bool,
    /// `-M`.
    pub(crate) core_pattern: Option<String>,
    /// `-e`.
    pub(crate) strict_includes: bool,
    /// `-i`.
    pub(crate) config_id: Option<String>,
    /// `-t`, with or without a file.
    pub(crate) test: Option<Option<PathBuf>>,
    /// `--format`.
    pub(crate) format: ReportFormat,
    /// `-x`.
    pub(crate) snmp: bool,
    /// `-A`.
    pub(crate) snmp_socket: Option<String>,
    /// `--ignore-sigint`.
    pub(crate) ignore_sigint: bool,
    /// Options that were understood and whose feature does not exist yet.
    pub(crate) not_yet: Vec<&'static str>,
    /// What is wrong with the command line and does not stop it.
    pub(crate) warnings: Vec<String>,
    /// The whole command line, for the log.
    pub(crate) words: Vec<String>,
}

/// How `-t` says what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReportFormat {
    /// With pictures on a terminal, plain elsewhere.
    #[default]
    Automatic,
    /// With pictures.
    Text,
    /// One line for each message, as upstream.
    Plain,
    /// JSON.
    Json,
}

/// Why the command line cannot be understood; printed as upstream does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CliError {
    /// An option that does not exist, an abbreviation of several, or a value where none belongs.
    Unknown(String),
    /// An option without its value.
    Missing(String),
    /// `--signum` of an unknown function.
    Signal(String),
    /// `--format` with an unknown name.
    Format(String),
    /// An option of the daemon's own with a value that it never uses.
    Internal(String),
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CliError::Unknown(option) => write!(f, "Unknown option {option}"),
            CliError::Missing(option) => write!(f, "Missing parameter for option {option}"),
            CliError::Signal(name) => write!(f, "Unknown sigfunc {name}"),
            CliError::Format(name) => write!(f, "Unknown format {name} (text, plain or json)"),
            CliError::Internal(value) => write!(f, "Unknown role {value}"),
        }
    }
}

/// What follows from one option.
pub(crate) enum Step {
    /// Go on reading.
    Next,
    /// Nothing after it matters.
    Done(Invocation),
}

/// Understands a command line; the first word is the name of the program.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Invocation, CliError> {
    let words: Vec<OsString> = words.into_iter().collect();
    if words.first().is_some_and(|name| base_name(name) == "genhash") {
        return Ok(Invocation::Genhash);
    }
    let mut options = Options {
        words: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        ..Options::default()
    };
    let mut unexpected: Vec<String> = Vec::new();
    let mut parser = lexopt::Parser::from_iter(words);
    parser.set_short_equals(false);
    loop {
        let (spec, said) = match parser.next().map_err(complaint)? {
            None => break,
            Some(lexopt::Arg::Short(letter)) => {
                let said = format!("-{letter}");
                (find_short(letter).ok_or_else(|| CliError::Unknown(said.clone()))?, said)
            }
            Some(lexopt::Arg::Long(name)) => {
                let said = format!("--{name}");
                (find_long(name).ok_or_else(|| CliError::Unknown(said.clone()))?, said)
            }
            Some(lexopt::Arg::Value(word)) => {
                unexpected.push(word.to_string_lossy().into_owned());
                continue;
            }
        };
        let value = match spec.takes {
            Takes::Nothing => None,
            Takes::Maybe => parser.optional_value(),
            Takes::Value => Some(parser.value().map_err(|_| CliError::Missing(said))?),
        };
        match (spec.effect)(&mut options, value)? {
            Step::Next => {}
            Step::Done(invocation) => return Ok(invocation),
        }
    }
    if !unexpected.is_empty() {
        options
            .warnings
            .push(format!("Unexpected argument(s): {} ", unexpected.join(" ")));
    }
    Ok(Invocation::Daemon(Box::new(options)))
}

fn base_name(word: &OsStr) -> &OsStr {
    std::path::Path::new(word).file_name().unwrap_or(word)
}

fn complaint(error: lexopt::Error) -> CliError {
    match error {
        lexopt::Error::UnexpectedOption(option) => CliError::Unknown(option),
        lexopt::Error::UnexpectedValue { option, value } => {
            CliError::Unknown(format!("{option}={}", value.to_string_lossy()))
        }
        lexopt::Error::MissingValue { option } => CliError::Missing(option.unwrap_or_default()),
        lexopt::Error::UnexpectedArgument(value) | lexopt::Error::NonUnicodeValue(value) => {
            CliError::Unknown(value.to_string_lossy().into_owned())
        }
        lexopt::Error::ParsingFailed { value, .. } => CliError::Unknown(value),
        lexopt::Error::Custom(error) => CliError::Unknown(error.to_string()),
    }
}

fn find_short(letter: char) -> Option<&'static Spec> {
    TABLE.iter().find(|spec| spec.short == Some(letter))
}

/// The option of this name, or the only one whose name begins like this.
fn find_long(name: &str) -> Option<&'static Spec> {
    let exact = TABLE.iter().find(|spec| spec.long == Some(name));
    let mut like = TABLE
        .iter()
        .filter(|spec| !spec.hidden && !spec.whole && spec.long.is_some_and(|long| long.starts_with(name)));
    exact.or_else(|| {
        let only = like.next()?;
        like.next().is_none().then_some(only)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Invocation, CliError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn options(line: &str) -> Options {
        let Invocation::Daemon(options) = read(line).unwrap() else {
            panic!("{line}")
        };
        *options
    }

    #[test]
    fn every_flag_is_understood_by_its_short_and_by_its_long_name() {
        type Seen = fn(&Options) -> bool;
        let flags: [(&str, &str, Seen); 18] = [
            ("-P", "--vrrp", |o| o.no_check),
            ("-C", "--check", |o| o.no_vrrp),
            ("-B", "--no_bfd", |o| o.no_bfd),
            ("--all", "--all", |o| o.all),
            ("-l", "--log-console", |o| o.log_console),
            ("-D", "--log-detail", |o| o.detail == 1),
            ("-G", "--no-syslog", |o| o.no_syslog),
            ("-X", "--release-vips", |o| o.release_vips),
            ("-V", "--dont-release-vrrp", |o| o.keep_vrrp),
            ("-I", "--dont-release-ipvs", |o| o.keep_ipvs),
            ("-R", "--dont-respawn", |o| o.no_respawn),
            ("-n", "--dont-fork", |o| o.foreground),
            ("-d", "--dump-conf", |o| o.dump_configuration),
            ("-a", "--address-monitoring", |o| o.address_monitoring),
            ("-m", "--core-dump", |o| o.core_files),
            ("-e", "--all-config", |o| o.strict_includes),
            ("--flush-log-file", "--flush-log-file", |o| o.flush_log_file),
            ("--ignore-sigint", "--ignore-sigint", |o| o.ignore_sigint),
        ];
        for (short, long, seen) in flags {
            assert!(!seen(&options("keepalived")), "{short}");
            assert!(seen(&options(&format!("keepalived {short}"))), "{short}");
            assert!(seen(&options(&format!("keepalived {long}"))), "{long}");
        }
    }

    #[test]
    fn every_value_is_understood_in_its_three_spellings() {
        type Value = fn(&Options) -> Option<String>;
        let values: [(&str, &str, Value); 8] = [
            ("f", "use-file", |o| o.config_file.clone()),
            ("p", "pid", |o| o.pid_file.as_ref().map(|p| p.display().to_string())),
            ("r", "vrrp_pid", |o| {
                o.vrrp_pid_file.as_ref().map(|p| p.display().to_string())
            }),
            ("c", "checkers_pid", |o| {
                o.check_pid_file.as_ref().map(|p| p.display().to_string())
            }),
            ("b", "bfd_pid", |o| {
                o.bfd_pid_file.as_ref().map(|p| p.display().to_string())
            }),
            ("s", "namespace", |o| o.namespace.clone()),
            ("i", "config-id", |o| o.config_id.clone()),
            ("M", "core-dump-pattern", |o| o.core_pattern.clone()),
        ];
        for (short, long, value) in values {
            let said = Some("/a=b".to_owned());
            assert_eq!(value(&options(&format!("keepalived -{short}/a=b"))), said, "-{short}X");
            assert_eq!(
                value(&options(&format!("keepalived --{long}=/a=b"))),
                said,
                "--{long}=X"
            );
            if short != "M" {
                assert_eq!(
                    value(&options(&format!("keepalived -{short} /a=b"))),
                    said,
                    "-{short} X"
                );
                assert_eq!(
                    value(&options(&format!("keepalived --{long} /a=b"))),
                    said,
                    "--{long} X"
                );
                assert_eq!(
                    read(&format!("keepalived -{short}")),
                    Err(CliError::Missing(format!("-{short}")))
                );
            }
        }
    }

    #[test]
    fn short_options_can_be_written_together_and_the_last_may_take_a_value() {
        let o = options("keepalived -nlDDf/etc/k.conf");
        assert!(o.foreground && o.log_console);
        assert_eq!((o.detail, o.config_file.as_deref()), (2, Some("/etc/k.conf")));
    }

    #[test]
    fn an_optional_value_is_taken_only_from_the_same_word() {
        assert_eq!(options("keepalived -t").test, Some(None));
        assert_eq!(options("keepalived -t/tmp/x").test, Some(Some("/tmp/x".into())));
        assert_eq!(
            options("keepalived --config-test=/tmp/x").test,
            Some(Some("/tmp/x".into()))
        );
        let o = options("keepalived -t /tmp/x");
        assert_eq!((o.test, o.warnings.len()), (Some(None), 1));
        assert_eq!(options("keepalived -g").log_file, Some(None));
        assert_eq!(
            options("keepalived --log-file=/tmp/l").log_file,
            Some(Some("/tmp/l".into()))
        );
        assert_eq!(options("keepalived -M").core_pattern.as_deref(), Some("core"));
        assert!(options("keepalived -M").core_files);
    }

    #[test]
    fn a_long_name_may_be_cut_as_long_as_it_is_the_only_one() {
        assert!(options("keepalived --log-d").detail == 1);
        assert_eq!(options("keepalived --config-t").test, Some(None));
        assert!(options("keepalived --core-dump").core_files);
        for line in ["--co", "--log", "--rol", "--nonsense", "-Z", "--log-detail=5"] {
            let said = line.to_owned();
            assert_eq!(
                read(&format!("keepalived {line}")),
                Err(CliError::Unknown(said)),
                "{line}"
            );
        }
    }

    #[test]
    fn a_check_of_the_configuration_neither_forks_nor_logs_to_syslog_nor_respawns() {
        let o = options("keepalived -t");
        assert!(o.foreground && o.no_syslog && o.no_respawn);
    }

    #[test]
    fn facilities_and_masks_are_read_as_upstream_reads_them() {
        for (word, number) in [("0", 16), ("7", 23), ("local3", 19), ("user", 1), ("daemon", 3)] {
            assert_eq!(
                options(&format!("keepalived -S {word}")).facility,
                Some(number),
                "{word}"
            );
        }
        let o = options("keepalived -S 9");
        assert_eq!(
            (o.facility, o.warnings),
            (None, vec!["Invalid log facility '9'".to_owned()])
        );
        for (word, mask) in [("022", 0o22), ("0x1f", 0o37), ("18", 0o22)] {
            assert_eq!(options(&format!("keepalived -u {word}")).umask, Some(mask), "{word}");
        }
        let o = options("keepalived --umask=zz");
        assert_eq!(
            (o.umask, o.warnings),
            (None, vec!["Invalid --umask option zz".to_owned()])
        );
    }

    #[test]
    fn signals_have_the_numbers_upstream_prints() {
        for (name, number) in [
            ("STOP", 15),
            ("RELOAD", 1),
            ("DATA", 10),
            ("STATS", 12),
            ("JSON", 36),
            ("STATS_CLEAR", 63),
        ] {
            assert_eq!(
                read(&format!("keepalived --signum={name}")),
                Ok(Invocation::Signum(number)),
                "{name}"
            );
        }
        assert_eq!(read("keepalived --signum FOO"), Err(CliError::Signal("FOO".to_owned())));
    }

    #[test]
    fn the_first_of_version_and_help_wins_over_what_follows() {
        assert_eq!(read("keepalived -v --nonsense"), Ok(Invocation::Version));
        assert_eq!(read("keepalived -n --help"), Ok(Invocation::Help));
        assert_eq!(read("keepalived --role=vrrp"), Ok(Invocation::Role(Kind::Vrrp)));
        assert_eq!(read("/usr/bin/genhash -s x"), Ok(Invocation::Genhash));
    }

    #[test]
    fn the_manual_page_has_every_option_as_the_table_spells_it_and_no_other() {
        let page = include_str!("../../../../man/keepalived.8");
        let heads: Vec<String> = page
            .lines()
            .filter(|line| line.starts_with("\\fB\\-"))
            .map(|line| {
                let plain = ["\\fB", "\\fI", "\\fR", "\\"];
                plain.iter().fold(line.to_owned(), |line, sign| line.replace(sign, ""))
            })
            .collect();
        let shown = |spec: &&Spec| !spec.hidden;
        for (spec, head) in TABLE.iter().filter(shown).zip(&heads) {
            let short = spec.short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
            let name = format!("{short}--{}", spec.long.unwrap());
            let value = head.strip_prefix(&name).unwrap_or_else(|| panic!("{name} is {head}"));
            let fits = match spec.takes {
                Takes::Nothing => value.is_empty(),
                Takes::Value => value.starts_with('='),
                Takes::Maybe => value.starts_with("[=") && value.ends_with(']'),
            };
            assert!(fits, "{head}");
        }
        assert_eq!(TABLE.iter().filter(shown).count(), heads.len());
    }

    #[test]
    fn snmp_is_asked_for_with_the_socket_of_its_master_agent() {
        let o = options("keepalived -x -A unix:/tmp/x");
        assert_eq!((o.snmp, o.snmp_socket.as_deref()), (true, Some("unix:/tmp/x")));
        assert!(!options("keepalived -n").snmp);
    }

    #[test]
    fn options_whose_feature_comes_later_are_named() {
        let o = options("keepalived --perf=all --debug");
        assert_eq!(o.not_yet, ["--perf", "--debug"]);
    }

    #[test]
    fn the_format_of_a_report_can_be_chosen_and_takes_no_abbreviation_from_upstream() {
        assert_eq!(options("keepalived -t").format, ReportFormat::Automatic);
        for (word, format) in [
            ("text", ReportFormat::Text),
            ("plain", ReportFormat::Plain),
            ("json", ReportFormat::Json),
        ] {
            assert_eq!(options(&format!("keepalived -t --format={word}")).format, format);
            assert_eq!(options(&format!("keepalived -t --format {word}")).format, format);
        }
        assert_eq!(read("keepalived -t --format=x"), Err(CliError::Format("x".to_owned())));
        // `--f` means --flush-log-file to upstream.
        assert!(options("keepalived --f").flush_log_file);
    }

    #[test]
    fn no_option_appears_twice_in_the_table() {
        for (index, spec) in TABLE.iter().enumerate() {
            for other in &TABLE[index + 1..] {
                assert!(spec.short.is_none() || spec.short != other.short, "{:?}", spec.short);
                assert!(spec.long.is_none() || spec.long != other.long, "{:?}", spec.long);
            }
        }
    }

    #[test]
    fn the_usage_names_every_option_that_is_not_hidden() {
        let text = usage("keepalived");
        for spec in TABLE.iter().filter(|spec| !spec.hidden) {
            assert!(
                spec.long.is_none_or(|long| text.contains(&format!("--{long}"))),
                "{:?}",
                spec.long
            );
        }
        assert!(!text.contains("--role"));
    }
}
