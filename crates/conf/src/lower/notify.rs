//! Who is told of changes: scripts, FIFOs and mail.
//!
//! Decides what each line says. Whether a script may run is judged in [`super::command`] when everything has been read;
//! when anybody is told, and in which order, is the daemon's.

use super::Lowering;
use super::value::boolean;
use crate::diagnostic::{Class, Stage};
use crate::model::{Command, Fifo, Global, MailServer, Notify};
use crate::source::Mark;
use crate::tree::Statement;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

type Line<'s, 't> = &'s Statement<'t>;

/// The port of SMTP.
const SMTP: u16 = 25;
/// The longest timeout of mail, in seconds: what upstream can hold in microseconds.
const LONGEST_TIMEOUT: u32 = 4294;

/// What is written of the notifications of an instance or a group, before defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NotifyDraft {
    scripts: BTreeMap<Occasion, (Command, Mark)>,
    seen_deleted: bool,
    mail: Option<bool>,
}

/// When a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Occasion {
    Master,
    Backup,
    Fault,
    Stop,
    Deleted,
    Any,
    LowerPriority,
}

impl Lowering<'_> {
    /// What is read about the instance or group whose block is open, and how messages call it.
    fn notify_draft(&mut self) -> Option<(String, &mut NotifyDraft)> {
        if let Some(group) = self.group.as_ref() {
            let name = group.draft.name.to_string();
            let draft = self.notify_groups.entry(name.clone()).or_default();
            return Some((format!("vrrp group {name}:"), draft));
        }
        let name = self.instance.as_ref()?.name.clone();
        let draft = self.notify.entry(name.clone()).or_default();
        Some((format!("({name})"), draft))
    }

    fn notify_script(&mut self, line: Line<'_, '_>, occasion: Occasion) {
        let keyword = line.word(0).unwrap_or_default().to_owned();
        let command = self.command(line, "notify");
        let mark = line.mark(1);
        let Some((name, draft)) = self.notify_draft() else {
            return;
        };
        let Some(command) = command else { return };
        if draft.scripts.contains_key(&occasion) {
            let program =
                String::from_utf8_lossy(command.arguments.first().map_or(&b""[..], Vec::as_slice)).into_owned();
            let text = format!("{name} {keyword} script already specified - ignoring {program}");
            return self.error(line, 1, "notify-twice", text);
        }
        draft.scripts.insert(occasion, (command, mark));
    }

    /// What is told about instances, defaults applied and scripts judged.
    pub(crate) fn finish_notify<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> BTreeMap<String, Notify> {
        let mut drafts = std::mem::take(&mut self.notify);
        names
            .map(|name| {
                let draft = drafts.remove(name).unwrap_or_default();
                let mail = draft.mail;
                (name.to_owned(), self.finish_one(draft, mail))
            })
            .collect()
    }

    /// The same for groups, which know already what is said of mail.
    pub(crate) fn finish_group_notify<'n>(
        &mut self,
        groups: impl Iterator<Item = (&'n str, Option<bool>)>,
    ) -> BTreeMap<String, Notify> {
        let mut drafts = std::mem::take(&mut self.notify_groups);
        groups
            .map(|(name, mail)| {
                let draft = drafts.remove(name).unwrap_or_default();
                (name.to_owned(), self.finish_one(draft, mail))
            })
            .collect()
    }

    fn finish_one(&mut self, draft: NotifyDraft, mail: Option<bool>) -> Notify {
        let global = &self.global;
        let mail = mail.or(global.smtp_alert_vrrp).or(global.smtp_alert).unwrap_or(false);
        let mut notify = Notify {
            report_deleted: draft.seen_deleted,
            mail,
            ..Notify::default()
        };
        for (occasion, (mut command, at)) in draft.scripts {
            if self.admit(Some(at), &mut command) == super::command::Verdict::Runs {
                *place(&mut notify, occasion) = Some(command);
            }
        }
        notify
    }

    /// Judges track scripts; gives the names of those that cannot run and are as good as not there.
    pub(crate) fn judge_track_scripts(&mut self) -> BTreeSet<String> {
        let mut scripts = std::mem::take(&mut self.tracking.scripts);
        let mut disabled = BTreeSet::new();
        for (name, draft) in &mut scripts {
            let why = match self.admit(Some(draft.at), &mut draft.run.command) {
                super::command::Verdict::Runs => continue,
                super::command::Verdict::Insecure => Some("due to insecure"),
                super::command::Verdict::Missing => Some("since not found/accessible"),
                // Upstream only logs it.
                super::command::Verdict::NotExecutable => None,
            };
            if let Some(why) = why {
                let text = format!("Disabling track script {name} {why}");
                self.say_at(Some(draft.at), false, Class::Error, "track-script", text);
            }
            disabled.insert(name.clone());
        }
        scripts.retain(|name, _| !disabled.contains(name));
        self.tracking.scripts = scripts;
        disabled
    }

    /// Judges what the daemon runs for itself, and says which FIFOs are named twice.
    pub(crate) fn finish_global_scripts(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Parent);
        let mut global = std::mem::take(&mut self.global);
        self.judge_script(&mut global.startup_script);
        self.judge_script(&mut global.shutdown_script);
        self.script_security();
        self.stage = Stage::Vrrp;
        for fifo in [&mut global.fifo, &mut global.vrrp_fifo, &mut global.lvs_fifo] {
            // Only its script has been named, or its user does not exist.
            fifo.take_if(|fifo| fifo.path.is_empty());
        }
        same_fifos(self, &mut global);
        let fifos = [&mut global.fifo, &mut global.vrrp_fifo, &mut global.lvs_fifo];
        for fifo in fifos.into_iter().flatten() {
            self.judge_script(&mut fifo.script);
        }
        self.global = global;
        self.stage = stage;
    }

    fn judge_script(&mut self, command: &mut Option<Command>) {
        if let Some(one) = command
            && self.admit(None, one) != super::command::Verdict::Runs
        {
            *command = None;
        }
    }
}

