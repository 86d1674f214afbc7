//! What can be tracked: `vrrp_script`, `track_file`, `vrrp_track_process`, delays and link beat of interfaces.
//!
//! Decides about single words. An object exists from the end of its block on, and only then can a `track_*` block name
//! it, as in upstream; who tracks it is read in [`super::tracker`].

use super::Lowering;
use crate::diagnostic::Class;
use crate::model::{
    Command, Identity, InitFile, Linkbeat, LinkbeatMethod, ParameterMatch, TrackFile, TrackProcess, TrackScript,
};
use crate::tree::Statement;
use base::IfName;
use std::collections::BTreeMap;
use std::time::Duration;
use vrrp::config::{Delays, Process, Weight};

/// The interval of a script that says none.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest interval.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
/// Microseconds of the longest interval and timeout.
const LONGEST: u64 = u32::MAX as u64;
/// The longest debounce delay, in microseconds.
const LONGEST_DELAY: u64 = 255_000_000;
/// Values of a file beyond which no weight makes sense.
const SENSIBLE: i64 = 254;

type Line<'s, 't> = &'s Statement<'t>;

/// Objects so far, and the one whose block is open.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    pub(crate) scripts: BTreeMap<String, ScriptDraft>,
    pub(crate) files: BTreeMap<String, TrackFile>,
    pub(crate) processes: BTreeMap<String, ProcessDraft>,
    /// `bfd_instance` with its default weight.
    pub(crate) sessions: BTreeMap<String, Weight>,
    pub(crate) delays: BTreeMap<IfName, Delays>,
    pub(crate) linkbeat: Linkbeat,
    /// `process_monitor_rcv_bufs`.
    pub(crate) process_buffer: Option<crate::model::ReceiveBuffer>,
    script: Option<(String, OpenScript)>,
    file: Option<(String, OpenFile)>,
    process: Option<(String, OpenProcess)>,
}

/// A script as its block said.
#[derive(Clone, Debug)]
pub(crate) struct ScriptDraft {
    pub(crate) run: TrackScript,
    pub(crate) rise: u32,
    pub(crate) fall: u32,
    pub(crate) init_fail: bool,
    pub(crate) weight: Weight,
    /// Who runs it may be named after the command.
    pub(crate) at: crate::source::Mark,
}

/// A process as its block said.
#[derive(Clone, Debug)]
pub(crate) struct ProcessDraft {
    pub(crate) which: TrackProcess,
    pub(crate) count: Process,
    pub(crate) weight: Weight,
}

#[derive(Debug, Default)]
struct OpenScript {
    arguments: Option<Vec<Vec<u8>>>,
    /// The identity it names; `Some(None)`: one that does not exist.
    user: Option<Option<Identity>>,
    interval: Option<Duration>,
    timeout: Option<Duration>,
    weight: Weight,
    rise: Option<u32>,
    fall: Option<u32>,
    init_fail: bool,
}

#[derive(Debug, Default)]
struct OpenFile {
    path: Option<String>,
    weight: Option<Weight>,
    init: Option<InitFile>,
}

#[derive(Debug, Default)]
struct OpenProcess {
    command: Vec<String>,
    parameter_match: Option<ParameterMatch>,
    weight: Option<Weight>,
    quorum: Option<u32>,
    quorum_max: Option<u32>,
    fork_delay: Duration,
    terminate_delay: Duration,
    full_command: bool,
}

