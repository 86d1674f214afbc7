//! Every option with its names, what it takes, what it does and what the usage says of it.

use super::{CliError, Invocation, Options, ReportFormat, Step};
use crate::role::Kind;
use linux::signal::Signal;
use std::ffi::OsString;

/// Whether an option has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// None.
    Nothing,
    /// Always: in the same word or in the next.
    Value,
    /// If it is in the same word.
    Maybe,
}

type Effect = fn(&mut Options, Option<OsString>) -> Result<Step, CliError>;

/// One option.
pub(crate) struct Spec {
    pub(crate) short: Option<char>,
    pub(crate) long: Option<&'static str>,
    pub(crate) takes: Takes,
    /// What the usage calls the value.
    pub(crate) value: &'static str,
    /// Lines of the usage.
    pub(crate) help: &'static [&'static str],
    /// Not for operators.
    pub(crate) hidden: bool,
    /// Its name cannot be cut: upstream does not have it, and the letters may mean something there.
    pub(crate) whole: bool,
    pub(crate) effect: Effect,
}

const fn flag(short: char, long: &'static str, help: &'static [&'static str], effect: Effect) -> Spec {
    Spec {
        short: Some(short),
        long: Some(long),
        takes: Takes::Nothing,
        value: "",
        help,
        hidden: false,
        whole: false,
        effect,
    }
}

const fn long(long: &'static str, help: &'static [&'static str], effect: Effect) -> Spec {
    Spec {
        short: None,
        long: Some(long),
        takes: Takes::Nothing,
        value: "",
        help,
        hidden: false,
        whole: false,
        effect,
    }
}

const fn with(
    short: Option<char>,
    long: &'static str,
    value: &'static str,
    help: &'static [&'static str],
    effect: Effect,
) -> Spec {
    Spec {
        short,
        long: Some(long),
        takes: Takes::Value,
        value,
        help,
        hidden: false,
        whole: false,
        effect,
    }
}

const fn maybe(
    short: Option<char>,
    long: &'static str,
    value: &'static str,
    help: &'static [&'static str],
    effect: Effect,
) -> Spec {
    Spec {
        short,
        long: Some(long),
        takes: Takes::Maybe,
        value,
        help,
        hidden: false,
        whole: false,
        effect,
    }
}

const fn hidden(spec: Spec) -> Spec {
    Spec { hidden: true, ..spec }
}

const fn whole(spec: Spec) -> Spec {
    Spec { whole: true, ..spec }
}