impl Lowering<'_> {
    /// Judges the programs of checks. A check whose program may not run is as good as not there.
    fn judge_misc_scripts(&mut self, servers: &mut crate::model::Servers) {
        let checks = servers
            .services
            .values()
            .flat_map(|service| service.checks.values().flatten());
        let used: HashSet<_> = checks.filter_map(check::Check::command).cloned().collect();
        let mut disabled = BTreeSet::new();
        for (name, command) in servers.commands.iter_mut().filter(|(name, _)| used.contains(*name)) {
            let command = Arc::make_mut(command);
            let shown = command
                .arguments
                .first()
                .map(|word| String::from_utf8_lossy(word).into_owned());
            let why = match self.admit(None, command) {
                super::command::Verdict::Runs => continue,
                super::command::Verdict::Insecure => Some("due to insecure"),
                super::command::Verdict::Missing => Some("since not found/accessible"),
                // Upstream only logs it.
                super::command::Verdict::NotExecutable => None,
            };
            if let Some(why) = why {
                let text = format!("Disabling misc script {} {why}", shown.unwrap_or_default());
                // Upstream looks at these when it starts to check, which a test of the configuration does not.
                self.script_detail(None, text);
            }
            disabled.insert(name.clone());
        }
        if disabled.is_empty() {
            return;
        }
        servers.commands.retain(|name, _| !disabled.contains(name));
        let runs = |check: &check::Check| check.command().is_none_or(|command| !disabled.contains(command));
        for service in servers.services.values_mut() {
            if service.checks.values().flatten().any(|check| !runs(check)) {
                let checks = &mut Arc::make_mut(service).checks;
                for list in checks.values_mut() {
                    *list = std::mem::take(list).into_vec().into_iter().filter(&runs).collect();
                }
                checks.retain(|_, list| !list.is_empty());
            }
        }
    }

    /// Judges what virtual servers run, in the stage of upstream's checker: what may not run is taken out of the model.
    pub(crate) fn finish_check_scripts(&mut self, servers: &mut crate::model::Servers) {
        let stage = std::mem::replace(&mut self.stage, Stage::Checker);
        let mut known: HashMap<*const Command, Option<Arc<Command>>> = HashMap::new();
        let mut judge = |low: &mut Lowering<'_>, command: &Arc<Command>| {
            let key = Arc::as_ptr(command);
            if let Some(judged) = known.get(&key) {
                return judged.clone();
            }
            let mut own = Command::clone(command);
            let judged = (low.admit(None, &mut own) == super::command::Verdict::Runs).then(|| Arc::new(own));
            known.insert(key, judged.clone());
            judged
        };
        self.judge_misc_scripts(servers);
        for service in servers.services.values_mut() {
            let has = service.quorum_up.is_some() || service.quorum_down.is_some() || !service.notify.is_empty();
            if !has {
                continue;
            }
            let service = Arc::make_mut(service);
            let ups = service
                .notify
                .values_mut()
                .flat_map(|notify| [&mut notify.up, &mut notify.down]);
            for place in ups.chain([&mut service.quorum_up, &mut service.quorum_down]) {
                *place = place.as_ref().and_then(|command| judge(self, command));
            }
        }
        self.script_security();
        self.stage = stage;
    }
}

