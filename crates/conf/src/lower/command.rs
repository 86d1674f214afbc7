//! Commands: the lines of script keywords, whose identity they run under, and whether they may run at all.
//!
//! Decides how a command is split into program and arguments (`spec/config-language.md` 4.2), which user it runs as, and,
//! when everything has been read, whether the program exists, may be executed, and cannot be changed by others (script
//! security). What the file system says comes from the bundle; how a command is run is the daemon's.
//!
//! Upstream says most of the reasons to its log only, not with `-t`; those are messages with the code [`DETAIL`].

use super::Lowering;
use crate::diagnostic::{Class, Stage};
use crate::model::{Command, Identity};
use crate::programs::{Missing, ProgramFact, SCRIPT_USER, Step};
use crate::source::Mark;
use crate::tree::Statement;

/// The code of messages that upstream does not print with `-t`.
pub const DETAIL: &str = "script-detail";

/// Whether scripts ran as who they should, and what was seen of them so far in one of upstream's processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// There is a script.
    script: bool,
    /// Somebody else can change one.
    insecure: bool,
}

/// What is known of the identity scripts run under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scripts {
    /// `enable_script_security`.
    pub(crate) security: bool,
    /// `use_symlink_paths`.
    pub(crate) keep_links: bool,
    /// `script_user`: whom it names, or that there is no such user.
    default: Option<Option<Identity>>,
    /// The same commands are complained about once.
    seen: [Seen; 3],
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may run.
    Runs,
    /// It is not there.
    Missing,
    /// Somebody else can change what it does.
    Insecure,
    /// The user may not execute it.
    NotExecutable,
}

