//! Programs and users as facts: what a configuration's commands mean in the place it is read in.
//!
//! Compiling opens nothing. What it wants to know of programs, users, groups and host names is asked of the
//! [`crate::Loader`] while the files are read, by the words of the lines alone, and kept in the bundle; so whoever compiles
//! the bundle later judges the same place. Asking for a program tells everything about the way to it and nothing about who
//! may run it: that is judged in `lower::command`.

use crate::expand::is_space;
use crate::limits;
use nix::unistd::{Gid, Group, Uid, User};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// The user scripts run as if it exists and the configuration names none.
pub const SCRIPT_USER: &str = "keepalived_script";
/// Where programs are looked for without the variable PATH.
const USUAL_PATH: &str = "/usr/local/bin:/bin:/usr/bin";
/// Symbolic links followed on the way to one program; the kernel's own limit.
const LINKS: usize = 40;

/// A user as the system knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserFact {
    /// Its number.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
}

/// A program as the file system has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramFact {
    /// The path it was found at, if it was named without one.
    pub found: Option<Vec<u8>>,
    /// Why there is no such file, or why it cannot be looked at.
    pub missing: Option<Missing>,
    /// The path without links.
    pub real: Vec<u8>,
    /// Whether the real directory holds the same file under the name it was called by.
    pub keeps_name: bool,
    /// Everything on the way as named, the file last; links are not followed.
    pub named: Vec<Step>,
    /// Everything on the way to the real file, that last.
    pub way: Vec<Step>,
}

impl ProgramFact {
    /// A program that everybody may run and root alone can change, for tools and tests without a file system.
    pub fn plain(path: &str) -> ProgramFact {
        let step = |path: &str, mode| Step {
            path: path.into(),
            uid: 0,
            gid: 0,
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode,
        };
        let ends = path.match_indices('/').map(|(at, _)| at).filter(|&at| at > 0);
        let mut way: Vec<Step> = ends.filter_map(|at| Some(step(path.get(..at)?, 0o040_755))).collect();
        way.push(step(path, 0o100_755));
        ProgramFact {
            real: path.as_bytes().to_vec(),
            keeps_name: true,
            named: way.clone(),
            way,
            ..ProgramFact::default()
        }
    }
}

/// Why a program is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missing {
    /// No directory of the path has it.
    NotInPath,
    /// A directory of the path has it, and it may not be run.
    Forbidden,
    /// The system's reason for a path that was named.
    Reason(String),
}

/// A directory, link or file on the way to a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its path.
    pub path: PathBuf,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The name of the owner, or the number.
    pub owner: String,
    /// The name of the group, or the number.
    pub group: String,
    /// Its mode with the bits of its kind.
    pub mode: u32,
}

/// The kinds of files in [`Step::mode`].
const KIND: u32 = 0o170_000;

impl Step {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.mode & KIND == 0o040_000
    }

    /// Whether it is a file with bytes.
    pub fn is_file(&self) -> bool {
        self.mode & KIND == 0o100_000
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode & KIND == 0o120_000
    }

    /// Why somebody besides root can change what is run, if that is so.
    pub fn weakness(&self) -> Option<String> {
        let sticky = self.is_directory() && self.mode & 0o1000 != 0;
        let open = (self.is_directory() && !sticky) || self.is_file();
        if self.uid != 0 {
            return Some(format!("is owned by user {}", self.owner));
        }
        if open && self.mode & 0o002 != 0 {
            return Some("can be written by everybody".to_owned());
        }
        let group = open && self.gid != 0 && self.mode & 0o020 != 0;
        group.then(|| format!("can be written by group {}", self.group))
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match () {
            () if self.is_directory() => "directory",
            () if self.is_link() => "symbolic link",
            () if self.is_file() => "file",
            () => "special file",
        }
    }
}

/// For messages.
fn user_name(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

fn group_name(gid: u32) -> String {
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    group.map_or_else(|| gid.to_string(), |group| group.name)
}

/// Everything that was asked, with the answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answers {
    pub(crate) programs: BTreeMap<Vec<u8>, ProgramFact>,
    pub(crate) users: BTreeMap<String, Option<UserFact>>,
    pub(crate) groups: BTreeMap<String, Option<u32>>,
    /// Whether a name of a host has an address; asked only when a configuration is checked.
    pub(crate) hosts: BTreeMap<String, bool>,
    /// The user the daemon runs as.
    pub(crate) own: Option<UserFact>,
}

/// Keywords whose second word is a command, followed by a user and a group.
const COMMANDS: [&str; 21] = [
    "script",
    "misc_path",
    "startup_script",
    "shutdown_script",
    "notify_fifo_script",
    "vrrp_notify_fifo_script",
    "lvs_notify_fifo_script",
    "quorum_up",
    "quorum_down",
    "notify_up",
    "notify_down",
    "notify",
    "notify_master",
    "notify_backup",
    "notify_fault",
    "notify_stop",
    "notify_deleted",
    "notify_master_rx_lower_pri",
    "notify_fifo",
    "vrrp_notify_fifo",
    "lvs_notify_fifo",
];