fn place(notify: &mut Notify, occasion: Occasion) -> &mut Option<Command> {
    match occasion {
        Occasion::Master => &mut notify.master,
        Occasion::Backup => &mut notify.backup,
        Occasion::Fault => &mut notify.fault,
        Occasion::Stop => &mut notify.stop,
        Occasion::Deleted => &mut notify.deleted,
        Occasion::Any => &mut notify.any,
        Occasion::LowerPriority => &mut notify.lower_priority,
    }
}

/// One FIFO for two purposes would get its lines twice.
fn same_fifos(low: &mut Lowering<'_>, global: &mut Global) {
    for (name, other) in [("vrrp", &mut global.vrrp_fifo), ("LVS", &mut global.lvs_fifo)] {
        let path = other.as_ref().map(|fifo| fifo.path.clone());
        if path.is_some() && path == global.fifo.as_ref().map(|fifo| fifo.path.clone()) {
            let path = path.unwrap_or_default();
            let text =
                format!("notify FIFO {path} has been specified for global and {name} FIFO - ignoring {name} FIFO");
            low.say_at(None, false, Class::Error, "fifo-twice", text);
            *other = None;
        }
    }
}

macro_rules! scripts {
    ($($name:ident $occasion:ident;)*) => {
        $(pub(crate) fn $name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
            low.notify_script(line, Occasion::$occasion);
        })*
    };
}

scripts! {
    notify_master Master;
    notify_backup Backup;
    notify_fault Fault;
    notify_stop Stop;
    notify Any;
    notify_master_rx_lower_pri LowerPriority;
}

/// `notify_deleted [COMMAND [USER [GROUP]]]`.
pub(crate) fn notify_deleted(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some((name, draft)) = low.notify_draft() else {
        return;
    };
    if std::mem::replace(&mut draft.seen_deleted, true) {
        let word = line.word(1).unwrap_or_default();
        let text = format!("{name} notify_deleted already specified - ignoring {word}");
        return low.error(line, 1, "notify-twice", text);
    }
    if line.word(1).is_some() {
        low.notify_script(line, Occasion::Deleted);
    }
}

/// `smtp_alert [BOOL]` of an instance.
pub(crate) fn instance_smtp_alert(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(value) = low.flag(line) else {
        let word = line.word(1).unwrap_or_default();
        let text = format!("Invalid vrrp_instance smtp_alert parameter {word}");
        return low.error(line, 1, "boolean", text);
    };
    if let Some((_, draft)) = low.notify_draft() {
        draft.mail = Some(value);
    }
}