/// All options, in the order of the usage.
pub(crate) const TABLE: &[Spec] = &[
    with(
        Some('f'),
        "use-file",
        "FILE",
        &[
            "Read the configuration from FILE (a file or a pattern)",
            "default '/etc/keepalived/keepalived.conf'",
        ],
        |o, v| text(&mut o.config_file, v),
    ),
    flag('P', "vrrp", &["Do not run the health checkers"], |o, _| {
        set(&mut o.no_check)
    }),
    flag('C', "check", &["Do not run VRRP"], |o, _| set(&mut o.no_vrrp)),
    flag('B', "no_bfd", &["Do not run BFD"], |o, _| set(&mut o.no_bfd)),
    long(
        "all",
        &["Run every process, even those without configuration"],
        |o, _| set(&mut o.all),
    ),
    flag(
        'l',
        "log-console",
        &["Log to the terminal as well (with -n)"],
        |o, _| set(&mut o.log_console),
    ),
    flag('D', "log-detail", &["Log in detail; twice: in more detail"], |o, _| {
        o.detail = o.detail.saturating_add(1);
        Ok(Step::Next)
    }),
    with(
        Some('S'),
        "log-facility",
        "([0-7]|local[0-7]|user|daemon)",
        &["Facility of syslog messages (default daemon)"],
        facility,
    ),
    maybe(
        Some('g'),
        "log-file",
        "FILE",
        &["Log to FILE as well (default /tmp/keepalived.log)"],
        |o, v| {
            o.log_file = Some(v.map(Into::into));
            Ok(Step::Next)
        },
    ),
    long("flush-log-file", &["Write the log file after each line"], |o, _| {
        set(&mut o.flush_log_file)
    }),
    flag(
        'G',
        "no-syslog",
        &["Do not log to syslog"],
        |o, _| set(&mut o.no_syslog),
    ),
    with(
        Some('u'),
        "umask",
        "MASK",
        &["Mask for the modes of new files (a number)"],
        umask,
    ),
    flag(
        'X',
        "release-vips",
        &["Release addresses on a transition caused by a signal"],
        |o, _| set(&mut o.release_vips),
    ),
    flag(
        'V',
        "dont-release-vrrp",
        &["Leave virtual addresses and routes in place at the end"],
        |o, _| set(&mut o.keep_vrrp),
    ),
    flag(
        'I',
        "dont-release-ipvs",
        &["Leave virtual services in place at the end"],
        |o, _| set(&mut o.keep_ipvs),
    ),
    flag('R', "dont-respawn", &["End when one of the processes dies"], |o, _| {
        set(&mut o.no_respawn)
    }),
    flag('n', "dont-fork", &["Stay in the foreground"], |o, _| {
        set(&mut o.foreground)
    }),
    flag('d', "dump-conf", &["Log the configuration"], |o, _| {
        set(&mut o.dump_configuration)
    }),
    with(Some('p'), "pid", "FILE", &["pid file of the parent process"], |o, v| {
        path(&mut o.pid_file, v)
    }),
    with(
        Some('r'),
        "vrrp_pid",
        "FILE",
        &["pid file of the VRRP process"],
        |o, v| path(&mut o.vrrp_pid_file, v),
    ),
    flag(
        'T',
        "genhash",
        &["Be the genhash utility (must be the first option)"],
        |_, _| Ok(Step::Done(Invocation::Genhash)),
    ),
    with(
        Some('c'),
        "checkers_pid",
        "FILE",
        &["pid file of the checker process"],
        |o, v| path(&mut o.check_pid_file, v),
    ),
    flag(
        'a',
        "address-monitoring",
        &["Log every address that is added or removed"],
        |o, _| set(&mut o.address_monitoring),
    ),
    with(
        Some('b'),
        "bfd_pid",
        "FILE",
        &["pid file of the BFD process"],
        |o, v| path(&mut o.bfd_pid_file, v),
    ),
    flag('x', "snmp", &["Enable SNMP"], |o, _| set(&mut o.snmp)),
    with(
        Some('A'),
        "snmp-agent-socket",
        "FILE",
        &["Socket of the SNMP master agent"],
        |o, v| text(&mut o.snmp_socket, v),
    ),
    with(
        Some('s'),
        "namespace",
        "NAME",
        &["Run in network namespace NAME (overrides the configuration)"],
        |o, v| text(&mut o.namespace, v),
    ),
    flag('m', "core-dump", &["Leave a core file after a crash"], |o, _| {
        set(&mut o.core_files)
    }),
    maybe(
        Some('M'),
        "core-dump-pattern",
        "PATN",
        &[
            "The same, and set the kernel's core pattern to PATN",
            "(default 'core')",
        ],
        |o, v| {
            o.core_files = true;
            o.core_pattern = Some(v.map_or_else(|| "core".to_owned(), |v| v.to_string_lossy().into_owned()));
            Ok(Step::Next)
        },
    ),
    flag(
        'e',
        "all-config",
        &["Treat every problem with an included file as an error"],
        |o, _| set(&mut o.strict_includes),
    ),
    with(
        Some('i'),
        "config-id",
        "ID",
        &[
            "Use the lines that begin with @ID, and those of @^ other ids",
            "(default: the node name up to its first dot)",
        ],
        |o, v| text(&mut o.config_id, v),
    ),
    with(
        None,
        "signum",
        "SIGFUNC",
        &[
            "Print the number of the signal for STOP, RELOAD, DATA,",
            "STATS, STATS_CLEAR, JSON",
        ],
        signum,
    ),
    maybe(
        Some('t'),
        "config-test",
        "LOG_FILE",
        &[
            "Check the configuration; messages go to stderr, or to",
            "the end of LOG_FILE",
        ],
        |o, v| {
            o.test = Some(v.map(Into::into));
            (o.foreground, o.no_syslog, o.no_respawn) = (true, true, true);
            Ok(Step::Next)
        },
    ),
    whole(with(
        None,
        "format",
        "FORMAT",
        &[
            "How -t says what it found: text (with the lines), plain",
            "(one line each) or json; default text on a terminal",
        ],
        |o, v| {
            let word = lossy(v);
            o.format = match word.as_str() {
                "text" => ReportFormat::Text,
                "plain" => ReportFormat::Plain,
                "json" => ReportFormat::Json,
                _ => return Err(CliError::Format(word)),
            };
            Ok(Step::Next)
        },
    )),
    long("ignore-sigint", &["Ignore SIGINT (for debuggers)"], |o, _| {
        set(&mut o.ignore_sigint)
    }),
    maybe(
        None,
        "perf",
        "all|run|end",
        &["Record performance data of the VRRP process"],
        |o, _| later(o, "--perf"),
    ),
    maybe(None, "debug", "LETTERS", &["Debug classes and processes"], |o, _| {
        later(o, "--debug")
    }),
    flag('v', "version", &["Print the version"], |_, _| {
        Ok(Step::Done(Invocation::Version))
    }),
    flag('h', "help", &["Print this text"], |_, _| {
        Ok(Step::Done(Invocation::Help))
    }),
    hidden(with(None, "config-fd", "N", &[], |o, _| later(o, "--config-fd"))),
    hidden(long("no-mem-check", &[], |_, _| Ok(Step::Next))),
    hidden(Spec {
        short: Some('L'),
        long: None,
        takes: Takes::Nothing,
        value: "",
        help: &[],
        hidden: true,
        whole: false,
        effect: |_, _| Ok(Step::Next),
    }),
    hidden(Spec {
        short: Some('O'),
        long: None,
        takes: Takes::Nothing,
        value: "",
        help: &[],
        hidden: true,
        whole: false,
        effect: |_, _| Ok(Step::Next),
    }),
    hidden(with(None, "role", "KIND", &[], |_, v| {
        let word = lossy(v);
        if word == crate::launcher::WORD {
            return Ok(Step::Done(Invocation::Launcher));
        }
        if word == crate::mailer::WORD {
            return Ok(Step::Done(Invocation::Mailer));
        }
        let kind = Kind::from_word(&word).ok_or(CliError::Internal(word))?;
        Ok(Step::Done(Invocation::Role(kind)))
    })),
];