impl Lowering<'_> {
    /// A message of upstream's log about a word of a line.
    pub(crate) fn detail(&mut self, line: &Statement<'_>, word: usize, text: String) {
        self.say(line, word, Class::Notice, DETAIL, text);
    }

    /// `KEYWORD COMMAND`, without an identity: the program and its arguments. `None` if nothing can be run, and then it has
    /// been said why.
    pub(crate) fn program(&mut self, line: &Statement<'_>) -> Option<Vec<Vec<u8>>> {
        let words = crate::token::script_words(line.text.text).ok();
        let text = words.and_then(|words| words.into_iter().nth(1));
        let Some(text) = text else {
            self.error(line, 0, "script", "Unable to parse notify script".to_owned());
            return None;
        };
        let arguments = crate::token::command(&text).unwrap_or_default();
        if arguments.first().is_none_or(Vec::is_empty) {
            self.error(line, 1, "script", format!("Unable to parse script '{text}' - ignoring"));
            return None;
        }
        Some(arguments)
    }

    /// `KEYWORD COMMAND [USER [GROUP]]`; `None` if nothing can be run, and then it has been said why. `kind` is what
    /// messages call it.
    pub(crate) fn command(&mut self, line: &Statement<'_>, kind: &str) -> Option<Command> {
        let arguments = self.program(line)?;
        let words = crate::token::script_words(line.text.text).unwrap_or_default();
        let name = String::from_utf8_lossy(arguments.first().map_or(&b""[..], Vec::as_slice)).into_owned();
        let identity = match words.get(2) {
            Some(user) => self.identity(line, 2, user, words.get(3).map(String::as_str), "script"),
            None => self.default_identity(),
        };
        let Some(identity) = identity else {
            let text = match words.get(2) {
                Some(_) => format!("Invalid user/group for {kind} script {name} - ignoring"),
                None => format!("Failed to set default user for {kind} script {name} - ignoring"),
            };
            self.detail(line, 1, text);
            return None;
        };
        Some(Command {
            arguments,
            file: None,
            identity,
        })
    }

    /// `USER [GROUP]` at a word of a line; `None` if there is no such user or group, which is a detail.
    pub(crate) fn identity(
        &mut self,
        line: &Statement<'_>,
        word: usize,
        user: &str,
        group: Option<&str>,
        what: &str,
    ) -> Option<Identity> {
        let Some(known) = self.answers.users.get(user).cloned().flatten() else {
            let text = format!("Unable to resolve {what} username '{user}' - ignoring");
            self.detail(line, word, text);
            return None;
        };
        let gid = match group.map(|group| group.strip_prefix(':').unwrap_or(group)) {
            None => known.gid,
            Some(group) => match self.answers.groups.get(group).copied().flatten() {
                Some(gid) => gid,
                None => {
                    let text = format!("Unable to resolve {what} group name '{group}' - ignoring");
                    self.detail(line, word + 1, text);
                    return None;
                }
            },
        };
        Some(Identity {
            uid: known.uid,
            gid,
            user: user.to_owned(),
        })
    }

    /// Who scripts run as that name nobody: `script_user`, else the user for it, else the daemon's, which script security
    /// forbids.
    pub(crate) fn default_identity(&self) -> Option<Identity> {
        if let Some(said) = &self.scripts.default {
            return said.clone();
        }
        let named = |name: &str, uid, gid| Identity {
            uid,
            gid,
            user: name.to_owned(),
        };
        if let Some(known) = self.answers.users.get(SCRIPT_USER).cloned().flatten() {
            return Some(named(SCRIPT_USER, known.uid, known.gid));
        }
        if self.scripts.security {
            return None;
        }
        let own = self.answers.own.clone();
        let (uid, gid) = own.map_or((0, 0), |own| (own.uid, own.gid));
        Some(named(if uid == 0 { "root" } else { "" }, uid, gid))
    }

    /// Judges a command, once everything has been read, and finds its file.
    pub(crate) fn admit(&mut self, at: Option<Mark>, command: &mut Command) -> Verdict {
        let name = command.arguments.first().cloned().unwrap_or_default();
        // A file whose content is the result; nothing is executed.
        if name.starts_with(b"<") {
            return Verdict::Runs;
        }
        let shown = String::from_utf8_lossy(&name).into_owned();
        let Some(fact) = self.answers.programs.get(&name).cloned() else {
            self.script_detail(at, format!("Script {shown} cannot be accessed - too many scripts"));
            return Verdict::Missing;
        };
        if let Some(missing) = &fact.missing {
            let text = match missing {
                Missing::NotInPath => format!("Cannot find script {shown} in path - disabling"),
                Missing::Forbidden => format!("Permissions failure for script {shown} in path - disabling"),
                Missing::Reason(reason) => format!("Script {shown} cannot be accessed - {reason}"),
            };
            self.script_detail(at, text);
            return Verdict::Missing;
        }
        if let Some(found) = &fact.found {
            let found = String::from_utf8_lossy(found);
            let text =
                format!("WARNING - script `{shown}` resolved by path search to `{found}`. Please specify full path.");
            self.script_detail(at, text);
        }
        command.file = file(&name, &fact, self.scripts.keep_links);
        let verdict = self.judge(at, &shown, &fact, &command.identity);
        if let Some(seen) = self.seen() {
            seen.script = true;
        }
        verdict
    }

    fn judge(&mut self, at: Option<Mark>, shown: &str, fact: &ProgramFact, identity: &Identity) -> Verdict {
        let Some(last) = fact.way.last().filter(|step| step.is_file()) else {
            self.script_detail(at, format!("Wrong file type found in script path '{shown}'."));
            return Verdict::Insecure;
        };
        if !may_execute(last, identity) {
            let (uid, gid) = (identity.uid, identity.gid);
            let text = format!("WARNING - script '{shown}' is not executable for uid:gid {uid}:{gid} - disabling.");
            self.script_detail(at, text);
            return Verdict::NotExecutable;
        }
        let takes_root =
            (last.uid == 0 && last.mode & 0o4100 == 0o4100) || (last.gid == 0 && last.mode & 0o2010 == 0o2010);
        if identity.uid != 0 && identity.gid != 0 && !takes_root {
            return Verdict::Runs;
        }
        let before = fact.named.split_last().map_or(&[][..], |(_, before)| before);
        if let Some(link) = before.iter().find(|step| !step.is_directory()) {
            let place = link.path.display();
            self.script_detail(at, format!("Wrong file type found in script path '{place}'."));
            self.script_detail(
                at,
                format!("{place} is a {}: name the program by a path without one", link.kind()),
            );
            return Verdict::Insecure;
        }
        let mut steps = fact.named.iter().chain(&fact.way);
        let Some((step, weakness)) = steps.find_map(|step| Some((step, step.weakness()?))) else {
            return Verdict::Runs;
        };
        let disabling = if self.scripts.security { " - disabling" } else { "" };
        let (kind, place) = (step.kind(), step.path.display());
        self.script_detail(at, format!("Unsafe permissions found for script '{shown}'{disabling}."));
        self.script_detail(at, format!("{kind} {place} {weakness}, and the script runs as root"));
        if let Some(seen) = self.seen() {
            seen.insecure = true;
        }
        if self.scripts.security {
            Verdict::Insecure
        } else {
            Verdict::Runs
        }
    }

    fn seen(&mut self) -> Option<&mut Seen> {
        let index = match self.stage {
            Stage::Parent => 0,
            Stage::Checker => 1,
            Stage::Vrrp | Stage::Bfd => 2,
        };
        self.scripts.seen.get_mut(index)
    }

    /// A detail at the end, where a command stands.
    pub(super) fn script_detail(&mut self, at: Option<Mark>, text: String) {
        self.say_at(at, false, Class::Notice, DETAIL, text);
    }

    /// Says that scripts run without script security, after all commands of this stage were judged.
    pub(crate) fn script_security(&mut self) {
        let whose = match self.stage {
            Stage::Parent => "start/shutdown scripts",
            Stage::Checker => "check scripts",
            Stage::Vrrp | Stage::Bfd => "scripts",
        };
        let security = self.scripts.security;
        let Some(seen) = self.seen().copied().filter(|seen| seen.script && !security) else {
            return;
        };
        let insecure = if seen.insecure {
            " There are insecure scripts."
        } else {
            ""
        };
        let text =
            format!("SECURITY VIOLATION - {whose} are being executed but script_security not enabled.{insecure}");
        self.say_at(None, false, Class::Security, "script-security", text);
    }
}