/// Whether the bytes of a file may hold a question.
pub(crate) fn may_ask(bytes: &[u8]) -> bool {
    [&b"script"[..], b"notify", b"misc_path", b"quorum_", b"smtp_server"]
        .iter()
        .any(|word| memchr::memmem::find(bytes, word).is_some())
}

impl Answers {
    /// Asks what a line will want to know.
    pub(crate) fn ask(&mut self, line: &str, checking: bool, loader: &dyn crate::Loader) {
        let keyword = line
            .split(|c: char| c.is_ascii() && is_space(c as u8))
            .next()
            .unwrap_or_default();
        if COMMANDS.contains(&keyword) {
            let Ok(words) = crate::token::script_words(line) else {
                return;
            };
            if let Some(command) = words.get(1).filter(|_| !keyword.ends_with("_fifo")) {
                let program = crate::token::command(command)
                    .ok()
                    .and_then(|words| words.into_iter().next());
                self.ask_program(program.unwrap_or_default(), loader);
            }
            self.ask_identity(words.get(2), words.get(3), loader);
        } else if matches!(keyword, "user" | "script_user") {
            let mut words = line.split_ascii_whitespace().skip(1).map(str::to_owned);
            let (user, group) = (words.next(), words.next());
            self.ask_identity(user.as_ref(), group.as_ref(), loader);
        } else if keyword == "smtp_server" && checking {
            let host = line.split_ascii_whitespace().nth(1).unwrap_or_default();
            if !self.hosts.contains_key(host) && self.hosts.len() < limits::QUESTIONS {
                self.hosts.insert(host.to_owned(), loader.resolves(host));
            }
        }
    }

    fn ask_program(&mut self, program: Vec<u8>, loader: &dyn crate::Loader) {
        if !program.is_empty() && !self.programs.contains_key(&program) && self.programs.len() < limits::QUESTIONS {
            let fact = loader.program(&program);
            self.programs.insert(program, fact);
        }
    }

    fn ask_identity(&mut self, user: Option<&String>, group: Option<&String>, loader: &dyn crate::Loader) {
        self.ask_user(SCRIPT_USER, loader);
        if let Some(user) = user {
            self.ask_user(user, loader);
        }
        let group = group.map(|group| group.strip_prefix(':').unwrap_or(group));
        if let Some(group) = group.filter(|group| !self.groups.contains_key(*group))
            && self.groups.len() < limits::QUESTIONS
        {
            self.groups.insert(group.to_owned(), loader.group(group));
        }
    }

    fn ask_user(&mut self, name: &str, loader: &dyn crate::Loader) {
        if !self.users.contains_key(name) && self.users.len() < limits::QUESTIONS {
            self.users.insert(name.to_owned(), loader.user(name));
        }
    }
}

/// A user of this machine.
pub fn user(name: &str) -> Option<UserFact> {
    let user = User::from_name(name).ok()??;
    Some(UserFact {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
    })
}

/// A group of this machine.
pub fn group(name: &str) -> Option<u32> {
    Some(Group::from_name(name).ok()??.gid.as_raw())
}

/// Whether the name of a host has an address now. May take as long as name servers do.
pub fn resolves(host: &str) -> bool {
    use std::net::ToSocketAddrs;
    (host, 25)
        .to_socket_addrs()
        .is_ok_and(|mut found| found.next().is_some())
}

/// The user this process runs as, and its group.
pub fn own() -> UserFact {
    UserFact {
        uid: Uid::effective().as_raw(),
        gid: Gid::effective().as_raw(),
    }
}

/// A program on this machine; without `/` it is looked for in `path`, or where programs usually are.
pub fn program(name: &[u8], path: Option<&str>) -> ProgramFact {
    let mut fact = ProgramFact::default();
    let named = if name.contains(&b'/') {
        PathBuf::from(OsStr::from_bytes(name))
    } else {
        match search(name, path.unwrap_or(USUAL_PATH)) {
            Ok(found) => {
                fact.found = Some(found.as_os_str().as_bytes().to_vec());
                found
            }
            Err(missing) => {
                fact.missing = Some(missing);
                return fact;
            }
        }
    };
    let real = match fs::canonicalize(&named) {
        Ok(real) => real,
        Err(error) => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
            fact.missing = Some(Missing::Reason(text));
            return fact;
        }
    };
    fact.keeps_name = named.file_name().zip(real.parent()).is_some_and(|(name, folder)| {
        let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        let (beside, real) = (fs::metadata(folder.join(name)), fs::metadata(&real));
        beside.ok().zip(real.ok()).is_some_and(|(a, b)| same(a, b))
    });
    fact.named = steps(&named);
    fact.way = steps(&real);
    fact.real = real.as_os_str().as_bytes().to_vec();
    fact
}