fn lossy(value: Option<OsString>) -> String {
    value.unwrap_or_default().to_string_lossy().into_owned()
}

fn set(flag: &mut bool) -> Result<Step, CliError> {
    *flag = true;
    Ok(Step::Next)
}

fn text(place: &mut Option<String>, value: Option<OsString>) -> Result<Step, CliError> {
    *place = Some(lossy(value));
    Ok(Step::Next)
}

fn path(place: &mut Option<std::path::PathBuf>, value: Option<OsString>) -> Result<Step, CliError> {
    *place = value.map(Into::into);
    Ok(Step::Next)
}

fn later(options: &mut Options, name: &'static str) -> Result<Step, CliError> {
    if !options.not_yet.contains(&name) {
        options.not_yet.push(name);
    }
    Ok(Step::Next)
}

fn facility(options: &mut Options, value: Option<OsString>) -> Result<Step, CliError> {
    let word = lossy(value);
    let number = match word.as_str() {
        "user" => Some(1),
        "daemon" => Some(3),
        other => match other.strip_prefix("local").unwrap_or(other).parse::<u8>() {
            Ok(local @ 0..=7) => Some(16 + local),
            Ok(_) | Err(_) => None,
        },
    };
    match number {
        Some(number) => options.facility = Some(number),
        None => options.warnings.push(format!("Invalid log facility '{word}'")),
    }
    Ok(Step::Next)
}

/// A number as C reads it: octal after `0`, hexadecimal after `0x`.
fn umask(options: &mut Options, value: Option<OsString>) -> Result<Step, CliError> {
    let word = lossy(value);
    let number = match (
        word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")),
        word.strip_prefix('0'),
    ) {
        (Some(digits), _) => u32::from_str_radix(digits, 16),
        (None, Some("")) => Ok(0),
        (None, Some(digits)) => u32::from_str_radix(digits, 8),
        (None, None) => word.parse(),
    };
    match number {
        Ok(mask @ 0..=0o777) => options.umask = Some(mask),
        Ok(_) | Err(_) => options.warnings.push(format!("Invalid --umask option {word}")),
    }
    Ok(Step::Next)
}

fn signum(_: &mut Options, value: Option<OsString>) -> Result<Step, CliError> {
    let word = lossy(value);
    let signal = match word.as_str() {
        "STOP" => Signal::Term,
        "RELOAD" => Signal::Hup,
        "DATA" => Signal::Usr1,
        "STATS" => Signal::Usr2,
        "STATS_CLEAR" => Signal::RtMaxMinus1,
        "JSON" => Signal::RtMinPlus2,
        _ => return Err(CliError::Signal(word)),
    };
    Ok(Step::Done(Invocation::Signum(signal.number())))
}