macro_rules! switches {
    ($($name:ident |$global:ident, $value:ident| $set:expr;)*) => {
        $(pub(crate) fn $name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
            match line.word(1).map_or(Some(true), boolean) {
                Some($value) => {
                    let $global = &mut low.global;
                    $set;
                }
                None => {
                    let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
                    let text = format!("Invalid value '{word}' for global {keyword} specified");
                    low.error(line, 1, "boolean", text);
                }
            }
        })*
    };
}

switches! {
    smtp_alert |global, v| global.smtp_alert = Some(v);
    smtp_alert_vrrp |global, v| global.smtp_alert_vrrp = Some(v);
    set_supplementary_groups |global, v| global.supplementary_groups = v;
}

/// `use_symlink_paths [BOOL]`.
pub(crate) fn use_symlink_paths(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.flag(line) {
        Some(value) => low.scripts.keep_links = value,
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!("Invalid value '{word}' for global use_symlink_paths specified");
            low.error(line, 1, "boolean", text);
        }
    }
}

/// `enable_script_security`.
pub(crate) fn enable_script_security(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.scripts.security = true;
    low.global.script_security = true;
}

/// `no_email_faults`.
pub(crate) fn no_email_faults(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.global.mail.no_faults = true;
}

/// `fifo_write_vrrp_states_on_reload`.
pub(crate) fn fifo_states_on_reload(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.global.fifo_states_on_reload = true;
}

/// `notification_email_from ADDRESS`.
pub(crate) fn mail_from(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match line.word(1).filter(|word| !word.is_empty()) {
        Some(_) => low.global.mail.from = Some(line.from(1).collect::<Vec<_>>().join(" ")),
        None => low.error(line, 0, "mail", "emailfrom missing - ignoring".to_owned()),
    }
}

/// `smtp_server IP|HOSTNAME [PORT]`.
pub(crate) fn smtp_server(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let host = line.word(1).unwrap_or_default().to_owned();
    let port = match line.word(2) {
        None => Some(SMTP),
        Some(_) => low.unsigned(line, 2, 1, u32::from(u16::MAX)).map(|port| port as u16),
    };
    let known = host.parse::<std::net::IpAddr>().is_ok() || low.answers.hosts.get(&host).copied().unwrap_or(true);
    match port {
        Some(port) if known && !host.is_empty() => low.global.mail.server = Some(MailServer { host, port }),
        Some(_) | None => {
            let shown = line.word(2).map_or_else(|| SMTP.to_string(), str::to_owned);
            low.error(line, 1, "mail", format!("Invalid smtp server {host} {shown}"));
        }
    }
}

/// `smtp_helo_name STRING`.
pub(crate) fn smtp_helo_name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.global.mail.helo = line.word(1).map(str::to_owned);
}

/// `smtp_connect_timeout SECS`.
pub(crate) fn smtp_connect_timeout(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let seconds = match low.unsigned(line, 1, 0, LONGEST_TIMEOUT) {
        Some(0) => {
            // Upstream's spelling.
            let text = "smtp_conect_timeout must be greater than 0, setting to 1".to_owned();
            low.error(line, 1, "mail", text);
            1
        }
        Some(seconds) => seconds,
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!("smtp_connect_timeout '{word}' must be in [0, {LONGEST_TIMEOUT}] - ignoring");
            return low.error(line, 1, "mail", text);
        }
    };
    low.global.mail.timeout = Duration::from_secs(u64::from(seconds));
}

/// `notification_email {`.
pub(crate) fn mail_recipients(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.recipients = 0;
}

/// A line of `notification_email`: a recipient in each word, or one with a name before its `<address>`.
pub(crate) fn mail_recipient(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.recipients += 1;
    let words: Vec<String> = line.from(0).map(str::to_owned).collect();
    let recipients = &mut low.global.mail.recipients;
    if words.iter().any(|word| word.starts_with('<')) {
        recipients.push(words.join(" "));
    } else {
        recipients.extend(words);
    }
}

/// The end of `notification_email`.
pub(crate) fn mail_recipients_end(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if low.recipients == 0 {
        let text = "Warning - empty notification_email block".to_owned();
        low.error(line, 0, "mail", text);
    }
}