impl Lowering<'_> {
    /// What upstream only logs when it starts, and does not say when it checks a file.
    pub(crate) fn logged(&mut self, line: Line<'_, '_>, word: usize, code: &'static str, text: String) {
        if !self.facts.checking {
            self.say(line, word, Class::Notice, code, text);
        }
    }

    /// A `bfd_instance` of this name exists, and weighs this much where nothing else is said.
    pub(crate) fn declare_session(&mut self, name: &str, weight: Weight) {
        self.tracking.sessions.entry(name.to_owned()).or_insert(weight);
    }

    /// `N [reverse]` from a word on. `None`: it has been said what is wrong.
    fn weight(&mut self, line: Line<'_, '_>, limit: i64, wrong: &str, unknown: &str) -> Option<Weight> {
        let Some(value) = self.signed(line, 1, -limit, limit) else {
            self.error(line, 1, "track-weight", wrong.to_owned());
            return None;
        };
        let reverse = match line.word(2) {
            None => false,
            Some("reverse") => true,
            Some("noreverse") => false,
            Some(word) => {
                self.error(line, 2, "track-weight", format!("{unknown} {word}"));
                false
            }
        };
        Some(Weight {
            value: value as i32,
            reverse,
        })
    }

    fn script_name(&self) -> String {
        let open = self.tracking.script.as_ref();
        open.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    fn file_name(&self) -> String {
        let open = self.tracking.file.as_ref();
        open.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    fn process_name(&self) -> String {
        let open = self.tracking.process.as_ref();
        open.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    fn script(&mut self, set: impl FnOnce(&mut OpenScript)) {
        if let Some((_, script)) = self.tracking.script.as_mut() {
            set(script);
        }
    }

    fn process(&mut self, set: impl FnOnce(&mut OpenProcess)) {
        if let Some((_, process)) = self.tracking.process.as_mut() {
            set(process);
        }
    }
}

fn name(line: Line<'_, '_>) -> String {
    line.word(1).unwrap_or_default().to_owned()
}

/// `vrrp_script NAME {`.
pub(crate) fn open_script(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.tracking.script = Some((name(line), OpenScript::default()));
}

/// The end of `vrrp_script`.
pub(crate) fn close_script(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some((name, open)) = low.tracking.script.take() else {
        return;
    };
    let Some(arguments) = open.arguments else {
        let text = format!("No script set for vrrp_script {name} - removing");
        return low.error(line, 0, "track-script", text);
    };
    if low.tracking.scripts.contains_key(&name) {
        let text = format!("vrrp_script {name} is defined twice - the first one counts");
        return low.logged(line, 0, "track-script", text);
    }
    let Some(identity) = script_identity(low, line, open.user, &name) else {
        return;
    };
    let interval = open.interval.unwrap_or(DEFAULT_INTERVAL);
    let draft = ScriptDraft {
        run: TrackScript {
            command: Command {
                arguments,
                file: None,
                identity,
            },
            interval,
            timeout: open.timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(interval),
        },
        rise: open.rise.unwrap_or(1),
        fall: open.fall.unwrap_or(1),
        init_fail: open.init_fail,
        weight: open.weight,
        at: line.mark(0),
    };
    low.tracking.scripts.insert(name, draft);
}

/// `script COMMAND`; words after the command are ignored.
pub(crate) fn script(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(arguments) = low.program(line) {
        low.script(|script| script.arguments = Some(arguments));
    }
}

/// Who a script runs as; said if there is nobody, and then it is no script.
fn script_identity(
    low: &mut Lowering<'_>,
    line: Line<'_, '_>,
    named: Option<Option<Identity>>,
    name: &str,
) -> Option<Identity> {
    match named {
        // It was said at its line that there is no such user.
        Some(named) => named,
        None => {
            let usual = low.default_identity();
            if usual.is_none() {
                let text = format!("Unable to set default user for vrrp script {name} - removing");
                low.error(line, 0, "track-script", text);
            }
            usual
        }
    }
}

/// `interval SECS`.
pub(crate) fn interval(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = low.script_name();
    let interval = match low.seconds(line, 1, 0, LONGEST) {
        Some(interval) if !interval.is_zero() => interval.max(SHORTEST_INTERVAL),
        Some(_) | None => {
            let text = format!("({name}): vrrp script interval must be greater than 0, setting to 1");
            low.error(line, 1, "track-script", text);
            DEFAULT_INTERVAL
        }
    };
    low.script(|script| script.interval = Some(interval));
}

/// `timeout SECS`.
pub(crate) fn timeout(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.seconds(line, 1, 0, LONGEST) {
        Some(timeout) => low.script(|script| script.timeout = Some(timeout)),
        None => {
            let (name, word) = (low.script_name(), line.word(1).unwrap_or_default());
            let text = format!("({name}): vrrp script timeout '{word}' invalid - ignoring");
            low.error(line, 1, "track-script", text);
        }
    }
}

/// `weight N [reverse]` of a script.
pub(crate) fn script_weight(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let (name, word) = (low.script_name(), line.word(1).unwrap_or_default());
    let wrong = format!("vrrp_script {name} weight {word} must be in [-253, 253]");
    let unknown = format!("vrrp_script {name} unknown weight option");
    if let Some(weight) = low.weight(line, 253, &wrong, &unknown) {
        low.script(|script| script.weight = weight);
    }
}

fn results(low: &mut Lowering<'_>, line: Line<'_, '_>, set: fn(&mut OpenScript, u32)) {
    match low.unsigned(line, 1, 1, u32::MAX) {
        Some(count) => low.script(|script| set(script, count)),
        None => {
            let (name, keyword) = (low.script_name(), line.word(0).unwrap_or_default());
            let word = line.word(1).unwrap_or_default();
            let text = format!("({name}): vrrp script {keyword} value '{word}' invalid, defaulting to 1");
            low.error(line, 1, "track-script", text);
            low.script(|script| set(script, 1));
        }
    }
}

/// `rise N`.
pub(crate) fn rise(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    results(low, line, |script, count| script.rise = Some(count));
}

/// `fall N`.
pub(crate) fn fall(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    results(low, line, |script, count| script.fall = Some(count));
}

/// `user USER [GROUP]` of a script.
pub(crate) fn script_user(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let user = low.identity(line, 1, &name(line), line.word(2), "script");
    if user.is_none() {
        let open = low
            .tracking
            .script
            .as_ref()
            .and_then(|(_, open)| open.arguments.as_ref()?.first());
        let program = open
            .map(|program| String::from_utf8_lossy(program).into_owned())
            .unwrap_or_default();
        let text = format!("Unable to set uid/gid for script '{program}'");
        low.error(line, 1, "track-script", text);
    }
    low.script(|script| script.user = Some(user));
}

/// `init_fail`.
pub(crate) fn init_fail(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.script(|script| script.init_fail = true);
}

/// `track_file NAME {`.
pub(crate) fn open_file(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.tracking.file = Some((name(line), OpenFile::default()));
}

/// The end of `track_file`.
pub(crate) fn close_file(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some((name, open)) = low.tracking.file.take() else {
        return;
    };
    let Some(path) = open.path else {
        let text = format!("No file set for track_file {name} - ignoring");
        return low.error(line, 0, "track-file", text);
    };
    if low.tracking.files.contains_key(&name) {
        let text = format!("track_file {name} is defined twice - the first one counts");
        return low.logged(line, 0, "track-file", text);
    }
    let file = TrackFile {
        path,
        weight: open.weight.unwrap_or(Weight {
            value: 1,
            reverse: false,
        }),
        init: open.init,
    };
    low.tracking.files.insert(name, file);
}

/// `file PATH`.
pub(crate) fn file(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let (name, word) = (low.file_name(), line.word(1).unwrap_or_default());
    let Some((_, open)) = low.tracking.file.as_mut() else {
        return;
    };
    if open.path.is_none() {
        open.path = Some(word.to_owned());
        return;
    }
    let text = format!("File already set for track file {name} - ignoring {word}");
    low.error(line, 1, "track-file", text);
}

/// `weight N [reverse]` of a file.
pub(crate) fn file_weight(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = low.file_name();
    let Some(word) = line.word(1) else {
        let text = format!("No weight specified for track file {name} - ignoring");
        return low.error(line, 0, "track-weight", text);
    };
    if low
        .tracking
        .file
        .as_ref()
        .is_some_and(|(_, open)| open.weight.is_some())
    {
        let text = format!("Weight already set for track file {name} - ignoring {word}");
        return low.error(line, 1, "track-weight", text);
    }
    let wrong = format!("Weight ({word}) for track_file {name} must be between [-254..254] inclusive. Ignoring...");
    let unknown = format!("track_file {name} unknown weight option");
    let weight = low.weight(line, 254, &wrong, &unknown);
    if let Some((_, open)) = low.tracking.file.as_mut() {
        open.weight = weight;
    }
}

/// `init_file [VALUE] [overwrite]`.
pub(crate) fn init_file(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = low.file_name();
    let mut init = InitFile::default();
    for word in 1..line.words.len() {
        let text = line.word(word).unwrap_or_default();
        let number = text
            .trim_start_matches(['-', '+'])
            .starts_with(|c: char| c.is_ascii_digit());
        if text == "overwrite" {
            init.overwrite = true;
        } else if !number {
            low.error(
                line,
                word,
                "track-file",
                format!("Unknown track file init option {text}"),
            );
        } else if let Ok(value) = text.parse::<i32>() {
            if !(-SENSIBLE..=SENSIBLE).contains(&i64::from(value)) {
                let text =
                    format!("Track file {name} init value {value} is outside sensible range [-{SENSIBLE}, {SENSIBLE}]");
                low.error(line, word, "track-file", text);
            }
            init.value = value;
        } else {
            let text = format!("Track file {name} init value {text} is invalid");
            low.error(line, word, "track-file", text);
        }
    }
    if let Some((_, open)) = low.tracking.file.as_mut() {
        open.init = Some(init);
    }
}

/// `vrrp_track_process NAME {`.
pub(crate) fn open_process(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.tracking.process = Some((name(line), OpenProcess::default()));
}

/// The end of `vrrp_track_process`.
pub(crate) fn close_process(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some((name, open)) = low.tracking.process.take() else {
        return;
    };
    let mut words = open.command.into_iter();
    let Some(path) = words.next() else {
        let text = format!("track process '{name}' process name not specified");
        return low.error(line, 0, "track-process", text);
    };
    if low.tracking.processes.contains_key(&name) {
        let text = format!("vrrp_track_process {name} is defined twice - the first one counts");
        return low.logged(line, 0, "track-process", text);
    }
    let parameters: Vec<String> = words.collect();
    let implied = if parameters.is_empty() {
        ParameterMatch::None
    } else {
        ParameterMatch::Exact
    };
    let parameter_match = open.parameter_match.unwrap_or(implied);
    let draft = ProcessDraft {
        which: TrackProcess {
            // That of the draft is put here when it is known.
            weight: Weight::default(),
            path,
            full_command: open.full_command || parameter_match != ParameterMatch::None,
            parameters,
            parameter_match,
        },
        count: Process {
            quorum: open.quorum.unwrap_or(1),
            quorum_max: open.quorum_max.unwrap_or(u32::MAX),
            fork_delay: open.fork_delay,
            terminate_delay: open.terminate_delay,
        },
        weight: open.weight.unwrap_or_default(),
    };
    low.tracking.processes.insert(name, draft);
}

/// `process NAME [PARAM ...]`.
pub(crate) fn process(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let (name, word) = (low.process_name(), line.word(1).unwrap_or_default());
    let set = low.tracking.process.as_ref();
    if set.is_some_and(|(_, open)| !open.command.is_empty()) {
        let text = format!("Process already set for track process {name} - ignoring {word}");
        return low.error(line, 1, "track-process", text);
    }
    let words: Vec<String> = (1..line.words.len())
        .filter_map(|at| line.word(at).map(str::to_owned))
        .collect();
    low.process(|process| process.command = words);
}

/// `param_match [initial|partial]`.
pub(crate) fn param_match(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let kind = match line.word(1) {
        None => ParameterMatch::Exact,
        Some("initial") => ParameterMatch::Initial,
        Some("partial") => ParameterMatch::Partial,
        Some(word) => {
            let text = format!("Invalid param_match type {word} - ignoring");
            return low.error(line, 1, "track-process", text);
        }
    };
    low.process(|process| process.parameter_match = Some(kind));
}

/// `weight N [reverse]` of a process.
pub(crate) fn process_weight(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let (name, word) = (low.process_name(), line.word(1).unwrap_or_default());
    let set = low.tracking.process.as_ref();
    if set.is_some_and(|(_, open)| open.weight.is_some()) {
        let text = format!("Weight already set for track process {name} - ignoring {word}");
        return low.error(line, 1, "track-weight", text);
    }
    let wrong =
        format!("Weight ({word}) for vrrp_track_process {name} must be between [-254..254] inclusive. Ignoring...");
    let unknown = format!("vrrp_track_process {name} unknown weight option");
    if let Some(weight) = low.weight(line, 254, &wrong, &unknown) {
        low.process(|process| process.weight = Some(weight));
    }
}

/// `quorum N`.
pub(crate) fn quorum(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let most = low
        .tracking
        .process
        .as_ref()
        .and_then(|(_, open)| open.quorum_max)
        .unwrap_or(u32::MAX);
    let (name, word) = (low.process_name(), line.word(1).unwrap_or_default());
    match low.unsigned(line, 1, 1, 65535) {
        None => {
            let text = format!(
                "Quorum ({word}) for vrrp_track_process {name} must be between [1..65535] inclusive. Ignoring..."
            );
            low.error(line, 1, "track-process", text);
        }
        Some(quorum) if quorum > most => {
            let text = "Quorum is greater than quorum_max - ignoring".to_owned();
            low.error(line, 1, "track-process", text);
        }
        Some(quorum) => low.process(|process| process.quorum = Some(quorum)),
    }
}

/// `quorum_max N`.
pub(crate) fn quorum_max(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let set = low.tracking.process.as_ref();
    let least = set.and_then(|(_, open)| open.quorum);
    let (name, word) = (low.process_name(), line.word(1).unwrap_or_default());
    match low.unsigned(line, 1, 0, 65535) {
        None => {
            let text = format!(
                "quorum_max ({word}) for vrrp_track_process {name} must be between [0..65535] inclusive. Ignoring..."
            );
            low.error(line, 1, "track-process", text);
        }
        Some(most) if least.is_some_and(|least| most < least) => {
            let text = "quorum_max is less than quorum - ignoring".to_owned();
            low.error(line, 1, "track-process", text);
        }
        // No process at all may run: then none need run either.
        Some(0) => low.process(|process| (process.quorum, process.quorum_max) = (Some(0), Some(0))),
        Some(most) => low.process(|process| process.quorum_max = Some(most)),
    }
}

fn hold(low: &mut Lowering<'_>, line: Line<'_, '_>, set: fn(&mut OpenProcess, Duration)) {
    let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
    match low.seconds(line, 1, 1, 3_600_000_000) {
        Some(delay) => low.process(|process| set(process, delay)),
        None => {
            let name = low.process_name();
            let text = format!(
                "{keyword} ({word}) for vrrp_track_process {name} must be between [0.000001..3600] inclusive. Ignoring..."
            );
            low.error(line, 1, "track-process", text);
        }
    }
}

/// `delay SECS`.
pub(crate) fn delay(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    hold(low, line, |process, delay| {
        (process.fork_delay, process.terminate_delay) = (delay, delay);
    });
}

/// `fork_delay SECS`.
pub(crate) fn fork_delay(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    hold(low, line, |process, delay| process.fork_delay = delay);
}

/// `terminate_delay SECS`.
pub(crate) fn terminate_delay(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    hold(low, line, |process, delay| process.terminate_delay = delay);
}

/// `full_command`.
pub(crate) fn full_command(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.process(|process| process.full_command = true);
}

/// `interface_up_down_delays {`: its lines say everything.
pub(crate) fn open_delays(_: &mut Lowering<'_>, _: Line<'_, '_>) {}

/// `IFNAME DOWN [UP]` of `interface_up_down_delays`.
pub(crate) fn delays(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(0).unwrap_or_default();
    let missing = format!("unknown interface {word} specified for up/down delay");
    let Some(interface) = low.existing_interface(line, &missing) else {
        return;
    };
    if line.word(1).is_none() {
        return low.logged(
            line,
            0,
            "up-down-delay",
            format!("No timeouts specified for {word} up/down delays"),
        );
    }
    let mut read = |at: usize, which: &str| {
        let given = line.word(at)?;
        let delay = low.seconds(line, at, 0, LONGEST_DELAY);
        if delay.is_none() {
            let text = format!("Invalid {which} delay {given} for {word}");
            low.logged(line, at, "up-down-delay", text);
        }
        delay
    };
    let (down, up) = (read(1, "down"), read(2, "up"));
    if line.word(3).is_some() {
        low.logged(
            line,
            3,
            "up-down-delay",
            format!("Too many parameters for {word} up/down delays"),
        );
    }
    let delays = Delays {
        down: down.unwrap_or_default(),
        up: up.unwrap_or_default(),
    };
    low.tracking.delays.insert(interface, delays);
}

/// `linkbeat_use_polling` at the top.
pub(crate) fn linkbeat_use_polling(low: &mut Lowering<'_>, _line: Line<'_, '_>) {
    low.tracking.linkbeat.all = true;
}

/// `linkbeat_interfaces {`.
pub(crate) fn open_linkbeat(_low: &mut Lowering<'_>, _line: Line<'_, '_>) {}

/// `IFNAME [MII|ETHTOOL|IOCTL]` of `linkbeat_interfaces`.
pub(crate) fn linkbeat(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let missing = format!(
        "unknown interface {} specified for linkbeat interface",
        line.word(0).unwrap_or_default()
    );
    let Some(interface) = low.existing_interface(line, &missing) else {
        return;
    };
    let method = match line.word(1) {
        Some("MII") => Some(LinkbeatMethod::Mii),
        Some("ETHTOOL") => Some(LinkbeatMethod::Ethtool),
        Some("IOCTL") => Some(LinkbeatMethod::Ioctl),
        Some(_) | None => None,
    };
    let known = 1 + usize::from(method.is_some());
    if let Some(extra) = line.word(known) {
        let text = format!("extra characters {extra} in linkbeat interface");
        low.error(line, known, "linkbeat", text);
    }
    low.tracking.linkbeat.interfaces.insert(interface, method);
}