fn search(name: &[u8], path: &str) -> Result<PathBuf, Missing> {
    let mut missing = Missing::NotInPath;
    for folder in path.split(':') {
        let folder = if folder.is_empty() { "." } else { folder };
        let candidate = Path::new(folder).join(OsStr::from_bytes(name));
        match fs::metadata(&candidate) {
            Ok(file) if file.is_file() && file.mode() & 0o111 != 0 => return Ok(candidate),
            Ok(file) if file.is_file() => missing = Missing::Forbidden,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => missing = Missing::Forbidden,
            Err(_) => {}
        }
    }
    Err(missing)
}

/// Everything on the way to a path; where something cannot be looked at the list ends.
fn steps(path: &Path) -> Vec<Step> {
    let mut so_far = PathBuf::new();
    let mut steps = Vec::new();
    for component in path.components().take(LINKS * 8) {
        so_far.push(component);
        if component == Component::RootDir {
            // Upstream does not look at it either: who can change it needs no script.
            continue;
        }
        let Ok(facts) = fs::symlink_metadata(&so_far) else {
            break;
        };
        steps.push(Step {
            path: so_far.clone(),
            uid: facts.uid(),
            gid: facts.gid(),
            owner: user_name(facts.uid()),
            group: group_name(facts.gid()),
            mode: facts.mode(),
        });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_program_is_found_with_everything_on_the_way_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        fs::create_dir(&real).unwrap();
        fs::write(real.join("x.sh"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(real.join("x.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("real", folder.path().join("link")).unwrap();
        let named = folder.path().join("link/x.sh");
        let fact = program(named.as_os_str().as_bytes(), None);
        assert_eq!(fact.missing, None);
        assert!(fact.keeps_name);
        assert!(fact.real.ends_with(b"real/x.sh"));
        assert!(fact.named.iter().any(Step::is_link));
        assert!(
            fact.way
                .last()
                .is_some_and(|step| step.is_file() && step.mode & 0o777 == 0o755)
        );
        let path = real.display().to_string();
        assert_eq!(
            program(b"x.sh", Some(&path)).found,
            Some(real.join("x.sh").as_os_str().as_bytes().to_vec())
        );
        assert_eq!(program(b"y.sh", Some(&path)).missing, Some(Missing::NotInPath));
        fs::set_permissions(real.join("x.sh"), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(program(b"x.sh", Some(&path)).missing, Some(Missing::Forbidden));
        let gone = folder.path().join("gone");
        let reason = Missing::Reason("No such file or directory".to_owned());
        assert_eq!(program(gone.as_os_str().as_bytes(), None).missing, Some(reason));
    }

    #[test]
    fn what_others_can_change_is_weak_unless_it_is_a_sticky_directory() {
        let step = |uid, gid, mode| Step {
            path: "/x".into(),
            uid,
            gid,
            owner: uid.to_string(),
            group: gid.to_string(),
            mode,
        };
        assert_eq!(step(0, 0, 0o100_755).weakness(), None);
        assert_eq!(step(0, 0, 0o100_775).weakness(), None);
        assert!(step(0, 5, 0o100_775).weakness().unwrap().contains("group 5"));
        assert!(step(0, 0, 0o100_757).weakness().unwrap().contains("everybody"));
        assert!(step(7, 0, 0o100_755).weakness().unwrap().contains("user 7"));
        assert_eq!(step(0, 0, 0o041_777).weakness(), None);
        assert!(step(0, 0, 0o040_777).weakness().is_some());
        assert_eq!(step(0, 0, 0o120_777).weakness(), None);
    }

    #[test]
    fn root_exists_and_nobody_is_called_by_an_impossible_name() {
        assert_eq!(user("root"), Some(UserFact { uid: 0, gid: 0 }));
        assert_eq!(group("root"), Some(0));
        assert_eq!(user("no such user"), None);
    }

    #[test]
    fn questions_are_read_from_the_words_of_a_line() {
        let mut answers = Answers::default();
        let loader = crate::MapLoader::default();
        for line in [
            "notify_master \"/bin/a b\" root ops",
            "script '/bin/c' ignored",
            "user somebody :staff",
            "notify_fifo /run/f root",
            "virtual_router_id 5",
            "notify 'unbalanced",
            "smtp_server mail.example.com 25",
        ] {
            answers.ask(line, true, &loader);
        }
        let programs: Vec<&[u8]> = answers.programs.keys().map(Vec::as_slice).collect();
        assert_eq!(programs, [&b"/bin/a"[..], b"/bin/c"]);
        assert_eq!(answers.users["root"], Some(UserFact { uid: 0, gid: 0 }));
        assert_eq!(answers.users["somebody"], None);
        assert!(answers.groups.contains_key("ops") && answers.groups.contains_key("staff"));
        assert!(answers.hosts.contains_key("mail.example.com"));
    }
}