fn own_script(low: &mut Lowering<'_>, line: Line<'_, '_>, kind: &str, known: bool) -> Option<Command> {
    if known {
        low.error(line, 0, "script-twice", format!("{kind} script already specified"));
        return None;
    }
    let command = low.command(line, kind);
    if command.is_none() {
        low.error(line, 1, "script", format!("Invalid {kind} script"));
    }
    command
}

/// `startup_script COMMAND [USER [GROUP]]`.
pub(crate) fn startup_script(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let known = low.global.startup_script.is_some();
    if let Some(command) = own_script(low, line, "startup", known) {
        low.global.startup_script = Some(command);
    }
}

/// `shutdown_script COMMAND [USER [GROUP]]`.
pub(crate) fn shutdown_script(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let known = low.global.shutdown_script.is_some();
    if let Some(command) = own_script(low, line, "shutdown", known) {
        low.global.shutdown_script = Some(command);
    }
}

fn script_timeout(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<Duration> {
    let seconds = low.unsigned(line, 1, 1, 1000);
    if seconds.is_none() {
        let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
        let text = format!("{keyword} '{word}' must be in [1, 1000] - ignoring");
        low.error(line, 1, "script-timeout", text);
    }
    seconds.map(|seconds| Duration::from_secs(u64::from(seconds)))
}

/// `startup_script_timeout SECS`.
pub(crate) fn startup_script_timeout(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(timeout) = script_timeout(low, line) {
        low.global.startup_timeout = timeout;
    }
}

/// `shutdown_script_timeout SECS`.
pub(crate) fn shutdown_script_timeout(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(timeout) = script_timeout(low, line) {
        low.global.shutdown_timeout = timeout;
    }
}

fn fifo(low: &mut Lowering<'_>, line: Line<'_, '_>, prefix: &str, old: Option<Fifo>) -> Option<Fifo> {
    let path = line.word(1).unwrap_or_default().to_owned();
    if let Some(old) = old.as_ref().filter(|old| !old.path.is_empty()) {
        let text = format!("{prefix}notify_fifo already specified - ignoring {path}");
        low.error(line, 1, "fifo", text);
        return Some(old.clone());
    }
    let identity = match line.word(2) {
        Some(user) => {
            let found = low.identity(line, 2, user, line.word(3), "fifo");
            if found.is_none() {
                low.detail(
                    line,
                    2,
                    format!("Invalid user/group for {prefix} fifo {path} - ignoring"),
                );
                return old;
            }
            found
        }
        None => low.default_identity(),
    };
    let Some(identity) = identity else {
        let text = format!("Failed to set default user for {prefix} fifo {path} - ignoring");
        low.detail(line, 1, text);
        return old;
    };
    Some(Fifo {
        path,
        identity,
        script: old.and_then(|old| old.script),
    })
}

fn fifo_script(low: &mut Lowering<'_>, line: Line<'_, '_>, prefix: &str, old: Option<Fifo>) -> Option<Fifo> {
    let mut fifo = old.unwrap_or_default();
    if fifo.script.is_some() {
        let word = line.word(1).unwrap_or_default();
        let text = format!("{prefix}notify_fifo_script already specified - ignoring {word}");
        low.error(line, 1, "fifo", text);
    } else {
        fifo.script = low.command(line, &format!("{prefix}notify_fifo"));
    }
    Some(fifo)
}

macro_rules! fifos {
    ($($name:ident $read:ident $field:ident $prefix:literal;)*) => {
        $(pub(crate) fn $name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
            let old = low.global.$field.take();
            low.global.$field = $read(low, line, $prefix, old);
        })*
    };
}

fifos! {
    notify_fifo fifo fifo "";
    vrrp_notify_fifo fifo vrrp_fifo "vrrp_";
    lvs_notify_fifo fifo lvs_fifo "lvs_";
    notify_fifo_script fifo_script fifo "";
    vrrp_notify_fifo_script fifo_script vrrp_fifo "vrrp_";
    lvs_notify_fifo_script fifo_script lvs_fifo "lvs_";
}