/// `script_user USER [[:]GROUP]`.
pub(crate) fn script_user(low: &mut Lowering<'_>, line: &Statement<'_>) {
    let Some(user) = line.word(1) else { return };
    let identity = low.identity(line, 1, user, line.word(2), "script");
    if identity.is_none() {
        low.error(line, 1, "script-user", "Error setting global script uid/gid".to_owned());
    }
    low.scripts.default = Some(identity);
}

/// The file to execute: the way to it without links, unless they are to be kept, but under the name it was called by,
/// because some programs do one thing or another by their name.
fn file(name: &[u8], fact: &ProgramFact, keep_links: bool) -> Option<Vec<u8>> {
    let named = fact.found.as_deref().unwrap_or(name);
    if keep_links {
        return fact.found.clone();
    }
    let base = |path: &[u8]| path.rsplit(|&byte| byte == b'/').next().map(<[u8]>::to_vec);
    let file = if fact.keeps_name {
        let folder = fact.real.len() - base(&fact.real).map_or(0, |base| base.len());
        let mut file = fact.real.get(..folder).unwrap_or_default().to_vec();
        file.extend(base(named).unwrap_or_default());
        file
    } else {
        fact.real.clone()
    };
    (file != name).then_some(file)
}

/// Whether a user may execute a file, supplementary groups aside: upstream does not count them either.
fn may_execute(file: &Step, identity: &Identity) -> bool {
    let bits = if identity.uid == 0 {
        0o111
    } else if identity.uid == file.uid {
        0o100
    } else if identity.gid == file.gid {
        0o010
    } else {
        0o001
    };
    file.mode & bits != 0
}
